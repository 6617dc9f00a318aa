"""Where synthetic rows come from: which rows a part may use, how many of each class, in which container."""

import numpy as np
import pandas as pd
import pytest
from containers import mixed_table
from imblearn.over_sampling import SMOTE, RandomOverSampler

from tabdiff import DiffusionOverSampler
from tabdiff.errors import InputError
from tabdiff.imbalance.sources import SamplerSource

N = 120
Y = np.repeat([0, 1, 2], [60, 30, 30])
FOLDS = [(np.arange(N)[np.arange(N) % 2 == k], np.arange(N)[np.arange(N) % 2 != k]) for k in range(2)]
SEED = np.random.SeedSequence(0)


def source_of(X, y, folds=(), **arguments):
    how = {"random_state": 0, "max_steps": 2, "sampling_steps": 2} | arguments
    return DiffusionOverSampler(**how).row_source(X, y, folds)


def test_rows_come_class_by_class_in_the_same_container(container):
    X = container(mixed_table(N))
    drawn = source_of(X, Y).rows(None, {2: 3, 0: 0, 1: 5})
    assert drawn.y.tolist() == [2] * 3 + [1] * 5
    assert type(drawn.X) is type(X)
    assert len(drawn.X) == 8
    assert drawn.sureness.shape == (8,)
    assert ((drawn.sureness >= 0) & (drawn.sureness <= 1)).all()


def test_nothing_asked_gives_no_rows():
    X = mixed_table(N)
    drawn = source_of(X, Y).rows(None, {1: 0})
    assert len(drawn.X) == len(drawn.y) == 0
    assert drawn.X.dtypes.equals(X.dtypes)


def test_a_part_uses_its_own_rows_alone():
    """Each part has other values: what is drawn from one lies in its range."""
    X = pd.DataFrame({"x": np.where(np.arange(N) % 2 == 0, 0.0, 100.0) + np.arange(N) / N})
    source = source_of(X, Y, FOLDS)
    assert source.rows(0, {1: 40}).X["x"].max() < 2
    assert source.rows(1, {1: 40}).X["x"].min() > 98
    both = source.rows(None, {1: 41}).X["x"]
    assert [(both < 2).sum(), (both > 98).sum()] == [21, 20]


def test_another_draw_gives_other_rows_and_the_same_one_the_same():
    source = source_of(mixed_table(N), Y)
    first, again, other = (source.rows(None, {1: 20}, draw).X for draw in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_rows_as_they_come_are_not_chosen():
    X = pd.DataFrame({"x": np.random.default_rng(0).normal(Y, 1)})
    source = source_of(X, Y, max_steps=100)
    every, chosen = (source.rows(None, {2: 300}, every=every) for every in (True, False))
    assert chosen.sureness.mean() > every.sureness.mean() + 0.05


def test_without_a_judge_nothing_is_known_of_rows():
    assert source_of(mixed_table(N), Y, accept=None).rows(None, {1: 5}).sureness is None


def test_identifiers_of_all_blocks_differ():
    X = mixed_table(N).assign(id=[f"C{i:05}" for i in range(N)])
    drawn = source_of(X, Y, FOLDS).rows(None, {1: 30, 2: 30}).X
    assert drawn["id"].is_unique
    assert not drawn["id"].isin(X["id"]).any()


# --- any sampler ------------------------------------------------------------------------------------------


def test_another_sampler_makes_its_own_rows_from_a_part():
    X = np.random.default_rng(0).normal(size=(N, 2))
    drawn = SamplerSource(SMOTE(), X, Y, [train for train, _ in FOLDS], SEED).rows(1, {2: 7, 1: 0})
    assert drawn.y.tolist() == [2] * 7
    train = FOLDS[1][0]
    both, _ = SMOTE(sampling_strategy={2: 15 + 7}, random_state=0).fit_resample(X[train], Y[train])
    assert drawn.X.shape == both[len(train) :].shape
    own = X[train][Y[train] == 2]
    # interpolation stays within the range of the class's rows in the part
    assert (own.min(0) <= drawn.X).all()
    assert (own.max(0) >= drawn.X).all()


def test_its_seed_follows_the_draw():
    X = pd.DataFrame({"x": np.arange(N)})
    source = SamplerSource(RandomOverSampler(), X, Y, [], SEED)
    first, again, other = (source.rows(None, {1: 15}, draw).X["x"].tolist() for draw in (0, 0, 1))
    assert first == again != other
    assert set(first) <= set(range(60, 90))


class Shuffling(RandomOverSampler):
    """Mixes what it returns."""

    def _fit_resample(self, X, y, **params):
        X, y = super()._fit_resample(X, y, **params)
        return X[::-1], y[::-1]


def test_a_sampler_that_keeps_no_originals_is_refused():
    with pytest.raises(InputError, match="does not return the original rows first"):
        SamplerSource(Shuffling(), np.ones((N, 1)), Y, [], SEED).rows(None, {1: 2})
