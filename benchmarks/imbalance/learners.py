"""The classifiers of the benchmark, each with the preparation of columns that its users give it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

__all__ = ["LEARNERS", "Matrices", "is_category"]

MAX_ONE_HOT = 30


def is_category(column: pd.Series) -> bool:
    """Whether a column holds labels."""
    return not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)


@dataclass(frozen=True)
class Matrices:
    """Frames as numbers, by what the real training rows hold.

    levels: of each column of labels, most frequent first. centre, scale, fill: of each numeric column.
    """

    names: list[str]
    levels: dict[str, list]
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, X: pd.DataFrame) -> Matrices:
        """Learn from the real training rows."""
        levels = {name: list(X[name].value_counts().index) for name in X if is_category(X[name])}
        numbers = X[[name for name in X if name not in levels]].to_numpy(float)
        with np.errstate(all="ignore"):
            centre, spread = np.nanmedian(numbers, axis=0), np.nanstd(numbers, axis=0)
        return cls(list(X), levels, np.nan_to_num(centre), np.where(spread > 0, spread, 1.0))

    @property
    def is_category(self) -> np.ndarray:
        """Which columns of `codes` hold labels."""
        return np.array([name in self.levels for name in self.names])

    def codes(self, X: pd.DataFrame) -> np.ndarray:
        """Numbers as they are and labels as codes, missing cells as NaN: (n, n_columns), for trees."""
        columns = []
        for name in self.names:
            if name in self.levels:
                known = {level: code for code, level in enumerate(self.levels[name][:250])}
                columns.append(X[name].astype(object).map(known).to_numpy(float))
            else:
                columns.append(X[name].to_numpy(float, na_value=np.nan))
        return np.column_stack(columns)

    def scaled(self, X: pd.DataFrame) -> np.ndarray:
        """Standard scores, missing ones at the median, and indicators of labels: for linear models."""
        codes = self.codes(X)
        numbers = codes[:, ~self.is_category]
        parts = [(np.where(np.isnan(numbers), self.centre, numbers) - self.centre) / self.scale]
        for place in np.flatnonzero(self.is_category):
            n = min(len(self.levels[self.names[place]]), MAX_ONE_HOT)
            parts.append((codes[:, place, None] == np.arange(n)).astype(float))
        return np.clip(np.hstack(parts), -20, 20)


@dataclass(frozen=True)
class Learner:
    """A classifier: how it is made, what it is fed, and whether it stops early by real rows held out."""

    make: Callable[[np.ndarray, int], object]
    scaled: bool = False
    stops_early: bool = False


def _boosting(is_category: np.ndarray, seed: int, **options: object) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(categorical_features=is_category, random_state=seed, **options)


LEARNERS = {
    "lr": Learner(lambda cats, seed: LogisticRegression(max_iter=500), scaled=True),
    "mlp": Learner(
        lambda cats, seed: MLPClassifier((64,), alpha=1e-3, max_iter=60, random_state=seed), scaled=True
    ),
    "rf": Learner(lambda cats, seed: RandomForestClassifier(200, min_samples_leaf=2, random_state=seed)),
    "boost": Learner(lambda cats, seed: _boosting(cats, seed, early_stopping=False)),
    "boost_es": Learner(
        lambda cats, seed: _boosting(
            cats,
            seed,
            max_iter=500,
            learning_rate=0.05,
            max_leaf_nodes=15,
            early_stopping=True,
            n_iter_no_change=20,
        ),
        stops_early=True,
    ),
}
