"""What every tool's script does: read the raw table, time the steps, say what came back.

It runs in each tool's own environment, so it imports pandas only, and only when called.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS: dict[str, dict[str, float]] = {}
TARGET = "fraud"


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Put the CPU and wall seconds of a step into `SECONDS`; CPU of all threads, and of child processes."""
    started = time.perf_counter(), _cpu_seconds()
    yield
    SECONDS[step] = {
        "cpu": round(_cpu_seconds() - started[1], 2),
        "wall": round(time.perf_counter() - started[0], 2),
    }


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def raw_table() -> Any:
    """The table of the command line as pandas reads it."""
    import pandas as pd

    return pd.read_parquet(Path(sys.argv[1]))


def what_came_back(raw: Any, new: Any, positives_asked: int) -> dict[str, Any]:
    """Types that changed, positives, missing cells: the new rows against the raw table.

    new: synthetic rows only, of the columns of `raw`. positives_asked: how many rows of the rare class.
    """
    changed = {
        name: f"{raw[name].dtype} -> {new[name].dtype}" if name in new else "gone"
        for name in raw
        if name not in new or raw[name].dtype != new[name].dtype
    }
    return {
        "dtypes_changed": changed,
        "rows": len(new),
        "positives_asked": positives_asked,
        "positives": int((new[TARGET].astype(str) == "1").sum()),
        "missing_share": {
            name: [round(float(raw[name].isna().mean()), 4), round(float(new[name].isna().mean()), 4)]
            for name in raw
            if name in new and (raw[name].isna().any() or new[name].isna().any())
        },
    }


def report(work: Callable[[], dict[str, Any]]) -> None:
    """Run `work` and print as one line of JSON what it says, its seconds and its peak memory.

    `work` returns "versions", "fixes" (what the user had to change before it ran, in order) and the fields of
    `what_came_back`.
    """
    found = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**found, "seconds": SECONDS, "peak_mb": round(peak / 1024)}))
