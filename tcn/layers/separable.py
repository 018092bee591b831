"""Depthwise-separable causal convolution."""

from torch import Tensor

from tcn.layers.conv import CausalConv1d
from tcn.layers.points import Memory, PointFunction
from tcn.layers.stream import Demand, StreamLayer


class SeparableConv1d(StreamLayer[Tensor]):
    """A causal convolution of each channel alone, then a mixture of the channels at each position.

    About k times fewer multiplications than `CausalConv1d`, though on a CPU seldom faster: it is
    bound by memory.

    Shape: x (N, in_channels, L), output (N, out_channels, ceil(L / stride)).
    Source: Chollet 2017 (arXiv:1610.02357).

    >>> sum(p.numel() for p in SeparableConv1d(16, 32, kernel_size=3).parameters())
    608
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        dilation: int = 1,
        *,
        stride: int = 1,
        bias: bool = True,
        weight_norm: bool = False,
    ) -> None:
        super().__init__()
        self.depthwise = CausalConv1d(
            in_channels,
            in_channels,
            kernel_size,
            dilation,
            stride=stride,
            groups=in_channels,
            bias=bias,
            weight_norm=weight_norm,
        )
        self.pointwise = CausalConv1d(
            in_channels, out_channels, kernel_size=1, bias=bias, weight_norm=weight_norm
        )
        self.receptive_field = self.depthwise.receptive_field

    def initial_state(self, batch_size: int) -> Tensor:
        return self.depthwise.initial_state(batch_size)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        hidden, state = self.depthwise.step(x, state)
        return self.pointwise(hidden), state

    def output_length(self, length: int) -> int:
        return self.depthwise.output_length(length)

    def reads(self, first: int, last: int) -> tuple[int, int]:
        return self.depthwise.reads(first, last)

    def needs(self, demand: Demand) -> Demand:
        return self.depthwise.needs(demand)

    def at(self, x: Tensor, demand: Demand) -> Tensor:
        y: Tensor = self.pointwise(self.depthwise.at(x, demand))
        return y

    def point(self, memory: Memory) -> PointFunction:
        depthwise, pointwise = self.depthwise.point(memory), self.pointwise.rowwise()
        return lambda rows, tick: pointwise(depthwise(rows, tick), tick)
