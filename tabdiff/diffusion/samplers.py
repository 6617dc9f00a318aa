"""From noise back to rows: functions over a process and a denoiser.

Each takes and returns whole batches on one device, draws only from the generator it is given, and asks the
network once for each step (twice with guidance).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion import gaussian
from tabdiff.diffusion.mixed import Denoiser, LevelLayout, MixedProcess, Prediction
from tabdiff.diffusion.schedules import alpha_bar_or_clean, time_grid

__all__ = [
    "Predict",
    "Sampler",
    "ancestral",
    "around_mean",
    "conditional",
    "few_step",
    "forbidding",
    "guided",
]

Predict = Callable[[MixedBatch, Tensor], Prediction]


class Sampler(Protocol):
    """A way from noise to rows."""

    def __call__(
        self,
        process: MixedProcess,
        predict: Predict,
        start: MixedBatch,
        n_steps: int,
        generator: torch.Generator | None,
        t_start: float = 1.0,
    ) -> MixedBatch:
        """Lead rows at time t_start to time 0 in n_steps steps."""
        ...


def conditional(
    process: MixedProcess, denoiser: Denoiser, label: Tensor | None, known: Known | None = None
) -> Predict:
    """The prediction for rows of the given labels in which some cells are known.

    label: (B,) long, or None if none is told. What is predicted of known cells means nothing: put them into
    the rows drawn by `Known.shown`.
    """

    def predict(x_t: MixedBatch, t: Tensor) -> Prediction:
        return process.predict(denoiser, x_t, t, label, known)

    return predict


def forbidding(predict: Predict, layout: LevelLayout, forbidden: Sequence[tuple[int, int]]) -> Predict:
    """The prediction in which the forbidden levels, pairs of (column, level), have no probability.

    Noise may lead to such a level on the way, but no row ends on it, as the last step draws from the
    predicted law. `ValueError` if a column is left none. Exact for the column itself; others that
    depend on it follow only in part, as a prediction from much noise still counts on the forbidden level.
    """
    if not forbidden:
        return predict
    blocked = torch.zeros(layout.n_logits, dtype=torch.bool)
    for column, level in forbidden:
        blocked[layout.logits_of(column)][level] = True
    for column in {column for column, _ in forbidden}:
        if blocked[layout.logits_of(column)].all():
            raise ValueError(f"all levels of categorical feature {column} are forbidden: leave at least one.")
    masks = [
        blocked[b.start : b.start + b.size].reshape(-1, b.width).to(b.columns.device) for b in layout.buckets
    ]

    def allowed(x_t: MixedBatch, t: Tensor) -> Prediction:
        prediction = predict(x_t, t)
        laws = [
            torch.log_softmax(law.masked_fill(mask, -torch.inf), -1)
            for law, mask in zip(prediction.log_p0, masks, strict=True)
        ]
        return Prediction(prediction.x0, laws)

    return allowed


def guided(with_label: Predict, without_label: Predict, weight: float) -> Predict:
    """Classifier-free guidance: (1 + w) times the labelled prediction minus w times the unlabelled one.

    Log-laws are combined and normalised again. weight 0 is the labelled prediction itself, unchanged and at
    no extra cost; larger weights narrow p(x | y). Source: Ho & Salimans 2022 (arXiv:2207.12598), eq. 6.
    """
    if weight == 0:
        return with_label

    def predict(x_t: MixedBatch, t: Tensor) -> Prediction:
        told, untold = with_label(x_t, t), without_label(x_t, t)
        laws = []
        for law, law_untold in zip(told.log_p0, untold.log_p0, strict=True):
            # padding is -inf in both, and inf - inf is not a number
            law_untold = law_untold.masked_fill(law == -torch.inf, 0)
            laws.append(torch.log_softmax((1 + weight) * law - weight * law_untold, -1))
        return Prediction((1 + weight) * told.x0 - weight * untold.x0, laws)

    return predict


def around_mean(process: MixedProcess, predict: Predict, noise: MixedBatch) -> MixedBatch:
    """Pure noise moved to the mean that the law of x_1 has: noise + sqrt(ab) E[x_0 | x_1 = 0].

    A little of the data is left at t = 1, and given a class or other cells its mean is not 0: rows drawn from
    noise around 0 end too near to 0, by sqrt(ab) times that mean times their spread. Costs one evaluation,
    and is left out where hardly anything of the data is left.
    """
    t = torch.ones(1, dtype=torch.float64, device=noise.num.device)
    signal = process.num_schedule.alpha_bar(t).sqrt()
    if not process.n_num or float(signal) < 0.0015:
        return noise
    mean = predict(MixedBatch(torch.zeros_like(noise.num), noise.cat, present=noise.present), t).x0
    return MixedBatch(noise.num + signal.to(mean.dtype) * mean, noise.cat, present=noise.present)


def few_step(
    process: MixedProcess,
    predict: Predict,
    start: MixedBatch,
    n_steps: int,
    generator: torch.Generator | None,
    t_start: float = 1.0,
) -> MixedBatch:
    """Second-order multistep for numeric features, exact skip posterior for levels, on one time grid.

    start: rows at time t_start (`process.prior` at 1). n_steps: network evaluations; the last one denoises.
    Source: DPM-Solver++(2M) (arXiv:2211.01095) beside `multinomial.log_reverse`.
    """
    times = t_start * time_grid(n_steps, start.num.device)
    x_t, previous = start, None
    for t, s in zip(times[:-1, None], times[1:, None], strict=True):
        prediction = predict(x_t, t)
        ab_t, ab_s = process.num_schedule.alpha_bar(t), alpha_bar_or_clean(process.num_schedule, s)
        num = gaussian.multistep(x_t.num, prediction.x0, ab_t, ab_s, previous)
        cat = process.step_levels(x_t.cat, prediction.log_p0, t, s, generator)
        x_t, previous = MixedBatch(num, cat, present=start.present), (prediction.x0, ab_t)
    return x_t


def ancestral(
    process: MixedProcess,
    predict: Predict,
    start: MixedBatch,
    n_steps: int,
    generator: torch.Generator | None,
    t_start: float = 1.0,
) -> MixedBatch:
    """Draw every step from its posterior, as DDPM and TabDDPM do; n_steps is usually 1000.

    Source: Ho et al. 2020 (arXiv:2006.11239), algorithm 2, with the variance of q(x_s | x_t, x_0).
    """
    times = t_start * time_grid(n_steps, start.num.device)
    x_t = start
    for t, s in zip(times[:-1, None], times[1:, None], strict=True):
        prediction = predict(x_t, t)
        num = prediction.x0
        if float(s) > 0:
            ab_t, ab_s = process.num_schedule.alpha_bar(t), process.num_schedule.alpha_bar(s)
            mean, variance = gaussian.posterior(prediction.x0, x_t.num, ab_s, ab_t)
            noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
            num = mean + variance.sqrt() * noise
        cat = process.step_levels(x_t.cat, prediction.log_p0, t, s, generator)
        x_t = MixedBatch(num, cat, present=start.present)
    return x_t
