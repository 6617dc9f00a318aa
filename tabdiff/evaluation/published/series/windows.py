"""Windows of series as the published scores read them: scaled, complete, of equal shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tabdiff.errors import InputError

__all__ = ["read_windows", "to_tensor"]

MIN_WINDOWS = 10
ROUNDING = 1e-6


def read_windows(**parts: Any) -> list[NDArray[np.float64]]:
    """Each argument as float64 (n, L, D), in their order; n may differ between them, L and D may not.

    Raises `InputError`, naming the argument, for another number of axes, fewer than 10 windows, fewer than 2
    steps, no channel, missing or infinite cells, cells outside of [0, 1], or different L or D.
    """
    arrays = [_read(name, given) for name, given in parts.items()]
    shapes = {name: array.shape[1:] for name, array in zip(parts, arrays, strict=True)}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"`{name}` has (L, D) = {shape}" for name, shape in shapes.items())
        raise InputError(f"The windows differ in shape: {told}. Pass windows of equal steps and channels.")
    return arrays


def _read(name: str, given: Any) -> NDArray[np.float64]:
    try:
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"`{name}` is no array of numbers ({error}). Pass windows (n, L, D).") from error
    if array.ndim != 3 or array.shape[0] < MIN_WINDOWS or array.shape[1] < 2 or array.shape[2] < 1:
        raise InputError(
            f"`{name}` has the shape {array.shape}. Pass windows (n, L, D): at least {MIN_WINDOWS} windows "
            "of at least 2 steps and 1 channel."
        )
    if not np.isfinite(array).all():
        n_bad = int((~np.isfinite(array)).sum())
        raise InputError(f"`{name}` has {n_bad} missing or infinite cells. Fill or drop them first.")
    low, high = float(array.min()), float(array.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise InputError(
            f"`{name}` is not scaled: its cells reach from {low:.6g} to {high:.6g}. Scale each channel to "
            "[0, 1] by the minimum and maximum of the whole real series, for generated windows by those of "
            "the real ones, and clip what a generator puts outside."
        )
    return array


def to_tensor(windows: NDArray[np.float64]) -> Tensor:
    """The windows in single precision, as the networks of the sources compute."""
    return torch.from_numpy(windows.astype(np.float32))
