"""The target: a column whose values are classes, told to the model beside each row."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tabdiff.errors import InputError
from tabdiff.schema import Column, Kind, Storage, infer_schema

__all__ = ["Target", "read_target"]


@dataclass(frozen=True)
class Target:
    """The target column without its rows, its sorted values, and how many rows each had.

    values, counts: (n_classes,). The code of a class is its place among the values.
    """

    column: Column
    values: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    @property
    def name(self) -> Hashable:
        """The name of the column."""
        return self.column.name

    @property
    def classes(self) -> list:
        """The values as the user knows them."""
        return [self.column.describe(value) for value in self.values]

    def codes_of(self, column: Column) -> np.ndarray:
        """Which of the classes each cell of a column has: (n,) int64, -1 for none of them or missing."""
        known = {value: code for code, value in enumerate(self.classes)}
        values, place = np.unique(column.values, return_inverse=True)
        codes = np.array([known.get(column.describe(value), -1) for value in values], dtype=np.int64)
        return np.where(column.missing, -1, codes[place])

    def extended(self, columns: Sequence[Column]) -> tuple[Target, np.ndarray]:
        """The target with the rows of another table: new classes behind; and (n,) the class of each of them.

        Raises `InputError` if the target is missing in some rows.
        """
        column = next(column for column in columns if column.name == self.name)
        _check_complete(column)
        codes = self.codes_of(column)
        new = np.unique(column.values[codes < 0])
        grown = Target(column.without_cells(), np.concatenate([self.values, new]), self.counts)
        codes = grown.codes_of(column)
        counts = np.bincount(codes, minlength=len(grown.values))
        counts[: len(self.counts)] += self.counts
        return replace(grown, counts=counts), codes

    def draw(self, n_rows: int, rng: np.random.Generator) -> np.ndarray:
        """Draw classes as often as the table had them: (n_rows,) codes."""
        return rng.choice(len(self.counts), size=n_rows, p=self.counts / self.counts.sum())


def read_target(
    columns: Sequence[Column], name: Hashable, kinds: Mapping[Hashable, str] | None
) -> tuple[Target, np.ndarray] | None:
    """Read the target column if its values can be classes: the target, and (n,) the class of each row.

    None if the column is to be learned like any other: it holds times, or numbers with many values. Raises
    `InputError` if there is no such column, or cells of it are missing.
    """
    found = [column for column in columns if column.name == name]
    if not found:
        raise InputError(f"there is no target column {name!r}. Columns: {[c.name for c in columns]}.")
    column = found[0]
    _check_complete(column)
    override = {key: kind for key, kind in (kinds or {}).items() if key == name}
    kind = infer_schema([column], override).columns[0].kind
    if kind is Kind.NUMERIC or column.storage in (Storage.DATETIME, Storage.DURATION):
        return None
    values, codes, counts = np.unique(column.values, return_inverse=True, return_counts=True)
    return Target(column.without_cells(), values, counts), codes


def _check_complete(column: Column) -> None:
    if column.missing.any():
        raise InputError(
            f"the target column {column.name!r} is missing in {column.missing.sum()} of {len(column)} rows. "
            "Drop these rows, or fill it."
        )
