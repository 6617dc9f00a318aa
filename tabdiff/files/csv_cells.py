"""CSV to a pyarrow table: what the cells of each column are, told from all of them.

A column is read as whole numbers, numbers, booleans, dates or times only if that loses nothing of any cell.
Numbers with leading zeros, with a plus sign or beyond 64 bits are codes, and stay the texts they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from tabdiff.errors import InputError
from tabdiff.schema import unique_names

__all__ = ["read_csv"]

HEADER_BYTES = 1 << 20
HEAD_ROWS = 1000
# missing beside numbers, booleans and times; in a column of texts these are texts like others
MISSING_WORDS = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "none", "NaT")
WHOLE = r"^-?(0|[1-9][0-9]*)$"
NUMBER = r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?(inf|Inf|Infinity|infinity)$"
TRUTH = r"^(true|false|True|False|TRUE|FALSE)$"
TRUTH_OR_DIGIT = r"^(true|false|True|False|TRUE|FALSE|0|1)$"
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
TIME_OF_DAY = f"^{CLOCK}$"
TIME = f"{DATE[:-1]}([T ]{CLOCK})?$"
ZONED_TIME = f"{DATE[:-1]}[T ]{CLOCK}(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$"

Convert = Callable[[Any], Any]


def read_csv(open_source: Callable[[], Any], like: Any = None, what: str = "the file") -> Any:
    """Read a CSV file with a header as a `pyarrow.Table`.

    open_source: opens the bytes of the file, anew at each call. Cells are parted by the comma, or else by
    whichever of ; tab | the header holds most. like: `pyarrow.Schema` with types for the columns that it
    names, used where all cells allow them. what: the file in error messages. An empty cell is missing.

    Raises `InputError` for a header that is empty or names a column twice and for texts that are not UTF-8,
    `pyarrow.ArrowException` for rows of another length than the header.
    """
    import pyarrow as pa
    import pyarrow.csv

    with open_source() as source:
        names, delimiter = _header(source.read(HEADER_BYTES), what)
    with open_source() as source:
        table = pa.csv.read_csv(
            source,
            parse_options=pa.csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                ignore_empty_lines=len(names) > 1,  # with one column, an empty line is a missing cell
            ),
            convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    for i, name in enumerate(table.column_names):
        wanted = None if like is None or name not in like.names else like.field(name).type
        table = table.set_column(i, name, _typed(table.column(i), wanted))
    return table


def _header(start: bytes, what: str) -> tuple[list[str], str]:
    """The names of the columns, and what parts them."""
    cut = len(start) == HEADER_BYTES  # perhaps within a character
    try:
        text = start.decode("utf-8-sig", errors="ignore" if cut else "strict")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what} is not in UTF-8: byte {start[error.start]:#04x} at place {error.start}. Convert it, as "
            "`iconv -f latin1 -t utf-8` does."
        ) from error
    if "\0" in text:
        raise InputError(f"{what} holds zero bytes, so it is no CSV file. Is it of another format?")
    delimiter = _delimiter(text)
    names = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    if not names:
        raise InputError(
            f"{what} does not begin with a line of column names. Write them into its first line."
        )
    try:
        unique_names(names)
    except InputError as error:
        raise InputError(f"in {what}, {error}") from error
    return names, delimiter


def _delimiter(text: str) -> str:
    outside_quotes = "".join(text.split("\n", 1)[0].split('"')[::2])
    counts = {mark: outside_quotes.count(mark) for mark in ",;\t|"}
    return "," if counts[","] or not any(counts.values()) else max(counts, key=lambda mark: counts[mark])


# --- the cells of a column ----------------------------------------------------------------------------------


def _typed(texts: Any, wanted: Any) -> Any:
    """The cells as what they are: as `wanted` if they can be, or else by the first pattern that all match."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    if wanted is not None and (read := _as(cells, wanted)) is not None:
        return read
    if cells.null_count == len(cells):
        return pa.chunked_array([pa.nulls(len(cells))])
    plain = _without_missing_words(cells)
    if plain.null_count < len(plain):
        for pattern, convert in _inferred():
            if _all_match(plain, pattern):
                read = convert(plain)
                return cells if read is None else read
    return cells


def _as(cells: Any, kind: Any) -> Any:
    """The cells in this type, or None if some cannot be."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return cells.cast(kind)
    plain = _without_missing_words(cells)
    for is_kind, pattern, convert in _known(kind):
        if is_kind(kind):
            return convert(plain) if _all_match(plain, pattern) else None
    return None


def _inferred() -> list[tuple[str, Convert]]:
    """Patterns in the order in which they are tried, and how to read the cells that match them."""
    import pyarrow as pa

    return [
        (WHOLE, lambda texts: _cast(texts, pa.int64())),
        (NUMBER, lambda texts: _cast(texts, pa.float64())),
        (TRUTH, lambda texts: _truth(texts)),
        (DATE, lambda texts: _cast(texts, pa.date32())),
        (TIME, lambda texts: _cast(texts, pa.timestamp(_unit(texts)))),
        (ZONED_TIME, lambda texts: _cast(texts, pa.timestamp(_unit(texts), "UTC"))),
    ]


def _known(kind: Any) -> list[tuple[Callable[[Any], bool], str, Convert]]:
    """For each family of types: whether `kind` is of it, the pattern of its cells, and how to read them."""
    import pyarrow as pa

    types = pa.types
    is_timestamp = types.is_timestamp(kind)
    return [
        (types.is_integer, WHOLE, lambda texts: _cast(texts, kind)),
        (types.is_floating, NUMBER, lambda texts: _cast(texts, pa.float64(), kind)),
        (types.is_decimal, NUMBER, lambda texts: _cast(texts, kind)),
        (types.is_boolean, TRUTH_OR_DIGIT, lambda texts: _truth(texts)),
        (types.is_date, DATE, lambda texts: _cast(texts, pa.date32(), kind)),
        (
            types.is_timestamp,
            ZONED_TIME if is_timestamp and kind.tz is not None else TIME,
            lambda texts: _cast(texts, kind),
        ),
        (types.is_duration, WHOLE, lambda texts: _cast(texts, pa.int64(), kind)),
        (types.is_time, TIME_OF_DAY, lambda texts: _time_of_day(texts, kind)),
    ]


def _without_missing_words(cells: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.ascii_trim_whitespace(cells)
    missing = pc.is_in(plain, value_set=pa.array(["", *MISSING_WORDS]))
    return pc.if_else(missing, pa.scalar(None, pa.string()), plain)


def _all_match(texts: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    # most columns that do not match show it in their first rows
    return all(
        pc.all(pc.match_substring_regex(some, pattern)).as_py() is not False
        for some in (texts.slice(0, HEAD_ROWS), texts)
    )


def _cast(cells: Any, *kinds: Any) -> Any:
    """The cells in the last type by way of the others, or None if that cannot be done without a loss."""
    import pyarrow as pa

    try:
        for kind in kinds:
            lossless = not pa.types.is_floating(kind)  # the nearest float32 will do
            cells = cells.cast(kind, safe=lossless)
    except pa.ArrowException:
        return None
    return cells


def _truth(texts: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    said = pc.is_in(pc.ascii_lower(texts), value_set=pa.array(["true", "1"]))
    return pc.if_else(pc.is_null(texts), pa.scalar(None, pa.bool_()), said)


def _time_of_day(texts: Any, kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return _cast(pc.binary_join_element_wise("1970-01-01", texts, " "), pa.timestamp(kind.unit), kind)


def _unit(texts: Any) -> str:
    """The coarsest unit that holds the fractions of seconds."""
    import pyarrow.compute as pc

    fractions = pc.struct_field(pc.extract_regex(texts, r"\.(?P<digits>[0-9]+)"), "digits")
    digits = pc.max(pc.utf8_length(fractions)).as_py() or 0
    return "s" if digits == 0 else "ms" if digits <= 3 else "us" if digits <= 6 else "ns"
