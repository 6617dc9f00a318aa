"""What entities have of their own: the variance of numbers between them, and context that does not change."""

from __future__ import annotations

import numpy as np

__all__ = ["share_between", "variance_sums", "varying"]


def variance_sums(values: np.ndarray, owner: np.ndarray, n_entities: int) -> np.ndarray:
    """(n_entities, 5 F) n, sum, sum of squares, sum ** 2 / n, and 1 if n > 0, for each column in turn.

    values: (N, F), NaN where missing.
    """
    observed = ~np.isnan(values)
    filled = np.where(observed, values, 0.0)
    sums = [np.zeros((n_entities, values.shape[1])) for _ in range(3)]
    for total, cells in zip(sums, (observed, filled, filled**2), strict=True):
        np.add.at(total, owner, cells)
    n, total, squares = sums
    parts = [n, total, squares, total**2 / np.maximum(n, 1), n > 0]
    return np.stack(parts, axis=2).reshape(n_entities, -1).astype(np.float64)


def share_between(sums: np.ndarray) -> np.ndarray:
    """(F,) share of the variance that lies between entities: 1 - (SSW / (N - E)) / (SST / (N - 1)).

    sums: (5 F,) `variance_sums` of E entities. 0 on average if entities have nothing of their own, 1 if
    steps of an entity are alike; 0 where it is not defined.
    Source: Kelley 1935 (epsilon squared), the unbiased relative of the intraclass correlation.
    """
    n, total, squares, of_entities, entities = sums.reshape(-1, 5).T
    within = (squares - of_entities) / np.maximum(n - entities, 1)
    overall = (squares - total**2 / np.maximum(n, 1)) / np.maximum(n - 1, 1)
    defined = (n > entities) & (overall > 1e-12)
    return np.where(defined, 1 - within / np.where(defined, overall, 1.0), 0.0)


def varying(cells: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(n_entities,) bool: entities within which a column changes. cells: (N,), missing as NaN or -1."""
    first = np.repeat(cells[offsets[:-1]], np.diff(offsets))
    alike = (cells == first) | ((cells != cells) & (first != first))
    return np.add.reduceat((~alike).astype(np.int64), offsets[:-1]) > 0
