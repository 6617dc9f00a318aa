"""A grown network of series says of old windows what the old one said, whatever is new beside them."""

import pytest
import torch

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion.mixed import LevelLayout
from tabdiff.nets.sequence import SequenceConfig, SequenceDenoiser
from tabdiff.nets.sequence_growth import SequenceStart, grown_sequence

SMALL = SequenceConfig(width=16, dilations=(1, 2), n_condition=8)


def network(n_num, n_levels, seed, config=SMALL):
    """A network of masked levels, all of whose weights are random."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = SequenceDenoiser(n_num, LevelLayout(n_levels), [count + 1 for count in n_levels], config)
        for parameter in made.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def blank(net):
    """The network with all weights zero: its new features say nothing."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    return net


def windows(n_num, n_levels, seed=0, shape=(5, 7)):
    """Noisy windows, levels masked at places, of which some cells are given, some steps absent; and times."""
    draws = torch.Generator().manual_seed(seed)
    num = torch.randn(*shape, n_num, generator=draws)
    states = [torch.randint(count + 1, shape, generator=draws) for count in n_levels]
    cat = torch.stack(states, -1)
    given = [torch.rand(x.shape, generator=draws) < 0.4 for x in (num, cat)]
    given[1] &= cat < torch.tensor(n_levels)  # a mask is never given
    known_cat = torch.minimum(cat, torch.tensor(n_levels) - 1)
    present = torch.arange(shape[1]) < torch.tensor([7, 7, 4, 1, 6])[:, None]
    known = Known(MixedBatch(num, known_cat, present=present), *given)
    return num, cat, known, torch.rand(shape[0], generator=draws)


def ask(net, num, cat, known, t):
    with torch.no_grad():
        return net(num, cat, t, None, known)


def test_old_windows_are_answered_as_before():
    """Features stand at other places beside new ones, and one has two more levels."""
    old = network(2, [3, 2], 1)
    new = grown_sequence(blank(network(3, [4, 2, 5], 2)), old, [1, -1, 0], [-1, 1, 0])
    num, cat, known, t = windows(2, [3, 2])
    raw, logits = ask(old, num, cat, known, t)

    def moved(values, fill, places):
        return torch.stack(
            [values[..., place] if place >= 0 else fill(values[..., 0]) for place in places], -1
        )

    def randomly(cells):
        return torch.randn(cells.shape, generator=torch.Generator().manual_seed(5))

    def levels(cells):
        return torch.full_like(cells, 3)

    num2, cat2 = moved(num, randomly, [1, -1, 0]), moved(cat, levels, [-1, 1, 0])
    cat2[..., 2] = torch.where(cat2[..., 2] == 3, 5, cat2[..., 2])  # the mask is behind the new levels
    rows = MixedBatch(
        moved(known.rows.num, randomly, [1, -1, 0]),
        moved(known.rows.cat, levels, [-1, 1, 0]),
        present=known.rows.present,
    )
    flags = moved(known.num, torch.ones_like, [1, -1, 0]), moved(known.cat, torch.ones_like, [-1, 1, 0])
    given = Known(rows, *flags)
    raw2, logits2 = ask(new, num2, cat2, given, t)
    torch.testing.assert_close(raw2[..., [2, 0]], raw)
    assert (raw2[..., 1] == 0).all()
    before, now = LevelLayout([3, 2]), LevelLayout([4, 2, 5])
    for feature, place in ((0, 2), (1, 1)):
        said, said_before = logits2[..., now.logits_of(place)], logits[..., before.logits_of(feature)]
        torch.testing.assert_close(said[..., : said_before.shape[-1]], said_before)
    assert (logits2[..., now.logits_of(0)] == 0).all()


def test_new_levels_count_from_the_mean_level_and_are_as_unlikely_as_the_rarest():
    old, fresh = network(1, [3], 1), network(1, [5], 2)
    before, initial = old.state_dict(), {name: value.clone() for name, value in fresh.state_dict().items()}
    after = grown_sequence(fresh, old, [0], [0]).state_dict()
    for name in ("embed_cat.table", "embed_known.cat.table"):
        torch.testing.assert_close(after[name][:3], before[name][:3])
        mean = before[name][:3].mean(0)
        torch.testing.assert_close(after[name][3:5], mean + initial[name][3:5])
    torch.testing.assert_close(after["embed_cat.table"][5], before["embed_cat.table"][3])  # the mask
    torch.testing.assert_close(after["head.weight"][4:], before["head.weight"][1:].mean(0).expand(2, -1))
    assert after["head.bias"][4:].tolist() == [before["head.bias"][1:].min().item()] * 2


def test_new_features_keep_the_weights_that_they_were_initialised_with():
    fresh = network(2, [2, 3], 2)
    initial = {name: value.clone() for name, value in fresh.state_dict().items()}
    after = grown_sequence(fresh, network(1, [2], 1), [-1, 0], [0, -1]).state_dict()
    torch.testing.assert_close(after["embed_num.weight"][:, 0], initial["embed_num.weight"][:, 0])
    torch.testing.assert_close(
        after["embed_known.num.weight"][:, [0, 2]], initial["embed_known.num.weight"][:, [0, 2]]
    )
    torch.testing.assert_close(after["embed_cat.table"][3:], initial["embed_cat.table"][3:])
    torch.testing.assert_close(after["embed_known.cat.table"][2:], initial["embed_known.cat.table"][2:])
    torch.testing.assert_close(after["head.weight"][0], initial["head.weight"][0])


def test_a_start_without_a_network_leaves_the_new_one():
    new = network(1, [2], 3)
    assert SequenceStart(None, [-1], [-1], torch.ones(4)).of(new) is new
    old = network(1, [2], 4)
    started = SequenceStart(old, [0], [0], torch.ones(4)).of(new)
    assert started is new
    for name, value in old.state_dict().items():
        assert torch.equal(started.state_dict()[name], value), name


def test_networks_that_cannot_be_grown_are_refused():
    with pytest.raises(ValueError, match="knows 3 levels of categorical feature 0, and only 2"):
        grown_sequence(network(1, [2], 0), network(1, [3], 0), [0], [0])
    wider = SequenceConfig(width=24, dilations=(1, 2), n_condition=8)
    with pytest.raises(ValueError, match="differs in size"):
        grown_sequence(network(1, [2], 0, wider), network(1, [2], 0), [0], [0])
