"""What is asked of the cells of one column: values, a range, missing or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Wanted"]


@dataclass(frozen=True)
class Wanted:
    """A condition on the cells of one column, in the terms of `Column.values`.

    An observed cell meets it if `observed` allows such cells, it is one of `values` (sorted; None: any) and
    lies in [low, high] (None: no bound). A missing cell meets it if `missing` allows such cells. Labels are
    codes into the levels of the fitted column; bounds are for numbers, times and durations.
    """

    values: np.ndarray | None = None
    low: Any = None
    high: Any = None
    observed: bool = True
    missing: bool = False

    @property
    def is_fixed(self) -> bool:
        """Whether it leaves no choice: one value, or missing."""
        if not self.observed:
            return True
        return not self.missing and self.values is not None and len(self.values) == 1

    def meets(self, values: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Which cells meet it: (n,) bool."""
        good = np.full(len(values), self.observed)
        if self.values is not None:
            good &= np.isin(values, self.values)
        if self.low is not None:
            good &= values >= self.low
        if self.high is not None:
            good &= values <= self.high
        return np.where(missing, self.missing, good)
