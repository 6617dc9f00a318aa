"""What synthetic rows tell about single records: a secret cell, or which halves of a record belong together.

Both attacks ask the nearest synthetic row. What works on holdout records as well is knowledge of the
population, and is subtracted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabdiff.evaluation.comparison import ColumnLayout, Comparison, Rows
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.intervals import fisher_greater, newcombe
from tabdiff.evaluation.neighbours import fit_space
from tabdiff.evaluation.privacy.control import refusal
from tabdiff.evaluation.privacy.field import nearest_rows
from tabdiff.evaluation.privacy.units import MIN_UNITS, Side, Units, excess_share, sample, units_of
from tabdiff.evaluation.registry import register

__all__ = [
    "attribute_inference",
    "best_constant",
    "choose_secrets",
    "halves",
    "hits",
    "linkability",
    "tolerance",
]

TOLERANCE = 0.05  # of the interquartile range, on both sides of a number
N_SECRETS = 3


@dataclass(frozen=True)
class _Attacked:
    """Records under attack, train first. side: (a,) bool, of train; unit: (a,) codes within the side."""

    rows: Rows
    member: np.ndarray
    unit: np.ndarray

    def units_hit(self, success: np.ndarray, counted: np.ndarray) -> tuple[int, int, int, int]:
        """Units with a success and all units, of train and then of the holdout, among the counted rows."""
        found = []
        for side in (self.member, ~self.member):
            found.append(len(np.unique(self.unit[side & counted & success])))
            found.append(len(np.unique(self.unit[side & counted])))
        return found[0], found[1], found[2], found[3]


def _attacked(comparison: Comparison, units: Units, rng: np.random.Generator) -> _Attacked:
    train, holdout = (_some(side, comparison, rng) for side in (units.train, units.holdout))
    return _Attacked(
        comparison.train[train.rows] + comparison.holdout[holdout.rows],
        np.repeat([True, False], [len(train), len(holdout)]),
        np.concatenate([train.units, holdout.units]),
    )


def _some(side: Side, comparison: Comparison, rng: np.random.Generator) -> Side:
    return side.take(sample(side, comparison.budget.n_attacks, rng))


# --- a secret cell ---


@register("privacy.attribute_inference")
def attribute_inference(comparison: Comparison, rng: np.random.Generator) -> Estimate:
    """How much more often the nearest synthetic row gives away a secret of a train record.

    The attacker knows `known`, or all other columns. Secrets: `sensitive`, or three columns by rule. Each has
    its own test; the value is that of the column with the smallest p-value, Bonferroni over the columns.
    """
    name = "privacy.attribute_inference"
    units = units_of(comparison)
    why = refusal(comparison, units)
    secrets = choose_secrets(comparison)
    if not why and not secrets:
        why = "no column can be a secret: every one is an identifier, constant, or known"
    if why:
        return not_assessable(name, why)
    attacked = _attacked(comparison, units, rng)
    tried = [_attack(comparison, attacked, secret) for secret in secrets]
    rows = [row for row in tried if min(row["n_train"], row["n_holdout"]) >= MIN_UNITS]
    if not rows:
        return not_assessable(
            name, f"fewer than {MIN_UNITS} records on a side hold any of {[row['column'] for row in tried]}"
        )
    worst = min(rows, key=lambda row: row["p"])
    k, n, k_control, m = (worst[key] for key in ("k_train", "n_train", "k_holdout", "n_holdout"))
    lo, hi = newcombe(k, n, k_control, m, 1 - 0.05 / len(rows))
    beats = "beats" if worst["beats_naive"] else "does not beat"
    return excess_share(
        name,
        k,
        n,
        k_control,
        m,
        lo=lo,
        hi=hi,
        bad=1 - k_control / m,
        method=f"Newcombe; p by Fisher's exact test; both with Bonferroni over {len(rows)} columns",
        p_value=min(1.0, len(rows) * worst["p"]),
        note=f"secret {worst['column']!r}: guessed right for {k / n:.1%} of train and {k_control / m:.1%} of "
        f"holdout records; the attack {beats} the best constant guess ({worst['naive_share']:.1%})",
        details={"secrets": tried, **units.counts},
    )


def choose_secrets(comparison: Comparison) -> list[ColumnLayout]:
    """`sensitive` as far as modelled; else two numbers of most values and the most even levels, not known."""
    modelled = [column for column in comparison.layout.modelled if _knows_of(comparison, column)]
    if comparison.sensitive:
        return [column for column in modelled if column.name in comparison.sensitive]
    real = comparison.real
    free = [column for column in modelled if column.name not in comparison.known]
    variety = {column.name: _variety(real.column(column), column) for column in free}
    varied = sorted((c for c in free if variety[c.name] > 0), key=lambda c: -variety[c.name])
    numbers = [column for column in varied if column.kind == "numeric"][: N_SECRETS - 1]
    levels = [column for column in varied if column.kind == "categorical"]
    return numbers + levels[: N_SECRETS - len(numbers)]


def _knows_of(comparison: Comparison, secret: ColumnLayout) -> list[ColumnLayout]:
    """What the attacker sees: `known`, or every column, but the secret."""
    return [
        column
        for column in comparison.layout.modelled
        if column.name != secret.name and (not comparison.known or column.name in comparison.known)
    ]


def _variety(cells: np.ndarray, column: ColumnLayout) -> float:
    """Number of distinct numbers, or the entropy of levels; 0 for a constant."""
    if column.kind == "numeric":
        return float(len(np.unique(cells[~np.isnan(cells)])) - 1)
    counts = np.bincount(cells[cells >= 0])
    share = counts[counts > 0] / max(1, counts.sum())
    return float(-(share * np.log(share)).sum())


def _attack(comparison: Comparison, attacked: _Attacked, secret: ColumnLayout) -> dict[str, Any]:
    """Counts and p-value of the attack on one column. Records without the secret are not attacked."""
    space = fit_space(comparison, _knows_of(comparison, secret))
    found = nearest_rows(space, space.points(attacked.rows), comparison.synthetic)
    made = comparison.synthetic.column(secret)
    truth = attacked.rows.column(secret)
    allowed = tolerance(comparison.real.column(secret)) if secret.kind == "numeric" else 0.0
    has = ~attacked.rows.missing(secret)
    success = hits(made[found.index[:, 0]], truth, allowed)
    naive = hits(np.full(len(truth), best_constant(made, allowed)), truth, allowed)
    k, n, k_control, m = attacked.units_hit(success, has)
    k_naive = attacked.units_hit(naive, has)[0]
    return {
        "column": str(secret.name),
        "tolerance": allowed,
        "k_train": k,
        "n_train": n,
        "k_holdout": k_control,
        "n_holdout": m,
        "missing": int((~has).sum()),
        "naive_share": k_naive / n if n else 0.0,
        "beats_naive": k > k_naive,
        "p": fisher_greater(k, n, k_control, m) if n and m else 1.0,
    }


def tolerance(cells: np.ndarray) -> float:
    """How far a guess of a number may be off: 5 % of the interquartile range of real values.

    A share of the range and not of the value itself, so that values around 0 and below are as hard to guess.
    """
    present = cells[~np.isnan(cells)]
    if not len(present):
        return 0.0
    low, high = np.quantile(present, [0.25, 0.75])
    return TOLERANCE * float(high - low)


def hits(guess: np.ndarray, truth: np.ndarray, allowed: float) -> np.ndarray:
    """(n,) bool: which guesses are right. A missing guess (NaN, -1) is wrong."""
    if guess.dtype.kind == "f":
        return np.abs(guess - truth) <= allowed
    return (guess == truth) & (guess >= 0)


def best_constant(cells: np.ndarray, allowed: float) -> Any:
    """The one guess that is right for most synthetic rows: the mode, or the middle of the densest window."""
    if cells.dtype.kind != "f":
        present = cells[cells >= 0]
        return int(np.bincount(present).argmax()) if len(present) else -1
    values = np.sort(cells[~np.isnan(cells)])
    if not len(values):
        return np.nan
    ends = np.searchsorted(values, values + 2 * allowed, side="right")
    first = int(np.argmax(ends - np.arange(len(values))))
    return float((values[first] + values[ends[first] - 1]) / 2)


# --- halves of a record ---


@register("privacy.linkability")
def linkability(comparison: Comparison, rng: np.random.Generator) -> Estimate:
    """How much more often both halves of a train record lead to the same synthetic row."""
    name = "privacy.linkability"
    units = units_of(comparison)
    why = refusal(comparison, units)
    parts = halves(comparison)
    if not why and not all(parts):
        why = "fewer than two columns can be compared, or all are known"
    if why:
        return not_assessable(name, why)
    attacked = _attacked(comparison, units, rng)
    led = [_led_to(comparison, attacked.rows, part) for part in parts]
    success = led[0] == led[1]
    k, n, k_control, m = attacked.units_hit(success, np.ones(len(success), dtype=bool))
    return excess_share(
        name,
        k,
        n,
        k_control,
        m,
        note=f"linked: {k / n:.1%} of train and {k_control / m:.1%} of holdout records",
        details={
            "k_train": k,
            "n_train": n,
            "k_holdout": k_control,
            "n_holdout": m,
            "halves": [[str(column.name) for column in part] for part in parts],
        },
    )


def halves(comparison: Comparison) -> tuple[list[ColumnLayout], list[ColumnLayout]]:
    """`known` columns and the rest; else every other number and every other level column."""
    modelled = comparison.layout.modelled
    if comparison.known:
        known = [column for column in modelled if column.name in comparison.known]
        return known, [column for column in modelled if column.name not in comparison.known]
    numbers = [column for column in modelled if column.kind == "numeric"]
    levels = [column for column in modelled if column.kind == "categorical"]
    # the levels start in the other half, so that halves are of equal size where both numbers are odd
    return numbers[::2] + levels[1::2], numbers[1::2] + levels[::2]


def _led_to(comparison: Comparison, rows: Rows, columns: Sequence[ColumnLayout]) -> np.ndarray:
    """(a,) the synthetic row that is nearest in these columns."""
    space = fit_space(comparison, columns)
    return nearest_rows(space, space.points(rows), comparison.synthetic).index[:, 0]
