"""Tables on disk: CSV, Parquet and Arrow files to pyarrow tables, and back, batch after batch."""

from tabdiff.files.formats import FORMATS, format_of
from tabdiff.files.reading import read_table
from tabdiff.files.writing import TableWriter, to_arrow

__all__ = ["FORMATS", "TableWriter", "format_of", "read_table", "to_arrow"]
