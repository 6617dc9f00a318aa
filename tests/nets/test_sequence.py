"""The denoiser of series: what it may look at, and that it learns what a row-wise network cannot."""

import pytest
import torch

from tabdiff.batch import Known, MixedBatch
from tabdiff.diffusion.conditions import nothing_known
from tabdiff.diffusion.mixed import LevelLayout
from tabdiff.nets.initial import initialised
from tabdiff.nets.sequence import GatedConvolution, SequenceConfig, SequenceDenoiser

LAYOUT = LevelLayout([3, 2])


def network(dilations=(1, 2)):
    """A small network whose zero-initialised layers are not zero."""

    def build():
        built = SequenceDenoiser(2, LAYOUT, [4, 3], SequenceConfig(16, dilations, 8))
        for parameter in built.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        return built

    return initialised(build, 0)


def rows(n_rows, n_steps, seed=0, present=None):
    generator = torch.Generator().manual_seed(seed)
    num = torch.randn(n_rows, n_steps, 2, generator=generator)
    cat = (torch.rand(n_rows, n_steps, 2, generator=generator) * torch.tensor([4, 3])).long()
    return MixedBatch(num, cat, None, present)


def told(net, batch, t=0.3):
    known = nothing_known(MixedBatch(batch.num, batch.cat.clamp_max(1), None, batch.present))
    times = torch.full((len(batch),), t)
    return net(batch.num, batch.cat, times, None, known)


def test_shapes_and_a_series_of_one_step():
    net = network()
    for n_steps in (1, 2, 7):
        raw, logits = told(net, rows(3, n_steps))
        assert raw.shape == (3, n_steps, 2)
        assert logits.shape == (3, n_steps, LAYOUT.n_logits)


def test_absent_steps_say_nothing_and_padding_changes_nothing():
    net, n_steps = network(), 5
    short = rows(2, n_steps)
    padded_num = torch.cat([short.num, torch.full((2, 4, 2), 1e3)], 1)
    padded_cat = torch.cat([short.cat, torch.ones(2, 4, 2, dtype=torch.long)], 1)
    present = (torch.arange(9) < n_steps).expand(2, -1)
    alone = told(net, short)
    padded = told(net, MixedBatch(padded_num, padded_cat, None, present))
    for one, other in zip(alone, padded, strict=True):
        torch.testing.assert_close(one, other[:, :n_steps])


def test_rows_do_not_see_each_other():
    net, both = network(), rows(2, 6)
    alone = told(net, both[:1])
    together = told(net, both)
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other[:1])


def test_a_block_sees_dilation_steps_to_both_sides_and_beyond_only_by_the_mean():
    block = initialised(lambda: GatedConvolution(8, 2), 0)
    torch.nn.init.normal_(block.outer.weight)
    torch.nn.init.zeros_(block.overall.weight)
    h = torch.randn(1, 9, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
    zero = torch.zeros(1, 1, 8)
    block(h, zero, zero, None)[0, 4].sum().backward()
    assert h.grad is not None
    seen = (h.grad[0].abs().sum(1) > 0).nonzero()[:, 0].tolist()
    assert seen == [2, 4, 6]


def test_gradients_reach_every_parameter():
    net = network()
    batch = rows(4, 6, present=(torch.arange(6) < torch.tensor([[6], [5], [3], [1]])))
    clean = MixedBatch(batch.num, batch.cat.clamp_max(1), None, batch.present)
    known = Known(clean, torch.rand(4, 6, 2) < 0.5, torch.rand(4, 6, 2) < 0.5)
    raw, logits = net(batch.num, batch.cat, torch.rand(4), None, known)
    (raw.square().sum() + logits.square().sum()).backward()
    # levels that no cell holds have no gradient; every tensor has one
    assert not [name for name, one in net.named_parameters() if one.grad is None or not one.grad.any()]


def test_initialisation_is_a_function_of_the_seed_and_leaves_the_global_generator():
    before = torch.get_rng_state()
    one, other, third = (
        initialised(lambda: SequenceDenoiser(1, LAYOUT, [3, 2], SequenceConfig(8, (1,), 4)), seed)
        for seed in (1, 1, 2)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(one.embed_num.weight, third.embed_num.weight)


@pytest.mark.parametrize("t", [0.0, 0.5, 1.0])
def test_starts_as_no_opinion(t):
    net = initialised(lambda: SequenceDenoiser(2, LAYOUT, [4, 3], SequenceConfig(16, (1,), 8)), 0)
    raw, logits = told(net, rows(2, 3), t)
    assert not raw.any() and not logits.any()


def test_of_whitened_features_a_gain_times_the_second_number_is_said_as_well():
    net = initialised(lambda: SequenceDenoiser(3, LAYOUT, [4, 3], SequenceConfig(16, (1,), 8), [2, 0]), 0)
    generator = torch.Generator().manual_seed(0)
    num, cat = torch.randn(2, 4, 5, generator=generator), torch.zeros(2, 4, 2, dtype=torch.long)
    assert not net(num, cat, torch.full((2,), 0.3), None)[0].any()
    torch.nn.init.ones_(net.gain.bias)  # a gain of 1 everywhere
    raw, logits = net(num, cat, torch.full((2,), 0.3), None)
    torch.testing.assert_close(raw[..., [2, 0]], num[..., 3:])
    assert not raw[..., 1].any() and logits.shape == (2, 4, LAYOUT.n_logits)
