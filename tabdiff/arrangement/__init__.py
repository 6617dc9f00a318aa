"""How the columns of a table hang together: which are learned, and how the others follow from them."""

from __future__ import annotations

from tabdiff.arrangement.groups import Group
from tabdiff.arrangement.links import CopyLink, LookupLink
from tabdiff.arrangement.measures import Measure
from tabdiff.arrangement.orders import Order
from tabdiff.arrangement.suggesting import suggest
from tabdiff.arrangement.sums import SumRelation
from tabdiff.arrangement.whole import Arrangement
from tabdiff.constraints import FixedCombinations, Inequality, Positive, Range, Unique

__all__ = ["STORED", "Arrangement", "suggest"]

STORED = (
    Arrangement,
    CopyLink,
    FixedCombinations,
    Group,
    Inequality,
    LookupLink,
    Measure,
    Order,
    Positive,
    Range,
    SumRelation,
    Unique,
)
"""The classes that an arrangement is made of, for whoever saves one."""
