"""Cells drawn under conditions follow the law of the rows that meet them: checked on laws that are known."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm

from tabdiff.conditions.drawing import MIN_BUDGET, Law, draw_given
from tabdiff.conditions.kernels import RatioKernel, level_shares, resample
from tabdiff.errors import ConditionError
from tabdiff.schema import Column, Storage
from tabdiff.wanted import Wanted


def seed(number=0):
    return np.random.SeedSequence(number)


def template(name, storage, dtype, levels=()):
    return Column(name, storage, np.zeros(0, dtype=dtype), np.zeros(0, dtype=bool), levels)


def one_of(*codes, missing=False):
    return Wanted(np.array(codes, dtype=np.int64), missing=missing)


def between(low, high):
    return Wanted(low=low, high=high)


def equal(value):
    return Wanted(np.array([value]))


def cells_of(given, *names):
    by_name = {column.name: column.values for column in given.columns}
    return [by_name[name] for name in names]


def meets_all(given, wanted):
    by_name = {column.name: column for column in given.columns}
    return all(one.meets(by_name[n].values, by_name[n].missing).all() for n, one in wanted.items())


@dataclass
class Enumerated:
    """Columns of levels whose joint law is a table. The last level of column "c" is a missing cell."""

    table: np.ndarray
    n_drawn: int = 0

    names = ("a", "b", "c")

    def law(self):
        columns = [
            template(name, Storage.LABEL, np.int64, tuple("uvwxyz"[:size]))
            for name, size in zip(self.names, self.table.shape, strict=True)
        ]
        return Law(columns, self.draw_cells, self.draw, self.features)

    def cells(self, name, codes):
        missing = codes == self.table.shape[2] - 1 if name == "c" else np.zeros(len(codes), dtype=bool)
        return np.where(missing, 0, codes), missing

    def codes(self, column):
        return np.where(column.missing, self.table.shape[2] - 1, column.values)

    def draw_cells(self, name, wanted, n, rng):
        axis = self.names.index(name)
        share = self.table.sum(axis=tuple({0, 1, 2} - {axis}))
        share = share * wanted.meets(*self.cells(name, np.arange(len(share))))
        if not share.sum():
            raise ConditionError(f"no cell of {name} meets it")
        return self.cells(name, rng.choice(len(share), n, p=share / share.sum()))

    def draw(self, columns, known, n, seed):
        self.n_drawn += n
        rng = np.random.default_rng(seed)
        size = self.table.shape
        weights = np.broadcast_to(self.table, (n, *size)).copy()
        for axis, column in enumerate(columns):
            apart = self.codes(column)[:, None] != np.arange(size[axis])
            blocked = apart & known[:, axis, None]
            shape = [n, 1, 1, 1]
            shape[axis + 1] = size[axis]
            weights *= ~blocked.reshape(shape)
        flat = weights.reshape(n, -1).cumsum(axis=1)
        place = (rng.uniform(size=(n, 1)) * flat[:, -1:] >= flat).sum(axis=1)
        codes = np.unravel_index(place, size)
        return [c.with_cells(*self.cells(c.name, code)) for c, code in zip(columns, codes, strict=True)]

    def features(self, columns, rng):
        levels = [self.codes(column) for column in columns]
        return np.zeros((len(columns[0]), 0)), np.stack(levels, axis=1)


@dataclass
class Mixture:
    """A class of the given shares; two numbers, normal within each class."""

    shares: tuple[float, ...]
    means: tuple[tuple[float, float], ...]
    covariance: tuple[tuple[float, float], tuple[float, float]]
    n_drawn: int = 0

    def law(self):
        columns = [
            template("class", Storage.LABEL, np.int64, tuple("uvw"[: len(self.shares)])),
            template("x", Storage.FLOAT, np.float64),
            template("y", Storage.FLOAT, np.float64),
        ]
        return Law(columns, self.draw_cells, self.draw, self.features)

    def normals(self, i):
        return [norm(mean[i], np.sqrt(self.covariance[i][i])) for mean in self.means]

    def draw_cells(self, name, wanted, n, rng):
        none = np.zeros(n, dtype=bool)
        if name == "class":
            share = np.array(self.shares) * wanted.meets(np.arange(len(self.shares)), False)
            return rng.choice(len(share), n, p=share / share.sum()), none
        normals = self.normals("xy".index(name))
        ends = [-np.inf if wanted.low is None else wanted.low, np.inf if wanted.high is None else wanted.high]
        low, high = (np.array([one.cdf(end) for one in normals]) for end in ends)
        share = np.array(self.shares) * (high - low)
        k = rng.choice(len(share), n, p=share / share.sum())
        rank = low[k] + rng.uniform(size=n) * (high - low)[k]
        values = np.array([one.ppf(r) for one, r in zip(normals, [rank] * len(normals), strict=True)])
        return np.clip(values[k, np.arange(n)], *ends), none

    def draw(self, columns, known, n, seed):
        self.n_drawn += n
        rng = np.random.default_rng(seed)
        known_class, known_x, known_y = known[0]
        assert (known == known[0]).all()
        k, numbers = columns[0].values, np.stack([c.values for c in columns[1:]], axis=1)
        means, cov = np.array(self.means), np.array(self.covariance)
        index = [i for i, is_known in enumerate((known_x, known_y)) if is_known]
        if not known_class:
            logs = np.log(self.shares) + np.zeros((n, 1))
            if index:
                apart = numbers[:, None, index] - means[None, :, index]
                precision = np.linalg.inv(cov[np.ix_(index, index)])
                logs = logs - np.einsum("nki,ij,nkj->nk", apart, precision, apart) / 2
            k = (logs + rng.gumbel(size=logs.shape)).argmax(axis=1)
        rest = [i for i in (0, 1) if i not in index]
        gain = cov[np.ix_(rest, index)] @ np.linalg.inv(cov[np.ix_(index, index)])
        mean = means[k][:, rest] + (numbers[:, index] - means[k][:, index]) @ gain.T
        left = cov[np.ix_(rest, rest)] - gain @ cov[np.ix_(index, rest)]
        drawn = numbers.copy()
        if rest:
            drawn[:, rest] = mean + rng.standard_normal((n, len(rest))) @ np.linalg.cholesky(left).T
        none = np.zeros(n, dtype=bool)
        return [c.with_cells(v, none) for c, v in zip(columns, (k, *drawn.T), strict=True)]

    def features(self, columns, rng):
        scores, levels = [np.zeros((len(columns[0]), 0))], [np.zeros((len(columns[0]), 0), dtype=np.int64)]
        for column in columns:
            if column.name == "class":
                levels.append(column.values[:, None])
            else:
                normals = self.normals("xy".index(column.name))
                rank = sum(p * one.cdf(column.values) for p, one in zip(self.shares, normals, strict=True))
                scores.append(norm.ppf(np.clip(rank, 1e-12, 1 - 1e-12))[:, None])
        return np.concatenate(scores, axis=1), np.concatenate(levels, axis=1)

    def truth(self, wanted, n=4000):
        """Brute force: rows of the law until n of them meet the conditions (numbers drawn where wanted)."""
        rng, found, total = np.random.default_rng(5), [], 0
        root = np.linalg.cholesky(np.array(self.covariance))
        share = np.array(self.shares)
        if "class" in wanted:
            share = share * np.isin(np.arange(len(share)), wanted["class"].values)
        while total < n:
            k = rng.choice(len(share), 500_000, p=share / share.sum())
            rows = np.array(self.means)[k] + rng.standard_normal((500_000, 2)) @ root.T
            good = np.ones(len(rows), dtype=bool)
            for i, name in enumerate("xy"):
                if name in wanted:
                    good &= wanted[name].meets(rows[:, i], np.zeros(len(rows), dtype=bool))
            found.append(np.column_stack([k, rows])[good])
            total += int(good.sum())
        return np.concatenate(found)


def pair(rho):
    return Mixture((1.0,), ((0.0, 0.0),), ((1.0, rho), (rho, 1.0)))


JOINT = np.array(
    [
        [[6, 1, 2, 1], [0, 3, 1, 2], [8, 1, 1, 2]],
        [[1, 7, 1, 3], [2, 2, 5, 1], [1, 1, 9, 1]],
    ]
) / 62  # fmt: skip


def test_one_column_follows_its_own_law_without_a_row_drawn():
    made = Enumerated(JOINT)
    given = draw_given({"b": one_of(0, 2)}, 20_000, made.law(), seed())
    share = JOINT.sum(axis=(0, 2))
    assert abs(np.mean(cells_of(given, "b")[0] == 0) - share[0] / (share[0] + share[2])) < 0.012  # 3.5 sigma
    assert given.exact and made.n_drawn == 0


def test_equalities_are_handed_on_as_they_are():
    made = Enumerated(JOINT)
    given = draw_given({"a": one_of(1), "c": Wanted(observed=False, missing=True)}, 3, made.law(), seed())
    assert given.columns[0].values.tolist() == [1, 1, 1]
    assert given.columns[2].missing.tolist() == [True] * 3
    assert given.known.tolist() == [[True, False, True]] * 3
    assert given.exact and made.n_drawn == 0


@pytest.mark.parametrize(
    "wanted",
    [
        {"b": one_of(0, 2), "c": one_of(1, 2)},
        {"a": one_of(1), "c": one_of(0, 2)},
        {"a": one_of(0), "b": one_of(0, 1), "c": one_of(1, missing=True)},
        {"b": one_of(1, 2), "c": Wanted()},
        {"a": one_of(0, 1), "b": one_of(0, 1), "c": one_of(0, 1)},
    ],
    ids=str,
)
def test_levels_follow_the_enumerated_law(wanted):
    made, n = Enumerated(JOINT), 4000
    given = draw_given(wanted, n, made.law(), seed())
    target = JOINT.copy()
    for axis, name in enumerate(made.names):
        meets = (
            wanted[name].meets(*made.cells(name, np.arange(JOINT.shape[axis])))
            if name in wanted
            else np.ones(JOINT.shape[axis], dtype=bool)
        )
        target *= meets.reshape([-1 if i == axis else 1 for i in range(3)])
    asked = tuple(axis for axis, name in enumerate(made.names) if name in wanted)
    target = target.sum(axis=tuple({0, 1, 2} - set(asked))) / target.sum()
    codes = tuple(made.codes(given.columns[axis]) for axis in asked)
    counts = np.zeros(target.shape)
    np.add.at(counts, codes, 1)
    assert given.exact and meets_all(given, wanted)
    assert not counts[target == 0].any()
    # five standard errors, of half as many draws at the worst
    assert (np.abs(counts / n - target) <= 5 * np.sqrt(target * (1 - target) / (n / 2))).all()


def test_levels_that_exclude_each_other_are_refused():
    table = JOINT.copy()
    table[:, 0, 1:3] = 0  # b = 0 never goes with c = 1 or 2
    made = Enumerated(table / table.sum())
    with pytest.raises(ConditionError, match="exclude each other"):
        draw_given({"b": one_of(0), "c": one_of(1, 2)}, 10, made.law(), seed())
    with pytest.raises(ConditionError, match="exclude each other"):
        draw_given({"a": one_of(0, 1), "b": one_of(0), "c": one_of(1, 2)}, 10, made.law(), seed())


def test_a_condition_that_no_cell_meets_is_refused():
    table = JOINT.copy()
    table[:, 1:] = 0
    with pytest.raises(ConditionError, match="no cell of b"):
        draw_given({"a": one_of(0), "b": one_of(1, 2)}, 5, Enumerated(table / table.sum()).law(), seed())


def test_ranges_of_two_numbers_follow_the_truncated_normal():
    wanted = {"x": between(0.0, 1.0), "y": between(-1.0, 0.5)}
    made = pair(0.8)
    given = draw_given(wanted, 2000, made.law(), seed())
    truth = made.truth(wanted)
    x, y = cells_of(given, "x", "y")
    assert given.exact and given.effective >= 1000 and meets_all(given, wanted)
    for drawn, real in ((x, truth[:, 1]), (y, truth[:, 2]), (x - y, truth[:, 1] - truth[:, 2])):
        assert ks_2samp(drawn, real).statistic < 0.055  # 1.36 * sqrt(1/1000 + 1/4000) = 0.048 at 5 %


def test_one_row_in_ten_thousand_is_drawn_as_it_occurs():
    wanted = {"x": between(2.6, None), "y": between(2.6, None)}
    made = pair(0.35)
    truth = made.truth(wanted, n=400)
    given = draw_given(wanted, 400, made.law(), seed())
    assert meets_all(given, wanted) and given.exact and given.effective >= 200
    for drawn, real in zip(cells_of(given, "x", "y"), (truth[:, 1], truth[:, 2]), strict=True):
        assert ks_2samp(drawn, real).statistic < 0.14  # 1.63 * sqrt(2 / 400) = 0.115 at 1 %


FRAUD = ((0.9, 0.09, 0.01), ((0.0, 0.0), (1.0, -1.0), (3.0, 2.0)), ((1.0, 0.5), (0.5, 1.0)))


@pytest.mark.parametrize(
    "wanted",
    [
        {"class": one_of(2), "x": between(3.5, 4.5)},
        {"class": one_of(1, 2), "x": between(3.5, 4.5)},
        {"class": one_of(0, 1), "x": between(1.0, 2.0), "y": between(-2.0, -1.0)},
        {"class": one_of(1), "x": between(1.5, 2.5), "y": between(-4.0, -2.0)},
        {"class": one_of(0), "x": between(3.5, None)},
    ],
    ids=lambda wanted: "-".join(wanted),
)
def test_a_class_and_ranges_follow_the_mixture(wanted):
    """The last condition is met by 2 rows in 10,000 of its class."""
    made = Mixture(*FRAUD)
    truth = made.truth(wanted, n=300)
    given = draw_given(wanted, 2000, made.law(), seed())
    assert given.exact and given.effective >= 1000 and meets_all(given, wanted)
    for i, name in enumerate(("class", "x", "y")):
        if name in wanted:
            drawn = cells_of(given, name)[0]
            bound = 2.0 * np.sqrt(1 / len(truth) + 1 / given.effective)
            assert ks_2samp(drawn, truth[:, i]).statistic < bound


def test_an_equality_of_a_number_shifts_the_law_of_a_range():
    """Given x = 1, y is N(0.8, 0.6^2)."""
    wanted = {"x": equal(1.0), "y": between(0.0, 1.0)}
    given = draw_given(wanted, 2000, pair(0.8).law(), seed())
    x, y = cells_of(given, "x", "y")
    law = norm(0.8, 0.6)
    ranks = (law.cdf(y) - law.cdf(0)) / (law.cdf(1) - law.cdf(0))
    assert (x == 1).all() and given.exact
    assert ks_2samp(ranks, np.linspace(0, 1, 10_001)).statistic < 0.045


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (pair(0.8), {"x": between(2.0, 3.0), "y": between(-0.5, 0.5)}),
        (pair(0.95), {"x": between(0.5, 1.5), "y": between(-0.7, -0.2)}),
        (Mixture(*FRAUD), {"class": one_of(2), "x": between(-1.0, 0.0)}),
    ],
    ids=["two in a hundred", "six in a thousand", "one in a thousand"],
)
def test_where_too_few_rows_meet_them_the_estimate_is_near(made, wanted):
    """Shares: of the rows that meet the rarer condition, those that meet the other.

    Means are within 0.5 standard deviations of the truth and the spread within a factor of 1.5: an estimate,
    and said to be one. Independent columns, the proposals, are off by more.
    """
    truth = made.truth(wanted, n=300)
    given = draw_given(wanted, 2000, made.law(), seed())
    assert not given.exact and given.effective >= 500 and meets_all(given, wanted)
    for i, name in ((1, "x"), (2, "y")):
        if name in wanted:
            drawn, real = cells_of(given, name)[0], truth[:, i]
            own = made.draw_cells(name, wanted[name], 20_000, np.random.default_rng(3))[0]
            assert abs(drawn.mean() - real.mean()) < 0.5 * real.std() < abs(own.mean() - real.mean())
            assert real.std() / 1.5 < drawn.std() < real.std() * 1.5


def test_columns_that_are_independent_stay_so_in_the_estimate():
    wanted = {"x": between(2.0, 3.0), "y": between(2.5, 4.5)}
    made = pair(0.0)
    given = draw_given(wanted, 2000, made.law(), seed())
    x, y = cells_of(given, "x", "y")
    own = made.draw_cells("y", wanted["y"], 20_000, np.random.default_rng(3))[0]
    assert not given.exact
    assert ks_2samp(y, own).statistic < 0.08
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.15


def test_numbers_that_cannot_go_together_are_refused():
    wanted = {"x": between(2.0, 3.0), "y": between(-3.0, -2.0)}
    with pytest.raises(ConditionError, match="cannot be met together"):
        draw_given(wanted, 20, pair(0.9999).law(), seed())


def test_a_rare_condition_takes_no_more_rows_than_a_common_one():
    drawn = []
    for low in (0.5, 3.0, 4.0):
        made = Mixture(*FRAUD)
        draw_given({"class": one_of(0), "x": between(low, None)}, 500, made.law(), seed())
        drawn.append(made.n_drawn)
    assert max(drawn) <= 2 * MIN_BUDGET


def test_the_same_seed_gives_the_same_cells():
    wanted = {"x": between(2.0, 3.0), "y": between(-0.5, 0.5)}
    first, again, other = (draw_given(wanted, 300, pair(0.9).law(), seed(i)) for i in (1, 1, 2))
    assert np.array_equal(first.columns[2].values, again.columns[2].values)
    assert not np.array_equal(first.columns[2].values, other.columns[2].values)


def test_one_row_can_be_asked_for():
    given = draw_given({"x": between(2.0, 3.0), "y": between(-0.5, 0.5)}, 1, pair(0.9).law(), seed())
    assert len(given.columns[1]) == 1


# --- the parts ----------------------------------------------------------------------------------------------


def test_the_kernel_ratio_of_a_normal_pair_is_near_its_formula():
    """Of p(x, y) / (p(x) p(y)) = (1 - r^2)^(-1/2) exp((2 r x y - r^2 (x^2 + y^2)) / (2 (1 - r^2)))."""
    rng, rho = np.random.default_rng(0), 0.8
    rows = rng.standard_normal((4096, 2)) @ np.linalg.cholesky([[1, rho], [rho, 1]]).T
    kernel = RatioKernel.fit(rows, np.zeros((4096, 0), dtype=np.int64), [], rng)
    x, y = points = np.array([[0.0, 0.0], [1.0, 1.0], [1.5, 0.5], [-1.0, -1.5]]).T
    truth = -np.log(1 - rho**2) / 2 + (2 * rho * x * y - rho**2 * (x**2 + y**2)) / (2 * (1 - rho**2))
    assert kernel.log_ratio(points.T, np.zeros((4, 0), dtype=np.int64), rng) == pytest.approx(truth, abs=0.15)


def test_the_kernel_ratio_of_levels_is_a_ratio_of_counts():
    """3 of 4 centres have level 0 where 2 were expected: (3 + 1) / (2 + 1); level 1: (1 + 1) / (2 + 1)."""
    centres, none = np.array([[0], [0], [0], [1]]), np.zeros((4, 0))
    kernel = RatioKernel.fit(none, centres, [np.array([0.5, 0.5])], np.random.default_rng(0))
    ratios = np.exp(kernel.log_ratio(none[:2], np.array([[0], [1]]), np.random.default_rng(0)))
    assert ratios == pytest.approx([4 / 3, 2 / 3], rel=1e-5)


def test_a_score_that_is_unobserved_everywhere_does_not_count():
    rng = np.random.default_rng(0)
    scores = np.column_stack([rng.standard_normal(4000), np.full(4000, np.nan)])
    levels = np.zeros((4000, 0), dtype=np.int64)
    kernel = RatioKernel.fit(scores, levels, [], rng)
    points = np.column_stack([np.zeros(200), rng.standard_normal(200)])
    assert np.exp(kernel.log_ratio(points, levels[:200], rng)).mean() == pytest.approx(1, abs=0.05)


def test_levels_that_no_draw_had_count_as_half_a_cell():
    assert level_shares(np.array([0, 0, 2]), 4) == pytest.approx([2 / 3, 0.5 / 3, 1 / 3, 0.5 / 3])


def test_resampling_repeats_each_place_by_its_weight():
    places, effective = resample(np.log([0.5, 0.25, 0.25, 1e-30]), 8, np.random.default_rng(0))
    assert np.bincount(places, minlength=4).tolist() == [4, 2, 2, 0]
    assert effective == pytest.approx(1 / 0.375)
