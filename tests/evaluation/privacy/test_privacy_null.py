"""No false alarms: what the verdict rests on, over many tables without a leak."""

import numpy as np
import pytest
from privacy_cases import judge, smallest_p

from tabdiff.datasets import make_transactions


@pytest.mark.slow
def test_fresh_samples_are_accused_in_no_more_than_one_of_a_hundred():
    p, covered, tests = [], [], {}
    for seed in range(60):
        tables = [make_transactions(n, 1_000 * k + seed, 0.2) for k, n in ((1, 400), (2, 400), (3, 200))]
        estimates = judge(*tables, seed=seed)
        p.append(smallest_p(estimates))
        auc = estimates["privacy.mia.auc"]
        covered.append(auc.lo <= 0.5 <= auc.hi)
        for name, estimate in estimates.items():
            if estimate.p_value is not None:
                tests.setdefault(name, []).append(estimate.p_value)
    assert sum(value < 0.01 for value in p) <= 2
    assert np.mean(covered) > 0.85
    assert len(tests) == 9
    for name, values in tests.items():
        assert np.mean(np.array(values) < 0.05) <= 0.15, name
