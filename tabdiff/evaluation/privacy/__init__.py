"""Privacy by attack: each measure tries to learn something of train records that it cannot learn of others.

units         what a random split would exchange     copies        verbatim copies, who is identifiable
field         distances, measured once               membership    who was in train, and `leak_score`
tails         few leaked rows                        limits        what could have been found
inference     secrets, and links between halves      singling_out  conditions that fit one record
whitebox      what a model gives away                descriptive   distances as papers print them
control       whether the holdout can tell anything
"""

from tabdiff.evaluation.privacy import copies, descriptive, inference, singling_out, whitebox
from tabdiff.evaluation.privacy.membership import leak_score

__all__ = ["copies", "descriptive", "inference", "leak_score", "singling_out", "whitebox"]
