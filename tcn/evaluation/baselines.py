"""Honest baselines: forecasts any model has to beat, vectorised over all series.

Each is a function `predict(panel, horizon, quantile_levels) -> Forecast`, like a forecaster's. The
intervals come from the method's own errors on the series: the quantiles of its changes over one
season (over one step for naive and drift), centred, widened by the square root of the number of
such changes that lie between the last value and the step forecast. No normal law is assumed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcn.errors import DataError
from tcn.series import Forecast, Panel, season_length_of

Array = NDArray[np.float64]
Predict = Callable[..., Forecast]

DEFAULT_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_CHUNK_POINTS = 4_000_000
_MAX_CHANGES = 512


def seasonal_naive(
    panel: Panel,
    horizon: int,
    quantile_levels: Sequence[float] = DEFAULT_LEVELS,
    *,
    season_length: int | ArrayLike | None = None,
) -> Forecast:
    """Repeat the last season; where a value is missing, the same phase of the season before.

    A series shorter than its season repeats its last value. season_length: see `seasons_of`.
    """
    seasons = seasons_of(panel, season_length)

    def forecast(recent: _Recent, steps: Array) -> _Spread:
        mean = recent.same_phase(steps)
        changes = recent.changes(recent.seasons)
        few = ~np.isfinite(changes).any(axis=1)
        if few.any():
            changes[few] = recent.changes(np.ones_like(recent.seasons))[few]
        return _Spread(mean, changes, np.sqrt(np.ceil(steps / recent.seasons[:, None])))

    return _forecast(panel, horizon, quantile_levels, seasons, forecast)


def naive(
    panel: Panel, horizon: int, quantile_levels: Sequence[float] = DEFAULT_LEVELS
) -> Forecast:
    """Repeat the last known value."""

    def forecast(recent: _Recent, steps: Array) -> _Spread:
        mean = np.repeat(recent.last[:, None], steps.shape[1], axis=1)
        changes = recent.changes(np.ones_like(recent.seasons))
        return _Spread(mean, changes, np.sqrt(steps + recent.age[:, None]))

    return _forecast(panel, horizon, quantile_levels, seasons_of(panel, 1), forecast)


def drift(
    panel: Panel, horizon: int, quantile_levels: Sequence[float] = DEFAULT_LEVELS
) -> Forecast:
    """Continue the line from the first known value to the last."""

    def forecast(recent: _Recent, steps: Array) -> _Spread:
        ahead = steps + recent.age[:, None]
        slope = recent.slope[:, None]
        changes = recent.changes(np.ones_like(recent.seasons)) - slope
        widening = np.sqrt(ahead * (1.0 + ahead / np.maximum(recent.span, 1)[:, None]))
        return _Spread(recent.last[:, None] + slope * ahead, changes, widening)

    return _forecast(panel, horizon, quantile_levels, seasons_of(panel, 1), forecast)


def historical_mean(
    panel: Panel, horizon: int, quantile_levels: Sequence[float] = DEFAULT_LEVELS
) -> Forecast:
    """The mean of the newest values (of 512 points, or of five seasons where that is more)."""

    def forecast(recent: _Recent, steps: Array) -> _Spread:
        mean = np.nanmean(recent.values, axis=1, keepdims=True)
        return _Spread(
            np.repeat(mean, steps.shape[1], axis=1), recent.values - mean, np.ones_like(steps)
        )

    return _forecast(panel, horizon, quantile_levels, seasons_of(panel, 1), forecast)


BASELINES: dict[str, Predict] = {
    "seasonal_naive": seasonal_naive,
    "naive": naive,
    "drift": drift,
    "historical_mean": historical_mean,
}


def seasons_of(panel: Panel, season_length: int | ArrayLike | None = None) -> NDArray[np.int64]:
    """The season of every series, (S,): the one given, else the panel's, else its frequency's."""
    if season_length is None:
        season_length = panel.season_length or season_length_of(panel.freq)
    seasons = np.broadcast_to(np.asarray(season_length, np.int64), (len(panel),))
    if len(seasons) and seasons.min() < 1:
        raise DataError(f"season_length must be 1 or more, got {int(seasons.min())}.")
    return seasons


@dataclass(frozen=True)
class _Spread:
    """Point forecasts (n, H), past errors (n, W) with NaN, and how errors widen (n, H)."""

    mean: Array
    errors: Array
    widening: Array


class _Recent:
    """The newest W points of n series, right-aligned, NaN where missing or before the start."""

    def __init__(self, panel: Panel, rows: slice, seasons: NDArray[np.int64]) -> None:
        begins, ends = panel.offsets[:-1][rows], panel.offsets[1:][rows]
        self.seasons = seasons[rows]
        width = int(min((ends - begins).max(), _width(self.seasons)))
        at = ends[:, None] + np.arange(-width, 0)
        inside = at >= begins[:, None]
        self.values = np.where(inside, panel.values[np.maximum(at, 0)], np.nan)
        seen = ~np.isnan(self.values)
        self.age = np.argmax(seen[:, ::-1], axis=1)
        newest = width - 1 - self.age
        self.last = np.take_along_axis(self.values, newest[:, None], axis=1)[:, 0]
        oldest = np.argmax(seen, axis=1)
        first = np.take_along_axis(self.values, oldest[:, None], axis=1)[:, 0]
        self.span = newest - oldest
        self.slope = (self.last - first) / np.maximum(self.span, 1)

    def changes(self, lags: NDArray[np.int64]) -> Array:
        """Values minus those `lags` (n,) steps earlier, (n, W)."""
        at = np.arange(self.values.shape[1]) - lags[:, None]
        earlier = np.take_along_axis(self.values, np.maximum(at, 0), axis=1)
        return np.where(at >= 0, self.values - earlier, np.nan)

    def same_phase(self, steps: Array) -> Array:
        """The newest known value at the phase of each step, (n, H); else the last value."""
        season = self.seasons[:, None]
        width = self.values.shape[1]
        at = (width - 1 + steps - season * np.ceil(steps / season)).astype(np.int64)
        found = np.full(at.shape, np.nan)
        while True:
            open_ = np.isnan(found) & (at >= 0)
            if not open_.any():
                return np.where(np.isnan(found), self.last[:, None], found)
            values = np.take_along_axis(self.values, np.maximum(at, 0), axis=1)
            found = np.where(open_, values, found)
            at = at - season


def _width(seasons: NDArray[np.int64]) -> int:
    return max(_MAX_CHANGES, 5 * int(seasons.max(initial=1)))


def _forecast(
    panel: Panel,
    horizon: int,
    quantile_levels: Sequence[float],
    seasons: NDArray[np.int64],
    method: Callable[[_Recent, Array], _Spread],
) -> Forecast:
    """Apply `method` to chunks of series and assemble the forecast."""
    _check(panel, horizon, quantile_levels)
    levels = np.asarray(quantile_levels, np.float64)
    mean = np.empty((len(panel), horizon))
    quantiles = np.empty((len(panel), horizon, len(levels)))
    for rows in _chunks(panel, seasons):
        recent = _Recent(panel, rows, seasons)
        steps = np.broadcast_to(np.arange(1.0, horizon + 1.0), (len(recent.last), horizon))
        spread = method(recent, steps)
        half_widths = _half_widths(spread.errors, np.abs(2.0 * levels - 1.0))
        offsets = np.sign(levels - 0.5) * half_widths
        mean[rows] = spread.mean
        quantiles[rows] = (
            spread.mean[:, :, None] + spread.widening[:, :, None] * offsets[:, None, :]
        )
    return Forecast(
        ids=panel.ids,
        times=panel.future_times(horizon),
        mean=mean,
        quantiles=quantiles,
        quantile_levels=tuple(float(level) for level in levels),
        freq=panel.freq,
        tz=panel.tz,
        frame_kind=panel.frame_kind,
    )


def _check(panel: Panel, horizon: int, quantile_levels: Sequence[float]) -> None:
    if horizon < 1:
        raise DataError(f"horizon must be 1 or more, got {horizon}.")
    for level in quantile_levels:
        if not 0.0 < level < 1.0:
            raise DataError(f"quantile_levels must lie strictly between 0 and 1, got {level!r}.")
    unknown = np.flatnonzero(n_observed(panel) == 0)
    if unknown.size:
        raise DataError(
            f"Series {str(panel.ids[unknown[0]])!r} has no known value; nothing can be forecast "
            "from it. Leave it out."
        )


def n_observed(panel: Panel) -> NDArray[np.int64]:
    """Known values of each series, (S,)."""
    known = np.concatenate([[0], np.cumsum(~np.isnan(panel.values))])
    return np.asarray(np.diff(known[panel.offsets]), np.int64)


def _chunks(panel: Panel, seasons: NDArray[np.int64]) -> list[slice]:
    """Runs of series whose padded windows stay within a bounded number of points."""
    width = min(int(panel.lengths.max(initial=1)), _width(seasons))
    size = max(1, _CHUNK_POINTS // max(1, width))
    return [slice(begin, begin + size) for begin in range(0, len(panel), size)]


def _half_widths(errors: Array, levels: Array) -> Array:
    """Half the width of the central interval that holds each level of the errors, (n, Q).

    A quantile of the absolute errors at (n + 1) p, so that few errors give no false certainty; the
    largest where that lies beyond them, 0 where there is no error to learn from.
    """
    ordered = np.sort(np.abs(errors), axis=1)
    count = np.isfinite(ordered).sum(axis=1)[:, None]
    place = np.clip(levels * (count + 1) - 1, 0, np.maximum(count - 1, 0))
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low = np.take_along_axis(ordered, below, axis=1)
    high = np.take_along_axis(ordered, above, axis=1)
    return np.where(count > 0, low + (place - below) * (high - low), 0.0)
