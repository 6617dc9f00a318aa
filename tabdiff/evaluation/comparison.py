"""Real and synthetic tables side by side, in one coding that real rows alone decide.

`compare` reads the tables and refuses what cannot be judged; every measure of this package works on the
`Comparison` that it returns. Scales, bins and levels come from train and holdout, never from synthetic rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tabdiff import frames
from tabdiff.errors import ControlContaminated, InputError, SchemaError
from tabdiff.evaluation.intervals import fisher_greater
from tabdiff.schema import Column, Storage

__all__ = [
    "Budget",
    "ColumnLayout",
    "Comparison",
    "Layout",
    "Rows",
    "Target",
    "budget_of",
    "compare",
    "row_keys",
]

MAX_FEW_VALUES = 10  # numbers with so few values are compared as levels
MAX_CLASSES = 50
IDENTIFIER_SHARE = 0.95
MIN_ROWS_OF_IDENTIFIERS = 50
CONTAMINATION_ALPHA = 1e-4
MIN_SHARED = 5  # rows in common below this are no matter
TIMES = (Storage.DATETIME, Storage.DURATION)
NUMBERS = (Storage.INT, Storage.FLOAT, Storage.BOOL)


@dataclass(frozen=True)
class ColumnLayout:
    """How one column is compared.

    kind: "numeric" (numbers and times, with an order and distances), "categorical" (levels) or "identifier"
    (nearly every real row has a value of its own, or the column names entities: never modelled).
    place: its column in `Rows.numbers`, `Rows.codes` or `Rows.ids`, by kind. levels: the values behind the
    codes as the user knows them; the first `n_real_levels` occur in real rows. whole: only whole numbers
    occur in real rows.
    """

    name: Hashable
    kind: str
    place: int
    storage: Storage
    levels: tuple[Any, ...] = ()
    n_real_levels: int = 0
    whole: bool = False


@dataclass(frozen=True)
class Layout:
    """The columns of the compared tables in their order."""

    columns: tuple[ColumnLayout, ...]

    def __getitem__(self, name: Hashable) -> ColumnLayout:
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"there is no column {name!r}. Columns: {[c.name for c in self.columns]}.")

    def of_kind(self, kind: str) -> list[ColumnLayout]:
        """The columns of one kind, in the order of their places."""
        return [column for column in self.columns if column.kind == kind]

    @property
    def modelled(self) -> list[ColumnLayout]:
        """Numeric and categorical columns, in the order of the table."""
        return [column for column in self.columns if column.kind != "identifier"]


@dataclass(frozen=True)
class Rows:
    """Rows in the common coding.

    numbers: (n, F) float64, NaN where missing; times in seconds. codes: (n, C) int64 level codes, -1 where
    missing. ids: (n, I) int64 codes of identifiers, -1 where missing.
    """

    numbers: np.ndarray
    codes: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: np.ndarray | slice) -> Rows:
        return Rows(self.numbers[rows], self.codes[rows], self.ids[rows])

    def __add__(self, other: Rows) -> Rows:
        return Rows(
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.codes, other.codes]),
            np.concatenate([self.ids, other.ids]),
        )

    def column(self, layout: ColumnLayout) -> np.ndarray:
        """The cells of one column: (n,) floats with NaN, or (n,) codes with -1."""
        held = {"numeric": self.numbers, "categorical": self.codes, "identifier": self.ids}[layout.kind]
        return held[:, layout.place]

    def missing(self, layout: ColumnLayout) -> np.ndarray:
        """Which cells of one column are missing: (n,) bool."""
        cells = self.column(layout)
        return np.isnan(cells) if layout.kind == "numeric" else cells < 0

    def keys(self) -> np.ndarray:
        """(n,) uint64 numbers, equal for rows that are equal in every cell but identifiers.

        0.0 equals -0.0, missing equals missing.
        """
        numbers = np.where(np.isnan(self.numbers), np.nan, self.numbers) + 0.0
        return row_keys([*numbers.view(np.uint64).T, *self.codes.view(np.uint64).T], len(self))


def row_keys(columns: Sequence[np.ndarray], n_rows: int) -> np.ndarray:
    """(n_rows,) uint64 numbers, equal for rows whose words are equal in every column of (n_rows,) uint64.

    Two different rows share a key with probability 2 ** -64.
    """
    keys = np.zeros(n_rows, dtype=np.uint64)
    for column in columns:
        keys = _mixed(keys ^ _mixed(column))
    return keys


def _mixed(bits: np.ndarray) -> np.ndarray:
    """Scramble 64-bit words one to one. Source: splitmix64, Steele, Lea & Flood 2014."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@dataclass(frozen=True)
class Target:
    """The column to predict.

    positive: code of the class that matters, usually the rarest; None if the target is a number.
    """

    column: ColumnLayout
    positive: int | None

    @property
    def is_classes(self) -> bool:
        """Whether the target has classes; otherwise it is a number."""
        return self.column.kind == "categorical"

    @property
    def n_classes(self) -> int:
        """Number of classes in real rows."""
        return self.column.n_real_levels


@dataclass(frozen=True)
class Budget:
    """How much work to spend.

    n_queries: rows asked for their neighbours. n_trees: boosting rounds of each classifier. n_model_seeds:
    repetitions of each model. n_bootstrap: resamples behind an interval. n_attacks: records that inference
    attacks try. n_fit: rows that a classifier is fitted on, at most. reference_rows: rows on which the
    reference tables are measured.
    """

    name: str
    n_queries: int
    n_trees: int
    n_model_seeds: int
    n_bootstrap: int
    n_attacks: int
    n_fit: int
    reference_rows: int


BUDGETS = {
    "fast": Budget("fast", 1_000, 40, 1, 100, 300, 5_000, 1_000),
    "standard": Budget("standard", 4_000, 60, 2, 200, 1_000, 20_000, 3_000),
    "thorough": Budget("thorough", 20_000, 150, 5, 1_000, 4_000, 100_000, 10_000),
}


def budget_of(budget: str | Budget) -> Budget:
    """The budget of this name; a `Budget` is returned as it is."""
    if isinstance(budget, Budget):
        return budget
    if budget not in BUDGETS:
        raise InputError(f"budget is {budget!r}. Known: {sorted(BUDGETS)}.")
    return BUDGETS[budget]


@dataclass(frozen=True)
class Comparison:
    """What a measure works on.

    train: the rows a generator was fitted on. holdout: real rows that it never saw; without any
    (`has_holdout` false) train is halved, and what needs a holdout must refuse. target: None without one.
    positive rows and entities: see `is_positive` and `train_groups`, `holdout_groups` ((n,) codes or None).
    native: the tables as they were given, by role, for what needs the user's own frame (a model's scores).
    alpha: level of the tests in the verdict.
    """

    layout: Layout
    train: Rows
    synthetic: Rows
    holdout: Rows
    has_holdout: bool
    target: Target | None
    budget: Budget
    alpha: float = 0.01
    seed: int = 0
    train_groups: np.ndarray | None = None
    holdout_groups: np.ndarray | None = None
    model: Any = None
    native: dict[str, Any] | None = None
    sensitive: tuple[Hashable, ...] = ()
    known: tuple[Hashable, ...] = ()

    @property
    def real(self) -> Rows:
        """Train and holdout, one after the other."""
        return self.train + self.holdout

    @property
    def features(self) -> list[ColumnLayout]:
        """The modelled columns without the target."""
        target = None if self.target is None else self.target.column.name
        return [column for column in self.layout.modelled if column.name != target]

    def is_positive(self, rows: Rows) -> np.ndarray:
        """(n,) bool: rows of the class that matters; all False without classes."""
        if self.target is None or self.target.positive is None:
            return np.zeros(len(rows), dtype=bool)
        return rows.column(self.target.column) == self.target.positive

    def with_synthetic(self, synthetic: Rows) -> Comparison:
        """The same question asked of other synthetic rows, as for a reference table."""
        return replace(self, synthetic=synthetic, native=None, model=None)

    def rng(self, name: str) -> np.random.Generator:
        """The random stream of one purpose; independent of what else is measured."""
        return np.random.default_rng([self.seed, *name.encode()])


def compare(
    train: Any,
    synthetic: Any,
    holdout: Any = None,
    target: Hashable | None = None,
    *,
    positive: Any = None,
    group: Hashable | None = None,
    model: Any = None,
    sensitive: Sequence[Hashable] = (),
    known: Sequence[Hashable] = (),
    budget: str | Budget = "standard",
    alpha: float = 0.01,
    seed: int = 0,
) -> Comparison:
    """Read the tables and check that they can be judged.

    Arguments as in `evaluate`.
    Raises `InputError` for empty tables, infinite numbers and arguments out of range, `SchemaError` for
    columns that differ in name or in what they hold, `ControlContaminated` if the holdout shares rows with
    train or with the synthetic table beyond what chance explains.
    """
    tables = {"train": train, "synthetic": synthetic} | ({} if holdout is None else {"holdout": holdout})
    if holdout is not None and (holdout is train or holdout is synthetic):
        same = "train" if holdout is train else "synthetic"
        raise ControlContaminated(
            f"`holdout` is the same object as `{same}`. Pass real rows that no generator has seen."
        )
    read = {role: _read(role, table) for role, table in tables.items()}
    names = list(read["train"])
    for role, columns in read.items():
        _check_names(role, names, list(columns))
    forced = {} if target is None else {target: "target"}
    forced |= {} if group is None else {group: "identifier"}
    _check_known("target", [target] if target is not None else [], names)
    _check_known("group", [group] if group is not None else [], names)
    _check_known("sensitive", sensitive, names)
    _check_known("known", known, names)
    if not 0 < alpha < 0.5:
        raise InputError(f"alpha is {alpha!r}. Pass a level between 0 and 0.5, such as 0.01.")

    layout, rows = _align(read, names, forced)
    parts = {role: rows[role] for role in tables}
    groups = None if group is None else layout[group]
    if holdout is None:
        order = np.random.default_rng([seed, 0]).permutation(len(parts["train"]))
        half = len(order) // 2
        parts["holdout"], parts["train"] = parts["train"][order[half:]], parts["train"][order[:half]]
    comparison = Comparison(
        layout,
        parts["train"],
        parts["synthetic"],
        parts["holdout"],
        holdout is not None,
        None if target is None else _target(layout[target], parts["train"], positive),
        budget_of(budget),
        alpha,
        seed,
        None if groups is None else parts["train"].column(groups),
        None if groups is None else parts["holdout"].column(groups),
        model,
        {role: table for role, table in tables.items()},
        tuple(sensitive),
        tuple(known),
    )
    if holdout is not None:
        _check_control(comparison)
    return comparison


# --- reading ---


def _read(role: str, table: Any) -> dict[Hashable, Column]:
    """The columns by name; errors name the table."""
    try:
        columns, _ = frames.read(table)
    except InputError as error:
        raise type(error)(f"`{role}`: {error}") from error
    for column in columns:
        if column.storage is Storage.FLOAT:
            _check_finite(role, column)
    return {column.name: column for column in columns}


def _check_finite(role: str, column: Column) -> None:
    infinite = ~column.missing & ~np.isfinite(column.values)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise InputError(
            f"`{role}`: column {column.name!r} holds {infinite.sum()} infinite values, the first is "
            f"{column.values[row]} in row {row}. Nothing is judged with them left out: replace them by missing "
            "or finite values."
        )


def _check_names(role: str, expected: list[Hashable], given: list[Hashable]) -> None:
    lacking = [name for name in expected if name not in given]
    extra = [name for name in given if name not in expected]
    if lacking or extra:
        raise SchemaError(
            f"`{role}` has other columns than `train`. Lacking: {lacking}. Extra: {extra}. Pass the same "
            "columns in every table."
        )


def _check_known(argument: str, given: Sequence[Hashable], names: list[Hashable]) -> None:
    unknown = [name for name in given if name not in names]
    if unknown:
        raise InputError(f"`{argument}` names {unknown}, which the tables lack. Columns: {names}.")


def _align(
    read: dict[str, dict[Hashable, Column]], names: list[Hashable], forced: dict[Hashable, str]
) -> tuple[Layout, dict[str, Rows]]:
    """The layout that the real tables decide, and every table's rows in it."""
    places = {"numeric": 0, "categorical": 0, "identifier": 0}
    layouts: list[ColumnLayout] = []
    cells: dict[str, dict[str, list[np.ndarray]]] = {role: {kind: [] for kind in places} for role in read}
    for name in names:
        columns = {role: read[role][name] for role in read}
        layout, coded = _align_column(name, columns, forced.get(name, ""))
        layouts.append(replace(layout, place=places[layout.kind]))
        places[layout.kind] += 1
        for role in read:
            cells[role][layout.kind].append(coded[role])
    rows = {role: _stack(cells[role], len(read[role][names[0]])) for role in read}
    return Layout(tuple(layouts)), rows


def _stack(cells: dict[str, list[np.ndarray]], n: int) -> Rows:
    def joined(kind: str, dtype: Any) -> np.ndarray:
        return np.column_stack(cells[kind]).astype(dtype) if cells[kind] else np.empty((n, 0), dtype=dtype)

    return Rows(
        joined("numeric", np.float64), joined("categorical", np.int64), joined("identifier", np.int64)
    )


def _align_column(
    name: Hashable, columns: dict[str, Column], forced: str
) -> tuple[ColumnLayout, dict[str, np.ndarray]]:
    """The layout of one column (place 0 for now) and its cells in every table."""
    filled = {role: column for role, column in columns.items() if not column.missing.all()}
    storage = next((c.storage for role, c in filled.items() if role != "synthetic"), columns["train"].storage)
    _check_storages(name, storage, filled)
    if storage is Storage.LABEL:
        return _align_levels(name, storage, columns, _labels, forced)
    values = {role: _as_numbers(column) for role, column in columns.items()}
    real = np.concatenate([cells for role, cells in values.items() if role != "synthetic"])
    real = real[~np.isnan(real)]
    distinct = np.unique(real)
    limit = MAX_CLASSES if forced == "target" else MAX_FEW_VALUES
    few = storage not in TIMES and 0 < len(distinct) <= min(limit, max(2, len(real) // 20))
    if storage is Storage.BOOL or few or forced == "identifier":
        return _align_levels(name, storage, columns, _number_labels, forced)
    whole = bool(len(real)) and bool((real == np.round(real)).all())
    return ColumnLayout(name, "numeric", 0, storage, whole=whole), values


def _check_storages(name: Hashable, expected: Storage, filled: dict[str, Column]) -> None:
    """Raise `SchemaError` unless all tables hold the same sort of cells in this column."""
    for role, column in filled.items():
        alike = column.storage is expected or (column.storage in NUMBERS and expected in NUMBERS)
        if not alike:
            example = column.describe(column.observed[0])
            raise SchemaError(
                f"column {name!r} holds {column.storage} cells in `{role}`, such as {example!r}, and "
                f"{expected} cells in the real tables. Convert it, so that all tables hold the same."
            )


def _as_numbers(column: Column) -> np.ndarray:
    """Cells as float64, NaN where missing; times in seconds."""
    values = column.values.astype(np.float64)
    if column.unit is not None:
        values = values * (np.timedelta64(1, column.unit) / np.timedelta64(1, "s"))
    return np.where(column.missing, np.nan, values)


def _labels(column: Column) -> tuple[np.ndarray, tuple[Any, ...]]:
    if column.storage is Storage.LABEL:
        return np.where(column.missing, -1, column.values), column.levels
    return np.full(len(column), -1), ()


def _number_labels(column: Column) -> tuple[np.ndarray, tuple[Any, ...]]:
    distinct = np.unique(column.observed)
    codes = np.where(column.missing, -1, np.searchsorted(distinct, column.values))
    return codes, tuple(column.describe(value) for value in distinct)


def _align_levels(
    name: Hashable, storage: Storage, columns: dict[str, Column], read_labels: Any, forced: str
) -> tuple[ColumnLayout, dict[str, np.ndarray]]:
    """Codes into levels that the tables share: real ones first, then those of synthetic rows alone."""
    parts = {role: read_labels(column) for role, column in columns.items()}
    code_of: dict[Any, int] = {}
    for role in sorted(parts, key=lambda role: role == "synthetic"):
        for level in parts[role][1]:
            code_of.setdefault(level, len(code_of))
        if role != "synthetic":
            n_real = len(code_of)
    coded = {}
    for role, (codes, levels) in parts.items():
        table = np.array([code_of[level] for level in levels] + [-1], dtype=np.int64)
        coded[role] = table[codes]
    real = np.concatenate([cells for role, cells in coded.items() if role != "synthetic"])
    observed = int((real >= 0).sum())
    distinct_share = n_real / observed if observed else 0.0
    named = observed >= MIN_ROWS_OF_IDENTIFIERS and distinct_share >= IDENTIFIER_SHARE
    is_id = forced == "identifier" or (named and forced != "target")
    kind = "identifier" if is_id else "categorical"
    return ColumnLayout(name, kind, 0, storage, tuple(code_of), n_real), coded


def _target(column: ColumnLayout, train: Rows, positive: Any) -> Target:
    """The target and the code of its positive class: the one asked for, or the rarest of train."""
    if column.kind != "categorical":
        if positive is not None:
            raise InputError(
                f"positive={positive!r} needs a target with classes, but {column.name!r} holds numbers with "
                "many values."
            )
        return Target(column, None)
    cells = train.column(column)
    if (cells < 0).any():
        raise InputError(
            f"the target {column.name!r} is missing in {(cells < 0).sum()} of {len(cells)} rows of `train`. "
            "Drop these rows, or fill it."
        )
    if positive is None:
        counts = np.bincount(cells, minlength=column.n_real_levels)[: column.n_real_levels]
        present = np.flatnonzero(counts)
        return Target(column, int(present[np.argmin(counts[present])]))
    if positive not in column.levels[: column.n_real_levels]:
        known = list(column.levels[: column.n_real_levels])
        raise InputError(f"positive is {positive!r}, which the target never is. Known: {known}.")
    return Target(column, column.levels.index(positive))


# --- is the holdout a control? ---


def _check_control(comparison: Comparison) -> None:
    """Raise `ControlContaminated` if the holdout shares more rows with a table than chance explains."""
    train, holdout = comparison.train.keys(), comparison.holdout.keys()
    synthetic = comparison.synthetic.keys()
    _check_overlap(train, holdout, comparison.rng("overlap"))
    k_train, k_holdout = int(np.isin(train, synthetic).sum()), int(np.isin(holdout, synthetic).sum())
    p = fisher_greater(k_holdout, len(holdout), k_train, len(train))
    if k_holdout >= MIN_SHARED and p < CONTAMINATION_ALPHA:
        raise ControlContaminated(
            f"{k_holdout} of {len(holdout)} holdout rows occur verbatim in `synthetic`, but only {k_train} of "
            f"{len(train)} train rows do (p = {p:.1e}): the generator has seen the holdout. Pass real rows "
            "that it never saw."
        )


def _check_overlap(train: np.ndarray, holdout: np.ndarray, rng: np.random.Generator) -> None:
    """Raise if more holdout rows equal train rows than would after a random split of the same rows.

    train, holdout: (n,), (m,) keys. What is beyond 199 random splits, and beyond four of their standard
    deviations, is no chance.
    """
    shared = int(np.isin(holdout, train).sum())
    if shared < MIN_SHARED:
        return
    _, counts = np.unique(np.concatenate([train, holdout]), return_counts=True)
    repeated = np.append(counts[counts > 1], (counts == 1).sum())  # rows of their own in one lump at the end
    in_train = rng.multivariate_hypergeometric(repeated, len(train), size=199, method="marginals")[:, :-1]
    draws = np.where(in_train > 0, repeated[:-1] - in_train, 0).sum(axis=1)
    expected, spread = float(draws.mean()), float(draws.std())
    if shared > draws.max() and shared > expected + 4 * max(spread, 1.0):
        raise ControlContaminated(
            f"{shared} of {len(holdout)} holdout rows equal train rows in every column; a random split of "
            f"these rows would share {expected:.0f}. The holdout is no control: split again with "
            "`tabdiff.evaluation.split`, which keeps equal rows (and one person's rows) on one side."
        )
