"""Cells that no real row could have, missing cells, and the share of the rare class."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tabdiff.evaluation.comparison import ColumnLayout, Comparison, Rows
from tabdiff.evaluation.effective import effective_rows
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.fidelity.distances import tv_of_counts
from tabdiff.evaluation.fidelity.resampling import blocked, standard_error, too_few
from tabdiff.evaluation.intervals import newcombe, normal_interval, wilson
from tabdiff.evaluation.registry import register

__all__ = ["measure_missing", "measure_rare_share", "measure_validity"]


# --- impossible cells ---


@register("fidelity.validity")
def measure_validity(comparison: Comparison, rng: np.random.Generator) -> Iterable[Estimate]:
    """Shares of synthetic rows with a level, or a number, beyond all real ones, and with needless fractions.

    The floor is the same for one real row against all others: rows that hold the only cell of their level, or
    the only smallest or largest number. A perfect sampler scores that too (Good 1953).
    """
    layout = comparison.layout
    yield _broken(
        "fidelity.validity.new_levels", comparison, layout.of_kind("categorical"), _is_new, _is_only_level
    )
    yield _broken(
        "fidelity.validity.out_of_range", comparison, layout.of_kind("numeric"), _is_outside, _is_only_extreme
    )
    whole = [column for column in layout.of_kind("numeric") if column.whole]
    yield _broken("fidelity.validity.not_whole", comparison, whole, _is_fraction, None)


def _broken(
    name: str,
    comparison: Comparison,
    columns: list[ColumnLayout],
    broken: Callable[[Rows, Rows, ColumnLayout], np.ndarray],
    of_real: Callable[[Rows, ColumnLayout], np.ndarray] | None,
) -> Estimate:
    """The share of synthetic rows that are broken in some column."""
    real, synthetic = comparison.real, comparison.synthetic
    n, n_effective = len(synthetic), effective_rows(comparison)
    cells = {str(column.name): broken(synthetic, real, column) for column in columns}
    rows = np.any(list(cells.values()), axis=0) if cells else np.zeros(n, dtype=bool)
    share = float(rows.mean())
    floor = 0.0
    if of_real is not None and columns:
        floor = float(np.any([of_real(real, column) for column in columns], axis=0).mean())
    lo, hi = wilson(share * n_effective, n_effective)
    shares = {column: float(each.mean()) for column, each in cells.items() if each.any()}
    ordered = sorted(shares, key=lambda column: -shares[column])
    details: dict[str, Any] = {"columns": [{"column": each, "share": shares[each]} for each in ordered]}
    if ordered:
        details["column"] = ordered[0]
    return Estimate(
        name,
        share,
        lo,
        hi,
        ideal=floor,
        floor=floor,
        bad=1.0,
        n=n,
        n_effective=n_effective,
        method="Wilson on effective rows; floor by leaving one real row out",
        details=details,
    )


def _is_new(rows: Rows, real: Rows, column: ColumnLayout) -> np.ndarray:
    """(n,) bool: cells whose level no real row has."""
    return rows.column(column) >= column.n_real_levels


def _is_only_level(rows: Rows, column: ColumnLayout) -> np.ndarray:
    """(n,) bool: cells that are the only one of their level."""
    cells = rows.column(column)
    counts = np.bincount(cells[cells >= 0], minlength=len(column.levels))
    return (cells >= 0) & (np.append(counts, 0)[cells] == 1)


def _is_outside(rows: Rows, real: Rows, column: ColumnLayout) -> np.ndarray:
    """(n,) bool: numbers beyond the smallest and the largest real one; all of them if there is none."""
    known, cells = real.column(column), rows.column(column)
    known = known[~np.isnan(known)]
    if not len(known):
        return ~np.isnan(cells)
    return (cells < known.min()) | (cells > known.max())


def _is_only_extreme(rows: Rows, column: ColumnLayout) -> np.ndarray:
    """(n,) bool: numbers that alone are the smallest or the largest."""
    cells = rows.column(column)
    ends = [cells == end for end in (np.nanmin(cells), np.nanmax(cells))] if not np.isnan(cells).all() else []
    alone = [at for at in ends if at.sum() == 1]
    return np.any(alone, axis=0) if alone else np.zeros(len(cells), dtype=bool)


def _is_fraction(rows: Rows, real: Rows, column: ColumnLayout) -> np.ndarray:
    """(n,) bool: numbers that are not whole."""
    cells = rows.column(column)
    return ~np.isnan(cells) & (cells != np.round(cells))


# --- missing cells ---


@register("fidelity.missing")
def measure_missing(comparison: Comparison, rng: np.random.Generator) -> Iterable[Estimate]:
    """Largest difference of the shares of missing cells, and the distance of their patterns over columns."""
    yield _missing_rate(comparison)
    yield _missing_pattern(comparison, rng)


def _missing_rate(comparison: Comparison) -> Estimate:
    """Largest |P(missing | synthetic) - P(missing | holdout)|; bounds hold for all columns at once."""
    columns = comparison.layout.columns
    n, n_effective = len(comparison.synthetic), effective_rows(comparison)
    n_real, level = len(comparison.holdout), 1 - 0.05 / len(columns)
    gaps, bounds, floors, shown = [], [], [], []
    for column in columns:
        synthetic, real, train = (
            float(rows.missing(column).mean())
            for rows in (comparison.synthetic, comparison.holdout, comparison.train)
        )
        gaps.append(abs(synthetic - real))
        bounds.append(_absolute(newcombe(synthetic * n_effective, n_effective, real * n_real, n_real, level)))
        floors.append(abs(train - real))
        shown.append({"column": str(column.name), "synthetic": synthetic, "real": real})
    worst = int(np.argmax(gaps))
    return Estimate(
        "fidelity.missing.rate",
        gaps[worst],
        max(lo for lo, _ in bounds),
        max(hi for _, hi in bounds),
        ideal=0.0,
        floor=max(floors),
        bad=1.0,
        n=n,
        n_effective=n_effective,
        method=f"Newcombe's hybrid of two Wilson intervals; bounds of all {len(columns)} columns at once",
        details={"column": shown[worst]["column"], "columns": shown},
    )


def _missing_pattern(comparison: Comparison, rng: np.random.Generator) -> Estimate:
    """Total variation distance of which columns of a row are missing together."""
    name = "fidelity.missing.pattern"
    reason = too_few(comparison)
    if reason:
        return not_assessable(name, reason)
    rows = blocked(comparison, rng)
    samples = (rows.synthetic, rows.train, rows.holdout)
    patterns = [_patterns(comparison, sample.rows) for sample in samples]
    known, codes = np.unique(np.concatenate(patterns), return_inverse=True)
    ends = np.cumsum([0] + [len(each) for each in patterns])
    counts = [
        sample.counts(codes[start:end], len(known))
        for sample, start, end in zip(samples, ends, ends[1:], strict=False)
    ]
    (synthetic, synthetic_draws), (train, train_draws), (real, real_draws) = counts
    value, floor = float(tv_of_counts(synthetic, real).mean()), float(tv_of_counts(train, real).mean())
    draws = tv_of_counts(synthetic_draws, real_draws) - tv_of_counts(train_draws, real_draws)
    lo, hi = normal_interval(value, float(standard_error(draws)), low=0.0, high=1.0)
    return Estimate(
        name,
        value,
        lo,
        hi,
        ideal=floor,
        floor=floor,
        bad=1.0,
        n=rows.n,
        n_effective=rows.n_effective,
        method="subsampling of blocks of rows, of the difference to the floor",
        details={"patterns": len(known)},
    )


def _patterns(comparison: Comparison, rows: Rows) -> np.ndarray:
    """(n,) number of the set of missing columns, at random below 2 ** 64, the same for equal sets."""
    words = np.random.default_rng(0).integers(2**64, size=len(comparison.layout.columns), dtype=np.uint64)
    found = np.zeros(len(rows), dtype=np.uint64)
    for column, word in zip(comparison.layout.columns, words, strict=True):
        found ^= np.where(rows.missing(column), word, np.uint64(0))
    return found


# --- the rare class ---


@register("fidelity.rare")
def measure_rare_share(comparison: Comparison, rng: np.random.Generator) -> Estimate:
    """Share of the positive class in synthetic rows minus its share in real ones."""
    name = "fidelity.rare.share"
    if comparison.target is None or comparison.target.positive is None:
        return not_assessable(name, "no target with classes was named")
    real = float(comparison.is_positive(comparison.real).mean())
    synthetic = float(comparison.is_positive(comparison.synthetic).mean())
    n, n_effective = len(comparison.synthetic), effective_rows(comparison)
    n_real = len(comparison.real)
    lo, hi = newcombe(synthetic * n_effective, n_effective, real * n_real, n_real)
    return Estimate(
        name,
        synthetic - real,
        lo,
        hi,
        ideal=0.0,
        floor=0.0,
        bad=-real,
        n=n,
        n_effective=n_effective,
        method="Newcombe's hybrid of two Wilson intervals",
        note="a table balanced on purpose is above 0",
        details={"synthetic": synthetic, "real": real},
    )


def _absolute(interval: tuple[float, float]) -> tuple[float, float]:
    """The interval of the absolute value."""
    lo, hi = interval
    return max(lo, -hi, 0.0), max(-lo, hi)
