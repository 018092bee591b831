"""Honest baselines: forecasts any model has to beat, vectorised over all series.

Each is a function `predict(panel, horizon, quantile_levels) -> Forecast`, like a forecaster's. The
intervals come from the method's own errors on the series, no normal law is assumed: k seasons ahead
(k steps for naive and drift) they are the quantiles of the absolute changes over k seasons. These
are looked up at k = 1, 2, 4, ... while a series has enough such changes, interpolated between, and
grow with the square root of k beyond.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcn.errors import DataError
from tcn.series import Forecast, Panel, seasons_of
from tcn.series.ragged import known_lengths

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Predict = Callable[..., Forecast]

DEFAULT_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_CHUNK_POINTS = 4_000_000
_MAX_POINTS = 512
_MIN_CHANGES = 8


def seasonal_naive(
    panel: Panel,
    horizon: int,
    quantile_levels: Sequence[float] = DEFAULT_LEVELS,
    *,
    season_length: int | ArrayLike | None = None,
) -> Forecast:
    """Repeat the last season; where a value is missing, the same phase of the season before.

    A phase never seen repeats the last value. season_length: see `seasons_for`.
    """
    seasons = seasons_for(panel, season_length)

    def method(recent: _Recent, steps: Array) -> _Outlook:
        has_changes = np.isfinite(recent.changes(recent.seasons)).any(axis=1)
        unit = np.where(has_changes, recent.seasons, 1)
        return _Outlook(recent.same_phase(steps), unit, np.ceil(steps / unit[:, None]))

    return _forecast(panel, horizon, quantile_levels, seasons, method)


def naive(
    panel: Panel, horizon: int, quantile_levels: Sequence[float] = DEFAULT_LEVELS
) -> Forecast:
    """Repeat the last known value."""

    def method(recent: _Recent, steps: Array) -> _Outlook:
        mean = np.repeat(recent.last[:, None], steps.shape[1], axis=1)
        return _Outlook(mean, recent.seasons, steps + recent.age[:, None])

    return _forecast(panel, horizon, quantile_levels, seasons_for(panel, 1), method)


def drift(
    panel: Panel, horizon: int, quantile_levels: Sequence[float] = DEFAULT_LEVELS
) -> Forecast:
    """Continue the line from the first to the last known of the newest 512 points."""

    def method(recent: _Recent, steps: Array) -> _Outlook:
        ahead = steps + recent.age[:, None]
        slope = recent.slope[:, None]
        doubt = np.sqrt(1.0 + ahead / np.maximum(recent.span, 1)[:, None])
        return _Outlook(recent.last[:, None] + slope * ahead, recent.seasons, ahead, slope, doubt)

    return _forecast(panel, horizon, quantile_levels, seasons_for(panel, 1), method)


BASELINES: dict[str, Predict] = {
    "seasonal_naive": seasonal_naive,
    "naive": naive,
    "drift": drift,
}


def named_baseline(name: str) -> Predict:
    """The baseline of this name, those of statsforecast included."""
    if name in BASELINES:
        return BASELINES[name]
    from tcn.evaluation.statistical import STATISTICAL

    if name not in STATISTICAL:
        known = ", ".join([*BASELINES, *STATISTICAL])
        raise DataError(f"Unknown baseline {name!r}. Known are {known}.")
    return STATISTICAL[name]


def seasons_for(panel: Panel, season_length: int | ArrayLike | None = None) -> Index:
    """The season of every series, (S,): what is given, or else as `tcn.series.seasons_of` says."""
    if season_length is None:
        return seasons_of(panel)
    seasons = np.broadcast_to(np.asarray(season_length, np.int64), (len(panel),))
    if len(seasons) and seasons.min() < 1:
        raise DataError(f"season_length must be 1 or more, got {int(seasons.min())}.")
    return seasons


@dataclass(frozen=True)
class _Outlook:
    """What a method expects: `mean` (n, H), and how far ahead that is in units of its errors.

    The error at `ahead` (n, H) is like past changes over `ahead * unit` steps, unit (n,), less
    `slope` (n, 1) a step; `doubt` (n, H) widens it.
    """

    mean: Array
    unit: Index
    ahead: Array
    slope: Array | float = 0.0
    doubt: Array | float = 1.0


class _Recent:
    """The newest W points of n series up to the last known one, NaN where missing or not there.

    age: (n,) missing points after the last known one.
    """

    def __init__(self, panel: Panel, rows: slice, ends: Index, seasons: Index) -> None:
        begins = panel.offsets[:-1][rows]
        self.age = panel.offsets[1:][rows] - ends
        self.seasons = seasons
        width = int(min((ends - begins).max(), _width(self.seasons)))
        at = ends[:, None] + np.arange(-width, 0)
        self.values = np.where(at >= begins[:, None], panel.values[np.maximum(at, 0)], np.nan)
        self.last = self.values[:, -1]
        oldest = np.argmax(~np.isnan(self.values), axis=1)
        self.span = width - 1 - oldest
        first = self.values[np.arange(len(at)), oldest]
        self.slope = (self.last - first) / np.maximum(self.span, 1)

    def changes(self, lags: Index) -> Array:
        """Values minus those `lags` (n,) steps earlier, (n, W)."""
        at = np.arange(self.values.shape[1]) - lags[:, None]
        earlier = np.take_along_axis(self.values, np.maximum(at, 0), axis=1)
        return np.where(at >= 0, self.values - earlier, np.nan)

    def same_phase(self, steps: Array) -> Array:
        """The newest known value at the phase of each step, (n, H); else the last value."""
        season = self.seasons[:, None]
        ahead = steps + self.age[:, None]
        at = self.values.shape[1] - 1 + ahead - season * np.ceil(ahead / season)
        at = at.astype(np.int64)
        found = np.full(at.shape, np.nan)
        while (is_open := np.isnan(found) & (at >= 0)).any():
            values = np.take_along_axis(self.values, np.maximum(at, 0), axis=1)
            found = np.where(is_open, values, found)
            at = at - season
        return np.where(np.isnan(found), self.last[:, None], found)


def _width(seasons: Index) -> int:
    return max(_MAX_POINTS, 5 * int(seasons.max(initial=1)))


def _forecast(
    panel: Panel,
    horizon: int,
    quantile_levels: Sequence[float],
    seasons: Index,
    method: Callable[[_Recent, Array], _Outlook],
) -> Forecast:
    """Apply `method` to chunks of series and assemble the forecast."""
    _check(panel, horizon, quantile_levels)
    levels = np.asarray(quantile_levels, np.float64)
    mean = np.empty((len(panel), horizon))
    quantiles = np.empty((len(panel), horizon, len(levels)))
    ends = panel.offsets[:-1] + known_lengths(panel.values, panel.offsets)
    for rows in _chunks(panel, seasons, horizon):
        recent = _Recent(panel, rows, ends[rows], seasons[rows])
        steps = np.broadcast_to(np.arange(1.0, horizon + 1.0), (len(recent.last), horizon))
        outlook = method(recent, steps)
        half_widths = _half_widths(recent, outlook, np.abs(2.0 * levels - 1.0))
        mean[rows] = outlook.mean
        quantiles[rows] = outlook.mean[:, :, None] + np.sign(levels - 0.5) * half_widths
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
    unknown = np.flatnonzero(known_lengths(panel.values, panel.offsets) == 0)
    if unknown.size:
        raise DataError(
            f"Series {str(panel.ids[unknown[0]])!r} has no known value; nothing can be forecast "
            "from it. Leave it out."
        )


def _chunks(panel: Panel, seasons: Index, horizon: int) -> list[slice]:
    """Runs of series whose padded windows stay within a bounded number of points."""
    width = min(int(panel.lengths.max(initial=1)), _width(seasons)) + horizon
    size = max(1, _CHUNK_POINTS // width)
    return [slice(begin, begin + size) for begin in range(0, len(panel), size)]


def _half_widths(recent: _Recent, outlook: _Outlook, levels: Array) -> Array:
    """Half the width of the interval that holds each of `levels` (Q,) at each step, (n, H, Q)."""
    ahead = outlook.ahead[:, :, None]
    width, _ = _past_errors(recent, outlook, 1, levels)
    widths = width[:, None, :] * np.minimum(ahead, 1.0)
    k = 1
    while k < ahead.max():
        found, count = _past_errors(recent, outlook, 2 * k, levels)
        enough = (count >= _MIN_CHANGES)[:, None]
        wider = np.where(enough, np.maximum(found, width), np.sqrt(2.0) * width)
        share = (np.sqrt(ahead) - np.sqrt(k)) / (np.sqrt(2.0 * k) - np.sqrt(k))
        between = width[:, None, :] + share * (wider - width)[:, None, :]
        widths = np.where(ahead > k, between, widths)
        width, k = wider, 2 * k
    doubt: Array = np.broadcast_to(outlook.doubt, outlook.ahead.shape)[:, :, None]
    return widths * doubt


def _past_errors(recent: _Recent, outlook: _Outlook, k: int, levels: Array) -> tuple[Array, Index]:
    """Quantiles (n, Q) of the sizes of past changes over k units, and the number (n,) of these."""
    n, longest = recent.values.shape
    if k * int(outlook.unit.min()) >= longest:
        return np.zeros((n, len(levels))), np.zeros(n, np.int64)
    lags = outlook.unit * k
    return _interval_of(np.abs(recent.changes(lags) - lags[:, None] * outlook.slope), levels)


def _interval_of(sizes: Array, levels: Array) -> tuple[Array, Index]:
    """Quantiles at `levels` of each row's known sizes, (n, Q), and their number, (n,).

    The quantile p of n sizes lies at place (n + 1) p, so that few errors give no false certainty:
    the largest where that lies beyond them, 0 where there are none.
    """
    ordered = np.sort(sizes, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    last = np.maximum(count - 1, 0)[:, None]
    place = np.clip(levels * (count[:, None] + 1) - 1, 0, last)
    below = np.floor(place).astype(np.int64)
    low = np.take_along_axis(ordered, below, axis=1)
    high = np.take_along_axis(ordered, np.minimum(below + 1, last), axis=1)
    found = low + (place - below) * (high - low)
    return np.where(count[:, None] > 0, found, 0.0), count
