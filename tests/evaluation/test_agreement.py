"""Agreement with other packages where they are right; their answers are frozen, with the version."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss

from tabdiff.evaluation import intervals
from tabdiff.evaluation.privacy.descriptive import dcr_share
from tabdiff.evaluation.utility.calibration import brier_losses
from tabdiff.evaluation.utility.ranking import average_precision, rank


def test_dcr_share_is_that_of_mostlyai_qa_ties_split():
    rng = np.random.default_rng(0)
    to_train, to_holdout = rng.integers(0, 5, 40) / 4, rng.integers(0, 5, 40) / 4
    assert dcr_share(to_train, to_holdout) == pytest.approx(0.5375)  # mostlyai-qa 1.10.11
    to_train, to_holdout = rng.random(50), rng.random(50) * 1.2
    assert dcr_share(to_train, to_holdout) == pytest.approx(0.52)


@pytest.mark.parametrize(
    ("k", "n", "centre", "half"),
    [
        (7, 20, 0.3741687737079229, 0.1929769496068408),
        (0, 30, 0.05675669658698437, 0.056756696586984366),
        (480, 500, 0.9564928033876859, 0.01746639922253677),
    ],
)
def test_wilson_is_that_of_anonymeter(k, n, centre, half):
    lo, hi = intervals.wilson(k, n)  # anonymeter 1.1.0 gives the middle and half of the width
    assert (lo + hi) / 2 == pytest.approx(centre) and (hi - lo) / 2 == pytest.approx(half)


def test_average_precision_is_that_of_scikit_learn_under_weights_and_ties():
    rng = np.random.default_rng(1)
    truth, score = rng.random(300) < 0.2, rng.integers(0, 40, 300) / 40
    weight = rng.integers(0, 4, 300)
    found = average_precision(rank(score, truth).counts(weight.astype(float)))
    assert found == pytest.approx(average_precision_score(truth, score, sample_weight=weight), abs=1e-12)


def test_brier_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    truth, probability = (rng.random(200) < 0.3).astype(int), rng.random(200)
    losses = brier_losses(np.column_stack([1 - probability, probability]), truth)
    assert losses.mean() == pytest.approx(brier_score_loss(truth, probability))
