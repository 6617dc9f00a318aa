"""Rows as tensors: the one data structure that encoding, diffusion and training share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["MixedBatch"]


@dataclass(frozen=True)
class MixedBatch:
    """A batch of rows (or of series) with numeric and categorical features side by side.

    num: (B, *S, F) float, standard scores. cat: (B, *S, C) long, levels counted from 0.
    observed: (B, *S, F) bool, False where a numeric cell holds no value, or None if every cell does;
    the number stored in an unobserved cell means nothing and must not be read.
    `*S` is any inner shape: `()` for rows, `(L,)` for series of length L. F or C may be 0.
    """

    num: Tensor
    cat: Tensor
    observed: Tensor | None = None

    def __len__(self) -> int:
        return self.num.shape[0]

    def __getitem__(self, rows: Tensor | slice) -> MixedBatch:
        """Select rows: `rows` indexes the first dimension."""
        observed = None if self.observed is None else self.observed[rows]
        return MixedBatch(self.num[rows], self.cat[rows], observed)

    def to(self, device: torch.device | str) -> MixedBatch:
        """Copy to a device (nothing is copied if the batch is there already)."""
        observed = None if self.observed is None else self.observed.to(device)
        return MixedBatch(self.num.to(device), self.cat.to(device), observed)
