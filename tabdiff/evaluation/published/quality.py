"""Shape and Trend as papers on tabular generation print them: the quality report of sdmetrics 0.11.1.

Later versions of that package drop rows or column pairs, so numbers are comparable with published ones
only if the version is fixed. What 0.11.1 does, and what is therefore done here:

Shape   the mean over columns. Numbers and times: 1 - the two-sample Kolmogorov-Smirnov distance.
        Levels: 1 - the total variation distance of their shares. Missing cells are left out.
Trend   the mean over pairs of columns. Two numeric columns: 1 - |r_real - r_synthetic| / 2, with Pearson's r
        over the rows where both are present. Any other pair: 1 - the total variation distance of the joint
        shares, where *missing* is a level of its own and a numeric column is cut into ten bins of equal
        width between its minimum and maximum, each table by its own. The maximum gets a cell to itself, and
        missing numbers fall into that same cell.
Undefined scores (a column without values, r of a constant column) are left out of the mean.

Blind spots, to be known before these numbers are trusted:
- Columns drawn independently of each other score as well on Shape as real data does.
- Shape does not see how many cells are missing, and Trend cannot tell a missing number from the maximum.
- One extreme synthetic value moves every bin of its column, and so does the lack of a real extreme.
- A synthetic column that is constant or wholly missing drops out of a mean instead of lowering it.
- Sampling noise alone costs some tenths of a percent: compare with the score of real held-out rows.

Tables are pandas data frames, or objects that offer `to_pandas()` (polars, pyarrow).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tabdiff.evaluation.published.tables import (
    check_categorical,
    kind_of,
    read_frames,
    read_levels,
    read_numbers,
    unequal_kinds,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["column_shapes", "pair_trends", "shape_error", "trend_error"]

N_BINS = 10
UNSEEN_LEVEL_COUNT = 1e-6


def shape_error(real: Any, synthetic: Any, categorical: Iterable[Any] = ()) -> float:
    """Mean distance between real and synthetic columns, one by one, in percent (0 is best, 100 worst).

    real, synthetic: tables with the same column names, in any order; their lengths may differ.
    categorical: names of columns to compare as levels although they hold numbers or times. Boolean and
    non-numeric columns are compared as levels anyway.
    Returns NaN if no column has a defined score. The scores behind it are in `column_shapes`; the blind
    spots stand at the top of this module.
    Raises InputError (a ValueError) if the column names differ or repeat, if a table is empty, if a name in
    `categorical` is unknown, or if a column is numeric in `real` and not in `synthetic`.
    Source: Column Shapes of the single-table QualityReport, sdmetrics 0.11.1.
    """
    return _error_in_percent(column_shapes(real, synthetic, categorical))


def trend_error(real: Any, synthetic: Any, categorical: Iterable[Any] = ()) -> float:
    """Mean distance between real and synthetic pairs of columns, in percent (0 is best, 100 worst).

    Arguments and errors as in `shape_error`. Returns NaN if no pair has a defined score, as in a table of one
    column. The scores behind it are in `pair_trends`; the blind spots stand at the top of this module.
    Source: Column Pair Trends of the single-table QualityReport, sdmetrics 0.11.1.
    """
    return _error_in_percent(pair_trends(real, synthetic, categorical))


def column_shapes(real: Any, synthetic: Any, categorical: Iterable[Any] = ()) -> dict[Any, dict[str, Any]]:
    """Score every column by itself: 1 is equal, 0 is disjoint, NaN is undefined (a table has no value).

    Arguments and errors as in `shape_error`.
    Returns, by column name in the order of `real`, {"metric": "KSComplement" or "TVComplement",
    "score": float}.
    """
    columns = _read(real, synthetic, categorical)
    return {name: _column_shape(column) for name, column in columns.items()}


def pair_trends(
    real: Any, synthetic: Any, categorical: Iterable[Any] = ()
) -> dict[tuple[Any, Any], dict[str, Any]]:
    """Score every pair of columns: 1 is equal, 0 is farthest, NaN is undefined.

    Arguments and errors as in `shape_error`.
    Returns, by pair of names, {"metric": "CorrelationSimilarity" or "ContingencySimilarity", "score": float};
    for correlations also "real_correlation" and "synthetic_correlation".
    """
    columns = _read(real, synthetic, categorical)
    numbers = {name: column for name, column in columns.items() if isinstance(column, _Numbers)}
    place = {name: position for position, name in enumerate(numbers)}
    r_real = _correlations([column.real for column in numbers.values()])
    r_synthetic = _correlations([column.synthetic for column in numbers.values()])
    cells = {name: _cells(column) for name, column in columns.items()}

    trends = {}
    for first, second in combinations(columns, 2):
        if first in place and second in place:
            at = place[first], place[second]
            trends[first, second] = _correlation_trend(float(r_real[at]), float(r_synthetic[at]))
        else:
            score = _contingency_similarity(cells[first], cells[second])
            trends[first, second] = {"metric": "ContingencySimilarity", "score": score}
    return trends


@dataclass(frozen=True)
class _Numbers:
    """A numeric column of both tables: 1-D floats, NaN where missing; times in microseconds."""

    real: NDArray[Any]
    synthetic: NDArray[Any]


@dataclass(frozen=True)
class _Levels:
    """A column of both tables as level codes 0 .. n_levels - 1, shared by both; -1 where missing."""

    real: NDArray[np.int64]
    synthetic: NDArray[np.int64]
    n_levels: int


def _error_in_percent(details: dict[Any, dict[str, Any]]) -> float:
    """100 (1 - mean score) over the defined scores; NaN if there is none."""
    scores = [entry["score"] for entry in details.values() if not np.isnan(entry["score"])]
    return 100 * (1 - float(np.mean(scores))) if scores else float("nan")


# --- reading two tables ---


def _read(real: Any, synthetic: Any, categorical: Iterable[Any]) -> dict[Any, _Numbers | _Levels]:
    """Columns of both tables by name, in the order of `real`; errors as told in `shape_error`."""
    # DIFFERS: 0.11.1 joins a binned column (numbered from 0) with its partner by index label, which shuffles
    # the rows of a frame whose index is not 0, 1, 2, ...; we go by position, as it does for a file just read.
    real_frame, synthetic_frame = read_frames({"real": real, "synthetic": synthetic})
    levels = check_categorical(categorical, list(real_frame.columns))
    return {
        name: _read_column(name, real_frame[name], synthetic_frame[name], name in levels)
        for name in real_frame.columns
    }


def _read_column(name: Any, real: pd.Series, synthetic: pd.Series, as_levels: bool) -> _Numbers | _Levels:
    """One column of both tables; the real one decides how it is compared."""
    if as_levels or kind_of(real) == "categorical":
        # DIFFERS: for pairs 0.11.1 compares levels as text, so 1 and 1.0, or None and NaN, are different
        # levels there. We compare values, and every kind of missing is one.
        (real_codes, synthetic_codes), levels = read_levels([real, synthetic])
        return _Levels(real_codes, synthetic_codes, len(levels))
    if kind_of(real) != kind_of(synthetic) and not synthetic.isna().all():
        raise unequal_kinds(name, real, synthetic, ("real", "synthetic"))
    return _Numbers(read_numbers(real), read_numbers(synthetic))


# --- one column ---


def _column_shape(column: _Numbers | _Levels) -> dict[str, Any]:
    """Name and value of the score of one column."""
    if isinstance(column, _Numbers):
        return {"metric": "KSComplement", "score": _ks_complement(column.real, column.synthetic)}
    return {"metric": "TVComplement", "score": _tv_complement(column)}


def _ks_complement(real: NDArray[Any], synthetic: NDArray[Any]) -> float:
    """1 - sup_x |F_real(x) - F_synthetic(x)| over the values present; NaN if a table has none.

    real, synthetic: (n,) and (m,) floats, NaN where missing.
    """
    real, synthetic = np.sort(real[~np.isnan(real)]), np.sort(synthetic[~np.isnan(synthetic)])
    if not real.size or not synthetic.size:
        return float("nan")
    jumps = np.concatenate([real, synthetic])
    cdf_real = np.searchsorted(real, jumps, side="right") / real.size
    cdf_synthetic = np.searchsorted(synthetic, jumps, side="right") / synthetic.size
    return 1 - float(np.abs(cdf_real - cdf_synthetic).max())


def _tv_complement(column: _Levels) -> float:
    """1 - half the sum over levels of |share_real - share_synthetic|, missing cells left out of the shares.

    NaN if a table has no value at all.
    """
    real = np.bincount(column.real[column.real >= 0], minlength=column.n_levels)
    synthetic = np.bincount(column.synthetic[column.synthetic >= 0], minlength=column.n_levels)
    if not real.any() or not synthetic.any():
        return float("nan")
    # 0.11.1 counts a level that only the synthetic table has as a millionth of a real row
    real = np.where(real == 0, UNSEEN_LEVEL_COUNT, real)
    return 1 - float(np.abs(real / real.sum() - synthetic / synthetic.sum()).sum()) / 2


# --- two columns ---


def _correlation_trend(r_real: float, r_synthetic: float) -> dict[str, Any]:
    """Entry of a pair of numeric columns: 1 - |r_real - r_synthetic| / 2."""
    return {
        "metric": "CorrelationSimilarity",
        "score": 1 - abs(r_real - r_synthetic) / 2,
        "real_correlation": r_real,
        "synthetic_correlation": r_synthetic,
    }


def _correlations(columns: list[NDArray[Any]]) -> NDArray[np.float64]:
    """(F, F) Pearson correlations of F columns, each pair over the rows where both are present.

    columns: F arrays (n,), NaN where missing.
    NaN where r is undefined: fewer than two rows, a constant, an infinite value.
    """
    if not columns:
        return np.empty((0, 0))
    with np.errstate(invalid="ignore"):
        unit = np.stack([_unit(column) for column in columns])
        r = unit @ unit.T
        complete = [not np.isnan(column).any() for column in columns]
        for i, j in combinations(range(len(columns)), 2):
            if not (complete[i] and complete[j]):
                r[i, j] = r[j, i] = _correlation_where_both(columns[i], columns[j])
    return np.clip(r, -1, 1)


def _correlation_where_both(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Pearson's r over the rows where both are present; NaN where undefined."""
    both = ~(np.isnan(first) | np.isnan(second))
    if not both.any():  # a product over no rows is 0, not undefined
        return float("nan")
    return float(_unit(first[both]) @ _unit(second[both]))


def _unit(values: NDArray[Any]) -> NDArray[np.float64]:
    """Centred and of length one, so that the product of two columns is their r; NaN where undefined."""
    if len(values) < 2 or values.min() == values.max():
        return np.full(len(values), np.nan)
    centred = values - values.mean(dtype=np.float64)
    centred /= np.abs(centred).max()  # squares of huge values would overflow
    return centred / np.linalg.norm(centred)


def _cells(column: _Numbers | _Levels) -> _Levels | None:
    """The column as cells of a contingency table, none of them missing; None if it cannot be binned."""
    if isinstance(column, _Levels):
        real, synthetic = (
            np.where(codes < 0, column.n_levels, codes) for codes in (column.real, column.synthetic)
        )
        return _Levels(real, synthetic, column.n_levels + 1)
    if np.isinf(column.real).any() or np.isinf(column.synthetic).any():
        return None
    return _Levels(_equal_width_bins(column.real), _equal_width_bins(column.synthetic), N_BINS + 2)


def _equal_width_bins(values: NDArray[Any]) -> NDArray[np.int64]:
    """Bin 1 .. 10 of every value from the minimum up; 11 for the maximum itself and for missing.

    values: (n,) finite or NaN. A constant c is binned between c - 1/2 and c + 1/2.
    """
    present = values[~np.isnan(values)]
    low, high = (float(present.min()), float(present.max())) if present.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, N_BINS + 1).astype(values.dtype)
    return np.searchsorted(edges, values, side="right")  # NaN sorts behind the last edge


def _contingency_similarity(first: _Levels | None, second: _Levels | None) -> float:
    """1 - half the sum over cells of |share_real - share_synthetic| in the joint table; NaN without cells."""
    if first is None or second is None:
        return float("nan")
    real = first.real * second.n_levels + second.real
    synthetic = first.synthetic * second.n_levels + second.synthetic
    n_cells = first.n_levels * second.n_levels
    if n_cells > 8 * (real.size + synthetic.size):  # mostly empty: number the cells that occur
        occurring, codes = np.unique(np.concatenate([real, synthetic]), return_inverse=True)
        real, synthetic, n_cells = codes[: real.size], codes[real.size :], occurring.size
    share_real = np.bincount(real, minlength=n_cells) / real.size
    share_synthetic = np.bincount(synthetic, minlength=n_cells) / synthetic.size
    return 1 - float(np.abs(share_real - share_synthetic).sum()) / 2
