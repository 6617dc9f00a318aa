"""The only place that knows data-frame libraries: any frame to `Column`s, and back to the same kind of frame.

Every column passes through an Arrow array: polars and pyarrow hold such arrays anyway, and pandas converts
all of its dtypes to them, categories and odd objects apart. What is needed to rebuild a frame is one of the
same kind without rows, and for each column the Arrow type that it was read from.

forms, template how cells and frames are written again
arrow           Arrow arrays to columns and back; every other reader goes through it
pandas_, polars_, arrays   the other kinds of frame
reading         any of them
rows            rows and classes of any container
cases           series as arrays of three dimensions, or as lists of arrays
saved           templates as plain values, for files
"""

from tabdiff.frames.forms import Form
from tabdiff.frames.reading import from_columns, is_frame, library_of, read
from tabdiff.frames.rows import append_rows, select_rows, to_numpy_1d
from tabdiff.frames.template import RowTemplate, Template

__all__ = [
    "Form",
    "RowTemplate",
    "Template",
    "append_rows",
    "from_columns",
    "is_frame",
    "library_of",
    "read",
    "select_rows",
    "to_numpy_1d",
]
