"""Models that train for an instant, for tests of what surrounds a network rather than of how good it is."""

import numpy as np
import torch

from tabdiff.nets.mlp import MLPConfig
from tabdiff.settings import DiffusionConfig
from tabdiff.synthesis import fit_diffusion
from tabdiff.training import TrainingConfig

CPU = torch.device("cpu")
SHORT = DiffusionConfig(
    network=MLPConfig(width=16, n_blocks=1),
    training=TrainingConfig(max_steps=12, batch_size=32, evaluate_every=5),
)


def seed(number=0):
    return np.random.SeedSequence(number)


def fit(batch, n_levels, label=None, config=SHORT, number=0, **more):
    n_classes = 0 if label is None else int(label.max()) + 1
    return fit_diffusion(batch, n_levels, label, n_classes, config, seed(number), CPU, **more)
