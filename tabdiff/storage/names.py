"""The classes, functions and types that files may name, and where in a value a problem stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tabdiff.errors import StorageError
from tabdiff.storage.scalars import SCALARS, Tagged

__all__ = ["MAX_DEPTH", "Names", "Where", "check_depth", "place"]

MAX_DEPTH = 64

Where = tuple[Any, ...]
"""The steps from the outermost value to one inside: keys and positions, and ".name" for fields."""


class Names:
    """What a file may name, and under which names.

    Raises `StorageError` for two classes of the same name.
    """

    def __init__(
        self,
        classes: Iterable[type] = (),
        functions: Mapping[str, Callable[..., Any]] | None = None,
        scalars: Iterable[Tagged] = (),
    ) -> None:
        self.classes: dict[str, type] = {}
        for cls in classes:
            if self.classes.setdefault(cls.__name__, cls) is not cls:
                raise StorageError(f"two classes of the name {cls.__name__!r} are registered. Rename one.")
        self.functions = dict(functions or {})
        self.name_of = {id(function): name for name, function in self.functions.items()}
        known = [*SCALARS, *scalars]
        self.by_type = {scalar.type: scalar for scalar in known}
        self.by_tag = {scalar.tag: scalar for scalar in known}


def place(where: Where) -> str:
    """The steps as one would write them: `['rest'][0].field`."""
    return "".join(str(step) if str(step).startswith(".") else f"[{step!r}]" for step in where) or "it"


def check_depth(where: Where) -> None:
    """Raise `StorageError` for what stands deeper than `MAX_DEPTH`."""
    if len(where) > MAX_DEPTH:
        raise StorageError(
            f"values are nested deeper than {MAX_DEPTH} levels at {place(where[:6])}... Only plain data of "
            "moderate depth is stored."
        )
