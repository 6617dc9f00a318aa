"""What is asked of a learned panel: series under conditions, by name, and of the class that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabdiff import frames
from tabdiff.cells import take
from tabdiff.encoding.alignment import aligned
from tabdiff.errors import ConditionError
from tabdiff.long_frames import Roles, by_rarity, check_different, codes_in, with_rarest
from tabdiff.panel_data import Panel
from tabdiff.panels import LearnedPanel
from tabdiff.requests import How, draw, read_request
from tabdiff.schema import Column, Storage
from tabdiff.targets import Target

__all__ = ["Events", "check_asked", "drawn_series", "drawn_steps"]

MAX_ROUNDS = 8


@dataclass(frozen=True)
class Events:
    """A column of steps that makes classes of whole series: the first of `values` that occurs in one."""

    name: Hashable
    values: list[Any]

    def extended(self, panel: Panel) -> Events:
        """With the values of new series, which are rarer than those known as they were never seen.

        Raises `InputError` if there are series in which none occurs.
        """
        new = [value for value in by_rarity(panel, self.name) if value not in self.values]
        return Events(self.name, [*new, *self.values])


def check_asked(where: Any, n: int, roles: Roles, target: Hashable) -> None:
    """Raise `ConditionError` for conditions that no series of n can have, whatever the model has learned.

    They may be on context columns and the target; frames, of n rows, may name entities too.
    """
    if where is None:
        return
    if roles.entity is None:
        raise ConditionError("a single series has no context: where must be None.")
    is_frame = frames.is_frame(where)
    columns = frames.read(where)[0] if is_frame else []
    names = [column.name for column in columns] if is_frame else list(where)
    allowed = [*roles.context, roles.entity if is_frame else target]
    other = [name for name in names if name not in allowed]
    if other:
        raise ConditionError(
            f"there are conditions on {other}, which change from step to step or are not there. Name a "
            f"column in context to ask for its values; now there are {list(roles.context)}."
        )
    if columns and len(columns[0]) != n:
        raise ConditionError(
            f"where is a frame of {len(columns[0])} rows, but {n} rows are asked for. It gives the condition "
            "of each row; pass as many."
        )
    for column in columns:
        if column.name == roles.entity:
            check_different(column)


def drawn_series(
    panel: LearnedPanel,
    target: Target | None,
    events: Events | None,
    roles: Roles,
    n: int,
    where: Any,
    seed: np.random.SeedSequence,
    sampling_steps: int | None = None,
    on_rows: Callable[[int], None] | None = None,
    first_row: int = 0,
    first_step: int = 0,
) -> tuple[Panel, int]:
    """Draw n series; of a model of a single series one, of n steps.

    where: as `check_asked` lets it pass. first_row, first_step: how many series and steps were drawn before,
    which identifiers count on from. Returns the series, and how many steps have been drawn now.
    """
    row_seed, step_seed = seed.spawn(2)
    if roles.entity is None:
        rows = panel.row_of_length(n)
    else:
        if events is not None and target is not None and isinstance(where, Mapping):
            where = {target.name if name == events.name else name: asked for name, asked in where.items()}
        where, names = _named(panel, roles.entity, where)
        request_seed, draw_seed = row_seed.spawn(2)
        request = read_request(panel.table, target, n, where, request_seed, How())
        arrangement = panel.table.arrangement
        broken = arrangement.violated if arrangement.checked else None
        rows = draw(panel.table, request, draw_seed, How(), broken, first_row)
        if names is not None:
            rows = [names, *rows[1:]]
    return drawn_steps(panel, rows, events, step_seed, sampling_steps, on_rows, first_step)


def drawn_steps(
    panel: LearnedPanel,
    rows: Sequence[Column],
    events: Events | None,
    seed: np.random.SeedSequence,
    sampling_steps: int | None = None,
    on_rows: Callable[[int], None] | None = None,
    first_step: int = 0,
) -> tuple[Panel, int]:
    """Draw the steps of series; those that came out of another class than they were to be are drawn again.

    first_step: how many steps were drawn before, which identifiers count on from. Returns the series, and how
    many steps have been drawn now.
    """
    drawn = panel.with_steps(rows, seed, sampling_steps, on_rows=on_rows, first_step=first_step)
    n_steps = first_step + int(drawn.offsets[-1])
    if events is None:
        return drawn, n_steps
    for round_seed in seed.spawn(MAX_ROUNDS):
        came_out = with_rarest(drawn, events.name, events.values).context[-1]
        wrong = np.flatnonzero(
            codes_in(came_out, events.values) != codes_in(drawn.context[-1], events.values)
        )
        if not len(wrong):
            break
        part = [take(column, wrong) for column in rows]
        again = panel.with_steps(part, round_seed, sampling_steps, first_step=n_steps)
        n_steps += int(again.offsets[-1])
        drawn = drawn.with_series(wrong, again)
    return drawn, n_steps


def _named(panel: LearnedPanel, entity: Hashable, where: Any) -> tuple[Any, Column | None]:
    """The conditions and the names that they give to entities, held as in fit, or None.

    Text is taken out of the conditions, which may ask for known labels alone.
    """
    if where is None or not frames.is_frame(where):
        return where, None
    columns, template = frames.read(where)
    names = next((column for column in columns if column.name == entity), None)
    if names is None or names.missing.all():
        return where, None
    held = aligned(names, panel.table.templates[0])
    if names.storage is Storage.LABEL:
        blank = names.with_cells(names.values, np.ones(len(names), dtype=bool))
        where = template.rebuild([blank if column is names else column for column in columns])
    return where, held
