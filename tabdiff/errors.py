"""The exceptions and warnings that tabdiff raises itself.

Each error is also the built-in that a caller would expect (`ValueError` for bad input), so that code
written against scikit-learn's conventions catches it.
"""

__all__ = [
    "AugmentationNotHelpfulWarning",
    "ConditionError",
    "ConstraintError",
    "ControlContaminated",
    "InputError",
    "RareConditionWarning",
    "SchemaError",
    "SmallClassWarning",
    "StorageError",
    "TabdiffError",
    "TabdiffWarning",
    "TrainingError",
]


class TabdiffError(Exception):
    """Base of every exception that tabdiff raises on purpose."""


class InputError(TabdiffError, ValueError):
    """The data or an argument cannot be used as it is."""


class SchemaError(InputError):
    """A column does not fit the kinds that tabdiff learns, or the table that was learned."""


class ConditionError(InputError):
    """A request for conditional rows names a column or a value that the model does not know."""


class ConstraintError(InputError):
    """A constraint does not hold in the table that is to be learned, or could not be kept in rows drawn."""


class ControlContaminated(InputError):
    """The holdout is no control: the generator has seen it, or it shares rows with the training part."""


class StorageError(TabdiffError, ValueError):
    """A saved model or checkpoint is missing, damaged, foreign or of a format that cannot be read."""


class TrainingError(TabdiffError, RuntimeError):
    """Training stopped because its numbers stopped making sense."""


class TabdiffWarning(UserWarning):
    """Base of every warning that tabdiff issues."""


class SmallClassWarning(TabdiffWarning):
    """A class has too few rows to be learned, and its rows are made by a stated fallback."""


class AugmentationNotHelpfulWarning(TabdiffWarning):
    """No amount of synthetic rows did measurably better than none, so none was added."""


class RareConditionWarning(TabdiffWarning):
    """Several conditions are so rare together that their joint law had to be estimated."""
