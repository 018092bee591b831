"""Causal convolution in one dimension: dilated, strided, grouped, streaming and on demand."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tcn.errors import ConfigError
from tcn.layers.layout import is_channels_last, join, pad_left
from tcn.layers.points import Matrix, Memory, PointFunction, Rows, Tick, turned
from tcn.layers.rows import product
from tcn.layers.stream import Demand, RowsFunction, StreamLayer
from tcn.layers.weight_norm import direction_norm, scaled

LARGEST_PRODUCT = 1024  # rows from which a convolution is faster than one matrix product


class CausalConv1d(StreamLayer[Tensor]):
    r"""1D convolution whose output at time `t` reads no input later than `t`.

    Output `t` is the sum over taps `i` of `weight[..., k - 1 - i] * x[t - i d]`, with zeros before
    the first input. With a stride, outputs stand at positions 0, s, 2s, ... of the input.

    The state is the last `left_padding` inputs, zeros at the start; with a stride it also holds
    the inputs since the last multiple of the stride, so that its length says the phase.

    weight_norm: learn length and direction of each output channel's weights apart.

    Shape: x $(N, C_{in}, L)$, state $(N, C_{in}, (k - 1) d)$, output $(N, C_{out}, \lceil L / s
    \rceil)$.
    Source: van den Oord et al. 2016, WaveNet, section 2.1 (arXiv:1609.03499).

    >>> CausalConv1d(1, 1, kernel_size=2, dilation=4).receptive_field
    5
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        dilation: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
        weight_norm: bool = False,
    ) -> None:
        super().__init__()
        if min(in_channels, out_channels, kernel_size, dilation, stride) < 1:
            raise ConfigError(
                "Channels, kernel_size, dilation and stride must be at least 1, got "
                f"in_channels={in_channels}, out_channels={out_channels}, stride={stride}, "
                f"kernel_size={kernel_size}, dilation={dilation}."
            )
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ConfigError(
                f"groups must divide in_channels={in_channels} and out_channels={out_channels}, "
                f"got {groups}."
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.stride = stride
        self.groups = groups
        self.left_padding = (kernel_size - 1) * dilation
        self.receptive_field = self.left_padding + 1
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.gain: nn.Parameter | None = None
        self._reset(weight_norm)

    def _reset(self, weight_norm: bool) -> None:
        """Draw weights as `torch.nn.Conv1d` does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)
        if weight_norm:
            self.gain = nn.Parameter(direction_norm(self.weight.detach()))

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, stride={self.stride}, groups={self.groups}"
        )

    def effective_weight(self) -> Tensor:
        """The weights of the convolution (C_out, C_in / groups, k)."""
        return self.weight if self.gain is None else scaled(self.weight, self.gain)

    def fold_weight_norm(self) -> None:
        """Put the effective weights in place of direction and length, for use after training."""
        with torch.no_grad():
            self.weight.copy_(self.effective_weight())
        self.gain = None

    def initial_state(self, batch_size: int) -> Tensor:
        return self.weight.new_zeros(batch_size, self.in_channels, self.left_padding)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        if x.ndim != 3 or x.shape[1] != self.in_channels:
            raise ConfigError(
                f"Inputs need the shape (N, {self.in_channels}, L), channels before time, got "
                f"{tuple(x.shape)}."
            )
        phase = state.shape[-1] - self.left_padding
        seen = join(state, x)
        y = self._convolve(seen[..., self.stride :] if phase else seen, self.dilation, self.stride)
        held = self.left_padding + (phase + x.shape[-1]) % self.stride
        return y, seen[..., seen.shape[-1] - held :]

    def output_length(self, length: int) -> int:
        return -(-length // self.stride)

    def reads(self, first: int, last: int) -> tuple[int, int]:
        return first * self.stride - self.left_padding, last * self.stride

    def needs(self, demand: Demand) -> Demand:
        length = (demand.length - 1) * self.stride + 1
        step, count = self._comb(demand)
        return Demand(length, min(count, (length - 1) // step + 1), step)

    def columns(self, demand: Demand) -> int:
        """Number of columns that `at` reads, the zeros before the first input counted.

        `at` puts these zeros before the columns it is given, where they are not there yet.
        """
        return self._comb(demand)[1]

    def at(self, x: Tensor, demand: Demand) -> Tensor:
        step, count = self._comb(demand)
        columns = pad_left(x, count - x.shape[-1])
        stride = demand.stride * self.stride // step if demand.count > 1 else 1
        return self._convolve(columns, max(self.dilation // step, 1), stride)

    def prepare(self) -> Callable[[Demand], RowsFunction]:
        if self.groups > 1:
            return super().prepare()
        weight = self.effective_weight().detach()
        matrix = Matrix(weight.transpose(1, 2).reshape(self.out_channels, -1), self.bias)
        return lambda demand: self._planned(demand, matrix)

    def _planned(self, demand: Demand, matrix: Matrix) -> RowsFunction:
        """`at` for rows: a few outputs as one matrix product, many as a convolution.

        matrix: (C_out, k C_in), the taps side by side.
        """
        if self.kernel_size == 1:
            return lambda rows: product(rows, matrix)
        step, count = self._comb(demand)
        missing = count - self.needs(demand).count
        stride = demand.stride * self.stride // step if demand.count > 1 else 1
        dilation = max(self.dilation // step, 1)
        reach = (demand.count - 1) * stride + 1
        taps = [
            slice(tap * dilation, tap * dilation + reach, stride) for tap in range(self.kernel_size)
        ]

        def run(rows: NDArray[Any]) -> NDArray[Any]:
            if missing:
                empty = np.zeros((len(rows), missing, rows.shape[2]), rows.dtype)
                rows = np.concatenate([empty, rows], axis=1)
            if len(rows) * demand.count >= LARGEST_PRODUCT:
                columns = torch.from_numpy(rows).transpose(1, 2)
                convolved = self._convolve(columns, dilation, stride).transpose(1, 2)
                array: NDArray[Any] = convolved.numpy()
                return array
            return product(np.concatenate([rows[:, tap] for tap in taps], axis=2), matrix)

        return run

    def point(self, memory: Memory) -> PointFunction:
        ring = memory.ring(self.in_channels, self.kernel_size, self.dilation)
        if self.kernel_size == 1:
            return self.rowwise()
        turns = turned(self.effective_weight(), self.bias, self.groups)
        is_grouped = self.groups > 1

        def run(rows: Rows, tick: Tick) -> Rows:
            window, turn = ring.push(rows, tick)
            if is_grouped:
                return tick.grouped(window, turns[turn])
            return tick.linear(window.reshape(len(window), -1), turns[turn])

        return run

    def rowwise(self) -> PointFunction:
        """The step of a convolution of one tap, which remembers nothing."""
        matrix = turned(self.effective_weight(), self.bias, self.groups)[-1]
        if self.groups > 1:
            return lambda rows, tick: tick.grouped(rows[:, None], matrix)
        return lambda rows, tick: tick.linear(rows, matrix)

    def _comb(self, demand: Demand) -> tuple[int, int]:
        """Spacing and number of the positions read, those before the first input counted too."""
        apart = demand.stride * self.stride
        if demand.count == 1:
            step = self.dilation
        elif self.kernel_size == 1:
            step = apart
        else:
            step = math.gcd(apart, self.dilation)
        return step, ((demand.count - 1) * apart + self.left_padding) // step + 1

    def _convolve(self, x: Tensor, dilation: int, stride: int) -> Tensor:
        """Convolution without padding; no output where `x` is shorter than the kernel's reach."""
        if x.shape[-1] <= (self.kernel_size - 1) * dilation:
            return x.new_zeros(x.shape[0], self.out_channels, 0)
        weight = self.effective_weight()
        is_free = self.in_channels > 1 or torch.compiler.is_compiling()  # of choices by size
        if not is_free and x.shape[0] * x.shape[-1] >= LARGEST_PRODUCT:
            return self._of_one_channel(x, weight, dilation, stride)
        if not is_channels_last(x):
            return functional.conv1d(x, weight, self.bias, stride, 0, dilation, self.groups)
        rows = weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        image = functional.conv2d(
            x.unsqueeze(2), rows, self.bias, (1, stride), 0, (1, dilation), self.groups
        )
        return image.squeeze(2)

    def _of_one_channel(self, x: Tensor, weight: Tensor, dilation: int, stride: int) -> Tensor:
        """The taps side by side, times a matrix: channels last, as the layers above are fastest."""
        reach = (self.kernel_size - 1) * dilation
        series = x[:, 0]
        taps = [
            series[:, first : series.shape[1] - reach + first : stride]
            for first in range(0, reach + 1, dilation)
        ]
        rows = functional.linear(torch.stack(taps, dim=2), weight[:, 0], self.bias)
        return rows.transpose(1, 2)
