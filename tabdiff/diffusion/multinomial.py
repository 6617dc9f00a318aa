"""The multinomial process of categorical features, in log space and over all columns at once.

A level is kept with probability alpha_bar and otherwise replaced by one drawn evenly from the column's
levels (Hoogeboom et al. 2021, arXiv:2102.05379). Shapes: x0, x_t: (..., C) long; log_p: (..., C, K)
float, where column c has n_levels[c] <= K levels and the entries behind them are -inf; n_levels: (C,)
long; ab, ab_s, ab_t: alpha_bar, broadcastable to (..., C), with ab_t < ab_s <= 1 for s < t.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "corrupt",
    "corrupt_given",
    "draw",
    "log_marginal",
    "log_posterior",
    "log_reverse",
    "log_reverse_plugin",
    "mask_padding",
    "one_hot_log",
    "prior",
    "variational_term",
]


def mask_padding(logits: Tensor, n_levels: Tensor, value: float = -torch.inf) -> Tensor:
    """Set the entries behind each column's last level to -inf, or to another value."""
    padding = torch.arange(logits.shape[-1], device=logits.device) >= n_levels[:, None]
    return logits.masked_fill(padding, value)


def one_hot_log(x: Tensor, n_classes: int) -> Tensor:
    """The law that is certain of x: 0 at its level, -inf elsewhere."""
    return functional.one_hot(x, n_classes).to(torch.get_default_dtype()).log()


def prior(shape: tuple[int, ...], n_levels: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw evenly from the levels of each column: shape is (..., C)."""
    return (torch.rand(shape, generator=generator, device=n_levels.device) * n_levels).long()


def corrupt(x0: Tensor, ab: Tensor, n_levels: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw x_t from q(x_t | x_0) without ever forming a probability table."""
    keep = torch.rand(x0.shape, generator=generator, device=x0.device)
    return corrupt_given(x0, ab, keep, prior(tuple(x0.shape), n_levels, generator))


def corrupt_given(x0: Tensor, ab: Tensor, keep: Tensor, other: Tensor) -> Tensor:
    """x_t, given its noise: x0 where keep, uniform in [0, 1), is below ab, else the level `other`."""
    return torch.where(keep < ab, x0, other)


def log_marginal(log_p0: Tensor, ab: Tensor, n_levels: Tensor) -> Tensor:
    """Log of q(x_t | law of x_0) = ab p_0 + (1 - ab) / K.

    Source: Hoogeboom et al. 2021 (arXiv:2102.05379), eq. 12.
    """
    kept, replaced = _log_kept(ab, log_p0), _log_replaced(ab, n_levels, log_p0)
    # at ab = 1 padding would meet -inf with -inf, where the gradient of logaddexp is not a number
    law = mask_padding(log_p0, n_levels, 0.0)
    return mask_padding(torch.logaddexp(law + kept, replaced), n_levels)


def log_posterior(
    x0: Tensor, x_t: Tensor, ab_s: Tensor, ab_t: Tensor, n_levels: Tensor, width: int
) -> Tensor:
    """Log of q(x_s | x_t, x_0) for any s < t, normalised: (..., C, width).

    Source: Hoogeboom et al. 2021 (arXiv:2102.05379), eq. 13, there with s = t - 1.
    """
    return log_reverse_plugin(one_hot_log(x0, width), x_t, ab_s, ab_t, n_levels)


def log_reverse_plugin(log_p0: Tensor, x_t: Tensor, ab_s: Tensor, ab_t: Tensor, n_levels: Tensor) -> Tensor:
    """Log of q(x_s | x_t, x_0) with the predicted law put in the place of x_0, normalised.

    Right for a head trained on `variational_term`, which learns whatever makes this law right. Wrong for
    a head trained by cross-entropy, which learns p(x_0 | x_t): use `log_reverse` there.
    Source: TabDDPM, Kotelnikov et al. 2023 (arXiv:2209.15421), section 3.
    """
    same, other = _log_noisy(ab_t / ab_s, n_levels, log_p0)
    level = torch.arange(log_p0.shape[-1], device=log_p0.device)
    step = torch.where(level == x_t[..., None], same, other)
    return torch.log_softmax(step + log_marginal(log_p0, ab_s, n_levels), dim=-1)


def log_reverse(log_p0: Tensor, x_t: Tensor, ab_s: Tensor, ab_t: Tensor, n_levels: Tensor) -> Tensor:
    """Log of p(x_s | x_t) = sum over x_0 of q(x_s | x_t, x_0) p(x_0 | x_t), normalised, in O(K).

    With w(k) = p(x_0 = k | x_t) / q(x_t | x_0 = k), the sum over x_0 collapses to
    q(x_t | x_s) [ab_s w(x_s) + (1 - ab_s) / K sum_k w(k)].
    DIFFERS: arXiv:2209.15421 plugs the predicted law into the posterior; we sum over x_0, because a head
    trained by cross-entropy means log p(x_0 | x_t), and the plug-in law is then off by several per cent.
    """
    at = x_t[..., None]
    same_t, other_t = _log_noisy(ab_t, n_levels, log_p0)
    same_step, other_step = _log_noisy(ab_t / ab_s, n_levels, log_p0)
    log_p_at = log_p0.gather(-1, at).clamp_max(0)
    # q(x_t | x_0) takes two values only, so that sum_k w(k) needs no sum over levels
    log_sum_w = torch.logaddexp(log_p_at - same_t, torch.log(-torch.expm1(log_p_at)) - other_t)
    anywhere = log_sum_w + _log_replaced(ab_s, n_levels, log_p0)
    log_ab_s = _log_kept(ab_s, log_p0)
    # factors are at most 1, so that only the widest tensor leaves log space, where a sum costs ten times more
    law = torch.addcmul(
        (anywhere + other_step).exp(), log_p0.exp(), (log_ab_s - other_t + other_step).exp()
    ).log()
    law_at = torch.logaddexp(log_p_at + (log_ab_s - same_t), anywhere) + same_step
    return mask_padding(law.scatter(-1, at, law_at), n_levels)


def variational_term(
    log_p0: Tensor, x0: Tensor, x_t: Tensor, ab_s: Tensor, ab_t: Tensor, n_levels: Tensor
) -> Tensor:
    """KL(q(x_s | x_t, x_0) || plug-in law) per column in nats: (..., C).

    At ab_s = 1 it is the negative log-likelihood of x_0, so that one formula serves every step of the
    variational bound. Source: Hoogeboom et al. 2021 (arXiv:2102.05379), eqs. 14-15.
    """
    log_q = log_posterior(x0, x_t, ab_s, ab_t, n_levels, log_p0.shape[-1])
    log_p = log_reverse_plugin(log_p0, x_t, ab_s, ab_t, n_levels)
    impossible = log_q == -torch.inf
    difference = log_q.masked_fill(impossible, 0) - log_p.masked_fill(impossible, 0)
    return (log_q.exp() * difference).sum(-1)


def draw(log_p: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw a level from each normalised law by inverting its distribution function: (..., C) long."""
    cumulative = log_p.exp().cumsum(-1)
    uniform = torch.rand((*log_p.shape[:-1], 1), generator=generator, device=log_p.device)
    # times the last sum, not 1: whatever the rounding, no draw falls on padding behind the last level
    return (cumulative <= uniform * cumulative[..., -1:]).sum(-1)


def _log_kept(ab: Tensor, like: Tensor) -> Tensor:
    """log(ab) as (..., C or 1, 1), in the dtype of `like`."""
    return ab[..., None].log().to(like.dtype)


def _log_replaced(ab: Tensor, n_levels: Tensor, like: Tensor) -> Tensor:
    """log((1 - ab) / K) as (..., C, 1), in the dtype of `like`; the complement is taken before rounding."""
    ab = ab[..., None]
    return (torch.log1p(-ab) - n_levels[:, None].to(ab.dtype).log()).to(like.dtype)


def _log_noisy(ab: Tensor, n_levels: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability that noise leads from a level to itself, and to one certain other: both (..., C, 1)."""
    other = _log_replaced(ab, n_levels, like)
    return torch.logaddexp(_log_kept(ab, like), other), other
