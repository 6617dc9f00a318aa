"""Pictures as SVG text: pure functions from numbers to a string that stands in an HTML page.

Nothing here sets a colour: shapes carry class names, and the page's style sheet says how "real", "synthetic"
or "interval" look on a light screen, a dark one and on paper. Every mark differs in shape or dash as well.
All text is escaped.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = [
    "Curve",
    "Scale",
    "bars",
    "escaped",
    "histogram",
    "icon",
    "interval_bar",
    "level_bars",
    "log_curves",
    "mark",
    "precision_recall",
    "step_path",
    "ticks",
    "triangle",
]

Point = tuple[float, float]

# control characters, halves of surrogate pairs, and marks that turn the direction of the text around them
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
LARGEST = 8e307  # the distance between two ends of an axis is a number, too
_GLYPH = 0.58  # mean width of a letter in heights


def cleaned(value: object) -> str:
    """The text without characters that a page cannot show or that reorder what follows."""
    return _UNPRINTABLE.sub("\ufffd", str(value))


def escaped(value: object) -> str:
    """The text as HTML, harmless in elements and in quoted attributes."""
    return html.escape(cleaned(value), quote=True)


@dataclass(frozen=True)
class Scale:
    """A straight (or logarithmic) map from values in [lo, hi] to pixels in [start, end]; clips outside."""

    lo: float
    hi: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        lo, hi, value = self.lo, self.hi, min(max(value, self.lo), self.hi)
        if self.log:
            lo, hi, value = math.log(lo), math.log(hi), math.log(value)
        return self.start + (self.end - self.start) * ((value - lo) / (hi - lo))


@dataclass(frozen=True)
class Curve:
    """A line with an optional band: x and y of equal length, lo and hi of the same length or empty.

    style: class name that gives colour and dash.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: str
    lo: Sequence[float] = ()
    hi: Sequence[float] = ()


def ticks(lo: float, hi: float, n: int = 4) -> list[float]:
    """About n round numbers (1, 2 or 5 times a power of ten apart) in [lo, hi]."""
    if not hi > lo:
        return [lo]
    raw = (hi - lo) / max(n, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first, last = math.ceil(lo / step - 1e-9), math.floor(hi / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(k * step, digits) for k in range(first, last + 1)]


def short(text: object, n: int) -> str:
    """At most n characters, an ellipsis for what is cut."""
    text = cleaned(text)
    return text if len(text) <= n else text[: max(n - 1, 1)] + "…"


# --- pieces ---


def _number(value: float) -> str:
    """At most two decimals, which is finer than any screen."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _tick_label(value: float) -> str:
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.6g}"


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """One picture with a title that screen readers speak."""
    size = f'viewBox="0 0 {_number(width)} {_number(height)}" width="{_number(width)}"'
    named = f"<title>{escaped(title)}</title>" if title else ""
    role = 'role="img"' if title else 'aria-hidden="true"'
    return f"<svg {size} {role}>{named}{''.join(parts)}</svg>"


def _text(x: float, y: float, text: object, style: str = "", anchor: str = "start") -> str:
    place = f'x="{_number(x)}" y="{_number(y)}" class="{style}" text-anchor="{anchor}"'
    return f"<text {place}>{escaped(text)}</text>"


def _anchor(x: float, width: float) -> str:
    """How to align a tick's label, so that it stays inside of the picture."""
    return "start" if x < 22 else "end" if x > width - 22 else "middle"


def _line(a: Point, b: Point, style: str) -> str:
    return (
        f'<line x1="{_number(a[0])}" y1="{_number(a[1])}" x2="{_number(b[0])}" y2="{_number(b[1])}" '
        f'class="{style}"/>'
    )


def _rect(x: float, y: float, width: float, height: float, style: str, extra: str = "") -> str:
    return (
        f'<rect x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(height)}" '
        f'class="{style}"{extra}/>'
    )


def _path(points: Sequence[Point], style: str, closed: bool = False) -> str:
    steps = " L".join(f"{_number(x)} {_number(y)}" for x, y in points)
    return f'<path d="M{steps}{" Z" if closed else ""}" class="{style}"/>'


def mark(kind: str, x: float, y: float) -> str:
    """The sign of one number, told apart by shape.

    kind: "value" a filled disc, "ideal" a hollow diamond, "floor" a dashed upright line, "bad" a cross.
    """
    if kind == "value":
        return f'<circle cx="{_number(x)}" cy="{_number(y)}" r="4" class="value"/>'
    if kind == "ideal":
        corners = [(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)]
        return _path(corners, "ideal", closed=True)
    if kind == "floor":
        return _line((x, y - 9), (x, y + 9), "floor")
    return _line((x - 4, y - 4), (x + 4, y + 4), "bad") + _line((x - 4, y + 4), (x + 4, y - 4), "bad")


_SIGNS = {
    "good": '<circle cx="12" cy="12" r="10"/><path d="M7 12.5 L10.5 16 L17 8.5"/>',
    "bad": '<path d="M12 2 L23 21 L1 21 Z"/><path d="M12 9 L12 14.5"/><path d="M12 17.3 L12 18"/>',
    "neutral": '<rect x="2" y="2" width="20" height="20" rx="3"/><path d="M7 12 L17 12"/>',
    "unknown": '<circle cx="12" cy="12" r="10" stroke-dasharray="4 3"/>'
    '<path d="M9 9.5 A3 3 0 1 1 12 12.6 L12 14"/><path d="M12 17 L12 17.6"/>',
}


def icon(tone: str) -> str:
    """A sign of 24 x 24: "good" a tick, "bad" a warning triangle, "neutral" a dash, "unknown" a question."""
    return _svg(24, 24, "", [f'<g class="sign">{_SIGNS[tone]}</g>'])


# --- one number ---


def interval_bar(
    value: float,
    lo: float | None = None,
    hi: float | None = None,
    *,
    ideal: float | None = None,
    floor: float | None = None,
    bad: float | None = None,
    title: str = "",
    width: float = 200.0,
) -> str:
    """A value on its scale: the interval a bar, around it the marks of `mark`, below it round numbers."""
    known = [each for each in (value, lo, hi, ideal, floor, bad) if each is not None]
    low, high = min(known), max(known)
    room = 0.04 * (high - low) or max(abs(value), 1.0) * 0.5
    at = Scale(low - room, high + room, 8, width - 8)
    parts = [_line((8, 12), (width - 8, 12), "axis")]
    for tick in ticks(at.lo, at.hi, 3):
        parts.append(_line((at(tick), 12), (at(tick), 16), "axis"))
        parts.append(_text(at(tick), 29, _tick_label(tick), "tick", _anchor(at(tick), width)))
    if lo is not None and hi is not None:
        parts.append(_rect(at(lo), 9, max(at(hi) - at(lo), 1.0), 6, "interval"))
    for kind, each in (("bad", bad), ("floor", floor), ("ideal", ideal), ("value", value)):
        if each is not None:
            parts.append(mark(kind, at(each), 12))
    return _svg(width, 32, title, parts)


# --- columns ---


def step_path(edges: Sequence[float], heights: Sequence[float], x: Scale, y: Scale) -> list[Point]:
    """The outline of a histogram, from the base line up, along the tops and down again: 2 * n + 2 points."""
    points = [(x(edges[0]), y(0))]
    for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
        points += [(x(left), y(height)), (x(right), y(height))]
    return [*points, (x(edges[-1]), y(0))]


def densities(edges: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Share per unit of x, so that areas are shares whatever the widths of the bins."""
    widths = [right - left for left, right in pairwise(edges)]
    return [share / width if width > 0 else 0.0 for share, width in zip(shares, widths, strict=True)]


def histogram(
    edges: Sequence[float], real: Sequence[float], synthetic: Sequence[float], title: str = ""
) -> str:
    """Two outlines over one axis: real filled with a solid line, synthetic a dashed line.

    edges: (n + 1,) increasing. real, synthetic: (n,) shares of rows; areas are drawn in proportion to them.
    """
    width, base = 200, 92
    edges = [min(max(edge, -LARGEST), LARGEST) for edge in edges]
    heights = [densities(edges, real), densities(edges, synthetic)]
    top = max(*heights[0], *heights[1], 0.0) or 1.0
    lo, hi = edges[0], edges[-1]
    x = Scale(lo, hi if hi > lo else lo + 1, 8, width - 8)
    y = Scale(0, top, base, 8)
    parts = [
        _path(step_path(edges, heights[0], x, y), "real area"),
        _path(step_path(edges, heights[1], x, y), "synthetic outline"),
        _line((8, base), (width - 8, base), "axis"),
    ]
    for tick in ticks(x.lo, x.hi, 3):
        parts.append(_line((x(tick), base), (x(tick), base + 4), "axis"))
        parts.append(_text(x(tick), base + 16, _tick_label(tick), "tick", _anchor(x(tick), width)))
    return _svg(width, base + 22, title, parts)


def level_bars(
    levels: Sequence[object],
    real: Sequence[float],
    synthetic: Sequence[float],
    title: str = "",
    most: int = 7,
) -> str:
    """A pair of bars per level, real hollow above synthetic filled; levels beyond `most` are put together."""
    rows = _fewer_levels(levels, real, synthetic, most)
    left, right, step = 72, 162, 15
    top = max([max(a, b) for _, a, b in rows] + [1e-9])
    x = Scale(0, top, left, right)
    parts = []
    for i, (level, a, b) in enumerate(rows):
        y = 4 + i * step
        parts.append(_text(left - 6, y + 9, short(level, 11), "tick", "end"))
        parts.append(_rect(left, y, max(x(a) - left, 0.5), 5, "real hollow"))
        parts.append(_rect(left, y + 6, max(x(b) - left, 0.5), 5, "synthetic solid"))
        parts.append(_text(right + 6, y + 9, f"{b:.1%}" if b < 0.1 else f"{b:.0%}", "tick"))
    return _svg(200, 8 + step * len(rows), title, parts)


def _fewer_levels(
    levels: Sequence[object], real: Sequence[float], synthetic: Sequence[float], most: int
) -> list[tuple[str, float, float]]:
    """The levels that occur most in either table, in their order, and one row for all others.

    A last level "other" stands for levels that were put together before, and is put to the others.
    """
    rows = list(zip(map(str, levels), real, synthetic, strict=True))
    if len(rows) <= most + 1:
        return rows
    before = rows.pop() if rows[-1][0] == "other" else None
    ranked = sorted(range(len(rows)), key=lambda i: -max(rows[i][1:]))
    kept, rest = sorted(ranked[:most]), [rows[i] for i in ranked[most:]]
    name = f"{len(rest)} others" if before is None else "all others"
    rest += [] if before is None else [before]
    return [*(rows[i] for i in kept), (name, sum(r[1] for r in rest), sum(r[2] for r in rest))]


def bars(labels: Sequence[object], values: Sequence[float], title: str = "") -> str:
    """Horizontal bars from zero with their values written beside them; values below zero have no length."""
    left, right, step = 130, 300, 20
    x = Scale(0, max([*values, 1e-9]), left, right)
    parts = []
    for i, (label, value) in enumerate(zip(labels, values, strict=True)):
        y = 4 + i * step
        parts.append(_text(left - 8, y + 11, short(label, 17), "label", "end"))
        parts.append(_rect(left, y, max(x(value) - left, 0.5), 14, "synthetic solid"))
        parts.append(_text(x(value) + 6, y + 11, f"{value:.3f}", "tick"))
    return _svg(350, 8 + step * len(labels), title, parts)


# --- pairs ---


def triangle(names: Sequence[object], values: Sequence[Sequence[float | None]], title: str = "") -> str:
    """The lower triangle of a symmetric matrix of numbers in [0, 1], darker where larger.

    The name on the diagonal belongs to the row at its left and to the column below it. Up to 16 names, each
    cell holds its number in hundredths as well. A cell is left blank where the number is None.
    """
    n, cell = len(names), 25
    top = max([values[i][j] or 0.0 for i in range(n) for j in range(i)] + [0.1])
    parts = []
    for i in range(n):
        for j in range(i):
            if (value := values[i][j]) is not None:
                parts += _cell(value, top, j * cell, i * cell, cell, numbered=n <= 16)
        parts.append(_text(i * cell + 5, i * cell + 17, short(names[i], 17), "label"))
    return _svg(n * cell + 17 * 12 * _GLYPH, n * cell + 2, title, parts)


def _cell(value: float, top: float, x: float, y: float, size: float, numbered: bool) -> list[str]:
    strength = min(max(value / top, 0.0), 1.0)
    parts = [_rect(x + 1, y + 1, size - 2, size - 2, "cell", f' fill-opacity="{strength:.2f}"')]
    if numbered:
        style = "inside strong" if strength > 0.55 else "inside"
        parts.append(_text(x + size / 2, y + 17, f"{100 * value:.0f}", style, "middle"))
    return parts


# --- curves ---


def precision_recall(curves: Sequence[Curve], title: str = "") -> str:
    """Precision over recall, both from 0 to 1, with bands and a legend below."""
    x, y = Scale(0, 1, 52, 352), Scale(0, 1, 236, 8)
    at = [0, 0.25, 0.5, 0.75, 1]
    return _chart(curves, x, y, at, ("recall", "precision"), title)


def log_curves(curves: Sequence[Curve], title: str = "", smallest: float = 1e-3) -> str:
    """True over false positive rate, both on a log axis from `smallest` to 1; smaller rates lie on the edge.

    Few false alarms are what an attacker needs; a straight axis hides them in its first pixels.
    """
    x, y = Scale(smallest, 1, 52, 352, log=True), Scale(smallest, 1, 236, 8, log=True)
    at = [10.0**k for k in range(round(math.log10(smallest)), 1)]
    guess = Curve("guessing", [smallest, 1], [smallest, 1], "guess")
    return _chart([guess, *curves], x, y, at, ("false positive rate", "true positive rate"), title)


def _chart(
    curves: Sequence[Curve], x: Scale, y: Scale, at: Sequence[float], names: tuple[str, str], title: str
) -> str:
    parts = []
    for tick in at:
        parts.append(_line((x(tick), y.start), (x(tick), y.end), "grid"))
        parts.append(_line((x.start, y(tick)), (x.end, y(tick)), "grid"))
        parts.append(_text(x(tick), y.start + 15, _tick_label(tick), "tick", "middle"))
        parts.append(_text(x.start - 6, y(tick) + 4, _tick_label(tick), "tick", "end"))
    parts.append(_text((x.start + x.end) / 2, y.start + 31, names[0], "label", "middle"))
    upright = f'transform="translate(10 {_number((y.start + y.end) / 2)}) rotate(-90)"'
    parts.append(f"<g {upright}>{_text(0, 0, names[1], 'label', 'middle')}</g>")
    for curve in curves:
        if len(curve.lo):
            parts.append(_band(curve, x, y))
    for curve in curves:
        points = [(x(a), y(b)) for a, b in zip(curve.x, curve.y, strict=True)]
        parts.append(_path(points, f"curve {curve.style}"))
    for i, curve in enumerate(curves):
        row = y.start + 52 + 18 * i
        parts.append(_line((x.start, row - 4), (x.start + 34, row - 4), f"curve {curve.style}"))
        parts.append(_text(x.start + 42, row, short(curve.label, 44), "label"))
    return _svg(360, y.start + 44 + 18 * len(curves), title, parts)


def _band(curve: Curve, x: Scale, y: Scale) -> str:
    upper = [(x(a), y(b)) for a, b in zip(curve.x, curve.hi, strict=True)]
    lower = [(x(a), y(b)) for a, b in zip(curve.x, curve.lo, strict=True)]
    return _path([*upper, *reversed(lower)], f"band {curve.style}", closed=True)
