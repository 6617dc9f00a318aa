"""Losses with fixed noise: by hand for denoisers that answer all alike, and what may not change them."""

import pytest
import torch
from oracles import Constant, Counting, ExactGaussian, generator

from tabdiff.batch import MixedBatch
from tabdiff.diffusion import multinomial
from tabdiff.diffusion.gaussian import NoisePrediction
from tabdiff.diffusion.mixed import LevelLayout, MixedProcess
from tabdiff.diffusion.objectives import CrossEntropyObjective, VariationalObjective
from tabdiff.diffusion.schedules import CosineSchedule
from tabdiff.diffusion.scoring import fixed_losses, fixed_noise
from tabdiff.nets.mlp import MLPConfig, MLPDenoiser

TIMES = (0.2, 0.4, 0.4)


def no_levels(num, observed=None):
    return MixedBatch(num, torch.zeros(len(num), 0, dtype=torch.long), observed)


def mixed_rows(n_rows=30):
    num = torch.randn(n_rows, 2, generator=generator(1))
    cat = torch.arange(n_rows)[:, None] % torch.tensor([2, 3])
    observed = torch.rand(n_rows, 2, generator=generator(2)) < 0.7
    return MixedBatch(num.where(observed, torch.nan), cat, observed)


def untrained(process, n_classes=0):
    """A network that answers differently to every row: its last layer is not zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = MLPDenoiser(process.n_num, process.layout, n_classes, MLPConfig(width=32, n_blocks=2))
        torch.nn.init.normal_(network.head.weight)
    return network.eval()


def test_loss_by_hand():
    process = MixedProcess(2, LevelLayout([3]))
    logits = torch.tensor([1.0, 0.0, -1.0])
    denoiser = Constant(torch.tensor([0.5, -0.25]), logits)
    batch = MixedBatch(torch.tensor([[1.0, -1.0], [0.2, 3.0]]), torch.tensor([[0], [2]]))
    fixed = fixed_noise(process, TIMES)
    losses = fixed_losses(CrossEntropyObjective(process, torch.tensor([0.8])), denoiser, batch, None, fixed)

    surprise, expected = -torch.log_softmax(logits, 0)[[0, 2]] / 0.8, []
    for t, noise in zip(TIMES, fixed.noises, strict=True):
        ab = process.num_schedule.alpha_bar(torch.tensor(t, dtype=torch.float64))
        velocity = ab.sqrt() * noise.eps - (1 - ab).sqrt() * batch.num
        expected.append(((torch.tensor([0.5, -0.25]) - velocity) ** 2).sum(1) + surprise)
    torch.testing.assert_close(losses, torch.stack(expected).mean(0) / 3, check_dtype=False)


def test_every_row_is_shown_the_same_noise_at_each_time():
    process = MixedProcess(2, LevelLayout([2]))
    denoiser = Counting(Constant(torch.zeros(2), torch.zeros(2)))
    batch = MixedBatch(torch.zeros(5, 2), torch.zeros(5, 1, dtype=torch.long))
    objective = CrossEntropyObjective(process, torch.ones(1))
    fixed_losses(objective, denoiser, batch, None, fixed_noise(process, TIMES))
    for num, cat, t, _ in denoiser.asked:
        assert (num == num[0]).all() and (cat == cat[0]).all() and (t == t[0]).all()
    assert [asked[2][0].item() for asked in denoiser.asked] == list(TIMES)
    noises = torch.stack([num[0] for num, *_ in denoiser.asked])
    assert len(noises.unique()) == noises.numel()


def test_an_exact_denoiser_scores_rows_of_its_law_by_their_typicality():
    """With noise of one dimension and a normal law, the mean loss is a constant plus a parabola in x."""
    process = MixedProcess(1, LevelLayout([]))
    exact = ExactGaussian(process, torch.zeros(1), torch.eye(1))
    x = torch.linspace(-3, 3, 13)[:, None]

    def one_time(num, cat, t, label):
        return exact(num, cat, t[:1], label)

    losses = fixed_losses(
        CrossEntropyObjective(process, torch.zeros(0)),
        one_time,
        no_levels(x),
        None,
        fixed_noise(process, [0.5] * 400),
    )
    # E[v | x_t] = 0 for standard normal data: the loss is v^2 = (sqrt(ab) eps - sqrt(1 - ab) x)^2
    ab = process.num_schedule.alpha_bar(torch.tensor(0.5, dtype=torch.float64))
    torch.testing.assert_close(losses, (ab + (1 - ab) * x[:, 0] ** 2).double(), atol=0.35, rtol=0.1)
    assert losses.argmin() in (5, 6, 7)


@pytest.mark.parametrize("variational", [False, True])
def test_missing_numbers_add_nothing(variational):
    cosine = CosineSchedule()
    if variational:
        process = MixedProcess(
            2, LevelLayout([2, 3]), cosine, cosine, NoisePrediction(), multinomial.log_reverse_plugin
        )
        objective = VariationalObjective(process)
    else:
        process = MixedProcess(2, LevelLayout([2, 3]))
        objective = CrossEntropyObjective(process, torch.ones(2))
    batch = mixed_rows()
    fixed = fixed_noise(process, TIMES)
    answers = [torch.tensor([0.5, -2.0]), torch.tensor([50.0, -2.0])]
    near, far = (
        fixed_losses(objective, Constant(raw, torch.zeros(5)), batch, None, fixed) for raw in answers
    )
    hidden = ~batch.observed[:, 0]
    assert 0 < hidden.sum() < len(batch)
    assert near.isfinite().all()
    assert torch.equal(near[hidden], far[hidden])
    assert (near < far)[~hidden].all()
    stored = MixedBatch(batch.num.nan_to_num(1e3), batch.cat, batch.observed)
    assert torch.equal(
        fixed_losses(objective, Constant(answers[0], torch.zeros(5)), stored, None, fixed), near
    )


def test_a_loss_does_not_depend_on_the_rows_beside_it():
    process = MixedProcess(2, LevelLayout([2, 3]))
    network, batch = untrained(process, n_classes=2), mixed_rows(64)
    label, fixed = torch.arange(64) % 2, fixed_noise(process, TIMES)
    objective = CrossEntropyObjective(process, torch.ones(2))
    with torch.no_grad():
        whole = fixed_losses(objective, network, batch, label, fixed, 64)
        order = torch.randperm(64, generator=generator())
        parts = [
            fixed_losses(objective, network, batch[rows], label[rows], fixed, 64)
            for rows in order.split([1, 20, 43])
        ]
    assert len(whole.unique()) > 60  # rows without any number may be alike
    assert torch.equal(torch.cat(parts), whole[order])


def test_same_seed_same_noise():
    process = MixedProcess(2, LevelLayout([2, 3]))
    first, again, other = (fixed_noise(process, TIMES, seed=seed).noises[0] for seed in (0, 0, 1))
    assert torch.equal(first.eps, again.eps) and torch.equal(first.keep, again.keep)
    assert not torch.equal(first.eps, other.eps)
