"""DCR share: by hand, against brute force, and the two biases that the corrected mode takes away."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tabdiff.errors import InputError
from tabdiff.evaluation.published import closeness, dcr_share


def normal(rng, n_rows):
    return pd.DataFrame(rng.normal(size=(n_rows, 4)), columns=list("abcd"))


@pytest.mark.parametrize("mode", ["paper", "corrected"])
def test_a_copy_of_train_gets_one_and_a_fresh_sample_one_half(mode):
    rng = np.random.default_rng(0)
    train, holdout, fresh = (normal(rng, 600) for _ in range(3))
    assert dcr_share(train, train, holdout, mode=mode) == 1
    assert dcr_share(train, holdout, holdout, mode=mode) == 0
    assert dcr_share(train, fresh, holdout, mode=mode) == pytest.approx(0.5, abs=0.06)


def test_distance_by_hand():
    # x has range 10 in train, so 5 off costs 1/2; another level costs 2
    train = pd.DataFrame({"x": [0.0, 10.0], "c": ["p", "q"]})
    holdout = pd.DataFrame({"x": [5.0, 40.0], "c": ["p", "q"]})
    # to train .1, .4, 2 (the level of the second), 3; to holdout .4, .1, 1, 0
    synthetic = pd.DataFrame({"x": [1.0, 4.0, 30.0, 40.0], "c": list("ppqq")})
    assert dcr_share(train, synthetic, holdout) == 1 / 4


def brute_force(train, synthetic, holdout, numbers, levels, scale):
    def distance(a, b):
        numeric = sum(abs(a[name] - b[name]) / scale[name] for name in numbers)
        return numeric + sum(2 * (a[name] != b[name]) for name in levels)

    def nearest(row, table):
        return min(distance(row, other) for _, other in table.iterrows())

    return [(nearest(row, train), nearest(row, holdout)) for _, row in synthetic.iterrows()]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mode", ["paper", "corrected"])
def test_share_agrees_with_brute_force_on_tiny_tables(mode, seed, monkeypatch):
    monkeypatch.setattr(closeness, "CELLS_AT_A_TIME", 40)  # several slices
    rng = np.random.default_rng(seed)
    train, synthetic, holdout = (
        pd.DataFrame(
            {
                "x": rng.normal(size=n),
                "k": rng.integers(0, 4, n),
                "c": rng.choice(list("pqr"), n),
                "d": rng.choice(list("uv"), n),
            }
        )
        for n in (12, 25, 12)
    )
    source = train if mode == "paper" else pd.concat([train, holdout])
    scale = {name: source[name].max() - source[name].min() for name in ("x", "k")}
    pairs = np.array(brute_force(train, synthetic, holdout, ["x", "k"], ["c", "d"], scale))
    share = np.mean(pairs[:, 0] < pairs[:, 1])
    assert dcr_share(train, synthetic, holdout, mode=mode) == pytest.approx(share)


def test_ties_count_against_train_in_the_paper_and_half_when_corrected():
    levels = pd.DataFrame({"c": list("ppqq"), "d": list("uvuv")})
    assert dcr_share(levels, levels, levels) == 0
    assert dcr_share(levels, levels, levels, mode="corrected") == 0.5


def test_ties_of_rounded_sums_are_ties():
    # 0.1 + 0.2 against 0.3: equal on paper, not in double precision
    train, holdout = (
        pd.DataFrame({"x": [0.1, 1.0], "y": [0.2, 1.0]}),
        pd.DataFrame({"x": [0.3, 0.0], "y": [0.0, 9.0]}),
    )
    synthetic = pd.DataFrame({"x": [0.0], "y": [0.0]})
    train, holdout = (table.assign(y=table["y"].clip(upper=1.0)) for table in (train, holdout))
    assert dcr_share(train, synthetic, holdout, mode="corrected") == 0.5


def test_an_uneven_split_biases_the_paper_only():
    rng = np.random.default_rng(1)
    train, holdout, fresh = normal(rng, 1_600), normal(rng, 400), normal(rng, 800)
    assert dcr_share(train, fresh, holdout) == pytest.approx(0.8, abs=0.05)
    assert dcr_share(train, fresh, holdout, mode="corrected") == pytest.approx(0.5, abs=0.06)


def test_units_do_not_matter_and_constants_do_not_divide():
    rng = np.random.default_rng(2)
    train, holdout, fresh = (normal(rng, 100).assign(k=3.0) for _ in range(3))
    scaled = [table.assign(a=1024 * table["a"]) for table in (train, fresh, holdout)]
    assert dcr_share(*scaled) == dcr_share(train, fresh, holdout)
    assert 0.3 < dcr_share(train, fresh, holdout) < 0.7


def test_an_unseen_level_is_as_far_as_any_other():
    train, holdout = (
        pd.DataFrame({"x": [0.0, 1.0], "c": ["p", "q"]}),
        pd.DataFrame({"x": [0.4, 0.9], "c": ["q", "p"]}),
    )
    unseen = pd.DataFrame({"x": [0.05, 0.45], "c": ["new", "new"]})
    assert dcr_share(train, unseen, holdout) == 0.5


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table], ids=["polars", "pyarrow"])
@pytest.mark.parametrize("mode", ["paper", "corrected"])
def test_every_kind_of_table_gives_the_same_numbers(mode, make, real, synthetic, fresh):
    tables = real, synthetic, fresh
    columns = [{name: table[name].tolist() for name in table} for table in tables]
    assert dcr_share(*map(make, columns), mode=mode) == dcr_share(*tables, mode=mode)


def test_errors_name_the_table(real):
    with pytest.raises(
        InputError, match=r"`train` and `holdout` have different columns.*Only in `train`: \['age'\]"
    ):
        dcr_share(real, real, real.drop(columns="age"))
    with pytest.raises(InputError, match="`synthetic` has 0 rows"):
        dcr_share(real, real.head(0), real)
    with pytest.raises(InputError, match=r"'income' of `holdout` is missing or infinite in 600 of 600"):
        dcr_share(real, real, real.assign(income=np.inf))
    with pytest.raises(InputError, match="`mode` is 'exact'"):
        dcr_share(real, real, real, mode="exact")
    with pytest.raises(InputError, match=r"Column 'age' is numeric .* in `train` and categorical"):
        dcr_share(real, real, real.assign(age="old"))
