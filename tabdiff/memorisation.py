"""The memorisation brake: training ends when losses begin to tell training rows from held-out ones.

Small tables and rare classes are learned by heart long before the training loss says so. At each evaluation
the loss attack is run on the model itself: training rows and held-out rows of the same classes, all with the
same noise, and the area under the curve (AUC) of telling them apart by their losses. While nothing is
memorised it is one half, up to chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tabdiff.training import History, Stop, TrainingData, weights_of

__all__ = [
    "Brake",
    "BrakeConfig",
    "adjusted",
    "attack_auc",
    "auc_within_classes",
    "compared_rows",
    "held_out_rows",
    "watched_rows",
]


@dataclass(frozen=True)
class BrakeConfig:
    """When to watch for memorisation, and when to stop.

    max_rows: classes with fewer rows are watched (the table, without classes); None watches all. min_rows:
    classes with fewer are not, as they have no rows to spare. held_out: share of the rows of each watched
    class that is kept from training, at most `max_held_out`; without `min_held_out` of them in all, nothing
    is watched. members: training rows that stand against each held-out one, at most. n_draws: noises for each
    row. The brake trips when AUC - z SE exceeds 1/2 + margin at `patience` evaluations in a row.
    """

    max_rows: int | None = 2000
    min_rows: int = 50
    held_out: float = 0.2
    max_held_out: int = 500
    min_held_out: int = 20
    members: int = 4
    n_draws: int = 30
    z: float = 1.645
    margin: float = 0.1
    patience: int = 2


def attack_auc(members: Tensor, others: Tensor) -> tuple[float, float]:
    """AUC of telling members from others by scores, higher for members, and its standard error.

    members: (n,), others: (m,), at least two each. Ties count one half. The AUC is the Mann-Whitney statistic
    over n m. Source of the error: DeLong et al. 1988 (doi:10.2307/2531595), from the variance of the shares
    of the other group that each row beats.
    """
    beaten = _share_below(members, others)
    beating = 1 - _share_below(others, members)
    variance = beaten.var() / len(members) + beating.var() / len(others)
    return float(beaten.mean()), float(variance.sqrt())


def _share_below(scores: Tensor, others: Tensor) -> Tensor:
    """Share of `others` below each score, ties counted half: (n,) float64."""
    ordered = others.sort().values
    below, up_to = (torch.searchsorted(ordered, scores, right=right) for right in (False, True))
    return (below + up_to).double() / (2 * len(others))


def auc_within_classes(scores: Tensor, is_member: Tensor, label: Tensor | None) -> tuple[float, float]:
    """`attack_auc` within classes: the mean over classes, weighted by their held-out rows, and its error.

    scores: (B,); is_member: (B,) bool; label: (B,) long or None. Rows of different classes are never
    compared, as their losses differ anyway.
    """
    auc, variance, n_others = 0.0, 0.0, int((~is_member).sum())
    for rows in _by_class(torch.arange(len(scores)), label):
        score, member = scores[rows], is_member[rows]
        weight = int((~member).sum()) / n_others
        of_class, error = attack_auc(score[member], score[~member])
        auc, variance = auc + weight * of_class, variance + (weight * error) ** 2
    return auc, variance**0.5


def adjusted(losses: Tensor, first: Tensor, is_member: Tensor) -> Tensor:
    """What earlier losses of the same rows do not foretell: losses - slope first, (B,).

    The slope is the least-squares one within members and within others, as in an analysis of covariance: that
    some rows are harder than others, by chance more of one group, is taken out as far as it can be foreseen.
    """
    centred = [torch.zeros_like(losses) for _ in range(2)]
    for group in (is_member, ~is_member):
        for out, values in zip(centred, (losses, first), strict=True):
            out[group] = values[group] - values[group].mean()
    covariance, variance = (centred[0] * centred[1]).sum(), (centred[1] * centred[1]).sum()
    return losses - covariance / variance * first if variance > 0 else losses


def watched_rows(n_rows: int, label: Tensor | None, config: BrakeConfig) -> Tensor:
    """Which rows are of a watched class: (n_rows,) bool, all False if too few could be held out."""
    classes = torch.zeros(n_rows, dtype=torch.long) if label is None else label
    counts = torch.bincount(classes)
    watched = counts >= config.min_rows
    if config.max_rows is not None:
        watched &= counts < config.max_rows
    if sum(_n_held_out(int(count), config) for count in counts[watched]) < config.min_held_out:
        watched[:] = False
    return watched[classes]


def held_out_rows(watched: Tensor, label: Tensor | None, config: BrakeConfig, seed: int) -> Tensor:
    """Choose which of the watched rows are kept from training, the same share of each class: (B,) bool."""
    held = torch.zeros(len(watched), dtype=torch.bool)
    generator = torch.Generator().manual_seed(seed)
    for rows in _by_class(watched.nonzero()[:, 0], label):
        order = torch.randperm(len(rows), generator=generator)
        held[rows[order[: _n_held_out(len(rows), config)]]] = True
    return held


def compared_rows(
    watched: Tensor, held: Tensor, label: Tensor | None, config: BrakeConfig, seed: int
) -> Tensor:
    """The held-out rows and, of each class, up to `members` training rows for each: sorted positions.

    watched, held: (B,) bool. The training rows are drawn, as tables may be sorted.
    """
    chosen, generator = [held.nonzero()[:, 0]], torch.Generator().manual_seed(seed)
    for rows in _by_class(watched.nonzero()[:, 0], label):
        learned = rows[~held[rows]]
        order = torch.randperm(len(learned), generator=generator)
        chosen.append(learned[order[: config.members * int(held[rows].sum())]])
    return torch.cat(chosen).sort().values


def _n_held_out(n_rows: int, config: BrakeConfig) -> int:
    return min(int(config.held_out * n_rows), config.max_held_out)


def _by_class(rows: Tensor, label: Tensor | None) -> list[Tensor]:
    return [rows] if label is None else [rows[label[rows] == code] for code in label[rows].unique()]


@dataclass
class Brake:
    """A watcher for `training.train` that trips when the loss attack succeeds.

    losses: a network and B rows to B losses, with the same noise every time. rows: training and held-out rows
    of the watched classes; is_member: (B,) bool, which are which. Compared is what each row's loss at the
    first evaluation, before anything is memorised, does not foretell of its loss.
    """

    config: BrakeConfig
    losses: Callable[[nn.Module, TrainingData], Tensor]
    rows: TrainingData
    is_member: Tensor
    first: Tensor | None = None
    calm: tuple[int, dict[str, Tensor]] = (0, {})
    n_risen: int = 0

    def __call__(self, model: nn.Module, history: History) -> Stop | None:
        """Record the attack; if it has succeeded for long enough, ask for the last weights before it did."""
        losses = self.losses(model, self.rows).cpu()
        if self.first is None:
            self.first = losses
        label = None if self.rows.label is None else self.rows.label.cpu()
        scores = -adjusted(losses, self.first, self.is_member)
        auc, error = auc_within_classes(scores, self.is_member, label)
        history.attack_auc.append(auc)
        history.attack_se.append(error)
        self.n_risen += 1
        if auc - self.config.z * error <= 0.5 + self.config.margin:
            self.n_risen, self.calm = 0, (history.n_steps, weights_of(model))
        step, weights = self.calm
        return Stop("memorisation", weights, step) if self.n_risen >= self.config.patience else None

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold: no rows, but a loss for each and the weights of the last calm step."""
        step, weights = self.calm
        return {"first": self.first, "step": step, "weights": weights, "n_risen": self.n_risen}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.first, self.n_risen = state["first"], state["n_risen"]
        self.calm = (state["step"], state["weights"])
