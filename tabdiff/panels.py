"""A learned panel: many series in, many series out, whatever frame they came from.

What a series is as a whole (its context, its length, when it starts) is a row of a table and learned as one;
its steps are learned given that row.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from tabdiff.batch import Known, MixedBatch
from tabdiff.cells import put
from tabdiff.encoding.table import TableEncoder, aligned
from tabdiff.encoding.timeline import Timeline
from tabdiff.panel_columns import StepColumns, dealt_constraints
from tabdiff.panel_data import Panel, in_places, longer
from tabdiff.panel_rows import config_of_rows, given_cells, kinds_among, row_of_length, rows_of_series
from tabdiff.panel_steps import drawn_in_turns, told
from tabdiff.schema import Column, ColumnSchema, Kind, TableSchema, check_finite, infer_schema
from tabdiff.sequences import FittedSequences, SeriesConfig, default_series_config, fit_sequences
from tabdiff.synthesis import choose_device
from tabdiff.tables import LearnedTable, TableConfig, learn_table
from tabdiff.training import History, Start
from tabdiff.windows import Guides, Windows, cut

__all__ = ["LearnedPanel", "Panel", "PanelConfig", "encoder_of_levels", "learn_panel"]

MAX_WINDOW = 128
MAX_WINDOWS_OF_ONE = 20_000


@dataclass(frozen=True)
class PanelConfig:
    """What a user may decide about learning a panel.

    table: as for tables; its schema names columns of the context and of the steps, its budgets are for all of
    the training. window: steps that the network sees at once, None chooses. one_series: whether the panel is
    one series of which more is to be drawn, rather than a sample of series.
    """

    table: TableConfig = field(default_factory=TableConfig)
    window: int | None = None
    one_series: bool = False

    def sequences(self, n_windows: int, window: int, began: float) -> SeriesConfig:
        """The full configuration for this many windows; began: when learning did, by the performance counter.

        What is left of the seconds is for the steps, and at least one.
        """
        config = default_series_config(n_windows, window)
        seconds = self.table.max_seconds
        if seconds is not None:
            seconds = max(seconds - (clock.perf_counter() - began), 1.0)
        training = replace(config.training, max_seconds=seconds, compile=self.table.compile)
        if self.table.max_steps is not None:
            training = replace(training, max_steps=self.table.max_steps)
        return replace(config, training=training)


@dataclass(frozen=True)
class LearnedPanel:
    """The table of whole series, the encodings of their steps, and the diffusion model of the steps.

    table: context, start and length of each series. columns: the user's columns of steps. steps: encoder of
    those that are learned and then those of the timeline. beforehand: encoder of what the timeline tells of
    each step in advance. sequences is None if there is nothing to learn about steps. n_context: how many
    columns of the table are the user's. longest: length of the longest series of fit. n_steps: how many steps
    it has learned from. window, one_series: as in `PanelConfig`.
    """

    table: LearnedTable
    timeline: Timeline | None
    columns: StepColumns
    steps: TableEncoder
    beforehand: TableEncoder
    sequences: FittedSequences | None
    n_context: int
    longest: int
    n_steps: int
    window: int
    one_series: bool

    def templates(self, names: Sequence[Hashable]) -> list[Column]:
        """The columns of a long frame of these names, without cells."""
        found = {column.name: column for column in (*self.table.templates, *self.step_templates)}
        if self.timeline is not None:
            found[self.timeline.template.name] = self.timeline.template
        return [found[name] for name in names]

    def schema_of(self, names: Sequence[Hashable]) -> TableSchema:
        """The columns of a long frame of these names, and as what they are learned."""
        known = {spec.name: spec for spec in (*self.columns.schema.columns, *self.table.schema.columns)}
        if self.timeline is not None:
            time = self.timeline.template
            known[time.name] = ColumnSchema(time.name, Kind.NUMERIC, time.storage, has_missing=False)
        return TableSchema(tuple(known[name] for name in names))

    @property
    def history(self) -> History:
        """What happened in the training of steps."""
        return History() if self.sequences is None else self.sequences.history

    def sample(
        self,
        n: int,
        seed: np.random.SeedSequence,
        context: Sequence[Column] | None = None,
        lengths: np.ndarray | None = None,
        sampling_steps: int | None = None,
        label: np.ndarray | None = None,
    ) -> Panel:
        """Draw n new series.

        context: some of the columns of the context, n cells each, that are given; the others are drawn given
        them. lengths: (n,) number of steps of each, or None to draw them. label: (n,) codes of the target's
        classes, if there is one.
        """
        table_seed, given_seed, step_seed = seed.spawn(3)
        given = given_cells(self.table, n, context or (), lengths, np.random.default_rng(given_seed))
        rows = self.table.sample(n, label, table_seed, sampling_steps, given=given)
        return self.with_steps(rows, step_seed, sampling_steps)

    def with_steps(
        self,
        rows: Sequence[Column],
        seed: np.random.SeedSequence,
        sampling_steps: int | None = None,
        history: tuple[Sequence[Column], np.ndarray] | None = None,
        on_rows: Callable[[int], None] | None = None,
        allow_missing: bool = True,
        when: Column | None = None,
        first_step: int = 0,
    ) -> Panel:
        """Draw the steps of series, given the rows of the table of whole series.

        history: the columns of steps, and which of their cells are given, as `encoded_steps` has them: those
        come back as they are. allow_missing: whether drawn cells may be missing. when: the time
        of each step, missing where it is to be drawn, which is behind the given steps of each series.
        first_step: number of the first step in a draw made in parts, which identifiers count on from.
        """
        guide_seed, draw_seed, decode_seed, restore_seed = seed.spawn(4)
        lengths = np.maximum(rows[-1].values.astype(np.int64), 1)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        starts = list(rows[self.n_context : -1])
        guides = self._guides(rows, offsets, np.random.default_rng(guide_seed), when)
        known = given = None
        if history is not None and len(history[0]):
            tell_seed, known_seed = guide_seed.spawn(2)
            given = self.columns.told(history, np.random.default_rng(tell_seed))
            known = self.steps.encode_known(*given, np.random.default_rng(known_seed))
        forbidden = () if allow_missing else tuple(self.steps.missing_levels())
        batch = self._drawn(guides, offsets, known, draw_seed, sampling_steps, on_rows, forbidden)
        learned = self.steps.decode(batch, np.random.default_rng(decode_seed), first_step)
        if given is not None:
            learned = [put(*cells) for cells in zip(learned, given[0], given[1].T, strict=True)]
        n_own, rng = self.columns.n_learned, np.random.default_rng(restore_seed)
        own = self.columns.restored(learned[:n_own], rng, None if given is None else history)
        time, of_time = None, learned[n_own:]
        if self.timeline is not None:
            if when is None:
                time = self.timeline.restore(starts, of_time, offsets)
            else:
                time = self.timeline.continued(when, of_time, offsets)
        return Panel(list(rows[: self.n_context]), own, offsets, time, of_time)

    def rows_of(self, panel: Panel, lengths: np.ndarray, grow: bool = False) -> list[Column]:
        """The rows of the table of whole series that given series have, told to have these lengths.

        grow: as in `LearnedTable.aligned`.
        """
        starts = []
        time = self.time_of(panel)
        if self.timeline is not None and time is not None:
            starts = self.timeline.starts(time, panel.offsets)
        own = self.table.templates[-1]
        length = own.with_cells(lengths.astype(own.values.dtype), np.zeros(len(panel), dtype=bool))
        return self.table.aligned([*panel.context, *starts, length], grow)

    def row_of_length(self, n_steps: int) -> list[Column]:
        """The row of the table that a single series of this many steps has."""
        return row_of_length(self.table, n_steps)

    def told_times(self, panel: Panel, horizon: int) -> Column | None:
        """The times of given series, each longer by `horizon` steps whose times are missing."""
        time = self.time_of(panel)
        return None if time is None else in_places(time, longer(panel, horizon))

    def encoded_steps(self, panel: Panel, horizon: int) -> tuple[list[Column], np.ndarray]:
        """The columns of steps of given series, and behind them those of the timeline.

        Each series is longer by `horizon` missing steps.
        Also which cells are given, (n_steps, n_columns) bool: those that hold a value.
        """
        of_time = []
        time = self.time_of(panel)
        if self.timeline is not None and time is not None:
            of_time = self.timeline.steps(time, panel.offsets)
        for column in panel.steps:
            check_finite(column)
        place = longer(panel, horizon)
        columns = []
        templates = *self.step_templates, *self.steps.templates[self.columns.n_learned :]
        for column, own in zip((*panel.steps, *of_time), templates, strict=True):
            columns.append(in_places(aligned(column, own) if own.levels else column, place))
        missing = [column.missing for column in columns]
        return columns, ~np.array(missing, dtype=bool).reshape(len(columns), len(place)).T

    def time_of(self, panel: Panel) -> Column | None:
        """The times of given series, in the unit and dtype of fit."""
        if self.timeline is None or panel.time is None:
            return None
        check_finite(panel.time)
        return aligned(panel.time, self.timeline.template)

    @property
    def has_features(self) -> bool:
        """Whether there is anything to learn about steps."""
        return bool(self.steps.n_num or self.steps.n_levels)

    @property
    def n_levels(self) -> list[int]:
        """Numbers of levels of the features of steps, and then of the guides: one more, for unknown cells."""
        guides = (*self.table.encoder.n_levels, *self.beforehand.n_levels)
        return [*self.steps.n_levels, *(count + 1 for count in guides)]

    def windows_of(
        self, rows: Sequence[Column], steps: Sequence[Column], offsets: np.ndarray, rng: np.random.Generator
    ) -> Windows:
        """The windows to learn series from: their rows of the table, and the columns that `steps` encodes.

        A single series is cut at as many places as there are, up to `MAX_WINDOWS_OF_ONE`.
        """
        stride = None
        if self.one_series:
            stride = max(1, (int(offsets[-1]) - self.window) // MAX_WINDOWS_OF_ONE)
        return Windows(
            self.steps.encode(steps, rng),
            self._guides(rows, offsets, rng),
            **self._placed(cut(offsets, self.window, stride)),
        )

    def released(self) -> LearnedPanel:
        """The panel without what only few steps held; its features mean the same."""
        return replace(self, steps=self.steps.released(), beforehand=self.beforehand.released())

    @property
    def step_templates(self) -> list[Column]:
        """The user's columns of steps, without cells."""
        return self.columns.templates(self.steps.templates[: self.columns.n_learned])

    def _guides(
        self,
        rows: Sequence[Column],
        offsets: np.ndarray,
        rng: np.random.Generator,
        when: Column | None = None,
    ) -> Guides:
        beforehand = []
        if self.timeline is not None:
            beforehand = self.timeline.given(list(rows[self.n_context : -1]), offsets, when)
        return Guides(
            told(self.table.encoder, self.table.arrangement.learned(rows), len(rows[0]), rng),
            told(self.beforehand, beforehand, int(offsets[-1]), rng),
            self.longest,
        )

    def _placed(self, places: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The fields of windows: one of a single series is never told that it is at an end of it."""
        if not self.one_series:
            return places
        inside = torch.full_like(places["before"], self.longest)
        return {**places, "before": inside, "behind": inside}

    def _drawn(
        self,
        guides: Guides,
        offsets: np.ndarray,
        known: Known | None,
        seed: np.random.SeedSequence,
        sampling_steps: int | None,
        on_rows: Callable[[int], None] | None,
        forbidden: Sequence[tuple[int, int]] = (),
    ) -> MixedBatch:
        """Draw the features of all steps, (n_steps, ...), window after window of each series."""
        n_steps, n_cat = int(offsets[-1]), len(self.steps.n_levels)
        blank = MixedBatch(
            torch.zeros(n_steps, self.steps.n_num), torch.zeros(n_steps, n_cat, dtype=torch.long)
        )
        if self.sequences is None or not n_steps:
            return blank
        places = cut(offsets, self.window)
        stride = max(self.window // 2, 1)
        turn = torch.div(places["before"] + stride - 1, stride, rounding_mode="floor")
        windows = Windows(blank, guides, **self._placed(places))
        how = sampling_steps, on_rows, forbidden
        return drawn_in_turns(self.sequences, self.steps, windows, known, turn, seed, *how)


def learn_panel(
    panel: Panel,
    config: PanelConfig,
    seed: np.random.SeedSequence,
    progress: Start | None = None,
    target: Hashable = None,
    label: np.ndarray | None = None,
    n_classes: int = 0,
) -> LearnedPanel:
    """Learn the table of whole series, fit the encodings of the steps and train their model.

    target: a column of the context whose classes are told; label: (n_entities,) their codes in [0,
    n_classes), rare ones are shown more often. progress is called with the number of training steps of the
    larger part, the steps of series, and returns what to call after each.
    """
    began = clock.perf_counter()
    table_seed, encode_seed, fit_seed = seed.spawn(3)
    starts, of_time, beforehand = [], [], []
    timeline = None
    if panel.time is not None:
        timeline = Timeline.fit(panel.time, panel.offsets)
        starts = timeline.starts(panel.time, panel.offsets)
        of_time = timeline.steps(panel.time, panel.offsets)
        beforehand = timeline.given(starts, panel.offsets)
    rows = rows_of_series(panel.context, starts, panel.lengths)
    of_context, of_steps = dealt_constraints(config.table.constraints, panel.context, panel.steps)
    row_config = config_of_rows(config.table, rows, len(panel.context), of_context)
    table = learn_table(rows, label, n_classes, row_config, table_seed, target=target)
    columns = StepColumns.fit(panel.steps, kinds_among(config.table, panel.steps), of_steps)
    steps = [*columns.arrangement.learned(panel.steps), *of_time]
    kinds = {} if timeline is None else timeline.kinds
    longest = int(panel.lengths.max())
    window = min(config.window or (64 if config.one_series else MAX_WINDOW), longest)
    learned = LearnedPanel(
        table,
        timeline,
        columns,
        columns.encoder(
            steps[: columns.n_learned],
            TableEncoder.fit(of_time, infer_schema(of_time, kinds)),
            panel.follows,
        ),
        encoder_of_levels(beforehand),
        None,
        n_context=len(panel.context),
        longest=window if config.one_series else longest,
        n_steps=int(panel.offsets[-1]),
        window=window,
        one_series=config.one_series,
    )
    if learned.has_features:
        windows = learned.windows_of(rows, steps, panel.offsets, np.random.default_rng(encode_seed))
        sequences = fit_sequences(
            windows,
            learned.n_levels,
            None if label is None else torch.from_numpy(label)[windows.series],
            (how := config.sequences(len(windows), window, began)),
            fit_seed,
            choose_device(config.table.device),
            None if progress is None else progress(how.training.max_steps),
            smooth=learned.steps.linear_features,
        )
        learned = replace(learned, sequences=sequences)
    return learned.released()


def encoder_of_levels(columns: Sequence[Column]) -> TableEncoder:
    """The encoder of columns that are levels all."""
    return TableEncoder.fit(
        columns, infer_schema(columns, {column.name: "categorical" for column in columns})
    )
