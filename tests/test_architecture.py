"""Who may import what, read from the source: imports point downward, and each library has its place.

`RULES` is the table. To add a module, give it a line: what it may import of tabdiff, and of other packages.
Keep it short: `diffusion` never sees a frame, `frames` alone knows data-frame libraries, `evaluation` knows
no model.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tabdiff"


@dataclass(frozen=True)
class Rule:
    """What a module may import: modules of tabdiff, packages, and packages inside functions or for types."""

    own: str = ""
    packages: str = ""
    packages_when_called: str = ""


FIDELITY = Rule(
    "evaluation.comparison evaluation.effective evaluation.estimates evaluation.fidelity "
    "evaluation.intervals evaluation.neighbours evaluation.registry",
    "numpy",
)
FACE = Rule(
    "arrangement callbacks cells constraints errors frames histories inputs progress requests retraining "
    "saving schema seeds storage tables targets training",
    "imblearn numpy sklearn",
)
IMBALANCE_FACE = Rule(
    "calibration callbacks cells errors frames imbalance inputs oversampling progress schema seeds tables",
    "imblearn numpy sklearn",
)
FRAMES = Rule("errors frames schema", "narwhals numpy pandas polars pyarrow")
PRIVACY = Rule(
    "evaluation.comparison evaluation.estimates evaluation.intervals evaluation.neighbours "
    "evaluation.privacy evaluation.registry",
    "numpy scipy",
)

UTILITY = Rule("evaluation.comparison evaluation.estimates evaluation.registry evaluation.utility", "numpy")

RULES = {
    "tabdiff": Rule("augmented calibration estimators evaluation.judging oversampling series"),
    "tabdiff.errors": Rule(),
    "tabdiff.seeds": Rule("errors", "numpy"),
    "tabdiff.schema": Rule("errors", "numpy"),
    "tabdiff.frames": Rule("frames"),
    "tabdiff.frames.forms": Rule("", "pyarrow"),
    "tabdiff.frames.arrow": Rule("errors frames.forms schema", "numpy pyarrow"),
    "tabdiff.frames.polars_": Rule("frames.arrow frames.forms schema", "numpy polars pyarrow"),
    "tabdiff.frames.pandas_": Rule("frames.arrow frames.forms schema", "numpy pandas pyarrow"),
    "tabdiff.frames.arrays": Rule("frames.forms frames.pandas_ schema", "numpy pandas"),
    "tabdiff.frames.template": FRAMES,
    "tabdiff.frames.reading": FRAMES,
    "tabdiff.frames.rows": FRAMES,
    "tabdiff.frames.cases": Rule("errors", "numpy"),
    "tabdiff.frames.saved": FRAMES,
    "tabdiff.frames.saved_pandas": FRAMES,
    "tabdiff.frames.saved_types": FRAMES,
    "tabdiff.storage": Rule(),
    "tabdiff.storage.scalars": Rule("", "numpy"),
    "tabdiff.storage.fields": Rule("", "numpy"),
    "tabdiff.storage.names": Rule("errors storage.scalars"),
    "tabdiff.storage.writing": Rule("errors storage.names storage.scalars", "numpy"),
    "tabdiff.storage.reading": Rule("errors storage.fields storage.names storage.scalars", "numpy"),
    "tabdiff.storage.packing": Rule(
        "errors storage.names storage.reading storage.scalars storage.writing", "numpy"
    ),
    "tabdiff.storage.files": Rule("errors"),
    "tabdiff.storage.document": Rule("errors", "numpy"),
    "tabdiff.storage.directory": Rule("errors storage.document storage.files", "numpy safetensors"),
    "tabdiff.storage.registry": Rule(
        "arrangement constraints diffusion encoding frames histories memorisation methods nets panel_columns "
        "schema sequences settings storage.packing storage.scalars tables targets training"
    ),
    "tabdiff.storage.models": Rule(
        "errors fitted settings storage.directory storage.fields storage.registry synthesis tables training",
        "numpy torch",
    ),
    "tabdiff.wanted": Rule("", "numpy"),
    "tabdiff.cells": Rule("schema", "numpy"),
    "tabdiff.conditions": Rule(),
    "tabdiff.conditions.scalars": Rule("errors schema", "numpy"),
    "tabdiff.conditions.reading": Rule("conditions.scalars errors schema wanted", "numpy"),
    "tabdiff.conditions.kernels": Rule("", "numpy"),
    "tabdiff.conditions.drawing": Rule("conditions.kernels errors schema wanted", "numpy scipy"),
    "tabdiff.constraints": Rule("errors schema", "numpy"),
    "tabdiff.arrangement": Rule("arrangement constraints"),
    "tabdiff.arrangement.cells": Rule("cells schema wanted", "numpy"),
    "tabdiff.arrangement.measures": Rule("schema", "numpy"),
    "tabdiff.arrangement.links": Rule("arrangement.cells cells schema wanted", "numpy"),
    "tabdiff.arrangement.groups": Rule("arrangement.cells cells errors schema wanted", "numpy"),
    "tabdiff.arrangement.orders": Rule("arrangement.measures constraints errors schema wanted", "numpy"),
    "tabdiff.arrangement.sums": Rule("arrangement.cells arrangement.measures cells schema", "numpy"),
    "tabdiff.arrangement.telling": Rule(
        "arrangement.cells arrangement.links arrangement.sums cells schema", "numpy"
    ),
    "tabdiff.arrangement.finding": Rule("arrangement.cells arrangement.links cells schema", "numpy"),
    "tabdiff.arrangement.fitting": Rule("arrangement constraints errors schema"),
    "tabdiff.arrangement.suggesting": Rule("arrangement cells constraints schema", "numpy"),
    "tabdiff.arrangement.whole": Rule("arrangement constraints errors schema wanted", "numpy"),
    "tabdiff.batch": Rule("", "torch"),
    "tabdiff.workers": Rule("", "threadpoolctl torch"),
    "tabdiff.encoding": Rule(),
    "tabdiff.encoding.calendars": Rule("", "numpy"),
    "tabdiff.encoding.gaps": Rule("errors schema", "numpy"),
    "tabdiff.encoding.timeline": Rule("encoding.calendars encoding.gaps schema", "numpy"),
    "tabdiff.encoding.timeline_growth": Rule(
        "encoding.calendars encoding.gaps encoding.timeline errors schema", "numpy"
    ),
    "tabdiff.encoding.codec": Rule("errors schema wanted", "numpy"),
    "tabdiff.encoding.alignment": Rule("cells errors schema", "numpy"),
    "tabdiff.encoding.grids": Rule("", "numpy"),
    "tabdiff.encoding.permutations": Rule("", "numpy"),
    "tabdiff.encoding.formats": Rule("encoding.permutations", "numpy"),
    "tabdiff.encoding.scores": Rule("encoding.grids", "numpy scipy"),
    "tabdiff.encoding.linear": Rule("encoding.grids encoding.scores schema", "numpy scipy"),
    "tabdiff.encoding.numbers": Rule(
        "encoding.codec encoding.linear encoding.scores schema wanted", "numpy scipy"
    ),
    "tabdiff.encoding.identifiers": Rule("encoding.codec encoding.formats schema wanted", "numpy"),
    "tabdiff.encoding.levels": Rule(
        "encoding.codec encoding.identifiers encoding.numbers errors schema wanted", "numpy"
    ),
    "tabdiff.encoding.columns": Rule("encoding schema wanted", "numpy"),
    "tabdiff.encoding.steady": Rule(
        "encoding.alignment encoding.codec encoding.grids encoding.numbers encoding.scores encoding.table "
        "schema",
        "numpy scipy",
    ),
    "tabdiff.encoding.table": Rule(
        "batch encoding.alignment encoding.codec encoding.columns encoding.linear encoding.numbers errors "
        "schema wanted",
        "numpy torch",
    ),
    "tabdiff.diffusion": Rule(),
    "tabdiff.diffusion.schedules": Rule("", "torch"),
    "tabdiff.diffusion.gaussian": Rule("", "torch"),
    "tabdiff.diffusion.multinomial": Rule("", "torch"),
    "tabdiff.diffusion.mixed": Rule(
        "batch diffusion.gaussian diffusion.multinomial diffusion.schedules", "torch"
    ),
    "tabdiff.diffusion.masked": Rule("batch diffusion", "torch"),
    "tabdiff.diffusion.wiener": Rule("batch diffusion", "numpy scipy torch"),
    "tabdiff.diffusion.objectives": Rule("batch diffusion", "torch"),
    "tabdiff.diffusion.distillation": Rule("batch diffusion", "torch"),
    "tabdiff.diffusion.conditions": Rule("batch diffusion", "torch"),
    "tabdiff.diffusion.samplers": Rule("batch diffusion", "torch"),
    "tabdiff.diffusion.scoring": Rule("batch diffusion", "torch"),
    "tabdiff.nets": Rule(),
    "tabdiff.nets.blocks": Rule("batch", "torch"),
    "tabdiff.nets.mlp": Rule("batch diffusion.mixed nets.blocks", "torch"),
    "tabdiff.nets.growth": Rule("diffusion.mixed nets.mlp", "torch"),
    "tabdiff.nets.initial": Rule("", "torch"),
    "tabdiff.nets.sequence": Rule("batch diffusion.mixed nets.blocks", "torch"),
    "tabdiff.nets.sequence_growth": Rule("diffusion.mixed nets.blocks nets.sequence", "torch"),
    "tabdiff.checkpoints": Rule("errors", "numpy safetensors torch"),
    "tabdiff.learner": Rule("batch workers", "torch"),
    "tabdiff.training": Rule("batch checkpoints errors learner workers", "torch"),
    "tabdiff.histories": Rule("frames schema training", "numpy", "matplotlib"),
    "tabdiff.callbacks": Rule("training", "sklearn"),
    "tabdiff.methods": Rule("batch diffusion", "torch"),
    "tabdiff.memorisation": Rule("training", "torch"),
    "tabdiff.settings": Rule("memorisation methods nets training", "numpy"),
    "tabdiff.fitted": Rule("batch diffusion nets seeds settings training workers", "numpy torch"),
    "tabdiff.synthesis": Rule(
        "batch checkpoints diffusion errors fitted memorisation methods nets seeds settings training",
        "numpy torch",
    ),
    "tabdiff.windows": Rule("batch", "numpy torch"),
    "tabdiff.diffusion.continuing": Rule("batch diffusion", "torch"),
    "tabdiff.sequences": Rule(
        "batch diffusion fitted methods nets seeds synthesis training windows workers", "numpy torch"
    ),
    "tabdiff.panel_data": Rule("cells schema", "numpy"),
    "tabdiff.panel_rows": Rule("schema tables", "numpy"),
    "tabdiff.panel_columns": Rule("arrangement cells constraints encoding errors schema", "numpy"),
    "tabdiff.panel_steps": Rule("batch encoding schema sequences windows", "numpy torch"),
    "tabdiff.panel_updates": Rule(
        "cells encoding methods nets panel_data panel_rows panels retraining schema sequences synthesis "
        "targets training windows",
        "numpy torch",
    ),
    "tabdiff.panels": Rule(
        "batch cells encoding panel_columns panel_data panel_rows panel_steps schema sequences synthesis "
        "tables training windows",
        "numpy torch",
    ),
    "tabdiff.long_frames": Rule("cells errors panel_data schema", "numpy"),
    "tabdiff.series_requests": Rule(
        "cells encoding.alignment errors frames long_frames panel_data panels requests schema targets",
        "numpy",
    ),
    "tabdiff.series": Rule(
        FACE.own + " encoding.alignment long_frames panel_data panel_rows panel_updates panels "
        "series_requests",
        "numpy sklearn",
    ),
    "tabdiff.storage.panels": Rule(
        "errors inputs panels saving sequences series_requests storage.models synthesis", "numpy torch"
    ),
    "tabdiff.tables": Rule(
        "arrangement batch cells checkpoints encoding errors memorisation methods schema synthesis training",
        "numpy torch",
    ),
    "tabdiff.targets": Rule("errors schema", "numpy"),
    "tabdiff.requests": Rule(
        "cells conditions encoding.alignment errors frames schema tables targets wanted", "numpy"
    ),
    "tabdiff.retraining": Rule(
        "batch encoding errors nets schema settings synthesis tables targets training", "numpy torch"
    ),
    "tabdiff.saving": Rule("errors frames inputs schema tables", "numpy"),
    "tabdiff.progress": Rule("training", "tqdm"),
    "tabdiff.inputs": Rule("errors frames schema tables", "numpy sklearn"),
    "tabdiff.estimators": FACE,
    "tabdiff.oversampling": IMBALANCE_FACE,
    "tabdiff.augmented": IMBALANCE_FACE,
    "tabdiff.imbalance": Rule(),
    "tabdiff.imbalance.labels": Rule("", "numpy"),
    "tabdiff.imbalance.amounts": Rule("errors imbalance.labels", "imblearn numpy"),
    "tabdiff.imbalance.generators": Rule("errors imbalance.labels inputs schema tables", "numpy sklearn"),
    "tabdiff.imbalance.boosting": Rule("cells errors inputs schema", "numpy sklearn"),
    "tabdiff.imbalance.acceptance": Rule("cells imbalance.boosting schema", "numpy sklearn"),
    "tabdiff.imbalance.sources": Rule(
        "cells errors frames imbalance.acceptance imbalance.generators imbalance.labels progress schema",
        "numpy sklearn",
    ),
    "tabdiff.imbalance.ohit": Rule("", "numpy scipy sklearn"),
    "tabdiff.imbalance.series": Rule(
        "errors frames imbalance.labels imbalance.ohit panels progress schema seeds tables training", "numpy"
    ),
    "tabdiff.imbalance.tuning": Rule(
        "errors frames imbalance.amounts imbalance.boosting imbalance.choosing imbalance.sources",
        "numpy sklearn",
    ),
    "tabdiff.imbalance.choosing": Rule("imbalance.choosing"),
    "tabdiff.imbalance.choosing.answers": Rule("errors", "numpy sklearn"),
    "tabdiff.imbalance.choosing.measures": Rule("errors imbalance.choosing.answers", "numpy sklearn"),
    "tabdiff.imbalance.choosing.scoring": Rule(
        "errors imbalance.choosing.answers imbalance.choosing.measures", "numpy"
    ),
    "tabdiff.imbalance.choosing.rule": Rule("errors imbalance.choosing.scoring"),
    "tabdiff.imbalance.choosing.words": Rule("imbalance.choosing.rule imbalance.choosing.scoring"),
    "tabdiff.imbalance.choosing.report": Rule(
        "frames imbalance.choosing.rule imbalance.choosing.scoring imbalance.choosing.words schema", "numpy"
    ),
    "tabdiff.calibration": Rule("calibration"),
    "tabdiff.calibration.priors": Rule("errors", "numpy"),
    "tabdiff.calibration.correction": Rule("calibration.priors errors", "imblearn numpy sklearn"),
    "tabdiff.calibration.learning": Rule("calibration.priors errors", "numpy sklearn"),
    "tabdiff.evaluation": Rule(
        "evaluation.audit evaluation.comparison evaluation.estimates evaluation.fidelity evaluation.judging "
        "evaluation.pooling evaluation.privacy evaluation.published evaluation.reading evaluation.registry "
        "evaluation.report evaluation.splitting evaluation.utility evaluation.verdict"
    ),
    "tabdiff.evaluation.arguments": Rule("errors", "numpy"),
    "tabdiff.evaluation.estimates": Rule("errors"),
    "tabdiff.evaluation.intervals": Rule("", "numpy scipy"),
    "tabdiff.evaluation.comparison": Rule("errors schema", "numpy"),
    "tabdiff.evaluation.reading": Rule(
        "errors evaluation.arguments evaluation.comparison evaluation.overlap evaluation.series.asking "
        "evaluation.series.sequences frames schema",
        "numpy",
    ),
    "tabdiff.evaluation.overlap": Rule("errors evaluation.comparison evaluation.intervals", "numpy"),
    "tabdiff.evaluation.neighbours": Rule("evaluation.comparison", "numpy"),
    "tabdiff.evaluation.registry": Rule("errors evaluation.comparison evaluation.estimates", "numpy"),
    "tabdiff.evaluation.references": Rule("evaluation.comparison evaluation.neighbours", "numpy"),
    "tabdiff.evaluation.splitting": Rule(
        "errors evaluation.arguments evaluation.comparison frames schema", "numpy"
    ),
    "tabdiff.evaluation.pooling": Rule(
        "errors evaluation.estimates evaluation.intervals evaluation.report", "numpy scipy"
    ),
    "tabdiff.evaluation.audit": Rule(
        "errors evaluation.arguments evaluation.comparison evaluation.estimates evaluation.neighbours "
        "evaluation.reading frames schema",
        "numpy scipy",
    ),
    "tabdiff.evaluation.verdict": Rule("evaluation.estimates evaluation.explanations evaluation.intervals"),
    "tabdiff.evaluation.drawing": Rule(),
    "tabdiff.evaluation.explanations": Rule(),
    "tabdiff.evaluation.pictures": Rule("evaluation.drawing evaluation.estimates"),
    "tabdiff.evaluation.html": Rule(
        "evaluation.drawing evaluation.estimates evaluation.explanations evaluation.pictures "
        "evaluation.report evaluation.verdict",
        "",
        "jinja2",
    ),
    "tabdiff.evaluation.report": Rule(
        "errors evaluation.estimates evaluation.html evaluation.report_file evaluation.verdict frames schema",
        "numpy",
    ),
    "tabdiff.evaluation.report_file": Rule("errors evaluation.estimates evaluation.verdict"),
    "tabdiff.evaluation.judging": Rule("errors evaluation frames"),
    "tabdiff.evaluation.published": Rule("evaluation.published"),
    "tabdiff.evaluation.published.boosting": Rule("errors", "", "xgboost"),
    "tabdiff.evaluation.published.tables": Rule("errors", "numpy", "pandas"),
    "tabdiff.evaluation.published.quality": Rule("evaluation.published.tables", "numpy", "pandas"),
    "tabdiff.evaluation.published.detection": Rule(
        "errors evaluation.published.boosting evaluation.published.tables", "numpy sklearn", "pandas"
    ),
    "tabdiff.evaluation.published.manifold": Rule("errors evaluation.published.tables", "numpy sklearn"),
    "tabdiff.evaluation.published.closeness": Rule("evaluation.published.tables", "numpy scipy"),
    "tabdiff.evaluation.published.efficiency": Rule(
        "errors evaluation.published.boosting evaluation.published.tables", "numpy sklearn"
    ),
    "tabdiff.evaluation.published.series": Rule("evaluation.published.series"),
    "tabdiff.evaluation.published.series.windows": Rule("errors", "numpy torch"),
    "tabdiff.evaluation.published.series.repeats": Rule("evaluation.arguments", "numpy scipy"),
    "tabdiff.evaluation.published.series.moments": Rule(
        "evaluation.arguments evaluation.published.series.windows", "numpy"
    ),
    "tabdiff.evaluation.published.series.nearest": Rule(
        "errors evaluation.arguments evaluation.published.series.windows", "numpy scipy"
    ),
    "tabdiff.evaluation.published.series.recurrent": Rule(
        "errors evaluation.arguments evaluation.published.series.windows", "torch"
    ),
    "tabdiff.evaluation.published.series.ts2vec": Rule("", "torch"),
    "tabdiff.evaluation.published.series.fid": Rule(
        "errors evaluation.arguments evaluation.published.series.ts2vec evaluation.published.series.windows",
        "numpy torch",
    ),
    "tabdiff.evaluation.features": Rule("evaluation.comparison", "numpy threadpoolctl"),
    "tabdiff.evaluation.effective": Rule("evaluation.comparison", "numpy"),
    "tabdiff.evaluation.fidelity": Rule("evaluation.fidelity"),
    "tabdiff.evaluation.fidelity.distances": Rule("evaluation.comparison", "numpy scipy"),
    "tabdiff.evaluation.fidelity.resampling": Rule("evaluation.comparison evaluation.effective", "numpy"),
    "tabdiff.evaluation.fidelity.validity": FIDELITY,
    "tabdiff.evaluation.fidelity.marginals": FIDELITY,
    "tabdiff.evaluation.fidelity.tails": FIDELITY,
    "tabdiff.evaluation.fidelity.pairs": FIDELITY,
    "tabdiff.evaluation.fidelity.diversity": FIDELITY,
    "tabdiff.evaluation.fidelity.c2st": Rule(
        "errors evaluation.arguments evaluation.comparison evaluation.effective evaluation.estimates "
        "evaluation.features evaluation.intervals evaluation.reading evaluation.registry",
        "numpy scipy sklearn",
    ),
    "tabdiff.evaluation.privacy": Rule("evaluation.privacy"),
    "tabdiff.evaluation.privacy.units": Rule(
        "evaluation.comparison evaluation.estimates evaluation.intervals", "numpy"
    ),
    "tabdiff.evaluation.privacy.field": Rule(
        "evaluation.comparison evaluation.neighbours evaluation.privacy.units", "numpy"
    ),
    "tabdiff.evaluation.privacy.control": PRIVACY,
    "tabdiff.evaluation.privacy.copies": PRIVACY,
    "tabdiff.evaluation.privacy.tails": PRIVACY,
    "tabdiff.evaluation.privacy.limits": PRIVACY,
    "tabdiff.evaluation.privacy.membership": Rule(PRIVACY.own + " evaluation.reading", "numpy scipy"),
    "tabdiff.evaluation.privacy.inference": PRIVACY,
    "tabdiff.evaluation.privacy.singling_out": PRIVACY,
    "tabdiff.evaluation.privacy.descriptive": PRIVACY,
    "tabdiff.evaluation.privacy.whitebox": Rule(PRIVACY.own + " evaluation.arguments frames", "numpy"),
    "tabdiff.evaluation.series": Rule(),
    "tabdiff.evaluation.series.asking": Rule("errors evaluation.comparison evaluation.series", "numpy"),
    "tabdiff.evaluation.series.distances": Rule("", "numpy"),
    "tabdiff.evaluation.series.order": Rule("", "numpy"),
    "tabdiff.evaluation.series.timing": Rule("evaluation.series.order", "numpy"),
    "tabdiff.evaluation.series.structure": Rule("", "numpy"),
    "tabdiff.evaluation.series.nearest": Rule("", "numpy"),
    "tabdiff.evaluation.series.sequences": Rule("evaluation.comparison", "numpy"),
    "tabdiff.evaluation.series.resampled": Rule(
        "evaluation.comparison evaluation.estimates evaluation.intervals evaluation.series.nearest", "numpy"
    ),
    "tabdiff.evaluation.series.measures": Rule(
        "evaluation.comparison evaluation.estimates evaluation.registry evaluation.series", "numpy"
    ),
    "tabdiff.evaluation.utility": Rule("evaluation.utility"),
    "tabdiff.evaluation.utility.ranking": Rule("errors", "numpy"),
    "tabdiff.evaluation.utility.calibration": Rule("", "numpy"),
    "tabdiff.evaluation.utility.models": Rule("errors evaluation.features", "numpy sklearn", "imblearn"),
    "tabdiff.evaluation.utility.question": Rule(
        "evaluation.comparison evaluation.features evaluation.intervals evaluation.utility", "numpy scipy"
    ),
    "tabdiff.evaluation.utility.tstr": UTILITY,
    "tabdiff.evaluation.utility.augmentation": UTILITY,
    "tabdiff.evaluation.utility.scorers": Rule(
        "errors evaluation.arguments evaluation.comparison evaluation.features evaluation.reading "
        "evaluation.utility",
        "numpy sklearn",
    ),
    "tabdiff.cli.where_text": Rule("errors schema"),
    "tabdiff.files": Rule("files"),
    "tabdiff.files.formats": Rule("errors"),
    "tabdiff.files.csv_cells": Rule("errors schema", "", "pyarrow"),
    "tabdiff.files.reading": Rule("errors files", "", "pyarrow"),
    "tabdiff.files.writing": Rule("errors files", "", "narwhals numpy pyarrow"),
    "tabdiff.cli.commands": Rule(
        "cli.models cli.where_text errors estimators evaluation.judging files oversampling progress schema",
        "",
        "pyarrow",
    ),
    "tabdiff.cli.models": Rule("errors estimators files series storage.directory", "", "pyarrow"),
    "tabdiff.cli.texts": Rule(),
    "tabdiff.cli.parser": Rule("cli errors"),
    "tabdiff.cli": Rule("cli.parser"),
    "tabdiff.__main__": Rule("cli"),
    "tabdiff.datasets": Rule(
        "datasets.known_histories datasets.known_law datasets.known_shapes",
        "",
        "narwhals pandas polars pyarrow",
    ),
    "tabdiff.datasets.known_histories": Rule("", "numpy", "pandas"),
    "tabdiff.datasets.known_law": Rule("", "numpy", "pandas"),
    "tabdiff.datasets.known_shapes": Rule("errors", "numpy"),
}

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
MODELS = [
    name
    for name in MODULES
    if not re.match(r"tabdiff(\.(errors|datasets|evaluation|cli|__main__)\b.*)?$", name)
]


def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Import:
    """One imported module; lazy: inside of a function or for type checkers only."""

    name: str
    lazy: bool
    for_types: bool
    line: int


def imports_of(tree: ast.AST, lazy: bool = False, for_types: bool = False) -> Iterator[Import]:
    """All imports, wherever they stand; `from package import module` counts as the module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, lazy, for_types, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: write the full name instead of a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield Import(full if full in MODULES else str(node.module), lazy, for_types, node.lineno)
        else:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            yield from imports_of(node, lazy or is_function or is_typing, for_types or is_typing)


def own(found: Import) -> bool:
    return found.name.split(".")[0] == "tabdiff"


def allows(rule: Rule, found: Import) -> bool:
    if own(found):
        return any(
            found.name == f"tabdiff.{allowed}" or found.name.startswith(f"tabdiff.{allowed}.")
            for allowed in rule.own.split()
        )
    package = found.name.split(".")[0]
    allowed = rule.packages.split() + (rule.packages_when_called.split() if found.lazy else [])
    return package in sys.stdlib_module_names or package in allowed


def test_every_module_has_a_line_in_the_table():
    missing, gone = sorted(MODULES.keys() - RULES), sorted(RULES.keys() - MODULES)
    assert not missing, f"add a line to RULES in {Path(__file__).name} for: {missing}"
    assert not gone, f"remove from RULES in {Path(__file__).name}: {gone}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_what_its_line_allows(module):
    rule = RULES.get(module, Rule())
    bad = [f"line {i.line}: {i.name}" for i in imports_of(tree_of(module)) if not allows(rule, i)]
    assert not bad, (
        f"{module} may not import {bad}. Move the code to where it may, or change RULES and say in the "
        "commit why the architecture changes."
    )


def edges(module: str) -> set[str]:
    return {i.name for i in imports_of(tree_of(module)) if own(i) and not i.for_types}


def reachable(module: str) -> set[str]:
    """Modules that an import of `module` may bring in, its own name only if there is a cycle."""
    seen: set[str] = set()
    waiting = edges(module)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting |= edges(name)
    return seen


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_itself_by_way_of_others(module):
    assert module not in reachable(module)


@pytest.mark.parametrize("module", MODELS)
def test_no_model_knows_the_evaluation(module):
    assert not [name for name in reachable(module) if name.startswith("tabdiff.evaluation")]


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("tabdiff.evaluation")])
def test_the_evaluation_knows_no_model(module):
    frame_readers = {"tabdiff.schema", *(name for name in MODULES if name.startswith("tabdiff.frames"))}
    assert not reachable(module) & (set(MODELS) - frame_readers)


def test_only_frames_and_datasets_know_data_frame_libraries():
    libraries = {"pandas", "polars", "pyarrow", "narwhals"}
    knowing = {
        module
        for module in MODULES
        for found in imports_of(tree_of(module))
        if found.name.split(".")[0] in libraries and not found.lazy
    }
    assert {re.sub(r"^tabdiff\.frames\..*", "tabdiff.frames", module) for module in knowing} == {
        "tabdiff.frames"
    }


def test_every_imported_package_is_a_declared_dependency():
    """Inside of functions, a package of an extra will do."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [one for extra in project["optional-dependencies"].values() for one in extra]
    declared, offered = (
        {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}
        for requirements in (project["dependencies"], project["dependencies"] + extras)
    )
    distribution = {"sklearn": "scikit-learn", "imblearn": "imbalanced-learn"}
    used = {
        (found.name.split(".")[0], found.lazy)
        for module in MODULES
        for found in imports_of(tree_of(module))
        if not own(found) and found.name.split(".")[0] not in sys.stdlib_module_names
    }
    undeclared = sorted(
        name for name, lazy in used if distribution.get(name, name) not in (offered if lazy else declared)
    )
    assert not undeclared, f"add to the dependencies in pyproject.toml: {undeclared}"


def test_the_reader_of_imports_sees_every_form():
    source = """
import torch.nn as nn, os
from tabdiff.diffusion import gaussian, Nothing
from tabdiff.errors import InputError
if TYPE_CHECKING:
    import pandas
class A:
    def f(self):
        try:
            import polars
        except ImportError:
            from scipy.special import ndtr
"""
    assert [(i.name, i.lazy, i.for_types) for i in imports_of(ast.parse(source))] == [
        ("torch.nn", False, False),
        ("os", False, False),
        ("tabdiff.diffusion.gaussian", False, False),
        ("tabdiff.diffusion", False, False),
        ("tabdiff.errors", False, False),
        ("pandas", True, True),
        ("polars", True, False),
        ("scipy.special", True, False),
    ]
    with pytest.raises(AssertionError, match="relative"):
        list(imports_of(ast.parse("from . import frames")))


# --- habits that an import does not show ------------------------------------------------------------------


def calls(module: str) -> Iterator[tuple[ast.Call, list[ast.AST]]]:
    """All calls in a module, each with the nodes that it stands in."""

    def walk(node: ast.AST, around: list[ast.AST]) -> Iterator[tuple[ast.Call, list[ast.AST]]]:
        if isinstance(node, ast.Call):
            yield node, around
        for child in ast.iter_child_nodes(node):
            yield from walk(child, [*around, node])

    return walk(tree_of(module), [])


def name_of(call: ast.Call) -> str:
    """The dotted name that is called: `torch.Generator(device).manual_seed` for a method of a call."""
    return ast.unparse(call.func)


def test_only_generators_are_seeded_but_for_the_one_forked_initialisation():
    global_seeds = []
    for module in MODULES:
        for call, around in calls(module):
            name = name_of(call)
            if not re.search(r"\b(manual_seed(_all)?|set_rng_state|random\.seed|set_state)$", name):
                continue
            if re.match(r"torch\.Generator\(.*\)\.manual_seed$", name):
                continue
            if re.fullmatch(r"(self\.)?generator\.set_state|state\.set_state", name):  # one's own generator
                continue
            forked = any(
                isinstance(node, ast.With) and "fork_rng" in ast.unparse(node.items) for node in around
            )
            global_seeds.append((module, forked))
    assert global_seeds == [("tabdiff.nets.initial", True)]


@pytest.mark.parametrize("module", MODULES)
def test_randomness_is_an_argument(module):
    """NumPy's global functions are not called, torch's only with a generator or to initialise a network."""
    drawing = r"torch\.(rand|randn|randint|randperm|normal|bernoulli|multinomial|poisson|rand\w*_like)"
    for call, _ in calls(module):
        name = name_of(call)
        of_numpy = re.match(r"(np|numpy)\.random\.(\w+)", name)
        if of_numpy:
            assert of_numpy.group(2) in ("default_rng", "SeedSequence", "RandomState", "Generator"), name
        if re.fullmatch(drawing, name) and not module.startswith("tabdiff.nets"):
            assert "generator" in {keyword.arg for keyword in call.keywords}, f"line {call.lineno}: {name}"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_printed_left_open_or_set_globally(module):
    forbidden = {
        "print",
        "torch.set_num_threads",
        "torch.set_default_dtype",
        "torch.use_deterministic_algorithms",
    }
    assert not [
        f"line {call.lineno}: {name_of(call)}" for call, _ in calls(module) if name_of(call) in forbidden
    ]
    assert "NotImplementedError" not in {n.id for n in ast.walk(tree_of(module)) if isinstance(n, ast.Name)}
