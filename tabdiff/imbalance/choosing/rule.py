"""Which arm is chosen, and when a difference counts as one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from tabdiff.errors import InputError
from tabdiff.imbalance.choosing.scoring import ArmScore

__all__ = [
    "MARGIN",
    "Arm",
    "candidates",
    "choose",
    "interval",
    "is_scored",
    "presumed_best",
    "scored",
    "verdict",
]

MARGIN = 1.5
"""Standard errors by which an arm must win: with five arms that do nothing, 1 would take one in two cases."""


@dataclass(frozen=True)
class Arm:
    """One thing that was tried.

    n_synthetic: class to number of rows added. size: what parsimony counts: 0 for the reference, more for an
    arm that adds more. presumed: whether it is known to help as a rule, so that it, or the best of several
    such arms, is taken unless it does harm.
    """

    name: str
    n_synthetic: dict[Any, int]
    size: float
    presumed: bool = False

    @property
    def n_added(self) -> int:
        """Rows added, of all classes together."""
        return sum(self.n_synthetic.values())


def choose(arms: Sequence[Arm], scores: Mapping[str, ArmScore], margin: float = MARGIN) -> str:
    """The name of the arm to use; arms[0] is the reference, to which the scores are differences.

    A presumed arm is harmless if it is worse than the reference by less than one standard error of the
    difference. Of the harmless ones the one with the greatest difference stands in for the reference. Another
    arm is a candidate if it is better than the reference by more than `margin` standard errors, and by as
    much than the presumed arm that stands. Of the candidates the smallest is taken whose difference lies
    within one standard error of the best one's; without any, what stands. The order of arms behind the
    reference does not matter, and an arm without finite scores is never taken.

    Between presumed arms there is no parsimony. It is for arms that must prove that they help: a smaller one
    is safer while nothing is known. Presumed arms are known to help, and of several gains that were thought
    alike beforehand and measured about as well, the one measured greatest is greatest in expectation too.

    Source: Breiman et al. 1984, section 3.4.3 (the one-standard-error rule).
    DIFFERS: theirs takes the smallest within one error of the best, which may be the reference itself; with a
    margin of its own the reference is kept more or less firmly.

    Raises `InputError` if there is no arm, or if margin is negative or NaN.
    """
    if not arms:
        raise InputError("there is no arm to choose from. Pass at least the reference.")
    if not margin >= 0:
        raise InputError(f"margin is {margin!r}. Pass a number of standard errors, at least 0.")
    standing = presumed_best(arms, scores)
    able = candidates(arms, scores, margin)
    if not able:
        return (standing or arms[0]).name
    best = scores[min(able, key=lambda arm: _rank(arm, scores)).name]
    near = [arm for arm in able if scores[arm.name].difference >= best.difference - best.difference_se]
    return min(near, key=lambda arm: (arm.size, *_rank(arm, scores))).name


def presumed_best(arms: Sequence[Arm], scores: Mapping[str, ArmScore]) -> Arm | None:
    """The presumed arm that stands in for the reference, arms[0]; None if there is none without harm."""
    harmless = [arm for arm in scored(arms, scores) if arm.presumed and _is_harmless(scores[arm.name])]
    return min(harmless, key=lambda arm: _rank(arm, scores), default=None)


def candidates(arms: Sequence[Arm], scores: Mapping[str, ArmScore], margin: float) -> list[Arm]:
    """The arms that are not presumed and have shown that they help more than what stands."""
    standing = presumed_best(arms, scores)
    ahead = 0.0 if standing is None else max(0.0, scores[standing.name].difference)
    return [
        arm
        for arm in scored(arms, scores)
        if not arm.presumed
        and scores[arm.name].difference - ahead > max(0.0, margin * scores[arm.name].difference_se)
    ]


def scored(arms: Sequence[Arm], scores: Mapping[str, ArmScore]) -> list[Arm]:
    """The arms behind the reference whose scores are finite."""
    return [arm for arm in arms[1:] if is_scored(scores.get(arm.name))]


def _rank(arm: Arm, scores: Mapping[str, ArmScore]) -> tuple[float, float, str]:
    """What sorts arms, the better ones first; equally good ones by size, then by name."""
    return -scores[arm.name].difference, arm.size, arm.name


def _is_harmless(score: ArmScore) -> bool:
    """Whether it is worse than the reference by less than one standard error of the difference."""
    return score.difference > -score.difference_se


def is_scored(score: ArmScore | None) -> bool:
    """Whether there is a score, a difference and an error of it."""
    return score is not None and all(
        math.isfinite(number) for number in (score.value, score.difference, score.difference_se)
    )


def interval(difference: float, se: float, alpha: float = 0.05) -> tuple[float, float]:
    """The normal interval that holds the true difference with probability 1 - alpha."""
    half = NormalDist().inv_cdf(1 - alpha / 2) * se
    return difference - half, difference + half


def verdict(difference: float, se: float, alpha: float = 0.05) -> str:
    """What a difference to the reference says: "helps", "no measurable effect" or "hurts".

    The first and the last only if the two-sided interval of level 1 - alpha leaves 0 out; "not assessable" if
    a number is not finite.
    """
    if not (math.isfinite(difference) and math.isfinite(se)):
        return "not assessable"
    low, high = interval(difference, se, alpha)
    if low > 0:
        return "helps"
    return "hurts" if high < 0 else "no measurable effect"
