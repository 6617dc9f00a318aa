"""sdmetrics: quality report, logistic detection, and its protection scores on a subsample."""

import sys
from pathlib import Path

sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]
import sdmetrics  # noqa: E402  (this file would hide the package)
from sdmetrics.reports.single_table import QualityReport  # noqa: E402
from sdmetrics.single_table import DCROverfittingProtection, LogisticDetection  # noqa: E402

sys.path.append(str(Path(__file__).parent))
from _common import report, tables  # noqa: E402


def work():
    """Quality over train, detection, and overfitting protection with its subsample switch."""
    train, holdout, synthetic = tables()
    levels = ("merchant", "channel", "card", "region")
    kinds = {name: "categorical" if name in levels else "numerical" for name in train}
    kinds |= {"weekend": "boolean", "fraud": "categorical"}
    metadata = {"columns": {name: {"sdtype": kind} for name, kind in kinds.items()}}
    quality = QualityReport()
    quality.generate(train, synthetic, metadata, verbose=False)
    detection = LogisticDetection.compute(train, synthetic, metadata)
    safe = DCROverfittingProtection.compute(
        train, synthetic, holdout, {"tables": {"table": metadata}}, "table", num_rows_subsample=500
    )
    return sdmetrics.__version__, {
        "quality (1 best)": quality.get_score(),
        "logistic detection (1 best)": detection,
        "overfitting protection, 500 rows (1 best)": safe,
    }


report(work)
