"""What the library offers for a rare class, as users call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from learners import LEARNERS, Matrices
from rivals import Rows, wanted_rows
from sklearn.base import BaseEstimator, ClassifierMixin

from tabdiff import AugmentedClassifier, DiffusionOverSampler

__all__ = ["Prepared", "classifier", "samplers", "tuned"]


class Prepared(ClassifierMixin, BaseEstimator):
    """A classifier of the benchmark with its preparation of columns, for frames.

    X_val, y_val: real rows by which boosting stops early.
    """

    def __init__(self, name: str, X_val: pd.DataFrame, y_val: np.ndarray, seed: int):
        self.name, self.X_val, self.y_val, self.seed = name, X_val, y_val, seed

    def fit(self, X: pd.DataFrame, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Prepared:
        """Learn the classes y of the rows X."""
        learner = LEARNERS[self.name]
        self.matrices_ = Matrices.fit(X)
        extra: dict[str, Any] = {} if sample_weight is None else {"sample_weight": sample_weight}
        if learner.stops_early:
            extra |= {"X_val": self._matrix(self.X_val), "y_val": self.y_val}
        self.model_ = learner.make(self.matrices_.is_category, self.seed)
        self.model_.fit(self._matrix(X), y, **extra)
        self.classes_ = self.model_.classes_
        return self

    def _matrix(self, X: pd.DataFrame) -> np.ndarray:
        scaled = LEARNERS[self.name].scaled
        return self.matrices_.scaled(X) if scaled else self.matrices_.codes(X)

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Probabilities of the classes."""
        return self.model_.predict_proba(self._matrix(X))

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """The more probable class."""
        return self.classes_[self.predict_proba(X).argmax(1)]


def samplers(X: pd.DataFrame, y: np.ndarray, seed: int) -> dict[str, Callable[[], Rows]]:
    """Rows of `DiffusionOverSampler` at fixed ratios."""

    def resampled(ratio: float) -> Rows:
        sampler = DiffusionOverSampler(sampling_strategy=ratio, random_state=seed)
        return Rows(*sampler.fit_resample(X, y))

    return {
        f"tabdiff {ratio}": lambda ratio=ratio: resampled(ratio)
        for ratio in (0.1, 0.3, 1.0)
        if wanted_rows(y, ratio)
    }


def tuned(X: pd.DataFrame, y: np.ndarray, estimator: Prepared, seed: int) -> tuple[Rows, str]:
    """Rows of the sampler that chooses the amount for a classifier, and what it chose."""
    sampler = DiffusionOverSampler(sampling_strategy="tuned", estimator=estimator, random_state=seed)
    return Rows(*sampler.fit_resample(X, y)), sampler.report_.chosen


def classifier(X: pd.DataFrame, y: np.ndarray, estimator: Prepared, seed: int) -> AugmentedClassifier:
    """The classifier that chooses the remedy."""
    return AugmentedClassifier(estimator, random_state=seed).fit(X, y)
