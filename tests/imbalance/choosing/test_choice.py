"""Which arm is chosen, by numbers that can be checked by hand."""

import itertools
import math

import pytest

from tabdiff.errors import InputError
from tabdiff.imbalance.choosing import Arm, ArmScore, choose, verdict
from tabdiff.imbalance.choosing.rule import interval

ARMS = (
    Arm("none", {}, 0.0),
    Arm("to 1:1", {"fraud": 900}, 3.0),
    Arm("doubled", {"fraud": 100}, 1.0),
    Arm("to 0.3", {"fraud": 200, "odd": 100}, 2.0),
)


def scores(**by_arm):
    """Difference and error of the arms in the order of ARMS but for the first."""
    found = {"none": ArmScore((0.4,), 0.4, 0.02, 0.0, 0.0)}
    for arm, (difference, se) in zip(ARMS[1:], by_arm.values(), strict=True):
        found[arm.name] = ArmScore((0.4 + difference,), 0.4 + difference, 0.02, difference, se)
    return found


CHOICES = {
    "none is better by its error": (((0.01, 0.02), (0.02, 0.02), (-0.05, 0.01)), 1.0, "none"),
    "the only one that is": (((0.03, 0.02), (0.02, 0.02), (-0.05, 0.01)), 1.0, "to 1:1"),
    "smallest within an error of the best": (((0.06, 0.03), (0.031, 0.01), (0.05, 0.01)), 1.0, "doubled"),
    "smallest is further off": (((0.06, 0.02), (0.031, 0.01), (0.05, 0.01)), 1.0, "to 0.3"),
    "smallest is no candidate": (((0.06, 0.03), (0.031, 0.04), (0.05, 0.06)), 1.0, "to 1:1"),
    "a wider margin": (((0.06, 0.03), (0.031, 0.02), (0.05, 0.02)), 2.1, "to 0.3"),
    "no margin": (((0.001, 0.03), (-0.01, 0.02), (-0.02, 0.02)), 0.0, "to 1:1"),
    "nothing better, no margin": (((0.0, 0.0), (-0.01, 0.02), (-0.02, 0.02)), 0.0, "none"),
    "NaN and infinity": (((math.nan, 0.01), (0.1, math.nan), (math.inf, 0.01)), 1.0, "none"),
}


@pytest.mark.parametrize(("numbers", "margin", "expected"), CHOICES.values(), ids=CHOICES)
def test_the_choice_by_hand(numbers, margin, expected):
    balanced, doubled, third = numbers
    assert choose(ARMS, scores(balanced=balanced, doubled=doubled, third=third), margin) == expected


PRESUMED = (*ARMS[:2], Arm("light", {"fraud": 900}, 3.0, presumed=True), *ARMS[2:])

PRESUMPTIONS = {
    "nothing speaks against it": ((-0.01, 0.02), (0.02, 0.02), "light"),
    "it does harm": ((-0.03, 0.02), (0.02, 0.02), "none"),
    "it does harm, another helps": ((-0.03, 0.02), (0.031, 0.02), "doubled"),
    "another is better than it by the margin": ((0.01, 0.02), (0.041, 0.02), "doubled"),
    "another is better, but not by the margin": ((0.02, 0.02), (0.049, 0.02), "light"),
    "worse than none within its error: others are measured against none": (
        (-0.01, 0.02),
        (0.031, 0.02),
        "doubled",
    ),
    "it has no score": ((math.nan, 0.02), (0.02, 0.02), "none"),
}


@pytest.mark.parametrize(("light", "doubled", "expected"), PRESUMPTIONS.values(), ids=PRESUMPTIONS)
def test_a_presumed_arm_stands_unless_it_does_harm(light, doubled, expected):
    found = scores(balanced=(-0.1, 0.01), doubled=doubled, third=(-0.1, 0.01))
    found["light"] = ArmScore((), 0.4 + light[0], 0.02, *light)
    assert choose(PRESUMED, found, 1.5) == expected


RATIO = Arm("ratio 0.3", {"fraud": 200}, 2.0, presumed=True)
LIGHT = Arm("light", {"fraud": 900}, 1.0, presumed=True)

SEVERAL = {
    "the better one, though the other is smaller": ((0.010, 0.02), (0.011, 0.02), (-0.1, 0.01), "ratio 0.3"),
    "the better one, though it is uncertain": ((0.03, 0.01), (0.04, 0.09), (-0.1, 0.01), "ratio 0.3"),
    "equally good: the smaller": ((0.01, 0.02), (0.01, 0.02), (-0.1, 0.01), "light"),
    "one harmful, the other not": ((-0.021, 0.02), (-0.01, 0.02), (-0.1, 0.01), "ratio 0.3"),
    "the one that is less bad does harm beyond its error": (
        (-0.02, 0.03),
        (-0.01, 0.005),
        (-0.1, 0.01),
        "light",
    ),
    "both harmful": ((-0.03, 0.02), (-0.021, 0.02), (0.02, 0.02), "none"),
    "both harmful, another helps": ((-0.03, 0.02), (-0.021, 0.02), (0.031, 0.02), "doubled"),
    "another beats the worse of the two by the margin": (
        (0.00, 0.02),
        (0.02, 0.02),
        (0.049, 0.02),
        "ratio 0.3",
    ),
    "another beats the better of the two by the margin": (
        (0.00, 0.02),
        (0.02, 0.02),
        (0.051, 0.02),
        "doubled",
    ),
    "one without a score": ((math.nan, 0.02), (-0.01, 0.02), (-0.1, 0.01), "ratio 0.3"),
}


@pytest.mark.parametrize(("light", "ratio", "doubled", "expected"), SEVERAL.values(), ids=SEVERAL)
def test_of_several_presumed_arms_the_best_without_harm_stands_in_any_order(light, ratio, doubled, expected):
    numbers = {"light": light, "ratio 0.3": ratio, "doubled": doubled}
    found = {name: ArmScore((), 0.4 + gain, 0.02, gain, se) for name, (gain, se) in numbers.items()}
    for others in itertools.permutations([LIGHT, RATIO, ARMS[2]]):
        assert choose([ARMS[0], *others], found, 1.5) == expected


def test_equally_good_candidates_are_taken_in_any_order():
    """The best is known by its size as well, so that whose error counts does not hang on the order."""
    arms = [Arm("wide", {1: 5}, 2.0), Arm("narrow", {1: 5}, 3.0), Arm("small", {1: 5}, 1.0)]
    gains = {"wide": (0.05, 0.03), "narrow": (0.05, 0.001), "small": (0.03, 0.01)}
    found = {name: ArmScore((), 0.4 + gain, 0.02, gain, se) for name, (gain, se) in gains.items()}
    for others in itertools.permutations(arms):
        assert choose([ARMS[0], *others], found, 1.5) == "small"


def test_of_equally_large_arms_the_better_one_is_taken():
    arms = (ARMS[0], Arm("a", {1: 5}, 1.0), Arm("b", {1: 5}, 1.0))
    found = {name: ArmScore((), 0.4 + gain, 0.1, gain, 0.02) for name, gain in (("a", 0.04), ("b", 0.05))}
    assert choose(arms, found) == "b"


def test_arms_without_scores_leave_the_reference():
    assert choose(ARMS, {}) == "none"


def test_rows_added_are_those_of_all_classes():
    assert [arm.n_added for arm in ARMS] == [0, 900, 100, 300]


def test_nothing_to_choose_from_is_refused():
    with pytest.raises(InputError, match="at least the reference"):
        choose([], {})
    for margin in (-1.0, math.nan):
        with pytest.raises(InputError, match="margin is"):
            choose(ARMS, {}, margin)


@pytest.mark.parametrize(
    ("difference", "se", "expected"),
    [
        (0.0197, 0.01, "helps"),  # 1.97 errors; 1.96 are needed
        (0.0195, 0.01, "no measurable effect"),
        (-0.0195, 0.01, "no measurable effect"),
        (-0.0197, 0.01, "hurts"),
        (0.0, 0.0, "no measurable effect"),
        (math.nan, 0.01, "not assessable"),
        (0.02, math.inf, "not assessable"),
    ],
)
def test_a_difference_counts_if_its_interval_leaves_0_out(difference, se, expected):
    assert verdict(difference, se) == expected


def test_a_narrower_interval_claims_more():
    assert verdict(0.017, 0.01, alpha=0.1) == "helps"
    assert interval(0.5, 0.1, 0.05) == pytest.approx((0.3040036, 0.6959964))
