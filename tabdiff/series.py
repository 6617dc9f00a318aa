"""`SeriesSynthesizer`: learn series of many entities, draw new ones, go on from given histories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from tabdiff import frames
from tabdiff.callbacks import calling, together
from tabdiff.cells import put, take
from tabdiff.encoding.alignment import aligned
from tabdiff.errors import InputError
from tabdiff.histories import FitHistory
from tabdiff.inputs import check_names, read_rows, read_table, whole_number
from tabdiff.long_frames import (
    Roles,
    by_rarity,
    check_several,
    columns_of,
    event_class,
    panel_of,
    with_rarest,
)
from tabdiff.panel_data import Panel
from tabdiff.panel_rows import kinds_of
from tabdiff.panel_updates import relearn_panel
from tabdiff.panels import LearnedPanel, PanelConfig, learn_panel
from tabdiff.progress import sampling_bar, training_bar
from tabdiff.saving import withheld_labels, withheld_now
from tabdiff.schema import Column, TableSchema
from tabdiff.seeds import child_seed, seed_sequence
from tabdiff.series_requests import Events, check_asked, drawn_series, drawn_steps
from tabdiff.storage.panels import load_panel, save_panel
from tabdiff.tables import TableConfig
from tabdiff.targets import Target, read_target
from tabdiff.training import Start

__all__ = ["SeriesSynthesizer"]


class SeriesSynthesizer(BaseEstimator):
    """Learn series with mixed-type diffusion and draw new ones.

    The table is a long frame: one row for each step of some entity, such as the transactions of accounts or
    the readings of sensors. Entities may have any numbers of steps; steps may have numeric and categorical
    columns, with missing values, and lie at regular or irregular times.

    What an entity is as a whole (its context, when its series starts and how long it is) is learned as a row
    of a table; its steps are learned given that row, by a network that looks at all steps of a window.

    Parameters
    ----------
    entity : hashable, default=None
        Name of the column that tells whose series a row is of. New entities get new names. None: the table is
        one long series, and `sample(n)` draws n steps like any of its parts.
    time : hashable, default=None
        Name of the column that orders the rows of an entity: dates, times or numbers. A regular grid comes
        back as exactly that grid, with hour, weekday, day and month told to the model; irregular times keep
        their order, gaps and calendar (hour, weekday, day of the month). None: the order of the rows counts.
    context : sequence of hashable, default=()
        Names of the columns that an entity keeps.
    target : hashable, default=None
        A column with few values, rare ones among them, that series are to be asked for by:
        `sample(n, where={target: value})`. Of a context column that is its value. A column that changes from
        step to step, such as a fraud flag, makes a class of whole series: the rarest of its values that
        occurs in them. Rare classes are shown to the model more often.
    random_state : int, RandomState, Generator or None, default=None
        Seed of everything that is random. The same seed gives the same series on the same machine, whatever
        the number of threads, as long as `max_seconds` is not what ends training.
    max_seconds : float, default=None
        Time budget of training. None trains for the number of steps that suits the table's size.
    verbose : bool, default=False
        Show progress bars.
    schema : dict or TableSchema, default=None
        Column name to "numeric", "categorical" or "identifier", where another kind is wanted than the
        inferred one.
    constraints : sequence, default=()
        What every step obeys, or the context of every entity: `Inequality`, `FixedCombinations`, `Range` and
        `Positive` of `tabdiff.constraints`, each between columns of steps or between columns of the context.
    window : int, default=None
        Steps that the network sees at once. Longer series are learned and drawn window by window, each of
        which goes on from the half that it shares with the one before. None takes the length of the longest
        series, at most 128, and 64 for a single series.
    max_steps : int, default=None
        Number of training steps. None chooses it by the table's size.
    sampling_steps : int, default=None
        Network evaluations for each window drawn. None takes 50, and 32 if its steps are numbers alone.
    device : str, default="auto"
        "auto", "cpu", "cuda", ...
    compile : bool, default=False
        Train with `torch.compile`.
    callbacks : sequence of callables, default=()
        Called after each evaluation in training with a `tabdiff.callbacks.Progress`. Training ends if one
        returns True.

    Attributes
    ----------
    schema_ : TableSchema
        The columns and the kinds they are learned as; prints as a table.
    history_ : FitHistory
        Losses, steps and seconds of training; `to_frame()`, `plot()`.
    n_series_, n_samples_seen_ : int
        Number of entities and of rows it has learned from, updates included.
    classes_ : list
        The values of the target, or None.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if all are strings.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from tabdiff import SeriesSynthesizer
    >>> visits = pd.DataFrame({
    ...     "patient": np.repeat(np.arange(40), 5),
    ...     "day": np.tile(np.arange(5), 40),
    ...     "ward": np.repeat(["a", "b"], 100),
    ...     "pulse": np.random.default_rng(0).normal(70, 8, 200).round(),
    ... })
    >>> model = SeriesSynthesizer("patient", "day", ["ward"], random_state=0, max_steps=20)
    >>> drawn = model.fit(visits).sample(3, where={"ward": "b"})
    >>> drawn["ward"].unique().tolist(), drawn["day"].tolist()[:5]
    (['b'], [0, 1, 2, 3, 4])
    """

    _parameter_constraints: ClassVar[dict] = {
        "entity": "no_validation",
        "time": "no_validation",
        "context": ["array-like"],
        "target": "no_validation",
        "random_state": ["random_state", np.random.Generator, np.random.SeedSequence],
        "max_seconds": [None, Interval(Real, 0, None, closed="neither")],
        "verbose": ["boolean"],
        "schema": [None, Mapping, TableSchema],
        "constraints": ["array-like"],
        "window": [None, Interval(Integral, 2, None, closed="left")],
        "max_steps": [None, Interval(Integral, 1, None, closed="left")],
        "sampling_steps": [None, Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "compile": ["boolean"],
        "callbacks": ["array-like"],
    }

    def __init__(
        self,
        entity=None,
        time=None,
        context=(),
        *,
        target=None,
        random_state=None,
        max_seconds=None,
        verbose=False,
        schema=None,
        constraints=(),
        window=None,
        max_steps=None,
        sampling_steps=None,
        device="auto",
        compile=False,
        callbacks=(),
    ):
        self.entity = entity
        self.time = time
        self.context = context
        self.target = target
        self.random_state = random_state
        self.max_seconds = max_seconds
        self.verbose = verbose
        self.schema = schema
        self.constraints = constraints
        self.window = window
        self.max_steps = max_steps
        self.sampling_steps = sampling_steps
        self.device = device
        self.compile = compile
        self.callbacks = callbacks

    def fit(self, X, y=None):
        """Learn the series of the long frame X.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, ndarray or list of shape (n_rows, n_columns)
            The table. It is not changed. The rows may be in any order if there is a time column.
        y : None
            Ignored; there for pipelines.

        Returns
        -------
        self : SeriesSynthesizer
            The fitted model.

        Raises
        ------
        InputError
            If a column of these names is not there, entities or times are missing, or context changes within
            an entity.
        """
        self._validate_params()
        columns, template = read_table(X, self)
        names = [column.name for column in columns]
        roles = self._stated_roles()
        roles.check(names)
        panel, _ = panel_of(columns, roles)
        if self.entity is not None:
            check_several(panel)
        panel, events, target, label = self._classes_in(panel)
        seed, draw_seed = seed_sequence(self.random_state).spawn(2)
        with self._watched() as progress:
            learned = learn_panel(
                panel,
                self._config(),
                seed,
                progress,
                None if target is None else target.name,
                label,
                0 if target is None else len(target),
            )
        self._names, self._template, self._roles = names, template, roles
        self._draw_seed, self._n_calls = draw_seed, 0
        self._withheld = withheld_labels(columns, learned.templates(names), template)
        self._adopt(learned, events, target)
        return self

    def sample(self, n=None, where=None, *, context=None, random_state=None):
        """Draw new series.

        Parameters
        ----------
        n : int, default=None
            Number of entities; of a single series, the number of steps. None takes one for each row of
            `context`.
        where : dict or frame, default=None
            What the entities shall be like: conditions on context columns, as for `TableSynthesizer.sample`.
        context : frame, default=None
            The context of each entity, one row each: cells to keep; missing ones and columns that are left
            out are drawn. With the entity's column, the names are kept as well.
        random_state : int, RandomState, Generator or None, default=None
            Seed of these series; None goes on from the seed of fit.

        Returns
        -------
        frame
            The same kind of frame as was fitted, one row for each step, entity after entity in the order of
            time.

        Raises
        ------
        ConditionError
            If a condition cannot be read, or none can meet it.
        """
        check_is_fitted(self, "_panel")
        n, where = self._asked(n, where, context)
        seed = self._seed_of_call(random_state)
        if n == 0:
            return self._template.rebuild(self._panel.templates(self._names))
        n_bars = 1 if self._roles.entity is None else n
        with sampling_bar(self.verbose, n_bars) as on_rows:
            panel, _ = drawn_series(*self._fitted, n, where, seed, self.sampling_steps, on_rows)
        return self._template.rebuild(columns_of(panel, self._names))

    def sample_batches(
        self, n=None, where=None, *, context=None, batch_series=1000, random_state=None
    ) -> Iterator[Any]:
        """Draw new series in parts, for more of them than memory holds.

        Parameters
        ----------
        n : int, default=None
            Number of entities in all; None takes one for each row of `context`.
        where : dict or frame, default=None
            As for `sample`.
        context : frame, default=None
            As for `sample`.
        batch_series : int, default=1000
            Entities in each part, with all of their steps; the last may have fewer. Other parts give other
            series.
        random_state : int, RandomState, Generator or None, default=None
            As for `sample`.

        Returns
        -------
        iterator of frames
            The series as `sample` returns them. Identifiers, names of entities among them, are unique over
            all parts.

        Raises
        ------
        InputError
            If the model is of a single series, which is drawn as a whole.
        ConditionError
            As for `sample`.
        """
        check_is_fitted(self, "_panel")
        if self._roles.entity is None:
            raise InputError("a single series cannot be drawn in parts. Call sample.")
        n, where = self._asked(n, where, context)
        size = whole_number("batch_series", batch_series, 1)
        seed, fitted = self._seed_of_call(random_state), self._fitted

        def parts() -> Iterator[Any]:
            starts, n_drawn = range(0, n, size), 0
            for first, part_seed in zip(starts, seed.spawn(len(starts)), strict=True):
                end = min(first + size, n)
                asked = where
                if where is not None and frames.is_frame(where):
                    asked = frames.select_rows(where, np.arange(first, end))
                panel, n_drawn = drawn_series(
                    *fitted, end - first, asked, part_seed, self.sampling_steps, None, first, n_drawn
                )
                yield self._template.rebuild(columns_of(panel, self._names))

        return parts()

    def update(self, X):
        """Go on learning with new series, from the weights as they are.

        The model is then one of the old and the new series together: the old ones are remembered by series
        that the model draws itself, as no real row is kept. New levels, classes and ranges extend what can
        be drawn. Training takes an eighth of the steps that fitting afresh would (`max_steps`, if it is set,
        is obeyed). The window stays as it was in fit.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, ndarray or list of shape (n_rows, n_columns)
            New series, with the columns of the fitted table in their order; of a single series a further
            stretch of it. They are not changed. Entities are taken for new ones, whatever their names.

        Returns
        -------
        self : SeriesSynthesizer
            The updated model. If anything is raised, it is as it was before.

        Raises
        ------
        InputError
            If times cannot be told as those of fit were: they leave its regular grid, or are finer than its
            dates or seconds; or for what `fit` refuses.
        SchemaError
            If a column holds cells of another kind, or one of the context is no longer what it was of others
            (a sum, a copy).
        """
        check_is_fitted(self, "_panel")
        self._validate_params()
        columns, template = read_rows(X, self)
        check_names(columns, self._names)
        panel, _ = panel_of(columns, self._roles)
        events = self._events
        if events is not None:
            events = events.extended(panel)
            panel = with_rarest(panel, events.name, events.values)

        def draw(rows: Sequence[Column], seed: np.random.SeedSequence) -> Panel:
            return drawn_steps(self._panel, rows, self._events, seed, self.sampling_steps)[0]

        seed = child_seed(self._draw_seed, self._n_calls)
        before = self.schema_
        with self._watched() as progress:
            learned, target = relearn_panel(
                self._panel, self._target, panel, self._config(), seed, draw, progress
            )
        self._n_calls += 1
        templates = learned.templates(self._names)
        self._withheld = withheld_now(self._withheld, columns, templates, template)
        if learned.schema_of(self._names) != before:
            self._template = template  # its types have room for what is new
        self._adopt(learned, events, target)
        return self

    def forecast(self, X, horizon, *, random_state=None):
        """Go on from given histories: draw the steps that follow the last of each entity.

        Parameters
        ----------
        X : frame
            Histories, with the columns of fit; entities may be new ones. It is not changed.
        horizon : int
            Number of steps to draw for each entity.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draws; None goes on from the seed of fit.

        Returns
        -------
        frame
            The drawn steps alone, `horizon` rows for each entity. Each call is one draw of what may come:
            repeat it for a distribution.
        """
        check_is_fitted(self, "_panel")
        horizon = whole_number("horizon", horizon, 1)
        panel, template, _ = self._read(X)
        steps, known = self._panel.encoded_steps(panel, horizon)
        longer = replace(panel, offsets=panel.offsets + horizon * np.arange(len(panel.offsets)))
        rows = self._panel.rows_of(panel, longer.lengths)
        drawn = self._panel.with_steps(
            rows,
            self._seed_of_call(random_state),
            self.sampling_steps,
            history=(steps, known),
            when=self._panel.told_times(panel, horizon),
        )
        new = np.concatenate([np.arange(end - horizon, end) for end in drawn.offsets[1:]])
        return template.rebuild([take(column, new) for column in columns_of(drawn, self._names)])

    def impute(self, X, *, random_state=None):
        """Fill the missing cells of steps by draws given the other cells of the series.

        Parameters
        ----------
        X : frame
            Series with the columns of fit. It is not changed. Missing cells of the context stay missing.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draws; None goes on from the seed of fit.

        Returns
        -------
        frame
            X with its missing cells filled, rows in their order.
        """
        check_is_fitted(self, "_panel")
        panel, template, order = self._read(X)
        steps, known = self._panel.encoded_steps(panel, 0)
        rows = self._panel.rows_of(panel, panel.lengths)
        drawn = self._panel.with_steps(
            rows,
            self._seed_of_call(random_state),
            self.sampling_steps,
            history=(steps, known),
            allow_missing=False,
            when=self._panel.told_times(panel, 0),
        )
        filled = [
            put(own, aligned(cells, own), own.missing & ~cells.missing)
            for own, cells in zip(panel.steps, drawn.steps, strict=True)
        ]
        place = np.argsort(order)
        columns = columns_of(replace(panel, steps=filled), self._names)
        return template.rebuild([take(column, place) for column in columns])

    def save(self, path):
        """Write the model to a directory: `model.json` and `weights.safetensors`, no code and no rows.

        The directory is written whole or not at all. An older model there is replaced; anything else is not.

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
            If the place holds something else than a model.
        """
        check_is_fitted(self, "_panel")
        save_panel(path, self)

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
        model : SeriesSynthesizer
            It draws what the saved model would have drawn next.

        Raises
        ------
        StorageError
            If it is missing, damaged, of a newer version or no such model.
        """
        return load_panel(cls, path, device)

    def _classes_in(self, panel: Panel) -> tuple[Panel, Events | None, Target | None, np.ndarray | None]:
        """The panel with the class of its series in the context; what makes it; the target; the classes."""
        if self.target is None:
            return panel, None, None, None
        if self.entity is None:
            raise InputError(f"target is {self.target!r}, but a single series has no classes. Leave it out.")
        events, name = None, self.target
        if self.target in [column.name for column in panel.steps]:
            events, name = Events(self.target, by_rarity(panel, self.target)), event_class(self.target)
            panel = with_rarest(panel, self.target, events.values)
        read = read_target(panel.context, name, self.schema)
        if read is None:
            raise InputError(
                f"the target {self.target!r} holds numbers with many values, or times, not classes. Leave "
                "target out."
            )
        return panel, events, *read

    def _stated_roles(self) -> Roles:
        return Roles(self.entity, self.time, tuple(self.context))

    def _config(self) -> PanelConfig:
        schema = self.schema
        if self.entity is not None:
            schema = {**kinds_of(schema), self.entity: "identifier"}
        table = TableConfig(
            schema=schema,
            constraints=self.constraints,
            max_steps=self.max_steps,
            max_seconds=self.max_seconds,
            device=self.device,
            compile=self.compile,
        )
        return PanelConfig(table, self.window, one_series=self.entity is None)

    @contextmanager
    def _watched(self) -> Iterator[Start]:
        with training_bar(self.verbose) as bar:
            yield together(bar, calling(self.callbacks), None)

    def _adopt(self, learned: LearnedPanel, events: Events | None, target: Target | None) -> None:
        """Take a learned panel as the state of the model."""
        self._panel, self._events, self._target = learned, events, target
        self.n_series_, self.n_samples_seen_ = learned.table.n_rows, learned.n_steps
        self.schema_ = learned.schema_of(self._names)
        self.history_ = FitHistory.of(learned.history)
        self.classes_ = None if target is None else target.classes

    def _asked(self, n: Any, where: Any, context: Any) -> tuple[int, Any]:
        """How many series are asked for, and like what. Raises what `sample` does."""
        if context is not None:
            if where is not None:
                raise InputError("both where and context are given. Put the conditions into one of them.")
            if not frames.is_frame(context):
                raise InputError(
                    f"context is a {type(context).__name__}. Pass a frame with one row for each entity, or a "
                    "dict of conditions as where."
                )
            n, where = len(context) if n is None else n, context
        n = whole_number("n", n, 0)
        if n:
            check_asked(where, n, self._roles, self.target)
        return n, where

    @property
    def _fitted(self) -> tuple[LearnedPanel, Target | None, Events | None, Roles]:
        """What series are drawn from."""
        return self._panel, self._target, self._events, self._roles

    def _seed_of_call(self, random_state: Any) -> np.random.SeedSequence:
        """The seed of a call: the user's, or the next of those that follow from the seed of fit."""
        if random_state is not None:
            return seed_sequence(random_state)
        self._n_calls += 1
        return child_seed(self._draw_seed, self._n_calls - 1)

    def _read(self, X: Any) -> tuple[Panel, Any, np.ndarray]:
        columns, template = read_rows(X, self)
        check_names(columns, self._names)
        panel, order = panel_of(columns, self._roles)
        if self._events is not None:
            panel = with_rarest(panel, self._events.name, self._events.values)
        return panel, template, order
