"""Where synthetic rows of a class come from: one model of all rows, or one for each part that may be used.

To choose how many rows help, a classifier is judged on real rows that neither it nor the generator has seen:
each fold needs a generator of its own training rows. All of them together then make the rows that are wanted
in the end, so that choosing costs one training, not one more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.base import clone

from tabdiff import frames
from tabdiff.cells import joined, take
from tabdiff.errors import InputError
from tabdiff.frames import RowTemplate, Template
from tabdiff.imbalance.acceptance import MOST_DRAWN, Judge, plausible_rows
from tabdiff.imbalance.generators import Generator
from tabdiff.imbalance.labels import plain
from tabdiff.progress import sampling_bar
from tabdiff.schema import Column

__all__ = [
    "MIN_CLASS_ROWS",
    "GeneratorSource",
    "Part",
    "RowSource",
    "SamplerSource",
    "SyntheticRows",
]

MIN_CLASS_ROWS = 20
REVISION_TIME = 0.5


@dataclass(frozen=True)
class SyntheticRows:
    """Synthetic rows in the user's container, and their classes, (n,).

    sureness: (n,), the probability that a row is of its class by a classifier of the real rows; None if there
    is no such classifier.
    """

    X: Any
    y: np.ndarray
    sureness: np.ndarray | None = None


class RowSource(Protocol):
    """Makes synthetic rows of classes."""

    def rows(
        self, part: int | None, asked: Mapping[Any, int], draw: int = 0, every: bool = False
    ) -> SyntheticRows:
        """Synthetic rows, class by class.

        part: number of the fold whose training rows alone may be used; None may use all. asked: class to
        number of rows. draw: another number gives other rows. every: whether rows are taken as they come,
        for a use that weighs them itself.
        """
        ...


@dataclass(frozen=True)
class Part:
    """Rows that may be used together, and what has learned them.

    columns, codes: the rows and (n,) the class of each. judge: says which rows drawn are kept; None keeps
    all.
    """

    generator: Generator
    columns: Sequence[Column]
    codes: np.ndarray
    judge: Judge | None = None


@dataclass(frozen=True)
class GeneratorSource:
    """Rows of learned tables, one for each part.

    classes: (n_classes,), sorted; codes count in them. template: rebuilds frames. seed: of all draws.
    sampling_steps, guidance, verbose: how rows are drawn.
    """

    parts: Sequence[Part]
    classes: np.ndarray
    template: Template | RowTemplate
    seed: np.random.SeedSequence
    sampling_steps: int | None = None
    guidance: float = 0.0
    verbose: bool = False

    def rows(
        self, part: int | None, asked: Mapping[Any, int], draw: int = 0, every: bool = False
    ) -> SyntheticRows:
        """See `RowSource`; without a part each of them makes an equal share."""
        wanted = {label: n for label, n in asked.items() if n > 0}
        labels = np.repeat(np.array(list(wanted), dtype=self.classes.dtype), list(wanted.values()))
        if not wanted:
            return SyntheticRows(self.template.empty, labels)
        chosen = range(len(self.parts)) if part is None else [part]
        drawn: list[list[Column]] = []
        sureness: list[np.ndarray | None] = []
        # models of parts do not know the identifiers of each other's rows, which are often numbered through
        first_row = len(self.parts[0].codes) * len(self.parts) if len(self.parts) > 1 else 0
        for label, n in wanted.items():
            for place, share in zip(chosen, _shared(n, len(chosen)), strict=True):
                if share:
                    drawn.append(self._drawn(place, label, share, draw, first_row, every))
                    sureness.append(self._sureness(place, label, drawn[-1]))
                    first_row += math.ceil(MOST_DRAWN * share)  # numbers of rows that were not kept are gone
        X = self.template.rebuild([joined(cells) for cells in zip(*drawn, strict=True)])
        known = [each for each in sureness if each is not None]
        return SyntheticRows(X, labels, np.concatenate(known) if len(known) == len(sureness) else None)

    def _sureness(self, place: int, label: Any, rows: Sequence[Column]) -> np.ndarray | None:
        judge, code = self.parts[place].judge, int(np.searchsorted(self.classes, label))
        return judge.sureness(rows, code) if judge is not None and judge.knows(code) else None

    def _drawn(self, place: int, label: Any, n: int, draw: int, first_row: int, every: bool) -> list[Column]:
        """Rows of a class from one part; a class too small to be learned is drawn near its real rows."""
        part, code = self.parts[place], int(np.searchsorted(self.classes, label))
        rows = np.flatnonzero(part.codes == code)
        key = (*self.seed.spawn_key, place, code, draw)
        choose_seed, draw_seed = np.random.SeedSequence(self.seed.entropy, spawn_key=key).spawn(2)
        if len(rows) < MIN_CLASS_ROWS:
            picked = _picked(rows, n, choose_seed)
            near = [take(column, picked) for column in part.columns]
            how = draw_seed, REVISION_TIME, self.sampling_steps, first_row
            return part.generator.revise(near, label, *how)

        def more(size: int) -> list[Column]:
            with sampling_bar(self.verbose, size, f"sampling {plain(label)!r}") as on_rows:
                how = draw_seed, self.sampling_steps, self.guidance, on_rows, first_row
                return part.generator.sample(label, size, *how)

        judge = None if every else part.judge
        return plausible_rows(more, n, judge, code, np.random.default_rng(choose_seed))


@dataclass(frozen=True)
class SamplerSource:
    """Rows of any over-sampler of imbalanced-learn, fitted anew to each part.

    X, y: all rows, in the user's container and as (n,) classes. parts: the rows of each part.
    """

    sampler: Any
    X: Any
    y: np.ndarray
    parts: Sequence[np.ndarray]
    seed: np.random.SeedSequence

    def rows(
        self, part: int | None, asked: Mapping[Any, int], draw: int = 0, every: bool = False
    ) -> SyntheticRows:
        """See `RowSource`."""
        wanted = {label: n for label, n in asked.items() if n > 0}
        rows = np.arange(len(self.y)) if part is None else self.parts[part]
        X, y = frames.select_rows(self.X, rows), self.y[rows]
        if not wanted:
            return SyntheticRows(frames.select_rows(X, np.arange(0)), y[:0])
        counts = dict(zip(*np.unique(y, return_counts=True), strict=True))
        sampler = clone(self.sampler).set_params(
            sampling_strategy={label: int(counts[label]) + n for label, n in wanted.items()}
        )
        if "random_state" in sampler.get_params():
            key = (*self.seed.spawn_key, len(self.parts) if part is None else part, draw)
            number = np.random.SeedSequence(self.seed.entropy, spawn_key=key).generate_state(1)[0]
            sampler.set_params(random_state=int(number % 2**31))
        both, classes = sampler.fit_resample(X, y)
        if len(classes) < len(y) or not np.array_equal(np.asarray(classes)[: len(y)], y):
            raise InputError(
                f"{sampler} does not return the original rows first. Pass an over-sampler, such as "
                "DiffusionOverSampler() or imbalanced-learn's SMOTE()."
            )
        new = frames.select_rows(both, np.arange(len(y), len(classes)))
        return SyntheticRows(new, np.asarray(classes)[len(y) :])


def _shared(n: int, n_parts: int) -> list[int]:
    """A number in equal parts, the first ones larger by one where it does not come out even."""
    return [n // n_parts + (place < n % n_parts) for place in range(n_parts)]


def _picked(rows: np.ndarray, n: int, seed: np.random.SeedSequence) -> np.ndarray:
    """Choose n of the rows, in random order, each equally often."""
    return np.resize(np.random.default_rng(seed).permutation(rows), n)
