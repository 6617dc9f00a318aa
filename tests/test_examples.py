"""The examples run, and print what they promise."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_fraud_quickstart_compares_four_ways_and_names_a_winner(tmp_path, capsys):
    script = runpy.run_path(str(EXAMPLES / "fraud_quickstart.py"))
    script["main"](["--quick", "--figure", str(tmp_path / "figure.png")])
    printed = capsys.readouterr().out
    for approach in ("nothing", "class weights", "SMOTE", "tabdiff"):
        row = rf"^(gradient boosting|logistic regression) +{approach} +0\.\d+ \(0\.\d+-[01]\.\d+\)"
        assert len(re.findall(row, printed, re.MULTILINE)) == 2, approach
    assert printed.count("highest average precision with") == 2
    assert (tmp_path / "figure.png").exists() or "No figure" in printed


def test_recall_at_a_rate_of_false_alarms_by_hand():
    script = runpy.run_path(str(EXAMPLES / "fraud_quickstart.py"))
    truth = np.array([1, 1, 0, 1, 0, 0])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.2, 0.1])
    # no alarm on legitimate rows catches two of three frauds, one alarm in three catches all
    assert script["recall_at"](0.0, truth, scores) == 2 / 3
    assert script["recall_at"](1 / 3, truth, scores) == 1.0


def test_card_histories_prints_every_score_of_series_beside_its_floor(tmp_path, capsys):
    script = runpy.run_path(str(EXAMPLES / "card_histories.py"))
    script["main"](["--seconds", "3", "--plot", str(tmp_path / "plots" / "histories.png")])
    printed = capsys.readouterr().out
    assert "60 new customers" in printed
    for score in ("lengths", "time.gaps", "order.3gram", "structure.between", "nearest.ratio"):
        row = rf"^series\.{re.escape(score)} +\d\.\d+ +\d\.\d+ to \d\.\d+ +\d\.\d+"
        assert re.search(row, printed, re.MULTILINE), score
    # shuffled steps have no ratio of their own: real windows stand last
    assert re.search(r"^series\.nearest\.ratio .* 1\.000$", printed, re.MULTILINE)
    assert (tmp_path / "plots" / "histories.png").exists() or "No picture" in printed


def weekly(*arguments):
    return runpy.run_path(str(EXAMPLES / "retrain_weekly.py"))["main"](list(arguments))


@pytest.mark.slow
def test_the_weekly_retraining_leaves_a_model_and_a_report_each_week(tmp_path):
    state = tmp_path / "state"
    assert weekly("--margin", "1", "--state", str(state)) == 0
    assert sorted(path.name for path in state.iterdir() if path.is_dir()) == [
        "week-0001",
        "week-0002",
        "week-0003",
    ]
    assert len(list(state.glob("2013-*.json"))) == 3
    assert (state / "week-0003" / "synthesizer" / "model.json").exists()


@pytest.mark.slow
def test_a_fall_in_quality_is_not_taken_over(tmp_path):
    state = tmp_path / "state"
    assert weekly("--margin=-1", "--state", str(state)) == 1
    assert [path.name for path in state.iterdir() if path.is_dir()] == ["week-0001"]
