"""What a trained model must give back: laws that are known because the tables are made from them."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from sklearn.neighbors import NearestNeighbors

from tabdiff import DiffusionOverSampler, TableSynthesizer

N_ROWS = 2_000


@pytest.fixture(scope="module")
def real():
    """Two correlated numbers, a copy of a level, an independent level, a spike at zero, a missing pattern."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=N_ROWS)
    level = np.where(rng.random(N_ROWS) < 0.5 + 0.4 * np.tanh(2 * x), "high", "low")
    balance = np.where(rng.random(N_ROWS) < 0.3, 0.0, rng.lognormal(size=N_ROWS).round(2))
    note = np.where(level == "high", rng.normal(size=N_ROWS), np.nan)
    return pd.DataFrame(
        {
            "x": x,
            "y": 0.8 * x + 0.6 * rng.normal(size=N_ROWS),
            "level": level,
            "copy": level,
            "coin": rng.choice(["a", "b", "c"], N_ROWS, p=[0.6, 0.3, 0.1]),
            "balance": balance,
            "note": note,
        }
    )


@pytest.fixture(scope="module")
def synthetic(real):
    return TableSynthesizer(random_state=0, max_steps=1_000).fit(real).sample(N_ROWS)


def test_correlation_is_kept(real, synthetic):
    assert synthetic[["x", "y"]].corr().iloc[0, 1] == pytest.approx(0.8, abs=0.03)


def test_number_and_level_keep_their_dependence(real, synthetic):
    gap = synthetic.groupby("level")["x"].mean()
    expected = real.groupby("level")["x"].mean()
    assert gap["high"] - gap["low"] == pytest.approx(expected["high"] - expected["low"], abs=0.12)


def test_copied_column_stays_a_copy(synthetic):
    assert (synthetic["level"] == synthetic["copy"]).mean() > 0.97


def test_independent_columns_stay_independent(synthetic):
    means = synthetic.groupby("coin")["x"].mean()
    # three standard errors of the smallest group's mean
    assert means.abs().max() < 3 / np.sqrt((synthetic["coin"] == "c").sum()) + 0.05


def test_marginals_are_within_noise_of_the_table(real, synthetic):
    for column in ("x", "y", "balance"):
        # the 0.1 % quantile of two samples of the same law is 1.95 sqrt(2 / n)
        assert ks_2samp(real[column], synthetic[column]).statistic < 1.95 * np.sqrt(2 / N_ROWS)


def test_spike_keeps_its_mass_and_its_value(synthetic):
    assert (synthetic["balance"] == 0).mean() == pytest.approx(0.3, abs=0.035)


def test_missing_cells_follow_the_column_that_causes_them(synthetic):
    missing = synthetic["note"].isna().groupby(synthetic["level"]).mean()
    assert missing["high"] < 0.03
    assert missing["low"] > 0.97


def test_rare_class_keeps_its_own_law():
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], [1_900, 100])
    X = np.where(y[:, None] == 1, 2.0, 0.0) + rng.normal(size=(2_000, 2))
    # the second column repeats the first, for the rare class only
    X[:, 1] = np.where(y == 1, X[:, 0], X[:, 1])
    X_res, _ = DiffusionOverSampler(random_state=0, max_steps=800, accept=None).fit_resample(X, y)
    new = X_res[2_000:]
    assert len(new) == 1_800
    assert new.mean(0) == pytest.approx([2.0, 2.0], abs=0.3)
    assert np.corrcoef(new.T)[0, 1] > 0.8  # 1 in the rare class, 0 in the other


@pytest.mark.parametrize("n_rows", [200, pytest.param(2_000, marks=pytest.mark.slow)])
def test_rows_are_not_learned_by_heart(n_rows):
    """The share of synthetic rows nearer to training than to held-out rows stays near one half."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(2 * n_rows, 6)) @ rng.normal(size=(6, 6))
    train, holdout = rows[:n_rows], rows[n_rows:]
    new = TableSynthesizer(random_state=0).fit(train).sample(2_000)
    to_train, to_holdout = (
        NearestNeighbors(n_neighbors=1).fit(part).kneighbors(new)[0][:, 0] for part in (train, holdout)
    )
    # 200 rows shown 2,500 times each gave .65; 100 rows shown 5,000 times .70
    assert (to_train < to_holdout).mean() < 0.6
