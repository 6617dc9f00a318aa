"""Normal scores: a monotone map between the values of a column and standard normal numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from tabdiff.encoding.grids import Grid, share_of_way

__all__ = ["NormalScores"]

MAX_KNOTS = 250_000
END = 8.0  # all scores of values lie closer to zero


@dataclass(frozen=True)
class NormalScores:
    """Randomised normal scores: a monotone map between a column's values and N(0, 1).

    The k-th of n sorted cells has the ranks (k - 1) / n to k / n. A value that occurs once is put at the
    middle of its ranks. A value that occurs several times owns the union of its ranks and is put at a random
    place inside, so that the scores are standard normal whatever the ties. Back, a score between the places
    of two values falls between the values, on the column's grid.

    ticks: (V,) the sorted, distinct values, counted by `grid`. low, high: (V,) scores between which value v
    is returned exactly. They are float32 numbers, so that scores survive the precision of `MixedBatch`.
    counts: (V,) how many cells each value stands for. n: number of cells that were ranked, more than the sum
    of counts where values were left out. V is 0 only if `released` had too few cells.
    Source: the probability integral transform for discontinuous laws, Rüschendorf 2009
    (doi:10.1016/j.jspi.2009.05.030). DIFFERS: a value that occurs once is not put at random, so that it comes
    back exactly.
    """

    grid: Grid
    ticks: np.ndarray
    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray
    n: int

    @classmethod
    def fit(cls, observed: np.ndarray) -> NormalScores:
        """Rank the observed values (at least one)."""
        values, counts = np.unique(observed, return_counts=True)
        upper, tied = np.cumsum(counts), counts > 1
        return cls._at(Grid.detect(values), values, counts, upper - counts / 2, tied, upper, len(observed))

    @classmethod
    def _at(
        cls,
        grid: Grid,
        values: np.ndarray,
        counts: np.ndarray,
        middle: np.ndarray,
        tied: np.ndarray,
        upper: np.ndarray,
        n: int,
    ) -> NormalScores:
        """Put (V,) values at their middle ranks, those that are tied at all ranks of their own cells.

        upper: (V,) the highest rank of each value. n: number of cells.
        """
        keep = _spread_over_ranks(upper)
        half = np.where(tied, counts / 2, 0)[keep]
        ranks = middle[keep] - half, middle[keep] + half
        low, high = (_score(rank / upper[-1]) for rank in ranks)
        return cls(grid, grid.to_ticks(values[keep]), low, high, counts[keep], n)

    def scores(self, values: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Scores of values, (n,) -> (n,) float64. Unseen values lie between the others, or at the ends."""
        if not len(self.ticks):
            return np.zeros(len(values))
        ticks = self.grid.to_ticks(np.clip(values, *self.ends))
        left = np.searchsorted(self.ticks, ticks, side="right") - 1
        right = np.minimum(left + 1, len(self.ticks) - 1)
        share = share_of_way(ticks, self.ticks[left], self.ticks[right])
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

    @property
    def ends(self) -> np.ndarray:
        """The lowest and the highest value, or none if there are none."""
        return (
            self.grid.to_values(self.ticks[[0, -1]]) if len(self.ticks) else self.grid.to_values(self.ticks)
        )

    # --- parts of the law ---------------------------------------------------------------------------------

    def range_of(self, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
        """First and last score whose values lie in [low, high], (m,) each; the last < the first if none does.

        low, high: (m,) values, or None for no bound; m is 1 if there is none at all.
        """
        bounds = [bound for bound in (low, high) if bound is not None]
        n = len(bounds[0]) if bounds else 1
        first, last = np.full(n, -END), np.full(n, END)
        if low is not None:
            first = self._turn(lambda values: values >= low, n)[1]
        if high is not None:
            last = self._turn(lambda values: values > high, n)[0]
        return first, last

    def _turn(self, reached: Callable[[np.ndarray], np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
        """Neighbouring scores between which n claims on the value turn true for good, by bisection.

        Infinite where they are true or false at all scores.
        """
        left, right = np.full(n, -END), np.full(n, END)
        at_once, at_last = reached(self.values_of(left)), reached(self.values_of(right))
        for _ in range(64):  # halves of the way of 16 reach the spacing of float64 in fewer
            middle = (left + right) / 2
            yes = reached(self.values_of(middle))
            left, right = np.where(yes, left, middle), np.where(yes, middle, right)
        left = np.where(at_once, -np.inf, np.where(at_last, left, END))
        return left, np.where(at_once, -END, np.where(at_last, right, np.inf))

    def draw_between(self, first: float, last: float, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw n values of the law between two scores, both included."""
        scores = ndtri(rng.uniform(ndtr(first), ndtr(last), n))
        return self.values_of(np.clip(scores, first, last))

    # --- other versions -----------------------------------------------------------------------------------

    def released(self, k: int) -> NormalScores:
        """The scores with no value that stands for fewer than k cells.

        Neighbours that are each rarer are merged in groups of at least k cells, whose mean (on the grid)
        takes the middle rank of the group. A few rare values between two frequent ones, or at an end, are
        left out instead. The distribution function differs by at most 2 k / n from the exact one.
        """
        group = _groups(self.counts, k)
        kept = np.flatnonzero(group >= 0)
        if len(kept) == len(self.ticks) and group[-1:] == len(group) - 1:
            return self
        first = kept[np.diff(group[kept], prepend=-1) > 0]
        if not len(first):
            none = self.counts[:0]
            return NormalScores(self.grid, self.ticks[:0], self.low[:0], self.high[:0], none, self.n)
        last = kept[np.diff(group[kept], append=len(group)) > 0]
        counts = np.bincount(group[kept], self.counts[kept]).astype(np.int64)
        ends = np.repeat(first, last - first + 1), np.repeat(last, last - first + 1)
        way = share_of_way(self.ticks[kept], self.ticks[ends[0]], self.ticks[ends[1]])
        mean = np.bincount(group[kept], way * self.counts[kept]) / counts
        ticks = self.grid.between(self.ticks[first], self.ticks[last], mean)
        lower, upper = self._own_ranks()
        middle = _score((lower[first] + upper[last]) / 2 / self.n)
        alone = first == last
        low, high = (np.where(alone, end[first], middle) for end in (self.low, self.high))
        return NormalScores(self.grid, ticks, low, high, counts, self.n)

    def extended(self, observed: np.ndarray) -> NormalScores:
        """The scores of the cells ranked so far, as far as they are known, and of these together."""
        if not len(observed):
            return self
        if not len(self.ticks):
            return NormalScores.fit(observed)
        old = self.grid.to_values(self.ticks)
        new, new_counts = np.unique(observed.astype(old.dtype), return_counts=True)
        values = np.union1d(old, new)
        weights, counts, tied = np.zeros(len(values)), np.zeros(len(values), int), np.zeros(len(values), bool)
        place = np.searchsorted(values, old)
        weights[place], counts[place], tied[place] = self._weights(), self.counts, self.low < self.high
        single = (counts == 1) & ~tied
        place = np.searchsorted(values, new)
        tied[place] |= (new_counts + single[place]) > 1
        weights[place] += new_counts
        counts[place] += new_counts
        upper = np.cumsum(weights)
        grid = self.grid.joined(values)
        n = self.n + len(observed)
        return NormalScores._at(grid, values, counts, upper - weights / 2, tied, upper, n)

    def _own_ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the cells of each value begin and end among all cells: (V,) ranks in [0, n]."""
        middle = (ndtr(self.low) + ndtr(self.high)) / 2 * self.n
        return middle - self.counts / 2, middle + self.counts / 2

    def _weights(self) -> np.ndarray:
        """How many cells each value stands for, those left out counted half to both neighbours: (V,)."""
        lower, upper = self._own_ranks()
        # whole numbers of cells: what float32 scores add or lose is rounded away
        before = np.maximum(np.rint(np.append(lower, self.n) - np.append(0, upper)), 0)
        before[1:-1] /= 2
        return self.counts + before[1:] + before[:-1]


def _groups(counts: np.ndarray, k: int) -> np.ndarray:
    """Number of the group of each of V sorted values, -1 for those left out: see `NormalScores.released`."""
    group = np.full(len(counts), -1)
    n_groups, first, held, follows = 0, 0, 0, False
    for i, count in enumerate([*counts.tolist(), k]):  # the last one closes the last run of rare values
        if count < k:
            held += count
            if held >= k:
                group[first : i + 1] = n_groups
                n_groups, first, held, follows = n_groups + 1, i + 1, 0, True
            continue
        if held and follows:
            group[first:i] = n_groups - 1
        if i < len(counts):
            group[i] = n_groups
            n_groups += 1
        first, held, follows = i + 1, 0, False
    return group


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
