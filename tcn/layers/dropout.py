"""Dropout of whole channels."""

import torch
from torch import Tensor

from tcn.errors import ConfigError
from tcn.layers.points import Memory, PointFunction
from tcn.layers.stream import PointwiseLayer


class ChannelDropout(PointwiseLayer):
    """In training, sets whole channels of a series to zero and scales the rest by 1 / (1 - p).

    One draw per series and channel holds for all positions of a call, so that it costs little
    beside the drawing of a mask for each element. After `eval()` it passes its input on.

    Shape: (N, C, L) in and out. Source: Tompson et al. 2015 (arXiv:1411.4280), section 3.2.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0.0 <= p < 1.0:
            raise ConfigError(f"The dropout probability must be in [0, 1), got {p}.")
        self.p = p

    def extra_repr(self) -> str:
        return f"p={self.p}"

    def transform(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        keep = torch.rand(x.shape[0], x.shape[1], 1, device=x.device) >= self.p
        return x * (keep.to(x.dtype) / (1.0 - self.p))

    def point(self, memory: Memory) -> PointFunction:  # noqa: ARG002
        return lambda rows, tick: rows  # noqa: ARG005
