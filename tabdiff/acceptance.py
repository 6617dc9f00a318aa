"""Which synthetic rows are kept: those that a classifier of the real rows takes for rows of their class.

A generator of a rare class strays where its few rows say little, mostly to where another class lives, and
such rows teach a classifier what is wrong. The judge is cross-fitted: how sure it must be of a synthetic row
is read off real rows of the class that it had not seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold

from tabdiff.boosting import TableCodes
from tabdiff.cells import joined, take
from tabdiff.schema import Column

__all__ = ["Judge", "accepted_rows", "fit_judge"]

STRICTNESS = 0.1
MIN_ROWS = 10
MAX_CLASS_ROWS = 20_000
N_FOLDS = 5
MOST_DRAWN = 5


@dataclass(frozen=True)
class Judge:
    """A classifier of the real rows, and how sure of its class a row must make it.

    floors: (n_classes,), the probability of its class that a row needs; 0 for classes of too few rows.
    """

    codes: TableCodes
    model: HistGradientBoostingClassifier
    floors: np.ndarray

    def sureness(self, columns: Sequence[Column], code: int) -> np.ndarray:
        """The probability that rows are of a class: (n,)."""
        place = int(np.searchsorted(self.model.classes_, code))
        return self.model.predict_proba(self.codes.matrix(columns))[:, place]


def fit_judge(
    columns: Sequence[Column],
    codes: np.ndarray,
    n_classes: int,
    seed: np.random.SeedSequence,
    strictness: float = STRICTNESS,
) -> Judge | None:
    """A judge of the rows; None if no class but one has rows enough.

    codes: (n,) the class of each row. strictness: share of the real rows of a class, not seen by the
    classifier that judges them, that it would refuse. Classes of more than `MAX_CLASS_ROWS` rows are judged
    by a sample of them.
    """
    rng = np.random.default_rng(seed)
    rows = _at_most(codes, n_classes, rng)
    counts = np.bincount(codes[rows], minlength=n_classes)
    if (counts >= MIN_ROWS).sum() < 2:
        return None
    rows = rows[counts[codes[rows]] >= MIN_ROWS]
    table_codes = TableCodes.fit(columns)
    matrix, classes = table_codes.matrix([take(column, rows) for column in columns]), codes[rows]
    model = HistGradientBoostingClassifier(
        max_iter=60,
        max_leaf_nodes=15,
        early_stopping=False,
        categorical_features=table_codes.is_category,
        random_state=int(rng.integers(2**31)),
    )
    own = np.zeros(len(rows))
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
    for train, test in folds.split(matrix, classes):
        fitted = model.fit(matrix[train], classes[train])
        place = np.searchsorted(fitted.classes_, classes[test])
        own[test] = fitted.predict_proba(matrix[test])[np.arange(len(test)), place]
    floors = np.zeros(n_classes)
    for code in np.unique(classes):
        floors[code] = np.quantile(own[classes == code], strictness)
    return Judge(table_codes, model.fit(matrix, classes), floors)


def _at_most(codes: np.ndarray, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of all classes, of each at most `MAX_CLASS_ROWS` chosen at random; sorted."""
    parts = [np.flatnonzero(codes == code) for code in range(n_classes)]
    kept = [
        part if len(part) <= MAX_CLASS_ROWS else rng.choice(part, MAX_CLASS_ROWS, replace=False)
        for part in parts
    ]
    return np.sort(np.concatenate(kept))


def accepted_rows(
    draw: Callable[[int, int], list[Column]], n: int, judge: Judge | None, code: int
) -> list[Column]:
    """Rows of a class, n of them, of which the judge is sure.

    draw: takes a number of rows and how many were drawn before, and returns rows. At most `MOST_DRAWN` times
    n rows are drawn; if fewer than n of them pass, the surest of the others make up for them.
    """
    if judge is None or judge.floors[code] <= 0:
        return draw(n, 0)
    kept: list[list[Column]] = []
    refused: list[tuple[list[Column], np.ndarray]] = []
    n_kept = n_drawn = 0
    while n_kept < n and n_drawn < MOST_DRAWN * n:
        rate = max(n_kept / n_drawn, 1 / MOST_DRAWN) if n_drawn else 1.0
        size = min(math.ceil(1.1 * (n - n_kept) / rate), MOST_DRAWN * n - n_drawn)
        rows = draw(size, n_drawn)
        sure = judge.sureness(rows, code)
        passed = sure >= judge.floors[code]
        n_drawn += size
        n_kept += int(passed.sum())
        kept.append([take(column, passed) for column in rows])
        refused.append(([take(column, ~passed) for column in rows], sure[~passed]))
    if n_kept < n:
        others = [joined(parts) for parts in zip(*(rows for rows, _ in refused), strict=True)]
        surest = np.argsort(-np.concatenate([sure for _, sure in refused]), kind="stable")[: n - n_kept]
        kept.append([take(column, np.sort(surest)) for column in others])
    whole = [joined(parts) for parts in zip(*kept, strict=True)]
    return [take(column, slice(0, n)) for column in whole]
