"""Scores that stay as they are when new rows come, so that a network trained on them is understood after.

`TableEncoder.extended` makes scores normal over old and new cells together, which moves those of old values.
Here the former map is kept, and widened at its ends, as long as it tells the new cells apart. DIFFERS: scores
are then normal over the old cells, and only nearly so over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri

from tabdiff.encoding.alignment import aligned
from tabdiff.encoding.codec import Codec
from tabdiff.encoding.grids import Grid
from tabdiff.encoding.numbers import MIN_CELLS, NumericCodec
from tabdiff.encoding.scores import NormalScores
from tabdiff.encoding.table import TableEncoder
from tabdiff.schema import Column

__all__ = ["moved", "steady"]

N_PARTS = 20  # equal shares of the old cells of a column, by their ranks
MAX_DENSITY = 5.0  # of the new cells in such a part, with the old ones at 1
GAP = 1e-3  # between the end and the first score behind it
MAX_BEYOND = 0.05  # share of the new cells beyond either end of the old ones
MAX_TIED = 0.05  # share of the new cells with a frequent value between old ones, which would not come back


def steady(before: TableEncoder, after: TableEncoder, columns: Sequence[Column]) -> TableEncoder:
    """The encoder `after`, in which numeric columns keep their scores of `before` where these serve.

    after: `before` extended by the columns. Scores serve if few of the new cells lie beyond the old ones, few
    have a frequent value that is new, and they do not crowd where the old ones are rare. Beyond either end
    scores go on, for values that `released` would keep; the others count as the end.
    """
    codecs = []
    for old, codec, template, column in zip(
        before.codecs, after.codecs, after.templates, columns, strict=True
    ):
        scores = _normal_scores(old)
        if scores is not None and isinstance(codec, NumericCodec):
            cells = aligned(column, template).observed
            cells = cells[~np.isin(cells, codec.atoms)]
            if _serves(scores, cells):
                codec = replace(codec, scores=_widened(scores, codec.scores.grid, cells))
        codecs.append(codec)
    return replace(after, codecs=tuple(codecs))


def moved(before: TableEncoder, after: TableEncoder) -> float:
    """How far the scores of old values have moved: the root mean square over a column's cells, the largest.

    Cells without a score, as they are atoms or missing, count as cells that have not moved. 0 if no column
    has scores in both encoders. The unit is the standard deviation of the scores.
    """
    largest = 0.0
    for first, second in zip(before.codecs, after.codecs, strict=True):
        old, new = _normal_scores(first), _normal_scores(second)
        if isinstance(first, NumericCodec) and old is not None and new is not None:
            values = old.grid.to_values(old.ticks)
            way = new.scores(values, None) - old.scores(values, None)
            mean_square = np.average(way**2, weights=old.counts) * old.n / first.n_rows
            largest = max(largest, float(np.sqrt(mean_square)))
    return largest


def _normal_scores(codec: Codec) -> NormalScores | None:
    """The normal scores of a codec, None if it has none."""
    if isinstance(codec, NumericCodec) and isinstance(codec.scores, NormalScores) and len(codec.scores.ticks):
        return codec.scores
    return None


def _serves(scores: NormalScores, cells: np.ndarray) -> bool:
    """Whether scores tell new cells (n,) apart."""
    if not len(cells):
        return True
    beyond = max((cells < scores.ends[0]).sum(), (cells > scores.ends[1]).sum())
    if beyond > max(MIN_CELLS - 1, MAX_BEYOND * len(cells)):
        return False
    values, counts = np.unique(cells, return_counts=True)
    inside = (values > scores.ends[0]) & (values < scores.ends[1]) & (counts >= MIN_CELLS)
    tied = inside & ~np.isin(values, scores.grid.to_values(scores.ticks))
    if counts[tied].sum() > MAX_TIED * len(cells):
        return False
    low, high = (ndtr(end) for end in scores.range_of(values, values))
    return bool(_densities(low, high, counts).max() <= MAX_DENSITY)


def _densities(low: np.ndarray, high: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Density in N_PARTS equal parts of [0, 1] of cells that lie evenly from low to high: (V,) each."""
    low = np.minimum(low, 1 - 1e-9)
    edges = np.linspace(0, 1, N_PARTS + 1)[:, None]
    below = np.clip((edges - low) / np.maximum(high - low, 1e-12), 0, 1) @ counts
    return N_PARTS * np.diff(below) / counts.sum()


def _widened(scores: NormalScores, grid: Grid, cells: np.ndarray) -> NormalScores:
    """The same scores of the same values, and further ones for new cells (n,) beyond the ends.

    grid: holds old and new values.
    """
    values = scores.grid.to_values(scores.ticks)
    n = scores.n + len(cells)
    cells = cells.astype(values.dtype)
    low, high, counts = scores.low.copy(), scores.high.copy(), scores.counts
    law = NormalScores.fit(above).released(MIN_CELLS) if len(above := cells[cells > values[-1]]) else None
    if law is not None and len(law.ticks):
        high[-1] = max(low[-1], min(high[-1], _last(n)))
        ends = (_outwards(part, high[-1], len(above) / n, n) for part in (law.low, law.high))
        low, high = (np.append(old, new) for old, new in zip((low, high), ends, strict=True))
        values, counts = np.append(values, law.grid.to_values(law.ticks)), np.append(counts, law.counts)
    law = NormalScores.fit(below).released(MIN_CELLS) if len(below := cells[cells < values[0]]) else None
    if law is not None and len(law.ticks):
        low[0] = min(high[0], max(low[0], -_last(n)))
        ends = (-_outwards(-part, -low[0], len(below) / n, n) for part in (law.low, law.high))
        low, high = (np.append(new, old) for old, new in zip((low, high), ends, strict=True))
        values, counts = np.append(law.grid.to_values(law.ticks), values), np.append(law.counts, counts)
    return NormalScores(grid, grid.to_ticks(values), low, high, counts, n)


def _last(n: int) -> float:
    """The score that a value of the highest ranks of n cells may have, to leave room behind it."""
    return float(np.float32(ndtri(1 - 0.25 / n)))


def _outwards(own: np.ndarray, end: float, share: float, n: int) -> np.ndarray:
    """Scores behind `end` of the highest share of n cells, as far apart as normal scores of all would be.

    own: (V,) scores of them among themselves.
    """
    rank = np.minimum(1 - share * (1 - ndtr(own)), 1 - 0.25 / n)
    return (end + GAP + ndtri(rank) - ndtri(1 - share)).astype(np.float32).astype(np.float64)
