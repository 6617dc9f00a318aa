"""The judge of synthetic rows, and which rows are chosen by it: their law by a closed form."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from tabdiff import frames
from tabdiff.imbalance.acceptance import MANY, MAX_CLASS_ROWS, Judge, fit_judge, plausible_rows
from tabdiff.imbalance.boosting import TableCodes

SEED = np.random.SeedSequence(0)


def columns_of(x):
    return frames.read(pd.DataFrame({"x": np.asarray(x, dtype=float)}))[0]


def values(columns):
    return columns[0].values


class Steep(HistGradientBoostingClassifier):
    """Takes a row for class 1 with probability x, cut to [0, 1]."""

    classes_ = np.array([0, 1])

    def predict_proba(self, X):
        p = np.clip(X[:, 0], 0, 1)
        return np.column_stack([1 - p, p])


STEEP = Judge(TableCodes.fit(columns_of([0.0])), Steep())


class Numbers:
    """Draws the numbers 0, 1, 2, ..., or those of a function; remembers how many were asked for."""

    def __init__(self, function=np.arange):
        self.function, self.asked = function, []

    def __call__(self, n):
        self.asked.append(n)
        return columns_of(self.function(n))


def chosen(n, draw, judge=STEEP, seed=0):
    return values(plausible_rows(draw, n, judge, 1, np.random.default_rng(seed)))


def test_rows_are_chosen_in_proportion_to_the_probability_of_their_class():
    """Of uniform x with p(x) = x the density of what is kept nears 2 x: a mean of 2/3."""
    rng = np.random.default_rng(0)
    rows = chosen(500, Numbers(rng.random))
    assert rows.mean() == pytest.approx(2 / 3, abs=0.03)
    assert (rows < 0.25).mean() == pytest.approx(1 / 16, abs=0.03)


def test_impossible_rows_are_taken_only_for_want_of_others():
    half = Numbers(lambda n: np.resize([0.9, 0.0], n))
    assert chosen(100, half).tolist() == [0.9] * 100
    few = Numbers(lambda n: np.where(np.arange(n) < 3, 0.9, 0.0))
    assert sorted(chosen(5, few).tolist()) == [0, 0, 0.9, 0.9, 0.9]


def test_the_number_drawn_is_bounded():
    for n, drawn in ((1, 16), (100, 1600), (1000, 8000), (MANY, 12_000), (100_000, 150_000)):
        draw = Numbers()
        assert len(chosen(n, draw)) == n
        assert draw.asked == [drawn]


def test_no_row_is_chosen_twice_and_order_is_kept():
    rows = chosen(200, Numbers())
    assert (np.diff(rows) > 0).all()


def test_what_the_judge_does_not_know_is_taken_as_it_comes():
    unknown = Judge(STEEP.codes, Steep())
    for judge, code in ((None, 1), (unknown, 7)):
        draw = Numbers()
        rows = plausible_rows(draw, 4, judge, code, np.random.default_rng(0))
        assert values(rows).tolist() == [0, 1, 2, 3]
        assert draw.asked == [4]


def test_the_judge_knows_where_the_other_class_lives():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 1800), rng.normal(3, 0.5, 200)])
    judge = fit_judge(columns_of(x), np.repeat([0, 1], [1800, 200]), 2, SEED)
    sure = judge.sureness(columns_of([0.0, 3.0]), 1)
    assert sure[0] < 0.05
    # the densities at 3: .2 of the rare class against 9 times as many common rows of .0044
    assert sure[1] == pytest.approx(0.798 / (0.798 + 9 * 0.00443), abs=0.08)


def test_labels_times_and_missing_cells_are_judged_too():
    frame = pd.DataFrame({"kind": ["a", "b", None] * 40, "t": pd.to_datetime(["2024-01-01"] * 120)})
    columns = frames.read(frame)[0]
    judge = fit_judge(columns, (frame["kind"] == "b").to_numpy().astype(int), 2, SEED)
    assert judge.sureness(columns, 1).reshape(-1, 3).round(1)[0].tolist() == [0, 1, 0]


def test_too_small_classes_are_unknown():
    x = np.random.default_rng(0).normal(size=60)
    judge = fit_judge(columns_of(x), np.repeat([0, 1, 2], [30, 25, 5]), 3, SEED)
    assert [judge.knows(code) for code in range(3)] == [True, True, False]
    assert fit_judge(columns_of(x), np.repeat([0, 1], [55, 5]), 2, SEED) is None


def test_large_classes_are_learned_by_a_sample():
    n = MAX_CLASS_ROWS + 5000
    x = np.concatenate([np.zeros(n), np.ones(50)])
    judge = fit_judge(columns_of(x), np.repeat([0, 1], [n, 50]), 2, SEED)
    assert judge.sureness(columns_of([0.0, 1.0]), 1).round(2).tolist() == [0, 1]
