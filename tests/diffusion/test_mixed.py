"""Ragged columns side by side equal a loop over columns, and unobserved cells say nothing."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Constant, bayes, generator, kernel
from scipy.stats import chisquare

from tabdiff.batch import MixedBatch
from tabdiff.diffusion import multinomial
from tabdiff.diffusion.gaussian import NoisePrediction, VelocityPrediction
from tabdiff.diffusion.mixed import LevelLayout, MixedProcess
from tabdiff.diffusion.schedules import KarrasSchedule

RAGGED = {
    "one column": [4],
    "one level": [1],
    "mixed": [3, 1, 20, 2, 7, 4, 2, 1],
    "1,000 binary": [2] * 1000,
    "one large": [2, 5000, 3],
}


@pytest.fixture(params=RAGGED.values(), ids=RAGGED)
def n_levels(request):
    return request.param


def logits_of(layout, flat, column):
    """The logits of one column, found by the definition of a bucket: (B, n_levels)."""
    for bucket in layout.buckets:
        for j, c in enumerate(bucket.columns.tolist()):
            if c == column:
                begin = bucket.start + j * bucket.width
                return flat[:, begin : begin + int(bucket.n_levels[j])]


def random_flat(layout, n_rows=5, spread=3.0):
    return spread * torch.randn(n_rows, layout.n_logits, generator=generator())


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


# --- layout -----------------------------------------------------------------------------------------


def test_buckets_by_hand():
    layout = LevelLayout([3, 1, 20, 2, 7, 4, 2])
    assert [bucket.columns.tolist() for bucket in layout.buckets] == [[1], [3, 6], [0, 5], [4], [2]]
    assert [bucket.width for bucket in layout.buckets] == [1, 2, 4, 7, 20]
    assert [bucket.start for bucket in layout.buckets] == [0, 1, 5, 13, 20]
    assert layout.n_logits == 40


def test_split_is_a_loop_over_columns(n_levels):
    layout = LevelLayout(n_levels)
    flat = random_flat(layout)
    parts = layout.split(flat)
    seen = set()
    for bucket, part in zip(layout.buckets, parts, strict=True):
        for j, column in enumerate(bucket.columns.tolist()):
            count = n_levels[column]
            assert torch.equal(part[:, j, :count], logits_of(layout, flat, column))
            assert (part[:, j, count:] == -math.inf).all()
            seen.add(column)
    assert seen == set(range(len(n_levels)))


def test_scatter_puts_every_column_back(n_levels):
    layout = LevelLayout(n_levels)
    rows = torch.arange(3 * len(n_levels)).reshape(3, -1)
    assert torch.equal(layout.scatter([rows[:, bucket.columns] for bucket in layout.buckets]), rows)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=40))
def test_padding_at_most_doubles_and_buckets_stay_few(n_levels):
    layout = LevelLayout(n_levels)
    assert sum(n_levels) <= layout.n_logits < 2 * sum(n_levels)
    assert len(layout.buckets) <= 1 + math.ceil(math.log2(max(n_levels)))


def test_predicted_laws_are_a_loop_over_columns(n_levels):
    process = MixedProcess(0, LevelLayout(n_levels))
    flat = random_flat(process.layout)
    x_t = process.prior((len(flat),), generator())
    laws = process.predict(lambda num, *_: (num, flat), x_t, f64(0.5), None).log_p0
    for bucket, law in zip(process.layout.buckets, laws, strict=True):
        for j, column in enumerate(bucket.columns.tolist()):
            alone = torch.log_softmax(logits_of(process.layout, flat, column).double(), -1)
            torch.testing.assert_close(law[:, j, : n_levels[column]].double(), alone, rtol=1e-5, atol=1e-5)


def test_levels_of_a_step_follow_the_exact_law_of_each_column():
    sizes, n_rows = [3, 1, 20, 2, 7, 4, 2], 20_000
    process = MixedProcess(0, LevelLayout(sizes))
    t, s = f64(0.7), f64(0.4)
    ab_t, ab_s = (process.cat_schedule.alpha_bar(u).item() for u in (t, s))
    flat, x_t = random_flat(process.layout, 1, 1.0), torch.tensor(sizes) - 1
    log_p0 = [torch.log_softmax(part, -1).expand(n_rows, -1, -1) for part in process.layout.split(flat)]
    drawn = process.step_levels(x_t.expand(n_rows, -1), log_p0, t, s, generator())
    for column, count in enumerate(sizes):
        p0 = torch.softmax(logits_of(process.layout, flat, column)[0].double(), -1)
        law = p0 @ bayes(count, ab_s, ab_t)[count - 1]
        observed = torch.bincount(drawn[:, column], minlength=count)
        assert len(observed) == count  # padding is never drawn
        assert count == 1 or chisquare(observed.numpy(), (law * n_rows).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("times", [(1.0, 31 / 32), (0.5, 0.2), (1 / 32, 0.0)])
def test_laws_are_finite_at_a_spread_of_100(n_levels, times):
    process = MixedProcess(0, LevelLayout(n_levels))
    flat = 200 * torch.rand(20, process.layout.n_logits, generator=generator()) - 100
    x_t, (t, s) = process.prior((20,), generator()).cat, f64(*times)[:, None]
    log_p0 = [torch.log_softmax(part, -1) for part in process.layout.split(flat)]
    ab_t, ab_s = (process.cat_schedule.alpha_bar(u)[:, None] for u in (t, s))
    for bucket, law in zip(process.layout.buckets, log_p0, strict=True):
        for reverse in (multinomial.log_reverse, multinomial.log_reverse_plugin):
            p = reverse(law, x_t[:, bucket.columns], ab_s, ab_t, bucket.n_levels).exp()
            torch.testing.assert_close(p.sum(-1), torch.ones(20, p.shape[1]), rtol=0, atol=1e-4)
    drawn = process.step_levels(x_t, log_p0, t, s, generator())
    assert (drawn >= 0).all() and (drawn < process.layout.n_levels).all()


# --- forward process --------------------------------------------------------------------------------


def test_corrupted_rows_follow_both_forward_laws():
    process = MixedProcess(2, LevelLayout([3]))
    n = 100_000
    rows = MixedBatch(torch.tensor([0.5, -2.0]).expand(n, 2), torch.tensor([2]).expand(n, 1))
    x_t, _ = process.corrupt(rows, f64(0.6).expand(n), generator())
    ab = process.num_schedule.alpha_bar(f64(0.6)).item()
    torch.testing.assert_close(x_t.num.mean(0), ab**0.5 * rows.num[0], rtol=0, atol=4 * ((1 - ab) / n) ** 0.5)
    covariance = (1 - ab) * torch.eye(2)
    torch.testing.assert_close(x_t.num.T.cov(), covariance, rtol=0, atol=5 * (1 - ab) / n**0.5)
    counts = torch.bincount(x_t.cat[:, 0], minlength=3)
    law = kernel(3, process.cat_schedule.alpha_bar(f64(0.6)).item())[2]
    assert chisquare(counts.numpy(), (law * n).numpy()).pvalue > 1e-3


def test_each_row_is_corrupted_at_its_own_time():
    process = MixedProcess(1, LevelLayout([1000]))
    rows = MixedBatch(torch.full((2, 1), 3.0), torch.tensor([[7], [7]]))
    x_t, _ = process.corrupt(rows, f64(0.0, 1.0), generator())
    assert x_t.cat[0, 0] == 7 != x_t.cat[1, 0]
    assert abs(x_t.num[0, 0] - 3.0) < 0.01 < abs(x_t.num[1, 0] - 3.0)


def test_target_leads_back_to_the_data():
    for prediction in (VelocityPrediction(), NoisePrediction()):
        process = MixedProcess(2, LevelLayout([]), prediction=prediction)
        rows = MixedBatch(torch.randn(50, 2, generator=generator()), torch.zeros(50, 0, dtype=torch.long))
        t = f64(0.3).expand(50)
        x_t, target = process.corrupt(rows, t, generator())
        x0 = process.predict(lambda num, *_, target=target: (target, num[:, :0]), x_t, t, None).x0
        torch.testing.assert_close(x0, rows.num, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prediction", [VelocityPrediction(), NoisePrediction()])
@pytest.mark.parametrize("stored", [math.nan, 1e9, math.inf])
def test_what_an_unobserved_cell_stores_is_never_read(prediction, stored):
    process = MixedProcess(2, LevelLayout([3]), prediction=prediction)
    num = torch.randn(100, 2, generator=generator())
    observed = torch.rand(100, 2, generator=generator()) < 0.6
    cat, t = torch.zeros(100, 1, dtype=torch.long), torch.linspace(0, 1, 100, dtype=torch.float64)
    plain = process.corrupt(MixedBatch(num, cat, observed), t, generator(1))
    other = process.corrupt(MixedBatch(num.where(observed, stored), cat, observed), t, generator(1))
    assert torch.equal(plain[0].num, other[0].num) and torch.equal(plain[0].cat, other[0].cat)
    assert torch.equal(plain[1], other[1])


def test_an_unobserved_cell_looks_the_same_at_every_time():
    process = MixedProcess(1, LevelLayout([]))
    n = 50_000
    rows = MixedBatch(
        torch.full((n, 1), 5.0), torch.zeros(n, 0, dtype=torch.long), torch.zeros(n, 1, dtype=torch.bool)
    )
    for t in (0.0, 0.4, 1.0):
        x_t, target = process.corrupt(rows, f64(t).expand(n), generator())
        assert x_t.num.mean().abs() < 4 / n**0.5 and abs(x_t.num.var() - 1) < 0.03
        assert not target.any()  # E[v | x_t] of pure noise


def test_inner_shapes_are_corrupted_like_rows():
    process = MixedProcess(2, LevelLayout([3, 4]))
    start = process.prior((5, 7), generator())
    assert start.num.shape == start.cat.shape == (5, 7, 2)
    x_t, target = process.corrupt(start, torch.full((5,), 1e-9, dtype=torch.float64), generator())
    assert target.shape == (5, 7, 2) and torch.equal(x_t.cat, start.cat)
    torch.testing.assert_close(x_t.num, start.num, rtol=0, atol=0.02)


def test_prior_is_noise():
    process = MixedProcess(1, LevelLayout([4]))
    start = process.prior((40_000,), generator())
    assert start.num.mean().abs() < 0.02 and abs(start.num.var() - 1) < 0.03
    assert chisquare(torch.bincount(start.cat[:, 0]).numpy()).pvalue > 1e-3


def test_the_last_step_draws_from_the_predicted_law_whatever_noise_the_schedule_leaves():
    process = MixedProcess(0, LevelLayout([2]), cat_schedule=KarrasSchedule(sigma_min=1.0))
    denoiser = Constant(torch.zeros(0), torch.tensor([0.0, 40.0]))
    x_t = MixedBatch(torch.zeros(100, 0), torch.zeros(100, 1, dtype=torch.long))
    law = process.predict(denoiser, x_t, f64(0.01), None).log_p0
    assert process.step_levels(x_t.cat, law, f64(0.01), f64(0.0), generator()).all()
