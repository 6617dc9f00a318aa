"""TS2Vec, the encoder of windows that Context-FID learns anew for each score.

Source: Yue et al. 2022, "TS2Vec: Towards Universal Representation of Time Series" (arXiv:2106.10466), and the
code of its authors. Two crops of the same windows that overlap must be represented alike where they overlap:
against other windows at the same step (instance contrast) and against other steps of the same window
(temporal contrast), at every scale of a pyramid of maxima over time.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Encoder", "contrastive_loss", "encode", "learn_encoder"]

N_OUTPUTS = 320
N_HIDDEN = 64
DEPTH = 10
BATCH = 8
LEARNING_RATE = 1e-3
KEPT_STEPS = 0.5
DROPOUT = 0.1
ROWS_AT_A_TIME = 256


def learn_encoder(windows: Tensor, n_iterations: int, generator: torch.Generator) -> Encoder:
    """An encoder trained on windows (n, L, D), with the mean of its weights over all steps as in the source.

    AdamW at 1e-3, 8 windows a step; L must be at least 2.
    """
    network = Encoder(windows.shape[2], generator)
    mean = torch.optim.swa_utils.AveragedModel(network)
    mean.update_parameters(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    batches = _batches(len(windows), generator)
    with torch.enable_grad():
        for _ in range(n_iterations):
            first, second = _two_views(network, windows[next(batches)], generator)
            loss = contrastive_loss(first, second)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean.update_parameters(network)
    learned = mean.module
    assert isinstance(learned, Encoder)
    return learned


def encode(network: Encoder, windows: Tensor) -> Tensor:
    """(n, 320) representations of whole windows (n, L, D): the maximum over the steps."""
    with torch.no_grad():
        return torch.cat([network(part).amax(dim=1) for part in windows.split(ROWS_AT_A_TIME)])


# --- the network --------------------------------------------------------------------------------------------


class Encoder(nn.Module):
    """Windows (n, L, D) to a representation of each step, (n, L, 320), by dilated convolutions."""

    def __init__(self, n_channels: int, generator: torch.Generator) -> None:
        super().__init__()
        # the meta device keeps the constructors from drawing from torch's global generator
        self.input = nn.Linear(n_channels, N_HIDDEN, device="meta")
        blocks = [_Block(N_HIDDEN, N_HIDDEN, 2**i, project=False) for i in range(DEPTH)]
        self.blocks = nn.ModuleList([*blocks, _Block(N_HIDDEN, N_OUTPUTS, 2**DEPTH, project=True)])
        self.to_empty(device="cpu")
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Linear | nn.Conv1d):
                    _initialise(module, generator)

    def forward(self, windows: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """noise: while training, draws the steps that are masked and the outputs that are dropped."""
        hidden: Tensor = self.input(windows)
        if noise is not None:
            kept = torch.rand(hidden.shape[:2], generator=noise) < KEPT_STEPS
            hidden = hidden * kept.unsqueeze(2)
        hidden = hidden.transpose(1, 2)
        for block in self.blocks:
            hidden = block(hidden)
        if noise is not None:
            kept = torch.rand(hidden.shape, generator=noise) >= DROPOUT
            hidden = hidden * kept / (1 - DROPOUT)
        return hidden.transpose(1, 2)


class _Block(nn.Module):
    """Two dilated convolutions of width 3, each after a GELU, around a shortcut: (n, C, L) to (n, C', L)."""

    def __init__(self, n_inputs: int, n_outputs: int, dilation: int, *, project: bool) -> None:
        super().__init__()
        self.first = nn.Conv1d(n_inputs, n_outputs, 3, padding=dilation, dilation=dilation, device="meta")
        self.second = nn.Conv1d(n_outputs, n_outputs, 3, padding=dilation, dilation=dilation, device="meta")
        self.shortcut = nn.Conv1d(n_inputs, n_outputs, 1, device="meta") if project else nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        inner = _convolve(self.first, functional.gelu(hidden))
        inner = _convolve(self.second, functional.gelu(inner))
        outputs: Tensor = inner + self.shortcut(hidden)
        return outputs


def _convolve(convolution: nn.Conv1d, hidden: Tensor) -> Tensor:
    """The convolution; where its outer weights see only the padding, without them, which is the same."""
    if convolution.dilation[0] >= hidden.shape[2]:
        return functional.conv1d(hidden, convolution.weight[:, :, 1:2], convolution.bias)
    outputs: Tensor = convolution(hidden)
    return outputs


def _initialise(module: nn.Linear | nn.Conv1d, generator: torch.Generator) -> None:
    """Torch's own start, uniform within 1 / sqrt(fan in), from the generator."""
    bound = module.weight[0].numel() ** -0.5
    module.weight.uniform_(-bound, bound, generator=generator)
    if module.bias is not None:
        module.bias.uniform_(-bound, bound, generator=generator)


# --- what it learns -----------------------------------------------------------------------------------------


def _batches(n_windows: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Positions of 8 windows, pass after pass over all in a new order; the rest of a pass is left out."""
    size = min(BATCH, n_windows)
    while True:
        order = torch.randperm(n_windows, generator=generator)
        yield from order[: n_windows // size * size].split(size)


def _two_views(network: Encoder, windows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Representations (B, l, 320) of the common steps of two random crops of the windows (B, L, D)."""

    def drawn(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    n_windows, n_steps, _ = windows.shape
    length = drawn(2, n_steps + 1)
    left = drawn(0, n_steps - length + 1)
    right = left + length
    outer_left, outer_right = drawn(0, left + 1), drawn(right, n_steps + 1)
    shift = torch.randint(-outer_left, n_steps - outer_right + 1, (n_windows, 1), generator=generator)

    def crop(start: int, stop: int) -> Tensor:
        return windows[torch.arange(n_windows).unsqueeze(1), torch.arange(start, stop) + shift]

    first = network(crop(outer_left, right), generator)
    second = network(crop(left, outer_right), generator)
    return first[:, -length:], second[:, :length]


def contrastive_loss(first: Tensor, second: Tensor) -> Tensor:
    """The mean over scales of instance and temporal contrast, one half each (equations 1 to 3, algorithm 1).

    first, second: (B, l, C) representations of the same steps. From scale to scale, two steps become their
    maximum. A contrast with nothing to contrast with, one window or one step, counts 0.
    """
    total, n_scales = first.new_zeros(()), 0
    while True:
        total = total + _contrast(first.transpose(0, 1), second.transpose(0, 1)) / 2
        total = total + _contrast(first, second) / 2
        n_scales += 1
        if first.shape[1] == 1:
            return total / n_scales
        first, second = (functional.max_pool1d(z.transpose(1, 2), 2).transpose(1, 2) for z in (first, second))


def _contrast(first: Tensor, second: Tensor) -> Tensor:
    """Mean cross-entropy of finding one's partner of the other view among all others of a group.

    first, second: (groups, P, C), partners at the same place; similarity is the inner product.
    """
    n_groups, n_partners, _ = first.shape
    if n_partners == 1:
        return first.new_zeros(())
    both = torch.cat([first, second], dim=1)
    itself = torch.eye(2 * n_partners, dtype=torch.bool)
    similarity = (both @ both.transpose(1, 2)).masked_fill(itself, -torch.inf)
    partner = torch.arange(2 * n_partners).roll(n_partners).expand(n_groups, -1)
    return functional.cross_entropy(similarity.flatten(0, 1), partner.flatten())
