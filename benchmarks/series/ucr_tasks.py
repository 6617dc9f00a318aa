"""Binary tasks of UCR sets, what is done about the rare class, and the classifiers: the parts of `ucr.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge, RidgeClassifierCV
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from tabdiff import DiffusionOverSampler
from tabdiff.imbalance.ohit import ohit

MAX_FIT = 1000
FIT_SHARE, CHOICE_SHARE, TEST_SHARE = 0.5, 0.3, 0.35
MOST_POSITIVE, THINNED_RATIO, PART_RATIO = 0.25, 0.1, 0.3


@dataclass(frozen=True)
class Cases:
    """X: (n, length). y: (n,), 1 for a positive. weight: (n,), what a case counts."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Task:
    """The parts of a split of a set, the label that is positive and the share of positives that was kept."""

    fit: Cases
    choice: Cases
    test: Cases
    positive: int
    kept: float

    @property
    def amounts(self) -> dict[str, int]:
        """How many positives are to be made: until both classes are as large, and a part of it."""
        positives = int(self.fit.y.sum())
        negatives = len(self.fit.y) - positives
        part = min(negatives, max(int(PART_RATIO * negatives), 2 * positives))
        return {"": negatives - positives, " part": part - positives}


def read_set(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The series of a set, (n, length), and their labels, (n,)."""
    table = pd.read_parquet(path)
    return table.drop(columns=["split", "label"]).to_numpy(dtype=np.float64), table["label"].to_numpy()


def make_task(X: np.ndarray, labels: np.ndarray, seed: int, least: int) -> Task:
    """Split a set and make it a binary task of a rare class."""
    n_fit = min(round(FIT_SHARE * len(X)), MAX_FIT)
    rest, test = train_test_split(np.arange(len(X)), test_size=TEST_SHARE, stratify=labels, random_state=seed)
    n_choice = min(round(CHOICE_SHARE * n_fit), len(rest) - n_fit)
    fit, choice = train_test_split(
        rest, train_size=n_fit, test_size=n_choice, stratify=labels[rest], random_state=seed
    )
    positive = rare_label(labels, n_fit, least)
    y = (labels == positive).astype(int)
    positives = int(y[fit].sum())
    kept = 1.0
    if positives > MOST_POSITIVE * n_fit:
        kept = min(1.0, max(least, round(THINNED_RATIO * (n_fit - positives))) / positives)
    rng = np.random.default_rng(seed)
    fit, choice = (thinned(rows, y, kept, rng) for rows in (fit, choice))
    weights = [np.ones(len(fit)), np.ones(len(choice)), np.where(y[test] == 1, kept, 1.0)]
    parts = (Cases(X[rows], y[rows], w) for rows, w in zip((fit, choice, test), weights, strict=True))
    return Task(*parts, positive=int(positive), kept=kept)


def rare_label(labels: np.ndarray, n_fit: int, least: int) -> Any:
    """The rarer of two labels, or the rarest that has at least `least` of the n_fit cases to fit."""
    known, counts = np.unique(labels, return_counts=True)
    enough = counts * n_fit >= least * len(labels) if len(known) > 2 else counts > 0
    return known[enough][counts[enough].argmin()]


def thinned(rows: np.ndarray, y: np.ndarray, kept: float, rng: np.random.Generator) -> np.ndarray:
    """Those of the rows that are negative, and a share of the others at random; in their order."""
    positives = np.flatnonzero(y[rows] == 1)
    dropped = rng.permutation(positives)[round(kept * len(positives)) :]
    return np.delete(rows, dropped)


def judge(task: Task, choice: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Figures of what a classifier gives to the cases for the threshold and to those of the test."""
    threshold = best_threshold(task.choice.y, choice)
    y, weight = task.test.y, task.test.weight
    return {
        "ap": float(average_precision_score(y, test, sample_weight=weight)),
        "f1": float(f1_score(y, test > threshold, average="macro", sample_weight=weight)),
        "ap_choice": float(average_precision_score(task.choice.y, choice)),
        "threshold": threshold,
    }


def best_threshold(y: np.ndarray, scores: np.ndarray) -> float:
    """Between two scores, where the mean F1 of both classes is best; of equals the middle one."""
    known = np.unique(scores)
    if len(known) == 1:
        return float(known[0])
    between = (known[1:] + known[:-1]) / 2
    f1 = np.array([f1_score(y, scores > t, average="macro") for t in between])
    best = between[f1 >= f1.max() - 1e-12]
    return float(best[len(best) // 2])


# --- classifiers: (real cases to fit, seed) to a function of cases and of others to be scored --------------

Scorer = Callable[..., list[np.ndarray]]


def by_minirocket(real: Cases, seed: int) -> Scorer:
    """MiniRocket and ridge regression; what is learned without classes is learned from real cases."""
    from aeon.transformations.collection.convolution_based import MiniRocket

    rocket = MiniRocket(n_kernels=2000, random_state=seed).fit(real.X[:, None].astype(np.float32))

    def features(X: np.ndarray) -> np.ndarray:
        return scaler.transform(rocket.transform(X[:, None].astype(np.float32)))

    scaler = StandardScaler().fit(rocket.transform(real.X[:, None].astype(np.float32)))
    strength = RidgeClassifierCV(alphas=np.logspace(-1, 5, 13)).fit(features(real.X), real.y).alpha_

    def score(cases: Cases, *others: np.ndarray) -> list[np.ndarray]:
        weight = cases.weight / cases.weight.mean()
        ridge = Ridge(alpha=strength).fit(features(cases.X), 2 * cases.y - 1, sample_weight=weight)
        return [ridge.predict(features(X)) for X in others]

    return score


def by_forest(real: Cases, seed: int) -> Scorer:
    """A random forest of the values of all steps."""

    def score(cases: Cases, *others: np.ndarray) -> list[np.ndarray]:
        forest = RandomForestClassifier(300, random_state=seed).fit(cases.X, cases.y, cases.weight)
        return [forest.predict_proba(X)[:, 1] for X in others]

    return score


CLASSIFIERS: dict[str, Callable[[Cases, int], Scorer]] = {"minirocket": by_minirocket, "forest": by_forest}


# --- arms: cases to train on, by the name of the arm, and facts about them ---------------------------------

Made = tuple[dict[str, Cases], dict[str, Any]]


def with_positives(real: Cases, new: np.ndarray) -> Cases:
    """Real cases and new positives behind them, all of one weight."""
    y = np.concatenate([real.y, np.ones(len(new), dtype=real.y.dtype)])
    return Cases(np.concatenate([real.X, new]), y, np.ones(len(y)))


def by_none(task: Task, seed: int, args: argparse.Namespace) -> Made:
    """The real cases."""
    return {"none": task.fit}, {}


def by_weights(task: Task, seed: int, args: argparse.Namespace) -> Made:
    """The real cases, those of a class weighing half of all."""
    y = task.fit.y
    return {"class weights": Cases(task.fit.X, y, len(y) / (2 * np.bincount(y))[y])}, {}


def by_random(task: Task, seed: int, args: argparse.Namespace) -> Made:
    """Positives repeated at random."""
    X, y = RandomOverSampler(random_state=seed).fit_resample(task.fit.X, task.fit.y)
    return {"random": Cases(X, y, np.ones(len(y)))}, {}


def by_smote(task: Task, seed: int, args: argparse.Namespace) -> Made:
    """SMOTE on the values of all steps."""
    positives, made = int(task.fit.y.sum()), {}
    for name, added in task.amounts.items():
        sampler = SMOTE(
            sampling_strategy={1: positives + added}, k_neighbors=min(5, positives - 1), random_state=seed
        )
        X, y = sampler.fit_resample(task.fit.X, task.fit.y)
        made[f"smote{name}"] = Cases(X, y, np.ones(len(y)))
    return made, {}


def by_ohit(task: Task, seed: int, args: argparse.Namespace) -> Made:
    """Gaussians around clusters of the positives."""
    most = max(task.amounts.values())
    new = ohit(task.fit.X[task.fit.y == 1], most, np.random.default_rng(seed))
    new = np.random.default_rng(seed).permutation(new)
    return {f"ohit{name}": with_positives(task.fit, new[:n]) for name, n in task.amounts.items()}, {}


def by_tabdiff(task: Task, seed: int, args: argparse.Namespace) -> Made:
    """New positives of `DiffusionOverSampler`, trained once for both amounts."""
    sampler = DiffusionOverSampler(random_state=seed, max_steps=args.max_steps or None)
    X, _ = sampler.fit_resample(task.fit.X[:, None], task.fit.y)
    new = np.random.default_rng(seed).permutation(X[sampler.synthetic_mask_, 0])
    facts: dict[str, Any] = {"by_ohit": sampler.model_ is None}
    if sampler.model_ is not None:
        history = sampler.model_.history
        facts |= {"steps": history.n_steps, "kept_step": history.kept_step, "stopped_by": history.stopped_by}
    return {f"tabdiff{name}": with_positives(task.fit, new[:n]) for name, n in task.amounts.items()}, facts


ARMS: dict[str, tuple[list[str], Callable[[Task, int, argparse.Namespace], Made]]] = {
    "none": (["none"], by_none),
    "weights": (["class weights"], by_weights),
    "random": (["random"], by_random),
    "smote": (["smote", "smote part"], by_smote),
    "ohit": (["ohit", "ohit part"], by_ohit),
    "tabdiff": (["tabdiff", "tabdiff part"], by_tabdiff),
}
