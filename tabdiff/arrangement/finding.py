"""Exact identities between the columns of a table, found on some rows and checked on all."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tabdiff.arrangement.cells import MIN_ROWS, NUMBERS, States, least_rows, same_cells, states
from tabdiff.arrangement.links import CopyLink, LookupLink
from tabdiff.cells import take
from tabdiff.schema import Column, Storage

__all__ = ["few_states", "find_copies", "find_lookups", "find_one_hot"]

MIN_TABLE = 30  # rows; in fewer, columns agree by chance
SAMPLE = 2_000
MAX_KEYS = 2_000
MAX_ONE_HOT = 300
MAX_STEPS = 3_000


def find_copies(
    columns: Sequence[Column], keep: frozenset[Hashable], bound: frozenset[Hashable]
) -> list[CopyLink]:
    """Columns that hold the same cells as one before them, or as one of `keep`.

    keep, bound: names of columns that may not be taken for copies; those of `keep` come first as sources. A
    column needs five rows that hold something rarer than its most frequent cell, lest two agree by chance.
    """
    if not columns or len(columns[0]) < MIN_TABLE:
        return []
    links: list[CopyLink] = []
    sources: dict[tuple, list[Column]] = {}
    for column in sorted(columns, key=lambda column: column.name not in keep | bound):
        alike = sources.setdefault(_signature(column), [])
        if column.name not in keep and column.name not in bound:
            source = next((other for other in alike if _is_copy(other, column)), None)
            if source is not None:
                template = replace(column.without_cells(), levels=())
                links.append(CopyLink(source.name, column.name, template))
                continue
        alike.append(column)
    return links


def _signature(column: Column) -> tuple:
    """What copies have in common, from a few cells."""
    rows = np.linspace(0, len(column) - 1, 64).astype(np.int64)
    missing = column.missing[rows]
    cells = np.where(missing, 0, column.values[rows]) + np.zeros(1, column.values.dtype)  # -0.0 becomes 0.0
    kind = (column.storage, column.values.dtype.str, column.unit)
    return (*kind, len(column.levels), cells.tobytes(), missing.tobytes())


def _is_copy(source: Column, column: Column) -> bool:
    if source.levels != column.levels or not same_cells(source, column).all():
        return False
    counts = states(column).counts
    return int(counts.sum() - counts.max()) >= MIN_ROWS


def few_states(columns: Sequence[Column]) -> dict[int, States]:
    """The states of the columns that may be keys or images of a look-up, by their place."""
    if not columns or len(columns[0]) < MIN_TABLE:
        return {}
    rows = _sample(len(columns[0]))
    return {i: state for i, c in enumerate(columns) if (state := _few_states(c, rows)) is not None}


def _sample(n_rows: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(n_rows)[:SAMPLE])


def find_lookups(
    columns: Sequence[Column], coded: Mapping[int, States], targets: frozenset[Hashable]
) -> list[LookupLink]:
    """Columns that are functions of another one, sources before what follows from them.

    coded: what `few_states` returns. targets: names of columns that may be taken for functions. A source has
    at most 2,000 different cells, each in five rows or more, in ten in large tables; the one with the fewest
    is chosen. Of two columns that are functions of each other labels are the source, or else the first.
    """
    n = len(columns[0]) if columns else 0
    rows = _sample(n)
    rank = sorted(coded, key=lambda i: (-len(coded[i]), columns[i].name in targets, _badness(columns[i]), i))
    links: list[tuple[int, LookupLink]] = []
    for at, i in enumerate(rank):
        if columns[i].name not in targets:
            continue
        for j in reversed(rank[:at]):  # from the fewest keys to the most
            source, state = coded[j], coded[i]
            if source.counts.min() < least_rows(n) or len(source) > MAX_KEYS:
                continue
            if _follows(source, state, rows) and _follows(source, state, None):
                links.append((at, _lookup(columns[j], columns[i], source)))
                break
    return [link for _, link in sorted(links, key=lambda pair: pair[0])]


def _badness(column: Column) -> int:
    """Labels can only be drawn as they were; numbers may be drawn between those that were."""
    return int(column.storage not in (Storage.LABEL, Storage.BOOL))


def _few_states(column: Column, rows: np.ndarray) -> States | None:
    """The states of a column that has at most 2,000 of them, of five rows on average, and at least two."""
    if column.storage == Storage.LABEL and len(column.levels) > MAX_KEYS:
        return None
    few = len(states(take(column, rows)))
    if few > max(MAX_KEYS, len(rows)) // 2 and few * MIN_ROWS > len(rows):
        return None
    state = states(column)
    return state if 2 <= len(state) <= min(MAX_KEYS, len(column) // MIN_ROWS) else None


def _follows(source: States, state: States, rows: np.ndarray | None) -> bool:
    """Whether equal codes of the source have equal codes of the other, in some rows or all."""
    if rows is None:
        return bool((state.codes == state.codes[source.first][source.codes]).all())
    image = state.codes[source.first]
    return bool((state.codes[rows] == image[source.codes[rows]]).all())


def _lookup(source: Column, column: Column, state: States) -> LookupLink:
    keys, images = (take(one, state.first) for one in (source, column))
    return LookupLink(keys, images, state.counts)


def find_one_hot(columns: Sequence[Column]) -> list[list[Column]]:
    """Groups of at least three columns of 0 and 1 of which exactly one is set in each row."""
    n = len(columns[0]) if columns else 0
    flags = [column for column in columns if n >= MIN_TABLE and _is_flag(column)]
    if not 3 <= len(flags) <= MAX_ONE_HOT:
        return []
    is_set = np.stack([flag.values.astype(bool) for flag in flags])
    few = is_set[:, :: 1 + n // SAMPLE].astype(np.float32)
    apart = few @ few.T == 0
    groups: list[list[Column]] = []
    used = np.zeros(len(flags), dtype=bool)
    for i in range(len(flags)):
        if used[i]:
            continue
        steps = iter(range(MAX_STEPS))
        members = _partition([i], is_set[i], is_set, apart & ~used, steps)
        if members is not None and len(members) >= 3:
            groups.append([flags[j] for j in sorted(members)])
            used[members] = True
    return groups


def _is_flag(column: Column) -> bool:
    if column.storage not in (Storage.BOOL, *NUMBERS) or column.missing.any():
        return False
    head = column.values[:SAMPLE]
    if not ((head == 0) | (head == 1)).all():
        return False
    is_set = column.values == 1
    return bool((is_set | (column.values == 0)).all() and is_set.any() and not is_set.all())


def _partition(
    members: list[int], covered: np.ndarray, is_set: np.ndarray, apart: np.ndarray, steps: Iterator[int]
) -> list[int] | None:
    """Add columns until each row has exactly one that is set; None if there is no way, or too long a one."""
    if covered.all():
        return members
    row = int(np.argmin(covered))
    for j in np.flatnonzero(is_set[:, row] & apart[members].all(axis=0)):
        if next(steps, None) is None:
            return None
        if not (is_set[j] & covered).any():
            found = _partition([*members, int(j)], covered | is_set[j], is_set, apart, steps)
            if found is not None:
                return found
    return None
