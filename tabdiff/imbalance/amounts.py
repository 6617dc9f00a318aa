"""How many synthetic rows of each class: what is asked for, and what is tried where that is to be chosen."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
from imblearn.utils import check_sampling_strategy

from tabdiff.errors import InputError
from tabdiff.imbalance.labels import plain

__all__ = ["Amount", "candidate_amounts", "rows_asked"]

NAMED = ("auto", "minority", "not minority", "not majority", "all")
MULTIPLE = re.compile(r"x\d+(\.\d+)?", re.ASCII)
RATIOS = (0.1, 0.3, 1.0)
SAME = 0.1


@dataclass(frozen=True)
class Amount:
    """Rows to add, by class. size: all of them, as a share of the rows of all classes but the largest."""

    name: str
    n_synthetic: dict[Any, int]
    size: float


def rows_asked(strategy: Any, n_synthetic: Any, classes: np.ndarray) -> dict[Any, int]:
    """Rows to add to each class, at least 0; classes in sorted order, labelled as in `np.unique(classes)`.

    strategy: what `imblearn.utils.check_sampling_strategy` takes for over-sampling, with its meaning and its
    errors. Beyond that a float above 1, the wanted ratio of the rarer to the other of two classes; and "x2",
    "x2.5", which multiplies the rows of every class but the largest, and as a value of a dict those of the
    class that it stands at, rounded down. n_synthetic: None; or, with strategy "auto", rows to add: a dict of
    class to number, or a number in all, which the classes share by what each lacks to the largest (evenly if
    none lacks any). Of classes that are equally large the first is the largest, as in imbalanced-learn.
    classes: (n,).

    Raises `InputError`, or imbalanced-learn's own `ValueError`, for anything else.
    """
    counts = _counts(classes)
    if len(counts) < 2:
        raise InputError(
            f"The target 'y' needs to have more than 1 class. Got {len(counts)} class instead: "
            f"{_known(counts)}."
        )
    if n_synthetic is not None:
        if not (isinstance(strategy, str) and strategy == "auto"):
            raise InputError(
                f"both n_synthetic={n_synthetic!r} and sampling_strategy={strategy!r} say how many rows to "
                "add. Leave one of them out."
            )
        return _numbers(n_synthetic, counts)
    if isinstance(strategy, str) and strategy.startswith("x"):
        factor, largest = _factor(strategy), _largest(counts)
        return {label: _multiplied(factor, n) - n for label, n in counts.items() if label != largest}
    if isinstance(strategy, str) and strategy not in NAMED:
        # worded as scikit-learn words wrong parameters, which its checks of estimators look for
        raise InputError(
            "The 'sampling_strategy' parameter of DiffusionOverSampler must be a number, a dict, a "
            f"callable, "
            f"'tuned', a multiple such as 'x2', or one of {NAMED}. Got {strategy!r} instead."
        )
    if isinstance(strategy, Real):
        ratio = _ratio(strategy)
        if ratio > 1:
            return _above_one(ratio, counts)
    return _as_imbalanced_learn(strategy, classes, counts)


def candidate_amounts(classes: np.ndarray) -> list[Amount]:
    """What is tried where the amount is to be chosen, by size: nothing first.

    Then every class but the largest doubled, as far as the largest goes; and every class raised to a tenth,
    three tenths and the whole of the largest. Of two amounts whose numbers differ by no more than a tenth of
    their total, the one named first here stays.
    """
    counts = _counts(classes)
    most = max(counts.values())
    others = {label: n for label, n in counts.items() if label != _largest(counts)}
    tried = {"x2": {label: min(n, most - n) for label, n in others.items()}}
    tried |= {
        f"ratio {ratio:g}": {label: max(0, int(ratio * most) - n) for label, n in others.items()}
        for ratio in RATIOS
    }
    kept: dict[str, dict[Any, int]] = {}
    for name, added in tried.items():
        if sum(added.values()) and not any(_much_the_same(added, other) for other in kept.values()):
            kept[name] = added
    n_others = sum(others.values())
    amounts = [
        Amount(name, {label: n for label, n in added.items() if n}, sum(added.values()) / n_others)
        for name, added in kept.items()
    ]
    return [Amount("none", {}, 0.0), *sorted(amounts, key=lambda amount: amount.size)]


def _much_the_same(added: Mapping[Any, int], other: Mapping[Any, int]) -> bool:
    """Whether the numbers of each class differ by no more than a tenth of all that `other` adds."""
    return sum(abs(n - other[label]) for label, n in added.items()) <= SAME * sum(other.values())


def _counts(classes: np.ndarray) -> dict[Any, int]:
    return {label: int(n) for label, n in zip(*np.unique(classes, return_counts=True), strict=True)}


def _largest(counts: Mapping[Any, int]) -> Any:
    return max(counts, key=lambda label: counts[label])


def _known(counts: Mapping[Any, int]) -> list[Any]:
    """The classes as plain values, for messages."""
    return [plain(label) for label in counts]


def _factor(words: str) -> Decimal:
    """What "x2" multiplies by, exactly; raises `InputError` for other words, and for less than 1."""
    if not MULTIPLE.fullmatch(words):
        raise InputError(
            f"sampling_strategy asks for {words!r}. A multiple is written 'x2' or 'x2.5', and final numbers "
            "of rows are numbers."
        )
    factor = Decimal(words[1:])
    if factor < 1:
        raise InputError(
            f"sampling_strategy asks for {words!r}, which would remove rows: an over-sampler adds some. Pass "
            "'x1' or more."
        )
    return factor


def _multiplied(factor: Decimal, n: int) -> int:
    """A number of rows, multiplied and rounded down."""
    return int(factor * n)


def _ratio(strategy: Any) -> float:
    if isinstance(strategy, bool) or not math.isfinite(strategy):
        raise InputError(
            f"sampling_strategy is {strategy!r}. Pass a ratio of minority to majority rows above 0, "
            "such as 0.5."
        )
    return float(strategy)


def _above_one(ratio: float, counts: Mapping[Any, int]) -> dict[Any, int]:
    if len(counts) != 2:
        raise InputError(
            f"sampling_strategy is {ratio!r}, a ratio of two classes, but there are {len(counts)}: "
            f"{_known(counts)}. Pass a dict of class to number of rows, or a multiple such as 'x2'."
        )
    largest = _largest(counts)
    return {label: int(ratio * counts[largest]) - n for label, n in counts.items() if label != largest}


def _as_imbalanced_learn(strategy: Any, classes: np.ndarray, counts: Mapping[Any, int]) -> dict[Any, int]:
    """What imbalanced-learn makes of a strategy, in which dicts may hold multiples."""
    if callable(strategy) and not isinstance(strategy, Mapping):
        strategy = strategy(classes)
        if not isinstance(strategy, Mapping):
            raise InputError(
                f"the function that was passed as sampling_strategy returned {strategy!r}. It has to return "
                "a dict of class to final number of rows."
            )
    if isinstance(strategy, Mapping):
        strategy = _final_numbers(strategy, counts)
    elif not isinstance(strategy, str | Real | list):
        raise InputError(
            f"sampling_strategy is {strategy!r}. Pass a ratio, a text such as 'auto' or 'x2', a dict of "
            "class to final number of rows, or a function that makes one of y."
        )
    asked = check_sampling_strategy(strategy, classes, "over-sampling")
    return {label: int(asked[label]) for label in counts if label in asked}


def _final_numbers(strategy: Mapping[Any, Any], counts: Mapping[Any, int]) -> dict[Any, Any]:
    """The final number of rows of each class of a dict; raises `InputError` for what is none."""
    _check_classes("sampling_strategy", strategy, counts)
    final: dict[Any, Any] = {}
    for label, wanted in strategy.items():
        if isinstance(wanted, str):
            final[label] = _multiplied(_factor(wanted), counts[label])
        elif not _is_whole(wanted):
            raise InputError(
                f"sampling_strategy asks for {plain(wanted)!r} rows of class {plain(label)!r}. Pass a "
                "whole number, or a multiple such as 'x2'."
            )
        else:
            final[label] = wanted
    return final


def _is_whole(number: Any) -> bool:
    """Whether it is a whole number, as a float maybe, but no truth value."""
    return isinstance(number, Real) and not isinstance(number, bool) and float(number).is_integer()


def _numbers(n_synthetic: Any, counts: Mapping[Any, int]) -> dict[Any, int]:
    """Rows to add, as `n_synthetic` says."""
    if isinstance(n_synthetic, Mapping):
        _check_classes("n_synthetic", n_synthetic, counts)
        for label, n in n_synthetic.items():
            _check_number(n, f" of class {plain(label)!r}")
        return {label: int(n_synthetic[label]) for label in counts if label in n_synthetic}
    _check_number(n_synthetic)
    largest = _largest(counts)
    lacking = {label: counts[largest] - n for label, n in counts.items() if label != largest}
    return _in_proportion(int(n_synthetic), lacking)


def _in_proportion(total: int, weights: Mapping[Any, int]) -> dict[Any, int]:
    """A number cut in proportion to weights, largest remainders first; evenly if all of them are 0."""
    if not any(weights.values()):
        weights = dict.fromkeys(weights, 1)
    whole = sum(weights.values())
    shares = {label: divmod(total * weight, whole) for label, weight in weights.items()}
    parts = {label: share for label, (share, _) in shares.items()}
    order = sorted(shares, key=lambda label: -shares[label][1])
    for label in order[: total - sum(parts.values())]:
        parts[label] += 1
    return parts


def _check_number(n: Any, of: str = "") -> None:
    if not isinstance(n, Integral) or isinstance(n, bool) or n < 0:
        raise InputError(f"n_synthetic asks for {n!r} rows{of}. Pass a whole number, at least 0.")


def _check_classes(name: str, asked: Mapping[Any, Any], counts: Mapping[Any, int]) -> None:
    """Raise `InputError`, worded as in imbalanced-learn, for classes that y does not hold."""
    unknown = {plain(label) for label in asked if label not in counts}
    if unknown:
        raise InputError(
            f"The {unknown} target class is/are not present in the data. {name} asks for them; the classes "
            f"are {_known(counts)}."
        )
