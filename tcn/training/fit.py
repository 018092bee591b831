"""fit: a panel in, a forecaster out."""

import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from tcn.checkpoint import load
from tcn.config import DEFAULT_QUANTILE_LEVELS, TCNConfig, TrainConfig, WaveNetConfig
from tcn.errors import ConfigError
from tcn.forecaster import Forecaster
from tcn.models.calibration import HIGH, LOW, Calibration, fit_calibration
from tcn.models.forecast import ForecastNetwork
from tcn.models.inputs import NetworkInputs
from tcn.models.precision import autocast, number_format
from tcn.series.conditions import Conditions
from tcn.series.features import N_FEATURES
from tcn.series.panel import Panel, require_panel
from tcn.series.ragged import count_finite
from tcn.series.season import cycles_of
from tcn.training.digest import add_arrays
from tcn.training.loop import LoopSettings, Progress, Report, Task, train, warmup_then_linear
from tcn.training.origins import Targets, TrainingPairs, weighted_loss
from tcn.training.windows import (
    PanelBatches,
    WindowSettings,
    split_by_time,
    validation_batches,
)

RATE_FROM_SCRATCH = 2e-3
RATE_FROM_START = 1e-3
SHARES_OF_TRAINING = (0.0, 0.25, 0.5, 0.75, 1.0)
NEARLY_BEST = 0.01  # of the loss: what a share nearer to the start may lose
_COVARIATE_FIELDS = ("past_covariates", "future_covariates", "static_covariates")
_FREE_FIELDS = {"horizon", "season_length", "context_length", "dropout", *_COVARIATE_FIELDS}

Start = Forecaster | Literal["zero"] | str | None


def fit(
    panel: Panel,
    config: TCNConfig | WaveNetConfig | None = None,
    train_config: TrainConfig | None = None,
    *,
    horizon: int | None = None,
    start: Start = "zero",
    directory: Path | str | None = None,
    progress: Report | None = None,
    name: str = "model",
) -> Forecaster:
    """Train a forecaster on a panel.

    The end of every series is held back; the weights that forecast it best are kept, and the
    quantiles are calibrated on it. All covariates of the panel are used.

    config: sizes and horizon; None takes those of `start`. horizon: steps that are forecast in one
    pass, in place of the config's. start: weights to begin with: "zero" for the pretrained model, a
    path, a forecaster, or None for random ones. directory: where the run keeps its state, so that
    it goes on after an interruption. progress: receives dictionaries with step, steps, loss, score,
    best; `print` will do.

    Raises ConfigError where `config` does not fit `start`, DataError where the series are too
    short, CheckpointError where the state in `directory` belongs to another run.
    """
    require_panel(panel)
    settings = train_config or TrainConfig()
    begin = _starting_point(start)
    conditions = Conditions.fitted(panel)
    config = _with_conditions(_config(config, begin, horizon), conditions)
    _require_compatible(config, begin)
    network = _network(config, begin, settings.seed)
    first = {name: value.detach().clone() for name, value in network.named_parameters()}
    seasons = cycles_of(panel, config.season_length, newest=config.context_length)
    seasons = np.where(panel.lengths > seasons, seasons, 1)
    split = split_by_time(panel, config.horizon, settings.validation_length)
    windows = WindowSettings(
        horizon=config.horizon,
        context_length=config.context_length,
        patch_length=config.patch_length,
        positions=settings.batch_positions,
        origins=settings.origins,
        steps=min(settings.steps, config.horizon),
        seed=settings.seed,
    )
    batches = PanelBatches(panel, split.train_lengths, seasons, conditions, windows)
    held_back = validation_batches(
        panel, split.windows, seasons, conditions, windows, network.positions_read
    )
    done = _train(network, batches, held_back, settings, begin is not None, directory, progress)
    kept = {} if begin is None else _pull_back(network, first, held_back)
    return Forecaster(
        config=config,
        network=network,
        name=name,
        manifest=_manifest(panel, settings, begin, done, split.windows.rows.size) | kept,
        calibration=_calibrate(network, held_back),
        conditions=conditions,
    )


def _train(
    network: ForecastNetwork,
    batches: PanelBatches,
    held_back: list[tuple[NetworkInputs, Targets]],
    settings: TrainConfig,
    is_warm: bool,
    directory: Path | str | None,
    progress: Report | None,
) -> Progress:
    dtype = number_format(settings.precision)
    device = torch.device("cpu")

    def loss_of(pairs: TrainingPairs) -> Tensor:
        with autocast(device, dtype):
            raw = network(pairs.inputs, pairs.origins)
        return weighted_loss(network.distribution, raw, pairs.targets)

    def score() -> float:
        return validation_loss(network, held_back)

    per_epoch = settings.steps_per_epoch or batches.steps_per_epoch
    steps = per_epoch * settings.max_epochs
    peak = settings.learning_rate or (RATE_FROM_START if is_warm else RATE_FROM_SCRATCH)
    loop = LoopSettings(
        steps=steps,
        learning_rate=warmup_then_linear(peak, settings.warmup_steps, steps),
        evaluate_every=per_epoch,
        patience=settings.patience,
        clip=settings.clip,
        weight_decay=settings.weight_decay,
        average=settings.average,
        seed=settings.seed,
        fingerprint=_fingerprint(network, batches, settings),
    )
    where = None if directory is None else Path(directory)
    return train(network, Task(batches, loss_of, score), loop, where, progress or _silent)


def _pull_back(
    network: ForecastNetwork,
    first: dict[str, Tensor],
    held_back: list[tuple[NetworkInputs, Targets]],
) -> dict[str, float]:
    """Move the weights back towards the start as far as they validate nearly as well.

    Returns the share of the way from the start that is kept, and its loss. Weights between a
    pretrained and a fine-tuned network often beat both (Wortsman et al. 2022, arXiv:2109.01903);
    of shares that differ by next to nothing on the points held back, the smallest is the safest.
    """
    trained = {name: value.detach().clone() for name, value in network.named_parameters()}
    losses = {}
    for share in SHARES_OF_TRAINING:
        _set_between(network, first, trained, share)
        with torch.inference_mode():
            losses[share] = validation_loss(network, held_back)
    lowest = min(losses.values())
    best = min(s for s in losses if losses[s] <= lowest + NEARLY_BEST * abs(lowest))
    _set_between(network, first, trained, best)
    return {"share_of_training": best, "validation_loss": losses[best]}


@torch.no_grad()
def _set_between(
    network: ForecastNetwork, first: dict[str, Tensor], last: dict[str, Tensor], share: float
) -> None:
    for name, value in network.named_parameters():
        value.copy_(last[name] if share == 1.0 else torch.lerp(first[name], last[name], share))


def validation_loss(
    network: ForecastNetwork, held_back: list[tuple[NetworkInputs, Targets]]
) -> float:
    """Mean loss over the held-back windows."""
    total, count = 0.0, 0
    for inputs, targets in held_back:
        number = int(targets.weights.count_nonzero())
        loss = weighted_loss(network.distribution, network(inputs), targets)
        total, count = total + float(loss) * number, count + number
    return total / max(count, 1)


def _calibrate(
    network: ForecastNetwork, held_back: list[tuple[NetworkInputs, Targets]]
) -> Calibration:
    head = network.distribution
    trained = getattr(head, "levels", None) or DEFAULT_QUANTILE_LEVELS
    levels = tuple(sorted({*trained, LOW, HIGH}))
    with torch.inference_mode():
        quantiles = [head.quantiles(network(inputs)[:, 0], levels) for inputs, _ in held_back]
    target = torch.cat([targets.values[:, 0] for _, targets in held_back])
    weight = torch.cat([targets.weights[:, 0] for _, targets in held_back])
    return fit_calibration(torch.cat(quantiles), target, weight, levels)


def _starting_point(start: Start) -> Forecaster | None:
    if start is None or isinstance(start, Forecaster):
        return start
    return load(start)


def _config(
    config: TCNConfig | WaveNetConfig | None, begin: Forecaster | None, horizon: int | None
) -> TCNConfig | WaveNetConfig:
    if config is None:
        config = TCNConfig() if begin is None else begin.config
    if not isinstance(config, TCNConfig | WaveNetConfig):
        raise ConfigError(
            f"config must be a TCNConfig or a WaveNetConfig, got a {type(config).__name__}. "
            "For a horizon alone pass horizon=12."
        )
    return config if horizon is None else replace(config, horizon=horizon)


def _with_conditions(
    config: TCNConfig | WaveNetConfig, conditions: Conditions
) -> TCNConfig | WaveNetConfig:
    return replace(
        config,
        past_covariates=tuple(column.label for column in conditions.past),
        future_covariates=tuple(column.label for column in conditions.future),
        static_covariates=tuple(column.label for column in conditions.static),
    )


def _require_compatible(config: TCNConfig | WaveNetConfig, begin: Forecaster | None) -> None:
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


def _network(
    config: TCNConfig | WaveNetConfig, begin: Forecaster | None, seed: int
) -> ForecastNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # noqa: TID251 - weights of a fresh network follow the seed
        network = ForecastNetwork(config)
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


def _fingerprint(network: ForecastNetwork, batches: PanelBatches, settings: TrainConfig) -> str:
    """Hash of all that decides the steps: first weights, data, covariates and settings."""
    panel = batches.panel
    arrays = [value.detach().numpy() for value in network.state_dict().values()]
    arrays += [panel.values, panel.offsets, batches.train_lengths, batches.seasons]
    for covariates in (panel.past_covariates, panel.future_covariates, panel.static_covariates):
        arrays += [] if covariates is None else [covariates.values]
    digest = hashlib.sha256()
    add_arrays(digest, arrays)
    plain = [settings.to_dict(), vars(batches.settings), batches.conditions.to_dict()]
    digest.update(json.dumps([repr(network), *plain]).encode())
    return digest.hexdigest()


def _manifest(
    panel: Panel,
    settings: TrainConfig,
    begin: Forecaster | None,
    done: Progress,
    n_windows: int,
) -> dict[str, Any]:
    return {
        "start": None if begin is None else begin.name,
        "n_series": len(panel),
        "n_values": count_finite(panel.values),
        "freq": panel.freq,
        "train": settings.to_dict(),
        "steps": done.step,
        "best_step": done.best_step,
        "validation_loss": done.best_score,
        "validation_windows": int(n_windows),
        "history": done.history,
    }


def _silent(entry: dict[str, Any]) -> None:
    """Report nothing."""
