"""A report as a file: JSON types and back with every fault named, and files written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tabdiff.errors import InputError
from tabdiff.evaluation.estimates import Estimate
from tabdiff.evaluation.verdict import Verdict

__all__ = [
    "SCHEMA",
    "SCHEMA_VERSION",
    "check_mapping",
    "check_version",
    "dicts_of",
    "estimates_of",
    "file_path",
    "first_fault",
    "text_of",
    "verdict_of",
    "write_whole",
]

SCHEMA = "tabdiff.evaluation.report"
SCHEMA_VERSION = 1
WRONG_PATH = {
    errno.EACCES,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def write_whole(path: Path, text: str) -> Path:
    """Write a file by way of a second one beside it, so that nobody ever meets half of it; returns `path`.

    Characters that UTF-8 cannot hold become question marks.
    """
    if not path.parent.is_dir():
        raise InputError(
            f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}. Make it first."
        )
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        beside.write_bytes(text.encode("utf-8", errors="replace"))
        beside.replace(path)
    except OSError as error:
        if error.errno not in WRONG_PATH:  # a full disk is no fault of the path
            raise
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}. Choose another path.") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    return path


def file_path(given: Any) -> Path:
    """The path of a file, or `InputError`."""
    if not isinstance(given, str | os.PathLike) or not Path(given).name or "\0" in str(given):
        raise InputError(f"{given!r} is no path of a file. Pass one, such as 'report.html'.")
    return Path(given)


def text_of(path: Path) -> str:
    """What the file holds, or `InputError`."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {str(path)!r}: {error}. Pass a file that `to_json` wrote.") from error


# --- JSON ---


def dicts_of(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Estimates as JSON types."""
    return {name: found.to_dict() for name, found in estimates.items()}


def check_mapping(data: Any, what: str) -> None:
    """Raise `InputError` unless the data are a dict."""
    if not isinstance(data, Mapping):
        raise InputError(f"{what} of the report is a {type(data).__name__}, not a dict. Was it edited?")


def estimates_of(data: Mapping[str, Any]) -> dict[str, Estimate]:
    """The inverse of `dicts_of`; `InputError` for what it did not write."""
    check_mapping(data, "a group of estimates")
    estimates = {name: Estimate.from_dict(found) for name, found in data.items()}
    other = [name for name, found in estimates.items() if found.name != name]
    if other:
        raise InputError(f"the report keeps other estimates under these names: {other}. Was it edited?")
    return estimates


def verdict_of(data: Mapping[str, Any]) -> Verdict:
    """The verdict that was written as a dict; `InputError` for anything else."""
    unknown = sorted(set(data) ^ {each.name for each in fields(Verdict)})
    if unknown:
        raise InputError(f"the verdict of the report lacks these keys or has them too many: {unknown}.")
    for key, value in data.items():
        texts = value if isinstance(value, list) and key in ("reasons", "limits") else [value]
        whole = all(isinstance(text, str) for text in texts)
        if not whole or isinstance(value, list) is not (key in ("reasons", "limits")):
            raise InputError(f"the verdict of the report has {key}={value!r}. Was it edited?")
    return Verdict(**data)


def check_version(data: Mapping[str, Any]) -> None:
    """Raise `InputError` unless the data are a report of a version that can be read."""
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        given = data.get("schema") if isinstance(data, Mapping) else type(data).__name__
        raise InputError(f"this is no report: its schema is {given!r}, not {SCHEMA!r}.")
    version = data.get("schema_version")
    number = version if isinstance(version, int) and not isinstance(version, bool) else None
    if number is not None and number > SCHEMA_VERSION:
        raise InputError(
            f"the report has schema_version {version}; this tabdiff reads up to {SCHEMA_VERSION}. Install a "
            "newer tabdiff."
        )
    if number != SCHEMA_VERSION:
        raise InputError(f"the report has schema_version {version!r}. Known: {SCHEMA_VERSION}.")


def first_fault(value: Any, where: str) -> str:
    """Where the first thing stands that JSON has no form for, in words; empty if there is none."""
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        bad = [key for key in value if not isinstance(key, str)]
        if bad:
            return f"{where} has the key {bad[0]!r}, which is no text"
        children = value.items()
    elif isinstance(value, list | tuple):
        children = enumerate(value)
    elif isinstance(value, float) and not math.isfinite(value):
        return f"{where} is {value!r}"
    elif not isinstance(value, str | int | float | None):
        return f"{where} is {value!r}, of type {type(value).__name__}"
    return next((fault for key, child in children if (fault := first_fault(child, f"{where}[{key!r}]"))), "")
