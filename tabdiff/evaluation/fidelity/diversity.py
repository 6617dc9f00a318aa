"""Whether synthetic rows reach all of the real table, and differ from each other as real rows do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tabdiff.evaluation.comparison import Comparison, Rows
from tabdiff.evaluation.effective import effective_rows, n_effective_of, once_each_paste
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.intervals import normal_interval, wilson
from tabdiff.evaluation.neighbours import Points, Space, fit_space, nearest
from tabdiff.evaluation.registry import register

__all__ = ["covered", "measure_coverage", "measure_diversity", "near_share", "spacing"]

K = 5
MIN_ROWS = 10 * K  # in each table: balls of 5 neighbours are no neighbourhoods in fewer
NEAR = 0.01
# variance of coverage minus its floor by that of independent rows: balls overlap, all tables vary.
# 2.7 (all) and 2.5 (rare) in 120 fresh tables of 800 transactions
OVERLAP = 3.0


# --- coverage ---


@register("fidelity.coverage")
def measure_coverage(comparison: Comparison, rng: np.random.Generator) -> Iterable[Estimate]:
    """Share of holdout rows with a synthetic row as near as their fifth neighbour among holdout rows.

    All tables are thinned to equal numbers of rows. The ideal and the floor is the coverage by train rows,
    about 0.97: 1 - (n-1)...(n-k) / (2n-1)...(2n-k) for numbers without ties. `fidelity.coverage.rare` does
    the same within the positive class.
    Source: Naeem et al. 2020 (arXiv:2002.09797).
    """
    space = fit_space(comparison)
    once = comparison.synthetic[once_each_paste(comparison.synthetic.keys(), len(comparison.holdout))]
    tables = [comparison.holdout, once, comparison.train]
    yield _coverage("fidelity.coverage.all", comparison, space, tables, rng, "rows")
    name = "fidelity.coverage.rare"
    if comparison.target is None or comparison.target.positive is None:
        yield not_assessable(name, "no target with classes was named")
        return
    positives = [rows[comparison.is_positive(rows)] for rows in tables]
    yield _coverage(name, comparison, space, positives, rng, "positives")


def _coverage(
    name: str,
    comparison: Comparison,
    space: Space,
    tables: list[Rows],
    rng: np.random.Generator,
    what: str,
) -> Estimate:
    """Coverage of the first of three tables by the second, with that by the third as the floor."""
    sizes = [len(rows) for rows in tables]
    if min(sizes) < MIN_ROWS:
        return not_assessable(
            name,
            f"{sizes[0]} {what} in the holdout, {sizes[1]} in the synthetic table and {sizes[2]} in train; "
            f"{MIN_ROWS} are needed in each",
        )
    if not comparison.layout.modelled:
        return not_assessable(name, "the tables have no columns but identifiers")
    n = min(*sizes, comparison.budget.n_queries)
    chosen = [rows[rng.permutation(len(rows))[:n]] for rows in tables]
    n_effective = n_effective_of(chosen[1].keys(), chosen[0].keys(), rng)
    real, synthetic, train = (space.points(rows) for rows in chosen)
    radius = spacing(real, K)
    value, floor = (float(covered(real, radius, points).mean()) for points in (synthetic, train))
    lo, hi = wilson(value * n_effective / OVERLAP, n_effective / OVERLAP)
    return Estimate(
        name,
        value,
        lo,
        hi,
        ideal=floor,
        floor=floor,
        bad=0.0,
        n=n,
        n_effective=n_effective,
        method="Wilson on effective rows, a third of them since balls overlap",
    )


def spacing(points: Points, k: int) -> np.ndarray:
    """(n,) distance of each point to its k-th neighbour among the others."""
    return nearest(points, points, k, itself=np.arange(len(points))).distance[:, k - 1]


def covered(points: Points, radius: np.ndarray, others: Points) -> np.ndarray:
    """(n,) bool: whether one of the others lies in the ball of each point, the rim included."""
    return nearest(points, others).distance[:, 0] <= radius


# --- diversity ---


@register("fidelity.diversity")
def measure_diversity(comparison: Comparison, rng: np.random.Generator) -> Iterable[Estimate]:
    """Share of distinct synthetic rows, and of rows that lie closer to another than real rows do."""
    yield _unique(comparison, rng)
    yield _near_duplicates(comparison, rng)


def _unique(comparison: Comparison, rng: np.random.Generator) -> Estimate:
    """Distinct rows by rows. The floor is the same for as many real rows, or all if there are fewer."""
    keys, real = comparison.synthetic.keys(), comparison.real.keys()
    n = len(keys)
    value = len(np.unique(keys)) / n
    some = rng.permutation(real)[:n]
    floor = len(np.unique(some)) / len(some)
    n_effective = effective_rows(comparison)
    lo, hi = wilson(value * n_effective, n_effective)
    return Estimate(
        "fidelity.diversity.unique",
        value,
        lo,
        hi,
        ideal=floor,
        floor=floor,
        bad=1 / n,
        n=n,
        n_effective=n_effective,
        method="Wilson on effective rows",
        details={"distinct": round(value * n), "rows": n, "real_rows_of_the_floor": len(some)},
    )


def _near_duplicates(comparison: Comparison, rng: np.random.Generator) -> Estimate:
    """Share of synthetic rows with another as near as the closest 1 % of holdout rows have, at equal size."""
    name = "fidelity.diversity.near_duplicates"
    sizes = len(comparison.synthetic), len(comparison.holdout)
    if min(sizes) < MIN_ROWS:
        return not_assessable(
            name, f"{sizes[0]} synthetic and {sizes[1]} holdout rows; {MIN_ROWS} are needed of each"
        )
    if not comparison.layout.modelled:
        return not_assessable(name, "the tables have no columns but identifiers")
    n = min(*sizes, comparison.budget.n_queries)
    space = fit_space(comparison)
    chosen = [rows[rng.permutation(len(rows))[:n]] for rows in (comparison.synthetic, comparison.holdout)]
    synthetic, real = (spacing(space.points(rows), 1) for rows in chosen)
    value, floor, limit = near_share(synthetic, real, NEAR)
    n_effective = n_effective_of(chosen[0].keys(), chosen[1].keys(), rng)
    # the closest rows come in pairs, each the other's neighbour: half as many are independent
    pairs, real_pairs = n_effective / 2, n / 2
    variance = (value * (1 - value) + 0.25 / pairs) / pairs + floor * (1 - floor) / real_pairs
    lo, hi = normal_interval(value, math.sqrt(variance), low=0.0, high=1.0)
    known: dict[str, Any] = {"ideal": floor, "floor": floor, "bad": 1.0, "n": n, "n_effective": n_effective}
    return Estimate(
        name,
        value,
        lo,
        hi,
        method="normal, of mutual pairs; the threshold's own variance included",
        details={"threshold": limit},
        **known,
    )


def near_share(synthetic: np.ndarray, real: np.ndarray, share: float) -> tuple[float, float, float]:
    """Shares of synthetic and of real spacings up to the real quantile of this share, and the quantile.

    The share of real ones is more than asked for where spacings tie, as those of equal rows at 0.
    """
    limit = float(np.quantile(real, share, method="inverted_cdf"))
    return float((synthetic <= limit).mean()), float((real <= limit).mean()), limit
