"""How many independent rows the synthetic table is worth: repeating rows may not narrow an interval.

Only equal rows are seen; copies with a little noise each count as rows.
"""

from __future__ import annotations

import math

import numpy as np

from tabdiff.evaluation.comparison import Comparison

__all__ = ["design_effect", "effective_rows", "n_effective_of", "once_each_paste"]

MIN_DISTINCT = 20  # distinct rows, for a common divisor of their counts to be no coincidence
CERTAIN = 3.0  # standard deviations
MIN_CHANCE = 1e-6  # of a row that is in the holdout not once, below which its repetitions are no chance


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
    1. of the repetitions of a row count those that its share in the holdout can explain;
    2. among rows that the other table lacks, equal pairs are as frequent here as there, for real rows: the
       excess, where it is certain, is q (the design effect of clusters, Kish 1965);
    3. a divisor that all counts have in common is a table pasted that often.
    """
    n, m = len(synthetic), len(holdout)
    rows, counts = np.unique(synthetic, return_counts=True)
    real_rows, real_counts = np.unique(holdout, return_counts=True)
    n_kept = float(np.minimum(counts, _limit(_looked_up(rows, real_rows, real_counts), n, m)).sum())
    share = _excess(synthetic, holdout, rng)
    effective = min(n_kept, n / (1 + (n - 1) * share))
    return max(1.0, min(effective, n / _n_pastes(counts)))


def once_each_paste(keys: np.ndarray, n_needed: int) -> np.ndarray:
    """Row numbers of one paste of a table that is pasted several times; all rows of any other table.

    keys: (n,) equal for equal rows. Each row is kept as often as it is in one paste, the first ones. A paste
    of fewer rows than are needed is no table: all rows are kept then, and their repetition shows.
    """
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    if len(keys) // _n_pastes(counts) < n_needed:
        return np.arange(len(keys))
    order = np.argsort(place, kind="stable")
    nth = np.empty(len(keys), dtype=np.int64)
    nth[order] = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.flatnonzero(nth < (counts // _n_pastes(counts))[place])


def _n_pastes(counts: np.ndarray) -> int:
    """The divisor that the counts of all distinct rows have in common; 1 for a handful of rows."""
    return int(np.gcd.reduce(counts)) if len(counts) >= MIN_DISTINCT else 1


def _looked_up(rows: np.ndarray, known: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The count of each row among the sorted known ones, 0 where it is not known."""
    place = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    return np.where(known[place] == rows, counts[place], 0)


def _limit(counts: np.ndarray, n: int, m: int) -> np.ndarray:
    """How often a row that occurs so often in m rows may occur in n."""
    # k rows of one kind, dealt to tables of n and m, leave the second without any: (n / (n + m)) ** k
    unseen = math.ceil(math.log(MIN_CHANCE) / math.log(n / (n + m)))
    return np.maximum(unseen, np.ceil((counts + 4 * np.sqrt(counts) + 4) * max(n / m, 1.0)))


def _excess(synthetic: np.ndarray, holdout: np.ndarray, rng: np.random.Generator) -> float:
    """By how much the share of pairs that are equal exceeds the holdout's, 0 unless that is certain."""
    size = min(len(synthetic), len(holdout))  # of the other table: the larger one would hide more rows
    here, here_var = _lone_pairs(synthetic, rng.permutation(holdout)[:size])
    there, there_var = _lone_pairs(holdout, rng.permutation(synthetic)[:size])
    excess = here - there
    return excess if excess > CERTAIN * math.sqrt(here_var + there_var) else 0.0


def _lone_pairs(rows: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Share of pairs that are equal and do not occur in the others, and its variance.

    The unit is the distinct row: its pairs are one event, that the others lack it.
    """
    _, counts = np.unique(rows[~np.isin(rows, others)], return_counts=True)
    pairs = counts * (counts - 1.0)
    of_all = max(len(rows) * (len(rows) - 1.0), 1.0)
    # one pair more: none seen is not none possible
    return float(pairs.sum()) / of_all, float((pairs**2).sum() + 4) / of_all**2
