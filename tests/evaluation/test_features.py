"""Features hold the cells that boosting needs, in the codes that real rows decide."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from tabdiff.evaluation import c2st_score, compare
from tabdiff.evaluation.features import boosting_features, ready_to_fit, two_sample_features


def tables(n_levels: int, n: int = 3_000):
    """Level k is drawn in proportion to n_levels - k; each table has all of the first 30 rows' levels."""
    rng = np.random.default_rng(0)
    weights = np.arange(n_levels, 0, -1) / (n_levels * (n_levels + 1) / 2)

    def one():
        level = rng.choice(n_levels, n, p=weights)
        number = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
        return pd.DataFrame({"number": number, "level": [f"v{code:04d}" for code in level]})

    return one(), one(), one()


def test_numbers_stay_as_they_are_and_levels_become_codes():
    train, holdout, synthetic = tables(5)
    synthetic.loc[0, "level"] = None
    synthetic.loc[1, "level"] = "unheard of"
    comparison = compare(train, synthetic, holdout)
    features = boosting_features(comparison, comparison.layout.modelled)
    matrix = features.matrix(comparison.synthetic)
    assert features.categorical.tolist() == [False, True]
    np.testing.assert_array_equal(matrix[:, 0], synthetic["number"])
    assert np.isnan(matrix[0, 1]) and matrix[1, 1] == 5
    known = comparison.layout["level"].levels
    assert [known[int(code)] for code in matrix[2:, 1]] == synthetic["level"].tolist()[2:]


def test_frequent_levels_keep_codes_of_their_own_and_the_rest_is_pooled():
    train, holdout, synthetic = tables(400)
    comparison = compare(train, pd.concat([synthetic, synthetic.head(1).assign(level="new")]), holdout)
    features = boosting_features(comparison, comparison.layout.modelled)
    real = features.matrix(comparison.real)[:, 1]
    codes, counts = np.unique(real, return_counts=True)
    frequency = pd.concat([train, holdout])["level"].value_counts()
    assert codes.max() == 252 and len(codes) == 253
    assert counts[codes == 252] == frequency.sort_values(ascending=False).iloc[252:].sum()
    assert features.matrix(comparison.synthetic)[-1, 1] == 253


@pytest.mark.parametrize("n_levels", [1, 2, 253, 254, 255, 400])
def test_boosting_accepts_every_number_of_levels(n_levels):
    comparison = compare(*tables(n_levels, 1_000))
    features = boosting_features(comparison, comparison.layout.modelled)
    matrix = features.matrix(comparison.real)
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features=features.categorical)
    model.fit(matrix, np.arange(len(matrix)) % 2).predict(features.matrix(comparison.synthetic))


def test_a_feature_without_values_can_be_fitted():
    matrix = np.column_stack([np.arange(50.0), np.full(50, np.nan)])
    HistGradientBoostingClassifier(max_iter=2).fit(ready_to_fit(matrix), np.arange(50) % 2).predict(matrix)
    assert ready_to_fit(matrix[:, :1]) is not None and np.isnan(matrix[:, 1]).all()


def test_levels_that_one_table_alone_has_do_not_tell_perfect_tables_apart():
    def made(seed):
        rng = np.random.default_rng(seed)
        return pd.DataFrame({"town": rng.integers(0, 10_000, 2_000).astype(str), "x": rng.normal(size=2_000)})

    comparison = compare(made(0), made(1), made(2))
    features = two_sample_features(comparison.holdout, comparison.synthetic, comparison.layout.modelled)
    pooled = [
        np.mean(features.matrix(rows)[:, 0] == 253) for rows in (comparison.holdout, comparison.synthetic)
    ]
    assert pooled[0] == pytest.approx(pooled[1], abs=0.05)
    assert c2st_score(made(3), made(4)) < 0.55


def test_a_frequent_level_that_is_wrong_keeps_its_code():
    real = pd.DataFrame({"c": ["a", "b"] * 200, "x": np.arange(400.0)})
    comparison = compare(real, real.assign(c="wrong"), real.assign(x=np.arange(400) + 0.5))
    features = two_sample_features(comparison.holdout, comparison.synthetic, comparison.layout.modelled)
    codes = features.matrix(comparison.synthetic)[:, 0]
    assert len(set(codes)) == 1 and codes[0] not in features.matrix(comparison.holdout)[:, 0]
