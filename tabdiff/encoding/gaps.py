"""What lies between the steps of series that stand one after another in an array of numbers.

offsets: (n_series + 1,), the steps of series i are those from offsets[i] to offsets[i + 1].
"""

from __future__ import annotations

import numpy as np

from tabdiff.errors import InputError
from tabdiff.schema import Column, Storage, check_finite

__all__ = [
    "LARGEST",
    "apart",
    "between",
    "check_times",
    "gaps_of",
    "is_within",
    "per_unit_of",
    "places_of",
    "rounding",
    "since_start",
]

LARGEST = np.iinfo(np.int64).max
DECIMALS = 9
WHOLE = 2**53  # beyond, float64 skips integers


def per_unit_of(values: np.ndarray) -> int:
    """The least power of ten that all floats become whole numbers by; 1 for integers, 0 if there is none."""
    if values.dtype.kind != "f":
        return 1
    wide = values.astype(np.float64)
    largest = float(np.abs(wide).max())
    for per_unit in (10**places for places in range(DECIMALS + 1)):
        if largest * per_unit >= WHOLE:
            break
        if ((np.rint(wide * per_unit) / per_unit).astype(values.dtype) == values).all():
            return per_unit
    return 0


def apart(values: np.ndarray, tick: int, offsets: np.ndarray) -> np.ndarray:
    """Sorted times of each entity, moved later where they are less than `tick` behind the one before.

    As running maximum of `value - place * tick`, over twice as many steps in each round.
    """
    places, lengths = places_of(offsets), np.diff(offsets)
    longest = int(lengths.max(initial=0))
    last = LARGEST // tick - np.repeat(lengths - 1, lengths)  # so that there is room for all behind
    values, shift = np.minimum(values - places * tick, last * tick), 1
    while shift < longest:
        before = np.where(places[shift:] >= shift, values[:-shift], values[shift:])
        values[shift:] = np.maximum(values[shift:], before)
        shift *= 2
    return values + places * tick


def between(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """What lies between the steps of each entity: (n - n_entities,)."""
    inside = is_within(offsets)
    return values[1:][inside] - values[:-1][inside]


def since_start(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """What lies between the first step of the entity and each: (n,)."""
    return values - np.repeat(values[offsets[:-1]], np.diff(offsets))


def gaps_of(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """What lies between each step and the one before, 0 at the first of each entity: (n,)."""
    gaps = np.zeros_like(values)
    gaps[1:][is_within(offsets)] = between(values, offsets)
    return gaps


def places_of(offsets: np.ndarray) -> np.ndarray:
    """The place of each step in its entity, from 0: (n,) int64."""
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))


def is_within(offsets: np.ndarray) -> np.ndarray:
    """Which differences between one row and the next are within an entity: (n - 1,) bool."""
    inside = np.ones(max(int(offsets[-1]) - 1, 0), dtype=bool)
    inside[offsets[1:-1] - 1] = False
    return inside


def rounding(values: np.ndarray) -> float:
    """How far floats of this size may be off by the rounding of their last digits."""
    return 4 * float(np.finfo(values.dtype).eps) * float(np.abs(values).max())


def check_times(time: Column, offsets: np.ndarray) -> None:
    """Raise `InputError` unless cells are times or numbers, all there, that never decrease in an entity."""
    if time.storage not in (Storage.DATETIME, Storage.INT, Storage.FLOAT, Storage.DURATION):
        raise InputError(
            f"the time column {time.name!r} holds {time.storage.value} cells. Pass dates, times or numbers."
        )
    if time.missing.any():
        raise InputError(
            f"the time column {time.name!r} is missing in {int(time.missing.sum())} of {len(time)} rows. "
            "Drop these rows, or give them a time."
        )
    check_finite(time)
    lengths = np.diff(offsets)
    if not len(lengths) or not lengths.all():
        raise InputError(
            f"{int((lengths == 0).sum())} of {len(lengths)} entities have no step, so {time.name!r} does not "
            "say when they start. Pass at least one step for each."
        )
    inside = is_within(offsets)
    earlier, later = time.values[:-1][inside], time.values[1:][inside]
    decreases = later < earlier
    if decreases.any():
        place = int(decreases.argmax())
        raise InputError(
            f"the times in {time.name!r} decrease {int(decreases.sum())} times within an entity, first from "
            f"{time.describe(earlier[place])} to {time.describe(later[place])}. Sort the rows by entity and "
            "time."
        )
    with np.errstate(over="ignore"):
        gaps = later - earlier
    if not ((gaps >= 0) & (gaps < np.inf)).all():
        raise InputError(
            f"the times in {time.name!r} are further apart than 64-bit numbers can tell. Count them in a "
            "larger unit."
        )
