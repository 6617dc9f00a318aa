"""Two-dimensional NumPy arrays to columns and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tabdiff.frames.forms import Form
from tabdiff.frames.pandas_ import numpy_cells, read_objects, read_series
from tabdiff.schema import Column

__all__ = ["build_array", "read_array"]


def read_array(array: np.ndarray) -> list[tuple[Column, Form]]:
    """Read each column of the array, objects and text as what their cells are."""
    if array.dtype.kind in "OSU":
        return [read_objects(i, cells) for i, cells in enumerate(np.asarray(array, dtype=object).T)]
    return [read_series(i, pd.Series(cells)) for i, cells in enumerate(np.asarray(array).T)]


def build_array(parts: Sequence[tuple[Column, Form]], dtype: np.dtype) -> np.ndarray:
    """Write columns into one array of this dtype: (n, number of columns)."""
    out = np.empty((len(parts[0][0]), len(parts)), dtype=dtype)
    for i, part in enumerate(parts):
        out[:, i] = numpy_cells(*part, dtype)
    return out
