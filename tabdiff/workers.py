"""Threads that each compute alone, so that results do not depend on how many there are.

PyTorch splits every operation over a team of threads that wait for each other. Beside a busy process, or
inside a parallel grid search, that waiting costs far more than the second thread gains, and the order of its
sums changes the last bits of a result. Here the work is cut into fixed parts instead, each done by one thread
from beginning to end: the same bytes on one core and on many, and a slow neighbour delays no more than its
share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

__all__ = ["Workers"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def _compute_alone() -> None:
    """Limit the calling thread, and only it, to itself; lasts as long as the thread."""
    torch.get_num_threads()  # lets torch set up this thread first, or it would undo the limit later
    threadpool_limits(limits=1, user_api="openmp")


class Workers:
    """A pool of single threads for CPU work; on other devices the calling thread does everything itself.

    Use as a context manager. There are as many threads as torch would use in the calling thread, at most
    `n_parts`.
    """

    def __init__(self, device: torch.device, n_parts: int) -> None:
        self._pool: ThreadPoolExecutor | None = None
        if device.type == "cpu":
            n_threads = max(1, min(n_parts, torch.get_num_threads()))
            self._pool = ThreadPoolExecutor(n_threads, "tabdiff", initializer=_compute_alone)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterable[Result]:
        """Apply the function to each item, and yield the results in the order of the items."""
        return map(function, items) if self._pool is None else self._pool.map(function, items)

    def run(self, function: Callable[[], Result]) -> Result:
        """Call the function in one of the threads and wait for it."""
        return function() if self._pool is None else self._pool.submit(function).result()
