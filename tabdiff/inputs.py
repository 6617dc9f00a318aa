"""What users hand to the public classes, read or refused in one way."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions

from tabdiff import frames
from tabdiff.errors import InputError, SchemaError
from tabdiff.frames import RowTemplate, Template
from tabdiff.schema import Column, TableSchema
from tabdiff.tables import TableConfig

__all__ = [
    "LEARNING_PARAMETERS",
    "check_names",
    "class_labels",
    "note_names",
    "read_rows",
    "read_table",
    "table_config",
    "whole_number",
]

LEARNING_PARAMETERS: dict[str, list[Any]] = {
    "random_state": ["random_state", np.random.Generator, np.random.SeedSequence],
    "max_seconds": [None, Interval(Real, 0, None, closed="neither")],
    "max_steps": [None, Interval(Integral, 1, None, closed="left")],
    "sampling_steps": [None, Interval(Integral, 1, None, closed="left")],
    "guidance_weight": [Interval(Real, 0, None, closed="left")],
    "method": [StrOptions({"few-step", "tabddpm"})],
    "device": [str],
    "compile": ["boolean"],
    "memorisation_brake": ["boolean", StrOptions({"auto"})],
    "verbose": ["boolean"],
}
"""Constraints of the constructor parameters that the public classes share, as scikit-learn states them."""


def read_table(X: Any, estimator: BaseEstimator) -> tuple[list[Column], Template | RowTemplate]:
    """Read a frame, a 2-D array or a list of rows into columns, and note their names on `estimator`.

    Raises scikit-learn's own `ValueError` or `TypeError` for arrays that are sparse, complex, empty or not
    two-dimensional, and `InputError` for frames without rows or columns and for what is no table at all.
    """
    columns, template = read_rows(X, estimator)
    note_names(columns, estimator)
    return columns, template


def read_rows(X: Any, estimator: BaseEstimator) -> tuple[list[Column], Template | RowTemplate]:
    """As `read_table`, but leave `estimator` as it is."""
    data = X
    if isinstance(X, list):
        # of objects, so that a number beside text stays a number, and an integer beside a float an integer
        data = np.array(X, dtype=object)
    # scikit-learn knows arrays, sparse matrices and whatever else can be seen as one
    if not frames.is_frame(data) and (hasattr(data, "__array__") or hasattr(data, "toarray")):
        data = check_array(data, dtype=None, ensure_all_finite=False, estimator=estimator)
    columns, template = frames.read(data)
    return columns, RowTemplate(template) if isinstance(X, list) else template


def note_names(columns: list[Column], estimator: BaseEstimator) -> None:
    """Set `n_features_in_`, and `feature_names_in_` if all names are strings, as scikit-learn does."""
    names = [column.name for column in columns]
    estimator.n_features_in_ = len(names)
    if all(isinstance(name, str) for name in names):
        estimator.feature_names_in_ = np.array(names, dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def check_names(columns: list[Column], fitted: list[Hashable]) -> None:
    """Raise `SchemaError`, worded as in scikit-learn, unless the columns have the fitted names in order."""
    names = [column.name for column in columns]
    if names == fitted:
        return
    unseen, gone = ([name for name in a if name not in b] for a, b in ((names, fitted), (fitted, names)))
    message = "The feature names should match those that were passed during fit.\n"
    if unseen:
        message += f"Feature names unseen at fit time:\n{_listed(unseen)}"
    if gone:
        message += f"Feature names seen at fit time, yet now missing:\n{_listed(gone)}"
    if not unseen and not gone:
        message += "Feature names must be in the same order as they were in fit.\n"
    raise SchemaError(f"{message}Expected {fitted[:10]}, got {names[:10]}.")


def _listed(names: list[Hashable]) -> str:
    return "".join(f"- {name}\n" for name in sorted(names, key=str)[:5]) + "- ...\n" * (len(names) > 5)


def class_labels(y: Any) -> Any:
    """Return the classes y as scikit-learn and imbalanced-learn take them.

    y: series, array or list (n,); or an array, list or frame (n, 1) or (n, n_classes).
    Raises `InputError` if a class is missing or y is sparse.
    """
    if hasattr(y, "toarray"):
        raise InputError(f"y is sparse ({type(y).__name__}). Pass the classes as an array, or y.toarray().")
    labels = frames.to_numpy_1d(list(y) if isinstance(y, tuple) else y)
    return np.asarray(labels) if isinstance(labels, list) else labels


def table_config(
    estimator: BaseEstimator,
    schema: Mapping[Hashable, str] | TableSchema | None,
    constraints: Sequence[Any] = (),
) -> TableConfig:
    """Collect what the parameters of a public class say about learning; schema: name to kind."""
    return TableConfig(
        schema,
        constraints,
        estimator.method,
        estimator.max_steps,
        estimator.max_seconds,
        estimator.device,
        estimator.compile,
        estimator.memorisation_brake,
    )


def whole_number(name: str, value: Any, least: int) -> int:
    """The value as an int; raises `InputError` if it is none, or below the least that makes sense."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} is {value!r}. Pass a whole number, at least {least}.")
    return int(value)
