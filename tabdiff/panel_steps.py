"""The steps of series, drawn window after window, and what is told of each beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from tabdiff.batch import Known, MixedBatch
from tabdiff.encoding.table import TableEncoder
from tabdiff.schema import Column
from tabdiff.sequences import FittedSequences
from tabdiff.windows import Windows, known_guides

__all__ = ["drawn_in_turns", "told"]


def told(
    encoder: TableEncoder, columns: Sequence[Column], n_rows: int, rng: np.random.Generator
) -> MixedBatch:
    """Cells as guides: level 0 stands for those that the encoder cannot tell, the others count from 1."""
    if not columns:
        return MixedBatch(torch.zeros(n_rows, 0), torch.zeros(n_rows, 0, dtype=torch.long))
    known = encoder.encode_known(columns, np.ones((n_rows, len(columns)), dtype=bool), rng)
    num = torch.where(known.num, known.rows.num, 0.0)
    return MixedBatch(num, torch.where(known.cat, known.rows.cat + 1, 0))


def drawn_in_turns(
    sequences: FittedSequences,
    encoder: TableEncoder,
    windows: Windows,
    known: Known | None,
    turn: torch.Tensor,
    seed: np.random.SeedSequence,
    sampling_steps: int | None = None,
    on_rows: Callable[[int], None] | None = None,
    forbidden: Sequence[tuple[int, int]] = (),
) -> MixedBatch:
    """Draw the features of all steps, (n_steps, ...); those that are drawn are given to the turns behind.

    windows: of blank steps, which cover them all. known: cells of the steps that come back as they are.
    turn: (n_windows,) when each window is drawn, counted from 0; encoder: of the steps, which says whether a
    drawn cell holds a number. forbidden: as in `FittedSequences.sample`.
    """
    num, cat = windows.steps.num, windows.steps.cat
    n_num, n_cat = num.shape[-1], cat.shape[-1]
    told_num, told_cat = torch.zeros_like(num, dtype=torch.bool), torch.zeros_like(cat, dtype=torch.bool)
    if known is not None:
        num[known.num], cat[known.cat] = known.rows.num[known.num], known.rows.cat[known.cat]
        told_num, told_cat = known.num.clone(), known.cat.clone()
    for number, turn_seed in enumerate(seed.spawn(int(turn.max()) + 1)):
        part = windows.taken(turn == number)
        part = part.taken(_unfinished(part, told_num.all(1) & told_cat.all(1)))
        if not len(part):
            continue
        cells = known_guides(part[:], n_num, n_cat)
        at, inside = part.steps_of(slice(None))
        cells.num[..., :n_num], cells.cat[..., :n_cat] = told_num[at], told_cat[at]
        drawn = sequences.sample(cells, turn_seed, sampling_steps, on_rows, forbidden)
        flat = at[inside]
        num[flat], cat[flat] = drawn.num[inside], drawn.cat[inside]
        told_cat[flat] = True
        told_num[flat] = _observed(encoder, cat[flat])
    return MixedBatch(num, cat)


def _unfinished(windows: Windows, finished: torch.Tensor) -> torch.Tensor:
    """Numbers of the windows that have a step which is not finished; finished: (n_steps,) bool."""
    n_done = torch.cat([torch.zeros(1, dtype=torch.long), finished.long().cumsum(0)])
    done = n_done[windows.first + windows.length] - n_done[windows.first]
    return (done < windows.length).nonzero()[:, 0]


def _observed(encoder: TableEncoder, cat: torch.Tensor) -> torch.Tensor:
    """Which numeric features of drawn rows hold a number, as the levels beside them say: (n, F) bool."""
    parts, feature = [torch.zeros(len(cat), 0, dtype=torch.bool)], 0
    for codec in encoder.codecs:
        held = torch.ones(len(cat), codec.n_num, dtype=torch.bool)
        if codec.n_num and codec.missing_level >= 0:
            held &= (cat[:, feature] != codec.missing_level)[:, None]
        parts.append(held)
        feature += len(codec.n_levels)
    return torch.cat(parts, -1)
