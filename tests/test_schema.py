"""How a column is learned follows from its cells, and from what the user says."""

import dataclasses
import datetime as dt

import numpy as np
import pytest

from tabdiff.errors import SchemaError
from tabdiff.schema import (
    Column,
    Kind,
    Storage,
    TableSchema,
    infer_schema,
    least_count,
    rows_to_keep,
    unique_names,
)

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
        (column(SPREAD * 3), Kind.NUMERIC),
        (column(SPREAD / 7), Kind.NUMERIC),
        (column(SPREAD, storage=Storage.DATETIME, unit="s"), Kind.NUMERIC),
        (column(SPREAD, storage=Storage.DURATION, unit="s"), Kind.NUMERIC),
        (column(SPREAD % 2 == 0), Kind.CATEGORICAL),
        (labels(SPREAD % 2), Kind.CATEGORICAL),
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
        (column([1.0, 2.0], missing=[0, 1]), Kind.EMPTY),
        (labels([0], levels=(), missing=[0]), Kind.EMPTY),
    ],
)
def test_the_kind_is_inferred(col, kind):
    assert kind_of(col) is kind


WORDS = tuple(f"w{i}" for i in range(4000))


@pytest.mark.parametrize(
    ("col", "kind"),
    [
        (column(SPREAD[::-1] + 7), Kind.IDENTIFIER),
        (column(SPREAD, missing=[0, 399]), Kind.IDENTIFIER),
        (column(SPREAD, missing=[200]), Kind.NUMERIC),  # no run any more
        (column(np.arange(20)), Kind.IDENTIFIER),
        (column(np.arange(19)), Kind.NUMERIC),
        (column(SPREAD * 1.0), Kind.NUMERIC),
        (column(SPREAD, storage=Storage.DATETIME, unit="D"), Kind.NUMERIC),
        (column(SPREAD * 3), Kind.NUMERIC),
        (column(SPREAD * 3, name="customer_id"), Kind.IDENTIFIER),
        (column(SPREAD * 3, name="CustomerID"), Kind.IDENTIFIER),
        (column(SPREAD * 3, name="orderNo"), Kind.IDENTIFIER),
        (column(SPREAD * 3, name="invoice number"), Kind.IDENTIFIER),
        (column(SPREAD * 3, name=("order", "ref")), Kind.IDENTIFIER),
        (column(SPREAD * 3, name="IDLE"), Kind.NUMERIC),
        (column(SPREAD * 3, name="width"), Kind.NUMERIC),
        (column(SPREAD * 3, name="notes"), Kind.NUMERIC),
        (column(SPREAD // 2 * 3, name="id"), Kind.NUMERIC),
        (labels(SPREAD, levels=WORDS), Kind.IDENTIFIER),
        (labels(np.arange(19), levels=WORDS), Kind.CATEGORICAL),
        (labels(SPREAD, levels=WORDS, ordered=True), Kind.CATEGORICAL),
        (labels(SPREAD, levels=tuple(range(400))), Kind.CATEGORICAL),
        (labels(np.append(SPREAD, 0), levels=WORDS), Kind.IDENTIFIER),
        (labels(np.append(SPREAD, SPREAD[:200]), levels=WORDS), Kind.CATEGORICAL),
        (labels(np.append(np.arange(4000), [0, 1, 1]), levels=WORDS), Kind.IDENTIFIER),  # 5 of 4,003 repeat
        (labels(np.repeat(np.arange(2000), 2), levels=WORDS), Kind.CATEGORICAL),
    ],
)
def test_identifiers_are_told_by_their_cells_and_names(col, kind):
    assert infer_schema([col]).columns[0].kind is kind


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
    assert kind_of(column([3, 1]), "identifier") is Kind.IDENTIFIER
    assert kind_of(column([3.0, 1.0]), Kind.IDENTIFIER) is Kind.IDENTIFIER
    assert kind_of(labels([0, 1, 1]), "identifier") is Kind.IDENTIFIER
    assert kind_of(labels(SPREAD, levels=WORDS), "categorical") is Kind.CATEGORICAL


def test_a_constant_stays_one_whatever_the_user_says():
    assert kind_of(column([5, 5]), "numeric") is Kind.CONSTANT
    assert kind_of(column([5, 5]), "categorical") is Kind.CONSTANT
    assert kind_of(column([5.0, 5.0], missing=[0, 1]), "numeric") is Kind.EMPTY


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
        (
            labels([1, 0]),
            {"x": "numeric"},
            "'x' is given the kind 'numeric' but holds labels such as 'Paris'",
        ),
        (labels([1, 1]), {"x": "numeric"}, "labels such as 'Paris'"),
        (column([True, False]), {"x": "numeric"}, "labels such as True"),
        (column([4, 7, 4]), {"x": "identifier"}, "'x' is given the kind 'identifier' but holds 4 2 times"),
        (
            column([1.5, 2.0]),
            {"x": "identifier"},
            "holds float cells such as 1.5. Identifiers are strings or",
        ),
        (column(SPREAD, storage=Storage.DURATION, unit="s"), {"x": "identifier"}, "holds duration cells"),
        (labels([1, 0], levels=(1.5, 2)), {"x": "identifier"}, "holds label cells such as 2"),
        (column([1.0, np.inf, -np.inf, 2.0]), None, "'x' holds 2 infinite values, the first is inf"),
    ],
)
def test_what_cannot_be_learned_is_refused(col, overrides, message):
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


def test_relations_are_shown_where_there_are_any():
    schema = infer_schema([column(SPREAD / 7, name="a"), column(SPREAD / 7, name="b")])
    related = TableSchema((schema["a"], dataclasses.replace(schema["b"], relation="copy of a")))
    assert str(related).splitlines() == [
        "column  kind     stored as  missing  relation",
        "a       numeric  float      no",
        "b       numeric  float      no       copy of a",
    ]


def test_a_schema_comes_back_from_its_text():
    names = ["amount", "Größe", 0, -7, 1.5, True, None, ("card", 1, ("x", None)), dt.datetime(2024, 5, 1, 12)]
    columns = [column(SPREAD / 7, name=name, missing=[3]) for name in names]
    schema = infer_schema([*columns, labels(SPREAD % 2, name="city"), column(SPREAD, name="id")])
    schema = TableSchema((dataclasses.replace(schema["amount"], relation="sum"), *schema.columns[1:]))
    again = TableSchema.from_json(schema.to_json())
    assert again == schema
    assert [type(one.name) for one in again.columns[:9]] == [type(name) for name in names]
    assert TableSchema.from_dict(schema.to_dict()) == schema
    assert schema.to_dict()["columns"][0] == {
        "name": "amount",
        "kind": "numeric",
        "storage": "float",
        "has_missing": True,
        "relation": "sum",
    }


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"columns": [{"name": "a"}]}', "no", '{"columns": [{"name": "a", "kind": "odd"}]}', "3"],
)
def test_other_texts_are_no_schema(text):
    with pytest.raises(SchemaError, match="this is no"):
        TableSchema.from_json(text)


def test_names_without_json_are_refused():
    schema = infer_schema([column(SPREAD / 7, name=frozenset("ab"))])
    with pytest.raises(SchemaError, match="is a frozenset, which cannot be written as JSON"):
        schema.to_json()


def test_a_schema_decides_like_a_mapping_but_for_what_cells_alone_can_tell():
    before = [
        column(SPREAD % 5, name="a"),
        column(SPREAD * 3, name="b"),
        column([4] * 400, name="c"),
        column(SPREAD / 7, name="d", missing=range(400)),
    ]
    schema = infer_schema(before, {"a": "numeric"})
    assert [one.kind for one in schema.columns] == ["numeric", "numeric", "constant", "empty"]
    after = [column(SPREAD % 2, name=name) for name in "abcd"]
    kinds = [one.kind for one in infer_schema(after, schema).columns]
    assert kinds == ["numeric", "numeric", "categorical", "categorical"]
    with pytest.raises(SchemaError, match=r"do not exist: \['d'\]"):
        infer_schema(after[:3], TableSchema((schema["a"], dataclasses.replace(schema["b"], name="d"))))


@pytest.mark.parametrize(("n_rows", "least"), [(5, 1), (19, 1), (20, 2), (2000, 2), (3500, 3.5), (10**6, 10)])
def test_how_often_a_label_must_occur_to_be_kept(n_rows, least):
    assert rows_to_keep(n_rows) == least


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


def test_a_label_must_occur_often_unless_too_many_cells_would_go():
    frequent = np.full(20, 1000)
    assert least_count(frequent, 20_000) == 10
    assert least_count(np.append(frequent, np.full(100, 9)), 20_900) == 10  # 900 of 20,900 cells go
    assert least_count(np.append(frequent, np.full(200, 9)), 21_800) == 9  # 1,800 would be too many
    assert least_count(np.full(50_000, 2), 100_000) == 2
    assert least_count(np.full(50_000, 1), 50_000) == 2  # of one row, never
    assert least_count(np.ones(10), 10) == 1
