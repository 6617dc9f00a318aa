"""How much likelier some cells are together than in independent columns, estimated from rows by kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["RatioKernel", "fill", "level_shares", "resample"]

CHUNK = 2**18
MAX_CENTRES = 4096
REACH = 6.0
MIN_GROUP = 40


@dataclass(frozen=True)
class RatioKernel:
    """A kernel estimate of p(x) / prod_j p_j(x_j), x being the scores and levels of some columns.

    Scores are standard normal under the columns' own laws p_j. Their kernels are Gaussian: each group of
    centres with the same levels has its own covariance times h^2, h by the normal reference rule, and its
    centres are moved towards their mean by sqrt(1 - h^2), so that the estimate has the covariance of the
    centres. A score that is unobserved is drawn from N(0, 1) (`fill`), among
    centres and points alike: its own law has the same density, so that it cancels.
    Levels have the kernel of Aitchison and Aitken with the own law in place of the uniform one: the estimated
    ratio of a level is (count + 1) / (expected count + 1), where "expected" is by the own law.

    centres: (m, F) moved scores. levels: (m, C). groups: rows of each group, and the covariance (F, F) of its
    kernel. shares: for each of the C, the shares of its levels under the own law.
    Source: Silverman 1986, chapter 4 (covariance, h); West 1993 (J. R. Stat. Soc. B 55, 409; moved
    centres); Aitchison and Aitken 1976 (doi:10.1093/biomet/63.3.413).
    DIFFERS: the last smooths towards the uniform law. Here the ratio is smoothed towards independence, which
    is what a level without rows should fall back to.
    """

    centres: np.ndarray
    levels: np.ndarray
    groups: tuple[tuple[np.ndarray, np.ndarray], ...]
    shares: tuple[np.ndarray, ...]

    @classmethod
    def fit(
        cls, scores: np.ndarray, levels: np.ndarray, shares: Sequence[np.ndarray], rng: np.random.Generator
    ) -> RatioKernel:
        """Put a kernel on each of m rows; scores: (m, F), NaN where unobserved, levels: (m, C)."""
        scores = fill(scores, rng)
        centres, groups = scores.copy(), []
        for rows in _groups(levels):
            part = scores[rows]
            h = _bandwidth(*part.shape)
            mean = part.mean(axis=0)
            centres[rows] = mean + np.sqrt(1 - h**2) * (part - mean)
            spread = _covariance(part if len(part) >= MIN_GROUP else scores)
            groups.append((rows, h**2 * (spread + 1e-6 * np.eye(len(spread)))))
        return cls(centres, levels, tuple(groups), tuple(shares))

    def of_first(self, n_scores: int, n_levels: int) -> RatioKernel:
        """The same kernels on the first scores and levels only."""
        groups = tuple((rows, cov[:n_scores, :n_scores]) for rows, cov in self.groups)
        return RatioKernel(
            self.centres[:, :n_scores], self.levels[:, :n_levels], groups, self.shares[:n_levels]
        )

    def log_ratio(self, scores: np.ndarray, levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Log of the ratio at n points: (n,). scores: (n, F), without NaN; levels: (n, C).

        At most `MAX_CENTRES` centres are asked, those within reach of the points; rng chooses among too many.
        """
        if scores.shape[1] or not levels.shape[1]:
            return self._at(scores, levels, *self._within_reach(scores, rng))
        levels, place = np.unique(levels, axis=0, return_inverse=True)  # few points differ
        everyone = np.ones(len(self.centres), dtype=bool), 1.0
        return self._at(scores[:1].repeat(len(levels), axis=0), levels, *everyone)[place.reshape(-1)]

    def _within_reach(self, scores: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """Centres (m,) bool that matter at the points, and for how many each of them stands."""
        apart = np.zeros(len(self.centres))
        for rows, covariance in self.groups:
            root = np.linalg.cholesky(covariance)
            points = np.linalg.solve(root, scores.T)
            centres = np.linalg.solve(root, self.centres[rows].T)
            beyond = np.maximum(points.min(axis=1)[:, None] - centres, centres - points.max(axis=1)[:, None])
            apart[rows] = (np.maximum(beyond, 0) ** 2).sum(axis=0)
        reach = max(REACH**2, np.sort(apart)[min(len(apart), MAX_CENTRES) - 1])
        near = np.flatnonzero(apart <= reach)
        chosen = np.zeros(len(apart), dtype=bool)
        chosen[rng.permutation(near)[:MAX_CENTRES]] = True
        return chosen, len(near) / chosen.sum()

    def _at(self, scores: np.ndarray, levels: np.ndarray, chosen: np.ndarray, worth: float) -> np.ndarray:
        """Log of the ratio at points, so few at a time that memory stays in the cache."""
        place = np.cumsum(chosen) - 1
        parts = [(rows[chosen[rows]], cov) for rows, cov in self.groups]
        parts = [(rows, cov) for rows, cov in parts if len(rows)]
        bells = [(place[rows], _Bell.around(self.centres[rows], cov)) for rows, cov in parts]
        step = max(1, CHUNK // int(chosen.sum()))
        found = np.empty(len(scores))
        for first in range(0, len(scores), step):
            chunk = slice(first, first + step)
            logs = self._log_levels(levels[chunk], self.levels[chosen])
            if scores.shape[1]:
                for rows, bell in bells:
                    columns = slice(None) if len(bells) == 1 else rows
                    logs[:, columns] += bell.logs(scores[chunk])
            highest = logs.max(axis=1, keepdims=True)
            logs -= highest
            np.exp(logs, out=logs)
            found[chunk] = highest[:, 0] + np.log(logs.sum(axis=1) * worth / len(self.centres))
        return found + (scores**2 / 2 + np.log(2 * np.pi) / 2).sum(axis=1)

    def _log_levels(self, levels: np.ndarray, centres: np.ndarray) -> np.ndarray:
        """Logs of the levels' kernels over their own shares: (n, m) float32, centres: (m, C)."""
        n_centres = len(self.centres)
        logs = np.zeros((len(levels), len(centres)), dtype=np.float32)
        for c, share in enumerate(self.shares):
            own = share[levels[:, c]]
            apart = 1 / (n_centres * own + 1)
            equal = np.log(apart + (1 - apart) / own).astype(np.float32)
            same = levels[:, c, None] == centres[None, :, c]
            logs += np.where(same, equal[:, None], np.log(apart).astype(np.float32)[:, None])
        return logs


@dataclass(frozen=True)
class _Bell:
    """Normal kernels of one covariance: their centres, whitened about their mean."""

    mean: np.ndarray
    root: np.ndarray
    centres: np.ndarray
    squares: np.ndarray

    @classmethod
    def around(cls, centres: np.ndarray, covariance: np.ndarray) -> _Bell:
        """Kernels around m centres (m, F) with the covariance (F, F)."""
        mean, root = centres.mean(axis=0), np.linalg.cholesky(covariance)
        white = np.linalg.solve(root, (centres - mean).T).astype(np.float32)
        scale = np.log(np.diag(root)).sum() + len(root) / 2 * np.log(2 * np.pi)
        return cls(mean, root, white, ((white**2).sum(axis=0) / 2 + scale).astype(np.float32))

    def logs(self, points: np.ndarray) -> np.ndarray:
        """Log densities (n, m) float32 at n points (n, F)."""
        white = np.linalg.solve(self.root, (points - self.mean).T).T.astype(np.float32)
        logs = white @ self.centres
        logs -= self.squares
        logs -= (white**2).sum(axis=1, keepdims=True) / 2
        return logs


def fill(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The scores with draws from N(0, 1) where they are NaN."""
    return np.where(np.isnan(scores), rng.standard_normal(scores.shape), scores)


def _groups(levels: np.ndarray) -> list[np.ndarray]:
    """Rows that have all levels in common; those with too few companions together in one group."""
    if not levels.shape[1]:
        return [np.arange(len(levels))]
    _, group, counts = np.unique(levels, axis=0, return_inverse=True, return_counts=True)
    group = np.where(counts[group.reshape(-1)] < MIN_GROUP, -1, group.reshape(-1))
    return [np.flatnonzero(group == one) for one in np.unique(group)]


def _covariance(scores: np.ndarray) -> np.ndarray:
    apart = scores - scores.mean(axis=0)
    return apart.T @ apart / len(scores)


def _bandwidth(n: int, n_features: int) -> float:
    """Factor of the standard deviation: (4 / ((F + 2) n))^(1 / (F + 4)), at most 0.9."""
    return float(min(0.9, (4 / ((n_features + 2) * n)) ** (1 / (n_features + 4))))


def level_shares(levels: np.ndarray, n_levels: int) -> np.ndarray:
    """Shares (n_levels,) of levels 0, 1, ... among the cells (n,), at least that of half a cell."""
    counts = np.bincount(levels, minlength=n_levels)
    return np.maximum(counts, 0.5) / len(levels)


def resample(log_weights: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Draw n places by weight, in random order, and the effective number of the weighted points.

    Systematic: a place comes back as often as its share of n tells, give or take one. The effective number is
    (sum w)^2 / sum w^2, at most n. Source: Kitagawa 1996 (doi:10.1080/10618600.1996.10474692).
    """
    weights = np.exp(log_weights - log_weights.max())
    ends = np.cumsum(weights) / weights.sum()
    ends[-1] = 1.0
    places = np.searchsorted(ends, (np.arange(n) + rng.uniform()) / n, side="right")
    effective = weights.sum() ** 2 / (weights**2).sum()
    return rng.permutation(np.minimum(places, len(ends) - 1)), float(min(n, effective))
