"""The pure functions behind the measures of series, on cases that are worked out by hand."""

import math

import numpy as np
import pytest

from tabdiff.evaluation.series.distances import jensen_shannon, kolmogorov_smirnov, transition_distance
from tabdiff.evaluation.series.nearest import nearest_distances, weighted_median, windows
from tabdiff.evaluation.series.order import (
    cross_correlations,
    lag_correlations,
    lag_sums,
    ngrams,
    product_sums,
)
from tabdiff.evaluation.series.structure import share_between, variance_sums, varying
from tabdiff.evaluation.series.timing import (
    burst_lengths,
    calendar,
    gap_correlation_sums,
    gaps,
    recent_counts,
    steps_per_day,
)

OWNER = np.array([0, 0, 0, 1, 1])
OFFSETS = np.array([0, 3, 5])


def test_jensen_shannon_is_in_bits_and_no_root():
    one, other = np.array([3.0, 0.0]), np.array([0.0, 5.0])
    assert jensen_shannon(one, other) == 1.0
    assert jensen_shannon(one, 2 * one) == 0.0
    # p = (1, 0), q = (1/2, 1/2): middle (3/4, 1/4)
    expected = (math.log2(4 / 3) + 0.5 * math.log2(2 / 3) + 0.5 * math.log2(2)) / 2
    assert jensen_shannon(one, np.array([4.0, 4.0])) == pytest.approx(expected, abs=1e-15)
    assert math.isnan(jensen_shannon(one, np.zeros(2)))


def test_kolmogorov_smirnov_of_counts():
    assert kolmogorov_smirnov(np.array([1, 1, 0]), np.array([0, 1, 1])) == 0.5
    assert kolmogorov_smirnov(np.array([2, 4]), np.array([1, 2])) == pytest.approx(0.0, abs=1e-15)
    assert math.isnan(kolmogorov_smirnov(np.zeros(2), np.array([1, 2])))


def test_transitions_are_weighed_by_where_real_steps_are():
    real = np.array([[3, 1], [0, 4]])  # half of the steps begin in each level
    synthetic = np.array([[1, 1], [0, 9]])
    assert transition_distance(synthetic.ravel(), real.ravel()) == pytest.approx(0.5 * 0.25)
    assert transition_distance(real.ravel() * 7, real.ravel()) == 0.0
    never = np.array([[3, 1], [0, 0]])
    assert transition_distance(never.ravel(), real.ravel()) == 0.5


def test_runs_of_levels_stay_within_their_entity():
    codes = np.array([0, 1, 2, 2, 0])
    numbers, owner = ngrams(codes, OWNER, 2, 3)
    assert numbers.tolist() == [0 * 3 + 1, 1 * 3 + 2, 2 * 3 + 0]
    assert owner.tolist() == [0, 0, 1]
    assert ngrams(codes, OWNER, 3, 3)[0].tolist() == [0 * 9 + 1 * 3 + 2]
    assert ngrams(codes, OWNER, 1, 3)[0].tolist() == codes.tolist()
    assert not len(ngrams(codes, OWNER, 6, 3)[0])


def test_lag_correlation_by_hand():
    values = np.array([[1.0], [2.0], [3.0], [5.0], [7.0]])
    sums = lag_sums(values, OWNER, 2)
    # entity 0: -1, 0, 1; entity 1: -1, 1
    assert sums.tolist() == [[0.0, 2.0], [-1.0, 2.0]]
    assert lag_correlations(sums.sum(axis=0)).tolist() == [-0.25]
    gone = np.where(values == 2, np.nan, values)
    assert lag_sums(gone, OWNER, 2).tolist() == [[0.0, 2.0], [-1.0, 2.0]]
    assert lag_correlations(np.zeros(2)).tolist() == [0.0]


def test_cross_correlation_is_that_within_entities():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 3))
    owner = np.repeat([0, 1, 2], 20)
    within = values - np.stack([values[owner == i].mean(axis=0) for i in range(3)])[owner]
    shifted = values + 100 * owner[:, None]
    found = cross_correlations(product_sums(shifted, owner, 3).sum(axis=0))
    assert found == pytest.approx(np.corrcoef(within.T)[np.triu_indices(3, 1)], abs=1e-9)


def test_share_between_entities_by_hand():
    values = np.array([[1.0], [3.0], [5.0], [7.0]])
    owner = np.array([0, 0, 1, 1])
    # SSW = 2 + 2 with 2 degrees of freedom, SST = 20 with 3
    assert share_between(variance_sums(values, owner, 2).sum(axis=0)) == pytest.approx([1 - 2 / (20 / 3)])
    alike = np.array([[2.0], [2.0], [5.0], [5.0]])
    assert share_between(variance_sums(alike, owner, 2).sum(axis=0)).tolist() == [1.0]
    gone = np.append(values, [[np.nan]], axis=0)
    sums = variance_sums(gone, np.array([0, 0, 1, 1, 2]), 3).sum(axis=0)
    assert share_between(sums) == pytest.approx([1 - 2 / (20 / 3)])
    assert share_between(variance_sums(np.ones((4, 1)), owner, 2).sum(axis=0)).tolist() == [0.0]


def test_entities_that_own_nothing_share_nothing():
    values = np.random.default_rng(1).normal(size=(30_000, 1))
    owner = np.repeat(np.arange(10_000), 3)
    assert abs(share_between(variance_sums(values, owner, 10_000).sum(axis=0))[0]) < 0.02


def test_context_that_changes():
    assert varying(np.array([1, 1, 2, 4, 4]), OFFSETS).tolist() == [True, False]
    assert varying(np.array([np.nan, np.nan, np.nan, 4, np.nan]), OFFSETS).tolist() == [False, True]


def test_gaps_do_not_cross_entities():
    found, owner = gaps(np.array([0.0, 1.0, 5.0, 2.0, 4.0]), OWNER)
    assert found.tolist() == [1.0, 4.0, 2.0]
    assert owner.tolist() == [0, 0, 1]


def test_gap_correlation_by_hand():
    # log(1 + gap) is 0, 1, 2 in entity 0, constant in entity 1, and too short in entity 2
    log_gaps = np.array([0.0, 1.0, 2.0, 1.0, 1.0, 1.0, 0.0, 1.0])
    owner = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    sums = gap_correlation_sums(np.expm1(log_gaps), owner, 3)
    assert sums[:, 1].tolist() == [1.0, 0.0, 0.0]
    assert sums[:, 0] == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)
    rising = gap_correlation_sums(np.expm1(np.array([0.0, 1.0, 2.0, 3.0])), np.zeros(4, dtype=int), 1)
    # -1.5, -0.5, 0.5, 1.5: products 0.75 - 0.25 + 0.75, squares 5
    assert rising[0] == pytest.approx([1.25 / 5, 1.0])


def test_steps_within_the_window_before():
    times = np.array([0.0, 1.0, 5.0, 5.0, 5.5])
    assert recent_counts(times, np.array([0, 3, 5]), 1.0).tolist() == [1, 2, 1, 1, 2]
    assert recent_counts(times, np.array([0, 5]), 4.0).tolist() == [1, 2, 2, 3, 3]


def test_bursts_are_runs_of_short_gaps():
    found, owner = burst_lengths(np.array([1, 1, 9, 1, 1, 1]), np.array([0, 0, 0, 0, 1, 1]), 2.0)
    assert found.tolist() == [2, 1, 2]
    assert owner.tolist() == [0, 0, 1]
    assert burst_lengths(np.array([9.0]), np.array([0]), 2.0)[0].tolist() == []


def test_days_and_the_calendar():
    times = np.array(["2024-02-29T23:59:59", "2024-03-01T00:00:00", "2024-03-01T05:00:00"], dtype="M8[s]")
    seconds = times.astype(np.int64).astype(np.float64)
    parts = calendar(np.append(seconds, -1.0))  # the last second of Wednesday, 31 December 1969
    assert parts["hour"].tolist() == [23, 0, 5, 23]
    assert parts["weekday"].tolist() == [3, 4, 4, 2]
    assert parts["monthday"].tolist() == [29, 1, 1, 31]
    counts, owner = steps_per_day(seconds, np.array([0, 0, 0]))
    assert (counts.tolist(), owner.tolist()) == ([1, 2], [0, 0])
    assert steps_per_day(seconds, np.array([0, 0, 1]))[0].tolist() == [1, 1, 1]


def test_windows_and_their_nearest():
    features = np.arange(5.0)[:, None]
    rng = np.random.default_rng(0)
    found, owner = windows(features, OFFSETS, 2, 10, rng)
    assert found.tolist() == [[0, 1], [1, 2], [3, 4]]
    assert owner.tolist() == [0, 0, 1]
    few, of = windows(features, OFFSETS, 2, 2, rng)
    assert few.tolist() == [[0, 1], [3, 4]]
    assert of.tolist() == [0, 1]
    assert nearest_distances(found, few) == pytest.approx([0.0, 2**0.5, 0.0], abs=0)


def test_nearest_is_exact_by_brute_force():
    rng = np.random.default_rng(2)
    points, train = rng.normal(size=(700, 4)), rng.normal(size=(90, 4))
    every = np.sqrt(((points[:, None] - train) ** 2).sum(axis=2)).min(axis=1)
    assert nearest_distances(points, train) == pytest.approx(every, abs=1e-12)


def test_weighted_median_repeats_values():
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])) == 2.0
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([5.0, 1.0, 1.0])) == 3.0
    assert math.isnan(weighted_median(np.array([3.0]), np.array([0.0])))
