"""`PriorCorrection`: what a classifier saw, and the correction for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.under_sampling.base import BaseUnderSampler
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from tabdiff.calibration.priors import checked_prior, correct_prior
from tabdiff.errors import InputError

__all__ = ["PriorCorrection"]

FITTED_INSIDE = ("best_estimator_", "final_estimator_", "estimator_")
CALIBRATED_ON_REAL_ROWS = (CalibratedClassifierCV, StackingClassifier)
UNREADABLE = ("auto_class_weights", "class_weights", "is_unbalance", "sampling_strategy")


class PriorCorrection(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Give a classifier that learns from resampled or reweighted rows its true prevalence back.

    SMOTE, undersampling and class weights show a classifier more of the rare class than there is, and its
    probabilities rise accordingly. This divides what they added out of the odds again. The order of rows does
    not change with two classes; the level of the probabilities does.

    Parameters
    ----------
    estimator : classifier with predict_proba
        Usually `imblearn.pipeline.make_pipeline(sampler, classifier)`. It is cloned.
    prior_train : "auto", dict or array-like of shape (n_classes,), default="auto"
        Shares of the classes as the classifier sees them: a dict by class, or in the order of `classes_`.
        "auto" reads them from the fitted sampler of an imbalanced-learn pipeline, and from the classifier's
        class weights or priors. A sampler that makes no exact number of rows, such as ADASYN, is taken at its
        word.
    prior_true : "auto", dict or array-like of shape (n_classes,), default="auto"
        Shares of the classes where the classifier is used. "auto" takes those in y, weighted by the
        `sample_weight` of `fit`. Give them if these weights are there to balance the classes.

    Attributes
    ----------
    estimator_ : classifier
        The fitted estimator.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    prior_train_ : ndarray of shape (n_classes,)
        The shares of the classes that the estimator saw, in the order of `classes_`.
    prior_true_ : ndarray of shape (n_classes,)
        Their true shares.
    n_features_in_ : int
        Number of columns of X, if the estimator notes it.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if the estimator notes them.

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : Chooses the probability above which a class is
        predicted.
    sklearn.calibration.CalibratedClassifierCV : Learns the correction from held-out rows.

    Notes
    -----
    The correction is exact if the resampled rows of a class are distributed as its real ones are: duplicates,
    dropped rows, weights. Rows that are interpolated or drawn from a model differ, and so do classifiers that
    learn their training rows by heart; then part of the error stays.

    Source: Saerens, Latinne & Decaestecker 2002 (Neural Computation 14:21), eq. 2.4.

    Examples
    --------
    >>> import numpy as np
    >>> from imblearn.over_sampling import RandomOverSampler
    >>> from imblearn.pipeline import make_pipeline
    >>> from sklearn.linear_model import LogisticRegression
    >>> from tabdiff.calibration import PriorCorrection
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], [950, 50])
    >>> X = rng.normal(size=(1000, 1)) + y[:, None]
    >>> balanced = make_pipeline(RandomOverSampler(random_state=0), LogisticRegression())
    >>> balanced.fit(X, y).predict_proba(X)[:, 1].mean().round(1)
    np.float64(0.4)
    >>> corrected = PriorCorrection(balanced).fit(X, y)
    >>> corrected.prior_train_, corrected.prior_true_
    (array([0.5, 0.5]), array([0.95, 0.05]))
    >>> corrected.predict_proba(X)[:, 1].mean().round(2)
    np.float64(0.05)
    """

    def __init__(self, estimator, *, prior_train="auto", prior_true="auto"):
        self.estimator = estimator
        self.prior_train = prior_train
        self.prior_true = prior_true

    def __sklearn_tags__(self):
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        if inner.classifier_tags is not None:
            tags.classifier_tags = inner.classifier_tags
        return tags

    def get_metadata_routing(self):
        """Tell scikit-learn that what `fit` is given goes to the estimator's `fit`.

        Returns
        -------
        MetadataRouter
            The routing.
        """
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=type(self).__name__).add(estimator=self.estimator, method_mapping=to_fit)

    def fit(self, X, y, **fit_params):
        """Fit a clone of the estimator, and find both priors.

        Parameters
        ----------
        X : whatever the estimator takes
            The features.
        y : series, array or list of shape (n_rows,)
            The classes.
        **fit_params : dict
            Passed on to the estimator's `fit`.

        Returns
        -------
        PriorCorrection
            Itself.
        """
        if not hasattr(self.estimator, "predict_proba"):
            raise InputError(f"{self.estimator!r} has no predict_proba. Pass a classifier that has one.")
        labels = column_or_1d(np.asarray(y))
        classes, codes = np.unique(labels, return_inverse=True)
        given = {name: self._given(name, classes) for name in ("prior_train", "prior_true")}
        routed = fit_params
        if sklearn.get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **fit_params).estimator.fit
        self.estimator_ = clone(self.estimator).fit(X, y, **routed)
        self.classes_ = np.asarray(getattr(self.estimator_, "classes_", classes))
        if not np.array_equal(self.classes_, classes):
            raise InputError(f"estimator learned classes {self.classes_.tolist()}, y has {classes.tolist()}.")
        rows = _Rows(classes, codes, _weight(fit_params))
        true, train = given["prior_true"], given["prior_train"]
        self.prior_true_ = rows.shares() if true is None else true
        self.prior_train_ = _seen_shares(self.estimator_, rows) if train is None else train
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
            elif hasattr(self, name):
                delattr(self, name)
        return self

    def _given(self, name: str, classes: np.ndarray) -> np.ndarray | None:
        """The shares (k,) that the user gave, in the order of the classes; None for "auto"."""
        given = getattr(self, name)
        if isinstance(given, str):
            if given != "auto":
                raise InputError(f'{name} is {given!r}. Pass "auto", or one share for each class.')
            return None
        if isinstance(given, Mapping):
            if set(given) != set(classes.tolist()):
                raise InputError(
                    f"{name} names the classes {list(given)}, but y has {classes.tolist()}. Name each once."
                )
            given = [given[label] for label in classes.tolist()]
        return checked_prior(name, given, len(classes))

    def predict_proba(self, X):
        """Return the corrected probabilities.

        Parameters
        ----------
        X : whatever the estimator takes
            The features.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            Columns in the order of `classes_`.
        """
        check_is_fitted(self)
        return correct_prior(self.estimator_.predict_proba(X), self.prior_train_, self.prior_true_)

    def predict(self, X):
        """Return the class of the largest corrected probability.

        With a rare class that is seldom the rare one. To predict it above another probability, wrap this in
        scikit-learn's `TunedThresholdClassifierCV` or `FixedThresholdClassifier`.

        Parameters
        ----------
        X : whatever the estimator takes
            The features.

        Returns
        -------
        ndarray of shape (n_rows,)
            The classes.
        """
        check_is_fitted(self)
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a fit: classes (k,), the code (n,) of each row's class, weights (n,) if there are any."""

    classes: np.ndarray
    codes: np.ndarray
    weight: np.ndarray | None

    def counts(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Rows (k,) of each class."""
        return np.bincount(self.codes[rows], minlength=len(self.classes)).astype(np.float64)

    def mass(self) -> np.ndarray:
        """Weight (k,) of each class."""
        return np.bincount(self.codes, self.weight, len(self.classes)).astype(np.float64)

    def shares(self) -> np.ndarray:
        """Share (k,) of each class in the weight of all rows."""
        mass = self.mass()
        if not (mass > 0).all():
            raise InputError(
                f"sample_weight gives the classes {self.classes.tolist()} the weights {mass.tolist()}. Give "
                "each class some, or leave its rows out."
            )
        return mass / mass.sum()

    def by_class(self, values: Mapping[Any, float], otherwise: np.ndarray | float) -> np.ndarray:
        """Values (k,) given by class, or what stands for those that are not given."""
        filled = np.broadcast_to(otherwise, self.classes.shape).tolist()
        return np.array([values.get(k, v) for k, v in zip(self.classes.tolist(), filled, strict=True)])


def _weight(fit_params: Mapping[str, Any]) -> np.ndarray | None:
    """The weights of the rows among what `fit` was given, be it for a step of a pipeline."""
    found = {
        name: np.asarray(value, dtype=np.float64)
        for name, value in fit_params.items()
        if name.split("__")[-1] == "sample_weight" and value is not None
    }
    weights = list(found.values())
    if any(not np.array_equal(weights[0], other) for other in weights[1:]):
        raise InputError(f"{list(found)} differ. Give the same weights to all, or pass both priors.")
    return weights[0] if weights else None


def _seen_shares(fitted: Any, rows: _Rows) -> np.ndarray:
    """Shares (k,) of the classes as the final classifier of a fitted estimator saw them.

    Follows pipelines and searches inward. Raises `InputError` where the shares cannot be known.
    """
    part, counts = fitted, None
    while True:
        if hasattr(part, "prior_true_"):  # corrected once already
            return part.prior_true_
        if isinstance(part, FrozenEstimator):
            raise _unknown(part, "is frozen, so that it learned from other rows")
        if isinstance(part, Pipeline):
            for _, step in part.steps:
                if hasattr(step, "fit_resample"):
                    counts = _after(step, rows, counts)
            part = part.steps[-1][1]
            continue
        inside = next((getattr(part, name) for name in FITTED_INSIDE if hasattr(part, name)), None)
        settings = part.get_params() if hasattr(part, "get_params") else {}
        _refuse_unreadable(part, settings, inside is not None)
        if inside is None:
            return checked_prior("prior_train", _weighted(part, settings, rows, counts), len(rows.classes))
        part = inside


def _unknown(part: Any, why: str) -> InputError:
    return InputError(
        f"prior_train cannot be deduced, for {type(part).__name__} {why}. Pass prior_train, the shares of "
        "the classes among the rows that the classifier sees."
    )


def _after(sampler: Any, rows: _Rows, counts: np.ndarray | None) -> np.ndarray:
    """Rows (k,) of each class after a fitted sampler; counts (k,): before it, None if it is the first."""
    kept = getattr(sampler, "sample_indices_", None)
    if counts is None and kept is not None and np.max(kept, initial=0) < len(rows.codes):
        return rows.counts(kept)
    counts = rows.counts() if counts is None else counts
    strategy = getattr(sampler, "sampling_strategy_", None)
    if isinstance(strategy, Mapping):
        if isinstance(sampler, BaseOverSampler):
            return counts + rows.by_class(strategy, 0)
        if isinstance(sampler, BaseUnderSampler):
            return rows.by_class(strategy, counts)
    raise _unknown(sampler, "does not tell how many rows of each class it returned")


def _refuse_unreadable(part: Any, settings: Mapping[str, Any], has_inside: bool) -> None:
    """Raise `InputError` for classifiers that resample or reweight in ways that are not known here."""
    for name in UNREADABLE:
        value = settings.get(name)
        if value is not None and value is not False:
            raise _unknown(part, f"resamples or reweights the classes itself ({name}={value!r})")
    if has_inside or isinstance(part, CALIBRATED_ON_REAL_ROWS):
        return
    for name, value in settings.items():
        if hasattr(value, "fit_resample") or (name.endswith("__class_weight") and value is not None):
            raise _unknown(part, f"has several classifiers inside, which resample or reweight ({name})")


def _weighted(part: Any, settings: Mapping[str, Any], rows: _Rows, counts: np.ndarray | None) -> np.ndarray:
    """Shares (k,) of the classes after the class weights or priors of a classifier; counts: as resampled."""
    for name in ("priors", "class_prior"):
        if settings.get(name) is not None:
            return np.asarray(settings[name], dtype=np.float64)
    mass = rows.mass() if counts is None else counts
    wanted = settings.get("class_weight")
    if isinstance(wanted, str):
        mean_weight = rows.mass() / rows.counts()
        if not np.allclose(mean_weight, mean_weight[0]):
            # some classifiers balance the rows, some the weights
            raise _unknown(part, f"has class_weight={wanted!r} beside a sample_weight that differs by class")
        mass = np.ones(len(mass))
    elif isinstance(wanted, Mapping):
        mass = mass * rows.by_class(wanted, 1)
    if len(mass) == 2 and settings.get("scale_pos_weight") is not None:
        mass = mass * [1, settings["scale_pos_weight"]]
    return mass / mass.sum()
