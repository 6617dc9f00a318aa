"""Utility inside scikit-learn's searches: synthesizers by what they teach, samplers by what they add."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, make_scorer
from sklearn.model_selection import GridSearchCV, cross_validate

from tabdiff.datasets import make_transactions
from tabdiff.errors import InputError
from tabdiff.evaluation.utility import ResampledRows, make_augmentation_scorer, tstr_score, tstr_scorer

TEST, FRESH = (make_transactions(2_000, seed, fraud_rate=0.05) for seed in (0, 1))
COLUMNS = ["amount", "hour", "s1", "s2", "merchant", "region", "fraud"]


class Bootstrap(BaseEstimator):
    """Synthesizer for tests: train rows again, a share of the columns shuffled."""

    def __init__(self, shuffled=0.0):
        self.shuffled = shuffled

    def fit(self, X, y=None):
        self.rows_ = X
        return self

    def sample(self, n):
        rng = np.random.default_rng(0)
        rows = self.rows_.iloc[rng.integers(len(self.rows_), size=n)].reset_index(drop=True)
        broken = rows.columns[: round(self.shuffled * len(rows.columns))]
        return rows.assign(**{name: rng.permutation(rows[name].to_numpy()) for name in broken})


def test_the_score_of_fresh_rows_is_high_and_of_independent_columns_the_base_rate():
    rng = np.random.default_rng(0)
    broken = FRESH.apply(lambda column: rng.permutation(column.to_numpy()))
    assert tstr_score(TEST, FRESH, "fraud") > 0.6
    assert tstr_score(TEST, broken, "fraud") == pytest.approx(TEST["fraud"].mean(), abs=0.06)


def test_rows_without_any_fraud_score_the_base_rate():
    assert tstr_score(TEST, FRESH[FRESH["fraud"] == 0], "fraud") == pytest.approx(TEST["fraud"].mean())


def test_numbers_and_classes_have_metrics_of_their_own():
    assert tstr_score(TEST, FRESH, "balance", metric="r2") > 0.5
    with pytest.raises(InputError, match="pass 'average_precision'"):
        tstr_score(TEST, FRESH, "fraud", metric="r2")
    with pytest.raises(InputError, match="pass 'r2'"):
        tstr_score(TEST, FRESH, "balance")
    with pytest.raises(InputError, match="Known"):
        tstr_score(TEST, FRESH, "fraud", metric="accuracy")


def test_the_positive_class_can_be_the_common_one():
    assert tstr_score(TEST, FRESH, "fraud", positive=0) > 0.95


def test_a_search_over_synthesizers_finds_the_one_that_keeps_relations():
    scorer = pickle.loads(pickle.dumps(tstr_scorer("fraud", positive=1)))
    search = GridSearchCV(Bootstrap(), {"shuffled": [0.0, 0.5, 1.0]}, scoring=scorer, cv=2)
    search.fit(TEST[COLUMNS])
    assert search.best_params_ == {"shuffled": 0.0}
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] > scores[1] > scores[2]


def test_cross_validation_takes_the_scorer_and_the_number_of_rows():
    scorer = tstr_scorer("fraud", positive=1, n_rows=1_500)
    scores = cross_validate(Bootstrap(), TEST[COLUMNS], scoring=scorer, cv=2)["test_score"]
    assert (scores > 0.4).all()


# --- samplers ---


def a_problem(n=1500):
    return make_classification(n, 6, n_informative=4, weights=[0.93], flip_y=0.02, random_state=0)


def test_the_gain_of_a_sampler_is_the_score_with_it_minus_that_without():
    x, y = a_problem()
    rows = ResampledRows(RandomOverSampler(random_state=0)).fit(x[:1000], y[:1000])
    model = LogisticRegression()

    def score(some_x, some_y):
        answer = model.fit(some_x, some_y).predict_proba(x[1000:])[:, 1]
        return average_precision_score(y[1000:], answer)

    plain = score(x[:1000], y[:1000])
    helped = score(*RandomOverSampler(random_state=0).fit_resample(x[:1000], y[:1000]))
    gain = make_augmentation_scorer(model)(rows, x[1000:], y[1000:])
    assert gain == pytest.approx(helped - plain)
    assert make_augmentation_scorer(model, baseline=False)(rows, x[1000:], y[1000:]) == pytest.approx(helped)


def test_a_search_over_sampler_settings_orders_them_alike_with_and_without_baseline():
    x, y = a_problem()
    model = HistGradientBoostingClassifier(max_iter=15, random_state=0)
    grid = {"sampler__sampling_strategy": [0.15, 1.0], "sampler__k_neighbors": [1, 5]}
    ranks = []
    for baseline in (True, False):
        scorer = make_augmentation_scorer(model, baseline=baseline)
        search = GridSearchCV(ResampledRows(SMOTE(random_state=0)), grid, scoring=scorer, cv=3).fit(x, y)
        ranks.append(search.cv_results_["rank_test_score"].tolist())
        assert hasattr(search.best_estimator_, "sampler_")
    assert ranks[0] == ranks[1]
    assert abs(search.best_score_) > 0.3  # a score, not a gain


def test_a_sampler_that_adds_nothing_gains_nothing():
    x, y = a_problem(600)
    grid = {"sampler__sampling_strategy": [{}]}
    scorer = make_augmentation_scorer(LogisticRegression())
    search = GridSearchCV(ResampledRows(RandomOverSampler()), grid, scoring=scorer, cv=2).fit(x, y)
    assert search.best_score_ == 0


def test_validation_rows_never_reach_the_sampler():
    """Labels are noise, so that only a leak could lift the score above the base rate."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(800, 4)), (rng.random(800) < 0.1).astype(int)
    scorer = make_augmentation_scorer(HistGradientBoostingClassifier(max_iter=20), baseline=False)
    grid = {"sampler__sampling_strategy": [1.0]}
    search = GridSearchCV(ResampledRows(SMOTE(random_state=0)), grid, scoring=scorer, cv=3).fit(x, y)
    assert search.best_score_ < 0.25


def test_any_scorer_serves_as_metric():
    x, y = a_problem(600)
    labels = np.where(y == 1, "yes", "no")
    metric = make_scorer(average_precision_score, pos_label="yes", response_method="predict_proba")
    rows = ResampledRows(SMOTE(random_state=0)).fit(x[:400], labels[:400])
    gain = make_augmentation_scorer(LogisticRegression(), metric)(rows, x[400:], labels[400:])
    by_number = ResampledRows(SMOTE(random_state=0)).fit(x[:400], y[:400])
    assert gain == pytest.approx(make_augmentation_scorer(LogisticRegression())(by_number, x[400:], y[400:]))


def test_frames_stay_frames_and_the_wrapper_resamples_like_its_sampler():
    x, y = a_problem(300)
    frame = pd.DataFrame(x)
    ours = ResampledRows(RandomOverSampler(random_state=0)).fit_resample(frame, y)
    theirs = RandomOverSampler(random_state=0).fit_resample(frame, y)
    pd.testing.assert_frame_equal(ours[0], theirs[0])
    assert (ours[1] == theirs[1]).all()


def test_a_bare_sampler_is_refused_with_what_to_do():
    x, y = a_problem(300)
    with pytest.raises(InputError, match=r"ResampledRows\(sampler\)"):
        make_augmentation_scorer(LogisticRegression())(SMOTE().fit(x, y), x, y)
