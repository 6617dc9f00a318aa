"""The only place that knows data-frame libraries: any frame to `Column`s, and back to the same kind of frame.

Every column passes through an Arrow array: polars and pyarrow hold such arrays anyway, and pandas converts
all of its dtypes to them, categories and odd objects apart. What is needed to rebuild a frame is one of the
same kind without rows, and for each column the Arrow type that it was read from.
"""

from __future__ import annotations

import decimal
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from tabdiff.errors import InputError, SchemaError
from tabdiff.schema import Column, Storage, unique_names

__all__ = [
    "Form",
    "Template",
    "append_rows",
    "from_columns",
    "is_frame",
    "library_of",
    "read",
    "select_rows",
    "to_numpy_1d",
]

INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class Form:
    """How the cells of a column are written.

    type: their Arrow type; None for categories of pandas, and for objects that Arrow has no type for.
    null: what stands for a missing cell, where the kind of frame leaves a choice, such as None or NaN. A
    column that mixes several of these is rebuilt with one.
    """

    type: pa.DataType | None
    null: Any = None


@dataclass(frozen=True)
class Template:
    """How to rebuild a frame of the kind that was read.

    empty: a frame (or 2-D array) of that kind without rows. forms: how the cells of each column are written.
    """

    empty: Any
    forms: tuple[Form, ...]

    def rebuild(self, columns: Sequence[Column]) -> Any:
        """Build a frame with the template's library, column order, names and dtypes.

        columns: as many as were read, in the same order, with any number of cells. Nothing of them is shared
        with the frame.
        """
        owned = [column.with_cells(column.values.copy(), column.missing.copy()) for column in columns]
        parts = list(zip(owned, self.forms, strict=True))
        if isinstance(self.empty, np.ndarray):
            return _build_array(parts, self.empty.dtype)
        if isinstance(self.empty, pd.DataFrame):
            return _build_pandas(parts, self.empty)
        if isinstance(self.empty, pl.DataFrame):
            return _build_polars(parts, self.empty.schema)
        arrays = [_build_arrow(column, form) for column, form in parts]
        return type(self.empty).from_arrays(arrays, schema=self.empty.schema)


def is_frame(data: Any) -> bool:
    """Whether `data` is a data frame of a library that can be read (not an array, not a list)."""
    return isinstance(data, pa.RecordBatch) or nw.dependencies.is_into_dataframe(data)


def read(data: Any) -> tuple[list[Column], Template]:
    """Read a frame or a 2-D array into columns, leaving it as it is.

    data: pandas, polars or pyarrow frame, or a NumPy array (n, d); any other eager frame known to narwhals is
    read, and will be rebuilt, as a pyarrow table. The same cells give the same columns, whatever holds them.
    Decimals are read as float64, which keeps 15 digits. NaN is missing.

    Raises `InputError` for anything else, for frames without rows or columns and for lazy frames, and
    `SchemaError` for names that occur twice, cells that are no scalars and integers beyond 64 bits.
    """
    if isinstance(data, np.ma.MaskedArray):
        raise InputError("got a masked array, whose mask would be lost. Call .filled(np.nan) first.")
    if isinstance(data, np.ndarray) and data.ndim != 2:
        raise InputError(f"a table needs 2 dimensions, got an array of shape {data.shape}. Reshape it first.")
    if not isinstance(data, np.ndarray) and not is_frame(data):
        raise InputError(_not_a_frame(data))
    if 0 in data.shape:
        n_rows, n_columns = data.shape
        raise InputError(
            f"the table has {n_rows} rows and {n_columns} columns. At least one of each is needed."
        )
    empty: Any
    if isinstance(data, np.ndarray):
        parts, empty = _read_array(data), np.empty((0, data.shape[1]), dtype=data.dtype)
    elif isinstance(data, pd.DataFrame):
        parts, empty = _read_pandas(data), data.iloc[:0].copy()
    elif isinstance(data, pl.DataFrame):
        parts, empty = [_read_polars(series) for series in data.iter_columns()], data.clear()
    elif isinstance(data, pa.Table | pa.RecordBatch):
        parts, empty = _read_table(data), _without_rows(data)
    else:
        return read(nw.from_native(data, eager_only=True).to_arrow())
    return [column for column, _ in parts], Template(empty, tuple(form for _, form in parts))


def library_of(data: Any) -> str:
    """The library that a result beside `data` should be in: "polars", "pyarrow", or else "pandas"."""
    if isinstance(data, pl.DataFrame):
        return "polars"
    return "pyarrow" if isinstance(data, pa.Table | pa.RecordBatch) else "pandas"


def from_columns(columns: Sequence[Column], library: str) -> Any:
    """A new frame of numbers, booleans and strings, with nothing to imitate.

    library: "pandas", "polars" or "pyarrow". Names are strings. Raises `InputError` for another library.
    """
    if library not in ("pandas", "polars", "pyarrow"):
        raise InputError(f"library is {library!r}. Known: ['pandas', 'polars', 'pyarrow'].")
    types = {
        Storage.FLOAT: pa.float64(),
        Storage.INT: pa.int64(),
        Storage.BOOL: pa.bool_(),
        Storage.LABEL: pa.string(),
    }
    arrays = [_build_arrow(column, Form(types[column.storage])) for column in columns]
    table = pa.table(arrays, names=[str(column.name) for column in columns])
    if library == "polars":
        return pl.from_arrow(table)
    return table if library == "pyarrow" else table.to_pandas()


def _not_a_frame(data: Any) -> str:
    if isinstance(data, pl.LazyFrame):
        return "got a lazy polars frame. Call .collect() first: learning reads every row several times."
    if hasattr(data, "toarray"):
        return f"got a sparse {type(data).__name__}. Call .toarray() first: sparse tables are not supported."
    return (
        f"cannot read a table from {type(data).__name__}. Pass a pandas, polars or pyarrow frame, or a 2-D "
        "NumPy array."
    )


# --- Arrow --------------------------------------------------------------------------------------------------


def _read_table(table: pa.Table | pa.RecordBatch) -> list[tuple[Column, Form]]:
    unique_names(table.schema.names)
    return [_read_arrow(name, array) for name, array in zip(table.schema.names, table.columns, strict=True)]


def _without_rows(table: pa.Table | pa.RecordBatch) -> pa.Table | pa.RecordBatch:
    empty = table.schema.empty_table()
    if isinstance(table, pa.Table):
        return empty
    return pa.RecordBatch.from_arrays([column.chunk(0) for column in empty.columns], schema=table.schema)


def _read_arrow(name: Hashable, array: pa.Array | pa.ChunkedArray) -> tuple[Column, Form]:
    """Read a column from Arrow, the one format that every other reader goes through."""
    if isinstance(array, pa.ChunkedArray):
        array = array.unify_dictionaries().combine_chunks()
    kind = array.type
    if pa.types.is_dictionary(kind) and not pa.types.is_nested(kind.value_type):
        return _read_dictionary(name, array), Form(kind)
    if _is_text(kind):
        return _read_dictionary(name, array.dictionary_encode()), Form(kind)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        column = _read_floats(name, array)
        only_nan = column.missing.any() and not array.null_count
        return column, Form(kind, np.nan if only_nan else None)
    missing = array.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_boolean(kind):
        values = array.fill_null(False).to_numpy(zero_copy_only=False)
        return Column(name, Storage.BOOL, values, missing), Form(kind)
    if pa.types.is_integer(kind):
        return Column(name, Storage.INT, _whole_numbers(name, array), missing), Form(kind)
    if (time := _time_of(kind)) is not None:
        storage, unit = time
        ticks = array.view(pa.int32() if kind.bit_width == 32 else pa.int64())
        return Column(name, storage, _whole_numbers(name, ticks), missing, unit=unit), Form(kind)
    raise _unlearnable(name, kind, array[int(np.argmin(missing))].as_py())


def _is_text(kind: pa.DataType) -> bool:
    return any(
        is_kind(kind)
        for is_kind in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_binary_view,
            pa.types.is_fixed_size_binary,
        )
    )


def _time_of(kind: pa.DataType) -> tuple[Storage, str] | None:
    """How a type of times is stored, and its unit; None for other types. Times of day count from midnight."""
    if pa.types.is_date(kind):
        return Storage.DATETIME, "D" if pa.types.is_date32(kind) else "ms"
    if pa.types.is_timestamp(kind):
        return Storage.DATETIME, kind.unit
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return Storage.DURATION, kind.unit
    return None


def _whole_numbers(name: Hashable, array: pa.Array) -> np.ndarray:
    if pa.types.is_uint64(array.type) and array.null_count < len(array):
        _check_range(name, pc.max(array).as_py())
    return array.fill_null(0).cast(pa.int64()).to_numpy(zero_copy_only=False)


def _check_range(name: Hashable, *numbers: int) -> None:
    """Raise `SchemaError` for integers that do not fit into 64 bits with a sign."""
    for number in numbers:
        if not INT64.min <= number <= INT64.max:
            raise SchemaError(
                f"column {name!r} holds {number}, beyond signed 64-bit integers. Convert the column to "
                "float, or to strings if it is an identifier."
            )


def _read_floats(name: Hashable, array: pa.Array) -> Column:
    if pa.types.is_decimal(array.type):  # through text, as Arrow's own cast is wrong in the last digit
        array = array.cast(pa.string())
    floats = array if pa.types.is_floating(array.type) else array.cast(pa.float64())
    values = floats.to_numpy(zero_copy_only=False)
    missing = np.isnan(values)
    precision = np.float64 if values.dtype == np.float64 else np.float32
    return Column(name, Storage.FLOAT, np.where(missing, 0, values).astype(precision, copy=False), missing)


def _read_dictionary(name: Hashable, array: pa.DictionaryArray) -> Column:
    """Read labels; a dictionary may hold a level twice, or a null."""
    entries = array.dictionary.to_pylist()
    levels = [level for level in dict.fromkeys(entries) if level is not None]
    code_of = {level: code for code, level in enumerate(levels)}
    code_of_entry = np.array([code_of.get(entry, -1) for entry in [*entries, None]], dtype=np.int64)
    entry = array.indices.cast(pa.int64()).fill_null(-1).to_numpy()  # -1 is the null at the end
    return _label_column(name, code_of_entry[entry], levels, bool(array.type.ordered))


def _label_column(name: Hashable, codes: np.ndarray, levels: Sequence[Any], ordered: bool) -> Column:
    """Make a label column with only the levels that occur, in the declared order or else sorted.

    codes: (n,) places in `levels`, -1 for missing cells.
    """
    missing = codes < 0
    used = np.flatnonzero(np.bincount(codes[~missing])).tolist()
    if not ordered:
        used = _sorted_by_level(used, levels)
    new_code = np.zeros(len(levels) + 1, dtype=np.int64)  # the last is what -1 finds
    new_code[used] = np.arange(len(used))
    kept = tuple(levels[code] for code in used)
    return Column(name, Storage.LABEL, new_code[codes], missing, kept, ordered)


def _sorted_by_level(codes: list[int], levels: Sequence[Any]) -> list[int]:
    try:
        return sorted(codes, key=lambda code: levels[code])
    except TypeError:  # levels of several types have no order of their own
        return sorted(codes, key=lambda code: (type(levels[code]).__name__, str(levels[code])))


def _unlearnable(name: Hashable, kind: Any, example: Any) -> SchemaError:
    return SchemaError(
        f"column {name!r} has the type {kind} and holds cells such as {example!r}. Cells must be numbers, "
        "booleans, strings or times. Convert the column, or unpack it into columns of its own."
    )


def _build_arrow(column: Column, form: Form) -> pa.Array:
    """Write a column as an Arrow array of the type that it was read from."""
    kind: Any = form.type
    values = column.values
    if pa.types.is_null(kind):
        return pa.nulls(len(column))
    if pa.types.is_dictionary(kind):
        codes = pa.array(values, mask=column.missing).cast(kind.index_type)
        levels = pa.array(column.levels, type=kind.value_type)
        return pa.DictionaryArray.from_arrays(codes, levels, ordered=kind.ordered)
    if column.storage is Storage.LABEL:
        return pa.array(_object_cells(column, Form(kind)), type=kind)
    if form.null is not None and pa.types.is_floating(kind):
        values = np.where(column.missing, form.null, values)
        return pa.array(values.astype(kind.to_pandas_dtype(), copy=False))
    if pa.types.is_floating(kind):
        return pa.array(values.astype(kind.to_pandas_dtype(), copy=False), mask=column.missing)
    if _time_of(kind) is not None:
        ticks = values.astype(np.int32 if kind.bit_width == 32 else np.int64)
        return pa.array(ticks, mask=column.missing).view(kind)
    if pa.types.is_decimal(kind):
        return _build_decimals(column, kind)
    return pa.array(values, mask=column.missing).cast(kind)


def _build_decimals(column: Column, kind: Any) -> pa.Array:
    """Write floats as decimals by their shortest digits: 0.1 is 0.1, however many places there are."""
    values, place = np.unique(column.values, return_inverse=True)
    tick, wide = decimal.Decimal(1).scaleb(-kind.scale), decimal.Context(prec=kind.precision + 1)
    decimals = [decimal.Decimal(repr(value)).quantize(tick, context=wide) for value in values.tolist()]
    return pa.array(decimals, type=kind).take(pa.array(place, mask=column.missing))


# --- polars -------------------------------------------------------------------------------------------------


def _read_polars(series: pl.Series) -> tuple[Column, Form]:
    if series.dtype == pl.Object:
        raise _unlearnable(series.name, series.dtype, series[0])
    if series.dtype in (pl.Int128, getattr(pl, "UInt128", None)):  # Arrow has no such integers
        if series.null_count() < len(series):
            _check_range(series.name, *series.drop_nulls().sort()[[0, -1]].to_list())
        series = series.cast(pl.Int64)
    array = series.to_arrow(compat_level=pl.CompatLevel.oldest())
    if isinstance(series.dtype, pl.Enum):  # older polars does not tell that it has an order
        array = pa.DictionaryArray.from_arrays(array.indices, array.dictionary, ordered=True)
    return _read_arrow(series.name, array)


def _build_polars(parts: Sequence[tuple[Column, Form]], schema: pl.Schema) -> pl.DataFrame:
    series = []
    for (column, form), (name, dtype) in zip(parts, schema.items(), strict=True):
        kind: Any = form.type
        # categories are cast from strings, which every kind of them can be
        plain = replace(form, type=kind.value_type) if pa.types.is_dictionary(kind) else form
        series.append(pl.Series(name, _build_arrow(column, plain)).cast(dtype))
    return pl.DataFrame(series)


# --- pandas -------------------------------------------------------------------------------------------------


def _read_pandas(frame: pd.DataFrame) -> list[tuple[Column, Form]]:
    unique_names(list(frame.columns))
    return [_read_series(name, frame.iloc[:, i]) for i, name in enumerate(frame.columns)]


def _read_series(name: Hashable, series: pd.Series) -> tuple[Column, Form]:
    dtype = series.dtype
    if isinstance(dtype, pd.SparseDtype):
        return _read_series(name, series.sparse.to_dense())
    if isinstance(dtype, pd.CategoricalDtype):
        codes = series.cat.codes.to_numpy(dtype=np.int64)
        return _label_column(name, codes, dtype.categories.tolist(), bool(dtype.ordered)), Form(None)
    if pd.api.types.is_object_dtype(dtype):
        return _read_objects(name, series.to_numpy())
    if isinstance(dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert(None)
    if isinstance(dtype, np.dtype) and not dtype.isnative:
        series = series.astype(dtype.newbyteorder("="))
    try:
        array = pa.array(series, from_pandas=True)
    except pa.ArrowException as error:
        raise _unlearnable(name, dtype, series.iloc[0]) from error
    if isinstance(array.type, pa.BaseExtensionType):
        raise _unlearnable(name, dtype, series.iloc[0])
    return _read_arrow(name, array)


def _read_objects(name: Hashable, cells: np.ndarray) -> tuple[Column, Form]:
    """Read Python objects as what they all are: booleans, numbers, strings, dates, ..., or any labels."""
    missing = pd.isna(cells)
    null = cells[np.argmax(missing)] if missing.any() else None
    try:
        array = pa.array(cells, from_pandas=True)
    except (pa.ArrowException, OverflowError, UnicodeError):  # objects of several kinds, or unknown to Arrow
        array = None
    if array is None or isinstance(array.type, pa.BaseExtensionType):
        column, form = _read_mixed(name, cells, missing)
    else:
        column, form = _read_arrow(name, array)
    return column, replace(form, null=null)


def _read_mixed(name: Hashable, cells: np.ndarray, missing: np.ndarray) -> tuple[Column, Form]:
    """Read numbers of several kinds as floats, anything else as labels."""
    observed = cells[~missing]
    kinds = set(map(type, observed))
    if bool not in kinds and all(issubclass(kind, int | np.integer) for kind in kinds):
        _check_range(name, min(observed), max(observed))
    if bool not in kinds and all(issubclass(kind, _NUMBERS) for kind in kinds):
        values = np.where(missing, 0, cells).astype(np.float64)
        return Column(name, Storage.FLOAT, values, missing), Form(pa.float64())
    for kind in kinds:
        if issubclass(kind, _NOT_SCALAR) or kind.__hash__ is None:
            example = next(cell for cell in observed if type(cell) is kind)
            raise _unlearnable(name, kind.__name__, example)
    codes, levels = pd.factorize(np.where(missing, np.array(None), cells))
    return _label_column(name, codes, levels.tolist(), ordered=False), Form(None)


_NUMBERS = (int, float, np.integer, np.floating, decimal.Decimal)
_NOT_SCALAR = (complex, np.complexfloating, tuple, frozenset)


def _build_pandas(parts: Sequence[tuple[Column, Form]], empty: pd.DataFrame) -> pd.DataFrame:
    n_rows = len(parts[0][0])
    series = {i: _build_series(*part, empty.dtypes.iloc[i]) for i, part in enumerate(parts)}
    frame = pd.DataFrame(series, index=pd.RangeIndex(n_rows), copy=False)
    frame.columns = empty.columns
    return frame


def _build_series(column: Column, form: Form, dtype: Any) -> pd.Series:
    if isinstance(dtype, pd.SparseDtype):
        return _build_series(column, form, dtype.subtype).astype(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        place = dtype.categories.get_indexer(pd.Index(column.levels, dtype=dtype.categories.dtype))
        codes = np.append(place, -1)[np.where(column.missing, -1, column.values)]
        return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype))
    if isinstance(dtype, pd.DatetimeTZDtype):
        utc = pd.Series(_numpy_cells(column, form, np.dtype(f"M8[{dtype.unit}]"))).dt.tz_localize("UTC")
        return utc.dt.tz_convert(dtype.tz)
    if isinstance(dtype, np.dtype):
        return pd.Series(_numpy_cells(column, form, dtype), dtype=dtype)
    return pd.Series(dtype.__from_arrow__(_build_arrow(column, form)))


# --- NumPy --------------------------------------------------------------------------------------------------


def _read_array(array: np.ndarray) -> list[tuple[Column, Form]]:
    if array.dtype.kind in "OSU":
        return [_read_objects(i, cells) for i, cells in enumerate(np.asarray(array, dtype=object).T)]
    return [_read_series(i, pd.Series(cells)) for i, cells in enumerate(np.asarray(array).T)]


def _build_array(parts: Sequence[tuple[Column, Form]], dtype: np.dtype) -> np.ndarray:
    out = np.empty((len(parts[0][0]), len(parts)), dtype=dtype)
    for i, part in enumerate(parts):
        out[:, i] = _numpy_cells(*part, dtype)
    return out


def _numpy_cells(column: Column, form: Form, dtype: np.dtype) -> np.ndarray:
    """The cells as a NumPy array of the dtype that they were read from (of objects for strings)."""
    if dtype.kind in "OSU":
        return _object_cells(column, form)
    if dtype.kind in "mM":
        times = column.values.astype(column.numpy_time)
        times[column.missing] = np.array("NaT", dtype=times.dtype)
        return times.astype(dtype, copy=False)
    cells = column.values.astype(dtype, copy=False)
    if dtype.kind == "f":
        cells[column.missing] = np.nan
    return cells


def _object_cells(column: Column, form: Form) -> np.ndarray:
    if column.storage is Storage.LABEL:
        levels = np.empty(len(column.levels) + 1, dtype=object)
        levels[:-1] = column.levels
        levels[-1] = form.null
        return levels[np.where(column.missing, -1, column.values)]
    cells = np.empty(len(column), dtype=object)
    cells[:] = _build_arrow(column, Form(form.type)).to_pylist()
    cells[column.missing] = form.null
    return cells


# --- rows of anything ---------------------------------------------------------------------------------------


def select_rows(data: Any, rows: np.ndarray) -> Any:
    """Rows of a frame, a series, an array or a list, in the same container; rows: (n,) integers."""
    if isinstance(data, list):
        return [data[i] for i in rows]
    if isinstance(data, pd.DataFrame | pd.Series):
        return data.iloc[rows]
    if isinstance(data, pl.DataFrame | pl.Series):
        return data[rows]
    if isinstance(data, pa.Table | pa.RecordBatch | pa.ChunkedArray | pa.Array):
        return data.take(pa.array(rows))
    return np.asarray(data)[rows]


def append_rows(data: Any, new: Any) -> Any:
    """`data` followed by `new`, which is of the same kind; pandas indexes are counted afresh."""
    if isinstance(data, list):
        return data + list(new)
    if isinstance(data, pd.DataFrame | pd.Series):
        return pd.concat([data, new], ignore_index=True)
    if isinstance(data, pl.DataFrame):
        return pl.concat([data, new])
    if isinstance(data, pl.Series):
        return pl.concat([data, new.alias(data.name)])
    if isinstance(data, pa.Table):
        return pa.concat_tables([data, new]).unify_dictionaries()
    if isinstance(data, pa.RecordBatch):
        pairs = zip(data.columns, new.columns, strict=True)
        return pa.RecordBatch.from_arrays([pa.concat_arrays(pair) for pair in pairs], schema=data.schema)
    if isinstance(data, pa.ChunkedArray):
        return pa.chunked_array([*data.chunks, *new.chunks], type=data.type).unify_dictionaries()
    if isinstance(data, pa.Array):
        return pa.concat_arrays([data, new])
    return np.concatenate([np.asarray(data), new])


def to_numpy_1d(data: Any) -> Any:
    """Classes as scikit-learn understands them.

    A series or Arrow array becomes a NumPy array of plain integers, floats, booleans, times or objects, and
    a frame a two-dimensional one. Anything else is returned as it is. Raises `InputError` if a class is
    missing.
    """
    if isinstance(data, pd.Series):
        return _class_cells(_read_series(data.name, data)[0])
    if isinstance(data, pl.Series):
        return _class_cells(_read_polars(data)[0])
    if isinstance(data, pa.ChunkedArray | pa.Array):
        return _class_cells(_read_arrow("y", data)[0])
    if is_frame(data):
        return np.column_stack([_class_cells(column) for column in read(data)[0]])
    if isinstance(data, list | np.ndarray):
        missing = pd.isna(np.asarray(data, dtype=object if isinstance(data, list) else None))
        _check_no_missing(missing.reshape(len(missing), -1).any(axis=1) if missing.ndim else missing)
    return data


def _class_cells(column: Column) -> np.ndarray:
    _check_no_missing(column.missing)
    if column.unit is not None:
        return column.values.astype(column.numpy_time)
    if column.storage is not Storage.LABEL:
        return column.values
    levels = np.array(column.levels)
    return (levels if levels.dtype.kind in "biuf" else np.array(column.levels, dtype=object))[column.values]


def _check_no_missing(missing: np.ndarray) -> None:
    if missing.any():
        raise InputError(
            f"y is missing in {missing.sum()} of {len(missing)} rows, the first is row {missing.argmax()}. "
            "Drop these rows, or give them a class."
        )
