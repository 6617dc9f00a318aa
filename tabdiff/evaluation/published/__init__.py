"""The scores that papers on tabular generation print, to the letter, so that numbers can stand beside theirs.

They are here to be compared with published figures, not to be trusted: every one of them is fooled by
something. Each function tells its exact definition, its ideal value, and the code that it follows; DIFFERS
marks where it cannot or must not. Always print the score of real held-out rows beside that of synthetic ones.

score            range, ideal       what it cannot see
shape_error      0-100 %, 0         dependence between columns; how many cells are missing; copied rows
trend_error      0-100 %, 0         what takes three columns, or is not linear; copies. Outliers move it
lr_c2st          0-1, about 1       nearly all but the means: independent columns score 1; copied rows
xgb_c2st         0-1, just below 1  what is wrong in a rare class; copied rows
alpha_precision  0-1, about 1       directions: only the distance from the mean row counts; copied rows
beta_recall      0-1, about 0.5     that copying is no virtue: a copy scores .999
dcr_share        0-1, 0.5           leaks: copied outliers do not move it, nor do most attacks that succeed
mle              AUC or RMSE        columns that do not help to predict the target; copied rows

quality     Shape and Trend            sdmetrics 0.11.1, QualityReport
detection   LR-C2ST, XGB-C2ST          sdmetrics 0.11.1, LogisticDetection; TabPC
manifold    alpha-precision and beta-recall   synthcity 0.2.12, the naive keys, as in TabSyn and TabDiff
closeness   DCR share                  TabSyn, TabDiff
efficiency  MLE                        TabSyn, TabDiff
boosting    xgboost, when called for: pip install 'tabdiff[published]'
tables      tables as all of them read them
"""

from tabdiff.evaluation.published.closeness import dcr_share
from tabdiff.evaluation.published.detection import lr_c2st, xgb_c2st
from tabdiff.evaluation.published.efficiency import Efficiency, mle
from tabdiff.evaluation.published.manifold import alpha_precision, beta_recall
from tabdiff.evaluation.published.quality import column_shapes, pair_trends, shape_error, trend_error

__all__ = [
    "Efficiency",
    "alpha_precision",
    "beta_recall",
    "column_shapes",
    "dcr_share",
    "lr_c2st",
    "mle",
    "pair_trends",
    "shape_error",
    "trend_error",
    "xgb_c2st",
]
