"""Noise schedules: values on paper, ends, and the precision that alpha_bar near 1 needs."""

import math

import pytest
import torch

from tabdiff.diffusion.schedules import (
    SCHEDULES,
    CosineSchedule,
    KarrasSchedule,
    PowerSchedule,
    log_snr,
    spread,
    time_grid,
)


def at(*times):
    return torch.tensor(times, dtype=torch.float64)


def test_karras_with_rho_1_is_a_straight_line():
    sigma = KarrasSchedule(sigma_min=2.0, sigma_max=6.0, rho=1.0).sigma(at(0, 0.25, 1))
    assert sigma.tolist() == pytest.approx([2, 3, 6])


def test_karras_steps_are_those_of_edm():
    n, low, high, rho = 18, 0.002, 80.0, 7.0
    steps = [
        (high ** (1 / rho) + i / (n - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho for i in range(n)
    ]
    sigma = KarrasSchedule(low, high, rho).sigma(time_grid(n - 1))
    assert sigma.tolist() == pytest.approx(steps, rel=1e-12)


def test_karras_alpha_bar_is_the_share_of_signal_variance():
    schedule = KarrasSchedule(sigma_min=0.5, sigma_max=3.0)
    assert schedule.alpha_bar(at(0, 1)).tolist() == pytest.approx([0.8, 0.1])


def test_cosine_is_the_published_formula():
    f = [math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2 for t in (0, 0.3, 0.5)]
    assert CosineSchedule().alpha_bar(at(0, 0.3, 0.5)).tolist() == pytest.approx([v / f[0] for v in f])


def test_cosine_never_reaches_zero():
    assert CosineSchedule(floor=1e-4).alpha_bar(at(1)).item() == 1e-4


def test_power_reaches_zero_exactly():
    assert PowerSchedule(0.5).alpha_bar(at(0, 0.75, 1)).tolist() == [1, 0.5, 0]


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_falls_strictly_within_0_and_1(name):
    ab = SCHEDULES[name]().alpha_bar(time_grid(1000).flip(0))
    assert (ab.diff() < 0).all()
    assert 0 <= ab[-1] < 0.01 and 0.99999 < ab[0] <= 1


def test_noise_share_at_time_0_keeps_its_digits():
    assert (1 - KarrasSchedule().alpha_bar(at(0))).item() == pytest.approx(4e-6 / (1 + 4e-6), rel=1e-9)


def test_log_snr_of_karras_is_minus_two_log_sigma():
    t, schedule = at(0, 0.5, 1), KarrasSchedule()
    torch.testing.assert_close(
        log_snr(schedule.alpha_bar(t)), -2 * schedule.sigma(t).log(), rtol=1e-9, atol=0
    )


def test_log_snr_of_pure_data_is_infinite():
    assert log_snr(at(1)).item() == math.inf


def test_time_grid_runs_from_noise_to_data():
    assert time_grid(4).tolist() == [1, 0.75, 0.5, 0.25, 0]


@pytest.mark.parametrize("n_rows", [40, 4000])
def test_spread_is_the_largest_standard_deviation_in_any_direction(n_rows):
    # one number, shown 100 times beside little noise: the root of 100 times its variance
    draws = torch.Generator().manual_seed(0)
    shared = torch.randn(n_rows, 1, generator=draws)
    cells = shared + 0.001 * torch.randn(n_rows, 100, generator=draws)
    assert spread(cells + 7) == pytest.approx(10 * float(shared.std(correction=0)), rel=1e-3)


def test_spread_of_independent_cells_is_theirs():
    cells = torch.randn(20_000, 5, generator=torch.Generator().manual_seed(1))
    assert spread(cells) == pytest.approx(1, abs=0.03)
    assert spread(cells[:, :0]) == 1 and spread(cells[:0]) == 1 and spread(0.1 * cells) == 1
