"""Retrain a fraud model every week, and keep the new one only if it is as good as the old.

A run takes the transactions of one week and the folder of the weeks before. It goes on training last week's
model of the table, draws synthetic frauds from it, trains the classifier on all real rows and these, and
compares it with last week's classifier on held-out rows. If quality fell by more than --margin, it exits with
1 and last week's state stays.

    python examples/retrain_weekly.py           some seconds: three weeks of shipped data, hardly trained
    python examples/retrain_weekly.py --full    the same in minutes, trained as for use
    python examples/retrain_weekly.py --full --week 2024-23.parquet --holdout test.parquet --state fraud/
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score

from tabdiff import TableSynthesizer, evaluate
from tabdiff.datasets import load_fraud

SYNTHETIC = "is_synthetic"  # marks the rows of train.parquet that no one ever paid


def main(argv: Sequence[str] | None = None) -> int:
    """Run one week, or three weeks of shipped data; returns the exit code."""
    args = parse_arguments(argv)
    if args.week is not None:
        return run_week(args.week, args.holdout, args.state, args)
    with tempfile.TemporaryDirectory() as folder:
        weeks, holdout, target = write_weeks(Path(folder), args.full)
        args.target = target
        state = args.state or Path(folder) / "state"
        return max(run_week(week, holdout, state, args) for week in weeks)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--week", type=Path, help="the week's labelled transactions, Parquet")
    parser.add_argument("--holdout", type=Path, help="labelled transactions that are never trained on")
    parser.add_argument("--state", type=Path, help="folder with one subfolder for each week so far")
    parser.add_argument("--target", default="is_fraud", help="column that is 1 in frauds (is_fraud)")
    parser.add_argument("--ratio", type=float, default=0.05, help="frauds per legitimate row (0.05)")
    parser.add_argument("--margin", type=float, default=0.05, help="loss of average precision allowed (0.05)")
    parser.add_argument("--seconds", type=float, help="time budget of each training")
    parser.add_argument("--full", action="store_true", help="train as for use, and judge the synthetic rows")
    args = parser.parse_args(argv)
    if args.week is not None and (args.holdout is None or args.state is None):
        parser.error("--week needs --holdout and --state")
    return args


def run_week(week: Path, holdout: Path, state: Path, args: argparse.Namespace) -> int:
    """Retrain with the rows of one week; returns 1 if quality fell beyond the margin, else 0."""
    new_rows, test = pd.read_parquet(week), pd.read_parquet(holdout)
    last = last_week(state)
    old_train = None if last is None else pd.read_parquet(last / "train.parquet")

    synthesizer = learn(new_rows, last, args)
    real = new_rows if old_train is None else pd.concat([real_rows(old_train), new_rows], ignore_index=True)
    train = with_frauds(real, synthesizer, args.target, args.ratio)

    truth = test[args.target].to_numpy()
    scores = frauds_scored(train, test, args.target)
    # last week's classifier is fitted again from the rows it had: a stored one would be a pickle, which runs
    # code when it is opened, while opening Parquet and JSON runs none
    old_scores = None if old_train is None else frauds_scored(old_train, test, args.target)
    report = compare(truth, scores, old_scores, args.margin) | {
        "week": week.stem,
        "real_rows": len(real),
        "synthetic_rows": int(train[SYNTHETIC].sum()),
        "training_steps": synthesizer.history_.n_steps,
    }
    print(json.dumps(report))
    keep(state, report, synthesizer, train)
    if args.full:
        synthetic = synthesizer.sample(len(new_rows), random_state=0)
        judged = evaluate(
            train=new_rows, synthetic=synthetic, holdout=test, target=args.target, budget="fast"
        )
        judged.to_html(state / f"{week.stem}.html")
    return 0 if report["accepted"] else 1


def last_week(state: Path) -> Path | None:
    """The folder of the newest accepted week; None in the first week."""
    return max(state.glob("week-*"), default=None)


def learn(rows: pd.DataFrame, last: Path | None, args: argparse.Namespace) -> TableSynthesizer:
    """Last week's model of the table, trained on with the new rows; a new model in the first week."""
    limits = {"max_seconds": args.seconds, "max_steps": None if args.full else 30}
    if last is None:
        return TableSynthesizer(target=args.target, random_state=0, **limits).fit(rows)
    return TableSynthesizer.load(last / "synthesizer").set_params(**limits).update(rows)


def real_rows(train: pd.DataFrame) -> pd.DataFrame:
    """The rows that are not synthetic, without the mark."""
    return train[~train[SYNTHETIC]].drop(columns=SYNTHETIC)


def with_frauds(real: pd.DataFrame, synthesizer: TableSynthesizer, target: str, ratio: float) -> pd.DataFrame:
    """The real rows, followed by as many synthetic frauds as the ratio lacks, marked."""
    n_frauds = int(real[target].sum())
    n = max(0, round(ratio * (len(real) - n_frauds)) - n_frauds)
    frauds = synthesizer.sample(n, where={target: 1}, random_state=0)
    return pd.concat(
        [real.assign(**{SYNTHETIC: False}), frauds.assign(**{SYNTHETIC: True})], ignore_index=True
    )


def frauds_scored(train: pd.DataFrame, test: pd.DataFrame, target: str) -> np.ndarray:
    """Fit the classifier, whose seed is fixed, and return its score of each test row, (n_test,)."""
    features = [name for name in test.columns if name != target]
    model = HistGradientBoostingClassifier(random_state=0).fit(train[features], train[target])
    return model.predict_proba(test[features])[:, 1]


def compare(
    truth: np.ndarray, scores: np.ndarray, old_scores: np.ndarray | None, margin: float, n_draws: int = 200
) -> dict:
    """Average precision of both classifiers, their difference with a 95 % interval, and the decision.

    The interval draws the same test rows for both, within each class. The decision goes by the difference
    itself: with few frauds the interval is wide, and a rule that waits for certainty would never stop a fall.
    """
    found = {"average_precision": average_precision_score(truth, scores), "margin": margin, "accepted": True}
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(truth == value) for value in (0, 1)]
    draws = [np.concatenate([rng.choice(group, len(group)) for group in groups]) for _ in range(n_draws)]
    new = np.array([average_precision_score(truth[rows], scores[rows]) for rows in draws])
    found["interval"] = np.quantile(new, [0.025, 0.975]).tolist()
    if old_scores is not None:
        old = np.array([average_precision_score(truth[rows], old_scores[rows]) for rows in draws])
        found["last_week"] = average_precision_score(truth, old_scores)
        found["change"] = found["average_precision"] - found["last_week"]
        found["change_interval"] = np.quantile(new - old, [0.025, 0.975]).tolist()
        found["accepted"] = bool(found["change"] >= -margin)
    return found


def keep(state: Path, report: dict, synthesizer: TableSynthesizer, train: pd.DataFrame) -> None:
    """Write the report; if the week was accepted, its state too. Each appears whole or not at all."""
    state.mkdir(parents=True, exist_ok=True)
    write_whole(state / f"{report['week']}.json", json.dumps(report, indent=1))
    if not report["accepted"]:
        return
    last = last_week(state)
    number = 1 if last is None else int(last.name.removeprefix("week-")) + 1
    with tempfile.TemporaryDirectory(prefix=".new-", dir=state) as beside:
        new = Path(beside) / "week"
        new.mkdir()
        synthesizer.save(new / "synthesizer")
        train.to_parquet(new / "train.parquet", index=False)
        new.replace(state / f"week-{number:04d}")


def write_whole(path: Path, text: str) -> None:
    """Write a file by way of a second one, so that nobody meets half of it."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def write_weeks(folder: Path, full: bool) -> tuple[list[Path], Path, str]:
    """The shipped card transactions in order of time: three weeks and a holdout as files, and the target."""
    data = load_fraud()
    frame = data.frame.sort_values("Time").drop(columns="Time")
    frame = frame.iloc[:: 1 if full else 3]
    parts = [frame.iloc[rows] for rows in np.array_split(np.arange(len(frame)), 5)]
    paths = [folder / f"2013-{i:02d}.parquet" for i in range(1, 4)]
    for part, path in zip(parts, paths, strict=False):
        part.to_parquet(path, index=False)
    holdout = folder / "holdout.parquet"
    pd.concat(parts[3:]).to_parquet(holdout, index=False)
    return paths, holdout, data.target


if __name__ == "__main__":
    sys.exit(main())
