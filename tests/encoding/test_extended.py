"""More rows extend a codec to what it would be of all rows, but levels keep their numbers."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from columns_of import CENTS, FLOATS, INTEGERS, column, columns, joined, labels, law_distance, rng
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import kstest

from tabdiff import frames
from tabdiff.encoding import scores as scores_module
from tabdiff.encoding.alignment import merged_order
from tabdiff.encoding.columns import (
    ConstantCodec,
    EmptyCodec,
    Grid,
    IdentifierCodec,
    LevelCodec,
    NormalScores,
    NumericCodec,
    kind_of,
)
from tabdiff.encoding.table import TableEncoder, feature_map
from tabdiff.errors import SchemaError
from tabdiff.schema import Kind, infer_schema

DIGIT = st.integers(0, 9)
FEW = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


# --- scores -----------------------------------------------------------------------------------------------


@FEW
@given(st.tuples(INTEGERS, INTEGERS) | st.tuples(CENTS, CENTS) | st.tuples(FLOATS, FLOATS))
def test_extended_scores_are_those_of_all_cells_together(parts):
    both = NormalScores.fit(np.concatenate(parts))
    one = NormalScores.fit(parts[0]).extended(parts[1])
    np.testing.assert_array_equal(one.grid.to_values(one.ticks), both.grid.to_values(both.ticks))
    np.testing.assert_array_equal(one.counts, both.counts)
    np.testing.assert_allclose(one.low, both.low, atol=2e-6)
    np.testing.assert_allclose(one.high, both.high, atol=2e-6)
    assert one.n == both.n
    # a single value does not tell its grid's step
    assert one.grid == both.grid or len(np.unique(parts[0])) == 1


@pytest.mark.parametrize("n_new", [50, 2_000, 20_000])
@pytest.mark.parametrize("few_knots", [False, True])
@pytest.mark.parametrize("released", [False, True])
def test_scores_are_normal_over_old_and_new_cells(n_new, few_knots, released, monkeypatch):
    monkeypatch.setattr(scores_module, "MAX_KNOTS", 500 if few_knots else 250_000)
    old, new = rng().normal(size=5_000), rng(1).normal(1, 2, n_new).round(1)
    scores = NormalScores.fit(old)
    scores = (scores.released(5) if released else scores).extended(new)
    both = np.append(old, new)
    assert kstest(scores.scores(both, rng(5)), ndtr).statistic < 1.95 / np.sqrt(len(both)) + 0.004
    assert scores.n == len(both)
    assert law_distance(scores.values_of(rng(6).normal(size=100_000)), both) < 0.012
    assert (scores.high[:-1] <= scores.low[1:]).all() and (np.diff(scores.ticks) > 0).all()


def test_nothing_new_changes_nothing():
    scores = NormalScores.fit(np.array([1, 2]))
    assert scores.extended(np.zeros(0, int)) is scores


@pytest.mark.parametrize(
    ("old", "new", "decimals", "step"),
    [
        ([0, 10, 20], [35], 0, 5),
        ([0.5, 1.5], [0.25, 1.0], 2, 25),
        ([0.1, 0.2], [3.0, 4.0], 1, 1),
        ([1, 2], [10, 20], 0, 1),
        ([1.0, 2.0], [1 / 3], 0, 0),
        ([1 / 3, 0.5], [1.0, 2.0], 0, 0),
    ],
)
def test_the_common_grid_holds_old_and_new_values(old, new, decimals, step):
    old, new = np.array(old), np.array(new)
    grid = Grid.detect(old).joined(np.union1d(old, new))
    assert grid == Grid(old.dtype, decimals, step)


def test_a_grid_that_few_knots_do_not_show_is_remembered():
    grid = NormalScores.fit(np.arange(100) + 0.25).grid
    assert grid.joined(np.array([1.25, 3.25])) == grid


# --- numbers ----------------------------------------------------------------------------------------------


@FEW
@given(columns(INTEGERS), columns(INTEGERS))
def test_atoms_keep_their_levels_and_new_ones_come_behind(before, more):
    old = NumericCodec.fit(before)
    new = old.extended(more)
    assert new.atoms.tolist() == old.atoms.tolist()
    assert new.atom_level.tolist() == old.atom_level.tolist()
    both = joined(before, more)
    assert new.atom_counts.tolist() == [int(np.sum(both.observed == atom)) for atom in old.atoms]
    assert (new.n_rows, new.n_missing) == (len(both), both.missing.sum())
    assert new.scores.n + new.atom_counts.sum() + new.n_missing == new.n_rows
    if old.missing_level >= 0:
        assert (new.missing_level, new.n_levels) == (old.missing_level, old.n_levels)
    elif more.missing.any():
        assert new.missing_level == max(old.n_levels, default=1)
        assert new.n_levels == (new.missing_level + 1,)
    values, missing = new.decode(new.encode(both, rng()), rng())
    assert missing.tolist() == both.missing.tolist()
    np.testing.assert_array_equal(values[~missing], both.observed)


def test_an_atom_that_more_rows_make_rare_is_not_released():
    old = NumericCodec.fit(column(np.r_[np.arange(23.0), [30.5, 30.5]]))
    assert old.atoms.tolist() == [30.5]
    new = old.extended(column(np.arange(100.0) / 7)).released()
    assert new.atoms.tolist() == [] and new.n_levels == old.n_levels


# --- levels -----------------------------------------------------------------------------------------------


@FEW
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40), st.lists(st.integers(0, 9), min_size=1), st.data()
)
def test_levels_keep_their_numbers(before, more, data):
    parts = []
    for cells in (before, more):
        missing = data.draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells)))
        parts.append(column(np.array(cells), np.array(missing)))
    old = LevelCodec.fit(parts[0])
    new, both = old.extended(parts[1]), LevelCodec.fit(joined(*parts))
    assert new.values.tolist() == both.values.tolist()
    assert new.counts.tolist() == both.counts.tolist()
    assert (new.n_rows, new.n_missing) == (both.n_rows, both.n_missing)
    level = dict(zip(new.values.tolist(), new.code_of.tolist(), strict=True))
    assert all(level[value] == code for value, code in zip(old.values.tolist(), old.code_of, strict=True))
    codes = [*level.values(), *([new.missing_level] if new.missing_level >= 0 else [])]
    assert sorted(codes) == list(range(new.n_levels[0]))
    if old.missing_level >= 0:
        assert new.missing_level == old.missing_level


def test_new_rare_values_join_the_pool_and_frequent_ones_get_levels():
    old = LevelCodec.fit(column(np.repeat([0, 1, 2], [9_990, 5, 5])))
    assert old.n_levels == (2,) and old.pooled_level == 1
    new = old.extended(column(np.repeat([1, 3, 4, 5], [300, 500, 3, 400])))
    level = dict(zip(new.values.tolist(), new.code_of.tolist(), strict=True))
    assert level == {0: 0, 1: 1, 2: 1, 3: 2, 4: 1, 5: 3} and new.n_levels == (4,)


def test_a_level_that_was_not_released_stays_without_a_value():
    old = LevelCodec.fit(column(np.repeat([0, 1, 2], [50, 1, 49]))).released()
    new = old.extended(column(np.repeat([1, 7], [20, 30])))
    level = dict(zip(new.values.tolist(), new.code_of.tolist(), strict=True))
    assert level == {0: 0, 2: 2, 1: 3, 7: 4} and new.n_levels == (5,)


# --- columns that change their kind -----------------------------------------------------------------------


def test_a_constant_with_other_values_becomes_what_fits():
    constant = ConstantCodec(np.int64(3), 100)
    assert constant.extended(column([3, 3])) == ConstantCodec(np.int64(3), 102)
    codec = constant.extended(column([3, 4, 4]))
    assert isinstance(codec, LevelCodec) and codec.counts.tolist() == [101, 2]
    codec = constant.extended(column([3, 3], [1]))
    assert isinstance(codec, LevelCodec) and codec.n_missing == 1
    codec = constant.extended(column(np.arange(1000) * 3))
    assert isinstance(codec, NumericCodec) and codec.n_rows == 1100


def test_an_empty_column_with_values_becomes_what_fits():
    empty = EmptyCodec(np.dtype(float), 30)
    assert empty.extended(column([0.0, 0.0], [0, 1])).n_rows == 32
    codec = empty.extended(column(np.arange(100.0) / 7))
    assert isinstance(codec, NumericCodec) and codec.n_missing == 30
    codec = empty.extended(labels([f"K{i:04d}" for i in range(100)]))
    assert isinstance(codec, IdentifierCodec) and codec.n_missing == 30


# --- tables -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "merged"),
    [
        ("SML", "SML", "SML"),
        ("SL", "SML", "SML"),
        ("ML", "SMLX", "SMLX"),
        ("SML", "LM", "SML"),
        ("SL", "LMS", "SLM"),
        ("S", "AB", "ABS"),
    ],
)
def test_ordered_labels_are_merged_where_their_orders_agree(old, new, merged):
    assert "".join(merged_order(old, new)) == merged


def tables():
    """A table, and more rows of it with new labels, missing cells and values in columns that had none."""
    draw = rng()

    def made(n, more):
        return pd.DataFrame(
            {
                "size": pd.Categorical(draw.choice(list("SML" if more else "SL"), n), list("SML"), True),
                "city": draw.choice(["Aarau", "Graz", "Wien"] if more else ["Graz", "Wien"], n),
                "amount": np.where(draw.random(n) < (0.1 if more else 0), np.nan, draw.normal(size=n)),
                "state": np.where(draw.random(n) < (0.3 if more else 0), "DE", "AT"),
                "note": np.where(np.arange(n) % 2 == 0, 1.5, np.nan) if more else np.full(n, np.nan),
                "id": np.arange(n) + (1000 if more else 0),
                "score": np.where(draw.random(n) < 0.3, 0.0, draw.normal(size=n)),
            }
        )  # fmt: skip

    return made(300, False), made(100, True)


@pytest.mark.parametrize("released", [False, True])
def test_a_table_is_extended_column_by_column(released):
    frame, more = tables()
    before, template = frames.read(frame)
    after, _ = frames.read(more)
    old = TableEncoder.fit(before, infer_schema(before))
    old = old.released() if released else old
    new = old.extended(after)
    assert [one.levels for one in new.templates][:2] == [("S", "M", "L"), ("Graz", "Wien", "Aarau")]
    assert new.templates[3].levels == ("AT", "DE")
    kinds = [column.kind for column in new.schema.columns]
    assert kinds == [
        "categorical",
        "categorical",
        "numeric",
        "categorical",
        "categorical",
        "identifier",
        "numeric",
    ]
    assert new.schema["amount"].has_missing and not old.schema["amount"].has_missing
    assert old.schema["note"].kind is Kind.EMPTY and old.schema["note"].has_missing
    assert kind_of(old.codecs[3]) is Kind.CONSTANT
    assert (old.n_levels, new.n_levels) == ([2, 2, 2], [3, 3, 2, 2, 2, 2])
    assert feature_map(old, new) == ([0, 1], [0, 1, -1, -1, -1, 2])
    a, b = (one.encode(before, rng()) for one in (old, new))
    assert (a.cat == b.cat[:, [0, 1, 5]]).all()
    cells = new.encode(after, rng())
    assert set(cells.cat[:, 0].tolist()) == {0, 1, 2}
    out = template.rebuild(new.decode(cells, rng()))
    pd.testing.assert_frame_equal(
        out[["size", "city", "state"]], more[["size", "city", "state"]], check_exact=True
    )
    assert out["amount"].isna().tolist() == more["amount"].isna().tolist()
    assert out["id"].min() == 1100


def test_features_of_columns_that_are_not_there_have_no_counterpart():
    frame, _ = tables()
    before, _ = frames.read(frame)
    old = TableEncoder.fit(before, infer_schema(before))
    few = TableEncoder.fit(before[1:3], infer_schema(before[1:3]))
    assert feature_map(old, few) == ([0], [1])
    assert feature_map(few, old) == ([0, -1], [-1, 0, -1])


def test_rows_of_other_columns_do_not_extend_a_table():
    encoder = TableEncoder.fit([column([1, 2, 1])], infer_schema([column([1, 2, 1])]))
    with pytest.raises(SchemaError, match=r"Expected \['x'\], got \['y'\]"):
        encoder.extended([column([1], name="y")])
    with pytest.raises(SchemaError, match="holds bool cells such as True, but held int cells"):
        encoder.extended([column([True])])
    days = pd.DataFrame({"t": [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2)] * 10})
    cells, _ = frames.read(days)
    later, _ = frames.read(days + pd.Timedelta(days=1))
    longer = TableEncoder.fit(cells, infer_schema(cells)).extended(later)
    assert len(longer.codecs[0].values) == 3
