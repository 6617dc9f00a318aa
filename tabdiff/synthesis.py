"""The composition root: process, network, loss and training loop together, and rows drawn from the result.

Tensors in, tensors out. How large the network is and how long it trains follows from the table's size, in
`default_config`; what the method consists of is said in `methods`.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from tabdiff.batch import MixedBatch
from tabdiff.diffusion import samplers
from tabdiff.diffusion.mixed import Denoiser, LevelLayout, MixedProcess
from tabdiff.diffusion.objectives import Objective
from tabdiff.diffusion.scoring import FixedNoise, fixed_losses, fixed_noise
from tabdiff.errors import InputError
from tabdiff.memorisation import Brake, BrakeConfig, compared_rows, held_out_rows, watched_rows
from tabdiff.methods import FewStep, Method
from tabdiff.nets.mlp import MLPConfig, MLPDenoiser
from tabdiff.seeds import torch_seed
from tabdiff.training import History, TrainingConfig, TrainingData, Watcher, bf16_pays, train
from tabdiff.workers import Workers

__all__ = [
    "DiffusionConfig",
    "FittedDiffusion",
    "choose_device",
    "default_config",
    "fit_diffusion",
    "tempered_copies",
]


@dataclass(frozen=True)
class DiffusionConfig:
    """Everything that decides how a table is learned.

    held_out: share of the rows kept for the held-out loss (at most `max_held_out` rows; none in tables under
    500 rows). label_dropout: share of rows whose class is withheld in training, which guidance needs.
    rare_share: share of the training batches that a rare class is raised to, as far as `max_exposure`, the
    number of times that one of its rows may be seen, allows. brake: when to stop because small classes are
    learned by heart; None never does.
    """

    method: Method = field(default_factory=FewStep)
    network: MLPConfig = field(default_factory=MLPConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    held_out: float = 0.05
    max_held_out: int = 2048
    label_dropout: float = 0.1
    rare_share: float = 0.1
    max_exposure: float = 1000.0
    brake: BrakeConfig | None = field(default_factory=BrakeConfig)


def default_config(n_rows: int) -> DiffusionConfig:
    """Choose the size of the network and the length of training by the number of rows of the table."""
    if n_rows < 5_000:
        network = MLPConfig(width=128, n_blocks=3)
        # no row is seen more than about a thousand times: beyond that small tables are learned by heart
        # evaluations must be near enough to each other for the brake: a row is seen some fifty times between
        training = TrainingConfig(
            max_steps=int(np.clip(4 * n_rows, 200, 2000)),
            batch_size=256,
            evaluate_every=int(np.clip(n_rows // 5, 10, 100)),
        )
    elif n_rows < 50_000:
        network = MLPConfig(width=192, n_blocks=4)
        training = TrainingConfig(max_steps=6000, batch_size=512, shards=2)
    else:
        network = MLPConfig(width=256, n_blocks=5)
        training = TrainingConfig(max_steps=8000, batch_size=1024, shards=4)
    return DiffusionConfig(network=network, training=training)


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device to work on: "auto" is the first CUDA GPU if there is one, else the CPU.

    Raises `InputError` for a device that does not exist, or not here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device is {device!r}, which cannot be used here: {error}") from error
    return chosen


_FORK = threading.Lock()


def _build_network(
    n_num: int, layout: LevelLayout, n_classes: int, config: MLPConfig, seed: int
) -> MLPDenoiser:
    """Initialise the network from `seed`, leaving torch's global generator as it was."""
    with _FORK, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed the GPUs as well
        return MLPDenoiser(n_num, layout, n_classes, config)


def tempered_copies(label: Tensor, n_classes: int, n_draws: float, config: DiffusionConfig) -> Tensor:
    """How often each row appears in a pass, so that rare classes reach `rare_share` of the batches.

    label: (B,) long; n_draws: rows drawn over the whole training. A class is raised to at most rare_share,
    and never beyond max_exposure draws of each of its rows; common classes keep one copy. Raising the share
    of a class leaves p(x | y) as it is. Returns (B,) float.
    """
    counts = torch.bincount(label, minlength=n_classes).double().clamp_min(1)
    share = counts / len(label)
    allowed = config.max_exposure * counts / n_draws
    target = torch.maximum(share, torch.minimum(torch.full_like(share, config.rare_share), allowed))
    return (target / share).float()[label]


@dataclass(frozen=True)
class FittedDiffusion:
    """A trained model: the averaged weights and what is needed to draw from them; no training row is kept.

    n_classes: number of labels the model was told, 0 if none.
    """

    config: DiffusionConfig
    process: MixedProcess
    network: MLPDenoiser
    n_classes: int
    objective: Objective
    history: History

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.process.layout.n_levels.device

    def sample(
        self,
        n_rows: int,
        label: Tensor | None,
        seed: np.random.SeedSequence,
        n_steps: int | None = None,
        guidance: float = 0.0,
        on_rows: Callable[[int], None] | None = None,
    ) -> MixedBatch:
        """Draw rows; label: (n_rows,) long on the CPU, or None for a model without classes.

        Rows are drawn in chunks of one class each, so that memory does not grow with n_rows beyond the rows
        themselves and the class is a constant of the network. on_rows is told the number of rows of each
        chunk.
        """

        def start(rows: Tensor, generator: torch.Generator) -> MixedBatch:
            return self.process.prior((len(rows),), generator)

        return self._in_chunks(n_rows, label, start, seed, (n_steps, guidance, 1.0), on_rows)

    def revise(
        self,
        rows: MixedBatch,
        label: Tensor | None,
        seed: np.random.SeedSequence,
        t: float,
        n_steps: int | None = None,
    ) -> MixedBatch:
        """Noise given rows up to time t and draw them back: new rows near the given ones.

        Source: SDEdit, Meng et al. 2022 (arXiv:2108.01073), here with both kinds of features.
        """

        def start(part: Tensor, generator: torch.Generator) -> MixedBatch:
            times = torch.full((len(part),), t, dtype=torch.float64, device=self.device)
            return self.process.corrupt(rows[part].to(self.device), times, generator)[0]

        return self._in_chunks(len(rows), label, start, seed, (n_steps, 0.0, t), None)

    def _in_chunks(
        self,
        n_rows: int,
        label: Tensor | None,
        start: Callable[[Tensor, torch.Generator], MixedBatch],
        seed: np.random.SeedSequence,
        how: tuple[int | None, float, float],
        on_rows: Callable[[int], None] | None,
    ) -> MixedBatch:
        """Draw chunk by chunk, each from a random stream of its own, and put the rows into their places."""
        n_steps, guidance, t_start = how
        network = _for_inference(self.network, self.device)

        def draw(job: tuple[Tensor, np.random.SeedSequence]) -> MixedBatch:
            rows, chunk_seed = job
            generator = torch.Generator(self.device).manual_seed(torch_seed(chunk_seed))
            told = None if label is None else label[rows[:1]].to(self.device)
            amp = torch.autocast(self.device.type, torch.bfloat16, enabled=bf16_pays(self.device))
            with torch.inference_mode(), amp:
                drawn = self.config.method.sampler(
                    self.process,
                    self._predictor(network, told, guidance),
                    start(rows, generator),
                    n_steps or self.config.method.n_steps,
                    generator,
                    t_start,
                )
                return drawn.to("cpu")

        chunks = _chunks(n_rows, label, _chunk_rows(self.process))
        out = MixedBatch(
            torch.empty(n_rows, self.process.n_num),
            torch.empty(n_rows, len(self.process.layout), dtype=torch.long),
        )
        with Workers(self.device, len(chunks)) as workers:
            jobs = zip(chunks, seed.spawn(len(chunks)), strict=True)
            for rows, drawn in zip(chunks, workers.map(draw, jobs), strict=True):
                out.num[rows], out.cat[rows] = drawn.num, drawn.cat
                if on_rows is not None:
                    on_rows(len(rows))
        return out

    def row_losses(self, rows: MixedBatch, label: Tensor | None) -> Tensor:
        """Loss of each row at the method's `score_times`, all rows with the same noise: (B,) float64.

        The loss of a row does not depend on the rows beside it. label: as for `sample`.
        """
        if not len(rows):
            return torch.zeros(0, dtype=torch.float64)
        size = min(_chunk_rows(self.process), 256)
        fixed = fixed_noise(self.process, self.config.method.score_times)

        def losses(part: slice) -> Tensor:
            told = None if label is None else label[part].to(self.device)
            with torch.inference_mode():
                batch = rows[part].to(self.device)
                return fixed_losses(self.objective, self.network, batch, told, fixed, size).to("cpu")

        parts = [slice(i, i + size) for i in range(0, len(rows), size)]
        with Workers(self.device, len(parts)) as workers:
            return torch.cat(list(workers.map(losses, parts)))

    def _predictor(self, network: Denoiser, label: Tensor | None, guidance: float) -> samplers.Predict:
        told = samplers.conditional(self.process, network, label)
        return samplers.guided(told, samplers.conditional(self.process, network, None), guidance)


def _for_inference(network: MLPDenoiser, device: torch.device) -> MLPDenoiser:
    """A copy whose linear layers hold bfloat16 weights where that pays: rounded once, not at each step."""
    copied = copy.deepcopy(network)
    if bf16_pays(device):
        for module in copied.modules():
            if isinstance(module, nn.Linear):
                module.to(torch.bfloat16)
    return copied


def _chunks(n_rows: int, label: Tensor | None, size: int) -> list[Tensor]:
    """Positions of the rows to draw together: one class in each chunk, at most `size` rows, evenly many."""
    if label is None:
        groups = [torch.arange(n_rows)]
    else:
        groups = [(label == code).nonzero()[:, 0] for code in label.unique()]
    return [chunk for rows in groups for chunk in rows.tensor_split(max(1, -(-len(rows) // size)))]


def _chunk_rows(process: MixedProcess) -> int:
    """Rows to draw at once: what keeps a core's cache or a GPU busy, and memory bounded in wide tables."""
    width = max(process.layout.n_logits + process.n_num, 1)
    if process.layout.n_levels.device.type == "cpu":
        return int(np.clip(2**22 // width, 64, 4096))
    return int(np.clip(2**26 // width, 64, 2**16))


def fit_diffusion(
    batch: MixedBatch,
    n_levels: list[int],
    label: Tensor | None,
    n_classes: int,
    config: DiffusionConfig,
    seed: np.random.SeedSequence,
    device: torch.device,
    on_step: Callable[[int, History], None] | None = None,
) -> FittedDiffusion:
    """Train a diffusion model on encoded rows.

    batch: at least one row with at least one feature; label: (B,) long in [0, n_classes), or None with
    n_classes 0. Every draw comes from children of `seed`.
    """
    init_seed, train_seed, split_seed, brake_seed = map(torch_seed, seed.spawn(4))
    layout = LevelLayout(n_levels, device)
    process = config.method.process(batch.num.shape[-1], layout)
    network = _build_network(process.n_num, layout, n_classes, config.network, init_seed).to(device)
    generator = torch.Generator(device).manual_seed(train_seed)

    watched, hidden = _rows_for_brake(len(batch), label, config, brake_seed)
    held = _held_out_rows(len(batch), label, ~watched | hidden, config, split_seed)
    data, held_out = _as_data(batch, label, ~(held | hidden), device), None
    if held.any():
        held_out = _as_data(batch, label, held, device)
    if data.label is not None:
        n_draws = config.training.max_steps * config.training.batch_size
        data = replace(data, copies=tempered_copies(data.label, n_classes, n_draws, config))

    objective = config.method.objective(process, data.rows.cat)

    def row_loss(
        denoiser: Denoiser, rows: MixedBatch, told: Tensor | None, draws: torch.Generator | None
    ) -> Tensor:
        if told is not None:
            told = _drop_labels(told, n_classes, config.label_dropout, draws)
        return objective(denoiser, rows, told, draws)

    watchers: list[Watcher] = []
    if config.brake is not None and hidden.any():
        rows = compared_rows(watched, hidden, label, config.brake, brake_seed)
        times = config.method.score_times[: config.brake.n_draws]
        losses = _fixed_row_losses(objective, fixed_noise(process, times))
        watchers = [Brake(config.brake, losses, _as_data(batch, label, rows, device), ~hidden[rows])]
    averaged, history = train(
        network, row_loss, data, config.training, generator, held_out, on_step, watchers
    )
    return FittedDiffusion(config, process, averaged, n_classes, objective, history)


def _rows_for_brake(
    n_rows: int, label: Tensor | None, config: DiffusionConfig, seed: int
) -> tuple[Tensor, Tensor]:
    """Rows of the classes that the brake watches, and those it keeps from training: (n_rows,) bool both."""
    if config.brake is None:
        nothing = torch.zeros(n_rows, dtype=torch.bool)
        return nothing, nothing
    watched = watched_rows(n_rows, label, config.brake)
    return watched, held_out_rows(watched, label, config.brake, seed)


def _fixed_row_losses(objective: Objective, fixed: FixedNoise) -> Callable[[nn.Module, TrainingData], Tensor]:
    """The loss of each row at fixed times and noises, as the brake wants it."""

    def losses(network: nn.Module, data: TrainingData) -> Tensor:
        parts = [slice(i, i + 2048) for i in range(0, len(data), 2048)]
        label = data.label
        return torch.cat(
            [
                fixed_losses(
                    objective, network, data.rows[part], None if label is None else label[part], fixed
                )
                for part in parts
            ]
        )

    return losses


def _held_out_rows(
    n_rows: int, label: Tensor | None, spare: Tensor, config: DiffusionConfig, seed: int
) -> Tensor:
    """Choose rows for the held-out loss among the spare ones, (n_rows,) bool; returns the same.

    Classes under 100 rows give none away, and tables under 500 neither.
    """
    held = torch.zeros(n_rows, dtype=torch.bool)
    if n_rows < 500:
        return held
    eligible = spare.clone()
    if label is not None:
        eligible &= torch.bincount(label)[label] >= 100
    candidates = eligible.nonzero()[:, 0]
    order = torch.randperm(len(candidates), generator=torch.Generator().manual_seed(seed))
    held[candidates[order[: min(int(config.held_out * n_rows), config.max_held_out)]]] = True
    return held


def _as_data(batch: MixedBatch, label: Tensor | None, rows: Tensor, device: torch.device) -> TrainingData:
    return TrainingData(batch[rows].to(device), None if label is None else label[rows].to(device))


def _drop_labels(label: Tensor, n_classes: int, share: float, generator: torch.Generator | None) -> Tensor:
    """Replace a share of the labels by "not told"."""
    dropped = torch.rand(label.shape, generator=generator, device=label.device) < share
    return torch.where(dropped, n_classes, label)
