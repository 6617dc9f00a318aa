"""`where=` and `impute`: asked cells come out as asked, the others by their law given these."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from containers import CONTAINERS, cells, mixed_table, signature, with_times

from tabdiff import TableSynthesizer
from tabdiff.constraints import FixedCombinations, Inequality, Positive, Predicate, Range, Unique
from tabdiff.errors import ConditionError, ConstraintError, RareConditionWarning

N = 100


def told(value):
    """The condition as the name of a case; the rule has none."""
    return "" if callable(value) else str(value)


START = pd.Timestamp("2024-03-01")


def brief(target=None, **arguments):
    """A model that trains for an instant: enough for what holds whatever the model has learned."""
    return TableSynthesizer(target, **{"random_state": 0, "max_steps": 2, "sampling_steps": 2} | arguments)


@pytest.fixture(scope="module")
def quick():
    return brief("card").fit(with_times(mixed_table()))


# --- asked cells come out as asked --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ({"card": "debit"}, lambda f: f["card"] == "debit"),
        ({"city": "Wien", "night": True}, lambda f: (f["city"] == "Wien") & f["night"]),
        ({"city": ["Graz", "Linz"]}, lambda f: f["city"].isin(["Graz", "Linz"])),
        ({"city": None}, lambda f: f["city"].isna()),
        ({"city": {"missing": False}}, lambda f: f["city"].notna()),
        ({"amount": (40, 60)}, lambda f: f["amount"].between(40, 60)),
        (
            {"amount": (None, 30.5), "card": "credit"},
            lambda f: (f["amount"] <= 30.5) & (f["card"] == "credit"),
        ),
        ({"amount": 51.25}, lambda f: f["amount"] == 51.25),
        ({"count": slice(100, 200)}, lambda f: f["count"].between(100, 200)),
        ({"count": range(100, 200)}, lambda f: f["count"].between(100, 199)),
        ({"count": pd.Interval(100, 200, closed="left")}, lambda f: f["count"].between(100, 199)),
        ({"count": {"above": 100, "max": 200}}, lambda f: f["count"].between(101, 200)),
        (
            {"opened": (START, START + pd.Timedelta(days=9))},
            lambda f: f["opened"] <= START + pd.Timedelta("9D"),
        ),
        ({"opened": {"min": "2024-03-10"}}, lambda f: f["opened"] >= pd.Timestamp("2024-03-10")),
        ({"stay": {"max": pd.Timedelta("99h")}}, lambda f: f["stay"] <= pd.Timedelta("99h")),
        ({"seen": None, "city": "Graz"}, lambda f: f["seen"].isna() & (f["city"] == "Graz")),
    ],
    ids=told,
)
@pytest.mark.filterwarnings("ignore::tabdiff.errors.RareConditionWarning")
def test_every_row_meets_the_condition(quick, where, holds):
    new = quick.sample(40, where=where)
    assert signature(new) == signature(with_times(mixed_table()))
    assert len(new) == 40
    assert holds(new).all()


def test_conditions_are_the_same_in_every_container(frame_maker):
    model = brief("card").fit(frame_maker(mixed_table()))
    new = model.sample(30, where={"city": "Wien", "amount": (20, None)}, random_state=1)
    expected = brief("card").fit(mixed_table())
    same = expected.sample(30, where={"city": "Wien", "amount": (20, None)}, random_state=1)
    assert cells(new) == cells(same)


def test_a_frame_holds_one_condition_for_each_row(frame_maker):
    model = brief("card").fit(frame_maker(mixed_table()))
    asked = pd.DataFrame(
        {
            "amount": [10.5, np.nan, 99.25, np.nan],
            "card": pd.Series(["debit", "credit", None, None], dtype="str"),
            "city": pd.Series(["Graz", None, None, None], dtype="str"),
        }
    )
    new = model.sample(4, where=frame_maker(asked))
    assert signature(new) == signature(frame_maker(mixed_table()))
    rows = cells(new)
    assert [rows[0][0], rows[0][2], rows[0][3]] == [10.5, "Graz", "debit"]
    assert rows[1][3] == "credit"
    assert rows[2][0] == 99.25


def test_missing_cells_can_be_forbidden(quick):
    assert quick.sample(300)["amount"].isna().any()
    new = quick.sample(300, allow_missing=False)
    assert new.notna().all(axis=None)


@pytest.mark.parametrize(
    "where",
    [
        {"count": (300, 200)},
        {"city": []},
        {"amount": (1e6, None)},
        {"city": "Rom"},
        {"card": {"missing": True}},
    ],
    ids=str,
)
def test_impossible_conditions_are_refused(quick, where):
    with pytest.raises(ConditionError, match=next(iter(where))):
        quick.sample(5, where=where)


def test_identifiers_cannot_be_chosen():
    X = mixed_table().assign(order=[f"A-{i:04d}" for i in range(N)])
    model = brief().fit(X)
    with pytest.raises(ConditionError, match="identif"):
        model.sample(3, where={"order": {"missing": False}})


# --- the others by their law --------------------------------------------------------------------------------


def known_law(n, seed):
    """X ~ N(2 [kind = b], 1), y = x + N(0, 1/4), flag with P = .9 if x > 1 else .1; kind b in 30 %."""
    rng = np.random.default_rng(seed)
    kind = rng.random(n) < 0.3
    x = rng.normal(2.0 * kind, 1)
    y = x + rng.normal(0, 0.5, n)
    flag = rng.random(n) < np.where(x > 1, 0.9, 0.1)
    return pd.DataFrame({"kind": np.where(kind, "b", "a"), "x": x, "y": y, "flag": flag})


@pytest.fixture(scope="module")
def lawful():
    model = TableSynthesizer(random_state=0, max_steps=3000, memorisation_brake=False)
    return model.fit(known_law(4000, 0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "rule"),
    [
        ({"kind": "b"}, lambda f: f["kind"] == "b"),
        ({"flag": True}, lambda f: f["flag"]),
        ({"flag": True, "kind": "a"}, lambda f: f["flag"] & (f["kind"] == "a")),
        ({"x": (1, 2)}, lambda f: f["x"].between(1, 2)),
        ({"x": (0, 1.5), "kind": "a"}, lambda f: f["x"].between(0, 1.5) & (f["kind"] == "a")),
        ({"y": (None, -1), "flag": True}, lambda f: (f["y"] < -1) & f["flag"]),
    ],
    ids=told,
)
@pytest.mark.filterwarnings("ignore::tabdiff.errors.RareConditionWarning")
def test_the_other_cells_follow_their_conditional_law(lawful, where, rule):
    truth = known_law(1_000_000, 1)
    truth = truth[rule(truth)]
    new = lawful.sample(2000, where=where)
    for name in ("x", "y"):
        error = abs(new[name].mean() - truth[name].mean())
        assert error < 0.15 * known_law(4000, 0)[name].std(), name
        assert new[name].std() == pytest.approx(truth[name].std(), rel=0.25, abs=0.03), name
    assert new["flag"].mean() == pytest.approx(truth["flag"].mean(), abs=0.09)
    assert (new["kind"] == "b").mean() == pytest.approx((truth["kind"] == "b").mean(), abs=0.08)


@pytest.mark.slow
def test_the_class_follows_from_given_cells(lawful):
    """The target, which the model is told in training, is drawn by Bayes' law where it is not asked for."""
    model = TableSynthesizer("kind", random_state=0, max_steps=3000, memorisation_brake=False)
    model.fit(known_law(4000, 0))
    truth = known_law(1_000_000, 1)
    for low, high in ((-1, 0), (0.8, 1.2), (2, 3)):
        inside = truth["x"].between(low, high)
        new = model.sample(1500, where={"x": (low, high)})
        share = (truth["kind"][inside] == "b").mean()
        assert (new["kind"] == "b").mean() == pytest.approx(share, abs=0.08)


# --- imputation ---------------------------------------------------------------------------------------------


def test_only_missing_cells_are_filled(container):
    X = container(mixed_table())
    before = copy.deepcopy(X)
    filled = brief().fit(X).impute(X)
    assert cells(X) == cells(before)
    assert signature(filled) == signature(X)
    assert not any(cell is None for row in cells(filled) for cell in row)
    for row, full in zip(cells(X), cells(filled), strict=True):
        assert all(cell is None or cell == other for cell, other in zip(row, full, strict=True))


def test_several_draws_differ_in_filled_cells_only():
    X = mixed_table()
    first, second, third = brief().fit(X).impute(X, n_draws=3)
    holes = X["amount"].isna()
    assert (first["amount"][~holes] == second["amount"][~holes]).all()
    assert (first["amount"][holes] != second["amount"][holes]).any()
    assert not first.equals(third)


def test_cells_that_fit_has_not_seen_stay():
    X = mixed_table().drop(columns="card")
    other = X.head(6).copy()
    other.loc[0, "city"] = "Salzburg"
    other.loc[1, "amount"] = 1e6
    other.loc[2, "amount"] = np.nan
    filled = brief().fit(X).impute(other)
    assert filled["city"][0] == "Salzburg"
    assert filled["amount"][1] == 1e6
    assert filled["amount"].notna().all()


def test_a_column_that_was_complete_in_fit_can_be_filled():
    X = mixed_table()
    holed = X.assign(count=X["count"].where(X.index % 2 == 0).astype("Int64"))
    filled = brief().fit(X).impute(holed)
    assert filled["count"].dtype == "Int64"
    assert filled["count"].notna().all()
    assert filled["count"].between(X["count"].min(), X["count"].max()).all()


def test_a_complete_table_comes_back_as_it_is(container):
    X = container(mixed_table().dropna().reset_index(drop=True))
    assert cells(brief().fit(container(mixed_table())).impute(X)) == cells(X)


@pytest.mark.slow
def test_filled_cells_follow_from_the_others(lawful):
    truth = known_law(3000, 5)
    holed = truth.assign(y=np.nan)
    filled = lawful.impute(holed)
    error = filled["y"] - filled["x"]
    assert error.mean() == pytest.approx(0, abs=0.06)
    assert error.std() == pytest.approx(0.5, rel=0.2)


# --- constraints --------------------------------------------------------------------------------------------


def stays(n=400, seed=0):
    rng = np.random.default_rng(seed)
    arrival = START + pd.to_timedelta(rng.integers(0, 1000, n), unit="h")
    country = rng.integers(0, 3, n)
    return pd.DataFrame(
        {
            "arrival": arrival,
            "departure": arrival + pd.to_timedelta(rng.integers(0, 50, n), unit="h"),
            "country": np.array(["AT", "DE", "CH"])[country],
            "city": np.array([["Wien", "Graz"], ["Bonn", "Ulm"], ["Bern", "Chur"]])[
                country, rng.integers(0, 2, n)
            ],
            "price": rng.lognormal(4, 1, n).round(2),
            "tax": 0.0,
        }
    ).assign(tax=lambda f: (f["price"] * 0.2).round(2) + rng.integers(0, 9, n))


def test_stated_constraints_hold_in_every_row():
    X = stays()
    rules = (
        Inequality("arrival", "departure"),
        FixedCombinations("country", "city"),
        Positive("price"),
        Range("tax", 0, 10_000),
        Predicate(lambda frame: frame["tax"] < frame["price"] + 20, "tax below price + 20"),
    )
    new = brief(constraints=rules).fit(X).sample(500)
    assert (new["arrival"] <= new["departure"]).all()
    assert set(zip(new["country"], new["city"], strict=True)) <= set(
        zip(X["country"], X["city"], strict=True)
    )
    assert (new["price"] > 0).all()
    assert (new["tax"] < new["price"] + 20).all()
    assert signature(new) == signature(X)


def test_constraints_hold_under_conditions():
    X = stays()
    model = brief(constraints=[Inequality("arrival", "departure"), FixedCombinations("country", "city")]).fit(
        X
    )
    late = START + pd.Timedelta(hours=900)
    new = model.sample(60, where={"departure": late, "country": "DE"})
    assert (new["departure"] == late).all()
    assert (new["arrival"] <= late).all()
    assert set(new["city"]) <= {"Bonn", "Ulm"}
    with pytest.raises(ConditionError, match="arrival"):
        model.sample(3, where={"arrival": late, "departure": START})


def test_a_constraint_that_the_table_breaks_is_refused():
    with pytest.raises(ConstraintError, match="departure <= arrival"):
        brief(constraints=[Inequality("departure", "arrival")]).fit(stays())


def test_a_constraint_that_cannot_be_kept_is_named():
    X = stays()
    seen = []

    def only_real_rows(frame):
        seen.append(len(frame))
        return np.full(len(frame), len(frame) == len(X) and len(seen) == 1)

    model = brief(constraints=[Predicate(only_real_rows, "rows are real")]).fit(X)
    with pytest.raises(ConstraintError, match="rows are real"):
        model.sample(20)


def test_unique_rows_are_kept_apart():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"seat": rng.permutation(2000)[:300] * 7, "row": rng.choice(list("ABC"), 300)})
    new = brief(constraints=[Unique("seat")], schema={"seat": "numeric"}).fit(X).sample(150)
    assert new["seat"].is_unique


def test_constraints_are_suggested_and_not_imposed():
    model = brief().fit(stays())
    said = [str(one) for one in model.suggested_constraints_]
    assert "arrival <= departure" in said
    assert not model.constraints


def test_conditions_that_are_common_do_not_warn():
    model = TableSynthesizer(random_state=0, max_steps=20).fit(known_law(600, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RareConditionWarning)
        model.sample(100, where={"kind": "a", "x": (-1, 1)})


def test_lists_and_arrays_are_filled_too():
    for name in ("numpy", "list"):
        X = CONTAINERS[name](mixed_table())
        assert not any(cell is None for row in cells(brief().fit(X).impute(X)) for cell in row)
