"""Output sizes of convolutions: one rule for the layers, the documentation and the tests."""

from typing import Literal, overload

from tcn.errors import ConfigError

PaddingName = Literal["same", "valid", "causal"]
Size = int | tuple[int, int]


def same_padding(
    size: int, kernel_size: int, stride: int = 1, dilation: int = 1
) -> tuple[int, int]:
    """Zeros before and after an axis, as TensorFlow's "same" has them, for ceil(size / stride).

    The odd one goes after.

    >>> same_padding(32, kernel_size=3, stride=2), same_padding(32, kernel_size=4, stride=2)
    ((0, 1), (1, 1))
    """
    out = -(-size // stride)
    total = max((out - 1) * stride + dilation * (kernel_size - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def axis_padding(
    size: int, kernel_size: int, stride: int, padding: int | PaddingName, dilation: int
) -> tuple[int, int]:
    """Zeros before and after one axis for a number or a name."""
    if isinstance(padding, int):
        if padding < 0:
            raise ConfigError(f"padding must be at least 0, got {padding}.")
        return padding, padding
    if padding == "same":
        return same_padding(size, kernel_size, stride, dilation)
    if padding == "causal":
        return (kernel_size - 1) * dilation, 0
    if padding == "valid":
        return 0, 0
    raise ConfigError(f"padding must be a number, 'same', 'valid' or 'causal', got {padding!r}.")


@overload
def conv_out(
    size: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size | PaddingName = 0,
    dilation: Size = 1,
) -> int: ...
@overload
def conv_out(
    size: tuple[int, int],
    kernel_size: Size,
    stride: Size = 1,
    padding: Size | PaddingName = 0,
    dilation: Size = 1,
) -> tuple[int, int]: ...
def conv_out(
    size: Size,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size | PaddingName = 0,
    dilation: Size = 1,
) -> Size:
    """Output size of a convolution: floor((n + padding - d (k - 1) - 1) / s) + 1 along each axis.

    size: a length, or (height, width); the other arguments are one value for both axes or a pair.
    padding: zeros on each side, or "same" (TensorFlow's rule), "valid" or "causal".

    >>> conv_out(6, kernel_size=3, stride=2, padding=1)
    3
    >>> conv_out((32, 48), kernel_size=3, stride=2, padding="same")
    (16, 24)
    """
    if isinstance(size, int):
        return _axis_out(size, kernel_size, stride, padding, dilation, axis=0)
    return (
        _axis_out(size[0], kernel_size, stride, padding, dilation, axis=0),
        _axis_out(size[1], kernel_size, stride, padding, dilation, axis=1),
    )


def conv_transpose_out(
    size: int,
    kernel_size: int,
    stride: int = 1,
    padding: int | Literal["same", "valid"] = 0,
    dilation: int = 1,
    output_padding: int = 0,
) -> int:
    """Output length of a transposed convolution along one axis; "same" gives size * stride.

    >>> conv_transpose_out(6, kernel_size=3, stride=2, padding=1)
    11
    >>> conv_transpose_out(6, kernel_size=3, stride=2, padding=1, output_padding=1)
    12
    """
    if padding == "same":
        return size * stride
    zeros = 0 if padding == "valid" else padding
    return (size - 1) * stride - 2 * zeros + dilation * (kernel_size - 1) + output_padding + 1


def pair(value: Size) -> tuple[int, int]:
    """One value for both axes, or the two values."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _axis_out(
    size: int,
    kernel_size: Size,
    stride: Size,
    padding: Size | PaddingName,
    dilation: Size,
    axis: int,
) -> int:
    kernel, step, apart = pair(kernel_size)[axis], pair(stride)[axis], pair(dilation)[axis]
    rule = padding if isinstance(padding, str) else pair(padding)[axis]
    before, after = axis_padding(size, kernel, step, rule, apart)
    room = size + before + after - apart * (kernel - 1) - 1
    if room < 0:
        raise ConfigError(
            f"An axis of {size} with padding {before} and {after} is shorter than the "
            f"{apart * (kernel - 1) + 1} positions of kernel_size={kernel}, dilation={apart}."
        )
    return room // step + 1
