"""What may not change what is said of a synthetic table, whoever holds it and however it is written down."""

import json
import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_tables import ROLES, judged, plain

from tabdiff.evaluation import Estimate, Report, Verdict

N = 240
CHEAP = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def drawn(seed=0, n=N):
    """Two independent samples of one law, and a synthetic table with one thing wrong."""
    tables = {role: plain(n, 10 * seed + place) for place, role in enumerate(ROLES)}
    synthetic = tables["synthetic"]
    return tables | {
        "synthetic": synthetic.assign(x=synthetic["x"] * 1.4, amount=synthetic["amount"].round(1))
    }


@pytest.fixture(scope="module")
def tables():
    return drawn()


@pytest.fixture(scope="module")
def plainly(tables):
    return judged(tables)


def facts_of(report):
    """Everything but how long it took."""
    return {name: each.to_dict() | {"seconds": 0.0} for name, each in report.estimates.items()}


def assert_alike(report, plainly):
    """The same values, and the same of them missing."""
    assert list(report) == list(plainly)
    for name, each in report.estimates.items():
        other = plainly[name]
        assert each.assessable == other.assessable, name
        if each.assessable:
            assert each.value == pytest.approx(other.value, abs=1e-9), name


# --- who holds the rows ---

HOLDERS = {
    "polars": pl.from_pandas,
    "pyarrow": lambda t: pa.Table.from_pandas(t, preserve_index=False),
    "nullable": lambda t: t.convert_dtypes(),
    "arrow-backed": lambda t: t.convert_dtypes(dtype_backend="pyarrow"),
    "categories": lambda t: t.astype({"k": "category"}),
    "odd index": lambda t: t.set_axis(np.arange(len(t))[::-1]),
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
def test_every_library_and_type_of_cell_gives_the_same_report(tables, plainly, holder):
    report = judged({role: holder(table) for role, table in tables.items()})
    assert facts_of(report) == facts_of(plainly)
    assert report.verdict == plainly.verdict


def test_libraries_may_be_mixed(tables, plainly):
    mixed = {"train": tables["train"], "synthetic": HOLDERS["polars"](tables["synthetic"])}
    assert facts_of(judged(mixed | {"holdout": HOLDERS["pyarrow"](tables["holdout"])})) == facts_of(plainly)


def test_an_array_is_a_frame_with_numbers_for_names(tables):
    arrays = {role: table[["x", "amount", "y"]].to_numpy() for role, table in tables.items()}
    framed = {role: pd.DataFrame(array) for role, array in arrays.items()}
    assert facts_of(judged(arrays, target=2)) == facts_of(judged(framed, target=2))


# --- how they are written down ---


def test_names_do_not_matter(tables, plainly):
    names = {"x": 0, "amount": "<b>", "k": "", "y": ("t",)}
    report = judged({role: table.rename(columns=names) for role, table in tables.items()}, target=("t",))
    assert_alike(report, plainly)
    assert report.verdict.fidelity == plainly.verdict.fidelity


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_is_noise(tables, plainly, seed):
    report = judged({role: table.sample(frac=1, random_state=seed) for role, table in tables.items()})
    assert (report.verdict.fidelity, report.verdict.privacy) == (
        plainly.verdict.fidelity,
        plainly.verdict.privacy,
    )
    for name in (
        "privacy.copies.exact",
        "privacy.identifiable",
        "fidelity.missing.rate",
        "fidelity.rare.share",
    ):
        assert report[name].value == plainly[name].value
    for name in ("privacy.mia.auc", "privacy.mia.rare.auc", "descriptive.nndr"):
        assert report[name].value == pytest.approx(plainly[name].value, abs=1e-9), name


def test_the_order_of_columns_is_no_matter_to_attacks(tables, plainly):
    report = judged({role: table[["y", "k", "amount", "x"]] for role, table in tables.items()})
    assert report.verdict.privacy == plainly.verdict.privacy
    for name in plainly:
        if name.startswith(("privacy.mia", "privacy.copies", "privacy.limit", "descriptive")):
            assert report[name].value == pytest.approx(plainly[name].value, abs=1e-9), name


def test_labels_of_levels_do_not_matter_to_attacks(tables, plainly):
    other = {"a": "zebra", "b": "1", "c": "\u00fc"}
    report = judged({role: table.assign(k=table["k"].map(other)) for role, table in tables.items()})
    for name in plainly:
        if name.startswith(("privacy.mia", "privacy.copies", "descriptive", "fidelity.validity")):
            assert report[name].value == pytest.approx(plainly[name].value, abs=1e-9), name


def test_labels_of_classes_do_not_matter(tables, plainly):
    report = judged(
        {role: table.assign(y=table["y"].map({0: "no", 1: "yes"})) for role, table in tables.items()}
    )
    assert report.facts["positive"] == {"0": "no", "1": "yes"}[plainly.facts["positive"]]
    assert_alike(report, plainly)


def test_units_do_not_matter(tables, plainly):
    report = judged({role: table.assign(amount=table["amount"] * 1024) for role, table in tables.items()})
    exact = [
        name for name in plainly if name.startswith(("privacy.mia", "fidelity.c2st", "fidelity.marginal"))
    ]
    for name in exact:
        assert report[name].value == pytest.approx(plainly[name].value, abs=1e-9), name


# --- twice the rows ---


def test_pasting_the_synthetic_table_twice_moves_nothing_and_narrows_nothing(tables, plainly):
    report = judged(tables | {"synthetic": pd.concat([tables["synthetic"]] * 2, ignore_index=True)})
    for name in (
        "fidelity.marginal.mean",
        "fidelity.marginal.worst",
        "fidelity.pairs.score",
        "fidelity.missing.rate",
    ):
        once, twice = plainly[name], report[name]
        assert once.assessable == twice.assessable
        if once.assessable:
            width = once.hi - once.lo
            assert twice.value == pytest.approx(once.value, abs=0.25 * width), name
            assert twice.hi - twice.lo > 0.8 * width, name
    assert report["privacy.mia.auc"].value == plainly["privacy.mia.auc"].value


# --- train and holdout change places ---


@pytest.mark.parametrize("seed", range(3))
def test_swapping_train_and_holdout_mirrors_the_attack(seed):
    tables = drawn(seed)
    swapped = tables | {"train": tables["holdout"], "holdout": tables["train"]}
    names = ["privacy.membership", "privacy.copies"]
    first, second = judged(tables, measures=names), judged(swapped, measures=names)
    assert first["privacy.mia.auc"].value == pytest.approx(1 - second["privacy.mia.auc"].value, abs=1e-9)
    assert first["privacy.copies.exact"].value == -second["privacy.copies.exact"].value


# --- every number ---


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [20, 60, 150])
def test_every_interval_holds_its_value_and_what_is_missing_has_a_reason(n, seed):
    report = judged(drawn(seed, n), references=seed == 0)
    for found in [report.estimates, *report.references.values()]:
        for name, each in found.items():
            assert each.name == name
            assert each.assessable != bool(each.reason)
            if each.assessable:
                assert each.lo is None or each.lo <= each.value + 1e-12
                assert each.hi is None or each.value - 1e-12 <= each.hi
            assert each.p_value is None or 0 <= each.p_value <= 1
    assert json.loads(report.to_json()) == report.to_dict()


def test_a_seed_gives_one_report_and_another_seed_the_same_verdict(tables, plainly):
    assert facts_of(judged(tables)) == facts_of(plainly)
    assert judged(tables, seed=1).verdict.fidelity == plainly.verdict.fidelity


def test_what_else_is_measured_does_not_matter(tables, plainly):
    alone = judged(tables, measures=["privacy.membership"])
    for name in alone:
        assert alone[name].value == plainly[name].value


# --- reports are kept without loss ---

numbers = st.floats(-1e300, 1e300, allow_nan=False)
texts = st.text(max_size=12)
details = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def an_estimate(draw, name):
    ends = sorted(draw(st.tuples(numbers, numbers, numbers)))
    if draw(st.booleans()):
        return Estimate(name, reason=draw(st.text(min_size=1, max_size=12)), n=draw(st.integers(0, 10**9)))
    return Estimate(
        name,
        ends[1],
        draw(st.sampled_from([None, ends[0]])),
        draw(st.sampled_from([None, ends[2]])),
        ideal=draw(st.none() | numbers),
        floor=draw(st.none() | numbers),
        n=draw(st.integers(0, 10**9)),
        p_value=draw(st.none() | st.floats(0, 1)),
        note=draw(texts),
        details=draw(st.dictionaries(texts, details, max_size=3)),
    )


@st.composite
def a_report(draw):
    names = draw(st.lists(st.text(min_size=1, max_size=8), max_size=4, unique=True))
    estimates = {name: draw(an_estimate(name)) for name in names}
    beside = {title: estimates for title in draw(st.lists(texts, max_size=2, unique=True))}
    sentences = st.lists(texts, max_size=2)
    verdict = Verdict(draw(texts), draw(texts), draw(texts), draw(sentences), draw(sentences))
    return Report(estimates, verdict, beside, draw(st.dictionaries(texts, details, max_size=3)))


@CHEAP
@given(a_report())
def test_any_report_comes_back_as_it_was(report):
    assert Report.from_dict(report.to_dict()) == report
    assert Report.from_json(report.to_json()) == report
    assert json.loads(report.to_json()) == report.to_dict()


@CHEAP
@given(
    st.sampled_from(["value", "lo", "hi", "ideal", "p_value"]),
    st.sampled_from([math.nan, math.inf, -math.inf]),
)
def test_no_report_holds_a_number_that_is_none(field, number):
    with pytest.raises(ValueError, match=field):
        Estimate("a", **({"value": 1.0} | {field: number}))
