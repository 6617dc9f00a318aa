"""Linear scores: numbers of smooth series, standardised and nothing more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import rankdata

from tabdiff.encoding.grids import Grid
from tabdiff.encoding.scores import NormalScores
from tabdiff.schema import Column

__all__ = ["LinearScores", "is_smooth", "passed_values"]

SMOOTH = 1.0


@dataclass(frozen=True)
class LinearScores:
    """(value - mean) / sd, in place of `NormalScores` where they would bend what is straight.

    Of a smooth series the steps count more than the levels: a map by ranks stretches the same step where
    values are dense and squeezes it where they are rare, and channels whose differences say something, such
    as a high and a low, are no longer linear in each other. Back, a score becomes the nearest value on the
    column's grid between the ends of the law.

    law: the ranks of the values, by which cells are drawn and ends are kept. mean, sd: of the cells of fit.
    """

    law: NormalScores
    mean: float
    sd: float

    @classmethod
    def of(cls, law: NormalScores) -> LinearScores | None:
        """Standardise the values of a law; None if they have no finite standard deviation above 0."""
        values = law.grid.to_values(law.ticks).astype(np.float64)
        if not len(values):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(np.average(values, weights=law.counts))
            sd = float(np.sqrt(np.average((values - mean) ** 2, weights=law.counts)))
            finite = np.isfinite([mean, sd, values[-1] - values[0]]).all()
        return cls(law, mean, sd) if finite and sd > 0 else None

    @property
    def grid(self) -> Grid:
        """Where values may lie."""
        return self.law.grid

    @property
    def ticks(self) -> np.ndarray:
        """The values of the law, counted by `grid`: (V,)."""
        return self.law.ticks

    @property
    def n(self) -> int:
        """Number of cells that were ranked."""
        return self.law.n

    @property
    def ends(self) -> np.ndarray:
        """The lowest and the highest value, or none if there are none."""
        return self.law.ends

    def scores(self, values: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Scores of values, (n,) -> (n,) float64; nothing is drawn. Values beyond the ends count as these."""
        if not len(self.ticks):
            return np.zeros(len(values))
        return (np.clip(values, *self.ends).astype(np.float64) - self.mean) / self.sd

    def values_of(self, scores: np.ndarray) -> np.ndarray:
        """Values of scores: the inverse of `scores` up to the precision of float32, exact on coarse grids."""
        low, high = self.ends.astype(np.float64)
        way = high - low
        share = np.zeros(len(scores)) if not way else (self.mean + self.sd * scores - low) / way
        left, right = (np.broadcast_to(tick, len(scores)).copy() for tick in self.ticks[[0, -1]])
        return self.grid.to_values(self.grid.between(left, right, np.clip(share, 0, 1)))

    def range_of(self, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
        """As of the law: ranges are in its scores, not in those of `scores`."""
        return self.law.range_of(low, high)

    def draw_between(self, first: float, last: float, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw n values of the law between two of its scores, both included."""
        return self.law.draw_between(first, last, n, rng)

    def released(self, k: int) -> LinearScores:
        """With no value that stands for fewer than k cells."""
        return replace(self, law=self.law.released(k))

    def extended(self, observed: np.ndarray) -> LinearScores:
        """With more cells in the law; scores stay what they are, as the network knows them."""
        return replace(self, law=self.law.extended(observed))


def is_smooth(column: Column, follows: np.ndarray) -> bool:
    """Whether the numbers of series hang together from step to step.

    column: of n cells, series after series; follows: (n,) bool, whether a cell is of the same series as the
    one before. By the ratio of von Neumann on ranks: the mean squared difference of neighbours over the
    variance, which is 2 for values in random order and 0 for straight lines. Smooth is below 1: a correlation
    of neighbours above one half.
    Source: Bartels 1982 (doi:10.1080/01621459.1982.10477764).
    """
    both = follows[1:] & ~column.missing[1:] & ~column.missing[:-1]
    if not both.any():
        return False
    ranks = np.zeros(len(column))
    ranks[~column.missing] = rankdata(column.observed)
    variance = ranks[~column.missing].var()
    return bool(variance > 0 and np.mean(np.diff(ranks)[both] ** 2) < SMOOTH * variance)


def passed_values(column: Column, follows: np.ndarray) -> np.ndarray:
    """Values of a smooth column that series pass through and mostly leave with the next step, sorted.

    However frequent, they are points on a line: taken out of it as values of their own kind they would leave
    holes. A value that is held for steps on end, such as 0 at night, is another matter.
    """
    both = follows[1:] & ~column.missing[1:] & ~column.missing[:-1]
    now, then = column.values[:-1][both], column.values[1:][both]
    values, place, count = np.unique(now, return_inverse=True, return_counts=True)
    stays = np.bincount(place, now == then, minlength=len(values))
    return values[stays < count / 2]
