"""`model.json`: what it states, in which one form it is written, and what is refused before it is believed.

The keys, in this order: `format` and `format_version`, the format itself; `kind`, which class was saved;
`tabdiff` and `versions`, by what it was written; `weights`, length, digest and number of tensors of the other
file; `body`, the model; `sha256`, the digest of everything before it. There is no date: the same model,
written by the same programs, is the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np

from tabdiff.errors import StorageError

__all__ = ["FORMAT", "FORMAT_NAME", "MAX_JSON_BYTES", "Format", "is_ours", "parsed", "rendered"]

FORMAT_NAME = "tabdiff model"
MAX_JSON_BYTES = 256 * 2**20
MAX_ITEMS = 20_000_000  # entries cost far more memory than their text
MAX_NESTING = 256
_PACKAGES = ("numpy", "pandas", "polars", "pyarrow", "safetensors", "torch")
_KEYS = ("format", "format_version", "kind", "tabdiff", "versions", "weights", "body", "sha256")
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

Migration = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Format:
    """The version of the format that is written, and how older ones are brought up to it.

    migrations: version to a function from a document of that version to one of the next.
    """

    version: int
    migrations: Mapping[int, Migration] = field(default_factory=dict)


FORMAT = Format(version=1)


def rendered(kind: str, body: Any, weights: Mapping[str, Any], version: int) -> bytes:
    """The bytes of `model.json`. Raises `StorageError` for a body that is no JSON, or larger than is read."""
    document = {
        "format": FORMAT_NAME,
        "format_version": version,
        "kind": kind,
        "tabdiff": _version("tabdiff"),
        "versions": {
            "python": platform.python_version(),
            "platform": f"{sys.platform}-{platform.machine()}",
            **{package: _version(package) for package in _PACKAGES},
        },
        "weights": dict(weights),
        "body": body,
    }
    try:
        data = _canonical({**document, "sha256": _digest(document)})
    except (TypeError, ValueError, RecursionError) as error:
        raise StorageError(f"the model cannot be written as JSON: {error}. Save plain data only.") from error
    if (problem := _too_much(data)) is not None:
        raise StorageError(
            f"the model is too large to save: {problem}. Learn from columns with fewer different labels."
        )
    return data


def is_ours(data: bytes) -> bool:
    """Whether the bytes begin as `model.json` does, be they complete or not."""
    return data.startswith(_canonical({"format": FORMAT_NAME})[:-1])


def parsed(data: bytes, source: Any, form: Format) -> dict[str, Any]:
    """The document of the newest version; source: what error messages call the file.

    Raises `StorageError` for what is not tabdiff's, of a newer format, altered, or too much.
    """
    if (problem := _too_much(data)) is not None:
        raise StorageError(f"{source} is refused: {problem}. Load a model that tabdiff has saved.")
    try:
        document = json.loads(data.decode("ascii"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _altered(source, "is no JSON (any more)") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT_NAME:
        raise StorageError(f"{source} is no model of tabdiff. Pass a directory that tabdiff has saved.")
    version = document.get("format_version")
    if type(version) is not int or version < 1:
        raise _altered(source, f"has the format version {version!r:.80}")
    if version > form.version:
        raise StorageError(
            f"{source} was written by a newer tabdiff ({document.get('tabdiff')!r:.80}, format {version}; "
            f"this one reads up to {form.version}). Upgrade tabdiff to load it."
        )
    stated = document.get("sha256")
    rest = {key: value for key, value in document.items() if key != "sha256"}
    if stated != _digest(rest) or _canonical(document) != data:
        raise _altered(source, "is not what was saved: its sha256 differs")
    return _checked(_migrated(document, version, source, form), source)


def _migrated(document: dict[str, Any], version: int, source: Any, form: Format) -> dict[str, Any]:
    for old in range(version, form.version):
        if old not in form.migrations:
            raise StorageError(
                f"{source} has the format {old}, which this tabdiff cannot read any more. Load and save it "
                "with the version that wrote it, or one after."
            )
        try:
            document = form.migrations[old](document)
        except Exception as error:  # what a document that nobody vouches for does to it
            raise _altered(
                source, f"cannot be brought from format {old} to the next: {error!r:.200}"
            ) from error
    return document


def _checked(document: dict[str, Any], source: Any) -> dict[str, Any]:
    weights = document.get("weights")
    if not isinstance(weights, dict) or set(weights) != {"bytes", "tensors", "sha256"}:
        raise _altered(source, "does not say what the weights are")
    if set(document) != set(_KEYS) or not isinstance(document["kind"], str):
        raise _altered(source, "lacks entries, or has others")
    numbers = weights["bytes"], weights["tensors"]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise _altered(source, "states no sizes")
    if type(weights["sha256"]) is not str or not re.fullmatch("[0-9a-f]{64}", weights["sha256"]):
        raise _altered(source, "states no digest")  # it becomes part of a file name
    return document


def _altered(source: Any, what: str) -> StorageError:
    return StorageError(
        f"{source} {what}. The file is damaged, cut off or was edited: copy it again, or save the model "
        "again."
    )


def _too_much(data: bytes) -> str | None:
    """Say what is beyond the limits, by counting bytes alone; None if nothing is."""
    if len(data) > MAX_JSON_BYTES:
        return f"it has {len(data)} bytes, and at most {MAX_JSON_BYTES} are read"
    if (n_items := sum(map(data.count, (b",", b"[", b"{")))) > MAX_ITEMS:
        return f"it has about {n_items} entries, and at most {MAX_ITEMS} are read"
    brackets = np.frombuffer(_TEXT.sub(b"", data).translate(None, _NO_BRACKETS), dtype=np.uint8)
    opens = (brackets == ord("[")) | (brackets == ord("{"))
    depth = np.cumsum(np.where(opens, 1, -1), dtype=np.int64).max(initial=0)
    return f"it is nested {depth} levels deep, and at most {MAX_NESTING} are" if depth > MAX_NESTING else None


def _canonical(document: Any) -> bytes:
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.encode("ascii")


def _digest(document: Any) -> str:
    return hashlib.sha256(_canonical(document)).hexdigest()


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
