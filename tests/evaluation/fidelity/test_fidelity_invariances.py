"""What may not change a number: the order of rows and columns, names, labels, units where ranks decide."""

import numpy as np
import pytest
from fidelity_cases import CHEAP, measured, tables

RANKED = ("fidelity.validity", "fidelity.missing", "fidelity.rare", "fidelity.marginal", "fidelity.pairs")
AT_RANDOM = 0.06  # which blocks and which rows are drawn depends on the order of rows


@pytest.fixture(scope="module")
def drawn():
    train, holdout, synthetic = tables(1_000)
    return train, synthetic.assign(amount=synthetic["amount"] + 10), holdout


@pytest.fixture(scope="module")
def plain(drawn):
    return measured(*drawn)


def values(found):
    return {name: estimate.value for name, estimate in found.items() if estimate.assessable}


def assert_alike(found, plain, names=None, abs=1e-9):
    ours, theirs = values(found), values(plain)
    assert ours.keys() == theirs.keys() & ours.keys() and ours
    for name in ours:
        assert ours[name] == pytest.approx(theirs[name], abs=abs), name


def test_the_order_of_rows_does_not_matter(drawn, plain):
    found = measured(*(frame.sample(frac=1, random_state=3) for frame in drawn))
    assert_alike(found, plain, abs=AT_RANDOM)


def test_names_do_not_matter(drawn, plain):
    renamed = [frame.rename(columns=lambda name: f"<{name}>\n") for frame in drawn]
    found = measured(*renamed, target="<fraud>\n")
    assert_alike(found, plain)
    assert found["fidelity.marginal.worst"].details["column"] == "<amount>\n"


def test_the_order_of_columns_does_not_matter(drawn, plain):
    assert_alike(measured(*(frame[frame.columns[::-1]] for frame in drawn)), plain, abs=AT_RANDOM)


def test_labels_of_levels_do_not_matter(drawn, plain):
    swapped = [
        frame.assign(
            channel=frame["channel"].map(lambda v: f"z{ord(v[0]) * 7 % 11}{v}"), weekend=~frame["weekend"]
        )
        for frame in drawn
    ]
    assert_alike(measured(*swapped), plain, abs=AT_RANDOM)


@pytest.mark.parametrize(
    "rescale", [lambda x: 3 * x - 7, np.arcsinh, lambda x: np.sign(x) * np.abs(x) ** 1.5]
)
def test_units_do_not_matter_where_ranks_decide(drawn, plain, rescale):
    moved = [
        frame.assign(**{name: rescale(frame[name]) for name in ("balance", "s1", "score")}) for frame in drawn
    ]
    found = measured(*moved, names=RANKED)
    assert_alike(found, plain)


def test_the_same_seed_gives_the_same_report(drawn, plain):
    assert {name: each.to_dict() | {"seconds": 0} for name, each in measured(*drawn).items()} == {
        name: each.to_dict() | {"seconds": 0} for name, each in plain.items()
    }


def test_measures_leave_the_rows_alone(drawn):
    before = [frame.copy() for frame in drawn]
    measured(*drawn, names=CHEAP)
    for frame, copy in zip(drawn, before, strict=True):
        assert frame.equals(copy)
