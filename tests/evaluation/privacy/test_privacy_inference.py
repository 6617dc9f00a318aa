import numpy as np
import pandas as pd
import pytest
from privacy_cases import fresh, joined, judge, real, smallest_p

from tabdiff.errors import InputError
from tabdiff.evaluation.privacy.inference import best_constant, choose_secrets, halves, hits, tolerance
from tabdiff.evaluation.privacy.singling_out import Condition, risk, singled_out
from tabdiff.evaluation.privacy.units import Side, Units, units_of
from tabdiff.evaluation.reading import compare

INFERENCE = ["privacy.attribute_inference"]


def secret_rows(attacked, column):
    return next(row for row in attacked.details["secrets"] if row["column"] == column)


def test_a_number_is_guessed_within_the_tolerance_and_not_only_exactly():
    guess, truth = np.array([1.0, 1.04, 1.06, np.nan]), np.array([1.0, 1.0, 1.0, 1.0])
    assert hits(guess, truth, 0.05).tolist() == [True, True, False, False]


def test_a_negative_guess_of_a_positive_secret_is_wrong():
    assert not hits(np.array([-1.0, -2.0, -0.1]), np.array([5.0, 100.0, 7.0]), 0.05).any()
    assert hits(np.array([-5.01]), np.array([-5.0]), 0.05).all()


def test_a_missing_level_is_no_guess():
    assert hits(np.array([-1, 2]), np.array([-1, 2]), 0.0).tolist() == [False, True]


def test_tolerance_is_a_share_of_the_spread_of_real_values():
    assert tolerance(np.array([0.0, 10.0, 20.0, 30.0, 40.0, np.nan])) == pytest.approx(0.05 * 20)
    assert tolerance(np.array([np.nan])) == 0


def test_best_constant_by_hand():
    assert best_constant(np.array([2, 2, 1, -1, -1, -1]), 0.0) == 2
    assert best_constant(np.array([0.0, 5.0, 5.1, 5.2, 9.0, np.nan]), 0.1) == pytest.approx(5.1)
    assert np.isnan(best_constant(np.array([np.nan]), 0.1))
    assert best_constant(np.array([-1]), 0.0) == -1


def test_numeric_secrets_of_a_copy_are_found_at_their_true_rate():
    train, holdout = real(600)
    attacked = judge(train, train, holdout, names=INFERENCE, sensitive=["s1", "balance"])
    for row in attacked["privacy.attribute_inference"].details["secrets"]:
        assert row["k_train"] == row["n_train"] == 300
        assert row["beats_naive"]
        assert row["k_holdout"] < 0.2 * row["n_holdout"]


def test_what_holds_for_the_population_is_no_leak():
    """The secret follows from the known column: guessed for everybody, so nothing is disclosed."""

    def draw(n, seed):
        x = np.random.default_rng(seed).normal(size=n)
        return pd.DataFrame({"x": x, "secret": np.where(x > 0, "up", "down")})

    attacked = judge(
        draw(800, 1), draw(800, 2), draw(400, 3), target=None, names=INFERENCE, sensitive=["secret"]
    )
    estimate = attacked["privacy.attribute_inference"]
    row = secret_rows(estimate, "secret")
    assert row["k_train"] / row["n_train"] > 0.98
    assert row["beats_naive"]
    assert abs(estimate.value) < 0.02
    assert estimate.p_value > 0.05


def test_the_naive_guess_is_scored_on_every_record():
    """Three of four records hold the mode: the constant is right for those, and the attack no better."""

    def draw(n, seed):
        rng = np.random.default_rng(seed)
        return pd.DataFrame({"x": rng.normal(size=n), "secret": rng.choice(["a", "b"], n, p=[0.75, 0.25])})

    train = draw(600, 1)
    attacked = judge(train, draw(600, 2), draw(400, 3), target=None, names=INFERENCE, sensitive=["secret"])
    row = secret_rows(attacked["privacy.attribute_inference"], "secret")
    assert row["naive_share"] == pytest.approx(0.75, abs=0.06)
    assert not row["beats_naive"]
    assert "does not beat" in attacked["privacy.attribute_inference"].note


def test_records_without_the_secret_are_not_attacked_and_counted():
    train, holdout = real(600)
    attacked = judge(train, train, holdout, names=INFERENCE, sensitive=["score"], budget="standard")
    row = secret_rows(attacked["privacy.attribute_inference"], "score")
    assert row["missing"] == int(train["score"].isna().sum() + holdout["score"].isna().sum())
    assert row["n_train"] == int(train["score"].notna().sum())


def test_the_attacker_knows_the_known_columns_alone():
    """What the copy shows of unknown columns cannot help: the one known column says nothing."""
    train, holdout = real(600)
    known = judge(train, train, holdout, names=INFERENCE, sensitive=["s1"], known=["weekend"])
    assert known["privacy.attribute_inference"].value < 0.1


def test_secrets_by_rule_are_varied_columns():
    train, holdout = real(400)
    comparison = compare(train, fresh(100), holdout, "fraud")
    chosen = choose_secrets(comparison)
    assert [column.kind for column in chosen] == ["numeric", "numeric", "categorical"]
    assert chosen[2].name == "merchant"
    named = compare(train, fresh(100), holdout, "fraud", sensitive=["card"])
    assert [column.name for column in choose_secrets(named)] == ["card"]


def test_a_table_of_one_column_has_no_secret_and_no_halves():
    rng = np.random.default_rng(0)
    tables = [pd.DataFrame({"x": rng.normal(size=100)}) for _ in range(3)]
    estimates = judge(tables[0], tables[1], tables[2], target=None)
    assert "secret" in estimates["privacy.attribute_inference"].reason
    assert "two columns" in estimates["privacy.linkability"].reason


def test_halves_share_numbers_and_levels_or_follow_what_is_known():
    train, holdout = real(400)
    first, second = halves(compare(train, fresh(100), holdout, "fraud"))
    assert abs(len(first) - len(second)) <= 1
    assert not {c.name for c in first} & {c.name for c in second}
    assert {c.kind for c in first} == {c.kind for c in second} == {"numeric", "categorical"}
    known, rest = halves(compare(train, fresh(100), holdout, "fraud", known=["age", "card"]))
    assert {c.name for c in known} == {"age", "card"}
    assert len(rest) == 13


def test_linkability_of_half_copies_is_half():
    train, holdout = real(800)
    made = joined(train[:400], fresh(400))
    linked = judge(train, made, holdout, names=["privacy.linkability"], budget="standard")[
        "privacy.linkability"
    ]
    assert linked.value == pytest.approx(0.5, abs=0.02)
    assert linked.lo < linked.value < linked.hi


# --- singling out ---


def condition(layout, name, low, high, missing=False):
    return Condition(layout[name], low, high, missing, 0.5)


def tiny():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": np.arange(60.0) + rng.random(60), "c": ["a", "b"] * 30})
    return frame[:40].reset_index(drop=True), frame[40:].reset_index(drop=True)


def test_conditions_that_fit_one_record_name_it():
    train, holdout = tiny()
    comparison = compare(train, train, holdout)
    layout, units = comparison.layout, units_of(comparison)
    letter = float(layout["c"].levels.index("a"))
    tried = [
        [condition(layout, "x", 3.0, 4.0)],  # train row 3
        [condition(layout, "x", 3.0, 5.0)],  # two rows
        [condition(layout, "x", 3.0, 5.0), condition(layout, "c", letter, letter)],  # row 4 alone
        [condition(layout, "x", 59.0, np.inf)],  # the last of the holdout
        [condition(layout, "x", 100.0, np.inf)],  # none
        [condition(layout, "x", np.nan, np.nan, missing=True)],  # none
    ]
    assert singled_out(tried, comparison.train, comparison.holdout, units).tolist() == [3, -1, 4, 59, -1, -1]


def test_rows_of_one_entity_are_one_record():
    train, holdout = tiny()
    comparison = compare(train, train, holdout)
    pairs = Units(
        Side(np.arange(40), np.arange(40) // 2, 20), Side(np.arange(20), np.arange(20) // 2, 10), "entities"
    )
    tried = [[condition(comparison.layout, "x", 2.0, 4.0)], [condition(comparison.layout, "x", 41.0, 42.0)]]
    assert singled_out(tried, comparison.train, comparison.holdout, pairs).tolist() == [1, 20]


def test_risk_is_zero_if_both_sides_are_hit_by_their_size():
    units = Units(Side(np.arange(200), np.arange(200), 200), Side(np.arange(50), np.arange(50), 50), "rows")
    value, lo, hi = risk(100, 400, 80, 20, units)
    assert value == pytest.approx(0)
    assert lo < 0 < hi
    assert risk(100, 400, 100, 0, units)[0] == pytest.approx(0.25)
    assert risk(0, 400, 0, 0, units)[0] == 0


def test_noisy_copies_are_singled_out():
    train, holdout = real(800)
    made = train.assign(s1=train["s1"] * 1.01, amount=train["amount"] * 0.99)
    estimate = judge(train, made, holdout, names=["privacy.singling_out"])["privacy.singling_out"]
    assert estimate.p_value < 1e-6
    assert estimate.lo > 0.2


# --- the model's own scores ---


class Scorer:
    """Knows some rows by the number in one column and scores them higher."""

    def __init__(self, known, gain=1.0):
        self.known, self.gain = set(known), gain

    def score_samples(self, frame):
        rng = np.random.default_rng(0)
        return self.gain * np.array([x in self.known for x in frame["s1"]]) + rng.normal(size=len(frame))


def test_a_model_that_fits_its_train_rows_better_is_found():
    train, holdout = real(800)
    model = Scorer(train["s1"], gain=2.0)
    found = judge(train, fresh(800), holdout, names=["privacy.whitebox"], model=model)["privacy.whitebox.auc"]
    # the AUC of two normal scores that lie 2 apart
    assert found.value == pytest.approx(0.921, abs=0.03)
    assert found.p_value < 1e-20
    assert found.details["roc"]["tpr"][-1] == 1


def test_a_model_that_knows_nobody_is_not_accused():
    train, holdout = real(800)
    found = judge(train, fresh(800), holdout, names=["privacy.whitebox"], model=Scorer([]))
    assert found["privacy.whitebox.auc"].p_value > 0.01
    assert "positive" in found["privacy.whitebox.rare.auc"].reason


def test_models_without_scores_and_broken_scores_are_named():
    train, holdout = real(400)

    class Broken:
        def score_samples(self, frame):
            return np.where(np.arange(len(frame)) == 0, np.nan, 1.0)

    class Wrong:
        def score_samples(self, frame):
            return np.zeros((len(frame), 2))

    def score(model):
        return judge(train, fresh(100), holdout, names=["privacy.whitebox"], model=model)[
            "privacy.whitebox.auc"
        ]

    assert "no model given" in score(None).reason
    assert "object without `score_samples" in score(object()).reason
    assert score(Broken()).reason == "2 of 600 scores of the model are NaN"
    with pytest.raises(InputError, match=r"shape \(400, 2\) for 400 rows"):
        score(Wrong())


def test_a_row_that_the_model_excludes_is_ranked_last_and_not_dropped():
    train, holdout = real(400)

    class Excluding:
        def score_samples(self, frame):
            return np.where(frame["s1"] > 0, 0.0, -np.inf)

    found = judge(train, fresh(100), holdout, names=["privacy.whitebox"], model=Excluding())
    estimate = found["privacy.whitebox.auc"]
    assert estimate.details["asked_train"] == 400
    share, control = (train["s1"] > 0).mean(), (holdout["s1"] > 0).mean()
    assert estimate.value == pytest.approx(0.5 + (share - control) / 2)
    assert smallest_p(found) > 0.01
