"""Tries plans of resampling by cross-validation: each trains the user's classifier, real rows judge it.

A plan says which rows are added and how rows weigh. The rows of a fold come from its training rows alone, and
nothing synthetic is ever judged on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from tabdiff import frames
from tabdiff.errors import InputError
from tabdiff.imbalance.amounts import candidate_amounts
from tabdiff.imbalance.boosting import BoostedTrees
from tabdiff.imbalance.choosing import Arm, HeldOut, held_out
from tabdiff.imbalance.sources import RowSource, SyntheticRows

__all__ = [
    "Folds",
    "Plan",
    "TrainingRows",
    "fitted",
    "folds_of",
    "note_on_stopping",
    "notes_on",
    "plans_of_amounts",
    "plans_of_weights",
    "resampled",
    "tried",
    "weight_parameter",
]

Folds = Sequence[tuple[np.ndarray, np.ndarray]]
"""Numbers of the training rows and of the held-out rows of each fold."""

LEAST_IN_FOLD = 2
STOPS_ABOVE = 10_000  # rows beyond which scikit-learn's histogram boosting stops early by itself
TINY = 1e-6
MANY = 10_000
LIGHT = 0.5


@dataclass(frozen=True)
class Plan:
    """What is done about the classes: rows added, and weights.

    arm: name, rows added to each class of the whole table, and how much that is. light: the synthetic rows of
    a class weigh together half as much as its real ones, and doubtful ones little. balanced: real rows weigh
    so that all classes weigh the same; without synthetic rows.
    """

    arm: Arm
    light: bool = False
    balanced: bool = False

    @property
    def needs_weights(self) -> bool:
        """Whether the classifier must take weights of rows."""
        return self.light or self.balanced


@dataclass(frozen=True)
class TrainingRows:
    """What a classifier is trained on: rows in the user's container, (n,) classes, (n,) weights or None."""

    X: Any
    y: np.ndarray
    weight: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> TrainingRows:
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        return TrainingRows(frames.select_rows(self.X, rows), self.y[rows], weight)


def plans_of_amounts(y: np.ndarray, presumed: str | None = None) -> list[Plan]:
    """None, and growing numbers of synthetic rows; presumed: the name of the amount that helps as a rule."""
    return [
        Plan(Arm(amount.name, amount.n_synthetic, amount.size, amount.name == presumed))
        for amount in candidate_amounts(y)
    ]


def plans_of_weights(y: np.ndarray) -> list[Plan]:
    """Many synthetic rows, but light, which help as a rule; and balanced weights without any."""
    classes, counts = np.unique(y, return_counts=True)
    lacking = {label: int(counts.max() - n) for label, n in zip(classes, counts, strict=True)}
    asked = {
        label: min(lacking[label], max(MANY, int(n)))
        for label, n in zip(classes, counts, strict=True)
        if lacking[label]
    }
    balanced = Plan(Arm("class weights", {}, 0.01), balanced=True)
    if not asked:
        return [balanced]
    return [Plan(Arm("light", asked, 1.0, presumed=True), light=True), balanced]


def folds_of(cv: Any, y: np.ndarray, groups: Any, seed: np.random.SeedSequence) -> Folds:
    """The folds by which plans are judged; none if a class has too few rows to be in each twice.

    cv: number of folds, shuffled and stratified; or a splitter or splits of scikit-learn's, for groups or
    time. Raises `InputError` for a split whose training rows lack a class.
    """
    if isinstance(cv, int | np.integer):
        fewest = int(np.unique(y, return_counts=True)[1].min())
        n_folds = min(int(cv), fewest // LEAST_IN_FOLD)
        if n_folds < 2:
            return []
        cv = StratifiedKFold(n_folds, shuffle=True, random_state=int(seed.generate_state(1)[0] % 2**31))
    splits = list(check_cv(cv, y, classifier=True).split(np.zeros(len(y)), y, groups))
    classes = np.unique(y)
    for place, (train, _) in enumerate(splits):
        lacking = np.setdiff1d(classes, y[train]).tolist()
        if lacking:
            raise InputError(
                f"the training rows of split {place} have none of class {lacking[0]!r}. Choose fewer splits, "
                "or splits that keep all classes."
            )
    return [(np.asarray(train), np.asarray(test)) for train, test in splits]


def notes_on(could_choose: bool, generator: Any) -> tuple[str, ...]:
    """What a report must say besides its scores; generator: what the user passed to make rows, or None."""
    notes = []
    if not could_choose:
        notes.append("A class has too few rows for cross-validation: nothing could be chosen.")
    if generator is not None:
        notes.append("The generator that was passed in may have seen the held-out rows: scores may flatter.")
    return tuple(notes)


def note_on_stopping(estimator: Any, plans: Sequence[Plan], folds: Folds, n_rows: int) -> tuple[str, ...]:
    """What a report must say of a classifier that stops early by itself with some of the plans alone.

    n_rows: of the whole table. Histogram boosting left to itself holds out a tenth of more than 10,000
    training rows, whatever made them, and stops by these; of fewer it grows all trees.
    """
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(last, HistGradientBoostingClassifier | BoostedTrees):
        return ()
    if isinstance(last, HistGradientBoostingClassifier) and last.early_stopping != "auto":
        return ()
    sizes = [
        n + plan.arm.n_added * n / n_rows for n in (n_rows, *(len(t) for t, _ in folds)) for plan in plans
    ]
    if min(sizes) > STOPS_ABOVE or max(sizes) <= STOPS_ABOVE:
        return ()
    return (
        f"The classifier stops early by itself where it is given more than {STOPS_ABOVE:,} rows, which it "
        "was in some of what was tried and not in the rest: part of a difference may be that of stopping. "
        "HistGradientBoostingClassifier with early_stopping set to True or False rules this out.",
    )


def weight_parameter(estimator: Any) -> str | None:
    """The name by which `estimator.fit` takes weights of rows; None if it takes none."""
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        inner = None if last in (None, "passthrough") else weight_parameter(last)
        return None if inner is None else f"{name}__{inner}"
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


def resampled(
    real: TrainingRows, plan: Plan, source: RowSource | None, part: int | None, share: float, draw: int = 0
) -> TrainingRows:
    """The rows by a plan: real ones first, synthetic ones behind.

    part: which part of the source may be used, None for all. share: the share that these rows are of the
    table, and so the share of the rows that are added.
    """
    weight = real.weight
    if weight is None and plan.needs_weights:
        weight = np.ones(len(real.y))
    if plan.balanced:
        assert weight is not None
        weight = weight * _balance(real.y, weight)
    asked = {label: round(share * n) for label, n in plan.arm.n_synthetic.items()}
    if source is None or not sum(asked.values()):
        return TrainingRows(real.X, real.y, weight)
    new = source.rows(part, asked, draw, every=plan.light)
    y = np.concatenate([real.y, new.y.astype(real.y.dtype, copy=False)])
    if weight is not None:
        weight = np.concatenate([weight, _weights_of(new, real.y, weight, plan.light)])
    return TrainingRows(frames.append_rows(real.X, new.X), y, weight)


def _weights_of(new: SyntheticRows, y: np.ndarray, weight: np.ndarray, light: bool) -> np.ndarray:
    """Weights of synthetic rows: the mean of the real rows of their class.

    If light, those of a class weigh together half as much as its real ones, each in proportion to the
    probability of its class by a classifier of the real rows: stray rows hardly weigh.
    """
    weights = np.ones(len(new.y))
    for label in np.unique(new.y):
        rows, real = new.y == label, weight[y == label]
        weights[rows] = real.mean()
        if light:
            sure = np.ones(rows.sum()) if new.sureness is None else np.maximum(new.sureness[rows], TINY)
            weights[rows] = LIGHT * real.sum() * sure / sure.sum()
    return weights


def _balance(y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The factor of each row with which all classes weigh the same, and all rows together as before."""
    classes, codes = np.unique(y, return_inverse=True)
    mass = np.bincount(codes, weights=weight)
    return (mass.sum() / (len(classes) * mass))[codes]


def fitted(estimator: Any, rows: TrainingRows) -> Any:
    """A copy of the classifier, trained."""
    extra: Mapping[str, Any] = {}
    if rows.weight is not None:
        name = weight_parameter(estimator)
        if name is None:
            raise InputError(
                f"{estimator!r} takes no weights of rows, but sample_weight is given. Leave it out."
            )
        extra = {name: rows.weight}
    return clone(estimator).fit(rows.X, rows.y, **extra)


def tried(
    estimator: Any, plans: Sequence[Plan], real: TrainingRows, folds: Folds, source: RowSource | None
) -> dict[str, list[HeldOut]]:
    """What the classifier says of the held-out rows of each fold, by plan."""
    answers: dict[str, list[HeldOut]] = {plan.arm.name: [] for plan in plans}
    for part, (train, test) in enumerate(folds):
        inside, outside = real.take(train), real.take(test)
        for plan in plans:
            rows = resampled(inside, plan, source, part, len(train) / len(real.y))
            model = fitted(estimator, rows)
            answers[plan.arm.name].append(held_out(model, outside.X, outside.y, outside.weight))
    return answers
