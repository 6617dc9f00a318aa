"""A value as a user writes it, turned into a cell or a bound as a column holds it."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

import numpy as np

from tabdiff.errors import ConditionError
from tabdiff.schema import Column, Storage

__all__ = ["as_bound", "as_cell", "describe_levels", "is_missing", "plain", "shown"]

INT64 = np.iinfo(np.int64)
MICROSECOND = timedelta(microseconds=1)
NANOSECONDS = {
    "W": 604_800 * 10**9,
    "D": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
UNIT_WORDS = {
    "D": "days",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}
FRACTION = re.compile(r"(.*:\d\d)[.,](\d{1,9})(.*)")
ISO_DURATION = re.compile(
    r"(-?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{1,9}))?S)?)?"
)
CLOCK_DURATION = re.compile(r"(?:(-?\d+) days?,? )?(\d+):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?")


def shown(value: Any) -> str:
    """What a message shows of a value: its representation, cut to 80 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def plain(value: Any) -> Any:
    """The value itself, taken out of an array without dimensions or a scalar of Arrow."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value[()]
    return value.as_py() if hasattr(value, "as_py") else value


def is_missing(value: Any) -> bool:
    """Whether a scalar stands for a missing cell: None, NaN, NaT and their kin in data-frame libraries."""
    if value is None or type(value).__name__ == "NAType":
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False


def describe_levels(template: Column, limit: int = 10) -> str:
    """The first levels of a column, as a message lists them."""
    if template.storage is Storage.BOOL:
        return "[False, True]"
    more = ", ..." if len(template.levels) > limit else ""
    return f"[{', '.join(repr(level) for level in template.levels[:limit])}{more}]"


def as_cell(value: Any, template: Column) -> np.generic:
    """The value as a cell of the column, in the dtype of `template.values`.

    Raises `ConditionError` if the column cannot hold it: another type, an unknown level, 2.5 among integers,
    noon among days. Floats are rounded to the column's precision.
    """
    dtype = template.values.dtype.type
    if template.storage is Storage.LABEL:
        return np.int64(_code(value, template))
    if template.storage is Storage.FLOAT:
        number = _float(_position(value, template), dtype)
        if not np.isfinite(number):
            raise ConditionError(f"column {template.name!r} holds finite numbers, not {shown(value)}.")
        return number
    position = _position(value, template)
    if template.storage is Storage.BOOL:
        if position not in (0, 1):
            raise ConditionError(
                f"column {template.name!r} holds booleans, not {shown(value)}. Ask for True or False."
            )
        return np.bool_(position == 1)
    if not _is_finite(position) or position != math.floor(position):
        whole = "whole numbers" if template.unit is None else f"whole {UNIT_WORDS[template.unit]}"
        raise ConditionError(
            f"column {template.name!r} holds {whole}, so that no cell equals {shown(value)}. Ask for one of "
            "them, or for a range."
        )
    if not INT64.min <= position <= INT64.max:
        raise ConditionError(f"column {template.name!r} holds 64-bit integers, and {shown(value)} is none.")
    return np.int64(int(position))


def as_bound(value: Any, template: Column, upper: bool, inclusive: bool) -> Any:
    """The last cell within a bound, in the dtype of `template.values`; None if it bounds nothing.

    value: a number, time or level as the user writes it. Of integers, times and ordered levels, the outermost
    that fulfils the bound; of floats, the bound itself or the number beside it. Raises `ConditionError` if
    the column has no order, for NaN, and for a bound that no cell can fulfil.
    """
    if template.storage is Storage.BOOL or (template.storage is Storage.LABEL and not template.ordered):
        raise ConditionError(
            f"column {template.name!r} holds labels without an order, so that {shown(value)} bounds nothing. "
            f"List the levels that you want. Known: {describe_levels(template)}."
        )
    if is_missing(value):
        raise ConditionError(
            f"{shown(value)} is no bound of column {template.name!r}. Leave the bound out, or write None."
        )
    position = _code(value, template) if template.ordered else _position(value, template)
    inner, outer = (-math.inf, math.inf) if upper else (math.inf, -math.inf)
    if template.storage is Storage.FLOAT:
        cell = _float(position, template.values.dtype.type)
        if _is_finite(position) and not inclusive:
            cell = np.nextafter(cell, cell.dtype.type(inner))
        if cell == outer:
            return None
        nothing = cell == inner
    elif not _is_finite(position):
        cell, nothing = None, position == inner
    else:
        cell = _last_whole(position, upper, inclusive)
        nothing = cell < INT64.min if upper else cell > INT64.max
        is_open = cell >= INT64.max if upper else cell <= INT64.min
        cell = None if is_open else np.int64(min(max(cell, INT64.min), INT64.max))
    if nothing:
        end = "below" if upper else "above"
        raise ConditionError(f"no cell of column {template.name!r} can lie {end} {shown(value)}.")
    return cell


def _last_whole(position: Any, upper: bool, inclusive: bool) -> int:
    """The whole number next to a bound, on its inner side."""
    if upper:
        return math.floor(position) if inclusive else math.ceil(position) - 1
    return math.ceil(position) if inclusive else math.floor(position) + 1


def _code(value: Any, template: Column) -> int:
    """Code of a level. Raises `ConditionError` if the column does not hold it."""
    known: dict[Hashable, int] = {level: code for code, level in enumerate(template.levels)}
    try:
        code = known.get(value)
    except TypeError:  # not hashable, hence no level
        code = None
    if code is None:
        raise ConditionError(
            f"column {template.name!r} has no level {shown(value)}. Known: {describe_levels(template)}. "
            "Levels that too few rows hold are not kept by fit."
        )
    return code


def _position(value: Any, template: Column) -> Any:
    """The value as a number on the column's scale: an int, a float or a fraction, exact.

    Raises `ConditionError` for a value of another type.
    """
    if template.unit is not None:
        ticks = _nanoseconds(value, template.storage)
        if ticks is not None:
            return Fraction(ticks, NANOSECONDS[template.unit])
        example = (
            "'2024-12-31' or '2024-12-31T23:59:00'"
            if template.storage is Storage.DATETIME
            else "'P1DT12H' or '12:30:00'"
        )
        raise ConditionError(
            f"column {template.name!r} holds {template.storage} cells, and {shown(value)} is none. Pass an "
            f"object of Python, NumPy or pandas, or text such as {example}."
        )
    number = _number(value, allow_bool=template.storage in (Storage.BOOL, Storage.INT))
    if number is None:
        raise ConditionError(
            f"column {template.name!r} holds {template.storage} cells, and {shown(value)} is of the type "
            f"{type(value).__name__}. Convert it first."
        )
    return number


def _number(value: Any, allow_bool: bool) -> Any:
    """A number as an int, a float or a fraction; None for anything else."""
    if isinstance(value, bool | np.bool_):
        return int(value) if allow_bool else None
    if isinstance(value, np.timedelta64):  # to NumPy, a kind of integer
        return None
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Decimal):
        return Fraction(value) if value.is_finite() else float(value)
    if isinstance(value, Fraction):
        return value
    return float(value) if isinstance(value, Real) else None


def _is_finite(position: Any) -> bool:
    return not isinstance(position, float) or math.isfinite(position)


def _float(position: Any, dtype: Any) -> Any:
    """A number in a float dtype, infinite if it is too large."""
    try:
        number = float(position)
    except OverflowError:
        number = math.inf if position > 0 else -math.inf
    with np.errstate(over="ignore"):
        return dtype(number)


# --- times --------------------------------------------------------------------------------------------------


def _nanoseconds(value: Any, storage: Storage) -> int | None:
    """Nanoseconds of a duration, or of a time since 1970 (UTC if it has a zone); None for anything else."""
    value = getattr(value, "asm8", value)  # pandas
    is_time = storage is Storage.DATETIME
    if isinstance(value, np.datetime64 | np.timedelta64):
        return _of_numpy(value) if isinstance(value, np.datetime64) is is_time else None
    if isinstance(value, str):
        return _time_of_text(value.strip()) if is_time else _duration_of_text(value.strip())
    if is_time:
        if isinstance(value, datetime):
            naive = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        elif isinstance(value, date):
            naive = datetime(value.year, value.month, value.day)
        else:
            return None
        return (naive - datetime(1970, 1, 1)) // MICROSECOND * 1000
    if isinstance(value, time):
        value = datetime.combine(date.min, value.replace(tzinfo=None)) - datetime.min
    return value // MICROSECOND * 1000 if isinstance(value, timedelta) else None


def _of_numpy(value: np.datetime64 | np.timedelta64) -> int | None:
    """Nanoseconds of a NumPy time or duration; None for durations in years or months, or without a unit."""
    if isinstance(value, np.datetime64) and np.datetime_data(value.dtype)[0] in ("Y", "M"):
        value = value.astype("M8[D]")
    unit, count = np.datetime_data(value.dtype)
    if unit in ("ps", "fs", "as"):
        value, unit, count = value.astype(f"{value.dtype.kind}8[ns]"), "ns", 1
    if unit not in NANOSECONDS or np.isnat(value):
        return None
    return int(value.astype(np.int64)) * count * NANOSECONDS[unit]


def _time_of_text(text: str) -> int | None:
    """Nanoseconds of a time in ISO form, down to nanoseconds, which Python's own reader cuts."""
    fraction = FRACTION.fullmatch(text)
    whole, digits = (fraction[1] + fraction[3], fraction[2]) if fraction else (text, "")
    try:
        moment = datetime.fromisoformat(whole)
    except ValueError:
        return None
    seconds = _nanoseconds(moment, Storage.DATETIME)
    return None if seconds is None else seconds + int(digits.ljust(9, "0"))


def _duration_of_text(text: str) -> int | None:
    """Nanoseconds of 'P1DT12H', '12:30', '12:30:59.5' or '1 day, 12:30:00'."""
    if iso := ISO_DURATION.fullmatch(text):
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in iso.groups()[1:6])
        parts = any(iso.groups()[1:6])
        total = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds
        sign = -1 if iso[1] else 1
        return sign * (total * 10**9 + int((iso[7] or "").ljust(9, "0"))) if parts else None
    if clock := CLOCK_DURATION.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups()[:4])
        total = (days * 24 + hours) * 3600 + minutes * 60 + seconds
        return total * 10**9 + int((clock[5] or "").ljust(9, "0"))
    return None
