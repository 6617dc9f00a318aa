"""Constraints that a table obeys and that chance does not explain: for the user to accept, never imposed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations

import numpy as np

from tabdiff.arrangement.cells import States, numbered, states
from tabdiff.arrangement.fitting import Parts, find_parts
from tabdiff.cells import take
from tabdiff.constraints import FixedCombinations, Inequality
from tabdiff.schema import Column, Storage

__all__ = ["suggest"]

MIN_TABLE = 100
MIN_BROKEN_SHARE = 0.05
MIN_BROKEN_ROWS = 20
MAX_LEVELS = 300
FEW = 1 / 3
SAMPLE = 2_000
ORDERED = (Storage.INT, Storage.FLOAT, Storage.DATETIME, Storage.DURATION)


def suggest(columns: Sequence[Column]) -> list[Inequality | FixedCombinations]:
    """Inequalities and fixed combinations that hold in a table of at least 100 rows, by more than chance.

    An inequality holds in every row, though at least 5 % of the rows and 20 of them would break it if one
    column were shuffled; those that follow from others are left out. Of two label columns at most a third of
    the combinations occur that independent columns would show. What an arrangement finds by itself is left
    out.
    """
    if not columns or len(columns[0]) < MIN_TABLE:
        return []
    parts = find_parts(columns, (), frozenset())
    follow = {lookup.name for lookup in parts.lookups} | {copy.name for copy in parts.copies}
    follow |= {name for group in parts.groups for name in group.names}
    free = [column for column in columns if column.name not in follow]
    return [*_inequalities(free, parts), *_combinations(free)]


def _inequalities(columns: Sequence[Column], parts: Parts) -> list[Inequality]:
    summed = [set(relation.names) for relation in parts.sums]
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(len(columns[0]))[:SAMPLE]) if columns else np.zeros(0, dtype=np.int64)
    spread = [c for c in columns if c.storage in ORDERED and len(states(take(c, rows))) > 10]
    found: dict[tuple[Hashable, Hashable], Inequality] = {}
    for one, other in combinations(spread, 2):
        if (one.storage, one.unit) != (other.storage, other.unit):
            continue
        if any({one.name, other.name} <= names for names in summed):
            continue
        for low, high in ((one, other), (other, one)):
            if _in_order(take(low, rows), take(high, rows)) and _in_order(low, high):
                if _is_telling(low, high, rng):
                    found[low.name, high.name] = Inequality(low.name, high.name)
                break
    implied = {
        (low, high) for low, middle in found for between, high in found if between == middle and low != high
    }
    return [rule for ends, rule in found.items() if ends not in implied]


def _in_order(low: Column, high: Column) -> bool:
    return bool(((low.values <= high.values) | low.missing | high.missing).all())


def _is_telling(low: Column, high: Column, rng: np.random.Generator) -> bool:
    """Whether enough rows would break low <= high if the two columns were independent."""
    rows = np.flatnonzero(~low.missing & ~high.missing)
    if len(rows) < MIN_TABLE:
        return False
    broken = np.count_nonzero(low.values[rows] > high.values[rng.permutation(rows)])
    return bool(broken >= max(MIN_BROKEN_ROWS, MIN_BROKEN_SHARE * len(rows)))


def _combinations(columns: Sequence[Column]) -> list[FixedCombinations]:
    labels = [c for c in columns if c.storage == Storage.LABEL and 3 <= len(c.levels) <= MAX_LEVELS]
    coded = [(column.name, states(column)) for column in labels]
    return [
        FixedCombinations(one, other)
        for (one, first), (other, second) in combinations(coded, 2)
        if _are_few(first, second)
    ]


def _are_few(one: States, other: States) -> bool:
    """Whether at most a third of the combinations occur that independent columns would show."""
    n = len(one.codes)
    seen = len(numbered(one.codes * len(other) + other.codes, len(one) * len(other)))
    log_absent = n * np.log1p(-np.outer(one.counts / n, other.counts / n).clip(max=1 - 1e-12))
    return bool(seen <= FEW * (1 - np.exp(log_absent)).sum())
