"""OHIT: moments of the Gaussians it draws from, clusters kept apart, and rows that are too few for any."""

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from tabdiff.imbalance.ohit import _shared, dense_clusters, ohit


def rng(number=0):
    return np.random.default_rng(number)


def test_a_single_row_is_repeated():
    X = np.array([[1.5, -2.0, 7.0]])
    assert ohit(X, 4, rng()).tolist() == [[1.5, -2.0, 7.0]] * 4


def test_equal_rows_are_repeated():
    X = np.repeat([[3.0, 1.0]], 12, axis=0)
    np.testing.assert_allclose(ohit(X, 5, rng()), np.repeat([[3.0, 1.0]], 5, axis=0))


def test_nothing_is_drawn_if_nothing_is_asked():
    assert ohit(rng().normal(size=(5, 3)), 0, rng()).shape == (0, 3)


@pytest.mark.parametrize(("n", "d"), [(6, 4), (9, 30), (3, 1)])
def test_draws_of_few_rows_have_their_mean_and_ledoit_wolf_covariance(n, d):
    X = rng(1).normal(size=(n, d)) @ rng(2).normal(size=(d, d)) + 5
    n_draws = 60_000
    drawn = ohit(X, n_draws, rng(3))
    covariance, _ = ledoit_wolf(X)
    sd = np.sqrt(np.diag(covariance))
    # standard errors of a mean and of a covariance of Gaussians, of which five bound the largest
    assert np.abs((drawn.mean(axis=0) - X.mean(axis=0)) / sd).max() < 5 / np.sqrt(n_draws)
    error = (np.cov(drawn.T, bias=True).reshape(d, d) - covariance) / np.outer(sd, sd)
    assert np.abs(error).max() < 5 * np.sqrt(2 / n_draws)


def test_two_rows_give_draws_along_their_difference_and_around():
    X = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    drawn = ohit(X, 20_000, rng())
    covariance, _ = ledoit_wolf(X)
    np.testing.assert_allclose(drawn.mean(axis=0), [1, 0, 0], atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.05)


def test_two_groups_are_two_clusters():
    X = np.concatenate([rng(0).normal(size=(20, 5)), rng(1).normal(size=(14, 5)) + 40])
    clusters = dense_clusters(X)
    assert set(clusters[:20]).isdisjoint(clusters[20:])
    assert clusters.min() == 0
    assert set(clusters) == set(range(clusters.max() + 1))


def test_draws_stay_with_their_clusters_and_in_proportion_to_them():
    X = np.concatenate([rng(0).normal(size=(24, 6)), rng(1).normal(size=(12, 6)) + 40])
    drawn = ohit(X, 360, rng(2))
    of_second = drawn.mean(axis=1) > 20
    assert of_second.sum() == 120  # every row stands for ten draws
    assert np.abs(drawn[~of_second]).max() < 10
    assert np.abs(drawn[of_second] - 40).max() < 10


def test_one_group_keeps_its_mean_and_total_variance():
    X = rng(0).normal(size=(200, 3)) * [1, 2, 3] + [0, 10, 20]
    drawn = ohit(X, 20_000, rng(1))
    np.testing.assert_allclose(drawn.mean(axis=0), X.mean(axis=0), atol=0.2)
    assert np.trace(np.cov(drawn.T)) == pytest.approx(np.trace(np.cov(X.T)), rel=0.05)


def test_a_row_far_from_all_others_belongs_to_some_cluster():
    X = np.concatenate([rng(0).normal(size=(20, 2)), [[500.0, 500.0]]])
    assert (dense_clusters(X) >= 0).all()
    assert len(dense_clusters(X)) == 21


def test_similarity_counts_shared_neighbours_by_their_ranks():
    # on a line at 0, 1, 3, 7: nearest two of each are (1, 3), (0, 3), (1, 0), (3, 1)
    x = np.array([0.0, 1.0, 3.0, 7.0])
    similarity = _shared(np.abs(x[:, None] - x), k=2)
    # rows 0 and 1 share 3, which is second of both; rows 0 and 3 share 1 (2 x 1) and 3 (1 x 2)
    assert similarity[0, 1] == 1
    assert similarity[0, 3] == 4
    assert similarity[1, 2] == 2  # they share 0: first of row 1, second of row 2
    np.testing.assert_array_equal(similarity, similarity.T)
    assert np.diag(similarity).tolist() == [0] * 4


def test_the_seed_decides():
    X = rng().normal(size=(15, 4))
    np.testing.assert_array_equal(ohit(X, 7, rng(5)), ohit(X, 7, rng(5)))
    assert not np.array_equal(ohit(X, 7, rng(5)), ohit(X, 7, rng(6)))
