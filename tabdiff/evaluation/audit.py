"""Auditing a generator, not a table: how much its output gives away of one record.

Canaries, rows that stand out, are put into the training table or left out by the toss of a coin; the
generator is fitted once; an attacker guesses from the output which canaries were in. What the attacker gets
right bounds the privacy loss epsilon from below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from tabdiff import frames
from tabdiff.errors import InputError
from tabdiff.evaluation.arguments import count_of, scores_of, seed_of, share_of
from tabdiff.evaluation.estimates import Estimate
from tabdiff.evaluation.neighbours import fit_space, nearest
from tabdiff.evaluation.reading import MAX_FEW_VALUES, compare
from tabdiff.schema import Column, Storage

__all__ = ["canary_audit", "epsilon_lower_bound"]

STRETCH = 0.25  # of a column's range, that a canary's numbers may lie beyond it
MAX_EPSILON = 20.0


def canary_audit(
    generate: Callable[[Any], Any],
    train: Any,
    *,
    n_canaries: int = 200,
    share_guessed: float = 0.5,
    delta: float = 0.0,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Bound the privacy loss of a generator from below, at the cost of fitting it once.

    Parameters
    ----------
    generate : callable
        Takes a table like `train` and returns synthetic rows, or a pair of synthetic rows and a model with
        ``score_samples``: ``lambda df: TableSynthesizer(random_state=0).fit(df).sample(len(df))``.
    train : pandas, polars or pyarrow frame, or ndarray
        Real rows. It is not changed.
    n_canaries : int, default=200
        Rows that are made up; about half of them are added to `train`. Few against the rows of `train` change
        it little; more give a tighter bound.
    share_guessed : float, default=0.5
        Share of canaries on which the attacker commits to a guess, the surest ones, in and out equally often.
    delta : float, default=0.0
        Probability with which the bound of epsilon may fail, as in (epsilon, delta)-differential privacy.
    level : float, default=0.95
        Confidence of the bound.
    seed : int, default=0
        Seed of canaries and coins. `generate` brings its own.

    Returns
    -------
    Estimate
        "audit.canary.epsilon": the value is the lower bound; 0 means that nothing was found, not that nothing
        is there. `details` holds the number of guesses and of right ones, and the attack's AUC.

    Notes
    -----
    Canaries have every cell drawn by itself, numbers up to a quarter of a column's range beyond it, so that
    no real row is like them: they are what a model is most likely to learn by heart.

    Source: Steinke, Nasr & Jagielski 2023 (arXiv:2305.08846), algorithm 1 and theorem 5.2.

    Examples
    --------
    >>> from tabdiff.datasets import make_transactions
    >>> from tabdiff.evaluation.audit import canary_audit
    >>> copier = canary_audit(lambda table: table, make_transactions(300, 0))
    >>> copier.value > 2
    True
    """
    if not callable(generate):
        raise InputError(f"`generate` is a {type(generate).__name__}. Pass a function of a table.")
    n_canaries, seed = count_of("n_canaries", n_canaries, 10), seed_of(seed)
    share_guessed = share_of("share_guessed", share_guessed, "a share above 0 and up to 1", most=1.0 + 1e-12)
    level = share_of("level", level, "a confidence between 0 and 1, such as 0.95")
    delta = 0.0 if delta == 0 else share_of("delta", delta, "0 or a small probability, such as 1e-5")
    rng = np.random.default_rng(seed)
    columns, template = frames.read(train)
    canaries = template.rebuild([_stretched(column, n_canaries, rng) for column in columns])
    inside = rng.random(n_canaries) < 0.5
    table = frames.append_rows(train, frames.select_rows(canaries, np.flatnonzero(inside)))
    made = generate(frames.select_rows(table, rng.permutation(len(columns[0]) + int(inside.sum()))))
    if isinstance(made, tuple) and len(made) != 2:
        raise InputError(f"`generate` returned {len(made)} things. Return rows, or rows and a model.")
    synthetic, model = made if isinstance(made, tuple) else (made, None)

    scores = _by_distance(canaries, train, synthetic)
    if model is not None:
        scores = stats.rankdata(scores) + stats.rankdata(scores_of(model, canaries, n_canaries))
    n_each = max(1, int(n_canaries * share_guessed / 2))
    order = np.argsort(scores, kind="stable")
    right = int(inside[order[-n_each:]].sum() + (~inside[order[:n_each]]).sum())
    bound = epsilon_lower_bound(right, 2 * n_each, n_canaries, delta, 1 - level)
    return Estimate(
        "audit.canary.epsilon",
        bound,
        bound,
        None,
        ideal=0.0,
        n=n_canaries,
        method="one-run audit, binomial tail",
        level=level,
        note="a lower bound: 0 means that this attacker found nothing",
        details={"guesses": 2 * n_each, "right": right, "included": int(inside.sum()), "delta": delta},
    )


def epsilon_lower_bound(
    right: int, guesses: int, n_canaries: int, delta: float = 0.0, alpha: float = 0.05
) -> float:
    """The largest epsilon that `right` of `guesses` right guesses reject at level alpha; 0 if none.

    Source: Steinke, Nasr & Jagielski 2023, theorem 5.2.
    """
    if _tail(0.0, right, guesses, n_canaries, delta) > alpha:
        return 0.0
    lo, hi = 0.0, MAX_EPSILON
    for _ in range(60):
        middle = (lo + hi) / 2
        rejected = _tail(middle, right, guesses, n_canaries, delta) <= alpha
        lo, hi = (middle, hi) if rejected else (lo, middle)
    return lo


def _tail(epsilon: float, right: int, guesses: int, n_canaries: int, delta: float) -> float:
    """Largest probability of so many right guesses under (epsilon, delta)-differential privacy."""
    share = 1 / (1 + math.exp(-epsilon))
    law = stats.binom(guesses, share)
    tail = float(law.sf(right - 1))
    if not delta:
        return tail
    steps = np.arange(1, n_canaries + 1)
    between = law.sf(right - steps - 1) - tail  # P(right - i <= W < right)
    return min(1.0, tail + delta * n_canaries * float((2 * between / steps).max()))


def _stretched(column: Column, n: int, rng: np.random.Generator) -> Column:
    """Cells of the column drawn by themselves; numbers uniform over its range and a quarter beyond it."""
    picked = rng.integers(len(column), size=n)
    drawn = column.with_cells(column.values[picked], column.missing[picked])
    if column.storage in (Storage.LABEL, Storage.BOOL) or not len(column.observed):
        return drawn
    if len(np.unique(column.observed)) <= MAX_FEW_VALUES:  # levels, and a canary may not bring new ones
        return drawn
    low, high = float(column.observed.min()), float(column.observed.max())
    values = rng.uniform(low - STRETCH * (high - low), high + STRETCH * (high - low), n)
    if column.storage is not Storage.FLOAT:
        values = np.round(values)
    return drawn.with_cells(values.astype(column.values.dtype), drawn.missing)


def _by_distance(canaries: Any, train: Any, synthetic: Any) -> np.ndarray:
    """How much nearer each canary is to the synthetic rows than to the real ones, in log distance."""
    comparison = compare(train, synthetic)
    space = fit_space(comparison)
    # canaries hold levels of train only, and these have the same codes in every comparison with train
    points = space.points(compare(train, canaries).synthetic)
    to_synthetic = nearest(points, space.points(comparison.synthetic)).distance[:, 0]
    to_real = nearest(points, space.points(comparison.real)).distance[:, 0]
    tiny = 1e-9 * float(np.median(to_real)) + np.finfo(float).tiny
    return np.log(np.maximum(to_real, tiny)) - np.log(np.maximum(to_synthetic, tiny))
