"""What synthetic rare rows tell of the real ones, by an attack on membership, and the seconds they take.

    python benchmarks/imbalance/leakage.py --data DIRECTORY --out benchmarks/results/imbalance_leakage.json

Half of the rare rows are used, half kept away. Who has the synthetic rows and guesses by nearness which rare
rows were used is right with this AUC; .5 is chance.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ours import samplers
from rivals import rivals
from tables import load

from tabdiff.evaluation.privacy import leak_score

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine

DEFAULT_TABLES = ["mammography", "ulb_card", "annthyroid", "wine_white", "coil2000", "openml_churn"]
RATIO = "0.3"


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the attacks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of the tables as Parquet")
    parser.add_argument("--tables", nargs="*", default=DEFAULT_TABLES)
    parser.add_argument("--max-rows", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args(argv)
    report: dict[str, Any] = {"machine": describe_machine(), "ratio": float(RATIO), "tables": {}}
    for name in args.tables:
        report["tables"][name] = attacked(*load(name, args.data, args.max_rows, args.seed), args.seed)
        print(name, report["tables"][name], flush=True)
        if args.out:
            args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def attacked(X: pd.DataFrame, y: pd.Series, seed: int) -> dict[str, Any]:
    """The attack's AUC and the seconds of each way at the same ratio."""
    rng = np.random.default_rng(seed)
    rare = rng.permutation(np.flatnonzero(y == 1))
    used, away = np.array_split(rare, 2)
    rows = np.sort(np.concatenate([np.flatnonzero(y == 0), used]))
    inside, classes = X.iloc[rows].reset_index(drop=True), y.iloc[rows].to_numpy()
    arms = rivals(inside, classes, seed) | samplers(inside, classes, seed)
    found: dict[str, Any] = {"rare rows used": len(used)}
    for arm in (f"bootstrap {RATIO}", f"smote {RATIO}", f"tabdiff {RATIO}"):
        started = time.perf_counter(), time.process_time()
        made = arms[arm]()
        new = made.X.iloc[len(rows) :]
        seconds = time.perf_counter() - started[0], time.process_time() - started[1]
        attack = leak_score(X.iloc[used], new, X.iloc[away], seed=seed)
        found[arm] = {
            "auc": [attack.value, attack.lo, attack.hi],
            "wall_seconds": seconds[0],
            "cpu_seconds": seconds[1],
        }
    return found


if __name__ == "__main__":
    main()
