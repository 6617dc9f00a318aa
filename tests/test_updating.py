"""`update`: new rows are learned, new levels and ranges can be drawn, and the old law is not forgotten."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import polars as pl
import pytest
from containers import cells as cells_of
from containers import mixed_table, signature, with_times

from tabdiff import TableSynthesizer
from tabdiff.encoding.steady import moved
from tabdiff.errors import InputError, SchemaError


def brief(target=None, **arguments):
    return TableSynthesizer(target, **{"random_state": 0, "max_steps": 3, "sampling_steps": 2} | arguments)


def test_the_model_stays_one_of_the_same_frame(frame_maker):
    X = frame_maker(with_times(mixed_table()))
    model = brief("card").fit(X)
    before = copy.deepcopy(X)
    assert model.update(X) is model
    assert cells_of(X) == cells_of(before)
    assert signature(model.sample(20)) == signature(X)
    assert model.n_samples_seen_ == 200
    assert model.class_counts_.sum() == 200


def test_levels_classes_and_ranges_grow():
    X = mixed_table().astype({"card": "str"})
    new = X.assign(
        city="Salzburg", count=np.arange(100) * 100, card=np.where(X.index % 2, "debit", "prepaid")
    )
    model = brief("card").fit(X).update(new)
    assert model.classes_ == ["credit", "debit", "prepaid"]
    assert model.class_counts_.sum() == 200
    rows = model.sample(2000)
    assert "Salzburg" in set(rows["city"])
    assert {"Graz", "Linz", "Wien"} <= set(rows["city"])
    assert rows["count"].max() > 5000
    assert (model.sample(10, where={"card": "prepaid", "city": "Salzburg"})["card"] == "prepaid").all()


def test_missing_cells_may_appear(frame_maker):
    X = mixed_table()
    new = X.assign(count=X["count"].where(X.index % 2 == 0).astype("Int64"))
    model = brief().fit(frame_maker(X)).update(frame_maker(new))
    assert model.schema_["count"].has_missing
    drawn = [row[1] for row in cells_of(model.sample(500))]
    assert None in drawn
    assert {float(cell) for cell in drawn if cell is not None} <= set(np.arange(501.0))


def test_a_table_of_constants_can_begin_to_vary():
    X = pd.DataFrame({"a": np.ones(60), "b": ["x"] * 60})
    model = brief().fit(X).update(pd.DataFrame({"a": np.arange(60.0), "b": ["x", "y"] * 30}))
    rows = model.sample(400)
    assert set(rows["b"]) == {"x", "y"}
    assert rows["a"].nunique() > 10


@pytest.mark.parametrize("cells", [["u", "v"], [1.5, 2.5], [True, False]], ids=str)
def test_an_empty_column_can_begin_to_hold_values(frame_maker, cells):
    X = pd.DataFrame({"a": np.arange(60.0), "later": [None] * 60})
    new = X.assign(later=cells * 30)
    model = brief().fit(frame_maker(X)).update(frame_maker(new))
    assert str(model.schema_["later"].kind) != "empty"
    rows = model.sample(300)
    assert {row[1] for row in cells_of(rows)} == {None, *cells}


def test_the_same_seed_gives_the_same_update():
    first, second = (brief("card").fit(mixed_table()).update(mixed_table(seed=1)) for _ in range(2))
    assert cells_of(first.sample(20)) == cells_of(second.sample(20))


def test_a_failed_update_leaves_the_model_as_it_was():
    X = mixed_table()
    model = brief("card").fit(X)
    as_it_was = copy.deepcopy(model)
    for wrong, error in (
        (X.drop(columns="night"), SchemaError),
        (X.assign(night="often"), SchemaError),
        (X.assign(amount=np.inf), SchemaError),
        (X.assign(card=None), InputError),
    ):
        with pytest.raises(error):
            model.update(wrong)
    assert cells_of(model.sample(5, random_state=1)) == cells_of(as_it_was.sample(5, random_state=1))
    assert model.n_samples_seen_ == 100


def test_a_column_that_follows_from_another_grows_with_it(frame_maker):
    """New places come with new codes: the look-up learns the pairs, and contradictions are still refused."""
    X = mixed_table(400).drop(columns="amount").dropna().reset_index(drop=True)
    X["code"] = X["city"].map({"Graz": 8010, "Linz": 4020, "Wien": 1010})
    assert "city" in brief().fit(X).schema_["code"].relation
    new = X.assign(city=np.where(X.index % 2, "Wels", "Wien"), code=np.where(X.index % 2, 4600, 1010))
    model = brief().fit(frame_maker(X)).update(frame_maker(new))
    pairs = {(row[1], row[4]) for row in cells_of(model.sample(2000))}
    assert pairs == {("Graz", 8010), ("Linz", 4020), ("Wien", 1010), ("Wels", 4600)}
    assert {row[1] for row in cells_of(model.sample(20, where={"code": 4600}))} == {"Wels"}
    with pytest.raises(SchemaError, match="code follows from city"):
        model.update(frame_maker(new.assign(code=np.arange(len(new)))))


def test_a_broken_identity_is_named():
    X = mixed_table(400).assign(again=lambda f: f["count"])
    model = brief().fit(X)
    assert "count" in model.schema_["again"].relation
    with pytest.raises(SchemaError, match="again"):
        model.update(X.assign(again=X["count"] + np.arange(400) % 2))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_an_updated_model_is_saved_without_rare_labels(library, tmp_path):
    """One label of one row in the first table and one in the update: neither is in a file, nor drawn."""
    rng = np.random.default_rng(0)

    def typed(rare, n=300):
        place = rng.choice(["Graz", "Linz", "Wien"], n).astype(object)
        place[17] = rare
        amount = pd.Series(rng.normal(100, 20, n)).mask((np.arange(n) % 5 == 0) & (rare == "Zwettl-late"))
        if library == "pandas":
            return pd.DataFrame({"place": pd.Categorical(place), "amount": amount})
        kind = pl.Enum(sorted(set(place)))
        return pl.DataFrame({"place": pl.Series(place.tolist(), dtype=kind), "amount": amount.to_numpy()})

    model = brief().fit(typed("Zwettl-early")).update(typed("Zwettl-late"))
    model.save(tmp_path / "model")
    stored = b"".join(path.read_bytes() for path in sorted((tmp_path / "model").iterdir()))
    assert b"Graz" in stored and b"Zwettl" not in stored
    rows = cells_of(TableSynthesizer.load(tmp_path / "model").sample(500))
    assert {row[0] for row in rows} == {"Graz", "Linz", "Wien"}


@pytest.mark.parametrize("same", [True, False])
def test_numbers_of_the_same_law_do_not_move_what_the_model_has_learned(same):
    """The codes of old cells stay the same, unless the new cells are all beyond them."""
    X = mixed_table(400)
    model = brief().fit(X)
    before = model._table.encoder
    model.update(mixed_table(200, seed=1).assign(amount=lambda f: f["amount"] + (0 if same else 1e6)))
    assert (moved(before, model._table.encoder) < 0.01) == same


def shifted(n, seed, centre, name):
    """X around a centre that depends on the group; y = x + noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(centre, 1, n)
    return pd.DataFrame({"group": name, "x": x, "y": x + rng.normal(0, 0.5, n)})


@pytest.mark.slow
def test_new_rows_are_learned_and_old_ones_remembered():
    old = pd.concat([shifted(1500, 0, 0, "a"), shifted(1500, 1, 4, "b")], ignore_index=True)
    new = shifted(1500, 2, -5, "c")
    model = TableSynthesizer(random_state=0, memorisation_brake=False).fit(old)
    model.update(new)
    rows = model.sample(6000)
    shares = rows["group"].value_counts(normalize=True).to_dict()
    assert shares == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, abs=0.04)
    for name, centre in (("a", 0), ("b", 4), ("c", -5)):
        group = rows[rows["group"] == name]
        assert group["x"].mean() == pytest.approx(centre, abs=0.25)
        assert group["x"].std() == pytest.approx(1, rel=0.25)
        assert np.corrcoef(group["x"], group["y"])[0, 1] > 0.75
