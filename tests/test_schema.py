"""How a column is learned follows from its cells, and from what the user says."""

import numpy as np
import pytest

from tabdiff.errors import SchemaError
from tabdiff.schema import Column, Kind, Storage, infer_schema, unique_names

STORAGE = {"f": Storage.FLOAT, "i": Storage.INT, "b": Storage.BOOL}


def column(values, missing=(), name="x", **kwargs):
    values = np.asarray(values)
    gaps = np.zeros(len(values), dtype=bool)
    gaps[list(missing)] = True
    return Column(name, kwargs.pop("storage", STORAGE[values.dtype.kind]), values, gaps, **kwargs)


def labels(codes, levels=("Oslo", "Paris"), **kwargs):
    return column(codes, storage=Storage.LABEL, levels=levels, **kwargs)


def kind_of(col, override=None, **kwargs):
    return infer_schema([col], None if override is None else {"x": override}, **kwargs)["x"].kind


SPREAD = np.arange(400)


@pytest.mark.parametrize(
    ("col", "kind"),
    [
        (column(SPREAD), Kind.NUMERIC),
        (column(SPREAD / 7), Kind.NUMERIC),
        (column(SPREAD, storage=Storage.DATETIME, unit="s"), Kind.NUMERIC),
        (column(SPREAD, storage=Storage.DURATION, unit="s"), Kind.NUMERIC),
        (column(SPREAD % 2 == 0), Kind.CATEGORICAL),
        (labels(SPREAD % 2), Kind.CATEGORICAL),
        (labels(SPREAD, levels=tuple(map(str, SPREAD))), Kind.CATEGORICAL),
        (column(SPREAD % 20), Kind.CATEGORICAL),
        (column(SPREAD % 21), Kind.NUMERIC),
        (column(SPREAD % 20 / 3), Kind.CATEGORICAL),
        (column(SPREAD % 20, storage=Storage.DATETIME, unit="D"), Kind.CATEGORICAL),
        (column(np.arange(4000) % 50), Kind.CATEGORICAL),
        (column(np.arange(4000) % 51), Kind.NUMERIC),
        (column([1, 2, 1]), Kind.CATEGORICAL),
        (column([1, 2, 3]), Kind.NUMERIC),
        (column([5, 5, 5]), Kind.CONSTANT),
        (column([5]), Kind.CONSTANT),
        (column([True, True]), Kind.CONSTANT),
        (labels([0, 0]), Kind.CONSTANT),
        (column([5, 5, 0], missing=[2]), Kind.CATEGORICAL),
    ],
)
def test_the_kind_is_inferred(col, kind):
    assert kind_of(col) is kind


def test_cells_that_are_missing_do_not_count_as_values():
    assert kind_of(column([1, 2, 3, 4, 5], missing=[2, 3, 4])) is Kind.CATEGORICAL
    assert kind_of(column([1.0, 2.0, np.inf, 3.0], missing=[2])) is Kind.NUMERIC


def test_max_levels_bounds_the_values_of_a_category():
    assert kind_of(column(SPREAD % 10), max_levels=9) is Kind.NUMERIC
    assert kind_of(column(SPREAD % 10), max_levels=10) is Kind.CATEGORICAL


def test_the_user_decides():
    assert kind_of(column(SPREAD), "categorical") is Kind.CATEGORICAL
    assert kind_of(column(SPREAD % 2), "numeric") is Kind.NUMERIC
    assert kind_of(labels(SPREAD % 2), "categorical") is Kind.CATEGORICAL
    assert kind_of(column(SPREAD), Kind.CATEGORICAL) is Kind.CATEGORICAL


def test_a_constant_stays_one_whatever_the_user_says():
    assert kind_of(column([5, 5]), "numeric") is Kind.CONSTANT
    assert kind_of(column([5, 5]), "categorical") is Kind.CONSTANT


@pytest.mark.parametrize(
    ("col", "overrides", "message"),
    [
        (column(SPREAD), {"y": "numeric"}, r"do not exist: \['y'\]\. Columns: \['x'\]"),
        (
            column(SPREAD),
            {"x": "ordinal"},
            "'x' is given the kind 'ordinal'. Known kinds: 'numeric', 'categor",
        ),
        (column(SPREAD), {"x": "constant"}, "'x' is given the kind 'constant'"),
        (column(SPREAD), {"x": None}, None),
        (
            labels([1, 0]),
            {"x": "numeric"},
            "'x' is given the kind 'numeric' but holds labels such as 'Paris'",
        ),
        (labels([1, 1]), {"x": "numeric"}, "labels such as 'Paris'"),
        (column([True, False]), {"x": "numeric"}, "labels such as True"),
        (column([1.0, 2.0], missing=[0, 1]), None, r"'x' holds only missing values \(2 rows\)"),
        (column([1.0, np.inf, -np.inf, 2.0]), None, "'x' holds 2 infinite values, the first is inf"),
    ],
)
def test_what_cannot_be_learned_is_refused(col, overrides, message):
    if message is None:
        assert infer_schema([col], overrides)["x"].kind is Kind.NUMERIC
        return
    with pytest.raises(SchemaError, match=message):
        infer_schema([col], overrides)


def test_the_schema_knows_its_columns_and_prints_as_a_table():
    columns = [column(SPREAD / 7, name="amount", missing=[3]), labels(SPREAD % 2, name=("card", 1))]
    schema = infer_schema(columns)
    assert len(schema) == 2
    assert schema["amount"].has_missing and not schema["card", 1].has_missing
    assert str(schema).splitlines() == [
        "column       kind         stored as  missing",
        "amount       numeric      float      yes",
        "('card', 1)  categorical  label      no",
    ]
    with pytest.raises(SchemaError, match=r"no column 'b'. Columns: \['amount', \('card', 1\)\]"):
        schema["b"]


def test_names_that_occur_twice_are_refused():
    unique_names(["a", 1, ("a", 1)])
    with pytest.raises(SchemaError, match=r"more than once: \['a', 2\]"):
        unique_names(["a", 2, "b", "a", 2, "a"])


def test_stored_values_are_described_as_the_user_knows_them():
    assert labels([0, 1]).describe(np.int64(1)) == "Paris"
    assert type(column([1]).describe(np.int64(5))) is int
    assert type(column([0.5]).describe(np.float32(0.5))) is float
    assert column([True]).describe(np.True_) is True
    day = column([0], storage=Storage.DATETIME, unit="D").describe(np.int64(366))
    assert day == np.datetime64("1971-01-02") and str(day) == "1971-01-02"
    assert column([0], storage=Storage.DURATION, unit="ms").describe(5) == np.timedelta64(5, "ms")


def test_cells_can_be_replaced():
    col = labels([0, 1, 0], missing=[1], ordered=True)
    other = col.with_cells(np.array([1]), np.array([False]))
    assert len(col) == 3 and len(other) == 1
    assert (other.name, other.levels, other.ordered) == ("x", ("Oslo", "Paris"), True)
    assert col.observed.tolist() == [0, 0]
