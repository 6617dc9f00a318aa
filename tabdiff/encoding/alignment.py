"""Columns of other frames, held as those of the fitted frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tabdiff.cells import in_unit, with_levels_behind
from tabdiff.errors import SchemaError
from tabdiff.schema import Column, Storage

__all__ = ["aligned", "merged_order", "with_labels"]


def aligned(column: Column, template: Column) -> Column:
    """The column with its cells held as in the template: the same codes of levels, dtype and unit of time.

    Labels that the template does not have are counted on behind its own. Raises `SchemaError` if the cells
    cannot be held so.
    """
    if column.missing.all():
        return template.with_cells(np.zeros(len(column), dtype=template.values.dtype), column.missing)
    if column.storage is Storage.LABEL and template.storage is Storage.LABEL:
        return with_levels_behind(column, template.levels)
    if column.storage is template.storage:
        return replace(column, values=in_unit(column, template.unit), unit=template.unit)
    numbers = (Storage.INT, Storage.FLOAT)
    if column.storage in numbers and template.storage in numbers:
        # pandas holds integers as floats where cells are missing
        values = np.where(column.missing, 0, column.values).astype(template.values.dtype)
        if np.array_equal(values[~column.missing], column.observed):
            return replace(column, values=values, storage=template.storage)
    example = column.describe(column.observed[0])
    raise SchemaError(
        f"column {column.name!r} holds {column.storage} cells such as {example!r}, but held "
        f"{template.storage} cells in fit. Convert it, or fit again."
    )


def merged_order(levels: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Ordered levels and others between them where their order says so.

    Others that contradict the order of `levels` come behind.
    """
    merged, last = list(levels), -1
    for level in others:
        if level not in merged:
            last += 1
            merged.insert(last, level)
        elif merged.index(level) > last:
            last = merged.index(level)
        else:
            return [*levels, *(level for level in others if level not in levels)]
    return merged


def with_labels(template: Column, labels: np.ndarray, missing: np.ndarray) -> Column:
    """The template's column with labels of its own: (n,) strings that are made afresh."""
    levels, codes = np.unique(labels[~missing], return_inverse=True)
    values = np.zeros(len(labels), dtype=np.int64)
    values[~missing] = codes
    return replace(template, values=values, missing=missing, levels=tuple(levels.tolist()))
