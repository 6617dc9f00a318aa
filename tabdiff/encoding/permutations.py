"""Random orders of huge ranges of numbers, computed one number at a time."""

from __future__ import annotations

import numpy as np

__all__ = ["permuted"]

N_ROUNDS = 6
ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio


def permuted(numbers: np.ndarray, size: int, key: int) -> np.ndarray:
    """Places of numbers in a random order of 0, ..., size - 1: (n,) uint64, different for different numbers.

    numbers: (n,) integers in [0, size); size at most 2^62. key: chooses the order.
    Source: Luby and Rackoff 1988 (doi:10.1137/0217022), a permutation from rounds of functions that need not
    be invertible; results beyond `size` are permuted again until they are below it (Black and Rogaway 2002,
    doi:10.1007/3-540-45760-7_9, method 3).
    """
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    out = _rounds(numbers.astype(np.uint64), half, key)
    beyond = np.flatnonzero(out >= np.uint64(size))
    while len(beyond):
        out[beyond] = _rounds(out[beyond], half, key)
        beyond = beyond[out[beyond] >= np.uint64(size)]
    return out


def _rounds(numbers: np.ndarray, half: np.uint64, key: int) -> np.ndarray:
    """Permute the numbers of twice `half` bits."""
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = numbers >> half, numbers & mask
    for k in range(1, N_ROUNDS + 1):
        left, right = right, left ^ (_mixed(right, key + k) & mask)
    return (left << half) | right


def _mixed(numbers: np.ndarray, key: int) -> np.ndarray:
    """Scramble 64-bit numbers.

    Source: the finaliser of SplitMix64, Steele et al. 2014 (doi:10.1145/2660193.2660195).
    """
    offset = np.uint64(key * int(ODD) % 2**64)
    mixed = numbers + offset
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
