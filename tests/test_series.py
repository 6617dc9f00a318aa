"""`SeriesSynthesizer`: frames of series in, frames of series out, as the classes of rows do it."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from containers import cells, signature
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tabdiff import SeriesSynthesizer
from tabdiff.constraints import FixedCombinations, Inequality, Positive, Range, Unique
from tabdiff.errors import ConditionError, ConstraintError, InputError, SchemaError, StorageError

QUICK = {"random_state": 0, "max_steps": 20, "sampling_steps": 4}
HOUR = pd.Timedelta(hours=1)


def visits(n=30, seed=0):
    """1 to 8 visits each at times of their own; numbers, labels and flags, some of them missing."""
    rng = np.random.default_rng(seed)
    lengths = np.append(rng.integers(1, 9, n - 2), [1, 8])
    who = np.repeat(np.arange(n), lengths)
    n_rows = len(who)
    seconds = np.concatenate([np.sort(rng.choice(86_400 * 60, k, replace=False)) for k in lengths])
    frame = pd.DataFrame(
        {
            "who": pd.Series([f"c{i:03d}" for i in who], dtype="str"),
            "at": pd.to_datetime(1_704_067_200 + seconds, unit="s").astype("M8[s]"),
            "ward": pd.Series(np.array(["a", "b"])[who % 2], dtype="str"),
            "age": rng.integers(20, 90, n)[who],
            "kind": pd.Series(rng.choice(["x", "y", "z"], n_rows), dtype="str"),
            "pulse": rng.normal(70, 8, n_rows).round(1),
            "flag": rng.random(n_rows) < 0.3,
            "same": 3,
            "none": np.full(n_rows, np.nan),
            "ticket": pd.Series([f"T{i:05d}" for i in range(n_rows)], dtype="str"),
        }
    )
    frame.loc[rng.random(n_rows) < 0.3, "pulse"] = np.nan
    frame.loc[rng.random(n_rows) < 0.2, "kind"] = None
    return frame


def readings(n=12, seed=0):
    """20 to 50 hourly readings of each site from a midnight of its own."""
    rng = np.random.default_rng(seed)
    parts = []
    for i, length in enumerate(np.append(rng.integers(20, 51, n - 2), [20, 50])):
        start = pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(rng.integers(30)))
        parts.append(
            pd.DataFrame(
                {
                    "site": i,
                    "at": start + HOUR * np.arange(length),
                    "roof": "ab"[i % 2],
                    "level": rng.normal(size=length).cumsum(),
                    "state": rng.choice(["on", "off"], length),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def synthesizer(*roles, **arguments):
    return SeriesSynthesizer(*roles, **QUICK | arguments)


def short_of(frame, names):
    """Some columns of a frame of any library."""
    return frame[names] if isinstance(frame, pd.DataFrame) else frame.select(names)


def scattered(frame, seed=1):
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.fixture(scope="module")
def short():
    return synthesizer("who", "at", ["ward", "age"]).fit(scattered(visits()))


@pytest.fixture(scope="module")
def long():
    return synthesizer("site", "at", ["roof"], window=8).fit(readings())


@pytest.fixture(scope="module")
def single():
    frame = readings(2).query("site == 1")[["at", "level", "state"]].reset_index(drop=True)
    return frame, synthesizer(None, "at", window=8).fit(frame)


# --- new series ---------------------------------------------------------------------------------------------


def test_every_kind_of_frame_comes_back_with_its_dtypes(frame_maker):
    frame = frame_maker(visits())
    before = cells(frame)
    model = synthesizer("who", "at", ["ward", "age"], max_steps=3).fit(frame)
    assert (model.n_series_, model.n_samples_seen_, model.n_features_in_) == (30, len(before), 10)
    assert model.feature_names_in_.tolist() == list(visits())
    for drawn in (model.sample(5), model.sample(0), model.forecast(frame, 2), model.impute(frame)):
        assert signature(drawn) == signature(frame)
    assert cells(frame) == before


def test_entities_are_new_and_unique_and_keep_their_context(short):
    drawn, fitted = short.sample(40, random_state=1), visits()
    starts = (drawn["who"] != drawn["who"].shift()).sum()
    assert starts == drawn["who"].nunique() == 40
    assert not set(drawn["who"]) & set(fitted["who"])
    assert drawn["who"].str.fullmatch(r"c\d{3}").all()
    assert (drawn.groupby("who")[["ward", "age"]].nunique() == 1).all(axis=None)
    assert set(drawn["ward"]) == {"a", "b"}
    assert drawn["age"].between(fitted["age"].min(), fitted["age"].max()).all()


def test_lengths_are_within_those_of_fit_and_times_in_order(short):
    drawn = short.sample(60, random_state=2)
    lengths = drawn.groupby("who").size()
    assert lengths.min() >= 1
    assert lengths.max() <= 8
    assert lengths.nunique() > 3
    assert (
        drawn.groupby("who")["at"].apply(lambda times: (times.diff().dropna() > pd.Timedelta(0)).all()).all()
    )


def test_cells_are_missing_as_often_as_in_fit_and_only_there(short):
    drawn = short.sample(60, random_state=3)
    missing = drawn.isna().mean()
    assert 0.1 < missing["pulse"] < 0.5
    assert 0.05 < missing["kind"] < 0.4
    assert missing[["who", "at", "ward", "age", "flag", "same", "ticket"]].sum() == 0


def test_constant_empty_and_identifying_columns_of_steps_are_restored(short):
    drawn = short.sample(20, random_state=4)
    assert (drawn["same"] == 3).all()
    assert drawn["none"].isna().all()
    assert drawn["ticket"].is_unique
    assert not set(drawn["ticket"]) & set(visits()["ticket"])
    assert drawn["ticket"].str.fullmatch(r"T\d{5}").all()


def test_context_can_be_asked_for(short):
    assert set(short.sample(20, where={"ward": "b"})["ward"]) == {"b"}
    drawn = short.sample(20, where={"ward": ["a"], "age": (40, 50)})
    assert set(drawn["ward"]) == {"a"}
    assert drawn["age"].between(40, 50).all()


def test_a_frame_of_contexts_is_kept_row_by_row(short):
    context = pd.DataFrame({"age": [33, None, 61], "ward": ["b", "a", None]})
    drawn = short.sample(context=context).groupby("who", sort=False).first()
    assert len(drawn) == 3
    assert drawn["ward"].tolist()[:2] == ["b", "a"]
    assert drawn["age"].iloc[[0, 2]].tolist() == [33, 61]
    assert drawn["age"].iloc[1] >= 20
    assert drawn["ward"].iloc[2] in ("a", "b")


def test_names_of_entities_can_be_given(short, long, frame_maker):
    context = pd.DataFrame({"who": ["new", "c007", "x"], "ward": ["a", "b", "a"]})
    drawn = short.sample(context=frame_maker(context))
    assert drawn["who"].unique().tolist() == ["new", "c007", "x"]
    assert drawn.groupby("who", sort=False)["ward"].first().tolist() == ["a", "b", "a"]
    drawn = long.sample(context=frame_maker(pd.DataFrame({"site": [-5, 3]})))
    assert drawn["site"].unique().tolist() == [-5, 3]


def test_series_longer_than_the_window_are_drawn_on_the_grid(long):
    drawn = long.sample(10)
    lengths = drawn.groupby("site").size()
    assert lengths.between(20, 50).all()
    assert long._panel.window == 8
    assert (drawn.groupby("site")["at"].diff().dropna() == HOUR).all()
    assert (drawn["at"].dt.minute == 0).all()
    assert set(drawn["site"]) == set(range(12, 22))
    assert drawn["level"].nunique() > len(drawn) / 2


def test_without_times_steps_come_in_their_order():
    model = synthesizer("who", context=["ward"]).fit(visits()[["who", "ward", "kind", "flag"]])
    drawn = model.sample(6)
    assert list(drawn) == ["who", "ward", "kind", "flag"]
    assert drawn["who"].nunique() == 6
    assert model.forecast(visits()[["who", "ward", "kind", "flag"]], 2).groupby("who").size().eq(2).all()


def test_times_alone_can_be_learned():
    frame = readings()[["site", "at"]]
    model = synthesizer("site", "at").fit(frame)
    assert (model.sample(3).groupby("site")["at"].diff().dropna() == HOUR).all()
    assert len(model.forecast(frame, 2)) == 24
    pd.testing.assert_frame_equal(model.impute(frame), frame)


def test_arrays_and_lists_are_tables_too():
    rows = [[f"n{i}", step, float(i + step), "xy"[step % 2]] for i in range(6) for step in range(4)]
    drawn = synthesizer(0, 1).fit(rows).sample(3)
    assert isinstance(drawn, list)
    assert [row[1] for row in drawn] == [0, 1, 2, 3] * 3
    numbers = np.array([[i, step, i * step] for i in range(6) for step in range(4)])
    drawn = synthesizer(0, 1).fit(numbers).sample(2)
    assert drawn.dtype == numbers.dtype
    np.testing.assert_array_equal(drawn[:, 0], [6] * 4 + [7] * 4)


def test_batches_are_whole_series_whose_names_and_identifiers_are_unique_over_all(short):
    parts = list(short.sample_batches(7, batch_series=3, random_state=5))
    assert [part["who"].nunique() for part in parts] == [3, 3, 1]
    drawn = pd.concat(parts)
    assert drawn["who"].nunique() == 7
    assert drawn["ticket"].is_unique
    assert (drawn.groupby("who")[["ward", "age"]].nunique() == 1).all(axis=None)
    assert signature(parts[0]) == signature(visits())
    again = short.sample_batches(7, batch_series=3, random_state=5)
    assert [cells(part) for part in again] == [cells(part) for part in parts]
    assert list(short.sample_batches(0)) == []


def test_batches_keep_conditions_row_by_row(short, frame_maker):
    context = pd.DataFrame({"who": ["p", "q", "r"], "ward": ["a", "b", "b"]})
    parts = list(short.sample_batches(context=frame_maker(context), batch_series=2))
    told = [{(row[0], row[1]) for row in cells(short_of(part, ["who", "ward"]))} for part in parts]
    assert told == [{("p", "a"), ("q", "b")}, {("r", "b")}]
    assert {
        row[0]
        for part in short.sample_batches(3, {"ward": "b"}, batch_series=2)
        for row in cells(short_of(part, ["ward"]))
    } == {"b"}


def test_what_cannot_be_drawn_in_parts_is_refused_at_once(short, single):
    with pytest.raises(InputError, match="a single series cannot be drawn in parts"):
        single[1].sample_batches(9)
    with pytest.raises(InputError, match="batch_series is 0"):
        short.sample_batches(9, batch_series=0)
    twice = pd.DataFrame({"who": ["p", "q", "p"], "ward": ["a", "b", "b"]})
    with pytest.raises(ConditionError, match="'p' is in 2 rows"):
        short.sample_batches(context=twice, batch_series=2)
    with pytest.raises(ConditionError, match="3 rows, but 2"):
        short.sample_batches(2, twice, batch_series=2)


def test_the_schema_lists_all_columns_as_they_are_learned(short, single):
    kinds = {spec.name: (str(spec.kind), spec.has_missing) for spec in short.schema_.columns}
    assert kinds == {
        "who": ("identifier", False),
        "at": ("numeric", False),
        "ward": ("categorical", False),
        "age": ("numeric", False),
        "kind": ("categorical", True),
        "pulse": ("numeric", True),
        "flag": ("categorical", False),
        "same": ("constant", False),
        "none": ("empty", True),
        "ticket": ("identifier", False),
    }
    assert list(kinds) == list(visits())
    assert [spec.name for spec in single[1].schema_.columns] == ["at", "level", "state"]
    overruled = synthesizer("who", "at", ["ward"], schema={"flag": "categorical", "age": "categorical"})
    again = synthesizer(
        "who", "at", ["ward"], max_steps=2, schema=overruled.set_params(max_steps=2).fit(visits()).schema_
    )
    assert again.fit(visits()).schema_ == overruled.schema_
    assert str(overruled.schema_["age"].kind) == "categorical"


# --- one long series ----------------------------------------------------------------------------------------


def test_a_single_series_has_as_many_steps_as_asked_on_its_grid(single):
    frame, model = single
    for n in (1, 7, 130):
        drawn = model.sample(n)
        assert drawn["at"].tolist() == [frame["at"][0] + HOUR * step for step in range(n)]
        assert drawn["state"].isin(["on", "off"]).all()


def test_a_single_series_goes_on(single):
    frame, model = single
    drawn = model.forecast(frame, 20)
    assert drawn["at"].tolist() == [frame["at"].iloc[-1] + HOUR * step for step in range(1, 21)]


def test_a_single_series_has_no_context_to_ask_for(single):
    _, model = single
    with pytest.raises(ConditionError, match="a single series has no context"):
        model.sample(3, where={"state": "on"})


# --- what follows on given series ---------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [1, 20])
def test_a_grid_goes_on_from_the_last_step_of_each_entity(long, horizon):
    frame = readings(5, seed=3)
    drawn = long.forecast(scattered(frame), horizon)
    assert (drawn.groupby("site").size() == horizon).all()
    expected = frame.groupby("site")["at"].max()
    for step in range(horizon):
        got = drawn.groupby("site")["at"].nth(step).to_numpy()
        np.testing.assert_array_equal(got, (expected + HOUR * (step + 1)).loc[drawn["site"].unique()])
    roofs = frame.groupby("site")["roof"].first()
    assert (drawn["roof"] == drawn["site"].map(roofs)).all()


def test_irregular_times_go_on_behind_the_last_step_of_each_entity(short):
    """Also behind histories that are unlike those of fit: many steps on one day, times of another unit."""
    dense = visits(seed=5)
    dense["at"] = pd.Timestamp("2024-02-01 20:00") + pd.to_timedelta(np.arange(len(dense)), unit="s")
    for frame in (visits(), dense, visits().assign(at=lambda told: told["at"].astype("M8[ns]"))):
        drawn = short.forecast(frame, 6)
        assert drawn["at"].dtype == frame["at"].dtype
        both = pd.concat([frame.groupby("who").tail(1), drawn], ignore_index=True)
        gaps = both.groupby("who")["at"].diff().dropna()
        assert len(gaps) == 6 * frame["who"].nunique()
        assert (gaps > pd.Timedelta(0)).all()


def test_a_history_with_a_hole_goes_on_behind_its_end(long):
    frame = readings(4)
    holey = frame.drop(index=frame.index[frame["site"] == 0][3:12])
    drawn = long.forecast(holey, 2)
    end = frame[frame["site"] == 0]["at"].max()
    assert drawn[drawn["site"] == 0]["at"].tolist() == [end + HOUR, end + 2 * HOUR]


def test_labels_that_fit_has_not_seen_are_no_hindrance(long):
    frame = readings(3).assign(roof="tin")
    frame.loc[2, "state"] = "broken"
    drawn = long.forecast(frame, 3)
    assert set(drawn["roof"]) == {"tin"}
    assert drawn["state"].isin(["on", "off"]).all()


# --- holes --------------------------------------------------------------------------------------------------


def test_imputed_frames_keep_all_that_was_there_in_its_row(short):
    frame = scattered(visits(seed=7))
    before = frame.copy()
    filled = short.impute(frame)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(filled.where(frame.notna()), frame)
    assert filled.drop(columns="none").isna().sum().sum() == 0
    assert frame[["kind", "pulse"]].isna().sum().min() > 10


def test_cells_missing_where_fit_had_none_are_filled_in_their_dtype(long):
    frame = readings(6, seed=2)
    rng = np.random.default_rng(0)
    holes = {name: rng.random(len(frame)) < 0.4 for name in ("level", "state")}
    for name, rows in holes.items():
        frame[name] = frame[name].mask(rows)
    filled = long.impute(frame)
    assert filled.isna().sum().sum() == 0
    pd.testing.assert_frame_equal(filled.where(frame.notna()), frame)
    assert filled["state"].isin(["on", "off"]).all()


def test_a_full_frame_is_imputed_as_it_is(long):
    frame = scattered(readings())
    pd.testing.assert_frame_equal(long.impute(frame), frame)


# --- rare classes of whole series ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rare():
    frame = visits(40)[["who", "at", "pulse"]].assign(fraud=False)
    frame.loc[frame.groupby("who").head(1).index[::8], "fraud"] = True
    return frame, synthesizer("who", "at", target="fraud", max_steps=40).fit(frame)


def test_series_in_which_a_rare_thing_happens_can_be_asked_for(rare):
    frame, model = rare
    assert model.classes_ == [False, True]
    assert list(model.sample(3)) == list(frame)
    drawn = model.sample(20, where={"fraud": True}, random_state=0)
    assert drawn.groupby("who")["fraud"].any().mean() > 0.8
    drawn = model.sample(20, where={"fraud": False}, random_state=0)
    assert drawn.groupby("who")["fraud"].any().mean() < 0.2


def test_identifiers_of_series_that_are_drawn_again_are_unique_too():
    frame = visits(40)[["who", "at", "ticket"]].assign(fraud=False)
    frame.loc[frame.groupby("who").head(1).index[::8], "fraud"] = True
    model = synthesizer("who", "at", target="fraud", max_steps=2).fit(frame)
    parts = list(model.sample_batches(30, {"fraud": True}, batch_series=10, random_state=0))
    assert pd.concat(parts)["ticket"].is_unique


def test_a_target_that_is_missing_in_a_whole_series_can_be_filled(rare):
    frame, model = rare
    holey = frame.astype({"fraud": "boolean"})
    holey.loc[holey["who"] == "c000", "fraud"] = None
    assert model.impute(holey)["fraud"].notna().all()
    assert len(model.forecast(holey, 1)) == 40


def test_a_target_of_the_context_is_a_class():
    model = synthesizer("who", "at", ["ward"], target="ward").fit(visits()[["who", "at", "ward", "flag"]])
    assert model.classes_ == ["a", "b"]
    assert set(model.sample(5, where={"ward": "b"})["ward"]) == {"b"}


# --- seeds, files and surroundings --------------------------------------------------------------------------


def test_one_seed_gives_the_same_series_and_each_call_others():
    def draws(seed):
        model = synthesizer("site", "at", ["roof"], window=8, random_state=seed, max_steps=4).fit(readings())
        return [cells(frame) for frame in (model.sample(3), model.sample(3), model.forecast(readings(), 2))]

    first, again, other = draws(0), draws(0), draws(1)
    assert first == again
    assert first[0] != first[1]
    assert first[0] != other[0]


def test_a_seed_of_its_own_repeats_a_call(long):
    def holes():
        return readings().assign(level=np.nan)

    for call in (
        lambda seed: long.sample(4, random_state=seed),
        lambda seed: long.forecast(readings(), 3, random_state=seed),
        lambda seed: long.impute(holes(), random_state=seed),
    ):
        assert cells(call(5)) == cells(call(5)) != cells(call(6))


def test_series_do_not_depend_on_the_number_of_threads():
    def draws():
        model = synthesizer("site", "at", ["roof"], window=8, max_steps=4).fit(readings())
        return cells(model.sample(40)), cells(model.forecast(readings(), 12))

    n_threads, expected = torch.get_num_threads(), draws()
    try:
        torch.set_num_threads(n_threads + 1)
        assert draws() == expected
    finally:
        torch.set_num_threads(n_threads)


@pytest.mark.parametrize("which", ["short", "long", "single", "rare"])
def test_a_loaded_model_goes_on_like_the_saved_one(which, request, tmp_path):
    model = request.getfixturevalue(which)
    frame, model = (
        model if isinstance(model, tuple) else ({"short": visits, "long": readings}[which](), model)
    )
    model.save(tmp_path / "m")
    loaded = SeriesSynthesizer.load(tmp_path / "m", device="cpu")
    for call in (
        lambda one: one.sample(6),
        lambda one: one.forecast(frame, 3),
        lambda one: one.impute(frame),
    ):
        expected = call(model)
        got = call(loaded)
        assert cells(got) == cells(expected)
        assert signature(got) == signature(expected)
    loaded.save(tmp_path / "again")
    model.save(tmp_path / "m")
    for name in ("model.json", "weights.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "m" / name).read_bytes()
    assert loaded.get_params() == {**model.get_params(), "device": "cpu", "context": list(model.context)}
    assert (loaded.n_series_, loaded.n_samples_seen_) == (model.n_series_, model.n_samples_seen_)
    assert loaded.classes_ == model.classes_
    assert loaded.schema_ == model.schema_


def test_a_saved_model_holds_no_cell_of_the_table(tmp_path):
    frame = visits().assign(kind=lambda told: told["kind"].mask(told.index == 3, "SECRET"))
    synthesizer("who", "at", ["ward", "age"], max_steps=2).fit(frame).save(tmp_path / "m")
    written = (tmp_path / "m" / "model.json").read_text()
    assert "SECRET" not in written
    assert "c003" not in written


def broken(plain, path, value):
    """The tree with the part at a path of keys replaced, or taken away."""
    *way, last = path
    part = plain
    for key in way:
        part = part[key]
    if value is None:
        del part[last]
    else:
        part[last] = value


def paths_of(part, way=()):
    """Paths to all parts that are dictionaries or lists, and their members."""
    members = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, member in members:
        yield (*way, key)
        yield from paths_of(member, (*way, key))


def test_damaged_parts_are_refused_as_such(long, tmp_path):
    """Whatever part of the file is taken away or replaced: a model comes out, or a `StorageError`."""
    long.save(tmp_path / "m")
    file = tmp_path / "m" / "model.json"
    written = file.read_text()
    paths = list(paths_of(json.loads(written)))
    chosen = np.random.default_rng(0).choice(len(paths), 60, replace=False)
    refused = 0
    for number, value in [(n, value) for n in chosen for value in (None, "no", -5)]:
        plain = json.loads(written)
        broken(plain, paths[number], value)
        file.write_text(json.dumps(plain))
        try:
            SeriesSynthesizer.load(tmp_path / "m", device="cpu")
        except StorageError:
            refused += 1
    assert refused > 60
    file.write_text(written)
    SeriesSynthesizer.load(tmp_path / "m", device="cpu")


def test_a_model_of_rows_is_no_model_of_series(tmp_path):
    from tabdiff import TableSynthesizer

    TableSynthesizer(**QUICK).fit(visits()[["age", "flag"]]).save(tmp_path / "m")
    with pytest.raises(StorageError, match="TableSynthesizer"):
        SeriesSynthesizer.load(tmp_path / "m")
    with pytest.raises(StorageError):
        SeriesSynthesizer.load(tmp_path / "nothing")


def test_global_random_states_are_neither_used_nor_changed(long):
    def draws(seed):
        np.random.seed(seed)
        torch.manual_seed(seed)
        numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
        model = synthesizer("who", "at", ["ward", "age"], max_steps=2).fit(visits())
        drawn = cells(model.sample(5)), cells(model.forecast(visits(), 2)), cells(model.impute(visits()))
        np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
        assert torch.equal(torch.get_rng_state(), torch_state)
        return drawn

    threads = torch.get_num_threads()
    assert draws(1) == draws(2)
    assert torch.get_num_threads() == threads


def test_the_class_is_found_without_loading_torch():
    code = (
        "import sys, tabdiff; assert 'SeriesSynthesizer' in dir(tabdiff); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


# --- the contract of an estimator, and errors ---------------------------------------------------------------


def test_parameters_are_those_that_were_given():
    model = SeriesSynthesizer("who", "at", ["ward"], window=4, random_state=3, target="flag")
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "classes_")
    assert SeriesSynthesizer().set_params(window=9, context=["a"]).get_params()["window"] == 9


def test_fit_leaves_the_parameters_and_starts_afresh():
    model = synthesizer("who", "at", ["ward", "age"], max_steps=2)
    before = model.get_params()
    first = cells(model.fit(visits()).sample(3))
    assert model.get_params() == before
    assert cells(model.fit(visits()).sample(3)) == first
    assert len(model.history_.to_frame()) > 0


def test_an_unfitted_model_says_so():
    for call in (
        lambda model: model.sample(3),
        lambda model: model.forecast(visits(), 2),
        lambda model: model.impute(visits()),
        lambda model: model.save("nowhere"),
        lambda model: model.update(visits()),
        lambda model: model.sample_batches(3),
    ):
        with pytest.raises(NotFittedError):
            call(SeriesSynthesizer("who"))


@pytest.mark.parametrize(
    "parameters", [{"window": 1}, {"max_steps": 0}, {"context": "ward"}, {"sampling_steps": 0}, {"schema": 3}]
)
def test_parameters_are_validated(parameters):
    with pytest.raises(ValueError, match=f"The '{next(iter(parameters))}' parameter of SeriesSynthesizer"):
        SeriesSynthesizer("who", "at", **parameters).fit(visits())


REFUSED_IN_FIT = {
    "no roles": ((), {}, lambda told: told, "neither entity nor time"),
    "unknown": (("nobody", "at"), {}, lambda told: told, r"no columns \['nobody'\]"),
    "context that changes": (("who", "at", ["pulse"]), {}, lambda told: told, "context column 'pulse' is"),
    "missing time": (
        ("who", "at"),
        {},
        lambda told: told.assign(at=told["at"].mask(told.index == 2)),
        "time column 'at' is missing in 1",
    ),
    "text time": (("who", "kind"), {}, lambda told: told.fillna({"kind": "x"}), "'kind' holds label cells"),
    "one entity": (("who", "at"), {}, lambda told: told[told["who"] == "c001"], "'c001'"),
    "target of one series": ((None, "at"), {"target": "flag"}, lambda told: told, "target is 'flag'"),
    "target with many values": (("who", "at", ["age"]), {"target": "age"}, lambda told: told, "'age' holds"),
}


@pytest.mark.parametrize(
    ("roles", "more", "change", "message"), REFUSED_IN_FIT.values(), ids=REFUSED_IN_FIT.keys()
)
def test_what_makes_no_series_is_refused(roles, more, change, message):
    with pytest.raises(InputError, match=message):
        synthesizer(*roles, **more).fit(change(visits(40)))


FRAME = pd.DataFrame({"ward": ["a", "b"]})
REFUSED_IN_SAMPLE = {
    "step": ({"n": 2, "where": {"kind": "x"}}, ConditionError, r"conditions on \['kind'\]"),
    "unknown column": ({"n": 2, "where": {"bed": 1}}, ConditionError, r"conditions on \['bed'\]"),
    "unknown value": ({"n": 2, "where": {"ward": "z"}}, ConditionError, "'ward' has no level 'z'"),
    "name": ({"n": 2, "where": {"who": "c001"}}, ConditionError, r"conditions on \['who'\]"),
    "both": ({"n": 2, "where": {"ward": "a"}, "context": FRAME}, InputError, "both where and context"),
    "no frame": ({"n": 2, "context": {"ward": "a"}}, InputError, "context is a dict"),
    "names of another kind": ({"context": FRAME.assign(who=[1, 2])}, InputError, "'who'"),
    "fewer names": ({"n": 5, "context": FRAME.assign(who=["p", "q"])}, ConditionError, "2 rows, but 5"),
    "other number": ({"n": 5, "context": FRAME}, ConditionError, "2 rows, but 5"),
    "steps in a frame": ({"context": FRAME.assign(pulse=1.0)}, ConditionError, r"\['pulse'\]"),
    "names twice": ({"context": FRAME.assign(who="q")}, ConditionError, "'q' is in 2 rows of 'who'"),
    "no number": ({"n": None}, InputError, "n is None"),
    "negative": ({"n": -1}, InputError, "n is -1"),
    "random state": ({"n": 1, "random_state": "x"}, InputError, "random_state is 'x'"),
}


@pytest.mark.parametrize(
    ("arguments", "error", "message"), REFUSED_IN_SAMPLE.values(), ids=REFUSED_IN_SAMPLE.keys()
)
def test_series_that_cannot_be_asked_for_are_refused(short, arguments, error, message):
    with pytest.raises(error, match=message):
        short.sample(**arguments)


def test_histories_that_are_not_of_the_fitted_columns_are_refused(long):
    with pytest.raises(InputError, match="horizon is 0"):
        long.forecast(readings(), 0)
    with pytest.raises(InputError, match=r"horizon is 1\.5"):
        long.forecast(readings(), 1.5)
    for call in (lambda frame: long.forecast(frame, 1), long.impute):
        with pytest.raises(SchemaError, match="yet now missing:\n- level"):
            call(readings().drop(columns="level"))
        with pytest.raises(SchemaError, match="unseen at fit time:\n- more"):
            call(readings().assign(more=1))
        with pytest.raises(SchemaError, match="'level' holds 1 infinite"):
            call(readings().assign(level=lambda told: told["level"].mask(told.index == 4, np.inf)))
        with pytest.raises(SchemaError, match="'level' holds label cells"):
            call(readings().assign(level="high"))
        with pytest.raises(InputError, match="the entity column 'site' is missing in 1"):
            call(readings().assign(site=lambda told: told["site"].mask(told.index == 4)))


# --- it learns ----------------------------------------------------------------------------------------------


def alternating(n=200, length=8, seed=0):
    """Series a b a b ... or, of context "slow", a a b b ..., from a phase of their own."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), length)
    slow = who % 2
    place = np.tile(np.arange(length), n) + rng.integers(4, size=n)[who]
    state = np.where(slow, place // 2, place) % 2
    return pd.DataFrame(
        {"who": who, "pace": np.array(["fast", "slow"])[slow], "state": np.array(["a", "b"])[state]}
    )


def right_steps(frame, pace):
    """Share of the steps that differ from the one before, or in slow series from the one before that."""
    own = frame[frame["pace"] == pace]
    before = own.groupby("who")["state"].shift(1 if pace == "fast" else 2)
    told = before.notna()
    return (own["state"] != before)[told].mean()


def test_order_and_its_dependence_on_context_are_learned():
    frame = alternating()
    model = synthesizer("who", context=["pace"], max_steps=200, sampling_steps=20).fit(frame)
    for pace in ("fast", "slow"):
        drawn = model.sample(60, where={"pace": pace})
        assert right_steps(frame, pace) == 1
        assert right_steps(drawn, pace) > 0.9
        shuffled = drawn.sample(frac=1, random_state=0)  # as many a and b, in no order
        assert 0.4 < right_steps(shuffled, pace) < 0.65
    history = frame[frame.groupby("who").cumcount() < 5]
    ahead = pd.concat([history, model.forecast(history, 3)]).sort_values("who", kind="stable")
    for pace in ("fast", "slow"):
        assert right_steps(ahead.groupby("who").tail(5), pace) > 0.9


# --- constraints ------------------------------------------------------------------------------------------


def trades(n=25, seed=0):
    """6 trades each: a low and a high price, a country and a city; opened and closed of each trader."""
    rng = np.random.default_rng(seed)
    low = rng.normal(50, 10, 6 * n).round(2)
    opened = rng.integers(1, 100, n)
    city = rng.integers(0, 6, 6 * n)
    return pd.DataFrame(
        {
            "who": np.repeat(np.arange(n), 6),
            "day": np.tile(np.arange(6), n),
            "opened": np.repeat(opened, 6),
            "closed": np.repeat(opened + rng.integers(0, 30, n), 6),
            "low": low,
            "high": (low + rng.exponential(0.5, 6 * n)).round(2),
            "land": pd.Series(np.array(["x", "x", "y", "y", "y", "z"])[city], dtype="str"),
            "city": pd.Series(np.array(["p", "q", "p", "r", "s", "s"])[city], dtype="str"),
        }
    )


RULES = [
    Inequality("low", "high"),
    FixedCombinations("land", "city"),
    Inequality("opened", "closed"),
    Positive("opened"),
    Range("low", 0, 200),
]


def test_constraints_hold_in_every_step_and_in_every_context():
    table = trades()
    model = synthesizer("who", "day", ["opened", "closed"], constraints=RULES).fit(table)
    pairs = set(zip(table["land"], table["city"], strict=True))
    drawn = model.sample(40)
    given = table.assign(high=table["high"].where(table.index % 2 == 0), city=None)
    for frame in (drawn, model.forecast(table, 3), model.impute(given.astype({"city": "str"}))):
        assert (frame["low"] <= frame["high"]).all()
        assert set(zip(frame["land"], frame["city"], strict=True)) <= pairs
        assert (frame["opened"] <= frame["closed"]).all()
    free = synthesizer("who", "day", ["opened", "closed"]).fit(table).sample(40)
    assert (free["low"] > free["high"]).any() and (free["opened"] > free["closed"]).any()


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Inequality("high", "low"), "does not hold in"),
        (Inequality("opened", "low"), "between columns of the context"),
        (Inequality("low", "day"), "or between columns of steps"),
        (Inequality("low", "nowhere"), "nowhere"),
        (Unique("low"), "Pass Inequality, FixedCombinations"),
        ("low < high", "Pass Inequality, FixedCombinations"),
    ],
)
def test_constraints_that_cannot_be_kept_are_refused(rule, words):
    with pytest.raises(ConstraintError, match=words):
        synthesizer("who", "day", ["opened", "closed"], constraints=[rule]).fit(trades())


def test_new_series_that_break_a_constraint_are_refused_and_constraints_are_saved(tmp_path):
    table = trades()
    model = synthesizer("who", "day", ["opened", "closed"], constraints=RULES).fit(table)
    swapped = table.assign(low=table["high"] + 1)
    with pytest.raises(SchemaError, match="low <= high"):
        model.update(swapped)
    model.save(tmp_path / "model")
    loaded = SeriesSynthesizer.load(tmp_path / "model")
    assert loaded.constraints == RULES
    pd.testing.assert_frame_equal(loaded.sample(5), model.sample(5))
