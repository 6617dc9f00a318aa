"""All columns of a table at once: columns to `MixedBatch` and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from tabdiff.batch import MixedBatch
from tabdiff.encoding.columns import Codec, Features, fit_codec
from tabdiff.errors import SchemaError
from tabdiff.schema import Column, Storage, TableSchema

__all__ = ["TableEncoder"]


@dataclass(frozen=True)
class TableEncoder:
    """The codecs of a table's columns, in their order.

    templates: the columns without cells, which decoding fills.
    """

    templates: tuple[Column, ...]
    codecs: tuple[Codec, ...]

    @classmethod
    def fit(cls, columns: Sequence[Column], schema: TableSchema) -> TableEncoder:
        """Fit one codec for each column."""
        kinds = [spec.kind for spec in schema.columns]
        return cls(
            tuple(column.without_cells() for column in columns),
            tuple(fit_codec(column, kind) for column, kind in zip(columns, kinds, strict=True)),
        )

    @property
    def n_num(self) -> int:
        """Number of numeric features."""
        return sum(codec.n_num for codec in self.codecs)

    @property
    def n_levels(self) -> list[int]:
        """Number of levels of each categorical feature."""
        return [count for codec in self.codecs for count in codec.n_levels]

    def encode(self, columns: Sequence[Column], rng: np.random.Generator | None) -> MixedBatch:
        """Turn columns (the fitted ones, in their order) into float32 scores and levels.

        Without rng nothing is drawn: tied values are put into the middle of their ranks, all of them.

        Raises `SchemaError` if the columns differ in name or order, or hold values that cannot be encoded.
        """
        aligned = self._aligned(columns)
        parts = [codec.encode(column, rng) for codec, column in zip(self.codecs, aligned, strict=True)]
        observed = np.concatenate([part.observed for part in parts], axis=1)
        return MixedBatch(
            torch.from_numpy(np.concatenate([part.num for part in parts], axis=1).astype(np.float32)),
            torch.from_numpy(np.concatenate([part.cat for part in parts], axis=1)),
            None if observed.all() else torch.from_numpy(observed),
        )

    def knows(self, columns: Sequence[Column]) -> np.ndarray:
        """Which rows `encode` can take, for fit has seen all of their levels: (n,) bool. Raises like it."""
        pairs = zip(self.codecs, self._aligned(columns), strict=True)
        return np.logical_and.reduce([codec.knows(column) for codec, column in pairs])

    def _aligned(self, columns: Sequence[Column]) -> list[Column]:
        expected, given = [c.name for c in self.templates], [c.name for c in columns]
        if expected != given:
            raise SchemaError(f"the columns differ from those of fit. Expected {expected}, got {given}.")
        return [_aligned(column, template) for column, template in zip(columns, self.templates, strict=True)]

    def decode(self, batch: MixedBatch, rng: np.random.Generator) -> list[Column]:
        """Turn scores (B, F) and levels (B, C) into columns that could have been in the table."""
        num, cat = batch.num.cpu().double().numpy(), batch.cat.cpu().numpy()
        columns, i, j = [], 0, 0
        for template, codec in zip(self.templates, self.codecs, strict=True):
            part = Features(
                num[:, i : i + codec.n_num],
                np.ones((len(num), codec.n_num), dtype=bool),
                cat[:, j : j + len(codec.n_levels)],
            )
            columns.append(template.with_cells(*codec.decode(part, rng)))
            i, j = i + codec.n_num, j + len(codec.n_levels)
        return columns


def _aligned(column: Column, template: Column) -> Column:
    """The column with its cells held as in the template: the same codes of levels, dtype and unit of time.

    Raises `SchemaError` if they cannot be.
    """
    if column.missing.all():
        return template.with_cells(np.zeros(len(column), dtype=template.values.dtype), column.missing)
    if column.storage is Storage.LABEL and template.storage is Storage.LABEL:
        return _with_levels_of(template, column)
    if column.storage is template.storage:
        return replace(column, values=_in_unit(column, template.unit), unit=template.unit)
    numbers = (Storage.INT, Storage.FLOAT)
    if column.storage in numbers and template.storage in numbers:
        # pandas holds integers as floats where cells are missing
        values = np.where(column.missing, 0, column.values).astype(template.values.dtype)
        if np.array_equal(values[~column.missing], column.observed):
            return replace(column, values=values, storage=template.storage)
    example = column.describe(column.observed[0])
    raise SchemaError(
        f"column {column.name!r} holds {column.storage} cells such as {example!r}, but held "
        f"{template.storage} cells in fit. Convert it, or fit again."
    )


def _with_levels_of(template: Column, column: Column) -> Column:
    """The column with its codes counted as in the template; levels unknown there are counted on behind."""
    if column.levels == template.levels:
        return column
    known = {level: code for code, level in enumerate(template.levels)}
    new = [level for level in column.levels if level not in known]
    known |= {level: len(known) + i for i, level in enumerate(new)}
    codes = np.array([known[level] for level in column.levels], dtype=np.int64)
    return replace(column, values=codes[column.values], levels=(*template.levels, *new))


def _in_unit(column: Column, unit: str | None) -> np.ndarray:
    """The values of a column of times or durations, counted in another unit; of others, as they are."""
    if unit is None or unit == column.unit:
        return column.values
    return column.values.astype(f"m8[{column.unit}]").astype(f"m8[{unit}]").astype(np.int64)
