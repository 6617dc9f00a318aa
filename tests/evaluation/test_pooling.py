"""Reports over seeds: the holdout's variance stays, the seeds' variance shrinks with their number."""

import math

import pytest
from scipy import stats

from tabdiff.errors import InputError
from tabdiff.evaluation import Estimate, Report, Verdict, not_assessable, over_seeds


def report(*estimates: Estimate) -> Report:
    return Report({e.name: e for e in estimates}, Verdict("faithful", "helps", "not assessable"))


def auc(value: float, half: float = 0.0196) -> Estimate:
    return Estimate("fidelity.c2st.auc", value, value - half, value + half, ideal=0.5, floor=0.5, n=100)


def test_equal_reports_keep_their_interval():
    pooled = over_seeds([report(auc(0.6))] * 4)["fidelity.c2st.auc"]
    assert (pooled.value, pooled.lo, pooled.hi) == pytest.approx((0.6, 0.5804, 0.6196), abs=1e-6)


def test_variance_between_seeds_by_hand():
    pooled = over_seeds([report(auc(value)) for value in (0.55, 0.60, 0.65)])["fidelity.c2st.auc"]
    within, between = (0.0196 / stats.norm.ppf(0.975)) ** 2, 0.05**2 / 3
    freedom = 2 * ((within + between) / between) ** 2
    half = stats.t.ppf(0.975, freedom) * math.sqrt(within + between)
    assert (pooled.lo, pooled.hi) == pytest.approx((0.6 - half, 0.6 + half))
    assert pooled.details["values"] == [0.55, 0.60, 0.65]


def test_what_one_report_cannot_give_the_pool_cannot():
    refused = not_assessable("fidelity.c2st.auc", "5 rows")
    pooled = over_seeds([report(auc(0.6)), report(refused)])["fidelity.c2st.auc"]
    assert pooled.reason == "not assessable in 1 of 2 reports: 5 rows"


def test_one_report_and_different_reports_are_refused():
    with pytest.raises(InputError, match="got 1 reports"):
        over_seeds([report(auc(0.6))])
    with pytest.raises(InputError, match=r"other estimates than report 0: \['a.b'\]"):
        over_seeds([report(auc(0.6)), report(auc(0.6), Estimate("a.b", 1.0))])
