"""`DiffusionOverSampler`: synthetic rows for rare classes, in the place of SMOTE and SMOTENC."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_sampling_strategy, check_target_type
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from tabdiff import frames
from tabdiff.callbacks import CALLS_BETWEEN, CallbackSupport, fit_task, together, with_callbacks
from tabdiff.cells import joined, take
from tabdiff.errors import InputError, SmallClassWarning
from tabdiff.inputs import LEARNING_PARAMETERS, class_labels, read_table, table_config
from tabdiff.progress import sampling_bar, training_bar
from tabdiff.schema import Column
from tabdiff.seeds import seed_sequence
from tabdiff.tables import LearnedTable, learn_table

__all__ = ["DiffusionOverSampler"]

MIN_CLASS_ROWS = 20
REVISION_TIME = 0.5


class DiffusionOverSampler(CallbackSupport, BaseOverSampler):
    """Balance classes with rows drawn from a diffusion model of the table.

    A drop-in for imbalanced-learn's SMOTE and SMOTENC. The model is trained on the rows of all classes and
    told the class of each; then exactly the missing number of rows of each class is drawn. Raw frames go in:
    missing values, text, categories, booleans and dates need no preparation, and come back in kind.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn: "auto" raises every class to the size of the largest; a float is the wanted
        ratio of minority to majority rows (two classes only); "minority", "not minority", "not majority",
        "all"; a dict of class to final number of rows; a callable that makes such a dict of y. A ratio well
        below 1 often serves a classifier better than full balance.
    random_state : int, RandomState, Generator or None, default=None
        Seed of everything that is random. The same seed gives the same rows on the same machine, whatever the
        number of threads, as long as `max_seconds` is not what ends training.
    categorical_features : "auto" or array-like, default="auto"
        Names, positions or boolean mask of columns to learn as categories whatever their type. The kind of
        all others is inferred: text, categories and booleans are categories, and so are numbers with few
        values.
    max_seconds : float, default=None
        Time budget of training. None trains for the number of steps that suits the table's size.
    max_steps : int, default=None
        Number of training steps. None chooses it by the table's size.
    sampling_steps : int, default=None
        Network evaluations for each row drawn. None takes the method's own: 32, or 1000 for "tabddpm".
    guidance_weight : float, default=0.0
        Classifier-free guidance. More than 0 gives more typical and less diverse rows of each class.
    method : {"few-step", "tabddpm"}, default="few-step"
        "tabddpm" is TabDDPM's own loss and sampler, for comparison; it needs its 1000 sampling steps.
    device : str, default="auto"
        "auto", "cpu", "cuda", ...
    compile : bool, default=False
        Train with `torch.compile`. It takes about a minute to warm up, which only long runs win back.
    memorisation_brake : bool or "auto", default="auto"
        End training when the losses begin to tell training rows from held-out ones. The brake holds out a
        fifth of the rows of each class that it watches. "auto" watches classes of 50 to 1,999 rows, True
        larger ones as well, False none. `model_.history` shows what it saw.
    verbose : bool, default=False
        Show progress bars.

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of rows that were added.
    synthetic_mask_ : ndarray of shape (n_rows_out,), bool
        True where the resampled row is synthetic. Originals come first, in their order.
    n_synthetic_ : int
        Number of synthetic rows.
    model_ : LearnedTable or None
        The model of the table; None if nothing was to be generated, for then nothing is trained.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if all are strings.

    See Also
    --------
    imblearn.over_sampling.SMOTENC : Interpolates between neighbours of the same class.

    Notes
    -----
    A class of fewer than 20 rows is too small to be learned. Its synthetic rows are its real rows, noised
    half way and drawn back by the model of all rows; a `SmallClassWarning` says so.

    Resample the training part only, and inside of cross-validation: `imblearn.pipeline.make_pipeline` does
    both.

    Examples
    --------
    >>> import numpy as np
    >>> from tabdiff import DiffusionOverSampler
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(300, 2)).round(2), np.repeat([0, 1], [270, 30])
    >>> X_res, y_res = DiffusionOverSampler(random_state=0, max_steps=20).fit_resample(X, y)
    >>> np.bincount(y_res).tolist()
    [270, 270]
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseOverSampler._parameter_constraints,
        **LEARNING_PARAMETERS,
        "categorical_features": [StrOptions({"auto"}), "array-like"],
    }

    def __init__(
        self,
        *,
        sampling_strategy="auto",
        random_state=None,
        categorical_features="auto",
        max_seconds=None,
        max_steps=None,
        sampling_steps=None,
        guidance_weight=0.0,
        method="few-step",
        device="auto",
        compile=False,
        memorisation_brake="auto",
        verbose=False,
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.random_state = random_state
        self.categorical_features = categorical_features
        self.max_seconds = max_seconds
        self.max_steps = max_steps
        self.sampling_steps = sampling_steps
        self.guidance_weight = guidance_weight
        self.method = method
        self.device = device
        self.compile = compile
        self.memorisation_brake = memorisation_brake
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.sparse = False
        return tags

    @with_callbacks
    def fit_resample(self, X, y):
        """Train on (X, y) and return it with synthetic rows behind the originals.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, ndarray or list of shape (n_rows, n_columns)
            The features. They are not changed.
        y : series, array or list of shape (n_rows,), or one-hot of shape (n_rows, n_classes)
            The classes, none of them missing.

        Returns
        -------
        X_resampled : same kind as X
            Original rows in their order, then synthetic ones class by class; dtypes and column order kept.
        y_resampled : same kind as y
            Their classes.
        """
        self._validate_params()
        table, classes, _ = self._check_X_y(X, y)
        self.sampling_strategy_ = check_sampling_strategy(
            self.sampling_strategy, classes, self._sampling_type
        )
        new_rows, new_classes = self._fit_resample(table, classes)
        return frames.append_rows(X, new_rows), frames.append_rows(y, frames.select_rows(y, new_classes))

    def _check_X_y(self, X, y):
        """Read both, changing neither: columns and how to rebuild X, classes (n,), whether y is one-hot."""
        columns, template = read_table(X, self)
        labels = class_labels(y)
        check_classification_targets(labels)
        classes, one_hot = check_target_type(labels, indicate_one_vs_all=True)
        check_consistent_length(columns[0].values, classes)
        return (columns, template), classes, one_hot

    def _fit_resample(self, X, y):
        """Return the synthetic rows, and for each the number of a real row of its class."""
        columns, template = X
        asked = {label: int(n) for label, n in self.sampling_strategy_.items() if n > 0}
        self.n_synthetic_ = sum(asked.values())
        self.synthetic_mask_ = np.repeat([False, True], [len(y), self.n_synthetic_])
        self.model_ = None
        if not asked:
            return template.empty, np.arange(0)
        new_rows = template.rebuild(self._draw(columns, y, asked))
        return new_rows, np.repeat([np.argmax(y == label) for label in asked], list(asked.values()))

    def _draw(self, columns: list[Column], classes: np.ndarray, asked: Mapping[Any, int]) -> list[Column]:
        """Train, and draw the rows of each class from a random stream of its own."""
        known, codes = np.unique(classes, return_inverse=True)
        train_seed, draw_seed = seed_sequence(self.random_state).spawn(2)
        config = table_config(self, self._kinds(columns))
        with fit_task(self) as task, training_bar(self.verbose) as bar:
            model = learn_table(columns, codes, len(known), config, train_seed, together(bar, task))
            self.model_ = model
        drawn, seeds = [], draw_seed.spawn(len(known))
        first_row = 0
        for label, n in asked.items():
            code = int(np.searchsorted(known, label))
            rows = np.flatnonzero(codes == code)
            if len(rows) < MIN_CLASS_ROWS:
                _warn_of_small_class(label, len(rows), n)
                picked = _picked(rows, n, seeds[code])
                near = [take(column, picked) for column in columns]
                drawn.append(self._revised(model, near, code, seeds[code], first_row))
            else:
                with sampling_bar(self.verbose, n, f"sampling {_plain(label)!r}") as on_rows:
                    drawn.append(self._sampled(model, n, code, seeds[code], first_row, on_rows))
            first_row += n
        return [joined(parts) for parts in zip(*drawn, strict=True)]

    def _sampled(
        self,
        model: LearnedTable,
        n: int,
        code: int,
        seed: np.random.SeedSequence,
        first_row: int,
        on_rows: Callable[[int], None] | None,
    ) -> list[Column]:
        """Draw n rows of a class."""
        told = np.full(n, code, dtype=np.int64)
        how = self.sampling_steps, self.guidance_weight, on_rows
        return model.sample(n, told, seed, *how, first_row=first_row)

    def _revised(
        self, model: LearnedTable, near: list[Column], code: int, seed: np.random.SeedSequence, first_row: int
    ) -> list[Column]:
        """Draw a row of a class near each of some real ones."""
        told = np.full(len(near[0]), code, dtype=np.int64)
        return model.revise(near, told, seed.spawn(2)[1], REVISION_TIME, self.sampling_steps, first_row)

    def _kinds(self, columns: list[Column]) -> dict | None:
        """The columns that the user wants as categories, by name."""
        wanted = self.categorical_features
        if isinstance(wanted, str):
            return None
        items = [_plain(item) for item in wanted]
        if items and all(isinstance(item, bool) for item in items):
            if len(items) != len(columns):
                raise InputError(
                    f"categorical_features is a mask of {len(items)} entries, but there are {len(columns)} "
                    "columns."
                )
            items = np.flatnonzero(items).tolist()
        names = [column.name for column in columns]
        chosen = []
        for item in items:
            if item in names:
                chosen.append(item)
            elif isinstance(item, int) and -len(names) <= item < len(names):
                chosen.append(names[item])
            else:
                raise InputError(
                    f"categorical_features names {item!r}, which is no column. Columns: {names}."
                )
        return {name: "categorical" for name in chosen}


def _warn_of_small_class(label: Any, n_real: int, n: int) -> None:
    warnings.warn(
        f"class {_plain(label)!r} has {n_real} rows, fewer than {MIN_CLASS_ROWS}: too few to be learned. "
        f"Its {n} synthetic rows are its real rows, noised half way and drawn back by the model of all rows.",
        SmallClassWarning,
        stacklevel=5 + CALLS_BETWEEN,  # the caller of fit_resample
    )


def _picked(rows: np.ndarray, n: int, seed: np.random.SeedSequence) -> np.ndarray:
    """Choose n of the rows, in random order, each equally often."""
    return np.resize(np.random.default_rng(seed.spawn(1)[0]).permutation(rows), n)


def _plain(label: Any) -> Any:
    """A NumPy scalar as the Python one, for messages."""
    return label.item() if isinstance(label, np.generic) else label
