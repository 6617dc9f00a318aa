"""The composition root of series: process, network, loss and training loop over windows make a fitted model.

Tensors in, tensors out, as `synthesis` is for rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion import samplers
from tabdiff.diffusion.continuing import SeriesLoss
from tabdiff.diffusion.mixed import LevelLayout, MixedProcess
from tabdiff.diffusion.objectives import marginal_entropies
from tabdiff.diffusion.schedules import spread
from tabdiff.diffusion.wiener import Spectrum
from tabdiff.fitted import for_inference
from tabdiff.methods import FewStep, MaskedFewStep
from tabdiff.nets.initial import initialised
from tabdiff.nets.sequence import SequenceConfig, SequenceDenoiser
from tabdiff.nets.sequence_growth import SequenceStart
from tabdiff.seeds import torch_seed
from tabdiff.synthesis import tempered_copies
from tabdiff.training import History, OnStep, TrainingConfig, TrainingData, bf16_pays, train
from tabdiff.windows import Windows, known_guides
from tabdiff.workers import Workers

__all__ = ["FittedSequences", "SeriesConfig", "default_series_config", "fit_sequences", "restored_sequences"]

STEPS_OF_NUMBERS = 32
"""Network evaluations for windows of numbers alone: more are for levels that are drawn in the same step."""
MAX_COMPARED = 1000
MAX_MEASURED = 4000


@dataclass(frozen=True)
class SeriesConfig:
    """Everything that decides how series are learned.

    window: steps that the network sees at once; longer series are learned and drawn in windows that overlap
    by a half. held_out: share of the windows kept for the held-out loss, none of fewer than `least_held_out`
    windows. rare_share, max_exposure: as in `settings.DiffusionConfig`, for the classes of whole series.
    """

    method: FewStep = field(default_factory=lambda: MaskedFewStep(n_steps=50))
    network: SequenceConfig = field(default_factory=SequenceConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    window: int = 64
    held_out: float = 0.05
    least_held_out: int = 500
    rare_share: float = 0.2
    max_exposure: float = 2000.0


def default_series_config(n_windows: int, window: int) -> SeriesConfig:
    """Choose the length of training by the number of windows and their length."""
    batch_size = int(np.clip(4096 // max(window, 1), 16, 256)) // 2 * 2
    # no window is seen more than about two thousand times
    max_steps = int(np.clip(2000 * n_windows // batch_size, 200, 6000))
    training = TrainingConfig(
        max_steps=max_steps, batch_size=batch_size, shards=2, evaluate_every=max(max_steps // 40, 10)
    )
    return SeriesConfig(training=training, window=window)


@dataclass(frozen=True)
class FittedSequences:
    """A trained model of windows; no training step is kept.

    n_num, n_cat: numbers of features that are learned; those of the process behind them are guides.
    """

    config: SeriesConfig
    process: MixedProcess
    network: SequenceDenoiser
    n_num: int
    n_cat: int
    history: History

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.process.layout.n_levels.device

    def sample(
        self,
        known: Known,
        seed: np.random.SeedSequence,
        n_steps: int | None = None,
        on_rows: Callable[[int], None] | None = None,
        forbidden: Sequence[tuple[int, int]] = (),
    ) -> MixedBatch:
        """Draw the cells of windows that are not known: (B, L, ...), the learned features alone.

        known: on the CPU, the guides among them. forbidden: pairs of a categorical feature and a level that
        is not drawn. Windows of similar length are drawn together, in chunks whose
        memory does not grow with their number.
        """
        network, process = for_inference(self.network, self.device), self.process
        present = known.rows.present
        length = known.rows.num.shape[1] if present is None else present.sum(1)
        lengths = torch.as_tensor(length).expand(len(known))
        chunks = self._chunks(lengths)

        def draw(job: tuple[Tensor, np.random.SeedSequence]) -> MixedBatch:
            rows, chunk_seed = job
            generator = torch.Generator(self.device).manual_seed(torch_seed(chunk_seed))
            cells = _shortened(known[rows], int(lengths[rows].max())).to(self.device)
            amp = torch.autocast(self.device.type, torch.bfloat16, enabled=bf16_pays(self.device))
            with torch.inference_mode(), amp:
                predict = samplers.conditional(process, network, None, cells)
                predict = samplers.forbidding(predict, process.layout, forbidden)
                noise = process.prior(tuple(cells.rows.num.shape[:2]), generator)
                noise = samplers.around_mean(process, predict, noise)
                steps = n_steps or self.config.method.n_steps
                drawn = self.config.method.sampler(process, predict, noise, steps, generator)
                return cells.shown(drawn).to("cpu")

        shape = known.rows.num.shape[:2]
        num, cat = torch.zeros(*shape, self.n_num), torch.zeros(*shape, self.n_cat, dtype=torch.long)
        with Workers(self.device, len(chunks)) as workers:
            jobs = zip(chunks, seed.spawn(len(chunks)), strict=True)
            for rows, drawn in zip(chunks, workers.map(draw, jobs), strict=True):
                n = drawn.num.shape[1]
                num[rows, :n], cat[rows, :n] = drawn.num[..., : self.n_num], drawn.cat[..., : self.n_cat]
                if on_rows is not None:
                    on_rows(len(rows))
        return MixedBatch(num, cat)

    def _chunks(self, lengths: Tensor) -> list[Tensor]:
        """Numbers of the windows to draw together, those of similar length."""
        width = max(self.process.layout.n_logits + self.process.n_num, 192)
        cells = 2**18 if self.device.type == "cpu" else 2**25  # what a core's cache holds
        order = torch.argsort(lengths, stable=True)
        size = max(cells // width // max(int(lengths.max()), 1), 1) if len(lengths) else 1
        return list(order.split(size)) if len(order) else []


def _shortened(known: Known, n_steps: int) -> Known:
    """The first n_steps of all windows."""
    rows = known.rows
    cut = MixedBatch(
        rows.num[:, :n_steps],
        rows.cat[:, :n_steps],
        None if rows.observed is None else rows.observed[:, :n_steps],
        None if rows.present is None else rows.present[:, :n_steps],
    )
    return Known(cut, known.num[:, :n_steps], known.cat[:, :n_steps])


def fit_sequences(
    windows: Windows,
    n_levels: Sequence[int],
    label: Tensor | None,
    config: SeriesConfig,
    seed: np.random.SeedSequence,
    device: torch.device,
    on_step: OnStep | None = None,
    start: SequenceStart | None = None,
    smooth: Mapping[int, int] | None = None,
) -> FittedSequences:
    """Train a diffusion model on windows of series.

    n_levels: of the learned features and then of the guides. label: (n_windows,) long class of the series
    that a window is of, or None: rare ones are shown more often. start: a network to go on from, whose
    method is that of `config`. smooth: numeric features that hang together from step to step, to the
    categorical feature that says whether a cell holds a number, -1 for none. Every draw comes from children
    of `seed`.
    """
    init_seed, train_seed, split_seed = map(torch_seed, seed.spawn(3))
    n_num, n_cat = windows.steps.num.shape[-1], windows.steps.cat.shape[-1]
    if start is None or start.network is None:
        method = config.method if n_cat else replace(config.method, n_steps=STEPS_OF_NUMBERS)
        config = replace(config, method=_suited(method, windows, smooth or {}, split_seed))
    process = config.method.process(n_num + windows.guides.n_num, LevelLayout(n_levels, device))
    network = _build(process, config.network, init_seed)
    network = (network if start is None else start.of(network)).to(device)
    held = _held_out(windows, config, split_seed)
    data = TrainingData(windows.taken(~held).to(device))
    if label is not None:
        told = label[~held]
        n_draws = config.training.max_steps * config.training.batch_size
        data = replace(data, copies=tempered_copies(told, int(label.max()) + 1, n_draws, config).to(device))
    if start is not None:
        weight = start.weight[~held].to(device)
        data = replace(data, copies=weight if data.copies is None else weight * data.copies)
    held_out = TrainingData(windows.taken(held).to(device)) if held.any() else None
    loss = SeriesLoss(
        config.method.objective(process, _entropies(windows, process)),
        partial(known_guides, n_num=n_num, n_cat=n_cat),
        n_num,
        n_cat,
        place_feature=process.n_num - 2 if bool((windows.before == 0).any()) else None,
    )
    generator = torch.Generator(device).manual_seed(train_seed)
    averaged, history = train(network, loss, data, config.training, generator, held_out, on_step)
    averaged.requires_grad_(False).eval()
    return FittedSequences(config, process, averaged, n_num, n_cat, history)


def restored_sequences(
    config: SeriesConfig,
    n_num: int,
    n_cat: int,
    n_guides: int,
    n_levels: Sequence[int],
    weights: Mapping[str, Tensor],
    history: History,
    device: torch.device,
) -> FittedSequences:
    """Put a fitted model together from its parts; n_guides: numeric features behind the n_num learned ones.

    Raises `RuntimeError` for weights of other names or shapes.
    """
    process = config.method.process(n_num + n_guides, LevelLayout(n_levels, device))
    network = _build(process, config.network, 0)
    network.load_state_dict(dict(weights))
    network = network.to(device)
    network.requires_grad_(False).eval()
    return FittedSequences(config, process, network, n_num, n_cat, history)


def _suited(method: FewStep, windows: Windows, smooth: Mapping[int, int], seed: int) -> FewStep:
    """The method with noise that covers the windows, and with what is to be known of smooth features."""
    chosen = torch.randperm(len(windows), generator=torch.Generator().manual_seed(seed))[:MAX_MEASURED]
    rows, n_num = windows[chosen], windows.steps.num.shape[-1]
    cells = rows.num[..., :n_num]
    there = torch.ones_like(cells, dtype=torch.bool)
    if rows.observed is not None:
        there &= rows.observed[..., :n_num]
    if rows.present is not None:
        there &= rows.present[..., None]
    few = slice(MAX_COMPARED)
    method = method.covering(spread(torch.where(there[few], cells[few], 0.0).flatten(1)))
    if not smooth or not isinstance(method, MaskedFewStep):
        return method
    left = method.num_schedule.alpha_bar(torch.zeros(1, dtype=torch.float64))
    features = list(smooth)
    # windows that overlap share a half, or one would tell of the other
    stretch = torch.div(windows.first[chosen], 4 * rows.num.shape[1], rounding_mode="floor")
    halves = (windows.series[chosen] + stretch) % 2 == 0
    floor = float(1 / left - 1)  # what the last noise hides
    cells, there = cells[..., features], there[..., features]
    spectrum = Spectrum.of(cells, there, halves, smooth, floor, len(windows))
    return replace(method, spectrum=spectrum)


def _build(process: MixedProcess, config: SequenceConfig, seed: int) -> SequenceDenoiser:
    return initialised(
        lambda: SequenceDenoiser(process.n_num, process.layout, process.n_states, config, process.whitened),
        seed,
    )


def _entropies(windows: Windows, process: MixedProcess) -> Tensor:
    """Of the levels of all features over the steps, (C,) nats; those of guides, which no loss uses, are 1."""
    layout = process.layout
    n_cat = windows.steps.cat.shape[-1]
    learned = marginal_entropies(windows.steps.cat, LevelLayout(layout.n_levels.tolist()[:n_cat]))
    return torch.cat([learned, torch.ones(len(layout) - n_cat)]).to(layout.n_levels.device)


def _held_out(windows: Windows, config: SeriesConfig, seed: int) -> Tensor:
    """Windows for the held-out loss, (n_windows,) bool: all those of some series."""
    held = torch.zeros(len(windows), dtype=torch.bool)
    n_series = int(windows.series.max()) + 1
    if n_series < config.least_held_out:
        return held
    order = torch.randperm(n_series, generator=torch.Generator().manual_seed(seed))
    chosen = torch.zeros(n_series, dtype=torch.bool)
    chosen[order[: min(int(config.held_out * n_series), 512)]] = True
    return chosen[windows.series]
