"""Twenty-two cases whose right answer is known, because the law of the rows is.

Each case takes a number of rows and a seed, draws tables from `make_transactions`, spoils them in one stated
way, and asserts what an honest evaluation has to say. `test_known_answers.py` runs them;
`test_known_defects.py` shows that they fail once a defect is planted in the evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabdiff.datasets import make_transactions
from tabdiff.errors import ControlContaminated
from tabdiff.evaluation import Report, compare, evaluate
from tabdiff.evaluation.references import independent_columns, interpolated

LEAK, NO_LEAK, NOT_ASSESSABLE = "leak detected", "no leak detected at this power", "not assessable"
FRAUD_RATE = 0.1  # so that the smallest size has a rare class that can be assessed
# A tenth of the usual level: all sizes and seeds make some ninety leak-free verdicts, of which about one in a
# hundred may raise an alarm by chance at the usual one. How often they do is measured apart.
ALPHA = 0.001

Case = Callable[[int, int], Any]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    def add(function: Case) -> Case:
        CASES[name] = function
        return function

    return add


@dataclass(frozen=True)
class World:
    """Independent draws of one law: what the generator saw, what it did not, and a perfect sample."""

    train: pd.DataFrame
    holdout: pd.DataFrame
    fresh: pd.DataFrame
    rng: np.random.Generator


def world(n: int, seed: int, n_holdout: int | None = None, n_fresh: int | None = None) -> World:
    sizes = n, n_holdout or n, n_fresh or n
    tables = [make_transactions(size, 1000 * seed + i, FRAUD_RATE) for i, size in enumerate(sizes)]
    return World(*tables, np.random.default_rng(seed))


def judged(w: World, synthetic: pd.DataFrame, **changes: Any) -> Report:
    budget = "fast" if len(w.train) <= 3_000 else "standard"
    arguments = {"train": w.train, "holdout": w.holdout, "target": "fraud", "budget": budget, "alpha": ALPHA}
    return evaluate(**(arguments | {"synthetic": synthetic, "references": False, "seed": 0} | changes))


def shuffled(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)


def noised(frame: pd.DataFrame, rng: np.random.Generator, share: float = 0.01) -> pd.DataFrame:
    """The rows with noise of a hundredth of each number's spread, so that no cell is verbatim."""
    floats = frame.select_dtypes("float").columns
    return frame.assign(
        **{name: frame[name] + share * frame[name].std() * rng.normal(size=len(frame)) for name in floats}
    )


def rebuilt(w: World, rows: Any) -> pd.DataFrame:
    """Rows in the common coding as a frame again."""
    comparison = compare(w.train, w.fresh, w.holdout, "fraud")
    frame = {}
    for column in comparison.layout.columns:
        cells = rows.column(column)
        if column.kind == "numeric":
            frame[column.name] = cells
        else:
            levels = np.array([*column.levels, None], dtype=object)
            frame[column.name] = pd.Series(levels[cells]).infer_objects()
    return pd.DataFrame(frame)


def value(report: Report, name: str) -> float:
    estimate = report[name]
    assert estimate.assessable, str(estimate)
    return estimate.value


def holds(report: Report, name: str, truth: float, slack: float = 0.0) -> None:
    """The interval, widened by `slack`, holds the truth."""
    estimate = report[name]
    assert estimate.assessable and estimate.lo - slack <= truth <= estimate.hi + slack, str(estimate)


def is_ideal(report: Report) -> None:
    """No flaw: the two-sample test at chance, pairs at the holdout's own distance."""
    assert report.verdict.fidelity == "faithful", report.verdict.reasons
    holds(report, "fidelity.c2st.auc", 0.5, slack=0.03)
    holds(report, "fidelity.pairs.score", 0.0, slack=0.15)


def flaws(report: Report) -> str:
    assert report.verdict.fidelity == "flawed", report.verdict.reasons
    return " ".join(reason for reason in report.verdict.reasons if reason.startswith("fidelity"))


# --- the cases ---


@case("K1")
def a_copy_of_train(n, seed):
    w = world(n, seed)
    report = judged(w, shuffled(w.train, w.rng))
    is_ideal(report)
    assert report.verdict.privacy == LEAK
    assert value(report, "privacy.mia.auc") > 0.99
    assert value(report, "privacy.copies.exact") > 0.99
    assert len(report.suspects) > 0


@case("K2")
def a_copy_in_the_same_order(n, seed):
    w = world(n, seed)
    in_order = judged(w, w.train.copy())
    is_ideal(in_order)
    assert in_order.verdict.privacy == LEAK
    assert value(in_order, "privacy.mia.auc") > 0.99
    assert value(in_order, "descriptive.dcr_share") > 0.99


@case("K3")
def a_perfect_sample(n, seed):
    w = world(n, seed)
    report = judged(w, w.fresh)
    is_ideal(report)
    assert report.verdict.privacy == NO_LEAK, report.verdict.reasons
    assert report.verdict.limits
    holds(report, "privacy.mia.auc", 0.5, slack=0.02)
    holds(report, "utility.tstr.gap", 0.0, slack=0.1)
    assert abs(value(report, "descriptive.dcr_share") - 0.5) < 0.08


@case("K4")
def the_holdout_itself(n, seed):
    w = world(n, seed)
    with pytest.raises(ControlContaminated, match="verbatim"):
        judged(w, w.holdout.copy())


@case("K5")
def a_second_holdout(n, seed):
    w = world(n, seed)
    other = world(n, seed + 500)
    report = judged(w, other.holdout)
    is_ideal(report)
    assert report.verdict.privacy == NO_LEAK, report.verdict.reasons


@case("K6")
def independent_columns_alone(n, seed):
    w = world(n, seed)
    comparison = compare(w.train, w.fresh, w.holdout, "fraud")
    report = judged(w, rebuilt(w, independent_columns(comparison.train, w.rng)))
    assert value(report, "fidelity.marginal.worst") < 0.1
    assert value(report, "fidelity.pairs.score") > 0.75
    assert value(report, "fidelity.c2st.auc") > 0.75
    assert "relations between columns are lost" in flaws(report)
    assert value(report, "utility.tstr.gap") < -0.2
    assert report.verdict.privacy == NO_LEAK, report.verdict.reasons


@case("K7")
def train_with_one_percent_of_noise(n, seed):
    w = world(n, seed)
    report = judged(w, shuffled(noised(w.train, w.rng), w.rng))
    assert abs(value(report, "fidelity.pairs.score")) < 0.25
    assert report.verdict.privacy == LEAK
    assert value(report, "privacy.mia.auc") > 0.95


@case("K8")
def half_copies_half_fresh(n, seed):
    w = world(n, seed)
    half = n // 2
    report = judged(w, shuffled(pd.concat([w.train[:half], w.fresh[:half]]), w.rng))
    is_ideal(report)
    assert report.verdict.privacy == LEAK
    assert abs(value(report, "privacy.copies.exact") - 0.5) < 0.02
    assert abs(2 * value(report, "privacy.mia.auc") - 1 - 0.5) < 0.12


@case("K9")
def points_between_neighbours(n, seed):
    w = world(n, seed)
    comparison = compare(w.train, w.fresh, w.holdout, "fraud")
    report = judged(w, rebuilt(w, interpolated(comparison, w.rng)))
    assert value(report, "fidelity.c2st.auc") > 0.6
    assert report.verdict.fidelity == "flawed"
    assert report.verdict.privacy == LEAK, report.verdict.reasons


@case("K10")
def one_row_in_a_hundred_repeated(n, seed):
    w = world(n, seed)
    report = judged(w, pd.concat([w.fresh[: n // 100]] * 100, ignore_index=True))
    assert value(report, "fidelity.c2st.auc") > 0.9
    assert value(report, "fidelity.diversity.unique") < 0.02
    assert value(report, "fidelity.coverage.all") < 0.5
    assert "repeat" in flaws(report)
    assert report.verdict.privacy == NO_LEAK, report.verdict.reasons


@case("K11")
def twenty_outliers_planted(n, seed):
    w = world(n, seed)
    z = w.train.select_dtypes("number").drop(columns="fraud").rank(pct=True).fillna(0.5)
    outliers = (z - 0.5).abs().max(axis=1).nlargest(20).index
    planted = noised(w.train, w.rng, 0.001).loc[outliers]
    report = judged(w, shuffled(pd.concat([w.fresh[: n - 20], planted]), w.rng))
    is_ideal(report)
    suspects = set(report.suspects["train_row"])
    assert len(suspects & set(outliers)) >= 15, "the rows are listed whatever the verdict"
    limit = value(report, "privacy.limit.copied_outliers")
    assert report.verdict.privacy == LEAK or limit > 20, report.verdict.reasons


@case("K12")
def labels_permuted(n, seed):
    w = world(n, seed)
    report = judged(w, w.fresh.assign(fraud=w.rng.permutation(w.fresh["fraud"])))
    assert value(report, "fidelity.pairs.target") > 0.6
    assert value(report, "fidelity.c2st.rare.auc") > 0.8
    assert "target" in flaws(report)
    base = float(w.holdout["fraud"].mean())
    gap = report["utility.tstr.gap"]
    assert gap.value < -0.2 and gap.details["score"]["synthetic"] < 4 * base
    assert report.verdict.utility != "helps"
    assert report.verdict.privacy == NO_LEAK, report.verdict.reasons


@case("K13")
def labels_with_noise(n, seed):
    w = world(n, seed)
    gaps = []
    for share in (0.0, 0.1, 0.3):
        flipped = w.rng.random(n) < share
        fraud = w.fresh["fraud"].where(~flipped, 1 - w.fresh["fraud"])
        gaps.append(
            value(judged(w, w.fresh.assign(fraud=fraud), measures=["utility.tstr"]), "utility.tstr.gap")
        )
    assert gaps[0] > gaps[1] > gaps[2]


@case("K14")
def levels_that_identify_no_one(n, seed):
    rng = np.random.default_rng(seed)

    def drawn():
        return pd.DataFrame({name: rng.integers(0, 3, n).astype(str) for name in ("a", "b", "c")})

    w = World(drawn(), drawn(), drawn(), rng)
    assert judged(w, w.fresh, target=None).verdict.privacy == NOT_ASSESSABLE
    copied = judged(w, w.train.copy(), target=None)
    assert copied.verdict.privacy == NOT_ASSESSABLE
    assert "not identifiable" in copied.verdict.reasons[0]


@case("K15")
def the_same_people_on_both_sides(n, seed):
    w = world(n, seed)
    mixed = pd.concat([w.holdout[n // 10 :], w.train[: n // 10]], ignore_index=True)
    with pytest.raises(ControlContaminated, match="equal train rows"):
        judged(w, w.fresh, holdout=mixed)


@case("K16")
def one_column_times_a_thousand(n, seed):
    w = world(n, seed)
    spoilt = w.fresh.assign(amount=1_000 * w.fresh["amount"], age=w.fresh["age"] - 500)
    report, whole = judged(w, spoilt), judged(w, w.fresh, measures=["fidelity.pairs"])
    assert value(report, "fidelity.marginal.worst") > 0.8
    assert value(report, "fidelity.validity.out_of_range") > 0.9
    assert value(report, "fidelity.pairs.score") > value(whole, "fidelity.pairs.score") + 0.1
    worst = {c["column"]: c["ks_or_tv"] for c in report["fidelity.marginal.mean"].details["columns"]}
    assert worst["amount"] > 0.8 and worst["age"] > 0.8 and worst["balance"] < 0.2
    flaws(report)


@case("K17")
def one_extreme_value(n, seed):
    w = world(n, seed)
    spoilt = w.fresh.copy()
    spoilt.loc[0, "amount"] = 1e9
    one, other = judged(w, spoilt), judged(w, w.fresh)
    for name in ("fidelity.pairs.score", "fidelity.marginal.mean", "fidelity.c2st.auc", "privacy.mia.auc"):
        assert value(one, name) == pytest.approx(value(other, name), abs=0.03)
    assert one.verdict.fidelity == "faithful"


@case("K18")
def a_column_that_is_all_missing(n, seed):
    w = world(n, seed)
    report = judged(w, w.fresh.assign(balance=np.nan))
    rate = report["fidelity.missing.rate"]
    assert rate.value == pytest.approx(1.0) and rate.details["column"] == "balance"
    assert "'balance'" in flaws(report)
    shape = {c["column"]: c["ks_or_tv"] for c in report["fidelity.marginal.mean"].details["columns"]}
    assert shape["balance"] == 1.0


@case("K19")
def a_rare_class_of_none_one_or_five(n, seed):
    w = world(n, seed)
    legitimate, frauds = w.fresh[w.fresh["fraud"] == 0], w.fresh[w.fresh["fraud"] == 1]
    for n_frauds in (0, 1, 5):
        report = judged(w, pd.concat([legitimate, frauds[:n_frauds]], ignore_index=True))
        assert "rare class" in flaws(report)
        refused = report["fidelity.c2st.rare.auc"]
        assert not refused.assessable and str(n_frauds) in refused.reason
        if n_frauds == 0:
            assert report.verdict.utility == NOT_ASSESSABLE


@case("K20")
def tables_of_other_sizes(n, seed):
    for n_holdout, n_fresh in ((n, n // 3), (n, 3 * n), (n // 4, n)):
        w = world(n, seed, n_holdout, n_fresh)
        report = judged(w, w.fresh)
        is_ideal(report)
        assert report.verdict.privacy == NO_LEAK, report.verdict.reasons
        holds(report, "privacy.mia.auc", 0.5, slack=0.03)
        assert abs(value(report, "descriptive.dcr_share") - 0.5) < 0.1
        assert abs(value(report, "fidelity.coverage.all") - report["fidelity.coverage.all"].floor) < 0.12
    assert judged(w, w.train.copy()).verdict.privacy == LEAK


@case("K21")
def columns_of_every_kind(n, seed):
    def dressed(frame, seed):
        rng = np.random.default_rng(seed)
        m = len(frame)
        mixed = np.empty(m, dtype=object)
        mixed[:] = [("1", 1, None, b"1")[i] for i in rng.integers(0, 4, m)]
        return frame.assign(
            constant=1,
            nothing=np.nan,
            id=[f"{seed}-{i}" for i in range(m)],
            town=rng.integers(0, 10_000, m).astype(str),
            flag=rng.random(m) < 0.5,
            when=pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 10**7, m), unit="s"),
            mixed=mixed,
        )

    w = world(n, seed)
    dressed_world = World(dressed(w.train, 1), dressed(w.holdout, 2), dressed(w.fresh, 3), w.rng)
    report = judged(dressed_world, dressed_world.fresh)
    for estimate in report.estimates.values():
        assert estimate.assessable or estimate.reason
    assert report.verdict.privacy == NO_LEAK, report.verdict.reasons
    assert report.verdict.fidelity == "faithful", report.verdict.reasons
    assert judged(dressed_world, dressed_world.train.copy()).verdict.privacy == LEAK


@case("K22")
def every_row_ten_times(n, seed):
    w = world(n, seed)
    once, tenfold = judged(w, w.fresh), judged(w, pd.concat([w.fresh] * 10, ignore_index=True))
    assert value(tenfold, "fidelity.diversity.unique") == pytest.approx(0.1, abs=0.01)
    assert "repeat" in flaws(tenfold)
    assert tenfold.verdict.privacy == NO_LEAK, tenfold.verdict.reasons
    for name in ("fidelity.c2st.auc", "fidelity.pairs.score", "fidelity.marginal.mean", "privacy.mia.auc"):
        a, b = once[name], tenfold[name]
        assert value(tenfold, name) == pytest.approx(value(once, name), abs=0.1), name
        assert b.hi - b.lo > 0.75 * (a.hi - a.lo), f"{name}: repeating rows narrowed the interval"
