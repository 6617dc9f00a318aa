"""How near windows are to those of the training series, which none of the published scores tells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from tabdiff.errors import InputError
from tabdiff.evaluation.arguments import seed_of
from tabdiff.evaluation.published.series.windows import read_windows

__all__ = ["nearest_window_distance", "nearest_window_ratio"]

MAX_QUERIES = 1_000
ROWS_AT_A_TIME = 64


def nearest_window_ratio(train: Any, fake: Any, holdout: Any, seed: int) -> float:
    """Median distance of fake windows to the nearest train window, over that of holdout windows; 0 or more.

    train, fake, holdout: windows (n, L, D) in [0, 1]; holdout must not overlap in time with train.
    Returns a float. About 1 is what new windows of the same law have; near 0 are copies, or points between
    overlapping windows. Above 1, fake windows lie farther off than real ones. If holdout follows train in
    time and the series drifts, holdout windows lie far away and a ratio below 1 is no proof of copying.

    Raises `InputError` for windows that are not scaled, complete or of equal shape, and if most holdout
    windows occur in train.
    Source: none of the field; see `nearest_window_distance` for distance and seed.
    """
    near = nearest_window_distance(train, holdout, seed)
    if near == 0:
        raise InputError(
            "At least half of the `holdout` windows occur in `train` unchanged, so they are no yardstick. "
            "Pass windows of a part of the series that was not trained on."
        )
    return nearest_window_distance(train, fake, seed) / near


def nearest_window_distance(train: Any, windows: Any, seed: int) -> float:
    """Median Euclidean distance of windows, all cells of one beside each other, to the nearest train window.

    train, windows: (n, L, D) in [0, 1]. seed: draws 1,000 of more windows than that, without replacement; all
    train windows are searched.
    """
    reference, queries = read_windows(train=train, windows=windows)
    rng = np.random.default_rng(seed_of(seed))
    if len(queries) > MAX_QUERIES:
        queries = queries[rng.choice(len(queries), MAX_QUERIES, replace=False)]
    return float(np.median(_nearest(_flat(reference), _flat(queries))))


def _flat(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    return windows.reshape(len(windows), -1)


def _nearest(reference: NDArray[np.float64], queries: NDArray[np.float64]) -> NDArray[np.float64]:
    """(q,) distance of each query to the nearest reference row; exact, so that a copy is at 0."""
    starts = range(0, len(queries), ROWS_AT_A_TIME)
    return np.concatenate(
        [cdist(queries[start : start + ROWS_AT_A_TIME], reference).min(axis=1) for start in starts]
    )
