"""The gated residual block of WaveNet, with conditioning inside the gate."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from tcn.errors import ConfigError
from tcn.layers.conv import CausalConv1d
from tcn.layers.dropout import ChannelDropout
from tcn.layers.points import Memory, PointFunction, Rows, Tick
from tcn.layers.stream import Demand, StreamLayer, pick, whole


class Condition(NamedTuple):
    """What a gated block is told beside its input.

    Shape: constant (N, C_global), the same for each position; steps (N, C_step, L), one column for
    each position of the input.
    """

    constant: Tensor | None = None
    steps: Tensor | None = None

    def piece(self, start: int, stop: int) -> "Condition":
        """The condition for positions `start` to `stop`, for a step with that piece."""
        return self._replace(steps=None if self.steps is None else self.steps[..., start:stop])


UNCONDITIONED = Condition()


class GatedBlock(StreamLayer[Tensor]):
    r"""x + residual(z) with z = tanh(f(x) + a(c)) * sigmoid(g(x) + b(c)); also gives skip(z).

    f and g are one causal dilated convolution to twice `hidden` channels; a and b are projections
    of the condition c: `global_channels` numbers for the whole series, `step_channels` numbers for
    each position. A block with `skip_channels` gives skip(z) through `step_with_skip`.

    residual: False leaves the projection out; the block then gives its input on unchanged, as the
    last block of a stack that only adds up skips.

    Shape: x (N, channels, L), output (N, channels, L), skip (N, skip_channels, L).
    Source: van den Oord et al. 2016, WaveNet, sections 2.3 to 2.5 (arXiv:1609.03499).
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 2,
        dilation: int = 1,
        *,
        hidden: int | None = None,
        skip_channels: int = 0,
        global_channels: int = 0,
        step_channels: int = 0,
        dropout: float = 0.0,
        weight_norm: bool = False,
        residual: bool = True,
    ) -> None:
        super().__init__()
        hidden = channels if hidden is None else hidden
        self.channels = channels
        self.skip_channels = skip_channels
        self.global_channels = global_channels
        self.step_channels = step_channels
        self.conv = CausalConv1d(
            channels, 2 * hidden, kernel_size, dilation, weight_norm=weight_norm
        )
        self.constant = _projection(global_channels, 2 * hidden)
        self.steps = _projection(step_channels, 2 * hidden)
        self.dropout = ChannelDropout(dropout)
        self.residual = CausalConv1d(hidden, channels, kernel_size=1) if residual else None
        self.skip = CausalConv1d(hidden, skip_channels, kernel_size=1) if skip_channels else None
        self.receptive_field = self.conv.receptive_field

    def initial_state(self, batch_size: int) -> Tensor:
        return self.conv.initial_state(batch_size)

    def step(
        self, x: Tensor, state: Tensor, condition: Condition = UNCONDITIONED
    ) -> tuple[Tensor, Tensor]:
        z, state = self._step_gate(x, state, condition)
        return self._output(x, z), state

    def step_with_skip(
        self, x: Tensor, state: Tensor, condition: Condition = UNCONDITIONED
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `step`: output, skip, state."""
        z, state = self._step_gate(x, state, condition)
        return self._output(x, z), self._skip(z), state

    def needs(self, demand: Demand) -> Demand:
        return self.conv.needs(demand)

    def at(self, x: Tensor, demand: Demand, condition: Condition = UNCONDITIONED) -> Tensor:
        z = self._gate_at(x, demand, condition)
        return self._output(pick(x, self.needs(demand), demand), z)

    def at_with_skip(
        self, x: Tensor, demand: Demand, wanted: Demand, condition: Condition = UNCONDITIONED
    ) -> tuple[Tensor, Tensor]:
        """As `at`, and the skip at the positions `wanted`, which lie within `demand`."""
        z = self._gate_at(x, demand, condition)
        output = self._output(pick(x, self.needs(demand), demand), z)
        return output, self._skip(pick(z, demand, wanted))

    def point(self, memory: Memory) -> PointFunction:
        run = self.point_with_skip(memory)
        return lambda rows, tick: run(rows, tick)[0]

    def point_with_skip(self, memory: Memory) -> Callable[[Rows, Tick], tuple[Rows, Rows]]:
        """As `point`: output and skip, which is None for a block without one."""
        conv = self.conv.point(memory)
        constant, steps, residual, skip = (
            None if each is None else each.rowwise()
            for each in (self.constant, self.steps, self.residual, self.skip)
        )
        width, is_told = (
            self.conv.out_channels // 2,
            bool(self.global_channels or self.step_channels),
        )

        def run(rows: Rows, tick: Tick) -> tuple[Rows, Rows]:
            hidden = conv(rows, tick)
            told = tick.given[0] if tick.given else UNCONDITIONED
            if is_told or told is not UNCONDITIONED:
                self._require(told, tick.tensor(hidden)[:, :, None])
            for project, value in ((constant, told.constant), (steps, told.steps)):
                if project is not None and value is not None:
                    hidden += project(tick.told(value), tick)
            z = tick.tanh(hidden[:, :width])
            z *= tick.sigmoid(hidden[:, width:])
            output = rows if residual is None else rows + residual(z, tick)
            return output, None if skip is None else skip(z, tick)

        return run

    def _step_gate(self, x: Tensor, state: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        hidden, state = self.conv.step(x, state)
        return self._gate(hidden, condition), state

    def _gate_at(self, x: Tensor, demand: Demand, condition: Condition) -> Tensor:
        steps = condition.steps
        if steps is not None:
            steps = pick(steps, whole(steps.shape[-1]), demand)
        return self._gate(self.conv.at(x, demand), Condition(condition.constant, steps))

    def _gate(self, hidden: Tensor, condition: Condition) -> Tensor:
        """Gated activations (N, hidden, L) of `hidden` (N, 2 hidden, L)."""
        self._require(condition, hidden)
        for projection, value in (
            (self.constant, condition.constant),
            (self.steps, condition.steps),
        ):
            if projection is not None and value is not None:
                hidden = hidden + projection(value if value.ndim == 3 else value[:, :, None])
        signal, gate = hidden.chunk(2, dim=1)
        z: Tensor = self.dropout(torch.tanh(signal) * torch.sigmoid(gate))
        return z

    def _require(self, condition: Condition, hidden: Tensor) -> None:
        """Raise `ConfigError` unless the condition is of the shapes that the block takes."""
        _require_condition("constant", condition.constant, self.global_channels, hidden)
        _require_condition("steps", condition.steps, self.step_channels, hidden)

    def _output(self, x: Tensor, z: Tensor) -> Tensor:
        return x if self.residual is None else x + self.residual(z)

    def _skip(self, z: Tensor) -> Tensor:
        if self.skip is None:
            raise ConfigError("This block has no skip output. Build it with skip_channels >= 1.")
        skip: Tensor = self.skip(z)
        return skip


def _projection(in_channels: int, out_channels: int) -> CausalConv1d | None:
    if in_channels == 0:
        return None
    return CausalConv1d(in_channels, out_channels, kernel_size=1, bias=False)


def _require_condition(name: str, value: Tensor | None, width: int, hidden: Tensor) -> None:
    """Raise `ConfigError` unless the condition has the shape that the block was built for."""
    expected = (hidden.shape[0], width, *(hidden.shape[2:] if name == "steps" else ()))
    if value is None and width == 0:
        return
    if value is None or width == 0 or tuple(value.shape) != expected:
        found = "nothing" if value is None else str(tuple(value.shape))
        wanted = "nothing" if width == 0 else str(expected)
        raise ConfigError(f"The block takes {wanted} as condition.{name}, got {found}.")
