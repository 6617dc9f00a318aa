"""All known answers, at one small size here and at three sizes and three seeds among the slow tests."""

import pytest
from known_answers import CASES


def test_there_are_twenty_two():
    assert list(CASES) == [f"K{i}" for i in range(1, 23)]


@pytest.mark.parametrize("name", CASES)
def test_known_answer(name):
    CASES[name](1_000, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("n", [1_000, 3_000, 10_000])
@pytest.mark.parametrize("name", CASES)
def test_known_answer_at_every_size_and_seed(name, n, seed):
    CASES[name](n, seed)
