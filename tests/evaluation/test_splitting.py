"""A split keeps entities and equal rows on one side, and meets its shares."""

import numpy as np
import pandas as pd
import pytest
from containers import CONTAINERS, cells, mixed_table, signature

from tabdiff.errors import InputError
from tabdiff.evaluation import compare, split


def table(n: int = 1_000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customer": rng.integers(0, n // 8, n),
            "day": rng.integers(0, 90, n),
            "amount": rng.normal(size=n),
            "fraud": rng.random(n) < 0.05,
        }
    )


def test_every_row_is_on_one_side_in_its_order():
    df = table()
    train, holdout = split(df)
    assert sorted([*train.index, *holdout.index]) == list(df.index)
    assert train.index.is_monotonic_increasing and holdout.index.is_monotonic_increasing
    assert len(holdout) == 330


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    df = table()
    assert split(df, seed=1)[1].index.equals(split(df, seed=1)[1].index)
    assert not split(df, seed=1)[1].index.equals(split(df, seed=2)[1].index)


def test_no_customer_is_on_both_sides():
    train, holdout = split(table(), group="customer")
    assert not set(train["customer"]) & set(holdout["customer"])
    assert len(holdout) == pytest.approx(330, abs=8)


def test_equal_rows_are_on_one_side():
    df = pd.DataFrame({"a": np.arange(600) % 40, "b": np.arange(600) % 8})
    train, holdout = split(df)
    assert not set(map(tuple, train.to_numpy())) & set(map(tuple, holdout.to_numpy()))
    assert len(holdout) == pytest.approx(198, abs=15)


def test_classes_keep_their_shares():
    df = table()
    _, holdout = split(df, holdout=0.4, stratify="fraud")
    assert holdout["fraud"].sum() == round(0.4 * df["fraud"].sum())


def test_the_holdout_is_what_comes_last():
    train, holdout = split(table(), time="day")
    assert train["day"].max() < holdout["day"].min()
    assert len(holdout) == pytest.approx(330, abs=15)


def test_by_time_and_group_a_customer_goes_by_the_first_row():
    df = table()
    train, holdout = split(df, time="day", group="customer", holdout=0.2)
    assert not set(train["customer"]) & set(holdout["customer"])
    first = df.groupby("customer")["day"].min()
    assert first[train["customer"].unique()].max() < first[holdout["customer"].unique()].min()


@pytest.mark.parametrize("maker", [name for name in CONTAINERS if name != "list"])
def test_the_kind_of_table_is_kept(maker):
    made = CONTAINERS[maker](mixed_table(100))
    train, holdout = split(made)
    assert signature(train) == signature(holdout) == signature(made)
    assert sorted(map(str, [*cells(train), *cells(holdout)])) == sorted(map(str, cells(made)))


def test_the_split_of_repeated_rows_is_a_valid_control():
    rng = np.random.default_rng(0)
    df = pd.DataFrame({c: rng.integers(0, 5, 900) for c in "abcd"})
    train, holdout = split(df)
    compare(train, df.sample(500, random_state=0), holdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"holdout": 0}, "holdout is 0"),
        ({"holdout": 1.5}, "holdout is 1.5"),
        ({"group": "who"}, "`group` is 'who', which is no column"),
        ({"stratify": "fraud", "time": "day"}, "exclude each other"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        split(table(), **arguments)


def test_a_missing_entity_is_refused():
    df = table().assign(customer=lambda t: t["customer"].astype(float).where(t.index != 5))
    with pytest.raises(InputError, match="'customer' is missing in 1 of 1000 rows, the first is row 5"):
        split(df, group="customer")


def test_a_single_entity_cannot_be_split():
    with pytest.raises(InputError, match="without rows"):
        split(table().assign(customer=1), group="customer")
