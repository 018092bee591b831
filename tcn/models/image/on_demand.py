"""The last position of causal layers, from the positions it reads and no others."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from tcn.layers import Activation, CausalConv1d, Demand, StreamLayer, StreamSequential, pick
from tcn.models.image.modules import OnPositions, Pooled, ResidualBranch

_POINTWISE = (nn.ReLU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Dropout)


class LastOnDemand(nn.Module):
    """What causal layers give at the last position, computed on demand.

    Shape: x (N, C, L), output (N, C'). Equal to the end of their whole output; with doubling
    dilations a fraction of its work.
    """

    def __init__(self, layers: Iterable[StreamLayer[Any]]) -> None:
        super().__init__()
        self.layers = StreamSequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers.last(x)[..., 0]


class CausalResidual(StreamLayer[tuple[Any, ...]]):
    """activation(layers(x) + shortcut(x)) of causal layers that keep the length.

    Shape: x (N, C, L), output (N, C', L); the state is that of the layers.
    """

    def __init__(
        self,
        layers: Iterable[StreamLayer[Any]],
        shortcut: CausalConv1d | None,
        activation: nn.Module,
    ) -> None:
        super().__init__()
        self.layers = StreamSequential(layers)
        self.shortcut = shortcut
        self.activation = activation
        self.receptive_field = self.layers.receptive_field

    def initial_state(self, batch_size: int) -> tuple[Any, ...]:
        return self.layers.initial_state(batch_size)

    def step(self, x: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        y, state = self.layers.step(x, state)
        return self._output(x, y), state

    def needs(self, demand: Demand) -> Demand:
        return self.layers.needs(demand)

    def at(self, x: Tensor, demand: Demand) -> Tensor:
        return self._output(pick(x, self.needs(demand), demand), self.layers.at(x, demand))

    def _output(self, x: Tensor, y: Tensor) -> Tensor:
        straight = x if self.shortcut is None else self.shortcut(x)
        output: Tensor = self.activation(y + straight)
        return output


def last_on_demand(modules: list[nn.Module]) -> list[nn.Module]:
    """The modules, with each pool of the last position joined to the causal layers before it."""
    joined: list[nn.Module] = []
    for module in modules:
        if isinstance(module, Pooled) and module.pool == "last":
            streams = _streams_at_end(joined)
            if streams:
                joined[-len(streams) :] = [LastOnDemand(streams)]
                continue
        joined.append(module)
    return joined


def _streams_at_end(modules: list[nn.Module]) -> list[StreamLayer[Any]]:
    """The modules from the last one that is not causal to the end, as streaming layers."""
    streams: list[StreamLayer[Any]] = []
    for module in reversed(modules):
        stream = _stream(module)
        if stream is None:
            break
        streams.insert(0, stream)
    return streams


def _stream(module: nn.Module) -> StreamLayer[Any] | None:
    """The module as a streaming layer that keeps the length, if it is one."""
    if isinstance(module, CausalConv1d):
        return module if module.stride == 1 else None
    if isinstance(module, OnPositions):
        return module.layer
    if isinstance(module, ResidualBranch):
        return _residual(module)
    return Activation(module) if isinstance(module, _POINTWISE) else None


def _residual(branch: ResidualBranch) -> CausalResidual | None:
    inner = list(branch.layers.children())
    streams = _streams_at_end(inner)
    shortcut = None if isinstance(branch.shortcut, nn.Identity) else branch.shortcut
    fits = shortcut is None or (isinstance(shortcut, CausalConv1d) and shortcut.stride == 1)
    if len(streams) < len(inner) or not fits:
        return None
    assert shortcut is None or isinstance(shortcut, CausalConv1d)
    return CausalResidual(streams, shortcut, branch.activation)
