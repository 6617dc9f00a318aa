"""`DiffusionOverSampler` on series: exact counts, untouched originals, the same container, pipelines."""

import copy

import numpy as np
import pytest
from imblearn.pipeline import make_pipeline
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import FunctionTransformer

from tabdiff import DiffusionOverSampler
from tabdiff.errors import InputError, SmallClassWarning
from tabdiff.frames.cases import read_cases
from tabdiff.imbalance.series import series_source
from tabdiff.tables import TableConfig

N, N_RARE, LENGTH = 60, 35, 24
Y = np.repeat(["slow", "fast"], [N, N_RARE])
SHUFFLED = np.random.default_rng(9).permutation(N + N_RARE)


def sines(n, frequency, number=0, n_channels=1):
    """Sines of random phases with a little noise: (n, n_channels, LENGTH)."""
    rng = np.random.default_rng(number)
    phase = rng.random((n, n_channels, 1))
    return np.sin(2 * np.pi * (frequency * np.arange(LENGTH) / LENGTH + phase)) + rng.normal(
        0, 0.05, (n, n_channels, LENGTH)
    )


def data(n_channels=1):
    """Two classes of sines of different frequency, in mixed order."""
    X = np.concatenate([sines(N, 1, 0, n_channels), sines(N_RARE, 4, 1, n_channels)])
    return X[SHUFFLED], Y[SHUFFLED]


def unequal():
    """The same cases, cut to lengths of 8 to 24: the rare ones to even lengths, the others to odd ones."""
    X, y = data(2)
    rng = np.random.default_rng(3)
    return [x[:, : 2 * rng.integers(4, 12) + (label == "slow")] for x, label in zip(X, y, strict=True)], y


def sampler(**arguments):
    return DiffusionOverSampler(**{"random_state": 0, "max_steps": 2, "sampling_steps": 2} | arguments)


@pytest.fixture(scope="module")
def resampled():
    X, y = data()
    resampler = sampler()
    return resampler, *resampler.fit_resample(X, y)


# --- what comes out ---------------------------------------------------------------------------------------


def test_originals_come_first_and_classes_are_balanced(resampled):
    _, X_res, y_res = resampled
    X, y = data()
    assert X_res.shape == (2 * N, 1, LENGTH)
    assert X_res.dtype == X.dtype
    assert X_res[: len(X)].tobytes() == X.tobytes()
    assert y_res[: len(y)].tolist() == y.tolist()
    assert y_res[len(y) :].tolist() == ["fast"] * (N - N_RARE)
    assert y_res.dtype == y.dtype
    assert np.isfinite(X_res).all()


def test_attributes_tell_what_was_added(resampled):
    resampler = resampled[0]
    assert resampler.sampling_strategy_ == {"fast": 25}
    assert resampler.n_synthetic_ == 25
    assert resampler.synthetic_mask_.tolist() == [False] * (N + N_RARE) + [True] * 25
    assert resampler.model_.history.n_steps == 2
    assert resampler.n_features_in_ == 1
    assert resampler.generator_ is None
    assert resampler.report_ is None


def test_new_series_are_new(resampled):
    X_res = resampled[1].reshape(2 * N, -1)
    assert len(np.unique(X_res, axis=0)) == 2 * N


def test_the_seed_decides(resampled):
    X, y = data()
    np.testing.assert_array_equal(sampler().fit_resample(X, y)[0], resampled[1])
    assert not np.array_equal(sampler(random_state=1).fit_resample(X, y)[0], resampled[1])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"sampling_strategy": 0.75}, {"slow": 0, "fast": 10}),
        ({"sampling_strategy": {"slow": 61, "fast": 37}}, {"slow": 1, "fast": 2}),
        ({"sampling_strategy": "x1.2"}, {"slow": 0, "fast": 7}),
        ({"n_synthetic": {"slow": 2}}, {"slow": 2, "fast": 0}),
    ],
)
def test_amounts_are_those_of_tables(arguments, expected):
    X, y = data()
    X_res, y_res = sampler(**arguments).fit_resample(X, y)
    assert {label: int((y_res == label).sum() - (y == label).sum()) for label in expected} == expected
    # class by class, in sorted order
    assert y_res[len(y) :].tolist() == ["fast"] * expected["fast"] + ["slow"] * expected["slow"]
    assert len(X_res) == len(y_res)


def test_nothing_is_learned_if_nothing_is_asked():
    X, y = data()
    resampler = sampler(n_synthetic=0)
    X_res, y_res = resampler.fit_resample(X, y)
    np.testing.assert_array_equal(X_res, X)
    assert y_res.tolist() == y.tolist()
    assert resampler.model_ is None


def test_a_budget_of_seconds_ends_training():
    X, y = data()
    resampler = sampler(max_steps=1_000_000, max_seconds=0.1)
    resampler.fit_resample(X, y)
    assert 0 < resampler.model_.history.n_steps < 100_000


@pytest.mark.parametrize("verbose", [False, True])
def test_bars_are_shown_if_asked_for(capsys, verbose):
    X, y = data()
    sampler(verbose=verbose).fit_resample(X, y)
    shown = capsys.readouterr().err
    assert ("learning" in shown) == verbose
    assert ("sampling 'fast'" in shown) == verbose


# --- containers, dtypes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "i4", "u1"])
def test_dtypes_are_kept_and_whole_numbers_stay_whole(dtype):
    X, y = data(2)
    X = (100 + 50 * X).astype(dtype)
    X_res, _ = sampler(sampling_strategy={"fast": 38}).fit_resample(X, y)
    assert X_res.dtype == X.dtype
    assert X_res.shape == (len(X) + 3, 2, LENGTH)
    assert X_res[: len(X)].tobytes() == X.tobytes()
    assert X_res[-3:].min() >= X.min()
    assert X_res[-3:].max() <= X.max()


def test_a_list_of_unequal_lengths_stays_one_with_the_lengths_of_the_class():
    X, y = unequal()
    before = copy.deepcopy(X)
    X_res, y_res = sampler().fit_resample(X, y)
    assert isinstance(X_res, list)
    assert isinstance(y_res, np.ndarray)
    assert len(X_res) == len(y_res) == 2 * N
    for new, old, was in zip(X_res, X, before, strict=False):
        assert new is old
        np.testing.assert_array_equal(old, was)
    assert {case.shape[0] for case in X_res} == {2}
    lengths = [case.shape[1] for case in X_res[len(X) :]]
    own = [case.shape[1] for case, label in zip(X, y, strict=True) if label == "fast"]
    assert not np.setdiff1d(lengths, own).size
    assert set(np.array(lengths) % 2) == {0}
    assert {case.dtype for case in X_res} == {np.dtype(float)}


def test_classes_come_back_in_their_container():
    X, y = data()
    _, y_res = sampler(sampling_strategy={"fast": 36}).fit_resample(X, y.tolist())
    assert y_res == [*y.tolist(), "fast"]


def test_missing_values_may_be_there_and_constant_and_empty_channels_come_back():
    X, y = data(3)
    X[:, 1], X[:, 2] = 7.0, np.nan
    X[::3, 0, 5] = np.nan
    X_res, _ = sampler().fit_resample(X, y)
    assert (X_res[:, 1] == 7).all()
    assert np.isnan(X_res[:, 2]).all()
    np.testing.assert_array_equal(X_res[: len(X)], X)


# --- small classes ----------------------------------------------------------------------------------------


def few(n_rare):
    X = np.concatenate([sines(40, 1, 0, 2), sines(n_rare, 4, 1, 2) * [[1], [1000]]])
    return X, np.repeat([0, 1], [40, n_rare])


def test_small_classes_are_drawn_without_a_model_and_a_warning_says_so():
    X, y = few(12)
    resampler = sampler()
    with pytest.warns(SmallClassWarning, match=r"class 1 has 12 series, fewer than 30.*28 synthetic.*OHIT"):
        X_res, y_res = resampler.fit_resample(X, y)
    assert np.bincount(y_res).tolist() == [40, 40]
    assert resampler.model_ is None
    new, real = X_res[52:], X[40:]
    assert new.shape == (28, 2, LENGTH)
    # channels keep their scale, and the series their frequency
    ratio = new.std(axis=(0, 2)) / real.std(axis=(0, 2))
    assert ((ratio > 0.6) & (ratio < 1.4)).all()
    spectrum = np.abs(np.fft.rfft(new, axis=2)).mean(axis=(0, 1))
    assert spectrum.argmax() == 4


def test_a_single_case_is_repeated():
    X, y = few(1)
    with pytest.warns(SmallClassWarning, match="has 1 series"):
        X_res, _ = sampler(sampling_strategy={1: 3}).fit_resample(X, y)
    np.testing.assert_allclose(X_res[-2:], X[[-1, -1]], rtol=1e-12)


def test_small_classes_of_unequal_lengths_and_with_missing_values_keep_both():
    X, y = few(10)
    cases = [case[:, : 10 + i % 2] for i, case in enumerate(X)]
    cases[40][0, 3] = np.nan
    with pytest.warns(SmallClassWarning):
        X_res, _ = sampler(sampling_strategy={1: 20}).fit_resample(cases, y)
    new = X_res[50:]
    # each real case gives its length and its missing values to one of ten new ones
    assert sorted(case.shape[1] for case in new) == [10] * 5 + [11] * 5
    assert [int(np.isnan(case).sum()) for case in new].count(1) == 1
    assert sum(int(np.isnan(case[0, 3])) for case in new) == 1


def test_a_small_class_beside_a_large_one_is_drawn_by_its_own_way():
    X = np.concatenate([sines(40, 1), sines(32, 4, 1), sines(5, 2, 2)])
    y = np.repeat([0, 1, 2], [40, 32, 5])
    resampler = sampler(sampling_strategy={1: 34, 2: 8})
    with pytest.warns(SmallClassWarning, match="class 2") as caught:
        _, y_res = resampler.fit_resample(X, y)
    assert len(caught) == 1
    assert y_res[-5:].tolist() == [1, 1, 2, 2, 2]
    assert resampler.model_ is not None


def test_the_least_size_of_a_class_can_be_set():
    X, y = few(12)
    source = series_source(
        read_cases(X),
        y,
        {1: 2},
        TableConfig(max_steps=1),
        np.random.SeedSequence(0).spawn(2),
        min_class_size=12,
    )
    assert source.model is not None
    new, labels = source.draw({0: 0, 1: 2}, sampling_steps=1)
    assert new.shape == (2, 2, LENGTH)
    assert labels.tolist() == [1, 1]


# --- pipelines --------------------------------------------------------------------------------------------


def features(cases):
    """Spectra of cases of any length, which a linear classifier can tell apart."""
    return np.array([np.abs(np.fft.rfft(case, n=LENGTH, axis=1)).ravel() for case in cases])


@pytest.mark.parametrize("make", [data, unequal])
def test_in_a_pipeline_and_in_cross_validation(make):
    X, y = make()
    pipeline = make_pipeline(
        sampler(), FunctionTransformer(features, validate=False), LogisticRegression(max_iter=1000)
    )
    # two folds of 48 and 47 cases, of which 17 and 18 are rare
    with pytest.warns(SmallClassWarning):
        scores = cross_val_score(pipeline, X, y, cv=2, scoring="balanced_accuracy")
    assert (scores > 0.8).all()
    assert pipeline.fit(X, y).predict(X).shape == y.shape


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sampling_strategy": "tuned"}, ("tuned", "GridSearchCV")),
        ({"method": "tabddpm"}, ("tabddpm", "few-step")),
        ({"categorical_features": [0]}, ("categorical_features", "[0]", "'auto'")),
        ({"guidance_weight": 1.5}, ("guidance_weight", "1.5")),
        ({"generator": sampler()}, ("generator", "None")),
    ],
)
def test_what_is_for_rows_alone_is_refused(arguments, words):
    with pytest.raises(InputError) as caught:
        sampler(**arguments).fit_resample(*data())
    assert all(word in str(caught.value) for word in words), caught.value


def test_cases_and_classes_that_do_not_fit_are_refused():
    X, y = data()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        sampler().fit_resample(X, y[:-1])
    with pytest.raises(InputError, match="more than 1 class"):
        sampler().fit_resample(X, np.zeros(len(X), dtype=int))
    with pytest.raises(InputError, match="channels"):
        sampler().fit_resample([*X[:-1], np.zeros((2, 5))], y)
    with pytest.raises(ValueError, match="dim 4"):
        sampler().fit_resample(X[..., None], y)
