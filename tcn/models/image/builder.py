"""From specs to modules: shapes are inferred layer by layer.

A shape here is (C, H, W), (C, L) or (C,), without the batch; a size of None is free.
"""

import math
from collections.abc import Callable
from functools import singledispatch
from typing import NamedTuple

from torch import nn

from tcn.errors import ConfigError
from tcn.layers import (
    CausalConv1d,
    Conv2d,
    ConvTranspose2d,
    MaskedConv2d,
    conv_out,
    conv_transpose_out,
)
from tcn.layers import ChannelDropout as DropChannels
from tcn.layers import LayerNorm as NormLayer
from tcn.layers import RMSNorm as NormRMS
from tcn.models.image import specs
from tcn.models.image.modules import Flat, OneRow, OnPositions, Pool2d, Pooled, ResidualBranch

Shape = tuple[int | None, ...]

MAX_WEIGHTS = 2**28

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softmax": lambda: nn.Softmax(dim=1),
}


class Built(NamedTuple):
    """The modules of one layer and the shape they give."""

    modules: list[nn.Module]
    shape: Shape


def build_layers(
    layers: tuple[specs.LayerSpec, ...], shape: Shape, within: str = ""
) -> list[Built]:
    """Modules and shapes of layers one after another; an error names the layer."""
    built = []
    for place, layer in enumerate(layers, start=1):
        name = f"{within}{place}"
        try:
            if isinstance(layer, specs.Residual):
                built.append(_residual(layer, shape, name))
            else:
                built.append(build_layer(layer, shape))
        except _InnerError:
            raise
        except ConfigError as error:
            raise _InnerError(f"Layer {name} ({layer.type}) after {text(shape)}: {error}") from None
        shape = built[-1].shape
    return built


def text(shape: Shape) -> str:
    """A shape as people write it: rows x columns x channels.

    >>> text((3, 32, None))
    '32 x any x 3'
    """
    sizes = ("any" if size is None else str(size) for size in (*shape[1:], shape[0]))
    return " x ".join(sizes)


@singledispatch
def build_layer(layer: specs.LayerSpec, shape: Shape) -> Built:
    """Modules for one layer that reads `shape`."""
    raise ConfigError(f"no layer is built from {type(layer).__name__} on {text(shape)}.")


@build_layer.register
def _(layer: specs.Dense, shape: Shape) -> Built:
    if len(shape) != 1:
        raise ConfigError("dense reads one vector per image. Put flatten or global_pool before it.")
    _require_weights(layer.units * _channels(shape))
    linear = nn.Linear(_channels(shape), layer.units, bias=layer.bias)
    return Built(_activated(linear, layer.activation), (layer.units,))


@build_layer.register
def _(layer: specs.Conv, shape: Shape) -> Built:
    _require_spatial(shape)
    channels = _channels(shape)
    kernel = _pair(layer.kernel_size, shape)
    _require_weights(layer.channels * channels // layer.groups * math.prod(kernel))
    sizes = _conv_sizes(layer, shape)
    module: nn.Module
    if layer.mask is not None:
        module = _masked(layer, shape)
    elif layer.padding == "causal" and len(shape) == 2:
        module = CausalConv1d(
            channels,
            layer.channels,
            kernel[1],
            _pair(layer.dilation, shape)[1],
            stride=_pair(layer.stride, shape)[1],
            groups=layer.groups,
            bias=layer.bias,
        )
    else:
        module = _for_series(
            shape,
            Conv2d(
                channels,
                layer.channels,
                kernel,
                stride=_pair(layer.stride, shape),
                padding=layer.padding if isinstance(layer.padding, str) else _zeros(layer, shape),
                dilation=_pair(layer.dilation, shape),
                groups=layer.groups,
                bias=layer.bias,
            ),
        )
    return Built(_activated(module, layer.activation), (layer.channels, *sizes))


@build_layer.register
def _(layer: specs.ConvTranspose, shape: Shape) -> Built:
    _require_spatial(shape)
    kernel, stride = _pair(layer.kernel_size, shape), _pair(layer.stride, shape)
    _require_weights(layer.channels * _channels(shape) // layer.groups * math.prod(kernel))
    named = layer.padding if isinstance(layer.padding, str) else None
    numeric = _zeros(layer, shape) if named is None else (0, 0)
    more = _pair(layer.output_padding, shape, rows=0)
    apart = _pair(layer.dilation, shape)
    module = ConvTranspose2d(
        _channels(shape),
        layer.channels,
        kernel,
        stride=stride,
        padding=numeric if named is None else named,
        output_padding=more,
        dilation=apart,
        groups=layer.groups,
        bias=layer.bias,
    )
    sizes = []
    for size, axis in _axes(shape):
        zeros = numeric[axis] if named is None else named
        options = kernel[axis], stride[axis], zeros, apart[axis], more[axis]
        sizes.append(None if size is None else conv_transpose_out(size, *options))
    if any(size is not None and size < 1 for size in sizes):
        raise ConfigError(f"padding={layer.padding!r} crops the whole output away.")
    return Built(_activated(_for_series(shape, module), layer.activation), (layer.channels, *sizes))


@build_layer.register
def _(layer: specs.MaxPool, shape: Shape) -> Built:
    return _pool(layer, shape, average=False)


@build_layer.register
def _(layer: specs.AveragePool, shape: Shape) -> Built:
    return _pool(layer, shape, average=True)


@build_layer.register
def _(layer: specs.GlobalPool, shape: Shape) -> Built:
    _require_spatial(shape)
    return Built([Pooled(layer.pool)], shape[:1])


@build_layer.register
def _(layer: specs.BatchNorm, shape: Shape) -> Built:
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    return Built([kind(_channels(shape), eps=layer.eps, momentum=layer.momentum)], shape)


@build_layer.register
def _(layer: specs.LayerNorm, shape: Shape) -> Built:
    return Built([OnPositions(NormLayer(_channels(shape), eps=layer.eps))], shape)


@build_layer.register
def _(layer: specs.InstanceNorm, shape: Shape) -> Built:
    _require_spatial(shape)
    kind = nn.InstanceNorm2d if len(shape) == 3 else nn.InstanceNorm1d
    return Built([kind(_channels(shape), eps=layer.eps, affine=True)], shape)


@build_layer.register
def _(layer: specs.RMSNorm, shape: Shape) -> Built:
    return Built([OnPositions(NormRMS(_channels(shape), eps=layer.eps))], shape)


@build_layer.register
def _(layer: specs.Dropout, shape: Shape) -> Built:
    return Built([nn.Dropout(layer.rate)], shape)


@build_layer.register
def _(layer: specs.ChannelDropout, shape: Shape) -> Built:
    _require_spatial(shape)
    return Built([OnPositions(DropChannels(layer.rate))], shape)


@build_layer.register(specs.ReLU | specs.Sigmoid | specs.Tanh | specs.Softmax)
def _(layer: specs.LayerSpec, shape: Shape) -> Built:
    return Built([_ACTIVATIONS[layer.type]()], shape)


@build_layer.register
def _(layer: specs.LeakyReLU, shape: Shape) -> Built:
    assert layer.alpha is not None
    return Built([nn.LeakyReLU(layer.alpha)], shape)


@build_layer.register
def _(layer: specs.Flatten, shape: Shape) -> Built:
    if None in shape:
        raise ConfigError(
            "the size of the images is free, so the length of the vector is unknown. "
            "Use global_pool, or give input_shape in numbers."
        )
    return Built([Flat(layer.order)], (math.prod(size or 0 for size in shape),))


@build_layer.register
def _(layer: specs.Sequence, shape: Shape) -> Built:  # noqa: ARG001
    if len(shape) != 3:
        raise ConfigError("sequence reads an image, rows and columns.")
    length = None if None in shape else math.prod(size or 0 for size in shape[1:])
    return Built([nn.Flatten(start_dim=2)], (shape[0], length))


class _InnerError(ConfigError):
    """An error that names its layer already."""


def _residual(layer: specs.Residual, shape: Shape, name: str) -> Built:
    inner = build_layers(layer.layers, shape, f"{name}.")
    after = inner[-1].shape
    body = nn.Sequential(*(module for built in inner for module in built.modules))
    shortcut: nn.Module = nn.Identity()
    if after != shape or _stride(layer.layers) != (1, 1):
        if len(after) != len(shape) or len(shape) == 1:
            raise ConfigError(
                f"the layers inside make {text(after)} of {text(shape)}, which cannot be added."
            )
        channels, stride = _channels(after), _stride(layer.layers)
        if shape[1:] == after[1:] and None not in shape:
            stride = (1, 1)
        steps = stride if len(shape) == 3 else stride[1]
        shortcut_spec = specs.Conv(
            channels=channels,
            kernel_size=1,
            stride=steps,
            padding="causal" if len(shape) == 2 else "same",
        )
        shorter = build_layer(shortcut_spec, shape)
        if shorter.shape != after:
            raise ConfigError(
                f"the layers inside make {text(after)} of {text(shape)}; a shortcut makes "
                f"{text(shorter.shape)}. Use padding 'same' inside."
            )
        (shortcut,) = shorter.modules
    activation = nn.Identity() if layer.activation is None else _ACTIVATIONS[layer.activation]()
    return Built([ResidualBranch(body, shortcut, activation)], after)


def _stride(layers: tuple[specs.LayerSpec, ...]) -> tuple[int, int]:
    """How many positions of the input one of the output stands for, along each axis."""
    rows, columns = 1, 1
    for layer in layers:
        if isinstance(layer, specs.Conv):
            step = layer.stride
        elif isinstance(layer, specs.MaxPool | specs.AveragePool):
            step = layer.size if layer.stride is None else layer.stride
        elif isinstance(layer, specs.Residual):
            step = _stride(layer.layers)
        else:
            continue
        down, right = (step, step) if isinstance(step, int) else step
        rows, columns = rows * down, columns * right
    return rows, columns


def _pool(layer: specs.MaxPool | specs.AveragePool, shape: Shape, *, average: bool) -> Built:
    _require_spatial(shape)
    size = _pair(layer.size, shape)
    stride = size if layer.stride is None else _pair(layer.stride, shape)
    module = Pool2d("average" if average else "max", size, stride, layer.padding)
    sizes = [
        None if n is None else conv_out(n, size[axis], stride[axis], layer.padding)
        for n, axis in _axes(shape)
    ]
    return Built([_for_series(shape, module)], (shape[0], *sizes))


def _masked(layer: specs.Conv, shape: Shape) -> nn.Module:
    if len(shape) != 3:
        raise ConfigError("masks are for images; a series takes padding 'causal'.")
    assert isinstance(layer.kernel_size, int)
    assert isinstance(layer.dilation, int)
    assert layer.mask is not None
    return MaskedConv2d(
        _channels(shape),
        layer.channels,
        layer.kernel_size,
        mask=layer.mask,
        dilation=layer.dilation,
        bias=layer.bias,
    )


def _conv_sizes(layer: specs.Conv, shape: Shape) -> list[int | None]:
    kernel, stride = _pair(layer.kernel_size, shape), _pair(layer.stride, shape)
    apart = _pair(layer.dilation, shape)
    numeric = None if isinstance(layer.padding, str) else _zeros(layer, shape)
    sizes: list[int | None] = []
    for size, axis in _axes(shape):
        padding = layer.padding if numeric is None else numeric[axis]
        sizes.append(
            None
            if size is None
            else conv_out(size, kernel[axis], stride[axis], padding, apart[axis])
        )
    return sizes


def _axes(shape: Shape) -> list[tuple[int | None, int]]:
    """Each size with its axis: 0 for rows, 1 for columns; a series lies along the columns."""
    return list(zip(shape[1:], (0, 1) if len(shape) == 3 else (1,), strict=True))


def _pair(value: specs.Size, shape: Shape, rows: int = 1) -> tuple[int, int]:
    """A value for rows and columns; a series is one row, for which `rows` changes nothing."""
    if len(shape) == 2:
        if not isinstance(value, int):
            raise ConfigError(f"a series has one axis; got the two values {value!r}.")
        return rows, value
    return (value, value) if isinstance(value, int) else value


def _zeros(layer: specs.Conv | specs.ConvTranspose, shape: Shape) -> tuple[int, int]:
    assert not isinstance(layer.padding, str)
    return _pair(layer.padding, shape, rows=0)


def _for_series(shape: Shape, module: nn.Module) -> nn.Module:
    return OneRow(module) if len(shape) == 2 else module


def _activated(module: nn.Module, activation: specs.ActivationName | None) -> list[nn.Module]:
    return [module] if activation is None else [module, _ACTIVATIONS[activation]()]


def _channels(shape: Shape) -> int:
    channels = shape[0]
    assert channels is not None
    return channels


def _require_spatial(shape: Shape) -> None:
    if len(shape) == 1:
        raise ConfigError("it reads an image or a series, and a vector has no positions.")


def _require_weights(count: int) -> None:
    if count > MAX_WEIGHTS:
        raise ConfigError(f"it would have {count:,} weights; at most {MAX_WEIGHTS:,} are allowed.")
