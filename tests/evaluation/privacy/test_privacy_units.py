import numpy as np
import pandas as pd
import pytest
from privacy_cases import fresh, joined, judge, real, smallest_p

from tabdiff.evaluation.intervals import fisher_greater, newcombe, wilson
from tabdiff.evaluation.privacy.control import refusal
from tabdiff.evaluation.privacy.units import (
    ROWS_PER_UNIT,
    Side,
    best_rows,
    sample,
    units_of,
)
from tabdiff.evaluation.reading import compare

OPTIONS = {"budget": "fast"}


def test_rows_are_the_units_of_a_table_without_repeats():
    train, holdout = real(200)
    units = units_of(compare(train, fresh(100), holdout, "fraud"))
    assert (units.what, units.train.n_units, units.holdout.n_units) == ("rows", 200, 100)


def test_distinct_rows_are_the_units_if_the_split_kept_equal_rows_together():
    train, holdout = real(200)
    units = units_of(compare(joined(train, train[:50]), fresh(100), holdout, "fraud"))
    assert (units.what, units.train.n_units, units.holdout.n_units) == ("distinct rows", 200, 100)
    assert np.array_equal(units.train.rows, np.arange(200))


def test_rows_are_the_units_if_equal_rows_are_on_both_sides():
    train, holdout = real(200)
    units = units_of(compare(joined(train, holdout[:3]), fresh(100), holdout, "fraud"))
    assert units.what == "rows"


def test_entities_are_the_units_of_a_grouped_table():
    train, holdout = people(60, 1), people(60, 2)
    comparison = compare(train, people(60, 3), holdout, "fraud", group="person")
    units = units_of(comparison)
    assert (units.what, units.train.n_units, units.holdout.n_units) == ("entities", 60, 60)
    assert refusal(comparison, units) == ""


def test_entities_on_both_sides_are_refused_with_their_number():
    train, holdout = people(60, 1), people(60, 2)
    holdout["person"] = np.where(
        holdout["person"] == holdout["person"][0], train["person"][0], holdout["person"]
    )
    estimates = judge(train, people(60, 3), holdout, group="person")
    assert estimates["privacy.mia.auc"].reason.startswith("1 of 60 holdout entities are in train too")


def people(n, seed):
    """Each of n entities has 1 to 8 rows, alike but for one number."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, n)
    frame = fresh(n, seed).loc[np.repeat(np.arange(n), sizes)].reset_index(drop=True)
    return frame.assign(
        person=np.repeat([f"p{seed}-{i}" for i in range(n)], sizes), amount=rng.gamma(2.0, 20.0, len(frame))
    )


def test_rows_of_one_entity_are_not_counted_as_many_witnesses():
    """Two copied entities of eight rows each are two units: no proof, though 16 rows would be one."""
    train, holdout = people(60, 1), people(60, 2)
    size = train.groupby("person")["person"].transform("size")
    big = train[size == 8]["person"].unique()[:2]
    made = joined(people(60, 3), train[train["person"].isin(big)])
    exact = judge(train, made, holdout, group="person")["privacy.copies.exact"]
    assert exact.details["k_train"] == 2
    assert exact.p_value == pytest.approx(60 * 59 / (120 * 119))
    alone = judge(train, made, holdout)["privacy.copies.exact"]
    assert alone.details["k_train"] == 16
    assert fisher_greater(16, len(train), 0, len(holdout)) < 1e-3
    assert alone.p_value is None  # 60 persons each: rows of both sides differ by more than chance


def test_entities_without_a_leak_raise_no_alarm_and_copied_ones_do():
    for seed in range(5):
        train, holdout = people(120, 10 + seed), people(80, 30 + seed)
        assert smallest_p(judge(train, people(120, 50 + seed), holdout, group="person")) > 0.02
    assert smallest_p(judge(train, train, holdout, group="person")) < 1e-6


def test_rows_without_an_entity_stand_for_themselves():
    train, holdout = people(60, 1), people(60, 2)
    train.loc[[0, 1], "person"] = None
    named = train["person"].nunique()
    units = units_of(compare(train, people(60, 3), holdout, "fraud", group="person"))
    assert units.train.n_units == named + 2


def test_a_sample_takes_whole_thinned_units():
    units = np.repeat(np.arange(40), 20)
    side = Side(np.arange(800), units, 40)
    drawn = sample(side, 80, np.random.default_rng(0))
    _, counts = np.unique(units[drawn], return_counts=True)
    assert counts.tolist() == [ROWS_PER_UNIT] * 10
    assert len(sample(side, 10_000, np.random.default_rng(0))) == 40 * ROWS_PER_UNIT


def test_a_sample_stays_within_the_rows_that_count():
    side = Side(np.arange(100), np.arange(100), 100)
    among = np.arange(100) % 10 == 0
    assert sample(side, 50, np.random.default_rng(0), among).tolist() == list(range(0, 100, 10))
    assert len(sample(side, 0, np.random.default_rng(0), np.zeros(100, dtype=bool))) == 0


def test_the_best_row_of_each_unit():
    score, units = np.array([1.0, 5.0, 3.0, 9.0, 4.0]), np.array([2, 2, 0, 5, 0])
    assert best_rows(score, units).tolist() == [4, 1, 3]
    assert len(best_rows(np.empty(0), np.empty(0, dtype=int))) == 0


def test_newcombe_agrees_with_the_published_example():
    """Newcombe 1998, table II, method 10: 56/70 against 48/80."""
    lo, hi = newcombe(56, 70, 48, 80)
    assert (lo, hi) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe(10, 10, 0, 20)[1] == 1
    assert newcombe(10, 10, 0, 20)[0] == pytest.approx(1 - np.hypot(1 - wilson(10, 10)[0], wilson(0, 20)[1]))


def test_every_frame_library_gives_the_same_answer(frame_maker):
    train, holdout = real(150)
    made = joined(fresh(100), train[:20])
    native = judge(train, made, holdout, names=["privacy.copies", "privacy.membership"])
    other = judge(
        frame_maker(train),
        frame_maker(made),
        frame_maker(holdout),
        names=["privacy.copies", "privacy.membership"],
    )
    for name, estimate in native.items():
        assert other[name].value == estimate.value
        assert other[name].details == estimate.details


def test_details_hold_json_types_only():
    import json

    train, holdout = real(300)
    made = joined(fresh(100), train[:20])
    for estimate in judge(train, made, holdout).values():
        assert json.loads(json.dumps(dict(estimate.details))) == dict(estimate.details)


def test_constant_missing_and_identifier_columns_are_defined():
    def draw(seed):
        frame = fresh(200, seed)
        return frame.assign(
            same=1.0,
            nothing=np.nan,
            id=[f"{seed}-{i}" for i in range(len(frame))],
            when=pd.Timestamp("2024-01-01"),
        )

    estimates = judge(draw(1), draw(2), draw(3))
    assert estimates["privacy.mia.auc"].assessable
    assert estimates["privacy.copies.exact"].value == 0
    assert smallest_p(estimates) > 0.01
