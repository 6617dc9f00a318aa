"""A report keeps every number, reads back as it was, and shows itself without running anybody's text."""

import json
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tabdiff.errors import InputError
from tabdiff.evaluation import explanations
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.html import figure_of
from tabdiff.evaluation.pictures import worst_pairs
from tabdiff.evaluation.report import Report
from tabdiff.evaluation.verdict import Verdict

NASTY = "<script>alert('x')</script>"
COLUMNS = ["amount", NASTY, "fraud"]
MATRIX = [[0.0, 0.1, 0.2], [0.1, 0.0, 0.3], [0.2, 0.3, 0.0]]
NONE = [[0.0] * 3] * 3


def suspect(train, synthetic, distance, why):
    return {"train_row": train, "synthetic_row": synthetic, "distance": distance, "why": why}


def marginal(name, distance, **shares):
    return {
        "column": name,
        "kind": "numeric",
        "distance": distance,
        "floor": 0.01,
        "missing_real": 0.0,
        "missing_synthetic": 0.25,
        "real": [0.5, 0.5],
        "synthetic": [0.75, 0.25],
        **shares,
    }


ESTIMATES = [
    Estimate(
        "fidelity.marginal.mean",
        0.031,
        0.02,
        0.04,
        ideal=0.0,
        floor=0.012,
        bad=0.5,
        n=900,
        method="bootstrap",
        note=NASTY,
        details={
            "columns": [
                marginal("amount", 0.1, edges=[0, 1, 2]),
                marginal(NASTY, 0.2, levels=[NASTY, "b"]),
                marginal("fraud", 0.02, levels=["0", "1"]),
            ]
        },
    ),
    Estimate(
        "fidelity.pairs.score",
        0.4,
        ideal=0.0,
        n=900,
        n_effective=90,
        details={"columns": COLUMNS, "synthetic": MATRIX, "floor": NONE, "independent": MATRIX},
    ),
    Estimate(
        "fidelity.c2st.auc", 0.6, ideal=0.5, details={"features": [{"column": NASTY, "importance": 0.1}]}
    ),
    not_assessable("fidelity.coverage.rare", "the holdout has 5 rare rows, 50 are needed"),
    Estimate(
        "utility.augmentation.gain",
        0.01,
        ideal=0.0,
        details={
            "curves": {
                "nothing": {"recall": [0, 1], "precision": [1, 0.1], "lo": [0.9, 0.1], "hi": [1, 0.2]},
                "synthetic": {"recall": [0, 1], "precision": [1, 0.2], "lo": [0.9, 0.1], "hi": [1, 0.3]},
            },
            "average_precision": {"nothing": 0.7, "synthetic": 0.71},
        },
    ),
    Estimate(
        "privacy.copies.exact",
        0.002,
        p_value=1e-6,
        details={"suspects": [suspect(7, 70, 0.0, "equal"), suspect(3, 31, 0.0, NASTY)]},
    ),
    Estimate(
        "privacy.mia.auc",
        0.55,
        0.53,
        0.57,
        ideal=0.5,
        n=400,
        method="DeLong",
        details={
            "roc": {"fpr": [0, 0.5, 1], "tpr": [0, 0.6, 1]},
            "suspects": [suspect(7, 71, 0.2, "near"), suspect(9, 90, 0.1, "near")],
        },
    ),
    Estimate("descriptive.dcr_share", 0.6, ideal=0.5, details={"suspects": [suspect(1, 1, 0.0, "no")]}),
    Estimate("shop.rows", 1.0),
]
VERDICT = Verdict(
    "flawed",
    "helps",
    "leak detected",
    ["privacy: rows of train occur verbatim.", "fidelity: a column differs: " + NASTY],
    ["Would have found 4 or more copied outliers."],
)
FACTS = {
    "rows": {"train": 900, "synthetic": 900, "holdout": 400},
    "columns": [{"name": name, "kind": "numeric"} for name in COLUMNS],
    "target": "fraud",
    "positive": "1",
    "alpha": 0.01,
    "budget": "standard",
    "seed": 0,
    "seconds": 1.5,
    "peak_memory": None,
    "versions": {"tabdiff": "0.1.0"},
}


@pytest.fixture
def report():
    estimates = {each.name: each for each in ESTIMATES}
    holdout = {"privacy.mia.auc": Estimate("privacy.mia.auc", 0.501)}
    copy = {"privacy.mia.auc": Estimate("privacy.mia.auc", 0.987)}
    return Report(estimates, VERDICT, {"holdout": holdout, "copy": copy}, dict(FACTS))


# --- look-up ---


def test_an_estimate_is_found_by_its_name(report):
    assert report["privacy.mia.auc"].value == 0.55
    assert "privacy.mia.auc" in report
    assert "privacy.mia" not in report
    assert list(report) == [each.name for each in ESTIMATES]
    assert len(report) == len(ESTIMATES)


def test_an_unknown_name_is_answered_with_near_ones(report):
    with pytest.raises(InputError, match=r"no estimate 'privacy\.mia\.acu'.*privacy\.mia\.auc"):
        report["privacy.mia.acu"]


# --- JSON ---


def test_a_report_reads_back_as_it_was(report, tmp_path):
    assert Report.from_dict(report.to_dict()) == report
    assert Report.from_json(report.to_json()) == report
    path = report.to_json(tmp_path / "report.json")
    assert Report.from_json(path) == report
    assert Report.from_json(str(path)) == report


def test_a_number_that_json_lacks_is_refused_by_its_place(report):
    report.facts["seconds"] = float("nan")
    with pytest.raises(InputError, match=r"report\['facts'\]\['seconds'\] is nan"):
        report.to_json()


def test_an_object_that_json_lacks_is_refused_by_its_place(report):
    report.facts["columns"] = [{"name": {1}}]
    with pytest.raises(InputError, match=r"\['columns'\]\[0\]\['name'\] is \{1\}, of type set"):
        report.to_json()


def test_a_report_of_a_newer_version_is_refused(report):
    data = report.to_dict() | {"schema_version": 2}
    with pytest.raises(InputError, match=r"schema_version 2; this tabdiff reads up to 1\. Install a newer"):
        Report.from_dict(data)


@pytest.mark.parametrize("change", [{"schema": "else"}, {"schema_version": "1"}, {"schema_version": None}])
def test_what_is_no_report_is_refused(report, change):
    with pytest.raises(InputError, match="schema"):
        Report.from_dict(report.to_dict() | change)


def test_a_cut_report_is_refused(report):
    data = report.to_dict()
    del data["estimates"]
    with pytest.raises(InputError, match=r"lacks \['estimates'\]"):
        Report.from_dict(data)
    with pytest.raises(InputError, match="no JSON"):
        Report.from_json(report.to_json()[:-9])


# --- the schema ---

KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "null": type(None),
}
KNOWN_WORDS = {
    *("$schema", "$defs", "$ref", "title", "description", "type", "properties", "required"),
    *("additionalProperties", "items", "enum", "const", "minimum", "maximum"),
}


def faults(value, schema, root, where="report"):
    """Where the value breaks the schema; covers the words of JSON Schema that ours uses."""
    assert set(schema) <= KNOWN_WORDS
    if "$ref" in schema:
        return faults(value, root["$defs"][schema["$ref"].split("/")[-1]], root, where)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and (isinstance(value, bool) or not any(isinstance(value, KINDS[kind]) for kind in kinds)):
        return [f"{where}: not {kinds}"]
    found = []
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: not {schema['const']}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: not in {schema['enum']}")
    if isinstance(value, int | float) and not (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
    ):
        found.append(f"{where}: out of range")
    if isinstance(value, list):
        for i, item in enumerate(value):
            found += faults(item, schema.get("items", {}), root, f"{where}[{i}]")
    if isinstance(value, dict):
        found += [f"{where}: lacks {key}" for key in schema.get("required", []) if key not in value]
        others = schema.get("additionalProperties", True)
        for key, item in value.items():
            known = schema.get("properties", {}).get(key)
            if known is None and others is False:
                found.append(f"{where}: {key} is unknown")
            rule = known if known is not None else others if isinstance(others, dict) else {}
            found += faults(item, rule, root, f"{where}.{key}")
    return found


@pytest.fixture(scope="module")
def schema():
    return json.loads(
        resources.files("tabdiff.evaluation").joinpath("report.schema.json").read_text(encoding="utf-8")
    )


def test_a_report_follows_its_schema(report, schema):
    assert faults(json.loads(report.to_json()), schema, schema) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict", "privacy"), "private"),
        (("estimates", "shop.rows", "n"), 1.5),
        (("estimates", "shop.rows", "p_value"), 2),
        (("references", "copy", "privacy.mia.auc", "value"), "0.9"),
        (("facts", "rows", "train"), -1),
        (("surprise",), 1),
    ],
)
def test_the_schema_refuses_what_no_report_holds(report, schema, path, value):
    data = json.loads(report.to_json())
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert len(faults(data, schema, schema)) == 1


# --- frames ---


@pytest.mark.parametrize(
    ("library", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("pyarrow", pa.Table)]
)
def test_a_frame_has_one_row_per_estimate_and_one_column_per_reference(report, library, kind):
    frame = report.to_frame(library)
    assert isinstance(frame, kind)
    table = pl.DataFrame(frame.to_dict("list") if library == "pandas" else frame).fill_nan(None)
    rows = {row["name"]: row for row in table.iter_rows(named=True)}
    assert list(rows) == list(report)
    assert rows["privacy.mia.auc"]["hi"] == 0.57
    assert rows["privacy.mia.auc"]["holdout"] == 0.501
    assert rows["privacy.mia.auc"]["copy"] == 0.987
    assert rows["privacy.mia.auc"]["n"] == 400
    assert rows["shop.rows"]["copy"] is None
    assert rows["fidelity.coverage.rare"]["value"] is None
    assert rows["fidelity.coverage.rare"]["reason"].startswith("the holdout has 5")


def test_an_unknown_library_is_refused(report):
    with pytest.raises(InputError, match="library is 'dask'"):
        report.to_frame("dask")


def test_suspects_are_listed_once_the_nearest_first_with_all_that_points_at_them(report):
    frame = report.suspects
    assert frame["train_row"].tolist() == [3, 7, 9]
    assert frame["synthetic_row"].tolist() == [31, 70, 90]
    assert frame["distance"].tolist() == [0.0, 0.0, 0.1]
    assert frame["why"].tolist() == [NASTY, "equal; near", "near"]


def test_frames_come_in_the_library_that_the_facts_name(report):
    report.facts["library"] = "polars"
    assert isinstance(report.suspects, pl.DataFrame)
    assert isinstance(report.to_frame(), pl.DataFrame)


def test_no_suspects_make_an_empty_frame_with_the_same_columns():
    empty = Report({}, Verdict("faithful", "helps", "not assessable"))
    assert list(empty.suspects.columns) == ["train_row", "synthetic_row", "distance", "why"]
    assert len(empty.suspects) == len(empty.to_frame()) == 0


# --- text ---


def test_the_text_says_verdicts_then_limits_then_numbers(report):
    text = str(report)
    places = [text.index(part) for part in ("leak detected", "Would have found", "privacy.mia.auc ")]
    assert places == sorted(places)
    assert "0.530 to 0.570" in text


def test_a_notebook_shows_text_as_text(report):
    fragment = report._repr_html_()
    assert "leak detected" in fragment
    assert "<script" not in fragment


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.500"),
        (4.0, "4"),
        (0.00042, "0.00042"),
        (-0.0625, "\u22120.062"),
        (12345.6, "12,346"),
        (-0.0, "0"),
        (0.9996, "0.9996"),
    ],
)
def test_figures_show_as_many_digits_as_they_deserve(value, text):
    assert figure_of(value) == text


def test_worst_pairs_are_those_farthest_beyond_their_floor():
    floor = [[0, 0, 0], [0, 0, 0.28], [0, 0.28, 0]]
    assert worst_pairs(COLUMNS, MATRIX, floor, 2) == [(2, 0), (1, 0)]
    assert worst_pairs(COLUMNS, MATRIX, None, 1) == [(2, 1)]


# --- the page ---


class Reader(HTMLParser):
    """Collects the tags, the attributes and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(page)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.words.append(data)


@pytest.fixture
def page(report):
    return report.to_html()


def test_names_levels_notes_and_reasons_are_shown_as_text(page):
    reader = Reader(page)
    assert "script" not in reader.tags
    assert reader.text.count(NASTY) >= 6
    assert not [name for name, _ in reader.attributes if name.startswith("on")]


def test_a_page_needs_nothing_from_outside(page):
    reader = Reader(page)
    links = {value for name, value in reader.attributes if name in ("src", "href", "action", "xlink:href")}
    assert all(link.startswith("#") for link in links)
    assert not {"link", "img", "iframe", "object", "embed", "form"} & set(reader.tags)
    assert "url(" not in page
    assert "@import" not in page


def test_links_lead_somewhere(page):
    reader = Reader(page)
    targets = [value for name, value in reader.attributes if name == "id"]
    assert len(targets) == len(set(targets))
    assert {value[1:] for name, value in reader.attributes if name == "href"} <= set(targets)


def test_limits_come_after_the_verdict_and_before_every_privacy_result(page):
    text = Reader(page).text
    order = [
        "leak detected",
        "Would have found 4",
        "Columns, one by one",
        "Membership attacks",
        "privacy.mia.auc",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_what_could_not_be_measured_is_said_with_its_reason(page):
    assert "not assessable the holdout has 5 rare rows, 50 are needed" in Reader(page).text


def test_references_stand_beside_the_synthetic_table(page):
    text = Reader(page).text
    assert "0.501" in text
    assert "0.987" in text


def test_descriptive_numbers_stand_apart(page):
    text = Reader(page).text
    assert text.index("Descriptive, not evidence of privacy") < text.index("descriptive.dcr_share")


def test_columns_that_are_not_drawn_are_counted(report):
    columns = [marginal(f"c{i}", i / 100, edges=[0, 1, 2]) for i in range(15)]
    report.estimates["fidelity.marginal.mean"] = Estimate(
        "fidelity.marginal.mean", 0.1, details={"columns": columns}
    )
    text = Reader(report.to_html()).text
    assert "3 of 15 columns are not shown" in text
    assert " c14 " in text
    assert " c2 " not in text


def test_rows_beyond_the_first_twenty_are_counted(report):
    suspects = [suspect(i, i, i / 10, "near") for i in range(27)]
    report.estimates["privacy.mia.auc"] = Estimate("privacy.mia.auc", 0.6, details={"suspects": suspects})
    assert "7 more in report.suspects" in Reader(report.to_html()).text


def test_reasons_without_room_on_a_card_follow_below_in_their_order(report):
    report.verdict.reasons[:] = [f"privacy: reason {i}." for i in range(5)]
    text = Reader(report.to_html()).text
    places = [
        text.index(part)
        for part in ("reason 2.", "Further reasons", "privacy: reason 3.", "privacy: reason 4.")
    ]
    assert places == sorted(places)
    assert text.count("reason 2.") == 1


def test_a_method_that_several_measures_share_is_said_once(report):
    for name in ("privacy.copies.exact", "privacy.mia.auc"):
        report.estimates[name] = Estimate(name, 0.5, method="counted by hand", note="few rows")
    text = Reader(report.to_html()).text
    assert text.count("counted by hand") == text.count("few rows") == text.count("as above") == 1


def test_a_reference_without_any_value_has_no_column(report):
    report.references["SMOTE"] = {"privacy.mia.auc": not_assessable("privacy.mia.auc", "too few rows")}
    assert "n/a" not in report.to_html().split("<table", 1)[1].replace("n/a where", "")


def test_no_table_is_called_private(page):
    assert not re.search(r"\bprivate\b", page)


def test_a_report_without_pictures_references_or_facts_is_a_page_too():
    verdict = Verdict("not assessable", "not assessable", "not assessable")
    page = Report({"privacy.x": not_assessable("privacy.x", "no holdout")}, verdict).to_html()
    assert "no holdout" in page
    assert "No detection limits are known" in page


def test_the_same_report_makes_the_same_page(report, page):
    assert Report.from_json(report.to_json()).to_html() == page


def test_a_page_is_written_whole_or_not_at_all(report, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    assert report.to_html(path) == path
    assert path.read_text(encoding="utf-8") == report.to_html()

    def full_disk(self, target):
        raise OSError("no space left")

    path.write_text("old")
    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        report.to_html(path)
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "old"


def test_a_page_for_a_folder_that_is_not_there_is_refused(report, tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        report.to_html(tmp_path / "nowhere" / "report.html")


def test_text_that_no_file_can_hold_does_not_stop_the_page(report, tmp_path):
    report.facts["target"] = "\ud800"
    path = report.to_html(tmp_path / "report.html")
    assert "target \ufffd" in path.read_text(encoding="utf-8")


def test_every_explanation_is_complete():
    for name, each in explanations.EXPLANATIONS.items():
        assert each.title, name
        assert each.asks.endswith(("?", ".")), name
        assert each.good.endswith("."), name
        assert each.blind.endswith("."), name
    assert explanations.explain("shop.rows").title == "shop.rows"
