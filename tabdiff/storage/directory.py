"""A model's directory: `model.json` beside `weights.safetensors`, whole at every moment.

A new directory is written beside its place and renamed into it. An old one is replaced file by file, as no
system can swap two directories for sure: the new weights are put beside the old ones under a name that holds
their digest; then `model.json` is replaced, which is the one moment at which the old model becomes the new;
then the new weights take the place of the old. A reader looks for the weights under both names and takes
those that `model.json` describes, so that a kill at any point leaves one of the two models, whole.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from tabdiff.errors import StorageError
from tabdiff.storage.document import FORMAT, MAX_JSON_BYTES, Format, is_ours, parsed, rendered
from tabdiff.storage.files import is_new_name, new_name, read_file, sync_directory, write_file

__all__ = ["MODEL", "WEIGHTS", "read_directory", "read_kind", "write_directory"]

MODEL, WEIGHTS = "model.json", "weights.safetensors"
MAX_WEIGHTS_BYTES = 8 * 2**30
MAX_HEADER_BYTES = 32 * 2**20
MAX_TENSORS = 200_000
_PENDING = re.compile(rf"{re.escape(WEIGHTS)}\.[0-9a-f]{{16}}")


def write_directory(
    path: str | os.PathLike[str],
    body: Any,
    tensors: Mapping[str, np.ndarray],
    kind: str,
    form: Format = FORMAT,
) -> None:
    """Write a model: its JSON-ready body and its tensors, which NumPy has dtypes for.

    path: a new or empty directory, or one with a model of tabdiff, which is replaced; other files in it stay.
    Missing parents are made. One process at a time may write to a path; any number may read.

    Raises `StorageError` if the path holds something else, if the model is larger than is read, and if the
    disk refuses; a model that was there before is still whole then.
    """
    target = Path(os.path.realpath(path))
    if len(tensors) > MAX_TENSORS:
        raise StorageError(f"the model has {len(tensors)} tensors; at most {MAX_TENSORS} are stored.")
    try:
        weights = safetensors.numpy.save({name: np.asarray(tensors[name], order="C") for name in tensors})
    except Exception as error:  # the library's own
        raise StorageError(f"the tensors cannot be written: {error!r:.200}.") from error
    if len(weights) > MAX_WEIGHTS_BYTES:
        raise StorageError(f"the model has {len(weights)} bytes; at most {MAX_WEIGHTS_BYTES} are stored.")
    digest = hashlib.sha256(weights).hexdigest()
    stated = {"bytes": len(weights), "tensors": len(tensors), "sha256": digest}
    document = rendered(kind, body, stated, form.version)
    try:
        if _holds_model(target):
            _replace(target, document, weights, digest)
        else:
            _write_new(target, document, weights)
    except OSError as error:
        raise StorageError(
            f"the model could not be written to {target}: {error}. Choose another place, or make room there."
        ) from error


def _holds_model(target: Path) -> bool:
    """Whether there is a model to replace; raises `StorageError` for anything else that is in the way."""
    if not os.path.lexists(target):
        return False
    if not target.is_dir():
        raise StorageError(f"{target} exists and is no directory. Choose another path, or remove it first.")
    names = os.listdir(target)
    if not names:
        return False
    if MODEL in names and is_ours(read_file(target / MODEL, MAX_JSON_BYTES)):
        return True
    raise StorageError(
        f"{target} exists and holds no model of tabdiff, but {sorted(names)[:5]}. Nothing was overwritten: "
        "choose another path, or empty it first."
    )


def _write_new(target: Path, document: bytes, weights: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        if is_new_name(left.name, target.name):  # a save that was killed
            shutil.rmtree(left, ignore_errors=True)
    beside = target.parent / new_name(target.name)
    beside.mkdir()
    try:
        write_file(beside / WEIGHTS, weights)
        write_file(beside / MODEL, document)
        sync_directory(beside)
        if os.name == "nt" and target.is_dir():
            target.rmdir()  # it is empty; elsewhere the renaming does that
        os.replace(beside, target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    sync_directory(target.parent)


def _replace(target: Path, document: bytes, weights: bytes, digest: str) -> None:
    pending = target / _pending(digest)
    needed = pending.exists()  # a save that was killed left the present model's weights there
    try:
        _put(weights, pending)
        _put(document, target / MODEL)
    except BaseException:
        if not needed:
            pending.unlink(missing_ok=True)
        raise
    os.replace(pending, target / WEIGHTS)
    sync_directory(target)
    for name in os.listdir(target):
        if _PENDING.fullmatch(name) or is_new_name(name, MODEL) or is_new_name(name, WEIGHTS):
            (target / name).unlink(missing_ok=True)


def _put(data: bytes, path: Path) -> None:
    """Replace a file by a complete one, and wait until that is on the disk."""
    beside = path.with_name(new_name(MODEL if path.name == MODEL else WEIGHTS))
    try:
        write_file(beside, data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    sync_directory(path.parent)


def _pending(digest: str) -> str:
    return f"{WEIGHTS}.{digest[:16]}"


def read_directory(
    path: str | os.PathLike[str], kind: str, form: Format = FORMAT
) -> tuple[Any, dict[str, np.ndarray]]:
    """Read a model: its body and its tensors, checked against what was saved; nothing is executed.

    Raises `StorageError`, which says what is wrong and what to do, if there is no model, or one of another
    kind, damaged, altered, larger than the limits, or of a newer format. Other files are ignored.
    """
    source = Path(path)
    for _ in range(3):
        data = _read_model(source)
        document = parsed(data, source / MODEL, form)
        if document["kind"] != kind:
            raise StorageError(
                f"{source} holds a {document['kind']!r:.80}, not a {kind!r}. Load it with the class that "
                "saved it."
            )
        try:
            weights = _read_weights(source, document["weights"])
            break
        except StorageError:
            if _read_model(source) == data:
                raise  # else it was replaced just now: begin again
    else:
        raise StorageError(f"{source} is being replaced all the time. Try again when that is over.")
    return document["body"], _tensors(weights, document["weights"]["tensors"], source / WEIGHTS)


def read_kind(path: str | os.PathLike[str], form: Format = FORMAT) -> str:
    """Which class saved the model that a directory holds. Raises `StorageError` as `read_directory` does."""
    source = Path(path)
    return parsed(_read_model(source), source / MODEL, form)["kind"]


def _read_model(source: Path) -> bytes:
    try:
        if not source.exists():
            raise StorageError(f"there is no model at {source}. Pass the directory that was saved to.")
        if not source.is_dir():
            raise StorageError(f"{source} is a file. A model is a directory with {MODEL} and {WEIGHTS}.")
        return read_file(source / MODEL, MAX_JSON_BYTES)
    except FileNotFoundError as error:
        raise StorageError(
            f"{source} is no model of tabdiff: it has no {MODEL}. Pass the directory that was saved to."
        ) from error
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{source} cannot be read: {error}. Look at its rights and its disk.") from error


def _read_weights(source: Path, stated: Mapping[str, Any]) -> bytes:
    """The bytes that `model.json` describes, from where they are or from where a kill has left them."""
    problem = f"{source} has no {WEIGHTS}"
    for name in (WEIGHTS, _pending(stated["sha256"])):
        try:
            size = os.lstat(source / name).st_size
            if size != stated["bytes"]:
                problem = f"{source / name} has {size} bytes instead of {stated['bytes']}"
                continue
            data = read_file(source / name, min(size, MAX_WEIGHTS_BYTES))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StorageError(f"{source / name} cannot be read: {error}. Look at its rights.") from error
        if hashlib.sha256(data).hexdigest() == stated["sha256"]:
            return data
        problem = f"{source / name} is not what was saved: its sha256 differs"
    raise StorageError(f"{problem}. The model is damaged or incomplete: copy it again, or save it again.")


def _tensors(data: bytes, n_tensors: int, source: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file, in memory of their own."""
    header = int.from_bytes(data[:8], "little")
    if len(data) < 8 or header > min(MAX_HEADER_BYTES, len(data) - 8) or n_tensors > MAX_TENSORS:
        raise StorageError(f"{source} is no safetensors file of a size that is read. Save the model again.")
    try:
        tensors = safetensors.numpy.load(data)
    except Exception as error:  # the library's own, and NumPy's on dtypes that it does not have
        raise StorageError(
            f"{source} is no safetensors file: {error!r:.200}. Save the model again."
        ) from error
    if len(tensors) != n_tensors:
        raise StorageError(
            f"{source} holds {len(tensors)} tensors instead of {n_tensors}. Save the model again."
        )
    return {name: array if array.flags.writeable else array.copy() for name, array in tensors.items()}
