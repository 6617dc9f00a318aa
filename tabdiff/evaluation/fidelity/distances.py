"""Distances between two samples of one column, and the bins that they are counted in: pure functions.

A distance that is not defined, since one side has no values, is the worst: 1, or infinity for `quantile_gap`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from tabdiff.evaluation.comparison import ColumnLayout, Comparison

__all__ = [
    "binned",
    "ks_of_counts",
    "level_groups",
    "quantile_edges",
    "quantile_gap",
    "spread",
    "tv_of_counts",
]

LARGEST = 1e100  # scaled values beyond it count as if they were at it


def ks_of_counts(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(...) Kolmogorov-Smirnov distance, sup |F_1 - F_2|, at the edges of ordered bins.

    first, second: (..., n_bins) counts. 1 where one side alone is empty, 0 where both are.
    """
    return _defined(lambda p, q: np.abs(np.cumsum(p - q, axis=-1)).max(axis=-1), first, second)


def tv_of_counts(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(...) total variation distance, half of sum |p_1 - p_2|; arguments as in `ks_of_counts`."""
    return _defined(lambda p, q: np.abs(p - q).sum(axis=-1) / 2, first, second)


def _defined(
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray], first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    n, m = first.sum(axis=-1, keepdims=True), second.sum(axis=-1, keepdims=True)
    found = distance(first / np.maximum(n, 1), second / np.maximum(m, 1))
    empty, other_empty = n[..., 0] == 0, m[..., 0] == 0
    return np.where(empty | other_empty, (empty != other_empty).astype(np.float64), found)


def quantile_gap(first: np.ndarray, second: np.ndarray, scale: float) -> float:
    """Wasserstein's distance, the area between both quantile functions, by the scale; inf if one is empty."""
    if not len(first) or not len(second):
        return 0.0 if len(first) == len(second) else math.inf
    # scaled first: a difference of two huge numbers may overflow
    with np.errstate(over="ignore"):
        scaled = [np.clip(values / scale, -LARGEST, LARGEST) for values in (first, second)]
    return float(stats.wasserstein_distance(*scaled))


def spread(values: np.ndarray) -> float:
    """IQR; where it is 0 the standard deviation, and 1 for constants and for nothing."""
    if not len(values):
        return 1.0
    low, high = np.quantile(values, [0.25, 0.75])
    with np.errstate(over="ignore"):
        found = float(high - low) or float(values.std())
    return found if 0 < found < math.inf else 1.0


def quantile_edges(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Inner edges of bins with about equally many of these values; one that fills a bin has it for itself."""
    if not len(values):
        return np.empty(0)
    ordered = np.sort(values)
    inner, counts = np.unique(
        np.quantile(ordered, np.arange(1, n_bins) / n_bins, method="lower"), return_counts=True
    )
    filling = inner[(counts > 1) | (inner == ordered[0])]
    after = np.searchsorted(ordered, filling, side="right")
    return np.unique(np.concatenate([inner[inner > ordered[0]], ordered[after[after < len(ordered)]]]))


def binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(n,) bin of each value, edge e opens bin e + 1; NaN in a last bin of its own, len(edges) + 1."""
    bins = np.searchsorted(edges, values, side="right")
    return np.where(np.isnan(values), len(edges) + 1, bins)


def level_groups(comparison: Comparison, column: ColumnLayout, n_groups: int) -> tuple[np.ndarray, list[int]]:
    """Levels pooled by their frequency in real rows.

    Returns ((n_levels + 1,) group of each code, that of missing cells last; codes of the levels that have a
    group of their own, the most frequent first). One group of the rest and one of missing cells follow.
    """
    cells = comparison.real.column(column)
    n_real = column.n_real_levels
    counts = np.bincount(cells[cells >= 0], minlength=n_real)[:n_real]
    kept = np.argsort(-counts, kind="stable")[:n_groups]
    groups = np.full(len(column.levels) + 1, len(kept))
    groups[kept] = np.arange(len(kept))
    groups[-1] = len(kept) + 1
    return groups, kept.tolist()
