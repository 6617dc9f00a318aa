"""Intervals by subsampling blocks of rows: counts once for each block, and a subsample is a sum of blocks.

Distances of samples are no smooth functions of them: near 0 a bootstrap adds noise to noise, its draws are
biased upward and too wide. Draws of a sixth of the rows without replacement have the right law at their size,
near 0 and far from it, and their spread shrinks with the root of the size.
Source: Politis & Romano 1994.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tabdiff.evaluation.comparison import Comparison, Rows
from tabdiff.evaluation.effective import effective_rows

__all__ = ["MIN_ROWS", "BlockedRows", "Sample", "blocked", "clusters", "standard_error", "too_few"]

N_BLOCKS = 60
FRACTION = 6  # a subsample has one in so many rows
MIN_SHARE = 0.2  # of the rows of the larger table that are compared at a time
MAX_ROWS = 200_000  # of each table; more change no digit that is shown
MIN_ROWS = 2 * FRACTION


@dataclass(frozen=True)
class Sample:
    """Rows of one table, dealt to blocks.

    block: (n,) block of each row. parts: (n_parts, n_blocks) 0 or 1, which blocks make a table of the size
    at which tables are compared. draws: (n_draws, n_blocks), the same for subsamples of a sixth of it.
    """

    rows: Rows
    block: np.ndarray
    parts: np.ndarray
    draws: np.ndarray

    def counts(self, cells: np.ndarray, n_cells: int) -> tuple[np.ndarray, np.ndarray]:
        """(n_parts, n_cells) and (n_draws, n_cells) counts of cells, (n,) numbers from 0."""
        n_blocks = self.draws.shape[1]
        both = np.bincount(self.block * n_cells + cells, minlength=n_blocks * n_cells)
        of_blocks = both.reshape(n_blocks, n_cells).astype(np.float64)
        return self.parts @ of_blocks, self.draws @ of_blocks


@dataclass(frozen=True)
class BlockedRows:
    """The three tables in blocks. n, n_effective: synthetic rows, and those of them that count."""

    train: Sample
    holdout: Sample
    synthetic: Sample
    n: int
    n_effective: float


def standard_error(draws: np.ndarray) -> np.ndarray:
    """Standard error of a statistic of all rows, from its values in subsamples along axis 0."""
    # draws overlap, which takes the share of the rows that they hold from their variance
    return np.sqrt(draws.var(axis=0, ddof=1) / FRACTION / (1 - 1 / FRACTION))


def too_few(comparison: Comparison) -> str:
    """Why tables cannot be dealt to blocks, or nothing."""
    sizes = {
        "train": len(comparison.train),
        "holdout": len(comparison.holdout),
        "synthetic": len(comparison.synthetic),
    }
    small = [f"{role} has {n} rows" for role, n in sizes.items() if n < MIN_ROWS]
    return f"{' and '.join(small)}, and {MIN_ROWS} are needed" if small else ""


def blocked(comparison: Comparison, rng: np.random.Generator, n_parts: int = 8) -> BlockedRows:
    """Deal the rows of the comparison to blocks; each table needs MIN_ROWS.

    Train and synthetic rows are compared with the holdout at equal effective numbers of rows: distances of
    samples grow as rows get fewer, so that a floor is a floor only at equal size.
    """
    n_effective = effective_rows(comparison)
    design = len(comparison.synthetic) / n_effective
    unit = math.ceil(design - 1e-6)
    n_train = float(min(len(comparison.train), MAX_ROWS))
    size = min(n_train, n_effective)
    draws = comparison.budget.n_bootstrap
    repeated = clusters(comparison.synthetic.keys(), unit, rng) if unit > 1 else None
    return BlockedRows(
        _sample(comparison.train, size, None, draws, n_parts, rng),
        _sample(comparison.holdout, math.inf, None, draws, 1, rng),
        _sample(comparison.synthetic, size * design, repeated, draws, n_parts, rng),
        len(comparison.synthetic),
        n_effective,
    )


def clusters(keys: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) cluster of each row: equal rows, at most `size` of them; numbers at random."""
    order = np.argsort(keys, kind="stable")
    changes = np.diff(keys[order], prepend=keys[order[:1]]) != 0
    starts = np.flatnonzero(np.append(True, changes[1:]))
    since_start = np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
    opens = since_start % size == 0
    labels = np.empty(len(keys), dtype=np.int64)
    labels[order] = rng.permutation(int(opens.sum()))[np.cumsum(opens) - 1]
    return labels


def _sample(
    rows: Rows, size: float, units: np.ndarray | None, n_draws: int, n_parts: int, rng: np.random.Generator
) -> Sample:
    """Rows in blocks, so many that the parts hold `size` of them; units: (n,) rows that stay together."""
    n = min(len(rows), MAX_ROWS)
    n_blocks = min(N_BLOCKS, n // FRACTION * FRACTION)
    n_steps = n_blocks // FRACTION
    kept_steps = min(n_steps, math.ceil(max(min(size / n, 1.0), MIN_SHARE) * n_steps - 1e-9))
    n_kept = kept_steps * FRACTION
    n = max(n_blocks, min(n, round(min(size, n) * n_blocks / n_kept)))
    order = rng.permutation(len(rows)) if units is None else np.argsort(units, kind="stable")
    chosen = order[:n]
    if units is None:
        block = np.arange(n) % n_blocks
    else:
        block = np.unique(units[chosen], return_inverse=True)[1] % n_blocks
    parts = np.ones((1, n_blocks)) if n_kept == n_blocks else _subsets(n_parts, n_blocks, n_kept, rng)
    return Sample(rows[chosen], block, parts, _subsets(n_draws, n_blocks, kept_steps, rng))


def _subsets(n_draws: int, n_blocks: int, n_kept: int, rng: np.random.Generator) -> np.ndarray:
    """(n_draws, n_blocks) of 0 and 1, n_kept ones in each row at random."""
    order = rng.permuted(np.tile(np.arange(n_blocks), (n_draws, 1)), axis=1)
    return (order < n_kept).astype(np.float64)
