"""Layers prepared once for many forecasts, and anew when a weight has changed."""

from operator import attrgetter, is_

import torch
from torch import Tensor, nn

from tcn.layers import Demand, RowsFunction, StreamSequential
from tcn.models.step_head import StepHead


class Prepared:
    """Layers one after another as functions of rows for their last position, and a step head.

    Shape: rows (N, L, C_in) to states (N, 1, C_out). L may differ between calls; the functions for
    each L are kept, the packed weights are shared by them. `head` is as `StepHead.prepare` says.
    """

    def __init__(self, layers: StreamSequential, step_head: StepHead) -> None:
        self._receptive_field = layers.receptive_field
        self._seen = _Weights([*layers.modules(), *step_head.modules()])
        self._plan = layers.prepare()
        self.head = step_head.prepare()
        self._functions: dict[int, RowsFunction] = {}

    def is_current(self) -> bool:
        """Whether the weights are those that were prepared."""
        return self._seen.are_as_they_were()

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


class _Weights:
    """Parameters as they were: changed in place one has another version, moved another address."""

    def __init__(self, modules: list[nn.Module]) -> None:
        found = [
            (module._parameters, name, parameter)  # noqa: SLF001
            for module in modules
            for name, parameter in module._parameters.items()  # noqa: SLF001
        ]
        self._owners = [owner for owner, _, _ in found]
        self._names = [name for _, name, _ in found]
        self._parameters = [parameter for _, _, parameter in found]
        self._tensors = [each for each in self._parameters if each is not None]
        self._state = self._now()

    def are_as_they_were(self) -> bool:
        held = map(dict.get, self._owners, self._names)
        return all(map(is_, held, self._parameters)) and self._state == self._now() is not None

    def _now(self) -> tuple[list[int], list[int]] | None:
        """Versions and addresses; None where these are not kept: in inference mode."""
        if any(map(Tensor.is_inference, self._tensors)):
            return None
        return list(map(_VERSION, self._tensors)), list(map(Tensor.data_ptr, self._tensors))


_VERSION = attrgetter("_version")
