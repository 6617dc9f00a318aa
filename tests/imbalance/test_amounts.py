"""Rows asked for: imbalanced-learn's strategies mean what they mean there, and there are some beyond them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.utils import check_sampling_strategy

from tabdiff.errors import InputError
from tabdiff.imbalance.amounts import Amount, candidate_amounts, rows_asked


def rows(**counts):
    """A class for each row: `rows(a=3, b=1)` has three of a and one of b, in mixed order."""
    labels = np.repeat(list(counts), list(counts.values())).astype(object)
    return np.random.default_rng(0).permutation(labels)


RARE = rows(common=900, rare=30)
THREE = rows(a=100, b=50, c=20)


# --- as imbalanced-learn has it ---------------------------------------------------------------------------

WORDS = st.sampled_from(["auto", "minority", "not minority", "not majority", "all"])
FINAL = st.dictionaries(st.integers(0, 3), st.integers(-2, 60) | st.sampled_from([30.0, 45.0]), max_size=4)


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    strategy=WORDS | st.floats(-0.5, 1) | FINAL | st.just(["a"]),
)
@settings(max_examples=300, deadline=None)
def test_strategies_of_imbalanced_learn_keep_their_meaning_and_their_errors(counts, strategy):
    classes = np.repeat(np.arange(len(counts)), counts)
    try:
        expected = check_sampling_strategy(strategy, classes, "over-sampling")
    except ValueError as refusal:
        with pytest.raises(ValueError) as error:
            rows_asked(strategy, None, classes)
        assert str(error.value).startswith(str(refusal))
    else:
        asked = rows_asked(strategy, None, classes)
        assert list(asked.items()) == list(expected.items())
        assert all(type(n) is int for n in asked.values())


def test_a_function_makes_final_numbers_of_the_classes():
    def wanted(classes):
        return {"rare": int((classes == "common").sum()) - 400}

    assert rows_asked(wanted, None, RARE) == {"rare": 470}
    with pytest.raises(InputError, match=r"returned 7\. It has to return a dict of class to final number"):
        rows_asked(lambda classes: 7, None, RARE)


def test_classes_come_sorted_and_as_y_holds_them():
    asked = rows_asked({2: 9, np.int64(0): 5}, None, np.array([0, 0, 1, 1, 2, 2]))
    assert list(asked.items()) == [(0, 3), (2, 7)]
    assert all(isinstance(label, np.integer) for label in asked)
    assert rows_asked("auto", None, np.array([True, False, False])) == {True: 1}


# --- beyond it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "n_added"), [(1.0, 870), (1.5, 1320), (np.float32(2), 1770), (2, 1770), (1.0007, 870)]
)
def test_a_ratio_above_one_is_that_of_the_rare_class_to_the_other(ratio, n_added):
    assert rows_asked(ratio, None, RARE) == {"rare": n_added}


def test_a_ratio_goes_on_above_one_as_below():
    asked = [rows_asked(ratio, None, RARE)["rare"] for ratio in np.linspace(0.9, 1.1, 201)]
    steps = np.diff(asked)
    assert steps.min() == 0 and steps.max() == 1 and steps.sum() == 180


@pytest.mark.parametrize(
    ("strategy", "added"),
    [
        ("x1", {"b": 0, "c": 0}),
        ("x2", {"b": 50, "c": 20}),
        ("x2.5", {"b": 75, "c": 30}),
        ("x1.15", {"b": 7, "c": 3}),  # 57.5 and 23 rows; 1.15 * 20 is below 23 in floats
        ("x10", {"b": 450, "c": 180}),
        ({"c": "x3", "b": 500}, {"b": 450, "c": 40}),
        ({"a": "x2"}, {"a": 100}),
        ({"c": "x1", "a": 100}, {"a": 0, "c": 0}),
        ({"b": 60.0}, {"b": 10}),
        (lambda classes: {"b": "x2"}, {"b": 50}),
    ],
)
def test_multiples_count_the_rows_that_are_there(strategy, added):
    assert rows_asked(strategy, None, THREE) == added


def test_of_classes_of_one_size_the_first_is_the_largest_as_in_imbalanced_learn():
    even = rows(a=10, b=10)
    assert list(rows_asked("auto", None, even)) == ["b"]
    assert rows_asked(1.5, None, even) == {"b": 5}
    assert rows_asked("x2", None, even) == {"b": 10}
    assert rows_asked("auto", 7, even) == {"b": 7}


@pytest.mark.parametrize(
    ("classes", "n_synthetic", "added"),
    [
        (RARE, 12, {"rare": 12}),
        (RARE, 0, {"rare": 0}),
        (RARE, np.int32(5000), {"rare": 5000}),
        (THREE, 130, {"b": 50, "c": 80}),  # all that they lack
        (THREE, 13, {"b": 5, "c": 8}),
        (THREE, 10, {"b": 4, "c": 6}),  # 3.85 and 6.15
        (THREE, 1, {"b": 0, "c": 1}),
        (rows(a=9, b=9, c=9), 5, {"b": 3, "c": 2}),
        (rows(a=9, b=9, c=1), 5, {"b": 0, "c": 5}),
        (THREE, {"c": 3, "a": 0}, {"a": 0, "c": 3}),
        (THREE, {}, {}),
    ],
)
def test_numbers_to_add(classes, n_synthetic, added):
    asked = rows_asked("auto", n_synthetic, classes)
    assert list(asked.items()) == list(added.items())


@given(
    counts=st.lists(st.integers(1, 50), min_size=2, max_size=6),
    total=st.integers(0, 500),
)
def test_a_number_in_all_is_met_and_each_share_is_within_one_row(counts, total):
    asked = rows_asked("auto", total, np.repeat(np.arange(len(counts)), counts))
    assert sum(asked.values()) == total
    lacking = {code: max(counts) - counts[code] for code in asked}
    whole = sum(lacking.values())
    for code, n in asked.items():
        share = total * lacking[code] / whole if whole else total / len(asked)
        assert math.floor(share) <= n <= math.floor(share) + 1


@pytest.mark.parametrize(
    ("strategy", "n_synthetic", "message"),
    [
        ("x0.5", None, r"'x0\.5', which would remove rows: an over-sampler adds some\. Pass 'x1' or more"),
        ("x0", None, "'x0', which would remove rows"),
        ("x", None, r"asks for 'x'\. A multiple is written 'x2'"),
        ("x-2", None, "asks for 'x-2'"),
        ("xnan", None, "asks for 'xnan'"),
        ("x٢", None, "asks for 'x٢'"),
        ("x2\n", None, r"asks for 'x2\\n'"),
        ("X2", None, r"or one of \('auto'.*Got 'X2' instead"),
        ({"c": "x0.5"}, None, r"'x0\.5', which would remove rows"),
        ({"c": "many"}, None, "asks for 'many'"),
        ({"c": True}, None, "asks for True rows of class 'c'"),
        ({"c": 30.5}, None, r"asks for 30\.5 rows of class 'c'"),
        ({"c": math.nan}, None, "asks for nan rows of class 'c'"),
        ({"c": math.inf}, None, "asks for inf rows of class 'c'"),
        ({"c": None}, None, "asks for None rows of class 'c'"),
        ({"z": "x2"}, None, r"The {'z'} target class .*sampling_strategy.*are \['a', 'b', 'c'\]"),
        (1.5, None, r"is 1\.5, a ratio of two classes, but there are 3: \['a', 'b', 'c'\]"),
        (True, None, "sampling_strategy is True"),
        (math.nan, None, "sampling_strategy is nan"),
        (math.inf, None, "sampling_strategy is inf"),
        (None, None, "sampling_strategy is None"),
        ("auto", -1, "n_synthetic asks for -1 rows"),
        ("auto", True, "n_synthetic asks for True rows"),
        ("auto", 2.0, r"n_synthetic asks for 2\.0 rows"),
        ("auto", math.nan, "n_synthetic asks for nan rows"),
        ("auto", "x2", "n_synthetic asks for 'x2' rows"),
        ("auto", {"b": -1}, "n_synthetic asks for -1 rows of class 'b'"),
        ("auto", {"b": False}, "n_synthetic asks for False rows of class 'b'"),
        ("auto", {"q": 1}, r"The {'q'} target class .*n_synthetic.*are \['a', 'b', 'c'\]"),
        (0.5, 10, r"both n_synthetic=10 and sampling_strategy=0\.5"),
        ({"b": 60}, {"b": 1}, "both n_synthetic="),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_value(strategy, n_synthetic, message):
    with pytest.raises(InputError, match=message):
        rows_asked(strategy, n_synthetic, THREE)


@pytest.mark.parametrize(
    ("strategy", "n_synthetic"), [("auto", None), ("x2", None), (2.0, None), ("auto", 5)]
)
def test_one_class_cannot_be_balanced(strategy, n_synthetic):
    with pytest.raises(ValueError, match=r"needs to have more than 1 class\. Got 1 class instead"):
        rows_asked(strategy, n_synthetic, np.zeros(9))


# --- amounts that are tried -------------------------------------------------------------------------------


def sizes(classes):
    return {amount.name: amount.n_synthetic for amount in candidate_amounts(classes)}


def test_amounts_of_a_rare_class_grow_from_none_to_balance():
    assert candidate_amounts(RARE) == [
        Amount("none", {}, 0.0),
        Amount("x2", {"rare": 30}, 1.0),
        Amount("ratio 0.1", {"rare": 60}, 2.0),
        Amount("ratio 0.3", {"rare": 240}, 8.0),
        Amount("ratio 1", {"rare": 870}, 29.0),
    ]


def test_every_class_is_raised_and_none_is_cut():
    assert candidate_amounts(THREE) == [
        Amount("none", {}, 0.0),
        Amount("ratio 0.3", {"c": 10}, 10 / 70),  # b has more already, and a tenth have both
        Amount("x2", {"b": 50, "c": 20}, 1.0),
        Amount("ratio 1", {"b": 50, "c": 80}, 130 / 70),
    ]


@pytest.mark.parametrize(
    ("n_rare", "names"),
    [
        (50, ["none", "x2", "ratio 0.3", "ratio 1"]),  # a tenth is x2
        (52, ["none", "x2", "ratio 0.3", "ratio 1"]),  # 48 rows for 52
        (53, ["none", "ratio 0.1", "x2", "ratio 0.3", "ratio 1"]),  # 47 rows for 53
        (400, ["none", "x2", "ratio 1"]),
        (520, ["none", "x2"]),  # balance is x2, as far as it goes
        (999, ["none", "x2"]),
        (1000, ["none"]),
    ],
)
def test_amounts_that_are_much_the_same_are_tried_once(n_rare, names):
    assert list(sizes(rows(common=1000, rare=n_rare))) == names


def test_the_same_total_of_other_classes_is_another_amount():
    assert sizes(rows(a=1000, b=90, c=10)) == {
        "none": {},
        "x2": {"b": 90, "c": 10},
        "ratio 0.1": {"b": 10, "c": 90},
        "ratio 0.3": {"b": 210, "c": 290},
        "ratio 1": {"b": 910, "c": 990},
    }


@given(counts=st.lists(st.integers(1, 3000), min_size=2, max_size=5))
def test_amounts_add_ever_more_and_never_beyond_balance(counts):
    amounts = candidate_amounts(np.repeat(np.arange(len(counts)), counts))
    assert amounts[0] == Amount("none", {}, 0.0)
    assert [amount.size for amount in amounts] == sorted(amount.size for amount in amounts)
    n_others = sum(counts) - max(counts)
    for amount in amounts[1:]:
        assert all(n > 0 and counts[code] + n <= max(counts) for code, n in amount.n_synthetic.items())
        assert amount.size == sum(amount.n_synthetic.values()) / n_others > 0


@given(n_rare=st.integers(1, 999))
def test_a_ratio_that_is_tried_is_the_ratio_that_can_be_asked_for(n_rare):
    classes = np.repeat([0, 1], [1000, n_rare])
    for amount in candidate_amounts(classes):
        if amount.name.startswith("ratio"):
            assert rows_asked(float(amount.name.split()[1]), None, classes) == amount.n_synthetic
