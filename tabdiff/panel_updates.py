"""A learned panel goes on learning: new series, and the old law remembered by series that the model draws.

No step of the old series is kept. Series drawn from the model as it is are learned again beside the new ones,
and both weigh what they stand for. Source: generative replay, Shin et al. 2017 (arXiv:1705.08690). DIFFERS:
one generator teaches its own successor, which starts from its weights; and as many steps are replayed as a
budget allows, at a weight of their own.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from tabdiff.cells import joined
from tabdiff.encoding.alignment import aligned
from tabdiff.encoding.table import feature_map
from tabdiff.encoding.timeline_growth import extended_timeline
from tabdiff.methods import MaskedFewStep
from tabdiff.nets.sequence_growth import SequenceStart
from tabdiff.panel_data import Panel
from tabdiff.panel_rows import config_of_rows
from tabdiff.panels import LearnedPanel, PanelConfig, encoder_of_levels
from tabdiff.retraining import SHARE_OF_STEPS, relearn_table
from tabdiff.schema import Column, check_finite
from tabdiff.sequences import SeriesConfig, fit_sequences
from tabdiff.synthesis import choose_device
from tabdiff.targets import Target
from tabdiff.training import Start
from tabdiff.windows import N_PLACES, Windows

__all__ = ["DrawSteps", "relearn_panel", "replay_weights"]

MAX_REPLAYED_STEPS = 50_000
MAX_RATIO = 4.0

DrawSteps = Callable[[Sequence[Column], np.random.SeedSequence], Panel]
"""Rows of the table of whole series to series with their steps, drawn from the model as it is."""


def relearn_panel(
    learned: LearnedPanel,
    target: Target | None,
    panel: Panel,
    config: PanelConfig,
    seed: np.random.SeedSequence,
    draw: DrawSteps,
    progress: Start | None = None,
) -> tuple[LearnedPanel, Target | None]:
    """The panel and the target of its series after new ones.

    New levels, classes and ranges extend the encodings; the window and the unit of places stay.
    Up to `MAX_REPLAYED_STEPS` old steps are replayed and weigh as much as those they stand for, at most
    `MAX_RATIO` times as much as the new ones. Training takes `SHARE_OF_STEPS` of the steps that learning both
    afresh would. The table of a single series stays as it is.

    Raises `InputError` for times that cannot be told as before and missing targets, and `SchemaError` for
    cells that cannot be held as before and columns that no longer follow from others.
    """
    began = clock.perf_counter()
    table_seed, replay_seed, encode_seed, fit_seed = seed.spawn(4)
    rows = learned.rows_of(panel, panel.lengths, grow=True)
    grown, steps = _with_new_cells(learned, panel)
    replayed_rows, replayed = _replayed(learned, target, replay_seed, draw)
    if not learned.one_series:
        row_config = config_of_rows(config.table, rows, learned.n_context)
        table, target = relearn_table(learned.table, target, rows, row_config, table_seed)
        grown = replace(grown, table=table)
    grown = replace(grown, n_steps=learned.n_steps + int(panel.offsets[-1]))
    if not grown.has_features:
        return replace(grown.released(), sequences=None), target
    rows = _joined(replayed_rows, rows, grown.table.templates)
    again = [*grown.columns.arrangement.learned(replayed.steps), *replayed.drawn_times]
    steps = _joined(again, steps, grown.steps.templates)
    offsets = np.concatenate([replayed.offsets, replayed.offsets[-1] + panel.offsets[1:]])
    windows = grown.windows_of(rows, steps, offsets, np.random.default_rng(encode_seed))
    how = _shortened(config, learned, grown, len(windows), began)
    sequences = fit_sequences(
        windows,
        grown.n_levels,
        _labels(target, rows, windows),
        how,
        fit_seed,
        choose_device(config.table.device),
        None if progress is None else progress(how.training.max_steps),
        start=_start(learned, grown, replay_weights(windows, len(replayed), learned.n_steps, panel)),
    )
    return replace(grown.released(), sequences=sequences), target


def _replayed(
    learned: LearnedPanel, target: Target | None, seed: np.random.SeedSequence, draw: DrawSteps
) -> tuple[list[Column], Panel]:
    """Draw series in the place of those that were learned; also their rows of the table."""
    label_seed, row_seed, step_seed = seed.spawn(3)
    if learned.one_series:
        rows = learned.row_of_length(min(learned.n_steps, MAX_REPLAYED_STEPS))
    else:
        n_series = learned.table.n_rows
        n = max(1, min(n_series, MAX_REPLAYED_STEPS * n_series // learned.n_steps))
        label = None if target is None else target.draw(n, np.random.default_rng(label_seed))
        rows = learned.table.sample(n, label, row_seed)
    return rows, draw(rows, step_seed)


def _with_new_cells(learned: LearnedPanel, panel: Panel) -> tuple[LearnedPanel, list[Column]]:
    """The panel with room for new series in its timeline and encodings; also the columns of their steps."""
    timeline, time = learned.timeline, learned.time_of(panel)
    of_time, beforehand = [], []
    if timeline is not None and time is not None:
        timeline = extended_timeline(timeline, time, panel.offsets)
        of_time = timeline.steps(time, panel.offsets)
        beforehand = timeline.given(timeline.starts(time, panel.offsets), panel.offsets)
    for column in panel.steps:
        check_finite(column)
    n_before = len(learned.beforehand.templates)
    old, new = learned.beforehand.extended(beforehand[:n_before]), encoder_of_levels(beforehand[n_before:])
    columns = learned.columns.extended(panel.steps)
    steps = [*columns.arrangement.learned(panel.steps), *of_time]
    encoder = learned.steps.extended(steps)
    grown = replace(learned, timeline=timeline, columns=columns.grown(panel.steps, encoder))
    return replace(grown, steps=encoder, beforehand=old.beside(new)), steps


def _joined(first: Sequence[Column], second: Sequence[Column], templates: Sequence[Column]) -> list[Column]:
    """The cells of both, held as in the templates."""
    return [
        joined([aligned(cells, template) for cells in pair])
        for *pair, template in zip(first, second, templates, strict=True)
    ]


def _labels(target: Target | None, rows: Sequence[Column], windows: Windows) -> torch.Tensor | None:
    """The class of the series of each window: (n_windows,) long."""
    if target is None:
        return None
    column = next(column for column in rows if column.name == target.name)
    return torch.from_numpy(target.codes_of(column))[windows.series]


def replay_weights(windows: Windows, n_replayed: int, n_old_steps: int, panel: Panel) -> torch.Tensor:
    """How often each window is seen in a pass, (n_windows,) float, so that all weigh what they stand for.

    n_replayed: how many series at the head stand for n_old_steps. panel: the new ones.
    """
    old = windows.series < n_replayed
    ratio = min(n_old_steps / int(panel.offsets[-1]), MAX_RATIO)
    n_old = int(old.sum())
    return torch.where(old, ratio * (len(windows) - n_old) / n_old, 1.0)


def _shortened(
    config: PanelConfig, learned: LearnedPanel, grown: LearnedPanel, n_windows: int, began: float
) -> SeriesConfig:
    """The configuration of both together, with the old method and network and a share of the steps."""
    full = config.sequences(n_windows, learned.window, began)
    if config.table.max_steps is None:
        steps = max(1, int(SHARE_OF_STEPS * full.training.max_steps))
        full = replace(full, training=replace(full.training, max_steps=steps))
    if learned.sequences is None:
        return full
    former = learned.sequences.config
    method = former.method
    if isinstance(method, MaskedFewStep) and method.spectrum is not None:
        came_from, _ = feature_map(learned.steps, grown.steps)
        numbers = {old: new for new, old in enumerate(came_from)}
        method = replace(method, spectrum=method.spectrum.renumbered(numbers, grown.steps.linear_features))
    return replace(full, method=method, network=former.network)


def _start(learned: LearnedPanel, grown: LearnedPanel, weight: torch.Tensor) -> SequenceStart:
    """The old network, and where the features of the windows were in it."""
    pairs = [
        (learned.steps, grown.steps),
        (learned.table.encoder, grown.table.encoder),
        (learned.beforehand, grown.beforehand),
    ]
    num_from: list[int] = []
    cat_from: list[int] = []
    n_num = n_cat = 0
    for old, new in pairs:
        num, cat = feature_map(old, new)
        num_from += [feature + n_num if feature >= 0 else -1 for feature in num]
        cat_from += [feature + n_cat if feature >= 0 else -1 for feature in cat]
        n_num, n_cat = n_num + old.n_num, n_cat + len(old.n_levels)
    network = None if learned.sequences is None else learned.sequences.network
    return SequenceStart(network, [*num_from, *range(n_num, n_num + N_PLACES)], cat_from, weight)
