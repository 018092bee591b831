"""Convolutions of images: TensorFlow's "same" padding, masks of PixelCNN, transposed."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from tcn.errors import ConfigError
from tcn.layers.shapes import PaddingName, Size, axis_padding, conv_out, conv_transpose_out, pair

MaskName = Literal["A", "B"]


class Conv2d(nn.Module):
    r"""2D convolution with padding by number or by name.

    padding: "same" keeps ceil(size / stride) by TensorFlow's rule (the odd zero goes below and to
    the right), "causal" pads above and to the left alone, "valid" not at all; a number or a pair
    pads both sides of an axis, as `torch.nn.Conv2d` does.

    Shape: x $(N, C_{in}, H, W)$, output $(N, C_{out}, H', W')$, sizes as `conv_out` says.

    >>> Conv2d(3, 10, kernel_size=4, stride=2, padding="same")(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10, 16, 16])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Size | PaddingName = "same",
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        _require_sizes(in_channels, out_channels, kernel_size, stride, dilation, groups)
        if isinstance(padding, str) and padding not in get_args(PaddingName):
            raise ConfigError(
                f"padding must be a number, a pair, 'same', 'valid' or 'causal', got {padding!r}."
            )
        self.kernel_size = pair(kernel_size)
        self.stride = pair(stride)
        self.padding = padding
        self.dilation = pair(dilation)
        self.groups = groups
        self.weight = nn.Parameter(
            torch.empty(out_channels, in_channels // groups, *self.kernel_size)
        )
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        _draw(self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"{self.weight.shape[1] * self.groups}, {self.weight.shape[0]}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding!r}"
        )

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the output for an input of `size`."""
        return conv_out(size, self.kernel_size, self.stride, self.padding, self.dilation)

    def forward(self, x: Tensor) -> Tensor:
        self.output_size((x.shape[2], x.shape[3]))
        (top, bottom), (left, right) = (self._zeros(x, axis) for axis in (0, 1))
        if (top, left) == (bottom, right):
            return functional.conv2d(
                x, self.weight, self.bias, self.stride, (top, left), self.dilation, self.groups
            )
        padded = functional.pad(x, (left, right, top, bottom))
        return functional.conv2d(
            padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )

    def _zeros(self, x: Tensor, axis: int) -> tuple[int, int]:
        rule = self.padding if isinstance(self.padding, str) else pair(self.padding)[axis]
        return axis_padding(
            x.shape[2 + axis], self.kernel_size[axis], self.stride[axis], rule, self.dilation[axis]
        )


class MaskedConv2d(nn.Module):
    r"""2D convolution that reads pixels above and to the left alone, for autoregressive images.

    mask: "A" leaves the pixel itself out (the first layer), "B" reads it (all later layers).
    colours: with more than one, channels fall into that many equal groups in the order of
    generation; at the pixel itself a group reads the groups before it, and with "B" itself too.
    Pixels above and to the right are read; the size is kept.

    Shape: x $(N, C_{in}, H, W)$, output $(N, C_{out}, H, W)$.
    Source: van den Oord et al. 2016, Pixel Recurrent Neural Networks, section 3.4
    (arXiv:1601.06759).
    """

    mask: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        mask: MaskName,
        colours: int = 1,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        _require_sizes(in_channels, out_channels, kernel_size, 1, dilation, 1)
        if mask not in get_args(MaskName):
            raise ConfigError(f"mask must be 'A' or 'B', got {mask!r}.")
        if kernel_size % 2 == 0:
            raise ConfigError(f"A masked convolution needs an odd kernel_size, got {kernel_size}.")
        if colours < 1 or in_channels % colours or out_channels % colours:
            raise ConfigError(
                f"colours must divide in_channels={in_channels} and out_channels={out_channels}, "
                f"got {colours}."
            )
        self.dilation = dilation
        self.padding = dilation * (kernel_size // 2)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        _draw(self.weight, self.bias)
        self.register_buffer("mask", _raster_mask(self.weight, mask, colours), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(
            x, self.weight * self.mask, self.bias, 1, self.padding, self.dilation
        )


class ConvTranspose2d(nn.Module):
    r"""2D transposed convolution: each input adds its scaled kernel to the output.

    padding: a number crops that many positions from each side, as in `torch.nn.ConvTranspose2d`;
    "same" gives exactly `stride` times the size (TensorFlow's rule), "valid" crops nothing.

    Shape: x $(N, C_{in}, H, W)$, output $(N, C_{out}, H', W')$, sizes as `conv_transpose_out` says.

    >>> double = ConvTranspose2d(8, 4, kernel_size=3, stride=2, padding="same")
    >>> double(torch.zeros(1, 8, 5, 7)).shape
    torch.Size([1, 4, 10, 14])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Size | Literal["same", "valid"] = 0,
        output_padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        _require_sizes(in_channels, out_channels, kernel_size, stride, dilation, groups)
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ConfigError(
                f"padding must be a number, a pair, 'same' or 'valid', got {padding!r}."
            )
        if isinstance(padding, str) and pair(output_padding) != (0, 0):
            raise ConfigError(
                f"output_padding goes with a padding in numbers, got padding={padding!r}."
            )
        self.kernel_size = pair(kernel_size)
        self.stride = pair(stride)
        self.padding = padding
        self.output_padding = pair(output_padding)
        self.dilation = pair(dilation)
        self.groups = groups
        self.weight = nn.Parameter(
            torch.empty(in_channels, out_channels // groups, *self.kernel_size)
        )
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        _draw(self.weight, self.bias)

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the output for an input of `size`."""
        return self._axis_out(size, 0), self._axis_out(size, 1)

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(self.padding, str):
            return self._spread(x, pair(self.padding), self.output_padding)
        if self.padding == "valid":
            return self._spread(x, (0, 0), (0, 0))
        spare = tuple(
            dilation * (kernel - 1) + 1 - stride
            for kernel, stride, dilation in zip(
                self.kernel_size, self.stride, self.dilation, strict=True
            )
        )
        y = self._spread(x, (0, 0), (max(-spare[0], 0), max(-spare[1], 0)))
        height, width = self.output_size((x.shape[2], x.shape[3]))
        top, left = max(spare[0], 0) // 2, max(spare[1], 0) // 2
        return y[:, :, top : top + height, left : left + width]

    def _spread(self, x: Tensor, crop: tuple[int, int], more: tuple[int, int]) -> Tensor:
        return functional.conv_transpose2d(
            x, self.weight, self.bias, self.stride, crop, more, self.groups, self.dilation
        )

    def _axis_out(self, size: tuple[int, int], axis: int) -> int:
        return conv_transpose_out(
            size[axis],
            self.kernel_size[axis],
            self.stride[axis],
            self.padding if isinstance(self.padding, str) else pair(self.padding)[axis],
            self.dilation[axis],
            self.output_padding[axis],
        )


def _draw(weight: Tensor, bias: Tensor | None) -> None:
    """Weights and bias as the layers of torch draw them."""
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(weight[0].numel())
        nn.init.uniform_(bias, -bound, bound)


def _raster_mask(weight: Tensor, mask: MaskName, colours: int) -> Tensor:
    """Ones at the weights (C_out, C_in, k, k) that read pixels before the centre."""
    out_channels, in_channels, kernel_size, _ = weight.shape
    centre = kernel_size // 2
    allowed = torch.ones_like(weight.detach())
    allowed[:, :, centre, centre:] = 0.0
    allowed[:, :, centre + 1 :] = 0.0
    writes = torch.arange(out_channels)[:, None] // (out_channels // colours)
    reads = torch.arange(in_channels)[None, :] // (in_channels // colours)
    allowed[:, :, centre, centre] = (writes > reads if mask == "A" else writes >= reads).float()
    return allowed


def _require_sizes(
    in_channels: int,
    out_channels: int,
    kernel_size: Size,
    stride: Size,
    dilation: Size,
    groups: int,
) -> None:
    sizes = (in_channels, out_channels, *pair(kernel_size), *pair(stride), *pair(dilation))
    if min(sizes) < 1:
        raise ConfigError(
            "Channels, kernel_size, stride and dilation must be at least 1, got "
            f"in_channels={in_channels}, out_channels={out_channels}, kernel_size={kernel_size}, "
            f"stride={stride}, dilation={dilation}."
        )
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise ConfigError(
            f"groups must divide in_channels={in_channels} and out_channels={out_channels}, "
            f"got {groups}."
        )
