"""Oversampling whole series of a rare class: eight sets of the UCR archive, against the usual remedies.

    python benchmarks/series/ucr.py run --data FOLDER --out lines.jsonl
    python benchmarks/series/ucr.py run --data FOLDER --out again.jsonl --arms tabdiff
    python benchmarks/series/ucr.py summary lines.jsonl --out benchmarks/results/series_ucr.csv

Training and test parts of a set are pooled and split anew for each seed, stratified by the labels: half of
the cases, but at most 1,000, to fit; three tenths of that many to choose the threshold; 35 % of all to test.
Every set is a binary task. Of two classes the rarer is positive; of more, the rarest that has at least
`--least` (30) cases to fit, against all others. Where more than a quarter is positive, positives are thinned
at random to a tenth of the negatives, but no fewer than `--least`, in the part to fit, and alike in the one
for the threshold. All positives of the test part stay, each weighted by the share that was kept, so that
figures are for the prevalence of training.

none, class weights           real cases; weighted so that both classes weigh alike
random, smote, ohit, tabdiff  new positives until classes are equally many
smote part, ohit part, ...    new positives until there are 0.3 times as many as negatives, or twice as many
                              as there were if that is more; of OHIT and tabdiff some of those drawn

Resampling sees the part to fit alone. tabdiff is `DiffusionOverSampler.fit_resample` on (n_cases, 1, length),
its training cut short by `--max-steps`; of fewer than 30 positives it draws by OHIT.

minirocket  aeon's MiniRocket, 2,000 kernels, and ridge regression, whose strength is chosen by leave-one-out
            on the real cases and is the same for all arms; left out where aeon is not installed
forest      300 trees on the values of all steps

ap is the average precision of the positives in the test part, f1 the mean F1 of both classes there, at the
threshold that is best on the real cases kept for it. Seconds of CPU are those of this process. A line that
the file holds is not made again; of lines of one case in several files, the summary takes the last.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import rankdata, wilcoxon
from ucr_tasks import ARMS, CLASSIFIERS, judge, make_task, read_set

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine

SETS = (
    "ecg200",
    "italypowerdemand",
    "distalphalanxtw",
    "proximalphalanxtw",
    "medicalimages",
    "phalangesoutlinescorrect",
    "ecg5000",
    "wafer",
)
KEYS = ["set", "split", "least", "arm", "classifier"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark, or turn its lines into a table."""
    args = parse_arguments(argv)
    if args.command == "summary":
        summary(args)
        return
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = read_done(args.out)
    for split in args.splits:
        for name in args.sets:
            for group in args.arms:
                wanted = [
                    (name, split, args.least, arm, c) for arm in ARMS[group][0] for c in args.classifiers
                ]
                if done.issuperset(wanted):
                    continue
                for line in run_group(name, split, group, args):
                    if tuple(line[key] for key in KEYS) not in done:
                        with args.out.open("a", encoding="utf-8") as out:
                            out.write(json.dumps(line) + "\n")
                        print(as_text(line), flush=True)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `argv` None means that of the process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="resample, fit, score")
    run.add_argument("--data", type=Path, required=True, help="folder with the Parquet files")
    run.add_argument("--out", type=Path, required=True, help="JSON lines, appended to")
    run.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    run.add_argument("--splits", nargs="+", type=int, default=[0, 1, 2], help="their seeds")
    run.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    usual = [name for name in CLASSIFIERS if name != "minirocket" or find_spec("aeon")]
    run.add_argument("--classifiers", nargs="+", choices=list(CLASSIFIERS), default=usual)
    run.add_argument("--least", type=int, default=30, help="positives to fit (default: %(default)s)")
    run.add_argument("--max-steps", type=int, default=1000, help="of tabdiff; 0 for its own number")
    table = commands.add_parser("summary", help="lines to a table")
    table.add_argument("lines", type=Path, nargs="+")
    table.add_argument("--out", type=Path, help="CSV file to write")
    return parser.parse_args(argv)


def read_done(path: Path) -> set[tuple[Any, ...]]:
    """The cases that are in the file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {tuple(json.loads(line)[key] for key in KEYS) for line in lines}


def run_group(name: str, split: int, group: str, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The lines of the arms of a group, on a split of a set."""
    machine = describe_machine()
    task = make_task(*read_set(args.data / f"ucr_{name}.parquet"), split, args.least)
    positives = int(task.fit.y.sum())
    about = {
        "positive": task.positive,
        "kept": task.kept,
        "length": task.fit.X.shape[1],
        "cases": {part: len(getattr(task, part).y) for part in ("fit", "choice", "test")},
        "positives": {part: int(getattr(task, part).y.sum()) for part in ("fit", "choice", "test")},
        "ratio": positives / (len(task.fit.y) - positives),
    }
    began = time.process_time()
    made, facts = ARMS[group][1](task, split, args)
    facts["arm_cpu_seconds"] = time.process_time() - began
    for classifier in args.classifiers:
        model = CLASSIFIERS[classifier](task.fit, split)
        for arm, cases in made.items():
            began = time.process_time()
            scores = model(cases, task.choice.X, task.test.X)
            figures = judge(task, *scores) | {"classifier_cpu_seconds": time.process_time() - began}
            case = dict(zip(KEYS, (name, split, args.least, arm, classifier), strict=True))
            added = len(cases.y) - len(task.fit.y)
            yield case | figures | {"added": added} | facts | about | {"machine": machine}


def as_text(line: dict[str, Any]) -> str:
    """One line of the result for people."""
    name = " ".join(str(line[key]) for key in KEYS)
    cpu = f"{line['arm_cpu_seconds']:.1f} + {line['classifier_cpu_seconds']:.1f} CPU s"
    return f"{name}: ap {line['ap']:.4f}  f1 {line['f1']:.4f}  {cpu}"


# --- summary ----------------------------------------------------------------------------------------------


def summary(args: argparse.Namespace) -> None:
    """Print means, ranks and tests; write one row for each set, classifier and arm, means over splits."""
    lines = [
        json.loads(line) for path in args.lines for line in path.read_text(encoding="utf-8").splitlines()
    ]
    rows = pd.DataFrame(lines).drop_duplicates(KEYS, keep="last")
    for figure in ("ap", "f1"):
        print(f"\n{figure}: mean and mean rank over sets x splits (1 is best)")
        print(means_and_ranks(rows, figure).to_string())
        print(f"\n{figure}, in points, against: mean (p over sets x splits; p over sets), Wilcoxon")
        print(differences(rows, figure, ["none", "class weights", "smote", "ohit"]).to_string())
    print("\nCPU seconds of making the cases, mean and most")
    print(rows.groupby("arm")["arm_cpu_seconds"].agg(["mean", "max"]).round(1).to_string())
    if args.out:
        groups = rows.groupby(["set", "least", "classifier", "arm"], sort=False)
        figures = ["ap", "f1", "added", "ratio", "kept", "arm_cpu_seconds"]
        table = groups[figures].mean().round(5)
        table.insert(2, "ap between splits", groups["ap"].std().round(5))
        table.insert(3, "f1 between splits", groups["f1"].std().round(5))
        table.insert(0, "splits", groups.size())
        table.insert(1, "positive", groups["positive"].first())
        table.reset_index().to_csv(args.out, index=False)


def by_case(rows: pd.DataFrame, figure: str) -> pd.DataFrame:
    """One column for each arm; sets x splits on which an arm is missing are left out."""
    index = ["classifier", "set", "least", "split"]
    return rows.pivot(index=index, columns="arm", values=figure).dropna()


def means_and_ranks(rows: pd.DataFrame, figure: str) -> pd.DataFrame:
    """By arm: the mean of a figure and of its rank for each classifier, and over both."""
    wide = by_case(rows, figure)
    ranks = pd.DataFrame(rankdata(-wide, axis=1), wide.index, wide.columns)
    found = {}
    for name in wide.index.unique("classifier"):
        found[name] = wide.loc[name].mean().round(4)
        found[f"{name} rank"] = ranks.loc[name].mean().round(2)
    return pd.DataFrame(found | {"rank": ranks.mean().round(2), "n": len(wide)}).sort_values("rank")


def differences(rows: pd.DataFrame, figure: str, references: Sequence[str]) -> pd.DataFrame:
    """For each classifier and arm the mean difference to each reference, in points, with two p values."""
    wide = by_case(rows, figure)
    told = {}
    for name in wide.index.unique("classifier"):
        part = wide.loc[name]
        for arm in part:
            gains = {against: 100 * (part[arm] - part[against]) for against in references if against in part}
            told[name, arm] = {
                against: f"{gain.mean():+.2f} ({p_value(gain)}; {p_value(gain.groupby('set').mean())})"
                for against, gain in gains.items()
                if against != arm
            }
    return pd.DataFrame(told).T.fillna("")


def p_value(gains: pd.Series) -> str:
    """That of Wilcoxon's signed-rank test, as text; "-" if there are too few."""
    return f"{wilcoxon(gains).pvalue:.3f}" if len(gains) > 5 and gains.any() else "-"


if __name__ == "__main__":
    main()
