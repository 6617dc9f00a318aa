"""Fixed combinations: one hidden column, conditions and given cells met by what agrees with them."""

from dataclasses import replace

import numpy as np
import pytest
from small_columns import cells, labels, numbers, table_cells, take

from tabdiff.arrangement import Arrangement
from tabdiff.constraints import FixedCombinations
from tabdiff.errors import ConditionError, ConstraintError
from tabdiff.wanted import Wanted

RULE = FixedCombinations("land", "size")
HIDDEN = ("combination", "land", "size")
# 10 rows of (no, 1), 30 of (no, 2), 20 of (fr, 2), 10 of (missing, 3), and 2 of (de, 9)
LAND = ["no"] * 40 + ["fr"] * 20 + [None] * 10 + ["de"] * 2
SIZE = [1] * 10 + [2] * 30 + [2] * 20 + [3] * 10 + [9] * 2


def table():
    return [labels("land", LAND), numbers("x", np.arange(72.0).tolist()), numbers("size", SIZE)]


def rows(land, size):
    """Rows of which only the named cells are known; "?" is unknown."""
    columns = [
        labels("land", ["no" if c == "?" else c for c in land], ["de", "fr", "no"]),
        numbers("x", [0.0] * len(land)),
        numbers("size", [0 if c == "?" else c for c in size]),
    ]
    known = np.array([[a != "?", False, b != "?"] for a, b in zip(land, size, strict=True)])
    return columns, known


def test_members_are_learned_as_one_column_of_tuples():
    arrangement = Arrangement.fit(table(), [RULE])
    assert arrangement.learned_names == ("x", HIDDEN)
    hidden = arrangement.learned(table())[1]
    assert set(hidden.levels[:4]) == {("no", 1), ("no", 2), ("fr", 2), (None, 3)}
    assert hidden.levels[4:] == (("de", 9),)
    restored = arrangement.restored(arrangement.learned(table()), np.random.default_rng(0))
    assert table_cells(restored) == table_cells(table())


def test_rare_combinations_stand_nowhere_in_the_arrangement():
    arrangement = Arrangement.fit(table(), [RULE])
    assert "'de'" not in repr(arrangement)
    assert sorted(arrangement.groups[0].counts.tolist()) == [10, 10, 20, 30]


def test_conditions_on_members_ask_for_the_combinations_that_meet_them():
    arrangement = Arrangement.fit(table(), [RULE])
    hidden, land = arrangement.learned(table())[1], arrangement.groups[0].table[0]
    code = land.levels.index("no")
    wanted = arrangement.learned_wanted({"land": Wanted(np.array([code])), "size": Wanted(low=2)})
    assert [hidden.levels[c] for c in wanted[HIDDEN].values] == [("no", 2)]
    wanted = arrangement.learned_wanted({"land": Wanted(observed=False, missing=True)})
    assert [hidden.levels[c] for c in wanted[HIDDEN].values] == [(None, 3)]
    with pytest.raises(ConditionError, match=r"\['size'\] cannot be met together"):
        arrangement.learned_wanted({"size": Wanted(np.array([9]))})


def test_codes_of_conditions_are_those_of_the_restored_levels():
    arrangement = Arrangement.fit(table(), [RULE])
    learned = arrangement.learned(table())
    land = arrangement.restored(learned, np.random.default_rng(0))[0]
    assert land.levels[: len(arrangement.groups[0].table[0].levels)] == arrangement.groups[0].table[0].levels


def test_conditions_find_their_levels_after_labels_were_left_out_or_turned():
    arrangement = Arrangement.fit(table(), [RULE], frozenset(["land"]))
    land, x, hidden = arrangement.learned(table())
    land = replace(land.without_cells(), levels=("no", "it", "fr"))
    hidden = replace(hidden.without_cells(), levels=(("no", 2), ("it", 7), ("fr", 2)))
    asked = {"land": Wanted(np.array([0])), "size": Wanted(low=2)}
    wanted = arrangement.learned_wanted(asked, [land, x, hidden])
    assert wanted["land"].values.tolist() == [0] and wanted[HIDDEN].values.tolist() == [0]
    wanted = arrangement.learned_wanted({"land": Wanted(np.array([2]))}, [land, x, hidden])
    assert wanted[HIDDEN].values.tolist() == [2]
    with pytest.raises(ConditionError, match="cannot be met together"):
        arrangement.learned_wanted({"size": Wanted(np.array([3]))}, [land, x, hidden])


def test_part_of_a_combination_draws_the_rest_by_the_counts():
    arrangement = Arrangement.fit(table(), [RULE])
    columns, known = rows(["?"] * 4000, [2] * 4000)
    learned, known_learned = arrangement.learned_known(columns, known, np.random.default_rng(0))
    drawn = cells(learned[1])
    assert known_learned.tolist() == [[False, True]] * 4000
    assert set(drawn) == {("no", 2), ("fr", 2)}
    assert drawn.count(("no", 2)) / 4000 == pytest.approx(0.6, abs=0.03)  # 4 standard errors


def test_given_members_come_back_and_the_others_agree_with_them():
    arrangement = Arrangement.fit(table(), [RULE])
    columns, known = rows(["fr", "?", "no", None, "de"], ["?", 3, 1, "?", 9])
    drawn = take(arrangement.learned(table()), [0, 1, 2, 3, 4])  # all (no, 1)
    restored = arrangement.restored(drawn, np.random.default_rng(0), (columns, known))
    assert cells(restored[0]) == ["fr", None, "no", None, "de"]
    assert cells(restored[2]) == [2, 3, 1, 3, 9]


def test_given_members_that_agree_with_no_combination_are_an_error():
    arrangement = Arrangement.fit(table(), [RULE])
    columns, known = rows(["no", "?"], ["?", 9])
    with pytest.raises(ConditionError, match=r"row 1 .*\{'size': 9\}"):
        arrangement.learned_known(columns, known, np.random.default_rng(0))
    drawn = take(arrangement.learned(table()), [0, 1])
    with pytest.raises(ConditionError, match=r"row 1 .*\{'size': 9\}"):
        arrangement.restored(drawn, np.random.default_rng(0), (columns, known))


def test_a_target_among_the_members_is_learned_too_and_decides():
    arrangement = Arrangement.fit(table(), [RULE], frozenset(["land"]))
    assert arrangement.learned_names == ("land", "x", HIDDEN)
    land, x, hidden = take(arrangement.learned(table()), np.arange(40))  # (no, 1) and (no, 2)
    turned = land.with_cells(np.full(40, land.levels.index("fr")), land.missing)
    restored = arrangement.restored([turned, x, hidden], np.random.default_rng(0))
    assert set(cells(restored[0])) == {"fr"} and set(cells(restored[2])) == {2}
    rare = land.with_cells(np.full(40, land.levels.index("de")), land.missing)
    restored = arrangement.restored([rare, x, hidden], np.random.default_rng(0))
    assert set(cells(restored[0])) == {"de"}
    assert all(rows.all() for rows in arrangement.violated(restored).values())


def test_a_column_is_in_one_set_of_combinations():
    with pytest.raises(ConstraintError, match="'size' is in two constraints"):
        Arrangement.fit(table(), [RULE, FixedCombinations("size", "x")])


def test_combinations_that_are_all_rare_are_refused():
    with pytest.raises(ConstraintError, match="72 combinations in 72 rows, none of them in 5 rows"):
        Arrangement.fit(table(), [FixedCombinations("x", "size")])
