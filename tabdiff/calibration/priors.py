"""The closed form: probabilities where the classes have other shares."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabdiff.errors import InputError

__all__ = ["checked_prior", "checked_probabilities", "correct_prior", "numbers", "two_columns"]

ROUNDING = 1e-6
ROUNDING_OF_SUMS = 1e-3  # for networks that compute in half precision


def correct_prior(probabilities: Any, prior_train: Any, prior_true: Any) -> np.ndarray:
    """Probabilities of a classifier as they are where the classes have other shares: same shape, float64.

    probabilities: (n, k), rows that sum to 1, or (n,) those of the second of two classes. prior_train: (k,)
    shares of the classes among the rows that the classifier learned from; prior_true: (k,) those where it is
    used. Each probability is multiplied by true / train, then rows are divided by their sum. Exact if only
    the shares differ, never the rows within a class. 0 and 1 stay; with two classes no order is reversed.
    Raises `InputError` for probabilities outside [0, 1] or missing, and for priors that are not positive, do
    not sum to 1 or are not one for each class.
    Source: Saerens, Latinne & Decaestecker 2002 (Neural Computation 14:21), eq. 2.4; for two classes Elkan
    2001 (IJCAI), theorem 2.
    """
    given = checked_probabilities(probabilities)
    n_classes = 2 if given.ndim == 1 else given.shape[1]
    train, true = (
        checked_prior("prior_train", prior_train, n_classes),
        checked_prior("prior_true", prior_true, n_classes),
    )
    if np.array_equal(train, true):
        return given
    ratio = true / train
    if n_classes != 2:
        weighted = given * (ratio / ratio.max())
        return weighted / weighted.sum(axis=1, keepdims=True)
    second = given if given.ndim == 1 else given[:, 1]
    # every step is monotone, so that rounding can tie neighbours but never swap them
    with np.errstate(divide="ignore", over="ignore"):
        corrected = 1 / (1 + (1 - second) / second * (ratio[0] / ratio[1]))
    return corrected if given.ndim == 1 else two_columns(corrected)


def two_columns(second: np.ndarray) -> np.ndarray:
    """Probabilities (n, 2) from those (n,) of the second class."""
    return np.column_stack([1 - second, second])


def numbers(name: str, values: Any) -> np.ndarray:
    """The values as float64, in an array of their own."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {values!r}. Pass numbers.") from None


def checked_probabilities(values: Any) -> np.ndarray:
    """Check probabilities (n,) or (n, k), k >= 1."""
    given = numbers("probabilities", values)
    if given.ndim not in (1, 2) or (given.ndim == 2 and given.shape[1] == 0):
        raise InputError(f"probabilities have shape {given.shape}. Pass (n_rows, n_classes) or (n_rows,).")
    wrong = ~((given >= 0) & (given <= 1 + ROUNDING))
    if wrong.any():
        where = np.argwhere(wrong)[0].tolist()
        raise InputError(
            f"probabilities hold {given[tuple(where)]} at {where}. Pass numbers from 0 to 1, none missing; "
            "scores and logits must be turned into probabilities first."
        )
    sums = given.sum(axis=1) if given.ndim == 2 else np.ones(1)
    if (abs(sums - 1) > ROUNDING_OF_SUMS).any():
        row = int(np.argmax(abs(sums - 1) > ROUNDING_OF_SUMS))
        raise InputError(
            f"probabilities of row {row} sum to {sums[row]}. They must sum to 1 over the classes."
        )
    return np.minimum(given, 1)


def checked_prior(name: str, values: Any, n_classes: int) -> np.ndarray:
    """Check shares (n_classes,) and rid their sum of rounding."""
    shares = numbers(name, values)
    if shares.shape != (n_classes,):
        raise InputError(f"{name} has shape {shares.shape}. Pass one share for each of {n_classes} classes.")
    if not (np.isfinite(shares).all() and (shares > 0).all() and abs(shares.sum() - 1) <= ROUNDING):
        raise InputError(f"{name} is {shares.tolist()}. Pass positive shares that sum to 1.")
    return shares / shares.sum()
