"""The pretraining run: synthetic series in, weights of a zero-shot forecaster out.

Step `k` draws its series from generators seeded with (seed, k), so a run that was stopped and goes
on sees what it would have seen. The learning rate is constant, then falls to zero over the last
`decay_share` of the steps; the weights kept are a moving average.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tcn.config import Config, Precision, TCNConfig, require_choice, require_float, require_int
from tcn.models.forecast import ForecastNetwork
from tcn.models.precision import autocast, number_format
from tcn.pretraining.prior import sample_series
from tcn.training.fresh import fresh
from tcn.training.loop import LoopSettings, Report, Task, train, warmup_then_linear
from tcn.training.origins import (
    TrainingPairs,
    origin_ends,
    random_origins,
    random_steps,
    training_pairs,
    weighted_loss,
)


@dataclass(frozen=True)
class PretrainConfig(Config):
    """How long and how to pretrain.

    steps: optimiser steps. positions: series values per step. decay_share: share of the steps over
    which the learning rate falls. average: decay of the moving average of weights.
    """

    steps: int = 10_000
    positions: int = 12_288
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    decay_share: float = 0.5
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.998
    precision: Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        require_int("steps", self.steps, 1, 100_000_000)
        require_int("positions", self.positions, 64, 10_000_000)
        require_float("learning_rate", self.learning_rate, 0.0, 1.0)
        require_int("warmup_steps", self.warmup_steps, 0, 1_000_000)
        require_float("decay_share", self.decay_share, 0.0, 1.0)
        require_float("weight_decay", self.weight_decay, 0.0, 1.0)
        require_float("clip", self.clip, 1e-6, 1e6)
        require_float("average", self.average, 0.0, 0.99999)
        require_choice("precision", self.precision, Precision)
        require_int("seed", self.seed, 0, 2**31 - 1)


@dataclass(frozen=True)
class LengthClass:
    """Lengths drawn together: their share of the steps, and origins and steps per series."""

    share: float
    lengths: tuple[int, ...]
    furthest: int
    n_origins: int
    n_steps: int


LENGTH_CLASSES = (
    LengthClass(0.42, (20, 28, 40, 56, 76), 24, 5, 8),
    LengthClass(0.33, (100, 132, 168, 220), 48, 10, 10),
    LengthClass(0.25, (352, 512, 720, 1016), 192, 14, 16),
)
STEPS_PER_POOL = 4


class SyntheticBatches:
    """Training batches by step number; a few steps share one pool of series of one length."""

    def __init__(self, config: PretrainConfig, patch_length: int) -> None:
        self.config = config
        self.patch_length = patch_length
        self._pool_number = -1
        self._pool: list[tuple[LengthClass, Tensor, Tensor]] = []

    def __call__(self, step: int) -> TrainingPairs:
        number, part = divmod(step, STEPS_PER_POOL)
        if number != self._pool_number:
            self._pool, self._pool_number = self._draw(number), number
        kind, values, season = self._pool[part]
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        return self._pairs(kind, values, season, generator)

    def _draw(self, number: int) -> list[tuple[LengthClass, Tensor, Tensor]]:
        rng = np.random.default_rng([self.config.seed, number])
        shares = [kind.share for kind in LENGTH_CLASSES]
        kind = LENGTH_CLASSES[int(rng.choice(len(shares), p=shares))]
        length = int(rng.choice(kind.lengths))
        rows = max(self.config.positions // length, 4)
        series = sample_series(rng, rows * STEPS_PER_POOL, length)
        values = torch.split(torch.from_numpy(series.values), rows)
        seasons = torch.split(torch.from_numpy(series.season_hint), rows)
        return [(kind, v, s) for v, s in zip(values, seasons, strict=True)]

    def _pairs(
        self, kind: LengthClass, values: Tensor, season: Tensor, generator: torch.Generator
    ) -> TrainingPairs:
        n, length = values.shape
        patch = self.patch_length
        feature_length = length - 1 - int(torch.randint(patch, (), generator=generator))
        first = torch.zeros(n, dtype=torch.int64)
        stop = torch.full((n,), -(-feature_length // patch))
        origins = random_origins(generator, first, stop, kind.n_origins)
        room = length - origin_ends(origins, feature_length, patch)
        steps = random_steps(generator, room, kind.n_steps, kind.furthest)
        return training_pairs(values, season, feature_length, origins, steps, patch)


def pretrain(
    network_config: TCNConfig,
    config: PretrainConfig,
    directory: Path | None,
    *,
    report: Report,
    initial: ForecastNetwork | None = None,
) -> ForecastNetwork:
    """Train on synthetic series and return the network with averaged weights, in eval mode.

    The run in `directory` goes on where its last checkpoint stands. `initial` gives the weights to
    start from. `report` receives step and loss every hundred steps.
    """
    network = fresh(lambda: ForecastNetwork(network_config), config.seed)
    if initial is not None:
        network.load_state_dict(initial.state_dict())
    dtype = number_format(config.precision)

    def loss_of(pairs: TrainingPairs) -> Tensor:
        with autocast(pairs.inputs.features.device, dtype):
            raw = network(pairs.inputs, pairs.origins)
        return weighted_loss(network.distribution, raw, pairs.targets)

    settings = LoopSettings(
        steps=config.steps,
        learning_rate=warmup_then_linear(
            config.learning_rate, config.warmup_steps, config.steps, hold=1.0 - config.decay_share
        ),
        clip=config.clip,
        weight_decay=config.weight_decay,
        average=config.average,
        seed=config.seed,
        checkpoint_seconds=120.0,
        fingerprint=f"pretraining {network_config.to_dict()} seed {config.seed}",
    )
    batches = SyntheticBatches(config, network_config.patch_length)
    train(network, Task(batches, loss_of), settings, directory, report)
    return network
