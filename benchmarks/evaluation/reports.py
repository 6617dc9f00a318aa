"""The report on one real table for generators of known and unknown quality.

    python benchmarks/evaluation/reports.py --train train.parquet --holdout test.parquet --target income \
        --candidate CTGAN=ctgan.parquet --html outputs --out benchmarks/results/evaluation_adult.json

Judged are tabdiff (with its model, so that the white-box attack is made), SMOTE, a plain copy, independent
columns, and tables that were made elsewhere (--candidate NAME=FILE). Holdout rows judge all of them.
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
from imblearn.over_sampling import SMOTE, SMOTENC

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

from tabdiff import TableSynthesizer, evaluate

HEADLINES = (
    "fidelity.marginal.worst",
    "fidelity.pairs.score",
    "fidelity.c2st.auc",
    "fidelity.c2st.rare.auc",
    "fidelity.coverage.all",
    "fidelity.diversity.unique",
    "utility.tstr.gap",
    "utility.augmentation.gain",
    "privacy.copies.exact",
    "privacy.mia.auc",
    "privacy.mia.rare.auc",
    "privacy.whitebox.auc",
    "descriptive.dcr_share",
)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Make the tables, judge them, print and return the headline figures."""
    args = parse_arguments(argv)
    report: dict[str, Any] = {"benchmark": "evaluation_reports", "machine": describe_machine()}
    train, holdout = pd.read_parquet(args.train), pd.read_parquet(args.holdout)
    report["table"] = {"train": list(train.shape), "holdout": list(holdout.shape), "target": args.target}
    report["results"] = {}
    for name, (synthetic, model, seconds) in candidates(args, train).items():
        started = time.process_time()
        found = evaluate(
            train=train, synthetic=synthetic, holdout=holdout, target=args.target, model=model,
            budget=args.budget, seed=args.seed,
        )  # fmt: skip
        report["results"][name] = {
            "verdict": {room: getattr(found.verdict, room) for room in ("fidelity", "utility", "privacy")},
            "reasons": found.verdict.reasons,
            "limits": found.verdict.limits,
            "generation_wall_seconds": seconds,
            "evaluation_cpu_seconds": time.process_time() - started,
            "estimates": {
                key: {"value": e.value, "lo": e.lo, "hi": e.hi, "floor": e.floor, "reason": e.reason}
                for key in HEADLINES
                if (e := found.estimates.get(key)) is not None
            },
        }
        if args.html:
            args.html.mkdir(parents=True, exist_ok=True)
            found.to_html(args.html / f"{args.train.stem}_{name.replace(' ', '_')}.html")
        print(
            name,
            json.dumps(report["results"][name]["verdict"]),
            *found.verdict.reasons,
            sep="\n  ",
            flush=True,
        )
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `argv` None means that of the process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--train", type=Path, required=True, help="Parquet file")
    parser.add_argument("--holdout", type=Path, required=True, help="Parquet file with the same columns")
    parser.add_argument("--target", required=True)
    parser.add_argument("--seconds", type=float, default=100, help="training time of tabdiff (%(default)s)")
    parser.add_argument("--candidate", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--budget", default="standard")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--html", type=Path, help="folder for one HTML report each")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser.parse_args(argv)


def candidates(
    args: argparse.Namespace, train: pd.DataFrame
) -> dict[str, tuple[pd.DataFrame, Any, float | None]]:
    """Synthetic rows, the model if there is one, and the wall seconds it took, by name."""
    started = time.perf_counter()
    model = TableSynthesizer(target=args.target, random_state=args.seed, max_seconds=args.seconds).fit(train)
    ours = model.sample(len(train))
    ours_seconds, started = time.perf_counter() - started, time.perf_counter()
    smote = by_smote(train, args.target, args.seed)
    smote_seconds = time.perf_counter() - started
    rng = np.random.default_rng(args.seed)
    shuffled = {name: train[name].array[rng.permutation(len(train))] for name in train}
    made: dict[str, tuple[pd.DataFrame, Any, float | None]] = {
        "tabdiff": (ours, model, ours_seconds),
        "SMOTE": (smote, None, smote_seconds),
        "copy": (train.sample(frac=1, random_state=args.seed), None, 0.0),
        "independent columns": (pd.DataFrame(shuffled), None, 0.0),
    }
    for candidate in args.candidate:  # made elsewhere, in a time that is not known here
        name, path = candidate.split("=", 1)
        made[name] = (like(pd.read_parquet(path), train), None, None)
    return made


def by_smote(train: pd.DataFrame, target: str, seed: int) -> pd.DataFrame:
    """As many rows of each class as train has, by SMOTE or SMOTENC; missing cells filled for it."""
    features, classes = train.drop(columns=target), np.asarray(train[target])
    levels = [name for name in features if features[name].dtype.kind not in "iuf"]
    filled = features.assign(**{name: features[name].astype(object).fillna("missing") for name in levels})
    filled = filled.fillna(filled.drop(columns=levels).median())
    values, counts = np.unique(np.asarray(classes), return_counts=True)
    twice = dict(zip(values.tolist(), (2 * counts).tolist(), strict=True))
    sampler = (
        SMOTENC(levels, sampling_strategy=twice, random_state=seed)
        if levels
        else SMOTE(sampling_strategy=twice, random_state=seed)
    )
    made, made_classes = sampler.fit_resample(filled, classes)
    made = made.iloc[len(train) :].assign(**{target: made_classes[len(train) :]}).reset_index(drop=True)
    made = made.assign(**{name: made[name].where(made[name] != "missing", None) for name in levels})
    return like(made, train)


def like(made: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """The columns of train, whole numbers where train has them."""
    whole = [name for name in train if train[name].dtype.kind in "iu"]
    return made[train.columns].assign(**{name: made[name].astype(float).round() for name in whole})


if __name__ == "__main__":
    main()
