"""The linear guess of smooth series: against the conditional mean and covariance of normal series."""

import numpy as np
import pytest
import torch
from oracles import generator

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion import samplers
from tabdiff.diffusion.masked import MaskedProcess
from tabdiff.diffusion.mixed import LevelLayout
from tabdiff.diffusion.schedules import KarrasSchedule
from tabdiff.diffusion.wiener import (
    MAX_CELLS,
    WINDOWS_PER_CELL,
    Block,
    FilteredProcess,
    Spectrum,
    WienerFilter,
)
from tabdiff.methods import MaskedFewStep

N_STEPS, N_CHANNELS = 5, 3
WALK = torch.minimum(*torch.meshgrid(*[torch.arange(1.0, N_STEPS + 1)] * 2, indexing="ij")).double()
MIXED = torch.tensor([[1.0, 0.6, 0.1], [0.6, 2.0, -0.3], [0.1, -0.3, 0.5]], dtype=torch.float64)
COVARIANCE = torch.kron(WALK, MIXED)  # of cells in the order of steps, then channels
MEAN = torch.arange(15.0, dtype=torch.float64).reshape(N_STEPS, N_CHANNELS) / 10


def at(*values):
    return torch.tensor(values, dtype=torch.float64)


def spectrum(features=(0, 1, 2), flags=(-1, -1, -1)):
    """Of normal series with the mean and covariance above."""
    variance, directions = torch.linalg.eigh(COVARIANCE)
    arrays = (part.float().numpy() for part in (MEAN, directions, variance))
    return Spectrum((Block(features, flags, *arrays),))


def measured_spectrum(cells, there=None, smooth=None, floor=1e-6, n_windows=10**6):
    there = torch.ones_like(cells, dtype=torch.bool) if there is None else there
    smooth = {i: -1 for i in range(cells.shape[-1])} if smooth is None else smooth
    return Spectrum.of(cells, there, torch.arange(len(cells)) % 2 == 0, smooth, floor, n_windows)


def series(n, seed=0):
    draws = torch.randn(n, 15, generator=generator(seed), dtype=torch.float64)
    return MEAN + (draws @ torch.linalg.cholesky(COVARIANCE).T).reshape(n, N_STEPS, N_CHANNELS)


def process(features=(0, 1, 2), flags=(-1, -1, -1), n_num=3, levels=()):
    return FilteredProcess(n_num, LevelLayout(list(levels)), spectrum=spectrum(features, flags))


def numbers(num):
    return MixedBatch(num, torch.zeros(*num.shape[:2], 0, dtype=torch.long))


class Says:
    """A network that always gives the same answer, and keeps what it was shown."""

    def __init__(self, raw, n_logits=0):
        self.raw, self.n_logits = raw, n_logits

    def __call__(self, num, cat, t, label, known=None):
        self.shown = num
        return self.raw, torch.zeros(*num.shape[:2], self.n_logits)


@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_the_guess_is_the_conditional_mean_and_its_error_the_conditional_deviation(sigma):
    ab = 1 / (1 + sigma**2)
    clean = series(4)
    seen = clean + sigma * torch.randn(clean.shape, generator=generator(1), dtype=torch.float64)
    noisy = COVARIANCE + sigma**2 * torch.eye(15, dtype=torch.float64)
    gain = COVARIANCE @ torch.linalg.inv(noisy)
    expected = MEAN + ((seen - MEAN).flatten(1) @ gain.T).reshape(seen.shape)
    left = (COVARIANCE - gain @ COVARIANCE).diag().sqrt().reshape(N_STEPS, N_CHANNELS)
    guess = WienerFilter(spectrum()).guess((seen * ab**0.5).float(), at(ab), None)
    torch.testing.assert_close(guess.x0.double(), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(guess.error[0].double(), left, rtol=1e-3, atol=1e-5)


def test_whitened_cells_have_unit_variance_in_all_directions():
    sigma = 0.3
    seen = series(40_000) + sigma * torch.randn(40_000, 5, 3, generator=generator(2), dtype=torch.float64)
    ab = 1 / (1 + sigma**2)
    whitened = WienerFilter(spectrum()).guess((seen * ab**0.5).float(), at(ab), None).whitened
    torch.testing.assert_close(torch.cov(whitened.flatten(1).T), torch.eye(15), rtol=0, atol=0.03)


def test_a_measured_spectrum_filters_like_the_true_one():
    cells = series(20_000, seed=3).float()
    measured = measured_spectrum(cells)
    noisy = series(50, seed=4).float() * 0.8
    guesses = [WienerFilter(s).guess(noisy, at(0.64), None).x0 for s in (measured, spectrum())]
    torch.testing.assert_close(guesses[0], guesses[1], rtol=0, atol=0.05)


def test_what_is_not_there_is_not_measured():
    cells = series(2000, seed=5).float()
    there = torch.rand(cells.shape, generator=generator(6)) > 0.1
    wild = torch.where(there, cells, 1e9)
    (measured,) = measured_spectrum(wild, there).blocks
    np.testing.assert_allclose(measured.mean, MEAN, atol=0.15)
    assert measured.variance.max() < COVARIANCE.trace()


def test_directions_that_few_windows_cannot_tell_of_are_not_thought_to_be_empty():
    # 8 windows span 4 of 15 directions in each half; the true variances are nowhere below .02
    (few,) = measured_spectrum(series(8, seed=20).float()).blocks
    assert np.sort(few.variance)[3] > 0.02
    np.testing.assert_allclose(few.directions.T @ few.directions, np.eye(15), atol=1e-5)


def test_too_many_cells_are_cut_into_blocks_of_features_that_move_alike():
    # 3 pairs of features, the two of each pair the same but for little; 2 fit into a block
    length = MAX_CELLS // 2
    walks = torch.randn(40, length, 3, generator=generator(21)).cumsum(1)
    cells = torch.cat([walks, walks + 0.1 * torch.randn(walks.shape, generator=generator(22))], -1)
    found = measured_spectrum(cells, smooth={10 + i: -1 for i in range(6)})
    assert sorted(sorted(block.features) for block in found.blocks) == [[10, 13], [11, 14], [12, 15]]
    guess = WienerFilter(found).guess(torch.cat([torch.zeros(40, length, 10), cells], -1), at(0.99), None)
    assert found.features == [f for block in found.blocks for f in block.features]
    torch.testing.assert_close(
        guess.x0, cells[..., [f - 10 for f in found.features]], rtol=0, atol=0.15 * float(cells.std())
    )


def test_a_block_has_no_more_cells_than_the_windows_can_tell_of():
    cells = series(50, seed=23).float()
    assert measured_spectrum(cells, n_windows=5 * WINDOWS_PER_CELL - 1) is None
    sizes = {}
    for n_features in (1, 2, 3):
        found = measured_spectrum(cells, n_windows=5 * n_features * WINDOWS_PER_CELL)
        sizes[n_features] = sorted(len(block.features) for block in found.blocks)
    assert sizes == {1: [1, 1, 1], 2: [1, 2], 3: [3]}


def test_little_variance_is_held_at_the_floor():
    cells = torch.ones(10, 4, 2)
    flat = measured_spectrum(cells, floor=0.01)
    np.testing.assert_allclose(flat.blocks[0].variance, 0.01)
    guess = WienerFilter(flat).guess(torch.ones(1, 4, 2), at(0.5), None)
    assert guess.error.isfinite().all() and guess.x0.isfinite().all()


def test_steps_behind_the_end_count_as_the_mean():
    noisy = series(3, seed=7).float()
    short = WienerFilter(spectrum()).guess(noisy[:, :3], at(0.9), None)
    there = (torch.arange(N_STEPS) < 3)[None, :, None].expand(3, -1, -1)
    padded = WienerFilter(spectrum()).guess(torch.where(there, noisy, 1e6), at(0.9), there)
    torch.testing.assert_close(short.x0, padded.x0[:, :3])
    torch.testing.assert_close(short.whitened, padded.whitened[:, :3])


def test_the_target_is_what_leads_back_to_the_clean_cells():
    # features 0, 1 and 3 are smooth, 2 is not; time differs from window to window
    made = process(features=(0, 1, 3), n_num=4)
    clean = torch.cat([series(6, seed=8).float(), torch.randn(6, 5, 1, generator=generator(9))], -1)
    t = torch.linspace(0.1, 0.9, 6, dtype=torch.float64)
    x_t, target = made.corrupt(numbers(clean), t, generator(10))
    network = Says(target)
    prediction = made.predict(network, x_t, t, None)
    torch.testing.assert_close(prediction.x0, clean, rtol=1e-4, atol=1e-4)
    assert network.shown.shape[-1] == 7 and made.whitened == [0, 1, 3]
    guess = WienerFilter(spectrum((0, 1, 3))).guess(x_t.num, made.num_schedule.alpha_bar(t), None)
    torch.testing.assert_close(network.shown, torch.cat([x_t.num, guess.whitened], -1))
    plain = MaskedProcess(4, LevelLayout([])).corrupt(numbers(clean), t, generator(10))
    torch.testing.assert_close(x_t.num, plain[0].num)
    torch.testing.assert_close(target[..., 2], plain[1][..., 2])


def test_targets_have_unit_variance_at_all_times():
    made = process()
    for time in (0.05, 0.3, 0.6, 0.95):
        t = torch.full((4000,), time, dtype=torch.float64)
        _, target = made.corrupt(numbers(series(4000, seed=11).float()), t, generator(12))
        torch.testing.assert_close(target.std(0), torch.ones(5, 3), rtol=0, atol=0.06)


def test_cells_without_a_number_are_no_part_of_the_guess():
    # the level of feature 1 is 0 for numbers, 1 for none, 2 for masked
    made = process(flags=(-1, 0, -1), levels=[2])
    num = series(2, seed=13).float()
    levels = torch.zeros(2, 5, 1, dtype=torch.long)
    observed = torch.ones(2, 5, 3, dtype=torch.bool)
    levels[0, 2], observed[0, 2, 1] = 1, False
    t = at(0.2, 0.2)
    x_t, target = made.corrupt(MixedBatch(num, levels, observed), t, generator(14))
    assert target[0, 2, 1] == 0
    seen = MixedBatch(x_t.num.clone(), levels)
    seen.num[0, 2, 1] = 1e6
    raw = torch.zeros(2, 5, 3)
    x0 = made.predict(Says(raw, 2), seen, t, None).x0
    there = torch.where(observed, True, False)
    expected = WienerFilter(spectrum()).guess(seen.num, made.num_schedule.alpha_bar(t), there).x0
    torch.testing.assert_close(x0, expected)
    seen.num[0, 2, 1] = 0.5
    masked = MixedBatch(seen.num, torch.full_like(levels, 2))
    all_seen = WienerFilter(spectrum()).guess(seen.num, made.num_schedule.alpha_bar(t), None).x0
    torch.testing.assert_close(made.predict(Says(raw, 2), masked, t, None).x0, all_seen)


def test_known_numbers_are_predicted_as_they_are():
    made = process()
    rows = numbers(series(2, seed=15).float())
    known = Known(rows, torch.zeros(2, 5, 3, dtype=torch.bool), torch.zeros(2, 5, 0, dtype=torch.bool))
    known.num[0, :2] = True
    noise = made.prior((2, 5), generator(16))
    network = Says(torch.ones(2, 5, 3))
    x0 = made.predict(network, noise, at(0.5), None, known).x0
    assert torch.equal(x0[0, :2], rows.num[0, :2]) and not torch.isclose(x0, rows.num)[1].any()
    assert torch.equal(network.shown[0, :2, :3], rows.num[0, :2])


def test_without_a_word_from_the_network_normal_series_are_drawn():
    method = MaskedFewStep(spectrum=spectrum()).covering(float(torch.linalg.eigvalsh(COVARIANCE)[-1]) ** 0.5)
    made = method.process(3, LevelLayout([]))
    assert isinstance(made, FilteredProcess) and isinstance(made.num_schedule, KarrasSchedule)
    n = 20_000
    predict = samplers.conditional(made, Says(torch.zeros(n, 5, 3)), None)
    noise = samplers.around_mean(made, predict, made.prior((n, 5), generator(17)))
    drawn = samplers.few_step(made, predict, noise, 50, generator(18)).num
    torch.testing.assert_close(drawn.mean(0).double(), MEAN, rtol=0, atol=0.06)
    torch.testing.assert_close(torch.cov(drawn.flatten(1).T).double(), COVARIANCE, rtol=0.05, atol=0.06)


def test_features_may_get_other_numbers():
    moved = spectrum((0, 1, 2), (-1, 3, -1)).renumbered({0: 4, 1: 0, 2: 7}, {4: -1, 0: 2, 7: 5})
    assert moved.features == [4, 0, 7] and moved.flags == [-1, 2, 5]
    num = torch.zeros(2, 5, 8)
    num[..., [4, 0, 7]] = series(2, seed=24).float()
    here = WienerFilter(moved).guess(num, at(0.7), None)
    there = WienerFilter(spectrum()).guess(num[..., [4, 0, 7]], at(0.7), None)
    torch.testing.assert_close(here.x0, there.x0)
