"""The MLP denoiser: shapes, reach of gradients, rows that do not see each other, and rounding."""

import pytest
import torch
from oracles import generator

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion import multinomial
from tabdiff.diffusion.mixed import LevelLayout, MixedProcess
from tabdiff.nets.blocks import LevelEmbedding, TimeFeatures
from tabdiff.nets.mlp import MLPConfig, MLPDenoiser

CONFIG = MLPConfig(width=32, n_blocks=2)
N_LEVELS = [3, 1, 2, 7]
KINDS = {"both": (2, N_LEVELS), "numbers": (3, []), "levels": (0, N_LEVELS)}


@pytest.fixture(autouse=True)
def _own_initialisation():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kinds(request):
    return request.param


def build(n_num, n_levels, n_classes=0, config=CONFIG, awake=True):
    """A network; awake: with no weight at zero, as a new one answers zero to everything."""
    model = MLPDenoiser(n_num, LevelLayout(n_levels), n_classes, config)
    if awake:
        for parameter in model.parameters():
            if parameter.dim() > 1 and not parameter.any():
                torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return model.eval()


def inputs(n_num, n_levels, shape=(6,), n_classes=0):
    start = MixedProcess(n_num, LevelLayout(n_levels)).prior(shape, generator())
    t = torch.linspace(0, 1, shape[0], dtype=torch.float64)
    label = torch.arange(shape[0]) % n_classes if n_classes else None
    return start.num, start.cat, t, label


def every_second_cell(num, cat):
    """Every second cell of these rows is known."""
    flags = torch.arange(num.shape[-1] + cat.shape[-1]) + torch.arange(len(num))[:, None]
    flags = flags % 2 == 0
    return Known(MixedBatch(num, cat), flags[:, : num.shape[-1]], flags[:, num.shape[-1] :])


# --- known answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6,), (6, 5), (6, 2, 3)])
@pytest.mark.parametrize("n_classes", [0, 2])
def test_output_has_a_value_for_each_number_and_a_logit_for_each_level(kinds, shape, n_classes):
    n_num, n_levels = kinds
    raw, logits = build(*kinds, n_classes)(*inputs(*kinds, shape, n_classes))
    assert raw.shape == (*shape, n_num)
    assert logits.shape == (*shape, LevelLayout(n_levels).n_logits)


def test_a_new_network_answers_zero(kinds):
    raw, logits = build(*kinds, 2, awake=False)(*inputs(*kinds, n_classes=2))
    assert not raw.any() and not logits.any()


def test_embedding_is_the_sum_of_table_rows():
    embedding = LevelEmbedding([3, 2], 4)
    cat = torch.tensor([[0, 0], [2, 1]])
    expected = torch.stack([embedding.table[0] + embedding.table[3], embedding.table[2] + embedding.table[4]])
    torch.testing.assert_close(embedding(cat), expected)


@pytest.mark.parametrize("shape", [(50,), (10, 5)])
def test_multiplied_and_gathered_embeddings_agree(shape):
    n_levels = torch.tensor(N_LEVELS)
    dense, gathered = (LevelEmbedding(N_LEVELS, 16, one_hot_limit=limit) for limit in (1000, 0))
    gathered.load_state_dict(dense.state_dict())
    cat = multinomial.prior((*shape, 4), n_levels, generator())
    weights = torch.randn(*shape, 16, generator=generator())
    for embedding in (dense, gathered):
        (embedding(cat) * weights).sum().backward()
    torch.testing.assert_close(dense(cat), gathered(cat))
    torch.testing.assert_close(dense.table.grad, gathered.table.grad)


def test_time_features_tell_close_times_apart():
    features = TimeFeatures(32)(torch.linspace(0, 1, 1001))
    assert features.shape == (1001, 32)
    assert (features.diff(dim=0).norm(dim=1) > 0.01).all()
    assert torch.cdist(features[::20], features[::20]).fill_diagonal_(9).min() > 0.5


def test_known_cells_of_one_row_count_for_all_rows(kinds):
    model, (num, cat, t, label) = build(*kinds, 2), inputs(*kinds, n_classes=2)
    num, cat = num[:1].expand(6, -1), cat[:1].expand(6, -1)
    known = every_second_cell(num, cat)[torch.zeros(6, dtype=torch.long)]
    once, repeated = (torch.cat(model(num, cat, t, label, k), -1) for k in (known[:1], known))
    torch.testing.assert_close(once, repeated)
    assert not torch.allclose(once, torch.cat(model(num, cat, t, label), -1))


def test_what_a_cell_holds_that_is_not_known_has_no_say(kinds):
    model, (num, cat, t, label) = build(*kinds, 2), inputs(*kinds, n_classes=2)
    known = every_second_cell(num, cat)
    blank = MixedBatch(num.where(known.num, torch.nan), cat.where(known.cat, 0))
    first, second = (
        torch.cat(model(num, cat, t, label, k), -1) for k in (known, Known(blank, known.num, known.cat))
    )
    assert torch.equal(first, second)


# --- properties -------------------------------------------------------------------------------------


def test_gradient_reaches_every_parameter_within_four_steps(kinds):
    # head, last layers of the blocks, modulation and time wake up one after another
    model = build(*kinds, 2, awake=False).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(4):
        optimizer.zero_grad()
        num, cat, t, label = inputs(*kinds, n_classes=2)
        answer = model(num, cat, t, label, every_second_cell(num, cat))
        (torch.cat(answer, -1) - 1).square().mean().backward()
        optimizer.step()
    for name, parameter in model.named_parameters():
        assert parameter.grad.any() and parameter.grad.isfinite().all(), name
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            assert module.weight.grad.any(1).all(), f"an output of {name} is never used"


@pytest.mark.parametrize("shape", [(6,), (6, 5)])
def test_rows_and_positions_do_not_see_each_other(kinds, shape):
    model, (num, cat, t, label) = build(*kinds, 2), inputs(*kinds, shape, 2)
    place = (3,) if len(shape) == 1 else (3, 2)
    other_num, other_cat = num.clone(), cat.clone()
    other_num[place] = 9.0
    other_cat[place] = 1 - cat[place].clamp_max(1)
    other_cat = torch.minimum(other_cat, torch.tensor(kinds[1], dtype=torch.long) - 1)
    before, after = (torch.cat(model(n, c, t, label), -1) for n, c in ((num, cat), (other_num, other_cat)))
    changed = (before != after).any(-1)
    assert changed[place] and changed.sum() == 1


def test_time_and_class_of_a_row_reach_only_that_row(kinds):
    model, (num, cat, t, label) = build(*kinds, 2), inputs(*kinds, n_classes=2)
    before = torch.cat(model(num, cat, t, label), -1)
    later, relabelled = t.clone(), label.clone()
    later[3], relabelled[3] = 0.123, 1 - label[3]
    for other in (model(num, cat, later, label), model(num, cat, t, relabelled)):
        assert (before != torch.cat(other, -1)).any(-1).nonzero().tolist() == [[3]]


@pytest.mark.parametrize("shape", [(6,), (6, 5)])
def test_one_time_and_one_class_for_all_rows_equal_repeated_ones(kinds, shape):
    model, (num, cat, _, _) = build(*kinds, 2), inputs(*kinds, shape, 2)
    t, label = torch.tensor([0.37], dtype=torch.float64), torch.tensor([1])
    once = torch.cat(model(num, cat, t, label), -1)
    repeated = torch.cat(model(num, cat, t.repeat(6), label.repeat(6)), -1)
    torch.testing.assert_close(once, repeated, rtol=1e-5, atol=1e-5)


def test_no_label_is_the_label_after_the_last_class(kinds):
    model, (num, cat, t, _) = build(*kinds, 2), inputs(*kinds)
    untold, told_2, told_0 = (
        torch.cat(model(num, cat, t, label), -1)
        for label in (None, torch.full((6,), 2), torch.zeros(6, dtype=torch.long))
    )
    torch.testing.assert_close(untold, told_2)
    assert not torch.allclose(untold, told_0)


@pytest.mark.parametrize("n_levels", [[3, 1, 2, 7], [2] * 300, [2000, 3]])
def test_bfloat16_stays_within_2_per_cent_of_the_output_scale(n_levels):
    model = build(4, n_levels, 2, MLPConfig(width=128, n_blocks=3))
    arguments = inputs(4, n_levels, (256,), 2)
    with torch.no_grad():
        exact = torch.cat(model(*arguments), -1)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = torch.cat(model(*arguments), -1).float()
    error = (rounded - exact).square().mean().sqrt() / exact.square().mean().sqrt()
    assert 1e-5 < error < 2e-2
