"""Tables for the published scores, from uniform draws and arithmetic alone: equal on every platform."""

import numpy as np
import pandas as pd
import pytest


def mixed_table(seed, n_rows, drift=0.0):
    """Numbers, integer codes and labels that depend on each other; `drift` moves the law."""
    u = np.random.default_rng(seed).random((n_rows, 8))
    age = (18 + 70 * u[:, 0] ** (1.5 + drift)).astype("int64")
    strength = 0.6 * u[:, 0] + 0.4 * u[:, 1]
    return pd.DataFrame(
        {
            "age": age,
            "income": 2_000 * strength + 500 * u[:, 2] ** (2 + drift) - 100,
            "hours": (60 * u[:, 3] * (1 - drift / 4)).astype("int64"),
            "city": np.array(["Bern", "Lima", "Oslo", "Rome"], dtype="O")[
                (4 * u[:, 1] * u[:, 4]).astype(int)
            ],
            "code": (10 * u[:, 5] * (1 - drift / 4)).astype("int64"),
            "label": np.array(["no", "yes"], dtype=object)[(strength + 0.5 * u[:, 6] > 0.75).astype(int)],
        }
    )


@pytest.fixture(scope="session")
def real():
    return mixed_table(1, 600)


@pytest.fixture(scope="session")
def synthetic():
    return mixed_table(2, 600, drift=0.3)


@pytest.fixture(scope="session")
def fresh():
    return mixed_table(3, 600)
