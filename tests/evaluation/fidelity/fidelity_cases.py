"""Tables of a known law, and what each measure says of them."""

import numpy as np

from tabdiff.datasets import make_transactions
from tabdiff.evaluation import compare
from tabdiff.evaluation.registry import measure_all

CHEAP = (
    "fidelity.validity",
    "fidelity.missing",
    "fidelity.rare",
    "fidelity.marginal",
    "fidelity.tails",
    "fidelity.pairs",
    "fidelity.coverage",
    "fidelity.diversity",
)
C2ST = ("fidelity.c2st",)


def tables(n=2_000, seed=0, fraud_rate=0.1):
    """Train, holdout and a perfect sample: three independent draws."""
    return [make_transactions(n, 100 * seed + i, fraud_rate) for i in range(3)]


def independent(frame, seed=0):
    rng = np.random.default_rng(seed)
    return frame.apply(lambda column: rng.permutation(column.to_numpy()))


def measured(train, synthetic, holdout, names=CHEAP, **changes):
    comparison = compare(train, synthetic, holdout, **({"target": "fraud", "budget": "fast"} | changes))
    return measure_all(comparison, names)


def holds(estimate, truth=None):
    return estimate.lo <= (estimate.ideal if truth is None else truth) <= estimate.hi
