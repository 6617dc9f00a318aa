"""Figures, names and verdicts as sentences and tables of text hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tabdiff.imbalance.choosing.rule import interval, verdict
from tabdiff.imbalance.choosing.scoring import ArmScore

__all__ = ["aligned", "figure", "listed", "meaning"]

MEANINGS = {
    "helps": "The whole interval lies above 0: on rows that the classifier had not seen, it gained.",
    "no measurable effect": "The interval holds 0: these held-out rows cannot tell the difference from "
    "chance, and a gain of more than {gain} is unlikely.",
    "hurts": "The whole interval lies below 0: on rows that the classifier had not seen, it lost.",
}


def meaning(score: ArmScore) -> str:
    """What the interval of a difference says."""
    high = interval(score.difference, score.difference_se)[1]
    return MEANINGS[verdict(score.difference, score.difference_se)].format(gain=figure(high))


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "'a', 'b' and 'c'"."""
    *first, last = [repr(name) for name in names]
    return f"{', '.join(first)} and {last}" if first else last


def figure(number: float | None, signed: bool = False) -> str:
    """A number as the table prints it: three decimals, or two digits of small and four of large ones."""
    if number is None or not math.isfinite(number):
        return ""
    sign = "+" if signed else ""
    number += 0.0  # -0 is 0
    if number == 0 or 0.01 <= abs(number) < 1000:
        return f"{number:{sign}.3f}"
    return f"{number:{sign}.2g}" if abs(number) < 1 else f"{number:{sign}.4g}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of text, the names and the mark to the left, the numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = 0, len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
