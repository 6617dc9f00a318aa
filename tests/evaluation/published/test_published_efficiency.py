"""MLE: separable toys, the published code's own figures, and its quirks as known answers."""

import math
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost

from tabdiff.errors import InputError
from tabdiff.evaluation.published import mle
from tabdiff.evaluation.published.efficiency import _paper_numbers, _split

# Printed by TabPC's copy of eval/mle/mle.py (xgboost 3.2.0, scikit-learn 1.9.1, numpy 1.26.4) after
# np.random.seed(seed), with `code` among the categorical columns: AUC of best_auroc_scores, RMSE of
# best_rmse_scores. "zero": hours, which begin at 0, come first. "log": incomes from 0 to 2,500 come first.
REFERENCE = {
    ("plain", "label", 0): 0.8883577115763106,
    ("plain", "label", 5): 0.8612564859545535,
    ("plain", "city", 0): 0.7532139832587867,
    ("plain", "city", 5): 0.7288590066614125,
    ("plain", "income", 0): 0.46980324387550354,
    ("plain", "income", 5): 0.4776736795902252,
    ("zero", "label", 0): 0.8860037573805689,
    ("zero", "label", 5): 0.8707282161388441,
    ("log", "label", 0): 0.8883577115763106,
    ("log", "label", 5): 0.8741053855788155,
}


def arrange(table, form):
    if form == "zero":
        return table[["hours", "income", "age", "city", "code", "label"]]
    if form == "log":
        table = table.assign(income=table["income"] + 101)
        return table[["income", "age", "hours", "city", "code", "label"]]
    return table


@pytest.mark.skipif(not xgboost.__version__.startswith("3.2."), reason="trees may change between versions")
@pytest.mark.parametrize(("form", "target", "seed"), REFERENCE)
def test_scores_agree_with_the_reference(form, target, seed, synthetic, fresh):
    result = mle(arrange(synthetic, form), arrange(fresh, form), target, ["code"], seed=seed)
    assert result.score == pytest.approx(REFERENCE[form, target, seed], abs=1e-6)
    assert result.metric == ("rmse" if target == "income" else "roc_auc")


# --- known answers ---


def separable(seed, n_rows):
    rng = np.random.default_rng(seed)
    x = rng.random(n_rows) + 1
    return pd.DataFrame({"x": x, "noise": rng.random(n_rows), "y": np.where(x > 1.5, "b", "a")})


@pytest.mark.parametrize("mode", ["paper", "corrected"])
def test_separable_classes_are_learned_and_permuted_ones_are_not(mode):
    train, test = separable(0, 300), separable(1, 300)
    assert mle(train, test, "y", mode=mode, n_seeds=1).score > 0.99
    permuted = train.assign(y=np.random.default_rng(2).permutation(train["y"].to_numpy()))
    assert mle(permuted, test, "y", mode=mode, n_seeds=1).score < 0.8


def test_a_number_is_learned_in_units_of_its_spread():
    rng = np.random.default_rng(3)
    train, test = (pd.DataFrame({"x": x, "y": 50_000 * x - 9}) for x in rng.random((2, 400)))
    result = mle(train, test, "y", mode="corrected", n_seeds=2)
    assert result.metric == "rmse / sd" and result.score < 0.05
    assert len(result.by_seed) == 2 and result.score == pytest.approx(np.mean(result.by_seed))
    assert result.spread == pytest.approx(abs(result.by_seed[0] - result.by_seed[1]) / math.sqrt(2))
    shuffled = train.assign(y=rng.permutation(train["y"].to_numpy()))
    assert mle(shuffled, test, "y", mode="corrected", n_seeds=1).score > 0.9


def test_the_paper_clips_a_target_beyond_20000_and_corrected_does_not():
    rng = np.random.default_rng(4)
    train, test = (pd.DataFrame({"x": x, "y": 1e5 + 1e5 * x}) for x in rng.random((2, 200)))
    assert mle(train, test, "y").score == pytest.approx(0, abs=1e-3)  # all are log(20000)
    unrelated = train.assign(y=rng.permutation(train["y"].to_numpy()))
    assert mle(unrelated, test, "y").score == pytest.approx(0, abs=1e-3)
    assert mle(unrelated, test, "y", mode="corrected", n_seeds=1).score > 0.9


def test_a_first_column_that_begins_at_zero_breaks_the_paper_only():
    # train: 5 (x - 0) / (1 - 0), within 0 .. 5; test: 5 (x - 7) / (1 - 7), within 5 .. 5.8, and falling
    rng = np.random.default_rng(5)
    train, test = (
        pd.DataFrame({"x": x, "z": 7 + z, "y": np.where(x > 0.5, "b", "a")})
        for x, z in rng.random((2, 2, 300))
    )
    for table in (train, test):
        table.loc[:1, "x"], table.loc[:1, "z"], table.loc[:1, "y"] = [0, 1], 7.0, ["a", "b"]
    assert mle(train, test, "y").score == pytest.approx(0.5, abs=0.05)
    assert mle(train, test, "y", mode="corrected", n_seeds=1).score > 0.99
    assert mle(train[["z", "x", "y"]], test[["z", "x", "y"]], "y").score > 0.99


def test_numbers_follow_the_rule_of_the_first_column():
    first, second = np.array([2.0, 4.0]), np.array([-2.0, 12.0])
    features, low, high = _paper_numbers([first, second], np.float32(0), np.float32(0))
    assert [f.tolist() for f in features] == [[0, 5], [-10, 25]] and (low, high) == (2, 4)
    features, low, high = _paper_numbers([np.array([1.0, 1000.0]), np.array([-3.0, 7.0])], 0, 0)
    assert features[1] == pytest.approx([math.log(1e-2), math.log(7)])
    features, low, high = _paper_numbers([np.array([0.0, 2.0]), np.array([1.0, 9.0])], 0, 0)
    assert [f.tolist() for f in features] == [[0, 5], [0, 40]] and (low, high) == (1, 2)


def test_a_corrected_split_keeps_the_shares_of_classes():
    y = np.array([0] * 81 + [1] * 9)
    training, validation = _split(y, True, seed=7)
    assert np.bincount(y[validation]).tolist() == [9, 1]
    assert sorted([*training, *validation]) == list(range(90))
    training, validation = _split(y, False, seed=7)
    assert len(validation) == 10 and sorted([*training, *validation]) == list(range(90))


def test_a_class_that_synthetic_rows_lack_stops_the_paper_and_costs_when_corrected():
    train, test = separable(6, 200), separable(7, 200)
    only = train.assign(y="a")
    with pytest.raises(InputError, match=r"`synthetic` lacks classes of 'y' that `test` has: \['b'\]"):
        mle(only, test, "y")
    assert mle(only, test, "y", mode="corrected", n_seeds=1).score == 0.5


def test_seeds_repeat_and_differ():
    noisy = separable(8, 250)
    noisy["y"] = np.where(np.random.default_rng(9).random(250) < 0.3, "a", noisy["y"])
    first, second = (mle(noisy, separable(10, 250), "y", mode="corrected", n_seeds=3) for _ in range(2))
    assert first == second
    assert len(set(first.by_seed)) > 1 and first.spread > 0
    assert all(
        setting.keys() == {"n_estimators", "min_child_weight", "max_depth", "gamma"}
        for setting in first.settings
    )


def test_polars_gives_the_same_numbers(synthetic, fresh):
    columns = [{name: table[name].tolist() for name in table} for table in (synthetic, fresh)]
    found, expected = (
        mle(*map(pl.DataFrame, columns), "label", ["code"]),
        mle(synthetic, fresh, "label", ["code"]),
    )
    assert found.by_seed == expected.by_seed


# --- errors ---


def test_errors_say_what_to_do(monkeypatch):
    train = separable(11, 60)
    with pytest.raises(InputError, match="`target` is 'q'; it must be one of"):
        mle(train, train, "q")
    with pytest.raises(InputError, match=r"numeric and has two values or fewer.*`categorical`"):
        mle(train.assign(y=[0, 1] * 30), train.assign(y=[0, 1] * 30), "y")
    with pytest.raises(InputError, match="`test` has one class only"):
        mle(train, train.assign(y="a"), "y")
    with pytest.raises(InputError, match="first numeric column, which is constant"):
        mle(train.assign(x=3.0), train, "y")
    with pytest.raises(InputError, match="`mode` is 'fair'"):
        mle(train, train, "y", mode="fair")
    with pytest.raises(InputError, match="`n_seeds` is 0"):
        mle(train, train, "y", n_seeds=0)
    with pytest.raises(InputError, match="`synthetic` has 8 rows"):
        mle(train.head(8), train, "y")
    with pytest.raises(InputError, match="'x' of `test` is missing"):
        mle(train, train.assign(x=np.nan), "y")
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(InputError, match=r"`mle` needs the package xgboost.*tabdiff\[published\]"):
        mle(train, train, "y")
