"""Norms over the channels of one position: causal, streamable, alike in training and after it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from tcn.layers.layout import is_channels_last
from tcn.layers.points import Memory, PointFunction
from tcn.layers.rows import normed
from tcn.layers.stream import Demand, PointwiseLayer, RowsFunction


class LayerNorm(PointwiseLayer):
    r"""Each position shifted and scaled to mean 0 and variance 1 over its channels.

    Shape: (N, C, L) in and out.
    Source: Ba et al. 2016 (arXiv:1607.06450); over channels alone, never over time.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def transform(self, x: Tensor) -> Tensor:
        if is_channels_last(x):
            return self._of_rows(x.transpose(1, 2)).transpose(1, 2)
        centred = _at_least_float32(x)
        centred = centred - centred.mean(dim=1, keepdim=True)
        rate = torch.rsqrt(centred.square().mean(dim=1, keepdim=True) + self.eps)
        return (centred * rate * self.weight[:, None] + self.bias[:, None]).to(x.dtype)

    def prepare(self) -> Callable[[Demand], RowsFunction]:
        return lambda _: lambda rows: normed(rows, self.weight, self.bias, self.eps)

    def point(self, memory: Memory) -> PointFunction:  # noqa: ARG002
        return lambda rows, tick: tick.through(self._of_rows, rows)

    def _of_rows(self, rows: Tensor) -> Tensor:
        return functional.layer_norm(rows, self.weight.shape, self.weight, self.bias, self.eps)


class RMSNorm(PointwiseLayer):
    r"""Each position divided by the root mean square of its channels.

    Shape: (N, C, L) in and out. Source: Zhang and Sennrich 2019 (arXiv:1910.07467).
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.eps = eps

    def transform(self, x: Tensor) -> Tensor:
        power = _at_least_float32(x).square().mean(dim=1, keepdim=True)
        return (x * torch.rsqrt(power + self.eps) * self.weight[:, None]).to(x.dtype)


def _at_least_float32(x: Tensor) -> Tensor:
    """Half precision is too coarse for sums of squares."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
