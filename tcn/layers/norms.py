"""Norms over the channels of one position: causal, streamable, alike in training and after it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tcn.layers.layout import is_channels_last
from tcn.layers.stream import PointwiseLayer


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
        y = functional.layer_norm(
            x.transpose(1, 2), self.weight.shape, self.weight, self.bias, self.eps
        ).transpose(1, 2)
        return y if is_channels_last(x) else y.contiguous()


class RMSNorm(PointwiseLayer):
    r"""Each position divided by the root mean square of its channels.

    Shape: (N, C, L) in and out. Source: Zhang and Sennrich 2019 (arXiv:1910.07467).
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.eps = eps

    def transform(self, x: Tensor) -> Tensor:
        power = x.square().mean(dim=1, keepdim=True, dtype=torch.float32 if x.is_cpu else None)
        return x * torch.rsqrt(power + self.eps).to(x.dtype) * self.weight[:, None]
