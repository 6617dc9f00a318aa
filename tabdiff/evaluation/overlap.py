"""Whether the holdout can be a control: rows that it shares with other tables beyond what chance explains."""

from __future__ import annotations

import numpy as np

from tabdiff.errors import ControlContaminated
from tabdiff.evaluation.comparison import Comparison
from tabdiff.evaluation.intervals import fisher_greater

__all__ = ["check_control"]

CONTAMINATION_ALPHA = 1e-4
MIN_SHARED = 5  # rows in common below this are no matter


def check_control(comparison: Comparison) -> None:
    """Raise `ControlContaminated` if the holdout shares more rows with a table than chance explains."""
    train, holdout = comparison.train.keys(), comparison.holdout.keys()
    synthetic = comparison.synthetic.keys()
    _check_overlap(train, holdout, comparison.rng("overlap"))
    k_train, k_holdout = int(np.isin(train, synthetic).sum()), int(np.isin(holdout, synthetic).sum())
    p = fisher_greater(k_holdout, len(holdout), k_train, len(train))
    if k_holdout >= MIN_SHARED and p < CONTAMINATION_ALPHA:
        raise ControlContaminated(
            f"{k_holdout} of {len(holdout)} holdout rows occur verbatim in `synthetic`, but only "
            f"{k_train} of {len(train)} train rows do (p = {p:.1e}): the generator has seen the holdout. "
            "Pass real rows that it never saw."
        )


def _check_overlap(train: np.ndarray, holdout: np.ndarray, rng: np.random.Generator) -> None:
    """Raise if more holdout rows equal train rows than would after a random split of the same rows.

    train, holdout: (n,), (m,) keys. What is beyond 199 random splits, and beyond four of their standard
    deviations, is no chance.
    """
    shared = int(np.isin(holdout, train).sum())
    if shared < MIN_SHARED:
        return
    _, counts = np.unique(np.concatenate([train, holdout]), return_counts=True)
    repeated = np.append(counts[counts > 1], (counts == 1).sum())  # rows of their own in one lump at the end
    in_train = rng.multivariate_hypergeometric(repeated, len(train), size=199, method="marginals")[:, :-1]
    draws = np.where(in_train > 0, repeated[:-1] - in_train, 0).sum(axis=1)
    expected, spread = float(draws.mean()), float(draws.std())
    if shared > draws.max() and shared > expected + 4 * max(spread, 1.0):
        raise ControlContaminated(
            f"{shared} of {len(holdout)} holdout rows equal train rows in every column; a random split of "
            f"these rows would share {expected:.0f}. The holdout is no control: split again with "
            "`tabdiff.evaluation.split`, which keeps equal rows (and one person's rows) on one side."
        )
