"""Networks of 6 levels and 32 channels, ours and those of other libraries, and data for them.

One network, four ways to run it: `OnDemandTCN` is `tcn.layers` with the last position alone
evaluated; `FullTCN` has the same weights and mathematics as plain left-padded `conv1d` on every
position, as a textbook writes it. darts' TCNModel has the same blocks (its last convolution gives
the output instead of a linear head); neuralforecast's TCN has one convolution a level.
"""

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tcn.layers import ResidualBlock, Stack, dilation_cycles
from tcn.models.precision import autocast
from tcn.series import Panel
from tcn.training import LoopSettings, Task, train
from tcn.training.panel_windows import Pairs, PanelWindows

LEVELS, CHANNELS, KERNEL = 6, 32, 3
CONTEXT, HORIZON, BATCH = 168, 24, 256
RATE = 1e-3


class OnDemandTCN(nn.Module):
    """Residual blocks and a linear head on the last position. (N, 1, L) to (N, HORIZON)."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        widths = iter([1] + [CHANNELS] * (LEVELS - 1))
        self.stack = Stack(
            lambda d: ResidualBlock(next(widths), CHANNELS, KERNEL, d, dropout=dropout),
            dilation_cycles(LEVELS),
        )
        self.head = nn.Linear(CHANNELS, HORIZON)

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.head(self.stack.last(x)[..., 0])
        return states


class FullTCN(nn.Module):
    """The same with left-padded `conv1d` on all positions, and dropout of elements."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        widths = [1] + [CHANNELS] * LEVELS
        self.first = nn.ModuleList(
            nn.Conv1d(widths[i], CHANNELS, KERNEL, dilation=2**i) for i in range(LEVELS)
        )
        self.second = nn.ModuleList(
            nn.Conv1d(CHANNELS, CHANNELS, KERNEL, dilation=2**i) for i in range(LEVELS)
        )
        self.project = nn.Conv1d(1, CHANNELS, 1)
        self.head = nn.Linear(CHANNELS, HORIZON)

    def forward(self, x: Tensor) -> Tensor:
        for i in range(LEVELS):
            padding = ((KERNEL - 1) * 2**i, 0)
            hidden = self._drop(torch.relu(self.first[i](functional.pad(x, padding))))
            hidden = self._drop(torch.relu(self.second[i](functional.pad(hidden, padding))))
            x = torch.relu(hidden + (x if i else self.project(x)))
        states: Tensor = self.head(x[..., -1])
        return states

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)

    @torch.no_grad()
    def copy_weights(self, other: OnDemandTCN) -> None:
        """Take the weights of the same network in the other form."""
        for i, block in enumerate(other.stack.layers):
            for own, its in ((self.first[i], block.first), (self.second[i], block.second)):
                own.weight.copy_(its.weight)
                own.bias.copy_(its.bias)
        self.project.weight.copy_(other.stack.layers[0].project.weight)
        self.project.bias.copy_(other.stack.layers[0].project.bias)
        self.head.load_state_dict(other.head.state_dict())


def require_equal() -> float:
    """Largest relative difference of outputs and gradients of both forms; ends if they differ."""
    own, full = OnDemandTCN(), FullTCN()
    full.copy_weights(own)
    x = torch.randn(17, 1, CONTEXT)
    outputs, gradients = [], []
    for network in (own, full):
        y = network(x)
        y.square().sum().backward()
        outputs.append(y.detach())
        gradients.append(network.head.weight.grad)
    first = own.stack.layers[0].first.weight.grad
    pairs = [outputs, gradients, (first, full.first[0].weight.grad)]
    worst = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
    if worst > 1e-4:
        raise SystemExit(f"On demand and in full differ by {worst:.1e}.")
    return worst


def season_panel(n_series: int = 200, length: int = 1000, seed: int = 0) -> Panel:
    """Hourly series with a day and a week in them, a slow wander and noise, standardised."""
    rng = np.random.default_rng(seed)
    hours = np.arange(length)
    phase = rng.uniform(0, 2 * np.pi, (n_series, 3, 1))
    size = rng.uniform(0.5, 1.5, (n_series, 3, 1))
    periods = np.array([24.0, 12.0, 168.0])[None, :, None]
    waves = (size * np.sin(2 * np.pi * hours / periods + phase)).sum(axis=1)
    wander = 0.05 * rng.normal(size=(n_series, length)).cumsum(axis=1)
    values = waves + wander + 0.5 * rng.normal(size=(n_series, length))
    values = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    starts = ["2024-01-01"] * n_series
    return Panel.from_arrays(list(values), freq="h", starts=starts)


def frame_of(panel: Panel) -> Any:
    """The panel as a long pandas frame, as a CSV reader gives it: equal ids are one object."""
    import pandas as pd

    frame = panel.to_frame("pandas")
    frame["unique_id"] = np.repeat(panel.ids.astype(object), panel.lengths)
    return pd.DataFrame(frame[["unique_id", "ds", "y"]])


class Stopwatch:
    """Seconds of wall time and of CPU time between calls of `tick`."""

    def __init__(self) -> None:
        self.ticks: list[tuple[float, float]] = []

    def tick(self) -> None:
        self.ticks.append((time.perf_counter(), time.process_time()))

    def intervals(self, skipped: int) -> NDArray[np.float64]:
        """(n, 2), the first `skipped` left out."""
        return np.diff(np.array(self.ticks), axis=0)[skipped:]


def our_steps(
    network: nn.Module,
    batch_at: Callable[[int], Pairs],
    steps: int,
    dtype: torch.dtype,
    *,
    watch: Stopwatch | None = None,
    rate: float = RATE,
) -> None:
    """`steps` of the library's training loop with squared error."""

    def timed_batch_at(step: int) -> Pairs:
        if watch is not None:
            watch.tick()
        return batch_at(step)

    def loss_of(pairs: Pairs) -> Tensor:
        with autocast(torch.device("cpu"), dtype):
            forecast = network(pairs.past)
        return functional.mse_loss(forecast.float(), pairs.future)

    settings = LoopSettings(steps=steps, learning_rate=lambda _: rate, evaluate_every=steps)
    train(network, Task(timed_batch_at, loss_of), settings, None, lambda _: None)


def plain_steps(network: nn.Module, windows: PanelWindows, steps: int, watch: Stopwatch) -> None:
    """A textbook loop: Adam, squared error, float32."""
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    network.train()
    for step in range(steps):
        watch.tick()
        pairs = windows(step)
        loss = functional.mse_loss(network(pairs.past), pairs.future)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@contextmanager
def quiet_peers() -> Iterator[None]:
    """Without the messages of Lightning."""
    for name in ("pytorch_lightning", "lightning", "darts", "neuralforecast"):
        logging.getLogger(name).setLevel(logging.ERROR)
        for child in list(logging.root.manager.loggerDict):
            if child.startswith(name):
                logging.getLogger(child).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def trainer_options(callback: Any, **options: Any) -> dict[str, Any]:
    """Lightning without progress bar, log or checkpoints."""
    return {
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "logger": False,
        "callbacks": [] if callback is None else [callback],
        **options,
    }


def ticking_callback(on_step: Callable[[], None]) -> Any:
    """A Lightning callback at the end of every training step."""
    import pytorch_lightning as pl

    class Ticks(pl.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            on_step()

    return Ticks()


def darts_model(
    dropout: float,
    *,
    epochs: int = 1,
    rate: float = RATE,
    callback: Any = None,
    **trainer: Any,
) -> Any:
    from darts.models import TCNModel

    return TCNModel(
        CONTEXT,
        HORIZON,
        kernel_size=KERNEL,
        num_filters=CHANNELS,
        num_layers=LEVELS,
        dilation_base=2,
        dropout=dropout,
        batch_size=BATCH,
        n_epochs=epochs,
        optimizer_kwargs={"lr": rate},
        random_state=0,
        pl_trainer_kwargs=trainer_options(callback, **trainer),
    )


def darts_series(frame: Any) -> list[Any]:
    """A long frame as darts' series, float32."""
    from darts import TimeSeries

    found = TimeSeries.from_group_dataframe(
        frame, group_cols="unique_id", time_col="ds", value_cols="y", freq="h"
    )
    return [series.astype(np.float32) for series in found]


def neuralforecast_model(*, steps: int, callback: Any = None) -> Any:
    from neuralforecast import NeuralForecast
    from neuralforecast.models import TCN

    model = TCN(
        h=HORIZON,
        input_size=CONTEXT,
        kernel_size=KERNEL,
        dilations=[2**i for i in range(LEVELS)],
        encoder_hidden_size=CHANNELS,
        decoder_hidden_size=CHANNELS,
        windows_batch_size=BATCH,
        batch_size=200,
        max_steps=steps,
        learning_rate=RATE,
        **trainer_options(callback),
    )
    return NeuralForecast(models=[model], freq="h")
