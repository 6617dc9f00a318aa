"""Which cells of series are given in training."""

from functools import partial

import torch

from tabdiff.batch import MixedBatch
from tabdiff.diffusion.continuing import SeriesLoss, beginnings
from tabdiff.windows import known_guides


class Recorder:
    """An objective that keeps what it is asked."""

    def __call__(self, denoiser, batch, label, generator, known=None, lesson=None):
        self.known = known
        return torch.zeros(len(batch))


def given(n_rows=4000, n_steps=8, later=False, place=True, present=None):
    num = torch.zeros(n_rows, n_steps, 3)
    num[..., 1] = float(later)  # the place of a window
    rows = MixedBatch(num, torch.zeros(n_rows, n_steps, 2, dtype=torch.long), None, present)
    objective = Recorder()
    guides = partial(known_guides, n_num=1, n_cat=1)
    loss = SeriesLoss(objective, guides, 1, 1, 1 if place else None)
    loss(None, rows, None, torch.Generator().manual_seed(0))
    return objective.known


def test_guides_are_always_known():
    known = given()
    assert known.num[..., 1:].all() and known.cat[..., 1:].all()


def shares(known):
    """The share of windows of which nothing is given, a whole beginning, or other cells."""
    cells = torch.cat([known.num[..., :1], known.cat[..., :1]], -1).flatten(1)
    nothing = ~cells.any(1)
    begins = (cells.long().diff(dim=1) <= 0).all(1) & (cells.sum(1) % 2 == 0) & ~nothing
    return nothing.float().mean(), begins.float().mean()


def test_most_windows_are_drawn_whole_and_later_ones_behind_a_beginning():
    whole, begun = shares(given())
    # of a beginning of up to 8 steps an eighth is empty; of random cells some are nothing
    assert abs(whole - (0.6 + 0.2 / 8)) < 0.05
    assert abs(begun - 0.2 * 7 / 8) < 0.04
    whole, begun = shares(given(later=True))
    assert abs(begun - 0.775 * 7 / 8) < 0.04
    assert abs(whole - (0.15 + 0.775 / 8)) < 0.05
    assert abs(shares(given(later=True, place=False))[1] - 0.2 * 7 / 8) < 0.04


def test_beginnings_end_within_the_series():
    present = (torch.arange(8) < 2).expand(4000, -1)
    cells = given(later=True, present=present).num[..., 0]
    begun = cells[:, 0] & ~cells[:, 4:].any(1)
    assert begun.float().mean() > 0.3
    # a beginning of two steps is of one at most
    assert not cells[begun][:, 1].float().mean() > 0.1


def test_beginnings_by_hand():
    rows = MixedBatch(torch.zeros(3, 4, 0), torch.zeros(3, 4, 0, dtype=torch.long))
    assert beginnings(rows, torch.tensor([0, 2, 4])).tolist() == [
        [False] * 4,
        [True, True, False, False],
        [True] * 4,
    ]
