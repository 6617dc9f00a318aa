"""Run the 22 known answers, and the defects they must notice, at several sizes and seeds; keep what came out.

    python benchmarks/evaluation/known_answers.py --out benchmarks/results/evaluation_known_answers.json

The cases themselves are in `tests/evaluation/known_answers.py`, the defects beside them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "evaluation"), str(ROOT / "benchmarks")]
from known_answers import CASES  # noqa: E402  (the cases, not this file)
from machine import describe_machine  # noqa: E402


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run what the command line asks for, print it and return it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 3_000, 10_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args(argv)
    jobs = [(name, n, seed) for name in CASES for n in args.rows for seed in args.seeds]
    report: dict[str, Any] = {"benchmark": "evaluation_known_answers", "machine": describe_machine()}
    with ProcessPoolExecutor(args.workers) as pool:
        report["cases"] = list(pool.map(run, jobs))
    report["answered"] = {
        f"{n} rows": sum(
            all(case["right"] for case in report["cases"] if (case["case"], case["rows"]) == (name, n))
            for name in CASES
        )
        for n in args.rows
    }
    report["defects"] = defects_noticed()
    print(json.dumps({key: report[key] for key in ("answered", "defects")}, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def run(job: tuple[str, int, int]) -> dict[str, Any]:
    """One case: whether the answer was right, else what was said."""
    name, n, seed = job
    started, wrong = time.process_time(), ""
    try:
        CASES[name](n, seed)
    except (AssertionError, pytest.fail.Exception) as error:
        wrong = str(error)[:500] or repr(error)
    seconds = round(time.process_time() - started, 2)
    if wrong:
        print(name, n, seed, wrong, file=sys.stderr, flush=True)
    return {"case": name, "rows": n, "seed": seed, "right": not wrong, "wrong": wrong, "cpu_seconds": seconds}


def defects_noticed() -> dict[str, Any]:
    """How many of the planted defects the tests notice."""
    counted: dict[str, bool] = {}

    class Counter:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.when == "call" and "notices" in report.nodeid:
                number = report.nodeid.split("[")[1].split("-")[0]
                counted[number] = counted.get(number, True) and report.passed

    tests = ROOT / "tests" / "evaluation" / "test_known_defects.py"
    pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", str(tests)], plugins=[Counter()])
    return {"noticed": sum(counted.values()), "of": len(counted), "each": counted}


if __name__ == "__main__":
    main()
