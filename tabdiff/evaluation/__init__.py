"""Judging synthetic tables: needs no model of ours, only the tables.

    from tabdiff import evaluate
    report = evaluate(train=train, synthetic=synthetic, holdout=test, target="is_fraud")

judging     `evaluate`: three tables in, a report out   report     what comes out: dict, JSON, frame, HTML
fidelity    are the rows like real ones?                utility    do they help a classifier?
privacy     do they give away rows of train?            verdict    rules from estimates to words
published   the scores that papers print, with what they cannot see
splitting   a holdout that is a control                 audit      what a generator gives away, by canaries
references  tables of known quality to read against     registry   which measures there are
pooling     several seeds of a generator as one
comparison  real and synthetic rows in one coding       estimates  what a measurement returns
intervals   DeLong, Wilson, bootstrap, Holm             neighbours exact distances among mixed rows
"""

from tabdiff.evaluation.audit import canary_audit
from tabdiff.evaluation.comparison import Budget, Comparison
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.fidelity import c2st_score
from tabdiff.evaluation.judging import evaluate
from tabdiff.evaluation.pooling import over_seeds
from tabdiff.evaluation.privacy import leak_score
from tabdiff.evaluation.published import column_shapes, pair_trends, shape_error, trend_error
from tabdiff.evaluation.reading import compare
from tabdiff.evaluation.registry import register, unregister
from tabdiff.evaluation.report import Report
from tabdiff.evaluation.splitting import split
from tabdiff.evaluation.utility import ResampledRows, make_augmentation_scorer, tstr_score, tstr_scorer
from tabdiff.evaluation.verdict import Verdict

__all__ = [
    "Budget",
    "Comparison",
    "Estimate",
    "Report",
    "ResampledRows",
    "Verdict",
    "c2st_score",
    "canary_audit",
    "column_shapes",
    "compare",
    "evaluate",
    "leak_score",
    "make_augmentation_scorer",
    "not_assessable",
    "over_seeds",
    "pair_trends",
    "register",
    "shape_error",
    "split",
    "trend_error",
    "tstr_score",
    "tstr_scorer",
    "unregister",
]
