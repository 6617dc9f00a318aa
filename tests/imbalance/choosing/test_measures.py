"""Every way to score gives what scikit-learn gives, whatever the labels, with all rows and with some."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    fbeta_score,
    get_scorer,
    make_scorer,
    roc_auc_score,
)
from sklearn.tree import DecisionTreeClassifier

from tabdiff.errors import InputError
from tabdiff.imbalance.choosing import HeldOut, Remembered, held_out
from tabdiff.imbalance.choosing.measures import measure_of

LABELS = {
    "int": np.array([0, 1]),
    "reversed int": np.array([7, 3]),
    "str": np.array(["regular", "fraud"]),
    "object": np.array(["no", "yes"], dtype=object),
    "bool": np.array([False, True]),
}


def table(n=300, n_classes=2, seed=0):
    """Class 0 is frequent, the others rare; features tell them apart only in part."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(n_classes, size=n, p=[1 - 0.15 * (n_classes - 1)] + [0.15] * (n_classes - 1))
    return np.round(np.eye(n_classes)[codes] + rng.normal(size=(n, n_classes)), 1), codes


def scores(scoring, one, *masks):
    everything = np.ones(len(one.y), dtype=bool)
    return measure_of(scoring, [one]).scores(one, masks or (everything,))


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("scoring", ["average_precision", "roc_auc", "f1", "recall", "neg_log_loss"])
@pytest.mark.parametrize("model", [LogisticRegression(), DecisionTreeClassifier(max_depth=3)], ids=str)
def test_a_name_scores_the_rarer_class_whatever_the_labels(scoring, labels, model):
    X, codes = table()
    coded = model.fit(X[:200], codes[:200])
    rows = np.arange(200, 300)
    some = np.arange(100) % 7 > 1  # with ties, and rows left out
    expected = [
        get_scorer(scoring)(coded, X[rows], codes[rows]),
        get_scorer(scoring)(coded, X[rows][some], codes[rows][some]),
    ]
    fitted = model.fit(X[:200], labels[codes[:200]])
    one = held_out(fitted, X[rows], labels[codes[rows]])
    assert scores(scoring, one, np.ones(100, dtype=bool), some) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("labels", [np.array([0, 1, 2]), np.array(["c", "a", "b"])], ids=["int", "str"])
def test_ranks_of_three_classes_are_means_of_each_against_the_rest(labels):
    X, codes = table(n_classes=3)
    model = LogisticRegression().fit(X, labels[codes])
    y, one = labels[codes], held_out(model, X, labels[codes])
    proba, decisions = model.predict_proba(X), model.decision_function(X)
    expected = roc_auc_score(y, proba, multi_class="ovr")
    assert scores("roc_auc", one) == pytest.approx([expected])
    assert scores("roc_auc_ovr", one) == pytest.approx([expected])
    assert scores("average_precision", one) == pytest.approx([average_precision_score(y, decisions)])
    assert scores("f1_macro", one) == pytest.approx([f1_score(y, model.predict(X), average="macro")])


def test_a_class_without_rows_is_left_out_of_the_mean():
    X, codes = table(n_classes=3)
    model = LogisticRegression().fit(X, codes)
    one, without = held_out(model, X, codes), codes != 2
    decisions, y = model.decision_function(X)[without], codes[without]
    expected = np.mean([average_precision_score(y == code, decisions[:, code]) for code in (0, 1)])
    assert scores("average_precision", one, without) == pytest.approx([expected])
    proba = model.predict_proba(X)[without]
    expected = np.mean([roc_auc_score(y == code, proba[:, code]) for code in (0, 1)])
    assert scores("roc_auc", one, without) == pytest.approx([expected])


@pytest.mark.parametrize("scoring", ["average_precision", "roc_auc", "neg_log_loss"])
def test_a_fold_without_the_rare_class_has_no_score(scoring):
    X, codes = table()
    one = held_out(LogisticRegression().fit(X, codes), X, codes)
    assert math.isnan(scores(scoring, one, codes == 0)[0])


def test_a_fold_without_the_rare_class_has_an_accuracy():
    X, codes = table()
    model = LogisticRegression().fit(X, codes)
    found = scores("accuracy", held_out(model, X, codes), codes == 0)
    assert found == pytest.approx([np.mean(model.predict(X[codes == 0]) == 0)])


def test_a_score_of_0_by_convention_is_no_reason_to_warn():
    """No row is predicted to be rare: scikit-learn warns that precision is ill-defined, and says 0."""
    one = HeldOut(Remembered([0, 1], predict=np.zeros(3, dtype=int)), None, np.array([0, 0, 1]), None)
    assert scores("precision", one) == [0.0]


def test_weights_count_as_copies_of_rows():
    X, codes = table(60)
    model = LogisticRegression().fit(X, codes)
    weight = np.arange(60) % 3
    one = held_out(model, X, codes, weight)
    copies = held_out(model, np.repeat(X, weight, axis=0), np.repeat(codes, weight))
    for scoring in ("average_precision", "roc_auc", "f1", make_scorer(f1_score)):
        assert scores(scoring, one) == pytest.approx(scores(scoring, copies), abs=1e-12)


def test_weights_go_to_functions_that_take_them_and_to_no_others():
    X, codes = table(60)
    one = held_out(LogisticRegression().fit(X, codes), X, codes, np.full(60, 2.0))
    assert scores(lambda model, X, y, sample_weight=None: sample_weight.sum(), one) == [120.0]
    assert scores(lambda model, X, y: len(X), one) == [60.0]
    assert scores(make_scorer(lambda y, predicted: len(y)), one) == [60.0]


def test_a_scorer_sees_the_users_labels():
    X, codes = table()
    y = LABELS["str"][codes]
    model = LogisticRegression().fit(X, y)
    for label in ("fraud", "regular"):
        scorer = make_scorer(fbeta_score, beta=2, pos_label=label)
        assert scores(scorer, held_out(model, X, y)) == pytest.approx([scorer(model, X, y)])
    loss = make_scorer(average_precision_score, response_method="predict_proba", greater_is_better=False)
    one = held_out(model.fit(X, codes), X, codes)
    assert scores(loss, one, codes >= 0) == pytest.approx([loss(model, X, codes)])


def test_a_function_is_called_on_the_estimator_and_its_rows():
    X, codes = table()
    model = LogisticRegression().fit(X, codes)
    one = held_out(model, X, codes)
    measure = measure_of(lambda *given: float(all(a is b for a, b in zip(given, (model, X, one.y)))), [one])  # noqa: B905
    assert measure.scores(one, [np.ones(300, dtype=bool)]) == [1.0]
    assert not measure.leaves_out


def test_a_classifier_that_answers_nan_has_no_score():
    answers = Remembered([0, 1], predict_proba=np.full((3, 2), np.nan))
    assert math.isnan(scores("average_precision", HeldOut(answers, None, np.array([0, 1, 0]), None))[0])


def test_what_no_score_can_be_made_of_is_refused():
    X, codes = table()
    one = held_out(RidgeClassifier().fit(X, codes), X, codes)
    assert len(scores("average_precision", one)) == 1
    for nonsense in (None, 3, ["f1"]):
        with pytest.raises(InputError, match=r"scoring is .*Pass a name"):
            scores(nonsense, one)
    with pytest.raises(InputError, match=r"'average_precison'.*Near: \['average_precision'"):
        scores("average_precison", one)
    labels_alone = HeldOut(Remembered([0, 1], predict=codes), X, codes, RidgeClassifier())
    with pytest.raises(InputError, match="needs predict_proba or decision_function, and RidgeClassifier"):
        scores("average_precision", labels_alone)
