"""What a column is: its values as plain arrays, and the kind under which it is learned."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from numbers import Integral, Real
from typing import Any

import numpy as np

from tabdiff.errors import SchemaError

__all__ = [
    "Column",
    "ColumnSchema",
    "Kind",
    "Storage",
    "TableSchema",
    "check_finite",
    "grown_schema",
    "infer_schema",
    "learned_schema",
    "least_count",
    "rows_to_keep",
    "unique_names",
    "with_relations",
]

MIN_IDENTIFIERS = 20
MAX_WHOLE = 2**53  # beyond, float64 skips integers


class Storage(StrEnum):
    """How the cells of a column are held in a frame."""

    FLOAT = "float"
    INT = "int"
    BOOL = "bool"
    LABEL = "label"
    DATETIME = "datetime"
    DURATION = "duration"


class Kind(StrEnum):
    """How a column is learned.

    Identifiers are not learned but made afresh in their format, constants are restored, and a column that is
    empty, all of its cells missing, comes back empty.
    """

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    CONSTANT = "constant"
    IDENTIFIER = "identifier"
    EMPTY = "empty"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    values: (n,) array, not to be written to: it may be the frame's own memory. Float storage holds float64 or
    float32; int, datetime and duration hold int64; bool holds bool; label holds int64 codes into `levels`.
    missing: (n,) bool; the value at a missing cell means nothing. levels: the labels that occur, in the order
    that the frame declares if `ordered`, else sorted. unit: of times and durations, "D", "s", "ms", "us" or
    "ns"; times count from 1970, in UTC if the frame has a time zone.
    """

    name: Hashable
    storage: Storage
    values: np.ndarray
    missing: np.ndarray
    levels: tuple[Any, ...] = ()
    ordered: bool = False
    unit: str | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def numpy_time(self) -> str:
        """The NumPy dtype of times or durations, which `values` holds as integers: "M8[ns]" and the like."""
        return f"{'M' if self.storage is Storage.DATETIME else 'm'}8[{self.unit}]"

    @property
    def observed(self) -> np.ndarray:
        """The values of the cells that are not missing."""
        return self.values[~self.missing]

    def with_cells(self, values: np.ndarray, missing: np.ndarray) -> Column:
        """The same column with other cells."""
        return replace(self, values=values, missing=missing)

    def without_cells(self) -> Column:
        """The same column with no cell, not even in its memory."""
        return self.with_cells(self.values[:0].copy(), self.missing[:0].copy())

    def describe(self, value: Any) -> Any:
        """A stored value as the user knows it: a label, a NumPy time, or a plain Python scalar."""
        if self.storage is Storage.LABEL:
            return self.levels[int(value)]
        if self.unit is not None:
            return np.array(value).astype(self.numpy_time)[()]
        return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class ColumnSchema:
    """The name of a column, how its cells are held and how they are learned.

    relation: what it is of other columns, in words ("sum of a and b"), if it follows from them.
    """

    name: Hashable
    kind: Kind
    storage: Storage
    has_missing: bool
    relation: str = ""


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table in their order."""

    columns: tuple[ColumnSchema, ...]

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, name: Hashable) -> ColumnSchema:
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"there is no column {name!r}. Columns: {[c.name for c in self.columns]}.")

    def __str__(self) -> str:
        rows = [("column", "kind", "stored as", "missing", "relation")]
        rows += [
            (str(c.name), c.kind, c.storage, "yes" if c.has_missing else "no", c.relation)
            for c in self.columns
        ]
        n_shown = 5 if any(column.relation for column in self.columns) else 4
        widths = [max(len(row[i]) for row in rows) for i in range(n_shown)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows
        )
        return "\n".join(line.rstrip() for line in lines)

    def to_dict(self) -> dict[str, Any]:
        """As lists, dicts, strings and numbers, which JSON can hold. Raises `SchemaError` for odd names."""
        return {
            "columns": [
                {
                    "name": _name_to_json(column.name),
                    "kind": column.kind.value,
                    "storage": column.storage.value,
                    "has_missing": column.has_missing,
                    "relation": column.relation,
                }
                for column in self.columns
            ]
        }

    @classmethod
    def from_dict(cls, written: Mapping[str, Any]) -> TableSchema:
        """Read what `to_dict` wrote. Raises `SchemaError` if it is anything else."""
        try:
            columns = tuple(
                ColumnSchema(
                    _name_from_json(entry["name"]),
                    Kind(entry["kind"]),
                    Storage(entry["storage"]),
                    bool(entry["has_missing"]),
                    str(entry.get("relation", "")),
                )
                for entry in written["columns"]
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SchemaError(
                f"this is no table schema ({type(error).__name__}: {error}). Expected what "
                'TableSchema.to_dict() writes: {"columns": [{"name", "kind", "storage", ...}, ...]}.'
            ) from error
        return cls(columns)

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> TableSchema:
        """Read what `to_json` wrote. Raises `SchemaError` if it is anything else."""
        try:
            written = json.loads(text)
        except json.JSONDecodeError as error:
            raise SchemaError(
                f"this is no JSON: {error}. Expected what TableSchema.to_json() writes."
            ) from error
        return cls.from_dict(written)


def _name_to_json(name: Hashable) -> Any:
    """A name as JSON: text, numbers and None as they are, tuples as lists, times as {"time": ...}."""
    if name is None or isinstance(name, str | bool):
        return name
    if isinstance(name, tuple):
        return [_name_to_json(part) for part in name]
    if isinstance(name, Integral):
        return int(name)
    if isinstance(name, Real):
        return float(name)
    if isinstance(name, dt.datetime):
        return {"time": name.isoformat()}
    raise SchemaError(
        f"the column name {name!r} is a {type(name).__name__}, which cannot be written as JSON. Rename the "
        "column."
    )


def _name_from_json(written: Any) -> Hashable:
    if isinstance(written, list):
        return tuple(_name_from_json(part) for part in written)
    return dt.datetime.fromisoformat(written["time"]) if isinstance(written, dict) else written


def unique_names(names: Sequence[Hashable]) -> None:
    """Raise `SchemaError` if a column name occurs twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SchemaError(f"column names occur more than once: {twice}. Rename them, so that each is unique.")


def rows_to_keep(n_rows: int) -> float:
    """In how many rows a label must occur to be kept once training is over, at most; 1 keeps all."""
    return 1 if n_rows < 20 else max(2, min(10, n_rows / 1000))


def least_count(counts: np.ndarray, n_rows: int) -> float:
    """In how many rows a label of a column must occur to be kept; counts: (V,), how often each label does.

    As `rows_to_keep` has it, but so few that the labels left out make up at most a twentieth of the cells:
    two at least, as a label of one row gives that row away.
    """
    most = rows_to_keep(n_rows)
    for least in (most, *range(math.ceil(most) - 1, 2, -1)):
        if counts[counts < least].sum() <= counts.sum() / 20:
            return least
    return min(most, 2)


def infer_schema(
    columns: Sequence[Column],
    overrides: Mapping[Hashable, str] | TableSchema | None = None,
    max_levels: int = 50,
) -> TableSchema:
    """Find out how each column should be learned. The first rule that applies decides.

    1. A column without any observed cell is empty.
    2. A column with one value and no missing cell is constant.
    3. `overrides` maps names to "numeric", "categorical" or "identifier". It may be a `TableSchema`, whose
       constant and empty columns are looked at anew.
    4. Columns with at least 20 observed cells are identifiers if they hold strings most of which occur once,
       or integers that all differ and are consecutive in any order, or have a name that says so: one of its
       words is id, uuid, guid, key, no, nr, number or ref (`customer_id`, `orderNo`). Ordered categories,
       floats and times are never taken for identifiers.
    5. Labels and booleans are categorical. So are numbers, times and durations that take few values often: at
       most `max_levels` of them, each in twenty rows on average. The others are numeric.

    Raises `SchemaError` for infinite values, and for an override that names no column, no kind, or a kind
    that the column cannot have.
    """
    if isinstance(overrides, TableSchema):
        fixed = (Kind.CONSTANT, Kind.EMPTY)
        overrides = {column.name: column.kind for column in overrides.columns if column.kind not in fixed}
    overrides = overrides or {}
    names = [column.name for column in columns]
    unknown = [name for name in overrides if name not in names]
    if unknown:
        raise SchemaError(f"kinds are given for columns that do not exist: {unknown}. Columns: {names}.")
    return TableSchema(
        tuple(_infer_one(column, overrides.get(column.name), max_levels) for column in columns)
    )


def _infer_one(column: Column, override: str | None, max_levels: int) -> ColumnSchema:
    check_finite(column)
    if override is not None:
        _check_override(column, override)
    kind = _kind(column, override, max_levels)
    return ColumnSchema(column.name, kind, column.storage, bool(column.missing.any()))


def _kind(column: Column, override: str | None, max_levels: int) -> Kind:
    observed = column.observed
    if not len(observed):
        return Kind.EMPTY
    n_distinct = _n_distinct(observed)
    if n_distinct == 1 and len(observed) == len(column):
        return Kind.CONSTANT
    if override is not None:
        return Kind(override)
    if _is_identifier(column, observed, n_distinct):
        return Kind.IDENTIFIER
    few = n_distinct <= min(max_levels, max(2, len(column) // 20))
    return Kind.CATEGORICAL if few or _is_nominal(column) else Kind.NUMERIC


def _is_identifier(column: Column, observed: np.ndarray, n_distinct: int) -> bool:
    if len(observed) < MIN_IDENTIFIERS:
        return False
    if column.storage is Storage.INT and n_distinct == len(observed):
        consecutive = int(observed.max()) - int(observed.min()) == len(observed) - 1
        return consecutive or _names_identifiers(column.name)
    if column.storage is Storage.LABEL and not column.ordered and _holds_strings(column):
        counts = np.bincount(observed)
        return bool(counts[counts > 1].sum() < len(observed) / 2)
    return False


def _names_identifiers(name: Hashable) -> bool:
    """Whether a word of the name means an identifier; words end at a change of case or kind of character."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", str(name))
    return not {"id", "uuid", "guid", "key", "no", "nr", "number", "ref"}.isdisjoint(map(str.lower, words))


def _holds_strings(column: Column) -> bool:
    return all(isinstance(level, str) for level in column.levels)


def _n_distinct(values: np.ndarray) -> int:
    """Number of different values (at least one); several times faster than `np.unique`, which hashes."""
    ordered = np.sort(values)
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def _is_nominal(column: Column) -> bool:
    return column.storage in (Storage.LABEL, Storage.BOOL)


def check_finite(column: Column) -> None:
    """Raise `SchemaError` if an observed cell is infinite."""
    observed = column.observed
    if column.storage is Storage.FLOAT and not np.isfinite(observed).all():
        infinite = observed[~np.isfinite(observed)]
        raise SchemaError(
            f"column {column.name!r} holds {len(infinite)} infinite values, the first is {infinite[0]}. "
            "Replace them by missing values or by finite ones."
        )


def _check_override(column: Column, override: str) -> None:
    """Raise `SchemaError` if the column cannot be learned as the user wants."""
    if override not in (Kind.NUMERIC, Kind.CATEGORICAL, Kind.IDENTIFIER):
        raise SchemaError(
            f"column {column.name!r} is given the kind {override!r}. Known kinds: 'numeric', 'categorical', "
            "'identifier'."
        )
    if not len(column.observed):
        return
    example = column.describe(column.observed[0])
    if override == Kind.NUMERIC and _is_nominal(column):
        raise SchemaError(
            f"column {column.name!r} is given the kind 'numeric' but holds labels such as {example!r}. "
            "Convert it to numbers first, or leave it categorical."
        )
    if override == Kind.IDENTIFIER:
        _check_identifiers(column, example)


def _check_identifiers(column: Column, example: Any) -> None:
    """Raise `SchemaError` unless the column holds strings, or whole numbers that all differ."""
    if column.storage is Storage.LABEL and _holds_strings(column):
        return
    observed = column.observed
    whole = column.storage is Storage.INT
    if column.storage is Storage.FLOAT and observed.dtype == np.float64:
        whole = bool((np.abs(observed) < MAX_WHOLE).all() and (observed == np.rint(observed)).all())
    if not whole:
        raise SchemaError(
            f"column {column.name!r} is given the kind 'identifier' but holds {column.storage} cells such as "
            f"{example!r}. Identifiers are strings or whole numbers: convert it, or leave the kind away."
        )
    values, counts = np.unique(observed, return_counts=True)
    if len(values) < len(observed):
        often = counts.argmax()
        raise SchemaError(
            f"column {column.name!r} is given the kind 'identifier' but holds "
            f"{column.describe(values[often])!r} {counts[often]} times. Numbers that repeat identify no row: "
            "leave the kind away, or convert them to strings."
        )


def grown_schema(schema: TableSchema, learned: TableSchema, columns: Sequence[Column]) -> TableSchema:
    """The schema after new rows: kinds as they are learned now, and missing cells that have appeared."""
    kinds = {spec.name: spec for spec in learned.columns}
    grown = []
    for spec, column in zip(schema.columns, columns, strict=True):
        now = kinds.get(spec.name, spec)
        has_missing = spec.has_missing or bool(column.missing.any())
        grown.append(replace(spec, kind=now.kind, storage=now.storage, has_missing=has_missing))
    return TableSchema(tuple(grown))


def learned_schema(learned: Sequence[Column], schema: TableSchema) -> TableSchema:
    """The schema of the columns that are learned: as inferred, hidden ones by themselves."""
    known = {spec.name: spec for spec in schema.columns}
    hidden = [column for column in learned if column.name not in known]
    known |= {spec.name: spec for spec in infer_schema(hidden).columns} if hidden else {}
    return TableSchema(tuple(known[column.name] for column in learned))


def with_relations(schema: TableSchema, relations: Mapping[Hashable, str]) -> TableSchema:
    """The schema with what is said of how columns follow from others, by their names."""
    return TableSchema(tuple(replace(spec, relation=relations.get(spec.name, "")) for spec in schema.columns))
