"""Settings that every test shares."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread():
    """One thread for each worker: two that wait for each other are many times slower than one."""
    torch.set_num_threads(1)
