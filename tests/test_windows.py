"""Windows of series: which steps they hold, and what each step is given."""

import numpy as np
import pytest
import torch

from tabdiff.batch import MixedBatch
from tabdiff.windows import Guides, Windows, cut, known_guides, places


def nothing(n):
    return MixedBatch(torch.zeros(n, 0), torch.zeros(n, 0, dtype=torch.long))


def windows_of(lengths, window, stride=None):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    n_steps = int(offsets[-1])
    steps = MixedBatch(
        torch.arange(n_steps, dtype=torch.float32)[:, None], 100 + torch.arange(n_steps)[:, None]
    )
    series = torch.arange(len(lengths))
    context = MixedBatch(10.0 * series[:, None].float(), series[:, None])
    beforehand = MixedBatch(torch.zeros(n_steps, 0), 1000 + torch.arange(n_steps)[:, None])
    guides = Guides(context, beforehand, max(lengths))
    return Windows(steps, guides, **cut(offsets, window, stride))


def test_short_series_are_one_window_and_long_ones_overlap_by_half():
    found = cut(np.array([0, 3, 13]), 4)
    assert found["series"].tolist() == [0, 1, 1, 1, 1]
    assert found["first"].tolist() == [0, 3, 5, 7, 9]
    assert found["length"].tolist() == [3, 4, 4, 4, 4]
    assert found["before"].tolist() == [0, 0, 2, 4, 6]
    assert found["behind"].tolist() == [0, 6, 4, 2, 0]


def test_the_last_window_ends_with_its_series():
    found = cut(np.array([0, 11]), 4)
    assert found["before"].tolist() == [0, 2, 4, 6, 7]
    assert cut(np.array([0, 11]), 4, 3)["before"].tolist() == [0, 3, 6, 7]
    assert cut(np.array([0, 3]), 1)["before"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("window", [1, 2, 3, 5, 8, 40])
def test_every_step_is_in_a_window_of_its_own_series(window):
    lengths = np.random.default_rng(window).integers(1, 30, 50)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    found = {name: values.numpy() for name, values in cut(offsets, window).items()}
    covered = np.zeros(offsets[-1], dtype=int)
    for first, length, series, before, behind in zip(*found.values(), strict=True):
        assert first == offsets[series] + before
        assert before + length + behind == lengths[series]
        assert length == min(window, lengths[series])
        covered[first : first + length] += 1
    assert covered.min() >= 1


def test_gathered_windows_hold_steps_context_and_place():
    found = windows_of([3, 5], 5)[:]
    assert found.num[1, :, 0].tolist() == [3, 4, 5, 6, 7]
    assert found.num[1, :, 1].tolist() == [10] * 5
    assert found.cat[0, :3].tolist() == [[100, 0, 1000], [101, 0, 1001], [102, 0, 1002]]
    assert found.present.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    unit = 2 / np.log(6)
    np.testing.assert_allclose(found.num[0, :3, 2], unit * np.log([1, 2, 3]), rtol=1e-6)
    np.testing.assert_allclose(found.num[0, :3, 3], unit * np.log([3, 2, 1]), rtol=1e-6)


def test_windows_of_one_length_are_all_present_and_a_slice_is_as_good_as_numbers():
    found = windows_of([4, 4, 4], 4)
    assert found[:].present is None
    assert torch.equal(found[1:].num, found[torch.tensor([1, 2])].num)
    assert found.taken(torch.tensor([True, False, True])).series.tolist() == [0, 2]


def test_observed_cells_stay_so_and_guides_are():
    found = windows_of([2, 2], 2)
    steps = MixedBatch(found.steps.num, found.steps.cat, torch.tensor([[True], [False], [True], [True]]))
    found = Windows(steps, found.guides, **cut(np.array([0, 2, 4]), 2))
    assert found[:].observed[0].tolist() == [[True, True, True, True], [False, True, True, True]]


def test_places_end_at_the_longest():
    far = places(torch.tensor([100]), torch.tensor([0]), torch.tensor([2]), 2, 9)
    np.testing.assert_allclose(far[0, :, 0], [2, 2])
    np.testing.assert_allclose(far[0, :, 1], [2 * np.log(2) / np.log(10), 0], rtol=1e-6)


def test_guides_are_known_and_nothing_else():
    known = known_guides(windows_of([2, 2], 2)[:], 1, 1)
    assert known.num[..., 1:].all() and known.cat[..., 1:].all()
    assert not known.num[..., 0].any() and not known.cat[..., 0].any()
