"""C2ST: known answers, and the figures of sdmetrics 0.11.1 itself."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xgboost

from tabdiff.errors import InputError
from tabdiff.evaluation.published import lr_c2st, shape_error, xgb_c2st
from tabdiff.evaluation.published.detection import _features, _score


def with_gaps(table):
    """The table with missing numbers, a boolean and a date."""
    start, days = pd.Timestamp("2021-01-01"), pd.to_timedelta(table["age"], unit="D")
    gap = np.arange(len(table)) % 7 == 0
    return table.assign(
        income=table["income"].where(~gap), flag=table["hours"] > 20, day=(start + days).astype("M8[ns]")
    )


# --- sdmetrics 0.11.1 itself ---

# Printed by LogisticDetection of sdmetrics 0.11.1 (numpy 1.26.4, pandas 2.1.4, scikit-learn 1.9.1) and by the
# same metric around XGBClassifier(eval_metric="logloss", enable_categorical=True, random_state=0) of xgboost
# 3.2.0, after np.random.seed(seed).
REFERENCE = {
    ("plain", "synthetic", 0): (0.9146666666666666, 0.8422666666666666),
    ("plain", "fresh", 0): (1.0, 0.9358333333333332),
    ("plain", "synthetic", 5): (0.8966833333333333, 0.8021833333333334),
    ("plain", "fresh", 5): (0.9798, 0.9781666666666666),
    ("gaps", "synthetic", 0): (0.9113000000000001, 0.8455333333333332),
    ("gaps", "fresh", 0): (1.0, 0.9544166666666666),
    ("gaps", "synthetic", 5): (0.8904166666666665, 0.8093),
    ("gaps", "fresh", 5): (0.9868166666666667, 1.0),
}


@pytest.mark.parametrize(("form", "which", "seed"), REFERENCE)
def test_scores_agree_with_the_reference(form, which, seed, real, request):
    other = request.getfixturevalue(which)
    if form == "gaps":
        real, other = with_gaps(real), with_gaps(other)
    of_logistic, of_xgboost = REFERENCE[form, which, seed]
    assert lr_c2st(real, other, seed=seed) == pytest.approx(of_logistic, abs=1e-3)  # a few pairs of 40,000
    if xgboost.__version__.startswith("3.2."):  # trees may change between versions
        assert xgb_c2st(real, other, seed=seed) == pytest.approx(of_xgboost, abs=1e-6)


# --- known answers ---


@pytest.fixture(scope="module")
def correlated():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1_500)
    return pd.DataFrame({"x": x, "y": x + 0.1 * rng.normal(size=1_500), "c": np.where(x > 0, "up", "down")})


def test_independent_columns_pass_logistic_regression_and_fail_boosting(correlated):
    rng = np.random.default_rng(1)
    independent = pd.DataFrame({name: rng.permutation(correlated[name].to_numpy()) for name in correlated})
    assert shape_error(correlated, independent) == pytest.approx(0, abs=1e-12)
    assert lr_c2st(correlated, independent) > 0.9
    assert xgb_c2st(correlated, independent) < 0.1


def test_two_halves_of_one_sample_are_not_told_apart(correlated):
    first, second = correlated.iloc[:750], correlated.iloc[750:]
    assert lr_c2st(first, second) > 0.9
    assert xgb_c2st(first, second) > 0.9


def test_disjoint_tables_score_zero():
    real, synthetic = pd.DataFrame({"x": np.arange(300.0)}), pd.DataFrame({"x": np.arange(500.0, 800.0)})
    assert lr_c2st(real, synthetic) == pytest.approx(0, abs=0.01)
    assert xgb_c2st(real, synthetic) == pytest.approx(0, abs=0.01)


def test_a_copy_passes_both(real):
    assert lr_c2st(real, real) > 0.95
    assert xgb_c2st(real, real) > 0.95


def test_columns_that_are_missing_throughout_pass_logistic_regression():
    rng = np.random.default_rng(2)
    real = pd.DataFrame({"x": rng.normal(size=300), "y": rng.normal(size=300)})
    assert lr_c2st(real, real.assign(y=np.nan)) > 0.9


def test_an_auc_below_one_half_counts_as_one_half():
    assert _score([0.5, 0.0, 0.25]) == 1
    assert _score([1.0, 0.75, 0.3]) == pytest.approx(1 - (1 + 0.5 + 0) / 3)


def test_features_are_filled_numbers_then_dummies_in_the_order_of_their_text():
    real = pd.DataFrame(
        {"c": ["b", None, "a"], "x": [1.0, np.nan, 4.0], "f": pd.Series([True, None, True], dtype=object)}
    )
    synthetic = pd.DataFrame({"f": [False, True, False], "x": [np.inf, np.nan, 7.0], "c": ["a", "new", "b"]})
    of_real, of_synthetic = _features(real, synthetic, ())
    assert of_real.tolist() == [[1, 1, 0, 1, 0], [2.5, 1, 0, 0, 1], [4, 1, 1, 0, 0]]
    np.testing.assert_array_equal(of_synthetic, [[np.nan, 0, 1, 0, 0], [2.5, 1, 0, 0, 0], [7, 0, 0, 1, 0]])


def test_integer_codes_are_numbers_unless_named():
    real, synthetic = pd.DataFrame({"k": [1, 2, 3]}), pd.DataFrame({"k": [1, 1, 3]})
    assert _features(real, synthetic, ())[0].shape == (3, 1)
    assert _features(real, synthetic, ["k"])[0].tolist() == np.eye(3).tolist()


def test_a_column_without_any_value_changes_nothing(correlated):
    first, second = correlated.iloc[:300], correlated.iloc[300:600]
    assert lr_c2st(first.assign(e=np.nan), second.assign(e=np.nan)) == lr_c2st(first, second)


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table], ids=["polars", "pyarrow"])
def test_every_kind_of_table_gives_the_same_numbers(make, real, synthetic):
    columns = [{name: table[name].tolist() for name in table} for table in (real, synthetic)]
    assert lr_c2st(*map(make, columns)) == lr_c2st(real, synthetic)
    assert xgb_c2st(*map(make, columns)) == xgb_c2st(real, synthetic)


# --- errors ---


@pytest.mark.parametrize("score", [lr_c2st, xgb_c2st])
class TestErrors:
    def test_different_columns(self, score):
        with pytest.raises(InputError, match=r"Only in `real`: \['b'\]"):
            score(pd.DataFrame({"a": [1], "b": [1]}), pd.DataFrame({"a": [1]}))

    def test_too_few_rows_for_three_folds(self, score):
        with pytest.raises(InputError, match="`synthetic` has 2 rows"):
            score(pd.DataFrame({"a": [1, 2, 3]}), pd.DataFrame({"a": [1, 2]}))

    def test_text_for_numbers(self, score):
        with pytest.raises(InputError, match="Column 'a' is numeric"):
            score(pd.DataFrame({"a": [1, 2, 3]}), pd.DataFrame({"a": ["1", "2", "3"]}))

    def test_unknown_categorical_names(self, score):
        table = pd.DataFrame({"a": [1, 2, 3]})
        with pytest.raises(InputError, match=r"lack: \['q'\]"):
            score(table, table, ["q"])


def test_a_missing_xgboost_is_named_with_its_extra(monkeypatch, real):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(InputError, match=r"`xgb_c2st` needs the package xgboost.*tabdiff\[published\]"):
        xgb_c2st(real, real)
