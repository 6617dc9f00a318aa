"""What people do about a rare class without us: weights, copies, jitter, interpolation, fewer rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from imblearn.over_sampling import ADASYN, SMOTE, SMOTENC, BorderlineSMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from learners import is_category

__all__ = ["Rows", "rivals", "wanted_rows"]


@dataclass(frozen=True)
class Rows:
    """What a classifier is trained on."""

    X: pd.DataFrame
    y: np.ndarray
    weight: np.ndarray | None = None


def wanted_rows(y: np.ndarray, ratio: float) -> int:
    """Rare rows that are missing to this ratio of rare to other rows."""
    return max(0, int(ratio * (y == 0).sum()) - int((y == 1).sum()))


def rivals(X: pd.DataFrame, y: np.ndarray, seed: int) -> dict[str, Callable[[], Rows]]:
    """The arms by name, each still to be made."""
    filled = _filled(X)
    arms: dict[str, Callable[[], Rows]] = {
        "none": lambda: Rows(X, y),
        "class weight": lambda: Rows(
            X, y, np.where(y == 1, len(y) / (2 * y.sum()), len(y) / (2 * (y == 0).sum()))
        ),
        "random 1.0": lambda: _jittered(X, y, 1.0, 0.0, seed),
        "undersampling": lambda: _fewer(X, y, seed),
    }
    for ratio in (0.1, 0.3, 1.0):
        if not wanted_rows(y, ratio):
            continue
        arms[f"bootstrap {ratio}"] = lambda ratio=ratio: _jittered(filled, y, ratio, 0.5, seed)
        arms[f"smote {ratio}"] = lambda ratio=ratio: _smote(filled, y, ratio, seed)
    arms["borderline 1.0"] = lambda: _numeric(BorderlineSMOTE(random_state=seed), filled, y)
    arms["adasyn 1.0"] = lambda: _numeric(ADASYN(random_state=seed), filled, y)
    return arms


def _filled(X: pd.DataFrame) -> pd.DataFrame:
    """Medians and most frequent labels for missing cells, which these methods refuse."""
    filled = X.copy()
    for name in X:
        if is_category(X[name]):
            filled[name] = X[name].astype(object).where(X[name].notna(), X[name].mode().iloc[0])
        else:
            filled[name] = X[name].astype(float).fillna(X[name].astype(float).median())
    return filled


def _fewer(X: pd.DataFrame, y: np.ndarray, seed: int) -> Rows:
    sampler = RandomUnderSampler(random_state=seed)
    kept, classes = sampler.fit_resample(np.arange(len(y))[:, None], y)
    return Rows(X.iloc[kept[:, 0]], classes)


def _jittered(X: pd.DataFrame, y: np.ndarray, ratio: float, shrinkage: float, seed: int) -> Rows:
    """Copies with Gaussian noise on their numbers, by imbalanced-learn's rule for the bandwidth."""
    sampler = RandomOverSampler(sampling_strategy=ratio, random_state=seed)
    rows, classes = sampler.fit_resample(np.arange(len(y))[:, None], y)
    new = X.iloc[rows[len(y) :, 0]].copy()
    numeric = [name for name in X if not is_category(X[name])]
    if shrinkage and numeric:
        rare = X.loc[y == 1, numeric].to_numpy(float)
        silverman = (4 / ((len(numeric) + 2) * len(rare))) ** (1 / (len(numeric) + 4))
        noise = np.random.default_rng(seed).normal(size=(len(new), len(numeric)))
        new = new.astype({name: float for name in numeric})
        new[numeric] += noise * silverman * shrinkage * rare.std(axis=0)
    return Rows(pd.concat([X, new], ignore_index=True), classes)


def _smote(X: pd.DataFrame, y: np.ndarray, ratio: float, seed: int) -> Rows:
    categories = [is_category(X[name]) for name in X]
    how = {"sampling_strategy": ratio, "random_state": seed, "k_neighbors": min(5, int(y.sum()) - 1)}
    sampler = SMOTENC(categorical_features=categories, **how) if any(categories) else SMOTE(**how)
    new, classes = sampler.fit_resample(X, y)
    return Rows(new, classes)


def _numeric(sampler: object, X: pd.DataFrame, y: np.ndarray) -> Rows:
    if any(is_category(X[name]) for name in X):
        raise TypeError("takes numbers only")
    return Rows(*sampler.fit_resample(X, y))
