"""Cells of columns, taken, put in place and joined, whatever codes their labels have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tabdiff.schema import Column, Storage

__all__ = ["in_unit", "joined", "put", "replaced", "take", "with_levels_behind"]


def take(column: Column, rows: np.ndarray | slice) -> Column:
    """Some cells of a column; rows: anything that indexes an array."""
    return column.with_cells(column.values[rows], column.missing[rows])


def in_unit(column: Column, unit: str | None) -> np.ndarray:
    """The values of a column of times or durations, counted in another unit; of others, as they are."""
    if unit is None or column.unit is None or unit == column.unit:
        return column.values
    return column.values.astype(f"m8[{column.unit}]").astype(f"m8[{unit}]").astype(np.int64)


def with_levels_behind(column: Column, levels: tuple) -> Column:
    """The label column with its codes counted in these levels; those that it has beyond them come behind."""
    if column.levels == levels:
        return column
    code_of = {level: code for code, level in enumerate(levels)}
    new = [level for level in column.levels if level not in code_of]
    code_of |= {level: len(code_of) + i for i, level in enumerate(new)}
    values = column.values
    if column.levels:
        codes = np.array([code_of[level] for level in column.levels], dtype=np.int64)
        values = codes[np.where(column.missing, 0, column.values)]
    return replace(column, values=values, levels=(*levels, *new))


def put(column: Column, other: Column, rows: np.ndarray) -> Column:
    """The column with the cells of `other` in some rows; labels that it lacks are counted on behind.

    rows: (n,) bool. Both columns have n cells.
    """
    if not rows.any():
        return column
    values, levels, source = column.values.copy(), column.levels, in_unit(other, column.unit)
    if column.storage is Storage.LABEL:
        recoded = with_levels_behind(other, levels)
        source, levels = recoded.values, recoded.levels
    values[rows] = source[rows]
    missing = np.where(rows, other.missing, column.missing)
    return replace(column, values=values, missing=missing, levels=levels)


def joined(parts: Sequence[Column]) -> Column:
    """The cells of several columns, one after the other; labels that are new in one come behind."""
    first, levels, values = parts[0], parts[0].levels, []
    for part in parts:
        if part.storage is Storage.LABEL:
            part = with_levels_behind(part, levels)
            levels = part.levels
        values.append(part.values)
    missing = np.concatenate([part.missing for part in parts])
    return replace(first, values=np.concatenate(values), missing=missing, levels=levels)


def replaced(column: Column, other: Column, rows: np.ndarray) -> Column:
    """The column with the k cells of `other` in these rows, (k,) integers, in their order."""
    place = np.arange(len(column))
    place[rows] = len(column) + np.arange(len(rows))
    return take(joined([column, other]), place)
