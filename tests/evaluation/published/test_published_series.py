"""Published scores of series: hand-computed, brute force, closed forms, and floors whose score is known."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tabdiff.errors import InputError
from tabdiff.evaluation.published.series import (
    context_fid,
    correlational_score,
    discriminative_score,
    nearest_window_distance,
    nearest_window_ratio,
    over_seeds,
    predictive_score,
)
from tabdiff.evaluation.published.series.fid import frechet_distance
from tabdiff.evaluation.published.series.recurrent import _Recurrent
from tabdiff.evaluation.published.series.ts2vec import (
    Encoder,
    _convolve,
    _two_views,
    contrastive_loss,
    encode,
    learn_encoder,
)

TRAINED = [discriminative_score, predictive_score, context_fid]
SCORES = [*TRAINED, correlational_score]


def draw(score, real, fake, seed=0):
    """The score after few iterations, if it trains at all."""
    return score(real, fake, seed, n_iterations=5) if score in TRAINED else score(real, fake, seed)


def noise(n=60, n_steps=6, n_channels=3, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, n_steps, n_channels))


def waves(n, seed=0, n_steps=8, n_channels=4):
    """Sines of random phase."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, (n, 1, n_channels))
    return 0.5 + 0.5 * np.sin(np.arange(n_steps)[None, :, None] + phase)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# --- all of them ---


@pytest.mark.parametrize("score", SCORES)
def test_the_seed_decides(score):
    real, fake = noise(), np.full_like(noise(), 0.5)  # what even an untrained discriminator tells by chance
    found = [draw(score, real, fake, seed) for seed in range(10 if score is discriminative_score else 2)]
    assert draw(score, real, fake, seed=0) == found[0]
    assert len(set(found)) > 1


def test_no_global_state_is_read_or_moved():
    real, fake = noise(), noise(seed=1) ** 2
    found = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            before = torch.get_rng_state()
            with torch.no_grad():
                found.append([draw(score, real, fake) for score in SCORES])
            assert torch.equal(before, torch.get_rng_state())
    assert found[0] == found[1]


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("low_high", [(-1, 1), (0, 100)])
@pytest.mark.parametrize("which", [0, 1])
def test_windows_that_are_not_scaled_are_refused(score, low_high, which):
    parts = [noise(), noise()]
    low, high = low_high
    parts[which] = low + (high - low) * parts[which]
    with pytest.raises(InputError, match=f"`{('real', 'fake')[which]}` is not scaled.*Scale each channel"):
        draw(score, *parts)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (noise()[:, :, 0], r"shape \(60, 6\)"),
        (noise(n=4), r"shape \(4, 6, 3\)"),
        (noise(n_steps=1), r"shape \(60, 1, 3\)"),
        (noise(n_channels=2), r"`real` has \(L, D\) = \(6, 3\), `fake` has \(L, D\) = \(6, 2\)"),
        (np.where(noise() < 0.1, np.nan, noise()), "missing or infinite"),
        ([[["a"]]], "no array of numbers"),
    ],
)
def test_other_arrays_are_refused(bad, message):
    with pytest.raises(InputError, match=message):
        correlational_score(noise(), bad, 0)


def test_rounding_is_no_lack_of_scale():
    windows = noise().astype(np.float32)
    windows[0, 0, 0] = np.float32(1 + 1e-7)
    assert correlational_score(windows, windows, 0) >= 0


# --- discriminative and predictive score ---


def test_a_copy_cannot_be_told_apart():
    real = waves(400)
    assert discriminative_score(real, real[::-1], 0, n_iterations=150) < 0.08


def test_constant_windows_are_told_from_noise():
    real = noise(300, 6, 12)
    assert discriminative_score(real, np.full_like(real, 0.95), 0, n_iterations=200) > 0.47


def test_an_untrained_discriminator_is_a_coin_for_equal_windows():
    """All real and fake windows get the same output, so that one of the two kinds is always wrong."""
    same = np.full((50, 4, 2), 0.3)
    assert discriminative_score(same, same, 0, n_iterations=0) == 0


def test_a_linear_series_is_predicted_and_a_shuffled_one_is_not():
    start = np.random.default_rng(0).uniform(0, 0.5, (500, 1, 1))
    ramp = start + np.arange(6).reshape(1, -1, 1) * np.linspace(0.06, 0.1, 12)
    told = predictive_score(ramp, ramp, 0, n_iterations=700)
    last = ramp[np.random.default_rng(1).permutation(500)][:, :, -1:]
    shuffled = np.concatenate([ramp[:, :, :-1], last], axis=2)
    assert told < 0.05
    assert predictive_score(ramp, shuffled, 0, n_iterations=700) > 2 * told


def test_a_constant_last_channel_is_predicted_by_the_sigmoid():
    """The error of a constant prediction p is |c - p|, and the best of them 0."""
    real = noise(100, 5, 4)
    real[:, :, -1] = 0.5
    assert predictive_score(real, real, 0, n_iterations=300) < 0.02
    moved = real.copy()
    moved[:, :, -1] = 0.8
    assert predictive_score(moved, real, 0, n_iterations=300) == pytest.approx(0.3, abs=0.02)


def test_the_last_channel_is_predicted_from_the_step_before():
    """The best constant is off by a half; only what another channel tells one step before can be learned."""
    before = noise(300, 6, 12)
    before[:, 1:, -1] = (before[:, :-1, 0] > 0.5) * 1.0
    within = before.copy()
    within[:, :, -1] = (within[:, :, 0] > 0.5) * 1.0
    found = [predictive_score(real, real, 0, n_iterations=800) for real in (before, within)]
    assert found[0] < 0.35 < 0.45 < found[1]


def test_one_channel_has_nothing_to_predict_from():
    with pytest.raises(InputError, match="at least 2"):
        predictive_score(noise(n_channels=1), noise(n_channels=1), 0)
    assert 0 <= discriminative_score(noise(n_channels=1), noise(n_channels=1), 0, n_iterations=2) <= 0.5


def test_the_recurrent_network_is_the_one_of_tensorflow():
    """GRUCell as TensorFlow 1 documents it, window by window and step by step; weights start as there."""
    network, windows = _Recurrent(5, 6, generator()), np.random.default_rng(0).uniform(size=(4, 7, 5))
    gates, candidate, head = (
        part.detach().double().numpy() for part in (network.gates, network.candidate, network.head)
    )
    assert (gates.shape, candidate.shape, head.shape) == ((8, 6), (8, 3), (3, 1))
    for weights in (gates, candidate, head):
        bound = (6 / sum(weights.shape)) ** 0.5
        assert 0.5 * bound < np.abs(weights).max() <= bound
    expected = np.empty((4, 7, 1))
    for i, window in enumerate(windows):
        state = np.zeros(3)
        for step, cells in enumerate(window):
            opened = 1 / (1 + np.exp(-(np.concatenate([cells, state]) @ gates + 1)))
            reset, update = opened[:3], opened[3:]
            new = np.tanh(np.concatenate([cells, reset * state]) @ candidate)
            state = update * state + (1 - update) * new
            expected[i, step] = state @ head
    found = network(torch.tensor(windows, dtype=torch.float32)).detach().numpy()
    assert found == pytest.approx(expected, abs=1e-5)


# --- Context-FID ---


def test_a_permuted_copy_has_no_context_distance():
    real = waves(40)
    assert context_fid(real, real[::-1], 0, n_iterations=5) == pytest.approx(0, abs=1e-6)


def test_context_distance_grows_with_the_noise():
    real = waves(60)
    near, far = (np.clip(real + np.random.default_rng(1).normal(0, s, real.shape), 0, 1) for s in (0.05, 0.5))
    assert 0 < 5 * context_fid(real, near, 0, n_iterations=10) < context_fid(real, far, 0, n_iterations=10)


def test_too_few_fake_windows_are_refused():
    with pytest.raises(InputError, match="39 windows and `real` 40"):
        context_fid(waves(40), waves(39), 0)


def test_frechet_distance_of_independent_columns_is_known():
    """Means 0 and 3, deviations 1 and 2: 9 + (1 - 2)^2 for each column, on rows of exactly these moments."""
    rows = np.random.default_rng(0).normal(size=(200, 3))
    rows = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[0] * np.sqrt(199)
    assert frechet_distance(rows, 3 + 2 * rows) == pytest.approx(3 * (9 + 1))
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    assert frechet_distance(rows @ turn, (3 + 2 * rows) @ turn) == pytest.approx(30)


def test_frechet_distance_agrees_with_a_general_root():
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(2)
    first, second = (rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)) for _ in range(2))
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    shift = first.mean(axis=0) - second.mean(axis=0)
    expected = shift @ shift + np.trace(one + two - 2 * np.real(sqrtm(one @ two)))
    assert frechet_distance(first, second) == pytest.approx(expected)


# --- the encoder ---


def brute_contrast(first, second):
    """-log of the share that a view's partner has of all exp(similarity) but its own, one by one."""
    n_groups, n_partners, _ = first.shape
    if n_partners == 1:
        return 0.0
    losses = []
    for g in range(n_groups):
        views = [*first[g], *second[g]]
        for i, view in enumerate(views):
            partner = (i + n_partners) % (2 * n_partners)
            others = [np.exp(view @ other) for j, other in enumerate(views) if j != i]
            losses.append(np.log(sum(others)) - view @ views[partner])
    return float(np.mean(losses))


@pytest.mark.parametrize(("n", "n_steps"), [(3, 5), (1, 4), (4, 1), (2, 8)])
def test_contrastive_loss_by_brute_force(n, n_steps):
    first, second = np.random.default_rng(n).normal(size=(2, n, n_steps, 3))
    expected, scales = 0.0, 0
    one, two = first, second
    while True:
        expected += brute_contrast(one.swapaxes(0, 1), two.swapaxes(0, 1)) / 2 + brute_contrast(one, two) / 2
        scales += 1
        if one.shape[1] == 1:
            break
        n_pairs = one.shape[1] // 2
        one, two = (z[:, : 2 * n_pairs].reshape(n, n_pairs, 2, 3).max(axis=2) for z in (one, two))
    found = contrastive_loss(torch.tensor(first), torch.tensor(second))
    assert float(found) == pytest.approx(expected / scales)


def test_wide_dilations_are_computed_by_their_centre():
    network = Encoder(2, generator())
    hidden = torch.randn(3, 64, 5, generator=generator(1))
    for block in network.blocks[:-1]:
        convolution = block.first
        expected = functional.conv1d(
            hidden,
            convolution.weight,
            convolution.bias,
            padding=convolution.dilation[0],
            dilation=convolution.dilation[0],
        )
        assert torch.allclose(_convolve(convolution, hidden), expected, atol=1e-5)


def test_the_encoder_has_the_published_size():
    """Input, ten blocks of 64 and one to 320 with a projection; widths 3, all with biases."""
    network = Encoder(6, generator())
    blocks = 10 * 2 * (64 * 64 * 3 + 64)
    last = (64 * 320 * 3 + 320) + (320 * 320 * 3 + 320) + (64 * 320 + 320)
    assert sum(part.numel() for part in network.parameters()) == 6 * 64 + 64 + blocks + last
    assert encode(network, torch.rand(5, 7, 6, generator=generator())).shape == (5, 320)


def test_two_views_are_crops_of_equal_length_within_the_window():
    class Identity(torch.nn.Module):
        def forward(self, windows, noise):
            return windows

    steps = torch.arange(9.0).reshape(1, 9, 1).repeat(4, 1, 1)
    lengths = set()
    for seed in range(60):
        first, second = _two_views(Identity(), steps, generator(seed))
        assert torch.equal(first, second)  # of windows that count their steps: the same steps
        assert torch.equal(first.diff(dim=1), torch.ones_like(first[:, 1:]))
        lengths.add(first.shape[1])
    assert lengths == set(range(2, 10))


def test_learning_lowers_the_contrast():
    windows = torch.tensor(waves(64), dtype=torch.float32)

    def contrast(n_iterations):
        network = learn_encoder(windows, n_iterations, generator())
        views = [_two_views(network, windows[:16], generator(seed)) for seed in range(4)]
        return float(np.mean([contrastive_loss(*pair).item() for pair in views]))

    assert contrast(30) < contrast(0) - 0.1


# --- correlations, distances, seeds ---


def test_correlational_score_by_brute_force():
    real, fake = noise(55, 4, 3), noise(40, 4, 3, seed=1)
    fake[:, :, 2] = fake[:, :, 0]
    rng = np.random.default_rng(7)
    parts = [part[rng.integers(len(part), size=11)] for part in (real, fake)]
    correlations = [np.corrcoef(part.reshape(44, 3), rowvar=False) for part in parts]
    expected = sum(
        abs(correlations[1][i, j] - correlations[0][i, j]) for i, j in [(1, 0), (2, 0), (2, 1)]
    ) * (43 / 44)
    assert correlational_score(real, fake, 7) == pytest.approx(expected / 10)


def test_a_constant_channel_is_uncorrelated():
    real = noise()
    real[:, :, 0] = 0.25
    assert np.isfinite(correlational_score(real, noise(), 0))


def test_nearest_windows_by_brute_force():
    train, fake, holdout = noise(30), noise(20, seed=1), noise(25, seed=2)
    near = [
        np.median([min(np.sqrt(((w - t) ** 2).sum()) for t in train) for w in part])
        for part in (fake, holdout)
    ]
    assert nearest_window_distance(train, fake, 0) == pytest.approx(near[0])
    assert nearest_window_ratio(train, fake, holdout, 0) == pytest.approx(near[0] / near[1])


def test_copies_are_at_distance_0_and_fresh_draws_at_1():
    train, holdout = waves(1500), waves(1500, seed=1)
    assert nearest_window_ratio(train, train[::-1], holdout, 0) == 0
    assert nearest_window_ratio(train, waves(1500, seed=2), holdout, 0) == pytest.approx(1, abs=0.1)


def test_a_holdout_that_was_trained_on_is_no_yardstick():
    with pytest.raises(InputError, match="no yardstick"):
        nearest_window_ratio(noise(), noise(seed=1), noise(), 0)


def test_interval_over_seeds_by_hand():
    """Values 0, 2, 4: mean 2, standard error 2 / sqrt(3), t of two degrees of freedom 4.3027."""
    found = over_seeds(lambda seed: 2.0 * seed, 3)
    assert found.values == (0.0, 2.0, 4.0)
    assert found.mean == 2
    assert found.half_width == pytest.approx(4.30265 * 2 / np.sqrt(3), rel=1e-5)
    with pytest.raises(InputError, match="n is 1"):
        over_seeds(lambda seed: 0.0, 1)
