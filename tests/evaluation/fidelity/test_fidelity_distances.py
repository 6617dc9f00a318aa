"""Distances, bins and subsamples against values by hand and by scipy."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tabdiff.datasets import make_transactions
from tabdiff.evaluation import compare
from tabdiff.evaluation.fidelity.distances import (
    binned,
    ks_of_counts,
    level_groups,
    quantile_edges,
    quantile_gap,
    spread,
    tv_of_counts,
)
from tabdiff.evaluation.fidelity.marginals import measure_marginals
from tabdiff.evaluation.fidelity.pairs import association, half_l1_to
from tabdiff.evaluation.fidelity.resampling import blocked, clusters, standard_error
from tabdiff.evaluation.fidelity.tails import log_ratio

NOTHING = np.zeros(3)


def test_distances_of_four_rows_by_hand():
    """Values 1, 2, 3, 4 against 2, 3, 4, 4: the distribution functions differ by 1/4 at 1, 2 and 3."""
    first, second = np.array([1, 1, 1, 1]), np.array([0, 1, 1, 2])
    assert ks_of_counts(first, second) == 0.25
    assert tv_of_counts(first, second) == 0.25
    assert quantile_gap(np.array([1.0, 2, 3, 4]), np.array([2.0, 3, 4, 4]), 1.5) == pytest.approx(0.75 / 1.5)


def test_what_has_no_values_is_as_far_away_as_can_be():
    some = np.array([1, 2, 0])
    for distance in (ks_of_counts, tv_of_counts):
        assert distance(NOTHING, some) == distance(some, NOTHING) == 1
        assert distance(NOTHING, NOTHING) == 0
        np.testing.assert_array_equal(distance(np.stack([NOTHING, some]), some), [1, 0])
    assert quantile_gap(np.empty(0), np.ones(1), 1.0) == math.inf
    assert quantile_gap(np.empty(0), np.empty(0), 1.0) == 0


def test_binned_distances_agree_with_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=500), rng.normal(0.3, 2, size=700)
    edges = quantile_edges(np.concatenate([first, second]), 2_000)
    counts = [np.bincount(binned(each, edges), minlength=len(edges) + 1) for each in (first, second)]
    assert ks_of_counts(*counts) == pytest.approx(stats.ks_2samp(first, second).statistic, abs=2e-3)


def test_bins_hold_equal_shares_and_missing_cells_have_their_own():
    values = np.random.default_rng(0).permutation(np.arange(1_000.0))
    edges = quantile_edges(values, 5)
    assert len(edges) == 4
    counts = np.bincount(binned(np.append(values, [np.nan] * 7), edges))
    assert counts[-1] == 7 and abs(counts[:-1] - 200).max() <= 1
    assert binned(np.array([-1e300, 1e300]), edges).tolist() == [0, 4]
    assert quantile_edges(np.repeat([0.0, 1.0, 5.0], [90, 8, 2]), 5).tolist() == [1.0]
    assert quantile_edges(np.array([1.0, 2.0, 3.0, 4.0]), 256).tolist() == [2.0, 3.0, 4.0]
    assert len(quantile_edges(np.full(9, 3.0), 5)) == len(quantile_edges(np.empty(0), 5)) == 0


def test_one_outlier_does_not_move_the_scale():
    values = np.arange(100.0)
    assert spread(np.append(values, 1e12)) == pytest.approx(spread(values), rel=0.05)
    assert spread(np.full(5, 2.0)) == spread(np.empty(0)) == 1
    assert spread(np.array([0.0] * 99 + [1.0])) == pytest.approx(np.std([0.0] * 99 + [1.0]))


def test_levels_are_pooled_by_their_frequency():
    train, holdout, fresh = (make_transactions(500, seed) for seed in range(3))
    comparison = compare(train, fresh, holdout, "fraud")
    column = comparison.layout["merchant"]
    groups, kept = level_groups(comparison, column, 4)
    counts = pd.concat([train, holdout])["merchant"].value_counts()
    assert counts[[column.levels[code] for code in kept]].tolist() == counts.tolist()[:4]
    assert groups[kept].tolist() == [0, 1, 2, 3] and groups[-1] == 5
    assert set(groups[:-1]) == {0, 1, 2, 3, 4}


def test_association_by_hand():
    """Two equal columns of 0, 0, 1, 1: joint 1/2 on the diagonal, product of the margins 1/4 everywhere."""
    same = association(np.array([2, 0, 0, 2]), 2)
    assert same.tolist() == [0.25, -0.25, -0.25, 0.25]
    independent = association(np.array([1, 1, 1, 1]), 2)
    assert independent.tolist() == [0, 0, 0, 0]
    opposite = association(np.array([0, 2, 2, 0]), 2)
    assert half_l1_to(same, independent) == 0.5 and half_l1_to(same, opposite) == 1.0
    skewed = association(np.array([2, 4, 1, 2]), 2)  # margins 2:1 and 1:2, independent
    np.testing.assert_allclose(skewed, 0, atol=1e-16)


def test_equal_rows_stay_together_up_to_the_size_of_a_cluster():
    keys = np.array([7, 7, 7, 5, 7, 5, 9, 7], dtype=np.uint64)
    labels = clusters(keys, 2, np.random.default_rng(0))
    sizes = {key: sorted(np.unique(labels[keys == key], return_counts=True)[1]) for key in (5, 7, 9)}
    assert sizes == {5: [2], 7: [1, 2, 2], 9: [1]}
    assert len(set(labels)) == 5


def test_the_error_of_a_mean_is_that_of_the_formula():
    train, holdout, fresh = (make_transactions(3_000, seed) for seed in range(3))
    rows = blocked(compare(train, fresh, holdout, "fraud"), np.random.default_rng(0))
    online = (holdout["channel"] == "online").to_numpy()
    cells = rows.holdout.rows.column(compare(train, fresh, holdout, "fraud").layout["channel"])
    _, draws = rows.holdout.counts(cells, 4)
    shares = draws / draws.sum(axis=1, keepdims=True)
    at = int(np.argmin(np.abs(shares.mean(axis=0) - online.mean())))
    expected = math.sqrt(online.mean() * (1 - online.mean()) / 3_000)
    assert standard_error(shares[:, at]) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("n", [300, 1_000, 4_000, 20_000])
def test_tables_are_compared_at_equal_size(n):
    train, holdout = make_transactions(4_000, 0), make_transactions(1_000, 1)
    comparison = compare(train, make_transactions(n, 2), holdout, "fraud")
    rows = blocked(comparison, np.random.default_rng(0))
    sizes = []
    for sample in (rows.train, rows.synthetic):
        parts, draws = sample.counts(np.zeros(len(sample.rows), dtype=np.int64), 1)
        sizes.append(parts.mean())
        assert draws.mean() == pytest.approx(parts.mean() / 6, rel=0.05)
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)
    assert sizes[0] == pytest.approx(min(n, 4_000), rel=0.05)


def test_the_ratio_of_tails_by_hand():
    value, lo, hi = log_ratio(200, 10_000, 100, 10_000, 0.95)
    assert value == pytest.approx(math.log(2), abs=0.01)
    # Wald: log 2 -/+ 1.96 * sqrt(1 / 200 + 1 / 100)
    assert lo == pytest.approx(math.log(2) - 0.24, abs=0.02) and hi == pytest.approx(
        math.log(2) + 0.24, abs=0.02
    )
    _, _, none = log_ratio(0, 3_000, 30, 3_000, 0.95)
    assert none < math.log(0.2)


def test_the_table_of_four_rows_is_too_small_and_says_so():
    frame = make_transactions(60, 0)
    for estimate in measure_marginals(
        compare(frame, frame.head(4), make_transactions(60, 1)), np.random.default_rng(0)
    ):
        assert "synthetic has 4 rows" in estimate.reason
