"""Numeric and categorical features diffused together, and what a network must offer to reverse it.

Categorical columns of very different sizes live side by side without a loop over columns: `LevelLayout`
groups the columns into buckets of similar size, pads inside a bucket only, and fixes where each bucket
lies in the network's flat output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion import gaussian, multinomial
from tabdiff.diffusion.schedules import KarrasSchedule, PowerSchedule, Schedule, alpha_bar_or_clean

__all__ = [
    "Bucket",
    "Denoiser",
    "LevelLayout",
    "MixedProcess",
    "Noise",
    "Prediction",
    "Reverse",
    "over_cells",
]

Reverse = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


class Denoiser(Protocol):
    """A network that looks at noisy rows and says what it sees.

    num: (B, *S, F), cat: (B, *S, C), t: (B,) or (1,) float in [0, 1], label: (B,) or (1,) long or None; the
    label `n_classes` means "not told". known: the cells of B rows, or of 1 row for all, that are given and
    stand clean in num and cat; None means none is. Returns the raw numeric output (B, *S, F), which
    `MixedProcess.prediction` interprets, and the logits (B, *S, layout.n_logits); what they say of given
    cells means nothing.
    """

    def __call__(
        self, num: Tensor, cat: Tensor, t: Tensor, label: Tensor | None, known: Known | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return (raw, logits)."""
        ...


@dataclass(frozen=True)
class Bucket:
    """Columns of similar size.

    columns: (Cb,) positions in `cat`. n_levels: (Cb,). width: the largest of them. padded: whether any is
    smaller. start: place of the bucket's first logit.
    """

    columns: Tensor
    n_levels: Tensor
    width: int
    padded: bool
    start: int

    @property
    def size(self) -> int:
        """Number of logits of the bucket, padding included."""
        return len(self.columns) * self.width


class LevelLayout:
    """Where the logits of each categorical column lie in the network's flat output.

    n_levels: number of levels of each column, in the order of `MixedBatch.cat`, each at least 1. Columns
    whose sizes round up to the same power of two share a bucket, so padding at most doubles the output and
    the number of buckets grows with the logarithm of the largest column.
    """

    def __init__(self, n_levels: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.n_levels = torch.tensor(list(n_levels), dtype=torch.long, device=device)
        groups: dict[int, list[int]] = {}
        for column, count in enumerate(n_levels):
            groups.setdefault((int(count) - 1).bit_length(), []).append(column)
        self.buckets: list[Bucket] = []
        self.n_logits = 0
        for _, columns in sorted(groups.items()):
            index = torch.tensor(columns, dtype=torch.long, device=device)
            levels = self.n_levels[index]
            width = int(levels.max())
            padded = bool((levels < width).any())
            self.buckets.append(Bucket(index, levels, width, padded, self.n_logits))
            self.n_logits += self.buckets[-1].size

    def __len__(self) -> int:
        return len(self.n_levels)

    def to(self, device: torch.device | str) -> LevelLayout:
        """The same layout with its index tensors on another device."""
        return LevelLayout(self.n_levels.tolist(), device)

    def split(self, flat: Tensor) -> list[Tensor]:
        """Cut the flat output (B, *S, n_logits) into one masked (B, *S, Cb, K) view for each bucket."""
        parts = []
        for bucket in self.buckets:
            part = flat[..., bucket.start : bucket.start + bucket.size]
            part = part.unflatten(-1, (len(bucket.columns), bucket.width))
            parts.append(multinomial.mask_padding(part, bucket.n_levels) if bucket.padded else part)
        return parts

    def scatter(self, parts: Sequence[Tensor]) -> Tensor:
        """Put one tensor (B, *S, Cb) for each bucket back into the order of the columns: (B, *S, C)."""
        joined = torch.cat(list(parts), dim=-1)
        order = torch.cat([bucket.columns for bucket in self.buckets])
        return joined[..., torch.argsort(order)]

    def logits_of(self, column: int) -> slice:
        """Where the logits of a column's levels lie in the flat output."""
        for bucket in self.buckets:
            for place, inside in enumerate(bucket.columns.tolist()):
                if inside == column:
                    start = bucket.start + place * bucket.width
                    return slice(start, start + int(bucket.n_levels[place]))
        raise IndexError(f"there is no categorical column {column}: there are {len(self)}.")


@dataclass(frozen=True)
class Prediction:
    """What the network believes of the clean rows.

    x0: (B, *S, F), mean of x_0 given x_t. log_p0: for each bucket (B, *S, Cb, K), normalised.
    """

    x0: Tensor
    log_p0: list[Tensor]


@dataclass(frozen=True)
class Noise:
    """What turns clean rows into noisy ones: one draw for each row, or with B = 1 the same for all.

    eps: (B, *S, F), standard normal. keep: (B, *S, C), uniform in [0, 1): a level stays while alpha_bar is
    above it. other: (B, *S, C) long, the level or state that takes its place.
    """

    eps: Tensor
    keep: Tensor
    other: Tensor


@dataclass(frozen=True)
class MixedProcess:
    """How rows turn into noise, and how one step leads back.

    Both kinds share one time but have schedules of their own. `prediction` says what the network's numeric
    output means, `reverse` how a predicted law of levels becomes the law one step earlier.
    """

    n_num: int
    layout: LevelLayout
    num_schedule: Schedule = field(default_factory=KarrasSchedule)
    cat_schedule: Schedule = field(default_factory=PowerSchedule)
    prediction: gaussian.Prediction = field(default_factory=gaussian.VelocityPrediction)
    reverse: Reverse = multinomial.log_reverse

    @property
    def n_states(self) -> list[int]:
        """How many states a noisy cell of each categorical column can have: at least its levels."""
        return [int(count) for count in self.layout.n_levels.tolist()]

    @property
    def whitened(self) -> list[int]:
        """Numeric features of which the network is shown a second number, behind all of the first."""
        return []

    def to_learn(self, x_t: Tensor) -> Tensor | None:
        """The noisy cells, of (B, *S, C), whose level is not told by x_t itself; None means all of them."""
        return None

    def prior(self, shape: tuple[int, ...], generator: torch.Generator | None) -> MixedBatch:
        """Draw pure noise; shape is (B, *S)."""
        device = self.layout.n_levels.device
        num = torch.randn((*shape, self.n_num), generator=generator, device=device)
        return MixedBatch(num, multinomial.prior((*shape, len(self.layout)), self.layout.n_levels, generator))

    def corrupt(
        self, batch: MixedBatch, t: Tensor, generator: torch.Generator | None
    ) -> tuple[MixedBatch, Tensor]:
        """Draw x_t from q(x_t | x_0) for t: (B,) float64; also return the target of the numeric output.

        Unobserved numeric cells are standard normal noise at every time, so that their place carries no
        information, and their target is the conditional mean under that law: no stored value is ever read.
        The same holds for the numbers at absent positions.
        """
        return self.corrupt_given(
            batch, t, self.noise(tuple(batch.cat.shape[:-1]), generator, batch.num.dtype)
        )

    def noise(
        self, shape: tuple[int, ...], generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Noise:
        """Draw the noise of rows; shape is (B, *S), dtype that of their numbers."""
        device, levels = self.layout.n_levels.device, (*shape, len(self.layout))
        eps = torch.randn((*shape, self.n_num), generator=generator, device=device, dtype=dtype)
        keep = torch.rand(levels, generator=generator, device=device)
        return Noise(eps, keep, multinomial.prior(levels, self.layout.n_levels, generator))

    def corrupt_given(self, batch: MixedBatch, t: Tensor, noise: Noise) -> tuple[MixedBatch, Tensor]:
        """As `corrupt`, given the noise: x_t and the target of the numeric output."""
        eps, ab = noise.eps, over_cells(self.num_schedule.alpha_bar(t), batch.num)
        num, target = gaussian.corrupt(batch.num, eps, ab), self.prediction.target(batch.num, eps, ab)
        for stored in (batch.observed, None if batch.present is None else batch.present[..., None]):
            if stored is not None:
                num = torch.where(stored, num, eps)
                target = torch.where(stored, target, self.prediction.target_of_noise(eps, ab))
        ab = over_cells(self.cat_schedule.alpha_bar(t), batch.cat)
        cat = multinomial.corrupt_given(batch.cat, ab, noise.keep, noise.other)
        return MixedBatch(num, cat, present=batch.present), target

    def ask(
        self, denoiser: Denoiser, x_t: MixedBatch, t: Tensor, label: Tensor | None, known: Known | None
    ) -> tuple[Tensor, Tensor]:
        """What the network says of noisy rows in which it is shown the known cells: (raw, logits)."""
        if known is None:
            return denoiser(x_t.num, x_t.cat, t, label)
        x_t = known.shown(x_t)
        return denoiser(x_t.num, x_t.cat, t, label, known)

    def predict(
        self,
        denoiser: Denoiser,
        x_t: MixedBatch,
        t: Tensor,
        label: Tensor | None,
        known: Known | None = None,
    ) -> Prediction:
        """Ask the network what the clean rows are; t: (B,) or (1,) float64.

        What is predicted of known cells means nothing.
        """
        raw, logits = self.ask(denoiser, x_t, t, label, known)
        return self.read(raw, logits, x_t, t)

    def read(self, raw: Tensor, logits: Tensor, x_t: MixedBatch, t: Tensor) -> Prediction:
        """What the network's output for noisy rows means."""
        ab = over_cells(self.num_schedule.alpha_bar(t), x_t.num)
        x0 = self.prediction.x0(raw.float(), x_t.num, ab)
        return Prediction(x0, [torch.log_softmax(part, -1) for part in self.layout.split(logits.float())])

    def step_levels(
        self, x_t: Tensor, log_p0: list[Tensor], t: Tensor, s: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Draw the levels at time s < t given those at t: (B, *S, C)."""
        if not len(self.layout):
            return x_t
        ab_t = over_cells(self.cat_schedule.alpha_bar(t), x_t)
        ab_s = over_cells(alpha_bar_or_clean(self.cat_schedule, s), x_t)
        drawn = []
        for bucket, law in zip(self.layout.buckets, log_p0, strict=True):
            law = self.reverse(law, x_t[..., bucket.columns], ab_s, ab_t, bucket.n_levels)
            drawn.append(multinomial.draw(law, generator))
        return self.layout.scatter(drawn)


def over_cells(value: Tensor, like: Tensor) -> Tensor:
    """Shape (B,) or (1,) to (B, 1, ..., 1) with as many dimensions as `like`."""
    return value.reshape(-1, *(1 for _ in range(like.dim() - 1)))
