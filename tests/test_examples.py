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


def test_air_quality_days_judges_days_forecasts_and_gaps_on_february(tmp_path, capsys):
    script = runpy.run_path(str(EXAMPLES / "air_quality_days.py"))
    script["main"](["--seconds", "2", "--plot", str(tmp_path / "plots" / "days.png")])
    printed = capsys.readouterr().out
    # two stations, 92 days from November to January and 28 of February
    assert "184 days" in printed and "56 of February" in printed and "56 new days" in printed
    # these two learn nothing, so that their errors do not depend on training
    assert re.search(
        r"^hours 12 to 23.* tabdiff \d+\.\d   the last value stays 33\.6 ", printed, re.MULTILINE
    )
    assert re.search(r"^hours 9 to 12.* tabdiff \d+\.\d   straight line 10\.1$", printed, re.MULTILINE)
    for score in ("order.3gram", "order.autocorrelation", "structure.between", "nearest.ratio"):
        row = rf"^series\.{re.escape(score)} +\d\.\d+ +\d\.\d+ to \d\.\d+ +\d\.\d+"
        assert re.search(row, printed, re.MULTILINE), score
    assert re.search(r"^series\.lengths +0\.000 ", printed, re.MULTILINE)  # every day has 24 hours
    assert (tmp_path / "plots" / "days.png").exists() or "No picture" in printed


def test_every_day_of_a_station_is_a_series_of_24_hours():
    days = runpy.run_path(str(EXAMPLES / "air_quality_days.py"))["station_days"](None, None)
    by_day = days.groupby("day", sort=False)
    assert by_day.ngroups == 12 * 120 and (by_day.size() == 24).all()
    assert (by_day["station"].nunique() == 1).all()
    assert by_day["time"].apply(lambda hours: hours.dt.hour.tolist() == list(range(24))).all()


def rare_series(name):
    return runpy.run_path(str(EXAMPLES / "rare_series.py"))[name]


def test_rare_series_compares_four_ways_of_balancing_with_chance(capsys):
    rare_series("main")(["--seconds", "1"])
    printed = capsys.readouterr().out
    assert "480 series of 128 steps, 48 of the rare class; 3 folds" in printed
    for way in ("none", "class weights", "SMOTE", "tabdiff"):
        row = rf"^{way} +[01]\.\d+ +[01]\.\d+ to [01]\.\d+( +[0-3] of 3 folds)?$"
        assert re.search(row, printed, re.MULTILINE), way
    assert re.search(r"^by chance +0\.100$", printed, re.MULTILINE)
    assert "not what tabdiff can do" in printed


def test_rare_series_takes_files_of_the_ucr_archive(tmp_path, capsys):
    rng = np.random.default_rng(0)
    table = np.column_stack([np.repeat([-1.0, 1.0, 2.0], [100, 60, 5]), rng.normal(size=(165, 12))])
    files = [tmp_path / "SET_TRAIN.tsv", tmp_path / "SET_TEST.tsv"]
    for path, part in zip(files, np.array_split(rng.permutation(table), 2), strict=True):
        np.savetxt(path, part, delimiter="\t")
    rare_series("main")(["--seconds", "0.5", "--ucr", *map(str, files)])
    # label 2 has too few series to be the rare class; of the 60 of label 1, 45 are kept
    assert "150 series of 12 steps, 45 of the rare class" in capsys.readouterr().out


def test_reader_of_ucr_files_takes_the_label_from_the_first_column(tmp_path):
    path = tmp_path / "A_TRAIN.tsv"
    path.write_text("1\t0.5\t-2\t3e-1\n-1\t4\t5\t6\n")
    X, labels = rare_series("read_ucr")([path, path])
    assert labels.tolist() == [1, -1, 1, -1]
    assert X.shape == (4, 1, 3) and X[0, 0].tolist() == [0.5, -2, 0.3] and X[3, 0].tolist() == [4, 5, 6]
    path.write_text("1\t0.5\tNaN\n")
    with pytest.raises(SystemExit, match="missing values"):
        rare_series("read_ucr")([path])


def test_rarest_label_of_enough_series_by_hand():
    rarest = rare_series("rarest")
    assert rarest(np.repeat([3, 7, 9], [44, 45, 46])) == 7
    for labels in (np.repeat([3, 7], [44, 44]), np.repeat([3, 7], [44, 46]), np.repeat([3], [100])):
        with pytest.raises(SystemExit, match="No label has 45"):
            rarest(labels)


def test_rare_class_is_thinned_to_one_in_ten():
    y = np.repeat([0, 1], [900, 300])
    X, kept = rare_series("thinned")(np.arange(1200), y, np.random.default_rng(0))
    assert (kept == 0).sum() == 900 and (kept == 1).sum() == 100
    assert (y[X] == kept).all() and len(set(X)) == 1000


def test_features_of_intervals_by_hand():
    # two steps in each of the eight intervals: mean (a + b) / 2, standard deviation |b - a| / 2, slope b - a
    X = np.array([[1.0, 3, 5, 5, 4, 0, *[0] * 10]])
    features = rare_series("interval_features")(X)[0]
    assert features[:9].tolist() == [2, 1, 2, 5, 0, 0, 2, 2, -4] and not features[9:].any()


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
