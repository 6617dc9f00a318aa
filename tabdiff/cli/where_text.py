"""Conditions as one types them, `amount=10..500` or `city in Oslo,Rome`, read into `sample(where=...)`."""

from __future__ import annotations

import csv
import difflib
import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tabdiff.errors import ConditionError
from tabdiff.schema import Storage

__all__ = ["GRAMMAR", "parse_value", "parse_where"]

GRAMMAR = (
    "'col=value', 'col in a,b', 'col=10..500', 'col>=10', 'col<=500', 'col>10', 'col<5', 'col is missing', "
    "'col is not missing'; names and values with special characters in double quotes"
)
OPERATOR = re.compile(
    r"\s*(?P<sign>==|>=|<=|!=|=|>|<)\s*|\s+(?P<word>in)\s+|\s+is\s+(?P<missing>(?:not\s+)?missing)\s*$",
    re.IGNORECASE,
)
QUOTED = re.compile(r'\s*"((?:[^"]|"")*)"')
ORDERED = (Storage.INT, Storage.FLOAT, Storage.DATETIME, Storage.DURATION)


@dataclass(frozen=True)
class _Asked:
    """What is asked of one column so far.

    values: any of these. low, high: bounds; above, below: whether they are excluded. missing: True for
    missing cells, False for others, None if nothing is asked yet.
    """

    values: tuple[Any, ...] | None = None
    low: Any = None
    high: Any = None
    above: bool = False
    below: bool = False
    missing: bool | None = None

    def where(self) -> Any:
        """The condition in the terms of `TableSynthesizer.sample`."""
        if self.missing:
            return None
        if self.values is not None:
            return self.values[0] if len(self.values) == 1 else list(self.values)
        if self.low is None and self.high is None:
            return {"missing": False}
        if not self.above and not self.below:
            return (self.low, self.high)
        ends = {"above" if self.above else "min": self.low, "below" if self.below else "max": self.high}
        return {key: end for key, end in ends.items() if end is not None}


def parse_where(texts: Sequence[str], storages: Mapping[Hashable, str]) -> dict[Hashable, Any]:
    """Read conditions that must all hold, see `GRAMMAR`.

    storages: how the cells of each column are held, see `schema.Storage`; it says how values are read: as a
    whole number, a number, true or false (1 or 0), a time in ISO form, or text. Returns what
    `TableSynthesizer.sample` takes as `where`: a value, a list, a closed range (low, high), a dict of bounds
    that are excluded, None for missing, `{"missing": False}`.

    Raises `ConditionError` for a text that is no condition, an unknown column, a value of another type than
    the column, and conditions that exclude each other.
    """
    asked: dict[Hashable, _Asked] = {}
    said: dict[Hashable, list[str]] = {}
    for text in texts:
        name, one = _parse_one(text, storages)
        said.setdefault(name, []).append(text)
        both = _both(asked.get(name, _Asked()), one)
        if both is None:
            raise ConditionError(
                f"no cell of {str(name)!r} can meet {' and '.join(map(repr, said[name]))}. Leave one of the "
                "conditions out, or ask for values that meet all of them."
            )
        asked[name] = both
    return {name: one.where() for name, one in asked.items()}


def _parse_one(text: str, storages: Mapping[Hashable, str]) -> tuple[Hashable, _Asked]:
    quoted = QUOTED.match(text)
    found = OPERATOR.match(text, quoted.end()) if quoted else OPERATOR.search(text)
    if found is None:
        raise ConditionError(f"{text!r} is no condition. Write {GRAMMAR}.")
    written = quoted[1].replace('""', '"') if quoted else text[: found.start()].strip()
    name, storage = _column(written, text, storages)
    rest = text[found.end() :].strip()
    if found["missing"]:
        return name, _Asked(missing=found["missing"].lower() == "missing")

    def value(part: str) -> Any:
        return parse_value(part, storage, name)

    if found["word"]:
        parts = next(csv.reader([rest], skipinitialspace=True), [])
        if not parts:
            raise ConditionError(f"{text!r} names no value. Write them after 'in', parted by commas.")
        values = [parse_value(part.strip(), storage, name, is_whole=True) for part in parts]
        return name, _Asked(values=tuple(dict.fromkeys(values)))
    if found["sign"] in ("<", "<=", ">", ">=") and storage not in ORDERED:
        raise ConditionError(
            f"{text!r}: column {str(name)!r} holds labels, which have no order. List them: 'col in a,b'."
        )
    return name, _compared(text, found["sign"], rest, storage in ORDERED, value)


def _compared(text: str, sign: str, rest: str, ordered: bool, value: Callable[[str], Any]) -> _Asked:
    """What stands behind a sign: a value, a range or a bound."""
    if sign == "!=":
        raise ConditionError(f"{text!r}: there is no '!='. List what you want: 'col in a,b'.")
    if not rest:
        raise ConditionError(
            f"{text!r} has no value behind {sign!r}. For missing cells, write 'col is missing'."
        )
    if sign in ("=", "=="):
        if ordered and ".." in rest:
            low, high = (part.strip() for part in rest.split("..", 1))
            if not low and not high:
                raise ConditionError(
                    f"{text!r} has no end of the range. Write 'col=10..500', or leave out one."
                )
            return _Asked(low=value(low) if low else None, high=value(high) if high else None)
        return _Asked(values=(value(rest),))
    if sign in (">", ">="):
        return _Asked(low=value(rest), above=sign == ">")
    return _Asked(high=value(rest), below=sign == "<")


def _column(written: str, text: str, storages: Mapping[Hashable, str]) -> tuple[Hashable, str]:
    """The column of this name, which need not be a text, and how its cells are held."""
    by_text = {str(name): name for name in storages}
    if written in by_text:
        return by_text[written], storages[by_text[written]]
    near = difflib.get_close_matches(written, by_text, n=3, cutoff=0.5)
    hint = f" Near: {near}." if near else ""
    raise ConditionError(
        f"{text!r} names {written!r}, which is no column.{hint} Columns: {list(by_text)}. A name with "
        "signs stands in double quotes."
    )


# --- values -------------------------------------------------------------------------------------------------


def parse_value(text: str, storage: str, name: Hashable, is_whole: bool = False) -> Any:
    """One value of a column: an int, float, bool, date, datetime or timedelta, or else text.

    Double quotes around it are taken off. Raises `ConditionError` for a value of another type. is_whole:
    whether that was done before, so that quotes belong to the value.
    """
    quoted = None if is_whole else QUOTED.fullmatch(text)
    if quoted:
        text = quoted[1].replace('""', '"')
    try:
        if storage == Storage.INT:
            return int(text)
        if storage == Storage.FLOAT:
            return _finite(text)
        if storage == Storage.BOOL:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if storage == Storage.DURATION:
            return _duration(text)
        if storage == Storage.DATETIME:
            return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except (ValueError, KeyError) as error:
        raise ConditionError(
            f"column {str(name)!r} holds {_EXAMPLES[Storage(storage)]}, and {text!r} is none."
        ) from error
    return text


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number")
    return number


def _duration(text: str) -> timedelta:
    """Seconds, or a clock of hours, minutes and perhaps seconds."""
    hours, minutes, seconds = ["0", "0", *text.split(":"), *["0"] * (text.count(":") == 1)][-3:]
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))


_EXAMPLES = {
    Storage.INT: "whole numbers such as 12",
    Storage.FLOAT: "numbers such as 12.5",
    Storage.BOOL: "true and false",
    Storage.DATETIME: "times such as 2024-12-31 or 2024-12-31T23:59:00",
    Storage.DURATION: "durations such as 90 (seconds) or 12:30:00",
}


# --- several conditions on one column -----------------------------------------------------------------------


def _both(first: _Asked, second: _Asked) -> _Asked | None:
    """Cells that meet both; None if there are none."""
    if first.missing or second.missing:
        return second if second.missing and first in (second, _Asked()) else None
    lows = [one for one in (first, second) if one.low is not None]
    highs = [one for one in (first, second) if one.high is not None]
    low = max(lows, key=lambda one: (_moment(one.low), one.above), default=_Asked())
    high = min(highs, key=lambda one: (_moment(one.high), not one.below), default=_Asked())
    bounds = _Asked(None, low.low, high.high, low.above, high.below, missing=False)
    named = [one.values for one in (first, second) if one.values is not None]
    if not named:
        return None if _is_empty(bounds) else bounds
    values = tuple(v for v in named[0] if v in named[-1] and _holds(bounds, v))
    return _Asked(values=values, missing=False) if values else None


def _holds(bounds: _Asked, value: Any) -> bool:
    """Whether the value lies within the bounds."""
    if bounds.low is not None:
        low = _moment(bounds.low)
        if _moment(value) < low or (bounds.above and _moment(value) == low):
            return False
    if bounds.high is None:
        return True
    high = _moment(bounds.high)
    return _moment(value) < high or (not bounds.below and _moment(value) == high)


def _is_empty(bounds: _Asked) -> bool:
    if bounds.low is None or bounds.high is None:
        return False
    low, high = _moment(bounds.low), _moment(bounds.high)
    return low > high or (low == high and (bounds.above or bounds.below))


def _moment(value: Any) -> Any:
    """What values are compared by: a date is its midnight, a time without a zone is in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else value
