"""Utility as a score for scikit-learn: of synthetic rows, of a synthesizer's settings, of a sampler's.

All three judge on real rows that the generator never saw; in a search these are the validation fold.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.metrics import get_scorer
from sklearn.utils.validation import check_is_fitted

from tabdiff.errors import InputError
from tabdiff.evaluation.arguments import count_of
from tabdiff.evaluation.comparison import Comparison, Target, budget_of
from tabdiff.evaluation.features import boosting_features
from tabdiff.evaluation.reading import compare
from tabdiff.evaluation.utility.models import Learner, Table
from tabdiff.evaluation.utility.question import r2, usable_labels
from tabdiff.evaluation.utility.ranking import average_precision, rank

__all__ = ["ResampledRows", "make_augmentation_scorer", "tstr_score", "tstr_scorer"]

METRICS = ("average_precision", "r2")


def tstr_score(
    real: Any,
    synthetic: Any,
    target: Hashable,
    *,
    metric: str = "average_precision",
    positive: Any = None,
    random_state: int = 0,
) -> float:
    """Score on real rows of a model that learned from synthetic rows alone.

    Parameters
    ----------
    real : pandas, polars or pyarrow frame, or ndarray, of shape (n_real, n_columns)
        Real rows that the generator never saw. Only here are scores and levels read.
    synthetic : frame of shape (n_synthetic, n_columns)
        The rows to learn from, with the same columns.
    target : hashable
        Name of the column to predict.
    metric : {"average_precision", "r2"}, default="average_precision"
        Average precision of the positive class (with more than two classes the mean over all, each against
        the rest), or R2 of a number.
    positive : scalar, default=None
        The class that matters; None takes the rarest of `real`.
    random_state : int, default=0
        Seed of the model.

    Returns
    -------
    float
        Higher is better. A model that learned nothing scores the share of the positive class, or 0 for R2.
        Synthetic rows without a usable target do not count; without any the score is that of no information.

    Examples
    --------
    >>> from tabdiff.datasets import make_transactions
    >>> from tabdiff.evaluation import tstr_score
    >>> test, fresh = (make_transactions(2_000, seed, fraud_rate=0.05) for seed in (0, 1))
    >>> tstr_score(test, fresh, "fraud") > 0.5
    True
    """
    if metric not in METRICS:
        raise InputError(f"metric is {metric!r}. Known: {list(METRICS)}.")
    random_state = count_of("random_state", random_state, 0)
    comparison = compare(real, synthetic, target=target, positive=positive)
    held = comparison.target
    if held is None:
        raise InputError("target is None. Name the column to predict.")
    if held.is_classes != (metric == "average_precision"):
        kind, fitting = (
            ("classes", METRICS[0]) if held.is_classes else ("numbers with many values", METRICS[1])
        )
        raise InputError(
            f"the target {target!r} holds {kind}: metric {metric!r} does not apply, pass {fitting!r}."
        )
    if held.is_classes and positive is None:
        held = replace(held, positive=_rarest(held, comparison))
    return _score(comparison, held, random_state)


def _rarest(target: Target, comparison: Comparison) -> int:
    codes = comparison.real.column(target.column)
    counts = np.bincount(codes[codes >= 0], minlength=target.n_classes)
    return int(np.argmin(np.where(counts > 0, counts, counts.max() + 1)))


def _score(comparison: Comparison, target: Target, seed: int) -> float:
    """The model fitted on the synthetic rows, marked on all real rows."""
    if not comparison.features:
        raise InputError(f"there is no column but {target.column.name!r} to predict it from.")
    features = boosting_features(comparison, comparison.features)
    real, synthetic = comparison.real, comparison.synthetic
    y, y_synthetic = real.column(target.column), synthetic.column(target.column)
    rows, usable = usable_labels(target, y), usable_labels(target, y_synthetic)
    n_classes = target.n_classes if target.is_classes else 0
    x_test, y = features.matrix(real)[rows], y[rows]
    table = Table(features.matrix(synthetic)[usable], y_synthetic[usable], np.flatnonzero(usable))
    if not len(table):
        answer = np.zeros((len(y), n_classes)) if n_classes else np.full(len(y), y.mean())
    else:
        answer = Learner(n_classes, features.categorical, budget_of("standard").n_trees).predict(
            table, x_test, seed
        )
    if not n_classes:
        return float(r2(y, answer)(None)[0])
    codes = [target.positive] if n_classes == 2 else np.unique(y)
    return float(np.mean([average_precision(rank(answer[:, code], y == code).counts()) for code in codes]))


@dataclass(frozen=True)
class TstrScorer:
    """See `tstr_scorer`."""

    target: Hashable
    metric: str
    positive: Any
    n_rows: int | None
    random_state: int

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """The score of a fitted synthesizer on the real rows X."""
        synthetic = estimator.sample(len(X) if self.n_rows is None else self.n_rows)
        return tstr_score(
            X,
            synthetic[0] if isinstance(synthetic, tuple) else synthetic,
            self.target,
            metric=self.metric,
            positive=self.positive,
            random_state=self.random_state,
        )


def tstr_scorer(
    target: Hashable,
    *,
    metric: str = "average_precision",
    positive: Any = None,
    n_rows: int | None = None,
    random_state: int = 0,
) -> TstrScorer:
    """A scorer for searches over the settings of a synthesizer.

    Parameters
    ----------
    target : hashable
        Name of the column to predict; the synthesizer is fitted on tables that hold it.
    metric, positive, random_state
        As in `tstr_score`. Name `positive` if the rarest class could differ between folds.
    n_rows : int, default=None
        Rows to sample; None takes as many as are scored on.

    Returns
    -------
    callable
        ``scorer(estimator, X, y=None) -> float`` for ``GridSearchCV(synthesizer, grid, scoring=scorer)`` and
        ``cross_validate``, where the synthesizer has ``fit(X)`` and ``sample(n)``: it samples rows, fits a
        classifier on them, and scores it on X, the real rows of the validation fold.

    Examples
    --------
    >>> from tabdiff.evaluation import tstr_scorer
    >>> scorer = tstr_scorer("fraud")
    """
    return TstrScorer(target, metric, positive, n_rows, random_state)


class ResampledRows(MetaEstimatorMixin, BaseEstimator):
    """A sampler that keeps what it was given and what it made of it, so that a search can score it.

    Samplers of imbalanced-learn forget their rows after ``fit``. Wrapped, they can stand in
    ``GridSearchCV`` with a `make_augmentation_scorer`; their parameters are named ``sampler__...``.

    Parameters
    ----------
    sampler : object with ``fit_resample(X, y)``
        The sampler. It is cloned.

    Attributes
    ----------
    sampler_ : object
        The clone that resampled.
    X_, y_ : array-like
        Rows as they came.
    X_resampled_, y_resampled_ : array-like
        Rows after resampling.

    Examples
    --------
    >>> from imblearn.over_sampling import RandomOverSampler
    >>> from tabdiff.evaluation import ResampledRows
    >>> rows = ResampledRows(RandomOverSampler(random_state=0)).fit([[0], [1], [2]], [0, 0, 1])
    >>> sorted(int(label) for label in rows.y_resampled_)
    [0, 0, 1, 1]
    """

    def __init__(self, sampler):
        self.sampler = sampler

    def fit(self, X, y):
        """Resample X (n, F) with labels y (n,), and keep both."""
        self.sampler_ = clone(self.sampler)
        self.X_, self.y_ = X, y
        self.X_resampled_, self.y_resampled_ = self.sampler_.fit_resample(X, y)
        return self

    def fit_resample(self, X, y):
        """The resampled rows, as the sampler gives them."""
        self.fit(X, y)
        return self.X_resampled_, self.y_resampled_


@dataclass(frozen=True)
class AugmentationScorer:
    """See `make_augmentation_scorer`."""

    estimator: Any
    metric: Any
    baseline: bool

    def __call__(self, resampled: Any, X: Any, y: Any) -> float:
        """The score on real rows X, y of a classifier fitted on resampled rows, or its gain over none."""
        if not isinstance(resampled, ResampledRows):
            raise InputError(
                f"an augmentation scorer got a {type(resampled).__name__}, which keeps no rows. Wrap the "
                "sampler: GridSearchCV(ResampledRows(sampler), ...)."
            )
        check_is_fitted(resampled)
        score = get_scorer(self.metric) if isinstance(self.metric, str) else self.metric
        helped = clone(self.estimator).fit(resampled.X_resampled_, resampled.y_resampled_)
        value = float(score(helped, X, y))
        if not self.baseline:
            return value
        return value - float(score(clone(self.estimator).fit(resampled.X_, resampled.y_), X, y))


def make_augmentation_scorer(
    estimator: Any, metric: Any = "average_precision", baseline: bool = True
) -> AugmentationScorer:
    """A scorer for searches over the settings of a sampler: what resampling brings to one classifier.

    Parameters
    ----------
    estimator : classifier
        The classifier that is to be helped. It is cloned for each fit; give it a seed.
    metric : str or callable, default="average_precision"
        A scorer's name in scikit-learn, or ``scorer(estimator, X, y)``. One that needs no threshold is
        advised: at a fixed threshold any change of the class shares looks like a gain or a loss.
    baseline : bool, default=True
        Subtract the score of the same classifier fitted on the rows as they are. The order of the settings is
        the same without it, at half the cost; but only the difference tells whether the best of them is
        better than no resampling: ``best_score_ > 0``, with ``std_test_score`` over paired folds.

    Returns
    -------
    callable
        ``scorer(resampled, X, y) -> float`` for a fitted `ResampledRows`; X, y are rows as they came.

    Notes
    -----
    A ``Pipeline`` of imbalanced-learn with a sampler and a classifier can be searched with
    ``scoring="average_precision"`` as it is; put ``"passthrough"`` among the samplers there, or the search
    cannot find out that none is best.

    Examples
    --------
    >>> from imblearn.over_sampling import SMOTE
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from tabdiff.evaluation import ResampledRows, make_augmentation_scorer
    >>> scorer = make_augmentation_scorer(LogisticRegression())
    >>> grid = {"sampler__sampling_strategy": [0.1, 0.5, 1.0]}
    >>> search = GridSearchCV(ResampledRows(SMOTE(random_state=0)), grid, scoring=scorer)
    """
    return AugmentationScorer(estimator, metric, baseline)
