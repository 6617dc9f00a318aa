"""What is called in training: callbacks of the user's, and those of scikit-learn from 1.9 on.

Each kind is made into what `tables.learn_table(progress=...)` takes: a function of the number of steps that
returns what to call after each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tabdiff.training import History, OnStep, Start

try:  # scikit-learn >= 1.9
    from sklearn import callback as _sklearn
except ImportError:
    _sklearn = None

__all__ = [
    "CALLS_BETWEEN",
    "CallbackSupport",
    "Progress",
    "Start",
    "calling",
    "fit_task",
    "is_watched",
    "part_of",
    "together",
    "with_callbacks",
]

N_TASKS = 100


@dataclass(frozen=True)
class Progress:
    """Where training stands at an evaluation, as callbacks are told.

    step: steps done, of max_steps. progress: share of the steps or of the seconds that is used up, whichever
    is larger, in [0, 1]. seconds: of training so far; eta: seconds until the budget is used up, as training
    went on average. loss: mean training loss since the evaluation before. held_out: loss of rows that are not
    trained on; None for tables that are too small to spare any.
    """

    step: int
    max_steps: int
    progress: float
    seconds: float
    eta: float
    loss: float
    held_out: float | None


def calling(callbacks: Sequence[Callable[[Progress], Any]]) -> Start:
    """Call each of the callbacks after each evaluation; training ends if one of them returns True."""

    def start(max_steps: int) -> OnStep:
        def on_step(step: int, history: History) -> bool:
            if not callbacks or not history.steps or history.steps[-1] != step:
                return False
            seen = _progress(max_steps, history)
            # all are called, also behind one that wants to stop
            return any([callback(seen) is True for callback in callbacks])

        return on_step

    return start


def _progress(max_steps: int, history: History) -> Progress:
    share = min(history.progress, 1.0)
    return Progress(
        step=history.n_steps,
        max_steps=max_steps,
        progress=share,
        seconds=history.seconds,
        eta=history.seconds * (1 / share - 1),
        loss=history.loss[-1],
        held_out=history.held_out[-1] if history.held_out else None,
    )


def together(*starts: Start | None) -> Start:
    """Several of them as one; training ends if one of them asks for it. None stands for nothing to call."""

    def start(max_steps: int) -> OnStep:
        each = [one(max_steps) for one in starts if one is not None]
        return lambda step, history: any([on_step(step, history) is True for on_step in each])

    return start


def part_of(start: Start | None, place: int, n_parts: int) -> Start | None:
    """One of several trainings that are one task: told the progress of the whole."""
    if start is None or n_parts == 1:
        return start

    def start_part(max_steps: int) -> OnStep:
        on_step = start(max_steps)

        def on_step_of_part(step: int, history: History) -> bool | None:
            whole = (place + min(history.progress, 1.0)) / n_parts
            return on_step(step, replace(history, progress=whole))

        return on_step_of_part

    return start_part


# --- scikit-learn's callbacks -----------------------------------------------------------------------------


class _NoSupport:
    """In the place of scikit-learn's mixin before 1.9."""


def _unchanged(method: Any) -> Any:
    return method


CallbackSupport: Any = _NoSupport if _sklearn is None else _sklearn.CallbackSupportMixin
"""Base of estimators that scikit-learn's callbacks can be set on; empty before scikit-learn 1.9."""

with_callbacks: Any = _unchanged if _sklearn is None else _sklearn.with_callbacks
"""Decorator of each method in which `fit_task` is used; changes nothing before scikit-learn 1.9."""

CALLS_BETWEEN = 0 if _sklearn is None else 1
"""How many calls the decorator puts between a caller and the method, for warnings that name the caller."""


def is_watched(estimator: Any) -> bool:
    """Whether scikit-learn's callbacks are set on it, which may end training early."""
    return bool(getattr(estimator, "_skl_callbacks", None))


@contextmanager
def fit_task(estimator: Any, X: Any = None, y: Any = None) -> Iterator[Start | None]:
    """Run scikit-learn's callbacks around a fit; yields what calls them in training, None before 1.9.

    estimator: of a class derived from `CallbackSupport`, in a method decorated by `with_callbacks`. X, y: as
    the user passed them. The fit is one task of 100 subtasks, one for each per cent of the budget of steps or
    seconds; fewer if training ends early. Scores can be monitored at the end of the fit alone, as that is
    when the estimator is one: leave the context when all fitted attributes are set.

    Source: scikit-learn's SLEP 23 and `sklearn.callback` 1.9.
    """
    if _sklearn is None:
        yield None
        return
    whole = estimator._init_callback_context(max_subtasks=N_TASKS)
    whole.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    parts = _Parts(estimator, whole, X, y)
    yield parts.start
    parts.close()
    whole.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes={})


@dataclass
class _Parts:
    """The subtasks of a fit, begun and ended as training goes on."""

    estimator: Any
    whole: Any
    X: Any
    y: Any
    current: Any = None
    n_ended: int = 0

    def start(self, max_steps: int) -> OnStep:
        """Begin the first subtask, and return what to call after each step."""
        self.begin()
        return self.on_step

    def on_step(self, step: int, history: History) -> bool:
        """End the per cents that are over and begin the one that training is in; True if one asks to stop."""
        stop = False
        n_over = min(math.floor(N_TASKS * history.progress + 1e-9), N_TASKS)
        while self.n_ended < n_over:
            self.begin()
            stop = self.close() or stop
        if n_over < N_TASKS:
            self.begin()
        return stop

    def begin(self) -> None:
        """Begin the next subtask, if none is open."""
        if self.current is None:
            self.current = self.whole.subcontext(task_name="per cent")
            self.current.call_on_fit_task_begin(estimator=self.estimator, X=self.X, y=self.y)

    def close(self) -> bool:
        """End the open subtask, if there is one, and return whether a callback asks to stop."""
        if self.current is None:
            return False
        stop = self.current.call_on_fit_task_end(estimator=self.estimator, X=self.X, y=self.y)
        self.current, self.n_ended = None, self.n_ended + 1
        return bool(stop)
