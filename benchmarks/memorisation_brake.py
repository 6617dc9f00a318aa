"""What the memorisation brake costs and gains: attacks, fidelity and time with and without it.

    python benchmarks/memorisation_brake.py --imbalanced mammography.parquet class

Part one learns 400 rows of a law that is written down below, so that new rows of the same truth can be drawn.
Part two, if `--imbalanced` is given, learns a real table with a rare class. The README beside this file
explains the figures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from adult_quick import encode_for_boosting, read_table, write_json
from machine import describe_machine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.neighbors import NearestNeighbors

Figures = dict[str, float | str]

# name: parameters of the synthesizer; "all steps" lifts the cap on how often a row is seen
KNOWN_LAW_ARMS: dict[str, dict[str, Any]] = {
    "default length, brake off": {"memorisation_brake": False},
    "default length, brake on": {"memorisation_brake": "auto"},
    "long, brake off": {"memorisation_brake": False, "max_steps": 4_000},
    "long, brake on": {"memorisation_brake": "auto", "max_steps": 4_000},
    "a quarter of the default length, brake off": {"memorisation_brake": False, "max_steps": 400},
}
IMBALANCED_ARMS: dict[str, dict[str, Any]] = {
    "brake off": {"memorisation_brake": False},
    "brake on": {"memorisation_brake": "auto"},
}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run what the command line asks for, print it, and return it."""
    args = parse_arguments(argv)
    report: dict[str, Any] = {
        "benchmark": "memorisation_brake",
        "arguments": {
            "seeds": args.seeds,
            "rows": args.rows,
            "imbalanced": [Path(path).name for path, _ in args.imbalanced],
        },
        "machine": describe_machine(),
    }
    if args.rows:
        arms = run_arms(KNOWN_LAW_ARMS, args.seeds, lambda s, a: judge_known_law(args.rows, s, a))
        report["known_law"] = arms
        save(report, args.out)
    for path, target in args.imbalanced:
        table = read_table(Path(path))
        report[Path(path).stem] = run_arms(
            IMBALANCED_ARMS, args.seeds, lambda s, a, t=table, y=target: judge_imbalanced(t, y, s, a)
        )
        save(report, args.out)
    return report


def save(report: dict[str, Any], out: Path | None) -> None:
    """Write what there is, so that a long run that breaks off leaves its first parts."""
    if out:
        write_json(out, report)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `argv` None means that of the process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="runs of each arm (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=400, help="rows of the known law, 0 for none")
    parser.add_argument(
        "--imbalanced",
        nargs=2,
        action="append",
        default=[],
        metavar=("TABLE", "TARGET"),
        help="table with a rare class, .parquet or .csv, and its target column; may be repeated",
    )
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser.parse_args(argv)


def run_arms(arms: Mapping[str, dict[str, Any]], n_seeds: int, judge: Any) -> dict[str, Any]:
    """For each arm the figures of every seed and their means; each is printed when it is there."""
    results = {}
    for name, parameters in arms.items():
        runs = [judge(seed, parameters) for seed in range(n_seeds)]
        numbers = [key for key, value in runs[0].items() if not isinstance(value, str)]
        mean = {key: float(np.mean([run[key] for run in runs])) for key in numbers}
        results[name] = {"parameters": parameters, "mean": mean, "runs": runs}
        print(f"{name:<44}" + "  ".join(f"{key} {value:.3f}" for key, value in mean.items()), flush=True)
    return results


# --- a known law ------------------------------------------------------------------------------------------


def draw_known_law(n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Nine columns that depend on each other: six numbers, one with missing cells, a count, two levels."""
    z, e = rng.normal(size=(n_rows, 3)), rng.normal(size=(n_rows, 6))
    level = np.where(rng.random(n_rows) < 1 / (1 + np.exp(-2 * z[:, 0])), "b", "a")
    group = np.clip(np.floor(z[:, 1] + 0.5 * e[:, 5] + 2), 0, 3).astype(int)
    table = pd.DataFrame(
        {
            "x1": z[:, 0],
            "x2": 0.8 * z[:, 0] + 0.6 * e[:, 0],
            "x3": np.where(level == "b", 1.5, -0.5) * z[:, 1] + 0.5 * e[:, 1],
            "x4": z[:, 1] ** 2 - z[:, 2] + 0.3 * e[:, 2],
            "x5": np.sin(2 * z[:, 0]) + 0.3 * e[:, 3],
            "amount": np.round(np.exp(z[:, 2] + 0.3 * e[:, 4]), 2),
            "count": np.minimum(rng.poisson(np.exp(1 + 0.5 * z[:, 1])), 6),
            "level": level,
            "group": np.array(["u", "v", "w", "x"])[group],
        }
    )
    table.loc[(rng.random(n_rows) < 0.3) & (level == "a"), "x4"] = np.nan
    return table


def judge_known_law(n_rows: int, seed: int, parameters: dict[str, Any]) -> Figures:
    """Learn rows of the law, and hold model and synthetic rows against new rows of it."""
    rng = np.random.default_rng(seed)
    table, control, truth = (draw_known_law(n, rng) for n in (n_rows, n_rows, 4_000))
    model, figures = fit_timed(table, None, seed, parameters)
    synthetic = model.sample(len(truth))
    return {
        **figures,
        "white_box_auc": membership_auc(model, table, control),
        "nearer_to_train": share_nearer(synthetic, table, control),
        "w1": mean_w1(synthetic, truth),
        "c2st_auc": c2st_auc(synthetic, truth, seed),
    }


def fit_timed(
    table: pd.DataFrame, target: str | None, seed: int, parameters: dict[str, Any]
) -> tuple[Any, Figures]:
    """A fitted model, and how long it trained and why it stopped."""
    from tabdiff import TableSynthesizer

    started = time.perf_counter()
    model = TableSynthesizer(target, random_state=seed, **parameters).fit(table)
    history = model.history_
    return model, {
        "stopped_by": history.stopped_by,
        "steps": history.n_steps,
        "kept_step": history.kept_step,
        "fit_seconds": time.perf_counter() - started,
    }


def membership_auc(model: Any, members: pd.DataFrame, others: pd.DataFrame) -> float:
    """AUC of telling rows of the table from new ones by their scores: .5 if nothing was learned by heart.

    The rows that a brake held out count as members, as an attacker would count them.
    """
    scores = [model.score_samples(rows) for rows in (members, others)]
    return float(roc_auc_score(np.repeat([1, 0], [len(members), len(others)]), np.concatenate(scores)))


def share_nearer(synthetic: pd.DataFrame, table: pd.DataFrame, control: pd.DataFrame) -> float:
    """Share of synthetic rows nearer to the table than to as many new rows of the law: .5 without copying."""
    parts = _as_points([table, control, synthetic])
    to_table, to_control = (
        NearestNeighbors(n_neighbors=1).fit(part).kneighbors(parts[2])[0][:, 0] for part in parts[:2]
    )
    return float((to_table < to_control).mean())


def _as_points(tables: Sequence[pd.DataFrame]) -> list[np.ndarray]:
    """Rows as points: numbers in units of the second table's spread, a 0 or 1 for each level and gap."""
    joined = pd.concat(tables, ignore_index=True)
    numbers = joined.select_dtypes("number")
    reference = tables[1][numbers.columns]
    scaled = (numbers - reference.mean()) / reference.std()
    flags = numbers.loc[:, numbers.isna().any()].isna()
    categories = joined.columns.difference(numbers.columns)
    levels = [pd.get_dummies(joined[name]).to_numpy(float) for name in categories]
    points = np.hstack([scaled.fillna(0).to_numpy(float), flags.to_numpy(float), *levels])
    return np.split(points, np.cumsum([len(table) for table in tables])[:-1])


def mean_w1(synthetic: pd.DataFrame, truth: pd.DataFrame) -> float:
    """Mean Wasserstein distance of the numeric columns, in standard deviations of the truth."""
    from scipy.stats import wasserstein_distance

    numbers = truth.select_dtypes("number").columns
    return float(
        np.mean(
            [
                wasserstein_distance(synthetic[name].dropna(), truth[name].dropna()) / truth[name].std()
                for name in numbers
            ]
        )
    )


def c2st_auc(synthetic: pd.DataFrame, truth: pd.DataFrame, seed: int) -> float:
    """Cross-validated AUC of gradient boosting that tells synthetic rows from true ones: .5 is perfect."""
    features, is_level = encode_for_boosting(pd.concat([truth, synthetic], ignore_index=True))
    is_synthetic = np.repeat([0, 1], [len(truth), len(synthetic)])
    judge = HistGradientBoostingClassifier(max_iter=60, categorical_features=is_level, random_state=seed)
    order = np.random.default_rng(seed).permutation(len(features))
    shown = cross_val_predict(judge, features[order], is_synthetic[order], cv=3, method="predict_proba")
    return float(roc_auc_score(is_synthetic[order], shown[:, 1]))


# --- a rare class -----------------------------------------------------------------------------------------


def judge_imbalanced(table: pd.DataFrame, target: str, seed: int, parameters: dict[str, Any]) -> Figures:
    """Learn three quarters of a table; attack the rare class and use its synthetic rows for a classifier."""
    train, test = train_test_split(table, test_size=0.25, stratify=table[target], random_state=seed)
    rare = train[target].value_counts().idxmin()
    # as categories, numbers of few values could not be scored where the test rows hold others
    kinds = {name: "numeric" for name in table.select_dtypes("float") if name != target}
    model, figures = fit_timed(train, target, seed, {**parameters, "kinds": kinds})
    members, others = (part[part[target] == rare] for part in (train, test))
    synthetic = model.sample(5 * len(members), where={target: rare})
    enlarged = pd.concat([train, synthetic], ignore_index=True)
    return {
        **figures,
        "rare_rows": len(members),
        "rare_white_box_auc": membership_auc(model, members, others),
        "rare_nearer_to_train": share_nearer(
            synthetic.drop(columns=target),
            members.sample(len(others), random_state=seed).drop(columns=target),
            others.drop(columns=target),
        ),
        "average_precision": average_precision(enlarged, test, target, rare, seed),
        "average_precision_real_rows_only": average_precision(train, test, target, rare, seed),
    }


def average_precision(train: pd.DataFrame, test: pd.DataFrame, target: str, rare: Any, seed: int) -> float:
    """Average precision for the rare class on the test rows; mean of five boosted classifiers."""
    features, is_level = encode_for_boosting(pd.concat([train, test], ignore_index=True).drop(columns=target))
    is_rare = (train[target] == rare).to_numpy()
    shown = np.mean(
        [
            HistGradientBoostingClassifier(
                max_iter=100, learning_rate=0.05, categorical_features=is_level, random_state=5 * seed + i
            )
            .fit(*_bootstrap(features[: len(train)], is_rare, 5 * seed + i))
            .predict_proba(features[len(train) :])[:, 1]
            for i in range(5)
        ],
        axis=0,
    )
    return float(average_precision_score(test[target] == rare, shown))


def _bootstrap(features: np.ndarray, answers: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.random.default_rng(seed).integers(len(features), size=len(features))
    return features[rows], answers[rows]


if __name__ == "__main__":
    main()
