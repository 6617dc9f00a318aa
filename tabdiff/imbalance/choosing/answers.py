"""What a fitted classifier says about the held-out rows: asked once, then scored as often as is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import ClassifierTags, Tags, TargetTags
from sklearn.utils.metaestimators import available_if

from tabdiff.errors import InputError

__all__ = ["Classes", "HeldOut", "Remembered", "held_out"]


def _knows(method: str) -> Callable[[Remembered], bool]:
    return lambda remembered: remembered.known(method) is not None


class Remembered:
    """A classifier whose answers on some rows are known: it stands in for it before a scikit-learn scorer.

    classes: (k,), the labels in the order of the columns of `predict_proba`. predict_proba: (n, k).
    decision_function: (n,) for two classes, else (n, k). predict: (n,) labels. Each may be None, and then
    the method of that name does not exist. X is row numbers, (m,) or (m, 1); the answers come back in their
    order.
    """

    _estimator_type = "classifier"

    def __init__(
        self,
        classes: np.ndarray,
        *,
        predict_proba: np.ndarray | None = None,
        decision_function: np.ndarray | None = None,
        predict: np.ndarray | None = None,
    ):
        self.classes_ = np.asarray(classes)
        self._answers = {
            "predict_proba": predict_proba,
            "decision_function": decision_function,
            "predict": predict,
        }

    def __sklearn_tags__(self) -> Tags:
        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            requires_fit=False,
        )

    def known(self, method: str) -> np.ndarray | None:
        """All answers of a method in the order of the rows, None if it was not there to be asked."""
        return self._answers[method]

    @available_if(_knows("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """The probabilities of these rows, (m, k)."""
        return self._of("predict_proba", X)

    @available_if(_knows("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """The decision values of these rows, (m,) or (m, k)."""
        return self._of("decision_function", X)

    @available_if(_knows("predict"))
    def predict(self, X: Any) -> np.ndarray:
        """The predicted labels of these rows, (m,)."""
        return self._of("predict", X)

    def _of(self, method: str, X: Any) -> np.ndarray:
        answers = self._answers[method]
        assert answers is not None
        return answers[np.asarray(X).reshape(-1)]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Answers of one arm's classifier on the held-out rows of one fold.

    answers: by row. X: the rows in the user's container, for scorers that are plain functions. y: (n,), their
    classes as the user knows them. estimator: the fitted classifier itself. weight: (n,), the `sample_weight`
    of the rows, or None.
    """

    answers: Remembered
    X: Any
    y: np.ndarray
    estimator: Any
    weight: np.ndarray | None = None


def held_out(estimator: Any, X: Any, y: Any, weight: Any = None) -> HeldOut:
    """Ask a fitted classifier once about held-out rows, for all that scorers may want to know.

    `predict`, `predict_proba` and `decision_function` are called where it has them.

    Raises `InputError` if it has no `classes_`, or if the answers, y and weight differ in length.
    """
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        raise InputError(
            f"{type(estimator).__name__} has no classes_, so what it predicts cannot be scored. Pass a "
            "fitted classifier."
        )
    labels = np.asarray(y)
    asked = ("predict", "predict_proba", "decision_function")
    answers = {name: np.asarray(getattr(estimator, name)(X)) for name in asked if hasattr(estimator, name)}
    weights = None if weight is None else np.asarray(weight, dtype=np.float64)
    lengths = {f"{name}(X)": len(found) for name, found in answers.items()}
    if weights is not None:
        lengths["weight"] = len(weights)
    for name, length in lengths.items():
        if length != len(labels):
            raise InputError(
                f"y has {len(labels)} held-out rows, but {name} has {length}. Pass the same rows."
            )
    return HeldOut(Remembered(np.asarray(classes), **answers), X, labels, estimator, weights)


class Classes:
    """The classes of all folds as the codes 0 to k-1.

    scikit-learn's named scorers take label 1 for the positive class of two, so the rarer one is 1 here; of
    two that are equally frequent, the greater. More than two are coded in sorted order.
    """

    def __init__(self, held: Sequence[HeldOut]):
        """held: the folds, of all arms, so that a class which one of them lacks is known."""
        labels = np.concatenate([one.y for one in held])
        known = np.concatenate([labels, *(one.answers.classes_ for one in held)])
        self.sorted = np.unique(known)
        self.n = len(self.sorted)
        counts = np.bincount(np.searchsorted(self.sorted, labels), minlength=self.n)
        is_flipped = self.n == 2 and counts[0] < counts[1]
        self._code_of = np.array([1, 0]) if is_flipped else np.arange(self.n)

    def codes(self, labels: np.ndarray) -> np.ndarray:
        """The codes of labels, all of which must be known."""
        return self._code_of[np.searchsorted(self.sorted, labels)]

    def recoded(self, answers: Remembered) -> Remembered:
        """The same answers in codes, with a column for each class.

        A class that the classifier does not know has probability 0, and the row's least decision value.
        """
        place = self.codes(answers.classes_)
        predicted, probabilities = answers.known("predict"), answers.known("predict_proba")
        if probabilities is not None:
            columns = np.zeros((len(probabilities), self.n))
            columns[:, place] = probabilities
            probabilities = columns
        return Remembered(
            np.arange(self.n),
            predict_proba=probabilities,
            decision_function=self._decisions(answers.known("decision_function"), place),
            predict=None if predicted is None else self.codes(predicted),
        )

    def _decisions(self, values: np.ndarray | None, place: np.ndarray) -> np.ndarray | None:
        if values is None:
            return None
        columns = np.stack([-values, values], axis=1) if values.ndim == 1 else values
        if columns.shape[1] != len(
            place
        ):  # one column for each pair of classes: no order of the rows by class
            return None
        if self.n == 2:
            return columns[:, np.argmax(place)] if len(place) == 2 else None
        wide = np.repeat(columns.min(axis=1, keepdims=True), self.n, axis=1)
        wide[:, place] = columns
        return wide
