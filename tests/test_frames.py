"""Frames of every library come back as they were, and hold the same columns whatever library holds them."""

import dataclasses
import datetime as dt
import decimal
import json
import pickle
import re
import uuid
import zoneinfo

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.utils.multiclass import type_of_target

from tabdiff import frames
from tabdiff.errors import InputError, SchemaError
from tabdiff.frames.saved import SCALARS, template_from_plain, template_to_plain
from tabdiff.schema import Storage
from tabdiff.storage.packing import Packer
from tabdiff.storage.scalars import Tagged

NAN = float("nan")
FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def assert_same_columns(left, right):
    """The same names, cells and levels, whatever stands at a missing cell."""
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert (a.name, a.storage, a.levels, a.ordered, a.unit) == (
            b.name,
            b.storage,
            b.levels,
            b.ordered,
            b.unit,
        )
        assert a.values.dtype == b.values.dtype
        np.testing.assert_array_equal(a.missing, b.missing)
        np.testing.assert_array_equal(a.observed, b.observed)


def read_one(data):
    """The only column of a frame."""
    (column,), _ = frames.read(data)
    return column


def as_read_from_a_file(template):
    """The template as a saved model gives it back."""
    packer = Packer(scalars=[Tagged(tag, *scalar) for tag, scalar in SCALARS.items()])
    data, tensors = packer.pack(template_to_plain(template))
    return template_from_plain(packer.unpack(json.loads(json.dumps(data, allow_nan=False)), tensors))


def assert_same_table(a, b):
    assert type(a) is type(b)
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b, check_exact=True)
    elif isinstance(a, pl.DataFrame):
        polars.testing.assert_frame_equal(a, b, check_exact=True, categorical_as_str=True)
        assert a.schema == b.schema
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        pd.testing.assert_frame_equal(pd.DataFrame(a), pd.DataFrame(b), check_exact=True)
    else:
        assert a.schema.equals(b.schema, check_metadata=True)
        assert repr(a.to_pylist()) == repr(b.to_pylist())  # where NaN equals NaN


def rebuilt(data):
    """Read, rebuild, and check that reading it again, or rebuilding from a file, gives the same columns."""
    columns, template = frames.read(data)
    out = template.rebuild(columns)
    assert_same_table(as_read_from_a_file(template).rebuild(columns), out)
    assert_same_columns(frames.read(out)[0], columns)
    none = template.rebuild([c.with_cells(c.values[:0], c.missing[:0]) for c in columns])
    assert len(none) == 0 and none.shape[1] == data.shape[1]
    return out, none


# --- pandas -------------------------------------------------------------------------------------------------


def objects(*cells):
    """An object array, whatever the cells."""
    out = np.empty(len(cells), dtype=object)
    out[:] = cells
    return out


def arrow(cells, kind):
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(cells, kind)])))


def categories(cells, levels, ordered=False):
    return pd.Series(pd.Categorical(cells, categories=levels, ordered=ordered))


TIMES = ["2020-02-29 23:59:59", "1969-12-31 00:00:01", "2020-02-29 23:59:59"]
D, T = dt.date(2020, 2, 29), dt.datetime(1999, 12, 31, 23, 59, 59, 123456)
DEC = [decimal.Decimal("1.50"), None, decimal.Decimal("-12345.67")]
GAPPY = [1, None, 3]

PANDAS = {
    **{f"numpy {kind}": pd.Series([1, 0, 3], dtype=kind) for kind in ("int8", "int16", "int32", "int64")},
    **{f"numpy {kind}": pd.Series([1, 0, 3], dtype=kind) for kind in ("uint8", "uint16", "uint32", "uint64")},
    **{
        f"numpy {kind}": pd.Series([1.5, NAN, -3e4], dtype=kind) for kind in ("float16", "float32", "float64")
    },
    "numpy bool": pd.Series([True, False, True]),
    "int64 extremes": pd.Series([np.iinfo(np.int64).min, -1, np.iinfo(np.int64).max]),
    "int64 beyond 2^53": pd.Series([2**53 + 1, 2**60 + 3, -(2**62) - 1]),
    "float64 extremes": pd.Series([5e-324, -1.7976931348623157e308, 0.1]),
    **{
        f"nullable {kind}": pd.Series(GAPPY, dtype=kind)
        for kind in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
    },
    "nullable Int64 beyond 2^53": pd.Series([2**53 + 1, None, -(2**60) - 1], dtype="Int64"),
    "nullable Float32": pd.Series([0.1, None, 3], dtype="Float32"),
    "nullable Float64": pd.Series([0.1, None, 3], dtype="Float64"),
    "nullable boolean": pd.Series([True, None, False], dtype="boolean"),
    "nullable boolean, none missing": pd.Series([True, True, False], dtype="boolean"),
    "string python": pd.Series(["b", None, "a"], dtype="string[python]"),
    "string pyarrow": pd.Series(["b", None, "a"], dtype="string[pyarrow]"),
    "inferred strings": pd.Series(["b", "ä", ""]),
    "inferred strings with None": pd.Series(["b", None, "a"]),
    "arrow int16": arrow(GAPPY, pa.int16()),
    "arrow uint64": arrow(GAPPY, pa.uint64()),
    "arrow double": arrow([0.1, None, 3], pa.float64()),
    "arrow float": arrow([0.1, None, 3], pa.float32()),
    "arrow bool": arrow([True, None, False], pa.bool_()),
    "arrow string": arrow(["b", None, "a"], pa.string()),
    "arrow binary": arrow([b"b", None, b"\xff"], pa.binary()),
    "arrow timestamp with zone": arrow([T, None, T], pa.timestamp("us", "Europe/Vienna")),
    "arrow timestamp": arrow([T, None, T], pa.timestamp("ns")),
    "arrow date": arrow([D, None, D], pa.date32()),
    "arrow date64": arrow([D, None, D], pa.date64()),
    "arrow time": arrow([dt.time(1, 2, 3), None, dt.time(4)], pa.time64("us")),
    "arrow duration": arrow([dt.timedelta(1, 2, 3), None, dt.timedelta(0)], pa.duration("us")),
    "arrow dictionary": arrow(["b", None, "a"], pa.dictionary(pa.int8(), pa.string())),
    "arrow decimal": arrow(DEC, pa.decimal128(9, 2)),
    "object strings": pd.Series(objects("b", "a", "b"), dtype=object),
    "object strings with None": pd.Series(objects("b", None, "a"), dtype=object),
    "object strings with NaN": pd.Series(objects("b", NAN, "a"), dtype=object),
    "object strings with NA": pd.Series(objects("b", pd.NA, "a"), dtype=object),
    "object bytes": pd.Series(objects(b"b", None, b"a"), dtype=object),
    "object bools": pd.Series(objects(True, False, True), dtype=object),
    "object bools with None": pd.Series(objects(True, None, False), dtype=object),
    "object bools with NaN": pd.Series(objects(True, NAN, False), dtype=object),
    "object NumPy bools": pd.Series(objects(np.True_, np.False_, None), dtype=object),
    "object ints": pd.Series(objects(1, 2**53 + 1, -3), dtype=object),
    "object ints with None": pd.Series(objects(1, None, 3), dtype=object),
    "object ints with NaN": pd.Series(objects(1, NAN, 3), dtype=object),
    "object floats with None": pd.Series(objects(0.1, None, 3.5), dtype=object),
    "object ints and floats": pd.Series(objects(1, 0.5, NAN), dtype=object),
    "object huge ints and floats": pd.Series(objects(2**60, 0.5, NAN), dtype=object),
    "object strings and ints": pd.Series(objects("a", 1, None), dtype=object),
    "object dates": pd.Series(objects(D, None, dt.date(1900, 1, 1)), dtype=object),
    "object times of day": pd.Series(objects(dt.time(1, 2), None, dt.time(23)), dtype=object),
    "object datetimes": pd.Series(objects(T, pd.NaT, T), dtype=object),
    "object durations": pd.Series(objects(dt.timedelta(days=-1), None, dt.timedelta(0, 0, 7)), dtype=object),
    "object decimals": pd.Series(objects(*DEC), dtype=object),
    "object UUIDs": pd.Series(objects(uuid.UUID(int=5), None, uuid.UUID(int=3)), dtype=object),
    "object intervals": pd.Series(objects(pd.Interval(0, 1), None, pd.Interval(1, 2)), dtype=object),
    "category of strings": categories(["b", "a", "b"], ["b", "a"]),
    "category with missing": categories(["b", None, "a"], ["b", "a"]),
    "category with unused levels": categories(["b", None, "a"], ["z", "b", "y", "a"]),
    "category of ints": categories([10, 2, 10], [10, 3, 2]),
    "category of floats": categories([0.5, None, 2.5], [2.5, 0.5]),
    "category of bools": categories([True, False, None], [True, False]),
    "category of times": categories(pd.to_datetime(TIMES), sorted(set(pd.to_datetime(TIMES)))),
    "category of mixed objects": categories(["a", 1, None], ["a", 1]),
    "category, ordered": categories(["mid", None, "low"], ["low", "mid", "high"], ordered=True),
    "category of intervals": pd.Series(pd.cut([1, 5, 9], 3)),
    **{
        f"datetime64[{unit}]": pd.Series(np.array([*TIMES[:2], "NaT"], dtype=f"M8[{unit}]"))
        for unit in ("s", "ms", "us", "ns")
    },
    "datetime64 before 1678": pd.Series(np.array(["0001-01-01", "2020-01-01", "NaT"], dtype="M8[s]")),
    **{
        f"datetime64[{unit}] with zone": pd.Series(pd.to_datetime(TIMES).as_unit(unit).tz_localize("UTC"))
        for unit in ("s", "ms", "us", "ns")
    },
    "datetime64 in Vienna": pd.Series(pd.to_datetime([*TIMES[:2], None]).tz_localize("Europe/Vienna")),
    "datetime64 with an offset": pd.Series(
        pd.to_datetime(TIMES).tz_localize(dt.timezone(dt.timedelta(hours=2)))
    ),
    "datetime64, hour of two meanings": pd.Series(
        pd.to_datetime(["2020-10-25 00:30", "2020-10-25 01:30", None])
        .tz_localize("UTC")
        .tz_convert(zoneinfo.ZoneInfo("Europe/Vienna"))
    ),
    **{
        f"timedelta64[{unit}]": pd.Series(np.array([1, -5, "NaT"], dtype=f"m8[{unit}]"))
        for unit in ("s", "ms", "us", "ns")
    },
    "sparse float": pd.Series(pd.arrays.SparseArray([0.0, 0.0, 1.5])),
    "sparse float with NaN": pd.Series(pd.arrays.SparseArray([NAN, 2.0, NAN])),
    "sparse int": pd.Series(pd.arrays.SparseArray([0, 0, 7])),
    "sparse bool": pd.Series(pd.arrays.SparseArray([False, False, True])),
    "big-endian": pd.Series(np.array([1.5, 2.5, NAN], dtype=">f8")),
}


@pytest.mark.parametrize("series", PANDAS.values(), ids=PANDAS.keys())
def test_pandas_in_pandas_out(series):
    frame = series.to_frame("x").set_axis(["p", "q", "r"])
    before = frame.copy(deep=True)
    out, none = rebuilt(frame)
    pd.testing.assert_frame_equal(out, frame.reset_index(drop=True), check_exact=True)
    pd.testing.assert_frame_equal(frame, before, check_exact=True)
    assert none.dtypes.tolist() == frame.dtypes.tolist()


def test_missing_objects_come_back_as_the_object_they_were():
    for null in (None, NAN, pd.NA):
        out, _ = rebuilt(pd.DataFrame({"x": objects("b", null, "a")}, dtype=object))
        assert out["x"].tolist()[1] is null


def test_objects_come_back_in_their_own_types():
    cells = [
        True,
        3,
        0.5,
        "s",
        b"s",
        D,
        dt.time(1),
        T,
        dt.timedelta(1),
        decimal.Decimal("0.1"),
        uuid.UUID(int=1),
    ]
    out, _ = rebuilt(pd.DataFrame({str(i): objects(cell) for i, cell in enumerate(cells)}, dtype=object))
    assert [type(cell) for cell in out.iloc[0]] == [type(cell) for cell in cells]


def test_column_names_that_are_no_strings_survive():
    for names in (
        [3, ("a", 1), None],
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["u", "v"]),
    ):
        frame = pd.DataFrame([[1, 2, 3], [4, 5, 6]])
        frame.columns = names
        out, _ = rebuilt(frame)
        pd.testing.assert_index_equal(out.columns, frame.columns)
        assert [column.name for column in frames.read(frame)[0]] == list(frame.columns)


# --- polars -------------------------------------------------------------------------------------------------

WHOLE = [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Int128]
WHOLE += [pl.UInt128] if hasattr(pl, "UInt128") else []
POLARS = {
    **{str(kind): pl.Series(GAPPY, dtype=kind) for kind in WHOLE},
    **{f"{kind} with null": pl.Series([0.1, None, 3e4], dtype=kind) for kind in (pl.Float32, pl.Float64)},
    **{f"{kind} with NaN": pl.Series([0.1, NAN, 3e4], dtype=kind) for kind in (pl.Float32, pl.Float64)},
    "Boolean": pl.Series([True, None, False]),
    "String": pl.Series(["b", None, "ä"]),
    "String without nulls": pl.Series(["b", "", "ä"]),
    "Categorical": pl.Series(["b", None, "a"], dtype=pl.Categorical),
    "Enum": pl.Series(["mid", None, "low"], dtype=pl.Enum(["low", "mid", "high"])),
    "Date": pl.Series([D, None, dt.date(1900, 1, 1)]),
    **{
        f"Datetime {unit} {zone}": pl.Series([10**9, None, -5]).cast(pl.Datetime(unit, zone))
        for unit in ("ms", "us", "ns")
        for zone in (None, "UTC", "Europe/Vienna")
    },
    **{f"Duration {unit}": pl.Series([7, None, -5]).cast(pl.Duration(unit)) for unit in ("ms", "us", "ns")},
    "Time": pl.Series([dt.time(1, 2, 3, 4), None, dt.time(0)]),
    "Decimal": pl.Series(DEC, dtype=pl.Decimal(9, 2)),
    "Binary": pl.Series([b"\xff", None, b"a"]),
    "Null": pl.Series([None, None, None]),
    "several chunks": pl.concat([pl.Series(["b", "a"]), pl.Series(["c"])], rechunk=False),
}


@pytest.mark.parametrize("series", POLARS.values(), ids=POLARS.keys())
def test_polars_in_polars_out(series):
    frame = series.alias("x").to_frame()
    before = frame.clone()
    out, none = rebuilt(frame)
    polars.testing.assert_frame_equal(out, frame, check_exact=True, categorical_as_str=True)
    polars.testing.assert_frame_equal(frame, before, check_exact=True, categorical_as_str=True)
    assert out.schema == frame.schema == none.schema


def test_a_float_column_with_null_and_nan_is_rebuilt_with_nulls():
    out, _ = rebuilt(pl.DataFrame({"x": [1.0, NAN, None]}))
    assert out["x"].to_list() == [1.0, None, None]


# --- pyarrow ------------------------------------------------------------------------------------------------

ARROW = {
    **{str(kind): pa.array(GAPPY, kind) for kind in (pa.int8(), pa.int64(), pa.uint16(), pa.uint64())},
    **{str(kind): pa.array([0.1, None, 3e4], kind) for kind in (pa.float32(), pa.float64())},
    "half float": pa.array(np.array([0.5, 2], dtype=np.float16)),
    "double with NaN": pa.array([0.1, NAN]),
    "bool": pa.array([True, None, False]),
    **{str(kind): pa.array(["b", None, "ä"], kind) for kind in (pa.string(), pa.large_string())},
    **{
        str(kind): pa.array([b"b", None, b"a"], kind)
        for kind in (pa.binary(), pa.large_binary(), pa.binary(1))
    },
    "string view": pa.array(["b", None, "a"], pa.string_view()),
    "dictionary": pa.array(["b", None, "a"]).dictionary_encode(),
    "dictionary, ordered": pa.DictionaryArray.from_arrays(
        pa.array([1, None, 0], pa.int8()), pa.array(["low", "mid", "high"]), ordered=True
    ),
    "dictionary of ints": pa.array([20, None, 10]).dictionary_encode(),
    "dictionary with a null": pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2, None]), pa.array(["b", None, "b"])
    ),
    **{
        f"timestamp {unit} {zone}": pa.array([10**9, None, -5], pa.timestamp(unit, zone))
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "+02:00", "Europe/Vienna")
    },
    **{f"duration {unit}": pa.array([7, None, -5], pa.duration(unit)) for unit in ("s", "ms", "us", "ns")},
    "date32": pa.array([D, None], pa.date32()),
    "date64": pa.array([D, None], pa.date64()),
    "time32": pa.array([dt.time(1, 2, 3), None], pa.time32("ms")),
    "time64": pa.array([dt.time(1, 2, 3), None], pa.time64("ns")),
    "decimal128": pa.array(DEC, pa.decimal128(9, 2)),
    "decimal256": pa.array(DEC, pa.decimal256(50, 3)),
    "null": pa.nulls(3),
}


@pytest.mark.parametrize("array", ARROW.values(), ids=ARROW.keys())
def test_arrow_in_arrow_out(array):
    schema = pa.schema([pa.field("x", array.type, metadata={"k": "v"})], metadata={"m": "n"})
    for frame in (pa.table([array], schema=schema), pa.record_batch([array], schema=schema)):
        before = repr(frame.to_pylist())  # where NaN equals NaN
        out, none = rebuilt(frame)
        assert type(out) is type(none) is type(frame)
        assert out.schema.equals(schema, check_metadata=True) and none.schema == schema
        assert repr(out.to_pylist()) == repr(frame.to_pylist()) == before


def test_arrow_chunks_with_dictionaries_of_their_own_are_read_as_one():
    chunks = [pa.array(cells).dictionary_encode() for cells in (["b", "a"], ["c", None, "b"])]
    column = read_one(pa.table({"x": pa.chunked_array(chunks)}))
    assert [column.describe(code) for code in column.observed] == ["b", "a", "c", "b"]
    assert column.missing.tolist() == [False, False, False, True, False]


def test_a_frame_wrapped_by_narwhals_is_read_as_an_arrow_table():
    columns, template = frames.read(nw.from_native(pl.DataFrame({"x": [1, None], "s": ["b", "a"]})))
    assert template.rebuild(columns).to_pydict() == {"x": [1, None], "s": ["b", "a"]}


def test_slices_of_arrow_are_read_from_where_they_begin():
    table = pa.table(
        {
            "i": pa.array([9, 1, None, 3]),
            "t": pa.array([9, 1, None, 3], pa.timestamp("us")),
            "d": pa.array([9, 1, None, 3], pa.int32()).cast(pa.date32()),
            "s": pa.array(["z", "a", None, "b"]),
            "c": pa.array(["z", "a", None, "b"]).dictionary_encode(),
            "b": pa.array([True, False, None, True]),
        }
    ).slice(1, 3)
    out, _ = rebuilt(table)
    assert out.to_pylist() == table.to_pylist()


# --- NumPy --------------------------------------------------------------------------------------------------

ARRAYS = {
    "float64": np.array([[0.1, NAN], [3, 4]]),
    "float32": np.array([[0.1, NAN], [3, 4]], dtype=np.float32),
    "float16": np.array([[0.1, NAN], [3, 4]], dtype=np.float16),
    "int64": np.array([[2**53 + 1, 2], [3, -4]]),
    "int8": np.array([[1, 2], [3, -4]], dtype=np.int8),
    "uint64": np.array([[1, 2], [3, 4]], dtype=np.uint64),
    "bool": np.array([[True, False], [False, False]]),
    "str": np.array([["b", "a"], ["", "nan"]]),
    "bytes": np.array([[b"b", b"a"], [b"", b"c"]]),
    "object": objects([1, "a"], [None, NAN]).tolist(),
    "datetime64[D]": np.array([["2020-01-01", "NaT"], ["1960-01-01", "2000-01-01"]], dtype="M8[D]"),
    "timedelta64[ns]": np.array([[1, 2], [3, 4]], dtype="m8[ns]"),
    "Fortran order": np.asfortranarray([[1.5, 2], [3, 4]]),
    "big-endian": np.array([[1.5, 2], [3, 4]], dtype=">f8"),
    "read-only": np.broadcast_to(np.array([1.5, 2]), (2, 2)),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_numpy_in_numpy_out(array):
    array = np.array(array, dtype=object) if isinstance(array, list) else array
    before = array.copy()
    out, none = rebuilt(array)
    assert out.dtype == none.dtype == array.dtype
    pd.testing.assert_frame_equal(pd.DataFrame(out), pd.DataFrame(array), check_exact=True)
    pd.testing.assert_frame_equal(pd.DataFrame(array), pd.DataFrame(before), check_exact=True)
    assert frames.read(array)[0][1].name == 1


def test_object_arrays_keep_the_types_of_their_columns():
    array = np.array([[1, "a", True, 0.5], [2, "b", False, None]], dtype=object)
    out, _ = rebuilt(array)
    assert [[type(cell) for cell in row] for row in out] == [[type(cell) for cell in row] for row in array]


# --- the same cells in every library ------------------------------------------------------------------------

CELLS = {
    "i": [3, -1, 7, 3],
    "f": [0.5, NAN, 1e9, 0.1],
    "b": [True, False, False, True],
    "s": ["oslo", "Rome", None, "oslo"],
    "t": [T, None, T, dt.datetime(1960, 1, 1)],
    "d": [dt.timedelta(1), None, dt.timedelta(0, 1), dt.timedelta(0)],
}
LEVELS = ["z", "oslo", "Rome", "a"]


def as_pandas(**changes):
    times = {"t": "datetime64[us]", "d": "timedelta64[us]"}
    return pd.DataFrame(CELLS).astype(times | changes)


def in_every_library():
    shuffled = categories(CELLS["s"], ["oslo", "z", "Rome"])
    table = pa.table({name: pa.array(cells, from_pandas=True) for name, cells in CELLS.items()})
    position = table.schema.get_field_index("s")
    polar = pl.DataFrame({**CELLS, "s": pl.Series(CELLS["s"], dtype=pl.String)})
    return {
        "pandas": as_pandas(),
        "pandas, objects": as_pandas(s=object, b=object, i=object),
        "pandas, nullable": as_pandas(i="Int64", f="Float64", b="boolean", s="string"),
        "pandas, categories": as_pandas().assign(s=shuffled),
        "pandas, arrow": table.to_pandas(types_mapper=pd.ArrowDtype),
        "pyarrow": table,
        "pyarrow, dictionary": table.set_column(position, "s", table["s"].dictionary_encode()),
        "pyarrow, chunks": pa.concat_tables([table.slice(0, 1), table.slice(1)]),
        "record batch": table.to_batches()[0],
        "polars": polar,
        "polars, categories": polar.with_columns(pl.col("s").cast(pl.Categorical)),
    }


@pytest.mark.parametrize("library", in_every_library())
def test_the_same_cells_give_the_same_columns(library):
    expected, _ = frames.read(as_pandas())
    columns, _ = frames.read(in_every_library()[library])
    assert_same_columns(columns, expected)
    assert columns[3].levels == ("Rome", "oslo")


def test_numpy_objects_give_the_same_columns_as_a_frame():
    names = ["i", "f", "b", "s"]
    array = np.array([list(row) for row in zip(*(CELLS[name] for name in names), strict=True)], dtype=object)
    expected, _ = frames.read(pd.DataFrame({i: CELLS[name] for i, name in enumerate(names)}))
    assert_same_columns(frames.read(array)[0], expected)


def test_the_declared_order_of_levels_is_the_same_in_every_library():
    cells, levels = ["mid", "low", None], ["low", "mid", "high"]
    in_order = pa.DictionaryArray.from_arrays(pa.array([1, 0, None]), pa.array(levels), ordered=True)
    data = [
        pd.DataFrame({"x": categories(cells, levels, ordered=True)}),
        pl.DataFrame({"x": pl.Series(cells, dtype=pl.Enum(levels))}),
        pa.table({"x": in_order}),
    ]
    for frame in data:
        column = read_one(frame)
        assert column.ordered and column.levels == ("low", "mid")
        assert_same_columns([column], [read_one(data[0])])


@FEW
@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4), min_size=1))
def test_any_text_is_the_same_in_every_library(cells):
    expected, template = frames.read(pl.DataFrame({"x": pl.Series(cells, dtype=pl.String)}))
    assert template.rebuild(expected)["x"].to_list() == cells
    levels = sorted({cell for cell in cells if cell is not None})
    if not levels:
        return
    assert list(expected[0].levels) == levels
    for frame in (
        pd.DataFrame({"x": objects(*cells)}, dtype=object),
        pd.DataFrame({"x": categories(cells, levels[::-1])}),
        pa.table({"x": pa.array(cells, pa.string()).dictionary_encode()}),
        pl.DataFrame({"x": pl.Series(cells, dtype=pl.Categorical)}),
    ):
        columns, template = frames.read(frame)
        assert_same_columns(columns, expected)
        assert_same_columns(frames.read(template.rebuild(columns))[0], expected)


@FEW
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_any_integer_survives_in_every_library(cells):
    column, template = frames.read(pl.DataFrame({"x": pl.Series(cells, dtype=pl.Int64)}))
    assert template.rebuild(column)["x"].to_list() == cells
    for frame in (
        pd.DataFrame({"x": pd.Series(cells, dtype="Int64")}),
        pa.table({"x": pa.array(cells, pa.int64())}),
    ):
        columns, template = frames.read(frame)
        assert_same_columns(columns, column)
        assert_same_columns(frames.read(template.rebuild(columns))[0], column)


@FEW
@given(st.lists(st.decimals(-(10**11), 10**11, places=4), min_size=1), st.sampled_from([4, 9, 25]))
def test_decimals_of_fifteen_digits_survive(cells, scale):
    table = pa.table({"x": pa.array(cells, pa.decimal256(50, scale))})
    assert rebuilt(table)[0] == table


# --- what a rebuilt frame is made of ------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [np.ones((3, 2)), pd.DataFrame(np.ones((3, 2)), columns=["a", "b"])])
def test_rebuilt_memory_is_its_own(frame):
    columns, template = frames.read(frame)
    first, second = (np.asarray(template.rebuild(columns)) for _ in range(2))
    assert not np.shares_memory(first, np.asarray(frame))
    assert not np.shares_memory(first, second)
    assert not any(np.shares_memory(first, column.values) for column in columns)


def test_rebuilt_arrow_buffers_are_their_own():
    table = pa.table({"i": [1, 2, 3], "f": [0.5, 1, 2], "t": pa.array([1, 2, 3], pa.timestamp("ns"))})
    columns, template = frames.read(table)
    addresses = [
        {column.chunk(0).buffers()[1].address for column in frame.columns}
        for frame in (table, template.rebuild(columns), template.rebuild(columns))
    ]
    assert len(set.union(*addresses)) == 9


def test_template_keeps_no_row_and_can_be_pickled():
    rows = np.random.default_rng(0).normal(size=(2000, 3))
    for frame in (rows, pd.DataFrame(rows), pl.DataFrame(rows), pa.table(pd.DataFrame(rows))):
        columns, template = frames.read(frame)
        assert len(template.empty) == 0
        saved = pickle.dumps(template)
        assert len(saved) < 3000
        out = pickle.loads(saved).rebuild(columns)
        np.testing.assert_array_equal(np.asarray(out.to_pandas() if isinstance(out, pa.Table) else out), rows)
    assert frames.read(rows)[1].empty.base is None


def test_a_frame_can_be_rebuilt_longer_than_it_was():
    frame = as_pandas()
    columns, template = frames.read(frame)
    twice = [c.with_cells(np.tile(c.values, 2), np.tile(c.missing, 2)) for c in columns]
    pd.testing.assert_frame_equal(template.rebuild(twice), pd.concat([frame, frame], ignore_index=True))


# --- what cannot be read ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones(3), r"2 dimensions, got an array of shape \(3,\)"),
        (np.ones((3, 2, 2)), r"2 dimensions, got an array of shape \(3, 2, 2\)"),
        (np.ones((0, 2)), "0 rows and 2 columns"),
        (np.ones((2, 0)), "2 rows and 0 columns"),
        (pd.DataFrame({"x": []}), "0 rows and 1 columns"),
        (pd.DataFrame(index=[1, 2]), "2 rows and 0 columns"),
        (pl.DataFrame({"x": []}), "0 rows and 1 columns"),
        (pl.DataFrame(), "0 rows and 0 columns"),
        (pa.table({}), "0 rows and 0 columns"),
        (pl.DataFrame({"x": [1]}).lazy(), "collect()"),
        (scipy.sparse.csr_matrix(np.eye(2)), r"sparse csr_matrix.*toarray\(\)"),
        ([[1, 2]], "from list"),
        (None, "from NoneType"),
        (pd.Series([1]), "from Series"),
        ({"x": [1]}, "from dict"),
    ],
)
def test_what_is_no_table_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        frames.read(data)


REFUSED = {
    "pandas names twice": (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]), "more than once: ['a']"),
    "pyarrow names twice": (pa.table([pa.array([1])] * 2, names=["a", "a"]), "more than once: ['a']"),
    "pandas complex": (pd.DataFrame({"x": [1j]}), "'x' has the type complex128 and holds cells such as"),
    "numpy complex": (np.array([[1j]]), "complex128"),
    "object uint64 and ints": (pd.DataFrame({"x": objects(2**63, np.int64(1))}, dtype=object), str(2**63)),
    "object complex": (pd.DataFrame({"x": objects(1j, "a")}, dtype=object), "1j"),
    "period": (pd.DataFrame({"x": pd.period_range("2020", periods=2, freq="M")}), "Period('2020-01', 'M')"),
    "interval": (pd.DataFrame({"x": pd.interval_range(0, 2)}), "interval[int64, right]"),
    "list cells": (pd.DataFrame({"x": objects([1], [2])}, dtype=object), "holds cells such as [1]"),
    "array cells": (pd.DataFrame({"x": objects(np.ones(2), np.ones(2))}, dtype=object), "[1.0, 1.0]"),
    "tuple cells": (pd.DataFrame({"x": objects(None, (1, "b"))}, dtype=object), "(1, 'b')"),
    "dict cells": (pd.DataFrame({"x": objects({"a": 1}, None)}, dtype=object), "{'a': 1}"),
    "set cells": (pd.DataFrame({"x": objects({1}, "a")}, dtype=object), "{1}"),
    "polars list": (pl.DataFrame({"x": [[1, 2]]}), "[1, 2]"),
    "polars struct": (pl.DataFrame({"x": [{"a": 1}]}), "{'a': 1}"),
    "polars object": (pl.DataFrame({"x": pl.Series([uuid.UUID(int=1)], dtype=pl.Object)}), "UUID"),
    "pyarrow list": (pa.table({"x": [[1]]}), "[1]"),
    "pyarrow struct": (pa.table({"x": [{"a": 1}]}), "{'a': 1}"),
    "numpy uint64": (np.array([[2**63]], dtype=np.uint64), "9223372036854775808"),
    "pandas uint64": (pd.DataFrame({"x": [2**63]}), "9223372036854775808"),
    "pandas UInt64": (pd.DataFrame({"x": pd.array([2**63, None], dtype="UInt64")}), "9223372036854775808"),
    "object uint64": (pd.DataFrame({"x": objects(2**63, 1)}, dtype=object), "9223372036854775808"),
    "object beyond 64 bits": (pd.DataFrame({"x": objects(-(2**70), None)}, dtype=object), str(-(2**70))),
    "polars uint64": (pl.DataFrame({"x": pl.Series([2**63], dtype=pl.UInt64)}), "9223372036854775808"),
    "polars int128": (pl.DataFrame({"x": pl.Series([2**63, 1], dtype=pl.Int128)}), "9223372036854775808"),
    "pyarrow uint64": (pa.table({"x": pa.array([2**63], pa.uint64())}), "9223372036854775808"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_cells_that_cannot_be_learned_are_refused_and_shown(data, message):
    with pytest.raises(SchemaError, match=re.escape(message)):
        frames.read(data)


def test_is_frame():
    table = pa.table({"x": [1]})
    assert all(map(frames.is_frame, [table, table.to_batches()[0], table.to_pandas(), pl.from_arrow(table)]))
    assert not any(
        map(frames.is_frame, [np.ones((1, 1)), [[1]], pd.Series([1]), None, pl.LazyFrame({"x": [1]})])
    )


# --- rows ---------------------------------------------------------------------------------------------------

Y = [3, 1, 2]
ROWS = {
    "list": (Y, [2, 3, 3]),
    "ndarray": (np.array(Y), np.array([2, 3, 3])),
    "ndarray 2-D": (np.eye(3)[:, :2], np.array([[0.0, 0], [1, 0], [1, 0]])),
    "pandas series": (
        pd.Series(Y, name="y", index=[5, 6, 7]),
        pd.Series([2, 3, 3], name="y", index=[7, 5, 5]),
    ),
    "pandas frame": (pd.DataFrame({"x": Y}), pd.DataFrame({"x": [2, 3, 3]}, index=[2, 0, 0])),
    "polars series": (pl.Series("y", Y), pl.Series("y", [2, 3, 3])),
    "polars frame": (pl.DataFrame({"x": Y}), pl.DataFrame({"x": [2, 3, 3]})),
    "arrow array": (pa.array(Y), pa.array([2, 3, 3])),
    "chunked array": (pa.chunked_array([[3], [1, 2]]), pa.chunked_array([[2, 3, 3]])),
    "arrow table": (pa.table({"x": Y}), pa.table({"x": [2, 3, 3]})),
    "record batch": (pa.record_batch({"x": Y}), pa.record_batch({"x": [2, 3, 3]})),
}


def assert_equal(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, pd.Series):
        pd.testing.assert_series_equal(a, b)
    else:
        assert a.equals(b) if hasattr(a, "equals") else a == b


@pytest.mark.parametrize(("data", "expected"), ROWS.values(), ids=ROWS.keys())
def test_rows_are_selected_and_appended_in_their_container(data, expected):
    chosen = frames.select_rows(data, np.array([2, 0, 0]))
    assert_equal(chosen, expected)
    assert len(frames.select_rows(data, np.arange(0))) == 0
    both = frames.append_rows(data, chosen)
    assert type(both) is type(data) and len(both) == 6
    assert_equal(renumbered(frames.select_rows(both, np.arange(3))), renumbered(data))
    assert_equal(renumbered(frames.select_rows(both, np.arange(3, 6))), renumbered(chosen))
    if isinstance(data, pd.DataFrame | pd.Series):
        assert both.index.equals(pd.RangeIndex(6))


def renumbered(data):
    return data.reset_index(drop=True) if isinstance(data, pd.DataFrame | pd.Series) else data


@pytest.mark.parametrize("library", in_every_library())
@pytest.mark.parametrize("rows", [[], [2, 2, 0]])
def test_rebuilt_rows_are_appended_without_a_change_of_type(library, rows):
    frame = in_every_library()[library]
    columns, template = frames.read(frame)
    new = template.rebuild([c.with_cells(c.values[rows], c.missing[rows]) for c in columns])
    both = frames.append_rows(frame, new)
    everything = [*range(4), *rows]
    expected = [c.with_cells(c.values[everything], c.missing[everything]) for c in columns]
    assert_same_columns(frames.read(both)[0], expected)
    if isinstance(frame, pd.DataFrame):
        assert both.dtypes.equals(frame.dtypes)
    else:
        assert both.schema == frame.schema


# --- classes ------------------------------------------------------------------------------------------------

CLASSES = {
    "Int64": (pd.Series([0, 1, 1], dtype="Int64"), np.int64, [0, 1, 1]),
    "UInt8": (pd.Series([0, 1, 1], dtype="UInt8"), np.int64, [0, 1, 1]),
    "Float64": (pd.Series([0, 1, 1], dtype="Float64"), np.float64, [0, 1, 1]),
    "boolean": (pd.Series([False, True, True], dtype="boolean"), bool, [False, True, True]),
    "object ints": (pd.Series(objects(0, 1, 1), dtype=object), np.int64, [0, 1, 1]),
    "object bools": (pd.Series(objects(False, True, True), dtype=object), bool, [False, True, True]),
    "string": (pd.Series(["a", "b", "b"], dtype="string"), object, ["a", "b", "b"]),
    "inferred strings": (pd.Series(["a", "b", "b"]), object, ["a", "b", "b"]),
    "category of strings": (categories(["a", "b", "b"], ["c", "b", "a"]), object, ["a", "b", "b"]),
    "category of ints": (categories([7, 5, 5], [5, 6, 7]), np.int64, [7, 5, 5]),
    "category of bools": (categories([True, False, False], [True, False]), bool, [True, False, False]),
    "arrow ints": (arrow([0, 1, 1], pa.int32()), np.int64, [0, 1, 1]),
    "arrow bools": (arrow([False, True, True], pa.bool_()), bool, [False, True, True]),
    "arrow strings": (arrow(["a", "b", "b"], pa.string()), object, ["a", "b", "b"]),
    "arrow dictionary": (
        arrow(["a", "b", "b"], pa.dictionary(pa.int32(), pa.string())),
        object,
        ["a", "b", "b"],
    ),
    "int8": (pd.Series([0, 1, 1], dtype="int8"), np.int64, [0, 1, 1]),
    "polars ints": (pl.Series([0, 1, 1]), np.int64, [0, 1, 1]),
    "polars bools": (pl.Series([False, True, True]), bool, [False, True, True]),
    "polars strings": (pl.Series(["a", "b", "b"]), object, ["a", "b", "b"]),
    "polars Enum": (pl.Series(["a", "b", "b"], dtype=pl.Enum(["b", "a"])), object, ["a", "b", "b"]),
    "polars Categorical": (pl.Series(["a", "b", "b"], dtype=pl.Categorical), object, ["a", "b", "b"]),
    "pyarrow ints": (pa.array([0, 1, 1]), np.int64, [0, 1, 1]),
    "pyarrow chunks": (pa.chunked_array([["a"], ["b", "b"]]), object, ["a", "b", "b"]),
    "list": ([0, 1, 1], np.int64, [0, 1, 1]),
    "ndarray": (np.array([0, 1, 1]), np.int64, [0, 1, 1]),
}


@pytest.mark.parametrize(("y", "dtype", "expected"), CLASSES.values(), ids=CLASSES.keys())
def test_scikit_learn_understands_classes_from_anywhere(y, dtype, expected):
    out = frames.to_numpy_1d(y)
    assert type_of_target(out) == "binary"
    assert np.asarray(out).dtype == dtype
    assert np.asarray(out).tolist() == expected


ONE_HOT = np.array([[1, 0], [0, 1], [0, 1]])


@pytest.mark.parametrize(
    "y",
    [
        ONE_HOT,
        pd.DataFrame(ONE_HOT, columns=["a", "b"]),
        pd.DataFrame(ONE_HOT, columns=["a", "b"]).astype("Int64"),
        pd.DataFrame(ONE_HOT, columns=["a", "b"]).astype("boolean"),
        pl.DataFrame(ONE_HOT),
        pa.table({"a": ONE_HOT[:, 0], "b": ONE_HOT[:, 1]}),
    ],
)
def test_one_hot_classes_stay_two_dimensional(y):
    out = frames.to_numpy_1d(y)
    assert type_of_target(out) == "multilabel-indicator"
    np.testing.assert_array_equal(out, ONE_HOT)


@pytest.mark.parametrize(
    "y",
    [
        ["a", None, "b", NAN],
        np.array([0, NAN, 1, NAN]),
        objects(0, None, 1, NAN),
        np.array([[0], [NAN], [1], [NAN]]),
        pd.Series([0, None, 1, None], dtype="Int64"),
        pd.Series([0, None, 1, None], dtype="float"),
        pd.Series(["a", None, "b", None], dtype="category"),
        pd.DataFrame({"y": ["a", None, "b", None]}),
        pl.Series(["a", None, "b", None]),
        pa.array([True, None, False, None]),
        pa.table({"y": [0.5, None, 1, NAN]}),
    ],
)
def test_missing_classes_are_refused_and_counted(y):
    with pytest.raises(InputError, match="missing in 2 of 4 rows, the first is row 1"):
        frames.to_numpy_1d(y)


def test_what_holds_no_classes_is_left_to_scikit_learn():
    matrix = scipy.sparse.eye(2)
    assert frames.to_numpy_1d(matrix) is matrix
    assert frames.to_numpy_1d(None) is None
    assert frames.to_numpy_1d(np.array(1.0)) == 1


# --- units and kinds of storage -----------------------------------------------------------------------------


def test_times_count_from_1970_in_utc_and_times_of_day_from_midnight():
    zoned = pl.Series([dt.datetime(1970, 1, 1, 2, tzinfo=dt.UTC)]).dt.convert_time_zone("Europe/Vienna")
    columns, _ = frames.read(
        pl.DataFrame(
            {"z": zoned, "d": [dt.date(1970, 1, 3)], "t": [dt.time(0, 0, 1)], "u": [dt.timedelta(1)]}
        )
    )
    assert [c.values[0] for c in columns] == [7200 * 10**6, 2, 10**9, 86400 * 10**6]
    assert [c.unit for c in columns] == ["us", "D", "ns", "us"]
    day, span = Storage.DATETIME, Storage.DURATION
    assert [c.storage for c in columns] == [day, day, span, span]


def test_levels_are_sorted_numbers_by_size():
    assert read_one(pd.DataFrame({"x": categories([10, 9, 100], [100, 10, 9])})).levels == (9, 10, 100)
    assert read_one(pd.DataFrame({"x": objects("b", 10, 9, "a")}, dtype=object)).levels == (10, 9, "a", "b")


def test_labels_that_a_type_does_not_declare_are_added_to_it():
    """Identifiers are made afresh: a declared category cannot know them."""
    for frame in (
        pd.DataFrame({"id": pd.Categorical(["a1", "a2"])}),
        pl.DataFrame({"id": ["a1", "a2"]}, schema={"id": pl.Enum(["a1", "a2"])}),
    ):
        (column,), template = frames.read(frame)
        fresh = {"values": np.arange(3), "missing": np.zeros(3, dtype=bool), "levels": ("a2", "b7", "b8")}
        made = dataclasses.replace(column, **fresh)
        rebuilt = template.rebuild([made])
        assert rebuilt["id"].to_list() == ["a2", "b7", "b8"]
        dtype = rebuilt["id"].dtype
        declared = dtype.categories if isinstance(frame, pd.DataFrame) else dtype.categories.to_list()
        assert list(declared) == ["a1", "a2", "b7", "b8"]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_numbers_beyond_their_type_are_refused_not_wrapped(make):
    (column,), template = frames.read(make({"id": np.array([1, 2], dtype=np.int16)}))
    made = column.with_cells(np.array([40_000, 5]), np.zeros(2, dtype=bool))
    with pytest.raises(SchemaError, match="40000, beyond its type int16"):
        template.rebuild([made])
