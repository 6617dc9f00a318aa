"""Masked levels: laws in closed form, losses by hand; and series that end before the batch does."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from oracles import Constant, all_rows, generator, joint_law
from scipy.stats import chisquare

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion import samplers
from tabdiff.diffusion.conditions import known_by_label, nothing_known, random_subsets
from tabdiff.diffusion.masked import MaskedProcess
from tabdiff.diffusion.mixed import LevelLayout, MixedProcess, Noise
from tabdiff.diffusion.objectives import CrossEntropyObjective, VariationalObjective, marginal_entropies
from tabdiff.diffusion.schedules import CosineSchedule, PowerSchedule, time_grid
from tabdiff.methods import METHODS, FewStep, MaskedFewStep

LINEAR = PowerSchedule(1.0)


def masked(n_levels, schedule=LINEAR, n_num=0):
    return MaskedProcess(n_num, LevelLayout(n_levels), cat_schedule=schedule)


def at(*times):
    return torch.tensor(times, dtype=torch.float64)


def pure(n, process):
    return process.prior((n,), generator())


class ExactRows:
    """Knows the law of rows of levels: conditions on the levels that are not masked, by enumeration."""

    def __init__(self, process, law):
        self.process, self.law = process, law
        self.n_levels = process.layout.n_levels.tolist()
        self.rows = all_rows(self.n_levels)

    def __call__(self, num, cat, t, label, known=None):
        told = (cat < self.process.layout.n_levels)[:, None]
        fits = (~told | (cat[:, None] == self.rows)).all(-1)
        weight = fits * self.law
        logits = []
        for bucket in self.process.layout.buckets:
            for column, count in zip(bucket.columns.tolist(), bucket.n_levels.tolist(), strict=True):
                head = torch.full((len(cat), bucket.width), -torch.inf, dtype=torch.float64)
                for level in range(count):
                    head[:, level] = weight[:, self.rows[:, column] == level].sum(1).log()
                logits.append(head)
        return num, torch.cat(logits, -1)


def counts(cat, n_levels):
    place = torch.zeros(len(cat), dtype=torch.long)
    for column, count in enumerate(n_levels):
        place = place * count + cat[:, column]
    return torch.bincount(place, minlength=math.prod(n_levels))


def drawn(process, law, n, n_steps, sampler=samplers.few_step, known=None):
    predict = samplers.conditional(process, ExactRows(process, law), None, known)
    rows = sampler(process, predict, pure(n, process), n_steps, generator(1))
    return rows if known is None else known.shown(rows)


# --- noise ------------------------------------------------------------------------------------------


def test_pure_noise_is_all_masks():
    process = masked([2, 5, 3], n_num=2)
    noise = process.prior((4, 3), generator())
    assert noise.cat.tolist() == [[[2, 5, 3]] * 3] * 4
    assert torch.equal(noise.num, MixedProcess(2, process.layout).prior((4, 3), generator()).num)


def test_the_mask_is_one_more_state_that_the_network_never_predicts():
    process = masked([2, 5, 3])
    assert process.n_states == [3, 6, 4] and process.layout.n_logits == 2 + 5 + 3 + 0
    assert MixedProcess(0, process.layout).n_states == [2, 5, 3]


@pytest.mark.parametrize("schedule", [LINEAR, PowerSchedule(), CosineSchedule()])
def test_noise_masks_a_share_of_one_minus_alpha_bar_and_changes_no_other_cell(schedule):
    process, n = masked([4, 2], schedule), 50_000
    rows = MixedBatch(torch.zeros(n, 0), torch.tensor([[3, 1]]).expand(n, 2))
    for time in (0.2, 0.5, 0.9):
        cat = process.corrupt(rows, at(time), generator())[0].cat
        is_masked = cat == torch.tensor([4, 2])
        share = 1 - schedule.alpha_bar(at(time)).item()
        noise = 4 * (share * (1 - share) / n) ** 0.5
        assert is_masked.double().mean(0).tolist() == pytest.approx([share] * 2, abs=noise)
        assert torch.equal(cat[~is_masked], rows.cat[~is_masked])
        assert torch.equal(process.to_learn(cat), is_masked)


def test_numbers_are_corrupted_as_beside_replaced_levels():
    process = masked([4], n_num=3)
    other = MixedProcess(3, process.layout)
    rows = MixedBatch(torch.randn(20, 3, generator=generator()), torch.zeros(20, 1, dtype=torch.long))
    t = torch.rand(20, generator=generator(), dtype=torch.float64)
    (here, target), (there, expected) = (p.corrupt(rows, t, generator(2)) for p in (process, other))
    assert torch.equal(here.num, there.num) and torch.equal(target, expected)


# --- one step back ----------------------------------------------------------------------------------


def certain(layout, levels):
    """The predicted laws of rows that are sure to hold these levels."""
    flat = torch.full((1, layout.n_logits), -torch.inf)
    for column, level in enumerate(levels):
        flat[0, layout.logits_of(column).start + level] = 0.0
    return [torch.log_softmax(part, -1) for part in layout.split(flat)]


def test_a_step_unmasks_the_share_that_the_schedule_says_and_leaves_the_rest():
    process, n = masked([2, 5, 3], PowerSchedule()), 50_000
    x_t = torch.tensor([[2, 0, 3]]).expand(n, 3)
    law = [part.expand(n, -1, -1) for part in certain(process.layout, [1, 4, 2])]
    x_s = process.step_levels(x_t, law, at(0.75), at(0.36), generator())
    assert (x_s[:, 1] == 0).all()
    assert set(x_s[:, 0].tolist()) == {1, 2} and set(x_s[:, 2].tolist()) == {2, 3}
    # alpha_bar is sqrt(1 - t): 0.5 at 0.75 and 0.8 at 0.36
    share = (x_s[:, [0, 2]] != torch.tensor([2, 3])).double().mean(0).tolist()
    assert share == pytest.approx([0.6, 0.6], abs=4 * (0.24 / n) ** 0.5)


def test_the_last_step_unmasks_everything():
    process = masked([2, 5, 3], CosineSchedule())
    x_t = torch.tensor([[[2, 5, 3], [0, 5, 1]]]).expand(500, 2, 3)
    law = [part[:, None].expand(500, 2, -1, -1) for part in certain(process.layout, [1, 4, 2])]
    x_0 = process.step_levels(x_t, law, at(0.01), at(0.0), generator())
    assert torch.equal(x_0, torch.tensor([[1, 4, 2], [0, 4, 1]]).expand(500, 2, 3))


def test_no_levels_are_no_hindrance():
    process = masked([], n_num=2)
    noise = pure(5, process)
    assert noise.cat.shape == (5, 0)
    assert process.step_levels(noise.cat, [], at(1.0), at(0.0), generator()).shape == (5, 0)


# --- whole ways back, with a denoiser that knows the law ----------------------------------------------


@pytest.mark.parametrize("schedule", [LINEAR, PowerSchedule()])
@pytest.mark.parametrize("sampler", [samplers.few_step, samplers.ancestral])
@pytest.mark.parametrize("n_steps", [1, 3, 8])
def test_two_columns_are_drawn_independently_exactly_as_often_as_they_are_unmasked_together(
    schedule, sampler, n_steps
):
    # the step in which a cell is unmasked is drawn by itself, with the steps of alpha_bar as probabilities;
    # unmasked in different steps, the second is drawn given the first
    process, law, n = masked([3, 3], schedule), joint_law([3, 3], seed=1), 30_000
    steps = schedule.alpha_bar(time_grid(n_steps)).diff()
    together = (steps**2).sum()
    table = law.reshape(3, 3)
    product = (table.sum(1, keepdim=True) * table.sum(0)).flatten()
    expected = together * product + (1 - together) * law
    observed = counts(drawn(process, law, n, n_steps, sampler).cat, [3, 3])
    assert chisquare(observed, n * expected).pvalue > 1e-3
    assert chisquare(observed, n * ((1 - together / 2) * law + together / 2 * product)).pvalue < 1e-3


def test_many_steps_draw_the_joint_law():
    process, law, n = masked([3, 3]), joint_law([3, 3], seed=1), 10_000
    observed = counts(drawn(process, law, n, 200).cat, [3, 3])
    assert chisquare(observed, n * law).pvalue > 1e-3


def law_of_steps(table, shares):
    """The law drawn by steps that each unmask this share: a sum over the steps that cells may fall into."""
    columns, total = range(table.dim()), torch.zeros_like(table)

    def given(column, told):
        """p(column | told columns), broadcastable to the table."""
        other = [c for c in columns if c != column and c not in told]
        both = table.sum(other, keepdim=True) if other else table
        return both / both.sum(column, keepdim=True)

    for steps in itertools.product(range(len(shares)), repeat=table.dim()):
        law = torch.ones_like(table) * math.prod(shares[step] for step in steps)
        for column in columns:
            law = law * given(column, [c for c in columns if steps[c] < steps[column]])
        total += law
    return total.flatten()


@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_three_columns_are_drawn_each_given_those_unmasked_in_former_steps(n_steps):
    n_levels, schedule, n = [3, 2, 5], PowerSchedule(), 30_000
    law = joint_law(n_levels, seed=2)
    shares = schedule.alpha_bar(time_grid(n_steps)).diff().tolist()
    expected = law_of_steps(law.reshape(n_levels), shares)
    observed = counts(drawn(masked(n_levels, schedule), law, n, n_steps).cat, n_levels)
    assert chisquare(observed, n * expected).pvalue > 1e-3


@pytest.mark.parametrize(("n_levels", "n_steps"), [([3, 2, 5], 1), ([3, 2], 2), ([3, 5], 6)])
def test_few_steps_draw_marginal_laws_exactly(n_levels, n_steps):
    # of two columns in any number of steps; of more in one, as later ones follow pairs drawn independently
    process, law, n = masked(n_levels), joint_law(n_levels, seed=2), 30_000
    cat, table = drawn(process, law, n, n_steps).cat, law.reshape(n_levels)
    for column, count in enumerate(n_levels):
        marginal = table.sum([axis for axis in range(len(n_levels)) if axis != column])
        observed = torch.bincount(cat[:, column], minlength=count)
        assert chisquare(observed, n * marginal).pvalue > 1e-3


def test_rows_follow_known_cells_in_every_step():
    process, law, n = masked([3, 3]), joint_law([3, 3], seed=1), 30_000
    cells = MixedBatch(torch.zeros(1, 0), torch.tensor([[2, 0]]))
    known = Known(cells, torch.zeros(1, 0, dtype=torch.bool), torch.tensor([[True, False]]))
    rows = drawn(process, law, n, 2, known=known)
    assert (rows.cat[:, 0] == 2).all()
    given = law.reshape(3, 3)[2]
    assert chisquare(torch.bincount(rows.cat[:, 1], minlength=3), n * given / given.sum()).pvalue > 1e-3


def test_the_method_for_series_unmasks_the_same_share_in_every_step():
    method = MaskedFewStep()
    process = method.process(1, LevelLayout([2]))
    assert isinstance(process, MaskedProcess) and isinstance(method, FewStep)
    steps = process.cat_schedule.alpha_bar(time_grid(method.n_steps)).diff()
    torch.testing.assert_close(steps, torch.full_like(steps, 1 / method.n_steps))
    assert MaskedFewStep not in METHODS.values()


# --- the loss ---------------------------------------------------------------------------------------


def test_only_masked_cells_count_by_hand():
    process = masked([2, 3], n_num=1)
    logits = torch.tensor([0.0, 1.0, 2.0, 0.0, -1.0])
    raw = torch.tensor([0.5])
    batch = MixedBatch(torch.tensor([[1.0], [-0.4]]), torch.tensor([[1, 2], [0, 0]]))
    # at t = 0.5 a cell stays while keep < 0.5: the first row keeps its first level, the second row none
    noise = Noise(
        torch.tensor([[0.3], [1.2]]),
        torch.tensor([[0.49, 0.5], [0.9, 0.7]]),
        process.noise((2,), generator()).other,
    )
    t = at(0.5, 0.5)
    x_t, target = process.corrupt_given(batch, t, noise)
    assert x_t.cat.tolist() == [[1, 3], [2, 3]]
    objective = CrossEntropyObjective(process, torch.tensor([0.6, 0.5]))
    loss = objective.given(Constant(raw, logits), batch, None, t, noise)

    log_p = torch.log_softmax(logits[:2], -1), torch.log_softmax(logits[2:], -1)
    squares = ((raw - target) ** 2)[:, 0]
    surprise = torch.stack([-log_p[1][2] / 0.5, -log_p[0][0] / 0.6 - log_p[1][0] / 0.5])
    torch.testing.assert_close(loss, (squares + surprise) / 3)


def test_known_cells_do_not_count_masked_or_not():
    process = masked([2, 3])
    batch = MixedBatch(torch.zeros(1, 0), torch.tensor([[1, 2]]))
    noise = Noise(torch.zeros(1, 0), torch.ones(1, 2), process.noise((1,), generator()).other)
    known = Known(batch, torch.zeros(1, 0, dtype=torch.bool), torch.tensor([[True, False]]))
    seen = []

    def denoiser(num, cat, t, label, known=None):
        seen.append(cat)
        return num, torch.zeros(1, 5)

    loss = CrossEntropyObjective(process, torch.ones(2)).given(denoiser, batch, None, at(0.5), noise, known)
    assert seen[0].tolist() == [[1, 3]]
    assert loss.item() == pytest.approx(math.log(3) / 2)


def test_the_law_of_the_rows_given_what_is_told_has_the_least_loss():
    process, law = masked([3, 3]), joint_law([3, 3], seed=1)
    rows = all_rows([3, 3])[torch.multinomial(law, 4000, replacement=True, generator=generator())]
    batch, objective = MixedBatch(torch.zeros(4000, 0), rows), CrossEntropyObjective(process, torch.ones(2))

    def loss(believed):
        return objective(ExactRows(process, believed), batch, None, generator(3)).mean()

    table = law.reshape(3, 3)
    product = (table.sum(1, keepdim=True) * table.sum(0)).flatten()
    assert loss(law) < loss(0.9 * law + 0.1 / 9) and loss(law) < loss(product)


# --- positions behind the end of a series -------------------------------------------------------------


def by_position(num, cat, t, label, known=None):
    """A denoiser that answers to each position by itself, whatever the state of its cells."""
    level = cat.double().sum(-1, keepdim=True) + t.reshape(-1, *(1 for _ in cat.shape[1:]))
    raw = 0.3 * num + level.to(num.dtype)
    return raw, torch.cat([level * (place + 1) / 7 for place in range(5)], -1).to(num.dtype)


LAYOUT = LevelLayout([2, 3])
LOSSES = {
    "replaced": CrossEntropyObjective(MixedProcess(2, LAYOUT), torch.tensor([0.6, 1.0])),
    "masked": CrossEntropyObjective(MaskedProcess(2, LAYOUT), torch.tensor([0.6, 1.0])),
    "variational": VariationalObjective(MixedProcess(2, LAYOUT, cat_schedule=CosineSchedule()), 10),
}


def series(lengths, n_steps):
    """Series of these lengths, behind whose end no number is stored."""
    n, draw = len(lengths), generator(4)
    present = torch.arange(n_steps) < torch.tensor(lengths)[:, None]
    num = torch.randn(n, n_steps, 2, generator=draw).where(present[..., None], torch.nan)
    cat = (torch.rand(n, n_steps, 2, generator=draw) * torch.tensor([2, 3])).long()
    return MixedBatch(
        num, cat.where(present[..., None], 0), torch.rand(num.shape, generator=draw) < 0.8, present
    )


def cut(value, row, length):
    return value[row : row + 1, :length]


@pytest.mark.parametrize("objective", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("with_observed", [True, False])
@pytest.mark.parametrize("with_known", [True, False])
def test_a_padded_series_loses_what_it_loses_alone(objective, with_observed, with_known):
    lengths = [1, 5, 3]
    padded = series(lengths, 5)
    padded = padded if with_observed else replace(padded, observed=None)
    known = random_subsets(padded, torch.ones(3, dtype=torch.bool), generator(5)) if with_known else None
    noise, t = objective.process.noise((3, 5), generator(6)), at(0.2, 0.5, 0.8)
    losses = objective.given(by_position, padded, None, t, noise, known)
    for row, length in enumerate(lengths):
        alone = MixedBatch(
            cut(padded.num, row, length),
            cut(padded.cat, row, length),
            cut(padded.observed, row, length) if with_observed else None,
        )
        told = known and Known(alone, cut(known.num, row, length), cut(known.cat, row, length))
        own = Noise(*(cut(value, row, length) for value in (noise.eps, noise.keep, noise.other)))
        loss = objective.given(by_position, alone, None, t[row : row + 1], own, told)
        torch.testing.assert_close(losses[row], loss[0])


@pytest.mark.parametrize("objective", LOSSES.values(), ids=LOSSES)
def test_what_is_stored_behind_the_end_is_never_learned(objective):
    padded = series([1, 5, 3], 5)
    absent = ~padded.present[..., None]
    other = replace(padded, num=padded.num.masked_fill(absent, 1e3), cat=padded.cat.masked_fill(absent, 1))
    losses = [objective(by_position, rows, None, generator(7)) for rows in (padded, other)]
    assert losses[0].isfinite().all() and torch.equal(*losses)


@pytest.mark.parametrize("objective", LOSSES.values(), ids=LOSSES)
def test_series_that_fill_the_batch_lose_what_they_lose_without_the_flag(objective):
    full = series([4, 4], 4)
    plain = replace(full, present=None)
    losses = [objective(by_position, rows, None, generator(7)) for rows in (full, plain)]
    torch.testing.assert_close(*losses)


def test_entropies_are_those_of_the_present_steps():
    cat = torch.tensor([[[0], [1], [0]], [[1], [0], [0]]])
    present = torch.tensor([[True, True, False], [True, False, False]])
    expected = -(math.log(1 / 3) / 3 + math.log(2 / 3) * 2 / 3)
    assert marginal_entropies(cat, LevelLayout([2]), present).tolist() == pytest.approx([expected])


def test_rows_keep_their_ends_when_they_are_taken_moved_shown_and_made_noisy():
    rows = series([1, 5, 3], 5)
    known = random_subsets(rows, torch.ones(3, dtype=torch.bool), generator())
    noisy = masked([2, 3], n_num=2).corrupt(rows, at(0.5), generator())[0]
    assert torch.equal(noisy.present, rows.present) and torch.equal(known.shown(noisy).present, rows.present)
    assert rows[1:].present.sum(1).tolist() == [5, 3]
    assert known[torch.tensor([2, 0])].rows.present.sum(1).tolist() == [3, 1]
    assert torch.equal(known.to("cpu").rows.present, rows.present)
    assert torch.equal(nothing_known(rows).rows.present, rows.present)
    label = torch.tensor([0, 1, 1])
    assert torch.equal(known_by_label(rows, label, 2, 0).rows.present, rows.present)
    assert replace(rows, present=None)[1:].present is None


def test_drawn_series_keep_the_ends_that_they_start_with():
    process, present = masked([2, 3], n_num=2), series([1, 5, 3], 5).present
    start = replace(process.prior((3, 5), generator()), present=present)
    predict = samplers.conditional(process, by_position, None)
    asked = []

    def watched(x_t, t):
        asked.append(x_t.present)
        return predict(x_t, t)

    start = samplers.around_mean(process, watched, start)
    for sampler in (samplers.few_step, samplers.ancestral):
        assert torch.equal(sampler(process, watched, start, 3, generator()).present, present)
    assert len(asked) == 7 and all(torch.equal(*pair) for pair in itertools.product(asked, [present]))
