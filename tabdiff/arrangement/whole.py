"""The arrangement of a table, and the way from its columns to those that are learned and back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tabdiff.arrangement.cells import both_wanted, recoded
from tabdiff.arrangement.fitting import Parts, find_parts
from tabdiff.arrangement.groups import Group
from tabdiff.arrangement.links import CopyLink, Link, LookupLink
from tabdiff.arrangement.orders import Order
from tabdiff.arrangement.sums import SumRelation, settle_sums
from tabdiff.arrangement.telling import Fixed, fixed_cells, told_back, with_fixed
from tabdiff.errors import ConditionError, SchemaError
from tabdiff.schema import Column, Storage
from tabdiff.wanted import Wanted

__all__ = ["Arrangement"]

Given = tuple[Sequence[Column], np.ndarray]


@dataclass(frozen=True)
class Arrangement:
    """Which columns of a table are learned, and how the others follow from them.

    Identities are found: copies, columns that follow from another by look-up, sums, and groups of 0/1 columns
    of which one is set. Given cells win over them where the two contradict each other. Constraints are
    stated: given cells that contradict one are a `ConditionError`. No value that fewer than five rows held is
    kept.

    names: the columns in their order. learned_names: those that are learned, hidden ones last; hidden names
    are tuples: ("gap", low, high), ("combination", ...), ("one of", ...). lookups, copies: sources first.
    checked: constraints that rows drawn can break. stated: all constraints but predicates.
    """

    names: tuple[Hashable, ...]
    learned_names: tuple[Hashable, ...]
    keep: tuple[Hashable, ...] = ()
    groups: tuple[Group, ...] = ()
    orders: tuple[Order, ...] = ()
    lookups: tuple[LookupLink, ...] = ()
    sums: tuple[SumRelation, ...] = ()
    copies: tuple[CopyLink, ...] = ()
    checked: tuple[Any, ...] = ()
    stated: tuple[Any, ...] = ()

    @classmethod
    def fit(
        cls,
        columns: Sequence[Column],
        constraints: Sequence[Any] = (),
        keep: frozenset[Hashable] = frozenset(),
    ) -> Arrangement:
        """Check the constraints and find the identities of a table.

        constraints: of `tabdiff.constraints`; a `Predicate` needs a frame and is left to the caller, see
        `Predicate.check_frame`. keep: names of columns that are learned as they are, whatever is found.

        Raises `ConstraintError` for a constraint that does not hold, or names columns it cannot speak of.
        """
        parts: Parts = find_parts(columns, constraints, keep)
        names = tuple(column.name for column in columns)
        followers = {lookup.name for lookup in parts.lookups} | {copy.name for copy in parts.copies}
        followers |= {name for group in parts.groups for name in group.names if name not in group.kept}
        hidden: list[Hashable] = [group.name for group in parts.groups]
        hidden += [name for order in parts.orders for name in order.gap_names]
        return cls(
            names,
            (*(name for name in names if name not in followers), *hidden),
            tuple(name for name in names if name in keep),
            *(parts.groups, parts.orders, parts.lookups, parts.sums, parts.copies),
            *(parts.checked, parts.stated),
        )

    @property
    def is_plain(self) -> bool:
        """Whether every column is learned as it is, and nothing else."""
        return not (self.groups or self.orders or self.lookups or self.sums or self.copies)

    @property
    def links(self) -> tuple[Link, ...]:
        """Look-ups and copies."""
        return (*self.lookups, *self.copies)

    @property
    def relations(self) -> dict[Hashable, str]:
        """For columns that follow from others, how, in words: "copy of amount"."""
        said: dict[Hashable, str] = {}
        for order in self.orders:
            for rule in order.inequalities:
                said[rule.high] = f"{said[rule.high]}, {rule}" if rule.high in said else str(rule)
        for group in self.groups:
            said |= {name: str(group) for name in group.names}
        said |= {relation.dependent: str(relation) for relation in self.sums}
        return said | {link.name: str(link) for link in self.links}

    def _by_name(self, columns: Sequence[Column]) -> dict[Hashable, Column]:
        given = tuple(column.name for column in columns)
        if given != self.names:
            raise SchemaError(
                f"the columns differ from those of fit. Expected {list(self.names)}, got {list(given)}."
            )
        return dict(zip(given, columns, strict=True))

    def learned(self, columns: Sequence[Column]) -> list[Column]:
        """The columns that are learned, from all columns of a table. Raises `SchemaError` for others."""
        if self.is_plain:
            return list(columns)
        made = self._by_name(columns)
        for group in self.groups:
            made[group.name] = group.hidden([made[name] for name in group.names])
        for order in self.orders:
            gaps = order.gaps([made[name] for name in order.names])
            made |= dict(zip(order.gap_names, gaps, strict=True))
        return [made[name] for name in self.learned_names]

    def learned_known(
        self, columns: Sequence[Column], known: np.ndarray, rng: np.random.Generator
    ) -> tuple[list[Column], np.ndarray]:
        """What known cells say about the learned columns: these, and which of their cells are known.

        known: (n, columns) bool; other cells may hold anything. A known cell that leaves several choices,
        such as a city for the look-up's postcode or part of a combination, has one drawn by how often each
        occurs. Raises `ConditionError` for cells that contradict a constraint.
        """
        if self.is_plain:
            return list(columns), known
        made = self._by_name(columns)
        asked = np.logical_or.reduce(known, axis=1)
        fixed = told_back(fixed_cells(columns, known), self.lookups, self.sums, self.copies, None, rng)
        made |= {name: column for name, (column, _) in fixed.items()}
        nothing = np.zeros(len(known), dtype=bool)
        masks = {name: fixed[name][1] if name in fixed else nothing for name in self.names}
        for group in self.groups:
            members, cells = _parts_of(group.names, made, masks)
            made[group.name], masks[group.name] = group.agreeing(members, cells, rng, asked)
        for order in self.orders:
            ends, cells = _parts_of(order.names, made, masks)
            order.check_fixed(ends, cells)
            for name, gap, (low, high) in zip(order.gap_names, order.gaps(ends), order.edges, strict=True):
                made[name], masks[name] = gap, cells[:, low] & cells[:, high]
        return [made[name] for name in self.learned_names], _stacked(self.learned_names, masks)

    def restored(
        self, learned: Sequence[Column], rng: np.random.Generator, given: Given | None = None
    ) -> list[Column]:
        """All columns, from those that are learned.

        given: all columns, and which of their cells are given, (n, columns) bool: these come back exactly as
        they are. Raises `ConditionError` where they contradict a constraint.
        """
        if self.is_plain:
            return list(learned)
        drawn = dict(zip(self.learned_names, learned, strict=True))
        n = len(learned[0])
        fixed: Fixed = {}
        asked = np.zeros(n, dtype=bool)
        if given is not None:
            fixed, asked = fixed_cells(*given), np.logical_or.reduce(given[1], axis=1)
            draft = self._draft(drawn, rng)
            fixed = told_back(fixed, self.lookups, self.sums, self.copies, draft, rng)
        made = {name: with_fixed(drawn[name], fixed) for name in self.names if name in drawn}
        for group in self.groups:
            held = fixed | {name: (made[name], np.ones(n, dtype=bool)) for name in group.kept}
            members = group.restored(drawn[group.name], held, asked, rng)
            made |= {member.name: member for member in members if member.name not in group.kept}
        masks = {name: mask for name, (_, mask) in fixed.items()}
        for order in self.orders:
            ends, cells = _parts_of(order.names, made, masks)
            order.check_fixed(ends, cells)
            gaps = [drawn[name] for name in order.gap_names]
            made |= {column.name: column for column in order.restored(ends, gaps, cells, rng)}
        for lookup in self.lookups:
            made[lookup.name] = with_fixed(lookup.forward(made[lookup.source], rng), fixed)
        made = settle_sums(self.sums, made, masks, self._free_in_sums())
        for copy in self.copies:
            made[copy.name] = with_fixed(copy.forward(made[copy.source], rng), fixed)
        return [made[name] for name in self.names]

    def _draft(self, drawn: Mapping[Hashable, Column], rng: np.random.Generator) -> dict[Hashable, Column]:
        """All columns that learned ones would give, before anything is put in order."""
        draft = dict(drawn)
        for group in self.groups:
            members = group.members(drawn[group.name])
            draft |= {m.name: m for m in members if m.name not in group.kept}
        for lookup in self.lookups:
            draft[lookup.name] = lookup.forward(draft[lookup.source], rng)
        return draft

    def _free_in_sums(self) -> frozenset[Hashable]:
        """Columns on which nothing but sums depends."""
        tied = {name for link in self.lookups for name in (link.source, link.name)} | set(self.keep)
        tied |= {name for order in self.orders for name in order.names}
        tied |= {name for group in self.groups for name in group.names}
        return frozenset(self.names) - tied

    def restored_known(
        self, learned: Sequence[Column], known: np.ndarray, rng: np.random.Generator
    ) -> tuple[list[Column], np.ndarray]:
        """What known cells of learned columns say about all columns: these, and which cells are known.

        known: (n, learned columns) bool. The way back of `learned_known`, for conditions that were met on the
        learned columns: pass the answer as `given` to `restored`, so that it keeps to them.
        """
        if self.is_plain:
            return list(learned), known
        drawn = dict(zip(self.learned_names, learned, strict=True))
        masks = {name: known[:, i] for i, name in enumerate(self.learned_names)}
        made = self._draft(drawn, rng)
        for group in self.groups:
            masks |= {name: masks[group.name] for name in group.names if name not in group.kept}
        for link in self.links:
            made[link.name], masks[link.name] = link.forward(made[link.source], rng), masks[link.source]
        return [made[name] for name in self.names], _stacked(self.names, masks)

    def learned_wanted(
        self, wanted: Mapping[Hashable, Wanted], templates: Sequence[Column] | None = None
    ) -> dict[Hashable, Wanted]:
        """Conditions on the learned columns that say the same as conditions on any columns.

        templates: the learned columns as they are decoded; their cells do not matter. Codes of labels count
        in their levels, and in those that `restored` makes of them. Without templates it is the levels of the
        fitted columns, which no longer serve once labels have been left out or added. Raises `ConditionError`
        for conditions that no row can meet.
        """
        asked = dict(wanted)
        now: dict[Hashable, Column] = {}
        if templates is not None and not self.is_plain:
            empty = [template.without_cells() for template in templates]
            now = {c.name: c for c in (*empty, *self.restored(empty, np.random.default_rng(0)))}
        for link in reversed(self.links):
            if link.name in asked:
                both = both_wanted(asked.get(link.source), _backward(link, asked.pop(link.name), now))
                if both is None:
                    raise ConditionError(
                        f"the conditions on {link.name!r} and {link.source!r} cannot be met together: in "
                        f"every row, {link.in_words}. Ask for less."
                    )
                asked[link.source] = both
        for group in self.groups:
            if any(name in asked for name in group.names):
                asked[group.name] = group.wanted(asked, now)
                asked = {k: v for k, v in asked.items() if k not in group.names or k in group.kept}
        for order in self.orders:
            order.check_wanted(asked)
        return {name: asked[name] for name in self.learned_names if name in asked}

    def violated(self, columns: Sequence[Column]) -> dict[str, np.ndarray]:
        """For each constraint that rows drawn may break, in words, which rows do: (n,) bool."""
        by_name = dict(zip((column.name for column in columns), columns, strict=True))
        broken = {str(constraint): constraint.violated(by_name) for constraint in self.checked}
        for group in self.groups:
            if group.kept and group.stated:
                broken[str(group)] = ~group.holds([by_name[name] for name in group.names])
        return broken

    def broken(self, columns: Sequence[Column]) -> dict[str, np.ndarray]:
        """For each identity and constraint that some rows of a table break, in words, which: (n,) bool.

        For a table that is learned on top of the fitted one: what it breaks is not restored as it was.
        """
        by_name = self._by_name(columns)
        found = {str(constraint): constraint.violated(by_name) for constraint in self.stated}
        for link in self.links:
            found[link.in_words] = link.contradicted(by_name[link.source], by_name[link.name])
        for relation in self.sums:
            found[f"{relation.dependent} is {relation}"] = ~relation.holds(by_name)
        for group in self.groups:
            if not group.stated:
                found[str(group)] = sum(by_name[name].values == 1 for name in group.names) != 1
        return {words: rows for words, rows in found.items() if rows.any()}

    def extended(self, columns: Sequence[Column]) -> Arrangement:
        """The arrangement with the rows of another table, in which nothing is `broken`."""
        by_name = self._by_name(columns)
        lookups = [link.extended(by_name[link.source], by_name[link.name]) for link in self.lookups]
        return replace(self, lookups=tuple(lookups))


def _backward(link: Link, wanted: Wanted, now: Mapping[Hashable, Column]) -> Wanted:
    """What a condition on a column asks of the one that decides it, in the codes of that."""
    asked = link.wanted(wanted)
    if isinstance(link, CopyLink) or link.keys.storage != Storage.LABEL or link.source not in now:
        return asked
    return recoded(asked, link.keys.levels, now[link.source].levels)


def _parts_of(
    names: Sequence[Hashable], columns: Mapping[Hashable, Column], masks: Mapping[Hashable, np.ndarray]
) -> tuple[list[Column], np.ndarray]:
    """Some columns, and which of their cells the masks name: (n, columns) bool."""
    chosen = [columns[name] for name in names]
    nothing = np.zeros(len(chosen[0]), dtype=bool)
    return chosen, np.stack([masks.get(name, nothing) for name in names], axis=1)


def _stacked(names: Sequence[Hashable], masks: Mapping[Hashable, np.ndarray]) -> np.ndarray:
    return np.stack([masks[name] for name in names], axis=1)
