"""The times of the steps of series as columns that can be learned, and back.

    regular grid         nothing to learn but the start; what the calendar says of each step is given
    numbers              the gap to the step before
    dates and times      days since the step before, weekday, day of the month, and the time of the day

A grid is regular if all steps are equally far apart, or equally many months apart on the same day of the month
or its last one. Generic models fail on the calendar: salaries on the first, shops that are shut on Sundays.
Days are therefore told as people count them, and a drawn day is moved to a near one that its weekday and day
of the month agree with. Times with a time zone are counted in UTC.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from tabdiff.errors import InputError
from tabdiff.schema import Column, Storage, check_finite

__all__ = ["Timeline"]

_PER_DAY = {
    "D": 1,
    "s": 86_400,
    "ms": 86_400_000,
    "us": 86_400_000_000,
    "ns": 86_400_000_000_000,
}
_CALENDAR = ("hour", "weekday", "day", "month")
_LONG_GAP = 4
_CYCLE = 146_097  # days of 400 years, after which the calendar repeats itself; whole weeks
_LARGEST = np.iinfo(np.int64).max
_LAST_DAY = np.iinfo(np.int32).max - 1  # dates are held in 32 bits
_DECIMALS = 9
_WHOLE = 2**53  # beyond, float64 skips integers


@dataclass(frozen=True)
class Timeline:
    """How the times of series are told.

    template: the column of times without cells. step: what lies between all steps, if they are on a regular
    grid, else None. phase: what all of them leave if divided by `step`, if it is the same. least: the
    smallest gap, least_days: the smallest number of days between steps. tick: times of the day are multiples
    of it, in units of the column; a whole day if there are only dates. calendar: what is given of the steps of
    a regular grid. per_unit: floats are whole multiples of 1 / per_unit; 0 if of nothing. day_of_month: if the
    grid counts months, on which day of each, the last one where there are fewer; else 0. of_day: and at which
    time of the day. `step`, `phase` and `least` are in months, or multiples of 1 / per_unit, or units of the
    column.
    """

    template: Column
    step: int | float | None = None
    phase: int | None = None
    least: int | float = 0
    least_days: int = 0
    tick: int = 0
    calendar: tuple[str, ...] = ()
    per_unit: int = 1
    day_of_month: int = 0
    of_day: int = 0

    @classmethod
    def fit(cls, time: Column, offsets: np.ndarray) -> Timeline:
        """Look at the times of the steps, entity after entity and each in order; offsets: (n_entities + 1,).

        Raises `InputError` for columns that hold neither times nor numbers, for missing or infinite cells, for
        times that decrease within an entity, and for entities without a step.
        """
        _check(time, offsets)
        values, template = time.values, time.without_cells()
        if time.storage is not Storage.DATETIME:
            plain = cls(template, per_unit=_per_unit(values))
            spaced = plain if plain.per_unit == 1 else cls(template, per_unit=0)
            return plain._on_grid(time, offsets) or spaced._on_grid(time, offsets) or plain._told(time, offsets)
        per_day = _PER_DAY[str(time.unit)]
        plain = cls(template, tick=int(np.gcd(np.gcd.reduce(values % per_day), per_day)))
        monthly = plain._by_months(values)
        found = (monthly and monthly._on_grid(time, offsets)) or plain._on_grid(time, offsets)
        if not found:
            return plain._told(time, offsets)
        told = _calendar_of(values, per_day)
        return replace(found, calendar=tuple(name for name in _CALENDAR if np.ptp(told[name])))

    @property
    def name(self) -> Hashable:
        """The name of the column of times."""
        return self.template.name

    @property
    def step_names(self) -> tuple[str, ...]:
        """The names of the columns that `steps` returns."""
        if self.step is not None:
            return ()
        if not self._by_days:
            return (f"{self.name}: gap",)
        has_times = self.tick < self._per_day
        names = ["days", "weekday", "day of month", *(["time of day"] if has_times else [])]
        return tuple(f"{self.name}: {name}" for name in names)

    @property
    def kinds(self) -> dict[Hashable, str]:
        """How the columns of `steps` are learned, where that is not to be inferred."""
        return {name: "categorical" for name in self.step_names if name.endswith(("weekday", "day of month"))}

    def to_dict(self) -> dict[str, Any]:
        """As dicts, lists, strings and numbers, which JSON can hold if it can hold the name of the column."""
        column = self.template
        kept = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "template"}
        dtype, storage = column.values.dtype.str, column.storage.value
        written = {"name": column.name, "storage": storage, "dtype": dtype, "unit": column.unit}
        return {**kept, "calendar": list(self.calendar), "column": written}

    @classmethod
    def from_dict(cls, written: Mapping[str, Any]) -> Timeline:
        """Read what `to_dict` wrote."""
        kept = dict(written)
        column = kept.pop("column")
        name = tuple(column["name"]) if isinstance(column["name"], list) else column["name"]
        cells = np.empty(0, dtype=column["dtype"])
        template = Column(name, Storage(column["storage"]), cells, _none(cells), unit=column["unit"])
        return cls(template, **{**kept, "calendar": tuple(kept["calendar"])})

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
        if not self._by_days:
            gaps = _gaps(self._counted(time.values), offsets)
            if self.per_unit > 1:
                gaps = gaps / self.per_unit
            storage = time.storage if time.storage is Storage.DURATION else self.template.storage
            gaps = gaps.astype(np.float64 if storage is Storage.FLOAT else np.int64)
            return [Column(self.step_names[0], storage, gaps, _none(gaps), unit=self.template.unit)]
        told = _calendar_of(time.values, self._per_day)
        values = [_gaps(time.values // self._per_day, offsets), told["weekday"], told["day"]]
        if self.tick < self._per_day:
            values.append(time.values % self._per_day // self._unit_of_day)
        pairs = zip(self.step_names, values, strict=True)
        return [Column(name, Storage.INT, cells, _none(cells)) for name, cells in pairs]

    def given(self, starts: Sequence[Column], offsets: np.ndarray) -> list[Column]:
        """What is known of the time of each step beforehand, from the starts alone: integers that are levels.

        On a regular grid what the calendar says of the step, else what it says of the start; nothing if times
        are numbers.
        """
        if not self._by_days:
            return []
        first, lengths = self._first(starts), np.diff(offsets)
        if self.step is not None:
            told = _calendar_of(self._grid(first, offsets), self._per_day)
            return [self._of_calendar(name, told[name]) for name in self.calendar]
        told = _calendar_of(first, self._per_day)
        names = ("weekday", "day")
        return [self._of_calendar(f"{name} of start", np.repeat(told[name], lengths)) for name in names]

    # --- and back -----------------------------------------------------------------------------------------

    def restore(self, starts: Sequence[Column], steps: Sequence[Column], offsets: np.ndarray) -> Column:
        """The time of each step; within an entity it never decreases.

        On a regular grid exactly the grid. Numbers are no closer than the closest of fit. Dates and times that
        never fell together in fit do not do so here, and neither do days.
        """
        first = self._first(starts)
        if self.step is not None:
            values = self._grid(first, offsets)
        elif self._by_days:
            values = self._from_days(first, [column.values for column in steps], offsets)
        else:
            values = self._uncounted(self._from_gaps(self._counted(first), steps[0].values, offsets))
        values = values.astype(self.template.values.dtype)
        return self.template.with_cells(values, _none(values))

    def _first(self, starts: Sequence[Column]) -> np.ndarray:
        """The values of the starts, on the grid that times were on."""
        values = starts[0].values
        if self._by_days and not self.day_of_month:
            values = values // self.tick * self.tick
        counted = self._counted(values)
        if self.phase is not None and self.step is not None:
            step = int(self.step)
            counted = (counted - self.phase + step // 2) // step * step + self.phase
        return self._uncounted(counted)

    def _grid(self, first: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        assert self.step is not None
        counted = np.repeat(self._counted(first), np.diff(offsets)) + _places(offsets) * self.step
        return self._uncounted(counted)

    def _from_gaps(self, first: np.ndarray, gaps: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Sums of gaps within each entity, as `_counted` has them; too large ones become the largest."""
        whole = np.rint(gaps * self.per_unit).astype(np.int64) if self.per_unit > 1 else gaps
        gaps = np.maximum(whole, self.least)
        gaps[offsets[:-1]] = first
        total: list[Any] = []
        cells = gaps.tolist()  # each sum starts anew, so that floats lose nothing to other entities
        for begin, end in pairwise(offsets.tolist()):
            total.extend(accumulate(cells[begin:end]))
        if gaps.dtype.kind == "f":
            return np.array(total, dtype=np.float64)
        return np.array([min(value, _LARGEST) for value in total], dtype=np.int64)

    def _from_days(self, first: np.ndarray, steps: Sequence[np.ndarray], offsets: np.ndarray) -> np.ndarray:
        gaps, weekday, day_of_month = (cells.astype(np.int64) for cells in steps[:3])
        lengths, per_day = np.diff(offsets), self._per_day
        days = _days(first // per_day, np.maximum(gaps, self.least_days), weekday, day_of_month, offsets)
        days = np.minimum(days, min(_LARGEST // per_day - 1, _LAST_DAY))
        of_day = np.zeros_like(days)
        if self.tick < per_day:
            of_day = steps[3].astype(np.int64) * self._unit_of_day + self.tick // 2
            of_day = np.clip(of_day // self.tick * self.tick, 0, per_day - self.tick)
        start = np.repeat(first, lengths)
        values = np.maximum(days * per_day + of_day, start)
        values[offsets[:-1]] = first
        # days never decrease within an entity, so that this only puts the times of one day into order
        values = values[np.lexsort((values, np.repeat(np.arange(len(lengths)), lengths)))]
        return _apart(values, self.tick, _places(offsets)) if self.least > 0 else values

    # --- what is found in fit -----------------------------------------------------------------------------

    def _by_months(self, values: np.ndarray) -> Timeline | None:
        """The same timeline that counts months, if all steps are on one day of the month and time of the day."""
        of_day = values % self._per_day
        day = _calendar_of(values, self._per_day)["day"]
        monthly = replace(self, day_of_month=int(day.max()), of_day=int(of_day[0]))
        alike = (of_day == of_day[0]).all() and (monthly._uncounted(_months_of(values, self._per_day)) == values)
        return monthly if np.all(alike) else None

    def _on_grid(self, time: Column, offsets: np.ndarray) -> Timeline | None:
        """The same timeline with the step and phase of a regular grid, if the times are on one."""
        counted = self._counted(time.values)
        gaps = np.diff(counted)[_inside(offsets)]
        if not len(gaps) or gaps[0] <= 0:
            return None
        if not self.per_unit:
            return self._nearly_on_grid(time.values, offsets)
        if (gaps != gaps[0]).any():
            return None
        step = int(gaps[0])
        phases = np.unique(counted[offsets[:-1]] % step)
        return replace(self, step=step, phase=int(phases[0]) if len(phases) == 1 else None)

    def _nearly_on_grid(self, values: np.ndarray, offsets: np.ndarray) -> Timeline | None:
        """As `_on_grid`, for floats that are equally far apart but for the rounding of their last digits."""
        longest = int(np.argmax(np.diff(offsets)))
        begin, end = int(offsets[longest]), int(offsets[longest + 1]) - 1
        step = (float(values[end]) - float(values[begin])) / (end - begin)
        grid = self._from_gaps_of(step, values, offsets)
        rounding = 4 * float(np.finfo(values.dtype).eps) * float(np.abs(values).max())
        near = rounding < step / 1000 and bool((np.abs(values - grid) <= rounding).all())
        return replace(self, step=step) if near else None

    def _from_gaps_of(self, step: float, values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        first = values[offsets[:-1]].astype(np.float64)
        return np.repeat(first, np.diff(offsets)) + _places(offsets) * step

    def _told(self, time: Column, offsets: np.ndarray) -> Timeline:
        """The same timeline with the smallest gaps."""
        inside = _inside(offsets)
        gaps = np.diff(self._counted(time.values))[inside]
        if not len(gaps):
            return self
        days = np.diff(time.values // self._per_day)[inside].min().item() if self._by_days else 0
        return replace(self, least=gaps.min().item(), least_days=days)

    # --- what is counted ----------------------------------------------------------------------------------

    @property
    def _per_day(self) -> int:
        return _PER_DAY[str(self.template.unit)]

    @property
    def _by_days(self) -> bool:
        return self.template.storage is Storage.DATETIME

    @property
    def _unit_of_day(self) -> int:
        """In what the time of the day is told: seconds, or less if need be; in units of the column."""
        second = self._per_day // 86_400
        return next(second // part for part in (1, 10**3, 10**6, 10**9) if self.tick % (second // part) == 0)

    def _counted(self, values: np.ndarray) -> np.ndarray:
        """Times as whole numbers, the nearest if they are between two; floats that are on no grid as they are."""
        if self.day_of_month:
            months = _months_of(values, self._per_day) + np.arange(-1, 2)[:, None]
            nearest = np.abs(self._uncounted(months) - values).argmin(0)
            return months[nearest, np.arange(len(values))]
        if values.dtype.kind != "f":
            return values
        wide = values.astype(np.float64)
        return np.rint(wide * self.per_unit).astype(np.int64) if self.per_unit else wide

    def _uncounted(self, counted: np.ndarray) -> np.ndarray:
        """The times that `_counted` makes these numbers of."""
        if self.day_of_month:
            month = counted.astype("M8[M]")
            first, following = (part.astype("M8[D]").astype(np.int64) for part in (month, month + 1))
            days = np.minimum(first + self.day_of_month, following) - 1
            return days * self._per_day + self.of_day
        return counted / self.per_unit if self.template.storage is Storage.FLOAT and self.per_unit else counted

    def _of_calendar(self, name: str, values: np.ndarray) -> Column:
        return Column(f"{self.name}: {name}", Storage.INT, values, _none(values))
