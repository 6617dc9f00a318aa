"""How near windows of steps come to those of train, beside what fresh real windows do."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

__all__ = ["nearest_distances", "weighted_median", "windows"]

BLOCK = 500


def windows(
    features: np.ndarray, offsets: np.ndarray, length: int, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(m, length * F) windows of consecutive steps of one entity, at most so many, and the entity of each.

    features: (N, F), entity after entity. All windows if they are few enough, else a draw without replacement
    from those that begin every `length` steps.
    """
    lengths = np.diff(offsets)
    starts = np.concatenate([np.arange(a, b - length + 1) for a, b in pairwise(offsets)])
    owner = np.repeat(np.arange(len(lengths)), np.maximum(lengths - length + 1, 0))
    if len(starts) > most:
        kept = (starts - offsets[owner]) % length == 0
        starts, owner = starts[kept], owner[kept]
    if len(starts) > most:
        kept = np.sort(rng.permutation(len(starts))[:most])
        starts, owner = starts[kept], owner[kept]
    return features[starts[:, None] + np.arange(length)].reshape(
        len(starts), length * features.shape[1]
    ), owner


def nearest_distances(points: np.ndarray, train: np.ndarray) -> np.ndarray:
    """(n,) Euclidean distance of each point to the nearest of train, at least one; (n, D) and (m, D)."""
    squares = (train**2).sum(axis=1)
    out = np.empty(len(points))
    for start in range(0, len(points), BLOCK):
        own = points[start : start + BLOCK]
        nearest = np.argmin(squares - 2 * own @ train.T, axis=1)
        # the squared form cannot tell a copy from a close neighbour, the difference can
        out[start : start + BLOCK] = np.sqrt(((own - train[nearest]) ** 2).sum(axis=1))
    return out


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The least value with at least half of the weight at or below it; NaN without weight."""
    if not weights.sum():
        return float("nan")
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])
