"""What the attacks could have found: the smallest leak that would have been called one."""

from __future__ import annotations

import math
from collections.abc import Iterator

from scipy import stats

from tabdiff.evaluation.comparison import Comparison
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.privacy.field import Field
from tabdiff.evaluation.privacy.tails import run_p_value
from tabdiff.evaluation.privacy.units import Units

__all__ = ["critical_run", "found_power", "limit_estimates"]

TESTS = 8  # of this room, that need no rare class and no model
SHOWN = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 30, 50, 100)
AUC_SHOWN = (0.505, 0.51, 0.52, 0.55, 0.6)


def limit_estimates(comparison: Comparison, field: Field, units: Units) -> Iterator[Estimate]:
    """The limits of the run test and of the AUC at alpha, after Holm's first step over all tests."""
    # the rare class and the model each add one test at most
    family = TESTS + (comparison.target is not None) + 2 * (comparison.model is not None)
    level = comparison.alpha / family
    yield _copied_outliers(field, units, level, family)
    yield _smallest_auc(field, level, family)


def critical_run(n_train: int, n_holdout: int, level: float) -> int | None:
    """The shortest run that is significant; None if not even all of train is."""
    return next((k for k in range(1, n_train + 1) if run_p_value(k, n_train, n_holdout) <= level), None)


def found_power(k: int, n_train: int, asked: int, needed: int) -> float:
    """P(at least `needed` of k copied units are among the units of train that are asked)."""
    return float(stats.hypergeom.sf(needed - 1, n_train, k, asked)) if k <= n_train else 1.0


def _copied_outliers(field: Field, units: Units, level: float, family: int) -> Estimate:
    name = "privacy.limit.copied_outliers"
    n, m = field.scores("isolated").sizes
    needed = critical_run(n, m, level)
    if needed is None:
        return not_assessable(
            name, f"{n} isolated units in train and {m} in the holdout: too few for any run to be significant"
        )
    asked, asked_holdout = field.scores("random").sizes
    needed_anywhere = critical_run(asked, asked_holdout, level)
    n_train = units.train.n_units
    return Estimate(
        name,
        needed,
        n=n,
        method=f"exact: run test at level {level:.2g} ({family} tests)",
        note=f"copies of {needed} or more of the {n} isolated train units would have been found, if each is "
        "nearer to its original than any holdout unit to a synthetic row",
        details={
            "level": level,
            "family": family,
            "n_train": n,
            "n_holdout": m,
            "table": [
                {
                    "k": k,
                    "p_if_isolated": run_p_value(k, n, m),
                    "found_if_isolated": run_p_value(k, n, m) <= level,
                    "power_if_anywhere": 0.0
                    if needed_anywhere is None
                    else found_power(k, n_train, asked, needed_anywhere),
                }
                for k in SHOWN
                if k <= n
            ],
        },
    )


def _smallest_auc(field: Field, level: float, family: int) -> Estimate:
    n, m = field.scores("random").sizes
    se = math.sqrt((n + m + 1) / (12 * n * m))
    z = float(stats.norm.isf(level))
    return Estimate(
        "privacy.limit.auc",
        min(1.0, 0.5 + z * se),
        n=n + m,
        method=f"normal: Mann-Whitney test at level {level:.2g} ({family} tests)",
        note="an attack of this AUC would be found in half of the cases",
        details={
            "level": level,
            "family": family,
            "se": se,
            "table": [{"auc": auc, "power": float(stats.norm.sf(z - (auc - 0.5) / se))} for auc in AUC_SHOWN],
        },
    )
