"""Long frames become panels, whatever the order of their rows, and come back as sorted frames."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from containers import cells

from tabdiff import frames
from tabdiff.errors import ConditionError, InputError
from tabdiff.long_frames import (
    Roles,
    by_rarity,
    check_different,
    check_several,
    codes_in,
    columns_of,
    event_class,
    panel_of,
    with_rarest,
)

ROLES = Roles("who", "day", ("ward",))
NAMES = ["pulse", "day", "who", "ward", "note"]


def scattered():
    """Three patients whose rows stand in no order; two rows of one are of the same day."""
    return pd.DataFrame(
        {
            "pulse": [70, 71, 72, 73, 74, 75],
            "day": [5, 2, 1, 2, 9, 1],
            "who": ["m", "c", "m", "c", "x", "c"],
            "ward": ["b", "a", "b", "a", None, "a"],
            "note": ["p", "q", "r", "s", "t", None],
        }
    )


def panel(frame, roles=ROLES):
    return panel_of(frames.read(frame)[0], roles)


def told(column):
    """The cells as the user knows them, missing ones as None."""
    pairs = zip(column.values, column.missing, strict=True)
    return [None if gone else column.describe(value) for value, gone in pairs]


def test_entities_are_in_order_of_their_first_row_and_steps_in_order_of_time():
    found, order = panel(scattered())
    assert order.tolist() == [2, 0, 5, 1, 3, 4]
    assert found.offsets.tolist() == [0, 2, 5, 6]
    assert found.offsets.dtype == np.int64
    assert [(column.name, told(column)) for column in found.context] == [
        ("who", ["m", "c", "x"]),
        ("ward", ["b", "a", None]),
    ]
    assert [(column.name, told(column)) for column in found.steps] == [
        ("pulse", [72, 70, 75, 71, 73, 74]),
        ("note", ["r", "p", None, "q", "s", "t"]),
    ]
    assert told(found.time) == [1, 5, 1, 2, 2, 9]
    assert found.lengths.tolist() == [2, 3, 1]


def test_rows_of_one_time_stay_in_the_order_of_the_frame():
    frame = pd.DataFrame({"who": [1, 2] * 50, "at": [7] * 100, "row": range(100)})
    found, order = panel(frame, Roles("who", "at"))
    assert order.tolist() == [*range(0, 100, 2), *range(1, 100, 2)]
    assert told(found.steps[0]) == order.tolist()


def test_without_a_time_the_order_of_the_frame_counts():
    found, order = panel(scattered(), Roles("who", None, ("ward",)))
    assert order.tolist() == [0, 2, 1, 3, 5, 4]
    assert found.time is None
    assert told(found.steps[1]) == [5, 1, 2, 2, 1, 9]


def test_without_an_entity_the_frame_is_one_series():
    found, order = panel(scattered()[["pulse", "day"]], Roles(None, "day"))
    assert order.tolist() == [2, 5, 1, 3, 0, 4]
    assert found.offsets.tolist() == [0, 6]
    assert found.context == []
    assert told(found.steps[0]) == [72, 75, 71, 73, 70, 74]


def test_names_of_numbers_dates_and_categories_tell_entities_apart():
    days = pd.to_datetime(["2024-01-02", "2024-01-01", "2024-01-02"])
    for names in ([7, -3, 7], [0.5, 0.25, 0.5], days, pd.Categorical(["b", "a", "b"], ["a", "b", "c"])):
        found, order = panel(pd.DataFrame({"who": names, "at": [2, 1, 1]}), Roles("who", "at"))
        assert order.tolist() == [2, 0, 1]
        assert found.offsets.tolist() == [0, 2, 3]


def test_columns_of_a_panel_are_the_sorted_frame(frame_maker):
    frame = frame_maker(scattered())
    columns, template = frames.read(frame)
    found, order = panel_of(columns, ROLES)
    back = template.rebuild(columns_of(found, NAMES))
    assert type(back) is type(frame)
    assert cells(back) == [cells(frame)[row] for row in order]
    assert cells(back) == [
        (72, 1, "m", "b", "r"),
        (70, 5, "m", "b", "p"),
        (75, 1, "c", "a", None),
        (71, 2, "c", "a", "q"),
        (73, 2, "c", "a", "s"),
        (74, 9, "x", None, "t"),
    ]


def test_a_frame_is_not_changed():
    frame = scattered()
    panel(frame)
    pd.testing.assert_frame_equal(frame, scattered())


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (Roles(None, None), "neither entity nor time"),
        (Roles(None, "day", ("ward",)), r"context is \['ward'\], but there is no entity"),
        (Roles("patient", "day"), r"no columns \['patient'\]. Columns: \['pulse', 'day', 'who'"),
        (Roles("who", "when"), r"no columns \['when'\]"),
        (Roles("who", "day", ("ward", "bed")), r"no columns \['bed'\]"),
        (Roles("who", "who"), r"the columns \['who'\] are given more than one role"),
        (Roles("who", "day", ("day",)), r"the columns \['day'\] are given more than one role"),
        (Roles("who", None, ("ward", "ward")), r"the columns \['ward'\] are given more than one role"),
        (Roles("who", None, ("pulse", "day", "ward", "note")), r"Nothing is left that changes"),
    ],
)
def test_roles_that_make_no_series_are_refused(roles, message):
    with pytest.raises(InputError, match=message):
        roles.check(NAMES)


@pytest.mark.parametrize(
    "roles", [Roles("who", None), Roles(None, "day"), Roles("who", "day", ("pulse", "ward", "note"))]
)
def test_roles_that_leave_a_time_or_a_step_are_fine(roles):
    roles.check(NAMES)


@pytest.mark.parametrize(("name", "role"), [("who", "entity"), ("day", "time")])
def test_missing_entities_and_times_are_refused_with_their_first_row(name, role):
    frame = scattered().astype({"day": float})
    frame.loc[[3, 5], name] = None
    with pytest.raises(InputError, match=f"the {role} column '{name}' is missing in 2 of 6 .* is row 3"):
        panel(frame)


@pytest.mark.parametrize(
    ("row", "value", "said"),
    [
        (0, "z", "'ward' is 'b' and 'z' within the entity 'm'"),
        (0, None, "'ward' is 'b' and None within the entity 'm'"),
        (5, None, "'ward' is None and 'a' within the entity 'c'"),
        (3, "z", "'ward' is 'a' and 'z' within the entity 'c'"),
    ],
)
def test_context_that_changes_is_refused_with_what_it_is(row, value, said):
    frame = scattered()
    frame.loc[row, "ward"] = value
    with pytest.raises(InputError, match=re.escape(said)):
        panel(frame)


def test_what_lies_in_missing_cells_of_the_context_does_not_matter():
    columns, _ = frames.read(scattered().assign(ward=np.nan, day=1))
    columns = [
        replace(column, values=np.arange(6.0)) if column.name == "ward" else column for column in columns
    ]
    found, _ = panel_of(columns, ROLES)
    assert told(found.context[1]) == [None] * 3


def test_one_entity_alone_is_refused_by_its_name():
    found, _ = panel(scattered().assign(who="only", ward="a"))
    with pytest.raises(InputError, match="'who' names one entity alone, 'only'"):
        check_several(found)
    check_several(panel(scattered())[0])


def test_series_are_named_all_or_none_and_each_by_another_name():
    def name_column(names):
        return frames.read(pd.DataFrame({"who": names}))[0][0]

    check_different(name_column(["a", "b"]))
    check_different(name_column([None, None]))
    with pytest.raises(ConditionError, match="'b' is in 2 rows of 'who'"):
        check_different(name_column(["b", "a", "b"]))
    with pytest.raises(ConditionError, match="'who' is missing in 2 of 3 rows"):
        check_different(name_column([7, None, None]))


# --- classes of whole series --------------------------------------------------------------------------------


def flagged():
    """Series with the flags n n n, n y, r n (missing) and n."""
    return pd.DataFrame(
        {
            "who": [0, 0, 0, 1, 1, 2, 2, 2, 3],
            "flag": ["n", "n", "n", "n", "y", "r", "n", None, "n"],
            "more": ["n", "n", "n", "n", "y", "y", "n", None, "n"],
        }
    )


def test_the_rarest_value_that_occurs_is_the_class_of_a_series():
    found, _ = panel(flagged(), Roles("who", None))
    values = by_rarity(found, "more")
    assert values == ["y", "n"]
    more = with_rarest(found, "more", values)
    assert more.context[-1].name == event_class("more")
    assert told(more.context[-1]) == ["n", "y", "y", "n"]
    assert [column.name for column in more.context[:-1]] == ["who"]
    assert codes_in(found.steps[1], values).tolist() == [1, 1, 1, 1, 0, 0, 1, 2, 1]


def test_the_order_of_rarity_decides_where_several_occur():
    found, _ = panel(flagged(), Roles("who", None))
    assert told(with_rarest(found, "flag", ["r", "y", "n"]).context[-1]) == ["n", "y", "r", "n"]
    assert told(with_rarest(found, "flag", ["n", "y", "r"]).context[-1]) == ["n", "n", "n", "n"]


def test_a_series_without_any_of_the_values_has_no_class():
    frame = flagged()
    frame.loc[8, "more"] = None
    found, _ = panel(frame, Roles("who", None))
    assert told(with_rarest(found, "more", ["y", "n"]).context[-1]) == ["n", "y", "y", None]
    with pytest.raises(InputError, match="'more' is missing in all steps of 1 entities"):
        by_rarity(found, "more")
