"""A whole table to a batch and back."""

import datetime as dt

import numpy as np
import pandas as pd
import pandas.testing
import polars as pl
import pytest
import torch

from tabdiff import frames
from tabdiff.encoding.table import TableEncoder
from tabdiff.errors import SchemaError
from tabdiff.schema import Kind, infer_schema


def rng(seed=0):
    return np.random.default_rng(seed)


def mixed_frame(n=400, missing=True):
    """A table with every storage; a third of most columns missing."""
    draw = rng()
    frame = pd.DataFrame(
        {
            "amount": draw.lognormal(3, 1, n).round(2),
            "weight": draw.normal(size=n).astype(np.float32),
            "visits": pd.array(draw.poisson(40, n) * 10_000, dtype="Int64"),
            "huge": 2**60 + draw.integers(0, 2**50, n),
            "age group": draw.choice([18, 30, 65], n),
            "balance": np.where(draw.random(n) < 0.4, 0.0, draw.normal(size=n)),
            "member": pd.array(draw.random(n) < 0.5, dtype="boolean"),
            "city": pd.Series(draw.choice(["Oslo", "Paris", "Rome"], n)),
            "size": pd.Categorical(draw.choice(["S", "M", "L"], n), ["S", "M", "L", "XL"], ordered=True),
            "seen": pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 10**17, n), "ns"),
            "stay": pd.to_timedelta(draw.integers(0, 10**6, n), "s"),
            "country": "AT",
        }
    )
    if missing:
        for name in frame.columns.drop(["huge", "age group", "country"]):
            frame.loc[draw.random(n) < 0.3, name] = None
    return frame


def encoder_of(data, kinds=None):
    columns, template = frames.read(data)
    return TableEncoder.fit(columns, infer_schema(columns, kinds)), columns, template


def there_and_back(data, kinds=None):
    encoder, columns, template = encoder_of(data, kinds)
    return template.rebuild(encoder.decode(encoder.encode(columns, rng()), rng()))


@pytest.mark.parametrize("missing", [True, False])
def test_a_table_comes_back_from_its_batch(missing):
    frame = mixed_frame(missing=missing)
    before = frame.copy(deep=True)
    pandas.testing.assert_frame_equal(there_and_back(frame), frame, check_exact=True)
    pandas.testing.assert_frame_equal(frame, before, check_exact=True)


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_a_table_comes_back_whatever_the_kinds(kind):
    frame = mixed_frame()
    labels = {"member", "city", "size", "country"}
    kinds = {name: kind for name in frame.columns if kind == "categorical" or name not in labels}
    encoder, _, _ = encoder_of(frame, kinds)
    assert encoder.n_num == (len(kinds) if kind == "numeric" else 0)
    pandas.testing.assert_frame_equal(there_and_back(frame, kinds), frame, check_exact=True)


def test_features_are_as_many_as_the_encoder_says():
    encoder, columns, _ = encoder_of(mixed_frame())
    batch = encoder.encode(columns, rng())
    assert batch.num.shape == (400, encoder.n_num) and batch.num.dtype == torch.float32
    assert batch.cat.shape == (400, len(encoder.n_levels)) and batch.cat.dtype == torch.int64
    assert (batch.cat.amax(dim=0) < torch.tensor(encoder.n_levels)).all()
    assert batch.cat.amin() == 0
    assert torch.isfinite(batch.num).all()


def test_unobserved_scores_are_flagged_and_only_if_there_are_any():
    frame = pd.DataFrame({"x": rng().normal(size=50), "y": rng(1).normal(size=50)})
    encoder, columns, _ = encoder_of(frame)
    assert encoder.encode(columns, rng()).observed is None
    frame.loc[3:9, "y"] = np.nan
    encoder, columns, _ = encoder_of(frame)
    observed = encoder.encode(columns, rng()).observed
    assert observed.all(dim=0).tolist() == [True, False]
    assert torch.nonzero(~observed[:, 1]).flatten().tolist() == list(range(3, 10))


def test_a_table_without_numbers_or_without_levels_or_without_either():
    for frame, shape in (
        (pd.DataFrame({"s": ["a", "b"]}), (0, [2])),
        (pd.DataFrame({"x": rng().normal(size=30)}), (1, [])),
        (pd.DataFrame({"c": ["a", "a"]}), (0, [])),
    ):
        encoder, columns, _ = encoder_of(frame)
        assert (encoder.n_num, encoder.n_levels) == shape
        batch = encoder.encode(columns, rng())
        assert batch.observed is None and len(batch) == len(frame)
        pandas.testing.assert_frame_equal(there_and_back(frame), frame)


def test_decoded_noise_could_have_been_in_the_table():
    frame = mixed_frame()
    encoder, columns, template = encoder_of(frame)
    batch = encoder.encode(columns, rng())
    draw = torch.Generator().manual_seed(0)
    noise = type(batch)(
        torch.randn(2000, encoder.n_num, generator=draw),
        torch.stack([torch.randint(k, (2000,), generator=draw) for k in encoder.n_levels], dim=1),
    )
    out = template.rebuild(encoder.decode(noise, rng()))
    assert out.dtypes.equals(frame.dtypes) and len(out) == 2000
    for name in frame.columns:
        assert out[name].isna().any() == frame[name].isna().any()
        if name not in ("city", "country", "member"):
            assert out[name].min() >= frame[name].min() and out[name].max() <= frame[name].max()
    assert (out["visits"].dropna() % 10_000 == 0).all()
    assert set(out["city"].dropna()) == set(frame["city"].dropna())
    assert out["seen"].nunique() > 900


def test_no_rows_can_be_decoded():
    encoder, columns, template = encoder_of(mixed_frame())
    batch = encoder.encode(columns, rng())
    out = template.rebuild(encoder.decode(batch[:0], rng()))
    assert out.shape == (0, 12) and out.dtypes.equals(mixed_frame().dtypes)


def test_the_encoder_keeps_no_cells_beside_its_codecs():
    encoder, _, _ = encoder_of(mixed_frame())
    assert all(len(template) == 0 and template.values.base is None for template in encoder.templates)


# --- other frames with the same columns ---------------------------------------------------------------------


def assert_encoded_alike(encoder, a, b):
    x, y = (encoder.encode(frames.read(data)[0], rng()) for data in (a, b))
    assert torch.equal(x.num, y.num) and torch.equal(x.cat, y.cat)


def test_levels_are_aligned_by_their_names():
    fitted = pd.DataFrame(
        {"x": ["b", "c", "a", "b"], "y": pd.Categorical(list("pqpq"), ["q", "p"], ordered=True)}
    )
    encoder, _, _ = encoder_of(fitted)
    other = pd.DataFrame({"x": ["c", "b"], "y": pd.Categorical(list("qp"), ["p", "q"], ordered=True)})
    columns, _ = frames.read(other)
    decoded = encoder.decode(encoder.encode(columns, rng()), rng())
    assert [column.levels for column in decoded] == [("a", "b", "c"), ("q", "p")]
    cells = [[column.describe(code) for code in column.values] for column in decoded]
    assert cells == [["c", "b"], ["q", "p"]]


def test_columns_read_from_another_library_are_encoded_alike():
    frame = mixed_frame(missing=False).drop(columns="size")
    encoder, _, _ = encoder_of(frame)
    assert_encoded_alike(encoder, frame, pl.from_pandas(frame))


def test_times_in_another_unit_are_encoded_alike():
    days = [dt.datetime(2024, 1, day) for day in range(1, 31)]
    frame = pl.DataFrame({"t": pl.Series(days, dtype=pl.Datetime("us")), "d": [d - days[0] for d in days]})
    other = frame.with_columns(pl.col("t").cast(pl.Datetime("ns")), pl.col("d").cast(pl.Duration("ms")))
    encoder, _, _ = encoder_of(frame, {"t": "categorical", "d": "numeric"})
    assert_encoded_alike(encoder, frame, other)


def test_integers_that_became_floats_by_a_missing_cell_are_encoded_as_integers():
    draw = pd.DataFrame({"x": pd.array([1, None, 3, 3] * 10, dtype="Int64"), "y": range(40)})
    encoder, _, _ = encoder_of(draw)
    assert_encoded_alike(encoder, draw, draw.astype(float))


def test_a_column_without_any_cell_is_encoded_as_missing():
    encoder, _, _ = encoder_of(pd.DataFrame({"x": ["a", None, "b"], "t": [pd.Timestamp("2020"), None, None]}))
    columns, _ = frames.read(pd.DataFrame({"x": [None, None], "t": [None, None]}))
    decoded = encoder.decode(encoder.encode(columns, rng()), rng())
    assert all(column.missing.all() for column in decoded)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"city": ["Oslo", "Lima"]},
            r"'city' has values unseen in fit: \['Lima'\]\. Known: \['Oslo', 'Paris'\]",
        ),
        ({"city": ["Oslo", None]}, "'city' has 1 missing values but had none in fit"),
        ({"city": [1, 2]}, "'city' holds int cells such as 1, but held label cells in fit"),
        ({"flag": [0, 1]}, "'flag' holds int cells such as 0, but held bool cells in fit"),
        ({"kids": [1.5, 2.0]}, "'kids' holds float cells such as 1.5, but held int cells in fit"),
        ({"kids": [1, 7]}, r"'kids' has values unseen in fit: \[7\]"),
        ({"day": [0, 1]}, "'day' holds int cells such as 0, but held datetime cells in fit"),
        ({"same": ["x", "y"]}, r"'same' has values unseen in fit: \['y'\]. Known: \['x'\]"),
        ({"day": pd.to_datetime(["2020", "2021"])}, r"unseen in fit: \[.*datetime64\('2021-01-01"),
    ],
)
def test_cells_that_fit_did_not_see_are_refused(change, message):
    days = pd.to_datetime(["2020", "2022"])
    frame = pd.DataFrame(
        {"city": ["Oslo", "Paris"], "flag": [True, False], "kids": [1, 2], "day": days, "same": ["x", "x"]}
    )
    encoder, _, _ = encoder_of(frame)
    columns, _ = frames.read(frame.assign(**change))
    with pytest.raises(SchemaError, match=message):
        encoder.encode(columns, rng())


@pytest.mark.parametrize("names", [["b", "a"], ["a"], ["a", "b", "c"], ["a", "B"]])
def test_other_columns_are_refused(names):
    encoder, _, _ = encoder_of(pd.DataFrame({"a": [1, 2], "b": [1, 2]}))
    columns, _ = frames.read(pd.DataFrame({name: [1, 2] for name in names}))
    with pytest.raises(SchemaError, match=r"Expected \['a', 'b'\], got \["):
        encoder.encode(columns, rng())


def test_schema_kinds_are_honoured():
    frame = pd.DataFrame({"few": [1, 2] * 100, "many": np.arange(200) * 3})
    assert [c.kind for c in infer_schema(frames.read(frame)[0]).columns] == [Kind.CATEGORICAL, Kind.NUMERIC]
    assert encoder_of(frame)[0].n_levels == [2]
    encoder, _, _ = encoder_of(frame, {"few": "numeric", "many": "categorical"})
    assert (encoder.n_num, encoder.n_levels) == (1, [200])


# --- cells that are given -----------------------------------------------------------------------------------


def test_known_cells_are_the_encoded_ones():
    frame = mixed_frame()
    encoder, columns, _ = encoder_of(frame)
    known = rng().random((400, 12)) < 0.5
    given = encoder.encode_known(columns, known, rng())
    batch = encoder.encode(columns, None)
    feature_of = [(i, codec.n_num, len(codec.n_levels)) for i, codec in enumerate(encoder.codecs)]
    num = np.stack([known[:, i] for i, n, _ in feature_of for _ in range(n)], axis=1)
    cat = np.stack([known[:, i] for i, _, n in feature_of for _ in range(n)], axis=1)
    np.testing.assert_array_equal(given.num.numpy(), num & batch.observed.numpy())
    np.testing.assert_array_equal(given.cat.numpy(), cat)
    assert (given.rows.cat == batch.cat)[given.cat].all()
    untied = encoder.encode_known(columns, known, None).rows.num
    assert (untied == batch.num)[given.num].all()


def test_cells_that_are_not_known_may_hold_anything():
    frame = pd.DataFrame({"x": [1.5, 2.5, 7.0], "city": ["a", "b", "a"], "flag": [True, False, True]})
    encoder, _, _ = encoder_of(frame)
    odd = pd.DataFrame({"x": ["what", "?", "!"], "city": ["a", None, "new"], "flag": [None, True, None]})
    columns, _ = frames.read(odd)
    known = np.array([[False, True, False], [False, False, True], [False, True, True]])
    given = encoder.encode_known(columns, known, rng())
    assert given.num.tolist() == [[False]] * 3
    # a new label and a missing cell where fit saw none are not known either
    assert given.cat.tolist() == [[True, False], [False, True], [False, False]]
    assert given.rows.cat[0, 0] == 0 and given.rows.cat[1, 1] == 1
    with pytest.raises(SchemaError, match="'x' holds label cells such as 'what'"):
        encoder.encode_known(columns, np.ones((3, 3), dtype=bool), rng())


def test_a_known_state_is_known_without_a_number():
    frame = pd.DataFrame({"x": [0.0] * 20 + [np.nan] * 5 + list(rng().normal(size=25))})
    encoder, columns, _ = encoder_of(frame)
    given = encoder.encode_known(columns, np.ones((50, 1), dtype=bool), rng())
    assert given.cat.all()
    assert given.num[:, 0].tolist() == [False] * 25 + [True] * 25
    assert encoder.missing_levels() == [(0, 2)]


def test_columns_without_any_cell_come_back_empty():
    frame = pd.DataFrame(
        {
            "a": pd.Series([None] * 30, dtype=object),
            "b": np.nan,
            "c": pd.array([None] * 30, dtype="Int64"),
            "d": pd.Series([pd.NaT] * 30, dtype="datetime64[ns]"),
            "e": pd.Categorical([None] * 30, ["x", "y"]),
            "f": np.arange(30.0) / 7,
        }
    )
    encoder, _, _ = encoder_of(frame)
    assert (encoder.n_num, encoder.n_levels) == (1, [])
    assert [spec.kind for spec in encoder.schema.columns] == ["empty"] * 5 + ["numeric"]
    pandas.testing.assert_frame_equal(there_and_back(frame), frame, check_exact=True)
