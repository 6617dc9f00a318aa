"""Sums: found among many columns, exact to the last digit, and given cells stay."""

import numpy as np
import pytest
from small_columns import cells, numbers, table_cells, take, times

from tabdiff.arrangement import Arrangement
from tabdiff.constraints import Inequality
from tabdiff.schema import Storage

N = 300
RNG = np.random.default_rng(2)
A, B, C = (RNG.integers(1, 10_000, N) for _ in range(3))
NOISE = [numbers(f"n{i}", RNG.integers(0, 500, N).tolist()) for i in range(12)]


def there_and_back(columns, constraints=(), keep=frozenset()):
    arrangement = Arrangement.fit(columns, constraints, keep)
    learned = arrangement.learned(columns)
    assert table_cells(arrangement.restored(learned, np.random.default_rng(0))) == table_cells(columns)
    return arrangement


def cents(values):
    return (values / 100).tolist()


def whole(**columns):
    return [numbers(name, values.tolist()) for name, values in columns.items()]


def test_sums_of_two_and_three_are_found_among_other_columns():
    arrangement = there_and_back([*NOISE, *whole(t=A + B, a=A, b=B, c=C, u=A + B + C)])
    assert arrangement.relations == {"t": "sum of a and b", "u": "sum of t and c"}
    alone = there_and_back([*NOISE, *whole(a=A, b=B, c=C, u=A + B + C)])
    assert alone.relations == {"u": "sum of a, b and c"}


def test_a_difference_is_a_sum_told_from_the_other_side():
    assert there_and_back(whole(gross=A + B, tax=B, net=A)).relations == {"gross": "sum of tax and net"}
    assert there_and_back(whole(gross=A, tax=B, net=A - B)).relations == {"gross": "sum of tax and net"}


def test_all_columns_of_a_sum_are_learned():
    columns = whole(t=A + B, a=A, b=B)
    assert Arrangement.fit(columns).learned_names == ("t", "a", "b")


def test_cents_are_added_on_the_grid():
    columns = [numbers("t", cents(A + B)), numbers("a", cents(A)), numbers("b", cents(B))]
    arrangement = there_and_back(columns)
    learned = [numbers("t", [9.0]), numbers("a", [0.1]), numbers("b", [0.2])]
    assert cells(arrangement.restored(learned, np.random.default_rng(0))[0]) == [0.3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_total_with_rounding_errors_comes_back_with_them(dtype):
    a, b, c = ((v / 100).astype(dtype) for v in (A, B, C))
    total = a + b + c
    columns = [numbers(n, v.tolist(), dtype) for n, v in (("t", total), ("a", a), ("b", b), ("c", c))]
    assert there_and_back(columns).relations == {"t": "sum of a, b and c"}


def test_full_precision_floats_are_added():
    a, b = RNG.normal(size=N), RNG.normal(size=N)
    columns = [numbers("t", (a + b).tolist()), numbers("a", a.tolist()), numbers("b", b.tolist())]
    assert there_and_back(columns).relations == {"t": "sum of a and b"}


def test_one_cent_in_one_row_is_no_sum():
    total = A + B
    total[123] += 1
    columns = [numbers("t", cents(total)), numbers("a", cents(A)), numbers("b", cents(B))]
    assert Arrangement.fit(columns).sums == ()


def test_a_part_too_small_to_show_is_no_part():
    big = RNG.normal(size=N) * 1e9
    columns = [numbers("t", (big + 1e-9).tolist()), numbers("a", (big / 3 * 3).tolist())]
    columns.append(numbers("b", (RNG.normal(size=N) * 1e-9).tolist()))
    assert Arrangement.fit(columns).sums == ()


def test_rows_with_missing_cells_keep_what_is_drawn():
    gone = np.arange(N) % 9 == 0
    a = [None if g else v for g, v in zip(gone, A.tolist(), strict=True)]
    t = [
        v if g else None if i % 50 == 1 else v
        for i, (g, v) in enumerate(zip(gone, (A + B).tolist(), strict=True))
    ]
    columns = [numbers("t", t), numbers("a", a), numbers("b", B.tolist())]
    assert there_and_back(columns).relations == {"t": "sum of a and b"}


def test_thirty_rows_are_needed():
    assert Arrangement.fit(take(whole(t=A + B, a=A, b=B), np.arange(29))).is_plain
    assert not Arrangement.fit(take(whole(t=A + B, a=A, b=B), np.arange(30))).is_plain


def test_times_are_no_summands():
    columns = [times("end", (A + B).tolist()), times("start", A.tolist())]
    columns.append(times("wait", B.tolist(), storage=Storage.DURATION))
    assert Arrangement.fit(columns).is_plain


def test_a_given_total_moves_the_largest_part():
    columns = whole(t=A + B + C, a=A, b=B, c=C)
    arrangement = Arrangement.fit(columns)
    drawn = whole(t=np.array([100, 7]), a=np.array([10, 1]), b=np.array([60, 2]), c=np.array([20, 3]))
    known = np.array([[True, False, False, False], [False, False, False, False]])
    restored = table_cells(arrangement.restored(drawn, np.random.default_rng(0), (drawn, known)))
    assert restored == {"t": [100, 6], "a": [10, 1], "b": [70, 2], "c": [20, 3]}
    known[0, 2] = True
    restored = table_cells(arrangement.restored(drawn, np.random.default_rng(0), (drawn, known)))
    assert restored == {"t": [100, 6], "a": [10, 1], "b": [60, 2], "c": [30, 3]}


def test_the_last_cell_of_a_sum_is_known_with_the_others():
    arrangement = Arrangement.fit(whole(t=A + B, a=A, b=B))
    given = whole(t=np.array([10, 0, 0]), a=np.array([0, 4, 4]), b=np.array([3, 5, 0]))
    known = np.array([[True, False, True], [False, True, True], [False, True, False]])
    learned, known_learned = arrangement.learned_known(given, known, np.random.default_rng(0))
    assert known_learned.tolist() == [[True] * 3, [True] * 3, [False, True, False]]
    assert [cells(column)[:2] for column in learned] == [[10, 9], [7, 4], [3, 5]]


def test_given_cells_that_do_not_add_up_come_back_as_given():
    arrangement = Arrangement.fit(whole(t=A + B, a=A, b=B))
    given = whole(t=np.array([10]), a=np.array([1]), b=np.array([1]))
    restored = arrangement.restored(given, np.random.default_rng(0), (given, np.ones((1, 3), dtype=bool)))
    assert [cells(column) for column in restored] == [[10], [1], [1]]


def test_a_total_that_is_the_target_or_in_an_inequality_moves_a_part():
    columns = whole(t=A + B, a=A, b=B)
    assert there_and_back(columns, keep=frozenset("t")).relations == {"b": "t less a"}
    relations = there_and_back(columns, [Inequality("a", "t")]).relations
    assert relations == {"t": "a <= t", "b": "t less a"}


def test_two_totals_of_the_same_columns_both_hold():
    d = A + B - C
    columns = whole(t=A + B, a=A, b=B, c=C, d=d)
    arrangement = there_and_back(columns)
    assert len(arrangement.sums) == 2
    rng = np.random.default_rng(5)
    drawn = [take([column], rng.permutation(N))[0] for column in columns]
    made = {c.name: c.values for c in arrangement.restored(drawn, rng)}
    assert (made["t"] == made["a"] + made["b"]).all() and (made["t"] == made["c"] + made["d"]).all()


def test_the_weekend_is_the_sum_of_two_days():
    day = RNG.integers(0, 7, N)
    days = {f"d{i}": (day == i).astype(np.int64) for i in range(7)}
    columns = whole(a=A, **days, weekend=(day >= 5).astype(np.int64))
    arrangement = there_and_back(columns)
    assert arrangement.groups and arrangement.relations["weekend"] == "sum of d5 and d6"
