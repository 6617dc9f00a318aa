"""Class labels as people write them."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["plain"]


def plain(label: Any) -> Any:
    """A NumPy scalar as the Python one, anything else as it is."""
    return label.item() if isinstance(label, np.generic) else label
