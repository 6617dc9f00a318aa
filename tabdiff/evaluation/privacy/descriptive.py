"""Distances that papers print: they describe, are no evidence of privacy, and no test is made of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tabdiff.evaluation.comparison import Comparison, Rows
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.intervals import wilson
from tabdiff.evaluation.neighbours import Neighbours, Points, Space, fit_space
from tabdiff.evaluation.privacy.field import REFERENCE_ROWS, nearest_rows
from tabdiff.evaluation.registry import register

__all__ = ["dcr_share", "distances", "independent_votes", "nndr"]

NOTE = "descriptive, not evidence of privacy"
ASKED = 2_000


@register("descriptive.distances")
def distances(comparison: Comparison, rng: np.random.Generator) -> Iterator[Estimate]:
    """Distance to the closest record, nearest-neighbour distance ratio, share of exact matches."""
    yield _exact_matches(comparison)
    if not comparison.has_holdout:
        why = "no holdout: a distance to train means nothing without one to rows never seen"
        yield not_assessable("descriptive.dcr_share", why)
        yield not_assessable("descriptive.nndr", why)
        return
    space = fit_space(comparison)
    n_asked = min(ASKED, comparison.budget.n_queries)
    made = comparison.synthetic[rng.permutation(len(comparison.synthetic))[:n_asked]]
    asked = space.points(made)
    # the same number of each: more rows are nearer by number alone
    n = min(len(comparison.train), len(comparison.holdout), REFERENCE_ROWS)
    train, holdout = (_some(rows, n, rng) for rows in (comparison.train, comparison.holdout))
    to_train, to_holdout = nearest_rows(space, asked, train, k=2), nearest_rows(space, asked, holdout)
    yield _dcr(to_train, to_holdout)
    new = space.points(_some(comparison.holdout, n_asked, rng))
    yield _nndr(to_train.distance, space, new, train, len(np.unique(made.keys())))


def _some(rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    return rows[np.sort(rng.permutation(len(rows))[:n])]


def dcr_share(to_train: np.ndarray, to_holdout: np.ndarray) -> float:
    """Share of synthetic rows that are nearer to train than to the holdout; equal distances count half."""
    return float(((to_train < to_holdout) + 0.5 * (to_train == to_holdout)).mean())


def nndr(distance: np.ndarray) -> float | None:
    """Median of nearest over second nearest distance, (n, 2); 0 / 0 is 1. None with fewer than two rows."""
    if not np.isfinite(distance).all():
        return None
    second = distance[:, 1]
    return float(np.median(np.where(second > 0, distance[:, 0] / np.where(second > 0, second, 1.0), 1.0)))


def independent_votes(nearest_real: np.ndarray) -> float:
    """How many independent votes n synthetic rows are: n^2 / sum of squared votes of each real row.

    After another split of the real rows, all that are nearest to one of them change sides together.
    """
    _, votes = np.unique(nearest_real, return_counts=True)
    return float(votes.sum()) ** 2 / float((votes.astype(float) ** 2).sum())


def _dcr(to_train: Neighbours, to_holdout: Neighbours) -> Estimate:
    first, second = to_train.distance[:, 0], to_holdout.distance[:, 0]
    share, n = dcr_share(first, second), len(first)
    n_effective = independent_votes(
        np.where(first < second, to_train.index[:, 0], -1 - to_holdout.index[:, 0])
    )
    lo, hi = wilson(share * n_effective, n_effective)
    return Estimate(
        "descriptive.dcr_share",
        share,
        lo,
        hi,
        ideal=0.5,
        floor=0.5,
        bad=1.0,
        n=n,
        n_effective=n_effective,
        method="Wilson, on independent votes: synthetic rows nearest to one real row are one vote in part",
        note=NOTE,
    )


def _nndr(to_train: np.ndarray, space: Space, new: Points, train: Rows, n_distinct: int) -> Estimate:
    value, floor = nndr(to_train), nndr(nearest_rows(space, new, train, k=2).distance)
    if value is None:
        return not_assessable("descriptive.nndr", f"{len(train)} train rows: two are needed")
    return Estimate(
        "descriptive.nndr",
        value,
        ideal=floor,
        floor=floor,
        bad=0.0,
        n=len(to_train),
        n_effective=float(n_distinct),
        method="median, no interval; the floor is that of holdout rows",
        note=NOTE,
    )


def _exact_matches(comparison: Comparison) -> Estimate:
    made, train = comparison.synthetic.keys(), comparison.train.keys()
    n, n_distinct = len(made), len(np.unique(made))
    share = float(np.isin(made, train).mean())
    lo, hi = wilson(share * n_distinct, n_distinct)
    floor = float(np.isin(comparison.holdout.keys(), train).mean()) if comparison.has_holdout else None
    return Estimate(
        "descriptive.exact_match_share",
        share,
        lo,
        hi,
        ideal=floor,
        floor=floor,
        bad=1.0,
        n=n,
        n_effective=float(n_distinct),
        method="Wilson, on distinct synthetic rows",
        note=NOTE
        if comparison.has_holdout
        else NOTE + "; matches with one half of train, as there is no holdout",
    )
