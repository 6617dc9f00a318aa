"""Templates survive a file: names, dtypes and ways to be missing; labels that are withheld do not."""

import contextlib
import datetime as dt
import decimal
import json
import uuid
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from containers import FRAMES, as_array, mixed_table, signature, with_times
from hypothesis import given, settings
from hypothesis import strategies as st

from tabdiff import frames
from tabdiff.errors import StorageError
from tabdiff.frames import RowTemplate
from tabdiff.frames.saved import SCALARS, template_from_plain, template_to_plain
from tabdiff.storage.packing import Packer
from tabdiff.storage.scalars import Tagged

PACKER = Packer(scalars=[Tagged(tag, *scalar) for tag, scalar in SCALARS.items()])


def written(plain):
    data, tensors = PACKER.pack(plain)
    return json.dumps(data, allow_nan=False), tensors


def through_a_file(plain):
    text, tensors = written(plain)
    return PACKER.unpack(json.loads(text), tensors)


def read_back(template, withheld=None):
    return template_from_plain(through_a_file(template_to_plain(template, withheld)))


# every dtype of every library is read back in tests/test_frames.py


@pytest.mark.parametrize("maker", FRAMES.values(), ids=FRAMES.keys())
def test_the_kind_of_frame_survives(maker):
    frame = maker(with_times(mixed_table()))
    columns, template = frames.read(frame)
    assert signature(read_back(template).rebuild(columns)) == signature(frame)


@pytest.mark.parametrize("maker", [*FRAMES.values(), as_array], ids=[*FRAMES, "array"])
def test_the_same_frame_is_the_same_text(maker):
    one, other = (written(template_to_plain(frames.read(maker(mixed_table(seed=7)))[1])) for _ in range(2))
    assert one[0] == other[0]
    assert one[1].keys() == other[1].keys()


def test_no_cell_is_written():
    frame = pd.DataFrame({"n": [123456789, 1], "t": ["secret word", "b"], "o": [None, "hidden"]})
    for data in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame), frame.to_numpy()):
        text, tensors = written(template_to_plain(frames.read(data)[1]))
        assert not tensors and not any(cell in text for cell in ("123456789", "secret", "hidden"))


def test_lists_of_rows_come_back_as_lists():
    columns, template = frames.read(np.array([[1, "a"], [None, "b"]], dtype=object))
    read = read_back(RowTemplate(template))
    assert isinstance(read, RowTemplate)
    assert read.rebuild(columns) == [[1, "a"], [None, "b"]]


NAMES = {
    "strings": pd.Index(["a", "ä"]),
    "old strings": pd.Index(["a", "b"], dtype=object, name="n"),
    "numbers": pd.Index([3, -1], name=("a", 1)),
    "floats": pd.Index([0.5, 2.0]),
    "positions": pd.RangeIndex(2),
    "positions with steps": pd.RangeIndex(5, 1, -2, name="x"),
    "booleans": pd.Index([True, False]),
    "anything": pd.Index(
        [
            *(("a", 1), None, 3, "b", dt.date(2020, 1, 1), pd.Timestamp("2020", tz="Europe/Vienna")),
            *(uuid.UUID(int=1), decimal.Decimal("1.5"), b"x", frozenset({1}), pd.Interval(0, 1)),
            *(pd.Period("2020-01"), 2**70),
        ],
        dtype=object,
        tupleize_cols=False,
    ),
    "hours": pd.date_range("2020-10-24", periods=3, freq="6h", tz="Europe/Vienna"),
    "pairs": pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["u", None]),
    "dates": pd.date_range("2020", periods=2),
    "dates with zone": pd.DatetimeIndex(["2020-10-25 01:30", "2020-01-01"], tz="Europe/Vienna", name="t"),
    "durations": pd.to_timedelta([1, 5], unit="h"),
    "periods": pd.period_range("2020", periods=2, freq="M"),
    "intervals": pd.interval_range(0, 2),
    "intervals of dates": pd.interval_range(pd.Timestamp("2020"), periods=2, closed="left"),
    "categories": pd.CategoricalIndex(["b", "a"], categories=["b", "c", "a"], ordered=True, name="k"),
    "nullable": pd.Index([1, 2], dtype="Int64"),
    "nullable strings": pd.Index(["a", "b"], dtype="string"),
    "arrow": pd.Index(["a", "b"], dtype=pd.ArrowDtype(pa.string())),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES.keys())
def test_names_of_every_kind_survive(names):
    frame = pd.DataFrame(np.ones((2, len(names))), columns=names)
    columns, template = frames.read(frame)
    pd.testing.assert_frame_equal(read_back(template).rebuild(columns), frame)


@pytest.mark.parametrize(
    "levels",
    [
        ["b", "a"],
        [3, 1, 2],
        [0.5, 0.1],
        [True, False],
        [("a", 1), ("b", 2)],
        ["a", 1, None.__class__],
        pd.to_datetime(["2020", "1999"]),
        pd.to_datetime(["2020", "1999"]).tz_localize("Europe/Vienna").as_unit("s"),
        pd.to_timedelta([3, 1], unit="s"),
        pd.interval_range(0.0, 3.0),
        pd.period_range("2020", periods=2, freq="D"),
        pd.Index(["b", "a"], dtype="string"),
        pd.Index([2, 1], dtype="Int8"),
        pd.Index(["b", "a"], dtype=object),
    ],
    ids=str,
)
@pytest.mark.parametrize("ordered", [False, True])
def test_categories_of_every_kind_survive(levels, ordered):
    if isinstance(levels, list) and type(None) in levels:
        levels = pd.Index(["a", 1], dtype=object)
    levels = pd.Index(levels, tupleize_cols=False)
    cells = pd.Categorical.from_codes([0, 1, -1], categories=levels, ordered=ordered)
    frame = pd.DataFrame({"x": cells})
    columns, template = frames.read(frame)
    pd.testing.assert_frame_equal(read_back(template).rebuild(columns), frame)


@pytest.mark.parametrize(
    "zone",
    [
        zoneinfo.ZoneInfo("Asia/Kolkata"),
        dt.UTC,
        dt.timezone(dt.timedelta(minutes=-90)),
        "UTC",
        "America/Lima",
    ],
    ids=str,
)
def test_time_zones_survive(zone):
    frame = pd.DataFrame({"t": pd.to_datetime(["2020-01-01", None]).tz_localize(zone)})
    columns, template = frames.read(frame)
    out = read_back(template).rebuild(columns)
    pd.testing.assert_frame_equal(out, frame)
    assert out["t"].dt.tz == frame["t"].dt.tz


def test_own_categories_of_polars_survive():
    own = pl.Categories("cities", "shop", pl.UInt8)
    frame = pl.DataFrame({"x": pl.Series(["a", None, "b"], dtype=pl.Categorical(own))})
    columns, template = frames.read(frame)
    out = read_back(template).rebuild(columns)
    assert out.schema == frame.schema and out["x"].to_list() == ["a", None, "b"]


def test_arrow_schemas_keep_nullability_order_and_metadata():
    kind = pa.dictionary(pa.int16(), pa.large_string(), ordered=True)
    fields = [pa.field("a", pa.int64(), nullable=False, metadata={b"\xff": b"\x00"}), pa.field("b", kind)]
    schema = pa.schema(fields, metadata={"owner": "me"})
    table = pa.table(
        [pa.array([1, 2]), pa.array(["x", None]).cast(pa.large_string()).cast(kind)], schema=schema
    )
    columns, template = frames.read(table)
    out = read_back(template).rebuild(columns)
    assert out.schema.equals(schema, check_metadata=True)


# --- privacy ------------------------------------------------------------------------------------------------


def withheld_cases():
    declared = ["Linz", "Rare Street 5", "Wien", "unused"]
    frame = pd.DataFrame(
        {"n": [1.0, 2, 3], "city": pd.Categorical(["Linz", "Rare Street 5", "Wien"], declared)}
    )
    polar = pl.DataFrame({"n": [1.0, 2, 3], "city": pl.Series(declared[:3], dtype=pl.Enum(declared))})
    return [frame, polar]


@pytest.mark.parametrize("frame", withheld_cases(), ids=["pandas", "polars"])
def test_withheld_labels_are_nowhere_in_the_file_and_the_others_stay(frame):
    columns, template = frames.read(frame)
    assert "Rare Street 5" in str(written(template_to_plain(template)))
    plain = template_to_plain(template, {1: {"Rare Street 5"}})
    text, tensors = written(plain)
    assert "Rare" not in text and not any(b"Rare" in array.tobytes() for array in tensors.values())
    city = columns[1]
    kept = city.with_cells(np.array([0, 2, 0]), np.array([False, False, True]))
    out = template_from_plain(through_a_file(plain)).rebuild([columns[0], kept])
    cells = out["city"].tolist() if isinstance(out, pd.DataFrame) else out["city"].to_list()
    assert [None if cell != cell else cell for cell in cells] == ["Linz", "Wien", None]
    dtype = out["city"].dtype
    levels = dtype.categories.tolist() if isinstance(out, pd.DataFrame) else dtype.categories.to_list()
    assert levels == ["Linz", "Wien", "unused"]
    assert template.rebuild(columns)["city"].dtype == frame["city"].dtype  # the template itself is as it was


def test_withheld_labels_may_be_of_any_kind():
    times = pd.to_datetime(["2020", "1999", "1950"])
    frame = pd.DataFrame({"t": pd.Categorical(times, times), "i": pd.Categorical([3, 2, 1], [1, 2, 3])})
    columns, template = frames.read(frame)
    read = read_back(template, {0: set(columns[0].levels[:1]), 1: {2}})
    assert read.empty["t"].dtype.categories.tolist() == list(times[:2])
    assert read.empty["i"].dtype.categories.tolist() == [1, 3]


# --- what is refused ----------------------------------------------------------------------------------------


def test_a_dtype_without_a_form_is_refused_with_its_column():
    zone = pytest.importorskip("dateutil.tz").tzlocal()
    frame = pd.DataFrame({"when": pd.Series(pd.to_datetime(["2020-01-01"])).dt.tz_localize(zone)})
    with pytest.raises(StorageError, match=r"column 'when': the time zone .* has no form in a saved model"):
        template_to_plain(frames.read(frame)[1])


PANDAS = template_to_plain(frames.read(pd.DataFrame({"a": [1], "b": pd.Categorical(["x"])}))[1])
POLARS = template_to_plain(frames.read(pl.DataFrame({"a": [1]}))[1])
TABLE = template_to_plain(frames.read(pa.table({"a": [1]}))[1])
ARRAY = template_to_plain(frames.read(np.ones((1, 2)))[1])
MALFORMED = [
    *(None, 1, [], {}, {"library": "os"}, {"library": "list", "array": None}, {"library": ["pandas"]}),
    {"library": "list", "array": {"library": "list", "array": ARRAY}},
    *(PANDAS | {"dtypes": PANDAS["dtypes"][:1]}, PANDAS | {"dtypes": ["O", "V8"]}),
    *(PANDAS | {"dtypes": ["i4,i4", "<i8"]}, PANDAS | {"dtypes": ["<i8", {"kind": "masked", "name": "x"}]}),
    PANDAS | {"columns": {"kind": "range", "of": [0, 10**12, 1], "name": None}},
    PANDAS | {"columns": {"kind": "range", "of": [0, 3, 1], "name": None}},
    PANDAS | {"columns": {"kind": "pickle", "name": None}},
    PANDAS | {"forms": [["int64", 5], [None, None]]},
    PANDAS | {"forms": [["list<int64>", None], [None, None]]},
    PANDAS | {"forms": []},
    *(POLARS | {"dtypes": ["Object"]}, POLARS | {"dtypes": ["read_csv"]}, POLARS | {"names": ["a", "b"]}),
    *(POLARS | {"dtypes": [{"kind": "Struct"}]}, POLARS | {"dtypes": [{"kind": "Datetime", "unit": "y"}]}),
    *(
        TABLE | {"fields": [["a", "list<int64>", True, None]]},
        TABLE | {"fields": []},
        TABLE | {"metadata": 3},
    ),
    TABLE | {"library": "pyarrow.NativeFile"},
    *(ARRAY | {"dtype": "V8"}, ARRAY | {"dtype": "f8,f8"}, ARRAY | {"forms": 3}),
]


@pytest.mark.parametrize("plain", MALFORMED, ids=range(len(MALFORMED)))
def test_what_does_not_describe_a_frame_is_refused(plain):
    with pytest.raises(StorageError, match="how to rebuild a frame"):
        template_from_plain(plain)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_description_that_was_tampered_with_is_read_or_refused(data):
    plain = json.loads(written(data.draw(st.sampled_from([PANDAS, POLARS, TABLE, ARRAY])))[0])
    node = plain
    while isinstance(node, dict | list) and node:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if data.draw(st.booleans()) or not isinstance(node[key], dict | list):
            node[key] = data.draw(st.none() | st.integers() | st.text(max_size=3) | st.just([]) | st.just({}))
            break
        node = node[key]
    with contextlib.suppress(StorageError):
        template_from_plain(PACKER.unpack(plain, {}))
