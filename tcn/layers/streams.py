"""Streams: many streams through one layer, a few new positions at a time."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tcn.errors import ConfigError
from tcn.layers.folding import fold_weight_norm
from tcn.layers.points import ArrayTick, Indices, Memory, Place, TensorTick, as_array
from tcn.layers.states import leaves, with_leaves
from tcn.layers.stream import StreamLayer

FEW = 16  # streams up to which arrays are faster than tensors
SHORT_PIECE = 24  # positions from which one pass over a piece is faster than single steps
Slots = Sequence[int] | Indices | None


class Streams:
    """Streams through one layer, whose memory is moved on in place.

    `push` computes what `layer.step` does, several times faster for a new position at a time: past
    inputs lie in rings, so that a step copies nothing and costs the same for any receptive field.
    The weights are those that the layer had when the streams were made; nothing is trained and
    dropout is off. `state` is a value, as `layer.step` takes and returns it.

    layer: keeps the length of its input. count: streams to open, at the initial state, or as many
    as `state` has. dtype: of memory and arithmetic, by default that of the layer; bfloat16 is
    faster for hundreds of streams.

    Shape: pieces (N, C_in, L), any L, one row for each stream; outputs (N, C_out, L).

    >>> from tcn.layers import CausalConv1d
    >>> streams = Streams(CausalConv1d(1, 2, kernel_size=3, dilation=4), count=5)
    >>> streams.push(torch.zeros(5, 1, 1)).shape
    torch.Size([5, 2, 1])
    """

    def __init__(
        self,
        layer: StreamLayer[Any],
        count: int = 1,
        *,
        state: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if layer.period != 1 or layer.output_length(12) != 12:
            raise ConfigError(
                "Streams need a layer that keeps the length of its input; this one gives "
                f"{layer.output_length(12)} outputs for 12 inputs. Use its step instead."
            )
        copied = fold_weight_norm(layer).eval().requires_grad_(False)
        self.layer = copied if dtype is None else copied.to(dtype)
        parameter = next(self.layer.parameters(), None)
        like = torch.zeros(0, dtype=dtype) if parameter is None else parameter.detach()
        self.dtype = dtype if parameter is None else parameter.dtype  # None: that of each piece
        self.device = like.device
        self._has_arrays = parameter is not None and as_array(like) is not None
        self._memory = Memory(self.layer, like)
        with torch.no_grad():
            self._function = self.layer.point(self._memory)
        self._clock = 0
        self._ahead: Indices = np.zeros(0, dtype=np.int64)  # of the clock, for each slot
        self._is_open = np.zeros(0, dtype=bool)
        self._refresh()
        self.open(count, state=state)

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def slots(self) -> Indices:
        """The numbers of the open streams, in ascending order: the rows of `push`."""
        return self._slots.copy()

    def open(self, count: int = 1, *, state: Any = None) -> Indices:
        """Open `count` streams, or as many as `state` has, and return their slots.

        Slots of closed streams are used again; no other stream is touched.
        """
        tensors = None if state is None else self._checked_state(state)
        count = len(tensors[0]) if tensors else count
        if count < 0:
            raise ConfigError(f"The number of streams must be at least 0, got {count}.")
        missing = count - int(np.count_nonzero(~self._is_open))
        if missing > 0:
            self._grow(max(missing, len(self._is_open) // 2))
        slots = np.flatnonzero(~self._is_open)[:count]
        self._is_open[slots] = True
        self._ahead[slots] = 0
        self._refresh()
        with torch.no_grad():
            self._put(slots, tensors)
        return slots

    def close(self, slots: Sequence[int] | Indices) -> None:
        """Close streams; their slots are free for others, and no other stream is touched."""
        self._is_open[self._checked_slots(slots)] = False
        self._refresh()

    def state(self, slots: Slots = None) -> Any:
        """The state of all streams, or of those of `slots`: a value that pushes leave alone."""
        chosen = self._slots if slots is None else self._checked_slots(slots)
        clocks = self._clocks(chosen)
        with torch.no_grad():
            tensors = [each for cell in self._memory for each in cell.read(chosen, clocks)]
        return with_leaves(self.layer.initial_state(0), iter(tensors))

    def push(self, x: Tensor, *condition: Any, slots: Slots = None) -> Tensor:
        """Outputs for the next positions of each stream, or of those of `slots` in their order.

        Shape: x (N, C_in, L), output (N, C_out, L) in the dtype of x. condition: as the layer's
        `step` takes it, for these positions.
        """
        chosen = self._slots if slots is None else self._checked_slots(slots)
        if x.ndim != 3 or len(x) != len(chosen):
            raise ConfigError(
                f"A piece needs the shape ({len(chosen)}, channels, positions), one row for each "
                f"stream, got {tuple(x.shape)}."
            )
        condition = tuple(_in_dtype(each, self.dtype or x.dtype) for each in condition)
        x, dtype, length = x.detach().to(self.dtype or x.dtype), x.dtype, x.shape[2]
        with torch.no_grad(), np.errstate(all="ignore"):
            if length == 1 and len(chosen):
                y = self._point(x[:, :, 0], condition, chosen)[:, :, None]
            elif 0 < length <= SHORT_PIECE and len(chosen):
                columns = (
                    self._point(x[:, :, at], _pieces(condition, at), chosen) for at in range(length)
                )
                y = torch.stack(list(columns), dim=2)
            else:
                y = self._piece(x, condition, chosen)
        return y.to(dtype)

    def _point(self, x: Tensor, condition: tuple[Any, ...], chosen: Indices) -> Tensor:
        """Outputs (N, C_out) for one position x (N, C_in) of the streams `chosen`."""
        if not (self._is_level and (chosen is self._slots or self._are_all(chosen))):
            y = self._run(x, condition, self._place(chosen, len(x)))
            self._advance(chosen, 1)
            return y
        place = Place(int(self._slots[-1]) + 1, self._clock)
        if place.n_streams == len(x):
            y = self._run(x, condition, place)
        elif condition or place.n_streams > 2 * len(x):
            y = self._run(x, condition, self._place(chosen, len(x)))
        else:
            index = torch.from_numpy(chosen).to(x.device)
            y = self._run(
                x.new_zeros(place.n_streams, x.shape[1]).index_copy_(0, index, x), (), place
            )
            y = y[index]
        self._clock += 1
        return y

    def _piece(self, x: Tensor, condition: tuple[Any, ...], chosen: Indices) -> Tensor:
        """Outputs for a long piece, or one without streams or positions, in one pass."""
        y, after = self.layer.step(x, self.state(chosen), *condition)
        if y.numel():
            self._advance(chosen, x.shape[2])
            self._put(chosen, list(leaves(after)))
        return y

    def _run(self, x: Tensor, condition: tuple[Any, ...], place: Place) -> Tensor:
        kind = ArrayTick if self._uses_arrays(len(x)) else TensorTick
        tick = kind(place, condition)
        return tick.tensor(self._function(tick.rows(x), tick))

    def _uses_arrays(self, count: int) -> bool:
        return count <= FEW and self._has_arrays

    def _place(self, chosen: Indices, count: int) -> Place:
        """Where streams are that stand at several times, or are not all."""
        clocks = self._clocks(chosen)
        if self._uses_arrays(count):
            return Place(count, slots=chosen, clocks=clocks)
        slots, times = (torch.from_numpy(each).to(self.device) for each in (chosen, clocks))
        return Place(count, slots=slots, clocks=times)

    def _clocks(self, chosen: Indices) -> Indices:
        clocks: Indices = self._clock + self._ahead[chosen]
        return clocks

    def _are_all(self, chosen: Indices) -> bool:
        return np.array_equal(chosen, self._slots)

    def _advance(self, chosen: Indices, length: int) -> None:
        self._ahead[chosen] += length
        self._refresh()

    def _refresh(self) -> None:
        """Find out anew which streams are open, and whether they all stand at the same time."""
        self._slots = np.flatnonzero(self._is_open)
        ahead = self._ahead[self._slots]
        self._is_level = not len(ahead) or bool((ahead == ahead[0]).all())
        if self._is_level and len(ahead):
            self._clock += int(ahead[0])
            self._ahead[:] = 0

    def _grow(self, more: int) -> None:
        self._is_open = np.append(self._is_open, np.zeros(more, dtype=bool))
        self._ahead = np.append(self._ahead, np.zeros(more, dtype=np.int64))
        for cell in self._memory:
            cell.grow(len(self._is_open))

    def _put(self, slots: Indices, tensors: Sequence[Tensor] | None) -> None:
        """Put streams into a state, given by its tensors; None is the initial one."""
        clocks = self._clocks(slots)
        rest = iter(tensors or ())
        for cell in self._memory:
            if tensors is None:
                cell.clear(slots)
            else:
                cell.write(slots, clocks, [next(rest) for _ in range(cell.n_leaves)])

    def _checked_slots(self, slots: Iterable[int]) -> Indices:
        chosen = np.asarray(slots, dtype=np.int64).reshape(-1)
        within = (chosen >= 0) & (chosen < len(self._is_open))
        is_open = within & self._is_open[np.where(within, chosen, 0)] if len(chosen) else within
        if not is_open.all():
            raise ConfigError(f"There is no open stream {chosen[~is_open][0]}. Open ones: `slots`.")
        if len(np.unique(chosen)) < len(chosen):
            raise ConfigError("A stream is named twice. Name each slot once.")
        return chosen

    def _checked_state(self, state: Any) -> list[Tensor]:
        tensors = list(leaves(state))
        expected = [tuple(leaf.shape[1:]) for leaf in leaves(self.layer.initial_state(0))]
        found = [tuple(leaf.shape[1:]) for leaf in tensors]
        if found != expected or len({len(leaf) for leaf in tensors}) > 1:
            raise ConfigError(
                f"The state has tensors of {found} for a stream, this layer's of {expected}. "
                "Give a state of the same layer."
            )
        return tensors


def _in_dtype(condition: Any, dtype: torch.dtype) -> Any:
    """A condition, a named tuple, with its tensors in `dtype`."""
    return type(condition)(
        *(part.detach().to(dtype) if isinstance(part, Tensor) else part for part in condition)
    )


def _pieces(condition: tuple[Any, ...], at: int) -> tuple[Any, ...]:
    return tuple(each.piece(at, at + 1) for each in condition)
