"""`SeriesSynthesizer.update`: new series are learned, old ones remembered, and failures leave no trace."""

import copy

import numpy as np
import pandas as pd
import pytest
from containers import cells, signature

from tabdiff import SeriesSynthesizer
from tabdiff.errors import InputError, SchemaError

HOUR = pd.Timedelta(hours=1)


def brief(*roles, **arguments):
    return SeriesSynthesizer(*roles, **{"random_state": 0, "max_steps": 3, "sampling_steps": 2} | arguments)


def stays(n=24, seed=0, first=0, **columns):
    """1 to 6 steps each at irregular times, or, told so by `columns`, with other cells."""
    rng = np.random.default_rng(seed)
    lengths = np.append(rng.integers(1, 7, n - 2), [1, 6])
    who = np.repeat(np.arange(n), lengths)
    n_rows = len(who)
    seconds = np.concatenate([np.sort(rng.choice(86_400 * 60, k, replace=False)) for k in lengths])
    frame = pd.DataFrame(
        {
            "who": pd.Series([f"c{first + i:03d}" for i in who], dtype="str"),
            "at": pd.to_datetime(1_704_067_200 + seconds, unit="s").astype("M8[s]"),
            "ward": pd.Series(np.array(["a", "b"])[who % 2], dtype="str"),
            "kind": pd.Series(rng.choice(["x", "y"], n_rows), dtype="str"),
            "pulse": rng.normal(70, 8, n_rows).round(1),
            "same": 3,
        }
    )
    return frame.assign(**columns)


def readings(n=6, seed=0, step=HOUR, first=0):
    """10 to 20 readings on a regular grid."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(10, 21, n)
    site = np.repeat(np.arange(n), lengths)
    place = np.concatenate([np.arange(length) for length in lengths])
    starts = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(30, size=n), unit="D")
    return pd.DataFrame(
        {"site": first + site, "at": starts[site] + step * place, "level": rng.normal(size=len(site))}
    )


def test_the_model_stays_one_of_the_same_frame(frame_maker):
    frame, more = frame_maker(stays()), frame_maker(stays(8, 1, first=500))
    model = brief("who", "at", ["ward"]).fit(frame)
    before = cells(more)
    assert model.update(more) is model
    assert cells(more) == before
    assert (model.n_series_, model.n_samples_seen_) == (32, len(cells(frame)) + len(before))
    for drawn in (model.sample(4), model.forecast(more, 2), model.impute(more)):
        assert signature(drawn) == signature(frame)


def test_levels_ranges_and_names_grow():
    model = brief("who", "at", ["ward"], sampling_steps=4).fit(stays())
    more = stays(24, 1, first=500, ward="c", kind="z", pulse=lambda told: told["pulse"] + 300, same=4)
    drawn = model.update(more).sample(300, random_state=0)
    assert set(drawn["ward"]) == {"a", "b", "c"}
    assert set(drawn["kind"]) == {"x", "y", "z"}
    assert drawn["pulse"].min() < 100
    assert drawn["pulse"].max() > 350
    assert set(drawn["same"]) == {3, 4}
    known = {*stays()["who"], *more["who"]}
    assert not known & set(drawn["who"])
    assert (drawn.groupby("who")["ward"].nunique() == 1).all()
    shares = drawn.groupby("who")["ward"].first().value_counts(normalize=True)
    assert 0.2 < shares["c"] < 0.8
    assert set(model.sample(5, where={"ward": "c"})["ward"]) == {"c"}


def test_missing_cells_may_appear_and_empty_columns_fill():
    model = brief("who", "at", ["ward"]).fit(stays(none=np.nan))
    assert str(model.schema_["none"].kind) == "empty"
    assert not model.schema_["pulse"].has_missing
    more = stays(24, 1, first=500, none=lambda told: np.arange(len(told)) / 2)
    more.loc[::2, "pulse"] = np.nan
    drawn = model.update(more).sample(100)
    assert model.schema_["pulse"].has_missing
    assert str(model.schema_["none"].kind) == "numeric"
    assert 0 < drawn["pulse"].isna().mean() < 0.7
    assert 0 < drawn["none"].isna().mean() < 1


def test_a_regular_grid_goes_on():
    model = brief("site", "at", window=8).fit(readings())
    model.update(readings(3, 1, first=100))
    drawn = model.sample(8)
    assert (drawn.groupby("site")["at"].diff().dropna() == HOUR).all()
    assert drawn["site"].min() == 103
    assert (model.forecast(readings(3, 1), 3).groupby("site")["at"].diff().dropna() == HOUR).all()


def test_a_single_series_goes_on_and_keeps_its_start():
    frame = readings(1)[["at", "level"]]
    model = brief(None, "at", window=6).fit(frame)
    end = frame["at"].iloc[-1] + HOUR
    later = pd.DataFrame({"at": end + HOUR * np.arange(9), "level": np.arange(9) + 50.0})
    model.update(later)
    assert (model.n_series_, model.n_samples_seen_) == (1, len(frame) + 9)
    assert model.sample(30)["at"].tolist() == [frame["at"][0] + HOUR * step for step in range(30)]
    assert model.sample(200)["level"].max() > 50


def test_steps_that_held_nothing_to_learn_can_begin_to():
    model = brief("site", "at").fit(readings()[["site", "at"]].assign(state="on"))
    assert model._panel.sequences is None
    model.update(readings(6, 1, first=100)[["site", "at"]].assign(state="off"))
    assert set(model.sample(40)["state"]) == {"on", "off"}


def test_without_times_steps_come_in_their_order():
    columns = ["who", "ward", "kind"]
    model = brief("who", context=["ward"]).fit(stays()[columns])
    assert list(model.update(stays(5, 1)[columns]).sample(3)) == columns


def test_classes_of_events_grow_and_can_be_asked_for():
    def flagged(frame, value):
        rare = frame.groupby("who").head(1).index[::4]
        return frame.assign(event=np.where(frame.index.isin(rare), value, "none"))

    model = brief("who", "at", target="event", max_steps=30).fit(flagged(stays(40), "theft"))
    assert model.classes_ == ["none", "theft"]
    model.update(flagged(stays(40, 1, first=500), "fire"))
    assert set(model.classes_) == {"none", "theft", "fire"}
    for value in model.classes_:
        drawn = model.sample(12, where={"event": value}, random_state=0)
        rarest = drawn.groupby("who")["event"].agg(lambda told: (set(told) - {"none"} or {"none"}).pop())
        assert (rarest == value).mean() > 0.6, value


def test_the_same_seed_gives_the_same_update():
    models = [brief("who", "at", ["ward"]).fit(stays()).update(stays(9, 1)) for _ in range(2)]
    first, second = (cells(model.sample(6)) for model in models)
    assert first == second


def test_an_updated_model_is_saved_without_rare_labels(tmp_path):
    kinds = pd.CategoricalDtype(["x", "y", "z", "SECRET", "HIDDEN"])

    def typed(frame, rare):
        kind = frame["kind"].mask(frame.index == 3, rare)
        return frame.assign(kind=kind.astype(kinds))

    model = brief("who", "at", ["ward"]).fit(typed(stays(), "SECRET"))
    more = typed(stays(24, 1, first=500, kind="z"), "HIDDEN")
    more.loc[::3, "pulse"] = np.nan
    model.update(more).save(tmp_path / "m")
    written = (tmp_path / "m" / "model.json").read_text()
    assert not [label for label in ("SECRET", "HIDDEN", "c003", "c503") if label in written]
    loaded = SeriesSynthesizer.load(tmp_path / "m", device="cpu")
    assert loaded.schema_ == model.schema_
    assert (loaded.n_series_, loaded.n_samples_seen_) == (48, model.n_samples_seen_)
    assert cells(loaded.sample(20)) == cells(model.sample(20))
    loaded.update(more)
    assert "z" in set(loaded.sample(60)["kind"])


REFUSED = {
    "columns": (lambda told: told.drop(columns="level"), SchemaError, "yet now missing:\n- level"),
    "cells": (lambda told: told.assign(level="high"), SchemaError, "'level' holds label cells"),
    "infinite": (lambda told: told.assign(level=np.inf), SchemaError, "'level' holds .* infinite"),
    "step": (lambda told: readings(step=2 * HOUR), InputError, "regular grid, 1:00:00 apart"),
    "hole": (lambda told: told.drop(index=4), InputError, "regular grid, 1:00:00 apart"),
    "entities": (
        lambda told: told.assign(site=told["site"].mask(told.index == 4)),
        InputError,
        "'site' is missing in 1",
    ),
    "context": (lambda told: told.assign(roof=told.index % 2), InputError, "context column 'roof' is"),
}


def test_a_failed_update_leaves_the_model_as_it_was():
    frame = readings().assign(roof=lambda told: told["site"] % 2)
    model = brief("site", "at", ["roof"], window=8).fit(frame)
    as_it_was = copy.deepcopy(model)
    for change, error, message in REFUSED.values():
        wrong = change(frame)
        if "roof" not in wrong:
            wrong = wrong.assign(roof=1)
        with pytest.raises(error, match=message):
            model.update(wrong)
    assert model.n_samples_seen_ == len(frame)
    assert cells(model.sample(5)) == cells(as_it_was.sample(5))


def test_training_that_is_ended_by_an_error_leaves_the_model_as_it_was():
    def stop(progress):
        raise KeyboardInterrupt

    model = brief("who", "at", ["ward"]).fit(stays())
    as_it_was = copy.deepcopy(model)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(callbacks=[stop]).update(stays(9, 1, ward="c"))
    assert model.schema_ == as_it_was.schema_
    assert cells(model.sample(5)) == cells(as_it_was.sample(5))


def paced(pace, n=150, length=8, seed=0):
    """Series a b a b ..., or a a b b ... if slow, from a phase of their own."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), length)
    place = np.tile(np.arange(length), n) + rng.integers(4, size=n)[who]
    state = (place // 2 if pace == "slow" else place) % 2
    return pd.DataFrame({"who": who, "pace": pace, "state": np.array(["a", "b"])[state]})


def right_steps(frame, pace):
    """Share of the steps that differ from the one before, or in slow series from the one before that."""
    before = frame.groupby("who")["state"].shift(1 if pace == "fast" else 2)
    return (frame["state"] != before)[before.notna()].mean()


def test_new_series_are_learned_and_old_ones_remembered():
    assert right_steps(paced("fast"), "fast") == right_steps(paced("slow"), "slow") == 1
    model = brief("who", context=["pace"], max_steps=60, sampling_steps=12).fit(paced("fast"))
    model.update(paced("slow", 75))
    drawn = model.sample(200)
    assert 0.15 < (drawn["pace"] == "slow").mean() < 0.55  # a third of all
    for pace in ("fast", "slow"):
        assert right_steps(model.sample(60, where={"pace": pace}), pace) > 0.8  # of shuffled ones 0.5
