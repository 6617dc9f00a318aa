"""The correlational score: how far the correlations between channels are off."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabdiff.evaluation.arguments import seed_of
from tabdiff.evaluation.published.series.windows import read_windows

__all__ = ["correlational_score"]

SHARE = 5  # one part in five is drawn each time
SCALE = 10.0


def correlational_score(real: Any, fake: Any, seed: int) -> float:
    """A tenth of the summed absolute differences of the correlations between channels, 0 or more.

    real, fake: windows (n, L, D) in [0, 1], see the top of the package. seed: draws a fifth of n windows of
    each, with replacement; papers tell the mean over five such draws.
    Returns a float; the ideal is 0, but for the noise of the draws.

    Blind spots: correlations within a step only, so the order of steps does not count. The D (D - 1) / 2
    pairs are summed, so that tables with different D cannot be compared.

    Raises `InputError` for windows that are not scaled, not complete or of different shapes.
    Source: `Utils/cross_correlation.py` of Diffusion-TS (`cacf_torch` at lag 0, `CrossCorrelLoss`).
    """
    windows = read_windows(real=real, fake=fake)
    rng = np.random.default_rng(seed_of(seed))
    n_drawn = len(windows[0]) // SHARE
    of_real, of_fake = (_correlations(part[rng.integers(len(part), size=n_drawn)]) for part in windows)
    # the diagonal is among the pairs of the source too: it is the same for both and cancels
    pairs = np.tril_indices(of_real.shape[0])
    return float(np.abs(of_fake - of_real)[pairs].sum() / SCALE)


def _correlations(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(D, D) correlations over all steps of all windows (n, L, D): variances by n L - 1, means by n L."""
    cells = windows.reshape(-1, windows.shape[2])
    deviation = cells.std(axis=0, ddof=1)
    # DIFFERS: a constant channel makes the score of the source NaN; here it is uncorrelated with all others.
    standard = (cells - cells.mean(axis=0)) / np.where(deviation < 1e-12, 1.0, deviation)
    return standard.T @ standard / len(cells)
