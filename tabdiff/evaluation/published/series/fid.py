"""Context-FID: the distance of two Gaussians, fitted to learned representations of whole windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tabdiff.errors import InputError
from tabdiff.evaluation.arguments import count_of, seed_of
from tabdiff.evaluation.published.series.ts2vec import encode, learn_encoder
from tabdiff.evaluation.published.series.windows import read_windows, to_tensor

__all__ = ["context_fid", "frechet_distance"]

FEW_CELLS = 100_000


def context_fid(real: Any, fake: Any, seed: int, n_iterations: int | None = None) -> float:
    """Frechet distance between real and fake windows in the representations of a TS2Vec encoder, 0 or more.

    real, fake: windows (n, L, D) in [0, 1], see the top of the package; fake must have at least as many as
    real, of which the first ones in random order are used. seed: of the encoder, its training and that order.
    n_iterations: None, as published, is 200 for up to 100,000 cells in real and 600 for more.
    Returns a float; the ideal is that of new real windows, not 0. The encoder is trained on the real windows
    anew with each seed, so published intervals hold its noise as well.

    Blind spots: a copy of the real windows scores 0; only mean and covariance of 320 maxima over time count.
    Data that are not scaled alike change it a hundredfold.

    Raises `InputError` for windows that are not scaled, not complete or of different shapes, or too few fake.
    Source: `Utils/context_fid.py` of Diffusion-TS; Jeha et al. 2022, "PSA-GAN".
    """
    windows = read_windows(real=real, fake=fake)
    n_real, n_fake = (len(part) for part in windows)
    if n_fake < n_real:
        raise InputError(f"`fake` has {n_fake} windows and `real` {n_real}. Pass at least as many fake ones.")
    if n_iterations is None:
        n_iterations = 200 if windows[0].size <= FEW_CELLS else 600
    count_of("n_iterations", n_iterations, 0)
    generator = torch.Generator().manual_seed(seed_of(seed))
    of_real, of_fake = (to_tensor(part) for part in windows)
    network = learn_encoder(of_real, n_iterations, generator)
    # DIFFERS: the source takes the first n_real fake windows as they come; a sample that is ordered would
    # lose a part of its law.
    of_fake = of_fake[torch.randperm(n_fake, generator=generator)[:n_real]]
    vectors = [encode(network, part).double().numpy() for part in (of_real, of_fake)]
    return frechet_distance(*vectors)


def frechet_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the means and covariances of (n, F) rows.

    DIFFERS: the source takes a general root of S1 S2, whose imaginary parts it drops; here the trace is that
    of the root of S1^(1/2) S2 S1^(1/2), which is equal and stays real where covariances are singular.
    """
    shift = first.mean(axis=0) - second.mean(axis=0)
    one, two = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (first, second))
    values, axes = np.linalg.eigh(one)
    root = axes * np.sqrt(np.clip(values, 0, None)) @ axes.T
    common = np.sqrt(np.clip(np.linalg.eigvalsh(root @ two @ root), 0, None)).sum()
    return max(0.0, float(shift @ shift + np.trace(one) + np.trace(two) - 2 * common))
