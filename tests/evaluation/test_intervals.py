"""Intervals and tests against hand computation, enumeration and scikit-learn."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from tabdiff.evaluation import intervals


def test_auc_counts_pairs_and_half_of_the_ties():
    # 6 pairs: 3 > 1, 3 > 2, 2 > 1, 2 = 2 (half), 0 < 1, 0 < 2
    result = intervals.delong_auc(np.array([3.0, 2.0, 0.0]), np.array([1.0, 2.0]))
    assert result.auc == pytest.approx(3.5 / 6)


def test_auc_is_that_of_scikit_learn_on_tied_scores():
    rng = np.random.default_rng(0)
    positives, negatives = rng.integers(0, 8, 90), rng.integers(0, 7, 70)
    truth = np.repeat([1, 0], [90, 70])
    expected = roc_auc_score(truth, np.concatenate([positives, negatives]))
    assert intervals.delong_auc(positives, negatives).auc == pytest.approx(expected)


def test_delong_error_is_the_spread_over_repeated_samples():
    rng = np.random.default_rng(1)
    results = [intervals.delong_auc(rng.normal(0.7, 1, 80), rng.normal(0, 1, 120)) for _ in range(600)]
    spread = np.std([result.auc for result in results])
    assert np.mean([result.se for result in results]) == pytest.approx(spread, rel=0.08)


def test_null_variance_is_that_of_all_assignments_of_labels():
    scores, n = np.array([1.0, 2.0, 2.0, 3.0, 5.0, 5.0, 8.0]), 3
    aucs = [
        intervals.delong_auc(scores[list(chosen)], np.delete(scores, chosen)).auc
        for chosen in combinations(range(7), n)
    ]
    assert intervals._null_variance(stats.rankdata(scores), n, 4) == pytest.approx(np.var(aucs))


def test_swapping_the_samples_mirrors_the_auc():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=30), rng.normal(size=40)
    assert intervals.delong_auc(a, b).auc == pytest.approx(1 - intervals.delong_auc(b, a).auc)


def test_repeated_rows_do_not_narrow_the_interval():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=50), rng.normal(size=60)
    once = intervals.delong_auc(a, b)
    tenfold = intervals.delong_auc(np.repeat(a, 10), b, n_effective=(50, 60))
    assert tenfold.auc == pytest.approx(once.auc)
    assert tenfold.se == pytest.approx(once.se, rel=0.02)


def test_separated_samples_keep_an_error():
    assert intervals.delong_auc(np.array([2.0, 3.0]), np.array([0.0, 1.0])).se > 0


def test_wilson_by_the_textbook():
    # 7 of 20: Newcombe 1998, method 3 by its formula
    lo, hi = intervals.wilson(7, 20)
    z, p, n = stats.norm.ppf(0.975), 0.35, 20
    root = z * np.sqrt(z**2 + 4 * n * p * (1 - p))
    assert lo == pytest.approx((2 * n * p + z**2 - root) / (2 * (n + z**2)))
    assert hi == pytest.approx((2 * n * p + z**2 + root) / (2 * (n + z**2)))


@pytest.mark.parametrize(("k", "n"), [(0, 12), (12, 12), (3, 40)])
def test_clopper_pearson_inverts_the_binomial_test(k, n):
    expected = stats.binomtest(k, n).proportion_ci(0.95, "exact")
    assert intervals.clopper_pearson(k, n) == pytest.approx((expected.low, expected.high))


def test_fisher_is_scipys_one_sided_test():
    table = [[8, 92], [1, 99]]
    assert intervals.fisher_greater(8, 100, 1, 100) == pytest.approx(
        stats.fisher_exact(table, alternative="greater").pvalue
    )
    assert intervals.fisher_greater(0, 100, 5, 100) == 1.0


def test_holm_by_hand():
    # sorted .01 .02 .04 times 3 2 1, never falling
    assert intervals.holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert intervals.holm([]) == []
    assert intervals.holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])


def test_bootstrap_of_a_mean_has_its_variance():
    values = np.random.default_rng(4).normal(size=400)
    draws = intervals.paired_bootstrap(
        lambda weight: float(weight @ values / weight.sum()),
        np.zeros(400, dtype=int),
        np.random.default_rng(5),
        2_000,
    )
    assert draws.std() == pytest.approx(values.std() / 20, rel=0.06)


def test_bootstrap_keeps_the_size_of_each_stratum():
    strata = np.repeat([0, 1], [30, 5])
    sizes = []
    intervals.paired_bootstrap(
        lambda weight: sizes.append((weight[:30].sum(), weight[30:].sum())) or 0.0,
        strata,
        np.random.default_rng(0),
        20,
    )
    assert set(sizes) == {(30, 5)}


def test_bootstrap_draws_whole_clusters():
    clusters = np.repeat(np.arange(6), 4)
    seen = []
    intervals.paired_bootstrap(
        lambda weight: seen.append(weight.reshape(6, 4)) or 0.0,
        np.zeros(24, dtype=int),
        np.random.default_rng(0),
        10,
        clusters,
    )
    assert all((weight == weight[:, :1]).all() and weight[:, 0].sum() == 6 for weight in seen)
