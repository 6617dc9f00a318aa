"""Arrow arrays to columns and back: the one format that every other reader goes through."""

from __future__ import annotations

import decimal
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabdiff.errors import SchemaError
from tabdiff.frames.forms import Form
from tabdiff.schema import Column, Storage, unique_names

__all__ = [
    "build_arrow",
    "check_range",
    "check_room",
    "label_column",
    "object_cells",
    "read_arrow",
    "read_table",
    "time_of",
    "unlearnable",
    "without_rows",
]

INT64 = np.iinfo(np.int64)


def read_table(table: pa.Table | pa.RecordBatch) -> list[tuple[Column, Form]]:
    """Read each column of a table. Raises `SchemaError` for names that occur twice."""
    unique_names(table.schema.names)
    return [read_arrow(name, array) for name, array in zip(table.schema.names, table.columns, strict=True)]


def without_rows(table: pa.Table | pa.RecordBatch, kind: Any) -> pa.Table | pa.RecordBatch:
    """A table with the same schema and no row; kind: `pa.Table` or `pa.RecordBatch`."""
    empty = table.schema.empty_table()
    if issubclass(kind, pa.Table):
        return empty
    return pa.RecordBatch.from_arrays([column.chunk(0) for column in empty.columns], schema=table.schema)


def read_arrow(name: Hashable, array: pa.Array | pa.ChunkedArray) -> tuple[Column, Form]:
    """Read a column from Arrow, the one format that every other reader goes through."""
    if isinstance(array, pa.ChunkedArray):
        array = array.unify_dictionaries().combine_chunks()
    kind = array.type
    if pa.types.is_dictionary(kind) and not pa.types.is_nested(kind.value_type):
        return _read_dictionary(name, array), Form(kind)
    if _is_text(kind):
        return _read_dictionary(name, array.dictionary_encode()), Form(kind)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        column = _read_floats(name, array)
        only_nan = column.missing.any() and not array.null_count
        return column, Form(kind, np.nan if only_nan else None)
    missing = array.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_boolean(kind):
        values = array.fill_null(False).to_numpy(zero_copy_only=False)
        return Column(name, Storage.BOOL, values, missing), Form(kind)
    if pa.types.is_integer(kind):
        return Column(name, Storage.INT, _whole_numbers(name, array), missing), Form(kind)
    if (time := time_of(kind)) is not None:
        storage, unit = time
        ticks = array.view(pa.int32() if kind.bit_width == 32 else pa.int64())
        return Column(name, storage, _whole_numbers(name, ticks), missing, unit=unit), Form(kind)
    raise unlearnable(name, kind, array[int(np.argmin(missing))].as_py())


def _is_text(kind: pa.DataType) -> bool:
    return any(
        is_kind(kind)
        for is_kind in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_binary_view,
            pa.types.is_fixed_size_binary,
        )
    )


def time_of(kind: pa.DataType) -> tuple[Storage, str] | None:
    """How a type of times is stored, and its unit; None for other types. Times of day count from midnight."""
    if pa.types.is_date(kind):
        return Storage.DATETIME, "D" if pa.types.is_date32(kind) else "ms"
    if pa.types.is_timestamp(kind):
        return Storage.DATETIME, kind.unit
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return Storage.DURATION, kind.unit
    return None


def _whole_numbers(name: Hashable, array: pa.Array) -> np.ndarray:
    if pa.types.is_uint64(array.type) and array.null_count < len(array):
        check_range(name, pc.max(array).as_py())
    return array.fill_null(0).cast(pa.int64()).to_numpy(zero_copy_only=False)


def check_range(name: Hashable, *numbers: int) -> None:
    """Raise `SchemaError` for integers that do not fit into 64 bits with a sign."""
    for number in numbers:
        if not INT64.min <= number <= INT64.max:
            raise SchemaError(
                f"column {name!r} holds {number}, beyond signed 64-bit integers. Convert the column to "
                "float, or to strings if it is an identifier."
            )


def _read_floats(name: Hashable, array: pa.Array) -> Column:
    if pa.types.is_decimal(array.type):  # through text, as Arrow's own cast is wrong in the last digit
        array = array.cast(pa.string())
    floats = array if pa.types.is_floating(array.type) else array.cast(pa.float64())
    values = floats.to_numpy(zero_copy_only=False)
    missing = np.isnan(values)
    precision = np.float64 if values.dtype == np.float64 else np.float32
    return Column(name, Storage.FLOAT, np.where(missing, 0, values).astype(precision, copy=False), missing)


def _read_dictionary(name: Hashable, array: pa.DictionaryArray) -> Column:
    """Read labels; a dictionary may hold a level twice, or a null."""
    entries = array.dictionary.to_pylist()
    levels = [level for level in dict.fromkeys(entries) if level is not None]
    code_of = {level: code for code, level in enumerate(levels)}
    code_of_entry = np.array([code_of.get(entry, -1) for entry in [*entries, None]], dtype=np.int64)
    entry = array.indices.cast(pa.int64()).fill_null(-1).to_numpy()  # -1 is the null at the end
    return label_column(name, code_of_entry[entry], levels, bool(array.type.ordered))


def label_column(name: Hashable, codes: np.ndarray, levels: Sequence[Any], ordered: bool) -> Column:
    """Make a label column with only the levels that occur, in the declared order or else sorted.

    codes: (n,) places in `levels`, -1 for missing cells.
    """
    missing = codes < 0
    used = np.flatnonzero(np.bincount(codes[~missing])).tolist()
    if not ordered:
        used = _sorted_by_level(used, levels)
    new_code = np.zeros(len(levels) + 1, dtype=np.int64)  # the last is what -1 finds
    new_code[used] = np.arange(len(used))
    kept = tuple(levels[code] for code in used)
    return Column(name, Storage.LABEL, new_code[codes], missing, kept, ordered)


def _sorted_by_level(codes: list[int], levels: Sequence[Any]) -> list[int]:
    try:
        return sorted(codes, key=lambda code: levels[code])
    except TypeError:  # levels of several types have no order of their own
        return sorted(codes, key=lambda code: (type(levels[code]).__name__, str(levels[code])))


def unlearnable(name: Hashable, kind: Any, example: Any) -> SchemaError:
    """The error about a column of a type that is not learned, with one of its cells."""
    return SchemaError(
        f"column {name!r} has the type {kind} and holds cells such as {example!r}. Cells must be numbers, "
        "booleans, strings or times. Convert the column, or unpack it into columns of its own."
    )


def build_arrow(column: Column, form: Form) -> pa.Array:
    """Write a column as an Arrow array of the type that it was read from."""
    kind: Any = form.type
    values = column.values
    if pa.types.is_null(kind):
        return pa.nulls(len(column))
    if pa.types.is_dictionary(kind):
        codes = pa.array(values, mask=column.missing).cast(kind.index_type)
        levels = pa.array(column.levels, type=kind.value_type)
        return pa.DictionaryArray.from_arrays(codes, levels, ordered=kind.ordered)
    if column.storage is Storage.LABEL:
        return pa.array(object_cells(column, Form(kind)), type=kind)
    if form.null is not None and pa.types.is_floating(kind):
        values = np.where(column.missing, form.null, values)
        return pa.array(values.astype(kind.to_pandas_dtype(), copy=False))
    if pa.types.is_floating(kind):
        return pa.array(values.astype(kind.to_pandas_dtype(), copy=False), mask=column.missing)
    if time_of(kind) is not None:
        ticks = values.astype(np.int32 if kind.bit_width == 32 else np.int64)
        return pa.array(ticks, mask=column.missing).view(kind)
    if pa.types.is_decimal(kind):
        return _build_decimals(column, kind)
    if pa.types.is_integer(kind):
        check_room(column, np.dtype(kind.to_pandas_dtype()))
    return pa.array(values, mask=column.missing).cast(kind)


def check_room(column: Column, dtype: np.dtype) -> None:
    """Raise `SchemaError` if integers do not fit into the type that they were read from.

    Those that were learned do; identifiers, which count on, may run out of it.
    """
    if dtype.kind not in "iu" or column.storage is not Storage.INT or column.missing.all():
        return
    cells, limits = column.observed, np.iinfo(dtype)
    for number in (int(cells.min()), int(cells.max())):
        if not limits.min <= number <= limits.max:
            raise SchemaError(
                f"column {column.name!r} would hold {number}, beyond its type {dtype}. Fit with a wider "
                "type, such as int64, or ask for fewer rows at once."
            )


def _build_decimals(column: Column, kind: Any) -> pa.Array:
    """Write floats as decimals by their shortest digits: 0.1 is 0.1, however many places there are."""
    values, place = np.unique(column.values, return_inverse=True)
    tick, wide = decimal.Decimal(1).scaleb(-kind.scale), decimal.Context(prec=kind.precision + 1)
    decimals = [decimal.Decimal(repr(value)).quantize(tick, context=wide) for value in values.tolist()]
    return pa.array(decimals, type=kind).take(pa.array(place, mask=column.missing))


def object_cells(column: Column, form: Form) -> np.ndarray:
    """The cells as Python objects, `form.null` where they are missing: (n,) object."""
    if column.storage is Storage.LABEL:
        levels = np.empty(len(column.levels) + 1, dtype=object)
        levels[:-1] = column.levels
        levels[-1] = form.null
        return levels[np.where(column.missing, -1, column.values)]
    cells = np.empty(len(column), dtype=object)
    cells[:] = build_arrow(column, Form(form.type)).to_pylist()
    cells[column.missing] = form.null
    return cells
