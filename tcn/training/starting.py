"""What a run starts from: the weights and config of another forecaster, or random weights."""

from dataclasses import fields, replace
from typing import Literal

import torch

from tcn.checkpoint import load
from tcn.config import TCNConfig, WaveNetConfig
from tcn.errors import ConfigError
from tcn.forecaster import Forecaster
from tcn.models.forecast import ForecastNetwork
from tcn.series.conditions import Conditions
from tcn.series.features import N_FEATURES
from tcn.series.panel import Panel
from tcn.training.fresh import fresh

Start = Forecaster | Literal["zero"] | str | None

_COVARIATE_FIELDS = ("past_covariates", "future_covariates", "static_covariates")
_FREE_FIELDS = {"horizon", "season_length", "context_length", "dropout", *_COVARIATE_FIELDS}


def starting_point(start: Start) -> Forecaster | None:
    """The forecaster to start from; None for random weights."""
    if start is None or isinstance(start, Forecaster):
        return start
    return load(start)


def chosen_config(
    config: TCNConfig | WaveNetConfig | None, begin: Forecaster | None, horizon: int | None
) -> TCNConfig | WaveNetConfig:
    """The config asked for, or that of the start, or the default."""
    if config is None:
        config = TCNConfig() if begin is None else begin.config
    if not isinstance(config, TCNConfig | WaveNetConfig):
        raise ConfigError(
            f"config must be a TCNConfig or a WaveNetConfig, got a {type(config).__name__}. "
            "For a horizon alone pass horizon=12."
        )
    return config if horizon is None else replace(config, horizon=horizon)


def conditions_for(panel: Panel, begin: Forecaster | None) -> Conditions:
    """How the panel's covariates become columns: as for the start, where it reads the same ones.

    Its weights know a covariate in the units they were trained with.
    """
    fitted = Conditions.fitted(panel)
    is_known = begin is not None and fitted.labels == begin.conditions.labels
    return begin.conditions if begin is not None and is_known else fitted


def with_conditions(
    config: TCNConfig | WaveNetConfig, conditions: Conditions
) -> TCNConfig | WaveNetConfig:
    """The config with the columns of a panel's covariates."""
    labels = conditions.labels
    return replace(
        config,
        past_covariates=labels["past"],
        future_covariates=labels["future"],
        static_covariates=labels["static"],
    )


def require_compatible(config: TCNConfig | WaveNetConfig, begin: Forecaster | None) -> None:
    """Raise ConfigError where weights of `begin` would not fit a network of `config`."""
    if begin is None:
        return
    if type(config) is not type(begin.config):
        raise ConfigError(
            f"A {type(config).__name__} cannot start from {begin.name!r}, whose config is a "
            f"{type(begin.config).__name__}. Pass start=None to train from scratch."
        )
    different = [
        field.name
        for field in fields(config)
        if field.name not in _FREE_FIELDS
        and getattr(config, field.name) != getattr(begin.config, field.name)
    ]
    if different:
        values = ", ".join(f"{key}={getattr(begin.config, key)!r}" for key in different)
        raise ConfigError(
            f"The config differs from that of {begin.name!r} in {', '.join(different)}. "
            f"Use {values}, or pass start=None to train from scratch."
        )


def first_network(
    config: TCNConfig | WaveNetConfig, begin: Forecaster | None, seed: int
) -> ForecastNetwork:
    """A network with the weights of the start, or with random ones that follow the seed."""
    network = fresh(lambda: ForecastNetwork(config), seed)
    if begin is not None:
        same = all(getattr(config, k) == getattr(begin.config, k) for k in _COVARIATE_FIELDS)
        _take_weights(network, begin.network, config.patch_length, same)
    return network


@torch.no_grad()
def _take_weights(
    network: ForecastNetwork,
    source: ForecastNetwork,
    patch_length: int,
    has_same_covariates: bool,
) -> None:
    """Copy what both have; what reads other covariates than the source starts at zero."""
    known = dict(source.named_parameters())
    for name, value in network.named_parameters():
        if has_same_covariates or not _reads_covariates(name):
            value.copy_(known[name])
        elif name == "stem.weight":
            shared = N_FEATURES * patch_length
            value.zero_()
            value[:, :shared] = known[name][:, :shared]


def _reads_covariates(name: str) -> bool:
    """Whether a parameter's shape or meaning depends on the covariates."""
    return name == "stem.weight" or any(
        part in ("known", "static", "constant") for part in name.split(".")
    )
