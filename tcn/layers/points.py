"""One new position of each stream: the arithmetic of a step, on arrays for few and on tensors.

A layer gives its step for one position as a function of rows, (N, C), written once for both kinds
of arithmetic. What the step remembers is kept in cells that `Memory` hands out, in the order of the
tensors of the layer's state.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tcn.errors import ConfigError
from tcn.layers.states import leaves, with_leaves

Rows = Any  # (N, C), an array or a tensor, as the tick has them
PointFunction = Callable[[Rows, "Tick"], Rows]
Indices = NDArray[np.int64]

MOST_TURNS = 4  # kernels up to this size have their weights stored once for each turn of a ring
_ARRAY_DTYPES = (torch.float32, torch.float64)


class Matrix:
    """Weights (C_out, C_in) and bias (C_out,) of a product of rows, for both arithmetics."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight = weight.detach().contiguous()
        self.bias = None if bias is None else bias.detach().clone()
        self.weight_array = as_array(self.weight)
        self.bias_array = None if self.bias is None else as_array(self.bias)


class Place(NamedTuple):
    """Which streams take a step, and their time: all of the first `n_streams`, or those of `slots`.

    slots, clocks: (n,) tensors where streams differ in time or do not all take the step; None where
    the first `n_streams` do, all at time `clock`.
    """

    n_streams: int
    clock: int = 0
    slots: Any = None
    clocks: Any = None


class Tick(ABC):
    """A step of some streams for one position: where they are, and how to compute with rows.

    given: the condition of the position, in the arguments of the layer's `step`.
    """

    is_array: bool

    def __init__(self, place: Place, given: tuple[Any, ...] = ()) -> None:
        self.place = place
        self.given = given
        self._converted: dict[int, Rows] = {}

    def told(self, value: Tensor) -> Rows:
        """Part of a condition, (N, C) or (N, C, 1), as rows; made once for a tick."""
        rows = self._converted.get(id(value))
        if rows is None:
            rows = self._converted[id(value)] = self.rows(value.reshape(value.shape[:2]))
        return rows

    @abstractmethod
    def rows(self, tensor: Tensor) -> Rows:
        """A tensor (N, C) as rows."""

    @abstractmethod
    def tensor(self, rows: Rows) -> Tensor:
        """Rows as a tensor (N, C)."""

    def through(self, function: Callable[[Tensor], Tensor], rows: Rows) -> Rows:
        """A function of tensors (N, C) applied to rows."""
        return self.rows(function(self.tensor(rows)))

    @abstractmethod
    def linear(self, rows: Rows, matrix: Matrix) -> Rows:
        """Rows times the transposed weights, plus the bias; new rows."""

    @abstractmethod
    def grouped(self, window: Rows, weight: Matrix) -> Rows:
        """Windows (N, k, C) through weights (g, C_out / g, k C / g) of groups; new rows."""

    @abstractmethod
    def relu(self, rows: Rows) -> Rows:
        """The rows themselves, with negative numbers set to zero."""

    @abstractmethod
    def tanh(self, rows: Rows) -> Rows:
        """New rows."""

    @abstractmethod
    def sigmoid(self, rows: Rows) -> Rows:
        """New rows."""


class ArrayTick(Tick):
    """Arithmetic on NumPy arrays, which has the least cost for a call."""

    is_array = True

    def rows(self, tensor: Tensor) -> Rows:
        return tensor.numpy()

    def tensor(self, rows: Rows) -> Tensor:
        return torch.from_numpy(rows)

    def linear(self, rows: Rows, matrix: Matrix) -> Rows:
        if len(rows) == 1:
            y = matrix.weight_array.dot(rows[0])[None]
        else:
            y = rows @ matrix.weight_array.T
        if matrix.bias_array is not None:
            y += matrix.bias_array
        return y

    def grouped(self, window: Rows, weight: Matrix) -> Rows:
        split = _by_group(window, len(weight.weight_array)).transpose(2, 0, 1, 3)
        split = split.reshape(*split.shape[:2], -1)
        y = split @ weight.weight_array.swapaxes(1, 2)
        y = np.ascontiguousarray(y.swapaxes(0, 1)).reshape(len(window), -1)
        return y if weight.bias_array is None else y + weight.bias_array

    def relu(self, rows: Rows) -> Rows:
        return np.maximum(rows, 0.0, out=rows)

    def tanh(self, rows: Rows) -> Rows:
        return np.tanh(rows)

    def sigmoid(self, rows: Rows) -> Rows:
        return 0.5 + 0.5 * np.tanh(0.5 * rows)


class TensorTick(Tick):
    """Arithmetic on tensors, for many streams, half precision and other devices."""

    is_array = False

    def rows(self, tensor: Tensor) -> Rows:
        return tensor

    def tensor(self, rows: Rows) -> Tensor:
        tensor: Tensor = rows
        return tensor

    def linear(self, rows: Rows, matrix: Matrix) -> Rows:
        return functional.linear(rows, matrix.weight, matrix.bias)

    def grouped(self, window: Rows, weight: Matrix) -> Rows:
        split = _by_group(window, len(weight.weight)).permute(2, 0, 1, 3)
        y = split.reshape(*split.shape[:2], -1) @ weight.weight.transpose(1, 2)
        y = y.transpose(0, 1).reshape(len(window), -1)
        return y if weight.bias is None else y + weight.bias

    def relu(self, rows: Rows) -> Rows:
        return rows.relu_()

    def tanh(self, rows: Rows) -> Rows:
        return torch.tanh(rows)

    def sigmoid(self, rows: Rows) -> Rows:
        return torch.sigmoid(rows)


class Cell(Protocol):
    """What a layer remembers of each stream."""

    n_leaves: int

    def grow(self, capacity: int) -> None:
        """Make room for so many streams; those that there are keep their state."""

    def clear(self, slots: Indices) -> None:
        """Set streams to the initial state."""

    def read(self, slots: Indices, clocks: Indices) -> list[Tensor]:
        """The tensors of the state of some streams; copies."""

    def write(self, slots: Indices, clocks: Indices, tensors: Sequence[Tensor]) -> None:
        """Put some streams into a state."""


class Ring:
    """The newest inputs of a dilated convolution, of many streams.

    The buffer is (d, streams, k, C): the input at time t lies in phase t mod d, at position
    (t // d) mod k. So the k inputs that an output reads are neighbours in memory, a step writes one
    row and copies nothing, and its cost does not depend on the dilation.
    """

    n_leaves = 1

    def __init__(self, channels: int, kernel_size: int, dilation: int, like: Tensor) -> None:
        self.channels = channels
        self.kernel_size = kernel_size
        self.dilation = dilation if kernel_size > 1 else 1
        self.memory = like.new_zeros(self.dilation, 0, kernel_size, channels)
        self.array = as_array(self.memory)
        taps = torch.arange(kernel_size)
        # order[newest]: positions from the oldest tap to the newest
        self._order = (taps[:, None] + 1 + taps) % kernel_size
        self._order = self._order.to(like.device)
        self._is_turned = kernel_size <= MOST_TURNS

    def push(self, rows: Rows, tick: Tick) -> tuple[Rows, int]:
        """Windows (N, k, C) that end in the new rows, and the turn: where in them the newest is.

        A turn of -1 is that of windows in the order of time.
        """
        if rows.shape[1] != self.channels:
            raise ConfigError(
                f"The layer reads {self.channels} channels, got {rows.shape[1]} of them."
            )
        buffer = self.array if tick.is_array else self.memory
        place = tick.place
        if place.slots is not None:
            return self._push_some(buffer, rows, place), -1
        turn = (place.clock // self.dilation) % self.kernel_size
        window = buffer[place.clock % self.dilation]
        if place.n_streams != window.shape[0]:
            window = window[: place.n_streams]
        window[:, turn] = rows
        if self._is_turned:
            return window, turn
        order = self._order[turn]
        return (window[:, order.numpy()] if tick.is_array else window[:, order]), -1

    def _push_some(self, buffer: Any, rows: Rows, place: Place) -> Rows:
        phase, newest = place.clocks % self.dilation, (place.clocks // self.dilation)
        newest = newest % self.kernel_size
        buffer[phase, place.slots, newest] = rows
        order = self._order if isinstance(buffer, Tensor) else self._order.numpy()
        return buffer[phase[:, None], place.slots[:, None], order[newest]]

    def grow(self, capacity: int) -> None:
        old = self.memory
        self.memory = old.new_zeros(old.shape[0], capacity, *old.shape[2:])
        self.memory[:, : old.shape[1]] = old
        self.array = as_array(self.memory)

    def clear(self, slots: Indices) -> None:
        self.memory[:, torch.from_numpy(slots).to(self.memory.device)] = 0.0

    def read(self, slots: Indices, clocks: Indices) -> list[Tensor]:
        return [self.memory[self._places(slots, clocks)].transpose(1, 2)]

    def write(self, slots: Indices, clocks: Indices, tensors: Sequence[Tensor]) -> None:
        past = tensors[0].detach().to(self.memory).transpose(1, 2)
        self.memory[self._places(slots, clocks)] = past

    def _places(self, slots: Indices, clocks: Indices) -> tuple[Tensor, Tensor, Tensor]:
        """Where the past of streams lies, in the order of time; each (n, (k - 1) d)."""
        length = (self.kernel_size - 1) * self.dilation
        times = torch.from_numpy(clocks)[:, None] + torch.arange(-length, 0)
        places = (
            times % self.dilation,
            torch.from_numpy(slots)[:, None].expand_as(times),
            (times // self.dilation) % self.kernel_size,
        )
        phase, slot, position = (each.to(self.memory.device) for each in places)
        return phase, slot, position


class Held:
    """The state of a layer of any kind as a value, moved on by its `step`."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.state = layer.initial_state(0)
        self.n_leaves = len(list(leaves(self.state)))

    def push(self, rows: Rows, tick: Tick, given: tuple[Any, ...]) -> Rows:
        """Outputs of the layer for one new position of each stream."""
        place = tick.place
        index: Any = slice(0, place.n_streams) if place.slots is None else place.slots
        if isinstance(index, np.ndarray):
            index = torch.from_numpy(index)
        before = with_leaves(self.state, (leaf[index] for leaf in leaves(self.state)))
        y, after = self.layer.step(tick.tensor(rows)[:, :, None], before, *given)
        for leaf, new in zip(leaves(self.state), leaves(after), strict=True):
            leaf[index] = new
        return tick.rows(y[:, :, 0])

    def grow(self, capacity: int) -> None:
        old = list(leaves(self.state))
        self.state = self.layer.initial_state(capacity)
        fresh = [leaf.clone() for leaf in leaves(self.state)]
        for new, past in zip(fresh, old, strict=True):
            new[: len(past)] = past
        self.state = with_leaves(self.state, iter(fresh))

    def clear(self, slots: Indices) -> None:
        initial = leaves(self.layer.initial_state(len(slots)))
        self.write(slots, slots, list(initial))

    def read(self, slots: Indices, clocks: Indices) -> list[Tensor]:  # noqa: ARG002
        return [leaf[torch.from_numpy(slots)] for leaf in leaves(self.state)]

    def write(self, slots: Indices, clocks: Indices, tensors: Sequence[Tensor]) -> None:  # noqa: ARG002
        for leaf, new in zip(leaves(self.state), tensors, strict=True):
            leaf[torch.from_numpy(slots)] = new.detach().to(leaf)


class Memory:
    """The cells of a layer, in the order in which it asks for them."""

    def __init__(self, layer: Any, like: Tensor) -> None:
        self.cells: list[Ring | Held] = []
        self._layer = layer
        self._like = like

    def ring(self, channels: int, kernel_size: int, dilation: int) -> Ring:
        """A new ring, on the device and in the dtype of the streams."""
        ring = Ring(channels, kernel_size, dilation, self._like)
        self.cells.append(ring)
        return ring

    def held(self, layer: Any) -> PointFunction:
        """The step of a layer that has no rings: its state is held as a value."""
        cell = Held(layer)
        self.cells.append(cell)
        is_told = layer is self._layer

        def run(rows: Rows, tick: Tick) -> Rows:
            return cell.push(rows, tick, tick.given if is_told else ())

        return run

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)


def turned(weight: Tensor, bias: Tensor | None, groups: int = 1) -> list[Matrix]:
    """Weights (C_out, C_in / g, k) as matrices (C_out, k C_in), one for each turn of a ring.

    The last one, of turn -1, has the taps in the order of time; it is the only one for long
    kernels. With groups they are (g, C_out / g, k C_in / g).
    """
    size = weight.shape[2]
    taps = torch.arange(size)
    matrices = []
    for turn in range(size) if size <= MOST_TURNS else (size - 1,):
        matrix = weight[:, :, (taps - turn - 1) % size].transpose(1, 2).flatten(1)
        if groups > 1:
            matrix = matrix.reshape(groups, -1, matrix.shape[1])
        matrices.append(Matrix(matrix, bias))
    return matrices


def as_array(tensor: Tensor) -> Any:
    """The numbers of a tensor as an array in the same memory; None where arrays have no such."""
    is_plain = tensor.device.type == "cpu" and tensor.dtype in _ARRAY_DTYPES
    return tensor.numpy() if is_plain else None


def _by_group(window: Rows, groups: int) -> Rows:
    """Windows (N, k, C) as (N, k, g, C / g)."""
    n, size, channels = window.shape
    return window.reshape(n, size, groups, channels // groups)
