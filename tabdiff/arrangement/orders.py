"""Columns in order, low <= high: learned with the gaps between them, and put together again from these."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tabdiff.arrangement.measures import Measure, measures_of
from tabdiff.constraints import Inequality
from tabdiff.errors import ConditionError
from tabdiff.schema import Column, Storage
from tabdiff.wanted import Wanted

__all__ = ["Order", "arrange_orders"]

MISSING, DRAWN, FIXED = 0, 1, 2


@dataclass(frozen=True)
class Order:
    """Columns that inequalities join to a tree, each inequality an edge with a hidden column of gaps.

    Along an edge high = low + gap, so that the columns of a tree follow from any one of them. A missing cell
    cuts the tree of its row.

    edges: indices into `measures` of the lower and the higher column of each inequality. kept: index of the
    column that the others are made to fit, where no cell is fixed; the lowest unless one must be kept.
    """

    inequalities: tuple[Inequality, ...]
    measures: tuple[Measure, ...]
    edges: tuple[tuple[int, int], ...]
    kept: int

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The columns, those below others first."""
        return tuple(measure.template.name for measure in self.measures)

    @property
    def gap_names(self) -> tuple[Hashable, ...]:
        """The hidden columns, one for each inequality."""
        return tuple(("gap", rule.low, rule.high) for rule in self.inequalities)

    def gaps(self, columns: Sequence[Column]) -> list[Column]:
        """The hidden columns of a table; columns: those of the tree. No gap where an end is missing."""
        ticks = [measure.ticks(column) for measure, column in zip(self.measures, columns, strict=True)]
        return [
            self._gap_column(name, ticks[high] - ticks[low], columns[low].missing | columns[high].missing)
            for name, (low, high) in zip(self.gap_names, self.edges, strict=True)
        ]

    def _gap_column(self, name: Hashable, ticks: np.ndarray, missing: np.ndarray) -> Column:
        measure = self.measures[0]
        ticks = np.where(missing, 0, ticks)
        if measure.unit is not None:
            return Column(name, Storage.DURATION, ticks, missing, unit=measure.unit)
        if measure.decimals == 0:
            return Column(name, Storage.INT, ticks, missing)
        return Column(name, Storage.FLOAT, ticks / 10.0 ** max(measure.decimals, 0), missing)

    def _gap_ticks(self, gap: Column) -> np.ndarray:
        values = np.where(gap.missing, 0, gap.values)
        decimals = self.measures[0].decimals
        return np.rint(values * 10.0**decimals).astype(np.int64) if decimals > 0 else values

    def check_fixed(self, columns: Sequence[Column], fixed: np.ndarray) -> None:
        """Raise `ConditionError` if fixed cells of a row break an inequality; fixed: (n, columns) bool."""
        by_name = {column.name: column for column in columns}
        for (low, high), rule in zip(self.edges, self.inequalities, strict=True):
            broken = np.flatnonzero(fixed[:, low] & fixed[:, high] & rule.violated(by_name))
            if len(broken):
                row = int(broken[0])
                cells = {name: str(by_name[name].describe(by_name[name].values[row])) for name in rule.names}
                raise ConditionError(
                    f"the cells given in row {row} (from 0) break the constraint '{rule}': {cells}. "
                    "Change one of them, or leave it out."
                )

    def _paths(self) -> Iterator[tuple[int, int, int, tuple[int, ...]]]:
        """Every two columns joined upward: lower, higher, strict inequalities and columns between them."""
        for start in range(len(self.measures)):
            ahead: list[tuple[int, int, tuple[int, ...]]] = [(start, 0, ())]
            while ahead:
                node, n_strict, between = ahead.pop()
                for (low, high), rule in zip(self.edges, self.inequalities, strict=True):
                    if low == node:
                        strict = n_strict + int(rule.strict)
                        yield start, high, strict, between
                        ahead.append((high, strict, (*between, high)))

    def restored(
        self, columns: Sequence[Column], gaps: Sequence[Column], fixed: np.ndarray, rng: np.random.Generator
    ) -> list[Column]:
        """The columns of the tree as their gaps ask for.

        fixed: (n, columns) bool, cells that stay as they are and do not contradict each other; see
        `check_fixed`. Without any in a row, the column `kept` stays. Rows whose gap is missing keep the ends
        that are drawn if these are in order, and else take the gap of another row. Raises `ConditionError` if
        no value fits between fixed cells.
        """
        missing = np.stack([column.missing for column in columns], axis=1)
        state = np.where(missing, MISSING, np.where(fixed, FIXED, DRAWN))
        below = [m.ticks(c, up=False) for m, c in zip(self.measures, columns, strict=True)]
        above = [m.ticks(c, up=True) for m, c in zip(self.measures, columns, strict=True)]
        gap_ticks = [self._filled(e, gap, below, state, rng) for e, gap in enumerate(gaps)]
        values = [column.values.copy() for column in columns]
        patterns, which = np.unique(state, axis=0, return_inverse=True)
        for place, pattern in enumerate(patterns):
            rows = np.flatnonzero(which.reshape(-1) == place)
            down, up = [ticks[rows] for ticks in below], [ticks[rows] for ticks in above]
            for node in self._spread(pattern, down, up, [gap[rows] for gap in gap_ticks], rows):
                values[node][rows] = self.measures[node].values(down[node])
        if not self.measures[0].exact:
            self._mend(values, state)
        return [column.with_cells(v, column.missing) for column, v in zip(columns, values, strict=True)]

    def _filled(
        self, e: int, gap: Column, ticks: Sequence[np.ndarray], state: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """The gaps of one edge in ticks, filled where they are missing though both ends are there."""
        low, high = self.edges[e]
        least = int(self.inequalities[e].strict) if self.measures[0].exact else 0
        found = np.maximum(self._gap_ticks(gap), least)
        lost = gap.missing & (state[:, low] != MISSING) & (state[:, high] != MISSING)
        if lost.any():
            drawn = ticks[high] - ticks[low]
            donors = found[~gap.missing]
            fill = rng.choice(donors, size=len(gap)) if len(donors) else np.full(len(gap), least)
            found = np.where(lost, np.where(drawn >= least, drawn, fill), found)
        return found

    def _spread(
        self,
        pattern: np.ndarray,
        down: list[np.ndarray],
        up: list[np.ndarray],
        gaps: Sequence[np.ndarray],
        rows: np.ndarray,
    ) -> list[int]:
        """Fill in the ticks of some rows, outward from the fixed cells; returns the columns written.

        pattern: (columns,) state of each, the same for all rows. down, up: the ticks of each, those between
        two ticks rounded either way; written in place.
        """
        done = {int(node) for node in np.flatnonzero(pattern == FIXED)}
        several = len(done) > 1
        queue, written = sorted(done), []
        roots = [self.kept, *range(len(pattern))]
        while True:
            while queue:
                node = queue.pop(0)
                for e, other in self._edges_at(node):
                    if other in done or pattern[other] == MISSING:
                        continue
                    rises = self.edges[e][0] == node
                    ticks = up[node] + gaps[e] if rises else down[node] - gaps[e]
                    ticks = self.measures[other].on_grid(ticks, up=rises)
                    if several:
                        ticks = self._between(other, ticks, done, pattern, down, up, rows)
                    down[other] = up[other] = ticks
                    done.add(other)
                    queue.append(other)
                    written.append(other)
            left = [node for node in roots if node not in done and pattern[node] != MISSING]
            if not left:
                return written
            done.add(left[0])
            queue.append(left[0])

    def _edges_at(self, node: int) -> list[tuple[int, int]]:
        """The edges of a column, and the column at the other end of each."""
        return [(e, low + high - node) for e, (low, high) in enumerate(self.edges) if node in (low, high)]

    def _between(
        self,
        node: int,
        ticks: np.ndarray,
        done: set[int],
        pattern: np.ndarray,
        down: Sequence[np.ndarray],
        up: Sequence[np.ndarray],
        rows: np.ndarray,
    ) -> np.ndarray:
        """Ticks of a column moved between those of the columns that are settled already."""
        measure, tick = self.measures[node], int(self.measures[node].exact)
        low: np.ndarray | None = None
        high: np.ndarray | None = None
        for start, end, n_strict, between in self._paths():
            if any(pattern[i] == MISSING for i in between):
                continue
            if end == node and start in done:
                least = measure.on_grid(up[start] + n_strict * tick, up=True)
                low = least if low is None else np.maximum(low, least)
            if start == node and end in done:
                most = measure.on_grid(down[end] - n_strict * tick, up=False)
                high = most if high is None else np.minimum(high, most)
        if low is not None and high is not None and (low > high).any():
            row = rows[np.argmax(low > high)]
            raise ConditionError(
                f"no value of {measure.template.name!r} fits between the cells given in row {row} (from 0): "
                f"the constraints {[str(rule) for rule in self.inequalities]} leave no room. Change one of "
                "the cells, or leave it out."
            )
        inside = ticks if low is None else np.maximum(ticks, low)
        return inside if high is None else np.minimum(inside, high)

    def _mend(self, values: list[np.ndarray], state: np.ndarray) -> None:
        """Put in order again, in place, what the rounding of floats put out of order."""
        upward = sorted(range(len(self.edges)), key=lambda e: self.edges[e][1])
        for e, lift in [*((e, True) for e in upward), *((e, False) for e in reversed(upward))]:
            low, high = self.edges[e]
            still, moved = (low, high) if lift else (high, low)
            strict = self.inequalities[e].strict
            broken = values[low] >= values[high] if strict else values[low] > values[high]
            broken &= (state[:, still] != MISSING) & (state[:, moved] == DRAWN)
            values[moved][broken] = _beside(values[still][broken], values[moved].dtype, lift, strict)

    def check_wanted(self, wanted: Mapping[Hashable, Wanted]) -> None:
        """Raise `ConditionError` if conditions on two columns leave no values in order."""
        for low, high, n_strict, _ in self._paths():
            pair = [wanted.get(self.names[node]) for node in (low, high)]
            if pair[0] is None or pair[1] is None or any(one.missing for one in pair if one):
                continue
            least, most = _ends(pair[0])[0], _ends(pair[1])[1]
            if least is None or most is None:
                continue
            a, b = self.measures[low].bound(least), self.measures[high].bound(most)
            if a > b or (n_strict and a == b):
                rule = Inequality(self.names[low], self.names[high], n_strict > 0)
                raise ConditionError(
                    f"the conditions on {self.names[low]!r} and {self.names[high]!r} cannot be met together: "
                    f"rows obey the constraint '{rule}'. Ask for less."
                )


def _beside(values: np.ndarray, dtype: np.dtype, above: bool, strict: bool) -> np.ndarray:
    """The number of a dtype that is next to each value above or below it, or equal unless strict."""
    if dtype.kind == "i":
        whole = np.ceil(values) if above else np.floor(values)
        return whole.astype(dtype) + (strict * (1 if above else -1)) * (whole == values)
    near = values.astype(dtype)
    wrong = (near < values) if above else (near > values)
    wrong |= strict & (near == values)
    return np.where(wrong, np.nextafter(near, np.array(np.inf if above else -np.inf, dtype=dtype)), near)


def _ends(wanted: Wanted) -> tuple[float | int | None, float | int | None]:
    """The least and the greatest value that meets a condition; None where there is no bound."""
    lows = [] if wanted.low is None else [wanted.low]
    highs = [] if wanted.high is None else [wanted.high]
    if wanted.values is not None and len(wanted.values):
        lows.append(wanted.values.min().item())
        highs.append(wanted.values.max().item())
    return max(lows, default=None), min(highs, default=None)


def arrange_orders(
    inequalities: Sequence[Inequality], columns: Mapping[Hashable, Column], keep: frozenset[Hashable]
) -> tuple[list[Order], list[Inequality]]:
    """Join inequalities to trees, and say which do not fit into one.

    Those left over close a ring, as a <= c does beside a <= b <= c; lie between columns that are never there
    in the same row; or are among numbers too large to be added.
    """
    trees: list[list[Inequality]] = []
    left: list[Inequality] = []
    for rule in dict.fromkeys(inequalities):
        touched = [tree for tree in trees if _names(tree) & set(rule.names)]
        together = ~columns[rule.low].missing & ~columns[rule.high].missing
        if any(set(rule.names) <= _names(tree) for tree in touched) or not together.any():
            left.append(rule)
            continue
        trees = [tree for tree in trees if tree not in touched]
        trees.append([old for tree in touched for old in tree] + [rule])
    orders = []
    for joined in trees:
        names = _lowest_first(joined)
        measures = measures_of([columns[name] for name in names])
        if measures is None:
            left += joined
            continue
        edges = tuple((names.index(rule.low), names.index(rule.high)) for rule in joined)
        kept = next((i for i, name in enumerate(names) if name in keep), 0)
        orders.append(Order(tuple(joined), tuple(measures), edges, kept))
    return orders, left


def _names(tree: Sequence[Inequality]) -> set[Hashable]:
    return {name for rule in tree for name in rule.names}


def _lowest_first(rules: Sequence[Inequality]) -> list[Hashable]:
    """The columns of a tree in an order in which none stands before one that is below it."""
    names = list(dict.fromkeys(name for rule in rules for name in rule.names))
    placed: list[Hashable] = []
    while names:
        free = next(name for name in names if all(r.low in placed for r in rules if r.high == name))
        placed.append(free)
        names.remove(free)
    return placed
