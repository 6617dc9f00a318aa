"""The building blocks that the networks share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tabdiff.batch import Known

__all__ = ["KnownEmbedding", "LevelEmbedding", "ModulatedBlock", "TimeFeatures"]


class TimeFeatures(nn.Module):
    """Fixed sines and cosines of t: (B,) in [0, 1] -> (B, n_features).

    Frequencies are spaced geometrically from half a turn to `max_turns` turns over the unit interval.
    """

    frequencies: Tensor

    def __init__(self, n_features: int = 32, max_turns: float = 32.0) -> None:
        super().__init__()
        turns = torch.logspace(math.log10(0.5), math.log10(max_turns), n_features // 2)
        self.register_buffer("frequencies", 2 * math.pi * turns, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        """Return the features of each time."""
        angle = t.float()[:, None] * self.frequencies
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class LevelEmbedding(nn.Module):
    """Sum over the columns of one learned vector for each level: (..., C) long -> (..., width).

    The same numbers as a linear layer on one-hot codes. Small tables are multiplied as such, which is what
    matrix units are fastest at; large ones gather, so that 100,000 levels cost no more than ten.
    """

    offsets: Tensor

    def __init__(self, n_levels: list[int], width: int, one_hot_limit: int = 1024) -> None:
        super().__init__()
        starts = torch.tensor([0, *n_levels]).cumsum(0)
        self.register_buffer("offsets", starts[:-1], persistent=False)
        self.n_rows, self.one_hot_limit = int(starts[-1]), one_hot_limit
        self.table = nn.Parameter(torch.randn(self.n_rows, width) / math.sqrt(max(len(n_levels), 1)))

    def forward(self, cat: Tensor, counted: Tensor | None = None) -> Tensor:
        """Return the summed vectors, those of the cells `counted`, (..., C) bool, if it is given."""
        index = (cat + self.offsets).flatten(0, -2)
        weights = None if counted is None else counted.flatten(0, -2).to(self.table.dtype)
        if self.n_rows <= self.one_hot_limit:
            codes = torch.zeros(len(index), self.n_rows, device=index.device, dtype=self.table.dtype)
            codes = codes.scatter_(1, index, 1.0) if weights is None else codes.scatter_(1, index, weights)
            summed = codes @ self.table
        else:
            summed = nn.functional.embedding_bag(index, self.table, mode="sum", per_sample_weights=weights)
        return summed.unflatten(0, cat.shape[:-1])


class KnownEmbedding(nn.Module):
    """What the given cells say, in vectors of their own: `Known` -> (B, *S, width).

    Beside those of the noisy cells, or the network would have to find out which of the two it is looking at
    before it could make use of either.
    """

    def __init__(self, n_num: int, n_levels: list[int], width: int) -> None:
        super().__init__()
        self.num = nn.Linear(2 * n_num, width, bias=False) if n_num else None
        self.cat = LevelEmbedding(n_levels, width) if n_levels else None

    def forward(self, known: Known) -> Tensor:
        """Return the summed vectors of the known cells."""
        total: Tensor | float = 0.0
        if self.num is not None:
            flags = known.num.to(self.num.weight.dtype)
            numbers = torch.where(known.num, known.rows.num, 0.0)
            total = total + self.num(torch.cat([numbers, flags], -1))
        if self.cat is not None:
            total = total + self.cat(known.rows.cat, known.cat)
        assert isinstance(total, Tensor)
        return total


class ModulatedBlock(nn.Module):
    """A residual block whose normalised input is scaled and shifted from outside (FiLM).

    h, scale, shift: (..., width), the latter two broadcastable. Starts as the identity.
    Source: Perez et al. 2018 (arXiv:1709.07871); the zero start of the last layer: DiT, Peebles & Xie 2023
    (arXiv:2212.09748).
    """

    def __init__(self, width: int, expansion: int = 1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.inner = nn.Linear(width, expansion * width)
        self.outer = nn.Linear(expansion * width, width)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Return h plus the block's contribution."""
        update = torch.addcmul(shift, self.norm(h), 1 + scale)
        return h + self.outer(nn.functional.silu(self.inner(update)))
