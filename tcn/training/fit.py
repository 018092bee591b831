"""fit: a panel in, a forecaster out."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tcn.config import TCNConfig, TrainConfig, WaveNetConfig
from tcn.forecaster import Forecaster
from tcn.models.forecast import ForecastNetwork
from tcn.models.precision import autocast, number_format
from tcn.series.conditions import Conditions
from tcn.series.panel import Panel, require_panel
from tcn.series.ragged import count_known, known_lengths
from tcn.training.digest import add_arrays
from tcn.training.loop import LoopSettings, Progress, Report, Task, train, warmup_then_linear
from tcn.training.origins import TrainingPairs, weighted_loss
from tcn.training.pulling_back import pull_back, set_between, weights_of
from tcn.training.starting import (
    Start,
    chosen_config,
    conditions_for,
    first_network,
    require_compatible,
    starting_point,
    with_conditions,
)
from tcn.training.teaching import panel_to_teach
from tcn.training.validation import HeldBack, calibrate, validation_loss
from tcn.training.windows import (
    PanelBatches,
    ValidationWindows,
    WindowSettings,
    cycles_within,
    split_by_time,
    validation_batches,
)

RATE_FROM_SCRATCH = 2e-3
RATE_FROM_START = 1e-3
RATE_OF_REPEATED = 2e-3  # from a start, where a share of the way is left out afterwards
PASSES_OF_REPEATED = 60  # over the data, but not fewer steps than these
STEPS_OF_REPEATED = 80
JUDGED_FROM = 600  # steps of a repeated run: before, points held back do not tell when to stop
REFIT_FOLDER = "all_points"


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

    The end of every series is held back; it tells how many steps forecast it best, and the
    quantiles are calibrated on it. Then as many steps are taken once more on all points, unless
    `train_config.refit` is off. From a start these are some passes over the data, and of the way
    from its weights a share is kept: half at least, unless half does harm to the points held back,
    or a quarter at most, where so few were held back that they say little.

    All covariates of the panel are used. From a start that does not read them, those known ahead
    are left to a regression where it finds effects (see `tcn.training.teaching`).

    config: sizes and horizon; None takes those of `start`. horizon: steps that are forecast in one
    pass, in place of the config's. start: weights to begin with: "zero" for the pretrained model, a
    path, a forecaster, or None for random ones. directory: where the run keeps its state, so that
    it goes on after an interruption. progress: receives dictionaries with step, steps, loss, score,
    best, without a score while all points are trained on; `print` will do.

    Raises ConfigError where `config` does not fit `start`, DataError where the series are too
    short, CheckpointError where the state in `directory` belongs to another run.
    """
    require_panel(panel)
    settings = train_config or TrainConfig()
    begin = starting_point(start)
    config = chosen_config(config, begin, horizon)
    split = split_by_time(panel, config.horizon, settings.validation_length)
    n_apart = split.windows.n_apart(config.horizon)
    given, panel = panel, panel_to_teach(panel, config, begin, n_apart)
    run = _prepared(panel, config, settings, begin, progress)
    place = None if directory is None else Path(directory)
    network = run.first_network()
    held_back = run.held_back(split.windows, network.positions_read)
    done = run.train(network, split.train_lengths, held_back, place)
    manifest = _manifest(panel, settings, begin, done, split.windows.rows.size)
    manifest["by_regression"] = list(run.conditions.unread(given, "future"))
    share = 1.0
    if begin is not None:
        share, loss = pull_back(
            network, run.first_network(), held_back, n_apart, is_refitted=settings.refit
        )
        manifest |= {"share_of_training": share, "validation_loss": loss}
    calibration = calibrate(
        network, held_back, n_apart, None if begin is None else begin.calibration
    )
    if settings.refit and share > 0.0:
        network = run.refit(done, share, place)
        manifest["refit_steps"] = done.best_step
    return Forecaster(
        config=run.config,
        network=network,
        name=name,
        manifest=manifest,
        calibration=calibration,
        conditions=run.conditions,
    )


def _prepared(
    panel: Panel,
    config: TCNConfig | WaveNetConfig,
    settings: TrainConfig,
    begin: Forecaster | None,
    report: Report | None,
) -> "_Fit":
    """What is trained: the config with the panel's covariates, and the cycle of each series."""
    conditions = conditions_for(panel, begin)
    config = with_conditions(config, conditions)
    require_compatible(config, begin)
    seasons = cycles_within(panel, config)
    return _Fit(panel, config, settings, begin, conditions, seasons, report or _silent)


@dataclass(frozen=True, eq=False)
class _Fit:
    """What the runs of one fit share: one without the points held back, and one with all."""

    panel: Panel
    config: TCNConfig | WaveNetConfig
    settings: TrainConfig
    begin: Forecaster | None
    conditions: Conditions
    seasons: NDArray[np.int64]
    report: Report

    @property
    def windows(self) -> WindowSettings:
        """Sizes of training windows."""
        config, settings = self.config, self.settings
        return WindowSettings(
            horizon=config.horizon,
            context_length=config.context_length,
            patch_length=config.patch_length,
            positions=settings.batch_positions,
            origins=settings.origins,
            steps=min(settings.steps, config.horizon),
            seed=settings.seed,
        )

    def first_network(self) -> ForecastNetwork:
        """The network before the first step."""
        return first_network(self.config, self.begin, self.settings.seed)

    def held_back(self, windows: ValidationWindows, positions_read: int) -> HeldBack:
        """The windows that are not trained on, as the network reads them."""
        return validation_batches(
            self.panel, windows, self.seasons, self.conditions, self.windows, positions_read
        )

    def train(
        self,
        network: ForecastNetwork,
        lengths: NDArray[np.int64],
        held_back: HeldBack,
        place: Path | None,
    ) -> Progress:
        """Train on the first `lengths` points of each series; keep what forecasts the rest best."""
        batches = self._batches(lengths)
        loop = self._loop(network, batches, self._steps(batches))
        task = Task(batches, self._loss_of(network), lambda: validation_loss(network, held_back))
        return train(network, task, loop, place, self.report)

    def refit(self, before: Progress, share: float, place: Path | None) -> ForecastNetwork:
        """A network trained on all points, as long as was best without those held back."""
        network, first = self.first_network(), self.first_network()
        batches = self._batches(known_lengths(self.panel.values, self.panel.offsets))
        loop = self._loop(network, batches, before.best_step)
        total = before.step + loop.steps

        def report(entry: dict[str, Any]) -> None:
            now = before.step + entry["step"]
            self.report(entry | {"step": now, "steps": total, "best": before.best_score})

        where = None if place is None else place / REFIT_FOLDER
        train(network, Task(batches, self._loss_of(network)), loop, where, report)
        set_between(network, first, weights_of(network), share)
        return network

    def _steps(self, batches: PanelBatches) -> int:
        """Steps at most; of a run from a start that is repeated, some passes over the data."""
        most = self._steps_per_epoch(batches) * self.settings.max_epochs
        if not self._is_repeated:
            return most
        passes = PASSES_OF_REPEATED * int(batches.train_lengths.sum())
        return min(most, max(passes // self.settings.batch_positions, STEPS_OF_REPEATED))

    @property
    def _is_repeated(self) -> bool:
        """Whether what is learnt from a start is learnt again from all points."""
        return self.begin is not None and self.settings.refit

    def _steps_per_epoch(self, batches: PanelBatches) -> int:
        return self.settings.steps_per_epoch or batches.steps_per_epoch

    def _batches(self, lengths: NDArray[np.int64]) -> PanelBatches:
        return PanelBatches(self.panel, lengths, self.seasons, self.conditions, self.windows)

    def _loop(self, network: ForecastNetwork, batches: PanelBatches, steps: int) -> LoopSettings:
        settings = self.settings
        from_start = RATE_OF_REPEATED if settings.refit else RATE_FROM_START
        peak = settings.learning_rate or (RATE_FROM_SCRATCH if self.begin is None else from_start)
        return LoopSettings(
            steps=steps,
            fewest_steps=min(steps, JUDGED_FROM) if self._is_repeated else 0,
            learning_rate=warmup_then_linear(peak, settings.warmup_steps, steps),
            evaluate_every=self._steps_per_epoch(batches),
            patience=settings.patience,
            clip=settings.clip,
            weight_decay=settings.weight_decay,
            average=settings.average,
            seed=settings.seed,
            fingerprint=_fingerprint(network, batches, settings, steps),
        )

    def _loss_of(self, network: ForecastNetwork) -> Callable[[TrainingPairs], Tensor]:
        dtype = number_format(self.settings.precision)

        def loss_of(pairs: TrainingPairs) -> Tensor:
            with autocast(torch.device("cpu"), dtype):
                raw = network(pairs.inputs, pairs.origins)
            return weighted_loss(network.distribution, raw, pairs.targets)

        return loss_of


def _fingerprint(
    network: ForecastNetwork, batches: PanelBatches, settings: TrainConfig, steps: int
) -> str:
    """Hash of all that decides the steps: first weights, data, covariates and settings."""
    panel = batches.panel
    arrays = [value.detach().numpy() for value in network.state_dict().values()]
    arrays += [panel.values, panel.offsets, batches.train_lengths, batches.seasons]
    for covariates in (panel.past_covariates, panel.future_covariates, panel.static_covariates):
        arrays += [] if covariates is None else [covariates.values]
    digest = hashlib.sha256()
    add_arrays(digest, arrays)
    plain = [settings.to_dict(), vars(batches.settings), batches.conditions.to_dict()]
    digest.update(json.dumps([repr(network), steps, *plain]).encode())
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
        "n_values": int(count_known(panel.values, panel.offsets).sum()),
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
