"""Which synthetic rows are kept: preferably those that a classifier of the real rows takes for their class.

A generator of a rare class strays where its few rows say little, mostly to where another class lives, and
such rows teach a classifier what is wrong. The judge knows all classes, and so where they live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from tabdiff.cells import take
from tabdiff.imbalance.boosting import TableCodes
from tabdiff.schema import Column

__all__ = ["MOST_DRAWN", "Judge", "fit_judge", "plausible_rows"]

MIN_ROWS = 10
MAX_CLASS_ROWS = 20_000
MOST_DRAWN, LEAST_DRAWN = 16.0, 1.5
MANY = 8_000
TINY = 1e-6


@dataclass(frozen=True)
class Judge:
    """A classifier of the real rows; classes of too few rows are unknown to it."""

    codes: TableCodes
    model: HistGradientBoostingClassifier

    def knows(self, code: int) -> bool:
        """Whether it has learned a class."""
        return code in self.model.classes_

    def sureness(self, columns: Sequence[Column], code: int) -> np.ndarray:
        """The probability that rows are of a class: (n,)."""
        place = int(np.searchsorted(self.model.classes_, code))
        return self.model.predict_proba(self.codes.matrix(columns))[:, place]


def fit_judge(
    columns: Sequence[Column], codes: np.ndarray, n_classes: int, seed: np.random.SeedSequence
) -> Judge | None:
    """A judge of the rows; None if fewer than two classes have rows enough.

    codes: (n,) the class of each row. Classes of more than `MAX_CLASS_ROWS` rows are learned by a sample.
    """
    rng = np.random.default_rng(seed)
    rows = _at_most(codes, n_classes, rng)
    counts = np.bincount(codes[rows], minlength=n_classes)
    if (counts >= MIN_ROWS).sum() < 2:
        return None
    rows = rows[counts[codes[rows]] >= MIN_ROWS]
    table_codes = TableCodes.fit(columns)
    model = HistGradientBoostingClassifier(
        max_iter=60,
        max_leaf_nodes=15,
        early_stopping=False,
        categorical_features=table_codes.is_category,
        random_state=int(rng.integers(2**31)),
    )
    matrix = table_codes.matrix([take(column, rows) for column in columns])
    return Judge(table_codes, model.fit(matrix, codes[rows]))


def _at_most(codes: np.ndarray, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of all classes, of each at most `MAX_CLASS_ROWS` chosen at random; sorted."""
    parts = [np.flatnonzero(codes == code) for code in range(n_classes)]
    kept = [
        part if len(part) <= MAX_CLASS_ROWS else rng.choice(part, MAX_CLASS_ROWS, replace=False)
        for part in parts
    ]
    return np.sort(np.concatenate(kept))


def plausible_rows(
    draw: Callable[[int], list[Column]], n: int, judge: Judge | None, code: int, rng: np.random.Generator
) -> list[Column]:
    """Rows of a class, n of them, chosen from more in proportion to how sure of the class the judge is.

    draw: takes a number of rows and returns as many. Sixteen times n rows are drawn, but no more than
    `MANY`, or than one and a half times n; and n of them are chosen without replacement, in their order.

    Source: sampling importance resampling, Rubin 1988; the law of the rows is the generator's times the
    judge's probability of the class. Draws without replacement by exponential keys, Efraimidis & Spirakis
    2006 (doi:10.1016/j.ipl.2005.11.003).
    """
    if judge is None or not judge.knows(code):
        return draw(n)
    factor = min(MOST_DRAWN, max(LEAST_DRAWN, MANY / n))
    rows = draw(int(np.ceil(factor * n)))
    keys = rng.exponential(size=len(rows[0])) / np.maximum(judge.sureness(rows, code), TINY)
    chosen = np.sort(np.argpartition(keys, n - 1)[:n])
    return [take(column, chosen) for column in rows]
