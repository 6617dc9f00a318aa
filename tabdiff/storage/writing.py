"""Values on their way into a file: `Packer` says how they are written."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, NoReturn

import numpy as np

from tabdiff.errors import StorageError
from tabdiff.storage.names import Names, Where, check_depth, place
from tabdiff.storage.scalars import NUMPY_SCALAR, checked_dtype, numpy_to_plain

__all__ = ["Writing"]

INT64 = np.iinfo(np.int64)
_SURROGATE = re.compile("[\ud800-\udfff]")


class Writing:
    """One value on its way into a file."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.tensors: dict[str, np.ndarray] = {}

    def pack(self, value: Any, where: Where) -> Any:
        """Write a value, which stands at `where`; `tensors` grows by its arrays."""
        check_depth(where)
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if INT64.min <= value <= INT64.max else _tagged("int", hex(value))
        if kind is float:
            return value if math.isfinite(value) else _tagged("float", repr(value))
        if kind is str:
            if _SURROGATE.search(value):  # JSON joins pairs of them
                return _tagged("text", value.encode("utf-8", "surrogatepass").hex())
            return value
        if kind is list:
            return self._items(value, where)
        if kind is dict:
            return self._dict(value, where)
        if kind is tuple:
            return _tagged("tuple", self._items(value, where))
        if kind in (set, frozenset):
            return _tagged(kind.__name__, sorted(self._items(value, where), key=repr))
        if kind is np.ndarray:
            return self._array(value, where)
        return self._other(value, kind, where)

    def _items(self, values: Iterable[Any], where: Where) -> list:
        return [self.pack(item, (*where, i)) for i, item in enumerate(values)]

    def _dict(self, value: dict, where: Where) -> Any:
        if all(type(key) is str and not _SURROGATE.search(key) for key in value) and "$" not in value:
            return {key: self.pack(item, (*where, key)) for key, item in value.items()}
        pairs = [
            [self.pack(key, (*where, ".key")), self.pack(item, (*where, key))] for key, item in value.items()
        ]
        return _tagged("dict", pairs)

    def _array(self, array: np.ndarray, where: Where) -> Any:
        kind, shape = array.dtype.kind, list(array.shape)
        if kind in "OSU":
            items = self._items(array.ravel().tolist(), where)
            return _tagged("array", {"dtype": array.dtype.str, "shape": shape, "items": items})
        self._refused_if(lambda: checked_dtype(array.dtype.str), array, where)
        name = f"array.{len(self.tensors)}"
        plain = array.view(np.dtype("i8").newbyteorder(array.dtype.byteorder)) if kind in "mM" else array
        self.tensors[name] = np.array(plain, dtype=plain.dtype.newbyteorder("="), order="C")
        return _tagged("array", {"dtype": array.dtype.str, "shape": shape, "tensor": name})

    def _other(self, value: Any, kind: type, where: Where) -> Any:
        names = self.names
        if kind in names.by_type:
            scalar = names.by_type[kind]
            plain = self._refused_if(lambda: scalar.to_plain(value), value, where)
            return _tagged(scalar.tag, self.pack(plain, (*where, f".{scalar.tag}")))
        if isinstance(value, np.generic):
            plain = self._refused_if(lambda: numpy_to_plain(value), value, where)
            return _tagged(NUMPY_SCALAR, self.pack(plain, (*where, ".numpy")))
        if isinstance(value, np.dtype):
            return _tagged("dtype", self._refused_if(lambda: checked_dtype(value.str).str, value, where))
        if names.classes.get(kind.__name__) is kind:
            if isinstance(value, Enum):
                return _tagged("enum", [kind.__name__, value.name])
            fields = {
                field.name: self.pack(getattr(value, field.name), (*where, f".{field.name}"))
                for field in dataclasses.fields(value)
            }
            return _tagged("object", {"class": kind.__name__, "fields": fields})
        name = names.name_of.get(id(value))
        if name is not None:
            return _tagged("function", name)
        if callable(value):
            raise StorageError(
                f"{place(where)} is {value!r}, which is code. Only data is saved: use a constraint or a "
                "setting that is described by values instead."
            )
        _refuse(value, where)

    def _refused_if(self, convert: Callable[[], Any], value: Any, where: Where) -> Any:
        try:
            return convert()
        except (ValueError, TypeError, OverflowError) as error:
            _refuse(value, where, error)


def _refuse(value: Any, where: Where, error: Exception | None = None) -> NoReturn:
    kind = type(value)
    what = value.dtype if isinstance(value, np.ndarray | np.generic) else f"{kind.__module__}.{kind.__name__}"
    reason = f" ({error})" if error is not None else ""
    raise StorageError(
        f"{place(where)} is of the type {what}{reason}, which has no form in the file. Only plain values, "
        "arrays of numbers, text or times, and tabdiff's own classes are saved."
    ) from error


def _tagged(tag: str, value: Any) -> dict[str, Any]:
    return {"$": tag, "value": value}
