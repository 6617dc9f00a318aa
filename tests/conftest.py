"""Settings that every test shares."""

import pytest
import torch
from containers import CONTAINERS, FRAMES


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread():
    """One thread for each worker: two that wait for each other are many times slower than one."""
    torch.set_num_threads(1)


@pytest.fixture(params=CONTAINERS)
def container(request):
    """Put a pandas table into one kind of container, arrays and lists among them."""
    return CONTAINERS[request.param]


@pytest.fixture(params=FRAMES)
def frame_maker(request):
    """Put a pandas table into one kind of data frame."""
    return FRAMES[request.param]
