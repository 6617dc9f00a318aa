"""The card histories follow the law that they state."""

import numpy as np
import pandas as pd
import pytest

from tabdiff.datasets import make_card_histories
from tabdiff.datasets.known_histories import _LOG_AMOUNT, _NEXT, CATEGORIES, RENT_DAY, SEGMENTS


@pytest.fixture(scope="module")
def cards():
    return make_card_histories(n_customers=500, n_days=70, fraud_rate=0.2, random_state=1)


def test_a_seed_repeats_its_histories():
    first, again, other = (make_card_histories(20, 30, random_state=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_shape_and_names_are_as_stated(cards):
    assert list(cards) == ["customer", "time", "segment", "stolen", "category", "amount", "is_fraud"]
    assert cards["customer"].unique().tolist() == list(range(500))
    assert cards["time"].dtype == "datetime64[s]"
    assert cards["time"].between("2024-04-01", "2024-06-10", inclusive="left").all()
    assert (cards["amount"] > 0).all()
    assert not cards.isna().any(axis=None)


def test_customers_stand_together_in_order_of_time_and_keep_their_context(cards):
    assert cards["customer"].is_monotonic_increasing
    by_customer = cards.groupby("customer")
    assert by_customer["time"].is_monotonic_increasing.all()
    assert (by_customer[["segment", "stolen"]].nunique() == 1).all(axis=None)


def test_rent_is_paid_once_a_month_on_the_third_at_six(cards):
    rent = cards[cards["category"] == "rent"]
    assert (rent["time"].dt.day == RENT_DAY).all()
    assert (rent["time"].dt.strftime("%H:%M:%S") == "06:00:00").all()
    assert (rent.groupby(["customer", rent["time"].dt.month]).size() == 1).all()
    assert len(rent) == 500 * 3  # the thirds of April, May and June


def test_all_other_purchases_but_those_of_thieves_are_made_by_day(cards):
    hours = cards[(cards["category"] != "rent") & ~cards["is_fraud"]]["time"].dt.hour
    assert hours.min() == 7
    assert hours.max() == 22


def test_thieves_buy_online_three_to_six_times_within_an_hour(cards):
    fraud = cards[cards["is_fraud"]]
    assert fraud["stolen"].all()
    assert (fraud["category"] == "online").all()
    bursts = fraud.groupby("customer")["time"].agg(["size", "min", "max"])
    assert set(bursts["size"]) == {3, 4, 5, 6}
    assert (bursts["max"] - bursts["min"] < pd.Timedelta(hours=1)).all()
    assert set(bursts.index) == set(cards[cards["stolen"]]["customer"])


def test_no_card_is_stolen_at_a_rate_of_nothing():
    cards = make_card_histories(50, 20, fraud_rate=0.0, random_state=0)
    assert not cards["stolen"].any()
    assert not cards["is_fraud"].any()


def close(share, expected, n):
    """Whether a share of n is within three standard errors of what it is to be."""
    return abs(share - expected) <= 3 * np.sqrt(expected * (1 - expected) / n)


def test_shares_of_segments_and_of_stolen_cards_are_as_stated(cards):
    customers = cards.groupby("customer").first()
    for segment, share in zip(SEGMENTS, (0.3, 0.45, 0.25), strict=True):
        assert close((customers["segment"] == segment).mean(), share, len(customers))
    assert close(customers["stolen"].mean(), 0.2, len(customers))


@pytest.mark.parametrize("segment", SEGMENTS)
def test_the_next_purchase_depends_on_the_last_one_as_stated(cards, segment):
    """Of 75 shares one would be further off than three standard errors in every fifth draw."""
    own = cards[(cards["segment"] == segment) & (cards["category"] != "rent") & ~cards["is_fraud"]]
    code = own["category"].map(CATEGORIES.index)
    after = code.groupby(own["customer"]).shift(-1)
    for last in range(5):
        seen = after[(code == last) & after.notna()]
        assert len(seen) > 90
        for following, expected in enumerate(_NEXT[segment][last]):
            assert close((seen == following).mean(), expected, len(seen)), (last, following)


def test_laws_are_laws():
    for rows in _NEXT.values():
        np.testing.assert_allclose(np.sum(rows, axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("category", CATEGORIES)
def test_amounts_are_lognormal_about_the_mean_of_their_category(cards, category):
    logs = np.log(cards[(cards["category"] == category) & ~cards["is_fraud"]]["amount"])
    assert abs(logs.mean() - _LOG_AMOUNT[category]) <= 3 * 0.5 / np.sqrt(len(logs))
    assert logs.std() == pytest.approx(0.5, rel=0.1)


def test_thieves_spend_e_times_as_much(cards):
    logs = np.log(cards[cards["is_fraud"]]["amount"])
    assert abs(logs.mean() - _LOG_AMOUNT["online"] - 1) <= 3 * 0.5 / np.sqrt(len(logs))
