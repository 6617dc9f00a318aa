"""Remove known cells from real tables, fill them in several ways, and compare with what was removed.

    python benchmarks/imputation.py --data FOLDER --out benchmarks/results/imputation.json

Every method sees the table with its holes and nothing else: `TableSynthesizer.fit(holed).impute(holed)`, the
mean or the most frequent level, and scikit-learn's `IterativeImputer` (Bayesian ridge regression on all other
columns; levels are numbered by their names, and its predictions rounded to the nearest number). With
`--forest-diffusion PYTHON`, an interpreter that has the package ForestDiffusion, that method joins on the
numeric table with 30 % removed at random: with 20 noise levels and 5 noisy copies of each row instead of its
defaults of 50 and 100, as it trains a booster for every column and noise level.

Cells go missing at random, or the likelier the greater their value is (levels: the more frequent). The target
is complete. Figures: RMSE of standardised numbers and accuracy of levels over the removed cells; Wasserstein
distance of the standardised numbers and total variation distance of the levels between the filled and the
removed cells, mean over the columns; ROC AUC of gradient boosting trained on the filled table, on rows that
are held out. A case that the result file holds with the same settings is not run again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from adult_quick import write_json
from machine import describe_machine

Figures = dict[str, float]
METHODS = ("tabdiff, one draw", "tabdiff, mean of 5", "mean or mode", "iterative", "ForestDiffusion")
MAX_ROWS = 5000
N_DRAWS = 5


@dataclass(frozen=True)
class Table:
    """A table to fill: its file, its target, what makes a row positive, and integers that are codes."""

    file: str
    target: str
    is_positive: Callable[[pd.Series], pd.Series]
    codes: tuple[str, ...] = ()


TABLES = {
    "adult": Table("adult_train.parquet", "income", lambda income: income == ">50K"),
    "shoppers": Table(
        "shoppers.parquet",
        "Revenue",
        lambda revenue: revenue,
        ("OperatingSystems", "Browser", "Region", "TrafficType"),
    ),
    "white wine": Table("wine_quality_white.parquet", "quality", lambda quality: quality >= 7),
}


@dataclass(frozen=True)
class Case:
    """One table with a share of its cells removed, at random or by value."""

    table: str
    mechanism: str
    rate: float
    seconds: float
    seed: int


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the cases that the command line asks for, print and write the results, and return them."""
    args = parse_arguments(argv)
    old = json.loads(args.out.read_text(encoding="utf-8"))["cases"] if args.out and args.out.exists() else []
    report: dict[str, Any] = {"benchmark": "imputation", "machine": describe_machine(), "cases": old}
    for name in args.tables:
        for mechanism in ("random", "by value"):
            for rate in args.rates:
                case = Case(name, mechanism, rate, args.seconds, args.seed)
                run_case(case, args, report["cases"])
                if args.out:
                    write_json(args.out, report)
    print(as_text(report))
    return report


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `argv` None means that of the process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet files")
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--rates", nargs="+", type=float, default=[0.1, 0.3, 0.5])
    parser.add_argument("--seconds", type=float, default=15.0, help="limit for fit (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--forest-diffusion", type=Path, metavar="PYTHON", help="interpreter that has it")
    parser.add_argument("--out", type=Path, help="JSON file to write, and to go on from")
    return parser.parse_args(argv)


def run_case(case: Case, args: argparse.Namespace, done: list[dict[str, Any]]) -> None:
    """Add to `done` what each method makes of a case, as far as it is not there."""
    entry = next((entry for entry in done if entry["case"] == asdict(case)), None)
    if entry is None:
        entry = {"case": asdict(case), "methods": {}}
        done.append(entry)
    train, test, is_level = read_split(args.data, TABLES[case.table], case.seed)
    holed, removed = with_holes(train, case)
    entry["removed_cells"] = int(removed.to_numpy().sum())
    results, target = entry["methods"], TABLES[case.table].target
    if "complete" not in results:
        results["complete"] = {"auc": downstream_auc(train, test, is_level, target, case.seed)}
    waiting = {
        ("mean or mode",): lambda: [fill_by_mean(holed, is_level)],
        ("iterative",): lambda: [fill_by_regression(holed, is_level, case.seed)],
        METHODS[:2]: lambda: fill_by_tabdiff(holed, is_level, target, case),
    }
    if args.forest_diffusion and (case.table, case.mechanism, case.rate) == ("white wine", "random", 0.3):
        waiting["ForestDiffusion",] = lambda: [fill_by_forest(holed, args.forest_diffusion)]
    for names, fill in waiting.items():
        if all(name in results for name in names):
            continue
        start = time.perf_counter()
        filled = fill()
        seconds = time.perf_counter() - start
        for name, table in zip(names, filled, strict=True):
            figures = compare(train, table, removed, is_level)
            figures["auc"] = downstream_auc(table, test, is_level, target, case.seed)
            results[name] = figures | {"seconds": seconds}


def read_split(folder: Path, table: Table, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, bool]]:
    """Train and held-out rows (7 : 3) without missing cells, and which columns hold levels.

    Levels are strings; the target is "yes" or "no".
    """
    frame = pd.read_parquet(folder / table.file).dropna()
    frame = frame.sample(min(len(frame), MAX_ROWS), random_state=seed).reset_index(drop=True)
    frame[table.target] = np.where(table.is_positive(frame[table.target]), "yes", "no")
    is_level = {
        name: name in (*table.codes, table.target) or frame[name].dtype.kind not in "iuf" for name in frame
    }
    for name, level in is_level.items():
        frame[name] = frame[name].astype(str).astype(object) if level else frame[name].astype(float)
    n_train = round(0.7 * len(frame))
    return frame[:n_train], frame[n_train:].reset_index(drop=True), is_level


def with_holes(train: pd.DataFrame, case: Case) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table with cells removed from all columns but the target, and which (bool, same shape).

    By value: the chance rises from 0.4 to 1.6 times the rate with the rank of the value (of levels: with the
    rank of their frequency).
    """
    rng = np.random.default_rng(case.seed)
    removed = pd.DataFrame(False, index=train.index, columns=train.columns)
    for name in train.columns.drop(TABLES[case.table].target):
        column = train[name]
        size = column if column.dtype.kind == "f" else column.map(column.value_counts())
        rank = (size.rank() - 0.5) / len(size)
        chance = case.rate * (0.4 + 1.2 * rank if case.mechanism == "by value" else 1.0)
        removed[name] = rng.uniform(size=len(train)) < chance
    return train.mask(removed), removed


# --- the methods --------------------------------------------------------------------------------------------


def fill_by_tabdiff(
    holed: pd.DataFrame, is_level: dict[str, bool], target: str, case: Case
) -> list[pd.DataFrame]:
    """One draw; and the mean of several, of levels the most frequent one."""
    from tabdiff import TableSynthesizer

    model = TableSynthesizer(target=target, random_state=case.seed, max_seconds=case.seconds)
    draws = model.fit(holed).impute(holed, n_draws=N_DRAWS, random_state=case.seed)
    mean = {
        name: pd.concat([draw[name] for draw in draws], axis=1).mode(axis=1)[0]
        if level
        else sum(draw[name].astype(float) for draw in draws) / N_DRAWS
        for name, level in is_level.items()
    }
    return [draws[0], pd.DataFrame(mean)]


def fill_by_mean(holed: pd.DataFrame, is_level: dict[str, bool]) -> pd.DataFrame:
    """The mean of each column of numbers, the most frequent level of each other."""
    return holed.fillna(
        {name: holed[name].mode()[0] if level else holed[name].mean() for name, level in is_level.items()}
    )


def fill_by_regression(holed: pd.DataFrame, is_level: dict[str, bool], seed: int) -> pd.DataFrame:
    """scikit-learn's iterative imputer with its defaults, on numbered levels."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    numbers, levels = numbered(holed, is_level)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # its ten rounds are the default
        filled = IterativeImputer(random_state=seed).fit_transform(numbers)
    return unnumbered(filled, holed, levels)


def fill_by_forest(holed: pd.DataFrame, python: Path) -> pd.DataFrame:
    """ForestDiffusion, run by another interpreter; for tables of numbers whose target is complete."""
    numbers, levels = numbered(holed, {name: holed[name].dtype.kind != "f" for name in holed})
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npy", Path(folder) / "found.npy"
        np.save(given, numbers)
        binary = [i for i, name in enumerate(holed) if name in levels]
        code = (
            "import sys, numpy as np; from ForestDiffusion import ForestDiffusionModel as M; "
            "m = M(np.load(sys.argv[1]), n_t=20, duplicate_K=5, diffusion_type='vp', n_jobs=1, seed=0, "
            f"bin_indexes={binary}); np.save(sys.argv[2], m.impute(k=1)[0])"
        )
        subprocess.run([python, "-c", code, given, found], check=True, capture_output=True)
        return unnumbered(np.load(found).reshape(numbers.shape), holed, levels)


def numbered(holed: pd.DataFrame, is_level: dict[str, bool]) -> tuple[np.ndarray, dict[str, list[str]]]:
    """The table as floats, NaN where missing, and the levels that the numbers of a column stand for."""
    levels = {name: sorted(holed[name].dropna().unique()) for name, level in is_level.items() if level}
    columns = [
        holed[name].map({level: i for i, level in enumerate(levels[name])}) if name in levels else holed[name]
        for name in holed
    ]
    return np.column_stack([column.to_numpy(dtype=float) for column in columns]), levels


def unnumbered(filled: np.ndarray, holed: pd.DataFrame, levels: dict[str, list[str]]) -> pd.DataFrame:
    """The table of floats with its levels, those of numbers in between being the nearest."""
    columns: dict[str, Any] = {}
    for i, name in enumerate(holed):
        column: Any = filled[:, i]
        if name in levels:
            code = np.clip(np.rint(column), 0, len(levels[name]) - 1).astype(int)
            column = np.array(levels[name], dtype=object)[code]
        columns[name] = column
    return pd.DataFrame(columns, index=holed.index).where(holed.isna(), holed)


# --- the figures --------------------------------------------------------------------------------------------


def compare(
    train: pd.DataFrame, filled: pd.DataFrame, removed: pd.DataFrame, is_level: dict[str, bool]
) -> Figures:
    """RMSE, accuracy and distance of the removed cells and what was filled in."""
    from scipy.stats import wasserstein_distance

    squares, right, distances = [], [], []
    for name, level in is_level.items():
        rows = removed[name].to_numpy()
        if not rows.any():
            continue
        real, made = train[name][rows], filled[name][rows]
        if made.isna().any():
            raise ValueError(f"column {name!r} still has {int(made.isna().sum())} missing cells.")
        if level:
            right.append((real.astype(str) == made.astype(str)).to_numpy())
            shares = [part.astype(str).value_counts(normalize=True) for part in (real, made)]
            distances.append(float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2))
        else:
            spread = train[name].std()
            squares.append((((made.astype(float) - real) / spread) ** 2).to_numpy())
            distances.append(float(wasserstein_distance(real / spread, made.astype(float) / spread)))
    return {
        "rmse": float(np.sqrt(np.concatenate(squares).mean())),
        "accuracy": float(np.concatenate(right).mean()) if right else float("nan"),
        "distance": float(np.mean(distances)),
    }


def downstream_auc(
    table: pd.DataFrame, test: pd.DataFrame, is_level: dict[str, bool], target: str, seed: int
) -> float:
    """ROC AUC on held-out rows of boosting trained on the table."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    both = pd.concat([table, test], ignore_index=True)
    features, _ = numbered(both.drop(columns=target), {k: v for k, v in is_level.items() if k != target})
    kinds = [is_level[name] for name in both.columns.drop(target)]
    y = (both[target] == "yes").to_numpy()
    n = len(table)
    model = HistGradientBoostingClassifier(categorical_features=kinds, random_state=seed)
    return float(roc_auc_score(y[n:], model.fit(features[:n], y[:n]).predict_proba(features[n:])[:, 1]))


# --- the report ---------------------------------------------------------------------------------------------


def as_text(report: dict[str, Any]) -> str:
    """One line for each case and method."""
    machine = report["machine"]
    lines = [
        f"{machine['cpu']}: {machine['usable_cores'] or machine['cores']} cores, "
        f"load {machine['load_average']} at the start",
        f"{'table':<12}{'removed':<16}{'method':<20}{'RMSE':>8}{'accuracy':>10}{'distance':>10}{'AUC':>8}"
        f"{'seconds':>9}",
    ]
    for entry in report["cases"]:
        case = entry["case"]
        removed = f"{case['rate']:.0%} {case['mechanism']}"
        for name in ("complete", *METHODS):
            if name in entry["methods"]:
                figures = entry["methods"][name]
                shown = [_cell(figures, key) for key in ("rmse", "accuracy", "distance", "auc", "seconds")]
                widths = (8, 10, 10, 8, 9)
                cells = "".join(cell.rjust(width) for cell, width in zip(shown, widths, strict=True))
                lines.append(f"{case['table']:<12}{removed:<16}{name:<20}{cells}")
    return "\n".join(lines)


def _cell(figures: Figures, key: str) -> str:
    """One figure; a dash where there is none."""
    value = figures.get(key)
    if value is None or not np.isfinite(value):
        return "-"
    return f"{value:.1f}" if key == "seconds" else f"{value:.3f}"


if __name__ == "__main__":
    main(sys.argv[1:])
