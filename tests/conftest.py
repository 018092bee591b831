"""One thread and fixed seeds for every test, so that results do not depend on the machine."""

import random

import hypothesis
import numpy as np
import pytest
import torch

torch.set_num_threads(1)

hypothesis.settings.register_profile("tcn", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.load_profile("tcn")


@pytest.fixture(autouse=True)
def seeded() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  what a test draws from the global generator is fixed too
    torch.manual_seed(0)
