"""The table of whole series: one row for each, with its context, its start and its length."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tabdiff.schema import Column, Kind, Storage, TableSchema
from tabdiff.tables import GivenCells, LearnedTable, TableConfig

__all__ = ["config_of_rows", "given_cells", "kinds_among", "kinds_of", "row_of_length", "rows_of_series"]

LENGTH = "number of steps"


def rows_of_series(context: Sequence[Column], starts: Sequence[Column], lengths: np.ndarray) -> list[Column]:
    """The rows of series with this context, starts and lengths, the last of which is a column of its own."""
    names = [column.name for column in (*context, *starts)]
    length = Column(_unused(LENGTH, names), Storage.INT, lengths, np.zeros(len(lengths), dtype=bool))
    return [*context, *starts, length]


def row_of_length(table: LearnedTable, n_steps: int) -> list[Column]:
    """The row that a single series of this many steps has."""
    rows = table.sample(1, None, np.random.SeedSequence(0))
    return [
        *rows[:-1],
        rows[-1].with_cells(np.array([n_steps], rows[-1].values.dtype), np.zeros(1, bool)),
    ]


def given_cells(
    table: LearnedTable,
    n: int,
    context: Sequence[Column],
    lengths: np.ndarray | None,
    rng: np.random.Generator,
) -> GivenCells | None:
    """What is given of n rows, or None if nothing is: some columns of the context, and lengths, (n,)."""
    asked = {column.name: column for column in context}
    if lengths is not None:
        own = table.templates[-1]
        asked[own.name] = own.with_cells(np.asarray(lengths, own.values.dtype), np.zeros(n, dtype=bool))
    if not asked:
        return None
    templates = table.templates
    columns = [asked.get(template.name, _blank(template, n)) for template in templates]
    known = np.tile([template.name in asked for template in templates], (n, 1))
    return table.given(table.aligned(columns), known, rng)


def config_of_rows(
    config: TableConfig, rows: Sequence[Column], n_context: int, constraints: Sequence[Any] = ()
) -> TableConfig:
    """The configuration of the table of whole series, which takes a sixth of the seconds.

    constraints: those of the context. Behind the n_context columns of the context are starts and lengths,
    which are numbers.
    """
    seconds = None if config.max_seconds is None else config.max_seconds / 6
    kinds = kinds_among(config, rows)
    for column in rows[n_context:]:
        if (column.values != column.values[0]).any():
            kinds[column.name] = "numeric"  # or cells that all differ could be taken for identifiers
    return replace(config, schema=kinds or None, constraints=constraints, max_seconds=seconds)


def kinds_of(schema: Mapping[Hashable, str] | TableSchema | None) -> dict[Hashable, str]:
    """What a schema says of columns, by their names, but for what their cells alone can tell."""
    if isinstance(schema, TableSchema):
        told_by_cells = (Kind.CONSTANT, Kind.EMPTY)
        return {spec.name: spec.kind.value for spec in schema.columns if spec.kind not in told_by_cells}
    return dict(schema or {})


def kinds_among(config: TableConfig, columns: Sequence[Column]) -> dict[Hashable, str]:
    """What the user's schema says of these columns."""
    names = {column.name for column in columns}
    return {name: kind for name, kind in kinds_of(config.schema).items() if name in names}


def _unused(name: str, names: Sequence[Hashable]) -> str:
    while name in names:
        name += "_"
    return name


def _blank(template: Column, n: int) -> Column:
    """A column of n missing cells."""
    return template.with_cells(np.zeros(n, dtype=template.values.dtype), np.ones(n, dtype=bool))
