"""Are predicted probabilities right? Losses per row, and the repair after classes were resampled."""

from __future__ import annotations

import numpy as np

__all__ = ["brier_losses", "expected_calibration_error", "log_losses", "prior_corrected"]

N_BINS = 15
SMALLEST = 1e-15


def prior_corrected(proba: np.ndarray, fitted: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Probabilities of a model that saw other class shares than those where it is used: (n, K).

    proba: (n, K). fitted: (K,) class shares of its training rows; wanted: (K,) those where it is used.
    With two classes this multiplies the odds by the ratio of the prior odds. Exact if only the shares differ,
    never the rows within a class. A class that the model never saw keeps probability 0.
    Source: Saerens, Latinne & Decaestecker 2002, eq. 2.4; King & Zeng 2001 for two classes.
    """
    ratio = np.divide(wanted, fitted, out=np.zeros(len(fitted)), where=fitted > 0)
    weighted = proba * ratio
    total = weighted.sum(axis=1, keepdims=True)
    return np.divide(weighted, total, out=proba.copy(), where=total > 0)


def brier_losses(proba: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """(n,) squared errors of the probabilities.

    proba: (n, K); codes: (n,) true classes. Of two classes one is counted (Brier 1950 counts both), so that
    the mean is that of scikit-learn's `brier_score_loss`.
    """
    truth = np.arange(proba.shape[1]) == codes[:, None]
    losses = ((proba - truth) ** 2).sum(axis=1)
    return losses / 2 if proba.shape[1] == 2 else losses


def log_losses(proba: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """(n,) minus the log of the probability given to the true class, which counts as 1e-15 at least."""
    return -np.log(np.maximum(proba[np.arange(len(codes)), codes], SMALLEST))


def expected_calibration_error(p: np.ndarray, truth: np.ndarray, n_bins: int = N_BINS) -> float:
    """Mean distance of predicted and observed share over bins that hold equally many rows.

    p: (n,) probabilities; truth: (n,) bool. Bins of equal width would put nearly all rows of a rare class
    into one.
    """
    order = np.argsort(p, kind="stable")
    gap = (p - truth)[order]
    bins = np.array_split(gap, min(n_bins, len(gap)))
    return float(sum(abs(part.sum()) for part in bins) / len(gap))
