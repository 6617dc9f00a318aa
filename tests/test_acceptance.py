"""The judge of synthetic rows: its floors, which rows pass, and that the number asked for comes out."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from tabdiff import frames
from tabdiff.acceptance import MOST_DRAWN, Judge, accepted_rows, fit_judge
from tabdiff.boosting import TableCodes

SEED = np.random.SeedSequence(0)


def columns_of(x):
    return frames.read(pd.DataFrame({"x": np.asarray(x, dtype=float)}))[0]


def two_classes(n_rows=2000, n_rare=200):
    """A rare class around 2, the other around 0."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, n_rows - n_rare), rng.normal(2, 0.5, n_rare)])
    return columns_of(x), np.repeat([0, 1], [n_rows - n_rare, n_rare])


class Numbers:
    """A stream of rows: draws the next ones of a fixed sequence, and remembers how it was asked."""

    def __init__(self, values):
        self.values, self.asked = np.asarray(values, dtype=float), []

    def __call__(self, n, n_before):
        self.asked.append((n, n_before))
        return columns_of(self.values[n_before : n_before + n])


class Steep(HistGradientBoostingClassifier):
    """Takes what is above 0 for class 1; the probability is x itself, cut to [0, 1]."""

    classes_ = np.array([0, 1])

    def predict_proba(self, X):
        p = np.clip(X[:, 0], 0, 1)
        return np.column_stack([1 - p, p])


def steep(floor):
    return Judge(TableCodes.fit(columns_of([0.0])), Steep(), np.array([0.0, floor]))


def values(columns):
    return columns[0].values.tolist()


def test_rows_below_the_floor_are_left_out_and_others_drawn():
    stream = Numbers(np.tile([0.9, 0.1], 20))
    assert values(accepted_rows(stream, 5, steep(0.5), 1)) == [0.9] * 5
    # 6 of which 3 pass; half of the rows pass, so that 2 more need 1.1 * 4 draws
    assert stream.asked == [(6, 0), (5, 6)]


def test_the_surest_make_up_for_rows_that_do_not_come():
    stream = Numbers([0.2, 0.9, 0.4, 0.1, 0.3, 0.0, 0.35, 0.05, 0.15, 0.25])
    rows = values(accepted_rows(stream, 2, steep(0.8), 1))
    assert sorted(rows) == [0.4, 0.9]
    assert sum(n for n, _ in stream.asked) == MOST_DRAWN * 2


@pytest.mark.parametrize("judge", [None, steep(0.0)], ids=["no judge", "no floor"])
def test_without_a_floor_all_rows_are_taken_as_they_come(judge):
    stream = Numbers(np.arange(10.0))
    assert values(accepted_rows(stream, 4, judge, 1)) == [0, 1, 2, 3]
    assert stream.asked == [(4, 0)]


def test_a_tenth_of_new_real_rows_is_refused():
    columns, codes = two_classes()
    judge = fit_judge(columns, codes, 2, SEED)
    fresh = columns_of(np.random.default_rng(1).normal(2, 0.5, 20_000))
    refused = (judge.sureness(fresh, 1) < judge.floors[1]).mean()
    assert refused == pytest.approx(0.1, abs=0.04)


def test_rows_where_the_other_class_lives_are_refused():
    columns, codes = two_classes()
    judge = fit_judge(columns, codes, 2, SEED)
    stray = columns_of(np.random.default_rng(1).normal(0, 0.3, 1000))
    assert (judge.sureness(stray, 1) < judge.floors[1]).mean() > 0.99


def test_floors_are_read_off_rows_that_the_judge_has_not_seen():
    """Labels that nothing tells: a judge of seen rows would be sure of them, this one is not."""
    rng = np.random.default_rng(0)
    columns, codes = columns_of(rng.normal(size=400)), np.repeat([0, 1], 200)
    judge = fit_judge(columns, codes, 2, SEED)
    seen = judge.sureness(columns, 1)
    assert roc_auc_score(codes, seen) > 0.7
    assert judge.floors[1] < np.quantile(seen[codes == 1], 0.1) - 0.05


def test_too_small_classes_have_no_floor():
    x = np.random.default_rng(0).normal(size=60)
    judge = fit_judge(columns_of(x), np.repeat([0, 1, 2], [30, 25, 5]), 3, SEED)
    assert judge.floors[2] == 0
    assert (judge.floors[:2] > 0).all()
    assert fit_judge(columns_of(x), np.repeat([0, 1], [55, 5]), 2, SEED) is None
