"""A network in training: its weights, their average, the optimiser and the noise, and what one step changes.

`Epochs` says which rows a step sees. Both can tell their state and take it back: a run that goes on from a
state ends with the same bits as one that never stopped.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from tabdiff.batch import MixedBatch
from tabdiff.workers import Workers

__all__ = [
    "Epochs",
    "Learner",
    "RowLoss",
    "TrainingConfig",
    "TrainingData",
    "bf16_pays",
]

LEAST_HELD_OUT = 1000

Model = TypeVar("Model", bound=nn.Module)
Result = TypeVar("Result")
RowLoss = Callable[..., Tensor]
"""Network, `MixedBatch`, labels or None and generator to the loss of each row, (B,); where rows are replayed,
a fifth argument says which: (B,) bool."""


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. Times in seconds, rates per step.

    max_steps and max_seconds both end the run, whichever comes first; after a linear warm-up the learning
    rate follows a cosine to zero over whichever is nearer its end. patience counts evaluations in a row whose
    held-out loss is worse than the best by more than the share `tolerance` and than chance (samples still
    improve while this loss is flat); 0 turns early stopping off. ema_decay is lowered so that the average
    spans at most a tenth of the steps. amp: "auto" uses bfloat16 where the hardware gains from it. shards:
    equal parts of each batch, computed side by side and added in order; part of the configuration, not of the
    machine, as it decides the last bits.
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


class Rows(Protocol):
    """What batches of rows are gathered from, by their numbers."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def __getitem__(self, rows: Tensor | slice) -> MixedBatch:
        """Gather some of the rows."""
        ...


@dataclass(frozen=True)
class TrainingData:
    """Rows to learn from.

    label: (B,) long or None. copies: (B,) float, how often each row appears in one pass over the table; None
    means once. replayed: (B,) bool, rows that a former network has drawn, or None if there are none.
    """

    rows: Rows
    label: Tensor | None = None
    copies: Tensor | None = None
    replayed: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def loss(
        self, row_loss: RowLoss, network: nn.Module, rows: Tensor | slice, generator: torch.Generator
    ) -> Tensor:
        """The loss of each of some rows."""
        label = None if self.label is None else self.label[rows]
        replayed = () if self.replayed is None else (self.replayed[rows],)
        return row_loss(network, self.rows[rows], label, generator, *replayed)


def bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 matrix products are done in hardware on this device (never assumed)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


class Epochs:
    """Batches of row numbers for ever, pass after pass: (batch_size,) long each.

    A row that should appear 2.3 times in a pass appears twice or, with probability .3, three times. Each pass
    is shuffled, and batches run on over the end of a pass, so that all have batch_size rows.
    """

    def __init__(
        self, copies: Tensor | None, n_rows: int, batch_size: int, generator: torch.Generator
    ) -> None:
        self.copies, self.n_rows, self.batch_size, self.generator = copies, n_rows, batch_size, generator
        self.rest = torch.empty(0, dtype=torch.long, device=generator.device)

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        while len(self.rest) < self.batch_size:
            self.rest = torch.cat([self.rest, self._shuffled()])
        batch, self.rest = self.rest[: self.batch_size], self.rest[self.batch_size :]
        return batch

    def _shuffled(self) -> Tensor:
        """The row numbers of one pass in random order."""
        device, generator = self.generator.device, self.generator
        order = torch.arange(self.n_rows, device=device)
        if self.copies is not None:
            drawn = torch.rand(self.n_rows, generator=generator, device=device, dtype=self.copies.dtype)
            order = order.repeat_interleave((self.copies + drawn).floor().long())
        return order[torch.randperm(len(order), generator=generator, device=device)]

    def state(self) -> dict[str, Any]:
        """The row numbers that are left of the pass, and the state of the generator."""
        return {"rest": self.rest, "generator": self.generator.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.rest = state["rest"].to(self.generator.device)
        self.generator.set_state(state["generator"])


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


class Learner(Generic[Model]):
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
        self.model = model.train()
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
        """The context in which losses are computed."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp)

    def step(self, data: TrainingData, rows: Tensor, learning_rate: float) -> None:
        """Take one step along the gradient of the mean loss of these rows, each shard by its own thread."""

        def gradient(shard: tuple[Tensor, torch.Generator]) -> tuple[Tensor, tuple[Tensor, ...]]:
            part, draws = shard
            with self.autocast():
                loss = data.loss(self.row_loss, self.network, part, draws).mean()
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

    def alone(self, function: Callable[[], Result]) -> Result:
        """Call the function as the steps are computed, in one of the threads, without gradients."""

        def call() -> Result:
            with torch.no_grad():
                return function()

        return self.workers.run(call)

    def held_out_losses(self, held_out: TrainingData) -> Tensor:
        """Losses of the rows by the averaged network, with the same noise every time: (n,) float64.

        A few rows are noised several times each, as the loss depends more on the noise than on the row.
        """
        fixed = torch.Generator(self.device).manual_seed(0)
        n_draws = -(-LEAST_HELD_OUT // len(held_out))

        def of_part(part: slice) -> Tensor:
            return held_out.loss(self.row_loss, self.average.model, part, fixed).double()

        def all_parts() -> Tensor:
            parts = [slice(i, i + 2048) for i in range(0, len(held_out), 2048)]
            with torch.no_grad(), self.autocast():
                draws = [torch.cat([of_part(part) for part in parts]) for _ in range(n_draws)]
            return torch.stack(draws).mean(0)

        return self.workers.run(all_parts)

    def state(self) -> dict[str, Any]:
        """All that the next steps depend on; its tensors are the ones in use, not copies."""
        moments = self.optimizer.state_dict()["state"]
        return {
            "network": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "moments": {str(place): values for place, values in moments.items()},
            "generators": [generator.get_state() for generator in self.generators],
            "total": self.total,
            "n_steps": self.n_steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken.

        Raises `RuntimeError`, `ValueError` or `KeyError` if it is of another network.
        """
        self.model.load_state_dict(state["network"])
        self.average.model.load_state_dict(state["average"])
        moments = {int(place): values for place, values in state["moments"].items()}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        for generator, saved in zip(self.generators, state["generators"], strict=True):
            generator.set_state(saved)
        self.total.copy_(state["total"])
        self.n_steps = state["n_steps"]
