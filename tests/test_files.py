"""Tables on disk keep their cells and types, and broken ones are refused in words."""

import datetime as dt
import gzip
import io
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from tabdiff.errors import InputError
from tabdiff.files import TableWriter, format_of, read_table, to_arrow


def read_text(tmp_path, text, like=None, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, like=like)


def write(path, *tables, **options):
    with TableWriter(path, **options) as writer:
        for table in tables:
            writer.write(table)


ROWS = pa.table(
    {
        "number": pa.array([1.5, None, -2.25]),
        "whole": pa.array([1, 2, None], pa.int32()),
        "truth": pa.array([True, None, False]),
        "text": pa.array(["a", 'b "c", d', None]),
        "level": pa.array(["x", None, "y"]).dictionary_encode(),
        "day": pa.array([dt.date(2024, 2, 29), None, dt.date(1900, 1, 1)]),
        "time": pa.array([1, None, 3], pa.timestamp("us")),
        "zoned": pa.array([1, None, 3], pa.timestamp("ms", "Europe/Oslo")),
        "span": pa.array([1, None, 3], pa.duration("s")),
        "clock": pa.array([1, None, 3], pa.time32("ms")),
        "exact": pa.array([Decimal("1.10"), None, Decimal("-2.00")]),
    }
)


# --- CSV: what a column is ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "", "-3"], pa.int64(), [1, None, -3]),
        (["1", "NA", "3"], pa.int64(), [1, None, 3]),
        (["1", "2.5", "1e-3"], pa.float64(), [1.0, 2.5, 0.001]),
        ([" 1", "2 ", "nan"], pa.int64(), [1, 2, None]),
        (["true", "False", ""], pa.bool_(), [True, False, None]),
        (["0", "1", "1"], pa.int64(), [0, 1, 1]),
        (["2024-02-29", "", "1999-12-31"], pa.date32(), [dt.date(2024, 2, 29), None, dt.date(1999, 12, 31)]),
        (["2024-01-01T10:30", "2024-01-01", ""], pa.timestamp("s"), None),
        (["2024-01-01 10:30:00.25", "2024-01-01 10:30:00", ""], pa.timestamp("ms"), None),
        (["2024-01-01 10:30:00.123456789", "", ""], pa.timestamp("ns"), None),
        (["2024-01-01T10:30:00Z", "2024-01-01T10:30:00+02:00", ""], pa.timestamp("s", "UTC"), None),
        (["", "", ""], pa.null(), [None] * 3),
        # codes, which as numbers would not come back as they were
        (["0123", "4567", "89"], pa.string(), ["0123", "4567", "89"]),
        (["+4912", "13", "14"], pa.string(), ["+4912", "13", "14"]),
        (["12345678901234567890", "1", "2"], pa.string(), ["12345678901234567890", "1", "2"]),
        (["007.5", "1.5", "2"], pa.string(), ["007.5", "1.5", "2"]),
        # texts: a word that means missing among numbers is a word among words
        (["NA", "DE", ""], pa.string(), ["NA", "DE", None]),
        (["NA", "NA", "NA"], pa.string(), ["NA", "NA", "NA"]),
        (["2024-13-01", "2024-01-01", ""], pa.string(), ["2024-13-01", "2024-01-01", None]),
        (["yes", "no", "1"], pa.string(), ["yes", "no", "1"]),
    ],
)
def test_the_cells_of_a_csv_column_say_what_it_is(tmp_path, cells, kind, values):
    column = read_text(tmp_path, "row,it\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))["it"]
    assert column.type == kind
    if values is not None:
        assert column.to_pylist() == values


def test_one_late_cell_decides_for_the_whole_column(tmp_path):
    numbers = "\n".join(map(str, range(300_000)))
    assert read_text(tmp_path, f"code\n{numbers}\n00x\n")["code"].type == pa.string()
    assert read_text(tmp_path, f"code\n{numbers}\n\n1.5\n")["code"].type == pa.float64()


def test_times_with_zones_are_read_as_utc(tmp_path):
    table = read_text(tmp_path, "t,x\n2024-01-01T10:30:00+02:00,1\n")
    assert table["t"].cast(pa.timestamp("s", "UTC"))[0].as_py() == dt.datetime(
        2024, 1, 1, 8, 30, tzinfo=dt.UTC
    )


def test_types_that_are_known_are_used_where_the_cells_allow_them(tmp_path):
    text = "zip,n,flag,price,size,other\n12,1,1,3,S,1\n345,2.5,0,4,L,2\n"
    like = pa.schema(
        {
            "zip": pa.string(),
            "n": pa.int64(),
            "flag": pa.bool_(),
            "price": pa.float32(),
            "size": pa.dictionary(pa.int8(), pa.string()),
        }
    )
    table = read_text(tmp_path, text, like)
    assert table.schema.types == [
        pa.string(),
        pa.float64(),
        pa.bool_(),
        pa.float32(),
        pa.string(),
        pa.int64(),
    ]
    assert table["zip"].to_pylist() == ["12", "345"]
    assert table["flag"].to_pylist() == [True, False]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a;b\n1,5;2\n", ["a", "b"]),
        ("a\tb\n1\t2\n", ["a", "b"]),
        ('"a;x",b\n1,2\n', ["a;x", "b"]),
        ("\ufeffa,b\n1,2\n", ["a", "b"]),
        ('"two\nlines",b\n1,2\n', ["two\nlines", "b"]),
    ],
)
def test_delimiters_marks_and_quotes_of_a_header(tmp_path, text, names):
    assert read_text(tmp_path, text).column_names == names


def test_quoted_cells_may_hold_anything(tmp_path):
    table = read_text(tmp_path, 'a,b\n"x, ""y""\nz",1\n"",2\n')
    assert table.to_pydict() == {"a": ['x, "y"\nz', None], "b": [1, 2]}


# --- there and back -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.arrows", "t.feather", "parts/"])
def test_typed_formats_keep_cells_and_types(tmp_path, name):
    path = f"{tmp_path}/{name}"
    write(path, ROWS, ROWS.slice(1))
    back = read_table(path)
    assert back.schema.equals(ROWS.schema)
    assert back.to_pylist() == ROWS.to_pylist() + ROWS.slice(1).to_pylist()


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv"])
def test_csv_keeps_the_cells_and_with_known_types_the_types(tmp_path, name):
    write(tmp_path / name, ROWS, ROWS)
    back = read_table(tmp_path / name, like=ROWS.schema)
    plain = ROWS.set_column(4, "level", ROWS["level"].cast(pa.string()))
    assert back.schema.equals(plain.schema)
    assert back.to_pylist() == plain.to_pylist() * 2
    guessed = read_table(tmp_path / name)
    assert guessed["day"].type == pa.date32()
    assert guessed["time"].cast(pa.timestamp("us")).to_pylist() == ROWS["time"].to_pylist() * 2
    assert guessed["zoned"].to_pylist() == ROWS["zoned"].to_pylist() * 2
    if name.endswith(".gz"):
        assert gzip.decompress((tmp_path / name).read_bytes()).startswith(b'"number"')


def test_a_csv_of_one_column_keeps_its_missing_cells(tmp_path):
    table = pa.table({"a": [1, None, 3, None]})
    write(tmp_path / "t.csv", table)
    assert read_table(tmp_path / "t.csv").equals(table)


def test_nan_is_missing_in_csv(tmp_path):
    write(tmp_path / "t.csv", pa.table({"a": [1.5, float("nan")], "b": [1, 2]}))
    assert read_table(tmp_path / "t.csv")["a"].to_pylist() == [1.5, None]


def test_levels_that_come_late_join_an_arrow_file(tmp_path):
    first, second = (
        pa.table({"a": pa.array(cells).dictionary_encode()}) for cells in (["x", "y"], ["z", "x"])
    )
    write(tmp_path / "t.arrow", first, second)
    assert read_table(tmp_path / "t.arrow")["a"].to_pylist() == ["x", "y", "z", "x"]


def test_each_batch_is_a_row_group_or_a_part(tmp_path):
    write(tmp_path / "t.parquet", ROWS, ROWS, ROWS)
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 3
    write(f"{tmp_path}/parts/", ROWS, ROWS)
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]


@pytest.mark.parametrize("format", ["csv", "parquet", "arrow"])
def test_streams_carry_every_format(format):
    pipe = io.BytesIO()
    table = ROWS.select(["number", "text", "day"])
    write("-", table, table, format=format, stdout=pipe)
    assert not pipe.closed
    back = read_table("-", format, stdin=io.BytesIO(pipe.getvalue()))
    assert back.to_pylist() == table.to_pylist() * 2


def test_a_feather_file_of_pandas_is_read_without_its_index(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3]}).iloc[1:]
    frame.to_parquet(tmp_path / "t.parquet")
    pyarrow.feather.write_feather(frame, str(tmp_path / "t.feather"))
    for name in ("t.parquet", "t.feather"):
        table = read_table(tmp_path / name)
        assert table.to_pydict() == {"a": [2, 3]}
        assert table.to_pandas().index.tolist() == [0, 1]


def test_an_index_with_a_name_is_a_column(tmp_path):
    pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="id")).to_parquet(tmp_path / "t.parquet")
    assert set(read_table(tmp_path / "t.parquet").column_names) == {"a", "id"}


# --- whole or not at all ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.arrow", "parts/"])
def test_an_error_leaves_nothing_new_and_the_old_as_it_was(tmp_path, name):
    path = f"{tmp_path}/{name}"
    if not name.endswith("/"):
        (tmp_path / name).write_text("old")
    with pytest.raises(KeyboardInterrupt), TableWriter(path) as writer:
        writer.write(ROWS)
        raise KeyboardInterrupt
    if name.endswith("/"):
        assert not list(tmp_path.iterdir())
    else:
        assert [each.name for each in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text() == "old"


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_half_a_stream_does_not_look_like_a_whole_one(format):
    pipe = io.BytesIO()
    with pytest.raises(KeyboardInterrupt), TableWriter("-", format, stdout=pipe) as writer:
        writer.write(ROWS)
        raise KeyboardInterrupt
    if format == "parquet":
        with pytest.raises(InputError, match="as parquet"):
            read_table("-", format, stdin=io.BytesIO(pipe.getvalue()))
    else:
        assert not pipe.getvalue().endswith(b"\xff\xff\xff\xff\x00\x00\x00\x00")


def test_a_full_file_replaces_the_old_one_only_at_the_end(tmp_path):
    (tmp_path / "t.csv").write_text("old")
    with TableWriter(tmp_path / "t.csv") as writer:
        writer.write(pa.table({"a": [1]}))
        assert (tmp_path / "t.csv").read_text() == "old"
    assert (tmp_path / "t.csv").read_text() == '"a"\n1\n'


def test_batches_of_other_columns_are_refused(tmp_path):
    with pytest.raises(InputError, match="other columns or types"):
        write(tmp_path / "t.parquet", pa.table({"a": [1]}), pa.table({"b": [1]}))
    assert not list(tmp_path.iterdir())


# --- refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"", "empty file"),
        ("t.parquet", b"", "empty file"),
        ("t.csv", b"a,b\n", "0 rows and 2 columns"),
        ("t.csv", b"a,b\n1,2\n3\n", "Expected 2 columns, got 1"),
        ("t.csv", b"a,a\n1,2\n", r"occur more than once: \['a'\]"),
        ("t.csv", b"a,b\nK\xf6ln,2\n", "not in UTF-8: byte 0xf6 at place 5"),
        ("t.csv", b"PAR1\x00\x00\x00", "zero bytes"),
        ("t.csv.gz", b"a,b\n1,2\n", "cannot read"),
        ("t.parquet", b"PAR1 and then nonsense PAR1", "as parquet"),
        ("t.arrow", b"ARROW1 and then nonsense", "as arrow"),
        ("t.feather", b"no such thing", "as arrow"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(tmp_path, name, content, words):
    with pytest.raises(InputError, match=words) as caught:
        read_text(tmp_path, content, name=name)
    assert name in str(caught.value)


def test_a_cut_parquet_file_is_refused(tmp_path):
    write(tmp_path / "t.parquet", ROWS)
    whole = (tmp_path / "t.parquet").read_bytes()
    with pytest.raises(InputError, match="damaged"):
        read_text(tmp_path, whole[: len(whole) // 2], name="t.parquet")


def test_missing_files_and_unknown_endings_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv.*No such file"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match=r"cannot tell the format of 'table\.xlsx'.*\.parquet"):
        read_table("table.xlsx")
    with pytest.raises(InputError, match="the standard input is empty"):
        read_table("-", stdin=io.BytesIO())
    with pytest.raises(InputError, match=r"holds no file '\*\.parquet'"):
        read_table(tmp_path)


def test_a_format_is_told_by_the_name_first():
    assert format_of("a.PARQUET", "csv") == "parquet"
    assert format_of("a.dat", "arrow") == "arrow"
    assert format_of("-") == "csv"
    assert format_of("a/b/") == "parquet"
    with pytest.raises(InputError, match="folders hold Parquet"):
        format_of("a/b/", "csv")


def test_places_that_cannot_be_written_are_refused_before_the_work(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        TableWriter(tmp_path / "no" / "t.csv")
    (tmp_path / "old.txt").write_text("")
    with pytest.raises(InputError, match="not an empty folder"):
        TableWriter(f"{tmp_path}/")


# --- frames of other libraries ------------------------------------------------------------------------------


def test_any_frame_becomes_the_same_arrow_table():
    cells = {"a": [1, 2], "b": ["x", None]}
    expected = pa.table(cells)
    for frame in (expected, expected.to_batches()[0], pd.DataFrame(cells), pl.DataFrame(cells)):
        table = to_arrow(frame)
        assert table.cast(expected.schema).equals(expected)
    assert to_arrow(np.array([[1.5, np.nan]])).to_pydict() == {"0": [1.5], "1": [None]}
    assert to_arrow(np.array([["x", 2]], dtype=object)).to_pydict() == {"0": ["x"], "1": [2]}


def test_objects_without_cells_are_written_as_texts():
    assert to_arrow(pd.DataFrame({"a": np.array([None], dtype=object)})).schema.types == [pa.string()]


def test_cells_of_no_common_type_are_refused():
    with pytest.raises(InputError, match="cannot write a DataFrame"):
        to_arrow(pd.DataFrame({"a": np.array([1, "x"], dtype=object)}))
