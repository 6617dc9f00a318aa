"""The best linear guess of a smooth series behind noise, from which a network needs to tell the rest alone.

In a smooth series cells hang together so closely that little noise hides what matters most, how one step
differs from the next. A network would have to find, in numbers near 1, differences of a hundredth. The linear
guess knows means and covariances from the start; the network is shown the noisy cells once more, whitened,
where such differences are as large as everything else, and predicts the guess's error in units of its size.

Everywhere L: steps of a window, F: the smooth features, which are some of the numeric ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion.masked import MaskedProcess
from tabdiff.diffusion.mixed import Denoiser, Noise, Prediction

__all__ = ["FilteredProcess", "Guess", "Spectrum", "WienerFilter"]


@dataclass(frozen=True)
class Spectrum:
    """Mean and covariance of the smooth cells of windows, the latter along directions of time and channels.

    features: their numbers among the numeric features. flags: for each the categorical feature whose level 0
    says that the cell holds a number, -1 if every cell does. mean: (L, F). time: (L, L) and channels: (F, F),
    in each column a direction, orthogonal to the others. variance: (L, F), of the windows along each product
    of a direction of time and one of channels; the covariances between such products are left out, which
    keeps L^2 + F^2 numbers instead of (L F)^2.
    Source: the separable Karhunen-Loeve transform of images, Jain 1989, Fundamentals of Digital Image
    Processing, section 5.11. DIFFERS: variances are measured along each product and are no products of
    variances themselves.
    """

    features: tuple[int, ...]
    flags: tuple[int, ...]
    mean: np.ndarray
    time: np.ndarray
    channels: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(
        cls,
        cells: Tensor,
        there: Tensor,
        features: Sequence[int],
        flags: Sequence[int],
        floor: float,
    ) -> Spectrum:
        """Measure windows: cells (B, L, F); there: the same shape, bool, what else counts as the mean.

        floor: least variance, below which nothing is told from noise.
        """
        cells = torch.where(there, cells, 0.0).double()
        mean = cells.sum(0) / there.sum(0).clamp_min(1)
        centred = torch.where(there, cells - mean, 0.0)
        time = torch.einsum("blf,bmf->lm", centred, centred) / len(cells)
        channels = torch.einsum("blf,blg->fg", centred, centred) / len(cells)
        time, channels = torch.linalg.eigh(time)[1], torch.linalg.eigh(channels)[1]
        along = time.T @ centred @ channels
        variance = along.square().mean(0).clamp_min(floor)
        arrays = (part.float().numpy() for part in (mean, time, channels, variance))
        return cls(tuple(features), tuple(flags), *arrays)


@dataclass(frozen=True)
class Guess:
    """What the filter makes of noisy windows: (B, L, F) each, B may be 1 in the second.

    x0: linear guess of the clean cells. error: standard deviation of its error. whitened: the noisy cells,
    of unit variance along all directions.
    """

    x0: Tensor
    error: Tensor
    whitened: Tensor


class WienerFilter:
    """The linear guess of least squared error, E[x_0 | x_t] if windows were normal.

    Along a direction of variance v and at noise sigma (x_t / sqrt(ab) = x_0 + sigma eps) it is v / (v +
    sigma^2) times what is seen, and its error has the variance v sigma^2 / (v + sigma^2).
    Source: Wiener 1949. With v = 1 along all directions it is the preconditioning of EDM, Karras et al. 2022
    (arXiv:2206.00364), table 1, with sigma_data = 1.
    """

    def __init__(self, spectrum: Spectrum, device: torch.device | str = "cpu") -> None:
        self.features, self.flags = list(spectrum.features), list(spectrum.flags)
        arrays = (spectrum.mean, spectrum.time, spectrum.channels, spectrum.variance)
        self.mean, self.time, self.channels, self.variance = (
            torch.as_tensor(array, dtype=torch.float32, device=device) for array in arrays
        )

    def guess(self, num: Tensor, ab: Tensor, there: Tensor | None) -> Guess:
        """Filter noisy cells num (B, L, all numeric features) at alpha_bar ab, (B,) or (1,) float64.

        Windows may be shorter than those of fit. there: (B, L, F or 1) bool, which cells hold something, or
        None if all do; the others are taken for the mean.
        """
        length = num.shape[1]
        time = self.time[:length]
        with torch.autocast(num.device.type, enabled=False):  # differences that count are below bfloat16
            seen = num[..., self.features].float() / ab.sqrt().float()[:, None, None] - self.mean[:length]
            if there is not None:
                seen = torch.where(there, seen, 0.0)
            noise = ((1 - ab) / ab)[:, None, None]
            total = self.variance + noise  # float64
            along = time.T @ seen @ self.channels
            kept, error = self.variance / total, self.variance * noise / total
            x0 = time @ (along * kept.float()) @ self.channels.T + self.mean[:length]
            variance = time.square() @ error.float() @ self.channels.square().T
            whitened = time @ (along * total.rsqrt().float()) @ self.channels.T
        return Guess(x0, variance.clamp_min(1e-12).sqrt(), whitened)


@dataclass(frozen=True)
class FilteredProcess(MaskedProcess):
    """A `MaskedProcess` whose network tells the error of the linear guess of smooth features.

    The raw output of such a feature is (x_0 - guess) / standard deviation of its error; the others are as
    `prediction` says. The network is shown the whitened cells behind the numeric features. Cells that are
    given are noise to the filter like all others, and shown clean to the network alone.
    """

    spectrum: Spectrum | None = None
    filter: WienerFilter = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        assert self.spectrum is not None
        object.__setattr__(self, "filter", WienerFilter(self.spectrum, self.layout.n_levels.device))

    @property
    def n_shown(self) -> int:
        """Numbers that the network is shown of each step: noisy cells, and those of the filter whitened."""
        return self.n_num + len(self.filter.features)

    def corrupt_given(self, batch: MixedBatch, t: Tensor, noise: Noise) -> tuple[MixedBatch, Tensor]:
        """As `MixedProcess.corrupt_given`; the target of smooth cells that hold nothing is 0."""
        x_t, target = super().corrupt_given(batch, t, noise)
        features = self.filter.features
        guess = self._guess(x_t, t, None)
        error = (batch.num[..., features] - guess.x0) / guess.error
        for stored in (
            None if batch.observed is None else batch.observed[..., features],
            None if batch.present is None else batch.present[..., None],
        ):
            if stored is not None:
                error = torch.where(stored, error, 0.0)
        target = target.clone()
        target[..., features] = error.to(target.dtype)
        return x_t, target

    def ask(
        self, denoiser: Denoiser, x_t: MixedBatch, t: Tensor, label: Tensor | None, known: Known | None
    ) -> tuple[Tensor, Tensor]:
        """What the network says of noisy rows, shown the known cells and the whitened ones."""
        return self._ask(denoiser, x_t, t, label, known, self._guess(x_t, t, known))

    def predict(
        self,
        denoiser: Denoiser,
        x_t: MixedBatch,
        t: Tensor,
        label: Tensor | None,
        known: Known | None = None,
    ) -> Prediction:
        """Ask the network what the clean rows are; t: (B,) or (1,) float64.

        Known numbers are predicted as they are, so that their noisy version, which the filter sees, leads
        to them.
        """
        guess = self._guess(x_t, t, known)
        raw, logits = self._ask(denoiser, x_t, t, label, known, guess)
        prediction = self.read(raw, logits, x_t, t)
        features = self.filter.features
        x0 = prediction.x0.expand(torch.broadcast_shapes(prediction.x0.shape, x_t.num.shape)).clone()
        x0[..., features] = guess.x0 + guess.error * raw[..., features].float()
        if known is not None:
            x0 = torch.where(known.num, known.rows.num, x0)
        return replace(prediction, x0=x0)

    def _guess(self, x_t: MixedBatch, t: Tensor, known: Known | None) -> Guess:
        present = x_t.present
        if present is None and known is not None:
            present = known.rows.present
        there = None if present is None else present[..., None]
        if self.flagged:
            cat = x_t.cat if known is None else known.shown(x_t).cat
            flags = torch.tensor(self.filter.flags, device=cat.device)
            # what is masked yet may hold a number
            state = cat[..., flags.clamp_min(0)]
            holds = (state == 0) | (state == self.layout.n_levels[flags.clamp_min(0)]) | (flags < 0)
            there = holds if there is None else there & holds
        return self.filter.guess(x_t.num, self.num_schedule.alpha_bar(t), there)

    @property
    def flagged(self) -> bool:
        """Whether there are smooth features with cells that hold no number."""
        return max(self.filter.flags, default=-1) >= 0

    def _ask(
        self,
        denoiser: Denoiser,
        x_t: MixedBatch,
        t: Tensor,
        label: Tensor | None,
        known: Known | None,
        guess: Guess,
    ) -> tuple[Tensor, Tensor]:
        shown = x_t if known is None else known.shown(x_t)
        n_rows = max(len(shown), len(guess.whitened))
        parts = (shown.num, guess.whitened.to(shown.num.dtype))
        num = torch.cat([part.expand(n_rows, -1, -1) for part in parts], -1)
        return denoiser(num, shown.cat, t, label, known)
