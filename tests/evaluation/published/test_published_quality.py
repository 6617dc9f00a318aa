"""Shape and Trend: small tables computed on paper, invariances, and numbers of sdmetrics 0.11.1 itself."""

import math
from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tabdiff.evaluation import column_shapes, pair_trends, shape_error, trend_error


def scores(details):
    return {name: entry["score"] for name, entry in details.items()}


def seeded_table(seed, n_rows, levels, drift):
    """A mixed table with missing numbers and levels, made from uniform draws and arithmetic alone."""
    rng = np.random.default_rng(seed)
    u = rng.random((n_rows, 8))
    amount = np.where(u[:, 0] < 0.1, np.nan, 100 * u[:, 1] ** (2 + drift))
    days = (1000 * u[:, 3]).astype("int64").astype("timedelta64[D]")
    city = np.array(levels, dtype=object)[(len(levels) * u[:, 1] * u[:, 4]).astype(int)]
    return pd.DataFrame(
        {
            "amount": amount,
            "count": (12 * u[:, 1] * u[:, 2]).astype("int64"),
            "day": (np.datetime64("2021-01-01") + days).astype("datetime64[ns]"),
            "city": np.where(u[:, 5] < 0.15, np.nan, city),
            "flag": u[:, 1] + u[:, 6] < 0.8 + drift,
            "code": (3 * u[:, 7]).astype("int64"),
            "fixed": np.full(n_rows, 4.5),
        }
    )


@pytest.fixture
def real():
    return seeded_table(11, 60, ["Oslo", "Rome", "Bern"], 0.0)


@pytest.fixture
def synthetic():
    return seeded_table(12, 45, ["Oslo", "Rome", "Lima", "Bern"], 0.3)


# --- one column, on paper ---


def test_ks_of_shifted_numbers():
    # at x = 2 the real CDF is 2/4, the synthetic one 0; nowhere do they differ more
    details = column_shapes(pd.DataFrame({"x": [1, 2, 3, 4]}), pd.DataFrame({"x": [3.0, 4, 5, 6]}))
    assert details == {"x": {"metric": "KSComplement", "score": 0.5}}


def test_ks_counts_ties_at_once():
    # below 1: 1/4 against 3/4
    details = column_shapes(pd.DataFrame({"x": [0, 1, 1, 1]}), pd.DataFrame({"x": [0, 0, 0, 1]}))
    assert details["x"]["score"] == 0.5


def test_ks_leaves_missing_numbers_out():
    # {1, 2} against {1, 3}: at x = 2 the CDFs are 1 and 1/2
    details = column_shapes(
        pd.DataFrame({"x": [1, 2, math.nan, math.nan]}), pd.DataFrame({"x": [math.nan, 1, 3]})
    )
    assert details["x"]["score"] == 0.5


def test_ks_of_times_does_not_depend_on_their_unit():
    days = pd.to_datetime(["2024-01-01", "2024-01-02", None, "2024-01-04"])
    later = pd.to_datetime(["2024-01-02", "2024-01-04", "2024-01-05"])
    for unit in ("s", "us", "ns"):
        details = column_shapes(
            pd.DataFrame({"t": days.as_unit("ns")}), pd.DataFrame({"t": later.as_unit(unit)})
        )
        # on January 1st: 1/3 against 0, as on the 2nd (2/3 against 1/3) and the 4th
        assert details["t"] == {"metric": "KSComplement", "score": pytest.approx(2 / 3)}


def test_tv_of_shares():
    # shares (1/2, 1/2) against (1/4, 3/4)
    details = column_shapes(pd.DataFrame({"c": list("aabb")}), pd.DataFrame({"c": list("abbb")}))
    assert details == {"c": {"metric": "TVComplement", "score": 0.75}}


def test_tv_counts_an_unseen_level_as_a_millionth_of_a_row():
    details = column_shapes(pd.DataFrame({"c": list("aabb")}), pd.DataFrame({"c": list("abcc")}))
    total = 4 + 1e-6
    distance = (2 * (2 / total - 1 / 4) + (2 / 4 - 1e-6 / total)) / 2
    assert details["c"]["score"] == pytest.approx(1 - distance, abs=1e-14)
    assert details["c"]["score"] != pytest.approx(0.5, abs=1e-8)


def test_tv_leaves_missing_levels_out():
    details = column_shapes(pd.DataFrame({"c": ["a", "b", None, None]}), pd.DataFrame({"c": ["b", "a"]}))
    assert details["c"]["score"] == 1


def test_booleans_are_levels():
    details = column_shapes(pd.DataFrame({"b": [True, False]}), pd.DataFrame({"b": [True, True]}))
    assert details == {"b": {"metric": "TVComplement", "score": 0.5}}


def test_numbers_named_categorical_are_levels():
    real, synthetic = pd.DataFrame({"k": [1, 2, 3]}), pd.DataFrame({"k": [1.0, 3.0, 3.0]})
    assert column_shapes(real, synthetic)["k"]["metric"] == "KSComplement"
    details = column_shapes(real, synthetic, categorical=["k"])
    assert details["k"] == {"metric": "TVComplement", "score": pytest.approx(2 / 3)}
    assert column_shapes(real, synthetic, categorical="k") == details


def test_shape_error_is_the_mean_over_columns_in_percent():
    real = pd.DataFrame({"x": [1, 2, 3, 4], "c": list("aabb")})
    synthetic = pd.DataFrame({"c": list("abbb"), "x": [3, 4, 5, 6]})
    assert shape_error(real, synthetic) == pytest.approx((50 + 25) / 2)


# --- two columns, on paper ---


def test_opposite_correlations_score_nothing():
    real, synthetic = pd.DataFrame({"x": [1, 2, 3], "y": [1, 2, 3]}), pd.DataFrame({"x": [1, 2], "y": [2, 1]})
    entry = pair_trends(real, synthetic)["x", "y"]
    assert entry["metric"] == "CorrelationSimilarity"
    assert entry["real_correlation"] == pytest.approx(1)
    assert entry["synthetic_correlation"] == pytest.approx(-1)
    assert entry["score"] == pytest.approx(0, abs=1e-15)


def test_correlation_difference_is_halved():
    # centred (-1, 0, 1) and (-1, 1, 0): r = 1 / 2
    real, synthetic = (pd.DataFrame({"x": [1, 2, 3], "y": y}) for y in ([5, 6, 7], [1, 3, 2]))
    assert pair_trends(real, synthetic)["x", "y"]["score"] == pytest.approx(1 - 0.5 / 2)


def test_correlation_takes_the_rows_where_both_are_present():
    real = pd.DataFrame({"x": [1, 2, 3, 9, math.nan], "y": [1, 3, 2, math.nan, -9]})
    synthetic = pd.DataFrame({"x": [1, 2, 3], "y": [1, 2, 3]})
    assert pair_trends(real, synthetic)["x", "y"]["real_correlation"] == pytest.approx(0.5)


def test_correlation_of_huge_values_does_not_overflow():
    real, synthetic = (pd.DataFrame({"x": [1e200, 2e200, 3e200], "y": y}) for y in ([1, 2, 3], [1, 3, 2]))
    assert pair_trends(real, synthetic)["x", "y"]["score"] == pytest.approx(0.75)


def test_contingency_of_levels():
    # cells (a, x) and (b, y) with 1/2 each, against 1/4 in each of four cells
    real = pd.DataFrame({"c": list("aabb"), "d": list("xxyy")})
    synthetic = pd.DataFrame({"c": list("aabb"), "d": list("xyxy")})
    assert pair_trends(real, synthetic) == {("c", "d"): {"metric": "ContingencySimilarity", "score": 0.5}}
    assert shape_error(real, synthetic) == 0


def test_missing_is_a_level_in_pairs_whatever_marks_it():
    real = pd.DataFrame({"c": ["a", "a", None, math.nan], "d": list("xxxx")})
    synthetic = pd.DataFrame({"c": list("aaaa"), "d": list("xxxx")})
    assert pair_trends(real, synthetic)["c", "d"]["score"] == 0.5
    assert pair_trends(real, real.fillna({"c": math.nan}))["c", "d"]["score"] == 1
    assert shape_error(real, synthetic) == 0


def test_mixed_pair_uses_ten_equal_bins():
    # edges 0, 1, ..., 10: cells 1, 2, 10, 11 with 1/4 each; synthetic cells 1, 1, 10, 11
    real = pd.DataFrame({"x": [0, 1, 9, 10], "c": list("pppp")})
    synthetic = pd.DataFrame({"x": [0, 0.5, 9.5, 10], "c": list("pppp")})
    entry = {"metric": "ContingencySimilarity", "score": 0.75}
    assert pair_trends(real, synthetic) == {("x", "c"): entry}
    assert pair_trends(real[["c", "x"]], synthetic) == {("c", "x"): entry}


def test_mixed_pair_bins_each_table_by_its_own_range():
    real = pd.DataFrame({"x": [0, 4, 10], "c": list("pqr")})
    synthetic = pd.DataFrame({"x": [0, 400, 1000], "c": list("pqr")})
    assert pair_trends(real, synthetic)["x", "c"]["score"] == pytest.approx(1)
    # one synthetic outlier: 0 and 4 now share the first of the bins, cells 1, 5, 11 against 1, 1, 11
    synthetic = pd.DataFrame({"x": [0, 4, 1000], "c": list("pqr")})
    assert pair_trends(real, synthetic)["x", "c"]["score"] == pytest.approx(2 / 3)


def test_mixed_pair_puts_a_missing_number_with_the_maximum():
    real = pd.DataFrame({"x": [0, 5, 10, 10], "c": list("pppp")})
    synthetic = pd.DataFrame({"x": [0, 5, 10, math.nan], "c": list("pppp")})
    assert pair_trends(real, synthetic)["x", "c"]["score"] == 1


def test_single_precision_is_binned_in_single_precision():
    # tenths from 0 to 1 sit on the edges, each the first value of its bin, as 0 to 10 do
    tenths = (np.arange(11) / 10).astype("float32")
    labels = [f"level {i}" for i in range(11)]
    real, synthetic = pd.DataFrame({"x": tenths, "c": labels}), pd.DataFrame({"x": range(11), "c": labels})
    assert pair_trends(real, synthetic)["x", "c"]["score"] == pytest.approx(1)


def test_contingency_of_many_levels_equals_the_sum_over_cells():
    real, synthetic = (
        pd.DataFrame({"c": [f"c{i}" for i in order], "d": [f"d{i}" for i in range(300)]})
        for order in (range(300), [*range(1, 300), 0])
    )
    assert trend_error(real, synthetic) == pytest.approx(100)
    assert trend_error(real, real) == 0


def test_trend_error_is_the_mean_over_pairs_in_percent():
    # the pair (x, c): cells 1, 6, 11 with 1/3 each in both tables, c constant, so its score is 1
    real, synthetic = (pd.DataFrame({"x": [1, 2, 3], "y": y, "c": "p"}) for y in ([5, 6, 7], [1, 3, 2]))
    details = scores(pair_trends(real, synthetic))
    assert details == pytest.approx({("x", "y"): 0.75, ("x", "c"): 1, ("y", "c"): 1})
    assert trend_error(real, synthetic) == pytest.approx(100 * 0.25 / 3)


# --- undefined scores ---


def test_correlation_of_a_constant_is_undefined_and_left_out():
    real = pd.DataFrame({"x": [1, 2, 3], "y": [1, 2, 3], "k": [4, 4, 4]})
    synthetic = pd.DataFrame({"x": [1, 2, 3], "y": [1, 3, 2], "k": [7, 7, 7]})
    details = scores(pair_trends(real, synthetic))
    assert math.isnan(details["x", "k"]) and math.isnan(details["y", "k"])
    assert trend_error(real, synthetic) == pytest.approx(25)
    assert column_shapes(real, synthetic)["k"]["score"] == 0


def test_a_constant_falls_into_the_sixth_bin():
    # it is cut from half a unit below to half a unit above; the synthetic cells are 1, 6 and 11
    real, synthetic = pd.DataFrame({"k": [4], "c": ["a"]}), pd.DataFrame({"k": [0, 5, 10], "c": list("aaa")})
    assert pair_trends(real, synthetic)["k", "c"]["score"] == pytest.approx(1 / 3)


def test_two_different_constants_look_equal_in_mixed_pairs():
    real, synthetic = (
        pd.DataFrame({"k": [4, 4], "c": ["a", "b"]}),
        pd.DataFrame({"k": [7, 7], "c": ["a", "b"]}),
    )
    assert trend_error(real, synthetic) == 0


@pytest.mark.parametrize("empty", [[math.nan, math.nan], [None, None]])
def test_a_column_without_values_is_left_out_of_shape(empty):
    real = pd.DataFrame({"x": [1, 2], "y": [1, 2], "c": ["a", "b"]})
    synthetic = real.assign(x=empty, c=pd.Series([None, None], dtype=object))
    details = scores(column_shapes(real, synthetic))
    assert math.isnan(details["x"]) and math.isnan(details["c"]) and details["y"] == 1
    assert shape_error(real, synthetic) == 0
    assert math.isnan(pair_trends(real, synthetic)["x", "y"]["score"])


def test_infinite_values_have_no_trend():
    real = pd.DataFrame({"x": [1, 2, math.inf], "y": [1, 2, 3], "c": list("aab")})
    details = scores(pair_trends(real, real))
    assert math.isnan(details["x", "y"]) and math.isnan(details["x", "c"]) and details["y", "c"] == 1
    assert shape_error(real, real) == 0


def test_nothing_defined_gives_nan():
    lone = pd.DataFrame({"x": [math.nan, math.nan]})
    assert math.isnan(shape_error(lone, lone))
    assert math.isnan(trend_error(lone, lone))


# --- invariances ---


def test_identical_tables_have_no_error(real):
    assert shape_error(real, real, ["code"]) == 0
    assert trend_error(real, real, ["code"]) == pytest.approx(0, abs=1e-13)


def test_row_and_column_order_do_not_matter(real, synthetic):
    shuffled = synthetic.sample(frac=1, random_state=3)[synthetic.columns[::-1]]
    assert shape_error(real, shuffled) == pytest.approx(shape_error(real, synthetic), abs=1e-11)
    assert trend_error(real, shuffled) == pytest.approx(trend_error(real, synthetic), abs=1e-11)


def test_units_and_level_names_do_not_matter(real, synthetic):
    def rewritten(table):
        city = table["city"].map({"Oslo": "o", "Rome": "r", "Lima": "l", "Bern": "b"})
        return table.assign(amount=4 * table["amount"] - 16, city=city.astype("category"))

    assert shape_error(rewritten(real), rewritten(synthetic)) == pytest.approx(shape_error(real, synthetic))
    assert trend_error(rewritten(real), rewritten(synthetic)) == pytest.approx(trend_error(real, synthetic))


def test_inputs_stay_as_they_are(real, synthetic):
    before = real.copy(), synthetic.copy()
    trend_error(real, synthetic)
    shape_error(real, synthetic)
    pd.testing.assert_frame_equal(real, before[0])
    pd.testing.assert_frame_equal(synthetic, before[1])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "pyarrow"])
def test_every_kind_of_table_gives_the_same_numbers(make):
    moments = [datetime(2024, 1, day) for day in (1, 2, 5, 9)]
    real = make({"x": [1.5, None, 2.5, 4.0], "n": [1, 2, 3, 9], "c": ["a", None, "b", "b"], "t": moments})
    synthetic = make({"x": [1.5, 1.0, 2.5, 4.0], "n": [1, 2, 2, 9], "c": list("aabb"), "t": moments[::-1]})
    # x: at 1.0 the CDFs are 0 and 1/4; n: at 2, 1/2 and 3/4; c: (1/3, 2/3) against (1/2, 1/2); t: equal
    assert shape_error(real, synthetic) == pytest.approx(25 * (1 / 4 + 1 / 4 + 1 / 6))
    names = ["x", "n", "c", "t"]
    pairs = pair_trends(real, synthetic)
    assert list(pairs) == [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    # (n, c): cells (1, a) (2, -) (3, b) (11, b) of n from 1 to 9, against (1, a) (2, a) (2, b) (11, b)
    assert pairs["n", "c"]["score"] == pytest.approx(0.5)


def test_independent_columns_pass_shape_and_fail_trend():
    rng = np.random.default_rng(0)
    x = rng.random(2_000)
    real = pd.DataFrame({"x": x, "y": x + 0.1 * rng.random(2_000), "c": np.where(x > 0.5, "high", "low")})
    independent = pd.DataFrame({name: rng.permutation(real[name].to_numpy()) for name in real})
    assert shape_error(real, independent) == pytest.approx(0, abs=1e-12)
    assert trend_error(real, independent) > 40


# --- sdmetrics 0.11.1 itself ---

# Printed by QualityReport of sdmetrics 0.11.1 (numpy 1.25.2, pandas 2.0.3, scipy 1.11.4, Python 3.10) for the
# tables of the two fixtures, with amount, count and fixed as numerical, day as datetime, city and code as
# categorical, flag as boolean.
REFERENCE_SHAPE_ERROR = 14.060642163320857
REFERENCE_TREND_ERROR = 27.645628850105254
REFERENCE_SHAPES = {
    "amount": 0.8185328185328186,
    "count": 0.8277777777777777,
    "day": 0.7555555555555555,
    "city": 0.8250000078124998,
    "flag": 0.9388888888888889,
    "code": 0.85,
    "fixed": 1.0,
}
REFERENCE_TRENDS = {
    ("amount", "count"): 0.9252954250366656,
    ("amount", "day"): 0.8614779819129714,
    ("amount", "city"): 0.55,
    ("amount", "flag"): 0.6666666666666667,
    ("amount", "code"): 0.5777777777777778,
    ("amount", "fixed"): math.nan,
    ("count", "day"): 0.9870134000314159,
    ("count", "city"): 0.5944444444444444,
    ("count", "flag"): 0.7444444444444445,
    ("count", "code"): 0.5555555555555556,
    ("count", "fixed"): math.nan,
    ("day", "city"): 0.5444444444444445,
    ("day", "flag"): 0.5944444444444444,
    ("day", "code"): 0.6055555555555555,
    ("day", "fixed"): math.nan,
    ("city", "flag"): 0.8,
    ("city", "code"): 0.6277777777777778,
    ("city", "fixed"): 0.8555555555555556,
    ("flag", "code"): 0.7444444444444445,
    ("flag", "fixed"): 0.9388888888888889,
    ("code", "fixed"): 0.85,
}


def test_shape_agrees_with_the_reference(real, synthetic):
    assert scores(column_shapes(real, synthetic, ["code"])) == pytest.approx(REFERENCE_SHAPES, abs=1e-9)
    assert shape_error(real, synthetic, ["code"]) == pytest.approx(REFERENCE_SHAPE_ERROR, abs=1e-9)


def test_trend_agrees_with_the_reference(real, synthetic):
    details = scores(pair_trends(real, synthetic, ["code"]))
    assert details == pytest.approx(REFERENCE_TRENDS, abs=1e-9, nan_ok=True)
    assert trend_error(real, synthetic, ["code"]) == pytest.approx(REFERENCE_TREND_ERROR, abs=1e-9)


# --- errors ---


@pytest.mark.parametrize("score", [shape_error, trend_error, column_shapes, pair_trends])
class TestErrors:
    def test_different_columns_are_named(self, score):
        with pytest.raises(ValueError, match=r"Only in `real`: \['b'\]. Only in `synthetic`: \['z'\]"):
            score(pd.DataFrame({"a": [1], "b": [1]}), pd.DataFrame({"a": [1], "z": [1]}))

    def test_repeated_columns_are_named(self, score):
        table = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
        with pytest.raises(ValueError, match=r"more than once: \['a'\]"):
            score(table, table)

    def test_tables_without_rows_or_columns(self, score):
        table = pd.DataFrame({"a": [1]})
        with pytest.raises(ValueError, match="`synthetic` has 0 rows and 1 columns"):
            score(table, table.head(0))
        with pytest.raises(ValueError, match="`real` has 1 rows and 0 columns"):
            score(table[[]], table)

    def test_unknown_categorical_names(self, score):
        table = pd.DataFrame({"a": [1], "b": [2]})
        with pytest.raises(ValueError, match=r"tables lack: \['q'\]. Known: \['a', 'b'\]"):
            score(table, table, categorical=["a", "q"])

    def test_a_number_turned_into_text(self, score):
        with pytest.raises(
            ValueError, match=r"Column 'a' is numeric \(int64\) .* categorical \((?:str|object)\)"
        ):
            score(pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": ["1", "2"]}))

    def test_a_thing_that_is_no_table(self, score):
        with pytest.raises(ValueError, match="`real` is a ndarray"):
            score(np.zeros((2, 2)), pd.DataFrame({"a": [1]}))
