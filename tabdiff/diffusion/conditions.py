"""How a network learns to draw rows given any of their cells: parts of rows are given to it in training.

One network learns every conditional law, as random cells of random rows are shown clean and the loss is over
the rest. Where a categorical feature repeats the label, label and feature are told or withheld together:

    label told        the feature is known and shows it
    label not told    the feature is noisy and learned like any other
    label hidden      not told, and the feature is flagged as known but shows level 0 in every row: the
                      prediction without a label that guidance needs, as a noisy feature would tell of it
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion.distillation import Teacher
from tabdiff.diffusion.mixed import Denoiser
from tabdiff.diffusion.objectives import Objective

__all__ = ["ConditionalLoss", "known_by_label", "nothing_known", "random_subsets", "with_label"]


def nothing_known(rows: MixedBatch) -> Known:
    """No cell of these rows is known."""
    return Known(
        rows, torch.zeros_like(rows.num, dtype=torch.bool), torch.zeros_like(rows.cat, dtype=torch.bool)
    )


def random_subsets(rows: MixedBatch, given: Tensor, generator: torch.Generator | None) -> Known:
    """Random cells of the rows `given`, (B,) bool, each with a rate that is drawn evenly for the row."""
    device, shape = rows.cat.device, rows.cat.shape[:-1]
    n_num = rows.num.shape[-1]
    rate = torch.rand(len(rows), generator=generator, device=device) * given
    flags = torch.rand((*shape, n_num + rows.cat.shape[-1]), generator=generator, device=device)
    flags = flags < rate.reshape(-1, *(1 for _ in shape))
    return Known(rows, flags[..., :n_num], flags[..., n_num:])


def with_label(
    known: Known, feature: int, label: Tensor, told: Tensor, hidden: Tensor | None = None
) -> Known:
    """The known cells with those of the feature that repeats the label, and no others of it.

    label: (B,) long, read where it is told or hidden. told, hidden: (B,) bool. Hidden ones show level 0.
    """
    shape = (-1, *(1 for _ in known.cat.shape[1:-1]))
    cells, flags = known.rows.cat.clone(), known.cat.clone()
    flagged = told if hidden is None else told | hidden
    flags[..., feature] = flagged.reshape(shape)
    cells[..., feature] = torch.where(told, label, 0).reshape(shape)
    return Known(replace(known.rows, cat=cells), known.num, flags)


def known_by_label(
    rows: MixedBatch, label: Tensor | None, n_classes: int, feature: int | None
) -> Known | None:
    """The cells that a told label says: those of the feature that repeats it, where there is one."""
    if label is None or feature is None:
        return None
    return with_label(nothing_known(rows), feature, label, label < n_classes)


@dataclass(frozen=True)
class ConditionalLoss:
    """What training minimises: an objective on rows of which cells and label may be given.

    n_classes: number of labels; label_feature: the categorical feature that repeats the label, if any.
    known_share: share of rows of which random cells are known; the label is withheld from half of them, and
    from a share label_dropout of the others. withheld_weight: (n_classes,), weight of the loss of a row
    whose label is withheld, by its class: the inverse of the share that the class is raised to in the
    batches, so that what is learned there is the law of the table. teacher: the network that replayed rows
    were drawn from, whose answers are learned in their place.
    """

    objective: Objective
    n_classes: int = 0
    label_feature: int | None = None
    known_share: float = 0.5
    label_dropout: float = 0.1
    withheld_weight: Tensor | None = None
    hidden_share: float = 1 / 3
    teacher: Teacher | None = None

    def __call__(
        self,
        denoiser: Denoiser,
        rows: MixedBatch,
        label: Tensor | None,
        generator: torch.Generator | None,
        replayed: Tensor | None = None,
    ) -> Tensor:
        """Loss of each row: (B,). replayed: (B,) bool, rows that were drawn from the teacher."""

        def happens(share: float | Tensor) -> Tensor:
            return torch.rand(len(rows), generator=generator, device=rows.num.device) < share

        lesson = None if self.teacher is None or replayed is None else self.teacher.of(replayed)
        given = happens(self.known_share)
        known = random_subsets(rows, given, generator) if self.known_share > 0 else None
        if label is None:
            return self.objective(denoiser, rows, None, generator, known, lesson)

        withheld = happens(torch.where(given, 0.5, self.label_dropout))
        if self.label_feature is not None:
            hidden = withheld & happens(self.hidden_share)
            known = nothing_known(rows) if known is None else known
            known = with_label(known, self.label_feature, label, ~withheld, hidden)
        told = torch.where(withheld, self.n_classes, label)
        loss = self.objective(denoiser, rows, told, generator, known, lesson)
        if self.withheld_weight is None:
            return loss
        return torch.where(withheld, self.withheld_weight[label] * loss, loss)
