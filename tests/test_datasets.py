"""The shipped tables: published facts hold, and every library sees the same values."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tabdiff.datasets import Dataset, load_air_quality, load_credit_default, load_fraud

LOADERS = [load_fraud, load_credit_default, load_air_quality]
N_ROWS = {"fraud": 30_000, "credit_default": 30_000, "air_quality": 34_560}
FRAME_TYPES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}
COLUMN_TYPES = {"pandas": pd.Series, "polars": pl.Series, "pyarrow": pa.ChunkedArray}


@pytest.fixture(params=LOADERS, ids=lambda loader: loader.__name__)
def load(request):
    return request.param


@pytest.fixture(params=list(FRAME_TYPES))
def library(request):
    return request.param


def as_lists(frame):
    """A frame of any of the three libraries as a dict of plain Python lists, None where a cell is missing."""
    if isinstance(frame, pa.Table):
        return frame.to_pydict()
    if isinstance(frame, pl.DataFrame):
        return frame.to_dict(as_series=False)
    return {name: as_list(frame[name]) for name in frame.columns}


def as_list(column):
    """A column of any of the three libraries as a plain Python list, None where a cell is missing."""
    if isinstance(column, pa.ChunkedArray):
        return column.to_pylist()
    return [None if value != value else value for value in column.to_list()]


def test_fraud_has_all_492_frauds_among_30_000_rows():
    frame = load_fraud().frame
    assert frame.shape == (30_000, 31)
    assert frame["Class"].value_counts().to_dict() == {0: 29_508, 1: 492}


def test_frauds_have_the_published_means():
    frauds = load_fraud().frame.query("Class == 1")
    assert round(frauds["Amount"].mean(), 4) == 122.2113
    assert round(frauds["V14"].mean(), 4) == -6.9717


def test_fraud_columns_are_the_published_ones_in_float64():
    frame = load_fraud().frame
    assert frame.columns.tolist() == ["Time", *(f"V{i}" for i in range(1, 29)), "Amount", "Class"]
    assert (frame.dtypes.drop("Class") == np.float64).all()
    assert frame["Class"].dtype == np.int64


def test_fraud_is_sorted_by_time_and_finite():
    frame = load_fraud().frame
    assert frame["Time"].is_monotonic_increasing
    assert np.isfinite(frame.to_numpy()).all()


def test_fraud_values_are_exactly_those_rounded_to_six_decimals():
    components = load_fraud().frame.filter(regex=r"^V\d+$")
    assert components.equals(components.round(6))


def test_legitimate_rows_do_not_repeat():
    frame = load_fraud().frame
    assert not frame[frame["Class"] == 0].duplicated().any()
    assert frame[frame["Class"] == 1].duplicated().sum() == 19


def test_fraud_description_tells_that_the_rate_is_not_natural():
    description = load_fraud().description
    assert "SUBSAMPLE" in description
    assert "1.64 %" in description and "not the natural 0.172 %" in description


def test_credit_default_has_6_636_defaults_among_30_000_rows():
    frame = load_credit_default().frame
    assert frame.shape == (30_000, 24)
    assert frame["default_next_month"].value_counts().to_dict() == {0: 23_364, 1: 6_636}


@pytest.mark.parametrize(
    ("column", "counts"),
    [
        ("SEX", {"male": 11_888, "female": 18_112}),
        (
            "EDUCATION",
            {
                "graduate school": 10_585,
                "university": 14_030,
                "high school": 4_917,
                "others": 123,
                "undocumented 0": 14,
                "undocumented 5": 280,
                "undocumented 6": 51,
            },
        ),
        ("MARRIAGE", {"married": 13_659, "single": 15_964, "others": 323, "undocumented 0": 54}),
    ],
)
def test_credit_default_codes_became_the_documented_words(column, counts):
    assert load_credit_default().frame[column].value_counts(sort=False).to_dict() == counts


def test_first_client_of_credit_default_is_the_published_one():
    first = load_credit_default().frame.iloc[0].tolist()
    status, bills, paid = [2, 2, -1, -1, -2, -2], [3913, 3102, 689, 0, 0, 0], [0, 689, 0, 0, 0, 0]
    assert first == [20_000, "female", "university", "married", 24, *status, *bills, *paid, 1]


@pytest.mark.parametrize("library", FRAME_TYPES)
def test_credit_default_has_three_categories_and_integers_otherwise(library):
    frame = load_credit_default(library).frame
    types = frame.schema.types if library == "pyarrow" else list(frame.dtypes)
    is_category = {
        "pandas": lambda t: isinstance(t, pd.CategoricalDtype),
        "polars": lambda t: t == pl.Categorical,
        "pyarrow": pa.types.is_dictionary,
    }[library]
    names = frame.column_names if library == "pyarrow" else list(frame.columns)
    categories = [name for name, t in zip(names, types, strict=True) if is_category(t)]
    others = {str(t).lower() for t in types if not is_category(t)}
    assert categories == ["SEX", "EDUCATION", "MARRIAGE"]
    assert others == {"int64"}


@pytest.fixture(scope="module")
def air():
    return load_air_quality().frame


def test_air_quality_has_every_hour_of_120_days_of_12_stations(air):
    hours = pd.date_range("2016-11-01", "2017-02-28 23:00", freq="h")
    assert air.shape == (34_560, 14) and len(hours) == 2_880
    by_station = air.groupby("station", observed=True)["time"]
    assert by_station.ngroups == 12 and air["station"].is_monotonic_increasing
    assert all((times.to_numpy() == hours.to_numpy()).all() for _, times in by_station)


def test_last_hour_of_air_quality_is_the_published_one(air):
    last = air[air["station"] == "Aotizhongxin"].iloc[-1]
    names = ["PM2.5", "PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "RAIN", "wd", "WSPM"]
    published = [19, 31, 10, 79, 600, 42, 8.6, 1014.1, -15.9, 0, "NNE", 1.3]
    assert last[names].tolist() == published and last["time"] == pd.Timestamp("2017-02-28 23:00")


def test_air_quality_keeps_its_missing_cells(air):
    missing = air.isna().sum()
    assert missing["PM2.5"] == 371 and missing["wd"] == 626 and missing["CO"] == 685
    assert missing[["station", "time"]].sum() == 0
    # the number that its description states
    assert missing.sum() == 3_823 and "3,823 cells" in load_air_quality().description


@pytest.mark.parametrize("library", FRAME_TYPES)
def test_air_quality_has_times_categories_and_numbers(library):
    frame = load_air_quality(library).frame
    types = frame.schema.types if library == "pyarrow" else list(frame.dtypes)
    names = frame.column_names if library == "pyarrow" else list(frame.columns)
    kinds = [str(each).lower() for each in types]
    category = {"pandas": "category", "polars": "categorical", "pyarrow": "dictionary"}[library]
    moment = "timestamp" if library == "pyarrow" else "datetime"
    assert [n for n, kind in zip(names, kinds, strict=True) if kind.startswith(category)] == ["station", "wd"]
    assert [n for n, kind in zip(names, kinds, strict=True) if kind.startswith(moment)] == ["time"]
    assert sum(kind in ("float64", "double") for kind in kinds) == 11


def test_every_library_gives_its_own_kind_of_frame(load, library):
    dataset = load(library)
    assert isinstance(dataset, Dataset)
    assert type(dataset.frame) is FRAME_TYPES[library]


@pytest.mark.parametrize("other", ["polars", "pyarrow"])
def test_every_library_gives_the_same_values(load, other):
    assert as_lists(load(other).frame) == as_lists(load("pandas").frame)


def test_pandas_frame_has_a_plain_index(load):
    dataset = load()
    assert dataset.frame.index.equals(pd.RangeIndex(N_ROWS[dataset.name]))


def test_X_and_y_split_the_frame(load, library):
    dataset = load(library)
    whole = as_lists(dataset.frame)
    assert type(dataset.X) is FRAME_TYPES[library]
    assert type(dataset.y) is COLUMN_TYPES[library]
    assert {**as_lists(dataset.X), dataset.target: as_list(dataset.y)} == whole
    assert dataset.target not in as_lists(dataset.X)


def test_return_X_y_gives_the_properties(load, library):
    dataset = load(library)
    X, y = load(library, return_X_y=True)
    assert X.equals(dataset.X)
    assert y.equals(dataset.y)


@pytest.mark.parametrize("value", ["spark", "Pandas", None, ["pandas"]])
def test_unknown_library_is_named_with_the_options(load, value):
    with pytest.raises(ValueError, match="Unknown library") as caught:
        load(value)
    assert repr(value) in str(caught.value)
    assert all(repr(name) in str(caught.value) for name in FRAME_TYPES)


@pytest.mark.parametrize(
    ("load", "licence", "cited"),
    [
        (load_fraud, "DbCL 1.0", "Calibrating Probability with Undersampling"),
        (load_credit_default, "CC BY 4.0", "10.1016/j.eswa.2007.12.020"),
        (load_air_quality, "CC BY 4.0", "10.1098/rspa.2017.0457"),
    ],
)
def test_licence_and_citation_travel_with_the_table(load, licence, cited):
    dataset = load()
    assert dataset.licence == licence
    assert cited in dataset.citation
    assert dataset.source.startswith("https://")
    assert dataset.name == load.__name__.removeprefix("load_")


def test_changed_frame_does_not_leak_into_the_next_load(load):
    first = load().frame
    kept = first.iloc[0, -2]
    first.iloc[0, -2] = kept + 1
    del first[first.columns[-1]]
    second = load().frame
    assert second.iloc[0, -2] == kept
    assert second.shape[1] == first.shape[1] + 1


def test_dataset_is_frozen_and_prints_in_one_line(load):
    dataset = load()
    with pytest.raises(AttributeError):
        dataset.target = "Amount"
    assert "\n" not in repr(dataset) and len(repr(dataset)) < 100
