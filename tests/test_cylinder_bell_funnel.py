"""Cylinders, bells and funnels follow the law that is published for them."""

import numpy as np
import pytest

from tabdiff.datasets import make_cylinder_bell_funnel
from tabdiff.datasets.known_shapes import SHAPES, _event
from tabdiff.errors import InputError

STEP = {t: t - 1 for t in range(1, 129)}  # where step t of the law stands


@pytest.fixture(scope="module")
def drawn():
    X, y = make_cylinder_bell_funnel(4000, random_state=1)
    return {shape: X[y == shape, 0] for shape in SHAPES}


def profiles(shape):
    """All 17 x 65 equally likely profiles of height 1, step by step as the law is written."""
    found = []
    for a in range(16, 33):
        for d in range(32, 97):
            b = a + d
            ramp = {
                "cylinder": lambda t, a=a, b=b: 1.0,
                "bell": lambda t, a=a, b=b: (t - a) / (b - a),
                "funnel": lambda t, a=a, b=b: (b - t) / (b - a),
            }[shape]
            found.append([ramp(t) if a <= t <= b else 0.0 for t in range(1, 129)])
    return np.array(found)


@pytest.mark.parametrize("shape", SHAPES)
def test_mean_and_variance_of_every_step_are_those_of_the_law(drawn, shape):
    g = profiles(shape)
    mean = 6 * g.mean(axis=0)
    variance = 37 * (g**2).mean(axis=0) + 1 - mean**2  # E[(6 + eta) ** 2] = 37
    x = drawn[shape]
    assert np.abs((x.mean(axis=0) - mean) / np.sqrt(variance / len(x))).max() < 4.5
    assert np.abs(x.var(axis=0) / variance - 1).max() < 0.1


def test_inside_any_event_a_cylinder_is_6_high_and_its_steps_share_their_height(drawn):
    # every event covers the steps from 32 to 48, whatever its onset and duration
    inside = drawn["cylinder"][:, STEP[32] : STEP[48] + 1]
    assert abs(inside.mean() - 6) < 4.5 * np.sqrt((1 + 1 / 17) / 4000)
    covariance = np.cov(inside.T)
    assert abs(np.diag(covariance).mean() - 2) < 0.15
    assert abs(covariance[~np.eye(17, dtype=bool)].mean() - 1) < 0.12


def test_steps_before_the_first_onset_are_noise_alone(drawn):
    before = np.concatenate([x[:, : STEP[16]] for x in drawn.values()])
    assert before.shape[1] == 15
    assert abs(before.mean()) < 4.5 / np.sqrt(before.size) and abs(before.var() - 1) < 0.03


@pytest.mark.parametrize("shape", SHAPES)
def test_onset_and_duration_take_all_values_of_their_ranges_and_no_others(shape):
    events = _event(shape, 20_000, np.random.default_rng(0))
    inside = events != 0
    first, last = inside.argmax(axis=1) + 1, 128 - inside[:, ::-1].argmax(axis=1)
    # a bell is 0 at its onset, a funnel at its end
    a = first - (shape == "bell")
    b = last + (shape == "funnel")
    assert set(a) == set(range(16, 33)) and set(b - a) == set(range(32, 97))
    assert (inside.sum(axis=1) == last - first + 1).all()
    assert abs(np.corrcoef(a, b - a)[0, 1]) < 0.03


def test_ramps_are_straight_and_end_at_the_height_of_the_event():
    for shape, end in (("bell", -1), ("funnel", 0)):
        events = _event(shape, 200, np.random.default_rng(1))
        heights = []
        for event in events:
            ramp = event[event != 0]
            slope = ramp[-1] / len(ramp) if shape == "bell" else -ramp[0] / len(ramp)
            np.testing.assert_allclose(np.diff(ramp), slope, rtol=1e-9, atol=1e-12)
            heights.append(ramp[end])
        assert abs(np.mean(heights) - 6) < 4.5 / np.sqrt(200)


def test_shapes_of_unequal_number():
    X, y = make_cylinder_bell_funnel({"bell": 7, "funnel": 2}, random_state=0)
    assert X.shape == (9, 1, 128) and X.dtype == np.float64
    assert sorted(y.tolist()) == ["bell"] * 7 + ["funnel"] * 2


def test_a_seed_repeats_its_series():
    first, again, other = (make_cylinder_bell_funnel(5, random_state=seed)[0] for seed in (0, 0, 1))
    assert (first == again).all() and not (first == other).any()


def test_what_is_no_shape_and_no_number_is_refused():
    with pytest.raises(InputError, match="'cone', which is no shape"):
        make_cylinder_bell_funnel({"cone": 3})
    for wrong in (-1, 2.5, True, "many"):
        with pytest.raises(InputError, match="whole number"):
            make_cylinder_bell_funnel(wrong)
