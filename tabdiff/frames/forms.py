"""What is needed to write the cells of a column as they were read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

__all__ = ["Form"]


@dataclass(frozen=True)
class Form:
    """How the cells of a column are written.

    type: their Arrow type; None for categories of pandas, and for objects that Arrow has no type for.
    null: what stands for a missing cell, where the kind of frame leaves a choice, such as None or NaN. A
    column that mixes several of these is rebuilt with one.
    """

    type: pa.DataType | None
    null: Any = None
