"""Calibrations that are learned from held-out real rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from tabdiff.calibration.priors import (
    checked_prior,
    checked_probabilities,
    correct_prior,
    numbers,
    two_columns,
)
from tabdiff.errors import InputError

__all__ = ["Calibration", "fit_calibration"]

METHODS = ("none", "prior", "sigmoid", "isotonic")
FOLDS = 5
LOGIT_LIMIT = np.log(1e6)
SMALLEST_SLOPE = 1e-6
TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class Calibration:
    """A map from a classifier's probabilities to better ones.

    method: "none", "prior", "sigmoid" or "isotonic". parts: the arrays that it learned; the two priors (k,)
    for "prior"; slopes and intercepts for "sigmoid"; for "isotonic" the corners of each class's steps.
    """

    method: str
    parts: tuple[np.ndarray, ...] = ()

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the better probabilities (n, k) for probabilities (n, k)."""
        given = checked_probabilities(probabilities)
        if self.method == "none":
            return given
        apply = {"prior": correct_prior, "sigmoid": _by_sigmoid, "isotonic": _by_steps}[self.method]
        return apply(given, *self.parts)


def fit_calibration(
    how: str | None,
    probabilities: np.ndarray,
    codes: np.ndarray,
    prior_train: np.ndarray,
    prior_true: np.ndarray,
    weight: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[Calibration, dict[str, float]]:
    """Learn how to repair probabilities from rows that the classifier has not seen.

    how: None or "none", "prior", "sigmoid", "isotonic" or "auto". probabilities: (n, k) of the held-out rows;
    codes: (n,) their true classes, 0..k-1; priors: (k,) as in `correct_prior`; weight: (n,). "auto" takes the
    first of none, prior and sigmoid whose Brier score is within one standard error of the best one's; with
    fewer than two held-out rows of a class nothing can be learned, and it takes the prior correction.

    Returns the calibration, and the cross-fitted mean Brier score of each candidate, "none" among them: the
    squared error of the second class's probability for two classes, summed over the classes for more.
    Raises `InputError` for arguments that do not fit together, and for "sigmoid" and "isotonic" with fewer
    than two rows of a class.
    """
    given = checked_probabilities(probabilities)
    if given.ndim != 2:
        raise InputError(f"probabilities have shape {given.shape}. Pass (n_rows, n_classes).")
    n_classes = given.shape[1]
    held = _HeldOut(given, *_checked_codes(codes, given.shape, weight), seed)
    held = held.take(held.weight > 0)
    priors = (
        checked_prior("prior_train", prior_train, n_classes),
        checked_prior("prior_true", prior_true, n_classes),
    )
    how = how or "none"
    if how not in (*METHODS, "auto"):
        raise InputError(f'calibration is {how!r}. Pass None, "auto" or one of {", ".join(METHODS)}.')
    rarest = int(np.bincount(held.codes, minlength=n_classes).min())
    if how in ("sigmoid", "isotonic") and rarest < 2:
        raise InputError(
            f"{how!r} calibration learns from two held-out rows of each class at least, but the rarest has "
            f'{rarest}. Hold out more rows, or choose "prior".'
        )
    candidates = ["none"] if how in ("none", "auto") else ["none", how]
    if how == "auto":
        candidates += ["prior"] * (not np.allclose(*priors)) + ["sigmoid"] * (rarest >= 2)
    losses = {name: _cross_fitted(name, held, priors, min(FOLDS, rarest)) for name in candidates}
    best = candidates[-1] if how != "auto" or rarest < 2 else _simplest(losses, held.weight)
    means = {name: float(np.average(loss, weights=held.weight)) for name, loss in losses.items()}
    return _learned(best, held, priors), means


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Held-out rows: probabilities (n, k), codes (n,), weights (n,) of mean 1; and the seed of the folds."""

    probabilities: np.ndarray
    codes: np.ndarray
    weight: np.ndarray
    seed: int

    def take(self, rows: np.ndarray) -> _HeldOut:
        return _HeldOut(self.probabilities[rows], self.codes[rows], self.weight[rows], self.seed)


def _checked_codes(codes: Any, shape: tuple[int, ...], weight: Any) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n,) and weights (n,), of mean 1 where not 0, for probabilities of a shape (n, k)."""
    codes = np.asarray(codes)
    if codes.shape != shape[:1] or not np.issubdtype(codes.dtype, np.integer) or len(codes) == 0:
        raise InputError(
            f"codes have shape {codes.shape} and type {codes.dtype}. Pass the number of the true class for "
            f"each of {shape[0]} rows, at least one."
        )
    if codes.min() < 0 or codes.max() >= shape[1]:
        raise InputError(f"codes go from {codes.min()} to {codes.max()}. Pass 0 to {shape[1] - 1}.")
    weight = np.ones(len(codes)) if weight is None else numbers("weight", weight)
    if weight.shape != codes.shape or not (
        np.isfinite(weight).all() and (weight >= 0).all() and weight.any()
    ):
        raise InputError(
            f"weight has shape {weight.shape}, values {weight.ravel()[:5].tolist()}. Pass a number of at "
            f"least 0 for each of {shape[0]} rows, not all 0."
        )
    return codes, weight / weight[weight > 0].mean()


def _learned(method: str, held: _HeldOut, priors: tuple[np.ndarray, np.ndarray]) -> Calibration:
    if method == "none":
        return Calibration("none")
    if method == "prior":
        return Calibration("prior", priors)
    return Calibration(method, _sigmoid(held) if method == "sigmoid" else _steps(held))


def _cross_fitted(
    method: str, held: _HeldOut, priors: tuple[np.ndarray, np.ndarray], n_folds: int
) -> np.ndarray:
    """Squared errors (n,), each row calibrated by what the other folds taught."""
    if method in ("none", "prior"):
        return _squared_errors(_learned(method, held, priors).apply(held.probabilities), held.codes)
    losses = np.empty(len(held.codes))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=held.seed)
    for train, test in folds.split(held.probabilities, held.codes):
        calibrated = _learned(method, held.take(train), priors).apply(held.probabilities[test])
        losses[test] = _squared_errors(calibrated, held.codes[test])
    return losses


def _squared_errors(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    n_classes = probabilities.shape[1]
    squares = (probabilities - np.eye(n_classes)[codes]) ** 2
    return squares[:, 1] if n_classes == 2 else squares.sum(axis=1)


def _simplest(losses: Mapping[str, np.ndarray], weight: np.ndarray) -> str:
    """The first whose mean loss is within one standard error of the best, paired by rows."""
    means = {name: np.average(loss, weights=weight) for name, loss in losses.items()}
    best = min(means, key=lambda name: means[name])
    for name, loss in losses.items():
        excess = means[name] - means[best]
        error = np.sqrt(np.sum((weight * (loss - losses[best] - excess)) ** 2)) / weight.sum()
        if excess <= error:
            return name
    return best


# --- Platt scaling ----------------------------------------------------------------------------------------


def _sigmoid(held: _HeldOut) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and intercepts of a logistic regression on logits: (1, 1) and (1,), or (k, k) and (k,).

    Source: Platt 1999, section 2; for more than two classes Kull et al. 2019 (arXiv:1910.12656), eq. 4.
    DIFFERS: Kull et al. penalise the slopes between classes. Here nothing is penalised; Platt's targets, one
    row short of certain, keep the fit finite for any number of classes.
    """
    n_classes = held.probabilities.shape[1]
    x = _logits(held.probabilities)
    center, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1
    targets = _targets(held) * held.weight[:, None]
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=10_000)
    model.fit(
        np.tile((x - center) / scale, (n_classes, 1)),
        np.repeat(np.arange(n_classes), len(x)),
        sample_weight=targets.ravel(order="F"),
    )
    slopes = model.coef_ / scale
    intercepts = model.intercept_ - slopes @ center
    if n_classes == 2 and slopes[0, 0] < SMALLEST_SLOPE:
        # a slope below 0 would turn the ranking round, and 0 would tie all rows
        return np.ones((1, 1)), np.array([_shift(x[:, 0], targets)])
    return slopes, intercepts


def _targets(held: _HeldOut) -> np.ndarray:
    """Targets (n, k): (N + 1) / (N + k) for the true class of N rows, 1 / (N + k) for each other.

    Source: Platt 1999, section 2.2, there for k = 2.
    """
    n_classes = held.probabilities.shape[1]
    n = np.bincount(held.codes, held.weight, n_classes)[held.codes, None]
    return (np.eye(n_classes)[held.codes] * n + 1) / (n + n_classes)


def _shift(x: np.ndarray, targets: np.ndarray) -> float:
    """The intercept of largest likelihood beside a slope of 1, by bisection; targets: (n, 2), weighted."""
    low, high = -100.0, 100.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if (_logistic(x + middle) * targets.sum(axis=1)).sum() < targets[:, 1].sum():
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _logits(probabilities: np.ndarray) -> np.ndarray:
    """Logits (n, 1) of the second class of two, pressed; or log-probabilities (n, k)."""
    if probabilities.shape[1] != 2:
        return np.log(np.maximum(probabilities, np.exp(-LOGIT_LIMIT)))
    second = probabilities[:, 1:]
    return _pressed(np.log(np.maximum(second, TINY)) - np.log(np.maximum(1 - second, 2.0**-54)))


def _pressed(logits: np.ndarray) -> np.ndarray:
    """Logits whose excess over the limit grows only like its logarithm.

    A probability of exactly 0 or 1 would rule the fit, or have no logit at all. Clipping would tie all rows
    beyond the limit, and so change the ranking.
    """
    excess = np.log1p(np.maximum(abs(logits) - LOGIT_LIMIT, 0))
    return np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT) + np.sign(logits) * excess


def _logistic(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def _by_sigmoid(probabilities: np.ndarray, slopes: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    """Calibrate probabilities (n, k)."""
    x = _logits(probabilities) @ slopes.T + intercepts
    if probabilities.shape[1] == 2:
        # pressed again, or a steep slope would round the surest rows to one and the same 1
        return two_columns(_logistic(_pressed(x[:, 0])))
    shares = np.exp(x - x.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


# --- isotonic regression ----------------------------------------------------------------------------------


def _steps(held: _HeldOut) -> tuple[np.ndarray, ...]:
    """Corners x, y of the rising line of each class (of two: the second), one behind the other.

    Source: Zadrozny & Elkan 2002 (KDD), section 3 and, one class against the rest, section 5.
    """
    n_classes = held.probabilities.shape[1]
    corners: list[np.ndarray] = []
    for code in [1] if n_classes == 2 else range(n_classes):
        model = IsotonicRegression(y_min=0, y_max=1)
        model.fit(held.probabilities[:, code], held.codes == code, sample_weight=held.weight)
        corners += [model.X_thresholds_, model.y_thresholds_]
    return tuple(corners)


def _by_steps(probabilities: np.ndarray, *corners: np.ndarray) -> np.ndarray:
    """Calibrate probabilities (n, k). Where the line is flat, rows that differed become equal."""
    if probabilities.shape[1] == 2:
        return two_columns(np.interp(probabilities[:, 1], corners[0], corners[1]))
    lines = zip(probabilities.T, corners[::2], corners[1::2], strict=True)
    raised = np.column_stack([np.interp(p, x, y) for p, x, y in lines])
    total = raised.sum(axis=1, keepdims=True)
    # where every class was raised to 0 there is nothing to divide by
    return np.divide(raised, total, out=probabilities.copy(), where=total > 0)
