"""Learned panels in files: the model of the table of whole series, and beside it that of the steps."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from tabdiff.errors import StorageError
from tabdiff.frames.saved import template_from_plain, template_to_plain
from tabdiff.inputs import note_names
from tabdiff.panels import LearnedPanel
from tabdiff.sequences import FittedSequences, restored_sequences
from tabdiff.storage.models import load_model, save_model
from tabdiff.synthesis import choose_device

__all__ = ["load_panel", "save_panel"]

NOT_SAVED = ("callbacks", "device")
_PARTS = ("timeline", "steps", "beforehand", "n_context", "longest", "n_steps", "window", "one_series")


def save_panel(path: str | os.PathLike[str], model: Any) -> None:
    """Write a fitted `SeriesSynthesizer` to a directory; see `models.save_model`."""
    parameters = {name: value for name, value in model.get_params().items() if name not in NOT_SAVED}
    parameters["context"] = list(model.context)
    if not isinstance(model.random_state, int | np.integer):
        parameters["random_state"] = None
    seed, panel = model._draw_seed, model._panel
    rest = {
        "parameters": parameters,
        "template": template_to_plain(model._template, model._withheld),
        "names": list(model._names),
        "target": model._target,
        "rarity": model._rarity,
        "seed": [seed.entropy, list(seed.spawn_key), model._n_calls],
        "panel": {name: getattr(panel, name) for name in _PARTS},
        "sequences": _sequences_parts(panel.sequences),
    }
    save_model(path, type(model).__name__, panel.table, rest)


def load_panel(cls: type, path: str | os.PathLike[str], device: str) -> Any:
    """Read what `save_panel` wrote. Raises `StorageError`, as `models.load_model` does."""
    table, rest = load_model(path, cls.__name__, device)
    try:
        model = cls(**rest["parameters"], device=device)
        model._validate_params()
        entropy, spawn_key, model._n_calls = rest["seed"]
        model._draw_seed = np.random.SeedSequence(entropy, spawn_key=tuple(spawn_key))
        model._template, model._withheld = template_from_plain(rest["template"]), {}
        model._names, model._roles = rest["names"], model._stated_roles()
        model._rarity = rest["rarity"]
        sequences = _restored(rest["sequences"], choose_device(device))
        panel = LearnedPanel(
            table=table, sequences=sequences, **{name: rest["panel"][name] for name in _PARTS}
        )
        note_names(panel.templates(model._names), model)
        model._adopt(panel, rest["target"])
    except StorageError:
        raise
    except Exception as error:  # whatever parts that nobody vouches for do to each other
        raise StorageError(
            f"the model in {os.fspath(path)} does not hold what a {cls.__name__} consists of: "
            f"{error!r:.300}. Save it again."
        ) from error
    return model


def _sequences_parts(sequences: FittedSequences | None) -> dict[str, Any] | None:
    if sequences is None:
        return None
    return {
        "config": sequences.config,
        "n_num": sequences.n_num,
        "n_cat": sequences.n_cat,
        "n_guides": sequences.process.n_num - sequences.n_num,
        "n_levels": sequences.process.layout.n_levels.tolist(),
        "history": sequences.history,
        "weights": {name: weight.cpu().numpy() for name, weight in sequences.network.state_dict().items()},
    }


def _restored(parts: Any, device: torch.device) -> FittedSequences | None:
    if parts is None:
        return None
    weights = {name: torch.from_numpy(np.array(array)) for name, array in parts["weights"].items()}
    return restored_sequences(**{**parts, "weights": weights}, device=device)
