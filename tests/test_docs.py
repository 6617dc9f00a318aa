"""What the documentation shows runs, and what it lists is there."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import tabdiff
from tabdiff import (
    AugmentedClassifier,
    DiffusionOverSampler,
    PriorCorrection,
    SeriesSynthesizer,
    TableSynthesizer,
    panels,
    tables,
)

ROOT = Path(__file__).parents[1]
MODULES = ["tabdiff", *(module.name for module in pkgutil.walk_packages(tabdiff.__path__, "tabdiff."))]
CLASSES = [
    AugmentedClassifier,
    DiffusionOverSampler,
    PriorCorrection,
    SeriesSynthesizer,
    TableSynthesizer,
]
META = [AugmentedClassifier, PriorCorrection]


@pytest.fixture
def short_training(monkeypatch):
    """Train for a few steps where nothing is said of the length: examples are to run, not to be good."""
    for module, name in ((tables, "default_config"), (panels, "default_series_config")):
        monkeypatch.setattr(module, name, partial(briefly, getattr(module, name)))


def briefly(full, *arguments):
    config = full(*arguments)
    return replace(config, training=replace(config.training, max_steps=5))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name, short_training):
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner()
    report: list[str] = []
    for test in finder.find(importlib.import_module(name), name):
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("name", tabdiff.__all__)
def test_every_public_class_shows_an_example(name):
    public = getattr(tabdiff, name)
    if inspect.isclass(public):
        assert public in CLASSES, f"add {name} to CLASSES in {Path(__file__).name}"
        assert doctest.DocTestParser().get_examples(public.__doc__)


def python_blocks(text: str) -> list[tuple[int, str]]:
    """The code between ```python and ```, and the line that each begins in."""
    return [
        (text[: found.start(1)].count("\n") + 1, found.group(1))
        for found in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def guides() -> list[str]:
    return ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]


@pytest.mark.parametrize("guide", guides())
def test_code_in_guides_runs(guide, short_training, tmp_path, monkeypatch):
    path = ROOT / guide
    assert path.exists(), f"{guide} is missing"
    blocks = python_blocks(path.read_text(encoding="utf-8"))
    assert blocks or guide != "README.md", "the README shows no Python"
    monkeypatch.chdir(tmp_path)
    namespace: dict = {"__name__": "__main__"}
    for line, code in blocks:
        # as many empty lines as stand above the block, so that a traceback names the line of the guide
        exec(compile("\n" * (line - 1) + code, guide, "exec"), namespace)


def test_the_reader_of_blocks_finds_all_of_them():
    text = "a\n```python\nx = 1\n```\n```\nno code\n```\n```python\ny = 2\nz = 3\n```\n"
    assert python_blocks(text) == [(3, "x = 1\n"), (9, "y = 2\nz = 3\n")]


# --- docstrings and signatures ----------------------------------------------------------------------------


def section(doc: str, title: str) -> dict[str, str]:
    """The entries of a numpydoc section: name to what stands behind its colon and below it."""
    found = re.search(
        rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-+$|\Z)", inspect.cleandoc(doc), re.MULTILINE | re.DOTALL
    )
    if not found:
        return {}
    entries = re.split(r"^(?=\S)", found.group(1), flags=re.MULTILINE)
    return {
        name.strip(): entry for entry in entries if entry.strip() for name in entry.split(":")[0].split(",")
    }


def parameters(function) -> dict[str, inspect.Parameter]:
    return {name: p for name, p in inspect.signature(function).parameters.items() if name != "self"}


@pytest.mark.parametrize("public", CLASSES)
def test_every_constructor_parameter_is_documented_with_its_default(public):
    documented, actual = section(public.__doc__, "Parameters"), parameters(public.__init__)
    assert list(documented) == list(actual) or sorted(documented) == sorted(actual)
    for name, parameter in actual.items():
        if parameter.default is inspect.Parameter.empty:
            continue
        shown = f'"{parameter.default}"' if isinstance(parameter.default, str) else repr(parameter.default)
        assert f"default={shown}\n" in documented[name], name


@pytest.mark.parametrize("public", CLASSES)
def test_every_method_documents_its_arguments(public):
    for name, method in vars(public).items():
        if name.startswith("_") or not inspect.isfunction(method):
            continue
        documented = section(method.__doc__, "Parameters")
        assert [key.lstrip("*") for key in documented] == list(parameters(method)), (
            f"{public.__name__}.{name}"
        )
        assert section(method.__doc__, "Returns"), f"{public.__name__}.{name}"
        for argument, parameter in parameters(method).items():
            if parameter.default not in (inspect.Parameter.empty, None):
                assert f"default={parameter.default!r}" in documented[argument]


def fitted(public):
    X = np.random.default_rng(0).normal(size=(60, 2))
    X[:, 1] = np.repeat([0, 1], [35, 25])
    brief = {"random_state": 0, "max_steps": 1, "sampling_steps": 1}
    arguments = {
        AugmentedClassifier: (LogisticRegression(), DiffusionOverSampler(**brief)),
        PriorCorrection: (LogisticRegression(),),
        SeriesSynthesizer: (1,),
    }
    own = arguments.get(public, ())
    model = public(*own) if public in META else public(*own, **brief)
    names = {name for name in vars(model) if name.endswith("_")}
    if public is DiffusionOverSampler:
        model.fit_resample(X, X[:, 1])
    elif public in META:
        model.fit(X, X[:, 1])
    else:
        model.fit(X)
    assert not names, "a constructor sets no fitted attribute"
    return model


@pytest.mark.parametrize("public", CLASSES)
def test_every_fitted_attribute_is_documented(public):
    found = {name for name in vars(fitted(public)) if name.endswith("_") and not name.startswith("_")}
    # an array has no names
    assert set(section(public.__doc__, "Attributes")) == found | {"feature_names_in_"}
