"""Train on synthetic, test on real: what a model loses that has never seen a real row."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabdiff.evaluation.comparison import Comparison, Target
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.registry import register
from tabdiff.evaluation.utility.models import Learner, Table, thin
from tabdiff.evaluation.utility.question import (
    MIN_POSITIVE,
    Exam,
    Mark,
    Question,
    ask,
    bootstrap_marks,
    learner_of,
    method_of,
    r2,
    tables_of,
    usable_labels,
)

__all__ = ["lacking_classes", "tstr"]

GAP = "utility.tstr.gap"


@register("utility.tstr")
def tstr(comparison: Comparison, rng: np.random.Generator) -> Estimate:
    """Score on the holdout after learning from synthetic rows, minus that after learning from train.

    The same model, and the same number of rows: the larger table is thinned.
    Source: Esteban, Hyland & Raetsch 2017 (arXiv:1706.02633), section 4, as a difference with its interval.
    """
    question, target = ask(comparison), comparison.target
    if isinstance(question, str) or target is None:
        return not_assessable(GAP, str(question), ideal=0.0)
    train, synthetic = tables_of(comparison, target)
    known: dict[str, Any] = {"ideal": 0.0, "n": len(question.y)}
    for role, table in (("train", train), ("synthetic table", synthetic)):
        lacking = _lacking(question, target, role, table)
        if lacking:
            return not_assessable(GAP, lacking, **known)
    budget = comparison.budget
    n = min(len(train), len(synthetic), budget.n_fit)
    learner = learner_of(question, comparison)
    marks: dict[str, list[Mark]] = {"synthetic": [], "train": []}
    for stream in rng.spawn(budget.n_model_seeds):
        seed = int(stream.integers(2**31))
        for arm, table in (("synthetic", synthetic), ("train", train)):
            answer = _answer(learner, question, target, table, n, np.random.default_rng(seed))
            marks[arm].append(_mark(question, answer))
    marked = bootstrap_marks(question, marks, rng, budget.n_bootstrap)
    value, lo, hi = marked.difference("synthetic", "train")
    details: dict[str, Any] = {
        "metric": question.metric,
        "score": {arm: marked.of(arm) for arm in marks},
        "score_by_seed": {arm: marked.point[place, :, 0].tolist() for place, arm in enumerate(marks)},
        "n_fit": n,
        "n_positive": int((question.y == question.positive).sum()) if question.n_classes else None,
        "synthetic_distinct": len(np.unique(synthetic.keys)),
    }
    return Estimate(
        GAP,
        value,
        lo,
        hi,
        bad=question.without_information - marked.of("train"),
        method=method_of(question, budget.n_bootstrap, budget.n_model_seeds),
        note=" ".join([*question.notes, *_unusable(target, synthetic)]),
        details=details,
        **known,
    )


def _answer(
    learner: Learner, question: Question, target: Target, table: Table, n: int, rng: np.random.Generator
) -> np.ndarray:
    """What the model says about the holdout after `n` rows of a table.

    Rows whose target cannot be used are lost after thinning, so that they cost their table its share.
    """
    usable = usable_labels(target, table.y)
    strata = np.where(usable, table.y, -1) if question.n_classes else usable
    table = table[thin(table.keys, strata, n, rng)]
    table = table[usable_labels(target, table.y)]
    return learner.predict(table, question.x, int(rng.integers(2**31)))


def _mark(question: Question, answer: np.ndarray) -> Mark:
    if not question.n_classes:
        return r2(question.y, answer)
    return Exam(question, with_curve=False).mark(answer)


def _unusable(target: Target, synthetic: Table) -> list[str]:
    n = int((~usable_labels(target, synthetic.y)).sum())
    if not n:
        return []
    return [f"{n} of {len(synthetic)} synthetic rows have no target, or a class that no real row has."]


def _lacking(question: Question, target: Target, role: str, table: Table) -> str:
    """Why a table is not enough to learn the target from, or an empty string."""
    y = table.y[usable_labels(target, table.y)]
    if question.n_classes:
        return lacking_classes(question, target, role, y)
    if len(y) < MIN_POSITIVE:
        return f"the {role} has {len(y)} rows with a target; at least {MIN_POSITIVE} are needed"
    return ""


def lacking_classes(
    question: Question, target: Target, role: str, y: np.ndarray, least: int = MIN_POSITIVE
) -> str:
    """Why the rows with these class codes are too few, or an empty string."""
    n_positive, n_classes = int((y == question.positive).sum()), len(np.unique(y))
    label = target.column.levels[question.positive]
    if n_classes > 2 or (question.n_classes > 2 and n_classes == 2):
        return ""
    if n_positive < least:
        return f"the {role} has {n_positive} rows of class {label!r}; at least {least} are needed"
    if n_positive == len(y):
        return f"all {len(y)} rows of the {role} are of class {label!r}: nothing to tell it from"
    return ""
