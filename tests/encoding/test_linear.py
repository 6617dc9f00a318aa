"""Linear scores, and which columns of series get them."""

import numpy as np
import pytest

from tabdiff.encoding.columns import NormalScores, NumericCodec
from tabdiff.encoding.linear import LinearScores, is_smooth, passed_values
from tabdiff.schema import Column, Storage


def rng(seed=0):
    return np.random.default_rng(seed)


def linear(values):
    scores = LinearScores.of(NormalScores.fit(np.asarray(values)))
    assert scores is not None
    return scores


def column(values, missing=None):
    values = np.asarray(values, dtype=float)
    missing = np.zeros(len(values), dtype=bool) if missing is None else np.asarray(missing)
    return Column("x", Storage.FLOAT, values, missing)


def test_scores_are_standardised_values():
    # mean 3, variance (9 + 1 + 1 + 9) / 4 = 5
    scores = linear([0, 2, 4, 6])
    np.testing.assert_allclose(scores.scores(np.array([0, 3, 6]), rng()), [-3 / 5**0.5, 0, 3 / 5**0.5])


def test_frequent_values_count_as_often_as_they_occur():
    cells = np.array([1.0, 1.0, 1.0, 5.0, 7.5])
    scores = linear(cells)
    assert (scores.mean, scores.sd) == pytest.approx((cells.mean(), cells.std()))


@pytest.mark.parametrize(
    "cells", [rng(1).normal(3, 2, 500), rng(2).integers(-9, 40, 500), [10**12, 10**12 + 7]]
)
def test_values_come_back_through_float32(cells):
    cells = np.asarray(cells)
    scores = linear(cells)
    again = scores.values_of(scores.scores(cells, rng()).astype(np.float32).astype(float))
    assert again.dtype == cells.dtype
    np.testing.assert_allclose(
        again, cells, rtol=0, atol=0 if cells.dtype.kind == "i" else 1e-6 * cells.std()
    )


def test_scores_between_values_fall_on_the_grid_and_stay_inside_the_ends():
    scores = linear([10.5, 11.0, 13.5])
    got = scores.values_of((np.array([-100.0, 10.7, 10.8, 12.3, 99.0]) - scores.mean) / scores.sd)
    assert got.tolist() == [10.5, 10.5, 11.0, 12.5, 13.5]


def test_equal_steps_of_the_values_are_equal_steps_of_the_scores():
    values = np.concatenate([rng(0).normal(0, 0.1, 900), np.linspace(-5, 5, 11)])
    steps = np.diff(linear(values).scores(np.linspace(-5, 5, 11), rng()))
    np.testing.assert_allclose(steps, steps[0])
    by_rank = np.diff(NormalScores.fit(values).scores(np.linspace(-5, 5, 11), rng()))
    assert by_rank.max() > 5 * by_rank.min()


@pytest.mark.parametrize("cells", [[3.0, 3.0], [-1.7e308, 1.7e308]])
def test_without_a_finite_spread_there_are_none(cells):
    assert LinearScores.of(NormalScores.fit(np.array(cells))) is None


def test_ranges_and_draws_are_those_of_the_law():
    cells = rng(3).exponential(size=2000)
    scores = linear(cells)
    first, last = scores.range_of(np.array([0.5]), np.array([1.0]))
    drawn = scores.draw_between(first[0], last[0], 20_000, rng())
    inside = cells[(cells >= 0.5) & (cells <= 1)]
    assert drawn.min() >= 0.5 and drawn.max() <= 1
    assert drawn.mean() == pytest.approx(inside.mean(), abs=0.01)


def test_released_ends_are_means_of_several_cells_and_scores_keep_their_meaning():
    cells = np.arange(100.0) ** 1.5
    scores = linear(cells).released(5)
    assert scores.ends.tolist() == pytest.approx([cells[:5].mean(), cells[-5:].mean()])
    assert (scores.mean, scores.sd) == pytest.approx((cells.mean(), cells.std()))
    assert scores.values_of(np.array([0.0])) == pytest.approx(cells.mean())


def test_extended_widens_the_ends_and_moves_no_score():
    before = linear([0.0, 1.0, 2.0, 3.0])
    after = before.extended(np.array([9.0]))
    assert after.ends.tolist() == [0, 9] and after.n == 5
    np.testing.assert_array_equal(
        after.scores(np.array([1.0, 2.0]), rng()), before.scores(np.array([1.0, 2.0]), rng())
    )


def test_a_codec_keeps_its_atoms_and_missing_cells():
    values = np.concatenate([np.zeros(30), np.linspace(1, 8, 70)])
    missing = np.arange(100) % 10 == 9
    cells = column(values, missing)
    codec = NumericCodec.fit(cells).linear()
    assert isinstance(codec.scores, LinearScores) and codec.linear() is codec
    features = codec.encode(cells, rng())
    got, got_missing = codec.decode(features, rng())
    np.testing.assert_array_equal(got_missing, missing)
    np.testing.assert_allclose(got[~missing], values[~missing])


def test_smooth_is_what_hangs_together_from_step_to_step():
    n = 2000
    follows = np.arange(n) % 50 > 0
    noise = rng(5).normal(size=n)
    walk = np.concatenate([part.cumsum() for part in noise.reshape(-1, 50)])
    assert is_smooth(column(np.arange(n)), follows) and is_smooth(column(walk), follows)
    assert not is_smooth(column(noise), follows)
    assert not is_smooth(column(np.tile([0.0, 1.0], n // 2)), follows)


@pytest.mark.parametrize(("correlation", "smooth"), [(0.4, False), (0.6, True)])
def test_the_border_is_a_correlation_of_one_half(correlation, smooth):
    noise = rng(6).normal(size=20_000)
    values = np.zeros(20_000)
    for i in range(1, 20_000):
        values[i] = correlation * values[i - 1] + noise[i]
    assert is_smooth(column(values), np.ones(20_000, dtype=bool)) is smooth


def test_borders_between_series_do_not_count():
    # within the series of two steps nothing hangs together, from one to the next everything does
    pairs = np.array([0.0, 1, 1, 0, 0, 1, 1, 0] * 10)
    within = np.arange(80) % 2 == 1
    assert not is_smooth(column(pairs), within)
    assert not is_smooth(column(pairs), np.zeros(80, dtype=bool)) and not is_smooth(
        column(np.ones(80)), within
    )


def test_neighbours_are_compared_where_both_hold_a_number():
    # rising, but for missing cells that hide wild values
    values, missing = np.arange(60.0), np.arange(60) % 3 == 1
    values[missing] = 1e6 * rng(7).normal(size=20)
    assert is_smooth(column(values, missing), np.ones(60, dtype=bool))
    assert not is_smooth(column(values, np.arange(60) % 2 == 1), np.ones(60, dtype=bool))


def test_values_that_are_left_at_once_are_passed_and_those_that_stay_are_not():
    # 0 is held for three steps on end, 2 is crossed on the way up and down, 5 is left in one case of two
    values = np.array([0.0, 0, 0, 1, 2, 3, 2, 1, 0, 0, 0, 5, 5, 4, 2, 2])
    follows = np.arange(16) > 0
    assert passed_values(column(values), follows).tolist() == [1, 2, 3, 4]
    codec = NumericCodec.fit(column(values), no_atoms=np.array([1.0, 2, 3, 4]))
    assert codec.atoms.tolist() == [0, 5]
    assert NumericCodec.fit(column(values)).atoms.tolist() == [0, 1, 2, 5]


def test_the_next_step_of_another_series_or_a_missing_one_does_not_count():
    values, missing = np.array([7.0, 7, 7, 8, 7, 1]), np.zeros(6, dtype=bool)
    follows = np.array([False, True, False, True, False, True])
    assert passed_values(column(values), follows).tolist() == [7]  # 7 -> 7, 7 -> 8, 7 -> 1
    missing[3] = True
    assert passed_values(column(values, missing), follows).tolist() == []
