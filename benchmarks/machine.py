"""What a timing was measured on: goes into every result file."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["describe_machine"]

LIBRARIES = ("tabdiff", "torch", "numpy", "pandas", "scipy", "scikit-learn", "polars", "pyarrow")


def describe_machine() -> dict[str, Any]:
    """Processor, cores, threads, load, versions, date and GPU of this machine, ready for JSON.

    Call it before the measured work: `load_average` (1, 5, 15 minutes) then tells what else was running.
    Entries that the machine cannot tell are None. Nothing identifies the owner or the host.
    """
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        **_torch_facts(),
        "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in LIBRARIES},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu_name() -> str:
    """The processor's name as the kernel gives it, else the architecture."""
    source = Path("/proc/cpuinfo")
    lines = source.read_text(encoding="utf-8").splitlines() if source.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _torch_facts() -> dict[str, Any]:
    """Threads that torch uses and the name of the first GPU; None without torch or without a GPU."""
    try:
        import torch
    except ModuleNotFoundError:
        return {"torch_threads": None, "gpu": None}
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {"torch_threads": torch.get_num_threads(), "gpu": gpu}


def _version(name: str) -> str | None:
    """The installed version of a package, None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
