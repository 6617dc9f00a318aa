"""Nothing outside of a model is touched: no global random state, thread count, warning filter or variable."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from containers import FRAMES, cells, mixed_table

from tabdiff import DiffusionOverSampler, SeriesSynthesizer, TableSynthesizer

N = 100
Y = np.repeat([0, 1, 2], [60, 30, 10])
QUICK = {"max_steps": 3, "sampling_steps": 2}


def surroundings():
    """All global state that a numerical library may be tempted to change."""
    return {
        "numpy": pickle.dumps(np.random.get_state()),
        "torch": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "inter-op threads": torch.get_num_interop_threads(),
        "default dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "gradients": torch.is_grad_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "filters": list(warnings.filters),
        "environment": dict(os.environ),
        "numpy errors": np.geterr(),
        "print options": np.get_printoptions(),
        "working directory": (os.getcwd(), sorted(os.listdir())),
    }


def learn(random_state=0, **arguments):
    return TableSynthesizer("card", random_state=random_state, **QUICK | arguments).fit(mixed_table())


def resample(random_state=0, **arguments):
    sampler = DiffusionOverSampler(random_state=random_state, **QUICK | arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the third class is a small one
        return sampler.fit_resample(mixed_table(), Y)


def use_everything(random_state=0):
    model = learn(random_state)
    model.sample(20)
    model.sample(5, where={"card": "debit"}, random_state=random_state)
    learn(random_state, method="tabddpm", guidance_weight=1.0).sample(5)
    for maker in FRAMES.values():
        TableSynthesizer(random_state=random_state, **QUICK).fit(maker(mixed_table())).sample(2)
    series = SeriesSynthesizer(time="count", window=8, random_state=random_state, **QUICK).fit(mixed_table())
    series.sample(20)
    series.forecast(mixed_table(), 2)
    series.impute(mixed_table())
    resample(random_state)


@pytest.mark.parametrize("random_state", [0, None])
def test_use_leaves_the_surroundings_as_they_were(random_state, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    use_everything(random_state)  # libraries set themselves up when first used; that is not ours to judge
    before = surroundings()
    use_everything(random_state)
    assert surroundings() == before


def test_an_error_leaves_the_surroundings_as_they_were(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = surroundings()
    with pytest.raises(ValueError, match="infinite"):
        TableSynthesizer(**QUICK).fit(mixed_table().assign(amount=np.inf))
    assert surroundings() == before


def test_global_seeds_have_no_influence():
    rows = []
    for seed in (1, 2):
        np.random.seed(seed)
        torch.manual_seed(seed)
        rows.append((cells(learn().sample(20)), cells(resample()[0])))
    assert rows[0] == rows[1]


@pytest.mark.parametrize("method", ["few-step", "tabddpm"])
def test_one_seed_gives_the_same_bytes_and_another_gives_others(method):
    def both(seed):
        X, y = resample(seed, method=method)
        return pickle.dumps([cells(learn(seed, method=method).sample(50)), cells(X), y])

    assert both(5) == both(5)
    assert both(5) != both(6)


def test_rows_of_a_class_do_not_depend_on_what_other_classes_are_asked_for():
    """Each class draws from a random stream of its own."""
    y = np.repeat([0, 1, 2], [50, 25, 25])

    def rows(strategy, label):
        sampler = DiffusionOverSampler(random_state=0, sampling_strategy=strategy, **QUICK)
        X_res, y_res = sampler.fit_resample(mixed_table(), y)
        return [row for row, of in zip(cells(X_res)[N:], y_res[N:], strict=True) if of == label]

    assert rows({2: 40}, 2) == rows({0: 70, 1: 33, 2: 40}, 2)
    assert rows({1: 40, 2: 40}, 1) != rows({1: 40, 2: 40}, 2)


def test_rows_do_not_depend_on_the_number_of_threads():
    def rows():
        # large enough for batches to be split among threads
        model = TableSynthesizer("card", random_state=0, **QUICK).fit(mixed_table(5_000))
        return cells(model.sample(9_000))

    n_threads, expected = torch.get_num_threads(), rows()
    try:
        torch.set_num_threads(n_threads + 1)
        assert rows() == expected
    finally:
        torch.set_num_threads(n_threads)


def run(code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_importing_the_package_loads_next_to_nothing():
    heavy = [
        "torch",
        "pandas",
        "polars",
        "pyarrow",
        "numpy",
        "scipy",
        "sklearn",
        "imblearn",
        "narwhals",
        "tqdm",
    ]
    code = f"import sys, tabdiff; dir(tabdiff); print([m for m in {heavy} if m in sys.modules])"
    assert run(code).strip() == "[]"


def test_public_names_are_found_and_others_are_not():
    code = """
import tabdiff
assert {"DiffusionOverSampler", "TableSynthesizer", "__version__"} <= set(dir(tabdiff))
assert set(tabdiff.__all__) <= set(dir(tabdiff))
for name in tabdiff.__all__:
    assert getattr(tabdiff, name) is not None
try:
    tabdiff.Synthesizer
except AttributeError as error:
    assert "'Synthesizer'" in str(error) and "TableSynthesizer" in str(error)
else:
    raise AssertionError
"""
    run(code)


def test_importing_all_modules_changes_nothing_that_their_libraries_did_not():
    code = """
import importlib, os, pkgutil, warnings
import imblearn.over_sampling.base, narwhals.stable.v1, numpy, pandas, polars, pyarrow.compute, scipy.special
import sklearn.utils.validation, torch, tqdm.auto, threadpoolctl

def surroundings():
    return (
        list(warnings.filters), dict(os.environ), torch.get_num_threads(), torch.get_rng_state().tolist(),
        repr(numpy.random.get_state()), torch.get_default_dtype(), numpy.geterr(),
    )

before = surroundings()
import tabdiff
for module in pkgutil.walk_packages(tabdiff.__path__, "tabdiff."):
    importlib.import_module(module.name)
    assert surroundings() == before, module.name
"""
    run(code)
