"""What a user asks of series: whose steps rows are, and whether that can be answered."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from tabdiff.errors import InputError
from tabdiff.evaluation.comparison import ColumnLayout, Rows
from tabdiff.evaluation.series.sequences import SeriesComparison
from tabdiff.evaluation.series.structure import varying

__all__ = ["check_context", "check_roles", "entities_of", "halves"]

N_BLOCKS = 24
MIN_BLOCK = 8


def check_roles(
    entity: Hashable | None,
    time: Hashable | None,
    context: Sequence[Hashable],
    target: Hashable | None,
    names: list[Hashable],
) -> None:
    """Raise `InputError` for unknown columns, for one that has two roles, and for context of no entity."""
    asked = {"entity": [entity], "time": [time], "context": context}
    for argument, given in asked.items():
        unknown = [name for name in given if name is not None and name not in names]
        if unknown:
            raise InputError(f"`{argument}` names {unknown}, which the tables lack. Columns: {names}.")
    if context and entity is None:
        raise InputError(
            f"context={list(context)!r} is what does not change within an entity. Pass `entity`."
        )
    roles = {"entity": entity, "time": time, "target": target}
    named = [name for name in roles.values() if name is not None]
    twice = [name for name in named if named.count(name) > 1]
    twice += [name for name in context if name in (entity, time)]
    if twice:
        raise InputError(
            f"{twice[0]!r} is named twice among `entity`, `time`, `target` and `context`: entity={entity!r}, "
            f"time={time!r}, target={target!r}, context={list(context)!r}. Name each column once."
        )


def entities_of(
    column: ColumnLayout | None, rows: dict[str, Rows], times: dict[str, np.ndarray] | None
) -> dict[str, np.ndarray] | None:
    """The number of the entity of every row, by role; None if no series were named.

    A single series is cut into blocks of equal length in all tables, which play the entities: so many that
    the shortest table has 24 of 8 steps or more, if it is long enough.
    """
    if column is not None:
        for role, each in rows.items():
            lacking = each.missing(column)
            if lacking.any():
                raise InputError(
                    f"`{role}`: the entity {column.name!r} is missing in {lacking.sum()} of {len(each)} "
                    f"rows, first in row {int(np.argmax(lacking))}. Say whose these are, or drop them."
                )
        return {role: each.column(column) for role, each in rows.items()}
    if times is None:
        return None
    n_parts = 1 if "holdout" in rows else 2
    shortest = min(len(rows["train"]) // n_parts, *(len(each) for each in rows.values()))
    length = max(MIN_BLOCK, shortest // N_BLOCKS)
    return {
        role: np.argsort(np.argsort(each, kind="stable"), kind="stable") // length
        for role, each in times.items()
    }


def halves(n_rows: int, entities: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the two halves of a table, entities kept whole."""
    rng = np.random.default_rng([seed, 0])
    if entities is None:
        order = rng.permutation(n_rows)
        return order[: n_rows // 2], order[n_rows // 2 :]
    order = rng.permutation(np.unique(entities))
    if len(order) < 2:
        raise InputError("`train` has 1 entity, which cannot be halved. Pass more of them, or a holdout.")
    first = np.isin(entities, order[: len(order) // 2])
    return np.flatnonzero(first), np.flatnonzero(~first)


def check_context(comparison: SeriesComparison) -> None:
    """Raise `InputError` if a context column changes within a real entity."""
    for name in comparison.context:
        for role in ("train", "holdout"):
            steps = comparison.steps[role]
            changes = varying(steps.rows.column(comparison.layout[name]), steps.offsets)
            if changes.any():
                raise InputError(
                    f"`context` names {name!r}, which changes within {changes.sum()} of {len(steps)} "
                    f"entities of `{role}`. Leave it out: it is a column of steps."
                )
