"""Average precision and recalls under weights, against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tabdiff.errors import InputError
from tabdiff.evaluation.utility.ranking import (
    average_precision,
    precision_at_budget,
    precision_at_recall,
    rank,
    recall_at_budget,
    recall_at_precision,
)

# by falling score: + - + - -; then precision 1, 1/2, 2/3
SCORE = np.array([0.1, 0.9, 0.7, 0.8, 0.2])
POSITIVE = np.array([False, True, True, False, False])


@pytest.mark.parametrize("n_levels", [3, 20, 10**9])
@pytest.mark.parametrize("integer", [True, False])
def test_average_precision_is_that_of_scikit_learn_under_weights_and_ties(n_levels, integer):
    rng = np.random.default_rng(n_levels % 97)
    for n in (2, 7, 50, 700):
        score = rng.integers(n_levels, size=n) / n_levels
        positive = rng.random(n) < 0.3
        positive[0] = True
        ranking = rank(score, positive)
        for _ in range(5):
            weight = rng.poisson(1.0, n) if integer else rng.random(n)
            weight[0] = 1
            expected = average_precision_score(positive, score, sample_weight=weight)
            assert average_precision(ranking.counts(weight)) == pytest.approx(expected, abs=1e-12)
        expected = average_precision_score(positive, score)
        assert average_precision(ranking.counts()) == pytest.approx(expected, abs=1e-12)


def test_average_precision_by_hand():
    assert average_precision(rank(SCORE, POSITIVE).counts()) == pytest.approx((1 + 2 / 3) / 2)


def test_a_weight_of_two_is_the_row_twice():
    rng = np.random.default_rng(0)
    score, positive, weight = rng.random(40), rng.random(40) < 0.4, rng.integers(0, 3, 40)
    twice = rank(np.repeat(score, weight), np.repeat(positive, weight)).counts()
    weighted = rank(score, positive).counts(weight)
    assert average_precision(weighted) == pytest.approx(average_precision(twice), abs=1e-12)
    assert recall_at_budget(weighted, 7) == pytest.approx(recall_at_budget(twice, 7), abs=1e-12)
    assert recall_at_precision(weighted, 0.6) == pytest.approx(recall_at_precision(twice, 0.6), abs=1e-12)


@pytest.mark.parametrize(("precision", "recall"), [(1.0, 0.5), (0.7, 0.5), (0.6, 1.0), (0.5, 1.0)])
def test_recall_at_precision_by_hand(precision, recall):
    assert recall_at_precision(rank(SCORE, POSITIVE).counts(), precision) == recall


def test_recall_is_0_where_the_precision_is_never_reached():
    counts = rank(-SCORE, POSITIVE).counts()  # - - + - +: 1/3, 2/5
    assert recall_at_precision(counts, 0.5) == 0.0
    assert recall_at_precision(counts, 0.35) == 1.0


@pytest.mark.parametrize(("n_alerts", "recall"), [(1, 0.5), (2, 0.5), (3, 1.0), (4, 1.0), (99, 1.0)])
def test_recall_at_budget_by_hand(n_alerts, recall):
    assert recall_at_budget(rank(SCORE, POSITIVE).counts(), n_alerts) == recall


def test_ties_at_the_border_of_the_budget_count_in_proportion():
    counts = rank(np.array([0.9, 0.5, 0.5, 0.5, 0.5]), np.array([False, True, True, False, False])).counts()
    assert recall_at_budget(counts, 3) == pytest.approx(0.5)  # 2 of the 4 tied rows: one of two positives
    assert precision_at_budget(counts, 3) == pytest.approx(1 / 3)


def test_precision_at_recall_is_read_at_the_strictest_threshold_that_reaches_it():
    counts = rank(SCORE, POSITIVE).counts()
    expected = [1, 1, 2 / 3, 2 / 3]
    assert precision_at_recall(counts, np.array([0.2, 0.5, 0.51, 1.0])) == pytest.approx(expected)


def test_one_score_for_all_rows_gives_the_share_of_positives():
    counts = rank(np.full(20, 0.3), np.arange(20) < 5).counts()
    assert average_precision(counts) == pytest.approx(0.25)
    assert recall_at_budget(counts, 5) == pytest.approx(0.25)


def test_without_positives_there_is_no_figure():
    with pytest.raises(InputError, match="none of the 3 rows"):
        rank(np.arange(3.0), np.zeros(3, dtype=bool))
    counts = rank(SCORE, POSITIVE).counts(np.array([1, 0, 0, 1, 1]))
    assert math.isnan(average_precision(counts))
    assert math.isnan(recall_at_budget(counts, 1)) and math.isnan(recall_at_precision(counts, 0.5))
