"""The training loop on models of one weight, where every number can be worked out."""

import itertools
import math

import pytest
import torch
from oracles import generator
from torch import nn

from tabdiff.batch import MixedBatch
from tabdiff.errors import TrainingError
from tabdiff.training import Epochs, Stop, TrainingConfig, TrainingData, train, weights_of


class Weight(nn.Module):
    """A model that is one number."""

    def __init__(self, value=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([value]))


def squared(model, rows, label, draws):
    """Distance to the rows' only number."""
    return (model.weight - rows.num[:, 0]) ** 2


def linear(model, rows, label, draws):
    """A loss of gradient 1, under which Adam moves by exactly the learning rate."""
    return model.weight.expand(len(rows))


def not_a_number(model, rows, label, draws):
    return model.weight.expand(len(rows)) * math.nan


def rows_of(*values):
    num = torch.tensor(values)[:, None]
    return TrainingData(MixedBatch(num, torch.zeros(len(num), 0, dtype=torch.long)))


def config(**changes):
    plain = {"max_steps": 40, "batch_size": 4, "learning_rate": 0.1, "weight_decay": 0.0, "amp": False}
    return TrainingConfig(**(plain | changes))


def run(loss, data, settings, held_out=None, seed=0):
    """Train and also return the weight after every step."""
    model, path = Weight(), []
    averaged, history = train(
        model, loss, data, settings, generator(seed), held_out, lambda *_: path.append(model.weight.item())
    )
    return averaged.weight.item(), history, path


# --- batches ----------------------------------------------------------------------------------------


def counts_of(batches, n_rows):
    return torch.bincount(torch.cat(batches), minlength=n_rows).tolist()


def test_a_pass_shows_each_row_as_often_as_it_has_copies():
    stream = Epochs(torch.tensor([1.0, 2.0, 0.0, 3.0]), 4, 4, generator())
    batches = list(itertools.islice(stream, 6))  # 24 rows: four passes of six
    assert [len(batch) for batch in batches] == [4] * 6
    assert counts_of(batches, 4) == [4, 8, 0, 12]
    assert counts_of(batches[:3], 4) == [2, 4, 0, 6]


@pytest.mark.parametrize("batch_size", [1, 5, 7, 23])
def test_without_copies_each_pass_shows_each_row_once(batch_size):
    batches = list(itertools.islice(Epochs(None, 7, batch_size, generator()), 14))
    assert {len(batch) for batch in batches} == {batch_size}
    assert counts_of(batches, 7) == [2 * batch_size] * 7


def test_a_broken_number_of_copies_is_right_on_average():
    n_passes, copies = 400, torch.tensor([2.3] * 30 + [1.0] * 30)
    stream = Epochs(copies, 60, 99, generator())  # batches as long as a mean pass
    counts = torch.tensor(counts_of(list(itertools.islice(stream, n_passes)), 60)) / n_passes
    assert ((counts - copies).abs() < 5 * (0.3 * 0.7 / n_passes) ** 0.5).all()
    assert (counts[:30].mean() / counts[30:].mean()).item() == pytest.approx(2.3, abs=0.03)


@pytest.mark.parametrize("batch_size", [3, 8, 19])
def test_batches_go_on_from_a_state(batch_size):
    copies = torch.tensor([0.5, 1.0, 2.3, 1.0, 1.7])
    whole = [batch.tolist() for batch in itertools.islice(Epochs(copies, 5, batch_size, generator()), 12)]
    for n in range(12):
        first = Epochs(copies, 5, batch_size, generator())
        list(itertools.islice(first, n))
        second = Epochs(copies, 5, batch_size, generator(9))
        second.restore(first.state())
        assert [batch.tolist() for batch in itertools.islice(second, 12 - n)] == whole[n:]


def test_passes_are_shuffled_anew():
    first, second = itertools.islice(Epochs(None, 50, 50, generator()), 2)
    assert first.tolist() != second.tolist() != sorted(second.tolist())


def test_rows_labels_and_numbers_stay_together():
    data = rows_of(*map(float, range(20)))
    data = TrainingData(data.rows, torch.arange(20) * 10)
    seen = []

    def record(model, rows, label, draws):
        seen.append((rows.num[:, 0] * 10 == label).all().item())
        return linear(model, rows, label, draws)

    run(record, data, config(max_steps=15, batch_size=7))
    assert seen == [True] * 15


# --- known answers ----------------------------------------------------------------------------------


def test_learning_rate_warms_up_and_falls_by_a_cosine():
    _, _, path = run(linear, rows_of(1.0), config(max_steps=40, warmup_steps=100))
    moved = [before - after for before, after in itertools.pairwise([0.0, *path])]
    expected = [0.1 * min(1, (i + 1) / 4) * 0.5 * (1 + math.cos(math.pi * i / 40)) for i in range(40)]
    assert moved == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("decay", "max_steps", "bound"), [(0.5, 40, 0.5), (0.999, 40, 0.75)])
def test_average_is_the_moving_average_of_the_weights(decay, max_steps, bound):
    averaged, _, path = run(linear, rows_of(1.0), config(max_steps=max_steps, ema_decay=decay))
    expected = 0.0
    for step, weight in enumerate(path):
        expected += (1 - min(bound, (1 + step) / (10 + step))) * (weight - expected)
    assert averaged == pytest.approx(expected, rel=1e-5)
    assert abs(averaged - path[-1]) > 1e-4


def test_minimum_is_found_and_recorded():
    averaged, history, _ = run(squared, rows_of(1.0, 3.0), config(max_steps=400, evaluate_every=150))
    assert averaged == pytest.approx(2.0, abs=0.02)
    assert history.steps == [150, 300, 400]
    assert history.loss[-1] == pytest.approx(1.0, abs=0.01)  # variance of 1 and 3
    assert (history.n_steps, history.stopped_by, history.held_out) == (400, "steps", [])


@pytest.mark.parametrize("shards", [2, 4])
def test_shards_add_up_to_the_whole_batch(shards):
    data, settings = rows_of(1.0, 2.0, 5.0, -3.0), {"batch_size": 4, "max_steps": 50}
    whole = run(squared, data, config(**settings))[2]
    parts = run(squared, data, config(**settings, shards=shards))[2]
    assert parts == pytest.approx(whole, abs=1e-5)


def test_each_shard_draws_noise_of_its_own():
    drawn = []

    def record(model, rows, label, draws):
        drawn.append(torch.rand(len(rows), generator=draws))
        return linear(model, rows, label, draws)

    run(record, rows_of(1.0), config(max_steps=3, batch_size=4, shards=2))
    assert len(torch.cat(drawn).unique()) == 12


# --- stopping ---------------------------------------------------------------------------------------


def test_early_stop_keeps_the_best_average():
    settings = config(
        max_steps=1000, learning_rate=0.05, evaluate_every=5, patience=3, tolerance=0.0, ema_decay=0.1
    )
    averaged, history, path = run(squared, rows_of(5.0), settings, held_out=rows_of(1.0))
    assert history.stopped_by == "held-out loss" and history.n_steps < 200
    best = min(history.held_out)
    assert history.held_out.index(best) == len(history.held_out) - 4  # three worse ones since
    assert (averaged - 1.0) ** 2 == pytest.approx(best, rel=1e-5)
    assert path[-1] > averaged + 0.3


def test_early_stop_keeps_the_last_average_within_the_tolerance():
    settings = config(
        max_steps=1000, learning_rate=0.05, evaluate_every=5, patience=3, tolerance=0.5, ema_decay=0.1
    )
    # towards 5, past a held-out loss that is lowest at 1.4 and nowhere below 2
    averaged, history, _ = run(
        lambda *args: squared(*args) + 2, rows_of(5.0), settings, held_out=rows_of(1.4)
    )
    best, kept = min(history.held_out), (averaged - 1.4) ** 2 + 2
    assert best < kept <= 1.5 * best
    assert history.held_out.index(best) < len(history.held_out) - 4
    assert all(loss > 1.5 * best for loss in history.held_out[-3:])


def test_without_patience_the_last_average_is_kept():
    settings = config(max_steps=200, evaluate_every=5, patience=0)
    averaged, history, _ = run(squared, rows_of(5.0), settings, held_out=rows_of(1.0))
    assert history.n_steps == 200 and history.stopped_by == "steps"
    assert (averaged - 1.0) ** 2 == pytest.approx(history.held_out[-1], rel=1e-5)


def test_held_out_loss_is_always_taken_with_the_same_noise():
    def noise(model, rows, label, draws):
        return torch.rand(len(rows), generator=draws) + 0 * model.weight

    settings = config(evaluate_every=10, learning_rate=0.0)
    _, history, _ = run(noise, rows_of(1.0, 2.0), settings, held_out=rows_of(1.0, 2.0, 3.0))
    assert len(history.held_out) == 4 and len(set(history.held_out)) == 1
    assert len(set(history.loss)) == 4


def test_held_out_loss_is_a_mean_over_rows_however_many():
    held_out = rows_of(*map(float, range(5000)))
    settings = config(max_steps=1, evaluate_every=1, learning_rate=0.0)
    _, history, _ = run(squared, rows_of(1.0), settings, held_out)
    assert history.held_out == pytest.approx([sum(i**2 for i in range(5000)) / 5000], rel=1e-5)


def test_a_watcher_ends_training_with_the_weights_it_names():
    seen = {}

    def watch(model, history):
        assert not torch.is_grad_enabled()
        seen[history.n_steps] = model.weight.item()
        if history.n_steps == 30:
            return Stop("enough", {"weight": torch.tensor([seen[20]])}, 20)
        return None

    model, settings = Weight(), config(max_steps=100, evaluate_every=10)
    averaged, history = train(model, linear, rows_of(1.0), settings, generator(), watchers=[watch])
    assert list(seen) == [10, 20, 30]
    assert (history.stopped_by, history.n_steps, history.kept_step) == ("enough", 30, 20)
    assert averaged.weight.item() == pytest.approx(seen[20]) != pytest.approx(seen[30])


def test_of_several_watchers_all_are_asked_and_the_first_that_stops_is_obeyed():
    asked = []

    def watcher(name, at):
        def watch(model, history):
            asked.append(name)
            return Stop(name, weights_of(model), history.n_steps) if history.n_steps >= at else None

        return watch

    watchers = [watcher("late", 30), watcher("early", 20), watcher("also early", 20)]
    settings = config(max_steps=100, evaluate_every=10)
    _, history = train(Weight(), linear, rows_of(1.0), settings, generator(), watchers=watchers)
    assert history.stopped_by == "early"
    assert asked == ["late", "early", "also early"] * 2


@pytest.mark.parametrize(("step_of_watcher", "kept"), [(10, 10), (60, 30)])
def test_the_older_of_best_and_named_weights_is_kept(step_of_watcher, kept):
    """Past a held-out row that is nearest at step 30, since when each evaluation is worse."""
    named = {}

    def watch(model, history):
        named[history.n_steps] = weights_of(model)
        return Stop("late", named[step_of_watcher], step_of_watcher) if history.n_steps == 60 else None

    settings = config(max_steps=1000, evaluate_every=10, learning_rate=0.01, tolerance=0.0, patience=50)
    paths = [[], []]
    for path, place in zip(paths, (5.0, None), strict=True):
        held_out = rows_of(paths[0][2] if place is None else place)
        averaged, history = train(
            Weight(), squared, rows_of(9.0), settings, generator(), held_out, watchers=[watch]
        )
        path.extend(weights["weight"].item() for weights in named.values())
    assert history.steps[history.held_out.index(min(history.held_out))] == 30
    assert history.kept_step == kept
    assert averaged.weight.item() == named[kept]["weight"].item()


def test_the_last_step_is_kept_if_nobody_asks_for_another():
    _, history, _ = run(squared, rows_of(1.0), config(max_steps=40, evaluate_every=10))
    assert (history.kept_step, history.attack_auc, history.attack_se) == (40, [], [])


def test_seconds_end_the_run():
    _, history, path = run(linear, rows_of(1.0), config(max_steps=10**6, max_seconds=0.2))
    assert history.stopped_by == "seconds"
    assert 0.2 <= history.seconds < 5
    assert 1 < history.n_steps == len(path) < 10**6


@pytest.mark.parametrize(
    "limits",
    [{"evaluate_every": 10}, {"max_steps": 10**6, "evaluate_every": 10**6, "max_seconds": 0.1}],
    ids=["steps", "seconds"],
)
def test_a_loss_that_is_no_number_ends_training_with_an_error(limits):
    with pytest.raises(TrainingError, match="nan"):
        run(not_a_number, rows_of(1.0), config(**limits))


def test_a_call_that_returns_true_ends_training():
    settings = config(max_steps=100, evaluate_every=10, patience=0)
    for answer, n_steps in ((True, 23), (1, 100)):  # nothing but True does
        _, history = train(
            Weight(),
            linear,
            rows_of(1.0),
            settings,
            generator(),
            on_step=lambda step, _, answer=answer: step >= 23 and answer,
        )
        assert history.n_steps == history.kept_step == n_steps
    assert history.stopped_by == "steps"


def test_the_best_weights_are_kept_also_if_a_call_ends_training():
    """Past a held-out row that is nearest at step 30."""
    path = run(squared, rows_of(9.0), config(max_steps=1000, learning_rate=0.01))[2]
    settings = config(max_steps=1000, learning_rate=0.01, evaluate_every=10, tolerance=0.0, ema_decay=0.0)
    _, history = train(
        Weight(),
        squared,
        rows_of(9.0),
        settings,
        generator(),
        rows_of(path[29]),
        lambda step, _: step == 60,
    )
    assert (history.stopped_by, history.n_steps, history.kept_step) == ("callback", 60, 30)


def test_the_seconds_of_each_evaluation_are_recorded():
    _, history, _ = run(linear, rows_of(1.0), config(max_steps=30, evaluate_every=10))
    assert len(history.elapsed) == 3
    assert 0 < history.elapsed[0] < history.elapsed[1] < history.elapsed[2] <= history.seconds


def test_histories_are_equal_whatever_time_they_took():
    first, second = (run(squared, rows_of(1.0, 2.0), config(), seed=3)[1] for _ in range(2))
    assert first.seconds != second.seconds
    assert first == second != run(squared, rows_of(1.0, 3.0), config(), seed=3)[1]


# --- contract ---------------------------------------------------------------------------------------


def test_result_is_a_frozen_copy_and_the_model_is_trained_in_place():
    model = Weight()
    averaged, _ = train(model, linear, rows_of(1.0), config(), generator())
    assert averaged is not model and not averaged.training
    assert not averaged.weight.requires_grad and model.weight.requires_grad
    assert model.weight.item() != 0


def test_each_step_is_reported_once():
    reported = []
    train(Weight(), linear, rows_of(1.0), config(), generator(), None, lambda *call: reported.append(call))
    assert [step for step, _ in reported] == list(range(1, 41))
    assert reported[-1][1].n_steps == 40


def test_same_generator_same_path():
    data = rows_of(1.0, 2.0, 5.0, -3.0, 0.5)
    first, again, other = (run(squared, data, config(), seed=seed)[2] for seed in (1, 1, 2))
    assert first == again != other


def test_shards_that_do_not_divide_the_batch_are_refused():
    with pytest.raises(ValueError, match="batch_size is 10 and shards is 4"):
        TrainingConfig(batch_size=10, shards=4)


# --- held-out rows that win by chance ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("differences", "stops"),
    [
        ([0.5, -0.3, 0.5, -0.3], False),  # mean .1, error .23: chance
        ([0.2, 0.0, 0.2, 0.0], False),  # mean .1, error .0577: less than two of them
        ([0.14, 0.06, 0.14, 0.06], True),  # mean .1, error .023
    ],
)
def test_held_out_rows_that_differ_by_chance_do_not_end_training(differences, stops):
    """Losses of four rows that are constant but for one step up, after the first evaluation."""
    first = torch.tensor([1.0, 1.0, 1.0, 1.0])
    shown = {10: first}

    def loss(model, rows, label, draws):
        if model.training:
            return 0 * model.weight + rows.num[:, 0]
        return shown.get(history_step[0], first + torch.tensor(differences)) + 0 * model.weight

    history_step = [0]

    def on_step(step, history):
        history_step[0] = step + 1

    settings = config(max_steps=60, evaluate_every=10, learning_rate=0.0, tolerance=0.01, patience=3)
    rows = rows_of(1.0, 1.0, 1.0, 1.0)
    history_step[0] = 1
    _, history = train(Weight(), loss, rows, settings, generator(), held_out=rows, on_step=on_step)
    assert history.held_out == pytest.approx([1.0] + [1.1] * (len(history.held_out) - 1))
    assert (history.stopped_by == "held-out loss") == stops
    assert history.kept_step == (10 if stops else 60)


def test_few_held_out_rows_are_noised_several_times():
    def noise(model, rows, label, draws):
        return torch.rand(len(rows), generator=draws) + 0 * model.weight

    settings = config(max_steps=1, evaluate_every=1, learning_rate=0.0)
    _, history, _ = run(noise, rows_of(1.0), settings, held_out=rows_of(1.0, 2.0))
    # 500 draws for each of two rows: within four standard errors of the mean of a uniform number
    assert history.held_out[0] == pytest.approx(0.5, abs=4 * (1 / 12 / 1000) ** 0.5)
