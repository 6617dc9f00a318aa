"""Rankings of test rows, sorted once and read under many weightings: average precision, recall, curves.

A weighting says how often each row was drawn. Ties are never broken: rows of one score enter together, as in
scikit-learn's `precision_recall_curve`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tabdiff.errors import InputError

__all__ = [
    "Counts",
    "Ranking",
    "average_precision",
    "precision_at_budget",
    "precision_at_recall",
    "rank",
    "recall_at_budget",
    "recall_at_precision",
]


@dataclass(frozen=True)
class Counts:
    """Weights above each threshold, from the strictest on: (t,) of positive rows, and of all rows."""

    true: np.ndarray
    all: np.ndarray

    @property
    def n_positive(self) -> float:
        """Weight of all positive rows."""
        return float(self.true[-1])

    @property
    def precision(self) -> np.ndarray:
        """(t,) share of positive weight above each threshold; 0 where nothing is above it."""
        return np.divide(self.true, self.all, out=np.zeros(len(self.all)), where=self.all > 0)


@dataclass(frozen=True)
class Ranking:
    """Rows in falling order of score, down to the last positive: what is below it changes no figure here.

    They are cut into segments: rows of one score among which are positives, and whole runs of others between
    these. No figure here changes at a threshold within such a run.
    order: (m,) rows; starts: (t,) first place of each segment; rich: (t,) bool, segments with positives.
    positives: (p,) positive rows in that order; positive_starts: first place among them of each rich segment.
    """

    order: np.ndarray
    starts: np.ndarray
    positives: np.ndarray
    positive_starts: np.ndarray
    rich: np.ndarray

    def counts(self, weight: np.ndarray | None = None) -> Counts:
        """Cumulative weights at every threshold; weight: (n,) at least 0, default 1 for each row."""
        if weight is None:
            weight = np.ones(self.order.max() + 1)
        true = np.zeros(len(self.starts))
        true[self.rich] = np.add.reduceat(weight[self.positives], self.positive_starts, dtype=np.float64)
        every = np.add.reduceat(weight[self.order], self.starts, dtype=np.float64)
        return Counts(np.cumsum(true), np.cumsum(every))


def rank(score: np.ndarray, positive: np.ndarray) -> Ranking:
    """Sort rows by (n,) scores; positive: (n,) bool, at least one true."""
    if not positive.any():
        raise InputError(f"none of the {len(positive)} rows is positive: there is nothing to rank.")
    order = np.argsort(-score, kind="stable")
    run = np.append(0, np.cumsum(np.diff(score[order]) != 0))  # number of the run of ties that a place is in
    is_rich = np.bincount(run, weights=positive[order]) > 0
    order = order[: np.searchsorted(run, np.flatnonzero(is_rich)[-1], side="right")]
    run = run[: len(order)]
    # a segment begins with a run that has positives, or with the first after one that has
    begins = is_rich | np.append(True, is_rich[:-1])
    starts = np.searchsorted(run, np.flatnonzero(begins[: run[-1] + 1]))
    is_positive = positive[order]
    positive_runs = run[is_positive]
    positive_starts = np.flatnonzero(np.append(True, np.diff(positive_runs) != 0))
    return Ranking(order, starts, order[is_positive], positive_starts, is_rich[run[starts]])


def average_precision(counts: Counts) -> float:
    """Sum over thresholds of precision times the rise in recall; nan without positive weight.

    Equals scikit-learn's `average_precision_score` under the same `sample_weight`.
    """
    if counts.n_positive <= 0:
        return math.nan
    return float(np.diff(counts.true, prepend=0.0) @ counts.precision) / counts.n_positive


def recall_at_precision(counts: Counts, precision: float) -> float:
    """Highest recall among the thresholds of at least this precision; 0 if there is none."""
    if counts.n_positive <= 0:
        return math.nan
    reached = counts.precision >= precision
    return float(counts.true[reached].max(initial=0.0)) / counts.n_positive


def recall_at_budget(counts: Counts, n_alerts: float) -> float:
    """Share of positives among the first `n_alerts` rows; ties at the border count in proportion."""
    if counts.n_positive <= 0:
        return math.nan
    seen = np.append(0.0, counts.all)
    # np.interp inside of a run of ties is the mean over all orders of its rows
    return float(np.interp(n_alerts, seen, np.append(0.0, counts.true))) / counts.n_positive


def precision_at_budget(counts: Counts, n_alerts: float) -> float:
    """Share of true alerts among the first `n_alerts` rows."""
    return recall_at_budget(counts, n_alerts) * counts.n_positive / n_alerts


def precision_at_recall(counts: Counts, recall: np.ndarray) -> np.ndarray:
    """(r,) precision at the strictest threshold that reaches each recall in (0, 1]."""
    # the slack keeps a recall of 3 / 3 reached after rounding
    wanted = recall * counts.n_positive * (1 - 1e-12)
    return counts.precision[np.minimum(np.searchsorted(counts.true, wanted), len(counts.true) - 1)]
