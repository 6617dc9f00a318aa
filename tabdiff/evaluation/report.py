"""What `evaluate` returns: every estimate, the verdict, and the ways to keep them or look at them."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tabdiff import frames
from tabdiff.errors import InputError
from tabdiff.evaluation import html
from tabdiff.evaluation.estimates import Estimate
from tabdiff.evaluation.report_file import (
    SCHEMA,
    SCHEMA_VERSION,
    check_mapping,
    check_version,
    dicts_of,
    estimates_of,
    file_path,
    first_fault,
    text_of,
    verdict_of,
    write_whole,
)
from tabdiff.evaluation.verdict import Verdict
from tabdiff.schema import Column, Storage

__all__ = ["SCHEMA", "SCHEMA_VERSION", "Report"]

HEADLINES = (
    "fidelity.marginal.mean",
    "fidelity.pairs.score",
    "fidelity.c2st.auc",
    "fidelity.c2st.rare.auc",
    "fidelity.coverage.all",
    "fidelity.diversity.unique",
    "utility.tstr.gap",
    "utility.augmentation.gain",
    "privacy.copies.exact",
    "privacy.mia.auc",
    "privacy.mia.tpr_at_1pct",
    "privacy.whitebox.auc",
    "privacy.attribute_inference",
    "series.order.3gram",
    "series.time.gaps",
    "series.nearest.ratio",
)
NUMBERS = ("value", "lo", "hi", "ideal", "floor", "bad", "n", "n_effective", "p_value", "seconds")
TEXTS = ("method", "note", "reason")


@dataclass(frozen=True)
class Report:
    """Everything that was found out about a synthetic table.

    Parameters
    ----------
    estimates : dict of str to Estimate
        By name; ``report["privacy.mia.auc"]`` is one of them.
    verdict : Verdict
        Three answers in words, their reasons, and what the privacy attacks could have found.
    references : dict of str to dict of str to Estimate
        The same estimates for tables whose quality is known: "holdout", "independent columns", "copy" and
        "SMOTE". They are measured on fewer rows.
    facts : dict
        What was compared and how: rows, columns, target, seed, seconds, versions. JSON types.

    Examples
    --------
    >>> from tabdiff.evaluation.estimates import Estimate
    >>> from tabdiff.evaluation.report import Report
    >>> from tabdiff.evaluation.verdict import Verdict
    >>> auc = Estimate("fidelity.c2st.auc", 0.52, 0.49, 0.55, ideal=0.5, n=900)
    >>> report = Report({auc.name: auc}, Verdict("faithful", "not assessable", "not assessable"))
    >>> report["fidelity.c2st.auc"].value
    0.52
    >>> report.to_frame()["name"].tolist()
    ['fidelity.c2st.auc']
    >>> Report.from_json(report.to_json()) == report
    True
    """

    estimates: dict[str, Estimate]
    verdict: Verdict
    references: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Estimate:
        if not isinstance(name, str) or name not in self.estimates:
            near = difflib.get_close_matches(str(name), self.estimates, n=3, cutoff=0.4)
            close = f" Near: {near}." if near else ""
            raise InputError(
                f"the report has no estimate {name!r}.{close} All {len(self.estimates)} names: "
                "`list(report)`."
            )
        return self.estimates[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self.estimates

    def __iter__(self) -> Iterator[str]:
        return iter(self.estimates)

    def __len__(self) -> int:
        return len(self.estimates)

    # --- to keep ---

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types; `report.schema.json` beside this module describes the keys."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "verdict": asdict(self.verdict),
            "facts": dict(self.facts),
            "estimates": dicts_of(self.estimates),
            "references": {title: dicts_of(found) for title, found in self.references.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """The inverse of `to_dict`; raises `InputError` for anything that `to_dict` did not write."""
        check_version(data)
        lacking = [key for key in ("verdict", "facts", "estimates", "references") if key not in data]
        if lacking:
            raise InputError(f"the report lacks {lacking}. Was it cut? Keys: {list(data)}.")
        for key in ("verdict", "facts", "estimates", "references"):
            check_mapping(data[key], key)
        return cls(
            estimates_of(data["estimates"]),
            verdict_of(data["verdict"]),
            {title: estimates_of(found) for title, found in data["references"].items()},
            dict(data["facts"]),
        )

    def to_json(self, path: str | Path | None = None) -> str | Path:
        """`to_dict` as strict JSON (no NaN): the text, or the path of the file it was written to."""
        data = self.to_dict()
        try:
            text = json.dumps(data, allow_nan=False, indent=1)
        except (TypeError, ValueError) as error:
            raise InputError(f"the report is no JSON: {first_fault(data, 'report')}.") from error
        return text if path is None else write_whole(file_path(path), text)

    @classmethod
    def from_json(cls, source: str | Path) -> Report:
        """Read what `to_json` wrote: the text itself, or the path of a file."""
        is_text = isinstance(source, str) and source.lstrip().startswith("{")
        text = str(source) if is_text else text_of(file_path(source))
        try:
            data = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(f"the report is no JSON: {error}.") from error
        return cls.from_dict(data)

    # --- to look at ---

    def to_frame(self, library: str | None = None) -> Any:
        """One row per estimate: its numbers, how they were found, and the value of each reference table.

        library: "pandas", "polars" or "pyarrow"; None takes the one that the compared tables were in, as far
        as `facts` tell, or else pandas. What could not be measured is missing, with its reason. Text stands
        as it is: a spreadsheet may take cells that begin with = + - or @ for formulas.
        """
        found = list(self.estimates.values())
        columns = [_text("name", list(self.estimates))]
        columns += [
            _number(
                name, [getattr(each, name) for each in found], Storage.INT if name == "n" else Storage.FLOAT
            )
            for name in NUMBERS
        ]
        columns += [_text(name, [getattr(each, name) for each in found]) for name in TEXTS]
        for title, others in self.references.items():
            values = [others[name].value if name in others else None for name in self.estimates]
            columns.append(_number(title, values))
        return frames.from_columns(columns, library or self._library)

    @property
    def suspects(self) -> Any:
        """The rows of the training table that an attack or a comparison points at, the nearest first.

        A frame with the columns train_row, synthetic_row (counted from 0 in the tables as they were given),
        distance and why. Each training row occurs once, with its nearest synthetic row and all that points
        at it.
        """
        rows = self.exposed_rows()
        columns = [
            _number("train_row", [row["train_row"] for row in rows], Storage.INT),
            _number("synthetic_row", [row["synthetic_row"] for row in rows], Storage.INT),
            _number("distance", [row["distance"] for row in rows]),
            _text("why", [row["why"] for row in rows]),
        ]
        return frames.from_columns(columns, self._library)

    def exposed_rows(self) -> list[dict[str, Any]]:
        """`suspects` as a list of dicts."""
        suspects = [
            suspect
            for name, found in self.estimates.items()
            if name.startswith("privacy.")
            for suspect in found.details.get("suspects", [])
        ]
        by_row: dict[int, list[dict[str, Any]]] = {}
        for suspect in sorted(suspects, key=_nearest_first):
            by_row.setdefault(suspect["train_row"], []).append(suspect)
        return [
            {
                "train_row": row,
                "synthetic_row": same[0].get("synthetic_row"),
                "distance": same[0].get("distance"),
                "why": "; ".join(dict.fromkeys(each["why"] for each in same if each.get("why"))),
            }
            for row, same in by_row.items()
        ]

    def to_html(self, path: str | Path | None = None) -> str | Path:
        """One HTML page without outside resources: the text, or the path of the file it was written to.

        A file is written whole or not at all.
        """
        text = html.page(self)
        return text if path is None else write_whole(file_path(path), text)

    def __str__(self) -> str:
        verdict = self.verdict
        lines = [f"{room:<9} {getattr(verdict, room)}" for room in ("fidelity", "utility", "privacy")]
        for title, sentences in (("why", verdict.reasons), ("what could have been found", verdict.limits)):
            if sentences:
                lines += ["", title, *(f"  {sentence}" for sentence in sentences)]
        shown = self._headlines
        lines += ["", *_table([self.estimates[name] for name in shown])]
        if len(shown) < len(self):
            lines.append(
                f"{len(self) - len(shown)} more in report.to_frame(), pictures in report.to_html(path)"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return html.summary(self, self._headlines)

    @property
    def _headlines(self) -> list[str]:
        return [name for name in HEADLINES if name in self.estimates] or list(self.estimates)[:10]

    @property
    def _library(self) -> str:
        return self.facts.get("library") or "pandas"


# --- frames and text ---


def _number(name: str, cells: Sequence[float | None], storage: Storage = Storage.FLOAT) -> Column:
    missing = np.array([cell is None for cell in cells], dtype=bool)
    dtype = np.int64 if storage is Storage.INT else np.float64
    return Column(name, storage, np.array([cell or 0 for cell in cells], dtype=dtype), missing)


def _text(name: str, cells: Sequence[str]) -> Column:
    levels = sorted(set(cells))
    place = {level: code for code, level in enumerate(levels)}
    codes = np.array([place[cell] for cell in cells], dtype=np.int64)
    return Column(name, Storage.LABEL, codes, np.zeros(len(cells), dtype=bool), tuple(levels))


def _nearest_first(suspect: Mapping[str, Any]) -> tuple[float, int]:
    distance = suspect.get("distance")
    return (math.inf if distance is None else distance, suspect["train_row"])


def _table(estimates: Sequence[Estimate]) -> list[str]:
    """The numbers of these estimates in columns of text."""
    rows = [("measure", "value", "95 % interval", "ideal", "real rows")]
    for each in estimates:
        if each.value is None:
            rows.append((each.name, f"not assessable: {each.reason}", "", "", ""))
            continue
        interval = "" if each.lo is None or each.hi is None else f"{_short(each.lo)} to {_short(each.hi)}"
        rows.append((each.name, _short(each.value), interval, _short(each.ideal), _short(each.floor)))
    narrow = [row for row in rows if len(row[1]) < 12]
    widths = [max(len(row[i]) for row in narrow) for i in range(5)]
    widths[0] = max(len(row[0]) for row in rows)
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _short(value: float | None) -> str:
    return "" if value is None else html.figure_of(value)
