"""The denoiser of series: dilated convolutions over the steps, in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tabdiff.batch import Known
from tabdiff.diffusion.mixed import LevelLayout
from tabdiff.nets.blocks import KnownEmbedding, LevelEmbedding, TimeFeatures

__all__ = ["SequenceConfig", "SequenceDenoiser"]


@dataclass(frozen=True)
class SequenceConfig:
    """Size of the network. width: of the residual stream; n_condition: of the time vector.

    dilations: one block for each, with a kernel of three steps that lie this far apart; together they see
    sum(dilations) steps to each side.
    """

    width: int = 96
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1)
    n_condition: int = 64


class SequenceDenoiser(nn.Module):
    """Gated dilated convolutions over (B, L); satisfies `Denoiser` for inner shape (L,).

    n_num: numeric features F. layout: the levels and where their logits go. n_states: number of states that a
    noisy cell of each categorical feature can have. whitened: numeric features of which a further number is
    shown, behind the F of each step: what is said of them may be a gain times it. Steps that are not present
    say nothing to the others. Each block also sees the mean over the steps, so that what a series is like as
    a whole is known at each.

    DIFFERS: no class beside the rows is told, `label` is ignored: what a whole series is given reaches the
    network as known cells of every step.
    Source: gated convolutions with growing dilation as in WaveNet, van den Oord et al. 2016
    (arXiv:1609.03499), here not causal; modulated by time as in `blocks.ModulatedBlock`.
    """

    whitened: Tensor

    def __init__(
        self,
        n_num: int,
        layout: LevelLayout,
        n_states: Sequence[int],
        config: SequenceConfig,
        whitened: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.n_num, self.n_levels = n_num, layout.n_levels.tolist()
        width = config.width
        self.embed_num = nn.Linear(n_num, width) if n_num else None
        self.register_buffer("whitened", torch.tensor(list(whitened), dtype=torch.long), persistent=False)
        self.embed_more = nn.Linear(len(whitened), width, bias=False) if whitened else None
        self.embed_cat = LevelEmbedding(list(n_states), width) if len(layout) else None
        self.embed_known = KnownEmbedding(n_num, self.n_levels, width)
        features = TimeFeatures()
        self.embed_time = nn.Sequential(
            features,
            nn.Linear(2 * len(features.frequencies), config.n_condition),
            nn.SiLU(),
            nn.Linear(config.n_condition, config.n_condition),
            nn.SiLU(),
        )
        self.modulation = nn.Linear(config.n_condition, 2 * width * len(config.dilations))
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.blocks = nn.ModuleList(GatedConvolution(width, dilation) for dilation in config.dilations)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_num + layout.n_logits)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.gain = nn.Linear(width, len(whitened)) if whitened else None
        if self.gain is not None:
            nn.init.zeros_(self.gain.weight)
            nn.init.zeros_(self.gain.bias)

    def forward(
        self, num: Tensor, cat: Tensor, t: Tensor, label: Tensor | None, known: Known | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the raw numeric output (B, L, F) and the logits (B, L, n_logits).

        num: (B, L, F and the whitened ones).
        """
        scales = self.modulation(self.embed_time(t))[:, None].chunk(2 * len(self.blocks), dim=-1)
        own, more = num[..., : self.n_num], num[..., self.n_num :]
        parts = (self.embed_num, own), (self.embed_more, more), (self.embed_cat, cat)
        h = sum(embed(x) for embed, x in parts if embed is not None)
        present = None
        if known is not None:
            h = h + self.embed_known(known)
            present = known.rows.present
        inside = None if present is None else present[..., None].to(h.dtype)
        for block, scale, shift in zip(self.blocks, scales[::2], scales[1::2], strict=True):
            h = block(h, scale, shift, inside)
        h = self.norm(h)
        out = self.head(h)
        raw, logits = out[..., : self.n_num], out[..., self.n_num :]
        if self.gain is not None:
            raw = raw.index_add(-1, self.whitened, (self.gain(h) * more).to(raw.dtype))
        return raw, logits


class GatedConvolution(nn.Module):
    """A residual block: a step sees itself, those `dilation` before and behind it, and the mean of all.

    h: (B, L, width); scale, shift: (B or 1, 1, width); inside: (B, L, 1), 1 at present steps and 0 at others,
    or None if all are. Starts as the identity.
    """

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.inner = nn.Linear(3 * width, 2 * width)
        self.overall = nn.Linear(width, 2 * width, bias=False)
        self.outer = nn.Linear(width, width)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, h: Tensor, scale: Tensor, shift: Tensor, inside: Tensor | None) -> Tensor:
        """Return h plus the block's contribution."""
        x = torch.addcmul(shift, self.norm(h), 1 + scale)
        if inside is None:
            mean = x.mean(1, keepdim=True)
        else:
            x = x * inside
            mean = x.sum(1, keepdim=True) / inside.sum(1, keepdim=True).clamp_min(1)
        if torch.is_autocast_enabled(x.device.type):  # once, and not for each of the three copies
            x = x.to(torch.get_autocast_dtype(x.device.type))
        n_steps, far = h.shape[1], self.dilation
        padded = functional.pad(x, (0, 0, far, far))
        # one product of three neighbours side by side is faster on a CPU than a convolution of few channels
        neighbours = torch.cat([padded[:, i * far : i * far + n_steps] for i in range(3)], -1)
        value, gate = (self.inner(neighbours) + self.overall(mean)).chunk(2, -1)
        return h + self.outer(value * torch.sigmoid(gate.contiguous()))
