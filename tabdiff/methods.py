"""What a way of learning and drawing consists of: process, loss, sampler and number of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

from torch import Tensor

from tabdiff.diffusion import multinomial, samplers
from tabdiff.diffusion.gaussian import NoisePrediction
from tabdiff.diffusion.masked import MaskedProcess
from tabdiff.diffusion.mixed import LevelLayout, MixedProcess
from tabdiff.diffusion.objectives import CrossEntropyObjective, Objective, VariationalObjective
from tabdiff.diffusion.schedules import CosineSchedule, KarrasSchedule, PowerSchedule, Schedule
from tabdiff.diffusion.wiener import FilteredProcess, Spectrum

__all__ = ["METHODS", "FewStep", "MaskedFewStep", "Method", "TabDDPM"]


class Method(Protocol):
    """A way to learn and to draw: which process, which loss, which sampler, how many steps."""

    @property
    def n_steps(self) -> int:
        """Network evaluations for each row, unless asked otherwise."""
        ...

    @property
    def sampler(self) -> samplers.Sampler:
        """What leads noise back to rows."""
        ...

    @property
    def score_times(self) -> tuple[float, ...]:
        """Times of the losses that score a row, one noise for each: those that best tell the rows learned."""
        ...

    def process(self, n_num: int, layout: LevelLayout) -> MixedProcess:
        """Build the process of tables with these features."""
        ...

    def objective(self, process: MixedProcess, entropies: Tensor | None) -> Objective:
        """Build the loss of each row; entropies: (C,) nats, of the levels of the training rows.

        None only for a loss that needs none.
        """
        ...


@dataclass(frozen=True)
class FewStep:
    """The default: velocity prediction and cross-entropy, and a second-order sampler of few steps."""

    num_schedule: Schedule = field(default_factory=KarrasSchedule)
    cat_schedule: Schedule = field(default_factory=PowerSchedule)
    sampler: samplers.Sampler = samplers.few_step
    n_steps: int = 32
    # numbers keep .03, .09 and .2 of noise, levels .89 to .77: least noise and most both tell less; each
    # noise of its own adds, up to about 60
    score_times: tuple[float, ...] = (0.2, 0.3, 0.4) * 20

    def process(self, n_num: int, layout: LevelLayout) -> MixedProcess:
        """Both kinds on schedules of their own."""
        return MixedProcess(n_num, layout, self.num_schedule, self.cat_schedule)

    def covering(self, spread: float) -> Self:
        """With noise enough for rows that are spread over this many standard deviations in some direction."""
        if not isinstance(self.num_schedule, KarrasSchedule):
            return self
        return replace(
            self, num_schedule=replace(self.num_schedule, sigma_max=KarrasSchedule.sigma_max * spread)
        )

    def objective(self, process: MixedProcess, entropies: Tensor | None) -> Objective:
        """Squared error of the velocity and normalised cross-entropy."""
        assert entropies is not None
        return CrossEntropyObjective(process, entropies)


@dataclass(frozen=True)
class MaskedFewStep(FewStep):
    """As `FewStep`, but levels are masked by noise instead of replaced by others: for series.

    spectrum: what is known of smooth numbers beforehand, None if there are none.

    The same number of cells is unmasked in every step. Two cells unmasked together are drawn as if they were
    independent, which happens with probability sum of (ab_s - ab_t)^2 over the steps: least for equal ones.
    """

    cat_schedule: Schedule = field(default_factory=lambda: PowerSchedule(1.0))
    spectrum: Spectrum | None = None

    def process(self, n_num: int, layout: LevelLayout) -> MixedProcess:
        """Both kinds on schedules of their own; levels are masked; what `spectrum` tells of is filtered."""
        schedules = self.num_schedule, self.cat_schedule
        if self.spectrum is None:
            return MaskedProcess(n_num, layout, *schedules)
        return FilteredProcess(n_num, layout, *schedules, spectrum=self.spectrum)


@dataclass(frozen=True)
class TabDDPM:
    """The settings of TabDDPM: cosine schedule, noise prediction, variational bound, ancestral sampling.

    Source: Kotelnikov et al. 2023 (arXiv:2209.15421).
    """

    sampler: samplers.Sampler = samplers.ancestral
    n_steps: int = 1000
    # few, as one replaced level outweighs all else in the bound
    score_times: tuple[float, ...] = (0.02, 0.03, 0.04) * 2

    def process(self, n_num: int, layout: LevelLayout) -> MixedProcess:
        """Both kinds on the cosine schedule; the predicted law is plugged into the posterior."""
        cosine = CosineSchedule()
        return MixedProcess(n_num, layout, cosine, cosine, NoisePrediction(), multinomial.log_reverse_plugin)

    def objective(self, process: MixedProcess, entropies: Tensor | None) -> Objective:
        """Squared error of the noise and the variational bound."""
        return VariationalObjective(process, self.n_steps)


METHODS: dict[str, Callable[[], Method]] = {"few-step": FewStep, "tabddpm": TabDDPM}
