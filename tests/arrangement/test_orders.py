"""Inequalities: kept whatever is drawn, exact on the grid, and given cells stay."""

import numpy as np
import pytest
from small_columns import cells, labels, names, numbers, table_cells, take, times

from tabdiff.arrangement import Arrangement
from tabdiff.constraints import FixedCombinations, Inequality, Positive, Predicate, Range
from tabdiff.errors import ConditionError, ConstraintError
from tabdiff.wanted import Wanted

CHAIN = [Inequality("a", "b"), Inequality("b", "c")]


def there_and_back(columns, constraints, keep=frozenset()):
    arrangement = Arrangement.fit(columns, constraints, keep)
    learned = arrangement.learned(columns)
    assert table_cells(arrangement.restored(learned, np.random.default_rng(0))) == table_cells(columns)
    return arrangement, {column.name: column for column in learned}


def chain(n=40):
    rng = np.random.default_rng(0)
    a = rng.integers(0, 100, n)
    b = a + rng.integers(0, 9, n)
    return [
        numbers("c", (b + rng.integers(0, 9, n)).tolist()),
        numbers("b", b.tolist()),
        numbers("a", a.tolist()),
    ]


def restored(arrangement, given=None, seed=0, **cells_of):
    """What is made of the learned columns a, b, c and the gaps ab and bc, in the order of the arrangement."""
    keys = {("gap", "a", "b"): "ab", ("gap", "b", "c"): "bc", ("gap", "a", "c"): "ac"}
    learned = [numbers(n, cells_of[keys.get(n, n)]) for n in arrangement.learned_names]
    made = arrangement.restored(learned, np.random.default_rng(seed), given)
    return {column.name: cells(column) for column in made}


def test_the_gap_between_two_times_is_learned():
    columns = [times("start", [0, 5, 9, None]), times("end", [3, 5, None, 4])]
    arrangement, learned = there_and_back(columns, [Inequality("start", "end")])
    gap = learned["gap", "start", "end"]
    assert (gap.storage, gap.unit, cells(gap)) == ("duration", "D", [3, 0, None, None])
    assert arrangement.relations == {"end": "start <= end"}
    assert arrangement.violated(columns) == {}


def test_the_end_is_the_start_and_the_gap():
    arrangement = Arrangement.fit(chain(), CHAIN)
    made = restored(arrangement, a=[1, 2], b=[99, 0], c=[-5, 50], ab=[3, 0], bc=[4, 5])
    assert made == {"a": [1, 2], "b": [4, 2], "c": [8, 7]}


def test_decimals_come_out_exact():
    low, high = [0.1, 0.2, 0.7, 1.1], [0.3, 0.35, 0.75, 9.99]
    _, learned = there_and_back([numbers("l", low), numbers("h", high)], [Inequality("l", "h", strict=True)])
    assert cells(learned["gap", "l", "h"]) == [0.2, 0.15, 0.05, 8.89]


def test_whole_numbers_stay_whole_beside_decimals():
    columns = [numbers("low", [0.25, 1.5, 2.0]), numbers("high", [1, 2, 2])]
    arrangement = Arrangement.fit(columns, [Inequality("low", "high")])
    learned = [
        numbers("low", [0.25, 1.0]),
        numbers("high", [9, 9]),
        numbers(("gap", "low", "high"), [0.5, 1.0]),
    ]
    assert cells(arrangement.restored(learned, np.random.default_rng(0))[1]) == [1, 2]


def test_times_of_two_units_share_the_finer():
    columns = [times("day", [0, 1, 2]), times("second", [5, 86_400, 200_000], unit="s")]
    _, learned = there_and_back(columns, [Inequality("day", "second")])
    assert cells(learned["gap", "day", "second"]) == [5, 0, 27_200]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_off_any_grid_stay_in_order(dtype):
    rng = np.random.default_rng(3)
    low = rng.normal(size=500).astype(dtype)
    high = (low + rng.exponential(size=500) * 10.0 ** rng.integers(-9, 3, 500)).astype(dtype)
    columns = [numbers("low", low.tolist(), dtype), numbers("high", high.tolist(), dtype)]
    rule = Inequality("low", "high")
    arrangement = Arrangement.fit(columns, [rule])
    learned = arrangement.learned(columns)
    made = arrangement.restored(learned, rng)
    assert np.allclose(made[1].values, high, rtol=4 * np.finfo(dtype).eps)
    shuffled = take(learned[:1], rng.permutation(500)) + learned[1:]
    back = arrangement.restored(shuffled, rng)
    assert not rule.violated({column.name: column for column in back}).any()


def test_a_strict_inequality_is_strict_for_floats_too():
    columns = [numbers("low", [1e-3 / 3, 0.5]), numbers("high", [1.0, 2 / 3])]
    arrangement = Arrangement.fit(columns, [Inequality("low", "high", strict=True)])
    learned = [numbers("low", [1e6]), numbers("high", [0.0]), numbers(("gap", "low", "high"), [1e-12])]
    low, high = (cells(column)[0] for column in arrangement.restored(learned, np.random.default_rng(0)))
    assert low < high < low * (1 + 1e-15)


def test_three_in_a_row_follow_from_whichever_is_given():
    columns = chain()
    arrangement = Arrangement.fit(columns, CHAIN)
    given = [numbers("c", [20, 0, 0]), numbers("b", [0, 20, 0]), numbers("a", [0, 0, 20])]
    known = np.eye(3, dtype=bool)
    made = restored(
        arrangement, (given, known), a=[1, 2, 20], b=[9, 20, 0], c=[20, 5, 5], ab=[3, 3, 3], bc=[4, 4, 4]
    )
    assert made == {"a": [13, 17, 20], "b": [16, 20, 23], "c": [20, 24, 27]}


def test_a_column_between_two_given_ones_stays_between():
    arrangement = Arrangement.fit(chain(), CHAIN)
    given = [numbers("c", [20, 20]), numbers("b", [0, 0]), numbers("a", [10, 20])]
    known = np.array([[True, False, True]] * 2)
    made = restored(arrangement, (given, known), a=[10, 20], b=[0, 0], c=[20, 20], ab=[30, 3], bc=[1, 1])
    assert made == {"a": [10, 20], "b": [20, 20], "c": [20, 20]}


def test_no_room_between_given_cells_is_an_error():
    columns = [numbers("a", [0]), numbers("b", [1]), numbers("c", [2])]
    strict = [Inequality("a", "b", True), Inequality("b", "c", True)]
    arrangement = Arrangement.fit(columns, strict)
    given = [numbers("a", [5]), numbers("b", [0]), numbers("c", [6])]
    with pytest.raises(ConditionError, match=r"no value of 'b' fits between the cells given in row 0"):
        restored(arrangement, (given, np.array([[True, False, True]])), a=[5], b=[0], c=[6], ab=[1], bc=[1])


def test_given_cells_that_break_it_are_an_error_with_row_and_values():
    columns = chain()
    arrangement = Arrangement.fit(columns, CHAIN)
    given = [numbers("c", [0, 0]), numbers("b", [5, 4]), numbers("a", [5, 5])]
    known = np.array([[False, True, True]] * 2)
    with pytest.raises(ConditionError, match=r"row 1 .* 'a <= b': \{'a': '5', 'b': '4'\}"):
        arrangement.learned_known(given, known, np.random.default_rng(0))


def test_a_gap_is_known_if_both_ends_are():
    columns = chain()
    arrangement = Arrangement.fit(columns, CHAIN)
    given = [numbers("c", [9, 0]), numbers("b", [7, 7]), numbers("a", [0, None])]
    known = np.array([[True, True, False], [False, True, True]])
    learned, known_learned = arrangement.learned_known(given, known, np.random.default_rng(0))
    assert names(learned) == ["c", "b", "a", ("gap", "a", "b"), ("gap", "b", "c")]
    assert known_learned.tolist() == [[True, True, False, False, True], [False, True, True, True, False]]
    assert cells(learned[4])[0] == 2 and cells(learned[3])[1] is None


def test_a_missing_cell_cuts_the_chain():
    columns = chain()
    columns[1] = numbers("b", [None, *cells(columns[1])[1:]])
    arrangement, _ = there_and_back(columns, CHAIN)
    made = restored(arrangement, a=[1], b=[None], c=[-3], ab=[5], bc=[None])
    assert made == {"a": [1], "b": [None], "c": [-3]}


def test_a_missing_gap_between_observed_ends_comes_from_another_row():
    arrangement = Arrangement.fit(chain(), CHAIN[:1])
    gap = [None, None, 6]
    made = restored(arrangement, a=[1, 9, 3], b=[5, 2, 0], c=[0, 0, 0], ab=gap)
    assert made["b"] == [5, 15, 9]  # in order as drawn; not in order; its own gap


def test_two_lower_bounds_of_one_column_both_hold():
    rules = [Inequality("a", "c"), Inequality("b", "c")]
    columns = [numbers("a", [1, 5, 2]), numbers("b", [4, 2, 2]), numbers("c", [4, 8, 2])]
    arrangement, _ = there_and_back(columns, rules)
    made = restored(arrangement, a=[10], b=[99], c=[0], ac=[5], bc=[2])
    assert made == {"a": [10], "b": [13], "c": [15]}


def test_a_ring_is_left_to_checking():
    rules = [*CHAIN, Inequality("a", "c")]
    arrangement, _ = there_and_back(chain(), rules)
    bad = [numbers("c", [1]), numbers("b", [None]), numbers("a", [3])]
    assert {words: rows.tolist() for words, rows in arrangement.violated(bad).items()} == {"a <= c": [True]}


def test_the_target_stays_and_its_partner_moves():
    columns = chain()
    arrangement = Arrangement.fit(columns, CHAIN, frozenset("b"))
    made = restored(arrangement, a=[0], b=[50], c=[0], ab=[5], bc=[7])
    assert made == {"a": [45], "b": [50], "c": [57]}


def test_numbers_too_large_to_add_are_left_to_checking():
    columns = [numbers("a", [-(2**62), 0]), numbers("b", [2**62, 1])]
    arrangement = Arrangement.fit(columns, [Inequality("a", "b")])
    assert arrangement.learned_names == ("a", "b") and list(arrangement.violated(columns)) == ["a <= b"]


def test_conditions_that_leave_no_order_are_refused():
    arrangement = Arrangement.fit(chain(), CHAIN)
    asked = {"a": Wanted(low=50), "c": Wanted(high=60)}
    assert arrangement.learned_wanted(asked) == asked
    with pytest.raises(ConditionError, match="'a <= c'"):
        arrangement.learned_wanted({"a": Wanted(low=50), "c": Wanted(values=np.array([10, 49]))})
    missing = {"a": Wanted(low=50), "c": Wanted(high=10, missing=True)}
    assert arrangement.learned_wanted(missing) == missing


def test_constraints_are_checked_at_fit():
    with pytest.raises(ConstraintError, match="'c <= b'"):
        Arrangement.fit(chain(), [Inequality("c", "b")])
    with pytest.raises(ConstraintError, match="'a > 0'"):
        Arrangement.fit([numbers("a", [1, 0])], [Positive("a")])
    with pytest.raises(ConstraintError, match=r"got 'a <= b' as a constraint"):
        Arrangement.fit(chain(), ["a <= b"])


def test_predicates_are_left_to_whoever_has_the_frame():
    arrangement = Arrangement.fit(chain(), [Predicate(lambda frame: False, "never")])
    assert arrangement.is_plain and arrangement.violated(chain()) == {}


def test_ranges_are_checked_in_rows_drawn():
    arrangement = Arrangement.fit(chain(), [Range("a", 0, 200)])
    drawn = [numbers("c", [0, 0]), numbers("b", [0, 0]), numbers("a", [200, 201])]
    assert arrangement.violated(drawn)["0 <= a <= 200"].tolist() == [False, True]


def test_an_inequality_within_fixed_combinations_is_kept_by_them():
    columns = [numbers("a", [1, 2] * 20), numbers("b", [1, 3] * 20), labels("x", ["u", "v"] * 20)]
    rules = [Inequality("a", "b"), FixedCombinations("a", "b")]
    arrangement, _ = there_and_back(columns, rules)
    assert arrangement.orders == () and arrangement.violated(columns) == {}
    more = [*columns, numbers("c", [9] * 40)]
    across = Arrangement.fit(more, [rules[1], Inequality("b", "c")])
    assert list(across.violated(more)) == ["b <= c"]
