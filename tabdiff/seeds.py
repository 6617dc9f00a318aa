"""Random states without global state: anything a user passes as `random_state` becomes a seed sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabdiff.errors import InputError

__all__ = ["child_seed", "seed_sequence", "torch_seed"]


def seed_sequence(random_state: Any) -> np.random.SeedSequence:
    """Return the root of all random streams of one call.

    random_state: None (fresh entropy from the system), an integer, a `numpy.random.RandomState` or
    `Generator` (one number is drawn from it), or a `SeedSequence` (copied: what is spawned here is not
    counted there).
    """
    if random_state is None:
        return np.random.SeedSequence()
    if isinstance(random_state, np.random.SeedSequence):
        return np.random.SeedSequence(
            random_state.entropy, spawn_key=random_state.spawn_key, pool_size=random_state.pool_size
        )
    if isinstance(random_state, int | np.integer) and random_state >= 0:
        return np.random.SeedSequence(int(random_state))
    if isinstance(random_state, np.random.RandomState):
        return np.random.SeedSequence(int(random_state.randint(np.iinfo(np.int32).max)))
    if isinstance(random_state, np.random.Generator):
        return np.random.SeedSequence(int(random_state.integers(2**63)))
    raise InputError(
        f"random_state is {random_state!r}. Pass None, an integer of at least 0, or a NumPy RandomState or "
        "Generator."
    )


def child_seed(seed: np.random.SeedSequence, number: int) -> np.random.SeedSequence:
    """The child of this number, as `spawn` would make it, without counting it in `seed`."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))


def torch_seed(seed: np.random.SeedSequence) -> int:
    """Return a seed for a `torch.Generator`."""
    return int(seed.generate_state(1, np.uint64)[0]) >> 1
