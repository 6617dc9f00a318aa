"""Tables as the published protocols read them: pandas frames with the same columns, numbers or levels.

The dtype of the first table decides what a column is: numbers (times and durations in microseconds) or
levels. Booleans and everything that is not a number are levels, and so are the columns named `categorical`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tabdiff.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "LevelColumn",
    "NumberColumn",
    "check_categorical",
    "check_mode",
    "kind_of",
    "read_columns",
    "read_frames",
    "read_levels",
    "read_numbers",
    "stack_levels",
    "stack_numbers",
    "unequal_kinds",
]

KIND_OF_DTYPE = {"i": "numeric", "u": "numeric", "f": "numeric", "M": "datetime", "m": "duration"}


@dataclass(frozen=True)
class NumberColumn:
    """A numeric column; parts: per table, (n,) finite floats."""

    name: Any
    parts: tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class LevelColumn:
    """A column of levels; parts: per table, (n,) codes into `levels`, where None stands for missing."""

    name: Any
    parts: tuple[NDArray[np.int64], ...]
    levels: tuple[Any, ...]


# --- frames ---


def read_frames(tables: Mapping[str, Any]) -> list[pd.DataFrame]:
    """The tables as pandas frames with the columns of the first, in its order.

    tables: by the name of the argument, so that errors can tell it.
    Raises `InputError` if one is no table or empty, or if column names repeat or differ.
    """
    frames = {role: _as_pandas(table, role) for role, table in tables.items()}
    (first, reference), *others = frames.items()
    for role, frame in others:
        _check_names(list(reference.columns), list(frame.columns), first, role)
    return [frame[list(reference.columns)] for frame in frames.values()]


def _as_pandas(table: Any, role: str) -> pd.DataFrame:
    """The table as a pandas frame with at least one row, one column, and names that do not repeat."""
    frame = table.to_pandas() if hasattr(table, "to_pandas") else table
    if not (hasattr(frame, "columns") and hasattr(frame, "iloc")):
        raise InputError(
            f"`{role}` is a {type(table).__name__}; the score needs a table with named columns. "
            "Pass a pandas, polars or pyarrow table."
        )
    if 0 in frame.shape:
        raise InputError(
            f"`{role}` has {frame.shape[0]} rows and {frame.shape[1]} columns; nothing can be compared. "
            "Pass at least one row and one column."
        )
    repeated = frame.columns[frame.columns.duplicated()].unique().tolist()
    if repeated:
        raise InputError(f"`{role}` has column names that occur more than once: {repeated}. Rename them.")
    return frame


def _check_names(reference: list[Any], names: list[Any], first: str, role: str) -> None:
    """Raise unless both tables have the same column names."""
    missing = [name for name in reference if name not in names]
    extra = [name for name in names if name not in reference]
    if missing or extra:
        raise InputError(
            f"`{first}` and `{role}` have different columns. "
            f"Only in `{first}`: {missing}. Only in `{role}`: {extra}. Pass the same columns in both."
        )


def check_categorical(categorical: Iterable[Any], known: list[Any]) -> set[Any]:
    """The names to compare as levels; a single string counts as one name."""
    names = [categorical] if isinstance(categorical, str) else list(categorical)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"`categorical` names columns that the tables lack: {unknown}. Known: {known}.")
    return set(names)


def check_mode(mode: str) -> None:
    """Raise unless the mode is one of the two."""
    if mode not in ("paper", "corrected"):
        raise InputError(f"`mode` is {mode!r}; it is either 'paper' or 'corrected'.")


# --- columns ---


def kind_of(column: pd.Series) -> str:
    """Whether a column holds numbers, times or levels, by its dtype alone."""
    return KIND_OF_DTYPE.get(column.dtype.kind, "categorical")


def unequal_kinds(name: Any, first: pd.Series, other: pd.Series, roles: tuple[str, str]) -> InputError:
    """The error for a column that is numeric in one table and not, or otherwise, in another."""
    return InputError(
        f"Column {name!r} is {kind_of(first)} ({first.dtype}) in `{roles[0]}` and {kind_of(other)} "
        f"({other.dtype}) in `{roles[1]}`. Convert one of them, or name the column in `categorical`."
    )


def read_numbers(column: pd.Series) -> NDArray[Any]:
    """Values as floats, NaN where missing; times as microseconds since 1970 (UTC), exact in double precision.

    Single precision stays single: it decides on which side of a bin's edge a value falls.
    """
    if column.dtype.kind in "Mm":
        unit = "datetime64[us]" if column.dtype.kind == "M" else "timedelta64[us]"
        times = column.to_numpy(dtype=unit)
        return np.where(np.isnat(times), np.nan, times.astype(np.int64).astype(np.float64))
    is_numpy_float = isinstance(column.dtype, np.dtype) and column.dtype.kind == "f"
    return column.to_numpy(dtype=column.dtype if is_numpy_float else np.float64, na_value=np.nan)


def read_levels(columns: Iterable[pd.Series]) -> tuple[list[NDArray[np.int64]], list[Any]]:
    """Codes of the levels that occur in any of the columns, -1 where missing; and the levels."""
    import pandas

    cells = [column.to_numpy(dtype=object) for column in columns]
    codes, levels = pandas.factorize(np.concatenate(cells))
    return np.split(codes, np.cumsum([len(part) for part in cells])[:-1]), list(levels)


def read_columns(tables: Mapping[str, Any], categorical: Iterable[Any]) -> list[NumberColumn | LevelColumn]:
    """The columns of all tables, in the order of the first; missing labels are a level of their own.

    Raises `InputError` as `read_frames` does, and if a number is missing or infinite, if a name in
    `categorical` is unknown, or if a column is numeric in the first table and not in another.
    """
    # DIFFERS: the originals compare levels as text, so 1 and 1.0 are different there. We compare values, and
    # every kind of missing is one level.
    frames, roles = read_frames(tables), list(tables)
    names = list(frames[0].columns)
    as_levels = check_categorical(categorical, names)
    columns: list[NumberColumn | LevelColumn] = []
    for name in names:
        parts = [frame[name] for frame in frames]
        if name in as_levels or kind_of(parts[0]) == "categorical":
            codes, levels = read_levels(parts)
            filled = tuple(np.where(part < 0, len(levels), part) for part in codes)
            columns.append(LevelColumn(name, filled, (*levels, None)))
            continue
        for role, part in zip(roles, parts, strict=True):
            if kind_of(part) != kind_of(parts[0]):
                raise unequal_kinds(name, parts[0], part, (roles[0], role))
        numbers = tuple(_finite(name, part, role) for role, part in zip(roles, parts, strict=True))
        columns.append(NumberColumn(name, numbers))
    return columns


def _finite(name: Any, column: pd.Series, role: str) -> NDArray[Any]:
    """Values as floats; raises if one is missing or infinite."""
    values = read_numbers(column)
    bad = ~np.isfinite(values)
    if bad.any():
        raise InputError(
            f"Column {name!r} of `{role}` is missing or infinite in {bad.sum()} of {len(bad)} rows, the "
            f"first is row {bad.argmax()}. The protocol has no rule for it: drop these rows, or fill them."
        )
    return values


def stack_numbers(columns: Iterable[NumberColumn | LevelColumn], part: int) -> NDArray[np.float64]:
    """The numeric columns of one table, (n, F)."""
    columns = list(columns)
    numbers = [column.parts[part] for column in columns if isinstance(column, NumberColumn)]
    n_rows = len(columns[0].parts[part])
    return np.column_stack(numbers).astype(np.float64) if numbers else np.empty((n_rows, 0))


def stack_levels(columns: Iterable[NumberColumn | LevelColumn], part: int) -> NDArray[np.int64]:
    """The codes of the columns of levels of one table, (n, F)."""
    columns = list(columns)
    codes = [column.parts[part] for column in columns if isinstance(column, LevelColumn)]
    n_rows = len(columns[0].parts[part])
    return np.column_stack(codes) if codes else np.empty((n_rows, 0), dtype=np.int64)
