"""The tests themselves: p-values by enumeration, scores by hand."""

from itertools import combinations

import numpy as np
import pytest
from privacy_cases import fresh, joined, judge, noisy, real
from scipy import stats

from tabdiff.evaluation.privacy.descriptive import dcr_share, independent_votes, nndr
from tabdiff.evaluation.privacy.field import Scores, isolated_size, member_score, queries_per_side, typical
from tabdiff.evaluation.privacy.limits import critical_run, found_power
from tabdiff.evaluation.privacy.membership import auc_estimate, roc, tpr_estimate
from tabdiff.evaluation.privacy.tails import run_p_value, scan


def splits(total, n_train):
    """Every way to choose the train units among ranks 0 (highest) to total - 1."""
    return [set(chosen) for chosen in combinations(range(total), n_train)]


@pytest.mark.parametrize("k", range(6))
def test_the_run_has_its_p_value_by_enumeration(k):
    every = splits(9, 5)
    as_long = [chosen for chosen in every if set(range(k)) <= chosen]
    assert run_p_value(k, 5, 4) == pytest.approx(len(as_long) / len(every))


def test_a_run_longer_than_train_is_impossible():
    assert run_p_value(6, 5, 4) == 0


def test_the_scan_has_its_p_values_by_enumeration():
    rng = np.random.default_rng(0)
    scores = rng.permutation(18).astype(float)
    (look,) = scan(scores[:9], scores[9:])
    top = set(np.argsort(-scores)[:8].tolist())
    k = len(top & set(range(9)))
    every = splits(18, 9)
    p = sum(len(chosen & set(range(8))) >= k for chosen in every) / len(every)
    assert (look["m"], look["k"], look["expected"]) == (8, k, 4.0)
    assert look["p"] == pytest.approx(p)


def test_equal_scores_count_for_the_holdout():
    (look,) = scan(np.zeros(10), np.zeros(10))
    assert look["k"] == 0
    assert look["p"] == 1


def test_the_scan_is_valid_however_scores_are_tied():
    """Over random splits of tied scores, p <= a in at most a share a of them."""
    rng = np.random.default_rng(1)
    scores = np.repeat([3.0, 2.0, 1.0, 0.0], [5, 10, 10, 15])
    p = []
    for _ in range(2_000):
        mixed = rng.permutation(scores)
        p.append(min(look["p"] for look in scan(mixed[:25], mixed[25:])[:1]))
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(p) <= level) <= level + 3 * np.sqrt(level / 2_000)


def test_score_is_the_log_ratio_of_distances():
    score = member_score(np.array([1.0, 0.5, 2.0]), np.array([1.0, 1.0, 1.0]), 1.0)
    assert score == pytest.approx([0, np.log(2), -np.log(2)])


def test_a_distance_of_zero_is_finite_and_natural_duplicates_score_zero():
    score = member_score(np.array([0.0, 0.0]), np.array([2.0, 0.0]), 2.0)
    assert score == pytest.approx([np.log(1_000), 0])


def test_calibration_does_not_vanish_for_tiny_densities():
    """In fifteen dimensions densities are far below any constant: only ratios may count."""
    tiny = 1e-12
    near, far = np.array([0.1, 0.2]) * tiny, np.array([1.0, 0.1]) * tiny
    score = member_score(near, far, tiny)
    assert score == pytest.approx([np.log(10), -np.log(2)])
    assert score == pytest.approx(member_score(near / tiny, far / tiny, 1.0))


def test_typical_distance_ignores_duplicates_and_is_one_without_any():
    assert typical(np.array([0.0, 0.0, 1.0, 3.0, np.inf])) == 2
    assert typical(np.zeros(4)) == 1


def test_cheap_queries_are_asked_in_full_and_dear_ones_by_the_budget():
    assert queries_per_side(4_000, 1_000) == 16_000
    assert queries_per_side(4_000, 20_000) == 15_000
    assert queries_per_side(4_000, 10**6) == 4_000


def test_number_of_isolated_rows():
    assert isolated_size(30_000, 4_000) == 1_500
    assert isolated_size(2_000, 4_000) == 400
    assert isolated_size(300, 4_000) == 150
    assert isolated_size(10**6, 4_000) == 2_000


def test_threshold_of_the_true_positive_rate_is_passed_by_its_share_of_new_rows():
    """Over many draws, the mean rate of train rows above it is the nominal one."""
    rng = np.random.default_rng(2)
    rates = []
    for _ in range(400):
        train, holdout = rng.normal(size=200), rng.normal(size=398)
        empty = np.empty(0)
        found = tpr_estimate("x", Scores(train, holdout, empty, empty, empty), 0.01, rng)
        rates.append(found.value)
    # 199 rows set it: the 2nd largest, passed by 2 of 200
    assert np.mean(rates) == pytest.approx(0.01, abs=3 * np.std(rates) / 20)


def test_interval_of_the_true_positive_rate_covers_the_noise_of_the_threshold():
    rng = np.random.default_rng(3)
    empty, covered = np.empty(0), []
    for _ in range(400):
        train, holdout = rng.normal(size=300), rng.normal(size=300)
        found = tpr_estimate("x", Scores(train, holdout, empty, empty, empty), 0.01, rng)
        covered.append(found.lo <= 0.01 <= found.hi)
    assert np.mean(covered) > 0.93


def test_threshold_needs_enough_holdout():
    empty = np.empty(0)
    rng = np.random.default_rng(0)
    scores = Scores(np.arange(100.0), np.arange(197.0), empty, empty, empty)
    assert "198" in tpr_estimate("x", scores, 0.01, rng).reason
    enough = Scores(np.arange(100.0), np.arange(198.0), empty, empty, empty)
    assert tpr_estimate("x", enough, 0.01, rng).assessable


def test_curve_by_hand():
    curve = roc(np.array([3.0, 2.0]), np.array([2.0, 1.0]))
    assert curve == {"fpr": [0.0, 0.0, 0.5, 1.0], "tpr": [0.0, 0.5, 1.0, 1.0]}


def test_long_curves_are_thinned_with_both_ends():
    rng = np.random.default_rng(0)
    curve = roc(rng.normal(1, 1, 3_000), rng.normal(0, 1, 3_000))
    assert len(curve["fpr"]) <= 200
    assert (curve["fpr"][0], curve["tpr"][0], curve["fpr"][-1], curve["tpr"][-1]) == (0, 0, 1, 1)


def test_swapped_sides_mirror_the_auc():
    rng = np.random.default_rng(0)
    train, holdout = rng.normal(1, 1, 60), rng.normal(0, 1, 80)
    there, back = auc_estimate("x", train, holdout), auc_estimate("x", holdout, train)
    assert there.value == pytest.approx(1 - back.value)


def test_shortest_significant_run():
    assert critical_run(100, 100, 0.01) == next(
        k for k in range(1, 101) if stats.hypergeom.pmf(k, 200, 100, k) <= 0.01
    )
    assert critical_run(2, 2, 0.01) is None


def test_power_to_see_copies_in_a_sample_by_enumeration():
    asked = splits(8, 4)
    seen = [len(chosen & {0, 1, 2}) >= 2 for chosen in asked]
    assert found_power(3, 8, 4, 2) == pytest.approx(np.mean(seen))


def test_limits_are_what_the_tests_reject():
    train, holdout = real(400, 1)
    estimates = judge(train, fresh(400), holdout, names=["privacy.membership"])
    limit = estimates["privacy.limit.copied_outliers"]
    n, m, level = (limit.details[key] for key in ("n_train", "n_holdout", "level"))
    assert level == pytest.approx(0.01 / 9)
    assert run_p_value(int(limit.value), n, m) <= level < run_p_value(int(limit.value) - 1, n, m)
    assert [row["found_if_isolated"] for row in limit.details["table"]] == [
        row["k"] >= limit.value for row in limit.details["table"]
    ]
    auc = estimates["privacy.limit.auc"]
    assert auc.value == pytest.approx(0.5 + stats.norm.isf(level) * np.sqrt(801 / (12 * 400 * 400)))


def test_no_label_decides_who_is_asked_or_how():
    """With train and holdout swapped, the attack's AUC is mirrored: nothing else looks at the sides."""
    train, holdout = real(400, 1)
    made = joined(fresh(200), noisy(train[:100]))
    names = ["privacy.membership"]
    there, back = (judge(*pair, names=names) for pair in ((train, made, holdout), (holdout, made, train)))
    assert there["privacy.mia.auc"].value == pytest.approx(1 - back["privacy.mia.auc"].value)
    assert (
        there["privacy.limit.copied_outliers"].details["n_train"]
        == (back["privacy.limit.copied_outliers"].details["n_holdout"])
    )


def test_ties_of_the_distance_to_the_closest_record_count_half():
    assert dcr_share(np.array([0.0, 1.0, 2.0, 1.0]), np.array([0.0, 2.0, 1.0, 1.0])) == 0.5
    assert dcr_share(np.zeros(5), np.zeros(5)) == 0.5


def test_synthetic_rows_nearest_to_one_real_row_vote_together():
    assert independent_votes(np.array([1, 2, 3, 4])) == 4
    assert independent_votes(np.array([1, 1, 1, 1])) == 1
    assert independent_votes(np.array([1, 1, 2])) == pytest.approx(9 / 5)


def test_nearest_over_second_nearest_by_hand():
    assert nndr(np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 5.0]])) == 0.5
    assert nndr(np.array([[0.0, 0.0]])) == 1
    assert nndr(np.array([[1.0, np.inf]])) is None
