"""How much to add, chosen on real held-out rows: arms are scored, one is chosen, the finding is put in words.

answers    what a fitted classifier says about held-out rows, asked once
measures   one score of one fold, by name, scorer or function, with or without some of its rows
scoring    the scores of all arms, paired, with standard errors
rule       which arm is chosen, and when a difference counts
words      figures and names in sentences and tables
report     what was tried and found, for people
"""

from __future__ import annotations

from tabdiff.imbalance.choosing.answers import HeldOut, Remembered, held_out
from tabdiff.imbalance.choosing.report import AmountReport
from tabdiff.imbalance.choosing.rule import Arm, choose, verdict
from tabdiff.imbalance.choosing.scoring import ArmScore, score_arms

__all__ = [
    "AmountReport",
    "Arm",
    "ArmScore",
    "HeldOut",
    "Remembered",
    "choose",
    "held_out",
    "score_arms",
    "verdict",
]
