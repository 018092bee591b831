"""Training: one loop for every network, and `fit` for forecasters."""

from tcn.training.fit import fit
from tcn.training.loop import LoopSettings, Task, train

__all__ = ["LoopSettings", "Task", "fit", "train"]
