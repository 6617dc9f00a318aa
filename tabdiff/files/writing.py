"""Tables to files, batch after batch in the memory of one batch, whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabdiff.errors import InputError
from tabdiff.files.formats import STREAM, format_of, is_folder, reason_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TableWriter", "to_arrow"]


def to_arrow(frame: Any) -> pa.Table:
    """Any frame or 2-D array as a pyarrow table; columns of an array are named "0", "1", ...

    A column of objects without any observed cell becomes one of texts. Raises `InputError` for cells that
    Arrow has no common type for.
    """
    import numpy as np
    import pyarrow as pa

    if isinstance(frame, pa.Table):
        return frame
    try:
        if isinstance(frame, pa.RecordBatch):
            return pa.Table.from_batches([frame])
        if isinstance(frame, np.ndarray):
            table = pa.table({str(i): pa.array(cells, from_pandas=True) for i, cells in enumerate(frame.T)})
        else:
            import narwhals.stable.v1 as nw

            table = nw.from_native(frame, eager_only=True).to_arrow()
    except (pa.ArrowException, TypeError) as error:
        raise InputError(
            f"cannot write a {type(frame).__name__} to a file: {reason_of(error)}. Cells of a column "
            "must be of one type."
        ) from error
    fields = [
        field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in table.schema
    ]
    return table.cast(pa.schema(fields, metadata=table.schema.metadata))


class TableWriter:
    """Writes one table batch after batch, in the memory of one batch, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Of a file; "-" for the standard output; or of a folder (one that exists, or a name that ends with
        "/"), which must be empty or missing and receives `part-00000.parquet`, `part-00001.parquet`, ...,
        one for each batch.
    format : str, default=None
        Of names that do not tell, see `format_of`.
    stdout : binary stream, default=None
        Written to instead of the standard output.

    Notes
    -----
    Everything goes to a second place beside `path`, which takes its name at the end. If the block ends with
    an exception, that second place is removed, and what stood at `path` before stays as it was. A stream
    cannot be taken back, but never gets the end that would make half a table look like a whole one.

    Types are those of the first batch. CSV has no types: dates and times are written as in ISO 8601,
    durations as a number of their unit; missing cells and NaN are empty, empty texts are written as "".

    Examples
    --------
    >>> import pyarrow as pa, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rows.csv"
    >>> with TableWriter(path) as writer:
    ...     writer.write(pa.table({"a": [1, None]}))
    ...     writer.write(pa.table({"a": [3, 4]}))
    >>> path.read_text().split()
    ['"a"', '1', '3', '4']
    """

    def __init__(self, path: str | Path, format: str | None = None, stdout: Any = None):
        self.path = path
        self.format = format_of(path, format)
        self.n_rows = 0
        self.n_batches = 0
        self._stdout = stdout
        self._place: Path | None = None
        self._beside: Path | None = None
        self._sink: Any = None
        self._tap: _Tap | None = None
        self._writer: Any = None
        self._schema: Any = None
        self._levels: dict[int, Any] = {}
        self._n_parts = 0
        self._in_parts = str(path) != STREAM and is_folder(path)
        if str(path) != STREAM:
            self._place = _checked_place(Path(path), self._in_parts)

    def __enter__(self) -> TableWriter:
        return self

    def write(self, table: pa.Table) -> None:
        """Append the rows of a table; all tables must have the same columns."""
        table = self._typed(table)
        if self._in_parts:
            self._write_part(table)
        else:
            self._write_batch(table)
        self.n_rows += table.num_rows
        self.n_batches += 1

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            if error is not None:
                self._abandon()
            elif self._writer is not None:
                self._writer.close()
                self._sink.close()
            if error is None and self._beside is not None and self._place is not None:
                if self._in_parts and self._place.is_dir():
                    self._place.rmdir()
                self._beside.replace(self._place)
        finally:
            self._remove_beside()

    def _abandon(self) -> None:
        """Close what is open, without an end that would make half a stream look like a whole one."""
        if self._tap is not None:
            self._tap.shut = True
        for each in (self._writer, self._sink):
            if each is not None:
                with suppress(Exception):  # the error that ended the block is the one to see
                    each.close()

    def _write_batch(self, table: pa.Table) -> None:
        if self._writer is None:
            self._sink = self._open_sink()
            self._writer = self._open_writer(self._sink, table.schema)
        if self.format == "parquet":
            self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        else:
            self._writer.write_table(table)

    def _write_part(self, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        if self._beside is None:
            assert self._place is not None
            self._beside = _name_beside(self._place)
            self._beside.mkdir()
        pq.write_table(table, self._beside / f"part-{self._n_parts:05d}.parquet")
        self._n_parts += 1

    def _open_sink(self) -> Any:
        import pyarrow as pa

        if self._place is None:
            self._tap = _Tap(self._stdout or sys.stdout.buffer)
            return pa.PythonFile(self._tap, mode="w")
        self._beside = _name_beside(self._place)
        sink = pa.OSFile(str(self._beside), mode="wb")
        return pa.CompressedOutputStream(sink, "gzip") if str(self._place).endswith(".gz") else sink

    def _open_writer(self, sink: Any, schema: pa.Schema) -> Any:
        import pyarrow as pa
        import pyarrow.csv
        import pyarrow.parquet

        if self.format == "csv":
            tabs = bool(re.search(r"\.tsv(\.gz)?$", str(self.path).lower()))
            options = pa.csv.WriteOptions(delimiter="\t" if tabs else ",")
            return pa.csv.CSVWriter(sink, schema, write_options=options)
        if self.format == "parquet":
            return pa.parquet.ParquetWriter(sink, schema)
        if self._place is None or str(self._place).endswith(".arrows"):
            return pa.ipc.new_stream(sink, schema)
        return pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True))

    def _remove_beside(self) -> None:
        if self._beside is None:
            return
        if self._in_parts:
            shutil.rmtree(self._beside, ignore_errors=True)
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)

    def _typed(self, table: pa.Table) -> pa.Table:
        """The table in the types of the first one."""
        import pyarrow as pa

        if self.format == "csv":
            table = _plain_cells(table)
        if self._schema is None:
            self._schema = table.schema
        if table.schema != self._schema:
            try:
                table = table.cast(self._schema)
            except (pa.ArrowException, ValueError) as error:
                raise InputError(
                    f"cannot write rows of other columns or types than the first: {error}."
                ) from error
        return self._with_growing_levels(table) if self.format == "arrow" else table

    def _with_growing_levels(self, table: pa.Table) -> pa.Table:
        """The same cells, with levels that only ever grow: an Arrow file holds one dictionary per column."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for i, field in enumerate(table.schema):
            if not pa.types.is_dictionary(field.type):
                continue
            array = table.column(i).unify_dictionaries().combine_chunks()
            if isinstance(array, pa.ChunkedArray):
                array = array.chunk(0) if array.num_chunks else pa.array([], field.type)
            known, new = self._levels.get(i), array.dictionary
            if known is not None and not new.equals(known):
                levels = pa.concat_arrays([known, new.filter(pc.invert(pc.is_in(new, value_set=known)))])
                codes = pc.index_in(new, value_set=levels).take(array.indices)
                indices = codes.cast(field.type.index_type)
                array = pa.DictionaryArray.from_arrays(indices, levels, ordered=field.type.ordered)
            self._levels[i] = array.dictionary
            table = table.set_column(i, field, array)
        return table


class _Tap:
    """A binary stream that is never closed, and can be shut: what is written then goes nowhere."""

    closed = False

    def __init__(self, stream: Any):
        self.stream, self.shut = stream, False

    def write(self, data: bytes) -> int:
        """Pass the bytes on."""
        return len(data) if self.shut else self.stream.write(data)

    def flush(self) -> None:
        """Pass on what the stream holds back."""
        if not self.shut:
            self.stream.flush()

    def close(self) -> None:
        """Only flush: the stream belongs to someone else."""
        self.flush()


def _plain_cells(table: pa.Table) -> pa.Table:
    """Levels as the texts they are, and NaN as missing: what CSV can say."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for i, field in enumerate(table.schema):
        cells = table.column(i)
        if pa.types.is_dictionary(field.type):
            cells = cells.cast(field.type.value_type)
        if pa.types.is_floating(cells.type):
            cells = pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)
        if cells is not table.column(i):
            table = table.set_column(i, field.name, cells)
    return table


def _name_beside(place: Path) -> Path:
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")


def _checked_place(place: Path, in_parts: bool) -> Path:
    """The path without links, or `InputError` if nothing can be written there."""
    place = place.resolve()
    if not place.parent.is_dir():
        raise InputError(
            f"cannot write {str(place)!r}: there is no folder {str(place.parent)!r}. Make it first."
        )
    if not os.access(place.parent, os.W_OK):
        raise InputError(f"cannot write {str(place)!r}: no permission to write there. Choose another path.")
    if in_parts and place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise InputError(
            f"cannot write parts into {str(place)!r}: it is not an empty folder. Name a new one, so that the "
            "parts of two tables are never mixed."
        )
    return place
