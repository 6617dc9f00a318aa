"""The only place that knows data-frame libraries: any frame to `Column`s, and back to the same kind of frame.

pandas is read by pandas itself, which knows its dtype families best; polars is read by polars, and Arrow tables
(and whatever else narwhals recognises as an eager frame) through it. What is needed to rebuild the frame is a
frame of the same kind without rows.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from tabdiff.errors import InputError, SchemaError
from tabdiff.schema import Column, Storage, unique_names

__all__ = ["Template", "append_rows", "is_frame", "read", "select_rows", "to_numpy_1d"]


@dataclass(frozen=True)
class Template:
    """How to rebuild a frame of the kind that was read.

    empty: a frame (or 2-D array) of that kind without rows. nulls: for each column the object that stood for a
    missing cell, where the kind of frame leaves a choice.
    """

    empty: Any
    nulls: tuple[Any, ...]

    def rebuild(self, columns: Sequence[Column]) -> Any:
        """Build a frame with the template's library, column order, names and dtypes."""
        if isinstance(self.empty, np.ndarray):
            return _build_array(columns, self.nulls, self.empty.dtype)
        if isinstance(self.empty, pd.DataFrame):
            return _build_pandas(columns, self.nulls, self.empty)
        if isinstance(self.empty, pl.DataFrame):
            return _build_polars(columns, self.nulls, self.empty.schema)
        schema = pl.from_arrow(self.empty).schema
        return _cast_arrow(_build_polars(columns, self.nulls, schema).to_arrow(), self.empty.schema)


def is_frame(data: Any) -> bool:
    """Whether `data` is a data frame of a library that can be read (not an array, not a list)."""
    return nw.dependencies.is_into_dataframe(data)


def read(data: Any) -> tuple[list[Column], Template]:
    """Read a frame or a 2-D array into columns, leaving it as it is.

    data: pandas, polars or pyarrow frame, any other eager frame known to narwhals, or a NumPy array (n, d).
    Raises `InputError` for anything else, for frames without rows or columns and for lazy frames, and
    `SchemaError` for names that occur twice and for cells that are no scalars.
    """
    if isinstance(data, np.ndarray):
        columns, template = _read_array(data)
    elif isinstance(data, pd.DataFrame):
        columns, template = _read_pandas(data)
    elif isinstance(data, pl.DataFrame):
        columns, template = _read_polars(data)
    elif isinstance(data, pa.Table | pa.RecordBatch):
        table = pa.Table.from_batches([data]) if isinstance(data, pa.RecordBatch) else data
        unique_names(table.column_names)
        columns, template = _read_polars(pl.from_arrow(table))
        template = Template(table.slice(0, 0), template.nulls)
    elif nw.dependencies.is_into_dataframe(data):
        return read(nw.from_native(data, eager_only=True).to_arrow())
    else:
        raise InputError(_not_a_frame(data))
    if not columns or not len(columns[0]):
        raise InputError(
            f"the table has {len(columns[0]) if columns else 0} rows and {len(columns)} columns. At least one "
            "of each is needed."
        )
    return columns, template


def _not_a_frame(data: Any) -> str:
    if nw.dependencies.is_polars_lazyframe(data):
        return "got a lazy polars frame. Call .collect() first: learning reads every row several times."
    return (
        f"cannot read a table from {type(data).__name__}. Pass a pandas, polars or pyarrow frame, or a 2-D NumPy "
        "array."
    )


# --- NumPy ------------------------------------------------------------------------------------------------


def _read_array(data: np.ndarray) -> tuple[list[Column], Template]:
    if data.ndim != 2:
        raise InputError(f"a table needs 2 dimensions, got an array of shape {data.shape}. Reshape it first.")
    if data.dtype.kind == "c":
        raise SchemaError("complex data not supported: split real and imaginary parts into two columns.")
    frame = pd.DataFrame(data)
    columns, template = _read_pandas(frame)
    return columns, Template(data[:0], template.nulls)


def _build_array(columns: Sequence[Column], nulls: Sequence[Any], dtype: np.dtype) -> np.ndarray:
    out = np.empty((len(columns[0]), len(columns)), dtype=dtype)
    for i, (column, null) in enumerate(zip(columns, nulls, strict=True)):
        out[:, i] = _objects(column, null) if dtype == object or column.missing.any() else _cells(column)
    return out


# --- pandas -----------------------------------------------------------------------------------------------


def _read_pandas(frame: pd.DataFrame) -> tuple[list[Column], Template]:
    unique_names(list(frame.columns))
    series = [frame.iloc[:, i] for i in range(frame.shape[1])]
    columns = [_read_series(s) for s in series]
    nulls = [_null_of(s, column) for s, column in zip(series, columns, strict=True)]
    return columns, Template(frame.iloc[:0], tuple(nulls))


def _null_of(series: pd.Series, column: Column) -> Any:
    """The object that marks a missing cell in an object column; elsewhere the dtype decides."""
    if series.dtype != object or not column.missing.any():
        return None
    return series.iloc[int(np.argmax(column.missing))]


def _read_series(s: pd.Series) -> Column:
    name, dtype = s.name, s.dtype
    if isinstance(dtype, pd.SparseDtype):
        s = s.sparse.to_dense()
        dtype = s.dtype
    missing = s.isna().to_numpy(dtype=bool)
    if isinstance(dtype, pd.CategoricalDtype):
        return _from_codes(name, s.cat.codes.to_numpy(), list(dtype.categories), missing, bool(dtype.ordered))
    if pd.api.types.is_bool_dtype(dtype):
        return Column(name, Storage.BOOL, s.to_numpy(dtype=bool, na_value=False), missing)
    if pd.api.types.is_integer_dtype(dtype):
        return (
            Column(name, Storage.INT, _whole(name, s.to_numpy(dtype=object, na_value=0), dtype), missing)
            if (_is_uint64(dtype))
            else Column(name, Storage.INT, s.to_numpy(dtype=np.int64, na_value=0), missing)
        )
    if pd.api.types.is_float_dtype(dtype):
        precision = (
            np.float32 if str(dtype).lower() in ("float32", "float[pyarrow]", "float16") else np.float64
        )
        values = s.to_numpy(dtype=precision, na_value=np.nan)
        return Column(name, Storage.FLOAT, np.where(missing, 0, values).astype(precision), missing)
    if pd.api.types.is_datetime64_any_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype):
        return _read_time(s, missing)
    if isinstance(dtype, pd.ArrowDtype):
        return _read_polars_series(pl.from_arrow(pa.chunked_array(s.array.__arrow_array__())).alias(""), name)
    if pd.api.types.is_complex_dtype(dtype):
        raise SchemaError(f"column {name!r}: complex data not supported. Split real and imaginary parts.")
    if isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        raise SchemaError(
            f"column {name!r} has the dtype {dtype}, which cannot be learned. Convert it first."
        )
    return _read_objects(name, s.to_numpy(dtype=object), missing)


def _is_uint64(dtype: Any) -> bool:
    return "uint64" in str(dtype).lower()


def _whole(name: Hashable, values: np.ndarray, dtype: Any) -> np.ndarray:
    largest = max(values, default=0)
    if largest > np.iinfo(np.int64).max:
        raise SchemaError(
            f"column {name!r} ({dtype}) holds {largest}, beyond 64-bit signed integers. Convert it to float, or "
            "to strings if it is an identifier."
        )
    return values.astype(np.int64)


def _read_time(s: pd.Series, missing: np.ndarray) -> Column:
    storage = Storage.DURATION if pd.api.types.is_timedelta64_dtype(s.dtype) else Storage.DATETIME
    if storage is Storage.DATETIME and getattr(s.dtype, "tz", None) is not None:
        s = s.dt.tz_convert("UTC").dt.tz_localize(None)
    return Column(s.name, storage, np.where(missing, 0, s.to_numpy().astype(np.int64)), missing)


def _read_objects(name: Hashable, values: np.ndarray, missing: np.ndarray) -> Column:
    """Read an object array by what its cells are: all booleans, all numbers, or labels of any hashable kind."""
    observed = values[~missing]
    kinds = {type(value) for value in observed}
    if any(isinstance(value, complex | np.complexfloating) for value in observed[:1]):
        raise SchemaError(f"column {name!r}: complex data not supported. Split real and imaginary parts.")
    for storage, kind, fill in (
        (Storage.BOOL, (bool, np.bool_), False),
        (Storage.INT, (int, np.integer), 0),
        (Storage.FLOAT, (int, float, np.integer, np.floating), 0.0),
    ):
        wanted = all(
            issubclass(k, kind) and (storage is Storage.BOOL or not issubclass(k, bool)) for k in kinds
        )
        if kinds and wanted:
            dtype = {Storage.BOOL: bool, Storage.INT: np.int64, Storage.FLOAT: np.float64}[storage]
            return Column(name, storage, np.where(missing, fill, values).astype(dtype), missing)
    _check_scalars(name, observed)
    codes, levels = pd.factorize(np.where(missing, None, values))
    return _from_codes(name, codes, list(levels), missing, ordered=False)


_SCALARS = (
    str,
    bytes,
    bool,
    int,
    float,
    np.generic,
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
)


def _check_scalars(name: Hashable, observed: np.ndarray) -> None:
    for value in observed:
        if not isinstance(value, _SCALARS) and not _is_hashable_scalar(value):
            raise SchemaError(
                f"column {name!r} holds {value!r} ({type(value).__name__}): each cell's argument must be a string or a "
                "number (or a boolean, a date, a time). Unpack such cells into columns of their own."
            )


def _is_hashable_scalar(value: Any) -> bool:
    return isinstance(value, Hashable) and not isinstance(value, tuple | frozenset)


def _from_codes(
    name: Hashable, codes: np.ndarray, levels: list, missing: np.ndarray, ordered: bool
) -> Column:
    """A label column with only the levels that occur, in the declared order or else sorted."""
    codes = np.where(missing, 0, codes).astype(np.int64)
    used = np.unique(codes[~missing])
    order = (
        used if ordered else np.array(sorted(used, key=lambda code: _sort_key(levels[code])), dtype=np.int64)
    )
    new_code = np.zeros(max(len(levels), 1), dtype=np.int64)
    new_code[order] = np.arange(len(order))
    return Column(
        name, Storage.LABEL, new_code[codes], missing, tuple(levels[code] for code in order), ordered
    )


def _sort_key(level: Any) -> tuple[str, Any]:
    if isinstance(level, bool | int | float | np.number):
        return ("", level)
    return (type(level).__name__, level if isinstance(level, str | bytes | datetime.date) else str(level))


def _cells(column: Column) -> np.ndarray:
    """The values as an array of plain cells, missing ones included."""
    if column.storage is not Storage.LABEL:
        return column.values
    levels = np.empty(len(column.levels), dtype=object)
    levels[:] = column.levels
    return levels[column.values]


def _objects(column: Column, null: Any) -> np.ndarray:
    cells = _cells(column).astype(object)
    cells[column.missing] = np.nan if null is None and column.storage is Storage.FLOAT else null
    return cells


def _build_pandas(columns: Sequence[Column], nulls: Sequence[Any], empty: pd.DataFrame) -> pd.DataFrame:
    series = {
        i: _build_series(column, null, empty.dtypes.iloc[i])
        for i, (column, null) in enumerate(zip(columns, nulls, strict=True))
    }
    frame = pd.DataFrame(series, index=pd.RangeIndex(len(columns[0])))
    frame.columns = empty.columns
    return frame


def _build_series(column: Column, null: Any, dtype: Any) -> pd.Series:
    if isinstance(dtype, pd.SparseDtype):
        return _build_series(column, null, dtype.subtype).astype(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        place = dtype.categories.get_indexer(pd.Index(column.levels, dtype=dtype.categories.dtype))
        return pd.Series(
            pd.Categorical.from_codes(np.where(column.missing, -1, place[column.values]), dtype=dtype)
        )
    if column.storage in (Storage.DATETIME, Storage.DURATION):
        return _build_time(column, dtype)
    if dtype == object or column.storage is Storage.LABEL:
        return pd.Series(_objects(column, null), dtype=dtype)
    if not column.missing.any():
        return pd.Series(column.values).astype(dtype)
    if isinstance(dtype, np.dtype):
        return pd.Series(np.where(column.missing, np.nan, column.values)).astype(dtype)
    return pd.Series(pd.array(column.values, dtype=_masked(column.values.dtype)).astype(dtype)).mask(
        column.missing
    )


def _masked(dtype: np.dtype) -> str:
    """The nullable pandas dtype of a NumPy one."""
    return {"b": "boolean", "i": "Int64", "f": "Float64"}[dtype.kind]


def _build_time(column: Column, dtype: Any) -> pd.Series:
    kind = "m8" if column.storage is Storage.DURATION else "M8"
    unit = getattr(dtype, "unit", None) or np.datetime_data(dtype)[0]
    values = column.values.astype(f"{kind}[{unit}]")
    values[column.missing] = np.array("NaT", dtype=values.dtype)
    series = pd.Series(values)
    if getattr(dtype, "tz", None) is not None:
        series = series.dt.tz_localize("UTC").dt.tz_convert(dtype.tz)
    return series.astype(dtype)


# --- polars and Arrow ---------------------------------------------------------------------------------------


def _read_polars(frame: pl.DataFrame) -> tuple[list[Column], Template]:
    columns = [_read_polars_series(frame[name], name) for name in frame.columns]
    nulls = [
        np.nan if s.dtype.is_float() and s.is_nan().any() and not s.null_count() else None
        for s in frame.iter_columns()
    ]
    return columns, Template(frame.clear(), tuple(nulls))


def _read_polars_series(s: pl.Series, name: Hashable) -> Column:
    dtype = s.dtype
    missing = s.is_null().to_numpy()
    if dtype == pl.Null:
        return Column(name, Storage.FLOAT, np.zeros(len(s)), missing)
    if dtype == pl.Boolean:
        return Column(name, Storage.BOOL, s.fill_null(False).to_numpy(), missing)
    if dtype.is_integer():
        whole = s.fill_null(0)
        if (
            dtype in (pl.UInt64, pl.Int128, pl.UInt128)
            if hasattr(pl, "UInt128")
            else dtype in (pl.UInt64, pl.Int128)
        ):
            return Column(
                name, Storage.INT, _whole(name, np.array(whole.to_list(), dtype=object), dtype), missing
            )
        return Column(name, Storage.INT, whole.cast(pl.Int64).to_numpy(), missing)
    if dtype.is_float() or dtype.is_decimal():
        values = (s if dtype == pl.Float32 else s.cast(pl.Float64)).fill_null(float("nan")).to_numpy()
        missing = np.isnan(values)
        return Column(name, Storage.FLOAT, np.where(missing, 0, values).astype(values.dtype), missing)
    if dtype in (pl.Date, pl.Datetime, pl.Time):
        return Column(name, Storage.DATETIME, s.to_physical().cast(pl.Int64).fill_null(0).to_numpy(), missing)
    if dtype == pl.Duration:
        return Column(name, Storage.DURATION, s.to_physical().fill_null(0).to_numpy(), missing)
    if dtype in (pl.Enum, pl.Categorical):
        levels = s.unique().drop_nulls().cast(pl.String).to_list()
        if dtype == pl.Enum:
            levels = [level for level in dtype.categories.to_list() if level in set(levels)]
        codes = s.cast(pl.String).replace_strict(
            levels, list(range(len(levels))), return_dtype=pl.Int64, default=None
        )
        return _from_codes(name, codes.fill_null(0).to_numpy(), levels, missing, ordered=dtype == pl.Enum)
    if dtype in (pl.String, pl.Binary):
        return _read_objects(name, s.to_numpy().astype(object), missing)
    raise SchemaError(
        f"column {name!r} has the type {dtype}, whose cells are not scalars. Unpack it into columns of its own."
    )


def _build_polars(columns: Sequence[Column], nulls: Sequence[Any], schema: pl.Schema) -> pl.DataFrame:
    series = [
        _build_polars_series(column, null, dtype).alias(name)
        for column, null, (name, dtype) in zip(columns, nulls, schema.items(), strict=True)
    ]
    return pl.DataFrame(series)


def _build_polars_series(column: Column, null: Any, dtype: pl.DataType) -> pl.Series:
    if column.storage is Storage.LABEL:
        levels = pl.Series(list(column.levels), dtype=pl.Binary if dtype == pl.Binary else pl.String)
        s = levels.gather(pl.Series(column.values)).cast(dtype)
    elif dtype == pl.Date:
        s = pl.Series(column.values).cast(pl.Int32).cast(dtype)
    else:
        s = pl.Series(column.values).cast(dtype)
    if not column.missing.any():
        return s
    filler = pl.lit(null, dtype=dtype)
    return pl.select(pl.when(pl.Series(column.missing)).then(filler).otherwise(s)).to_series()


def _cast_arrow(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Cast to the original types; dictionaries are built anew, as their levels may differ from row to row."""
    arrays = []
    for column, wanted in zip(table.columns, schema, strict=True):
        if pa.types.is_dictionary(wanted.type) and not pa.types.is_dictionary(column.type):
            column = column.cast(wanted.type.value_type).dictionary_encode()
        arrays.append(column.cast(wanted.type))
    return pa.Table.from_arrays(arrays, schema=schema)


# --- rows of anything -----------------------------------------------------------------------------------------


def select_rows(data: Any, rows: np.ndarray) -> Any:
    """Rows of a frame, a series, an array or a list, in the same container."""
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
    if isinstance(data, pa.RecordBatch):
        return append_rows(pa.Table.from_batches([data]), new)
    if isinstance(data, pa.Table):
        return pa.concat_tables([data, new]).unify_dictionaries()
    if isinstance(data, pa.ChunkedArray | pa.Array):
        chunks = [
            chunk for part in (data, new) for chunk in (part.chunks if hasattr(part, "chunks") else [part])
        ]
        return pa.chunked_array(chunks)
    return np.concatenate([np.asarray(data), new])


def to_numpy_1d(data: Any) -> Any:
    """A series or Arrow array as a NumPy array, one-column frames as two-dimensional ones; else unchanged."""
    if isinstance(data, pa.ChunkedArray | pa.Array):
        return data.to_numpy(zero_copy_only=False) if isinstance(data, pa.Array) else data.to_numpy()
    if isinstance(data, pa.Table | pa.RecordBatch):
        return data.to_pandas().to_numpy()
    if isinstance(data, pl.DataFrame | pl.Series):
        return data.to_numpy()
    return data
