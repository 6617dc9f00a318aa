"""The first five minutes with a raw table, tabdiff beside others: seconds, fixes needed, what comes back.

    python benchmarks/first_five_minutes/run.py --peer mostlyai=/envs/mostlyai/bin/python \
        --peer sdv=/envs/sdv/bin/python --out benchmarks/results/first_five_minutes.json

The table has 5,000 rows and 8 columns (money, hour, 200 merchants, 4 countries, a flag, a time, a balance
that is missing in a tenth of the rows) and 2 % frauds; nothing is prepared by hand. Each tool runs in a fresh
process by the script `with_NAME.py` beside this file: tabdiff and SMOTENC in this interpreter's environment,
a peer in one of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from machine import describe_machine  # noqa: E402  (lies beside this folder)

OWN = ("tabdiff", "tabdiff_table", "smotenc")
N_ROWS = 5_000
IMPORTS = ("import tabdiff", "from tabdiff import DiffusionOverSampler")
STEPS = ("import", "fit", "first row", "positives")
BARS = {"import tabdiff": 0.3, "fit_resample": 60.0}  # CPU seconds; wall seconds


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run what the command line asks for, print it and return it."""
    args = parse_arguments(argv)
    tools = {name: sys.executable for name in OWN} | dict(peer.split("=", 1) for peer in args.peer)
    chosen = tools if args.only is None else {name: tools[name] for name in args.only}
    machine = describe_machine()
    imports = {code: import_seconds(code, args.repeats) for code in ("pass", *IMPORTS)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "payments.parquet"
        payments(N_ROWS, args.seed).to_parquet(path, index=False)
        results = {}
        for name, python in chosen.items():
            results[name] = run_tool(name, python, path, args.limit, args.threads)
            print(json.dumps({name: results[name]})[:300], file=sys.stderr, flush=True)
    report = {
        "benchmark": "first_five_minutes",
        "machine": machine,
        "threads": args.threads,
        "imports": imports,
        "tools": results,
    }
    report["bars"] = check_bars(report)
    print(as_text(report))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `argv` None means that of the process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--peer", action="append", default=[], metavar="NAME=PYTHON", help="interpreter of a peer"
    )
    parser.add_argument("--only", nargs="+", help="tools to run (default: all)")
    parser.add_argument("--threads", type=int, help="threads of each process (default: as installed)")
    parser.add_argument("--repeats", type=int, default=5, help="fresh processes for each import")
    parser.add_argument("--limit", type=float, default=600, help="wall seconds for one tool")
    parser.add_argument("--seed", type=int, default=0, help="of the table")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser.parse_args(argv)


def payments(n_rows: int, seed: int) -> pd.DataFrame:
    """A raw table of payments, 2 % of them frauds: larger, at night, more often abroad."""
    rng = np.random.default_rng(seed)
    fraud = np.zeros(n_rows, dtype=np.int64)
    fraud[rng.permutation(n_rows)[: n_rows // 50]] = 1
    day_hours, night_hours = rng.integers(7, 24, n_rows), rng.integers(0, 7, n_rows)
    hour = np.where(rng.random(n_rows) < np.where(fraud == 1, 0.7, 0.1), night_hours, day_hours)
    time = np.datetime64("2025-01-01", "s") + rng.integers(0, 365, n_rows) * np.timedelta64(86_400, "s")
    time = time + hour * np.timedelta64(3_600, "s") + rng.integers(0, 3_600, n_rows) * np.timedelta64(1, "s")
    abroad = rng.random(n_rows) < np.where(fraud == 1, 0.5, 0.1)
    merchants = np.array([f"merchant {i:03d}" for i in range(200)])
    shares = 1 / np.arange(1, 201)
    return pd.DataFrame(
        {
            "amount": rng.lognormal(3 + 1.5 * fraud, 1).round(2),
            "hour": hour,
            "merchant": rng.choice(merchants, n_rows, p=shares / shares.sum()),
            "country": np.where(abroad, rng.choice(["DE", "IT", "US"], n_rows), "AT"),
            "contactless": rng.random(n_rows) < 0.6,
            "time": time.astype("M8[us]"),
            "balance": np.where(rng.random(n_rows) < 0.1, np.nan, rng.gamma(2, 900, n_rows).round(2)),
            "fraud": fraud,
        }
    )


def import_seconds(code: str, repeats: int) -> dict[str, float]:
    """Median CPU and wall seconds of a fresh interpreter that runs the code and ends."""
    cpu, wall = [], []
    for _ in range(repeats + 1):
        before, started = _children_cpu(), time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        cpu.append(_children_cpu() - before)
        wall.append(time.perf_counter() - started)
    # the first one reads files that the others find in memory
    return {"cpu": round(statistics.median(cpu[1:]), 3), "wall": round(statistics.median(wall[1:]), 3)}


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_tool(name: str, python: str, path: Path, limit: float, threads: int | None) -> dict[str, Any]:
    """What a tool's script says, and the seconds of its whole process; what failed if it fails."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    env = os.environ | ({} if threads is None else dict.fromkeys(names, str(threads)))
    before, started = _children_cpu(), time.perf_counter()
    try:
        done = subprocess.run(
            [python, str(HERE / f"with_{name}.py"), str(path)],
            capture_output=True, text=True, timeout=limit, env=env, check=False,
            cwd=path.parent,  # some write files where they run
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"failed": f"more than {limit:g} s"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1][:300]}
    return {
        "process": {
            "cpu": round(_children_cpu() - before, 2),
            "wall": round(time.perf_counter() - started, 2),
        },
        **json.loads(done.stdout.strip().splitlines()[-1]),
    }


def check_bars(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The targets with what was measured; the import without what an empty interpreter takes."""
    bare = report["imports"]["pass"]["cpu"]
    found = {"import tabdiff": round(report["imports"]["import tabdiff"]["cpu"] - bare, 3)}
    sampler = report["tools"].get("tabdiff", {})
    if "seconds" in sampler:
        found["fit_resample"] = sampler["seconds"]["fit"]["wall"]
    return [
        {"bar": name, "value": value, "bound": BARS[name], "met": value < BARS[name]}
        for name, value in found.items()
    ]


def as_text(report: dict[str, Any]) -> str:
    """The report as it is printed: seconds are CPU / wall."""
    machine = report["machine"]
    lines = [
        "",
        f"{machine['cpu']}: {machine['usable_cores']} cores, load {machine['load_average']} at the start",
        "",
        *(f"{code:<44}{_pair(seconds)} s" for code, seconds in report["imports"].items()),
        "",
        f"{'CPU / wall seconds':<18}" + "".join(f"{step:>16}" for step in (*STEPS, "process")),
    ]
    for name, found in report["tools"].items():
        lines.append(
            f"{name:<18}" + (_timing(found) if "seconds" in found else f"  failed: {found['failed']}")
        )
    lines += ["", f"{'what comes back':<18}{'fixes':>7}{'positives':>14}{'missing':>16}  dtypes changed"]
    lines += [f"{name:<18}{_came_back(f)}" for name, f in report["tools"].items() if "seconds" in f]
    lines += [""]
    for bar in report["bars"]:
        state = "met" if bar["met"] else "MISSED"
        lines.append(f"{bar['bar']:<24}{bar['value']:>8.2f}  < {bar['bound']:<8g}{state}")
    return "\n".join(lines)


def _pair(seconds: dict[str, float] | None) -> str:
    return f"{'-':>16}" if seconds is None else f"{seconds['cpu']:>8.2f} /{seconds['wall']:>6.2f}"


def _timing(found: dict[str, Any]) -> str:
    steps = [found["seconds"].get(step) for step in STEPS]
    return "".join(map(_pair, [*steps, found["process"]]))


def _came_back(found: dict[str, Any]) -> str:
    missing = ", ".join(f"{real:.1%} -> {new:.1%}" for real, new in found["missing_share"].values())
    changed = ", ".join(f"{name}: {how}" for name, how in found["dtypes_changed"].items()) or "none"
    positives = f"{found['positives']}/{found['positives_asked']}"
    return f"{len(found['fixes']):>7}{positives:>14}{missing or 'none':>16}  {changed}"


if __name__ == "__main__":
    main()
