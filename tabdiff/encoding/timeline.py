"""The times of the steps of series as columns that can be learned, and back.

    regular grid         nothing to learn but the start; what the calendar says of each step is given
    numbers              the gap to the step before
    dates and times      days since the step before, weekday, day of the month, and the time of the day

A grid is regular if all steps are equally far apart, or equally many months apart on the same day of the
month or its last one. Generic models fail on the calendar: salaries on the first, shops that are shut on
Sundays. Days are therefore told as people count them, and a drawn day is moved to a near one that its weekday
and day of the month agree with. Times with a time zone are counted in UTC.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from tabdiff.encoding.calendars import calendar_of, months_of, nearest_days
from tabdiff.encoding.gaps import (
    LARGEST,
    apart,
    between,
    check_times,
    gaps_of,
    per_unit_of,
    places_of,
    rounding,
    since_start,
)
from tabdiff.schema import Column, Storage

__all__ = ["Timeline"]

_PER_DAY = {
    "D": 1,
    "s": 86_400,
    "ms": 86_400_000,
    "us": 86_400_000_000,
    "ns": 86_400_000_000_000,
}
CALENDAR = ("hour", "weekday", "day", "month")
_SHARE_OF_SPAN = 60  # days since the start are drawn to about this share of the longest series


@dataclass(frozen=True)
class Timeline:
    """How the times of series are told.

    template: the column of times without cells. step: what lies between all steps, if they are on a regular
    grid, else None. phase: what all of them leave if divided by `step`, if it is the same. least: the
    smallest gap, least_days: the smallest number of days between steps, span: the largest number of days from
    a start to an end. tick: times of the day are multiples
    of it, in units of the column; a whole day if there are only dates. calendar: what is given of the steps
    of a regular grid. per_unit: floats are multiples of 1 / per_unit; 0 if of nothing. day_of_month: if the
    grid counts months, on which day of each, the last one where there are fewer; else 0. of_day: and at which
    time of the day. `step`, `phase` and `least` are in months, in multiples of 1 / per_unit, or in units of
    the column.
    """

    template: Column
    step: int | float | None = None
    phase: int | None = None
    least: int | float = 0
    least_days: int = 0
    span: int = 0
    tick: int = 0
    calendar: tuple[str, ...] = ()
    per_unit: int = 1
    day_of_month: int = 0
    of_day: int = 0

    @classmethod
    def fit(cls, time: Column, offsets: np.ndarray) -> Timeline:
        """Look at the times of the steps, entity after entity and each in order; offsets: (n_entities + 1,).

        Raises `InputError` for columns that hold neither times nor numbers, for missing or infinite cells,
        for times that decrease within an entity, and for entities without a step.
        """
        check_times(time, offsets)
        values, template = time.values, time.without_cells()
        if time.storage is not Storage.DATETIME:
            plain = cls(template, per_unit=per_unit_of(values))
            return (
                plain._on_grid(values, offsets)
                or plain._nearly_on_grid(values, offsets)
                or plain._with_least(values, offsets)
            )
        per_day = _PER_DAY[str(time.unit)]
        plain = cls(template, tick=int(np.gcd(np.gcd.reduce(values % per_day), per_day)))
        monthly = plain._by_months(values)
        found = (monthly and monthly._on_grid(values, offsets)) or plain._on_grid(values, offsets)
        if found is None:
            return plain._with_least(values, offsets)
        told = calendar_of(values, per_day)
        return replace(found, calendar=tuple(name for name in CALENDAR if np.ptp(told[name])))

    @property
    def name(self) -> Hashable:
        """The name of the column of times."""
        return self.template.name

    @property
    def step_names(self) -> tuple[str, ...]:
        """The names of the columns that `steps` returns."""
        if self.step is not None:
            return ()
        if not self.by_days:
            return (f"{self.name}: gap",)
        has_times = self.tick < self.per_day
        names = [
            "days",
            "weekday",
            "day of month",
            *(["time of day"] if has_times else []),
            "days since start",
        ]
        return tuple(f"{self.name}: {name}" for name in names)

    @property
    def kinds(self) -> dict[Hashable, str]:
        """How the columns of `steps` are learned, where that is not to be inferred."""
        return {name: "categorical" for name in self.step_names if name.endswith(("weekday", "day of month"))}

    # --- there --------------------------------------------------------------------------------------------

    def starts(self, time: Column, offsets: np.ndarray) -> list[Column]:
        """When each series starts: one column with a cell for each entity."""
        values = time.values[offsets[:-1]]
        column = self.template.with_cells(values, _none(values))
        return [replace(column, name=f"{self.name}: start")]

    def steps(self, time: Column, offsets: np.ndarray) -> list[Column]:
        """What is to be learned of the time of each step: columns named `step_names`.

        Gaps and days since the step before are 0 at the first step of each entity. The time of the day is in
        seconds, or in the finest unit that any cell needs.
        """
        if self.step is not None:
            return []
        if not self.by_days:
            gaps = gaps_of(self.counted(time.values), offsets)
            gaps = self.uncounted(gaps)
            return [Column(self.step_names[0], time.storage, gaps, _none(gaps), unit=time.unit)]
        told = calendar_of(time.values, self.per_day)
        values = [gaps_of(time.values // self.per_day, offsets), told["weekday"], told["day"]]
        if self.tick < self.per_day:
            values.append(time.values % self.per_day // self.unit_of_day)
        values.append(since_start(time.values // self.per_day, offsets))
        pairs = zip(self.step_names, values, strict=True)
        return [Column(name, Storage.INT, cells, _none(cells)) for name, cells in pairs]

    def given(
        self, starts: Sequence[Column], offsets: np.ndarray, time: Column | None = None
    ) -> list[Column]:
        """What is known of the time of each step beforehand, from the starts alone: integers that are levels.

        On a regular grid what the calendar says of the step, else what it says of the start; nothing if times
        are numbers. time: as in `continued`, of series that begin with given steps.
        """
        if not self.by_days:
            return []
        first, lengths = self._first(starts), np.diff(offsets)
        if self.step is not None:
            grid = self.grid(first, offsets) if time is None else self.continued(time, [], offsets).values
            told = calendar_of(grid, self.per_day)
            return [self._of_calendar(name, told[name]) for name in self.calendar]
        told = calendar_of(first, self.per_day)
        names = ("weekday", "day")
        return [self._of_calendar(f"{name} of start", np.repeat(told[name], lengths)) for name in names]

    # --- and back -----------------------------------------------------------------------------------------

    def restore(self, starts: Sequence[Column], steps: Sequence[Column], offsets: np.ndarray) -> Column:
        """The time of each step; within an entity it never decreases.

        On a regular grid exactly the grid. Numbers are no closer than the closest of fit. If no two steps of
        an entity had the same time in fit, or were on the same day, none are here.
        """
        values = self._behind(self._first(starts), [column.values for column in steps], offsets)
        return self.template.with_cells(values, _none(values))

    def continued(self, time: Column, steps: Sequence[Column], offsets: np.ndarray) -> Column:
        """The time of each step of series that begin with given ones, which come back as they are.

        time: missing where it is to be drawn, which is behind the given steps of an entity; each has some.
        The others are told by the `steps` and count from the last given time: none is before it, none is at
        it if no two steps had the same time in fit, and a regular grid goes on from there.
        """
        lengths, given = np.diff(offsets), ~time.missing
        last = offsets[:-1] + np.add.reduceat(given.astype(np.int64), offsets[:-1]) - 1
        ahead = np.arange(offsets[-1]) >= np.repeat(last, lengths)
        cells = [column.values for column in steps]
        if self.step is None and self.by_days:
            cells[-1] = cells[-1] - np.repeat(cells[-1][last], lengths)
        rest = np.append(0, np.cumsum(offsets[1:] - last))
        values, first = time.values.copy(), time.values[last]
        values[ahead] = np.maximum(
            self._behind(first, [part[ahead] for part in cells], rest), np.repeat(first, np.diff(rest))
        )
        values[given] = time.values[given]
        return self.template.with_cells(values, _none(values))

    def _behind(self, first: np.ndarray, steps: Sequence[np.ndarray], offsets: np.ndarray) -> np.ndarray:
        """The times that follow from the first one of each entity, held as the column holds them."""
        if self.step is not None:
            values = self.grid(first, offsets)
        elif self.by_days:
            values = self._from_days(first, steps, offsets)
        else:
            values = self.uncounted(self._from_gaps(self.counted(first), steps[0], offsets))
        return values.astype(self.template.values.dtype)

    def _first(self, starts: Sequence[Column]) -> np.ndarray:
        """The values of the starts, on the grid that times were on."""
        values = starts[0].values
        if self.by_days and not self.day_of_month:
            values = values // self.tick * self.tick
        counted = self.counted(values)
        if self.phase is not None and self.step is not None:
            step = int(self.step)
            counted = (counted - self.phase + step // 2) // step * step + self.phase
        return self.uncounted(counted)

    def grid(self, first: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """The times of a regular grid that begins at the first one of each entity."""
        assert self.step is not None
        counted = np.repeat(self.counted(first), np.diff(offsets)) + places_of(offsets) * self.step
        return self.uncounted(counted)

    def _from_gaps(self, first: np.ndarray, gaps: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Sums of gaps within each entity, as `counted` has them; too large ones become the largest."""
        gaps = np.maximum(self.counted(gaps), self.least)
        gaps[offsets[:-1]] = first
        total: list[Any] = []
        cells = gaps.tolist()  # each sum starts anew, so that floats lose nothing to other entities
        for begin, end in pairwise(offsets.tolist()):
            total.extend(accumulate(cells[begin:end]))
        if gaps.dtype.kind == "f":
            return np.array(total, dtype=np.float64)
        return np.array([min(value, LARGEST) for value in total], dtype=np.int64)

    def _from_days(self, first: np.ndarray, steps: Sequence[np.ndarray], offsets: np.ndarray) -> np.ndarray:
        gaps, weekday, day_of_month = (cells.astype(np.int64) for cells in steps[:3])
        lengths, per_day = np.diff(offsets), self.per_day
        gaps, since = np.maximum(gaps, self.least_days), steps[-1].astype(np.int64)
        slack = max(1, self.span // _SHARE_OF_SPAN)
        days = nearest_days(
            first // per_day, gaps, weekday, day_of_month, since, slack, self.least_days, offsets
        )
        final = LARGEST // per_day  # the day on which what the unit can hold ends
        days = np.minimum(days, final)
        values = days * per_day
        if self.tick < per_day:
            of_day = steps[3].astype(np.int64) * self.unit_of_day + self.tick // 2
            end = np.where(days < final, per_day - 1, LARGEST % per_day)
            values += np.clip(of_day, 0, end) // self.tick * self.tick
        values = np.maximum(values, np.repeat(first, lengths))
        values[offsets[:-1]] = first
        # days never decrease within an entity, so that this only puts the times of one day into order
        values = values[np.lexsort((values, np.repeat(np.arange(len(lengths)), lengths)))]
        return apart(values, self.tick, offsets) if self.least > 0 else values

    # --- what is found in fit -----------------------------------------------------------------------------

    def _by_months(self, values: np.ndarray) -> Timeline | None:
        """The same timeline counting months, if all steps are at the same day of them and time of the day."""
        of_day = values % self.per_day
        day = calendar_of(values, self.per_day)["day"]
        monthly = replace(self, day_of_month=int(day.max()), of_day=int(of_day[0]))
        alike = (of_day == of_day[0]).all() and (monthly.uncounted(months_of(values, self.per_day)) == values)
        return monthly if np.all(alike) else None

    def _on_grid(self, values: np.ndarray, offsets: np.ndarray) -> Timeline | None:
        """The same timeline with the step and phase of a regular grid, if the times are on one."""
        if not self.per_unit:
            return None
        counted = self.counted(values)
        gaps = between(counted, offsets)
        if not len(gaps) or gaps[0] <= 0 or (gaps != gaps[0]).any():
            return None
        step = int(gaps[0])
        phases = np.unique(counted[offsets[:-1]] % step)
        return replace(self, step=step, phase=int(phases[0]) if len(phases) == 1 else None)

    def _nearly_on_grid(self, values: np.ndarray, offsets: np.ndarray) -> Timeline | None:
        """As `_on_grid`, for floats that are equally far apart but for the rounding of their last digits."""
        longest = int(np.diff(offsets).argmax())
        begin, end = int(offsets[longest]), int(offsets[longest + 1]) - 1
        if values.dtype.kind != "f" or begin == end:
            return None
        step = (float(values[end]) - float(values[begin])) / (end - begin)
        grid = replace(self, step=step, per_unit=0)
        off = np.abs(values - grid.grid(values[offsets[:-1]], offsets)).max()
        return grid if off <= rounding(values) < step / 1000 else None

    def _with_least(self, values: np.ndarray, offsets: np.ndarray) -> Timeline:
        """The same timeline with the smallest gaps between steps."""
        gaps = between(self.counted(values), offsets)
        if not len(gaps):
            return self
        least = gaps.min().item()
        if not self.by_days:
            return replace(self, least=least)
        days = values // self.per_day
        span = int(since_start(days, offsets).max())
        return replace(self, least=least, least_days=int(between(days, offsets).min()), span=span)

    # --- what is counted ----------------------------------------------------------------------------------

    @property
    def per_day(self) -> int:
        """How many units of the column are a day."""
        return _PER_DAY[str(self.template.unit)]

    @property
    def by_days(self) -> bool:
        """Whether times are dates, or have some."""
        return self.template.storage is Storage.DATETIME

    @property
    def unit_of_day(self) -> int:
        """In what the time of the day is told: seconds, or less if need be; in units of the column."""
        second = self.per_day // 86_400
        return next(second // part for part in (1, 10**3, 10**6, 10**9) if self.tick % (second // part) == 0)

    def counted(self, values: np.ndarray) -> np.ndarray:
        """Times as whole numbers, the nearest if between two; floats that are on no grid as they are."""
        if self.day_of_month:
            months = months_of(values, self.per_day) + np.arange(-1, 2)[:, None]
            nearest = np.abs(self.uncounted(months) - values).argmin(0)
            return months[nearest, np.arange(len(values))]
        if values.dtype.kind != "f":
            return values
        wide = values.astype(np.float64)
        return np.rint(wide * self.per_unit).astype(np.int64) if self.per_unit else wide

    def uncounted(self, counted: np.ndarray) -> np.ndarray:
        """The times that `counted` makes these numbers of."""
        if self.day_of_month:
            month = counted.astype("M8[M]")
            first, following = (part.astype("M8[D]").astype(np.int64) for part in (month, month + 1))
            days = np.minimum(first + self.day_of_month, following) - 1
            return days * self.per_day + self.of_day
        return (
            counted / self.per_unit if self.template.storage is Storage.FLOAT and self.per_unit else counted
        )

    def _of_calendar(self, name: str, values: np.ndarray) -> Column:
        return Column(f"{self.name}: {name}", Storage.INT, values, _none(values))


def _none(values: np.ndarray) -> np.ndarray:
    return np.zeros(len(values), dtype=bool)
