"""What a first forecast loads and leaves behind."""

import subprocess
import sys

import numpy as np
import torch

import tcn

FIRST_FORECAST = """
import sys
import numpy as np
import tcn
tcn.load("zero").predict(tcn.Panel.from_arrays([np.arange(30.0)]), 3)
heavy = ("torch._dynamo", "sympy", "pandas", "pyarrow", "tcn.models.image", "tcn.models.waveform")
print(*(name for name in heavy if name in sys.modules))
"""


def test_a_first_forecast_loads_neither_compilers_nor_tables_nor_other_networks():
    command = [sys.executable, "-c", FIRST_FORECAST]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert found.stdout.split() == []


def test_a_forecast_leaves_threads_and_random_numbers_as_they_were():
    forecaster = tcn.load("zero")
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    forecaster.predict(tcn.Panel.from_arrays([np.arange(30.0)] * 40), 3)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
