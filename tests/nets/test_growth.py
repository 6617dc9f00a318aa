"""Networks that start from others: what they say on old rows, and of what is new."""

import pytest
import torch
from oracles import generator

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion.mixed import LevelLayout, MixedProcess
from tabdiff.nets.growth import grown
from tabdiff.nets.mlp import MLPConfig, MLPDenoiser

CONFIG = MLPConfig(width=24, n_blocks=2, n_condition=16)
OLD_LEVELS, NEW_LEVELS = [3, 5, 2], [2, 5, 4, 3]
NUM_FROM, CAT_FROM = [-1, 1, 0], [-1, 1, 0, 2]  # the old ones in another order among new ones


@pytest.fixture(autouse=True)
def _own_initialisation():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def network(n_num, n_levels, n_classes):
    """A network with no weight at zero."""
    model = MLPDenoiser(n_num, LevelLayout(n_levels), n_classes, CONFIG)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def rows(n=50):
    """Rows of the old features, some of their cells known, and the same rows with the new features."""
    x_t = MixedProcess(2, LevelLayout(OLD_LEVELS)).prior((n,), generator())
    flags = torch.rand(n, 5, generator=generator(1)) < 0.5
    old = Known(x_t, flags[:, :2], flags[:, 2:])
    num, known_num = torch.randn(n, 3, generator=generator(2)), torch.ones(n, 3, dtype=torch.bool)
    cat, known_cat = torch.zeros(n, 4, dtype=torch.long), torch.ones(n, 4, dtype=torch.bool)
    for feature, before in enumerate(NUM_FROM):
        if before >= 0:
            num[:, feature], known_num[:, feature] = x_t.num[:, before], flags[:, before]
    for feature, before in enumerate(CAT_FROM):
        if before >= 0:
            cat[:, feature], known_cat[:, feature] = x_t.cat[:, before], flags[:, 2 + before]
    return old, Known(MixedBatch(num, cat), known_num, known_cat)


def ask(model, known, label, with_known):
    t = torch.linspace(0, 1, len(known))
    return model(known.rows.num, known.rows.cat, t, label, known if with_known else None)


@pytest.fixture(scope="module")
def pair():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        old, new = network(2, OLD_LEVELS, 2), network(3, NEW_LEVELS, 3)
        return old, grown(new, old, NUM_FROM, CAT_FROM)


@pytest.mark.parametrize("with_known", [False, True])
def test_a_grown_network_says_the_same_of_old_rows(pair, with_known):
    old, new = pair
    of_old, of_new = rows()
    label = torch.arange(50) % 3
    told_before, told_now = (
        label,
        torch.where(label == 2, 3, label),
    )  # "not told" is the label behind the last
    raw_old, logits_old = ask(old, of_old, told_before, with_known)
    raw_new, logits_new = ask(new, of_new, told_now, with_known)
    there, here = LevelLayout(OLD_LEVELS), LevelLayout(NEW_LEVELS)
    for feature, before in enumerate(NUM_FROM):
        if before >= 0:
            torch.testing.assert_close(raw_new[:, feature], raw_old[:, before])
    for feature, before in enumerate(CAT_FROM):
        if before >= 0:
            now = logits_new[:, here.logits_of(feature)][:, : OLD_LEVELS[before]]
            torch.testing.assert_close(now, logits_old[:, there.logits_of(before)])


def test_new_features_start_at_zero_and_learn(pair):
    _, new = pair
    _, known = rows()
    raw, logits = ask(new, known, None, True)
    place = LevelLayout(NEW_LEVELS).logits_of(0)
    assert not raw[:, 0].any() and not logits[:, place].any()
    new.zero_grad()
    (raw.square().sum() + logits.square().sum() + raw.sum() + logits.sum()).backward()
    assert new.embed_num.weight.grad[:, 0].any() and new.head.weight.grad[0].any()
    assert new.head.weight.grad[3 + place.start].any() and new.embed_cat.table.grad[:2].any()


def test_a_new_level_starts_as_the_mean_of_the_others_and_as_unlikely_as_the_rarest(pair):
    old, new = pair
    before, now = (
        old.embed_cat.table[:3],
        new.embed_cat.table[7:11],
    )  # the first column of old, the third of new
    torch.testing.assert_close(now[:3], before)
    torch.testing.assert_close(now[3], before.mean(0))
    place = LevelLayout(NEW_LEVELS).logits_of(2)
    bias = new.head.bias[3 + place.start : 3 + place.stop]
    assert bias[3] == bias[:3].min()
    torch.testing.assert_close(new.embed_label.weight[2], old.embed_label.weight[:2].mean(0))


def test_the_old_network_is_left_alone():
    old = network(2, OLD_LEVELS, 2)
    before = {name: value.clone() for name, value in old.state_dict().items()}
    new = grown(network(2, OLD_LEVELS, 2), old, [0, 1], [0, 1, 2])
    for parameter in new.parameters():
        torch.nn.init.zeros_(parameter)
    assert all(torch.equal(value, before[name]) for name, value in old.state_dict().items())


def test_features_may_be_dropped_and_kinds_may_be_new():
    old = network(2, [], 0)
    new = grown(network(1, [3], 0), old, [1], [-1])
    x = torch.randn(6, 2, generator=generator())
    x[:, 0] = 0  # what is dropped no longer has a say
    cat, t = torch.zeros(6, 1, dtype=torch.long), torch.linspace(0, 1, 6)
    raw_old, _ = old(x, cat[:, :0], t, None)
    raw_new, _ = new(x[:, 1:], cat, t, None)
    torch.testing.assert_close(raw_new[:, 0], raw_old[:, 1])


def test_other_sizes_fewer_levels_and_fewer_labels_are_refused():
    old = network(2, OLD_LEVELS, 2)
    wider = MLPDenoiser(2, LevelLayout(OLD_LEVELS), 2, MLPConfig(width=32, n_blocks=2, n_condition=16))
    with pytest.raises(ValueError, match="size"):
        grown(wider, old, [0, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="levels of categorical feature 1"):
        grown(network(2, [3, 4, 2], 2), old, [0, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="labels"):
        grown(network(2, OLD_LEVELS, 1), old, [0, 1], [0, 1, 2])
