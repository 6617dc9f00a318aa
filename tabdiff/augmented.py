"""`AugmentedClassifier`: a classifier trained with as many synthetic rows as help it, none if none do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import column_or_1d, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from tabdiff.calibration import Calibration, fit_calibration
from tabdiff.errors import InputError
from tabdiff.imbalance.amounts import rows_asked
from tabdiff.imbalance.choosing import AmountReport, Arm, HeldOut, choose, score_arms
from tabdiff.imbalance.sources import RowSource, SamplerSource
from tabdiff.imbalance.tuning import (
    Folds,
    Plan,
    TrainingRows,
    fitted,
    folds_of,
    note_on_stopping,
    notes_on,
    plans_of_amounts,
    plans_of_weights,
    resampled,
    tried,
    weight_parameter,
)
from tabdiff.inputs import class_labels, read_table
from tabdiff.oversampling import PRESUMED, DiffusionOverSampler
from tabdiff.seeds import seed_sequence

__all__ = ["AugmentedClassifier"]

NONE = Plan(Arm("none", {}, 0.0))


class AugmentedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A classifier given synthetic rows of rare classes as far as they help, with honest probabilities.

    By cross-validation on real rows it tries several remedies and none: amounts of synthetic rows, many of
    them at a small weight ("light"), and class weights alone. Light rows and a ratio of 0.3 help as a rule:
    the better of the two is taken unless it does worse than none by more than its standard error, or another
    remedy clearly better. Of rows of another `sampler` nothing is presumed but that light ones help.
    Probabilities are then brought back to the true prevalence on the same held-out rows. What was found is in
    `report_`.

    Parameters
    ----------
    estimator : classifier
        What is trained; it is cloned. It needs `predict_proba`.
    sampler : over-sampler, default=None
        What makes the rows: any over-sampler of imbalanced-learn's kind. None takes
        `DiffusionOverSampler()`.
    amount : float, int, str, dict or callable, default="tuned"
        "tuned" chooses among the remedies above; "none" adds nothing; anything else is a `sampling_strategy`
        of `DiffusionOverSampler`: a ratio, "auto", "x2", a dict.
    calibrate : {"auto", "prior", "sigmoid", "isotonic"} or None, default="auto"
        How probabilities are brought back: "prior" by the shift of the shares of the classes, "sigmoid" and
        "isotonic" by real rows that were held out, "auto" by what has the smallest Brier score there, nothing
        included. All but "isotonic" keep the ranking of two classes.
    scoring : str or callable, default="average_precision"
        What is measured: a scorer of scikit-learn's.
    cv : int or splitter, default=3
        How rows are held out.
    n_draws : int, default=1
        Number of classifiers, each with other synthetic rows, whose probabilities are averaged. Without
        synthetic rows there is one.
    random_state : int, RandomState, Generator or None, default=None
        Seed of everything that is random but the classifier itself, whose seed is its own.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    report_ : AmountReport
        What was tried, the scores with intervals, what was chosen and why. `print` it.
    amount_ : str
        The name of the remedy that was chosen.
    n_synthetic_ : int
        Number of synthetic rows that each classifier was trained with.
    calibration_ : Calibration
        What is done to probabilities; `calibration_.method` names it.
    brier_scores_ : dict
        The cross-validated Brier score on held-out rows of each calibration considered.
    estimators_ : list
        The trained classifiers.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if all are strings.

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : Chooses the threshold; wrap this classifier in it.
    PriorCorrection : The correction of the shares of the classes alone, for any pipeline.

    Notes
    -----
    Synthetic rows weigh as the real rows of their class do on average, so that `sample_weight` is kept in
    proportion. Rows of one group or a later time are held out together with a splitter as `cv`, to which
    `groups` are passed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from tabdiff import AugmentedClassifier, DiffusionOverSampler
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(300, 2)).round(2), np.repeat([0, 1], [270, 30])
    >>> sampler = DiffusionOverSampler(max_steps=20)
    >>> model = AugmentedClassifier(LogisticRegression(), sampler, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (300, 2)
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict_proba"])],
        "sampler": [None, HasMethods(["fit_resample"])],
        "amount": [Interval(Real, 0, None, closed="neither"), str, Mapping, callable],
        "calibrate": [None, StrOptions({"auto", "prior", "sigmoid", "isotonic"})],
        "scoring": [str, callable],
        "cv": ["cv_object"],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state", np.random.Generator, np.random.SeedSequence],
    }

    def __init__(
        self,
        estimator,
        sampler=None,
        amount="tuned",
        calibrate="auto",
        scoring="average_precision",
        *,
        cv=3,
        n_draws=1,
        random_state=None,
    ):
        self.estimator = estimator
        self.sampler = sampler
        self.amount = amount
        self.calibrate = calibrate
        self.scoring = scoring
        self.cv = cv
        self.n_draws = n_draws
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = get_tags(self.estimator).input_tags.allow_nan
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def fit(self, X, y, sample_weight=None, groups=None):
        """Choose the remedy, train with it and learn to calibrate.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, ndarray or list of shape (n_rows, n_columns)
            The features, as the classifier takes them.
        y : series, array or list of shape (n_rows,)
            The classes.
        sample_weight : array of shape (n_rows,), default=None
            Weights of the rows, in training and in scores.
        groups : array of shape (n_rows,), default=None
            Groups of rows that `cv` is to keep together.

        Returns
        -------
        self : AugmentedClassifier
            The fitted classifier.
        """
        self._validate_params()
        columns, _ = read_table(X, self)
        real = _training_rows(X, y, sample_weight, len(columns[0]))
        self.classes_, codes = np.unique(real.y, return_inverse=True)
        split_seed, row_seed, score_seed = seed_sequence(self.random_state).spawn(3)
        plans, forced = self._plans(real.y)
        needed = forced is None or self.calibrate in ("auto", "sigmoid", "isotonic")
        folds = folds_of(self.cv, real.y, groups, split_seed) if needed else []
        source = self._source(real, plans, folds, row_seed)
        answers = tried(self.estimator, plans, real, folds, source) if folds else {}
        scores = score_arms(self.scoring, answers, score_seed) if len(plans) > 1 and folds else {}
        chosen = choose([plan.arm for plan in plans], scores) if forced is None and scores else forced
        plan = next((plan for plan in plans if plan.arm.name == chosen), plans[0])
        self.report_ = self._report(plans, scores, plan, folds, len(real.y))
        self.amount_ = plan.arm.name
        self._train(real, plan, source)
        held = answers.get(plan.arm.name, [])
        self.calibration_, self.brier_scores_ = self._calibrated(real, codes, folds, held)
        return self

    def predict_proba(self, X):
        """Probabilities of the classes: the mean over the classifiers, calibrated.

        Parameters
        ----------
        X : frame, ndarray or list of shape (n_rows, n_columns)
            Rows as the classifier takes them.

        Returns
        -------
        probabilities : ndarray of shape (n_rows, n_classes)
            They sum to one in each row.
        """
        check_is_fitted(self, "estimators_")
        each = [estimator.predict_proba(X) for estimator in self.estimators_]
        return self.calibration_.apply(np.mean(each, axis=0))

    def predict(self, X):
        """The most probable class of each row; for another threshold see `TunedThresholdClassifierCV`.

        Parameters
        ----------
        X : frame, ndarray or list of shape (n_rows, n_columns)
            Rows as the classifier takes them.

        Returns
        -------
        classes : ndarray of shape (n_rows,)
            One of `classes_` for each row.
        """
        place = self.predict_proba(X).argmax(axis=1)
        return self.classes_[place]

    def _plans(self, y: np.ndarray) -> tuple[list[Plan], str | None]:
        """What is tried, nothing first, and the name of the plan that is taken in any case."""
        if isinstance(self.amount, str) and self.amount == "none":
            return [NONE], NONE.arm.name
        if isinstance(self.amount, str) and self.amount == "tuned":
            own = self.sampler is None or isinstance(self.sampler, DiffusionOverSampler)
            plans = plans_of_amounts(y, PRESUMED if own else None) + plans_of_weights(y)
            weighed = weight_parameter(self.estimator) is not None
            return [plan for plan in plans if weighed or not plan.needs_weights], None
        asked = rows_asked(self.amount, None, y)
        least = len(y) - np.unique(y, return_counts=True)[1].max()
        arm = Arm(str(self.amount), dict(asked), sum(asked.values()) / max(1, least))
        return [NONE, Plan(arm)], arm.name

    def _source(
        self, real: TrainingRows, plans: Sequence[Plan], folds: Folds, seed: np.random.SeedSequence
    ) -> RowSource | None:
        """What makes synthetic rows; None if no plan wants any, or if nothing can be chosen."""
        if not any(plan.arm.n_synthetic for plan in plans) or (self.amount == "tuned" and not folds):
            return None
        sampler = DiffusionOverSampler() if self.sampler is None else clone(self.sampler)
        if isinstance(sampler, DiffusionOverSampler):
            if sampler.random_state is None:
                sampler.set_params(random_state=int(seed.generate_state(1)[0]))
            return sampler.row_source(real.X, real.y, folds)
        return SamplerSource(sampler, real.X, real.y, [train for train, _ in folds], seed)

    def _report(
        self, plans: Sequence[Plan], scores: Mapping[str, Any], plan: Plan, folds: Folds, n_rows: int
    ) -> AmountReport:
        tuned = isinstance(self.amount, str) and self.amount == "tuned"
        notes = notes_on(not tuned or bool(folds), getattr(self.sampler, "generator", None))
        if scores:
            notes += note_on_stopping(self.estimator, plans, folds, n_rows)
        arms = tuple(plan.arm for plan in plans)
        words = str(self.scoring), str(self.estimator)
        how = len(folds), notes
        return AmountReport(arms, dict(scores), plan.arm.name, *words, *how, asked_for=not tuned)

    def _train(self, real: TrainingRows, plan: Plan, source: RowSource | None) -> None:
        """Train the classifiers, and note how much each class weighed in training."""
        n_draws = self.n_draws if plan.arm.n_synthetic else 1
        self.estimators_ = []
        for draw in range(n_draws):
            rows = resampled(real, plan, source, None, 1.0, draw)
            self.estimators_.append(fitted(self.estimator, rows))
        self.n_synthetic_ = len(rows.y) - len(real.y)
        self._prior_train = _shares(rows)

    def _calibrated(
        self, real: TrainingRows, codes: np.ndarray, folds: Folds, held: Sequence[HeldOut]
    ) -> tuple[Calibration, dict[str, float]]:
        """What brings probabilities back, by what the classifiers of the folds said of held-out rows."""
        priors = self._prior_train, _shares(real)
        if not held:
            method = "none" if self.calibrate is None or np.allclose(*priors) else "prior"
            return Calibration(method, priors if method == "prior" else ()), {}
        rows = np.concatenate([test for _, test in folds])
        said = np.concatenate([each.answers.predict_proba(np.arange(len(each.y))) for each in held])
        weight = None if real.weight is None else real.weight[rows]
        return fit_calibration(self.calibrate, said, codes[rows], *priors, weight=weight)


def _training_rows(X: Any, y: Any, sample_weight: Any, n_rows: int) -> TrainingRows:
    labels = np.asarray(class_labels(y))
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise InputError("Input y contains NaN or infinity. Give each row a class.")
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise InputError(f"y has shape {labels.shape}. Pass one class for each row, of shape (n_rows,).")
    labels = column_or_1d(labels, warn=True)
    check_classification_targets(labels)
    check_consistent_length(np.empty(n_rows), labels)
    weight = None
    if sample_weight is not None:
        weight = np.asarray(sample_weight, dtype=np.float64)
        if weight.shape != labels.shape or not np.isfinite(weight).all() or (weight < 0).any():
            raise InputError(
                f"sample_weight has shape {weight.shape}. Pass one finite number of at least 0 for each of "
                f"the {n_rows} rows."
            )
    classes = np.unique(labels)
    if len(classes) < 2:
        raise InputError(f"y holds one class, {classes.tolist()[0]!r}. A classifier needs two at least.")
    weightless = [] if weight is None else np.setdiff1d(classes, labels[weight > 0]).tolist()
    if weightless:
        raise InputError(
            f"sample_weight is zero in all rows of class {weightless[0]!r}. Give some rows of each "
            "class a weight above 0, or leave the class out."
        )
    return TrainingRows(X, labels, weight)


def _shares(rows: TrainingRows) -> np.ndarray:
    """How much of the weight each class has: (n_classes,)."""
    _, codes = np.unique(rows.y, return_inverse=True)
    mass = np.bincount(codes, weights=rows.weight)
    return mass / mass.sum()
