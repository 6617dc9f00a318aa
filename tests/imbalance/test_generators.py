"""Generators: rows of the class that is asked for, whoever learned the table; and those learned lately."""

import datetime as dt
import threading
from dataclasses import replace
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from containers import mixed_table
from imblearn.over_sampling import SMOTE
from sklearn.exceptions import NotFittedError

from tabdiff import DiffusionOverSampler, TableSynthesizer, frames
from tabdiff.constraints import Inequality, Predicate
from tabdiff.errors import InputError, SchemaError
from tabdiff.imbalance.generators import CACHE, Generator, GeneratorCache, fingerprint, generator_of
from tabdiff.inputs import class_labels
from tabdiff.schema import Column, Storage, TableSchema, infer_schema
from tabdiff.tables import TableConfig, learn_table

N = 100
LABELS = np.where(np.arange(N) % 4, "no", "yes").astype(object)
CONFIG = TableConfig(max_steps=5, device="cpu")


def columns_of(frame):
    return frames.read(frame)[0]


def seed(number=7):
    return np.random.SeedSequence(number)


def same(columns, others):
    return all(
        a.name == b.name
        and a.levels == b.levels
        and np.array_equal(a.missing, b.missing)
        and np.array_equal(a.observed, b.observed)
        for a, b in zip(columns, others, strict=True)
    )


def with_target(frame, place, labels=LABELS):
    """The table with its class as a column among the others."""
    frame = frame.copy()
    frame.insert(place, "class", labels)
    return frame


def synthesizer(frame, **arguments):
    return TableSynthesizer(target="class", random_state=0, max_steps=5, **arguments).fit(frame)


@pytest.fixture(scope="module")
def beside():
    """Told the class beside the columns."""
    known, codes = np.unique(LABELS, return_inverse=True)
    table = learn_table(columns_of(mixed_table()), codes, 2, CONFIG, seed())
    return Generator(table, known)


@pytest.fixture(scope="module")
def among():
    """Told the class by a column that stands in the middle of the table."""
    return generator_of(synthesizer(with_target(mixed_table(), 2)), columns_of(mixed_table()), LABELS)


# --- rows -------------------------------------------------------------------------------------------------


def test_rows_are_those_that_the_table_draws_of_the_class(beside):
    drawn = beside.sample("yes", 6, seed(), 3, first_row=4)
    told = np.ones(6, dtype=np.int64)
    assert same(drawn, beside.table.sample(6, told, seed(), 3, first_row=4))
    assert not same(drawn, beside.sample("no", 6, seed(), 3))
    assert beside.sample("no", 0, seed(), 3)[0].values.shape == (0,)


def test_rows_near_given_ones_are_those_that_the_table_makes(beside):
    near = [column.with_cells(column.values[:7], column.missing[:7]) for column in columns_of(mixed_table())]
    revised = beside.revise(near, "no", seed(), 0.5, 3)
    assert same(revised, beside.table.revise(near, np.zeros(7, dtype=np.int64), seed(), 0.5, 3))


@pytest.mark.parametrize("place", [0, 2, 5])
@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        np.where(LABELS == "yes", 7, -2),
        np.where(LABELS == "yes", 1.5, 0.5),
        LABELS == "yes",
        pd.Categorical(LABELS, categories=["yes", "no"], ordered=True),
    ],
    ids=["text", "integers", "floats", "booleans", "ordered"],
)
def test_the_target_column_is_told_and_left_out(place, labels):
    frame = mixed_table()
    model = synthesizer(with_target(frame, place, labels))
    y = class_labels(pd.Series(labels))
    generator = generator_of(model, columns_of(frame), y)
    names = [column.name for column in columns_of(frame)]
    for label in np.unique(y):
        told = np.full(9, model.classes_.index(label))
        whole = generator.table.sample(9, told, seed(), 3)
        values = {whole[place].describe(value) for value in whole[place].values}
        assert values == {label}
        drawn = generator.sample(label, 9, seed(), 3)
        assert [column.name for column in drawn] == names
        assert same(drawn, [column for column in whole if column.name != "class"])
        revised = generator.revise(columns_of(frame), label, seed(), 0.5, 2)
        assert [column.name for column in revised] == names and len(revised[0]) == N


def test_near_rows_are_of_the_class_that_is_told(among):
    near = columns_of(mixed_table())
    whole = columns_of(with_target(mixed_table(), 2, np.full(N, "yes", dtype=object)))
    yes = among.code_of("yes")
    expected = among.table.revise(among.table.aligned(whole), np.full(N, yes, dtype=np.int64), seed(), 0.5, 2)
    del expected[2]
    assert same(among.revise(near, "yes", seed(), 0.5, 2), expected)


def test_identifiers_count_on_from_the_rows_drawn_before():
    frame = mixed_table().assign(order_id=np.arange(1, N + 1))
    generator = generator_of(synthesizer(with_target(frame, 0)), columns_of(frame), LABELS)
    parts = [generator.sample("yes", 5, seed(place), 2, first_row=5 * place) for place in range(2)]
    parts += [generator.revise(columns_of(frame), "no", seed(2), 0.5, 2, first_row=10)]
    made = np.concatenate([part[-1].values for part in parts])
    assert parts[0][-1].name == "order_id"
    assert len(np.unique(made)) == len(made) == 10 + N


def test_labels_of_other_codes_and_new_ones_are_told_by_what_they_are(among):
    frame = mixed_table()
    swapped = frame.assign(card=pd.Categorical(frame["card"], categories=["debit", "new", "credit"]))
    assert same(
        among.revise(columns_of(swapped), "no", seed(), 0.5, 2),
        among.revise(columns_of(frame), "no", seed(), 0.5, 2),
    )
    swapped.loc[:2, "card"] = "new"
    assert len(among.revise(columns_of(swapped), "no", seed(), 0.5, 2)[0]) == N


def test_a_class_is_told_by_its_value():
    table = learn_table(columns_of(mixed_table()), np.arange(N) % 2, 2, CONFIG, seed())
    assert Generator(table, np.array([3, 8])).code_of(np.int8(8)) == 1
    assert Generator(table, np.array([3, 8])).code_of(3.0) == 0
    assert Generator(table, np.array(["a", "b"])).code_of(np.str_("b")) == 1
    assert Generator(table, np.array([False, True])).code_of(np.bool_(True)) == 1
    with pytest.raises(InputError, match=r"knows no class '8'\. It has learned \[3, 8\]"):
        Generator(table, np.array([3, 8])).code_of("8")


# --- what is passed as a generator ------------------------------------------------------------------------


def test_a_generator_and_a_fitted_oversampler_are_taken_as_they_are(beside):
    columns = columns_of(mixed_table())
    assert generator_of(beside, columns, LABELS) is beside
    fitted = DiffusionOverSampler()
    fitted.generator_ = beside
    assert generator_of(fitted, columns, LABELS) is beside
    assert generator_of(fitted, columns, LABELS[:1]) is beside


def test_classes_have_the_order_of_the_target_column():
    frame = mixed_table()
    model = synthesizer(with_target(frame, 0, pd.Categorical(LABELS, ["yes", "no"], ordered=True)))
    generator = generator_of(model, columns_of(frame), LABELS)
    assert (generator.code_of("yes"), generator.code_of("no")) == (0, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (DiffusionOverSampler(), "holds no model: its fit_resample was not called"),
        (TableSynthesizer(target="class"), "is not fitted. Call its fit"),
    ],
)
def test_what_is_not_fitted_is_refused(given, message):
    with pytest.raises(NotFittedError, match=message):
        generator_of(given, columns_of(mixed_table()), LABELS)


def test_an_oversampler_that_had_nothing_to_add_is_refused():
    given = DiffusionOverSampler().set_params(sampling_strategy={"no": 75})
    given.fit_resample(mixed_table(), LABELS)
    with pytest.raises(NotFittedError, match="or had no row to add"):
        generator_of(given, columns_of(mixed_table()), LABELS)


def test_what_is_no_generator_is_refused():
    for given, kind in ((SMOTE(), "SMOTE"), ("tabddpm", "str"), (DiffusionOverSampler, "ABCMeta")):
        with pytest.raises(InputError, match=f"a {kind}. Pass a fitted DiffusionOverSampler"):
            generator_of(given, columns_of(mixed_table()), LABELS)


def test_a_synthesizer_without_classes_is_refused():
    frame = mixed_table()
    model = TableSynthesizer(random_state=0, max_steps=2).fit(frame)
    with pytest.raises(InputError, match="tells no classes apart: its target is None"):
        generator_of(model, columns_of(frame), LABELS)
    model = synthesizer(with_target(frame, 0, np.linspace(0, 1, N)))
    with pytest.raises(InputError, match=r"its target is 'class'\. Fit it with target= the column"):
        generator_of(model, columns_of(frame), LABELS)


def test_other_columns_are_refused(among, beside):
    frame = mixed_table()
    for generator in (among, beside):
        for other, message in (
            (frame[["count", "amount", "city", "card", "night"]], "must be in the same order"),
            (frame.drop(columns="city"), "yet now missing:\n- city"),
            (frame.assign(more=1), "unseen at fit time:\n- more"),
            (with_target(frame, 2), "unseen at fit time:\n- class"),
            (frame.assign(count=frame["city"]), "'count' holds label cells .* but held int cells"),
            (frame.assign(count=frame["count"] + 0.5), r"'count' holds float cells such as .*\.5"),
            (frame.assign(amount=range(N)), "'amount' holds whole numbers, but the generator has learned"),
        ):
            with pytest.raises(SchemaError, match=message):
                generator_of(generator, columns_of(other), LABELS)


def test_whole_numbers_held_as_floats_fit_a_column_of_whole_numbers(among):
    frame = mixed_table()
    frame = frame.assign(count=frame["count"].astype(float).where(np.arange(N) > 3))
    assert generator_of(among, columns_of(frame), LABELS) is among


def test_classes_that_were_not_learned_are_refused(among):
    labels = LABELS.copy()
    labels[3] = "perhaps"
    with pytest.raises(InputError, match=r"knows no class 'perhaps'\. It has learned \['no', 'yes'\]"):
        generator_of(among, columns_of(mixed_table()), labels)
    with pytest.raises(InputError, match="knows no class 0"):
        generator_of(among, columns_of(mixed_table()), (LABELS == "yes").astype(int))


# --- what was learned lately ------------------------------------------------------------------------------


def test_the_least_recently_used_goes_first():
    cache, made = GeneratorCache(max_entries=2), []

    def get(key):
        return cache.get_or_make(key, lambda: made.append(key) or f"made {key}")

    assert [get(key) for key in "abacab"] == [f"made {key}" for key in "abacab"]
    assert made == ["a", "b", "c", "b"]
    assert len(cache) == 2
    cache.clear()
    assert len(cache) == 0
    get("b")
    assert made == ["a", "b", "c", "b", "b"]


def test_nothing_is_also_kept_and_no_key_keeps_nothing():
    cache, made = GeneratorCache(), []
    for key in ("a", "a", None, None):
        assert cache.get_or_make(key, lambda: made.append(1)) is None
    assert (len(made), len(cache)) == (3, 1)


def test_what_fails_is_not_kept():
    cache = GeneratorCache()
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make("a", lambda: 1 // 0)
    with pytest.raises(KeyboardInterrupt):
        cache.get_or_make("a", _interrupt)
    assert len(cache) == 0
    assert cache.get_or_make("a", lambda: 3) == 3


def _interrupt():
    raise KeyboardInterrupt


def in_threads(work, n=8):
    """What each of several threads returns or raises, all started at once."""
    start, out = threading.Barrier(n), [None] * n

    def run(place):
        start.wait()
        try:
            out[place] = work(place)
        except ZeroDivisionError as error:
            out[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in threads)
    return out


def test_threads_that_ask_at_once_get_what_one_of_them_makes():
    cache, made, lock = GeneratorCache(), [], threading.Lock()
    waiting = threading.Event()

    def make():
        with lock:
            made.append(1)
        waiting.wait(0.05)  # the others come meanwhile
        return object()

    found = in_threads(lambda place: cache.get_or_make("a", make))
    assert len(made) == 1 and len({id(one) for one in found}) == 1


def test_threads_that_ask_for_different_things_do_not_wait_for_each_other():
    cache, both = GeneratorCache(), threading.Barrier(2, timeout=5)
    found = in_threads(lambda place: cache.get_or_make(str(place), lambda: (both.wait(), place)[1]), 2)
    assert found == [0, 1]


def test_those_that_waited_for_a_failure_try_their_own():
    cache, calls, lock = GeneratorCache(), [], threading.Lock()
    waiting = threading.Event()

    def make():
        with lock:
            calls.append(1)
            n = len(calls)
        waiting.wait(0.02)
        return n // (n > 2)

    found = in_threads(lambda place: cache.get_or_make("a", make), 6)
    assert sum(isinstance(one, ZeroDivisionError) for one in found) == 2
    assert [one for one in found if not isinstance(one, ZeroDivisionError)] == [3] * 4
    assert len(calls) == 3


def test_what_is_being_made_is_not_forgotten():
    cache, inside = GeneratorCache(max_entries=1), []

    def make():
        for key in "bcd":
            cache.get_or_make(key, object)
        cache.clear()
        inside.append(len(cache))
        return "made"

    assert cache.get_or_make("a", make) == "made"
    assert cache.get_or_make("a", lambda: "again") == "made"
    assert (inside, len(cache)) == ([0], 1)


def test_a_process_has_one_memory_of_bounded_size():
    assert isinstance(CACHE, GeneratorCache) and 8 <= CACHE.max_entries <= 64


# --- fingerprints -----------------------------------------------------------------------------------------


def some_columns():
    no = np.zeros(4, dtype=bool)
    return [
        Column(
            "amount", Storage.FLOAT, np.array([0.5, 1.5, 2.0, 9.0]), np.array([False, True, False, False])
        ),
        Column("count", Storage.INT, np.array([1, 2, 3, 4]), no),
        Column("night", Storage.BOOL, np.array([True, False, True, False]), no),
        Column("city", Storage.LABEL, np.array([0, 1, 2, 0]), no, ("Graz", "Linz", "Wien")),
        Column("seen", Storage.DATETIME, np.array([5, 6, 7, 8]), no, unit="s"),
    ]


CODES = np.array([0, 1, 0, 1])


def print_of(columns=None, codes=CODES, config=CONFIG, of=None, others=()):
    return fingerprint(some_columns() if columns is None else columns, codes, config, of or seed(), *others)


def changed(place, **fields):
    columns = some_columns()
    columns[place] = replace(columns[place], **fields)
    return columns


def test_the_same_content_has_the_same_fingerprint():
    wide = np.array([[0.5, 7, 1.5, 7, 2.0, 7, 9.0, 7]])[0, ::2]
    other = [
        replace(column, values=column.values.copy(), levels=tuple("".join(level) for level in column.levels))
        for column in changed(0, values=wide)
    ]
    assert print_of(other, CODES.astype(np.int8), TableConfig(max_steps=5, device="cpu")) == print_of()
    other[0] = replace(other[0], values=np.array([0.5, np.nan, 2.0, 9.0]))  # what stands at a missing cell
    assert print_of(other) == print_of()
    kinds = {"count": "categorical", "amount": "numeric"}
    turned = dict(reversed(kinds.items()))
    assert print_of(config=replace(CONFIG, schema=kinds)) == print_of(config=replace(CONFIG, schema=turned))


def test_each_cell_changes_the_fingerprint():
    found = {print_of()}
    for place, column in enumerate(some_columns()):
        for row in range(4):
            values, missing = column.values.copy(), column.missing.copy()
            missing[row] = not missing[row]
            found.add(print_of(changed(place, missing=missing)))
            if not column.missing[row]:
                values[row] = not values[row] if values.dtype == bool else values[row] + 1
                found.add(print_of(changed(place, values=values)))
    assert len(found) == 1 + 5 * 4 + 5 * 4 - 1


def test_whatever_learning_depends_on_changes_the_fingerprint():
    label = some_columns()[3]
    variants = [
        print_of(),
        # columns
        print_of(changed(0, name="Amount")),
        print_of(changed(0, name=0)),
        print_of(changed(0, name="0")),
        print_of(changed(0, name=0.0)),
        print_of(changed(0, name=("0",))),
        print_of(changed(0, name=None)),
        print_of(changed(0, values=some_columns()[0].values.astype(np.float32))),
        print_of(changed(1, values=some_columns()[1].values.view(">i8"))),
        print_of(changed(1, storage=Storage.DURATION, unit="s")),
        print_of(changed(4, unit="ms")),
        print_of(changed(3, ordered=True)),
        print_of(changed(3, levels=("Graz", "Linz", "Wien", "Bonn"))),
        print_of(changed(3, levels=("Graz", "Linz", "Wien "))),
        print_of(changed(3, levels=("Graz", "LinzWien", ""))),
        print_of(changed(3, levels=("GrazLinz", "", "Wien"))),
        print_of(changed(3, levels=("Linz", "Graz", "Wien"))),
        print_of(some_columns()[:4]),
        print_of(some_columns()[::-1]),
        print_of([*some_columns(), label]),
        print_of([replace(c, values=c.values[:3], missing=c.missing[:3]) for c in some_columns()], CODES[:3]),
        # classes
        print_of(codes=1 - CODES),
        print_of(codes=None),
        # settings
        print_of(config=replace(CONFIG, max_steps=6)),
        print_of(config=replace(CONFIG, max_steps=None)),
        print_of(config=replace(CONFIG, max_seconds=5.0)),
        print_of(config=replace(CONFIG, max_seconds=5)),
        print_of(config=replace(CONFIG, method="tabddpm")),
        print_of(config=replace(CONFIG, device="auto")),
        print_of(config=replace(CONFIG, compile=True)),
        print_of(config=replace(CONFIG, brake=True)),
        print_of(config=replace(CONFIG, brake=False)),
        print_of(config=replace(CONFIG, schema={"count": "categorical"})),
        print_of(config=replace(CONFIG, schema={"count": "numeric"})),
        print_of(config=replace(CONFIG, schema=infer_schema(some_columns()))),
        print_of(config=replace(CONFIG, schema=TableSchema(()))),
        print_of(config=replace(CONFIG, constraints=(Inequality("count", "amount"),))),
        print_of(config=replace(CONFIG, constraints=(Inequality("amount", "count"),))),
        # seeds
        print_of(of=seed(8)),
        print_of(of=np.random.SeedSequence([7])),
        print_of(of=np.random.SeedSequence(7, spawn_key=(0,))),
        print_of(of=np.random.SeedSequence(7, pool_size=8)),
        # the rest
        print_of(others=["confident"]),
        print_of(others=[None]),
        print_of(others=[2]),
        print_of(others=[2, None]),
    ]
    assert None not in variants and len(set(variants)) == len(variants)


def test_a_seed_that_has_spawned_gives_other_streams_and_another_fingerprint():
    used = seed()
    used.spawn(2)
    assert print_of(of=used) != print_of()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (1, "1"),
        ("a", b"a"),
        ("a", np.str_("a")),
        (1, np.int64(1)),
        (np.int64(1), np.int32(1)),
        (0.1 + 0.2, 0.3),
        (0.0, -0.0),
        (Decimal("1.0"), Decimal("1.00")),
        (dt.date(2024, 1, 1), dt.datetime(2024, 1, 1)),
        (dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
        (
            dt.datetime(2024, 1, 1, tzinfo=ZoneInfo("Europe/Vienna")),
            dt.datetime(2024, 1, 1, tzinfo=ZoneInfo("Europe/Rome")),
        ),
        (
            dt.datetime(2024, 10, 27, 2, tzinfo=ZoneInfo("Europe/Rome")),
            dt.datetime(2024, 10, 27, 2, tzinfo=ZoneInfo("Europe/Rome"), fold=1),
        ),
        (np.datetime64("2024-01-01"), np.datetime64("2024-01-01", "s")),
        (("a", ("b",)), (("a",), "b")),
        (("ab", "c"), ("a", "bc")),
        ("Storage.INT", Storage.INT),
        (Storage.INT, "int"),
    ],
)
def test_levels_are_told_by_type_and_content(one, other):
    prints = [print_of(changed(3, levels=("Graz", "Linz", level))) for level in (one, other, one)]
    assert None not in prints
    assert prints[0] != prints[1] and prints[0] == prints[2]


class Unshown:
    """Two of these look the same, whatever they hold."""

    def __repr__(self):
        return "Unshown()"


class Word(str):
    """Text that may hold more than its characters."""


class OwnZone(dt.tzinfo):
    """A time zone that may be anything."""


@pytest.mark.parametrize(
    "value",
    [
        Unshown(),
        Word("a"),
        pd.Interval(0, 1),
        np.array([Unshown()], dtype=object),
        dt.datetime(2024, 1, 1, tzinfo=OwnZone()),
    ],
)
def test_what_cannot_be_told_exactly_is_not_kept(value):
    assert print_of(changed(3, levels=("Graz", "Linz", value))) is None
    assert print_of(changed(0, name=("amount", value))) is None
    assert print_of(others=[value]) is None


def test_functions_among_the_constraints_are_not_kept():
    rule = Predicate(lambda frame: frame["count"] > 0, "count is positive")
    assert print_of(config=replace(CONFIG, constraints=(rule,))) is None


def test_learning_twice_from_what_has_one_fingerprint_gives_the_same_rows():
    columns, codes = columns_of(mixed_table()), np.arange(N) % 2
    drawn = []
    for _ in range(2):
        one = seed()
        key = print_of(columns, codes, CONFIG, one)
        table = learn_table(columns, codes, 2, CONFIG, one)
        drawn.append((key, Generator(table, np.array([0, 1])).sample(1, 5, seed(), 2)))
    assert drawn[0][0] == drawn[1][0]
    assert same(drawn[0][1], drawn[1][1])
