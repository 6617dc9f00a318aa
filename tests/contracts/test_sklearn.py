"""The public classes keep the contract of a scikit-learn estimator: all of its checks but for one.

A classifier that splits rows and draws others at random cannot take a weight of 2 for a row that is there
twice, as scikit-learn's own cross-validated classifiers cannot either.
"""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils import estimator_checks

from tabdiff import AugmentedClassifier, DiffusionOverSampler, TableSynthesizer

ESTIMATORS = [
    AugmentedClassifier(
        LogisticRegression(),
        DiffusionOverSampler(random_state=0, max_steps=2, sampling_steps=2),
        cv=2,
        random_state=0,
    ),
    DiffusionOverSampler(random_state=0, max_steps=10, sampling_steps=4),
    TableSynthesizer(random_state=0, max_steps=2, sampling_steps=2),
]
IMPOSSIBLE = ("AugmentedClassifier", "check_sample_weight_equivalence_on_dense_data")
# what `parametrize_with_checks` runs, under names that say which
CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{check.func.__name__}-{number}")
    for estimator in ESTIMATORS
    for number, (estimator, check) in enumerate(estimator_checks.estimator_checks_generator(estimator))
    if (type(estimator).__name__, check.func.__name__) != IMPOSSIBLE
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_parameters_are_validated(estimator):
    estimator_checks.check_param_validation(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_column_names_are_remembered(estimator):
    estimator_checks.check_dataframe_column_names_consistency(type(estimator).__name__, estimator)
