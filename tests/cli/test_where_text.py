"""Conditions as one types them mean what they say, and those that mean nothing are refused."""

import datetime as dt

import pytest

from tabdiff.cli.where_text import parse_value, parse_where
from tabdiff.errors import ConditionError

STORAGES = {
    "amount": "float",
    "n": "int",
    "city": "label",
    "my col": "int",
    "a=b": "label",
    'say "hi"': "int",
    "when": "datetime",
    "ok": "bool",
    "span": "duration",
    0: "int",
}
DAY, NOON = dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 30)


@pytest.mark.parametrize(
    ("texts", "where"),
    [
        ([], {}),
        # one value, read by the type of its column
        (["amount=3"], {"amount": 3.0}),
        (["n = -3"], {"n": -3}),
        (["n==3"], {"n": 3}),
        (["city=3"], {"city": "3"}),
        (["ok=true"], {"ok": True}),
        (["ok=0"], {"ok": False}),
        (["when=2024-02-29"], {"when": DAY}),
        (["when=2024-02-29T12:30"], {"when": NOON}),
        (["when=2024-02-29 12:30"], {"when": NOON}),
        (["when=2024-02-29T12:30Z"], {"when": NOON.replace(tzinfo=dt.UTC)}),
        (["span=90"], {"span": dt.timedelta(seconds=90)}),
        (["span=01:30"], {"span": dt.timedelta(minutes=90)}),
        (["0=7"], {0: 7}),
        # several, ranges, bounds
        (["city in Oslo, Rome"], {"city": ["Oslo", "Rome"]}),
        (["city IN Oslo"], {"city": "Oslo"}),
        (["n in 1,2,1"], {"n": [1, 2]}),
        (["amount=10..500"], {"amount": (10.0, 500.0)}),
        (["amount=-2.5..-1.5"], {"amount": (-2.5, -1.5)}),
        (["amount=..500"], {"amount": (None, 500.0)}),
        (["amount=10.."], {"amount": (10.0, None)}),
        (["when=2024-02-29..2024-02-29T12:30"], {"when": (DAY, NOON)}),
        (["n>=10"], {"n": (10, None)}),
        (["n<=10"], {"n": (None, 10)}),
        (["n>10"], {"n": {"above": 10}}),
        (["n<10"], {"n": {"below": 10}}),
        (["city=1..2"], {"city": "1..2"}),
        # missing
        (["city is missing"], {"city": None}),
        (["city is NOT missing"], {"city": {"missing": False}}),
        # quotes
        (['"my col"=3'], {"my col": 3}),
        (["my col>=3"], {"my col": (3, None)}),
        (['"a=b"=c=d'], {"a=b": "c=d"}),
        (['"say ""hi"""=1'], {'say "hi"': 1}),
        (['city="New ""York"""'], {"city": 'New "York"'}),
        (['city in "a,b", c'], {"city": ["a,b", "c"]}),
        (['city=""'], {"city": ""}),
        (["city=a=b"], {"city": "a=b"}),
        # together
        (["n=1", "city=Oslo"], {"n": 1, "city": "Oslo"}),
        (["n>=1", "n<=5"], {"n": (1, 5)}),
        (["n>1", "n<=5"], {"n": {"above": 1, "max": 5}}),
        (["n>=1", "n>1", "n>0"], {"n": {"above": 1}}),
        (["n<=5", "n<9", "n<5"], {"n": {"below": 5}}),
        (["n>=1", "n<=5", "n=3..9"], {"n": (3, 5)}),
        (["n>=5", "n<=5"], {"n": (5, 5)}),
        (["n in 1,2,3", "n>1"], {"n": [2, 3]}),
        (["n<3", "n in 1,2,3", "n in 2,3,4"], {"n": 2}),
        (["n is not missing", "n>1"], {"n": {"above": 1}}),
        (["city=Oslo", "city is not missing"], {"city": "Oslo"}),
        (["city is missing", "city is missing"], {"city": None}),
        (["when>=2024-02-29", "when>2024-02-29T00:00"], {"when": {"above": dt.datetime(2024, 2, 29)}}),
    ],
)
def test_a_condition_means_what_it_says(texts, where):
    assert parse_where(texts, STORAGES) == where


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["amount"], "is no condition.*col=10..500"),
        (["amuont=1"], r"'amuont', which is no column. Near: \['amount'\]"),
        (["n=1.5"], "'n' holds whole numbers.*'1.5' is none"),
        (["amount=nan"], "holds numbers"),
        (["ok=maybe"], "holds true and false"),
        (["when=31.12.2024"], "times such as 2024-12-31"),
        (["span=soon"], "durations such as"),
        (["n!=3"], "there is no '!='"),
        (["city="], "col is missing"),
        (["amount=.."], "no end of the range"),
        (["city>a"], "labels, which have no order"),
        (["amount=5..1"], "no cell of 'amount' can meet 'amount=5..1'"),
        (["n>5", "n<=5"], "no cell of 'n' can meet 'n>5' and 'n<=5'"),
        (["n=5", "n<5"], "'n=5' and 'n<5'"),
        (["city=a", "city=b"], "no cell of 'city'"),
        (["city is missing", "city=a"], "no cell of 'city'"),
        (["city is not missing", "city is missing"], "no cell of 'city'"),
        (["n is missing", "n>1"], "no cell of 'n'"),
        (["when>=2024-03-01", "when<2024-02-29T12:30"], "no cell of 'when'"),
    ],
)
def test_what_means_nothing_is_refused_in_words(texts, words):
    with pytest.raises(ConditionError, match=words):
        parse_where(texts, STORAGES)


def test_times_are_compared_across_zones():
    # 10:00 at two hours east of Greenwich is 8:00 there
    low, high = "when>=2024-01-01T10:00+02:00", "when<=2024-01-01T08:00Z"
    assert set(parse_where([low, high], STORAGES)) == {"when"}
    with pytest.raises(ConditionError, match="no cell"):
        parse_where([low, "when<=2024-01-01T07:59Z"], STORAGES)


def test_a_value_alone_is_read_like_one_in_a_condition():
    assert parse_value("1", "int", "n") == 1
    assert parse_value("1", "label", "city") == "1"
    assert parse_value("1", "bool", "ok") is True
