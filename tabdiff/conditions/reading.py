"""What a user asks of the rows that are drawn, read into the terms of the fitted columns.

A condition is a mapping from column names to what their cells shall be, or a frame with one condition in each
row. A name may be followed by

- a scalar: cells equal to it; None, NaN, NaT: missing cells
- a list, set, array or series: cells equal to one of them, or missing if one of them is
- a tuple of two, on numbers and times: a closed range, None for an open end; on labels, the two of them
- a slice or a pandas Interval: a range, the slice closed on both sides; a range object: its integers
- a mapping with the keys "min", "max", "above", "below" (these two exclude the bound), "in", "equals" and
  "missing" (true beside others: these or missing; alone: only missing; false: none missing)

Times may be written in ISO form. Without a time zone they count as UTC where the frame has one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabdiff.conditions.scalars import as_bound, as_cell, describe_levels, is_missing, plain, shown
from tabdiff.errors import ConditionError
from tabdiff.schema import Column, Storage
from tabdiff.wanted import Wanted

__all__ = ["Support", "known_cells", "read_condition_rows", "read_conditions"]

KEYS = ("min", "max", "above", "below", "in", "equals", "missing")
UNORDERED = (Storage.LABEL, Storage.BOOL)
MAX_VALUES = 1_000_000


@dataclass(frozen=True)
class Support:
    """Which cells a fitted column can have, in the terms of `Column.values`; by default any.

    low, high: the least and the greatest value. values: the only values, sorted. missing: whether cells can
    be missing.
    """

    low: Any = None
    high: Any = None
    values: np.ndarray | None = None
    missing: bool = True

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Which of the values a cell can have: (n,) bool."""
        return Wanted(self.values, self.low, self.high).meets(values, np.zeros(len(values), dtype=bool))


ANY = Support()


def read_conditions(
    where: Any, templates: Sequence[Column], supports: Mapping[Hashable, Support] | None = None
) -> dict[Hashable, Wanted]:
    """Read a mapping of conditions, in the order of the fitted columns.

    templates: the fitted columns; their cells do not matter. supports: which cells they can have. Conditions
    that every cell meets are left out. Raises `ConditionError` for whatever cannot be understood, or met.
    """
    if not isinstance(where, Mapping):
        raise ConditionError(
            f"where is {shown(where)}, of the type {type(where).__name__}. Pass a dict from column names to "
            "what their cells shall be, or a frame with one condition in each row."
        )
    _check_names(list(where), templates)
    supports = supports or {}
    wanted = {}
    for template in templates:
        if template.name in where:
            asked, support = where[template.name], supports.get(template.name, ANY)
            found = _supported(_read(asked, template, support), asked, template, support)
            if found is not None:
                wanted[template.name] = found
    return wanted


def _check_names(names: Sequence[Hashable], templates: Sequence[Column]) -> None:
    fitted = [template.name for template in templates]
    unknown = [name for name in names if name not in fitted]
    if unknown:
        more = ", ..." if len(fitted) > 30 else ""
        listed = ", ".join(repr(name) for name in fitted[:30])
        raise ConditionError(
            f"where names columns that were not in fit: {unknown}. Columns: [{listed}{more}]."
        )


# --- one column ---------------------------------------------------------------------------------------------


def _read(asked: Any, template: Column, support: Support) -> Wanted:
    """The condition that `asked` puts on one column."""
    asked = plain(asked)
    if isinstance(asked, Mapping):
        return _read_keys(asked, template, support)
    if isinstance(asked, slice):
        if asked.step is not None:
            raise _refused(asked, template, "a slice with a step is no range. Leave the step out")
        return _range(asked, template, asked.start, asked.stop)
    if isinstance(asked, range):
        return _read_range(asked, template, support)
    if isinstance(asked, tuple) and template.storage not in UNORDERED:
        if len(asked) != 2:
            raise _refused(
                asked, template, "a range is a tuple of two. Pass a list to ask for any of several"
            )
        return _range(asked, template, *asked)
    if isinstance(asked, Iterable) and not isinstance(asked, str | bytes):
        return _one_of(asked, template)
    if all(hasattr(asked, part) for part in ("left", "right", "closed")):
        low = ("min" if asked.closed in ("left", "both") else "above", asked.left)
        high = ("max" if asked.closed in ("right", "both") else "below", asked.right)
        return _bounded(asked, template, dict([low, high]))
    return _one_of([asked], template)


def _read_keys(asked: Mapping[Any, Any], template: Column, support: Support) -> Wanted:
    """The condition of a mapping with some of `KEYS`."""
    unknown = [key for key in asked if key not in KEYS]
    if unknown or not asked:
        what = f"unknown keys {unknown}" if unknown else "no key at all"
        raise _refused(asked, template, f"it has {what}. Known: {list(KEYS)}")
    missing = asked.get("missing")
    if "missing" in asked and not isinstance(missing, bool | np.bool_):
        raise _refused(asked, template, "'missing' is True or False")
    if missing and len(asked) == 1:
        return Wanted(observed=False, missing=True)
    if "in" in asked and "equals" in asked:
        raise _refused(asked, template, "'in' and 'equals' exclude each other. Leave one out")
    bounds = {key: asked[key] for key in KEYS[:4] if asked.get(key) is not None}
    found = _bounded(asked, template, bounds) if bounds else Wanted()
    if "equals" in asked or "in" in asked:
        listed = asked.get("in", [asked.get("equals")])
        if isinstance(listed, range):
            named = _read_range(listed, template, support)
        elif isinstance(listed, Iterable) and not isinstance(listed, str | bytes | Mapping):
            named = _one_of(listed, template)
        else:
            raise _refused(asked, template, "'in' takes a list of values")
        found = _both(found, named)
    allowed = found.missing if missing is None else bool(missing)
    return Wanted(found.values, found.low, found.high, found.observed, allowed)


def _both(bounds: Wanted, named: Wanted) -> Wanted:
    """The named values as far as they lie within the bounds."""
    if named.values is None:
        lows = [low for low in (bounds.low, named.low) if low is not None]
        highs = [high for high in (bounds.high, named.high) if high is not None]
        return Wanted(None, max(lows, default=None), min(highs, default=None), named.observed, named.missing)
    inside = bounds.meets(named.values, np.zeros(len(named.values), dtype=bool))
    return Wanted(named.values[inside], observed=named.observed, missing=named.missing)


def _one_of(asked: Iterable[Any], template: Column) -> Wanted:
    """Any of the values, or missing if one of them is."""
    if getattr(asked, "ndim", 1) != 1 or hasattr(asked, "columns"):
        raise _refused(asked, template, "it has more than one dimension. Pass a list of values")
    values = [plain(value) for value in asked]
    if not values:
        raise _refused(asked, template, "no value is left to ask for. Name at least one, or drop the column")
    gaps = [is_missing(value) for value in values]
    cells = [as_cell(value, template) for value, gap in zip(values, gaps, strict=True) if not gap]
    if not cells:
        return Wanted(observed=False, missing=True)
    return Wanted(np.unique(np.array(cells, dtype=template.values.dtype)), missing=any(gaps))


def _range(asked: Any, template: Column, low: Any, high: Any) -> Wanted:
    """A closed range; None is an open end."""
    bounds = {key: end for key, end in (("min", low), ("max", high)) if end is not None}
    return _bounded(asked, template, bounds)


def _bounded(asked: Any, template: Column, bounds: Mapping[str, Any]) -> Wanted:
    """The cells within bounds: "min", "max", "above", "below"."""
    if not bounds and template.storage in UNORDERED:
        raise _refused(asked, template, "labels have no range. List the levels that you want")
    ends: dict[bool, list[Any]] = {False: [], True: []}
    for key, bound in bounds.items():
        upper = key in ("max", "below")
        cell = as_bound(plain(bound), template, upper, inclusive=key in ("min", "max"))
        ends[upper] += [] if cell is None else [cell]
    low, high = max(ends[False], default=None), min(ends[True], default=None)
    if low is not None and high is not None and low > high:
        raise _refused(
            asked, template, "no cell can lie in this range. Is its lower end above the upper one?"
        )
    if template.storage is Storage.LABEL:
        last = len(template.levels) - 1
        codes = np.arange(0 if low is None else max(low, 0), (last if high is None else min(high, last)) + 1)
        return Wanted(codes.astype(np.int64))
    return Wanted(low=low, high=high)


def _read_range(asked: range, template: Column, support: Support) -> Wanted:
    """The integers of a range object. Only those count that the column can hold."""
    if template.unit is not None or template.storage in UNORDERED or not len(asked):
        return _one_of(asked, template)
    rising = asked if asked.step > 0 else asked[::-1]
    if rising.step == 1 and template.storage is Storage.INT:
        return _range(asked, template, rising[0], rising[-1])
    first, last = (
        0 if support.low is None else max(0, -int((rising.start - float(support.low)) // rising.step)),
        len(rising) if support.high is None else int((float(support.high) - rising.start) // rising.step) + 1,
    )
    inside = rising[first : max(last, 0)]
    if len(inside) > MAX_VALUES:
        raise _refused(asked, template, f"it holds more than {MAX_VALUES:,} values. Pass a closed range")
    return _one_of(inside, template)


def _supported(found: Wanted, asked: Any, template: Column, support: Support) -> Wanted | None:
    """The condition as far as the column can meet it; None if every cell does.

    Raises `ConditionError` if no cell can, or if one of the values asked for cannot be.
    """
    missing = found.missing and support.missing
    if not found.observed:
        if not missing:
            raise _refused(
                asked, template, "the column had no missing cells in fit. Ask for a value, or drop the column"
            )
        return found
    values, low, high = found.values, found.low, found.high
    if values is not None:
        if not len(values):
            raise _refused(asked, template, "no value is left that meets all of it")
        unknown = values[~support.holds(values)]
        if len(unknown):
            what = shown(template.describe(unknown[0]))
            raise _refused(asked, template, f"no cell can be {what}. {_fitted(template, support)}")
    elif support.values is not None:
        if low is not None or high is not None:
            values, low, high = support.values[found.meets(*_cells(support.values))], None, None
            if not len(values):
                raise _refused(asked, template, f"no cell can meet it. {_fitted(template, support)}")
    elif not _overlap(low, high, support):
        raise _refused(asked, template, f"no cell can meet it. {_fitted(template, support)}")
    if low is not None and low == high:
        values, low, high = np.array([low], dtype=template.values.dtype), None, None
    no_gap = missing or not support.missing
    if no_gap and values is None and low is None and high is None:
        return None
    return Wanted(values, low, high, missing=missing)


def _cells(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values, np.zeros(len(values), dtype=bool)


def _overlap(low: Any, high: Any, support: Support) -> bool:
    above = low is not None and support.high is not None and low > support.high
    below = high is not None and support.low is not None and high < support.low
    return not above and not below


def _fitted(template: Column, support: Support) -> str:
    """What a message says of the cells that a column can have."""
    if template.storage in UNORDERED and support.values is None:
        return f"Known: {describe_levels(template)}. Levels that too few rows hold are not kept by fit"
    if support.values is not None:
        more = ", ..." if len(support.values) > 10 else ""
        listed = ", ".join(shown(template.describe(value)) for value in support.values[:10])
        return f"Known: [{listed}{more}]. Values that too few rows hold are not kept by fit"
    ends = ["open" if end is None else shown(template.describe(end)) for end in (support.low, support.high)]
    return f"In fit, the cells lay between {ends[0]} and {ends[1]}"


def _refused(asked: Any, template: Column, why: str) -> ConditionError:
    return ConditionError(f"where[{template.name!r}] is {shown(asked)}: {why}.")


# --- one condition in each row ------------------------------------------------------------------------------


def known_cells(columns: Sequence[Column]) -> np.ndarray:
    """Which cells are not missing: (n, n_columns) bool. The others are to be filled."""
    return np.stack([~column.missing for column in columns], axis=1)


def read_condition_rows(
    columns: Sequence[Column],
    templates: Sequence[Column],
    n: int,
    supports: Mapping[Hashable, Support] | None = None,
) -> tuple[list[Column], np.ndarray]:
    """Read a frame of conditions: the fitted columns with n cells, and which are given, (n, n_columns) bool.

    columns: some of the fitted columns, in any order, with n cells. A missing cell asks for nothing. Cells
    that are not given are missing. Raises `ConditionError` if the number of rows is not n, and for columns,
    levels and values that the fitted table does not have.
    """
    _check_names([column.name for column in columns], templates)
    if columns and len(columns[0]) != n:
        raise ConditionError(
            f"where is a frame of {len(columns[0])} rows, but {n} rows are asked for. It gives the condition "
            f"of each row: ask for {len(columns[0])} rows."
        )
    asked = {column.name: column for column in columns}
    found = []
    for template in templates:
        column = asked.get(template.name)
        if column is None or column.missing.all():
            values, missing = np.zeros(n, dtype=template.values.dtype), np.ones(n, dtype=bool)
        else:
            values, missing = _converted(column, template), column.missing
            support = (supports or {}).get(template.name, ANY)
            unknown = values[~missing & ~support.holds(values)]
            if len(unknown):
                what = shown(template.describe(unknown[0]))
                raise ConditionError(
                    f"where asks for cells of column {template.name!r} that cannot be, such as {what}. "
                    f"{_fitted(template, support)}."
                )
        found.append(template.with_cells(values, missing))
    return found, known_cells(found)


def _converted(column: Column, template: Column) -> np.ndarray:
    """Values of the column held as in the template, zero where missing. Raises `ConditionError`."""
    dtype = template.values.dtype
    values = np.where(column.missing, np.zeros(1, dtype=column.values.dtype), column.values)
    numbers = (Storage.INT, Storage.FLOAT)
    same = column.storage is template.storage and column.unit == template.unit
    if (same and template.storage is not Storage.LABEL) or (
        template.storage is Storage.FLOAT and column.storage in numbers
    ):
        return values.astype(dtype)
    distinct, place = np.unique(column.observed, return_inverse=True)
    converted = np.zeros(len(column), dtype=dtype)
    cells = [as_cell(column.describe(value), template) for value in distinct]
    converted[~column.missing] = np.array(cells, dtype=dtype)[place]
    return converted
