"""What the model itself gives away: how well it fits its train rows against rows it never saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tabdiff import frames
from tabdiff.evaluation.arguments import scores_of
from tabdiff.evaluation.comparison import Comparison, Rows
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.privacy.control import refusal
from tabdiff.evaluation.privacy.membership import auc_estimate, rare_refusal
from tabdiff.evaluation.privacy.units import Side, Units, best_rows, sample, units_of
from tabdiff.evaluation.registry import register

__all__ = ["whitebox"]

NAMES = ("privacy.whitebox.auc", "privacy.whitebox.rare.auc")


@register("privacy.whitebox")
def whitebox(comparison: Comparison, rng: np.random.Generator) -> Iterator[Estimate]:
    """AUC of the model's own scores, of train against holdout rows; over all rows and the positive class.

    The model needs `score_samples(frame)`, which returns one number for each row, the higher the better the
    model fits it; minus infinity for a row that it cannot make.
    """
    units = units_of(comparison)
    why = refusal(comparison, units)
    if comparison.model is None:
        why = "no model given: only an attacker who sees the synthetic table alone is considered"
    elif not why and not callable(getattr(comparison.model, "score_samples", None)):
        why = f"the model is a {type(comparison.model).__name__} without `score_samples(frame)`"
    elif not why and comparison.native is None:
        why = "the tables as they were given are not at hand"
    if why:
        yield from (not_assessable(name, why) for name in NAMES)
        return
    sides = [_asked(comparison, units, role, rng) for role in ("train", "holdout")]
    broken = sum(int(np.isnan(side.score).sum()) for side in sides)
    if broken:
        asked = sum(len(side.score) for side in sides)
        yield from (
            not_assessable(name, f"{broken} of {asked} scores of the model are NaN") for name in NAMES
        )
        return
    note = "an attacker who holds the model; rows scored by the model itself"
    yield replace(auc_estimate(NAMES[0], *(side.best(side.random) for side in sides)), note=note)
    rare = [side.best(side.positive) for side in sides]
    why = rare_refusal(comparison, len(rare[0]), len(rare[1]))
    yield not_assessable(NAMES[1], why) if why else replace(auc_estimate(NAMES[1], *rare), note=note)


class _Asked:
    """Rows of one side with the model's scores. random, positive: (q,) bool."""

    def __init__(self, score: np.ndarray, unit: np.ndarray, random: np.ndarray, positive: np.ndarray):
        self.score, self.unit, self.random, self.positive = score, unit, random, positive

    def best(self, inside: np.ndarray) -> np.ndarray:
        """The highest score of each unit within a set of rows."""
        score = self.score[inside]
        return score[best_rows(score, self.unit[inside])]


def _asked(comparison: Comparison, units: Units, role: str, rng: np.random.Generator) -> _Asked:
    side: Side = getattr(units, role)
    rows: Rows = getattr(comparison, role)
    n = comparison.budget.n_queries
    positive = comparison.is_positive(rows)[side.rows]
    drawn = np.zeros((2, len(side)), dtype=bool)
    drawn[0, sample(side, n, rng)] = True
    drawn[1, sample(side, n, rng, positive)] = True
    places = np.flatnonzero(drawn.any(axis=0))
    assert comparison.native is not None
    frame = _like_train(comparison.native, role, side.rows[places])
    score = scores_of(comparison.model, frame, len(places))
    return _Asked(score, side.units[places], drawn[0, places], drawn[1, places])


def _like_train(native: dict[str, Any], role: str, rows: np.ndarray) -> Any:
    """Rows of a table as it was given; in the kind of frame and column order of train, if these differ."""
    frame = frames.select_rows(native[role], rows)
    columns, template = frames.read(frame)
    first_row, of_train = frames.read(frames.select_rows(native["train"], np.array([0])))
    names = [column.name for column in first_row]
    if names == [column.name for column in columns] and type(template.empty) is type(of_train.empty):
        return frame
    by_name = {column.name: column for column in columns}
    return of_train.rebuild([by_name[name] for name in names])
