"""Columns that another column decides: copies, and those that can be looked up."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np

from tabdiff.arrangement.cells import nearest, places, same_cells, states
from tabdiff.cells import joined, take
from tabdiff.schema import Column
from tabdiff.wanted import Wanted

__all__ = ["CopyLink", "Link", "LookupLink"]

MIN_NEW_ROWS = 2


@dataclass(frozen=True)
class CopyLink:
    """The column `name` holds the same cells as `source`. template: the former without cells and levels."""

    source: Hashable
    name: Hashable
    template: Column

    def __str__(self) -> str:
        return f"copy of {self.source}"

    @property
    def in_words(self) -> str:
        """The link as a sentence."""
        return f"{self.name} is a copy of {self.source}"

    def forward(self, source: Column, rng: np.random.Generator) -> Column:
        """The copy of a column."""
        return replace(source, name=self.name, ordered=self.template.ordered)

    def backward(self, column: Column, rng: np.random.Generator) -> tuple[Column, np.ndarray]:
        """The source of a copy, and in which rows it is certain: all."""
        return replace(column, name=self.source), np.ones(len(column), dtype=bool)

    def holds(self, source: Column, column: Column) -> np.ndarray:
        """In which rows the two agree: (n,) bool."""
        return same_cells(source, column)

    def contradicted(self, source: Column, column: Column) -> np.ndarray:
        """In which rows the two cannot be what they were to each other: (n,) bool."""
        return ~self.holds(source, column)

    def extended(self, source: Column, column: Column) -> CopyLink:
        """The link with more rows: itself."""
        return self

    def wanted(self, wanted: Wanted) -> Wanted:
        """What is asked of the source if this is asked of the copy."""
        return wanted


@dataclass(frozen=True)
class LookupLink:
    """The column `name` is a function of the column `source`, given as a table.

    keys: the K different cells of the source, missing among them if it occurs. images: the K cells that
    belong to them. counts: (K,) int64, in how many rows each key was, five or more.
    """

    keys: Column
    images: Column
    counts: np.ndarray

    def __str__(self) -> str:
        return f"follows from {self.source}"

    @property
    def in_words(self) -> str:
        """The link as a sentence."""
        return f"{self.name} follows from {self.source}"

    @property
    def source(self) -> Hashable:
        """The column that decides."""
        return self.keys.name

    @property
    def name(self) -> Hashable:
        """The column that is decided."""
        return self.images.name

    def forward(self, source: Column, rng: np.random.Generator) -> Column:
        """Look the cells of a column up.

        A number between the keys counts as the nearest. Labels that are no keys get a cell drawn at random.
        """
        place = places(source, self.keys)
        if (place < 0).any():
            place = np.where(place < 0, nearest(source, self.keys), place)
            lost = np.flatnonzero(place < 0)
            place[lost] = rng.choice(len(self.counts), size=len(lost), p=self.counts / self.counts.sum())
        return take(self.images, place)

    def backward(self, column: Column, rng: np.random.Generator) -> tuple[Column, np.ndarray]:
        """Draw keys that have these images, by their counts, and say in which rows there are any."""
        image = states(self.images)
        place = places(column, take(self.images, image.first))
        drawn = np.zeros(len(column), dtype=np.int64)
        for code in np.unique(place[place >= 0]):
            rows, fitting = np.flatnonzero(place == code), np.flatnonzero(image.codes == code)
            share = self.counts[fitting] / self.counts[fitting].sum()
            drawn[rows] = rng.choice(fitting, size=len(rows), p=share)
        return take(self.keys, drawn), place >= 0

    def holds(self, source: Column, column: Column) -> np.ndarray:
        """In which rows the source is a key and the column its image: (n,) bool."""
        place = places(source, self.keys)
        return (place >= 0) & same_cells(take(self.images, np.maximum(place, 0)), column)

    def contradicted(self, source: Column, column: Column) -> np.ndarray:
        """In which rows a key has another image than it had, or than it has in a row before: (n,) bool."""
        seen = states(source)
        first = take(column, seen.first[seen.codes])
        known = places(source, self.keys) >= 0
        return np.where(known, ~self.holds(source, column), ~same_cells(first, column))

    def extended(self, source: Column, column: Column) -> LookupLink:
        """The table with the keys that are new in these rows and in more than one of them, behind the others.

        The columns must not contradict it. Rows of the keys that were there count too.
        """
        seen = states(source)
        place = places(take(source, seen.first), self.keys)
        counts = self.counts.copy()
        np.add.at(counts, place[place >= 0], seen.counts[place >= 0])
        new = np.flatnonzero((place < 0) & (seen.counts >= MIN_NEW_ROWS))
        rows = seen.first[new]
        return LookupLink(
            joined([self.keys, take(source, rows)]),
            joined([self.images, take(column, rows)]),
            np.append(counts, seen.counts[new]),
        )

    def wanted(self, wanted: Wanted) -> Wanted:
        """What is asked of the source if this is asked of the column."""
        fits = wanted.meets(self.images.values, self.images.missing)
        values = np.unique(self.keys.values[fits & ~self.keys.missing])
        missing = bool((fits & self.keys.missing).any())
        return Wanted(values if len(values) else None, observed=bool(len(values)), missing=missing)


Link = CopyLink | LookupLink
