"""Forecaster: a network and its config, ready to forecast. It never trains."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tcn.config import (
    DEFAULT_QUANTILE_LEVELS,
    MAX_HORIZON,
    Precision,
    TCNConfig,
    WaveNetConfig,
    require_choice,
    require_quantile_levels,
)
from tcn.errors import ConfigError, DataError
from tcn.models.calibration import Calibration
from tcn.models.forecast import ForecastNetwork
from tcn.models.inputs import NetworkInputs
from tcn.models.precision import autocast, number_format
from tcn.models.threads import even_batch_size, side_by_side
from tcn.notices import notify
from tcn.series.batches import Index, batches_by_length, windows_ending_at
from tcn.series.conditions import Conditions, Encoded
from tcn.series.effects import Effects, known_effects
from tcn.series.features import features_and_scaling
from tcn.series.forecast import Forecast
from tcn.series.panel import Panel, require_panel
from tcn.series.paths import draw_paths, mixture_quantiles, path_normals
from tcn.series.references import StepInputs, inputs_at_end
from tcn.series.scaling import (
    RELATIVE_FLOOR,
    SMALLEST_SCALE,
    History,
    LocScale,
    read_history,
)
from tcn.series.season import cycles_of
from tcn.series.source import listed

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]

DEFAULT_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
ROLL_LEVELS = DEFAULT_QUANTILE_LEVELS
N_PATHS = 12
VALUES_AT_ONCE = 8192  # whose features are made together: so many fit the processor's cache
VALUES_SIDE_BY_SIDE = 65_536  # the same for several threads, which wait between short calls


@dataclass(frozen=True)
class Forecaster:
    """Forecasts panels with a trained network.

    name: for people. manifest: how the network was made, JSON-ready. calibration: shifts of the
    quantiles found on validation windows. conditions: how covariates are encoded.
    """

    config: TCNConfig | WaveNetConfig
    network: ForecastNetwork
    name: str = "model"
    manifest: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    conditions: Conditions = field(default_factory=Conditions)

    def __repr__(self) -> str:
        size = sum(weight.numel() for weight in self.network.parameters())
        kind, horizon = type(self.config).__name__, self.config.horizon
        return f"Forecaster({self.name!r}, {kind}, horizon={horizon}, {size:,} parameters)"

    def predict(
        self,
        panel: Panel,
        horizon: int | None = None,
        quantile_levels: Sequence[float] = DEFAULT_LEVELS,
        *,
        season_length: int | None = None,
        batch_size: int = 256,
        precision: Precision = "float32",
        progress: Progress | None = None,
    ) -> Forecast:
        """Forecast the next `horizon` steps of every series.

        The cycle is `season_length`, or else the config's, or the panel's, or that of the
        frequency, or one found in the values; a week where one of the last three is a day and the
        weeks of a series are more alike than its days. Missing values at the start are ignored.
        Covariates known ahead that the network was not trained with act as far as a regression is
        sure of it (see `effects`); past and static ones are ignored, of which a `TcnWarning` tells.
        Each answer is the same whatever other series are in the panel, to rounding. Raises
        DataError for a series without a single value in the context, ConfigError for a horizon or
        level that is not allowed.

        precision: "bfloat16" multiplies in half precision, which is faster for many series on
        processors that have it, and coarser: forecasts move by about a hundredth of the series'
        spread. "auto" takes it where the processor has it.
        """
        require_panel(panel)
        require_choice("precision", precision, Precision)
        asked = Asked(
            _checked_horizon(self.config.horizon if horizon is None else horizon),
            _checked_levels(quantile_levels),
            _checked_batch_size(batch_size),
            number_format(precision),
        )
        self.conditions.check(panel, asked.horizon)
        if unread := self.unread(panel):
            notify(_unread_sentence(self.name, unread))
        effects = self.effects(panel, asked.horizon, season_length=season_length)
        if effects is None:
            return self._predict(panel, asked, season_length, progress)
        bare = effects.taken_from(panel)
        forecast = self._predict(bare, asked, season_length, progress)
        return effects.added_to(forecast, _floor(panel.last(self.config.context_length)))

    def effects(
        self, panel: Panel, horizon: int | None = None, *, season_length: int | None = None
    ) -> Effects | None:
        """What covariates known ahead that the network does not read add, as `predict` takes it.

        Found by regression; see `tcn.series.effects`. None where the panel has no such covariate.
        """
        names = self.conditions.unread(panel, "future")
        if not names:
            return None
        horizon = _checked_horizon(self.config.horizon if horizon is None else horizon)
        self.conditions.check(panel, horizon)
        ages = _ages(panel, self.config.context_length)
        return known_effects(panel, names, self._seasons(panel, ages, season_length), horizon)

    def unread(self, panel: Panel) -> tuple[str, ...]:
        """Names of the panel's covariates that have no influence on a forecast."""
        return self.conditions.unread(panel, "past", "static")

    def _predict(
        self,
        panel: Panel,
        asked: "Asked",
        season_length: int | None,
        progress: Progress | None,
    ) -> Forecast:
        if self.conditions.has_any:
            panel = panel.last(self.config.context_length)
        mean = np.empty((len(panel), asked.horizon))
        quantiles = np.empty((*mean.shape, len(asked.levels)))
        done = 0
        for rows, *found in self._answers(panel, asked, season_length):
            mean[rows], quantiles[rows] = found
            done += len(rows)
            if progress is not None:
                progress(done, len(panel))
        return Forecast(
            ids=panel.ids,
            times=panel.future_times(asked.horizon),
            mean=mean,
            quantiles=quantiles,
            quantile_levels=asked.levels,
            freq=panel.freq,
            tz=panel.tz,
            frame_kind=panel.frame_kind,
        )

    def _answers(
        self, panel: Panel, asked: "Asked", season_length: int | None
    ) -> Iterator[tuple[Index, Array, Array]]:
        """Rows of the panel with their mean and quantiles, a batch at a time."""
        ages = _ages(panel, self.config.context_length)
        seasons = self._seasons(panel, ages, season_length)
        patch = self.config.patch_length
        at_once = VALUES_AT_ONCE if torch.get_num_threads() == 1 else VALUES_SIDE_BY_SIDE

        def answer(chosen: tuple[Index, int]) -> tuple[Index, Array, Array]:
            rows, n_patches = chosen
            batch = self._batch(panel, rows, n_patches * patch, seasons[rows], at_once)
            with autocast(torch.device("cpu"), asked.dtype):
                return rows, *self._predict_batch(batch, asked.horizon, asked.levels)

        n_patches = -(-ages // patch)
        size = even_batch_size(len(panel), asked.batch_size)
        longest = int(n_patches.max())
        # neighbours with one season are read in whole pieces instead of value by value
        batches = batches_by_length(n_patches, n_patches, size, longest, kinds=seasons)
        return side_by_side(answer, batches)

    def _seasons(
        self, panel: Panel, ages: NDArray[np.int64], season_length: int | None
    ) -> NDArray[np.int64]:
        """Cycle of each series; one that was not seen whole is not used."""
        given = self.config.season_length if season_length is None else season_length
        seasons = cycles_of(panel, given, newest=self.config.context_length)
        return np.where(ages > seasons, seasons, 1).astype(np.int64)

    def _batch(
        self, panel: Panel, rows: Index, length: int, seasons: Index, at_once: int
    ) -> "Batch":
        values = windows_ending_at(panel, rows, panel.lengths[rows], length)
        values[:, : max(length - self.config.context_length, 0)] = np.nan
        return Batch(
            values=values,
            season=seasons,
            panel=panel,
            rows=rows,
            low=_lower_bound(values),
            at_once=at_once,
        )

    def _predict_batch(
        self, batch: "Batch", horizon: int, levels: tuple[float, ...]
    ) -> tuple[Array, Array]:
        with torch.inference_mode():
            if horizon <= self.config.horizon:
                answer = self._direct(batch, 1, horizon, levels)
            else:
                answer = self._rolled(batch, horizon, levels)
        mean, quantiles = answer
        quantiles = np.maximum.accumulate(quantiles, axis=-1)
        floor = batch.low
        return np.maximum(mean, floor), np.maximum(quantiles, floor[:, :, None])

    def _direct(
        self, batch: "Batch", first: int, last: int, levels: tuple[float, ...]
    ) -> tuple[Array, Array]:
        """Mean and quantiles of steps `first` to `last`, in one pass."""
        read = min(batch.values.shape[1], self.network.positions_read)
        features, step, (scale, level, unit) = batch.read(read, last - first + 1)
        known = self._encode(batch, read, first, last)
        if known.context is not None:
            features = torch.cat([features, known.context], dim=1)
        raw = self.network(NetworkInputs(features, step, known.steps, known.static))[:, 0]
        head = self.network.distribution
        mean, quantiles = head.mean_and_quantiles(raw, levels)
        if self.calibration is not None:
            quantiles = quantiles + self.calibration.shifts(head, raw, levels, first, quantiles)
        scale_, level_, unit_ = scale[..., None], level[..., None], unit[..., None]
        return (mean.numpy() * scale + level) * unit, (quantiles.numpy() * scale_ + level_) * unit_

    def _encode(self, batch: "Batch", read: int, first: int, last: int) -> Encoded:
        """Covariates of the `read` newest positions and of steps `first` to `last`."""
        if not self.conditions.has_any:
            return Encoded(None, None, None)
        return self.conditions.encode(batch.panel, batch.rows, read, first, last)

    def _rolled(
        self, batch: "Batch", horizon: int, levels: tuple[float, ...]
    ) -> tuple[Array, Array]:
        """Blocks of the trained horizon, each after several sample paths through the ones before.

        A block's distribution is the mixture over paths, so that intervals widen as the paths part
        and only as far as they do; see `tcn.series.paths`.
        """
        block = self.config.horizon
        mean, spread = self._direct(batch, 1, block, ROLL_LEVELS)
        means, parts = [mean], [self._direct(batch, 1, block, levels)[1]]
        paths = draw_paths(spread[:, None], ROLL_LEVELS, *path_normals(N_PATHS, 0, block))
        for done in range(block, horizon, block):
            size = min(block, horizon - done)
            longer = batch.continued(paths, self.config.patch_length, self.config.context_length)
            mean, spread = self._direct(longer, done + 1, done + size, ROLL_LEVELS)
            spread = spread.reshape(-1, N_PATHS, size, len(ROLL_LEVELS))
            means.append(mean.reshape(-1, N_PATHS, size).mean(axis=1))
            parts.append(mixture_quantiles(spread, ROLL_LEVELS, np.asarray(levels)))
            normals = path_normals(N_PATHS, done // block, size)
            paths = np.concatenate([paths, draw_paths(spread, ROLL_LEVELS, *normals)], axis=2)
        return np.concatenate(means, axis=1), np.concatenate(parts, axis=1)


class Asked(NamedTuple):
    """What a caller wants of every series, checked."""

    horizon: int
    levels: tuple[float, ...]
    batch_size: int
    dtype: torch.dtype


@dataclass(frozen=True, eq=False)
class Batch:
    """Right-aligned windows of some series, (N, L), and what is known beside them."""

    values: Array
    season: NDArray[np.int64]
    panel: Panel
    rows: NDArray[np.int64]
    low: Array  # (N, 1) zero for series that never were negative, else minus infinity
    at_once: int  # values whose features are made together

    def read(self, positions: int, horizon: int) -> "Reading":
        """What the network is told of the newest `positions`, made in pieces of some windows."""
        n, length = self.values.shape
        size = max(self.at_once // length, 1)
        pieces = [slice(first, first + size) for first in range(0, n, size)]
        return _joined([self._read_piece(piece, positions, horizon) for piece in pieces])

    def _read_piece(self, piece: slice, positions: int, horizon: int) -> "Reading":
        values = self.values[piece]
        history = read_history(values, self.season[piece])
        features, scaling = features_and_scaling(history, first=values.shape[1] - positions)
        step = inputs_at_end(history, horizon, scaling)
        return Reading(features, step, _units(history, step.scaling))

    def continued(self, paths: Array, patch: int, longest: int) -> "Batch":
        """Every window once for each path (N, K, P), with the path appended."""
        n, k, _ = paths.shape
        values = np.hstack([self.values.repeat(k, axis=0), paths.reshape(n * k, -1)])
        keep = -(-longest // patch) * patch
        return replace(
            self,
            values=values[:, -keep:],
            season=self.season.repeat(k),
            rows=np.repeat(self.rows, k),
            low=np.repeat(self.low, k, axis=0),
        )


class Reading(NamedTuple):
    """Inputs of the network for some windows, and what turns its answers into data."""

    features: Tensor  # (N, F, L)
    step: StepInputs
    units: tuple[Array, Array, Array]  # scale, level and unit, (N, 1) each


def _joined(readings: Sequence[Reading]) -> Reading:
    if len(readings) == 1:
        return readings[0]
    features, steps, units = zip(*readings, strict=True)
    references, drafts, columns, scalings = zip(*steps, strict=True)
    loc, scale = map(np.concatenate, zip(*scalings, strict=True))
    step = StepInputs(
        torch.cat(references), torch.cat(drafts), torch.cat(columns), LocScale(loc, scale)
    )
    scale, level, unit = map(np.concatenate, zip(*units, strict=True))
    return Reading(torch.cat(features), step, (scale, level, unit))


def _units(history: History, scaling: LocScale) -> tuple[Array, Array, Array]:
    """Scale, level and unit that turn z into data, (N, 1) each. What never moved stays put."""
    level = scaling.loc + history.centre
    is_moving = scaling.scale > 2.0 * (RELATIVE_FLOOR * np.abs(level) + SMALLEST_SCALE)
    return scaling.scale * is_moving, level, history.unit


def _lower_bound(windows: Array) -> Array:
    """(N, 1) zero for windows (N, L) that are nowhere negative, else minus infinity."""
    return _zero_or_none(np.fmin.reduce(windows, axis=1))


def _floor(panel: Panel) -> Array:
    """The same for the series of a panel, (S, 1)."""
    return _zero_or_none(np.fmin.reduceat(panel.values, panel.offsets[:-1]))


def _zero_or_none(lowest: Array) -> Array:
    return np.where(lowest >= 0.0, 0.0, -np.inf)[:, None]


def _unread_sentence(name: str, unread: Sequence[str]) -> str:
    return (
        f"The forecaster {name!r} does not read {listed(tuple(unread))}: it was trained without. "
        "tcn.fit (tcn train) makes one that reads the covariates of its panel; "
        "panel.without_covariates() leaves them out."
    )


def _checked_horizon(horizon: int) -> int:
    if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer):
        raise ConfigError(f"horizon must be a whole number, got {horizon!r}.")
    if not 1 <= horizon <= MAX_HORIZON:
        raise ConfigError(f"horizon must be from 1 to {MAX_HORIZON:,}, got {horizon}.")
    return int(horizon)


def _checked_levels(quantile_levels: Sequence[float]) -> tuple[float, ...]:
    try:
        levels = tuple(float(level) for level in quantile_levels)
    except (TypeError, ValueError):
        raise ConfigError(
            f"quantile_levels must be several numbers, such as (0.1, 0.5, 0.9), got "
            f"{quantile_levels!r}."
        ) from None
    require_quantile_levels(levels)
    return levels


def _checked_batch_size(batch_size: int) -> int:
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}.")
    return batch_size


def _ages(panel: Panel, context_length: int) -> Index:
    """Points of each series from the first that was observed; DataError where none was."""
    if len(panel) == 0:
        raise DataError("The panel has no series. Give at least one series with one value.")
    ends: Index = panel.offsets[1:]
    begins: Index = np.maximum(panel.offsets[:-1], ends - context_length)
    if (begins < ends).all() and not np.isnan(panel.values[begins]).any():
        return ends - begins
    seen = np.flatnonzero(~np.isnan(panel.values))
    first: Index = np.append(seen, len(panel.values))[np.searchsorted(seen, begins)]
    empty = np.flatnonzero(first >= ends)
    if empty.size:
        i = int(empty[0])
        is_full = panel.lengths[i] >= context_length
        where = f" in its newest {context_length:,} points, all that are read" if is_full else ""
        raise DataError(
            f"Series {str(panel.ids[i])!r} has no observed value{where}. "
            "Give at least one number, or leave the series out."
        )
    return ends - first
