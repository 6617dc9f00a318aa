"""tabdiff: learns tables and series with diffusion models and gives back rows that look like real ones.

    from tabdiff import DiffusionOverSampler
    X_res, y_res = DiffusionOverSampler(random_state=0).fit_resample(X, y)

The public names are imported when they are first used, so that `import tabdiff` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tabdiff.augmented import AugmentedClassifier
    from tabdiff.calibration import PriorCorrection
    from tabdiff.estimators import TableSynthesizer
    from tabdiff.evaluation.judging import evaluate
    from tabdiff.oversampling import DiffusionOverSampler
    from tabdiff.series import SeriesSynthesizer

__version__ = "0.1.0"

_HOME = {
    "AugmentedClassifier": "tabdiff.augmented",
    "DiffusionOverSampler": "tabdiff.oversampling",
    "PriorCorrection": "tabdiff.calibration",
    "SeriesSynthesizer": "tabdiff.series",
    "TableSynthesizer": "tabdiff.estimators",
    "evaluate": "tabdiff.evaluation.judging",
}

__all__ = [
    "AugmentedClassifier",
    "DiffusionOverSampler",
    "PriorCorrection",
    "SeriesSynthesizer",
    "TableSynthesizer",
    "__version__",
    "evaluate",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'tabdiff' has no attribute {name!r}. Public names: {__all__}.")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
