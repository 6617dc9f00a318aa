"""Rows drawn given some of their cells: by whole models, on laws small enough to know."""

import math
from dataclasses import replace

import pytest
import torch
from oracles import all_rows, generator, total_variation
from small_models import CPU, SHORT, fit, seed

from tabdiff.batch import Known, MixedBatch
from tabdiff.methods import METHODS, FewStep, TabDDPM
from tabdiff.nets.mlp import MLPConfig
from tabdiff.settings import DiffusionConfig
from tabdiff.synthesis import Warm, rebuilt
from tabdiff.training import TrainingConfig

LONGER = DiffusionConfig(
    network=MLPConfig(width=64, n_blocks=2),
    training=TrainingConfig(max_steps=700, batch_size=256, learning_rate=4e-3),
    rare_share=0.3,
    known_share=0.8,
)


def known_cells(n, num=None, cat=None, n_num=0, n_cat=0):
    """The same known cells in each of n rows: {feature: value} of both kinds."""
    rows = MixedBatch(torch.full((n, n_num), math.nan), torch.zeros(n, n_cat, dtype=torch.long))
    flags = torch.zeros(n, n_num, dtype=torch.bool), torch.zeros(n, n_cat, dtype=torch.bool)
    for values, flag, given in ((rows.num, flags[0], num), (rows.cat, flags[1], cat)):
        for feature, value in (given or {}).items():
            values[:, feature], flag[:, feature] = value, True
    return Known(rows, *flags)


# --- laws that are learned --------------------------------------------------------------------------------


def test_mean_and_spread_of_a_number_given_another():
    rho, source = 0.8, generator(1)
    first = torch.randn(4000, generator=source)
    second = rho * first + 0.6 * torch.randn(4000, generator=source)
    rows = MixedBatch(torch.stack([first, second], 1), torch.zeros(4000, 0, dtype=torch.long))
    fitted = fit(rows, [], config=LONGER)
    for given in (0, 1):
        for value in (-1.0, 1.5):
            known = known_cells(1500, num={given: value}, n_num=2)
            drawn = fitted.sample(1500, None, seed(1), known=known).num
            assert (drawn[:, given] == value).all()
            assert drawn[:, 1 - given].mean() == pytest.approx(rho * value, abs=0.15)
            assert drawn[:, 1 - given].std() == pytest.approx(0.6, abs=0.15)
    free = fitted.sample(3000, None, seed(2)).num
    assert torch.corrcoef(free.T)[0, 1] == pytest.approx(rho, abs=0.05)


def test_any_level_given_two_that_say_nothing_alone():
    # the third column is the first xor the second in nine rows of ten
    rows = all_rows([2, 2, 2])
    law = torch.where(rows.sum(1) % 2 == 0, 0.225, 0.025).double()
    cat = rows[torch.multinomial(law, 6000, replacement=True, generator=generator(2))]
    fitted = fit(MixedBatch(torch.zeros(6000, 0), cat), [2, 2, 2], config=LONGER)
    for hole in range(3):
        for values in ([0, 0], [0, 1]):
            given = dict(zip([c for c in range(3) if c != hole], values, strict=True))
            drawn = fitted.sample(1000, None, seed(3), known=known_cells(1000, cat=given, n_cat=3)).cat
            assert all((drawn[:, feature] == value).all() for feature, value in given.items())
            expected = 0.9 if sum(values) % 2 else 0.1
            assert drawn[:, hole].float().mean() == pytest.approx(expected, abs=0.12)
    free = fitted.sample(6000, None, seed(4)).cat @ torch.tensor([4, 2, 1])
    assert total_variation(torch.bincount(free, minlength=8).double() / 6000, law) < 0.08


SHARE = 0.05  # of class 1, which training raises to 30 % of the batches


@pytest.fixture(scope="module")
def rare():
    """A number N(2 y, 1), a level that is 1 in 20 % or 70 %, and y itself as a column; y is the label."""
    source, n = generator(5), 8000
    label = (torch.arange(n) % round(1 / SHARE) == 0).long()
    num = 2.0 * label + torch.randn(n, generator=source)
    place_in_class = torch.where(label == 1, label.cumsum(0), (1 - label).cumsum(0))
    level = (place_in_class % 10 < torch.tensor([2, 7])[label]).long()
    rows = MixedBatch(num[:, None], torch.stack([level, label], 1))
    return fit(rows, [2, 2], label, LONGER, label_feature=1)


def share_of_rare(fitted, num=None, cat=None, n=3000):
    known = known_cells(n, num, cat, n_num=1, n_cat=2)
    return fitted.sample(n, None, seed(6), known=known).cat[:, 1].float().mean().item()


def odds(share):
    return share / (1 - share)


def test_class_given_a_number_has_the_odds_of_the_table_not_of_the_batches(rare):
    for value in (0.0, 1.5, 2.5):
        truth = odds(SHARE) * math.exp(2 * value - 2)
        batches = odds(0.3) * math.exp(2 * value - 2)
        found = share_of_rare(rare, num={0: value})
        assert found == pytest.approx(truth / (1 + truth), abs=0.1)
        assert abs(found - batches / (1 + batches)) > 0.1 or value == 0.0


def test_class_given_a_level_has_the_odds_of_the_table(rare):
    for level, ratio in ((0, 0.3 / 0.8), (1, 0.7 / 0.2)):
        truth = odds(SHARE) * ratio
        batches = odds(0.3) * ratio
        found = share_of_rare(rare, cat={0: level})
        assert found == pytest.approx(truth / (1 + truth), abs=0.07)
        assert abs(found - batches / (1 + batches)) > 0.1


def test_without_a_label_classes_come_as_often_as_in_the_table(rare):
    drawn = rare.sample(6000, None, seed(7))
    is_rare = drawn.cat[:, 1] == 1
    assert is_rare.float().mean() == pytest.approx(SHARE, abs=0.02)
    assert drawn.num[is_rare].mean() - drawn.num[~is_rare].mean() == pytest.approx(2, abs=0.35)


def test_a_told_label_stands_in_its_feature_and_leads_the_others(rare):
    told = torch.arange(6000) % 2
    drawn = rare.sample(6000, told, seed(8))
    assert torch.equal(drawn.cat[:, 1], told)
    for code, (mean, level) in enumerate(((0.0, 0.2), (2.0, 0.7))):
        assert drawn.num[told == code].mean() == pytest.approx(mean, abs=0.12)
        assert drawn.cat[told == code, 0].float().mean() == pytest.approx(level, abs=0.07)


def test_a_known_class_is_a_told_label(rare):
    told = torch.arange(300) % 2
    flags = torch.zeros(300, 2, dtype=torch.bool)
    flags[:, 1] = True
    cells = MixedBatch(torch.zeros(300, 1), torch.stack([torch.zeros_like(told), told], 1))
    known = Known(cells, torch.zeros(300, 1, dtype=torch.bool), flags)
    by_cell = rare.sample(300, None, seed(9), n_steps=4, known=known)
    by_label = rare.sample(300, told, seed(9), n_steps=4)
    assert torch.equal(by_cell.cat, by_label.cat)
    torch.testing.assert_close(by_cell.num, by_label.num)


def test_guidance_has_the_unlabelled_law_of_the_table(rare):
    told = torch.ones(6000, dtype=torch.long)
    plain, guided = (rare.sample(6000, told, seed(10), guidance=w) for w in (0.0, 1.0))
    # the level alone: p(1 | y)^2 / p(1), normalised
    marginal = (1 - SHARE) * 0.2 + SHARE * 0.7
    expected = odds(0.7) ** 2 / odds(marginal)
    assert plain.cat[:, 0].float().mean() == pytest.approx(0.7, abs=0.07)
    assert guided.cat[:, 0].float().mean() == pytest.approx(expected / (1 + expected), abs=0.08)
    assert guided.num.mean() > plain.num.mean() + 0.3


# --- known and forbidden cells ----------------------------------------------------------------------------


def table(n_rows=60):
    source = generator()
    num = torch.randn(n_rows, 2, generator=source)
    observed = torch.rand(n_rows, 2, generator=source) < 0.8
    label = torch.arange(n_rows) % 2
    cat = (torch.rand(n_rows, 2, generator=source) * torch.tensor([3, 4])).long()
    return MixedBatch(num.where(observed, torch.nan), torch.cat([cat, label[:, None]], 1), observed), label


@pytest.fixture(scope="module", params=[FewStep(n_steps=4), TabDDPM(n_steps=4)], ids=METHODS)
def short(request):
    rows, label = table()
    return fit(rows, [3, 4, 2], label, replace(SHORT, method=request.param), label_feature=2)


def random_cells(n):
    rows, label = table(n)
    source = generator(3)
    num, cat = (torch.rand(n, width, generator=source) < 0.5 for width in (2, 3))
    return Known(rows, num, cat), label


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_known_cells_come_back_bit_for_bit_in_their_rows(short, guidance):
    known, label = random_cells(5000)  # more rows than a chunk holds
    told = torch.where(torch.arange(5000) % 3 == 0, 2, label)  # a third of the labels is not told
    drawn = short.sample(5000, told, seed(), guidance=guidance, known=known)
    assert torch.equal(drawn.num[known.num], known.rows.num[known.num])
    assert torch.equal(drawn.cat[known.cat], known.rows.cat[known.cat])
    assert drawn.num.isfinite().all() and (drawn.cat < torch.tensor([3, 4, 2])).all()
    assert torch.equal(drawn.cat[told < 2, 2], label[told < 2])


def test_a_cell_that_holds_no_number_is_not_known():
    known, _ = random_cells(100)
    assert known.num.any() and not known.num[~known.rows.observed].any()


def test_forbidden_levels_are_never_drawn_and_known_ones_stay(short):
    known, label = random_cells(3000)
    forbidden = [(0, 2), (1, 0), (1, 3)]
    for told, cells in ((label, None), (None, None), (None, known)):
        drawn = short.sample(3000, told, seed(), known=cells, forbidden=forbidden)
        for feature, level in forbidden:
            free = slice(None) if cells is None else ~cells.cat[:, feature]
            assert not (drawn.cat[free, feature] == level).any()
    assert torch.equal(drawn.cat[known.cat], known.rows.cat[known.cat])


def test_bytes_of_draws_from_known_cells_do_not_depend_on_the_number_of_threads(short):
    known, _ = random_cells(9000)
    results = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        try:
            drawn = short.sample(9000, None, seed(1), n_steps=2, known=known, forbidden=[(0, 1)])
        finally:
            torch.set_num_threads(1)
        results.append((drawn.num.numpy().tobytes(), drawn.cat.numpy().tobytes()))
    assert results[0] == results[1]


def test_a_rebuilt_model_draws_and_scores_the_same(short):
    rows, label = table()
    state = torch.get_rng_state()
    weights = {name: value.clone() for name, value in short.weights.items()}
    again = rebuilt(
        short.config,
        short.n_num,
        short.n_levels,
        short.n_classes,
        short.label_feature,
        weights,
        short.entropies,
        short.history,
        CPU,
    )
    assert torch.equal(state, torch.get_rng_state())
    drawn = [model.sample(50, label[:50], seed(1)) for model in (short, again)]
    assert torch.equal(drawn[0].num, drawn[1].num) and torch.equal(drawn[0].cat, drawn[1].cat)
    assert torch.equal(short.row_losses(rows, label), again.row_losses(rows, label))


def test_the_loss_of_a_row_does_not_count_the_feature_that_its_label_tells(short):
    rows, label = table()
    other = MixedBatch(rows.num, rows.cat.clone(), rows.observed)
    other.cat[:, 2] = 1 - other.cat[:, 2]
    assert torch.equal(short.row_losses(rows, label), short.row_losses(other, label))
    assert not torch.equal(short.row_losses(rows, None), short.row_losses(other, None))


# --- from other weights -----------------------------------------------------------------------------------


def test_a_warm_start_goes_on_from_the_old_network():
    rows, label = table(400)
    config = replace(SHORT, training=replace(SHORT.training, max_steps=100, learning_rate=3e-3))
    old = fit(rows, [3, 4, 2], label, config, label_feature=2)
    wider = MixedBatch(
        torch.cat([rows.num, torch.zeros(400, 1)], 1),
        rows.cat[:, [1, 0, 2]],
        torch.cat([rows.observed, torch.ones(400, 1, dtype=torch.bool)], 1),
    )
    one_step = replace(config, training=replace(config.training, max_steps=1, learning_rate=1e-9))
    warm = Warm(old.network, [0, 1, -1], [1, 0, 2], n_replayed=0)
    grown = fit(wider, [5, 3, 2], label, one_step, label_feature=2, warm=warm)
    fresh = fit(wider, [5, 3, 2], label, one_step, label_feature=2)
    losses = [model.row_losses(wider, label).mean() for model in (grown, fresh)]
    assert losses[0] < losses[1] - 0.05
