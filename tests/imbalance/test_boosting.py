"""Boosted trees on raw frames: the same trees as scikit-learn's on the numbers that the frame stands for."""

import numpy as np
import pandas as pd
import pytest
from containers import mixed_table, with_times
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from tabdiff import frames
from tabdiff.imbalance.boosting import MAX_LEVELS, BoostedTrees, TableCodes


def columns_of(frame):
    return frames.read(frame)[0]


def test_labels_become_ranks_in_frequency_and_missing_cells_nan():
    frame = pd.DataFrame({"city": ["b", "a", "b", None, "c", "c", "c"], "x": [1, 2, 3, 4, 5, 6, np.nan]})
    codes = TableCodes.fit(columns_of(frame))
    assert codes.is_category.tolist() == [True, False]
    expected = [[1, 1], [2, 2], [1, 3], [np.nan, 4], [0, 5], [0, 6], [0, np.nan]]
    np.testing.assert_array_equal(codes.matrix(columns_of(frame)), expected)


def test_codes_do_not_depend_on_which_labels_another_frame_holds():
    codes = TableCodes.fit(columns_of(pd.DataFrame({"city": ["a", "b", "b"]})))
    other = codes.matrix(columns_of(pd.DataFrame({"city": ["z", "b", "a", "y"]})))
    np.testing.assert_array_equal(other[:, 0], [np.nan, 0, 1, np.nan])


def test_rare_labels_beyond_what_the_trees_can_hold_count_as_missing():
    names = [f"n{i:03}" for i in range(MAX_LEVELS + 5)]
    frame = pd.DataFrame({"name": names + names[5:]})  # the first five are the rarest
    matrix = TableCodes.fit(columns_of(frame)).matrix(columns_of(frame))
    assert np.isnan(matrix[:, 0]).sum() == 5
    assert np.nanmax(matrix) == MAX_LEVELS - 1


def test_times_in_another_unit_are_the_same_numbers():
    first = pd.DataFrame({"t": pd.to_datetime(["2024-01-01", "2024-01-03"]).as_unit("s")})
    codes = TableCodes.fit(columns_of(first))
    second = first.assign(t=first["t"].dt.as_unit("ns"))
    np.testing.assert_array_equal(codes.matrix(columns_of(first)), codes.matrix(columns_of(second)))


def test_probabilities_are_those_of_scikit_learn(frame_maker):
    frame = with_times(mixed_table(400))
    y = np.where(frame["amount"].fillna(0) + 30 * (frame["city"] == "Wien") > 60, "yes", "no")
    ours = BoostedTrees(max_iter=20, random_state=0).fit(frame_maker(frame), y)
    codes = TableCodes.fit(columns_of(frame))
    reference = HistGradientBoostingClassifier(
        max_iter=20, random_state=0, categorical_features=codes.is_category
    ).fit(codes.matrix(columns_of(frame)), y)
    expected = reference.predict_proba(codes.matrix(columns_of(frame)))
    np.testing.assert_array_equal(ours.predict_proba(frame_maker(frame)), expected)
    assert ours.classes_.tolist() == ["no", "yes"]
    assert (ours.predict(frame_maker(frame)) == y).mean() > 0.9


def test_other_columns_are_refused():
    model = BoostedTrees(max_iter=2).fit(pd.DataFrame({"a": [0, 1] * 10, "b": range(20)}), [0, 1] * 10)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(pd.DataFrame({"b": [1], "a": [0]}))


@parametrize_with_checks([BoostedTrees(max_iter=5)])
def test_it_is_a_scikit_learn_classifier(estimator, check):
    check(estimator)


def test_a_column_without_cells_tells_nothing():
    frame = pd.DataFrame({"x": np.arange(40.0), "gone": [None] * 40, "nan": np.full(40, np.nan)})
    y = np.repeat([0, 1], 20)
    model = BoostedTrees(max_iter=10).fit(frame, y)
    assert (model.predict(frame) == y).mean() > 0.9
    # a cell that appears later changes nothing
    np.testing.assert_array_equal(model.predict_proba(frame), model.predict_proba(frame.assign(nan=1.0)))
