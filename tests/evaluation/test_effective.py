"""Repeated rows are counted once, natural ones are not touched."""

import numpy as np
import pytest

from tabdiff.datasets import make_transactions
from tabdiff.evaluation import compare
from tabdiff.evaluation.effective import design_effect, effective_rows, n_effective_of, once_each_paste


def keys(seed: int, n: int, n_levels: int = 2**40) -> np.ndarray:
    return np.random.default_rng(seed).integers(n_levels, size=n).astype(np.uint64)


def n_effective(synthetic, holdout, seed=0) -> float:
    return n_effective_of(synthetic, holdout, np.random.default_rng(seed))


@pytest.mark.parametrize("times", [2, 10, 100])
@pytest.mark.parametrize("n_holdout", [300, 3_000, 30_000])
def test_rows_pasted_k_times_are_worth_one_kth(times, n_holdout):
    once = keys(0, 1_000)
    assert n_effective(np.tile(once, times), keys(1, n_holdout)) == pytest.approx(1_000, rel=0.01)


def test_a_bootstrap_sample_is_worth_half_of_its_rows():
    """Kish: a row drawn Poisson(1) times has E[m]^2 / E[m^2] = 1 / 2."""
    drawn = np.random.default_rng(0).choice(keys(0, 20_000), 20_000)
    assert n_effective(drawn, keys(1, 20_000)) == pytest.approx(10_000, rel=0.03)


@pytest.mark.parametrize("n_levels", [2, 20, 500, 5_000, 100_000])
@pytest.mark.parametrize("n_holdout", [500, 2_000, 8_000])
def test_natural_repetitions_cost_nothing(n_levels, n_holdout):
    for seed in range(5):
        found = n_effective(keys(seed, 2_000, n_levels), keys(99 + seed, n_holdout, n_levels))
        assert found == pytest.approx(2_000, rel=1e-3)


def test_natural_rows_pasted_ten_times_are_worth_a_tenth():
    assert n_effective(np.repeat(keys(0, 2_000, 50), 10), keys(1, 2_000, 50)) == 2_000


def test_a_table_collapsed_on_common_rows_is_worth_less():
    """Every row is the most frequent real one, which a tenth of the holdout explains."""
    assert n_effective(np.zeros(1_000, dtype=np.uint64), keys(0, 1_000, 10)) < 200


def test_one_row_and_tables_of_one_row_are_defined():
    assert n_effective(keys(0, 1), keys(1, 1)) == 1
    assert 1 <= n_effective(np.zeros(50, dtype=np.uint64), keys(1, 1)) <= 50


def test_a_comparison_knows_its_effective_rows():
    train, holdout, fresh = (make_transactions(600, seed) for seed in range(3))
    once = compare(train, fresh, holdout, "fraud")
    assert effective_rows(once) == 600 and design_effect(once) == 1
    tenfold = compare(train, fresh.loc[fresh.index.repeat(10)], holdout, "fraud")
    assert effective_rows(tenfold) == pytest.approx(600, rel=0.01)


def test_one_paste_of_a_pasted_table_is_the_table():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 60, 100)
    kept = once_each_paste(np.tile(keys, 7), 50)
    np.testing.assert_array_equal(np.sort(np.tile(keys, 7)[kept]), np.sort(keys))
    np.testing.assert_array_equal(once_each_paste(keys, 50), np.arange(100))


def test_a_collapsed_table_is_kept_whole():
    assert len(once_each_paste(np.repeat(np.arange(30), 100), 500)) == 3_000
