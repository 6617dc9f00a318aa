"""The codec of columns that identify rows: nothing is learned, new identifiers are made in their format."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tabdiff.encoding.codec import Features, by_state, check_known, nothing_meets, state_of
from tabdiff.encoding.formats import NumberedText, TextFormat, beyond, extended_format, find_format
from tabdiff.schema import Column, Storage
from tabdiff.wanted import Wanted

__all__ = ["IdentifierCodec", "NumberSeries"]

INT64 = np.iinfo(np.int64)
MAX_WHOLE = 2**53  # beyond, float64 skips integers
ROOM = 2**40  # rows that can be numbered without leaving the numbers of the column's type


@dataclass(frozen=True)
class NumberSeries:
    """Integers that go on from `start`, upwards (step 1) or downwards (-1), in the column's own dtype."""

    start: int
    step: int
    dtype: np.dtype

    @classmethod
    def fit(cls, observed: np.ndarray) -> NumberSeries:
        """Go on above the largest number, or below the smallest if there is no room above."""
        numbers = np.unique(observed).astype(np.int64)
        limit = INT64.max if observed.dtype.kind == "i" else MAX_WHOLE
        start = beyond(numbers)
        if start < limit - ROOM:
            return cls(start, 1, observed.dtype)
        low, high = int(numbers[0]), int(numbers[-1])
        if low > ROOM - limit:
            return cls(low - 1, -1, observed.dtype)
        # both ends are taken: the widest gap has more room than there can be rows
        place = np.diff(numbers.view(np.uint64)).argmax()
        return cls(int(numbers[place]) + 1, 1, observed.dtype) if low < high else cls(low, 1, observed.dtype)

    def fresh(self, first_row: int, n: int, rng: np.random.Generator) -> np.ndarray:
        """The numbers of rows first_row, ..., first_row + n - 1."""
        return (self.start + self.step * (first_row + np.arange(n))).astype(self.dtype)

    def extended(self, observed: np.ndarray) -> NumberSeries:
        """The series beyond these numbers too."""
        numbers = observed.astype(np.int64)
        if self.step > 0:
            return replace(self, start=max(self.start, beyond(numbers)))
        return replace(self, start=min(self.start, int(numbers.min()) - 1))


@dataclass(frozen=True)
class IdentifierCodec:
    """A column that identifies rows: only whether a cell is missing is learned, if any is.

    `decode` makes values in the format of the column. Those of different rows of a draw differ, and none is a
    value that fit has seen; of the values seen, only the format is kept. Columns whose values repeat
    (`TextFormat.unique` is False) get random texts in the format, which may repeat, and which may be values
    seen by chance where there are few texts of the format.

    n_rows: of the column, of which n_missing are missing.
    """

    series: NumberSeries | NumberedText | TextFormat
    n_rows: int
    n_missing: int
    missing_level: int
    n_levels: tuple[int, ...]
    n_num: int = 0

    @classmethod
    def fit(cls, column: Column, unique: bool | None = None) -> IdentifierCodec:
        """Find the format; unique: whether values must differ, by default if those of the column do."""
        observed = column.observed
        series: NumberSeries | NumberedText | TextFormat
        if column.storage is not Storage.LABEL:
            series = NumberSeries.fit(observed)
        else:
            codes = np.unique(observed)
            unique = len(codes) == len(observed) if unique is None else unique
            series = find_format([column.levels[code] for code in codes.tolist()], unique, len(column))
        n_missing = len(column) - len(observed)
        return cls(series, len(column), n_missing, 1 if n_missing else -1, (2,) if n_missing else ())

    def knows(self, column: Column) -> np.ndarray:
        """All values, and missing cells if fit has seen such."""
        return ~column.missing | (self.missing_level >= 0)

    def encode(self, column: Column, rng: np.random.Generator | None) -> Features:
        """Tell missing cells from others. Raises `SchemaError` for missing where none was."""
        none = column.values[:0]
        check_known(column, none, none, may_miss=self.missing_level >= 0)
        return by_state(column, self.missing_level)

    def decode(
        self, features: Features, rng: np.random.Generator, first_row: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Make new identifiers: numbers, or an array of strings."""
        state = state_of(features)
        return self.series.fresh(first_row, len(state), rng), state == self.missing_level

    def draw_cells(
        self, wanted: Wanted, n: int, rng: np.random.Generator, template: Column | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Make new identifiers, or missing cells; certain ones cannot be asked for."""
        free = wanted.observed and wanted.values is None and wanted.low is None and wanted.high is None
        n_observed = self.n_rows - self.n_missing if free else 0
        n_missing = self.n_missing if wanted.missing else 0
        if not n_observed + n_missing:
            raise nothing_meets(wanted, template, np.zeros(0), is_range=False)
        missing = rng.random(n) * (n_observed + n_missing) < n_missing
        return self.series.fresh(0, n, rng), missing

    def released(self) -> IdentifierCodec:
        """Itself: it keeps no value."""
        return self

    def extended(self, column: Column) -> IdentifierCodec:
        """With more cells: new identifiers differ from theirs too."""
        observed = column.observed
        n_missing = len(column) - len(observed)
        newly = n_missing > 0 and self.missing_level < 0
        series = self.series
        if len(observed):
            if isinstance(series, NumberSeries):
                series = series.extended(observed)
            else:
                texts = [column.levels[code] for code in np.unique(observed).tolist()]
                unique = isinstance(series, NumberedText) or series.unique
                series = extended_format(series, texts, unique)
        return replace(
            self,
            series=series,
            n_rows=self.n_rows + len(column),
            n_missing=self.n_missing + n_missing,
            missing_level=1 if newly else self.missing_level,
            n_levels=(2,) if newly else self.n_levels,
        )

    def recoded(self, new_code: np.ndarray) -> IdentifierCodec:
        """Itself: it keeps no labels."""
        return self
