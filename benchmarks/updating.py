"""What `update` costs, and what it remembers: a learned table goes on with new rows, beside a fit afresh.

    python benchmarks/updating.py adult_train.parquet --out benchmarks/results/updating.json

The table is cut in two by one of its columns, so that the new part has another law than the old: for Adult,
people of 40 years and more come later, and all their ages are out of the old range. With `--by sex --value
Female` rows with this label come later, and with `--share .1` a tenth of the rows at random, whose law is
the old one. Three models of the same seed are judged against the whole table and
against its old part: one of the old part, the same after an update with the new part, one fitted afresh on
both.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from adult_quick import hgb_c2st, read_table, timed, write_json
from machine import describe_machine

from tabdiff import TableSynthesizer
from tabdiff.evaluation.published import shape_error, trend_error


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark, print it and return what was printed."""
    args = parse_arguments(argv)
    table = read_table(args.table)
    is_new = later(table, args)
    old, new = table[~is_new].reset_index(drop=True), table[is_new].reset_index(drop=True)
    models = {}
    limits = {"target": args.target, "random_state": args.seed, "max_steps": args.max_steps}
    model, wall, cpu = timed(lambda: TableSynthesizer(**limits).fit(old))
    models["old part"] = report(model, wall, cpu, table, is_new, args.seed)
    steps = None if args.max_steps is None else args.max_steps // 8
    model, wall, cpu = timed(lambda: model.set_params(max_steps=steps).update(new))
    models["updated"] = report(model, wall, cpu, table, is_new, args.seed)
    model, wall, cpu = timed(lambda: TableSynthesizer(**limits).fit(table))
    models["fitted afresh"] = report(model, wall, cpu, table, is_new, args.seed)
    result = {
        "benchmark": "updating",
        "arguments": {
            key: value.name if isinstance(value, Path) else value
            for key, value in vars(args).items()
            if key != "out"
        },
        "machine": describe_machine(),
        "rows": {"old": len(old), "new": len(new)},
        "models": models,
        "share_of_time": models["updated"]["cpu_seconds"] / models["fitted afresh"]["cpu_seconds"],
    }
    print(pd.DataFrame(models).T.to_string(float_format="%.3f"))
    print(f"the update took {result['share_of_time']:.0%} of the CPU time of fitting afresh")
    if args.out:
        write_json(args.out, result)
    return result


def later(table: pd.DataFrame, args: argparse.Namespace) -> pd.Series:
    """Which rows come later."""
    if args.share is not None:
        chosen = np.random.default_rng(args.seed).random(len(table)) < args.share
        return pd.Series(chosen, index=table.index)
    column = table[args.by]
    return column >= args.from_value if args.value is None else column == args.value


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `argv` None means that of the process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", type=Path, help=".parquet or .csv")
    parser.add_argument("--target", default="income", help="target column (default: %(default)s)")
    parser.add_argument("--by", default="age", help="column that tells old from new (default: %(default)s)")
    parser.add_argument(
        "--from-value", type=float, default=40, help="new rows have at least this (%(default)s)"
    )
    parser.add_argument("--value", help="new rows have this one instead, in a column of text")
    parser.add_argument("--share", type=float, help="new rows are this share of all, at random")
    parser.add_argument("--max-steps", type=int, help="of a fit (default: by the number of rows)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser.parse_args(argv)


def report(
    model: TableSynthesizer, wall: float, cpu: float, table: pd.DataFrame, is_new: pd.Series, seed: int
) -> dict[str, float]:
    """Seconds and steps, and distances of as many drawn rows from the whole table and from its old part.

    Rows drawn count as of the old part by the same rule as real ones; all of them may, if that is chance.
    """
    rows = model.sample(len(table), random_state=seed)
    old = table[~is_new]
    if is_new.name is None:
        drawn_old = rows[: len(old)]
    else:
        drawn_old = rows[rows[is_new.name].isin(old[is_new.name].unique())]
    return {
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "steps": model.history_.n_steps,
        "share_of_new": 1 - len(drawn_old) / len(rows),
        "shape_error": shape_error(table, rows),
        "trend_error": trend_error(table, rows),
        "c2st": hgb_c2st(table, rows, seed),
        "old_shape_error": shape_error(old, drawn_old),
        "old_trend_error": trend_error(old, drawn_old),
        "old_c2st": hgb_c2st(old, drawn_old, seed),
    }


if __name__ == "__main__":
    main()
