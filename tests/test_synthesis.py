"""Whole models on laws small enough to know, and what a seed, a chunk and a rare class may change."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles import generator, total_variation
from small_models import SHORT, fit, seed

from tabdiff.batch import MixedBatch
from tabdiff.methods import METHODS, FewStep, TabDDPM
from tabdiff.nets.mlp import MLPConfig
from tabdiff.synthesis import DiffusionConfig, default_config, tempered_copies
from tabdiff.training import Epochs, TrainingConfig

LONGER = DiffusionConfig(
    network=MLPConfig(width=64, n_blocks=2),
    training=TrainingConfig(max_steps=600, batch_size=256, learning_rate=3e-3),
    rare_share=0.3,
)


def small_table(n_rows=60, draws=0):
    """Two numbers with gaps, columns of 3, 1 and 2 levels, and two classes."""
    source = generator(draws)
    num = torch.randn(n_rows, 2, generator=source)
    observed = torch.rand(n_rows, 2, generator=source) < 0.8
    cat = (torch.rand(n_rows, 3, generator=source) * torch.tensor([3, 1, 2])).long()
    return MixedBatch(num.where(observed, torch.nan), cat, observed), torch.arange(n_rows) % 2


def as_bytes(fitted):
    return {name: value.numpy().tobytes() for name, value in fitted.network.state_dict().items()}


# --- laws that are learned --------------------------------------------------------------------------


def test_two_points_are_learned():
    points, share = torch.tensor([-0.655, 1.528]), 0.3  # mean 0, variance 1
    num = points[(torch.arange(1000) % 10 < 3).long()][:, None]
    fitted = fit(MixedBatch(num, torch.zeros(1000, 0, dtype=torch.long)), [], config=LONGER)
    drawn = fitted.sample(4000, None, seed(1)).num[:, 0]
    distance, nearest = (drawn[:, None] - points).abs().min(1)
    assert (distance < 0.1).float().mean() > 0.9
    assert nearest.float().mean().item() == pytest.approx(share, abs=0.04)


def mixed_table(n_rows=6000):
    """A class of 5 % that shifts a number and a level, which depend on each other within each class."""
    source = generator(5)
    label = (torch.arange(n_rows) % 20 == 0).long()
    level = (torch.rand(n_rows, generator=source) < torch.tensor([0.3, 0.8])[label]).long()
    centre = torch.tensor([[-0.6, 0.4], [2.5, 1.0]])[label, level]
    num = centre + torch.tensor([0.7, 0.3])[label] * torch.randn(n_rows, generator=source)
    return MixedBatch(num[:, None], torch.stack([level, 2 - 2 * level], 1)), label


def figures(rows, label):
    """For each class: share of level 1, mean of the number, its mean within each level, its spread."""
    result = []
    for code in (0, 1):
        num, level = rows.num[label == code, 0], rows.cat[label == code, 0]
        means = [num[level == k].mean() for k in (0, 1)]
        result.append(torch.stack([level.float().mean(), num.mean(), *means, num.std()]))
    return torch.stack(result)


@pytest.fixture(scope="module")
def learned():
    rows, label = mixed_table()
    return fit(rows, [2, 3], label, LONGER)


def test_law_within_each_class_survives_tempered_batches(learned):
    rows, label = mixed_table()
    told = torch.arange(8000) % 2  # classes in turn: every row must come back to its place
    drawn = learned.sample(len(told), told, seed(1))
    torch.testing.assert_close(figures(drawn, told), figures(rows, label), rtol=0, atol=0.2)
    assert (drawn.cat[:, 1] == 2 - 2 * drawn.cat[:, 0]).float().mean() > 0.97  # one column repeats the other


def test_revised_rows_stay_near_and_keep_their_law(learned):
    rows, label = mixed_table()
    near, far = (learned.revise(rows, label, seed(2), t) for t in (0.05, 0.6))
    assert (near.num - rows.num).abs().mean() < 0.1 < (far.num - rows.num).abs().mean()
    assert (near.cat == rows.cat).float().mean() > 0.95 > (far.cat == rows.cat).float().mean()
    torch.testing.assert_close(figures(far, label), figures(rows, label), rtol=0, atol=0.2)


def test_guidance_leads_away_from_what_classes_share(learned):
    told = torch.zeros(4000, dtype=torch.long)
    plain, guided = (learned.sample(4000, told, seed(1), guidance=w) for w in (0.0, 2.0))
    # the level alone: .3^3 / .325^2 against .7^3 / .675^2 is .254, as the unlabelled law is that of the table
    assert guided.cat[:, 0].float().mean() < plain.cat[:, 0].float().mean() - 0.03


def test_tabddpm_learns_levels_that_depend_on_each_other():
    rows, label = mixed_table()
    levels = MixedBatch(torch.zeros(len(label), 0), torch.cat([rows.cat, label[:, None]], 1))
    config = replace(LONGER, method=TabDDPM(n_steps=50), training=replace(LONGER.training, max_steps=300))
    drawn = fit(levels, [2, 3, 2], config=config).sample(8000, None, seed(1))
    codes = [batch.cat @ torch.tensor([6, 2, 1]) for batch in (levels, drawn)]
    shares = [torch.bincount(code, minlength=12) / len(code) for code in codes]
    assert total_variation(*shares) < 0.05


@pytest.mark.slow
def test_tabddpm_learns_a_mixed_law_in_1000_steps():
    rows, label = mixed_table()
    told = torch.arange(2000) % 2
    drawn = fit(rows, [2, 3], label, replace(LONGER, method=TabDDPM())).sample(len(told), told, seed(1))
    # x0 from a noise prediction is a quotient by sqrt(alpha_bar), down to .001: a few rows are far out
    assert (drawn.num.abs() > 5).float().mean() < 0.01
    tame = MixedBatch(drawn.num.clamp(-5, 5), drawn.cat)
    torch.testing.assert_close(figures(tame, told), figures(rows, label), rtol=0, atol=0.2)


# --- tempering --------------------------------------------------------------------------------------


def test_copies_by_hand():
    label = torch.tensor([0] * 94 + [1] * 4 + [2] * 2)
    config = DiffusionConfig(rare_share=0.1, max_exposure=50)
    copies = tempered_copies(label, 3, 2000, config)
    # class 1: 10 % as asked for, 2.5 times its share; class 2: 50 * 2 / 2000 = 5 %, as far as exposure allows
    assert copies.tolist() == pytest.approx([1.0] * 94 + [2.5] * 4 + [2.5] * 2)
    far = tempered_copies(label, 3, 2000, replace(config, max_exposure=1000))
    assert far.tolist() == pytest.approx([1.0] * 94 + [2.5] * 4 + [5.0] * 2)


def test_common_and_overexposed_classes_keep_one_copy():
    label = torch.tensor([0] * 60 + [1] * 40)
    assert tempered_copies(label, 2, 1e9, DiffusionConfig()).tolist() == [1.0] * 100
    rare = torch.tensor([0] * 99 + [1])
    assert tempered_copies(rare, 2, 1e9, DiffusionConfig()).tolist() == [1.0] * 100


def test_an_absent_class_changes_nothing():
    label = torch.tensor([0] * 95 + [2] * 5)
    assert tempered_copies(label, 4, 1000, DiffusionConfig()).tolist() == pytest.approx(
        [1.0] * 95 + [2.0] * 5
    )


def test_no_rare_row_is_seen_more_often_than_allowed():
    label = torch.tensor([0] * 995 + [1] * 5)
    config = DiffusionConfig(rare_share=0.5, max_exposure=40)
    copies = tempered_copies(label, 2, 100 * 64, config)
    stream = Epochs(copies, 1000, 64, generator())
    counts = torch.bincount(torch.cat([next(stream) for _ in range(100)]), minlength=1000)
    assert 30 < counts[995:].float().mean() <= 40


# --- randomness -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [FewStep(n_steps=4), TabDDPM(n_steps=4)], ids=METHODS)
def test_same_seed_same_bytes_and_other_seed_other_bytes(method):
    batch, label = small_table()
    models = [fit(batch, [3, 1, 2], label, replace(SHORT, method=method), number) for number in (1, 1, 2)]
    first, again, other = map(as_bytes, models)
    assert first == again
    assert all(first[name] != other[name] for name in first if "weight" in name)
    drawn = [models[0].sample(50, torch.arange(50) % 2, seed(number)) for number in (1, 1, 2)]
    assert torch.equal(drawn[0].num, drawn[1].num) and torch.equal(drawn[0].cat, drawn[1].cat)
    assert not torch.equal(drawn[0].num, drawn[2].num) and not torch.equal(drawn[0].cat, drawn[2].cat)


def test_bytes_do_not_depend_on_the_number_of_threads():
    batch, label = small_table(600)
    config = replace(SHORT, training=replace(SHORT.training, batch_size=128, shards=2))
    results = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        try:
            fitted = fit(batch, [3, 1, 2], label, config)
            drawn = fitted.sample(40, torch.arange(40) % 2, seed(1), n_steps=3)
        finally:
            torch.set_num_threads(1)
        results.append((as_bytes(fitted), drawn.num.numpy().tobytes(), drawn.cat.numpy().tobytes()))
    assert results[0] == results[1]


def global_state():
    return (
        torch.get_rng_state().tolist(),
        str(np.random.get_state()),
        random.getstate(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
    )


def test_global_state_is_left_alone_and_has_no_say():
    batch, label = small_table()
    before, drawn = global_state(), []
    for _ in range(2):
        fitted = fit(batch, [3, 1, 2], label)
        drawn.append(fitted.sample(10, torch.zeros(10, dtype=torch.long), seed(1), n_steps=3).num)
        assert global_state() == before
        with torch.random.fork_rng(devices=[]):
            torch.rand(1)  # another state at the second fit
            before = global_state()
            drawn.append(
                fit(batch, [3, 1, 2], label).sample(10, torch.zeros(10).long(), seed(1), n_steps=3).num
            )
            assert global_state() == before
        before = global_state()
    assert all(torch.equal(other, drawn[0]) for other in drawn[1:])


# --- drawing ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short():
    batch, label = small_table()
    return fit(batch, [3, 1, 2], label)


def test_chunks_fill_every_row_with_draws_of_their_own(short):
    told, chunks = torch.arange(10_000) % 2, []
    drawn = short.sample(10_000, told, seed(), n_steps=1, on_rows=chunks.append)
    assert sum(chunks) == 10_000 and len(chunks) > 2
    assert drawn.num.isfinite().all() and len(drawn.num[:, 0].unique()) > 9_900
    assert (drawn.cat >= 0).all() and (drawn.cat < torch.tensor([3, 1, 2])).all()


def test_no_rows_are_drawn_on_request(short):
    for label in (None, torch.zeros(0, dtype=torch.long)):
        drawn = short.sample(0, label, seed())
        assert drawn.num.shape == (0, 2) and drawn.cat.shape == (0, 3)


@pytest.mark.parametrize(("guidance", "calls_per_step"), [(0.0, 1), (0.5, 2)])
def test_network_runs_once_for_the_start_and_each_step_and_twice_with_guidance(
    short, guidance, calls_per_step
):
    calls = []
    handle = short.network.register_forward_hook(lambda *_: calls.append(1))
    try:
        short.sample(8, torch.zeros(8, dtype=torch.long), seed(), n_steps=5, guidance=guidance)
    finally:
        handle.remove()
    assert len(calls) == (1 + 5) * calls_per_step


@pytest.mark.parametrize(("n_num", "n_levels"), [(2, []), (0, [3, 2]), (1, [1])])
@pytest.mark.parametrize("method", [FewStep(n_steps=3), TabDDPM(n_steps=3)], ids=METHODS)
def test_an_empty_kind_is_no_hindrance(method, n_num, n_levels):
    batch = MixedBatch(torch.randn(20, n_num, generator=generator()), torch.zeros(20, len(n_levels)).long())
    drawn = fit(batch, n_levels, config=replace(SHORT, method=method)).sample(5, None, seed())
    assert drawn.num.shape == (5, n_num) and drawn.cat.shape == (5, len(n_levels))


# --- fitting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_rows", "evaluations"), [(499, 0), (500, 3)])
def test_small_tables_give_no_rows_away(n_rows, evaluations):
    batch, label = small_table(n_rows)
    history = fit(batch, [3, 1, 2], label).history
    assert len(history.loss) == 3 and len(history.held_out) == evaluations


def test_training_reports_every_step():
    batch, label = small_table()
    steps = []
    fit(batch, [3, 1, 2], label, on_step=lambda step, history: steps.append(step))
    assert steps == list(range(1, 13))


def test_larger_tables_get_larger_networks_and_longer_training():
    configs = [default_config(n_rows) for n_rows in (1_000, 10_000, 100_000)]
    assert sorted(c.network.width for c in configs) == [c.network.width for c in configs]
    draws = [c.training.max_steps * c.training.batch_size for c in configs]
    assert draws[0] < draws[1] < draws[2]


@pytest.mark.parametrize("n_rows", [50, 200, 499, 2_000, 40_000])
def test_no_row_of_a_table_is_shown_much_more_than_a_thousand_times(n_rows):
    training = default_config(n_rows).training
    assert training.max_steps * training.batch_size <= 1_100 * max(n_rows, 50)
