"""Panels and settings that train in about a second."""

from dataclasses import replace

import numpy as np

from tcn.config import TCNConfig, TrainConfig, WaveNetConfig
from tcn.series import Covariates, Panel

SIZES = {
    "horizon": 6,
    "context_length": 48,
    "channels": 12,
    "hidden_channels": 16,
    "head_channels": 16,
    "dilations": (1, 2, 4),
}
QUICK = TrainConfig(
    max_epochs=3,
    steps_per_epoch=10,
    batch_positions=800,
    origins=4,
    steps=4,
    learning_rate=1e-2,
    warmup_steps=5,
    average=0.9,
    refit=False,
    precision="float32",
)


def small(kind: type[TCNConfig] | type[WaveNetConfig] = TCNConfig, **options):
    return kind(**(SIZES | options))


def seasonal_panel(n_series: int = 8, length: int = 60, seed: int = 0) -> Panel:
    """Weekly seasons with noise."""
    rng = np.random.default_rng(seed)
    season = 3.0 * np.sin(2.0 * np.pi * np.arange(length) / 7.0)
    values = 20.0 + season + 0.5 * rng.normal(size=(n_series, length))
    return Panel.from_arrays(list(values), season_length=7)


def noise(n_series: int, length: int, spread: float = 0.5) -> np.ndarray:
    return 10.0 + spread * np.random.default_rng(1).normal(size=(n_series, length))


def over_time(values: np.ndarray) -> Covariates:
    """One covariate from its values (S, L)."""
    n_series, length = values.shape
    return Covariates(("x",), values.reshape(1, -1), np.arange(n_series + 1) * length)


def by_group(group: np.ndarray) -> Covariates:
    """A static category from codes 0 and 1, (S,)."""
    return Covariates(("shop",), group[:, None].astype(float), None, (("A", "B"),))


def panel_with(values: np.ndarray, **covariates: Covariates) -> Panel:
    return replace(Panel.from_arrays(list(values), season_length=1), **covariates)
