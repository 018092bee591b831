"""Causal transposed convolution: from one input to `stride` outputs, streaming."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tcn.errors import ConfigError
from tcn.layers.layout import is_channels_last, join
from tcn.layers.stream import Demand, StreamLayer, pick


class CausalConvTranspose1d(StreamLayer[Tensor]):
    r"""1D transposed convolution of any kernel and stride; `stride` outputs for each input.

    Each input adds its scaled kernel to the outputs from `t s` on, so that output `u` reads inputs
    up to `floor(u / s)`: $y[u] = b + \sum_i w[u - i s]\, x[i]$. With a kernel shorter than the
    stride some outputs are the bias alone.

    The state is the last `ceil(k / s) - 1` inputs, zeros at the start.

    Shape: x $(N, C_{in}, L)$, output $(N, C_{out}, s L)$. Weights are laid out as in
    `torch.nn.ConvTranspose1d`: $(C_{in}, C_{out} / groups, k)$.

    >>> CausalConvTranspose1d(1, 1, kernel_size=4, stride=2)(torch.zeros(1, 1, 5)).shape
    torch.Size([1, 1, 10])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        *,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if min(in_channels, out_channels, kernel_size, stride) < 1:
            raise ConfigError(
                "Channels, kernel_size and stride must be at least 1, got "
                f"in_channels={in_channels}, out_channels={out_channels}, "
                f"kernel_size={kernel_size}, stride={stride}."
            )
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ConfigError(
                f"groups must divide in_channels={in_channels} and out_channels={out_channels}, "
                f"got {groups}."
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.groups = groups
        self.period = stride
        self.receptive_field = -(-kernel_size // stride)
        self.weight = nn.Parameter(torch.empty(in_channels, out_channels // groups, kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self._reset()

    def _reset(self) -> None:
        """Draw weights as `torch.nn.ConvTranspose1d` does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, groups={self.groups}"
        )

    def initial_state(self, batch_size: int) -> Tensor:
        return self.weight.new_zeros(batch_size, self.in_channels, self.receptive_field - 1)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        seen = join(state, x)
        y = self._spread(seen)[..., state.shape[-1] * self.stride :]
        return y, seen[..., seen.shape[-1] - state.shape[-1] :]

    def output_length(self, length: int) -> int:
        return length * self.stride

    def reads(self, first: int, last: int) -> tuple[int, int]:
        return -((self.kernel_size - 1 - first) // self.stride), last // self.stride

    def needs(self, demand: Demand) -> Demand:
        earliest = demand.positions()[0]
        first, last = self.reads(earliest, demand.length - 1)
        first = max(min(first, earliest // self.stride), 0)  # outputs of the bias alone count too
        return Demand(last + 1, last + 1 - first, 1)

    def at(self, x: Tensor, demand: Demand) -> Tensor:
        length = self.needs(demand).length * self.stride
        return pick(self._spread(x), Demand(length, x.shape[-1] * self.stride, 1), demand)

    def _spread(self, x: Tensor) -> Tensor:
        """Outputs (N, C_out, s L) of inputs with zeros before them."""
        length = x.shape[-1] * self.stride
        if length == 0:
            return x.new_zeros(x.shape[0], self.out_channels, 0)
        more = max(self.stride - self.kernel_size, 0)
        if not is_channels_last(x):
            return functional.conv_transpose1d(
                x, self.weight, self.bias, self.stride, 0, more, self.groups
            )[..., :length]
        image = functional.conv_transpose2d(
            x.unsqueeze(2),
            self.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last),
            self.bias,
            (1, self.stride),
            0,
            (0, more),
            self.groups,
        )
        return image.squeeze(2)[..., :length]
