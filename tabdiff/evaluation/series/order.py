"""Which step follows which: runs of levels, and how numbers go on and go together within an entity."""

from __future__ import annotations

import numpy as np

__all__ = ["centred", "cross_correlations", "lag_correlations", "lag_sums", "ngrams", "product_sums"]

TINY = 1e-9


def ngrams(codes: np.ndarray, owner: np.ndarray, n: int, n_levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of all runs of n steps within one entity, and the entity of each: two (m,) arrays of int64.

    codes: (N,) levels from 0 to n_levels - 1, entity after entity. owner: (N,) entity of each step. The run
    a, b, c has the number (a * n_levels + b) * n_levels + c.
    """
    m = max(len(codes) - n + 1, 0)
    numbers = np.zeros(m, dtype=np.int64)
    for i in range(n):
        numbers = numbers * n_levels + codes[i : i + m]
    whole = owner[:m] == owner[n - 1 : n - 1 + m]
    return numbers[whole], owner[:m][whole]


def centred(values: np.ndarray, owner: np.ndarray, n_entities: int) -> np.ndarray:
    """(N, F) values less the mean of their entity; 0 where missing, which adds nothing to products."""
    out = np.empty(values.shape)
    for j, cells in enumerate(values.T):
        observed = ~np.isnan(cells)
        filled = np.where(observed, cells, 0.0)
        counts = np.bincount(owner, weights=observed, minlength=n_entities)
        means = np.bincount(owner, weights=filled, minlength=n_entities) / np.maximum(counts, 1)
        out[:, j] = np.where(observed, cells - means[owner], 0.0)
    return out


def lag_sums(values: np.ndarray, owner: np.ndarray, n_entities: int) -> np.ndarray:
    """(n_entities, 2 F) sums of z_t z_(t+1), then of z_t ** 2, with z the values less the entity's mean.

    values: (N, F), NaN where missing, each entity in its order.
    """
    z = centred(values, owner, n_entities)
    follows = owner[1:] == owner[:-1]
    products = z[:-1][follows] * z[1:][follows]
    out = np.zeros((n_entities, 2 * values.shape[1]))
    np.add.at(out[:, : values.shape[1]], owner[1:][follows], products)
    np.add.at(out[:, values.shape[1] :], owner, z**2)
    return out


def lag_correlations(sums: np.ndarray) -> np.ndarray:
    """(F,) autocorrelations at lag 1 from the `lag_sums` of some entities; 0 for what never changes."""
    products, squares = np.split(sums, 2)
    return np.where(squares > TINY, products / np.maximum(squares, TINY), 0.0)


def product_sums(values: np.ndarray, owner: np.ndarray, n_entities: int) -> np.ndarray:
    """(n_entities, F * F) sums of products of two columns of the same step, less the entity's means."""
    z = centred(values, owner, n_entities)
    n_columns = values.shape[1]
    out = np.zeros((n_entities, n_columns, n_columns))
    for j in range(n_columns):
        np.add.at(out[:, j], owner, z[:, [j]] * z)
    return out.reshape(n_entities, -1)


def cross_correlations(sums: np.ndarray) -> np.ndarray:
    """(F * (F - 1) / 2,) correlations of every pair of columns from their `product_sums`."""
    size = round(len(sums) ** 0.5)
    products = sums.reshape(size, size)
    scale = np.sqrt(np.outer(products.diagonal(), products.diagonal()))
    return np.where(scale > TINY, products / np.maximum(scale, TINY), 0.0)[np.triu_indices(size, 1)]
