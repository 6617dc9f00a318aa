"""Defects that were found in other evaluators, planted into this one: a known answer must notice each.

Every defect is a replacement of one function, and beside it stands the claim that it breaks. The claim holds
without the defect and fails with it; a claim that holds with it would be no test at all.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from known_answers import World, judged, noised, shuffled, value, world

from tabdiff.datasets import make_transactions
from tabdiff.errors import ControlContaminated, InputError, SchemaError
from tabdiff.evaluation import c2st_score, compare, features, judging, neighbours, reading
from tabdiff.evaluation.fidelity import c2st, distances, marginals, pairs
from tabdiff.evaluation.privacy import descriptive, field, inference, tails

N = 600


@dataclass(frozen=True)
class Defect:
    """What is replaced by what: (module or class, name, maker of the replacement from the original)."""

    target: Any
    name: str
    make: Callable[[Any], Any]
    claim: Callable[[], None]


DEFECTS: dict[str, list[Defect]] = {}


def defect(number: str, target: Any, name: str, claim: Callable[[], None]):
    def add(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        DEFECTS.setdefault(number, []).append(Defect(target, name, make, claim))
        return make

    return add


def small(seed: int = 0) -> World:
    return world(N, seed)


def measured(w: World, synthetic: pd.DataFrame, *measures: str, **changes: Any) -> Any:
    return judged(w, synthetic, measures=measures, **changes)


# --- M1: real and synthetic rows binned by their own edges ---


def a_shifted_column_is_far_from_the_real_one():
    w = small()
    spoilt = w.fresh.assign(amount=1_000 * w.fresh["amount"], age=w.fresh["age"] - 500)
    shifted, whole = (measured(w, t, "fidelity.marginal", "fidelity.pairs") for t in (spoilt, w.fresh))
    assert value(shifted, "fidelity.marginal.worst") > 0.8
    assert value(shifted, "fidelity.pairs.score") > value(whole, "fidelity.pairs.score") + 0.1


def own_edges(original):
    def binned(values, edges):
        return original(values, distances.quantile_edges(values[~np.isnan(values)], len(edges) + 1))

    return binned


defect("M1", marginals, "binned", a_shifted_column_is_far_from_the_real_one)(own_edges)
defect("M1", pairs, "binned", a_shifted_column_is_far_from_the_real_one)(own_edges)


# --- M2: a switch that thins the rows that are searched ---


def a_copy_is_found_whole():
    w = small()
    assert value(measured(w, shuffled(w.train, w.rng), "privacy.membership"), "privacy.mia.auc") > 0.99


@defect("M2", field, "nearest_rows", a_copy_is_found_whole)
def thinned(original):
    def nearest_rows(space, queries, references, k=1, itself=None):
        return original(space, queries, references[:150], k, None)

    return nearest_rows


# --- M3: what cannot be computed is dropped ---


def infinite_numbers_are_refused():
    w = small()
    with pytest.raises(InputError, match="infinite"):
        measured(w, w.fresh.assign(amount=np.inf), "fidelity.marginal")


@defect("M3", reading, "_check_finite", infinite_numbers_are_refused)
def unchecked(original):
    return lambda role, column: None


def an_empty_column_counts_as_the_worst():
    w = small()
    report = measured(w, w.fresh.assign(amount=np.nan), "fidelity.marginal")
    assert value(report, "fidelity.marginal.worst") > 0.9
    assert value(report, "fidelity.marginal.mean") > 0.05


@defect("M3", distances, "_defined", an_empty_column_counts_as_the_worst)
def dropped(original):
    def defined(distance, first, second):
        found = original(distance, first, second)
        return np.where(second.sum(axis=-1) * first.sum(axis=-1) == 0, 0.0, found)

    return defined


# --- M4: the detector fills missing cells, and falls over new levels ---


def six_empty_columns_are_detected():
    w = small()
    gone = dict.fromkeys(("amount", "balance", "hour", "distance", "s1", "s2"), np.nan)
    report = measured(w, w.fresh.assign(**gone, merchant="new"), "fidelity.c2st")
    assert value(report, "fidelity.c2st.auc") > 0.95


@defect("M4", features.BoostingFeatures, "matrix", six_empty_columns_are_detected)
def filled(original):
    def matrix(self, rows):
        cells = original(self, rows)
        empty = np.isnan(cells).all(axis=0)
        middle = np.array(
            [0.0 if gone else np.nanmean(column) for column, gone in zip(cells.T, empty, strict=True)]
        )
        known = self.categorical & (cells > 200)  # the code of levels that no real row has
        return np.where(np.isnan(cells) | known | empty, middle, 0.0)

    return matrix


# --- M5: state that instances share ---


def one_comparison_does_not_change_the_next():
    first, second = small(0), small(1)
    alone = value(measured(second, second.fresh, "privacy.linkability"), "privacy.linkability")
    scaled = second.fresh.assign(balance=second.fresh["balance"] / 1e3)
    before = neighbours.fit_space(compare(second.train, second.fresh, second.holdout)).scale
    neighbours.fit_space(
        compare(*(t.assign(balance=t["balance"] * 1e3) for t in (first.train, first.fresh, first.holdout)))
    )
    after = neighbours.fit_space(compare(second.train, scaled, second.holdout)).scale
    np.testing.assert_array_equal(before, after)
    assert alone == value(measured(second, second.fresh, "privacy.linkability"), "privacy.linkability")


@defect("M5", neighbours, "fit_space", one_comparison_does_not_change_the_next)
def remembered(original):
    last: list[Any] = []

    def fit_space(comparison, columns=None):
        last.append(original(comparison, columns))
        return last[max(0, len(last) - 2)]

    return fit_space


# --- M6: ties count against train, and missing columns pass ---


def ties_are_split():
    rng = np.random.default_rng(0)
    tables = [pd.DataFrame({c: rng.integers(0, 6, N).astype(str) for c in "abcd"}) for _ in range(3)]
    report = judged(World(*tables, rng), tables[2], target=None, measures=["descriptive.distances"])
    assert abs(value(report, "descriptive.dcr_share") - 0.5) < 0.08


@defect("M6", descriptive, "dcr_share", ties_are_split)
def strictly_nearer(original):
    return lambda to_train, to_holdout: float((to_train < to_holdout).mean())


def a_missing_column_is_refused():
    w = small()
    with pytest.raises(SchemaError, match="Lacking"):
        measured(w, w.fresh.drop(columns="s2"), "privacy.membership")


@defect("M6", reading, "_check_names", a_missing_column_is_refused)
def unnoticed(original):
    return lambda role, expected, given: None


# --- M7, M22: equal tables taken for one table ---


def self_comparison(original):
    def nearest(queries, references, k=1, itself=None):
        if itself is None and len(queries) <= len(references):
            itself = np.where(
                (queries.dense == references.dense[: len(queries)]).all(axis=1), np.arange(len(queries)), -1
            )
        return original(queries, references, k, itself)  # fmt: skip

    return nearest


def a_table_is_at_distance_zero_of_its_copy() -> None:
    points = neighbours.Points(np.random.default_rng(0).normal(size=(50, 3)), np.zeros((50, 0), dtype=int))
    assert (neighbours.nearest(points, points).distance == 0).all()


defect("M7", neighbours, "nearest", a_table_is_at_distance_zero_of_its_copy)(self_comparison)


def equal_sizes_are_no_equal_tables():
    first, second = (
        neighbours.Points(np.random.default_rng(seed).normal(size=(40, 3)), np.zeros((40, 0), dtype=int))
        for seed in (0, 1)
    )
    assert (neighbours.nearest(first, second).distance > 0).all()


@defect("M22", neighbours, "nearest", equal_sizes_are_no_equal_tables)
def by_size(original):
    return lambda q, r, k=1, itself=None: original(q, q if len(q) == len(r) else r, k, itself)


# --- M8: the smaller table padded with zeros ---


def a_small_sample_of_the_same_law_is_near():
    values = np.random.default_rng(0).normal(50, 5, 2_000)
    assert distances.quantile_gap(values[:200], values[200:], 5.0) < 0.3


@defect("M8", distances, "quantile_gap", a_small_sample_of_the_same_law_is_near)
def padded(original):
    def quantile_gap(first, second, scale):
        return original(np.append(first, np.zeros(max(0, len(second) - len(first)))), second, scale)

    return quantile_gap


# --- M9: a constant that hides the calibration ---


def a_row_in_the_open_is_judged_by_its_own_surroundings():
    # a lonely row with a synthetic row at .2 and no real row within 2; a row in the crowd, .1 from both
    lonely, crowded = field.member_score(np.array([0.2, 0.1]), np.array([2.0, 0.1]), 1.0)
    assert lonely == pytest.approx(np.log(10)) and crowded == pytest.approx(0.0)


@defect("M9", field, "member_score", a_row_in_the_open_is_judged_by_its_own_surroundings)
def uncalibrated(original):
    def member_score(to_synthetic, to_real, unit):
        power = 15  # densities in as many dimensions
        return np.log(to_synthetic**-power / (1e-300 * to_real**-power + 1e10))

    return member_score


# --- M10, M16, M17, M18: attribute inference on numbers ---


def a_noisy_copy_gives_numbers_away():
    w = small()
    report = measured(w, noised(w.train, w.rng, 0.002), "privacy.attribute_inference", sensitive=["balance"])
    assert value(report, "privacy.attribute_inference") > 0.5


@defect("M10", inference, "hits", a_noisy_copy_gives_numbers_away)
def exactly_equal(original):
    return lambda guess, truth, allowed: guess == truth


@defect("M16", inference, "tolerance", a_noisy_copy_gives_numbers_away)
def no_tolerance(original):
    return lambda cells: 0.0


def far_negative_guesses_are_wrong():
    guess, truth = np.array([-1.0, -2.0, -0.1, 5.1]), np.array([5.0, 100.0, 7.0, 5.0])
    assert inference.hits(guess, truth, 0.25).tolist() == [False, False, False, True]


@defect("M17", inference, "hits", far_negative_guesses_are_wrong)
def without_abs(original):
    return lambda guess, truth, allowed: np.abs(guess - truth) / guess <= allowed


def the_best_constant_is_right_as_often_as_the_mode():
    cells = np.array([0, 1, 1, 1, 2])
    assert inference.hits(np.full(5, inference.best_constant(cells, 0.0)), cells, 0.0).mean() == 0.6
    numbers = np.array([1.0, 7.0, 7.1, 7.2, 30.0])
    guess = inference.best_constant(numbers, 0.1)
    assert inference.hits(np.full(5, guess), numbers, 0.1 + 1e-9).mean() == 0.6


@defect("M18", inference, "best_constant", the_best_constant_is_right_as_often_as_the_mode)
def misaligned(original):
    return lambda cells, allowed: np.nan


# --- M11: scales that are worked out and then overwritten with ones ---


def the_unit_of_a_column_does_not_matter():
    tables = [make_transactions(200, seed)[["amount", "age"]] for seed in range(3)]
    scaled = [t.assign(amount=t["amount"] * 1e3) for t in tables]
    found = []
    for three in (tables, scaled):
        compared = compare(*three)
        space = neighbours.fit_space(compared)
        found.append(neighbours.nearest(space.points(compared.train), space.points(compared.synthetic)))
    np.testing.assert_allclose(found[0].distance, found[1].distance)


@defect("M11", neighbours, "_scale", the_unit_of_a_column_does_not_matter)
def ones(original):
    return lambda cells: (0.0, 1.0)


# --- M12: rows of one table looked up by the numbers of another ---


def suspects_are_pairs_of_equal_rows():
    w = small()
    synthetic = shuffled(w.train, w.rng)
    found = measured(w, synthetic, "privacy.membership").suspects
    real = w.train.iloc[found["train_row"].to_numpy()].reset_index(drop=True)
    made = synthetic.iloc[found["synthetic_row"].to_numpy()].reset_index(drop=True)
    pd.testing.assert_frame_equal(real, made)


@defect("M12", tails, "suspect", suspects_are_pairs_of_equal_rows)
def mixed_up(original):
    return lambda train_row, synthetic_row, distance, why: original(synthetic_row, train_row, distance, why)


# --- M13: tables of different sizes ---


def sizes_do_not_move_the_share():
    w = world(2 * N, 0, N // 2)
    found = value(measured(w, w.fresh, "descriptive.distances"), "descriptive.dcr_share")
    assert abs(found - 0.5) < 0.08


@defect("M13", descriptive, "_some", sizes_do_not_move_the_share)
def unequal(original):
    return lambda rows, n, rng: rows


# --- M14: distances scaled by their own extremes ---


def a_noisy_copy_is_near_and_a_fresh_table_is_not():
    w = small()
    near = value(measured(w, noised(w.train, w.rng), "privacy.membership"), "privacy.copies.near")
    fresh = value(measured(w, w.fresh, "privacy.membership"), "privacy.copies.near")
    assert near > 0.5 and fresh < 0.05


@defect("M14", field, "member_score", a_noisy_copy_is_near_and_a_fresh_table_is_not)
def by_its_own_range(original):
    def member_score(to_synthetic, to_real, unit):
        score = original(to_synthetic, to_real, unit)
        return (score - score.min()) / (score.max() - score.min())

    return member_score


# --- M15: results kept as pickles and trusted when found ---


class Payload:
    def __reduce__(self):
        return Path("executed").touch, ()


def nothing_is_read_from_the_working_folder():
    w = small()
    Path("cache.pkl").write_bytes(pickle.dumps(Payload()))
    measured(w, w.fresh, "fidelity.validity")
    assert not Path("executed").exists()


@defect("M15", judging, "measure_all", nothing_is_read_from_the_working_folder)
def cached(original):
    def measure_all(comparison, names):
        if Path("cache.pkl").exists():
            pickle.loads(Path("cache.pkl").read_bytes())
        return original(comparison, names)

    return measure_all


# --- M19: nine leaked outliers ignored, the holdout itself accepted ---


def the_holdout_as_synthetic_table_is_refused():
    w = small()
    with pytest.raises(ControlContaminated):
        measured(w, w.holdout.copy(), "fidelity.c2st")


@defect("M19", reading, "check_control", the_holdout_as_synthetic_table_is_refused)
def accepted(original):
    return lambda comparison: None


def nine_planted_outliers_are_listed():
    w = small()
    isolated = w.train["amount"].nlargest(9).index
    planted = noised(w.train, w.rng, 0.001).loc[isolated]
    report = measured(w, pd.concat([w.fresh[9:], planted]), "privacy.membership")
    assert len(set(report.suspects["train_row"]) & set(isolated)) >= 7


@defect("M19", field, "measure_field", nine_planted_outliers_are_listed)
def from_the_tenth_on(original):
    def measure_field(comparison, units, rng):
        found = original(comparison, units, rng)
        score = found.score.copy()
        score[np.argsort(-score)[:10]] = score.min()
        return replace(found, score=score)

    return measure_field


# --- M20: one differing level counts as two, a number as one ---


def one_differing_level_counts_one():
    real = pd.DataFrame({"c": ["a", "b"] * 30, "x": 1.5})
    compared = compare(
        real.assign(x=np.arange(60.0)), real.iloc[:2].assign(c="a"), real.assign(x=np.arange(60) + 0.5)
    )
    space = neighbours.fit_space(compared, [compared.layout["c"]])
    rows = space.points(compared.train)[:2]
    assert neighbours.nearest(rows, space.points(compared.synthetic)).distance[
        :, 0
    ].tolist() == pytest.approx([0, 1])


@defect("M20", neighbours.Space, "points", one_differing_level_counts_one)
def counts_two(original):
    def points(self, rows):
        found = original(self, rows)
        return neighbours.Points(found.dense * np.sqrt(2), found.codes)

    return points


# --- M21: the sign folded away, and a detector that loses its last column ---


def an_area_below_one_half_is_shown_as_it_is():
    # the twin of a held-out row was fitted on under the other label, so that the classifier is wrong
    real = make_transactions(200, 0)
    assert c2st_score(real, real.copy()) < 0.45


@defect("M21", c2st, "delong_auc", an_area_below_one_half_is_shown_as_it_is)
def folded(original):
    def delong_auc(positives, negatives, n_effective=None):
        found = original(positives, negatives, n_effective)
        return found._replace(auc=max(found.auc, 1 - found.auc))

    return delong_auc


def a_table_of_one_column_is_judged():
    rng = np.random.default_rng(0)
    real, shifted = (pd.DataFrame({"x": rng.normal(shift, 1, N)}) for shift in (0, 2))
    assert c2st_score(real, shifted) > 0.85


@defect("M21", features.BoostingFeatures, "matrix", a_table_of_one_column_is_judged)
def without_the_last(original):
    def matrix(self, rows):
        cells = original(self, rows).copy()
        cells[:, -1] = 0.0
        return cells

    return matrix


# --- all of them ---


CASES = [(number, place) for number in DEFECTS for place in range(len(DEFECTS[number]))]


def test_all_twenty_two_are_planted():
    assert sorted(DEFECTS, key=lambda number: int(number[1:])) == [f"M{i}" for i in range(1, 23)]


@pytest.mark.parametrize(("number", "place"), CASES, ids=[f"{n}-{p}" for n, p in CASES])
def test_a_known_answer_notices_the_defect(number, place, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    planted = DEFECTS[number][place]
    planted.claim()
    original = getattr(planted.target, planted.name)
    for module in _users(planted.name, original):
        monkeypatch.setattr(module, planted.name, planted.make(original))
    with pytest.raises((AssertionError, pytest.fail.Exception, KeyError, InputError, ValueError)):
        planted.claim()


def _users(name: str, original: Any) -> list[Any]:
    """Every module of the evaluation that holds this function under its name, or the class of a method."""
    modules = [module for key, module in sys.modules.items() if key.startswith("tabdiff.evaluation")]
    holders = [module for module in modules if getattr(module, name, None) is original]
    return holders or [features.BoostingFeatures if name == "matrix" else neighbours.Space]
