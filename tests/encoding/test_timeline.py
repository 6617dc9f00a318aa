"""Times of steps come back from the columns that are learned, and whatever is drawn keeps their order."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from columns_of import column, rng
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabdiff import frames
from tabdiff.encoding.timeline import Timeline
from tabdiff.errors import InputError
from tabdiff.schema import Storage

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
HOUR, DAY = 3600, 86_400
PER_DAY = {"D": 1, "s": DAY, "ms": DAY * 10**3, "us": DAY * 10**6, "ns": DAY * 10**9}


def panel(*entities):
    """The times of some entities one after another, and their offsets."""
    return np.concatenate(entities), np.cumsum([0, *map(len, entities)])


def dates(*texts, unit="D"):
    """Times of ISO texts as whole numbers of a unit."""
    return np.array(texts, dtype=f"M8[{unit}]").astype(np.int64)


def times(values, unit="D"):
    """A column of dates or times."""
    return column(values, name="at", storage=Storage.DATETIME, unit=unit)


def there_and_back(time, offsets):
    """The fitted timeline, and the times that it restores of its own columns."""
    fitted = Timeline.fit(time, offsets)
    starts, steps = fitted.starts(time, offsets), fitted.steps(time, offsets)
    assert tuple(step.name for step in steps) == fitted.step_names
    return fitted, fitted.restore(starts, steps, offsets)


def comes_back(time, offsets):
    """The fitted timeline, once it is sure that it restores every cell and all that the column is."""
    fitted, restored = there_and_back(time, offsets)
    np.testing.assert_array_equal(restored.values, time.values)
    assert restored.values.dtype == time.values.dtype
    assert not restored.missing.any()
    assert (restored.name, restored.storage, restored.unit) == (time.name, time.storage, time.unit)
    return fitted


def texts_of(time):
    """Dates as ISO texts."""
    return np.datetime_as_string(time.values.astype(time.numpy_time)).tolist()


def restored_dates(fitted, start, steps):
    """Dates of one entity from drawn days, weekdays and days of the month: (n, 3); their sum is trusted."""
    offsets = np.array([0, len(steps)])
    begun = fitted.starts(times(dates(start)), np.array([0, 1]))
    cells = np.array(steps).T
    cells = [*cells, np.cumsum(cells[0])]
    drawn = [column(values, name=name) for name, values in zip(fitted.step_names, cells, strict=True)]
    fitted = replace(fitted, span=10**6)
    return texts_of(fitted.restore(begun, drawn, offsets))


def irregular_dates():
    """A timeline of dates on which two steps may share a day, with a short and a long gap."""
    values, offsets = panel(dates("2024-01-01", "2024-01-01", "2024-01-03", "2024-02-15"))
    return Timeline.fit(times(values), offsets)


def steps_are_in_order(time, offsets, least=0):
    inside = np.ones(len(time) - 1, dtype=bool)
    inside[offsets[1:-1] - 1] = False
    return (np.diff(time.values)[inside] >= least).all()


# --- regular grids ------------------------------------------------------------------------------------------


def test_regular_grid_has_no_columns_to_learn_and_comes_back():
    values, offsets = panel(np.arange(5, 30, 5), np.array([100, 105]), np.array([40]))
    fitted = comes_back(column(values, name="t"), offsets)
    assert (fitted.step, fitted.phase) == (5, 0)
    assert fitted.step_names == ()
    assert fitted.given(fitted.starts(column(values), offsets), offsets) == []


def test_drawn_starts_are_moved_to_the_phase_that_all_had():
    values, offsets = panel(np.array([3, 13, 23]), np.array([53, 63]))
    fitted = Timeline.fit(column(values), offsets)
    assert fitted.phase == 3
    restored = fitted.restore([column([7, 9, -6])], [], np.array([0, 2, 3, 5]))
    np.testing.assert_array_equal(restored.values, [3, 13, 13, -7, 3])


def test_drawn_starts_stay_where_they_are_if_phases_differed():
    values, offsets = panel(np.array([3, 13, 23]), np.array([54, 64]))
    fitted = Timeline.fit(column(values), offsets)
    assert fitted.phase is None
    restored = fitted.restore([column([7])], [], np.array([0, 3]))
    np.testing.assert_array_equal(restored.values, [7, 17, 27])


def test_one_step_for_each_entity_is_no_grid():
    values, offsets = panel(np.array([3]), np.array([3]), np.array([9]))
    fitted = comes_back(column(values), offsets)
    assert fitted.step is None
    np.testing.assert_array_equal(fitted.steps(column(values), offsets)[0].values, [0, 0, 0])


def test_steps_at_one_time_are_no_grid():
    values, offsets = panel(np.array([4, 4, 4]))
    assert comes_back(column(values), offsets).step is None


def test_hours_say_hour_weekday_and_day_but_not_the_only_month():
    start = dates("2024-02-28T22", unit="s")[0]  # a Wednesday of a leap year
    values, offsets = panel(start + HOUR * np.arange(28))
    fitted = comes_back(times(values, "s"), offsets)
    told = fitted.given(fitted.starts(times(values, "s"), offsets), offsets)
    assert [cells.name for cells in told] == ["at: hour", "at: weekday", "at: day", "at: month"]
    hour, weekday, day, month = (cells.values for cells in told)
    np.testing.assert_array_equal(hour, [22, 23, *range(24), 0, 1])
    np.testing.assert_array_equal(weekday, [2, 2, *[3] * 24, 4, 4])
    np.testing.assert_array_equal(day, [28, 28, *[29] * 24, 1, 1])
    np.testing.assert_array_equal(month, [*[2] * 26, 3, 3])


def test_what_never_varies_on_a_grid_is_not_told():
    values, offsets = panel(dates("2024-05-06", "2024-05-13", "2024-05-20"))  # Mondays
    fitted = comes_back(times(values), offsets)
    told = fitted.given(fitted.starts(times(values), offsets), offsets)
    assert [cells.name for cells in told] == ["at: day"]
    np.testing.assert_array_equal(told[0].values, [6, 13, 20])


@pytest.mark.parametrize("unit", PER_DAY)
def test_starts_of_weeks_are_moved_to_the_nearest_monday(unit):
    values, offsets = panel(dates("2024-05-06", "2024-05-13", "2024-05-20", unit=unit))
    fitted = Timeline.fit(times(values, unit), offsets)
    drawn = times(dates("2024-06-06", "2024-06-07", unit=unit), unit)  # a Thursday and a Friday
    restored = fitted.restore([drawn], [], np.array([0, 1, 3]))
    np.testing.assert_array_equal(restored.values, dates("2024-06-03", "2024-06-10", "2024-06-17", unit=unit))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [4, 1001])
def test_decimal_grid_comes_back_to_the_last_bit(dtype, n):
    values, offsets = panel((np.arange(n) / 10).astype(dtype), (np.arange(7, 20) / 10).astype(dtype))
    fitted = comes_back(column(values), offsets)
    assert fitted.step == 1
    assert fitted.per_unit == 10
    assert (fitted.phase, fitted.step_names) == (0, ())


def test_floats_apart_but_for_rounding_are_a_grid():
    values, offsets = panel(np.linspace(0, 1, 8), 5 + np.arange(6) / 7)
    fitted, restored = there_and_back(column(values), offsets)
    assert fitted.step == pytest.approx(1 / 7)
    np.testing.assert_allclose(restored.values, values, rtol=1e-14, atol=1e-15)


def test_coarse_floats_are_not_taken_for_a_grid():
    values = np.array([1.7e9, 1.7e9 + 128, 1.7e9 + 512, 1.7e9 + 640], dtype=np.float32)
    assert comes_back(column(values), np.array([0, 4])).step is None


# --- months -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", PER_DAY)
def test_first_days_of_months_are_a_grid(unit):
    first = np.arange("2023-11", "2024-05", dtype="M8[M]").astype(f"M8[{unit}]").astype(np.int64)
    fitted = comes_back(times(first, unit), np.array([0, 4, 6]))
    assert (fitted.step, fitted.day_of_month, fitted.calendar) == (1, 1, ("weekday", "month"))


def test_last_days_of_months_are_a_grid_over_leap_days():
    values = dates("2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30")
    fitted = comes_back(times(values), np.array([0, 5]))
    assert (fitted.step, fitted.day_of_month) == (1, 31)
    drawn = times(dates("2023-01-24"))  # nearer to its own end than to the one before
    assert texts_of(fitted.restore([drawn], [], np.array([0, 3]))) == [
        "2023-01-31",
        "2023-02-28",
        "2023-03-31",
    ]
    drawn = times(dates("2023-03-10"))
    assert texts_of(fitted.restore([drawn], [], np.array([0, 2]))) == ["2023-02-28", "2023-03-31"]


def test_thirtieth_is_the_last_day_of_february():
    fitted = comes_back(
        times(dates("2022-12-30", "2023-01-30", "2023-02-28", "2023-03-30")), np.array([0, 4])
    )
    assert (fitted.step, fitted.day_of_month) == (1, 30)


def test_quarters_start_in_the_months_of_fit_and_at_their_time():
    values = dates("2023-01-05T09:30", "2023-04-05T09:30", "2023-07-05T09:30", unit="s")
    fitted = comes_back(times(values, "s"), np.array([0, 3]))
    assert fitted.step == 3
    drawn = times(dates("2024-02-04T23:00", unit="s"), "s")
    restored = fitted.restore([drawn], [], np.array([0, 2]))
    assert texts_of(restored) == ["2024-01-05T09:30:00", "2024-04-05T09:30:00"]


def test_years_are_a_grid_of_twelve_months():
    values = dates("2023-03-01", "2024-03-01", "2025-03-01")
    assert comes_back(times(values), np.array([0, 3])).step == 12


# --- numbers ------------------------------------------------------------------------------------------------


def test_numbers_are_told_by_their_gaps():
    values, offsets = panel(np.array([10, 12, 17]), np.array([-4]), np.array([3, 6]))
    fitted = comes_back(column(values, name="t"), offsets)
    (gap,) = fitted.steps(column(values, name="t"), offsets)
    assert gap.name == "t: gap"
    assert gap.storage is Storage.INT
    np.testing.assert_array_equal(gap.values, [0, 2, 5, 0, 0, 3])
    (start,) = fitted.starts(column(values, name="t"), offsets)
    assert start.name == "t: start"
    np.testing.assert_array_equal(start.values, [10, -4, 3])


def test_gaps_are_no_smaller_than_the_smallest_of_fit():
    values, offsets = panel(np.array([10, 12, 17]))
    fitted = Timeline.fit(column(values), offsets)
    restored = fitted.restore([column([50])], [column([9, 1, -30, 4])], np.array([0, 4]))
    np.testing.assert_array_equal(restored.values, [50, 52, 54, 58])


def test_gaps_may_be_zero_if_steps_shared_a_time():
    values, offsets = panel(np.array([10, 10, 17]))
    fitted = Timeline.fit(column(values), offsets)
    restored = fitted.restore([column([50])], [column([9, 0, -30, 4])], np.array([0, 4]))
    np.testing.assert_array_equal(restored.values, [50, 50, 50, 54])


def test_floats_lose_nothing_to_entities_of_another_size():
    values, offsets = panel(np.array([1e9, 1e9 + 0.25, 3e15]), np.array([0.1, 0.2, 1 / 3]))
    fitted, restored = there_and_back(column(values), offsets)
    assert fitted.per_unit == 0
    np.testing.assert_array_equal(restored.values[:3], values[:3])
    np.testing.assert_allclose(restored.values[3:], values[3:], rtol=1e-15)


def test_decimal_gaps_come_back_and_are_decimals():
    values, offsets = panel(np.array([0.1, 0.3, 0.37, 1.2]), np.array([100.01, 100.05]))
    fitted = comes_back(column(values), offsets)
    np.testing.assert_array_equal(
        fitted.steps(column(values), offsets)[0].values, [0, 0.2, 0.07, 0.83, 0, 0.04]
    )
    restored = fitted.restore([column([0.111])], [column([0.0, 0.2371, 0.001])], np.array([0, 3]))
    np.testing.assert_array_equal(restored.values, [0.11, 0.35, 0.39])


def test_sums_beyond_what_integers_hold_stay_at_the_largest():
    values, offsets = panel(np.array([0, 2**61, 2**62]), np.array([0, 5]))
    fitted = Timeline.fit(column(values), offsets)
    restored = fitted.restore([column([0])], [column([0, *[2**61] * 6])], np.array([0, 7]))
    assert restored.values[-1] == np.iinfo(np.int64).max
    assert steps_are_in_order(restored, np.array([0, 7]))


# --- dates and times ----------------------------------------------------------------------------------------


def test_dates_are_told_as_people_count_them():
    values, offsets = panel(
        dates("2024-02-28", "2024-02-29", "2024-03-03"), dates("2023-12-31", "2024-01-01")
    )
    fitted = comes_back(times(values), offsets)
    days, weekday, day, since = fitted.steps(times(values), offsets)
    assert fitted.step_names == ("at: days", "at: weekday", "at: day of month", "at: days since start")
    np.testing.assert_array_equal(since.values, [0, 1, 4, 0, 1])
    assert fitted.span == 4
    assert fitted.kinds == {"at: weekday": "categorical", "at: day of month": "categorical"}
    np.testing.assert_array_equal(days.values, [0, 1, 3, 0, 1])
    np.testing.assert_array_equal(weekday.values, [2, 3, 6, 6, 0])
    np.testing.assert_array_equal(day.values, [28, 29, 3, 31, 1])


def test_start_of_irregular_times_says_its_weekday_and_day():
    values, offsets = panel(dates("2024-02-28", "2024-02-29", "2024-03-03"), dates("2023-12-31"))
    fitted = Timeline.fit(times(values), offsets)
    weekday, day = fitted.given(fitted.starts(times(values), offsets), offsets)
    np.testing.assert_array_equal(weekday.values, [2, 2, 2, 6])
    np.testing.assert_array_equal(day.values, [28, 28, 28, 31])


@pytest.mark.parametrize(
    ("times_of_day", "unit", "told", "tick"),
    [
        (["09:00", "18:00"], "s", [9 * HOUR, 18 * HOUR], 3 * HOUR),
        (["08:00", "09:00"], "ns", [8 * HOUR, 9 * HOUR], HOUR * 10**9),
        (["08:01", "09:00"], "us", [8 * HOUR + 60, 9 * HOUR], 60 * 10**6),
        (["08:00:01", "09:00"], "ms", [8 * HOUR + 1, 9 * HOUR], 1000),
        (["08:00:00.250", "09:00"], "ms", [8 * HOUR * 1000 + 250, 9 * HOUR * 1000], 250),
        (["08:00:00.000001", "09:00"], "ns", [8 * HOUR * 10**6 + 1, 9 * HOUR * 10**6], 1000),
        (["08:00:00.000000001", "09:00"], "ns", [8 * HOUR * 10**9 + 1, 9 * HOUR * 10**9], 1),
    ],
)
def test_time_of_day_is_in_seconds_or_as_fine_as_need_be(times_of_day, unit, told, tick):
    days = ["2024-01-01", "2024-01-03"]
    values = dates(*(f"{day}T{clock}" for day, clock in zip(days, times_of_day, strict=True)), unit=unit)
    values = np.append(values, values[-1])
    fitted = comes_back(times(values, unit), np.array([0, 3]))
    assert fitted.step_names[-2] == "at: time of day"
    np.testing.assert_array_equal(
        fitted.steps(times(values, unit), np.array([0, 3]))[-2].values, [*told, told[1]]
    )
    assert fitted.tick == tick


def test_restored_times_are_whole_minutes_if_all_were():
    values = dates("2024-01-01T08:01", "2024-01-03T09:00", "2024-01-03T09:00", unit="s")
    fitted = Timeline.fit(times(values, "s"), np.array([0, 3]))
    start = times(dates("2024-01-01T10:00:59", unit="s"), "s")
    steps = [
        column([0, 1, 1, 1]),
        column([0, 1, 2, 3]),
        column([1, 2, 3, 4]),
        column([0, 36_089, 36_091, 10**6]),
        column([0, 1, 2, 3]),
    ]
    restored = fitted.restore([start], steps, np.array([0, 4]))
    assert texts_of(restored) == [
        "2024-01-01T10:00:00",
        "2024-01-02T10:01:00",
        "2024-01-03T10:02:00",
        "2024-01-04T23:59:00",
    ]


def test_times_of_one_day_are_put_into_order_behind_the_start():
    values = dates("2024-01-01T08:01", "2024-01-01T08:01", "2024-01-03T09:00", unit="s")
    fitted = Timeline.fit(times(values, "s"), np.array([0, 3]))
    start = times(dates("2024-01-01T10:00", unit="s"), "s")
    clock = column(np.array([20, 12, 11, 4, 3]) * HOUR)
    steps = [column([0, 0, 0, 1, 0]), column([0, 0, 0, 1, 1]), column([1, 1, 1, 2, 2]), clock]
    steps.append(column([0, 0, 0, 1, 1]))
    restored = fitted.restore([start], steps, np.array([0, 5]))
    hours = [text[8:13] for text in texts_of(restored)]
    assert hours == ["01T10", "01T11", "01T12", "02T03", "02T04"]


def test_times_that_never_fell_together_are_kept_apart():
    values = dates("2024-01-01T08:01", "2024-01-01T08:02", "2024-01-03T09:00", unit="s")
    fitted = Timeline.fit(times(values, "s"), np.array([0, 3]))
    start = times(dates("2024-01-01T10:00", unit="s"), "s")
    steps = [column([0] * 4), column([0] * 4), column([1] * 4), column([0, 5, 5, 36_180])]
    steps.append(column([0] * 4))
    restored = fitted.restore([start], steps, np.array([0, 4]))
    assert [text[11:] for text in texts_of(restored)] == ["10:00:00", "10:01:00", "10:02:00", "10:03:00"]


def test_dates_that_never_fell_together_are_kept_apart():
    fitted = Timeline.fit(times(dates("2024-01-01", "2024-01-03", "2024-01-04")), np.array([0, 3]))
    assert fitted.least_days == 1
    steps = [(0, 0, 1), (0, 0, 1), (-3, 0, 1)]
    assert restored_dates(fitted, "2024-01-01", steps) == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_days_that_never_fell_together_are_kept_apart_at_all_times():
    values = dates("2024-01-01T08:00", "2024-01-02T09:00", "2024-01-04T10:00", unit="s")
    fitted = Timeline.fit(times(values, "s"), np.array([0, 3]))
    steps = [column([0, 0, -1]), column([0, 1, 2]), column([1, 2, 3]), column(np.array([8, 9, 10]) * HOUR)]
    steps.append(column([0, 1, 2]))
    restored = fitted.restore(fitted.starts(times(values, "s"), np.array([0, 3])), steps, np.array([0, 3]))
    assert [text[8:13] for text in texts_of(restored)] == ["01T08", "02T09", "03T10"]


# --- drawn days are moved to where the calendar agrees ------------------------------------------------------


MOVES = {
    # from Monday the 1st of January 2024: days, weekday (0 is Monday), day of the month, and the day found
    "agrees": (3, 3, 4, "2024-01-04"),
    "one early": (2, 3, 4, "2024-01-04"),
    "one late": (3, 2, 3, "2024-01-03"),
    "short gaps reach no further": (2, 4, 5, "2024-01-03"),
    "short gaps follow the weekday": (2, 3, 2, "2024-01-04"),
    "short gaps do not follow the day alone": (2, 0, 2, "2024-01-03"),
    "never to the day before": (1, 0, 1, "2024-01-02"),
    "same day stays": (0, 4, 5, "2024-01-01"),
    "long gaps reach three days": (28, 3, 1, "2024-02-01"),
    "long gaps reach three days back": (34, 3, 1, "2024-02-01"),
    "long gaps follow the day of the month": (30, 0, 1, "2024-02-01"),
    "else the weekday": (30, 0, 15, "2024-01-29"),
    "leap day": (61, 3, 29, "2024-02-29"),
    "month end": (28, 2, 31, "2024-01-31"),
}


@pytest.mark.parametrize(("gap", "weekday", "day", "found"), MOVES.values(), ids=MOVES.keys())
def test_drawn_day_moves_to_the_nearest_that_agrees(gap, weekday, day, found):
    steps = [(0, 0, 1), (gap, weekday, day)]
    assert restored_dates(irregular_dates(), "2024-01-01", steps) == ["2024-01-01", found]


def test_each_day_counts_from_the_one_that_was_moved():
    steps = [(0, 0, 1), (29, 3, 1), (29, 4, 1), (30, 0, 1)]
    found = restored_dates(irregular_dates(), "2024-01-01", steps)
    assert found == ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]


def by_all_days(before, gap, weekday, day):
    """The day that the rule finds, by looking at all of them as dates."""
    reach = 0 if gap == 0 else 3 if gap >= 4 else 1
    planned = before + gap
    days = [planned + shift for shift in range(-reach, reach + 1)]
    days = sorted((one for one in days if gap == 0 or one > before), key=lambda one: abs(one - planned))
    stamps = {one: pd.Timestamp(one, unit="D") for one in days}
    right_weekday = [one for one in days if stamps[one].weekday() == weekday]
    right_day = [one for one in days if stamps[one].day == day]
    both = [one for one in right_day if one in right_weekday]
    return [*both, *(right_day if gap >= 4 else []), *right_weekday, planned][0]


@FEW
@given(
    st.integers(-200_000, 200_000),
    st.lists(
        st.tuples(st.integers(0, 6) | st.integers(0, 900), st.integers(0, 6), st.integers(1, 31)), min_size=1
    ),
)
def test_days_are_those_that_looking_at_all_of_them_finds(start, drawn):
    expected = [start]
    for gap, weekday, day in drawn:
        expected.append(by_all_days(expected[-1], gap, weekday, day))
    fitted = replace(irregular_dates(), span=10**9)
    steps = [column(cells) for cells in np.array([(0, 0, 1), *drawn]).T]
    steps.append(column([0] * (len(drawn) + 1)))
    restored = fitted.restore([times([start])], steps, np.array([0, len(drawn) + 1]))
    np.testing.assert_array_equal(restored.values, expected)


# --- whatever the times are ---------------------------------------------------------------------------------


@st.composite
def panels(draw, largest=40):
    """Gaps of some entities (zeros among them, or none), and the offsets."""
    lengths = draw(st.lists(st.integers(1, 8), min_size=1, max_size=5))
    least = draw(st.sampled_from([0, 1, 3]))
    gaps = draw(st.lists(st.integers(least, largest), min_size=sum(lengths), max_size=sum(lengths)))
    entities = np.split(np.array(gaps), np.cumsum(lengths)[:-1])
    return panel(*(np.cumsum(entity) + draw(st.integers(-50, 50)) for entity in entities))


@FEW
@given(panels())
def test_whole_numbers_come_back(drawn):
    comes_back(column(drawn[0]), drawn[1])


@FEW
@given(panels(), st.sampled_from([1, 10, 100, 8, 60]), st.sampled_from([np.float64, np.float32]))
def test_floats_come_back(drawn, part, dtype):
    values, offsets = (drawn[0] / part).astype(dtype), drawn[1]
    fitted, restored = there_and_back(column(values), offsets)
    assert restored.values.dtype == dtype
    if fitted.per_unit:
        np.testing.assert_array_equal(restored.values, values)
    else:
        np.testing.assert_allclose(restored.values, values, rtol=1e-6, atol=1e-13)
    assert part == 60 or dtype == np.float32 or fitted.per_unit


@FEW
@given(panels(), st.sampled_from(list(PER_DAY)))
def test_dates_come_back(drawn, unit):
    comes_back(times(drawn[0] * PER_DAY[unit], unit), drawn[1])


@FEW
@given(panels(10**5), st.sampled_from(["s", "ms", "us", "ns"]), st.sampled_from([1, 7, 60, 3600]))
def test_times_come_back(drawn, unit, seconds):
    tick = max(PER_DAY[unit] // DAY, 1) * seconds
    comes_back(times(drawn[0] * tick, unit), drawn[1])


@FEW
@given(panels(10**5), st.sampled_from(["s", "ms", "us", "ns"]))
def test_times_of_the_finest_unit_come_back(drawn, unit):
    comes_back(times(drawn[0], unit), drawn[1])


@FEW
@given(panels(10**5), st.sampled_from(["number", "D", "s", "ns"]), st.integers(0, 1000))
def test_nothing_ever_decreases_whatever_is_drawn(drawn, what, seed):
    values, offsets = drawn
    time = column(values) if what == "number" else times(values * max(PER_DAY[what] // DAY, 1), what)
    fitted, draw, n = Timeline.fit(time, offsets), rng(seed), 60
    new = np.array([0, 1, 20, n])
    low, high = int(time.values.min()), int(time.values.max())
    start = time.with_cells(draw.integers(low, high + 1, 3), np.zeros(3, dtype=bool))
    steps = []
    for cells in fitted.steps(time, offsets):
        lowest, highest = int(cells.values.min()) - 2, int(cells.values.max()) + 3
        steps.append(cells.with_cells(draw.integers(lowest, highest, n), np.zeros(n, dtype=bool)))
    restored = fitted.restore([start], steps, new)
    assert steps_are_in_order(restored, new, least=min(fitted.least, 1))
    if what != "number" and fitted.step is None:
        assert (restored.values % fitted.tick == 0).all()


def test_times_beyond_what_their_unit_holds_stay_in_order():
    values = dates("2200-01-01", "2200-01-03", "2250-01-01", unit="ns")
    fitted = Timeline.fit(times(values, "ns"), np.array([0, 3]))
    steps = [column([0, *[18_000] * 5]), column([0] * 6), column([1] * 6), column(np.arange(6) * 18_000)]
    restored = fitted.restore([times(values[:1], "ns")], steps, np.array([0, 6]))
    assert [text[:10] for text in texts_of(restored)[2:]] == [f"2262-04-{day:02d}" for day in range(8, 12)]


def test_times_after_the_last_moment_of_nanoseconds_become_that_moment():
    values = dates("2262-04-01T08:00:01", "2262-04-01T08:00:01", "2262-04-03T09:00", unit="ns")
    fitted = Timeline.fit(times(values, "ns"), np.array([0, 3]))
    steps = [column([0, 10]), column([1, 4]), column([1, 11]), column([0, DAY - 1]), column([0, 10])]
    restored = fitted.restore([times(values[:1], "ns")], steps, np.array([0, 2]))
    assert texts_of(restored)[1] == "2262-04-11T23:47:16.000000000"


def test_last_moment_of_nanoseconds_comes_back():
    values = np.array([0, 5, np.iinfo(np.int64).max])
    comes_back(times(values, "ns"), np.array([0, 3]))
    values = values // (HOUR * 10**9) * (HOUR * 10**9)
    comes_back(times(values, "ns"), np.array([0, 3]))


# --- frames -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamps", "regular"),
    [
        (pd.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Vienna"), True),
        (pd.date_range("2024-03-29", periods=6, freq="D", tz="Europe/Vienna"), False),
        (pd.date_range("2024-10-25 08:00", periods=6, freq="D", tz="Europe/Vienna", unit="s"), False),
        (pd.date_range("2024-01-31", periods=6, freq="ME"), True),
        (pd.date_range("2024-01-31", periods=6, freq="B"), False),
    ],
    ids=[
        "hours over a change of clocks",
        "midnights over it",
        "mornings over it",
        "month ends",
        "business days",
    ],
)
def test_series_of_a_frame_come_back_in_its_time_zone(stamps, regular):
    frame = pd.DataFrame({"at": stamps})
    (time,), template = frames.read(frame)
    fitted, restored = there_and_back(time, np.array([0, len(frame)]))
    assert (fitted.step is not None) == regular
    pd.testing.assert_frame_equal(template.rebuild([restored]), frame)


DAYS = pd.DataFrame({"at": pd.to_datetime(["2024-01-31", "2024-02-29", "2023-01-01", "2023-01-03"])})
FRAMES = {
    "pandas": DAYS,
    "pyarrow": pa.Table.from_pandas(DAYS),
    "polars": pl.from_pandas(DAYS),
    "polars dates": pl.from_pandas(DAYS).cast(pl.Date),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_every_frame_holds_the_same_timeline(frame):
    (time,), template = frames.read(frame)
    fitted, restored = there_and_back(time, np.array([0, 2, 4]))
    days, weekday, day, _ = (cells.values.tolist() for cells in fitted.steps(time, np.array([0, 2, 4])))
    assert (days, weekday, day) == ([0, 29, 0, 2], [2, 3, 6, 1], [31, 29, 1, 3])
    back = template.rebuild([restored])
    assert type(back) is type(frame)
    assert back.equals(frame)


# --- errors, and a large panel -------------------------------------------------------------------------


OFFSETS = np.array([0, 3])
REFUSED = {
    "labels": (
        column([0, 1, 1], name="when", storage=Storage.LABEL, levels=("a", "b")),
        "'when' holds label",
    ),
    "missing": (column([0, 1, 2], missing=[1, 2], name="when"), "'when' is missing in 2 of 3 rows"),
    "infinite": (column([0.0, 1.0, np.inf], name="when"), "'when' holds 1 infinite"),
    "decreasing": (column([5, 7, 6], name="when"), "'when' decrease 1 times .* from 7 to 6"),
    "decreasing dates": (times([5, 5, 4]), "from 1970-01-06 to 1970-01-05"),
    "beyond integers": (column([-(2**63), 0, 2**62], name="when"), "'when' are further apart"),
    "beyond floats": (column([-1.7e308, 1.7e308, 1.7e308], name="when"), "'when' are further apart"),
}


@pytest.mark.parametrize(("time", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_times_that_cannot_be_told_are_refused(time, message):
    with pytest.raises(InputError, match=message):
        Timeline.fit(time, OFFSETS)


def test_integers_that_are_just_not_too_far_apart_come_back():
    comes_back(column([-(2**62), 0, 2**62 + 2**61]), OFFSETS)


def test_times_may_decrease_from_one_entity_to_the_next():
    values, offsets = panel(np.array([5, 7, 8]), np.array([1, 4]))
    comes_back(column(values), offsets)


@pytest.mark.parametrize(
    ("offsets", "message"), [([0, 2, 2, 3], "1 of 3 entities"), ([0], "0 of 0 entities")]
)
def test_entities_without_steps_are_refused(offsets, message):
    time = column(np.arange(offsets[-1]), name="when")
    with pytest.raises(InputError, match=message):
        Timeline.fit(time, np.array(offsets))


@pytest.mark.parametrize("lengths", [[40] * 500, [20_000]], ids=["many series", "one long series"])
def test_large_panels_come_back(lengths):
    gaps = rng().integers(0, 3 * DAY, sum(lengths))
    values, offsets = panel(*(np.cumsum(part) for part in np.split(gaps, np.cumsum(lengths)[:-1])))
    comes_back(times(values, "s"), offsets)


def test_days_since_the_start_keep_errors_of_gaps_from_adding_up():
    """Every gap of ten days is drawn two too long; weekday and day of the month say nothing of it."""
    since = np.array([0, 0, *range(10, 300, 10)])
    values, offsets = panel(dates("2024-01-01") + since)
    fitted = Timeline.fit(times(values), offsets)
    gaps = np.where(np.arange(len(since)) > 1, 12, 0)
    steps = [column(gaps), column([0] * len(since)), column([99] * len(since))]
    trusted, corrected = (
        fitted.restore([times(values[:1])], [*steps, column(told)], offsets).values - values[0]
        for told in (np.cumsum(gaps), since)
    )
    assert trusted[-1] > since[-1] + 40
    np.testing.assert_array_less(np.abs(corrected - since), 10)
    assert (np.diff(corrected)[1:] > 5).all()


# --- times that go on from given ones -----------------------------------------------------------------------


def given_until(time, offsets, n_given):
    """The column with only the first n_given times of each entity."""
    lengths = np.diff(offsets)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return time.with_cells(time.values, place >= np.repeat(np.minimum(n_given, lengths), lengths))


def test_a_grid_goes_on_from_the_last_given_time_also_off_the_phase_and_behind_a_gap():
    fitted = Timeline.fit(column(np.array([3, 13, 23])), np.array([0, 3]))
    time = column([3, 13, 53, 0, 0, 7, 0], missing=[3, 4, 6])
    restored = fitted.continued(time, [], np.array([0, 5, 7]))
    np.testing.assert_array_equal(restored.values, [3, 13, 53, 63, 73, 7, 17])
    assert not restored.missing.any()


def test_a_grid_of_months_goes_on_at_the_ends_of_months():
    fitted = Timeline.fit(times(dates("2023-12-31", "2024-01-31", "2024-02-29")), np.array([0, 3]))
    time = times(dates("2024-11-30", "2024-12-31", "1970-01-01", "1970-01-01"))
    time = time.with_cells(time.values, np.array([False, False, True, True]))
    restored = fitted.continued(time, [], np.array([0, 4]))
    assert texts_of(restored) == ["2024-11-30", "2024-12-31", "2025-01-31", "2025-02-28"]


def test_what_the_calendar_says_of_a_grid_that_goes_on_is_that_of_its_own_times():
    hours = dates("2024-01-01", unit="s") + HOUR * np.arange(48)
    fitted = Timeline.fit(times(hours, "s"), np.array([0, 48]))
    time = times(hours[[0, 1, 20, 0]], "s")
    time = time.with_cells(time.values, np.array([False, False, False, True]))
    offsets = np.array([0, 4])
    told = fitted.given(fitted.starts(time, offsets), offsets, time)
    assert [cells.name for cells in told] == ["at: hour", "at: weekday", "at: day"]
    np.testing.assert_array_equal(told[0].values, [0, 1, 20, 21])


def test_numbers_go_on_by_the_drawn_gaps():
    fitted = Timeline.fit(column(np.array([10, 12, 17])), np.array([0, 3]))
    time = column([50, 51, 0, 0], missing=[2, 3])
    restored = fitted.continued(time, [column([0, 1, 7, -5])], np.array([0, 4]))
    np.testing.assert_array_equal(restored.values, [50, 51, 58, 60])  # 51 stays, though gaps were never 1


def test_a_time_drawn_early_on_the_last_day_is_behind_the_given_ones():
    values = dates("2024-01-01T08:00", "2024-01-01T09:00", "2024-01-03T09:00", unit="s")
    fitted = Timeline.fit(times(values, "s"), np.array([0, 3]))
    time = times(dates("2024-01-01T08:00", "2024-01-05T20:00", "1970-01-01", "1970-01-01", unit="s"), "s")
    time = time.with_cells(time.values, np.array([False, False, True, True]))
    steps = [column([0, 4, 0, 1]), column([0, 4, 4, 5]), column([1, 5, 5, 6])]
    steps += [column(np.array([8, 20, 10, 7]) * HOUR), column([0, 4, 4, 5])]
    restored = fitted.continued(time, steps, np.array([0, 4]))
    assert [text[8:13] for text in texts_of(restored)] == ["01T08", "05T20", "05T21", "06T07"]


def test_days_since_the_start_count_on_behind_given_steps():
    since = np.arange(0, 300, 10)
    values, offsets = panel(dates("2024-01-01") + since)
    values[1] += 1  # no grid
    fitted, n = Timeline.fit(times(values), offsets), len(since)
    steps = fitted.steps(times(values), offsets)
    wrong = [column(np.where(np.arange(n) > 9, 12, steps[0].values)), column([0] * n), column([99] * n)]
    restored = fitted.continued(given_until(times(values), offsets, 10), [*wrong, steps[3]], offsets)
    np.testing.assert_array_equal(restored.values[:10], values[:10])
    np.testing.assert_array_less(np.abs(restored.values - values), 10)


@FEW
@given(panels(10**5), st.sampled_from(["number", "D", "s", "ns"]), st.integers(1, 7))
def test_true_steps_behind_given_times_are_the_true_times(drawn, what, n_given):
    values, offsets = drawn
    time = column(values) if what == "number" else times(values * max(PER_DAY[what] // DAY, 1), what)
    fitted = Timeline.fit(time, offsets)
    restored = fitted.continued(given_until(time, offsets, n_given), fitted.steps(time, offsets), offsets)
    np.testing.assert_array_equal(restored.values, time.values)


@FEW
@given(panels(10**5), panels(10**5), st.sampled_from(["number", "D", "s", "ns"]), st.integers(0, 1000))
def test_nothing_drawn_is_before_the_given_times_whatever_they_are(drawn, other, what, seed):
    """The given series are other ones than fit saw: on other grids, at finer times, closer together."""

    def as_time(values):
        return column(values) if what == "number" else times(values * max(PER_DAY[what] // DAY, 1), what)

    fitted, draw = Timeline.fit(as_time(drawn[0]), drawn[1]), rng(seed)
    time, offsets = as_time(other[0]), other[1]
    n, n_given = len(time), draw.integers(1, 8)
    told = given_until(time, offsets, n_given)
    steps = []
    for cells in fitted.steps(as_time(drawn[0]), drawn[1]):
        lowest, highest = int(cells.values.min()) - 2, int(cells.values.max()) + 3
        steps.append(cells.with_cells(draw.integers(lowest, highest, n), np.zeros(n, dtype=bool)))
    restored = fitted.continued(told, steps, offsets)
    np.testing.assert_array_equal(restored.values[~told.missing], time.values[~told.missing])
    gaps = np.diff(restored.values)[told.missing[1:]]
    assert (gaps >= min(fitted.least if fitted.step is None else fitted.step, 1)).all()


def test_shared_ticks_that_fill_a_day_run_over_into_the_next_and_stay_apart():
    values = dates("2024-01-01T08:00", "2024-01-01T09:00", "2024-01-03T09:00", unit="s")
    fitted, n = Timeline.fit(times(values, "s"), np.array([0, 3])), 60
    assert fitted.tick == HOUR
    days = np.where(np.arange(n) == 40, 1, 0)
    steps = [column(days), column([0] * n), column([1] * n), column([23 * HOUR] * n), column(np.cumsum(days))]
    restored = fitted.restore([times(values[:1], "s")], steps, np.array([0, n]))
    gaps = np.diff(restored.values)
    np.testing.assert_array_equal(gaps[1:39], HOUR)
    assert (gaps >= HOUR).all()
    assert (restored.values % HOUR == 0).all()


def test_leap_days_and_days_before_1970_are_told_by_hand():
    values = dates("1899-12-31", "1900-02-28", "1900-03-01", "1968-02-29", "1969-12-31", "2000-02-29")
    fitted = comes_back(times(values), np.array([0, 6]))
    days, weekday, day, since = fitted.steps(times(values), np.array([0, 6]))
    np.testing.assert_array_equal(days.values, [0, 59, 1, 24_836, 671, 11_017])
    np.testing.assert_array_equal(weekday.values, [6, 2, 3, 3, 2, 1])
    np.testing.assert_array_equal(day.values, [31, 28, 1, 29, 31, 29])
    np.testing.assert_array_equal(since.values, np.cumsum(days.values))
