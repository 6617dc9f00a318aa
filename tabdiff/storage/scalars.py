"""Values of the standard library and NumPy that JSON has no form for, and how each is written."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import re
import uuid
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["NUMPY_SCALAR", "SCALARS", "Tagged", "checked_dtype", "numpy_from_plain", "numpy_to_plain"]

_DTYPE = re.compile(
    r"[<>|=]?(?:[biuf][1248]|[SU]\d{1,9}|[mM]8(?:\[\d{0,9}(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)"
)
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class Tagged:
    """How values of exactly one type are written.

    tag: what stands for the type in the file. to_plain: a value to what `Packer` can pack already.
    from_plain: back; what it gets comes from the file and may be anything, so it may raise anything.
    """

    tag: str
    type: type
    to_plain: Callable[[Any], Any]
    from_plain: Callable[[Any], Any]


def checked_dtype(text: str) -> np.dtype:
    """The dtype of a NumPy dtype string: booleans, integers, floats, text, bytes and times only.

    Raises `ValueError` for any other: NumPy's own reader knows many more forms, records among them.
    """
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise ValueError(f"no dtype that is stored: {text!r}")
    return np.dtype(text)


def _zone_to_plain(zone: dt.tzinfo | None) -> Any:
    """None, the offset of a fixed zone in microseconds, or the name of a zone."""
    if zone is None:
        return None
    if type(zone) is dt.timezone:
        return zone.utcoffset(None) // _MICROSECOND
    if type(zone) is zoneinfo.ZoneInfo and zone.key is not None:
        return zone.key
    raise ValueError(f"a time zone of the type {type(zone).__module__}.{type(zone).__name__}")


def _zone_from(plain: Any) -> dt.tzinfo | None:
    if plain is None:
        return None
    if isinstance(plain, str):
        return zoneinfo.ZoneInfo(plain)
    return dt.timezone(dt.timedelta(microseconds=plain))


def _datetime_to_plain(time: dt.datetime) -> list:
    parts = [time.year, time.month, time.day, time.hour, time.minute, time.second, time.microsecond]
    return [*parts, time.fold, _zone_to_plain(time.tzinfo)]


def _datetime_from(plain: Sequence) -> dt.datetime:
    *parts, fold, zone = plain
    return dt.datetime(*parts).replace(fold=fold, tzinfo=_zone_from(zone))


def _time_to_plain(time: dt.time) -> list:
    parts = [time.hour, time.minute, time.second, time.microsecond]
    return [*parts, time.fold, _zone_to_plain(time.tzinfo)]


def _time_from(plain: Sequence) -> dt.time:
    *parts, fold, zone = plain
    return dt.time(*parts).replace(fold=fold, tzinfo=_zone_from(zone))


def _seeds_to_plain(seed: np.random.SeedSequence) -> dict[str, Any]:
    return {
        "entropy": seed.entropy,
        "spawn_key": tuple(seed.spawn_key),
        "pool_size": seed.pool_size,
        "n_children_spawned": seed.n_children_spawned,
    }


def _seeds_from(plain: dict[str, Any]) -> np.random.SeedSequence:
    if plain["entropy"] is None or not 4 <= plain["pool_size"] <= 64:
        raise ValueError("no seed sequence")
    return np.random.SeedSequence(**plain)


def _generator_to_plain(generator: np.random.Generator) -> dict[str, Any]:
    state = generator.bit_generator.state
    if state["bit_generator"] != "PCG64":
        raise ValueError(f"a generator over {state['bit_generator']}")
    return dict(state)


def _generator_from(plain: dict[str, Any]) -> np.random.Generator:
    generator = np.random.default_rng(0)
    generator.bit_generator.state = plain
    return generator


def _random_state_to_plain(state: np.random.RandomState) -> dict[str, Any]:
    plain = state.get_state(legacy=False)
    if not isinstance(plain, dict) or plain["bit_generator"] != "MT19937":
        raise ValueError("a RandomState over another generator than MT19937")
    return plain


def _random_state_from(plain: dict[str, Any]) -> np.random.RandomState:
    state = np.random.RandomState(0)
    state.set_state(plain)
    return state


def numpy_to_plain(scalar: np.generic) -> list:
    """The dtype of a NumPy scalar, and its value as plain Python: whole ticks for times.

    Raises `ValueError` for records, complex numbers and floats of more than 64 bits.
    """
    dtype = checked_dtype(scalar.dtype.str)
    if dtype.kind in "mM":
        return [dtype.str, int(scalar.view(np.int64))]
    return [dtype.str, scalar.item()]


def numpy_from_plain(plain: Sequence) -> Any:
    """The NumPy scalar of `numpy_to_plain`. Raises `ValueError` for a value of another type."""
    text, value = plain
    dtype = checked_dtype(text)
    if dtype.kind in "SU":
        if type(value) is not (bytes if dtype.kind == "S" else str):
            raise ValueError(f"no text: {value!r}")
        return dtype.type(value)
    if dtype.kind in "mM":
        return np.array(value, dtype=np.int64).view(dtype)[()]
    if type(value) is not {"b": bool, "f": float}.get(dtype.kind, int):
        raise ValueError(f"no {dtype}: {value!r}")
    return np.array(value, dtype=dtype)[()]


NUMPY_SCALAR = "numpy"
"""The tag of NumPy scalars, which are of many types."""

SCALARS: tuple[Tagged, ...] = (
    Tagged(
        "bytes", bytes, lambda b: base64.b64encode(b).decode(), lambda s: base64.b64decode(s, validate=True)
    ),
    Tagged("date", dt.date, dt.date.isoformat, dt.date.fromisoformat),
    Tagged("datetime", dt.datetime, _datetime_to_plain, _datetime_from),
    Tagged("time", dt.time, _time_to_plain, _time_from),
    Tagged(
        "timedelta", dt.timedelta, lambda d: [d.days, d.seconds, d.microseconds], lambda p: dt.timedelta(*p)
    ),
    Tagged("timezone", dt.timezone, _zone_to_plain, _zone_from),
    Tagged("zone", zoneinfo.ZoneInfo, _zone_to_plain, _zone_from),
    Tagged("decimal", decimal.Decimal, str, decimal.Decimal),
    Tagged("uuid", uuid.UUID, lambda u: u.hex, uuid.UUID),
    Tagged("seeds", np.random.SeedSequence, _seeds_to_plain, _seeds_from),
    Tagged("generator", np.random.Generator, _generator_to_plain, _generator_from),
    Tagged("random state", np.random.RandomState, _random_state_to_plain, _random_state_from),
)
"""The types that are written by a tag; numbers, text and containers are the packer's own."""
