"""What every peer's script does: read the tables, time the work, print one line of JSON."""

import json
import resource
import sys
import time
from pathlib import Path

import pandas as pd


def tables():
    """Train, holdout and synthetic frames of the folder and case on the command line."""
    folder, case = Path(sys.argv[1]), sys.argv[2]
    return [pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "holdout", case)]


def report(work):
    """Run `work`, which returns version and answers, and print them with CPU seconds and memory."""
    started = time.process_time()
    version, answers = work()
    print(
        json.dumps(
            {
                "version": version,
                "cpu_seconds": round(time.process_time() - started, 2),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "answers": answers,
            }
        )
    )
