"""Columns of which only some combinations occur, learned as one hidden column of the combinations."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tabdiff.arrangement.cells import (
    MIN_ROWS,
    States,
    least_rows,
    listed,
    numbered,
    places,
    plain_cell,
    recoded,
    same_cells,
    states,
)
from tabdiff.cells import put, take
from tabdiff.errors import ConditionError, ConstraintError
from tabdiff.schema import Column, Storage
from tabdiff.wanted import Wanted

__all__ = ["Group", "combinations"]

FREE = -2  # a cell of which nothing is known


@dataclass(frozen=True)
class Group:
    """Members, and the combinations of their cells that at least five rows hold, or ten in large tables.

    name: of the hidden column, whose levels are the combinations as tuples, those of the table first.
    table: for each member its cell in each of the C combinations. counts: (C,) int64, rows that hold each.
    kept: members that are learned as themselves besides. stated: whether the user asked for it, or else it is
    a group of 0/1 columns of which exactly one is set in each row.
    """

    name: tuple[Hashable, ...]
    table: tuple[Column, ...]
    counts: np.ndarray
    kept: tuple[Hashable, ...]
    stated: bool

    @classmethod
    def fit(cls, columns: Sequence[Column], keep: frozenset[Hashable], stated: bool) -> Group:
        """Count the combinations. Raises `ConstraintError` if the user asked for it and all are rare."""
        names = tuple(column.name for column in columns)
        found = combinations(columns)
        often = np.flatnonzero(found.counts >= least_rows(len(columns[0])))
        if not len(often) and stated:
            raise ConstraintError(
                f"the columns {list(names)} make {len(found)} combinations in {len(columns[0])} rows, none "
                f"of them in {MIN_ROWS} rows or more. Leave the constraint out: there is nothing to combine."
            )
        table = tuple(_with_its_levels(take(column, found.first[often])) for column in columns)
        kept = tuple(name for name in names if name in keep)
        what = "combination" if stated else "one of"
        return cls((what, *names), table, found.counts[often], kept, stated)

    def __str__(self) -> str:
        names = listed(self.names)
        return f"one of the combinations of {names}" if self.stated else f"exactly one of {names} is set"

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The members."""
        return tuple(column.name for column in self.table)

    def hidden(self, columns: Sequence[Column]) -> Column:
        """The hidden column of a table; columns: its members, in order."""
        found = combinations(columns)
        cells = [take(column, found.first) for column in columns]
        occurring = [tuple(plain_cell(c, row) for c in cells) for row in range(len(found))]
        known = [tuple(plain_cell(c, row) for c in self.table) for row in range(len(self.counts))]
        code_of = {level: code for code, level in enumerate(dict.fromkeys([*known, *occurring]))}
        codes = np.array([code_of[level] for level in occurring], dtype=np.int64)
        missing = np.zeros(len(columns[0]), dtype=bool)
        return Column(self.name, Storage.LABEL, codes[found.codes], missing, tuple(code_of))

    def members(self, hidden: Column) -> list[Column]:
        """The members of a hidden column, whatever order its levels have."""
        rows = np.where(hidden.missing, 0, hidden.values)  # a combination is never missing, its cells may be
        return [
            take(_cells_of([level[i] for level in hidden.levels], template), rows)
            for i, template in enumerate(self.table)
        ]

    def wanted(self, wanted: Mapping[Hashable, Wanted], now: Mapping[Hashable, Column]) -> Wanted:
        """What is asked of the hidden column. Raises `ConditionError` if no combination meets it.

        now: columns with the levels that codes count in, where they are not those of the table.
        """
        good = np.ones(len(self.counts), dtype=bool)
        for member in self.table:
            if member.name in wanted:
                one = wanted[member.name]
                if member.name in now and member.storage == Storage.LABEL:
                    one = recoded(one, now[member.name].levels, member.levels)
                good &= one.meets(member.values, member.missing)
        known = [tuple(plain_cell(column, row) for column in self.table) for row in range(len(good))]
        chosen = Wanted(np.flatnonzero(good))
        chosen = recoded(chosen, known, now[self.name].levels) if self.name in now else chosen
        if chosen.values is None or not len(chosen.values):
            asked = [name for name in self.names if name in wanted]
            raise ConditionError(
                f"the conditions on {asked} cannot be met together: no combination of {listed(self.names)} "
                "that is frequent enough to be kept agrees with them. Ask for less, or check the values."
            )
        return chosen

    def agreeing(
        self, columns: Sequence[Column], known: np.ndarray, rng: np.random.Generator, asked: np.ndarray
    ) -> tuple[Column, np.ndarray]:
        """Draw a combination for each row among those that agree with its known cells, by their counts.

        columns: the members. known: (n, members) bool. asked: (n,) bool, rows of which a contradiction is an
        error. Returns a hidden column, and in which rows its cells mean something: (n,) bool, those with a
        known cell and a combination. A row that is known entirely has its own combination, whatever it is.
        Raises `ConditionError` for rows asked that are known in part and agree with no combination, if the
        user stated the constraint.
        """
        whole = np.logical_and.reduce(known, axis=1)
        own = self.hidden([take(column, np.flatnonzero(whole)) for column in columns])
        values, found = np.zeros(len(whole), dtype=np.int64), whole.copy()
        values[whole] = own.values
        hidden = own.with_cells(values, np.zeros(len(whole), dtype=bool))
        rows = np.flatnonzero(known.any(axis=1) & ~whole)
        if not len(rows):
            return hidden, found
        cells, table = self._codes([take(column, rows) for column in columns], known[rows])
        distinct, which = np.unique(cells, axis=0, return_inverse=True)
        for place, cell in enumerate(distinct):
            fitting = np.flatnonzero(((cell == FREE) | (cell == table)).all(axis=1))
            mine = rows[which.reshape(-1) == place]
            if len(fitting):
                share = self.counts[fitting] / self.counts[fitting].sum()
                values[mine] = rng.choice(fitting, size=len(mine), p=share)
                found[mine] = True
            elif self.stated and asked[mine].any():
                raise self._no_combination(columns, known, int(mine[asked[mine]][0]))
        return hidden, found

    def _codes(self, columns: Sequence[Column], known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers for the cells of rows and of the table, equal where the cells are: (n, K) and (C, K)."""
        cells, table = [], []
        for i, (column, member) in enumerate(zip(columns, self.table, strict=True)):
            state = states(member)
            place = places(column, take(member, state.first))
            cells.append(np.where(known[:, i], place, FREE))
            table.append(state.codes)
        return np.stack(cells, axis=1), np.stack(table, axis=1)

    def _no_combination(self, columns: Sequence[Column], known: np.ndarray, row: int) -> ConditionError:
        given = {column.name: plain_cell(column, row) for i, column in enumerate(columns) if known[row, i]}
        return ConditionError(
            f"the cells given in row {row} (from 0) agree with no combination of {listed(self.names)} that "
            f"is frequent enough to be kept: {given}. Change them, or leave one out."
        )

    def restored(
        self,
        hidden: Column,
        fixed: Mapping[Hashable, tuple[Column, np.ndarray]],
        asked: np.ndarray,
        rng: np.random.Generator,
    ) -> list[Column]:
        """The members of a hidden column, combinations that contradict fixed cells drawn again.

        fixed: name to a column and where its cells are fixed, (n,) bool; these come back as they are.
        asked: as in `agreeing`, which also says what is raised.
        """
        filled = self.members(hidden)
        wrong, known = np.zeros(len(hidden), dtype=bool), np.zeros((len(hidden), len(filled)), dtype=bool)
        for i, member in enumerate(filled):
            if member.name in fixed:
                column, known[:, i] = fixed[member.name]
                wrong |= known[:, i] & ~same_cells(member, column)
                filled[i] = put(member, column, known[:, i])
        if not wrong.any():
            return filled
        drawn, found = self.agreeing(filled, known & wrong[:, None], rng, asked)
        again = self.members(drawn)
        return [
            put(old, new, wrong & found & ~known[:, i])
            for i, (old, new) in enumerate(zip(filled, again, strict=True))
        ]

    def holds(self, columns: Sequence[Column]) -> np.ndarray:
        """Which rows hold a combination of the table: (n,) bool."""
        cells, table = self._codes(columns, np.ones((len(columns[0]), len(columns)), dtype=bool))
        known = {tuple(row) for row in table.tolist()}
        distinct, which = np.unique(cells, axis=0, return_inverse=True)
        good = np.array([tuple(row) in known for row in distinct.tolist()], dtype=bool)
        return good[which.reshape(-1)] if len(cells) else np.zeros(0, dtype=bool)


def combinations(columns: Sequence[Column]) -> States:
    """The different combinations of cells, as `States`."""
    total = states(columns[0])
    for column in columns[1:]:
        other = states(column)
        pair = total.codes * len(other) + other.codes
        distinct, codes = np.unique(pair, return_inverse=True)
        total = numbered(codes.reshape(-1), max(len(distinct), 1))
    return total


def _with_its_levels(column: Column) -> Column:
    """A label column with only the levels that its cells have, in their order; others as they are."""
    if column.storage != Storage.LABEL:
        return column.with_cells(column.values.copy(), column.missing.copy())
    used = np.unique(column.observed)
    codes = np.where(column.missing, 0, np.searchsorted(used, column.values))
    return replace(column, values=codes, levels=tuple(column.levels[code] for code in used))


def _cells_of(cells: Sequence, template: Column) -> Column:
    """A column of plain cells; labels unknown to the template are counted on behind its levels."""
    missing = np.array([cell is None for cell in cells], dtype=bool)
    if template.storage == Storage.LABEL:
        levels = tuple(dict.fromkeys([*template.levels, *(cell for cell in cells if cell is not None)]))
        code_of = {level: code for code, level in enumerate(levels)}
        codes = np.array([0 if cell is None else code_of[cell] for cell in cells], dtype=np.int64)
        return replace(template, values=codes, missing=missing, levels=levels)
    values = np.array([0 if cell is None else cell for cell in cells], dtype=template.values.dtype)
    return template.with_cells(values, missing)
