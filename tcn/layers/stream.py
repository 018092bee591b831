"""The streaming contract: a causal layer is a state machine.

For any split of an input into pieces, the outputs of `step`, joined, are the output of `forward`,
and `last` is the end of it, computed from the positions it needs and no others.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcn.errors import ConfigError
from tcn.layers.points import Memory, PointFunction, Rows, Tick

State = TypeVar("State")
RowsFunction = Callable[[NDArray[Any]], NDArray[Any]]  # columns as rows: (N, L, C) in and out
Member = TypeVar("Member", bound=nn.Module)


class Demand(NamedTuple):
    """Wanted positions: `count` of them, `stride` apart, the last one at `length - 1`.

    >>> list(Demand(length=10, count=3, stride=4).positions())
    [1, 5, 9]
    """

    length: int
    count: int  # type: ignore[assignment]  # tuples have a method of this name
    stride: int

    def positions(self) -> range:
        """The wanted positions in the order of time."""
        return range(self.length - 1 - (self.count - 1) * self.stride, self.length, self.stride)


def whole(length: int) -> Demand:
    """The demand for each position of a sequence."""
    return Demand(length, length, 1)


def picked(held: Demand, wanted: Demand) -> slice:
    """Where the positions of `wanted` are among those of `held`; they must lie within it."""
    late = (held.length - wanted.length) // held.stride
    step = max(wanted.stride // held.stride, 1) if wanted.count > 1 else 1
    first = held.count - 1 - late - (wanted.count - 1) * step
    return slice(first, held.count - late, step)


def pick(x: Tensor, held: Demand, wanted: Demand) -> Tensor:
    """Columns of `wanted` out of `x`, which holds the columns of `held`.

    Shape: x (N, C, held.count), output (N, C, wanted.count).
    """
    return x[..., picked(held, wanted)]


class StreamLayer(nn.Module, ABC, Generic[State]):
    r"""A causal layer: output `t` reads no input later than `t`.

    A layer states `receptive_field`, the number of inputs from the first to the last that an output
    reads, and `step`. A layer that is told a condition takes it after the arguments shown here.

    Shape: x $(N, C_{in}, L)$ with any L >= 0, output $(N, C_{out}, L)$ unless the layer changes the
    rate (see `output_length`).
    """

    receptive_field: int
    period: int = 1  # outputs after which the pattern of positions read repeats

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The state before the first input, on the device and in the dtype of the parameters."""

    @abstractmethod
    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Outputs for the next piece of the input, and the state after it."""

    def forward(self, x: Tensor, *condition: Any) -> Tensor:
        """Outputs for a whole input: a step from the initial state."""
        y, _ = self.step(x, self.initial_state(x.shape[0]), *condition)
        return y

    def output_length(self, length: int) -> int:
        """Number of outputs for `length` inputs."""
        return length

    def reads(self, first: int, last: int) -> tuple[int, int]:
        """First and last input position that outputs `first` to `last` read."""
        return first - self.receptive_field + 1, last

    def needs(self, demand: Demand) -> Demand:
        """Input positions that the demanded outputs read; the whole input unless a layer knows."""
        return whole(self.reads(0, demand.length - 1)[1] + 1)

    def at(self, x: Tensor, demand: Demand, *condition: Any) -> Tensor:
        """Demanded outputs, where `x` holds the columns of `needs(demand)` and no others.

        Shape: x (N, C, needs(demand).count), output (N, C, demand.count); a condition that has a
        time axis is given whole.
        """
        y = self(x, *condition)
        return pick(y, whole(y.shape[-1]), demand)

    def prepare(self) -> Callable[[Demand], RowsFunction]:
        """The layer as functions for inference, with the weights as they are now.

        The function for a demand equals `at` in evaluation mode. It takes and returns rows, arrays
        (N, L, C) of the dtype of the weights, and is free of all that can be settled once: weights
        are packed, sizes computed. For float32 and float64 on the processor, without gradients.
        """

        def plan(demand: Demand) -> RowsFunction:
            def run(rows: NDArray[Any]) -> NDArray[Any]:
                y = self.at(torch.from_numpy(rows).transpose(1, 2), demand)
                array: NDArray[Any] = y.transpose(1, 2).numpy()
                return array

            return run

        return plan

    def point(self, memory: Memory) -> PointFunction:
        """The step for one position as a function of rows, (N, C), for `Streams`.

        It computes what `step` does in evaluation mode, with the weights as they are now; what is
        remembered lies in cells of `memory`, asked for in the order of the tensors of the state.
        """
        return memory.held(self)

    def last(self, x: Tensor, count: int = 1, *condition: Any) -> Tensor:
        """The last `count` outputs, equal to the end of `forward(x)`, computed on demand."""
        length = self.output_length(x.shape[-1])
        if not 1 <= count <= length:
            raise ConfigError(
                f"count must be from 1 to the {length} outputs that this input gives, got {count}."
            )
        demand = Demand(length, count, 1)
        needed = self.needs(demand)
        return self.at(pick(x, whole(x.shape[-1]), needed), demand, *condition)


class PointwiseLayer(StreamLayer[tuple[()]]):
    """A layer whose output at a position reads that position alone; it has no state."""

    receptive_field = 1

    @abstractmethod
    def transform(self, x: Tensor) -> Tensor:
        """Outputs for columns `x` (N, C, any length), each on its own."""

    def initial_state(self, batch_size: int) -> tuple[()]:  # noqa: ARG002
        """Nothing to remember."""
        return ()

    def step(self, x: Tensor, state: tuple[()]) -> tuple[Tensor, tuple[()]]:
        return self.transform(x), state

    def needs(self, demand: Demand) -> Demand:
        return demand

    def at(self, x: Tensor, demand: Demand, *condition: Any) -> Tensor:  # noqa: ARG002
        return self.transform(x)

    def point(self, memory: Memory) -> PointFunction:  # noqa: ARG002
        def run(rows: Rows, tick: Tick) -> Rows:
            return tick.through(lambda tensor: self.transform(tensor[:, :, None])[:, :, 0], rows)

        return run


def module_list(modules: Iterable[Member]) -> Sequence[Member]:
    """An `nn.ModuleList` that remembers the type of its members."""
    return cast("Sequence[Member]", nn.ModuleList(modules))
