"""Boosted trees on any table: columns as the numbers that scikit-learn's histogram boosting takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils.validation import check_is_fitted

from tabdiff.cells import in_unit
from tabdiff.errors import InputError
from tabdiff.inputs import check_names, class_labels, read_rows, read_table
from tabdiff.schema import Column, Storage

__all__ = ["BoostedTrees", "TableCodes"]

MAX_LEVELS = 254  # one fewer than histogram boosting has bins


@dataclass(frozen=True)
class TableCodes:
    """Columns as numbers: labels by their rank in frequency, missing cells as NaN.

    names: of the columns, in order. levels: for each column of labels those that are told apart, most
    frequent first; None for a column of numbers. units: of times. empty: whether a column held no cell in
    fit, so that it tells nothing.
    """

    names: tuple[Any, ...]
    levels: tuple[tuple[Any, ...] | None, ...]
    units: tuple[str | None, ...]
    empty: tuple[bool, ...]

    @classmethod
    def fit(cls, columns: Sequence[Column]) -> TableCodes:
        """Learn the labels; those behind the most frequent ones count as missing."""
        levels = [_frequent(column) if column.storage is Storage.LABEL else None for column in columns]
        names, units = (tuple(each) for each in zip(*((c.name, c.unit) for c in columns), strict=True))
        return cls(names, tuple(levels), units, tuple(bool(column.missing.all()) for column in columns))

    @property
    def is_category(self) -> np.ndarray:
        """Which columns hold labels: (n_columns,) bool."""
        return np.array([levels is not None for levels in self.levels])

    def matrix(self, columns: Sequence[Column]) -> np.ndarray:
        """The cells of columns of the same names: (n, n_columns) float64."""
        coded = []
        fitted = zip(self.levels, self.units, self.empty, strict=True)
        for column, (levels, unit, empty) in zip(columns, fitted, strict=True):
            if empty:
                coded.append(np.zeros(len(column)))
                continue
            if levels is None:
                values = in_unit(column, unit).astype(np.float64)
            else:
                place = {level: code for code, level in enumerate(levels)}
                codes = np.array([place.get(level, np.nan) for level in column.levels], dtype=np.float64)
                values = codes[np.where(column.missing, 0, column.values)] if len(codes) else column.values
            coded.append(np.where(column.missing, np.nan, values))
        return np.column_stack(coded)


def _frequent(column: Column) -> tuple[Any, ...]:
    counts = np.bincount(column.observed, minlength=len(column.levels))
    order = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
    return tuple(column.levels[code] for code in order if counts[code])


class BoostedTrees(ClassifierMixin, BaseEstimator):
    """Histogram gradient boosting on frames as they are: text, categories, times and missing cells.

    What an amount of synthetic rows is judged by when no estimator is named. It stops early by a tenth of its
    training rows if there are more than 10,000, as scikit-learn does.

    Parameters
    ----------
    max_iter : int, default=100
        Number of trees, at most.
    random_state : int, RandomState or None, default=None
        Seed.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        Number of columns.
    n_iter_ : int
        Number of trees that were grown for each class.
    """

    def __init__(self, max_iter=100, random_state=None):
        self.max_iter = max_iter
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def fit(self, X, y, sample_weight=None):
        """Learn the classes y of the rows X.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, ndarray or list of shape (n_rows, n_columns)
            The rows.
        y : array of shape (n_rows,)
            Their classes.
        sample_weight : array of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        self : BoostedTrees
            The fitted classifier.
        """
        columns, _ = read_table(X, self)
        self._names = [column.name for column in columns]
        self._codes = TableCodes.fit(columns)
        self._model = HistGradientBoostingClassifier(
            max_iter=self.max_iter,
            categorical_features=self._codes.is_category,
            random_state=self.random_state,
        )
        self._model.fit(self._codes.matrix(columns), class_labels(y), sample_weight=sample_weight)
        self.classes_, self.n_iter_ = self._model.classes_, self._model.n_iter_
        return self

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : frame, ndarray or list of shape (n_rows, n_columns)
            Rows with the columns of fit.

        Returns
        -------
        probabilities : ndarray of shape (n_rows, n_classes)
            They sum to one in each row.
        """
        check_is_fitted(self, "_model")
        columns, _ = read_rows(X, self)
        if len(columns) != self.n_features_in_:
            raise InputError(
                f"X has {len(columns)} features, but BoostedTrees is expecting {self.n_features_in_} "
                "features as input."
            )
        check_names(columns, self._names)
        return self._model.predict_proba(self._codes.matrix(columns))

    def predict(self, X):
        """The most probable class of each row.

        Parameters
        ----------
        X : frame, ndarray or list of shape (n_rows, n_columns)
            Rows with the columns of fit.

        Returns
        -------
        classes : ndarray of shape (n_rows,)
            One of `classes_` for each row.
        """
        place = self.predict_proba(X).argmax(axis=1)
        return self.classes_[place]
