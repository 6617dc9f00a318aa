"""A learned table: columns in, columns out, whatever frame they came from.

What `TableSynthesizer` and `DiffusionOverSampler` share: schema, arrangement, encoding and diffusion of the
columns, with the class of each row told to the model beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tabdiff.arrangement import Arrangement
from tabdiff.batch import Known, MixedBatch
from tabdiff.cells import put, take
from tabdiff.checkpoints import Checkpoint, fingerprint
from tabdiff.encoding.table import TableEncoder, aligned
from tabdiff.errors import InputError
from tabdiff.memorisation import BrakeConfig
from tabdiff.methods import METHODS
from tabdiff.schema import (
    Column,
    Kind,
    TableSchema,
    check_finite,
    infer_schema,
    learned_schema,
    with_relations,
)
from tabdiff.synthesis import (
    DiffusionConfig,
    FittedDiffusion,
    choose_device,
    default_config,
    fit_diffusion,
)
from tabdiff.training import History, Start

__all__ = [
    "GivenCells",
    "Keeping",
    "LearnedTable",
    "TableConfig",
    "learn_table",
]

MAX_ROUNDS = 64


@dataclass(frozen=True)
class TableConfig:
    """What a user may decide about learning a table; None leaves the choice to the table's size.

    schema: column name to kind. constraints: of `tabdiff.constraints`. method: a key of `methods.METHODS`.
    brake: whether classes are watched for memorisation; "auto" watches small ones.
    """

    schema: Mapping[Hashable, str] | TableSchema | None = None
    constraints: Sequence[Any] = ()
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
class Keeping:
    """Where and how often the state of training is kept, and whether to go on from it."""

    directory: Path
    seconds: float = 60.0
    resume: bool = False

    def of(self, batch: MixedBatch, label: torch.Tensor | None, *run: Any) -> Checkpoint:
        """The checkpoint of one run, told from others by its rows, configuration and seed."""
        rows = [batch.num, batch.cat, batch.observed, label]
        return Checkpoint(self.directory, fingerprint(rows, *run), self.seconds, resume=self.resume)


@dataclass(frozen=True)
class GivenCells:
    """Cells that a draw starts from, n rows of them.

    columns, known (n, n_columns): of the table's own columns; the known cells come back exactly as they
    stand. learned, known_learned (n, n_learned): of the columns that are learned; what the model is told.
    Other cells may hold anything.
    """

    columns: list[Column]
    known: np.ndarray
    learned: list[Column]
    known_learned: np.ndarray

    def __getitem__(self, rows: np.ndarray | slice) -> GivenCells:
        return GivenCells(
            [take(column, rows) for column in self.columns],
            self.known[rows],
            [take(column, rows) for column in self.learned],
            self.known_learned[rows],
        )


@dataclass(frozen=True)
class LearnedTable:
    """A table's schema, how its columns hang together, their encoding and the diffusion model of its rows.

    diffusion is None if nothing is left to learn: every column is constant, empty or an identifier. n_rows:
    how many rows it has learned from.
    """

    schema: TableSchema
    arrangement: Arrangement
    encoder: TableEncoder
    diffusion: FittedDiffusion | None
    n_rows: int

    @property
    def history(self) -> History:
        """What happened in training."""
        return History() if self.diffusion is None else self.diffusion.history

    @property
    def templates(self) -> list[Column]:
        """The columns of the table without cells."""
        return self.arrangement.restored(list(self.encoder.templates), np.random.default_rng(0))

    def aligned(self, columns: Sequence[Column], grow: bool = False) -> list[Column]:
        """The columns of another table, by name those of this one, with cells held as here.

        Labels that are new come behind the others. A column that never held a value has none here either,
        unless it is to grow: then it is passed on. Raises `SchemaError` if cells cannot be held so, or are
        infinite.
        """
        held = []
        for column, own, spec in zip(columns, self.templates, self.schema.columns, strict=True):
            check_finite(column)
            if spec.kind is not Kind.EMPTY:
                held.append(aligned(column, own))
            elif grow and len(column.observed):
                held.append(column)
            else:
                n = len(column)
                held.append(own.with_cells(np.zeros(n, own.values.dtype), np.ones(n, dtype=bool)))
        return held

    def given(self, columns: Sequence[Column], known: np.ndarray, rng: np.random.Generator) -> GivenCells:
        """Cells of the table's columns as what a draw starts from; known: (n, n_columns) bool."""
        learned, known_learned = self.arrangement.learned_known(columns, known, rng)
        return GivenCells(list(columns), known, learned, known_learned)

    def sample(
        self,
        n_rows: int,
        label: np.ndarray | None,
        seed: np.random.SeedSequence,
        n_steps: int | None = None,
        guidance: float = 0.0,
        on_rows: Callable[[int], None] | None = None,
        given: GivenCells | None = None,
        allow_missing: bool = True,
        first_row: int = 0,
    ) -> list[Column]:
        """Draw rows.

        label: (n_rows,) int64, the class of each, -1 for rows whose class is to be drawn; None if all are, or
        for a model without classes. allow_missing: whether cells may come out missing in columns that hold
        values. first_row: number of the first row in a draw made in parts, which identifiers count on from.
        """
        draw_seed, decode_seed, known_seed, restore_seed = seed.spawn(4)
        known = None
        if given is not None:
            known = self.encoder.encode_known(
                given.learned, given.known_learned, np.random.default_rng(known_seed)
            )
        if self.diffusion is None:
            batch = _no_features(n_rows)
        else:
            how = n_steps, guidance
            batch = self.diffusion.sample(n_rows, self._told(label), draw_seed, *how, on_rows, known)
            if not allow_missing:
                self._draw_missing_again(batch, label, draw_seed, how, known)
        learned = self.encoder.decode(batch, np.random.default_rng(decode_seed), first_row)
        rng = np.random.default_rng(restore_seed)
        if given is None:
            return self.arrangement.restored(learned, rng)
        learned = _with_known(learned, given.learned, given.known_learned)
        columns = self.arrangement.restored(learned, rng, (given.columns, given.known))
        return _with_known(columns, given.columns, given.known)

    def _draw_missing_again(
        self,
        batch: MixedBatch,
        label: np.ndarray | None,
        seed: np.random.SeedSequence,
        how: tuple[int | None, float],
        known: Known | None,
    ) -> None:
        """Replace the rows of the batch that have missing cells, but for known ones, by rows that have none.

        Such rows are drawn again while that is worth it; then missing cells are ruled out cell by cell, which
        cannot fail but leaves the other cells of a row halfway to what they would be.
        """
        assert self.diffusion is not None
        levels = self.encoder.missing_levels()
        told, n_before = self._told(label), len(batch)
        for part_seed in seed.spawn(MAX_ROUNDS):
            missing = torch.zeros(len(batch), dtype=torch.bool)
            for feature, level in levels:
                cells = batch.cat[:, feature] == level
                missing |= cells if known is None else cells & ~known.cat[:, feature]
            rows = missing.nonzero()[:, 0]
            if not len(rows):
                return
            forbidden = levels if len(rows) > n_before / 2 else ()
            n_before = len(rows)
            drawn = self.diffusion.sample(
                len(rows),
                None if told is None else told[rows],
                part_seed,
                *how,
                known=None if known is None else known[rows],
                forbidden=forbidden,
            )
            batch.num[rows], batch.cat[rows] = drawn.num, drawn.cat

    def _told(self, label: np.ndarray | None) -> torch.Tensor | None:
        """The labels as the model takes them: n_classes for those that are not told."""
        if label is None or self.diffusion is None:
            return None
        return torch.from_numpy(np.where(label < 0, self.diffusion.n_classes, label))

    def sample_learned(
        self,
        n_rows: int,
        seed: np.random.SeedSequence,
        n_steps: int | None,
        given: Sequence[Column],
        known: np.ndarray,
    ) -> list[Column]:
        """Draw rows of the learned columns given some of their cells; known: (n_rows, n_learned) bool."""
        draw_seed, decode_seed, known_seed = seed.spawn(3)
        if self.diffusion is None:
            batch = _no_features(n_rows)
        else:
            cells = self.encoder.encode_known(given, known, np.random.default_rng(known_seed))
            batch = self.diffusion.sample(n_rows, None, draw_seed, n_steps, known=cells)
        drawn = self.encoder.decode(batch, np.random.default_rng(decode_seed))
        return _with_known(drawn, given, known)

    def revise(
        self,
        columns: Sequence[Column],
        label: np.ndarray,
        seed: np.random.SeedSequence,
        t: float,
        n_steps: int | None = None,
        first_row: int = 0,
    ) -> list[Column]:
        """Draw rows near the given ones by noising them up to time t and back."""
        encode_seed, draw_seed, decode_seed, restore_seed = seed.spawn(4)
        learned = self.arrangement.learned(columns)
        everything = np.ones((len(label), len(learned)), dtype=bool)
        rng = np.random.default_rng(encode_seed)
        batch = self.encoder.encode_known(learned, everything, rng).rows
        if self.diffusion is not None:
            batch = self.diffusion.revise(batch, torch.from_numpy(label), draw_seed, t, n_steps)
        learned = self.encoder.decode(batch, np.random.default_rng(decode_seed), first_row)
        return self.arrangement.restored(learned, np.random.default_rng(restore_seed))

    def row_scores(self, columns: Sequence[Column], label: np.ndarray | None) -> np.ndarray:
        """How well each row fits: minus `FittedDiffusion.row_losses`, (n,) float64; 0 without a model.

        label: (n,) codes, -1 for classes that fit did not see. Rows that the model cannot make, for their
        levels or their class were not in fit, score minus infinity. Raises `SchemaError` if the columns are
        not those of fit.
        """
        learned = self.arrangement.learned(columns)
        possible = self.encoder.knows(learned)
        if label is not None:
            possible &= label >= 0
        scores = np.full(len(possible), -np.inf)
        rows = np.flatnonzero(possible)
        if not len(rows):
            return scores
        if self.diffusion is None:
            scores[rows] = 0.0
            return scores
        batch = self.encoder.encode([take(column, rows) for column in learned], None)
        told = None if label is None else torch.from_numpy(label[rows])
        scores[rows] = -self.diffusion.row_losses(batch, told).numpy()
        return scores


def _with_known(columns: Sequence[Column], given: Sequence[Column], known: np.ndarray) -> list[Column]:
    """The columns with the known cells of `given` in their places; known: (n, n_columns) bool."""
    parts = zip(columns, given, known.T, strict=True)
    return [put(column, other, cells) for column, other, cells in parts]


def _no_features(n_rows: int) -> MixedBatch:
    return MixedBatch(torch.zeros(n_rows, 0), torch.zeros(n_rows, 0, dtype=torch.long))


def learn_table(
    columns: Sequence[Column],
    label: np.ndarray | None,
    n_classes: int,
    config: TableConfig,
    seed: np.random.SeedSequence,
    progress: Start | None = None,
    target: Hashable = None,
    keeping: Keeping | None = None,
) -> LearnedTable:
    """Infer the schema, find what hangs together, fit the encoding and train the diffusion model.

    label: (n,) int64 class of each row in [0, n_classes), or None with n_classes 0. target: name of the
    column that holds the classes, if it is one of them. progress is called with the number of steps and
    returns what to call after each. keeping: where checkpoints go.
    """
    if config.method not in METHODS:
        raise InputError(f"method is {config.method!r}. Known methods: {sorted(METHODS)}.")
    keep = frozenset() if target is None else frozenset([target])
    schema = infer_schema(columns, config.schema)
    arrangement = Arrangement.fit(columns, config.constraints, keep)
    learned = arrangement.learned(columns)
    encoder = TableEncoder.fit(learned, learned_schema(learned, schema), keep)
    encode_seed, fit_seed = seed.spawn(2)
    diffusion = None
    if encoder.n_num or encoder.n_levels:
        batch = encoder.encode(learned, np.random.default_rng(encode_seed))
        diffusion_config = config.diffusion(len(batch))
        told = None if label is None else torch.from_numpy(label)
        diffusion = fit_diffusion(
            batch,
            encoder.n_levels,
            told,
            n_classes,
            diffusion_config,
            fit_seed,
            choose_device(config.device),
            None if progress is None else progress(diffusion_config.training.max_steps),
            label_feature=None if target is None else encoder.feature_of(target),
            checkpoint=None if keeping is None else keeping.of(batch, told, diffusion_config, fit_seed),
        )
    described = with_relations(schema, arrangement.relations)
    return LearnedTable(described, arrangement, encoder.released(), diffusion, len(columns[0]))
