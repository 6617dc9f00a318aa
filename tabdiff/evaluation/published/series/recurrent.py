"""The discriminative and the predictive score: what a small recurrent network can tell, and can learn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tabdiff.errors import InputError
from tabdiff.evaluation.arguments import count_of, seed_of
from tabdiff.evaluation.published.series.windows import read_windows, to_tensor

__all__ = ["discriminative_score", "predictive_score"]

BATCH = 128
LEARNING_RATE = 1e-3
TRAIN_SHARE = 0.8
ROWS_AT_A_TIME = 4096


def discriminative_score(real: Any, fake: Any, seed: int, n_iterations: int = 2000) -> float:
    """How far above a coin a recurrent network tells real from fake windows, |accuracy - .5|, 0 to .5.

    real, fake: windows (n, L, D) in [0, 1], see the top of the package. seed: of the split, the weights and
    the batches. n_iterations: published figures use the default.
    Returns a float: 0 if they cannot be told apart, .5 if always. The network has D // 2 hidden units, 128
    real and 128 fake windows a step of Adam at 1e-3; 80 % of each are for training, the accuracy is that on
    the rest.

    Blind spots: a copy of the real windows scores 0. Where so few units get in so few steps depends on luck.

    Raises `InputError` for windows that are not scaled, not complete or of different shapes.
    Source: `Utils/discriminative_metric.py` of Diffusion-TS, which is that of TimeGAN.
    """
    windows = [to_tensor(part) for part in read_windows(real=real, fake=fake)]
    count_of("n_iterations", n_iterations, 0)
    generator = torch.Generator().manual_seed(seed_of(seed))
    halves = [_split(part, generator) for part in windows]
    n_channels = windows[0].shape[2]
    network = _Recurrent(n_channels, n_channels, generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    with torch.enable_grad():
        for _ in range(n_iterations):
            batches = [_batch(train, generator) for train, _ in halves]
            logit = network(torch.cat(batches))[:, -1, 0].split([len(batch) for batch in batches])
            loss = functional.softplus(-logit[0]).mean() + functional.softplus(logit[1]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    says_real = [_outputs(network, test)[:, -1, 0] > 0 for _, test in halves]
    n_right = int(says_real[0].sum()) + int((~says_real[1]).sum())
    return abs(n_right / sum(len(part) for part in says_real) - 0.5)


def predictive_score(real: Any, fake: Any, seed: int, n_iterations: int = 5000) -> float:
    """Mean absolute error on real windows of a one-step prediction that was learned on fake windows, 0 to 1.

    real, fake: windows (n, L, D) in [0, 1], see the top of the package. The last channel is predicted, from
    all others at the steps before, so the order of channels counts. seed: of weights and batches.
    n_iterations: published figures use the default.
    Returns a float, to be read beside `predictive_score(real, real, seed)`. The network has D // 2 hidden
    units and a sigmoid at the end; 128 fake windows a step of Adam at 1e-3 on the mean absolute error.

    Blind spots: all but the last channel's dependence on the others one step before; copies.

    Raises `InputError` for windows that are not scaled, not complete, of different shapes or of one channel.
    Source: `Utils/predictive_metric.py` of Diffusion-TS, which is that of TimeGAN.
    """
    tests, trains = (to_tensor(part) for part in read_windows(real=real, fake=fake))
    count_of("n_iterations", n_iterations, 0)
    n_channels = tests.shape[2]
    if n_channels < 2:
        raise InputError(
            "`real` has 1 channel. The predictive score predicts the last channel from the others: pass "
            "windows with at least 2."
        )
    generator = torch.Generator().manual_seed(seed_of(seed))
    network = _Recurrent(n_channels - 1, n_channels, generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    with torch.enable_grad():
        for _ in range(n_iterations):
            batch = _batch(trains, generator)
            predicted = torch.sigmoid(network(batch[:, :-1, :-1]))
            loss = (predicted - batch[:, 1:, -1:]).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    predicted = torch.sigmoid(_outputs(network, tests[:, :-1, :-1]))
    return float((predicted - tests[:, 1:, -1:]).abs().double().mean())


class _Recurrent(nn.Module):
    """A GRU of n_channels // 2 units and one output for each step: (n, L, n_inputs) to (n, L, 1).

    It is TensorFlow's GRUCell, not torch's, because that decides the score: with three units, torch's reset
    of the state *after* the product, and its two biases, find much less of what tells windows apart.
    """

    def __init__(self, n_inputs: int, n_channels: int, generator: torch.Generator) -> None:
        super().__init__()
        # DIFFERS: with one channel the source has no hidden unit at all.
        self.n_inputs, self.n_hidden = n_inputs, max(1, n_channels // 2)
        n_seen = n_inputs + self.n_hidden
        self.gates = nn.Parameter(_glorot(n_seen, 2 * self.n_hidden, generator))
        self.gates_bias = nn.Parameter(torch.ones(2 * self.n_hidden))
        self.candidate = nn.Parameter(_glorot(n_seen, self.n_hidden, generator))
        self.candidate_bias = nn.Parameter(torch.zeros(self.n_hidden))
        self.head = nn.Parameter(_glorot(self.n_hidden, 1, generator))
        self.head_bias = nn.Parameter(torch.zeros(1))

    def forward(self, windows: Tensor) -> Tensor:
        of_gates = (windows @ self.gates[: self.n_inputs] + self.gates_bias).unbind(1)
        of_candidate = (windows @ self.candidate[: self.n_inputs] + self.candidate_bias).unbind(1)
        state, states = windows.new_zeros(len(windows), self.n_hidden), []
        for gates, candidate in zip(of_gates, of_candidate, strict=True):
            reset, update = torch.sigmoid(torch.addmm(gates, state, self.gates[self.n_inputs :])).chunk(2, 1)
            new = torch.tanh(torch.addmm(candidate, reset * state, self.candidate[self.n_inputs :]))
            state = torch.lerp(new, state, update)
            states.append(state)
        return torch.stack(states, 1) @ self.head + self.head_bias


def _glorot(n_in: int, n_out: int, generator: torch.Generator) -> Tensor:
    """(n_in, n_out) weights, uniform within sqrt(6 / (n_in + n_out))."""
    bound = (6 / (n_in + n_out)) ** 0.5
    return torch.empty(n_in, n_out).uniform_(-bound, bound, generator=generator)


def _split(windows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The windows in random order, 80 % and the rest."""
    order = torch.randperm(len(windows), generator=generator)
    n_train = int(TRAIN_SHARE * len(windows))
    return windows[order[:n_train]], windows[order[n_train:]]


def _batch(windows: Tensor, generator: torch.Generator) -> Tensor:
    """128 windows without replacement, or all if there are fewer."""
    return windows[torch.randperm(len(windows), generator=generator)[:BATCH]]


def _outputs(network: nn.Module, windows: Tensor) -> Tensor:
    """The outputs of the network for all windows, without gradients."""
    with torch.no_grad():
        return torch.cat([network(part) for part in windows.split(ROWS_AT_A_TIME)])
