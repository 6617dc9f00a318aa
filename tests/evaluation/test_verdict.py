"""Verdicts follow from estimates by stated rules."""

import pytest

from tabdiff.evaluation import Estimate, not_assessable
from tabdiff.evaluation.verdict import FLAWS, judge


def verdict(*estimates, alpha=0.01):
    return judge({estimate.name: estimate for estimate in estimates}, alpha)


AUC = Estimate("fidelity.c2st.auc", 0.52, 0.49, 0.55, ideal=0.5, n=500)
ATTACK = Estimate("privacy.mia.auc", 0.50, 0.47, 0.53, ideal=0.5, n=500, p_value=0.4)


def test_nothing_measured_is_not_assessable():
    found = verdict()
    assert (found.fidelity, found.utility, found.privacy) == ("not assessable",) * 3
    assert len(found.reasons) == 3


def test_no_flaw_is_faithful():
    assert verdict(AUC).fidelity == "faithful"


def test_an_uncertain_flaw_is_none():
    assert verdict(Estimate("fidelity.c2st.auc", 0.65, 0.58, 0.72, n=60)).fidelity == "faithful"


def test_a_flaw_names_its_column_and_number():
    worst = Estimate("fidelity.marginal.worst", 0.9, 0.8, 1.0, details={"column": "amount"})
    found = verdict(AUC, worst)
    assert found.fidelity == "flawed"
    assert "column 'amount', 0.9 (0.8 to 1) [fidelity.marginal.worst]" in found.reasons[1]


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: flaw.estimate)
def test_every_flaw_can_be_shown_and_can_be_absent(flaw):
    values = [
        Estimate(flaw.estimate, value, value - 0.01, value + 0.01, floor=floor, bad=-0.5, n=1_000)
        for value in (-1.0, 0.0, 0.01, 0.5, 1.0, 2.0)
        for floor in (None, 0.0, 0.01, 0.97)
    ]
    shown = [flaw.shown(value) for value in values]
    assert any(shown) and not all(shown)


@pytest.mark.parametrize(
    ("lo", "hi", "word"),
    [(0.01, 0.03, "helps"), (-0.01, 0.02, "no measurable effect"), (-0.03, -0.01, "hurts")],
)
def test_utility_is_the_side_of_zero_that_the_interval_lies_on(lo, hi, word):
    found = verdict(Estimate("utility.augmentation.gain", (lo + hi) / 2, lo, hi, n=300))
    assert found.utility == word


def test_a_rival_that_does_better_is_named():
    gain = Estimate("utility.augmentation.gain", 0.02, 0.01, 0.03, n=300)
    rival = Estimate("utility.augmentation.over_smote", -0.02, -0.03, -0.01, n=300)
    assert any("smote does better" in reason for reason in verdict(gain, rival).reasons)


def test_one_attack_that_rejects_after_holm_is_a_leak():
    scan = Estimate("privacy.tail_scan", 16, n=16, p_value=1e-5)
    found = verdict(ATTACK, scan)
    assert found.privacy == "leak detected" and "p = 2e-05" in found.reasons[0]


def test_a_p_value_too_small_for_a_float_is_not_called_zero():
    scan = Estimate("privacy.tail_scan", 16, n=16, p_value=0.0)
    assert "p < 1e-300 after" in verdict(ATTACK, scan).reasons[0]


def test_an_attack_that_rejects_only_before_holm_is_no_leak():
    scan = Estimate("privacy.tail_scan", 9, n=16, p_value=0.006)
    assert verdict(ATTACK, scan).privacy == "no leak detected at this power"


def test_verbatim_rows_of_a_continuous_table_need_no_p_value():
    copies = Estimate("privacy.copies.exact", 0.001, n=1_000, p_value=0.5, details={"smoking_gun": True})
    assert verdict(ATTACK, copies).privacy == "leak detected"


def test_descriptive_numbers_never_enter():
    share = Estimate("descriptive.dcr_share", 1.0, n=500, p_value=1e-9)
    assert verdict(ATTACK, share).privacy == "no leak detected at this power"


def test_without_an_attack_privacy_is_not_assessable_and_says_why():
    found = verdict(not_assessable("privacy.mia.auc", "there is no holdout"))
    assert found.privacy == "not assessable" and found.reasons[0] == "privacy: there is no holdout."


def test_records_that_identify_no_one_are_not_assessable():
    unique = Estimate("privacy.identifiable", 0.01, n=1_500)
    found = verdict(ATTACK, unique)
    assert found.privacy == "not assessable" and "not identifiable" in found.reasons[0]


def test_limits_tell_what_would_have_been_found():
    copied = Estimate("privacy.limit.copied_outliers", 7, n=300, details={"n_train": 200})
    found = verdict(ATTACK, copied)
    assert "copies of 7 or more of the 200 most isolated train rows" in found.limits[0]
    assert "the synthetic rows only" in found.limits[-1]
