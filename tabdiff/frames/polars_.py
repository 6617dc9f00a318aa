"""polars series to columns and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from tabdiff.frames.arrow import build_arrow, check_range, read_arrow, unlearnable
from tabdiff.frames.forms import Form
from tabdiff.schema import Column

__all__ = ["build_polars", "read_polars"]


def read_polars(series: pl.Series) -> tuple[Column, Form]:
    """Read a series. Raises `SchemaError` for nested ones, objects, and integers beyond 64 bits."""
    if series.dtype == pl.Object:
        raise unlearnable(series.name, series.dtype, series[0])
    if series.dtype in (pl.Int128, getattr(pl, "UInt128", None)):  # Arrow has no such integers
        if series.null_count() < len(series):
            check_range(series.name, *series.drop_nulls().sort()[[0, -1]].to_list())
        series = series.cast(pl.Int64)
    array = series.to_arrow(compat_level=pl.CompatLevel.oldest())
    if isinstance(series.dtype, pl.Enum):  # older polars does not tell that it has an order
        array = pa.DictionaryArray.from_arrays(array.indices, array.dictionary, ordered=True)
    return read_arrow(series.name, array)


def build_polars(parts: Sequence[tuple[Column, Form]], schema: pl.Schema) -> pl.DataFrame:
    """Write columns into a frame of this schema."""
    series = []
    for (column, form), (name, dtype) in zip(parts, schema.items(), strict=True):
        kind: Any = form.type
        # categories are cast from strings, which every kind of them can be
        plain = replace(form, type=kind.value_type) if pa.types.is_dictionary(kind) else form
        series.append(pl.Series(name, build_arrow(column, plain)).cast(_with_levels(dtype, column)))
    return pl.DataFrame(series)


def _with_levels(dtype: Any, column: Column) -> Any:
    """The type, with the labels that it does not declare yet: made afresh, or learned after the first fit."""
    if not isinstance(dtype, pl.Enum):
        return dtype
    declared = dtype.categories.to_list()
    known = set(declared)
    used = [column.levels[code] for code in np.unique(column.observed).tolist()]
    new = [level for level in used if level not in known]
    return pl.Enum([*declared, *new]) if new else dtype
