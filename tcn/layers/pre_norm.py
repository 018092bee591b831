"""A residual block that normalises first: the block of the forecasting networks."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcn.errors import ConfigError
from tcn.layers.conv import CausalConv1d
from tcn.layers.dropout import ChannelDropout
from tcn.layers.fork import fork
from tcn.layers.norms import LayerNorm, RMSNorm
from tcn.layers.points import Memory, PointFunction, Rows, Tick
from tcn.layers.rows import relu
from tcn.layers.stream import (
    Demand,
    PointwiseLayer,
    RowsFunction,
    StreamLayer,
    picked,
)

NormName = Literal["layer", "rms"]


class PreNormBlock(StreamLayer[Tensor]):
    r"""x + project(dropout(relu(conv(norm(x))))), with `project` zero at the start.

    The convolution is causal and dilated, `channels` to `hidden`; the projection reads one
    position. A new block passes its input on unchanged, so that deep stacks train from the start.

    Shape: (N, channels, L) in and out; the state is that of the convolution.
    Source: the pre-activation residual of He et al. 2016 (arXiv:1603.05027) around the dilated
    convolution of Bai et al. 2018 (arXiv:1803.01271).
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        kernel_size: int,
        dilation: int = 1,
        *,
        dropout: float = 0.0,
        norm: NormName = "layer",
    ) -> None:
        super().__init__()
        if norm not in ("layer", "rms"):
            raise ConfigError(f"norm must be 'layer' or 'rms', got {norm!r}.")
        self.norm: PointwiseLayer = LayerNorm(channels) if norm == "layer" else RMSNorm(channels)
        self.conv = CausalConv1d(channels, hidden, kernel_size, dilation)
        self.dropout = ChannelDropout(dropout)
        self.project = CausalConv1d(hidden, channels, kernel_size=1)
        self.receptive_field = self.conv.receptive_field
        for parameter in self.project.parameters():
            nn.init.zeros_(parameter)

    def initial_state(self, batch_size: int) -> Tensor:
        return self.conv.initial_state(batch_size)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        hidden, state = self.conv.step(self.norm.transform(x), state)
        return x + self._update(hidden), state

    def needs(self, demand: Demand) -> Demand:
        return self.conv.needs(demand)

    def at(self, x: Tensor, demand: Demand) -> Tensor:
        x, shortcut = fork(x, picked(self.needs(demand), demand))
        hidden = self.conv.at(self.norm.transform(x), demand)
        return shortcut + self._update(hidden)

    def prepare(self) -> Callable[[Demand], RowsFunction]:
        norms, convs = self.norm.prepare(), self.conv.prepare()
        projections = self.project.prepare()

        def plan(demand: Demand) -> RowsFunction:
            held = self.needs(demand)
            kept = picked(held, demand)
            norm, conv, project = norms(held), convs(demand), projections(demand)

            def run(rows: NDArray[Any]) -> NDArray[Any]:
                update = project(relu(conv(norm(rows))))
                update += rows[:, kept]
                return update

            return run

        return plan

    def point(self, memory: Memory) -> PointFunction:
        norm, conv = self.norm.point(memory), self.conv.point(memory)
        project = self.project.rowwise()

        def run(rows: Rows, tick: Tick) -> Rows:
            update = project(tick.relu(conv(norm(rows, tick), tick)), tick)
            update += rows
            return update

        return run

    def _update(self, hidden: Tensor) -> Tensor:
        update: Tensor = self.project(self.dropout(torch.relu(hidden)))
        return update
