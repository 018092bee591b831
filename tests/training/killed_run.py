"""A small training run as a program of its own, which a test may kill at any moment.

    python killed_run.py DIRECTORY SAVED

Its state is written after every step.
"""

import functools
import sys
from dataclasses import replace
from pathlib import Path

import torch
from training.small_runs import QUICK, seasonal_panel, small

import tcn
from tcn.forecaster import Forecaster
from tcn.training import LoopSettings

STEPS = 20


def train(directory: Path | None, steps: int = STEPS) -> Forecaster:
    """Train with dropout, so that random numbers matter too."""
    epochs = {"max_epochs": steps // 10, "steps_per_epoch": 10, "patience": 1000}
    settings = replace(QUICK, refit=True, **epochs)
    return tcn.fit(seasonal_panel(), small(dropout=0.1), settings, start=None, directory=directory)


def main(directory: str, saved: str) -> None:
    """Train, saving the state after every step, and save the forecaster."""
    torch.set_num_threads(1)
    module = sys.modules["tcn.training.fit"]
    module.LoopSettings = functools.partial(LoopSettings, checkpoint_seconds=-1.0)
    tcn.save(train(Path(directory)), saved)


if __name__ == "__main__":
    main(*sys.argv[1:])
