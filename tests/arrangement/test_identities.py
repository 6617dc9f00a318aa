"""Copies, look-ups, groups of 0/1 columns and sums: found where they are exact, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest
from small_columns import cells, flags, labels, names, numbers, table_cells, take

from tabdiff.arrangement import Arrangement
from tabdiff.errors import ConditionError
from tabdiff.wanted import Wanted

N = 200
RNG = np.random.default_rng(1)
AMOUNT = RNG.normal(size=N).round(2).tolist()
ZIP = RNG.permutation(np.arange(N) % 8).tolist()
KIND = RNG.permutation(np.arange(N) % 4).tolist()


def there_and_back(columns, keep=frozenset()):
    arrangement = Arrangement.fit(columns, keep=keep)
    learned = arrangement.learned(columns)
    assert names(learned) == list(arrangement.learned_names)
    assert table_cells(arrangement.restored(learned, np.random.default_rng(0))) == table_cells(columns)
    return arrangement


def zip_and_city():
    return [
        labels("zip", [f"z{z}" for z in ZIP]),
        labels("city", ["Oslo" if z < 3 else "Paris" if z < 7 else None for z in ZIP]),
        numbers("amount", AMOUNT),
    ]


def one_hot():
    return [numbers(f"k{k}", [int(kind == k) for kind in KIND]) for k in range(4)]


def given(columns, **cells_of):
    """The table of some rows in which only the named columns are known."""
    n = len(next(iter(cells_of.values())))
    rows = [cells_of.get(str(column.name), [0] * n) for column in columns]
    made = [
        column.with_cells(
            np.array([column.levels.index(c) if c in column.levels else c or 0 for c in row]).astype(
                column.values.dtype
            ),
            np.array([c is None for c in row]),
        )
        for column, row in zip(columns, rows, strict=True)
    ]
    known = np.array([[column.name in cells_of for column in columns]] * n)
    return made, known


def test_columns_without_identity_are_the_very_same():
    columns = [numbers("a", AMOUNT), labels("b", [f"z{z}" for z in ZIP])]
    arrangement = Arrangement.fit(columns)
    assert all(new is old for new, old in zip(arrangement.learned(columns), columns, strict=True))
    restored = arrangement.restored(columns, np.random.default_rng(0))
    assert all(new is old for new, old in zip(restored, columns, strict=True))


# --- copies


def test_a_copy_is_learned_once():
    gaps = [None if i % 7 == 0 else v for i, v in enumerate(AMOUNT)]
    arrangement = there_and_back([numbers("a", gaps), numbers("b", gaps), numbers("c", AMOUNT)])
    assert arrangement.learned_names == ("a", "c")
    assert arrangement.relations == {"b": "copy of a"}


def test_the_target_is_the_source_of_its_copies_and_never_a_copy():
    columns = [numbers("a", AMOUNT), numbers("y", AMOUNT)]
    assert there_and_back(columns, frozenset("y")).learned_names == ("y",)


def test_numbers_of_another_storage_or_with_other_gaps_are_no_copies():
    whole = [float(i % 50) + 100 * (i % 3) for i in range(N)]
    gaps = [None if i == 5 else v for i, v in enumerate(whole)]
    shifted = [v + (i == 77) for i, v in enumerate(whole)]
    columns = [
        numbers("a", whole),
        numbers("b", gaps),
        numbers("c", shifted),
        numbers("d", whole, np.float32),
    ]
    assert there_and_back(columns).learned_names == ("a", "b", "c", "d")


def test_two_rare_flags_that_agree_by_chance_are_no_copies():
    rare = [i == 17 for i in range(N)]
    assert there_and_back([flags("a", rare), flags("b", rare)]).learned_names == ("a", "b")


def test_a_copy_that_is_given_is_passed_on_to_its_source():
    columns = [numbers("a", AMOUNT), numbers("b", AMOUNT), numbers("c", [2 * v for v in AMOUNT[::-1]])]
    arrangement = Arrangement.fit(columns)
    made, known = given(columns, b=[5.0, 6.0])
    learned, known_learned = arrangement.learned_known(made, known, np.random.default_rng(0))
    assert cells(learned[0]) == [5.0, 6.0]
    assert known_learned.tolist() == [[True, False], [True, False]]
    drawn = take(arrangement.learned(columns), [0, 1])
    restored = arrangement.restored(drawn, np.random.default_rng(0), (made, known))
    assert cells(restored[0]) == cells(restored[1]) == [5.0, 6.0]


def test_conditions_on_a_copy_and_its_source_are_both_met_or_refused():
    columns = [numbers("a", AMOUNT), numbers("b", AMOUNT)]
    arrangement = Arrangement.fit(columns)
    both = arrangement.learned_wanted({"a": Wanted(low=1.0), "b": Wanted(low=0.0, high=2.0)})
    assert both == {"a": Wanted(low=1.0, high=2.0)}
    with pytest.raises(ConditionError, match="b is a copy of a"):
        arrangement.learned_wanted({"a": Wanted(low=1.0), "b": Wanted(high=0.0)})


# --- look-ups


def test_a_city_follows_from_its_postcode_missing_cells_too():
    arrangement = there_and_back(zip_and_city())
    assert arrangement.learned_names == ("zip", "amount")
    assert arrangement.relations == {"city": "follows from zip"}


def test_a_target_is_not_looked_up():
    assert there_and_back(zip_and_city(), frozenset(["city"])).learned_names == ("zip", "city", "amount")


def test_recoded_labels_follow_from_the_first():
    columns = [labels("a", [f"z{z}" for z in ZIP]), labels("b", [f"{9 - z}" for z in ZIP])]
    assert there_and_back(columns).relations == {"b": "follows from a"}


def test_of_a_code_and_its_label_the_label_is_learned():
    columns = [numbers("code", ZIP), labels("label", [f"z{z}" for z in ZIP])]
    assert there_and_back(columns).relations == {"code": "follows from label"}


def test_a_chain_of_lookups_takes_the_smallest_source():
    columns = [
        labels("state", ["n" if z < 4 else "s" for z in ZIP]),
        labels("zip", [f"z{z}" for z in ZIP]),
        labels("county", [f"c{z // 2}" for z in ZIP]),
    ]
    arrangement = there_and_back(columns)
    assert arrangement.relations == {"state": "follows from county", "county": "follows from zip"}
    fitting = arrangement.learned_wanted({"state": Wanted(np.array([0]))})
    assert fitting["zip"].values.tolist() == [0, 1, 2, 3]


def test_a_value_of_four_rows_makes_a_lookup_too_rare():
    keys = ["rare"] * 4 + [f"z{z}" for z in ZIP[4:]]
    columns = [labels("zip", keys), labels("city", ["x" if key[-1] > "4" else "y" for key in keys])]
    assert there_and_back(columns).relations == {}


def test_one_row_against_it_breaks_a_lookup():
    zips, city, amount = zip_and_city()
    values = city.values.copy()
    row = np.flatnonzero(~city.missing)[50]
    values[row] = 1 - values[row]
    assert there_and_back([zips, replace(city, values=values), amount]).relations == {}


def test_conditions_on_a_city_ask_for_its_postcodes():
    arrangement = Arrangement.fit(zip_and_city())
    assert arrangement.learned_wanted({"city": Wanted(np.array([0]))})["zip"].values.tolist() == [0, 1, 2]
    gone = arrangement.learned_wanted({"city": Wanted(observed=False, missing=True)})
    assert gone["zip"].values.tolist() == [7]
    with pytest.raises(ConditionError, match="city follows from zip"):
        arrangement.learned_wanted({"city": Wanted(np.array([0])), "zip": Wanted(np.array([5]))})


def test_conditions_find_their_postcodes_whatever_codes_these_have():
    columns = zip_and_city()
    arrangement = Arrangement.fit(columns)
    zips, amount = (column.without_cells() for column in arrangement.learned(columns))
    zips = replace(zips, levels=("new", "z7", "z2", "z0"))
    wanted = arrangement.learned_wanted({"city": Wanted(np.array([0]))}, [zips, amount])
    assert wanted["zip"].values.tolist() == [2, 3]
    both = {"city": Wanted(np.array([0])), "zip": Wanted(np.array([0, 1, 3]))}
    assert arrangement.learned_wanted(both, [zips, amount])["zip"].values.tolist() == [3]


@pytest.mark.parametrize(("n_rows", "found"), [(9_000, True), (10_000, False)])
def test_in_large_tables_nine_rows_are_too_few(n_rows, found):
    keys = np.repeat(np.arange(500), 9).tolist()
    keys += [1000] * (n_rows - len(keys))
    columns = [labels("zip", [f"{k:04}" for k in keys]), labels("city", [f"{k // 7:03}" for k in keys])]
    assert (Arrangement.fit(columns).relations == {"city": "follows from zip"}) == found


def test_a_given_city_draws_one_of_its_postcodes_by_their_counts():
    columns = zip_and_city()
    arrangement = Arrangement.fit(columns)
    made, known = given(columns, city=["Oslo"] * 3000 + [None])
    learned, known_learned = arrangement.learned_known(made, known, np.random.default_rng(0))
    drawn = cells(learned[0])
    assert known_learned[:, 0].all() and not known_learned[:, 1].any()
    assert drawn[-1] == "z7"
    shares = [drawn.count(f"z{z}") / 3000 for z in range(3)]
    assert np.allclose(shares, 1 / 3, atol=0.04)  # 25 rows each; 4 standard errors are 0.034


def test_a_draw_that_contradicts_a_given_city_is_drawn_again():
    columns = zip_and_city()
    arrangement = Arrangement.fit(columns)
    made, known = given(columns, city=["Paris"] * 50)
    drawn = arrangement.learned(take(columns, np.arange(50)))
    restored = dict(
        zip(names(columns), arrangement.restored(drawn, np.random.default_rng(0), (made, known)), strict=True)
    )
    before = cells(drawn[0])
    for old, new in zip(before, cells(restored["zip"]), strict=True):
        assert new in ("z3", "z4", "z5", "z6")
        assert new == old or old not in ("z3", "z4", "z5", "z6")


def test_a_given_city_wins_over_a_given_postcode():
    columns = zip_and_city()
    arrangement = Arrangement.fit(columns)
    made, known = given(columns, zip=["z0"], city=["Paris"])
    drawn = take(arrangement.learned(columns), [0])
    restored = arrangement.restored(drawn, np.random.default_rng(0), (made, known))
    assert cells(restored[0]) == ["z0"] and cells(restored[1]) == ["Paris"]


def test_levels_are_matched_by_their_labels():
    columns = zip_and_city()
    arrangement = Arrangement.fit(columns)
    learned = arrangement.learned(columns)
    turned = replace(learned[0], values=7 - learned[0].values, levels=learned[0].levels[::-1])
    restored = arrangement.restored([turned, *learned[1:]], np.random.default_rng(0))
    assert table_cells(restored) == table_cells(columns)


def test_a_number_between_the_keys_goes_with_the_nearest():
    ages = [20 + 10 * z for z in ZIP]
    columns = [numbers("age", ages), labels("group", ["young" if a < 50 else "old" for a in ages])]
    arrangement = Arrangement.fit(columns)
    restored = arrangement.restored([numbers("age", [0, 44, 46, 500])], np.random.default_rng(0))
    assert cells(restored[1]) == ["young", "young", "old", "old"]


# --- one of several


def test_a_group_of_flags_is_learned_as_one_column():
    arrangement = there_and_back([numbers("x", AMOUNT), *one_hot()])
    assert arrangement.learned_names == ("x", ("one of", "k0", "k1", "k2", "k3"))


def test_two_groups_are_told_apart_whatever_their_order():
    other = [flags(f"z{z}", [at == z for at in ZIP]) for z in range(8)]
    mixed = [column for pair in zip(one_hot(), other[:4], strict=True) for column in pair] + other[4:]
    arrangement = there_and_back([numbers("x", AMOUNT), *mixed])
    assert len(arrangement.groups) == 2


def test_a_row_without_a_set_flag_or_a_missing_one_is_no_group():
    columns = one_hot()
    values = columns[0].values.copy()
    values[np.flatnonzero(values)[0]] = 0
    assert Arrangement.fit([replace(columns[0], values=values), *columns[1:]]).groups == ()
    assert Arrangement.fit([numbers("k0", [None, *cells(columns[0])[1:]]), *columns[1:]]).groups == ()
    assert Arrangement.fit(columns, keep=frozenset(["k1"])).groups == ()


def test_flags_that_follow_from_a_label_are_looked_up():
    arrangement = there_and_back([labels("kind", [f"k{k}" for k in KIND]), *one_hot()])
    assert arrangement.learned_names == ("kind",)


def test_conditions_on_flags_become_levels():
    columns = [numbers("x", AMOUNT), *one_hot()]
    arrangement = Arrangement.fit(columns)
    hidden = arrangement.learned(columns)[1]

    def asked(**values):
        wanted = {name: Wanted(np.array([value])) for name, value in values.items()}
        chosen = arrangement.learned_wanted(wanted)[hidden.name].values
        return sorted(hidden.levels[code].index(1) for code in chosen)

    assert asked(k2=1) == [2]
    assert asked(k2=0) == [0, 1, 3]
    assert asked(k2=0, k0=0) == [1, 3]
    with pytest.raises(ConditionError, match=r"\['k0', 'k1'\] cannot be met together"):
        asked(k0=1, k1=1)


def test_a_set_flag_and_all_but_one_unset_tell_the_group():
    columns = [numbers("x", AMOUNT), *one_hot()]
    arrangement = Arrangement.fit(columns)
    made, known = given(columns, k0=[1, 0, 0, 0], k1=[0, 0, 0, 0], k2=[0, 0, 1, 0])
    known[3, 2:] = False  # only k0 = 0 is known
    learned, known_learned = arrangement.learned_known(made, known, np.random.default_rng(0))
    told = [level.index(1) for level in cells(learned[1])]
    assert told[:3] == [0, 3, 2] and told[3] in (1, 2, 3)
    assert known_learned[:, 1].all()
    drawn = take(arrangement.learned(columns), [0, 1, 2, 3])
    restored = arrangement.restored(drawn, np.random.default_rng(0), (made, known))
    flags_back = np.array([cells(column) for column in restored[1:]])
    assert (flags_back.sum(axis=0) == 1).all()
    assert flags_back[:, :3].argmax(axis=0).tolist() == [0, 3, 2] and flags_back[0, 3] == 0


def test_given_flags_that_contradict_each_other_come_back_as_given():
    columns = [numbers("x", AMOUNT), *one_hot()]
    arrangement = Arrangement.fit(columns)
    made, known = given(columns, k0=[1], k1=[1])
    _, known_learned = arrangement.learned_known(made, known, np.random.default_rng(0))
    assert not known_learned.any()
    drawn = take(arrangement.learned(columns), [0])
    restored = arrangement.restored(drawn, np.random.default_rng(0), (made, known))
    assert cells(restored[1]) == cells(restored[2]) == [1]


# --- what it holds


def test_nothing_that_fewer_than_five_rows_held_is_kept():
    rare = [i < 4 for i in range(N)]
    kinds = [9 if gone else kind for gone, kind in zip(rare, KIND, strict=True)]
    columns = [
        *[numbers(f"k{k}", [int(kind == k) for kind in kinds]) for k in (0, 1, 2, 3, 9)],
        labels("secret", ["Ada" if gone else f"z{z}" for gone, z in zip(rare, ZIP, strict=True)]),
        labels("again", ["Ada" if gone else f"z{z}" for gone, z in zip(rare, ZIP, strict=True)]),
    ]
    arrangement = there_and_back(columns)
    assert arrangement.relations["again"] == "copy of secret"
    assert "Ada" not in repr(arrangement)
    assert [int(c) for c in arrangement.groups[0].counts] == [
        kinds.count(k) for k in sorted({0, 1, 2, 3}, reverse=True)
    ]


def test_rows_of_another_table_that_break_an_identity_are_named():
    columns = zip_and_city()
    arrangement = Arrangement.fit(columns)
    assert arrangement.broken(columns) == {}
    wrong, _ = given(columns, zip=["z0", "z0"], city=["Oslo", "Paris"])
    assert arrangement.broken(wrong)["city follows from zip"].tolist() == [False, True]


def test_no_identity_is_found_in_fewer_than_thirty_rows():
    columns = [numbers("a", AMOUNT[:29]), numbers("b", AMOUNT[:29])]
    assert Arrangement.fit(columns).is_plain
