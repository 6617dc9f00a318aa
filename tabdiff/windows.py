"""Windows of series as rows to learn from, and the cells that each of their steps is given.

Features of a window, in this order: those of the steps, which are learned, and the guides, which are given
at every step: what the whole series is like (the same at each of its steps), what a step is known to be
beforehand, and its place. Numbers and levels both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from tabdiff.batch import Known, MixedBatch

__all__ = ["Guides", "Windows", "cut", "guided", "known_guides", "places"]

N_PLACES = 2
_OF_WINDOWS = ("first", "length", "series", "before", "behind")


@dataclass(frozen=True)
class Guides:
    """What the steps of series are given.

    context: (n_series, ...) of each series. steps: (n_steps, ...) of each step. longest: length that places
    are told in units of.
    """

    context: MixedBatch
    steps: MixedBatch
    longest: int

    @property
    def n_num(self) -> int:
        """Number of numeric guides, places included."""
        return self.context.num.shape[-1] + self.steps.num.shape[-1] + N_PLACES

    @property
    def n_cat(self) -> int:
        """Number of categorical guides."""
        return self.context.cat.shape[-1] + self.steps.cat.shape[-1]

    def to(self, device: torch.device | str) -> Guides:
        """Copy to a device."""
        return replace(self, context=self.context.to(device), steps=self.steps.to(device))


@dataclass(frozen=True)
class Windows:
    """Rows to learn from: windows into the steps of many series, gathered when they are asked for.

    steps: (n_steps, ...) the learned features, series after series. first: (n_windows,) number of a window's
    first step. length: (n_windows,) number of its steps. series: (n_windows,) which series it is of. before,
    behind: (n_windows,) how many steps the series has before and behind the window.
    """

    steps: MixedBatch
    guides: Guides
    first: Tensor
    length: Tensor
    series: Tensor
    before: Tensor
    behind: Tensor

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: Tensor | slice) -> MixedBatch:
        """Gather windows, (B, L, ...) with the L of the longest; `present` is None if all have L steps."""
        at, inside = self.steps_of(rows)
        where = self.series[rows], at, self.before[rows], self.behind[rows], self.length[rows]
        batch = guided(self.steps[at], self.guides, *where)
        return replace(batch, present=None if bool(inside.all()) else inside)

    def steps_of(self, rows: Tensor | slice) -> tuple[Tensor, Tensor]:
        """The numbers of the steps of windows, and which of them are inside: (B, L) long and bool.

        Behind the end of a shorter window stands its first step.
        """
        first, length = self.first[rows], self.length[rows]
        place = torch.arange(int(length.max()), device=first.device)
        inside = place < length[:, None]
        return torch.where(inside, first[:, None] + place, first[:, None]), inside

    def to(self, device: torch.device | str) -> Windows:
        """Copy to a device."""
        moved = {name: getattr(self, name).to(device) for name in _OF_WINDOWS}
        return Windows(self.steps.to(device), self.guides.to(device), **moved)

    def taken(self, rows: Tensor) -> Windows:
        """Some of the windows, of the same steps."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _OF_WINDOWS})


def guided(
    steps: MixedBatch,
    guides: Guides,
    series: Tensor,
    at: Tensor,
    before: Tensor,
    behind: Tensor,
    length: Tensor,
) -> MixedBatch:
    """The features of windows, those of the steps (B, L, ...) and then the guides.

    series: (B,); at: (B, L) numbers of the steps; before, behind, length: (B,).
    """
    shape = at.shape
    context, beforehand = guides.context[series], guides.steps[at]
    place = places(before, behind, length, shape[1], guides.longest)
    num = [
        steps.num,
        context.num[:, None].expand(*shape, -1),
        beforehand.num,
        place.to(steps.num.dtype),
    ]
    cat = [steps.cat, context.cat[:, None].expand(*shape, -1), beforehand.cat]
    observed = None
    if steps.observed is not None:
        given = torch.ones((*shape, guides.n_num), dtype=torch.bool, device=at.device)
        observed = torch.cat([steps.observed, given], -1)
    return MixedBatch(torch.cat(num, -1), torch.cat(cat, -1), observed)


def places(before: Tensor, behind: Tensor, length: Tensor, n_steps: int, longest: int) -> Tensor:
    """Where each step is in its series: (B, n_steps, 2) float.

    The numbers of steps before and behind it, on a logarithmic scale on which `longest`, and whatever is
    further away, is 2.
    """
    place = torch.arange(n_steps, device=before.device)
    to_start = before[:, None] + place
    to_end = (behind + length)[:, None] - 1 - place
    both = torch.stack([to_start, to_end], -1).clamp(0, longest).float()
    return 2 * torch.log1p(both) / float(np.log1p(longest))


def known_guides(rows: MixedBatch, n_num: int, n_cat: int) -> Known:
    """The guides of windows as known cells; n_num, n_cat: numbers of the features that are learned."""
    num = torch.zeros_like(rows.num, dtype=torch.bool)
    cat = torch.zeros_like(rows.cat, dtype=torch.bool)
    num[..., n_num:] = True
    cat[..., n_cat:] = True
    return Known(rows, num, cat)


def cut(offsets: np.ndarray, window: int, stride: int | None = None) -> dict[str, Tensor]:
    """Windows that cover series: those of up to `window` steps whole, longer ones again and again.

    offsets: (n_series + 1,). stride: steps from one window to the next, None for half a window. Returns the
    fields of `Windows` by name; every step is in one window at least.
    """
    lengths = np.diff(offsets)
    stride = max(window // 2, 1) if stride is None else stride
    # a long series is cut at multiples of the stride, and once more so that the last window ends with it
    n_windows = 1 + np.maximum(-(-(lengths - window) // stride), 0)
    series = np.repeat(np.arange(len(lengths)), n_windows)
    number = np.arange(len(series)) - np.repeat(np.cumsum(n_windows) - n_windows, n_windows)
    length = np.minimum(lengths[series], window)
    before = np.minimum(number * stride, lengths[series] - length)
    fields = {
        "first": offsets[:-1][series] + before,
        "length": length,
        "series": series,
        "before": before,
        "behind": lengths[series] - before - length,
    }
    return {name: torch.from_numpy(values.astype(np.int64)) for name, values in fields.items()}
