"""Turn the lines of `run.py` or `ablation.py` into a table of results, and print what they say.

    python benchmarks/imbalance/summary.py LINES... --out benchmarks/results/imbalance.csv

Differences are in points of average precision to "none" of the same table, split and classifier; a table
counts once, with the mean over its splits.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata, wilcoxon

FIGURES = ["ap", "recall_at_1", "f1", "f1_half", "brier", "brier_platt"]
KEYS = ["table", "split", "learner", "arm"]


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Print the summary and return the results, one line for each classifier that was judged."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lines", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    parser.add_argument("--against", nargs="*", default=[], help="arms to test the others against, too")
    args = parser.parse_args(argv)
    results = read(args.lines)
    for reference in ["none", *args.against]:
        print(f"\naverage precision in points, against {reference!r}: mean, tables won / lost, Wilcoxon p")
        print(differences(results, reference, "ap").to_string())
    print("\nmean rank on average precision over tables x classifiers (1 is best)")
    print(ranks(results).to_string())
    print("\nBrier score over that of none, mean over tables")
    print(brier_ratios(results).round(2).to_string())
    if args.out:
        results.round(5).to_csv(args.out, index=False)
    return results


def read(paths: Sequence[Path]) -> pd.DataFrame:
    """The results in the files."""
    lines = [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    found = pd.DataFrame([line for line in lines if "learner" in line])
    optional = [name for name in ("chosen", "verdict", "calibration") if name in found]
    return found[[*KEYS, *[name for name in FIGURES if name in found], *optional]]


def by_table(results: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Means over the splits of a table: one row for each table and classifier, one column for each arm."""
    wide = results.pivot_table(index=["table", "split", "learner"], columns="arm", values=figure)
    return wide.groupby(["table", "learner"]).mean()


def differences(results: pd.DataFrame, reference: str, figure: str) -> pd.DataFrame:
    """For each arm and classifier the mean difference to the reference, wins, losses and p."""
    wide = by_table(results, figure)
    gains = 100 * wide.sub(wide[reference], axis=0)
    learners = list(dict.fromkeys(results["learner"]))
    rows = {}
    for arm in gains:
        row = {learner: _words(gains[arm].xs(learner, level="learner").dropna()) for learner in learners}
        rows[arm] = row | {
            "mean": round(gains[arm].mean(), 2),
            "tables": gains[arm].notna().groupby("table").any().sum(),
        }
    return pd.DataFrame(rows).T.sort_values("mean", ascending=False)


def _words(gains: pd.Series) -> str:
    if not gains.any():
        return "0"
    p = wilcoxon(gains).pvalue if len(gains) > 5 else np.nan
    return f"{gains.mean():+.1f} {(gains > 0).sum()}/{(gains < 0).sum()} {p:.3f}"


def ranks(results: pd.DataFrame) -> pd.Series:
    """The mean rank of each arm that was run on every table, by classifier and over all."""
    wide = by_table(results, "ap").dropna(axis=1)
    ranked = pd.DataFrame(rankdata(-wide, axis=1), index=wide.index, columns=wide.columns)
    found = ranked.groupby("learner").mean().T
    return found.assign(all=ranked.mean()).sort_values("all").round(2)


def brier_ratios(results: pd.DataFrame) -> pd.DataFrame:
    """Brier scores as a share of that of none."""
    wide = by_table(results, "brier")
    return wide.div(wide["none"], axis=0).groupby("learner").mean().T


if __name__ == "__main__":
    main()
