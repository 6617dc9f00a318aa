"""Stated constraints: what they say in words, which rows break them, and how they are refused."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from tabdiff.constraints import (
    FixedCombinations,
    Inequality,
    Positive,
    Predicate,
    Range,
    Unique,
    check_constraint,
)
from tabdiff.errors import ConstraintError
from tabdiff.schema import Column, Storage


def column(name, cells, storage=Storage.INT, unit=None, levels=()):
    missing = np.array([cell is None for cell in cells])
    values = np.array([0 if cell is None else cell for cell in cells])
    return Column(name, storage, values, missing, levels, unit=unit)


def broken(constraint, *columns):
    return np.flatnonzero(constraint.violated({c.name: c for c in columns})).tolist()


def test_each_constraint_reads_as_its_rule():
    assert str(Inequality("a", "b", strict=True)) == "a < b"
    assert str(FixedCombinations("a", "b", "c")) == "combinations of a, b and c"
    assert str(Range("a", high=3)) == "a <= 3"
    assert (
        str(Range("t", dt.date(2020, 1, 2), np.datetime64("2021-01-01"))) == "2020-01-02 <= t <= 2021-01-01"
    )
    assert str(Positive("a")) == "a > 0"
    assert str(Unique("a")) == "a is unique"


def test_missing_cells_and_equal_ones_obey_an_inequality():
    low, high = column("low", [1, 2, None, 5]), column("high", [1, 1, 0, None])
    assert broken(Inequality("low", "high"), low, high) == [1]
    assert broken(Inequality("low", "high", strict=True), low, high) == [0, 1]


def test_times_of_different_units_are_compared_exactly():
    day = 86_400
    days = column("days", [1, 1, 1, 3_000_000], Storage.DATETIME, "D")  # the last is beyond nanoseconds
    seconds = column("seconds", [day - 1, day, day + 1, day], Storage.DATETIME, "s")
    nanoseconds = column("ns", [0, 0, 0, 2**62], Storage.DATETIME, "ns")
    assert broken(Inequality("days", "seconds"), days, seconds) == [0, 3]
    assert broken(Inequality("days", "seconds", strict=True), days, seconds) == [0, 1, 3]
    assert broken(Inequality("seconds", "days"), seconds, days) == [2]
    assert broken(Inequality("seconds", "days", strict=True), seconds, days) == [1, 2]
    assert broken(Inequality("ns", "days"), nanoseconds, days) == []


def test_an_inequality_needs_two_columns_of_one_kind():
    time, number = column("t", [1], Storage.DATETIME, "D"), column("n", [1])
    with pytest.raises(ConstraintError, match="'t' is stored as datetime, 'n' as int"):
        broken(Inequality("t", "n"), time, number)
    with pytest.raises(ConstraintError, match="two columns"):
        Inequality("a", "a")


def test_a_range_of_times_is_rounded_inward():
    days = column("d", [0, 1, 2, None], Storage.DATETIME, "D")
    noon = pd.Timestamp("1970-01-01 12:00")
    assert broken(Range("d", low=noon), days) == [0]
    assert broken(Range("d", high="1970-01-02T12:00"), days) == [2]
    assert broken(Range("d", low=pd.Timestamp("1970-01-02 00:00", tz="Europe/Rome")), days) == [0]
    hours = column("h", [3600, 7200], Storage.DURATION, "s")
    assert broken(Range("h", high=dt.timedelta(hours=1)), hours) == [1]
    assert broken(Range("h", low=np.timedelta64(90, "m")), hours) == [0]


def test_a_range_needs_an_end_of_the_column_s_kind():
    with pytest.raises(ConstraintError, match="has no end"):
        Range("a")
    with pytest.raises(ConstraintError, match="stored as label"):
        broken(Range("a", 1), column("a", [0], Storage.LABEL, levels=("x",)))
    with pytest.raises(ConstraintError, match="no such value"):
        broken(Range("a", low="soon"), column("a", [0], Storage.DATETIME, "D"))


def test_zero_is_not_positive():
    assert broken(Positive("a"), column("a", [1, 0, -1, None])) == [1, 2]


def test_the_second_of_two_equal_rows_is_not_unique():
    a, b = column("a", [1, 1, 1, None, None]), column("b", [2, 3, 2, 5, 5])
    assert broken(Unique("a", "b"), a, b) == [2]
    assert broken(Unique("a"), a) == [1, 2]


def test_a_predicate_judges_frames():
    frame = pd.DataFrame({"a": [1, 2, None]})
    assert Predicate(lambda f: f["a"] < 2, "small").violated_in(frame).tolist() == [False, True, True]
    missing = Predicate(lambda f: f["a"].astype("Int64") < 2, "small")
    assert missing.violated_in(frame).tolist() == [False, True, True]
    with pytest.raises(ConstraintError, match="does not hold in 2 of 3 rows, the first is row 1"):
        missing.check_frame(frame)
    with pytest.raises(ConstraintError, match="one boolean for each of the 3 rows"):
        Predicate(lambda f: True, "always").violated_in(frame)


def test_a_constraint_that_does_not_hold_names_rows_and_cells():
    table = {c.name: c for c in (column("low", [1, 9, 8]), column("high", [1, 2, 3]))}
    with pytest.raises(
        ConstraintError, match=r"'low <= high' .* 2 of 3 rows.* row 1 .*'low' = 9, 'high' = 2"
    ):
        check_constraint(Inequality("low", "high"), table)
    with pytest.raises(ConstraintError, match=r"do not exist: \['top'\]. Columns: \['low', 'high'\]"):
        check_constraint(Inequality("low", "top"), table)


@pytest.mark.parametrize("made", [FixedCombinations("a", "b"), Unique("a", "b")])
def test_constraints_are_made_again_from_their_fields(made):
    assert type(made)(columns=made.columns) == made


def test_a_column_is_named_once():
    with pytest.raises(ConstraintError, match="2 or more different columns"):
        FixedCombinations("a", "a")
    with pytest.raises(ConstraintError, match="1 or more"):
        Unique()
