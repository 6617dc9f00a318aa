"""Whether values read from a file fit the annotations of a dataclass."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence, Set
from typing import Any

import numpy as np

__all__ = ["fits", "misfit"]

_INTEGERS = (int, np.integer)
_NUMBERS = (int, float, np.integer, np.floating)
_ABSTRACT: dict[Any, tuple[type, ...]] = {Sequence: (list, tuple), Collection: (list, tuple, set, frozenset)}


def misfit(cls: type, values: Mapping[str, Any]) -> str | None:
    """Say which value is of another type than its field is annotated with; None if all fit.

    Annotations that say nothing about data (`Any`, type variables, names that cannot be resolved) fit all.
    """
    for name, hint in _hints(cls).items():
        if name in values and not fits(values[name], hint):
            return f"the field {name!r} of {cls.__name__} is of the type {type(values[name]).__name__}"
    return None


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(cls)}
    try:
        return {name: hint for name, hint in typing.get_type_hints(cls).items() if name in names}
    except NameError:  # a name that only type checkers see
        return {}


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says, its items included."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, typing.TypeVar | str):
        return True
    if hint is None:
        return value is None
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in inside)
    if origin is typing.Literal:
        return any(type(value) is type(one) and value == one for one in inside)
    if origin is tuple:
        return isinstance(value, tuple) and _tuple_fits(value, inside)
    if hint is Callable or origin is Callable:
        return callable(value)
    return _class_fits(value, origin or hint, inside)


def _tuple_fits(value: tuple, inside: tuple[Any, ...]) -> bool:
    if len(inside) == 2 and inside[1] is Ellipsis:
        return all(fits(item, inside[0]) for item in value)
    return len(value) == len(inside) and all(map(fits, value, inside))


def _class_fits(value: Any, cls: Any, inside: tuple[Any, ...]) -> bool:
    if not isinstance(cls, type):
        return True
    if cls is Hashable:
        return _is_hashable(value)
    if getattr(cls, "_is_protocol", False):  # what it can do is not known from outside
        return dataclasses.is_dataclass(value) or callable(value)
    if cls in _ABSTRACT or cls in (list, set, frozenset, Set):
        items = inside[0] if inside else Any
        container: Any = _ABSTRACT.get(cls, cls)
        return isinstance(value, container) and all(fits(item, items) for item in value)
    if issubclass(cls, Mapping):
        keys, items = inside if len(inside) == 2 else (Any, Any)
        return isinstance(value, dict) and all(fits(k, keys) and fits(v, items) for k, v in value.items())
    if cls is int:
        return isinstance(value, _INTEGERS) and not isinstance(value, bool)
    if cls is float:
        return isinstance(value, _NUMBERS) and not isinstance(value, bool)
    return isinstance(value, cls)


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
