"""The measures of series as estimates, registered; a comparison without series has none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tabdiff.evaluation.comparison import Comparison
from tabdiff.evaluation.estimates import Estimate, not_assessable
from tabdiff.evaluation.registry import register
from tabdiff.evaluation.series.distances import jensen_shannon, kolmogorov_smirnov, transition_distance
from tabdiff.evaluation.series.nearest import nearest_distances, windows
from tabdiff.evaluation.series.order import (
    cross_correlations,
    lag_correlations,
    lag_sums,
    ngrams,
    product_sums,
)
from tabdiff.evaluation.series.resampled import Cells, Medians, Question, Summary, Sums, figure
from tabdiff.evaluation.series.sequences import SeriesComparison, Steps, mid_ranks
from tabdiff.evaluation.series.structure import share_between, variance_sums, varying
from tabdiff.evaluation.series.timing import (
    burst_lengths,
    calendar,
    gap_correlation_sums,
    gaps,
    recent_counts,
    steps_per_day,
)

__all__ = [
    "measure_lengths",
    "measure_nearest",
    "measure_order",
    "measure_structure",
    "measure_timing",
]

ROLES = ("synthetic", "holdout", "real", "shuffled")
KEPT_BY_SHUFFLING = ROLES[:3]
MAX_WINDOW = 8
MAX_QUERIES = 2_000
MAX_TRAIN_WINDOWS = 20_000
NO_NUMBERS = "no column of steps is numeric"
OF_GAPS = ("gaps", "gap_autocorrelation", "velocity", "bursts")
Valued = tuple[np.ndarray, np.ndarray]
Asker = Callable[[Question, Mapping[str, Sequence[Summary]]], Estimate]


def _asker(comparison: SeriesComparison, rng: np.random.Generator) -> Asker:
    sizes = {role: len(steps) for role, steps in comparison.steps.items()}

    def ask(question: Question, summaries: Mapping[str, Sequence[Summary]]) -> Estimate:
        return figure(question, summaries, sizes, comparison, rng)

    return ask


def _as_cells(valued: Mapping[str, Valued]) -> dict[str, list[Summary]]:
    """Values and their entities, by role, as cells in the order of the values of all roles."""
    joined = np.concatenate([values for values, _ in valued.values()])
    distinct, ids = np.unique(joined, return_inverse=True)
    parts = np.split(ids.reshape(-1), np.cumsum([len(values) for values, _ in valued.values()])[:-1])
    return {
        role: [Cells(part, owner, len(distinct))]
        for part, (role, (_, owner)) in zip(parts, valued.items(), strict=True)
    }


@register("series.lengths")
def measure_lengths(comparison: Comparison, rng: np.random.Generator) -> Iterable[Estimate]:
    """Kolmogorov-Smirnov distance between the numbers of steps of entities."""
    if not isinstance(comparison, SeriesComparison):
        return
    if not comparison.has_entities:
        yield not_assessable("series.lengths", "no entity was named: the table is one series")
        return
    steps = comparison.steps
    valued = {role: (steps[role].lengths, np.arange(len(steps[role]))) for role in KEPT_BY_SHUFFLING}
    yield _asker(comparison, rng)(Question("series.lengths", kolmogorov_smirnov), _as_cells(valued))


# --- time ---


@register("series.time")
def measure_timing(comparison: Comparison, rng: np.random.Generator) -> Iterable[Estimate]:
    """Gaps between steps, how they follow each other, bursts, and the calendar.

    Gaps, numbers of steps within the window, lengths of bursts and steps on active days are compared by
    Kolmogorov-Smirnov distances, which a logarithm would not change. The window is the median of real gaps
    (of those above 0 if that is 0); a burst is a run of gaps within the lower quartile of real ones. Hour,
    weekday and day of the month are compared by Jensen-Shannon divergences to base 2.
    """
    if not isinstance(comparison, SeriesComparison):
        return
    if comparison.steps["train"].times is None:
        yield from (not_assessable(f"series.time.{name}", "no time was named") for name in OF_GAPS)
        return
    found = {role: gaps(_times(comparison.steps[role]), comparison.steps[role].owner) for role in ROLES}
    real = np.concatenate([found["real"][0], found["holdout"][0]])
    if not len(real) or not len(found["synthetic"][0]):
        yield from (not_assessable(f"series.time.{name}", "no entity has two steps") for name in OF_GAPS)
    else:
        yield from _of_gaps(comparison, found, real, _asker(comparison, rng))
    if comparison.is_calendar:
        yield from _of_calendar(comparison, _asker(comparison, rng))


def _times(steps: Steps) -> np.ndarray:
    assert steps.times is not None
    return steps.times


def _of_gaps(
    comparison: SeriesComparison, found: Mapping[str, Valued], real: np.ndarray, ask: Asker
) -> Iterable[Estimate]:
    steps = comparison.steps
    yield ask(Question("series.time.gaps", kolmogorov_smirnov), _as_cells(found))
    sums = {role: [Sums(gap_correlation_sums(*found[role], len(steps[role])))] for role in ROLES}
    means = {
        role: float(one[0].parts[:, 0].sum() / max(one[0].parts[:, 1].sum(), 1)) for role, one in sums.items()
    }
    words = ", ".join(f"{role} {means[role]:.3f}" for role in ("synthetic", "holdout"))
    yield ask(
        Question(
            "series.time.gap_autocorrelation",
            _mean_difference,
            low=-2.0,
            empty="no entity has 3 gaps that differ",
            note=f"mean autocorrelation at lag 1 of log(1 + gap): {words}",
        ),
        sums,
    )
    window = float(np.median(real)) or float(np.median(real[real > 0])) if real.any() else 0.0
    counts = {
        role: (recent_counts(_times(steps[role]), steps[role].offsets, window), steps[role].owner)
        for role in ROLES
    }
    unit = " seconds" if comparison.is_calendar else ""
    note = f"window of {window:.6g}{unit}, the median gap of real series"
    yield ask(Question("series.time.velocity", kolmogorov_smirnov, note=note), _as_cells(counts))
    short = float(np.quantile(real, 0.25, method="lower"))
    bursts = {role: burst_lengths(*found[role], short) for role in ROLES}
    note = f"gaps of at most {short:.6g}{unit}, the lower quartile of real ones"
    question = Question("series.time.bursts", kolmogorov_smirnov, note=note, empty="there are no bursts")
    yield ask(question, _as_cells(bursts))


def _mean_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Difference of two means, each given as sum and number; NaN if one is of nothing."""
    return float(first[0] / first[1] - second[0] / second[1]) if first[1] and second[1] else float("nan")


def _of_calendar(comparison: SeriesComparison, ask: Asker) -> Iterable[Estimate]:
    steps = comparison.steps
    days = {role: steps_per_day(_times(steps[role]), steps[role].owner) for role in ROLES}
    yield ask(Question("series.time.active_days", kolmogorov_smirnov), _as_cells(days))
    parts = {role: calendar(_times(steps[role])) for role in KEPT_BY_SHUFFLING}
    for part in ("hour", "weekday", "monthday"):
        if part == "hour" and not any(parts[role]["hour"].any() for role in ("real", "holdout")):
            yield not_assessable("series.time.hour", "all real times are whole days")
            continue
        valued = {role: (parts[role][part], steps[role].owner) for role in KEPT_BY_SHUFFLING}
        yield ask(Question(f"series.time.{part}", jensen_shannon), _as_cells(valued))


# --- order ---


@register("series.order")
def measure_order(comparison: Comparison, rng: np.random.Generator) -> Iterable[Estimate]:
    """Runs of levels, transitions, and how numbers go on and go together within an entity.

    Jensen-Shannon divergence to base 2 (no root taken) of runs of 1, 2 and 3 steps, averaged over columns
    with 2 to 50 levels; total variation of transitions; mean absolute differences of autocorrelations at lag
    1 and of correlations between columns, of ranks among real numbers, less the mean of the entity.
    """
    if not isinstance(comparison, SeriesComparison):
        return
    ask = _asker(comparison, rng)
    columns = comparison.categories
    if not columns:
        reason = "no column of steps has 2 to 50 levels"
        for name in ("1gram", "2gram", "3gram", "transitions"):
            yield not_assessable(f"series.order.{name}", reason)
    else:
        yield from _of_levels(comparison, ask)
    yield from _of_numbers(comparison, ask)


def _of_levels(comparison: SeriesComparison, ask: Asker) -> Iterable[Estimate]:
    steps, columns = comparison.steps, comparison.categories
    names = [str(column.name) for column in columns]
    owners = {role: steps[role].owner for role in ROLES}
    levels = {role: [comparison.levels(role, column) for column in columns] for role in ROLES}
    sizes = [column.n_real_levels + 2 for column in columns]
    for n in (1, 2, 3):
        roles = KEPT_BY_SHUFFLING if n == 1 else ROLES
        runs: dict[str, list[Summary]] = {role: [] for role in roles}
        for j, size in enumerate(sizes):
            found = {role: ngrams(levels[role][j], owners[role], n, size) for role in roles}
            for role, cells in _as_cells(found).items():
                runs[role] += cells
        yield ask(Question(f"series.order.{n}gram", jensen_shannon, parts=names), runs)
    pairs: dict[str, list[Summary]] = {
        role: [
            Cells(*ngrams(levels[role][j], owners[role], 2, size), size * size)
            for j, size in enumerate(sizes)
        ]
        for role in ROLES
    }
    yield ask(Question("series.order.transitions", transition_distance, parts=names), pairs)


def _of_numbers(comparison: SeriesComparison, ask: Asker) -> Iterable[Estimate]:
    names = [str(column.name) for column in comparison.quantities]
    lag, cross = "series.order.autocorrelation", "series.order.cross_correlation"
    if not names:
        yield not_assessable(lag, NO_NUMBERS)
    else:
        yield ask(Question(lag, _gap_of(lag_correlations), parts=names), _summed(comparison, lag_sums))
    if len(names) < 2:
        yield not_assessable(cross, "fewer than two columns of steps are numeric")
    else:
        pairs = [f"{a}, {b}" for i, a in enumerate(names) for b in names[i + 1 :]]
        question = Question(cross, _gap_of(cross_correlations), parts=pairs)
        yield ask(question, _summed(comparison, product_sums))


def _gap_of(
    statistic: Callable[[np.ndarray], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Absolute differences of what the totals of two tables say."""
    return lambda first, second: np.abs(statistic(first) - statistic(second))


def _summed(
    comparison: SeriesComparison, sums: Callable[[np.ndarray, np.ndarray, int], np.ndarray]
) -> dict[str, list[Summary]]:
    return {
        role: [
            Sums(sums(comparison.numbers(role), comparison.steps[role].owner, len(comparison.steps[role])))
        ]
        for role in ROLES
    }


# --- structure ---


@register("series.structure")
def measure_structure(comparison: Comparison, rng: np.random.Generator) -> Iterable[Estimate]:
    """Mean absolute difference of the share of variance between entities; synthetic context that changes."""
    if not isinstance(comparison, SeriesComparison):
        return
    ask = _asker(comparison, rng)
    names = [str(column.name) for column in comparison.quantities]
    name = "series.structure.between"
    if not names:
        yield not_assessable(name, NO_NUMBERS)
    else:
        yield ask(Question(name, _gap_of(share_between), parts=names), _summed(comparison, variance_sums))
    if comparison.context:
        changing = {}
        for role in KEPT_BY_SHUFFLING:
            steps = comparison.steps[role]
            cells = [steps.rows.column(comparison.layout[each]) for each in comparison.context]
            changes = np.any([varying(each, steps.offsets) for each in cells], axis=0)
            changing[role] = [Sums(np.column_stack([changes, np.ones(len(steps))]))]
        yield ask(Question("series.structure.context", _mean_difference), changing)


# --- nearest ---


@register("series.nearest")
def measure_nearest(comparison: Comparison, rng: np.random.Generator) -> Iterable[Estimate]:
    """Median distance of synthetic windows to the nearest train window, divided by that of holdout windows.

    A window is as many steps as the median entity has, in the table where that is shortest; 8 at most.
    Features: ranks among real numbers (gaps are one), 0 where missing, and levels, of which two that differ
    are at distance 1.
    """
    if not isinstance(comparison, SeriesComparison):
        return
    name = "series.nearest.ratio"
    if not comparison.has_holdout:
        yield not_assessable(name, "no holdout was given")
        return
    tables = ("train", "synthetic", "holdout")
    length = int(min(MAX_WINDOW, *(np.median(comparison.steps[role].lengths) for role in tables)))
    limits = {"synthetic": MAX_QUERIES, "holdout": MAX_QUERIES, "train": MAX_TRAIN_WINDOWS}
    found = {
        role: windows(_features(comparison, role), comparison.steps[role].offsets, length, most, rng)
        for role, most in limits.items()
    }
    train = found.pop("train")[0]
    if not train.shape[1]:
        yield not_assessable(name, "steps have no columns")
        return
    near: dict[str, list[Summary]] = {
        role: [Medians(nearest_distances(points, train), owner)] for role, (points, owner) in found.items()
    }
    note = f"windows of {length} steps, {len(found['synthetic'][0]):,} synthetic, {len(train):,} of train"
    question = Question(
        name, _ratio, ideal=1.0, empty="held-out windows are found in train unchanged", note=note
    )
    ratio = _asker(comparison, rng)(question, near)
    yield replace(ratio, floor=1.0, bad=0.0) if ratio.assessable else ratio


def _ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.where(second > 0, first / np.where(second > 0, second, 1.0), np.nan)


def _features(comparison: SeriesComparison, role: str) -> np.ndarray:
    """(N, D) what windows are compared by."""
    steps = comparison.steps[role]
    numbers = [comparison.numbers(role)]
    if steps.times is not None:
        of_real = [comparison.steps[each] for each in ("real", "holdout")]
        real = [gaps(_times(each), each.owner)[0] for each in of_real]
        since = np.append(np.nan, np.diff(steps.times))
        since[steps.offsets[:-1]] = np.nan
        numbers.append(mid_ranks(since, np.concatenate(real))[:, None])
    one_hot = [
        (comparison.levels(role, column)[:, None] == np.arange(column.n_real_levels + 2)) / 2**0.5
        for column in comparison.categories
    ]
    return np.column_stack([np.nan_to_num(np.column_stack(numbers)), *one_hot])
