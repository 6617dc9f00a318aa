"""anonymeter: singling out, linkability and inference with their defaults."""

import sys
from pathlib import Path

sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]
from importlib.metadata import version  # noqa: E402

from anonymeter.evaluators import (  # noqa: E402  (this file would hide the package)
    InferenceEvaluator,
    LinkabilityEvaluator,
    SinglingOutEvaluator,
)

sys.path.append(str(Path(__file__).parent))
from _common import report, tables  # noqa: E402


def work():
    """Risk of each attack against the holdout, 500 attacks each."""
    train, holdout, synthetic = tables()
    names = list(train)
    others = [name for name in names if name != "card"]
    common = {"n_attacks": 500, "control": holdout}
    attacks = {
        "singling out": (SinglingOutEvaluator(train, synthetic, **common), {"mode": "univariate"}),
        "linkability": (
            LinkabilityEvaluator(train, synthetic, (names[:7], names[7:]), **common),
            {"n_jobs": 1},
        ),
        "inference of card": (
            InferenceEvaluator(train, synthetic, others, "card", **common),
            {"n_jobs": 1},
        ),
    }
    answers = {}
    for name, (attack, options) in attacks.items():
        risk = attack.evaluate(**options).risk()
        answers[f"{name} risk (0 best)"] = [risk.value, *risk.ci]
    return version("anonymeter"), answers


report(work)
