"""Marks, resamples and seeds: closed forms; and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, r2_score

from tabdiff.evaluation.intervals import seeded_interval
from tabdiff.evaluation.reading import compare
from tabdiff.evaluation.utility.question import (
    RECALL_GRID,
    Exam,
    Question,
    ask,
    bootstrap_marks,
    r2,
)


def a_question(y, n_classes=2, positive=1, scored=(1,), clusters=None):
    y = np.asarray(y)
    strata = y if n_classes else np.zeros(len(y), dtype=int)
    return Question(
        np.zeros((len(y), 1)), y, np.array([False]), n_classes, positive, scored, strata, clusters, ()
    )


def frame(n, seed, n_positive=20):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"x": rng.normal(size=n), "y": np.where(np.arange(n) < n_positive, "yes", "no")})


# --- marks ---


def test_marks_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, proba = rng.integers(3, size=200), rng.dirichlet(np.ones(3), 200)
    marks = Exam(a_question(y, 3, 2, (0, 1, 2))).mark(proba)
    weight = rng.poisson(1, 200)
    expected = average_precision_score(np.eye(3)[y], proba, average="macro", sample_weight=weight)
    assert marks(weight)[0] == pytest.approx(expected, abs=1e-12)
    assert len(marks(None)) == 4 + len(RECALL_GRID)
    truth, predicted = rng.normal(size=200), rng.normal(size=200)
    assert r2(truth, predicted)(weight)[0] == pytest.approx(r2_score(truth, predicted, sample_weight=weight))


def test_a_perfect_answer_has_perfect_marks():
    y = np.repeat([0, 1], [90, 10])
    assert Exam(a_question(y)).mark(np.eye(2)[y])(None) == pytest.approx([1, 1, 1, 0, *np.ones(100)])


def test_resampled_differences_of_means_spread_as_the_closed_form_says():
    """Arms differ by d_i in row i, so the difference of means has variance var(d) / n."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=400), rng.normal(size=400)
    question = a_question(np.zeros(400), n_classes=0)

    def mean_of(values):
        return lambda w: np.array([values.mean() if w is None else w @ values / w.sum()])

    marked = bootstrap_marks(question, {"a": [mean_of(first)], "b": [mean_of(second)]}, rng, 4000)
    value, lo, hi = marked.difference("a", "b")
    assert value == pytest.approx((first - second).mean())
    se = (first - second).std() / 20
    assert (hi - lo) / 2 == pytest.approx(1.96 * se, rel=0.05)
    # shared by both, so that equal arms differ by nothing in every draw
    same = bootstrap_marks(question, {"a": [mean_of(first)], "b": [mean_of(first)]}, rng, 50)
    assert same.difference("a", "b") == (0.0, 0.0, 0.0)


def test_strata_keep_their_sizes_in_every_draw():
    y = np.repeat([0, 1], [90, 10])
    positives = lambda w: np.array([10.0 if w is None else w @ y])  # noqa: E731
    assert (
        bootstrap_marks(a_question(y), {"a": [positives]}, np.random.default_rng(0), 50).draws == 10
    ).all()


def test_the_spread_of_seeds_widens_the_interval_by_its_formula():
    per_seed = np.array([0.1, 0.2, 0.3])  # variance 0.01, of the mean 0.01 / 3
    value, lo, hi = seeded_interval(per_seed, 0.05)
    variance = 0.0025 + 0.01 / 3
    freedom = 2 * (variance / (0.01 / 3)) ** 2
    assert value == pytest.approx(0.2)
    assert hi - value == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(variance))
    assert value - lo == pytest.approx(hi - value)


def test_without_spread_of_seeds_the_interval_is_normal():
    for per_seed in (np.array([0.2]), np.array([0.2, 0.2])):
        assert seeded_interval(per_seed, 0.05) == pytest.approx(
            (0.2, 0.2 - 1.96 * 0.05, 0.2 + 1.96 * 0.05), abs=1e-4
        )
    assert seeded_interval(np.array([0.2]), 0.0) == (0.2, 0.2, 0.2)


def test_intervals_hold_the_truth_19_times_in_20_with_two_seeds():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        sampled = rng.normal(0, 0.02)
        _, lo, hi = seeded_interval(sampled + rng.normal(0, 0.02, 2), 0.02)
        held += lo <= 0 <= hi
    assert 0.935 < held / 2000 < 0.99


# --- what is asked ---


def test_a_question_needs_target_holdout_features_and_positives():
    train, synthetic, test = (frame(200, seed) for seed in range(3))
    assert "no target" in ask(compare(train, synthetic, test))
    assert "no holdout" in ask(compare(train, synthetic, target="y"))
    assert "no column but" in ask(compare(train[["y"]], synthetic[["y"]], test[["y"]], "y"))
    assert "has 9 rows of class 'yes'" in ask(compare(train, synthetic, frame(200, 3, 9), "y"))
    question = ask(compare(train, synthetic, test, "y"))
    assert question.scored == (question.positive,) and "Only 20 rows" in question.notes[0]
    assert question.without_information == pytest.approx(0.1)
    assert ask(compare(train, synthetic, frame(200, 3, 50), "y")).notes == ()


def test_positives_of_few_entities_count_as_few():
    train, synthetic, test = (
        frame(300, seed, 60).assign(who=np.arange(300) + 300 * seed) for seed in range(3)
    )
    test["who"] = 600 + np.arange(300) // 10  # 60 positives of 6 entities
    reason = ask(compare(train, synthetic, test, "y", group="who"))
    assert "6 entities of class 'yes'" in reason


def test_no_draw_of_entities_loses_the_positive_class():
    train, synthetic, test = (
        frame(400, seed, 24).assign(who=np.arange(400) + 400 * seed) for seed in range(3)
    )
    # entities of 20 rows: each holds two positives that are not its first row, or none
    test = pd.concat([test[24:], test[:24]])
    test["who"] = 800 + np.arange(400) % 20
    question = ask(compare(train, synthetic, test, "y", group="who"))
    entities = np.unique(question.clusters, return_inverse=True)[1]
    assert all(len(np.unique(question.strata[entities == one])) == 1 for one in range(20))
    mark = Exam(question, with_curve=False).mark(np.full((400, 2), 0.5))
    draws = bootstrap_marks(question, {"a": [mark]}, np.random.default_rng(0), 100).draws
    assert np.isfinite(draws).all() and draws[:, 0, 0].std() > 0


def test_holdout_rows_without_target_are_named():
    train, synthetic, test = (frame(200, seed) for seed in range(3))
    test.loc[190:, "y"] = None
    question = ask(compare(train, synthetic, test, "y"))
    assert len(question.y) == 190 and "10 of 200 holdout rows have no target" in question.notes[0]


def test_classes_with_few_holdout_rows_are_not_scored_but_named():
    def three(seed, n_third):
        table = frame(200, seed)
        table.loc[199 - n_third : 199, "y"] = "third"
        return table

    question = ask(compare(three(0, 40), three(1, 40), three(2, 40), "y"))
    assert question.scored == (0, 1, 2) and "macro" in question.metric
    question = ask(compare(three(0, 40), three(1, 40), three(2, 5), "y", positive="third"))
    assert len(question.scored) == 2 and question.positive == 2
    assert "third" in question.notes[0] and "those of class yes" in question.notes[1]
