"""The denoiser of single rows: a residual MLP that knows the time, the class and which cells are given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tabdiff.batch import Known
from tabdiff.diffusion.mixed import LevelLayout
from tabdiff.nets.blocks import KnownEmbedding, LevelEmbedding, ModulatedBlock, TimeFeatures

__all__ = ["MLPConfig", "MLPDenoiser"]


@dataclass(frozen=True)
class MLPConfig:
    """Size of the network. width: of the residual stream; n_condition: of the time and class vector."""

    width: int = 192
    n_blocks: int = 4
    expansion: int = 1
    n_condition: int = 64


class MLPDenoiser(nn.Module):
    """Residual MLP over rows; satisfies `Denoiser` for any inner shape, position by position.

    n_num: numeric features F. layout: the levels and where their logits go. n_classes: number of labels, or
    0 for a model without; label `n_classes` is the learned "not told".
    """

    def __init__(self, n_num: int, layout: LevelLayout, n_classes: int, config: MLPConfig) -> None:
        super().__init__()
        self.n_num, self.n_classes, self.n_levels = n_num, n_classes, layout.n_levels.tolist()
        self.embed_num = nn.Linear(n_num, config.width) if n_num else None
        self.embed_cat = LevelEmbedding(self.n_levels, config.width) if len(layout) else None
        features = TimeFeatures()
        self.embed_time = nn.Sequential(
            features,
            nn.Linear(2 * len(features.frequencies), config.n_condition),
            nn.SiLU(),
            nn.Linear(config.n_condition, config.n_condition),
        )
        self.embed_label = nn.Embedding(n_classes + 1, config.n_condition) if n_classes else None
        # one layer for the modulations of all blocks: a few large products instead of many small ones
        self.modulation = nn.Linear(config.n_condition, 2 * config.width * config.n_blocks)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.blocks = nn.ModuleList(
            ModulatedBlock(config.width, config.expansion) for _ in range(config.n_blocks)
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, n_num + layout.n_logits)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.embed_known = KnownEmbedding(n_num, self.n_levels, config.width)

    def forward(
        self, num: Tensor, cat: Tensor, t: Tensor, label: Tensor | None, known: Known | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the raw numeric output (B, *S, F) and the logits (B, *S, n_logits)."""
        condition = self.embed_time(t)
        if self.embed_label is not None:
            if label is None:
                label = torch.full_like(t, self.n_classes, dtype=torch.long)
            condition = condition + self.embed_label(label)
        condition = nn.functional.silu(condition)
        condition = condition.reshape(len(condition), *(1 for _ in range(num.dim() - 2)), -1)
        h = sum(embed(x) for embed, x in ((self.embed_num, num), (self.embed_cat, cat)) if embed is not None)
        if known is not None:
            h = h + self.embed_known(known)
        scales = self.modulation(condition).chunk(2 * len(self.blocks), dim=-1)
        for block, scale, shift in zip(self.blocks, scales[::2], scales[1::2], strict=True):
            h = block(h, scale, shift)
        out = self.head(self.norm(h))
        return out[..., : self.n_num], out[..., self.n_num :]
