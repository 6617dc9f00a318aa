"""Distances of real rows to the synthetic table and to each other: measured once, used by many tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabdiff.evaluation.comparison import Comparison, Rows
from tabdiff.evaluation.neighbours import Neighbours, Points, Space, fit_space, merged, nearest
from tabdiff.evaluation.privacy.units import Units, best_rows, sample

__all__ = [
    "Field",
    "Scores",
    "isolated_size",
    "measure_field",
    "member_score",
    "nearest_rows",
    "queries_per_side",
    "typical",
]

CALIBRATION_ROWS = 20_000  # real rows that stand for the law, at most
ISOLATION_ROWS = 4_000
ISOLATED_SHARE = 0.05
MIN_ISOLATED_ROWS = 400  # if that is not more than half of all: the margin of 5 % is unsharp in small tables
FLOOR_SHARE = 1e-3  # of the typical distance between real rows: nearer counts as equal
PAIRS = 600_000_000  # distances to spend on the random rows of a side before the budget's number rules
MORE_QUERIES = 4  # times the budget's number, at most
REFERENCE_ROWS = 100_000  # turned into points at a time


@dataclass(frozen=True)
class Scores:
    """Member-likeness of units, the larger the more. train: (n,), holdout: (m,).

    Of each train unit: train_row, its most exposed row; synthetic_row and distance, what is nearest to it.
    """

    train: np.ndarray
    holdout: np.ndarray
    train_row: np.ndarray
    synthetic_row: np.ndarray
    distance: np.ndarray

    @property
    def sizes(self) -> tuple[int, int]:
        """Units of train and of the holdout."""
        return len(self.train), len(self.holdout)


@dataclass(frozen=True)
class Field:
    """The rows asked, (q,) each; train and holdout together.

    member: of train. row: number in its table. unit: code within its side. score: see `member_score`.
    sets: which rows belong to "random" (the same chance for all units of a side), "isolated" (far from all
    other real rows) and "positive" (of the class that matters).
    """

    member: np.ndarray
    row: np.ndarray
    unit: np.ndarray
    to_synthetic: np.ndarray
    synthetic_row: np.ndarray
    score: np.ndarray
    sets: dict[str, np.ndarray]

    def scores(self, name: str) -> Scores:
        """The units of one set, each by its most member-like row in it."""
        inside = self.sets[name]
        train, holdout = np.flatnonzero(inside & self.member), np.flatnonzero(inside & ~self.member)
        train = train[best_rows(self.score[train], self.unit[train])]
        holdout = holdout[best_rows(self.score[holdout], self.unit[holdout])]
        return Scores(
            self.score[train],
            self.score[holdout],
            self.row[train],
            self.synthetic_row[train],
            self.to_synthetic[train],
        )


def measure_field(comparison: Comparison, units: Units, rng: np.random.Generator) -> Field:
    """Ask random rows, isolated rows and positive rows for their distances.

    Who is asked and what "isolated" and "typical" mean depends on all real rows alike, never on the side that
    a row is on, but for the number of random rows of each side. Synthetic rows are never sampled: a copy that
    is left out cannot be found.
    """
    pool = comparison.train[units.train.rows] + comparison.holdout[units.holdout.rows]
    side = np.repeat([0, 1], [len(units.train), len(units.holdout)])
    start = np.array([0, len(units.train)])
    unit = np.concatenate([units.train.units, units.holdout.units])
    row = np.concatenate([units.train.rows, units.holdout.rows])
    space = fit_space(comparison)
    n = queries_per_side(comparison.budget.n_queries, len(comparison.synthetic))
    positive = comparison.is_positive(pool)

    drawn = {"random": np.zeros(len(pool), dtype=bool), "positive": np.zeros(len(pool), dtype=bool)}
    for code, part in enumerate((units.train, units.holdout)):
        drawn["random"][start[code] + sample(part, n, rng)] = True
        among = positive[side == code]
        drawn["positive"][start[code] + sample(part, n, rng, among)] = True
    isolation = _isolation(space, pool, rng)
    n_isolated = isolated_size(len(pool), comparison.budget.n_queries)
    drawn["isolated"] = np.zeros(len(pool), dtype=bool)
    drawn["isolated"][np.argsort(-isolation, kind="stable")[:n_isolated]] = True

    asked = np.flatnonzero(np.any(list(drawn.values()), axis=0))
    queries = space.points(pool[asked])
    found = nearest_rows(space, queries, comparison.synthetic)
    reference = np.sort(rng.permutation(len(pool))[:CALIBRATION_ROWS])
    to_real = nearest_rows(space, queries, pool[reference], itself=_place_in(reference, asked))
    return Field(
        side[asked] == 0,
        row[asked],
        unit[asked],
        found.distance[:, 0],
        found.index[:, 0],
        member_score(found.distance[:, 0], to_real.distance[:, 0], typical(isolation)),
        {name: chosen[asked] for name, chosen in drawn.items()},
    )


def queries_per_side(n_queries: int, n_synthetic: int) -> int:
    """The budget's number of queries, and up to four times as many while each is cheap."""
    affordable = PAIRS // (n_synthetic + CALIBRATION_ROWS)
    return max(n_queries, min(MORE_QUERIES * n_queries, affordable))


def isolated_size(n_pool: int, n_queries: int) -> int:
    """How many rows count as isolated: 5 % of all, at least 400 or half of all, at most half the queries."""
    wanted = max(int(np.ceil(ISOLATED_SHARE * n_pool)), min(MIN_ISOLATED_ROWS, n_pool // 2))
    return min(wanted, n_queries // 2)


def typical(distances: np.ndarray) -> float:
    """Median of the distances above 0; 1 where there are none."""
    spread = distances[(distances > 0) & np.isfinite(distances)]
    return float(np.median(spread)) if len(spread) else 1.0


def member_score(to_synthetic: np.ndarray, to_real: np.ndarray, unit: float) -> np.ndarray:
    """Log d(x, other real rows) - log d(x, synthetic rows): high if synthetic rows are unduly near.

    Both distances are cut below at a thousandth of the unit, so that equal rows score high but finite, and
    natural duplicates that the generator meets as well score 0.

    DIFFERS: van Breugel et al. 2023 (arXiv:2302.12580) divide densities and add 1e-10 to the lower one, which
    hides the calibration in more than a few dimensions. Logarithms of distances need no such constant. Their
    reference is a sample of its own; here it is all real rows but x, which leaves the whole holdout to test.
    """
    floor = FLOOR_SHARE * unit
    return np.log(np.maximum(to_real, floor)) - np.log(np.maximum(to_synthetic, floor))


def nearest_rows(
    space: Space, queries: Points, references: Rows, k: int = 1, itself: np.ndarray | None = None
) -> Neighbours:
    """As `nearest`, for rows that would not fit into memory as points."""
    distance = np.full((len(queries), k), np.inf)
    index = np.full((len(queries), k), -1, dtype=np.int64)
    for first in range(0, len(references), REFERENCE_ROWS):
        chunk = space.points(references[slice(first, first + REFERENCE_ROWS)])
        here = None
        if itself is not None:
            here = np.where((itself >= first) & (itself < first + len(chunk)), itself - first, -1)
        found = nearest(queries, chunk, k, here)
        rows = np.where(found.index < 0, -1, found.index + first)
        distance, index = merged(distance, index, found.distance, rows, k)
    return Neighbours(distance, index)


def _isolation(space: Space, pool: Rows, rng: np.random.Generator) -> np.ndarray:
    """(len(pool),) distance of each row to the nearest other one in a sample of all real rows."""
    reference = np.sort(rng.permutation(len(pool))[:ISOLATION_ROWS])
    points = space.points(pool[reference])
    distance = np.empty(len(pool))
    for first in range(0, len(pool), REFERENCE_ROWS):
        part = np.arange(first, min(first + REFERENCE_ROWS, len(pool)))
        found = nearest(space.points(pool[part]), points, 1, _place_in(reference, part))
        distance[part] = found.distance[:, 0]
    return distance


def _place_in(reference: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Where each asked row stands in the ascending reference, -1 if it is not in it."""
    at = np.minimum(np.searchsorted(reference, asked), len(reference) - 1)
    return np.where(reference[at] == asked, at, -1)
