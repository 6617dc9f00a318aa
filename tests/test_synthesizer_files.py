"""Models in files: the same rows after loading, nothing of the table's rare values inside, clear refusals."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from containers import cells, mixed_table, signature, with_times

from tabdiff import TableSynthesizer
from tabdiff.constraints import Inequality, Predicate
from tabdiff.errors import StorageError

N = 100


def brief(target=None, **arguments):
    return TableSynthesizer(target, **{"random_state": 0, "max_steps": 2, "sampling_steps": 2} | arguments)


def reloaded(model, path):
    model.save(path)
    return TableSynthesizer.load(path)


def test_a_loaded_model_goes_on_where_the_saved_one_was(container, tmp_path):
    X = container(mixed_table())
    model = brief().fit(X)
    model.sample(3)
    loaded = reloaded(model, tmp_path / "model")
    assert signature(loaded.sample(0, random_state=0)) == signature(X)
    assert cells(loaded.sample(20)) == cells(model.sample(20))
    assert cells(loaded.sample(20, random_state=7)) == cells(model.sample(20, random_state=7))


def test_times_types_and_the_target_survive(frame_maker, tmp_path):
    X = frame_maker(with_times(mixed_table()))
    model = brief("card", max_seconds=30).fit(X)
    loaded = reloaded(model, tmp_path / "model")
    assert signature(loaded.sample(5)) == signature(X)
    assert loaded.classes_ == model.classes_
    assert loaded.class_counts_.tolist() == model.class_counts_.tolist()
    assert loaded.schema_ == model.schema_
    assert loaded.feature_names_in_.tolist() == model.feature_names_in_.tolist()
    assert loaded.history_ == model.history_
    assert loaded.get_params() == model.get_params()
    where = {"card": "debit", "opened": {"min": "2024-03-10"}}
    assert cells(loaded.sample(9, where, random_state=1)) == cells(model.sample(9, where, random_state=1))


def test_everything_a_model_does_it_does_after_loading(tmp_path):
    X = mixed_table().assign(
        end=lambda f: f["count"] + 5,
        copy=lambda f: f["city"],
        code=[f"id-{i}" for i in range(N)],
        empty=np.nan,
    )
    model = brief("card", constraints=[Inequality("count", "end")], schema={"count": "numeric"}).fit(X)
    loaded = reloaded(model, tmp_path / "model")
    assert cells(loaded.impute(X, random_state=1)) == cells(model.impute(X, random_state=1))
    assert loaded.score_samples(X).tolist() == model.score_samples(X).tolist()
    assert str(loaded.constraints[0]) == "count <= end"
    first, second = (m.update(X.head(50)).sample(10, random_state=3) for m in (loaded, model))
    assert cells(first) == cells(second)


def test_a_fresh_process_loads_it(tmp_path):
    model = brief("card").fit(mixed_table())
    model.save(tmp_path / "model")
    code = (
        "import sys, tabdiff; m = tabdiff.TableSynthesizer.load(sys.argv[1]);"
        "m.sample(15, where={'card': 'debit'}, random_state=4).to_csv(sys.argv[2], index=False)"
    )
    out = tmp_path / "rows.csv"
    subprocess.run([sys.executable, "-c", code, tmp_path / "model", out], check=True, timeout=120)
    expected = model.sample(15, where={"card": "debit"}, random_state=4)
    assert out.read_text() == expected.to_csv(index=False)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        brief("card", max_seconds=None).fit(mixed_table()).save(tmp_path / name)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("library", ["pandas", "category", "polars-enum"])
def test_no_rare_value_is_in_the_files(library, tmp_path):
    """A text and a number of one row each, and a name on every row: none of them may be found on disk."""
    rng = np.random.default_rng(0)
    n = 600
    X = pd.DataFrame(
        {
            "place": rng.choice(["Graz", "Linz", "Wien"], n),
            "amount": rng.normal(100, 20, n).round(3),
            "count": rng.integers(0, 100_000, n),
            "name": [f"Person-{k:06d}-Q" for k in rng.permutation(10**6)[:n]],
        }
    )
    X.loc[17, "place"] = "Zwettl-Secret"
    X.loc[18, "amount"] = 987654.321
    X.loc[19, "count"] = 123456789
    names = X["name"].tolist()
    if library == "category":
        X = X.assign(place=X["place"].astype("category"))
    if library == "polars-enum":
        levels = sorted(set(X["place"]))
        X = pl.from_pandas(X).with_columns(pl.col("place").cast(pl.Enum(levels)))
    model = brief().fit(X)
    loaded = reloaded(model, tmp_path / "model")
    stored = b"".join(path.read_bytes() for path in sorted((tmp_path / "model").iterdir()))
    assert b"Graz" in stored
    for secret in ("Zwettl", "987654.321", "123456789", "87654321"):
        assert secret.encode() not in stored, secret
    for number in (987654.321, 987654321.0, 123456789.0):
        assert struct.pack("<d", number) not in stored
    for number in (123456789, 987654321):
        assert struct.pack("<q", number) not in stored
    assert not [name for name in names if name.encode() in stored]
    drawn = cells(loaded.sample(2000))
    assert {row[0] for row in drawn} == {"Graz", "Linz", "Wien"}
    assert max(row[1] for row in drawn) < 500_000
    assert not {row[3] for row in drawn} & set(names)


def test_functions_are_not_saved(tmp_path):
    model = brief(constraints=[Predicate(lambda frame: frame["count"] >= 0, "no debts")]).fit(mixed_table())
    with pytest.raises(StorageError, match="no debts"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_older_model_is_replaced_and_nothing_else(tmp_path):
    model = brief().fit(mixed_table())
    model.save(tmp_path / "model")
    other = brief("card").fit(mixed_table())
    other.save(tmp_path / "model")
    assert TableSynthesizer.load(tmp_path / "model").target == "card"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"miaow")
    with pytest.raises(StorageError, match="photos"):
        model.save(tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.png").read_bytes() == b"miaow"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model"
    brief("card").fit(mixed_table()).save(path)
    return path


def copied(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(StorageError, match="nowhere"):
        TableSynthesizer.load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageError):
        TableSynthesizer.load(tmp_path / "empty")
    (tmp_path / "file").write_text("hello")
    with pytest.raises(StorageError):
        TableSynthesizer.load(tmp_path / "file")


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_truncated_files_are_refused(saved, tmp_path, name, share):
    path = copied(saved, tmp_path)
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(StorageError):
        TableSynthesizer.load(path)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_altered_files_are_refused(saved, tmp_path, name):
    path = copied(saved, tmp_path)
    content = bytearray((path / name).read_bytes())
    for place in np.linspace(0, len(content) - 1, 12).astype(int):
        altered = content.copy()
        altered[place] ^= 1
        (path / name).write_bytes(altered)
        with pytest.raises(StorageError):
            TableSynthesizer.load(path)


def test_a_newer_format_says_what_to_do(saved, tmp_path):
    path = copied(saved, tmp_path)
    text = (path / "model.json").read_text()
    version = json.loads(text)["format_version"]
    (path / "model.json").write_text(text.replace(f'"format_version":{version}', '"format_version":999'))
    with pytest.raises(StorageError, match="newer"):
        TableSynthesizer.load(path)


def test_a_pickle_is_not_executed(saved, tmp_path):
    path = copied(saved, tmp_path)
    marker = tmp_path / "executed"

    class Bomb:
        def __reduce__(self):
            return marker.touch, ()

    for name in ("weights.safetensors", "model.json"):
        (path / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(StorageError):
            TableSynthesizer.load(path)
    assert not marker.exists()
