"""The user's columns of steps: which of them are learned, and how the others follow."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tabdiff.arrangement import Arrangement
from tabdiff.cells import put
from tabdiff.constraints import Constraint, FixedCombinations, Inequality, Positive, Range
from tabdiff.encoding.linear import is_smooth, passed_values
from tabdiff.encoding.numbers import NumericCodec
from tabdiff.encoding.table import TableEncoder
from tabdiff.errors import ConstraintError, SchemaError
from tabdiff.schema import Column, TableSchema, grown_schema, infer_schema, learned_schema, with_relations

__all__ = ["StepColumns", "dealt_constraints"]

SMOOTH_ATOM = 0.15
"""Share of the cells that a value of a smooth column must hold to be drawn as a level of its own."""

Given = tuple[Sequence[Column], np.ndarray]
KEPT = (Inequality, FixedCombinations, Range, Positive)


def dealt_constraints(
    constraints: Sequence[Any], context: Sequence[Column], steps: Sequence[Column]
) -> tuple[list[Constraint], list[Constraint]]:
    """Those between columns of the context, and those between columns of steps.

    Raises `ConstraintError` for others, and for kinds that would need steps to be drawn again.
    """
    of_context, of_steps = ({column.name for column in columns} for columns in (context, steps))
    dealt: tuple[list[Constraint], list[Constraint]] = [], []
    for rule in constraints:
        if not isinstance(rule, KEPT):
            raise ConstraintError(
                f"got {rule!r} as a constraint of series. Pass Inequality, FixedCombinations, Range or "
                "Positive of tabdiff.constraints; for others check what is drawn."
            )
        names = set(rule.names)
        if not (names <= of_context or names <= of_steps):
            raise ConstraintError(
                f"constraint '{rule}' must be between columns of the context, "
                f"{sorted(map(str, of_context))}, or between columns of steps, {sorted(map(str, of_steps))}."
            )
        dealt[0 if names <= of_context else 1].append(rule)
    return dealt


@dataclass(frozen=True)
class StepColumns:
    """The columns of steps as the user has them, and how they hang together within a step.

    schema: of all of them. arrangement: which are learned; see there. A step is a row of its table.
    """

    schema: TableSchema
    arrangement: Arrangement

    @classmethod
    def fit(
        cls, columns: Sequence[Column], kinds: Mapping[Hashable, str], constraints: Sequence[Constraint] = ()
    ) -> StepColumns:
        """Find what hangs together; kinds: what the user says of columns, constraints: what holds in them.

        Raises `ConstraintError` for a constraint that does not hold, or cannot be kept beside the others.
        """
        schema, arrangement = infer_schema(columns, kinds), Arrangement.fit(columns, constraints)
        left = [str(rule) for rule in arrangement.checked if isinstance(rule, Inequality)]
        if left:
            raise ConstraintError(
                f"{left} cannot be kept beside the other constraints in series, as steps are not drawn "
                "again. Leave them out, and check what is drawn."
            )
        return cls(with_relations(schema, arrangement.relations), arrangement)

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
        own = TableEncoder.fit(learned, learned_schema(learned, self.schema))
        smooth = {
            column.name: NumericCodec.fit(column, SMOOTH_ATOM, passed_values(column, follows)).linear()
            for column, codec in zip(learned, own.codecs, strict=True)
            if isinstance(codec, NumericCodec) and is_smooth(column, follows)
        }
        return own.with_codecs(smooth).beside(more)

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
