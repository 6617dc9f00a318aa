"""SynthEval: nearest-neighbour privacy metrics."""

import contextlib
import io
import sys
from pathlib import Path

sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]
from importlib.metadata import version  # noqa: E402

from syntheval import SynthEval  # noqa: E402  (this file would hide the package)

sys.path.append(str(Path(__file__).parent))
from _common import report, tables  # noqa: E402


def work():
    """Epsilon identifiability risk, median DCR, NNDR and hit rate."""
    train, holdout, synthetic = (table.dropna(axis=1) for table in tables())
    levels = ["merchant", "channel", "card", "region", "weekend", "fraud"]
    with contextlib.redirect_stdout(io.StringIO()):
        judge = SynthEval(train, holdout_dataframe=holdout, cat_cols=levels, verbose=False)
        found = judge.evaluate(synthetic, "fraud", eps_risk={}, dcr={}, nndr={}, hit_rate={})
    return version("syntheval"), {str(row["metric"]): float(row["val"]) for _, row in found.iterrows()}


report(work)
