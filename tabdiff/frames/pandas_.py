"""pandas series to columns and back: NumPy and masked dtypes, Arrow ones, categories, and odd objects."""

from __future__ import annotations

import decimal
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tabdiff.frames.arrow import (
    build_arrow,
    check_range,
    check_room,
    label_column,
    object_cells,
    read_arrow,
    unlearnable,
)
from tabdiff.frames.forms import Form
from tabdiff.schema import Column, Storage, unique_names

__all__ = ["build_pandas", "numpy_cells", "read_objects", "read_pandas", "read_series"]


def read_pandas(frame: pd.DataFrame) -> list[tuple[Column, Form]]:
    """Read each column of a frame. Raises `SchemaError` for names that occur twice."""
    unique_names(list(frame.columns))
    return [read_series(name, frame.iloc[:, i]) for i, name in enumerate(frame.columns)]


def read_series(name: Hashable, series: pd.Series) -> tuple[Column, Form]:
    """Read a series of any dtype. Raises `SchemaError` for cells that are no scalars."""
    dtype = series.dtype
    if isinstance(dtype, pd.SparseDtype):
        return read_series(name, series.sparse.to_dense())
    if isinstance(dtype, pd.CategoricalDtype):
        codes = series.cat.codes.to_numpy(dtype=np.int64)
        return label_column(name, codes, dtype.categories.tolist(), bool(dtype.ordered)), Form(None)
    if pd.api.types.is_object_dtype(dtype):
        return read_objects(name, series.to_numpy())
    if isinstance(dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert(None)
    if isinstance(dtype, np.dtype) and not dtype.isnative:
        series = series.astype(dtype.newbyteorder("="))
    try:
        array = pa.array(series, from_pandas=True)
    except pa.ArrowException as error:
        raise unlearnable(name, dtype, series.iloc[0]) from error
    if isinstance(array.type, pa.BaseExtensionType):
        raise unlearnable(name, dtype, series.iloc[0])
    return read_arrow(name, array)


def read_objects(name: Hashable, cells: np.ndarray) -> tuple[Column, Form]:
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
        column, form = read_arrow(name, array)
    return column, replace(form, null=null)


def _read_mixed(name: Hashable, cells: np.ndarray, missing: np.ndarray) -> tuple[Column, Form]:
    """Read numbers of several kinds as floats, anything else as labels."""
    observed = cells[~missing]
    kinds = set(map(type, observed))
    if bool not in kinds and all(issubclass(kind, int | np.integer) for kind in kinds):
        check_range(name, min(observed), max(observed))
    if bool not in kinds and all(issubclass(kind, _NUMBERS) for kind in kinds):
        values = np.where(missing, 0, cells).astype(np.float64)
        return Column(name, Storage.FLOAT, values, missing), Form(pa.float64())
    for kind in kinds:
        if issubclass(kind, _NOT_SCALAR) or kind.__hash__ is None:
            example = next(cell for cell in observed if type(cell) is kind)
            raise unlearnable(name, kind.__name__, example)
    codes, levels = pd.factorize(np.where(missing, np.array(None), cells))
    return label_column(name, codes, levels.tolist(), ordered=False), Form(None)


_NUMBERS = (int, float, np.integer, np.floating, decimal.Decimal)
_NOT_SCALAR = (complex, np.complexfloating, tuple, frozenset)


def build_pandas(parts: Sequence[tuple[Column, Form]], empty: pd.DataFrame) -> pd.DataFrame:
    """Write columns into a frame with the columns and dtypes of `empty`, its rows counted from 0."""
    n_rows = len(parts[0][0])
    series = {i: _build_series(*part, empty.dtypes.iloc[i]) for i, part in enumerate(parts)}
    frame = pd.DataFrame(series, index=pd.RangeIndex(n_rows), copy=False)
    frame.columns = empty.columns
    return frame


def _build_series(column: Column, form: Form, dtype: Any) -> pd.Series:
    if isinstance(dtype, pd.SparseDtype):
        return _build_series(column, form, dtype.subtype).astype(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        levels = pd.Index(column.levels, dtype=dtype.categories.dtype)
        used = levels[np.unique(column.observed)]
        new = used[~used.isin(dtype.categories)]
        if len(new):  # labels made afresh, or learned after the first fit
            dtype = pd.CategoricalDtype(dtype.categories.append(new), dtype.ordered)
        place = dtype.categories.get_indexer(levels)
        codes = np.append(place, -1)[np.where(column.missing, -1, column.values)]
        return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype))
    if isinstance(dtype, pd.DatetimeTZDtype):
        utc = pd.Series(numpy_cells(column, form, np.dtype(f"M8[{dtype.unit}]"))).dt.tz_localize("UTC")
        return utc.dt.tz_convert(dtype.tz)
    if isinstance(dtype, np.dtype):
        if dtype.kind in "biu" and column.missing.any():  # appeared after the first fit: as pandas reads such
            dtype = np.dtype(object if dtype.kind == "b" else np.float64)
        return pd.Series(numpy_cells(column, form, dtype), dtype=dtype)
    return pd.Series(dtype.__from_arrow__(build_arrow(column, form)))


def numpy_cells(column: Column, form: Form, dtype: np.dtype) -> np.ndarray:
    """The cells as a NumPy array of the dtype that they were read from (of objects for strings)."""
    if dtype.kind in "OSU":
        return object_cells(column, form)
    if dtype.kind in "mM":
        times = column.values.astype(column.numpy_time)
        times[column.missing] = np.array("NaT", dtype=times.dtype)
        return times.astype(dtype, copy=False)
    check_room(column, dtype)
    cells = column.values.astype(dtype, copy=False)
    if dtype.kind == "f":
        cells[column.missing] = np.nan
    return cells
