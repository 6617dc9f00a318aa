"""`TableSynthesizer`: learn a table, draw new rows of the same kind."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from tabdiff.errors import ConditionError, InputError
from tabdiff.inputs import LEARNING_PARAMETERS, check_names, read_rows, read_table, table_config
from tabdiff.progress import sampling_bar, training_bar
from tabdiff.schema import Column, Kind, Storage, infer_schema
from tabdiff.seeds import seed_sequence
from tabdiff.tables import learn_table

__all__ = ["TableSynthesizer"]


class TableSynthesizer(BaseEstimator):
    """Learn a table with mixed-type diffusion and draw new rows.

    Numeric columns diffuse with Gaussian noise, categorical ones with multinomial noise, jointly. Missing
    values are learned as such: nothing is imputed.

    Parameters
    ----------
    target : hashable, default=None
        Name (or position, for arrays) of a column with few values. The model is then told this column's value
        beside each row, so that rows of any of its values can be asked for, rare ones included. A target that
        holds times, or numbers with many values, is learned like any other column. None learns all alike.
    random_state : int, RandomState, Generator or None, default=None
        Seed of everything that is random. The same seed gives the same rows on the same machine, whatever the
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
        "tabddpm" is TabDDPM's own loss and sampler, for comparison; it needs its 1000 sampling steps.
    device : str, default="auto"
        "auto", "cpu", "cuda", ...
    compile : bool, default=False
        Train with `torch.compile`. It takes about a minute to warm up, which only long runs win back.
    memorisation_brake : bool or "auto", default="auto"
        End training when the losses begin to tell training rows from held-out ones. The brake holds out a
        fifth of the rows of each class that it watches. "auto" watches classes (without a target, tables) of
        50 to 1,999 rows, True larger ones as well, False none. `history_` shows what it saw.

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
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if all are strings.

    Examples
    --------
    >>> import pandas as pd
    >>> from tabdiff import TableSynthesizer
    >>> df = pd.DataFrame({"amount": [9.5, 20.0, 9.5, 7.25] * 25, "card": ["debit", "credit"] * 50})
    >>> model = TableSynthesizer(target="card", random_state=0, max_steps=20).fit(df)
    >>> model.sample(3, where={"card": "credit"})["card"].tolist()
    ['credit', 'credit', 'credit']
    """

    _parameter_constraints: ClassVar[dict] = {
        "target": "no_validation",
        "kinds": [None, Mapping],
        **LEARNING_PARAMETERS,
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
        compile=False,
        memorisation_brake="auto",
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
        self.compile = compile
        self.memorisation_brake = memorisation_brake

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def fit(self, X, y=None):
        """Learn the table X.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, ndarray or list of shape (n_rows, n_columns)
            The table, target column included. It is not changed.
        y : None
            Ignored; there for pipelines.

        Returns
        -------
        self : TableSynthesizer
            The fitted model.
        """
        self._validate_params()
        columns, template = read_table(X, self)
        target = None if self.target is None else _read_target(columns, self.target, self.kinds)
        features = [column for column in columns if target is None or column.name != target.column.name]
        if not features:
            raise InputError(f"the table has no column besides the target {self.target!r}: nothing to learn.")
        kinds = {
            name: kind
            for name, kind in (self.kinds or {}).items()
            if target is None or name != target.column.name
        }
        seed, draw_seed = seed_sequence(self.random_state).spawn(2)
        config = table_config(self, kinds)
        label, n_classes = (None, 0) if target is None else (target.codes, len(target.values))
        with training_bar(self.verbose) as progress:
            model = learn_table(features, label, n_classes, config, seed, progress)
        self._names, self._template = [column.name for column in columns], template
        self._target = None if target is None else target.without_rows()
        self._model, self._draw_seed, self._n_calls = model, draw_seed, 0
        self.schema_ = model.schema
        self.history_ = model.history
        self.classes_ = None if target is None else target.classes
        self.class_counts_ = None if target is None else target.counts
        return self

    def sample(self, n, where=None, *, random_state=None):
        """Draw new rows.

        Parameters
        ----------
        n : int
            Number of rows, at least 0.
        where : dict, default=None
            `{target: value}` for rows of one class only. None draws the classes as often as the table had
            them.
        random_state : int, RandomState, Generator or None, default=None
            Seed of these rows. None goes on from the seed of fit: the first call after `fit` gives the same
            rows each time, the second call others.

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
        n = int(n)
        label = self._labels(n, where, np.random.default_rng(label_seed))
        with sampling_bar(self.verbose, n) as on_rows:
            columns = self._model.sample(
                n, label, row_seed, self.sampling_steps, self.guidance_weight, on_rows
            )
        return self._template.rebuild(self._with_target(columns, label))

    def score_samples(self, X):
        """How well each row fits the model, the higher the better, as for scikit-learn's density estimators.

        The score is minus the denoising loss of the row, averaged over 60 draws of noise that are the same
        for every row, numbers and levels alike. It is no log-likelihood; it only orders rows, best those of
        one class. Missing numbers add nothing of their own. A row's score does not depend on the rows beside
        it, nor on a seed.

        A model that has learned rows by heart scores them higher than new rows of the same law: that is the
        loss attack on membership. The noise levels are those at which it told most, measured on models of 400
        rows of three laws: its AUC is flat where numbers hold noise of .03 to .2 standard deviations, lower
        on both sides, and grows with the number of draws up to about 60.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, ndarray or list of shape (n_rows, n_columns)
            Rows with the columns of the fitted table in their order, target included. It is not changed.

        Returns
        -------
        scores : ndarray of shape (n_rows,)
            One float for each row; minus infinity for rows that the model cannot make, since fit has not seen
            one of their levels, their class, or a missing cell in that column. Zeros if all columns beside
            the target are constant.

        Raises
        ------
        SchemaError
            If the columns are others than in fit.
        """
        check_is_fitted(self, "_model")
        columns, _ = read_rows(X, self)
        check_names(columns, self._names)
        if self._target is None:
            return self._model.row_scores(columns, None)
        name = self._target.column.name
        label = self._target.read_codes(columns[self._names.index(name)])
        return self._model.row_scores([column for column in columns if column.name != name], label)

    def _labels(self, n: int, where: Mapping | None, rng: np.random.Generator) -> np.ndarray | None:
        """The class of each row to draw: as the condition says, or by the law of the table."""
        if where is not None:
            return np.full(n, self._class_code(where), dtype=np.int64)
        if self._target is None:
            return None
        counts = self._target.counts
        return rng.choice(len(counts), size=n, p=counts / counts.sum())

    def _class_code(self, where: Mapping) -> int:
        """The label of the one class that the condition names."""
        if not isinstance(where, Mapping) or len(where) != 1:
            raise ConditionError(
                f"where is {where!r}. Pass a dict of the target column and one of its values."
            )
        ((name, value),) = where.items()
        if name not in self._names:
            raise ConditionError(
                f"where={where!r} names {name!r}, which is no column. Columns: {self._names}."
            )
        if self._target is None and name == self.target:
            raise ConditionError(
                f"where={where!r} cannot be met: the target {name!r} holds times, or numbers with many "
                "values, and was learned like any other column. Turn it into classes first."
            )
        if self._target is None:
            raise ConditionError(
                f"where={where!r} needs a model that was told a target. Fit again with "
                f"TableSynthesizer(target={name!r})."
            )
        if name != self._target.column.name:
            raise ConditionError(
                f"where={where!r} may name the target column {self._target.column.name!r} only."
            )
        classes = self._target.classes
        if not isinstance(value, Hashable) or value not in classes:
            raise ConditionError(
                f"column {name!r} never was {value!r} in the fitted table. Known: {classes}."
            )
        return classes.index(value)

    def _with_target(self, columns: list[Column], label: np.ndarray | None) -> list[Column]:
        """Put the target column back into its place."""
        if self._target is None or label is None:
            return columns
        by_name = {column.name: column for column in [*columns, self._target.cells(label)]}
        return [by_name[name] for name in self._names]


@dataclass(frozen=True)
class _Target:
    """The target column, its sorted values, how often each occurs, and which of them each row has."""

    column: Column
    values: np.ndarray
    counts: np.ndarray
    codes: np.ndarray

    @property
    def classes(self) -> list:
        """The values as the user knows them."""
        return [self.column.describe(value) for value in self.values]

    def without_rows(self) -> _Target:
        """The same target without the rows it was read from."""
        return _Target(self.column.without_cells(), self.values, self.counts, self.codes[:0].copy())

    def read_codes(self, column: Column) -> np.ndarray:
        """Which of the known values each cell of another column has: (n,) int64, -1 for none of them."""
        known = {value: code for code, value in enumerate(self.classes)}
        values, place = np.unique(column.values, return_inverse=True)
        codes = np.array([known.get(column.describe(value), -1) for value in values], dtype=np.int64)
        return np.where(column.missing, -1, codes[place])

    def cells(self, codes: np.ndarray) -> Column:
        """The column with the value of each code."""
        return self.column.with_cells(self.values[codes], np.zeros(len(codes), dtype=bool))


def _read_target(columns: list[Column], name: Hashable, kinds: Mapping | None) -> _Target | None:
    """Read the target column if its values can be classes; None if it is to be learned like any other.

    Raises `InputError` if there is no such column, or cells of it are missing.
    """
    found = [column for column in columns if column.name == name]
    if not found:
        raise InputError(f"there is no target column {name!r}. Columns: {[c.name for c in columns]}.")
    column = found[0]
    if column.missing.any():
        raise InputError(
            f"the target column {name!r} is missing in {column.missing.sum()} of {len(column)} rows. Drop "
            "these rows, or fill it."
        )
    override = {key: kind for key, kind in (kinds or {}).items() if key == name}
    kind = infer_schema([column], override).columns[0].kind
    if kind is Kind.NUMERIC or column.storage in (Storage.DATETIME, Storage.DURATION):
        return None
    values, codes, counts = np.unique(column.values, return_inverse=True, return_counts=True)
    return _Target(column, values, counts, codes)
