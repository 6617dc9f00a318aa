"""What is asked of a learned table: rows under conditions, missing cells filled, constraints kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tabdiff import frames
from tabdiff.cells import put, replaced, take
from tabdiff.conditions.drawing import Law, draw_given
from tabdiff.conditions.reading import read_condition_rows, read_conditions
from tabdiff.encoding.alignment import aligned
from tabdiff.errors import ConditionError, ConstraintError, RareConditionWarning
from tabdiff.schema import Column, Kind
from tabdiff.tables import GivenCells, LearnedTable
from tabdiff.targets import Target
from tabdiff.wanted import Wanted

__all__ = ["How", "Request", "Violations", "draw", "fill", "into_holes", "read_request"]

MAX_ROUNDS = 100
MAX_REDRAWN = 20

Violations = Callable[[list[Column]], Mapping[str, np.ndarray]]
"""Columns to the rows that break a constraint, (n,) bool for each constraint, by what it says."""


@dataclass(frozen=True)
class How:
    """How rows are drawn.

    n_steps: network evaluations for each, None for the method's own. guidance: towards the told class.
    allow_missing: whether cells may come out missing. on_rows: told of rows as they are made.
    """

    n_steps: int | None = None
    guidance: float = 0.0
    allow_missing: bool = True
    on_rows: Callable[[int], None] | None = None


@dataclass(frozen=True)
class Request:
    """Which rows are wanted: the class of each (n,), -1 where it is free, or None; and the cells given."""

    n_rows: int
    label: np.ndarray | None = None
    given: GivenCells | None = None

    def __getitem__(self, rows: np.ndarray) -> Request:
        label = None if self.label is None else self.label[rows]
        return Request(len(rows), label, None if self.given is None else self.given[rows])


def read_request(
    table: LearnedTable, target: Target | None, n: int, where: Any, seed: np.random.SeedSequence, how: How
) -> Request:
    """What n rows under the condition `where` start from.

    Without a condition the classes of the target are drawn as often as the table had them. Conditions that
    leave a choice, such as ranges and sets, are drawn here: afterwards every condition is a given cell.
    Raises `ConditionError` for conditions that cannot be read or cannot be met.
    """
    label_seed, cell_seed = seed.spawn(2)
    rng = np.random.default_rng(label_seed)
    given = None
    if where is not None and frames.is_frame(where):
        columns, known = read_condition_rows(frames.read(where)[0], table.templates, n)
        given = table.given(columns, known, rng)
    elif where is not None:
        given = _given_by(where, table, n, cell_seed, how)
    if given is None:
        return Request(n, None if target is None else target.draw(n, rng))
    return Request(n, _labels(target, given), given)


def _given_by(
    where: Any, table: LearnedTable, n: int, seed: np.random.SeedSequence, how: How
) -> GivenCells | None:
    """The cells of n rows under conditions by column; None if these say nothing."""
    templates, rng = table.templates, np.random.default_rng(seed.spawn(1)[0])
    wanted = read_conditions(where, templates)
    if not wanted:
        return None
    _check_identifiers(table, wanted)
    learned_wanted = table.arrangement.learned_wanted(wanted, table.encoder.templates)
    for name, one in learned_wanted.items():
        table.encoder.draw_cells(name, one, 1, rng)  # or there is no such cell
    drawn = draw_given(learned_wanted, n, _law(table, how), seed)
    if not drawn.exact:
        warnings.warn(
            f"together, the conditions on {list(wanted)} are so rare that their cells are drawn from an "
            f"estimated law, worth about {drawn.effective:,.0f} independent rows. Every condition holds, but "
            "shares and means of the rows may be off. Wider conditions avoid this.",
            RareConditionWarning,
            stacklevel=5,  # the caller of sample
        )
    columns, known = table.arrangement.restored_known(drawn.columns, drawn.known, rng)
    known = known.copy()
    for i, template in enumerate(templates):
        asked = wanted.get(template.name)
        if asked is not None and asked.is_fixed:
            columns[i], known[:, i] = _filled(template, asked, n), True
    return GivenCells(columns, known, drawn.columns, drawn.known)


def _check_identifiers(table: LearnedTable, wanted: Mapping[Hashable, Wanted]) -> None:
    """Raise `ConditionError` for conditions on identifiers, unless they ask for missing cells."""
    for name, one in wanted.items():
        if table.schema[name].kind is Kind.IDENTIFIER and one.observed:
            raise ConditionError(
                f"where names {name!r}, whose cells identify rows: they are made afresh and cannot be "
                "chosen, but for missing ones. Leave it out, and set the cells in the rows that come out."
            )


def _filled(template: Column, one: Wanted, n: int) -> Column:
    """The column with the one cell that a fixed condition leaves, n times."""
    if not one.observed or one.values is None:
        return template.with_cells(np.zeros(n, dtype=template.values.dtype), np.ones(n, dtype=bool))
    value = one.values[:1].astype(template.values.dtype)
    return template.with_cells(np.repeat(value, n), np.zeros(n, dtype=bool))


def _law(table: LearnedTable, how: How) -> Law:
    """What the learned columns can do, as conditions need it."""
    encoder = table.encoder

    def draw_cells(
        name: Hashable, wanted: Wanted, n: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        column = encoder.draw_cells(name, wanted, n, rng)
        return column.values, column.missing

    def draw_rows(
        columns: Sequence[Column], known: np.ndarray, n: int, seed: np.random.SeedSequence
    ) -> list[Column]:
        return table.sample_learned(n, seed, how.n_steps, columns, known)

    def features(columns: Sequence[Column], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        places = {template.name: i for i, template in enumerate(encoder.templates)}
        parts = [encoder.codecs[places[column.name]].encode(column, rng) for column in columns]
        scores = [np.where(part.observed, part.num, np.nan) for part in parts]
        return np.concatenate(scores, axis=1), np.concatenate([part.cat for part in parts], axis=1)

    return Law(encoder.templates, draw_cells, draw_rows, features)


def _labels(target: Target | None, given: GivenCells) -> np.ndarray | None:
    """The class of each row where the target is among the given cells, else -1."""
    if target is None:
        return None
    place = [column.name for column in given.columns].index(target.name)
    return np.where(given.known[:, place], target.codes_of(given.columns[place]), -1)


def draw(
    table: LearnedTable,
    request: Request,
    seed: np.random.SeedSequence,
    how: How,
    violations: Violations | None = None,
    first_row: int = 0,
) -> list[Column]:
    """Draw the rows of a request; those that break a constraint are drawn again, within bounds.

    Raises `ConstraintError`, which names the constraint, if rows that keep it are too rare.
    """

    def once(part: Request, part_seed: np.random.SeedSequence) -> list[Column]:
        return table.sample(
            part.n_rows,
            part.label,
            part_seed,
            how.n_steps,
            how.guidance,
            how.on_rows if part is request else None,
            part.given,
            how.allow_missing,
            first_row,
        )

    columns = once(request, seed)
    if violations is None:
        return columns
    learnable = [spec.kind is not Kind.IDENTIFIER for spec in table.schema.columns]
    n_redrawn = 0
    for round_seed in seed.spawn(MAX_ROUNDS):
        broken = {name: rows for name, rows in violations(columns).items() if rows.any()}
        if not broken:
            return columns
        rows = np.flatnonzero(np.logical_or.reduce(list(broken.values())))
        if n_redrawn > MAX_REDRAWN * max(request.n_rows, 1000):
            break
        n_redrawn += len(rows)
        again = once(request[rows], round_seed)
        columns = [
            replaced(column, other, rows) if learn else column  # identifiers stay unique
            for column, other, learn in zip(columns, again, learnable, strict=True)
        ]
    counts = ", ".join(f"{name!r} in {int(rows.sum())} rows" for name, rows in broken.items())
    raise ConstraintError(
        f"of {request.n_rows} rows, {len(rows)} still break constraints after {n_redrawn} were drawn again: "
        f"{counts}. Such rows are too rare under the model, or the condition rules them out: ask for fewer, "
        "drop the constraint, or train for longer."
    )


def fill(
    table: LearnedTable,
    target: Target | None,
    columns: Sequence[Column],
    seed: np.random.SeedSequence,
    how: How,
) -> list[Column]:
    """Draw the missing cells of a table given the others, which are returned as they are.

    columns: as `LearnedTable.aligned` has them. Cells of columns that never held a value stay missing.
    """
    missing = np.column_stack([column.missing for column in columns])
    rows = np.flatnonzero(missing.any(axis=1))
    if not len(rows):
        return list(columns)
    cell_seed, draw_seed = seed.spawn(2)
    given = table.given(
        [take(column, rows) for column in columns], ~missing[rows], np.random.default_rng(cell_seed)
    )
    request = Request(len(rows), _labels(target, given), given)
    drawn = draw(table, request, draw_seed, replace(how, allow_missing=False))
    return [replaced(column, other, rows) for column, other in zip(columns, drawn, strict=True)]


def into_holes(columns: Sequence[Column], filled: Sequence[Column]) -> list[Column]:
    """The columns as the user passed them, with the missing cells of each from the filled ones."""
    out = []
    for column, other in zip(columns, filled, strict=True):
        if column.missing.any() and not other.missing.all():
            out.append(put(column, aligned(other, column), column.missing))
        else:
            out.append(column)
    return out
