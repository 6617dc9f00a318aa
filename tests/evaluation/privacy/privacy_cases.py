"""Synthetic tables with a known answer, made from tables with a known law."""

from __future__ import annotations

import numpy as np
import pandas as pd

import tabdiff.evaluation.privacy  # noqa: F401  registers the measures
from tabdiff.datasets import make_transactions
from tabdiff.evaluation.intervals import holm
from tabdiff.evaluation.neighbours import fit_space, nearest
from tabdiff.evaluation.reading import compare
from tabdiff.evaluation.registry import MEASURES, measure_all

PRIVACY = [
    "privacy.copies",
    "privacy.membership",
    "privacy.attribute_inference",
    "privacy.linkability",
    "privacy.singling_out",
    "privacy.whitebox",
    "descriptive.distances",
]
SMALL = {"budget": "fast"}


def judge(train, synthetic, holdout, target="fraud", names=PRIVACY, **options):
    """All estimates of this room."""
    assert set(names) <= MEASURES.keys()
    return measure_all(compare(train, synthetic, holdout, target, **(SMALL | options)), names)


def smallest_p(estimates):
    """The smallest p-value after Holm's correction."""
    return min(holm([e.p_value for e in estimates.values() if e.p_value is not None]))


def real(n=1_000, ratio=2, seed=0):
    """Train and a holdout of n / ratio rows."""
    return make_transactions(n, seed), make_transactions(n // ratio, 10_000 + seed)


def fresh(n=1_000, seed=0):
    return make_transactions(n, 20_000 + seed)


def noisy(frame, share=0.01, seed=0):
    """Numbers with fractions off by a share of their own size."""
    rng = np.random.default_rng(seed)
    return frame.assign(
        **{c: frame[c] * (1 + share * rng.normal(size=len(frame))) for c in frame.select_dtypes("float")}
    )


def joined(*frames):
    return pd.concat(frames, ignore_index=True)


def outliers(train, holdout, k):
    """The k train rows that are farthest from all other train rows, farthest first."""
    comparison = compare(train, fresh(50, 99), holdout, "fraud")
    points = fit_space(comparison).points(comparison.train)
    distance = nearest(points, points, 1, np.arange(len(train))).distance[:, 0]
    return np.argsort(-distance)[:k]


def planted(train, holdout, k, seed=0):
    """Fresh rows and near-copies of the k most isolated train rows."""
    rows = outliers(train, holdout, k)
    return joined(fresh(len(train) - k, seed), noisy(train.iloc[rows], 1e-3)), rows


def interpolated(train, seed=0):
    """Each synthetic row lies between a train row and the train row nearest to it; levels of the first."""
    rng = np.random.default_rng(seed)
    filled = train.fillna(train.median(numeric_only=True))
    comparison = compare(filled, filled, fresh(50, 98).fillna(0.0), "fraud")
    points = fit_space(comparison).points(comparison.train)
    other = nearest(points, points, 1, np.arange(len(train))).index[:, 0]
    share = rng.random(len(train))
    numbers = list(filled.select_dtypes(["float", "int64"]).columns.drop("fraud"))
    made = {c: filled[c] + share * (filled[c].to_numpy()[other] - filled[c]) for c in numbers}
    return filled.assign(**made)


def independent(train, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({c: train[c].to_numpy()[rng.permutation(len(train))] for c in train})
