"""Dtypes, indexes and scalars of pandas as plain values, and back.

Plain are Python's own scalars, NumPy's scalars and arrays, and tuples, lists and dicts of them; scalars of
pandas stand among labels and names, and `SCALARS` says how they are plain in turn.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tabdiff.frames.saved_types import arrow_from_plain, arrow_to_plain

__all__ = ["SCALARS", "dtype_from_plain", "dtype_to_plain", "index_from_plain", "index_to_plain"]

MAX_RANGE = 20_000_000
_FIXED_ZONES = ("timezone", "_FixedOffset", "tzoffset", "tzutc")  # of datetime, pytz and dateutil
_MICROSECOND = dt.timedelta(microseconds=1)
_NUMPY = re.compile(r"[<>|=]?(?:[biuf][1248]|[SU]\d{1,9}|O|[mM]8\[(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])")
_MASKED = {
    str(dtype): dtype
    for dtype in (
        *(pd.Int8Dtype(), pd.Int16Dtype(), pd.Int32Dtype(), pd.Int64Dtype(), pd.BooleanDtype()),
        *(pd.UInt8Dtype(), pd.UInt16Dtype(), pd.UInt32Dtype(), pd.UInt64Dtype()),
        *(pd.Float32Dtype(), pd.Float64Dtype()),
    )
}


def dtype_to_plain(dtype: Any, withheld: Collection[Any] = ()) -> Any:
    """A dtype of NumPy or pandas as plain values, categories without those that are withheld.

    Raises `TypeError` for dtypes of other libraries, and of cells that are no scalars.
    """
    if isinstance(dtype, np.dtype):
        return _numpy_to_plain(dtype)
    if str(dtype) in _MASKED and _MASKED[str(dtype)] == dtype:
        return {"kind": "masked", "name": str(dtype)}
    if isinstance(dtype, pd.StringDtype):
        nan = dtype.storage == "pyarrow_numpy" or dtype.na_value is not pd.NA
        return {"kind": "string", "storage": dtype.storage.removesuffix("_numpy"), "nan": nan}
    if isinstance(dtype, pd.CategoricalDtype):
        kept = dtype.categories
        if withheld:
            kept = kept[[label not in withheld for label in kept.tolist()]]
        return {"kind": "category", "levels": index_to_plain(kept), "ordered": bool(dtype.ordered)}
    if isinstance(dtype, pd.DatetimeTZDtype):
        return {"kind": "time with zone", "unit": dtype.unit, "zone": _zone_to_plain(dtype.tz)}
    if isinstance(dtype, pd.ArrowDtype):
        return {"kind": "arrow", "type": arrow_to_plain(dtype.pyarrow_dtype)}
    if isinstance(dtype, pd.SparseDtype):
        return {"kind": "sparse", "of": dtype_to_plain(dtype.subtype), "fill": dtype.fill_value}
    raise TypeError(f"the dtype {dtype}")


def dtype_from_plain(plain: Any) -> Any:
    """The dtype of `dtype_to_plain`; raises something for anything else."""
    if isinstance(plain, str):
        return _numpy_from_plain(plain)
    kind = plain["kind"]
    if kind == "masked":
        return _MASKED[plain["name"]]
    if kind == "string":
        return _string_dtype(plain["storage"], plain["nan"])
    if kind == "category":
        return pd.CategoricalDtype(index_from_plain(plain["levels"]), ordered=plain["ordered"])
    if kind == "time with zone":
        return pd.DatetimeTZDtype(plain["unit"], _zone_from_plain(plain["zone"]))
    if kind == "arrow":
        return pd.ArrowDtype(arrow_from_plain(plain["type"]))
    if kind == "sparse":
        return pd.SparseDtype(dtype_from_plain(plain["of"]), plain["fill"])
    raise ValueError(f"no dtype: {kind!r:.80}")


def _numpy_to_plain(dtype: np.dtype) -> str:
    if not _NUMPY.fullmatch(dtype.str):
        raise TypeError(f"the dtype {dtype}")
    return dtype.str


def _numpy_from_plain(plain: str) -> np.dtype:
    if not _NUMPY.fullmatch(plain):  # NumPy's own reader knows many more forms, records among them
        raise ValueError(f"no dtype: {plain!r:.80}")
    return np.dtype(plain)


def _string_dtype(storage: str, nan: bool) -> Any:
    if storage not in ("python", "pyarrow"):
        raise ValueError(f"no storage of strings: {storage!r:.80}")
    if not nan:
        return pd.StringDtype(storage)
    try:
        return pd.StringDtype(storage, na_value=np.nan)
    except TypeError:  # pandas 2 before 2.3
        return pd.StringDtype("pyarrow_numpy")


def _zone_to_plain(zone: Any) -> Any:
    """The name of a time zone, or its offset in microseconds."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)  # zoneinfo, pytz
    if isinstance(name, str):
        return {"name": name, "of": "zoneinfo" if isinstance(zone, zoneinfo.ZoneInfo) else "pandas"}
    if type(zone).__name__ not in _FIXED_ZONES:  # others, such as the local one, may have several offsets
        raise TypeError(f"the time zone {zone!r}")
    return {"offset": zone.utcoffset(None) // _MICROSECOND}


def _zone_from_plain(plain: Any) -> Any:
    if "offset" in plain:
        return dt.timezone(dt.timedelta(microseconds=plain["offset"]))
    zone = zoneinfo.ZoneInfo(plain["name"])
    return zone if plain["of"] == "zoneinfo" else pd.DatetimeTZDtype("ns", plain["name"]).tz


def index_to_plain(index: pd.Index) -> dict[str, Any]:
    """An index of column names or of categories as plain values.

    Raises `TypeError` for labels of dtypes that have no plain form.
    """
    if isinstance(index, pd.MultiIndex):
        levels = [index_to_plain(level) for level in index.levels]
        codes = [np.asarray(codes) for codes in index.codes]
        return {"kind": "multi", "levels": levels, "codes": codes, "names": list(index.names)}
    named: dict[str, Any] = {"name": index.name}
    if isinstance(index, pd.RangeIndex):
        return {"kind": "range", "of": [index.start, index.stop, index.step], **named}
    if isinstance(index, pd.CategoricalIndex):
        dtype = dtype_to_plain(index.dtype)
        return {"kind": "categories", "codes": np.asarray(index.codes), "dtype": dtype, **named}
    if isinstance(index, pd.IntervalIndex):
        ends = [index_to_plain(index.left), index_to_plain(index.right)]
        return {"kind": "intervals", "ends": ends, "closed": index.closed, **named}
    if isinstance(index, pd.PeriodIndex):
        return {"kind": "periods", "ordinals": index.asi8, "freq": index.freqstr, **named}
    if isinstance(index, pd.TimedeltaIndex):
        return {"kind": "durations", "times": index.to_numpy(), "freq": index.freqstr, **named}
    if isinstance(index, pd.DatetimeIndex):
        zone = None if index.tz is None else _zone_to_plain(index.tz)
        times = index.tz_convert(None).to_numpy() if zone else index.to_numpy()
        return {"kind": "times", "times": times, "zone": zone, "freq": index.freqstr, **named}
    return {
        "kind": "labels",
        "dtype": dtype_to_plain(index.dtype),
        "labels": _labels_to_plain(index),
        **named,
    }


def _labels_to_plain(index: pd.Index) -> Any:
    if isinstance(index.dtype, np.dtype) and index.dtype.kind != "O":
        return index.to_numpy()
    if index.dtype == object:
        return list(index)
    return pa.array(index, from_pandas=True).to_pylist()


def index_from_plain(plain: Any) -> pd.Index:
    """The index of `index_to_plain`; raises something for anything else."""
    kind = plain["kind"]
    if kind == "multi":
        levels = [index_from_plain(level) for level in plain["levels"]]
        return pd.MultiIndex(levels=levels, codes=plain["codes"], names=plain["names"])
    name = plain["name"]
    if kind == "range":
        if len(range(*plain["of"])) > MAX_RANGE:
            raise ValueError("the index is too long")
        return pd.RangeIndex(*plain["of"], name=name)
    if kind == "categories":
        codes, dtype = plain["codes"], dtype_from_plain(plain["dtype"])
        return pd.CategoricalIndex(pd.Categorical.from_codes(codes, dtype=dtype), name=name)
    if kind == "intervals":
        left, right = (index_from_plain(end) for end in plain["ends"])
        return pd.IntervalIndex.from_arrays(left, right, plain["closed"], name=name)
    if kind == "periods":
        return pd.PeriodIndex.from_ordinals(plain["ordinals"], freq=plain["freq"], name=name)
    if kind == "durations":
        return _with_freq(pd.TimedeltaIndex(plain["times"], name=name), plain["freq"])
    if kind == "times":
        index = pd.DatetimeIndex(plain["times"], name=name)
        if plain["zone"] is not None:
            index = index.tz_localize("UTC").tz_convert(_zone_from_plain(plain["zone"]))
        return _with_freq(index, plain["freq"])
    if kind != "labels":
        raise ValueError(f"no index: {kind!r:.80}")
    return _labelled_index(plain["labels"], dtype_from_plain(plain["dtype"]), name)


def _with_freq(index: Any, freq: str | None) -> pd.Index:
    try:
        return type(index)(index, freq=freq)
    except ValueError:  # a frequency of one's own, or of the name that another pandas gives it
        return index


def _labelled_index(labels: Any, dtype: Any, name: Any) -> pd.Index:
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return pd.Index(np.asarray(labels, dtype=dtype), name=name)
    if isinstance(dtype, np.dtype):
        cells = np.fromiter(labels, dtype=object, count=len(labels))  # of tuples, no second dimension
        return pd.Index(cells, dtype=object, name=name, tupleize_cols=False)
    if isinstance(dtype, pd.ArrowDtype):
        cells = pa.chunked_array([pa.array(labels, type=dtype.pyarrow_dtype)])
        return pd.Index(pd.arrays.ArrowExtensionArray(cells), name=name)
    return pd.Index(pd.array(labels, dtype=dtype), name=name)


def _timestamp_to_plain(time: pd.Timestamp) -> list:
    if time.tz is None:
        return [time.asm8, None]
    return [time.tz_convert(None).asm8, _zone_to_plain(time.tz)]


def _timestamp_from_plain(plain: Any) -> Any:
    time, zone = plain
    if not isinstance(time, np.datetime64):
        raise ValueError("no time")
    found = pd.Timestamp(time)
    return found if zone is None else found.tz_localize("UTC").tz_convert(_zone_from_plain(zone))


def _timedelta_from_plain(plain: Any) -> Any:
    if not isinstance(plain, np.timedelta64):
        raise ValueError("no duration")
    return pd.Timedelta(plain)


SCALARS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "pandas.Timestamp": (pd.Timestamp, _timestamp_to_plain, _timestamp_from_plain),
    "pandas.Timedelta": (pd.Timedelta, lambda span: span.asm8, _timedelta_from_plain),
    "pandas.Interval": (
        pd.Interval,
        lambda interval: [interval.left, interval.right, interval.closed],
        lambda plain: pd.Interval(*plain),
    ),
    "pandas.Period": (
        pd.Period,
        lambda period: [period.ordinal, period.freqstr],
        lambda plain: pd.Period(ordinal=plain[0], freq=plain[1]),
    ),
    "pandas.NaT": (type(pd.NaT), lambda _: None, lambda _: pd.NaT),
    "pandas.NA": (type(pd.NA), lambda _: None, lambda _: pd.NA),
}
"""Scalars that may be labels or names: tag, type, to plain values and back."""
