"""`evaluate`: one call from three tables to a report."""

from __future__ import annotations

import platform
from collections.abc import Hashable, Iterable, Sequence
from importlib import metadata
from time import process_time
from typing import Any

import tabdiff.evaluation.fidelity
import tabdiff.evaluation.privacy
import tabdiff.evaluation.series.measures
import tabdiff.evaluation.utility  # noqa: F401  (each room registers its measures)
from tabdiff import frames
from tabdiff.errors import InputError
from tabdiff.evaluation.arguments import names_of
from tabdiff.evaluation.comparison import Budget, Comparison
from tabdiff.evaluation.estimates import Estimate
from tabdiff.evaluation.reading import compare
from tabdiff.evaluation.references import reference_comparisons
from tabdiff.evaluation.registry import MEASURES, measure_all
from tabdiff.evaluation.report import Report
from tabdiff.evaluation.verdict import judge

__all__ = ["evaluate"]

LIBRARIES = ("tabdiff", "numpy", "scipy", "scikit-learn", "imbalanced-learn")


def evaluate(
    *,
    train: Any,
    synthetic: Any,
    holdout: Any = None,
    target: Hashable | None = None,
    model: Any = None,
    seed: int = 0,
    positive: Any = None,
    group: Hashable | None = None,
    sensitive: Sequence[Hashable] = (),
    known: Sequence[Hashable] = (),
    budget: str | Budget = "standard",
    alpha: float = 0.01,
    measures: Iterable[str] | None = None,
    references: bool = True,
    entity: Hashable | None = None,
    time: Hashable | None = None,
    context: Sequence[Hashable] = (),
) -> Report:
    """Judge a synthetic table, whoever made it: whether it is faithful, helps, and leaks.

    Parameters
    ----------
    train : pandas, polars or pyarrow frame, or ndarray, of shape (n_train, n_columns)
        The real rows that the generator was fitted on. No table is changed.
    synthetic : frame of shape (n_synthetic, n_columns)
        The rows to judge, with the same columns in any order. Another library than that of `train` will do.
    holdout : frame of shape (n_holdout, n_columns), default=None
        Real rows of the same kind that the generator never saw; see `split`. Without it only fidelity can be
        judged, against one half of train, and a copy of train looks perfect.
    target : hashable, default=None
        Name of the column to predict. Classes or a number. Without it there is no utility to measure.
    model : object, default=None
        The generator, if it will be shared too: anything with ``score_samples(frame) -> (n,)``, as
        `TableSynthesizer` and scikit-learn's densities have. Adds the white-box attack.
    seed : int, default=0
        Seed of everything that is random. The same seed gives the same report.
    positive : scalar, default=None
        The class of `target` that matters; None takes the rarest of train.
    group : hashable, default=None
        Name of a column of entities (customers, accounts). It is not modelled; tests and intervals count
        entities, not rows.
    sensitive : sequence of hashable, default=()
        Columns that an attacker wants to infer; empty takes a few by rule.
    known : sequence of hashable, default=()
        Columns that an attacker knows of a person; empty takes half of the columns.
    budget : {"fast", "standard", "thorough"} or Budget, default="standard"
        How much work to spend. It decides widths of intervals and detection limits, which are printed.
    alpha : float, default=0.01
        Level of the privacy tests, all of them together.
    measures : iterable of str, default=None
        Names of the measures to take, such as ``["fidelity.c2st"]``; None takes all that are registered.
    references : bool, default=True
        Measure the reference tables as well: holdout, independent columns, copy and SMOTE.
    entity : hashable, default=None
        Name of the column that tells whose step a row is. It is not modelled, serves as `group` if none is
        named, and adds the measures ``series.*``: intervals of these count entities.
    time : hashable, default=None
        Name of the column that orders the steps of an entity: times or numbers. It is no column of the
        other measures. Without it steps are in the order of the rows. With it and no `entity` a table is one
        series.
    context : sequence of hashable, default=()
        Columns that do not change within an entity; they are no columns of steps.

    Returns
    -------
    Report
        ``report.verdict``, ``report["privacy.mia.auc"]``, ``report.to_frame()``, ``report.to_html(path)``,
        ``report.suspects``.

    Raises
    ------
    InputError
        Empty tables, infinite numbers, unknown columns, an argument out of range.
    SchemaError
        Tables whose columns differ in name or in what they hold.
    ControlContaminated
        A holdout that shares rows with train or with the synthetic table beyond what chance explains.

    Examples
    --------
    >>> from tabdiff import evaluate
    >>> from tabdiff.datasets import make_transactions
    >>> train, fresh, test = (make_transactions(600, seed) for seed in (0, 1, 2))
    >>> report = evaluate(train=train, synthetic=train, holdout=test, budget="fast", references=False)
    >>> report.verdict.privacy
    'leak detected'
    """
    started = process_time()
    names = _chosen(measures, entity is not None or time is not None)
    comparison = compare(
        train,
        synthetic,
        holdout,
        target,
        positive=positive,
        group=group,
        model=model,
        sensitive=sensitive,
        known=known,
        budget=budget,
        alpha=alpha,
        seed=seed,
        entity=entity,
        time=time,
        context=context,
    )
    estimates = measure_all(comparison, names)
    beside: dict[str, dict[str, Estimate]] = {}
    if references:
        beside = {
            name: measure_all(other, names) for name, other in reference_comparisons(comparison).items()
        }
    verdict = judge(estimates, alpha)
    return Report(estimates, verdict, beside, _facts(comparison, process_time() - started))


def _chosen(measures: Iterable[str] | None, of_series: bool) -> list[str]:
    if measures is None:
        return list(MEASURES)
    names = [str(name) for name in names_of("measures", measures)]
    if not names:
        raise InputError("`measures` is empty. Name one, or pass None to take all.")
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        raise InputError(f"there are no measures {unknown}. Known: {sorted(MEASURES)}.")
    lacking = [] if of_series else [name for name in names if name.startswith("series.")]
    if lacking:
        raise InputError(f"the measures {lacking} are of series. Pass `entity` or `time`.")
    return names


def _facts(comparison: Comparison, seconds: float) -> dict[str, Any]:
    """What was compared, and how: JSON types."""
    target = comparison.target
    positive = None if target is None or target.positive is None else target.column.levels[target.positive]
    rows = {"train": len(comparison.train), "synthetic": len(comparison.synthetic)}
    if comparison.has_holdout:
        rows["holdout"] = len(comparison.holdout)
    else:
        rows = {"train": len(comparison.train) + len(comparison.holdout), "synthetic": rows["synthetic"]}
    native = comparison.native or {}
    return {
        "rows": rows,
        "columns": [{"name": str(each.name), "kind": each.kind} for each in comparison.layout.columns],
        "target": None if target is None else str(target.column.name),
        "positive": None if positive is None else str(positive),
        "alpha": comparison.alpha,
        "budget": comparison.budget.name,
        "seed": comparison.seed,
        "seconds": seconds,
        "library": frames.library_of(native.get("train")),
        "versions": {"python": platform.python_version()} | _versions(),
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a source tree
            continue
    return versions
