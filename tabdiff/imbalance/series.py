"""New series for rare classes: from one model of the series of all classes, or by OHIT for the smallest."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tabdiff.errors import InputError, SmallClassWarning
from tabdiff.frames.cases import Cases
from tabdiff.imbalance.labels import plain
from tabdiff.imbalance.ohit import ohit
from tabdiff.panels import LearnedPanel, Panel, PanelConfig, learn_panel
from tabdiff.progress import sampling_bar
from tabdiff.schema import Column, Storage
from tabdiff.seeds import child_seed
from tabdiff.tables import TableConfig
from tabdiff.training import Start

__all__ = [
    "MIN_CLASS_CASES",
    "SeriesSource",
    "refuse_what_is_for_rows",
    "series_source",
    "warn_of_small_classes",
]

MIN_CLASS_CASES = 30
CLASS = "class"
MAX_WHOLE = 2**53  # beyond, float64 skips integers


@dataclass(frozen=True)
class SeriesSource:
    """Makes new series of classes.

    classes: (n_classes,), sorted. codes: (n_cases,), the class of each case by its place among them. model:
    of the series of all classes; None if only classes that are too small for it are to be drawn.
    min_class_size: number of cases from which on a class is drawn from the model.
    """

    cases: Cases
    codes: np.ndarray
    classes: np.ndarray
    model: LearnedPanel | None
    seed: np.random.SeedSequence
    min_class_size: int = MIN_CLASS_CASES

    def draw(
        self, asked: Mapping[Any, int], sampling_steps: int | None = None, verbose: bool = False
    ) -> tuple[Any, np.ndarray]:
        """New cases in the user's container, class by class, and (n,) the class of each.

        asked: class to number of cases. Lengths are those of real cases of the class, each equally often.
        """
        wanted = {label: n for label, n in asked.items() if n > 0}
        drawn: list[np.ndarray] = []
        for label, n in wanted.items():
            drawn += self._drawn(label, n, sampling_steps, verbose)
        labels = np.repeat(np.array(list(wanted), dtype=self.classes.dtype), list(wanted.values()))
        return self.cases.rebuild(drawn), labels

    def _drawn(self, label: Any, n: int, sampling_steps: int | None, verbose: bool) -> list[np.ndarray]:
        code = int(np.searchsorted(self.classes, label))
        own = child_seed(self.seed, code)
        pick_seed, draw_seed = own.spawn(2)
        rows = np.flatnonzero(self.codes == code)
        like = np.resize(np.random.default_rng(pick_seed).permutation(rows), n)
        if self.model is None or len(rows) < self.min_class_size:
            return _by_ohit(self.cases, rows, like, np.random.default_rng(draw_seed))
        told = np.full(n, code, dtype=np.int64)
        with sampling_bar(verbose, n, f"sampling {plain(label)!r}") as on_rows:
            panel = self.model.sample(
                n,
                draw_seed,
                context=[_class_column(told, len(self.classes))],
                lengths=self.cases.lengths[like],
                sampling_steps=sampling_steps,
                label=told,
            )
            if on_rows is not None:
                on_rows(n)
        values = np.column_stack([np.where(c.missing, np.nan, c.values.astype(float)) for c in panel.steps])
        return np.split(values, panel.offsets[1:-1])


def series_source(
    cases: Cases,
    labels: np.ndarray,
    asked: Mapping[Any, int],
    config: TableConfig,
    seeds: Sequence[np.random.SeedSequence],
    progress: Start | None = None,
    min_class_size: int = MIN_CLASS_CASES,
) -> SeriesSource:
    """Learn the series of all classes, if one that is asked for has at least `min_class_size` cases.

    labels: (n_cases,). asked: class to number of new cases. seeds: of learning and of drawing. The channels
    are learned as numbers, and the class of a case is told.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    sizes = np.bincount(codes)[np.searchsorted(classes, [label for label, n in asked.items() if n > 0])]
    learn_seed, draw_seed = seeds
    model = None
    if (sizes >= min_class_size).any():
        panel = _panel(cases, codes, len(classes))
        kinds = {column.name: "numeric" for column in panel.steps} | {CLASS: "categorical"}
        model = learn_panel(
            panel,
            PanelConfig(replace(config, schema=kinds)),
            learn_seed,
            progress,
            target=CLASS,
            label=codes,
            n_classes=len(classes),
        )
    return SeriesSource(cases, codes, classes, model, draw_seed, min_class_size=min_class_size)


def refuse_what_is_for_rows(sampler: Any) -> None:
    """Raise `InputError` if a parameter of the sampler asks for what is done with rows of a table alone."""
    refused = {
        "sampling_strategy": (
            "tuned",
            'Pass an amount, such as 0.3 or "x2", and compare amounts by GridSearchCV over a pipeline of '
            "this sampler and the classifier",
        ),
        "method": ("tabddpm", 'Pass method="few-step"'),
    }
    for name, (value, instead) in refused.items():
        given = getattr(sampler, name)
        if isinstance(given, str) and given == value:
            raise InputError(
                f"{name} is {given!r}, which is for rows of a table, but X holds series. {instead}."
            )
    usual = {"categorical_features": "auto", "generator": None, "guidance_weight": 0}
    for name, default in usual.items():
        given = getattr(sampler, name)
        if not (given is default or (isinstance(given, str | int | float) and given == default)):
            raise InputError(
                f"{name} is {given!r}, which is for rows of a table, but X holds series, whose channels are "
                f"numbers and are learned anew. Leave {name} at {default!r}."
            )


def warn_of_small_classes(
    labels: np.ndarray, asked: Mapping[Any, int], stacklevel: int, min_class_size: int = MIN_CLASS_CASES
) -> None:
    """Issue a `SmallClassWarning` for each class that is asked for and drawn by OHIT."""
    for label, n in asked.items():
        n_real = int((labels == label).sum())
        if n and n_real < min_class_size:
            warnings.warn(
                f"class {plain(label)!r} has {n_real} series, fewer than {min_class_size}: too few to be "
                f"learned. Its {n} synthetic series are drawn by OHIT, from Gaussians around clusters of the "
                "real ones.",
                SmallClassWarning,
                stacklevel=stacklevel,
            )


# --- by the model -----------------------------------------------------------------------------------------


def _panel(cases: Cases, codes: np.ndarray, n_classes: int) -> Panel:
    """The cases with their class as the one column of the context, and a column of steps for each channel."""
    steps = []
    for number, values in enumerate(cases.values.T):
        missing = np.isnan(values)
        storage = Storage.FLOAT
        if cases.dtype.kind in "biu" and np.abs(values).max() < MAX_WHOLE:
            storage, values = Storage.INT, values.astype(np.int64)
        steps.append(Column(f"channel {number}", storage, np.ascontiguousarray(values), missing))
    return Panel([_class_column(codes, n_classes)], steps, cases.offsets)


def _class_column(codes: np.ndarray, n_classes: int) -> Column:
    missing = np.zeros(len(codes), dtype=bool)
    return Column(CLASS, Storage.LABEL, codes.astype(np.int64), missing, tuple(range(n_classes)))


# --- by OHIT ----------------------------------------------------------------------------------------------


def _by_ohit(cases: Cases, rows: np.ndarray, like: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """New cases of a class by OHIT: (length, n_channels) each.

    rows: the cases of the class. like: (n,) the real case that gives each new one its length and its missing
    values. All are stretched to the length of the longest first, and channels brought to one scale.
    """
    steps = np.concatenate([cases.case(row) for row in rows])
    mean, scale = _moments(steps)
    longest = int(cases.lengths[rows].max())
    standard = [_filled((cases.case(row) - mean) / scale) for row in rows]
    flat = np.stack([_stretched(case, longest).ravel() for case in standard])
    drawn = ohit(flat, len(like), rng).reshape(len(like), longest, cases.n_channels)
    new = []
    for case, row in zip(drawn, like, strict=True):
        values = _stretched(case, int(cases.lengths[row])) * scale + mean
        new.append(np.where(np.isnan(cases.case(row)), np.nan, values))
    return new


def _moments(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel over its observed values, the latter 1 where it is 0."""
    observed = ~np.isnan(steps)
    n = np.maximum(observed.sum(axis=0), 1)
    mean = np.where(observed, steps, 0.0).sum(axis=0) / n
    spread = np.sqrt(np.where(observed, np.square(steps - mean), 0.0).sum(axis=0) / n)
    return mean, np.where(spread > 0, spread, 1.0)


def _filled(case: np.ndarray) -> np.ndarray:
    """Missing values put in between the observed ones; 0 in channels that have none."""
    place = np.arange(len(case))
    filled = np.zeros_like(case)
    for channel, values in enumerate(case.T):
        observed = ~np.isnan(values)
        if observed.any():
            filled[:, channel] = np.interp(place, place[observed], values[observed])
    return filled


def _stretched(case: np.ndarray, length: int) -> np.ndarray:
    """A series at another number of equally spaced times between its ends: (length, n_channels)."""
    if len(case) == length:
        return case
    before, after = np.linspace(0, 1, len(case)), np.linspace(0, 1, length)
    return np.column_stack([np.interp(after, before, values) for values in case.T])
