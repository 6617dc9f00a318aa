"""What models are asked: to predict the target of holdout rows; and how their answers are marked.

`ask` returns the question, or the reason why it cannot be asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tabdiff.evaluation.comparison import Comparison, Target
from tabdiff.evaluation.features import boosting_features
from tabdiff.evaluation.intervals import bootstrap_weights, seeded_interval
from tabdiff.evaluation.utility.calibration import brier_losses
from tabdiff.evaluation.utility.models import Learner, Table
from tabdiff.evaluation.utility.ranking import (
    average_precision,
    precision_at_recall,
    rank,
    recall_at_budget,
    recall_at_precision,
)

__all__ = [
    "FEW",
    "MIN_POSITIVE",
    "RECALL_GRID",
    "Exam",
    "Mark",
    "Marked",
    "Question",
    "ask",
    "bootstrap_marks",
    "learner_of",
    "method_of",
    "r2",
    "tables_of",
    "usable_labels",
]

MIN_POSITIVE = 10
FEW = 50
RECALL_GRID = np.linspace(0.01, 1.0, 100)

Mark = Callable[[np.ndarray | None], np.ndarray]


@dataclass(frozen=True)
class Question:
    """The test.

    x: (n, F) and y: (n,) class codes, or numbers if `n_classes` is 0. categorical: (F,) bool. positive: code
    of the class that matters. scored: the classes whose average precision makes the score. strata: (n,) what
    the bootstrap keeps the size of; clusters: (n,) entities or None. notes: what the reader should know.
    """

    x: np.ndarray
    y: np.ndarray
    categorical: np.ndarray
    n_classes: int
    positive: int
    scored: tuple[int, ...]
    strata: np.ndarray
    clusters: np.ndarray | None
    notes: tuple[str, ...]

    @property
    def metric(self) -> str:
        """Name of the score."""
        if not self.n_classes:
            return "R2"
        return (
            "average precision"
            if self.n_classes == 2
            else "macro average precision, one class against the rest"
        )

    @property
    def without_information(self) -> float:
        """The score of a model that gives all rows the same answer."""
        if not self.n_classes:
            return 0.0
        return float(np.mean([(self.y == code).mean() for code in self.scored]))


def ask(comparison: Comparison) -> Question | str:
    """The question that the holdout asks, or why it asks none."""
    target = comparison.target
    if target is None:
        return "no target is named: pass `target`, the column to predict"
    if not comparison.has_holdout:
        return "there is no holdout: models can only be judged on real rows that no generator has seen"
    if not comparison.features:
        return f"no column but the target {target.column.name!r} can be used to predict it"
    y = comparison.holdout.column(target.column)
    usable = usable_labels(target, y)
    if not usable.any():
        return f"the target {target.column.name!r} is missing in all {len(y)} holdout rows"
    features = boosting_features(comparison, comparison.features)
    clusters = None if comparison.holdout_groups is None else _clusters(comparison.holdout_groups)[usable]
    missing = int((~usable).sum())
    notes = (f"{missing} of {len(y)} holdout rows have no target and are left out.",) if missing else ()
    question = Question(
        features.matrix(comparison.holdout)[usable],
        y[usable],
        features.categorical,
        target.n_classes if target.is_classes else 0,
        -1 if target.positive is None else target.positive,
        (),
        np.zeros(int(usable.sum()), dtype=np.int64),
        clusters,
        notes,
    )
    return _ask_classes(question, target) if target.is_classes else _ask_numbers(question)


def tables_of(comparison: Comparison, target: Target) -> tuple[Table, Table]:
    """Train and synthetic rows to fit on; targets as they are, see `usable_labels`."""
    features = boosting_features(comparison, comparison.features)
    first, second = (
        Table(features.matrix(rows), rows.column(target.column), rows.keys())
        for rows in (comparison.train, comparison.synthetic)
    )
    return first, second


def learner_of(question: Question, comparison: Comparison) -> Learner:
    """The model that answers, as large as the budget allows."""
    return Learner(question.n_classes, question.categorical, comparison.budget.n_trees)


def usable_labels(target: Target, y: np.ndarray) -> np.ndarray:
    """(n,) bool: rows whose target can be learned: neither missing nor a class that no real row has."""
    return (y >= 0) & (y < target.n_classes) if target.is_classes else ~np.isnan(y)


def _clusters(groups: np.ndarray) -> np.ndarray:
    """Entities; a row without one is an entity of its own."""
    return np.where(groups < 0, groups.max(initial=0) + 1 + np.arange(len(groups)), groups)


def _n_units(question: Question, rows: np.ndarray) -> int:
    """Number of rows, or of entities that they belong to; rows: (n,) bool."""
    return int(rows.sum()) if question.clusters is None else len(np.unique(question.clusters[rows]))


def _ask_numbers(question: Question) -> Question | str:
    n = _n_units(question, np.ones(len(question.y), dtype=bool))
    if n < MIN_POSITIVE:
        return f"the holdout has {n} rows or entities with a target; at least {MIN_POSITIVE} are needed"
    values, counts = np.unique(question.y, return_counts=True)
    differing = _n_units(question, question.y != values[counts.argmax()])
    if differing < MIN_POSITIVE:
        common = float(values[counts.argmax()])
        return f"the target is {common:g} in all but {differing} holdout rows or entities"
    return question


def _ask_classes(question: Question, target: Target) -> Question | str:
    held = [_n_units(question, question.y == code) for code in range(question.n_classes)]
    units = "rows" if question.clusters is None else "entities"
    positive, names = question.positive, [str(label) for label in target.column.levels[: question.n_classes]]
    if question.n_classes < 2:
        return f"the target has one class, {target.column.levels[0]!r}, in real rows"
    scored = [code for code, n in enumerate(held) if n >= MIN_POSITIVE]
    too_few = held[positive] < MIN_POSITIVE
    if too_few and (question.n_classes == 2 or len(scored) < 2):
        label = target.column.levels[positive]
        return (
            f"the holdout has {held[positive]} {units} of class {label!r}; at least {MIN_POSITIVE} are needed"
        )
    if len(np.unique(question.y)) < 2:
        return f"all {len(question.y)} holdout rows are of class {target.column.levels[question.y[0]]!r}"
    notes = list(question.notes)
    if question.n_classes == 2:
        scored = [positive]
    elif len(scored) < question.n_classes:
        left_out = ", ".join(name for code, name in enumerate(names) if code not in scored)
        notes.append(f"Not scored, with fewer than {MIN_POSITIVE} holdout {units}: {left_out}.")
    if too_few:
        positive = min(scored, key=lambda code: held[code])
        notes.append(f"Recalls and curves are those of class {names[positive]}.")
    if held[positive] < FEW:
        few = f"Only {held[positive]} {units} of class {names[positive]} in the holdout"
        notes.append(f"{few}: the interval is wide.")
    asked = replace(question, positive=positive, scored=tuple(scored), notes=tuple(notes))
    return replace(asked, strata=_strata(asked, held))


def _strata(question: Question, held: Sequence[int]) -> np.ndarray:
    """(n,) class of each row; with entities the class that is hardest to find among the entity's rows.

    So no draw is without the positive class. It counts as hardest, then the rarest.
    """
    if question.clusters is None:
        return question.y
    order = sorted(range(question.n_classes), key=lambda code: (code != question.positive, held[code]))
    hardness = np.argsort(order)[question.y]
    units = np.unique(question.clusters, return_inverse=True)[1]
    hardest = np.full(units.max() + 1, question.n_classes)
    np.minimum.at(hardest, units, hardness)
    return hardest[units]


# --- marking ---


@dataclass(frozen=True)
class Exam:
    """How class probabilities are marked: [score, recall at precision, recall at budget, Brier, *curve].

    precision: at which recall is read. curve: precision of the positive class at `RECALL_GRID`.
    """

    question: Question
    precision: float = 0.5
    with_curve: bool = True

    def mark(self, proba: np.ndarray) -> Mark:
        """The marks of (n, K) probabilities, as a function of row weights (n,)."""
        question, positive = self.question, self.question.positive
        rankings = {code: rank(proba[:, code], question.y == code) for code in {*question.scored, positive}}
        losses = brier_losses(proba, question.y)
        counted = np.ones(len(question.y))

        def marks(weight: np.ndarray | None) -> np.ndarray:
            counts = {code: ranking.counts(weight) for code, ranking in rankings.items()}
            scores = [average_precision(counts[code]) for code in question.scored]
            found = counts[positive]
            weight = counted if weight is None else weight
            figures = [
                _mean(scores),
                recall_at_precision(found, self.precision),
                recall_at_budget(found, found.n_positive),
                float(weight @ losses) / float(weight.sum()),
            ]
            return np.append(figures, precision_at_recall(found, RECALL_GRID) if self.with_curve else [])

        return marks


def _mean(scores: Sequence[float]) -> float:
    """Mean over classes; those that a draw of entities has left out do not count in it."""
    return float(np.mean([score for score in scores if not math.isnan(score)]))


def r2(truth: np.ndarray, predicted: np.ndarray) -> Mark:
    """[R2] of predicted numbers, as a function of row weights; nan where all rows drawn are equal."""
    errors = (truth - predicted) ** 2

    def marks(weight: np.ndarray | None) -> np.ndarray:
        weight = np.ones(len(truth)) if weight is None else weight
        spread = weight @ (truth - weight @ truth / weight.sum()) ** 2
        return np.array([1 - weight @ errors / spread if spread > 0 else math.nan])

    return marks


@dataclass(frozen=True)
class Marked:
    """Marks of all arms. point: (A, K, M) by arm, seed and mark. draws: (B, A, M), means over seeds."""

    arms: tuple[str, ...]
    point: np.ndarray
    draws: np.ndarray

    def of(self, arm: str, mark: int = 0) -> float:
        """A mark of one arm, mean over seeds."""
        return float(self.point[self.arms.index(arm), :, mark].mean())

    def difference(self, first: str, second: str, mark: int = 0) -> tuple[float, float, float]:
        """Mark of the first arm minus that of the second: value, low, high."""
        a, b = self.arms.index(first), self.arms.index(second)
        per_seed = self.point[a, :, mark] - self.point[b, :, mark]
        drawn = self.draws[:, a, mark] - self.draws[:, b, mark]
        return seeded_interval(per_seed, float(drawn[~np.isnan(drawn)].std(ddof=1)))


def bootstrap_marks(
    question: Question, marks: Mapping[str, Sequence[Mark]], rng: np.random.Generator, n_draws: int
) -> Marked:
    """Marks of every arm and seed, as they are and under resamples of the test rows that all share."""
    point = np.array([[mark(None) for mark in seeds] for seeds in marks.values()])
    draws = [
        [np.mean([mark(weight) for mark in seeds], axis=0) for seeds in marks.values()]
        for weight in map(_compact, bootstrap_weights(question.strata, rng, n_draws, question.clusters))
    ]
    return Marked(tuple(marks), point, np.array(draws))


def _compact(weight: np.ndarray) -> np.ndarray:
    """The same numbers in as few bytes as hold them: they are gathered many times."""
    return weight.astype(np.min_scalar_type(int(weight.max())))


def method_of(question: Question, n_draws: int, n_seeds: int) -> str:
    """How the intervals of this room are found, in words."""
    units = "rows" if question.clusters is None else "entities"
    seeds = (
        f"and the spread of {n_seeds} model seeds"
        if n_seeds > 1
        else "(one model seed: its luck is not in it)"
    )
    return (
        f"{n_draws} paired bootstraps of holdout {units}, classes kept, {seeds}; given these train and "
        "synthetic rows"
    )
