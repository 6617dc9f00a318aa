"""The codec of categorical columns: a level for each frequent value."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tabdiff.encoding.codec import (
    Codec,
    Features,
    check_known,
    look_up,
    no_features,
    nothing_meets,
    state_of,
)
from tabdiff.encoding.identifiers import IdentifierCodec
from tabdiff.encoding.numbers import NumericCodec
from tabdiff.errors import SchemaError
from tabdiff.schema import Column, Storage, least_count
from tabdiff.wanted import Wanted

__all__ = ["LevelCodec"]

MAX_OWN_LEVELS = 1000


@dataclass(frozen=True)
class LevelCodec:
    """A categorical column: one level for each value, one for the pooled rare values, one for missing.

    Values that occur in fewer than ten rows (fewer still in tables under 10,000 rows) share a level, and so
    do all but the 1,000 most frequent. They come back in their own proportions.

    values: (V,) sorted values of the column. counts: (V,) how often each occurs. code_of: (V,) its level.
    n_rows: of the column, of which n_missing are missing. keep_all: whether no value is ever pooled or left
    out. pooled_level: -1 if there is none. substitute: makes cells where no value is frequent enough to be
    released.
    """

    values: np.ndarray
    counts: np.ndarray
    code_of: np.ndarray
    n_rows: int
    n_missing: int
    missing_level: int
    pooled_level: int
    n_levels: tuple[int, ...]
    keep_all: bool = False
    substitute: Codec | None = None
    n_num: int = 0

    @classmethod
    def fit(cls, column: Column, keep_all: bool = False) -> LevelCodec:
        """Count the values and decide which are pooled. False and True are always kept, being no secret.

        Raises `SchemaError` for labels that are no strings if all of them are too rare to be released.
        """
        keep_all = keep_all or column.storage is Storage.BOOL
        none = column.observed[:0], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        return cls(*none, 0, 0, -1, -1, (0,), keep_all).extended(column)

    def knows(self, column: Column) -> np.ndarray:
        """Cells with a value that is kept, and missing ones if fit has seen such."""
        return np.where(column.missing, self.missing_level >= 0, look_up(column.values, self.values)[1])

    def encode(self, column: Column, rng: np.random.Generator | None) -> Features:
        """Look each value up. Raises `SchemaError` for values unseen in fit, or missing where none was."""
        place, found = look_up(column.values, self.values)
        unseen = np.unique(column.values[~found & ~column.missing])
        check_known(column, unseen, self.values, may_miss=self.missing_level >= 0)
        level = np.append(self.code_of, 0)[np.where(found, place, len(self.values))]
        codes = np.where(column.missing, self.missing_level, level)
        n = len(column)
        return Features(no_features(n, float), no_features(n, bool), codes[:, None])

    def decode(
        self, features: Features, rng: np.random.Generator, first_row: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the value of each level; the pooled level draws one of its values by their counts.

        Levels whose values were not released draw from the pooled values, or if there are none from all.
        """
        codes = state_of(features)
        missing = codes == self.missing_level
        if not len(self.values):
            return self._substituted(missing, rng, first_row)
        place_of = np.full(self.n_levels[0], -1)
        place_of[self.code_of] = np.arange(len(self.values))
        pool = np.flatnonzero(self.code_of == self.pooled_level)
        if len(pool):
            place_of[self.pooled_level] = -1
        else:
            pool = np.arange(len(self.values))
        place = np.where(missing, 0, place_of[codes])
        drawn = place < 0
        place[drawn] = _choice(pool, self.counts[pool], int(drawn.sum()), rng)
        return self.values[place], missing

    def _substituted(
        self, missing: np.ndarray, rng: np.random.Generator, first_row: int
    ) -> tuple[np.ndarray, np.ndarray]:
        n = len(missing)
        if self.substitute is None:
            return np.zeros(n, dtype=self.values.dtype), np.ones(n, dtype=bool)
        values, none_left = self.substitute.draw_cells(Wanted(), n, rng)
        return values, missing | none_left

    def draw_cells(
        self, wanted: Wanted, n: int, rng: np.random.Generator, template: Column | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw values that meet `wanted` by their counts, and missing cells if it allows them."""
        meets = wanted.meets(self.values, np.zeros(len(self.values), dtype=bool))
        substitute = None if len(self.values) else self.substitute
        n_missing = self.n_missing if wanted.missing else 0
        weights = np.append(self.counts[meets], n_missing)
        if substitute is not None and wanted.observed:
            if not wanted.missing:
                return substitute.draw_cells(wanted, n, rng, template)
            weights = np.array([self.n_rows - self.n_missing, n_missing])
        if not weights.sum():
            often = np.argsort(-self.counts, kind="stable")[:10]
            raise nothing_meets(wanted, template, np.sort(self.values[often]), is_range=False)
        chosen = _choice(np.arange(len(weights)), weights, n, rng)
        missing = chosen == len(weights) - 1
        if substitute is not None and wanted.observed:
            return substitute.draw_cells(replace(wanted, missing=False), n, rng, template)[0], missing
        return np.append(self.values[meets], np.zeros(1, self.values.dtype))[chosen], missing

    def released(self) -> LevelCodec:
        """Without the values that few rows hold; see `schema.least_count`."""
        if self.keep_all:
            return self
        kept = self.counts >= least_count(self.counts, self.n_rows)
        substitute = None if kept.any() or self.substitute is None else self.substitute.released()
        if isinstance(substitute, NumericCodec) and not substitute.holds_values:
            substitute = None
        return replace(
            self,
            values=self.values[kept],
            counts=self.counts[kept],
            code_of=self.code_of[kept],
            substitute=substitute,
        )

    def extended(self, column: Column) -> LevelCodec:
        """With more cells: counts are added, new values come behind, each with a level or pooled."""
        values, counts = np.unique(column.observed, return_counts=True)
        place, found = look_up(values, self.values)
        n_rows = self.n_rows + len(column)
        n_missing = len(column) - int(counts.sum())
        old_counts = self.counts.copy()
        old_counts[place[found]] += counts[found]
        levels, pooled_level, n_levels = self._new_levels(counts[~found], n_rows)
        all_values = np.concatenate([self.values, values[~found]])
        order = np.argsort(all_values, kind="stable")
        missing_level = self.missing_level
        if n_missing and missing_level < 0:
            missing_level, n_levels = n_levels, n_levels + 1
        all_counts = np.concatenate([old_counts, counts[~found]])[order]
        return replace(
            self,
            values=all_values[order],
            counts=all_counts,
            code_of=np.concatenate([self.code_of, levels])[order],
            n_rows=n_rows,
            n_missing=self.n_missing + n_missing,
            missing_level=missing_level,
            pooled_level=pooled_level,
            n_levels=(n_levels,),
            substitute=self._new_substitute(column, all_counts, n_rows),
        )

    def _new_levels(self, counts: np.ndarray, n_rows: int) -> tuple[np.ndarray, int, int]:
        """Levels of new values that occur (N,) times, the pooled level, and the number of levels then."""
        n_levels = self.n_levels[0]
        own_before = len(np.unique(self.code_of[self.code_of != self.pooled_level]))
        pooled = np.zeros(len(counts), dtype=bool)
        if not self.keep_all:
            pooled = counts < min(10, n_rows / 1000)
            if pooled.sum() < 2 and self.pooled_level < 0:
                pooled[:] = False
            own = np.flatnonzero(~pooled)
            own = own[np.argsort(-counts[own], kind="stable")]
            pooled[own[max(0, MAX_OWN_LEVELS - own_before) :]] = True
        n_own = int((~pooled).sum())
        pooled_level = self.pooled_level
        if pooled.any() and pooled_level < 0:
            pooled_level = n_levels + n_own
        levels = np.where(pooled, pooled_level, n_levels + np.cumsum(~pooled) - 1)
        n_new = n_own + int(pooled_level != self.pooled_level)
        return levels, pooled_level, n_levels + n_new

    def _new_substitute(self, column: Column, counts: np.ndarray, n_rows: int) -> Codec | None:
        """What makes cells if none of the values, which occur (V,) times, can be released."""
        if self.keep_all or not len(counts) or counts.max() >= least_count(counts, n_rows):
            return None
        if self.substitute is not None:
            return self.substitute.extended(column)
        return _substitute(column)

    def recoded(self, new_code: np.ndarray) -> LevelCodec:
        """The codec of the same labels counted otherwise."""
        values = new_code[self.values]
        order = np.argsort(values)
        return replace(self, values=values[order], counts=self.counts[order], code_of=self.code_of[order])


def _substitute(column: Column) -> Codec:
    """A codec that imitates a column of which no value can be kept."""
    if column.storage is not Storage.LABEL:
        return NumericCodec.fit(column)
    example = column.describe(column.observed[0])
    if not isinstance(example, str):
        raise SchemaError(
            f"each label of column {column.name!r}, such as {example!r}, occurs in too few of its "
            f"{len(column)} rows to be kept without giving these rows away, and labels that are no strings "
            "cannot be imitated. Convert the column to strings or numbers, or drop it."
        )
    return IdentifierCodec.fit(column, unique=False)


def _choice(items: np.ndarray, weights: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n of the items in proportion to their weights."""
    return rng.choice(items, size=n, p=weights / weights.sum()) if n else items[:0]
