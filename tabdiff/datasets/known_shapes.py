"""Series with an event of one of three shapes, drawn from a law that is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tabdiff.errors import InputError

__all__ = ["make_cylinder_bell_funnel"]

SHAPES = ("cylinder", "bell", "funnel")
N_STEPS = 128
ONSET = (16, 32)
DURATION = (32, 96)
HEIGHT = 6.0


def make_cylinder_bell_funnel(
    n_cases: int | Mapping[str, int] = 100, *, random_state: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw series of noise with an event in each: a cylinder, a bell or a funnel.

    With steps t = 1, ..., 128, the event lies at a <= t <= b, where a is one of 16, ..., 32 and b - a one of
    32, ..., 96, all equally likely. Its height is 6 + eta, and every step has noise of its own; eta and the
    noise are standard normal::

        cylinder   x(t) = (6 + eta) [a <= t <= b]                      + noise(t)
        bell       x(t) = (6 + eta) [a <= t <= b]  (t - a) / (b - a)   + noise(t)
        funnel     x(t) = (6 + eta) [a <= t <= b]  (b - t) / (b - a)   + noise(t)

    Parameters
    ----------
    n_cases : int or dict, default=100
        Number of series of each shape; or shape to number, for classes of unequal size.
    random_state : int or None, default=None
        Seed.

    Returns
    -------
    X : ndarray of shape (n_cases, 1, 128), float64
        The series, one channel each, in random order.
    y : ndarray of shape (n_cases,)
        "cylinder", "bell" or "funnel".

    Raises
    ------
    InputError
        If a shape is unknown, or a number is not a whole number from 0 on.

    Notes
    -----
    Source: Saito 1994, "Local feature extraction and its applications using a library of bases" (Yale
    University). The set CBF of the UCR archive is of this law, each series brought to mean 0 and variance 1.

    Examples
    --------
    >>> from tabdiff.datasets import make_cylinder_bell_funnel
    >>> X, y = make_cylinder_bell_funnel({"cylinder": 20, "bell": 20, "funnel": 3}, random_state=0)
    >>> X.shape, (y == "funnel").sum().item()
    ((43, 1, 128), 3)
    """
    sizes = _sizes(n_cases)
    rng = np.random.default_rng(random_state)
    y = np.repeat(SHAPES, [sizes[shape] for shape in SHAPES])
    series = [_event(shape, size, rng) for shape, size in sizes.items()]
    X = np.concatenate(series) + rng.normal(size=(len(y), N_STEPS))
    order = rng.permutation(len(y))
    return X[order, np.newaxis], y[order]


def _sizes(n_cases: int | Mapping[str, int]) -> dict[str, int]:
    """The number of series of each shape, in the order of the shapes."""
    asked = n_cases if isinstance(n_cases, Mapping) else dict.fromkeys(SHAPES, n_cases)
    unknown = [name for name in asked if name not in SHAPES]
    if unknown:
        raise InputError(f"n_cases names {unknown[0]!r}, which is no shape. Name some of {list(SHAPES)}.")
    for name, n in asked.items():
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
            raise InputError(f"n_cases is {n!r} for {name!r}. Pass a whole number from 0 on.")
    return {shape: int(asked.get(shape, 0)) for shape in SHAPES}


def _event(shape: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, N_STEPS) the events without noise."""
    t = np.arange(1, N_STEPS + 1)
    start = rng.integers(ONSET[0], ONSET[1], size=(n, 1), endpoint=True)
    duration = rng.integers(DURATION[0], DURATION[1], size=(n, 1), endpoint=True)
    height = HEIGHT + rng.normal(size=(n, 1))
    risen = (t - start) / duration
    profile = {"cylinder": np.ones_like(risen), "bell": risen, "funnel": 1 - risen}[shape]
    return height * profile * ((risen >= 0) & (risen <= 1))
