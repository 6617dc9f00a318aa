"""From the tables that a user has to a `Comparison`; what cannot be judged is refused here, by name."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tabdiff import frames
from tabdiff.errors import ControlContaminated, InputError, SchemaError
from tabdiff.evaluation.arguments import alpha_of, names_of, one_name, seed_of
from tabdiff.evaluation.comparison import (
    Budget,
    ColumnLayout,
    Comparison,
    Layout,
    Rows,
    Target,
    budget_of,
)
from tabdiff.evaluation.overlap import check_control
from tabdiff.evaluation.series.asking import check_context, check_roles, entities_of, halves
from tabdiff.evaluation.series.sequences import with_series
from tabdiff.schema import Column, Storage

__all__ = ["MAX_FEW_VALUES", "compare"]

MAX_FEW_VALUES = 10  # numbers with so few values are compared as levels
MAX_CLASSES = 50
IDENTIFIER_SHARE = 0.95
MIN_ROWS_OF_IDENTIFIERS = 50
MAX_EXACT = 2**53  # whole numbers up to here are exact in float64
TIMES = (Storage.DATETIME, Storage.DURATION)
NUMBERS = (Storage.INT, Storage.FLOAT, Storage.BOOL)


def compare(
    train: Any,
    synthetic: Any,
    holdout: Any = None,
    target: Hashable | None = None,
    *,
    positive: Any = None,
    group: Hashable | None = None,
    model: Any = None,
    sensitive: Sequence[Hashable] = (),
    known: Sequence[Hashable] = (),
    budget: str | Budget = "standard",
    alpha: float = 0.01,
    seed: int = 0,
    entity: Hashable | None = None,
    time: Hashable | None = None,
    context: Sequence[Hashable] = (),
) -> Comparison:
    """Read the tables and check that they can be judged.

    Arguments as in `evaluate`. With `entity` or `time` it is a `SeriesComparison`; the time is none of its
    columns then, and entities are its groups if no others are named.
    Raises `InputError` for empty tables, infinite numbers and arguments out of range, `SchemaError` for
    columns that differ in name or in what they hold, `ControlContaminated` if the holdout shares rows with
    train or with the synthetic table beyond what chance explains.
    """
    tables = {"train": train, "synthetic": synthetic} | ({} if holdout is None else {"holdout": holdout})
    if holdout is not None and (holdout is train or holdout is synthetic):
        same = "train" if holdout is train else "synthetic"
        raise ControlContaminated(
            f"`holdout` is the same object as `{same}`. Pass real rows that no generator has seen."
        )
    alpha, seed = alpha_of(alpha), seed_of(seed)
    target, group = one_name("target", target), one_name("group", group)
    entity, time, context = one_name("entity", entity), one_name("time", time), names_of("context", context)
    sensitive, known = names_of("sensitive", sensitive), names_of("known", known)
    read = {role: _read(role, table) for role, table in tables.items()}
    names = list(read["train"])
    for role, columns in read.items():
        _check_names(role, names, list(columns))
    check_roles(entity, time, context, target, names)
    group = entity if group is None else group
    names = [name for name in names if name != time or time is None]
    forced = {} if target is None else {target: "target"}
    forced |= {name: "identifier" for name in (group, entity) if name is not None}
    _check_known("target", [target] if target is not None else [], names)
    _check_known("group", [group] if group is not None else [], names)
    _check_known("sensitive", sensitive, names)
    _check_known("known", known, names)
    _check_roles(target, group, one_name("positive", positive))
    if not names:
        raise InputError(f"the tables have no column but the time {time!r}. Pass one more.")

    layout, rows = _align(read, names, forced)
    parts = {role: rows[role] for role in tables}
    times = None if time is None else _times(time, read)
    entities = entities_of(None if entity is None else layout[entity], rows, times)
    groups = None if group is None else layout[group]
    if holdout is None and len(parts["train"]) < 2:
        raise InputError("`train` has 1 row, which cannot be halved. Pass more rows, or a holdout.")
    if holdout is None:
        first, second = halves(len(parts["train"]), None if entities is None else entities["train"], seed)
        parts["holdout"], parts["train"] = parts["train"][second], parts["train"][first]
        for held in (each for each in (times, entities) if each is not None):
            held["holdout"], held["train"] = held["train"][second], held["train"][first]
    comparison = Comparison(
        layout,
        parts["train"],
        parts["synthetic"],
        parts["holdout"],
        holdout is not None,
        None if target is None else _target(layout[target], parts["train"], positive),
        budget_of(budget),
        alpha,
        seed,
        None if groups is None else parts["train"].column(groups),
        None if groups is None else parts["holdout"].column(groups),
        model,
        {role: table for role, table in tables.items()},
        sensitive,
        known,
    )
    if holdout is not None:
        check_control(comparison)
    if entities is None:
        return comparison
    is_calendar = time is not None and read["train"][time].storage is Storage.DATETIME
    series = with_series(comparison, entities, times, context, entity is not None, is_calendar)
    check_context(series)
    return series


# --- reading ---


def _read(role: str, table: Any) -> dict[Hashable, Column]:
    """The columns by name; errors name the table."""
    try:
        columns, _ = frames.read(table)
    except InputError as error:
        raise type(error)(f"`{role}`: {error}") from error
    for column in columns:
        _check_is_name(role, column.name)
        if column.storage is Storage.FLOAT:
            _check_finite(role, column)
    return {column.name: column for column in columns}


def _check_is_name(role: str, name: Hashable) -> None:
    """Raise `SchemaError` for a missing value as a name: it equals nothing, not even itself."""
    try:
        named = bool(name == name)
    except TypeError:
        named = False
    if not named:
        raise SchemaError(f"`{role}` has a column whose name is missing ({name!r}). Name it.")


def _check_finite(role: str, column: Column) -> None:
    infinite = ~column.missing & ~np.isfinite(column.values)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise InputError(
            f"`{role}`: column {column.name!r} holds {infinite.sum()} infinite values, the first is "
            f"{column.values[row]} in row {row}. Nothing is judged with them left out: replace them by "
            "missing or finite values."
        )


def _check_names(role: str, expected: list[Hashable], given: list[Hashable]) -> None:
    known = set(expected), set(given)
    lacking = [name for name in expected if name not in known[1]]
    extra = [name for name in given if name not in known[0]]
    if lacking or extra:
        raise SchemaError(
            f"`{role}` has other columns than `train`. Lacking: {lacking}. Extra: {extra}. Pass the same "
            "columns in every table."
        )


def _check_known(argument: str, given: Sequence[Hashable], names: list[Hashable]) -> None:
    known = set(names)
    unknown = [name for name in given if name not in known]
    if unknown:
        raise InputError(f"`{argument}` names {unknown}, which the tables lack. Columns: {names}.")


def _check_roles(target: Hashable | None, group: Hashable | None, positive: Any) -> None:
    if target is None and positive is not None:
        raise InputError(f"positive={positive!r} is a class of no column. Pass `target`, too.")
    if target is not None and target == group:
        raise InputError(
            f"{target!r} is both `target` and `group`. A group names entities and is not modelled: pass "
            "another column."
        )


def _align(
    read: dict[str, dict[Hashable, Column]], names: list[Hashable], forced: dict[Hashable, str]
) -> tuple[Layout, dict[str, Rows]]:
    """The layout that the real tables decide, and every table's rows in it."""
    places = {"numeric": 0, "categorical": 0, "identifier": 0}
    layouts: list[ColumnLayout] = []
    cells: dict[str, dict[str, list[np.ndarray]]] = {role: {kind: [] for kind in places} for role in read}
    for name in names:
        columns = {role: read[role][name] for role in read}
        layout, coded = _align_column(name, columns, forced.get(name, ""))
        layouts.append(replace(layout, place=places[layout.kind]))
        places[layout.kind] += 1
        for role in read:
            cells[role][layout.kind].append(coded[role])
    rows = {role: _stack(cells[role], len(read[role][names[0]])) for role in read}
    return Layout(tuple(layouts)), rows


def _stack(cells: dict[str, list[np.ndarray]], n: int) -> Rows:
    def joined(kind: str, dtype: Any) -> np.ndarray:
        return np.column_stack(cells[kind]).astype(dtype) if cells[kind] else np.empty((n, 0), dtype=dtype)

    return Rows(
        joined("numeric", np.float64), joined("categorical", np.int64), joined("identifier", np.int64)
    )


def _align_column(
    name: Hashable, columns: dict[str, Column], forced: str
) -> tuple[ColumnLayout, dict[str, np.ndarray]]:
    """The layout of one column (place 0 for now) and its cells in every table."""
    filled = {role: column for role, column in columns.items() if not column.missing.all()}
    by_trust = sorted(filled, key=lambda role: role == "synthetic")
    storage = filled[by_trust[0]].storage if filled else columns["train"].storage
    _check_storages(name, storage, filled)
    if storage is Storage.LABEL:
        return _align_levels(name, storage, columns, _labels, forced)
    if forced != "identifier":
        _check_exact(name, columns)
    values = {role: _as_numbers(column) for role, column in columns.items()}
    real = np.concatenate([cells for role, cells in values.items() if role != "synthetic"])
    real = real[~np.isnan(real)]
    distinct = np.unique(real)
    limit = MAX_CLASSES if forced == "target" else MAX_FEW_VALUES
    few = storage not in TIMES and 0 < len(distinct) <= min(limit, max(2, len(real) // 20))
    if storage is Storage.BOOL or few or forced == "identifier":
        return _align_levels(name, storage, columns, _number_labels, forced)
    whole = bool(len(real)) and bool((real == np.round(real)).all())
    return ColumnLayout(name, "numeric", 0, storage, whole=whole), values


def _check_storages(name: Hashable, expected: Storage, filled: dict[str, Column]) -> None:
    """Raise `SchemaError` unless all tables hold the same sort of cells in this column."""
    for role, column in filled.items():
        alike = column.storage is expected or (column.storage in NUMBERS and expected in NUMBERS)
        if not alike:
            example = column.describe(column.observed[0])
            raise SchemaError(
                f"column {name!r} holds {column.storage} cells in `{role}`, such as {example!r}, and "
                f"{expected} cells in the real tables. Convert it, so that all tables hold the same."
            )


def _check_exact(name: Hashable, columns: dict[str, Column]) -> None:
    """Raise `SchemaError` if different whole numbers would become one float64."""
    parts = [column.observed for column in columns.values() if column.storage is Storage.INT]
    cells = np.unique(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)
    if not len(cells) or max(-int(cells[0]), int(cells[-1])) <= MAX_EXACT:
        return
    n_floats = len(np.unique(cells.astype(np.float64)))
    if n_floats < len(cells):
        raise SchemaError(
            f"column {name!r} holds whole numbers such as {cells[-1]}, too large for float64 to tell apart: "
            f"{len(cells)} different ones become {n_floats}. Subtract a constant from all tables, or convert "
            "the column to strings if it names things."
        )


def _as_numbers(column: Column) -> np.ndarray:
    """Cells as float64, NaN where missing; times in seconds."""
    values = column.values.astype(np.float64)
    if column.unit is not None:
        values = values * float(np.array(1, dtype=f"m8[{column.unit}]") / np.timedelta64(1, "s"))
    return np.where(column.missing, np.nan, values)


def _times(time: Hashable, read: dict[str, dict[Hashable, Column]]) -> dict[str, np.ndarray]:
    """The time of every row of each table, (n,) float64: seconds since 1970, or numbers as they are."""
    storage = read["train"][time].storage
    for role, columns in read.items():
        column = columns[time]
        if column.missing.any():
            raise InputError(
                f"`{role}`: the time {time!r} is missing in {column.missing.sum()} of {len(column)} rows, "
                f"first in row {int(np.argmax(column.missing))}. Steps need a time: fill it, or drop them."
            )
        if column.storage not in (*TIMES, Storage.INT, Storage.FLOAT):
            raise InputError(
                f"`{role}`: the time {time!r} holds {column.storage} cells, such as "
                f"{column.describe(column.values[0])!r}. Convert it to times or numbers."
            )
        _check_storages(time, storage, {role: column})
    return {role: _as_numbers(columns[time]) for role, columns in read.items()}


def _labels(column: Column) -> tuple[np.ndarray, tuple[Any, ...]]:
    if column.storage is Storage.LABEL:
        return np.where(column.missing, -1, column.values), column.levels
    return np.full(len(column), -1), ()


def _number_labels(column: Column) -> tuple[np.ndarray, tuple[Any, ...]]:
    distinct = np.unique(column.observed)
    codes = np.where(column.missing, -1, np.searchsorted(distinct, column.values))
    return codes, tuple(column.describe(value) for value in distinct)


def _align_levels(
    name: Hashable, storage: Storage, columns: dict[str, Column], read_labels: Any, forced: str
) -> tuple[ColumnLayout, dict[str, np.ndarray]]:
    """Codes into levels that the tables share: real ones first, then those of synthetic rows alone."""
    parts = {role: read_labels(column) for role, column in columns.items()}
    code_of: dict[Any, int] = {}
    for role in sorted(parts, key=lambda role: role == "synthetic"):
        for level in parts[role][1]:
            code_of.setdefault(level, len(code_of))
        if role != "synthetic":
            n_real = len(code_of)
    coded = {}
    for role, (codes, levels) in parts.items():
        table = np.array([code_of[level] for level in levels] + [-1], dtype=np.int64)
        coded[role] = table[codes]
    real = np.concatenate([cells for role, cells in coded.items() if role != "synthetic"])
    observed = int((real >= 0).sum())
    distinct_share = n_real / observed if observed else 0.0
    named = observed >= MIN_ROWS_OF_IDENTIFIERS and distinct_share >= IDENTIFIER_SHARE
    is_id = forced == "identifier" or (named and forced != "target")
    kind = "identifier" if is_id else "categorical"
    return ColumnLayout(name, kind, 0, storage, tuple(code_of), n_real), coded


def _target(column: ColumnLayout, train: Rows, positive: Any) -> Target:
    """The target and the code of its positive class: the one asked for, or the rarest of train."""
    missing = train.missing(column)
    if missing.any():
        raise InputError(
            f"the target {column.name!r} is missing in {missing.sum()} of {len(missing)} rows of `train`. "
            "Drop these rows, or fill it."
        )
    if column.kind != "categorical":
        if positive is not None:
            raise InputError(
                f"positive={positive!r} needs a target with classes, but {column.name!r} holds numbers with "
                "many values."
            )
        return Target(column, None)
    cells = train.column(column)
    if positive is None:
        counts = np.bincount(cells, minlength=column.n_real_levels)[: column.n_real_levels]
        present = np.flatnonzero(counts)
        return Target(column, int(present[np.argmin(counts[present])]))
    known = {level: code for code, level in enumerate(column.levels[: column.n_real_levels])}
    if positive not in known:
        raise InputError(f"positive is {positive!r}, which the target never is. Known: {list(known)}.")
    return Target(column, known[positive])
