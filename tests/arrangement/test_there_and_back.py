"""Whatever is planted in a table, it is learned once and comes back cell for cell."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_columns import cells, flags, labels, numbers, table_cells, times

from tabdiff.arrangement import STORED, Arrangement
from tabdiff.cells import put
from tabdiff.constraints import FixedCombinations, Inequality, Range
from tabdiff.errors import SchemaError
from tabdiff.schema import Column
from tabdiff.storage.packing import Packer

PLANTS = ("copy", "look-up", "sum", "one-hot", "inequality", "combinations")


def with_gaps(column, rng, share):
    missing = column.missing | (rng.random(len(column)) < share)
    return replace(column, missing=missing)


def copy(rng, n):
    column = numbers("copy 1", rng.normal(size=n).round(3).tolist())
    column = with_gaps(column, rng, rng.choice([0, 0.3]))
    return [column, replace(column, name="copy 2")], []


def look_up(rng, n):
    keys = rng.permutation(np.arange(n) % (n // 6))
    image = rng.integers(0, 3, n // 6)
    places = [None if image[k] == 2 else f"p{image[k]}" for k in keys]
    return [labels("place", places), labels("key", [f"k{k:03}" for k in keys])], []


def summed(rng, n):
    scale = 10.0 ** rng.integers(0, 4)
    a, b, c = (rng.integers(-(10**5), 10**5, n) / scale for _ in range(3))
    a, b = (with_gaps(numbers(name, v.tolist()), rng, 0.05) for name, v in (("a", a), ("b", b)))
    return [numbers("total", (a.values + b.values + c).tolist()), a, b, numbers("c", c.tolist())], []


def one_hot(rng, n):
    kind = rng.integers(0, 5, n)
    make = [flags, numbers][rng.integers(2)]
    return [make(f"is {k}", [int(at == k) for at in kind]) for k in range(5)], []


def in_order(rng, n):
    low = times("low", rng.integers(-(10**6), 10**6, n).tolist(), "D")
    wait = rng.integers(0, 3, n) * rng.integers(0, 10**6, n)
    middle = times("middle", (low.values * 86_400 + wait).tolist(), "s")
    high = times("high", (middle.values * 1000 + rng.integers(1, 10**4, n)).tolist(), "ms")
    rules = [Inequality("low", "middle"), Inequality("middle", "high", strict=True)]
    return [with_gaps(column, rng, 0.1) for column in (high, low, middle)], rules


def combined(rng, n):
    first = rng.integers(0, 7, n)
    second = first // 2 + rng.integers(0, 2, n)
    members = [
        with_gaps(labels("first", [f"f{v}" for v in first]), rng, 0.1),
        numbers("second", second.tolist()),
    ]
    return members, [FixedCombinations("second", "first")]


MAKERS = dict(zip(PLANTS, (copy, look_up, summed, one_hot, in_order, combined), strict=True))
CHOICE = st.lists(st.sampled_from(PLANTS), unique=True)


def planted(seed, plants, n):
    rng = np.random.default_rng(seed)
    columns: list[Column] = [numbers("other", rng.normal(size=n).round(2).tolist())]
    rules = []
    for plant in plants:
        made, stated = MAKERS[plant](rng, n)
        columns, rules = [*columns, *made], rules + stated
    return [columns[i] for i in rng.permutation(len(columns))], rules


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), CHOICE, st.integers(60, 150))
def test_planted_tables_come_back_cell_for_cell(seed, plants, n):
    columns, rules = planted(seed, plants, n)
    arrangement = Arrangement.fit(columns, rules)
    learned = arrangement.learned(columns)
    assert tuple(column.name for column in learned) == arrangement.learned_names
    assert table_cells(arrangement.restored(learned, np.random.default_rng(0))) == table_cells(columns)
    assert not any(rows.any() for rows in arrangement.violated(columns).values())
    assert arrangement.broken(columns) == {}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), CHOICE)
def test_rows_of_cells_shuffled_in_each_column_obey_all_the_same(seed, plants):
    columns, rules = planted(seed, plants, 120)
    arrangement = Arrangement.fit(columns, rules)
    rng = np.random.default_rng(seed)
    drawn = []
    for column in arrangement.learned(columns):
        rows = rng.permutation(len(column))
        drawn.append(column.with_cells(column.values[rows], column.missing[rows]))
    made = arrangement.restored(drawn, rng)
    assert arrangement.broken(made) == {}
    for group in arrangement.groups:
        before, after = (
            set(zip(*(cells({c.name: c for c in table}[name]) for name in group.names), strict=True))
            for table in (columns, made)
        )
        assert after <= before


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), CHOICE)
def test_given_cells_of_fitted_rows_come_back_whatever_is_drawn(seed, plants):
    columns, rules = planted(seed, [plant for plant in plants if plant != "combinations"], 120)
    arrangement = Arrangement.fit(columns, rules)
    rng = np.random.default_rng(seed)
    known = rng.random((120, len(columns))) < 0.4
    learned, known_learned = arrangement.learned_known(columns, known, rng)
    assert known_learned.shape == (120, len(learned))
    drawn = []
    for i, column in enumerate(arrangement.learned(columns)):
        rows = rng.permutation(120)
        cell = column.with_cells(column.values[rows], column.missing[rows])
        drawn.append(put(cell, learned[i], known_learned[:, i]))
    made = arrangement.restored(drawn, rng, (columns, known))
    for i, (new, old) in enumerate(zip(made, columns, strict=True)):
        rows = np.flatnonzero(known[:, i])
        assert [cells(new)[row] for row in rows] == [cells(old)[row] for row in rows]


@pytest.mark.parametrize("seed", range(3))
def test_no_cells_make_no_cells(seed):
    columns, rules = planted(seed, PLANTS, 120)
    arrangement = Arrangement.fit(columns, rules)
    templates = [column.without_cells() for column in arrangement.learned(columns)]
    restored = arrangement.restored(templates, np.random.default_rng(0))
    assert [(c.name, c.storage, c.unit, len(c)) for c in restored] == [
        (c.name, c.storage, c.unit, 0) for c in columns
    ]
    assert [c.values.dtype for c in restored] == [c.values.dtype for c in columns]


def test_what_is_known_of_learned_columns_is_known_of_the_others():
    columns, rules = planted(1, PLANTS, 120)
    arrangement = Arrangement.fit(columns, rules)
    learned = arrangement.learned(columns)
    known = np.tile(
        [name in ("key", "copy 1", arrangement.groups[0].name) for name in arrangement.learned_names],
        (120, 1),
    )
    made, known_raw = arrangement.restored_known(learned, known, np.random.default_rng(0))
    told = {c.name for c, is_known in zip(columns, known_raw[0], strict=True) if is_known}
    assert {"key", "place", *arrangement.groups[0].names} <= told and "total" not in told
    both = zip(made, columns, known_raw[0], strict=True)
    assert all(cells(new) == cells(old) for new, old, is_known in both if is_known)


def test_columns_of_another_table_are_refused():
    columns, rules = planted(0, PLANTS, 120)
    arrangement = Arrangement.fit(columns, rules)
    with pytest.raises(SchemaError, match="differ from those of fit"):
        arrangement.learned(columns[1:])


def test_an_arrangement_is_saved_as_plain_values():
    columns, rules = planted(5, PLANTS, 120)
    arrangement = Arrangement.fit(columns, [*rules, Range("second", low=0)])
    packer = Packer([*STORED, Column, type(columns[0].storage)])
    back = packer.unpack(*packer.pack(arrangement))
    learned = arrangement.learned(columns)
    assert back.relations == arrangement.relations
    assert table_cells(back.learned(columns)) == table_cells(learned)
    assert table_cells(back.restored(learned, np.random.default_rng(0))) == table_cells(columns)
