"""Transactions drawn from a law that is written down, so that the truth about any figure can be known."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["make_transactions"]

N_MERCHANTS = 30
CARDS = ("credit", "debit", "prepaid")
CHANNELS = ("chip", "online", "swipe", "tap")
REGIONS = ("north", "east", "south", "west", "abroad")


def make_transactions(n_rows: int = 1_000, random_state: int | None = None, fraud_rate: float = 0.01) -> Any:
    """Draw card transactions from a known law: two calls give two independent samples of the same truth.

    Parameters
    ----------
    n_rows : int, default=1_000
        Number of rows.
    random_state : int or None, default=None
        Seed.
    fraud_rate : float, default=0.01
        Share of frauds, on average.

    Returns
    -------
    pandas.DataFrame
        15 columns. Numbers: ``amount`` (heavy tail, cents), ``balance``, ``age`` and ``n_items`` (whole),
        ``hour`` (fractions), ``distance``, ``s1`` and ``s2`` (signs matter only together: fraud pushes the
        product s1 * s2 up for even merchants and down for odd ones), ``score`` (missing in about one row of
        ten, more often where ``amount`` is high). Levels: ``merchant`` (30), ``channel`` (depends on the
        hour), ``card``, ``region``, ``weekend`` (bool). ``fraud``: 0 or 1.

    Examples
    --------
    >>> from tabdiff.datasets import make_transactions
    >>> frame = make_transactions(500, random_state=0)
    >>> frame.shape, int(frame["score"].isna().sum()) > 0
    ((500, 15), True)
    """
    import pandas as pd

    rng = np.random.default_rng(random_state)
    fraud = rng.random(n_rows) < fraud_rate
    merchant = np.minimum(rng.geometric(0.12, n_rows), N_MERCHANTS) - 1
    hour = np.where(fraud, rng.normal(2, 3, n_rows), rng.normal(14, 4, n_rows)) % 24
    log_amount = 3 + 0.9 * rng.normal(size=n_rows) + 0.02 * merchant + 0.8 * fraud
    amount = np.round(np.exp(log_amount) * (1 + 0.2 * rng.pareto(2.5, n_rows)), 2)
    age = np.clip(rng.normal(44, 15, n_rows), 18, 95).round().astype(np.int64)
    balance = 1_000 + 40 * age + 300 * rng.standard_t(4, n_rows) + 0.5 * amount
    s1 = rng.normal(size=n_rows)
    sign = np.where(merchant % 2 == 0, 1.0, -1.0) * np.sign(s1)
    s2 = np.where(fraud, sign * np.abs(rng.normal(1, 0.5, n_rows)), rng.normal(size=n_rows))
    n_items = 1 + rng.poisson(1 + log_amount.clip(0) / 2)
    online = rng.random(n_rows) < np.where((hour < 6) | (hour > 20), 0.7, 0.25)
    channel = np.where(online, 1, rng.choice([0, 2, 3], n_rows, p=[0.5, 0.15, 0.35]))
    score = 600 + 0.05 * balance + 30 * rng.normal(size=n_rows) - 40 * fraud
    hidden = rng.random(n_rows) < 1 / (1 + np.exp(5.2 - log_amount))
    region = np.where(
        rng.random(n_rows) < 0.05 + 0.3 * fraud, 4, rng.choice(4, n_rows, p=[0.4, 0.3, 0.2, 0.1])
    )
    card = (rng.random(n_rows) < 0.6).astype(int) + (rng.random(n_rows) < 0.1 + 0.2 * (age < 25))
    return pd.DataFrame(
        {
            "amount": amount,
            "balance": balance.round(2),
            "age": age,
            "hour": hour,
            "distance": rng.gamma(1.5, np.where(region == 4, 400.0, 8.0)),
            "n_items": n_items.astype(np.int64),
            "s1": s1,
            "s2": s2,
            "score": np.where(hidden, np.nan, score.round(1)),
            "merchant": [f"m{code:02d}" for code in merchant],
            "channel": np.array(CHANNELS)[channel],
            "card": np.array(CARDS)[card],
            "region": np.array(REGIONS)[region],
            "weekend": rng.random(n_rows) < 2 / 7,
            "fraud": fraud.astype(np.int64),
        }
    )
