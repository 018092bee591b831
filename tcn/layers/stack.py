"""Stacks of dilated blocks: a plain chain, and WaveNet's sum of skips."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from tcn.errors import ConfigError
from tcn.layers.gated import UNCONDITIONED, Condition, GatedBlock
from tcn.layers.points import Memory, PointFunction, Rows, Tick
from tcn.layers.sequential import StreamSequential
from tcn.layers.stream import Demand, StreamLayer, module_list


class Stack(StreamSequential):
    """One block for each dilation, one after another.

    block: makes the block of a dilation. dilations: for instance `dilation_cycles(levels, cycles)`.

    >>> from tcn.layers import ResidualBlock, dilation_cycles
    >>> stack = Stack(lambda d: ResidualBlock(16, 16, 3, d, dropout=0.1), dilation_cycles(8))
    >>> stack.receptive_field
    1021
    """

    def __init__(self, block: Callable[[int], StreamLayer[Any]], dilations: Sequence[int]) -> None:
        super().__init__(block(dilation) for dilation in dilations)


class GatedStack(StreamLayer[tuple[Tensor, ...]]):
    """Gated blocks one after another; the output is the sum of their skips.

    A condition goes to every block: `stack(x, condition)`, `stack.step(piece, state,
    condition.piece(start, stop))`, `stack.last(x, 1, condition)`.

    Shape: x (N, channels, L), output (N, skip_channels, L); the state is a tuple of the blocks'.
    Source: van den Oord et al. 2016, WaveNet, figure 4 (arXiv:1609.03499).

    >>> GatedStack(16, skip_channels=32, dilations=(1, 2, 4, 8)).receptive_field
    16
    """

    def __init__(
        self,
        channels: int,
        *,
        skip_channels: int,
        dilations: Sequence[int],
        kernel_size: int = 2,
        global_channels: int = 0,
        step_channels: int = 0,
        dropout: float = 0.0,
        weight_norm: bool = False,
    ) -> None:
        super().__init__()
        if len(dilations) == 0 or skip_channels < 1:
            raise ConfigError(
                "A gated stack needs at least one dilation and one skip channel, got "
                f"dilations={tuple(dilations)}, skip_channels={skip_channels}."
            )
        self.blocks = module_list(
            GatedBlock(
                channels,
                kernel_size,
                dilation,
                skip_channels=skip_channels,
                global_channels=global_channels,
                step_channels=step_channels,
                dropout=dropout,
                weight_norm=weight_norm,
                residual=level < len(dilations) - 1,
            )
            for level, dilation in enumerate(dilations)
        )
        self.receptive_field = 1 + sum(block.receptive_field - 1 for block in self.blocks)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        return tuple(block.initial_state(batch_size) for block in self.blocks)

    def step(
        self, x: Tensor, state: tuple[Tensor, ...], condition: Condition = UNCONDITIONED
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        skips: list[Tensor] = []
        after: list[Tensor] = []
        for block, block_state in zip(self.blocks, state, strict=True):
            x, skip, block_state = block.step_with_skip(x, block_state, condition)  # noqa: PLW2901
            skips.append(skip)
            after.append(block_state)
        return _total(skips), tuple(after)

    def needs(self, demand: Demand) -> Demand:
        for block in reversed(self.blocks):
            demand = block.needs(demand)
        return demand

    def at(self, x: Tensor, demand: Demand, condition: Condition = UNCONDITIONED) -> Tensor:
        demands = [demand]
        for block in reversed(self.blocks[1:]):
            demands.append(block.needs(demands[-1]))
        skips: list[Tensor] = []
        for block, inner in zip(self.blocks, reversed(demands), strict=True):
            x, skip = block.at_with_skip(x, inner, demand, condition)
            skips.append(skip)
        return _total(skips)

    def point(self, memory: Memory) -> PointFunction:
        first, *others = [block.point_with_skip(memory) for block in self.blocks]

        def run(rows: Rows, tick: Tick) -> Rows:
            rows, total = first(rows, tick)
            for block in others:
                rows, skip = block(rows, tick)
                total += skip
            return total

        return run


def _total(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
