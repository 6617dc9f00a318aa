"""Measure whether alarms ring at their stated rate, intervals hold the truth, and what would be found.

    python benchmarks/evaluation/calibration.py --runs 300 --out benchmarks/results/evaluation_calibration.json
    python benchmarks/evaluation/calibration.py --runs 0 --power 20 --out benchmarks/results/evaluation_power.json

Every table is an independent draw of one known law (`tabdiff.datasets.make_transactions`), so that nothing
leaks and the truth of every figure is known. With --power, near-copies of k outliers of train are planted.
"""  # noqa: E501

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

from tabdiff.datasets import make_transactions
from tabdiff.evaluation import evaluate
from tabdiff.evaluation.comparison import budget_of
from tabdiff.evaluation.intervals import clopper_pearson, holm
from tabdiff.evaluation.registry import MEASURES

FRAUD_RATE = 0.1
LARGE = 20_000  # holdout rows that stand for the law where the truth depends on the fitted models
# what a perfect sample scores on average: the intervals have to hold it
TRUTH = {
    "privacy.mia.auc": 0.5,
    "privacy.mia.rare.auc": 0.5,
    "privacy.attribute_inference": 0.0,
    "privacy.linkability": 0.0,
    "privacy.singling_out": 0.0,
    "fidelity.c2st.auc": 0.5,
    "fidelity.c2st.rare.auc": 0.5,
    "fidelity.rare.share": 0.0,
    "fidelity.pairs.score": 0.0,
    "fidelity.pairs.target": 0.0,
    "fidelity.marginal.mean": 0.0,
}
FITTED = ("utility.tstr.gap", "utility.augmentation.gain")


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run what the command line asks for, print it and return it."""
    args = parse_arguments(argv)
    machine, started = describe_machine(), time.perf_counter()
    report: dict[str, Any] = {"benchmark": "evaluation_calibration", "machine": machine}
    report["arguments"] = {key: value for key, value in vars(args).items() if key != "out"}
    with ProcessPoolExecutor(args.workers) as pool:
        if args.runs:
            jobs = [(args.rows, args.holdout, seed) for seed in range(args.first, args.first + args.runs)]
            report["null"] = summarise_null(list(pool.map(leak_free, jobs)), args.alpha)
        if args.power:
            report["power"] = summarise_power(pool, args)
    report["wall_seconds"] = time.perf_counter() - started
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `argv` None means that of the process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200, help="leak-free runs (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first run")
    parser.add_argument("--rows", type=int, default=1_000, help="rows of train (default: %(default)s)")
    parser.add_argument("--holdout", type=int, default=1_000, help="rows held out (default: %(default)s)")
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--power", type=int, default=0, help="repetitions of each point of the power curve")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser.parse_args(argv)


def leak_free(job: tuple[int, int, int]) -> dict[str, Any]:
    """One run in which nothing leaks: verdict, p-values and intervals, each with the truth it should hold."""
    n, n_holdout, seed = job
    sizes = (n, n_holdout, n, LARGE)
    train, holdout, fresh, large = (
        make_transactions(size, 10_000 + 4 * seed + i, FRAUD_RATE) for i, size in enumerate(sizes)
    )
    asked = {"train": train, "synthetic": fresh, "target": "fraud", "references": False}
    report = evaluate(**asked, holdout=holdout, budget="fast", seed=seed)
    # the same question of other model seeds and many rows: what the interval of the small one should hold
    truth = TRUTH | models_truth(asked, large, seed)
    return {
        "privacy": report.verdict.privacy,
        "fidelity": report.verdict.fidelity,
        "utility": report.verdict.utility,
        "p": {e.name: e.p_value for e in report.estimates.values() if e.p_value is not None},
        "held": {
            name: report[name].lo <= truth[name] <= report[name].hi
            for name in truth
            if name in report and report[name].assessable and report[name].lo is not None
        },
        "reasons": report.verdict.reasons,
    }


def models_truth(asked: dict[str, Any], large: pd.DataFrame, seed: int) -> dict[str, float]:
    """What models that learn from these tables score on the law itself, over several of their seeds."""
    budget = replace(budget_of("fast"), n_model_seeds=4, n_bootstrap=4)
    measures = [name for name in MEASURES if name.startswith("utility")]
    report = evaluate(**asked, holdout=large, budget=budget, measures=measures, seed=seed + 1)
    return {name: report[name].value for name in FITTED if report[name].assessable}


def summarise_null(runs: list[dict[str, Any]], alpha: float) -> dict[str, Any]:
    """Rates of alarms with exact intervals, by test and for all together; coverage of every interval."""
    n = len(runs)
    p_values, held = defaultdict(list), defaultdict(list)
    for run in runs:
        for name, p in run["p"].items():
            p_values[name].append(p)
        for name, inside in run["held"].items():
            held[name].append(bool(inside))
    flaws = [
        reason.split(":")[1].strip()
        for run in runs
        if run["fidelity"] == "flawed"
        for reason in run["reasons"]
        if reason.startswith("fidelity")
    ]
    return {
        "runs": n,
        "false_alarms": rate(sum(run["privacy"] == "leak detected" for run in runs), n),
        "smallest_holm_p": sorted(min(holm(list(run["p"].values()))) for run in runs)[:10],
        "fidelity": count(run["fidelity"] for run in runs),
        "flawed_because": count(flaws),
        "utility": count(run["utility"] for run in runs),
        "tests": {
            name: {"p<.05": rate(int(np.sum(np.array(p) < 0.05)), len(p)),
                   f"p<{alpha:g}": rate(int(np.sum(np.array(p) < alpha)), len(p))}
            for name, p in sorted(p_values.items())
        },
        "coverage": {name: rate(sum(each), len(each)) for name, each in sorted(held.items())},
    }  # fmt: skip


def rate(k: int, n: int) -> dict[str, Any]:
    """A share with its exact interval."""
    return {"count": k, "of": n, "share": k / n, "interval": clopper_pearson(k, n)}


def count(words: Iterable[str]) -> dict[str, int]:
    """How often each word occurs."""
    found: dict[str, int] = defaultdict(int)
    for word in words:
        found[word] += 1
    return dict(found)


def planted(job: tuple[int, int, int, int]) -> bool:
    """Whether k near-copies of outliers of train are found."""
    n, n_holdout, k, seed = job
    train, holdout, fresh = (
        make_transactions(size, 500_000 + 3 * seed + i, FRAUD_RATE)
        for i, size in enumerate((n, n_holdout, n))
    )
    rng = np.random.default_rng(seed)
    numbers = train.select_dtypes("float")
    spread = numbers.quantile(0.75) - numbers.quantile(0.25)
    isolation = ((numbers - numbers.median()) / spread).abs().max(axis=1)
    rows = isolation.nlargest(n // 20).sample(k, random_state=seed).index
    noise = {name: train[name] + 0.001 * train[name].std() * rng.normal(size=n) for name in numbers}
    synthetic = pd.concat([fresh[: n - k], train.assign(**noise).loc[rows]], ignore_index=True)
    measures = [name for name in MEASURES if name.startswith("privacy")]
    report = evaluate(
        train=train, holdout=holdout, synthetic=synthetic, target="fraud", budget="fast",
        references=False, measures=measures, seed=seed,
    )  # fmt: skip
    return report.verdict.privacy == "leak detected"


def summarise_power(pool: ProcessPoolExecutor, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Share of runs that find k planted near-copies, for three sizes of the holdout."""
    points = []
    for ratio in (0.5, 1.0, 3.0):
        for k in (0, 2, 4, 6, 8, 12, 16, 20, 30):
            jobs = [(args.rows, int(ratio * args.rows), k, seed) for seed in range(args.power)]
            points.append(
                {"holdout_to_train": ratio, "planted": k, **rate(sum(pool.map(planted, jobs)), args.power)}
            )
            print(points[-1], file=sys.stderr, flush=True)
    return points


if __name__ == "__main__":
    main()
