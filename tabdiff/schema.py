"""What a column is: its values as plain arrays, and the kind under which it is learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from tabdiff.errors import SchemaError

__all__ = ["Column", "ColumnSchema", "Kind", "Storage", "TableSchema", "infer_schema", "unique_names"]


class Storage(StrEnum):
    """How the cells of a column are held in a frame."""

    FLOAT = "float"
    INT = "int"
    BOOL = "bool"
    LABEL = "label"
    DATETIME = "datetime"
    DURATION = "duration"


class Kind(StrEnum):
    """How a column is learned."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    CONSTANT = "constant"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    values: (n,) array, not to be written to: it may be the frame's own memory. Float storage holds float64 or
    float32; int, datetime and duration hold int64; bool holds bool; label holds int64 codes into `levels`.
    missing: (n,) bool; the value at a missing cell means nothing. levels: the labels that occur, in the order
    that the frame declares if `ordered`, else sorted. unit: of times and durations, "D", "s", "ms", "us" or
    "ns"; times count from 1970, in UTC if the frame has a time zone.
    """

    name: Hashable
    storage: Storage
    values: np.ndarray
    missing: np.ndarray
    levels: tuple[Any, ...] = ()
    ordered: bool = False
    unit: str | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def numpy_time(self) -> str:
        """The NumPy dtype of times or durations, which `values` holds as integers: "M8[ns]" and the like."""
        return f"{'M' if self.storage is Storage.DATETIME else 'm'}8[{self.unit}]"

    @property
    def observed(self) -> np.ndarray:
        """The values of the cells that are not missing."""
        return self.values[~self.missing]

    def with_cells(self, values: np.ndarray, missing: np.ndarray) -> Column:
        """The same column with other cells."""
        return replace(self, values=values, missing=missing)

    def without_cells(self) -> Column:
        """The same column with no cell, not even in its memory."""
        return self.with_cells(self.values[:0].copy(), self.missing[:0].copy())

    def describe(self, value: Any) -> Any:
        """A stored value as the user knows it: a label, a NumPy time, or a plain Python scalar."""
        if self.storage is Storage.LABEL:
            return self.levels[int(value)]
        if self.unit is not None:
            return np.array(value).astype(self.numpy_time)[()]
        return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class ColumnSchema:
    """The name of a column, how its cells are held and how they are learned."""

    name: Hashable
    kind: Kind
    storage: Storage
    has_missing: bool


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table in their order."""

    columns: tuple[ColumnSchema, ...]

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, name: Hashable) -> ColumnSchema:
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"there is no column {name!r}. Columns: {[c.name for c in self.columns]}.")

    def __str__(self) -> str:
        rows = [("column", "kind", "stored as", "missing")]
        rows += [(str(c.name), c.kind, c.storage, "yes" if c.has_missing else "no") for c in self.columns]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
        )
        return "\n".join(line.rstrip() for line in lines)


def unique_names(names: Sequence[Hashable]) -> None:
    """Raise `SchemaError` if a column name occurs twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SchemaError(f"column names occur more than once: {twice}. Rename them, so that each is unique.")


def infer_schema(
    columns: Sequence[Column],
    overrides: Mapping[Hashable, str] | None = None,
    max_levels: int = 50,
) -> TableSchema:
    """Find out how each column should be learned.

    Labels and booleans are categorical. Numbers, times and durations are numeric, unless they take few values
    often: at most `max_levels` of them, each in twenty rows on average. A column with one value and no
    missing cell is constant. `overrides` maps a name to "numeric" or "categorical" and wins over all but
    constancy.

    Raises `SchemaError` for a column that holds nothing but missing cells, for infinite values, and for an
    override that names no column, no kind, or asks for numbers where there are labels.
    """
    overrides = overrides or {}
    names = [column.name for column in columns]
    unknown = [name for name in overrides if name not in names]
    if unknown:
        raise SchemaError(f"kinds are given for columns that do not exist: {unknown}. Columns: {names}.")
    return TableSchema(
        tuple(_infer_one(column, overrides.get(column.name), max_levels) for column in columns)
    )


def _infer_one(column: Column, override: str | None, max_levels: int) -> ColumnSchema:
    _check_values(column)
    if override is not None:
        _check_override(column, override)
    has_missing = bool(column.missing.any())
    n_distinct = _n_distinct(column.observed)
    few = n_distinct <= min(max_levels, max(2, len(column) // 20))
    if n_distinct == 1 and not has_missing:
        kind = Kind.CONSTANT
    elif override is not None:
        kind = Kind(override)
    else:
        kind = Kind.CATEGORICAL if few or _is_nominal(column) else Kind.NUMERIC
    return ColumnSchema(column.name, kind, column.storage, has_missing)


def _n_distinct(values: np.ndarray) -> int:
    """Number of different values (at least one); several times faster than `np.unique`, which hashes."""
    ordered = np.sort(values)
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def _is_nominal(column: Column) -> bool:
    return column.storage in (Storage.LABEL, Storage.BOOL)


def _check_values(column: Column) -> None:
    """Raise `SchemaError` if no cell is observed, or an observed one is infinite."""
    observed = column.observed
    if not len(observed):
        raise SchemaError(
            f"column {column.name!r} holds only missing values ({len(column)} rows): there is nothing to "
            "learn. Drop the column, or fill it."
        )
    if column.storage is Storage.FLOAT and not np.isfinite(observed).all():
        infinite = observed[~np.isfinite(observed)]
        raise SchemaError(
            f"column {column.name!r} holds {len(infinite)} infinite values, the first is {infinite[0]}. "
            "Replace them by missing values or by finite ones."
        )


def _check_override(column: Column, override: str) -> None:
    """Raise `SchemaError` if the column cannot be learned as the user wants."""
    if override not in (Kind.NUMERIC, Kind.CATEGORICAL):
        raise SchemaError(
            f"column {column.name!r} is given the kind {override!r}. Known kinds: 'numeric', 'categorical'."
        )
    if override == Kind.NUMERIC and _is_nominal(column):
        example = column.describe(column.observed[0])
        raise SchemaError(
            f"column {column.name!r} is given the kind 'numeric' but holds labels such as {example!r}. "
            "Convert it to numbers first, or leave it categorical."
        )
