"""Classifier two-sample tests (C2ST) as papers print them: a classifier tells synthetic from real rows.

Both follow LogisticDetection of sdmetrics 0.11.1 and differ only in the classifier:

1. Columns become numbers. Numeric columns stay as they are, *integer codes of levels included*; booleans are
   0 and 1; times are numbers; everything else is one-hot. Missing numbers take the mean of the real column,
   missing booleans its most frequent value, missing labels are a level of their own. Infinite is missing.
2. Three stratified shuffled folds over real (1) and synthetic (0) rows. On each: mean imputation, robust
   scaling (median and quartiles of the training part), the classifier, and the AUC of the held-out part.
3. The score is 1 - mean over folds of (2 max(1/2, AUC) - 1): 1 if real and synthetic rows cannot be told
   apart, 0 if they always can.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

from tabdiff.errors import InputError
from tabdiff.evaluation.published.boosting import import_xgboost
from tabdiff.evaluation.published.tables import (
    check_categorical,
    read_frames,
    read_levels,
    read_numbers,
    unequal_kinds,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["lr_c2st", "xgb_c2st"]

N_FOLDS = 3


def lr_c2st(real: Any, synthetic: Any, categorical: Iterable[Any] = (), *, seed: int = 0) -> float:
    """1 if logistic regression cannot tell synthetic from real rows, 0 if it always can.

    real, synthetic: tables with the same columns; papers pass the training table as `real`.
    categorical: numeric columns to one-hot nevertheless. Papers do not, so leave it empty to compare with
    them.
    seed: of the shuffle into folds.
    Returns the score of the module's three steps. Its ideal is that of real held-out rows, about 1.

    Blind spots: it sees little but the means of columns. Independent columns score 1, and so does a copy of
    the training rows. A numeric column that is missing throughout is filled with the real mean and passes. An
    AUC below 1/2, which copies cause, counts as 1/2.

    Raises `InputError` if columns differ or repeat, if a table has fewer than three rows, if a name in
    `categorical` is unknown, or if a column holds numbers in one table and labels in the other.
    Source: `single_table/detection/{base,sklearn}.py` of sdmetrics 0.11.1, called by `eval/eval_detection.py`
    of TabSyn and `TabMetrics.evaluate_c2st` of TabDiff.
    """
    return _c2st(real, synthetic, categorical, seed, lambda: LogisticRegression(solver="lbfgs"))


def xgb_c2st(real: Any, synthetic: Any, categorical: Iterable[Any] = (), *, seed: int = 0) -> float:
    """1 if gradient boosting cannot tell synthetic from real rows, 0 if it always can.

    Arguments and errors as in `lr_c2st`; besides, `InputError` if xgboost is not installed. The classifier is
    `XGBClassifier(eval_metric="logloss", enable_categorical=True, random_state=0)` with 100 trees of depth 6.
    Its ideal is that of real held-out rows, somewhat below 1 because an AUC below 1/2 counts as 1/2.
    The defaults of xgboost, which decide the trees, may change with its version: state it beside the score.

    Blind spots: a copy of the training rows scores 1. An AUC far below 1/2, the sign of copies, is cut to
    1/2. A numeric column that is missing throughout is filled with the real mean, and is seen only as a
    constant. Rare classes hardly count, and neither does a handful of copied rows. More rows find more:
    scores on tables of different sizes do not compare.

    Source: `XGBoostDetection` in `src/metrics/metrics.py` of TabPC, on the folds of sdmetrics 0.24.0, which
    for these steps agree with 0.11.1.
    """
    xgboost = import_xgboost("xgb_c2st")
    return _c2st(
        real,
        synthetic,
        categorical,
        seed,
        lambda: xgboost.XGBClassifier(eval_metric="logloss", enable_categorical=True, random_state=0),
    )


def _c2st(
    real: Any, synthetic: Any, categorical: Iterable[Any], seed: int, make_classifier: Callable[[], Any]
) -> float:
    """The three steps of the module, with any classifier that gives probabilities."""
    real_rows, synthetic_rows = _features(real, synthetic, categorical)
    x = np.concatenate([real_rows, synthetic_rows])
    y = np.repeat([1, 0], [len(real_rows), len(synthetic_rows)])
    # DIFFERS: the shuffle is unseeded there; RandomState(seed) gives what it gives after np.random.seed(seed)
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=np.random.RandomState(seed))
    aucs = []
    for train, test in folds.split(x, y):
        # columns without any value would be dropped with a warning; as constants they tell as little
        model = make_pipeline(SimpleImputer(keep_empty_features=True), RobustScaler(), make_classifier())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 100 steps of L-BFGS are the protocol
            model.fit(x[train], y[train])
        aucs.append(roc_auc_score(y[test], model.predict_proba(x[test])[:, 1]))
    return _score(aucs)


def _score(aucs: Iterable[float]) -> float:
    """1 - mean of (2 max(1/2, AUC) - 1)."""
    return 1 - float(np.mean([2 * max(0.5, auc) - 1 for auc in aucs]))


# --- columns to numbers ---


def _features(
    real: Any, synthetic: Any, categorical: Iterable[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both tables as (n, F) numbers: numeric columns first, then one-hot ones; NaN where nothing is known."""
    frames = read_frames({"real": real, "synthetic": synthetic})
    names = list(frames[0].columns)
    as_levels = check_categorical(categorical, names)
    for role, frame in zip(("real", "synthetic"), frames, strict=True):
        if len(frame) < N_FOLDS:
            raise InputError(f"`{role}` has {len(frame)} rows; the {N_FOLDS} folds need one each, or more.")
    pairs: dict[Any, tuple[pd.Series, pd.Series]] = {
        name: (frames[0][name], frames[1][name]) for name in names
    }
    by_level = [name for name in names if name in as_levels or _kind(pairs[name][0]) == "O"]
    blocks = [_fill_numbers(name, *pairs[name]) for name in names if name not in by_level]
    blocks += [_one_hot(*pairs[name]) for name in by_level]
    real_rows, synthetic_rows = (np.column_stack([block[part] for block in blocks]) for part in (0, 1))
    return real_rows, synthetic_rows


def _kind(column: pd.Series) -> str:
    """NumPy's letter for the kind of the values that are present; "O" for labels."""
    return column.dropna().infer_objects().dtype.kind


def _fill_numbers(
    name: Any, real: pd.Series, synthetic: pd.Series
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numbers of both tables, missing ones filled from the real column; NaN for infinite ones."""
    kind, other = _kind(real), _kind(synthetic)
    alike = (kind == other) or (kind in "iufb" and other in "iufb")
    if not alike and not synthetic.isna().all():
        raise unequal_kinds(name, real, synthetic, ("real", "synthetic"))
    real_values, synthetic_values = (
        read_numbers(part.astype(real.dropna().infer_objects().dtype) if kind in "Mm" else part).astype(float)
        for part in (real, synthetic)
    )
    present = real_values[~np.isnan(real_values)]
    if present.size:
        fill = _most_frequent(present) if kind == "b" else present.sum() / present.size
        real_values = np.where(np.isnan(real_values), fill, real_values)
        synthetic_values = np.where(np.isnan(synthetic_values), fill, synthetic_values)
    real_values, synthetic_values = (
        np.where(np.isinf(part), np.nan, part) for part in (real_values, synthetic_values)
    )
    return real_values, synthetic_values


def _most_frequent(values: NDArray[np.float64]) -> float:
    """The most frequent value, of several the smallest."""
    unique, counts = np.unique(values, return_counts=True)
    return float(unique[counts.argmax()])


def _one_hot(real: pd.Series, synthetic: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, levels of the real column) dummies, in the order of their text; missing is a level, the last."""
    # DIFFERS: 0.11.1 raises on levels that the real column lacks. They become a row of zeros, as in 0.24.0.
    (real_codes, synthetic_codes), levels = read_levels([real, synthetic])
    seen = np.unique(real_codes)
    order = sorted(seen[seen >= 0], key=lambda code: str(levels[code])) + [-1] * bool((seen < 0).any())
    real_rows, synthetic_rows = (
        (codes[:, None] == np.array(order)).astype(float) for codes in (real_codes, synthetic_codes)
    )
    return real_rows, synthetic_rows
