"""Plain values, arrays and registered classes as JSON and tensors, and back.

What JSON has a form for is written as it is: None, booleans, integers of 64 bits, finite floats, text, lists
and dicts with text as keys. Everything else is `{"$": tag, "value": ...}`. Classes and functions are known by
names that the program registers, never by where to import them from, so that a file can name nothing else.
Numeric arrays and times become tensors; arrays of text, bytes and objects are lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tabdiff.errors import StorageError
from tabdiff.storage.names import Names
from tabdiff.storage.reading import Reading
from tabdiff.storage.scalars import Tagged
from tabdiff.storage.writing import Writing

__all__ = ["Packer"]


class Packer:
    """Writes values as JSON and tensors, and reads them back.

    classes: enums and dataclasses that may be written; each is known by its bare name. functions: name to
    function. scalars: further types with tags of their own.

    Read back, a value has the types that it had, dicts keep their order and floats every bit but the payload
    of NaN. A value that stands in two places is written twice, and comes back as two. Of the memory layout of
    arrays only the byte order is kept.
    """

    def __init__(
        self,
        classes: Iterable[type] = (),
        functions: Mapping[str, Callable[..., Any]] | None = None,
        scalars: Iterable[Tagged] = (),
    ) -> None:
        self.names = Names(classes, functions, scalars)

    def pack(self, value: Any) -> tuple[Any, dict[str, np.ndarray]]:
        """Return JSON-ready data and the tensors that it refers to, by name.

        Raises `StorageError` for a value of an unknown type, and for what is nested deeper than 64 levels;
        both say where it stands.
        """
        writing = Writing(self.names)
        return writing.pack(value, ()), writing.tensors

    def unpack(self, data: Any, tensors: Mapping[str, np.ndarray]) -> Any:
        """Return the value; data: what a JSON reader made of a file that nobody vouches for.

        Raises `StorageError` for everything that `pack` does not write: unknown tags and classes, fields that
        are missing, too many or of another type, tensors that are missing, used twice or not at all.
        """
        reading = Reading(self.names, dict(tensors))
        value = reading.unpack(data, ())
        if reading.tensors:
            raise StorageError(
                f"the file is damaged: nothing refers to the tensors {sorted(reading.tensors)[:5]}. "
                "Save the model again."
            )
        return value
