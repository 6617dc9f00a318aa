"""From estimates to three verdicts with their reasons: rules and thresholds, nothing computed.

A flaw must be certain (its interval clears the threshold) and large enough to matter. Every threshold stands
in `FLAWS`, so that a reader can disagree with one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tabdiff.evaluation.estimates import Estimate
from tabdiff.evaluation.explanations import explain
from tabdiff.evaluation.intervals import holm

__all__ = ["FLAWS", "Flaw", "Verdict", "judge"]

Estimates = Mapping[str, Estimate]

MIN_IDENTIFIABLE = 50


@dataclass(frozen=True)
class Verdict:
    """What the estimates say, in words.

    fidelity: "faithful", "flawed" or "not assessable". utility: "helps", "no measurable effect", "hurts" or
    "not assessable". privacy: "leak detected", "no leak detected at this power" or "not assessable".
    reasons: sentences, the most important first, each beginning with its room. limits: what the attacks would
    have found, to be read before their results.
    """

    fidelity: str
    utility: str
    privacy: str
    reasons: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Flaw:
    """One way to be flawed. shown: whether an assessable estimate shows it. words: what it means."""

    estimate: str
    shown: Callable[[Estimate], bool]
    words: str


def _lo(estimate: Estimate) -> float:
    return _value(estimate) if estimate.lo is None else estimate.lo


def _hi(estimate: Estimate) -> float:
    return _value(estimate) if estimate.hi is None else estimate.hi


def _value(estimate: Estimate) -> float:
    assert estimate.value is not None
    return estimate.value


def _floor(estimate: Estimate) -> float:
    return estimate.floor or 0.0


FLAWS = (
    Flaw(
        "fidelity.validity.new_levels",
        lambda e: e.n >= 50 and _lo(e) > max(0.01, 2 * _floor(e)),
        "rows hold levels that no real row has",
    ),
    Flaw(
        "fidelity.validity.out_of_range",
        lambda e: _lo(e) > max(0.02, 3 * _floor(e)),
        "rows lie outside of the range of real ones",
    ),
    Flaw(
        "fidelity.validity.not_whole",
        lambda e: _lo(e) > 0.001,
        "fractions stand where real rows are whole numbers",
    ),
    Flaw(
        "fidelity.missing.rate",
        lambda e: _lo(e) > max(0.05, 2 * _floor(e)),
        "cells are missing more or less often than in real rows",
    ),
    Flaw(
        "fidelity.missing.pattern",
        lambda e: _lo(e) - _floor(e) > 0.05,
        "cells are missing in other combinations than in real rows",
    ),
    Flaw(
        "fidelity.marginal.worst",
        lambda e: _lo(e) > 0.05,
        "a column is distributed differently",
    ),
    Flaw(
        "fidelity.tails.exceedance",
        lambda e: _lo(e) > 0.7 or _hi(e) < -0.7,
        "extreme values are twice as common or half as common as in real rows",
    ),
    Flaw(
        "fidelity.rare.share", lambda e: _hi(e) < (e.bad or 0.0) / 2, "the rare class is missing or too rare"
    ),
    Flaw("fidelity.pairs.score", lambda e: _lo(e) > 0.25, "relations between columns are lost"),
    Flaw(
        "fidelity.pairs.target",
        lambda e: _lo(e) > 0.25,
        "relations between the target and the other columns are lost",
    ),
    Flaw(
        "fidelity.c2st.auc",
        lambda e: _lo(e) > 0.6,
        "a classifier tells synthetic rows from real ones",
    ),
    Flaw(
        "fidelity.c2st.rare.auc",
        lambda e: _lo(e) > 0.6,
        "within the rare class, a classifier tells synthetic rows from real ones",
    ),
    Flaw(
        "fidelity.coverage.all",
        lambda e: _hi(e) < 0.9 * (1.0 if e.floor is None else e.floor),
        "parts of the real table have no synthetic rows near them",
    ),
    Flaw(
        "fidelity.coverage.rare",
        lambda e: _hi(e) < 0.8 * (1.0 if e.floor is None else e.floor),
        "parts of the rare class have no synthetic rows near them",
    ),
    Flaw(
        "fidelity.diversity.unique",
        lambda e: _value(e) < 0.9 * (1.0 if e.floor is None else e.floor),
        "synthetic rows repeat each other",
    ),
    Flaw(
        "fidelity.diversity.near_duplicates",
        lambda e: _lo(e) > 0.1 + _floor(e),
        "synthetic rows nearly repeat each other",
    ),
)


def judge(estimates: Estimates, alpha: float) -> Verdict:
    """The three verdicts. alpha: level of the family of privacy tests, after Holm."""
    fidelity, why_fidelity = _fidelity(estimates)
    utility, why_utility = _utility(estimates)
    privacy, why_privacy = _privacy(estimates, alpha)
    return Verdict(
        fidelity, utility, privacy, [*why_privacy, *why_fidelity, *why_utility], _limits(estimates, alpha)
    )


def _shown(estimate: Estimate) -> str:
    """The number with what it is read against, and the name to look it up by."""
    interval = (
        "" if estimate.lo is None or estimate.hi is None else f" ({estimate.lo:.3g} to {estimate.hi:.3g})"
    )
    real = estimate.name.startswith("fidelity.") and estimate.floor is not None
    floor = f", real rows {estimate.floor:.3g}" if real else ""
    where = estimate.details.get("column")
    column = "" if where is None else f"column {where!r}, "
    return f"{column}{estimate.value:.3g}{interval}{floor} [{estimate.name}]"


def _fidelity(estimates: Estimates) -> tuple[str, list[str]]:
    """Flawed if any flaw is shown; faithful needs the two-sample test, which sees what others do not."""
    flaws = [
        f"fidelity: {flaw.words}: {_shown(found)}."
        for flaw in FLAWS
        if (found := estimates.get(flaw.estimate)) is not None and found.assessable and flaw.shown(found)
    ]
    if flaws:
        return "flawed", flaws
    test = estimates.get("fidelity.c2st.auc")
    if test is None or not test.assessable:
        reason = "it was not measured" if test is None else test.reason
        return "not assessable", [f"fidelity: the two-sample test cannot be made: {reason}."]
    return "faithful", [f"fidelity: no flaw found; a classifier's AUC against real rows is {_shown(test)}."]


def _utility(estimates: Estimates) -> tuple[str, list[str]]:
    """By the gain of adding the synthetic rows to the real ones, against adding nothing."""
    gain = estimates.get("utility.augmentation.gain")
    if gain is None or not gain.assessable:
        reason = "it was not measured" if gain is None else gain.reason
        return "not assessable", [f"utility: the gain cannot be measured: {reason}."]
    verdict = "helps" if _lo(gain) > 0 else "hurts" if _hi(gain) < 0 else "no measurable effect"
    metric = gain.details.get("metric", "score")
    reasons = [
        f"utility: adding synthetic rows to the real ones {_effect(verdict)}: {metric} changes by "
        f"{_shown(gain)}."
    ]
    for rival in ("class_weight", "random", "smote"):
        over = estimates.get(f"utility.augmentation.over_{rival}")
        if over is not None and over.assessable and _hi(over) < 0:
            reasons.append(f"utility: {rival.replace('_', ' ')} does better: {_shown(over)}.")
    return verdict, reasons


def _effect(verdict: str) -> str:
    return "has no measurable effect" if verdict == "no measurable effect" else verdict


def _privacy(estimates: Estimates, alpha: float) -> tuple[str, list[str]]:
    """A leak if any test of the family rejects after Holm, or a verbatim copy cannot be chance."""
    tests = {
        name: found.p_value
        for name, found in estimates.items()
        if name.startswith("privacy.") and found.p_value is not None
    }
    adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
    leaks = [
        f"privacy: {explain(name).title.rstrip('?')}: {_shown(estimates[name])}, "
        f"{f'p = {p:.2g}' if p > 0 else 'p < 1e-300'} after Holm's correction for {len(tests)} tests."
        for name, p in sorted(adjusted.items(), key=lambda item: item[1])
        if p < alpha
    ]
    copies = estimates.get("privacy.copies.exact")
    if copies is not None and copies.details.get("smoking_gun"):
        leaks.insert(0, "privacy: rows of train occur verbatim in a table where no two real rows coincide.")
    if leaks:
        return "leak detected", leaks
    attack = estimates.get("privacy.mia.auc")
    if attack is None or not attack.assessable:
        reason = "the membership attack was not made" if attack is None else attack.reason
        return "not assessable", [f"privacy: {reason}."]
    unique = estimates.get("privacy.identifiable")
    if unique is not None and unique.assessable and _value(unique) * unique.n < MIN_IDENTIFIABLE:
        return "not assessable", [
            f"privacy: records are not identifiable: only {_value(unique):.1%} of {unique.n} real rows "
            "differ from all others, so that no attack on single rows can be tried."
        ]
    return "no leak detected at this power", [
        f"privacy: none of {len(tests)} attacks rejects at {alpha:g}; the AUC of the membership attack is "
        f"{_shown(attack)}."
    ]


def _limits(estimates: Estimates, alpha: float) -> list[str]:
    """What the attacks would have found."""
    limits = []
    copied = estimates.get("privacy.limit.copied_outliers")
    if copied is not None and copied.assessable:
        isolated = copied.details.get("n_train", copied.n)
        limits.append(
            f"Would have found copies of {_value(copied):.0f} or more of the {isolated} most isolated train "
            f"rows, all tests together at level {alpha:g}."
        )
    auc = estimates.get("privacy.limit.auc")
    if auc is not None and auc.assessable:
        limits.append(f"Would have found a membership attack whose AUC is {_value(auc):.3f} or more.")
    box = estimates.get("privacy.whitebox.auc")
    sees = "the synthetic rows and the model" if box is not None and box.assessable else "the synthetic rows"
    if copied is not None or auc is not None:
        limits.append(f"The attacker sees {sees} only, and knows real rows that may have been in train.")
    return limits
