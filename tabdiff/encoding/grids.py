"""Where the values of a numeric column may lie: whole numbers, decimals, multiples of something."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Grid", "share_of_way"]

MAX_DECIMALS = 8
INT64 = np.iinfo(np.int64)
MAX_EXACT = 2**53  # beyond, float64 skips integers


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
                step = np.gcd.reduce(gaps(grid.to_ticks(values)), initial=np.uint64(0))
                return cls(values.dtype, decimals, max(int(step), 1))
        return cls(values.dtype, decimals=0, step=0)

    def _holds(self, values: np.ndarray) -> bool:
        if self.dtype.kind == "i":
            return True
        with np.errstate(over="ignore"):  # what overflows is too large for the grid
            small = np.abs(values.astype(np.float64) * 10.0**self.decimals) <= MAX_EXACT
        return bool(small.all()) and np.array_equal(self.to_values(self.to_ticks(values)), values)

    def joined(self, values: np.ndarray) -> Grid:
        """The coarsest grid that holds these values, and all that this one holds; values as in `detect`.

        They must hold two of this grid's own values, or all that there are.
        """
        found = Grid.detect(values)
        if not self.step or not found.step:
            return Grid(self.dtype, decimals=0, step=0)
        decimals = max(self.decimals, found.decimals)
        steps = (grid.step * 10 ** (decimals - grid.decimals) for grid in (self, found))
        grid = Grid(self.dtype, decimals, math.gcd(*steps))
        return grid if grid._holds(values) else Grid(self.dtype, decimals=0, step=0)

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

    def draw_between(
        self, low: Any, high: Any, anchor: Any, n: int, rng: np.random.Generator
    ) -> np.ndarray | None:
        """Draw n of the values on the grid in [low, high], all equally likely; None if there is none.

        anchor: a value on the grid.
        """
        if not low <= high:
            return None
        if not self.step:
            share = rng.random(n)
            return np.clip(low * (1 - share) + high * share, low, high).astype(self.dtype)
        start = int(self.to_ticks(np.array([anchor], dtype=self.dtype))[0])
        places = [(self._tick_of(bound) - start) // self.step for bound in (low, high)]
        # neighbours are tried too, for the products of floats are rounded
        first = next((t for t in self._around(start, places[0]) if self._value(t) >= low), None)
        last = next((t for t in reversed(self._around(start, places[1])) if self._value(t) <= high), None)
        if first is None or last is None or first > last:
            return None
        n_steps = rng.integers(0, (last - first) // self.step, n, endpoint=True, dtype=np.uint64)
        ticks = np.array([first]).view(np.uint64) + n_steps * np.uint64(self.step)
        return self.to_values(ticks.view(np.int64))

    def _tick_of(self, bound: Any) -> int:
        return math.floor(bound if self.dtype.kind == "i" else float(bound) * 10**self.decimals)

    def _around(self, start: int, place: int) -> list[int]:
        """Ticks at some steps around a place, counted from start, that int64 holds."""
        ticks = [start + (place + k) * self.step for k in range(-1, 3)]
        return [tick for tick in ticks if INT64.min <= tick <= INT64.max]

    def _value(self, tick: int) -> Any:
        return self.to_values(np.array([tick]))[0]


def gaps(ticks: np.ndarray) -> np.ndarray:
    """Distances between neighbours of sorted int64, unsigned: the widest is more than int64 holds."""
    return np.diff(ticks.view(np.uint64))


def share_of_way(ticks: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How far ticks lie on the way from left to right, in [0, 1]; 0 where all three are equal."""
    if ticks.dtype.kind == "i":
        way, gap = (end.view(np.uint64) - left.view(np.uint64) for end in (ticks, right))
        return way / np.maximum(gap, np.uint64(1))
    scale = np.maximum(np.abs(left), np.abs(right))  # the gap alone may be more than float64 holds
    scale[scale == 0] = 1
    gap = right / scale - left / scale
    return (ticks / scale - left / scale) / np.where(gap > 0, gap, 1)
