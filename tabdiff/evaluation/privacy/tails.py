"""Few leaked rows: near copies, the most member-like rows, and the isolated ones. Averages cannot see them.

Each test looks at several sets of rows, as nothing is lost where all rows are asked, but where only a sample
is, the rows at risk (isolated, of the rare class) are asked in full.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.intervals import clopper_pearson, fisher_greater
from tabdiff.evaluation.privacy.field import Field, Scores
from tabdiff.evaluation.privacy.units import MAX_SUSPECTS, Units, excess_share, suspect

__all__ = ["NEAR", "near_copies", "outlier_run", "run_p_value", "scan", "tail_scan"]

NEAR = math.log(10)  # ten times nearer to a synthetic row than to any other real row
SETS = ("random", "isolated", "positive")
TAIL_SIZES = (8, 16, 32, 64, 128)
MIN_ISOLATED = 10


def near_copies(field: Field, units: Units) -> Estimate:
    """Rows with a synthetic row ten times nearer than any other real row, in train beyond those of holdout.

    Survives rounding and small noise, which hide a copy from `privacy.copies.exact`. Fisher's exact test on
    each set of rows, Bonferroni over the sets.
    """
    p_values, counts, listed = [], {}, {}
    for name in SETS:
        scores = field.scores(name)
        n, m = scores.sizes
        if not n or not m:
            continue
        k, k_control = int((scores.train >= NEAR).sum()), int((scores.holdout >= NEAR).sum())
        counts[name] = {"k_train": k, "n_train": n, "k_holdout": k_control, "n_holdout": m}
        p_values.append(fisher_greater(k, n, k_control, m))
        for place in np.flatnonzero(scores.train >= NEAR):
            listed[int(scores.train_row[place])] = (scores, place)
    k, n, k_control, m = counts["random"].values()
    return excess_share(
        "privacy.copies.near",
        k,
        n,
        k_control,
        m,
        method="Newcombe; p by Fisher's exact test, Bonferroni over the sets of rows",
        p_value=min(1.0, len(p_values) * min(p_values)),
        note="share of train rows ten times nearer to a synthetic than to any real row, less the holdout's",
        details={"sets": counts, **units.counts, "suspects": _nearest_first(listed)},
    )


def _nearest_first(listed: dict[int, tuple[Scores, Any]]) -> list[dict[str, Any]]:
    ordered = sorted(listed.values(), key=lambda each: -each[0].train[each[1]])
    return [_suspect(scores, place) for scores, place in ordered[:MAX_SUSPECTS]]


def _suspect(scores: Scores, place: Any) -> dict[str, Any]:
    times = math.exp(scores.train[place])
    why = f"{times:.3g} times nearer to this synthetic row than to any other real row"
    return suspect(scores.train_row[place], scores.synthetic_row[place], scores.distance[place], why)


def scan(train: np.ndarray, holdout: np.ndarray) -> list[dict[str, Any]]:
    """How many of the m most member-like units are of train, and its hypergeometric p-value, for each m.

    Equal scores count for the holdout first. Only m up to half of all units are looked at.
    """
    scores = np.concatenate([train, holdout])
    member = np.arange(len(scores)) < len(train)
    order = np.lexsort((member, -scores))
    inside = np.cumsum(member[order])
    found = []
    for m in TAIL_SIZES:
        if 2 * m <= len(scores):
            k = int(inside[m - 1])
            p = float(stats.hypergeom.sf(k - 1, len(scores), len(train), m))
            found.append({"m": m, "k": k, "expected": m * len(train) / len(scores), "p": p})
    return found


def tail_scan(field: Field) -> Estimate:
    """Train units among the most member-like ones, beyond their share; Bonferroni over sizes and sets."""
    name = "privacy.tail_scan"
    rows = []
    for chosen in SETS:
        scores = field.scores(chosen)
        if min(scores.sizes):
            rows += [{"set": chosen, **each} for each in scan(scores.train, scores.holdout)]
    best = min(rows, key=lambda each: each["p"], default=None)
    if best is None:
        return not_assessable(name, f"fewer than {2 * TAIL_SIZES[0]} units were asked")
    k, m, share = best["k"], best["m"], best["expected"] / best["m"]
    lo, hi = clopper_pearson(k, m, 1 - 0.05 / len(rows))
    return Estimate(
        name,
        k / m - share,
        lo - share,
        hi - share,
        ideal=0.0,
        floor=0.0,
        bad=1 - share,
        n=m,
        method=f"Clopper-Pearson and hypergeometric test, Bonferroni over {len(rows)} looks",
        p_value=min(1.0, len(rows) * best["p"]),
        note=f"{k} of the {m} most member-like {best['set']} units are of train, {m * share:.1f} expected",
        details={"looks": rows},
    )


def run_p_value(k: int, n_train: int, n_holdout: int) -> float:
    """P(the k highest of n_train + n_holdout exchangeable scores are all of train)."""
    if k > n_train:
        return 0.0
    total = n_train + n_holdout
    return math.prod((n_train - i) / (total - i) for i in range(k))


def outlier_run(field: Field) -> Estimate:
    """How many isolated train units are more member-like than every isolated holdout unit."""
    name = "privacy.outlier_run"
    scores = field.scores("isolated")
    n, m = scores.sizes
    if min(n, m) < MIN_ISOLATED:
        return not_assessable(
            name, f"{n} isolated units in train and {m} in the holdout: at least {MIN_ISOLATED} are needed"
        )
    places = np.flatnonzero(scores.train > scores.holdout.max())
    places = places[np.argsort(-scores.train[places], kind="stable")]
    return Estimate(
        name,
        len(places),
        ideal=n / (m + 1),
        floor=n / (m + 1),
        bad=n,
        n=n + m,
        method="exact test of the run's length over all splits of the isolated units",
        p_value=run_p_value(len(places), n, m),
        note="the ideal is the mean length of the run after a random split",
        details={
            "n_train": n,
            "n_holdout": m,
            "suspects": [_suspect(scores, place) for place in places[:MAX_SUSPECTS]],
        },
    )
