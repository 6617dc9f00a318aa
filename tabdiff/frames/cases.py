"""Series, one for each case: arrays (n_cases, n_channels, n_timepoints) and lists of 2-D arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabdiff.errors import InputError

__all__ = ["Cases", "is_cases", "read_cases", "with_new_cases"]

EXPECTED = (
    "Series are an array (n_cases, n_channels, n_timepoints), or a list of arrays "
    "(n_channels, n_timepoints), each of which may have its own n_timepoints."
)


@dataclass(frozen=True)
class Cases:
    """Series of cases, one behind the other.

    values: (n_steps, n_channels) float64, NaN where missing. lengths: (n_cases,) int64, at least 1 each.
    dtype: of the numbers as the user holds them. in_list: whether the container is a list.
    """

    values: np.ndarray
    lengths: np.ndarray
    dtype: np.dtype
    in_list: bool

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def n_channels(self) -> int:
        """Number of channels, the same in all cases."""
        return self.values.shape[1]

    @property
    def offsets(self) -> np.ndarray:
        """Where each case begins, and where the last one ends: (n_cases + 1,) int64."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    def case(self, number: int) -> np.ndarray:
        """The steps of one case: (length, n_channels) float64."""
        first = self.lengths[:number].sum()
        return self.values[first : first + self.lengths[number]]

    def rebuild(self, new: Sequence[np.ndarray]) -> Any:
        """New cases in the user's container and dtype; new: (length, n_channels) numbers of each.

        Whole numbers are rounded, and numbers beyond what the dtype holds become the nearest that it does.
        For an array all lengths have to be those of its cases.
        """
        written = [np.ascontiguousarray(_as_dtype(case, self.dtype).T) for case in new]
        if self.in_list:
            return written
        shape = (len(written), self.n_channels, int(self.lengths[0]))
        return np.array(written, dtype=self.dtype).reshape(shape)


def is_cases(X: Any) -> bool:
    """Whether X holds series rather than rows: a 3-D array, or a list of arrays of two or more dimensions."""
    if isinstance(X, list):
        return any(isinstance(case, np.ndarray) and case.ndim >= 2 for case in X)
    return isinstance(X, np.ndarray) and X.ndim == 3


def read_cases(X: Any) -> Cases:
    """Read an array (n_cases, n_channels, n_timepoints), or a list of arrays (n_channels, n_timepoints).

    NaN is a missing value. Raises `InputError` for other shapes, for cases that differ in their channels or
    have no timepoint, for infinite values, and for what is no real number.
    """
    if isinstance(X, np.ndarray) and X.ndim != 3:
        raise InputError(f"X is an array of {X.ndim} dimensions, {X.shape}. {EXPECTED}")
    if not isinstance(X, list | np.ndarray):
        raise InputError(f"X is a {type(X).__name__}. {EXPECTED}")
    if not len(X):
        raise InputError(f"X holds no case. {EXPECTED}")
    _check_shapes(X)
    dtypes = {case.dtype for case in X}
    dtype = dtypes.pop() if len(dtypes) == 1 else np.result_type(*dtypes)  # which forgets the order of bytes
    values = np.concatenate([np.asarray(case, dtype=np.float64).T for case in X])
    lengths = np.array([case.shape[1] for case in X], dtype=np.int64)
    cases = Cases(values, lengths, dtype, isinstance(X, list))
    _check_finite(cases)
    return cases


def with_new_cases(X: Any, new: Any) -> Any:
    """X followed by new cases, in the same container; those of X are as they were, to the bit."""
    if isinstance(X, list):
        return X + new
    both = np.empty((len(X) + len(new), *X.shape[1:]), dtype=X.dtype)
    both[: len(X)], both[len(X) :] = X, new
    return both


def _as_dtype(case: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers as the nearest ones of a dtype."""
    if dtype.kind == "b":
        return case >= 0.5
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        return case.clip(float(limits.min), float(limits.max)).astype(dtype)
    lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
    whole = np.rint(case)
    # floats skip the largest whole numbers: what is not below them is set, not converted
    out = np.where((whole > lowest) & (whole < float(highest)), whole, 0).astype(dtype)
    out[whole >= float(highest)], out[whole <= lowest] = highest, lowest
    return out


def _check_shapes(X: Any) -> None:
    """Raise `InputError` unless all cases are arrays of numbers with the same channels and some timepoint."""
    for number, case in enumerate(X):
        if not isinstance(case, np.ndarray) or case.ndim != 2:
            what = (
                f"has the shape {case.shape}" if isinstance(case, np.ndarray) else f"is {type(case).__name__}"
            )
            raise InputError(f"case {number} of X {what}. {EXPECTED}")
        if case.dtype.kind not in "bfiu":
            raise InputError(
                f"case {number} of X holds {case.dtype} cells, but series are real numbers. Convert them "
                "with astype(float)."
            )
        if not case.size:
            raise InputError(f"case {number} of X has the shape {case.shape}, so it is empty. Drop it.")
    shapes = [case.shape for case in X]
    other = next((i for i, shape in enumerate(shapes) if shape[0] != shapes[0][0]), None)
    if other is not None:
        hint = ""
        if len({shape[1] for shape in shapes}) == 1:
            hint = " These look like (n_timepoints, n_channels): pass [case.T for case in X]."
        raise InputError(
            f"case 0 of X has {shapes[0][0]} channels, but case {other} has {shapes[other][0]}: their shapes "
            f"are {shapes[0]} and {shapes[other]}. {EXPECTED}{hint}"
        )


def _check_finite(cases: Cases) -> None:
    infinite = np.isinf(cases.values)
    if not infinite.any():
        return
    step, channel = np.argwhere(infinite)[0]
    number = int(np.searchsorted(cases.offsets, step, side="right")) - 1
    n_channels, n_steps = cases.n_channels, int(cases.lengths[number])
    hint = ""
    if n_channels > n_steps:
        hint = (
            f" (There are {n_channels} channels and {n_steps} timepoints: if it is the other way round, swap "
            "the axes.)"
        )
    raise InputError(
        f"X holds {infinite.sum()} infinite values, the first is {cases.values[step, channel]} in case "
        f"{number}, channel {channel}. Replace them by NaN, which is a missing value, or by finite ones."
        f"{hint}"
    )
