"""Which rows a model is given, and what it answers."""

from __future__ import annotations

import numpy as np
import pytest

from tabdiff.errors import InputError
from tabdiff.evaluation.utility.models import (
    Learner,
    Table,
    amounts,
    oversampled,
    repeated,
    smote_rows,
    thin,
)


def a_table(x, y):
    x = np.asarray(x, dtype=float)
    return Table(x, np.asarray(y), np.arange(len(x), dtype=np.uint64))


def test_a_tenth_of_a_table_repeated_ten_times_holds_every_row_once():
    keys = np.tile(np.arange(30), 10)
    for seed in range(5):
        rows = thin(keys, np.zeros(300), 30, np.random.default_rng(seed))
        assert sorted(keys[rows]) == list(range(30))


def test_thinning_keeps_the_shares_of_classes_within_one_row():
    strata = np.repeat([0, 1], [950, 50])
    for seed in range(20):
        rows = thin(np.arange(1000), strata, 100, np.random.default_rng(seed))
        assert len(np.unique(rows)) == 100 and strata[rows].sum() == 5


def test_thinning_draws_all_rows_equally_often():
    rng = np.random.default_rng(0)
    counts = np.zeros(50)
    for _ in range(2000):
        counts[thin(np.arange(50), np.arange(50) % 3, 20, rng)] += 1
    # 2000 draws of probability 0.4: standard deviation 22
    assert abs(counts - 800).max() < 5 * 22


@pytest.mark.parametrize(
    ("n_train", "n_synthetic", "share", "expected"),
    [
        ([90, 10], [900, 30], 1.0, [0, 30]),  # all that there are
        ([90, 10], [900, 500], 1.0, [0, 80]),  # until the classes are as large
        ([90, 10], [0, 30], 0.5, [0, 15]),  # half of train, half of the synthetic rows
        ([40, 30, 10], [9, 5, 100], 1.0, [0, 5, 30]),
        ([20, 1, 1, 1, 1], [0, 99, 99, 99, 99], 1.0, [0, 6, 6, 6, 6]),  # 76 rows for a train of 24
        ([90, 10], [50, 0], 1.0, [0, 0]),
    ],
)
def test_amounts_to_add(n_train, n_synthetic, share, expected):
    assert amounts(np.array(n_train), np.array(n_synthetic), share).tolist() == expected


def test_added_rows_are_synthetic_rows_of_the_class_and_none_twice():
    synthetic = a_table(np.arange(20)[:, None], [0, 1] * 10)
    added = oversampled(synthetic, np.array([0, 7]), np.random.default_rng(0))
    assert (added.y == 1).all() and len(np.unique(added.x)) == 7


def test_repeated_rows_are_train_rows_of_the_class():
    train = a_table(np.arange(20)[:, None], [0, 1] * 10)
    added = repeated(train, np.array([0, 30]), np.random.default_rng(0))
    assert len(added) == 30 and (added.x % 2 == 1).all()


def test_smote_adds_points_between_rows_of_the_class():
    x = np.random.default_rng(0).normal(size=(60, 2))
    train = a_table(x, (np.arange(60) < 10).astype(int))
    added = smote_rows(train, np.zeros(2, dtype=bool), np.array([0, 25]), seed=0)
    assert len(added) == 25 and (added.y == 1).all()
    inside = (added.x >= x[:10].min(axis=0)) & (added.x <= x[:10].max(axis=0))
    assert inside.all()


@pytest.mark.parametrize("categorical", [[False, True, True], [True, True, True]])
def test_smote_takes_missing_cells_and_gives_missing_levels_back(categorical):
    rng = np.random.default_rng(0)
    x = rng.integers(3, size=(80, 3)).astype(float)
    x[:, 1] = np.nan
    x[::7, 0] = np.nan
    added = smote_rows(
        a_table(x, (np.arange(80) < 20).astype(int)), np.array(categorical), np.array([0, 9]), 0
    )
    assert len(added) == 9
    assert np.isnan(added.x[:, 1]).all()
    assert set(added.x[:, 2]) <= {0.0, 1.0, 2.0}


def test_smote_of_one_row_says_why_not():
    train = a_table(np.zeros((5, 1)), [0, 0, 0, 0, 1])
    assert "has 1 in train" in smote_rows(train, np.array([False]), np.array([0, 3]), 0)


def test_a_model_of_one_class_always_answers_it():
    learner = Learner(3, np.array([False]), 10)
    answer = learner.predict(a_table(np.zeros((4, 1)), [2, 2, 2, 2]), np.zeros((2, 1)), 0)
    assert answer.tolist() == [[0, 0, 1], [0, 0, 1]]


def test_a_class_that_is_not_in_the_table_gets_probability_0():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 2], 50)
    answer = Learner(3, np.array([False]), 10).predict(
        a_table(rng.normal(size=(100, 1)), y), np.zeros((1, 1)), 0
    )
    assert answer[0, 1] == 0 and answer.sum() == pytest.approx(1)


def test_models_learn_what_separates_and_their_seed_matters_only_a_little():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 6))
    y = (x[:, 0] + x[:, 1] > 1).astype(int)
    learner = Learner(2, np.zeros(6, dtype=bool), 40)
    first, same, other = (learner.predict(a_table(x, y), x, seed)[:, 1] for seed in (0, 0, 1))
    assert (first == same).all() and (first != other).any()
    assert ((first > 0.5) == y).mean() > 0.95 and ((other > 0.5) == y).mean() > 0.95


def test_numbers_are_answered_by_numbers():
    x = np.linspace(0, 1, 400)[:, None]
    answer = Learner(0, np.array([False]), 60).predict(a_table(x, 3 * x[:, 0]), x, 0)
    assert np.abs(answer - 3 * x[:, 0]).mean() < 0.05


def test_many_classes_share_the_trees():
    assert [Learner(k, np.array([False]), 60).n_rounds for k in (0, 2, 3, 6, 50)] == [60, 60, 60, 30, 8]


def test_a_model_needs_rows():
    with pytest.raises(InputError, match="there are none"):
        Learner(2, np.array([False]), 10).predict(a_table(np.empty((0, 1)), []), np.zeros((1, 1)), 0)
