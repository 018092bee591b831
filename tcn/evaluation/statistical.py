"""AutoETS and AutoTheta of statsforecast as baselines: one model a series, slow but strong.

statsforecast is not part of the installation; it is imported when one of these is first called.
Missing values are filled by straight lines, which it needs.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcn.errors import ConfigError
from tcn.evaluation.baselines import DEFAULT_LEVELS, Predict, seasonal_naive, seasons_for
from tcn.series import Forecast, Panel

Array = NDArray[np.float64]


def auto_ets(
    panel: Panel,
    horizon: int,
    quantile_levels: Sequence[float] = DEFAULT_LEVELS,
    *,
    season_length: int | ArrayLike | None = None,
) -> Forecast:
    """Exponential smoothing chosen per series by AICc; its intervals are normal."""
    return _forecast("AutoETS", panel, horizon, quantile_levels, season_length)


def auto_theta(
    panel: Panel,
    horizon: int,
    quantile_levels: Sequence[float] = DEFAULT_LEVELS,
    *,
    season_length: int | ArrayLike | None = None,
) -> Forecast:
    """The Theta method in its variants, chosen per series; its intervals are normal."""
    return _forecast("AutoTheta", panel, horizon, quantile_levels, season_length)


STATISTICAL: dict[str, Predict] = {"auto_ets": auto_ets, "auto_theta": auto_theta}


def _forecast(
    name: str,
    panel: Panel,
    horizon: int,
    quantile_levels: Sequence[float],
    season_length: int | ArrayLike | None,
) -> Forecast:
    """Fit each series; one that the method cannot fit keeps seasonal naive's forecast."""
    models = _models()
    seasons = seasons_for(panel, season_length)
    fallback = seasonal_naive(panel, horizon, quantile_levels, season_length=seasons)
    mean, quantiles = fallback.mean.copy(), fallback.quantiles.copy()
    for row, season in enumerate(seasons.tolist()):
        model = getattr(models, name)(season_length=season)
        answer = _fit_one(model, panel[row], horizon, quantile_levels)
        if answer is not None:
            mean[row], quantiles[row] = answer
    return Forecast(
        ids=panel.ids,
        times=fallback.times,
        mean=mean,
        quantiles=quantiles,
        quantile_levels=fallback.quantile_levels,
        freq=panel.freq,
        tz=panel.tz,
        frame_kind=panel.frame_kind,
    )


def _models() -> Any:
    try:
        from statsforecast import models
    except ImportError as error:
        raise ConfigError(
            "The baselines auto_ets and auto_theta need statsforecast, which is not installed. "
            "Install it (pip install statsforecast) or leave them out."
        ) from error
    return models


def _fit_one(
    model: Any, values: Array, horizon: int, quantile_levels: Sequence[float]
) -> tuple[Array, Array] | None:
    """Mean (H,) and quantiles (H, Q); None where the method has no finite answer."""
    widths = sorted({_width(level) for level in quantile_levels if abs(level - 0.5) > 1e-9})
    known = np.flatnonzero(~np.isnan(values))
    filled = np.interp(np.arange(known[0], known[-1] + 1), known, values[known])
    n_unknown = len(values) - 1 - int(known[-1])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = model.forecast(y=filled, h=n_unknown + horizon, level=widths or None)
    except Exception:  # noqa: BLE001  (statsforecast raises bare Exceptions where no model fits)
        return None
    mean = np.asarray(answer["mean"], np.float64)
    columns = [_column(answer, mean, level) for level in quantile_levels]
    mean, quantiles = mean[n_unknown:], np.stack(columns, axis=1)[n_unknown:]
    if not (np.isfinite(mean).all() and np.isfinite(quantiles).all()):
        return None
    return mean, quantiles


def _width(level: float) -> float:
    """The central interval, in percent, that a quantile level bounds."""
    return round(100.0 * abs(2.0 * level - 1.0), 6)


def _column(answer: dict[str, Any], mean: Array, level: float) -> Array:
    if abs(level - 0.5) < 1e-9:
        return mean
    side = "lo" if level < 0.5 else "hi"
    return np.asarray(answer[f"{side}-{_width(level)}"], np.float64)
