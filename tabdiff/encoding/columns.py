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

MAX_KNOTS = 250_000
MAX_DECIMALS = 8
MAX_EXACT = 2**53  # beyond, float64 skips integers


@dataclass(frozen=True)
class Features:
    """What a codec makes of n cells.

    num: (n, 0 or 1) float64. observed: the same shape, False where `num` means nothing.
    cat: (n, 0 or 1) int64.
    """

    num: np.ndarray
    observed: np.ndarray
    cat: np.ndarray


class Codec(Protocol):
    """A reversible code of one column."""

    @property
    def n_num(self) -> int:
        """Number of numeric features: 0 or 1."""
        ...

    @property
    def n_levels(self) -> tuple[int, ...]:
        """Number of levels of the categorical feature, if there is one."""
        ...

    def knows(self, column: Column) -> np.ndarray:
        """Which cells can be encoded: (n,) bool."""
        ...

    def encode(self, column: Column, rng: np.random.Generator | None) -> Features:
        """Turn cells into features; draws decide where in its ranks a value lies, the middle if None."""
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

    def knows(self, column: Column) -> np.ndarray:
        """Cells with the value."""
        return ~column.missing & (column.values == self.value)

    def encode(self, column: Column, rng: np.random.Generator | None) -> Features:
        """Make no features. Raises `SchemaError` for cells that are missing or hold another value."""
        unseen = np.unique(column.observed[column.observed != self.value])
        _check_known(column, unseen, np.array([self.value]), may_miss=False)
        n = len(column)
        return Features(_no_features(n, float), _no_features(n, bool), _no_features(n, np.int64))

    def decode(self, features: Features, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Repeat the value."""
        n = len(features.num)
        return np.full(n, self.value), np.zeros(n, dtype=bool)


@dataclass(frozen=True)
class LevelCodec:
    """A categorical column: one level for each value, one for the pooled rare values, one for missing.

    values: (V,) sorted values of the column. counts: (V,) how often each occurs. code_of: (V,) its level.
    Values that occur in fewer than ten rows (fewer still in tables under 10,000 rows) share a level, and come
    back in their own proportions.
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
        n_kept = int((~rare).sum())
        code_of = np.where(rare, n_kept, np.cumsum(~rare) - 1)
        n_levels = n_kept + int(rare.any())
        missing_code = n_levels if column.missing.any() else -1
        return cls(values, counts, code_of, missing_code, (n_levels + int(missing_code >= 0),))

    def knows(self, column: Column) -> np.ndarray:
        """Cells with a value that fit has seen, and missing ones if it has seen such."""
        return np.where(column.missing, self.missing_code >= 0, _look_up(column.values, self.values)[1])

    def encode(self, column: Column, rng: np.random.Generator | None) -> Features:
        """Look each value up. Raises `SchemaError` for values unseen in fit, or missing where none was."""
        values = np.where(column.missing, self.values[0], column.values)
        place, found = _look_up(values, self.values)
        _check_known(column, np.unique(values[~found]), self.values, may_miss=self.missing_code >= 0)
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


def _look_up(values: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of each value among the known ones, which are sorted, and whether it is there at all."""
    if not len(known):
        return np.zeros(len(values), dtype=np.int64), np.zeros(len(values), dtype=bool)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return place, known[place] == values


def _check_known(column: Column, unseen: np.ndarray, known: np.ndarray, may_miss: bool) -> None:
    """Raise `SchemaError` if there are unseen values, or missing ones that may not be."""
    if len(unseen):
        raise SchemaError(
            f"column {column.name!r} has values unseen in fit: {_examples(column, unseen, 5)}. Known: "
            f"{_examples(column, known, 10)}. Fit again, or map them first."
        )
    if column.missing.any() and not may_miss:
        raise SchemaError(
            f"column {column.name!r} has {column.missing.sum()} missing values but had none in fit. Fill "
            "them, or fit again."
        )


def _examples(column: Column, values: np.ndarray, limit: int) -> str:
    shown = ", ".join(repr(column.describe(value)) for value in values[:limit])
    return f"[{shown}{', ...' if len(values) > limit else ''}]"


@dataclass(frozen=True)
class Grid:
    """Where the values of a numeric column may lie.

    dtype: of the values. A column of integers, or of floats with at most 8 decimals, lies on a grid: each
    value is a whole number of ticks of 10^-decimals, and two values differ by a multiple of `step` ticks. A
    continuous column has step 0, and its ticks are the values themselves, as float64.
    """

    dtype: np.dtype
    decimals: int
    step: int

    @classmethod
    def detect(cls, values: np.ndarray) -> Grid:
        """Find the coarsest grid that holds every value exactly; values: sorted, distinct, finite."""
        few = values[:: 1 + len(values) // 1000]
        for decimals in range(MAX_DECIMALS + 1):
            grid = cls(values.dtype, decimals, step=1)
            if grid._holds(values[[0, -1]]) and grid._holds(few) and grid._holds(values):
                step = np.gcd.reduce(_gaps(grid.to_ticks(values)), initial=np.uint64(0))
                return cls(values.dtype, decimals, max(int(step), 1))
        return cls(values.dtype, decimals=0, step=0)

    def _holds(self, values: np.ndarray) -> bool:
        if self.dtype.kind == "i":
            return True
        with np.errstate(over="ignore"):  # what overflows is too large for the grid
            small = np.abs(values.astype(np.float64) * 10.0**self.decimals) <= MAX_EXACT
        return bool(small.all()) and np.array_equal(self.to_values(self.to_ticks(values)), values)

    def to_ticks(self, values: np.ndarray) -> np.ndarray:
        """Count values in ticks, rounded to whole ones: int64 on a grid, else float64."""
        if not self.step:
            return values.astype(np.float64)
        if self.dtype.kind == "i":
            return values.astype(np.int64)
        return np.rint(values.astype(np.float64) * 10.0**self.decimals).astype(np.int64)

    def to_values(self, ticks: np.ndarray) -> np.ndarray:
        """Return the values of ticks, in the column's own dtype."""
        if self.dtype.kind == "i":
            return ticks
        return (ticks / 10.0**self.decimals).astype(self.dtype)

    def between(self, left: np.ndarray, right: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Ticks on the grid at `share` of the way from left to right: left itself for 0."""
        if not self.step:
            return np.clip(left * (1 - share) + right * share, left, right)
        # counted from the left in unsigned steps: exact, where float64 would skip times in nanoseconds
        step = np.uint64(self.step)
        n_steps = (right.view(np.uint64) - left.view(np.uint64)) // step
        share = np.minimum(share, 1 - 2**-53)  # keeps the product below 2^64
        taken = np.minimum(np.rint(share * n_steps).astype(np.uint64), n_steps)
        return (left.view(np.uint64) + taken * step).view(np.int64)


def _gaps(ticks: np.ndarray) -> np.ndarray:
    """Distances between neighbours of sorted int64, unsigned: the widest is more than int64 holds."""
    return np.diff(ticks.view(np.uint64))


def _share(ticks: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How far ticks lie on the way from left to right, in [0, 1]; 0 where all three are equal."""
    if ticks.dtype.kind == "i":
        way, gap = (end.view(np.uint64) - left.view(np.uint64) for end in (ticks, right))
        return way / np.maximum(gap, np.uint64(1))
    scale = np.maximum(np.abs(left), np.abs(right))  # the gap alone may be more than float64 holds
    scale[scale == 0] = 1
    gap = right / scale - left / scale
    return (ticks / scale - left / scale) / np.where(gap > 0, gap, 1)


@dataclass(frozen=True)
class NormalScores:
    """Randomised normal scores: a monotone map between a column's values and N(0, 1).

    The k-th of n sorted cells has the ranks (k - 1) / n to k / n. A value that occurs once is put at the
    middle of its ranks. A value that occurs several times owns the union of its ranks and is put at a random
    place inside, so that the scores are standard normal whatever the ties. Back, a score between the places
    of two values falls between the values, on the column's grid.

    ticks: (V,) the sorted, distinct values, counted by `grid`. low, high: (V,) scores between which value v
    is returned exactly. They are float32 numbers, so that scores survive the precision of `MixedBatch`.
    Source: the probability integral transform for discontinuous laws, Rüschendorf 2009
    (doi:10.1016/j.jspi.2009.05.030). DIFFERS: a value that occurs once is not put at random, so that it comes
    back exactly.
    """

    grid: Grid
    ticks: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def fit(cls, observed: np.ndarray) -> NormalScores:
        """Rank the observed values (at least one)."""
        values, counts = np.unique(observed, return_counts=True)
        grid = Grid.detect(values)
        upper, inset = np.cumsum(counts), np.where(counts > 1, 0, 0.5)
        low, high = upper - counts + inset, upper - inset
        keep = _spread_over_ranks(upper)
        n = len(observed)
        return cls(grid, grid.to_ticks(values[keep]), _score(low[keep] / n), _score(high[keep] / n))

    def scores(self, values: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Scores of values, (n,) -> (n,) float64. Unseen values lie between the others, or at the ends."""
        ticks = self.grid.to_ticks(np.clip(values, *self.grid.to_values(self.ticks[[0, -1]])))
        left = np.searchsorted(self.ticks, ticks, side="right") - 1
        right = np.minimum(left + 1, len(self.ticks) - 1)
        share = _share(ticks, self.ticks[left], self.ticks[right])
        scores = self.high[left] + share * (self.low[right] - self.high[left])
        tied = (self.ticks[left] == ticks) & (self.low[left] < self.high[left])
        scores[tied] = _draw(self.low[left[tied]], self.high[left[tied]], rng)
        return scores

    def values_of(self, scores: np.ndarray) -> np.ndarray:
        """Values of scores: the inverse of `scores` for every value seen in fit."""
        left = np.maximum(np.searchsorted(self.low, scores, side="right") - 1, 0)
        right = np.minimum(left + 1, len(self.ticks) - 1)
        from_left, gap = scores - self.high[left], self.low[right] - self.high[left]
        between = (from_left > 0) & (gap > 0)
        share = np.divide(from_left, gap, out=np.zeros(len(scores)), where=between)
        return self.grid.to_values(self.grid.between(self.ticks[left], self.ticks[right], share))


def _spread_over_ranks(upper: np.ndarray) -> np.ndarray:
    """Which of V values to keep: all, or those that own one of `MAX_KNOTS` evenly spread ranks.

    upper: (V,) highest rank of each value. By ranks, because a frequent value must never be left out.
    """
    if len(upper) <= MAX_KNOTS:
        return np.arange(len(upper))
    owners = np.searchsorted(upper, np.linspace(1, upper[-1], MAX_KNOTS))
    return owners[np.diff(owners, prepend=-1) > 0]


def _score(rank: np.ndarray) -> np.ndarray:
    """Score of a rank in [0, 1], rounded to float32; the ends are kept finite."""
    return ndtri(np.clip(rank, 1e-9, 1 - 1e-9)).astype(np.float32).astype(np.float64)


def _draw(low: np.ndarray, high: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Draw from N(0, 1) between low and high (None: the median), and stay inside when rounded to float32."""
    ranks = ndtr(low), ndtr(high)
    rank = (ranks[0] + ranks[1]) / 2 if rng is None else rng.uniform(*ranks)
    ends = ((low, np.inf), (high, -np.inf))
    inner = [np.nextafter(end.astype(np.float32), np.float32(inside)) for end, inside in ends]
    return np.clip(ndtri(rank).astype(np.float32), *inner).astype(np.float64)


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
        spread = observed[~_look_up(observed, atoms)[1]]
        if not len(spread):  # every value is frequent: ranks serve as well as levels
            atoms, spread = atoms[:0], observed
        missing_code = 1 + len(atoms) if column.missing.any() else -1
        n_states = 1 + len(atoms) + int(missing_code >= 0)
        return cls(NormalScores.fit(spread), atoms, missing_code, (n_states,) if n_states > 1 else ())

    def knows(self, column: Column) -> np.ndarray:
        """All numbers, and missing cells if fit has seen such."""
        return ~column.missing | (self.missing_code >= 0)

    def encode(self, column: Column, rng: np.random.Generator | None) -> Features:
        """Score the spread-out cells and flag the others. Raises `SchemaError` for missing where none was."""
        _check_known(column, unseen=self.atoms[:0], known=self.atoms, may_miss=self.missing_code >= 0)
        place, is_atom = _look_up(column.values, self.atoms)
        state = np.where(column.missing, self.missing_code, np.where(is_atom, 1 + place, 0))
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
