"""Anomalies: points that fall outside the interval in which a forecast expected them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import ConfigError, DataError
from tcn.evaluation.backtest import MAX_WINDOWS, MIN_HISTORY, Predict, backtest
from tcn.evaluation.result import Window
from tcn.series import Panel
from tcn.series.panel import require_panel
from tcn.series.ragged import Index, offsets_of

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Anomalies:
    """The points of S series that were judged, P in all, each beside its forecast.

    ids (S,), offsets (S + 1,): the points of series i are `offsets[i]:offsets[i + 1]`. times (P,),
    y (P,) with NaN where missing, mean (P,), lo and hi (P,): the central interval that holds
    `level` of the forecast. is_anomaly (P,): y lies outside. score (P,): the distance of y from the
    median by that of the bound on its side, above 1 for anomalies, 0 where the interval has no
    width. left_out: ids of series that are too short.
    """

    ids: NDArray[np.str_]
    offsets: Index
    times: NDArray[Any]
    y: Array
    mean: Array
    lo: Array
    hi: Array
    is_anomaly: NDArray[np.bool_]
    score: Array
    level: float
    left_out: NDArray[np.str_]
    freq: str | None = None
    tz: str | None = None
    frame_kind: str = "pandas"

    def __repr__(self) -> str:
        return (
            f"Anomalies({np.count_nonzero(self.is_anomaly)} of {len(self.y)} points of "
            f"{len(self.ids)} series, level={self.level})"
        )

    def __len__(self) -> int:
        return len(self.ids)

    def to_frame(self, kind: str | None = None) -> Any:
        """A long table: unique_id, ds, y, mean, lo, hi, anomaly, score; one row a judged point.

        `kind` is "pandas", "polars" or "pyarrow"; by default the kind the panel came from.
        """
        from tcn.series.frames import build_frame

        owner = np.repeat(np.arange(len(self.ids)), np.diff(self.offsets))
        columns = {
            "y": self.y,
            "mean": self.mean,
            "lo": self.lo,
            "hi": self.hi,
            "anomaly": self.is_anomaly,
            "score": self.score,
        }
        kind = kind or self.frame_kind
        return build_frame(self.ids, owner, self.times, columns, self.tz, kind)


def find_anomalies(
    predict: Predict,
    panel: Panel,
    *,
    level: float = 0.99,
    horizon: int = 1,
    length: int | None = None,
    season_length: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Anomalies:
    """Judge the newest `length` points of every series by `predict`, as `backtest` calls it.

    Each point is forecast from what came before it, `horizon` steps at a time, and is an anomaly
    where it lies outside the central interval that holds `level` of its forecast: of points like
    those before, 1 in 100 does at 0.99. A larger horizon takes fewer forecasts, and widens the
    intervals. length: half of the longest series unless given, at most 1,000 forecasts.
    season_length: that of the panel or its frequency unless given. progress: called with the number
    of forecasts done, and of all.

    A series needs two known points before the first that is judged: shorter ones are judged later,
    or named in `left_out`. A missing point is no anomaly. Raises DataError where no series is long
    enough, ConfigError for a level or length that is not allowed.
    """
    require_panel(panel)
    if isinstance(level, bool) or not 0.0 < level < 1.0:
        raise ConfigError(f"level must be between 0 and 1, such as 0.99, got {level!r}.")
    length = _checked_length(panel, horizon, length)
    tail = round((1.0 - level) / 2.0, 12)
    result = backtest(
        predict,
        panel,
        horizon,
        math.ceil(length / horizon),
        season_length=season_length,
        baselines=(),
        quantile_levels=(tail, 0.5, round(1.0 - tail, 12)),
        progress=progress,
    )
    return _judged(panel, result.windows, length, level)


def _checked_length(panel: Panel, horizon: int, length: int | None) -> int:
    longest = int(panel.lengths.max(initial=0))
    if horizon < 1 or longest < horizon + MIN_HISTORY:
        raise DataError(
            f"No series is long enough to look for anomalies: the longest of {len(panel)} has "
            f"{longest} points, and a forecast of horizon {horizon} needs {MIN_HISTORY} before it. "
            "Use a horizon of 1, or longer series."
        )
    if length is None:
        return min(longest // 2, MAX_WINDOWS * horizon)
    if not 1 <= length <= longest - MIN_HISTORY:
        raise ConfigError(
            f"length must be from 1 to {longest - MIN_HISTORY}, two less than the longest series, "
            f"got {length}."
        )
    if length > MAX_WINDOWS * horizon:
        raise ConfigError(
            f"A length of {length:,} with a horizon of {horizon:,} needs "
            f"{math.ceil(length / horizon):,} forecasts, at most {MAX_WINDOWS:,} are allowed. "
            "Raise the horizon."
        )
    return length


def _judged(panel: Panel, windows: Sequence[Window], length: int, level: float) -> Anomalies:
    """The points of all windows in the order of series and time, from the newest `length` on."""
    forecasts = [window.forecast for window in windows]
    order = np.argsort(panel.ids)
    ids = np.concatenate([forecast.ids for forecast in forecasts])
    place = order[np.searchsorted(panel.ids, ids, sorter=order)]
    owner = np.repeat(place, forecasts[0].horizon)
    times = np.concatenate([forecast.times for forecast in forecasts]).ravel()
    steps = np.maximum(panel.lengths - length, 0)
    first = panel.frequency.shift(panel.starts, steps, panel.tz)
    by_series = np.argsort(owner, kind="stable")  # the windows are in the order of time
    rows = by_series[(times >= first[owner])[by_series]]

    y = np.concatenate([window.actual for window in windows]).ravel()[rows]
    quantiles = np.concatenate([forecast.quantiles for forecast in forecasts])
    lo, median, hi = quantiles.reshape(-1, 3)[rows].T
    half = np.where(y > median, hi - median, median - lo)
    counts = np.bincount(owner[rows], minlength=len(panel))
    return Anomalies(
        ids=panel.ids[counts > 0],
        offsets=offsets_of(counts[counts > 0]),
        times=times[rows],
        y=y,
        mean=np.concatenate([forecast.mean for forecast in forecasts]).ravel()[rows],
        lo=lo,
        hi=hi,
        is_anomaly=(y < lo) | (y > hi),
        score=np.divide(np.abs(y - median), half, out=np.zeros_like(y), where=half > 0),
        level=level,
        left_out=panel.ids[counts == 0],
        freq=panel.freq,
        tz=panel.tz,
        frame_kind=panel.frame_kind,
    )
