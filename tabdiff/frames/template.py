"""How to rebuild a frame of the kind that was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from tabdiff.frames.arrays import build_array
from tabdiff.frames.arrow import build_arrow
from tabdiff.frames.forms import Form
from tabdiff.frames.pandas_ import build_pandas
from tabdiff.frames.polars_ import build_polars
from tabdiff.schema import Column

__all__ = ["RowTemplate", "Template"]


@dataclass(frozen=True)
class Template:
    """How to rebuild a frame of the kind that was read.

    empty: a frame (or 2-D array) of that kind without rows. forms: how the cells of each column are written.
    """

    empty: Any
    forms: tuple[Form, ...]

    def rebuild(self, columns: Sequence[Column]) -> Any:
        """Build a frame with the template's library, column order, names and dtypes.

        columns: as many as were read, in the same order, with any number of cells. Nothing of them is shared
        with the frame.
        """
        owned = [column.with_cells(column.values.copy(), column.missing.copy()) for column in columns]
        parts = list(zip(owned, self.forms, strict=True))
        if isinstance(self.empty, np.ndarray):
            return build_array(parts, self.empty.dtype)
        if isinstance(self.empty, pd.DataFrame):
            return build_pandas(parts, self.empty)
        if isinstance(self.empty, pl.DataFrame):
            return build_polars(parts, self.empty.schema)
        arrays = [build_arrow(column, form) for column, form in parts]
        return type(self.empty).from_arrays(arrays, schema=self.empty.schema)

    def declares_labels(self, place: int) -> bool:
        """Whether the column at this place has a type that lists its labels, also those that do not occur."""
        if isinstance(self.empty, pd.DataFrame):
            return isinstance(self.empty.dtypes.iloc[place], pd.CategoricalDtype)
        return isinstance(self.empty, pl.DataFrame) and isinstance(self.empty.dtypes[place], pl.Enum)


@dataclass(frozen=True)
class RowTemplate:
    """How to rebuild a list of rows: as `Template`, for the array of objects that they make."""

    array: Template

    @property
    def empty(self) -> np.ndarray:
        """The array without rows."""
        return self.array.empty

    def declares_labels(self, place: int) -> bool:
        """As `Template.declares_labels`."""
        return self.array.declares_labels(place)

    def rebuild(self, columns: Sequence[Column]) -> list[list[Any]]:
        """Build a list of rows."""
        return self.array.rebuild(columns).tolist()
