"""One figure with its interval from sums over entities: a resample of entities only weights these anew."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tabdiff.evaluation.comparison import Comparison
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.intervals import normal_interval
from tabdiff.evaluation.series.nearest import weighted_median

__all__ = ["Cells", "Medians", "Question", "Summary", "Sums", "figure"]

MAX_DRAWS = 200
MIN_ENTITIES = 5  # fewer give no interval


class Summary(Protocol):
    """What is kept of the entities of a table. total: of all, each counted `weights` times, (n_entities,)."""

    def total(self, weights: np.ndarray) -> np.ndarray:
        """One array for all entities."""


@dataclass(frozen=True)
class Cells:
    """Cells from 0 to n_cells - 1 and the entity of each; the total counts them."""

    ids: np.ndarray
    owner: np.ndarray
    n_cells: int

    def total(self, weights: np.ndarray) -> np.ndarray:
        """(n_cells,) counts."""
        return np.bincount(self.ids, weights=weights[self.owner], minlength=self.n_cells)


@dataclass(frozen=True)
class Sums:
    """(n_entities, K) numbers; the total adds them up."""

    parts: np.ndarray

    def total(self, weights: np.ndarray) -> np.ndarray:
        """(K,) sums."""
        return weights @ self.parts


@dataclass(frozen=True)
class Medians:
    """Values and the entity of each; the total is their median."""

    values: np.ndarray
    owner: np.ndarray

    def total(self, weights: np.ndarray) -> np.ndarray:
        """(1,) median."""
        return np.array([weighted_median(self.values, weights[self.owner])])


@dataclass(frozen=True)
class Question:
    """What a figure asks of the summaries.

    distance: from the totals of a table and of the holdout to one number, or one for each part. ideal: its
    best value. low: the least that it can be. parts: what the numbers belong to. empty: why there is none.
    """

    name: str
    distance: Callable[[np.ndarray, np.ndarray], Any]
    ideal: float = 0.0
    low: float = 0.0
    parts: Sequence[str] = ()
    empty: str = "the series are too short"
    note: str = ""


Summaries = Mapping[str, Sequence[Summary]]


def figure(
    question: Question,
    summaries: Summaries,
    sizes: Mapping[str, int],
    comparison: Comparison,
    rng: np.random.Generator,
    details: Mapping[str, Any] | None = None,
) -> Estimate:
    """The distance of synthetic series from the holdout, averaged over parts, with floor, control, interval.

    summaries: by role, "synthetic", "holdout", "real" for the floor, and "shuffled" for the control, which
    may be left out; several are compared one by one. sizes: number of entities of each role. The interval is
    the value -/+ 1.96 standard errors of a bootstrap of the entities of both tables; near 0 it is too wide.
    """
    ones = {role: np.ones(sizes[role]) for role in summaries}
    found = {
        role: _distances(question, summaries, role, ones[role], ones["holdout"])
        for role in summaries
        if role != "holdout"
    }
    means = {role: _mean(distances) for role, distances in found.items()}
    value = means["synthetic"]
    if math.isnan(value):
        return not_assessable(question.name, question.empty)
    lo, hi, method = None, None, "no interval: fewer than 5 entities"
    if min(sizes["synthetic"], sizes["holdout"]) >= MIN_ENTITIES:
        draws = min(comparison.budget.n_bootstrap, MAX_DRAWS)
        se = _standard_error(question, summaries, sizes, draws, rng)
        lo, hi = normal_interval(value, se, low=min(question.low, value))
        method = f"bootstrap of entities, {draws} resamples, normal interval"
    shown: dict[str, Any] = {"entities": {role: sizes[role] for role in summaries}}
    if question.parts:
        shown |= {"parts": list(question.parts), "distances": {r: _plain(d) for r, d in found.items()}}
    if "shuffled" in means:
        method += "; bad: train with its steps dealt to entities at random"
    return Estimate(
        question.name,
        value,
        lo,
        hi,
        ideal=question.ideal,
        floor=_finite(means.get("real")),
        bad=_finite(means.get("shuffled")),
        n=sizes["synthetic"],
        method=method,
        note=question.note,
        details=shown | dict(details or {}),
    )


def _distances(
    question: Question, summaries: Summaries, role: str, weights: np.ndarray, of_holdout: np.ndarray
) -> np.ndarray:
    pairs = zip(summaries[role], summaries["holdout"], strict=True)
    return np.concatenate(
        [
            np.atleast_1d(question.distance(first.total(weights), second.total(of_holdout)))
            for first, second in pairs
        ]
    )


def _standard_error(
    question: Question, summaries: Summaries, sizes: Mapping[str, int], n_draws: int, rng: np.random.Generator
) -> float:
    values = []
    for _ in range(n_draws):
        weights = [
            np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
            for n in (sizes["synthetic"], sizes["holdout"])
        ]
        values.append(_mean(_distances(question, summaries, "synthetic", *weights)))
    finite = [each for each in values if not math.isnan(each)]
    return float(np.std(finite, ddof=1)) if len(finite) > 1 else 0.0


def _mean(distances: np.ndarray) -> float:
    """Mean of the distances that are defined; NaN if none is."""
    defined = distances[~np.isnan(distances)]
    return float(defined.mean()) if len(defined) else math.nan


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _plain(distances: np.ndarray) -> list[float | None]:
    """JSON types."""
    return [_finite(float(each)) for each in distances]
