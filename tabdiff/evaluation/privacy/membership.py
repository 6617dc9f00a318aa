"""Was this row in train? Membership inference from the synthetic table alone, overall and in the rare class.

Scores as in `field`. Intervals of the AUC by DeLong; p-values from the exchange of train and holdout units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from tabdiff.evaluation.comparison import Comparison
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.intervals import clopper_pearson, delong_auc, fisher_greater
from tabdiff.evaluation.privacy.control import refusal
from tabdiff.evaluation.privacy.field import Field, Scores, measure_field
from tabdiff.evaluation.privacy.limits import limit_estimates
from tabdiff.evaluation.privacy.tails import near_copies, outlier_run, tail_scan
from tabdiff.evaluation.privacy.units import MIN_UNITS, Units, units_of
from tabdiff.evaluation.reading import compare
from tabdiff.evaluation.registry import register

__all__ = ["auc_estimate", "leak_score", "membership", "rare_refusal", "roc", "tpr_estimate"]

RATES = {"privacy.mia.tpr_at_1pct": 0.01, "privacy.mia.tpr_at_01pct": 0.001}
CURVE_POINTS = 200
NAMES = (
    "privacy.mia.auc",
    *RATES,
    "privacy.mia.rare.auc",
    "privacy.copies.near",
    "privacy.tail_scan",
    "privacy.outlier_run",
    "privacy.limit.copied_outliers",
    "privacy.limit.auc",
)


@register("privacy.membership")
def membership(comparison: Comparison, rng: np.random.Generator) -> Iterator[Estimate]:
    """Everything that is read from one pass over the distances."""
    units = units_of(comparison)
    why = refusal(comparison, units)
    if why:
        yield from (not_assessable(name, why) for name in NAMES)
        return
    field = measure_field(comparison, units, rng)
    overall = field.scores("random")
    yield overall_auc(overall, units)
    for name, rate in RATES.items():
        yield tpr_estimate(name, overall, rate, rng)
    yield rare_auc(field, comparison)
    yield near_copies(field, units)
    yield tail_scan(field)
    yield outlier_run(field)
    yield from limit_estimates(comparison, field, units)


def overall_auc(scores: Scores, units: Units) -> Estimate:
    """The AUC over random units of both sides."""
    found = auc_estimate("privacy.mia.auc", scores.train, scores.holdout)
    return replace(
        found,
        note="an attacker who sees the synthetic table alone and asks whether a record was in train",
        details={**found.details, **units.counts},
    )


def rare_auc(field: Field, comparison: Comparison) -> Estimate:
    """The same within the positive class, where few rows carry all that a generator learns."""
    name = "privacy.mia.rare.auc"
    scores = field.scores("positive")
    why = rare_refusal(comparison, *scores.sizes)
    return not_assessable(name, why) if why else auc_estimate(name, scores.train, scores.holdout)


def rare_refusal(comparison: Comparison, n_train: int, n_holdout: int) -> str:
    """Why the positive class cannot be judged by itself; "" if it can."""
    if comparison.target is None or comparison.target.positive is None:
        return "no target with classes"
    if min(n_train, n_holdout) < MIN_UNITS:
        return (
            f"{n_train} positive units in train and {n_holdout} in the holdout: at least {MIN_UNITS} "
            "of each are needed"
        )
    return ""


def auc_estimate(name: str, train: np.ndarray, holdout: np.ndarray) -> Estimate:
    """P(a train score is higher than a holdout score), with the share of copies that would explain it.

    The share: if a part c of train is copied and ranks above all else, the AUC is 1/2 + c/2.
    """
    result = delong_auc(train, holdout)
    lo, hi = result.interval()
    return Estimate(
        name,
        result.auc,
        min(lo, result.auc),
        max(hi, result.auc),
        ideal=0.5,
        floor=0.5,
        bad=1.0,
        n=len(train) + len(holdout),
        method="DeLong; p by the exchange of train and holdout units, one-sided",
        p_value=result.p_greater,
        details={
            "roc": roc(train, holdout),
            "copied_share": max(0.0, 2 * result.auc - 1),
            "copied_share_lo": max(0.0, 2 * lo - 1),
            "copied_share_hi": max(0.0, 2 * hi - 1),
            "asked_train": len(train),
            "asked_holdout": len(holdout),
        },
    )


def roc(train: np.ndarray, holdout: np.ndarray) -> dict[str, list[float]]:
    """Shares of holdout (fpr) and of train (tpr) at or above falling thresholds, at most 200 points."""
    thresholds = np.unique(np.concatenate([train, holdout]))[::-1]
    tpr = np.searchsorted(np.sort(-train), -thresholds, side="right") / len(train)
    fpr = np.searchsorted(np.sort(-holdout), -thresholds, side="right") / len(holdout)
    tpr, fpr = np.append(0.0, tpr), np.append(0.0, fpr)
    if len(fpr) > CURVE_POINTS:
        # by length along the curve: the steep start, where a leak shows, keeps its points
        kept = np.searchsorted(fpr + tpr, np.linspace(0, 2, CURVE_POINTS)).clip(max=len(fpr) - 1)
        tpr, fpr = tpr[kept], fpr[kept]
    return {"fpr": fpr.tolist(), "tpr": tpr.tolist()}


def tpr_estimate(name: str, scores: Scores, rate: float, rng: np.random.Generator) -> Estimate:
    """Share of train above a threshold that a share `rate` of new rows would pass.

    One half of the holdout sets the threshold, the other counts how often it is passed. The interval holds
    for the threshold that exactly `rate` of all new rows pass, which is itself between two order statistics.
    """
    order = rng.permutation(len(scores.holdout))
    half = len(order) // 2
    setting, counting = scores.holdout[order[:half]], scores.holdout[order[half:]]
    # a new row is above the j-th largest of n with probability j / (n + 1)
    place = int(rate * (half + 1) + 1e-9)
    if place < 1:
        return not_assessable(
            name,
            f"{len(order)} holdout units were asked: at least {2 * round(1 / rate) - 2} are needed to set a "
            f"threshold that {rate:.1%} pass",
            ideal=rate,
        )
    threshold = np.sort(setting)[-place]
    k, k_control = int((scores.train > threshold).sum()), int((counting > threshold).sum())
    n = len(scores.train)
    lo, hi = _rate_interval(scores.train, np.sort(setting)[::-1], rate)
    lo, hi = min(lo, k / n), max(hi, k / n)
    return Estimate(
        name,
        k / n,
        lo,
        hi,
        ideal=rate,
        floor=k_control / len(counting),
        bad=1.0,
        n=n,
        method="Clopper-Pearson over the thresholds that one half of the holdout leaves open",
        note="shown for reading; its test repeats those of the tail scan and is not in the verdict",
        details={
            "false_positive_rate": _shares(k_control, len(counting)),
            "p_not_in_verdict": fisher_greater(k, n, k_control, len(counting)),
        },
    )


def _rate_interval(train: np.ndarray, setting: np.ndarray, rate: float) -> tuple[float, float]:
    """95 % interval of the share of train above the quantile 1 - rate of the law of `setting`, descending.

    Each of four errors has 1.25 %: the quantile beyond either order statistic, the share beyond either end.
    """
    n, tail = len(setting), 0.0125
    above = int(stats.binom.ppf(tail, n, rate))  # surely that many of n, or nearly so, exceed the quantile
    below = int(stats.binom.ppf(1 - tail, n, rate)) + 1

    def share(threshold: float, end: int) -> float:
        return clopper_pearson(int((train > threshold).sum()), len(train), 1 - 2 * tail)[end]

    return (share(setting[above - 1], 0) if above else 0.0), (
        share(setting[below - 1], 1) if below <= n else 1.0
    )


def _shares(k: int, n: int) -> dict[str, Any]:
    lo, hi = clopper_pearson(k, n)
    return {"k": k, "n": n, "lo": lo, "hi": hi}


def leak_score(train: Any, synthetic: Any, holdout: Any, target: Any = None, **options: Any) -> Estimate:
    """How well a synthetic table tells who was in train: the AUC of the calibrated nearest-neighbour attack.

    Parameters
    ----------
    train, synthetic, holdout : data frame
        The rows a generator was fitted on, what it made, and real rows that it never saw.
    target : hashable, optional
        Column of classes, if any.
    **options
        As in `compare`: `group`, `budget`, `seed`, ...

    Returns
    -------
    Estimate
        "privacy.mia.auc": 0.5 if nothing is learned of single rows, 1 for a copy.

    Examples
    --------
    >>> from tabdiff.datasets import make_transactions
    >>> from tabdiff.evaluation.privacy import leak_score
    >>> train, holdout = make_transactions(300, random_state=0), make_transactions(300, random_state=1)
    >>> leak_score(train, train, holdout).value > 0.99
    True
    """
    comparison = compare(train, synthetic, holdout, target, **options)
    units = units_of(comparison)
    why = refusal(comparison, units)
    if why:
        return not_assessable("privacy.mia.auc", why)
    field = measure_field(comparison, units, comparison.rng("privacy.membership"))
    return overall_auc(field.scores("random"), units)
