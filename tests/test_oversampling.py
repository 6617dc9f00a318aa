"""`DiffusionOverSampler`: exact counts, untouched originals, the same container back, a seat in pipelines."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections import Counter, OrderedDict

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from containers import CONTAINERS, FRAMES, cells, mixed_table, signature, with_times
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.preprocessing import OrdinalEncoder

from tabdiff import DiffusionOverSampler, TableSynthesizer, oversampling
from tabdiff.errors import AugmentationNotHelpfulWarning, InputError, SmallClassWarning
from tabdiff.tables import TableConfig

N, N_RARE = 100, 30
BINARY = np.repeat([0, 1], [N - N_RARE, N_RARE])
THREE = np.repeat([0, 1, 2], [50, 20, 30])


def sampler(**arguments):
    """A sampler that trains for an instant: enough for whatever does not ask how good the rows are."""
    return DiffusionOverSampler(
        **{"random_state": 0, "max_steps": 2, "sampling_steps": 2, "verbose": False} | arguments
    )


def labels(y):
    """The classes as a list of Python values, whatever holds them."""
    if isinstance(y, pa.Array | pa.ChunkedArray):
        return y.to_pylist()
    return y.to_list() if isinstance(y, pl.Series) else y.tolist()


# --- how many -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("auto", {0: 50, 1: 50, 2: 50}),
        ("not majority", {0: 50, 1: 50, 2: 50}),
        ("all", {0: 50, 1: 50, 2: 50}),
        ("minority", {0: 50, 1: 50, 2: 30}),
        ("not minority", {0: 50, 1: 20, 2: 50}),
        ({1: 25, 2: 30}, {0: 50, 1: 25, 2: 30}),
        ({0: 60, 1: 90}, {0: 60, 1: 90, 2: 30}),
        (OrderedDict([(2, 77), (1, 21)]), {0: 50, 1: 21, 2: 77}),
        (lambda y: {1: 2 * Counter(y)[1]}, {0: 50, 1: 40, 2: 30}),
    ],
    ids=lambda value: "callable" if callable(value) else str(value),
)
def test_counts_are_exact_for_every_form_of_strategy(strategy, expected):
    resampler = sampler(sampling_strategy=strategy)
    X, y = resampler.fit_resample(mixed_table(), THREE)
    assert Counter(y.tolist()) == expected
    assert len(X) == len(y) == sum(expected.values())
    asked = {k: n for k, n in resampler.sampling_strategy_.items() if n}
    assert asked == {k: n - Counter(THREE.tolist())[k] for k, n in expected.items() if n > (k == THREE).sum()}


@pytest.mark.parametrize(("ratio", "n_rare"), [(0.5, 35), (0.75, 52), (1.0, 70)])
def test_a_float_is_the_ratio_of_minority_to_majority(ratio, n_rare):
    _, y = sampler(sampling_strategy=ratio).fit_resample(mixed_table(), BINARY)
    assert Counter(y.tolist()) == {0: 70, 1: n_rare}


def test_class_names_of_any_type_can_be_asked_for():
    for names, wanted in (
        (["no", "yes"], {"yes": 33}),
        ([False, True], {True: 33}),
        ([-1.0, 2.0], {2: 33}),
    ):
        y = np.array(names)[BINARY]
        _, resampled = sampler(sampling_strategy=wanted).fit_resample(mixed_table(), y)
        assert Counter(resampled.tolist()) == {names[0]: 70, names[1]: 33}


# --- originals, mask ------------------------------------------------------------------------------------


def test_originals_come_first_and_are_untouched(container):
    X = container(with_times(mixed_table()) if container in FRAMES.values() else mixed_table())
    before = copy.deepcopy(X)
    X_res, y_res = sampler().fit_resample(X, BINARY)
    assert signature(X) == signature(before)
    assert cells(X) == cells(before)
    assert cells(X_res)[:N] == cells(X)
    assert y_res[:N].tolist() == BINARY.tolist()
    assert y_res[N:].tolist() == [1] * 40


def test_the_mask_marks_the_synthetic_rows():
    resampler = sampler()
    resampler.fit_resample(mixed_table(), BINARY)
    assert resampler.synthetic_mask_.dtype == bool
    assert resampler.synthetic_mask_.tolist() == [False] * N + [True] * 40
    assert resampler.n_synthetic_ == 40
    assert resampler.model_ is not None


def test_synthetic_rows_follow_class_by_class():
    _, y = sampler(sampling_strategy={0: 60, 1: 30, 2: 40}).fit_resample(mixed_table(), THREE)
    assert y[N:].tolist() == [0] * 10 + [1] * 10 + [2] * 10


def test_pandas_rows_are_counted_afresh():
    X = mixed_table().set_index(pd.Index(range(500, 600)))
    X_res, y_res = sampler().fit_resample(X, pd.Series(BINARY, index=X.index))
    assert X_res.index.equals(pd.RangeIndex(140))
    assert y_res.index.equals(pd.RangeIndex(140))


@pytest.mark.parametrize("strategy", ["auto", {0: 50, 1: 50}], ids=str)
def test_nothing_to_generate_trains_nothing_and_gives_copies(container, strategy):
    X, y = container(mixed_table()), np.repeat([0, 1], 50)
    resampler = sampler(sampling_strategy=strategy)
    X_res, y_res = resampler.fit_resample(X, y)
    assert resampler.model_ is None
    assert resampler.n_synthetic_ == 0
    assert not resampler.synthetic_mask_.any()
    assert signature(X_res) == signature(X)
    assert cells(X_res) == cells(X)
    assert y_res.tolist() == y.tolist()
    assert X_res is not X
    assert y_res is not y


def test_what_comes_back_shares_no_memory_with_what_went_in():
    X = np.random.default_rng(0).normal(size=(N, 2))
    for y in (BINARY.copy(), np.repeat([0, 1], 50)):
        X_res, y_res = sampler().fit_resample(X, y)
        assert not np.shares_memory(X_res, X)
        assert not np.shares_memory(y_res, y)


# --- containers of X ------------------------------------------------------------------------------------


def test_same_container_names_order_and_dtypes_come_back(container):
    X = container(mixed_table())
    X_res, _ = sampler().fit_resample(X, BINARY)
    assert signature(X_res) == signature(X)


def test_times_come_back_in_their_own_types(frame_maker):
    X = frame_maker(with_times(mixed_table()))
    X_res, _ = sampler().fit_resample(X, BINARY)
    assert signature(X_res) == signature(X)
    assert cells(X_res)[:N] == cells(X)


def test_same_rows_come_from_every_container(container):
    expected, _ = sampler().fit_resample(mixed_table(), BINARY)
    X_res, _ = sampler().fit_resample(container(mixed_table()), BINARY)
    assert cells(X_res) == cells(expected)


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "int64", "int32", "uint8", "int16", "bool", "object"]
)
def test_array_dtypes_are_kept(dtype):
    X = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, (N, 2)).astype(dtype)
    X_res, _ = sampler().fit_resample(X, BINARY)
    assert X_res.dtype == X.dtype
    assert np.array_equal(X_res[:N], X)


def test_lists_keep_the_type_of_each_cell():
    X = [[i * 1.5, i % 37, "abc"[i % 3], i % 2 == 0] for i in range(N)]
    X_res, y_res = sampler().fit_resample(X, BINARY.tolist())
    assert X_res[:N] == X
    assert {tuple(type(cell) for cell in row) for row in X_res} == {(float, int, str, bool)}
    assert y_res == BINARY.tolist() + [1] * 40


def test_a_record_batch_comes_back_as_one():
    batch = CONTAINERS["pyarrow"](mixed_table()).combine_chunks().to_batches()[0]
    X_res, _ = sampler().fit_resample(batch, BINARY)
    assert isinstance(X_res, pa.RecordBatch)
    assert X_res.schema == batch.schema
    assert X_res.slice(0, N).equals(batch)


def test_column_names_need_not_be_strings():
    X = mixed_table().set_axis([3, "b", ("c", 1), 2.5, None], axis=1)
    resampler = sampler()
    X_res, _ = resampler.fit_resample(X, BINARY)
    assert list(X_res.columns) == list(X.columns)
    assert resampler.n_features_in_ == 5
    assert not hasattr(resampler, "feature_names_in_")


def test_names_are_remembered_as_scikit_learn_does(frame_maker):
    resampler = sampler()
    X = frame_maker(mixed_table())
    for method in (resampler.fit, resampler.fit_resample):
        method(X, BINARY)
        assert resampler.feature_names_in_.dtype == object
        assert resampler.feature_names_in_.tolist() == ["amount", "count", "city", "card", "night"]
        assert resampler.get_feature_names_out().tolist() == resampler.feature_names_in_.tolist()
    resampler.fit(np.zeros((N, 3)), BINARY)
    assert resampler.n_features_in_ == 3
    assert not hasattr(resampler, "feature_names_in_")


# --- containers of y ------------------------------------------------------------------------------------

TEXT = np.where(BINARY == 1, "fraud", "fine")
TARGETS = {
    "array": BINARY,
    "array of text": TEXT,
    "array of objects": TEXT.astype(object),
    "array of booleans": BINARY == 1,
    "array of floats": BINARY * 2.0,
    "Series": pd.Series(BINARY, name="t"),
    "Series of Int64": pd.Series(BINARY, dtype="Int64", name="t"),
    "Series of text": pd.Series(TEXT, name="t"),
    "Series of objects": pd.Series(TEXT.astype(object), name="t"),
    "Series of Arrow text": pd.Series(TEXT, dtype=pd.ArrowDtype(pa.string()), name="t"),
    "Series of categories": pd.Series(pd.Categorical(TEXT, ["fraud", "fine", "unused"]), name="t"),
    "Series of booleans": pd.Series(BINARY == 1, name="t"),
    "Series of nullable booleans": pd.Series(BINARY == 1, dtype="boolean", name="t"),
    "Series of dates": pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(BINARY, unit="D"), name="t"),
    "polars": pl.Series("t", BINARY),
    "polars text": pl.Series("t", TEXT.tolist()),
    "polars categories": pl.Series("t", TEXT.tolist(), dtype=pl.Categorical),
    "polars enum": pl.Series("t", TEXT.tolist(), dtype=pl.Enum(["fraud", "fine"])),
    "polars booleans": pl.Series("t", BINARY == 1),
    "arrow": pa.array(BINARY),
    "arrow dictionary": pa.array(TEXT.tolist()).dictionary_encode(),
    "chunked array": pa.chunked_array([BINARY[:40], BINARY[40:]]),
    "chunked text": pa.chunked_array([pa.array(TEXT.tolist())]),
    "chunked dictionary": pa.chunked_array([pa.array(TEXT.tolist()).dictionary_encode()]),
}


@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_y_comes_back_as_it_was(y):
    _, y_res = sampler().fit_resample(mixed_table(), y)
    assert type(y_res) is type(y)
    # strict: also the very types of the cells
    was, is_now = labels(y), labels(y_res)
    assert is_now[:N] == was
    assert is_now[N:] == [was[-1]] * 40
    assert {type(cell) for cell in is_now} == {type(cell) for cell in was}
    assert getattr(y_res, "name", None) == getattr(y, "name", None)
    assert getattr(y_res, "dtype", None) == getattr(y, "dtype", None)
    assert getattr(y_res, "type", None) == getattr(y, "type", None)


def test_y_as_a_list():
    for y in (BINARY.tolist(), TEXT.tolist(), (BINARY == 1).tolist()):
        _, y_res = sampler().fit_resample(mixed_table(), y)
        assert y_res == y + [y[-1]] * 40


@pytest.mark.parametrize(
    "make",
    [np.asarray, pd.DataFrame, pl.DataFrame, np.ndarray.tolist],
    ids=["array", "pandas", "polars", "list"],
)
def test_y_as_one_column(make):
    y = make(BINARY[:, None])
    X_res, y_res = sampler().fit_resample(mixed_table(), y)
    assert type(y_res) is type(y)
    assert np.array_equal(np.asarray(y_res), np.r_[BINARY, [1] * 40][:, None])
    assert cells(X_res) == cells(sampler().fit_resample(mixed_table(), BINARY)[0])


@pytest.mark.parametrize(
    "make",
    [
        np.asarray,
        lambda codes: pd.DataFrame(codes, columns=["a", "b", "c"]),
        lambda codes: pd.DataFrame(codes, columns=["a", "b", "c"]).convert_dtypes(),
        lambda codes: pl.DataFrame(codes, schema=["a", "b", "c"]),
        np.ndarray.tolist,
    ],
    ids=["array", "pandas", "pandas-nullable", "polars", "list"],
)
def test_y_one_hot(make):
    codes = np.eye(3, dtype=int)
    y = make(codes[THREE])
    X_res, y_res = sampler().fit_resample(mixed_table(), y)
    assert type(y_res) is type(y)
    assert getattr(y_res, "columns", None) is None or list(y_res.columns) == ["a", "b", "c"]
    X_same, y_same = sampler().fit_resample(mixed_table(), THREE)
    assert np.array_equal(np.asarray(y_res, dtype=int), codes[y_same])
    assert cells(X_res) == cells(X_same)


# --- the columns to learn as categories -----------------------------------------------------------------


@pytest.mark.parametrize(
    "which",
    [
        ["count", "amount"],
        np.array(["amount", "count"]),
        pd.Index(["count", "amount"]),
        [0, 1],
        [1, -5],
        np.array([0, 1]),
        [True, True, False, False, False],
        np.array([True, True, False, False, False]),
        ["amount", 1],
    ],
    ids=str,
)
def test_categories_by_name_position_or_mask(which):
    resampler = sampler(categorical_features=which)
    X = mixed_table()
    X_res, _ = resampler.fit_resample(X, BINARY)
    kinds = {column.name: str(column.kind) for column in resampler.model_.schema.columns}
    assert kinds["amount"] == kinds["count"] == "categorical"
    # a category takes no value that the table does not have
    assert set(X_res["count"]) <= set(X["count"])


def test_categories_of_an_array_are_positions():
    X = np.random.default_rng(0).integers(0, 90, (N, 2))
    resampler = sampler(categorical_features=[1])
    resampler.fit_resample(X, BINARY)
    assert [str(column.kind) for column in resampler.model_.schema.columns] == ["numeric", "categorical"]


@pytest.mark.parametrize("which", ["auto", []], ids=str)
def test_kinds_are_inferred(which):
    resampler = sampler(categorical_features=which)
    resampler.fit_resample(mixed_table(), BINARY)
    kinds = [str(column.kind) for column in resampler.model_.schema.columns]
    assert kinds == ["numeric", "numeric", "categorical", "categorical", "categorical"]


# --- small classes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_rare", [1, 5, 19])
def test_a_small_class_is_filled_from_its_own_rows_and_says_so(container, n_rare):
    y = np.repeat([0, 1], [N - n_rare, n_rare])
    with pytest.warns(SmallClassWarning, match=rf"class 1 has {n_rare} rows, fewer than 20") as caught:
        X_res, y_res = sampler().fit_resample(container(mixed_table()), y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert Counter(y_res.tolist()) == {0: N - n_rare, 1: N - n_rare}
    assert len(cells(X_res)) == 2 * (N - n_rare)


def test_only_the_small_class_is_warned_of():
    y = np.repeat(["a", "b", "c"], [50, 45, 5])
    with pytest.warns(SmallClassWarning, match="class 'c' has 5 rows") as caught:
        _, y_res = sampler().fit_resample(mixed_table(), y)
    assert len(caught) == 1
    assert Counter(y_res.tolist()) == {"a": 50, "b": 50, "c": 50}


def test_rows_of_a_small_class_lie_near_its_real_ones():
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(0, 1, (300, 2)), rng.normal(2, 0.05, (10, 2))]
    y = np.repeat([0, 1], [300, 10])
    with pytest.warns(SmallClassWarning):
        X_res, _ = sampler(max_steps=300, sampling_steps=16).fit_resample(X, y)
    new = X_res[len(X) :]
    assert np.linalg.norm(np.median(new, axis=0) - 2) < 1.0
    assert len(np.unique(new, axis=0)) > 250  # and are no copies


# --- rows that are worth something ----------------------------------------------------------------------


def test_synthetic_rows_are_like_the_rows_of_their_class():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [900, 100])
    frame = pd.DataFrame(
        {
            "x": rng.normal(np.where(y == 1, 3.0, 0.0)).round(3),
            "kind": np.where(rng.random(1000) < np.where(y == 1, 0.9, 0.2), "web", "shop"),
        }
    )
    resampler = sampler(max_steps=400, sampling_steps=16)
    X_res, _ = resampler.fit_resample(frame, y)
    new = X_res[resampler.synthetic_mask_]
    assert len(new) == 800
    # after so few steps the means are biased towards the other class, but clearly nearer to their own
    assert 2.2 < new["x"].mean() < 3.3
    assert 0.7 < (new["kind"] == "web").mean() <= 1.0


@pytest.mark.parametrize(
    "arguments", [{"guidance_weight": 1.5}, {"method": "tabddpm"}, {"device": "cpu"}], ids=str
)
def test_other_ways_to_draw_run(arguments):
    _, y = sampler(**arguments).fit_resample(mixed_table(), BINARY)
    assert Counter(y.tolist()) == {0: 70, 1: 70}


def test_guidance_changes_the_rows_and_nothing_else():
    plain, _ = sampler(max_steps=20).fit_resample(mixed_table(), BINARY)
    guided, _ = sampler(max_steps=20, guidance_weight=3.0).fit_resample(mixed_table(), BINARY)
    assert cells(plain)[:N] == cells(guided)[:N]
    assert cells(plain) != cells(guided)


def test_a_time_budget_ends_training():
    resampler = sampler(max_steps=1_000_000, max_seconds=0.3)
    resampler.fit_resample(mixed_table(), BINARY)
    assert resampler.model_.history.stopped_by == "seconds"
    assert resampler.model_.history.seconds < 5


def test_progress_is_shown_only_when_asked_for(capsys):
    sampler().fit_resample(mixed_table(), BINARY)
    assert capsys.readouterr() == ("", "")
    sampler(verbose=True, random_state=1).fit_resample(mixed_table(), BINARY)  # a model of its own
    out, err = capsys.readouterr()
    assert out == ""
    assert "learning" in err
    assert "sampling 1" in err
    assert "640/640" in err  # drawn, of which 40 are kept


# --- as a step of other people's machinery --------------------------------------------------------------


def pipeline(**arguments):
    encode = make_column_transformer(
        (OrdinalEncoder(encoded_missing_value=-1), ["city", "card", "night"]), remainder="passthrough"
    )
    return make_pipeline(sampler(**arguments), encode, HistGradientBoostingClassifier(max_iter=3))


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_it_resamples_inside_of_cross_validation(name):
    X = FRAMES[name](mixed_table())
    scores = cross_validate(pipeline(), X, BINARY, cv=5, error_score="raise", return_estimator=True)
    assert len(scores["test_score"]) == 5
    for fitted in scores["estimator"]:
        assert fitted[0].n_synthetic_ > 0


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_it_can_be_searched_over(n_jobs):
    search = GridSearchCV(
        pipeline(),
        {"diffusionoversampler__sampling_strategy": [0.6, 1.0]},
        cv=2,
        n_jobs=n_jobs,
        error_score="raise",
    )
    search.fit(mixed_table(2 * N), np.repeat(BINARY, 2))
    assert search.best_params_["diffusionoversampler__sampling_strategy"] in (0.6, 1.0)
    assert search.predict(mixed_table()).shape == (N,)


def test_clones_and_pickles_resample_alike():
    original = sampler(categorical_features=["count"])
    unfitted = pickle.dumps(original)
    X, y = mixed_table(), BINARY
    expected = cells(original.fit_resample(X, y)[0])
    fitted = pickle.loads(pickle.dumps(original))
    assert fitted.sampling_strategy_ == original.sampling_strategy_
    assert np.array_equal(fitted.synthetic_mask_, original.synthetic_mask_)
    for again in (clone(original), pickle.loads(unfitted), fitted):
        assert cells(again.fit_resample(X, y)[0]) == expected


def test_parameters_can_be_read_and_set():
    resampler = sampler()
    parameters = resampler.get_params()
    assert parameters == resampler.set_params(**parameters).get_params()
    assert resampler.set_params(sampling_strategy={1: 31}).sampling_strategy == {1: 31}
    _, y = resampler.fit_resample(mixed_table(), BINARY)
    assert Counter(y.tolist()) == {0: 70, 1: 31}
    assert resampler.get_params() == parameters | {"sampling_strategy": {1: 31}}


def test_metadata_routing_is_what_smote_offers():
    name = "set_fit_resample_request"
    assert hasattr(DiffusionOverSampler(), name) == hasattr(SMOTE(), name)
    with pytest.raises(TypeError, match="sample_weight"):
        sampler().fit_resample(mixed_table(), BINARY, sample_weight=np.ones(N))


def test_fit_validates_and_does_not_train():
    resampler = sampler(max_steps=10**9)
    assert resampler.fit(mixed_table(), BINARY) is resampler
    assert resampler.sampling_strategy_ == {1: 40}
    assert not hasattr(resampler, "model_")


# --- imbalanced-learn's own refusals --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "strategy", "message"),
    [
        (
            np.zeros(N, dtype=int),
            "auto",
            "The target 'y' needs to have more than 1 class. Got 1 class instead",
        ),
        (np.linspace(0, 1, N), "auto", "Unknown label type: continuous"),
        (THREE, 0.5, '"sampling_strategy" can be a float only when the type of target is binary'),
        (BINARY, 0.2, "The specified ratio required to remove samples from the minority class"),
        (BINARY, {0: 10}, "the number of samples in a class should be greater or equal to the original"),
        (BINARY, {1: -5}, "The number of samples in a class cannot be negative"),
        (BINARY, {5: 200}, "The {5} target class is/are not present in the data"),
        (BINARY, "majority", "The 'sampling_strategy' parameter of DiffusionOverSampler must be"),
        (BINARY, "everything", "The 'sampling_strategy' parameter of DiffusionOverSampler must be"),
        (np.eye(3, dtype=int)[THREE] + [0, 0, 1] > 0, "auto", "Multilabel and multioutput targets are not"),
    ],
)
def test_refusals_are_worded_as_in_imbalanced_learn(y, strategy, message):
    for resampler in (sampler(sampling_strategy=strategy), SMOTE(sampling_strategy=strategy)):
        X = np.random.default_rng(0).normal(size=(N, 2))
        with warnings.catch_warnings(), pytest.raises(ValueError) as error:
            warnings.simplefilter("ignore")
            resampler.fit_resample(X, y)
        assert message in str(error.value).replace(type(resampler).__name__, "DiffusionOverSampler")


# --- beyond imbalanced-learn's amounts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        ({"sampling_strategy": "x2"}, {0: 0, 1: 20, 2: 30}),
        ({"sampling_strategy": {1: "x1.5", 2: 40}}, {0: 0, 1: 10, 2: 10}),
        ({"n_synthetic": {2: 7}}, {0: 0, 1: 0, 2: 7}),
        ({"n_synthetic": 50}, {0: 0, 1: 30, 2: 20}),  # they lack 30 and 20
    ],
    ids=str,
)
def test_multiples_and_numbers_of_rows_to_add(arguments, added):
    _, y = sampler(**arguments).fit_resample(mixed_table(), THREE)
    assert Counter(y[N:].tolist()) == {k: n for k, n in added.items() if n}


def test_a_ratio_above_1_makes_the_rare_class_the_larger():
    _, y = sampler(sampling_strategy=1.5).fit_resample(mixed_table(), BINARY)
    assert Counter(y.tolist()) == {0: 70, 1: 105}


def test_a_number_to_be_predicted_is_refused_with_advice():
    y = np.random.default_rng(0).normal(size=N)
    with pytest.raises(InputError, match=r"continuous.*cut it into\s+classes"):
        sampler().fit_resample(mixed_table(), y)


# --- a tuned amount ---------------------------------------------------------------------------------------


def noisy(n_rows=300, n_rare=40, shift=1.5):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [n_rows - n_rare, n_rare])
    return pd.DataFrame({"x": rng.normal(size=n_rows) + shift * y, "z": rng.normal(size=n_rows)}), y


def tuned(**arguments):
    return sampler(sampling_strategy="tuned", estimator=LogisticRegression(), **arguments)


def test_tuned_adds_what_its_report_says():
    X, y = noisy()
    resampler = tuned(scoring="balanced_accuracy")  # at a threshold of a half, more rows help for sure
    X_res, y_res = resampler.fit_resample(X, y)
    report = resampler.report_
    chosen = next(arm for arm in report.arms if arm.name == report.chosen)
    assert chosen.n_added > 0
    assert report.verdict == "helps"
    assert Counter(y_res[300:].tolist()) == resampler.sampling_strategy_ == chosen.n_synthetic
    pd.testing.assert_frame_equal(X_res.iloc[:300], X)


def test_tuned_adds_nothing_where_nothing_helps_and_says_so():
    X, y = noisy()
    # a score that only counts errors among the common rows
    scoring = make_scorer(recall_score, pos_label=0)
    resampler = tuned(scoring=scoring)
    with pytest.warns(AugmentationNotHelpfulWarning, match="'none' was chosen"):
        X_res, y_res = resampler.fit_resample(X, y)
    assert len(X_res) == len(y_res) == 300
    assert resampler.report_.verdict == "hurts"


def test_tuned_says_where_there_are_too_few_rows():
    X, y = noisy(60, 3)
    with pytest.warns(AugmentationNotHelpfulWarning, match="too few rows"):
        tuned().fit_resample(X, y)


def test_tuned_trains_one_model_for_each_fold_and_no_more(monkeypatch):
    trained = []
    learn = oversampling.learn_table

    def counted(columns, *arguments, **named):
        trained.append((len(columns[0]), arguments[2].max_steps))
        return learn(columns, *arguments, **named)

    monkeypatch.setattr(oversampling, "learn_table", counted)
    X, y = noisy()
    tuned(random_state=31, max_steps=3000, max_seconds=0.3, scoring="balanced_accuracy").fit_resample(X, y)
    assert [n for n, _ in trained] == [200, 200, 200]
    assert {steps for _, steps in trained} == {1000}


def test_tuned_sits_in_pipelines_and_searches():
    X, y = noisy()
    pipeline = make_pipeline(sampler(), LogisticRegression())
    grid = {"diffusionoversampler__sampling_strategy": ["tuned", "x2", 0.5]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AugmentationNotHelpfulWarning)
        search = GridSearchCV(pipeline, grid, cv=2, scoring="average_precision").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# --- a model that is there already ------------------------------------------------------------------------


def test_a_table_already_seen_trains_nothing():
    X, y = noisy()
    first, again, other = (sampler(random_state=seed) for seed in (41, 41, 42))
    for resampler in (first, again, other):
        resampler.fit_resample(X, y)
    assert first.model_ is again.model_
    assert first.model_ is not other.model_
    again.set_params(sampling_strategy=0.5).fit_resample(X, y)
    assert first.model_ is again.model_
    again.fit_resample(X.assign(x=X["x"] + 1), y)
    assert first.model_ is not again.model_


def test_a_fitted_sampler_serves_another_one(container):
    X = container(mixed_table())
    first = sampler()
    first.fit_resample(X, BINARY)
    other = sampler(generator=first, sampling_strategy="x2", random_state=5)
    X_res, y_res = other.fit_resample(X, BINARY)
    assert other.model_ is first.model_
    assert Counter(y_res.tolist()) == {0: 70, 1: 60}
    assert signature(X_res) == signature(X)


def test_a_fitted_synthesizer_serves_a_sampler():
    X = mixed_table()
    y = pd.Series(np.array(["no", "yes"])[BINARY], name="fraud")
    model = TableSynthesizer(target="fraud", random_state=0, max_steps=2, sampling_steps=2)
    model.fit(X.assign(fraud=y))
    X_res, y_res = sampler(generator=model).fit_resample(X, y)
    assert Counter(y_res.tolist()) == {"no": 70, "yes": 70}
    assert list(X_res) == list(X)


def test_a_generator_of_another_table_is_refused():
    first = sampler()
    first.fit_resample(mixed_table(), BINARY)
    with pytest.raises(ValueError, match="feature names should match"):
        sampler(generator=first).fit_resample(mixed_table().drop(columns="city"), BINARY)
    with pytest.raises(InputError, match="knows no class 2"):
        sampler(generator=first).fit_resample(mixed_table(), THREE)
    with pytest.raises(NotFittedError):
        sampler(generator=sampler()).fit_resample(mixed_table(), BINARY)


# --- odd tables -------------------------------------------------------------------------------------------


def test_one_rare_row_in_ten_thousand():
    X = pd.DataFrame({"x": np.random.default_rng(0).normal(size=20_002)})
    y = np.repeat([0, 1], [20_000, 2])
    with pytest.warns(SmallClassWarning, match="class 1 has 2 rows"):
        X_res, y_res = sampler(sampling_strategy=0.01).fit_resample(X, y)
    assert Counter(y_res.tolist()) == {0: 20_000, 1: 200}
    assert np.isfinite(X_res["x"]).all()


@pytest.mark.slow
def test_wrong_labels_are_followed_less_than_the_rows_around_them():
    """A fifth of the rare labels are common rows: plausible rows have fewer of these than all rows drawn."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [1900, 100])
    x = rng.normal(size=2000) + 6 * y
    x[-20:] -= 6
    X = pd.DataFrame({"x": x})
    shares = {}
    for accept in ("plausible", None):
        resampler = DiffusionOverSampler(accept=accept, random_state=0, n_synthetic=400)
        X_res, _ = resampler.fit_resample(X, y)
        shares[accept] = (X_res["x"][2000:] < 3).mean()
    assert shares[None] == pytest.approx(0.2, abs=0.1)
    assert shares["plausible"] < 0.05


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "steps"),
    [(4_999, 6, None), (5_000, 3, 1_500), (11_183, 7, 1_739), (32_000, 6, 4_266), (45_000, 16, 6_000)],
)
def test_tables_of_many_rows_and_few_columns_are_trained_for_fewer_steps(n_rows, n_columns, steps):
    # rows times columns over 45, at least 1,500 and at most what a table of this size takes otherwise
    assert oversampling._sooner(TableConfig(), n_rows, n_columns).max_steps == steps
