"""Numbers and times of several columns, counted in ticks that they share, so that sums come out exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabdiff.schema import Column, Storage

__all__ = ["Measure", "decimals_of", "measures_of", "unit_ratio"]

MAX_DECIMALS = 8
MAX_TICKS = 2**53  # beyond, float64 skips integers
MAX_WHOLE = 2**60  # leaves room for sums of a few
UNITS = ("D", "s", "ms", "us", "ns")
IN_NS = {"D": 86_400 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def unit_ratio(coarse: str, fine: str) -> int:
    """How many of the finer unit make one of the coarser."""
    return IN_NS[coarse] // IN_NS[fine]


@dataclass(frozen=True)
class Measure:
    """How the cells of one column are counted in ticks.

    decimals: a tick is 10^-decimals; -1: the columns lie on no grid, and ticks are the values themselves, as
    float64. unit: of the ticks of times. step: ticks between neighbours on the column's own grid.
    template: the column without cells.
    """

    template: Column
    decimals: int
    unit: str | None
    step: int

    @property
    def exact(self) -> bool:
        """Whether ticks are whole numbers."""
        return self.decimals >= 0

    def ticks(self, column: Column, up: bool | None = None) -> np.ndarray:
        """Count cells in ticks, (n,) int64 or float64; those at missing cells mean nothing.

        up: which way a value off the grid is rounded, None for the nearest tick.
        """
        values = np.where(column.missing, 0, column.values)
        if self.unit is not None and column.unit is not None:
            return _counted(values, column.unit, self.unit, up)
        if not self.exact:
            return values.astype(np.float64)
        if values.dtype.kind in "iub":
            return values.astype(np.int64) * 10**self.decimals
        scaled = values.astype(np.float64) * 10.0**self.decimals
        ticks = np.rint(scaled)
        if up is not None:
            off = (ticks / 10.0**self.decimals).astype(values.dtype) != values
            ticks = np.where(off, np.ceil(scaled) if up else np.floor(scaled), ticks)
        return ticks.astype(np.int64)

    def on_grid(self, ticks: np.ndarray, up: bool) -> np.ndarray:
        """Ticks moved up or down to the column's own grid."""
        if not self.exact or self.step == 1:
            return ticks
        return -(-ticks // self.step) * self.step if up else ticks // self.step * self.step

    def values(self, ticks: np.ndarray) -> np.ndarray:
        """The values of ticks, as the column holds them; the nearest of its grid."""
        dtype = self.template.values.dtype
        if not self.exact:
            return np.rint(ticks).astype(dtype) if dtype.kind == "i" else ticks.astype(dtype)
        if dtype.kind == "i":
            return ((ticks + self.step // 2) // self.step).astype(dtype)
        return (ticks / 10.0**self.decimals).astype(dtype)

    def bound(self, value: Any) -> float | int:
        """A value of the column in ticks, as a plain number."""
        if self.unit is not None:
            return int(value) * self.step
        return float(value) * 10.0 ** max(self.decimals, 0)


def _counted(values: np.ndarray, unit: str, tick_unit: str, up: bool | None) -> np.ndarray:
    if IN_NS[unit] >= IN_NS[tick_unit]:
        return values.astype(np.int64) * unit_ratio(unit, tick_unit)
    ratio = unit_ratio(tick_unit, unit)
    return -(-values // ratio) if up else values // ratio


def measures_of(columns: Sequence[Column], tolerant: bool = False) -> list[Measure] | None:
    """Ticks that columns of numbers, of times or of durations share; None if they overflow.

    tolerant: count floats that miss a decimal grid by a rounding error as if they were on it.
    """
    templates = [column.without_cells() for column in columns]
    if any(column.unit for column in columns):
        units = [column.unit or "ns" for column in columns]
        finest = max(units, key=UNITS.index)
        steps = [unit_ratio(unit, finest) for unit in units]
        if any(_largest(c) * step > MAX_WHOLE for c, step in zip(columns, steps, strict=True)):
            return None
        return [Measure(t, 0, finest, step) for t, step in zip(templates, steps, strict=True)]
    own = [decimals_of(column, tolerant) for column in columns]
    decimals = -1 if None in own else max(places for places in own if places is not None)
    limit = MAX_TICKS if any(column.storage == Storage.FLOAT for column in columns) else MAX_WHOLE
    if any(_largest(column) * 10**decimals > limit for column in columns):
        if limit == MAX_WHOLE:
            return None
        decimals = -1
    if decimals < 0:
        return [Measure(template, -1, None, 1) for template in templates]
    return [
        Measure(t, decimals, None, 10 ** (decimals - (places or 0)))
        for t, places in zip(templates, own, strict=True)
    ]


def _largest(column: Column) -> int | float:
    observed = column.observed
    if not len(observed):
        return 0
    return max(abs(observed.max().item()), abs(observed.min().item()))


def decimals_of(column: Column, tolerant: bool = False) -> int | None:
    """The fewest decimals that write every number of a column, up to 8; None if more are needed.

    tolerant: a relative error of four units in the last place is forgiven.
    """
    values = column.observed
    if column.storage != Storage.FLOAT:
        return 0
    few = values[:: 1 + len(values) // 200]
    slack = 4 * np.finfo(values.dtype).eps if tolerant else 0.0
    for decimals in range(MAX_DECIMALS + 1):
        if _written(few, decimals, slack) and _written(values, decimals, slack):
            return decimals
    return None


def _written(values: np.ndarray, decimals: int, slack: float) -> bool:
    with np.errstate(over="ignore"):  # what overflows is too large for the grid
        ticks = np.rint(values.astype(np.float64) * 10.0**decimals)
    if not (np.abs(ticks) <= MAX_TICKS).all():
        return False
    back = (ticks / 10.0**decimals).astype(values.dtype)
    return bool((np.abs(back - values) <= slack * np.abs(values)).all())
