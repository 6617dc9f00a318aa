"""Arguments that several functions share: read, or refused by name."""

from __future__ import annotations

import numbers
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from tabdiff.errors import InputError

__all__ = ["alpha_of", "count_of", "names_of", "one_name", "scores_of", "seed_of", "share_of"]


def seed_of(seed: Any) -> int:
    """A whole number of 0 or more, which gives the same result again."""
    return count_of("seed", seed, 0)


def count_of(argument: str, given: Any, least: int) -> int:
    """A whole number that is not too small."""
    if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < least:
        raise InputError(f"{argument} is {given!r}. Pass a whole number of {least} or more.")
    return int(given)


def share_of(argument: str, given: Any, advice: str, most: float = 1.0) -> float:
    """A number above 0 and below `most`; `advice` ends the message."""
    share = float(given) if isinstance(given, numbers.Real) and not isinstance(given, bool) else -1.0
    if not 0 < share < most:
        raise InputError(f"{argument} is {given!r}. Pass {advice}.")
    return share


def alpha_of(alpha: Any) -> float:
    """The level of the tests, between 0 and 0.5."""
    return share_of("alpha", alpha, "a level between 0 and 0.5, such as 0.01", most=0.5)


def one_name(argument: str, given: Any) -> Any:
    """The name of a column or a value of one, as it is; refused if it cannot be one."""
    try:
        hash(given)
    except TypeError:
        raise InputError(f"`{argument}` is a {type(given).__name__}. Pass one name or value.") from None
    return given


def names_of(argument: str, given: Any) -> tuple[Hashable, ...]:
    """Several names, each once; a text is one name."""
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Iterable):
        raise InputError(f"`{argument}` is {given!r}. Pass a list of names.")
    return tuple(dict.fromkeys(one_name(argument, name) for name in given))


def scores_of(model: Any, frame: Any, n: int) -> np.ndarray:
    """(n,) scores of the model; `InputError` if it fails, or returns anything but one number for each row."""
    try:
        score = np.asarray(model.score_samples(frame))
    except Exception as error:
        raise InputError(
            f"`score_samples` of the model failed on {n} rows: {type(error).__name__}: {error}. Fix the "
            "model, or pass none."
        ) from error
    if score.shape != (n,) or score.dtype.kind not in "biuf":
        raise InputError(
            f"`score_samples` of the model returned an array of shape {score.shape} for {n} rows, of "
            f"type {score.dtype}. It must return one number for each row."
        )
    return score.astype(np.float64)
