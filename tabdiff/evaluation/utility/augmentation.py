"""What synthetic rows of the rare class bring to a model that has the real rows already.

All remedies are measured on the same resamples of the holdout: doing nothing, synthetic rows, class weights,
repeated rows and SMOTE.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tabdiff.evaluation.comparison import Budget, Comparison, Target
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.registry import register
from tabdiff.evaluation.utility.calibration import (
    brier_losses,
    expected_calibration_error,
    log_losses,
    prior_corrected,
)
from tabdiff.evaluation.utility.models import (
    Learner,
    Table,
    amounts,
    oversampled,
    repeated,
    smote_rows,
    thin,
)
from tabdiff.evaluation.utility.question import (
    FEW,
    MIN_POSITIVE,
    RECALL_GRID,
    Exam,
    Marked,
    Question,
    ask,
    bootstrap_marks,
    learner_of,
    method_of,
    r2,
    tables_of,
    usable_labels,
)
from tabdiff.evaluation.utility.ranking import precision_at_budget, rank, recall_at_precision

__all__ = ["augmentation"]

GAIN = "utility.augmentation.gain"
RECALLS = {"utility.augmentation.recall_at_precision": 1, "utility.augmentation.recall_at_budget": 2}
RIVALS = {
    "utility.augmentation.over_class_weight": "class weights",
    "utility.augmentation.over_random": "random",
    "utility.augmentation.over_smote": "SMOTE",
}
BRIERS = {"utility.calibration.brier": "synthetic", "utility.calibration.brier_corrected": "corrected"}
NAMES = (GAIN, *RECALLS, *RIVALS, *BRIERS)
BRIER = 3  # place among the marks
CURVE = 4
PRECISION = 0.5


@dataclass
class Arms:
    """Answers of the models. proba: by arm, one (n, K) array for each seed. added: (K,) rows put in.

    train_counts: (K,) rows of each class that the model had before. without_smote: why SMOTE is not among
    the arms.
    """

    added: np.ndarray
    train_counts: np.ndarray
    proba: dict[str, list[np.ndarray]] = field(default_factory=dict)
    without_smote: str = ""


@register("utility.augmentation")
def augmentation(comparison: Comparison, rng: np.random.Generator) -> list[Estimate]:
    """What adding synthetic rows of the rarer classes to train brings on the holdout, against other remedies.

    Added are all synthetic rows of every class but the largest, until a class is as large as that; nothing
    else about the model changes. For a number as target all synthetic rows are added.
    """
    question, target = ask(comparison), comparison.target
    if isinstance(question, str) or target is None:
        return _refused(str(question))
    train, synthetic = tables_of(comparison, target)
    n_synthetic = len(synthetic)
    train, synthetic = (table[usable_labels(target, table.y)] for table in (train, synthetic))
    notes = list(question.notes)
    if len(synthetic) < n_synthetic:
        lost = n_synthetic - len(synthetic)
        notes.append(
            f"{lost} of {n_synthetic} synthetic rows have no target, or a class that no real row has."
        )
    learner = learner_of(question, comparison)
    if not question.n_classes:
        return _of_numbers(question, learner, train, synthetic, comparison.budget, rng, notes)
    lacking = _lacking(question, target, train, synthetic)
    if lacking:
        return _refused(lacking, len(question.y))
    arms = _fit_arms(question, learner, train, synthetic, comparison.budget, rng)
    if not arms.added.any():
        return _refused("no class is rarer than the largest one in train, so that no row would be added")
    return _estimates(question, target, arms, comparison.budget, rng, notes)


def _refused(reason: str, n: int = 0) -> list[Estimate]:
    return [not_assessable(name, reason, n=n) for name in NAMES]


def _lacking(question: Question, target: Target, train: Table, synthetic: Table) -> str:
    """Why nothing can be added, or nothing be learned; an empty string if both can."""
    counts = train.class_counts(question.n_classes)
    rare = np.delete(np.arange(question.n_classes), counts.argmax())
    if not counts[rare].any():
        return f"train has {len(train)} rows of one class"
    given = synthetic.class_counts(question.n_classes)
    code = question.positive if question.positive in rare else rare[given[rare].argmax()]
    label = target.column.levels[code]
    if question.n_classes == 2 or not (given[rare] >= MIN_POSITIVE).any():
        for role, n, least in (
            ("train", counts[code], 1),
            ("the synthetic table", given[code], MIN_POSITIVE),
        ):
            if n < least:
                return f"{role} has {n} rows of class {label!r}; at least {least} are needed"
    return ""


# --- fitting ---


def _fit_arms(
    question: Question,
    learner: Learner,
    train: Table,
    synthetic: Table,
    budget: Budget,
    rng: np.random.Generator,
) -> Arms:
    """One model per arm and seed; within a seed all arms have the same real rows and the same luck."""
    arms = Arms(np.zeros(question.n_classes, dtype=np.int64), train.class_counts(question.n_classes))
    n = min(len(train), budget.n_fit)
    for stream in rng.spawn(budget.n_model_seeds):
        base = train[thin(train.keys, train.y, n, stream)]
        arms.train_counts = base.class_counts(question.n_classes)
        given = synthetic.class_counts(question.n_classes)
        arms.added = np.where(arms.train_counts > 0, amounts(arms.train_counts, given, n / len(train)), 0)
        if not arms.added.any():
            break
        seed = int(stream.integers(2**31))
        extra: dict[str, Table | str] = {
            "synthetic": oversampled(synthetic, arms.added, stream),
            "random": repeated(base, arms.added, stream),
            "SMOTE": smote_rows(base, question.categorical, arms.added, seed),
        }
        _answer(arms, "nothing", learner.predict(base, question.x, seed))
        _answer(arms, "class weights", learner.predict(base, question.x, seed, balanced=True))
        for name, rows in extra.items():
            if isinstance(rows, str):
                arms.without_smote = rows
            else:
                _answer(arms, name, learner.predict(base + rows, question.x, seed))
        _answer(arms, "corrected", _corrected(arms))
    return arms


def _answer(arms: Arms, name: str, proba: np.ndarray) -> None:
    arms.proba.setdefault(name, []).append(proba)


def _corrected(arms: Arms) -> np.ndarray:
    """The latest answer with synthetic rows, brought back to the class shares of train."""
    after, before = arms.train_counts + arms.added, arms.train_counts
    return prior_corrected(arms.proba["synthetic"][-1], after / after.sum(), before / before.sum())


# --- reading ---


def _working_precision(question: Question, nothing: list[np.ndarray]) -> float:
    """0.5; where that says nothing, the unhelped model's precision at as many alerts as positives."""
    truth = question.y == question.positive
    counts = [rank(proba[:, question.positive], truth).counts() for proba in nothing]
    reached = np.mean([recall_at_precision(each, PRECISION) for each in counts])
    if reached > 0 and truth.mean() < PRECISION:
        return PRECISION
    return float(np.mean([precision_at_budget(each, truth.sum()) for each in counts]))


def _estimates(
    question: Question, target: Target, arms: Arms, budget: Budget, rng: np.random.Generator, notes: list[str]
) -> list[Estimate]:
    precision = _working_precision(question, arms.proba["nothing"])
    exam = Exam(question, precision)
    marks = {name: [exam.mark(proba) for proba in seeds] for name, seeds in arms.proba.items()}
    marked = bootstrap_marks(question, marks, rng, budget.n_bootstrap)
    n_few = int(arms.train_counts[question.positive])
    if n_few < FEW:
        notes = [*notes, f"Train has {n_few} rows of the class that matters: other rows might say otherwise."]
    common: dict[str, Any] = {
        "n": len(question.y),
        "method": method_of(question, budget.n_bootstrap, budget.n_model_seeds),
        "note": " ".join(notes),
    }

    def compared(name: str, first: str, second: str, mark: int = 0, **fields: Any) -> Estimate:
        value, lo, hi = marked.difference(first, second, mark)
        return Estimate(name, value, lo, hi, **(common | fields))

    amount = _amount(target, arms)
    found = [
        compared(GAIN, "synthetic", "nothing", floor=0.0, details=_gain_details(question, marked, amount))
    ]
    levels = {"precision": precision, "n_alerts": int((question.y == question.positive).sum())}
    for name, mark in RECALLS.items():
        recalls = {arm: marked.of(arm, mark) for arm in marked.arms if arm != "corrected"}
        found.append(
            compared(name, "synthetic", "nothing", mark, floor=0.0, details={"recall": recalls} | levels)
        )
    for name, rival in RIVALS.items():
        if rival in marked.arms:
            found.append(compared(name, "synthetic", rival, floor=0.0, details=dict(amount)))
        else:
            found.append(not_assessable(name, arms.without_smote, n=len(question.y)))
    for name, arm in BRIERS.items():
        details = _calibration(question, arms)
        found.append(compared(name, arm, "nothing", BRIER, ideal=0.0, floor=0.0, details=details))
    return found


def _amount(target: Target, arms: Arms) -> dict[str, Any]:
    """How many rows of which class were added, and what share of all rows the classes had then."""
    after = arms.train_counts + arms.added
    labels = [str(label) for label in target.column.levels[: len(after)]]
    return {
        "train_rows": dict(zip(labels, arms.train_counts.tolist(), strict=True)),
        "added_rows": dict(zip(labels, arms.added.tolist(), strict=True)),
        "ratio": float(np.delete(after, arms.train_counts.argmax()).sum() / arms.train_counts.max()),
    }


def _gain_details(question: Question, marked: Marked, amount: dict[str, Any]) -> dict[str, Any]:
    shown = [arm for arm in marked.arms if arm != "corrected"]
    return {
        "metric": question.metric,
        "average_precision": {arm: marked.of(arm) for arm in shown},
        "curves": {arm: _curve(marked, arm) for arm in shown},
    } | amount


def _curve(marked: Marked, arm: str) -> dict[str, list[float]]:
    """Precision over recall, mean over seeds, with the middle 95 % of the resamples."""
    place = marked.arms.index(arm)
    precision = marked.point[place, :, CURVE:].mean(axis=0)
    lo, hi = np.quantile(marked.draws[:, place, CURVE:], [0.025, 0.975], axis=0)
    return {
        "recall": RECALL_GRID.tolist(),
        "precision": precision.tolist(),
        "lo": np.minimum(lo, precision).tolist(),
        "hi": np.maximum(hi, precision).tolist(),
    }


def _calibration(question: Question, arms: Arms) -> dict[str, Any]:
    """Mean Brier score, log-loss and calibration error, over seeds."""
    truth = question.y == question.positive
    losses: dict[str, dict[str, float]] = {"brier": {}, "log_loss": {}, "ece": {}}
    for arm in ("nothing", *BRIERS.values()):
        seeds = arms.proba[arm]
        losses["brier"][arm] = float(np.mean([brier_losses(proba, question.y).mean() for proba in seeds]))
        losses["log_loss"][arm] = float(np.mean([log_losses(proba, question.y).mean() for proba in seeds]))
        errors = [expected_calibration_error(proba[:, question.positive], truth) for proba in seeds]
        losses["ece"][arm] = float(np.mean(errors))
    return losses


def _of_numbers(
    question: Question,
    learner: Learner,
    train: Table,
    synthetic: Table,
    budget: Budget,
    rng: np.random.Generator,
    notes: list[str],
) -> list[Estimate]:
    """For a number as target: R2 with all synthetic rows added, as many as train at most."""
    rest = [not_assessable(name, "the target is a number: it has no rare class") for name in NAMES[1:]]
    for role, table in (("train", train), ("the synthetic table", synthetic)):
        if len(table) < MIN_POSITIVE:
            reason = f"{role} has {len(table)} rows with a target; at least {MIN_POSITIVE} are needed"
            return [not_assessable(GAIN, reason), *rest]
    n = min(len(train), budget.n_fit)
    n_added = min(n, round(len(synthetic) * n / len(train)))
    marks: dict[str, list[Any]] = {"nothing": [], "synthetic": []}
    for stream in rng.spawn(budget.n_model_seeds):
        base = train[thin(train.keys, np.zeros(len(train)), n, stream)]
        added = synthetic[thin(synthetic.keys, np.zeros(len(synthetic)), n_added, stream)]
        seed = int(stream.integers(2**31))
        for arm, table in (("nothing", base), ("synthetic", base + added)):
            marks[arm].append(r2(question.y, learner.predict(table, question.x, seed)))
    marked = bootstrap_marks(question, marks, rng, budget.n_bootstrap)
    value, lo, hi = marked.difference("synthetic", "nothing")
    gain = Estimate(
        GAIN,
        value,
        lo,
        hi,
        floor=0.0,
        n=len(question.y),
        method=method_of(question, budget.n_bootstrap, budget.n_model_seeds),
        note=" ".join(notes),
        details={
            "metric": question.metric,
            "score": {arm: marked.of(arm) for arm in marks},
            "train_rows": n,
            "added_rows": n_added,
        },
    )
    return [gain, *rest]
