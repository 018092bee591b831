"""Backtests and anomalies: forecasts of the past beside what came."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine import Predictor
from service.errors import Problem, Report
from service.panels import one_panel
from service.schemas import ForecastRequest, parse_forecast, parse_int, parse_level
from service.settings import Settings
from service.unread import warnings_of
from tcn.errors import TcnError
from tcn.evaluation import backtest, find_anomalies
from tcn.evaluation.anomalies import Anomalies
from tcn.evaluation.backtest import Predict
from tcn.notices import collected
from tcn.series import Forecast, Panel
from tcn.series.iso import iso_stamps

MAX_WINDOWS = 1000
DEFAULT_LEVEL = 0.99
BASELINES = ("seasonal_naive", "naive", "drift")


@dataclass(frozen=True, slots=True)
class Judgement:
    """A checked request: the series and horizon, and how often to forecast the past."""

    wanted: ForecastRequest
    n_windows: int
    step_size: int
    level: float = DEFAULT_LEVEL
    length: int = 0


def parse_backtest(body: Any, settings: Settings) -> Judgement:
    """Check the body of POST /v1/backtest. Raises `Problem` 422."""
    more = frozenset({"n_windows", "step_size"})
    wanted = parse_forecast(body, settings, more, is_of_past=True)
    report = Report()
    n_windows = parse_int(body.get("n_windows", 3), "n_windows", 1, MAX_WINDOWS, report)
    step = body.get("step_size")
    step_size = parse_int(
        wanted.horizon if step is None else step, "step_size", 1, settings.max_horizon, report
    )
    report.raise_if_any()
    _refuse_large(wanted, n_windows, settings)
    return Judgement(wanted, n_windows, step_size)


def parse_anomalies(body: Any, settings: Settings) -> Judgement:
    """Check the body of POST /v1/anomalies. Raises `Problem` 422."""
    if isinstance(body, dict):
        body = {"horizon": 1, **body}
    wanted = parse_forecast(
        body, settings, frozenset({"level", "detection_length"}), is_of_past=True
    )
    report = Report()
    level = parse_level(body.get("level", DEFAULT_LEVEL), "#/level", report)
    longest = max(len(series.y) for series in wanted.series)
    length = parse_int(
        body.get("detection_length", max(1, longest // 2)),
        "detection_length",
        1,
        max(1, longest - 2),
        report,
    )
    report.raise_if_any()
    n_windows = math.ceil(length / wanted.horizon)
    if n_windows > MAX_WINDOWS:
        raise Problem(
            422,
            f"A detection_length of {length:,} with a horizon of {wanted.horizon:,} needs"
            f" {n_windows:,} forecasts, at most {MAX_WINDOWS:,} are allowed. Raise the horizon.",
        )
    _refuse_large(wanted, n_windows, settings)
    return Judgement(wanted, n_windows, wanted.horizon, level, length)


def _refuse_large(wanted: ForecastRequest, n_windows: int, settings: Settings) -> None:
    values = len(wanted.series) * wanted.horizon * n_windows
    if values > settings.max_forecast_values:
        raise Problem(
            422,
            f"Series times horizon times windows may be {settings.max_forecast_values:,}, got"
            f" {values:,}. Send fewer series or windows.",
        )


def run_backtest(model: str, predictor: Predictor, asked: Judgement) -> dict[str, Any]:
    """Return the measures beside the baselines', and the forecasts of every window."""
    wanted = asked.wanted
    panel = one_panel(wanted.series)
    with _refusing():
        result = backtest(
            _predict_with(predictor, wanted),
            panel,
            wanted.horizon,
            asked.n_windows,
            asked.step_size,
            season_length=wanted.season_length,
            baselines=BASELINES,
            quantile_levels=wanted.quantile_levels,
        )
    forecasts = [
        item for window in result.windows for item in _window_rows(window.forecast, window)
    ]
    content = {"model": model, **result.to_dict(), "forecasts": forecasts}
    return content | warnings_of(model, predictor, wanted.series)


def run_anomalies(model: str, predictor: Predictor, asked: Judgement) -> dict[str, Any]:
    """Flag the points that fall outside the central interval of their forecast.

    Points that are missing are shown as missing, or not at all where no forecast was needed.
    """
    wanted = asked.wanted
    panel = one_panel(wanted.series)
    with _refusing():
        found = find_anomalies(
            _predict_with(predictor, wanted),
            panel,
            level=asked.level,
            horizon=wanted.horizon,
            length=asked.length,
            season_length=wanted.season_length,
        )
    content = {
        "model": model,
        "level": asked.level,
        "series": [_flagged(found, index) for index in range(len(found))],
        "left_out": found.left_out.tolist(),
    }
    return content | warnings_of(model, predictor, wanted.series)


def _flagged(found: Anomalies, index: int) -> dict[str, Any]:
    """Return the points of one series that were judged."""
    rows = slice(found.offsets[index], found.offsets[index + 1])
    return {
        "id": str(found.ids[index]),
        "ds": iso_stamps(found.times[rows], found.tz, found.freq),
        "y": found.y[rows],
        "mean": found.mean[rows],
        "lo": np.ascontiguousarray(found.lo[rows]),
        "hi": np.ascontiguousarray(found.hi[rows]),
        "anomaly": found.is_anomaly[rows],
        "score": found.score[rows],
    }


def _predict_with(predictor: Predictor, wanted: ForecastRequest) -> Predict:
    def predict(history: Panel, *, horizon: int, quantile_levels: tuple[float, ...]) -> Forecast:
        return predictor.predict(
            history, horizon, quantile_levels, season_length=wanted.season_length
        )

    return predict


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Turn what the library refuses into a 422; the answer says which covariates are not read."""
    try:
        with np.errstate(over="ignore", invalid="ignore"), collected():  # such a measure is null
            yield
    except TcnError as error:
        raise Problem(422, str(error)) from None


def _window_rows(forecast: Forecast, window: Any) -> list[dict[str, Any]]:
    """Return one object per series of a window."""
    cutoffs: NDArray[Any] = window.cutoffs
    return [
        {
            "id": str(forecast.ids[i]),
            "cutoff": iso_stamps(cutoffs[i : i + 1], forecast.tz, forecast.freq)[0],
            "ds": iso_stamps(forecast.times[i], forecast.tz, forecast.freq),
            "y": window.actual[i],
            "mean": forecast.mean[i],
            "quantiles": {
                repr(level): np.ascontiguousarray(forecast.quantiles[i, :, q])
                for q, level in enumerate(forecast.quantile_levels)
            },
        }
        for i in range(len(forecast))
    ]
