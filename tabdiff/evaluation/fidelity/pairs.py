"""Relations between two columns, on a scale whose ends come from the user's own rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from tabdiff.evaluation.comparison import ColumnLayout, Comparison, Rows
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.fidelity.distances import binned, level_groups, quantile_edges
from tabdiff.evaluation.fidelity.resampling import BlockedRows, Sample, blocked, standard_error, too_few
from tabdiff.evaluation.intervals import normal_interval
from tabdiff.evaluation.registry import register

__all__ = ["association", "half_l1_to", "measure_pairs"]

N_BINS = 5  # finer ones add more noise than relations
N_LEVELS = 12
MAX_PAIRS = 1_500
BROKEN = 0.5  # total variation between a column's bins, beyond which its relations are lost
MIN_SIGNAL = 3.0  # standard errors by which real columns must depend on each other
METHOD = (
    "subsampling of blocks of rows, linearised ratio; train and synthetic compared at equal effective size"
)


class Coded(NamedTuple):
    """One column in the bins that all tables share: cells of each table and the number of bins.

    independent: the cells of train in an order of this column's own.
    """

    n_bins: int
    train: np.ndarray
    independent: np.ndarray
    holdout: np.ndarray
    synthetic: np.ndarray


class PairDistances(NamedTuple):
    """Distances from the holdout: of synthetic rows, of train, of independent columns.

    draws: (3, n_draws) all three in subsamples.
    """

    synthetic: float
    floor: float
    independent: float
    draws: np.ndarray


def association(counts: np.ndarray, n_first: int) -> np.ndarray:
    """(..., cells) joint shares minus the product of their margins; all 0 for independent columns.

    counts: (..., n_first * n_second) of two columns, the second fastest.
    """
    joint = counts.reshape(*counts.shape[:-1], n_first, -1)
    joint = joint / np.maximum(joint.sum(axis=(-2, -1), keepdims=True), 1)
    product = joint.sum(axis=-1, keepdims=True) * joint.sum(axis=-2, keepdims=True)
    return (joint - product).reshape(counts.shape)


def half_l1_to(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(...) half of the absolute differences, summed over cells; arguments broadcast."""
    return np.abs(first - second).sum(axis=-1) / 2


def broken(synthetic: np.ndarray, real: np.ndarray, n_first: int) -> bool:
    """Whether one of two columns is distributed so differently that its relations mean nothing.

    synthetic, real: (cells,) joint counts of two columns, the second fastest.
    """
    shares = [counts.reshape(n_first, -1) / max(counts.sum(), 1) for counts in (synthetic, real)]
    gaps = [half_l1_to(shares[0].sum(axis=axis), shares[1].sum(axis=axis)) for axis in (0, 1)]
    return bool(max(gaps) > BROKEN)


@register("fidelity.pairs")
def measure_pairs(comparison: Comparison, rng: np.random.Generator) -> Iterable[Estimate]:
    """How much of the dependence between columns is lost: 0 none, 1 as much as in independent columns.

    D = mean over pairs of half the absolute difference between the associations of a table and the holdout;
    score = (D_synthetic - D_train) / (D_independent - D_train), at equal effective numbers of rows. Bins are
    fifths of real rows, missing cells have one of their own. A column whose bins are filled so differently
    that more than half of its rows would have to move counts as independent of all others: that it depends on
    nothing, as a constant does, would else look like a small distance. `fidelity.pairs.target` takes the
    pairs of the target alone, which are few among all and matter most.
    """
    columns = comparison.layout.modelled
    reason = too_few(comparison)
    if len(columns) < 2:
        reason = "the tables have fewer than two columns with values"
    if reason:
        yield not_assessable("fidelity.pairs.score", reason)
        yield not_assessable("fidelity.pairs.target", reason)
        return
    rows = blocked(comparison, rng)
    coded = [_coded(comparison, column, rows, rng) for column in columns]
    pairs = _chosen_pairs(comparison, columns, rng)
    found = {pair: _distances(coded[pair[0]], coded[pair[1]], rows) for pair in pairs}
    yield _score("fidelity.pairs.score", list(found.values()), rows, _matrices(columns, found))
    if comparison.target is None:
        yield not_assessable("fidelity.pairs.target", "no target was named")
        return
    at = columns.index(comparison.target.column)
    of_target = {pair: distances for pair, distances in found.items() if at in pair}
    others = [columns[a if b == at else b] for a, b in of_target]
    details = {
        "columns": [str(column.name) for column in others],
        "synthetic": [each.synthetic for each in of_target.values()],
        "floor": [each.floor for each in of_target.values()],
        "independent": [each.independent for each in of_target.values()],
    }
    yield _score("fidelity.pairs.target", list(of_target.values()), rows, details)


def _coded(
    comparison: Comparison, column: ColumnLayout, rows: BlockedRows, rng: np.random.Generator
) -> Coded:
    """Cells of one column in its bins."""
    if column.kind == "numeric":
        real = comparison.real.column(column)
        edges = quantile_edges(real[~np.isnan(real)], N_BINS)
        n_bins = len(edges) + 2

        def code(table: Rows) -> np.ndarray:
            return binned(table.column(column), edges)

    else:
        groups, kept = level_groups(comparison, column, N_LEVELS)
        n_bins = len(kept) + 2

        def code(table: Rows) -> np.ndarray:
            return groups[table.column(column)]

    train = code(rows.train.rows)
    return Coded(n_bins, train, rng.permutation(train), code(rows.holdout.rows), code(rows.synthetic.rows))


def _chosen_pairs(
    comparison: Comparison, columns: list[ColumnLayout], rng: np.random.Generator
) -> list[tuple[int, int]]:
    """All pairs, or those of the target and a random choice among the rest where there are too many."""
    pairs = list(combinations(range(len(columns)), 2))
    if len(pairs) <= MAX_PAIRS:
        return pairs
    chosen = set(rng.choice(len(pairs), MAX_PAIRS, replace=False).tolist())
    at = -1 if comparison.target is None else columns.index(comparison.target.column)
    return [pair for place, pair in enumerate(pairs) if place in chosen or at in pair]


def _distances(first: Coded, second: Coded, rows: BlockedRows) -> PairDistances:
    """The distances of one pair, at the size of comparison and in subsamples."""

    def counted(sample: Sample, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return sample.counts(a * second.n_bins + b, first.n_bins * second.n_bins)

    real = counted(rows.holdout, first.holdout, second.holdout)
    synthetic = counted(rows.synthetic, first.synthetic, second.synthetic)
    tables = (
        synthetic,
        counted(rows.train, first.train, second.train),
        counted(rows.train, first.independent, second.independent),
    )
    real_parts, real_draws = (association(counts, first.n_bins) for counts in real)
    points = [float(half_l1_to(association(parts, first.n_bins), real_parts).mean()) for parts, _ in tables]
    draws = np.stack([half_l1_to(association(draws, first.n_bins), real_draws) for _, draws in tables])
    if broken(synthetic[0].sum(axis=0), real[0].sum(axis=0), first.n_bins):
        points[0], draws[0] = points[2], draws[2]
    return PairDistances(points[0], points[1], points[2], draws)


def _score(name: str, found: list[PairDistances], rows: BlockedRows, details: dict) -> Estimate:
    """The anchored score of these pairs, or why the anchors cannot carry one."""
    synthetic, floor, independent = (
        float(np.mean([getattr(each, end) for each in found]))
        for end in ("synthetic", "floor", "independent")
    )
    draws = np.mean([each.draws for each in found], axis=0)
    length = independent - floor
    noise = float(standard_error(draws[2] - draws[1]))
    known: dict = {"n": rows.n, "n_effective": rows.n_effective}
    details = details | {"distances": {"synthetic": synthetic, "floor": floor, "independent": independent}}
    if length <= MIN_SIGNAL * noise or length <= 0:
        n = min(rows.n_effective, len(rows.train.rows))
        return not_assessable(
            name,
            f"among {n:.0f} effective rows, these columns depend on each other no more than chance explains: "
            f"{independent:.4f} from independence, {floor:.4f} between two real tables (standard error "
            f"{noise:.4f})",
            details=details,
            **known,
        )
    value = (synthetic - floor) / length
    # the ratio moves with its denominator: d(a / b) = (da - value * db) / b
    moved = (draws[0] - draws[1] - value * (draws[2] - draws[1])) / length
    se = float(standard_error(moved))
    lo, hi = normal_interval(value, se)
    return Estimate(
        name, value, lo, hi, ideal=0.0, floor=0.0, bad=1.0, method=METHOD, details=details, **known
    )


def _matrices(columns: list[ColumnLayout], found: dict[tuple[int, int], PairDistances]) -> dict:
    """Symmetric matrices of the distances by pair; None where a pair was not chosen."""

    def matrix(end: str) -> Iterator[list[float | None]]:
        for a in range(len(columns)):
            row: list[float | None] = []
            for b in range(len(columns)):
                pair = found.get((min(a, b), max(a, b)))
                row.append(0.0 if a == b else None if pair is None else getattr(pair, end))
            yield row

    ends = ("synthetic", "floor", "independent")
    return {"columns": [str(column.name) for column in columns]} | {end: list(matrix(end)) for end in ends}
