"""The WaveNet encoder: gated blocks whose skips are summed and mixed."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tcn.layers import CausalConv1d, Condition, Demand, GatedStack, StreamLayer
from tcn.layers.gated import UNCONDITIONED
from tcn.layers.points import Memory, PointFunction, Rows, Tick


class GatedEncoder(StreamLayer[tuple[Tensor, ...]]):
    r"""Patches to states: project(relu(sum of skips / sqrt(number of blocks))).

    Conditions enter every gate; their weights are zero at the start, so that a network that is
    given new ones computes at first what it did without them.

    Shape: x (N, channels, L), condition.constant (N, n_static), condition.steps (N, n_steps, L),
    output (N, channels, L).
    Source: van den Oord et al. 2016, WaveNet, sections 2.4 and 2.5 (arXiv:1609.03499).
    """

    def __init__(
        self,
        channels: int,
        skip_channels: int,
        kernel_size: int,
        dilations: Sequence[int],
        *,
        n_static: int = 0,
        n_steps: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.is_conditioned = n_static > 0
        self.stack = GatedStack(
            channels,
            skip_channels=skip_channels,
            dilations=dilations,
            kernel_size=kernel_size,
            global_channels=n_static,
            step_channels=n_steps,
            dropout=dropout,
        )
        self.project = CausalConv1d(skip_channels, channels, kernel_size=1)
        self.share = len(dilations) ** -0.5
        self.receptive_field = self.stack.receptive_field
        for block in self.stack.blocks:
            for projection in (block.constant, block.steps):
                if projection is not None:
                    nn.init.zeros_(projection.weight)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        return self.stack.initial_state(batch_size)

    def step(
        self, x: Tensor, state: tuple[Tensor, ...], condition: Condition = UNCONDITIONED
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        skips, state = self.stack.step(x, state, condition)
        return self._mix(skips), state

    def needs(self, demand: Demand) -> Demand:
        return self.stack.needs(demand)

    def at(self, x: Tensor, demand: Demand, condition: Condition = UNCONDITIONED) -> Tensor:
        return self._mix(self.stack.at(x, demand, condition))

    def point(self, memory: Memory) -> PointFunction:
        stack, project = self.stack.point(memory), self.project.rowwise()
        share = self.share

        def run(rows: Rows, tick: Tick) -> Rows:
            skips = stack(rows, tick)
            skips *= share
            return project(tick.relu(skips), tick)

        return run

    def _mix(self, skips: Tensor) -> Tensor:
        mixed: Tensor = self.project(torch.relu(self.share * skips))
        return mixed
