"""Columns written by hand."""

import numpy as np

from tabdiff.schema import Column, Storage


def numbers(name, cells, dtype=None):
    """Integers or floats; None is missing."""
    missing = np.array([cell is None for cell in cells], dtype=bool)
    values = np.array([0 if cell is None else cell for cell in cells], dtype=dtype)
    storage = Storage.INT if values.dtype.kind == "i" else Storage.FLOAT
    return Column(name, storage, values, missing)


def flags(name, cells):
    """Booleans, none missing."""
    return Column(name, Storage.BOOL, np.array(cells, dtype=bool), np.zeros(len(cells), dtype=bool))


def labels(name, cells, levels=None, ordered=False):
    """Labels; None is missing."""
    levels = tuple(levels or sorted({cell for cell in cells if cell is not None}))
    missing = np.array([cell is None for cell in cells], dtype=bool)
    codes = np.array([0 if cell is None else levels.index(cell) for cell in cells], dtype=np.int64)
    return Column(name, Storage.LABEL, codes, missing, levels, ordered)


def times(name, cells, unit="D", storage=Storage.DATETIME):
    """Times, or durations, as whole ticks; None is missing."""
    missing = np.array([cell is None for cell in cells], dtype=bool)
    ticks = np.array([0 if cell is None else cell for cell in cells], dtype=np.int64)
    return Column(name, storage, ticks, missing, unit=unit)


def cells(column):
    """The cells as plain Python: labels, numbers, ticks; None where missing."""
    return [
        None if gone else (column.levels[value] if column.storage is Storage.LABEL else value.item())
        for value, gone in zip(column.values, column.missing, strict=True)
    ]


def table_cells(columns):
    return {column.name: cells(column) for column in columns}


def names(columns):
    return [column.name for column in columns]


def take(columns, rows):
    return [c.with_cells(c.values[rows], c.missing[rows]) for c in columns]
