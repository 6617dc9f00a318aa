"""One score of one fold, by a scorer's name, a scorer or a function, with or without some of its rows."""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import get_scorer, get_scorer_names

from tabdiff.errors import InputError
from tabdiff.imbalance.choosing.answers import Classes, HeldOut, Remembered

__all__ = ["Measure", "measure_of"]

Curve = Callable[[np.ndarray, np.ndarray], float]

SCORER = type(get_scorer("accuracy"))
"""The class of all that `make_scorer` makes, and of the named scorers."""


@dataclass(frozen=True)
class Measure:
    """A way to score.

    scores: takes the held-out rows of a fold and masks (n,) of the rows to use, returns a score for each
    mask, NaN where none is defined. leaves_out: whether rows can be left out; if not, masks must be of all.
    """

    scores: Callable[[HeldOut, Sequence[np.ndarray]], list[float]]
    leaves_out: bool = True


def measure_of(scoring: Any, held: Sequence[HeldOut]) -> Measure:
    """Read what the user wants the classifiers to be scored by.

    scoring: a name that scikit-learn knows, a scorer made by `make_scorer`, or a function of the fitted
    estimator, X and y. held: all folds of all arms.

    A name means the rarer of two classes as the positive one, whatever the labels. "average_precision" and
    "roc_auc" of more than two classes are means over the classes, each against the rest, of those that occur.
    `sample_weight` goes to scorers and functions that take one.

    Raises `InputError` for anything else, or a name that is not known.
    """
    if isinstance(scoring, str):
        classes = Classes(held)
        if scoring in CURVES:
            return Measure(lambda one, masks: _ranked(scoring, classes, one, masks))
        scorer = _named(scoring)
        return Measure(lambda one, masks: _coded(scorer, classes, one, masks))
    if isinstance(scoring, SCORER):
        n_classes = len(np.unique(np.concatenate([one.y for one in held])))
        return Measure(lambda one, masks: _scored(scoring, one.answers, one.y, one.weight, masks, n_classes))
    if callable(scoring):
        return Measure(lambda one, masks: [_called(scoring, one) for _ in masks], leaves_out=False)
    raise InputError(
        f'scoring is {scoring!r}. Pass a name such as "average_precision", a scorer made by '
        "sklearn.metrics.make_scorer, or a function of the fitted estimator, X and y."
    )


def _named(name: str) -> Any:
    if name not in get_scorer_names():
        near = difflib.get_close_matches(name, get_scorer_names(), n=3)
        raise InputError(
            f"scoring is {name!r}, which scikit-learn does not know.{f' Near: {near}.' if near else ''} All "
            "names: sklearn.metrics.get_scorer_names()."
        )
    return get_scorer(name)


# --- scorers and functions ---


def _coded(scorer: Any, classes: Classes, one: HeldOut, masks: Sequence[np.ndarray]) -> list[float]:
    y, answers = classes.codes(one.y), classes.recoded(one.answers)
    return _scored(scorer, answers, y, one.weight, masks, classes.n)


def _scored(
    scorer: Any,
    answers: Remembered,
    y: np.ndarray,
    weight: np.ndarray | None,
    masks: Sequence[np.ndarray],
    n_classes: int,
) -> list[float]:
    """Hand remembered rows to a scorer; where a class is absent and it refuses, its score is not defined."""
    weighted = weight is not None and _takes_weight(scorer._score_func)
    found = []
    for mask in masks:
        rows = np.flatnonzero(mask)
        how = {"sample_weight": weight[rows]} if weighted and weight is not None else {}
        lacks = len(np.unique(y[rows])) < n_classes
        try:
            with warnings.catch_warnings():
                # of every fold and group it would be told once more; the score that it stands for is enough
                warnings.simplefilter("ignore", UserWarning if lacks else UndefinedMetricWarning)
                found.append(float(scorer(answers, rows[:, None], y[rows], **how)))
        except ValueError:
            if not lacks:
                raise
            found.append(math.nan)
    return found


def _called(function: Callable[..., Any], one: HeldOut) -> float:
    weighted = one.weight is not None and _takes_weight(function)
    how = {"sample_weight": one.weight} if weighted else {}
    return float(function(one.estimator, one.X, one.y, **how))


def _takes_weight(function: Callable[..., Any]) -> bool:
    return "sample_weight" in signature(function).parameters


# --- scores of an order of rows, sorted once for all masks ---


def _average_precision(tp: np.ndarray, fp: np.ndarray) -> float:
    """Sum over the cuts of precision times what they add to recall; NaN without a positive row.

    tp, fp: (t,), the weight of the positive and of the other rows above each cut. As in scikit-learn's
    `average_precision_score`.
    """
    above = tp + fp
    precision = np.divide(tp, above, out=np.zeros_like(tp), where=above > 0)
    return float(np.diff(tp, prepend=0.0) @ precision / tp[-1]) if tp[-1] > 0 else math.nan


def _roc_auc(tp: np.ndarray, fp: np.ndarray) -> float:
    """Area under the curve of tp over fp, both as shares, by trapezia; NaN without rows of both kinds."""
    if tp[-1] <= 0 or fp[-1] <= 0:
        return math.nan
    middle = tp - np.diff(tp, prepend=0.0) / 2
    return float(np.diff(fp, prepend=0.0) @ middle / (tp[-1] * fp[-1]))


CURVES: dict[str, Curve] = {
    "average_precision": _average_precision,
    "roc_auc": _roc_auc,
    "roc_auc_ovr": _roc_auc,
}


def _ranked(name: str, classes: Classes, one: HeldOut, masks: Sequence[np.ndarray]) -> list[float]:
    """The scores of the order of rows: of the rarer of two classes, else the mean over the classes.

    A class without rows is left out of the mean. A classifier that answers NaN has no score.
    """
    values = _values(name, classes.recoded(one.answers), classes.n, one.estimator)
    if not np.isfinite(values).all():
        return [math.nan] * len(masks)
    y = classes.codes(one.y)
    weight = np.ones(len(y)) if one.weight is None else one.weight
    wanted = range(classes.n) if classes.n > 2 else [1]
    by_class = np.array(
        [_curve_scores(CURVES[name], y == code, values[:, code], weight, masks) for code in wanted]
    )
    occurs = np.isfinite(by_class)
    n_classes = occurs.sum(axis=0)
    total = np.where(occurs, by_class, 0).sum(axis=0)
    return np.where(n_classes > 0, total / np.maximum(n_classes, 1), np.nan).tolist()


def _values(name: str, answers: Remembered, n_classes: int, estimator: Any) -> np.ndarray:
    """What the rows are ordered by, (n, k): of the methods that the classifier has, scikit-learn's choice."""
    order = ["decision_function", "predict_proba"]
    if name != "average_precision" and (n_classes > 2 or name == "roc_auc_ovr"):
        order.reverse()
    for method in order:
        values = answers.known(method)
        if values is not None:
            return values if values.ndim == 2 else np.stack([-values, values], axis=1)
    raise InputError(
        f"scoring is {name!r}, which needs predict_proba or decision_function, and "
        f"{type(estimator).__name__} has neither for these classes. Choose a classifier that has one, or a "
        'scoring of predicted labels such as "balanced_accuracy".'
    )


def _curve_scores(
    curve: Curve, positive: np.ndarray, values: np.ndarray, weight: np.ndarray, masks: Sequence[np.ndarray]
) -> list[float]:
    """The score for each mask; left-out rows weigh nothing, which changes no cut that has rows."""
    order = np.argsort(-values, kind="stable")
    cuts = np.flatnonzero(np.diff(values[order], append=np.nan) != 0)
    positive_weight = np.where(positive, weight, 0.0)[order]
    other_weight = np.where(positive, 0.0, weight)[order]
    found = []
    for mask in masks:
        kept = mask[order]
        found.append(curve(np.cumsum(positive_weight * kept)[cuts], np.cumsum(other_weight * kept)[cuts]))
    return found
