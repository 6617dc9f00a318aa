"""mostlyai-qa: its report, without text columns."""

import sys
import tempfile
from pathlib import Path

sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]
from importlib.metadata import version  # noqa: E402

from mostlyai import qa  # noqa: E402  (this file would hide the package)

sys.path.append(str(Path(__file__).parent))
from _common import report, tables  # noqa: E402


def work():
    """Accuracy, similarity and distances against train and holdout."""
    train, holdout, synthetic = tables()
    with tempfile.TemporaryDirectory() as folder:
        _, metrics = qa.report(
            syn_tgt_data=synthetic,
            trn_tgt_data=train,
            hol_tgt_data=holdout,
            report_path=Path(folder) / "r.html",
        )
    return version("mostlyai-qa"), {
        "accuracy (1 best)": metrics.accuracy.overall,
        "accuracy of a perfect sample": metrics.accuracy.overall_max,
        "discriminator AUC (.5 best)": metrics.similarity.discriminator_auc_training_synthetic,
        "DCR share (.5 best)": metrics.distances.dcr_share,
        "copies share": metrics.distances.ims_training,
    }


report(work)
