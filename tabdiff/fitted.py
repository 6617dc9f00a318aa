"""A trained diffusion model: what it consists of, and rows drawn from it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion import samplers
from tabdiff.diffusion.conditions import known_by_label, nothing_known, with_label
from tabdiff.diffusion.mixed import Denoiser, MixedProcess
from tabdiff.diffusion.objectives import Objective
from tabdiff.diffusion.scoring import fixed_losses, fixed_noise
from tabdiff.nets.mlp import MLPDenoiser
from tabdiff.seeds import torch_seed
from tabdiff.settings import DiffusionConfig
from tabdiff.training import History, bf16_pays
from tabdiff.workers import Workers

__all__ = ["FittedDiffusion", "for_inference"]

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class FittedDiffusion:
    """A trained model: the averaged weights and what is needed to draw from them; no training row is kept.

    n_classes: number of labels the model was told, 0 if none. label_feature: the categorical feature that
    repeats the label, level by level, or None. `synthesis.rebuilt` makes one from `config`, `n_num`,
    `n_levels`, `n_classes`, `label_feature`, `weights`, `entropies` and `history`.
    """

    config: DiffusionConfig
    process: MixedProcess
    network: MLPDenoiser
    n_classes: int
    objective: Objective
    history: History
    label_feature: int | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.process.layout.n_levels.device

    @property
    def n_num(self) -> int:
        """Number of numeric features."""
        return self.process.n_num

    @property
    def n_levels(self) -> list[int]:
        """Number of levels of each categorical feature."""
        return self.network.n_levels

    @property
    def weights(self) -> dict[str, Tensor]:
        """The network's weights by name."""
        return self.network.state_dict()

    @property
    def entropies(self) -> Tensor | None:
        """Entropy of each categorical feature in the training rows, (C,) nats, if the loss uses it."""
        return getattr(self.objective, "entropies", None)

    def sample(
        self,
        n_rows: int,
        label: Tensor | None,
        seed: np.random.SeedSequence,
        n_steps: int | None = None,
        guidance: float = 0.0,
        on_rows: Callable[[int], None] | None = None,
        known: Known | None = None,
        forbidden: Sequence[tuple[int, int]] = (),
    ) -> MixedBatch:
        """Draw rows, or the cells of rows that are not known.

        label: (n_rows,) long on the CPU, `n_classes` where it is not told, or None if it is told nowhere.
        known: cells of the n_rows rows, on the CPU, that come back as they are; the others are drawn given
        them. Where the feature that repeats the label is known, the label is told. forbidden: pairs of a
        categorical feature and a level that is not drawn.

        Rows are drawn in chunks of one class each, so that memory does not grow with n_rows beyond the rows
        themselves and the class is a constant of the network. on_rows is told the number of rows of each
        chunk.
        """

        def start(rows: Tensor, generator: torch.Generator) -> MixedBatch:
            return self.process.prior((len(rows),), generator)

        how = _How(n_steps or self.config.method.n_steps, guidance, forbidden=tuple(forbidden))
        return self._in_chunks(n_rows, self._told(n_rows, label, known), known, start, seed, how, on_rows)

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

        how = _How(n_steps or self.config.method.n_steps, t_start=t)
        return self._in_chunks(len(rows), label, None, start, seed, how, None)

    def _told(self, n_rows: int, label: Tensor | None, known: Known | None) -> Tensor | None:
        """The label of each row, also where it is told by the feature that repeats it."""
        if known is None or self.label_feature is None:
            return label
        label = torch.full((n_rows,), self.n_classes) if label is None else label
        level = known.rows.cat[:, self.label_feature]
        return torch.where(known.cat[:, self.label_feature] & (level < self.n_classes), level, label)

    def _in_chunks(
        self,
        n_rows: int,
        label: Tensor | None,
        known: Known | None,
        start: Callable[[Tensor, torch.Generator], MixedBatch],
        seed: np.random.SeedSequence,
        how: _How,
        on_rows: Callable[[int], None] | None,
    ) -> MixedBatch:
        """Draw chunk by chunk, each from a random stream of its own, and put the rows into their places."""
        network = for_inference(self.network, self.device)

        def draw(job: tuple[Tensor, np.random.SeedSequence]) -> MixedBatch:
            rows, chunk_seed = job
            generator = torch.Generator(self.device).manual_seed(torch_seed(chunk_seed))
            told = None if label is None else label[rows[:1]].to(self.device)
            cells = None if known is None else known[rows].to(self.device)
            amp = torch.autocast(self.device.type, torch.bfloat16, enabled=bf16_pays(self.device))
            with torch.inference_mode(), amp:
                predict, cells = self._predictor(network, told, cells, how)
                noise = start(rows, generator)
                if how.t_start == 1 and (told is not None or cells is not None):
                    noise = samplers.around_mean(self.process, predict, noise)
                drawn = self.config.method.sampler(
                    self.process, predict, noise, how.n_steps, generator, how.t_start
                )
                return (drawn if cells is None else cells.shown(drawn)).to("cpu")

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

    def _predictor(
        self, network: Denoiser, label: Tensor | None, known: Known | None, how: _How
    ) -> tuple[samplers.Predict, Known | None]:
        """What leads the rows of a chunk, all of the same label (1,), and the cells that they must keep."""
        hidden = known
        if self.label_feature is not None and label is not None and int(label) < self.n_classes:
            known = nothing_known(self._one_blank_row()) if known is None else known
            yes, no = (torch.full((len(known),), told, device=self.device) for told in (True, False))
            label_of_rows = label.expand(len(known))
            hidden = with_label(known, self.label_feature, label_of_rows, no, yes)
            known = with_label(known, self.label_feature, label_of_rows, yes)
        predict = samplers.guided(
            samplers.conditional(self.process, network, label, known),
            samplers.conditional(self.process, network, None, hidden),
            how.guidance,
        )
        return samplers.forbidding(predict, self.process.layout, how.forbidden), known

    def _one_blank_row(self) -> MixedBatch:
        cat = torch.zeros(1, len(self.process.layout), dtype=torch.long, device=self.device)
        return MixedBatch(torch.zeros(1, self.n_num, device=self.device), cat)

    def row_losses(self, rows: MixedBatch, label: Tensor | None) -> Tensor:
        """Loss of each row at the method's `score_times`, all rows with the same noise: (B,) float64.

        The loss of a row does not depend on the rows beside it. label: as for `sample`; where it is told, the
        feature that repeats it is known.
        """
        if not len(rows):
            return torch.zeros(0, dtype=torch.float64)
        size = min(_chunk_rows(self.process), 256)
        fixed = fixed_noise(self.process, self.config.method.score_times)

        def losses(part: slice) -> Tensor:
            told = None if label is None else label[part].to(self.device)
            with torch.inference_mode():
                batch = rows[part].to(self.device)
                known = known_by_label(batch, told, self.n_classes, self.label_feature)
                return fixed_losses(self.objective, self.network, batch, told, fixed, size, known).to("cpu")

        parts = [slice(i, i + size) for i in range(0, len(rows), size)]
        with Workers(self.device, len(parts)) as workers:
            return torch.cat(list(workers.map(losses, parts)))


@dataclass(frozen=True)
class _How:
    """How rows are drawn, whichever they are."""

    n_steps: int
    guidance: float = 0.0
    t_start: float = 1.0
    forbidden: tuple[tuple[int, int], ...] = ()


def for_inference(network: Network, device: torch.device) -> Network:
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
