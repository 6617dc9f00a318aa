"""The measures that `evaluate` takes, by name. A user's own joins with `register`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from tabdiff.errors import InputError
from tabdiff.evaluation.comparison import Comparison
from tabdiff.evaluation.estimates import Estimate

__all__ = ["MEASURES", "Measure", "measure_all", "register", "unregister"]

Measure = Callable[[Comparison, np.random.Generator], Estimate | Iterable[Estimate]]

MEASURES: dict[str, Measure] = {}


def register(name: str) -> Callable[[Measure], Measure]:
    """Add a measure to what `evaluate` computes.

    Parameters
    ----------
    name : str
        Name of the measure, "room.topic": the names of its estimates begin with the same room.

    Returns
    -------
    callable
        A decorator for a function of a `Comparison` and a NumPy generator that returns one `Estimate` or
        several. It must not change its arguments.

    Examples
    --------
    >>> from tabdiff.evaluation import Estimate, register, unregister
    >>> @register("fidelity.rows")
    ... def row_ratio(comparison, rng):
    ...     ratio = len(comparison.synthetic) / len(comparison.train)
    ...     return Estimate("fidelity.rows", ratio, ideal=1.0, n=len(comparison.synthetic))
    >>> unregister("fidelity.rows")
    """
    if "." not in name:
        raise InputError(f"a measure is named {name!r}. Name it 'room.topic', such as 'fidelity.rows'.")

    def add(measure: Measure) -> Measure:
        if name in MEASURES and MEASURES[name] is not measure:
            raise InputError(f"there is a measure {name!r} already. Choose another name.")
        MEASURES[name] = measure
        return measure

    return add


def unregister(name: str) -> None:
    """Take a measure out again."""
    if name not in MEASURES:
        raise InputError(f"there is no measure {name!r}. Known: {sorted(MEASURES)}.")
    del MEASURES[name]


def measure_all(comparison: Comparison, names: Iterable[str]) -> dict[str, Estimate]:
    """Run these measures, each with a random stream of its own; estimates by name."""
    estimates: dict[str, Estimate] = {}
    for name in names:
        started = time.process_time()
        found = MEASURES[name](comparison, comparison.rng(name))
        # a generator does its work only now
        listed = [found] if isinstance(found, Estimate) else list(found)
        seconds = time.process_time() - started
        for estimate in listed:
            if estimate.name in estimates:
                raise InputError(f"two measures return an estimate {estimate.name!r}. Rename one of them.")
            estimates[estimate.name] = replace(estimate, seconds=seconds)
    return estimates
