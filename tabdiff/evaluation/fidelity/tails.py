"""Whether extreme values are as frequent as in real rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from tabdiff.evaluation.comparison import Comparison, Rows
from tabdiff.evaluation.effective import design_effect
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.intervals import normal_interval, wilson
from tabdiff.evaluation.registry import register

__all__ = ["Tail", "log_ratio", "measure_tails"]

TAIL = 0.01
MIN_IN_TAIL = 10  # real rows; in few rows the tail is taken wider


@dataclass(frozen=True)
class Tail:
    """One tail of one column: log of the synthetic by the real share of cells beyond the threshold."""

    column: str
    tail: str
    threshold: float
    real: float
    synthetic: float
    log_ratio: float
    lo: float
    hi: float

    @property
    def certain(self) -> float:
        """How far from equal shares the ratio is at least; below 0 if they may be equal."""
        return max(self.lo, -self.hi)


@register("fidelity.tails")
def measure_tails(comparison: Comparison, rng: np.random.Generator) -> Estimate:
    """The tail that is most certainly too heavy or too light, of all numeric columns on both sides.

    Beyond the threshold lies 1 % of holdout cells, or ten cells if that is more. The value is the log of the
    ratio of shares (0.7: twice, -0.7: half), its interval holds for all tails at once. The floor is the same
    for train against the holdout.
    """
    name = "fidelity.tails.exceedance"
    design = design_effect(comparison)
    synthetic = list(_tails(comparison, comparison.synthetic, design))
    if not synthetic:
        return not_assessable(name, "no column holds numbers with many values")
    worst = max(synthetic, key=lambda tail: tail.certain)
    floor = max(_tails(comparison, comparison.train, 1.0), key=lambda tail: tail.certain)
    n = len(comparison.synthetic)
    return Estimate(
        name,
        worst.log_ratio,
        worst.lo,
        worst.hi,
        ideal=0.0,
        floor=floor.log_ratio,
        n=n,
        n_effective=n / design,
        method=f"ratio of two Poisson counts; bounds of all {len(synthetic)} tails at once (Bonferroni)",
        details={
            "column": worst.column,
            "tail": worst.tail,
            "tails": [asdict(tail) for tail in synthetic],
        },
    )


def _tails(comparison: Comparison, rows: Rows, design: float) -> Iterator[Tail]:
    """Both tails of each numeric column that has values in the holdout."""
    columns = [
        column
        for column in comparison.layout.of_kind("numeric")
        if not comparison.holdout.missing(column).all()
    ]
    level = 1 - 0.05 / (2 * max(len(columns), 1))
    for column in columns:
        real, cells = comparison.holdout.column(column), rows.column(column)
        real, cells = real[~np.isnan(real)], cells[~np.isnan(cells)]
        share = min(0.25, max(TAIL, MIN_IN_TAIL / len(real)))
        for tail, sign in (("upper", 1.0), ("lower", -1.0)):
            threshold = np.quantile(sign * real, 1 - share, method="lower")
            k_real, k = int((sign * real > threshold).sum()), int((sign * cells > threshold).sum())
            # an empty column has no extreme value in as many cells as there are rows
            n = len(cells) or len(rows)
            ratio = log_ratio(k / design, n / design, k_real, len(real), level)
            yield Tail(str(column.name), tail, float(sign * threshold), k_real / len(real), k / n, *ratio)


def log_ratio(k: float, n: float, k_real: float, n_real: float, level: float) -> tuple[float, float, float]:
    """Log of the ratio of two small shares, half a case added to each count, and its interval.

    Given the sum of two Poisson counts, the first is binomial: its share's interval becomes the ratio's.
    Where a count is 0 and a bound infinite, the normal one takes its place.
    Source: Przyborowski & Wilenski 1940 for the condition; Gart 1966 for the halves.
    """
    value = math.log((k + 0.5) / (n + 0.5)) - math.log((k_real + 0.5) / (n_real + 0.5))
    bounds = normal_interval(value, math.sqrt(1 / (k + 0.5) + 1 / (k_real + 0.5)), level)
    shares = wilson(k, k + k_real, level) if k + k_real else (0.0, 1.0)
    lo, hi = (
        math.log(share / (1 - share)) + math.log(n_real / n) if 0 < share < 1 else bound
        for share, bound in zip(shares, bounds, strict=True)
    )
    return value, min(lo, value), max(hi, value)
