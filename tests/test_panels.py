"""Learned panels: rows of whole series and their steps come out as asked, from columns alone."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from tabdiff.batch import MixedBatch
from tabdiff.panel_rows import kinds_of
from tabdiff.panel_updates import replay_weights
from tabdiff.panels import LearnedPanel, Panel, PanelConfig, learn_panel
from tabdiff.schema import Column, Storage, infer_schema
from tabdiff.tables import TableConfig
from tabdiff.windows import Guides, Windows, cut

SEED = np.random.SeedSequence(0)
CONFIG = PanelConfig(TableConfig(max_steps=5), window=6)


def column(name, values, **kwargs):
    values = np.asarray(values)
    storage = {"f": Storage.FLOAT, "i": Storage.INT, "b": Storage.BOOL}[values.dtype.kind]
    missing = kwargs.pop("missing", np.zeros(len(values), dtype=bool))
    return Column(name, kwargs.pop("storage", storage), values, missing, **kwargs)


def letters(name, codes):
    return column(name, codes, storage=Storage.LABEL, levels=("a", "b", "c"))


def panel(n=30, seed=0, with_time=True):
    """Series of 1 to 20 steps, every hour from a start of their own; numbers with missing cells."""
    rng = np.random.default_rng(seed)
    lengths = np.append(rng.integers(1, 21, n - 2), [1, 20])
    offsets = np.append(0, np.cumsum(lengths))
    n_steps = offsets[-1]
    place = np.arange(n_steps) - np.repeat(offsets[:-1], lengths)
    time = np.repeat(rng.integers(0, 24 * 300, n), lengths) + place
    steps = [
        letters("kind", rng.integers(3, size=n_steps)),
        column("size", rng.normal(size=n_steps), missing=rng.random(n_steps) < 0.25),
    ]
    told = Column("at", Storage.DATETIME, 3600 * time, np.zeros(n_steps, dtype=bool), unit="s")
    return Panel([letters("group", rng.integers(3, size=n))], steps, offsets, told if with_time else None)


@pytest.fixture(scope="module")
def given():
    return panel()


@pytest.fixture(scope="module")
def learned(given) -> LearnedPanel:
    return learn_panel(given, CONFIG, SEED)


def same(a, b):
    pairs = zip([*a.context, *a.steps, a.time], [*b.context, *b.steps, b.time], strict=True)
    return np.array_equal(a.offsets, b.offsets) and all(
        np.array_equal(x.missing, y.missing) and np.array_equal(x.observed, y.observed) for x, y in pairs
    )


def test_what_is_learned_says_what_it_was_learned_from(learned, given):
    assert (learned.longest, learned.window, learned.n_steps) == (20, 6, len(given.time))
    assert (learned.n_context, learned.table.n_rows) == (1, 30)
    assert [template.name for template in learned.table.templates] == [
        "group",
        "at: start",
        "number of steps",
    ]
    assert learned.timeline.step == 3600
    assert [len(template) for template in learned.templates(["size", "at", "group"])] == [0, 0, 0]


def test_drawn_panels_have_columns_like_those_of_fit_and_lengths_within_theirs(learned, given):
    drawn = learned.sample(40, SEED)
    assert len(drawn) == 40
    assert drawn.lengths.min() >= 1
    assert drawn.lengths.max() <= 20
    assert len(set(drawn.lengths)) > 5
    for own, of_fit in zip([*drawn.context, *drawn.steps], [*given.context, *given.steps], strict=True):
        assert (own.name, own.storage, own.levels) == (of_fit.name, of_fit.storage, of_fit.levels)
        assert own.values.dtype == of_fit.values.dtype
    assert {len(column) for column in drawn.steps} == {len(drawn.time)} == {drawn.offsets[-1]}
    gaps = np.delete(np.diff(drawn.time.values), drawn.offsets[1:-1] - 1)
    np.testing.assert_array_equal(gaps, 3600)
    assert 0 < drawn.steps[1].missing.mean() < 1
    assert not drawn.steps[0].missing.any()


def test_context_and_lengths_that_are_given_are_kept(learned):
    lengths = np.array([1, 7, 20, 6, 33])
    drawn = learned.sample(5, SEED, [letters("group", [2, 0, 1, 1, 2])], lengths)
    np.testing.assert_array_equal(drawn.lengths, lengths)
    np.testing.assert_array_equal(drawn.context[0].values, [2, 0, 1, 1, 2])


def test_one_seed_gives_one_panel(learned):
    first, again, other = (learned.sample(9, np.random.SeedSequence(number)) for number in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


def test_series_put_in_place_of_others_leave_the_rest(learned):
    lengths = np.array([3, 5, 2])
    first = learned.sample(3, np.random.SeedSequence(1), lengths=lengths)
    other = learned.sample(2, np.random.SeedSequence(2), lengths=lengths[[2, 0]])
    mixed = first.with_series(np.array([2, 0]), other)
    size, new, old = mixed.steps[1].values, other.steps[1].values, first.steps[1].values
    np.testing.assert_array_equal(size, [*new[2:], *old[3:8], *new[:2]])
    np.testing.assert_array_equal(
        mixed.time.values, [*other.time.values[2:], *first.time.values[3:8], *other.time.values[:2]]
    )


def test_given_cells_come_back_and_the_others_are_drawn(learned, given):
    steps, known = learned.encoded_steps(given, 0)
    np.testing.assert_array_equal(known, np.column_stack([~column.missing for column in given.steps]))
    filled = learned.with_steps(
        learned.rows_of(given, given.lengths), SEED, 3, history=(steps, known), allow_missing=False
    )
    for own, cells in zip(given.steps, filled.steps, strict=True):
        np.testing.assert_array_equal(cells.values[~own.missing], own.observed)
        assert not cells.missing.any()
    np.testing.assert_array_equal(filled.time.values, given.time.values)


def test_longer_series_begin_with_the_given_ones(learned, given):
    steps, known = learned.encoded_steps(given, 4)
    places = np.concatenate(
        [np.arange(begin, end) + 4 * i for i, (begin, end) in enumerate(pairwise(given.offsets))]
    )
    new = np.setdiff1d(np.arange(len(known)), places)
    assert len(new) == 4 * 30
    assert not known[new].any()
    np.testing.assert_array_equal(steps[0].values[places], given.steps[0].values)
    told = learned.told_times(given, 4)
    np.testing.assert_array_equal(told.missing, np.isin(np.arange(len(known)), new))
    rows = learned.rows_of(given, given.lengths + 4)
    drawn = learned.with_steps(rows, SEED, 3, history=(steps, known), when=told)
    np.testing.assert_array_equal(drawn.time.values[places], given.time.values)
    last = np.repeat(given.time.values[given.offsets[1:] - 1], 4)
    np.testing.assert_array_equal(drawn.time.values[new], last + np.tile(3600 * np.arange(1, 5), 30))


def test_times_of_another_unit_are_the_same_times(learned, given):
    finer = replace(given, time=replace(given.time, values=given.time.values * 10**9, unit="ns"))
    for name, arguments in {"rows_of": (given.lengths,), "told_times": (2,)}.items():
        ours, theirs = (getattr(learned, name)(one, *arguments) for one in (given, finer))
        for a, b in zip(*([x] if isinstance(x, Column) else x for x in (ours, theirs)), strict=True):
            np.testing.assert_array_equal(a.values, b.values)
            assert a.unit == b.unit


def test_infinite_cells_of_given_series_are_refused(learned, given):
    cells = given.steps[1].values.copy()
    cells[3] = np.inf
    bad = [given.steps[0], given.steps[1].with_cells(cells, np.zeros(len(cells), dtype=bool))]
    with pytest.raises(ValueError, match="'size' holds 1 infinite"):
        learned.encoded_steps(replace(given, steps=bad), 0)


def test_panels_without_times_are_learned_in_their_order():
    given = panel(with_time=False)
    learned = learn_panel(given, CONFIG, SEED)
    assert learned.timeline is None
    drawn = learned.sample(4, SEED)
    assert drawn.time is None
    steps, known = learned.encoded_steps(given, 1)
    assert len(known) == given.offsets[-1] + 30
    assert learned.told_times(given, 1) is None
    assert len(steps) == 2


def test_times_alone_need_no_network():
    given = replace(panel(), steps=[])
    learned = learn_panel(given, CONFIG, SEED)
    assert learned.sequences is None
    assert learned.sample(3, SEED).steps == []
    steps, known = learned.encoded_steps(given, 2)
    assert steps == []
    assert known.shape == (given.offsets[-1] + 60, 0)


def windows_of(lengths):
    """Windows of one step, of series of these lengths."""
    offsets = np.append(0, np.cumsum(lengths))
    blank = MixedBatch(torch.zeros(offsets[-1], 1), torch.zeros(offsets[-1], 0, dtype=torch.long))
    return Windows(blank, Guides(blank, blank, 5), **cut(offsets, 1))


@pytest.mark.parametrize(("n_old", "expected"), [(30, 3.0), (5, 0.5), (1000, 4.0)])
def test_replayed_series_weigh_what_they_stand_for_up_to_four_times_the_new(n_old, expected):
    """6 steps in two replayed series stand for n_old; 10 new ones."""
    new = Panel([], [], np.array([0, 7, 10]))
    weights = replay_weights(windows_of([4, 2, 7, 3]), 2, n_old, new)
    assert weights[6:].tolist() == [1.0] * 10
    assert weights[:6].sum().item() == pytest.approx(10 * expected)
    assert len(set(weights[:6].tolist())) == 1


def test_kinds_of_a_schema_are_those_of_its_columns():
    assert kinds_of(None) == {}
    assert kinds_of({"a": "numeric"}) == {"a": "numeric"}
    same = column("same", np.ones(len(panel().time)))
    assert kinds_of(infer_schema([*panel().steps, same])) == {"kind": "categorical", "size": "numeric"}


# --- columns that follow from others ------------------------------------------------------------------------


def test_what_holds_within_each_step_holds_in_drawn_ones_and_given_cells_come_back():
    rng = np.random.default_rng(4)
    n, length = 60, 6
    net = rng.normal(100, 20, n * length).round(1)
    tax = (net * rng.choice([0.1, 0.2], n * length)).round(1)
    code = rng.integers(0, 4, n * length)
    steps = [
        column("net", net),
        column("tax", tax),
        column("gross", (net + tax).round(1)),
        column("copy", net),
        column("shop", code, storage=Storage.LABEL, levels=("a", "b", "c", "d")),
        column("town", np.array([0, 0, 1, 1])[code], storage=Storage.LABEL, levels=("x", "y")),
    ]
    given = Panel([], steps, np.arange(n + 1) * length)
    learned = learn_panel(given, PanelConfig(TableConfig(max_steps=20)), np.random.SeedSequence(0))
    assert learned.columns.n_learned == 4  # sums are learned whole and settled
    assert [column.name for column in learned.step_templates] == [column.name for column in steps]

    def holds(drawn):
        cells = {column.name: column.values for column in drawn.steps}
        np.testing.assert_allclose(cells["net"] + cells["tax"], cells["gross"], atol=0.051)
        np.testing.assert_array_equal(cells["copy"], cells["net"])
        town = np.array(["x", "x", "y", "y"])
        by_name = {column.name: np.array(column.levels) for column in drawn.steps if column.levels}
        shops = np.searchsorted(["a", "b", "c", "d"], by_name["shop"][cells["shop"]])
        np.testing.assert_array_equal(by_name["town"][cells["town"]], town[shops])

    holds(learned.sample(30, np.random.SeedSequence(1)))

    # the town and the gross of half of the steps are given, nothing else is
    told, known = learned.encoded_steps(given, 0)
    known[:] = False
    known[::2, 2] = known[::2, 5] = True
    rows = learned.rows_of(given, given.lengths)
    drawn = learned.with_steps(rows, np.random.SeedSequence(2), history=(told, known))
    holds(drawn)
    np.testing.assert_array_equal(drawn.steps[2].values[::2], steps[2].values[::2])
    np.testing.assert_array_equal(drawn.steps[5].values[::2], steps[5].values[::2])
