"""Whether the holdout can be a control at all: attacks compare train with it, so it must be of the same law.

After a split by time, by region or by device it is not. Attacks then find what tells train from the holdout,
and would call that a leak.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from tabdiff.evaluation.comparison import ColumnLayout, Comparison
from tabdiff.evaluation.privacy.units import MIN_UNITS, Side, Units

__all__ = ["column_drift", "drift", "refusal"]

ROWS = 5_000  # of each side, at most
N_BINS = 10
MIN_COUNT = 10  # cells of both sides together in one bin
ALPHA = 1e-4
# at 0.15 (a shift of 0.4 standard deviations in two of fourteen columns) attacks on 4,000 rows of each side
# call a perfect table a leak, at 0.08 they do not. That much is left to them.
MIN_DISTANCE = 0.1


def refusal(comparison: Comparison, units: Units, alike: bool = True) -> str:
    """Why no attack can be judged, with the numbers; "" if it can.

    alike: whether train and the holdout must look like samples of one law.
    """
    if not comparison.has_holdout:
        return "no holdout: pass real rows that the generator never saw, to tell learned from copied"
    if comparison.train_groups is not None and comparison.holdout_groups is not None:
        named = np.unique(comparison.holdout_groups[comparison.holdout_groups >= 0])
        shared = int(np.isin(named, comparison.train_groups).sum())
        if shared:
            return f"{shared} of {len(named)} holdout entities are in train too: split by entity"
    n, m = units.train.n_units, units.holdout.n_units
    if min(n, m) < MIN_UNITS:
        return f"{n} {units.what} in train and {m} in the holdout: at least {MIN_UNITS} of each are needed"
    return drift(comparison, units) if alike else ""


def drift(comparison: Comparison, units: Units) -> str:
    """How train and holdout differ, by the column that differs most; "" if as samples of one law may.

    Each unit counts once, and each column alone: distances are of shares in tenths of real rows, or of
    levels. Synthetic rows have no part in it, so that no leak can hide behind it.
    """
    rng = comparison.rng("privacy.control")
    train = comparison.train[_one_of_each(units.train, rng)]
    holdout = comparison.holdout[_one_of_each(units.holdout, rng)]
    columns = comparison.layout.modelled
    found = [column_drift(train.column(column), holdout.column(column), column) for column in columns]
    certain = [
        (distance, place)
        for place, (distance, p) in enumerate(found)
        if distance > MIN_DISTANCE and p * len(columns) < ALPHA
    ]
    if not certain:
        return ""
    distance, place = max(certain)
    return (
        f"train and the holdout are not alike: {len(certain)} of {len(columns)} columns differ, most of all "
        f"{columns[place].name!r} (distance {distance:.2f}, p = {found[place][1]:.1e}); attacks would take "
        "that for membership. Hold out random rows, leave out such columns as times, or name a `group` whose "
        "rows belong together"
    )


def _one_of_each(side: Side, rng: np.random.Generator) -> np.ndarray:
    """Row numbers of one row of each unit, of at most `ROWS` units."""
    first = np.unique(side.units, return_index=True)[1]
    return side.rows[rng.permutation(first)[:ROWS]]


def column_drift(first: np.ndarray, second: np.ndarray, column: ColumnLayout) -> tuple[float, float]:
    """Total variation distance of two samples of one column, and the p-value of "they are of one law".

    Pearson's test of homogeneity on bins; rare ones are pooled.
    """
    if column.kind == "numeric":
        first, second = _binned(first, second)
    codes, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    counts = [np.bincount(part, minlength=len(codes)) for part in (place[: len(first)], place[len(first) :])]
    table = np.stack(counts).astype(np.float64)
    rare = table.sum(axis=0) < MIN_COUNT
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    n, m = table.sum(axis=1)
    distance = float(np.abs(table[0] / n - table[1] / m).sum() / 2)
    if table.shape[1] < 2:
        return distance, 1.0
    gaps = table[0] * np.sqrt(m / n) - table[1] * np.sqrt(n / m)
    return distance, float(stats.chi2.sf((gaps**2 / table.sum(axis=0)).sum(), table.shape[1] - 1))


def _binned(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of numbers among tenths of both samples, -1 where missing."""
    both = np.concatenate([first, second])
    both = both[~np.isnan(both)]
    if not len(both):
        return np.full(len(first), -1), np.full(len(second), -1)
    edges = np.unique(np.quantile(both, np.arange(N_BINS) / N_BINS, method="inverted_cdf"))
    bins = (np.searchsorted(edges, part, side="right") for part in (first, second))
    codes = [np.where(np.isnan(part), -1, place) for part, place in zip((first, second), bins, strict=True)]
    return codes[0], codes[1]
