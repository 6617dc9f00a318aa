"""Codecs of one column: what goes in comes back, and what is drawn follows the column's law."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtr
from scipy.stats import kstest

from tabdiff.encoding import columns as codecs
from tabdiff.encoding import scores as scores_module
from tabdiff.encoding.columns import (
    ConstantCodec,
    Grid,
    LevelCodec,
    NormalScores,
    NumericCodec,
    fit_codec,
    kind_of,
)
from tabdiff.errors import SchemaError
from tabdiff.schema import Column, Kind, Storage, infer_schema

FEW = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
INT64 = np.iinfo(np.int64)
HUGE = np.array([-1.7976931348623157e308, 1.7976931348623157e308])
STORAGE = {"f": Storage.FLOAT, "i": Storage.INT, "b": Storage.BOOL}


def column(values, missing=None, **kwargs):
    values = np.asarray(values)
    missing = np.zeros(len(values), dtype=bool) if missing is None else np.asarray(missing)
    return Column("x", kwargs.pop("storage", STORAGE[values.dtype.kind]), values, missing, **kwargs)


def rng(seed=0):
    return np.random.default_rng(seed)


def in_float32(features):
    """Features at the precision of a batch, the score of an unobserved cell drawn anew."""
    num = np.where(features.observed, features.num, rng(1).normal(size=features.num.shape))
    return dataclasses.replace(features, num=num.astype(np.float32).astype(np.float64))


def assert_comes_back(codec, col):
    """Encode, round as in a batch, decode: the same cells."""
    values, missing = codec.decode(in_float32(codec.encode(col, rng())), rng())
    assert values.dtype == col.values.dtype
    np.testing.assert_array_equal(missing, col.missing)
    np.testing.assert_array_equal(values[~missing], col.observed)


def drawn(codec, n, seed=0):
    """Values from fresh standard normal scores, for a codec without levels."""
    assert codec.n_levels == ()
    scores = rng(seed).normal(size=(n, 1))
    nothing = np.zeros((n, 0))
    return codec.decode(codecs.Features(scores, np.ones((n, 1), bool), nothing), rng(seed))[0]


def law_distance(sample, cells):
    """Largest distance between the distribution functions of two samples."""
    at = np.union1d(sample, cells)
    shares = [np.searchsorted(np.sort(x), at, side="right") / len(x) for x in (sample, cells)]
    return np.abs(shares[0] - shares[1]).max()


def noise(n):
    """What the Kolmogorov-Smirnov distance of n draws exceeds in one of 1,000 cases."""
    return 1.95 / np.sqrt(n)


# --- normal scores: there and back --------------------------------------------------------------------------


def assert_scores_come_back(cells):
    scores = NormalScores.fit(cells)
    values = scores.values_of(scores.scores(cells, rng()).astype(np.float32).astype(np.float64))
    assert values.dtype == cells.dtype
    np.testing.assert_array_equal(values, cells)


SOME = st.integers(1, 30)


@FEW
@given(arrays(np.int64, SOME, elements=st.integers(INT64.min, INT64.max)))
@example(np.array([INT64.min, INT64.max]))
@example(np.array([INT64.min, INT64.min, -1, 0, 1, INT64.max, INT64.max]))
@example(np.array([2**53, 2**53 + 1, 2**53 + 3]))
def test_any_integers_come_back(cells):
    assert_scores_come_back(cells)


@FEW
@given(arrays(np.int64, st.integers(1, 200), elements=st.integers(-5, 5)))
def test_tied_integers_come_back(cells):
    assert_scores_come_back(cells)


@FEW
@given(arrays(np.float64, SOME, elements=st.floats(allow_nan=False, allow_infinity=False)))
@example(HUGE)
@example(np.array([5e-324, 1e-323, -5e-324, 2.2250738585072014e-308]))
def test_any_floats_come_back(cells):
    assert_scores_come_back(cells)


@FEW
@given(arrays(np.float32, SOME, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_any_float32_come_back(cells):
    assert_scores_come_back(cells)


@FEW
@given(st.integers(0, 9), arrays(np.int64, SOME, elements=st.integers(-(10**13), 10**13)))
def test_decimals_come_back(decimals, ticks):
    assert_scores_come_back(ticks / 10.0**decimals)


@pytest.mark.parametrize("n", [2, 3, 1000, 200_000])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: rng().integers(0, 10**9, n),
        lambda n: rng().integers(0, 1000, n),
        lambda n: rng().lognormal(5, 2, n),
        lambda n: rng().lognormal(5, 2, n).astype(np.float32),
        lambda n: rng().lognormal(5, 2, n).round(2),
        lambda n: 1_700_000_000_000_000_000 + rng().integers(0, 10**17, n),
    ],
    ids=["sparse integers", "tied integers", "floats", "float32", "cents", "nanoseconds"],
)
def test_float32_scores_are_precise_enough(make, n):
    assert_scores_come_back(make(n))


# --- normal scores: laws ------------------------------------------------------------------------------------

LAWS = {
    "continuous": lambda n: rng().normal(size=n),
    "heavy tail": lambda n: rng().standard_cauchy(n),
    "uniform integers": lambda n: rng().integers(0, 100, n),
    "counts": lambda n: rng().poisson(3, n),
    "multiples of 10,000": lambda n: 10_000 * rng().poisson(30, n) + 7,
    "cents": lambda n: rng().lognormal(3, 1, n).round(2),
    "half of it one value": lambda n: np.where(rng().random(n) < 0.5, 0, rng(1).normal(size=n)),
    "pairs": lambda n: np.repeat(rng().normal(size=n // 2), 2),
    "times": lambda n: 1_700_000_000_000_000_000 + 10**9 * rng().integers(0, 10**7, n),
}


@pytest.mark.parametrize("make", LAWS.values(), ids=LAWS.keys())
@pytest.mark.parametrize("n", [300, 20_000])
def test_scores_are_standard_normal(make, n):
    cells = make(n)
    scores = NormalScores.fit(cells).scores(cells, rng(5))
    assert kstest(scores, ndtr).statistic < noise(n)


def test_without_draws_tied_values_lie_in_the_middle_of_their_ranks():
    scores = NormalScores.fit(np.array([1.0, 2.0, 2.0, 2.0, 5.0]))
    cells = np.array([2.0, 1.0, 2.0, 5.0])
    assert ndtr(scores.scores(cells, None)) == pytest.approx([0.5, 0.1, 0.5, 0.9], abs=1e-6)
    assert scores.values_of(scores.scores(cells, None)).tolist() == cells.tolist()


@pytest.mark.parametrize("make", LAWS.values(), ids=LAWS.keys())
@pytest.mark.parametrize("n", [300, 20_000])
def test_decoded_normal_scores_follow_the_law_of_the_column(make, n):
    cells = make(n)
    values = NormalScores.fit(cells).values_of(rng(5).normal(size=100_000))
    assert law_distance(values, cells) < noise(100_000) + 1 / n
    assert values.min() == cells.min() and values.max() == cells.max()


def test_a_tied_value_comes_back_as_often_as_it_occurred():
    cells = np.concatenate([np.full(600, 3.0), rng().normal(size=400)])
    share = np.mean(NormalScores.fit(cells).values_of(rng(1).normal(size=100_000)) == 3)
    assert abs(share - 0.6) < 0.005


def test_a_continuous_column_yields_new_values():
    cells = rng().normal(size=1000)
    values = NormalScores.fit(cells).values_of(rng(1).normal(size=1000))
    assert np.isin(values, cells).mean() < 0.01
    assert len(np.unique(values)) > 990


def test_a_column_of_tied_values_yields_no_other_values():
    cells = rng().choice([0.1, 0.25, 1 / 3, 2.5, 99.99, 100.0], size=1000)
    values = NormalScores.fit(cells).values_of(rng(1).normal(size=10_000))
    assert set(values) == set(cells)


@FEW
@given(
    arrays(np.int64, SOME, elements=st.integers(-(2**40), 2**40)),
    st.sampled_from([1, 7, 10_000]),
    st.integers(0, 3),
)
def test_drawn_integers_stay_on_the_grid_and_in_range(cells, step, seed):
    cells = cells * step + 3
    values = NormalScores.fit(cells).values_of(rng(seed).normal(size=50) * 3)
    assert ((values - 3) % step == 0).all()
    assert values.min() >= cells.min() and values.max() <= cells.max()


@FEW
@given(
    arrays(np.int64, SOME, elements=st.integers(-(10**9), 10**9)),
    st.integers(0, 5),
    st.sampled_from([1, 5, 25]),
)
def test_drawn_decimals_stay_on_the_grid_and_in_range(ticks, decimals, step):
    cells = ticks * step / 10.0**decimals
    values = NormalScores.fit(cells).values_of(rng().normal(size=50) * 3)
    back = np.rint(values * 10.0**decimals)
    np.testing.assert_array_equal(back / 10.0**decimals, values)
    assert (back % step == 0).all()
    assert values.min() >= cells.min() and values.max() <= cells.max()


@FEW
@given(arrays(np.float64, SOME, elements=st.floats(allow_nan=False, allow_infinity=False)), st.integers(0, 3))
@example(HUGE, 0)
def test_drawn_floats_stay_in_range(cells, seed):
    values = NormalScores.fit(cells).values_of(rng(seed).normal(size=50) * 3)
    assert values.min() >= cells.min() and values.max() <= cells.max()


@FEW
@given(arrays(np.int64, SOME, elements=st.integers(INT64.min, INT64.max)))
def test_decoding_is_monotone(cells):
    values = NormalScores.fit(cells).values_of(np.linspace(-4, 4, 500))
    assert (np.sort(values) == values).all()


@FEW
@given(arrays(np.int64, SOME, elements=st.integers(-50, 50)), st.floats(-60, 60))
def test_unseen_values_are_scored_between_their_neighbours(cells, unseen):
    cells = np.append(cells, 7) / 3
    scores = NormalScores.fit(cells)
    unseen = np.clip(unseen, cells.min(), cells.max())  # as it is outside of the range
    below, above = cells[cells < unseen], cells[cells > unseen]
    (score,) = scores.scores(np.array([unseen]), rng())
    assert np.isfinite(score)
    assert (score >= scores.scores(below, rng())).all()
    assert (score <= scores.scores(above, rng())).all()


def test_unseen_values_decode_to_themselves():
    scores = NormalScores.fit(np.array([10, 20, 20, 43]))
    unseen = np.array([11, 15, 19, 21, 42])
    np.testing.assert_array_equal(scores.values_of(scores.scores(unseen, rng())), unseen)
    scores = NormalScores.fit(np.array([1 / 3, 2 / 3, 1e9 / 3]))
    unseen = np.array([0.5, 7e7])
    np.testing.assert_allclose(scores.values_of(scores.scores(unseen, rng())), unseen)


def test_unseen_values_among_huge_ones_have_scores():
    scores = NormalScores.fit(HUGE).scores(np.array([-1e308, 0, 1e308]), rng())
    assert np.isfinite(scores).all() and (np.diff(scores) > 0).all()


@pytest.mark.parametrize("base", [0, 2**60, 1_700_000_000_000_000_000, -(2**62)])
def test_integers_between_large_ones_are_exact(base):
    scores = NormalScores.fit(np.array([base, base + 3, base + 103]))
    left, right = scores.high[1], scores.low[2]
    share = np.array([0.0, 0.013, 0.25, 0.5, 0.987])
    assert scores.values_of(left + share * (right - left)).tolist() == [
        base + 3 + k for k in (0, 1, 25, 50, 99)
    ]


def test_infinite_scores_decode_to_the_extremes():
    scores = NormalScores.fit(np.array([3, 1, 2]))
    assert scores.values_of(np.array([-np.inf, -50.0, 50.0, np.inf])).tolist() == [1, 1, 3, 3]


def test_one_and_two_values():
    one = NormalScores.fit(np.array([7]))
    assert one.scores(np.array([7, 6, 9]), rng()).tolist() == [0, 0, 0]
    assert one.values_of(np.array([-1.0, 0.0, 1.0])).tolist() == [7, 7, 7]
    two = NormalScores.fit(np.array([7, 9]))
    assert two.values_of(np.array([-1.0, 1.0])).tolist() == [7, 9]


# --- normal scores: thinning --------------------------------------------------------------------------------


@pytest.fixture
def few_knots(monkeypatch):
    monkeypatch.setattr(scores_module, "MAX_KNOTS", 500)


@pytest.mark.usefixtures("few_knots")
@pytest.mark.parametrize("make", LAWS.values(), ids=LAWS.keys())
def test_thinning_keeps_the_law(make):
    cells = make(20_000)
    scores = NormalScores.fit(cells)
    assert len(scores.ticks) <= 500
    values = scores.values_of(rng(5).normal(size=100_000))
    assert law_distance(values, cells) < noise(100_000) + 2 / 500
    assert values.min() == cells.min() and values.max() == cells.max()
    assert kstest(scores.scores(cells, rng(5)), ndtr).statistic < noise(20_000) + 2 / 500


@pytest.mark.usefixtures("few_knots")
def test_thinning_never_drops_a_frequent_value():
    cells = np.append(rng().normal(size=20_000), np.full(100, 0.123456789))
    values = NormalScores.fit(cells).values_of(rng(1).normal(size=100_000))
    assert abs(np.mean(values == 0.123456789) - 100 / 20_100) < 0.001


# --- the grid -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "decimals", "step"),
    [
        ([1, 2, 4], 0, 1),
        ([7, 10_007, 40_007], 0, 10_000),
        ([5], 0, 1),
        ([INT64.min, INT64.max], 0, 2**64 - 1),
        ([1.0, 2.0, 4.0], 0, 1),
        ([1e4, 3e4], 0, 20_000),
        ([0.1, 0.2, 0.4], 1, 1),
        ([0.05, 0.1, 1.35], 2, 5),
        ([0.25, 0.5, 7.75], 2, 25),
        ([1e-8, 1.0], 8, 99_999_999),
        ([1e15, 1e15 + 2], 0, 2),
        ([0.1, 1 / 3], 0, 0),
        ([1e15, 1e15 + 0.25], 0, 0),
        ([5e-324, 1.0], 0, 0),
        ([0.5, 1e308], 0, 0),
        ([1e300, 2e300], 0, 0),
    ],
)
def test_the_coarsest_grid_is_found(values, decimals, step):
    values = np.array(values)
    assert Grid.detect(values) == Grid(values.dtype, decimals, step)


def test_float32_decimals_are_seen_through_their_rounding():
    values = np.array([0.1, 0.2, 0.7], dtype=np.float32)
    assert Grid.detect(values) == Grid(values.dtype, 1, 1)


def test_the_grid_rejects_a_single_odd_value_among_many():
    values = np.sort(np.append(np.arange(100_000) / 100, 1 / 3))
    assert Grid.detect(values).step == 0


# --- numeric codec ------------------------------------------------------------------------------------------


@FEW
@given(
    arrays(
        np.int64, st.integers(1, 60), elements=st.sampled_from([0, 0, 1, 7, 2**60 + 1, -(2**60) - 1, 10**6])
    ),
    st.data(),
)
def test_numeric_cells_come_back_with_atoms_and_missing(values, data):
    missing = data.draw(arrays(bool, len(values)))
    missing[0] = False
    col = column(values, missing)
    assert_comes_back(NumericCodec.fit(col), col)


def test_atoms_are_levels_and_the_rest_is_scored():
    values = np.concatenate([np.zeros(50), np.full(12, 99.0), rng().normal(size=138)])
    col = column(np.append(values, np.zeros(20)), np.repeat([False, True], [200, 20]))
    codec = NumericCodec.fit(col)
    assert codec.atoms.tolist() == [0, 99] and codec.n_levels == (4,) and codec.n_num == 1
    features = codec.encode(col, rng())
    assert features.cat[:, 0].tolist() == [1] * 50 + [2] * 12 + [0] * 138 + [3] * 20
    np.testing.assert_array_equal(features.observed[:, 0], features.cat[:, 0] == 0)
    assert kstest(features.num[62:200, 0], ndtr).statistic < noise(138)
    assert_comes_back(codec, col)


def test_a_column_without_atoms_and_missing_has_no_level():
    codec = NumericCodec.fit(column(rng().normal(size=100)))
    assert codec.n_levels == ()
    assert codec.encode(column([0.5]), rng()).cat.shape == (1, 0)


def test_values_that_are_all_frequent_are_ranked():
    col = column(np.repeat([1, 2, 5], 30))
    codec = NumericCodec.fit(col)
    assert codec.n_levels == ()
    assert_comes_back(codec, col)
    assert np.bincount(drawn(codec, 30_000)) / 30_000 == pytest.approx(
        [0, 1 / 3, 1 / 3, 0, 0, 1 / 3], abs=0.01
    )


def test_what_lies_at_a_missing_cell_has_no_influence():
    missing = rng().random(200) < 0.3
    values = rng(1).normal(size=200).round(1)
    a, b = (column(np.where(missing, filler, values), missing) for filler in (0.0, 1e300))
    for seed in range(2):
        x, y = (NumericCodec.fit(col).encode(col, rng(seed)) for col in (a, b))
        np.testing.assert_array_equal(np.where(x.observed, x.num, 0), np.where(y.observed, y.num, 0))
        np.testing.assert_array_equal(x.cat, y.cat)


def test_missing_cells_of_a_column_that_had_none_are_refused():
    full = column(np.arange(100.0))
    gappy = column(np.arange(3.0), [True, False, True])
    for codec in (NumericCodec.fit(full), LevelCodec.fit(full), ConstantCodec(np.float64(1))):
        with pytest.raises(SchemaError, match="'x' has"):
            codec.encode(gappy, rng())
    with pytest.raises(SchemaError, match="2 missing values but had none in fit"):
        NumericCodec.fit(full).encode(gappy, rng())


# --- level codec --------------------------------------------------------------------------------------------


@FEW
@given(st.lists(st.sampled_from([-1.5, 0.0, 0.1, 2.0**70]), min_size=1, max_size=40), st.data())
def test_levels_of_any_storage_come_back(cells, data):
    missing = data.draw(arrays(bool, len(cells)))
    missing[0] = False
    floats = np.array(cells)
    for values in (floats, floats.astype(np.float32), (floats > 0), (floats > 0).astype(np.int64)):
        col = column(values, missing)
        codec = LevelCodec.fit(col)
        assert codec.n_levels == (len(np.unique(col.observed)) + missing.any(),)
        assert_comes_back(codec, col)


def test_rare_levels_are_pooled_and_come_back_in_their_proportions():
    counts = {0: 9_000, 1: 20, 2: 1, 3: 3, 4: 6, 5: 10, 6: 970}
    col = column(np.repeat(list(counts), list(counts.values())))
    codec = LevelCodec.fit(col)
    assert codec.n_levels == (5,)
    features = codec.encode(col, rng())
    assert len(np.unique(features.cat)) == 5
    np.testing.assert_array_equal(codec.code_of, [0, 1, 4, 4, 4, 2, 3])
    n = 50_000
    pool = codecs.Features(np.zeros((n, 0)), np.zeros((n, 0), bool), np.full((n, 1), 4))
    values, missing = codec.decode(pool, rng())
    assert not missing.any()
    assert np.bincount(values) / n == pytest.approx([0, 0, 0.1, 0.3, 0.6], abs=0.01)


def test_levels_that_are_all_rare_share_one():
    col = column(np.arange(2000))
    codec = LevelCodec.fit(col)
    assert codec.n_levels == (1,)
    values, _ = codec.decode(codec.encode(col, rng()), rng())
    assert len(np.unique(values)) > 1000


def test_a_single_rare_level_is_not_pooled():
    col = column(np.repeat([0, 1], [5000, 1]))
    codec = LevelCodec.fit(col)
    assert codec.n_levels == (2,)
    assert_comes_back(codec, col)


def test_unseen_levels_are_refused_and_shown_as_labels():
    known = column(np.array([0, 1] * 5), storage=Storage.LABEL, levels=("Oslo", "Paris"))
    other = column(np.array([2, 0]), storage=Storage.LABEL, levels=("Oslo", "Paris", "Rome"))
    message = r"'x' has values unseen in fit: \['Rome'\]\. Known: \['Oslo', 'Paris'\]"
    with pytest.raises(SchemaError, match=message):
        LevelCodec.fit(known).encode(other, rng())
    with pytest.raises(SchemaError, match=r"unseen in fit: \['Rome'\]\. Known: \['Oslo'\]"):
        ConstantCodec(np.int64(0)).encode(other, rng())


def test_long_lists_of_levels_are_cut_short():
    codec = LevelCodec.fit(column(np.arange(50)))
    with pytest.raises(SchemaError, match=r"\[50, 51, 52, 53, 54, \.\.\.\]\. Known: \[0, 1, .* 9, \.\.\.\]"):
        codec.encode(column(np.arange(45, 60)), rng())


def test_a_value_between_two_levels_is_unseen():
    with pytest.raises(SchemaError, match=r"\[1.5\]"):
        LevelCodec.fit(column([1, 2, 1, 2])).encode(column([1.5]), rng())


# --- constants, and the choice of codec ---------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.int64(2**60 + 1), np.float32(0.1), np.True_, np.float64(-0.5)])
def test_constants_come_back_from_no_features(value):
    col = column(np.full(3, value))
    codec = fit_codec(col, Kind.CONSTANT)
    features = codec.encode(col, rng())
    assert (features.num.shape, features.cat.shape) == ((3, 0), (3, 0))
    assert (codec.n_num, codec.n_levels) == (0, ())
    assert_comes_back(codec, col)


def test_the_kind_decides_the_codec():
    col = column(np.arange(10))
    found = [type(fit_codec(col, kind)) for kind in (Kind.NUMERIC, Kind.CATEGORICAL, Kind.CONSTANT)]
    assert found == [NumericCodec, LevelCodec, ConstantCodec]


def test_fitting_and_encoding_leave_the_column_alone():
    values, missing = rng().normal(size=50).round(1), rng().random(50) < 0.2
    col = column(values, missing)
    kept = values.copy(), missing.copy()
    values.setflags(write=False)
    missing.setflags(write=False)
    for kind in (Kind.NUMERIC, Kind.CATEGORICAL):
        assert_comes_back(fit_codec(col, kind), col)
    np.testing.assert_array_equal(values, kept[0])
    np.testing.assert_array_equal(missing, kept[1])


def test_the_same_draws_give_the_same_scores():
    col = column(rng().integers(0, 100, 1000))
    codec = NumericCodec.fit(col)
    a, b, c = (codec.encode(col, rng(seed)).num for seed in (1, 1, 2))
    assert (a == b).all() and (a != c).any()


# --- all kinds ----------------------------------------------------------------------------------------------


@st.composite
def any_column(draw):
    """A column of any storage, with missing cells or without, perhaps with nothing else."""
    n = draw(st.integers(1, 60))
    cells = draw(
        arrays(np.int64, n, elements=st.integers(0, 3) | st.integers(-(2**62), 2**62))
        | arrays(np.float64, n, elements=st.sampled_from([0.0, 0.5, -2.25, 1e300]) | st.floats(-1e9, 1e9))
        | arrays(np.float32, n, elements=st.floats(-1e9, 1e9, width=32))
        | arrays(bool, n)
    )
    storage, kwargs = STORAGE[cells.dtype.kind], {}
    if cells.dtype == np.int64:
        storage = draw(st.sampled_from([Storage.INT, Storage.DATETIME, Storage.DURATION, Storage.LABEL]))
    if storage is Storage.LABEL:
        distinct, cells = np.unique(cells, return_inverse=True)
        kwargs = {"levels": tuple(f"l{value}" for value in distinct), "ordered": draw(st.booleans())}
    elif storage in (Storage.DATETIME, Storage.DURATION):
        kwargs = {"unit": "ns"}
    missing = draw(st.just(np.zeros(n, bool)) | st.just(np.ones(n, bool)) | arrays(bool, n))
    return column(cells, missing, storage=storage, **kwargs)


@FEW
@given(any_column(), st.sampled_from([None, "categorical"]))
def test_columns_of_every_kind_come_back(col, override):
    kind = infer_schema([col], None if override is None else {"x": override}).columns[0].kind
    codec = fit_codec(col, kind)
    assert kind_of(codec) is kind
    assert codec.knows(col).all()
    features = in_float32(codec.encode(col, rng()))
    assert features.num.shape == (len(col), codec.n_num)
    assert features.cat.shape == (len(col), len(codec.n_levels))
    assert all((features.cat < n).all() for n in codec.n_levels)
    values, missing = codec.decode(features, rng())
    np.testing.assert_array_equal(missing, col.missing)
    if codec.missing_level >= 0:
        np.testing.assert_array_equal(features.cat[:, 0] == codec.missing_level, col.missing)
    if kind is not Kind.IDENTIFIER:
        assert values.dtype == col.values.dtype
        np.testing.assert_array_equal(values[~missing], col.observed)
    elif override is None:
        fresh = set(values.tolist())
        assert len(fresh) == len(col) and not fresh & set(map(col.describe, col.observed))
