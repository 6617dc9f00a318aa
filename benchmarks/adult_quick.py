"""Fit one table within a time limit, sample it, and hold the result against the bars of the goal.

    python benchmarks/adult_quick.py --train adult_train.parquet --test adult_test.parquet

Made for Adult (32,561 x 15); any Parquet or CSV table with a target column works. The README beside this
file explains the figures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import describe_machine

from tabdiff.evaluation.published import shape_error, trend_error

Report = dict[str, Any]

# name, path in the report, bound, "at most" or "at least"
BARS = (
    ("Shape error, %", ("synthetic", "shape_error"), 1.0, "<="),
    ("Trend error, %", ("synthetic", "trend_error"), 2.5, "<="),
    ("sampled rows per second", ("timing", "rows_per_second"), 5_000.0, ">="),
    ("fit, wall seconds", ("timing", "fit_wall_seconds"), 120.0, "<="),
)
MAX_LEVELS = 255  # of a categorical column, in HistGradientBoostingClassifier


def main(argv: Sequence[str] | None = None) -> Report:
    """Run the benchmark that the command line asks for, print it, and return what was printed."""
    args = parse_arguments(argv)
    machine = describe_machine()
    train = read_table(args.train)
    holdout = read_table(args.test) if args.test else None
    synthetic, timing = fit_and_sample(train, args.target, args.seed, args.seconds, args.steps_sampler)
    report = {
        "benchmark": "adult_quick",
        "arguments": {
            "train": args.train.name,
            "test": args.test.name if args.test else None,
            "target": args.target,
            "seconds": args.seconds,
            "steps_sampler": args.steps_sampler,
            "seed": args.seed,
        },
        "machine": machine,
        "train_shape": list(train.shape),
        "timing": timing,
        "missing": compare_missing(train, synthetic),
        **judge_all(train, synthetic, holdout, args.seed, args.xgb_c2st),
    }
    report["bars"] = check_bars(report)
    print(as_text(report))
    if args.out:
        write_json(args.out, report)
    return report


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `argv` None means that of the process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--train", type=Path, required=True, help="table to learn, .parquet or .csv")
    parser.add_argument("--test", type=Path, help="real table to compare with, same columns")
    parser.add_argument("--target", default="income", help="target column (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=120.0, help="limit for fit (default: %(default)s)")
    parser.add_argument("--steps-sampler", type=int, default=32, help="sampling steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--xgb-c2st", action="store_true", help="add the two-sample test (see README: HGB)")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser.parse_args(argv)


def read_table(path: Path) -> pd.DataFrame:
    """A Parquet or CSV file as a frame; any other suffix is a ValueError."""
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
    if path.suffix not in readers:
        raise ValueError(f"cannot read {path}: its suffix is {path.suffix!r}. Known: {sorted(readers)}.")
    return readers[path.suffix](path)


def fit_and_sample(
    train: pd.DataFrame, target: str, seed: int, seconds: float, sampling_steps: int
) -> tuple[pd.DataFrame, dict[str, float]]:
    """As many synthetic rows as there are training rows, and the seconds that fitting and sampling took.

    CPU seconds are those of this process, all its threads together.
    """
    from tabdiff import TableSynthesizer

    model = TableSynthesizer(
        target=target, random_state=seed, max_seconds=seconds, sampling_steps=sampling_steps, verbose=True
    )
    _, fit_wall, fit_cpu = timed(lambda: model.fit(train))
    synthetic, sample_wall, sample_cpu = timed(lambda: model.sample(len(train)))
    return synthetic, {
        "fit_wall_seconds": fit_wall,
        "fit_cpu_seconds": fit_cpu,
        "sample_wall_seconds": sample_wall,
        "sample_cpu_seconds": sample_cpu,
        "rows_per_second": len(train) / sample_wall,
    }


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What `work` returns, and the wall and CPU seconds it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def judge_all(
    train: pd.DataFrame, synthetic: pd.DataFrame, holdout: pd.DataFrame | None, seed: int, with_c2st: bool
) -> dict[str, dict[str, float] | None]:
    """The same figures for the synthetic table, for real held-out rows, and for independent columns."""
    tables = {
        "synthetic": synthetic,
        "real_holdout": holdout,
        "independent_columns": shuffle_columns(train, seed),
    }
    return {
        name: None if table is None else judge(train, table, seed, with_c2st)
        for name, table in tables.items()
    }


def judge(train: pd.DataFrame, table: pd.DataFrame, seed: int, with_c2st: bool) -> dict[str, float]:
    """Distances of a table from train, and how many of its rows are rows of train."""
    copies = count_copies(train, table)
    figures = {
        "shape_error": shape_error(train, table),
        "shape_error_missing_as_level": shape_error(missing_as_level(train), missing_as_level(table)),
        "trend_error": trend_error(train, table),
        "rows": len(table),
        "copies_of_train_rows": copies,
        "copies_share": copies / len(table),
    }
    return {**figures, "hgb_c2st": hgb_c2st(train, table, seed)} if with_c2st else figures


def shuffle_columns(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Every column in an order of its own: exact shares, no relation between columns."""
    rng = np.random.default_rng(seed)
    columns = {name: table[name].iloc[rng.permutation(len(table))].array for name in table.columns}
    return pd.DataFrame(columns)


def missing_as_level(table: pd.DataFrame) -> pd.DataFrame:
    """Missing cells of non-numeric columns written as '?', as in the raw Adult files."""
    texts = [name for name in table.columns if table[name].dtype.kind == "O"]
    return table.assign(
        **{name: table[name].astype(object).where(table[name].notna(), "?") for name in texts}
    )


def count_copies(train: pd.DataFrame, table: pd.DataFrame) -> int:
    """Rows of `table` that equal some row of `train` in every column; missing equals missing."""
    known = set(as_tuples(train))
    return sum(row in known for row in as_tuples(table[train.columns]))


def as_tuples(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Rows as plain tuples, None where missing."""
    columns = [table[name].astype(object).where(table[name].notna(), None) for name in table.columns]
    return list(zip(*columns, strict=True))


def compare_missing(train: pd.DataFrame, synthetic: pd.DataFrame) -> dict[str, Any]:
    """Missing cells of the synthetic table, apart for columns with and without missing cells in train.

    share_train, share_synthetic: share of missing cells in the columns where train has any, or None.
    cells_outside, share_outside: missing synthetic cells in the columns where train has none; ideally 0.
    """
    has_missing = train.isna().any()
    holed, whole = train.columns[has_missing], train.columns[~has_missing]
    outside = synthetic[whole].isna().to_numpy()
    return {
        "share_train": float(train[holed].isna().to_numpy().mean()) if len(holed) else None,
        "share_synthetic": float(synthetic[holed].isna().to_numpy().mean()) if len(holed) else None,
        "cells_outside": int(outside.sum()),
        "share_outside": float(outside.mean()) if outside.size else 0.0,
    }


def hgb_c2st(train: pd.DataFrame, table: pd.DataFrame, seed: int) -> float:
    """How badly gradient boosting tells the two tables apart: 1 not at all, 0 perfectly.

    Mean over three stratified folds of 1 - (2 max(1/2, AUC) - 1). Not the published XGB-C2ST: the boosting is
    scikit-learn's, so its values compare only with each other.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import make_scorer, roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    features, is_level = encode_for_boosting(pd.concat([train, table[train.columns]], ignore_index=True))
    is_synthetic = np.repeat([0, 1], [len(train), len(table)])
    auc = cross_val_score(
        HistGradientBoostingClassifier(categorical_features=is_level, random_state=seed),
        features,
        is_synthetic,
        scoring=make_scorer(roc_auc_score, response_method="predict_proba"),
        cv=StratifiedKFold(n_splits=3, shuffle=True, random_state=seed),
    )
    return float(np.mean(1 - (2 * np.maximum(0.5, auc) - 1)))


def encode_for_boosting(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, F) as floats, NaN where missing, and which of the F are levels (F,).

    Levels are numbered by falling frequency; those beyond the classifier's limit share the last number.
    """
    is_level = np.array([table[name].dtype.kind not in "iufMm" for name in table.columns])
    columns = [
        _level_ranks(table[name]) if level else _numbers(table[name])
        for name, level in zip(table.columns, is_level, strict=True)
    ]
    return np.column_stack(columns), is_level


def _numbers(column: pd.Series) -> np.ndarray:
    """Cells as floats, NaN where missing; times as seconds since the first one."""
    numbers = (column - column.min()).dt.total_seconds() if column.dtype.kind in "Mm" else column
    return numbers.to_numpy(dtype=float, na_value=np.nan)


def _level_ranks(column: pd.Series) -> np.ndarray:
    """Rank of each cell's level by frequency, from 0, at most MAX_LEVELS - 1; NaN where missing."""
    values = column.astype(object)
    ranks = {level: min(rank, MAX_LEVELS - 1) for rank, level in enumerate(values.value_counts().index)}
    return values.map(ranks).to_numpy(dtype=float)


def check_bars(report: Report) -> list[dict[str, Any]]:
    """Every bar of the goal with its value, its bound and whether it is met."""
    bars = []
    for name, (part, key), bound, relation in BARS:
        value = report[part][key]
        met = value <= bound if relation == "<=" else value >= bound
        bars.append({"bar": name, "value": value, "bound": bound, "relation": relation, "met": bool(met)})
    return bars


def as_text(report: Report) -> str:
    """The report as it is printed."""
    return "\n".join(
        [
            "",
            *_machine_lines(report["machine"]),
            *_timing_lines(report),
            "",
            *_table_lines(report),
            "",
            *_missing_lines(report["missing"]),
            "",
            *_bar_lines(report["bars"]),
        ]
    )


def _machine_lines(machine: dict[str, Any]) -> list[str]:
    """Processor, threads and load at the start."""
    gpu = f", {machine['gpu']}" if machine["gpu"] else ""
    threads, cores = machine["torch_threads"], machine["usable_cores"] or machine["cores"]
    return [
        f"{machine['cpu']}{gpu}: {cores} cores, {threads} torch threads, "
        f"load {machine['load_average']} at the start"
    ]


def _timing_lines(report: Report) -> list[str]:
    """Seconds and rows per second."""
    timing, (n_rows, n_columns) = report["timing"], report["train_shape"]
    return [
        f"{report['arguments']['train']}: {n_rows:,} rows x {n_columns} columns",
        f"fit     {timing['fit_wall_seconds']:8.1f} s wall {timing['fit_cpu_seconds']:8.1f} s CPU",
        f"sample  {timing['sample_wall_seconds']:8.1f} s wall {timing['sample_cpu_seconds']:8.1f} s CPU"
        f" {timing['rows_per_second']:10,.0f} rows/s",
    ]


def _table_lines(report: Report) -> list[str]:
    """One row per judged table."""
    titles = {
        "shape_error": "Shape %",
        "shape_error_missing_as_level": "Shape %, '?'",
        "trend_error": "Trend %",
        "copies_of_train_rows": "copies",
        "hgb_c2st": "HGB-C2ST",
    }
    shown = [key for key in titles if key in report["synthetic"]]
    lines = [f"{'against train':<20}" + "".join(f"{titles[key]:>14}" for key in shown)]
    for name in ("synthetic", "real_holdout", "independent_columns"):
        cells = [_cell(report[name], key) for key in shown]
        lines.append(f"{name.replace('_', ' '):<20}" + "".join(cells))
    if "hgb_c2st" in shown:
        lines.append("HGB-C2ST is computed with scikit-learn's boosting; it is not the published XGB-C2ST.")
    return lines


def _cell(figures: dict[str, float] | None, key: str) -> str:
    """One figure, right-aligned; a dash where there is no table."""
    if figures is None:
        return f"{'-':>14}"
    return f"{figures[key]:>14,}" if isinstance(figures[key], int) else f"{figures[key]:>14.3f}"


def _missing_lines(missing: dict[str, Any]) -> list[str]:
    """Missing cells where they belong and where they do not."""
    inside = (
        "no column of train has missing cells"
        if missing["share_train"] is None
        else f"missing in columns of train that have any: synthetic {missing['share_synthetic']:.3%}, "
        f"train {missing['share_train']:.3%}"
    )
    return [
        inside,
        f"missing in columns of train that have none: {missing['cells_outside']:,} cells, "
        f"{missing['share_outside']:.3%}",
    ]


def _bar_lines(bars: list[dict[str, Any]]) -> list[str]:
    """One row per bar."""
    return [f"{'bar':<26}{'value':>12}{'bound':>12}   met"] + [
        f"{bar['bar']:<26}{bar['value']:>12,.2f}{bar['relation']:>4}{bar['bound']:>8,.1f}   "
        + ("yes" if bar["met"] else "NO")
        for bar in bars
    ]


def write_json(path: Path, report: Report) -> None:
    """Write the report as one whole file: readers see the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".tmp")
    draft.write_text(json.dumps(_without_nan(report), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    draft.replace(path)


def _without_nan(value: Any) -> Any:
    """The same structure with None for NaN, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


if __name__ == "__main__":
    main()
