"""What a user writes as a condition means the same for every type that can say it; nonsense is refused."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tabdiff import frames
from tabdiff.conditions.reading import Support, known_cells, read_condition_rows, read_conditions
from tabdiff.errors import ConditionError
from tabdiff.schema import Column, Storage

DTYPES = {Storage.FLOAT: np.float64, Storage.BOOL: bool}


def template(name, storage, dtype=None, **kwargs):
    values = np.zeros(0, dtype=dtype or DTYPES.get(storage, np.int64))
    return Column(name, storage, values, np.zeros(0, dtype=bool), **kwargs)


TABLE = [
    template("amount", Storage.FLOAT),
    template("small", Storage.FLOAT, np.float32),
    template("age", Storage.INT),
    template("fraud", Storage.BOOL),
    template("city", Storage.LABEL, levels=("Bern", "Oslo", "Paris")),
    template("size", Storage.LABEL, levels=("S", "M", "L", "XL"), ordered=True),
    template("code", Storage.LABEL, levels=(1, 2, "x")),
    template("day", Storage.DATETIME, unit="D"),
    template("time", Storage.DATETIME, unit="us"),
    template("tick", Storage.DATETIME, unit="ns"),
    template("took", Storage.DURATION, unit="ms"),
]
SUPPORTS = {
    "amount": Support(low=0.0, high=100.0, missing=False),
    "age": Support(low=18, high=65),
    "city": Support(values=np.array([0, 1])),
}
DAY = (dt.date(2024, 5, 17) - dt.date(1970, 1, 1)).days
MICRO = DAY * 86_400_000_000


def read(name, asked, supports=None):
    """The condition as (values, low, high, observed, missing)."""
    wanted = read_conditions({name: asked}, TABLE, supports)[name]
    values = None if wanted.values is None else wanted.values.tolist()
    return values, wanted.low, wanted.high, wanted.observed, wanted.missing


def fixed(value):
    return [value], None, None, True, False


def values(*several, missing=False):
    return list(several), None, None, True, missing


def span(low, high, missing=False):
    return None, low, high, True, missing


MISSING = None, None, None, False, True


@pytest.mark.parametrize(
    ("name", "asked", "cell"),
    [
        ("amount", 3, 3.0),
        ("amount", Decimal("0.1"), 0.1),
        ("amount", np.float32(0.5), 0.5),
        ("amount", np.array(2.5), 2.5),
        ("amount", pa.scalar(2.5), 2.5),
        ("small", 0.1, float(np.float32(0.1))),
        ("age", 7, 7),
        ("age", np.int8(7), 7),
        ("age", 7.0, 7),
        ("age", Decimal("7.00"), 7),
        ("fraud", True, True),
        ("fraud", np.bool_(False), False),
        ("fraud", 1, True),
        ("fraud", 0.0, False),
        ("city", "Oslo", 1),
        ("city", np.str_("Oslo"), 1),
        ("code", 2, 1),
        ("code", "x", 2),
        ("day", "2024-05-17", DAY),
        ("day", dt.date(2024, 5, 17), DAY),
        ("day", pd.Timestamp("2024-05-17"), DAY),
        ("day", np.datetime64("2024-05-17T00:00"), DAY),
        ("day", np.datetime64("2024"), DAY - 137),
        ("time", "2024-05-17 00:00:01.5", MICRO + 1_500_000),
        ("time", dt.datetime(2024, 5, 17, 0, 0, 1), MICRO + 1_000_000),
        ("time", dt.date(2024, 5, 17), MICRO),
        ("time", "2024-05-17T02:00:00+02:00", MICRO),
        ("time", "2024-05-17T00:00:00Z", MICRO),
        ("time", pd.Timestamp("2024-05-17 02:00", tz="Europe/Paris"), MICRO),
        ("time", dt.datetime(1, 1, 1), -62_135_596_800_000_000),
        ("tick", "2024-05-17T00:00:00.123456789", MICRO * 1000 + 123_456_789),
        ("tick", pd.Timestamp("2024-05-17 00:00:00.123456789"), MICRO * 1000 + 123_456_789),
        ("took", dt.timedelta(seconds=1.5), 1500),
        ("took", pd.Timedelta("1.5s"), 1500),
        ("took", np.timedelta64(2, "h"), 7_200_000),
        ("took", dt.time(0, 0, 1), 1000),
        ("took", "P1DT2H3M4.5S", 93_784_500),
        ("took", "-PT1S", -1000),
        ("took", "1 day, 0:00:01", 86_401_000),
        ("took", "12:30", 45_000_000),
    ],
    ids=str,
)
def test_a_scalar_is_an_equality(name, asked, cell):
    assert read(name, asked) == fixed(cell)
    assert read(name, {"equals": asked}) == fixed(cell)
    assert read(name, [asked, asked]) == fixed(cell)
    assert read_conditions({name: asked}, TABLE)[name].values.dtype == next(
        t.values.dtype for t in TABLE if t.name == name
    )


@pytest.mark.parametrize(
    "gap", [None, float("nan"), np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), Decimal("NaN")]
)
@pytest.mark.parametrize("name", ["amount", "age", "city", "time", "fraud"])
def test_every_missing_value_asks_for_missing_cells(name, gap):
    assert read(name, gap) == read(name, [gap]) == read(name, {"missing": True}) == MISSING
    assert read(name, {"equals": gap}) == MISSING


@pytest.mark.parametrize(
    "several",
    [
        ["Paris", "Bern", "Paris"],
        {"Paris", "Bern"},
        frozenset(["Paris", "Bern"]),
        ("Paris", "Bern"),
        np.array(["Paris", "Bern"]),
        pd.Series(["Paris", "Bern"]),
        pd.Series(["Paris", "Bern"], dtype="category"),
        pd.Index(["Paris", "Bern"]),
        pl.Series(["Paris", "Bern"]),
        pa.array(["Paris", "Bern"]),
        {"in": ["Paris", "Bern"]},
        {"in": ("Paris", "Bern"), "missing": False},
    ],
    ids=lambda several: type(several).__name__,
)
def test_several_values_ask_for_any_of_them(several):
    assert read("city", several) == values(0, 2)


def test_missing_among_several_values_is_one_of_them():
    assert read("city", ["Oslo", None]) == values(1, missing=True)
    assert read("age", [1.0, np.nan, 3.0]) == values(1, 3, missing=True)
    assert read("city", {"in": ["Oslo"], "missing": True}) == values(1, missing=True)
    assert read("city", {"in": ["Oslo", None], "missing": False}) == fixed(1)


@pytest.mark.parametrize(
    ("name", "asked", "found"),
    [
        ("amount", (10, 500), span(10.0, 500.0)),
        ("amount", (None, 500), span(None, 500.0)),
        ("amount", slice(10, None), span(10.0, None)),
        ("amount", (-np.inf, 5), span(None, 5.0)),
        ("amount", {"min": 10, "max": None}, span(10.0, None)),
        ("amount", {"above": 10, "below": 11}, span(np.nextafter(10, 11), np.nextafter(11, 10))),
        ("amount", {"min": 1, "above": 1}, span(np.nextafter(1, 2), None)),
        ("amount", {"min": 10, "missing": True}, span(10.0, None, missing=True)),
        ("amount", pd.Interval(0, 1, closed="left"), span(0.0, np.nextafter(1, 0))),
        ("amount", pd.Interval(0, 1, closed="both"), span(0.0, 1.0)),
        ("amount", (5, 5), fixed(5.0)),
        ("amount", {"missing": False}, span(None, None)),
        ("amount", (None, None), span(None, None)),
        ("small", {"above": 0.1}, span(np.nextafter(np.float32(0.1), np.float32(1)), None)),
        ("age", (2.5, 4.5), span(3, 4)),
        ("age", {"above": 2, "below": 5}, span(3, 4)),
        ("age", {"above": 2.5, "below": 4.5}, span(3, 4)),
        ("age", {"above": 2, "below": 4}, fixed(3)),
        ("age", (10**30 * -1, 4), span(None, 4)),
        ("age", range(3, 8), span(3, 7)),
        ("age", range(7, 2, -1), span(3, 7)),
        ("age", range(0, 10, 4), values(0, 4, 8)),
        ("age", {"in": [1, 2, 3, 9], "min": 2, "max": 5}, values(2, 3)),
        ("amount", range(0, 3), values(0.0, 1.0, 2.0)),
        ("day", ("2024-05-17", "2024-05-17T13:00"), fixed(DAY)),
        ("day", {"min": "2024-05-16T13:00", "below": "2024-05-19"}, span(DAY, DAY + 1)),
        ("day", pd.Interval(pd.Timestamp("2024-05-16"), pd.Timestamp("2024-05-18")), span(DAY, DAY + 1)),
        ("took", (dt.timedelta(0), "PT2S"), span(0, 2000)),
        ("size", {"min": "M"}, values(1, 2, 3)),
        ("size", {"above": "S", "below": "XL"}, values(1, 2)),
        ("size", slice("M", "L"), values(1, 2)),
        ("fraud", (True, False), values(False, True)),
    ],
    ids=str,
)
def test_ranges_become_inclusive_bounds(name, asked, found):
    assert read(name, asked) == found


@pytest.mark.parametrize(
    ("name", "asked", "why"),
    [
        ("city", "Rome", r"no level 'Rome'. Known: \['Bern', 'Oslo', 'Paris'\].*too few rows"),
        ("city", 3, "no level 3"),
        ("city", [["Oslo"]], "no level"),
        ("city", {"min": "Bern"}, "without an order"),
        ("city", slice("Bern", "Oslo"), "without an order"),
        ("size", {"above": "XL"}, "no value is left"),
        ("age", 2.5, "whole numbers"),
        ("age", "7", "int cells, and '7' is of the type str"),
        ("age", np.timedelta64(1, "s"), "timedelta64"),
        ("age", 10**20, "64-bit"),
        ("age", (10**20, None), "can lie above"),
        ("age", (2.2, 2.8), "no cell can lie"),
        ("age", (1, 2, 3), "a tuple of two. Pass a list"),
        ("age", slice(1, 9, 2), "step"),
        ("age", range(0), "no value is left"),
        ("amount", (500, 10), "lower end"),
        ("amount", {"above": 5, "max": 5}, "no cell can lie"),
        ("amount", np.inf, "finite"),
        ("amount", (np.inf, None), "can lie above"),
        ("amount", (np.nan, 3), "no bound"),
        ("amount", 10**400, "finite"),
        ("amount", 1j, "complex"),
        ("amount", "10", "of the type str"),
        ("amount", [], "no value is left"),
        ("amount", {}, "no key at all"),
        ("amount", {"minimum": 3}, r"unknown keys \['minimum'\]. Known: \['min'"),
        ("amount", {"missing": "no"}, "True or False"),
        ("amount", {"in": 3}, "a list of values"),
        ("amount", {"in": [3], "equals": 3}, "exclude each other"),
        ("amount", {"in": [3], "min": 4}, "no value is left"),
        ("amount", pd.DataFrame({"a": [1]}), "dimension"),
        ("amount", np.zeros((2, 2)), "dimension"),
        ("fraud", 2, "booleans"),
        ("fraud", "true", "bool cells, and 'true'"),
        ("fraud", {"min": True}, "without an order"),
        ("day", "2024-05-17T12:00", "whole days"),
        ("day", 20, "datetime cells, and 20 is none"),
        ("day", "17.5.2024", "text such as '2024-12-31'"),
        ("time", dt.time(3), "is none"),
        ("took", "soon", "'P1DT12H'"),
        ("took", np.timedelta64(1, "Y"), "is none"),
        ("took", dt.datetime(2024, 1, 1), "is none"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(name, asked, why):
    with pytest.raises(ConditionError, match=why) as caught:
        read_conditions({name: asked}, TABLE)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("where", [[("age", 3)], "age=3", 3, {"age"}])
def test_where_is_a_mapping(where):
    with pytest.raises(ConditionError, match="Pass a dict"):
        read_conditions(where, TABLE)


def test_an_unknown_column_is_named_with_those_there_are():
    with pytest.raises(ConditionError, match=r"not in fit: \['aeg'\]. Columns: \['amount', "):
        read_conditions({"aeg": 3, "age": 3}, TABLE)


def test_conditions_come_in_the_order_of_the_table():
    assert list(read_conditions({"city": "Oslo", "age": 3}, TABLE)) == ["age", "city"]
    assert read_conditions({}, TABLE) == {}


@pytest.mark.parametrize(
    ("name", "asked", "why"),
    [
        ("age", 70, "no cell can be 70. In fit, the cells lay between 18 and 65"),
        ("age", [20, 70], "no cell can be 70"),
        ("age", (70, None), "no cell can meet it. In fit, the cells lay between 18 and 65"),
        ("age", (None, 17), "no cell can meet it"),
        ("age", range(0, 10), "no cell can meet it"),
        ("amount", range(200, 300), "no value is left"),
        ("amount", -0.5, "between 0.0 and 100.0"),
        ("amount", None, "no missing cells in fit"),
        ("city", "Paris", r"no cell can be 'Paris'. Known: \['Bern', 'Oslo'\]"),
    ],
    ids=str,
)
def test_what_the_fitted_columns_cannot_hold_is_refused(name, asked, why):
    with pytest.raises(ConditionError, match=why):
        read_conditions({name: asked}, TABLE, SUPPORTS)


def test_what_every_cell_meets_is_left_out():
    assert read_conditions({"amount": {"missing": False}}, TABLE, SUPPORTS) == {}
    assert read("age", {"missing": False}, SUPPORTS) == span(None, None)


def test_missing_is_dropped_where_no_cell_can_be():
    assert read("amount", [5.0, None], SUPPORTS) == fixed(5.0)


def test_a_range_of_a_column_with_few_values_names_those_inside():
    supports = {"age": Support(values=np.array([2, 4, 6]))}
    assert read("age", (3, 9), supports) == values(4, 6)
    assert read("age", {"max": 5, "missing": True}, supports) == values(2, 4, missing=True)
    with pytest.raises(ConditionError, match=r"Known: \[2, 4, 6\]"):
        read("age", 3, supports)


def test_a_long_range_object_with_steps_is_cut_to_the_fitted_range():
    found, *_ = read("age", range(0, 10**12, 10), SUPPORTS)
    assert found == [20, 30, 40, 50, 60]


# --- one condition in each row ------------------------------------------------------------------------------


def rows(data, n, supports=None):
    columns, _ = frames.read(data)
    return read_condition_rows(columns, TABLE, n, supports)


def test_rows_ask_for_their_own_cells(frame_maker):
    data = frame_maker(pd.DataFrame({"city": ["Paris", None, "Oslo"], "age": [30.0, 40.0, None]}))
    columns, known = rows(data, 3)
    found = {column.name: column for column in columns}
    assert [column.name for column in columns] == [column.name for column in TABLE]
    assert all(len(column) == 3 for column in columns)
    assert found["city"].values[[0, 2]].tolist() == [2, 1]
    assert found["age"].values[:2].tolist() == [30, 40]
    assert found["age"].values.dtype == np.int64
    by_name = dict(zip(found, known.T.tolist(), strict=True))
    assert by_name.pop("city") == [True, False, True]
    assert by_name.pop("age") == [True, True, False]
    assert not any(any(column) for column in by_name.values())


def test_rows_are_read_by_value_whatever_holds_them():
    data = pd.DataFrame(
        {
            "amount": [1, 2],
            "small": [0.1, 0.2],
            "fraud": [0, 1],
            "code": ["x", "x"],
            "day": pd.to_datetime(["2024-05-17", "2024-05-18"]),
            "time": ["2024-05-17", "2024-05-17T00:00:01"],
            "took": pd.to_timedelta(["1s", "2s"]),
        }
    )
    found = {column.name: column.values for column in rows(data, 2)[0]}
    assert found["amount"].tolist() == [1.0, 2.0] and found["amount"].dtype == np.float64
    assert found["small"].dtype == np.float32 and found["small"][0] == np.float32(0.1)
    assert found["fraud"].tolist() == [False, True]
    assert found["code"].tolist() == [2, 2]
    assert found["day"].tolist() == [DAY, DAY + 1]
    assert found["time"].tolist() == [MICRO, MICRO + 1_000_000]
    assert found["took"].tolist() == [1000, 2000]


@pytest.mark.parametrize(
    ("data", "n", "why"),
    [
        ({"age": [30, 40]}, 3, "frame of 2 rows, but 3 rows are asked for"),
        ({"ages": [30, 40]}, 2, "not in fit"),
        ({"city": ["Oslo", "Rome"]}, 2, "no level 'Rome'"),
        ({"city": ["Oslo", "Paris"]}, 2, "cannot be, such as 'Paris'"),
        ({"age": [30.0, 30.5]}, 2, "whole numbers"),
        ({"age": [30, 70]}, 2, "such as 70. In fit"),
        ({"age": ["30", "40"]}, 2, "of the type str"),
        ({"day": ["2024-05-17T12:00", None]}, 2, "whole days"),
    ],
    ids=str,
)
def test_rows_that_cannot_be_are_refused(data, n, why):
    with pytest.raises(ConditionError, match=why):
        rows(pd.DataFrame(data), n, SUPPORTS)


def test_cells_that_are_there_are_known():
    columns, _ = frames.read(pd.DataFrame({"a": [1.0, None, 3.0], "b": ["x", "y", None]}))
    assert known_cells(columns).tolist() == [[True, True], [False, True], [True, False]]
