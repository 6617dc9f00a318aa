"""What is suggested holds, and chance does not explain it."""

import numpy as np
from small_columns import labels, numbers, times

from tabdiff.arrangement import suggest
from tabdiff.constraints import FixedCombinations, Inequality

N = 400
RNG = np.random.default_rng(4)
START = RNG.integers(0, 1000, N)
WAIT = RNG.integers(0, 50, N)


def test_times_in_order_are_suggested_without_what_follows():
    columns = [
        times("paid", (START + WAIT + RNG.integers(0, 9, N)).tolist()),
        times("start", START.tolist()),
        times("end", (START + WAIT).tolist()),
    ]
    assert set(suggest(columns)) == {Inequality("start", "end"), Inequality("end", "paid")}


def test_columns_whose_ranges_hardly_meet_are_not():
    columns = [numbers("age", START.tolist()), numbers("income", (START % 91 + 1000).tolist())]
    assert suggest(columns) == []


def test_other_units_and_kinds_are_not_compared():
    columns = [times("start", START.tolist()), times("end", (START + WAIT).tolist(), unit="s")]
    assert suggest([*columns, numbers("n", (START + WAIT).tolist())]) == []


def test_a_total_is_not_suggested_to_exceed_its_parts():
    columns = [
        numbers("t", (START + WAIT).tolist()),
        numbers("a", START.tolist()),
        numbers("b", WAIT.tolist()),
    ]
    assert suggest(columns) == []


def test_few_of_many_combinations_are_suggested_and_independent_ones_not():
    land = RNG.integers(0, 12, N)
    city = [f"{c:02}{RNG.integers(0, 2) if i % 97 else 7}" for i, c in enumerate(land)]
    columns = [labels("land", [str(c) for c in land]), labels("city", city)]
    columns.append(labels("other", [str(c) for c in RNG.integers(0, 12, N)]))
    assert suggest(columns) == [FixedCombinations("land", "city")]


def test_what_is_kept_anyway_is_not_suggested():
    land = RNG.integers(0, 12, N)
    assert (
        suggest([labels("land", [str(c) for c in land]), labels("code", [str(99 - c) for c in land])]) == []
    )


def test_independent_columns_of_many_kinds_give_nothing():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        columns = [numbers(f"n{i}", rng.normal(size=200).round(1).tolist()) for i in range(8)]
        columns += [labels(f"l{i}", rng.choice(list("abcdefgh"), 200).tolist()) for i in range(5)]
        assert suggest(columns) == []
