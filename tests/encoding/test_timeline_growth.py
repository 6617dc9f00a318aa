"""Timelines that go on with more series: columns mean the same, and times that cannot be told are refused."""

import numpy as np
import pytest
from columns_of import column

from tabdiff.encoding.timeline import Timeline
from tabdiff.encoding.timeline_growth import extended_timeline
from tabdiff.errors import InputError
from tabdiff.schema import Storage

TWO = np.array([0, 2, 4])


def dates(*texts, unit="D"):
    values = np.array(texts, dtype=f"M8[{unit}]").astype(np.int64)
    return column(values, name="at", storage=Storage.DATETIME, unit=unit)


def numbers(*values):
    return column(np.array(values), name="at")


def comes_back(timeline, time, offsets):
    """Whether a timeline restores the times of series from the columns that it makes of them."""
    restored = timeline.restore(timeline.starts(time, offsets), timeline.steps(time, offsets), offsets)
    return np.array_equal(restored.values, time.values)


def test_a_grid_goes_on_at_other_starts_and_tells_months_once_they_change():
    hours = ("2024-01-01T00", "2024-01-01T01", "2024-01-03T00", "2024-01-03T01")
    fitted = Timeline.fit(dates(*hours, unit="s"), TWO)
    assert (fitted.step, fitted.phase, fitted.calendar) == (3600, 0, ("hour", "weekday", "day"))
    later = dates("2024-02-29T23:30", "2024-03-01T00:30", "2024-02-01T00", "2024-02-01T01", unit="s")
    grown = extended_timeline(fitted, later, TWO)
    assert (grown.step, grown.phase, grown.calendar) == (3600, None, ("hour", "weekday", "day", "month"))
    assert comes_back(grown, later, TWO)


@pytest.mark.parametrize(
    ("fit", "later"),
    [
        (dates("2024-01-31", "2024-02-29"), dates("2025-01-31", "2025-02-28")),
        (numbers(0.1, 0.4), numbers(7.0, 7.3)),
        (numbers(5, 12), numbers(1, 8)),
    ],
    ids=["ends of months", "decimals", "integers"],
)
def test_every_kind_of_grid_goes_on(fit, later):
    offsets = np.array([0, 2])
    grown = extended_timeline(Timeline.fit(fit, offsets), later, offsets)
    assert grown.step_names == ()
    assert comes_back(grown, later, offsets)
    alone = np.array([0, 1])
    one = later.with_cells(later.values[:1], later.missing[:1])
    assert comes_back(extended_timeline(Timeline.fit(fit, offsets), one, alone), one, alone)


REFUSED = {
    "another step": (
        dates("2024-01-01T00", "2024-01-01T01", unit="s"),
        dates("2024-01-01T00", "2024-01-01T02", unit="s"),
        r"regular grid, 1:00:00 apart. Of these 2 times 1 are not, the first is 2024-01-01T02:00:00, behind "
        "2024-01-01T00:00:00",
    ),
    "another day of the month": (
        dates("2024-01-05", "2024-02-05"),
        dates("2024-01-06", "2024-02-06"),
        "regular grid, 1 months apart. Of these 2 times 2 are not, the first is 2024-01-06",
    ),
    "decimals": (numbers(0.1, 0.4), numbers(0.0, 0.5), "regular grid, 0.3 apart"),
    "finer decimals": (numbers(0.1, 0.4), numbers(0.05, 0.35), "'at' were on a regular grid, 0.3 apart"),
    "missing": (
        numbers(1, 2),
        column(np.array([1, 2]), name="at", missing=[1]),
        "'at' is missing in 1 of 2 rows",
    ),
    "times of the day": (
        dates("2024-01-01", "2024-01-02", "2024-01-04", unit="s"),
        dates("2024-01-01T00", "2024-01-02T07", "2024-01-04", unit="s"),
        "'at' were dates alone. Of these 3 times 1 are finer, the first is 2024-01-02T07:00:00",
    ),
    "parts of seconds": (
        dates("2024-01-01T05:00:01", "2024-01-01T06", "2024-01-01T09", unit="ms"),
        dates("2024-01-01T05:00:01", "2024-01-01T06", "2024-01-01T09:00:00.250", unit="ms"),
        "'at' were not as fine",
    ),
}


@pytest.mark.parametrize(("fit", "later", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_times_that_cannot_be_told_as_before_are_refused(fit, later, message):
    offsets = np.array([0, len(fit)])
    with pytest.raises(InputError, match=message):
        extended_timeline(Timeline.fit(fit, offsets), later, offsets)


def test_gaps_and_spans_of_dates_become_those_of_all_series():
    offsets = np.array([0, 3])
    fitted = Timeline.fit(dates("2024-01-01T08", "2024-01-04T10", "2024-01-09T08", unit="s"), offsets)
    assert (fitted.least, fitted.least_days, fitted.span) == (86_400 * 3 + 7200, 3, 8)
    assert fitted.tick == 7200
    later = dates("2024-05-01T08", "2024-05-01T09", "2024-06-01T08", unit="s")
    grown = extended_timeline(fitted, later, offsets)
    assert (grown.least, grown.least_days, grown.span, grown.tick) == (3600, 0, 31, 3600)
    assert grown.step_names == fitted.step_names
    assert comes_back(grown, later, offsets)


def test_gaps_of_numbers_are_counted_as_finely_as_any_needs():
    offsets = np.array([0, 3])
    fitted = Timeline.fit(numbers(0.0, 0.2, 0.5), offsets)
    assert (fitted.per_unit, fitted.least) == (10, 2)
    later = numbers(1.0, 1.25, 2.0)
    grown = extended_timeline(fitted, later, offsets)
    assert (grown.per_unit, grown.least) == (100, 20)
    assert comes_back(grown, later, offsets)
    off_grid = extended_timeline(fitted, numbers(0.0, np.pi, np.e * 2), offsets)
    assert (off_grid.per_unit, off_grid.least) == (0, 0.2)
    whole = extended_timeline(Timeline.fit(numbers(0, 5, 7), offsets), numbers(3, 4, 9), offsets)
    assert (whole.per_unit, whole.least) == (1, 1)
