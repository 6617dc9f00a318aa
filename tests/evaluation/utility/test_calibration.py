"""Losses of probabilities, and the repair of class shares: closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from tabdiff.evaluation.utility.calibration import (
    brier_losses,
    expected_calibration_error,
    log_losses,
    prior_corrected,
)


def gaussian_posterior(x, prior):
    """P(1 | x) by Bayes for classes N(0, 1) and N(2, 1): a logistic curve."""
    one, zero = prior * np.exp(-((x - 2) ** 2) / 2), (1 - prior) * np.exp(-(x**2) / 2)
    return one / (one + zero)


def test_prior_correction_recovers_the_posterior_of_the_other_prior():
    x = np.linspace(-3, 5, 50)
    p = gaussian_posterior(x, 0.5)
    proba = prior_corrected(np.column_stack([1 - p, p]), np.array([0.5, 0.5]), np.array([0.99, 0.01]))
    assert proba[:, 1] == pytest.approx(gaussian_posterior(x, 0.01), abs=1e-12)


def test_with_two_classes_the_odds_are_multiplied_by_the_ratio_of_prior_odds():
    p = np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    r = (0.01 / 0.99) / (0.3 / 0.7)
    proba = prior_corrected(np.column_stack([1 - p, p]), np.array([0.7, 0.3]), np.array([0.99, 0.01]))
    assert proba[:, 1] == pytest.approx(p * r / (p * r + 1 - p))


def test_prior_correction_keeps_three_classes_a_distribution_and_undoes_itself():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), 20)
    fitted, wanted = np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.3, 0.1])
    there = prior_corrected(proba, fitted, wanted)
    assert there.sum(axis=1) == pytest.approx(1)
    assert prior_corrected(there, wanted, fitted) == pytest.approx(proba)


def test_a_class_never_seen_keeps_probability_0():
    proba = np.array([[0.5, 0.5, 0.0]])
    corrected = prior_corrected(proba, np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.4, 0.1]))
    assert corrected[0] == pytest.approx([5 / 9, 4 / 9, 0])


def test_losses_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    p, truth = rng.random(100), rng.random(100) < 0.3
    proba = np.column_stack([1 - p, p])
    assert brier_losses(proba, truth.astype(int)).mean() == pytest.approx(brier_score_loss(truth, p))
    assert log_losses(proba, truth.astype(int)).mean() == pytest.approx(log_loss(truth, p))
    three, codes = rng.dirichlet(np.ones(3), 30), rng.integers(3, size=30)
    assert brier_losses(three, codes).mean() == pytest.approx(
        np.mean(((three - np.eye(3)[codes]) ** 2).sum(axis=1))
    )
    assert log_losses(three, codes).mean() == pytest.approx(log_loss(codes, three))


def test_calibration_error_by_hand():
    p = np.array([0.1, 0.1, 0.8, 0.8])
    truth = np.array([False, False, True, False])
    # bins of two: |0.1 - 0| and |0.8 - 0.5|
    assert expected_calibration_error(p, truth, n_bins=2) == pytest.approx((0.1 + 0.3) / 2)
    assert expected_calibration_error(p, truth, n_bins=1) == pytest.approx(0.45 - 0.25)
    assert expected_calibration_error(truth.astype(float), truth) == 0
