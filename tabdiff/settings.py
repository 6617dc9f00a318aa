"""What decides how a table is learned, and the choice by its number of rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tabdiff.memorisation import BrakeConfig
from tabdiff.methods import FewStep, Method
from tabdiff.nets.mlp import MLPConfig
from tabdiff.training import TrainingConfig

__all__ = ["DiffusionConfig", "default_config"]


@dataclass(frozen=True)
class DiffusionConfig:
    """Everything that decides how a table is learned.

    known_share: share of the rows in training of which random cells are given, which draws under conditions
    need. held_out: share of the rows kept for the held-out loss (at most `max_held_out` rows; none in tables
    under 500 rows). label_dropout: share of rows whose class is withheld in training, which guidance needs.
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
    known_share: float = 0.5
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
