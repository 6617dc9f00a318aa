"""Alpha-precision and beta-recall as papers print them: the *naive* keys of synthcity's AlphaPrecision.

TabSyn and TabDiff do not print the scores of Alaa et al. 2022 (arXiv:2102.08921), which live in a learned
embedding, but these, in the space of the columns themselves:

1. Numeric columns, scaled to [0, 1] by the minimum and maximum of the real table, beside one dummy per level.
   The *last* of these features is dropped: synthcity takes the last column for the target and leaves it out.
   In the papers' tables that is the last level of the target, which stands behind all other columns.
2. alphas are 30 even steps from 0 to 1. Distances are Euclidean.
   Precision at alpha: the share of synthetic rows no farther from the mean of the real rows than the
   alpha-quantile of the real rows is.
   Coverage at beta: the share of real rows that have a synthetic row at most as far as their nearest other
   real row, that synthetic row being no farther from the mean of the synthetic rows than the beta-quantile
   of all those nearest synthetic rows.
3. The score is 1 - sum of |curve - alphas| / sum of alphas.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from tabdiff.errors import InputError
from tabdiff.evaluation.published.tables import LevelColumn, NumberColumn, read_columns

__all__ = ["alpha_precision", "beta_recall"]

ALPHAS = np.linspace(0, 1, 30)


def alpha_precision(
    real: Any, synthetic: Any, categorical: Iterable[Any] = (), *, target: Any = None
) -> float:
    """How evenly the synthetic rows fill the spheres around the mean of the real rows, 0 to 1.

    real, synthetic: tables with the same columns and equally many rows; papers pass the training table.
    categorical: names of columns to treat as levels although they hold numbers or times.
    target: name of the column that is put behind the others of its kind, as papers do; without it, columns
    keep their order. It decides which feature is dropped, as the top of this module tells.
    Returns a float; the ideal is that of real held-out rows, about 1.

    Blind spots: only the distance from one centre counts, not the direction, so rows on the wrong side of the
    mean pass, and so do rows in the middle of a ring. A copy of the real rows scores 1.
    One extreme real value shrinks its whole column to nothing.

    Raises `InputError` if columns differ or repeat, if the tables differ in length or have fewer than two
    rows, if a number is missing or infinite, or if a name is unknown.
    Source: `delta_precision_alpha_naive` of `AlphaPrecision` in `metrics/eval_statistical.py`, synthcity
    0.2.12, called by `eval/eval_quality.py` of TabSyn and of TabDiff.
    """
    real_rows, synthetic_rows = _features(real, synthetic, categorical, target)
    centre = real_rows.mean(axis=0)
    radii = np.quantile(_lengths(real_rows - centre), ALPHAS)
    curve = (_lengths(synthetic_rows - centre)[:, None] <= radii).mean(axis=0)
    return _agreement(curve)


def beta_recall(real: Any, synthetic: Any, categorical: Iterable[Any] = (), *, target: Any = None) -> float:
    """How many real rows have a synthetic row as near as their nearest real one, 0 to 1.

    Arguments and errors as in `alpha_precision`.
    Returns a float. Its ideal is about 0.5, NOT 1: an independent sample of the same law is nearer than the
    nearest real neighbour in half of the cases. A copy of the real rows scores .999, and a published value
    that rises far above .5 is a sign of memorised rows, not of quality.

    Blind spots: it rewards memorising. Like every distance here it weighs a mismatch of levels (square root
    of 2) above any difference of numbers (at most 1), so that rare levels decide.

    Source: `delta_coverage_beta_naive`, as in `alpha_precision`.
    """
    real_rows, synthetic_rows = _features(real, synthetic, categorical, target)
    to_real = _nearest(real_rows, real_rows, 2)[0][:, 1]
    distances, places = _nearest(real_rows, synthetic_rows, 1)
    to_centre = _lengths(synthetic_rows[places[:, 0]] - synthetic_rows.mean(axis=0))
    inside = to_centre[:, None] <= np.quantile(to_centre, ALPHAS)
    curve = ((distances[:, 0] <= to_real)[:, None] & inside).mean(axis=0)
    return _agreement(curve)


def _agreement(curve: NDArray[np.float64]) -> float:
    """1 - sum of |curve - alphas| / sum of alphas; curve: (30,) shares that should equal the alphas."""
    return 1 - float(np.abs(ALPHAS - curve).sum() / ALPHAS.sum())


def _lengths(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) Euclidean lengths of rows, (n, F)."""
    return np.sqrt((rows**2).sum(axis=1))


def _nearest(
    queries: NDArray[np.float64], reference: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distances (n, k) and places in `reference` of the k rows nearest to each query, nearest first.

    queries, reference: (n, F) and (m, F), with m >= k.
    """
    places = NearestNeighbors(n_neighbors=k).fit(reference).kneighbors(queries, return_distance=False)
    # DIFFERS: the search expands squares in wide tables, by which equal rows end up 1e-8 apart. We take the
    # distances of what it found from differences, so that a copy is at distance 0.
    distances = np.column_stack([_lengths(reference[places[:, j]] - queries) for j in range(k)])
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(places, order, axis=1)


# --- columns to features ---


def _features(
    real: Any, synthetic: Any, categorical: Iterable[Any], target: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both tables as (n, F) features of step 1."""
    columns = read_columns({"real": real, "synthetic": synthetic}, categorical)
    _check(columns, target)
    columns = sorted(columns, key=lambda column: (isinstance(column, LevelColumn), column.name == target))
    blocks = [_scale(column) if isinstance(column, NumberColumn) else _one_hot(column) for column in columns]
    real_rows, synthetic_rows = (
        np.column_stack([block[part] for block in blocks])[:, :-1] for part in (0, 1)
    )
    if not real_rows.shape[1]:
        raise InputError("The tables have one feature, and the protocol drops the last. Pass more columns.")
    return real_rows, synthetic_rows


def _check(columns: list[NumberColumn | LevelColumn], target: Any) -> None:
    """Raise unless the target is known and the tables are equally long."""
    names = [column.name for column in columns]
    if target is not None and target not in names:
        raise InputError(f"`target` is {target!r}, which is no column. Known: {names}.")
    n_real, n_synthetic = map(len, columns[0].parts)
    if n_real != n_synthetic or n_real < 2:
        raise InputError(
            f"`real` has {n_real} rows and `synthetic` {n_synthetic}; the protocol needs equally many, at "
            "least two. Sample as many rows as there are real ones."
        )


def _scale(column: NumberColumn) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 1) numbers of both tables: 0 is the real minimum, 1 the real maximum."""
    real, synthetic = (part.astype(np.float64)[:, None] for part in column.parts)
    low, width = real.min(), np.ptp(real)
    return (real - low) / (width or 1.0), (synthetic - low) / (width or 1.0)


def _one_hot(column: LevelColumn) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, n_levels) dummies of both tables, those of the real levels last, in the order of their text."""
    # DIFFERS: the original raises on levels that the real table lacks. They get dummies of their own, in
    # front.
    in_real = set(column.parts[0].tolist())
    codes = np.unique(np.concatenate(column.parts)).tolist()
    order = np.array(sorted(codes, key=lambda code: (code in in_real, _text(column.levels[code]))))
    real, synthetic = ((part[:, None] == order).astype(np.float64) for part in column.parts)
    return real, synthetic


def _text(level: Any) -> str:
    """A level as the originals spell it: missing cells are "nan" in a table read from a file."""
    return "nan" if level is None else str(level)
