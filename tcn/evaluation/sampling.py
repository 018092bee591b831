r"""Sample paths: futures whose steps hang together as the errors of past forecasts did.

Quantiles say how far each step of a forecast may lie. How far the sum of all steps may lie depends
on how they hang together, which quantiles do not say. The past does: in a backtest each point came
at some level of its forecast, and the levels of one window make a trajectory. For K paths K
trajectories are drawn, and at each step h path k takes the quantile of level (r_kh + 1/2) / K,
where r_kh is the rank of trajectory k among the K at that step. So every step keeps its quantiles,
and ranks hang together from step to step as they did in the past.

Source: the Schaake shuffle, with errors of forecasts in place of the weather of past years (Clark
et al. 2004, doi:10.1175/1525-7541(2004)005<0243:TSSAMF>2.0.CO;2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.config import require_quantile_levels
from tcn.errors import ConfigError, DataError
from tcn.evaluation.backtest import MIN_HISTORY, Predict, backtest
from tcn.evaluation.result import Window
from tcn.notices import collected, notify
from tcn.series import Forecast, Panel
from tcn.series.panel import require_panel
from tcn.series.paths import normal_quantiles

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LEVELS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995
)  # fmt: skip
TRAJECTORIES = 400  # so many windows of all series together tell how steps hang together
MAX_WINDOWS = 100
MAX_PATHS = 10_000
VALUES_AT_ONCE = 1 << 21
SMALL = 1e-9  # beside the distance of two places


@dataclass(frozen=True, eq=False, repr=False)
class SamplePaths:
    """K futures of each of N series: ids (N,), times (N, H), values (N, K, H).

    The steps of a path hang together; paths of different series were drawn apart.
    """

    ids: NDArray[np.str_]
    times: NDArray[Any]
    values: Array
    freq: str | None = None
    tz: str | None = None
    frame_kind: str = "pandas"

    def __repr__(self) -> str:
        n, k, horizon = self.values.shape
        return f"SamplePaths({n} series, {k} paths, {horizon} steps, freq={self.freq!r})"

    def __len__(self) -> int:
        return len(self.ids)

    def total(self, quantile_levels: Sequence[float] = (0.1, 0.5, 0.9)) -> Array:
        """Quantiles (N, Q) of the sum over all steps of each series."""
        require_quantile_levels(tuple(quantile_levels))
        totals: Array = np.quantile(self.values.sum(axis=2), quantile_levels, axis=1).T
        return totals

    def to_frame(self, kind: str | None = None) -> Any:
        """A long table: unique_id, ds, path, y; N * K * H rows.

        `kind` is "pandas", "polars" or "pyarrow"; by default the kind the panel came from.
        """
        from tcn.series.frames import build_frame

        n, k, horizon = self.values.shape
        owner = np.repeat(np.arange(n), k * horizon)
        times = np.repeat(self.times[:, None], k, axis=1).ravel()
        paths = np.tile(np.repeat(np.arange(k), horizon), n)
        columns = {"path": paths, "y": self.values.ravel()}
        return build_frame(self.ids, owner, times, columns, self.tz, kind or self.frame_kind)


def sample_paths(
    predict: Predict,
    panel: Panel,
    horizon: int,
    n_paths: int = 200,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SamplePaths:
    """Draw `n_paths` futures of every series from `predict`, as `backtest` calls it.

    What a total over the horizon may be: `sample_paths(...).total((0.05, 0.95))`. Each step has the
    quantiles of the forecast; steps hang together as the errors of forecasts of the newest half of
    the series did, all series taken together. progress: called with the number of those forecasts
    done, and of all.

    Raises DataError where no series is long enough to forecast `horizon` steps of its past.
    """
    require_panel(panel)
    if not 2 <= n_paths <= MAX_PATHS:
        raise ConfigError(f"n_paths must be from 2 to {MAX_PATHS:,}, got {n_paths}.")
    _check_lengths(panel, horizon)
    n_windows, step = _windows(panel, horizon)
    with collected() as notices:
        past = backtest(
            predict,
            panel,
            horizon,
            n_windows,
            step,
            baselines=(),
            quantile_levels=LEVELS,
            progress=progress,
        )
        forecast = predict(panel, horizon=horizon, quantile_levels=LEVELS)
    for notice in notices:
        notify(notice)
    rng = np.random.default_rng(seed)
    trajectories = np.concatenate([_trajectories(window, rng) for window in past.windows])
    if not len(trajectories):
        raise DataError(
            f"No window of {horizon} steps of the past is without missing values, so that nothing "
            "tells how steps hang together. Use a shorter horizon."
        )
    return SamplePaths(
        ids=forecast.ids,
        times=forecast.times,
        values=_shuffled(forecast, trajectories, n_paths, rng),
        freq=forecast.freq,
        tz=forecast.tz,
        frame_kind=forecast.frame_kind,
    )


def _check_lengths(panel: Panel, horizon: int) -> None:
    longest, needed = int(panel.lengths.max(initial=0)), horizon + MIN_HISTORY
    if longest < needed:
        raise DataError(
            f"No series is long enough to tell how {horizon} steps hang together: one forecast of "
            f"the past needs {needed} points, the longest of {len(panel)} series has {longest}. "
            "Use a shorter horizon or longer series."
        )


def _windows(panel: Panel, horizon: int) -> tuple[int, int]:
    """Number of windows, and the steps between them: in the newest half of most series."""
    room = int(np.median(panel.lengths)) // 2 - horizon
    wanted = min(max(-(-TRAJECTORIES // max(len(panel), 1)), 2), MAX_WINDOWS)
    n_windows = min(wanted, max(room, 1) + 1)
    return n_windows, min(max(room // max(n_windows - 1, 1), 1), max(horizon, 1))


def _trajectories(window: Window, rng: np.random.Generator) -> Array:
    """Where what came lies among the quantiles of its forecast, (M, H), of series without gaps.

    A place between the first and the last quantile is an index into them, one outside goes on by
    their distance. Forecasts without any width, as of items no longer sold, tell nothing and are
    left out where there are others.
    """
    is_whole = ~np.isnan(window.actual).any(axis=1)
    widths = window.forecast.quantiles[:, :, -1] - window.forecast.quantiles[:, :, 0]
    tells = is_whole & (widths > 0).any(axis=1)
    rows = tells if tells.any() else is_whole
    y, quantiles = window.actual[rows], window.forecast.quantiles[rows]
    n_below = (quantiles < y[:, :, None]).sum(axis=2)
    n_equal = (quantiles == y[:, :, None]).sum(axis=2)
    last = quantiles.shape[2] - 1
    right = np.clip(n_below, 1, last)
    left_value, right_value = _at(quantiles, right - 1), _at(quantiles, right)
    lowest, highest = quantiles[:, :, 0], quantiles[:, :, -1]
    spread = np.where(highest > lowest, highest - lowest, 1.0)
    place = right - 1 + _divided(y - left_value, right_value - left_value)
    place = np.where(y < lowest, (y - lowest) / spread, place)
    place = np.where(y > highest, last + (y - highest) / spread, place)
    # Where several quantiles are y, as zeros of counts are, any place among them is as good.
    first_equal = np.where(n_below == 0, -1.0, n_below)
    anywhere = first_equal + rng.random(y.shape) * (n_below + n_equal - 1 - first_equal)
    found: Array = np.where(n_equal > 1, anywhere, place)
    return found


def _shuffled(
    forecast: Forecast, trajectories: Array, n_paths: int, rng: np.random.Generator
) -> Array:
    """Paths (N, K, H) through the quantiles at `LEVELS`, in the ranks of drawn trajectories."""
    n, horizon = forecast.mean.shape
    knots = normal_quantiles(np.asarray(LEVELS))
    middles = normal_quantiles((np.arange(n_paths) + 0.5) / n_paths)
    place = np.interp(middles, knots, np.arange(len(knots)))
    left = np.minimum(place.astype(np.int64), len(knots) - 2)
    weight = place - left
    paths = np.empty((n, n_paths, horizon))
    at_once = max(VALUES_AT_ONCE // (n_paths * horizon), 1)
    for first in range(0, n, at_once):
        part = slice(first, first + at_once)
        below, above = forecast.quantiles[part][..., left], forecast.quantiles[part][..., left + 1]
        values = (below + weight * (above - below)).swapaxes(1, 2)
        ranks = _ranks(trajectories, len(values), n_paths, rng)
        paths[part] = np.take_along_axis(values, ranks, axis=1)
    return paths


def _ranks(trajectories: Array, n: int, n_paths: int, rng: np.random.Generator) -> Index:
    """Ranks (n, K, H) of K trajectories for each of n series, step by step.

    Where they are drawn more than once, the copies are in the same order at every step: so few
    trajectories make the total wider, not narrower, than it is.
    """
    n_known = len(trajectories)
    if n_known > n_paths:
        drawn = rng.integers(0, n_known, (n, n_paths))
    else:
        drawn = rng.permuted(np.tile(np.arange(n_paths) % n_known, (n, 1)), axis=1)
    order = trajectories[drawn] + SMALL * rng.random((n, n_paths, 1))
    return order.argsort(axis=1).argsort(axis=1)


def _at(quantiles: Array, place: Index) -> Array:
    return np.take_along_axis(quantiles, place[:, :, None], axis=2)[:, :, 0]


def _divided(values: Array, widths: Array) -> Array:
    return np.divide(values, widths, out=np.zeros_like(values), where=widths > 0)
