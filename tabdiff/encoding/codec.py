"""What every codec of a column offers, and what several of them need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from tabdiff.errors import ConditionError, SchemaError
from tabdiff.schema import Column
from tabdiff.wanted import Wanted

__all__ = [
    "Codec",
    "Features",
    "by_state",
    "check_known",
    "look_up",
    "no_features",
    "nothing_meets",
    "state_of",
]


@dataclass(frozen=True)
class Features:
    """What a codec makes of n cells.

    num: (n, 0 or 1) float64. observed: the same shape, False where `num` means nothing.
    cat: (n, 0 or 1) int64.
    """

    num: np.ndarray
    observed: np.ndarray
    cat: np.ndarray


class Codec(Protocol):
    """A reversible code of one column: at most one numeric and at most one categorical feature."""

    @property
    def n_num(self) -> int:
        """Number of numeric features: 0 or 1."""
        ...

    @property
    def n_levels(self) -> tuple[int, ...]:
        """Number of levels of the categorical feature, if there is one."""
        ...

    @property
    def missing_level(self) -> int:
        """Level of the categorical feature that means "missing"; -1 if there is none."""
        ...

    def knows(self, column: Column) -> np.ndarray:
        """Which cells can be encoded: (n,) bool."""
        ...

    def encode(self, column: Column, rng: np.random.Generator | None) -> Features:
        """Turn cells into features; draws decide where in its ranks a value lies, the middle if None."""
        ...

    def decode(
        self, features: Features, rng: np.random.Generator, first_row: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turn features into (values, missing) as `Column` holds them.

        Labels that are made afresh come as an array of strings. first_row: number of the first row in the
        whole draw, which may be made in parts: identifiers count on from it.
        """
        ...

    def draw_cells(
        self, wanted: Wanted, n: int, rng: np.random.Generator, template: Column | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw n cells of the column's own law among those that meet `wanted`, as `decode` returns them.

        template: of the column, which tells errors its name and labels. Raises `ConditionError` if no cell
        can meet it.
        """
        ...

    def released(self) -> Codec:
        """The codec without anything that only few rows held; its features mean the same."""
        ...

    def extended(self, column: Column) -> Codec:
        """The codec of the fitted rows and these together; levels keep their numbers, new come behind."""
        ...

    def recoded(self, new_code: np.ndarray) -> Self:
        """The codec of the same labels, label i being counted as new_code[i] in `Column.levels`."""
        ...


def no_features(n_rows: int, dtype: type) -> np.ndarray:
    """Features of a codec that has none of a sort: (n, 0)."""
    return np.zeros((n_rows, 0), dtype=dtype)


def by_state(column: Column, missing_level: int) -> Features:
    """Features of a codec that only tells missing cells (its level 1) from others, or nothing at all."""
    n = len(column)
    state = column.missing.astype(np.int64)[:, None]
    cat = no_features(n, np.int64) if missing_level < 0 else state
    return Features(no_features(n, float), no_features(n, bool), cat)


def state_of(features: Features) -> np.ndarray:
    """The level of each cell, 0 if there are no levels: (n,) int64."""
    cat = features.cat
    return cat[:, 0] if cat.shape[1] else np.zeros(len(cat), dtype=np.int64)


def look_up(values: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of each value among the known ones, which are sorted, and whether it is there at all."""
    if not len(known):
        return np.zeros(len(values), dtype=np.int64), np.zeros(len(values), dtype=bool)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return place, known[place] == values


def check_known(column: Column, unseen: np.ndarray, known: np.ndarray, may_miss: bool) -> None:
    """Raise `SchemaError` if there are unseen values, or missing ones that may not be."""
    if len(unseen):
        raise SchemaError(
            f"column {column.name!r} has values unseen in fit: {_examples(column, unseen, 5)}. Known: "
            f"{_examples(column, known, 10)}. Fit again, or map them first."
        )
    if column.missing.any() and not may_miss:
        raise SchemaError(
            f"column {column.name!r} has {column.missing.sum()} missing values but had none in fit. Fill "
            "them, or fit again."
        )


def nothing_meets(
    wanted: Wanted, template: Column | None, holds: np.ndarray, is_range: bool
) -> ConditionError:
    """The error that no cell meets a condition.

    holds: values of the column to show: its two ends if `is_range`, else its levels. template: of the column.
    """
    name = "the column" if template is None else f"column {template.name!r}"
    if not len(holds):
        has = "only cells that are made afresh or missing"
    elif is_range:
        has = f"values from {_shown(template, holds[0])} to {_shown(template, holds[1])}"
    else:
        has = _examples(template, holds, 10)
    return ConditionError(
        f"no cell of {name} can be {_in_words(wanted, template)}. It holds {has}. Ask for what it holds."
    )


def _in_words(wanted: Wanted, template: Column | None) -> str:
    if not wanted.observed:
        return "missing"
    words = "" if wanted.values is None else f"one of {_examples(template, wanted.values, 5)}"
    if wanted.low is not None:
        words += f" at least {_shown(template, wanted.low)}"
    if wanted.high is not None:
        words += f" at most {_shown(template, wanted.high)}"
    return words.strip() or "observed"


def _examples(column: Column | None, values: np.ndarray, limit: int) -> str:
    shown = ", ".join(_shown(column, value) for value in values[:limit])
    return f"[{shown}{', ...' if len(values) > limit else ''}]"


def _shown(column: Column | None, value: Any) -> str:
    if column is None:
        return str(value)
    if column.levels and int(value) >= len(column.levels):
        return f"label {int(value)}"
    return repr(column.describe(value))
