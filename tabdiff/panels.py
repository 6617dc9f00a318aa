"""A learned panel: many series in, many series out, whatever frame they came from.

What a series is as a whole (its context, its length, when it starts) is a row of a table and learned as one;
its steps are learned given that row.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from tabdiff.batch import Known, MixedBatch
from tabdiff.cells import put, replaced, take
from tabdiff.encoding.table import TableEncoder, aligned
from tabdiff.encoding.timeline import Timeline
from tabdiff.schema import Column, Storage, TableSchema, check_finite, infer_schema
from tabdiff.sequences import FittedSequences, SeriesConfig, default_series_config, fit_sequences
from tabdiff.synthesis import choose_device
from tabdiff.tables import LearnedTable, TableConfig, learn_table
from tabdiff.training import History, Start
from tabdiff.windows import Guides, Windows, cut, known_guides

__all__ = ["LearnedPanel", "Panel", "PanelConfig", "kinds_of", "learn_panel"]

LENGTH = "number of steps"
MAX_WINDOW = 128
MAX_WINDOWS_OF_ONE = 20_000


@dataclass(frozen=True)
class Panel:
    """Series of many entities.

    context: columns of one cell for each entity. steps: columns of one cell for each step, entity after
    entity and each in the order of time. offsets: (n_entities + 1,) int64, the steps of entity i are those
    from offsets[i] to offsets[i + 1]. time: when each step was, or None.
    """

    context: list[Column]
    steps: list[Column]
    offsets: np.ndarray
    time: Column | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def with_series(self, entities: np.ndarray, other: Panel) -> Panel:
        """The panel with the series of `other`, of the same lengths, in the places of some of its own."""
        rows = np.concatenate([np.arange(self.offsets[i], self.offsets[i + 1]) for i in entities])
        steps = [replaced(own, new, rows) for own, new in zip(self.steps, other.steps, strict=True)]
        time = self.time
        if time is not None and other.time is not None:
            time = replaced(time, other.time, rows)
        return replace(self, steps=steps, time=time)

    @property
    def lengths(self) -> np.ndarray:
        """Number of steps of each entity: (n_entities,)."""
        return np.diff(self.offsets)


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

    def sequences(self, n_windows: int, window: int) -> SeriesConfig:
        """The full configuration for this many windows."""
        config = default_series_config(n_windows, window)
        training = replace(config.training, max_seconds=self.table.max_seconds, compile=self.table.compile)
        if self.table.max_steps is not None:
            training = replace(training, max_steps=self.table.max_steps)
        return replace(config, training=training)


@dataclass(frozen=True)
class LearnedPanel:
    """The table of whole series, the encodings of their steps, and the diffusion model of the steps.

    table: context, start and length of each series. steps: encoder of the step columns and then those of the
    timeline. beforehand: encoder of what the timeline tells of each step in advance. sequences is None if
    there is nothing to learn about steps. n_context: how many columns of the table are the user's. longest:
    length of the longest series of fit. n_steps: how many steps it has learned from. window, one_series: as
    in `PanelConfig`.
    """

    table: LearnedTable
    timeline: Timeline | None
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
        found = {column.name: column for column in (*self.table.templates, *self.steps.templates)}
        if self.timeline is not None:
            found[self.timeline.template.name] = self.timeline.template
        return [found[name] for name in names]

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
        asked = {column.name: column for column in context or ()}
        if lengths is not None:
            own = self.table.templates[-1]
            asked[own.name] = own.with_cells(np.asarray(lengths, own.values.dtype), np.zeros(n, dtype=bool))
        given = None
        if asked:
            templates = self.table.templates
            blank = [_blank(template, n) for template in templates]
            columns = [
                asked.get(template.name, cells) for template, cells in zip(templates, blank, strict=True)
            ]
            known = np.tile([template.name in asked for template in templates], (n, 1))
            columns = self.table.aligned(columns)
            given = self.table.given(columns, known, np.random.default_rng(given_seed))
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
    ) -> Panel:
        """Draw the steps of series, given the rows of the table of whole series.

        history: the columns that `steps` encodes, and which of their cells are given, (n_steps, n_columns)
        bool; those come back as they are. allow_missing: whether drawn cells may be missing. when: the time
        of each step, missing where it is to be drawn, which is behind the given steps of each series.
        """
        guide_seed, draw_seed, decode_seed = seed.spawn(3)
        lengths = np.maximum(rows[-1].values.astype(np.int64), 1)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        starts = list(rows[self.n_context : -1])
        guides = self._guides(rows, offsets, np.random.default_rng(guide_seed), when)
        known = None
        if history is not None and len(history[0]):
            known = self.steps.encode_known(*history, np.random.default_rng(guide_seed.spawn(1)[0]))
        forbidden = () if allow_missing else tuple(self.steps.missing_levels())
        batch = self._drawn(guides, offsets, known, draw_seed, sampling_steps, on_rows, forbidden)
        columns = self.steps.decode(batch, np.random.default_rng(decode_seed))
        if history is not None:
            pairs = zip(columns, history[0], history[1].T, strict=True)
            columns = [put(column, cells, flags) for column, cells, flags in pairs]
        time = None
        n_own = self._n_own
        if self.timeline is not None:
            if when is None:
                time = self.timeline.restore(starts, columns[n_own:], offsets)
            else:
                time = self.timeline.continued(when, columns[n_own:], offsets)
        return Panel(list(rows[: self.n_context]), columns[:n_own], offsets, time)

    def rows_of(self, panel: Panel, lengths: np.ndarray) -> list[Column]:
        """The rows of the table of whole series that given series have, told to have these lengths."""
        starts = []
        time = self._time_of(panel)
        if self.timeline is not None and time is not None:
            starts = self.timeline.starts(time, panel.offsets)
        own = self.table.templates[-1]
        length = own.with_cells(lengths.astype(own.values.dtype), np.zeros(len(panel), dtype=bool))
        return self.table.aligned([*panel.context, *starts, length])

    def row_of_length(self, n_steps: int) -> list[Column]:
        """The row of the table that a single series of this many steps has."""
        rows = self.table.sample(1, None, np.random.SeedSequence(0))
        return [
            *rows[:-1],
            rows[-1].with_cells(np.array([n_steps], rows[-1].values.dtype), np.zeros(1, bool)),
        ]

    def told_times(self, panel: Panel, horizon: int) -> Column | None:
        """The times of given series, each longer by `horizon` steps whose times are missing."""
        time = self._time_of(panel)
        return None if time is None else _in_places(time, _longer(panel, horizon))

    def encoded_steps(self, panel: Panel, horizon: int) -> tuple[list[Column], np.ndarray]:
        """The columns that `steps` encodes of given series, each longer by `horizon` missing steps.

        Also which cells are given, (n_steps, n_columns) bool: those that hold a value.
        """
        of_time = []
        time = self._time_of(panel)
        if self.timeline is not None and time is not None:
            of_time = self.timeline.steps(time, panel.offsets)
        for column in panel.steps:
            check_finite(column)
        place = _longer(panel, horizon)
        columns = []
        for column, own in zip((*panel.steps, *of_time), self.steps.templates, strict=True):
            columns.append(_in_places(aligned(column, own) if own.levels else column, place))
        missing = [column.missing for column in columns]
        return columns, ~np.array(missing, dtype=bool).reshape(len(columns), len(place)).T

    def _time_of(self, panel: Panel) -> Column | None:
        """The times of given series, in the unit and dtype of fit."""
        if self.timeline is None or panel.time is None:
            return None
        check_finite(panel.time)
        return aligned(panel.time, self.timeline.template)

    @property
    def _n_own(self) -> int:
        """How many of the step columns are the user's."""
        n_of_time = 0 if self.timeline is None else len(self.timeline.step_names)
        return len(self.steps.templates) - n_of_time

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
        n_steps = int(offsets[-1])
        longest = self.longest
        return Guides(
            _told(self.table.encoder, self.table.arrangement.learned(rows), len(rows[0]), rng),
            _told(self.beforehand, beforehand, n_steps, rng),
            longest,
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
        n_steps = int(offsets[-1])
        n_num, n_cat = self.steps.n_num, len(self.steps.n_levels)
        num, cat = torch.zeros(n_steps, n_num), torch.zeros(n_steps, n_cat, dtype=torch.long)
        if self.sequences is None or not n_steps:
            return MixedBatch(num, cat)
        told_num, told_cat = torch.zeros_like(num, dtype=torch.bool), torch.zeros_like(cat, dtype=torch.bool)
        if known is not None:
            num, cat = (
                torch.where(known.num, known.rows.num, num),
                torch.where(known.cat, known.rows.cat, cat),
            )
            told_num, told_cat = known.num.clone(), known.cat.clone()
        places = cut(offsets, self.window)
        stride = max(self.window // 2, 1)
        rank = torch.div(places["before"] + stride - 1, stride, rounding_mode="floor")
        windows = Windows(MixedBatch(num, cat), guides, **self._placed(places))
        for turn, turn_seed in enumerate(seed.spawn(int(rank.max()) + 1)):
            part = windows.taken(rank == turn)
            part = part.taken(_unfinished(part, told_num.all(1) & told_cat.all(1)))
            if not len(part):
                continue
            cells = known_guides(part[:], n_num, n_cat)
            at, inside = part.steps_of(slice(None))
            cells.num[..., :n_num], cells.cat[..., :n_cat] = told_num[at], told_cat[at]
            drawn = self.sequences.sample(cells, turn_seed, sampling_steps, on_rows, forbidden)
            flat = at[inside]
            num[flat], cat[flat] = drawn.num[inside], drawn.cat[inside]
            told_cat[flat] = True
            told_num[flat] = _observed(self.steps, cat[flat])
        return MixedBatch(num, cat)


def _longer(panel: Panel, horizon: int) -> np.ndarray:
    """For each step of the series, each longer by `horizon` steps, its number in the panel, or -1 if new."""
    n_steps = int(panel.offsets[-1])
    place = np.full(n_steps + horizon * len(panel), -1)
    entity = np.repeat(np.arange(len(panel)), panel.lengths)
    place[np.arange(n_steps) + horizon * entity] = np.arange(n_steps)
    return place


def _in_places(column: Column, place: np.ndarray) -> Column:
    """The cells of these numbers; those of number -1 are missing."""
    cells = take(column, np.maximum(place, 0))
    return cells.with_cells(cells.values, cells.missing | (place < 0))


def _unfinished(windows: Windows, finished: torch.Tensor) -> torch.Tensor:
    """Numbers of the windows that have a step which is not finished; finished: (n_steps,) bool."""
    n_done = torch.cat([torch.zeros(1, dtype=torch.long), finished.long().cumsum(0)])
    done = n_done[windows.first + windows.length] - n_done[windows.first]
    return (done < windows.length).nonzero()[:, 0]


def _blank(template: Column, n: int) -> Column:
    """A column of n missing cells."""
    return template.with_cells(np.zeros(n, dtype=template.values.dtype), np.ones(n, dtype=bool))


def _told(
    encoder: TableEncoder, columns: Sequence[Column], n_rows: int, rng: np.random.Generator
) -> MixedBatch:
    """Cells as guides: level 0 stands for those that the encoder cannot tell, the others count from 1."""
    if not columns:
        return MixedBatch(torch.zeros(n_rows, 0), torch.zeros(n_rows, 0, dtype=torch.long))
    known = encoder.encode_known(columns, np.ones((n_rows, len(columns)), dtype=bool), rng)
    num = torch.where(known.num, known.rows.num, 0.0)
    return MixedBatch(num, torch.where(known.cat, known.rows.cat + 1, 0))


def _observed(encoder: TableEncoder, cat: torch.Tensor) -> torch.Tensor:
    """Which numeric features of drawn rows hold a number, as the levels beside them say: (n, F) bool."""
    parts, feature = [torch.zeros(len(cat), 0, dtype=torch.bool)], 0
    for codec in encoder.codecs:
        held = torch.ones(len(cat), codec.n_num, dtype=torch.bool)
        if codec.n_num and codec.missing_level >= 0:
            held &= (cat[:, feature] != codec.missing_level)[:, None]
        parts.append(held)
        feature += len(codec.n_levels)
    return torch.cat(parts, -1)


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
    rng = np.random.default_rng(encode_seed)
    timeline = None if panel.time is None else Timeline.fit(panel.time, panel.offsets)
    starts, of_time, beforehand = [], [], []
    if timeline is not None and panel.time is not None:
        starts, of_time = (
            timeline.starts(panel.time, panel.offsets),
            timeline.steps(panel.time, panel.offsets),
        )
        beforehand = timeline.given(starts, panel.offsets)
    names = [column.name for column in (*panel.context, *starts)]
    length = Column(_unused(LENGTH, names), Storage.INT, panel.lengths, np.zeros(len(panel), dtype=bool))
    rows = [*panel.context, *starts, length]
    table = learn_table(
        rows,
        label,
        n_classes,
        _for_rows(config.table, rows, len(panel.context)),
        table_seed,
        target=target,
    )
    kinds = {} if timeline is None else timeline.kinds
    steps = [*panel.steps, *of_time]
    encoder = TableEncoder.fit(
        steps, infer_schema(steps, {**kinds, **_kinds_among(config.table, panel.steps)})
    )
    encoder_beforehand = TableEncoder.fit(
        beforehand, infer_schema(beforehand, {column.name: "categorical" for column in beforehand})
    )
    longest = int(panel.lengths.max())
    window = config.window or (64 if config.one_series else MAX_WINDOW)
    window = min(window, longest)
    learned = LearnedPanel(
        table,
        timeline,
        encoder,
        encoder_beforehand,
        None,
        n_context=len(panel.context),
        longest=window if config.one_series else longest,
        n_steps=int(panel.offsets[-1]),
        window=window,
        one_series=config.one_series,
    )
    if not (encoder.n_num or encoder.n_levels):
        return learned
    stride = None
    if config.one_series:
        stride = max(1, (longest - window) // MAX_WINDOWS_OF_ONE)
    windows = Windows(
        encoder.encode(steps, rng),
        learned._guides(rows, panel.offsets, rng),
        **learned._placed(cut(panel.offsets, window, stride)),
    )
    series_config = config.sequences(len(windows), window)
    if series_config.training.max_seconds is not None:
        left = max(series_config.training.max_seconds - (clock.perf_counter() - began), 1.0)
        series_config = replace(series_config, training=replace(series_config.training, max_seconds=left))
    sequences = fit_sequences(
        windows,
        [
            *encoder.n_levels,
            *(count + 1 for count in (*table.encoder.n_levels, *encoder_beforehand.n_levels)),
        ],
        None if label is None else torch.from_numpy(label)[windows.series],
        series_config,
        fit_seed,
        choose_device(config.table.device),
        None if progress is None else progress(series_config.training.max_steps),
    )
    return replace(
        learned, steps=encoder.released(), beforehand=encoder_beforehand.released(), sequences=sequences
    )


def _unused(name: str, names: Sequence[Hashable]) -> str:
    while name in names:
        name += "_"
    return name


def kinds_of(schema: Mapping[Hashable, str] | TableSchema | None) -> dict[Hashable, str]:
    """What a schema says of columns, by their names."""
    if isinstance(schema, TableSchema):
        return {spec.name: spec.kind.value for spec in schema.columns}
    return dict(schema or {})


def _kinds_among(config: TableConfig, columns: Sequence[Column]) -> dict[Hashable, str]:
    """What the user's schema says of these columns."""
    names = {column.name for column in columns}
    return {name: kind for name, kind in kinds_of(config.schema).items() if name in names}


def _for_rows(config: TableConfig, rows: Sequence[Column], n_context: int) -> TableConfig:
    """The configuration of the table of whole series, which takes a sixth of the seconds.

    Behind the n_context columns of the context are starts and lengths, which are numbers.
    """
    seconds = None if config.max_seconds is None else config.max_seconds / 6
    kinds = _kinds_among(config, rows)
    for column in rows[n_context:]:
        if (column.values != column.values[0]).any():
            kinds[column.name] = "numeric"  # or cells that all differ could be taken for identifiers
    return replace(config, schema=kinds or None, constraints=(), max_seconds=seconds)
