"""The brake: its attack by hand, what it does on sequences that are made up, and what it does to a model."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from oracles import generator
from sklearn.metrics import roc_auc_score
from torch import nn

from tabdiff import TableSynthesizer
from tabdiff.batch import MixedBatch
from tabdiff.memorisation import (
    Brake,
    BrakeConfig,
    adjusted,
    attack_auc,
    auc_within_classes,
    compared_rows,
    held_out_rows,
    watched_rows,
)
from tabdiff.methods import FewStep
from tabdiff.nets.mlp import MLPConfig
from tabdiff.synthesis import DiffusionConfig, fit_diffusion
from tabdiff.training import History, TrainingConfig, TrainingData


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


# --- the attack -------------------------------------------------------------------------------------------


def test_auc_and_its_error_by_hand_with_ties():
    # 3 beats both, each 2 beats 1 and ties with 2: shares 1, 3/4, 3/4; seen from the others 1 and 2/3
    auc, error = attack_auc(f64(3, 2, 2), f64(1, 2))
    assert auc == pytest.approx(5 / 6)
    assert error == pytest.approx(((1 / 48) / 3 + (1 / 18) / 2) ** 0.5)


@pytest.mark.parametrize(("members", "others", "expected"), [((5, 6), (1, 2), 1), ((1, 1), (1, 1), 0.5)])
def test_auc_at_its_extremes(members, others, expected):
    assert attack_auc(f64(*members), f64(*others)) == (expected, 0)


def test_the_error_is_the_spread_over_samples():
    draws = [
        attack_auc(*(torch.randn(2, 60, generator=generator(i)).double() + torch.tensor([[0.5], [0]])))
        for i in range(400)
    ]
    aucs, errors = torch.tensor(draws).T
    assert errors.mean().item() == pytest.approx(aucs.std().item(), rel=0.1)
    # of N(1/2, 1) beating N(0, 1)
    assert aucs.mean().item() == pytest.approx(0.6382, abs=0.006)


def test_only_rows_of_one_class_are_compared():
    scores = f64(1, 2, 3, 101, 102, 104, 100, 103)
    member, label = torch.tensor([0, 0, 1, 0, 0, 1, 1, 1]).bool(), torch.tensor([0, 0, 0, 1, 1, 1, 1, 1])
    scores, member, label = scores.repeat(2), member.repeat(2), label.repeat(2)
    # class 0: all pairs; class 1: 104 beats both, 103 both, 100 neither; two held-out rows of four each
    auc, error = auc_within_classes(scores, member, label)
    apart = [attack_auc(scores[(label == k) & member], scores[(label == k) & ~member]) for k in (0, 1)]
    assert [part[0] for part in apart] == pytest.approx([1, 2 / 3])
    assert auc == pytest.approx((1 + 2 / 3) / 2)
    assert error == pytest.approx((apart[0][1] ** 2 / 4 + apart[1][1] ** 2 / 4) ** 0.5)
    shifted = scores + 1000 * label
    assert auc_within_classes(shifted, member, label)[0] == pytest.approx(auc)
    assert auc_within_classes(shifted, member, None)[0] != pytest.approx(auc)


def test_adjusted_losses_by_hand():
    first, member = f64(1, 2, 3, 11, 13), torch.tensor([1, 1, 1, 0, 0]).bool()
    # within the groups losses rise by .5, .5 and .5 for each unit of the first ones; members lie 2 lower
    losses = 0.5 * first - 2 * member
    assert adjusted(losses, first, member).tolist() == [-2, -2, -2, 0, 0]
    assert adjusted(first, first, member).tolist() == [0] * 5
    assert adjusted(losses, torch.ones(5, dtype=torch.float64), member).tolist() == losses.tolist()


# --- which rows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([99], [False]),  # a fifth would be less than twenty rows
        ([100], [True]),
        ([1999], [True]),
        ([2000], [False]),
        ([5000, 260], [False, True]),
        ([5000, 49], [False, False]),
        ([5000, 60], [False, False]),
        ([5000, 60, 60], [False, True, True]),  # together they have twenty rows to spare
    ],
    ids=str,
)
def test_small_classes_are_watched_if_they_have_rows_to_spare(counts, expected):
    label = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    watched = watched_rows(len(label), label if len(counts) > 1 else None, BrakeConfig())
    assert [watched[label == code].unique().tolist() for code in range(len(counts))] == [
        [entry] for entry in expected
    ]


def test_without_a_bound_large_classes_are_watched_and_give_few_rows():
    config = BrakeConfig(max_rows=None)
    watched = watched_rows(10_000, None, config)
    assert watched.all()
    assert held_out_rows(watched, None, config, seed=0).sum() == 500


def test_each_class_holds_out_a_fifth_and_four_learned_rows_stand_against_each():
    label = torch.tensor([0] * 2000 + [1] * 100 + [2] * 60)[torch.randperm(2160, generator=generator())]
    config = BrakeConfig(members=3)
    watched = watched_rows(len(label), label, config)
    held = held_out_rows(watched, label, config, seed=1)
    assert torch.bincount(label[held]).tolist() == [0, 20, 12]
    rows = compared_rows(watched, held, label, config, seed=1)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert torch.bincount(label[rows[held[rows]]]).tolist() == [0, 20, 12]
    assert torch.bincount(label[rows[~held[rows]]]).tolist() == [0, 60, 36]
    assert not torch.equal(held, held_out_rows(watched, label, config, seed=2))


def test_training_rows_are_drawn_from_all_over_a_sorted_table():
    config = BrakeConfig(max_rows=None, max_held_out=50)
    watched = watched_rows(2000, None, config)
    held = held_out_rows(watched, None, config, seed=1)
    rows = compared_rows(watched, held, None, config, seed=1)
    assert rows[~held[rows]].double().mean().item() == pytest.approx(1000, abs=150)  # 200 of 0 to 1999


# --- the brake --------------------------------------------------------------------------------------------


class Weight(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


def drive(losses_of, n_evaluations, config, n_members=100, n_others=50):
    """Show a brake the losses of each evaluation, and a model whose weight is the evaluation's number."""
    n = n_members + n_others
    rows = TrainingData(MixedBatch(torch.zeros(n, 1), torch.zeros(n, 0, dtype=torch.long)))
    is_member, model, history = torch.arange(n) < n_members, Weight(), History()
    losses = iter([losses_of(i, is_member).double() for i in range(n_evaluations)])
    brake = Brake(config, lambda network, data: next(losses), rows, is_member)
    for i in range(n_evaluations):
        with torch.no_grad():
            model.weight.fill_(i)
        history.n_steps = 100 * (i + 1)
        stop = brake(model, history)
        if stop is not None:
            return stop, history
    return None, history


def difficulty(i, is_member):
    """Rows of very different losses, held-out ones harder by two standard errors, and noise at each look."""
    rows = 1.4 * torch.randn(len(is_member), generator=generator(99)) + 0.5 * ~is_member
    return rows + 0.1 * torch.randn(len(is_member), generator=generator(i))


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_a_rise_trips_the_brake_and_the_last_weights_before_it_are_kept(patience):
    def losses(i, is_member):
        return difficulty(i, is_member) - 0.5 * is_member * (i >= 6)

    stop, history = drive(losses, 20, BrakeConfig(patience=patience))
    assert stop.reason == "memorisation"
    assert (stop.step, stop.weights["weight"].item()) == (600, 5)
    assert len(history.attack_auc) == len(history.attack_se) == 6 + patience
    assert history.attack_auc[-1] > 0.9 > max(history.attack_auc[:6])


def test_a_rise_that_does_not_last_is_forgiven():
    def losses(i, is_member):
        return difficulty(i, is_member) - 0.5 * is_member * (i % 2)

    assert drive(losses, 20, BrakeConfig(patience=2))[0] is None


def test_harder_held_out_rows_are_no_memorisation():
    stop, history = drive(difficulty, 200, BrakeConfig())
    assert stop is None
    assert history.attack_auc[0] == 0.5
    assert max(history.attack_auc) < 0.75


def test_the_same_fall_for_all_rows_is_no_memorisation():
    assert drive(lambda i, member: difficulty(i, member) / (1 + i), 100, BrakeConfig())[0] is None


def test_a_brake_that_goes_on_from_its_state_says_what_it_would_have_said():
    """Stopped after each evaluation and made anew, it trips at the same one and names the same weights."""

    def losses(i, is_member):
        return difficulty(i, is_member) - 0.5 * is_member * (i >= 6)

    whole, _ = drive(losses, 20, BrakeConfig(patience=2))
    rows = TrainingData(MixedBatch(torch.zeros(150, 1), torch.zeros(150, 0, dtype=torch.long)))
    is_member, model, history, state, stop = torch.arange(150) < 100, Weight(), History(), None, None
    for i in range(8):
        brake = Brake(BrakeConfig(patience=2), lambda *_, i=i: losses(i, is_member).double(), rows, is_member)
        if state is not None:
            brake.restore(state)
        with torch.no_grad():
            model.weight.fill_(i)
        history.n_steps = 100 * (i + 1)
        stop, state = brake(model, history), brake.state()
    assert (stop.step, stop.weights) == (whole.step, whole.weights) == (600, {"weight": torch.tensor([5.0])})


# --- in training ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recording(FewStep):
    """The default method, which also notes the first number of every row that is trained on."""

    seen: tuple = ()

    def objective(self, process, cat):
        plain = super().objective(process, cat)
        return _RecordingObjective(process, plain, self.seen[0])


@dataclass(frozen=True)
class _RecordingObjective:
    process: object
    plain: object
    seen: set

    def __call__(self, denoiser, batch, label, draws, known=None, lesson=None):
        self.seen.update(batch.num[:, 0].tolist())
        return self.plain(denoiser, batch, label, draws, known, lesson)

    def given(self, *arguments, **named):
        return self.plain.given(*arguments, **named)


@pytest.mark.parametrize(("brake", "n_seen"), [(BrakeConfig(), 240), (None, 300)])
def test_rows_of_the_brake_are_never_trained_on(brake, n_seen):
    num = torch.arange(300.0)[:, None] / 100
    seen = set()
    config = DiffusionConfig(
        method=Recording(seen=(seen,)),
        network=MLPConfig(width=8, n_blocks=1),
        training=TrainingConfig(max_steps=20, batch_size=64, evaluate_every=5),
        brake=brake,
    )
    batch = MixedBatch(num, torch.zeros(300, 0, dtype=torch.long))
    fitted = fit_diffusion(batch, [], None, 0, config, np.random.SeedSequence(0), torch.device("cpu"))
    assert len(seen) == n_seen
    assert len(fitted.history.attack_auc) == (4 if brake else 0)


def test_early_stopping_takes_rows_of_the_brake_where_all_rows_are_watched():
    batch = MixedBatch(torch.randn(800, 2, generator=generator()), torch.zeros(800, 0, dtype=torch.long))
    seen = set()
    config = DiffusionConfig(
        method=Recording(seen=(seen,)),
        network=MLPConfig(width=8, n_blocks=1),
        training=TrainingConfig(max_steps=20, batch_size=64, evaluate_every=5, patience=0),
    )
    for brake, n_learned in ((BrakeConfig(), 640), (None, 760)):
        seen.clear()
        recorded = replace(config, brake=brake)
        fitted = fit_diffusion(batch, [], None, 0, recorded, np.random.SeedSequence(0), torch.device("cpu"))
        # what is held out for the loss is seen by the objective as well, but by it alone
        assert len(seen) == n_learned + 40
        assert len(fitted.history.held_out) == 4


@pytest.fixture(scope="module")
def small_table():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(600, 12))
    return rows[:200], rows[200:]


def membership_auc(model, members, others):
    scores = np.concatenate([model.score_samples(rows) for rows in (members, others)])
    return roc_auc_score(np.repeat([1, 0], [len(members), len(others)]), scores)


def test_a_small_table_is_learned_by_heart_without_the_brake_and_not_with_it(small_table):
    train, fresh = small_table
    free, braked = (
        TableSynthesizer(random_state=0, max_steps=900, memorisation_brake=brake).fit(train)
        for brake in (False, "auto")
    )
    assert (free.history_.stopped_by, braked.history_.stopped_by) == ("steps", "memorisation")
    assert free.history_.attack_auc == []
    assert membership_auc(free, train, fresh) > 0.8
    assert 0.45 < membership_auc(braked, train, fresh) < 0.7
    assert braked.history_.kept_step < braked.history_.n_steps < 900


def test_the_braked_model_repeats_for_a_seed(small_table):
    train, _ = small_table
    models = [TableSynthesizer(random_state=seed, max_steps=90).fit(train) for seed in (1, 1, 2)]
    aucs = [model.history_.attack_auc for model in models]
    assert aucs[0] == aucs[1] != aucs[2]
    assert np.array_equal(models[0].sample(20), models[1].sample(20))
