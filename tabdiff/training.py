"""The training loop: a network, a loss for each row and a resident table in; averaged weights out.

Knows nothing of frames or diffusion. The table stays on the device and batches are gathered by index; all
randomness comes from the generators that are passed in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from tabdiff.checkpoints import Checkpoint, State
from tabdiff.errors import TrainingError
from tabdiff.learner import Epochs, Learner, RowLoss, TrainingConfig, TrainingData, bf16_pays
from tabdiff.workers import Workers

__all__ = [
    "Epochs",
    "History",
    "OnStep",
    "Resumable",
    "RowLoss",
    "Start",
    "Stop",
    "TrainingConfig",
    "TrainingData",
    "Watcher",
    "bf16_pays",
    "train",
    "weights_of",
]

Model = TypeVar("Model", bound=nn.Module)


@dataclass
class History:
    """What happened in training.

    loss, held_out: one value at each evaluation; steps: the step it was taken at; elapsed: the seconds of
    training until then. attack_auc, attack_se: how well losses tell training rows from held-out ones, and the
    standard error, at each evaluation; empty unless memorisation was watched. progress: share of the steps or
    of the seconds that is used up, whichever is larger. seconds: of the whole training, those before an
    interruption included. kept_step: the step whose averaged weights were kept. Two histories are equal if
    all but their times are.

    stopped_by: why training ended. "steps", "seconds": the one or the other budget was used up. "held-out
    loss": it had been worse than its best, by more than the tolerance, at `patience` evaluations in a row.
    "callback": a callback asked for it. Anything else is the reason of a watcher, such as "memorisation".
    """

    steps: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    attack_auc: list[float] = field(default_factory=list)
    attack_se: list[float] = field(default_factory=list)
    n_steps: int = 0
    progress: float = 0.0
    seconds: float = field(default=0.0, compare=False)
    stopped_by: str = "steps"
    kept_step: int = 0
    elapsed: list[float] = field(default_factory=list, compare=False)


@dataclass(frozen=True)
class Stop:
    """What a watcher asks for: to end training for a reason, with the averaged weights of an earlier step."""

    reason: str
    weights: dict[str, Tensor]
    step: int


Watcher = Callable[[nn.Module, History], Stop | None]
"""Called with the averaged network after each evaluation, without gradients; may write into the history."""

OnStep = Callable[[int, History], bool | None]
"""Called after each step with its number and the history so far; True ends training."""

Start = Callable[[int], OnStep]
"""Told the number of steps as training begins; returns what to call after each."""


@runtime_checkable
class Resumable(Protocol):
    """A watcher with a memory, which checkpoints must hold."""

    def state(self) -> State:
        """What the watcher remembers, as `checkpoints.State`."""

    def restore(self, state: State) -> None:
        """Remember what `state` told."""


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Copy a network's weights."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def train(
    model: Model,
    row_loss: RowLoss,
    data: TrainingData,
    config: TrainingConfig,
    generator: torch.Generator,
    held_out: TrainingData | None = None,
    on_step: OnStep | None = None,
    watchers: Sequence[Watcher] = (),
    checkpoint: Checkpoint | None = None,
) -> tuple[Model, History]:
    """Minimise the mean of `row_loss` and return the averaged network and what happened.

    model, data and held_out are on the device of `generator`; `model` is trained in place, the returned
    network is a copy in evaluation mode. The held-out loss is always taken with the same noise, so that its
    values can be compared; with patience the last average that is not worse than the best is kept,
    otherwise the last of all. The first watcher that asks to stop is obeyed; its weights are kept unless
    those of the best held-out loss are older.

    checkpoint: where the state of the run is kept until training ends, and whether to go on from one. With
    the same arguments, a run that is killed and goes on returns on a CPU the bits of one that was not, unless
    `max_seconds` ends it. Watchers that remember something must be `Resumable`.

    Raises `TrainingError` if the loss stops being finite, and `StorageError` for a checkpoint that cannot be
    written or gone on from.
    """
    history, best = History(), _Best(config.tolerance)
    batches = Epochs(data.copies, len(data), config.batch_size, generator)
    stop, ended = None, False
    with Workers(generator.device, config.shards) as workers:
        learner = Learner(model, row_loss, config, generator, workers)
        run = _Run(learner, batches, history, best, watchers)
        if checkpoint is not None:
            run.resume(checkpoint)
        started = time.perf_counter() - history.seconds
        while history.progress < 1:
            learner.step(data, next(batches), config.learning_rate * _rate(history, config))
            history.n_steps += 1
            history.seconds = time.perf_counter() - started
            history.progress = _progress(history, config)
            if history.progress >= 1 or history.n_steps % config.evaluate_every == 0:
                losses = _record(history, learner, held_out)
                if losses is not None:
                    best.offer(losses, history.n_steps, learner.average.model)
                stop = run.ask()
            ended = on_step is not None and on_step(history.n_steps, history) is True
            if ended or stop is not None or (config.patience and best.waited >= config.patience):
                break
            if checkpoint is not None and history.progress < 1 and checkpoint.due(history.n_steps):
                checkpoint.write(run.state())

    history.stopped_by = _reason(history, config, ended) if stop is None else stop.reason
    history.seconds = time.perf_counter() - started
    history.kept_step = _keep(learner.average.model, history, best if config.patience else None, stop)
    if checkpoint is not None:
        checkpoint.remove()
    return learner.average.model, history


@dataclass
class _Run(Generic[Model]):
    """Everything that the next steps depend on, and its way into a checkpoint and back."""

    learner: Learner[Model]
    batches: Epochs
    history: History
    best: _Best
    watchers: Sequence[Watcher]

    def ask(self) -> Stop | None:
        """What the first watcher says that asks to stop; all of them are called."""
        if not self.watchers:
            return None
        average, history = self.learner.average.model, self.history
        answers = self.learner.alone(lambda: [watch(average, history) for watch in self.watchers])
        return next((answer for answer in answers if answer is not None), None)

    def state(self) -> State:
        """The state between two steps; its tensors are the ones in use, not copies."""
        return {
            "learner": self.learner.state(),
            "batches": self.batches.state(),
            "history": asdict(self.history),
            "best": self.best.state(),
            "watchers": [watch.state() if isinstance(watch, Resumable) else None for watch in self.watchers],
        }

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from the checkpoint, if it holds a state."""
        state = checkpoint.begin()
        if state is None:
            return
        try:
            self.learner.restore(state["learner"])
            self.batches.restore(state["batches"])
            for name, value in asdict(History(**state["history"])).items():
                setattr(self.history, name, value)
            self.best.restore(state["best"])
            for watch, remembered in zip(self.watchers, state["watchers"], strict=True):
                if isinstance(watch, Resumable):
                    watch.restore(remembered)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise checkpoint.misfit(error) from error


def _keep(model: nn.Module, history: History, best: _Best | None, stop: Stop | None) -> int:
    """Give the averaged network the oldest weights that are asked for, if any, and return their step."""
    kept = [(stop.step, stop.weights)] if stop is not None else []
    if best is not None and best.weights is not None:
        kept.append((best.step, best.weights))
    if not kept:
        return history.n_steps
    step, weights = min(kept, key=lambda entry: entry[0])
    model.load_state_dict(weights)
    return step


@dataclass
class _Best:
    """The best held-out losses so far, and the last weights that were not worse than they.

    Worse is a mean loss that is greater by more than a share of the best, and by more than two standard
    errors of the difference row by row: on a hundred rows an untrained network may win by chance.
    """

    tolerance: float
    losses: Tensor | None = None
    weights: dict[str, Tensor] | None = None
    step: int = 0
    waited: int = 0

    def offer(self, losses: Tensor, step: int, model: nn.Module) -> None:
        """Compare the held-out losses of the rows, (n,), after a step with the best."""
        if self.losses is None or losses.mean() < self.losses.mean():
            self.losses = losses
        self.waited += 1
        worse = losses - self.losses
        by_chance = 2 * float(worse.std()) / len(worse) ** 0.5 if len(worse) > 1 else 0.0
        if float(worse.mean()) <= max(self.tolerance * float(self.losses.mean()), by_chance):
            self.waited = 0
            self.step, self.weights = step, weights_of(model)

    def state(self) -> State:
        """All but the tolerance."""
        return {"losses": self.losses, "weights": self.weights, "step": self.step, "waited": self.waited}

    def restore(self, state: State) -> None:
        """Go on where `state` was taken."""
        self.losses, self.weights = state["losses"], state["weights"]
        self.step, self.waited = state["step"], state["waited"]


def _progress(history: History, config: TrainingConfig) -> float:
    done = history.n_steps / config.max_steps
    return done if config.max_seconds is None else max(done, history.seconds / config.max_seconds)


def _rate(history: History, config: TrainingConfig) -> float:
    """Warm-up times cosine, as a share of the learning rate."""
    warm = min(1.0, (history.n_steps + 1) / max(1, min(config.warmup_steps, config.max_steps // 10)))
    return warm * 0.5 * (1 + math.cos(math.pi * history.progress))


def _reason(history: History, config: TrainingConfig, ended: bool) -> str:
    if history.n_steps == config.max_steps:
        return "steps"
    if history.progress >= 1:
        return "seconds"
    return "callback" if ended else "held-out loss"


def _record(history: History, learner: Learner, held_out: TrainingData | None) -> Tensor | None:
    """Note where training stands; returns the held-out losses, (n,)."""
    mean = learner.mean_loss(history.n_steps - (history.steps[-1] if history.steps else 0))
    if not math.isfinite(mean):
        raise TrainingError(
            f"the training loss became {mean} by step {history.n_steps}. Lower the learning rate, or look "
            "for columns with extreme values; nothing of the model was kept."
        )
    history.steps.append(history.n_steps)
    history.loss.append(mean)
    history.elapsed.append(history.seconds)
    if held_out is None:
        return None
    losses = learner.held_out_losses(held_out)
    history.held_out.append(float(losses.mean()))
    return losses
