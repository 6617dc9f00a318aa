"""A model's directory is whole at every moment, and whatever else it is, it is refused with a reason."""

import errno
import hashlib
import json
import os
import pickle
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tabdiff.errors import StorageError
from tabdiff.storage import directory, document, files
from tabdiff.storage.directory import MODEL, WEIGHTS, read_directory, read_kind, write_directory
from tabdiff.storage.document import Format

BODY = {"words": ["a", "ä", None, 1.5, {"b": [True, -0.0, 1e300]}], "n": 3}
TENSORS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "i": np.array([], dtype=np.int64)}
OLD, NEW = {"model": "old"}, {"model": "new"}


def write(path, body=BODY, tensors=TENSORS, kind="table", **more):
    write_directory(path, body, tensors, kind, **more)


def tensors_of(number):
    return {"w": np.full((50, 50), float(number))}


def assert_holds(path, body, tensors):
    read, arrays = read_directory(path, "table")
    assert read == body
    assert arrays.keys() == tensors.keys()
    for name, array in tensors.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_what_was_written_is_read(tmp_path):
    write(tmp_path / "parent" / "model")
    assert_holds(tmp_path / "parent" / "model", BODY, TENSORS)
    assert sorted(os.listdir(tmp_path / "parent" / "model")) == [MODEL, WEIGHTS]
    assert os.listdir(tmp_path / "parent") == ["model"]


def test_the_class_that_saved_a_model_is_told_of_whole_documents_alone(tmp_path):
    write(tmp_path / "model", kind="series")
    assert read_kind(tmp_path / "model") == "series"
    text = (tmp_path / "model" / MODEL).read_text()
    (tmp_path / "model" / MODEL).write_text(text.replace('"series"', '"table"'))
    with pytest.raises(StorageError, match="sha256 differs"):
        read_kind(tmp_path / "model")
    with pytest.raises(StorageError, match="there is no model"):
        read_kind(tmp_path / "nowhere")


def test_the_same_model_is_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name)
    reverse = dict(reversed(TENSORS.items()))
    write(tmp_path / "c", tensors=reverse)
    for name in (MODEL, WEIGHTS):
        assert len({(tmp_path / path / name).read_bytes() for path in "abc"}) == 1


def test_the_file_says_by_what_it_was_written_but_not_when(tmp_path):
    write(tmp_path / "m")
    stated = json.loads((tmp_path / "m" / MODEL).read_text())
    assert stated["versions"]["numpy"] == np.__version__
    assert stated["kind"] == "table" and stated["format_version"] == 1
    data = (tmp_path / "m" / WEIGHTS).read_bytes()
    assert stated["weights"] == {
        "bytes": len(data),
        "tensors": 2,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    described = ["format", "format_version", "kind", "tabdiff", "versions", "weights"]
    assert list(stated) == [*described, "body", "sha256"]


def test_a_model_is_replaced_and_other_files_stay(tmp_path):
    write(tmp_path, OLD, tensors_of(1))
    (tmp_path / "notes.txt").write_text("mine")
    write(tmp_path, NEW, tensors_of(2))
    assert_holds(tmp_path, NEW, tensors_of(2))
    assert sorted(os.listdir(tmp_path)) == [MODEL, "notes.txt", WEIGHTS]
    write(tmp_path, NEW, tensors_of(2))
    assert_holds(tmp_path, NEW, tensors_of(2))


def test_a_damaged_model_is_replaced_as_well(tmp_path):
    write(tmp_path, OLD)
    (tmp_path / MODEL).write_bytes((tmp_path / MODEL).read_bytes()[:60])
    write(tmp_path, NEW)
    assert_holds(tmp_path, NEW, TENSORS)


@pytest.mark.parametrize("name", ["thesis.tex", MODEL])
def test_a_directory_of_others_is_never_overwritten(tmp_path, name):
    (tmp_path / name).write_text('{"mine": 1}')
    with pytest.raises(StorageError, match="Nothing was overwritten"):
        write(tmp_path)
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == '{"mine": 1}'


def test_a_file_is_never_overwritten(tmp_path):
    (tmp_path / "m").write_text("mine")
    with pytest.raises(StorageError, match="no directory"):
        write(tmp_path / "m")
    assert (tmp_path / "m").read_text() == "mine"


def test_a_place_that_cannot_be_written_to_is_said_to_be_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="could not be written"):
        write(tmp_path / "file" / "model")


# --- kills --------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """What ends a save at a chosen call."""


def killing(function, at, calls):
    """The function, until the `at`-th of all calls: from then on nothing happens any more."""

    def called(*args, **kwargs):
        calls.append(function.__name__)
        if len(calls) >= at:
            raise Killed
        return function(*args, **kwargs)

    return called


def killed_save(monkeypatch, path, body, tensors, at):
    """Save, and die at the `at`-th call that touches the disk; whether there was such a call."""
    calls = []
    with monkeypatch.context() as patch:
        for name in ("replace", "fsync", "unlink"):
            patch.setattr(os, name, killing(getattr(os, name), at, calls))
        # a process that is killed tidies nothing up
        patch.setattr(directory.shutil, "rmtree", lambda *args, **kwargs: None)
        patch.setattr(directory.Path, "unlink", killing(directory.Path.unlink, at, calls))
        try:
            write(path, body, tensors)
        except Killed:
            return True
    return False


def test_a_save_that_is_killed_anywhere_leaves_the_old_model_or_the_new(tmp_path, monkeypatch):
    seen = set()
    for at in range(1, 100):
        path = tmp_path / str(at)
        write(path, OLD, tensors_of(1))
        finished = not killed_save(monkeypatch, path, NEW, tensors_of(2), at)
        for copied in (path, shutil.copytree(path, tmp_path / f"copy {at}")):
            body, tensors = read_directory(copied, "table")
            assert (tensors["w"] == {"old": 1, "new": 2}[body["model"]]).all()
        seen.add(body["model"])
        # the next save is whole, and tidies up
        write(path, {"model": "third"}, tensors_of(3))
        assert_holds(path, {"model": "third"}, tensors_of(3))
        assert sorted(os.listdir(path)) == [MODEL, WEIGHTS]
        if finished:
            break
    assert finished and at > 6 and seen == {"old", "new"}


def test_two_kills_in_a_row_still_leave_a_whole_model(tmp_path, monkeypatch):
    for first in range(1, 10):
        for second in range(1, 10):
            path = tmp_path / f"{first} {second}"
            write(path, OLD, tensors_of(1))
            killed_save(monkeypatch, path, NEW, tensors_of(2), first)
            killed_save(monkeypatch, path, {"model": "third"}, tensors_of(3), second)
            body, tensors = read_directory(path, "table")
            assert (tensors["w"] == {"old": 1, "new": 2, "third": 3}[body["model"]]).all()


def test_a_first_save_that_is_killed_leaves_nothing_or_all(tmp_path, monkeypatch):
    for at in range(1, 20):
        path = tmp_path / str(at) / "model"
        path.parent.mkdir()
        finished = not killed_save(monkeypatch, path, NEW, tensors_of(2), at)
        if path.exists():
            assert_holds(path, NEW, tensors_of(2))
        write(path, NEW, tensors_of(2))
        assert os.listdir(path.parent) == ["model"]
        if finished:
            break
    assert finished


def test_a_full_disk_leaves_the_old_model_and_no_rubbish(tmp_path, monkeypatch):
    write(tmp_path / "m", OLD, tensors_of(1))

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(files.os, name, full)
            with pytest.raises(StorageError, match="No space left"):
                write(tmp_path / "m", NEW, tensors_of(2))
            with pytest.raises(StorageError, match="No space left"):
                write(tmp_path / "n", NEW, tensors_of(2))
        assert_holds(tmp_path / "m", OLD, tensors_of(1))
        assert sorted(os.listdir(tmp_path / "m")) == [MODEL, WEIGHTS]
        assert os.listdir(tmp_path) == ["m"]


KILLED_BY_THE_SYSTEM = """
import os, signal, sys
import numpy as np
from tabdiff.storage import directory
real, count = os.replace, 0
def replace(a, b):
    global count
    count += 1
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    real(a, b)
os.replace = replace
directory.write_directory(sys.argv[1], {"model": "new"}, {"w": np.full((50, 50), 2.0)}, "table")
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_process_that_is_killed_leaves_a_whole_model(tmp_path, at):
    write(tmp_path, OLD, tensors_of(1))
    ended = subprocess.run([sys.executable, "-c", KILLED_BY_THE_SYSTEM, str(tmp_path), str(at)], timeout=60)
    assert ended.returncode == -9
    body, tensors = read_directory(tmp_path, "table")
    assert body["model"] == ("old" if at < 3 else "new")
    assert (tensors["w"] == (1 if at < 3 else 2)).all()


# --- what cannot be read ------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    write(tmp_path / "m")
    return tmp_path / "m"


def refused(path, match=None, kind="table", **more):
    with pytest.raises(StorageError, match=match):
        read_directory(path, kind, **more)


def test_each_way_to_be_no_model_is_named(saved, tmp_path):
    refused(tmp_path / "nowhere", "there is no model at .*nowhere")
    refused(saved / MODEL, "is a file. A model is a directory")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no model of tabdiff: it has no model.json")
    (tmp_path / "empty" / MODEL).write_text('{"a": 1}')
    refused(tmp_path / "empty", "no model of tabdiff")
    refused(saved, "holds a 'table', not a 'oversampler'", kind="oversampler")
    refused(str(saved) + "\0", "cannot be read|there is no model")
    (saved / WEIGHTS).unlink()
    refused(saved, "has no weights.safetensors.*damaged or incomplete")


def test_each_byte_that_is_cut_off_is_noticed(saved):
    for name in (MODEL, WEIGHTS):
        whole = (saved / name).read_bytes()
        for length in [*range(0, len(whole), 7), len(whole) - 1]:
            (saved / name).write_bytes(whole[:length])
            refused(saved, "damaged|cut off|no model|instead of")
        (saved / name).write_bytes(whole + b"\0")
        refused(saved, "damaged|cut off|instead of")
        (saved / name).write_bytes(whole)
    assert_holds(saved, BODY, TENSORS)


def test_each_bit_that_flips_is_noticed(saved):
    rng = random.Random(0)
    for name in (MODEL, WEIGHTS):
        whole = (saved / name).read_bytes()
        for position in range(len(whole)):
            changed = bytearray(whole)
            changed[position] ^= 1 << rng.randrange(8)
            (saved / name).write_bytes(changed)
            refused(saved)
        (saved / name).write_bytes(whole)


def test_bytes_that_are_replaced_at_random_are_noticed(saved):
    rng = random.Random(1)
    for name in (MODEL, WEIGHTS):
        whole = (saved / name).read_bytes()
        for _ in range(200):
            changed = bytearray(whole)
            for _ in range(rng.randint(1, 5)):
                changed[rng.randrange(len(whole))] = rng.randrange(256)
            if bytes(changed) != whole:
                (saved / name).write_bytes(changed)
                refused(saved)
        (saved / name).write_bytes(whole)


def test_weights_and_model_of_two_saves_are_not_mixed(saved, tmp_path):
    write(tmp_path / "other", tensors=tensors_of(1))
    shutil.copy(tmp_path / "other" / WEIGHTS, saved / WEIGHTS)
    refused(saved, "instead of")


def test_a_newer_format_asks_for_an_upgrade(saved):
    stated = json.loads((saved / MODEL).read_text())
    stated |= {"format_version": 2, "tabdiff": "9.0", "unknown": "entries", "sha256": "of another rule"}
    (saved / MODEL).write_text(json.dumps(stated))
    refused(saved, "written by a newer tabdiff .'9.0', format 2; this one reads up to 1.*Upgrade")


def test_an_older_format_is_brought_up_step_by_step(tmp_path):
    write(tmp_path / "m", {"words": 3})

    def second(found):
        return found | {"body": {"n": found["body"]["words"]}}

    def third(found):
        return found | {"body": {"n": found["body"]["n"] + 0.5}}

    newest = Format(3, {1: second, 2: third})
    assert read_directory(tmp_path / "m", "table", newest)[0] == {"n": 3.5}
    write(tmp_path / "n", {"n": 1}, form=newest)
    assert read_directory(tmp_path / "n", "table", newest)[0] == {"n": 1}
    refused(tmp_path / "m", "format 2, which this tabdiff cannot read any more", form=Format(3, {1: second}))
    refused(tmp_path / "m", "cannot be brought from format 1", form=Format(2, {1: lambda found: found["x"]}))
    refused(tmp_path / "m", "lacks entries", form=Format(2, {1: lambda found: {"weights": found["weights"]}}))


# --- attacks ------------------------------------------------------------------------------------------------


def forged(path, weights=b"", body=None, **changes):
    """A directory whose digests are right, whatever it holds."""
    path.mkdir(exist_ok=True)
    (path / WEIGHTS).write_bytes(weights)
    stated = {"bytes": len(weights), "tensors": 0, "sha256": hashlib.sha256(weights).hexdigest()} | changes
    (path / MODEL).write_bytes(document.rendered("table", body, stated, 1))


class Bomb:
    def __reduce__(self):
        return os.mkdir, (os.environ["TABDIFF_TEST_BOMB"],)


def test_a_pickle_in_the_place_of_the_weights_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.setenv("TABDIFF_TEST_BOMB", str(tmp_path / "ran"))
    bomb = pickle.dumps(Bomb())
    write(tmp_path / "m")
    (tmp_path / "m" / WEIGHTS).write_bytes(bomb)
    refused(tmp_path / "m", "instead of")
    forged(tmp_path / "forged", bomb)
    refused(tmp_path / "forged", "no safetensors file")
    assert not (tmp_path / "ran").exists()


def header(text, length=None):
    return (len(text) if length is None else length).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "weights",
    [
        b"",
        b"1234567",
        header(b"", 2**63),
        header(b"{}", 2**40),
        header(b"not json"),
        header(b"{" + b'"a":{' * 100_000),
        header(b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}') + b"1234",
        header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,400]}}') + b"12345678",
        header(b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}') + b"1234",
        header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}')
        + b"1234",  # one, though none is stated
    ],
)
def test_weights_with_a_right_digest_but_no_sense_are_refused(tmp_path, weights):
    forged(tmp_path / "m", weights)
    refused(tmp_path / "m", "safetensors|tensors instead of")


def test_sizes_that_make_no_sense_are_refused(tmp_path):
    for changes in ({"bytes": 2**70}, {"bytes": -1}, {"bytes": True}, {"tensors": 1.5}, {"tensors": 2**40}):
        forged(tmp_path / "m", header(b"{}"), **changes)
        refused(tmp_path / "m", "states no sizes|instead of|of a size")
    for digest in ("../../x", "A" * 64, 5):
        forged(tmp_path / "m", header(b"{}"), sha256=digest)
        refused(tmp_path / "m", "states no digest")


@pytest.mark.parametrize(
    "bomb", ["[" * 1_000_000, '{"a":' * 1_000_000, '{"format":"tabdiff model","x":' + "[" * 300]
)
def test_deep_nesting_is_refused(saved, bomb):
    (saved / MODEL).write_text(bomb)
    refused(saved, "nested")
    with pytest.raises(StorageError, match=r"nested|JSON"):
        write(saved.parent / "n", json.loads("[" * 300 + "]" * 300))


def test_brackets_inside_of_text_are_no_nesting(tmp_path):
    body = ["[" * 1000, '"[{\\"' * 300, "\\"]
    write(tmp_path / "m", body)
    assert read_directory(tmp_path / "m", "table")[0] == body


def test_more_entries_or_bytes_than_are_read_are_refused_on_both_ways(tmp_path, monkeypatch):
    write(tmp_path / "m", list(range(100)))
    monkeypatch.setattr(document, "MAX_ITEMS", 100)
    refused(tmp_path / "m", "about 1.. entries, and at most 100")
    with pytest.raises(StorageError, match="too large to save"):
        write(tmp_path / "n", list(range(100)))
    monkeypatch.setattr(directory, "MAX_JSON_BYTES", 10)
    refused(tmp_path / "m", "more than the 10 that are read")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("name", [MODEL, WEIGHTS])
def test_links_and_pipes_inside_are_refused_and_not_waited_for(saved, name):
    real = saved / "elsewhere"
    os.rename(saved / name, real)
    os.symlink(real, saved / name)
    refused(saved, "is a link|instead of")
    os.unlink(saved / name)
    os.mkfifo(saved / name)
    refused(saved, "no plain file|instead of")
    os.unlink(saved / name)
    os.mkdir(saved / name)
    refused(saved, "no plain file|instead of|cannot be read")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_the_directory_itself_is_followed(saved, tmp_path):
    os.symlink(saved, tmp_path / "link")
    assert_holds(tmp_path / "link", BODY, TENSORS)
    write(tmp_path / "link", NEW)
    assert_holds(saved, NEW, TENSORS)
    assert (tmp_path / "link").is_symlink()


def test_other_files_are_ignored(saved):
    (saved / "model.pkl").write_bytes(pickle.dumps(Bomb))
    (saved / "__init__.py").write_text("raise SystemExit")
    assert_holds(saved, BODY, TENSORS)


@pytest.mark.parametrize("body", [{1, 2}, float("nan"), {"a": b"b"}])
def test_a_body_that_is_no_json_is_refused(tmp_path, body):
    with pytest.raises(StorageError, match="JSON"):
        write(tmp_path / "m", body)
    assert not (tmp_path / "m").exists()


def test_tensors_without_a_form_are_refused(tmp_path):
    with pytest.raises(StorageError, match="tensors cannot be written"):
        write(tmp_path / "m", tensors={"a": np.array(["x"])})
