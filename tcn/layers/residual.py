"""The residual block of the temporal convolutional network."""

from torch import Tensor

from tcn.layers.conv import CausalConv1d
from tcn.layers.dropout import ChannelDropout
from tcn.layers.fork import fork
from tcn.layers.layout import added, relu, relu_behind_zeros
from tcn.layers.points import Memory, PointFunction, Rows, Tick
from tcn.layers.stream import Demand, StreamLayer, picked


class ResidualBlock(StreamLayer[tuple[Tensor, Tensor]]):
    r"""relu(h(x) + x), where h is two dilated causal convolutions, each with relu and dropout.

    Where the channels differ, x passes a projection of kernel size 1. Dropout takes whole channels.
    The state is the states of the two convolutions.

    Shape: x (N, in_channels, L), output (N, out_channels, L).
    Source: Bai, Kolter and Koltun 2018, figure 1b (arXiv:1803.01271).

    >>> ResidualBlock(1, 8, kernel_size=3, dilation=4).receptive_field
    17
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        dilation: int = 1,
        *,
        dropout: float = 0.0,
        weight_norm: bool = False,
    ) -> None:
        super().__init__()
        self.first = CausalConv1d(
            in_channels, out_channels, kernel_size, dilation, weight_norm=weight_norm
        )
        self.second = CausalConv1d(
            out_channels, out_channels, kernel_size, dilation, weight_norm=weight_norm
        )
        self.dropout = ChannelDropout(dropout)
        self.project = (
            CausalConv1d(in_channels, out_channels, kernel_size=1)
            if in_channels != out_channels
            else None
        )
        self.receptive_field = self.first.receptive_field + self.second.receptive_field - 1

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        return self.first.initial_state(batch_size), self.second.initial_state(batch_size)

    def step(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hidden, first_state = self.first.step(x, state[0])
        hidden, second_state = self.second.step(self._activate(hidden), state[1])
        return self._output(x, hidden), (first_state, second_state)

    def needs(self, demand: Demand) -> Demand:
        return self.first.needs(self.second.needs(demand))

    def at(self, x: Tensor, demand: Demand) -> Tensor:
        between = self.second.needs(demand)
        x, shortcut = fork(x, picked(self.first.needs(between), demand))
        hidden = self.first.at(x, between)
        hidden = relu_behind_zeros(hidden, self.second.columns(demand) - between.count)
        hidden = self.second.at(self.dropout(hidden), demand)
        return self._output(shortcut, hidden)

    def point(self, memory: Memory) -> PointFunction:
        first, second = self.first.point(memory), self.second.point(memory)
        project = None if self.project is None else self.project.rowwise()

        def run(rows: Rows, tick: Tick) -> Rows:
            hidden = tick.relu(second(tick.relu(first(rows, tick)), tick))
            hidden += rows if project is None else project(rows, tick)
            return tick.relu(hidden)

        return run

    def _activate(self, hidden: Tensor) -> Tensor:
        activated: Tensor = self.dropout(relu(hidden))
        return activated

    def _output(self, x: Tensor, hidden: Tensor) -> Tensor:
        shortcut = x if self.project is None else self.project(x)
        return relu(added(self._activate(hidden), shortcut))
