"""The best linear guess of a smooth series behind noise, from which a network needs to tell the rest alone.

In a smooth series cells hang together so closely that little noise hides what matters most, how one step
differs from the next. A network would have to find, in numbers near 1, differences of a hundredth. The linear
guess knows means and covariances from the start; the network is shown the noisy cells once more, whitened,
where such differences are as large as everything else, and predicts the guess's error in units of its size.

Everywhere L: steps of a window, F: the smooth features, which are some of the numeric ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.cluster.hierarchy import average, leaves_list
from scipy.spatial.distance import squareform
from torch import Tensor

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion.masked import MaskedProcess
from tabdiff.diffusion.mixed import Denoiser, Noise, Prediction

__all__ = ["Block", "FilteredProcess", "Guess", "Spectrum", "WienerFilter"]

MAX_CELLS = 1024
"""Cells of a block: its covariance takes their square in memory and in each step of sampling."""
WINDOWS_PER_CELL = 20
"""Of fewer the covariance is not known well enough, and what is rare among them is pulled to what is not."""


@dataclass(frozen=True)
class Block:
    """Mean and covariance of some smooth features over the steps of a window.

    features: their numbers among the numeric ones. flags: for each the categorical feature whose level 0 says
    that the cell holds a number, -1 if every cell does. mean: (L, F). directions: (L F, L F), orthogonal, one
    in each column, of cells in the order of steps and then features. variance: (L F,) along each of them.
    """

    features: tuple[int, ...]
    flags: tuple[int, ...]
    mean: np.ndarray
    directions: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(
        cls,
        cells: Tensor,
        there: Tensor,
        halves: Tensor,
        features: Sequence[int],
        flags: Sequence[int],
        floor: float,
    ) -> Block:
        """Measure windows: cells (B, L, F); there: the same shape, bool, what else counts as the mean.

        halves: (B,) bool. The directions are those of one half, their variances those of the other, so that a
        direction which few windows cannot tell of is not thought to have none. floor: least variance, below
        which nothing is told from noise.
        Source: Lam 2016 (doi:10.1214/15-AOS1393), there averaged over many ways to halve.
        """
        cells = torch.where(there, cells, 0.0).double()
        mean = cells.sum(0) / there.sum(0).clamp_min(1)
        centred = torch.where(there, cells - mean, 0.0).flatten(1)
        one, other = centred[halves], centred[~halves]
        if not len(one) or not len(other):
            one = other = centred
        directions = torch.linalg.eigh(one.T @ one)[1]
        variance = (other @ directions).square().mean(0).clamp_min(floor)
        # in rows, as a file gives them back: products of columns are rounded otherwise
        arrays = (part.float().contiguous().numpy() for part in (mean, directions, variance))
        return cls(tuple(features), tuple(flags), *arrays)


@dataclass(frozen=True)
class Spectrum:
    """Mean and covariance of the smooth cells of windows, block by block of features.

    Covariances between blocks are left out: a block has at most `MAX_CELLS` cells, or a single feature, and
    at least `WINDOWS_PER_CELL` windows were seen for each of its cells.
    """

    blocks: tuple[Block, ...]

    @classmethod
    def of(
        cls,
        cells: Tensor,
        there: Tensor,
        halves: Tensor,
        smooth: Mapping[int, int],
        floor: float,
        n_windows: int,
    ) -> Spectrum | None:
        """Measure windows, as `Block.of`, which are some of n_windows; None if these are too few.

        smooth: the number of each feature, and of its flag or -1.
        """
        n_steps, told = cells.shape[1], n_windows // WINDOWS_PER_CELL
        if told < n_steps:
            return None
        features, flags = list(smooth), list(smooth.values())
        blocks = []
        for group in _groups(torch.where(there, cells, 0.0), max(min(MAX_CELLS, told) // n_steps, 1)):
            chosen = [features[i] for i in group], [flags[i] for i in group]
            blocks.append(Block.of(cells[..., group], there[..., group], halves, *chosen, floor))
        return cls(tuple(blocks))

    @property
    def features(self) -> list[int]:
        """The numbers of all features, in the order of the blocks."""
        return [feature for block in self.blocks for feature in block.features]

    @property
    def flags(self) -> list[int]:
        """The flag of each of these."""
        return [flag for block in self.blocks for flag in block.flags]

    def renumbered(self, numbers: Mapping[int, int], flags: Mapping[int, int]) -> Spectrum:
        """The same of features that have other numbers; flags: of the new numbers."""
        blocks = []
        for block in self.blocks:
            features = tuple(numbers[feature] for feature in block.features)
            blocks.append(replace(block, features=features, flags=tuple(flags[f] for f in features)))
        return Spectrum(tuple(blocks))


def _groups(cells: Tensor, most: int) -> list[list[int]]:
    """Groups of at most `most` of the features of (B, L, F) that move alike from step to step."""
    n_features = cells.shape[-1]
    if n_features <= most:
        return [list(range(n_features))]
    moves = torch.diff(cells.double(), dim=1).flatten(0, 1)
    likeness = torch.nan_to_num(torch.corrcoef(moves.T)).abs().clamp(0, 1)
    apart = (1 - likeness).fill_diagonal_(0).numpy()
    order = leaves_list(average(squareform(apart, checks=False))).tolist()
    return [order[start : start + most] for start in range(0, n_features, most)]


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

    features, flags: as of the blocks, one after another; flags is None if every cell holds a number.
    """

    def __init__(self, spectrum: Spectrum, device: torch.device | str = "cpu") -> None:
        self.features = spectrum.features
        flags = spectrum.flags
        self.flags = torch.tensor(flags, device=device) if max(flags) >= 0 else None
        self.blocks = []
        for block in spectrum.blocks:
            mean, directions, variance = (
                torch.as_tensor(array, dtype=torch.float32, device=device)
                for array in (block.mean, block.directions, block.variance)
            )
            self.blocks.append((mean, directions, directions.square(), variance))

    def guess(self, num: Tensor, ab: Tensor, there: Tensor | None) -> Guess:
        """Filter noisy cells num (B, L, all numeric features) at alpha_bar ab, (B,) or (1,) float64.

        Windows may be shorter than those of fit. there: (B, L, F or 1) bool, which cells hold something, or
        None if all do; the others are taken for the mean.
        """
        with torch.autocast(num.device.type, enabled=False):  # differences that count are below bfloat16
            seen = num[..., self.features].float() / ab.sqrt().float()[:, None, None]
            found, first = [], 0
            for mean, directions, squares, variance in self.blocks:
                own = slice(first, first + mean.shape[1])
                cells = seen[..., own] - mean[: num.shape[1]]
                if there is not None:
                    cells = torch.where(there if there.shape[-1] == 1 else there[..., own], cells, 0.0)
                found.append(_filtered(cells, mean, directions, squares, variance, (1 - ab) / ab))
                first += mean.shape[1]
        return Guess(*(torch.cat(parts, -1) for parts in zip(*found, strict=True)))


def _filtered(
    cells: Tensor, mean: Tensor, directions: Tensor, squares: Tensor, variance: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Guess, deviation of its error and whitened cells of a block.

    squares: of the directions. noise: (B or 1,) float64, its variance.
    """
    n_steps, n_features = cells.shape[1:]
    first = slice(n_steps * n_features)  # of shorter windows the first steps
    directions, squares = directions[first], squares[first]
    along = cells.flatten(1) @ directions
    total = variance + noise[:, None]  # float64
    kept, left = variance / total, variance * noise[:, None] / total

    def back(values: Tensor) -> Tensor:
        return (values @ directions.T).unflatten(1, (n_steps, n_features))

    error = (left.float() @ squares.T).unflatten(1, (n_steps, n_features))
    x0 = back(along * kept.float()) + mean[:n_steps]
    return x0, error.clamp_min(1e-12).sqrt(), back(along * total.rsqrt().float())


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
    def whitened(self) -> list[int]:
        """The features of the filter."""
        return self.filter.features

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
        flags = self.filter.flags
        if flags is not None:
            cat = x_t.cat if known is None else known.shown(x_t).cat
            # what is masked yet may hold a number
            state = cat[..., flags.clamp_min(0)]
            holds = (state == 0) | (state == self.layout.n_levels[flags.clamp_min(0)]) | (flags < 0)
            there = holds if there is None else there & holds
        return self.filter.guess(x_t.num, self.num_schedule.alpha_bar(t), there)

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
