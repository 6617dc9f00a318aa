"""Adding synthetic rows to the real ones, on tables whose worth is known."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tabdiff.datasets import make_transactions
from tabdiff.evaluation.reading import compare
from tabdiff.evaluation.registry import MEASURES
from tabdiff.evaluation.utility.augmentation import NAMES

N = 2_000
TRAIN, FRESH, TEST = (make_transactions(N, seed, fraud_rate=0.05) for seed in (0, 1, 2))
FRAUDS = make_transactions(600, 3, fraud_rate=0.99)
OVER = "utility.augmentation.over_"


def augmented(synthetic, train=TRAIN, test=TEST, target="fraud", **settings):
    comparison = compare(train, synthetic, test, target, budget="fast", **settings)
    found = MEASURES["utility.augmentation"](comparison, comparison.rng("utility.augmentation"))
    return {estimate.name: estimate for estimate in found}


def reason(found):
    """The reason that all estimates share."""
    assert list(found) == list(NAMES)
    (shared,) = {estimate.reason for estimate in found.values()}
    return shared


@pytest.fixture(scope="module")
def with_frauds():
    return augmented(FRAUDS)


def test_frauds_of_the_true_law_help_where_train_has_few():
    few = pd.concat([TRAIN[TRAIN["fraud"] == 0], TRAIN[TRAIN["fraud"] == 1][:20]])
    found = augmented(FRAUDS, few)
    assert found["utility.augmentation.gain"].lo > 0
    assert found["utility.augmentation.recall_at_budget"].value > 0
    assert found[OVER + "random"].lo > 0 and found[OVER + "smote"].lo > 0
    assert "Train has 20 rows" in found["utility.augmentation.gain"].note


def test_a_copy_of_train_is_worth_as_much_as_repeating_its_rows():
    estimate = augmented(TRAIN)[OVER + "random"]
    assert estimate.lo <= 0 <= estimate.hi and abs(estimate.value) < 0.05


def test_rows_that_are_no_frauds_hurt():
    mislabelled = FRESH[FRESH["fraud"] == 0].assign(fraud=1)
    assert augmented(mislabelled)["utility.augmentation.gain"].hi < -0.05


def test_every_estimate_is_there_with_its_interval(with_frauds):
    assert list(with_frauds) == list(NAMES)
    for estimate in with_frauds.values():
        assert estimate.lo <= estimate.value <= estimate.hi and estimate.n == N
        assert "paired bootstraps" in estimate.method
        json.dumps(estimate.to_dict(), allow_nan=False)


def test_values_are_differences_of_the_scores_shown(with_frauds):
    details = with_frauds["utility.augmentation.gain"].details
    scores = details["average_precision"]
    assert list(scores) == list(details["curves"])
    assert set(scores) == {"nothing", "synthetic", "class weights", "random", "SMOTE"}
    pairs = {
        "utility.augmentation.gain": "nothing",
        OVER + "class_weight": "class weights",
        OVER + "random": "random",
        OVER + "smote": "SMOTE",
    }
    for name, rival in pairs.items():
        assert with_frauds[name].value == pytest.approx(scores["synthetic"] - scores[rival])


def test_the_amount_added_is_told(with_frauds):
    details = with_frauds["utility.augmentation.gain"].details
    n_frauds, n_added = int(TRAIN["fraud"].sum()), int(FRAUDS["fraud"].sum())
    assert details["train_rows"] == {"0": N - n_frauds, "1": n_frauds}
    assert details["added_rows"] == {"0": 0, "1": n_added}
    assert details["ratio"] == pytest.approx((n_frauds + n_added) / (N - n_frauds))


def test_curves_have_bands_and_at_most_100_points(with_frauds):
    for curve in with_frauds["utility.augmentation.gain"].details["curves"].values():
        assert len(curve["recall"]) == 100 and curve["recall"][-1] == 1
        lo, precision, hi = (np.array(curve[name]) for name in ("lo", "precision", "hi"))
        assert (lo <= precision).all() and (precision <= hi).all() and (hi > lo).any()


def test_correction_repairs_most_of_what_more_frauds_do_to_probabilities(with_frauds):
    raw, corrected = (with_frauds[f"utility.calibration.brier{end}"] for end in ("", "_corrected"))
    assert raw.lo > 0
    assert abs(corrected.value) < raw.value / 3
    assert corrected.details["ece"]["corrected"] < corrected.details["ece"]["synthetic"] / 3
    brier = raw.details["brier"]
    assert raw.value == pytest.approx(brier["synthetic"] - brier["nothing"])
    assert corrected.value == pytest.approx(brier["corrected"] - brier["nothing"])


@pytest.mark.parametrize("n_frauds", [0, 1, 5])
def test_without_enough_synthetic_frauds_nothing_is_assessable(n_frauds):
    rare = FRESH[FRESH["fraud"] == 1][:n_frauds]
    found = augmented(pd.concat([FRESH[FRESH["fraud"] == 0], rare]))
    assert f"the synthetic table has {n_frauds} rows of class 1" in reason(found)


def test_without_holdout_target_or_holdout_frauds_nothing_is_assessable():
    assert "no holdout" in reason(augmented(FRESH, test=None))
    assert "no target" in reason(augmented(FRESH, target=None))
    test = pd.concat([TEST[TEST["fraud"] == 0], TEST[TEST["fraud"] == 1][:3]])
    assert "the holdout has 3 rows of class 1" in reason(augmented(FRESH, test=test))


def test_the_largest_class_gets_no_rows():
    found = augmented(FRESH, positive=0)
    assert found["utility.augmentation.gain"].details["added_rows"]["0"] == 0


def test_where_smote_cannot_be_used_only_its_comparison_is_lost():
    one = pd.concat([TRAIN[TRAIN["fraud"] == 0], TRAIN[TRAIN["fraud"] == 1][:1]])
    found = augmented(FRAUDS, one, positive=1)
    assert "has 1 in train" in found[OVER + "smote"].reason
    assert found["utility.augmentation.gain"].lo > 0


def test_precision_falls_back_where_half_of_the_alerts_is_no_question():
    common = [make_transactions(1_000, seed, fraud_rate=0.7) for seed in (5, 6, 7)]
    found = augmented(common[1], common[0], common[2], positive=1)
    assert found["utility.augmentation.gain"].reason or (
        found["utility.augmentation.recall_at_precision"].details["precision"] > 0.7
    )


def test_of_three_classes_all_but_the_largest_grow():
    columns = ["amount", "hour", "channel", "s1", "merchant", "weekend", "card"]
    found = augmented(FRESH[columns], TRAIN[columns], TEST[columns], "card")
    details = found["utility.augmentation.gain"].details
    assert details["added_rows"]["debit"] == 0 and details["added_rows"]["prepaid"] > 0
    assert "macro" in details["metric"]
    assert all(estimate.assessable for estimate in found.values())


def test_for_a_number_all_rows_are_added_and_there_is_no_rare_class():
    found = augmented(FRESH, target="balance")
    gain = found["utility.augmentation.gain"]
    assert gain.assessable and gain.details["added_rows"] == N and abs(gain.value) < 0.2
    assert all("is a number" in found[name].reason for name in NAMES[1:])


def test_intervals_count_entities_where_rows_come_in_groups():
    def grouped(table, start):
        # every row five times, as one entity
        return pd.concat([table[:400]] * 5).assign(who=start + np.tile(np.arange(400), 5))

    one = augmented(FRAUDS, test=TEST[:400])["utility.augmentation.gain"]
    tables = [
        table.assign(who=start + np.arange(len(table))) for table, start in ((FRAUDS, 10**4), (TRAIN, 10**5))
    ]
    many = augmented(tables[0], tables[1], grouped(TEST, 0), group="who")["utility.augmentation.gain"]
    assert "entities" in many.method
    assert many.value == pytest.approx(one.value, abs=0.03)
    assert many.hi - many.lo > 0.7 * (one.hi - one.lo)


def test_the_same_seed_gives_the_same_estimates(with_frauds):
    assert augmented(FRAUDS) == with_frauds


def test_columns_that_are_all_missing_or_constant_do_no_harm():
    odd = [
        table.assign(empty=np.nan, constant=1.0, ids=[f"id{seed}-{i}" for i in range(len(table))])
        for seed, table in enumerate((TRAIN, FRESH, TEST))
    ]
    assert augmented(odd[1], odd[0], odd[2])["utility.augmentation.gain"].assessable
