"""Balance a rare class of series inside cross-validation: nothing, class weights, SMOTE, tabdiff in turn.

The series are cylinders, bells and funnels: noise with an event of one of three shapes. Funnels are rare. Or
bring those of the UCR archive, whose .tsv files have one series in each line, the label first. The rarest
label of at least 45 series is the class to find, thinned to one in ten, or to 45, where it is more.

    python examples/rare_series.py                       a few seconds: shows the path, not the quality
    python examples/rare_series.py --full                more series and folds, trains as long as suits them
    python examples/rare_series.py --ucr ECG200_TRAIN.tsv ECG200_TEST.tsv
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tabdiff import DiffusionOverSampler
from tabdiff.datasets import make_cylinder_bell_funnel

RARE_SHARE = 0.1
LEAST = 45  # then each of three folds leaves 30 to learn, below which tabdiff draws by OHIT instead
AMOUNT = 0.3  # rare series for each other one, once balanced; twice as many as there were if that is more
N_INTERVALS = 8


def main(argv: Sequence[str] | None = None) -> None:
    """Read or draw series, cross-validate four ways of balancing them, and print what was found."""
    args = parse_arguments(argv)
    X, y = series(args)
    n_folds = 5 if args.full else 3
    print(f"{len(y):,} series of {X.shape[2]} steps, {y.sum()} of the rare class; {n_folds} folds")

    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    found = {
        name: cross_val_score(pipeline, X, y, cv=folds, scoring="average_precision")
        for name, pipeline in pipelines(args, y).items()
    }
    print(f"\n{'':<14} {'average precision':>18} {'folds':>16} {'better than none in':>21}")
    for name, scores in found.items():
        spread = f"{scores.min():.3f} to {scores.max():.3f}"
        wins = "" if name == "none" else f"{(scores > found['none']).sum()} of {n_folds} folds"
        print(f"{name:<14} {scores.mean():>18.3f} {spread:>16} {wins:>21}".rstrip())
    print(f"{'by chance':<14} {y.mean():>18.3f}")
    if not args.full:
        print("\nA few steps of training show the path, not what tabdiff can do: for that, --full.")


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="1,500 series, five folds, full training")
    parser.add_argument("--seconds", type=float, help="at most so many seconds of training in each fold")
    parser.add_argument(
        "--ucr", type=Path, nargs="+", metavar="FILE", help="files of a set of the UCR archive, put together"
    )
    return parser.parse_args(argv)


def series(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """(n_cases, 1, n_steps) the series, and (n_cases,) 1 for those of the rare class."""
    if args.ucr:
        X, labels = read_ucr(args.ucr)
        return thinned(X, (labels == rarest(labels)).astype(int), np.random.default_rng(0))
    usual, rare = (675, 150) if args.full else (216, 48)
    X, shapes = make_cylinder_bell_funnel({"cylinder": usual, "bell": usual, "funnel": rare}, random_state=0)
    return X, (shapes == "funnel").astype(int)


def read_ucr(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Series and labels of files of the UCR archive: a line for each, the label first, tabs between."""
    parts = [np.loadtxt(path, delimiter="\t", ndmin=2) for path in paths]
    if len({part.shape[1] for part in parts}) > 1 or any(np.isnan(part).any() for part in parts):
        raise SystemExit(
            "The series have unequal lengths or missing values, which this example does not treat."
        )
    table = np.concatenate(parts)
    return table[:, np.newaxis, 1:], table[:, 0]


def rarest(labels: np.ndarray) -> Any:
    """The rarest label that has enough series."""
    names, sizes = np.unique(labels, return_counts=True)
    sizes = np.where(sizes < LEAST, len(labels), sizes)
    if 2 * sizes.min() > len(labels):
        raise SystemExit(f"No label has {LEAST} series or more, but no more than half of the {len(labels)}.")
    return names[sizes.argmin()]


def thinned(X: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """All others, and of the rare class so many at random that they are one in ten, but no fewer than 45."""
    rare, others = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    most = max(LEAST, round(RARE_SHARE / (1 - RARE_SHARE) * len(others)))
    kept = np.sort(np.concatenate([others, rng.permutation(rare)[:most]]))
    return X[kept], y[kept]


def pipelines(args: argparse.Namespace, y: np.ndarray) -> dict[str, Any]:
    """Each way of balancing, then the same features and the same classifier."""
    amount = min(1.0, max(AMOUNT, 2 * y.sum() / (y == 0).sum()))
    flat = FunctionTransformer(flattened)

    def classifier(**weights: Any) -> list[Any]:
        features = FunctionTransformer(interval_features)
        return [features, StandardScaler(), LogisticRegression(max_iter=1000, **weights)]

    diffusion = DiffusionOverSampler(
        sampling_strategy=amount,
        random_state=0,
        max_steps=None if args.full else 20,
        sampling_steps=None if args.full else 20,
        max_seconds=args.seconds,
        verbose=args.full,
    )
    return {
        "none": make_pipeline(flat, *classifier()),
        "class weights": make_pipeline(flat, *classifier(class_weight="balanced")),
        "SMOTE": make_pipeline(flat, SMOTE(sampling_strategy=amount, random_state=0), *classifier()),
        "tabdiff": make_pipeline(diffusion, flat, *classifier()),
    }


def flattened(X: np.ndarray) -> np.ndarray:
    """(n_cases, n_channels * n_steps), as SMOTE wants series."""
    return X.reshape(len(X), -1)


def interval_features(X: np.ndarray) -> np.ndarray:
    """(n_cases, 3 * N_INTERVALS) mean, standard deviation and slope of intervals of equal length."""
    found = []
    for part in np.array_split(X, min(N_INTERVALS, X.shape[1] // 2), axis=1):
        place = np.arange(part.shape[1]) - (part.shape[1] - 1) / 2
        found += [part.mean(axis=1), part.std(axis=1), part @ place / (place @ place)]
    return np.column_stack(found)


if __name__ == "__main__":
    main()
