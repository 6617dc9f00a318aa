"""Rows and classes of any container: chosen, appended, handed to scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from tabdiff.errors import InputError
from tabdiff.frames.arrow import read_arrow
from tabdiff.frames.pandas_ import read_series
from tabdiff.frames.polars_ import read_polars
from tabdiff.frames.reading import is_frame, read
from tabdiff.schema import Column, Storage

__all__ = ["append_rows", "select_rows", "to_numpy_1d"]


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
        return _class_cells(read_series(data.name, data)[0])
    if isinstance(data, pl.Series):
        return _class_cells(read_polars(data)[0])
    if isinstance(data, pa.ChunkedArray | pa.Array):
        return _class_cells(read_arrow("y", data)[0])
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
