"""Series on the command line: fitted, drawn, filled, told about and judged by the same commands as rows."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tabdiff import SeriesSynthesizer
from tabdiff.cli import main
from tabdiff.datasets import make_card_histories
from tabdiff.files import read_table

QUICK = ["--max-steps", "20", "--seed", "0", "-q"]
ROLES = ["--entity", "customer", "--time", "time", "--context", "segment", "stolen"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Histories of 40 customers as Parquet, and a model of them with a target."""
    folder = tmp_path_factory.mktemp("series")
    make_card_histories(40, 25, random_state=0).to_parquet(folder / "data.parquet")
    argv = ["fit", f"{folder}/data.parquet", "-o", f"{folder}/model", "--target", "stolen"]
    assert main([*argv, *ROLES, *QUICK]) == 0
    return folder


def sampled(model, tmp_path, *words, n="6", name="new.parquet"):
    argv = ["sample", str(model), "-n", n, "-o", f"{tmp_path}/{name}", "-q", "--seed", "1", *words]
    assert main(argv) == 0
    return read_table(tmp_path / name)


def test_whole_series_with_the_columns_and_types_of_the_table_are_drawn(folder, tmp_path):
    drawn = sampled(folder / "model", tmp_path)
    assert drawn.schema.equals(read_table(folder / "data.parquet").schema)
    frame = drawn.to_pandas()
    assert frame["customer"].nunique() == 6
    assert not set(frame["customer"]) & set(range(40))
    assert (frame.groupby("customer")[["segment", "stolen"]].nunique() == 1).all(axis=None)
    assert all(times.is_monotonic_increasing for _, times in frame.groupby("customer")["time"])


def test_the_command_line_draws_what_the_class_draws(folder, tmp_path):
    drawn = sampled(folder / "model", tmp_path).to_pandas()
    model = SeriesSynthesizer(
        "customer", "time", ["segment", "stolen"], target="stolen", random_state=0, max_steps=20
    ).fit(read_table(folder / "data.parquet"))
    assert drawn.equals(model.sample(6, random_state=1).to_pandas())


def test_conditions_are_on_the_context_and_the_target(folder, tmp_path):
    words = ["--where", "segment in student,retired", "--where", "stolen=true"]
    frame = sampled(folder / "model", tmp_path, *words).to_pandas()
    assert set(frame["segment"]) <= {"student", "retired"}
    assert frame["stolen"].all()


def test_series_are_asked_for_by_a_rare_event_in_them(folder, tmp_path):
    argv = ["fit", f"{folder}/data.parquet", "-o", f"{tmp_path}/model", "--entity", "customer"]
    argv += ["--time", "time", "--context", "segment", "--target", "is_fraud"]
    assert main([*argv, *QUICK]) == 0
    clean = sampled(tmp_path / "model", tmp_path, "--where", "is_fraud=false").to_pandas()
    assert clean["customer"].nunique() == 6
    assert not clean["is_fraud"].any()


def test_of_one_long_series_steps_are_drawn(tmp_path):
    hours = pd.date_range("2024-01-01", periods=300, freq="h")
    load = np.sin(np.arange(300) / 24 * 2 * np.pi).round(2)
    pd.DataFrame({"hour": hours, "load": load}).to_parquet(tmp_path / "load.parquet")
    argv = ["fit", f"{tmp_path}/load.parquet", "-o", f"{tmp_path}/model", "--time", "hour", *QUICK]
    assert main(argv) == 0
    drawn = sampled(tmp_path / "model", tmp_path, n="48").to_pandas()
    assert len(drawn) == 48
    assert (drawn["hour"].diff().dropna() == pd.Timedelta(hours=1)).all()


def test_no_series_make_a_table_without_rows(folder, tmp_path):
    argv = ["sample", f"{folder}/model", "-n", "0", "-o", f"{tmp_path}/none.parquet", "-q"]
    assert main(argv) == 0
    drawn = pq.read_table(tmp_path / "none.parquet")
    assert drawn.num_rows == 0
    assert drawn.schema.equals(read_table(folder / "data.parquet").schema)


def test_missing_cells_of_steps_are_filled_and_nothing_else(folder, tmp_path):
    gaps = read_table(folder / "data.parquet").to_pandas().head(60)
    gaps.loc[::3, "amount"] = np.nan
    gaps.to_parquet(tmp_path / "gaps.parquet")
    argv = ["impute", f"{folder}/model", f"{tmp_path}/gaps.parquet", "-o", f"{tmp_path}/filled.parquet"]
    assert main([*argv, "--seed", "0", "-q"]) == 0
    filled = read_table(tmp_path / "filled.parquet").to_pandas()
    assert filled["amount"].notna().all()
    kept = gaps["amount"].notna()
    assert filled[kept].equals(gaps[kept])


def test_info_shows_roles_counts_and_classes(folder, capsys):
    assert main(["info", f"{folder}/model"]) == 0
    shown = capsys.readouterr().out
    n_steps = read_table(folder / "data.parquet").num_rows
    for name, role in (
        ("customer", "entity"),
        ("time", "time"),
        ("segment", "context"),
        ("amount", "step"),
    ):
        assert re.search(rf"^{name} +{role} ", shown, re.MULTILINE), name
    assert f"learned from {n_steps:,} steps of 40 series" in shown
    assert re.search(r"^target 'stolen'\n  False\n  True$", shown, re.MULTILINE)
    assert "training: 20 steps" in shown


def test_series_are_judged_if_their_columns_are_named(folder, tmp_path):
    for name, seed in (("synthetic", 1), ("holdout", 2)):
        make_card_histories(40, 25, random_state=seed).to_parquet(tmp_path / f"{name}.parquet")
    argv = ["evaluate", "--train", f"{folder}/data.parquet", "--budget", "fast", "-q"]
    argv += ["--synthetic", f"{tmp_path}/synthetic.parquet", "--holdout", f"{tmp_path}/holdout.parquet"]
    assert main([*argv, *ROLES, "-o", f"{tmp_path}/r.json"]) == 0
    estimates = json.loads((tmp_path / "r.json").read_text())["estimates"]
    # histories of one law: their order is as near as real ones are, far from that of shuffled steps
    order = estimates["series.order.transitions"]
    assert order["value"] < order["bad"] / 2
    assert estimates["series.structure.context"]["value"] == 0
    assert main([*argv, "-o", f"{tmp_path}/rows.json"]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())["estimates"]
    assert not [name for name in rows if name.startswith("series.")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "{data}", "-o", "{tmp}/m", "--context", "segment"], "--entity COL"),
        (["fit", "{data}", "-o", "{tmp}/m", "--entity", "card"], "no columns ['card']"),
        (["fit", "{data}", "-o", "{tmp}/m", "--time", "time", "--context", "segment"], "no entity"),
        (["fit", "{data}", "-o", "{tmp}/m", *ROLES, "--target", "fraud"], "'fraud'"),
        (["fit", "{data}", "-o", "{tmp}/m", *ROLES, "--target", "amount"], "'amount'"),
        (["fit", "{data}", "-o", "{tmp}/m", *ROLES, "--update", "{model}"], "--update is for models of rows"),
        (["fit", "{data}", "-o", "{tmp}/m", "--time", "time", "--checkpoint", "c"], "--checkpoint is"),
        (
            ["fit", "{data}", "-o", "{tmp}/m", *ROLES, "--checkpoint", "c", "--resume"],
            "--checkpoint, --resume are",
        ),
        (["fit", "{data}", "-o", "{tmp}/m", "--update", "{model}"], "'SeriesSynthesizer'"),
        (["sample", "{model}", "-n", "2", "-o", "{tmp}/x.csv", "--where", "amount>5"], "amount"),
        (["sample", "{model}", "-n", "2", "-o", "{tmp}/x.csv", "--no-missing"], "--no-missing is for"),
        (["sample", "{model}", "-n", "2", "-o", "{tmp}/x.csv", "--batch-rows", "9"], "--batch-rows is for"),
        (
            ["evaluate", "--train", "{data}", "--synthetic", "{data}", "-o", "-", "--context", "segment"],
            "`entity`",
        ),
    ],
)
def test_what_cannot_be_done_with_series_is_said_in_one_paragraph(folder, tmp_path, capsys, words, message):
    places = {"tmp": tmp_path, "model": folder / "model", "data": folder / "data.parquet"}
    assert main([*(word.format(**places) for word in words), "-q"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"tabdiff {words[0]}: error: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
