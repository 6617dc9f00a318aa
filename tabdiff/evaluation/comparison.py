"""Real and synthetic tables side by side, in one coding that real rows alone decide.

Every measure of this package works on a `Comparison`; `reading.compare` makes one. Scales, bins and levels
come from train and holdout, never from synthetic rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np

from tabdiff.errors import InputError, SchemaError
from tabdiff.schema import Storage

__all__ = [
    "Budget",
    "ColumnLayout",
    "Comparison",
    "Layout",
    "Rows",
    "Target",
    "budget_of",
    "row_keys",
    "within_reach",
]

LARGEST = 1e100


@dataclass(frozen=True)
class ColumnLayout:
    """How one column is compared.

    kind: "numeric" (numbers and times, with an order and distances), "categorical" (levels) or "identifier"
    (nearly every real row has a value of its own, or the column names entities: never modelled).
    place: its column in `Rows.numbers`, `Rows.codes` or `Rows.ids`, by kind. levels: the values behind the
    codes as the user knows them; the first `n_real_levels` occur in real rows. whole: only whole numbers
    occur in real rows.
    """

    name: Hashable
    kind: str
    place: int
    storage: Storage
    levels: tuple[Any, ...] = ()
    n_real_levels: int = 0
    whole: bool = False


@dataclass(frozen=True)
class Layout:
    """The columns of the compared tables in their order."""

    columns: tuple[ColumnLayout, ...]

    def __getitem__(self, name: Hashable) -> ColumnLayout:
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"there is no column {name!r}. Columns: {[c.name for c in self.columns]}.")

    def of_kind(self, kind: str) -> list[ColumnLayout]:
        """The columns of one kind, in the order of their places."""
        return [column for column in self.columns if column.kind == kind]

    @property
    def modelled(self) -> list[ColumnLayout]:
        """Numeric and categorical columns, in the order of the table."""
        return [column for column in self.columns if column.kind != "identifier"]


@dataclass(frozen=True)
class Rows:
    """Rows in the common coding.

    numbers: (n, F) float64, NaN where missing; times in seconds. codes: (n, C) int64 level codes, -1 where
    missing. ids: (n, I) int64 codes of identifiers, -1 where missing.
    """

    numbers: np.ndarray
    codes: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: np.ndarray | slice) -> Rows:
        return Rows(self.numbers[rows], self.codes[rows], self.ids[rows])

    def __add__(self, other: Rows) -> Rows:
        return Rows(
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.codes, other.codes]),
            np.concatenate([self.ids, other.ids]),
        )

    def column(self, layout: ColumnLayout) -> np.ndarray:
        """The cells of one column: (n,) floats with NaN, or (n,) codes with -1."""
        held = {"numeric": self.numbers, "categorical": self.codes, "identifier": self.ids}[layout.kind]
        return held[:, layout.place]

    def missing(self, layout: ColumnLayout) -> np.ndarray:
        """Which cells of one column are missing: (n,) bool."""
        cells = self.column(layout)
        return np.isnan(cells) if layout.kind == "numeric" else cells < 0

    def keys(self) -> np.ndarray:
        """(n,) uint64 numbers, equal for rows that are equal in every cell but identifiers.

        0.0 equals -0.0, missing equals missing.
        """
        numbers = np.where(np.isnan(self.numbers), np.nan, self.numbers) + 0.0
        return row_keys([*numbers.view(np.uint64).T, *self.codes.view(np.uint64).T], len(self))


def row_keys(columns: Sequence[np.ndarray], n_rows: int) -> np.ndarray:
    """(n_rows,) uint64 numbers, equal for rows whose words are equal in every column of (n_rows,) uint64.

    Two different rows share a key with probability 2 ** -64.
    """
    keys = np.zeros(n_rows, dtype=np.uint64)
    for column in columns:
        keys = _mixed(keys ^ _mixed(column))
    return keys


def _mixed(bits: np.ndarray) -> np.ndarray:
    """Scramble 64-bit words one to one. Source: splitmix64, Steele, Lea & Flood 2014."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def within_reach(numbers: np.ndarray) -> np.ndarray:
    """Numbers as they are up to 1e100, in the same order but logarithmic beyond: squares stay finite."""
    far = np.abs(numbers) > LARGEST
    if not far.any():
        return numbers
    size = LARGEST * (1 + np.log(np.where(far, np.abs(numbers), LARGEST) / LARGEST))
    return np.where(far, np.copysign(size, numbers), numbers)


@dataclass(frozen=True)
class Target:
    """The column to predict.

    positive: code of the class that matters, usually the rarest; None if the target is a number.
    """

    column: ColumnLayout
    positive: int | None

    @property
    def is_classes(self) -> bool:
        """Whether the target has classes; otherwise it is a number."""
        return self.column.kind == "categorical"

    @property
    def n_classes(self) -> int:
        """Number of classes in real rows."""
        return self.column.n_real_levels


@dataclass(frozen=True)
class Budget:
    """How much work to spend.

    n_queries: rows asked for their neighbours. n_trees: boosting rounds of each classifier. n_model_seeds:
    repetitions of each model. n_bootstrap: resamples behind an interval. n_attacks: records that inference
    attacks try. n_fit: rows that a classifier is fitted on, at most. reference_rows: rows on which the
    reference tables are measured.
    """

    name: str
    n_queries: int
    n_trees: int
    n_model_seeds: int
    n_bootstrap: int
    n_attacks: int
    n_fit: int
    reference_rows: int

    def __post_init__(self) -> None:
        least = dict.fromkeys(("n_queries", "n_fit", "reference_rows"), 50) | {"n_bootstrap": 2}
        for name in ("n_trees", "n_model_seeds", "n_attacks", *least):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, Integral) or number < least.get(name, 1):
                raise InputError(
                    f"{name} of the budget is {number!r}. Pass a whole number from {least.get(name, 1)} on."
                )


BUDGETS = {
    "fast": Budget("fast", 1_000, 40, 2, 100, 300, 5_000, 1_000),
    "standard": Budget("standard", 4_000, 60, 3, 200, 1_000, 20_000, 3_000),
    "thorough": Budget("thorough", 20_000, 150, 5, 1_000, 4_000, 100_000, 10_000),
}


def budget_of(budget: str | Budget) -> Budget:
    """The budget of this name; a `Budget` is returned as it is."""
    if isinstance(budget, Budget):
        return budget
    if not isinstance(budget, str) or budget not in BUDGETS:
        raise InputError(f"budget is {budget!r}. Known: {sorted(BUDGETS)}.")
    return BUDGETS[budget]


@dataclass(frozen=True)
class Comparison:
    """What a measure works on.

    train: the rows a generator was fitted on. holdout: real rows that it never saw; without any
    (`has_holdout` false) train is halved, and what needs a holdout must refuse. target: None without one.
    positive rows and entities: see `is_positive` and `train_groups`, `holdout_groups` ((n,) codes or None).
    native: the tables as they were given, by role, for what needs the user's own frame (a model's scores).
    alpha: level of the tests in the verdict.
    """

    layout: Layout
    train: Rows
    synthetic: Rows
    holdout: Rows
    has_holdout: bool
    target: Target | None
    budget: Budget
    alpha: float = 0.01
    seed: int = 0
    train_groups: np.ndarray | None = None
    holdout_groups: np.ndarray | None = None
    model: Any = None
    native: dict[str, Any] | None = None
    sensitive: tuple[Hashable, ...] = ()
    known: tuple[Hashable, ...] = ()

    @property
    def real(self) -> Rows:
        """Train and holdout, one after the other."""
        return self.train + self.holdout

    @property
    def features(self) -> list[ColumnLayout]:
        """The modelled columns without the target."""
        target = None if self.target is None else self.target.column.name
        return [column for column in self.layout.modelled if column.name != target]

    def is_positive(self, rows: Rows) -> np.ndarray:
        """(n,) bool: rows of the class that matters; all False without classes."""
        if self.target is None or self.target.positive is None:
            return np.zeros(len(rows), dtype=bool)
        return rows.column(self.target.column) == self.target.positive

    def with_synthetic(self, synthetic: Rows) -> Comparison:
        """The same question asked of other synthetic rows, as for a reference table."""
        return replace(self, synthetic=synthetic, native=None, model=None)

    def rng(self, name: str) -> np.random.Generator:
        """The random stream of one purpose; independent of what else is measured."""
        return np.random.default_rng([self.seed, *name.encode()])
