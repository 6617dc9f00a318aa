"""Does it help to balance a fraud table with synthetic frauds? Four answers, side by side.

Trains two classifiers on real card transactions: as they are, with class weights, with frauds made by SMOTE
and with frauds made by tabdiff, and compares them on real transactions that none of them has seen.

    python examples/fraud_quickstart.py            about two minutes on two cores
    python examples/fraud_quickstart.py --quick    a few seconds: shows the path, not the quality
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_curve
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tabdiff import DiffusionOverSampler
from tabdiff.datasets import load_fraud

CLASSIFIERS: dict[str, Callable[..., Any]] = {
    "logistic regression": lambda **kw: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000, **kw)
    ),
    "gradient boosting": lambda **kw: HistGradientBoostingClassifier(random_state=0, **kw),
}


@dataclass(frozen=True)
class Result:
    """What one way of balancing gave one classifier.

    scores: probability of fraud of each test row. precision: average precision; interval: its 95 % interval.
    """

    approach: str
    classifier: str
    seconds: float
    scores: np.ndarray
    precision: float
    interval: np.ndarray
    recall: float


def main(argv: Sequence[str] | None = None) -> None:
    """Run the comparison, print the table and write the figure."""
    args = parse_arguments(argv)
    X, y = load_fraud(return_X_y=True)
    if args.quick:
        X, y = X.iloc[::4], y.iloc[::4]
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
    print(f"train: {len(y_train)} transactions, {y_train.sum()} frauds")
    print(f"test:  {len(y_test)} transactions, {y_test.sum()} frauds, untouched by any balancing")

    diffusion = DiffusionOverSampler(
        sampling_strategy=args.ratio,
        random_state=0,
        max_seconds=args.seconds,
        max_steps=30 if args.quick else None,
        verbose=True,
    )
    samplers = {"SMOTE": SMOTE(sampling_strategy=args.ratio, random_state=0), "tabdiff": diffusion}

    truth = y_test.to_numpy()
    results = []
    for name in CLASSIFIERS:
        results.append(evaluate("nothing", name, X_train, y_train, X_test, truth))
        results.append(
            evaluate("class weights", name, X_train, y_train, X_test, truth, class_weight="balanced")
        )
    for approach, sampler in samplers.items():
        started = time.perf_counter()
        X_res, y_res = sampler.fit_resample(X_train, y_train)
        spent = time.perf_counter() - started
        results += [evaluate(approach, name, X_res, y_res, X_test, truth, spent) for name in CLASSIFIERS]

    print_table(results, args.ratio)
    print_verdict(results, truth)
    write_figure(results, args.figure)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="training time of tabdiff's model (60)")
    parser.add_argument(
        "--ratio", type=float, default=0.1, help="frauds per legitimate row after balancing (0.1)"
    )
    parser.add_argument("--figure", type=Path, default=Path("outputs/fraud_quickstart.png"))
    parser.add_argument("--quick", action="store_true", help="a quarter of the rows, 30 training steps")
    return parser.parse_args(argv)


def evaluate(approach, classifier, X, y, X_test, truth, spent=0.0, **options) -> Result:
    """Fit one classifier and score the test rows; spent: seconds that balancing took before."""
    started = time.perf_counter()
    model = CLASSIFIERS[classifier](**options).fit(X, y)
    seconds = spent + time.perf_counter() - started
    scores = model.predict_proba(X_test)[:, 1]
    interval = bootstrap(truth, lambda rows: average_precision_score(truth[rows], scores[rows]))
    return Result(
        approach,
        classifier,
        seconds,
        scores,
        average_precision_score(truth, scores),
        interval,
        recall_at(0.01, truth, scores),
    )


def recall_at(max_fpr: float, truth: np.ndarray, scores: np.ndarray) -> float:
    """Share of the frauds that are caught when at most max_fpr of the legitimate rows raise an alert."""
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    return float(tpr[fpr <= max_fpr].max())


def bootstrap(truth: np.ndarray, statistic: Callable[[np.ndarray], float], n_draws: int = 300) -> np.ndarray:
    """95 % interval of a statistic of the test rows, drawn again within each class; (2,)."""
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(truth == value) for value in (0, 1)]
    draws = [
        statistic(np.concatenate([rng.choice(group, len(group)) for group in groups])) for _ in range(n_draws)
    ]
    return np.quantile(draws, [0.025, 0.975])


def print_table(results: list[Result], ratio: float) -> None:
    """Print average precision, recall at 1 % false alarms and seconds of every combination."""
    print(f"\nSynthetic frauds up to {ratio:g} per legitimate row; all figures on the untouched test part.\n")
    print(
        f"{'classifier':<20} {'balancing':<14} {'average precision':>20} "
        f"{'recall @ 1 % FPR':>17} {'seconds':>8}"
    )
    for r in sorted(results, key=lambda r: r.classifier):
        precision = f"{r.precision:.3f} ({r.interval[0]:.3f}-{r.interval[1]:.3f})"
        print(f"{r.classifier:<20} {r.approach:<14} {precision:>20} {r.recall:>17.3f} {r.seconds:>8.1f}")


def print_verdict(results: list[Result], truth: np.ndarray) -> None:
    """Say for each classifier which way won, and whether the test part is large enough to tell."""
    print()
    for classifier in CLASSIFIERS:
        mine = {r.approach: r for r in results if r.classifier == classifier}
        best = max(mine.values(), key=lambda r: r.precision)
        print(f"{classifier}: highest average precision with {best.approach} ({best.precision:.3f}).")
        nothing = mine["nothing"]
        for approach in ("class weights", "SMOTE", "tabdiff"):
            low, high = bootstrap(
                truth, lambda rows, a=mine[approach].scores, b=nothing.scores: gain(rows, truth, a, b)
            )
            word = "helps" if low > 0 else "hurts" if high < 0 else "no measurable effect"
            difference = mine[approach].precision - nothing.precision
            print(f"  {approach} against nothing: {difference:+.3f} ({low:+.3f} to {high:+.3f}): {word}.")


def gain(rows: np.ndarray, truth: np.ndarray, scores: np.ndarray, baseline: np.ndarray) -> float:
    """Difference of average precision on the same test rows."""
    return average_precision_score(truth[rows], scores[rows]) - average_precision_score(
        truth[rows], baseline[rows]
    )


def write_figure(results: list[Result], path: Path) -> None:
    """Draw average precision with its interval, one panel for each classifier."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("\nNo figure: matplotlib is not installed (pip install matplotlib).")
        return

    figure = Figure(figsize=(9, 2.6), layout="constrained")
    axes = figure.subplots(1, len(CLASSIFIERS), sharey=True)
    for axis, classifier in zip(axes, CLASSIFIERS, strict=True):
        for place, result in enumerate(r for r in results if r.classifier == classifier):
            color = "tab:blue" if result.approach == "tabdiff" else "0.4"
            axis.plot(result.interval, [place, place], color=color)
            axis.plot(result.precision, place, "o", color=color)
        axis.set_title(classifier)
        axis.set_xlabel("average precision on real test rows")
    names = list(dict.fromkeys(result.approach for result in results))
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(f"\nFigure: {path}")


if __name__ == "__main__":
    main()
