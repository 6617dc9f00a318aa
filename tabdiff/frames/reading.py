"""Any frame to columns and a template, and new frames of plain columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from tabdiff.errors import InputError
from tabdiff.frames.arrays import read_array
from tabdiff.frames.arrow import build_arrow, read_table, without_rows
from tabdiff.frames.forms import Form
from tabdiff.frames.pandas_ import read_pandas
from tabdiff.frames.polars_ import read_polars
from tabdiff.frames.template import Template
from tabdiff.schema import Column, Storage

__all__ = ["from_columns", "is_frame", "library_of", "read"]


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
        parts, empty = read_array(data), np.empty((0, data.shape[1]), dtype=data.dtype)
    elif isinstance(data, pd.DataFrame):
        parts, empty = read_pandas(data), data.iloc[:0].copy()
    elif isinstance(data, pl.DataFrame):
        parts, empty = [read_polars(series) for series in data.iter_columns()], data.clear()
    elif isinstance(data, pa.Table | pa.RecordBatch):
        parts, empty = read_table(data), without_rows(data, type(data))
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
    arrays = [build_arrow(column, Form(types[column.storage])) for column in columns]
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
