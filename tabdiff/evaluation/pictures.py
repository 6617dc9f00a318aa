"""Which pictures a report shows: from the details of its estimates to drawings with captions.

A picture whose estimate or details are absent is left out; the tables say why there is no value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tabdiff.evaluation import drawing
from tabdiff.evaluation.drawing import Curve
from tabdiff.evaluation.estimates import Estimate

__all__ = ["Panel", "Picture", "pictures_of"]

MOST_COLUMNS = 12
MOST_PAIRS = 8
MOST_NAMES = 20
MOST_FEATURES = 10
STYLES = {"nothing": "s0", "synthetic": "s1", "class weights": "s2", "random": "s3", "SMOTE": "s4"}
WITH_BAND = ("nothing", "synthetic")  # more bands would cover each other
ATTACKS = {
    "privacy.mia.auc": ("synthetic rows", "s1"),
    "privacy.mia.rare.auc": ("synthetic rows, rare class", "s2"),
    "privacy.whitebox.auc": ("model", "s3"),
    "privacy.whitebox.rare.auc": ("model, rare class", "s4"),
}

Estimates = Mapping[str, Estimate]
Matrix = Sequence[Sequence[float | None]]


@dataclass(frozen=True)
class Panel:
    """One drawing. svg: trusted SVG text. name: a column, or empty. notes: plain lines below the name."""

    svg: str
    name: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Picture:
    """Drawings of one sort under one heading.

    kind: "small multiples", "wide" or "plain", which decides how they are laid out. legend: which legend the
    page prints with it, "tables" (real and synthetic), "" for none. lines: plain text beside the drawing.
    """

    title: str
    caption: str
    panels: list[Panel]
    kind: str = "plain"
    legend: str = ""
    lines: list[str] = field(default_factory=list)


def pictures_of(room: str, estimates: Estimates) -> list[Picture]:
    """The pictures of one room that these estimates have the numbers for."""
    found: list[Picture | None] = []
    if room == "fidelity":
        found = [_marginals(estimates), _pairs(estimates), _features(estimates)]
    elif room == "utility":
        found = [_precision_recall(estimates)]
    elif room == "privacy":
        found = [_attacks(estimates)]
    return [picture for picture in found if picture is not None]


def _details(estimates: Estimates, name: str) -> Mapping[str, Any]:
    found = estimates.get(name)
    return {} if found is None else found.details


# --- columns ---


def _marginals(estimates: Estimates) -> Picture | None:
    columns = _details(estimates, "fidelity.marginal.mean").get("columns", [])
    drawn = [each for each in columns if "edges" in each or "levels" in each]
    if not drawn:
        return None
    worst = sorted(drawn, key=_beyond_floor, reverse=True)[:MOST_COLUMNS]
    hidden = len(columns) - len(worst)
    caption = "The columns that differ most beyond what real rows differ from each other come first."
    if hidden:
        caption += f" {hidden} of {len(columns)} columns are not shown; they differ less."
    panels = [_marginal(column) for column in worst]
    return Picture("Columns, one by one", caption, panels, "small multiples", "tables")


def _beyond_floor(column: Mapping[str, Any]) -> float:
    return (column.get("distance") or 0.0) - (column.get("floor") or 0.0)


def _marginal(column: Mapping[str, Any]) -> Panel:
    name = str(column.get("column", ""))
    title = f"{name}: real and synthetic"
    if "edges" in column:
        svg = drawing.histogram(column["edges"], column["real"], column["synthetic"], title)
    else:
        svg = drawing.level_bars(column["levels"], column["real"], column["synthetic"], title)
    notes = []
    if column.get("distance") is not None:
        floor = column.get("floor")
        beside = "" if floor is None else f", real rows {floor:.3f}"
        notes.append(f"distance {column['distance']:.3f}{beside}")
    missing = column.get("missing_real") or 0.0, column.get("missing_synthetic") or 0.0
    if any(missing):
        notes.append(f"missing: real {missing[0]:.1%}, synthetic {missing[1]:.1%}")
    return Panel(svg, name, notes)


# --- pairs ---


def worst_pairs(names: Sequence[str], values: Matrix, floors: Matrix | None, n: int) -> list[tuple[int, int]]:
    """The n measured pairs (row, column < row) that differ most beyond their floor, the worst first."""

    def beyond(pair: tuple[int, int]) -> float:
        i, j = pair
        return (values[i][j] or 0.0) - ((floors[i][j] or 0.0) if floors else 0.0)

    pairs = [(i, j) for i in range(len(names)) for j in range(i) if values[i][j] is not None]
    return sorted(pairs, key=beyond, reverse=True)[:n]


def _pairs(estimates: Estimates) -> Picture | None:
    details = _details(estimates, "fidelity.pairs.score")
    names, values = details.get("columns", []), details.get("synthetic", [])
    if len(names) < 2 or len(values) != len(names):
        return None
    floors, independent = details.get("floor"), details.get("independent")
    lines = []
    for i, j in worst_pairs(names, values, floors, MOST_PAIRS):
        beside = [f"real rows {floors[i][j]:.3f}"] if floors else []
        beside += [f"independent columns {independent[i][j]:.3f}"] if independent else []
        lines.append(f"{names[i]} and {names[j]}: {values[i][j]:.3f} ({', '.join(beside)})")
    shown = _most_involved(names, values, floors, MOST_NAMES)
    part = [[values[i][j] for j in shown] for i in shown]
    svg = drawing.triangle([names[i] for i in shown], part, "differences of all pairs of columns")
    caption = (
        "How far the relation of two columns is from that in held-out real rows; 0 is ideal. The fuller the "
        "colour, the worse; numbers are hundredths. A name belongs to the row at its left and to the column "
        "below it."
    )
    if len(shown) < len(names):
        caption += (
            f" {len(names) - len(shown)} of {len(names)} columns are not shown; their pairs differ less."
        )
    if any(cell is None for row in part for cell in row):
        caption += " Of so many columns only some pairs were measured; the others are left blank."
    return Picture("Pairs of columns", caption, [Panel(svg)], "wide", lines=lines)


def _most_involved(names: Sequence[str], values: Matrix, floors: Matrix | None, n: int) -> list[int]:
    """The n columns that occur in the worst pairs, in the order of the table."""
    if len(names) <= n:
        return list(range(len(names)))
    order = dict.fromkeys(i for pair in worst_pairs(names, values, floors, len(names) ** 2) for i in pair)
    return sorted(list(order)[:n])


def _features(estimates: Estimates) -> Picture | None:
    panels = []
    for name, title in (
        ("fidelity.c2st.rare.auc", "within the rare class"),
        ("fidelity.c2st.auc", "all rows"),
    ):
        features = _details(estimates, name).get("features", [])[:MOST_FEATURES]
        if features:
            labels, values = [f["column"] for f in features], [f["importance"] for f in features]
            value = estimates[name].value
            notes = [] if value is None else [f"AUC {value:.3f}; 0.5 is ideal"]
            panels.append(Panel(drawing.bars(labels, values, f"columns, {title}"), title, notes))
    caption = (
        "The columns by which a classifier tells synthetic rows from real ones: the AUC that it loses "
        "without each. They matter only where its AUC is clearly above 0.5."
    )
    return Picture("What gives synthetic rows away", caption, panels) if panels else None


# --- curves ---


def _precision_recall(estimates: Estimates) -> Picture | None:
    details = _details(estimates, "utility.augmentation.gain")
    given, scores = details.get("curves", {}), details.get("average_precision", {})
    order = [*(name for name in STYLES if name in given), *(name for name in given if name not in STYLES)]
    curves = []
    for name in order:
        curve = given[name]
        label = {"nothing": "nothing added", "synthetic": "synthetic rows added"}.get(name, name)
        label += f", {scores[name]:.3f}" if name in scores else ""
        band = (curve.get("lo", ()), curve.get("hi", ())) if name in WITH_BAND else ((), ())
        curves.append(Curve(label, curve["recall"], curve["precision"], STYLES.get(name, "s0"), *band))
    if not curves:
        return None
    caption = (
        "The same classifier on held-out real rows, with what was done about the rare class. Higher is "
        "better. Bands hold 95 % of what other held-out rows would show; numbers in the legend are average "
        "precision."
    )
    svg = drawing.precision_recall(curves, "precision over recall")
    return Picture("Precision and recall of the rare class", caption, [Panel(svg)])


def _attacks(estimates: Estimates) -> Picture | None:
    curves = []
    for name, (sees, style) in ATTACKS.items():
        roc = _details(estimates, name).get("roc")
        if roc:
            value = estimates[name].value
            label = sees if value is None else f"{sees}: AUC {value:.3f}"
            curves.append(Curve(label, roc["fpr"], roc["tpr"], style))
    if not curves:
        return None
    caption = (
        "The share of training rows that an attacker finds, over the share of others that he takes for "
        "training rows; named by what he has. Both axes are logarithmic, as a few rows found for certain are "
        "what hurts. On the dotted line he guesses."
    )
    svg = drawing.log_curves(curves, "membership attacks")
    return Picture("Membership attacks", caption, [Panel(svg)])
