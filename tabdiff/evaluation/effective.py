"""How many independent rows the synthetic table is worth: repeating rows may not narrow an interval.

Only equal rows are seen; copies with a little noise each count as rows.
"""

from __future__ import annotations

import math

import numpy as np

from tabdiff.evaluation.comparison import Comparison

__all__ = ["design_effect", "effective_rows", "n_effective_of"]

MIN_DISTINCT = 20  # distinct rows, for a common divisor of their counts to be no coincidence
CERTAIN = 3.0  # standard deviations


def effective_rows(comparison: Comparison) -> float:
    """Number of effective synthetic rows, at most as many as there are.

    Repeated rows beyond what the holdout's own repetitions explain count once; see `n_effective_of`.
    """
    return n_effective_of(comparison.synthetic.keys(), comparison.holdout.keys(), comparison.rng("effective"))


def design_effect(comparison: Comparison) -> float:
    """By how much repeated rows widen the variance of a mean: rows by effective rows, at least 1."""
    return len(comparison.synthetic) / effective_rows(comparison)


def n_effective_of(synthetic: np.ndarray, holdout: np.ndarray, rng: np.random.Generator) -> float:
    """Rows by the variance of their mean: n / (1 + (n - 1) q), q the excess share of pairs that are equal.

    synthetic, holdout: (n,), (m,) keys, equal for equal rows. Three parts, each 1 or exact for real rows:
    1. a row that the holdout has too is common; of its repetitions count those that its share there explains;
    2. among rows that the other table lacks, equal pairs are as frequent here as there, for real rows: the
       excess, where it is certain, is q (the design effect of clusters, Kish 1965);
    3. a divisor that all counts have in common is a table pasted that often.
    """
    n, m = len(synthetic), len(holdout)
    rows, counts = np.unique(synthetic, return_counts=True)
    real_rows, real_counts = np.unique(holdout, return_counts=True)
    explained = np.minimum(counts, _limit(_looked_up(rows, real_rows, real_counts), n / m))
    common = explained > 0
    n_kept = float(explained[common].sum() + counts[~common].sum())
    share = _excess(synthetic, holdout, rng)
    effective = min(n_kept, n / (1 + (n - 1) * share))
    if len(rows) >= MIN_DISTINCT:
        effective = min(effective, n / int(np.gcd.reduce(counts)))
    return max(1.0, effective)


def _looked_up(rows: np.ndarray, known: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The count of each row among the sorted known ones, 0 where it is not known."""
    place = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    return np.where(known[place] == rows, counts[place], 0)


def _limit(counts: np.ndarray, ratio: float) -> np.ndarray:
    """How often a row that occurs so often may occur in `ratio` times as many rows; 0 for 0."""
    return np.where(counts > 0, np.ceil((counts + 4 * np.sqrt(counts) + 4) * max(ratio, 1.0)), 0)


def _excess(synthetic: np.ndarray, holdout: np.ndarray, rng: np.random.Generator) -> float:
    """By how much the share of pairs that are equal exceeds the holdout's, 0 unless that is certain."""
    size = min(len(synthetic), len(holdout))  # of the other table: the larger one would hide more rows
    here, here_var = _lone_pairs(synthetic, rng.permutation(holdout)[:size])
    there, there_var = _lone_pairs(holdout, rng.permutation(synthetic)[:size])
    excess = here - there
    return excess if excess > CERTAIN * math.sqrt(here_var + there_var) else 0.0


def _lone_pairs(rows: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Share of pairs that are equal and do not occur in the others, and its variance if pairs are rare."""
    _, counts = np.unique(rows[~np.isin(rows, others)], return_counts=True)
    pairs = float((counts * (counts - 1.0)).sum())
    of_all = max(len(rows) * (len(rows) - 1.0), 1.0)
    return pairs / of_all, 2 * pairs / of_all**2
