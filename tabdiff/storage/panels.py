"""Learned panels in files: the model of the table of whole series, and beside it that of the steps."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from tabdiff.errors import StorageError
from tabdiff.inputs import note_names
from tabdiff.panels import LearnedPanel
from tabdiff.saving import common_parts, with_common_parts
from tabdiff.sequences import FittedSequences, restored_sequences
from tabdiff.series_requests import Events
from tabdiff.storage.models import load_model, save_model
from tabdiff.synthesis import choose_device

__all__ = ["load_panel", "save_panel"]

_PARTS = (
    "timeline",
    "columns",
    "steps",
    "beforehand",
    "n_context",
    "longest",
    "n_steps",
    "window",
    "one_series",
)


def save_panel(path: str | os.PathLike[str], model: Any) -> None:
    """Write a fitted `SeriesSynthesizer` to a directory; see `models.save_model`."""
    panel = model._panel
    common = common_parts(model)
    common["parameters"]["context"] = list(model.context)
    rest = common | {
        "names": list(model._names),
        "rarity": None if model._events is None else model._events.values,
        "panel": {name: getattr(panel, name) for name in _PARTS},
        "sequences": _sequences_parts(panel.sequences),
    }
    save_model(path, type(model).__name__, panel.table, rest)


def load_panel(cls: type, path: str | os.PathLike[str], device: str) -> Any:
    """Read what `save_panel` wrote. Raises `StorageError`, as `models.load_model` does."""
    table, rest = load_model(path, cls.__name__, device)
    try:
        model = with_common_parts(cls, rest, device)
        model._names, model._roles = rest["names"], model._stated_roles()
        rarity = rest["rarity"]
        events = None if rarity is None else Events(model.target, list(rarity))
        sequences = _restored(rest["sequences"], choose_device(device))
        panel = LearnedPanel(
            table=table, sequences=sequences, **{name: rest["panel"][name] for name in _PARTS}
        )
        note_names(panel.templates(model._names), model)
        model._adopt(panel, events, rest["target"])
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
