"""Columns that are the sum of two or three others, to the last digit."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from tabdiff.arrangement.cells import MIN_ROWS, listed
from tabdiff.arrangement.measures import Measure, measures_of
from tabdiff.cells import take
from tabdiff.schema import Column, Storage

__all__ = ["SumRelation", "find_sums"]

MIN_TABLE = 30
MAX_FOR_TRIPLES = 300
MAX_CANDIDATES = 10_000


@dataclass(frozen=True)
class SumRelation:
    """total = sum of the parts, wherever none of them is missing. All are learned; one is overwritten.

    measures: of the total, then of the parts. dependent: the column that is overwritten. as_floats: the total
    is what adding the parts as floats gives, their rounding errors included.
    """

    measures: tuple[Measure, ...]
    dependent: Hashable
    as_floats: bool

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The total, then the parts."""
        return tuple(measure.template.name for measure in self.measures)

    def __str__(self) -> str:
        total, *parts = self.names
        if self.dependent == total:
            return f"sum of {listed(parts)}"
        return f"{total} less {listed([part for part in parts if part != self.dependent])}"

    def observed(self, columns: Mapping[Hashable, Column]) -> np.ndarray:
        """In which rows none of the columns is missing: (n,) bool."""
        return ~np.logical_or.reduce([columns[name].missing for name in self.names])

    def solved(self, columns: Mapping[Hashable, Column], name: Hashable) -> np.ndarray:
        """The values of one column that follow from the others, (n,); no meaning where one is missing."""
        total, *parts = self.names
        at = self.names.index(name)
        if self.as_floats and name == total:
            added = sum(np.where(columns[part].missing, 0, columns[part].values) for part in parts)
            return np.asarray(added).astype(self.measures[0].template.values.dtype)
        ticks = {n: m.ticks(columns[n]) for n, m in zip(self.names, self.measures, strict=True) if n != name}
        others = np.sum([ticks[part] for part in parts if part != name], axis=0)
        return self.measures[at].values(others if name == total else ticks[total] - others)

    def holds(self, columns: Mapping[Hashable, Column]) -> np.ndarray:
        """Which rows obey, those with a missing cell among them: (n,) bool."""
        total = columns[self.names[0]]
        values = self.solved(columns, total.name)
        close = values == total.values
        if total.storage == Storage.FLOAT:
            sizes = [np.abs(np.where(columns[name].missing, 0, columns[name].values)) for name in self.names]
            eps = np.finfo(total.values.dtype).eps
            close |= np.abs(values - total.values) <= 4 * eps * np.maximum.reduce(sizes)
        return close | ~self.observed(columns)


def find_sums(columns: Sequence[Column], free: Sequence[Hashable]) -> tuple[SumRelation, ...]:
    """Find the sums of two and three columns that hold in every row; free: columns that may be overwritten.

    A relation needs thirty rows without missing cells, and half of all rows. Each column is overwritten by
    one relation at most, which comes behind those that overwrite its other columns.
    """
    numbers = [c for c in columns if c.storage in (Storage.INT, Storage.FLOAT) and len(c) >= MIN_TABLE]
    numbers = [column for column in numbers if _varies(column)]
    found: list[SumRelation] = []
    for candidate in _candidates(numbers):
        members = [numbers[i] for i in candidate]
        names = [member.name for member in members]
        options = [names[0], *names[:0:-1]]
        used = {relation.dependent for relation in found}
        options = [name for name in options if name in free and name not in used]
        if not options or not _apart(candidate, members, numbers, found):
            continue
        relation = _verified(members)
        if relation is None:
            continue
        for name in options:
            ordered = _in_order([*found, replace(relation, dependent=name)])
            if ordered is not None:
                found = ordered
                break
    return tuple(found)


def _varies(column: Column) -> bool:
    """Whether at least five rows hold something other than the first value, and other than zero."""
    observed = column.observed
    if len(observed) < MIN_TABLE:
        return False
    return bool(min(np.count_nonzero(observed != observed[0]), np.count_nonzero(observed)) >= MIN_ROWS)


def _apart(
    candidate: tuple[int, ...],
    members: Sequence[Column],
    numbers: Sequence[Column],
    found: Sequence[SumRelation],
) -> bool:
    """Whether a sum of three says more than two known sums of two, such as t = a + d and d = b + c."""
    if len(candidate) < 4:
        return True
    total, parts = members[0].name, {member.name for member in members[1:]}
    for relation in found:
        inner_total, *inner = relation.names
        if len(inner) == 2 and set(inner) < parts and inner_total != total:
            rest = (parts - set(inner)) | {inner_total}
            if any(other.names[0] == total and set(other.names[1:]) == rest for other in found):
                return False
    return True


def _candidates(columns: Sequence[Column]) -> list[tuple[int, ...]]:
    """Indices (total, parts...) of what may be a sum: it holds for one random weighting of all rows.

    A weighted sum over the rows is linear in the columns, so that a sum of columns is a sum of numbers.
    Pairs come first.
    """
    usable = _complete(columns)
    if usable is None:
        return []
    places, rows = usable
    weights = np.random.default_rng(0).uniform(0.5, 1.5, size=len(rows))
    matrix = [columns[i].values[rows].astype(np.float64) for i in places]
    point = np.array([weights @ values for values in matrix])
    size = np.array([weights @ np.abs(values) for values in matrix])
    n = len(places)
    if n < 3:
        return []
    pairs = np.array(list(combinations(range(n), 2)))
    pair_point = point[pairs].sum(axis=1)
    single = any(columns[i].values.dtype == np.float32 for i in places)
    slack = (np.finfo(np.float32).eps if single else 1e-11) * size
    found = []
    for total, pair in _matches(point, pair_point, slack[pairs].max(axis=1)):
        found.append((total, *pairs[pair]))
    if n <= MAX_FOR_TRIPLES:
        left = np.array([(t, a) for t in range(n) for a in range(n) if t != a])
        rest = point[left[:, 0]] - point[left[:, 1]]
        for pair, other in _matches(pair_point, rest, slack[left].max(axis=1)):
            (total, first), (second, third) = left[other], pairs[pair]
            if first < second:
                found.append((total, first, second, third))
    distinct = [tuple(int(i) for i in c) for c in found if len(set(c)) == len(c)]
    return [tuple(places[i] for i in candidate) for candidate in distinct]


def _complete(columns: Sequence[Column]) -> tuple[list[int], np.ndarray] | None:
    """Columns and the rows in which none of them is missing; those with the most gaps are left out first."""
    n_missing = [int(column.missing.sum()) for column in columns]
    places = sorted(range(len(columns)), key=lambda i: n_missing[i])
    while len(places) >= 3:
        lost = np.logical_or.reduce([columns[i].missing for i in places])
        rows = np.flatnonzero(~lost)
        if len(rows) >= max(MIN_TABLE, len(lost) // 10):
            return sorted(places), rows
        places.pop()
    return None


def _matches(points: np.ndarray, asked: np.ndarray, slack: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (i, j) with points[i] within slack[j] of asked[j]; few are expected, and no more are returned."""
    order = np.argsort(points, kind="stable")
    left = np.searchsorted(points[order], asked - slack, side="left")
    right = np.searchsorted(points[order], asked + slack, side="right")
    hits = [
        (int(order[place]), int(j))
        for j in np.flatnonzero(right > left)[:MAX_CANDIDATES]
        for place in range(left[j], min(right[j], left[j] + 20))
    ]
    return hits[:MAX_CANDIDATES]


def _verified(members: Sequence[Column]) -> SumRelation | None:
    """The relation, if it holds in every row in which no member is missing, and these are enough."""
    head = [take(member, np.arange(min(1000, len(member)))) for member in members]
    observed = ~np.logical_or.reduce([member.missing for member in members])
    if np.count_nonzero(observed) < max(MIN_TABLE, len(observed) // 2):
        return None
    for part in (head, list(members)):
        measures = measures_of(part, tolerant=True)
        if measures is None:
            return None
        by_name = {column.name: column for column in part}
        fits = [relation for relation in _readings(measures) if relation.holds(by_name).all()]
        if not fits:
            return None
    exact = [relation for relation in fits if _is_exact(relation, by_name)]
    chosen = (exact or fits)[0]
    return chosen if chosen.measures[0].exact or _visible(members) else None


def _readings(measures: Sequence[Measure]) -> list[SumRelation]:
    """How parts may have been added: in ticks, or as floats in one order or another."""
    total, *parts = measures
    orders = (
        [tuple(parts)] if len(parts) == 2 else [(a, b, c) for c in parts for a, b in [_without(parts, c)]]
    )
    name = total.template.name
    counted = SumRelation((total, *parts), name, as_floats=False)
    if total.template.storage != Storage.FLOAT:
        return [counted]
    return [counted, *(SumRelation((total, *order), name, as_floats=True) for order in reversed(orders))]


def _without(parts: Sequence[Measure], left_out: Measure) -> list[Measure]:
    return [part for part in parts if part is not left_out]


def _is_exact(relation: SumRelation, columns: Mapping[Hashable, Column]) -> bool:
    total = columns[relation.names[0]]
    same = relation.solved(columns, total.name) == total.values
    return bool((same | ~relation.observed(columns)).all())


def _visible(members: Sequence[Column]) -> bool:
    """Whether no part is so small beside the total that rounding hides it."""
    largest = max(np.abs(member.observed).max() for member in members)
    sizes = [np.median(np.abs(member.observed[member.observed != 0])) for member in members]
    return (
        bool(min(sizes) > 1e6 * np.finfo(members[0].values.dtype).eps * largest)
        if (members[0].storage == Storage.FLOAT)
        else True
    )


def _in_order(relations: Sequence[SumRelation]) -> list[SumRelation] | None:
    """The relations so that each comes behind those that overwrite its other columns; None for a ring."""
    left, ordered = list(relations), []
    while left:
        waiting = {relation.dependent for relation in left}
        ready = next((r for r in left if not (set(r.names) - {r.dependent}) & waiting), None)
        if ready is None:
            return None
        ordered.append(ready)
        left.remove(ready)
    return ordered


def settle_sums(
    relations: Sequence[SumRelation],
    columns: Mapping[Hashable, Column],
    fixed: Mapping[Hashable, np.ndarray],
    free: frozenset[Hashable],
) -> dict[Hashable, Column]:
    """Overwrite the dependent column of each relation; where that is fixed, the largest of the free others.

    fixed: name to (n,) bool, cells that stay as they are; names without any may lack. Where no column may be
    overwritten the relation does not hold.
    """
    made, masks = dict(columns), dict(fixed)
    _overwrite_dependents(relations, made, masks)
    if any(relation.dependent in masks for relation in relations):
        for relation in reversed(relations):
            _give_way(relation, made, masks, free)
        _overwrite_dependents(relations, made, masks)
    return made


def _overwrite_dependents(
    relations: Sequence[SumRelation], made: dict[Hashable, Column], masks: Mapping[Hashable, np.ndarray]
) -> None:
    for relation in relations:
        rows = relation.observed(made)
        if relation.dependent in masks:
            rows &= ~masks[relation.dependent]
        _write(relation, made, relation.dependent, rows)


def _give_way(
    relation: SumRelation,
    made: dict[Hashable, Column],
    masks: dict[Hashable, np.ndarray],
    free: frozenset[Hashable],
) -> None:
    """Overwrite another column of a relation where its dependent one is fixed, and fix it there."""
    options = [name for name in relation.names if name != relation.dependent and name in free]
    if relation.dependent not in masks or not options:
        return
    nothing = np.zeros(len(made[relation.dependent]), dtype=bool)
    rows = masks[relation.dependent] & relation.observed(made) & ~relation.holds(made)
    size = [np.where(masks.get(n, nothing), -1.0, np.abs(made[n].values.astype(np.float64))) for n in options]
    largest = np.argmax(size, axis=0)
    for i, name in enumerate(options):
        mine = rows & (largest == i) & (size[i] >= 0)
        if mine.any():
            _write(relation, made, name, mine)
            masks[name] = masks.get(name, nothing) | mine


def _write(relation: SumRelation, made: dict[Hashable, Column], name: Hashable, rows: np.ndarray) -> None:
    column = made[name]
    values = np.where(rows, relation.solved(made, name), column.values).astype(column.values.dtype)
    made[name] = column.with_cells(values, column.missing)
