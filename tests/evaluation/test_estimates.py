"""An estimate is complete, finite and consistent, or it says why there is none."""

import json

import pytest

from tabdiff.errors import InputError
from tabdiff.evaluation import Estimate, not_assessable


def test_a_number_and_its_interval_print_in_one_line():
    estimate = Estimate("privacy.mia.auc", 0.51, 0.49, 0.53, ideal=0.5, n=10)
    assert str(estimate) == "privacy.mia.auc = 0.51 [0.49, 0.53], ideal 0.5"


def test_a_refusal_prints_its_reason_and_has_no_value():
    refused = not_assessable("fidelity.c2st.rare.auc", "5 positive rows, fewer than 50", n=5)
    assert not refused.assessable
    assert str(refused) == "fidelity.c2st.rare.auc: not assessable (5 positive rows, fewer than 50)"


@pytest.mark.parametrize("field", ["value", "lo", "hi", "ideal", "floor", "bad", "p_value"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_number_is_undefined(field, number):
    with pytest.raises(InputError, match=rf"'a.b' has {field}=(nan|inf)"):
        Estimate("a.b", **({"value": 0.5} | {field: number}))


def test_an_estimate_needs_a_value_or_a_reason_and_not_both():
    for fields in ({}, {"value": 1.0, "reason": "none"}):
        with pytest.raises(InputError, match="one of the two"):
            Estimate("a.b", **fields)


@pytest.mark.parametrize(("lo", "hi"), [(0.6, 0.7), (0.1, 0.4), (None, 0.4)])
def test_an_interval_holds_its_value(lo, hi):
    with pytest.raises(InputError, match="outside of its interval"):
        Estimate("a.b", 0.5, lo, hi)


def test_a_dict_through_json_gives_the_same_estimate():
    estimate = Estimate("a.b", 0.5, 0.4, 0.6, n=7, p_value=0.2, details={"suspects": [{"train_row": 3}]})
    assert Estimate.from_dict(json.loads(json.dumps(estimate.to_dict()))) == estimate


def test_unknown_fields_are_refused():
    with pytest.raises(InputError, match=r"no fields \['verdict'\]"):
        Estimate.from_dict({"name": "a.b", "value": 1.0, "verdict": "good"})
