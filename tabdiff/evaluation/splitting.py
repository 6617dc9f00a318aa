"""A holdout that is a control: no person and no repeated row on both sides."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from tabdiff import frames
from tabdiff.errors import InputError
from tabdiff.evaluation.arguments import one_name, seed_of, share_of
from tabdiff.evaluation.comparison import row_keys
from tabdiff.schema import Column

__all__ = ["split"]


def split(
    df: Any,
    holdout: float = 0.33,
    stratify: Hashable | None = None,
    group: Hashable | None = None,
    time: Hashable | None = None,
    seed: int = 0,
) -> tuple[Any, Any]:
    """Split a table into a part to train a generator on and a holdout that it never sees.

    Parameters
    ----------
    df : pandas, polars or pyarrow frame, or ndarray, of shape (n_rows, n_columns)
        The table. It is not changed.
    holdout : float, default=0.33
        Share of rows to hold out, between 0 and 1. Met as nearly as whole groups allow.
    stratify : hashable, default=None
        Name of a column whose values keep their shares on both sides. Rows that must stay together count for
        the value of their first row.
    group : hashable, default=None
        Name of a column of entities (customers, accounts): all rows of one stay on one side.
    time : hashable, default=None
        Name of a column to split by: the holdout is what comes last. With `group`, entities go by their
        first row. Equal times stay together. `stratify` has no meaning then.
    seed : int, default=0
        Seed of the random split.

    Returns
    -------
    train, holdout : same kind as df
        Rows in their order in `df`. Rows that are equal in every column are on one side, too.

    Raises
    ------
    InputError
        If the table has no rows, a column is unknown, `holdout` is not between 0 and 1, `stratify` comes
        with `time`, a group or a time is missing, or one side would be left without rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from tabdiff.evaluation import split
    >>> df = pd.DataFrame({"customer": [1, 1, 2, 2, 3, 3], "amount": [9.5, 20.0, 7.25, 1.0, 3.5, 8.0]})
    >>> train, holdout = split(df, holdout=0.33, group="customer")
    >>> len(train), len(holdout), set(train["customer"]) & set(holdout["customer"])
    (4, 2, set())
    """
    holdout, seed = share_of("holdout", holdout, "a share between 0 and 1, such as 0.33"), seed_of(seed)
    if stratify is not None and time is not None:
        raise InputError(
            f"stratify={stratify!r} and time={time!r} exclude each other: a split by time leaves no choice."
        )
    columns = {column.name: column for column in frames.read(df)[0]}
    for argument, name in (("stratify", stratify), ("group", group), ("time", time)):
        if one_name(argument, name) is not None and name not in columns:
            raise InputError(f"`{argument}` is {name!r}, which is no column. Columns: {list(columns)}.")
    unit = _units(list(columns.values()), None if group is None else _complete(columns[group], "group"))
    if time is not None:
        rank = _unit_minimum(unit, _ranks(_complete(columns[time], "time")))
        held_out = _last(unit, rank, holdout)
    else:
        strata = np.zeros(len(unit), dtype=np.int64) if stratify is None else _codes(columns[stratify])
        held_out = _drawn(unit, strata, holdout, np.random.default_rng(seed))
    if held_out.all() or not held_out.any():
        side = "train" if held_out.all() else "the holdout"
        raise InputError(
            f"holdout={holdout!r} leaves {side} without rows: {len(unit)} rows form {unit.max() + 1} units "
            "that stay together. Choose another share, or a finer group."
        )
    return frames.select_rows(df, np.flatnonzero(~held_out)), frames.select_rows(df, np.flatnonzero(held_out))


def _complete(column: Column, argument: str) -> np.ndarray:
    """The values of a column without missing cells."""
    if column.missing.any():
        raise InputError(
            f"`{argument}` column {column.name!r} is missing in {column.missing.sum()} of {len(column)} "
            f"rows, the first is row {column.missing.argmax()}. Fill it, or drop these rows."
        )
    return column.values


def _codes(column: Column) -> np.ndarray:
    """(n,) codes of equal cells; missing ones are equal."""
    return np.where(column.missing, 0, _ranks(column.values) + 1)


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1]


def _units(columns: list[Column], group: np.ndarray | None) -> np.ndarray:
    """(n,) numbers 0, 1, ... of what must stay together: the rows of a group, or equal rows."""
    if group is not None:  # equal rows share their group, as it is one of the columns
        return _ranks(group)
    return _ranks(row_keys([_codes(column).astype(np.uint64) for column in columns], len(columns[0])))


def _unit_minimum(unit: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n_units,) the smallest value of each unit."""
    smallest = np.full(unit.max() + 1, values.max())
    np.minimum.at(smallest, unit, values)
    return smallest


def _last(unit: np.ndarray, rank: np.ndarray, share: float) -> np.ndarray:
    """(n,) bool: units from the time on that leaves the nearest share of rows behind it."""
    sizes = np.bincount(rank, weights=np.bincount(unit))
    after = np.append(np.cumsum(sizes[::-1])[::-1], 0) / len(unit)  # share of rows at or after each time
    start = int(np.argmin(np.abs(after - share)))
    return (rank >= start)[unit]


def _drawn(unit: np.ndarray, strata: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) bool: random units, within each stratum until its share of rows is reached most nearly."""
    sizes = np.bincount(unit)
    first = np.unique(unit, return_index=True)[1]
    held_out = np.zeros(len(sizes), dtype=bool)
    for value in np.unique(strata[first]):
        members = rng.permutation(np.flatnonzero(strata[first] == value))
        reached = np.append(0, np.cumsum(sizes[members]))
        held_out[members[: int(np.argmin(np.abs(reached - share * reached[-1])))]] = True
    return held_out[unit]
