"""Forecasting networks for other runtimes: for whole windows, or a patch at a time.

What is exported is the network alone. Scaling to z units, references and calibration stay in the
library.
"""

import copy
from typing import Any

from torch import Tensor, nn

from tcn.config import TCNConfig, WaveNetConfig, require_int
from tcn.export.formats import Export, ExportFormat, Shape, Signature, export_module
from tcn.export.layers import LayerStep, state_shapes, step_signature
from tcn.forecaster import Forecaster
from tcn.layers import Condition
from tcn.models import ForecastNetwork, NetworkInputs
from tcn.models.gated_encoder import GatedEncoder
from tcn.models.heads import QuantileHead
from tcn.series.features import N_FEATURES
from tcn.series.references import N_DRAFTS, N_REFERENCES, N_STEP_FEATURES, StepInputs
from tcn.series.scaling import LocScale


def export_network(
    forecaster: Forecaster,
    export_format: ExportFormat,
    *,
    context_length: int | None = None,
    horizon: int | None = None,
) -> Export:
    """Export the network of `forecaster` for a context and horizon, those of its config by default.

    Inputs are features (N, F, L), references, drafts and steps (N, H, ...), and where the model has
    such covariates known (N, H, K) and static (N, S), all float32; L is the context in whole
    patches, or what the network reads of it. The output is (N, H, Q): the trained quantiles in z
    units for a quantile head, raw parameters for others. Raises ConfigError where a package is
    missing, a size is not allowed, or the result differs from torch at a batch of 1, 2 or 17.
    """
    signature = signature_of(forecaster, context_length, horizon)
    return export_module(
        WindowNetwork(forecaster.network, tuple(signature.inputs)).eval(),
        signature,
        export_format,
        name="forecast",
        description=_description(forecaster),
    )


def export_step(
    forecaster: Forecaster, export_format: ExportFormat, *, horizon: int | None = None
) -> Export:
    """Export the network of `forecaster` as a step: one new patch of each series, and its forecast.

    Inputs are as those of `export_network`, but features (N, F, patch_length) hold one patch, and
    the state before it comes along as `state_0`, ...: zeros at the start of a series. Outputs are
    those of `export_network` and the state after the patch, `next_state_0`, ... . The scale of the
    features must stay that of the first patch. Raises ConfigError as `export_network` does.
    """
    steps = forecaster.config.horizon if horizon is None else horizon
    require_int("horizon of an export", steps, 1, forecaster.config.horizon)
    network = StepNetwork(forecaster.network, tuple(_inputs(forecaster, 0, steps))).eval()
    patch = _inputs(forecaster, forecaster.config.patch_length, steps)
    signature = step_signature(patch, state_shapes(network.encoder.layer))
    signature = signature._replace(outputs=_output(forecaster, steps) | signature.outputs)
    return export_module(
        network, signature, export_format, name="step", description=_description(forecaster)
    )


def signature_of(
    forecaster: Forecaster, context_length: int | None = None, horizon: int | None = None
) -> Signature:
    """Inputs and output of the network for a context and horizon that the model allows."""
    config = forecaster.config
    context = config.context_length if context_length is None else context_length
    steps = config.horizon if horizon is None else horizon
    require_int("context_length", context, 1, config.context_length)
    require_int("horizon of an export", steps, 1, config.horizon)
    patch = config.patch_length
    positions = min(-(-context // patch) * patch, forecaster.network.positions_read)
    return Signature(_inputs(forecaster, positions, steps), _output(forecaster, steps))


class WindowNetwork(nn.Module):
    """A copy of a network on the processor whose inputs are tensors with names, one origin each.

    is_raw: give the raw parameters of a quantile head too, in place of its quantiles.
    """

    def __init__(
        self, network: ForecastNetwork, names: tuple[str, ...], *, is_raw: bool = False
    ) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float()
        self.names = names
        self.is_raw = is_raw

    def forward(self, *tensors: Tensor) -> Tensor:
        inputs = _network_inputs(dict(zip(self.names, tensors, strict=True)))
        raw: Tensor = self.network(inputs)[:, 0]
        return raw if self.is_raw else _answer(self.network, raw)


class StepNetwork(nn.Module):
    """A copy of a network that reads one patch at a time; the last arguments are the state."""

    def __init__(self, network: ForecastNetwork, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float()
        self.encoder = LayerStep(self.network.encoder)
        self.names = names

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        network, count = self.network, len(self.names)
        inputs = _network_inputs(dict(zip(self.names, tensors[:count], strict=True)))
        is_told = isinstance(network.encoder, GatedEncoder) and network.encoder.is_conditioned
        condition = (Condition(inputs.static),) if is_told else ()
        embedded = network.patches(inputs.features)
        hidden, after = self.encoder.advance(embedded, tensors[count:], *condition)
        states = network.norm(hidden.transpose(1, 2))
        raw = network.step_head(states, inputs)[:, 0]
        return (_answer(network, raw), *after)


def _network_inputs(given: dict[str, Tensor]) -> NetworkInputs:
    references, drafts, steps = (given[name][:, None] for name in ("references", "drafts", "steps"))
    nothing = references.new_zeros(0)  # the network does not read the scaling
    step = StepInputs(references, drafts, steps, LocScale(nothing, nothing))
    known = given["known"][:, None] if "known" in given else None
    return NetworkInputs(given["features"], step, known, given.get("static"))


def _answer(network: ForecastNetwork, raw: Tensor) -> Tensor:
    """Quantiles in z units of a quantile head, raw parameters of others, (N, H, Q)."""
    head = network.distribution
    return head.trained_quantiles(raw) if isinstance(head, QuantileHead) else raw


def _inputs(forecaster: Forecaster, positions: int, steps: int) -> dict[str, Shape]:
    config = forecaster.config
    inputs: dict[str, Shape] = {
        "features": (_n_features(config), positions),
        "references": (steps, N_REFERENCES),
        "drafts": (steps, N_DRAFTS),
        "steps": (steps, N_STEP_FEATURES),
    }
    if config.future_covariates:
        inputs["known"] = (steps, len(config.future_covariates))
    if config.static_covariates:
        inputs["static"] = (len(config.static_covariates),)
    return inputs


def _output(forecaster: Forecaster, steps: int) -> dict[str, Shape]:
    head = forecaster.network.distribution
    name = "quantiles" if isinstance(head, QuantileHead) else "raw"
    return {name: (steps, head.n_raw)}


def _n_features(config: TCNConfig | WaveNetConfig) -> int:
    return N_FEATURES + 2 * (len(config.past_covariates) + len(config.future_covariates))


def _description(forecaster: Forecaster) -> dict[str, Any]:
    head = forecaster.network.distribution
    return {
        "model": forecaster.name,
        "head": forecaster.config.head,
        "quantile_levels": list(head.levels) if isinstance(head, QuantileHead) else None,
    }
