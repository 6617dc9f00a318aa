"""Panels: the series of many entities as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tabdiff.cells import replaced, take
from tabdiff.schema import Column

__all__ = ["Panel", "in_places", "longer"]


@dataclass(frozen=True)
class Panel:
    """Series of many entities.

    context: columns of one cell for each entity. steps: columns of one cell for each step, entity after
    entity and each in the order of time. offsets: (n_entities + 1,) int64, the steps of entity i are those
    from offsets[i] to offsets[i + 1]. time: when each step was, or None. drawn_times: the columns of the
    timeline that the times were drawn as, if they were.
    """

    context: list[Column]
    steps: list[Column]
    offsets: np.ndarray
    time: Column | None = None
    drawn_times: Sequence[Column] = ()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def with_series(self, entities: np.ndarray, other: Panel) -> Panel:
        """The panel with the series of `other`, of the same lengths, in the places of some of its own."""
        rows = np.concatenate([np.arange(self.offsets[i], self.offsets[i + 1]) for i in entities])
        steps, drawn_times = (
            [replaced(own, new, rows) for own, new in zip(*pair, strict=True)]
            for pair in ((self.steps, other.steps), (self.drawn_times, other.drawn_times))
        )
        time = self.time
        if time is not None and other.time is not None:
            time = replaced(time, other.time, rows)
        return replace(self, steps=steps, time=time, drawn_times=drawn_times)

    @property
    def lengths(self) -> np.ndarray:
        """Number of steps of each entity: (n_entities,)."""
        return np.diff(self.offsets)

    @property
    def follows(self) -> np.ndarray:
        """Whether a step is of the same series as the one before: (n_steps,) bool."""
        follows = np.ones(int(self.offsets[-1]), dtype=bool)
        follows[self.offsets[:-1]] = False
        return follows


def longer(panel: Panel, horizon: int) -> np.ndarray:
    """For each step of the series, each longer by `horizon` steps, its number in the panel, or -1 if new."""
    n_steps = int(panel.offsets[-1])
    place = np.full(n_steps + horizon * len(panel), -1)
    entity = np.repeat(np.arange(len(panel)), panel.lengths)
    place[np.arange(n_steps) + horizon * entity] = np.arange(n_steps)
    return place


def in_places(column: Column, place: np.ndarray) -> Column:
    """The cells of these numbers; those of number -1 are missing."""
    cells = take(column, np.maximum(place, 0))
    return cells.with_cells(cells.values, cells.missing | (place < 0))
