"""A network that starts from the weights of another one, whose features and levels are some of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tabdiff.diffusion.mixed import LevelLayout
from tabdiff.nets.mlp import MLPDenoiser

__all__ = ["grown"]

_BY_FEATURE = ("embed_num.", "embed_cat.", "embed_known.", "embed_label.", "head.")


def grown(
    new: MLPDenoiser, old: MLPDenoiser, num_from: Sequence[int], cat_from: Sequence[int]
) -> MLPDenoiser:
    """Give `new` the weights of `old`, and return it: on rows of the old features it says what `old` says.

    new: on the CPU. num_from, cat_from: for each numeric and categorical feature of `new` the number of its
    feature in `old`, or -1. Levels and labels keep their numbers, and new ones come behind. New features
    start without a say. A new level starts as the mean of its feature's levels, as unlikely as the rarest of
    them; a new label starts as the mean of the labels. Raises `ValueError` if the networks differ in size, or
    if `new` has fewer levels or labels.
    """
    former = {name: value.cpu() for name, value in old.state_dict().items()}
    weights = {
        name: torch.zeros_like(value) if name.startswith(_BY_FEATURE) else _same_size(name, value, former)
        for name, value in new.state_dict().items()
    }
    if new.embed_num is not None and old.embed_num is not None:
        _copy_columns(weights["embed_num.weight"], former["embed_num.weight"], num_from)
        weights["embed_num.bias"] = former["embed_num.bias"]
        # of known numbers there are values and flags
        flags_from = [-1 if feature < 0 else old.n_num + feature for feature in num_from]
        _copy_columns(
            weights["embed_known.num.weight"], former["embed_known.num.weight"], [*num_from, *flags_from]
        )
    if new.embed_label is not None and old.embed_label is not None:
        labels, untold = former["embed_label.weight"].tensor_split([old.n_classes])
        weights["embed_label.weight"] = torch.cat([_longer(labels, new.n_classes, "labels"), untold])
    for name in ("head.weight", "head.bias"):
        for feature, before in enumerate(num_from):
            if before >= 0:
                weights[name][feature] = former[name][before]
    _copy_levels(weights, former, new, old, cat_from)
    new.load_state_dict(weights)
    return new


def _same_size(name: str, value: Tensor, former: dict[str, Tensor]) -> Tensor:
    """The former weights of this name; `ValueError` if there are none of this shape."""
    if name not in former or former[name].shape != value.shape:
        there = tuple(former[name].shape) if name in former else "nothing"
        raise ValueError(
            f"the network to start from differs in size: {name!r} is {tuple(value.shape)} here and {there} "
            "there. Give both the same MLPConfig."
        )
    return former[name]


def _copy_columns(weight: Tensor, former: Tensor, columns_from: Sequence[int]) -> None:
    """Fill the columns of a weight matrix, in place, from those of the former one."""
    for column, before in enumerate(columns_from):
        if before >= 0:
            weight[:, column] = former[:, before]


def _longer(rows: Tensor, n_rows: int, what: str) -> Tensor:
    """These rows and behind them their mean, n_rows in all; `ValueError` if there are more already."""
    if n_rows < len(rows):
        raise ValueError(
            f"the network to start from knows {len(rows)} {what}, and only {n_rows} are asked for: they may "
            "be added, not taken away."
        )
    return torch.cat([rows, rows.mean(0, keepdim=True).expand(n_rows - len(rows), *rows.shape[1:])])


def _copy_levels(
    weights: dict[str, Tensor],
    former: dict[str, Tensor],
    new: MLPDenoiser,
    old: MLPDenoiser,
    cat_from: Sequence[int],
) -> None:
    """Fill what the network holds for each level: its row of the embedding and its logit."""
    here, there = LevelLayout(new.n_levels), LevelLayout(old.n_levels)
    for feature, before in enumerate(cat_from):
        if before < 0:
            continue
        n_levels, what = new.n_levels[feature], f"levels of categorical feature {feature}"
        for table in ("embed_cat.table", "embed_known.cat.table"):
            rows = former[table][_table_rows(old, before)]
            weights[table][_table_rows(new, feature)] = _longer(rows, n_levels, what)
        head, head_before = _head_rows(new, here, feature), _head_rows(old, there, before)
        weights["head.weight"][head] = _longer(former["head.weight"][head_before], n_levels, what)
        bias = former["head.bias"][head_before]
        weights["head.bias"][head] = torch.cat([bias, bias.min().expand(n_levels - len(bias))])


def _table_rows(network: MLPDenoiser, feature: int) -> slice:
    start = sum(network.n_levels[:feature])
    return slice(start, start + network.n_levels[feature])


def _head_rows(network: MLPDenoiser, layout: LevelLayout, feature: int) -> slice:
    logits = layout.logits_of(feature)
    return slice(network.n_num + logits.start, network.n_num + logits.stop)
