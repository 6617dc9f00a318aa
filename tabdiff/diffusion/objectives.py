"""What training minimises: functions that return one loss for each row.

A term for each numeric column (squared error, in units of its target's variance) and one for each
categorical column (nats), averaged over all columns, so that no kind drowns the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion import multinomial
from tabdiff.diffusion.distillation import Answers, Lesson
from tabdiff.diffusion.mixed import Denoiser, LevelLayout, MixedProcess, Noise, over_cells
from tabdiff.diffusion.schedules import alpha_bar_or_clean

__all__ = [
    "CrossEntropyObjective",
    "Objective",
    "VariationalObjective",
    "marginal_entropies",
    "stratified_times",
]


class Objective(Protocol):
    """A loss for each row."""

    @property
    def process(self) -> MixedProcess:
        """How rows turn into noise."""
        ...

    def __call__(
        self,
        denoiser: Denoiser,
        batch: MixedBatch,
        label: Tensor | None,
        generator: torch.Generator | None,
        known: Known | None = None,
        lesson: Lesson | None = None,
    ) -> Tensor:
        """Loss of each row at a random time and with random noise: (B,).

        The network is shown the known cells, and the loss is over the others. It is divided by the number of
        all cells, so that a cell weighs the same whichever others are known. Rows of a lesson are learned by
        what its teacher says of them, as far as the objective can.
        """
        ...

    def given(
        self,
        denoiser: Denoiser,
        batch: MixedBatch,
        label: Tensor | None,
        t: Tensor,
        noise: Noise,
        known: Known | None = None,
    ) -> Tensor:
        """As a call at times t, (B,) float64, with this noise, but over observed cells only: (B,)."""
        ...


def stratified_times(n_rows: int, generator: torch.Generator | None, device: torch.device | str) -> Tensor:
    """One time for each row, evenly spread over (0, 1) in random order: (n_rows,) float64.

    One uniform draw in each of n_rows equal strata: the same law as independent draws and a batch loss of
    lower variance. Source: Kingma et al. 2021 (arXiv:2107.00630), appendix I.1, there by one shared shift.
    """
    stratum = torch.randperm(n_rows, generator=generator, device=device)
    jitter = torch.rand(n_rows, generator=generator, device=device, dtype=torch.float64)
    return (stratum + jitter) / n_rows


def marginal_entropies(cat: Tensor, layout: LevelLayout, present: Tensor | None = None) -> Tensor:
    """Entropy of each column's observed levels in nats: cat (B, *S, C) -> (C,) float32.

    present: (B, *S) bool, the positions that count; None means all.
    """
    flat = cat.flatten(0, -2) if present is None else cat[present]
    entropies = []
    for column, count in enumerate(layout.n_levels.tolist()):
        share = torch.bincount(flat[:, column], minlength=count).double() / max(len(flat), 1)
        entropies.append(torch.special.entr(share).sum())
    return torch.stack(entropies).float() if entropies else torch.zeros(0)


def squared_errors(raw: Tensor, target: Tensor) -> Tensor:
    """Squared error summed over inner positions and features: (B,)."""
    return (raw.float() - target).square().flatten(1).sum(1)


def _counted_errors(
    raw: Tensor, target: Tensor, observed: Tensor | None, known: Known | None, present: Tensor | None
) -> Tensor:
    """Squared error summed over the numeric cells that hold a value, are present and not known: (B,)."""
    if present is not None:
        raw = torch.where(present[..., None], raw.float(), target)
    if observed is not None:
        raw = torch.where(observed, raw.float(), target)
    if known is not None:
        raw = torch.where(known.num, target, raw.float())
    return squared_errors(raw, target)


def _over_counted(
    values: Tensor,
    columns: Tensor,
    known: Known | None,
    present: Tensor | None,
    to_learn: Tensor | None = None,
) -> Tensor:
    """Values (B, *S, Cb) of some categorical columns summed over the cells that count: (B,).

    Those at positions that are present, not known and, of all columns' cells (B, *S, C), `to_learn`.
    """
    if known is not None:
        values = values.masked_fill(known.cat[..., columns], 0)
    if present is not None:
        values = values.masked_fill(~present[..., None], 0)
    if to_learn is not None:
        values = values.masked_fill(~to_learn[..., columns], 0)
    return values.flatten(1).sum(1)


@dataclass(frozen=True)
class CrossEntropyObjective:
    """Squared error of the numeric output and cross-entropy of the levels: the default.

    The head then means log p(x_0 | x_t). Each column's cross-entropy is divided by the entropy of its
    levels (entropies: (C,)), as a nearly constant column has little to say; `floor` bounds the division.
    Levels that the noisy row tells already, see `MixedProcess.to_learn`, are not counted.
    """

    process: MixedProcess
    entropies: Tensor
    floor: float = 0.1

    def __call__(
        self,
        denoiser: Denoiser,
        batch: MixedBatch,
        label: Tensor | None,
        generator: torch.Generator | None,
        known: Known | None = None,
        lesson: Lesson | None = None,
    ) -> Tensor:
        """Loss of each row at one random time: (B,)."""
        t = stratified_times(len(batch), generator, batch.num.device)
        x_t, target = self.process.corrupt(batch, t, generator)
        answers = None if lesson is None else lesson.answers(self.process, x_t, t, label, known)
        raw, logits = self.process.ask(denoiser, x_t, t, label, known)
        return self._loss(raw, logits, target, batch, x_t, None, known, answers)

    def given(
        self,
        denoiser: Denoiser,
        batch: MixedBatch,
        label: Tensor | None,
        t: Tensor,
        noise: Noise,
        known: Known | None = None,
    ) -> Tensor:
        """Loss of each row at times t with this noise, over its observed cells: (B,)."""
        x_t, target = self.process.corrupt_given(batch, t, noise)
        raw, logits = self.process.ask(denoiser, x_t, t, label, known)
        return self._loss(raw, logits, target, batch, x_t, batch.observed, known)

    def _loss(
        self,
        raw: Tensor,
        logits: Tensor,
        target: Tensor,
        batch: MixedBatch,
        x_t: MixedBatch,
        observed: Tensor | None,
        known: Known | None,
        answers: Answers | None = None,
    ) -> Tensor:
        """Squared error of the numbers plus the normalised cross-entropy of every column: (B,)."""
        target = target if answers is None else answers.numbers(target)
        loss = _counted_errors(raw, target, observed, known, batch.present)
        to_learn = self.process.to_learn(x_t.cat)
        parts = self.process.layout.split(logits.float())
        for place, (bucket, part) in enumerate(zip(self.process.layout.buckets, parts, strict=True)):
            x0 = batch.cat[..., bucket.columns]
            log_p = torch.log_softmax(part, -1)
            surprise = -log_p.gather(-1, x0[..., None])[..., 0]
            if answers is not None:
                surprise = answers.surprises(place, bucket, log_p, surprise)
            surprise = surprise / self.entropies[bucket.columns].clamp_min(self.floor)
            loss = loss + _over_counted(surprise, bucket.columns, known, batch.present, to_learn)
        return loss / _n_terms(batch)


@dataclass(frozen=True)
class VariationalObjective:
    """TabDDPM's loss: squared error of the noise and the variational bound of the levels.

    Time takes the values i / n_steps; the bound's terms are weighted by n_steps, so that their mean is the
    bound itself. Use with `NoisePrediction` and `multinomial.log_reverse_plugin`.
    Source: Kotelnikov et al. 2023 (arXiv:2209.15421), section 3; DIFFERS: the constant prior term is left
    out, as no parameter enters it, and the mean runs over columns, not kinds.
    """

    process: MixedProcess
    n_steps: int = 1000

    def __call__(
        self,
        denoiser: Denoiser,
        batch: MixedBatch,
        label: Tensor | None,
        generator: torch.Generator | None,
        known: Known | None = None,
        lesson: Lesson | None = None,
    ) -> Tensor:
        """Loss of each row at one random step: (B,). A lesson is obeyed for numbers alone."""
        t = self._on_steps(stratified_times(len(batch), generator, batch.num.device))
        x_t, target = self.process.corrupt(batch, t, generator)
        if lesson is not None:
            target = lesson.answers(self.process, x_t, t, label, known).numbers(target)
        raw, logits = self.process.ask(denoiser, x_t, t, label, known)
        errors = _counted_errors(raw, target, None, known, batch.present)
        bound = self.bound_terms(logits, batch.cat, x_t.cat, t, known, batch.present)
        return (errors + bound) / _n_terms(batch)

    def given(
        self,
        denoiser: Denoiser,
        batch: MixedBatch,
        label: Tensor | None,
        t: Tensor,
        noise: Noise,
        known: Known | None = None,
    ) -> Tensor:
        """Loss of each row at times t with this noise, over its observed cells: (B,)."""
        t = self._on_steps(t)
        x_t, target = self.process.corrupt_given(batch, t, noise)
        raw, logits = self.process.ask(denoiser, x_t, t, label, known)
        errors = _counted_errors(raw, target, batch.observed, known, batch.present)
        bound = self.bound_terms(logits, batch.cat, x_t.cat, t, known, batch.present)
        return (errors + bound) / _n_terms(batch)

    def _on_steps(self, t: Tensor) -> Tensor:
        """The first of the times i / n_steps, i from 1 on, that is not before t."""
        return torch.ceil(t * self.n_steps).clamp(1, self.n_steps) / self.n_steps

    def bound_terms(
        self,
        logits: Tensor,
        x0: Tensor,
        x_t: Tensor,
        t: Tensor,
        known: Known | None = None,
        present: Tensor | None = None,
    ) -> Tensor:
        """n_steps times the term of the bound at time t, summed over present cells not known: (B,) nats."""
        schedule, s = self.process.cat_schedule, (t - 1 / self.n_steps).clamp_min(0)
        ab_t, ab_s = over_cells(schedule.alpha_bar(t), x0), over_cells(alpha_bar_or_clean(schedule, s), x0)
        total = torch.zeros(len(x0), device=x0.device)
        for bucket, part in zip(
            self.process.layout.buckets, self.process.layout.split(logits.float()), strict=True
        ):
            term = multinomial.variational_term(
                torch.log_softmax(part, -1),
                x0[..., bucket.columns],
                x_t[..., bucket.columns],
                ab_s,
                ab_t,
                bucket.n_levels,
            )
            total = total + _over_counted(term, bucket.columns, known, present)
        return self.n_steps * total


def _n_terms(batch: MixedBatch) -> int | Tensor:
    """Number of cells in one row, over inner positions and both kinds; (B,) if some positions are absent."""
    if batch.present is not None:
        width = batch.num.shape[-1] + batch.cat.shape[-1]
        return (batch.present.flatten(1).sum(1) * width).clamp_min(1)
    inner = batch.num[0].numel() + batch.cat[0].numel()
    return max(inner, 1)
