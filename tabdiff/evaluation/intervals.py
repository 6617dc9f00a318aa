"""Intervals and tests for the numbers of this package: pure functions on arrays.

All take two-sided levels (0.95) and return plain floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

__all__ = [
    "AucResult",
    "bootstrap_weights",
    "clopper_pearson",
    "delong_auc",
    "fisher_greater",
    "holm",
    "newcombe",
    "normal_interval",
    "paired_bootstrap",
    "seeded_interval",
    "wilson",
]


class AucResult(NamedTuple):
    """Area under the ROC curve, its standard error, and the p-value of "positives do not score higher"."""

    auc: float
    se: float
    p_greater: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Normal interval, cut to [0, 1]."""
        return normal_interval(self.auc, self.se, level, 0.0, 1.0)


def normal_interval(
    value: float, se: float, level: float = 0.95, low: float = -math.inf, high: float = math.inf
) -> tuple[float, float]:
    """Value -/+ z times its standard error, cut to [low, high]."""
    z = float(stats.norm.ppf(0.5 + level / 2))
    return max(low, value - z * se), min(high, value + z * se)


def delong_auc(
    positives: np.ndarray, negatives: np.ndarray, n_effective: tuple[float, float] | None = None
) -> AucResult:
    """P(positive scores higher) + P(tie) / 2, with DeLong's standard error.

    positives, negatives: (n,), (m,) scores. n_effective: numbers of independent rows behind them, where rows
    repeat; at most (n, m).
    The p-value is that of the Mann-Whitney test with its exact variance under the null, ties included.
    Source: DeLong, DeLong & Clarke-Pearson 1988; Sun & Xu 2014 for the mid-ranks.
    """
    n, m = len(positives), len(negatives)
    n_eff, m_eff = n_effective or (float(n), float(m))
    ranks = stats.rankdata(np.concatenate([positives, negatives]))
    placed_n = (ranks[:n] - stats.rankdata(positives)) / m  # share of negatives below each positive
    placed_m = 1 - (ranks[n:] - stats.rankdata(negatives)) / n
    auc = float(placed_n.mean())
    var_n = float(placed_n.var(ddof=1)) if n > 1 else 0.25
    var_m = float(placed_m.var(ddof=1)) if m > 1 else 0.25
    # one pseudo-observation keeps the error above 0 where the samples are apart
    floor = 0.25 / (n_eff + m_eff) ** 2
    se = math.sqrt(max(var_n / n_eff + var_m / m_eff, floor))
    null_se = math.sqrt(max(_null_variance(ranks, n, m) * max(n / n_eff, m / m_eff), 1e-300))
    return AucResult(auc, se, float(stats.norm.sf((auc - 0.5) / null_se)))


def _null_variance(ranks: np.ndarray, n: int, m: int) -> float:
    """Variance of the AUC if labels are exchangeable, given the ties among (n + m) mid-ranks."""
    total = n + m
    if total < 2:
        return 0.25
    _, counts = np.unique(ranks, return_counts=True)
    ties = float(((counts.astype(float) ** 3 - counts) / (total * (total - 1.0))).sum())
    return (total + 1 - ties) / (12.0 * n * m)


def wilson(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of k successes in n trials (numbers of effective trials may be fractional)."""
    z = float(stats.norm.ppf(0.5 + level / 2))
    share = k / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of k successes in n trials."""
    tail = (1 - level) / 2
    lo = float(stats.beta.ppf(tail, k, n - k + 1)) if k > 0 else 0.0
    hi = float(stats.beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return lo, hi


def fisher_greater(k_first: int, n_first: int, k_second: int, n_second: int) -> float:
    """P-value of "the first rate is not higher": the upper hypergeometric tail, exact."""
    if k_first == 0:
        return 1.0
    return float(stats.hypergeom.sf(k_first - 1, n_first + n_second, k_first + k_second, n_first))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: compare each with alpha."""
    order = np.argsort(p_values, kind="stable")
    adjusted, running = np.empty(len(p_values)), 0.0
    for rank, i in enumerate(order):
        running = max(running, (len(p_values) - rank) * p_values[i])
        adjusted[i] = min(1.0, running)
    return adjusted.tolist()


def bootstrap_weights(
    strata: np.ndarray, rng: np.random.Generator, n_draws: int = 300, clusters: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """How often each row is drawn, `n_draws` times: (n,) integers. Arguments as in `paired_bootstrap`."""
    units = np.arange(len(strata)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    _, first = np.unique(units, return_index=True)
    stratum_of_unit = strata[first]
    groups = [np.flatnonzero(stratum_of_unit == value) for value in np.unique(stratum_of_unit)]
    for _ in range(n_draws):
        weight = np.zeros(len(first), dtype=np.int64)
        for members in groups:
            drawn = rng.integers(len(members), size=len(members))
            weight[members] = np.bincount(drawn, minlength=len(members))
        yield weight[units]


def paired_bootstrap(
    statistic: Callable[[np.ndarray], float],
    strata: np.ndarray,
    rng: np.random.Generator,
    n_draws: int = 300,
    clusters: np.ndarray | None = None,
) -> np.ndarray:
    """Values of a statistic under resampling of rows: (n_draws,).

    statistic: takes integer weights (n,), how often each row was drawn. strata: (n,) group of each row; each
    keeps its size. clusters: (n,) entity of each row; whole entities are drawn then, within the stratum of
    their first row.
    """
    draws = bootstrap_weights(strata, rng, n_draws, clusters)
    return np.array([statistic(weight) for weight in draws])


def seeded_interval(
    per_seed: np.ndarray, bootstrap_se: float, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean over K seeds, with an interval for the test rows drawn and the seeds drawn.

    per_seed: (K,). bootstrap_se: standard error from the test rows, which all seeds share.
    se^2 = bootstrap_se^2 + var(per_seed) / K, with K - 1 degrees of freedom for the second part.
    Returns mean, low, high.
    Source: Satterthwaite 1946 for the degrees of freedom of the sum.
    """
    n, value = len(per_seed), float(per_seed.mean())
    between = float(per_seed.var(ddof=1)) / n if n > 1 else 0.0
    variance = bootstrap_se**2 + between
    if variance == 0:
        return value, value, value
    freedom = (n - 1) * (variance / between) ** 2 if between > 1e-9 * variance else math.inf
    half = float(stats.t.ppf(0.5 + level / 2, freedom)) * math.sqrt(variance)
    return value, value - half, value + half


def newcombe(
    k_first: float, n_first: float, k_second: float, n_second: float, level: float = 0.95
) -> tuple[float, float]:
    """Interval of the difference of two shares from their Wilson intervals.

    Source: Newcombe 1998, Statistics in Medicine 17:873, method 10.
    """
    p, q = k_first / n_first, k_second / n_second
    (p_lo, p_hi), (q_lo, q_hi) = wilson(k_first, n_first, level), wilson(k_second, n_second, level)
    return p - q - math.hypot(p - p_lo, q_hi - q), p - q + math.hypot(p_hi - p, q - q_lo)
