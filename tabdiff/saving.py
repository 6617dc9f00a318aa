"""What a `TableSynthesizer` consists of beside its learned table, as plain values, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tabdiff.errors import StorageError
from tabdiff.frames import RowTemplate, Template
from tabdiff.frames.saved import template_from_plain, template_to_plain
from tabdiff.inputs import note_names
from tabdiff.schema import Column
from tabdiff.tables import LearnedTable

__all__ = ["parts_to_save", "with_saved_parts", "withheld_labels"]

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
    parameters = {name: value for name, value in model.get_params().items() if name not in NOT_SAVED}
    if not isinstance(model.random_state, int | np.integer):
        parameters["random_state"] = None
    seed = model._draw_seed
    return {
        "parameters": parameters,
        "template": template_to_plain(model._template, model._withheld),
        "target": model._target,
        "seed": [seed.entropy, list(seed.spawn_key), model._n_calls],
        "suggested_constraints": model.suggested_constraints_,
    }


def with_saved_parts(cls: type, path: Any, table: LearnedTable, parts: dict[str, Any], device: str) -> Any:
    """The model of a class from its learned table and what `parts_to_save` returned.

    Raises `StorageError` if the parts are not those of such a model.
    """
    try:
        model = cls(**parts["parameters"], device=device)
        model._validate_params()
        entropy, spawn_key, model._n_calls = parts["seed"]
        model._draw_seed = np.random.SeedSequence(entropy, spawn_key=tuple(spawn_key))
        model._template, model._withheld = template_from_plain(parts["template"]), {}
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
