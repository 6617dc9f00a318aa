"""A timeline goes on with more series, if their times can be told as those before were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tabdiff.encoding.calendars import calendar_of
from tabdiff.encoding.gaps import between, check_times, per_unit_of, rounding, since_start
from tabdiff.encoding.timeline import CALENDAR, Timeline
from tabdiff.errors import InputError
from tabdiff.schema import Column

__all__ = ["extended_timeline"]


def extended_timeline(timeline: Timeline, time: Column, offsets: np.ndarray) -> Timeline:
    """The timeline of the series so far and of these together; its columns mean the same.

    time: held as in fit, entity after entity and each in order; offsets: (n_entities + 1,). What the calendar
    says of the steps of a regular grid, and only now begins to change, is told as well, behind the rest.

    Raises `InputError` for what `Timeline.fit` refuses, for times that are not on the regular grid, and for
    times of the day if there were only dates, or finer ones than before.
    """
    check_times(time, offsets)
    if timeline.step is not None:
        return _on_grid(timeline, time, offsets)
    if timeline.by_days:
        grown = _with_tick(timeline, time)
        days = time.values // timeline.per_day
        gaps = between(days, offsets)
        if len(gaps):
            span = max(timeline.span, int(since_start(days, offsets).max()))
            grown = replace(grown, least_days=min(timeline.least_days, int(gaps.min())), span=span)
    else:
        per_unit = per_unit_of(time.values)
        both = max(timeline.per_unit, per_unit) if timeline.per_unit and per_unit else 0
        grown = replace(timeline, per_unit=both)
        least = timeline.uncounted(np.array([timeline.least]))
        grown = replace(grown, least=grown.counted(least)[0].item())
    gaps = between(grown.counted(time.values), offsets)
    return replace(grown, least=min(grown.least, gaps.min().item())) if len(gaps) else grown


def _on_grid(timeline: Timeline, time: Column, offsets: np.ndarray) -> Timeline:
    values, firsts = time.values, timeline.counted(time.values[offsets[:-1]])
    grid = timeline.grid(timeline.uncounted(firsts), offsets).astype(values.dtype)
    off = np.abs(grid - values) > (0 if timeline.per_unit else rounding(values))
    if off.any():
        at = int(off.argmax())
        before = "" if at in offsets else f", behind {time.describe(values[at - 1])}"
        raise InputError(
            f"in fit, the times in {timeline.name!r} were on a regular grid, {_step_in_words(timeline)} "
            f"apart. Of these {len(off)} times {int(off.sum())} are not, the first is "
            f"{time.describe(values[at])}{before}. Bring them to the grid, or fit again on all series."
        )
    same = timeline.phase is not None and (firsts % timeline.step == timeline.phase).all()
    grown = replace(timeline, phase=timeline.phase if same else None)
    if not timeline.by_days:
        return grown
    told = calendar_of(values, timeline.per_day)
    new = tuple(name for name in CALENDAR if name not in timeline.calendar and np.ptp(told[name]))
    return replace(grown, tick=_common_tick(timeline, values), calendar=(*timeline.calendar, *new))


def _with_tick(timeline: Timeline, time: Column) -> Timeline:
    """The timeline of dates or times with a tick that divides these times of the day too."""
    per_day = timeline.per_day
    grown = replace(timeline, tick=_common_tick(timeline, time.values))
    only_dates = timeline.tick == per_day
    unit = per_day if only_dates else timeline.unit_of_day
    if grown.tick % unit:
        finer = time.values[time.values % unit > 0]
        raise InputError(
            f"in fit, the times in {timeline.name!r} were {'dates alone' if only_dates else 'not as fine'}. "
            f"Of these {len(time)} times {len(finer)} are finer, the first is {time.describe(finer[0])}. "
            "Round them, or fit again on all series."
        )
    return grown


def _common_tick(timeline: Timeline, values: np.ndarray) -> int:
    return int(np.gcd(timeline.tick, np.gcd.reduce(values % timeline.per_day)))


def _step_in_words(timeline: Timeline) -> str:
    """What lies between two steps of the grid, as the user knows it."""
    step = timeline.step or 0
    if timeline.day_of_month:
        return f"{step} months"
    if timeline.by_days:
        return str(np.array(step, dtype=f"m8[{timeline.template.unit}]").astype("m8[us]").item())
    in_units = timeline.template.values.dtype.kind == "f" and timeline.per_unit
    return str(step / timeline.per_unit if in_units else step)
