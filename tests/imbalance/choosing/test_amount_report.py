"""The report says in words and figures what the scores say."""

import json
import math

import numpy as np
import pytest

from tabdiff.errors import InputError
from tabdiff.imbalance.choosing import AmountReport, Arm, ArmScore

ARMS = (
    Arm("none", {}, 0.0),
    Arm("doubled", {np.int64(1): 100}, 1.0),
    Arm("to 1:1", {np.int64(1): 900, np.int64(2): 600}, 2.0),
)
NONE = ArmScore((0.40, 0.42), 0.41, 0.02, 0.0, 0.0)
BETTER = ArmScore((0.46, 0.48), 0.47, 0.02, 0.06, 0.01)
BEST = ArmScore((0.46, 0.49), 0.475, 0.02, 0.065, 0.02)
SAME = ArmScore((0.40, 0.43), 0.415, 0.02, 0.005, 0.01)
WORSE = ArmScore((0.36, 0.38), 0.37, 0.02, -0.04, 0.01)
UNKNOWN = ArmScore((math.nan, 0.4), math.nan, math.nan, math.nan, math.nan)


def report(chosen, doubled, balanced, **more):
    scores = {"none": NONE, "doubled": doubled, "to 1:1": balanced}
    how = "average_precision", "LogisticRegression", 2
    return AmountReport(ARMS, scores, chosen, *how, **({"margin": 1.0} | more))


def test_the_text_of_a_gain():
    assert str(report("doubled", BETTER, BEST)) == (
        """\
arm      rows added  average_precision  difference     95 % interval
none              0              0.410
doubled         100              0.470      +0.060  +0.040 to +0.080  <- chosen
to 1:1        1,500              0.475      +0.065  +0.026 to +0.104

verdict  helps

why
  2 amounts of synthetic rows (doubled, to 1:1) were compared with 'none' by average_precision of """
        """LogisticRegression on real rows held out in 2 folds.
  'doubled' was chosen, which adds 100 rows. It scored 0.470, 0.060 more than 'none' (95 % interval """
        """+0.040 to +0.080).
  It did better than 'none' by more than its standard error, and it is the smallest amount that did so """
        """within one standard error of the best, 'to 1:1' (+0.065).
  The whole interval lies above 0: on rows that the classifier had not seen, it gained. It was picked out """
        """of 2, so part of its gain is luck."""
    )


def test_the_reasons_where_nothing_helped():
    found = report("none", SAME, WORSE, notes=("Class 2 has 3 rows.",))
    assert found.verdict == "no measurable effect"
    assert found.reasons[1:] == [
        "'none' was chosen, which adds no rows. It scored 0.410.",
        "No amount did better than 'none' by more than its standard error: the best of them, 'doubled', "
        "scored 0.415, 0.005 more than 'none' (95 % interval -0.015 to +0.025).",
        "The interval holds 0: these held-out rows cannot tell the difference from chance, and a gain of "
        "more than 0.025 is unlikely.",
        "Class 2 has 3 rows.",
    ]


def test_the_reasons_where_all_hurt():
    found = report("none", WORSE, UNKNOWN, margin=2.0)
    assert found.verdict == "hurts"
    assert found.reasons[2:] == [
        "No amount did better than 'none' by more than 2 times its standard error: the best of them, "
        "'doubled', scored 0.370, 0.040 less than 'none' (95 % interval -0.060 to -0.020).",
        "The whole interval lies below 0: on rows that the classifier had not seen, it lost.",
    ]
    assert found.to_dict()["arms"][2]["folds"] == [None, 0.4]


def test_the_best_of_all_is_called_so():
    assert report("to 1:1", WORSE, BEST).reasons[2] == (
        "It did better than 'none' by more than its standard error, and best of all that did so."
    )


def test_the_best_is_the_best_of_those_that_did_better():
    """The arm with the greatest gain is too uncertain to count, and is not called the best."""
    uncertain = ArmScore((0.4, 0.6), 0.5, 0.1, 0.09, 0.1)
    assert report("doubled", BETTER, uncertain).reasons[2].endswith("and best of all that did so.")


# --- what helps as a rule ---------------------------------------------------------------------------------

LUCK = " It was picked out of 2, so part of its gain is luck."


def presumed(chosen, **gains):
    """A report on "light" and "ratio 0.3", which help as a rule, and "doubled"; (difference, error) each."""
    sizes = {"light": 1.0, "ratio 0.3": 2.0, "doubled": 1.0}
    arms = [Arm(name, {1: 100}, size, presumed=name != "doubled") for name, size in sizes.items()]
    scores = {"none": NONE}
    for name, (gain, se) in zip(sizes, gains.values(), strict=True):
        scores[name] = ArmScore((), 0.41 + gain, 0.02, gain, se)
    how = "average_precision", "LogisticRegression", 2
    return AmountReport((ARMS[0], *arms), scores, chosen, *how)


def test_why_the_better_of_two_presumed_arms():
    found = presumed("ratio 0.3", light=(0.01, 0.02), ratio=(0.05, 0.02), doubled=(0.01, 0.02)).reasons
    assert found[2] == (
        "It helps as a rule, and so does 'light': the best of them is taken that does not do worse than "
        "'none' by more than its standard error; no other did better than it by more than 1.5 times its "
        "standard error."
    )
    assert found[3].endswith("it gained." + LUCK)


def test_a_presumed_arm_that_lost_a_little_is_not_called_lucky():
    """Another than it was better by the margin, but not better than nothing."""
    found = presumed("ratio 0.3", light=(-0.05, 0.02), ratio=(-0.01, 0.02), doubled=(0.025, 0.02)).reasons
    assert found[2].endswith("no other did better than 'none' by more than 1.5 times its standard error.")
    assert "luck" not in found[3]


def test_a_presumed_arm_without_a_rival_was_not_picked_out():
    found = presumed("light", light=(0.05, 0.02), ratio=(math.nan, 0.02), doubled=(0.01, 0.02)).reasons
    assert found[2] == (
        "It helps as a rule, and is taken unless it does worse than 'none' by more than its standard error; "
        "no other did better than it by more than 1.5 times its standard error."
    )
    assert "luck" not in found[3]


def test_why_another_than_the_presumed_arms():
    found = presumed("doubled", light=(0.01, 0.02), ratio=(0.0, 0.02), doubled=(0.05, 0.02)).reasons
    assert found[2] == (
        "It did better than 'none', and than 'light', which helps as a rule, by more than 1.5 times its "
        "standard error, and best of all that did so."
    )
    assert found[3].endswith("It was picked out of 3, so part of its gain is luck.")


def test_why_nothing_though_some_help_as_a_rule():
    found = presumed("none", light=(-0.05, 0.02), ratio=(-0.03, 0.02), doubled=(0.01, 0.02)).reasons
    assert found[2] == (
        "No amount did better than 'none' by more than 1.5 times its standard error: the best of them, "
        "'doubled', scored 0.420, 0.010 more than 'none' (95 % interval -0.029 to +0.049). What helps as a "
        "rule ('light' and 'ratio 0.3') did worse than 'none' by its standard error or more."
    )


def test_an_amount_that_was_asked_for_is_given_no_reasons():
    found = report("doubled", WORSE, UNKNOWN, asked_for=True)
    assert found.reasons[1:] == [
        "'doubled' was asked for, which adds 100 rows. It scored 0.370, 0.040 less than 'none' (95 % "
        "interval -0.060 to -0.020).",
        "The whole interval lies below 0: on rows that the classifier had not seen, it lost.",
    ]


def test_a_gain_within_chance_is_not_called_one():
    within = ArmScore((0.42, 0.43), 0.425, 0.02, 0.015, 0.01)
    found = report("doubled", within, WORSE)
    assert found.verdict == "no measurable effect"
    assert found.reasons[3].startswith("The interval holds 0")


def test_a_perfect_loss_is_0_without_a_sign():
    perfect = ArmScore((-0.0,), -0.0, 0.0, 0.0, 0.0)
    found = AmountReport(ARMS[:1], {"none": perfect}, "none", "neg_log_loss", "SVC", 1)
    assert str(found).splitlines()[1].split() == ["none", "0", "0.000", "<-", "chosen"]


def test_without_scores_the_notes_say_why():
    note = "Class 1 has 3 rows, too few to hold any out."
    found = AmountReport(ARMS, {}, "none", "average_precision", "LogisticRegression", 3, (note,))
    assert found.verdict == "not assessable"
    assert found.reasons == [
        "2 amounts of synthetic rows (doubled, to 1:1) could not be compared by average_precision of "
        "LogisticRegression on real rows held out in 3 folds.",
        "'none' was chosen, which adds no rows. No score could be compared, so nothing is known about its "
        "effect.",
        note,
    ]
    assert str(found).splitlines()[1].split() == ["none", "0", "<-", "chosen"]
    assert found.to_frame()["score"].isna().all()


def test_scores_that_are_all_unknown_are_not_assessable():
    assert report("none", UNKNOWN, UNKNOWN).verdict == "not assessable"
    assert report("doubled", UNKNOWN, BETTER).verdict == "not assessable"


def test_the_dict_is_json_with_the_numbers_by_hand():
    found = json.loads(json.dumps(report("doubled", BETTER, UNKNOWN).to_dict(), allow_nan=False))
    assert [found[key] for key in ("chosen", "verdict", "scoring", "n_folds", "margin", "notes")] == [
        "doubled",
        "helps",
        "average_precision",
        2,
        1.0,
        [],
    ]
    doubled, balanced = found["arms"][1:]
    assert doubled["n_synthetic"] == {"1": 100}
    assert doubled["folds"] == [0.46, 0.48]
    numbers = [doubled[key] for key in ("score", "se", "difference", "difference_se", "lo", "hi")]
    assert numbers == pytest.approx([0.47, 0.02, 0.06, 0.01, 0.0404004, 0.0795996], abs=1e-6)
    assert balanced["score"] is None and balanced["hi"] is None
    assert balanced["n_synthetic"] == {"1": 900, "2": 600}


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_the_frame_has_a_row_for_each_arm_in_every_library(library):
    found = report("doubled", BETTER, UNKNOWN).to_frame(library)
    assert type(found).__module__.startswith(library)
    table = found if library == "pandas" else found.to_pandas()
    assert list(table["arm"]) == ["none", "doubled", "to 1:1"]
    assert list(table["rows_added"]) == [0, 100, 1500]
    assert list(table["chosen"]) == [False, True, False]
    assert table["difference"][1] == 0.06
    assert np.isnan(table["lo"][2])
    assert list(table.columns)[2:9] == ["size", "score", "se", "difference", "difference_se", "lo", "hi"]


def test_another_library_is_refused():
    with pytest.raises(InputError, match="dask"):
        report("none", SAME, WORSE).to_frame("dask")
