"""Neighbours are exact, at distance 0 too, and their scale is real rows' own."""

import numpy as np
import pandas as pd
import pytest

from tabdiff.evaluation import compare
from tabdiff.evaluation.neighbours import Points, fit_space, nearest


def brute_force(queries: Points, references: Points) -> np.ndarray:
    square = ((queries.dense[:, None] - references.dense[None]) ** 2).sum(axis=2)
    return np.sqrt(square + (queries.codes[:, None] != references.codes[None]).sum(axis=2))


def cloud(n: int, seed: int, n_levels: int = 3) -> Points:
    rng = np.random.default_rng(seed)
    return Points(rng.normal(size=(n, 5)) * 30, rng.integers(0, n_levels, (n, 2)))


@pytest.mark.parametrize("k", [1, 3])
def test_equal_to_brute_force_over_several_chunks(k):
    queries, references = cloud(700, 0), cloud(9_000, 1)
    distances = brute_force(queries, references)
    found = nearest(queries, references, k)
    expected = np.argsort(distances, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found.index, expected)
    np.testing.assert_allclose(found.distance, np.take_along_axis(distances, expected, axis=1), rtol=1e-12)


def test_a_copy_lies_at_distance_zero_far_from_the_origin():
    references = Points(cloud(500, 2).dense + 1e4, np.zeros((500, 0), dtype=int))
    found = nearest(references, references)
    np.testing.assert_array_equal(found.distance[:, 0], 0.0)
    np.testing.assert_array_equal(found.index[:, 0], np.arange(500))


def test_a_row_is_not_its_own_neighbour_when_told_so():
    points = cloud(400, 3)
    distances = brute_force(points, points) + np.diag(np.full(400, np.inf))
    found = nearest(points, points, itself=np.arange(400))
    np.testing.assert_array_equal(found.index[:, 0], distances.argmin(axis=1))


def test_fewer_references_than_neighbours():
    found = nearest(cloud(2, 0), cloud(1, 1), k=3)
    assert (found.index[:, 1:] == -1).all() and np.isinf(found.distance[:, 1:]).all()
    assert np.isinf(nearest(cloud(2, 0), cloud(0, 1)).distance).all()


def table(n: int = 100, **changes) -> pd.DataFrame:
    x = np.arange(n, dtype=float)
    return pd.DataFrame({"x": x, "c": np.where(x % 2 == 0, "a", "b"), "m": x % 7}).assign(**changes)


def test_distance_by_hand():
    # x: median 49.5 and IQR 49.5 in the real rows; one mismatch of a level and one missing cell count 1 each
    real = table()
    synthetic = pd.DataFrame({"x": [99.0, np.nan], "c": ["a", "a"], "m": [0.0, 0.0]})
    # the holdout has the same x in another order, beside other m
    comparison = compare(real, synthetic, real.iloc[::-1].assign(m=real["m"].to_numpy()))
    space = fit_space(comparison, [comparison.layout["x"], comparison.layout["c"]])
    query = space.points(comparison.train)[np.array([1])]  # x = 1, c = "b"
    found = nearest(query, space.points(comparison.synthetic), k=2)
    scaled = np.arcsinh((1 - 49.5) / 49.5)
    expected = {0: np.hypot(np.arcsinh(1) - scaled, 1), 1: np.sqrt(scaled**2 + 1 + 1)}
    for distance, index in zip(found.distance[0], found.index[0], strict=True):
        assert distance == pytest.approx(expected[index])


def test_synthetic_rows_do_not_move_the_scale():
    real, far = table(), table(x=1e9 * np.arange(100.0))
    holdout = table(x=np.arange(100) + 0.5)
    spaces = [fit_space(compare(real, synthetic, holdout)) for synthetic in (real, far)]
    np.testing.assert_array_equal(spaces[0].scale, spaces[1].scale)
    np.testing.assert_array_equal(spaces[0].centre, spaces[1].centre)


def test_columns_of_many_levels_are_compared_exactly():
    rng = np.random.default_rng(0)

    def made(n):
        return pd.DataFrame({"city": rng.integers(0, 500, n).astype(str), "x": rng.normal(size=n)})

    comparison = compare(made(2_000), made(800), made(1_000))
    space = fit_space(comparison)
    assert len(space.many) == 1
    train, synthetic = space.points(comparison.train)[:50], space.points(comparison.synthetic)
    np.testing.assert_allclose(
        nearest(train, synthetic).distance[:, 0], brute_force(train, synthetic).min(axis=1), rtol=1e-12
    )


def test_chunks_that_hold_nothing_nearer_change_nothing():
    # the nearest reference of some queries is in the first chunk, of others in the last, with ties between
    references = cloud(40_000, 5, n_levels=2)
    queries = Points(references.dense[[3, 17_000, 39_999]] + 1e-6, references.codes[[3, 17_000, 39_999]])
    twice = Points(np.tile(references.dense, (2, 1)), np.tile(references.codes, (2, 1)))
    found = nearest(queries, twice, k=2)
    np.testing.assert_array_equal(found.index, [[3, 40_003], [17_000, 57_000], [39_999, 79_999]])
    np.testing.assert_allclose(found.distance, np.sqrt(5e-12), rtol=1e-3)
