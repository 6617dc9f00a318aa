"""All columns of a table at once: columns to `MixedBatch` and back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from tabdiff.batch import Known, MixedBatch
from tabdiff.encoding.alignment import aligned, merged_order, with_labels
from tabdiff.encoding.codec import Codec, Features
from tabdiff.encoding.columns import ConstantCodec, EmptyCodec, LevelCodec, fit_codec, kind_of
from tabdiff.encoding.linear import LinearScores
from tabdiff.encoding.numbers import NumericCodec
from tabdiff.errors import ConditionError, SchemaError
from tabdiff.schema import Column, ColumnSchema, Storage, TableSchema
from tabdiff.wanted import Wanted

__all__ = ["TableEncoder", "aligned", "feature_map"]


@dataclass(frozen=True)
class TableEncoder:
    """The codecs of a table's columns, in their order.

    templates: the columns without cells, which decoding fills. Their levels are the labels that the codecs
    hold: none for identifiers, whose labels are made afresh.
    """

    templates: tuple[Column, ...]
    codecs: tuple[Codec, ...]

    @classmethod
    def fit(
        cls, columns: Sequence[Column], schema: TableSchema, keep_all: frozenset[Hashable] = frozenset()
    ) -> TableEncoder:
        """Fit one codec for each column; keep_all: names of columns whose levels are all kept."""
        codecs = [
            fit_codec(column, spec.kind, column.name in keep_all)
            for column, spec in zip(columns, schema.columns, strict=True)
        ]
        templates = [
            _template(column, column.levels, codec) for column, codec in zip(columns, codecs, strict=True)
        ]
        return cls(tuple(templates), tuple(codecs))

    @property
    def n_num(self) -> int:
        """Number of numeric features."""
        return sum(codec.n_num for codec in self.codecs)

    @property
    def n_levels(self) -> list[int]:
        """Number of levels of each categorical feature."""
        return [count for codec in self.codecs for count in codec.n_levels]

    @property
    def schema(self) -> TableSchema:
        """The columns as they are learned, which `extended` may change."""
        return TableSchema(
            tuple(
                ColumnSchema(template.name, kind_of(codec), template.storage, _may_miss(codec))
                for template, codec in zip(self.templates, self.codecs, strict=True)
            )
        )

    def feature_of(self, name: Hashable) -> int | None:
        """The categorical feature of a column, None if it has none. `SchemaError` for unknown names."""
        place = self._place(name)
        before = sum(len(codec.n_levels) for codec in self.codecs[:place])
        return before if self.codecs[place].n_levels else None

    def missing_levels(self) -> list[tuple[int, int]]:
        """Each categorical feature that can say "missing", and the level that does."""
        with_level = [codec for codec in self.codecs if codec.n_levels]
        return [(i, codec.missing_level) for i, codec in enumerate(with_level) if codec.missing_level >= 0]

    def _place(self, name: Hashable) -> int:
        names = [template.name for template in self.templates]
        if name not in names:
            raise SchemaError(f"there is no column {name!r}. Columns: {names}.")
        return names.index(name)

    # --- there --------------------------------------------------------------------------------------------

    def encode(self, columns: Sequence[Column], rng: np.random.Generator | None) -> MixedBatch:
        """Turn columns (the fitted ones, in their order) into float32 scores and levels.

        Without rng nothing is drawn: tied values are put into the middle of their ranks, all of them.

        Raises `SchemaError` if the columns differ in name or order, or hold values that cannot be encoded.
        """
        cells = self._aligned(columns)
        parts = [codec.encode(column, rng) for codec, column in zip(self.codecs, cells, strict=True)]
        return _batch(parts)

    def encode_known(
        self, columns: Sequence[Column], known: np.ndarray, rng: np.random.Generator | None
    ) -> Known:
        """Turn the known cells into features that are given; known: (n, n_columns) bool.

        The other cells may hold anything. A cell that `encode` could not take is not given either: a level
        that is not kept, or a missing cell where fit saw none. Raises `SchemaError` if the columns differ in
        name or order, or known cells in how they are held.
        """
        hidden = [
            column.with_cells(column.values, column.missing | ~known[:, i])
            for i, column in enumerate(columns)
        ]
        parts, given = [], []
        for i, (codec, column) in enumerate(zip(self.codecs, self._aligned(hidden), strict=True)):
            told = column.with_cells(column.values, columns[i].missing & known[:, i])
            given.append(known[:, i] & codec.knows(told))
            parts.append(_encoded_rows(codec, told, given[-1], rng))
        batch = _batch(parts)
        num, cat = (
            _repeated(given, [count(codec) for codec in self.codecs], len(known))
            for count in (lambda codec: codec.n_num, lambda codec: len(codec.n_levels))
        )
        if batch.observed is not None:
            num = num & batch.observed
        return Known(batch, num, cat)

    def knows(self, columns: Sequence[Column]) -> np.ndarray:
        """Which rows `encode` can take, for all of their levels are kept: (n,) bool. Raises like it."""
        pairs = zip(self.codecs, self._aligned(columns), strict=True)
        return np.logical_and.reduce([codec.knows(column) for codec, column in pairs])

    def _aligned(self, columns: Sequence[Column]) -> list[Column]:
        self._check_names(columns)
        return [aligned(column, template) for column, template in zip(columns, self.templates, strict=True)]

    def _check_names(self, columns: Sequence[Column]) -> None:
        expected, given = [c.name for c in self.templates], [c.name for c in columns]
        if expected != given:
            raise SchemaError(f"the columns differ from those of fit. Expected {expected}, got {given}.")

    # --- and back -----------------------------------------------------------------------------------------

    def decode(self, batch: MixedBatch, rng: np.random.Generator, first_row: int = 0) -> list[Column]:
        """Turn scores (B, F) and levels (B, C) into columns that could have been in the table.

        first_row: number of the first row in a draw that is made in parts; identifiers count on from it.
        """
        num, cat = batch.num.cpu().double().numpy(), batch.cat.cpu().numpy()
        columns, i, j = [], 0, 0
        for template, codec in zip(self.templates, self.codecs, strict=True):
            part = Features(
                num[:, i : i + codec.n_num],
                np.ones((len(num), codec.n_num), dtype=bool),
                cat[:, j : j + len(codec.n_levels)],
            )
            columns.append(_filled(template, *codec.decode(part, rng, first_row)))
            i, j = i + codec.n_num, j + len(codec.n_levels)
        return columns

    def draw_cells(self, name: Hashable, wanted: Wanted, n: int, rng: np.random.Generator) -> Column:
        """A column of n cells of its own law among those that meet `wanted`.

        Raises `ConditionError` if there is no such column, or no cell of it can meet `wanted`.
        """
        names = [template.name for template in self.templates]
        if name not in names:
            raise ConditionError(f"there is no column {name!r}. Columns: {names}.")
        place = names.index(name)
        template = self.templates[place]
        return _filled(template, *self.codecs[place].draw_cells(wanted, n, rng, template))

    # --- other versions -----------------------------------------------------------------------------------

    def released(self) -> TableEncoder:
        """The encoder without anything that only few rows held; its features mean the same."""
        pairs = [
            _without_unused_labels(template, codec.released())
            for template, codec in zip(self.templates, self.codecs, strict=True)
        ]
        return TableEncoder(tuple(template for template, _ in pairs), tuple(codec for _, codec in pairs))

    def with_codecs(self, codecs: Mapping[Hashable, Codec]) -> TableEncoder:
        """The encoder with other codecs for the columns of these names."""
        pairs = zip(self.templates, self.codecs, strict=True)
        return replace(self, codecs=tuple(codecs.get(column.name, codec) for column, codec in pairs))

    def beside(self, other: TableEncoder) -> TableEncoder:
        """The encoder of both tables' columns, the other's behind its own."""
        return TableEncoder((*self.templates, *other.templates), (*self.codecs, *other.codecs))

    @property
    def linear_features(self) -> dict[int, int]:
        """Numeric features with linear scores, to the categorical feature of the same column, -1 for none."""
        found, num, cat = {}, 0, 0
        for codec in self.codecs:
            if isinstance(codec, NumericCodec) and isinstance(codec.scores, LinearScores):
                found[num] = cat if codec.n_levels else -1
            num, cat = num + codec.n_num, cat + len(codec.n_levels)
        return found

    def extended(self, columns: Sequence[Column]) -> TableEncoder:
        """The encoder of the rows fitted so far and of these together.

        Levels keep their numbers, new ones come behind. A column may change its kind if it was constant or
        empty: see `schema`. Raises `SchemaError` if columns differ in name, order or how they are held.
        """
        self._check_names(columns)
        pairs = [
            _extended(template, codec, column)
            for template, codec, column in zip(self.templates, self.codecs, columns, strict=True)
        ]
        return TableEncoder(tuple(template for template, _ in pairs), tuple(codec for _, codec in pairs))


def feature_map(old: TableEncoder, new: TableEncoder) -> tuple[list[int], list[int]]:
    """For every numeric and every categorical feature of `new` the one of `old` that means the same, or -1.

    Columns are told by their names. Levels of a categorical feature that `new` got by `extended` keep their
    numbers.
    """
    places = {template.name: i for i, template in enumerate(old.templates)}
    num, cat = [], []
    for template, codec in zip(new.templates, new.codecs, strict=True):
        place = places.get(template.name)
        before = () if place is None else old.codecs[:place]
        other = None if place is None else old.codecs[place]
        same = type(other) is type(codec)
        if codec.n_num:
            num.append(sum(c.n_num for c in before) if same else -1)
        if codec.n_levels:
            had = same and other is not None and bool(other.n_levels)
            cat.append(sum(len(c.n_levels) for c in before) if had else -1)
    return num, cat


def _may_miss(codec: Codec) -> bool:
    return codec.missing_level >= 0 or isinstance(codec, EmptyCodec)


def _holds_labels(codec: Codec) -> bool:
    return isinstance(codec, LevelCodec | ConstantCodec)


def _template(column: Column, levels: tuple, codec: Codec) -> Column:
    return replace(column.without_cells(), levels=levels if _holds_labels(codec) else ())


def _filled(template: Column, values: np.ndarray, missing: np.ndarray) -> Column:
    if values.dtype.kind == "U":
        return with_labels(template, values, missing)
    return template.with_cells(values, missing)


def _batch(parts: Sequence[Features]) -> MixedBatch:
    observed = np.concatenate([part.observed for part in parts], axis=1)
    return MixedBatch(
        torch.from_numpy(np.concatenate([part.num for part in parts], axis=1).astype(np.float32)),
        torch.from_numpy(np.concatenate([part.cat for part in parts], axis=1)),
        None if observed.all() else torch.from_numpy(observed),
    )


def _encoded_rows(
    codec: Codec, column: Column, rows: np.ndarray, rng: np.random.Generator | None
) -> Features:
    """Features of n cells of which only some rows are encoded; the others are level 0, and not observed."""
    part = codec.encode(column.with_cells(column.values[rows], column.missing[rows]), rng)
    shapes = [(len(rows), codec.n_num)] * 2 + [(len(rows), len(codec.n_levels))]
    out = Features(*(np.zeros(shape, dtype) for shape, dtype in zip(shapes, (float, bool, int), strict=True)))
    out.num[rows], out.observed[rows], out.cat[rows] = part.num, part.observed, part.cat
    return out


def _repeated(flags: Sequence[np.ndarray], times: Sequence[int], n_rows: int) -> torch.Tensor:
    """Flags of columns as flags of features: (n_rows, sum of times) bool."""
    repeated = [flag for flag, count in zip(flags, times, strict=True) for _ in range(count)]
    return torch.from_numpy(np.stack(repeated, axis=1) if repeated else np.zeros((n_rows, 0), dtype=bool))


def _without_unused_labels(template: Column, codec: Codec) -> tuple[Column, Codec]:
    """The template with only the labels that the codec holds, and the codec with their new codes."""
    if template.storage is not Storage.LABEL or not isinstance(codec, LevelCodec):
        return template, codec
    new_code = np.full(len(template.levels), -1)
    new_code[codec.values] = np.arange(len(codec.values))
    levels = tuple(template.levels[code] for code in codec.values.tolist())
    return replace(template, levels=levels), codec.recoded(new_code)


def _extended(template: Column, codec: Codec, column: Column) -> tuple[Column, Codec]:
    if isinstance(codec, EmptyCodec) and not column.missing.all():
        cells = column  # nothing is known yet of how its cells are held
    else:
        cells = aligned(column, template)
    longer = codec.extended(cells)
    levels = cells.levels
    if column.ordered and _holds_labels(longer) and levels != template.levels:
        ordered = merged_order(template.levels, column.levels)
        place = {level: code for code, level in enumerate(ordered)}
        longer = longer.recoded(np.array([place[level] for level in levels]))
        levels = tuple(ordered)
    return _template(cells, levels, longer), longer
