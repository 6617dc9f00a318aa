"""What resampling does for a rare class: tables x splits x ways x classifiers, judged on real rows.

    python benchmarks/imbalance/run.py --data DIRECTORY --out benchmarks/results/imbalance.jsonl

Each table is split into training, validation and test rows with its own prevalence in each. Whatever is
resampled or learned comes from the training rows alone; validation rows choose thresholds, calibrate and stop
boosting; test rows judge. Every result is one line of the output, failures included, and a run that is
started again does only what is missing. `summary.py` turns the lines into tables.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from learners import LEARNERS
from ours import Prepared, classifier, samplers, tuned
from rivals import Rows, rivals
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, precision_recall_curve, roc_curve
from sklearn.model_selection import train_test_split
from tables import TABLES, load

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    args = parse_arguments(argv)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = read_done(args.out)
    with args.out.open("a", encoding="utf-8") as out:
        out.write(json.dumps({"machine": describe_machine(), "max_rows": args.max_rows}) + "\n")
        for split in range(args.first_split, args.first_split + args.splits):
            for name in args.tables or TABLES:
                if (name, split) in done:
                    continue
                started = time.perf_counter()
                for line in run_split(name, split, args):
                    out.write(json.dumps({"table": name, "split": split, **line}) + "\n")
                out.write(json.dumps({"table": name, "split": split, "finished": True}) + "\n")
                out.flush()
                print(f"{name} {split}: {time.perf_counter() - started:.0f} s", flush=True)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `argv` None means that of the process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of the tables as Parquet")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, appended to")
    parser.add_argument("--tables", nargs="*", choices=list(TABLES), help="default: all")
    parser.add_argument("--learners", nargs="*", choices=list(LEARNERS), default=list(LEARNERS))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--first-split", type=int, default=0)
    parser.add_argument("--max-rows", type=int, default=6_000, help="of a table, with its own prevalence")
    return parser.parse_args(argv)


def read_done(path: Path) -> set[tuple[str, int]]:
    """The splits that are finished in the file."""
    if not path.exists():
        return set()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(line["table"], line["split"]) for line in lines if line.get("finished")}


def run_split(name: str, split: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """All results of one split of one table."""
    (X, y), *sets = parts_of(name, split, args.data, args.max_rows)
    lines: list[dict[str, Any]] = [{"rows": [len(y), *(len(y) for _, y in sets)], "rare": int(y.sum())}]
    for arm, make in (rivals(X, y, split) | samplers(X, y, split)).items():
        started = time.process_time()
        try:
            rows = make()
        except Exception as error:  # a method that cannot take the table is a result
            lines.append({"arm": arm, "error": f"{type(error).__name__}: {str(error)[:200]}"})
            continue
        seconds = time.process_time() - started
        for learner in args.learners:
            model = Prepared(learner, *sets[0], split)
            found = {"arm": arm, "learner": learner, "arm_cpu_seconds": seconds}
            lines.append(found | judged(fit(model, rows), *sets))
    for learner in args.learners:
        lines += [{"learner": learner, **line} for line in chosen(learner, X, y, sets, split)]
    return lines


def parts_of(name: str, split: int, data: Path, max_rows: int) -> list[tuple[pd.DataFrame, np.ndarray]]:
    """Training, validation and test rows of a split of a table, 48, 12 and 40 % of it."""
    X, y = load(name, data, max_rows, split)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=split)
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.2, stratify=y, random_state=split)
    pairs = (X.reset_index(drop=True), y), (X_val, y_val), (X_test, y_test)
    return [(frame, classes.to_numpy()) for frame, classes in pairs]


def chosen(
    learner: str, X: pd.DataFrame, y: np.ndarray, sets: Sequence[tuple], seed: int
) -> list[dict[str, Any]]:
    """What the library does where it chooses the amount itself."""
    model = Prepared(learner, *sets[0], seed)
    lines = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.process_time()
        rows, words = tuned(X, y, model, seed)
        found = {"arm": "tabdiff tuned", "chosen": words, "arm_cpu_seconds": time.process_time() - started}
        lines.append(found | judged(fit(model, rows), *sets))
        started = time.process_time()
        whole = classifier(X, y, model, seed)
        found = {
            "arm": "tabdiff classifier",
            "chosen": whole.amount_,
            "verdict": whole.report_.verdict,
            "calibration": whole.calibration_.method,
            "arm_cpu_seconds": time.process_time() - started,
        }
        lines.append(found | judged(whole, *sets))
    return lines


def fit(model: Prepared, rows: Rows) -> Prepared:
    """The classifier trained on rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(model).fit(rows.X, rows.y, rows.weight)


def judged(model: Any, validation: tuple, test: tuple) -> dict[str, Any]:
    """Figures of a trained classifier."""
    (X_val, y_val), (X_test, y_test) = validation, test
    p_val, p = model.predict_proba(X_val)[:, 1], model.predict_proba(X_test)[:, 1]
    false_rate, recall, _ = roc_curve(y_test, p)
    platt = LogisticRegression(C=1e6).fit(_logit(p_val), y_val).predict_proba(_logit(p))[:, 1]
    return {
        "ap": average_precision_score(y_test, p),
        "ap_validation": average_precision_score(y_val, p_val),
        "recall_at_1": float(recall[false_rate <= 0.01].max()),
        "f1": best_f1(y_val, p_val, y_test, p),
        "f1_half": _f1(y_test, p >= 0.5),
        "brier": brier_score_loss(y_test, p),
        "brier_platt": brier_score_loss(y_test, platt),
    }


def best_f1(y_val: np.ndarray, p_val: np.ndarray, y: np.ndarray, p: np.ndarray) -> float:
    """F1 on test rows at the threshold that is best on validation rows."""
    precision, recall, thresholds = precision_recall_curve(y_val, p_val)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return _f1(y, p >= thresholds[f1[:-1].argmax()])


def _f1(y: np.ndarray, said: np.ndarray) -> float:
    hits = int((said & (y == 1)).sum())
    return 2 * hits / max(1, int(said.sum()) + int((y == 1).sum()))


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))[:, None]


if __name__ == "__main__":
    main()
