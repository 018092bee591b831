"""Layers one after another, with the tuple of their states."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from tcn.errors import ConfigError
from tcn.layers.points import Memory, PointFunction, Rows, Tick
from tcn.layers.stream import Demand, RowsFunction, StreamLayer, module_list


class StreamSequential(StreamLayer[tuple[Any, ...]]):
    """Layers one after another; the state is the tuple of their states.

    layers: a list of them, or each as an argument of its own, as for `torch.nn.Sequential`.
    Shape: x as the first layer takes it, output as the last one gives it.

    >>> from tcn.layers import CausalConv1d
    >>> StreamSequential([CausalConv1d(1, 1, 2, d) for d in (1, 2, 4)]).receptive_field
    8
    """

    def __init__(self, *layers: StreamLayer[Any] | Iterable[StreamLayer[Any]]) -> None:
        super().__init__()
        self.layers = module_list(_checked(layers))
        self.period = math.prod(layer.period for layer in self.layers)
        self.receptive_field = self._receptive_field()

    def _receptive_field(self) -> int:
        spans = []
        for position in range(self.period):
            first, last = self.reads(position, position)
            spans.append(last - first + 1)
        return max(spans)

    def initial_state(self, batch_size: int) -> tuple[Any, ...]:
        return tuple(layer.initial_state(batch_size) for layer in self.layers)

    def step(self, x: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        after = []
        for layer, layer_state in zip(self.layers, state, strict=True):
            x, layer_state = layer.step(x, layer_state)  # noqa: PLW2901
            after.append(layer_state)
        return x, tuple(after)

    def output_length(self, length: int) -> int:
        for layer in self.layers:
            length = layer.output_length(length)
        return length

    def reads(self, first: int, last: int) -> tuple[int, int]:
        for layer in reversed(self.layers):
            first, last = layer.reads(first, last)
        return first, last

    def needs(self, demand: Demand) -> Demand:
        for layer in reversed(self.layers):
            demand = layer.needs(demand)
        return demand

    def at(self, x: Tensor, demand: Demand) -> Tensor:
        for layer, wanted in zip(self.layers, self._demands(demand), strict=True):
            x = layer.at(x, wanted)
        return x

    def prepare(self) -> Callable[[Demand], RowsFunction]:
        planners = [layer.prepare() for layer in self.layers]

        def plan(demand: Demand) -> RowsFunction:
            wanted = self._demands(demand)
            steps = [planner(each) for planner, each in zip(planners, wanted, strict=True)]

            def run(rows: NDArray[Any]) -> NDArray[Any]:
                for step in steps:
                    rows = step(rows)
                return rows

            return run

        return plan

    def point(self, memory: Memory) -> PointFunction:
        steps = [layer.point(memory) for layer in self.layers]

        def run(rows: Rows, tick: Tick) -> Rows:
            for step in steps:
                rows = step(rows, tick)
            return rows

        return run

    def _demands(self, demand: Demand) -> list[Demand]:
        """What is wanted of each layer for the demand on the last one."""
        demands = [demand]
        for layer in reversed(self.layers[1:]):
            demands.append(layer.needs(demands[-1]))
        return demands[::-1]


def _checked(given: tuple[Any, ...]) -> list[StreamLayer[Any]]:
    """The layers of a list, or of several arguments; ConfigError where one has no stream."""
    layers = list(given[0] if len(given) == 1 and not isinstance(given[0], nn.Module) else given)
    if not layers:
        raise ConfigError("A sequence needs at least one layer, got none.")
    for index, layer in enumerate(layers):
        if not isinstance(layer, StreamLayer):
            raise ConfigError(
                f"Layer {index} is a {type(layer).__name__}, which is no streaming layer. Take one "
                "of tcn.layers; an element-wise function is one as Activation(nn.ReLU())."
            )
    return layers
