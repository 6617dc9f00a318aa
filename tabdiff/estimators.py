"""`TableSynthesizer`: learn a table, draw new rows of the same kind."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from tabdiff import frames
from tabdiff.errors import ConditionError, InputError
from tabdiff.progress import sampling_bar, training_bar
from tabdiff.schema import Column, Kind, infer_schema
from tabdiff.seeds import seed_sequence
from tabdiff.tables import TableConfig, learn_table

__all__ = ["TableSynthesizer"]


class TableSynthesizer(BaseEstimator):
    """Learn a table with mixed-type diffusion and draw new rows.

    Numeric columns diffuse with Gaussian noise, categorical ones with multinomial noise, jointly. Missing
    values are learned as such: nothing is imputed.

    Parameters
    ----------
    target : hashable, default=None
        Name (or position, for arrays) of a column with few values. The model is then told this column's value
        beside each row, so that rows of any of its values can be asked for, rare ones included. None learns all
        columns alike.
    random_state : int, RandomState, Generator or None, default=None
        Seed of everything that is random. The same seed gives the same rows on the same machine with the same
        number of threads, as long as `max_seconds` is not what ends training.
    max_seconds : float, default=None
        Time budget of training. None trains for the number of steps that suits the table's size.
    verbose : bool, default=False
        Show progress bars.
    kinds : dict, default=None
        Column name to "numeric" or "categorical", where the inferred kind is not the wanted one.
    max_steps : int, default=None
        Number of training steps. None chooses it by the table's size.
    sampling_steps : int, default=None
        Network evaluations for each row drawn. None takes the method's own: 32, or 1000 for "tabddpm".
    guidance_weight : float, default=0.0
        Classifier-free guidance towards the asked value of `target`. More than 0 gives more typical and less
        diverse rows.
    method : {"few-step", "tabddpm"}, default="few-step"
        "tabddpm" is TabDDPM's own loss and sampler, for comparison.
    device : str, default="auto"
        "auto", "cpu", "cuda", ...

    Attributes
    ----------
    schema_ : TableSchema
        The columns and the kinds they are learned as; prints as a table. Without the target.
    classes_ : list
        The values of the target, or None.
    class_counts_ : ndarray of shape (n_classes,)
        Rows of each class in the table, or None.
    history_ : History
        Losses, steps and seconds of training.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : list
        Names of the columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from tabdiff import TableSynthesizer
    >>> df = pd.DataFrame({"amount": [9.5, 20.0, 9.5, 7.25] * 25, "card": ["debit", "credit"] * 50})
    >>> model = TableSynthesizer(target="card", random_state=0, max_steps=20).fit(df)
    >>> model.sample(3, where={"card": "credit"})["card"].tolist()
    ['credit', 'credit', 'credit']
    """

    _parameter_constraints: dict = {
        "target": "no_validation",
        "random_state": ["random_state", np.random.Generator, np.random.SeedSequence],
        "max_seconds": [None, Interval(Real, 0, None, closed="neither")],
        "verbose": ["boolean"],
        "kinds": [None, Mapping],
        "max_steps": [None, Interval(Integral, 1, None, closed="left")],
        "sampling_steps": [None, Interval(Integral, 1, None, closed="left")],
        "guidance_weight": [Interval(Real, 0, None, closed="left")],
        "method": [StrOptions({"few-step", "tabddpm"})],
        "device": [str],
    }

    def __init__(
        self,
        target=None,
        random_state=None,
        max_seconds=None,
        verbose=False,
        *,
        kinds=None,
        max_steps=None,
        sampling_steps=None,
        guidance_weight=0.0,
        method="few-step",
        device="auto",
    ):
        self.target = target
        self.random_state = random_state
        self.max_seconds = max_seconds
        self.verbose = verbose
        self.kinds = kinds
        self.max_steps = max_steps
        self.sampling_steps = sampling_steps
        self.guidance_weight = guidance_weight
        self.method = method
        self.device = device

    def fit(self, X, y=None):
        """Learn the table X.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, or ndarray of shape (n_rows, n_columns)
            The table, target column included. It is not changed.
        y : None
            Ignored; there for pipelines.

        Returns
        -------
        self : TableSynthesizer
            The fitted model.
        """
        self._validate_params()
        columns, template = frames.read(X)
        names = [column.name for column in columns]
        kinds = dict(self.kinds or {})
        features, label, target = list(columns), None, None
        if self.target is not None:
            target = _target_column(columns, self.target, kinds)
            if target is not None:
                features.remove(target)
                kinds.pop(target.name, None)
        if not features:
            raise InputError(f"the table has no column besides the target {self.target!r}: nothing to learn.")
        values, counts = None, None
        if target is not None:
            values, label, counts = np.unique(target.values, return_inverse=True, return_counts=True)
        seed, self._draw_seed = seed_sequence(self.random_state).spawn(2)
        config = TableConfig(kinds, self.method, self.max_steps, self.max_seconds, self.device)
        with training_bar(self.verbose) as progress:
            model = learn_table(features, label, 0 if values is None else len(values), config, seed, progress)
        self._model, self._template, self._class_values = model, template, values
        self._target = None if target is None else target.with_cells(target.values[:0], target.missing[:0])
        self._n_calls = 0
        self.schema_ = model.schema
        self.history_ = model.history
        self.classes_ = None if values is None else [target.describe(value) for value in values]
        self.class_counts_ = counts
        self.n_features_in_ = len(columns)
        self.feature_names_in_ = names
        return self

    def sample(self, n, where=None, *, random_state=None):
        """Draw new rows.

        Parameters
        ----------
        n : int
            Number of rows, at least 0.
        where : dict, default=None
            `{target: value}` for rows of one class only. None draws the classes as often as the table had them.
        random_state : int, RandomState, Generator or None, default=None
            Seed of these rows. None goes on from the seed of fit: the first call after `fit` gives the same rows
            each time, the second call others.

        Returns
        -------
        frame
            The same kind of frame as was fitted, with the same columns and dtypes.
        """
        check_is_fitted(self, "_model")
        if not isinstance(n, Integral) or isinstance(n, bool) or n < 0:
            raise InputError(f"n is {n!r}. Pass a whole number of rows, at least 0.")
        if random_state is None:
            seed = np.random.SeedSequence(
                self._draw_seed.entropy, spawn_key=(*self._draw_seed.spawn_key, self._n_calls)
            )
            self._n_calls += 1
        else:
            seed = seed_sequence(random_state)
        label_seed, row_seed = seed.spawn(2)
        label = self._labels(int(n), where, np.random.default_rng(label_seed))
        with sampling_bar(self.verbose, n) as on_rows:
            columns = self._model.sample(
                int(n), label, row_seed, self.sampling_steps, self.guidance_weight, on_rows
            )
        return self._template.rebuild(self._with_target(columns, label))

    def _labels(self, n: int, where: Mapping | None, rng: np.random.Generator) -> np.ndarray | None:
        """The class of each row to draw: as the condition says, or by the law of the table."""
        if where:
            code = self._class_code(dict(where))
            return np.full(n, code, dtype=np.int64)
        if self._class_values is None:
            return None
        return rng.choice(len(self._class_values), size=n, p=self.class_counts_ / self.class_counts_.sum())

    def _class_code(self, where: dict) -> int:
        if self._target is None:
            raise ConditionError(
                f"where={where!r} needs a model that was told a target. Fit again with "
                f"TableSynthesizer(target={next(iter(where))!r})."
            )
        if set(where) != {self._target.name}:
            raise ConditionError(f"where={where!r} may name the target column {self._target.name!r} only.")
        value = where[self._target.name]
        for code, known in enumerate(self.classes_):
            if known == value:
                return code
        raise ConditionError(
            f"column {self._target.name!r} never was {value!r} in the fitted table. Known: {self.classes_}."
        )

    def _with_target(self, columns: list[Column], label: np.ndarray | None) -> list[Column]:
        """Put the target column back into its place."""
        if self._target is None:
            return columns
        target = self._target.with_cells(self._class_values[label], np.zeros(len(label), dtype=bool))
        by_name = {column.name: column for column in [*columns, target]}
        return [by_name[name] for name in self.feature_names_in_]


def _target_column(columns: list[Column], name: Any, kinds: dict) -> Column | None:
    """The target column if its values can be classes, None if it is to be learned like any other."""
    found = [column for column in columns if column.name == name]
    if not found:
        raise InputError(f"there is no target column {name!r}. Columns: {[c.name for c in columns]}.")
    target = found[0]
    if target.missing.any():
        raise InputError(
            f"the target column {name!r} is missing in {int(target.missing.sum())} rows. Drop these rows, or fill it."
        )
    override = {name: kinds[name]} if name in kinds else None
    kind = infer_schema([target], override).columns[0].kind
    return None if kind is Kind.NUMERIC else target
