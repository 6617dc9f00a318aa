"""The composition root: process, network, loss and training loop together make a fitted model.

Tensors in, tensors out. How large the network is and how long it trains follows from the table's size, in
`default_config`; what the method consists of is said in `methods`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tabdiff.batch import MixedBatch
from tabdiff.checkpoints import Checkpoint
from tabdiff.diffusion.conditions import ConditionalLoss, known_by_label
from tabdiff.diffusion.distillation import Teacher
from tabdiff.diffusion.mixed import LevelLayout
from tabdiff.diffusion.objectives import Objective, marginal_entropies
from tabdiff.diffusion.scoring import FixedNoise, fixed_losses, fixed_noise
from tabdiff.errors import InputError
from tabdiff.fitted import FittedDiffusion
from tabdiff.memorisation import Brake, compared_rows, held_out_rows, watched_rows
from tabdiff.nets.growth import grown
from tabdiff.nets.initial import initialised
from tabdiff.nets.mlp import MLPConfig, MLPDenoiser
from tabdiff.seeds import torch_seed
from tabdiff.settings import DiffusionConfig, default_config
from tabdiff.training import History, OnStep, TrainingData, Watcher, train

__all__ = [
    "DiffusionConfig",
    "FittedDiffusion",
    "Warm",
    "choose_device",
    "default_config",
    "fit_diffusion",
    "rebuilt",
    "tempered_copies",
]


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


def _build_network(
    n_num: int, layout: LevelLayout, n_classes: int, config: MLPConfig, seed: int
) -> MLPDenoiser:
    return initialised(lambda: MLPDenoiser(n_num, layout, n_classes, config), seed)


class Exposure(Protocol):
    """How far rare classes are raised; see `settings.DiffusionConfig`."""

    @property
    def rare_share(self) -> float:
        """Share of the batches that a rare class is raised to."""
        ...

    @property
    def max_exposure(self) -> float:
        """How often one of its rows may be seen."""
        ...


def tempered_copies(label: Tensor, n_classes: int, n_draws: float, config: Exposure) -> Tensor:
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
class Warm:
    """A trained network to start from, and rows that were drawn from it.

    num_from, cat_from: for each numeric and each categorical feature the number of its feature there or -1,
    see `nets.growth.grown`. n_replayed: how many rows at the head of the batch the network has drawn.
    teaches: whether its answers are learned of these, in the place of their cells: only if the numbers of the
    batch mean what they mean to the network, all of them, as it looks at all to say anything.
    """

    network: MLPDenoiser
    num_from: Sequence[int]
    cat_from: Sequence[int]
    n_replayed: int
    teaches: bool = True

    def teacher(self, network: MLPDenoiser) -> Teacher | None:
        """The network as it says what it has learned; network: itself, grown to the features of the batch."""
        if not self.teaches:
            return None
        device = network.head.weight.device
        known = torch.tensor([self.network.n_levels[k] if k >= 0 else 0 for k in self.cat_from])
        knows = torch.tensor([k >= 0 for k in self.num_from], dtype=torch.bool)
        frozen = copy.deepcopy(network).requires_grad_(False).eval()
        return Teacher(frozen, knows.to(device), known.long().to(device))


def rebuilt(
    config: DiffusionConfig,
    n_num: int,
    n_levels: Sequence[int],
    n_classes: int,
    label_feature: int | None,
    weights: Mapping[str, Tensor],
    entropies: Tensor | None,
    history: History,
    device: torch.device,
) -> FittedDiffusion:
    """Put a fitted model together from its parts, each an attribute of `FittedDiffusion` of the same name.

    weights: by name, as `MLPDenoiser.state_dict` has them. entropies: (C,), or None for a method that needs
    none. The model is on `device` and draws what the other one drew. Raises `RuntimeError` for weights of
    other names or shapes.
    """
    layout = LevelLayout(n_levels, device)
    process = config.method.process(n_num, layout)
    network = _build_network(n_num, layout, n_classes, config.network, 0).to(device)
    network.load_state_dict(dict(weights))
    network.requires_grad_(False).eval()
    objective = config.method.objective(process, None if entropies is None else entropies.to(device))
    return FittedDiffusion(config, process, network, n_classes, objective, history, label_feature)


def fit_diffusion(
    batch: MixedBatch,
    n_levels: list[int],
    label: Tensor | None,
    n_classes: int,
    config: DiffusionConfig,
    seed: np.random.SeedSequence,
    device: torch.device,
    on_step: OnStep | None = None,
    label_feature: int | None = None,
    warm: Warm | None = None,
    checkpoint: Checkpoint | None = None,
) -> FittedDiffusion:
    """Train a diffusion model on encoded rows.

    batch: at least one row with at least one feature; label: (B,) long in [0, n_classes), or None with
    n_classes 0. label_feature: the categorical feature that repeats the label, level by level. warm: a
    network to start from. checkpoint: see `training.train`. Every draw comes from children of `seed`.
    """
    init_seed, train_seed, split_seed, brake_seed = map(torch_seed, seed.spawn(4))
    if label_feature is not None:
        assert label is not None and torch.equal(batch.cat[:, label_feature], label)
    layout = LevelLayout(n_levels, device)
    process = config.method.process(batch.num.shape[-1], layout)
    network = _build_network(process.n_num, layout, n_classes, config.network, init_seed)
    if warm is not None:
        network = grown(network, warm.network, warm.num_from, warm.cat_from)
    network = network.to(device)
    teacher = None if warm is None else warm.teacher(network)
    generator = torch.Generator(device).manual_seed(train_seed)

    watched, hidden = _rows_for_brake(len(batch), label, config, brake_seed)
    held = _held_out_rows(len(batch), label, ~watched | hidden, config, split_seed)
    n_replayed = 0 if warm is None else warm.n_replayed
    data, held_out = _as_data(batch, label, ~(held | hidden), device, n_replayed), None
    if held.any():
        held_out = _as_data(batch, label, held, device, n_replayed)
    if data.label is not None:
        n_draws = config.training.max_steps * config.training.batch_size
        data = replace(data, copies=tempered_copies(data.label, n_classes, n_draws, config))

    objective = config.method.objective(
        process, marginal_entropies(batch.cat[~(held | hidden)], layout).to(device)
    )
    row_loss = ConditionalLoss(
        objective,
        n_classes,
        label_feature,
        config.known_share,
        config.label_dropout,
        _weights_of_withheld(data, n_classes),
        teacher=teacher,
    )
    watchers: list[Watcher] = []
    if config.brake is not None and hidden.any():
        rows = compared_rows(watched, hidden, label, config.brake, brake_seed)
        times = config.method.score_times[: config.brake.n_draws]
        losses = _fixed_row_losses(objective, fixed_noise(process, times), n_classes, label_feature)
        watchers = [Brake(config.brake, losses, _as_data(batch, label, rows, device), ~hidden[rows])]
    averaged, history = train(
        network, row_loss, data, config.training, generator, held_out, on_step, watchers, checkpoint
    )
    return FittedDiffusion(config, process, averaged, n_classes, objective, history, label_feature)


def _weights_of_withheld(data: TrainingData, n_classes: int) -> Tensor | None:
    """The inverse of the copies of each class's rows, with mean 1 over the batches: (n_classes,) float."""
    if data.label is None or data.copies is None:
        return None
    copies = torch.ones(n_classes, device=data.copies.device).scatter(0, data.label, data.copies)
    return data.copies.mean() / copies


def _rows_for_brake(
    n_rows: int, label: Tensor | None, config: DiffusionConfig, seed: int
) -> tuple[Tensor, Tensor]:
    """Rows of the classes that the brake watches, and those it keeps from training: (n_rows,) bool both."""
    if config.brake is None:
        nothing = torch.zeros(n_rows, dtype=torch.bool)
        return nothing, nothing
    watched = watched_rows(n_rows, label, config.brake)
    return watched, held_out_rows(watched, label, config.brake, seed)


def _fixed_row_losses(
    objective: Objective, fixed: FixedNoise, n_classes: int, label_feature: int | None
) -> Callable[[nn.Module, TrainingData], Tensor]:
    """The loss of each row at fixed times and noises, as the brake wants it."""

    def losses(network: nn.Module, data: TrainingData) -> Tensor:
        def of_part(part: slice) -> Tensor:
            rows, label = data.rows[part], None if data.label is None else data.label[part]
            known = known_by_label(rows, label, n_classes, label_feature)
            return fixed_losses(objective, network, rows, label, fixed, known=known)

        return torch.cat([of_part(slice(i, i + 2048)) for i in range(0, len(data), 2048)])

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


def _as_data(
    batch: MixedBatch, label: Tensor | None, rows: Tensor, device: torch.device, n_replayed: int = 0
) -> TrainingData:
    """Some rows of a batch, of which the first n_replayed are replayed, on the device."""
    told = None if label is None else label[rows].to(device)
    replayed = (torch.arange(len(rows)) < n_replayed)[rows].to(device) if n_replayed else None
    return TrainingData(batch[rows].to(device), told, replayed=replayed)
