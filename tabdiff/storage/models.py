"""Learned tables in files: `save_model` and `load_model`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tabdiff.errors import StorageError
from tabdiff.fitted import FittedDiffusion
from tabdiff.settings import DiffusionConfig
from tabdiff.storage.directory import read_directory, write_directory
from tabdiff.storage.fields import misfit
from tabdiff.storage.registry import packer
from tabdiff.synthesis import choose_device, rebuilt
from tabdiff.tables import LearnedTable
from tabdiff.training import History

__all__ = ["load_model", "save_model"]

_WEIGHTS = "weights."
_PARTS = {
    "config": DiffusionConfig,
    "n_num": int,
    "n_levels": list,
    "n_classes": int,
    "label_feature": int | None,
    "history": History,
}


def save_model(path: str | os.PathLike[str], kind: str, table: LearnedTable, rest: Mapping[str, Any]) -> None:
    """Write a learned table, and what its owner needs beside it, to a directory.

    kind: the class that is saved; loading asks for the same. rest: plain values, NumPy scalars and arrays,
    labels of pandas, and classes of the registry. The same model gives the same bytes. What was released of
    the table is decided before: everything in it is written.

    Raises `StorageError` for values that have no form in a file, functions among them, and for paths that
    cannot be written to or hold something else.
    """
    body, tensors = packer().pack(
        {"table": _table_parts(table), "diffusion": _diffusion_parts(table.diffusion), "rest": dict(rest)}
    )
    if table.diffusion is not None:
        tensors |= {
            _WEIGHTS + name: _as_array(name, weight) for name, weight in table.diffusion.weights.items()
        }
    write_directory(path, body, tensors, kind)


def load_model(
    path: str | os.PathLike[str], kind: str, device: str = "auto"
) -> tuple[LearnedTable, dict[str, Any]]:
    """Read what `save_model` wrote: the learned table, with its weights on `device`, and the rest.

    Raises `StorageError`, which says what is wrong, for everything but a whole model of this kind, and
    `InputError` for a device that is not there. Nothing in the files is executed.
    """
    chosen = choose_device(device)
    body, tensors = read_directory(path, kind)
    weights = {
        name.removeprefix(_WEIGHTS): torch.from_numpy(array)
        for name, array in tensors.items()
        if name.startswith(_WEIGHTS)
    }
    others = {name: array for name, array in tensors.items() if not name.startswith(_WEIGHTS)}
    value = packer().unpack(body, others)
    try:
        found, rest = value["table"], value["rest"]
        diffusion = _rebuilt(value["diffusion"], weights, chosen)
        table = LearnedTable(**found, diffusion=diffusion)
        _check_fit(table)
    except Exception as error:  # whatever parts that nobody vouches for do to each other
        raise StorageError(
            f"the parts of the model in {os.fspath(path)} do not fit together: {error!r:.300}. Save it again."
        ) from error
    if not isinstance(rest, dict):
        raise StorageError(f"the model in {os.fspath(path)} lacks what belongs to its class. Save it again.")
    return table, rest


def _table_parts(table: LearnedTable) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(table)]
    return {name: getattr(table, name) for name in names if name != "diffusion"}


def _diffusion_parts(diffusion: FittedDiffusion | None) -> dict[str, Any] | None:
    if diffusion is None:
        return None
    entropies = diffusion.entropies
    parts = {name: getattr(diffusion, name) for name in _PARTS}
    return parts | {"entropies": None if entropies is None else _as_array("entropies", entropies)}


def _as_array(name: str, tensor: Tensor) -> np.ndarray:
    try:
        return tensor.detach().to("cpu").numpy()
    except TypeError as error:  # bfloat16 and narrower floats
        raise StorageError(
            f"the weights {name!r} are {tensor.dtype}, which NumPy has not. Save float32."
        ) from error


def _rebuilt(parts: Any, weights: dict[str, Tensor], device: torch.device) -> FittedDiffusion | None:
    if parts is None:
        if weights:
            raise ValueError("there are weights of no network")
        return None
    entropies = parts["entropies"]
    for name, kind in _PARTS.items():
        if not isinstance(parts[name], kind) or isinstance(parts[name], bool):
            raise TypeError(f"{name} is a {type(parts[name]).__name__}")
    _check_size(parts, sum(weight.numel() for weight in weights.values()))
    return rebuilt(
        **{name: parts[name] for name in _PARTS},
        weights=weights,
        entropies=None if entropies is None else torch.from_numpy(entropies),
        device=device,
    )


def _check_size(parts: Mapping[str, Any], n_weights: int) -> None:
    """Refuse a network larger than its weights before memory is taken for it."""
    network, levels = parts["config"].network, parts["n_levels"]
    if not all(type(count) is int and count > 0 for count in levels) or parts["n_num"] < 0:
        raise ValueError("the numbers of features or levels are none")
    needed = (
        network.n_blocks * network.expansion * network.width**2,
        network.n_blocks * network.width * network.n_condition,
        network.n_condition**2,
        (parts["n_num"] + sum(levels)) * network.width,
        parts["n_classes"] * network.n_condition,
    )
    if min(needed) < 0 or max(needed) > n_weights:
        raise ValueError(f"a network that needs {max(needed)} weights has {n_weights}")


def _check_fit(table: LearnedTable) -> None:
    """Raise `ValueError` if a part is none, or the network has other features than the encoding."""
    if (problem := misfit(LearnedTable, vars(table))) is not None:
        raise ValueError(problem)
    if table.diffusion is None:
        if table.encoder.n_num or table.encoder.n_levels:
            raise ValueError("there is no network for the features")
        return
    given = table.diffusion.n_num, list(table.diffusion.n_levels)
    if given != (table.encoder.n_num, list(table.encoder.n_levels)):
        raise ValueError("the network has other features than the encoding")
