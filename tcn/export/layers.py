"""Causal layers for other runtimes: whole pieces, their last outputs, or steps with a state."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tcn.config import require_int
from tcn.errors import ConfigError
from tcn.export.formats import Export, ExportFormat, Shape, Signature, export_module
from tcn.layers import StreamLayer, fold_weight_norm
from tcn.layers.states import leaves, with_leaves

MAX_LENGTH = 1_000_000


def export_layer(
    layer: StreamLayer[Any],
    in_channels: int,
    export_format: ExportFormat,
    *,
    length: int = 1,
    count: int | None = None,
    streaming: bool = False,
) -> Export:
    """Export a causal layer, or a stack of them, for any number of series at a time.

    Input `x` (N, in_channels, length), output `y` (N, C_out, outputs): with `count` the last so
    many outputs, computed on demand. streaming: the export is a step. It also takes the state
    before the piece, `state_0`, `state_1`, ..., zeros at the start, and gives the state after it,
    `next_state_0`, ...; tensors of the state without columns are left out. All float32. Raises
    ConfigError as `export_module` does.
    """
    require_int("length", length, 1, MAX_LENGTH)
    folded = fold_weight_norm(layer).eval().cpu().float()
    if streaming:
        if count is not None or layer.output_length(12) != 12:
            raise ConfigError(
                "A streaming export gives each output of its piece, of a layer that keeps the "
                "length. Leave count out, or export without streaming."
            )
        step = LayerStep(folded).eval()
        states = state_shapes(folded)
        signature = step_signature({"x": (in_channels, length)}, states)
        with torch.no_grad():
            y = step(torch.zeros(2, in_channels, length), *step.zeros(2))[0]
        signature.outputs["y"] = tuple(y.shape[1:])
        return export_module(
            step,
            _ordered(signature, "y"),
            export_format,
            name="step",
            description={"receptive_field": layer.receptive_field},
        )
    module = _Last(folded, count).eval()
    with torch.no_grad():
        y = module(torch.zeros(2, in_channels, length))
    return export_module(
        module,
        Signature({"x": (in_channels, length)}, {"y": tuple(y.shape[1:])}),
        export_format,
        name="layer",
        description={"receptive_field": layer.receptive_field},
    )


class LayerStep(nn.Module):
    """A layer's step; its arguments are the piece and the tensors of the state, and so its results.

    Tensors of the state without columns carry nothing and are left out.
    """

    def __init__(self, layer: StreamLayer[Any]) -> None:
        super().__init__()
        self.layer = layer
        self.template = [leaf.shape[1:] for leaf in leaves(layer.initial_state(0))]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        y, after = self.advance(tensors[0], tensors[1:])
        return (y, *after)

    def advance(
        self, x: Tensor, state: tuple[Tensor, ...], *condition: Any
    ) -> tuple[Tensor, list[Tensor]]:
        """Outputs, and the tensors of the state after the piece."""
        given = iter(state)
        full = (
            next(given) if shape.numel() else x.new_zeros(x.shape[0], *shape)
            for shape in self.template
        )
        before = with_leaves(self.layer.initial_state(0), full)
        y, after = self.layer.step(x, before, *condition)
        kept = zip(self.template, leaves(after), strict=True)
        return y, [leaf.clone() for shape, leaf in kept if shape.numel()]

    def zeros(self, n: int) -> Iterator[Tensor]:
        """The tensors of the initial state that are not left out."""
        for leaf in leaves(self.layer.initial_state(n)):
            if leaf[0].numel():
                yield leaf


def state_shapes(layer: StreamLayer[Any]) -> list[Shape]:
    """Shapes, without the batch, of the tensors of the state that have columns."""
    shapes = [tuple(leaf.shape[1:]) for leaf in leaves(layer.initial_state(0))]
    return [shape for shape in shapes if all(shape)]


def step_signature(inputs: dict[str, Shape], states: list[Shape]) -> Signature:
    """The signature of a step: `inputs` and the state before, and the state after."""
    before = {f"state_{i}": shape for i, shape in enumerate(states)}
    after = {f"next_{name}": shape for name, shape in before.items()}
    return Signature(inputs | before, after)


def _ordered(signature: Signature, first: str) -> Signature:
    """The signature with the output `first` in front."""
    outputs = {first: signature.outputs[first]} | signature.outputs
    return signature._replace(outputs=outputs)


class _Last(nn.Module):
    """All outputs of a layer, or the last ones, as functions of one tensor."""

    def __init__(self, layer: StreamLayer[Any], count: int | None) -> None:
        super().__init__()
        self.layer = copy.deepcopy(layer)
        self.count = count

    def forward(self, *tensors: Tensor) -> Tensor:
        (x,) = tensors
        y: Tensor = self.layer(x) if self.count is None else self.layer.last(x, self.count)
        return y
