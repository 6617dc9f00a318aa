"""Several reports about one generator as one: what another seed of it would have scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from tabdiff.errors import InputError
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.intervals import seeded_interval
from tabdiff.evaluation.report import Report

__all__ = ["over_seeds"]


def over_seeds(reports: Sequence[Report]) -> dict[str, Estimate]:
    """Mean of every estimate over several seeds of a generator, with the variance that seeds add.

    One report says how one table did. To speak of a generator, fit it or sample from it several times, judge
    each table on the same train and holdout rows, and pool the reports: five or more for a claim.

    Parameters
    ----------
    reports : sequence of Report
        At least two, of tables that differ by the generator's seed alone.

    Returns
    -------
    dict of str to Estimate
        By name. The interval holds the holdout's variance, which all reports share and no number of them
        reduces, and the variance between seeds divided by their number. A figure that one of the reports
        could not give is not assessable. There are no p-values: a leak in one table is a leak.

    Examples
    --------
    >>> from tabdiff.datasets import make_transactions
    >>> from tabdiff.evaluation import evaluate, over_seeds
    >>> train, holdout = make_transactions(300, 0), make_transactions(300, 1)
    >>> reports = [
    ...     evaluate(train=train, synthetic=make_transactions(300, seed), holdout=holdout, budget="fast",
    ...              measures=["fidelity.c2st"], references=False)
    ...     for seed in (2, 3, 4)
    ... ]
    >>> len(over_seeds(reports)["fidelity.c2st.auc"].details["values"])
    3
    """
    if len(reports) < 2:
        raise InputError(
            f"got {len(reports)} reports. Pass at least two, one for each seed of the generator."
        )
    names = list(reports[0])
    for number, report in enumerate(reports):
        if set(report) != set(names):
            differing = sorted(set(report) ^ set(names))
            raise InputError(
                f"report {number} has other estimates than report 0: {differing}. Measure the same in all."
            )
    return {name: _pooled(name, [report[name] for report in reports]) for name in names}


def _pooled(name: str, found: Sequence[Estimate]) -> Estimate:
    refused = [each.reason for each in found if not each.assessable]
    if refused:
        return not_assessable(name, f"not assessable in {len(refused)} of {len(found)} reports: {refused[0]}")
    first, values = found[0], np.array([each.value for each in found], dtype=float)
    errors = [_standard_error(each) for each in found]
    known = [error for error in errors if error is not None]
    # the mean of squares: each report saw the same holdout, so that their errors do not average out
    value, lo, hi = seeded_interval(values, float(np.sqrt(np.mean(np.square(known)))) if known else 0.0)
    return Estimate(
        name,
        value,
        lo,
        hi,
        ideal=first.ideal,
        floor=_mean([each.floor for each in found]),
        bad=_mean([each.bad for each in found]),
        n=first.n,
        method=f"mean over {len(found)} seeds of the generator; holdout and seed variance added",
        seconds=float(sum(each.seconds for each in found)),
        note=first.note,
        details={"values": values.tolist()},
    )


def _standard_error(estimate: Estimate) -> float | None:
    """Half of the interval's width in standard errors; None without an interval."""
    if estimate.lo is None or estimate.hi is None:
        return None
    return (estimate.hi - estimate.lo) / 2 / float(stats.norm.ppf(0.5 + estimate.level / 2))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
