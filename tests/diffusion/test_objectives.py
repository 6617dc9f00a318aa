"""Losses by hand, and the variational bound against likelihoods that can be enumerated."""

import itertools
import math

import pytest
import torch
from oracles import Constant, Counting, ExactMixture, all_rows, chain_law, generator, joint_law, kernel

from tabdiff.batch import MixedBatch
from tabdiff.diffusion import multinomial
from tabdiff.diffusion.conditions import random_subsets
from tabdiff.diffusion.gaussian import NoisePrediction
from tabdiff.diffusion.mixed import LevelLayout, MixedProcess
from tabdiff.diffusion.objectives import (
    CrossEntropyObjective,
    VariationalObjective,
    marginal_entropies,
    stratified_times,
)
from tabdiff.diffusion.schedules import CosineSchedule, PowerSchedule
from tabdiff.nets.mlp import MLPConfig, MLPDenoiser

SCHEDULES = [PowerSchedule(), CosineSchedule()]


def only_levels(cat):
    return MixedBatch(torch.zeros(len(cat), 0), cat)


def tabddpm(n_levels, schedule=None, n_num=0):
    """A process as in TabDDPM, on any schedule of levels."""
    cosine = CosineSchedule()
    args = (cosine, schedule or cosine, NoisePrediction(), multinomial.log_reverse_plugin)
    return MixedProcess(n_num, LevelLayout(n_levels), *args)


# --- losses by hand ---------------------------------------------------------------------------------


def test_cross_entropy_objective_by_hand():
    process = MixedProcess(2, LevelLayout([2, 3]))
    logits = torch.tensor([0.0, 1.0, 2.0, 0.0, -1.0])  # buckets of 2 and of 3 levels
    denoiser = Counting(Constant(torch.tensor([0.5, -0.5]), logits))
    batch = MixedBatch(torch.tensor([[1.0, -1.0], [0.3, 2.0]]), torch.tensor([[1, 2], [0, 0]]))
    objective = CrossEntropyObjective(process, torch.tensor([0.6, 0.05]), floor=0.1)
    loss = objective(denoiser, batch, None, generator())

    (num, _, t, _), losses = denoiser.asked[0], []
    log_p = torch.log_softmax(logits[:2], -1), torch.log_softmax(logits[2:], -1)
    for row in range(2):
        ab = process.num_schedule.alpha_bar(t[row]).item()
        velocity = (ab**0.5 * num[row] - batch.num[row]) / (1 - ab) ** 0.5
        squares = ((torch.tensor([0.5, -0.5]) - velocity) ** 2).sum().item()
        x0 = batch.cat[row].tolist()
        surprise = -log_p[0][x0[0]].item() / 0.6 - log_p[1][x0[1]].item() / 0.1
        losses.append((squares + surprise) / 4)
    assert loss.tolist() == pytest.approx(losses, rel=1e-5)


def test_variational_objective_by_hand():
    process = tabddpm([3], n_num=1)
    logits = torch.tensor([0.2, -1.0, 0.7])
    denoiser = Counting(Constant(torch.tensor([0.4]), logits))
    batch = MixedBatch(torch.randn(8, 1, generator=generator()), torch.arange(8)[:, None] % 3)
    loss = VariationalObjective(process, n_steps=4)(denoiser, batch, None, generator(1))

    num, cat, t, _ = denoiser.asked[0]
    assert sorted(t.tolist()) == [0.25] * 2 + [0.5] * 2 + [0.75] * 2 + [1.0] * 2
    ab, ab_s = process.cat_schedule.alpha_bar(t), process.cat_schedule.alpha_bar(t - 0.25)
    for row, (x_t, x0) in enumerate(zip(cat[:, 0], batch.cat[:, 0], strict=True)):
        a, s = ab[row].item(), ab_s[row].item()
        eps = (num[row] - a**0.5 * batch.num[row]).item() / (1 - a) ** 0.5
        step = kernel(3, a / s)[:, x_t]
        q, p = step * kernel(3, s)[x0], step * (torch.softmax(logits, 0).double() @ kernel(3, s))
        q, p = q / q.sum(), p / p.sum()
        term = 4 * (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum().item()
        assert loss[row].item() == pytest.approx(((0.4 - eps) ** 2 + term) / 2, rel=1e-3, abs=1e-5)


def test_marginal_entropies_by_hand():
    cat = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 0, 1], [1, 0, 2]])
    expected = [math.log(2), 0.0, 1.5 * math.log(2)]
    assert marginal_entropies(cat, LevelLayout([2, 3, 4])).tolist() == pytest.approx(expected)


def test_entropies_count_inner_positions():
    cat = torch.tensor([[[0], [1]], [[0], [1]]])
    assert marginal_entropies(cat, LevelLayout([2])).tolist() == pytest.approx([math.log(2)])


def test_each_stratum_holds_one_time():
    t = stratified_times(1000, generator(), "cpu")
    assert t.dtype == torch.float64
    assert (t * 1000).floor().sort().values.tolist() == list(range(1000))
    assert (t.diff() > 0).float().mean() == pytest.approx(0.5, abs=0.06)  # in random order


# --- the variational bound --------------------------------------------------------------------------


def bound(process, denoiser, rows, n_steps):
    """The bound on -log p(x0) of every row, summed over every step and every x_t; the prior term included."""
    n, objective = len(rows), VariationalObjective(process, n_steps)
    x0, x_t = rows.repeat_interleave(n, 0), rows.repeat(n, 1)

    def noisy_law(t):
        ab = process.cat_schedule.alpha_bar(t).item()
        sizes = process.layout.n_levels.tolist()
        return math.prod(kernel(k, ab)[x0[:, c], x_t[:, c]] for c, k in enumerate(sizes)).reshape(n, n)

    prior = noisy_law(torch.tensor([1.0], dtype=torch.float64))
    total = torch.special.xlogy(prior, prior * n).sum(1)
    for i in range(1, n_steps + 1):
        t = torch.tensor([i / n_steps], dtype=torch.float64)
        _, logits = denoiser(torch.zeros(n * n, 0), x_t, t, None)
        terms = objective.bound_terms(logits, x0, x_t, t.expand(n * n)).double().reshape(n, n)
        total += (noisy_law(t) * terms).sum(1) / n_steps
    return total


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("n_steps", [1, 2, 20])
def test_bound_of_one_column_is_its_surprise_at_any_number_of_steps(schedule, n_steps):
    process, rows = tabddpm([3], schedule), all_rows([3])
    law = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    exact = ExactMixture(process, law, cat=rows, variational=True)
    torch.testing.assert_close(bound(process, exact, rows, n_steps), -law.log(), rtol=1e-5, atol=1e-5)


@pytest.fixture(params=SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def two_columns(request):
    """A process, all rows of two dependent columns and their law."""
    n_levels = [2, 3]
    return tabddpm(n_levels, request.param), all_rows(n_levels), joint_law(n_levels)


@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize("n_steps", [2, 8])
def test_bound_is_never_below_the_surprise_of_the_sampler(two_columns, variational, n_steps):
    process, rows, law = two_columns
    denoiser = ExactMixture(process, law, cat=rows, variational=variational)
    surprise = -chain_law(process, denoiser, rows, n_steps).log()
    assert (bound(process, denoiser, rows, n_steps) >= surprise).all()


def test_bound_falls_to_the_entropy_as_one_over_the_steps(two_columns):
    process, rows, law = two_columns
    exact = ExactMixture(process, law, cat=rows, variational=True)
    entropy = torch.special.entr(law).sum()
    gaps = [((law * bound(process, exact, rows, n)).sum() - entropy).item() for n in (4, 8, 16, 32)]
    assert all(1.8 < coarse / fine < 2.2 for coarse, fine in itertools.pairwise(gaps))
    assert 0 < gaps[-1] < 0.005


def test_bound_prefers_the_head_that_makes_the_plug_in_law_exact(two_columns):
    process, rows, law = two_columns
    best, other = (
        (law * bound(process, ExactMixture(process, law, cat=rows, variational=v), rows, 8)).sum()
        for v in (True, False)
    )
    assert other - best > 0.3


def test_mean_over_random_steps_is_the_bound(two_columns):
    process, rows, law = two_columns
    exact = ExactMixture(process, law, cat=rows, variational=True)
    drawn = rows[torch.multinomial(law, 40_000, replacement=True, generator=generator())]
    losses = VariationalObjective(process, n_steps=8)(exact, only_levels(drawn), None, generator(1))
    prior = CosineSchedule().floor  # the prior term, which the objective leaves out, is far below this
    noise = 4 * losses.std().item() / len(drawn) ** 0.5
    expected = (law * bound(process, exact, rows, 8)).sum().item() / 2
    assert losses.mean().item() == pytest.approx(expected, abs=noise + prior)


# --- properties -------------------------------------------------------------------------------------

OBJECTIVES = {
    "cross-entropy": lambda layout, n_num=2: CrossEntropyObjective(
        MixedProcess(n_num, layout), torch.ones(len(layout))
    ),
    "variational": lambda layout, n_num=2: VariationalObjective(
        tabddpm(layout.n_levels.tolist(), n_num=n_num), n_steps=5
    ),
}


@pytest.fixture(params=OBJECTIVES.values(), ids=OBJECTIVES)
def objective_of(request):
    return request.param


def trained_look(model):
    """The model with no weight left at zero, as at the start every output is."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator()))
    return model


def loss_and_gradients(model, objective, batch):
    model.zero_grad()
    known = random_subsets(batch, torch.arange(len(batch)) % 2 == 0, generator(4))
    losses = objective(model, batch, None, generator(3), known)
    losses.mean().backward()
    return losses.detach(), [parameter.grad.clone() for parameter in model.parameters()]


def test_what_an_unobserved_cell_stores_changes_no_loss_and_no_gradient(objective_of):
    layout = LevelLayout([3, 4])
    model = trained_look(MLPDenoiser(2, layout, 0, MLPConfig(width=16, n_blocks=1)))
    num = torch.randn(64, 2, generator=generator())
    observed = torch.rand(64, 2, generator=generator()) < 0.6
    cat = multinomial.prior((64, 2), layout.n_levels, generator())
    results = [
        loss_and_gradients(
            model, objective_of(layout), MixedBatch(num.where(observed, stored), cat, observed)
        )
        for stored in (0.0, math.nan, 1e9)
    ]
    assert results[0][0].isfinite().all()
    assert all(gradient.isfinite().all() for gradient in results[0][1])
    for losses, gradients in results[1:]:
        assert torch.equal(losses, results[0][0])
        assert all(map(torch.equal, gradients, results[0][1]))


def test_loss_and_gradient_stay_finite_at_1000_binary_columns_and_a_spread_of_100(objective_of):
    layout = LevelLayout([2] * 1000 + [1, 3, 700])
    logits = (200 * torch.rand(layout.n_logits, generator=generator()) - 100).requires_grad_()
    raw = torch.zeros(0)
    cat = multinomial.prior((32, len(layout)), layout.n_levels, generator())
    losses = objective_of(layout, 0)(Constant(raw, logits), only_levels(cat), None, generator())
    losses.sum().backward()
    assert losses.isfinite().all() and (losses > 0).all()
    assert logits.grad.isfinite().all() and logits.grad.any()


@pytest.mark.parametrize(("n_num", "n_levels"), [(0, [2, 3]), (2, []), (1, [1])])
def test_an_empty_kind_is_no_hindrance(objective_of, n_num, n_levels):
    layout = LevelLayout(n_levels)
    model = MLPDenoiser(n_num, layout, 0, MLPConfig(width=8, n_blocks=1))
    batch = MixedBatch(torch.zeros(6, n_num), torch.zeros(6, len(n_levels), dtype=torch.long))
    losses = objective_of(layout, n_num)(model, batch, None, generator())
    assert losses.shape == (6,) and losses.isfinite().all()


def test_a_series_loses_what_its_rows_lose_on_average():
    # two positions with the same cells cost as much as one row of four: the loss is a mean over cells
    process = MixedProcess(0, LevelLayout([2]))
    denoiser = Constant(torch.zeros(0), torch.tensor([0.0, 1.0]))
    objective = CrossEntropyObjective(process, torch.ones(1))
    series = MixedBatch(torch.zeros(1, 2, 0), torch.tensor([[[0], [1]]]))
    expected = -torch.log_softmax(torch.tensor([0.0, 1.0]), 0).mean()
    torch.testing.assert_close(objective(denoiser, series, None, generator()), expected[None])
