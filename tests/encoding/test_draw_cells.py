"""Cells drawn under a condition meet it, and follow the law of the column restricted to it."""

import re

import numpy as np
import pandas as pd
import pytest
from columns_of import NUMBERS, column, columns, even_scores, labels, law_distance, rng
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tabdiff import frames
from tabdiff.encoding.columns import ConstantCodec, EmptyCodec, LevelCodec, NormalScores, NumericCodec
from tabdiff.encoding.table import TableEncoder
from tabdiff.errors import ConditionError
from tabdiff.schema import Storage, infer_schema
from tabdiff.wanted import Wanted

FEW = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
N = 20_000


def own_law(codec, n):
    """Cells of the column's own law, without any condition: (values, missing)."""
    return codec.draw_cells(Wanted(missing=True), n, rng(9))


# --- numbers ----------------------------------------------------------------------------------------------


def test_without_a_condition_the_law_is_that_of_the_column():
    cells = np.concatenate([np.zeros(300), np.full(100, 9.5), rng().normal(size=400), np.zeros(200)])
    col = column(cells, np.arange(1000) >= 800)
    codec = NumericCodec.fit(col)
    values, missing = own_law(codec, N)
    assert missing.mean() == pytest.approx(0.2, abs=0.01)
    assert law_distance(values[~missing], col.observed) < 0.015


@pytest.mark.parametrize("released", [False, True])
def test_shares_of_atoms_spread_and_missing_within_a_range(released):
    cells = np.concatenate([np.zeros(300), np.full(100, 2.0), rng().uniform(-5, 5, 600), np.zeros(50)])
    codec = NumericCodec.fit(column(cells, np.arange(1050) >= 1000))
    codec = codec.released() if released else codec
    values, missing = codec.draw_cells(Wanted(low=0.0, high=1.5, missing=True), N, rng())
    expected = np.array([300, np.sum((cells[400:1000] > 0) & (cells[400:1000] <= 1.5)), 50])
    found = np.array([np.sum((values == 0) & ~missing), np.sum((values > 0) & ~missing), missing.sum()])
    assert found / N == pytest.approx(expected / expected.sum(), abs=0.015)
    assert not missing[values > 1.5].size


@FEW
@given(columns(), st.sampled_from([0.05, 0.5, 0.95]), st.sampled_from([0.0, 0.1, 1.0]), st.booleans())
def test_cells_meet_any_range_that_holds_values(col, at, width, released):
    codec = NumericCodec.fit(col).released() if released else NumericCodec.fit(col)
    ends = codec.scores.ends if len(codec.scores.ticks) else codec.atoms
    assume(len(ends))
    low = ends[0] + (ends[-1] - ends[0]) * at
    low = np.sort(np.append(codec.atoms, ends))[0] if width == 1 else low.astype(ends.dtype)
    high = (low + (ends[-1] - ends[0]) * width).astype(ends.dtype)
    wanted = Wanted(low=low, high=high)
    try:
        values, missing = codec.draw_cells(wanted, 50, rng())
    except ConditionError:
        assert width < 1  # nothing on the grid of the column lies there
        on_grid = codec.scores.values_of(even_scores(2000))
        assert not wanted.meets(on_grid, np.zeros(2000, bool)).any()
        return
    assert values.dtype == col.values.dtype and not missing.any()
    assert wanted.meets(values, missing).all()


@FEW
@given(NUMBERS, st.floats(0, 1), st.floats(0, 1))
def test_a_range_of_the_law_is_drawn_in_its_proportions(cells, a, b):
    """The exact law: which of evenly spread scores decode to a value in the range."""
    scores = NormalScores.fit(cells)
    all_values = scores.values_of(even_scores(4_000))
    low, high = np.quantile(all_values, sorted([a, b]), method="nearest")
    first, last = scores.range_of(np.array([low]), np.array([high]))
    inside = all_values[(all_values >= low) & (all_values <= high)]
    evenly = even_scores(4_000)
    assert ((evenly >= first) & (evenly <= last)).sum() == len(inside)
    values = scores.draw_between(first[0], last[0], 2_000, rng())
    assert (values >= low).all() and (values <= high).all()
    assert law_distance(values, inside) < 0.05 + 1 / len(inside)


def test_values_are_drawn_by_how_often_they_occur():
    codec = NumericCodec.fit(column(np.repeat([0, 1, 2, 3, 500], [500, 30, 10, 20, 1])))
    values, _ = codec.draw_cells(Wanted(values=np.array([0, 1, 2, 700])), N, rng())
    assert np.bincount(values) / N == pytest.approx(np.array([500, 30, 10]) / 540, abs=0.01)


@pytest.mark.parametrize("released", [False, True])
def test_unseen_numbers_within_the_range_can_be_asked_for(released):
    codec = NumericCodec.fit(column(rng().normal(size=500)))
    codec = codec.released() if released else codec
    values, _ = codec.draw_cells(Wanted(values=np.array([-99.0, 0.1, 0.2])), N, rng())
    assert np.unique(values).tolist() == [0.1, 0.2] and np.mean(values == 0.1) == pytest.approx(0.5, abs=0.02)
    values, _ = codec.draw_cells(Wanted(low=0.1, high=0.1), 10, rng())
    assert (values == 0.1).all()


def test_a_gap_of_the_column_is_filled_evenly_on_its_grid():
    codec = NumericCodec.fit(column(np.repeat([0, 5, 10, 1000, 1005], [400, 20, 20, 20, 20])))
    values, missing = codec.draw_cells(Wanted(low=101, high=126), N, rng())
    assert not missing.any()
    assert np.unique(values, return_counts=True)[1] / N == pytest.approx(np.full(5, 0.2), abs=0.02)
    assert np.unique(values).tolist() == [105, 110, 115, 120, 125]
    with pytest.raises(ConditionError):
        codec.draw_cells(Wanted(low=101, high=104), 1, rng())


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(low=80.5), "no cell of column 'x' can be at least 80.5. It holds values from 0.0 to 70.0"),
        (Wanted(high=-1.0), "can be at most -1.0. It holds"),
        (Wanted(low=5.0, high=3.0), "can be at least 5.0 at most 3.0"),
        (Wanted(values=np.array([-1.0, 99.0])), "can be one of [-1.0, 99.0]. It holds"),
        (Wanted(observed=False, missing=True), "can be missing. It holds"),
    ],
)
def test_what_no_number_meets_is_refused(wanted, words):
    col = column(np.r_[np.zeros(50), rng().uniform(10, 50, 50), 70.0])
    with pytest.raises(ConditionError, match=re.escape(words)):
        NumericCodec.fit(col).draw_cells(wanted, 1, rng(), col)


def test_times_are_drawn_and_shown_as_times():
    days = np.arange(19_000, 19_400) * 86_400
    col = column(days, storage=Storage.DATETIME, unit="s")
    codec = NumericCodec.fit(col)
    values, _ = codec.draw_cells(Wanted(low=days[10] + 5, high=days[13]), N, rng())
    assert np.unique(values).tolist() == days[11:14].tolist()
    with pytest.raises(ConditionError, match=r"datetime64\('2022-01-08T00:00:00'"):
        codec.draw_cells(Wanted(low=days[-1] + 86_400), 1, rng(), col)


def test_nanoseconds_are_exact_at_both_ends():
    base = 1_700_000_000_000_000_000
    codec = NumericCodec.fit(
        column(base + rng().integers(0, 10**15, 500), storage=Storage.DATETIME, unit="ns")
    )
    low, high = base + 10**14 + 1, base + 10**14 + 3
    values, _ = codec.draw_cells(Wanted(low=low, high=high), 300, rng())
    assert set(values.tolist()) == {low, low + 1, high}


# --- levels, constants, nothing ---------------------------------------------------------------------------


@FEW
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 9), st.data())
def test_levels_are_drawn_by_their_counts(counts, n_missing, data):
    cells = np.append(np.repeat(np.arange(len(counts)), counts), np.zeros(n_missing, int))
    col = column(cells, np.arange(len(cells)) >= sum(counts))
    asked = sorted(data.draw(st.sets(st.integers(0, 9))))
    wanted = Wanted(values=np.array(asked, int), missing=data.draw(st.booleans()))
    law = np.append([count if i in asked else 0 for i, count in enumerate(counts)], 0.0)
    law[-1] = n_missing if wanted.missing else 0
    codec = LevelCodec.fit(col, keep_all=True)
    if not law.sum():
        with pytest.raises(ConditionError):
            codec.draw_cells(wanted, 1, rng())
        return
    values, missing = codec.draw_cells(wanted, 3_000, rng())
    found = np.bincount(np.where(missing, len(counts), values), minlength=len(law))
    assert found / 3_000 == pytest.approx(law / law.sum(), abs=0.04)


def test_levels_that_are_numbers_can_be_asked_for_by_ranges():
    codec = LevelCodec.fit(column(np.repeat([1, 2, 3, 4], [10, 20, 30, 40])))
    values, _ = codec.draw_cells(Wanted(low=2, high=3), N, rng())
    assert np.bincount(values) / N == pytest.approx([0, 0, 0.4, 0.6], abs=0.02)


def test_what_no_level_meets_is_refused_by_the_names_of_the_frequent_ones():
    col = labels([f"c{i:02d}" for i in range(12) for _ in range(20 - i)])
    frame_like = TableEncoder.fit([col], infer_schema([col]))
    with pytest.raises(ConditionError, match=r"'x' can be one of \[label 99\]. It holds \['c00', .*'c09'\]"):
        frame_like.draw_cells("x", Wanted(values=np.array([99])), 1, rng())
    with pytest.raises(ConditionError, match="'x' can be missing"):
        frame_like.draw_cells("x", Wanted(observed=False, missing=True), 1, rng())
    with pytest.raises(ConditionError, match=r"no column 'y'. Columns: \['x'\]"):
        frame_like.draw_cells("y", Wanted(), 1, rng())


def test_constants_and_empty_columns_give_what_they_hold():
    constant = ConstantCodec(np.int64(4))
    assert constant.draw_cells(Wanted(low=3, high=5), 2, rng())[0].tolist() == [4, 4]
    with pytest.raises(ConditionError, match="one of"):
        constant.draw_cells(Wanted(values=np.array([3])), 1, rng(), column([4]))
    nothing = EmptyCodec(np.dtype(float), 9)
    assert nothing.draw_cells(Wanted(missing=True), 3, rng())[1].all()
    with pytest.raises(ConditionError, match="observed"):
        nothing.draw_cells(Wanted(), 1, rng())


def test_a_table_draws_columns_of_its_cells():
    frame = pd.DataFrame({"city": ["Graz", "Linz"] * 30, "key": [f"K{i:03d}" for i in range(60)]})
    cells, _ = frames.read(frame)
    encoder = TableEncoder.fit(cells, infer_schema(cells)).released()
    drawn = encoder.draw_cells("city", Wanted(values=np.array([1])), 3, rng())
    assert [drawn.describe(code) for code in drawn.values] == ["Linz"] * 3
    assert encoder.draw_cells("key", Wanted(), 3, rng()).levels == ("K060", "K061", "K062")
