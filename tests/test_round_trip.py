"""Whatever kinds of columns a table mixes, rows drawn from it are rows that the table could hold.

Tables are drawn by hypothesis, learned for a few steps only, and compared with the rows that come out: what
is claimed here must hold for an untrained network too.
"""

from __future__ import annotations

import copy
import datetime
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from containers import cells, signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabdiff import TableSynthesizer

FEW = settings(
    max_examples=6, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
MANY = settings(FEW, max_examples=80, derandomize=False, print_blob=True)

# --- columns of every kind, as Arrow arrays ---------------------------------------------------------------

CITIES = np.array(["Graz", "Linz", "Wien", "Zürich 8", ""])
SIZES = np.array(["small", "middle", "large", "huge"])
START = np.datetime64("2024-03-30T22:00", "us")  # an hour of that night does not exist in Vienna
MINUTE = np.timedelta64(1, "m")


def _levels(levels: np.ndarray, ordered: bool) -> Callable[[np.random.Generator, int], pa.Array]:
    """A category that declares a level which never occurs."""

    def make(rng: np.random.Generator, n: int) -> pa.Array:
        codes = pa.array(rng.integers(0, len(levels), n).astype(np.int8))
        declared = pa.array([*levels[::-1], "never"])
        return pa.DictionaryArray.from_arrays(codes, declared, ordered=ordered)

    return make


def _times(kind: pa.DataType) -> Callable[[np.random.Generator, int], pa.Array]:
    """Times or durations of whole quarters of an hour."""

    def make(rng: np.random.Generator, n: int) -> pa.Array:
        spans = rng.integers(-400, 400, n) * 15 * MINUTE
        values = spans if pa.types.is_duration(kind) else START + spans
        return pa.array(values.astype(f"{values.dtype.kind}8[us]")).cast(kind)

    return make


def _dates(rng: np.random.Generator, n: int) -> pa.Array:
    return pa.array(rng.integers(18_000, 20_000, n).astype(np.int32)).cast(pa.date32())


def _fixed_point(rng: np.random.Generator, n: int) -> pa.Array:
    return pa.array([Decimal(i) / 4 for i in rng.integers(0, 999, n).tolist()], type=pa.decimal128(9, 2))


def _text_ids(rng: np.random.Generator, n: int) -> pa.Array:
    return pa.array([f"acc-{i:06d}" for i in rng.permutation(n) + 1000])


# kind: what must hold for the cells drawn, and how n cells are made
KINDS: dict[str, tuple[str, Callable[[np.random.Generator, int], Any]]] = {
    "decimals": ("grid", lambda rng, n: rng.normal(50, 20, n).round(2)),
    "continuous": ("range", lambda rng, n: rng.lognormal(0, 3, n)),
    "single precision": ("range", lambda rng, n: rng.normal(0, 1, n).astype(np.float32)),
    "amounts": ("grid", lambda rng, n: np.where(rng.random(n) < 0.6, 0, rng.gamma(2, 40, n)).round(2)),
    "integers": ("grid", lambda rng, n: rng.integers(-1000, 1000, n)),
    "even integers": ("grid", lambda rng, n: (rng.integers(0, 3, n) * 2).astype(np.int16)),
    "booleans": ("level", lambda rng, n: rng.random(n) < 0.3),
    "category": ("level", _levels(CITIES, ordered=False)),
    "ordered category": ("level", _levels(SIZES, ordered=True)),
    "text": ("level", lambda rng, n: pa.array(rng.choice(CITIES, n).tolist())),
    "fixed point": ("grid", _fixed_point),
    "time": ("grid", _times(pa.timestamp("us"))),
    "zoned time": ("grid", _times(pa.timestamp("us", "Europe/Vienna"))),
    "date": ("grid", _dates),
    "duration": ("grid", _times(pa.duration("us"))),
    "constant number": ("level", lambda rng, n: np.full(n, 3.25)),
    "constant text": ("level", lambda rng, n: pa.array(["EUR"] * n)),
    "numbered rows": ("identifier", lambda rng, n: rng.permutation(n) + 70_001),
    "account": ("identifier", _text_ids),
    "no number": ("level", lambda rng, n: pa.nulls(n, pa.float64())),
    "no text": ("level", lambda rng, n: pa.nulls(n, pa.string())),
}
TWIN = "twin"


def with_missing(array: pa.Array, rng: np.random.Generator) -> pa.Array:
    """A third of the cells missing, but never the first two."""
    gone = rng.random(len(array)) < 0.3
    gone[:2] = False
    places = pa.array(np.arange(len(array)), mask=gone)
    return array.take(places)


@dataclass(frozen=True)
class Made:
    """A table, what must hold for each of its columns, and which of them is there twice."""

    table: pa.Table
    rules: dict[str, str]
    twin_of: str | None

    def __repr__(self) -> str:
        return f"{self.table.num_rows} rows of {list(self.rules)}, twin of {self.twin_of}"


def make_table(n: int, kinds: list[tuple[str, bool]], twin: int | None, seed: int) -> Made:
    """A table of n rows.

    kinds: (kind, whether some cells are missing) of each column. twin: the place of the column to repeat.
    """
    rng = np.random.default_rng(seed)
    columns, rules = {}, {}
    for place, (kind, holed) in enumerate(kinds):
        rule, make = KINDS[kind]
        array = make(rng, n)
        array = array if isinstance(array, pa.Array) else pa.array(array)
        name = f"{place} {kind}"
        # missing integers would be floats in plain pandas, missing identifiers are none
        columns[name] = with_missing(array, rng) if holed and rule != "identifier" else array
        rules[name] = rule
    twin_of = None if twin is None else list(columns)[twin % len(columns)]
    if twin_of is not None:
        columns[TWIN], rules[TWIN] = columns[twin_of], rules[twin_of]
    return Made(pa.table(columns), rules, twin_of)


def tables(max_rows: int, max_columns: int) -> st.SearchStrategy[Made]:
    """Any table of these kinds."""
    kinds = st.lists(st.tuples(st.sampled_from(list(KINDS)), st.booleans()), min_size=1, max_size=max_columns)
    return st.builds(
        make_table, st.integers(1, max_rows), kinds, st.none() | st.integers(0, 9), st.integers(0, 2**16)
    )


# --- the same cells in every library ----------------------------------------------------------------------


def as_pandas(table: pa.Table) -> pd.DataFrame:
    """NumPy's dtypes: integers with missing cells are floats, booleans with missing cells are objects."""
    return table.to_pandas()


def as_nullable(table: pa.Table) -> pd.DataFrame:
    """The masked dtypes of pandas."""
    masked = {
        pa.int64(): pd.Int64Dtype(),
        pa.int16(): pd.Int16Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.float32(): pd.Float32Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(),
    }
    return table.to_pandas(types_mapper=masked.get)


def as_arrow_backed(table: pa.Table) -> pd.DataFrame:
    """The pyarrow dtypes of pandas."""
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def as_polars(table: pa.Table) -> pl.DataFrame:
    """polars, with an Enum for levels that have an order."""
    frame = pl.from_arrow(table)
    orders = {
        field.name: table[field.name].unify_dictionaries().chunk(0).dictionary.to_pylist()
        for field in table.schema
        if pa.types.is_dictionary(field.type) and field.type.ordered
    }
    return frame.with_columns(pl.col(name).cast(pl.Enum(order)) for name, order in orders.items())


LIBRARIES: dict[str, Callable[[pa.Table], Any]] = {
    "pandas": as_pandas,
    "pandas-nullable": as_nullable,
    "pandas-pyarrow": as_arrow_backed,
    "polars": as_polars,
    "pyarrow": lambda table: table,
}
in_every_library = pytest.mark.parametrize("library", LIBRARIES)


# --- what must hold ---------------------------------------------------------------------------------------


def columns_of(frame: Any) -> dict[str, list]:
    """Name to plain cells, None where missing."""
    names = frame.column_names if isinstance(frame, pa.Table) else list(frame.columns)
    return dict(zip(names, map(list, zip(*cells(frame), strict=True)), strict=True))


def ticks(values: list) -> list[int]:
    """Numbers, times and durations as whole multiples of the finest step that the kinds above use."""
    first = values[0]
    if isinstance(first, datetime.datetime):
        utc = datetime.UTC  # zoned times differ by what clocks show, which jump
        return [round(value.replace(tzinfo=value.tzinfo or utc).timestamp()) for value in values]
    if isinstance(first, datetime.date):
        return [value.toordinal() for value in values]
    if isinstance(first, datetime.timedelta):
        return [value // datetime.timedelta(seconds=1) for value in values]
    return [round(value * 100) for value in values]


def pattern(value: Any) -> str:
    """The format of an identifier: every digit is a 9."""
    return re.sub(r"\d", "9", str(value))


def check_cells(name: str, rule: str, real: list, drawn: list) -> None:
    """Assert what the rule promises of the drawn cells of one column."""
    if None not in real:
        assert None not in drawn, f"{name} is missing in a row and never was"
    real, drawn = ([value for value in values if value is not None] for values in (real, drawn))
    if rule == "level":
        assert set(drawn) <= set(real), f"{name} holds levels that never were"
    elif rule == "identifier" and not set(drawn) <= set(real):
        assert not set(drawn) & set(real), f"{name} repeats some identifiers and not all"
        assert len(set(drawn)) == len(drawn), f"{name} repeats itself"
        assert set(map(pattern, drawn)) <= set(map(pattern, real)), f"{name} has another format"
    elif rule in ("range", "grid") and drawn:
        assert min(real) <= min(drawn) <= max(drawn) <= max(real), f"{name} leaves its range"
    if rule == "grid" and drawn:
        places = ticks([*real, *drawn])
        known, new = places[: len(real)], places[len(real) :]
        step = math.gcd(*(place - known[0] for place in known))
        off = [place for place in new if (place - known[0]) % step] if step else []
        assert not off, f"{name} leaves its grid of {step} ticks"
        if isinstance(drawn[0], float):
            assert drawn == [round(value, 2) for value in drawn], f"{name} has more decimals"


def tells_copies(values: list) -> bool:
    """Whether two such columns are not equal by chance: 30 rows, and 5 beside the most frequent cell."""
    return len(values) >= max(30, 5 + max(Counter(values).values()))


def check_rows(made: Made, frame: Any, drawn: Any, n: int) -> None:
    """Assert that n rows came out, which the table could hold, in the container of the table."""
    assert signature(drawn) == signature(frame)
    assert len(drawn) == n
    real, new = columns_of(frame), columns_of(drawn)
    for name, rule in made.rules.items():
        check_cells(name, rule, real[name], new[name])
    if made.twin_of is not None and tells_copies(real[TWIN]):
        assert new[TWIN] == new[made.twin_of], "a repeated column is no copy any more"


def synthesizer(**arguments: Any) -> TableSynthesizer:
    """A model that is hardly trained: what it draws is nearly noise."""
    return TableSynthesizer(**{"random_state": 0, "max_steps": 4, "sampling_steps": 2} | arguments)


def targets_of(made: Made) -> list[str]:
    """Columns that can be a target."""
    return [
        name
        for name, rule in made.rules.items()
        if rule == "level" and name != TWIN and not made.table[name].null_count
    ]


# --- any table --------------------------------------------------------------------------------------------


def check_round_trip(library: str, made: Made, n: int, use_target: bool) -> None:
    """Fit and sample, and assert what must hold for any table."""
    frame = LIBRARIES[library](made.table)
    as_it_was = frame.copy(deep=True) if isinstance(frame, pd.DataFrame) else copy.deepcopy(frame)
    target = next(iter(targets_of(made)), None) if use_target and len(made.rules) > 1 else None
    model = synthesizer(target=target).fit(frame)
    drawn = model.sample(n)
    check_rows(made, frame, drawn, n)
    assert signature(frame) == signature(as_it_was)
    assert cells(frame) == cells(as_it_was)
    if target is not None:
        wanted = columns_of(frame)[target][0]
        assert set(columns_of(model.sample(n, where={target: wanted}))[target]) == {wanted}


@in_every_library
@FEW
@given(made=tables(max_rows=40, max_columns=6), n=st.integers(1, 50), use_target=st.booleans())
def test_rows_drawn_could_have_been_in_the_table(library, made, n, use_target):
    check_round_trip(library, made, n, use_target)


@pytest.mark.slow
@in_every_library
@MANY
@given(made=tables(max_rows=300, max_columns=12), n=st.integers(1, 300), use_target=st.booleans())
def test_rows_drawn_could_have_been_in_the_table_many_tables(library, made, n, use_target):
    check_round_trip(library, made, n, use_target)


def check_same_rows(made: Made, n: int) -> None:
    """Assert that the library does not decide which rows are drawn."""
    drawn = {
        library: cells(synthesizer().fit(make(made.table)).sample(n)) for library, make in LIBRARIES.items()
    }
    for library, rows in drawn.items():
        assert rows == drawn["pyarrow"], library


@FEW
@given(made=tables(max_rows=40, max_columns=6), n=st.integers(1, 20))
def test_the_same_cells_and_seed_give_the_same_rows_in_every_library(made, n):
    check_same_rows(made, n)


@pytest.mark.slow
@MANY
@given(made=tables(max_rows=300, max_columns=12), n=st.integers(1, 100))
def test_the_same_cells_and_seed_give_the_same_rows_in_every_library_many_tables(made, n):
    check_same_rows(made, n)


# --- every kind at once, and each by itself ---------------------------------------------------------------


def every_kind(n: int = 120) -> Made:
    """Each kind with and without missing cells, in one table, and one column twice."""
    return make_table(n, [(kind, holed) for kind in KINDS for holed in (False, True)], twin=0, seed=1)


@in_every_library
def test_a_table_of_every_kind_comes_back(library):
    check_round_trip(library, every_kind(), n=60, use_target=True)


def test_a_table_of_every_kind_gives_the_same_rows_in_every_library():
    check_same_rows(every_kind(), n=30)


@pytest.mark.parametrize("holed", [False, True], ids=["whole", "missing"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_each_kind_comes_back_alone(kind, holed):
    made = make_table(60, [(kind, holed)], twin=None, seed=2)
    check_round_trip("polars", made, n=40, use_target=False)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_table_of_few_rows_and_every_kind_comes_back(n):
    made = every_kind(n)
    check_round_trip("pandas", made, n=20, use_target=False)


@in_every_library
@pytest.mark.parametrize("kind", ["numbered rows", "account"])
def test_identifiers_are_drawn_afresh_in_their_format(library, kind):
    """They name rows of the table, so none of them may come back; and no two rows drawn share one."""
    made = make_table(200, [(kind, False), ("decimals", True), ("text", False)], twin=None, seed=3)
    frame = LIBRARIES[library](made.table)
    drawn = synthesizer().fit(frame).sample(300)
    assert signature(drawn) == signature(frame)
    real, new = columns_of(frame)[f"0 {kind}"], columns_of(drawn)[f"0 {kind}"]
    assert len(set(new)) == 300
    assert not set(new) & set(real)
    assert set(map(pattern, new)) == set(map(pattern, real))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith(("constant", "no "))])
def test_a_column_that_is_there_twice_stays_a_copy(kind):
    made = make_table(80, [("integers", False), (kind, True), ("category", True)], twin=1, seed=4)
    drawn = columns_of(synthesizer().fit(as_arrow_backed(made.table)).sample(200))
    assert drawn[TWIN] == drawn[f"1 {kind}"]


@in_every_library
def test_sums_and_groups_of_flags_hold_in_every_row_drawn(library):
    rng = np.random.default_rng(6)
    net, tax, place = rng.gamma(2, 50, 300).round(2), rng.gamma(2, 9, 300).round(2), rng.integers(0, 3, 300)
    flags = {f"in {city}": pa.array((place == i).astype(np.int8)) for i, city in enumerate(CITIES[:3])}
    table = pa.table({"net": net, "tax": tax, "gross": (net + tax).round(2), **flags})
    frame = LIBRARIES[library](table)
    drawn = synthesizer().fit(frame).sample(200)
    assert signature(drawn) == signature(frame)
    new = columns_of(drawn)
    assert [round(a + b, 2) for a, b in zip(new["net"], new["tax"], strict=True)] == new["gross"]
    assert {sum(row) for row in zip(*(new[name] for name in flags), strict=True)} == {1}


@in_every_library
def test_a_column_without_any_value_comes_back_without_any(library):
    made = make_table(50, [("no number", False), ("integers", False), ("no text", False)], twin=None, seed=5)
    frame = LIBRARIES[library](made.table)
    drawn = synthesizer().fit(frame).sample(20)
    assert signature(drawn) == signature(frame)
    assert set(columns_of(drawn)["0 no number"]) == {None} == set(columns_of(drawn)["2 no text"])


def test_a_seed_of_its_own_repeats_the_rows_of_every_kind():
    model = synthesizer().fit(as_polars(every_kind().table))
    assert model.sample(25, random_state=7).equals(model.sample(25, random_state=7), null_equal=True)
