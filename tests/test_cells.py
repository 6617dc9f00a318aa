"""Cells taken, put and joined: labels are told by what they are, not by their codes."""

import numpy as np
import pytest

from tabdiff.cells import in_unit, joined, put, replaced, take, with_levels_behind
from tabdiff.schema import Column, Storage


def labels(cells, levels):
    """A label column of these cells, None for missing."""
    codes = np.array([0 if cell is None else levels.index(cell) for cell in cells], dtype=np.int64)
    return Column("x", Storage.LABEL, codes, np.array([cell is None for cell in cells]), tuple(levels))


def cells_of(column):
    return [
        None if gone else column.describe(value)
        for value, gone in zip(column.values, column.missing, strict=True)
    ]


FIRST = labels(["a", "b", None, "a"], ["a", "b"])
SECOND = labels(["c", "a", "a", None], ["a", "c"])


def test_unknown_levels_come_behind_and_cells_stay():
    counted = with_levels_behind(SECOND, ("z", "a"))
    assert counted.levels == ("z", "a", "c")
    assert cells_of(counted) == ["c", "a", "a", None]
    assert with_levels_behind(FIRST, FIRST.levels) is FIRST


def test_cells_are_put_where_asked_and_the_column_is_left_as_it_was():
    mixed = put(FIRST, SECOND, np.array([True, False, True, True]))
    assert cells_of(mixed) == ["c", "b", "a", None]
    assert mixed.levels == ("a", "b", "c")
    assert cells_of(FIRST) == ["a", "b", None, "a"]
    assert put(FIRST, SECOND, np.zeros(4, dtype=bool)) is FIRST


def test_columns_are_joined_by_their_labels():
    whole = joined([FIRST, SECOND, labels(["b"], ["b"])])
    assert cells_of(whole) == ["a", "b", None, "a", "c", "a", "a", None, "b"]
    assert whole.levels == ("a", "b", "c")


def test_some_cells_replace_those_of_other_rows_in_their_order():
    assert cells_of(replaced(FIRST, labels(["q", "b"], ["b", "q"]), np.array([3, 0]))) == [
        "b",
        "b",
        None,
        "q",
    ]
    assert cells_of(take(FIRST, np.array([3, 2]))) == ["a", None]


def test_times_are_counted_in_the_unit_of_the_column_they_are_put_into():
    nothing = np.zeros(2, dtype=bool)
    days = Column("t", Storage.DATETIME, np.array([1, 2]), nothing, unit="D")
    hours = Column("t", Storage.DATETIME, np.array([48, 72]), nothing, unit="s")
    hours = hours.with_cells(hours.values * 3600, nothing)
    assert in_unit(hours, "D").tolist() == [2, 3]
    assert put(days, hours, np.array([True, False])).values.tolist() == [2, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_keep_their_precision(dtype):
    column = Column("x", Storage.FLOAT, np.array([0.1, 0.2], dtype=dtype), np.array([False, True]))
    whole = joined([column, column])
    assert whole.values.dtype == dtype
    assert whole.missing.tolist() == [False, True, False, True]
