"""Memory layout of (N, C, L) tensors: time last, or channels last.

A tensor is channels last when neighbouring channels are neighbours in memory. Such a tensor, seen
as an image of one row, runs through the faster convolutions of channels-last images.
"""

import torch
from torch import Tensor
from torch.nn import functional


def is_channels_last(x: Tensor) -> bool:
    """Whether neighbouring channels of `x` (N, C, L) are neighbours in memory."""
    return x.stride(1) == 1 and x.stride(2) != 1


def channels_last(x: Tensor) -> Tensor:
    """The same values (N, C, L) with neighbouring channels neighbours in memory."""
    return x.transpose(1, 2).contiguous().transpose(1, 2)


def join(past: Tensor, x: Tensor) -> Tensor:
    """`past` (N, C, P) followed by `x` (N, C, L), in the layout and dtype of `x`."""
    if past.shape[-1] == 0:
        return x
    past = past.to(x.dtype)
    if is_channels_last(x):
        return torch.cat([past.transpose(1, 2), x.transpose(1, 2)], dim=1).transpose(1, 2)
    return torch.cat([past, x], dim=2)


def pad_left(x: Tensor, count: int) -> Tensor:
    """`count` columns of zeros before `x` (N, C, L), in the layout of `x`."""
    if count == 0:
        return x
    if is_channels_last(x):
        return functional.pad(x.transpose(1, 2), (0, 0, count, 0)).transpose(1, 2)
    return functional.pad(x, (count, 0))


def relu(x: Tensor) -> Tensor:
    """relu(x), which overwrites `x` where no gradient is asked.

    Where one is, the result of a convolution is a view, and changing it in place costs more.
    """
    return torch.relu(x) if torch.is_grad_enabled() else torch.relu_(x)


def added(x: Tensor, other: Tensor) -> Tensor:
    """x + other, which overwrites `x` where no gradient is asked and both are of one kind."""
    if torch.is_grad_enabled() or x.dtype != other.dtype or x.shape != other.shape:
        return x + other
    return x.add_(other)


def relu_behind_zeros(x: Tensor, count: int) -> Tensor:
    """`count` columns of zeros, then relu(x), in the layout of `x`; see `relu`.

    Without gradients it is one pass over `x`.
    """
    if count == 0 or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return pad_left(relu(x), count)
    if is_channels_last(x):
        return _relu_behind_zeros(x.transpose(1, 2), count, 1).transpose(1, 2)
    return _relu_behind_zeros(x, count, 2)


def _relu_behind_zeros(x: Tensor, count: int, dim: int) -> Tensor:
    shape = list(x.shape)
    shape[dim] += count
    padded = x.new_empty(shape)
    padded.narrow(dim, 0, count).zero_()
    torch.clamp_min(x, 0.0, out=padded.narrow(dim, count, x.shape[dim]))
    return padded
