"""A learned table as a maker of rows of given classes, wherever it came from; and those learned lately."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from sklearn.exceptions import NotFittedError

from tabdiff.errors import InputError, SchemaError
from tabdiff.imbalance.labels import plain
from tabdiff.inputs import check_names
from tabdiff.schema import Column, Storage
from tabdiff.tables import LearnedTable, TableConfig

__all__ = ["CACHE", "Generator", "GeneratorCache", "fingerprint", "generator_of"]

Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Generator:
    """A learned table and the classes that it tells apart.

    classes: (n_classes,); the code of a class is its place, and labels are told by their value. target: name
    of the column of the table that repeats the class and is no feature; None if the class is told beside the
    columns.
    """

    table: LearnedTable
    classes: np.ndarray
    target: Hashable = None

    def code_of(self, label: Any) -> int:
        """The code of a class; raises `InputError` if the table has learned no rows of it."""
        known, label = self.classes.tolist(), plain(label)
        if label not in known:
            raise InputError(
                f"the generator knows no class {label!r}. It has learned {known[:20]}. Fit it on rows of all "
                "classes."
            )
        return known.index(label)

    @property
    def features(self) -> list[Column]:
        """The feature columns without cells."""
        return self._features(self.table.templates)

    def sample(
        self,
        label: Any,
        n: int,
        seed: np.random.SeedSequence,
        sampling_steps: int | None = None,
        guidance: float = 0.0,
        on_rows: Callable[[int], None] | None = None,
        first_row: int = 0,
    ) -> list[Column]:
        """Draw n rows of a class: the feature columns. The arguments are those of `LearnedTable.sample`."""
        told = np.full(n, self.code_of(label), dtype=np.int64)
        drawn = self.table.sample(n, told, seed, sampling_steps, guidance, on_rows, first_row=first_row)
        return self._features(drawn)

    def revise(
        self,
        columns: Sequence[Column],
        label: Any,
        seed: np.random.SeedSequence,
        t: float,
        sampling_steps: int | None = None,
        first_row: int = 0,
    ) -> list[Column]:
        """Draw rows of a class near given ones, by noising these up to time t and back.

        columns: the feature columns, of any table that `generator_of` takes. Raises `SchemaError` for others.
        """
        whole = self.aligned(columns, label)
        told = np.full(len(whole[0]), self.code_of(label), dtype=np.int64)
        return self._features(self.table.revise(whole, told, seed, t, sampling_steps, first_row))

    def aligned(self, columns: Sequence[Column], label: Any) -> list[Column]:
        """All columns of the table, from feature columns whose rows are of one class.

        Raises `SchemaError` if names differ, or cells cannot be held as in the table.
        """
        check_names(list(columns), [column.name for column in self.features])
        rest, n = iter(columns), len(columns[0])
        whole = [
            next(rest)
            if self._is_feature(own)
            else _repeated(own, self.classes.tolist()[self.code_of(label)], n)
            for own in self.table.templates
        ]
        return self.table.aligned(whole)

    def _features(self, columns: Sequence[Column]) -> list[Column]:
        return [column for column in columns if self._is_feature(column)]

    def _is_feature(self, column: Column) -> bool:
        return self.target is None or column.name != self.target


def _repeated(own: Column, label: Any, n: int) -> Column:
    """A column like `own` whose n cells hold one value."""
    whole = np.zeros(n, dtype=bool)
    if own.storage is Storage.LABEL:
        return dataclasses.replace(own, values=np.zeros(n, dtype=np.int64), missing=whole, levels=(label,))
    return own.with_cells(np.full(n, label, dtype=own.values.dtype), whole)


# --- what a user passes -----------------------------------------------------------------------------------


def generator_of(given: Any, columns: Sequence[Column], classes: np.ndarray) -> Generator:
    """The generator that a user passes, if it can make rows of these classes for a table of these columns.

    given: a `Generator`, a fitted `DiffusionOverSampler`, or a fitted `TableSynthesizer` with a target; of
    its constraints, those that need rows to be drawn again (`Unique`, `Predicate`) are not kept. columns: the
    features. classes: (n,).

    Raises scikit-learn's `NotFittedError`; `SchemaError` if the columns differ in name, order or what they
    hold; and `InputError` for a class that it has not learned, and for what is no generator.
    """
    generator = _recognised(given)
    labels = np.unique(classes)
    for label in labels:
        generator.code_of(label)
    generator.aligned(columns, labels[0])
    for column, own in zip(columns, generator.features, strict=True):
        if column.storage is Storage.INT and own.storage is Storage.FLOAT:
            raise SchemaError(
                f"column {column.name!r} holds whole numbers, but the generator has learned decimals, which "
                "would be cut. Convert the column to float, or fit the generator on whole numbers."
            )
    return generator


def _recognised(given: Any) -> Generator:
    """The generator in what a user passes."""
    if isinstance(given, Generator):
        return given
    # by name: the public classes import this module, so it cannot import them
    kinds = {cls.__name__ for cls in type(given).__mro__ if cls.__module__.split(".")[0] == "tabdiff"}
    if "DiffusionOverSampler" in kinds:
        found = getattr(given, "generator_", None)
        if found is None:
            raise NotFittedError(
                f"the generator {given} holds no model: its fit_resample was not called, or had no row to "
                "add. Fit it on classes that need rows."
            )
        return found
    if "TableSynthesizer" in kinds:
        return _of_synthesizer(given)
    raise InputError(
        f"generator is {given!r:.200}, a {type(given).__name__}. Pass a fitted DiffusionOverSampler, or a "
        "TableSynthesizer that was fitted with target= the column of the classes."
    )


def _of_synthesizer(given: Any) -> Generator:
    if getattr(given, "_table", None) is None:
        raise NotFittedError(f"the generator {given} is not fitted. Call its fit before you pass it on.")
    if given._target is None:
        raise InputError(
            f"the generator {given} tells no classes apart: its target is {given.target!r}. Fit it with "
            "target= the column of the classes, and one that holds few values."
        )
    known = given._target.classes
    classes = np.empty(len(known), dtype=object)  # so that labels of several types stay what they are
    classes[:] = known
    return Generator(given._table, classes, given._target.name)


# --- learned lately ---------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Entry:
    """One thing that is made, or is being made; done is set when it is, or when that has failed."""

    done: threading.Event = field(default_factory=threading.Event)
    is_made: bool = False
    made: Any = None


class GeneratorCache:
    """What was made lately, by key: at most `max_entries`; the least recently used goes first.

    It may be asked by several threads. Whoever asks for what another one is just making waits for that. A
    function that raises leaves nothing behind; those that waited for it then try their own.
    """

    def __init__(self, max_entries: int = 16) -> None:
        self.max_entries = max_entries
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def get_or_make(self, key: str | None, make: Callable[[], Made]) -> Made:
        """What `make` returns, or has returned lately for this key; with None as the key nothing is kept.

        `make` must not ask for the same key.
        """
        if key is None:
            return make()
        while True:
            with self._lock:
                found = self._entries.get(key)
                entry = _Entry() if found is None else found
                self._entries[key] = entry
                self._entries.move_to_end(key)
            if found is None:
                return self._make(key, entry, make)
            entry.done.wait()
            if entry.is_made:
                return entry.made

    def _make(self, key: str, entry: _Entry, make: Callable[[], Made]) -> Made:
        try:
            entry.made = make()
            entry.is_made = True
            return entry.made
        finally:
            with self._lock:
                if not entry.is_made:
                    del self._entries[key]
                self._forget_all_but(self.max_entries)
            entry.done.set()

    def _forget_all_but(self, n: int) -> None:
        """Keep the n entries that were used last; what is being made stays, for others may wait for it."""
        made = [key for key, entry in self._entries.items() if entry.is_made]
        for key in made[: max(0, len(made) - n)]:
            del self._entries[key]

    def clear(self) -> None:
        """Forget everything that is made."""
        with self._lock:
            self._forget_all_but(0)

    def __len__(self) -> int:
        with self._lock:
            return sum(entry.is_made for entry in self._entries.values())


CACHE = GeneratorCache()
"""Of this process: a table already seen costs sampling only. It changes no rows, as keys hold the seed."""


def fingerprint(
    columns: Sequence[Column],
    codes: np.ndarray | None,
    config: TableConfig,
    seed: np.random.SeedSequence,
    *others: Any,
) -> str | None:
    """A text that is the same for all that `learn_table` would learn the same from, and for nothing else.

    Only results of an explicit integer seed are found again: a random state of None has fresh entropy each
    time, and one that is drawn from is another one after. What ended training early (a budget of seconds, a
    callback) is not told. codes: (n,) classes, or None. others: whatever else the result depends on. Cells
    that are missing count as such, whatever stands there.

    Returns None where something is no plain value, such as a function among the constraints, and so cannot be
    told from others of its kind.
    """
    digest = hashlib.blake2b(digest_size=32)
    try:
        for column in columns:
            _add_column(digest, column)
        digest.update(_exact(None if codes is None else np.asarray(codes, dtype=np.int64)))
        spawned = seed.n_children_spawned  # of which the streams of learning are the next
        digest.update(_exact([config, seed.entropy, seed.spawn_key, seed.pool_size, spawned, others]))
    except _NoPlainValue:
        return None
    return digest.hexdigest()


class _NoPlainValue(Exception):
    """A value cannot be told from all others by its content."""


EXACT_REPR = (bool, int, float, complex, type(None), Decimal, Fraction, UUID, dt.date, dt.timedelta)


def _add_column(digest: Any, column: Column) -> None:
    """Feed a column to the hash, its long arrays without a copy where that can be."""
    facts = column.name, column.storage, column.ordered, column.unit, column.levels
    digest.update(_exact([*facts, column.values.dtype.str, len(column)]))
    values = column.values
    if column.missing.any():
        values = np.where(column.missing, np.zeros(1, dtype=values.dtype), values)
    digest.update(np.ascontiguousarray(values).view(np.uint8))
    digest.update(np.packbits(column.missing))


def _exact(value: Any) -> bytes:
    """The value as bytes, with its type and length before it, so that no two values have the same.

    Raises `_NoPlainValue` for types that are not known to show all that they hold.
    """
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, Enum):
        return _framed(name, value.name.encode())
    if kind is str:
        return _framed(name, value.encode("utf-8", "surrogatepass"))
    if kind is bytes:
        return _framed(name, value)
    if kind in EXACT_REPR:
        return _framed(name, repr(value).encode())
    if kind in (dt.datetime, dt.time):
        zone, local = _zone(value.tzinfo), value.replace(tzinfo=None)
        return _framed(name, local.isoformat().encode() + bytes([value.fold]) + _exact(zone))
    if isinstance(value, np.generic | np.ndarray) and not value.dtype.hasobject:
        return _framed(f"{name} {value.dtype.str} {value.shape}", value.tobytes())
    if kind in (list, tuple):
        return _framed(name, b"".join(map(_exact, value)))
    if isinstance(value, Mapping):
        return _framed(name, b"".join(sorted(_exact(pair) for pair in value.items())))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = [(one.name, getattr(value, one.name)) for one in dataclasses.fields(value)]
        return _framed(name, _exact(held))
    raise _NoPlainValue(name)


def _framed(name: str, data: bytes) -> bytes:
    return f"{name} {len(data)}:".encode() + data


def _zone(zone: dt.tzinfo | None) -> Any:
    """A time zone by what it is: nothing, an offset or a name."""
    if isinstance(zone, dt.timezone):
        return zone.utcoffset(None)
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    if zone is None:
        return None
    raise _NoPlainValue(type(zone).__name__)
