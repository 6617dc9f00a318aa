"""From noise back to rows: functions over a process and a denoiser.

Each takes and returns whole batches on one device, draws only from the generator it is given, and asks the
network once for each step (twice with guidance).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from tabdiff.batch import MixedBatch
from tabdiff.diffusion import gaussian
from tabdiff.diffusion.mixed import Denoiser, MixedProcess, Prediction
from tabdiff.diffusion.schedules import alpha_bar_or_clean, time_grid

__all__ = ["Predict", "Sampler", "ancestral", "conditional", "few_step", "guided"]

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


def conditional(process: MixedProcess, denoiser: Denoiser, label: Tensor | None) -> Predict:
    """The prediction for rows of the given labels: (B,) long, or None for a model without classes."""

    def predict(x_t: MixedBatch, t: Tensor) -> Prediction:
        return process.predict(denoiser, x_t, t, label)

    return predict


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
        x_t, previous = MixedBatch(num, cat), (prediction.x0, ab_t)
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
        x_t = MixedBatch(num, process.step_levels(x_t.cat, prediction.log_p0, t, s, generator))
    return x_t
