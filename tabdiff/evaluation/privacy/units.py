"""What may change sides under the null: rows, distinct rows or entities, and counts that compare two sides.

Every test of this room is a permutation test: if the synthetic table knows no more of train than the law
does, each unit could as well have been drawn into the holdout. A score that looks at all real rows alike
(never at who is train) keeps that exchange, so its ranks are those of a random split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tabdiff.evaluation.comparison import Comparison
from tabdiff.evaluation.estimates import Estimate
from tabdiff.evaluation.intervals import fisher_greater, newcombe

__all__ = ["MIN_UNITS", "Side", "Units", "best_rows", "excess_share", "sample", "suspect", "units_of"]

MIN_UNITS = 50
ROWS_PER_UNIT = 8  # of one entity, at most, where a measure asks for distances
MAX_SUSPECTS = 200


@dataclass(frozen=True)
class Side:
    """Train or holdout. rows: (n,) row numbers in the table; units: (n,) codes below n_units."""

    rows: np.ndarray
    units: np.ndarray
    n_units: int

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, which: np.ndarray) -> Side:
        """Some of the rows; units keep their codes."""
        return Side(self.rows[which], self.units[which], self.n_units)


@dataclass(frozen=True)
class Units:
    """Both sides; what: "rows", "distinct rows" or "entities"."""

    train: Side
    holdout: Side
    what: str

    @property
    def counts(self) -> dict[str, Any]:
        """For `details`: how many units there are on each side."""
        return {"unit": self.what, "n_train": self.train.n_units, "n_holdout": self.holdout.n_units}


def units_of(comparison: Comparison) -> Units:
    """The units that a random split would have exchanged.

    Entities where a group is named. Distinct rows where no row of train is in the holdout although real rows
    repeat: such a split kept equal rows together. Rows otherwise.
    """
    if comparison.train_groups is not None and comparison.holdout_groups is not None:
        return Units(_by_code(comparison.train_groups), _by_code(comparison.holdout_groups), "entities")
    train, holdout = comparison.train.keys(), comparison.holdout.keys()
    distinct_train, first_train = np.unique(train, return_index=True)
    distinct_holdout, first_holdout = np.unique(holdout, return_index=True)
    repeated = len(distinct_train) < len(train) or len(distinct_holdout) < len(holdout)
    if repeated and not np.isin(distinct_holdout, distinct_train).any():
        return Units(_each(np.sort(first_train)), _each(np.sort(first_holdout)), "distinct rows")
    return Units(_each(np.arange(len(train))), _each(np.arange(len(holdout))), "rows")


def _each(rows: np.ndarray) -> Side:
    return Side(rows, np.arange(len(rows)), len(rows))


def _by_code(groups: np.ndarray) -> Side:
    """One unit for each entity, and one for each row without an entity (-1)."""
    own = groups.max(initial=0) + 1 + np.arange(len(groups))
    distinct, units = np.unique(np.where(groups < 0, own, groups), return_inverse=True)
    return Side(np.arange(len(groups)), units, len(distinct))


def sample(side: Side, n: int, rng: np.random.Generator, among: np.ndarray | None = None) -> np.ndarray:
    """Positions in `side` of about n random rows: whole units, each with `ROWS_PER_UNIT` rows at most.

    among: (len(side),) bool, the rows that count. Units are thinned before they are drawn, and alike on both
    sides: a side with fewer units must not end with more rows of each.
    """
    order = rng.permutation(len(side) if among is None else np.flatnonzero(among))
    by_unit = order[np.argsort(side.units[order], kind="stable")]
    units, starts, counts = np.unique(side.units[by_unit], return_index=True, return_counts=True)
    place = np.arange(len(by_unit)) - np.repeat(starts, counts)
    thinned = by_unit[place < ROWS_PER_UNIT]
    if len(thinned) <= n:
        return np.sort(thinned)
    n_units = max(1, round(len(units) * n / len(thinned)))
    drawn = rng.choice(units, size=n_units, replace=False)
    return np.sort(thinned[np.isin(side.units[thinned], drawn)])


def best_rows(score: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Positions of the best-scoring row of each unit that occurs: a unit is as exposed as its worst row."""
    order = np.lexsort((-score, units))
    first = np.append(True, units[order][1:] != units[order][:-1]) if len(order) else np.empty(0, dtype=bool)
    return order[first]


def excess_share(name: str, k: int, n: int, k_control: int, m: int, **fields: Any) -> Estimate:
    """The share k / n of train units beyond the share k_control / m of holdout units, as an estimate.

    fields: what else the estimate holds, or holds instead.
    """
    lo, hi = newcombe(k, n, k_control, m)
    known: dict[str, Any] = {
        "lo": lo,
        "hi": hi,
        "ideal": 0.0,
        "floor": 0.0,
        "bad": 1.0,
        "n": n + m,
        "method": "Newcombe; p by Fisher's exact test",
        "p_value": fisher_greater(k, n, k_control, m),
    }
    return Estimate(name, k / n - k_control / m, **(known | fields))


def suspect(train_row: Any, synthetic_row: Any, distance: Any, why: str) -> dict[str, Any]:
    """One line of the list of rows that look copied; numbers of rows in the tables as given."""
    return {
        "train_row": int(train_row),
        "synthetic_row": int(synthetic_row),
        "distance": float(distance),
        "why": why,
    }
