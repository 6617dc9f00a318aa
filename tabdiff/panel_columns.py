"""The user's columns of steps: which of them are learned, and how the others follow."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tabdiff.arrangement import Arrangement
from tabdiff.cells import put
from tabdiff.encoding.linear import is_smooth, passed_values
from tabdiff.encoding.numbers import NumericCodec
from tabdiff.encoding.table import TableEncoder
from tabdiff.errors import SchemaError
from tabdiff.schema import Column, TableSchema, grown_schema, infer_schema

__all__ = ["StepColumns"]

SMOOTH_ATOM = 0.15
"""Share of the cells that a value of a smooth column must hold to be drawn as a level of its own."""

Given = tuple[Sequence[Column], np.ndarray]


@dataclass(frozen=True)
class StepColumns:
    """The columns of steps as the user has them, and how they hang together within a step.

    schema: of all of them. arrangement: which are learned; see there. A step is a row of its table.
    """

    schema: TableSchema
    arrangement: Arrangement

    @classmethod
    def fit(cls, columns: Sequence[Column], kinds: Mapping[Hashable, str]) -> StepColumns:
        """Find what hangs together; kinds: what the user says of columns."""
        schema, arrangement = infer_schema(columns, kinds), Arrangement.fit(columns)
        relations = arrangement.relations
        told = [replace(spec, relation=relations.get(spec.name, "")) for spec in schema.columns]
        return cls(TableSchema(tuple(told)), arrangement)

    def __len__(self) -> int:
        return len(self.schema.columns)

    @property
    def n_learned(self) -> int:
        """How many columns are learned."""
        return len(self.arrangement.learned_names)

    def encoder(self, learned: Sequence[Column], more: TableEncoder, follows: np.ndarray) -> TableEncoder:
        """The encoder of learned columns, and behind them that of others.

        follows: (n,) bool, whether a step is of the same series as the one before: numbers that hang together
        from step to step are scored linearly.
        """
        known = {spec.name: spec for spec in self.schema.columns}
        hidden = [column for column in learned if column.name not in known]
        known |= {spec.name: spec for spec in infer_schema(hidden).columns} if hidden else {}
        schema = TableSchema(tuple(known[column.name] for column in learned))
        own = TableEncoder.fit(learned, schema)
        smooth = {
            column.name: NumericCodec.fit(column, SMOOTH_ATOM, passed_values(column, follows)).linear()
            for column, codec in zip(learned, own.codecs, strict=True)
            if isinstance(codec, NumericCodec) and is_smooth(column, follows)
        }
        own = own.with_codecs(smooth)
        return TableEncoder((*own.templates, *more.templates), (*own.codecs, *more.codecs))

    def templates(self, learned: Sequence[Column]) -> list[Column]:
        """All columns without cells, from the learned ones without cells."""
        return self.arrangement.restored(list(learned), np.random.default_rng(0))

    def told(self, history: Given, rng: np.random.Generator) -> Given:
        """Columns, and which of their cells are given, as learned columns; what is behind them stays."""
        columns, known = history
        n = len(self)
        learned, cells = self.arrangement.learned_known(columns[:n], known[:, :n], rng)
        return [*learned, *columns[n:]], np.concatenate([cells, known[:, n:]], axis=1)

    def restored(
        self, learned: Sequence[Column], rng: np.random.Generator, history: Given | None = None
    ) -> list[Column]:
        """All columns from those that were drawn; history: given cells, which come back as they are."""
        if history is None:
            return self.arrangement.restored(learned, rng)
        given, known = history[0][: len(self)], history[1][:, : len(self)]
        columns = self.arrangement.restored(learned, rng, (given, known))
        return [put(column, *cells) for column, *cells in zip(columns, given, known.T, strict=True)]

    def grown(self, columns: Sequence[Column], encoder: TableEncoder) -> StepColumns:
        """With more series in the schema; encoder: that of the learned columns, which has these series."""
        return replace(self, schema=grown_schema(self.schema, encoder.schema, columns))

    def extended(self, columns: Sequence[Column]) -> StepColumns:
        """With more series in the arrangement. Raises `SchemaError` if they break what it holds."""
        for words, steps in self.arrangement.broken(columns).items():
            raise SchemaError(
                f"in the steps of fit, {words}; {steps.sum()} of these {len(steps)} steps break that, the "
                f"first is number {steps.argmax()} (from 0). Correct them, or fit again on both together."
            )
        return replace(self, arrangement=self.arrangement.extended(columns))
