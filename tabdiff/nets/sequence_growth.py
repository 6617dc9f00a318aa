"""A network of series that starts from the weights of another one, as `growth` does it for one of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tabdiff.diffusion.mixed import LevelLayout
from tabdiff.nets.blocks import LevelEmbedding
from tabdiff.nets.sequence import SequenceDenoiser

__all__ = ["SequenceStart", "grown_sequence"]

_BY_FEATURE = ("embed_num.weight", "embed_cat.", "embed_known.", "head.")


@dataclass(frozen=True)
class SequenceStart:
    """A trained network to start from, and how often each window of the new training is seen.

    network: None if there is none. num_from, cat_from: see `grown_sequence`. weight: (n_windows,) float.
    """

    network: SequenceDenoiser | None
    num_from: Sequence[int]
    cat_from: Sequence[int]
    weight: Tensor

    def of(self, network: SequenceDenoiser) -> SequenceDenoiser:
        """The network, on the CPU, with the weights to start from."""
        if self.network is None:
            return network
        return grown_sequence(network, self.network, self.num_from, self.cat_from)


def grown_sequence(
    new: SequenceDenoiser, old: SequenceDenoiser, num_from: Sequence[int], cat_from: Sequence[int]
) -> SequenceDenoiser:
    """Give `new` the weights of `old`, and return it.

    new: initialised, on the CPU. num_from, cat_from: for each numeric and categorical feature of `new` the
    number of its feature in `old`, or -1. Levels keep their numbers and new ones come behind; states of noisy
    cells that are no levels, such as the mask, stay behind all of them.

    New features keep the vectors that they were initialised with, and so do new levels, counted from the mean
    of their feature's levels; these start as unlikely as the rarest. On windows without any of them it says
    what `old` says. DIFFERS: in `growth.grown` new features start without a say and new levels alike. Series
    of a new kind are then hardly told from the old ones in the few steps of an update: of series a b a b and,
    new ones, a a b b, 47 % of the steps of the new ones were right after 80 steps, and 91 % so.

    Raises `ValueError` if the networks differ in size, or if `new` has fewer levels.
    """
    former = {name: value.cpu() for name, value in old.state_dict().items()}
    weights = {}
    for name, value in new.state_dict().items():
        own = name.startswith(_BY_FEATURE)  # fresh, but for what is copied below
        if not own and (name not in former or former[name].shape != value.shape):
            raise ValueError(
                f"the network to start from differs in size at {name!r}. Give both the same SequenceConfig."
            )
        weights[name] = value.clone() if own else former[name]
    kept = [(feature, before) for feature, before in enumerate(num_from) if before >= 0]
    here, there = ([pair[side] for pair in kept] for side in (0, 1))
    if kept:
        weights["embed_num.weight"][:, here] = former["embed_num.weight"][:, there]
        # of known numbers there are values and flags
        known, known_before = weights["embed_known.num.weight"], former["embed_known.num.weight"]
        known[:, [*here, *(new.n_num + i for i in here)]] = known_before[
            :, [*there, *(old.n_num + i for i in there)]
        ]
        for name in ("head.weight", "head.bias"):
            weights[name][here] = former[name][there]
    layouts = LevelLayout(new.n_levels), LevelLayout(old.n_levels)
    for feature, before in enumerate(cat_from):
        if before >= 0:
            _copy_levels(weights, former, (new, old), layouts, (feature, before))
    new.load_state_dict(weights)
    return new


def _copy_levels(
    weights: dict[str, Tensor],
    former: dict[str, Tensor],
    networks: tuple[SequenceDenoiser, SequenceDenoiser],
    layouts: tuple[LevelLayout, LevelLayout],
    features: tuple[int, int],
) -> None:
    """Fill what the network holds for each state of a feature, and the logit of each level.

    Pairs are of the new network and the old one.
    """
    (new, old), (feature, before) = networks, features
    n_levels, n_before = new.n_levels[feature], old.n_levels[before]
    if n_levels < n_before:
        raise ValueError(
            f"the network to start from knows {n_before} levels of categorical feature {feature}, and only "
            f"{n_levels} are asked for: they may be added, not taken away."
        )
    for name in ("embed_cat", "embed_known.cat"):
        ours, theirs = _rows_of(new.get_submodule(name), feature), _rows_of(old.get_submodule(name), before)
        rows = former[f"{name}.table"][theirs]
        levels, others = rows[:n_before], rows[n_before:]
        fresh = weights[f"{name}.table"][ours][n_before:n_levels]
        weights[f"{name}.table"][ours] = torch.cat([levels, levels.mean(0) + fresh, others])
    ours, theirs = (
        slice(network.n_num + logits.start, network.n_num + logits.stop)
        for network, logits in (
            (new, layouts[0].logits_of(feature)),
            (old, layouts[1].logits_of(before)),
        )
    )
    head, bias = former["head.weight"][theirs], former["head.bias"][theirs]
    weights["head.weight"][ours] = _longer(head, n_levels, head.mean(0))
    weights["head.bias"][ours] = _longer(bias, n_levels, bias.min())


def _rows_of(embedding: torch.nn.Module, feature: int) -> slice:
    """The rows of the table of an embedding that are of a feature."""
    assert isinstance(embedding, LevelEmbedding)
    bounds = [*embedding.offsets.tolist(), embedding.n_rows]
    return slice(bounds[feature], bounds[feature + 1])


def _longer(rows: Tensor, n_rows: int, more: Tensor) -> Tensor:
    """These rows and behind them `more`, n_rows in all."""
    return torch.cat([rows, more.expand(n_rows - len(rows), *rows.shape[1:])])
