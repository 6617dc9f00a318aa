"""The multinomial process against K x K matrices, Bayes' rule and counted draws."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import bayes, generator, kernel
from scipy.stats import chisquare

from tabdiff.diffusion import multinomial

SIZES = [2, 3, 5, 11, 20]
WIDTH = 24
SKIPS = [(0.99, 0.98), (0.9, 0.3), (0.5, 0.499), (0.999999, 0.5), (0.2, 0.0), (1.0, 0.7), (1.0, 0.0)]
N_LEVELS = torch.tensor(SIZES)
# the largest number that torch.rand can return in float32
LARGEST = 1 - 2**-24


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def every_pair():
    """x_t and x0 in all pairs of levels, wrapped around in the smaller columns: two (400, 5) tensors."""
    pairs = torch.cartesian_prod(torch.arange(max(SIZES)), torch.arange(max(SIZES)))
    return [pairs[:, [i]] % N_LEVELS for i in (0, 1)]


def ragged_law(n_rows, seed=0):
    """Random laws over the levels of each column, padded: (n_rows, 5, WIDTH) float32 in logs."""
    logits = 3 * torch.randn(n_rows, len(SIZES), WIDTH, generator=generator(seed))
    return torch.log_softmax(multinomial.mask_padding(logits, N_LEVELS), -1)


def columns(law):
    """The law of each column without its padding."""
    return [law[:, c, :count] for c, count in enumerate(SIZES)]


# --- known answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_levels", SIZES)
def test_noisy_law_is_the_product_of_one_step_kernels(n_levels):
    ratios = [0.9, 0.97, 0.5, 0.8]
    product = torch.linalg.multi_dot([kernel(n_levels, ratio) for ratio in ratios])
    x0 = torch.arange(n_levels)[:, None]
    law = multinomial.log_marginal(
        multinomial.one_hot_log(x0, n_levels), f64(math.prod(ratios)), torch.tensor([n_levels])
    )
    torch.testing.assert_close(law[:, 0].exp().double(), product, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("ab_s", "ab_t"), SKIPS)
def test_posterior_is_bayes_rule_for_every_pair(ab_s, ab_t):
    x_t, x0 = every_pair()
    law = multinomial.log_posterior(x0, x_t, f64(ab_s), f64(ab_t), N_LEVELS, WIDTH).exp()
    for c, (actual, count) in enumerate(zip(columns(law), SIZES, strict=True)):
        expected = bayes(count, ab_s, ab_t)[x_t[:, c], x0[:, c]]
        torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=1e-6)
    assert law[:, 0, SIZES[0] :].eq(0).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
@pytest.mark.parametrize(("ab_s", "ab_t"), SKIPS)
def test_reverse_law_is_the_exact_mixture(ab_s, ab_t, dtype, tolerance):
    x_t, _ = every_pair()
    log_p0 = torch.log_softmax(ragged_law(len(x_t)).to(dtype), -1)
    law = multinomial.log_reverse(log_p0, x_t, f64(ab_s), f64(ab_t), N_LEVELS).exp()
    for c, (actual, p0) in enumerate(zip(columns(law), columns(log_p0.double().exp()), strict=True)):
        posterior = bayes(SIZES[c], ab_s, ab_t)[x_t[:, c]]
        expected = torch.einsum("bos,bo->bs", posterior, p0)
        torch.testing.assert_close(actual.double(), expected, rtol=0, atol=tolerance)


def test_plug_in_law_is_another_law():
    # x_t = 0 and p(x0 | x_t) = (.5, .5): the mixture over x0 is not the posterior of the mixture
    log_p0, x_t = torch.full((1, 1, 2), 0.5).log(), torch.zeros(1, 1, dtype=torch.long)
    args = (log_p0, x_t, f64(0.5), f64(0.25), torch.tensor([2]))
    plug_in = multinomial.log_reverse_plugin(*args).exp()[0, 0, 0].item()
    exact = multinomial.log_reverse(*args).exp()[0, 0, 0].item()
    assert plug_in == pytest.approx(0.75)  # q(x_t | x_s) = (.75, .25) times (.5, .5)
    assert exact == pytest.approx(0.7)  # (.9 + .5) / 2, by Bayes' rule for each x0


@pytest.mark.parametrize("reverse", [multinomial.log_reverse, multinomial.log_reverse_plugin])
def test_at_the_end_the_reverse_law_is_the_predicted_law_where_x_t_says_nothing(reverse):
    log_p0 = ragged_law(30)
    x_t = multinomial.prior((30, 5), N_LEVELS, generator())
    law = reverse(log_p0, x_t, f64(1.0), f64(0.0), N_LEVELS)
    torch.testing.assert_close(law.exp(), log_p0.exp(), rtol=1e-5, atol=1e-7)


def test_posterior_of_pure_noise_forgets_x_t():
    x0, ab_s = torch.tensor([[1]]), f64(0.4)
    for x_t in range(3):
        law = multinomial.log_posterior(x0, torch.tensor([[x_t]]), ab_s, f64(0.0), torch.tensor([3]), 3).exp()
        assert law[0, 0].tolist() == pytest.approx([0.2, 0.6, 0.2])


@pytest.mark.parametrize(("ab_s", "ab_t"), SKIPS)
def test_variational_term_is_the_kl_by_hand(ab_s, ab_t):
    x_t, x0 = every_pair()
    log_p0 = ragged_law(len(x_t))
    terms = multinomial.variational_term(log_p0, x0, x_t, f64(ab_s), f64(ab_t), N_LEVELS)
    for c, p0 in enumerate(columns(log_p0.double().exp())):
        count = SIZES[c]
        q = bayes(count, ab_s, ab_t)[x_t[:, c], x0[:, c]]
        plug_in = kernel(count, ab_t / ab_s).T[x_t[:, c]] * (p0 @ kernel(count, ab_s))
        plug_in = plug_in / plug_in.sum(-1, keepdim=True)
        kl = torch.special.xlogy(q, q / plug_in).sum(-1)
        torch.testing.assert_close(terms[:, c].double(), kl, rtol=1e-4, atol=2e-6)


def test_variational_term_of_the_last_step_is_the_surprise_at_x0():
    # x_t says nothing at ab_t = 0, so that the plug-in law is the predicted one
    _, x0 = every_pair()
    log_p0 = ragged_law(len(x0))
    terms = multinomial.variational_term(log_p0, x0, x0, f64(1.0), f64(0.0), N_LEVELS)
    torch.testing.assert_close(terms, -log_p0.gather(-1, x0[..., None])[..., 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("ab_s", "ab_t"), SKIPS)
def test_variational_term_of_the_truth_is_zero(ab_s, ab_t):
    x_t, x0 = every_pair()
    certain = multinomial.one_hot_log(x0, WIDTH)
    terms = multinomial.variational_term(certain, x0, x_t, f64(ab_s), f64(ab_t), N_LEVELS)
    torch.testing.assert_close(terms, torch.zeros_like(terms))


@pytest.mark.parametrize(("ab_s", "ab_t"), SKIPS)
def test_variational_term_has_finite_gradients_beside_padding(ab_s, ab_t):
    x_t, x0 = every_pair()
    logits = torch.randn(len(x0), len(SIZES), WIDTH, generator=generator(), requires_grad=True)
    log_p0 = torch.log_softmax(multinomial.mask_padding(logits, N_LEVELS), -1)
    multinomial.variational_term(log_p0, x0, x_t, f64(ab_s), f64(ab_t), N_LEVELS).sum().backward()
    assert logits.grad.isfinite().all() and logits.grad.any()
    assert not logits.grad[:, 0, SIZES[0] :].any()


# --- draws ------------------------------------------------------------------------------------------


def assert_drawn_from(draws, law):
    """Counted draws of each column agree with its law, by chi-square; nothing else is ever drawn."""
    for c, p in enumerate(law):
        counts = torch.bincount(draws[:, c], minlength=len(p))
        assert len(counts) == len(p) and not counts[p == 0].any()
        expected = p.double()[p > 0] / p.double().sum() * len(draws)
        assert chisquare(counts[p > 0].numpy(), expected.numpy()).pvalue > 1e-3


def test_draws_follow_the_law():
    law = ragged_law(1)
    law[0, 1, 0] = -math.inf  # a level of probability 0 at the front, in the middle and at the end
    law[0, 2, 2] = -math.inf
    law[0, 3, 10] = -math.inf
    draws = multinomial.draw(law.expand(20_000, -1, -1), generator())
    assert_drawn_from(draws, [column[0] for column in columns(law.exp())])


def test_draws_of_different_columns_are_independent():
    law = torch.full((40_000, 2, 2), 0.5).log()
    draws = multinomial.draw(law, generator())
    assert_drawn_from((2 * draws[:, :1] + draws[:, 1:]), [torch.full((4,), 0.25)])


@pytest.mark.parametrize("ab", [0.9, 0.3, 0.0])
def test_corrupted_levels_follow_the_noisy_law(ab):
    x0 = N_LEVELS - 1
    draws = multinomial.corrupt(x0.expand(20_000, -1), f64(ab), N_LEVELS, generator())
    assert_drawn_from(draws, [kernel(count, ab)[count - 1] for count in SIZES])


def test_corrupt_keeps_data_at_time_0():
    x0 = multinomial.prior((1000, 5), N_LEVELS, generator())
    assert torch.equal(multinomial.corrupt(x0, f64(1.0), N_LEVELS, generator()), x0)


def test_prior_is_even():
    draws = multinomial.prior((20_000, 5), N_LEVELS, generator())
    assert_drawn_from(draws, [torch.full((count,), 1 / count) for count in SIZES])


@pytest.mark.parametrize("uniform", [0.0, LARGEST])
def test_no_uniform_number_leads_to_an_impossible_level(uniform, monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(tuple(shape), uniform))
    n_levels = torch.arange(1, 2000)
    assert (multinomial.prior((1, len(n_levels)), n_levels, None) < n_levels).all()
    law = ragged_law(500)
    law[:, 1:, 0] = law[:, 1, 2, None] = -math.inf
    draws = multinomial.draw(law, None)
    assert (draws < N_LEVELS).all()
    assert law.gather(-1, draws[..., None]).isfinite().all()


# --- properties -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(0, 100),
    st.floats(0, 1 - 1e-6),
    st.floats(1e-6, 1),
    st.sampled_from([multinomial.log_reverse, multinomial.log_reverse_plugin]),
)
def test_reverse_laws_sum_to_1_and_leave_padding_empty(seed, spread, ab_s, ratio, reverse):
    logits = (2 * torch.rand(200, 5, WIDTH, generator=generator(seed)) - 1) * spread
    log_p0 = torch.log_softmax(multinomial.mask_padding(logits, N_LEVELS), -1)
    x_t = multinomial.prior((200, 5), N_LEVELS, generator(seed))
    ab_s = f64(max(ab_s, 1e-3))
    law = reverse(log_p0, x_t, ab_s, ab_s * min(ratio, 1 - 1e-6), N_LEVELS).exp()
    torch.testing.assert_close(law.sum(-1), torch.ones(200, 5), rtol=0, atol=1e-5)
    assert not law.masked_select(torch.arange(WIDTH) >= N_LEVELS[:, None]).any()


def test_each_row_may_have_its_own_time():
    x_t, x0 = every_pair()
    ab_t = torch.rand(len(x0), 1, generator=generator(), dtype=torch.float64) * 0.8
    ab_s = ab_t + 0.1
    together = multinomial.log_posterior(x0, x_t, ab_s, ab_t, N_LEVELS, WIDTH)
    for i in (0, 17, 399):
        alone = multinomial.log_posterior(x0[i : i + 1], x_t[i : i + 1], ab_s[i], ab_t[i], N_LEVELS, WIDTH)
        torch.testing.assert_close(together[i : i + 1], alone)


def test_a_column_of_one_level_has_one_law():
    log_p0, x = torch.zeros(4, 1, 1), torch.zeros(4, 1, dtype=torch.long)
    for reverse in (multinomial.log_reverse, multinomial.log_reverse_plugin):
        law = reverse(log_p0, x, f64(0.9), f64(0.5), torch.tensor([1])).exp()
        torch.testing.assert_close(law, torch.ones(4, 1, 1))
