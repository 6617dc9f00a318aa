"""Rows as scikit-learn's histogram gradient boosting takes them: numbers with NaN, levels as codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from tabdiff.evaluation.comparison import ColumnLayout, Comparison, Rows, within_reach

__all__ = [
    "MAX_BOOSTING_LEVELS",
    "BoostingFeatures",
    "boosting_features",
    "ready_to_fit",
    "threads_for",
    "two_sample_features",
]

FEW_ROWS = 10_000
MAX_BOOSTING_LEVELS = 254  # one bin of 256 is for missing cells, one is spare in the oldest version supported


@dataclass(frozen=True)
class BoostingFeatures:
    """How columns become features.

    columns: one for each feature, in order. categorical: (F,) bool, for `categorical_features`. codes: for
    each feature the code of each level, of an empty array for numbers.
    """

    columns: tuple[ColumnLayout, ...]
    categorical: np.ndarray
    codes: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.columns)

    def matrix(self, rows: Rows) -> np.ndarray:
        """(n, F) float64: numbers below 1e100 as they are, levels as codes below 254; NaN where missing."""
        features = np.empty((len(rows), len(self.columns)))
        for place, (column, codes) in enumerate(zip(self.columns, self.codes, strict=True)):
            cells = rows.column(column)
            # code -1, of a missing cell, takes the NaN at the end
            features[:, place] = codes[cells] if self.categorical[place] else within_reach(cells)
        return features


def boosting_features(
    comparison: Comparison, columns: Sequence[ColumnLayout], max_levels: int = MAX_BOOSTING_LEVELS
) -> BoostingFeatures:
    """The features of these columns; identifiers among them are left out.

    Levels beyond `max_levels` are pooled by their frequency in real rows; those that no real row has share
    one code that is theirs alone.
    """
    real = comparison.real
    return _features(columns, lambda column: _level_codes(real.column(column), column, max_levels))


def two_sample_features(
    first: Rows, second: Rows, columns: Sequence[ColumnLayout], max_levels: int = MAX_BOOSTING_LEVELS
) -> BoostingFeatures:
    """Features to tell two tables apart by: codes are given without regard to which of them has a level.

    Where every row may bring a level of its own, "no real row has it" is true of synthetic rows alone, and
    would tell perfect ones apart. Levels beyond `max_levels` are pooled by their share in both tables.
    """
    return _features(
        columns, lambda column: _shared_codes(first.column(column), second.column(column), column, max_levels)
    )


def _features(
    columns: Sequence[ColumnLayout], codes_of: Callable[[ColumnLayout], np.ndarray]
) -> BoostingFeatures:
    chosen = tuple(column for column in columns if column.kind != "identifier")
    is_level = np.array([column.kind == "categorical" for column in chosen], dtype=bool)
    codes = (codes_of(column) if column.kind == "categorical" else np.empty(0) for column in chosen)
    return BoostingFeatures(chosen, is_level, tuple(codes))


@contextmanager
def threads_for(n_rows: int) -> Iterator[None]:
    """Let boosting on few rows use one thread: beside a busy process a team of them waits for its slowest."""
    with threadpool_limits(1 if n_rows < FEW_ROWS else None, user_api="openmp"):
        yield


def ready_to_fit(matrix: np.ndarray) -> np.ndarray:
    """The same features with 0 in those that are missing in every row; call it before `fit`, not `predict`.

    scikit-learn cannot bin a number without values. A feature that is constant is never split on.
    """
    empty = np.isnan(matrix).all(axis=0)
    return np.where(empty, 0.0, matrix) if empty.any() else matrix


def _level_codes(cells: np.ndarray, column: ColumnLayout, max_levels: int) -> np.ndarray:
    """(n_levels + 1,) code of each level, NaN at the end for missing cells."""
    n_real = column.n_real_levels
    n_kept = n_real if n_real < max_levels else max_levels - 2
    counts = np.bincount(cells[cells >= 0], minlength=n_real)[:n_real]
    kept = np.sort(np.argsort(-counts, kind="stable")[:n_kept])
    codes = np.full(len(column.levels) + 1, np.nan)
    codes[:n_real] = n_kept  # the pool, unless all are kept
    codes[kept] = np.arange(len(kept))
    codes[n_real:-1] = n_kept if n_kept == n_real else n_kept + 1
    return codes


def _shared_codes(first: np.ndarray, second: np.ndarray, column: ColumnLayout, max_levels: int) -> np.ndarray:
    """(n_levels + 1,) code of each level, the same pool for all that are rare in both, NaN at the end."""
    n = len(column.levels)
    counts = [np.bincount(cells[cells >= 0], minlength=n) for cells in (first, second)]
    share = sum(count / max(1, count.sum()) for count in counts)
    kept = np.sort(np.argsort(-share, kind="stable")[: n if n <= max_levels else max_levels - 1])
    codes = np.full(n + 1, float(len(kept)))
    codes[kept] = np.arange(len(kept))
    codes[-1] = np.nan
    return codes
