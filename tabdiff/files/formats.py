"""Which format a file has: "csv", "parquet" or "arrow", by its name, or as the caller says.

"arrow" is Arrow IPC: files, which Feather files are too, and streams. Streams of any format are called "-".
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tabdiff.errors import InputError

__all__ = ["FORMATS", "STREAM", "format_of", "is_folder", "reason_of"]

FORMATS = ("csv", "parquet", "arrow")
SUFFIXES = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
    ".tsv.gz": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
STREAM = "-"


def format_of(path: str | Path, fallback: str | None = None) -> str:
    """The format of a file by its name; "parquet" for a folder, whose files are parts of one table.

    fallback: the format of names that do not tell; None means CSV for "-", and `InputError` for others.
    """
    if fallback is not None and fallback not in FORMATS:
        raise InputError(f"the format is {fallback!r}. Known: {list(FORMATS)}.")
    if str(path) == STREAM:
        return fallback or "csv"
    if is_folder(path):
        if fallback not in (None, "parquet"):
            raise InputError(f"{str(path)!r} is a folder, and folders hold Parquet parts, not {fallback}.")
        return "parquet"
    name = Path(path).name.lower()
    known = [suffix for suffix in SUFFIXES if name.endswith(suffix)]
    if not known and fallback is None:
        raise InputError(
            f"cannot tell the format of {str(path)!r} by its name. Known endings: {list(SUFFIXES)}. "
            f"Rename it, or give the format: one of {list(FORMATS)}."
        )
    return SUFFIXES[known[0]] if known else str(fallback)


def is_folder(path: str | Path) -> bool:
    """Whether the path is that of a folder, which need not exist if the path ends with "/"."""
    return str(path).endswith(("/", os.sep)) or Path(path).is_dir()


def reason_of(error: Exception) -> str:
    """What pyarrow says of an error, on one line."""
    return re.sub(r"\s+", " ", str(error)).strip().rstrip(".")
