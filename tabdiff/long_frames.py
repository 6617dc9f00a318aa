"""Long frames, one row for each step of some entity, as panels and back."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tabdiff.cells import take
from tabdiff.errors import ConditionError, InputError
from tabdiff.panel_data import Panel
from tabdiff.schema import Column, Storage

__all__ = [
    "Roles",
    "by_rarity",
    "check_different",
    "check_several",
    "codes_in",
    "columns_of",
    "event_class",
    "panel_of",
    "with_rarest",
]


@dataclass(frozen=True)
class Roles:
    """What the columns of a long frame are for: the names of the entity, the time and the context columns."""

    entity: Hashable | None
    time: Hashable | None
    context: tuple[Hashable, ...] = ()

    def check(self, names: Sequence[Hashable]) -> None:
        """Raise `InputError` unless these are different columns of the table and leave some for the steps."""
        if self.entity is None and self.time is None:
            raise InputError(
                "neither entity nor time is given. Name the column that tells whose series a row is of, the "
                "column that orders the rows, or both. A table whose rows hang together in no way is for "
                "TableSynthesizer."
            )
        if self.entity is None and self.context:
            raise InputError(
                f"context is {list(self.context)}, but there is no entity: one series has no context that "
                "differs from another's. Leave it out, or name the entity."
            )
        roles = [name for name in (self.entity, self.time, *self.context) if name is not None]
        unknown = [name for name in roles if name not in names]
        if unknown:
            raise InputError(f"there are no columns {unknown}. Columns: {list(names)}.")
        twice = sorted({name for name in roles if roles.count(name) > 1}, key=str)
        if twice:
            raise InputError(
                f"the columns {twice} are given more than one role among entity, time and context. Give "
                "each one."
            )
        if len(roles) == len(names) and self.time is None:
            raise InputError(
                f"all columns are entity or context: {roles}. Nothing is left that changes from step to step."
            )


def panel_of(columns: Sequence[Column], roles: Roles) -> tuple[Panel, np.ndarray]:
    """The panel of a long frame, and the numbers of its rows in the order of the panel's steps.

    Entities are in the order in which they first occur, which the rows of one need not stand together for.
    The entity's name is the first column of the context, if there is one. Rows of one entity are put into the
    order of time; those of the same time, and all if there is none, stay in the order of the frame.

    Raises `InputError` for missing entities or times, and for context that changes within an entity.
    """
    by_name = {column.name: column for column in columns}
    n_rows = len(columns[0])
    codes = np.zeros(n_rows, dtype=np.int64)
    if roles.entity is not None:
        entity = by_name[roles.entity]
        _check_complete(entity, "entity", "Give these rows an entity, or drop them.")
        _, first, codes = np.unique(entity.values, return_index=True, return_inverse=True)
        codes = np.argsort(np.argsort(first))[codes]
    keys = [codes]
    if roles.time is not None:
        time = by_name[roles.time]
        _check_complete(time, "time", "Drop these rows, or order the frame and leave time out.")
        keys.insert(0, time.values)
    order = np.lexsort(keys)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(codes))]).astype(np.int64)
    names = [roles.entity, *roles.context] if roles.entity is not None else []
    ordered = {column.name: take(column, order) for column in columns}
    for name in roles.context:
        _check_constant(ordered[name], offsets, ordered[roles.entity])
    context = [take(ordered[name], offsets[:-1]) for name in names]
    inside = [column for name, column in ordered.items() if name not in {*names, roles.time}]
    when = None if roles.time is None else ordered[roles.time]
    return Panel(context, inside, offsets, when), order


def columns_of(panel: Panel, names: Sequence[Hashable]) -> list[Column]:
    """The columns of a long frame of these names, in their order; the cells of the context are repeated."""
    whose = np.repeat(np.arange(len(panel)), panel.lengths)
    found = {column.name: take(column, whose) for column in panel.context}
    found |= {column.name: column for column in panel.steps}
    if panel.time is not None:
        found[panel.time.name] = panel.time
    return [found[name] for name in names]


def check_several(panel: Panel) -> None:
    """Raise `InputError` if there is only one entity, whose name all new ones would bear."""
    if len(panel) == 1:
        entity = panel.context[0]
        only = entity.describe(entity.values[0])
        raise InputError(
            f"the entity column {entity.name!r} names one entity alone, {only!r}. "
            "Leave entity out to learn a single series, or pass more entities."
        )


def check_different(entity: Column) -> None:
    """Raise `ConditionError` if two series are to have the same name, or only some have one."""
    if 0 < len(entity.observed) < len(entity):
        raise ConditionError(
            f"the entity {entity.name!r} is missing in {int(entity.missing.sum())} of {len(entity)} rows of "
            "the context. Name all series, or leave the column out for new names."
        )
    values, counts = np.unique(entity.observed, return_counts=True)
    if (counts > 1).any():
        often = counts.argmax()
        raise ConditionError(
            f"the entity {entity.describe(values[often])!r} is in {counts[often]} rows of {entity.name!r}. "
            "Give each series another name, or leave the column out for new ones."
        )


def event_class(name: Hashable) -> str:
    """The name of the context column that tells the class which a column of steps makes of a series."""
    return f"{name}: the rarest in the series"


def by_rarity(panel: Panel, name: Hashable) -> list:
    """The values of a column of steps as the user knows them, the rarest first.

    Raises `InputError` if there are series in which none occurs.
    """
    column = next(column for column in panel.steps if column.name == name)
    n_empty = int(np.logical_and.reduceat(column.missing, panel.offsets[:-1]).sum())
    if n_empty:
        raise InputError(
            f"the target {name!r} is missing in all steps of {n_empty} entities. Drop these, or fill it."
        )
    values, counts = np.unique(column.observed, return_counts=True)
    return [column.describe(value) for value in values[np.argsort(counts, kind="stable")]]


def codes_in(column: Column, values: Sequence[Any]) -> np.ndarray:
    """The place of each cell among these values, (n,) int64; their number where it holds none of them."""
    place = {value: i for i, value in enumerate(values)}
    found, inverse = np.unique(column.values, return_inverse=True)
    if column.storage is Storage.LABEL and not column.levels:
        return np.full(len(column), len(values))
    codes = np.array([place.get(column.describe(value), len(values)) for value in found], dtype=np.int64)
    return np.where(column.missing, len(values), codes[inverse] if len(found) else 0)


def with_rarest(panel: Panel, name: Hashable, values: Sequence[Any]) -> Panel:
    """The panel with one more context column: of each series the first of `values` that occurs in it.

    Where none does it holds another value of the series, or is missing if all are.
    """
    column = next(column for column in panel.steps if column.name == name)
    codes = codes_in(column, values)
    rarest = np.minimum.reduceat(codes, panel.offsets[:-1])
    # the cell of a step that has the value, so that it is held as the column holds it
    whose = np.repeat(rarest, panel.lengths) == codes
    first = np.maximum.reduceat(np.where(whose, np.arange(len(codes)), -1), panel.offsets[:-1])
    told = replace(take(column, first), name=event_class(name))
    return replace(panel, context=[*panel.context, told])


def _check_complete(column: Column, role: str, advice: str) -> None:
    if column.missing.any():
        raise InputError(
            f"the {role} column {column.name!r} is missing in {int(column.missing.sum())} of {len(column)} "
            f"rows, the first is row {int(column.missing.argmax())}. {advice}"
        )


def _check_constant(column: Column, offsets: np.ndarray, entity: Column) -> None:
    """Raise `InputError` if the cells of a context column, entity after entity, differ within one."""
    changes = (column.values[1:] != column.values[:-1]) & ~(column.missing[1:] | column.missing[:-1])
    changes |= column.missing[1:] != column.missing[:-1]
    changes[offsets[1:-1] - 1] = False
    if not changes.any():
        return
    at = int(changes.argmax())
    before, behind = (None if column.missing[i] else column.describe(column.values[i]) for i in (at, at + 1))
    raise InputError(
        f"the context column {column.name!r} is {before!r} and {behind!r} within the entity "
        f"{entity.describe(entity.values[at])!r}. Context is what an entity keeps: take the column out of "
        "context to learn it step by step."
    )
