"""The Gaussian process of numeric features: pure functions on standard scores.

Everywhere x0, x_t, eps, raw: (B, *S, F) float; ab, ab_s, ab_t: alpha_bar, broadcastable to it, with
s < t and therefore ab_t < ab_s <= 1. Pass alpha_bar in float64: close to 1 its complement is what counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

__all__ = [
    "NoisePrediction",
    "Prediction",
    "VelocityPrediction",
    "corrupt",
    "kl_between_gaussians",
    "multistep",
    "noise_from_x0",
    "posterior",
]


def _scales(ab: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Scale of the data and of the noise, sqrt(ab) and sqrt(1 - ab), in the dtype of `like`."""
    return ab.sqrt().to(like.dtype), (1 - ab).sqrt().to(like.dtype)


def corrupt(x0: Tensor, eps: Tensor, ab: Tensor) -> Tensor:
    """Draw from q(x_t | x_0), given its noise: sqrt(ab) x0 + sqrt(1 - ab) eps.

    Source: Ho et al. 2020 (arXiv:2006.11239), eq. 4.
    """
    signal, noise = _scales(ab, x0)
    return signal * x0 + noise * eps


def noise_from_x0(x0: Tensor, x_t: Tensor, ab: Tensor) -> Tensor:
    """Recover the eps that leads from x0 to x_t: the inverse of `corrupt`."""
    signal, noise = _scales(ab, x0)
    return (x_t - signal * x0) / noise


def posterior(x0: Tensor, x_t: Tensor, ab_s: Tensor, ab_t: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (B, *S, F) and variance (broadcastable) of q(x_s | x_t, x_0) for any s < t.

    Source: Ho et al. 2020 (arXiv:2006.11239), eqs. 6-7, there with s = t - 1.
    """
    ab_ts = ab_t / ab_s
    weight_x0 = (ab_s.sqrt() * (1 - ab_ts) / (1 - ab_t)).to(x0.dtype)
    weight_xt = (ab_ts.sqrt() * (1 - ab_s) / (1 - ab_t)).to(x0.dtype)
    variance = ((1 - ab_ts) * (1 - ab_s) / (1 - ab_t)).to(x0.dtype)
    return weight_x0 * x0 + weight_xt * x_t, variance


def kl_between_gaussians(mean_p: Tensor, var_p: Tensor, mean_q: Tensor, var_q: Tensor) -> Tensor:
    """KL(N(mean_p, var_p) || N(mean_q, var_q)) in nats, elementwise."""
    return 0.5 * (torch.log(var_q / var_p) + (var_p + (mean_p - mean_q) ** 2) / var_q - 1)


def multistep(
    x_t: Tensor,
    x0: Tensor,
    ab_t: Tensor,
    ab_s: Tensor,
    previous: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """One deterministic step from t to s of second order, given the last two predictions of x0.

    previous: (x0, ab) of the step before, or None at the first step, which is then of first order.
    At ab_s = 1 the step ends on x0 itself.
    Source: DPM-Solver++(2M), Lu et al. 2022 (arXiv:2211.01095), algorithm 2, in data prediction.
    """
    if bool((ab_s >= 1).all()):
        return x0
    step = _half_log_snr(ab_s) - _half_log_snr(ab_t)
    estimate = x0
    if previous is not None:
        x0_before, ab_before = previous
        ratio = (_half_log_snr(ab_t) - _half_log_snr(ab_before)) / step
        slope = (1 / (2 * ratio)).to(x0.dtype)
        estimate = x0 + slope * (x0 - x0_before)
    keep = ((1 - ab_s) / (1 - ab_t)).sqrt().to(x0.dtype)
    move = (-ab_s.sqrt() * torch.expm1(-step)).to(x0.dtype)
    return keep * x_t + move * estimate


def _half_log_snr(ab: Tensor) -> Tensor:
    return 0.5 * (torch.log(ab) - torch.log1p(-ab))


class Prediction(Protocol):
    """What the network's numeric output stands for."""

    def x0(self, raw: Tensor, x_t: Tensor, ab: Tensor) -> Tensor:
        """Turn the network's output into the mean of x_0 given x_t."""
        ...

    def target(self, x0: Tensor, eps: Tensor, ab: Tensor) -> Tensor:
        """What the output should be when data and noise are known."""
        ...

    def target_of_noise(self, x_t: Tensor, ab: Tensor) -> Tensor:
        """What the output should be where x_0 is itself standard normal noise."""
        ...


@dataclass(frozen=True)
class VelocityPrediction:
    """The network predicts v = sqrt(ab) eps - sqrt(1 - ab) x0.

    Equal to EDM's preconditioned network with sigma_data = 1 (arXiv:2206.00364, eq. 7, F = -v): the
    squared error of v with equal weights is EDM's loss with its weights lambda(sigma).
    Source: Salimans & Ho 2022 (arXiv:2202.00512), appendix D.
    """

    def x0(self, raw: Tensor, x_t: Tensor, ab: Tensor) -> Tensor:
        """sqrt(ab) x_t - sqrt(1 - ab) v."""
        signal, noise = _scales(ab, x_t)
        return signal * x_t - noise * raw

    def target(self, x0: Tensor, eps: Tensor, ab: Tensor) -> Tensor:
        """Compute v from data and noise."""
        signal, noise = _scales(ab, x0)
        return signal * eps - noise * x0

    def target_of_noise(self, x_t: Tensor, ab: Tensor) -> Tensor:
        """E[v | x_t] = 0 when x_0 and eps are both standard normal."""
        return torch.zeros_like(x_t)


@dataclass(frozen=True)
class NoisePrediction:
    """The network predicts eps, as in Ho et al. 2020 and in TabDDPM (arXiv:2209.15421)."""

    def x0(self, raw: Tensor, x_t: Tensor, ab: Tensor) -> Tensor:
        """(x_t - sqrt(1 - ab) eps) / sqrt(ab)."""
        signal, noise = _scales(ab, x_t)
        return (x_t - noise * raw) / signal

    def target(self, x0: Tensor, eps: Tensor, ab: Tensor) -> Tensor:
        """The noise itself."""
        return eps

    def target_of_noise(self, x_t: Tensor, ab: Tensor) -> Tensor:
        """E[eps | x_t] = sqrt(1 - ab) x_t when x_0 and eps are both standard normal."""
        return _scales(ab, x_t)[1] * x_t
