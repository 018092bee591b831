"""The forecasting network: causal encoder over patches, head over (origin, step) pairs."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import torch
from torch import Tensor, nn

from tcn.config import TCNConfig, WaveNetConfig
from tcn.layers import CausalConv1d, Condition, PreNormBlock, StreamLayer, StreamSequential
from tcn.models.gated_encoder import GatedEncoder
from tcn.models.heads import Head, build_head
from tcn.models.inputs import NetworkInputs
from tcn.models.prepared import Prepared, can_prepare
from tcn.models.step_head import StepHead
from tcn.series.features import N_FEATURES

ForecastConfig = TCNConfig | WaveNetConfig


class ForecastNetwork(nn.Module):
    """Raw distribution parameters for each origin and step of a batch of windows.

    The features of `patch_length` positions make one encoder step; patches end at the newest
    position, so the first one may be partly empty. The encoder is causal, and with the last origin
    alone it is evaluated on demand.

    Shape: inputs as in `NetworkInputs`, output (N, O, H, n_raw) in z units.
    """

    def __init__(self, config: ForecastConfig) -> None:
        super().__init__()
        n_known = len(config.future_covariates)
        n_static = len(config.static_covariates)
        n_inputs = N_FEATURES + 2 * len(config.past_covariates) + 2 * n_known
        self.patch_length = config.patch_length
        self._prepared: Prepared | None = None
        self.stem = CausalConv1d(n_inputs * config.patch_length, config.channels, kernel_size=1)
        self.encoder = _build_encoder(config)
        self.norm = nn.LayerNorm(config.channels)
        with _real_device():
            self.distribution: Head = build_head(config.head, config.quantile_levels)
        self.step_head = StepHead(
            config.channels,
            config.head_channels,
            self.distribution.n_raw,
            n_known,
            n_static,
            config.dropout,
        )

    @property
    def positions_read(self) -> int:
        """Newest positions whose features reach the last state."""
        return self.encoder.receptive_field * self.patch_length

    def forward(self, inputs: NetworkInputs, origins: Tensor | None = None) -> Tensor:
        """Raw outputs at `origins` (N, O), indices of patches; None is the newest patch alone."""
        if self._prepared is not None and torch.is_grad_enabled():
            self._prepared = None  # what is trained next may change weights without a trace
        condition = self._condition(inputs)
        if origins is None:
            rows = self._rows(inputs.features)
            prepared = None if condition else self._current()
            if prepared is not None:
                return prepared.raw(rows, inputs)
            embedded = self.stem(rows.transpose(1, 2))
            states = self.encoder.last(embedded, 1, *condition).transpose(1, 2)
        else:
            hidden = self.encoder(self.patches(inputs.features), *condition).transpose(1, 2)
            states = hidden.gather(1, origins[:, :, None].expand(-1, -1, hidden.shape[2]))
        outputs: Tensor = self.step_head(self.norm(states), inputs)
        return outputs

    def patches(self, features: Tensor) -> Tensor:
        """Embedded patches, (N, C, ceil(L / patch_length)), channels last in memory."""
        embedded: Tensor = self.stem(self._rows(features).transpose(1, 2))
        return embedded

    def _rows(self, features: Tensor) -> Tensor:
        """The features of each patch side by side, (N, ceil(L / patch_length), F patch_length)."""
        patch = self.patch_length
        n, channels, length = features.shape
        if length % patch:
            features = nn.functional.pad(features, (-length % patch, 0))
        folded = features.reshape(n, channels, -1, patch).permute(0, 2, 1, 3)
        return folded.reshape(n, -1, channels * patch)

    def _current(self) -> Prepared | None:
        """The network prepared with the weights it has now; None where it must run as it is."""
        if not can_prepare(self.encoder, self.stem.weight):
            return None
        if self._prepared is None or not self._prepared.is_current():
            layers = StreamSequential([self.stem, self.encoder])
            self._prepared = Prepared(layers, self.norm, self.step_head)
        return self._prepared

    def train(self, mode: bool = True) -> Self:
        """Training follows, or has ended: weights are prepared anew."""
        self._prepared = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        """Copies prepare their own weights."""
        return self.__dict__ | {"_prepared": None}

    def _condition(self, inputs: NetworkInputs) -> tuple[Condition, ...]:
        """What the encoder is told beside the series: static covariates, inside WaveNet's gates."""
        if isinstance(self.encoder, GatedEncoder) and self.encoder.is_conditioned:
            return (Condition(inputs.static),)
        return ()


def _real_device() -> AbstractContextManager[Any]:
    """The processor where tensors would have a shape alone: sums on such ones take seconds to load.

    A head has no weights, only a few constants.
    """
    is_meta = torch.get_default_device().type == "meta"
    return torch.device("cpu") if is_meta else nullcontext()


def _build_encoder(config: ForecastConfig) -> StreamLayer[tuple[Any, ...]]:
    if isinstance(config, WaveNetConfig):
        return GatedEncoder(
            config.channels,
            config.hidden_channels,
            config.kernel_size,
            config.dilations,
            n_static=len(config.static_covariates),
            dropout=config.dropout,
        )
    return StreamSequential(
        PreNormBlock(
            config.channels,
            config.hidden_channels,
            config.kernel_size,
            dilation,
            dropout=config.dropout,
        )
        for dilation in config.dilations
    )
