"""What people ask of table generators and oversamplers again and again, each as one claim.

Every case has been somebody's bug with some tool: rare values that never come, integers that turn into
floats, losses that turn into NaN, models that cannot be loaded or hold the table they learned.
"""

from __future__ import annotations

import math
import resource
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
from containers import cells, mixed_table, signature, with_times
from imblearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tabdiff import DiffusionOverSampler, TableSynthesizer
from tabdiff.errors import ConditionError


def synthesizer(target=None, **arguments):
    return TableSynthesizer(target, **{"random_state": 0, "max_steps": 10, "sampling_steps": 4} | arguments)


def sampler(**arguments):
    return DiffusionOverSampler(**{"random_state": 0, "max_steps": 10, "sampling_steps": 4} | arguments)


def payments(n_rows=1000, seed=0):
    """Amounts, hours and shops, with exactly 2 % frauds: larger amounts, at night."""
    rng = np.random.default_rng(seed)
    fraud = (np.arange(n_rows) % 50 == 0).astype(np.int64)
    return pd.DataFrame(
        {
            "amount": rng.lognormal(3 + 2 * fraud, 1).round(2),
            "hour": np.where(fraud, rng.integers(0, 6, n_rows), rng.integers(6, 24, n_rows)),
            "shop": pd.Series([f"shop {i}" for i in rng.integers(0, 40, n_rows)], dtype="str"),
            "fraud": fraud,
        }
    )


# --- rare values ------------------------------------------------------------------------------------------

AS_LABELS = {
    "int": lambda fraud: fraud,
    "float": lambda fraud: fraud.astype(float),
    "bool": lambda fraud: fraud == 1,
    "nullable bool": lambda fraud: (fraud == 1).astype("boolean"),
    "text": lambda fraud: fraud.map({0: "no", 1: "yes"}),
    "category": lambda fraud: fraud.map({0: "no", 1: "yes"}).astype("category"),
}


@pytest.mark.parametrize("with_target", [True, False], ids=["target", "no target"])
@pytest.mark.parametrize("kind", AS_LABELS)
def test_a_two_percent_class_is_drawn_as_often_as_asked_whatever_type_its_label_has(kind, with_target):
    X = payments()
    X = X.assign(fraud=AS_LABELS[kind](X["fraud"]))
    rare = X["fraud"].iloc[0]
    model = synthesizer("fraud" if with_target else None).fit(X)
    drawn = model.sample(137, where={"fraud": rare})
    assert Counter(drawn["fraud"].tolist()) == {rare: 137}
    assert signature(drawn) == signature(X)


@pytest.mark.parametrize(("target", "n_rare"), [("fraud", 1), (None, 2)])
def test_a_class_of_one_row_can_be_asked_for(target, n_rare):
    """Without a target, a level of one row is that row's secret and not kept; two rows make a level."""
    X = payments().assign(fraud=0)
    X.loc[: n_rare - 1, "fraud"] = 1
    model = synthesizer(target, memorisation_brake=False).fit(X)
    assert Counter(model.sample(20, where={"fraud": 1})["fraud"].tolist()) == {1: 20}


@pytest.mark.slow
def test_rare_rows_cost_no_more_than_common_ones():
    """Nothing is drawn and thrown away until enough rows fit."""
    model = synthesizer(max_steps=30, sampling_steps=16).fit(payments(5_000))

    def seconds(value):
        started = time.process_time()
        model.sample(4_000, where={"fraud": value})
        return time.process_time() - started

    assert min(seconds(1) for _ in range(3)) < 2 * min(seconds(0) for _ in range(3))


@pytest.mark.slow
def test_unconditional_rows_hold_the_rare_class_about_as_often_as_the_table():
    """Neither none of it nor eight times as much; with 4,000 rows the share of 2 % has an error of 0.22 %."""
    X = payments(4_000)
    for target in ("fraud", None):
        drawn = synthesizer(target, max_steps=1_200, sampling_steps=16).fit(X).sample(4_000)
        assert 0.01 < drawn["fraud"].mean() < 0.035, target


@pytest.mark.slow
def test_rows_of_the_rare_class_follow_its_own_law_without_a_target():
    model = synthesizer(max_steps=1_200, sampling_steps=16).fit(payments(4_000))
    rare, common = (model.sample(400, where={"fraud": value}) for value in (1, 0))
    assert np.log(rare["amount"]).mean() - np.log(common["amount"]).mean() > 1.0  # 2 in the law
    assert (rare["hour"] < 6).mean() > 0.7  # 1 in the law
    assert (common["hour"] < 6).mean() < 0.2  # 0 in the law


def test_a_level_that_never_was_is_refused_by_name():
    with pytest.raises(ConditionError, match="shop 99"):
        synthesizer().fit(payments()).sample(5, where={"shop": "shop 99"})


def test_rows_to_complete_may_have_holes_that_ask_for_nothing():
    X = payments()
    wanted = pd.DataFrame({"shop": ["shop 1", None, "shop 2"], "fraud": [1, 1, None]})
    drawn = synthesizer().fit(X).sample(3, where=wanted)
    assert drawn["shop"].iloc[[0, 2]].tolist() == ["shop 1", "shop 2"]
    assert drawn["fraud"].iloc[[0, 1]].tolist() == [1, 1]
    assert not drawn.isna().any(axis=None)


# --- missing values ---------------------------------------------------------------------------------------


def test_missing_cells_can_be_left_out_of_the_rows_drawn(frame_maker):
    X = frame_maker(with_times(mixed_table()))
    drawn = synthesizer().fit(X).sample(200, allow_missing=False)
    assert signature(drawn) == signature(X)
    assert not any(cell is None for row in cells(drawn) for cell in row)


@pytest.mark.slow
def test_cells_are_missing_where_they_were_missing_and_not_just_as_often():
    """A balance is unknown for guests only, who are a fifth of the rows."""
    rng = np.random.default_rng(0)
    guest = rng.random(3_000) < 0.2
    X = pd.DataFrame({"guest": guest, "balance": np.where(guest, np.nan, rng.normal(0, 1, 3_000).round(3))})
    drawn = synthesizer(max_steps=600, sampling_steps=16).fit(X).sample(2_000)
    gone = drawn["balance"].isna()
    assert gone[drawn["guest"]].mean() > 0.9
    assert gone[~drawn["guest"]].mean() < 0.03


def test_resampling_takes_missing_cells_as_they_are():
    """No imputation beforehand, and the known rows come back with their holes."""
    X, y = with_times(mixed_table()), np.repeat([0, 1], [70, 30])
    X_res, _ = sampler().fit_resample(X, y)
    pd.testing.assert_frame_equal(X_res.iloc[:100], X)
    assert X_res["seen"].iloc[100:].isna().any()


# --- types ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_integers_are_not_rounded_down():
    """What is interpolated and then cut to whole numbers is half too small on average."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"children": rng.binomial(4, 0.4, 3_000), "noise": rng.normal(size=3_000)})
    for kind in ("numeric", "categorical"):
        model = synthesizer(max_steps=600, sampling_steps=16, schema={"children": kind}).fit(X)
        drawn = model.sample(3_000)["children"]
        assert drawn.dtype == np.int64
        assert drawn.mean() == pytest.approx(X["children"].mean(), abs=0.15)


def test_booleans_come_back_as_booleans_and_not_as_text():
    X = mixed_table()
    drawn = synthesizer("night").fit(X).sample(30)
    assert drawn["night"].dtype == bool
    assert {type(cell) for cell in drawn["night"].tolist()} == {bool}


def test_a_label_column_of_polars_comes_back_as_polars():
    X, y = pl.from_pandas(mixed_table()), pl.Series("fraud", [0] * 75 + [1] * 25, dtype=pl.Int8)
    X_res, y_res = sampler().fit_resample(X, y)
    assert signature(X_res) == signature(X)
    assert (y_res.dtype, y_res.name, y_res.value_counts(sort=True)["count"].to_list()) == (
        pl.Int8,
        "fraud",
        [75, 75],
    )


def test_a_pipeline_that_passes_polars_on_can_resample():
    X = pl.from_pandas(mixed_table()[["amount", "count"]].fillna(0.0))
    steps = make_pipeline(StandardScaler(), sampler()).set_output(transform="polars")
    X_res, y_res = steps.fit_resample(X, np.repeat([0, 1], [70, 30]))
    assert isinstance(X_res, pl.DataFrame)
    assert X_res.columns == ["amount", "count"]
    assert Counter(y_res.tolist()) == {0: 70, 1: 70}


# --- small and narrow tables ------------------------------------------------------------------------------


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_tables_of_very_few_rows_can_be_learned(frame_maker, n_rows):
    X = frame_maker(with_times(mixed_table()).iloc[1 : 1 + n_rows].reset_index(drop=True))
    drawn = synthesizer().fit(X).sample(9)
    assert signature(drawn) == signature(X)
    assert len(cells(drawn)) == 9


@pytest.mark.parametrize("name", with_times(mixed_table(9)).columns)
def test_one_column_is_a_table(name):
    X = with_times(mixed_table())[[name]]
    drawn = synthesizer().fit(X).sample(12)
    assert signature(drawn) == signature(X)
    assert len(drawn) == 12


def test_one_column_can_be_resampled():
    X_res, y_res = sampler().fit_resample(mixed_table()[["city"]], np.repeat([0, 1], [75, 25]))
    assert Counter(y_res.tolist()) == {0: 75, 1: 75}
    assert X_res["city"].iloc[100:].isin(["Graz", "Linz", "Wien", None]).all()


# --- many levels, many columns ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_levels", [11, 300, 3_000])
def test_many_levels_keep_the_loss_finite(n_levels):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            f"level {i}": pd.Series([f"v{j}" for j in rng.integers(0, n_levels, 6_000)], dtype="str")
            for i in range(3)
        }
    ).assign(number=rng.normal(size=6_000))
    model = synthesizer(max_steps=40).fit(X)
    losses = [*model.history_.loss, *model.history_.held_out]
    assert losses
    assert all(math.isfinite(loss) for loss in losses)
    drawn = model.sample(400)
    assert drawn["level 0"].isin(X["level 0"]).all()
    assert np.isfinite(drawn["number"]).all()


def test_forty_categorical_columns_keep_the_loss_finite():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({f"c{i}": rng.integers(0, 15, 2_000).astype(str) for i in range(40)})
    model = synthesizer(max_steps=40).fit(X)
    assert all(math.isfinite(loss) for loss in model.history_.loss)
    assert signature(model.sample(50)) == signature(X)


@pytest.mark.slow
def test_many_levels_are_resampled_in_bounded_memory():
    """Distances between one-hot rows of so many levels would take gigabytes."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "shop": pd.Series([f"s{i}" for i in rng.integers(0, 5_000, 20_000)], dtype="str"),
            "amount": rng.lognormal(3, 1, 20_000).round(2),
        }
    )
    y = (np.arange(20_000) % 50 == 0).astype(int)
    sampler().fit_resample(X.iloc[:2_000], y[:2_000])  # what the libraries take is not counted
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, y_res = sampler().fit_resample(X, y)
    assert Counter(y_res.tolist()) == {0: 19_600, 1: 19_600}
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 600  # MiB


@pytest.mark.slow
def test_a_hundred_thousand_levels_are_learned_in_bounded_memory():
    rng = np.random.default_rng(0)
    n = 200_000
    X = pd.DataFrame({"device": rng.zipf(1.2, n) % 100_000, "amount": rng.lognormal(3, 1, n).round(2)})
    X = X.assign(device="d" + X["device"].astype(str))
    synthesizer().fit(X.iloc[:2_000]).sample(100)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    drawn = synthesizer().fit(X).sample(2_000)
    assert drawn["device"].isin(X["device"]).all()
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 1_500  # MiB


# --- numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_steps", [10, pytest.param(600, marks=pytest.mark.slow)])
def test_numbers_do_not_pile_up_at_the_ends(max_steps):
    """The smallest and the largest of 2,000 values make up 0.1 % of the rows, and of those drawn few more."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"normal": rng.normal(size=2_000), "skewed": rng.lognormal(0, 2, 2_000)})
    drawn = synthesizer(max_steps=max_steps, sampling_steps=16).fit(X).sample(4_000)
    for name in X:
        at_ends = drawn[name].isin([X[name].min(), X[name].max()]).mean()
        assert at_ends < 0.01, name


def test_huge_and_tiny_numbers_stay_finite_and_in_range():
    sizes = np.r_[-1e300, -1e-300, 0.0, 1e-300, 1e300]
    X = pd.DataFrame({"x": np.tile(sizes, 60) * np.linspace(0.5, 1, 300), "i": np.arange(300) * 2**54})
    drawn = synthesizer().fit(X).sample(500)
    assert drawn["x"].between(X["x"].min(), X["x"].max()).all()
    assert drawn["i"].between(0, X["i"].max()).all()
    assert drawn["i"].dtype == np.int64


@pytest.mark.slow
def test_a_zero_inflated_amount_keeps_its_zeros():
    rng = np.random.default_rng(0)
    amount = np.where(rng.random(3_000) < 0.7, 0, rng.gamma(2, 50, 3_000)).round(2)
    drawn = synthesizer(max_steps=600, sampling_steps=16).fit(pd.DataFrame({"amount": amount})).sample(3_000)
    assert (drawn["amount"] == 0).mean() == pytest.approx((amount == 0).mean(), abs=0.05)
    assert (drawn["amount"] >= 0).all()


# --- index and names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index", [pd.date_range("2024-01-01", periods=100), list("ab") * 50], ids=["dates", "twice"]
)
def test_the_index_of_the_table_has_no_influence_and_rows_drawn_are_counted_from_0(index):
    X = mixed_table()
    drawn = synthesizer().fit(X.set_axis(index)).sample(15)
    pd.testing.assert_frame_equal(drawn, synthesizer().fit(X).sample(15))
    assert drawn.index.equals(pd.RangeIndex(15))


def test_column_names_may_be_anything_hashable():
    X = mixed_table().set_axis([0, "a b", ("c", 1), "ä/%", ""], axis=1)
    drawn = synthesizer("ä/%").fit(X).sample(7, where={"ä/%": "debit"})
    assert list(drawn.columns) == [0, "a b", ("c", 1), "ä/%", ""]
    assert set(drawn["ä/%"]) == {"debit"}


# --- saved models -----------------------------------------------------------------------------------------


def test_a_saved_model_draws_the_same_rows_in_a_fresh_process(tmp_path):
    X = with_times(mixed_table())
    model = synthesizer("card").fit(X)
    model.save(tmp_path / "model")
    code = (
        "from tabdiff import TableSynthesizer; import sys\n"
        "rows = TableSynthesizer.load(sys.argv[1]).sample(40, where={'card': 'debit'}, random_state=3)\n"
        "rows.to_pickle(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "model", tmp_path / "rows"], check=True)
    expected = model.sample(40, where={"card": "debit"}, random_state=3)
    pd.testing.assert_frame_equal(pd.read_pickle(tmp_path / "rows"), expected)


def test_a_saved_model_holds_no_row_of_the_table(tmp_path):
    """Neither names that one row has, nor identifiers, are to be found in any of its files."""
    X = payments()
    X["account"] = [f"AT{i:010d}" for i in np.random.default_rng(1).permutation(10**6)[:1000] + 10**9]
    X["shop"] = X["shop"].where(X.index != 17, "Greta Nachtigall")
    model = synthesizer("fraud").fit(X)
    model.save(tmp_path / "model")
    inside = b"".join(path.read_bytes() for path in (tmp_path / "model").rglob("*") if path.is_file())
    assert b"Greta" not in inside
    assert not [account for account in X["account"] if account.encode() in inside]
    assert b"shop 1" in inside  # forty shops that many rows have are levels, and no secret


def test_a_model_outlives_copies_of_it(tmp_path):
    """No files or memory are shared that a copy could take with it."""
    model = synthesizer("card").fit(mixed_table())
    model.save(tmp_path / "model")
    expected = cells(model.sample(10, random_state=1))
    copy = TableSynthesizer.load(tmp_path / "model")
    copy.fit(mixed_table(60, seed=5))
    del copy
    assert cells(model.sample(10, random_state=1)) == expected
    assert cells(TableSynthesizer.load(tmp_path / "model").sample(10, random_state=1)) == expected


# --- more data later --------------------------------------------------------------------------------------


def test_a_level_that_first_comes_with_new_rows_can_be_drawn_afterwards():
    X = payments()
    new = payments(200, seed=1).assign(shop="shop of May")
    model = synthesizer("fraud").fit(X).update(new)
    drawn = model.sample(30, where={"shop": "shop of May"})
    assert set(drawn["shop"]) == {"shop of May"}
    assert signature(drawn) == signature(X)
