"""Small tables that one column can be made odd in."""

import numpy as np
import pandas as pd

from tabdiff import evaluate

N = 60
ROLES = ("train", "synthetic", "holdout")
CHEAP = ["fidelity.validity", "fidelity.missing", "fidelity.marginal", "fidelity.diversity", "privacy.copies"]


def plain(n=N, seed=0):
    """A number, an amount, levels and two classes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "x": x,
            "amount": rng.lognormal(size=n),
            "k": rng.choice(list("abc"), n, p=[0.5, 0.3, 0.2]),
            "y": (x + rng.normal(size=n) > 0.5).astype(int),
        }
    )


def three(n=N):
    """Independent samples of one law, by role."""
    return {role: plain(n, seed) for seed, role in enumerate(ROLES)}


def judged(tables, target="y", **options):
    """The report, by few measures unless others are named."""
    return evaluate(**tables, target=target, **({"budget": "fast", "references": False} | options))


def with_column(make, n=N):
    """The same tables with a column "c" of `make(rng, n)`."""
    tables = three(n)
    return {
        role: table.assign(c=make(np.random.default_rng(seed + 10), n))
        for seed, (role, table) in enumerate(tables.items())
    }
