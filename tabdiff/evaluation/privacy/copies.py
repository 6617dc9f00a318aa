"""Verbatim copies of train rows, and whether a row tells who it belongs to at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tabdiff.evaluation.comparison import ColumnLayout, Comparison, Rows
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.intervals import fisher_greater, wilson
from tabdiff.evaluation.privacy.control import refusal
from tabdiff.evaluation.privacy.units import MAX_SUSPECTS, Side, excess_share, suspect, units_of
from tabdiff.evaluation.registry import register

__all__ = ["copied_units", "copies", "identifiable", "is_continuous", "reused_values"]

VALUES_ALPHA = 1e-6


@register("privacy.copies")
def copies(comparison: Comparison, rng: np.random.Generator) -> Iterator[Estimate]:
    """Copies, with the pairs of rows, and the share of records that identify somebody."""
    yield _exact(comparison)
    yield identifiable(comparison)


def copied_units(side: Side, keys: np.ndarray, synthetic: np.ndarray) -> int:
    """Number of units with at least one row whose key a synthetic row has."""
    return len(np.unique(side.units[np.isin(keys[side.rows], synthetic)]))


def _exact(comparison: Comparison) -> Estimate:
    name = "privacy.copies.exact"
    units = units_of(comparison)
    why = refusal(comparison, units, alike=False)
    if why:
        return not_assessable(name, why)
    train, holdout = comparison.train.keys(), comparison.holdout.keys()
    synthetic = comparison.synthetic.keys()
    k, n = copied_units(units.train, train, synthetic), units.train.n_units
    k_control, m = copied_units(units.holdout, holdout, synthetic), units.holdout.n_units
    continuous = [c for c in comparison.layout.of_kind("numeric") if is_continuous(comparison.real.column(c))]
    all_keys = np.concatenate([train, holdout])
    smoking = k >= 1 and bool(continuous) and len(np.unique(all_keys)) == len(all_keys)
    fields: dict[str, Any] = {"p_value": None} if refusal(comparison, units) else {}
    return excess_share(
        name,
        k,
        n,
        k_control,
        m,
        **fields,
        note="share of train units that occur verbatim, less the holdout's; identifiers are not compared",
        details={
            "k_train": k,
            "k_holdout": k_control,
            **units.counts,
            "smoking_gun": smoking,
            "suspects": _pairs(train, synthetic),
            "values": reused_values(comparison, continuous),
        },
    )


def _pairs(train: np.ndarray, synthetic: np.ndarray) -> list[dict[str, Any]]:
    """Rows of train with the first synthetic row that equals each."""
    distinct, first = np.unique(synthetic, return_index=True)
    rows = np.flatnonzero(np.isin(train, distinct))[:MAX_SUSPECTS]
    copy = first[np.searchsorted(distinct, train[rows])]
    return [suspect(row, twin, 0.0, "verbatim copy") for row, twin in zip(rows, copy, strict=True)]


def is_continuous(cells: np.ndarray) -> bool:
    """Whether at least half of the numbers present are distinct, and there are three or more."""
    present = cells[~np.isnan(cells)]
    return len(present) > 2 and 2 * len(np.unique(present)) >= len(present)


def reused_values(comparison: Comparison, columns: list[ColumnLayout]) -> list[dict[str, Any]]:
    """Columns whose single train values occur in synthetic rows more often than those of the holdout.

    Nobody's row, but somebody's number: reported beside the test, as a generator may draw from real values.
    """
    flagged = []
    for column in columns:
        made = comparison.synthetic.column(column)
        train, holdout = (_present(rows, column) for rows in (comparison.train, comparison.holdout))
        k, k_control = int(np.isin(train, made).sum()), int(np.isin(holdout, made).sum())
        p = fisher_greater(k, len(train), k_control, len(holdout)) if len(train) and len(holdout) else 1.0
        if p < VALUES_ALPHA:
            shares = {"train": k / len(train), "holdout": k_control / len(holdout)}
            flagged.append({"column": str(column.name), **shares, "p": p})
    return flagged


def _present(rows: Rows, column: ColumnLayout) -> np.ndarray:
    cells = rows.column(column)
    return cells[~np.isnan(cells)]


def identifiable(comparison: Comparison) -> Estimate:
    """Share of real rows that no other real row equals.

    Where it is near 0, records identify nobody: equal rows in the synthetic table are then no copies, and
    their absence is no privacy.
    """
    keys = comparison.real.keys()
    _, counts = np.unique(keys, return_counts=True)
    k, n = int((counts == 1).sum()), len(keys)
    lo, hi = wilson(k, n)
    return Estimate(
        "privacy.identifiable",
        k / n,
        lo,
        hi,
        n=n,
        method="Wilson",
        note="share of real rows that no other real row equals",
    )
