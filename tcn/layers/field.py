"""Receptive fields of dilated stacks, in exact integers, forwards and backwards."""

from collections.abc import Sequence

from tcn.errors import ConfigError


def dilation_cycles(levels: int, cycles: int = 1, growth: int = 2) -> tuple[int, ...]:
    """Dilations 1, growth, growth^2, ... of `levels` levels, the whole repeated `cycles` times.

    >>> dilation_cycles(levels=3, cycles=2)
    (1, 2, 4, 1, 2, 4)
    """
    _require_positive(levels=levels, cycles=cycles, growth=growth)
    return tuple(growth**level for level in range(levels)) * cycles


def stack_field(kernel_size: int, dilations: Sequence[int], convs_per_level: int = 1) -> int:
    """Inputs that one output of a stack of dilated causal convolutions reads.

    Two convolutions per level are those of `ResidualBlock`.

    >>> stack_field(kernel_size=7, dilations=dilation_cycles(8), convs_per_level=2)
    3061
    """
    _require_positive(kernel_size=kernel_size, convs_per_level=convs_per_level)
    return 1 + convs_per_level * (kernel_size - 1) * sum(dilations)


def levels_for(
    context_length: int,
    kernel_size: int,
    *,
    convs_per_level: int = 1,
    cycles: int = 1,
    growth: int = 2,
) -> int:
    """The fewest levels (of each cycle) whose receptive field covers `context_length` inputs.

    >>> levels_for(1024, kernel_size=2)
    10
    >>> levels_for(1025, kernel_size=2)
    11
    """
    _require_positive(
        context_length=context_length,
        kernel_size=kernel_size,
        convs_per_level=convs_per_level,
        cycles=cycles,
        growth=growth,
    )
    if context_length > 1 and kernel_size == 1:
        raise ConfigError(
            f"Kernels of size 1 read one input at any depth, not {context_length}. "
            "Take a kernel_size of at least 2."
        )
    per_dilation = cycles * convs_per_level * (kernel_size - 1)
    if growth == 1:
        return max(1, -(-(context_length - 1) // max(per_dilation, 1)))
    levels, dilations = 1, 1
    while 1 + per_dilation * dilations < context_length:
        dilations += growth**levels
        levels += 1
    return levels


def _require_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{name} must be at least 1, got {size}.")
