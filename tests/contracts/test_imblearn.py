"""`DiffusionOverSampler` keeps the contract of an imbalanced-learn sampler: all its checks, none excepted."""

from collections import Counter, OrderedDict

import numpy as np
import pytest
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import estimator_checks

from tabdiff import DiffusionOverSampler

# some checks resample a class of ten rows, of which we rightly warn
pytestmark = pytest.mark.filterwarnings(
    "ignore:class .* too few to be learned:tabdiff.errors.SmallClassWarning"
)

SAMPLER = DiffusionOverSampler(random_state=0, max_steps=10, sampling_steps=4)
# what `parametrize_with_checks` runs; it hands pytest a generator, of which pytest 9 warns
CHECKS = list(estimator_checks.estimator_checks_generator(SAMPLER))


@pytest.mark.parametrize(("sampler", "check"), CHECKS, ids=[check.func.__name__ for _, check in CHECKS])
def test_check(sampler, check):
    check(sampler)


def test_the_checks_are_those_of_a_sampler_of_frames_with_missing_values_and_text():
    names = {check.func.__name__ for _, check in CHECKS}
    assert {
        "check_samplers_pandas",
        "check_samplers_pandas_sparse",
        "check_samplers_string",
        "check_samplers_nan",
        "check_samplers_list",
        "check_samplers_multiclass_ova",
    } <= names
    assert isinstance(SAMPLER, BaseOverSampler)


# imbalanced-learn runs these three on its own samplers only


def test_parameters_are_validated():
    estimator_checks.check_param_validation("DiffusionOverSampler", SAMPLER)


def test_column_names_are_remembered():
    estimator_checks.check_dataframe_column_names_consistency("DiffusionOverSampler", SAMPLER)


def test_an_ordered_dict_is_a_strategy():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3)), np.repeat([0, 1, 2], [100, 60, 40])
    sampler = DiffusionOverSampler(
        **SAMPLER.get_params() | {"sampling_strategy": OrderedDict({2: 80, 1: 61})}
    )
    assert isinstance(sampler.fit(X, y).sampling_strategy_, OrderedDict)
    _, y_resampled = sampler.fit_resample(X, y)
    assert Counter(y_resampled.tolist()) == {0: 100, 1: 61, 2: 80}
