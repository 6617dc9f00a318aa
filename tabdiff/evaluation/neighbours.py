"""Exact nearest neighbours among mixed rows, in chunks: memory does not grow with the number of rows.

The distance is Euclidean over columns of comparable size: numbers as asinh((x - median) / IQR), one mismatch
of a level counts 1, and so does one cell that is missing in one row only. Scales come from real rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tabdiff.evaluation.comparison import ColumnLayout, Comparison, Rows, within_reach

__all__ = ["Neighbours", "Points", "Space", "fit_space", "merged", "nearest"]

MAX_ONE_HOT = 64  # levels; beyond these, codes are compared one by one
QUERY_CHUNK = 512
REFERENCE_CHUNK = 8192
SPARE = 3  # candidates kept beside the k nearest of a chunk until exact arithmetic decides


class Neighbours(NamedTuple):
    """distance: (n, k), ascending; index: (n, k) rows of the reference. inf and -1 where there are fewer."""

    distance: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # hides tuple.index, which no one calls


@dataclass(frozen=True)
class Points:
    """Rows as points. dense: (n, D) float64. codes: (n, C) int64 of columns with many levels."""

    dense: np.ndarray
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.dense)

    def __getitem__(self, rows: np.ndarray | slice) -> Points:
        return Points(self.dense[rows], self.codes[rows])


@dataclass(frozen=True)
class Space:
    """Where rows are compared: which columns, and the scale of each numeric one."""

    numeric: tuple[ColumnLayout, ...]
    one_hot: tuple[ColumnLayout, ...]
    many: tuple[ColumnLayout, ...]
    centre: np.ndarray
    scale: np.ndarray

    def points(self, rows: Rows) -> Points:
        """The rows as points of this space."""
        parts = [np.empty((len(rows), 0))]
        for place, column in enumerate(self.numeric):
            cells = within_reach(rows.column(column))
            missing = np.isnan(cells)
            scaled = np.arcsinh((np.where(missing, 0, cells) - self.centre[place]) / self.scale[place])
            parts.append(np.where(missing, 0.0, scaled)[:, None])
            parts.append(missing[:, None].astype(np.float64))
        for column in self.one_hot:
            codes = rows.column(column)
            # 1 / sqrt(2) each: two entries differ at a mismatch, so its squared distance is 1
            hot = np.zeros((len(rows), len(column.levels) + 1))
            hot[np.arange(len(rows)), codes] = np.sqrt(0.5)
            parts.append(hot)
        many = [np.empty((len(rows), 0), dtype=np.int64)]
        many += [rows.column(column)[:, None] for column in self.many]
        return Points(np.concatenate(parts, axis=1), np.concatenate(many, axis=1))


def fit_space(comparison: Comparison, columns: Sequence[ColumnLayout] | None = None) -> Space:
    """The space of the given columns (default: all that are modelled), scaled by train and holdout."""
    chosen = comparison.layout.modelled if columns is None else list(columns)
    numeric = tuple(column for column in chosen if column.kind == "numeric")
    levels = [column for column in chosen if column.kind == "categorical"]
    real = comparison.real
    scales = [_scale(within_reach(real.column(column))) for column in numeric]
    return Space(
        numeric,
        tuple(column for column in levels if len(column.levels) <= MAX_ONE_HOT),
        tuple(column for column in levels if len(column.levels) > MAX_ONE_HOT),
        np.array([centre for centre, _ in scales]),
        np.array([scale for _, scale in scales]),
    )


def _scale(cells: np.ndarray) -> tuple[float, float]:
    """Median and IQR; where the IQR is 0 the standard deviation, and 1 for a constant."""
    cells = cells[~np.isnan(cells)]
    if not len(cells):
        return 0.0, 1.0
    low, median, high = np.quantile(cells, [0.25, 0.5, 0.75])
    spread = float(high - low) or float(cells.std())
    return float(median), spread if spread > 0 else 1.0


def nearest(queries: Points, references: Points, k: int = 1, itself: np.ndarray | None = None) -> Neighbours:
    """The k nearest references of each query, exactly.

    itself: (n,) the row of the reference that is the query itself and must not count, -1 for none.
    float32 products find candidates, float64 differences order them: the products alone lose small distances
    to cancellation.
    """
    distance = np.full((len(queries), k), np.inf)
    index = np.full((len(queries), k), -1, dtype=np.int64)
    if not len(references):
        return Neighbours(distance, index)
    shift = references.dense.mean(axis=0)
    rounding = np.finfo(np.float32).eps * (references.dense.shape[1] + 2)
    for start in range(0, len(queries), QUERY_CHUNK):
        part = slice(start, start + QUERY_CHUNK)
        asked, skip = queries[part], None if itself is None else itself[part]
        left = _left(asked.dense - shift)
        best_d, best_i = distance[part], index[part]  # views: what is found is written through them
        for first in range(0, len(references), REFERENCE_CHUNK):
            chunk = references[slice(first, first + REFERENCE_CHUNK)]
            right = _right(chunk.dense - shift)
            square = _squares(left, right, asked.codes, chunk.codes, skip, first)
            # most chunks hold nothing nearer than what is known; the products are off by `slack` at most
            slack = rounding * (left[:, -2] + right[:, -1].max())
            better = np.flatnonzero(square.min(axis=1) <= best_d[:, -1] ** 2 + slack)
            if not len(better):
                continue
            found = _candidates(square[better], first, k + SPARE)
            exact = _distances(asked[better], references, found)
            best_d[better], best_i[better] = merged(best_d[better], best_i[better], exact, found, k)
    return Neighbours(distance, index)


def _left(dense: np.ndarray) -> np.ndarray:
    """(n, D + 2) float32: times `_right` gives squared distances in one product."""
    square = (dense**2).sum(axis=1, keepdims=True)
    return np.concatenate([-2 * dense, square, np.ones_like(square)], axis=1).astype(np.float32)


def _right(dense: np.ndarray) -> np.ndarray:
    square = (dense**2).sum(axis=1, keepdims=True)
    return np.concatenate([dense, np.ones_like(square), square], axis=1).astype(np.float32)


def _squares(
    left: np.ndarray,
    right: np.ndarray,
    codes: np.ndarray,
    chunk_codes: np.ndarray,
    skip: np.ndarray | None,
    first: int,
) -> np.ndarray:
    """(q, r) float32 squared distances of queries to a chunk of references, inf to the query itself."""
    square = left @ right.T
    for place in range(codes.shape[1]):
        square += codes[:, place, None] != chunk_codes[None, :, place]
    if skip is not None:
        here = np.flatnonzero((skip >= first) & (skip < first + len(right)))
        square[here, skip[here] - first] = np.inf
    return square


def _candidates(square: np.ndarray, first: int, n: int) -> np.ndarray:
    """(q, up to n) rows of the reference that are nearest in a chunk, -1 for none; `square` is used up."""
    n = min(n, square.shape[1])
    rows = np.arange(len(square))
    found = np.empty((len(square), n), dtype=np.int64)
    for place in range(n):
        at = square.argmin(axis=1)
        found[:, place] = np.where(np.isinf(square[rows, at]), -1, at + first)
        square[rows, at] = np.inf
    return found


def _distances(queries: Points, references: Points, found: np.ndarray) -> np.ndarray:
    """(q, n) exact distances to the rows found, inf for -1."""
    square = ((queries.dense[:, None] - references.dense[found]) ** 2).sum(axis=2)
    square += (queries.codes[:, None] != references.codes[found]).sum(axis=2)
    return np.where(found < 0, np.inf, np.sqrt(square))


def merged(
    best_d: np.ndarray, best_i: np.ndarray, new_d: np.ndarray, new_i: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of both lists, the earlier row first among equals."""
    distance = np.concatenate([best_d, new_d], axis=1)
    index = np.concatenate([best_i, new_i], axis=1)
    order = np.lexsort((index, distance), axis=1)[:, :k]
    return np.take_along_axis(distance, order, axis=1), np.take_along_axis(index, order, axis=1)
