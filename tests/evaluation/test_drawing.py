"""Drawings land where their numbers say, and hold no text that a page would run."""

import re
from xml.etree import ElementTree

import pytest

from tabdiff.evaluation.drawing import (
    Curve,
    Scale,
    bars,
    densities,
    escaped,
    histogram,
    icon,
    interval_bar,
    level_bars,
    log_curves,
    mark,
    precision_recall,
    short,
    step_path,
    ticks,
    triangle,
)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def of_class(svg: str, tag: str, style: str) -> list[ElementTree.Element]:
    return [each for each in parsed(svg).iter(tag) if style in each.get("class", "").split()]


def points(path: ElementTree.Element) -> list[tuple[float, float]]:
    numbers = re.findall(r"-?[\d.]+", path.get("d", ""))
    return [(float(x), float(y)) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in parsed(svg).iter("text")]


# --- scales and ticks ---


def test_a_scale_maps_ends_to_ends_and_the_middle_to_the_middle():
    x = Scale(0, 10, 100, 200)
    assert [x(0), x(5), x(10)] == [100, 150, 200]


def test_a_scale_clips_what_lies_outside():
    assert Scale(0, 1, 0, 50)(7) == 50
    assert Scale(0, 1, 0, 50)(-7) == 0


def test_a_logarithmic_scale_gives_each_power_of_ten_the_same_room():
    x = Scale(1e-3, 1, 0, 300, log=True)
    assert [round(x(v), 9) for v in (1e-3, 1e-2, 1e-1, 1)] == [0, 100, 200, 300]
    assert x(0) == 0


@pytest.mark.parametrize(
    ("lo", "hi", "expected"),
    [
        (0, 1, [0, 0.5, 1]),
        (0, 100, [0, 50, 100]),
        (-0.3, 0.3, [-0.2, 0, 0.2]),
        (0.0031, 0.0059, [0.004, 0.005]),
        (7, 7, [7]),
    ],
)
def test_ticks_are_round_numbers_inside_of_the_range(lo, hi, expected):
    assert ticks(lo, hi, 3) == expected


# --- text ---


def test_text_cannot_leave_its_place():
    assert escaped("<script>\"'&") == "&lt;script&gt;&quot;&#x27;&amp;"


def test_characters_that_hide_or_turn_text_are_replaced():
    assert escaped("a\u202eb\x00c\ud800") == "a\ufffdb\ufffdc\ufffd"


def test_long_text_is_cut_with_an_ellipsis():
    assert short("abcdef", 4) == "abc…"
    assert short("abcd", 4) == "abcd"


NASTY = '</text><script>alert("1")</script>'


@pytest.mark.parametrize(
    "svg",
    [
        interval_bar(0.5, title=NASTY),
        histogram([0, 1], [1], [1], NASTY),
        level_bars([NASTY], [1], [1], NASTY),
        bars([NASTY], [1], NASTY),
        triangle([NASTY, NASTY], [[0, 0.5], [0.5, 0]], NASTY),
        precision_recall([Curve(NASTY, [0, 1], [1, 0], "s0")], NASTY),
        log_curves([Curve(NASTY, [0, 1], [0, 1], "s0")], NASTY),
    ],
)
def test_no_drawing_lets_markup_through(svg):
    assert "<script" not in svg
    assert not list(parsed(svg).iter("script"))


# --- one number ---


def test_a_value_lies_between_its_ends_where_it_should():
    svg = interval_bar(0.5, 0.25, 0.75, ideal=0.0, bad=1.0, width=216)
    # the axis runs from -0.04 to 1.04 over 200 pixels that begin at 8
    (dot,) = of_class(svg, "circle", "value")
    (interval,) = of_class(svg, "rect", "interval")
    assert float(dot.get("cx")) == pytest.approx(108)
    assert float(interval.get("x")) == pytest.approx(8 + 200 * 0.29 / 1.08, abs=0.01)
    assert float(interval.get("width")) == pytest.approx(200 * 0.5 / 1.08, abs=0.01)
    (ideal,) = of_class(svg, "path", "ideal")
    assert points(ideal)[0][0] == pytest.approx(8 + 200 * 0.04 / 1.08, abs=0.01)


def test_a_value_alone_lies_in_the_middle():
    (dot,) = of_class(interval_bar(3.0, width=200), "circle", "value")
    assert float(dot.get("cx")) == 100


def test_marks_differ_in_shape():
    shapes = [[each.tag for each in ElementTree.fromstring(f"<g>{mark(kind, 5, 5)}</g>")] for kind in KINDS]
    assert shapes == [["circle"], ["path"], ["line"], ["line", "line"]]


KINDS = ("value", "ideal", "floor", "bad")


def test_verdict_signs_differ_without_colour():
    assert len({icon(tone) for tone in ("good", "bad", "neutral", "unknown")}) == 4


# --- columns ---


def test_the_outline_of_a_histogram_climbs_and_falls_with_its_bins():
    x, y = Scale(0, 2, 0, 20), Scale(0, 1, 10, 0)
    assert step_path([0, 1, 2], [0.5, 1], x, y) == [(0, 10), (0, 5), (10, 5), (10, 0), (20, 0), (20, 10)]


def test_wide_bins_are_drawn_as_low_as_their_rows_are_thin():
    assert densities([0, 1, 5], [0.5, 0.5]) == [0.5, 0.125]


def test_real_and_synthetic_outlines_agree_where_the_shares_do():
    svg = histogram([0, 1, 2, 4], [0.2, 0.3, 0.5], [0.2, 0.3, 0.5])
    (real,), (synthetic,) = of_class(svg, "path", "real"), of_class(svg, "path", "synthetic")
    assert points(real) == points(synthetic)
    assert len(points(real)) == 2 * 3 + 2


def test_an_empty_synthetic_column_is_drawn_flat():
    (synthetic,) = of_class(histogram([0, 1], [1], [0]), "path", "synthetic")
    assert len({y for _, y in points(synthetic)}) == 1


def test_each_level_has_one_bar_per_table():
    svg = level_bars(["a", "b", "c"], [0.5, 0.3, 0.2], [0.25, 0.25, 0.5])
    real, synthetic = of_class(svg, "rect", "real"), of_class(svg, "rect", "synthetic")
    assert len(real) == len(synthetic) == 3
    assert float(real[0].get("width")) == pytest.approx(90)  # a: the longest takes all 90 pixels
    assert float(synthetic[0].get("width")) == pytest.approx(45)


def test_many_levels_end_in_one_row_for_the_others():
    shares = [0.1] * 10
    svg = level_bars([f"l{i}" for i in range(10)], shares, shares, most=7)
    assert len(of_class(svg, "rect", "real")) == 8
    assert "3 others" in texts(svg)
    assert "30%" in texts(svg)


def test_levels_that_were_put_together_before_join_the_others():
    shares = [0.1] * 10
    svg = level_bars([*(f"l{i}" for i in range(9)), "other"], shares, shares, most=7)
    assert [text for text in texts(svg) if "%" not in text] == [*(f"l{i}" for i in range(7)), "all others"]


def test_levels_keep_their_order():
    svg = level_bars([f"l{i}" for i in range(9)], [0.0] * 9, [i / 36 for i in range(9)], most=2)
    assert [text for text in texts(svg) if "%" not in text] == ["l7", "l8", "7 others"]


def test_bars_are_as_long_as_their_values():
    svg = bars(["a", "b", "c"], [0.2, 0.1, -0.05])
    assert [float(each.get("width")) for each in of_class(svg, "rect", "synthetic")] == [170, 85, 0.5]
    assert "-0.050" in texts(svg)


# --- pairs ---


def test_a_triangle_has_one_cell_for_each_pair():
    values = [[0, 0.1, 0.2], [0.1, 0, 0.4], [0.2, 0.4, 0]]
    svg = triangle(["a", "b", "c"], values)
    cells = of_class(svg, "rect", "cell")
    assert [float(cell.get("fill-opacity")) for cell in cells] == [0.25, 0.5, 1]
    assert [text for text in texts(svg) if text.isdigit()] == ["10", "20", "40"]
    assert [float(cell.get("x")) for cell in cells] == [1, 1, 26]
    assert [float(cell.get("y")) for cell in cells] == [26, 51, 51]


def test_small_differences_stay_pale():
    (cell,) = of_class(triangle(["a", "b"], [[0, 0.01], [0.01, 0]]), "rect", "cell")
    assert float(cell.get("fill-opacity")) == 0.1


# --- curves ---


def test_recall_runs_right_and_precision_up():
    svg = precision_recall([Curve("one", [0, 1], [1, 0.5], "s1", [0.9, 0.4], [1, 0.6])])
    (curve,) = of_class(svg, "path", "curve")
    assert points(curve) == [(52, 8), (352, 122)]
    (band,) = of_class(svg, "path", "band")
    assert points(band) == [(52, 8), (352, 99.2), (352, 144.8), (52, 30.8)]
    assert "one" in texts(svg)


def test_a_guessing_attack_lies_on_the_dotted_line():
    rates = [0, 0.001, 0.01, 0.1, 1]
    svg = log_curves([Curve("attack", rates, rates, "s1")])
    guess, attack = (points(each) for each in of_class(svg, "path", "curve"))
    assert guess == [(52, 236), (352, 8)]
    for x, y in attack:
        assert (x - 52) / 300 == pytest.approx((236 - y) / 228, abs=1e-3)
