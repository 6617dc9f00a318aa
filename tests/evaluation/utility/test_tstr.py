"""Learning from synthetic rows alone, on tables whose worth is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tabdiff.datasets import make_transactions
from tabdiff.evaluation.reading import compare
from tabdiff.evaluation.registry import MEASURES
from tabdiff.evaluation.utility import tstr  # noqa: F401

N = 2_500
TRAIN, FRESH, TEST = (make_transactions(N, seed, fraud_rate=0.05) for seed in (0, 1, 2))
COLUMNS = ["amount", "hour", "s1", "s2", "merchant", "score", "fraud"]


def gap(synthetic, train=TRAIN, test=TEST, target="fraud", **settings):
    comparison = compare(train, synthetic, test, target, budget="fast", **settings)
    return MEASURES["utility.tstr"](comparison, comparison.rng("utility.tstr"))


def shuffled(table, columns, seed=0):
    rng = np.random.default_rng(seed)
    return table.assign(**{name: rng.permutation(table[name].to_numpy()) for name in columns})


@pytest.fixture(scope="module")
def fresh_gap():
    return gap(FRESH)


def test_a_fresh_sample_of_the_truth_loses_nothing_measurable(fresh_gap):
    assert fresh_gap.lo <= 0 <= fresh_gap.hi and abs(fresh_gap.value) < 0.08
    assert fresh_gap.details["score"]["train"] > 0.6
    json.dumps(fresh_gap.to_dict())


def test_a_copy_loses_nothing():
    estimate = gap(TRAIN.sample(frac=1, random_state=0))
    assert estimate.lo <= 0 <= estimate.hi and abs(estimate.value) < 0.03


def test_independent_columns_teach_nothing():
    estimate = gap(shuffled(TRAIN, TRAIN.columns))
    assert estimate.hi < -0.4
    assert estimate.value == pytest.approx(estimate.bad, abs=0.05)


def test_permuted_labels_score_about_the_base_rate():
    estimate = gap(shuffled(TRAIN, ["fraud"]))
    base_rate = TEST["fraud"].mean()
    assert estimate.details["score"]["synthetic"] == pytest.approx(base_rate, abs=0.05)


def with_label_noise(table, share, seed):
    """As many frauds, but this share of them are rows that are none."""
    rng = np.random.default_rng(seed)
    fraud = table["fraud"].to_numpy().copy()
    rare, common = rng.permutation(np.flatnonzero(fraud == 1)), rng.permutation(np.flatnonzero(fraud == 0))
    k = round(share * len(rare))
    fraud[rare[:k]], fraud[common[:k]] = 0, 1
    return table.assign(fraud=fraud)


def test_label_noise_lowers_the_score_step_by_step():
    def score(share):
        noisy = (with_label_noise(FRESH, share, seed) for seed in range(3))
        return np.mean([gap(table).details["score"]["synthetic"] for table in noisy])

    clean, some, much = score(0.0), score(0.1), score(0.3)
    assert clean > some + 0.02 and some > much + 0.02


def test_the_number_of_rows_does_not_decide(fresh_gap):
    big = make_transactions(3 * N, 3, fraud_rate=0.05)
    estimate = gap(big)
    assert estimate.details["n_fit"] == N
    assert estimate.lo <= 0 <= estimate.hi


def test_repeating_every_synthetic_row_changes_neither_value_nor_width(fresh_gap):
    small = FRESH[:500]
    once, ten = gap(small), gap(pd.concat([small] * 10), train=TRAIN[:500])
    assert ten.details["n_fit"] == 500 and ten.details["synthetic_distinct"] == 500
    assert ten.details["score"]["synthetic"] == pytest.approx(once.details["score"]["synthetic"], abs=0.05)
    assert ten.hi - ten.lo > 0.7 * (once.hi - once.lo)


@pytest.mark.parametrize("n_positive", [0, 1, 5])
def test_a_synthetic_table_without_enough_frauds_is_not_assessable(n_positive):
    rare = FRESH[FRESH["fraud"] == 1][:n_positive]
    estimate = gap(pd.concat([FRESH[FRESH["fraud"] == 0], rare]))
    assert not estimate.assessable
    assert f"the synthetic table has {n_positive} rows of class 1" in estimate.reason


def test_synthetic_frauds_alone_are_not_assessable():
    assert "nothing to tell it from" in gap(FRESH[FRESH["fraud"] == 1]).reason


def test_few_holdout_frauds_are_not_assessable_with_their_number():
    test = pd.concat([TEST[TEST["fraud"] == 0], TEST[TEST["fraud"] == 1][:7]])
    assert "the holdout has 7 rows of class 1" in gap(FRESH, test=test).reason


def test_without_holdout_or_target_it_says_why():
    assert "no holdout" in gap(FRESH, test=None).reason
    assert "no target" in gap(FRESH, target=None).reason


def test_labels_that_no_real_row_has_are_named_and_cost_their_rows():
    odd = FRESH.assign(fraud=FRESH["fraud"].astype(float))
    odd.loc[odd.index[:1000], "fraud"] = np.nan
    estimate = gap(odd)
    assert "1000 of 2500 synthetic rows have no target" in estimate.note


def test_numbers_are_scored_by_r2():
    fresh, broken = gap(FRESH, target="balance"), gap(shuffled(FRESH, ["balance"]), target="balance")
    assert fresh.details["metric"] == "R2"
    assert abs(fresh.value) < 0.1 and fresh.details["score"]["train"] > 0.5
    assert broken.hi < -0.4


def test_a_number_that_hardly_varies_is_not_assessable():
    rows = np.arange(N)
    odd = [table.assign(balance=np.where(rows < 90, rows, 100.0)) for table in (TRAIN, FRESH)]
    test = TEST.assign(balance=np.where(rows < 3, rows, 100.0))
    assert "all but 3 holdout rows" in gap(odd[1], odd[0], test, "balance").reason


def test_many_classes_are_scored_by_their_mean():
    fresh = gap(FRESH[COLUMNS], TRAIN[COLUMNS], TEST[COLUMNS], "merchant")
    assert "macro" in fresh.details["metric"] and "Not scored" in fresh.note
    assert fresh.details["score"]["train"] > 0.02 and fresh.lo <= 0 <= fresh.hi


def test_the_same_seed_gives_the_same_estimate(fresh_gap):
    assert gap(FRESH) == fresh_gap


def test_the_number_of_seeds_is_said_in_the_method():
    comparison = compare(TRAIN[:600], FRESH[:600], TEST, "fraud", budget="fast")
    for n_seeds, words in ((1, "one model seed"), (2, "2 model seeds")):
        asked = replace(comparison, budget=replace(comparison.budget, n_model_seeds=n_seeds))
        found = MEASURES["utility.tstr"](asked, asked.rng("utility.tstr"))
        assert words in found.method and len(found.details["score_by_seed"]["train"]) == n_seeds
