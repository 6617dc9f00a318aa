"""Known cells: which are chosen, that they are shown clean and cost nothing, and draws given them."""

import math

import pytest
import torch
from oracles import Constant, ExactMixture, all_rows, as_raw, generator, joint_law, total_variation

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion import samplers
from tabdiff.diffusion.conditions import (
    ConditionalLoss,
    known_by_label,
    random_subsets,
    with_label,
)
from tabdiff.diffusion.mixed import LevelLayout, MixedProcess
from tabdiff.methods import FewStep, TabDDPM

LEVELS = [3, 2]


def table(n_rows=6, observed=None):
    cat = torch.stack([torch.arange(n_rows) % 3, torch.arange(n_rows) % 2], 1)
    return MixedBatch(torch.arange(2.0 * n_rows).reshape(n_rows, 2), cat, observed)


def yes(n_rows):
    return torch.ones(n_rows, dtype=torch.bool)


class Recorder(Constant):
    """Answers the same to every row, and keeps what it was shown."""

    def __call__(self, num, cat, t, label, known=None):
        self.num, self.cat, self.label, self.known = num, cat, label, known
        return super().__call__(num, cat, t, label)


def recorder():
    return Recorder(torch.tensor([0.5, -0.5]), torch.tensor([0.0, 1.0, 2.0, 0.0, -1.0]))


# --- which cells are known --------------------------------------------------------------------------------


def test_every_number_of_known_cells_is_as_likely_as_any_other():
    # a binomial whose rate is uniform is uniform
    rows = MixedBatch(torch.zeros(30_000, 3), torch.zeros(30_000, 2, dtype=torch.long))
    known = random_subsets(rows, yes(30_000), generator())
    counts = torch.bincount(known.num.sum(1) + known.cat.sum(1), minlength=6)
    assert (counts / 30_000 - 1 / 6).abs().max() < 0.01
    each = torch.cat([known.num, known.cat], 1).float().mean(0)
    assert (each - 0.5).abs().max() < 0.015


def test_only_given_rows_have_known_cells_and_only_observed_numbers_are_known():
    observed = torch.rand(5000, 2, generator=generator()) < 0.5
    given = torch.arange(5000) % 3 == 0
    known = random_subsets(table(5000, observed), given, generator())
    assert not known.num[~given].any() and not known.cat[~given].any()
    assert known.num.any() and not known.num[~observed].any()
    part = known[given]
    assert torch.equal(part.num, known.num[given]) and torch.equal(part.rows.cat, known.rows.cat[given])


def test_label_and_its_feature_are_told_or_withheld_together():
    rows, label = table(4), torch.tensor([0, 1, 0, 1])
    known = Known(rows, torch.zeros(4, 2, dtype=torch.bool), torch.ones(4, 2, dtype=torch.bool))
    told, hidden = torch.tensor([True, True, False, False]), torch.tensor([False, False, False, True])
    result = with_label(known, 1, label, told, hidden)
    assert result.cat[:, 1].tolist() == [True, True, False, True]
    assert result.rows.cat[:, 1].tolist() == [0, 1, 0, 0]  # a hidden one shows level 0, whatever it is
    assert result.cat[:, 0].all() and torch.equal(result.rows.cat[:, 0], rows.cat[:, 0])
    assert rows.cat[:, 1].tolist() == [0, 1, 0, 1]
    by_label = known_by_label(rows, torch.tensor([0, 1, 2, 2]), 2, 1)
    assert by_label.cat.tolist() == [[False, True]] * 2 + [[False, False]] * 2
    assert known_by_label(rows, None, 2, 1) is None and known_by_label(rows, label, 2, None) is None


# --- losses -----------------------------------------------------------------------------------------------

METHODS = {"few-step": FewStep(), "tabddpm": TabDDPM(n_steps=5)}


@pytest.fixture(params=METHODS.values(), ids=METHODS)
def objective(request):
    process = request.param.process(2, LevelLayout(LEVELS))
    return request.param.objective(process, torch.ones(2))


def test_network_is_shown_known_cells_clean_and_others_noisy(objective):
    rows = table(64)
    known, seen = random_subsets(rows, yes(64), generator()), recorder()
    objective(seen, rows, None, generator(1), known)
    assert torch.equal(seen.num == rows.num, known.num)
    assert torch.equal(seen.cat[known.cat], rows.cat[known.cat])
    assert (seen.cat != rows.cat)[~known.cat].any()


def test_loss_is_that_of_the_cells_that_are_not_known(objective):
    rows, t = table(12), torch.linspace(0.1, 0.9, 12, dtype=torch.float64)
    noise = objective.process.noise((12,), generator())

    def loss(num, cat):
        flags = torch.tensor(num).expand(12, 2), torch.tensor(cat).expand(12, 2)
        return objective.given(recorder(), rows, None, t, noise, Known(rows, *flags))

    nothing = objective.given(recorder(), rows, None, t, noise)
    no, both = [False, False], [True, True]
    torch.testing.assert_close(loss(no, no), nothing)
    assert not loss(both, both).any()
    # a constant answer is the same whatever is known: each cell's own loss, taken alone, adds up
    alone = [([i != 0, i != 1], [i != 2, i != 3]) for i in range(4)]
    torch.testing.assert_close(sum(loss(*flags) for flags in alone), nothing)


def test_known_cells_give_no_gradient(objective):
    rows = table(40)
    known = random_subsets(rows, yes(40), generator())
    raw, logits = torch.zeros(40, 2, requires_grad=True), torch.zeros(40, 5, requires_grad=True)
    objective(lambda *_: (raw, logits), rows, None, generator(1), known).sum().backward()
    assert torch.equal(raw.grad != 0, ~known.num)
    of_column = {0: objective.process.layout.logits_of(0), 1: objective.process.layout.logits_of(1)}
    for column, place in of_column.items():
        assert not logits.grad[known.cat[:, column], place].any()
        assert logits.grad[~known.cat[:, column], place].any()


def conditional_loss(objective, n_rows, **settings):
    """The loss of rows with the label in the second column, what the network was shown, and the rows."""
    rows, seen = table(n_rows), recorder()
    loss = ConditionalLoss(objective, 2, **settings)
    return loss(seen, rows, rows.cat[:, 1], generator(1)), seen, rows


def test_labels_are_withheld_as_often_as_asked(objective):
    _, seen, rows = conditional_loss(objective, 20_000, known_share=0.4, label_dropout=0.1)
    given = seen.known.num.any(1) | seen.known.cat.any(1)
    assert given.float().mean() == pytest.approx(0.4 * 4 / 5, abs=0.01)  # a fifth of them get no cell
    withheld = seen.label == 2
    assert withheld.float().mean() == pytest.approx(0.4 * 0.5 + 0.6 * 0.1, abs=0.01)
    assert withheld[given].float().mean() == pytest.approx(0.5, abs=0.02)
    assert torch.equal(seen.label[~withheld], rows.cat[:, 1][~withheld])


def test_feature_of_the_label_is_clean_where_told_noisy_where_not_and_blank_where_hidden(objective):
    _, seen, rows = conditional_loss(
        objective, 20_000, known_share=0.4, label_feature=1, label_dropout=0.1, hidden_share=0.25
    )
    withheld, flagged = seen.label == 2, seen.known.cat[:, 1]
    assert torch.equal(seen.cat[~withheld, 1], rows.cat[~withheld, 1]) and flagged[~withheld].all()
    hidden = withheld & flagged
    assert hidden.sum() / withheld.sum() == pytest.approx(0.25, abs=0.02)
    assert not seen.cat[hidden, 1].any()
    noisy = withheld & ~flagged
    assert 0.6 < (seen.cat[noisy, 1] == rows.cat[noisy, 1]).float().mean() < 0.95


def test_without_shares_it_is_the_objective_itself(objective):
    loss, seen, rows = conditional_loss(objective, 100, known_share=0.0, label_dropout=0.0)
    assert seen.known is None and torch.equal(seen.label, rows.cat[:, 1])
    assert loss.isfinite().all() and (loss > 0).all()


def test_rows_with_withheld_labels_are_weighted_by_their_class(objective):
    settings = {"known_share": 0.5, "label_feature": 1, "label_dropout": 0.5}
    plain, seen, rows = conditional_loss(objective, 400, **settings)
    weights = torch.tensor([1.25, 0.25])
    weighted, _, _ = conditional_loss(objective, 400, **settings, withheld_weight=weights)
    expected = torch.where(seen.label == 2, weights[rows.cat[:, 1]], 1.0) * plain
    torch.testing.assert_close(weighted, expected)


# --- draws, with denoisers that know the law --------------------------------------------------------------


class ExactPair:
    """Knows that rows are two standard normal numbers of correlation rho, and makes use of known ones."""

    def __init__(self, process, rho):
        self.process, self.rho = process, rho

    def __call__(self, num, cat, t, label, known=None):
        ab = self.process.num_schedule.alpha_bar(t)
        noise = torch.where(known.num, 1e-12, (1 - ab) / ab)  # of x_t / sqrt(ab), or of the clean cell
        seen = torch.where(known.num, num.double(), num.double() / ab.sqrt())
        a, b = 1 + noise[:, 0], 1 + noise[:, 1]
        determinant = a * b - self.rho**2
        x0 = torch.stack(
            [
                ((b - self.rho**2) * seen[:, 0] + self.rho * (a - 1) * seen[:, 1]) / determinant,
                ((a - self.rho**2) * seen[:, 1] + self.rho * (b - 1) * seen[:, 0]) / determinant,
            ],
            1,
        )
        return as_raw(self.process.prediction, x0, num.double(), ab), torch.zeros(len(num), 0)


@pytest.mark.parametrize("given", [0, 1])
def test_a_number_given_the_other_has_its_conditional_law(given):
    process, n, rho = FewStep().process(2, LevelLayout([])), 10_000, 0.8
    rows = torch.full((n, 2), math.nan)
    rows[:, given] = torch.linspace(-2, 2, n)
    blank = torch.zeros(n, 0, dtype=torch.long)
    flags = torch.zeros(n, 2, dtype=torch.bool)
    flags[:, given] = True
    known = Known(MixedBatch(rows, blank), flags, blank.bool())
    predict = samplers.conditional(process, ExactPair(process, rho), None, known)
    start = samplers.around_mean(process, predict, process.prior((n,), generator()))
    drawn = known.shown(samplers.few_step(process, predict, start, 32, generator()))
    assert torch.equal(drawn.num[:, given], rows[:, given])
    rest = drawn.num[:, 1 - given] - rho * rows[:, given]
    assert abs(rest.mean()) < 0.02 and rest.std() == pytest.approx(0.6, abs=0.02)
    assert abs(torch.corrcoef(torch.stack([rest, rows[:, given]]))[0, 1]) < 0.03


class ExactLevels(ExactMixture):
    """As `ExactMixture` of certain levels, with the known cells taken at their word."""

    def __call__(self, num, cat, t, label, known=None):
        ab = self.process.cat_schedule.alpha_bar(t)[:, None].float()
        log_r = self.weight.float().log().expand(len(cat), -1)
        for column, count in enumerate(self.process.layout.n_levels.tolist()):
            same = cat[:, column, None] == self.cat[:, column]
            noisy = torch.log(ab * same + (1 - ab) / count)
            log_r = log_r + torch.where(known.cat[:, column, None], same.float().log(), noisy)
        r = torch.softmax(log_r, -1)
        logits = torch.zeros(len(cat), self.process.layout.n_logits)
        for column, count in enumerate(self.process.layout.n_levels.tolist()):
            one_hot = torch.nn.functional.one_hot(self.cat[:, column], count).float()
            logits[:, self.process.layout.logits_of(column)] = (r @ one_hot).log()
        return torch.zeros(len(cat), 0), logits


@pytest.mark.parametrize("column", [0, 1, 2])
def test_levels_given_one_of_them_have_their_conditional_law(column):
    n_levels, n = [2, 3, 2], 6_000
    process, rows, law = FewStep().process(0, LevelLayout(n_levels)), all_rows(n_levels), joint_law(n_levels)
    cells = torch.zeros(n, 3, dtype=torch.long)
    cells[:, column] = 1
    flags = torch.zeros(n, 3, dtype=torch.bool)
    flags[:, column] = True
    known = Known(MixedBatch(torch.zeros(n, 0), cells), torch.zeros(n, 0, dtype=torch.bool), flags)
    predict = samplers.conditional(process, ExactLevels(process, law, cat=rows), None, known)
    drawn = known.shown(
        samplers.few_step(process, predict, process.prior((n,), generator()), 48, generator())
    )
    code = torch.tensor([6, 2, 1])
    share = torch.bincount(drawn.cat @ code, minlength=12).double() / n
    expected = law * (rows[:, column] == 1)
    assert total_variation(share, expected / expected.sum()) < 0.025


# --- forbidden levels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("n_steps", [1, 2, 20])
def test_forbidden_levels_are_never_drawn_and_the_others_keep_their_proportions(method, n_steps):
    n = 6000
    process = method.process(0, LevelLayout([2, 4, 3]))
    logits = torch.zeros(process.layout.n_logits)
    law = torch.tensor([0.4, 0.3, 0.2, 0.1])
    logits[process.layout.logits_of(1)] = law.log()
    plain = samplers.conditional(process, Constant(torch.zeros(0), logits), None)
    predict = samplers.forbidding(plain, process.layout, [(0, 1), (1, 0), (1, 2)])
    drawn = method.sampler(process, predict, process.prior((n,), generator()), n_steps, generator(1)).cat
    assert not (drawn[:, 0] == 1).any() and not torch.isin(drawn[:, 1], torch.tensor([0, 2])).any()
    assert drawn[:, 2].unique().tolist() == [0, 1, 2]
    if n_steps == 1:  # one step denoises to the predicted law itself
        assert (drawn[:, 1] == 1).float().mean() == pytest.approx(0.75, abs=0.025)


def test_the_other_columns_follow_a_forbidden_level_half_way():
    n_levels, n = [3, 3], 10_000
    process, rows, law = FewStep().process(0, LevelLayout(n_levels)), all_rows(n_levels), joint_law(n_levels)
    exact = samplers.conditional(process, ExactMixture(process, law, cat=rows), None)
    predict = samplers.forbidding(exact, process.layout, [(0, 0)])
    drawn = samplers.few_step(process, predict, process.prior((n,), generator()), 32, generator()).cat
    second = torch.bincount(drawn[:, 1], minlength=3).double() / n
    left = law * (rows[:, 0] != 0)
    expected, before = ((p / p.sum()).reshape(3, 3).sum(0) for p in (left, law))
    # no conditional law: what is predicted of other cells while there is much noise does not know of it
    assert 0.4 < total_variation(second, expected) / total_variation(before, expected) < 0.65


def test_guidance_and_forbidden_levels_go_together():
    process = MixedProcess(0, LevelLayout([3, 4]))
    denoiser = Constant(torch.zeros(0), torch.zeros(8))
    plain = samplers.conditional(process, denoiser, None)
    predict = samplers.forbidding(samplers.guided(plain, plain, 1.5), process.layout, [(1, 3), (0, 2)])
    laws = predict(process.prior((5,), generator()), torch.tensor([0.5], dtype=torch.float64)).log_p0
    for law in laws:
        torch.testing.assert_close(law.exp().sum(-1), torch.ones(law.shape[:-1]))


def test_a_column_without_any_level_left_is_refused():
    layout = LevelLayout([3, 2])
    with pytest.raises(ValueError, match="feature 1"):
        samplers.forbidding(lambda *_: None, layout, [(0, 1), (1, 0), (1, 1)])
