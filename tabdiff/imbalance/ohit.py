"""OHIT: new rows for a class of few rows and many columns, such as series cut flat.

Clusters of the class, and a Gaussian for each, its covariance shrunk as columns are more than rows.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from sklearn.covariance import ledoit_wolf_shrinkage

__all__ = ["dense_clusters", "ohit"]

MIN_ROWS_TO_CLUSTER = 10
CORE_RATIO = 0.9


def ohit(X: np.ndarray, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows like those of X: (n_draws, d) float64, in no order.

    X: (n, d) finite, at least one row; rows are compared by Euclidean distance, so columns should be of one
    scale. Every row of X stands for equally many draws, which its cluster makes, from a Gaussian with its
    mean and its Ledoit-Wolf covariance. A cluster of one row repeats it.

    Source: Zhu, Luo, Zhang, Li, Ren and Zeng 2022, "Minority oversampling for imbalanced time series
    classification", Knowledge-Based Systems 247, 108764.
    """
    # DIFFERS: the authors draw up to a quarter more and keep the most probable, which shrinks the spread
    X = np.asarray(X, dtype=np.float64)
    clusters = dense_clusters(X)
    of_draws = clusters[np.resize(rng.permutation(len(X)), n_draws)]
    drawn = np.empty((n_draws, X.shape[1]))
    for label in np.unique(of_draws):
        places = np.flatnonzero(of_draws == label)
        drawn[places] = _gaussian(X[clusters == label], len(places), rng)
    return drawn


def _gaussian(X: np.ndarray, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of N(mean of X, Ledoit-Wolf covariance of X): (n_draws, d).

    That covariance is (1 - a) S + a tr(S) / d I with S = C'C / n of the centred rows C, so that weighted sums
    of the rows of C and white noise make the draws, and no matrix of d x d is ever held.
    Source: Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices".
    """
    n, d = X.shape
    mean = X.mean(axis=0)
    if n == 1:
        return np.repeat(mean[None], n_draws, axis=0)
    shrinkage = min(max(float(ledoit_wolf_shrinkage(X)), 0.0), 1.0)
    centred = X - mean
    of_rows = rng.standard_normal((n_draws, n)) @ centred * math.sqrt((1 - shrinkage) / n)
    scale = math.sqrt(shrinkage * np.square(centred).sum() / (n * d))
    return mean + of_rows + scale * rng.standard_normal((n_draws, d))


def dense_clusters(X: np.ndarray) -> np.ndarray:
    """The cluster of each row, counted from 0: (n,) int64; all rows are one cluster if there are few of them.

    Rows that share nearest neighbours are similar. A row is a core if it is about as dense, by similarity to
    those that it is most similar to and that are so to it, as the rows around it. A core that is among the
    most similar ones of another is of its cluster, and so are the rows around them.

    Source: Zhu et al. 2022, DRSNN, with the authors' k, kappa and threshold; the similarity is Jarvis and
    Patrick's, weighted by ranks.
    """
    n = len(X)
    if n < MIN_ROWS_TO_CLUSTER:
        return np.zeros(n, dtype=np.int64)
    distance = cdist(X, X)
    similarity = _shared(distance, k=math.ceil(1.25 * math.sqrt(n)))
    near = _top(similarity, math.ceil(math.sqrt(n)))
    linked = _top(similarity, math.ceil(1.25 * math.sqrt(n)))
    density = np.where(linked & linked.T, similarity, 0.0).sum(axis=1)
    around = near & (density > 0)
    mean_around = around @ density / np.maximum(around.sum(axis=1), 1)
    core = (density > 0) & (density > CORE_RATIO * mean_around)
    if not core.any():
        return np.zeros(n, dtype=np.int64)
    reached = near & core[:, None] & core[None]
    _, labels = connected_components(reached, directed=False)
    return _completed(np.where(core, labels, -1), distance, near)


def _shared(distance: np.ndarray, k: int) -> np.ndarray:
    """Similarity by shared neighbours: (n, n), the sum over them of (k + 1 - rank) (k + 1 - rank).

    distance: (n, n). k: how many neighbours a row has; their ranks, one by each of the two, count from 1.
    """
    others = distance.copy()
    np.fill_diagonal(others, np.inf)
    nearest = np.argsort(others, axis=1, kind="stable")[:, :k]
    weight = np.zeros_like(distance)
    np.put_along_axis(weight, nearest, np.arange(k, 0, -1.0)[None], axis=1)
    similarity = weight @ weight.T
    np.fill_diagonal(similarity, 0.0)
    return similarity


def _top(similarity: np.ndarray, k: int) -> np.ndarray:
    """Which rows are among the k most similar ones of each row: (n, n) bool.

    DIFFERS: rows that share no neighbour are not among them, even if there are fewer than k others: small
    clusters that lie far apart would be joined.
    """
    most = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    top = np.zeros(similarity.shape, dtype=bool)
    np.put_along_axis(top, most, True, axis=1)
    return top & (similarity > 0)


def _completed(labels: np.ndarray, distance: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Clusters of all rows, counted from 0, from those of the cores; others are -1.

    A row joins the cluster of the nearest core that has it among its most similar ones, else of the nearest.
    DIFFERS: the authors leave out rows that no core reaches, and repeat them; a row repeated adds nothing and
    gives a real case away.
    """
    cores = np.flatnonzero(labels >= 0)
    reach = np.where(near[cores], distance[cores], np.inf)
    reach = np.where(np.isfinite(reach).any(axis=0), reach, distance[cores])
    joined = np.where(labels >= 0, labels, labels[cores[reach.argmin(axis=0)]])
    return np.unique(joined, return_inverse=True)[1].astype(np.int64)
