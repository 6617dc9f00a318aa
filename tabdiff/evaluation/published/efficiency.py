"""Machine-learning efficiency (MLE) as papers print it: train on synthetic rows, test on real ones.

XGBoost learns `target` from the synthetic rows, in 36 settings. One ninth of the synthetic rows picks the
setting, and the real test rows give the score: AUC for classes, RMSE for numbers.

The code behind the published figures (`eval/mle/mle.py`, the same in TabSyn, TabDiff and TabPC) does things
that no reader of the papers would guess. mode="paper" does them too:

- A number x becomes log(max(x, .01)) or 5 (x - low) / (high - low), by whether low >= 0 and high >= 1000. low
  and high are those of the *first* numeric column, for all columns.
- A low or high of exactly 0 counts as unset, so the next column gives its own. The test rows start from the
  last values. A table whose first numeric column begins at 0 is therefore transformed in one way for training
  and in another for testing, and the score drops for reasons that no generator can help.
- A numeric target becomes log(clip(y, 1, 20000)) in the training and the test part, but not in the ninth that
  picks the setting: whichever setting predicts the largest numbers wins.
- The shuffle before the split is unseeded, and the figure is one split.

mode="corrected" leaves numbers as they are (trees do not care), keeps the target in its own units in all
three parts and divides the RMSE by the standard deviation of the test target, keeps the shares of classes in
the split, and averages over several splits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import ParameterGrid

from tabdiff.errors import InputError
from tabdiff.evaluation.published.boosting import import_xgboost
from tabdiff.evaluation.published.tables import LevelColumn, NumberColumn, check_mode, read_columns

__all__ = ["Efficiency", "mle"]

GRID = {
    "n_estimators": [10, 50, 100],
    "min_child_weight": [1, 10],
    "max_depth": [5, 10, 20],
    "gamma": [0.0, 1.0],
}
VALIDATION_PART = 9
SYNTHETIC, TEST = range(2)


@dataclass(frozen=True)
class Efficiency:
    """How well a model that was trained on synthetic rows predicts real ones.

    metric: "roc_auc" (1 is best, 0.5 is guessing; of several classes the mean of one against the rest),
    "rmse" of the transformed target (0 is best), or "rmse / sd" (0 is best, 1 is predicting the mean).
    score: mean over seeds. spread: standard deviation over seeds, NaN for a single one. by_seed: one score
    each.
    settings: the setting of XGBoost that each seed picked.
    """

    metric: str
    score: float
    spread: float
    by_seed: tuple[float, ...]
    settings: tuple[dict[str, float], ...]


@dataclass(frozen=True)
class _Problem:
    """x: (n, F) features of the synthetic and of the test rows; y: (n,) class codes or numbers of both."""

    x: tuple[NDArray[Any], NDArray[Any]]
    y: tuple[NDArray[Any], NDArray[Any]]
    n_classes: int  # 0 for a numeric target


def mle(
    synthetic: Any,
    test: Any,
    target: Any,
    categorical: Iterable[Any] = (),
    *,
    mode: str = "paper",
    seed: int = 0,
    n_seeds: int | None = None,
) -> Efficiency:
    """Train XGBoost on synthetic rows and score it on real rows that the generator has not seen.

    synthetic: the rows to learn from. test: real held-out rows. Both with the same columns.
    target: name of the column to predict. It is a class if it is not numeric or is named in `categorical`.
    categorical: names of columns to treat as levels although they hold numbers or times.
    mode: "paper" or "corrected"; the top of this module tells what each does.
    seed: of the first split; n_seeds: how many, by default 1 in the paper mode and 5 in the corrected one.
    Returns an `Efficiency`. Its ideal is that of the training rows in place of the synthetic ones, for which
    call the function once more; more than that is luck.

    Blind spots: only what helps to predict `target` counts. Columns that do not may be noise, and one model
    family judges. Rows copied from train score as the real ones do. It hardly tells good generators apart:
    most published ones lie within .02 of each other. An AUC says nothing about probabilities or the shares of
    classes.

    Raises `InputError` if columns differ or repeat, if the target is unknown or stands alone, if it is
    numeric with two values and not named in `categorical`, if a number is missing or infinite, if test has
    classes that synthetic lacks (paper mode), if test has one class only, or if xgboost is not installed.
    Source: `eval/mle/mle.py` of TabSyn and TabDiff, there `best_auroc_scores` and `best_rmse_scores`.
    """
    # DIFFERS: gpu_hist, gone from xgboost, is hist on whatever device is there; shuffles are seeded;
    # TabDiff's real validation rows, which only its Diabetes table has, are not offered.
    check_mode(mode)
    n_seeds = n_seeds if n_seeds is not None else (1 if mode == "paper" else 5)
    if n_seeds < 1:
        raise InputError(f"`n_seeds` is {n_seeds}; at least 1 is needed.")
    xgboost = import_xgboost("mle")
    columns = read_columns({"synthetic": synthetic, "test": test}, categorical)
    problem = _problem(columns, target, mode)
    model = xgboost.XGBClassifier if problem.n_classes else xgboost.XGBRegressor
    results = [_one_split(problem, model, mode, seed + extra) for extra in range(n_seeds)]
    scores, settings = zip(*results, strict=True)
    metric = "roc_auc" if problem.n_classes else ("rmse" if mode == "paper" else "rmse / sd")
    spread = float(np.std(scores, ddof=1)) if n_seeds > 1 else float("nan")
    return Efficiency(metric, float(np.mean(scores)), spread, scores, settings)


def _one_split(problem: _Problem, model: Any, mode: str, seed: int) -> tuple[float, dict[str, float]]:
    """Score on test rows of the setting that is best on a ninth of the synthetic ones, and that setting."""
    (x, x_test), (y, y_test) = problem.x, problem.y
    training, validation = _split(y, bool(problem.n_classes) and mode == "corrected", seed)
    y_training, y_validation = y[training], y[validation]
    if not problem.n_classes and mode == "paper":
        y_training, y_test = (np.log(np.clip(part, 1, 20_000)) for part in (y_training, y_test))
    scores, predictions = [], []
    for setting in ParameterGrid(GRID):
        predict = _fit(model, setting, x[training], y_training, problem.n_classes)
        scores.append(_quality(y_validation, predict(x[validation]), problem.n_classes))
        predictions.append(predict)
    best = int(np.argmax(scores))
    quality = _quality(y_test, predictions[best](x_test), problem.n_classes)
    if problem.n_classes:
        return quality, dict(ParameterGrid(GRID)[best])
    unit = 1.0 if mode == "paper" else float(np.std(y_test)) or 1.0
    return -quality / unit, dict(ParameterGrid(GRID)[best])


def _split(y: NDArray[Any], keep_shares: bool, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of eight ninths and of one ninth of the rows, shuffled; with `keep_shares`, of every class."""
    shuffled = np.arange(len(y))
    np.random.RandomState(seed).shuffle(shuffled)
    if not keep_shares:
        n_validation = len(y) // VALIDATION_PART
        return shuffled[n_validation:], shuffled[:n_validation]
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    is_validation = np.arange(len(y)) % VALIDATION_PART == VALIDATION_PART // 2
    return by_class[~is_validation], by_class[is_validation]


def _fit(model: Any, setting: dict[str, float], x: NDArray[Any], y: NDArray[Any], n_classes: int) -> Any:
    """A function from features to predictions: (n, n_classes) probabilities, or (n,) numbers."""
    if not n_classes:
        return model(objective="reg:squarederror", tree_method="hist", **setting).fit(x, y).predict
    known, codes = np.unique(y, return_inverse=True)  # xgboost wants classes without gaps

    def predict(rows: NDArray[Any]) -> NDArray[np.float64]:
        probability = np.zeros((len(rows), n_classes))
        probability[:, known] = fitted.predict_proba(rows) if fitted is not None else 1.0
        return probability

    fitted = None
    if len(known) > 1:
        fitted = model(objective="binary:logistic", tree_method="hist", **setting).fit(x, codes)
    return predict


def _quality(y: NDArray[Any], prediction: NDArray[Any], n_classes: int) -> float:
    """AUC (mean of one class against the rest), or minus the RMSE; more is better, -inf if undefined."""
    if not n_classes:
        return -float(np.sqrt(np.mean((y.astype(np.float64) - prediction) ** 2)))
    occurring = [k for k in range(n_classes) if 0 < (y == k).sum() < len(y)]
    if not occurring:
        return -np.inf
    return float(np.mean([roc_auc_score(y == k, prediction[:, k]) for k in occurring]))


# --- tables to features ---


def _problem(columns: list[NumberColumn | LevelColumn], target: Any, mode: str) -> _Problem:
    """Features and target of both tables; errors as told in `mle`."""
    by_name = {column.name: column for column in columns}
    if target not in by_name or len(columns) < 2:
        raise InputError(
            f"`target` is {target!r}; it must be one of at least two columns. Known: {list(by_name)}."
        )
    goal = by_name[target]
    features = [column for column in columns if column.name != target]
    if len(goal.parts[SYNTHETIC]) < VALIDATION_PART:
        raise InputError(f"`synthetic` has {len(goal.parts[0])} rows; {VALIDATION_PART} is the least.")
    x = _paper_features(features) if mode == "paper" else _plain_features(features)
    if isinstance(goal, LevelColumn):
        _check_classes(goal, mode)
        return _Problem(x, _class_codes(goal), len(goal.levels))
    if len(np.unique(np.concatenate(goal.parts))) <= 2:
        raise InputError(
            f"The target {target!r} is numeric and has two values or fewer. If they are classes, name it in "
            "`categorical`."
        )
    y_synthetic, y_test = (part.astype(np.float32) for part in goal.parts)
    return _Problem(x, (y_synthetic, y_test), 0)


def _class_codes(goal: LevelColumn) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Classes of both tables, numbered in their natural order."""
    place = np.empty(len(goal.levels), dtype=np.int64)
    place[_natural_order(goal, range(len(goal.levels)))] = np.arange(len(goal.levels))
    return place[goal.parts[SYNTHETIC]], place[goal.parts[TEST]]


def _check_classes(goal: LevelColumn, mode: str) -> None:
    """Raise if the test rows cannot be scored."""
    learned, tested = (set(part.tolist()) for part in goal.parts)
    if len(tested) < 2:
        raise InputError(f"`test` has one class only in {goal.name!r}; an AUC needs two. Pass more rows.")
    if mode == "paper" and tested - learned:
        lacking = [goal.levels[code] for code in sorted(tested - learned)]
        raise InputError(
            f"`synthetic` lacks classes of {goal.name!r} that `test` has: {lacking}. The published "
            "protocol stops here; mode='corrected' scores it as a model that never predicts them."
        )


def _natural_order(column: LevelColumn, codes: Iterable[int]) -> list[int]:
    """Codes sorted by their levels as values, or as text if values do not compare; missing last."""
    present = [code for code in codes if column.levels[code] is not None]
    missing = [code for code in codes if column.levels[code] is None]
    try:
        return sorted(present, key=lambda code: column.levels[code]) + missing
    except TypeError:
        return sorted(present, key=lambda code: str(column.levels[code])) + missing


def _one_hot(column: LevelColumn) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(n, levels of the synthetic rows) dummies of both tables; a level that they lack is a row of zeros."""
    order = np.array(_natural_order(column, np.unique(column.parts[SYNTHETIC]).tolist()))
    synthetic, test = ((part[:, None] == order).astype(np.float32) for part in column.parts)
    return synthetic, test


def _plain_features(
    columns: list[NumberColumn | LevelColumn],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numbers as they are, levels as dummies."""
    blocks = [_one_hot(column) if isinstance(column, LevelColumn) else column.parts for column in columns]
    synthetic, test = (
        np.column_stack([block[part] for block in blocks]).astype(np.float64) for part in (SYNTHETIC, TEST)
    )
    return synthetic, test


def _paper_features(
    columns: list[NumberColumn | LevelColumn],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Numbers by the rule that the module describes, levels as dummies, in the order of the columns."""
    dummies = {column.name: _one_hot(column) for column in columns if isinstance(column, LevelColumn)}
    low, high = np.float32(0), np.float32(0)
    parts = []
    for part in (SYNTHETIC, TEST):
        numbers, low, high = _paper_numbers(
            [column.parts[part] for column in columns if isinstance(column, NumberColumn)], low, high
        )
        in_turn: Iterator[NDArray[np.float32]] = iter(numbers)
        parts.append(
            np.column_stack(
                [dummies[c.name][part] if isinstance(c, LevelColumn) else next(in_turn) for c in columns]
            )
        )
    if not all(np.isfinite(part).all() for part in parts):
        raise InputError(
            "The published protocol divides by the range of the first numeric column, which is constant in "
            "`synthetic`. Put another numeric column first, or use mode='corrected'."
        )
    return parts[SYNTHETIC], parts[TEST]


def _paper_numbers(
    columns: Iterable[NDArray[Any]], low: Any, high: Any
) -> tuple[list[NDArray[np.float32]], Any, Any]:
    """The numeric features of one table, and the low and high to go on with; 0 stands for unset."""
    features = []
    for column in columns:
        values = column.astype(np.float32)
        low, high = low or values.min(), high or values.max()
        if low >= 0 and high >= 1e3:
            features.append(np.log(np.maximum(values, np.float32(1e-2))))
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                features.append((values - low) / (high - low) * np.float32(5))
    return features, low, high
