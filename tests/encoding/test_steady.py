"""Scores that new rows do not move: the same of old values, wider at the ends, given up where they fail."""

import numpy as np
import pytest
from columns_of import column, columns, even_scores, rng
from hypothesis import given, settings
from scipy.special import ndtri

from tabdiff.encoding.numbers import NumericCodec
from tabdiff.encoding.steady import _densities, moved, steady
from tabdiff.encoding.table import TableEncoder
from tabdiff.schema import infer_schema


def encoders(old, new, released=False):
    """The encoder of a numeric column, the one extended by more cells, and the steady one."""
    before = TableEncoder.fit([old], infer_schema([old]))
    before = before.released() if released else before
    after = before.extended([new])
    return before, after, steady(before, after, [new])


def scores_of(encoder):
    codec = encoder.codecs[0]
    assert isinstance(codec, NumericCodec)
    return codec.scores


@pytest.mark.parametrize("released", [False, True])
def test_scores_of_old_values_stay_where_they_serve_the_new_ones(released):
    old, new = column(even_scores(1000)), column(0.3 + 0.8 * even_scores(400))
    before, after, kept = encoders(old, new, released)
    values = scores_of(before).grid.to_values(scores_of(before).ticks)
    assert np.array_equal(scores_of(kept).scores(values, None), scores_of(before).scores(values, None))
    assert moved(before, kept) == 0 < moved(before, after)
    assert scores_of(kept).n == scores_of(after).n == 1400
    batch = kept.encode([new], rng())
    decoded = kept.decode(batch, rng())[0].values
    assert decoded == pytest.approx(new.values, abs=1e-3)


@pytest.mark.parametrize("sign", [1, -1])
def test_scores_go_on_beyond_the_end_and_are_released_as_they_are(sign):
    """30 of 1000 new cells lie beyond: five each of six values."""
    beyond = np.repeat(np.arange(10.0, 16.0), 5)
    old = column(sign * even_scores(2000))
    new = column(sign * np.concatenate([even_scores(970), beyond]))
    before, _, kept = encoders(old, new, released=True)
    assert moved(before, kept) == 0
    scores = scores_of(kept)
    assert len(scores.ticks) == len(scores_of(before).ticks) + 6
    found = sign * scores.scores(sign * np.arange(10.0, 16.0), None)
    assert (np.diff([(sign * scores_of(before).scores(sign * np.array([9.0]), None))[0], *found]) > 0).all()
    # as far from each other as the ends of the ranks of these values among all 3000 cells
    inner = scores.low[-6:] if sign > 0 else -scores.high[5::-1]
    ranks = 1 - (30 - 5 * np.arange(6)) / 3000
    assert np.diff(inner) == pytest.approx(np.diff(ndtri(ranks)), abs=1e-5)
    assert found[-1] < 8
    released = scores_of(kept.released())
    assert np.array_equal(released.ticks, scores.ticks) and np.array_equal(released.low, scores.low)
    cells = kept.encode([new], rng())
    assert np.array_equal(kept.decode(cells, rng())[0].values[-30:], new.values[-30:])


def test_fewer_cells_than_are_released_count_as_the_end():
    old, new = column(even_scores(200)), column(np.append(even_scores(100), [50.0, 60, 70, 80]))
    before, _, kept = encoders(old, new)
    assert np.array_equal(scores_of(kept).ticks, scores_of(before).ticks)


def far():
    return even_scores(100) - 5


def between():
    """Where the old column, of two groups, has nothing."""
    return 5 + 0.1 * even_scores(100)


def tied():
    """A tenth has one value that the old cells did not have."""
    return np.concatenate([even_scores(45), 10 + even_scores(45), np.full(10, 0.12345)])


@pytest.mark.parametrize("new", [far(), between(), tied()], ids=["far", "between", "tied"])
def test_scores_move_where_new_cells_are_many_beyond_the_ends_or_crowded_or_tied(new):
    old = np.concatenate([even_scores(500), 10 + even_scores(500)])
    before, after, kept = encoders(column(old), column(new))
    assert scores_of(kept) is scores_of(after) is not scores_of(before)
    assert moved(before, kept) > 0.01


def test_a_finer_grid_of_new_values_is_taken_over():
    old, new = column(np.arange(200.0)), column(np.arange(100) * 2 + 0.5)
    _, _, kept = encoders(old, new)
    out = kept.decode(kept.encode([new], rng()), rng())[0].values
    assert np.array_equal(out, new.values)


@settings(max_examples=60, deadline=None)
@given(columns(), columns())
def test_scores_rise_with_the_values_whatever_the_cells(first, second):
    second = column(second.values.astype(first.values.dtype), second.missing, storage=first.storage)
    before = TableEncoder.fit([first], infer_schema([first]))
    if not isinstance(before.codecs[0], NumericCodec):
        return
    after = before.extended([second])
    scores = scores_of(steady(before, after, [second]))
    if len(scores.ticks):
        ends = np.stack([scores.low, scores.high], 1).ravel()
        assert (np.diff(ends) >= 0).all() and (np.diff(scores.ticks.astype(float)) >= 0).all()
        assert np.abs(ends).max() < 8
        assert len(scores.low) == len(scores.high) == len(scores.counts) == len(scores.ticks)


def test_densities_of_points_and_of_spread_cells():
    """One cell at the end, and two that are spread over the first tenth: 20 parts of 3 cells."""
    found = _densities(np.array([1.0, 0.0]), np.array([1.0, 0.1]), np.array([1, 2]))
    assert found[:2] == pytest.approx([20 / 3, 20 / 3])
    assert found[-1] == pytest.approx(20 / 3) and not found[2:-1].any()


def test_how_far_scores_have_moved_by_hand():
    """Ten cells with ten smaller ones below them, beside ten cells in an atom that have no score."""
    values = np.arange(1.0, 11)
    before, after, _ = encoders(column(values), column(-values))
    ranks = (np.arange(10) + 0.5) / 10
    way = ndtri((1 + ranks) / 2) - ndtri(ranks)
    assert moved(before, after) == pytest.approx(np.sqrt((way**2).mean()), rel=1e-5)
    before, after, _ = encoders(column(np.append(values, np.zeros(10))), column(-values))
    assert moved(before, after) == pytest.approx(np.sqrt((way**2).mean() / 2), rel=1e-5)
