"""Rows as tensors: the data structures that encoding, diffusion and training share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["Known", "MixedBatch"]


@dataclass(frozen=True)
class MixedBatch:
    """A batch of rows (or of series) with numeric and categorical features side by side.

    num: (B, *S, F) float, standard scores. cat: (B, *S, C) long, levels counted from 0.
    observed: (B, *S, F) bool, False where a numeric cell holds no value, or None if every cell does;
    the number stored in an unobserved cell means nothing and must not be read.
    present: (B, *S) bool, False at positions behind the end of a series, or None if every position is part
    of its series; what is stored at an absent position means nothing, but is a level where one is stored.
    `*S` is any inner shape: `()` for rows, `(L,)` for series of length L. F or C may be 0.
    """

    num: Tensor
    cat: Tensor
    observed: Tensor | None = None
    present: Tensor | None = None

    def __len__(self) -> int:
        return self.num.shape[0]

    def __getitem__(self, rows: Tensor | slice) -> MixedBatch:
        """Select rows: `rows` indexes the first dimension."""
        observed = None if self.observed is None else self.observed[rows]
        present = None if self.present is None else self.present[rows]
        return MixedBatch(self.num[rows], self.cat[rows], observed, present)

    def to(self, device: torch.device | str) -> MixedBatch:
        """Copy to a device (nothing is copied if the batch is there already)."""
        observed = None if self.observed is None else self.observed.to(device)
        present = None if self.present is None else self.present.to(device)
        return MixedBatch(self.num.to(device), self.cat.to(device), observed, present)


@dataclass(frozen=True)
class Known:
    """Cells of some rows that are given, clean.

    rows: what the cells hold; cells that are not given may hold anything. num: (B, *S, F) bool and cat:
    (B, *S, C) bool, which cells are given. A numeric cell that holds no value is never given as a number:
    that it holds none is told by the level of its state.
    """

    rows: MixedBatch
    num: Tensor
    cat: Tensor

    def __post_init__(self) -> None:
        if self.rows.observed is not None:
            object.__setattr__(self, "num", self.num & self.rows.observed)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Tensor | slice) -> Known:
        """Select rows: `rows` indexes the first dimension."""
        return Known(self.rows[rows], self.num[rows], self.cat[rows])

    def to(self, device: torch.device | str) -> Known:
        """Copy to a device (nothing is copied if the cells are there already)."""
        return Known(self.rows.to(device), self.num.to(device), self.cat.to(device))

    def shown(self, x_t: MixedBatch) -> MixedBatch:
        """The rows x_t with the given cells in their places."""
        num = torch.where(self.num, self.rows.num, x_t.num)
        return replace(x_t, num=num, cat=torch.where(self.cat, self.rows.cat, x_t.cat))
