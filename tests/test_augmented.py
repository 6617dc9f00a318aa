"""`AugmentedClassifier`: what it trains on, what it chooses, and probabilities that can be believed."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from containers import FRAMES, mixed_table
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    TunedThresholdClassifierCV,
    cross_validate,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from tabdiff import AugmentedClassifier, DiffusionOverSampler
from tabdiff.calibration import correct_prior
from tabdiff.imbalance.boosting import BoostedTrees

N = 400
Y = np.repeat([0, 1], [360, 40])
X = np.random.default_rng(0).normal(size=(N, 2)) + 1.5 * Y[:, None]
NEW = np.random.default_rng(1).normal(size=(50, 2))


def quick(**arguments):
    """Diffusion that trains for an instant."""
    return DiffusionOverSampler(**{"max_steps": 2, "sampling_steps": 2} | arguments)


def augmented(estimator=None, sampler=None, **arguments):
    chosen = LogisticRegression() if estimator is None else estimator
    return AugmentedClassifier(
        chosen, RandomOverSampler() if sampler is None else sampler, random_state=0, **arguments
    )


class Stray(RandomOverSampler):
    """Takes rows of the other class for rare ones."""

    def _fit_resample(self, X, y, **params):
        new, classes = super()._fit_resample(X, y, **params)
        n_new = len(classes) - len(y)
        new[len(y) :] = X[y == 0][np.arange(n_new) % (y == 0).sum()]
        return new, classes


# --- what it trains on ------------------------------------------------------------------------------------


def test_no_amount_is_the_estimator_itself():
    model = augmented(amount="none", calibrate=None).fit(X, Y)
    expected = LogisticRegression().fit(X, Y).predict_proba(NEW)
    np.testing.assert_array_equal(model.predict_proba(NEW), expected)
    assert (model.n_synthetic_, model.amount_, len(model.estimators_)) == (0, "none", 1)


@pytest.mark.parametrize(("amount", "n"), [(0.5, 140), ("auto", 320), ("x3", 80), ({1: 60}, 20), (1.25, 410)])
def test_an_amount_is_that_of_the_sampler(amount, n):
    model = augmented(amount=amount, calibrate=None).fit(X, Y)
    assert model.n_synthetic_ == n
    assert model.amount_ == str(amount)


def test_a_sampler_of_imbalanced_learn_trains_the_same_classifier():
    model = augmented(GaussianNB(), Stray(), amount=1.0, calibrate=None).fit(X, Y)
    both, classes = Stray().fit_resample(X, Y)
    expected = GaussianNB().fit(both, classes)  # its rows do not depend on the seed
    np.testing.assert_allclose(model.predict_proba(NEW), expected.predict_proba(NEW))


def test_several_draws_are_averaged():
    model = augmented(amount=1.0, calibrate=None, n_draws=3).fit(X, Y)
    each = [estimator.predict_proba(NEW) for estimator in model.estimators_]
    assert len({tuple(p[:, 0]) for p in each}) == 3
    np.testing.assert_allclose(model.predict_proba(NEW), np.mean(each, axis=0))


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_raw_frames_of_any_library_and_diffusion(make):
    frame = mixed_table(120)
    y = np.where(np.arange(120) < 90, "no", "yes")
    model = augmented(BoostedTrees(5), quick(), amount=1.0).fit(make(frame), y)
    p = model.predict_proba(make(frame))
    assert p.shape == (120, 2)
    assert p.sum(axis=1) == pytest.approx(1)
    assert set(model.predict(make(frame))) <= {"no", "yes"}
    assert model.feature_names_in_.tolist() == list(frame)


def test_the_same_seed_gives_the_same_classifier():
    first, again = (augmented(sampler=quick()).fit(X, Y).predict_proba(NEW) for _ in range(2))
    np.testing.assert_array_equal(first, again)


# --- what it chooses --------------------------------------------------------------------------------------


def test_remedies_are_tried_and_those_without_weights_where_none_are_taken():
    names = [arm.name for arm in augmented(sampler=quick()).fit(X, Y).report_.arms]
    assert names == ["none", "x2", "ratio 0.3", "ratio 1", "light", "class weights"]
    names = [arm.name for arm in augmented(KNeighborsClassifier()).fit(X, Y).report_.arms]
    assert names == ["none", "x2", "ratio 0.3", "ratio 1"]


def test_what_is_presumed_is_what_was_measured():
    """A ratio of 0.3 helps with rows of diffusion; of other samplers that is not known."""

    def presumed(sampler, estimator=None):
        arms = augmented(estimator, sampler).fit(X, Y).report_.arms
        return [arm.name for arm in arms if arm.presumed]

    assert presumed(quick()) == ["ratio 0.3", "light"]
    assert presumed(quick(), KNeighborsClassifier()) == ["ratio 0.3"]
    assert presumed(RandomOverSampler()) == ["light"]


def test_the_amount_asked_for_is_said_to_be_so():
    model = augmented(amount=1.0).fit(X, Y)
    assert model.report_.reasons[0].startswith("1 amount of synthetic rows (1.0) was compared with 'none'")
    assert model.report_.reasons[1].startswith("'1.0' was asked for, which adds 320 rows.")
    assert not any("as a rule" in reason for reason in model.report_.reasons)


def test_rows_that_hurt_are_not_used():
    model = augmented(RandomForestClassifier(30, random_state=0), Stray()).fit(X, Y)
    assert model.n_synthetic_ == 0
    scores = model.report_.scores
    assert scores["ratio 1"].difference < -2 * scores["ratio 1"].difference_se
    fixed = augmented(RandomForestClassifier(30, random_state=0), Stray(), amount=1.0).fit(X, Y)
    assert fixed.n_synthetic_ == 320  # asked for, and told of
    assert fixed.report_.verdict == "hurts"


def test_weights_that_help_are_found():
    """A rule that only sees the shares of classes: the right threshold needs balanced ones."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [900, 100])
    x = rng.normal(size=(1000, 1)) + 2.5 * y[:, None]
    model = augmented(scoring="balanced_accuracy").fit(x, y)
    assert model.amount_ != "none"
    assert model.report_.verdict == "helps"


def test_too_few_rows_choose_nothing_and_say_so():
    y = np.repeat([0, 1], [57, 3])
    model = augmented(sampler=SMOTE(k_neighbors=1)).fit(X[-60:], y)
    assert (model.n_synthetic_, model.report_.verdict) == (0, "not assessable")
    assert "too few rows" in str(model.report_)
    assert model.calibration_.method == "none"


def test_three_classes_with_names():
    y = np.repeat(["a", "b", "c"], [280, 80, 40])
    model = augmented(sampler=quick()).fit(X, y)
    assert model.predict_proba(NEW).shape == (50, 3)
    assert model.classes_.tolist() == ["a", "b", "c"]


# --- probabilities ----------------------------------------------------------------------------------------


def test_the_prior_correction_undoes_the_balance():
    model = augmented(LogisticRegression(C=1e6), amount=1.0, calibrate="prior").fit(X, Y)
    raw = model.estimators_[0].predict_proba(NEW)
    expected = correct_prior(raw, [0.5, 0.5], [0.9, 0.1])
    np.testing.assert_allclose(model.predict_proba(NEW), expected)
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(0.1, abs=0.015)
    assert model.brier_scores_ == {}  # nothing was held out for it


@pytest.mark.parametrize("calibrate", ["auto", "sigmoid"])
def test_calibration_by_held_out_rows_repairs_and_keeps_the_ranking(calibrate):
    model = augmented(RandomForestClassifier(50, random_state=0), amount=1.0, calibrate=calibrate).fit(X, Y)
    assert model.brier_scores_[model.calibration_.method] <= model.brier_scores_["none"]
    raw, repaired = model.estimators_[0].predict_proba(NEW)[:, 1], model.predict_proba(NEW)[:, 1]
    order = np.argsort(raw)
    assert (np.diff(repaired[order]) >= -1e-12).all()


def test_none_leaves_probabilities_as_they_are():
    model = augmented(amount=1.0, calibrate=None).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(NEW), model.estimators_[0].predict_proba(NEW))


# --- beside scikit-learn ----------------------------------------------------------------------------------


def test_it_is_searched_over_and_thresholded():
    search = GridSearchCV(
        augmented(sampler=quick()), {"estimator__C": [0.1, 1.0], "amount": ["none", 0.5]}, cv=2
    )
    assert set(search.fit(X, Y).best_params_) == {"estimator__C", "amount"}
    tuned = TunedThresholdClassifierCV(augmented(amount=0.5), scoring="f1", cv=2).fit(X, Y)
    plain = augmented(amount=0.5).fit(X, Y)
    assert tuned.best_threshold_ < 0.5
    assert tuned.predict(X).sum() > plain.predict(X).sum()


def test_groups_and_time_are_kept_by_the_splitter():
    order = np.random.default_rng(0).permutation(N)
    groups = np.arange(N) // 20
    model = augmented(cv=GroupKFold(3)).fit(X[order], Y[order], groups=groups)
    assert model.report_.n_folds == 3
    assert augmented(cv=TimeSeriesSplit(3)).fit(X[order], Y[order]).report_.n_folds == 3
    with pytest.raises(ValueError, match="groups"):
        augmented(cv=GroupKFold(3)).fit(X, Y)


def test_weights_of_rows_count_in_training():
    weight = np.where(X[:, 0] > 0, 3.0, 1.0)
    model = augmented(amount="none", calibrate=None).fit(X, Y, sample_weight=weight)
    expected = LogisticRegression().fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(model.predict_proba(NEW), expected.predict_proba(NEW))
    assert augmented().fit(X, Y, sample_weight=weight).report_.verdict != "not assessable"


def test_weights_are_routed():
    weight = np.where(X[:, 0] > 0, 3.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = augmented(amount="none").set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=False)
        folds = StratifiedKFold(2)
        found = cross_validate(model, X, Y, cv=folds, params={"sample_weight": weight}, return_estimator=True)
    train, _ = next(folds.split(X, Y))
    expected = augmented(amount="none").fit(X[train], Y[train], sample_weight=weight[train])
    np.testing.assert_array_equal(found["estimator"][0].predict_proba(NEW), expected.predict_proba(NEW))


def test_one_generator_serves_every_classifier():
    """With the same seed a second search over classifiers finds the models of the first."""
    sampler = quick(random_state=7)
    first = sampler.row_source(X, Y, [(np.arange(0, N, 2), np.arange(1, N, 2))])
    again = clone(sampler).row_source(X, Y, [(np.arange(0, N, 2), np.arange(1, N, 2))])
    assert first.parts[0].generator.table is again.parts[0].generator.table


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (augmented(LinearSVC()), (X, Y), "predict_proba"),
        (augmented(amount="x0.5"), (X, Y), "x0.5"),
        (augmented(amount="some"), (X, Y), "Got 'some'"),
        (augmented(calibrate="platt"), (X, Y), "calibrate"),
        (augmented(), (X, Y[:-1]), "inconsistent numbers"),
        (augmented(), (X, np.column_stack([Y, Y])), "one class for each row"),
        (augmented(), (X, Y, np.full(N, -1.0)), "at least 0"),
        (augmented(), (X, Y, (Y == 0) * 1.0), "zero in all rows of class 1"),
    ],
)
def test_what_cannot_be_used_is_refused(model, arguments, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=message):
            model.fit(*arguments)


def test_what_is_passed_in_stays_as_it_is():
    frame, y = pd.DataFrame(X, columns=["a", "b"]), pd.Series(Y)
    before = frame.copy(), y.copy()
    augmented(sampler=quick()).fit(frame, y)
    pd.testing.assert_frame_equal(frame, before[0])
    pd.testing.assert_series_equal(y, before[1])
