"""Conditions read off the synthetic table that single out one real record.

A condition is written from synthetic rows alone and then tried on all real rows. The records that are the
only one to meet some condition are, under the null, a random draw from both sides, whatever their sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabdiff.evaluation.comparison import ColumnLayout, Comparison, Rows
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.intervals import fisher_greater, wilson
from tabdiff.evaluation.privacy.control import refusal
from tabdiff.evaluation.privacy.units import Units, units_of
from tabdiff.evaluation.registry import register

__all__ = ["Condition", "extremes", "from_row", "risk", "singled_out", "singling_out"]

WINDOW = 0.1  # share of synthetic rows on either side of a number
CELLS = 300_000_000  # to be looked at before conditions become fewer than the budget's attacks
MIN_CONDITIONS = 200


@dataclass(frozen=True)
class Condition:
    """low <= cell <= high in one column, or the cell is missing. share: of synthetic rows that meet it."""

    column: ColumnLayout
    low: float
    high: float
    missing: bool
    share: float

    def met(self, cells: np.ndarray) -> np.ndarray:
        """(n,) bool. Codes are taken as numbers: a level is the window from itself to itself."""
        if self.missing:
            return np.isnan(cells) if cells.dtype.kind == "f" else cells < 0
        return (cells >= self.low) & (cells <= self.high)


@register("privacy.singling_out")
def singling_out(comparison: Comparison, rng: np.random.Generator) -> Estimate:
    """How much more often a condition singles out a train record than a holdout record, sizes being equal."""
    name = "privacy.singling_out"
    units = units_of(comparison)
    why = refusal(comparison, units)
    if not why and not comparison.layout.modelled:
        why = "every column is an identifier"
    if why:
        return not_assessable(name, why)
    n_pool = units.train.n_units + units.holdout.n_units
    n_tried = min(comparison.budget.n_attacks, max(MIN_CONDITIONS, CELLS // n_pool))
    drawn = rng.integers(len(comparison.synthetic), size=n_tried)
    sorted_cells = {c.name: _sorted(comparison.synthetic, c) for c in comparison.layout.modelled}
    tried = extremes(comparison.layout.of_kind("numeric"), comparison.synthetic)
    tried += [from_row(comparison, int(row), sorted_cells, n_pool, rng) for row in drawn]
    hit = singled_out(tried, comparison.train, comparison.holdout, units)
    distinct = np.unique(hit[hit >= 0])
    k, k_control = int((distinct < units.train.n_units).sum()), int((distinct >= units.train.n_units).sum())
    value, lo, hi = risk(int((hit >= 0).sum()), len(tried), k, k_control, units)
    return Estimate(
        name,
        value,
        lo,
        hi,
        ideal=0.0,
        floor=0.0,
        bad=1.0,
        n=len(tried),
        n_effective=float(len(distinct)),
        method="Wilson, on distinct records; p by Fisher's exact test on them",
        p_value=fisher_greater(k, units.train.n_units, k_control, units.holdout.n_units),
        note=f"{len(tried)} conditions single out {k} train and {k_control} holdout records",
        details={"conditions": len(tried), "k_train": k, "k_holdout": k_control, **units.counts},
    )


def risk(n_hits: int, n_tried: int, k: int, k_control: int, units: Units) -> tuple[float, float, float]:
    """Share of conditions that single out a train record, less that of a holdout of the same size; interval.

    k, k_control: distinct records singled out on either side.
    """
    odds = units.train.n_units / units.holdout.n_units
    if k + k_control == 0:
        most = wilson(0, n_tried)[1]
        return 0.0, -most * odds, most
    rate = n_hits / n_tried

    def excess(share: float) -> float:
        return rate * (share - (1 - share) * odds)

    lo, hi = wilson(k, k + k_control)
    return excess(k / (k + k_control)), excess(lo), excess(hi)


def _sorted(rows: Rows, column: ColumnLayout) -> np.ndarray:
    return np.sort(rows.column(column)[~rows.missing(column)])


def extremes(columns: list[ColumnLayout], synthetic: Rows) -> list[list[Condition]]:
    """Two conditions for each number: beyond the largest and beyond the smallest synthetic value."""
    found = []
    for column in columns:
        present = _sorted(synthetic, column)
        if len(present):
            share = 1 / len(synthetic)
            found.append([Condition(column, float(present[-1]), np.inf, False, share)])
            found.append([Condition(column, -np.inf, float(present[0]), False, share)])
    return found


def from_row(
    comparison: Comparison,
    row: int,
    sorted_cells: dict[object, np.ndarray],
    n_pool: int,
    rng: np.random.Generator,
) -> list[Condition]:
    """Windows around the cells of one synthetic row, in random columns, until about one record should fit.

    Windows and no single values: a value that is only taken over from a real column would name its owner.
    """
    chosen: list[Condition] = []
    expected = float(n_pool)
    columns = comparison.layout.modelled
    for place in rng.permutation(len(columns)):
        if expected <= 1:
            break
        column = columns[place]
        condition = _around(comparison.synthetic, column, row, sorted_cells[column.name])
        expected *= condition.share
        chosen.append(condition)
    return chosen


def _around(synthetic: Rows, column: ColumnLayout, row: int, present: np.ndarray) -> Condition:
    cell = synthetic.column(column)[row]
    n = len(synthetic)
    if np.isnan(cell) or (column.kind == "categorical" and cell < 0):
        return Condition(column, np.nan, np.nan, True, 1 - len(present) / n)
    if column.kind == "categorical":
        low = high = float(cell)
    else:
        at, width = int(np.searchsorted(present, cell)), int(WINDOW * len(present))
        low = float(present[max(0, at - width)])
        high = float(present[min(len(present) - 1, at + width)])
    inside = np.searchsorted(present, high, side="right") - np.searchsorted(present, low)
    return Condition(column, low, high, False, float(inside) / n)


def singled_out(tried: list[list[Condition]], train: Rows, holdout: Rows, units: Units) -> np.ndarray:
    """(t,) the one unit whose rows meet all conditions, train units first; -1 where none or several do."""
    real = train[units.train.rows] + holdout[units.holdout.rows]
    unit = np.concatenate([units.train.units, units.train.n_units + units.holdout.units])
    hit = np.full(len(tried), -1, dtype=np.int64)
    for attempt, conditions in enumerate(tried):
        left = np.arange(len(unit))
        for condition in conditions:
            cells = real.column(condition.column)
            left = left[condition.met(cells if len(left) == len(unit) else cells[left])]
        if len(left) and (unit[left] == unit[left[0]]).all():
            hit[attempt] = unit[left[0]]
    return hit
