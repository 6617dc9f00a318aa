"""Each column on its own, against the holdout, less what two real tables of that size differ by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabdiff.evaluation.comparison import ColumnLayout, Comparison, Rows
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.fidelity.distances import (
    binned,
    ks_of_counts,
    level_groups,
    quantile_edges,
    quantile_gap,
    spread,
    tv_of_counts,
)
from tabdiff.evaluation.fidelity.resampling import BlockedRows, blocked, standard_error, too_few
from tabdiff.evaluation.intervals import normal_interval
from tabdiff.evaluation.registry import register

__all__ = ["Marginal", "measure_marginals", "picture"]

N_BINS = 256  # a distance is exact but for 1 / 256
N_SHOWN = 20
METHOD = "subsampling of blocks of rows; train and synthetic compared at equal effective size"


@dataclass(frozen=True)
class Marginal:
    """One column's distance from the holdout: of synthetic rows, of train at equal size, and in subsamples.

    draws: (n_draws,) the difference of both.
    """

    column: ColumnLayout
    distance: float
    floor: float
    draws: np.ndarray

    @property
    def excess(self) -> float:
        """The distance beyond that of two real tables."""
        return self.distance - self.floor

    @property
    def error(self) -> float:
        """Standard error of the excess."""
        return float(standard_error(self.draws))


@register("fidelity.marginal")
def measure_marginals(comparison: Comparison, rng: np.random.Generator) -> Iterable[Estimate]:
    """Mean and largest distance of columns beyond the floor.

    The distance is Kolmogorov-Smirnov's for numbers, over cells that are not missing, and total variation for
    levels, missing being one of them. A column that is empty on one side has distance 1.
    `fidelity.marginal.worst` is the largest excess, with bounds that hold for all columns at once.
    """
    names = ("fidelity.marginal.mean", "fidelity.marginal.worst")
    columns = comparison.layout.modelled
    reason = too_few(comparison) if columns else "the tables have no columns but identifiers"
    if reason:
        yield from (not_assessable(name, reason) for name in names)
        return
    rows = blocked(comparison, rng)
    found = [_marginal(comparison, column, rows) for column in columns]
    shown = [_shown(comparison, marginal) for marginal in found]
    known: dict[str, Any] = {"ideal": 0.0, "floor": 0.0, "n": rows.n, "n_effective": rows.n_effective}
    mean = float(np.mean([marginal.excess for marginal in found]))
    se = float(standard_error(np.mean([marginal.draws for marginal in found], axis=0)))
    lo, hi = normal_interval(mean, se)
    yield Estimate(names[0], mean, lo, hi, bad=1.0, method=METHOD, details={"columns": shown}, **known)
    worst = max(found, key=lambda marginal: marginal.excess)
    level = 1 - 0.05 / len(found)
    bounds = [normal_interval(marginal.excess, marginal.error, level) for marginal in found]
    yield Estimate(
        names[1],
        worst.excess,
        max(low for low, _ in bounds),
        max(high for _, high in bounds),
        bad=1.0,
        method=f"{METHOD}; bounds of all {len(found)} columns at once (Bonferroni)",
        details={
            "column": str(worst.column.name),
            "distance": worst.distance,
            "floor": worst.floor,
            "missing_synthetic": float(comparison.synthetic.missing(worst.column).mean()),
        },
        **known,
    )


def _marginal(comparison: Comparison, column: ColumnLayout, rows: BlockedRows) -> Marginal:
    """The distances of one column."""
    code, n_cells, measure = _coding(comparison, column)
    # cells beyond n_cells are missing numbers, which their own measure judges
    counts = [
        tuple(each[:, :n_cells] for each in sample.counts(code(sample.rows), n_cells + 1))
        for sample in (rows.synthetic, rows.train, rows.holdout)
    ]
    (synthetic, synthetic_draws), (train, train_draws), (real, real_draws) = counts
    return Marginal(
        column,
        float(measure(synthetic, real).mean()),
        float(measure(train, real).mean()),
        measure(synthetic_draws, real_draws) - measure(train_draws, real_draws),
    )


def _coding(
    comparison: Comparison, column: ColumnLayout
) -> tuple[Callable[[Rows], np.ndarray], int, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """How cells become numbers of bins, how many bins there are, and the distance of their counts."""
    if column.kind == "numeric":
        real = comparison.real.column(column)
        edges = quantile_edges(real[~np.isnan(real)], N_BINS)
        return lambda rows: binned(rows.column(column), edges), len(edges) + 1, ks_of_counts
    n_levels = len(column.levels)
    return lambda rows: rows.column(column) % (n_levels + 1), n_levels + 1, tv_of_counts


# --- what is shown of a column ---


def _shown(comparison: Comparison, marginal: Marginal) -> dict[str, Any]:
    """One column's numbers and its histogram, as JSON types."""
    column = marginal.column
    lo, hi = normal_interval(marginal.distance, marginal.error, low=0.0, high=1.0)
    shown: dict[str, Any] = {
        "column": str(column.name),
        "kind": column.kind,
        "distance": marginal.distance,
        "floor": marginal.floor,
        "lo": lo,
        "hi": hi,
        "ks_or_tv": marginal.distance,
        "missing_real": float(comparison.holdout.missing(column).mean()),
        "missing_synthetic": float(comparison.synthetic.missing(column).mean()),
    }
    if column.kind == "numeric":
        shown |= _gaps(comparison, column)
    return shown | picture(comparison, column)


def _gaps(comparison: Comparison, column: ColumnLayout) -> dict[str, Any]:
    """Wasserstein's distance to the holdout in IQRs of real rows; None where it is infinite."""
    train, holdout, synthetic = (
        cells[~np.isnan(cells)]
        for cells in (
            rows.column(column) for rows in (comparison.train, comparison.holdout, comparison.synthetic)
        )
    )
    scale = spread(np.concatenate([train, holdout]))
    gaps = {
        "w1": quantile_gap(synthetic, holdout, scale),
        "w1_floor": quantile_gap(train, holdout, scale),
    }
    return {name: gap if math.isfinite(gap) else None for name, gap in gaps.items()}


def picture(comparison: Comparison, column: ColumnLayout) -> dict[str, Any]:
    """Shares of holdout and synthetic cells in at most 20 bins, or 20 levels and the rest.

    Shares are of cells that are not missing. Bins are of equal width between the 1 % and 99 % quantiles of
    real rows; the outer ones hold what lies beyond.
    """
    tables = (comparison.holdout.column(column), comparison.synthetic.column(column))
    if column.kind == "numeric":
        real = comparison.real.column(column)
        edges = _even_edges(real[~np.isnan(real)])
        bins = [binned(cells[~np.isnan(cells)], edges[1:-1]) for cells in tables]
        shares = [_shares(each, len(edges) - 1) for each in bins]
        return {"edges": edges.tolist(), "real": shares[0], "synthetic": shares[1]}
    groups, kept = level_groups(comparison, column, N_SHOWN)
    levels = [str(column.levels[code]) for code in kept]
    n_shown = len(kept) + (len(column.levels) > len(kept))
    shares = [_shares(groups[cells[cells >= 0]], n_shown) for cells in tables]
    return {
        "levels": levels + ["other"] * (n_shown - len(kept)),
        "real": shares[0],
        "synthetic": shares[1],
    }


def _even_edges(values: np.ndarray) -> np.ndarray:
    """Edges of bins of equal width where nearly all values are, at most 21."""
    if not len(values):
        return np.array([0.0, 1.0])
    low, high = np.quantile(values, [0.01, 0.99])
    if low == high:
        low, high = values.min(), values.max()
    if low == high:
        return np.array([low - 0.5, high + 0.5]) if abs(low) < 2**52 else np.array([0.5, 2.0]) * low
    # halves first: the width of the range may overflow
    return (low / 2 + (high / 2 - low / 2) * np.linspace(0, 1, N_SHOWN + 1)) * 2


def _shares(bins: np.ndarray, n_bins: int) -> list[float]:
    counts = np.bincount(bins, minlength=n_bins)
    return (counts / max(len(bins), 1)).tolist()
