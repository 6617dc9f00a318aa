"""Callbacks of the user's and of scikit-learn, on an estimator that learns one number."""

import itertools
import math
import pickle

import numpy as np
import pytest
import torch
from oracles import generator
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from tabdiff import callbacks
from tabdiff.batch import MixedBatch
from tabdiff.callbacks import CallbackSupport, Progress, calling, fit_task, together, with_callbacks
from tabdiff.training import History, TrainingConfig, TrainingData, train


class Weight(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


def squared(model, rows, label, draws):
    return (model.weight - rows.num[:, 0]) ** 2


class Mean(CallbackSupport, BaseEstimator):
    """Learns the mean of a column by gradient descent."""

    def __init__(self, max_steps=50, max_seconds=None, callbacks=(), fails_at=None):
        self.max_steps = max_steps
        self.max_seconds = max_seconds
        self.callbacks = callbacks
        self.fails_at = fails_at

    @with_callbacks
    def fit(self, X, y=None):
        num = torch.tensor(np.asarray(X)[:, :1], dtype=torch.float32)
        data = TrainingData(MixedBatch(num, torch.zeros(len(num), 0, dtype=torch.long)))
        config = TrainingConfig(self.max_steps, 4, 0.1, max_seconds=self.max_seconds, evaluate_every=10)
        with fit_task(self, X, y) as task:
            on_step = together(task, calling(self.callbacks), self._failure)(self.max_steps)
            model, self.history_ = train(Weight(), squared, data, config, generator(), data, on_step)
            self.mean_ = model.weight.item()
        return self

    def _failure(self, max_steps):
        def on_step(step, history):
            if step == self.fails_at:
                raise RuntimeError("failed")

        return on_step

    def score(self, X, y=None):
        return -abs(self.mean_ - np.mean(X))


X = np.arange(12.0).reshape(-1, 1)


# --- callbacks of the user's ------------------------------------------------------------------------------


def test_a_callback_is_told_after_each_evaluation_where_training_stands():
    seen = []
    model = Mean(max_steps=45, callbacks=[seen.append]).fit(X)
    assert [(at.step, at.max_steps, at.progress) for at in seen] == [
        (10, 45, 10 / 45),
        (20, 45, 20 / 45),
        (30, 45, 30 / 45),
        (40, 45, 40 / 45),
        (45, 45, 1.0),
    ]
    assert [at.loss for at in seen] == model.history_.loss
    assert [at.held_out for at in seen] == model.history_.held_out
    assert [at.seconds for at in seen] == model.history_.elapsed
    with pytest.raises(AttributeError):
        seen[0].step = 3


def test_the_time_left_is_what_the_time_so_far_foretells():
    history = History(steps=[30], loss=[0.5], n_steps=30, progress=0.25, seconds=10.0)
    seen = []
    calling([seen.append])(120)(30, history)
    assert seen == [Progress(30, 120, 0.25, 10.0, 30.0, 0.5, None)]
    history.progress = 1.001  # a budget of seconds is overrun by part of a step
    calling([seen.append])(120)(30, history)
    assert (seen[1].progress, seen[1].eta) == (1.0, 0.0)


def test_true_ends_training_and_nothing_else_does():
    others = []
    model = Mean(callbacks=[lambda at: at.step == 20, lambda at: others.append(at.step) or 1]).fit(X)
    assert (model.history_.n_steps, model.history_.stopped_by) == (20, "callback")
    assert others == [10, 20]


# --- scikit-learn's ---------------------------------------------------------------------------------------


class Recording:
    """A callback that notes what it is called for, and asks to stop at the end of one subtask."""

    def __init__(self, stop_at=None):
        self.stop_at, self.calls = stop_at, []

    def setup(self, estimator, context):
        self.calls.append(("setup", context.task_name))

    def on_fit_task_begin(self, estimator, context, *, X=None):
        self.calls.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        fitted = None if fitted_estimator is None else fitted_estimator.mean_
        self.calls.append(("end", context.task_name, context.task_id, fitted))
        return context.task_name == "per cent" and context.task_id == self.stop_at

    def teardown(self, estimator, context):
        self.calls.append(("teardown", context.task_name))

    def count(self, *start):
        return sum(call[: len(start)] == start for call in self.calls)


class Propagated(Recording):
    max_propagation_depth = None


sklearn_callback = pytest.mark.skipif(callbacks._sklearn is None, reason="scikit-learn < 1.9")


@sklearn_callback
@pytest.mark.parametrize("max_steps", [7, 50, 230])
def test_a_fit_is_one_task_with_a_subtask_for_each_per_cent(max_steps):
    recording = Recording()
    model = Mean(max_steps).set_callbacks(recording).fit(X)
    parts = [(kind, "per cent", i) for i, kind in itertools.product(range(100), ("begin", "end"))]
    assert [call[:3] for call in recording.calls] == [
        ("setup", "fit"),
        ("begin", "fit", 0),
        *parts,
        ("end", "fit", 0),
        ("teardown", "fit"),
    ]
    assert recording.calls[-2][3] == model.mean_


@sklearn_callback
def test_a_subtask_ends_when_its_share_of_the_steps_is_done():
    recording, ended = Recording(), []

    def note(at):
        ended.append((at.step, recording.count("end"), recording.count("begin", "per cent")))

    Mean(50, callbacks=[note]).set_callbacks(recording).fit(X)
    assert ended == [(10, 20, 21), (20, 40, 41), (30, 60, 61), (40, 80, 81), (50, 100, 100)]


@sklearn_callback
def test_a_budget_of_seconds_is_told_in_per_cent_as_well():
    recording = Recording()
    Mean(10**7, max_seconds=0.2).set_callbacks(recording).fit(X)
    assert recording.count("end", "per cent") == 100


@sklearn_callback
def test_a_callback_that_asks_to_stop_ends_training():
    recording = Recording(stop_at=59)
    model = Mean(50).set_callbacks(recording).fit(X)
    assert (model.history_.n_steps, model.history_.stopped_by) == (30, "callback")
    assert recording.count("begin") == recording.count("end") == 62
    assert recording.calls[-1] == ("teardown", "fit")


@sklearn_callback
def test_a_training_that_ends_early_ends_the_subtask_it_was_in():
    recording = Recording()
    Mean(50, callbacks=[lambda at: at.step == 20]).set_callbacks(recording).fit(X)
    assert recording.count("begin", "per cent") == recording.count("end", "per cent") == 41
    assert recording.count("end", "fit") == 1


@sklearn_callback
def test_callbacks_are_torn_down_when_a_fit_fails():
    recording = Recording()
    model = Mean(50, fails_at=7).set_callbacks(recording)
    with pytest.raises(RuntimeError, match="failed"):
        model.fit(X)
    assert recording.calls[-1] == ("teardown", "fit")
    assert recording.count("end", "fit") == 0
    recording.calls.clear()
    model.set_params(fails_at=None).fit(X)
    assert recording.count("end", "fit") == 1


@sklearn_callback
def test_clones_keep_their_callbacks_and_pickles_none_of_the_fit():
    recording = Recording()
    model = Mean(5).set_callbacks(recording).fit(X)
    recording.calls.clear()
    clone(model).fit(X)
    assert recording.count("end", "fit") == 1
    model.set_callbacks()
    assert pickle.loads(pickle.dumps(model)).mean_ == model.mean_
    assert vars(model).keys() == {*model.get_params(), "history_", "mean_"}


@sklearn_callback
def test_a_pipeline_and_a_grid_search_pass_their_callbacks_on():
    recording = Propagated()
    make_pipeline(StandardScaler(), Mean(50)).set_callbacks(recording).fit(X)
    assert recording.count("end", "per cent") == 100
    assert recording.count("setup") == recording.count("teardown") == 1
    recording = Propagated()
    search = GridSearchCV(Mean(20), {"max_steps": [10, 300]}, cv=2, error_score="raise")
    search.set_callbacks(recording).fit(X)
    assert recording.count("end", "per cent") == 5 * 100  # two candidates on two folds, and the refit


@sklearn_callback
def test_a_monitor_gets_the_score_of_the_fitted_estimator():
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring={"score": lambda estimator, X, y: estimator.score(X)})
    model = Mean(50).set_callbacks(monitor).fit(X, np.zeros(12))
    (row,) = [row for row in monitor.get_logs().data if "score" in row]
    assert math.isclose(row["score"], model.score(X))


@sklearn_callback
def test_the_progress_bar_is_full_at_the_end(capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    Mean(50).set_callbacks(ProgressBar()).fit(X)
    assert "Mean - fit" in (out := capsys.readouterr().out)
    assert "100%" in out


def test_before_scikit_learn_1_9_nothing_is_called(monkeypatch):
    monkeypatch.setattr(callbacks, "_sklearn", None)
    with fit_task(object()) as task:
        assert task is None
    seen = []
    assert (
        together(task, calling([seen.append]))(10)(5, History([5], [1.0], n_steps=5, progress=0.5)) is False
    )
    assert len(seen) == 1
