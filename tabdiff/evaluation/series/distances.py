"""Distances of two distributions that are given as counts of the same cells; NaN where one is empty."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["jensen_shannon", "kolmogorov_smirnov", "transition_distance"]


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> float:
    """Jensen-Shannon divergence to base 2, no root taken: 0 for equal shares, 1 for none in common.

    first, second: (K,) counts.
    """
    if not first.sum() or not second.sum():
        return math.nan
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2
    parts = [float((a[a > 0] * np.log2(a[a > 0] / middle[a > 0])).sum()) for a in (p, q)]
    return min(1.0, max(0.0, sum(parts) / 2))


def kolmogorov_smirnov(first: np.ndarray, second: np.ndarray) -> float:
    """Largest difference of the two distribution functions; first, second: (K,) counts of ordered values."""
    if not first.sum() or not second.sum():
        return math.nan
    return float(np.abs(np.cumsum(first) / first.sum() - np.cumsum(second) / second.sum()).max())


def transition_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Total variation of where a level leads, averaged over the levels as the second has them.

    first, second: (K * K,) counts of a level and the next, the next one fastest. A level that never leads on
    in the first counts as 1.
    """
    size = math.isqrt(len(second))
    tables = [counts.reshape(size, size).astype(np.float64) for counts in (first, second)]
    if not all(table.sum() for table in tables):
        return math.nan
    rows = [table / np.maximum(table.sum(axis=1, keepdims=True), 1e-300) for table in tables]
    apart = np.where(tables[0].sum(axis=1) > 0, np.abs(rows[0] - rows[1]).sum(axis=1) / 2, 1.0)
    weights = tables[1].sum(axis=1)
    return float((apart * weights).sum() / weights.sum())
