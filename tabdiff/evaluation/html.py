"""A report as one HTML page that needs no network, no script and no colour, and as a short summary.

All text is escaped by Jinja; what `drawing` returns escapes itself and is the only text that the template
marks as safe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tabdiff.evaluation import drawing
from tabdiff.evaluation.drawing import cleaned, escaped
from tabdiff.evaluation.estimates import Estimate
from tabdiff.evaluation.explanations import Explanation, explain
from tabdiff.evaluation.pictures import Picture, pictures_of
from tabdiff.evaluation.verdict import Verdict

if TYPE_CHECKING:
    from tabdiff.evaluation.report import Report

__all__ = ["figure_of", "page", "summary"]

MOST_SUSPECTS = 20
MOST_REASONS = 3  # on a card; the others follow below it
ROOMS = {
    "fidelity": ("Fidelity", "Does the synthetic table look like held-out real rows?"),
    "utility": ("Utility", "Does it help a model to predict held-out real rows?"),
    "privacy": ("Privacy", "Does it tell more about the rows of the training table than about others?"),
}
ROOMS_WITHOUT_VERDICT = {
    "series": (
        "Series",
        "Are synthetic series like held-out real ones: how long, when steps come, which step follows which? "
        "The bad end, where there is one, is train with its steps dealt to entities at random. None of these "
        "decides a verdict.",
    ),
}
TONES = {
    "faithful": "good",
    "helps": "good",
    "flawed": "bad",
    "hurts": "bad",
    "leak detected": "bad",
    "not assessable": "unknown",
}


@dataclass(frozen=True)
class Row:
    """One estimate as the tables show it: everything but `bar` is plain text."""

    name: str
    explanation: Explanation
    value: str
    interval: str
    bar: str
    marks: str
    references: list[str]
    basis: str
    method: str
    note: str
    reason: str


@dataclass(frozen=True)
class Room:
    """One section of tables and pictures."""

    key: str
    title: str
    intro: str
    pictures: list[Picture]
    headings: list[str]
    rows: list[Row]


def page(report: Report) -> str:
    """The whole page."""
    import jinja2

    def shown(value: Any) -> Any:
        return cleaned(value) if isinstance(value, str) and not hasattr(value, "__html__") else value

    text = resources.files("tabdiff.evaluation").joinpath("templates/report.html.jinja").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    return environment.from_string(text).render(**_context(report))


def _context(report: Report) -> dict[str, Any]:
    verdict, exposed = report.verdict, report.exposed_rows()
    rooms = [_room(key, report) for key in [*ROOMS, *_other_rooms(report.estimates)]]
    return {
        "facts": facts_lines(report.facts),
        "cards": [_card(room, verdict) for room in ROOMS],
        "reasons": _further_reasons(verdict),
        "limits": verdict.limits,
        "rooms": [room for room in rooms if room.rows],
        "descriptive": _room("descriptive", report),
        "exposed": exposed[:MOST_SUSPECTS],
        "n_hidden": max(0, len(exposed) - MOST_SUSPECTS),
        "method": method_lines(report.facts),
        "legend": {kind: _sample(kind) for kind in ("value", "ideal", "floor", "bad", "interval")},
    }


def _other_rooms(estimates: Mapping[str, Estimate]) -> list[str]:
    """Rooms without a verdict: series, and those that measures of the user opened."""
    rooms = dict.fromkeys(name.split(".")[0] for name in estimates)
    return [room for room in rooms if room not in ROOMS and room != "descriptive"]


def _card(room: str, verdict: Verdict) -> dict[str, Any]:
    """One verdict with its reasons; the room that begins each of them is left out."""
    says = getattr(verdict, room)
    tone = TONES.get(says, "neutral")
    start = f"{room}: "
    reasons = [each.removeprefix(start) for each in verdict.reasons if each.startswith(start)][:MOST_REASONS]
    return {
        "title": ROOMS[room][0],
        "key": room,
        "says": says,
        "tone": tone,
        "icon": drawing.icon(tone),
        "reasons": reasons,
    }


def _further_reasons(verdict: Verdict) -> list[str]:
    """What the cards have no room for, in the order of the verdict."""
    on_cards = [
        each
        for room in ROOMS
        for each in [reason for reason in verdict.reasons if reason.startswith(f"{room}: ")][:MOST_REASONS]
    ]
    return [each for each in verdict.reasons if each not in on_cards]


def _room(key: str, report: Report) -> Room:
    found = [each for name, each in report.estimates.items() if name.split(".")[0] == key]
    headings = [
        title
        for title, others in report.references.items()
        if any(each.name in others and others[each.name].assessable for each in found)
    ]
    rows = [_row(each, [report.references[title].get(each.name) for title in headings]) for each in found]
    known = ROOMS | ROOMS_WITHOUT_VERDICT
    title, intro = known.get(key, (key, "Measures that were added to the standard ones."))
    return Room(key, title, intro, pictures_of(key, report.estimates), headings, _without_repeats(rows))


def _without_repeats(rows: list[Row]) -> list[Row]:
    """Methods and notes are said once where several measures in a row share them."""
    kept = rows[:1]
    for before, row in pairwise(rows):
        method = "as above" if row.method and row.method == before.method else row.method
        kept.append(replace(row, method=method, note="" if row.note == before.note else row.note))
    return kept


def _row(estimate: Estimate, references: Sequence[Estimate | None]) -> Row:
    value, lo, hi = estimate.value, estimate.lo, estimate.hi
    interval = "" if lo is None or hi is None else f"{figure_of(lo)} to {figure_of(hi)}"
    marks = {"ideal": estimate.ideal, "real rows": estimate.floor, "bad": estimate.bad}
    explanation = explain(estimate.name)
    bar = ""
    if value is not None:
        title = f"{explanation.title}: {figure_of(value)}" + (f", interval {interval}" if interval else "")
        bar = drawing.interval_bar(
            value, lo, hi, ideal=estimate.ideal, floor=estimate.floor, bad=estimate.bad, title=title
        )
    return Row(
        estimate.name,
        explanation,
        "not assessable" if value is None else figure_of(value),
        interval,
        bar,
        ", ".join(f"{label} {figure_of(each)}" for label, each in marks.items() if each is not None),
        [_reference(each) for each in references],
        _basis(estimate),
        estimate.method,
        estimate.note,
        estimate.reason,
    )


def _reference(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    return "n/a" if estimate.value is None else figure_of(estimate.value)


def _basis(estimate: Estimate) -> str:
    """What the number rests on."""
    parts = []
    if estimate.n:
        effective = estimate.n_effective
        repeated = effective is not None and round(effective) < estimate.n
        parts.append(f"n = {estimate.n:,}" + (f", {effective:,.0f} of them different" if repeated else ""))
    if estimate.p_value is not None:
        parts.append(f"p = {estimate.p_value:.2g}")
    if estimate.level != 0.95:
        parts.append(f"interval of {estimate.level:.4g}")
    return "; ".join(parts)


def figure_of(value: float) -> str:
    """A number as tables print it: three decimals, two digits if it is small, none if it is whole."""
    if value == round(value) and abs(value) < 1e9:
        text = f"{value:,.0f}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.3g}"
    elif abs(value) >= 0.01:
        text = f"{value:.3f}"
        text = f"{value:.5g}" if float(text).is_integer() else text  # 0.9996 is not 1
    else:
        text = f"{value:.2g}"
    return text.replace("-", "\u2212") if text != "-0" else "0"


def _sample(kind: str) -> str:
    """One sign for the legend."""
    inner = (
        '<rect x="3" y="7" width="26" height="6" class="interval"/>'
        if kind == "interval"
        else drawing.mark(kind, 16, 10)
    )
    return f'<svg viewBox="0 0 32 20" width="32" height="20" aria-hidden="true">{inner}</svg>'


# --- words about the run ---


def facts_lines(facts: Mapping[str, Any]) -> list[str]:
    """What was compared: row counts, columns, target."""
    lines = [", ".join(f"{role} {n:,} rows" for role, n in facts.get("rows", {}).items())]
    kinds = [column["kind"] for column in facts.get("columns", [])]
    if kinds:
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        lines.append(f"{len(kinds)} columns: {counts}")
    if facts.get("target") is not None:
        rare = facts.get("positive")
        lines.append(f"target {facts['target']}" + ("" if rare is None else f", rare class {rare}"))
    return [line for line in lines if line]


def method_lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How it was measured, as pairs of a label and a value."""
    lines = [("rows", facts_lines({"rows": facts.get("rows", {})})[0] if facts.get("rows") else "")]
    if "alpha" in facts:
        lines.append(("level of all privacy tests together", f"{facts['alpha']:g} (Holm)"))
    lines += [(label, str(facts[label])) for label in ("budget", "seed") if label in facts]
    if facts.get("seconds") is not None:
        lines.append(("time", f"{facts['seconds']:.1f} CPU seconds"))
    if facts.get("peak_memory") is not None:
        lines.append(("peak memory", f"{facts['peak_memory'] / 2**20:,.0f} MiB"))
    versions = facts.get("versions", {})
    lines.append(("versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return [(label, value) for label, value in lines if value]


# --- short summary ---


def summary(report: Report, names: Sequence[str]) -> str:
    """Verdicts, reasons, limits and the estimates of these names as a fragment for notebooks."""
    verdict = report.verdict
    verdicts = "".join(
        f"<tr><th scope='row'>{room}</th><td><b>{escaped(getattr(verdict, room))}</b></td></tr>"
        for room in ROOMS
    )
    lists = "".join(
        f"<p>{title}</p><ul>{''.join(f'<li>{escaped(each)}</li>' for each in sentences)}</ul>"
        for title, sentences in (("Why", verdict.reasons), ("What could have been found", verdict.limits))
        if sentences
    )
    body = "".join(_summary_row(report.estimates[name]) for name in names)
    head = "<tr><th>measure</th><th>value</th><th>95 % interval</th><th>ideal</th><th>real rows</th></tr>"
    return f"<div><table>{verdicts}</table>{lists}<table>{head}{body}</table></div>"


def _summary_row(estimate: Estimate) -> str:
    row = _row(estimate, [])
    cells = [
        estimate.name,
        row.value if not row.reason else f"{row.value}: {row.reason}",
        row.interval,
        "" if estimate.ideal is None else figure_of(estimate.ideal),
        "" if estimate.floor is None else figure_of(estimate.floor),
    ]
    return "<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in cells) + "</tr>"
