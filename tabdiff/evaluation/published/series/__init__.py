"""The scores that papers on series print, to the letter, so that numbers can stand beside theirs.

All take windows, (n, L, D): n pieces of L steps with D channels, scaled to [0, 1] by the minimum and maximum
of each channel over the *whole* series. Published figures use every window of the training series, stride 1,
as the evaluation set as well, and tell mean and interval over five seeds of the evaluator for *one* trained
generator. DIFFERS marks where the code cannot or must not follow its source.

score                 range, ideal   what it cannot see
discriminative_score  0-.5, 0        copied windows; anything that two or three recurrent units cannot
predictive_score      MAE, as low as that of real windows   whatever does not help to predict the last channel
context_fid           0 up, 0        copied windows; it depends much on the encoder
correlational_score   0 up, 0        order in time; copies. It grows with D squared: compare within one table

Copied windows are perfect in all four, and so nearly are points between neighbouring windows: beside them
always print `nearest_window_ratio`, and the scores of such floors.

recurrent  discriminative and predictive score   TimeGAN, Diffusion-TS
fid        Context-FID                           Diffusion-TS
ts2vec     the encoder that Context-FID learns   TS2Vec
moments    correlational score                   Diffusion-TS
nearest    distances to the nearest window       -
repeats    mean and interval over seeds
windows    arrays as all of them read them
"""

from tabdiff.evaluation.published.series.fid import context_fid
from tabdiff.evaluation.published.series.moments import correlational_score
from tabdiff.evaluation.published.series.nearest import nearest_window_distance, nearest_window_ratio
from tabdiff.evaluation.published.series.recurrent import discriminative_score, predictive_score
from tabdiff.evaluation.published.series.repeats import Repeats, over_seeds

__all__ = [
    "Repeats",
    "context_fid",
    "correlational_score",
    "discriminative_score",
    "nearest_window_distance",
    "nearest_window_ratio",
    "over_seeds",
    "predictive_score",
]
