"""Plans and the rows they train on: counts and weights by hand, folds that hold every class."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, TimeSeriesSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tabdiff.errors import InputError
from tabdiff.imbalance.boosting import BoostedTrees
from tabdiff.imbalance.choosing import Arm
from tabdiff.imbalance.sources import SyntheticRows
from tabdiff.imbalance.tuning import (
    MANY,
    Plan,
    TrainingRows,
    fitted,
    folds_of,
    note_on_stopping,
    plans_of_amounts,
    plans_of_weights,
    resampled,
    tried,
    weight_parameter,
)

SEED = np.random.SeedSequence(0)
Y = np.repeat(["common", "rare"], [8, 2])
X = pd.DataFrame({"x": np.arange(10.0)})


class Thousands:
    """Makes the rows 1000, 1001, ...; half sure of the first, quite sure of the others."""

    def __init__(self, sure=True):
        self.sure, self.asked = sure, []

    def rows(self, part, asked, draw=0, every=False):
        self.asked.append((part, dict(asked), draw, every))
        y = np.repeat(list(asked), list(asked.values()))
        sureness = np.where(np.arange(len(y)) == 0, 0.5, 1.0) if self.sure else None
        return SyntheticRows(pd.DataFrame({"x": 1000.0 + np.arange(len(y))}), y, sureness)


def plan(n=0, **how):
    return Plan(Arm("plan", {"rare": n} if n else {}, 1.0), **how)


# --- what is tried ----------------------------------------------------------------------------------------


def test_amounts_begin_with_none_and_one_may_be_presumed():
    plans = plans_of_amounts(np.repeat([0, 1], [1000, 50]), "ratio 0.3")
    assert [(p.arm.name, p.arm.n_synthetic.get(1, 0), p.arm.presumed) for p in plans] == [
        ("none", 0, False),
        ("x2", 50, False),
        ("ratio 0.3", 250, True),
        ("ratio 1", 950, False),
    ]


def test_light_rows_are_many_but_not_without_end():
    light, balanced = plans_of_weights(np.repeat([0, 1, 2], [60_000, 55_000, 90]))
    assert light.light
    assert light.arm.presumed
    assert light.arm.n_synthetic == {1: 5000, 2: MANY}
    assert (balanced.balanced, balanced.arm.n_synthetic) == (True, {})
    assert plans_of_weights(np.repeat([0, 1], 5))[0].balanced  # nothing to add


STOPPING = {
    "some folds with rows alone": (12_000, 3_000, HistGradientBoostingClassifier(), True),
    "10,000 at most": (9_000, 1_000, HistGradientBoostingClassifier(), False),
    "one row more": (9_000, 1_001, HistGradientBoostingClassifier(), True),
    "all folds": (20_002, 1_000, HistGradientBoostingClassifier(), False),
    "the table but not its folds": (20_000, 0, HistGradientBoostingClassifier(), True),
    "always": (12_000, 3_000, HistGradientBoostingClassifier(early_stopping=True), False),
    "never": (12_000, 3_000, HistGradientBoostingClassifier(early_stopping=False), False),
    "in a pipeline": (12_000, 3_000, make_pipeline(StandardScaler(), HistGradientBoostingClassifier()), True),
    "our own": (12_000, 3_000, BoostedTrees(), True),
    "another classifier": (12_000, 3_000, RandomForestClassifier(), False),
}


@pytest.mark.parametrize(("n", "added", "estimator", "expected"), STOPPING.values(), ids=STOPPING)
def test_stopping_early_with_some_plans_alone_is_told(n, added, estimator, expected):
    halves = np.array_split(np.arange(n), 2)
    folds = [(halves[0], halves[1]), (halves[1], halves[0])]
    notes = note_on_stopping(estimator, [plan(), plan(added)], folds, n)
    assert bool(notes) == expected


# --- rows and weights by hand -----------------------------------------------------------------------------


def test_rows_follow_the_real_ones_and_the_share_of_the_table():
    source = Thousands()
    rows = resampled(TrainingRows(X, Y), plan(6), source, part=1, share=0.5, draw=2)
    assert source.asked == [(1, {"rare": 3}, 2, False)]
    assert rows.X["x"].tolist() == [*range(10), 1000, 1001, 1002]
    assert rows.y.tolist() == [*Y, "rare", "rare", "rare"]
    assert rows.weight is None


def test_synthetic_rows_weigh_as_the_real_ones_of_their_class_do_on_average():
    real = TrainingRows(X, Y, np.array([1.0] * 8 + [2.0, 4.0]))
    rows = resampled(real, plan(3), Thousands(), None, 1.0)
    assert rows.weight.tolist() == [1.0] * 8 + [2, 4, 3, 3, 3]


@pytest.mark.parametrize(("sure", "expected"), [(True, [0.2, 0.4, 0.4]), (False, [1 / 3] * 3)])
def test_light_rows_weigh_half_of_the_real_ones_in_proportion_to_sureness(sure, expected):
    source = Thousands(sure)
    rows = resampled(TrainingRows(X, Y), plan(3, light=True), source, None, 1.0)
    assert rows.weight == pytest.approx([1.0] * 10 + expected)  # two real rows: a mass of 1
    assert source.asked[0][3]  # rows as they come


def test_balanced_weights_are_those_of_scikit_learn():
    rows = resampled(TrainingRows(X, Y), plan(balanced=True), None, None, 1.0)
    assert rows.weight == pytest.approx([10 / 16] * 8 + [10 / 4] * 2)
    weighted = TrainingRows(X, Y, np.array([1.0] * 8 + [3.0, 1.0]))
    weight = resampled(weighted, plan(balanced=True), None, None, 1.0).weight
    assert weight[:8].sum() == weight[8:].sum() == pytest.approx(6)
    assert weight[8] == 3 * weight[9]


def test_without_rows_or_weights_nothing_changes():
    real = TrainingRows(X, Y)
    assert resampled(real, plan(), Thousands(), 0, 1.0) == real


# --- training ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (LogisticRegression(), "sample_weight"),
        (KNeighborsClassifier(), None),
        (make_pipeline(StandardScaler(), GaussianNB()), "gaussiannb__sample_weight"),
        (make_pipeline(StandardScaler(), KNeighborsClassifier()), None),
        (make_pipeline(StandardScaler(), "passthrough"), None),
    ],
)
def test_the_name_by_which_weights_are_taken(estimator, name):
    assert weight_parameter(estimator) == name


def test_weights_reach_the_classifier():
    doubled = TrainingRows(X, Y, np.array([1.0] * 8 + [2.0, 2.0]))
    repeated = TrainingRows(pd.concat([X, X[8:]]), np.concatenate([Y, Y[8:]]))
    model = make_pipeline(StandardScaler(with_mean=False, with_std=False), LogisticRegression())
    by_weight, by_copy = (fitted(model, rows).predict_proba(X) for rows in (doubled, repeated))
    np.testing.assert_allclose(by_weight, by_copy, atol=1e-4)
    assert not hasattr(model[-1], "coef_")  # a copy is trained


def test_weights_that_cannot_be_taken_are_refused():
    with pytest.raises(InputError, match="takes no weights"):
        fitted(KNeighborsClassifier(), TrainingRows(X, Y, np.ones(10)))


def test_every_plan_is_judged_on_the_same_real_rows():
    y = np.repeat(["common", "rare"], [30, 10])
    frame = pd.DataFrame({"x": np.arange(40.0)})
    folds = folds_of(2, y, None, SEED)
    source = Thousands()
    answers = tried(RandomForestClassifier(5), [plan(), plan(8)][1:], TrainingRows(frame, y), folds, source)
    held = answers["plan"]
    assert np.sort(np.concatenate([one.X["x"] for one in held])).tolist() == list(range(40))
    for (_, test), one in zip(folds, held, strict=True):
        assert one.y.tolist() == y[test].tolist()
    assert [asked[:2] for asked in source.asked] == [(0, {"rare": 4}), (1, {"rare": 4})]


# --- folds ------------------------------------------------------------------------------------------------


def test_folds_are_stratified_and_fewer_for_a_small_class():
    y = np.repeat([0, 1], [50, 5])
    folds = folds_of(3, y, None, SEED)
    assert len(folds) == 2  # each class twice in each
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(55))
        assert y[test].sum() in (2, 3)
    assert folds_of(3, np.repeat([0, 1], [50, 3]), None, SEED) == []


def test_splitters_keep_groups_and_time():
    y = np.tile([0, 1], 12)
    groups = np.repeat(np.arange(6), 4)
    for train, test in folds_of(GroupKFold(3), y, groups, SEED):
        assert not set(groups[train]) & set(groups[test])
    for train, test in folds_of(TimeSeriesSplit(3), y, None, SEED):
        assert train.max() < test.min()


def test_a_split_whose_training_rows_lack_a_class_is_refused():
    with pytest.raises(InputError, match="split 0 have none of class 1"):
        folds_of(TimeSeriesSplit(3), np.repeat([0, 1], 12), None, SEED)
