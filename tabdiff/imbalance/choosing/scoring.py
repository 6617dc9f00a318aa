"""The scores of several arms on the same held-out rows, their differences, the standard errors of both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabdiff.errors import InputError
from tabdiff.imbalance.choosing.answers import HeldOut
from tabdiff.imbalance.choosing.measures import measure_of

__all__ = ["ArmScore", "score_arms"]


@dataclass(frozen=True)
class ArmScore:
    """What one arm scored.

    folds: the score of each fold, NaN where none is defined. value: their mean. se: its standard error.
    difference: to the reference, positive if this arm is better. difference_se: its standard error; the arms
    are scored on the same rows, so that it is less than the two errors together.
    """

    folds: tuple[float, ...]
    value: float
    se: float
    difference: float
    difference_se: float


def score_arms(
    scoring: Any,
    folds: Mapping[str, Sequence[HeldOut]],
    seed: int | np.random.SeedSequence,
    n_groups: int = 20,
) -> dict[str, ArmScore]:
    """Score arms on the same held-out rows, in pairs with the first of them.

    scoring: a scorer's name, a scorer or a function of (estimator, X, y), see `measures.measure_of`. folds:
    for each arm, the reference first, its answers fold by fold; the folds hold different rows, and the same
    for every arm. seed: of the groups of rows.

    The standard error is the larger of two. The jackknife leaves out one of `n_groups` groups of held-out
    rows at a time, the same for all arms, in all folds at once and of every class alike: it knows only what
    the choice of held-out rows does. The variance between folds also knows what refitting does, but folds
    are few, so the larger counts. A function cannot be told to leave out rows, so it has the folds alone;
    with one fold its standard error is NaN. If the rarest class has fewer held-out rows than `n_groups`,
    there are as many groups as it has rows, at least two.

    A fold on which no arm has a score, because it lacks a class, is left out. An arm that has none where
    others have one gets NaN.

    Source: Kott 2001, J. Official Statistics 17, 521 (delete-a-group); Efron & Stein 1981, Ann. Statist. 9,
    586 (the jackknife estimate of variance).

    Raises `InputError` if there is no arm or no fold, or if the arms were not held out on the same rows.
    """
    _check(folds)
    arms = list(folds.values())
    held = [one for arm in arms for one in arm]
    measure = measure_of(scoring, held)
    labels = [one.y for one in arms[0]]
    left_out = _left_out(labels, n_groups, seed) if measure.leaves_out else [[] for _ in labels]
    masks = [[np.ones(len(y), dtype=bool), *without] for y, without in zip(labels, left_out, strict=True)]
    found = np.array([[measure.scores(one, masks[k]) for k, one in enumerate(arm)] for arm in arms])
    found[~np.isfinite(found)] = np.nan
    # a fold is left out by all arms or by none: they would be compared on different rows otherwise
    scored = np.isfinite(found).any(axis=0)
    n_scored = scored.sum(axis=0)
    totals = np.where(scored, found, 0.0).sum(axis=1)
    means = np.where(n_scored > 0, totals / np.maximum(n_scored, 1), np.nan)  # (arms, 1 + groups)
    whole = found[:, scored[:, 0], 0]  # (arms, folds)
    return {
        name: ArmScore(
            folds=tuple(found[i, :, 0].tolist()),
            value=float(means[i, 0]),
            se=_standard_error(whole[i], means[i, 1:]),
            difference=float(means[i, 0] - means[0, 0]),
            difference_se=_standard_error(whole[i] - whole[0], means[i, 1:] - means[0, 1:]),
        )
        for i, name in enumerate(folds)
    }


def _check(folds: Mapping[str, Sequence[HeldOut]]) -> None:
    sizes = {name: [len(one.y) for one in held] for name, held in folds.items()}
    if not sizes or not all(each and min(each) for each in sizes.values()):
        raise InputError(
            f"the arms hold out these numbers of rows, fold by fold: {sizes}. Pass at least one arm and one "
            "fold, and no fold without rows."
        )
    reference, first = next(iter(folds.items()))
    for name, held in folds.items():
        same = len(held) == len(first) and all(
            np.array_equal(a.y, b.y) for a, b in zip(held, first, strict=True)
        )
        if not same:
            raise InputError(
                f"arm {name!r} was held out on other rows than arm {reference!r}: their folds hold "
                f"{sizes[name]} and {sizes[reference]} rows, or other classes. "
                "Score all arms on the same rows."
            )


def _left_out(
    classes: Sequence[np.ndarray], n_groups: int, seed: int | np.random.SeedSequence
) -> list[list[np.ndarray]]:
    """For each fold, masks of its rows without each of the random groups.

    Each class is dealt out over the groups like cards, fold after fold, so that neither in all rows nor in
    one fold the groups differ by more than one row of it.
    """
    labels, codes = np.unique(np.concatenate(classes), return_inverse=True)
    fold_of = np.repeat(np.arange(len(classes)), [len(each) for each in classes])
    least = int(np.bincount(codes).min())
    n = max(2, min(n_groups, least))
    rng = np.random.default_rng(seed)
    group = np.zeros(len(codes), dtype=np.int64)
    dealt = 0
    for code in range(len(labels)):
        rows = rng.permutation(np.flatnonzero(codes == code))
        rows = rows[np.argsort(fold_of[rows], kind="stable")]
        group[rows] = (dealt + np.arange(len(rows))) % n
        dealt += len(rows)  # else the first groups would get the odd rows of every class
    return [[group[fold_of == k] != g for g in range(n)] for k in range(len(classes))]


def _standard_error(by_fold: np.ndarray, left_out: np.ndarray) -> float:
    """The larger of the jackknife's and the folds'; NaN if there is neither, or one of them is.

    by_fold: (k,), the score of each fold. left_out: (G,), the score without each group, empty for none.
    The jackknife's variance is (G - 1) / G times the sum of squares around their mean.
    """
    n_groups, n_folds = len(left_out), len(by_fold)
    found = []
    if n_groups:
        spread = np.sum((left_out - left_out.mean()) ** 2)
        found.append(math.sqrt((n_groups - 1) / n_groups * spread))
    if n_folds >= 2:
        found.append(float(by_fold.std(ddof=1)) / math.sqrt(n_folds))
    return float(np.max(found)) if found else math.nan
