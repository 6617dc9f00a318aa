"""Transactions of card holders drawn from a law that is known, so that what was learned can be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["make_card_histories"]

CATEGORIES = ("groceries", "fuel", "dining", "travel", "online", "rent")
SEGMENTS = ("student", "family", "retired")
RENT_DAY = 3
_RENT = 5
# the next purchase given the last one, by segment: rows sum to 1 over the first five categories
_NEXT = {
    "student": [
        [0.2, 0.05, 0.45, 0.05, 0.25],
        [0.3, 0.05, 0.3, 0.15, 0.2],
        [0.35, 0.05, 0.2, 0.05, 0.35],
        [0.1, 0.05, 0.6, 0.15, 0.1],
        [0.25, 0.05, 0.3, 0.05, 0.35],
    ],
    "family": [
        [0.35, 0.35, 0.1, 0.05, 0.15],
        [0.65, 0.05, 0.15, 0.05, 0.1],
        [0.4, 0.25, 0.1, 0.1, 0.15],
        [0.2, 0.2, 0.35, 0.15, 0.1],
        [0.5, 0.2, 0.1, 0.05, 0.15],
    ],
    "retired": [
        [0.55, 0.15, 0.2, 0.08, 0.02],
        [0.7, 0.05, 0.15, 0.08, 0.02],
        [0.6, 0.15, 0.15, 0.08, 0.02],
        [0.15, 0.1, 0.5, 0.23, 0.02],
        [0.6, 0.1, 0.2, 0.08, 0.02],
    ],
}
_GAP_HOURS = {"student": 30.0, "family": 18.0, "retired": 44.0}
_LOG_AMOUNT = {"groceries": 3.6, "fuel": 3.9, "dining": 3.1, "travel": 5.6, "online": 3.8, "rent": 6.6}


def make_card_histories(
    n_customers: int = 400, n_days: int = 60, fraud_rate: float = 0.1, random_state: int | None = None
) -> pd.DataFrame:
    """Draw the card transactions of customers over some weeks.

    Customers are students, families or retired. What they buy next depends on what they bought last and on
    who they are; amounts depend on the category; gaps are exponential, and purchases fall between 7 and 23
    o'clock. Rent is paid once in each month, on the third at 6 o'clock. A customer whose card is stolen has,
    at one time, a burst of three to six purchases online within the hour, marked as fraud.

    Parameters
    ----------
    n_customers : int, default=400
        Number of customers.
    n_days : int, default=60
        Days from the first of April 2024 on.
    fraud_rate : float, default=0.1
        Share of the customers whose card is stolen.
    random_state : int or None, default=None
        Seed.

    Returns
    -------
    pandas.DataFrame
        One row for each transaction, customer after customer in the order of time, with the columns
        `customer`, `time`, `segment`, `stolen` (both the same for all rows of a customer), `category`,
        `amount` and `is_fraud`.

    Examples
    --------
    >>> from tabdiff.datasets import make_card_histories
    >>> frame = make_card_histories(n_customers=50, random_state=0)
    >>> frame["customer"].nunique(), frame.groupby("customer")["segment"].nunique().max().item()
    (50, 1)
    """
    import pandas as pd

    rng = np.random.default_rng(random_state)
    parts = [_history(customer, n_days, fraud_rate, rng) for customer in range(n_customers)]
    table = pd.concat(parts, ignore_index=True)
    table["time"] = pd.Timestamp("2024-04-01") + pd.to_timedelta(table["time"], unit="s").astype("m8[s]")
    return table.astype({"time": "datetime64[s]"})


def _history(customer: int, n_days: int, fraud_rate: float, rng: np.random.Generator) -> pd.DataFrame:
    """The rows of one customer; times in seconds since the first day."""
    import pandas as pd

    segment = SEGMENTS[rng.choice(3, p=[0.3, 0.45, 0.25])]
    times = np.cumsum(rng.exponential(_GAP_HOURS[segment] * 3600, size=4 * n_days))
    # the same number of purchases, put into the hours in which shops are open
    day, rest = np.divmod(times, 86400)
    times = np.unique((day * 86400 + 7 * 3600 + rest * 16 / 24).astype(np.int64))
    times = times[times < n_days * 86400]
    codes = np.empty(len(times), dtype=np.int64)
    code = int(rng.integers(5))
    for i in range(len(times)):
        codes[i] = code = int(rng.choice(5, p=_NEXT[segment][code]))
    days = pd.date_range("2024-04-01", periods=n_days)
    rent = np.flatnonzero(days.day == RENT_DAY) * 86400 + 6 * 3600
    stolen = bool(rng.random() < fraud_rate)
    n_burst = int(rng.integers(3, 7)) * stolen
    burst = rng.integers(n_days * 86400 - 3600) + np.sort(rng.integers(3600, size=n_burst))
    category = np.concatenate([codes, np.full(len(rent), _RENT), np.full(n_burst, 4)])
    when = np.concatenate([times, rent, burst])
    fraud = np.arange(len(when)) >= len(when) - n_burst
    order = np.argsort(when, kind="stable")
    names = np.array(CATEGORIES)[category]
    amount = np.exp(np.array([_LOG_AMOUNT[name] for name in names]) + rng.normal(0, 0.5, len(when)) + fraud)
    return pd.DataFrame(
        {
            "customer": customer,
            "time": when[order],
            "segment": segment,
            "stolen": stolen,
            "category": names[order],
            "amount": amount[order].round(2),
            "is_fraud": fraud[order],
        }
    )
