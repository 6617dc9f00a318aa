import numpy as np
import pandas as pd
import pytest
from privacy_cases import (
    fresh,
    independent,
    interpolated,
    joined,
    judge,
    noisy,
    planted,
    real,
    smallest_p,
)

from tabdiff.datasets import make_transactions
from tabdiff.evaluation.intervals import fisher_greater
from tabdiff.evaluation.privacy import leak_score


@pytest.fixture(scope="module")
def tables():
    return real()


def test_every_attack_finds_a_copy(tables):
    train, holdout = tables
    estimates = judge(train, train, holdout)
    assert estimates["privacy.mia.auc"].value > 0.999
    for name, estimate in estimates.items():
        if estimate.p_value is not None:
            assert estimate.p_value < 1e-6, name
    assert estimates["privacy.copies.exact"].value == 1
    assert estimates["privacy.copies.exact"].details["smoking_gun"]
    assert estimates["privacy.linkability"].value > 0.95
    assert estimates["privacy.attribute_inference"].value > 0.5


def test_a_copy_in_the_same_order_is_found_like_a_shuffled_one(tables):
    train, holdout = tables
    shuffled = train.sample(frac=1, random_state=0)
    names = ["privacy.copies", "privacy.membership", "privacy.linkability"]
    same, mixed = judge(train, train, holdout, names=names), judge(train, shuffled, holdout, names=names)
    for name in same:
        assert same[name].value == mixed[name].value, name
        assert same[name].p_value == mixed[name].p_value, name


def test_one_percent_noise_hides_no_copy(tables):
    train, holdout = tables
    estimates = judge(train, noisy(train), holdout)
    assert estimates["privacy.copies.exact"].value == 0
    assert estimates["privacy.copies.near"].value > 0.9
    assert estimates["privacy.mia.auc"].value > 0.99
    assert estimates["privacy.linkability"].value > 0.9
    assert smallest_p(estimates) < 1e-20
    pairs = estimates["privacy.copies.near"].details["suspects"]
    assert len(pairs) == 200
    assert all(pair["train_row"] == pair["synthetic_row"] for pair in pairs)


def test_rounding_hides_no_copy(tables):
    train, holdout = tables
    rounded = train.round(
        {"amount": 0, "balance": -1, "hour": 1, "distance": 1, "s1": 1, "s2": 1, "score": 0}
    )
    estimates = judge(train, rounded, holdout, names=["privacy.copies", "privacy.membership"])
    assert estimates["privacy.copies.exact"].value == 0
    assert estimates["privacy.copies.near"].p_value < 1e-20
    assert estimates["privacy.mia.auc"].value > 0.99


def test_half_copies_are_half_copies(tables):
    train, holdout = tables
    found = leak_score(train, joined(train[:500], fresh(500)), holdout, "fraud")
    assert found.value == pytest.approx(0.75, abs=0.03)
    assert found.details["copied_share"] == pytest.approx(0.5, abs=0.06)
    assert found.details["copied_share_lo"] < 0.5 < found.details["copied_share_hi"]


def test_interpolation_between_train_rows_is_a_leak(tables):
    train, holdout = tables
    filled = [frame.fillna(train.median(numeric_only=True)) for frame in (train, holdout)]
    estimates = judge(filled[0], interpolated(train), filled[1])
    assert estimates["privacy.mia.auc"].value > 0.7
    assert estimates["privacy.mia.tpr_at_1pct"].value > 0.2
    assert smallest_p(estimates) < 1e-6


def test_a_fresh_sample_is_no_leak():
    p_values = []
    for seed in range(20):
        train, holdout = real(600, 2, seed)
        estimates = judge(train, fresh(600, seed), holdout, seed=seed)
        p_values.append(smallest_p(estimates))
        assert 0.43 < estimates["privacy.mia.auc"].value < 0.57
        assert not estimates["privacy.copies.exact"].details["suspects"]
        assert not estimates["privacy.copies.exact"].details["smoking_gun"]
    assert min(p_values) > 0.005
    assert np.mean(np.array(p_values) > 0.2) > 0.5


def test_a_collapsed_generator_is_no_leak(tables):
    train, holdout = tables
    collapsed = joined(*[fresh(10)] * 100)
    assert smallest_p(judge(train, collapsed, holdout)) > 0.05


def test_permuted_labels_are_no_leak(tables):
    train, holdout = tables
    made = fresh()
    made["fraud"] = made["fraud"].sample(frac=1, random_state=0).to_numpy()
    assert smallest_p(judge(train, made, holdout)) > 0.05


def test_independent_columns_leak_values_but_no_rows(tables):
    train, holdout = tables
    estimates = judge(train, independent(train), holdout)
    assert smallest_p(estimates) > 0.05
    flagged = {row["column"] for row in estimates["privacy.copies.exact"].details["values"]}
    assert {"s1", "s2", "hour", "distance"} <= flagged
    clean = judge(train, fresh(), holdout, names=["privacy.copies"])
    assert clean["privacy.copies.exact"].details["values"] == []


def test_twenty_planted_outliers_are_found_and_listed_where_averages_see_nothing():
    train, holdout = real(3_000, 1)
    made, rows = planted(train, holdout, 20)
    estimates = judge(train, made, holdout, budget="standard")
    assert estimates["privacy.mia.auc"].value < 0.53
    for name in ("privacy.outlier_run", "privacy.copies.near", "privacy.tail_scan"):
        assert estimates[name].p_value < 1e-3, name
    assert smallest_p(estimates) < 0.01
    pairs = {p["train_row"]: p["synthetic_row"] for p in estimates["privacy.copies.near"].details["suspects"]}
    expected = {int(row): 2_980 + place for place, row in enumerate(rows)}
    assert pairs == expected


def test_twelve_copies_are_found_even_if_only_a_sample_of_the_rows_is_asked():
    train, holdout = real(6_000, 1)
    made, rows = planted(train, holdout, 12)
    estimates = judge(train, made, holdout, names=["privacy.membership"])
    assert estimates["privacy.mia.auc"].details["asked_train"] == 4_000
    assert estimates["privacy.outlier_run"].p_value < 1e-3
    listed = {pair["train_row"] for pair in estimates["privacy.copies.near"].details["suspects"]}
    assert set(rows.tolist()) <= listed


def test_a_test_of_several_looks_pays_for_each():
    train, holdout = real(1_000, 1)
    made, _ = planted(train, holdout, 8)
    estimates = judge(train, joined(made, noisy(train[:30], 0.1)), holdout)
    looks = estimates["privacy.tail_scan"].details["looks"]
    assert len({look["set"] for look in looks}) >= 2
    expected = {
        "privacy.tail_scan": [look["p"] for look in looks],
        "privacy.copies.near": [
            fisher_greater(each["k_train"], each["n_train"], each["k_holdout"], each["n_holdout"])
            for each in estimates["privacy.copies.near"].details["sets"].values()
        ],
        "privacy.attribute_inference": [
            row["p"] for row in estimates["privacy.attribute_inference"].details["secrets"]
        ],
    }
    for name, p in expected.items():
        assert len(p) > 1
        assert estimates[name].p_value == pytest.approx(min(1.0, len(p) * min(p))), name
        assert estimates[name].p_value < 1, name


def test_eight_planted_outliers_of_a_thousand_are_found_by_the_run():
    train, holdout = real(1_000, 1)
    made, rows = planted(train, holdout, 8)
    run = judge(train, made, holdout, names=["privacy.membership"])["privacy.outlier_run"]
    assert run.value >= 8
    assert run.p_value < 0.01
    assert set(rows.tolist()) <= {pair["train_row"] for pair in run.details["suspects"]}


def test_four_planted_outliers_are_listed_though_too_few_to_convict(tables):
    train, holdout = tables
    made, rows = planted(train, holdout, 4)
    estimates = judge(train, made, holdout, names=["privacy.membership"])
    assert estimates["privacy.copies.near"].p_value > 0.01
    assert {p["train_row"] for p in estimates["privacy.copies.near"].details["suspects"]} == set(
        rows.tolist()
    )


def test_one_verbatim_copy_in_a_continuous_table_is_a_smoking_gun(tables):
    train, holdout = tables
    found = judge(train, joined(fresh(999), train[17:18]), holdout, names=["privacy.copies"])
    exact = found["privacy.copies.exact"]
    assert exact.p_value > 0.1
    assert exact.details["smoking_gun"]
    assert exact.details["suspects"] == [
        {"train_row": 17, "synthetic_row": 999, "distance": 0.0, "why": "verbatim copy"}
    ]


@pytest.mark.parametrize(("n_synthetic", "ratio"), [(250, 2), (4_000, 2), (1_000, 4)])
def test_sizes_do_not_bias_the_attacks(n_synthetic, ratio):
    train, holdout = real(1_000, ratio)
    for copied in (0.0, 0.5):
        copies = train[: int(copied * 1_000)]
        made = joined(copies, fresh(n_synthetic)) if copied else fresh(n_synthetic)
        estimates = judge(train, made, holdout)
        auc = estimates["privacy.mia.auc"]
        assert auc.lo - 0.02 < 0.5 + copied / 2 < auc.hi + 0.02
        if not copied:
            assert smallest_p(estimates) > 0.05


def test_repeating_synthetic_rows_changes_nothing_and_narrows_nothing(tables):
    train, holdout = tables
    once, often = fresh(), joined(*[fresh()] * 10)
    names = ["privacy.copies", "privacy.membership", "privacy.linkability", "privacy.attribute_inference"]
    first, second = judge(train, once, holdout, names=names), judge(train, often, holdout, names=names)
    for name, estimate in first.items():
        assert second[name].value == estimate.value, name
        assert (second[name].lo, second[name].hi) == (estimate.lo, estimate.hi), name
    shares = [judge(train, made, holdout)["descriptive.dcr_share"] for made in (once, often)]
    assert shares[1].n_effective < shares[1].n
    assert shares[1].hi - shares[1].lo > 0.95 * (shares[0].hi - shares[0].lo)


def test_records_of_few_levels_identify_nobody():
    rng = np.random.default_rng(0)

    def draw(n):
        return pd.DataFrame({c: rng.choice(list("abc"), n) for c in "uvw"})

    train, holdout = draw(800), draw(400)
    estimates = judge(train, draw(800), holdout, target=None)
    assert estimates["privacy.identifiable"].value < 0.01
    assert estimates["privacy.copies.exact"].details["k_train"] > 700
    assert smallest_p(estimates) > 0.05
    copy = judge(train, train, holdout, target=None)["privacy.copies.exact"]
    assert not copy.details["smoking_gun"]


def test_transactions_identify(tables):
    train, holdout = tables
    identifiable = judge(train, fresh(), holdout, names=["privacy.copies"])["privacy.identifiable"]
    assert identifiable.value == 1


def test_a_leak_of_the_rare_class_alone_is_found_there():
    train = make_transactions(1_500, 1, fraud_rate=0.06)
    holdout = make_transactions(1_500, 2, fraud_rate=0.06)
    made = make_transactions(1_500, 3, fraud_rate=0.06)
    frauds = noisy(train[train["fraud"] == 1])
    made = joined(made[made["fraud"] == 0], frauds)
    estimates = judge(train, made, holdout)
    assert estimates["privacy.mia.auc"].value < 0.56
    assert estimates["privacy.mia.rare.auc"].value > 0.95
    assert estimates["privacy.mia.rare.auc"].p_value < 1e-6


def test_too_few_positives_or_holdout_rows_are_not_judged(tables):
    train, holdout = tables
    estimates = judge(train, fresh(), holdout)
    positives = (int(train["fraud"].sum()), int(holdout["fraud"].sum()))
    reason = estimates["privacy.mia.rare.auc"].reason
    assert f"{positives[0]} positive" in reason
    assert f"and {positives[1]} in the holdout" in reason
    assert "1998" in estimates["privacy.mia.tpr_at_01pct"].reason
    few = judge(train, fresh(), holdout[:40])
    for name, estimate in few.items():
        if name.startswith("privacy.") and name != "privacy.identifiable":
            assert not estimate.assessable, name
    assert "40" in few["privacy.mia.auc"].reason


def test_without_a_holdout_nothing_is_judged(tables):
    estimates = judge(tables[0], fresh(), None)
    for name, estimate in estimates.items():
        if name not in ("privacy.identifiable", "descriptive.exact_match_share"):
            assert "no holdout" in estimate.reason or "no model" in estimate.reason, name
            assert estimate.p_value is None


def test_distances_are_described_and_never_tested(tables):
    train, holdout = tables
    estimates = judge(train, fresh(), holdout)
    for name in ("dcr_share", "nndr", "exact_match_share"):
        estimate = estimates[f"descriptive.{name}"]
        assert estimate.p_value is None
        assert estimate.note.startswith("descriptive, not evidence of privacy")
    assert estimates["descriptive.dcr_share"].value == pytest.approx(0.5, abs=0.06)
    # of the holdout rows a copy is farther from, and of unequal parts the same number is taken
    large, small = real(1_000, 10)
    assert judge(large, fresh(), small)["descriptive.dcr_share"].value == pytest.approx(0.5, abs=0.08)
