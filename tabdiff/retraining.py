"""A learned table goes on learning: new rows, and the old law remembered by rows that the model draws.

No row of the old table is kept, so what keeps the model from forgetting it is generative replay: rows drawn
from the model as it is are learned again beside the new ones, as many as stand for the old table. Of such a
row the answers of the old network are learned, not its cells, which would repeat the errors of drawing. It
answers in scores, so these stay as they are where they can, see `encoding.steady`; where they must move far,
the answers no longer mean what they meant, and the cells are learned after all.
Source: Shin et al. 2017 (arXiv:1705.08690). DIFFERS: one generator teaches its own successor, which starts
from its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from tabdiff.batch import MixedBatch
from tabdiff.encoding.steady import moved, steady
from tabdiff.encoding.table import TableEncoder, feature_map
from tabdiff.errors import SchemaError
from tabdiff.schema import Column, grown_schema
from tabdiff.settings import DiffusionConfig
from tabdiff.synthesis import Warm, choose_device, fit_diffusion
from tabdiff.tables import LearnedTable, TableConfig
from tabdiff.targets import Target
from tabdiff.training import Start

__all__ = ["relearn_table"]

MAX_REPLAYED = 50_000
SHARE_OF_STEPS = 0.12
SAME_SCORES = 0.1  # how far scores may move and still mean much the same, as `moved` counts it


def relearn_table(
    table: LearnedTable,
    target: Target | None,
    columns: Sequence[Column],
    config: TableConfig,
    seed: np.random.SeedSequence,
    progress: Start | None = None,
) -> tuple[LearnedTable, Target | None]:
    """The table and its target after new rows, columns as `LearnedTable.aligned` has them.

    New levels, classes and ranges extend the encoding. The old rows are replayed in the number that was
    learned, at most `MAX_REPLAYED`: then the new ones weigh more than their share. Training takes
    `SHARE_OF_STEPS` of the steps that the size of both together would ask for.

    Raises `SchemaError` if a column that was an identity of others no longer is.
    """
    label_seed, replay_seed, encode_seed, fit_seed = seed.spawn(4)
    _check_relations(table, columns)
    label, old_label, grown_target = None, None, None
    n_old = min(table.n_rows, MAX_REPLAYED)
    if target is not None:
        grown_target, new_label = target.extended(columns)
        old_label = target.draw(n_old, np.random.default_rng(label_seed))
        label = np.concatenate([old_label, new_label])
    new = table.arrangement.learned(columns)
    encoder = steady(table.encoder, table.encoder.extended(new), new)
    diffusion = None
    if encoder.n_num or encoder.n_levels:
        replayed = table.arrangement.learned(table.sample(n_old, old_label, replay_seed))
        rng = np.random.default_rng(encode_seed)
        batch = _joined(encoder.encode(replayed, rng), encoder.encode(new, rng))
        diffusion_config = _shortened(config, table, len(batch))
        diffusion = fit_diffusion(
            batch,
            encoder.n_levels,
            None if label is None else torch.from_numpy(label),
            0 if grown_target is None else len(grown_target),
            diffusion_config,
            fit_seed,
            choose_device(config.device),
            None if progress is None else progress(diffusion_config.training.max_steps),
            None if grown_target is None else encoder.feature_of(grown_target.name),
            _warm_start(table, encoder, n_old),
        )
    schema = grown_schema(table.schema, encoder.schema, columns)
    n_rows = table.n_rows + len(columns[0])
    grown_table = replace(
        table,
        schema=schema,
        arrangement=table.arrangement.extended(columns),
        encoder=encoder.released(),
        diffusion=diffusion,
        n_rows=n_rows,
    )
    return grown_table, grown_target


def _check_relations(table: LearnedTable, columns: Sequence[Column]) -> None:
    """Raise `SchemaError` if the rows break what holds in the fitted table by its arrangement."""
    for words, rows in table.arrangement.broken(columns).items():
        raise SchemaError(
            f"in the fitted table, {words}; {rows.sum()} of these {len(rows)} rows break that, the first is "
            f"row {rows.argmax()} (from 0). Correct them, or fit again on both tables together."
        )


def _joined(first: MixedBatch, second: MixedBatch) -> MixedBatch:
    observed = None
    if first.observed is not None or second.observed is not None:
        parts = [
            torch.ones_like(batch.num, dtype=torch.bool) if batch.observed is None else batch.observed
            for batch in (first, second)
        ]
        observed = torch.cat(parts)
    return MixedBatch(torch.cat([first.num, second.num]), torch.cat([first.cat, second.cat]), observed)


def _shortened(config: TableConfig, table: LearnedTable, n_rows: int) -> DiffusionConfig:
    """The configuration of both tables together, with the old network and a share of the steps."""
    full = config.diffusion(n_rows)
    steps = full.training.max_steps
    if config.max_steps is None:
        steps = max(1, int(SHARE_OF_STEPS * steps))
    network = full.network if table.diffusion is None else table.diffusion.config.network
    return replace(full, network=network, training=replace(full.training, max_steps=steps))


def _warm_start(table: LearnedTable, encoder: TableEncoder, n_replayed: int) -> Warm | None:
    if table.diffusion is None:
        return None
    teaches = moved(table.encoder, encoder) <= SAME_SCORES
    return Warm(table.diffusion.network, *feature_map(table.encoder, encoder), n_replayed, teaches)
