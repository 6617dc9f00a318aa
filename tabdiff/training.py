"""The training loop: a network, a loss for each row and a resident table in; averaged weights out.

Knows nothing of frames or diffusion. The table stays on the device and batches are gathered by index; all
randomness comes from the generators that are passed in.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from tabdiff.batch import MixedBatch
from tabdiff.errors import TrainingError
from tabdiff.workers import Workers

__all__ = [
    "History",
    "RowLoss",
    "Stop",
    "TrainingConfig",
    "TrainingData",
    "Watcher",
    "bf16_pays",
    "epochs",
    "train",
    "weights_of",
]

Model = TypeVar("Model", bound=nn.Module)
RowLoss = Callable[[nn.Module, MixedBatch, Tensor | None, torch.Generator | None], Tensor]


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. Times in seconds, rates per step.

    max_steps and max_seconds both end the run, whichever comes first; after a linear warm-up the learning
    rate follows a cosine to zero over whichever is nearer its end. patience counts evaluations in a row whose
    held-out loss is worse than the best by more than the share `tolerance` (samples still improve while this
    loss is flat); 0 turns early stopping off. ema_decay is lowered so that the average spans at most a tenth
    of the steps. amp: "auto" uses bfloat16 where the hardware gains from it. shards: equal parts of each
    batch, computed side by side and added in order; part of the configuration, not of the machine, as it
    decides the last bits.
    """

    max_steps: int = 3000
    batch_size: int = 1024
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup_steps: int = 100
    ema_decay: float = 0.999
    clip_norm: float = 1.0
    evaluate_every: int = 100
    patience: int = 8
    tolerance: float = 0.01
    max_seconds: float | None = None
    amp: bool | str = "auto"
    shards: int = 1
    compile: bool = False

    def __post_init__(self) -> None:
        if self.batch_size % self.shards:
            raise ValueError(
                f"batch_size is {self.batch_size} and shards is {self.shards}: shards must divide it."
            )


@dataclass(frozen=True)
class TrainingData:
    """Rows to learn from.

    label: (B,) long or None. copies: (B,) float, how often each row appears in one pass over the table; None
    means once.
    """

    rows: MixedBatch
    label: Tensor | None = None
    copies: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass
class History:
    """What happened in training.

    loss, held_out: one value at each evaluation; steps: the step it was taken at. attack_auc, attack_se: how
    well losses tell training rows from held-out ones, and the standard error, at each evaluation; empty
    unless memorisation was watched. progress: share of the steps or of the seconds that is used up,
    whichever is larger. stopped_by: "steps", "seconds", "held-out loss" or the reason of a watcher, such as
    "memorisation"; kept_step: the step whose averaged weights were kept.
    """

    steps: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    attack_auc: list[float] = field(default_factory=list)
    attack_se: list[float] = field(default_factory=list)
    n_steps: int = 0
    progress: float = 0.0
    seconds: float = 0.0
    stopped_by: str = "steps"
    kept_step: int = 0


@dataclass(frozen=True)
class Stop:
    """What a watcher asks for: to end training for a reason, with the averaged weights of an earlier step."""

    reason: str
    weights: dict[str, Tensor]
    step: int


Watcher = Callable[[nn.Module, History], Stop | None]
"""Called with the averaged network after each evaluation, without gradients; may write into the history."""


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Copy a network's weights."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 matrix products are done in hardware on this device (never assumed)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def epochs(
    copies: Tensor | None, n_rows: int, batch_size: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yield batches of row numbers for ever, pass after pass: (batch_size,) long.

    A row that should appear 2.3 times in a pass appears twice or, with probability .3, three times. Each pass
    is shuffled, and batches run on over the end of a pass, so that all have batch_size rows.
    """
    device = generator.device
    rest = torch.empty(0, dtype=torch.long, device=device)
    while True:
        while len(rest) < batch_size:
            order = torch.arange(n_rows, device=device)
            if copies is not None:
                drawn = torch.rand(n_rows, generator=generator, device=device, dtype=copies.dtype)
                order = order.repeat_interleave((copies + drawn).floor().long())
            shuffled = order[torch.randperm(len(order), generator=generator, device=device)]
            rest = torch.cat([rest, shuffled])
        yield rest[:batch_size]
        rest = rest[batch_size:]


class _Average(Generic[Model]):
    """Exponential moving average of a network's parameters, updated in one fused call for each step."""

    def __init__(self, model: Model, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay
        self.targets: list[Tensor] = list(self.model.parameters())
        self.sources = [parameter.detach() for parameter in model.parameters()]

    def update(self, step: int) -> None:
        # early on the average follows the weights, or it would remember the initialisation
        torch._foreach_lerp_(self.targets, self.sources, 1 - min(self.decay, (1 + step) / (10 + step)))


def train(
    model: Model,
    row_loss: RowLoss,
    data: TrainingData,
    config: TrainingConfig,
    generator: torch.Generator,
    held_out: TrainingData | None = None,
    on_step: Callable[[int, History], None] | None = None,
    watchers: Sequence[Watcher] = (),
) -> tuple[Model, History]:
    """Minimise the mean of `row_loss` and return the averaged network and what happened.

    model, data and held_out are on the device of `generator`; `model` is trained in place, the returned
    network is a copy in evaluation mode. The held-out loss is always taken with the same noise, so that its
    values can be compared; with patience the last average within the tolerance of the best is kept,
    otherwise the last of all. The first watcher that asks to stop is obeyed; its weights are kept unless
    those of the best held-out loss are older.

    Raises `TrainingError` if the loss stops being finite.
    """
    started, history, best = time.perf_counter(), History(), _Best(config.tolerance)
    stop: Stop | None = None
    batches = epochs(data.copies, len(data), config.batch_size, generator)
    with Workers(generator.device, config.shards) as workers:
        state = _State(model, row_loss, config, generator, workers)
        while history.progress < 1:
            rate = config.learning_rate * _rate(history, config)
            state.step(data, next(batches), rate)
            history.n_steps += 1
            history.progress = _progress(history.n_steps, config, started)
            if history.progress >= 1 or history.n_steps % config.evaluate_every == 0:
                _record(history, state, held_out)
                if held_out is not None:
                    best.offer(history.held_out[-1], history.n_steps, state.average.model)
                stop = state.ask(watchers, history)
            if on_step is not None:
                on_step(history.n_steps, history)
            if stop is not None or (config.patience and best.waited >= config.patience):
                break

    history.stopped_by = _reason(history, config) if stop is None else stop.reason
    history.seconds = time.perf_counter() - started
    history.kept_step = _keep(state.average.model, history, best if config.patience else None, stop)
    return state.average.model, history


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


class _State(Generic[Model]):
    """The weights, their average and the optimiser, and how one step changes them."""

    def __init__(
        self,
        model: Model,
        row_loss: RowLoss,
        config: TrainingConfig,
        generator: torch.Generator,
        workers: Workers,
    ) -> None:
        device = generator.device
        self.row_loss, self.workers, self.clip_norm = row_loss, workers, config.clip_norm
        model.train()
        self.network: nn.Module = cast(nn.Module, torch.compile(model)) if config.compile else model
        self.parameters = list(model.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.average = _Average(model, min(config.ema_decay, 1 - 10 / max(config.max_steps, 11)))
        seeds = torch.randint(2**62, (config.shards,), generator=generator, device=device).tolist()
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.amp = bf16_pays(device) if config.amp == "auto" else bool(config.amp)
        self.device, self.n_steps = device, 0
        self.total = torch.zeros((), device=device)

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp)

    def step(self, data: TrainingData, rows: Tensor, learning_rate: float) -> None:
        """Take one step along the gradient of the mean loss of these rows, each shard by its own thread."""

        def gradient(shard: tuple[Tensor, torch.Generator]) -> tuple[Tensor, tuple[Tensor, ...]]:
            part, draws = shard
            with self.autocast():
                label = None if data.label is None else data.label[part]
                loss = self.row_loss(self.network, data.rows[part], label, draws).mean()
            return loss.detach(), torch.autograd.grad(loss, self.parameters, materialize_grads=True)

        shards = zip(rows.chunk(len(self.generators)), self.generators, strict=True)
        results = list(self.workers.map(gradient, shards))
        self.workers.run(lambda: self._apply(results, learning_rate))

    def _apply(self, results: list[tuple[Tensor, tuple[Tensor, ...]]], learning_rate: float) -> None:
        summed = list(results[0][1])
        for _, gradients in results[1:]:
            torch._foreach_add_(summed, list(gradients))
        torch._foreach_div_(summed, len(results))
        for parameter, gradient in zip(self.parameters, summed, strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(self.parameters, self.clip_norm, foreach=True)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.average.update(self.n_steps)
        self.n_steps += 1
        for loss, _ in results:
            self.total += loss / len(results)

    def mean_loss(self, n_steps: int) -> float:
        """Mean training loss of the last n_steps steps; starts the next mean."""
        mean = float(self.total) / n_steps
        self.total.zero_()
        return mean

    def ask(self, watchers: Sequence[Watcher], history: History) -> Stop | None:
        """What the first watcher says that asks to stop; all of them are called."""

        def ask_all() -> list[Stop | None]:
            with torch.no_grad():
                return [watch(self.average.model, history) for watch in watchers]

        answers = self.workers.run(ask_all) if watchers else []
        return next((answer for answer in answers if answer is not None), None)

    def held_out_loss(self, held_out: TrainingData) -> float:
        """Mean loss of the averaged network with the same noise every time."""
        fixed = torch.Generator(self.device).manual_seed(0)

        def total(part: slice) -> Tensor:
            label = None if held_out.label is None else held_out.label[part]
            return self.row_loss(self.average.model, held_out.rows[part], label, fixed).sum()

        def all_parts() -> float:
            with torch.no_grad(), self.autocast():
                parts = (slice(i, i + 2048) for i in range(0, len(held_out), 2048))
                return float(sum(total(part) for part in parts)) / len(held_out)

        return self.workers.run(all_parts)


@dataclass
class _Best:
    """The best held-out loss so far, and the last weights that were no worse by more than a share."""

    tolerance: float
    loss: float = math.inf
    weights: dict[str, Tensor] | None = None
    step: int = 0
    waited: int = 0

    def offer(self, loss: float, step: int, model: nn.Module) -> None:
        self.loss = min(self.loss, loss)
        self.waited += 1
        if loss <= (1 + self.tolerance) * self.loss:
            self.waited = 0
            self.step, self.weights = step, weights_of(model)


def _progress(step: int, config: TrainingConfig, started: float) -> float:
    done = step / config.max_steps
    if config.max_seconds is not None:
        done = max(done, (time.perf_counter() - started) / config.max_seconds)
    return done


def _rate(history: History, config: TrainingConfig) -> float:
    """Warm-up times cosine, as a share of the learning rate."""
    warm = min(1.0, (history.n_steps + 1) / max(1, min(config.warmup_steps, config.max_steps // 10)))
    return warm * 0.5 * (1 + math.cos(math.pi * history.progress))


def _reason(history: History, config: TrainingConfig) -> str:
    if history.n_steps == config.max_steps:
        return "steps"
    return "seconds" if history.progress >= 1 else "held-out loss"


def _record(history: History, state: _State, held_out: TrainingData | None) -> None:
    mean = state.mean_loss(history.n_steps - (history.steps[-1] if history.steps else 0))
    if not math.isfinite(mean):
        raise TrainingError(
            f"the training loss became {mean} by step {history.n_steps}. Lower the learning rate, or look "
            "for columns with extreme values; nothing of the model was kept."
        )
    history.steps.append(history.n_steps)
    history.loss.append(mean)
    if held_out is not None:
        history.held_out.append(state.held_out_loss(held_out))
