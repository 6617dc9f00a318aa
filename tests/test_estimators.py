"""`TableSynthesizer`: what goes in comes out in kind, rows of a class on request, same rows for a seed."""

from __future__ import annotations

import copy
import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from containers import CONTAINERS, cells, mixed_table, signature, with_times
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tabdiff import TableSynthesizer
from tabdiff.errors import SchemaError

N = 100


def synthesizer(target=None, **arguments):
    """A model that trains for an instant: enough for whatever does not ask how good the rows are."""
    return TableSynthesizer(target, **{"random_state": 0, "max_steps": 2, "sampling_steps": 2} | arguments)


# --- containers -------------------------------------------------------------------------------------------


def test_same_container_names_order_and_dtypes_come_out(container):
    X = container(mixed_table())
    before = copy.deepcopy(X)
    new = synthesizer().fit(X).sample(30)
    assert signature(new) == signature(X)
    assert len(cells(new)) == 30
    assert {len(row) for row in cells(new)} == {5}
    assert signature(X) == signature(before)
    assert cells(X) == cells(before)


def test_times_come_out_in_their_own_types(frame_maker):
    X = frame_maker(with_times(mixed_table()))
    new = synthesizer().fit(X).sample(30)
    assert signature(new) == signature(X)
    opened = [row[5] for row in cells(X)]
    assert all(min(opened) <= row[5] <= max(opened) for row in cells(new))


def test_same_rows_come_from_every_container(container):
    expected = synthesizer().fit(mixed_table()).sample(20)
    assert cells(synthesizer().fit(container(mixed_table())).sample(20)) == cells(expected)


def test_no_rows_are_a_frame_too(container):
    for target in (None, 3 if container in (CONTAINERS["numpy"], CONTAINERS["list"]) else "card"):
        X = container(mixed_table())
        new = synthesizer(target).fit(X).sample(0)
        assert signature(new) == signature(X)
        assert cells(new) == []


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int16", "uint8", "bool", "object", "<U3"])
def test_array_dtypes_are_kept(dtype):
    X = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 90, (N, 2)).astype(dtype)
    new = synthesizer().fit(X).sample(10)
    assert new.dtype == X.dtype
    assert new.shape == (10, 2)


def test_values_stay_in_the_range_and_on_the_grid_of_their_column():
    X = mixed_table()
    new = synthesizer().fit(X).sample(500)
    assert new["amount"].between(X["amount"].min(), X["amount"].max())[new["amount"].notna()].all()
    assert (new["amount"].dropna() == new["amount"].dropna().round(2)).all()
    for name in ("city", "card", "night"):
        assert set(new[name].dropna()) <= set(X[name].dropna())


# --- the target -------------------------------------------------------------------------------------------


def labelled(values):
    frame = mixed_table()
    frame.insert(2, "label", values)
    return frame


CODES = np.arange(N) % 10 // 7  # 70 zeros, 30 ones


@pytest.mark.parametrize(
    "classes",
    [[0, 1], ["fine", "fraud"], [False, True], [-1.5, 2.5], pd.Categorical(["b", "a"], ["b", "a"])],
    ids=["int", "str", "bool", "float", "category"],
)
def test_rows_of_one_class_can_be_asked_for(frame_maker, classes):
    X = frame_maker(
        labelled(pd.Series(classes)[CODES].to_numpy() if isinstance(classes, list) else classes[CODES])
    )
    model = synthesizer("label").fit(X)
    assert sorted(model.classes_) == sorted(classes)
    assert dict(zip(model.classes_, model.class_counts_, strict=True)) == {classes[0]: 70, classes[1]: 30}
    for value in classes:
        new = model.sample(7, where={"label": value})
        assert signature(new) == signature(X)
        assert [row[2] for row in cells(new)] == [value] * 7


def test_a_class_is_found_by_any_equal_value():
    model = synthesizer("label").fit(labelled(CODES))
    for one in (1, 1.0, True, np.int8(1), np.float32(1)):
        assert (model.sample(5, where={"label": one})["label"] == 1).all()


@pytest.mark.parametrize("name", ["numpy", "list"])
def test_the_target_of_an_array_is_a_position(name):
    X = CONTAINERS[name](labelled(np.where(CODES, "fraud", "fine")))
    model = synthesizer(2).fit(X)
    assert model.classes_ == ["fine", "fraud"]
    new = model.sample(9, where={2: "fraud"})
    assert [row[2] for row in cells(new)] == ["fraud"] * 9


def test_classes_are_drawn_as_often_as_the_table_had_them():
    new = synthesizer("label").fit(labelled(CODES)).sample(4000)
    assert new["label"].mean() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("place", [0, 2, 5])
def test_the_target_returns_to_its_place(place):
    X = mixed_table()
    X.insert(place, "label", CODES)
    assert list(synthesizer("label").fit(X).sample(3).columns) == list(X.columns)


@pytest.mark.parametrize("target", ["amount", "opened", "stay"])
def test_a_target_of_numbers_or_times_is_learned_like_any_other_column(target):
    X = with_times(mixed_table()).dropna(subset=["amount"]).reset_index(drop=True)
    model = synthesizer(target).fit(X)
    assert model.classes_ is None
    assert model.class_counts_ is None
    assert str(model.schema_[target].kind) == "numeric"
    pd.testing.assert_frame_equal(model.sample(5), synthesizer().fit(X).sample(5))


def test_without_a_target_there_are_no_classes():
    model = synthesizer().fit(mixed_table())
    assert model.classes_ is None
    assert model.class_counts_ is None


def test_a_target_of_one_value_is_restored():
    new = synthesizer("label").fit(labelled("same")).sample(6)
    assert (new["label"] == "same").all()


def test_a_rare_class_can_be_asked_for():
    X = labelled(np.arange(N) == 17)
    new = synthesizer("label").fit(X).sample(50, where={"label": True})
    assert new["label"].all()


def test_rows_depend_on_the_class_that_is_asked_for():
    rng = np.random.default_rng(0)
    fraud = rng.random(1000) < 0.1
    X = pd.DataFrame({"x": rng.normal(np.where(fraud, 4.0, 0.0)), "fraud": fraud})
    model = synthesizer("fraud", max_steps=400, sampling_steps=16).fit(X)
    assert model.sample(500, where={"fraud": True})["x"].mean() > 2.5
    assert model.sample(500, where={"fraud": False})["x"].mean() < 0.7


# --- seeds ------------------------------------------------------------------------------------------------


def test_calls_differ_and_a_refit_repeats_them():
    model = synthesizer().fit(mixed_table())
    first, second = cells(model.sample(20)), cells(model.sample(20))
    assert first != second
    model.fit(mixed_table())
    assert cells(model.sample(20)) == first
    assert cells(model.sample(20)) == second


def test_each_call_has_its_own_place_in_the_sequence():
    """What an earlier call asked for does not change a later one."""
    model, other = synthesizer().fit(mixed_table()), synthesizer().fit(mixed_table())
    model.sample(3)
    other.sample(50)
    assert cells(model.sample(20)) == cells(other.sample(20))


def test_a_seed_of_its_own_repeats_one_call():
    model = synthesizer().fit(mixed_table())
    expected = cells(model.sample(20, random_state=7))
    following = cells(synthesizer().fit(mixed_table()).sample(20))
    assert cells(model.sample(20, random_state=7)) == expected
    assert cells(model.sample(20, random_state=8)) != expected
    # and leaves the sequence of calls as it was
    assert cells(model.sample(20)) == following


@pytest.mark.parametrize(
    "make",
    [lambda: 3, lambda: np.int64(3), lambda: np.random.RandomState(3), lambda: np.random.default_rng(3)],
    ids=["int", "int64", "RandomState", "Generator"],
)
def test_every_kind_of_random_state_repeats(make):
    first = synthesizer(random_state=make()).fit(mixed_table())
    second = synthesizer(random_state=make()).fit(mixed_table())
    assert cells(first.sample(10)) == cells(second.sample(10))
    assert cells(first.sample(10, random_state=make())) == cells(second.sample(10, random_state=make()))


def test_a_seed_sequence_is_not_used_up():
    seed = np.random.SeedSequence(5)
    expected = cells(synthesizer(random_state=seed).fit(mixed_table()).sample(10))
    assert cells(synthesizer(random_state=seed).fit(mixed_table()).sample(10)) == expected
    assert seed.n_children_spawned == 0


def test_a_generator_moves_on():
    rng = np.random.default_rng(0)
    model = synthesizer(random_state=rng)
    assert cells(model.fit(mixed_table()).sample(10)) != cells(model.fit(mixed_table()).sample(10))


def test_without_a_seed_two_models_differ():
    first, second = (synthesizer(random_state=None).fit(mixed_table()).sample(20) for _ in range(2))
    assert cells(first) != cells(second)


# --- shapes of tables -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [["amount"], ["city"], ["night"], ["amount", "count"], ["city", "card", "night"], ["amount", "card"]],
    ids="-".join,
)
def test_tables_of_one_kind_or_of_few_columns(columns):
    X = mixed_table()[columns]
    new = synthesizer().fit(X).sample(20)
    assert signature(new) == signature(X)
    assert len(new) == 20


def test_a_target_beside_one_column():
    X = mixed_table()[["count", "card"]]
    new = synthesizer("card").fit(X).sample(5, where={"card": "debit"})
    assert (new["card"] == "debit").all()
    assert signature(new) == signature(X)


def constant_table(n_rows=N):
    return pd.DataFrame(
        {
            "pi": 3.14,
            "n": np.full(n_rows, 7, dtype=np.int16),
            "place": "Wien",
            "ok": True,
            "day": pd.Timestamp("2024-02-29"),
        }
    )


def test_a_table_of_constants_is_restored(frame_maker):
    X = frame_maker(constant_table())
    model = synthesizer().fit(X)
    new = model.sample(4)
    assert signature(new) == signature(X)
    assert cells(new) == cells(X)[:4]
    assert model.history_.n_steps == 0


def test_constant_columns_beside_others_are_restored():
    X = pd.concat([constant_table(), mixed_table()], axis=1)
    model = synthesizer("card").fit(X)
    new = model.sample(50)
    assert cells(new[["pi", "n", "place", "ok", "day"]]) == cells(constant_table(50))


def test_constants_beside_a_target():
    X = constant_table().assign(label=CODES)
    new = synthesizer("label").fit(X).sample(6, where={"label": 1})
    assert cells(new) == cells(X[X["label"] == 1])[:6]


def test_one_row_is_repeated():
    X = mixed_table().iloc[1:2].reset_index(drop=True)
    assert cells(synthesizer().fit(X).sample(3)) == cells(X) * 3


def test_a_thousand_binary_columns():
    X = (np.random.default_rng(0).random((300, 1000)) < 0.2).astype(np.int8)
    new = synthesizer().fit(X).sample(50)
    assert new.shape == (50, 1000)
    assert new.dtype == np.int8
    assert set(np.unique(new)) <= {0, 1}


def test_a_category_of_five_thousand_levels():
    X = pd.DataFrame({"zip": [f"{i:05d}" for i in range(5000)] * 2, "x": np.arange(10_000) % 97})
    new = synthesizer(max_steps=5).fit(X).sample(300)
    assert set(new["zip"]) <= set(X["zip"])
    assert new["zip"].nunique() > 100


# --- missing values ---------------------------------------------------------------------------------------


def test_missing_values_come_out_only_where_the_table_had_them():
    new = synthesizer().fit(with_times(mixed_table())).sample(500)
    assert not new[["count", "card", "night", "opened", "stay"]].isna().any(axis=None)


def test_missing_values_come_out_about_as_often_as_they_went_in(frame_maker):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=600), "kind": pd.Series(rng.choice(["a", "b"], 600), dtype="str")})
    X.loc[rng.random(600) < 0.3, "x"] = np.nan
    X.loc[rng.random(600) < 0.1, "kind"] = None
    new = synthesizer(max_steps=150, sampling_steps=8).fit(frame_maker(X)).sample(2000)
    rows = cells(new)
    assert np.mean([row[0] is None for row in rows]) == pytest.approx(X["x"].isna().mean(), abs=0.08)
    assert np.mean([row[1] is None for row in rows]) == pytest.approx(X["kind"].isna().mean(), abs=0.08)


# --- as an estimator --------------------------------------------------------------------------------------


def test_kinds_can_be_overridden():
    X = mixed_table().assign(grade=np.arange(N) % 3)
    inferred = synthesizer().fit(X).schema_
    assert (str(inferred["grade"].kind), str(inferred["count"].kind)) == ("categorical", "numeric")
    model = synthesizer(schema={"grade": "numeric", "count": "categorical"}).fit(X)
    assert (str(model.schema_["grade"].kind), str(model.schema_["count"].kind)) == ("numeric", "categorical")
    assert set(model.sample(50)["count"]) <= set(X["count"])


def test_the_kind_of_the_target_can_be_overridden():
    X = mixed_table().assign(grade=np.arange(N) % 3)
    assert synthesizer("grade").fit(X).classes_ == [0, 1, 2]
    assert synthesizer("grade", schema={"grade": "numeric"}).fit(X).classes_ is None
    by_count = synthesizer("count", schema={"count": "categorical"}).fit(X)
    assert by_count.classes_ == sorted(set(X["count"]))


def test_names_are_remembered_as_scikit_learn_does(frame_maker):
    model = synthesizer("card").fit(frame_maker(mixed_table()))
    assert model.n_features_in_ == 5
    assert model.feature_names_in_.dtype == object
    assert model.feature_names_in_.tolist() == ["amount", "count", "city", "card", "night"]
    model.set_params(target=None).fit(np.zeros((N, 2)) + np.arange(N)[:, None])
    assert model.n_features_in_ == 2
    assert not hasattr(model, "feature_names_in_")


def test_the_schema_prints_as_a_table():
    lines = str(synthesizer("card").fit(mixed_table()).schema_).splitlines()
    assert len(lines) == 6
    assert lines[1].split() == ["amount", "numeric", "float", "yes"]


def test_parameters_can_be_read_set_and_cloned():
    model = synthesizer("card", schema={"count": "categorical"})
    assert model.get_params()["target"] == "card"
    cloned = clone(model.fit(mixed_table()))
    assert cloned.get_params() == model.get_params()
    assert not hasattr(cloned, "schema_")
    assert cells(cloned.fit(mixed_table()).sample(9)) == cells(model.sample(9))
    assert model.set_params(target=None).target is None


def test_a_pickle_goes_on_where_the_model_was():
    model = synthesizer("card").fit(with_times(mixed_table()))
    model.sample(5)
    loaded = pickle.loads(pickle.dumps(model))
    assert cells(loaded.sample(10)) == cells(model.sample(10))
    assert cells(loaded.sample(3, where={"card": "debit"})) == cells(model.sample(3, where={"card": "debit"}))


def test_no_row_of_the_table_is_kept():
    """Ten times the same rows make no larger a model: it holds values and weights, and no rows."""
    once = labelled(CODES)
    sizes = [
        len(pickle.dumps(synthesizer("label").fit(pd.concat([once] * times, ignore_index=True))))
        for times in (5, 40)
    ]
    assert sizes[1] < sizes[0] + 500


def test_an_unfitted_model_says_so():
    with pytest.raises(NotFittedError, match="TableSynthesizer instance is not fitted yet"):
        synthesizer().sample(1)


def test_a_failed_fit_leaves_the_model_as_it_was():
    model = synthesizer().fit(mixed_table())
    as_it_was = copy.deepcopy(model)
    with pytest.raises(ValueError, match="infinite"):
        model.fit(mixed_table().assign(amount=np.inf))
    assert cells(model.sample(5)) == cells(as_it_was.sample(5))


@pytest.mark.parametrize(
    "arguments", [{"guidance_weight": 2.0}, {"method": "tabddpm"}, {"device": "cpu"}], ids=str
)
def test_other_ways_to_draw_run(arguments):
    model = synthesizer("card", **arguments).fit(mixed_table())
    assert Counter(model.sample(8, where={"card": "credit"})["card"]) == {"credit": 8}


def test_a_time_budget_ends_training():
    model = synthesizer(max_steps=1_000_000, max_seconds=0.3).fit(mixed_table())
    assert model.history_.stopped_by == "seconds"
    assert model.history_.seconds < 5


def test_progress_is_shown_only_when_asked_for(capsys):
    synthesizer().fit(mixed_table()).sample(10)
    assert capsys.readouterr() == ("", "")
    model = synthesizer(verbose=True).fit(mixed_table())
    out, err = capsys.readouterr()
    assert out == ""
    assert "learning" in err
    model.sample(10)
    out, err = capsys.readouterr()
    assert out == ""
    assert "10/10" in err
    model.sample(0)
    assert capsys.readouterr() == ("", "")


# torch's compiler warns of its own use of torch.jit
@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")
@pytest.mark.slow
def test_compiled_training_gives_nearly_the_same_model():
    table = np.random.default_rng(0).normal(size=(600, 3))
    losses = [
        TableSynthesizer(random_state=0, max_steps=100, compile=compiled).fit(table).history_.loss[-1]
        for compiled in (False, True)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


# --- scores -----------------------------------------------------------------------------------------------


def target_in(make):
    return 3 if make in (CONTAINERS["numpy"], CONTAINERS["list"]) else "card"


def test_scores_are_the_same_in_every_container(container):
    expected = synthesizer("card").fit(mixed_table()).score_samples(mixed_table())
    X = container(mixed_table())
    before = copy.deepcopy(X)
    scores = synthesizer(target_in(container)).fit(X).score_samples(X)
    assert scores.shape == (N,) and scores.dtype == np.float64
    assert np.array_equal(scores, expected)
    assert cells(X) == cells(before)


@pytest.mark.parametrize("target", [None, "card"])
def test_a_row_scores_the_same_in_any_company_and_order(target):
    X = with_times(mixed_table(600))
    model = synthesizer(target).fit(X)
    scores = model.score_samples(X)
    order = np.random.default_rng(0).permutation(600)
    assert np.array_equal(model.score_samples(X.iloc[order]), scores[order])
    parts = [model.score_samples(X.iloc[rows]) for rows in np.split(order, [1, 90, 500])]
    assert np.array_equal(np.concatenate(parts), scores[order])
    assert len(np.unique(scores)) == 600


def test_scoring_leaves_the_model_and_its_draws_as_they_were():
    model, other = (synthesizer("card").fit(mixed_table()) for _ in range(2))
    before = set(vars(model))
    model.score_samples(mixed_table(seed=1).head(7).assign(amount=1.5))
    assert set(vars(model)) == before
    assert cells(model.sample(9)) == cells(other.sample(9))


def test_likely_rows_score_above_unlikely_ones():
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    X = pd.DataFrame({"x": x, "y": x + 0.2 * rng.normal(size=600), "level": np.where(x > 0, "up", "down")})
    model = TableSynthesizer(random_state=0, max_steps=300).fit(X)
    crossed, mislabelled = X.assign(y=-X["y"]), X.assign(level=X["level"].to_numpy()[np.argsort(-x)])
    flipped = X.assign(level=np.where(x > 0, "down", "up"))
    likely = model.score_samples(X)
    far = np.abs(x) > 0.5
    assert (likely > model.score_samples(crossed))[far].mean() > 0.97
    assert (likely > model.score_samples(flipped))[far].mean() > 0.97
    assert likely.mean() > model.score_samples(mislabelled).mean()


def test_rows_score_by_the_law_of_their_class():
    rng = np.random.default_rng(0)
    side = np.repeat(["left", "right"], 300)
    X = pd.DataFrame({"x": np.where(side == "left", -2, 2) + rng.normal(size=600), "side": side})
    model = TableSynthesizer("side", random_state=0, max_steps=300).fit(X)
    swapped = X.assign(side=side[::-1])
    own, other = model.score_samples(X), model.score_samples(swapped)
    assert (own > other).mean() > 0.8
    assert (own > other)[X["x"].abs() > 1.5].mean() > 0.97


def test_rows_may_come_in_another_container_than_fit():
    model = synthesizer("card").fit(mixed_table())
    assert np.array_equal(
        model.score_samples(CONTAINERS["polars"](mixed_table())), model.score_samples(mixed_table())
    )


def test_a_table_of_constants_scores_zero():
    X = pd.DataFrame({"a": [1.0] * 9, "b": ["x"] * 9})
    assert synthesizer().fit(X).score_samples(X).tolist() == [0.0] * 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X[["count", "amount", "city", "card", "night"]], "must be in the same order"),
        (lambda X: X.drop(columns="night"), "now missing:\n- night"),
        (lambda X: X.drop(columns="card"), "now missing:\n- card"),
        (lambda X: X.assign(age=1), "unseen at fit time:\n- age"),
        (lambda X: X.assign(amount="much"), "column 'amount' holds label cells"),
    ],
    ids=["order", "column", "no target", "new", "type"],
)
def test_rows_that_are_not_of_the_table_are_refused(change, message):
    model = synthesizer("card").fit(mixed_table())
    with pytest.raises(SchemaError, match=message):
        model.score_samples(change(mixed_table()))


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X.assign(city=X["city"].where(X.index > 3, "Rome")),
        lambda X: X.assign(card=X["card"].astype(object).where(X.index > 3, "cash")),
        lambda X: X.assign(card=X["card"].where(X.index > 3)),
        lambda X: X.assign(count=X["count"].where(X.index > 3)),
    ],
    ids=["level", "class", "missing class", "missing number"],
)
def test_rows_that_the_model_cannot_make_score_minus_infinity(change):
    X = mixed_table()
    model = synthesizer("card").fit(X)
    scores, changed = model.score_samples(X), model.score_samples(change(X))
    assert np.isneginf(changed[:4]).all()
    np.testing.assert_array_equal(changed[4:], scores[4:])


def test_an_unfitted_model_scores_nothing():
    with pytest.raises(NotFittedError):
        synthesizer().score_samples(mixed_table())
