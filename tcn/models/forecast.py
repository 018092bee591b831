"""The forecasting network: causal encoder over patches, head over (origin, step) pairs."""

from typing import Any

from torch import Tensor, nn

from tcn.config import TCNConfig, WaveNetConfig
from tcn.layers import CausalConv1d, Condition, PreNormBlock, StreamLayer, StreamSequential
from tcn.models.gated_encoder import GatedEncoder
from tcn.models.heads import Head, build_head
from tcn.models.inputs import NetworkInputs
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
        self.stem = CausalConv1d(n_inputs * config.patch_length, config.channels, kernel_size=1)
        self.encoder = _build_encoder(config)
        self.norm = nn.LayerNorm(config.channels)
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
        patches = self.patches(inputs.features)
        condition = self._condition(inputs)
        if origins is None:
            states = self.encoder.last(patches, 1, *condition).transpose(1, 2)
        else:
            hidden = self.encoder(patches, *condition).transpose(1, 2)
            states = hidden.gather(1, origins[:, :, None].expand(-1, -1, hidden.shape[2]))
        head: Tensor = self.step_head(self.norm(states), inputs)
        return head

    def patches(self, features: Tensor) -> Tensor:
        """Embedded patches, (N, C, ceil(L / patch_length)), channels last in memory."""
        patch = self.patch_length
        n, channels, length = features.shape
        padded = nn.functional.pad(features, (-length % patch, 0))
        folded = padded.reshape(n, channels, -1, patch).permute(0, 2, 1, 3)
        steps = folded.reshape(n, -1, channels * patch)
        embedded: Tensor = self.stem(steps.transpose(1, 2))
        return embedded

    def _condition(self, inputs: NetworkInputs) -> tuple[Condition, ...]:
        """What the encoder is told beside the series: static covariates, inside WaveNet's gates."""
        if isinstance(self.encoder, GatedEncoder) and self.encoder.is_conditioned:
            return (Condition(inputs.static),)
        return ()


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
