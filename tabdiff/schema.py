"""What a column is: its values as plain arrays, and the kind under which it is learned."""

from __future__ import annotations

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

    values: (n,) array. Float storage holds float64 or float32; int, datetime and duration hold int64 (time
    in the frame's own unit); bool holds bool; label holds int64 codes into `levels`. missing: (n,) bool; the
    value at a missing cell means nothing. ordered: whether the frame declares an order of the levels.
    """

    name: Hashable
    storage: Storage
    values: np.ndarray
    missing: np.ndarray
    levels: tuple[Any, ...] = ()
    ordered: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @property
    def observed(self) -> np.ndarray:
        """The values of the cells that are not missing."""
        return self.values[~self.missing]

    def with_cells(self, values: np.ndarray, missing: np.ndarray) -> Column:
        """The same column with other cells."""
        return replace(self, values=values, missing=missing)

    def describe(self, value: Any) -> Any:
        """A stored value as the user knows it: the level behind a code, a plain Python scalar."""
        if self.storage is Storage.LABEL:
            return self.levels[int(value)]
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
    seen: set[Hashable] = set()
    twice = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if twice:
        raise SchemaError(f"column names occur more than once: {twice}. Rename them, so that each is unique.")


def infer_schema(
    columns: Sequence[Column],
    overrides: Mapping[Hashable, str] | None = None,
    max_levels: int = 50,
) -> TableSchema:
    """Find out how each column should be learned.

    Labels and booleans are categorical. Numbers, times and durations are numeric, unless they take few values
    often: at most `max_levels` of them, each in twenty rows on average. A column with one value and no missing
    cell is constant. `overrides` maps a name to "numeric" or "categorical" and wins.

    Raises `SchemaError` for a column that holds nothing but missing cells, for infinite values, and for an
    override that names no column, no kind, or asks for numbers where there are labels.
    """
    overrides = dict(overrides or {})
    names = [column.name for column in columns]
    unknown = [name for name in overrides if name not in names]
    if unknown:
        raise SchemaError(f"kinds are given for columns that do not exist: {unknown}. Columns: {names}.")
    return TableSchema(
        tuple(_infer_one(column, overrides.get(column.name), max_levels) for column in columns)
    )


def _infer_one(column: Column, override: str | None, max_levels: int) -> ColumnSchema:
    observed = column.observed
    if len(observed) == 0:
        raise SchemaError(
            f"column {column.name!r} holds only missing values ({len(column)} rows): there is nothing to learn. "
            "Drop the column, or fill it."
        )
    if column.storage is Storage.FLOAT and not np.isfinite(observed).all():
        bad = observed[~np.isfinite(observed)]
        raise SchemaError(
            f"column {column.name!r} holds {len(bad)} infinite values, the first is {bad[0]}. Replace them by "
            "missing values or by finite ones."
        )
    return ColumnSchema(
        column.name, _kind(column, override, max_levels), column.storage, bool(column.missing.any())
    )


def _kind(column: Column, override: str | None, max_levels: int) -> Kind:
    n_distinct = len(np.unique(column.observed))
    if n_distinct == 1 and not column.missing.any():
        return Kind.CONSTANT
    nominal = column.storage in (Storage.LABEL, Storage.BOOL)
    if override is not None:
        return _overridden(column, override, nominal)
    few = n_distinct <= min(max_levels, max(2, len(column) // 20))
    return Kind.CATEGORICAL if nominal or few else Kind.NUMERIC


def _overridden(column: Column, override: str, nominal: bool) -> Kind:
    if override not in (Kind.NUMERIC, Kind.CATEGORICAL):
        raise SchemaError(
            f"column {column.name!r} is given the kind {override!r}. Known kinds: 'numeric', 'categorical'."
        )
    if override == Kind.NUMERIC and nominal:
        example = column.describe(column.observed[0])
        raise SchemaError(
            f"column {column.name!r} is given the kind 'numeric' but holds labels such as {example!r}. Convert "
            "it to numbers first, or leave it categorical."
        )
    return Kind(override)
