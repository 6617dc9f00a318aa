"""What was tried and what came of it, for people: a table, a verdict and its reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabdiff import frames
from tabdiff.imbalance.choosing.rule import (
    MARGIN,
    Arm,
    candidates,
    interval,
    presumed_best,
    scored,
    verdict,
)
from tabdiff.imbalance.choosing.scoring import ArmScore
from tabdiff.imbalance.choosing.words import aligned, figure, listed, meaning
from tabdiff.schema import Column, Storage

__all__ = ["AmountReport"]

NUMBERS = ("score", "se", "difference", "difference_se", "lo", "hi")


@dataclass(frozen=True)
class AmountReport:
    """How much was tried, what it scored on real held-out rows, and what was chosen.

    Parameters
    ----------
    arms : tuple of Arm
        What was tried; the first is the reference.
    scores : dict of str to ArmScore
        By the name of the arm; empty if nothing could be scored, and then `notes` says why.
    chosen : str
        The name of the arm that is used.
    scoring : str
        What the scores are.
    estimator : str
        The classifier that was scored.
    n_folds : int
        Number of folds that were held out.
    notes : tuple of str
        Sentences on what the reader should know.
    margin : float
        By how many standard errors an arm had to be better than the reference.
    asked_for : bool
        Whether the arm that is used was asked for, whatever the scores.

    Examples
    --------
    >>> from tabdiff.imbalance.choosing import AmountReport, Arm, ArmScore
    >>> arms = Arm("none", {}, 0.0), Arm("doubled", {"fraud": 90}, 1.0)
    >>> scores = {
    ...     "none": ArmScore((0.40, 0.42), 0.41, 0.02, 0.0, 0.0),
    ...     "doubled": ArmScore((0.46, 0.48), 0.47, 0.02, 0.06, 0.01),
    ... }
    >>> report = AmountReport(arms, scores, "doubled", "average_precision", "LogisticRegression", 2)
    >>> report.verdict
    'helps'
    >>> report.to_frame()["arm"].tolist()
    ['none', 'doubled']
    """

    arms: tuple[Arm, ...]
    scores: dict[str, ArmScore]
    chosen: str
    scoring: str
    estimator: str
    n_folds: int
    notes: tuple[str, ...] = ()
    margin: float = MARGIN
    asked_for: bool = False

    @property
    def verdict(self) -> str:
        """What the chosen arm did, or if that is the reference, what the best of the others would have done.

        "helps", "no measurable effect", "hurts", or "not assessable" without scores.
        """
        shown = self._shown
        return "not assessable" if shown is None else verdict(shown.difference, shown.difference_se)

    @property
    def reasons(self) -> list[str]:
        """Sentences: what was tried, what was chosen, why, and what the numbers mean."""
        return [self._tried, *self._found, *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types; numbers that there are not are None, and classes are their text."""
        return {
            "chosen": self.chosen,
            "verdict": self.verdict,
            "scoring": self.scoring,
            "estimator": self.estimator,
            "n_folds": int(self.n_folds),
            "margin": float(self.margin),
            "arms": [self._arm_dict(arm) for arm in self.arms],
            "reasons": self.reasons,
            "notes": list(self.notes),
        }

    def to_frame(self, library: str = "pandas") -> Any:
        """A frame of one row for each arm.

        Parameters
        ----------
        library : {"pandas", "polars", "pyarrow"}, default="pandas"
            Which kind of frame.

        Returns
        -------
        frame
            Columns `arm`, `rows_added`, `size`, `score`, `se`, `difference`, `difference_se`, `lo` and `hi`
            (the 95 % interval of the difference) and `chosen`; missing where there is no number.

        Raises
        ------
        InputError
            If the library is another one.
        """
        n_added = np.array([arm.n_added for arm in self.arms], dtype=np.int64)
        chosen = np.array([arm.name == self.chosen for arm in self.arms], dtype=bool)
        none = np.zeros(len(self.arms), dtype=bool)
        columns = [
            _text("arm", [arm.name for arm in self.arms]),
            Column("rows_added", Storage.INT, n_added, none),
            _numbers("size", [arm.size for arm in self.arms]),
            *(_numbers(name, [self._numbers(arm)[name] for arm in self.arms]) for name in NUMBERS),
            Column("chosen", Storage.BOOL, chosen, none),
        ]
        return frames.from_columns(columns, library)

    def __str__(self) -> str:
        lines = [*self._table, "", f"verdict  {self.verdict}", "", "why"]
        return "\n".join(lines + [f"  {sentence}" for sentence in self.reasons])

    # --- the arms ---

    @property
    def _shown(self) -> ArmScore | None:
        """The score that the verdict is about."""
        arm = self._shown_arm
        return None if arm is None else self.scores[arm.name]

    @property
    def _shown_arm(self) -> Arm | None:
        """The arm that was chosen or, in place of the reference, the best other; None without scores."""
        tried = scored(self.arms, self.scores)
        if self._is_reference_chosen:
            return max(tried, key=lambda arm: self.scores[arm.name].difference, default=None)
        return next((arm for arm in tried if arm.name == self.chosen), None)

    @property
    def _is_reference_chosen(self) -> bool:
        return not self.arms or self.chosen == self.arms[0].name

    def _numbers(self, arm: Arm) -> dict[str, float | None]:
        """The numbers of an arm, by the names of the columns; None where there is none."""
        score = self.scores.get(arm.name)
        if score is None:
            return dict.fromkeys(NUMBERS)
        low, high = interval(score.difference, score.difference_se)
        numbers = (score.value, score.se, score.difference, score.difference_se, low, high)
        return {name: _finite(number) for name, number in zip(NUMBERS, numbers, strict=True)}

    def _arm_dict(self, arm: Arm) -> dict[str, Any]:
        score = self.scores.get(arm.name)
        return {
            "name": arm.name,
            "n_synthetic": {str(label): int(n) for label, n in arm.n_synthetic.items()},
            "size": float(arm.size),
            "folds": [] if score is None else [_finite(number) for number in score.folds],
            **self._numbers(arm),
        }

    # --- words ---

    @property
    def _tried(self) -> str:
        others = [arm.name for arm in self.arms[1:]]
        amounts = f"{len(others)} amount{'s' if len(others) != 1 else ''}"
        names = f" ({', '.join(others)})" if others else ""
        folds = f"{self.n_folds} fold{'s' if self.n_folds != 1 else ''}"
        how = f"by {self.scoring} of {self.estimator} on real rows held out in {folds}"
        if not self.scores:
            return f"{amounts} of synthetic rows{names} could not be compared {how}."
        reference = self.arms[0].name
        were = "were" if len(others) != 1 else "was"
        return f"{amounts} of synthetic rows{names} {were} compared with {reference!r} {how}."

    @property
    def _found(self) -> list[str]:
        shown = self._shown_arm
        if shown is None:
            return [f"{self._used} No score could be compared, so nothing is known about its effect."]
        score = self.scores[shown.name]
        if self._is_reference_chosen:
            reference = figure(self.scores[self.arms[0].name].value)
            return [
                f"{self._used} It scored {reference}.",
                f"No amount did better than {self.chosen!r} by more than {self._margin}: the best of them, "
                f"{shown.name!r}, scored {self._compared(score)}.{self._harmful}",
                meaning(score),
            ]
        found = f"{self._used} It scored {self._compared(score)}."
        why = [] if self.asked_for else [self._why(shown)]
        return [found, *why, meaning(score) + self._warning(shown)]

    def _compared(self, score: ArmScore) -> str:
        """A score beside the reference: "0.470, 0.060 more than 'none' (95 % interval +0.040 to +0.080)"."""
        low, high = (figure(end, signed=True) for end in interval(score.difference, score.difference_se))
        more = "less" if score.difference < 0 else "more"
        beside = f"{figure(abs(score.difference))} {more} than {self.arms[0].name!r}"
        return f"{figure(score.value)}, {beside} (95 % interval {low} to {high})"

    @property
    def _used(self) -> str:
        arm = next((arm for arm in self.arms if arm.name == self.chosen), None)
        n = 0 if arm is None else arm.n_added
        how = "asked for" if self.asked_for else "chosen"
        return f"{self.chosen!r} was {how}, which adds {f'{n:,}' if n else 'no'} row{'s' if n != 1 else ''}."

    def _why(self, shown: Arm) -> str:
        if shown.presumed:
            return self._why_presumed(shown)
        able = candidates(self.arms, self.scores, self.margin) or [shown]
        best = max(able, key=lambda arm: self.scores[arm.name].difference)
        standing = presumed_best(self.arms, self.scores)
        beaten = repr(self.arms[0].name)
        if standing is not None:
            beaten += f", and than {standing.name!r}, which helps as a rule,"
        margin = f"It did better than {beaten} by more than {self._margin}"
        if best.name == shown.name:
            return f"{margin}, and best of all that did so."
        gain = figure(self.scores[best.name].difference, signed=True)
        return (
            f"{margin}, and it is the smallest amount that did so within one standard error of the best, "
            f"{best.name!r} ({gain})."
        )

    def _why_presumed(self, shown: Arm) -> str:
        """Why an arm was taken that need not prove itself."""
        reference = repr(self.arms[0].name)
        others = [arm.name for arm in self._presumed if arm.name != shown.name]
        if others:
            rule = (
                f"It helps as a rule, and so {'do' if len(others) > 1 else 'does'} {listed(others)}: the "
                f"best of them is taken that does not do worse than {reference} by more than its standard "
                "error"
            )
        else:
            rule = (
                f"It helps as a rule, and is taken unless it does worse than {reference} by more than its "
                "standard error"
            )
        beaten = "it" if self.scores[shown.name].difference >= 0 else reference
        return f"{rule}; no other did better than {beaten} by more than {self._margin}."

    @property
    def _presumed(self) -> list[Arm]:
        """The arms with scores that help as a rule."""
        return [arm for arm in scored(self.arms, self.scores) if arm.presumed]

    @property
    def _harmful(self) -> str:
        """Why what helps as a rule was not taken, where nothing was."""
        names = [arm.name for arm in self._presumed if self.scores[arm.name].difference < 0]
        if not names or self.asked_for:
            return ""
        return (
            f" What helps as a rule ({listed(names)}) did worse than {self.chosen!r} by its standard "
            "error or more."
        )

    @property
    def _margin(self) -> str:
        return "its standard error" if self.margin == 1 else f"{self.margin:g} times its standard error"

    def _warning(self, shown: Arm) -> str:
        """What to think of a gain that was picked out of several."""
        n = len(self._presumed) if shown.presumed else len(self.arms) - 1
        if self.asked_for or n < 2 or self.scores[shown.name].difference <= 0:
            return ""
        return f" It was picked out of {n}, so part of its gain is luck."

    @property
    def _table(self) -> list[str]:
        rows = [("arm", "rows added", self.scoring, "difference", "95 % interval", "")]
        for arm in self.arms:
            numbers = self._numbers(arm)
            difference, low, high = (
                "" if arm is self.arms[0] else figure(numbers[name], signed=True)
                for name in ("difference", "lo", "hi")
            )
            ends = f"{low} to {high}" if low else ""
            mark = "<- chosen" if arm.name == self.chosen else ""
            score = figure(numbers["score"])
            rows.append((arm.name, f"{arm.n_added:,}", score, difference, ends, mark))
        return aligned(rows)


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _numbers(name: str, cells: Sequence[float | None]) -> Column:
    values = np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
    return Column(name, Storage.FLOAT, values, np.isnan(values))


def _text(name: str, cells: Sequence[str]) -> Column:
    levels, codes = np.unique(np.array(cells, dtype=object), return_inverse=True)
    return Column(
        name, Storage.LABEL, codes.astype(np.int64), np.zeros(len(cells), dtype=bool), tuple(levels.tolist())
    )
