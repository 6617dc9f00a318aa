"""Tables whose quality is known, measured beside the synthetic one: a number is read against these.

holdout               real rows in the place of synthetic ones: what a perfect sampler scores
independent columns   every column of train in an order of its own: right marginals, no relation
copy                  the rows of train: perfect fidelity, no privacy
SMOTE                 points between neighbours of one class: what a user would take instead
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tabdiff.evaluation.comparison import Comparison, Rows, budget_of
from tabdiff.evaluation.neighbours import fit_space, nearest

__all__ = ["REFERENCES", "independent_columns", "interpolated", "reference_comparisons"]

REFERENCES = ("holdout", "independent columns", "copy", "SMOTE")
N_NEIGHBOURS = 5  # SMOTE's own default


def reference_comparisons(comparison: Comparison) -> dict[str, Comparison]:
    """The same question asked of each reference table, on at most `budget.reference_rows` rows.

    For "holdout" one half of the holdout plays the synthetic table and the other half the holdout.
    """
    rng = comparison.rng("references")
    small = _thinned(comparison, rng)
    order = rng.permutation(len(small.holdout))
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    split = replace(
        small.with_synthetic(small.holdout[first]),
        holdout=small.holdout[second],
        holdout_groups=None if small.holdout_groups is None else small.holdout_groups[second],
    )
    train = small.train
    halves = {"holdout": split} if len(first) else {}  # one row cannot be halved
    return halves | {
        "independent columns": small.with_synthetic(independent_columns(train, rng)),
        "copy": small.with_synthetic(train[rng.permutation(len(train))]),
        "SMOTE": small.with_synthetic(interpolated(small, rng)),
    }


def _thinned(comparison: Comparison, rng: np.random.Generator) -> Comparison:
    """The comparison on a part of its real rows, with the cheapest budget."""

    def some(n: int, limit: int) -> np.ndarray:
        return np.sort(rng.permutation(n)[:limit])

    limit = comparison.budget.reference_rows
    train, holdout = some(len(comparison.train), limit), some(len(comparison.holdout), limit)
    groups = comparison.train_groups, comparison.holdout_groups
    return replace(
        comparison.with_synthetic(comparison.synthetic),
        train=comparison.train[train],
        holdout=comparison.holdout[holdout],
        train_groups=None if groups[0] is None else groups[0][train],
        holdout_groups=None if groups[1] is None else groups[1][holdout],
        budget=replace(budget_of("fast"), n_queries=min(limit, comparison.budget.n_queries)),
    )


def independent_columns(rows: Rows, rng: np.random.Generator) -> Rows:
    """Every column shuffled by itself."""

    def shuffled(cells: np.ndarray) -> np.ndarray:
        return rng.permuted(cells, axis=0)

    return Rows(shuffled(rows.numbers), shuffled(rows.codes), shuffled(rows.ids))


def interpolated(comparison: Comparison, rng: np.random.Generator) -> Rows:
    """As many rows as train has, each between a train row and one of its 5 neighbours of the same class.

    Numbers lie at one random place on the way, levels come from either end, and so do missing cells.
    Source: Chawla et al. 2002 (SMOTE), applied to all classes.
    DIFFERS: SMOTENC takes the level that most neighbours have; either end keeps rare levels alive.
    """
    train = comparison.train
    classes = np.zeros(len(train), dtype=np.int64)
    if comparison.target is not None and comparison.target.is_classes:
        classes = train.column(comparison.target.column)
    points = fit_space(comparison).points(train)
    partner = np.arange(len(train))
    for value in np.unique(classes):
        members = np.flatnonzero(classes == value)
        if len(members) < 2:
            continue
        k = min(N_NEIGHBOURS, len(members) - 1)
        near = nearest(points[members], points[members], k, itself=np.arange(len(members))).index
        picked = near[np.arange(len(members)), rng.integers(k, size=len(members))]
        partner[members] = members[picked]
    return _between(train, train[partner], rng)


def _between(first: Rows, second: Rows, rng: np.random.Generator) -> Rows:
    way = rng.random((len(first), 1))
    numbers = first.numbers + way * (second.numbers - first.numbers)
    from_first = rng.random(first.numbers.shape) < 0.5
    one_missing = np.isnan(numbers)
    numbers = np.where(one_missing, np.where(from_first, first.numbers, second.numbers), numbers)
    either = rng.random(first.codes.shape) < 0.5
    return Rows(numbers, np.where(either, first.codes, second.codes), first.ids)
