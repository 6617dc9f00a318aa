"""Reversible codecs of one column, and which of them a column gets.

A codec turns a column into at most one numeric feature (standard normal scores) and at most one categorical
feature (levels counted from 0), and back into cells that could have been in the column: integers stay
integers, decimals keep their decimals, frequent values and the extremes come back exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tabdiff.encoding.codec import Codec, Features, by_state, check_known, nothing_meets
from tabdiff.encoding.grids import Grid
from tabdiff.encoding.identifiers import IdentifierCodec
from tabdiff.encoding.levels import LevelCodec
from tabdiff.encoding.numbers import NumericCodec
from tabdiff.encoding.scores import NormalScores
from tabdiff.schema import Column, Kind, infer_schema
from tabdiff.wanted import Wanted

__all__ = [
    "Codec",
    "ConstantCodec",
    "EmptyCodec",
    "Features",
    "Grid",
    "IdentifierCodec",
    "LevelCodec",
    "NormalScores",
    "NumericCodec",
    "fit_codec",
    "kind_of",
]


def fit_codec(column: Column, kind: Kind, keep_all: bool = False) -> Codec:
    """Choose and fit the codec of a column that is learned as `kind`.

    keep_all: whether no level may be pooled or left out, however rare.
    """
    if kind is Kind.EMPTY:
        return EmptyCodec(column.values.dtype, len(column))
    if kind is Kind.CONSTANT:
        return ConstantCodec(column.observed[0], len(column))
    if kind is Kind.IDENTIFIER:
        return IdentifierCodec.fit(column)
    if kind is Kind.CATEGORICAL:
        return LevelCodec.fit(column, keep_all)
    return NumericCodec.fit(column)


def kind_of(codec: Codec) -> Kind:
    """The kind of columns that a codec is for."""
    kinds = {
        EmptyCodec: Kind.EMPTY,
        ConstantCodec: Kind.CONSTANT,
        IdentifierCodec: Kind.IDENTIFIER,
        LevelCodec: Kind.CATEGORICAL,
        NumericCodec: Kind.NUMERIC,
    }
    return kinds[type(codec)]


def _refitted(column: Column, values: np.ndarray, missing: np.ndarray) -> Codec:
    """The codec of these cells and those of a column together, whatever fits."""
    cells = np.concatenate([values, column.values]), np.concatenate([missing, column.missing])
    together = column.with_cells(*cells)
    return fit_codec(together, infer_schema([together]).columns[0].kind)


@dataclass(frozen=True)
class ConstantCodec:
    """A column of one value: nothing is learned, the value is restored. n_rows: in how many rows it was."""

    value: np.generic
    n_rows: int = 1
    n_num: int = 0
    n_levels: tuple[int, ...] = ()
    missing_level: int = -1

    def knows(self, column: Column) -> np.ndarray:
        """Cells with the value."""
        return ~column.missing & (column.values == self.value)

    def encode(self, column: Column, rng: np.random.Generator | None) -> Features:
        """Make no features. Raises `SchemaError` for cells that are missing or hold another value."""
        unseen = np.unique(column.observed[column.observed != self.value])
        check_known(column, unseen, np.array([self.value]), may_miss=False)
        return by_state(column, -1)

    def decode(
        self, features: Features, rng: np.random.Generator, first_row: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Repeat the value."""
        n = len(features.num)
        return np.full(n, self.value), np.zeros(n, dtype=bool)

    def draw_cells(
        self, wanted: Wanted, n: int, rng: np.random.Generator, template: Column | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Repeat the value, if it meets `wanted`."""
        value = np.array([self.value])
        if not wanted.meets(value, np.zeros(1, dtype=bool))[0]:
            raise nothing_meets(wanted, template, value, is_range=False)
        return np.repeat(value, n), np.zeros(n, dtype=bool)

    def released(self) -> ConstantCodec:
        """Itself: all rows hold the value."""
        return self

    def extended(self, column: Column) -> Codec:
        """With more cells; if they hold anything else, the codec that fits all of them."""
        if self.knows(column).all():
            return replace(self, n_rows=self.n_rows + len(column))
        return _refitted(column, np.full(self.n_rows, self.value), np.zeros(self.n_rows, dtype=bool))

    def recoded(self, new_code: np.ndarray) -> ConstantCodec:
        """The codec of the same label counted otherwise."""
        return replace(self, value=new_code[int(self.value)])


@dataclass(frozen=True)
class EmptyCodec:
    """A column of missing cells: nothing is learned. dtype: of the values that stand at its n_rows cells."""

    dtype: np.dtype
    n_rows: int
    n_num: int = 0
    n_levels: tuple[int, ...] = ()
    missing_level: int = -1

    def knows(self, column: Column) -> np.ndarray:
        """Missing cells."""
        return column.missing.copy()

    def encode(self, column: Column, rng: np.random.Generator | None) -> Features:
        """Make no features. Raises `SchemaError` for cells that are not missing."""
        check_known(column, np.unique(column.observed), column.values[:0], may_miss=True)
        return by_state(column, -1)

    def decode(
        self, features: Features, rng: np.random.Generator, first_row: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """All missing."""
        n = len(features.num)
        return np.zeros(n, dtype=self.dtype), np.ones(n, dtype=bool)

    def draw_cells(
        self, wanted: Wanted, n: int, rng: np.random.Generator, template: Column | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """All missing, if `wanted` allows it."""
        if not wanted.missing:
            raise nothing_meets(wanted, template, np.zeros(0), is_range=False)
        return np.zeros(n, dtype=self.dtype), np.ones(n, dtype=bool)

    def released(self) -> EmptyCodec:
        """Itself: it keeps nothing."""
        return self

    def extended(self, column: Column) -> Codec:
        """With more cells; if any is observed, the codec that fits all of them."""
        if column.missing.all():
            return replace(self, n_rows=self.n_rows + len(column))
        before = np.zeros(self.n_rows, dtype=column.values.dtype)
        return _refitted(column, before, np.ones(self.n_rows, dtype=bool))

    def recoded(self, new_code: np.ndarray) -> EmptyCodec:
        """Itself: it has no labels."""
        return self
