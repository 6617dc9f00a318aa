"""Conditions that leave a choice, turned into cells: one of several values, a range, missing or not.

A model that draws rows given some of their cells handles equality on any columns exactly. What is left is to
draw the cells of the other conditioned columns from their joint law, restricted; the model then fills in the
rest of each row.

The ways, the first that serves:

1. One conditioned column and no equality: the column's own law, restricted. Exact.
2. Rows of the model in which the conditions hold by themselves, found in stages: rows given the equalities
   (or, without any, given restricted cells of the rarest column, and then the other way round too); the rows
   that meet one more condition are kept and drawn anew given its cells, until all are met. Exact up to
   resampling: this is multilevel splitting.
3. Sampling-importance-resampling (Rubin 1987): each column's own law, restricted, proposes cells, and a
   proposal counts by how much likelier the model makes it than independent columns would. That ratio is
   estimated by kernels from a pilot of the model's rows. Approximate: `Given.exact` tells.

The number of rows that the model draws is bounded, however rare the condition is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import logsumexp

from tabdiff.conditions.kernels import RatioKernel, fill, level_shares, resample
from tabdiff.errors import ConditionError
from tabdiff.schema import Column
from tabdiff.wanted import Wanted

__all__ = ["Given", "Law", "draw_given"]

PILOT_ROWS = 4096
MIN_BUDGET = 8 * PILOT_ROWS
MIN_HITS = 200
MAX_PROPOSALS = 32_768
OWN_ROWS = 65_536
MIN_ODDS = 1e-9
MIN_EXPECTED = 100.0

Cells = tuple[np.ndarray, np.ndarray]
Pool = dict[Hashable, Cells]
Encoded = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Law:
    """What a fitted table can do, as far as conditions need it.

    templates: the columns without cells. draw_cells(name, wanted, n, rng): n cells (values, missing) of the
    column's own law among those that meet `wanted`, `ConditionError` if none does. draw(columns, known, n,
    seed): n rows of the model given the cells that are known, (n, n_columns) bool. features(columns, rng): of
    some of the columns, their scores (n, F), standard normal under the columns' own laws and NaN where
    unobserved, and their levels (n, C) int64.
    """

    templates: Sequence[Column]
    draw_cells: Callable[[Hashable, Wanted, int, np.random.Generator], Cells]
    draw: Callable[[Sequence[Column], np.ndarray, int, np.random.SeedSequence], Sequence[Column]]
    features: Callable[[Sequence[Column], np.random.Generator], tuple[np.ndarray, np.ndarray]]

    def template(self, name: Hashable) -> Column:
        """The column of this name."""
        return next(template for template in self.templates if template.name == name)

    def columns(self, cells: Mapping[Hashable, Cells], n: int) -> tuple[list[Column], np.ndarray]:
        """All columns with these cells, the others missing; and which are known, (n, n_columns) bool."""
        columns, known = [], np.zeros((n, len(self.templates)), dtype=bool)
        for i, template in enumerate(self.templates):
            empty = np.zeros(n, dtype=template.values.dtype), np.ones(n, dtype=bool)
            columns.append(template.with_cells(*cells.get(template.name, empty)))
            known[:, i] = template.name in cells
        return columns, known


@dataclass(frozen=True)
class Given:
    """Cells that meet the conditions, for the model to draw the rest of each row.

    columns: all columns with n cells. known: (n, n_columns) bool, the conditioned ones. exact: whether their
    law is the model's own, and no estimate. effective: how many independent draws they are worth.
    """

    columns: list[Column]
    known: np.ndarray
    exact: bool
    effective: float


def draw_given(wanted: Mapping[Hashable, Wanted], n: int, law: Law, seed: np.random.SeedSequence) -> Given:
    """Draw the cells of the conditioned columns for n rows.

    Every cell returned meets its condition, whatever the approximation. Raises `ConditionError` if no cell of
    a column meets its condition, or if the model (next to) rules out that all are met together.
    """
    search = _Search(dict(wanted), n, law, seed, np.random.default_rng(seed.spawn(1)[0]))
    fixed = [name for name, one in wanted.items() if one.is_fixed]
    free = [name for name in wanted if name not in fixed]
    if not free or (len(free) == 1 and not fixed):
        return Given(*law.columns(search.own_cells(wanted, n), n), exact=True, effective=float(n))
    search.weigh()
    free.sort(key=search.masses.__getitem__)
    start, other = (fixed, free[:1]) if fixed else (free[:1], free[1:2])
    found = search.in_stages(start)
    # the other way round, rows cannot meet an equality with a number by themselves
    if found is None and all(search.masses[name] > 1 / OWN_ROWS for name in fixed):
        found = search.in_stages(other)
    exact = found is not None
    cells, effective = found or search.by_importance(start)
    return Given(*law.columns(cells, n), exact=exact, effective=effective)


@dataclass
class _Search:
    """The search for n rows of conditioned cells.

    masses: share of each column's own law that meets its condition. shares: of the levels of its features.
    pilot: rows given the cells of the first start.
    """

    wanted: dict[Hashable, Wanted]
    n: int
    law: Law
    seed: np.random.SeedSequence
    rng: np.random.Generator
    masses: dict[Hashable, float] = field(default_factory=dict)
    shares: dict[Hashable, list[np.ndarray]] = field(default_factory=dict)
    discrete: set[Hashable] = field(default_factory=set)
    pilot: Pool | None = None

    def weigh(self) -> None:
        """Measure the own law of each conditioned column."""
        for name, one in self.wanted.items():
            cells = self.law.draw_cells(name, Wanted(missing=True), OWN_ROWS, self.rng)
            self.masses[name] = max(int(one.meets(*cells).sum()), 0.5) / OWN_ROWS
            scores, levels = self.encoded({name: cells}, [name])
            self.shares[name] = [level_shares(column, 1) for column in levels.T]
            if not scores.shape[1]:
                self.discrete.add(name)

    def own_cells(self, names: Iterable[Hashable], n: int) -> Pool:
        """Draw n cells of the own laws of some columns, restricted to their conditions."""
        pool = {}
        for name in names:
            one = self.wanted[name]
            if one.is_fixed:
                dtype = self.law.template(name).values.dtype
                value = np.zeros(1, dtype) if one.values is None else one.values[:1]
                pool[name] = np.repeat(value.astype(dtype), n), np.full(n, not one.observed)
            else:
                pool[name] = self.law.draw_cells(name, one, n, self.rng)
        return pool

    def rows_given(self, pool: Pool) -> Pool:
        """The conditioned cells of rows that the model draws given those of the pool."""
        n = len(next(iter(pool.values()))[0])
        rows = self.law.draw(*self.law.columns(pool, n), n, self.seed.spawn(1)[0])
        return {c.name: (c.values, c.missing) for c in rows if c.name in self.wanted} | pool

    def met(self, rows: Pool) -> dict[Hashable, np.ndarray]:
        """Which rows meet each of the conditions."""
        return {name: one.meets(*rows[name]) for name, one in self.wanted.items()}

    def encoded(self, rows: Pool, names: Sequence[Hashable]) -> Encoded:
        """Scores and levels of some columns, in this order."""
        columns = [self.law.template(name).with_cells(*rows[name]) for name in names]
        return self.law.features(columns, self.rng)

    # --- rows that meet the conditions by themselves

    def in_stages(self, start: Sequence[Hashable]) -> tuple[Pool, float] | None:
        """Cells of n rows that meet all conditions, and their effective number; None if too few do.

        start: the columns whose cells are set at first.
        """
        pool, effective = self.own_cells(start, PILOT_ROWS), float(self.n)
        fresh = True
        while True:
            rows = self.rows_given(pool)
            if more := self.rows_worth_drawing(rows, pool):
                again = self.own_cells(start, more) if fresh else _spread(pool, more, self.rng)
                rows = _joined(rows, self.rows_given(again))
                self.check_possible(rows, pool)
            if self.pilot is None:
                self.pilot = rows
            met = self.met(rows)
            hits = np.flatnonzero(np.logical_and.reduce(list(met.values())))
            if self.is_enough(len(hits)):
                return _spread(_taken(rows, hits), self.n, self.rng), min(effective, float(len(hits)))
            left = [name for name in met if name not in pool and self.is_enough(int(met[name].sum()))]
            if not left:
                return None
            best = min(left, key=lambda name: int(met[name].sum()))
            hits = np.flatnonzero(met[best])
            kept = {name: rows[name] for name in (*pool, best)}
            pool, effective = _spread(_taken(kept, hits), PILOT_ROWS, self.rng), min(effective, len(hits))
            fresh = False

    def is_enough(self, hits: int) -> bool:
        """Whether so many rows that meet the conditions stand for n."""
        return hits >= min(self.n, max(self.n / 2, MIN_HITS))

    def rows_worth_drawing(self, rows: Pool, pool: Pool) -> int:
        """How many more rows would give enough that meet all, or show that none can; 0 if neither."""
        budget = max(MIN_BUDGET, 4 * self.n) - PILOT_ROWS
        hits = int(np.logical_and.reduce(list(self.met(rows).values())).sum())
        if hits >= self.n:
            return 0
        if hits >= 10 and self.is_enough(hits * (1 + budget // PILOT_ROWS)):
            short = self.n - hits
            return min(budget, int((short + 4 * np.sqrt(short) + 4) * PILOT_ROWS / hits))
        return budget if self.never_met(rows, pool) else 0

    def never_met(self, rows: Pool, pool: Pool) -> list[Hashable]:
        """Conditions on levels that no row meets, one or all, where independent columns often would."""
        left = [name for name in self.discrete if name not in pool]
        for names in (*([name] for name in left), left):
            met = np.logical_and.reduce([self.wanted[name].meets(*rows[name]) for name in names])
            expected = PILOT_ROWS * np.prod([self.masses[name] for name in names])
            if names and expected >= MIN_EXPECTED and not met.any():
                return names
        return []

    def check_possible(self, rows: Pool, pool: Pool) -> None:
        """Raise `ConditionError` if the rows show that conditions on levels exclude each other."""
        names = self.never_met(rows, pool)
        if names:
            n_rows = len(rows[names[0]][0])
            raise ConditionError(
                f"the conditions on {list(pool)} and {names} seem to exclude each other: of {n_rows:,} rows "
                f"that meet the former, none met the latter. Ask for less, or check the values."
            )

    # --- sampling-importance-resampling

    def by_importance(self, start: Sequence[Hashable]) -> tuple[Pool, float]:
        """Cells of n rows that meet all conditions, their law estimated, and their effective number.

        start: the columns that the pilot was given. Their law is exact; that of the others given them is
        estimated. Raises `ConditionError` if the estimate is next to nothing.
        """
        assert self.pilot is not None, "the stages come first"
        fixed = [name for name in start if self.wanted[name].is_fixed]
        given = [name for name in start if name not in fixed]
        counted = [*given, *(name for name in self.wanted if name not in start)]
        n_points = max(self.n, min(8 * self.n, MAX_PROPOSALS), PILOT_ROWS)
        proposed = self.own_cells(counted, n_points)
        pilot, more = self.pilot, MIN_BUDGET - len(self.pilot[counted[0]][0])
        if more > 0:
            pilot = _joined(pilot, self.rows_given(self.own_cells(start, more)))
        centres, points = self.encoded(pilot, counted), self.encoded(proposed, counted)
        shares = _padded([share for name in counted for share in self.shares[name]], centres[1], points[1])
        kernel = RatioKernel.fit(*centres, shares, self.rng)
        filled = fill(points[0], self.rng), points[1]
        log_weights = kernel.log_ratio(*filled, self.rng)
        if given:
            n_scores, n_levels = (part.shape[1] for part in self.encoded(_taken(proposed, [0]), given))
            first = kernel.of_first(n_scores, n_levels)
            log_weights -= first.log_ratio(filled[0][:, :n_scores], filled[1][:, :n_levels], self.rng)
        if not logsumexp(log_weights) - np.log(n_points) > np.log(MIN_ODDS):
            raise ConditionError(
                f"the conditions on {list(self.wanted)} cannot be met together: rows that meet them are less "
                f"than {MIN_ODDS:g} times as likely as in independent columns. Ask for less."
            )
        rows, effective = resample(log_weights, self.n, self.rng)
        return _taken(proposed, rows) | self.own_cells(fixed, self.n), effective


def _taken(pool: Pool, rows: np.ndarray | Sequence[int]) -> Pool:
    """Some rows of the pool."""
    return {name: (values[rows], missing[rows]) for name, (values, missing) in pool.items()}


def _joined(first: Pool, second: Pool) -> Pool:
    """The rows of two pools with the same columns."""
    return {
        name: (np.concatenate([values, second[name][0]]), np.concatenate([missing, second[name][1]]))
        for name, (values, missing) in first.items()
    }


def _spread(pool: Pool, n: int, rng: np.random.Generator) -> Pool:
    """Draw n rows of the pool, in random order, each as often as any other, give or take one."""
    size = len(next(iter(pool.values()))[0])
    return _taken(pool, np.concatenate([rng.permutation(size) for _ in range(-(-n // size))])[:n])


def _padded(shares: Sequence[np.ndarray], *levels: np.ndarray) -> list[np.ndarray]:
    """The shares of levels, with half a cell for those that no draw of the own law had."""
    padded = []
    for c, share in enumerate(shares):
        n_levels = 1 + max(int(part[:, c].max()) for part in levels)
        behind = np.full(max(0, n_levels - len(share)), 0.5 / OWN_ROWS)
        padded.append(np.concatenate([share, behind]))
    return padded
