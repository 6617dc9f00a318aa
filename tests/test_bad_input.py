"""What cannot be used is refused: the right exception, a message that shows the value, nothing changed."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from containers import CONTAINERS, FRAMES, mixed_table
from scipy import sparse
from sklearn.utils._param_validation import InvalidParameterError

from tabdiff import DiffusionOverSampler, TableSynthesizer
from tabdiff.errors import ConditionError, InputError, SchemaError, TabdiffError

N = 100
Y = np.repeat([0, 1], [70, 30])
QUICK = {"random_state": 0, "max_steps": 2, "sampling_steps": 2}


def resample(X, y=Y, **arguments):
    return DiffusionOverSampler(**QUICK | arguments).fit_resample(X, y)


def learn(X, **arguments):
    return TableSynthesizer(**QUICK | arguments).fit(X)


FACES = pytest.mark.parametrize("use", [resample, learn])


@contextmanager
def refused(kind, *words):
    """Expect an exception of a kind whose message holds all the words."""
    with pytest.raises(kind) as caught:
        yield
    message = str(caught.value)
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"


# --- cells ------------------------------------------------------------------------------------------------


@FACES
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values(use, value):
    X = mixed_table()
    X.loc[4, "amount"] = value
    before = X.copy(deep=True)
    with refused(SchemaError, "'amount'", "infinite", str(value)):
        use(X)
    pd.testing.assert_frame_equal(X, before)
    with refused(SchemaError, "'amount'", "infinite"):
        use(pl.from_pandas(X))
    with refused(SchemaError, "column 1", "infinite"):
        use(np.c_[np.arange(N), np.where(np.arange(N) == 3, value, 0.5)])


@FACES
@pytest.mark.parametrize("name", FRAMES)
def test_a_column_of_missing_values_is_no_obstacle(use, name):
    use(FRAMES[name](mixed_table().assign(amount=np.nan)))


@FACES
@pytest.mark.parametrize(
    ("cell", "shown"),
    [([1, 2], "[1, 2]"), ({"a": 1}, "{'a': 1}"), ((1, 2), "1, 2"), (np.arange(2), "[0, 1]"), ({1}, "1")],
    ids=["list", "dict", "tuple", "array", "set"],
)
def test_cells_that_hold_more_than_a_value(use, cell, shown):
    X = mixed_table().assign(tags=pd.Series([cell] * N, dtype=object))
    with refused(SchemaError, "'tags'", shown, "numbers", "strings"):
        use(X)


@FACES
@pytest.mark.parametrize(
    "X",
    [
        pl.DataFrame({"x": range(N), "tags": [[1, 2]] * N}),
        pl.DataFrame({"x": range(N), "tags": [{"a": 1}] * N}),
        pa.table({"x": range(N), "tags": [[1, 2]] * N}),
        pa.table({"x": range(N), "tags": [{"a": 1}] * N}),
    ],
    ids=["polars list", "polars struct", "pyarrow list", "pyarrow struct"],
)
def test_columns_that_hold_more_than_values(use, X):
    with refused(SchemaError, "'tags'"):
        use(X)


@FACES
def test_complex_numbers(use):
    numbers = np.arange(N) + 1j
    with refused(ValueError, "omplex data not supported"):
        use(numbers[:, None])
    with refused(SchemaError, "'z'", "omplex"):
        use(mixed_table().assign(z=numbers))
    with refused(SchemaError, "'z'", "omplex"):
        use(mixed_table().assign(z=numbers.astype(object)))


# --- shapes and kinds of tables ---------------------------------------------------------------------------


@FACES
@pytest.mark.parametrize(
    "make",
    [sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.coo_array],
    ids=lambda m: m.__name__,
)
def test_sparse_tables(use, make):
    with refused(TypeError, "parse data was passed", "toarray"):
        use(make(np.eye(N)))


@FACES
def test_names_that_occur_twice(use):
    X = mixed_table().set_axis(["a", "b", "a", "c", "b"], axis=1)
    with refused(SchemaError, "more than once", "'a'", "'b'"):
        use(X)
    with refused(SchemaError, "more than once", "'a'"):
        use(pa.Table.from_arrays([pa.array(range(N))] * 2, names=["a", "a"]))


@FACES
@pytest.mark.parametrize("name", CONTAINERS)
def test_tables_without_rows(use, name):
    with refused(ValueError, "Expected 2D array" if name == "list" else "0"):
        use(CONTAINERS[name](mixed_table().iloc[:0]))


@FACES
@pytest.mark.parametrize("name", ["pandas", "polars", "numpy"])
def test_tables_without_columns(use, name):
    with refused(ValueError, "0"):
        use(CONTAINERS[name](mixed_table()[[]]))


@FACES
def test_arrays_that_are_not_two_dimensional(use):
    with refused(ValueError, "Expected 2D array, got 1D array"):
        use(np.arange(9.0))
    with refused(ValueError, "dim 4"):
        use(np.zeros((N, 2, 2, 2)))
    with refused(ValueError, "2-dimensional"):
        use(mixed_table()["count"])
    with refused(ValueError, "Expected 2D array"):
        use([[1, 2], [3]])


@FACES
@pytest.mark.parametrize("X", [None, 3, "table.csv", {"a": [1, 2]}, object], ids=str)
def test_what_is_no_table(use, X):
    with refused(InputError, type(X).__name__, "pandas, polars or pyarrow frame"):
        use(X)


@FACES
def test_a_lazy_frame(use):
    with refused(InputError, "lazy", ".collect()"):
        use(pl.from_pandas(mixed_table()).lazy())


# --- classes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("y", [np.zeros(N, dtype=int), ["same"] * N, pl.Series([True] * N)], ids=type)
def test_one_class(y):
    with refused(ValueError, "needs to have more than 1 class", "Got 1 class"):
        resample(mixed_table(), y)


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("n", [1, 99, 101])
def test_more_or_fewer_classes_than_rows(name, n):
    for y in (np.arange(n) % 2, pl.Series(np.arange(n) % 2), (np.arange(n) % 2).tolist()):
        with refused(ValueError, "inconsistent numbers of samples", "100", str(n)):
            resample(CONTAINERS[name](mixed_table()), y)


def test_several_targets():
    with refused(ValueError, "Multilabel and multioutput targets are not supported"):
        resample(mixed_table(), np.ones((N, 3), dtype=int) * (np.arange(N) % 2)[:, None])
    with refused(ValueError, "1d array", "(100, 2)"):
        resample(mixed_table(), np.c_[np.arange(N) % 3, np.arange(N) % 4])
    with refused(ValueError, "1d array", "(100, 2)"):
        resample(mixed_table(), pd.DataFrame({"a": np.arange(N) % 3, "b": np.arange(N) % 4}))


def test_continuous_classes():
    with refused(ValueError, "Unknown label type: continuous"):
        resample(mixed_table(), np.linspace(0, 1, N))


TEXT = np.where(Y == 1, "fraud", "fine").astype(object)


def with_hole(values, hole):
    holed = np.array(values, dtype=object)
    holed[[3, 50]] = hole
    return holed


@pytest.mark.parametrize(
    "y",
    [
        with_hole(Y, np.nan).astype(float),
        with_hole(TEXT, None),
        with_hole(TEXT, np.nan),
        with_hole(TEXT, None).tolist(),
        tuple(with_hole(TEXT, None)),
        pd.Series(with_hole(Y, None), dtype="Int64"),
        pd.Series(with_hole(TEXT, None), dtype="str"),
        pd.Series(with_hole(TEXT, None), dtype="category"),
        pd.Series(with_hole(Y == 1, None), dtype="boolean"),
        pd.Series(with_hole(TEXT, None), dtype=pd.ArrowDtype(pa.string())),
        pl.Series(with_hole(Y, None).tolist()),
        pl.Series(with_hole(TEXT, None).tolist()),
        pa.chunked_array([with_hole(TEXT, None).tolist()]),
        pd.DataFrame({"t": with_hole(TEXT, None)}),
    ],
    ids=lambda y: f"{type(y).__name__} {getattr(y, 'dtype', '')}".strip(),
)
def test_missing_classes(y):
    X = mixed_table()
    with refused(InputError, "y is missing in 2 of 100 rows", "row 3"):
        resample(X, y)


def test_sparse_classes():
    with refused(InputError, "y is sparse", "csr_matrix"):
        resample(mixed_table(), sparse.csr_matrix(np.eye(2, dtype=int)[Y]))


@pytest.mark.parametrize("y", [None, 3, "abc"], ids=str)
def test_what_are_no_classes(y):
    with refused(ValueError, "array-like", str(y)):
        resample(mixed_table(), y)


# --- arguments of both classes ----------------------------------------------------------------------------


@FACES
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "gan"),
        ("method", None),
        ("max_steps", 0),
        ("max_steps", 1.5),
        ("max_seconds", 0),
        ("max_seconds", -1.0),
        ("sampling_steps", 0),
        ("guidance_weight", -0.5),
        ("guidance_weight", None),
        ("device", 0),
        ("verbose", "yes"),
        ("random_state", "seed"),
        ("random_state", -1),
    ],
)
def test_arguments_of_the_wrong_kind(use, name, value):
    with refused(InvalidParameterError, f"The '{name}' parameter of", f"Got {value!r} instead"):
        use(mixed_table(), **{name: value})


@FACES
@pytest.mark.parametrize("device", ["gpu0", "cuda:x", "cuda:99", ""])
def test_unknown_devices(use, device):
    with refused(InputError, "device", repr(device)):
        use(mixed_table(), device=device)


@pytest.mark.parametrize("which", ["count", 5, None, {"count": 1}])
def test_categorical_features_of_the_wrong_kind(which):
    with refused(InvalidParameterError, "categorical_features"):
        resample(mixed_table(), categorical_features=which if which != {"count": 1} else 0.5)


@pytest.mark.parametrize(
    ("which", "shown"),
    [
        (["counts"], "'counts'"),
        ([0, 5], "5"),
        ([-6], "-6"),
        (["count", "x"], "'x'"),
        ([1.5], "1.5"),
        ([None], "None"),
    ],
)
def test_categorical_features_that_name_no_column(which, shown):
    X = mixed_table()
    with refused(InputError, "categorical_features", shown, "'amount'", "'night'"):
        resample(X, categorical_features=which)


@pytest.mark.parametrize("mask", [[True], [True] * 6, np.ones(4, dtype=bool)], ids=len)
def test_a_mask_of_another_length(mask):
    with refused(InputError, "mask", str(len(mask)), "5"):
        resample(mixed_table(), categorical_features=mask)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"colour": "numeric"}, ["'colour'", "'amount'"]),
        ({"amount": "ordinal"}, ["'amount'", "'ordinal'", "'numeric'", "'categorical'"]),
        ({"city": "numeric"}, ["'city'", "'numeric'", "'Graz'"]),
    ],
    ids=str,
)
def test_kinds_that_cannot_be(schema, words):
    for target in (None, "card"):
        with refused(SchemaError, *words):
            learn(mixed_table(), schema=schema, target=target)
    with refused(InvalidParameterError, "schema"):
        learn(mixed_table(), schema=list(schema))


# --- the target -------------------------------------------------------------------------------------------


def test_a_target_that_is_no_column():
    with refused(InputError, "'fraud'", "'amount'", "'night'"):
        learn(mixed_table(), target="fraud")
    with refused(InputError, "7", "[0, 1]"):
        learn(np.random.default_rng(0).normal(size=(N, 2)), target=7)


@pytest.mark.parametrize("name", FRAMES)
def test_a_target_with_missing_cells(name):
    X = mixed_table()
    with refused(InputError, "'city'", f"missing in {X['city'].isna().sum()} of 100 rows"):
        learn(FRAMES[name](X), target="city")


def test_a_target_beside_nothing():
    with refused(InputError, "no column besides the target 'card'"):
        learn(mixed_table()[["card"]], target="card")


# --- conditions -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told():
    return learn(mixed_table(), target="card")


@pytest.mark.parametrize("value", ["cash", 1, ["cash"], {"cash"}, {"equals": "cash"}], ids=str)
def test_a_class_that_never_was(told, value):
    with refused(ConditionError, "'card'", "'cash'" if value != 1 else "1", "'credit'", "'debit'"):
        told.sample(5, where={"card": value})


@pytest.mark.parametrize("value", [None, float("nan"), {"missing": True}], ids=str)
def test_a_missing_cell_where_none_was(told, value):
    with refused(ConditionError, "'card'", "missing"):
        told.sample(5, where={"card": value})


def test_a_condition_on_no_column(told):
    with refused(ConditionError, "'colour'", "'amount'"):
        told.sample(5, where={"colour": "red"})


@pytest.mark.parametrize("where", ["card", ["card"], 1], ids=str)
def test_what_is_no_condition(told, where):
    with refused(ConditionError, repr(where), "dict"):
        told.sample(5, where=where)


@pytest.mark.parametrize(
    "value", [(5, 1), (1e9, None), "many", {"least": 3}, 1e9, -1e9, {"min": 3, "missing": "yes"}], ids=str
)
def test_a_range_that_holds_nothing(told, value):
    with refused(ConditionError, "'amount'"):
        told.sample(5, where={"amount": value})


def test_conditions_in_a_frame_need_as_many_rows(told):
    with refused(ConditionError, "2", "5"):
        told.sample(5, where=pd.DataFrame({"card": ["debit", "credit"]}))


@pytest.mark.parametrize("n", [-1, 2.0, "5", None, True, np.nan, [3]], ids=str)
def test_a_number_of_rows_that_is_none(told, n):
    with refused(InputError, repr(n), "whole number"):
        told.sample(n)


@pytest.mark.parametrize("random_state", ["seed", -1, 1.5], ids=str)
def test_a_seed_that_is_none(told, random_state):
    with refused(InputError, repr(random_state), "RandomState"):
        told.sample(3, random_state=random_state)


# --- the family of errors ---------------------------------------------------------------------------------


def test_errors_can_be_caught_as_value_errors():
    for kind in (InputError, SchemaError, ConditionError):
        assert issubclass(kind, ValueError)
        assert issubclass(kind, TabdiffError)
