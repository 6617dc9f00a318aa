"""The initialisation of networks from a seed of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

__all__ = ["initialised"]

Network = TypeVar("Network", bound=nn.Module)

_FORK = threading.Lock()


def initialised(build: Callable[[], Network], seed: int) -> Network:
    """Build a network on the CPU with weights from `seed`; torch's global generator stays as it was."""
    with _FORK, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed the GPUs as well
        return build()
