"""The measures of one set of forecasts, and how those of several sets make one."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tcn.evaluation import metrics
from tcn.series import Forecast

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Measures:
    """How good forecasts are; lower is better but for `coverage`, which should be its interval.

    mase, smape and mae judge the median (the mean where 0.5 is no quantile level), mse and rmse the
    mean, wql all quantiles. `coverage` is that of the widest central interval up to 0.1 - 0.9.
    NaN where a measure has nothing to go by.
    """

    mase: float
    wql: float
    smape: float
    mae: float
    mse: float
    rmse: float
    coverage: float

    def to_dict(self) -> dict[str, float | None]:
        """The measures by name; None instead of NaN, for JSON."""
        return {name: _or_none(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Weighted:
    """Measures with what each is an average over, so that sets can be pooled exactly."""

    measures: Measures
    n_points: int
    n_scaled: int
    size: float


def measure(forecast: Forecast, actual: Array, scale: Array) -> Weighted:
    """Judge a forecast by what came, (N, H), NaN where unknown. scale: seasonal errors (N,)."""
    levels = forecast.quantile_levels
    median = _median(forecast)
    mse = metrics.mse(actual=actual, mean=forecast.mean)
    seen = ~np.isnan(actual)
    return Weighted(
        Measures(
            mase=metrics.mase(actual=actual, mean=median, scale=scale),
            wql=metrics.wql(actual=actual, quantiles=forecast.quantiles, quantile_levels=levels),
            smape=metrics.smape(actual=actual, mean=median),
            mae=metrics.mae(actual=actual, mean=median),
            mse=mse,
            rmse=math.sqrt(mse),
            coverage=_coverage(forecast, actual),
        ),
        n_points=int(seen.sum()),
        n_scaled=int((seen.any(axis=1) & ~np.isnan(scale)).sum()),
        size=float(np.abs(actual[seen]).sum()),
    )


def pooled(parts: Sequence[Weighted]) -> Measures:
    """The measures of all forecasts together, from those of its parts."""
    points = [float(part.n_points) for part in parts]
    weights = {"mase": [float(part.n_scaled) for part in parts], "wql": [p.size for p in parts]}
    values = {
        field.name: _average(
            [getattr(part.measures, field.name) for part in parts],
            weights.get(field.name, points),
        )
        for field in fields(Measures)
    }
    return Measures(**(values | {"rmse": math.sqrt(values["mse"])}))


def measures_by_series(
    forecast: Forecast, actual: Array, scale: Array, owner: Index, n_series: int
) -> dict[str, Array]:
    """The measures of each series, (n_series,) by name; NaN where there is nothing to go by.

    A series may have several rows: `forecast`, `actual` (R, H) and `scale` (R,) have R in all, and
    row r is of the series `owner[r]`.
    """
    levels, quantiles = forecast.quantile_levels, forecast.quantiles
    loss = metrics.quantile_loss(actual=actual, quantiles=quantiles, quantile_levels=levels)
    median = _median(forecast)
    seen = ~np.isnan(actual)

    def total(values: Array) -> Array:
        rows: Array = np.where(seen, values, 0.0).sum(axis=1)
        return np.bincount(owner, rows, n_series).astype(np.float64, copy=False)

    with np.errstate(invalid="ignore", divide="ignore"):
        points = total(np.ones_like(actual))
        error = np.abs(actual - median)
        scaled = np.where(seen, error, 0.0).sum(axis=1) / seen.sum(axis=1) / scale
        has_scale = ~np.isnan(scaled)
        n_scaled = np.bincount(owner[has_scale], minlength=n_series)
        mse = total(np.square(actual - forecast.mean)) / points
        return {
            "mase": np.bincount(owner[has_scale], scaled[has_scale], n_series) / n_scaled,
            "wql": total(loss) / total(np.abs(actual)),
            "smape": total(metrics.symmetric_error(actual=actual, mean=median)) / points,
            "mae": total(error) / points,
            "mse": mse,
            "rmse": np.sqrt(mse),
            "coverage": total(_inside(forecast, actual)) / points,
        }


def central_interval(levels: Sequence[float]) -> tuple[float, float] | None:
    """The widest pair of levels (p, 1 - p) with p at least 0.1; None where there is none."""
    low = [
        p for p in levels if 0.1 - 1e-9 <= p < 0.5 and any(abs(1 - p - q) < 1e-9 for q in levels)
    ]
    return (min(low), 1.0 - min(low)) if low else None


def _median(forecast: Forecast) -> Array:
    return forecast.quantile(0.5) if 0.5 in forecast.quantile_levels else forecast.mean


def _coverage(forecast: Forecast, actual: Array) -> float:
    seen = ~np.isnan(actual)
    return float(_inside(forecast, actual)[seen].mean()) if seen.any() else math.nan


def _inside(forecast: Forecast, actual: Array) -> Array:
    """1 where the central interval holds the point, else 0; NaN without such an interval."""
    interval = central_interval(forecast.quantile_levels)
    if interval is None:
        return np.full(actual.shape, np.nan)
    lower, upper = (forecast.quantile(level) for level in interval)
    return ((lower <= actual) & (actual <= upper)).astype(np.float64)


def _average(values: Sequence[float], weights: Sequence[float]) -> float:
    """Weighted mean over what has weight; NaN where nothing has."""
    pairs = [(v, w) for v, w in zip(values, weights, strict=True) if w > 0]
    total = sum(weight for _, weight in pairs)
    return sum(v * w for v, w in pairs) / total if total else math.nan


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
