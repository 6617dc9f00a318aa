"""Generators of windows behind one protocol: the floors of the benchmark, and tabdiff.

A generator is a function `fit(train, seed, budget)`, train: (n, L, D) windows in [0, 1], that returns a
function `sample(n)`, which returns (n, L, D) windows. To compare another one, add it to `GENERATORS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

__all__ = ["GENERATORS", "Budget", "Sample"]

Windows = NDArray[np.float64]
Sample = Callable[[int], Windows]
N_NEIGHBOURS = 5
ROWS_AT_A_TIME = 1024


@dataclass(frozen=True)
class Budget:
    """Limits of training: wall seconds, and steps or None for as many as the generator finds right."""

    max_seconds: float
    max_steps: int | None = None


def copies(train: Windows, seed: int, budget: Budget) -> Sample:
    """The training windows in random order, again and again if more are asked for."""
    rng = np.random.default_rng(seed)

    def sample(n: int) -> Windows:
        passes = [rng.permutation(len(train)) for _ in range(-(-n // len(train)))]
        return train[np.concatenate(passes)[:n]]

    return sample


def bootstrap(train: Windows, seed: int, budget: Budget) -> Sample:
    """Training windows with replacement."""
    rng = np.random.default_rng(seed)
    return lambda n: train[rng.integers(len(train), size=n)]


def smote(train: Windows, seed: int, budget: Budget) -> Sample:
    """Points between a training window and one of its 5 nearest, all cells of a window beside each other."""
    rng = np.random.default_rng(seed)
    rows = train.reshape(len(train), -1)
    near = NearestNeighbors(n_neighbors=N_NEIGHBOURS + 1).fit(rows).kneighbors(rows, return_distance=False)

    def sample(n: int) -> Windows:
        first = rng.integers(len(rows), size=n)
        second = near[first, rng.integers(1, N_NEIGHBOURS + 1, size=n)]
        between = rows[first] + rng.uniform(size=(n, 1)) * (rows[second] - rows[first])
        return between.reshape(n, *train.shape[1:])

    return sample


def gaussian(train: Windows, seed: int, budget: Budget) -> Sample:
    """The normal law with the mean and the covariance of all L D cells of a window."""
    rng = np.random.default_rng(seed)
    rows = train.reshape(len(train), -1)
    # a normal mixture of the centred rows has exactly their covariance, however many cells there are
    mean = rows.mean(axis=0)
    centred = (rows - mean) / np.sqrt(len(rows) - 1)

    def sample(n: int) -> Windows:
        sizes = [min(ROWS_AT_A_TIME, n - start) for start in range(0, n, ROWS_AT_A_TIME)]
        drawn = [mean + rng.standard_normal((size, len(rows))) @ centred for size in sizes]
        return np.concatenate(drawn).reshape(n, *train.shape[1:])

    return sample


def shuffled_channels(train: Windows, seed: int, budget: Budget) -> Sample:
    """Each channel from another training window: right within channels, independent between them."""
    rng = np.random.default_rng(seed)

    def sample(n: int) -> Windows:
        taken = [copies(train[:, :, [d]], int(rng.integers(2**32)), budget)(n) for d in range(train.shape[2])]
        return np.concatenate(taken, axis=2)

    return sample


def tabdiff_windows(train: Windows, seed: int, budget: Budget) -> Sample:
    """`tabdiff.SeriesSynthesizer`, each window being an entity of L steps."""
    from tabdiff import SeriesSynthesizer

    n_windows, n_steps, n_channels = train.shape
    channels = [f"channel_{d}" for d in range(n_channels)]
    frame = pd.DataFrame(train.reshape(-1, n_channels), columns=channels)
    frame.insert(0, "entity", np.repeat(np.arange(n_windows), n_steps))
    frame.insert(1, "step", np.tile(np.arange(n_steps), n_windows))
    model = SeriesSynthesizer(
        entity="entity",
        time="step",
        random_state=seed,
        max_seconds=budget.max_seconds,
        max_steps=budget.max_steps,
    ).fit(frame)

    def sample(n: int) -> Windows:
        drawn = model.sample(n).sort_values(["entity", "step"], kind="stable")
        lengths = drawn.groupby("entity").size()
        if len(lengths) != n or not (lengths == n_steps).all():
            raise ValueError(
                f"{n} windows of {n_steps} steps were asked for, and {len(lengths)} of {lengths.min()} to "
                f"{lengths.max()} steps came."
            )
        return drawn[channels].to_numpy(dtype=np.float64).reshape(n, n_steps, n_channels)

    return sample


GENERATORS: dict[str, Callable[[Windows, int, Budget], Sample]] = {
    "copy": copies,
    "bootstrap": bootstrap,
    "smote": smote,
    "gaussian": gaussian,
    "shuffled channels": shuffled_channels,
    "tabdiff": tabdiff_windows,
}
