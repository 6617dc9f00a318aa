"""A learned table comes back from a file as it was: same rows drawn, same bytes saved again."""

import dataclasses
import importlib
import pkgutil
from enum import Enum

import numpy as np
import pandas as pd
import pytest
import torch
from containers import mixed_table

from tabdiff import frames
from tabdiff.arrangement import Arrangement
from tabdiff.constraints import FixedCombinations, Inequality, Positive, Predicate, Range, Unique
from tabdiff.encoding.table import TableEncoder
from tabdiff.errors import InputError, StorageError
from tabdiff.methods import METHODS
from tabdiff.nets.mlp import MLPConfig
from tabdiff.schema import infer_schema
from tabdiff.settings import DiffusionConfig
from tabdiff.storage import directory, models, registry
from tabdiff.storage.models import load_model, save_model
from tabdiff.synthesis import fit_diffusion
from tabdiff.tables import LearnedTable
from tabdiff.training import TrainingConfig

SEED = np.random.SeedSequence(5)
SMALL = DiffusionConfig(
    network=MLPConfig(width=16, n_blocks=2), training=TrainingConfig(max_steps=5, batch_size=32)
)


def varied_table(n_rows=120):
    """A column of every kind: numbers with and without missing cells, labels, constant, empty, keys."""
    frame = mixed_table(n_rows)
    hours = pd.Series(np.arange(n_rows) * 37 % 1000, dtype="timedelta64[s]")
    start = pd.Timestamp("2024-03-01") + hours
    return frame.assign(
        start=start,
        end=start + pd.Series(np.arange(n_rows) % 7, dtype="timedelta64[s]"),
        key=[f"C-{i:05d}" for i in range(n_rows)],
        always=7,
        never=np.nan,
        town=frame["city"],
        total=frame["count"] * 2,
    )


def learned(frame, config=SMALL, classes=False, device="cpu", constraints=()):
    """A table learned by hand, step by step, and its columns."""
    columns, _ = frames.read(frame)
    arrangement = Arrangement.fit(columns, constraints)
    parts = {"arrangement": arrangement, "n_rows": len(frame)}
    chosen = arrangement.learned(columns)
    parts["schema"] = infer_schema(chosen)
    parts["encoder"] = encoder = TableEncoder.fit(chosen, parts["schema"])
    label = torch.arange(len(frame)) % 2 if classes else None
    parts["diffusion"] = None
    if encoder.n_num or encoder.n_levels:
        batch = encoder.encode(chosen, np.random.default_rng(0))
        n_classes = 2 if classes else 0
        parts["diffusion"] = fit_diffusion(
            batch, encoder.n_levels, label, n_classes, config, SEED, torch.device(device)
        )
    return LearnedTable(
        **{field.name: parts[field.name] for field in dataclasses.fields(LearnedTable)}
    ), columns


@pytest.fixture(scope="module")
def table():
    return learned(varied_table(), constraints=[Inequality("start", "end"), Positive("count")])[0]


def drawn(table, label=None):
    """Features drawn with a fixed seed."""
    batch = table.diffusion.sample(40, label, np.random.SeedSequence(1), n_steps=3)
    return batch.num, batch.cat


def assert_draws_the_same(table, other, label=None):
    for a, b in zip(drawn(table, label), drawn(other, label), strict=True):
        assert torch.equal(a, b)


def test_a_loaded_table_draws_the_same_rows(table, tmp_path):
    save_model(tmp_path / "m", "table", table, {})
    read, rest = load_model(tmp_path / "m", "table", "cpu")
    assert rest == {}
    assert_draws_the_same(table, read)
    assert read.schema == table.schema
    assert read.diffusion.history == table.diffusion.history
    assert read.diffusion.config == table.diffusion.config
    batch = table.diffusion.sample(30, None, np.random.SeedSequence(2), n_steps=2)
    for a, b in zip(
        table.encoder.decode(batch, np.random.default_rng(3)),
        read.encoder.decode(batch, np.random.default_rng(3)),
        strict=True,
    ):
        assert (a.name, a.storage, a.levels, a.unit) == (b.name, b.storage, b.levels, b.unit)
        np.testing.assert_array_equal(a.missing, b.missing)
        np.testing.assert_array_equal(a.observed, b.observed)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_and_classes_survive(method, tmp_path):
    config = dataclasses.replace(SMALL, method=METHODS[method](), brake=None)
    table, _ = learned(mixed_table(), config, classes=True)
    save_model(tmp_path, "table", table, {})
    read, _ = load_model(tmp_path, "table", "cpu")
    assert_draws_the_same(table, read, torch.arange(40) % 2)


def test_the_same_table_is_the_same_bytes_also_when_saved_again(table, tmp_path):
    save_model(tmp_path / "a", "table", table, {"n": 1})
    save_model(tmp_path / "b", "table", table, {"n": 1})
    read, rest = load_model(tmp_path / "a", "table", "cpu")
    save_model(tmp_path / "c", "table", read, rest)
    for name in (directory.MODEL, directory.WEIGHTS):
        assert len({(tmp_path / path / name).read_bytes() for path in "abc"}) == 1


def test_a_table_of_constants_needs_no_network(tmp_path):
    table, _ = learned(pd.DataFrame({"a": [1] * 50, "b": ["x"] * 50}))
    assert table.diffusion is None
    save_model(tmp_path, "table", table, {})
    read, _ = load_model(tmp_path, "table", "cpu")
    assert read.diffusion is None
    assert read.encoder.codecs[0].value == 1


def test_what_an_estimator_keeps_survives(table, tmp_path):
    columns, _ = frames.read(varied_table())
    rest = {
        "names": ["a", 3, ("b", 1), pd.Timestamp("2020")],
        "seeds": np.random.SeedSequence(3).spawn(2),
        "parameters": {"max_seconds": None, "verbose": False, "guidance_weight": 0.5, "random_state": 7},
        "constraints": [
            *(Inequality("a", "b", True), FixedCombinations("a", "b"), Unique("key"), Positive("x")),
            Range("t", pd.Timestamp("2020", tz="UTC"), None),
        ],
        "columns": [column.without_cells() for column in columns],
        "history": table.history,
    }
    save_model(tmp_path, "table", table, rest)
    read = load_model(tmp_path, "table", "cpu")[1]
    assert read["names"] == rest["names"] and read["parameters"] == rest["parameters"]
    assert read["constraints"] == rest["constraints"]
    assert [s.generate_state(1) for s in read["seeds"]] == [s.generate_state(1) for s in rest["seeds"]]
    assert read["history"] == rest["history"]
    for a, b in zip(read["columns"], rest["columns"], strict=True):
        assert dataclasses.replace(a, values=b.values, missing=b.missing) == b
        assert a.values.dtype == b.values.dtype and len(a) == 0


def test_code_is_refused_and_named(table, tmp_path):
    rule = Predicate(lambda frame: frame["a"] > 0, "a is positive")
    with pytest.raises(
        StorageError, match=r"\['rest'\]\['constraints'\]\[0\].function is .*lambda.* is code"
    ):
        save_model(tmp_path / "m", "table", table, {"constraints": [rule]})
    assert not (tmp_path / "m").exists()


def test_another_kind_and_another_device_are_refused(table, tmp_path):
    save_model(tmp_path, "table", table, {})
    with pytest.raises(StorageError, match="holds a 'table', not a 'oversampler'"):
        load_model(tmp_path, "oversampler", "cpu")
    with pytest.raises(InputError, match="device is 'abacus'"):
        load_model(tmp_path, "table", "abacus")


# --- parts that do not fit together -------------------------------------------------------------------------


def changed(table, tmp_path, change):
    """Save a model whose digests are right but whose parts were changed."""
    save_model(tmp_path, "table", table, {})
    body, tensors = directory.read_directory(tmp_path, "table")
    change(body, tensors)
    directory.write_directory(tmp_path, body, tensors, "table")


def parts_of(body):
    return body["diffusion"]


def fields_of(body, *path):
    node = body["diffusion"]["config"]["value"]["fields"]
    for name in path:
        node = node[name]["value"]["fields"]
    return node


CHANGES = {
    "a network of huge width": lambda body, _: fields_of(body, "network").update(width=10**9),
    "a network of many blocks": lambda body, _: fields_of(body, "network").update(n_blocks=10**9),
    "a network of negative width": lambda body, _: fields_of(body, "network").update(width=-16),
    "a huge number of levels": lambda body, _: parts_of(body)["n_levels"].__setitem__(0, 10**12),
    "levels below none": lambda body, _: parts_of(body)["n_levels"].__setitem__(0, -1),
    "levels that are text": lambda body, _: parts_of(body).update(n_levels="ab"),
    "a huge number of classes": lambda body, _: parts_of(body).update(n_classes=10**12),
    "a number of features that is none": lambda body, _: parts_of(body).update(n_num=True),
    "features that the encoding has not": lambda body, _: parts_of(body).update(n_num=0),
    "a config that is none": lambda body, _: parts_of(body).update(config=3),
    "a method that is none": lambda body, _: fields_of(body).update(method=3),
    "a sampler that is none": lambda body, _: fields_of(body, "method").update(
        sampler={"$": "function", "value": "system"}
    ),
    "no history": lambda body, _: parts_of(body).pop("history"),
    "no network": lambda body, _: body.update(diffusion=None),
    "no table": lambda body, _: body.pop("table"),
    "no rest": lambda body, _: body.update(rest=[]),
    "a number of rows that is text": lambda body, _: body["table"].update(n_rows="x"),
    "no encoder": lambda body, _: body["table"].pop("encoder"),
    "an encoder that is none": lambda body, _: body["table"].update(encoder=[]),
    "a body that is none": lambda body, _: body.clear(),
    "a weight less": lambda _, tensors: tensors.pop("weights.head.bias"),
    "a weight of another shape": lambda _, tensors: tensors.update(
        {"weights.head.bias": np.zeros(3, dtype=np.float32)}
    ),
    "a tensor more": lambda _, tensors: tensors.update(more=np.zeros(3)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_parts_that_do_not_fit_are_refused(change, table, tmp_path):
    changed(table, tmp_path, change)
    with pytest.raises(StorageError):
        load_model(tmp_path, "table", "cpu")


def test_the_weights_that_a_network_needs_are_counted_before_it_is_made(table, tmp_path):
    changed(table, tmp_path, CHANGES["a network of huge width"])
    with pytest.raises(StorageError, match="a network that needs 2000000000000000000 weights has"):
        load_model(tmp_path, "table", "cpu")


# --- the registry -------------------------------------------------------------------------------------------

NEVER_SAVED = {
    "tabdiff.arrangement.cells.States": "what one call computes from cells",
    "tabdiff.arrangement.fitting.Parts": "what an arrangement is made from",
    "tabdiff.encoding.codec.Features": "rows on their way to tensors",
}


def described_in(package):
    """Every dataclass and enum that the modules of a package define, private ones apart."""
    names = [package.__name__]
    names += [info.name for info in pkgutil.walk_packages(getattr(package, "__path__", []), f"{names[0]}.")]
    for name in names:
        for key, value in vars(importlib.import_module(name)).items():
            of_data = isinstance(value, type) and (dataclasses.is_dataclass(value) or issubclass(value, Enum))
            if of_data and value.__module__ == name and not key.startswith("_"):
                yield f"{name}.{key}", value


DESCRIBING = ["arrangement", "constraints", "diffusion.schedules", "encoding", "methods", "schema"]
DESCRIBING += ["settings", "targets"]


@pytest.mark.parametrize("module", DESCRIBING)
def test_every_class_that_a_model_may_consist_of_is_registered(module):
    found = dict(described_in(importlib.import_module(f"tabdiff.{module}")))
    assert found
    missing = [name for name, cls in found.items() if cls not in registry.CLASSES and name not in NEVER_SAVED]
    assert not missing, f"add to CLASSES in tabdiff/storage/registry.py, or say why not: {missing}"


def test_every_sampler_of_a_method_is_registered():
    assert {method().sampler for method in METHODS.values()} <= set(registry.FUNCTIONS.values())


# --- devices ------------------------------------------------------------------------------------------------


@pytest.mark.gpu
def test_a_model_moves_between_devices(tmp_path):
    on_gpu, _ = learned(mixed_table(), device="cuda")
    save_model(tmp_path / "gpu", "table", on_gpu, {})
    on_cpu, _ = load_model(tmp_path / "gpu", "table", "cpu")
    assert on_cpu.diffusion.device.type == "cpu"
    drawn(on_cpu)
    save_model(tmp_path / "cpu", "table", on_cpu, {})
    for name in (directory.MODEL, directory.WEIGHTS):
        assert (tmp_path / "cpu" / name).read_bytes() == (tmp_path / "gpu" / name).read_bytes()
    back, _ = load_model(tmp_path / "cpu", "table", "cuda")
    assert back.diffusion.device.type == "cuda"
    assert_draws_the_same(on_gpu, back)


def test_weights_that_numpy_has_no_form_for_are_refused():
    with pytest.raises(StorageError, match=r"'w' are torch.bfloat16"):
        models._as_array("w", torch.zeros(2, dtype=torch.bfloat16))
