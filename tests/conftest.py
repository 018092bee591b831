"""One thread and fixed seeds for every test, so that results do not depend on the machine."""

import random
import signal

import hypothesis
import numpy as np
import pytest
import torch

torch.set_num_threads(1)

hypothesis.settings.register_profile("tcn", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.load_profile("tcn")


def pytest_configure():
    """Ctrl-C works as in a terminal where the tests were started in the background, too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def seeded() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  what a test draws from the global generator is fixed too
    torch.manual_seed(0)
