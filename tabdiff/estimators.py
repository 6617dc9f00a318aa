"""`TableSynthesizer`: learn a table, draw new rows of the same kind, fill missing cells, go on learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from tabdiff import frames
from tabdiff.arrangement import suggest
from tabdiff.callbacks import CallbackSupport, calling, fit_task, together, with_callbacks
from tabdiff.constraints import Predicate
from tabdiff.errors import InputError
from tabdiff.histories import FitHistory
from tabdiff.inputs import (
    LEARNING_PARAMETERS,
    check_names,
    read_rows,
    read_table,
    table_config,
    whole_number,
)
from tabdiff.progress import sampling_bar, training_bar
from tabdiff.requests import How, draw, fill, into_holes, read_request
from tabdiff.retraining import relearn_table
from tabdiff.saving import parts_to_save, with_saved_parts, withheld_labels, withheld_now
from tabdiff.schema import Column, TableSchema
from tabdiff.seeds import child_seed, seed_sequence
from tabdiff.storage.models import load_model, save_model
from tabdiff.tables import Keeping, LearnedTable, learn_table
from tabdiff.targets import Target, read_target
from tabdiff.training import Start

__all__ = ["TableSynthesizer"]


class TableSynthesizer(CallbackSupport, BaseEstimator):
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
    schema : dict or TableSchema, default=None
        Column name to "numeric", "categorical" or "identifier", where another kind is wanted than the
        inferred one.
    constraints : sequence, default=()
        What every row obeys: `Inequality`, `FixedCombinations`, `Range`, `Positive`, `Unique` and
        `Predicate` of `tabdiff.constraints`. `suggested_constraints_` lists what seems to hold; nothing is
        imposed unasked.
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
    callbacks : sequence of callables, default=()
        Called after each evaluation in training with a `tabdiff.callbacks.Progress`: step, loss, held-out
        loss, seconds, ETA. Training ends if one returns True. From scikit-learn 1.9 on, its own callbacks can
        be set as well, by `set_callbacks`.
    checkpoint_dir : path, default=None
        Directory in which the state of `fit` is kept while it runs, for this model alone.
    checkpoint_seconds : float, default=60.0
        Time from one checkpoint to the next.
    resume : bool, default=False
        Go on from the checkpoint in `checkpoint_dir`, if there is one. On a CPU the model is then the same,
        bit by bit, as one that was never interrupted. It needs an integer `random_state` and the same table.

    Attributes
    ----------
    schema_ : TableSchema
        The columns, the kinds they are learned as and what some are made of others; prints as a table.
    suggested_constraints_ : list
        Constraints that hold in the table and may be meant.
    classes_ : list
        The values of the target, or None.
    class_counts_ : ndarray of shape (n_classes,)
        Rows of each class in the table, or None.
    history_ : FitHistory
        Losses, steps and seconds of training; `to_frame()`, `plot()`.
    n_samples_seen_ : int
        Number of rows it has learned from, updates included.
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
        "schema": [None, Mapping, TableSchema],
        "constraints": ["array-like"],
        "callbacks": ["array-like"],
        "checkpoint_dir": [None, str, PathLike],
        "checkpoint_seconds": [Interval(Real, 0, None, closed="left")],
        "resume": ["boolean"],
        **LEARNING_PARAMETERS,
    }

    def __init__(
        self,
        target=None,
        random_state=None,
        max_seconds=None,
        verbose=False,
        *,
        schema=None,
        constraints=(),
        max_steps=None,
        sampling_steps=None,
        guidance_weight=0.0,
        method="few-step",
        device="auto",
        compile=False,
        memorisation_brake="auto",
        callbacks=(),
        checkpoint_dir=None,
        checkpoint_seconds=60.0,
        resume=False,
    ):
        self.target = target
        self.random_state = random_state
        self.max_seconds = max_seconds
        self.verbose = verbose
        self.schema = schema
        self.constraints = constraints
        self.max_steps = max_steps
        self.sampling_steps = sampling_steps
        self.guidance_weight = guidance_weight
        self.method = method
        self.device = device
        self.compile = compile
        self.memorisation_brake = memorisation_brake
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir
        self.checkpoint_seconds = checkpoint_seconds
        self.resume = resume

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    @with_callbacks
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
        read = None if self.target is None else read_target(columns, self.target, self.schema)
        target, label = (None, None) if read is None else read
        if target is not None and len(columns) == 1:
            raise InputError(f"the table has no column besides the target {self.target!r}: nothing to learn.")
        for predicate in self._predicates():
            predicate.check_frame(X)
        seed, draw_seed = seed_sequence(self.random_state).spawn(2)
        with fit_task(self, X, y) as task:
            with self._watched(task) as progress:
                table = learn_table(
                    columns,
                    label,
                    0 if target is None else len(target),
                    table_config(self, self.schema, self.constraints),
                    seed,
                    progress,
                    None if target is None else target.name,
                    self._keeping(),
                )
            self._names, self._template = [column.name for column in columns], template
            self._draw_seed, self._n_calls = draw_seed, 0
            self._withheld = withheld_labels(columns, table.templates, template)
            self.suggested_constraints_ = suggest(columns)
            self._adopt(table, target)
        return self

    def sample(self, n, where=None, *, allow_missing=True, random_state=None):
        """Draw new rows.

        Parameters
        ----------
        n : int
            Number of rows, at least 0.
        where : dict or frame, default=None
            What the rows shall be like. A dict has for each column that it names a value, a list of values, a
            range as a tuple of two (None is an open end), None for missing, or a dict with the keys "min",
            "max", "above", "below", "in", "equals", "missing". A frame has one condition in each of n rows:
            cells to keep; its missing cells ask for nothing. Asked cells come out exactly as asked, the
            others from their law given these; nothing is rejected, so rare rows take as long as common ones.
            Without a condition the classes of the target are drawn as often as the table had them.
        allow_missing : bool, default=True
            Whether cells may come out missing where the table had missing ones.
        random_state : int, RandomState, Generator or None, default=None
            Seed of these rows. None goes on from the seed of fit: the first call after `fit` gives the same
            rows each time, the second call others.

        Returns
        -------
        frame
            The same kind of frame as was fitted, with the same columns and dtypes.

        Raises
        ------
        ConditionError
            If a condition cannot be read, or no row can meet it.
        ConstraintError
            If rows that keep the constraints are too rare.
        """
        check_is_fitted(self, "_table")
        n = whole_number("n", n, 0)
        with sampling_bar(self.verbose, n) as on_rows:
            return self._drawn(n, where, self._seed_of_call(random_state), self._how(allow_missing, on_rows))

    def sample_batches(
        self, n, where=None, *, batch_rows=100_000, allow_missing=True, random_state=None
    ) -> Iterator[Any]:
        """Draw new rows in parts, for more of them than memory holds.

        Parameters
        ----------
        n : int
            Number of rows in all.
        where : dict or frame, default=None
            As for `sample`.
        batch_rows : int, default=100000
            Rows in each part; the last may have fewer. Other parts give other rows.
        allow_missing : bool, default=True
            As for `sample`.
        random_state : int, RandomState, Generator or None, default=None
            As for `sample`.

        Returns
        -------
        iterator of frames
            The rows as `sample` returns them. Identifiers are unique over all parts.
        """
        check_is_fitted(self, "_table")
        n, batch_rows = whole_number("n", n, 0), whole_number("batch_rows", batch_rows, 1)
        seed, how = self._seed_of_call(random_state), self._how(allow_missing)

        def parts() -> Iterator[Any]:
            starts = range(0, n, batch_rows)
            for first, part_seed in zip(starts, seed.spawn(len(starts)), strict=True):
                size = min(batch_rows, n - first)
                asked = where
                if where is not None and frames.is_frame(where):
                    asked = frames.select_rows(where, np.arange(first, first + size))
                yield self._drawn(size, asked, part_seed, how, first)

        return parts()

    def impute(self, X, n_draws=1, *, random_state=None):
        """Fill the missing cells of a table by draws from their law given the other cells of the row.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, ndarray or list of shape (n_rows, n_columns)
            Rows with the columns of the fitted table in their order. It is not changed. Cells that hold
            something come back as they are, also those that fit has not seen.
        n_draws : int, default=1
            How many filled tables to draw, for multiple imputation.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draws; None goes on from the seed of fit.

        Returns
        -------
        frame or list of frames
            X with its missing cells filled; with n_draws > 1 a list of them. Columns that never held a value
            stay empty.
        """
        check_is_fitted(self, "_table")
        n_draws = whole_number("n_draws", n_draws, 1)
        columns, template = read_rows(X, self)
        check_names(columns, self._names)
        aligned = self._table.aligned(columns)
        how = self._how()
        filled = [
            fill(self._table, self._target, aligned, seed, how)
            for seed in self._seed_of_call(random_state).spawn(n_draws)
        ]
        drawn = [template.rebuild(into_holes(columns, cells)) for cells in filled]
        return drawn[0] if n_draws == 1 else drawn

    @with_callbacks
    def update(self, X):
        """Go on learning with new rows, from the weights as they are.

        The model is then one of the old and the new rows together: the old ones are remembered by rows that
        the model draws itself, as no real row is kept. New levels, classes and ranges extend what can be
        drawn. Training takes an eighth of the steps that fitting afresh would (`max_steps`, if it is set, is
        obeyed).

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, ndarray or list of shape (n_rows, n_columns)
            New rows, with the columns of the fitted table in their order. They are not changed.

        Returns
        -------
        self : TableSynthesizer
            The updated model.

        Raises
        ------
        SchemaError
            If a column holds cells of another kind, or is no longer what it was of others (a sum, a copy).
        """
        check_is_fitted(self, "_table")
        self._validate_params()
        columns, template = read_rows(X, self)
        check_names(columns, self._names)
        aligned = self._table.aligned(columns, grow=True)
        before = self.schema_.columns
        seed = self._seed_of_call(None)
        with fit_task(self, X) as task:
            with self._watched(task) as progress:
                config = table_config(self, self.schema, self.constraints)
                table, target = relearn_table(self._table, self._target, aligned, config, seed, progress)
            self._withheld = withheld_now(self._withheld, columns, table.templates, template)
            pairs = zip(before, table.schema.columns, strict=True)
            if any(old != new for old, new in pairs):
                self._template = template  # its types have room for what is new
            self._adopt(table, target)
        return self

    def save(self, path):
        """Write the model to a directory: `model.json` and `weights.safetensors`, no code and no rows.

        The directory is written whole or not at all. An older model there is replaced; anything else is not.
        Values that only few rows held are not in it, see `schema_`.

        Parameters
        ----------
        path : path
            Directory to write.

        Returns
        -------
        None

        Raises
        ------
        StorageError
            If the place holds something else than a model, or the model holds a `Predicate`.
        """
        check_is_fitted(self, "_table")
        save_model(path, type(self).__name__, self._table, parts_to_save(self))

    @classmethod
    def load(cls, path, device="auto"):
        """Read a model that `save` has written, on this or another machine.

        Nothing in the directory is executed.

        Parameters
        ----------
        path : path
            The directory.
        device : str, default="auto"
            Where to compute: "auto", "cpu", "cuda", ...

        Returns
        -------
        model : TableSynthesizer
            It draws what the saved model would have drawn next.

        Raises
        ------
        StorageError
            If it is missing, damaged, of a newer version or no such model.
        """
        table, parts = load_model(path, cls.__name__, device)
        return with_saved_parts(cls, path, table, parts, device)

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
        check_is_fitted(self, "_table")
        columns, _ = read_rows(X, self)
        check_names(columns, self._names)
        aligned = self._table.aligned(columns)
        label = None
        if self._target is not None:
            label = self._target.codes_of(aligned[self._names.index(self._target.name)])
        return self._table.row_scores(aligned, label)

    @contextmanager
    def _watched(self, task: Start | None) -> Iterator[Start]:
        """What training calls after each step: the bar, the user's callbacks and those of scikit-learn."""
        with training_bar(self.verbose) as bar:
            yield together(bar, calling(self.callbacks), task)

    def _adopt(self, table: LearnedTable, target: Target | None) -> None:
        """Take a learned table as the state of the model."""
        self._table, self._target = table, target
        self.schema_ = table.schema
        self.n_samples_seen_ = table.n_rows
        self.history_ = FitHistory.of(table.history)
        self.classes_ = None if target is None else target.classes
        self.class_counts_ = None if target is None else target.counts

    def _predicates(self) -> list[Predicate]:
        """The constraints that are functions of a frame."""
        return [constraint for constraint in self.constraints if isinstance(constraint, Predicate)]

    def _keeping(self) -> Keeping | None:
        """Where checkpoints go, if anywhere."""
        if self.checkpoint_dir is None and self.resume:
            raise InputError(
                "resume=True needs checkpoint_dir, the directory that holds the state of training."
            )
        if self.checkpoint_dir is None:
            return None
        if self.resume and not isinstance(self.random_state, int | np.integer):
            raise InputError(
                f"resume=True needs an integer random_state, the same each time; it is {self.random_state!r}."
            )
        return Keeping(Path(self.checkpoint_dir), float(self.checkpoint_seconds), self.resume)

    def _broken(self, columns: list[Column]) -> dict[str, np.ndarray]:
        """Which rows break which constraint."""
        broken = self._table.arrangement.violated(columns)
        predicates = self._predicates()
        if predicates:
            frame = self._template.rebuild(columns)
            broken |= {str(predicate): predicate.violated_in(frame) for predicate in predicates}
        return broken

    def _how(self, allow_missing: bool = True, on_rows: Any = None) -> How:
        return How(self.sampling_steps, self.guidance_weight, allow_missing, on_rows)

    def _seed_of_call(self, random_state: Any) -> np.random.SeedSequence:
        """The seed of a call: the user's, or the next of those that follow from the seed of fit."""
        if random_state is not None:
            return seed_sequence(random_state)
        self._n_calls += 1
        return child_seed(self._draw_seed, self._n_calls - 1)

    def _drawn(self, n: int, where: Any, seed: np.random.SeedSequence, how: How, first_row: int = 0) -> Any:
        request_seed, row_seed = seed.spawn(2)
        request = read_request(self._table, self._target, n, where, request_seed, how)
        broken = self._broken if self.constraints else None
        return self._template.rebuild(draw(self._table, request, row_seed, how, broken, first_row))
