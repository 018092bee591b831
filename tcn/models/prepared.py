"""Layers prepared once for many forecasts, and anew when a weight has changed."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tcn.layers import Demand, RowsFunction, StreamSequential
from tcn.models.step_head import StepHead

_UNKNOWN = -1


class _Seen(NamedTuple):
    """A parameter as it was: changed in place it has another version, moved another address."""

    owner: dict[str, nn.Parameter | None]
    name: str
    parameter: nn.Parameter | None
    address: int
    version: int


class Prepared:
    """Layers one after another as functions of rows for their last position, and a step head.

    Shape: rows (N, L, C_in) to states (N, 1, C_out). L may differ between calls; the functions for
    each L are kept, the packed weights are shared by them. `head` is as `StepHead.prepare` says.
    """

    def __init__(self, layers: StreamSequential, step_head: StepHead) -> None:
        self._receptive_field = layers.receptive_field
        self._seen = [*_parameters(layers), *_parameters(step_head)]
        self._plan = layers.prepare()
        self.head = step_head.prepare()
        self._functions: dict[int, RowsFunction] = {}

    def is_current(self) -> bool:
        """Whether the weights are those that were prepared."""
        for owner, name, parameter, address, version in self._seen:
            if owner.get(name) is not parameter or version == _UNKNOWN:
                return False
            if parameter is None:
                continue
            if parameter.data_ptr() != address or parameter._version != version:  # noqa: SLF001
                return False
        return True

    def last(self, rows: Tensor) -> Tensor:
        """States of the newest position."""
        rows = rows[:, -self._receptive_field :]
        length = rows.shape[1]
        function = self._functions.get(length)
        if function is None:
            function = self._functions[length] = self._plan(Demand(length, 1, 1))
        return function(rows)


def can_prepare(layers: nn.Module) -> bool:
    """Whether nothing is trained, traced or exported, so that functions made once may be used."""
    is_traced = torch.compiler.is_compiling()
    return not (torch.is_grad_enabled() or layers.training or is_traced)


def _parameters(layers: nn.Module) -> Iterator[_Seen]:
    for module in layers.modules():
        for name, parameter in module._parameters.items():  # noqa: SLF001
            address = 0 if parameter is None else parameter.data_ptr()
            version = 0 if parameter is None else _version(parameter)
            yield _Seen(module._parameters, name, parameter, address, version)  # noqa: SLF001


def _version(parameter: Tensor) -> int:
    """How often it was changed in place; not known of one made in inference mode."""
    return _UNKNOWN if parameter.is_inference() else parameter._version  # noqa: SLF001
