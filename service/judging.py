"""Backtests and anomalies: forecasts of the past beside what came."""

import math
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
from tcn.evaluation import BacktestResult, backtest
from tcn.evaluation.backtest import MIN_HISTORY
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
    wanted = parse_forecast(body, settings, more)
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
    wanted = parse_forecast(body, settings, frozenset({"level", "detection_length"}))
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
    result = _run(
        predictor, asked, one_panel(asked.wanted.series), asked.wanted.quantile_levels, BASELINES
    )
    forecasts = [
        item for window in result.windows for item in _window_rows(window.forecast, window)
    ]
    content = {"model": model, **result.to_dict(), "forecasts": forecasts}
    return content | warnings_of(model, predictor, asked.wanted.series)


def run_anomalies(model: str, predictor: Predictor, asked: Judgement) -> dict[str, Any]:
    """Flag the points that fall outside the central interval of their forecast.

    Points that are missing are shown as missing, or not at all where no forecast was needed.
    """
    tail = (1.0 - asked.level) / 2.0
    panel = one_panel(asked.wanted.series)
    _refuse_short(panel, asked.wanted.horizon)
    result = _run(predictor, asked, panel, (tail, 0.5, 1.0 - tail), ())
    first = {
        str(key): iso_stamps(times, panel.tz, panel.freq)[0]
        for key, times in zip(panel.ids, _detection_starts(panel, asked.length), strict=True)
    }
    rows: dict[str, list[dict[str, Any]]] = {}
    for window in result.windows:
        for row in _window_rows(window.forecast, window):
            rows.setdefault(row["id"], []).append(row)
    series = [_flagged(key, parts, first[key]) for key, parts in rows.items()]
    left_out = [item.id for item in asked.wanted.series if item.id not in rows]
    content = {"model": model, "level": asked.level, "series": series, "left_out": left_out}
    return content | warnings_of(model, predictor, asked.wanted.series)


def _refuse_short(panel: Panel, horizon: int) -> None:
    """Refuse what `backtest` would, in the words of a search for anomalies."""
    needed, longest = horizon + MIN_HISTORY, int(panel.lengths.max())
    if longest < needed:
        raise Problem(
            422,
            "No series is long enough to look for anomalies: a point is judged by those before it,"
            f" so at least {needed:,} values are needed with a horizon of {horizon:,}, got"
            f" {longest:,}. Send longer series or a shorter horizon.",
        )


def _detection_starts(panel: Panel, length: int) -> NDArray[Any]:
    """Return the stamp of the first point to judge of each series, (S, 1)."""
    steps = np.maximum(panel.lengths - length, 0)[:, None]
    return panel.frequency.shift(panel.starts[:, None], steps, panel.tz)


def _flagged(series_id: str, parts: list[dict[str, Any]], first: Any) -> dict[str, Any]:
    columns = {name: np.concatenate([part[name] for part in parts]) for name in ("y", "mean")}
    low, median, high = (
        np.concatenate([list(part["quantiles"].values())[q] for part in parts]) for q in range(3)
    )
    y = columns["y"]
    with np.errstate(invalid="ignore"):
        is_outside = (y < low) | (y > high)
    half = np.where(y > median, high - median, median - low)
    score = np.divide(np.abs(y - median), half, out=np.zeros_like(y), where=half > 0)
    ds = [stamp for part in parts for stamp in part["ds"]]
    shown = slice(ds.index(first) if first in ds else 0, None)
    return {
        "id": series_id,
        "ds": ds[shown],
        "y": y[shown],
        "mean": columns["mean"][shown],
        "lo": low[shown],
        "hi": high[shown],
        "anomaly": is_outside[shown],
        "score": score[shown],
    }


def _run(
    predictor: Predictor,
    asked: Judgement,
    panel: Panel,
    levels: tuple[float, ...],
    baselines: tuple[str, ...],
) -> BacktestResult:
    wanted = asked.wanted

    def predict(history: Panel, *, horizon: int, quantile_levels: tuple[float, ...]) -> Forecast:
        return predictor.predict(
            history, horizon, quantile_levels, season_length=wanted.season_length
        )

    try:
        # Such a measure is null; the answer says which covariates are not read.
        with np.errstate(over="ignore", invalid="ignore"), collected():
            return backtest(
                predict,
                panel,
                wanted.horizon,
                asked.n_windows,
                asked.step_size,
                season_length=wanted.season_length,
                baselines=baselines,
                quantile_levels=levels,
            )
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
