"""Cells of columns, numbered, compared and looked up, and conditions on them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tabdiff.cells import in_unit, with_levels_behind
from tabdiff.schema import Column, Storage, rows_to_keep
from tabdiff.wanted import Wanted

__all__ = [
    "MIN_ROWS",
    "States",
    "both_wanted",
    "least_rows",
    "listed",
    "nearest",
    "places",
    "plain_cell",
    "recoded",
    "same_cells",
    "states",
]

MIN_ROWS = 5
"""What fewer rows hold is never kept; in large tables more are needed, see `least_rows`."""

MANY = 6

NUMBERS = (Storage.INT, Storage.FLOAT)


def least_rows(n_rows: int) -> float:
    """In how many rows of a table something must occur to be kept: five, or as labels, see `rows_to_keep`."""
    return max(MIN_ROWS, rows_to_keep(n_rows))


@dataclass(frozen=True)
class States:
    """The different cells of a column, numbered; missing is one of them.

    codes: (n,) int64. first: (S,) a row that holds each state. counts: (S,) in how many rows it is.
    """

    codes: np.ndarray
    first: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


def states(column: Column) -> States:
    """Number the different cells of a column, missing last."""
    values = column.values
    if column.missing.any():
        fill = values[~column.missing][:1]
        values = np.where(column.missing, fill if len(fill) else np.zeros(1, values.dtype), values)
    if column.storage in (Storage.LABEL, Storage.BOOL):
        codes, n_states = values.astype(np.int64), max(2, len(column.levels))
    else:
        distinct, codes = np.unique(values, return_inverse=True)
        n_states = len(distinct)
    codes = np.where(column.missing, n_states, codes.reshape(-1))
    return numbered(codes, n_states + 1)


def numbered(codes: np.ndarray, n_codes: int) -> States:
    """The states of rows that have codes below `n_codes`, in the order of the codes."""
    counts = np.bincount(codes, minlength=n_codes)
    first = np.zeros(n_codes, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    used = np.flatnonzero(counts)
    new_code = np.zeros(n_codes, dtype=np.int64)
    new_code[used] = np.arange(len(used))
    return States(new_code[codes], first[used], counts[used])


def plain_cell(column: Column, row: int) -> Any:
    """A cell as plain Python: its label, its number or whole count of ticks, None if it is missing."""
    if column.missing[row]:
        return None
    value = column.values[row]
    return column.levels[int(value)] if column.storage == Storage.LABEL else value.item()


def places(column: Column, among: Column) -> np.ndarray:
    """Where each cell stands in `among`, whose cells all differ: (n,) int64, -1 where it does not."""
    found = np.full(len(column), -1, dtype=np.int64)
    gap, known = np.flatnonzero(among.missing), np.flatnonzero(~among.missing)
    if len(gap):
        found[column.missing] = gap[0]
    observed = np.flatnonzero(~column.missing)
    if (column.storage == Storage.LABEL) != (among.storage == Storage.LABEL):
        return found
    if column.storage == Storage.LABEL:
        place_of = {among.levels[code]: place for place, code in zip(known, among.values[known], strict=True)}
        of_level = np.array([place_of.get(level, -1) for level in column.levels], dtype=np.int64)
        found[observed] = of_level[column.values[observed]] if len(observed) else -1
        return found
    values = in_unit(column, among.unit)[observed]
    if not len(known) or not len(observed):
        return found
    known = known[np.argsort(among.values[known], kind="stable")]
    place = np.minimum(np.searchsorted(among.values[known], values), len(known) - 1)
    found[observed] = np.where(among.values[known[place]] == values, known[place], -1)
    return found


def nearest(column: Column, among: Column) -> np.ndarray:
    """Where the value nearest to each cell stands in `among`: (n,) int64, -1 for missing cells and labels.

    Of two that are equally near it is the lower.
    """
    known = np.flatnonzero(~among.missing)
    if column.storage in (Storage.LABEL, Storage.BOOL) or not len(known):
        return np.full(len(column), -1, dtype=np.int64)
    known = known[np.argsort(among.values[known], kind="stable")]
    sorted_values = among.values[known].astype(np.float64)
    values = in_unit(column, among.unit).astype(np.float64)
    right = np.minimum(np.searchsorted(sorted_values, values), len(known) - 1)
    left = np.maximum(right - 1, 0)
    place = np.where(values - sorted_values[left] <= sorted_values[right] - values, left, right)
    return np.where(column.missing, -1, known[place])


def same_cells(one: Column, other: Column) -> np.ndarray:
    """In which rows two columns hold the same cell: (n,) bool."""
    same = one.missing & other.missing
    both = ~one.missing & ~other.missing
    if (one.storage == Storage.LABEL) != (other.storage == Storage.LABEL):
        return same
    if one.storage == Storage.LABEL:
        return same | (both & (with_levels_behind(other, one.levels).values == one.values))
    return same | (both & (one.values == in_unit(other, one.unit)))


def both_wanted(one: Wanted | None, other: Wanted) -> Wanted | None:
    """What meets two conditions on one column, None if no cell does; `one` may be no condition at all."""
    if one is None:
        return other if other.observed or other.missing else None
    values = one.values if other.values is None else other.values
    if one.values is not None and other.values is not None:
        values = np.intersect1d(one.values, other.values)
    lows = [end for end in (one.low, other.low) if end is not None]
    highs = [end for end in (one.high, other.high) if end is not None]
    low, high = max(lows, default=None), min(highs, default=None)
    observed, missing = one.observed and other.observed, one.missing and other.missing
    if values is not None:
        values = values[Wanted(None, low, high).meets(values, np.zeros(len(values), dtype=bool))]
        observed = observed and bool(len(values))
    if low is not None and high is not None and low > high:
        observed = False
    if not observed and not missing:
        return None
    return Wanted(values if observed else None, low, high, observed, missing)


def recoded(wanted: Wanted, levels: Sequence[Any], like: Sequence[Any]) -> Wanted:
    """A condition on codes into some levels, on the codes that the same labels have in others, if any."""
    if wanted.values is None or tuple(levels) == tuple(like):
        return wanted
    code_of = {level: code for code, level in enumerate(like)}
    known = (levels[code] for code in wanted.values.tolist() if code < len(levels))
    codes = np.array(sorted(code_of[level] for level in known if level in code_of), dtype=np.int64)
    return replace(wanted, values=codes, observed=wanted.observed and bool(len(codes)))


def listed(names: Sequence[Hashable]) -> str:
    """Names as one says them: "a, b and c"; of many the first few."""
    words = [str(name) for name in names]
    if len(words) > MANY:
        words = [*words[: MANY - 2], f"{len(words) - MANY + 2} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
