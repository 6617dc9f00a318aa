"""A classifier that is remembered scores as itself; nonsense is refused."""

import numpy as np
import pytest
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import get_scorer

from tabdiff.errors import InputError
from tabdiff.imbalance.choosing import HeldOut, Remembered, held_out
from tabdiff.imbalance.choosing.answers import Classes

SCORERS = ["roc_auc", "average_precision", "f1", "neg_brier_score", "balanced_accuracy", "neg_log_loss"]


def table(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return X, (X[:, 0] + rng.normal(size=n) > 1).astype(int)


def remembered(y, classes, **answers):
    return HeldOut(Remembered(np.array(classes), **answers), None, np.array(y), None)


@pytest.mark.parametrize("scoring", SCORERS)
def test_remembered_rows_score_as_the_classifier_itself_in_any_order(scoring):
    X, y = table()
    model = LogisticRegression().fit(X[:100], y[:100])
    answers = held_out(model, X[100:], y[100:]).answers
    rows = np.random.default_rng(1).permutation(100)[:60]
    scorer = get_scorer(scoring)
    expected = scorer(model, X[100:][rows], y[100:][rows])
    assert scorer(answers, rows, y[100:][rows]) == pytest.approx(expected, abs=1e-12)
    assert scorer(answers, rows[:, None], y[100:][rows]) == pytest.approx(expected, abs=1e-12)


def test_only_what_is_known_can_be_asked():
    X, y = table()
    answers = held_out(RidgeClassifier().fit(X, y), X, y).answers
    assert is_classifier(answers)
    assert hasattr(answers, "predict") and hasattr(answers, "decision_function")
    assert not hasattr(answers, "predict_proba")


def test_a_classifier_is_asked_with_the_users_own_frame():
    X, y = table()
    found = held_out(LogisticRegression().fit(X, y), X, y.tolist(), weight=[2] * 200)
    assert found.X is X
    assert found.y.tolist() == y.tolist()
    assert found.weight.tolist() == [2.0] * 200


def test_what_is_no_classifier_or_has_other_rows_is_refused():
    X, y = table()
    model = LogisticRegression()
    with pytest.raises(InputError, match=r"LogisticRegression has no classes_.*fitted classifier"):
        held_out(model, X, y)
    model.fit(X, y)
    with pytest.raises(InputError, match=r"y has 199 held-out rows, but predict\(X\) has 200"):
        held_out(model, X, y[1:])
    with pytest.raises(InputError, match="y has 200 held-out rows, but weight has 3"):
        held_out(model, X, y, [1, 2, 3])


def test_the_rarer_class_is_1_with_its_own_column():
    """Here the rarer is the first in sorted order, so columns change places and decisions their sign."""
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    one = remembered(
        ["bad", "good", "good"],
        ["bad", "good"],
        predict_proba=proba,
        decision_function=np.array([-3.0, 2.0, 1.0]),
        predict=np.array(["bad", "good", "good"]),
    )
    classes = Classes([one])
    coded = classes.recoded(one.answers)
    assert classes.codes(one.y).tolist() == [1, 0, 0]
    assert coded.predict(np.arange(3)).tolist() == [1, 0, 0]
    assert coded.predict_proba(np.arange(3)).tolist() == proba[:, ::-1].tolist()
    assert coded.decision_function(np.arange(3)).tolist() == [3.0, -2.0, -1.0]


def test_of_equally_frequent_classes_the_greater_is_1():
    one = remembered([True, False], [False, True], predict=np.array([True, False]))
    assert Classes([one]).codes(one.y).tolist() == [1, 0]


def test_classes_that_one_classifier_lacks_get_a_column_without_probability():
    knows_two = remembered(
        ["a", "c", "b"],
        ["a", "c"],
        predict_proba=np.array([[0.7, 0.3], [0.1, 0.9], [0.5, 0.5]]),
        decision_function=np.array([-1.0, 2.0, 0.0]),
    )
    coded = Classes([knows_two]).recoded(knows_two.answers)
    assert coded.predict_proba(np.arange(3)).tolist() == [[0.7, 0, 0.3], [0.1, 0, 0.9], [0.5, 0, 0.5]]
    assert coded.decision_function(np.arange(3)).tolist() == [[1, -1, -1], [-2, -2, 2], [0, 0, 0]]
