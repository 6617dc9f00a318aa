"""What every row of a table is known to obey, stated by the user: `Inequality("start", "end")` and others.

Each constraint is checked at fit. Inequalities and fixed combinations are then kept by the way in which rows
are made, ranges by the values that can be drawn; unique cells and predicates by drawing rows again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tabdiff.errors import ConstraintError
from tabdiff.schema import Column, Storage

__all__ = [
    "Constraint",
    "FixedCombinations",
    "Inequality",
    "Positive",
    "Predicate",
    "Range",
    "Unique",
    "check_constraint",
]

Columns = Mapping[Hashable, Column]
NUMBERS = (Storage.INT, Storage.FLOAT)
IN_NS = {"D": 86_400 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class Constraint(Protocol):
    """A rule that every row obeys; as a string, the rule in words."""

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The columns that it speaks of."""
        ...

    def violated(self, columns: Columns) -> np.ndarray:
        """Which rows break it: (n,) bool. columns: name to column; more than its own may be there.

        Raises `ConstraintError` if the columns cannot be compared as it says.
        """
        ...


@dataclass(frozen=True)
class Inequality:
    """`low` is never above `high`, or always below it if `strict`; rows where one is missing obey.

    low, high: names of two columns of numbers, of times, or of durations.

    Examples
    --------
    >>> str(Inequality("start", "end"))
    'start <= end'
    """

    low: Hashable
    high: Hashable
    strict: bool = False

    def __post_init__(self) -> None:
        if self.low == self.high:
            raise ConstraintError(f"an inequality needs two columns, got {self.low!r} twice.")

    def __str__(self) -> str:
        return f"{self.low} {'<' if self.strict else '<='} {self.high}"

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The two columns, the lower first."""
        return self.low, self.high

    def violated(self, columns: Columns) -> np.ndarray:
        """Which rows have the lower value above the higher: (n,) bool."""
        low, high = columns[self.low], columns[self.high]
        kinds = [_kind(column) for column in (low, high)]
        if kinds[0] is None or kinds[0] != kinds[1]:
            raise ConstraintError(
                f"constraint '{self}' needs two columns of numbers, of times or of durations. {self.low!r} "
                f"is stored as {low.storage}, {self.high!r} as {high.storage}. Convert one of them."
            )
        obeys = _in_order(low, high, self.strict)
        return ~obeys & ~low.missing & ~high.missing


def _kind(column: Column) -> str | None:
    return (
        "number"
        if column.storage in NUMBERS
        else {"datetime": "time"}.get(
            column.storage, "duration" if column.storage == Storage.DURATION else None
        )
    )


def _in_order(low: Column, high: Column, strict: bool) -> np.ndarray:
    """Whether low <= high, or low < high, in each row; exact for times of different units."""
    a, b = low.values, high.values
    if low.unit is not None and high.unit is not None and low.unit != high.unit:
        ratio = IN_NS[low.unit] / IN_NS[high.unit]
        if ratio > 1:  # compared in the coarser unit: the finer would overflow for times far away
            b = -(-b // int(ratio)) if strict else b // int(ratio)
        else:
            fine = round(1 / ratio)
            a = a // fine if strict else -(-a // fine)
    return a < b if strict else a <= b


@dataclass(frozen=True, init=False)
class FixedCombinations:
    """Only combinations of cells that occur in the table are drawn, of those that at least 5 rows hold.

    Examples
    --------
    >>> str(FixedCombinations("country", "city"))
    'combinations of country and city'
    """

    columns: tuple[Hashable, ...]

    def __init__(self, *names: Hashable, columns: Sequence[Hashable] = ()) -> None:
        object.__setattr__(self, "columns", _several((*names, *columns), "FixedCombinations", at_least=2))

    def __str__(self) -> str:
        return f"combinations of {_listed(self.columns)}"

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The columns."""
        return self.columns

    def violated(self, columns: Columns) -> np.ndarray:
        """No row: a table has only combinations that occur in it."""
        return np.zeros(len(columns[self.columns[0]]), dtype=bool)


@dataclass(frozen=True)
class Range:
    """Cells lie in the closed range [low, high]; None is an open end, and missing cells obey.

    low, high: numbers for a column of numbers; for times, a NumPy, pandas or standard time or its ISO form;
    for durations, a NumPy, pandas or standard duration.

    Examples
    --------
    >>> str(Range("age", 0, 120))
    '0 <= age <= 120'
    """

    column: Hashable
    low: Any = None
    high: Any = None

    def __post_init__(self) -> None:
        for end in ("low", "high"):
            object.__setattr__(self, end, _plain_bound(getattr(self, end)))
        if self.low is None and self.high is None:
            raise ConstraintError(f"the range of {self.column!r} has no end. Give low, high or both.")

    def __str__(self) -> str:
        low = "" if self.low is None else f"{_shown(self.low)} <= "
        return f"{low}{self.column}" + ("" if self.high is None else f" <= {_shown(self.high)}")

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The column."""
        return (self.column,)

    def violated(self, columns: Columns) -> np.ndarray:
        """Which cells lie outside: (n,) bool."""
        column = columns[self.column]
        outside = np.zeros(len(column), dtype=bool)
        if self.low is not None:
            outside |= column.values < _in_values(self.low, column, self, up=True)
        if self.high is not None:
            outside |= column.values > _in_values(self.high, column, self, up=False)
        return outside & ~column.missing


def _plain_bound(bound: Any) -> Any:
    """A bound as a plain number, an ISO time in UTC, or a duration as (count, unit)."""
    if isinstance(bound, dt.timedelta | np.timedelta64):
        bound = np.timedelta64(bound)
        unit, step = np.datetime_data(bound.dtype)
        if unit not in IN_NS:
            bound, unit, step = bound.astype("m8[s]"), "s", 1
        return int(bound.astype(np.int64)) * step, unit
    if isinstance(bound, np.datetime64):
        return str(bound)
    if isinstance(bound, dt.datetime) and bound.tzinfo is not None:
        return bound.astimezone(dt.UTC).replace(tzinfo=None).isoformat()
    if isinstance(bound, dt.date):
        return bound.isoformat()
    return bound.item() if isinstance(bound, np.generic) else bound


def _shown(bound: Any) -> str:
    return f"{bound[0]} {bound[1]}" if isinstance(bound, tuple) else str(bound)


def _in_values(bound: Any, column: Column, constraint: Range, up: bool) -> Any:
    """A bound in the terms of `Column.values`, rounded inward if the column's unit is coarser."""
    try:
        if column.storage in NUMBERS and isinstance(bound, int | float) and bound == bound:
            return bound
        if column.storage == Storage.DATETIME and isinstance(bound, str):
            return _ticks(np.datetime64(bound), column.numpy_time, up)
        if column.storage == Storage.DURATION and isinstance(bound, tuple):
            return _ticks(np.timedelta64(*bound), column.numpy_time, up)
    except ValueError:
        pass
    raise ConstraintError(
        f"constraint '{constraint}' does not fit the column {column.name!r}, which is stored as "
        f"{column.storage}: {_shown(bound)!r} is no such value. Give numbers for numbers, times for times."
    )


def _ticks(bound: np.datetime64 | np.timedelta64, numpy_time: str, up: bool) -> int:
    whole = bound.astype(numpy_time)
    return int(whole.astype(np.int64)) + int(up and whole < bound)


@dataclass(frozen=True)
class Positive:
    """Numbers or durations are above zero; missing cells obey.

    Examples
    --------
    >>> str(Positive("amount"))
    'amount > 0'
    """

    column: Hashable

    def __str__(self) -> str:
        return f"{self.column} > 0"

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The column."""
        return (self.column,)

    def violated(self, columns: Columns) -> np.ndarray:
        """Which cells are zero or below: (n,) bool."""
        column = columns[self.column]
        if column.storage not in (*NUMBERS, Storage.DURATION):
            raise ConstraintError(
                f"constraint '{self}' needs numbers, but {self.column!r} is stored as {column.storage}."
            )
        return (column.values <= 0) & ~column.missing


@dataclass(frozen=True, init=False)
class Unique:
    """No two rows hold the same cells in these columns; rows where one is missing obey.

    Examples
    --------
    >>> str(Unique("shop", "invoice"))
    'shop and invoice are unique'
    """

    columns: tuple[Hashable, ...]

    def __init__(self, *names: Hashable, columns: Sequence[Hashable] = ()) -> None:
        object.__setattr__(self, "columns", _several((*names, *columns), "Unique", at_least=1))

    def __str__(self) -> str:
        return f"{_listed(self.columns)} {'is' if len(self.columns) == 1 else 'are'} unique"

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The columns."""
        return self.columns

    def violated(self, columns: Columns) -> np.ndarray:
        """The second and every later row of each combination of cells: (n,) bool."""
        members = [columns[name] for name in self.columns]
        complete = ~np.logical_or.reduce([member.missing for member in members])
        rows = np.flatnonzero(complete)
        codes = np.stack([np.unique(m.values[rows], return_inverse=True)[1].reshape(-1) for m in members], 1)
        _, first = np.unique(codes, axis=0, return_index=True)
        repeated = complete.copy()
        repeated[rows[first]] = False
        return repeated


@dataclass(frozen=True)
class Predicate:
    """Whatever a function finds: it takes a frame of the fitted kind, and returns one boolean for each row.

    Predicates are judged on frames, by `check_frame` at fit and by `violated_in` on rows drawn, and never
    saved with a model: a file holds no code.

    Examples
    --------
    >>> str(Predicate(lambda frame: frame["tax"] < 0.5 * frame["price"], "tax is below half the price"))
    'tax is below half the price'
    """

    function: Callable[[Any], Any]
    name: str

    def __str__(self) -> str:
        return self.name

    def violated_in(self, frame: Any) -> np.ndarray:
        """Which rows of a frame break it: (n,) bool. Raises `ConstraintError` for an answer of another form.

        An answer that is missing counts as a breach.
        """
        answer = np.asarray(self.function(frame))
        if answer.dtype == object:
            answer = np.array([value is True or value is np.True_ for value in answer.reshape(-1)])
        if answer.dtype != bool or answer.shape != (len(frame),):
            raise ConstraintError(
                f"the function of constraint '{self}' returned {answer.dtype} of shape {answer.shape}. It "
                f"has to return one boolean for each of the {len(frame)} rows."
            )
        return ~answer

    def check_frame(self, frame: Any) -> None:
        """Raise `ConstraintError` if the frame has rows that break it."""
        broken = np.flatnonzero(self.violated_in(frame))
        if len(broken):
            raise ConstraintError(
                f"constraint '{self}' does not hold in {len(broken)} of {len(frame)} rows, the first is row "
                f"{broken[0]} (from 0). Correct these rows, or leave the constraint out."
            )


def check_constraint(constraint: Constraint, columns: Columns) -> None:
    """Raise `ConstraintError` if the table breaks a constraint, or lacks its columns."""
    unknown = [name for name in constraint.names if name not in columns]
    if unknown:
        raise ConstraintError(
            f"constraint '{constraint}' names columns that do not exist: {unknown}. Columns: {list(columns)}."
        )
    broken = np.flatnonzero(constraint.violated(columns))
    if not len(broken):
        return
    row = int(broken[0])
    cells = ", ".join(f"{name!r} = {_cell(columns[name], row)}" for name in constraint.names)
    raise ConstraintError(
        f"constraint '{constraint}' does not hold in {len(broken)} of {len(columns[constraint.names[0]])} "
        f"rows, the first is row {row} (from 0): {cells}. Correct these rows, or leave the constraint out."
    )


def _cell(column: Column, row: int) -> str:
    if column.missing[row]:
        return "missing"
    value = column.describe(column.values[row])
    return str(value) if column.unit is not None else repr(value)


def _several(names: tuple[Hashable, ...], what: str, at_least: int) -> tuple[Hashable, ...]:
    if len(names) < at_least or len(set(names)) < len(names):
        raise ConstraintError(
            f"{what} needs {at_least} or more different columns, got {list(names)}. Name each as an argument "
            "of its own."
        )
    return names


def _listed(names: Sequence[Hashable]) -> str:
    words = [str(name) for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
