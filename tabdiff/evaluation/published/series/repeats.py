"""A score over several seeds of the evaluator, as papers tell it: mean and 95 % interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from tabdiff.evaluation.arguments import count_of

__all__ = ["Repeats", "over_seeds"]


@dataclass(frozen=True)
class Repeats:
    """What a score was over seeds.

    values: one for each seed. mean: their mean. half_width: half of the 95 % interval of the mean by
    Student's t, the figure that papers put behind the plus-minus.
    """

    values: tuple[float, ...]
    mean: float
    half_width: float


def over_seeds(score: Callable[[int], float], n: int = 5) -> Repeats:
    """The score at the seeds 0, ..., n - 1.

    score: takes a seed, such as `lambda seed: discriminative_score(real, fake, seed)`. n: at least 2.
    The interval tells of the evaluator alone, not of another training of the generator: repeat that yourself.

    Raises `InputError` if n is below 2.
    Source: `display_scores` in `Utils/metric_utils.py` of Diffusion-TS.
    """
    values = np.array([score(seed) for seed in range(count_of("n", n, 2))])
    error = values.std(ddof=1) / np.sqrt(n)
    half_width = float(error * t.ppf(0.975, n - 1))
    return Repeats(tuple(values.tolist()), float(values.mean()), half_width)
