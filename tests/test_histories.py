"""What users see of a training: the sentence, the table and the picture."""

import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tabdiff.errors import InputError
from tabdiff.histories import FitHistory
from tabdiff.training import History

HISTORY = History(
    steps=[100, 200, 300],
    loss=[3.0, 2.0, 1.5],
    held_out=[3.5, 2.25, 2.5],
    attack_auc=[0.5, 0.625, 0.75],
    n_steps=300,
    seconds=31.44,
    stopped_by="held-out loss",
    kept_step=200,
    elapsed=[10.0, 20.0, 31.0],
)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"stopped_by": "held-out loss"},
            "300 steps in 31.4 s, stopped by held-out loss (best at step 200, 1 evaluations earlier), "
            "kept step 200",
        ),
        ({"stopped_by": "memorisation"}, "300 steps in 31.4 s, stopped by memorisation, kept step 200"),
        ({"stopped_by": "callback"}, "300 steps in 31.4 s, stopped by a callback, kept step 200"),
        (
            {"stopped_by": "steps", "n_steps": 12000, "kept_step": 12000, "seconds": 312.0},
            "12,000 steps in 5 min 12 s, ran to the last step, kept step 12,000",
        ),
        (
            {"stopped_by": "seconds", "seconds": 7380.0},
            "300 steps in 2 h 3 min, stopped by the time budget, kept step 200",
        ),
        ({"n_steps": 0}, "no steps: there was nothing to learn"),
    ],
)
def test_it_says_in_a_sentence_how_training_went(changes, sentence):
    history = FitHistory.of(History(**(vars(HISTORY) | changes)))
    assert str(history) == sentence
    assert repr(history) == f"FitHistory({sentence})"


def test_it_holds_what_the_training_recorded():
    history = FitHistory.of(HISTORY)
    assert vars(history) == vars(HISTORY)
    assert isinstance(history, History)


@pytest.mark.parametrize(
    ("library", "rows"),
    [
        ("pandas", lambda frame: frame.to_dict("list")),
        ("polars", lambda frame: frame.to_dict(as_series=False)),
        ("pyarrow", lambda frame: frame.to_pydict()),
    ],
)
def test_each_evaluation_is_a_row(library, rows):
    frame = FitHistory.of(HISTORY).to_frame(library)
    assert isinstance(frame, {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}[library])
    assert rows(frame) == {
        "step": [100, 200, 300],
        "loss": [3.0, 2.0, 1.5],
        "held_out": [3.5, 2.25, 2.5],
        "attack_auc": [0.5, 0.625, 0.75],
        "seconds": [10.0, 20.0, 31.0],
    }


def test_what_was_not_recorded_is_missing():
    history = FitHistory(steps=[5, 10], loss=[2.0, 1.0], n_steps=10)
    frame = history.to_frame("polars")
    assert frame.null_count().row(0) == (0, 0, 2, 2, 2)
    assert frame.schema == {"step": pl.Int64} | dict.fromkeys(frame.columns[1:], pl.Float64)
    assert history.to_frame()["held_out"].isna().all()


def test_without_an_evaluation_the_frame_is_empty():
    assert FitHistory().to_frame("pyarrow").shape == (0, 5)


def test_an_unknown_library_is_refused():
    with pytest.raises(InputError, match="'dask'"):
        FitHistory.of(HISTORY).to_frame("dask")


def test_the_picture_shows_both_losses_and_the_step_that_was_kept():
    figures = pytest.importorskip("matplotlib.figure")
    axes = figures.Figure().subplots()
    assert FitHistory.of(HISTORY).plot(axes) is axes
    training, held_out, kept = axes.lines
    assert training.get_xydata().tolist() == [[100, 3.0], [200, 2.0], [300, 1.5]]
    assert held_out.get_xydata().tolist() == [[100, 3.5], [200, 2.25], [300, 2.5]]
    assert set(kept.get_xdata()) == {200}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "training loss",
        "held-out loss",
        "kept step 200",
    ]


def test_without_axes_a_figure_is_made(monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    axes = FitHistory(steps=[5, 10], loss=[2.0, 1.0], n_steps=10, kept_step=10).plot()
    assert [line.get_label() for line in axes.lines] == ["training loss", "kept step 10"]
    pyplot.close(axes.figure)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "tabdiff\[demo\]"'):
        FitHistory.of(HISTORY).plot()
