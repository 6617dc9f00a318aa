"""Levels that noise masks instead of replacing them by others.

A cell keeps its level with probability alpha_bar and is otherwise masked, a state of its own behind the
column's levels. What is not masked is true, so that the network is never misled by a wrong level and needs to
learn the masked cells alone; in series, where levels follow on one another, order is learned much better.
Source: D3PM with an absorbing state, Austin et al. 2021 (arXiv:2107.03006), section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tabdiff.batch import MixedBatch
from tabdiff.diffusion import multinomial
from tabdiff.diffusion.mixed import MixedProcess, Noise, over_cells
from tabdiff.diffusion.schedules import alpha_bar_or_clean

__all__ = ["MaskedProcess"]


@dataclass(frozen=True)
class MaskedProcess(MixedProcess):
    """A `MixedProcess` in which a noisy cell of column c holds its level or `n_levels[c]`, the mask.

    `layout` counts the real levels alone, as the network never predicts the mask; what it says of cells that
    are not masked is neither learned nor read. `reverse` is not used. Learned by cross-entropy over the
    masked cells (`CrossEntropyObjective`): Sahoo et al. 2024 (arXiv:2406.07524), section 3.
    DIFFERS: there the cross-entropy at time t is weighted by -alpha'(t) / (1 - alpha(t)); here by 1, as for
    the other process, so that few masked cells do not weigh as much as a whole row of them. The best network
    is the same.
    """

    @property
    def n_states(self) -> list[int]:
        """How many states a noisy cell of each categorical column can have: its levels and the mask."""
        return [count + 1 for count in self.layout.n_levels.tolist()]

    def to_learn(self, x_t: Tensor) -> Tensor | None:
        """The masked cells: (B, *S, C) bool."""
        return x_t == self.layout.n_levels

    def prior(self, shape: tuple[int, ...], generator: torch.Generator | None) -> MixedBatch:
        """Numbers of pure noise, and every level masked; shape is (B, *S)."""
        device = self.layout.n_levels.device
        num = torch.randn((*shape, self.n_num), generator=generator, device=device)
        return MixedBatch(num, self._masks(shape))

    def noise(
        self, shape: tuple[int, ...], generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Noise:
        """Draw the noise of rows, in which every level that does not stay becomes the mask."""
        device, levels = self.layout.n_levels.device, (*shape, len(self.layout))
        eps = torch.randn((*shape, self.n_num), generator=generator, device=device, dtype=dtype)
        keep = torch.rand(levels, generator=generator, device=device)
        return Noise(eps, keep, self._masks(shape))

    def step_levels(
        self, x_t: Tensor, log_p0: list[Tensor], t: Tensor, s: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Draw the levels at time s < t given those at t: (B, *S, C); none is masked at s = 0.

        A masked cell is unmasked with probability (ab_s - ab_t) / (1 - ab_t) and then drawn from the
        predicted law. Source: Sahoo et al. 2024 (arXiv:2406.07524), section 3.
        """
        if not len(self.layout):
            return x_t
        ab_t = over_cells(self.cat_schedule.alpha_bar(t), x_t)
        ab_s = over_cells(alpha_bar_or_clean(self.cat_schedule, s), x_t)
        drawn = self.layout.scatter([multinomial.draw(law, generator) for law in log_p0])
        uniform = torch.rand(x_t.shape, generator=generator, device=x_t.device)
        unmasked = (x_t == self.layout.n_levels) & (uniform < (ab_s - ab_t) / (1 - ab_t))
        return torch.where(unmasked, drawn, x_t)

    def _masks(self, shape: tuple[int, ...]) -> Tensor:
        return self.layout.n_levels.repeat(*shape, 1)
