"""Series through `evaluate`: laws that are known, controls, invariances, refusals."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tabdiff.errors import InputError, SchemaError
from tabdiff.evaluation import Report, compare, evaluate
from tabdiff.evaluation.comparison import Rows
from tabdiff.evaluation.explanations import EXPLANATIONS
from tabdiff.evaluation.references import reference_comparisons
from tabdiff.evaluation.registry import measure_all
from tabdiff.evaluation.series.sequences import SeriesComparison, in_order, mid_ranks, shuffled

MEASURES = ["series.lengths", "series.time", "series.order", "series.structure", "series.nearest"]
NAMES = [
    "series.lengths",
    "series.time.gaps",
    "series.time.gap_autocorrelation",
    "series.time.velocity",
    "series.time.bursts",
    "series.time.active_days",
    "series.time.hour",
    "series.time.weekday",
    "series.time.monthday",
    "series.order.1gram",
    "series.order.2gram",
    "series.order.3gram",
    "series.order.transitions",
    "series.order.autocorrelation",
    "series.order.cross_correlation",
    "series.structure.between",
    "series.structure.context",
    "series.nearest.ratio",
]
NEXT = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2]])


def cards(seed: int, n: int = 150) -> pd.DataFrame:
    """Cards with 6 to 20 payments: codes in a Markov chain, amounts of the card's own, quick runs."""
    rng = np.random.default_rng(seed)
    parts = []
    for card in range(n):
        length = int(rng.integers(6, 21))
        code = [int(rng.integers(3))]
        for _ in range(length - 1):
            code.append(int(rng.choice(3, p=NEXT[code[-1]])))
        noise = rng.normal(size=length)
        for i in range(1, length):
            noise[i] += 0.8 * noise[i - 1]
        amount = rng.normal() + noise
        pace = np.repeat(rng.exponential(size=7), 3)[:length]
        start = rng.uniform(0, 300) * 86_400
        seconds = start + np.cumsum(3_600 * (0.1 + pace) * rng.exponential(size=length))
        parts.append(
            pd.DataFrame(
                {
                    "card": f"{seed}-{card:04d}",
                    "ts": pd.to_datetime(seconds.astype(np.int64) + 1_700_000_000, unit="s"),
                    "code": np.array(["a", "b", "c"])[code],
                    "amount": np.round(amount, 3),
                    "balance": np.round(-amount + 0.3 * rng.normal(size=length), 3),
                    "segment": ["x", "y"][card % 2],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def judged(train, synthetic, holdout=None, **changes) -> Report:
    arguments = {"entity": "card", "time": "ts", "context": ["segment"], "measures": MEASURES}
    arguments |= {"budget": "fast", "references": False, "seed": 0}
    return evaluate(train=train, synthetic=synthetic, holdout=holdout, **(arguments | changes))


def within(cards: pd.DataFrame, columns: list[str], seed: int = 0) -> pd.DataFrame:
    """The columns in a random order within each card."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(cards)), cards["card"].to_numpy()))
    return cards.sort_values(["card", "ts"]).assign(
        **{each: cards[each].to_numpy()[order] for each in columns}
    )


@pytest.fixture(scope="module")
def tables():
    return cards(0), cards(1), cards(2)


@pytest.fixture(scope="module")
def fresh(tables):
    return judged(*tables)


def test_every_figure_is_there_and_explained(fresh):
    assert list(fresh) == NAMES
    assert set(NAMES) <= EXPLANATIONS.keys()
    assert not [name for name in NAMES if not fresh[name].assessable]


@pytest.mark.parametrize("name", NAMES[:-1])
def test_fresh_series_of_the_same_law_are_near_the_floor(fresh, name):
    found = fresh[name]
    assert abs(found.value) <= abs(found.floor) + 3 * (found.hi - found.lo) / 2 + 1e-12
    assert found.lo <= found.value <= found.hi
    assert found.ideal == 0


def test_fresh_series_are_as_far_from_train_as_held_out_ones(fresh):
    assert fresh["series.nearest.ratio"].value == pytest.approx(1, abs=0.1)
    assert fresh["series.nearest.ratio"].ideal == 1


def test_shuffling_is_the_far_end(fresh):
    for name in ("3gram", "transitions", "autocorrelation"):
        assert fresh[f"series.order.{name}"].bad > 4 * fresh[f"series.order.{name}"].floor
    assert fresh["series.structure.between"].bad > 4 * fresh["series.structure.between"].floor
    assert fresh["series.order.1gram"].bad is None


def test_the_holdout_itself_has_the_best_values(tables):
    comparison = compare(*tables, entity="card", time="ts", context=["segment"], budget="fast")
    steps = {**comparison.steps, "synthetic": comparison.steps["holdout"]}
    found = measure_all(replace(comparison, steps=steps), MEASURES)
    for name in NAMES[:-1]:
        assert found[name].value == pytest.approx(0, abs=1e-12), name
    assert found["series.nearest.ratio"].value == 1


def test_a_table_equal_to_train_is_at_the_floor(tables):
    train, _, holdout = tables
    report = judged(train, train.sample(frac=1, random_state=0), holdout)
    for name in NAMES[:-1]:
        assert report[name].value == pytest.approx(report[name].floor, abs=1e-12), name


def test_copies_of_train_are_found(tables):
    train, _, holdout = tables
    assert judged(train, train.copy(), holdout)["series.nearest.ratio"].value == 0


def test_codes_shuffled_within_cards_lose_their_order_alone(tables, fresh):
    train, synthetic, holdout = tables
    report = judged(train, within(synthetic, ["code"]), holdout)
    assert report["series.order.1gram"].value == pytest.approx(fresh["series.order.1gram"].value, abs=1e-12)
    assert report["series.order.3gram"].lo > 3 * report["series.order.3gram"].floor
    assert report["series.order.transitions"].lo > 3 * report["series.order.transitions"].floor
    assert report["series.time.gaps"].value == pytest.approx(fresh["series.time.gaps"].value, abs=1e-12)


def test_amounts_shuffled_within_cards_do_not_go_on(tables):
    train, synthetic, holdout = tables
    report = judged(train, within(synthetic, ["amount"]), holdout)
    assert report["series.order.autocorrelation"].lo > 3 * report["series.order.autocorrelation"].floor
    assert report["series.order.cross_correlation"].value > 0.5
    # an order within cards leaves what the cards own
    assert report["series.structure.between"].value < 0.1


def test_gaps_in_a_random_order_do_not_follow_each_other(tables):
    train, synthetic, holdout = tables
    spoilt = synthetic.sort_values(["card", "ts"]).reset_index(drop=True)
    rng = np.random.default_rng(0)
    for rows in spoilt.groupby("card").indices.values():
        times = spoilt.loc[rows, "ts"].to_numpy().astype("M8[s]").astype(np.int64)
        again = times[0] + np.append(0, np.cumsum(rng.permutation(np.diff(times))))
        spoilt.loc[rows, "ts"] = pd.to_datetime(again, unit="s").astype(spoilt["ts"].dtype)
    report = judged(train, spoilt, holdout)
    assert report["series.time.gap_autocorrelation"].hi < -0.03
    assert report["series.time.gaps"].value < 2 * report["series.time.gaps"].floor + 0.02


def test_longer_cards_are_seen(tables):
    train, synthetic, holdout = tables
    place = synthetic.groupby("card").cumcount()
    report = judged(train, synthetic[place < 6], holdout)
    lengths = holdout.groupby("card").size()
    assert report["series.lengths"].value == pytest.approx((lengths > 6).mean())
    assert report["series.lengths"].lo > report["series.lengths"].floor


def test_context_that_changes_is_counted(tables):
    train, synthetic, holdout = tables
    first = synthetic["card"].drop_duplicates().iloc[:30]
    broken = synthetic.copy()
    last = broken.drop_duplicates("card", keep="last").index[:30]
    broken.loc[last, "segment"] = broken.loc[last, "segment"].map({"x": "y", "y": "x"})
    assert judged(train, broken, holdout)["series.structure.context"].value == len(first) / 150


def test_the_order_of_rows_and_the_library_do_not_matter(tables, fresh):
    mixed = [each.sample(frac=1, random_state=i) for i, each in enumerate(tables)]
    other = judged(*[pl.from_pandas(each) for each in mixed])
    for name in NAMES:
        for field in ("value", "lo", "hi", "floor"):
            expected = getattr(fresh[name], field)
            assert getattr(other[name], field) == pytest.approx(expected, abs=1e-9), (name, field)


def test_without_a_holdout_whole_cards_are_halved(tables):
    comparison = compare(*tables[:2], entity="card", time="ts")
    assert isinstance(comparison, SeriesComparison)
    assert sorted(len(comparison.steps[role]) for role in ("train", "holdout")) == [75, 75]
    assert not set(comparison.train_groups) & set(comparison.holdout_groups)
    report = judged(*tables[:2])
    assert report["series.order.3gram"].value < report["series.order.3gram"].bad / 4
    assert "holdout" in report["series.nearest.ratio"].reason


def test_one_long_series_is_cut_into_blocks():
    def series(seed, shuffle=False):
        rng = np.random.default_rng(seed)
        code = [0]
        for _ in range(1_999):
            code.append(int(rng.choice(3, p=NEXT[code[-1]])))
        levels = np.array(["a", "b", "c"])[rng.permutation(code) if shuffle else code]
        return pd.DataFrame({"at": np.arange(2_000), "code": levels})

    report = judged(series(0), series(1), series(2), entity=None, time="at", context=[])
    assert "no entity" in report["series.lengths"].reason
    assert report["series.order.3gram"].details["entities"]["synthetic"] == 25
    assert report["series.order.3gram"].value < 0.02
    assert report["series.time.gaps"].value == 0
    assert "series.time.hour" not in report
    spoilt = judged(series(0), series(1, shuffle=True), series(2), entity=None, time="at", context=[])
    assert spoilt["series.order.3gram"].lo > 0.05


def test_entities_without_a_time_go_by_their_rows(tables, fresh):
    report = judged(*[each.drop(columns="ts") for each in tables], time=None)
    assert report["series.order.3gram"].value == pytest.approx(fresh["series.order.3gram"].value)
    assert report["series.time.gaps"].reason == "no time was named"


def test_all_of_a_report_holds_the_series(tables, tmp_path):
    small = [each[each["card"].str.slice(-4).astype(int) < 40] for each in tables]
    report = judged(*small, measures=None)
    assert set(NAMES) <= set(report)
    assert [each["name"] for each in report.facts["columns"] if each["kind"] == "identifier"] == ["card"]
    assert "ts" not in [each["name"] for each in report.facts["columns"]]
    assert set(NAMES) <= set(report.to_frame()["name"])
    page = report.to_html()
    assert all(EXPLANATIONS[name].title in page for name in NAMES)
    assert Report.from_json(report.to_json()) == report
    assert "fidelity" in str(report)


def test_reference_tables_are_no_series(tables):
    comparison = compare(*tables, entity="card", time="ts")
    assert not [
        each for each in reference_comparisons(comparison).values() if isinstance(each, SeriesComparison)
    ]


def test_tables_without_series_have_none_of_it(tables):
    frame = tables[0].drop(columns=["card", "ts"])
    report = evaluate(train=frame, synthetic=tables[1][frame.columns], budget="fast", references=False)
    assert not [name for name in report if name.startswith("series")]


def rows_of(cells) -> Rows:
    cells = np.asarray(cells, dtype=np.float64)[:, None]
    return Rows(cells, np.empty((len(cells), 0), dtype=np.int64), np.empty((len(cells), 0), dtype=np.int64))


def test_steps_are_sorted_by_entity_and_time():
    steps = in_order(rows_of([1, 2, 3, 4]), np.array([7, 5, 7, 5]), np.array([2.0, 9.0, 1.0, 3.0]))
    assert steps.rows.numbers[:, 0].tolist() == [4, 2, 3, 1]
    assert steps.offsets.tolist() == [0, 2, 4]
    assert steps.owner.tolist() == [0, 0, 1, 1]
    dealt = shuffled(steps, np.random.default_rng(0))
    assert sorted(dealt.rows.numbers[:, 0]) == [1, 2, 3, 4]
    assert dealt.offsets.tolist() == [0, 2, 4]
    assert (np.diff(dealt.times)[[0, 2]] > 0).all()


def test_mid_ranks_have_unit_variance_on_real_rows():
    real = np.random.default_rng(0).lognormal(size=1_000)
    ranks = mid_ranks(real, real)
    assert (ranks.mean(), ranks.var()) == pytest.approx((0, 1), abs=1e-5)
    assert mid_ranks(np.array([-1.0, np.nan, 2.0]), np.array([1.0, 2.0, 2.0, np.nan])) == pytest.approx(
        [-(3**0.5), np.nan, 12**0.5 / 6], nan_ok=True
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"entity": "crd"}, r"`entity` names \['crd'\]"),
        ({"time": "when"}, r"`time` names \['when'\]"),
        ({"context": ["age"]}, r"`context` names \['age'\]"),
        ({"entity": None}, "Pass `entity`"),
        ({"time": "card"}, "'card' is named twice"),
        ({"target": "ts"}, "'ts' is named twice"),
        ({"context": ["card"]}, "'card' is named twice"),
        ({"context": ["code"]}, "changes within"),
        ({"time": "code"}, "holds label cells, such as"),
        ({"entity": None, "time": None, "context": []}, "Pass `entity` or `time`"),
    ],
)
def test_what_cannot_be_asked_is_refused(tables, changes, words):
    with pytest.raises(InputError, match=words):
        judged(*tables, **changes)


def test_missing_entities_and_times_are_refused(tables):
    train, synthetic, holdout = tables
    gone = synthetic.copy()
    gone.loc[gone.index[5], "card"] = None
    with pytest.raises(InputError, match=r"`synthetic`: the entity 'card' is missing in 1 of .* row 5"):
        judged(train, gone, holdout)
    late = holdout.copy()
    late.loc[late.index[3], "ts"] = pd.NaT
    with pytest.raises(InputError, match=r"`holdout`: the time 'ts' is missing in 1 of .* row 3"):
        judged(train, synthetic, late)
    with pytest.raises(SchemaError, match="'ts' holds int cells in `synthetic`"):
        judged(train, synthetic.assign(ts=1), holdout)


# --- what a reader sees ---


def cards_of(page: str) -> list[str]:
    return re.findall(r'<article class="card[^"]*".*?</article>', page, re.DOTALL)


def test_headlines_of_series_are_shown_beside_the_others_and_only_if_measured(tables):
    train, synthetic, holdout = tables
    both = ["fidelity.marginal", "series.order"]
    shown = str(judged(train, synthetic, holdout, measures=both))
    assert shown.index("fidelity.marginal.mean ") < shown.index("series.order.3gram ")
    assert "series.time.gaps" not in shown
    all_of_series = str(judged(train, synthetic, holdout))
    for name in ("series.order.3gram", "series.time.gaps", "series.nearest.ratio"):
        assert re.search(rf"^{re.escape(name)} +[01]", all_of_series, re.MULTILINE), name


def test_the_page_tells_what_series_are_asked_and_the_verdicts_stay(tables):
    train, synthetic, holdout = tables
    arguments = {"measures": ["fidelity.marginal"], "entity": "card", "time": "ts", "context": ["segment"]}
    without = judged(train, synthetic, holdout, **arguments).to_html()
    arguments["measures"] = ["fidelity.marginal", "series.nearest", "series.order"]
    page = judged(train, synthetic, holdout, **arguments).to_html()
    assert '<section id="room-series">\n<h2>Series</h2>' in page
    assert "which step follows which?" in page
    assert "Measures that were added" not in page
    assert 'id="series.nearest.ratio"' in page
    assert len(cards_of(page)) == 3
    assert cards_of(page) == cards_of(without)
    assert "room-series" not in without
