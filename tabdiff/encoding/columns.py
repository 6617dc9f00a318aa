"""Reversible codecs of one column.

A codec turns a column into at most one numeric feature (standard normal scores) and at most one categorical
feature (levels counted from 0), and back into cells that could have been in the column: integers stay
integers, decimals keep their decimals, frequent values and the extremes come back exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtr, ndtri

from tabdiff.errors import SchemaError
from tabdiff.schema import Column, Kind

__all__ = [
    "Codec",
    "ConstantCodec",
    "Features",
    "Grid",
    "LevelCodec",
    "NormalScores",
    "NumericCodec",
    "fit_codec",
]

MAX_KNOTS = 100_000
MAX_DECIMALS = 8


@dataclass(frozen=True)
class Features:
    """What a codec makes of n cells.

    num: (n, 0 or 1) float64. observed: the same shape, False where `num` means nothing. cat: (n, 0 or 1) int64.
    """

    num: np.ndarray
    observed: np.ndarray
    cat: np.ndarray


class Codec(Protocol):
    """A reversible code of one column; `n_num` and `n_levels` say what features it makes."""

    n_num: int
    n_levels: tuple[int, ...]

    def encode(self, column: Column, rng: np.random.Generator) -> Features:
        """Turn cells into features; draws decide the place of a value inside its rank interval."""
        ...

    def decode(self, features: Features, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Turn features into (values, missing) as `Column` holds them."""
        ...


def fit_codec(column: Column, kind: Kind) -> Codec:
    """Choose and fit the codec of a column that is learned as `kind`."""
    if kind is Kind.CONSTANT:
        return ConstantCodec(column.observed[0])
    if kind is Kind.CATEGORICAL:
        return LevelCodec.fit(column)
    return NumericCodec.fit(column)


def _no_features(n_rows: int, dtype: type) -> np.ndarray:
    return np.zeros((n_rows, 0), dtype=dtype)


@dataclass(frozen=True)
class ConstantCodec:
    """A column of one value: nothing is learned, the value is restored."""

    value: np.generic
    n_num: int = 0
    n_levels: tuple[int, ...] = ()

    def encode(self, column: Column, rng: np.random.Generator) -> Features:
        """Make no features."""
        n = len(column)
        return Features(_no_features(n, float), _no_features(n, bool), _no_features(n, np.int64))

    def decode(self, features: Features, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Repeat the value."""
        n = len(features.num)
        return np.full(n, self.value), np.zeros(n, dtype=bool)


@dataclass(frozen=True)
class LevelCodec:
    """A categorical column: one level for each value, one for the pooled rare values, one for missing.

    values: (V,) sorted values of the column. code_of: (V,) level of each value. Values that occur in fewer than
    ten rows (fewer still in tables under 10,000 rows) share a level, and come back in their own proportions.
    """

    values: np.ndarray
    counts: np.ndarray
    code_of: np.ndarray
    missing_code: int
    n_levels: tuple[int, ...]
    n_num: int = 0

    @classmethod
    def fit(cls, column: Column) -> LevelCodec:
        """Count the values and decide which are pooled."""
        values, counts = np.unique(column.observed, return_counts=True)
        rare = counts < min(10, len(column) / 1000)
        if rare.sum() < 2:
            rare[:] = False
        code_of = np.empty(len(values), dtype=np.int64)
        code_of[~rare] = np.arange((~rare).sum())
        code_of[rare] = n_levels = (~rare).sum()
        n_levels += int(rare.any())
        missing_code = int(n_levels) if column.missing.any() else -1
        return cls(values, counts, code_of, missing_code, (int(n_levels) + int(missing_code >= 0),))

    def encode(self, column: Column, rng: np.random.Generator) -> Features:
        """Look each value up. Raises `SchemaError` for values unseen in fit, or missing where none was."""
        values = np.where(column.missing, self.values[0], column.values).astype(self.values.dtype)
        place = np.minimum(np.searchsorted(self.values, values), len(self.values) - 1)
        unseen = np.unique(values[self.values[place] != values])
        if len(unseen) or (column.missing.any() and self.missing_code < 0):
            raise SchemaError(_unseen_message(column, unseen, self.values))
        codes = np.where(column.missing, self.missing_code, self.code_of[place])
        n = len(column)
        return Features(_no_features(n, float), _no_features(n, bool), codes[:, None])

    def decode(self, features: Features, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the value of each level; the pooled level draws one of its values by their counts."""
        codes = features.cat[:, 0]
        missing = codes == self.missing_code
        _, first_value = np.unique(self.code_of, return_index=True)
        place = first_value[np.where(missing, 0, codes)]
        pooled_code = self.code_of.max()
        pooled = np.flatnonzero(self.code_of == pooled_code)
        if len(pooled) > 1:
            drawn = (codes == pooled_code) & ~missing
            share = self.counts[pooled] / self.counts[pooled].sum()
            place[drawn] = rng.choice(pooled, size=int(drawn.sum()), p=share)
        return self.values[place], missing


def _unseen_message(column: Column, unseen: np.ndarray, known: np.ndarray) -> str:
    if not len(unseen):
        return f"column {column.name!r} has missing values but had none in fit. Fill them, or fit again."
    return (
        f"column {column.name!r} has values unseen in fit: {[column.describe(v) for v in unseen[:5]]}. Known: "
        f"{[column.describe(v) for v in known[:10]]}{' ...' if len(known) > 10 else ''}. Fit again, or map them "
        "first."
    )


@dataclass(frozen=True)
class Grid:
    """The grid on which a numeric column lies: multiples of `step` from `origin`, or `decimals` digits.

    Neither is set for a continuous column.
    """

    step: int | None = None
    origin: int = 0
    decimals: int | None = None

    @classmethod
    def detect(cls, values: np.ndarray) -> Grid:
        """Find the coarsest grid that holds every value exactly; values: sorted, distinct, finite."""
        if values.dtype.kind == "i":
            step = int(np.gcd.reduce(np.diff(values))) if len(values) > 1 else 1
            return cls(step=max(step, 1), origin=int(values[0]))
        for decimals in range(MAX_DECIMALS + 1):
            if np.array_equal(np.round(values.astype(np.float64), decimals).astype(values.dtype), values):
                return cls(decimals=decimals)
        return cls()

    def snap(self, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Round float64 values onto the grid and return them in the column's own dtype."""
        if self.step is not None:
            return self.origin + np.rint((values - self.origin) / self.step).astype(np.int64) * self.step
        if self.decimals is not None:
            values = np.round(values, self.decimals)
        return values.astype(dtype)


@dataclass(frozen=True)
class NormalScores:
    """Randomised normal scores: a monotone map between a column's values and N(0, 1).

    The k-th of n sorted values has the rank interval ((k - 1) / n, k / n]; a value that occurs several times
    owns the union of its intervals and is put at a random place inside, so that the scores are standard normal
    whatever the ties. Back, a score falls on the value that owns it, or between two neighbours that occur once
    each, where it is interpolated and snapped to the grid.

    low, high: (V,) scores between which value v is returned exactly; values: (V,) sorted, distinct.
    Source: the probability integral transform for discontinuous laws, Rüschendorf 2009
    (doi:10.1016/j.jspi.2009.05.030). DIFFERS: a value that occurs once is put at the middle of its interval,
    not at random, so that it comes back exactly.
    """

    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    grid: Grid

    @classmethod
    def fit(cls, observed: np.ndarray) -> NormalScores:
        """Rank the observed values (at least one)."""
        values, counts = np.unique(observed, return_counts=True)
        grid = Grid.detect(values)
        n, upper = counts.sum(), np.cumsum(counts)
        low, high = (upper - counts + 0.5) / n, (upper - 0.5) / n
        tied = counts > 1
        # between two tied values nothing is interpolated: each owns its side of the border
        border = upper[:-1] / n
        both = tied[:-1] & tied[1:]
        high[:-1][both] = low[1:][both] = border[both]
        keep = slice(None)
        if len(values) > MAX_KNOTS:
            keep = np.unique(np.linspace(0, len(values) - 1, MAX_KNOTS).round().astype(np.int64))
        return cls(values[keep], ndtri(low[keep]), ndtri(high[keep]), grid)

    def scores(self, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Scores of values: (n,) -> (n,) float64. Values between the known ones are interpolated."""
        place = np.minimum(np.searchsorted(self.values, values), len(self.values) - 1)
        known = self.values[place] == values
        # stay clear of the interval's ends: float32 scores must fall on the same value again
        share = 0.02 + 0.96 * rng.random(len(values))
        low, high = ndtr(self.low[place]), ndtr(self.high[place])
        inside = ndtri(low + share * (high - low))
        between = np.interp(values, self.values.astype(np.float64), (self.low + self.high) / 2)
        return np.where(known, inside, between)

    def values_of(self, scores: np.ndarray) -> np.ndarray:
        """Values of scores: the inverse of `scores` for every value seen in fit."""
        knots = np.stack([self.low, self.high], axis=1).ravel()
        doubled = np.repeat(self.values.astype(np.float64), 2)
        return self.grid.snap(np.interp(scores, knots, doubled), self.values.dtype)


@dataclass(frozen=True)
class NumericCodec:
    """A numeric column: normal scores of its spread-out values beside a level for what is not spread out.

    The level says whether a cell is spread out (0), one of the `atoms`, values that each make up at least 5 %
    of the cells, or missing. The score of an atom or a missing cell is not observed: it is masked in the loss
    and never filled in. Columns without atoms and missing cells have no level at all.
    """

    scores: NormalScores
    atoms: np.ndarray
    missing_code: int
    n_levels: tuple[int, ...]
    n_num: int = 1

    @classmethod
    def fit(cls, column: Column, atom_share: float = 0.05) -> NumericCodec:
        """Separate the atoms, and rank the rest."""
        observed = column.observed
        values, counts = np.unique(observed, return_counts=True)
        atoms = values[(counts >= atom_share * len(column)) & (counts > 1)]
        spread = observed[~np.isin(observed, atoms)]
        if not len(spread):  # every value is frequent: ranks serve as well as levels
            atoms, spread = atoms[:0], observed
        missing_code = 1 + len(atoms) if column.missing.any() else -1
        n_states = 1 + len(atoms) + int(missing_code >= 0)
        return cls(NormalScores.fit(spread), atoms, missing_code, (n_states,) if n_states > 1 else ())

    def encode(self, column: Column, rng: np.random.Generator) -> Features:
        """Score the spread-out cells and flag the others. Raises `SchemaError` as `LevelCodec.encode` does."""
        if column.missing.any() and self.missing_code < 0:
            raise SchemaError(_unseen_message(column, self.atoms[:0], self.scores.values))
        state = np.zeros(len(column), dtype=np.int64)
        if len(self.atoms):
            place = np.minimum(np.searchsorted(self.atoms, column.values), len(self.atoms) - 1)
            state = np.where(self.atoms[place] == column.values, 1 + place, 0)
        state = np.where(column.missing, self.missing_code, state)
        spread = state == 0
        num = np.zeros(len(column))
        num[spread] = self.scores.scores(column.values[spread], rng)
        cat = state[:, None] if self.n_levels else _no_features(len(column), np.int64)
        return Features(num[:, None], spread[:, None], cat)

    def decode(self, features: Features, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the value of each score, or the atom that the level names."""
        values = self.scores.values_of(features.num[:, 0])
        if not self.n_levels:
            return values, np.zeros(len(values), dtype=bool)
        state = features.cat[:, 0]
        missing = state == self.missing_code
        atom = (state > 0) & ~missing
        values[atom] = self.atoms[state[atom] - 1]
        return values, missing
