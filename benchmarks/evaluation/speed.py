"""What judging a table costs and finds: tabdiff beside other evaluators, on the same tables in one run.

    python benchmarks/evaluation/speed.py --peer sdmetrics=/envs/sdmetrics/bin/python \
        --peer anonymeter=/envs/anonymeter/bin/python --out benchmarks/results/evaluation_speed.json

Each evaluator runs in a process of its own, with one thread, on Parquet files; a peer runs in an environment
of its own, with its defaults, by the script of its name in `peers/`. Four synthetic tables of known quality
are judged: fresh rows of the same law, a copy of train, that copy in the order of train, independent columns.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

from tabdiff.datasets import make_transactions

HERE = Path(__file__).parent
CASES = ("fresh", "copy", "copy in order", "independent columns")
ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run what the command line asks for, print it and return it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[3_000, 30_000], help="rows of train")
    parser.add_argument(
        "--peer", action="append", default=[], metavar="NAME=PYTHON", help="interpreter of a peer"
    )
    parser.add_argument("--only", nargs="+", help="evaluators to run (default: all)")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--limit", type=float, default=600, help="wall seconds for one evaluation")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args(argv)
    evaluators = {"tabdiff": sys.executable} | dict(peer.split("=", 1) for peer in args.peer)
    machine, results = describe_machine(), []
    with tempfile.TemporaryDirectory() as folder:
        for n in args.rows:
            write_tables(Path(folder), n)
            for name, python in evaluators.items():
                for case in args.cases if args.only is None or name in args.only else []:
                    results.append(
                        {
                            "rows": n,
                            "evaluator": name,
                            "case": case,
                            **run(name, python, folder, case, args.limit),
                        }
                    )
                    print(json.dumps(results[-1])[:400], file=sys.stderr, flush=True)
    report = {"benchmark": "evaluation_speed", "machine": machine, "results": results}
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report  # fmt: skip


def write_tables(folder: Path, n: int) -> None:
    """Train, holdout and the synthetic tables of n rows, as Parquet."""
    train, holdout, fresh = (make_transactions(size, seed) for seed, size in enumerate((n, n // 2, n)))
    rng = np.random.default_rng(0)
    shuffled = {name: train[name].to_numpy()[rng.permutation(n)] for name in train}
    tables = {
        "train": train,
        "holdout": holdout,
        "fresh": fresh,
        "copy": train.sample(frac=1, random_state=0),
        "copy in order": train,
        "independent columns": pd.DataFrame(shuffled),
    }
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)


def run(name: str, python: str, folder: str, case: str, limit: float) -> dict[str, Any]:
    """Seconds, peak memory and answers of one evaluator on one synthetic table; what failed if it fails."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [python, str(HERE / "peers" / f"{name}.py"), folder, case]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, env=os.environ | ONE_THREAD, check=False,
            cwd=folder,  # some write files where they run
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"failed": f"more than {limit:g} s"}
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1][:300]}
    return {
        "process_cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "wall_seconds": round(time.perf_counter() - started, 2),
        **json.loads(done.stdout.strip().splitlines()[-1]),
    }


if __name__ == "__main__":
    main()
