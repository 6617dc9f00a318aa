"""Tables in one coding that real rows decide, and refusals that name what is wrong."""

import numpy as np
import pandas as pd
import pytest
from containers import FRAMES, mixed_table, with_times

from tabdiff.datasets import make_transactions
from tabdiff.errors import ControlContaminated, InputError, SchemaError
from tabdiff.evaluation import compare
from tabdiff.evaluation.comparison import row_keys


def numbers(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"a": rng.normal(size=n), "b": rng.integers(0, 1000, n), "y": rng.integers(0, 2, n)})


def three(n: int = 200) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return numbers(n, 0), numbers(n, 1), numbers(n, 2)


# --- coding ---


@pytest.mark.parametrize("maker", FRAMES)
def test_the_same_cells_give_the_same_rows_whatever_holds_them(maker):
    tables = [with_times(mixed_table(150, seed)) for seed in range(3)]
    expected = compare(*tables)
    found = compare(*map(FRAMES[maker], tables))
    for part in ("train", "synthetic", "holdout"):
        for cells in ("numbers", "codes", "ids"):
            np.testing.assert_array_equal(
                getattr(getattr(found, part), cells), getattr(getattr(expected, part), cells)
            )
    assert [c.kind for c in found.layout.columns] == [c.kind for c in expected.layout.columns]


def test_kinds_follow_the_cells():
    n = 400
    rng = np.random.default_rng(0)

    def made(seed):
        return pd.DataFrame(
            {
                "amount": rng.normal(size=n),
                "count": rng.integers(0, 900, n),
                "rooms": rng.integers(1, 5, n),
                "flag": rng.random(n) < 0.5,
                "city": rng.choice(["Graz", "Wien"], n),
                "email": [f"{seed}-{i}@example.org" for i in range(n)],
                "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n), unit="h"),
            }
        )

    layout = compare(made(0), made(1), made(2)).layout
    assert {c.name: c.kind for c in layout.columns} == {
        "amount": "numeric",
        "count": "numeric",
        "rooms": "categorical",
        "flag": "categorical",
        "city": "categorical",
        "email": "identifier",
        "when": "numeric",
    }
    assert layout["count"].whole and not layout["amount"].whole
    assert layout["rooms"].levels == (1, 2, 3, 4)


def test_synthetic_levels_come_behind_the_real_ones():
    real = pd.DataFrame({"c": ["b", "a"] * 30, "x": np.arange(60.0)})
    synthetic = pd.DataFrame({"c": ["zz", "a", None], "x": [1.0, 2.0, 3.0]})
    comparison = compare(real, synthetic, real.assign(x=np.arange(60) + 0.5))
    column = comparison.layout["c"]
    assert column.levels == ("a", "b", "zz") and column.n_real_levels == 2
    assert comparison.synthetic.column(column).tolist() == [2, 0, -1]
    assert comparison.synthetic.missing(column).tolist() == [False, False, True]


def test_the_column_order_of_the_synthetic_table_does_not_matter():
    train, synthetic, holdout = three()
    found = compare(train, synthetic[["y", "b", "a"]], holdout)
    np.testing.assert_array_equal(
        found.synthetic.numbers, compare(train, synthetic, holdout).synthetic.numbers
    )


def test_times_are_seconds_whatever_their_unit():
    real = pd.DataFrame({"t": pd.Timestamp("1970-01-01") + pd.to_timedelta(np.arange(50), unit="s")})
    coded = compare(real.astype("datetime64[ns]"), real.astype("datetime64[ms]"))
    np.testing.assert_array_equal(coded.synthetic.numbers[:, 0], np.arange(50))


def test_a_target_of_few_numbers_has_classes_and_the_rarest_is_positive():
    train, synthetic, holdout = three(300)
    train["y"] = np.repeat([7, 1, 3], [100, 20, 180])
    holdout["y"], synthetic["y"] = np.resize([7, 1, 3], 300), 7
    comparison = compare(train, synthetic, holdout, "y")
    assert comparison.target.is_classes and comparison.target.column.levels == (1, 3, 7)
    assert comparison.is_positive(comparison.train).sum() == 20
    chosen = compare(train, synthetic, holdout, "y", positive=7)
    assert chosen.is_positive(chosen.train).sum() == 100


def test_a_target_of_many_numbers_is_a_number():
    comparison = compare(*three(), "a")
    assert not comparison.target.is_classes and not comparison.is_positive(comparison.train).any()


def test_a_group_column_is_not_modelled():
    train, synthetic, holdout = three()
    comparison = compare(train, synthetic, holdout, group="b")
    assert [c.name for c in comparison.layout.modelled] == ["a", "y"]
    same = train["b"].to_numpy()[:, None] == train["b"].to_numpy()
    np.testing.assert_array_equal(comparison.train_groups[:, None] == comparison.train_groups, same)


def test_without_a_holdout_train_is_halved():
    train, synthetic, _ = three()
    comparison = compare(train, synthetic)
    assert not comparison.has_holdout
    both = np.concatenate([comparison.train.numbers, comparison.holdout.numbers])
    np.testing.assert_array_equal(np.sort(both[:, 0]), np.sort(train["a"]))
    assert len(comparison.train) == len(comparison.holdout) == 100


def test_no_table_is_changed():
    tables = [make_transactions(200, seed) for seed in range(3)]
    before = [table.copy(deep=True) for table in tables]
    compare(*tables, "fraud", group="merchant")
    for table, copy in zip(tables, before, strict=True):
        pd.testing.assert_frame_equal(table, copy)


# --- keys ---


def test_keys_are_equal_for_equal_rows_and_for_these_only():
    train = pd.DataFrame({"a": [0.0, -0.0, np.nan, 1.0, 1.0], "c": ["u", "u", None, "u", "v"]})
    keys = compare(train, train).synthetic.keys()
    assert keys[0] == keys[1] and len(set(keys.tolist())) == 4


def test_keys_depend_on_the_order_of_columns():
    first, second = np.array([[1, 2], [2, 1]], dtype=np.uint64)
    assert row_keys([first, second], 2)[0] != row_keys([first, second], 2)[1]
    assert len(np.unique(row_keys([np.arange(200_000, dtype=np.uint64)], 200_000))) == 200_000


# --- refusals ---


def test_different_columns_are_named():
    train, synthetic, holdout = three()
    with pytest.raises(SchemaError, match=r"`synthetic` has other .* Lacking: \['b'\]. Extra: \['z'\]"):
        compare(train, synthetic.rename(columns={"b": "z"}), holdout)


def test_infinite_numbers_are_named_with_their_row():
    train, synthetic, holdout = three()
    synthetic.loc[7, "a"] = np.inf
    with pytest.raises(InputError, match=r"`synthetic`: column 'a' holds 1 infinite values.* row 7"):
        compare(train, synthetic, holdout)


def test_text_in_the_place_of_numbers_is_refused():
    train, synthetic, holdout = three()
    with pytest.raises(SchemaError, match="'a' holds label cells in `synthetic`, such as"):
        compare(train, synthetic.assign(a="much"), holdout)


def test_an_empty_table_is_named():
    train, synthetic, holdout = three()
    with pytest.raises(InputError, match="`synthetic`: the table has 0 rows"):
        compare(train, synthetic.head(0), holdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "z"}, r"`target` names \['z'\]"),
        ({"group": "z"}, r"`group` names \['z'\]"),
        ({"sensitive": ["z"]}, r"`sensitive` names \['z'\]"),
        ({"target": "y", "positive": 9}, r"positive is 9, .* Known: \[0, 1\]"),
        ({"target": "a", "positive": 9}, "needs a target with classes"),
        ({"alpha": 2.0}, "alpha is 2.0"),
        ({"budget": "huge"}, "budget is 'huge'. Known"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        compare(*three(), **arguments)


def test_a_missing_target_is_refused():
    train, synthetic, holdout = three()
    with pytest.raises(InputError, match="'y' is missing in 1 of 200 rows of `train`"):
        compare(train.assign(y=train["y"].astype(float).where(train.index != 3)), synthetic, holdout, "y")


# --- the holdout as a control ---


def test_the_holdout_as_synthetic_table_is_refused():
    train, _, holdout = three()
    with pytest.raises(ControlContaminated, match="200 of 200 holdout rows occur verbatim in `synthetic`"):
        compare(train, holdout.copy(), holdout)


@pytest.mark.parametrize("role", ["train", "synthetic"])
def test_the_same_object_twice_is_refused(role):
    train, synthetic, _ = three()
    with pytest.raises(ControlContaminated, match=f"same object as `{role}`"):
        compare(train, synthetic, train if role == "train" else synthetic)


def test_people_on_both_sides_are_refused():
    train, synthetic, holdout = three()
    with pytest.raises(ControlContaminated, match="20 of 200 holdout rows equal train rows"):
        compare(train, synthetic, pd.concat([holdout[20:], train[:20]]))


def test_rows_that_repeat_by_nature_are_no_contamination():
    rng = np.random.default_rng(0)

    def made(n):
        return pd.DataFrame({c: rng.integers(0, 4, n) for c in "abc"})

    for _ in range(20):
        compare(made(1_000), made(1_000), made(500))


def test_a_copy_of_train_does_not_contaminate_the_holdout():
    train, _, holdout = three()
    compare(train, train.copy(), holdout)
