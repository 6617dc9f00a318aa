"""Checkpoints: the state of a run on disk, from which a killed run goes on as if nothing had happened.

A checkpoint is one safetensors file: the tensors of the state, and in its header, as JSON, everything else,
the fingerprint of the run and a checksum. Nothing in it is executed when it is read. It is written beside
its place, flushed to the disk and then renamed, so that a run that is killed at any moment leaves whole files
only; the last two are kept in case the disk damages one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tabdiff.errors import StorageError

__all__ = ["Checkpoint", "State", "fingerprint"]

State = dict[str, Any]
"""Nested dicts and lists of tensors, numbers, strings, booleans and None; all keys are strings."""

FORMAT = "tabdiff checkpoint 1"
NAMES = ("checkpoint-a.safetensors", "checkpoint-b.safetensors")
TEMPORARY = "checkpoint.tmp"
TENSOR = "$tensor"


@dataclass
class Checkpoint:
    """Where the state of one run is kept, and how often it is written.

    directory: of this run alone; made if it is not there. fingerprint: what tells this run from others, see
    the function of this name. seconds: time from one writing to the next, raised where needed so that writing
    takes no more than a fiftieth of the time. steps: also write after each so many steps. resume: go on from
    the state in the directory, if there is one; otherwise a state that lies there is replaced at the first
    writing.
    """

    directory: Path
    fingerprint: str
    seconds: float = 60.0
    steps: int | None = None
    resume: bool = False
    _number: int = field(default=0, init=False, repr=False)
    _written: float = field(default_factory=time.monotonic, init=False, repr=False)
    _cost: float = field(default=0.0, init=False, repr=False)

    def begin(self) -> State | None:
        """Make the directory, start the clock, and return the state to go on from; None starts anew.

        Raises `StorageError` if the directory cannot be written to, or if its checkpoint is of another run or
        of another format, or if all that is there is damaged.
        """
        self.directory = Path(self.directory)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot make the directory for checkpoints {self.directory}: {error}."
            ) from error
        if not os.access(self.directory, os.W_OK):
            raise StorageError(f"may not write checkpoints to {self.directory}. Choose another directory.")
        self._written = time.monotonic()
        return self._read() if self.resume else None

    def due(self, step: int) -> bool:
        """Whether the state after this step is to be written."""
        if self.steps is not None and step % self.steps == 0:
            return True
        return time.monotonic() - self._written >= max(self.seconds, 50 * self._cost)

    def write(self, state: State) -> None:
        """Write the state in the place of the last but one.

        Raises `StorageError` if it cannot be written; the earlier one is still there then.
        """
        began = time.monotonic()
        if self._number == 0:
            self.remove()
        path = self.directory / NAMES[self._number % 2]
        tensors: dict[str, Tensor] = {}
        text = json.dumps(_without_tensors(state, "", tensors))
        tensors = _apart(tensors)
        header = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "number": str(self._number + 1),
            "state": text,
            "checksum": _checksum(text, tensors),
        }
        try:
            _write_whole(tensors, header, path)
        except (OSError, SafetensorError) as error:
            raise StorageError(
                f"cannot write the checkpoint {path}: {error}. Make room and fit again with resume=True: "
                "training goes on from the checkpoint before it, if there was one."
            ) from error
        self._number += 1
        self._written = time.monotonic()
        self._cost = self._written - began

    def remove(self) -> None:
        """Delete what is kept of the run; the directory stays."""
        for name in (*NAMES, TEMPORARY):
            (self.directory / name).unlink(missing_ok=True)

    def misfit(self, error: Exception) -> StorageError:
        """The error to raise where the state that was read does not fit the run, for a reason."""
        return StorageError(
            f"the checkpoint in {self.directory} does not fit this run: {error}. Fit with resume=False to "
            "begin anew."
        )

    def _read(self) -> State | None:
        found, damaged = [], []
        for path in (self.directory / name for name in NAMES):
            if not path.exists():
                continue
            try:
                found.append(_read_whole(path))
            except (OSError, SafetensorError, KeyError, ValueError) as error:
                damaged.append(f"{path.name}: {error}")
        if not found and not damaged:
            return None
        if not found:
            raise StorageError(
                f"no checkpoint in {self.directory} can be read ({'; '.join(damaged)}). Fit with "
                "resume=False to begin anew."
            )
        header, state = max(found, key=lambda one: int(one[0]["number"]))
        if header["fingerprint"] != self.fingerprint:
            raise StorageError(
                f"the checkpoint in {self.directory} is of another run: the data or the parameters, "
                f"random_state included, were others (its fingerprint is {header['fingerprint'][:16]!r}, "
                f"this run's {self.fingerprint[:16]!r}). Fit with the same ones to go on with it, or with "
                "resume=False to begin anew."
            )
        self._number = int(header["number"])
        return state


def fingerprint(*parts: Any) -> str:
    """A hash that is the same for the same parts, in every process: 64 hexadecimal digits.

    parts: tensors, arrays, numbers, strings, functions and classes (told by their names), `SeedSequence`s
    (by entropy and spawn key), and dataclasses, mappings and sequences of these.
    """
    digest = hashlib.sha256()
    for part in parts:
        _hash_into(digest, part)
    return digest.hexdigest()


def _hash_into(digest: Any, part: Any) -> None:
    """Feed a value to the hash, with its type and length before it, so that no two run into each other."""
    if isinstance(part, Tensor):
        part = part.detach().cpu().numpy()
    if isinstance(part, np.ndarray):
        digest.update(f"array {part.dtype.str} {part.shape}:".encode())
        digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8))
    elif isinstance(part, np.random.SeedSequence):
        _hash_into(digest, [part.entropy, list(part.spawn_key)])
    elif dataclasses.is_dataclass(part) and not isinstance(part, type):
        fields = {one.name: getattr(part, one.name) for one in dataclasses.fields(part)}
        _hash_into(digest, [type(part), fields])
    elif isinstance(part, Mapping):
        digest.update(f"mapping {len(part)}:".encode())
        for key in sorted(part, key=repr):
            _hash_into(digest, key)
            _hash_into(digest, part[key])
    elif isinstance(part, Sequence) and not isinstance(part, str | bytes):
        digest.update(f"sequence {len(part)}:".encode())
        for item in part:
            _hash_into(digest, item)
    else:
        name = f"{part.__module__}.{part.__qualname__}" if hasattr(part, "__qualname__") else repr(part)
        assert " at 0x" not in name, f"{name} is another in each process"
        digest.update(f"{type(part).__name__} {len(name)}:{name}".encode())


def _without_tensors(state: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The state with the name of each tensor in its place; the tensors go into `tensors`, on the CPU."""
    if isinstance(state, Tensor):
        assert path not in tensors, f"two tensors are called {path!r}"
        tensors[path] = state.detach().cpu().contiguous()
        return {TENSOR: path}
    if isinstance(state, Mapping):
        return {key: _without_tensors(value, f"{path}/{key}", tensors) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [_without_tensors(value, f"{path}/{i}", tensors) for i, value in enumerate(state)]
    return state


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, each in memory of its own, as the file format wants them."""
    apart, seen = {}, set()
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return apart


def _with_tensors(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The state again, from what `_without_tensors` gave."""
    if isinstance(tree, dict):
        if tree.keys() == {TENSOR}:
            return tensors[tree[TENSOR]]
        return {key: _with_tensors(value, tensors) for key, value in tree.items()}
    return [_with_tensors(value, tensors) for value in tree] if isinstance(tree, list) else tree


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    total = zlib.crc32(text.encode())
    for name in sorted(tensors):
        total = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"


def _write_whole(tensors: dict[str, Tensor], header: dict[str, str], path: Path) -> None:
    """Write the file so that at any moment the old one or the new one is there, whole and on the disk."""
    temporary = path.with_name(TEMPORARY)
    try:
        save_file(tensors, temporary, header)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere directories cannot be opened, and renaming is durable by itself
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _read_whole(path: Path) -> tuple[dict[str, str], State]:
    """The header and the state; raises one of several errors, `ValueError` among them, for damaged files."""
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        if header.get("format") != FORMAT:
            raise ValueError(f"its format is {header.get('format')!r}, and {FORMAT!r} can be read")
        # of its own memory: the file under it is to be replaced
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    if _checksum(header["state"], tensors) != header["checksum"]:
        raise ValueError("its content does not fit its checksum")
    return header, _with_tensors(json.loads(header["state"]), tensors)
