"""What a `TableSynthesizer` consists of beside its learned table, as plain values, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tabdiff.errors import StorageError
from tabdiff.frames import RowTemplate, Template
from tabdiff.frames.saved import template_from_plain, template_to_plain
from tabdiff.inputs import note_names
from tabdiff.schema import Column
from tabdiff.tables import LearnedTable

__all__ = [
    "common_parts",
    "parts_to_save",
    "with_common_parts",
    "with_saved_parts",
    "withheld_labels",
    "withheld_now",
]

NOT_SAVED = ("callbacks", "checkpoint_dir", "checkpoint_seconds", "device", "resume")


def parts_to_save(model: Any) -> dict[str, Any]:
    """The state of a fitted model: parameters, how to rebuild the frame, target, and place in its seeds.

    Parameters of the run (callbacks, checkpoints, the device) and random states that are no integers are left
    out. Raises `StorageError` for constraints that are functions.
    """
    functions = [str(predicate) for predicate in model._predicates()]
    if functions:
        raise StorageError(
            f"the model keeps constraints that are functions: {functions}. A saved model holds no code: fit "
            "without them, and check the rows that are drawn."
        )
    return common_parts(model) | {"suggested_constraints": model.suggested_constraints_}


def common_parts(model: Any) -> dict[str, Any]:
    """What fitted models of rows and of series have in common; see `parts_to_save`."""
    parameters = {name: value for name, value in model.get_params().items() if name not in NOT_SAVED}
    if not isinstance(model.random_state, int | np.integer):
        parameters["random_state"] = None
    seed = model._draw_seed
    return {
        "parameters": parameters,
        "template": template_to_plain(model._template, model._withheld),
        "target": model._target,
        "seed": [seed.entropy, list(seed.spawn_key), model._n_calls],
    }


def with_common_parts(cls: type, parts: dict[str, Any], device: str) -> Any:
    """A model of a class with what `common_parts` returned but the target; whatever errors odd parts make."""
    model = cls(**parts["parameters"], device=device)
    model._validate_params()
    entropy, spawn_key, model._n_calls = parts["seed"]
    model._draw_seed = np.random.SeedSequence(entropy, spawn_key=tuple(spawn_key))
    model._template, model._withheld = template_from_plain(parts["template"]), {}
    return model


def with_saved_parts(cls: type, path: Any, table: LearnedTable, parts: dict[str, Any], device: str) -> Any:
    """The model of a class from its learned table and what `parts_to_save` returned.

    Raises `StorageError` if the parts are not those of such a model.
    """
    try:
        model = with_common_parts(cls, parts, device)
        model._names = [column.name for column in table.templates]
        model.suggested_constraints_ = parts["suggested_constraints"]
        note_names(table.templates, model)
        model._adopt(table, parts["target"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"the model in {path} does not hold what a {cls.__name__} consists of: {error!r:.300}. Save "
            "it again."
        ) from error
    return model


def withheld_labels(
    columns: Sequence[Column], templates: Sequence[Column], template: Template | RowTemplate
) -> dict[int, list[Any]]:
    """Labels that a column's type declares but too few rows held, by the column's place: not to be saved.

    columns: as they were read; templates: what the model holds of them.
    """
    withheld = {}
    for i, (column, own) in enumerate(zip(columns, templates, strict=True)):
        if template.declares_labels(i):
            kept = set(own.levels)
            withheld[i] = [level for level in column.levels if level not in kept]
    return withheld


def withheld_now(
    before: Mapping[int, Sequence[Any]],
    columns: Sequence[Column],
    templates: Sequence[Column],
    template: Template | RowTemplate,
) -> dict[int, list[Any]]:
    """As `withheld_labels`, once a model that withheld some labels has learned more columns."""
    now = withheld_labels(columns, templates, template)
    for place, labels in before.items():
        unknown = [label for label in labels if label not in templates[place].levels]
        now[place] = [*unknown, *(label for label in now.get(place, []) if label not in unknown)]
    return now
