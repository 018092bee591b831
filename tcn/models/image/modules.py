"""Small modules that the layers of image networks are made of."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tcn.layers import PointwiseLayer, conv_out, same_padding
from tcn.models.image.specs import OrderName, PoolName


class OneRow(nn.Module):
    """A layer for images, applied to series (N, C, L) as images of one row."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x.unsqueeze(2))
        return y.squeeze(2)


class OnPositions(nn.Module):
    """A layer that treats each position alone, applied to (N, C), (N, C, L) or (N, C, H, W)."""

    def __init__(self, layer: PointwiseLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x.reshape(*x.shape[:2], -1))
        return y.reshape(x.shape)


class Pool2d(nn.Module):
    """The largest value or the mean of each window; outside the image there are no values.

    Shape: x (N, C, H, W), output sizes as `conv_out` says.
    """

    def __init__(
        self,
        kind: Literal["max", "average"],
        size: tuple[int, int],
        stride: tuple[int, int],
        padding: Literal["same", "valid"],
    ) -> None:
        super().__init__()
        self.kind = kind
        self.size = size
        self.stride = stride
        self.padding = padding

    def extra_repr(self) -> str:
        return f"{self.kind}, size={self.size}, stride={self.stride}, padding={self.padding!r}"

    def forward(self, x: Tensor) -> Tensor:
        conv_out((x.shape[2], x.shape[3]), self.size, self.stride, self.padding)
        border = self._border(x)
        if self.kind == "max":
            padded = functional.pad(x, border, value=-torch.inf) if any(border) else x
            return functional.max_pool2d(padded, self.size, self.stride)
        if not any(border):
            return functional.avg_pool2d(x, self.size, self.stride)
        inside = functional.pad(torch.ones_like(x[:1, :1]), border)
        total = functional.avg_pool2d(functional.pad(x, border), self.size, self.stride)
        return total / functional.avg_pool2d(inside, self.size, self.stride)

    def _border(self, x: Tensor) -> tuple[int, int, int, int]:
        if self.padding == "valid":
            return 0, 0, 0, 0
        top, bottom = same_padding(x.shape[2], self.size[0], self.stride[0])
        left, right = same_padding(x.shape[3], self.size[1], self.stride[1])
        return left, right, top, bottom


class Pooled(nn.Module):
    """One number per channel: (N, C, ...) to (N, C)."""

    def __init__(self, pool: PoolName) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        positions = x.flatten(2)
        if self.pool == "average":
            return positions.mean(dim=2)
        if self.pool == "max":
            return positions.amax(dim=2)
        return positions[..., -1]


class Flat(nn.Module):
    """One vector per item: (N, C, ...) to (N, all)."""

    def __init__(self, order: OrderName) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        if self.order == "channels_last":
            x = x.movedim(1, -1)
        return x.flatten(1)


class ResidualBranch(nn.Module):
    """activation(layers(x) + shortcut(x))."""

    def __init__(self, layers: nn.Module, shortcut: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        self.shortcut = shortcut
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.layers(x) + self.shortcut(x))
        return y
