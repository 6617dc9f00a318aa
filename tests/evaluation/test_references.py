"""Reference tables are what their names say."""

import numpy as np
import pandas as pd

from tabdiff.datasets import make_transactions
from tabdiff.evaluation import compare
from tabdiff.evaluation.references import REFERENCES, reference_comparisons


def references(n: int = 600):
    comparison = compare(*(make_transactions(n, seed, 0.2) for seed in range(3)), "fraud")
    return comparison, reference_comparisons(comparison)


def test_there_is_one_of_each_and_the_question_is_the_same():
    comparison, found = references()
    assert tuple(found) == REFERENCES
    for other in found.values():
        assert other.layout is comparison.layout and other.target is comparison.target


def test_the_holdout_is_judged_by_its_other_half():
    comparison, found = references()
    halves = found["holdout"]
    both = np.concatenate([halves.synthetic.keys(), halves.holdout.keys()])
    np.testing.assert_array_equal(np.sort(both), np.sort(comparison.holdout.keys()))


def test_independent_columns_keep_every_value_and_lose_relations():
    comparison, found = references(2_000)
    shuffled = found["independent columns"].synthetic
    np.testing.assert_array_equal(
        np.sort(shuffled.numbers, axis=0), np.sort(comparison.train.numbers, axis=0)
    )
    np.testing.assert_array_equal(np.sort(shuffled.codes, axis=0), np.sort(comparison.train.codes, axis=0))
    age, balance = (comparison.layout[name] for name in ("age", "balance"))
    r = [np.corrcoef(rows.column(age), rows.column(balance))[0, 1] for rows in (comparison.train, shuffled)]
    assert r[0] > 0.6 and abs(r[1]) < 0.1


def test_the_copy_has_the_rows_of_train_in_another_order():
    comparison, found = references()
    train, copy = comparison.train.keys(), found["copy"].synthetic.keys()
    np.testing.assert_array_equal(np.sort(copy), np.sort(train))
    assert (copy != train).any()


def test_smote_rows_lie_between_rows_of_their_class():
    x = np.array([0.0, 1.0, 10.0, 11.0] * 20)
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"x": x + rng.normal(0, 1e-3, 80), "y": (x > 5).astype(int)})
    comparison = compare(real, real, real.assign(x=real["x"] + 5e-4), "y")
    made = reference_comparisons(comparison)["SMOTE"].synthetic
    numbers, classes = made.numbers[:, 0], made.column(comparison.target.column)
    assert ((numbers < 1.01) == (classes == 0)).all() and ((numbers > 9.99) == (classes == 1)).all()


def test_large_tables_are_thinned():
    comparison, found = references(4_000)
    limit = comparison.budget.reference_rows
    assert {len(other.train) for other in found.values()} == {limit}
    assert len(found["copy"].synthetic) == limit
