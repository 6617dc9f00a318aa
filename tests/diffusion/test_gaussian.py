"""The Gaussian process: quadrature, closed forms, EDM's preconditioning and the order of the solver."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import generator

from tabdiff.diffusion import gaussian
from tabdiff.diffusion.gaussian import NoisePrediction, VelocityPrediction
from tabdiff.diffusion.schedules import KarrasSchedule

PREDICTIONS = [VelocityPrediction(), NoisePrediction()]
SKIPS = [(1 - 1e-4, 0.99), (0.9, 0.89), (0.7, 0.2), (0.99, 0.01)]


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def density(x, mean, variance):
    return torch.exp(-((x - mean) ** 2) / (2 * variance)) / (2 * torch.pi * variance) ** 0.5


@pytest.fixture
def grid():
    return torch.linspace(-12, 12, 240_001, dtype=torch.float64)


# --- known answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ab", [0.999, 0.6, 0.01])
def test_forward_moments(ab):
    n, x0 = 200_000, 1.7
    eps = torch.randn(n, generator=generator(), dtype=torch.float64)
    x_t = gaussian.corrupt(torch.full_like(eps, x0), eps, f64(ab))
    spread = (1 - ab) ** 0.5
    assert x_t.mean().item() == pytest.approx(ab**0.5 * x0, abs=4 * spread / n**0.5)
    assert x_t.var().item() == pytest.approx(1 - ab, rel=4 * (2 / n) ** 0.5)


def test_corrupt_by_hand():
    x_t = gaussian.corrupt(f64(1.0, -2.0), f64(0.5, 1.0), f64(0.64))
    assert x_t.tolist() == pytest.approx([0.8 + 0.3, -1.6 + 0.6])


@pytest.mark.parametrize(("ab_s", "ab_t"), SKIPS)
def test_posterior_is_bayes_rule(ab_s, ab_t, grid):
    x0, x_t, ab_ts = 0.8, -0.4, ab_t / ab_s
    law = density(grid, ab_s**0.5 * x0, 1 - ab_s) * density(x_t, ab_ts**0.5 * grid, 1 - ab_ts)
    law = law / law.sum()
    mean = (law * grid).sum()
    expected = mean.item(), (law * (grid - mean) ** 2).sum().item()
    actual = gaussian.posterior(f64(x0), f64(x_t), f64(ab_s), f64(ab_t))
    assert [value.item() for value in actual] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("p", "q"), [((0.0, 1.0), (0.0, 1.0)), ((1.0, 0.5), (-0.3, 2.0)), ((0, 2), (1, 0.7))]
)
def test_kl_is_the_integral(p, q, grid):
    law = density(grid, *p)
    log_ratio = (grid - q[0]) ** 2 / (2 * q[1]) - (grid - p[0]) ** 2 / (2 * p[1])
    log_ratio = log_ratio + 0.5 * torch.log(f64(q[1] / p[1]))
    integral = torch.trapezoid(law * log_ratio, grid).item()
    kl = gaussian.kl_between_gaussians(*(f64(value) for value in (*p, *q))).item()
    assert kl == pytest.approx(integral, abs=1e-8)


@pytest.mark.parametrize("sigma", [0.002, 0.5, 10.0])
def test_velocity_is_the_network_of_edm(sigma):
    x_t, network_output = torch.randn(2, 50, generator=generator(), dtype=torch.float64)
    ab = f64(1 / (1 + sigma**2))
    c_skip, c_out = 1 / (1 + sigma**2), sigma / (1 + sigma**2) ** 0.5
    x_sigma = x_t * (1 + sigma**2) ** 0.5  # so that c_in x_sigma = x_t
    edm = c_skip * x_sigma + c_out * network_output
    torch.testing.assert_close(VelocityPrediction().x0(-network_output, x_t, ab), edm)


@pytest.mark.parametrize("sigma", [0.002, 0.5, 10.0])
def test_velocity_error_is_the_weighted_error_of_edm(sigma):
    x0, eps, raw = torch.randn(3, 50, generator=generator(), dtype=torch.float64)
    ab, velocity = f64(1 / (1 + sigma**2)), VelocityPrediction()
    x_t = gaussian.corrupt(x0, eps, ab)
    edm_loss = (sigma**2 + 1) / sigma**2 * (velocity.x0(raw, x_t, ab) - x0) ** 2
    torch.testing.assert_close((raw - velocity.target(x0, eps, ab)) ** 2, edm_loss, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("ab", [1 - 4e-6, 0.5, 0.01])
def test_input_and_velocity_have_unit_variance_and_do_not_correlate(ab):
    # coefficients of x0 and eps, both of unit variance, in the input and in the target
    x0, eps = f64(1, 0), f64(0, 1)
    rows = torch.stack([gaussian.corrupt(x0, eps, f64(ab)), VelocityPrediction().target(x0, eps, f64(ab))])
    torch.testing.assert_close(rows @ rows.T, torch.eye(2, dtype=torch.float64))


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: type(p).__name__)
def test_target_of_noise_is_the_regression_on_the_noisy_value(prediction):
    x0, eps = torch.randn(2, 400_000, generator=generator(), dtype=torch.float64)
    ab = f64(0.3)
    x_t = gaussian.corrupt(x0, eps, ab)
    slope = (prediction.target(x0, eps, ab) * x_t).mean() / (x_t**2).mean()
    assert prediction.target_of_noise(f64(1.0), ab).item() == pytest.approx(slope.item(), abs=0.007)


def test_noise_close_to_data_keeps_its_digits_in_float32():
    x0, eps = torch.zeros(1), torch.ones(1)
    ab = KarrasSchedule().alpha_bar(f64(0.0))
    x_t = gaussian.corrupt(x0, eps, ab)
    assert x_t.dtype == torch.float32
    assert x_t.item() == pytest.approx(0.002 / (1 + 4e-6) ** 0.5, rel=2e-7)
    assert gaussian.noise_from_x0(x0, x_t, ab).item() == pytest.approx(1, rel=2e-7)


# --- order of convergence ---------------------------------------------------------------------------


def solver_error(n_steps, second_order):
    """Error after n_steps, even in log-SNR, for x0 ~ N(0, 1/4), whose flow is known in closed form."""
    variance = 0.25
    abs_ = torch.sigmoid(torch.linspace(-4.6, 6.9, n_steps + 1, dtype=torch.float64))
    x, previous = f64(1.0), None
    for ab_t, ab_s in itertools.pairwise(abs_[:, None]):
        x0 = ab_t.sqrt() * variance / (ab_t * variance + 1 - ab_t) * x
        x = gaussian.multistep(x, x0, ab_t, ab_s, previous)
        previous = (x0, ab_t) if second_order else None
    first, last = (ab * variance + 1 - ab for ab in (abs_[0], abs_[-1]))
    return abs(x.item() - (last / first).sqrt().item())


@pytest.mark.parametrize(("second_order", "low", "high"), [(True, 3.7, 4.2), (False, 1.9, 2.1)])
def test_halving_the_step_cuts_the_error_by_the_order(second_order, low, high):
    errors = [solver_error(n, second_order) for n in (16, 32, 64, 128)]
    assert all(low < coarse / fine < high for coarse, fine in itertools.pairwise(errors))


def test_history_pays_at_32_steps():
    assert solver_error(32, True) < 1e-3 < 1e-2 < solver_error(32, False)


def test_a_step_keeps_a_point_that_is_its_own_prediction():
    x0, eps = f64(0.7), f64(-1.1)
    ab_t, ab_s = f64(0.2), f64(0.6)
    step = gaussian.multistep(gaussian.corrupt(x0, eps, ab_t), x0, ab_t, ab_s, (x0, f64(0.1)))
    torch.testing.assert_close(step, gaussian.corrupt(x0, eps, ab_s))


def test_the_last_step_ends_on_the_prediction():
    x0 = torch.tensor([1.5, -2.0])
    step = gaussian.multistep(torch.zeros(2), x0, f64(0.5), f64(1.0), (torch.ones(2), f64(0.1)))
    assert torch.equal(step, x0)


# --- properties -------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(1e-4, 1 - 1e-5))
def test_data_and_noise_come_back_from_every_parametrisation(x0, eps, ab):
    x0, eps, ab = f64(x0), f64(eps), f64(ab)
    x_t = gaussian.corrupt(x0, eps, ab)
    torch.testing.assert_close(gaussian.noise_from_x0(x0, x_t, ab), eps, rtol=1e-9, atol=1e-9)
    for prediction in PREDICTIONS:
        back = prediction.x0(prediction.target(x0, eps, ab), x_t, ab)
        torch.testing.assert_close(back, x0, rtol=1e-9, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-3, 0.5), st.floats(0.55, 0.999))
def test_a_posterior_draw_has_the_law_of_the_forward_process(ab_t, ab_s):
    # x_s = a x0 + b x_t + sqrt(variance) z with x_t = corrupt(x0, eps, ab_t): moments add up to q(x_s | x0)
    one, zero, ab_s, ab_t = f64(1), f64(0), f64(ab_s), f64(ab_t)
    a, variance = gaussian.posterior(one, zero, ab_s, ab_t)
    b, _ = gaussian.posterior(zero, one, ab_s, ab_t)
    torch.testing.assert_close(a + b * ab_t.sqrt(), ab_s.sqrt())
    torch.testing.assert_close(b**2 * (1 - ab_t) + variance, 1 - ab_s)
