"""The times of the steps of series as columns that can be learned, and back.

    regular grid         nothing to learn but the start; what the calendar says of each step is given
    numbers              the gap to the step before
    dates and times      days since the step before, weekday, day of the month, and the time of the day

Generic models fail on the calendar: salaries on the first, shops that are shut on Sundays. Days are therefore
told as people count them, and a drawn day is moved to a near one that its weekday and day of the month agree
with. Times with a time zone are counted in UTC.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from tabdiff.errors import InputError
from tabdiff.schema import Column, Storage

__all__ = ["Timeline"]

_PER_DAY = {
    "D": 1,
    "s": 86_400,
    "ms": 86_400_000,
    "us": 86_400_000_000,
    "ns": 86_400_000_000_000,
}
_CALENDAR = ("hour", "weekday", "day", "month")
_SHIFTS = np.array([0, -1, 1, -2, 2, -3, 3])
_LONG_GAP = 4


@dataclass(frozen=True)
class Timeline:
    """How the times of series are told.

    template: the column of times without cells. step: what lies between all steps, if they are on a regular
    grid, else None. phase: what all of them leave if divided by `step`, if it is the same. least: the
    smallest gap. tick: times of the day are multiples of it, in units of the column; 0 if there are none.
    calendar: what is given of the steps of a regular grid.
    """

    template: Column
    step: int | float | None = None
    phase: int | float | None = None
    least: int | float = 0
    tick: int = 0
    calendar: tuple[str, ...] = ()

    @classmethod
    def fit(cls, time: Column, offsets: np.ndarray) -> Timeline:
        """Look at the times of the steps, entity after entity and each in order; offsets: (n_entities + 1,).

        Raises `InputError` for columns that hold neither times nor numbers, for missing cells and for times
        that decrease within an entity.
        """
        if time.storage not in (Storage.DATETIME, Storage.INT, Storage.FLOAT, Storage.DURATION):
            raise InputError(
                f"the time column {time.name!r} holds {time.storage.value}s. Pass dates, times or numbers."
            )
        if time.missing.any():
            raise InputError(
                f"the time column {time.name!r} is missing in {int(time.missing.sum())} of {len(time)} rows. "
                "Drop these rows, or give them a time."
            )
        gaps = np.diff(time.values)[_inside(offsets)]
        if (gaps < 0).any():
            raise InputError(
                f"the times in {time.name!r} decrease {int((gaps < 0).sum())} times within an entity. Sort "
                "them."
            )
        template = time.without_cells()
        if len(gaps) and gaps[0] > 0 and (gaps == gaps[0]).all():
            step = gaps[0].item()
            phases = np.unique(time.values[offsets[:-1]] % step)
            regular = cls(template, step, phases[0].item() if len(phases) == 1 else None)
            if time.storage is not Storage.DATETIME:
                return regular
            told = _calendar_of(time.values, regular._per_day)
            return cls(
                template,
                step,
                regular.phase,
                calendar=tuple(name for name in _CALENDAR if len(np.unique(told[name])) > 1),
            )
        least = gaps.min().item() if len(gaps) else 0
        tick = 0
        if time.storage is Storage.DATETIME:
            of_day = time.values % _PER_DAY[str(time.unit)]
            tick = int(np.gcd.reduce(of_day)) if of_day.any() else 0
        return cls(template, least=least, tick=tick)

    @property
    def name(self) -> Hashable:
        """The name of the column of times."""
        return self.template.name

    @property
    def _per_day(self) -> int:
        return _PER_DAY[str(self.template.unit)]

    @property
    def _by_days(self) -> bool:
        return self.template.storage is Storage.DATETIME

    @property
    def step_names(self) -> tuple[str, ...]:
        """The names of the columns that `steps` returns."""
        if self.step is not None:
            return ()
        if not self._by_days:
            return (f"{self.name}: gap",)
        names = ["days", "weekday", "day of month", *(["time of day"] if self.tick else [])]
        return tuple(f"{self.name}: {name}" for name in names)

    @property
    def kinds(self) -> dict[Hashable, str]:
        """How the columns of `steps` are learned, where that is not to be inferred."""
        return {name: "categorical" for name in self.step_names if name.endswith(("weekday", "day of month"))}

    # --- there --------------------------------------------------------------------------------------------

    def starts(self, time: Column, offsets: np.ndarray) -> list[Column]:
        """When each series starts: one column with a cell for each entity."""
        values = time.values[offsets[:-1]]
        column = self.template.with_cells(values, np.zeros(len(values), dtype=bool))
        return [_named(column, f"{self.name}: start")]

    def steps(self, time: Column, offsets: np.ndarray) -> list[Column]:
        """What is to be learned of the time of each step: columns named `step_names`."""
        if self.step is not None:
            return []
        begins = offsets[:-1]
        if not self._by_days:
            gaps = np.diff(time.values, prepend=time.values[:1])
            gaps[begins] = 0
            return [Column(self.step_names[0], time.storage, gaps, _none(gaps), unit=time.unit)]
        days = time.values // self._per_day
        gaps = np.diff(days, prepend=days[:1])
        gaps[begins] = 0
        told = _calendar_of(time.values, self._per_day)
        values = [gaps, told["weekday"], told["day"]]
        if self.tick:
            values.append(time.values % self._per_day // self.tick)
        return [
            Column(name, Storage.INT, cells, _none(cells))
            for name, cells in zip(self.step_names, values, strict=True)
        ]

    def given(self, starts: Sequence[Column], offsets: np.ndarray) -> list[Column]:
        """What is known of the time of each step beforehand, from the starts alone.

        On a regular grid what the calendar says of the step, else what it says of the start.
        """
        if not self._by_days:
            return []
        first, lengths = self._first(starts), np.diff(offsets)
        if self.step is not None:
            told = _calendar_of(self._grid(first, offsets), self._per_day)
            return [self._of_calendar(name, told[name]) for name in self.calendar]
        told = _calendar_of(first, self._per_day)
        return [
            self._of_calendar(f"{name} of start", np.repeat(told[name], lengths))
            for name in ("weekday", "day")
        ]

    # --- and back -----------------------------------------------------------------------------------------

    def restore(self, starts: Sequence[Column], steps: Sequence[Column], offsets: np.ndarray) -> Column:
        """The time of each step; within an entity it never decreases.

        On a regular grid exactly the grid; otherwise no gap is below the smallest of fit.
        """
        first = self._first(starts)
        if self.step is not None:
            values = self._grid(first, offsets)
        elif self._by_days:
            values = self._from_days(first, [column.values for column in steps], offsets)
        else:
            gaps = np.maximum(steps[0].values, self.least)
            gaps[offsets[:-1]] = first
            total = np.cumsum(gaps)
            before = total[offsets[:-1]] - first
            values = total - np.repeat(before, np.diff(offsets))
        values = values.astype(self.template.values.dtype)
        return self.template.with_cells(values, _none(values))

    def _first(self, starts: Sequence[Column]) -> np.ndarray:
        """The values of the starts, on the grid that times were on."""
        values = starts[0].values
        if self.phase is not None and self.step is not None:
            return np.round((values - self.phase) / self.step).astype(values.dtype) * self.step + self.phase
        if self.step is None and self._by_days:
            grid = self.tick or self._per_day
            return values // grid * grid
        return values

    def _grid(self, first: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        assert self.step is not None
        place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))
        return np.repeat(first, np.diff(offsets)) + place * self.step

    def _from_days(self, first: np.ndarray, steps: Sequence[np.ndarray], offsets: np.ndarray) -> np.ndarray:
        gaps, weekday, day_of_month = (cells.astype(np.int64) for cells in steps[:3])
        lengths = np.diff(offsets)
        days = np.empty(offsets[-1], dtype=np.int64)
        days[offsets[:-1]] = first // self._per_day
        for rows in _columns(offsets):
            days[rows] = _nearest_day(days[rows - 1], gaps[rows], weekday[rows], day_of_month[rows])
        if not self.tick:
            return days * self._per_day
        of_day = np.clip(steps[3].astype(np.int64) * self.tick, 0, self._per_day - self.tick)
        start = np.repeat(first % self._per_day, lengths)
        of_day = np.where(
            days == np.repeat(first // self._per_day, lengths), np.maximum(of_day, start), of_day
        )
        of_day[offsets[:-1]] = first % self._per_day
        # days never decrease within an entity, so that this only puts the times of one day into order
        values = days * self._per_day + of_day
        values = values[np.lexsort((values, np.repeat(np.arange(len(lengths)), lengths)))]
        if self.least > 0:
            for rows in _columns(offsets):
                values[rows] = np.maximum(values[rows], values[rows - 1] + self.tick)
        return values

    def _of_calendar(self, name: str, values: np.ndarray) -> Column:
        return Column(f"{self.name}: {name}", Storage.INT, values, _none(values))


def _nearest_day(before: np.ndarray, gap: np.ndarray, weekday: np.ndarray, day: np.ndarray) -> np.ndarray:
    """The day `gap` days later, or a near one that agrees better with the weekday and the day of the month.

    All (n,). After four days and more it may be up to three days off, otherwise one; it is never the day
    before itself unless the gap is 0. After a long gap the day of the month counts more than the weekday.
    """
    gap = np.maximum(gap, 0)
    found = (before + gap)[:, None] + _SHIFTS
    told = _calendar_of(found, 1)
    right_weekday, right_day = told["weekday"] == weekday[:, None], told["day"] == day[:, None]
    long = (gap >= _LONG_GAP)[:, None]
    first, second = np.where(long, right_day, right_weekday), np.where(long, right_weekday, right_day)
    penalty = np.select([right_weekday & right_day, first, second], [0, 1, 2], 3) * len(_SHIFTS)
    penalty = penalty + np.arange(len(_SHIFTS))
    reach = np.where(gap == 0, 0, np.where(gap >= _LONG_GAP, 3, 1))[:, None]
    allowed = (np.abs(_SHIFTS) <= reach) & (found > before[:, None])
    allowed[:, 0] = True
    best = np.where(allowed, penalty, 4 * len(_SHIFTS)).argmin(1)
    return found[np.arange(len(found)), best]


def _calendar_of(values: np.ndarray, per_day: int) -> dict[str, np.ndarray]:
    """Hour, weekday (0 is Monday), day of the month and month of times that count from 1970: int64 arrays."""
    days = values // per_day
    dates = days.astype("M8[D]")
    months = dates.astype("M8[M]")
    return {
        "hour": values % per_day * 24 // per_day,
        "weekday": (days + 3) % 7,
        "day": (dates - months.astype("M8[D]")).astype(np.int64) + 1,
        "month": months.astype(np.int64) % 12 + 1,
    }


def _columns(offsets: np.ndarray):
    """The rows of the second steps of all entities that have one, then those of the third, and so on."""
    lengths, begins = np.diff(offsets), offsets[:-1]
    for place in range(1, int(lengths.max(initial=0))):
        yield begins[lengths > place] + place


def _inside(offsets: np.ndarray) -> np.ndarray:
    """Which differences between one row and the next are within an entity: (n_steps - 1,) bool."""
    inside = np.ones(max(int(offsets[-1]) - 1, 0), dtype=bool)
    inside[offsets[1:-1] - 1] = False
    return inside


def _none(values: np.ndarray) -> np.ndarray:
    return np.zeros(len(values), dtype=bool)


def _named(column: Column, name: Hashable) -> Column:
    return Column(
        name, column.storage, column.values, column.missing, column.levels, column.ordered, column.unit
    )
