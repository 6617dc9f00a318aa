"""How long `fit_resample` takes at its defaults, on whole tables balanced one to one, beside SMOTE.

python benchmarks/imbalance/speed.py --data DIRECTORY --out benchmarks/results/imbalance_speed.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rivals import rivals
from tables import load

from tabdiff import DiffusionOverSampler

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine

WHOLE = 10**9


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of the tables as Parquet")
    parser.add_argument("--tables", nargs="*", default=["mammography", "ulb_card", "bank_marketing"])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args(argv)
    report: dict[str, Any] = {"machine": describe_machine(), "tables": {}}
    for name in args.tables:
        X, y = load(name, args.data, WHOLE, 0)
        found: dict[str, Any] = {"rows": len(y), "columns": X.shape[1]}
        sampler = DiffusionOverSampler(random_state=0)
        for words, resample in (
            ("tabdiff", lambda sampler=sampler, X=X, y=y: sampler.fit_resample(X, y)),
            ("tabdiff, seen before", lambda sampler=sampler, X=X, y=y: sampler.fit_resample(X, y)),
            ("SMOTE", rivals(X, y.to_numpy(), 0)["smote 1.0"]),
        ):
            started = time.perf_counter(), time.process_time()
            resample()
            seconds = time.perf_counter() - started[0], time.process_time() - started[1]
            found[words] = {"wall_seconds": seconds[0], "cpu_seconds": seconds[1]}
        report["tables"][name] = found
        print(name, found, flush=True)
        if args.out:
            args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


if __name__ == "__main__":
    main()
