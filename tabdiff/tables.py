"""A learned table: columns in, columns out, whatever frame they came from.

What `TableSynthesizer` and `DiffusionOverSampler` share: schema, encoding and diffusion of the columns, with
the class of each row told to the model beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from tabdiff.batch import MixedBatch
from tabdiff.encoding.table import TableEncoder
from tabdiff.errors import InputError
from tabdiff.memorisation import BrakeConfig
from tabdiff.methods import METHODS
from tabdiff.schema import Column, TableSchema, infer_schema
from tabdiff.synthesis import (
    DiffusionConfig,
    FittedDiffusion,
    choose_device,
    default_config,
    fit_diffusion,
)
from tabdiff.training import History

__all__ = ["LearnedTable", "TableConfig", "learn_table"]


@dataclass(frozen=True)
class TableConfig:
    """What a user may decide about learning a table; None leaves the choice to the table's size.

    kinds: column name to "numeric" or "categorical". method: a key of `methods.METHODS`. brake: whether
    classes are watched for memorisation; "auto" watches small ones.
    """

    kinds: Mapping[Hashable, str] | None = None
    method: str = "few-step"
    max_steps: int | None = None
    max_seconds: float | None = None
    device: str = "auto"
    compile: bool = False
    brake: bool | str = "auto"

    def diffusion(self, n_rows: int) -> DiffusionConfig:
        """The full configuration for a table of this many rows."""
        config = default_config(n_rows)
        training = replace(config.training, max_seconds=self.max_seconds, compile=self.compile)
        if self.max_steps is not None:
            training = replace(training, max_steps=self.max_steps)
        brake = {"auto": BrakeConfig(), True: BrakeConfig(max_rows=None), False: None}[self.brake]
        return replace(config, method=METHODS[self.method](), training=training, brake=brake)


@dataclass(frozen=True)
class LearnedTable:
    """A table's schema, its encoding and the diffusion model of its rows.

    diffusion is None if every column is constant: there is nothing to learn then.
    """

    schema: TableSchema
    encoder: TableEncoder
    diffusion: FittedDiffusion | None

    @property
    def history(self) -> History:
        """What happened in training."""
        return History() if self.diffusion is None else self.diffusion.history

    def sample(
        self,
        n_rows: int,
        label: np.ndarray | None,
        seed: np.random.SeedSequence,
        n_steps: int | None = None,
        guidance: float = 0.0,
        on_rows: Callable[[int], None] | None = None,
    ) -> list[Column]:
        """Draw rows; label: (n_rows,) int64, the class of each, or None for a model without classes."""
        draw_seed, decode_seed = seed.spawn(2)
        if self.diffusion is None:
            batch = _no_features(n_rows)
        else:
            told = None if label is None else torch.from_numpy(label)
            batch = self.diffusion.sample(n_rows, told, draw_seed, n_steps, guidance, on_rows)
        return self.encoder.decode(batch, np.random.default_rng(decode_seed))

    def revise(
        self,
        columns: Sequence[Column],
        label: np.ndarray,
        seed: np.random.SeedSequence,
        t: float,
        n_steps: int | None = None,
    ) -> list[Column]:
        """Draw rows near the given ones by noising them up to time t and back."""
        encode_seed, draw_seed, decode_seed = seed.spawn(3)
        batch = self.encoder.encode(columns, np.random.default_rng(encode_seed))
        if self.diffusion is not None:
            told = torch.from_numpy(label)
            batch = self.diffusion.revise(batch, told, draw_seed, t, n_steps)
        return self.encoder.decode(batch, np.random.default_rng(decode_seed))

    def row_scores(self, columns: Sequence[Column], label: np.ndarray | None) -> np.ndarray:
        """How well each row fits: minus `FittedDiffusion.row_losses`, (n,) float64; 0 without a model.

        label: (n,) codes, -1 for classes that fit did not see. Rows that the model cannot make, for their
        levels or their class were not in fit, score minus infinity. Raises `SchemaError` if the columns are
        not those of fit.
        """
        possible = self.encoder.knows(columns)
        if label is not None:
            possible &= label >= 0
        scores = np.full(len(possible), -np.inf)
        rows = np.flatnonzero(possible)
        if not len(rows):
            return scores
        known = [column.with_cells(column.values[rows], column.missing[rows]) for column in columns]
        batch = self.encoder.encode(known, None)
        if self.diffusion is None:
            scores[rows] = 0.0
            return scores
        told = None if label is None else torch.from_numpy(label[rows])
        scores[rows] = -self.diffusion.row_losses(batch, told).numpy()
        return scores


def _no_features(n_rows: int) -> MixedBatch:
    return MixedBatch(torch.zeros(n_rows, 0), torch.zeros(n_rows, 0, dtype=torch.long))


def learn_table(
    columns: Sequence[Column],
    label: np.ndarray | None,
    n_classes: int,
    config: TableConfig,
    seed: np.random.SeedSequence,
    progress: Callable[[int], Callable[[int, History], None]] | None = None,
) -> LearnedTable:
    """Infer the schema, fit the encoding and train the diffusion model.

    label: (n,) int64 class of each row in [0, n_classes), or None with n_classes 0. progress is called with
    the number of steps and returns what to call after each.
    """
    if config.method not in METHODS:
        raise InputError(f"method is {config.method!r}. Known methods: {sorted(METHODS)}.")
    schema = infer_schema(columns, config.kinds)
    encoder = TableEncoder.fit(columns, schema)
    encode_seed, fit_seed = seed.spawn(2)
    if not encoder.n_num and not encoder.n_levels:
        return LearnedTable(schema, encoder, None)
    batch = encoder.encode(columns, np.random.default_rng(encode_seed))
    diffusion_config = config.diffusion(len(batch))
    told: Tensor | None = None if label is None else torch.from_numpy(label)
    on_step = None if progress is None else progress(diffusion_config.training.max_steps)
    diffusion = fit_diffusion(
        batch,
        encoder.n_levels,
        told,
        n_classes,
        diffusion_config,
        fit_seed,
        choose_device(config.device),
        on_step,
    )
    return LearnedTable(schema, encoder, diffusion)
