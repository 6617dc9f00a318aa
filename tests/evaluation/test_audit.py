"""What an audit finds bounds the privacy loss, and never more than that."""

import math

import numpy as np
import pytest
from scipy import stats

from tabdiff.datasets import make_transactions
from tabdiff.errors import InputError
from tabdiff.evaluation.audit import _tail, canary_audit, epsilon_lower_bound


def test_bound_by_hand():
    # all of 10 right: reject where (e^eps / (1 + e^eps))^10 <= .05
    share = 0.05 ** (1 / 10)
    assert epsilon_lower_bound(10, 10, 10) == pytest.approx(math.log(share / (1 - share)))


def test_half_right_bounds_nothing():
    assert epsilon_lower_bound(50, 100, 100) == 0.0


def test_randomised_response_is_bounded_by_its_epsilon():
    epsilon, n = 1.0, 400
    law = stats.binom(n, 1 / (1 + math.exp(-epsilon)))
    failure = sum(law.pmf(k) for k in range(n + 1) if epsilon_lower_bound(k, n, n) > epsilon)
    assert 0.03 < failure <= 0.05


def test_delta_only_loosens_the_bound():
    strict, loose = (epsilon_lower_bound(90, 100, 200, delta) for delta in (0.0, 1e-4))
    assert 0 < loose < strict


def test_delta_term_by_enumeration():
    law = stats.binom(6, 0.5)
    expected = law.sf(4) + 0.01 * 6 * max(
        2 / i * sum(law.pmf(w) for w in range(max(0, 5 - i), 5)) for i in range(1, 7)
    )
    assert _tail(0.0, 5, 6, 6, 0.01) == pytest.approx(expected)


def test_a_copier_is_found_and_an_independent_sample_is_not():
    train = make_transactions(400, 0)
    copier = canary_audit(lambda table: table, train, seed=1)
    assert copier.details["right"] == copier.details["guesses"]
    fresh = [canary_audit(lambda table: make_transactions(400, 7), train, seed=s).value for s in range(10)]
    assert sum(value > 0 for value in fresh) <= 2


def test_a_model_that_remembers_is_found_by_its_scores():
    class Memory:
        def __init__(self, table):
            self.rows = set(table["balance"])

        def score_samples(self, table):
            return np.array([float(value in self.rows) for value in table["balance"]])

    train = make_transactions(400, 0)
    found = canary_audit(lambda table: (make_transactions(400, 7), Memory(table)), train, n_canaries=400)
    assert found.value > 0.3


def test_the_training_table_is_not_changed_and_canaries_are_outside_of_it():
    train = make_transactions(200, 0)
    before, seen = train.copy(), []
    canary_audit(lambda table: seen.append(table) or table, train, n_canaries=50)
    assert train.equals(before)
    assert 210 <= len(seen[0]) <= 240 and (seen[0].dtypes == train.dtypes).all()


def test_arguments_out_of_range_are_named():
    for arguments in ({"n_canaries": 3}, {"share_guessed": 0}):
        with pytest.raises(InputError, match=next(iter(arguments))):
            canary_audit(lambda table: table, make_transactions(100, 0), **arguments)
