"""What an arrangement is made of: the identities of a table, and its constraints by how they are kept."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabdiff.arrangement.finding import few_states, find_copies, find_lookups, find_one_hot
from tabdiff.arrangement.groups import Group
from tabdiff.arrangement.links import CopyLink, LookupLink
from tabdiff.arrangement.orders import Order, arrange_orders
from tabdiff.arrangement.sums import SumRelation, find_sums
from tabdiff.constraints import FixedCombinations, Inequality, Predicate, check_constraint
from tabdiff.errors import ConstraintError
from tabdiff.schema import Column

__all__ = ["Parts", "find_parts"]

Names = frozenset[Hashable]


@dataclass(frozen=True)
class Parts:
    """See `Arrangement`."""

    groups: tuple[Group, ...]
    orders: tuple[Order, ...]
    lookups: tuple[LookupLink, ...]
    sums: tuple[SumRelation, ...]
    copies: tuple[CopyLink, ...]
    checked: tuple[Any, ...]
    stated: tuple[Any, ...]


def find_parts(columns: Sequence[Column], constraints: Sequence[Any], keep: Names) -> Parts:
    """Check the constraints and find the identities. Raises `ConstraintError`; see `Arrangement.fit`."""
    by_name = {column.name: column for column in columns}
    stated = [rule for rule in constraints if not isinstance(rule, Predicate)]
    for rule in stated:
        if not hasattr(rule, "violated"):
            raise ConstraintError(
                f"got {rule!r} as a constraint. Pass those of tabdiff.constraints, such as "
                "Inequality('start', 'end')."
            )
        check_constraint(rule, by_name)
    groups = _stated_groups(stated, by_name, keep)
    grouped = {name: group for group in groups for name in group.names}
    apart = [rule for rule in stated if isinstance(rule, Inequality) and not _is_grouped(rule, grouped)]
    free = [rule for rule in apart if not any(name in grouped for name in rule.names)]
    orders, left = arrange_orders(free, by_name, keep)
    left += [rule for rule in apart if rule not in free]
    made = (FixedCombinations, Inequality)
    checked = [*left, *(rule for rule in stated if not isinstance(rule, made))]

    bound = frozenset(grouped) | {name for order in orders for name in order.names}
    copies = find_copies(columns, keep, bound)
    copied = {link.name for link in copies}
    rest = [column for column in columns if column.name not in copied]
    one_hot, lookups = _levels_and_flags(rest, keep | bound)
    groups += [Group.fit(members, keep, stated=False) for members in one_hot]
    grouped = {name: group for group in groups for name in group.names}
    tied = keep | bound | frozenset(grouped)
    tied |= {name for link in lookups for name in (link.source, link.name)}
    sums = find_sums(rest, [column.name for column in rest if column.name not in tied])
    return Parts(
        tuple(groups), tuple(orders), tuple(lookups), sums, tuple(copies), tuple(checked), tuple(stated)
    )


def _stated_groups(stated: Sequence[Any], by_name: Mapping[Hashable, Column], keep: Names) -> list[Group]:
    """The fixed combinations. Raises `ConstraintError` if a column is in two of them."""
    groups: list[Group] = []
    owner: dict[Hashable, FixedCombinations] = {}
    for rule in dict.fromkeys(rule for rule in stated if isinstance(rule, FixedCombinations)):
        for name in rule.columns:
            if name in owner:
                raise ConstraintError(
                    f"the column {name!r} is in two constraints: '{owner[name]}' and '{rule}'. State one "
                    "over all of these columns."
                )
            owner[name] = rule
        groups.append(Group.fit([by_name[name] for name in rule.columns], keep, stated=True))
    return groups


def _is_grouped(rule: Inequality, grouped: Mapping[Hashable, Group]) -> bool:
    """Whether fixed combinations keep an inequality already: both columns are in the same."""
    return rule.low in grouped and grouped[rule.low] is grouped.get(rule.high)


def _levels_and_flags(columns: Sequence[Column], kept: Names) -> tuple[list[list[Column]], list[LookupLink]]:
    """Groups of 0/1 columns, and look-ups.

    A group whose members all follow from other columns needs no hidden column of its own; the members of the
    others are no targets of look-ups.
    """
    flags = [column for column in columns if column.name not in kept]
    found = find_one_hot(flags)
    found = [members for members in found if Group.fit(members, kept, stated=False).counts.size]
    targets = frozenset(column.name for column in flags)
    groups: list[list[Column]] = []
    coded = few_states(columns)
    while True:
        members = {column.name for group in groups for column in group}
        lookups = find_lookups(columns, coded, targets - members)
        followers = {link.name for link in lookups}
        loose = [g for g in found if g not in groups and any(c.name not in followers for c in g)]
        if not loose:
            return groups, lookups
        groups += loose
