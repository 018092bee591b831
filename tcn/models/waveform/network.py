"""WaveNet as a streaming layer: companded samples in, distributions of the next ones out."""

import torch
from torch import Tensor, nn

from tcn.layers import CausalConv1d, Condition, Demand, StreamLayer
from tcn.layers.gated import UNCONDITIONED
from tcn.layers.points import Memory, PointFunction, Rows, Tick
from tcn.models.gated_encoder import GatedEncoder
from tcn.models.waveform.config import WaveformConfig
from tcn.models.waveform.outputs import build_output

FIRST_LOUDNESS = 3.0  # samples lie in [-1, 1] and are mostly small


class WaveformNetwork(StreamLayer[tuple[Tensor, ...]]):
    r"""out(relu(encoder(embed(x)))), where the encoder is a stack of gated dilated blocks.

    Output `t` describes sample `t + 1`; what a condition says at `t` is about that sample too. In
    training the input therefore begins with a zero and lacks the last sample.

    Shape: x (N, 1, L), condition.constant (N, constant_channels), condition.steps (N,
    step_channels, L), output (N, n_raw, L).
    """

    def __init__(self, config: WaveformConfig) -> None:
        super().__init__()
        self.output = build_output(config)
        self.embed = CausalConv1d(1, config.channels, kernel_size=1)
        self.encoder = GatedEncoder(
            config.channels,
            config.skip_channels,
            config.kernel_size,
            config.dilations,
            n_static=config.constant_channels,
            n_steps=config.step_channels,
            dropout=config.dropout,
        )
        self.out = CausalConv1d(config.channels, self.output.n_raw, kernel_size=1)
        self.receptive_field = self.encoder.receptive_field
        self._reset(config.channels)

    def _reset(self, channels: int) -> None:
        """Let the one input be heard by all channels, and start from the output's first bias."""
        assert self.out.bias is not None
        nn.init.uniform_(self.embed.weight, -FIRST_LOUDNESS, FIRST_LOUDNESS)
        nn.init.normal_(self.out.weight, std=0.5 * channels**-0.5)
        with torch.no_grad():
            self.out.bias.copy_(self.output.first_bias())

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        return self.encoder.initial_state(batch_size)

    def step(
        self, x: Tensor, state: tuple[Tensor, ...], condition: Condition = UNCONDITIONED
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        hidden, state = self.encoder.step(self.embed(x), state, condition)
        return self.out(torch.relu(hidden)), state

    def point(self, memory: Memory) -> PointFunction:
        encoder = self.encoder.point(memory)
        embed, out = self.embed.rowwise(), self.out.rowwise()

        def run(rows: Rows, tick: Tick) -> Rows:
            return out(tick.relu(encoder(embed(rows, tick), tick)), tick)

        return run

    def needs(self, demand: Demand) -> Demand:
        return self.encoder.needs(demand)

    def at(self, x: Tensor, demand: Demand, condition: Condition = UNCONDITIONED) -> Tensor:
        raw: Tensor = self.out(torch.relu(self.encoder.at(self.embed(x), demand, condition)))
        return raw
