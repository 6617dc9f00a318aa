"""Probabilities after resampling: the closed form, what a classifier saw, and what held-out rows teach."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.ensemble import BalancedRandomForestClassifier
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import ClusterCentroids, RandomUnderSampler, TomekLinks
from scipy.optimize import minimize
from scipy.special import expit, logit, softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline as plain_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import estimator_checks_generator

from tabdiff.calibration import PriorCorrection, correct_prior, fit_calibration
from tabdiff.errors import InputError

EVEN = np.array([0.5, 0.5])
RARE = np.array([0.9, 0.1])


def gaussians(n, share=0.1, seed=0):
    """Rows of N(0, 1) and, a share of them, N(2, 1); the classes; the true probability of the second."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) < round(n * share)).astype(int)
    x = rng.normal(2 * y)
    return x[:, None], y, posterior(x, share)


def posterior(x, share):
    """Bayes' rule for N(0, 1) and N(2, 1): the log of their ratio is 2x - 2."""
    return expit(2 * x - 2 + logit(share))


def two(p):
    return np.column_stack([1 - p, p])


# --- the closed form --------------------------------------------------------------------------------------


def test_odds_are_multiplied_by_the_ratio_of_the_prior_odds():
    # odds 1, 4 and 1/4, times (1/9) / (1/1)
    expected = [1 / 10, 4 / 13, 1 / 37]
    p = np.array([0.5, 0.8, 0.2])
    np.testing.assert_allclose(correct_prior(p, EVEN, RARE), expected, rtol=1e-14)
    np.testing.assert_allclose(correct_prior(two(p), EVEN, RARE), two(np.array(expected)), rtol=1e-14)


def test_three_classes_by_hand():
    # .2 * .6/.2 = .6, .5 * .3/.4 = .375, .3 * .1/.4 = .075; their sum is 1.05
    corrected = correct_prior([[0.2, 0.5, 0.3]], [0.2, 0.4, 0.4], [0.6, 0.3, 0.1])
    np.testing.assert_allclose(corrected, [[0.6 / 1.05, 0.375 / 1.05, 0.075 / 1.05]], rtol=1e-14)


def test_the_correction_turns_one_posterior_of_gaussians_into_the_other():
    x = np.linspace(-4, 6, 101)
    np.testing.assert_allclose(
        correct_prior(posterior(x, 0.5), EVEN, [0.97, 0.03]), posterior(x, 0.03), rtol=1e-9
    )


def test_certainty_stays_and_equal_priors_change_nothing():
    np.testing.assert_array_equal(correct_prior([0.0, 1.0], EVEN, RARE), [0, 1])
    certain = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(correct_prior(certain, [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]), certain)
    p = np.random.default_rng(0).uniform(size=50)
    np.testing.assert_array_equal(correct_prior(p, RARE, RARE), p)


def test_there_and_back_again():
    p = np.random.default_rng(1).dirichlet([1, 1, 1, 1], size=50)
    train, true = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.7, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(correct_prior(correct_prior(p, train, true), true, train), p, atol=1e-12)


@pytest.mark.parametrize("true", [RARE, RARE[::-1], [1 - 1e-6, 1e-6]])
def test_rounding_reverses_no_two_neighbours(true):
    near = np.array([0.3])
    while len(near) < 2000:
        near = np.append(near, np.nextafter(near[-1], 1))
    corrected = correct_prior(near, EVEN, true)
    assert (np.diff(corrected) >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, np.nan], EVEN, RARE), r"nan at \[1\]"),
        (([[0.5, 0.5], [-0.1, 1.1]], EVEN, RARE), r"-0\.1 at \[1, 0\]"),
        (([1.2], EVEN, RARE), r"1\.2"),
        (([[0.5, 0.4]], EVEN, RARE), "row 0 sum to 0.9"),
        (([[[0.5]]], EVEN, RARE), r"shape \(1, 1, 1\)"),
        ((["high"], EVEN, RARE), "Pass numbers"),
        (([0.5], [0.5, 0.3, 0.2], RARE), "prior_train has shape"),
        (([[0.2, 0.3, 0.5]], [0.2, 0.3, 0.5], RARE), "prior_true has shape"),
        (([0.5], [0.0, 1.0], RARE), "prior_train is"),
        (([0.5], EVEN, [0.5, 0.6]), "prior_true is"),
        (([0.5], EVEN, [0.5, np.nan]), "prior_true is"),
        (([0.5], EVEN, [-0.5, 1.5]), "positive"),
    ],
)
def test_what_is_no_probability_or_prior_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        correct_prior(*arguments)


# --- what a classifier saw --------------------------------------------------------------------------------


# what `parametrize_with_checks` runs; it hands pytest a generator, of which pytest 9 warns
CHECKS = [
    pytest.param(estimator, check, id=f"{number}-{check.func.__name__}")
    for number, (estimator, check) in enumerate(
        estimator_checks_generator(PriorCorrection(LogisticRegression()))
    )
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


N_REAL = {0: 160, 1: 40}


@pytest.fixture(scope="module")
def table():
    X, y, _ = gaussians(200, 0.2)
    return np.column_stack([X, np.random.default_rng(5).normal(size=200)]), y


SEEN = {
    "nothing": (LogisticRegression(), [0.8, 0.2]),
    "smote": (make_pipeline(SMOTE(random_state=0), LogisticRegression()), [0.5, 0.5]),
    "smote to a third": (
        make_pipeline(StandardScaler(), SMOTE(sampling_strategy=0.5, random_state=0), GaussianNB()),
        [2 / 3, 1 / 3],
    ),
    "under-sampling": (make_pipeline(RandomUnderSampler(random_state=0), GaussianNB()), [0.5, 0.5]),
    "under-sampling to counts": (
        make_pipeline(RandomUnderSampler(sampling_strategy={0: 60}, random_state=0), GaussianNB()),
        [0.6, 0.4],
    ),
    "centroids": (
        make_pipeline(ClusterCentroids(sampling_strategy={0: 10, 1: 30}, random_state=0), GaussianNB()),
        [0.25, 0.75],
    ),
    "over, then under": (
        make_pipeline(
            SMOTE(sampling_strategy={1: 80}, random_state=0),
            RandomUnderSampler(sampling_strategy={0: 120}, random_state=0),
            GaussianNB(),
        ),
        [0.6, 0.4],
    ),
    "balanced": (LogisticRegression(class_weight="balanced"), [0.5, 0.5]),
    "weights": (DecisionTreeClassifier(class_weight={1: 2}), [160 / 240, 80 / 240]),
    "weights after sampling": (
        make_pipeline(RandomOverSampler(random_state=0), LogisticRegression(class_weight={0: 3})),
        [0.75, 0.25],
    ),
    "priors": (GaussianNB(priors=[0.3, 0.7]), [0.3, 0.7]),
    "search": (
        GridSearchCV(make_pipeline(SMOTE(random_state=0), LogisticRegression()), {"smote__k_neighbors": [3]}),
        [0.5, 0.5],
    ),
    "pipeline in a pipeline": (
        plain_pipeline(StandardScaler(), make_pipeline(SMOTE(random_state=0), LogisticRegression())),
        [0.5, 0.5],
    ),
    "calibrated on real rows": (
        CalibratedClassifierCV(make_pipeline(SMOTE(random_state=0), LogisticRegression()), cv=2),
        [0.8, 0.2],
    ),
    "corrected already": (
        PriorCorrection(LogisticRegression(class_weight="balanced"), prior_true=[0.7, 0.3]),
        [0.7, 0.3],
    ),
}


def test_xgboosts_weight_of_positive_rows_is_seen(table):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=2, n_jobs=1, scale_pos_weight=6)
    np.testing.assert_allclose(PriorCorrection(model).fit(*table).prior_train_, [160 / 400, 240 / 400])


def test_a_class_without_weight_is_refused(table):
    X, y = table
    with pytest.raises(InputError, match=r"sample_weight gives the classes \[0, 1\]"):
        PriorCorrection(GaussianNB()).fit(X, y, sample_weight=1.0 - y)


@pytest.mark.parametrize(("estimator", "expected"), SEEN.values(), ids=SEEN)
def test_what_the_classifier_saw_is_found(estimator, expected, table):
    fitted = PriorCorrection(estimator).fit(*table)
    np.testing.assert_allclose(fitted.prior_train_, expected, rtol=1e-12)
    np.testing.assert_allclose(fitted.prior_true_, [0.8, 0.2], rtol=1e-12)


def test_rows_dropped_by_a_cleaning_sampler_are_counted(table):
    X, y = table
    _, kept = TomekLinks().fit_resample(X, y)
    fitted = PriorCorrection(make_pipeline(TomekLinks(), GaussianNB())).fit(X, y)
    assert len(kept) < len(y)
    np.testing.assert_allclose(fitted.prior_train_, np.bincount(kept) / len(kept), rtol=1e-12)


UNKNOWN = {
    "smote-enn": (make_pipeline(SMOTEENN(random_state=0), GaussianNB()), "SMOTEENN"),
    "smote-tomek by counts": (
        make_pipeline(SMOTETomek(sampling_strategy={1: 100}, random_state=0), GaussianNB()),
        "SMOTETomek",
    ),
    "cleaning after sampling": (
        make_pipeline(SMOTE(random_state=0), TomekLinks(), GaussianNB()),
        "TomekLinks",
    ),
    "several": (
        VotingClassifier([("a", make_pipeline(SMOTE(), GaussianNB())), ("b", GaussianNB())], voting="soft"),
        "several classifiers",
    ),
    "several weighted": (
        VotingClassifier([("a", LogisticRegression(class_weight="balanced"))], voting="soft"),
        "a__class_weight",
    ),
    "resamples itself": (
        BalancedRandomForestClassifier(5, sampling_strategy="all", replacement=True, bootstrap=False),
        "sampling_strategy",
    ),
}


@pytest.mark.parametrize(("estimator", "message"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_known_is_asked_for(estimator, message, table):
    with pytest.raises(InputError, match=f"(?s){message}.*Pass prior_train"):
        PriorCorrection(estimator).fit(*table)
    assert PriorCorrection(estimator, prior_train=EVEN).fit(*table).prior_train_.tolist() == [0.5, 0.5]


def test_a_frozen_classifier_learned_from_other_rows(table):
    frozen = FrozenEstimator(LogisticRegression().fit(*table))
    with pytest.raises(InputError, match="frozen"):
        PriorCorrection(frozen).fit(*table)


def test_priors_of_naive_bayes_are_exchanged_exactly(table):
    """Its means and variances do not depend on its priors, so that the other fit is the exact answer."""
    X, y = table
    corrected = PriorCorrection(GaussianNB(priors=[0.5, 0.5]), prior_true={1: 0.03, 0: 0.97}).fit(X, y)
    expected = GaussianNB(priors=[0.97, 0.03]).fit(X, y)
    np.testing.assert_allclose(corrected.predict_proba(X), expected.predict_proba(X), rtol=1e-9)
    np.testing.assert_array_equal(corrected.predict(X), expected.predict(X))


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(RandomOverSampler(random_state=0), LogisticRegression(C=np.inf)),
        LogisticRegression(C=np.inf, class_weight="balanced"),
    ],
    ids=["duplicates", "weights"],
)
def test_duplicated_rows_give_the_probabilities_of_the_real_ones(estimator):
    """The logistic model is right here, so both fits go to the same law: .02 allows for 20,000 rows."""
    X, y, true = gaussians(20_000)
    corrected = PriorCorrection(estimator).fit(X, y).predict_proba(X)[:, 1]
    real = LogisticRegression(C=np.inf).fit(X, y).predict_proba(X)[:, 1]
    raised = estimator.fit(X, y).predict_proba(X)[:, 1]
    assert abs(corrected - real).max() < 0.02
    assert abs(corrected - true).max() < 0.03
    assert abs(raised - real).max() > 0.4
    assert average_precision_score(y, corrected) == average_precision_score(y, raised)


@pytest.mark.parametrize("name", ["prior_train", "prior_true"])
def test_priors_may_be_given_by_class(name, table):
    X, y = table
    labels = np.array(["no", "yes"])[y]
    fitted = PriorCorrection(GaussianNB(), **{name: {"yes": 0.25, "no": 0.75}}).fit(X, labels)
    assert getattr(fitted, f"{name}_").tolist() == [0.75, 0.25]
    assert set(fitted.predict(X)) <= {"no", "yes"}


def test_labels_of_words_are_found_in_the_sampler(table):
    X, y = table
    fitted = PriorCorrection(SEEN["over, then under"][0])
    with pytest.raises(ValueError, match="target"):  # its strategy names 0 and 1
        fitted.fit(X, np.array(["no", "yes"])[y])
    smote = make_pipeline(SMOTE(sampling_strategy=0.5, random_state=0), GaussianNB())
    fitted = PriorCorrection(smote).fit(X, pd.Series(np.array(["no", "yes"])[y], dtype="category"))
    np.testing.assert_allclose(fitted.prior_train_, [2 / 3, 1 / 3])


def test_weights_of_rows_count_in_both_priors(table):
    X, y = table
    weight = np.where(y == 1, 2.0, 1.0)
    plain = PriorCorrection(GaussianNB()).fit(X, y, sample_weight=weight)
    piped = PriorCorrection(plain_pipeline(StandardScaler(), GaussianNB()))
    piped.fit(X, y, gaussiannb__sample_weight=weight)
    for fitted in (plain, piped):
        np.testing.assert_allclose(fitted.prior_true_, [160 / 240, 80 / 240])
        np.testing.assert_allclose(fitted.prior_train_, [160 / 240, 80 / 240])
    with pytest.raises(InputError, match="sample_weight that differs by class"):
        PriorCorrection(LogisticRegression(class_weight="balanced")).fit(X, y, sample_weight=weight)
    even = PriorCorrection(LogisticRegression(class_weight="balanced"))
    np.testing.assert_allclose(even.fit(X, y, sample_weight=np.full(200, 3.0)).prior_train_, EVEN)
    with pytest.raises(InputError, match="differ"):
        piped.fit(X, y, standardscaler__sample_weight=np.ones(200), gaussiannb__sample_weight=weight)


def test_metadata_is_routed_to_the_estimator(table):
    X, y = table
    weight = np.where(y == 1, 2.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        asks = PriorCorrection(GaussianNB().set_fit_request(sample_weight=True))
        np.testing.assert_allclose(asks.fit(X, y, sample_weight=weight).prior_true_, [2 / 3, 1 / 3])
        expected = GaussianNB().fit(X, y, sample_weight=weight).theta_
        np.testing.assert_array_equal(asks.estimator_.theta_, expected)
        with pytest.raises(ValueError, match="sample_weight"):
            PriorCorrection(GaussianNB()).fit(X, y, sample_weight=weight)


def test_frames_go_straight_to_the_estimator(table):
    X, y = table
    frames = pd.DataFrame(X, columns=["a", "b"]), pl.DataFrame(X, schema=["a", "b"])
    expected = PriorCorrection(HistGradientBoostingClassifier(max_iter=5)).fit(X, y)
    for frame in frames:
        fitted = PriorCorrection(HistGradientBoostingClassifier(max_iter=5)).fit(frame, pl.Series(y))
        np.testing.assert_array_equal(fitted.predict_proba(frame), expected.predict_proba(X))
        assert fitted.n_features_in_ == 2
    named = PriorCorrection(GaussianNB()).fit(frames[0], y)
    assert named.feature_names_in_.tolist() == ["a", "b"]
    assert not hasattr(named.fit(X, y), "feature_names_in_")


@pytest.mark.parametrize(
    ("estimator", "arguments", "message"),
    [
        (LinearSVC(), {}, "no predict_proba"),
        (GaussianNB(), {"prior_train": "balanced"}, "prior_train is 'balanced'"),
        (GaussianNB(), {"prior_true": [0.2, 0.3, 0.5]}, "prior_true has shape"),
        (GaussianNB(), {"prior_true": {0: 0.5, 2: 0.5}}, r"names the classes \[0, 2\]"),
        (GaussianNB(), {"prior_train": [0.5, 0.6]}, "sum to 1"),
    ],
)
def test_priors_that_do_not_fit_are_refused(estimator, arguments, message, table):
    with pytest.raises(InputError, match=message):
        PriorCorrection(estimator, **arguments).fit(*table)


# --- learned from held-out rows ---------------------------------------------------------------------------


def held_out(n=2000, share=0.1, seed=0):
    """True probabilities (n,) of the second class and classes drawn from them."""
    _, _, p = gaussians(n, share, seed)
    return p, (np.random.default_rng(seed + 1).uniform(size=n) < p).astype(int)


def platt_loss(parameters, z, codes, weight):
    """Minus the log-likelihood with Platt's targets (1999, section 2.2)."""
    n = np.bincount(codes, weight)
    target = np.where(codes == 1, (n[1] + 1) / (n[1] + 2), 1 / (n[0] + 2))
    x = parameters[0] * z + parameters[1]
    return np.sum(weight * (np.logaddexp(0, x) - target * x))


@pytest.mark.parametrize("weighted", [False, True])
def test_sigmoid_is_the_maximum_of_platts_likelihood(weighted):
    p, codes = held_out()
    z = 0.5 * logit(p) + 1.5
    weight = np.random.default_rng(3).uniform(0.5, 1.5, len(p)) if weighted else np.ones(len(p))
    weight /= weight.mean()
    calibration, _ = fit_calibration(
        "sigmoid", two(expit(z)), codes, EVEN, RARE, 10 * weight if weighted else None
    )
    best = minimize(platt_loss, [1, 0], args=(z, codes, weight), tol=1e-10).x
    expected = expit(best[0] * z + best[1])
    np.testing.assert_allclose(calibration.apply(two(expit(z)))[:, 1], expected, atol=1e-5)
    assert best[0] == pytest.approx(2, abs=0.2)  # undoes the halved slope


def test_sigmoid_of_three_classes_is_the_maximum_of_its_likelihood():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([2, 1, 1], size=600)
    codes = np.array([rng.choice(3, p=row) for row in softmax(1.5 * np.log(p) + [0, 1, -1], axis=1)])
    n = np.bincount(codes)[codes, None]
    targets = (np.eye(3)[codes] * n + 1) / (n + 3)

    def loss(parameters):
        x = np.log(p) @ parameters[:9].reshape(3, 3).T + parameters[9:]
        return -np.sum(targets * (x - np.logaddexp.reduce(x, axis=1)[:, None]))

    best = minimize(loss, np.concatenate([np.eye(3).ravel(), np.zeros(3)]), tol=1e-8).x
    expected = softmax(np.log(p) @ best[:9].reshape(3, 3).T + best[9:], axis=1)
    third = np.full(3, 1 / 3)
    calibration, _ = fit_calibration("sigmoid", p, codes, third, third)
    np.testing.assert_allclose(calibration.apply(p), expected, atol=1e-3)


def test_sigmoid_keeps_the_order_of_a_classifier_that_is_wrong():
    p, codes = held_out()
    calibration, _ = fit_calibration("sigmoid", two(1 - p), codes, EVEN, RARE)
    calibrated = calibration.apply(two(1 - p))[:, 1]
    np.testing.assert_array_equal(np.argsort(calibrated), np.argsort(1 - p))
    z = logit(1 - p)
    shift = minimize(lambda b: platt_loss([1, b[0]], z, codes, np.ones(len(p))), [0], tol=1e-10).x[0]
    np.testing.assert_allclose(calibrated, expit(z + shift), atol=1e-5)


@pytest.mark.parametrize("how", ["none", "prior", "sigmoid"])
@pytest.mark.parametrize("steep", [0.3, 1, 5])
def test_the_order_of_two_classes_is_kept(how, steep):
    p, codes = held_out()
    calibration, _ = fit_calibration(how, two(expit(logit(p) / steep)), codes, EVEN, RARE)
    tails = 10.0 ** -np.arange(1, 12)
    q = np.sort(np.concatenate([[0, 1, 1e-300, 1e-100, 1e-30], tails, 1 - tails, p]))
    calibrated = calibration.apply(two(q))[:, 1]
    assert (np.diff(calibrated) > 0).all()
    assert calibrated.min() >= 0
    assert calibrated.max() <= 1


def test_separated_rows_do_not_drive_the_sigmoid_to_certainty():
    p = np.concatenate([np.full(50, 0.1), np.full(50, 0.9)])
    calibration, _ = fit_calibration("sigmoid", two(p), np.repeat([0, 1], 50), EVEN, EVEN)
    # Platt's targets, which two values can meet exactly
    np.testing.assert_allclose(calibration.apply(two(p))[[0, -1], 1], [1 / 52, 51 / 52], rtol=1e-5)


def test_one_row_of_no_probability_does_not_rule_the_sigmoid():
    p, codes = held_out()
    wrong = np.append(p, 0)
    calibration, _ = fit_calibration("sigmoid", two(wrong), np.append(codes, 1), EVEN, RARE)
    assert abs(calibration.apply(two(p))[:, 1] - p).max() < 0.08


def test_isotonic_is_scikit_learns():
    p, codes = held_out()
    weight = np.random.default_rng(4).uniform(0.1, 2, len(p))
    calibration, _ = fit_calibration("isotonic", two(p), codes, EVEN, RARE, weight)
    expected = IsotonicRegression(out_of_bounds="clip").fit(p, codes, sample_weight=weight).predict(p)
    np.testing.assert_allclose(calibration.apply(two(p))[:, 1], expected, atol=1e-12)
    np.testing.assert_array_equal(calibration.apply([[1, 0], [0, 1]]), two(np.array([expected.min(), 1])))


def test_isotonic_of_three_classes_by_hand():
    p = np.array([[0.6, 0.2, 0.2], [0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]] * 2)
    codes = np.array([0, 1, 1, 1, 2] * 2)
    third = np.full(3, 1 / 3)
    calibration, _ = fit_calibration("isotonic", p, codes, third, third)
    # alone: first 0 or 1/2, second 1/2 (of .2: two of six) or 1, third 0 or 1
    first, second, third_class = (1 / 2, 1 / 3, 0), (0, 1, 0), (0, 1 / 3, 1)
    expected = [np.array(row) / np.sum(row) for row in (first, second, third_class)]
    np.testing.assert_allclose(calibration.apply(p[[0, 2, 4]]), expected, atol=1e-12)


def test_isotonic_leaves_a_row_that_it_gives_to_no_class():
    # the line of each class is 0 up to .4 and 1 from .55
    p = np.array([[0.55, 0.4, 0.05], [0.05, 0.55, 0.4], [0.4, 0.05, 0.55]] * 2)
    third = np.full(3, 1 / 3)
    calibration, _ = fit_calibration("isotonic", p, np.array([0, 1, 2] * 2), third, third)
    rows = np.array([[0.3, 0.32, 0.38], [0.1, 0.6, 0.3]])
    np.testing.assert_array_equal(calibration.apply(rows), [rows[0], [0, 1, 0]])


# --- the choice -------------------------------------------------------------------------------------------


def test_auto_leaves_calibrated_probabilities_alone():
    p, codes = held_out()
    calibration, scores = fit_calibration("auto", two(p), codes, RARE, RARE)
    assert calibration.method == "none"
    assert set(scores) == {"none", "sigmoid"}
    assert scores["none"] == pytest.approx(brier_score_loss(codes, p), rel=1e-12)
    np.testing.assert_array_equal(calibration.apply(two(p)), two(p))


def test_auto_takes_the_closed_form_where_only_the_shares_differ():
    p, codes = held_out()
    raised = correct_prior(two(p), RARE, EVEN)
    calibration, scores = fit_calibration("auto", raised, codes, EVEN, RARE)
    assert calibration.method == "prior"
    assert set(scores) == {"none", "prior", "sigmoid"}
    assert scores["prior"] < 0.7 * scores["none"]
    np.testing.assert_allclose(calibration.apply(raised), two(p), atol=1e-12)
    assert average_precision_score(codes, calibration.apply(raised)[:, 1]) == average_precision_score(
        codes, raised[:, 1]
    )


def test_auto_learns_what_the_closed_form_cannot_repair():
    p, codes = held_out()
    extreme = two(expit(3 * logit(p) + 4))
    calibration, scores = fit_calibration("auto", extreme, codes, EVEN, RARE)
    assert calibration.method == "sigmoid"
    assert scores["sigmoid"] < 0.9 * min(scores["none"], scores["prior"])
    fresh, fresh_codes = held_out(seed=7)
    before = brier_score_loss(fresh_codes, expit(3 * logit(fresh) + 4))
    after = brier_score_loss(fresh_codes, calibration.apply(two(expit(3 * logit(fresh) + 4)))[:, 1])
    assert after < 0.7 * before


def test_scores_of_three_classes_sum_over_the_classes():
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2]])
    third = np.full(3, 1 / 3)
    _, scores = fit_calibration(None, p, np.array([0, 1, 2, 0]), third, third)
    # .25+.09+.04, .01+.04+.01, .04+.04+.16, .36+.16+.04
    assert scores == {"none": pytest.approx((0.38 + 0.06 + 0.24 + 0.56) / 4)}


def test_weights_make_rows_count_as_often():
    p, codes = held_out(400)
    twice = np.where(np.arange(400) < 100, 2.0, 1.0)
    copied = np.concatenate([np.arange(400), np.arange(100)])
    weighted, scores = fit_calibration("sigmoid", two(p), codes, EVEN, RARE, twice)
    _, copied_scores = fit_calibration("none", two(p[copied]), codes[copied], EVEN, RARE)
    assert scores["none"] == pytest.approx(copied_scores["none"], rel=1e-12)
    without, _ = fit_calibration("sigmoid", two(p[100:]), codes[100:], EVEN, RARE)
    zero, _ = fit_calibration("sigmoid", two(p), codes, EVEN, RARE, np.repeat([0, 1], [100, 300]))
    np.testing.assert_allclose(zero.apply(two(p)), without.apply(two(p)), atol=1e-6)
    assert abs(weighted.apply(two(p)) - without.apply(two(p))).max() > 1e-3


def test_with_one_row_of_a_class_only_the_closed_form_remains():
    p = np.array([0.1, 0.2, 0.3, 0.9])
    codes = np.array([0, 0, 0, 1])
    shifted, scores = fit_calibration("auto", two(p), codes, EVEN, RARE)
    assert (shifted.method, set(scores)) == ("prior", {"none", "prior"})
    assert fit_calibration("auto", two(p), codes, RARE, RARE)[0].method == "none"
    for how in ("sigmoid", "isotonic"):
        with pytest.raises(InputError, match="rarest has 1"):
            fit_calibration(how, two(p), codes, EVEN, RARE)


def test_rows_without_weight_are_no_rows():
    p, codes = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1])
    with pytest.raises(InputError, match="rarest has 1"):
        fit_calibration("sigmoid", two(p), codes, EVEN, RARE, [1, 1, 1, 0])


def test_two_rows_of_a_class_are_enough_for_two_folds():
    p = np.array([0.1, 0.2, 0.3, 0.6, 0.9])
    _, scores = fit_calibration("auto", two(p), np.array([0, 0, 0, 1, 1]), EVEN, RARE)
    assert set(scores) == {"none", "prior", "sigmoid"}


def test_the_seed_decides_the_folds():
    p, codes = held_out(300)
    scores = [fit_calibration("sigmoid", two(p), codes, EVEN, RARE, seed=s)[1]["sigmoid"] for s in (1, 1, 2)]
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"how": "platt"}, "calibration is 'platt'"),
        ({"probabilities": np.array([0.1, 0.9])}, r"shape \(2,\)"),
        ({"probabilities": np.array([[0.5, 0.5], [np.nan, 1]])}, "nan"),
        ({"codes": np.array([0, 2])}, "codes go from 0 to 2"),
        ({"codes": np.array([0.0, 1.0])}, "type float64"),
        ({"codes": np.array([0, 1, 1])}, r"codes have shape \(3,\)"),
        ({"weight": np.array([1.0, -1.0])}, "weight"),
        ({"weight": np.array([0.0, 0.0])}, "not all 0"),
        ({"prior_true": np.array([1.0, 0.0])}, "prior_true is"),
    ],
)
def test_held_out_rows_that_do_not_fit_together_are_refused(changed, message):
    good = {
        "how": "none",
        "probabilities": two(np.array([0.1, 0.9])),
        "codes": np.array([0, 1]),
        "prior_train": EVEN,
        "prior_true": RARE,
    }
    with pytest.raises(InputError, match=message):
        fit_calibration(**good | changed)


def test_neighbours_that_vote_all_one_way_are_calibrated_too():
    """Probabilities of exactly 0 and 1 with the other class among them neither fail nor rule the fit."""
    X, y, _ = gaussians(3000)
    fitted = KNeighborsClassifier(3).fit(*RandomOverSampler(random_state=0).fit_resample(X[::2], y[::2]))
    raised = fitted.predict_proba(X[1::2])
    assert {0.0, 1.0} <= set(raised[:, 1])
    calibration, scores = fit_calibration("auto", raised, y[1::2], EVEN, RARE)
    assert calibration.method == "sigmoid"
    assert scores["sigmoid"] < 0.8 * scores["prior"]
