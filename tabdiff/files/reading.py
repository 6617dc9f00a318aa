"""Files of tables to pyarrow tables."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabdiff.errors import InputError
from tabdiff.files.csv_cells import read_csv
from tabdiff.files.formats import STREAM, format_of, is_folder, reason_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_table"]


def read_table(
    path: str | Path, format: str | None = None, like: pa.Schema | None = None, stdin: Any = None
) -> pa.Table:
    """Read a table whole.

    path: of a file; of a folder, whose Parquet files are read in the order of their names; or "-" for the
    standard input. format: of names that do not tell, see `format_of`. like: types for the columns of a CSV
    file that it names, used where all cells allow them; other cells are read as `csv_cells` says. stdin:
    binary stream to read instead of the standard input.

    The index that pandas stores beside the columns of a Parquet file is left out.

    Raises `InputError` for a file that is missing, empty, damaged or without rows.
    """
    import pyarrow as pa

    kind = format_of(path, format)
    what = "the standard input" if str(path) == STREAM else repr(str(path))
    try:
        if is_folder(path):
            table = _read_parts(Path(path))
        else:
            table = _read_one(_opener(path, stdin, what), kind, like, what)
    except pa.ArrowException as error:
        raise InputError(
            f"cannot read {what} as {kind}: {reason_of(error)}. Is it damaged, or of another format?"
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {what}: {error.strerror or error}. Check the path.") from error
    if not table.num_rows or not table.num_columns:
        raise InputError(
            f"{what} has {table.num_rows} rows and {table.num_columns} columns: nothing to read."
        )
    return _without_index(table)


def _opener(path: str | Path, stdin: Any, what: str) -> Any:
    """All of the standard input, or a file without its contents: what pyarrow opens."""
    import pyarrow as pa

    if str(path) == STREAM:
        data = (stdin or sys.stdin.buffer).read()
        if not data:
            raise InputError(f"{what} is empty. Pipe a table into it, or name a file instead of '-'.")
        return lambda: pa.BufferReader(data)
    if not os.path.getsize(path):
        raise InputError(f"{what} is an empty file. Was it cut off while it was written?")
    return lambda: pa.input_stream(str(path)) if str(path).lower().endswith(".gz") else pa.OSFile(str(path))


def _read_one(open_source: Any, kind: str, like: pa.Schema | None, what: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if kind == "csv":
        return read_csv(open_source, like, what)
    with open_source() as source:
        if kind == "parquet":
            return pq.read_table(source)
        start = source.read(6)
        source.seek(0)
        reader = pa.ipc.open_file(source) if start == b"ARROW1" else pa.ipc.open_stream(source)
        return reader.read_all()


def _read_parts(folder: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not folder.is_dir():
        raise InputError(f"there is no folder {str(folder)!r}. Check the path.")
    parts = sorted(folder.glob("*.parquet"))
    if not parts:
        raise InputError(
            f"the folder {str(folder)!r} holds no file '*.parquet'. Name a file, or another folder."
        )
    return pa.concat_tables([pq.read_table(pa.OSFile(str(part))) for part in parts])


def _without_index(table: pa.Table) -> pa.Table:
    """The table without the columns in which pandas keeps an unnamed index, and without its note of them."""
    metadata = dict(table.schema.metadata or {})
    try:
        note = json.loads(metadata.get(b"pandas", b""))
        index = [name for name in note["index_columns"] if re.fullmatch(r"__index_level_\d+__", str(name))]
        note["columns"] = [each for each in note["columns"] if each.get("field_name") not in index]
    except (ValueError, TypeError, KeyError, AttributeError):
        return table
    note["index_columns"] = []
    metadata[b"pandas"] = json.dumps(note).encode()
    kept = table.drop_columns([name for name in index if name in table.column_names])
    return kept.replace_schema_metadata(metadata)
