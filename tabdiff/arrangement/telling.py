"""What cells that are given say about the columns that decide them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from tabdiff.arrangement.links import CopyLink, LookupLink
from tabdiff.arrangement.sums import SumRelation
from tabdiff.cells import put
from tabdiff.schema import Column

__all__ = ["Fixed", "fixed_cells", "told_back", "with_fixed"]

Fixed = dict[Hashable, tuple[Column, np.ndarray]]
"""Name to a column and which of its cells are fixed, (n,) bool."""


def fixed_cells(columns: Sequence[Column], known: np.ndarray) -> Fixed:
    """The columns with known cells; known: (n, columns) bool."""
    return {c.name: (c, known[:, i]) for i, c in enumerate(columns) if known[:, i].any()}


def with_fixed(column: Column, fixed: Fixed) -> Column:
    """A column with its fixed cells in place."""
    return put(column, *fixed[column.name]) if column.name in fixed else column


def told_back(
    fixed: Fixed,
    lookups: Sequence[LookupLink],
    sums: Sequence[SumRelation],
    copies: Sequence[CopyLink],
    draft: Mapping[Hashable, Column] | None,
    rng: np.random.Generator,
) -> Fixed:
    """Fixed cells, and those of other columns that follow from them backward: never against a fixed one.

    The source of a look-up is drawn among those that fit, unless the cell in `draft` does already. Cells of a
    look-up that nothing goes with tell nothing.
    """
    fixed = dict(fixed)
    for copy in copies:
        if copy.name in fixed:
            column, mask = fixed[copy.name]
            source, _ = copy.backward(column, rng)
            _tell(fixed, source, mask)
    for relation in (*sums, *reversed(sums)):
        _tell_by_sum(fixed, relation)
    for link in reversed(lookups):
        if link.name not in fixed:
            continue
        column, mask = fixed[link.name]
        source, found = link.backward(column, rng)
        if draft is not None:
            source = put(source, draft[link.source], link.holds(draft[link.source], column) | ~found)
        _tell(fixed, source, mask & found)
    return fixed


def _tell(fixed: Fixed, column: Column, mask: np.ndarray) -> None:
    """Fix cells of a column, in place, where none are fixed yet."""
    if column.name not in fixed:
        if mask.any():
            fixed[column.name] = column, mask
        return
    old, old_mask = fixed[column.name]
    fixed[column.name] = put(old, column, mask & ~old_mask), old_mask | mask


def _tell_by_sum(fixed: Fixed, relation: SumRelation) -> None:
    """Fix the one column of a sum that is left in rows where all others are, in place."""
    for at, name in enumerate(relation.names):
        others = [other for other in relation.names if other != name]
        if not all(other in fixed for other in others):
            continue
        mask = np.logical_and.reduce([fixed[other][1] & ~fixed[other][0].missing for other in others])
        if name in fixed:
            mask = mask & ~fixed[name][1]
        if not mask.any():
            continue
        values = relation.solved({other: fixed[other][0] for other in others}, name)
        template = relation.measures[at].template
        _tell(fixed, template.with_cells(values, np.zeros(len(values), dtype=bool)), mask)
