"""Columns for the tests of codecs."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtri

from tabdiff.schema import Column, Storage

STORAGE = {"f": Storage.FLOAT, "i": Storage.INT, "b": Storage.BOOL}


def rng(seed=0):
    return np.random.default_rng(seed)


def column(values, missing=None, name="x", **kwargs):
    """A column of an array; missing: flags, or the places of the missing cells."""
    values = np.asarray(values)
    gaps = np.zeros(len(values), dtype=bool)
    if missing is not None:
        gaps[missing] = True
    return Column(name, kwargs.pop("storage", STORAGE.get(values.dtype.kind)), values, gaps, **kwargs)


def labels(texts, name="x", **kwargs):
    """A column of labels, None being missing, as a frame is read."""
    levels = kwargs.pop("levels", tuple(sorted({text for text in texts if text is not None})))
    codes = np.array([0 if text is None else levels.index(text) for text in texts], dtype=np.int64)
    gaps = np.array([text is None for text in texts], dtype=bool)
    return Column(name, Storage.LABEL, codes, gaps, levels, **kwargs)


def joined(first, second):
    """The cells of two columns of the same levels."""
    values = np.concatenate([first.values, second.values])
    return first.with_cells(values, np.concatenate([first.missing, second.missing]))


def law_distance(sample, cells):
    """Largest distance between the distribution functions of two samples."""
    at = np.union1d(sample, cells)
    shares = [np.searchsorted(np.sort(x), at, side="right") / len(x) for x in (sample, cells)]
    return np.abs(shares[0] - shares[1]).max()


def even_scores(n):
    """Scores of n evenly spread ranks: a sample of the normal law without noise."""
    return ndtri((np.arange(n) + 0.5) / n)


INTEGERS = arrays(np.int64, st.integers(1, 300), elements=st.integers(-60, 60) | st.just(7) | st.just(2**50))
CENTS = INTEGERS.map(lambda ticks: ticks / 100)
FLOATS = arrays(np.float64, st.integers(1, 300), elements=st.floats(-1e9, 1e9) | st.just(0.0) | st.just(2.5))
NUMBERS = INTEGERS | CENTS | FLOATS | FLOATS.map(lambda cells: cells.astype(np.float32))


@st.composite
def columns(draw, values=NUMBERS):
    """A numeric column of these values, some cells missing but not all."""
    cells = draw(values)
    missing = draw(st.just(np.zeros(len(cells), bool)) | arrays(bool, len(cells)))
    missing[0] = False
    return column(cells, missing)
