"""Layers prepared once for many forecasts, and anew when a weight has changed."""

from operator import attrgetter, is_

import torch
from torch import Tensor, nn

from tcn.layers import Demand, RowsFunction, StreamSequential
from tcn.layers.rows import can_be_rows, normed
from tcn.models.inputs import NetworkInputs
from tcn.models.step_head import StepHead


class Prepared:
    """Layers one after another as functions of rows for their last position, and a step head.

    L may differ between calls; the functions for each L are kept, the packed weights are shared by
    them.
    """

    def __init__(self, layers: StreamSequential, norm: nn.LayerNorm, step_head: StepHead) -> None:
        self._receptive_field = layers.receptive_field
        self._seen = _Weights([*layers.modules(), norm, *step_head.modules()])
        self._plan = layers.prepare()
        self._norm = norm
        self._head = step_head.prepare()
        self._functions: dict[int, RowsFunction] = {}

    def is_current(self) -> bool:
        """Whether the weights are those that were prepared."""
        return self._seen.are_as_they_were()

    def raw(self, rows: Tensor, inputs: NetworkInputs) -> Tensor:
        """Raw outputs (N, 1, H, n_raw) from the state of the newest of the rows (N, L, C)."""
        rows = rows[:, -self._receptive_field :]
        length = rows.shape[1]
        function = self._functions.get(length)
        if function is None:
            function = self._functions[length] = self._plan(Demand(length, 1, 1))
        states = function(rows.numpy())
        return self._head(
            normed(states, self._norm.weight, self._norm.bias, self._norm.eps), inputs
        )


def can_prepare(layers: nn.Module, weight: Tensor) -> bool:
    """Whether nothing is trained, traced or exported, so that functions made once may be used.

    weight: one of the layers' weights, whose kind and place arrays must have.
    """
    is_traced = torch.compiler.is_compiling()
    is_changed = torch.is_grad_enabled() or layers.training or torch.is_autocast_enabled("cpu")
    return not (is_traced or is_changed) and can_be_rows(weight)


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
        try:
            versions = list(map(_VERSION, self._tensors))
        except RuntimeError:
            return None
        return versions, list(map(Tensor.data_ptr, self._tensors))


_VERSION = attrgetter("_version")
