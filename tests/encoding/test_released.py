"""Released codecs keep the law and the features of a column, but nothing that only few rows held."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from columns_of import CENTS, FLOATS, INTEGERS, column, columns, even_scores, labels, law_distance, rng
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabdiff import frames
from tabdiff.encoding.columns import Features, LevelCodec, NormalScores, NumericCodec, fit_codec
from tabdiff.encoding.table import TableEncoder
from tabdiff.errors import SchemaError
from tabdiff.schema import Kind, Storage, infer_schema
from tabdiff.wanted import Wanted

FEW = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
K = 5


def levels_of(codec, codes):
    n = len(codes)
    return Features(np.zeros((n, 0)), np.zeros((n, 0), bool), np.asarray(codes)[:, None])


def everything_in(thing):
    """All numbers and texts in nested dataclasses, tuples and arrays."""
    if dataclasses.is_dataclass(thing):
        return [x for field in dataclasses.fields(thing) for x in everything_in(getattr(thing, field.name))]
    if isinstance(thing, tuple | list):
        return [x for one in thing for x in everything_in(one)]
    return thing.tolist() if isinstance(thing, np.ndarray) else [thing]


# --- numbers ----------------------------------------------------------------------------------------------


def test_a_group_is_its_mean_at_its_middle_score():
    cells = np.array([1.0, 2, 3, 4, 10, 20, 20, 20, 20, 20, 21.5, 22, 23, 24, 25, 26.5, 90])
    scores = NormalScores.fit(cells).released(5)
    values = scores.values_of(even_scores(17)[[2, 5, 9, 13]])
    # of 17 cells: five with mean 4, five times 20, and seven with mean 33.1..., on a grid of halves
    assert values.tolist() == [4.0, 20.0, 20.0, 33.0]
    assert scores.counts.tolist() == [5, 5, 7] and scores.n == 17


def test_a_few_rare_values_between_frequent_ones_are_left_out():
    cells = np.repeat([1, 5, 6, 9, 12], [50, 2, 1, 50, 3])
    scores = NormalScores.fit(cells).released(5)
    assert scores.grid.to_values(scores.ticks).tolist() == [1, 9]
    assert law_distance(scores.values_of(even_scores(10_000)), cells) < 3.1 / 106


def test_too_few_cells_leave_nothing():
    assert len(NormalScores.fit(np.array([1.0, 2.0, 5.0])).released(5).ticks) == 0


def test_nothing_changes_where_every_value_is_frequent():
    scores = NormalScores.fit(np.repeat([1, 4, 9], 5))
    assert scores.released(5) is scores


@FEW
@given(FLOATS | INTEGERS | CENTS)
def test_released_scores_are_monotone_and_keep_the_law(cells):
    exact = NormalScores.fit(cells)
    scores = exact.released(K)
    if not len(scores.ticks):
        assert np.unique(cells, return_counts=True)[1].max() < K and len(cells) < 2 * K
        return
    assert (np.diff(scores.ticks) > 0).all() and (np.diff(scores.low) > 0).all()
    assert (scores.low <= scores.high).all() and (scores.high[:-1] <= scores.low[1:]).all()
    assert (scores.counts >= K).all() and scores.counts.sum() <= len(cells)
    values = scores.values_of(even_scores(5_000))
    assert (np.diff(values) >= 0).all()
    assert law_distance(values, cells) <= 2 * K / len(cells) + 1 / 2_500
    again = scores.released(K)
    assert again is scores


@FEW
@given(FLOATS | INTEGERS | CENTS)
def test_frequent_values_come_back_exactly_and_as_often(cells):
    scores, exact = NormalScores.fit(cells).released(K), NormalScores.fit(cells)
    values, counts = np.unique(cells, return_counts=True)
    often = values[counts >= K]
    for value in often:
        place = [np.flatnonzero(s.grid.to_values(s.ticks) == value)[0] for s in (scores, exact)]
        assert scores.low[place[0]] == exact.low[place[1]]
        assert scores.high[place[0]] == exact.high[place[1]]


@FEW
@given(st.integers(100, 400), st.integers(0, 2**16))
def test_no_number_of_few_rows_is_kept_not_even_the_extremes(n, seed):
    cells = rng(seed).lognormal(3, 2, n)
    cells[: n // 4] = cells[0]
    cells[n // 4 : n // 4 + 4] = cells[n // 4]
    for storage, values in ((Storage.FLOAT, cells), (Storage.DATETIME, (cells * 2**40).astype(np.int64))):
        codec = NumericCodec.fit(column(values, storage=storage, unit="ns")).released()
        kept = set(everything_in(codec)) & set(values.tolist())
        assert kept == {values[0]}
        assert codec.scores.ends[0] > values.min() and codec.scores.ends[1] < values.max()


@pytest.mark.parametrize(("n", "k"), [(39, 1), (40, 2), (60, 3), (100, 5), (5_000, 5)])
def test_how_many_rows_a_kept_number_stands_for(n, k):
    assert NumericCodec.fit(column(rng().normal(size=n))).released().scores.counts.min() == k


@FEW
@given(columns())
def test_features_keep_their_meaning(col):
    exact = NumericCodec.fit(col)
    codec = exact.released()
    assert (codec.n_num, codec.n_levels, codec.missing_level) == (1, exact.n_levels, exact.missing_level)
    a, b = (one.encode(col, rng()) for one in (exact, codec))
    np.testing.assert_array_equal(a.cat, b.cat)
    if len(codec.scores.ticks) > 2:
        inner = a.observed & (np.abs(a.num) < 1)
        # five cells are at most 5 / n of the ranks, and the density of ranks is at least 0.24 there
        ranks = 2 * K / exact.scores.n / 0.24
        assert (np.abs(a.num - b.num)[inner] <= ranks + 0.3 * ranks**2 + 1e-6).all() or exact.scores.n < 50


def test_a_few_spread_out_cells_beside_atoms_are_made_of_the_atoms():
    codec = NumericCodec.fit(column([0.0] * 150 + [7.0] * 50 + [1234.5])).released()
    features = Features(np.zeros((4000, 1)), np.ones((4000, 1), bool), np.zeros((4000, 1), int))
    values, missing = codec.decode(features, rng())
    assert not missing.any() and set(values) == {0.0, 7.0}
    assert np.mean(values == 7) == pytest.approx(0.25, abs=0.03)


def test_a_few_observed_cells_of_many_are_not_released():
    col = column(np.arange(1000.0) / 7, range(3, 1000))
    codec = NumericCodec.fit(col).released()
    assert not codec.holds_values
    _, missing = codec.decode(codec.encode(col, rng()), rng())
    assert missing.all()


# --- levels -----------------------------------------------------------------------------------------------


def test_rare_labels_are_gone_and_their_levels_draw_from_the_others():
    counts = {"Graz": 60, "Linz": 30, "Wels": 1, "Wien": 9}
    col = labels(np.repeat(list(counts), list(counts.values())).tolist())
    codec = LevelCodec.fit(col)
    assert codec.n_levels == (4,)
    free = codec.released()
    assert free.values.tolist() == [0, 1, 3] and free.n_levels == (4,)
    assert not free.knows(col)[90] and free.knows(col).sum() == 99
    values, _ = free.decode(levels_of(free, [0, 1, 3] * 10), rng())
    assert values.tolist() == [0, 1, 3] * 10
    values, _ = free.decode(levels_of(free, [2] * 20_000), rng())
    assert np.bincount(values) / 20_000 == pytest.approx([60 / 99, 30 / 99, 0, 9 / 99], abs=0.01)


@FEW
@given(st.lists(st.integers(1, 12), min_size=1, max_size=30), st.integers(0, 30), st.booleans())
def test_no_level_of_few_rows_is_kept(counts, n_missing, keep_all):
    values = np.append(np.repeat(np.arange(len(counts)), counts), np.zeros(n_missing, int))
    col = column(values, np.arange(len(values)) >= sum(counts))
    exact = LevelCodec.fit(col, keep_all)
    codec = exact.released()
    least = 2 if len(col) >= 20 and not keep_all else 1
    kept = [value for value, count in enumerate(counts) if count >= least]
    assert codec.values.tolist() == kept
    assert (codec.n_levels, codec.missing_level) == (exact.n_levels, exact.missing_level)
    drawn, missing = codec.decode(levels_of(codec, np.arange(codec.n_levels[0])), rng())
    assert set(drawn[~missing]) <= set(kept) or not kept
    assert missing.sum() == (n_missing > 0) or not kept


def test_the_target_and_booleans_keep_their_rare_levels():
    one_of_many = np.arange(100) == 0
    assert LevelCodec.fit(column(one_of_many * 1), keep_all=True).released().values.tolist() == [0, 1]
    assert LevelCodec.fit(column(one_of_many)).released().values.tolist() == [False, True]
    assert LevelCodec.fit(column(one_of_many * 1)).released().values.tolist() == [0]


def test_at_most_a_thousand_values_have_levels_of_their_own():
    counts = np.r_[np.full(500, 70), np.full(700, 50), np.full(300, 60)]
    col = column(np.repeat(np.arange(1500), counts))
    codec = LevelCodec.fit(col)
    assert codec.n_levels == (1001,)
    pooled = codec.values[codec.code_of == codec.pooled_level]
    assert pooled.tolist() == list(range(700, 1200))  # of the rarest, the first are kept
    values, _ = codec.decode(levels_of(codec, [codec.pooled_level] * 50_000), rng())
    assert set(values) == set(pooled)
    assert LevelCodec.fit(col, keep_all=True).n_levels == (1500,)


def test_the_pooled_level_draws_by_counts_and_when_released_from_what_is_left():
    counts = np.r_[np.full(1000, 100), [20, 60, 1]]
    codec = LevelCodec.fit(column(np.repeat(np.arange(1003), counts))).released()
    values, _ = codec.decode(levels_of(codec, [codec.pooled_level] * 20_000), rng())
    assert np.bincount(values - 1000) / 20_000 == pytest.approx([0.25, 0.75], abs=0.01)


def test_where_every_text_is_rare_others_are_made_alike():
    texts = [f"K-{i:04d}" for i in rng(1).permutation(9000)[:300]]
    codec = LevelCodec.fit(labels(texts))
    assert codec.n_levels == (300,)
    free = codec.released()
    values, missing = free.decode(levels_of(free, np.arange(300)), rng())
    assert not missing.any() and all(pd.Series(values).str.fullmatch(r"K-\d{4}"))
    assert not set(texts) & set(map(str, everything_in(free)))


def test_where_every_number_is_rare_others_are_made_by_their_law():
    cells = rng().normal(size=400)
    free = LevelCodec.fit(column(cells)).released()
    assert not set(cells) & set(everything_in(free))
    values, _ = free.decode(levels_of(free, np.arange(400)), rng())
    assert law_distance(values, cells) < 0.1
    one = LevelCodec.fit(column(np.arange(100.0), range(1, 100)))
    values, missing = one.released().decode(levels_of(one, [0, 1]), rng())
    assert missing.all()


def test_rare_labels_that_are_no_strings_are_refused():
    levels = tuple(range(30))
    with pytest.raises(SchemaError, match="'x', such as 0, occurs in too few of its 30 rows"):
        LevelCodec.fit(labels(list(levels), levels=levels))
    LevelCodec.fit(labels(list(levels), levels=levels), keep_all=True)


# --- tables -----------------------------------------------------------------------------------------------


def test_a_released_table_holds_no_rare_label_and_encodes_the_rest_as_before():
    draw = rng()
    city = draw.choice(["Graz", "Linz", "Wien"], 300).astype(object)
    city[7], city[150] = "Aalborg", "Zwettl"
    frame = pd.DataFrame(
        {"city": city, "amount": draw.normal(size=300), "note": [f"n{i}" for i in range(300)]}
    )
    cells, template = frames.read(frame)
    exact = TableEncoder.fit(cells, infer_schema(cells))
    encoder = exact.released()
    assert [one.levels for one in exact.templates] == [("Aalborg", "Graz", "Linz", "Wien", "Zwettl"), (), ()]
    assert [one.levels for one in encoder.templates] == [("Graz", "Linz", "Wien"), (), ()]
    common = frame.drop([7, 150])
    a, b = (one.encode(frames.read(common)[0], rng()).cat for one in (exact, encoder))
    assert (a == b).all()
    out = template.rebuild(encoder.decode(exact.encode(cells, rng()), rng()))
    assert set(out["city"]) == {"Graz", "Linz", "Wien"}
    assert (out["city"] == frame["city"]).drop([7, 150]).all()
    kept = set(map(str, everything_in(encoder)))
    assert not kept & {"Aalborg", "Zwettl"} and not kept & set(frame["note"])
    known = encoder.encode_known(cells, np.ones((300, 3), bool), rng())
    assert (~known.cat[:, 0]).nonzero().flatten().tolist() == [7, 150]
    target = TableEncoder.fit(cells, infer_schema(cells), frozenset(["city"])).released()
    assert target.templates[0].levels == exact.templates[0].levels


def test_small_tables_lose_nothing():
    col = column(np.arange(19) ** 2)
    for kind in (Kind.NUMERIC, Kind.CATEGORICAL):
        codec = fit_codec(col, kind).released()
        values, _ = codec.decode(codec.encode(col, rng()), rng())
        assert values.tolist() == col.values.tolist()


def test_draws_of_released_cells_stay_within_the_condition():
    cells = rng().normal(size=1000)
    codec = NumericCodec.fit(column(cells)).released()
    values, missing = codec.draw_cells(Wanted(low=0.3, high=1.2), 5_000, rng())
    assert ((values >= 0.3) & (values <= 1.2)).all() and not missing.any()
    assert law_distance(values, cells[(cells >= 0.3) & (cells <= 1.2)]) < 0.07
