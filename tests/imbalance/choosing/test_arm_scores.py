"""Scores of arms: textbook errors, pairs of the same rows, and few false alarms where there is nothing."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer

from tabdiff.errors import InputError
from tabdiff.imbalance.choosing import Arm, HeldOut, Remembered, choose, held_out, score_arms, verdict
from tabdiff.imbalance.choosing.scoring import _left_out

MEAN = make_scorer(lambda y, predicted: float(np.mean(predicted)), response_method="predict_proba")


def fold(y, score=None, predict=None):
    """A fold whose rows are given this probability of class 1, or this label."""
    proba = None if score is None else np.stack([1 - np.asarray(score), score], axis=1)
    return HeldOut(Remembered([0, 1], predict_proba=proba, predict=predict), None, np.asarray(y), None)


def noisy_folds(rng, y_by_fold, signal):
    return [fold(y, 1 / (1 + np.exp(-signal * y - rng.normal(size=len(y))))) for y in y_by_fold]


# --- standard errors ---


def test_jackknife_leaves_out_each_group_once():
    """Three groups of a row of each class: the variance is 2/3 of the sum of squares of the three means."""
    values = np.array([0.1, 0.4, 0.3, 0.9, 0.8, 0.2])
    one = fold([0, 1, 0, 1, 0, 1], values)
    found = score_arms(MEAN, {"none": [one]}, seed=0, n_groups=6)["none"]
    groups = _left_out([one.y], 6, 0)[0]
    means = np.array([values[mask].mean() for mask in groups])
    assert found.value == pytest.approx(values.mean())
    assert len(means) == 3  # as many as the rarest class has rows
    assert found.se == pytest.approx(math.sqrt(2 / 3 * np.sum((means - means.mean()) ** 2)))


def test_jackknife_of_a_mean_is_the_textbook_formula():
    """All 20 rows are of one class, so each is a group: the error of the mean is s / sqrt(n)."""
    values = np.random.default_rng(0).random(20)
    found = score_arms(MEAN, {"none": [fold(np.zeros(20, dtype=int), values)]}, seed=0)["none"]
    assert found.se == pytest.approx(values.std(ddof=1) / math.sqrt(20))


def test_the_folds_count_where_they_vary_more_than_their_rows():
    """Within a fold all rows agree, so the jackknife sees nothing; the folds are 0.2, 0.5 and 0.8."""
    folds = [fold([0, 1, 0, 1], np.full(4, value)) for value in (0.2, 0.5, 0.8)]
    found = score_arms(MEAN, {"none": folds}, seed=0)["none"]
    assert found.folds == pytest.approx((0.2, 0.5, 0.8))
    assert found.se == pytest.approx(0.3 / math.sqrt(3))


def test_the_error_of_an_average_precision_is_that_of_fresh_held_out_rows():
    """The spread of the score over 150 tables, against the mean of the errors that one table tells."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [450, 50])
    found = [
        score_arms("average_precision", {"none": noisy_folds(rng, [y], 1.5)}, seed)["none"]
        for seed in range(150)
    ]
    spread = np.std([one.value for one in found], ddof=1)
    assert np.mean([one.se for one in found]) == pytest.approx(spread, rel=0.2)


def test_groups_share_the_rows_of_each_class_alike_in_all_rows_and_in_each_fold():
    rng = np.random.default_rng(0)
    classes = [rng.permutation(np.repeat(["a", "b", "c"], [n, 30, 25])) for n in (200, 150, 70)]
    masks = _left_out(classes, 20, 0)
    assert [len(fold_masks) for fold_masks in masks] == [20, 20, 20]
    n_rows = sum((~np.array(each)).sum(axis=1) for each in masks)
    assert np.ptp(n_rows) <= 1
    for label in "abc":
        n_out = np.array(
            [[np.sum((y == label) & ~mask) for mask in each] for y, each in zip(classes, masks, strict=True)]
        )
        assert n_out.sum() == sum(np.sum(y == label) for y in classes)
        assert np.ptp(n_out, axis=1).max() <= 1
        assert np.ptp(n_out.sum(axis=0)) <= 1


@pytest.mark.parametrize(("n_rare", "n_groups"), [(40, 20), (20, 20), (7, 7), (2, 2), (1, 2)])
def test_a_class_of_few_rows_makes_few_groups(n_rare, n_groups):
    y = np.repeat([0, 1], [100, n_rare])
    assert len(_left_out([y[::2], y[1::2]], 20, 0)[0]) == n_groups


# --- pairs ---


def test_identical_arms_differ_by_nothing_for_certain():
    rng = np.random.default_rng(0)
    folds = noisy_folds(rng, [np.repeat([0, 1], [90, 10])] * 3, 1.0)
    found = score_arms("average_precision", {"none": folds, "same": folds}, seed=0)
    assert found["same"].se > 0
    assert (found["same"].difference, found["same"].difference_se) == (0.0, 0.0)
    assert found["none"].difference == 0.0


def test_an_arm_that_is_better_everywhere_differs_more_surely_than_it_scores():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [400, 100])
    right = rng.random(500) < 0.7
    better = right | (rng.random(500) < 0.3)
    arms = {
        "none": [fold(y, predict=np.where(right, y, 1 - y))],
        "more": [fold(y, predict=y * better + (1 - y) * ~better)],
    }
    found = score_arms("accuracy", arms, seed=0)
    gain = better.astype(float) - right
    assert found["more"].difference == pytest.approx(gain.mean())
    assert found["more"].difference_se == pytest.approx(gain.std() / math.sqrt(500), rel=0.4)
    assert found["more"].difference_se < found["more"].se


def test_the_same_seed_gives_the_same_errors():
    folds = noisy_folds(np.random.default_rng(0), [np.repeat([0, 1], [80, 20])], 1.0)
    a, b, c = (score_arms("roc_auc", {"none": folds}, seed)["none"].se for seed in (1, 1, 2))
    assert a == b != c
    assert a == score_arms("roc_auc", {"none": folds}, np.random.SeedSequence(1))["none"].se


# --- choice ---

ARMS = (Arm("none", {}, 0.0), Arm("more", {1: 50}, 1.0))


def test_a_better_arm_is_chosen():
    rng = np.random.default_rng(0)
    y = [np.repeat([0, 1], [300, 30])] * 3
    arms = {"none": noisy_folds(rng, y, 1.0), "more": noisy_folds(rng, y, 3.0)}
    scores = score_arms("average_precision", arms, seed=0)
    assert choose(ARMS, scores) == "more"
    assert verdict(scores["more"].difference, scores["more"].difference_se) == "helps"


def test_where_arms_are_alike_the_reference_is_kept_and_nothing_claimed():
    """200 comparisons of equally good arms: at one standard error, 16 % of normal differences exceed it."""
    rng = np.random.default_rng(0)
    y = [np.repeat([0, 1], [180, 20])] * 3
    kept, claimed = 0, 0
    for seed in range(200):
        arms = {"none": noisy_folds(rng, y, 1.0), "more": noisy_folds(rng, y, 1.0)}
        scores = score_arms("average_precision", arms, seed)
        more = scores["more"]
        kept += choose(ARMS, scores) == "none"
        claimed += verdict(more.difference, more.difference_se) != "no measurable effect"
    assert kept >= 160
    assert claimed <= 16


# --- what lacks ---


def test_a_fold_without_the_rare_class_is_left_out():
    """The one row of class 1 is above three of four others in the first fold; the second has no such row."""
    folds = [fold([0, 0, 0, 0, 1], [0.9, 0.1, 0.2, 0.3, 0.5]), fold([0, 0], [0.3, 0.4])]
    found = score_arms("roc_auc", {"none": folds}, seed=0)["none"]
    assert found.folds[0] == 0.75
    assert math.isnan(found.folds[1])
    assert found.value == 0.75
    assert math.isnan(found.se)  # without its one row there is no score


def test_an_arm_without_a_score_has_no_difference_and_never_wins():
    y = np.repeat([0, 1], [40, 10])
    rng = np.random.default_rng(0)
    arms = {"none": noisy_folds(rng, [y, y], 1.0), "more": [fold(y, np.full(50, np.nan)), fold(y, y * 1.0)]}
    found = score_arms("average_precision", arms, seed=0)
    assert math.isfinite(found["none"].value) and math.isfinite(found["none"].se)
    assert math.isnan(found["more"].difference) and math.isnan(found["more"].difference_se)
    assert found["more"].folds[1] == 1.0
    assert choose(ARMS, found) == "none"


def test_an_infinite_score_is_none():
    y = np.repeat([0, 1], [40, 10])
    infinite = make_scorer(lambda y, predicted: -math.inf if predicted.any() else 0.0)
    arms = {"none": [fold(y, predict=y * 0)], "more": [fold(y, predict=y)]}
    assert math.isnan(score_arms(infinite, arms, seed=0)["more"].value)


def test_a_function_has_the_errors_of_its_folds_alone():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    y = (X[:, 0] + rng.normal(size=120) > 0).astype(int)
    parts = np.split(np.arange(120), 3)
    models = [LogisticRegression().fit(np.delete(X, part, axis=0), np.delete(y, part)) for part in parts]
    folds = [held_out(model, X[part], y[part]) for model, part in zip(models, parts, strict=True)]

    def accuracy(estimator, X, y):
        return accuracy_score(y, estimator.predict(X))

    found = score_arms(accuracy, {"none": folds}, seed=0)["none"]
    expected = [accuracy(model, X[part], y[part]) for model, part in zip(models, parts, strict=True)]
    assert found.folds == pytest.approx(expected)
    assert found.se == pytest.approx(np.std(expected, ddof=1) / math.sqrt(3))
    assert math.isnan(score_arms(accuracy, {"none": folds[:1]}, seed=0)["none"].se)


def test_arms_that_cannot_be_compared_are_refused():
    here, there = fold([0, 1, 0], [0.1, 0.2, 0.3]), fold([0, 1, 1], [0.1, 0.2, 0.3])
    with pytest.raises(
        InputError, match=r"'more' was held out on other rows than arm 'none'.*\[3\] and \[3\]"
    ):
        score_arms("roc_auc", {"none": [here], "more": [there]}, seed=0)
    with pytest.raises(InputError, match="other rows"):
        score_arms("roc_auc", {"none": [here, here], "more": [here]}, seed=0)
    with pytest.raises(InputError, match="at least one arm"):
        score_arms("roc_auc", {}, seed=0)
    with pytest.raises(InputError, match=r"\{'none': \[\]\}"):
        score_arms("roc_auc", {"none": []}, seed=0)
    with pytest.raises(InputError, match="no fold without rows"):
        score_arms("roc_auc", {"none": [here, fold([], [])]}, seed=0)
