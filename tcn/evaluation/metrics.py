"""Measures of forecasts: plain functions of arrays, all keyword-only.

Shapes: actual and mean (N, H), quantiles (N, H, Q) for `quantile_levels`; N series, H steps. A
missing actual (NaN) takes part in nothing; a missing forecast of a known actual makes the result
NaN, and so does having nothing to average.

A scaled measure divides by each series' seasonal error, (N,): the mean absolute change over one
season in its own history. A series with no change or too short a history has none and is left out,
as in Hyndman and Koehler 2006 and in fev.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcn.errors import DataError
from tcn.series import Panel

Array = NDArray[np.float64]


def mae(*, actual: Array, mean: Array) -> float:
    """Mean absolute error over all observed points."""
    return _mean(np.abs(_error(actual, mean)), actual)


def mse(*, actual: Array, mean: Array) -> float:
    """Mean squared error over all observed points."""
    return _mean(np.square(_error(actual, mean)), actual)


def rmse(*, actual: Array, mean: Array) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(mse(actual=actual, mean=mean)))


def smape(*, actual: Array, mean: Array) -> float:
    """Symmetric absolute percentage error, from 0 to 2 (0.13 is 13 % in the M competitions)."""
    return _mean(symmetric_error(actual=actual, mean=mean), actual)


def symmetric_error(*, actual: Array, mean: Array) -> Array:
    """2 |y - f| / (|y| + |f|) at every point, (N, H); 0 where both are zero."""
    error = 2.0 * np.abs(_error(actual, mean))
    size = np.abs(actual) + np.abs(mean)
    return error / np.where(size == 0, 1.0, size)


def seasonal_error(history: Panel, season_length: int | ArrayLike) -> Array:
    """Mean absolute change over one season of each series, (S,); NaN where there is none.

    season_length: one number, or one of each series. Pairs with a missing value do not count.
    """
    n_series = len(history)
    seasons = np.broadcast_to(np.asarray(season_length, np.int64), (n_series,))
    if n_series and seasons.min() < 1:
        raise DataError(f"season_length must be 1 or more, got {int(seasons.min())}.")
    total, count = np.zeros(n_series), np.zeros(n_series)
    for season in np.unique(seasons):
        of_season = np.flatnonzero(seasons == season)
        part = history if len(of_season) == n_series else history.take(of_season)
        total[of_season], count[of_season] = _sum_of_changes(part, int(season))
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = total / count
    scale[~(scale > 0)] = np.nan
    return scale


def mase(*, actual: Array, mean: Array, scale: Array) -> float:
    """Mean absolute scaled error: per series, then over series. scale: `seasonal_error`."""
    return _scaled_mean(np.abs(_error(actual, mean)), actual, scale)


def quantile_loss(*, actual: Array, quantiles: Array, quantile_levels: Sequence[float]) -> Array:
    """2 |(y - q) (1[y <= q] - level)| at every point, averaged over the levels, (N, H)."""
    if quantiles.shape != (*actual.shape, len(quantile_levels)):
        raise DataError(
            f"Actual values {actual.shape} and {len(quantile_levels)} quantile levels need "
            f"quantiles {(*actual.shape, len(quantile_levels))}, got {quantiles.shape}."
        )
    total = np.zeros(actual.shape)
    for index, level in enumerate(quantile_levels):
        error = actual - quantiles[:, :, index]
        total += np.maximum(level * error, (level - 1.0) * error)
    return total * (2.0 / len(quantile_levels))


def pinball(*, actual: Array, quantiles: Array, quantile_levels: Sequence[float]) -> float:
    """Mean pinball loss over points and levels: half of the mean `quantile_loss`."""
    loss = quantile_loss(actual=actual, quantiles=quantiles, quantile_levels=quantile_levels)
    return 0.5 * _mean(loss, actual)


def wql(*, actual: Array, quantiles: Array, quantile_levels: Sequence[float]) -> float:
    """Weighted quantile loss: sum of `quantile_loss` by the sum of |y|."""
    loss = quantile_loss(actual=actual, quantiles=quantiles, quantile_levels=quantile_levels)
    size = _mean(np.abs(actual), actual)
    return _mean(loss, actual) / size if size > 0 else float("nan")


def sql(
    *, actual: Array, quantiles: Array, quantile_levels: Sequence[float], scale: Array
) -> float:
    """Scaled quantile loss: per series, divided by `scale`, then over series."""
    loss = quantile_loss(actual=actual, quantiles=quantiles, quantile_levels=quantile_levels)
    return _scaled_mean(loss, actual, scale)


def coverage(*, actual: Array, lower: Array, upper: Array) -> float:
    """Share of observed points inside [lower, upper], (N, H) each."""
    inside = np.where(np.isnan(lower + upper), np.nan, (lower <= actual) & (actual <= upper))
    return _mean(inside, actual)


def msis(*, actual: Array, lower: Array, upper: Array, level: float, scale: Array) -> float:
    """Mean scaled interval score of a central interval meant to hold `level` (0.8 for 80 %).

    Source: Gneiting and Raftery 2007, section 6.2; scaled as in the M4 competition.
    """
    miss = np.maximum(lower - actual, 0.0) + np.maximum(actual - upper, 0.0)
    return _scaled_mean(upper - lower + 2.0 / (1.0 - level) * miss, actual, scale)


def _error(actual: Array, mean: Array) -> Array:
    if actual.shape != mean.shape:
        raise DataError(f"Actual values {actual.shape} and forecasts {mean.shape} differ in shape.")
    return actual - mean


def _mean(values: Array, actual: Array) -> float:
    """Mean of `values` where the actual is known."""
    seen = ~np.isnan(actual)
    return float(values[seen].mean()) if seen.any() else float("nan")


def _scaled_mean(values: Array, actual: Array, scale: Array) -> float:
    """Mean over series of each one's mean divided by its scale; series with neither left out."""
    seen = ~np.isnan(actual)
    known = seen.any(axis=1) & ~np.isnan(scale)
    if not known.any():
        return float("nan")
    rows = np.where(seen, values, 0.0)[known].sum(axis=1) / seen[known].sum(axis=1)
    return float((rows / scale[known]).mean())


def _sum_of_changes(panel: Panel, season: int) -> tuple[Array, Array]:
    """Sum and number of known |x_t - x_{t - season}| within each series, (S,) each."""
    total, count = np.zeros(len(panel)), np.zeros(len(panel))
    long = np.flatnonzero(panel.lengths > season)
    if not len(long):
        return total, count
    changes = np.abs(panel.values[season:] - panel.values[:-season])
    seen = ~np.isnan(changes)
    begins, ends = panel.offsets[long], panel.offsets[long + 1] - season
    total[long] = _sums_between(np.where(seen, changes, 0.0), begins, ends)
    count[long] = _sums_between(seen.astype(np.float64), begins, ends)
    return total, count


def _sums_between(values: Array, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> Array:
    """Sums of values[begin:end] for ascending ranges, none of them empty."""
    edges = np.stack([begins, ends], axis=1).ravel()
    sums: Array = np.add.reduceat(np.append(values, 0.0), edges)
    return sums[::2]
