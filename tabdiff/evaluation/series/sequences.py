"""The steps of each table, entity by entity and in order: what a measure of series works on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from tabdiff.evaluation.comparison import ColumnLayout, Comparison, Rows

__all__ = ["SeriesComparison", "Steps", "in_order", "mid_ranks", "shuffled", "with_series"]

MAX_STEPS = 200_000  # of each table; whole entities at random make them up
MAX_LEVELS = 50


@dataclass(frozen=True)
class Steps:
    """Steps of some entities, one entity after the other, each in order.

    rows: the N steps. times: (N,) seconds (or numbers, if time is one) or None. offsets: (n_entities + 1,):
    entity i has the steps from offsets[i] to offsets[i + 1], at least one.
    """

    rows: Rows
    times: np.ndarray | None
    offsets: np.ndarray

    def __len__(self) -> int:
        """Number of entities."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(n_entities,) steps of each entity."""
        return np.diff(self.offsets)

    @property
    def owner(self) -> np.ndarray:
        """(N,) entity of each step, counted from 0."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def some(self, n: int, rng: np.random.Generator) -> Steps:
        """At most n entities, and MAX_STEPS steps, drawn without replacement; in their order."""
        drawn = rng.permutation(len(self))[:n]
        n_fit = max(1, int(np.searchsorted(np.cumsum(self.lengths[drawn]), MAX_STEPS, side="right")))
        kept = np.isin(self.owner, drawn[:n_fit])
        return in_order(self.rows[kept], self.owner[kept], None if self.times is None else self.times[kept])


def in_order(rows: Rows, entities: np.ndarray, times: np.ndarray | None) -> Steps:
    """Rows sorted by entity, (N,) numbers, and within it by time; equal times stay as they come."""
    order = np.argsort(entities, kind="stable") if times is None else np.lexsort((times, entities))
    changes = np.flatnonzero(np.diff(entities[order])) + 1
    offsets = np.concatenate([[0], changes, [len(order)]]).astype(np.int64)
    return Steps(rows[order], None if times is None else times[order], offsets)


def shuffled(steps: Steps, rng: np.random.Generator) -> Steps:
    """The same steps dealt to the entities at random, with their times: lengths and marginals stay."""
    order = rng.permutation(len(steps.rows))
    times = None if steps.times is None else steps.times[order]
    return in_order(steps.rows[order], steps.owner, times)


def mid_ranks(values: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Values as their places among real ones, with mean 0 and variance 1 on these; NaN where missing.

    values: (n,), real: (m,), NaN where missing. Ties take the middle of their places.
    """
    known = np.sort(real[~np.isnan(real)])
    if not len(known):
        return np.full(len(values), np.nan)
    places = (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / 2
    return np.where(np.isnan(values), np.nan, (places / len(known) - 0.5) * 12**0.5)


@dataclass(frozen=True)
class SeriesComparison(Comparison):
    """A comparison of tables whose rows are steps of entities.

    steps: by role: "train", "synthetic", "holdout", "real" (entities of train, as many as synthetic ones if
    it has so many: the floor) and "shuffled" (those with their steps dealt to entities at random).
    context: columns that do not change within an entity. has_entities: False if one series was cut into
    blocks, which play the entities. is_calendar: whether times are dates.
    """

    steps: Mapping[str, Steps] = field(default_factory=dict)
    context: tuple[Hashable, ...] = ()
    has_entities: bool = True
    is_calendar: bool = False

    @property
    def categories(self) -> list[ColumnLayout]:
        """Columns of steps with 2 to 50 levels in real rows."""
        return [each for each in self._of_steps("categorical") if 2 <= each.n_real_levels <= MAX_LEVELS]

    @property
    def quantities(self) -> list[ColumnLayout]:
        """Numeric columns of steps."""
        return self._of_steps("numeric")

    def _of_steps(self, kind: str) -> list[ColumnLayout]:
        return [each for each in self.layout.of_kind(kind) if each.name not in self.context]

    def levels(self, role: str, column: ColumnLayout) -> np.ndarray:
        """(N,) real levels from 0, then one for all levels that no real row has, and one for missing."""
        codes = np.minimum(self.steps[role].rows.column(column), column.n_real_levels)
        return np.where(codes < 0, column.n_real_levels + 1, codes)

    def numbers(self, role: str) -> np.ndarray:
        """(N, F) numeric columns of steps as `mid_ranks`: robust to tails, on the scale of real rows."""
        rows, real = self.steps[role].rows, self.real
        ranks = [mid_ranks(rows.column(each), real.column(each)) for each in self.quantities]
        return np.column_stack(ranks) if ranks else np.empty((len(rows), 0))

    def with_synthetic(self, synthetic: Rows) -> Comparison:
        """The same question asked of other synthetic rows, which are no series."""
        kept = {each.name: getattr(self, each.name) for each in fields(Comparison)}
        return Comparison(**(kept | {"synthetic": synthetic, "native": None, "model": None}))


def with_series(
    comparison: Comparison,
    entities: Mapping[str, np.ndarray],
    times: Mapping[str, np.ndarray] | None,
    context: tuple[Hashable, ...],
    has_entities: bool,
    is_calendar: bool,
) -> SeriesComparison:
    """The comparison with its rows as steps; entities: (n,) numbers, times: (n,), both by role."""
    rng = comparison.rng("series")
    parts = {"train": comparison.train, "synthetic": comparison.synthetic, "holdout": comparison.holdout}
    steps = {
        role: in_order(rows, entities[role], None if times is None else times[role])
        for role, rows in parts.items()
    }
    n = min(len(steps["train"]), len(steps["synthetic"]))
    steps |= {"real": steps["train"].some(n, rng), "synthetic": steps["synthetic"].some(n, rng)}
    steps["holdout"] = steps["holdout"].some(len(steps["holdout"]), rng)
    steps["shuffled"] = shuffled(steps["real"], rng)
    kept = {each.name: getattr(comparison, each.name) for each in fields(Comparison)}
    return SeriesComparison(
        **kept, steps=steps, context=context, has_entities=has_entities, is_calendar=is_calendar
    )
