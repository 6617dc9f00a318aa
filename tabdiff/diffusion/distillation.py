"""What a former network says of rows that were drawn from it, to be learned in the place of the rows.

A row drawn is one guess of the former network, and what it says of the noisy row is the mean of all guesses:
the gradient is the same on average and much less noisy, and a network that says the same is left as it is.
Source: Hinton et al. 2015 (arXiv:1503.02531), there for classes; Shin et al. 2017 (arXiv:1705.08690) replay
with the answers of the former network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion.mixed import Bucket, Denoiser, MixedProcess

__all__ = ["Answers", "Lesson", "Teacher"]


@dataclass(frozen=True)
class Teacher:
    """A network that is asked, and what it knows.

    denoiser: takes the rows of the network in training. knows: (F,) bool, numeric features it has learned.
    n_levels: (C,) long, how many levels of each categorical feature it has learned, 0 for features it has
    not.
    """

    denoiser: Denoiser
    knows: Tensor
    n_levels: Tensor

    def of(self, rows: Tensor) -> Lesson:
        """What it teaches in a batch; rows: (B,) bool, those drawn from it."""
        return Lesson(self, rows)


@dataclass(frozen=True)
class Answers:
    """What a teacher says of a batch.

    rows: (B,) bool, where it is asked. teacher: who says so. num: (B, *S, F), its numeric output. logits: for
    each bucket (B, *S, Cb, K).
    """

    rows: Tensor
    teacher: Teacher
    num: Tensor
    logits: list[Tensor]

    def numbers(self, target: Tensor) -> Tensor:
        """The target of the numeric output: what the teacher says where it is asked and knows, (B, *S, F)."""
        cells = self.rows.reshape(-1, *(1 for _ in target.shape[1:])) & self.teacher.knows
        return torch.where(cells, self.num.float(), target)

    def surprises(self, place: int, bucket: Bucket, log_p: Tensor, surprise: Tensor) -> Tensor:
        """Cross-entropy of a bucket's levels where the teacher is asked and knows, `surprise` elsewhere.

        log_p: (B, *S, Cb, K), surprise: (B, *S, Cb), both of the network in training; place: number of the
        bucket.
        """
        n_known = self.teacher.n_levels[bucket.columns]
        levels = torch.arange(bucket.width, device=log_p.device) < n_known[:, None]
        said = self.logits[place].masked_fill(~levels, -torch.inf)
        # a feature without a known level is not asked about, and may say anything finite
        p = torch.softmax(torch.where(n_known[:, None] > 0, said, 0.0), -1)
        crossed = -(p * log_p.masked_fill(~levels, 0.0)).sum(-1)
        asked = self.rows.reshape(-1, *(1 for _ in surprise.shape[1:])) & (n_known > 0)
        return torch.where(asked, crossed, surprise)


@dataclass(frozen=True)
class Lesson:
    """A teacher, and which rows of a batch were drawn from it: (B,) bool."""

    teacher: Teacher
    rows: Tensor

    @torch.no_grad()
    def answers(
        self, process: MixedProcess, x_t: MixedBatch, t: Tensor, label: Tensor | None, known: Known | None
    ) -> Answers:
        """What the teacher says of noisy rows, asked as the network in training is."""
        num, logits = process.ask(self.teacher.denoiser, x_t, t, label, known)
        return Answers(self.rows, self.teacher, num, process.layout.split(logits.float()))
