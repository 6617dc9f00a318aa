"""The field's benchmark of windows: Stocks, ETTh1 and Energy, with floors and a protocol that holds out.

    python benchmarks/series/windows.py run --data FOLDER --out lines.jsonl --length 24
    python benchmarks/series/windows.py summary lines.jsonl --out benchmarks/results/series_windows.csv

Channels are scaled to [0, 1] by the minimum and maximum of the whole series, and windows taken with stride 1.

field    all windows are trained on and are the evaluation set as well: this is what papers print, and a copy
         is perfect
blocked  windows of the first 80 % of the rows, less a gap of one window, are trained on; those of the last
         20 % are the evaluation set. The line of "copy" then tells what the drift of the series alone costs

Every line has the four scores of `tabdiff.evaluation.published.series` (mean, half of the 95 % interval and
values over the seeds of the evaluator), and the median distance of the generated windows to the nearest
training window over that of the windows held out of the blocked protocol to those it trains on: where the
series drifts, as Stocks do, the latter lie far off and the ratio is small without any copying. Generated
windows are clipped to [0, 1]. Seconds of CPU are those of this process over all threads. A line that the file
holds is not run again; `--quick` is for a first look: two seeds and fewer steps of the evaluator.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from generators import GENERATORS, Budget
from numpy.typing import NDArray

from tabdiff.evaluation.published.series import (
    context_fid,
    correlational_score,
    discriminative_score,
    nearest_window_distance,
    over_seeds,
    predictive_score,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine

Windows = NDArray[np.float64]
FILES = {"stocks": "ts_stock_goog", "etth1": "ts_etth1", "energy": "ts_energy_appliances"}
LENGTHS = (24, 64, 128, 256)
TRAIN_SHARE = 0.8
KEYS = ("set", "length", "protocol", "generator", "generator_seed", "quick", "max_seconds", "max_steps")
SCORES = ("discriminative", "predictive", "context_fid", "correlational")


@dataclass(frozen=True)
class Effort:
    """Seeds and steps of the evaluator; None steps of Context-FID are those of its definition."""

    seeds: int
    discriminative: int
    predictive: int
    context_fid: int | None


FULL = Effort(5, 2000, 5000, None)
QUICK = Effort(2, 1000, 2000, 300)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark, or turn its lines into a table."""
    args = parse_arguments(argv)
    if args.command == "summary":
        table = summary(args.lines)
        print(table.to_string(index=False))
        if args.out:
            table.to_csv(args.out, index=False)
        return
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = read_done(args.out)
    for case in cases(args):
        if tuple(case.values()) not in done:
            line = case | run_case(case, args)
            with args.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
            print(as_text(line), flush=True)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `argv` None means that of the process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="fit, sample, score")
    run.add_argument("--data", type=Path, required=True, help="folder with the Parquet files")
    run.add_argument("--out", type=Path, required=True, help="JSON lines, appended to")
    run.add_argument("--sets", nargs="+", choices=list(FILES), default=list(FILES))
    run.add_argument("--length", nargs="+", type=int, choices=LENGTHS, default=[24])
    run.add_argument("--protocols", nargs="+", choices=["field", "blocked"], default=["field", "blocked"])
    run.add_argument("--generators", nargs="+", choices=list(GENERATORS), default=list(GENERATORS))
    run.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of the generator")
    run.add_argument("--seconds", type=float, default=180.0, help="limit for fit (default: %(default)s)")
    run.add_argument(
        "--steps", type=int, help="training steps of tabdiff (default: by the number of windows)"
    )
    run.add_argument("--quick", action="store_true", help="a cheap evaluator; not for publishing")
    table = commands.add_parser("summary", help="lines to a table")
    table.add_argument("lines", type=Path, nargs="+")
    table.add_argument("--out", type=Path, help="CSV file to write")
    return parser.parse_args(argv)


def read_done(path: Path) -> set[tuple[Any, ...]]:
    """The cases that are in the file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {tuple(json.loads(line).get(key) for key in KEYS) for line in lines}


def cases(args: argparse.Namespace) -> list[dict[str, Any]]:
    """What the command line asks for, one entry for each line to write."""
    return [
        dict(
            zip(
                KEYS,
                (name, length, protocol, generator, seed, args.quick, args.seconds, args.steps),
                strict=True,
            )
        )
        for length in args.length
        for name in args.sets
        for protocol in args.protocols
        for seed in args.seeds
        for generator in args.generators
    ]


def run_case(case: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """Fit one generator, draw as many windows as the evaluation set has, and score them."""
    machine = describe_machine()
    series = read_series(args.data / f"{FILES[case['set']]}.parquet")
    blocks = blocked(series, case["length"])
    train, real = blocks if case["protocol"] == "blocked" else (windows_of(series, case["length"]),) * 2
    started = time.process_time(), time.perf_counter()
    sample = GENERATORS[case["generator"]](
        train, case["generator_seed"], Budget(case["max_seconds"], case["max_steps"])
    )
    fitted = time.process_time(), time.perf_counter()
    fake = np.clip(sample(len(real)), 0, 1)
    drawn = time.process_time(), time.perf_counter()
    scores = score(real, fake, QUICK if args.quick else FULL)
    near, yardstick = nearest_window_distance(train, fake, seed=0), nearest_window_distance(*blocks, seed=0)
    return {
        **scores,
        "nearest_window_ratio": near / yardstick,
        "nearest_window_distance": {"fake": near, "held_out": yardstick},
        "windows": {"train": len(train), "real": len(real), "fake": len(fake)},
        "fit_cpu_seconds": fitted[0] - started[0],
        "fit_seconds": fitted[1] - started[1],
        "sample_cpu_seconds": drawn[0] - fitted[0],
        "sample_seconds": drawn[1] - fitted[1],
        "score_cpu_seconds": time.process_time() - drawn[0],
        "evaluator": asdict(QUICK if args.quick else FULL),
        "machine": machine,
    }


def read_series(path: Path) -> Windows:
    """(rows, D) numeric columns, each scaled to [0, 1] by its minimum and maximum over all rows."""
    cells = pd.read_parquet(path).select_dtypes("number").to_numpy(dtype=np.float64)
    low, high = cells.min(axis=0), cells.max(axis=0)
    return (cells - low) / (high - low)


def windows_of(series: Windows, length: int) -> Windows:
    """(rows - length + 1, length, D): the windows of a series with stride 1."""
    return np.lib.stride_tricks.sliding_window_view(series, length, axis=0).transpose(0, 2, 1)


def blocked(series: Windows, length: int) -> tuple[Windows, Windows]:
    """Windows of the first 80 % of the rows less a gap of `length` rows, and those of the last 20 %."""
    cut = round(TRAIN_SHARE * len(series))
    return windows_of(series[: cut - length], length), windows_of(series[cut:], length)


def score(real: Windows, fake: Windows, effort: Effort) -> dict[str, Any]:
    """The four scores over the seeds of the evaluator."""
    scores: dict[str, Callable[[int], float]] = {
        "discriminative": partial(discriminative_score, real, fake, n_iterations=effort.discriminative),
        "predictive": partial(predictive_score, real, fake, n_iterations=effort.predictive),
        "context_fid": partial(context_fid, real, fake, n_iterations=effort.context_fid),
        "correlational": partial(correlational_score, real, fake),
    }
    return {name: asdict(over_seeds(of_seed, effort.seeds)) for name, of_seed in scores.items()}


def as_text(line: dict[str, Any]) -> str:
    """One line of the result for people."""
    name = " ".join(str(line[key]) for key in KEYS[:5])
    told = "  ".join(f"{key} {line[key]['mean']:.4f}±{line[key]['half_width']:.4f}" for key in SCORES)
    cpu = f"{line['fit_cpu_seconds']:.1f} + {line['sample_cpu_seconds']:.1f} CPU s"
    return f"{name}: {told}  nearest {line['nearest_window_ratio']:.3f}  {cpu}"


def summary(paths: Sequence[Path]) -> pd.DataFrame:
    """One row for each set, length, protocol, generator and effort: means over the seeds of the generator.

    For each score: the mean, the mean half width of the interval over evaluator seeds, and the standard
    deviation between generator seeds (NaN for one).
    """
    lines = [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    figures = ["nearest_window_ratio", "fit_cpu_seconds", "sample_cpu_seconds"]
    rows = pd.DataFrame(
        {key: line.get(key) for key in (*KEYS, *figures)}
        | {name: line[name]["mean"] for name in SCORES}
        | {f"{name} ±": line[name]["half_width"] for name in SCORES}
        for line in lines
    )
    groups = rows.groupby([key for key in KEYS if key != "generator_seed"], sort=False, dropna=False)
    table = groups[[*(part for name in SCORES for part in (name, f"{name} ±")), *figures]].mean()
    for name in SCORES:
        at = table.columns.get_loc(f"{name} ±") + 1
        table.insert(at, f"{name} between seeds", groups[name].std())
    table.insert(0, "generator_seeds", groups.size())
    return table.round(5).reset_index()


if __name__ == "__main__":
    main()
