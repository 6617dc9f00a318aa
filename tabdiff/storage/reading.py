"""Values on their way out of a file in which nothing is believed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from tabdiff.errors import StorageError
from tabdiff.storage.fields import misfit
from tabdiff.storage.names import Names, Where, check_depth, place
from tabdiff.storage.scalars import NUMPY_SCALAR, checked_dtype, numpy_from_plain

__all__ = ["Reading"]

MAX_TEXT_BYTES = 2**30  # of one array of text: its width is the file's word
MAX_LENGTH = 2**62


class Reading:
    """One value on its way out of a file; nothing in it is believed."""

    def __init__(self, names: Names, tensors: dict[str, np.ndarray]) -> None:
        self.names, self.tensors = names, tensors
        self.readers: dict[str, Callable[[Any, Where], Any]] = {
            "int": lambda data, where: int(_of(str, data), 16),
            "float": lambda data, where: _special_float(data),
            "text": lambda data, where: bytes.fromhex(_of(str, data)).decode("utf-8", "surrogatepass"),
            "tuple": lambda data, where: tuple(self._items(data, where)),
            "set": lambda data, where: set(self._items(data, where)),
            "frozenset": lambda data, where: frozenset(self._items(data, where)),
            "dict": self._dict,
            "array": self._array,
            "dtype": lambda data, where: checked_dtype(data),
            "enum": self._enum,
            "object": self._object,
            "function": lambda data, where: names.functions[_of(str, data)],
            NUMPY_SCALAR: lambda data, where: numpy_from_plain(self._items(data, where)),
        }

    def unpack(self, data: Any, where: Where) -> Any:
        """Read a value, which stands at `where`; its tensors are taken out of `tensors`."""
        check_depth(where)
        if data is None or type(data) in (bool, int, float, str):
            return data
        if type(data) is list:
            return self._items(data, where)
        if type(data) is not dict:
            raise StorageError(f"{place(where)} is a {type(data).__name__}, which JSON does not hold.")
        if "$" not in data:
            return {key: self.unpack(item, (*where, key)) for key, item in data.items()}
        return self._read_tagged(data, where)

    def _read_tagged(self, data: dict, where: Where) -> Any:
        tag = data["$"]
        if set(data) != {"$", "value"} or type(tag) is not str:
            raise _damaged(where, f"an entry with the keys {sorted(map(str, data))[:5]}")
        inside = data["value"]
        try:
            if tag in self.readers:
                return self.readers[tag](inside, where)
            if tag in self.names.by_tag:
                return self.names.by_tag[tag].from_plain(self.unpack(inside, (*where, f".{tag}")))
        except StorageError:
            raise
        except Exception as error:  # whatever a constructor says to values that nobody vouches for
            raise _damaged(where, f"a {tag!r} that cannot be read: {error!r:.200}") from error
        raise _damaged(where, f"an entry of the unknown kind {tag!r:.80}")

    def _items(self, data: Any, where: Where) -> list:
        return [self.unpack(item, (*where, i)) for i, item in enumerate(_of(list, data))]

    def _dict(self, data: Any, where: Where) -> dict:
        read = {}
        for pair in _of(list, data):
            key, item = _of(list, pair)
            key = self.unpack(key, (*where, ".key"))
            read[key] = self.unpack(item, (*where, key))
        if len(read) != len(data):
            raise ValueError("a key occurs twice")
        return read

    def _enum(self, data: Any, where: Where) -> Any:
        name, member = _of(list, data)
        cls = self._class(name)
        if not issubclass(cls, Enum):
            raise ValueError(f"{name} is no enum")
        return cls[member]

    def _object(self, data: Any, where: Where) -> Any:
        if set(_of(dict, data)) != {"class", "fields"}:
            raise ValueError("no object")
        cls = self._class(data["class"])
        if not dataclasses.is_dataclass(cls):
            raise ValueError(f"{cls.__name__} has no fields")
        wanted, given = {field.name for field in dataclasses.fields(cls)}, _of(dict, data["fields"])
        if set(given) != wanted:
            raise ValueError(f"the fields of {cls.__name__} are {sorted(wanted)}, not {sorted(given)[:20]}")
        values = {name: self.unpack(item, (*where, f".{name}")) for name, item in given.items()}
        if (problem := misfit(cls, values)) is not None:
            raise ValueError(problem)
        made_by_init = {field.name for field in dataclasses.fields(cls) if field.init}
        made = cls(**{name: value for name, value in values.items() if name in made_by_init})
        for name in wanted - made_by_init:
            object.__setattr__(made, name, values[name])
        return made

    def _class(self, name: Any) -> type:
        if name not in self.names.classes:
            raise ValueError(f"there is no class {name!r:.80}")
        return self.names.classes[name]

    def _array(self, data: Any, where: Where) -> np.ndarray:
        held = set(_of(dict, data))
        shape = tuple(_of(list, data["shape"]))
        if any(type(length) is not int or length < 0 for length in shape) or len(shape) > 8:
            raise ValueError(f"no shape: {shape!r:.80}")
        if held == {"dtype", "shape", "items"}:
            return self._array_of_items(data, shape, where)
        if held != {"dtype", "shape", "tensor"}:
            raise ValueError("no array")
        dtype = checked_dtype(data["dtype"])
        if _of(str, data["tensor"]) not in self.tensors:
            raise ValueError(f"the tensor {data['tensor']!r:.80} is missing, or is used twice")
        array = self.tensors.pop(data["tensor"])
        stored = np.dtype(np.int64) if dtype.kind in "mM" else dtype.newbyteorder("=")
        if array.dtype != stored or array.shape != shape:
            raise ValueError(f"it is said to be {dtype} {shape}, but is {array.dtype} {array.shape}")
        if dtype.kind == "b":  # NumPy trusts every byte of a boolean to be 0 or 1
            return np.asarray(array.view(np.uint8) != 0)
        return array.view(dtype.newbyteorder("=")).astype(dtype, copy=not array.flags.writeable)

    def _array_of_items(self, data: dict, shape: tuple[int, ...], where: Where) -> np.ndarray:
        items = self._items(data["items"], where)
        if math.prod(shape) != len(items) or max(shape, default=0) > MAX_LENGTH:
            raise ValueError(f"{len(items)} items do not fill the shape {shape}")
        if data["dtype"] in ("|O", "O"):
            cells = np.fromiter(items, dtype=object, count=len(items))  # of tuples, no second dimension
            return cells.reshape(shape)
        dtype = checked_dtype(data["dtype"])
        cell = {"U": str, "S": bytes}[dtype.kind]
        if any(type(item) is not cell for item in items):
            raise ValueError(f"an array of {dtype} holds other cells")
        if dtype.itemsize * len(items) > MAX_TEXT_BYTES:
            raise ValueError(f"{len(items)} cells of {dtype} are more than {MAX_TEXT_BYTES} bytes")
        return np.array(items, dtype=dtype).reshape(shape)


def _of(kind: type, data: Any) -> Any:
    if type(data) is not kind:
        raise ValueError(f"{kind.__name__} expected, got {type(data).__name__}")
    return data


def _special_float(text: Any) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise ValueError(f"no special float: {text!r:.80}")
    return float(text)


def _damaged(where: Where, found: str) -> StorageError:
    return StorageError(
        f"the file is damaged or not one of tabdiff's: {place(where)} is {found}. Save the model again."
    )
