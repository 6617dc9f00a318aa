"""The loss of each row at fixed times and with fixed noise: how well a model knows a row.

A denoiser errs less on rows that it has learned by heart, most of all at low noise. Losses taken with the
same noise for every row are therefore a score of fit, and a sharp test of whether a row was learned from.
Source: Wu et al. 2025, "Winning the MIDST challenge", who average or classify such losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion.mixed import Denoiser, MixedProcess, Noise
from tabdiff.diffusion.objectives import Objective

__all__ = ["FixedNoise", "fixed_losses", "fixed_noise"]


@dataclass(frozen=True)
class FixedNoise:
    """Times, and for each the noise of one row, which all rows share."""

    times: Sequence[float]
    noises: Sequence[Noise]


def fixed_noise(
    process: MixedProcess, times: Sequence[float], inner: tuple[int, ...] = (), seed: int = 0
) -> FixedNoise:
    """Draw the noise of each time; inner: the inner shape of the rows. Same seed, same noise."""
    generator = torch.Generator(process.layout.n_levels.device).manual_seed(seed)
    return FixedNoise(times, [process.noise((1, *inner), generator) for _ in times])


def fixed_losses(
    objective: Objective,
    denoiser: Denoiser,
    batch: MixedBatch,
    label: Tensor | None,
    fixed: FixedNoise,
    size: int | None = None,
    known: Known | None = None,
) -> Tensor:
    """Loss of each row, averaged over the fixed times and noises: (B,) float64.

    Unobserved numeric cells do not count, and neither do the known ones, which are shown. size: rows in each
    pass of the network, at least B; the last row fills it up. Matrix products of another size round in
    another way, and the loss of a row would depend on how many are asked for with it.
    """
    n_rows = len(batch)
    if size is not None and n_rows < size:
        rows = torch.arange(size, device=batch.num.device).clamp_max(n_rows - 1)
        batch, label = batch[rows], None if label is None else label[rows]
        known = None if known is None else known[rows]
    total = torch.zeros(len(batch), dtype=torch.float64, device=batch.num.device)
    for t, noise in zip(fixed.times, fixed.noises, strict=True):
        at = torch.full((len(batch),), t, dtype=torch.float64, device=batch.num.device)
        total += objective.given(denoiser, batch, label, at, noise, known)
    return total[:n_rows] / len(fixed.times)
