"""Progress bars on stderr, for the façades: nothing below them prints."""

from __future__ import annotations

from contextlib import contextmanager

from tqdm.auto import tqdm

from tabdiff.training import History, OnStep

# the share that is done, not the steps: a budget of seconds may end training before its last step
_LEARNING = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"

__all__ = ["sampling_bar", "training_bar"]


@contextmanager
def training_bar(verbose: bool):
    """Yield a factory for `learn_table(progress=...)`, or None if not verbose."""
    if not verbose:
        yield None
        return
    bars: list[tqdm] = []

    def start(n_steps: int) -> OnStep:
        bar = tqdm(total=1.0, desc="learning", bar_format=_LEARNING, dynamic_ncols=True)
        bars.append(bar)

        def on_step(step: int, history: History) -> None:
            if bar.n == 0 and step > 1:  # a resumed training: what went before says nothing of its speed
                bar.n = bar.initial = bar.last_print_n = min(history.progress, 1.0)
            if history.steps and history.steps[-1] == step:
                held_out = f", held-out {history.held_out[-1]:.4f}" if history.held_out else ""
                bar.set_postfix_str(f"loss {history.loss[-1]:.4f}{held_out}", refresh=False)
            bar.update(min(history.progress, 1.0) - bar.n)

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
        yield lambda n: bar.update(min(n, n_rows - bar.n))  # some rows may be drawn in vain
