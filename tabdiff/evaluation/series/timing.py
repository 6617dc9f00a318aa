"""When steps come: the time between them, bursts, and the calendar. Times are sorted within each entity."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tabdiff.evaluation.series.order import TINY, lag_sums

__all__ = ["burst_lengths", "calendar", "gap_correlation_sums", "gaps", "recent_counts", "steps_per_day"]

MIN_GAPS = 3
DAY = 86_400


def gaps(times: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times between steps that follow each other in one entity, and the entity of each."""
    follows = owner[1:] == owner[:-1]
    return np.diff(times)[follows], owner[1:][follows]


def gap_correlation_sums(gaps: np.ndarray, owner: np.ndarray, n_entities: int) -> np.ndarray:
    """(n_entities, 2) the autocorrelation at lag 1 of log(1 + gap), and 1; both 0 where there is none.

    There is none with fewer than 3 gaps, or if all are alike.
    """
    products, squares = lag_sums(np.log1p(gaps)[:, None], owner, n_entities).T
    counts = np.bincount(owner, minlength=n_entities)
    defined = (counts >= MIN_GAPS) & (squares > TINY)
    return np.column_stack([np.where(defined, products / np.maximum(squares, TINY), 0.0), defined])


def recent_counts(times: np.ndarray, offsets: np.ndarray, window: float) -> np.ndarray:
    """(N,) how many steps of the same entity lie in [t - window, t], for the time t of every step.

    Of steps at one time each counts those before it and itself.
    """
    counts = np.empty(len(times), dtype=np.int64)
    for start, stop in pairwise(offsets):
        own = times[start:stop]
        counts[start:stop] = np.arange(1, len(own) + 1) - np.searchsorted(own, own - window, side="left")
    return counts


def burst_lengths(gaps: np.ndarray, owner: np.ndarray, short: float) -> tuple[np.ndarray, np.ndarray]:
    """Lengths in gaps of the longest possible runs of gaps <= short, and the entity of each run."""
    quick = gaps <= short
    goes_on = np.append(False, quick[:-1] & (owner[1:] == owner[:-1])) if len(gaps) else quick
    run = np.cumsum(quick & ~goes_on)[quick] - 1
    return np.bincount(run), owner[quick & ~goes_on]


def steps_per_day(times: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps on every day on which an entity has any, and the entity of each such day; times in seconds."""
    days = np.floor(times / DAY).astype(np.int64)
    starts = np.flatnonzero(np.append(True, (np.diff(days) != 0) | (np.diff(owner) != 0)))
    return np.diff(np.append(starts, len(times))), owner[starts]


def calendar(times: np.ndarray) -> dict[str, np.ndarray]:
    """Hour (0 to 23), weekday (Monday is 0) and day of the month (1 to 31) of times in seconds since 1970."""
    seconds = np.floor(times).astype(np.int64)
    days = seconds // DAY
    dates = days.astype("M8[D]")
    month = dates.astype("M8[M]").astype("M8[D]")
    return {
        "hour": seconds % DAY // 3600,
        "weekday": (days + 3) % 7,  # 1970 began on a Thursday
        "monthday": (dates - month).astype(np.int64) + 1,
    }
