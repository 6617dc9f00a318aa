"""Alpha-precision and beta-recall: tiny tables by hand, brute force, and figures of synthcity's own code."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tabdiff.errors import InputError
from tabdiff.evaluation.published import alpha_precision, beta_recall

SCORES = [alpha_precision, beta_recall]

# Printed by `_normalize_covariates` and `metrics` of AlphaPrecision, cut out of the wheel of synthcity 0.2.12
# and run without the rest of it, on the features that TabSyn's eval/eval_quality.py makes (numpy 1.26.4,
# scikit-learn 1.9.1).
REFERENCE = {
    ("synthetic", "label"): (0.9803218390804598, 0.4404444444444445),
    ("fresh", "label"): (0.9841494252873563, 0.45833333333333337),
    ("real", "label"): (0.9990076628352491, 0.9990076628352491),
    ("synthetic", "city"): (0.9796551724137931, 0.4455555555555556),
}


@pytest.mark.parametrize(("which", "target"), REFERENCE)
def test_scores_agree_with_the_reference(which, target, real, request):
    other = request.getfixturevalue(which)
    found = tuple(score(real, other, ["code"], target=target) for score in SCORES)
    assert found == pytest.approx(REFERENCE[which, target], abs=1e-9)


# --- known answers ---


def test_a_copy_has_perfect_recall_and_a_fresh_sample_one_half():
    rng = np.random.default_rng(0)
    train, fresh = (pd.DataFrame(rng.normal(size=(600, 4)), columns=list("abcd")) for _ in range(2))
    assert beta_recall(train, train) == pytest.approx(0.999, abs=1e-3)
    assert alpha_precision(train, train) == pytest.approx(0.999, abs=1e-3)
    assert beta_recall(train, fresh) == pytest.approx(0.5, abs=0.05)
    assert alpha_precision(train, fresh) > 0.95


def test_a_collapsed_sample_has_neither():
    rng = np.random.default_rng(1)
    train = pd.DataFrame(rng.normal(size=(400, 3)), columns=list("abc"))
    collapsed = pd.DataFrame(np.full((400, 3), 3.0), columns=list("abc"))
    assert alpha_precision(train, collapsed) < 0.1
    assert beta_recall(train, collapsed) < 0.05


def test_rows_on_the_wrong_side_of_the_mean_have_perfect_precision():
    corner = pd.DataFrame({"x": [0.0, 1, 1, 2] * 25, "y": [1.0, 0, 2, 1] * 25, "last": 0.0})
    mirrored = corner.assign(x=2 - corner["x"], y=corner["y"])
    assert alpha_precision(corner, mirrored) == alpha_precision(corner, corner)


def test_precision_by_hand():
    # x becomes 0 to 1 with mean 1/2; the distances are 1/2, 1/4, 0, 1/4, 1/2; the last column is dropped
    real = pd.DataFrame({"x": [0.0, 1, 2, 3, 4], "last": [9, 8, 7, 6, 5]})
    far = real.assign(x=100.0)
    assert alpha_precision(real, far) == pytest.approx(0)  # the curve is 0 throughout
    centred = real.assign(x=2.0)
    assert alpha_precision(real, centred) == pytest.approx(0)  # and here 1 throughout
    # of distances 0, 0, 1/4, 1/4, 9 a share of 2/5 is inside a radius below 1/4, and 4/5 from there on
    alphas = np.linspace(0, 1, 30)
    curve = np.where(np.quantile([0, 0.25, 0.25, 0.5, 0.5], alphas) < 0.25, 0.4, 0.8)
    expected = 1 - np.abs(curve - alphas).sum() / alphas.sum()
    assert alpha_precision(real, real.assign(x=[2.0, 2, 1, 3, 38])) == pytest.approx(expected)


def brute_force(real, synthetic):
    """Both scores of two arrays of features, with loops over rows and steps."""
    alphas = np.linspace(0, 1, 30)
    gap = np.array([[np.sqrt(((a - b) ** 2).sum()) for b in synthetic] for a in real])
    own = np.array([[np.sqrt(((a - b) ** 2).sum()) for b in real] for a in real])
    np.fill_diagonal(own, np.inf)
    radius = [np.sqrt(((a - real.mean(0)) ** 2).sum()) for a in real]
    reach = [np.sqrt(((b - real.mean(0)) ** 2).sum()) for b in synthetic]
    chosen = synthetic[gap.argmin(1)]
    spread = [np.sqrt(((b - synthetic.mean(0)) ** 2).sum()) for b in chosen]
    near = gap.min(1) <= own.min(1)
    precision = [np.mean([r <= np.quantile(radius, a) for r in reach]) for a in alphas]
    recall = [
        np.mean([n and s <= np.quantile(spread, a) for n, s in zip(near, spread, strict=True)])
        for a in alphas
    ]
    return tuple(1 - np.abs(np.array(c) - alphas).sum() / alphas.sum() for c in (precision, recall))


@pytest.mark.parametrize("seed", range(4))
def test_scores_agree_with_brute_force_on_tiny_tables(seed):
    rng = np.random.default_rng(seed)
    real, synthetic = (
        pd.DataFrame({"x": rng.normal(size=9), "y": rng.exponential(size=9), "c": rng.choice(list("pqr"), 9)})
        for _ in range(2)
    )
    real.loc[:2, "c"] = list("pqr")  # all levels occur; those of the last but one and before are kept

    def features(table):
        scaled = (table[["x", "y"]] - real[["x", "y"]].min()) / (
            real[["x", "y"]].max() - real[["x", "y"]].min()
        )
        return np.column_stack([scaled, table["c"] == "p", table["c"] == "q"])

    expected = brute_force(features(real), features(synthetic))
    assert (alpha_precision(real, synthetic), beta_recall(real, synthetic)) == pytest.approx(expected)


def test_the_last_feature_carries_nothing():
    rng = np.random.default_rng(6)
    real, fresh = (pd.DataFrame(rng.random((50, 3)), columns=list("xyz")) for _ in range(2))
    for score in SCORES:
        assert score(real, fresh.assign(z=99.0)) == score(real, fresh)
        assert score(real, fresh.assign(z=99.0), target="x") < score(real, fresh, target="x")


def test_duplicated_copies_in_wide_tables_are_at_distance_zero():
    rng = np.random.default_rng(3)
    wide = pd.DataFrame(
        np.repeat(rng.normal(size=(100, 20)), 2, axis=0), columns=[f"c{i}" for i in range(20)]
    )
    assert beta_recall(wide, wide) > 0.98  # every row has a twin, so that only a distance of 0 is near enough


def test_unseen_levels_are_far_from_everything():
    rng = np.random.default_rng(4)
    real = pd.DataFrame({"c": rng.choice(list("pq"), 200), "x": rng.random(200)})
    assert beta_recall(real, real.assign(c="unseen")) < 0.05


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table], ids=["polars", "pyarrow"])
@pytest.mark.parametrize("score", SCORES)
def test_every_kind_of_table_gives_the_same_numbers(score, make, real, synthetic):
    columns = [{name: table[name].tolist() for name in table} for table in (real, synthetic)]
    assert score(*map(make, columns)) == score(real, synthetic)


# --- errors ---


@pytest.mark.parametrize("score", SCORES)
class TestErrors:
    def test_unequal_lengths(self, score, real):
        with pytest.raises(InputError, match="`real` has 600 rows and `synthetic` 599"):
            score(real, real.iloc[1:])

    def test_a_missing_number_is_located(self, score):
        real = pd.DataFrame({"x": [1.0, 2, 3], "y": [1.0, 2, 3]})
        with pytest.raises(InputError, match=r"'y' of `synthetic` is missing or infinite in 1 of 3 .* row 2"):
            score(real, real.assign(y=[1, 2, np.nan]))

    def test_an_unknown_target(self, score, real):
        with pytest.raises(InputError, match="`target` is 'q'"):
            score(real, real, target="q")

    def test_a_single_feature(self, score):
        with pytest.raises(InputError, match="one feature"):
            score(pd.DataFrame({"x": [1.0, 2]}), pd.DataFrame({"x": [1.0, 2]}))
