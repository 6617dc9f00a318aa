"""Slow but certain answers: laws by enumeration, and denoisers that know the law they reverse."""

from __future__ import annotations

import itertools
import math

import torch
from torch.nn.functional import one_hot

from tabdiff.batch import MixedBatch
from tabdiff.diffusion.gaussian import NoisePrediction
from tabdiff.diffusion.schedules import time_grid


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal_cdf(x, mean=0.0, spread=1.0):
    return torch.special.ndtr((x.double() - mean) / spread)


def ks_distance(values, cdf):
    """Largest distance between the empirical law of values (n,) and a continuous one."""
    values = values.double().sort().values
    above = torch.arange(1, len(values) + 1, dtype=torch.float64) / len(values)
    law = cdf(values)
    return float(torch.maximum((above - law).abs(), (above - 1 / len(values) - law).abs()).max())


def ks_noise(n):
    """What `ks_distance` stays below in all but one of 1,000 samples of the law itself."""
    return math.sqrt(math.log(2 / 0.001) / (2 * n))


def total_variation(p, q):
    return float((p - q).abs().sum() / 2)


# --- the multinomial process as matrices ------------------------------------------------------------


def kernel(n_levels, ab):
    """q(x_t | x_0) as a matrix [x_0, x_t], float64."""
    return ab * torch.eye(n_levels, dtype=torch.float64) + (1 - ab) / n_levels


def bayes(n_levels, ab_s, ab_t):
    """q(x_s | x_t, x_0) by Bayes' rule, as a table [x_t, x_0, x_s]."""
    joint = torch.einsum("os,st->tos", kernel(n_levels, ab_s), kernel(n_levels, ab_t / ab_s))
    return joint / joint.sum(-1, keepdim=True)


def all_rows(n_levels):
    """Every row of a table of categorical columns: (n_rows, C)."""
    return torch.tensor(list(itertools.product(*(range(count) for count in n_levels))))


def joint_law(n_levels, seed=0):
    """A law over `all_rows`, far from a product."""
    weight = torch.rand(math.prod(n_levels), generator=generator(seed), dtype=torch.float64) ** 4
    return weight / weight.sum()


def chain_law(process, denoiser, rows, n_steps):
    """The exact law over all rows that a sampler of n_steps draws from, with no row ever drawn."""
    law = torch.full((len(rows),), 1 / len(rows), dtype=torch.float64)
    times = time_grid(n_steps)
    for t, s in itertools.pairwise(times[:, None]):
        ab_t, ab_s = (torch.where(u > 0, process.cat_schedule.alpha_bar(u), 1.0)[:, None] for u in (t, s))
        laws = process.predict(denoiser, MixedBatch(torch.zeros(len(rows), 0), rows), t, None).log_p0
        step = torch.ones(len(rows), len(rows), dtype=torch.float64)
        for bucket, log_p in zip(process.layout.buckets, laws, strict=True):
            log_p = process.reverse(log_p, rows[:, bucket.columns], ab_s, ab_t, bucket.n_levels)
            for j, column in enumerate(bucket.columns):
                step = step * log_p[:, j].double().exp()[:, rows[:, column]]
        law = law @ step
    return law


# --- denoisers that know the law --------------------------------------------------------------------


def as_raw(prediction, x0, x_t, ab):
    """The network's output that means x0."""
    if isinstance(prediction, NoisePrediction):
        return (x_t - ab.sqrt() * x0) / (1 - ab).sqrt()
    return (ab.sqrt() * x_t - x0) / (1 - ab).sqrt()


class ExactMixture:
    """Knows that a row is, with probability weight[n], the levels cat[n] beside N(mean[n], spread[n]^2).

    weight: (N,), mean and spread: (N, F), cat: (N, C). The head means log p(x_0 | x_t) or, if
    `variational`, what the plug-in law needs to be the exact one: log p(x_0 | x_t) / q(x_t | x_0).
    """

    def __init__(self, process, weight, mean=None, spread=None, cat=None, variational=False):
        self.process, self.weight, self.variational = process, weight, variational
        self.mean = torch.zeros(len(weight), 0) if mean is None else mean
        self.spread = torch.zeros_like(self.mean) if spread is None else spread
        self.cat = torch.zeros(len(weight), 0, dtype=torch.long) if cat is None else cat

    def __call__(self, num, cat, t, label):
        ab_num, ab_cat = (
            schedule.alpha_bar(t)[:, None].float()
            for schedule in (self.process.num_schedule, self.process.cat_schedule)
        )
        log_r = self.weight.float().log().expand(len(num), -1)
        variance = (
            ab_num[..., None] * self.spread.T**2
            + (1 - self.process.num_schedule.alpha_bar(t))[:, None, None].float()
        )
        distance = num[..., None] - ab_num.sqrt()[..., None] * self.mean.T
        log_r = log_r - (distance**2 / variance + variance.log()).sum(-2) / 2
        for column, count in enumerate(self.process.layout.n_levels.tolist()):
            log_r = log_r + self._log_noisy(cat[:, column, None], self.cat[:, column], ab_cat, count)
        r = torch.softmax(log_r, -1)

        gain = ab_num.sqrt()[..., None] * self.spread.T**2 / variance
        x0 = ((self.mean.T + gain * distance) * r[:, None]).sum(-1)
        raw = as_raw(self.process.prediction, x0, num, self.process.num_schedule.alpha_bar(t)[:, None])
        logits = [torch.zeros(len(num), 0)]
        for bucket in self.process.layout.buckets:
            for column, count in zip(bucket.columns.tolist(), bucket.n_levels.tolist(), strict=True):
                head = (r @ one_hot(self.cat[:, column], bucket.width).float()).log()
                if self.variational:
                    levels = torch.arange(bucket.width)
                    head = head - self._log_noisy(cat[:, column, None], levels, ab_cat, count)
                logits.append(head)
        return raw, torch.cat(logits, -1)

    @staticmethod
    def _log_noisy(x_t, x0, ab, count):
        return torch.log(ab * (x_t == x0) + (1 - ab) / count)


class ExactGaussian:
    """Knows that rows are N(mean, covariance): mean (F,), covariance (F, F). One time for all rows."""

    def __init__(self, process, mean, covariance):
        self.process, self.mean, self.covariance = process, mean.double(), covariance.double()

    def __call__(self, num, cat, t, label):
        ab = self.process.num_schedule.alpha_bar(t)
        noisy = ab * self.covariance + (1 - ab) * torch.eye(len(self.mean), dtype=torch.float64)
        distance = num.double() - ab.sqrt() * self.mean
        x0 = self.mean + ab.sqrt() * distance @ torch.linalg.solve(noisy, self.covariance)
        return as_raw(self.process.prediction, x0, num.double(), ab), torch.zeros(len(num), 0)


class Counting:
    """Passes everything on to another denoiser and keeps what it was asked."""

    def __init__(self, denoiser):
        self.denoiser, self.asked = denoiser, []

    def __call__(self, num, cat, t, label):
        self.asked.append((num, cat, t, label))
        return self.denoiser(num, cat, t, label)


class Constant:
    """Answers the same raw value and logits to every row."""

    def __init__(self, raw, logits):
        self.raw, self.logits = raw, logits

    def __call__(self, num, cat, t, label):
        shape = num.shape[:-1]
        return self.raw.expand(*shape, -1), self.logits.expand(*shape, -1)
