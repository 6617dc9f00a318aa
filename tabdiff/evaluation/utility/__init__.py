"""Is a synthetic table of use? Models are fitted on it, or with its help, and judged on real holdout rows.

ranking      average precision and recalls under weights      tstr          learning from synthetic rows alone
calibration  losses of probabilities, prior correction        augmentation  adding them to the real ones
models       the learner, and the rows that it is given       scorers       for scikit-learn's searches
question     test rows, marks, resamples and seeds
"""

import tabdiff.evaluation.utility.augmentation
import tabdiff.evaluation.utility.tstr  # noqa: F401  (both register their measures)
from tabdiff.evaluation.utility.scorers import (
    ResampledRows,
    make_augmentation_scorer,
    tstr_score,
    tstr_scorer,
)

__all__ = ["ResampledRows", "make_augmentation_scorer", "tstr_score", "tstr_scorer"]
