"""The command line does what its help says, end to end on small tables."""

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabdiff import TableSynthesizer
from tabdiff.cli import build_parser, main
from tabdiff.files import read_table

QUICK = ["--max-steps", "30", "--seed", "0", "-q"]
N_ROWS, N_FRAUDS = 400, 60


def make_table(n=N_ROWS, n_frauds=N_FRAUDS, seed=0):
    """Amounts, cities with gaps, zip codes with leading zeros, days; frauds come first."""
    rng = np.random.default_rng(seed)
    cities = [None if rng.random() < 0.2 else ["Oslo", "Rome"][rng.integers(2)] for _ in range(n)]
    return pa.table(
        {
            "amount": rng.gamma(2.0, 50.0, n).round(2),
            "city": pa.array(cities),
            "zip": [f"{rng.integers(5) + 1:05d}" for _ in range(n)],
            "day": [dt.date(2024, 1, 1) + dt.timedelta(days=int(days)) for days in rng.integers(60, size=n)],
            "is_fraud": (np.arange(n) < n_frauds).astype(np.int64),
        }
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with a table as CSV and Parquet."""
    folder = tmp_path_factory.mktemp("cli")
    table = make_table()
    pq.write_table(table, folder / "data.parquet")
    table.to_pandas().to_csv(folder / "data.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def folder(data):
    """The same folder, with a model of the table."""
    folder = data
    argv = ["fit", f"{folder}/data.parquet", "-o", f"{folder}/model", "--target", "is_fraud", *QUICK]
    assert main(argv) == 0
    return folder


def sampled(folder, tmp_path, *words, name="new.parquet", n="50"):
    argv = ["sample", f"{folder}/model", "-n", n, "-o", f"{tmp_path}/{name}", "-q", "--seed", "1", *words]
    assert main(argv) == 0
    return read_table(tmp_path / name)


# --- fit and sample -----------------------------------------------------------------------------------------


def test_sampled_rows_have_the_columns_and_types_of_the_table(folder, tmp_path):
    table = sampled(folder, tmp_path)
    assert table.num_rows == 50
    assert table.schema.equals(make_table().schema)
    assert set(table["zip"].to_pylist()) <= {f"000{i:02d}" for i in range(1, 6)}


def test_the_same_seed_gives_the_same_rows_and_none_gives_others(folder, tmp_path, capsys):
    first = sampled(folder, tmp_path)
    assert sampled(folder, tmp_path).equals(first)
    for name in ("a.parquet", "b.parquet"):
        assert main(["sample", f"{folder}/model", "-n", "50", "-o", f"{tmp_path}/{name}"]) == 0
    seed = re.findall(r"50 rows with seed (\d+)", capsys.readouterr().err)[-1]
    again = read_table(tmp_path / "b.parquet")
    assert not again.equals(read_table(tmp_path / "a.parquet"))
    assert sampled(folder, tmp_path, "--seed", seed).equals(again)


def test_conditions_hold_in_every_row(folder, tmp_path):
    words = ["is_fraud=1", "amount=50..200", "amount>60", "city in Oslo,Rome", "day<2024-02-01"]
    table = sampled(folder, tmp_path, *(part for word in words for part in ("--where", word)))
    assert table.num_rows == 50
    assert set(table["is_fraud"].to_pylist()) == {1}
    assert all(60 < amount <= 200 for amount in table["amount"].to_pylist())
    assert set(table["city"].to_pylist()) <= {"Oslo", "Rome"}
    assert max(table["day"].to_pylist()) < dt.date(2024, 2, 1)


def test_missing_cells_can_be_asked_for_and_forbidden(folder, tmp_path):
    assert sampled(folder, tmp_path, n="200")["city"].null_count > 0
    assert sampled(folder, tmp_path, "--where", "city is missing")["city"].null_count == 50
    assert sampled(folder, tmp_path, "--no-missing", n="200")["city"].null_count == 0


def test_rows_are_streamed_to_parts(folder, tmp_path):
    table = sampled(folder, tmp_path, "--batch-rows", "40", name="parts/", n="1_00")
    assert table.num_rows == 100
    sizes = [pq.ParquetFile(path).metadata.num_rows for path in sorted((tmp_path / "parts").iterdir())]
    assert sizes == [40, 40, 20]


def test_no_rows_make_a_table_without_rows(folder, tmp_path):
    argv = ["sample", f"{folder}/model", "-n", "0", "-o", f"{tmp_path}/none.parquet", "-q"]
    assert main(argv) == 0
    assert pq.read_table(tmp_path / "none.parquet").schema.equals(make_table().schema)


def test_a_model_of_a_pandas_frame_is_sampled_too(tmp_path):
    frame = make_table().to_pandas().astype({"city": "category"})
    TableSynthesizer(target="is_fraud", random_state=0, max_steps=30).fit(frame).save(tmp_path / "model")
    table = sampled(tmp_path, tmp_path, "--where", "city=Rome", "--where", "is_fraud=1", name="new.csv")
    assert set(table["city"].to_pylist()) == {"Rome"}
    assert set(table["is_fraud"].to_pylist()) == {1}


def test_a_csv_file_teaches_the_same_types(folder, tmp_path):
    argv = ["fit", f"{folder}/data.csv", "-o", f"{tmp_path}/model", "--schema", "zip=categorical", *QUICK]
    assert main(argv) == 0
    table = sampled(tmp_path, tmp_path)
    assert table.schema.equals(make_table().schema)
    assert set(table["zip"].to_pylist()) <= {f"000{i:02d}" for i in range(1, 6)}


def test_a_model_goes_on_with_new_rows(folder, tmp_path):
    new = make_table(200, 30, seed=1)
    new = new.set_column(1, "city", pa.array(["Paris"] * 200))
    pq.write_table(new, tmp_path / "week.parquet")
    argv = ["fit", f"{tmp_path}/week.parquet", "-o", f"{tmp_path}/model", "--update", f"{folder}/model"]
    assert main([*argv, "--max-steps", "30", "-q"]) == 0
    table = sampled(tmp_path, tmp_path, "--where", "city=Paris")
    assert set(table["city"].to_pylist()) == {"Paris"}


def test_training_goes_on_from_a_checkpoint(folder, tmp_path):
    argv = ["fit", f"{folder}/data.parquet", "--checkpoint", f"{tmp_path}/state", *QUICK]
    assert main([*argv, "-o", f"{tmp_path}/one"]) == 0
    assert main([*argv, "-o", f"{tmp_path}/two", "--resume"]) == 0
    one, two = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_info_shows_columns_classes_training_and_versions(folder, capsys):
    assert main(["info", f"{folder}/model"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^amount +numeric", shown, re.MULTILINE)
    assert re.search(r"^ +0 +340 +85\.000%$", shown, re.MULTILINE)
    assert re.search(r"^ +1 +60 +15\.000%$", shown, re.MULTILINE)
    assert "training: 30 steps" in shown
    assert re.search(r"saved by tabdiff \d.*torch \d", shown)
    assert re.search(r"size: \d+\.\d\d MiB", shown)


# --- impute, resample, evaluate -----------------------------------------------------------------------------


def test_imputing_fills_what_is_missing_and_touches_nothing_else(folder, tmp_path):
    gaps = make_table(100, 10, seed=2).to_pandas()
    gaps.loc[:49, "amount"] = np.nan
    gaps = gaps[["zip", "is_fraud", "amount", "day", "city"]]
    gaps.to_csv(tmp_path / "gaps.csv", index=False)
    argv = [
        "impute",
        f"{folder}/model",
        f"{tmp_path}/gaps.csv",
        "-o",
        f"{tmp_path}/filled.csv",
        "--seed",
        "3",
    ]
    assert main([*argv, "-q"]) == 0
    filled = pd.read_csv(tmp_path / "filled.csv", dtype={"zip": str})
    assert filled.columns.tolist() == gaps.columns.tolist()
    assert not filled.isna().any().any()
    for name in gaps:
        kept = gaps[name].notna()
        assert filled[name][kept].astype(str).tolist() == gaps[name][kept].astype(str).tolist()


def test_resampling_reaches_the_ratio_and_marks_what_it_adds(data, tmp_path):
    argv = ["resample", f"{data}/data.csv", "--target", "is_fraud", "-o", f"{tmp_path}/more.parquet"]
    assert main([*argv, "--ratio", "0.5", "--mark", "synthetic", *QUICK]) == 0
    table, real = read_table(tmp_path / "more.parquet"), make_table()
    assert table.column_names == [*real.column_names, "synthetic"]
    assert table.slice(0, N_ROWS).drop_columns(["synthetic"]).equals(real)
    assert table["synthetic"].to_pylist() == [False] * N_ROWS + [True] * 110
    # half of 340 legitimate rows
    assert sum(table["is_fraud"].to_pylist()) == 170


def test_resampling_without_words_balances_the_classes(data, tmp_path):
    argv = ["resample", f"{data}/data.parquet", "--target", "is_fraud", "-o", f"{tmp_path}/more.csv"]
    assert main([*argv, *QUICK]) == 0
    classes = read_table(tmp_path / "more.csv")["is_fraud"].to_pylist()
    assert classes.count(0) == classes.count(1) == 340


def test_resampling_by_a_multiple(data, tmp_path):
    argv = ["resample", f"{data}/data.parquet", "--target", "is_fraud", "-o", f"{tmp_path}/more.csv"]
    assert main([*argv, "--strategy", "x2.5", *QUICK]) == 0
    assert read_table(tmp_path / "more.csv")["is_fraud"].to_pylist().count(1) == 150


def test_a_tuned_amount_is_reported_on_standard_error(data, tmp_path, capsys):
    argv = ["resample", f"{data}/data.parquet", "--target", "is_fraud", "-o", f"{tmp_path}/more.csv"]
    assert main([*argv, "--strategy", "tuned", *QUICK[:-1]]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    chosen = next(line for line in said.err.splitlines() if line.endswith("<- chosen"))
    n_added = int(chosen[len("ratio 0.1") :].split()[0].replace(",", ""))
    assert f"added {n_added:,} rows" in said.err
    assert len(read_table(tmp_path / "more.csv")) == N_ROWS + n_added


def test_a_copy_of_the_training_rows_fails_on_privacy(tmp_path, capsys):
    for name, seed in (("train", 0), ("holdout", 1)):
        table = make_table(300, 45, seed)
        rng = np.random.default_rng(seed + 10)
        table = table.append_column("other", pa.array(rng.normal(size=300)))
        pq.write_table(table, tmp_path / f"{name}.parquet")
    argv = ["evaluate", "--train", f"{tmp_path}/train.parquet", "--synthetic", f"{tmp_path}/train.parquet"]
    argv += ["--holdout", f"{tmp_path}/holdout.parquet", "--budget", "fast"]
    assert main([*argv, "-o", f"{tmp_path}/r.json", "--fail-on", "privacy"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "failed: privacy: leak detected" in said.err
    assert json.loads((tmp_path / "r.json").read_text())["verdict"]["privacy"] == "leak detected"


def test_without_a_holdout_privacy_cannot_be_passed(data, tmp_path, capsys):
    argv = [
        "evaluate",
        "--train",
        f"{data}/data.csv",
        "--synthetic",
        f"{data}/data.csv",
        "--budget",
        "fast",
    ]
    assert main([*argv, "-o", f"{tmp_path}/r.html", "--target", "is_fraud", "--positive", "1"]) == 0
    assert "<html" in (tmp_path / "r.html").read_text()
    assert main([*argv, "-o", "-", "--fail-on", "privacy", "-q"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["verdict"]["privacy"] == "not assessable"
    assert "failed: privacy: not assessable" in said.err


# --- streams, errors, exit codes ----------------------------------------------------------------------------


def test_streams_hold_the_table_and_nothing_else(folder, capfdbinary):
    assert main(["sample", f"{folder}/model", "-n", "7", "-o", "-", "--format", "arrow"]) == 0
    said = capfdbinary.readouterr()
    assert pa.ipc.open_stream(said.out).read_all().num_rows == 7
    assert b"7 rows with seed" in said.err


def run(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "tabdiff", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_a_reader_that_has_had_enough_ends_the_run_in_silence(folder):
    words = ["sample", f"{folder}/model", "-n", "20000", "-o", "-", "--batch-rows", "1000", "-q"]
    with run(*words) as process:
        assert process.stdout.readline() == b'"amount","city","zip","day","is_fraud"\n'
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_ctrl_c_ends_with_130_and_leaves_nothing(data, tmp_path, capsys):
    words = ["fit", f"{data}/data.parquet", "-o", f"{tmp_path}/model", "--max-steps", "1000000"]
    key = threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGINT))
    key.start()
    assert main(words) == 130
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("interrupted: nothing was written.\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "nowhere.csv", "-o", "{tmp}/m"], "cannot read 'nowhere.csv'"),
        (["fit", "{data}", "-o", "{tmp}/m", "--target", "fraud"], "no target column 'fraud'"),
        (["fit", "{data}", "-o", "{tmp}/m", "--schema", "zip"], "not of the form COL=KIND"),
        (["fit", "{data}", "-o", "{tmp}/m", "--resume"], "--resume needs --checkpoint"),
        (["fit", "{data}", "-o", "{data}"], "is a file, and a model is a folder"),
        (["fit", "{data}", "-o", "{folder}"], "holds something else than a model"),
        (["fit", "{data}", "-o", "{tmp}/m", "--update", "{model}", "--target", "zip"], "Leave them out"),
        (["fit", "{data}", "-o", "{tmp}/m", "--max-steps", "-1"], "max_steps"),
        (["sample", "{folder}", "-n", "5", "-o", "{tmp}/x.csv"], "model"),
        (["sample", "{model}", "-n", "5", "-o", "{tmp}/x.xlsx"], "cannot tell the format"),
        (["sample", "{model}", "-n", "5", "-o", "{tmp}/x.csv", "--where", "citty=Oslo"], "Near: ['city']"),
        (["sample", "{model}", "-n", "5", "-o", "{tmp}/x.csv", "--where", "city=Paris"], "Paris"),
        (["sample", "{model}", "-n", "-5", "-o", "{tmp}/x.csv"], "-5"),
        (["impute", "{model}", "{other}", "-o", "{tmp}/x.csv"], "eature names"),
        (["resample", "{data}", "--target", "fraud", "-o", "{tmp}/x.csv"], "no column 'fraud'"),
        (["resample", "{data}", "--target", "is_fraud", "-o", "{tmp}/x.csv", "--mark", "zip"], "'zip'"),
        (["resample", "{data}", "--target", "is_fraud", "-o", "{tmp}/x.csv", "--ratio", "0.01"], "ratio"),
        (["resample", "{data}", "--target", "is_fraud", "-o", "{tmp}/x.csv", "--strategy", "x0.5"], "'x0.5'"),
        (["resample", "{data}", "--target", "is_fraud", "-o", "{tmp}/x.csv", "--strategy", "more"], "'more'"),
        (
            ["evaluate", "--train", "{data}", "--synthetic", "{data}", "-o", "{tmp}/r.pdf"],
            "neither with .html",
        ),
        (["evaluate", "--train", "{data}", "--synthetic", "{other}", "-o", "{tmp}/r.json"], "column"),
        (["info", "{tmp}"], "model"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_paragraph(folder, tmp_path, capsys, words, message):
    (folder / "other.csv").write_text("x,y\n1,2\n3,4\n")
    places = {
        "tmp": tmp_path,
        "folder": folder,
        "model": folder / "model",
        "data": folder / "data.csv",
        "other": folder / "other.csv",
    }
    assert main([*(word.format(**places) for word in words), "-q"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"tabdiff {words[0]}: error: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_trace_is_shown_if_wanted(capsys):
    assert main(["fit", "nowhere.csv", "-o", "m", "--traceback"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_wrong_words_end_with_2_and_help_with_0(capsys):
    for words in (["sample", "m"], ["nothing"], ["evaluate", "--fail-on", "speed"]):
        with pytest.raises(SystemExit, match="2"):
            main(words)
    for words in (["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)):
        with pytest.raises(SystemExit, match="0"):
            main(words)
    assert main([]) == 2
    assert "a first try" in capsys.readouterr().err


# --- help ---------------------------------------------------------------------------------------------------

COMMANDS = ("fit", "sample", "impute", "resample", "evaluate", "info")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_in_the_help_is_understood(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    examples = re.findall(r"^  (?:cat \S+ \| )?tabdiff (.*?)(?: [|>] .*)?$", shown, re.MULTILINE)
    assert examples
    for example in examples:
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', example)]
        assert build_parser().parse_args(words).command == command


def test_help_imports_next_to_nothing():
    code = (
        "import sys, time\n"
        "from tabdiff.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'pyarrow', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert time.process_time() < 0.3, time.process_time()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
