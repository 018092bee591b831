"""Windows of a panel for networks of your own: plain numbers, cut by index when they are needed."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from tcn.errors import ConfigError, DataError
from tcn.series.panel import Panel


class Pairs(NamedTuple):
    """A batch: what is seen and what follows, float32."""

    past: Tensor  # (N, 1, context_length)
    future: Tensor  # (N, horizon)


class PanelWindows:
    """Batches by step number, drawn evenly from all windows of a panel.

    A window is `context_length` values and the `horizon` after them, wherever a series is long
    enough. None is stored: a batch is cut out of the panel's values, which may lie in a file
    (`numpy.memmap`). The values are taken as they are; missing ones stay NaN.

    >>> panel = Panel.from_arrays([np.arange(10.0), np.arange(5.0)])
    >>> len(PanelWindows(panel, context_length=3, horizon=2))
    7

    Raises ConfigError for sizes below 1, DataError where no series is long enough.
    """

    def __init__(
        self,
        panel: Panel,
        context_length: int,
        horizon: int,
        *,
        batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        if min(context_length, horizon, batch_size) < 1:
            raise ConfigError(
                "context_length, horizon and batch_size must be at least 1, got "
                f"{context_length}, {horizon} and {batch_size}."
            )
        size = context_length + horizon
        counts = np.maximum(panel.lengths - size + 1, 0)
        if not counts.any():
            raise DataError(
                f"No series has the {size} points of a window; the longest has "
                f"{int(panel.lengths.max(initial=0))}. Give longer series or shorter windows."
            )
        self.context_length = context_length
        self.batch_size = batch_size
        self.seed = seed
        self._windows = sliding_window_view(panel.values, size)
        self._last = np.cumsum(counts)
        self._shift = panel.offsets[:-1] - (self._last - counts)

    def __len__(self) -> int:
        """Number of windows."""
        return int(self._last[-1])

    def __call__(self, step: int) -> Pairs:
        """The batch of a step; the same for the same seed."""
        rng = np.random.default_rng([self.seed, step])
        return self.take(rng.integers(len(self), size=self.batch_size))

    def take(self, numbers: np.typing.NDArray[np.int64]) -> Pairs:
        """Windows by number, in the order of series and time."""
        series = np.searchsorted(self._last, numbers, side="right")
        values = torch.from_numpy(self._windows[numbers + self._shift[series]]).float()
        return Pairs(values[:, None, : self.context_length], values[:, self.context_length :])
