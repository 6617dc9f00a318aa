"""How a network learns to draw series given any of their steps: beginnings and cells are given in training.

One network draws whole series, goes on from a history, goes from window to window of a long series and fills
holes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion.mixed import Denoiser
from tabdiff.diffusion.objectives import Objective

__all__ = ["SeriesLoss", "beginnings"]


def beginnings(rows: MixedBatch, n_known: Tensor) -> Tensor:
    """The first n_known, (B,), steps of each series: (B, L) bool."""
    place = torch.arange(rows.num.shape[1], device=n_known.device)
    return place < n_known[:, None]


@dataclass(frozen=True)
class SeriesLoss:
    """What training minimises: an objective on windows of which the guides and some cells are given.

    guides: windows to their guides as known cells. n_num, n_cat: numbers of features that are learned, which
    come first. place_feature: the numeric guide that is above 0 in windows that do not begin their series,
    None if there are none to tell apart.
    whole_share: share of the windows of which nothing else is given; of half of the others the beginning is,
    up to a step that is drawn evenly, and of the other half random cells at a rate that is. A window that
    does not begin its series is only ever drawn behind another one: of most of them the beginning is given.
    """

    objective: Objective
    guides: Callable[[MixedBatch], Known]
    n_num: int
    n_cat: int
    place_feature: int | None
    whole_share: float = 0.6

    def __call__(
        self,
        denoiser: Denoiser,
        rows: MixedBatch,
        label: Tensor | None,
        generator: torch.Generator | None,
    ) -> Tensor:
        """Loss of each window: (B,). No label is told beside the guides."""

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, device=rows.num.device)

        n_rows, n_steps = rows.num.shape[:2]
        kind, rate = uniform(n_rows), uniform(n_rows)
        later = torch.zeros(n_rows, dtype=torch.bool, device=rate.device)
        if self.place_feature is not None:
            later = rows.num[:, 0, self.place_feature] > 0
        whole = torch.where(later, self.whole_share / 4, self.whole_share)
        by_beginning = torch.where(later, 1 - whole / 2, (1 + whole) / 2)
        begun = (kind >= whole) & (kind < by_beginning)
        scattered = kind >= by_beginning
        length = n_steps if rows.present is None else rows.present.sum(1)
        first = beginnings(rows, (rate * length).long() * begun)[..., None]
        cells = uniform(n_rows, n_steps, self.n_num + self.n_cat) < (rate * scattered)[:, None, None]
        cells = cells | first
        known = self.guides(rows)
        num, cat = known.num.clone(), known.cat.clone()
        num[..., : self.n_num] = cells[..., : self.n_num]
        cat[..., : self.n_cat] = cells[..., self.n_num :]
        return self.objective(denoiser, rows, None, generator, replace(known, num=num, cat=cat))
