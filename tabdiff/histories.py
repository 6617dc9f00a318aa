"""The history of a training as users see it: a sentence, a table, a picture."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tabdiff import frames
from tabdiff.schema import Column, Storage
from tabdiff.training import History

__all__ = ["FitHistory"]

_REASONS = {
    "steps": "ran to the last step",
    "seconds": "stopped by the time budget",
    "callback": "stopped by a callback",
}


@dataclass(repr=False)
class FitHistory(History):
    """What happened in training, see the attributes of `training.History`.

    Printed, it says how training went:

    >>> print(FitHistory(n_steps=2000, seconds=31.4, stopped_by="memorisation", kept_step=1800))
    2,000 steps in 31.4 s, stopped by memorisation, kept step 1,800
    """

    @classmethod
    def of(cls, history: History) -> FitHistory:
        """The same history; its lists are shared."""
        return cls(**{one.name: getattr(history, one.name) for one in fields(History)})

    def __str__(self) -> str:
        if not self.n_steps:
            return "no steps: there was nothing to learn"
        why = _REASONS.get(self.stopped_by, f"stopped by {self.stopped_by}")
        if self.stopped_by == "held-out loss" and self.held_out:
            best = int(np.argmin(self.held_out))
            n_later = len(self.held_out) - 1 - best
            why += f" (best at step {self.steps[best]:,}, {n_later} evaluations earlier)"
        return f"{self.n_steps:,} steps in {_time(self.seconds)}, {why}, kept step {self.kept_step:,}"

    def __repr__(self) -> str:
        return f"FitHistory({self})"

    def to_frame(self, library: str = "pandas") -> Any:
        """A frame of one row for each evaluation.

        Parameters
        ----------
        library : {"pandas", "polars", "pyarrow"}, default="pandas"
            Which kind of frame.

        Returns
        -------
        frame
            Columns `step`, `loss`, `held_out`, `attack_auc` and `seconds`; missing where nothing was
            recorded. `seconds` counts from the start of training.

        Raises
        ------
        InputError
            If the library is another one.
        """
        n = len(self.steps)
        steps = Column("step", Storage.INT, np.array(self.steps, dtype=np.int64), np.zeros(n, dtype=bool))
        floats = {
            "loss": self.loss,
            "held_out": self.held_out,
            "attack_auc": self.attack_auc,
            "seconds": self.elapsed,
        }
        columns = [steps, *(_float_column(name, values, n) for name, values in floats.items())]
        return frames.from_columns(columns, library)

    def plot(self, ax: Any = None) -> Any:
        """Draw the losses over the steps, with a mark at the step that was kept.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ax
            The axes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError('plots need matplotlib. Install it: pip install "tabdiff[demo]"') from error
        if ax is None:
            _, ax = pyplot.subplots()
        ax.plot(self.steps, self.loss, label="training loss")
        if self.held_out:
            ax.plot(self.steps, self.held_out, label="held-out loss")
        ax.axvline(self.kept_step, color="0.5", linestyle="--", label=f"kept step {self.kept_step:,}")
        ax.set_xlabel("step")
        ax.set_ylabel("loss")
        ax.legend()
        return ax


def _float_column(name: str, values: list[float], n: int) -> Column:
    """A column of n cells, all missing if nothing was recorded."""
    recorded = len(values) == n
    cells = np.array(values if recorded else [np.nan] * n, dtype=np.float64)
    return Column(name, Storage.FLOAT, cells, np.isnan(cells))


def _time(seconds: float) -> str:
    """Seconds as a person would say them: "31.4 s", "5 min 12 s", "2 h 3 min"."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
