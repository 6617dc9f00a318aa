"""Samplers with denoisers that know the law: what is left is the error of the sampler alone."""

import itertools
import math

import pytest
import torch
from oracles import (
    Constant,
    Counting,
    ExactGaussian,
    ExactMixture,
    all_rows,
    chain_law,
    generator,
    joint_law,
    ks_distance,
    ks_noise,
    normal_cdf,
    total_variation,
)
from scipy.stats import chisquare

from tabdiff.batch import MixedBatch
from tabdiff.diffusion import multinomial, samplers
from tabdiff.diffusion.gaussian import NoisePrediction, VelocityPrediction
from tabdiff.diffusion.mixed import LevelLayout, MixedProcess, Prediction
from tabdiff.diffusion.schedules import CosineSchedule, PowerSchedule
from tabdiff.methods import FewStep

PREDICTIONS = [VelocityPrediction(), NoisePrediction()]


def by_type(value):
    return type(value).__name__


def draw(sampler, process, denoiser, start, n_steps, seed=0, t_start=1.0):
    predict = samplers.conditional(process, denoiser, None)
    return sampler(process, predict, start, n_steps, generator(seed), t_start)


def numbers(num):
    return MixedBatch(num, torch.zeros(len(num), 0, dtype=torch.long))


# --- levels: the law of the sampler by enumeration --------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "at_20", "at_32"), [(PowerSchedule(), 0.03, 0.019), (CosineSchedule(), 0.035, 0.021)]
)
def test_joint_law_of_levels_comes_closer_as_one_over_the_steps(schedule, at_20, at_32):
    process, rows, law = (
        MixedProcess(0, LevelLayout([4, 4, 4]), cat_schedule=schedule),
        all_rows([4] * 3),
        joint_law([4] * 3),
    )
    exact = ExactMixture(process, law, cat=rows)
    error = {n: total_variation(chain_law(process, exact, rows, n), law) for n in (20, 32, 40, 80, 160)}
    assert error[20] < at_20 and error[32] < at_32 and error[160] < 0.004
    assert all(1.8 < error[n] / error[2 * n] < 2.3 for n in (20, 40, 80))


def test_square_root_schedule_beats_cosine_at_20_steps():
    rows, law = all_rows([4] * 3), joint_law([4] * 3)
    errors = []
    for schedule in (PowerSchedule(), CosineSchedule()):
        process = MixedProcess(0, LevelLayout([4] * 3), cat_schedule=schedule)
        errors.append(
            total_variation(chain_law(process, ExactMixture(process, law, cat=rows), rows, 20), law)
        )
    assert errors[0] < 0.9 * errors[1]


@pytest.mark.parametrize("n_steps", [1, 10, 100])
def test_one_column_is_exact_at_any_number_of_steps(n_steps):
    process, rows = MixedProcess(0, LevelLayout([4])), all_rows([4])
    law = torch.tensor([0.85, 0.09, 0.05, 0.01], dtype=torch.float64)
    drawn = chain_law(process, ExactMixture(process, law, cat=rows), rows, n_steps)
    assert total_variation(drawn, law) < 1e-5


@pytest.mark.parametrize("n_levels", [[4], [4, 4, 4], [2, 3, 5]])
def test_plug_in_law_spoils_a_head_that_means_the_law_of_x0(n_levels):
    rows, law = all_rows(n_levels), joint_law(n_levels)
    errors = {}
    for reverse in (multinomial.log_reverse, multinomial.log_reverse_plugin):
        process = MixedProcess(0, LevelLayout(n_levels), reverse=reverse)
        exact = ExactMixture(process, law, cat=rows)
        errors[reverse] = total_variation(chain_law(process, exact, rows, 32), law)
    assert errors[multinomial.log_reverse] < 0.02
    assert errors[multinomial.log_reverse_plugin] > 0.05


def test_plug_in_law_is_right_for_a_head_trained_on_the_bound():
    n_levels = [2, 3, 5]
    rows, law = all_rows(n_levels), joint_law(n_levels)
    process = MixedProcess(0, LevelLayout(n_levels), reverse=multinomial.log_reverse_plugin)
    exact = ExactMixture(process, law, cat=rows, variational=True)
    assert total_variation(chain_law(process, exact, rows, 32), law) < 0.02


@pytest.mark.parametrize("sampler", [samplers.few_step, samplers.ancestral])
@pytest.mark.parametrize("variational", [False, True], ids=["mixture", "plug-in"])
def test_drawn_rows_follow_the_enumerated_law(sampler, variational):
    n_levels, n_rows = [2, 3, 5], 20_000
    rows, law = all_rows(n_levels), joint_law(n_levels)
    reverse = multinomial.log_reverse_plugin if variational else multinomial.log_reverse
    process = MixedProcess(0, LevelLayout(n_levels), reverse=reverse)
    exact = ExactMixture(process, law, cat=rows, variational=variational)
    drawn = draw(sampler, process, exact, process.prior((n_rows,), generator(1)), 8)
    counts = (drawn.cat[:, None] == rows).all(-1).sum(0)
    expected = chain_law(process, exact, rows, 8)
    assert chisquare(counts.numpy(), (expected / expected.sum() * n_rows).numpy()).pvalue > 1e-3


# --- numbers ----------------------------------------------------------------------------------------


class Mixture:
    """A mixture of normals in one numeric column of mean 0 and variance 1."""

    def __init__(self, weight, mean, spread, level=None):
        weight, mean, spread = (torch.tensor(v, dtype=torch.float64) for v in (weight, mean, spread))
        centre = (weight * mean).sum()
        scale = (weight * (spread**2 + (mean - centre) ** 2)).sum().sqrt()
        self.weight, self.mean, self.spread = weight, (mean - centre) / scale, spread / scale
        self.level = torch.tensor(level or [0] * len(weight))

    def denoiser(self, process):
        mean, spread = self.mean.float()[:, None], self.spread.float()[:, None]
        cat = self.level[:, None] if len(process.layout) else None
        return ExactMixture(process, self.weight, mean, spread, cat)

    def cdf(self, x, level=0):
        chosen = self.level == level
        parts = zip(self.weight[chosen], self.mean[chosen], self.spread[chosen], strict=True)
        return sum(w * normal_cdf(x, m, s) for w, m, s in parts) / self.weight[chosen].sum()


TWO_HUMPS = Mixture([0.3, 0.7], [-1.0, 1.0], [0.3, 0.5])
ATOM = Mixture([0.3, 0.7], [0.0, 0.0], [0.02, 1.0])
SPIKES = Mixture([0.5, 0.3, 0.2], [-1.0, 0.0, 2.0], [0.0, 0.0, 0.0])
BY_CLASS = Mixture(
    [0.2, 0.15, 0.1, 0.25, 0.1, 0.2],
    [-1.2, 0.3, 1.5, 0.0, -0.5, 1.0],
    [0.3, 0.2, 0.2, 0.5, 0.1, 0.4],
    [0, 0, 1, 1, 2, 2],
)


def every_quantile(n=4000):
    """Noise without randomness: the deterministic sampler then shows its own law and nothing else."""
    middle = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return numbers(torch.special.ndtri(middle)[:, None].float())


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=by_type)
@pytest.mark.parametrize("law", [TWO_HUMPS, ATOM], ids=["two humps", "atom"])
def test_numbers_follow_their_law_within_4_per_mille_at_32_steps(law, prediction):
    process = MixedProcess(1, LevelLayout([]), prediction=prediction)
    drawn = draw(samplers.few_step, process, law.denoiser(process), every_quantile(), 32)
    assert ks_distance(drawn.num[:, 0], law.cdf) < 0.004


def test_spikes_keep_their_mass_and_nothing_lies_between():
    process = MixedProcess(1, LevelLayout([]))
    drawn = draw(samplers.few_step, process, SPIKES.denoiser(process), every_quantile(), 32).num[:, 0]
    near = (drawn[:, None] - SPIKES.mean).abs() < 1e-3
    assert near.any(1).all()
    torch.testing.assert_close(near.double().mean(0), SPIKES.weight, rtol=0, atol=0.004)


def test_numbers_come_closer_with_more_steps():
    process = MixedProcess(1, LevelLayout([]))
    errors = [
        ks_distance(
            draw(samplers.few_step, process, TWO_HUMPS.denoiser(process), every_quantile(), n).num[:, 0],
            TWO_HUMPS.cdf,
        )
        for n in (10, 20, 40, 80)
    ]
    assert all(coarse > 2 * fine for coarse, fine in itertools.pairwise(errors))


MEAN = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
COVARIANCE = torch.tensor([[1, 0.8, -0.5], [0.8, 1, 0], [-0.5, 0, 1]], dtype=torch.float64)


def affine_map(process, n_steps):
    """What the deterministic sampler does to noise under a Gaussian law: x -> shift + x @ matrix."""
    probe = numbers(torch.cat([torch.zeros(1, 3), torch.eye(3)]))
    drawn = draw(samplers.few_step, process, ExactGaussian(process, MEAN, COVARIANCE), probe, n_steps)
    return drawn.num[0].double(), (drawn.num[1:] - drawn.num[:1]).double()


@pytest.mark.parametrize(("covered", "expected"), [(False, 0.5**0.5), (True, 1.0)])
def test_noise_must_cover_what_many_cells_have_in_common(covered, expected):
    # 100 equal cells: along their mean the data have variance 100, as much as noise of 10 standard deviations
    n_cells = 100
    layout = LevelLayout([])
    method = FewStep().covering(n_cells**0.5) if covered else FewStep()
    process = method.process(n_cells, layout)
    exact = ExactGaussian(process, torch.zeros(n_cells), torch.ones(n_cells, n_cells))
    noise = process.prior((4000,), generator(3))
    mean = draw(samplers.few_step, process, exact, noise, 50).num.mean(1)
    assert float(mean.std()) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=by_type)
def test_few_steps_converge_to_the_exact_flow_of_a_gaussian_by_second_order(prediction):
    process = MixedProcess(3, LevelLayout([]), prediction=prediction)
    ab = process.num_schedule.alpha_bar(torch.ones(1, dtype=torch.float64)).item()
    scale, axes = torch.linalg.eigh(COVARIANCE)
    flow = axes @ torch.diag((scale / (ab * scale + 1 - ab)).sqrt()) @ axes.T
    shift = MEAN - ab**0.5 * MEAN @ flow
    errors = []
    for n_steps in (16, 32, 64, 128):
        drawn_shift, matrix = affine_map(process, n_steps)
        torch.testing.assert_close(drawn_shift, shift, rtol=0, atol=0.1 / n_steps)
        errors.append((matrix - flow).abs().max().item())
    assert all(3.7 < coarse / fine < 4.7 for coarse, fine in itertools.pairwise(errors))
    assert errors[1] < 0.006


def test_mean_and_covariance_of_a_gaussian_at_32_steps():
    shift, matrix = affine_map(MixedProcess(3, LevelLayout([])), 32)
    # the start is N(0, I) where 1 % of the data's law is still left: a bias of up to .1 MEAN
    torch.testing.assert_close(shift, MEAN, rtol=0, atol=0.015)
    torch.testing.assert_close(matrix.T @ matrix, COVARIANCE, rtol=0, atol=0.012)


def test_ancestral_draws_approach_the_mean_and_covariance_of_a_gaussian_by_first_order():
    process, n = MixedProcess(3, LevelLayout([])), 40_000
    missing = []
    for n_steps in (75, 300):
        start = process.prior((n,), generator(1))
        drawn = draw(
            samplers.ancestral, process, ExactGaussian(process, MEAN, COVARIANCE), start, n_steps
        ).num
        torch.testing.assert_close(drawn.mean(0).double(), MEAN, rtol=0, atol=0.015 + 4 / n**0.5)
        missing.append((COVARIANCE - drawn.double().T.cov()).diag().mean().item())
    torch.testing.assert_close(drawn.double().T.cov(), COVARIANCE, rtol=0, atol=0.027 + 5 / n**0.5)
    assert 2.5 < missing[0] / missing[1] < 6


# --- both kinds -------------------------------------------------------------------------------------


def assert_joint_law(drawn, law, tolerance):
    """The shares of the classes and, within each, the law of the number."""
    for level in law.level.unique().tolist():
        inside = drawn.num[drawn.cat[:, 0] == level, 0]
        share = law.weight[law.level == level].sum().item()
        assert len(inside) / len(drawn) == pytest.approx(share, abs=0.003 + 2 / len(drawn) ** 0.5)
        assert ks_distance(inside, lambda x, level=level: law.cdf(x, level)) < tolerance + ks_noise(
            len(inside)
        )


@pytest.mark.parametrize(
    ("sampler", "n_steps", "n_rows", "tolerance"),
    [(samplers.few_step, 32, 60_000, 0.008), (samplers.ancestral, 200, 12_000, 0.012)],
    ids=["few-step", "ancestral"],
)
def test_numbers_within_classes_follow_their_law(sampler, n_steps, n_rows, tolerance):
    process = MixedProcess(1, LevelLayout([3]))
    start = process.prior((n_rows,), generator(1))
    drawn = draw(sampler, process, BY_CLASS.denoiser(process), start, n_steps)
    assert_joint_law(drawn, BY_CLASS, tolerance)


@pytest.mark.parametrize(("sampler", "n_steps"), [(samplers.few_step, 16), (samplers.ancestral, 60)])
def test_rows_noised_half_way_come_back_in_law(sampler, n_steps):
    process, n_rows = MixedProcess(1, LevelLayout([3])), 20_000
    part = torch.multinomial(BY_CLASS.weight, n_rows, replacement=True, generator=generator(2))
    noise = torch.randn(n_rows, generator=generator(3), dtype=torch.float64)
    num = (BY_CLASS.mean + BY_CLASS.spread * noise[:, None]).gather(1, part[:, None]).float()
    rows = MixedBatch(num, BY_CLASS.level[part][:, None])
    start, _ = process.corrupt(rows, torch.full((n_rows,), 0.5, dtype=torch.float64), generator(4))
    drawn = draw(sampler, process, BY_CLASS.denoiser(process), start, n_steps, t_start=0.5)
    assert_joint_law(drawn, BY_CLASS, 0.012)


# --- guidance ---------------------------------------------------------------------------------------


def prediction_of(x0, *laws):
    return lambda x_t, t: Prediction(torch.tensor(x0), [torch.tensor(law).log() for law in laws])


def test_guided_prediction_by_hand():
    told = prediction_of([[2.0]], [[[0.5, 0.5, 0.0]]])  # two levels beside one of padding
    untold = prediction_of([[1.0]], [[[0.8, 0.2, 0.0]]])
    guided = samplers.guided(told, untold, 0.5)(None, None)
    assert guided.x0.item() == pytest.approx(2.5)  # 1.5 * 2 - .5 * 1
    weights = 0.5**1.5 / 0.8**0.5, 0.5**1.5 / 0.2**0.5
    expected = [*(w / sum(weights) for w in weights), 0.0]
    assert guided.log_p0[0][0, 0].exp().tolist() == pytest.approx(expected)
    assert guided.log_p0[0][0, 0, 2] == -math.inf


def test_guidance_by_an_equal_prediction_changes_nothing():
    told = prediction_of([[2.0]], [[[0.7, 0.3, 0.0]]])
    guided = samplers.guided(told, told, 3.0)(None, None)
    torch.testing.assert_close(guided.x0, told(None, None).x0)
    torch.testing.assert_close(guided.log_p0[0].exp(), told(None, None).log_p0[0].exp())


def test_weight_0_is_the_conditional_prediction_itself():
    told, untold = prediction_of([[2.0]]), prediction_of([[1.0]])
    assert samplers.guided(told, untold, 0.0) is told


@pytest.mark.parametrize("sampler", [samplers.few_step, samplers.ancestral])
@pytest.mark.parametrize(("weight", "calls_per_step"), [(0.0, 1), (0.7, 2)])
def test_network_is_asked_once_for_each_step_and_twice_with_guidance(sampler, weight, calls_per_step):
    process, label = MixedProcess(1, LevelLayout([2])), torch.tensor([0, 1, 1])
    network = Counting(Constant(torch.zeros(1), torch.zeros(2)))
    told, untold = (samplers.conditional(process, network, given) for given in (label, None))
    predict = samplers.guided(told, untold, weight)
    sampler(process, predict, process.prior((3,), generator()), 5, generator())
    assert len(network.asked) == 5 * calls_per_step
    assert [asked[2].item() for asked in network.asked[::calls_per_step]] == pytest.approx(
        [1, 0.8, 0.6, 0.4, 0.2]
    )
    assert all(asked[3] is label for asked in network.asked[::calls_per_step])


# --- contract ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", [samplers.few_step, samplers.ancestral])
@pytest.mark.parametrize("shape", [(4,), (4, 3)])
@pytest.mark.parametrize(("n_num", "n_levels"), [(2, [3, 1]), (0, [2]), (1, [])])
def test_rows_of_any_shape_and_kind_are_drawn_from_the_given_generator(sampler, shape, n_num, n_levels):
    process = MixedProcess(n_num, LevelLayout(n_levels))
    network = Constant(torch.zeros(n_num), torch.zeros(process.layout.n_logits))
    start = process.prior(shape, generator())
    before = torch.get_rng_state()
    first, second = (draw(sampler, process, network, start, 3) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.num.shape == (*shape, n_num) and first.cat.shape == (*shape, len(n_levels))
    assert first.num.dtype == torch.float32 and first.cat.dtype == torch.long
    assert torch.equal(first.num, second.num) and torch.equal(first.cat, second.cat)
