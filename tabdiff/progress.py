"""Progress bars on stderr, for the façades: nothing below them prints."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager

from tqdm.auto import tqdm

from tabdiff.training import History

__all__ = ["sampling_bar", "training_bar"]


@contextmanager
def training_bar(verbose: bool):
    """Yield a factory for `learn_table(progress=...)`, or None if not verbose."""
    if not verbose:
        yield None
        return
    bars: list[tqdm] = []

    def start(n_steps: int) -> Callable[[int, History], None]:
        bar = tqdm(total=n_steps, desc="learning", unit="step", dynamic_ncols=True)
        bars.append(bar)

        def on_step(step: int, history: History) -> None:
            bar.update(step - bar.n)
            if history.steps and history.steps[-1] == step:
                held_out = f", held-out {history.held_out[-1]:.4f}" if history.held_out else ""
                bar.set_postfix_str(f"loss {history.loss[-1]:.4f}{held_out}", refresh=False)

        return on_step

    try:
        yield start
    finally:
        for bar in bars:
            bar.close()


@contextmanager
def sampling_bar(verbose: bool, n_rows: int, what: str = "sampling"):
    """Yield a callback that takes a number of rows, or None if not verbose."""
    if not verbose or not n_rows:
        yield None
        return
    with tqdm(total=n_rows, desc=what, unit="row", dynamic_ncols=True) as bar:
        yield bar.update
