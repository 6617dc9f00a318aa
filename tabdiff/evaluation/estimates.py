"""What a measurement returns: a number with its interval, what it should be, and how it was found.

No bare floats. A measurement that cannot be made is an `Estimate` too, without a value and with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any

from tabdiff.errors import InputError

__all__ = ["Estimate", "not_assessable"]


@dataclass(frozen=True)
class Estimate:
    """One measured number and what is needed to read it.

    Parameters
    ----------
    name : str
        Dotted name, the room first: "privacy.mia.auc".
    value : float or None
        What was measured; None if it could not be, and then `reason` says why.
    lo, hi : float or None
        Ends of the interval that holds the true value with probability `level`.
    ideal : float or None
        What a perfect sampler of the real law would score.
    floor : float or None
        What real held-out rows score in the same place: no sampler can be asked to do better.
    bad : float or None
        What independent columns, or a plain copy in privacy, score: the far end of the scale.
    n : int
        Rows (or queries, or cells) that the value rests on.
    n_effective : float or None
        The same after repeated rows are counted once; None if they do not matter.
    method : str
        How the interval was found.
    p_value : float or None
        Of the test that the value is no worse than the ideal; enters the verdict with Holm's correction.
    level : float
        Coverage of the interval.
    seconds : float
        CPU seconds of the measure that returned this, together with its siblings.
    note : str
        What the reader should know.
    reason : str
        Why there is no value.
    details : dict
        Numbers behind the value, for pictures and row lists. JSON types only.

    Examples
    --------
    >>> auc = Estimate("privacy.mia.auc", 0.51, 0.49, 0.53, ideal=0.5, n=2000, method="DeLong")
    >>> print(auc)
    privacy.mia.auc = 0.51 [0.49, 0.53], ideal 0.5
    """

    name: str
    value: float | None = None
    lo: float | None = None
    hi: float | None = None
    ideal: float | None = None
    floor: float | None = None
    bad: float | None = None
    n: int = 0
    n_effective: float | None = None
    method: str = ""
    p_value: float | None = None
    level: float = 0.95
    seconds: float = 0.0
    note: str = ""
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("value", "lo", "hi", "ideal", "floor", "bad", "p_value", "n_effective"):
            number = getattr(self, name)
            if number is None:
                continue
            if isinstance(number, bool | str) or not isinstance(number, Real):
                raise InputError(
                    f"estimate {self.name!r} has {name}={number!r}. It must be a number or None."
                )
            object.__setattr__(self, name, float(number))
            if not math.isfinite(number):
                raise InputError(
                    f"estimate {self.name!r} has {name}={number!r}. Every number must be finite: return "
                    "`not_assessable(name, reason)` where none can be given."
                )
        if (
            not isinstance(self.name, str)
            or not isinstance(self.n, Real)
            or not isinstance(self.details, Mapping)
        ):
            raise InputError(
                f"estimate {self.name!r} needs a text as name, a number as n and a dict as details; n is "
                f"{self.n!r}, details is a {type(self.details).__name__}."
            )
        object.__setattr__(self, "n", int(self.n))
        if (self.value is None) != bool(self.reason):
            raise InputError(
                f"estimate {self.name!r} has value={self.value!r} and reason={self.reason!r}: it needs one "
                "of the two, and only one."
            )
        if self.value is not None and not self._holds(self.value):
            raise InputError(
                f"estimate {self.name!r} has value {self.value} outside of its interval [{self.lo}, "
                f"{self.hi}]."
            )

    def _holds(self, value: float) -> bool:
        slack = 1e-12 * max(1.0, abs(value))
        above = self.lo is None or self.lo <= value + slack
        return above and (self.hi is None or self.hi >= value - slack)

    @property
    def assessable(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON types."""
        return {each.name: getattr(self, each.name) for each in fields(self)} | {
            "details": dict(self.details)
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Estimate:
        """The inverse of `to_dict`."""
        known = {each.name for each in fields(cls)}
        if not isinstance(data, Mapping) or "name" not in data:
            raise InputError(f"an estimate needs a name, got {data!r}.")
        unknown = sorted(set(data) - known)
        if unknown:
            raise InputError(f"an estimate has no fields {unknown}. Known: {sorted(known)}.")
        return cls(**data)

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name}: not assessable ({self.reason})"
        interval = "" if self.lo is None or self.hi is None else f" [{self.lo:.4g}, {self.hi:.4g}]"
        ideal = "" if self.ideal is None else f", ideal {self.ideal:.4g}"
        return f"{self.name} = {self.value:.4g}{interval}{ideal}"


def not_assessable(name: str, reason: str, **known: Any) -> Estimate:
    """Say why there is no number; `known` holds other fields, such as `n` or `ideal`."""
    return Estimate(name, reason=reason, **known)
