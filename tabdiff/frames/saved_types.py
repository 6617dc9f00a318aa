"""Types of Arrow and polars as plain values, and back.

Types without parameters are their names; others are dicts of their parameters. Each is looked up in a table
of what can be read at all: nested types are not.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl
import pyarrow as pa

__all__ = ["arrow_from_plain", "arrow_to_plain", "polars_from_plain", "polars_to_plain"]

_ARROW = {
    str(kind): kind
    for kind in (
        *(pa.null(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64()),
        *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.float16(), pa.float32(), pa.float64()),
        *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()),
        *(pa.binary_view(), pa.date32(), pa.date64()),
    )
}
_ARROW_TIMES = {"time32": pa.time32, "time64": pa.time64, "duration": pa.duration}
_ARROW_DECIMALS = {
    name: getattr(pa, name)
    for name in ("decimal32", "decimal64", "decimal128", "decimal256")
    if hasattr(pa, name)  # the narrow ones are younger
}
_POLARS = {
    name: getattr(pl, name)
    for name in (
        *("Null", "Boolean", "String", "Binary", "Date", "Time", "Float16", "Float32", "Float64"),
        *("Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64", "UInt128"),
    )
    if hasattr(pl, name)
}
_PHYSICAL = {"UInt8": pl.UInt8, "UInt16": pl.UInt16, "UInt32": pl.UInt32}


def arrow_to_plain(kind: Any) -> str | dict[str, Any]:
    """The name of an Arrow type, or its parameters. Raises `TypeError` for nested and foreign ones."""
    if _ARROW.get(str(kind)) == kind:
        return str(kind)
    if pa.types.is_timestamp(kind):
        return {"kind": "timestamp", "unit": kind.unit, "zone": kind.tz}
    if pa.types.is_dictionary(kind):
        index, values = arrow_to_plain(kind.index_type), arrow_to_plain(kind.value_type)
        return {"kind": "dictionary", "index": index, "values": values, "ordered": bool(kind.ordered)}
    if pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind):
        return {"kind": "fixed size binary", "width": kind.byte_width}
    name = str(kind).partition("[")[0].partition("(")[0]
    if name in _ARROW_TIMES:
        return {"kind": name, "unit": kind.unit}
    if name in _ARROW_DECIMALS:
        return {"kind": name, "precision": kind.precision, "scale": kind.scale}
    raise TypeError(f"the Arrow type {kind}")


def arrow_from_plain(plain: Any) -> pa.DataType:
    """The type of `arrow_to_plain`; raises something for anything else."""
    if isinstance(plain, str):
        return _ARROW[plain]
    name = plain["kind"]
    if name == "timestamp":
        return pa.timestamp(plain["unit"], plain["zone"])
    if name == "dictionary":
        index, values = arrow_from_plain(plain["index"]), arrow_from_plain(plain["values"])
        return pa.dictionary(index, values, ordered=plain["ordered"])
    if name == "fixed size binary":
        return pa.binary(plain["width"])
    if name in _ARROW_TIMES:
        return _ARROW_TIMES[name](plain["unit"])
    return _ARROW_DECIMALS[name](plain["precision"], plain["scale"])


def polars_to_plain(kind: Any, withheld: Collection[Any] = ()) -> str | dict[str, Any]:
    """The name of a polars type, or its parameters, an Enum without the levels that are withheld.

    Raises `TypeError` for nested and foreign types.
    """
    name = str(kind).partition("(")[0]
    if name in _POLARS and kind == _POLARS[name]:
        return name
    if kind == pl.Datetime:
        return {"kind": "Datetime", "unit": kind.time_unit, "zone": kind.time_zone}
    if kind == pl.Duration:
        return {"kind": "Duration", "unit": kind.time_unit}
    if kind == pl.Decimal:
        return {"kind": "Decimal", "precision": kind.precision, "scale": kind.scale}
    if isinstance(kind, pl.Enum):
        levels = kind.categories.to_list()
        return {"kind": "Enum", "levels": [level for level in levels if level not in withheld]}
    if isinstance(kind, pl.Categorical):
        own = getattr(kind, "categories", None)
        if own is None or own.is_global():
            return {"kind": "Categorical"}
        physical = next(key for key, value in _PHYSICAL.items() if own.physical() == value)
        return {"kind": "Categorical", "own": [own.name(), own.namespace(), physical]}
    raise TypeError(f"the polars type {kind}")


def polars_from_plain(plain: Any) -> Any:
    """The type of `polars_to_plain`; raises something for anything else."""
    if isinstance(plain, str):
        return _POLARS[plain]()
    name = plain["kind"]
    if name == "Datetime":
        return pl.Datetime(plain["unit"], plain["zone"])
    if name == "Duration":
        return pl.Duration(plain["unit"])
    if name == "Decimal":
        return pl.Decimal(plain["precision"], plain["scale"])
    if name == "Enum":
        return pl.Enum(plain["levels"])
    if name != "Categorical":
        raise ValueError(f"no type of polars: {name!r:.80}")
    if "own" not in plain:
        return pl.Categorical()
    own, namespace, physical = plain["own"]
    return pl.Categorical(pl.Categories(own, namespace, _PHYSICAL[physical]))
