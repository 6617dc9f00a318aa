"""Plain files: read only if they are that, and written so that a kill leaves no half of one in place."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from pathlib import Path

from tabdiff.errors import StorageError

__all__ = ["is_new_name", "new_name", "read_file", "sync_directory", "write_file"]


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a plain file.

    Raises `StorageError` for links, pipes, devices and directories, which are not followed or waited for, and
    for files of more than `limit` bytes, before they are read; `OSError` if it cannot be opened.
    """
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # no system has all of them
        flags |= getattr(os, name, 0)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP or path.is_symlink():
            raise StorageError(
                f"{path} is a link. Models hold plain files only: put the file there."
            ) from error
        raise
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or path.is_symlink():
            raise StorageError(f"{path} is no plain file. Models hold plain files only: put the file there.")
        if found.st_size > limit:
            raise StorageError(
                f"{path} has {found.st_size} bytes, more than the {limit} that are read. Load a model that "
                "tabdiff has saved."
            )
        return file.read(limit + 1)


def write_file(path: Path, data: bytes) -> None:
    """Write a new file and wait until it is on the disk."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk, where the system can say so."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network disks refuse
            os.fsync(handle)
    finally:
        os.close(handle)


def new_name(name: str) -> str:
    """A hidden name for what is not yet complete; no two are alike."""
    return f".{name}.{os.urandom(8).hex()}.tmp"


def is_new_name(found: str, name: str) -> bool:
    """Whether `found` is what `new_name` makes of a name."""
    return re.fullmatch(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}\.tmp", found) is not None
