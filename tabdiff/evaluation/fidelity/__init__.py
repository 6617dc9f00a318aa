"""How much the synthetic table is like real rows that no generator has seen.

validity   impossible and missing cells, the rare class   marginals, tails        each column alone
pairs      relations between two columns                  c2st                    all at once, by a classifier
diversity  reach and repetition                           distances, resampling   tools of the others

Importing this package registers its measures.
"""

from tabdiff.evaluation.fidelity.c2st import c2st_score, measure_c2st
from tabdiff.evaluation.fidelity.diversity import measure_coverage, measure_diversity
from tabdiff.evaluation.fidelity.marginals import measure_marginals
from tabdiff.evaluation.fidelity.pairs import measure_pairs
from tabdiff.evaluation.fidelity.tails import measure_tails
from tabdiff.evaluation.fidelity.validity import measure_missing, measure_rare_share, measure_validity

__all__ = [
    "c2st_score",
    "measure_c2st",
    "measure_coverage",
    "measure_diversity",
    "measure_marginals",
    "measure_missing",
    "measure_pairs",
    "measure_rare_share",
    "measure_tails",
    "measure_validity",
]
