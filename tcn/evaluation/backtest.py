"""Rolling-origin backtests: forecast the past from what was known before it, and measure.

The last window ends where the series end; each earlier one ends `step_size` points before. A
forecaster is handed the points before the cutoff and nothing after: only covariates known in
advance reach `horizon` steps further.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tcn.errors import ConfigError, DataError
from tcn.evaluation.baselines import DEFAULT_LEVELS, named_baseline
from tcn.evaluation.measures import Weighted, measure, pooled
from tcn.evaluation.metrics import seasonal_error
from tcn.evaluation.result import BacktestResult, Window
from tcn.notices import collected, notify
from tcn.series import Forecast, Panel, seasons_of
from tcn.series.batches import windows_ending_at
from tcn.series.panel import require_panel
from tcn.series.ragged import count_known

Index = NDArray[np.int64]
Predict = Callable[..., Forecast]

FORECASTER = "forecaster"
MIN_HISTORY = 2
MAX_WINDOWS = 1000


def backtest(
    predict: Predict | Mapping[str, Predict],
    panel: Panel,
    horizon: int,
    n_windows: int = 3,
    step_size: int | None = None,
    *,
    season_length: int | None = None,
    baselines: Sequence[str] = ("seasonal_naive", "naive", "drift"),
    quantile_levels: Sequence[float] = DEFAULT_LEVELS,
    progress: Callable[[int, int], None] | None = None,
) -> BacktestResult:
    """Measure `predict(history, horizon=, quantile_levels=) -> Forecast` beside baselines.

    predict: one such function, or several by name: {"zero": zero.predict, "mine": mine.predict}.
    step_size: points between windows, `horizon` unless given. season_length: for seasonal naive and
    MASE; unless given as `tcn.series.seasons_of` says. baselines: names of
    `tcn.evaluation.baselines`; "auto_ets" and "auto_theta" too where statsforecast is installed.
    progress: called with the number of windows done, and of all.

    A series too short for a window (two known points before it, one in it) is left out of that
    window and named in the result. Raises DataError if none is long enough for any window, or if
    a forecast is not finite.
    """
    require_panel(panel)
    forecasters = _by_name(predict, baselines)
    step = horizon if step_size is None else step_size
    _check_sizes(horizon, n_windows, step)
    if season_length is not None:
        panel = replace(panel, season_length=season_length)
    methods = forecasters | {name: named_baseline(name) for name in baselines}
    levels = tuple(float(level) for level in quantile_levels)
    windows: list[Window] = []
    weighted: dict[str, list[Weighted]] = {name: [] for name in methods}
    with collected() as notices:
        for index in range(n_windows):
            held_back = horizon + (n_windows - 1 - index) * step
            window = _run_window(
                methods, len(forecasters), panel, horizon, held_back, levels, weighted
            )
            if window is not None:
                windows.append(window)
            if progress is not None:
                progress(index + 1, n_windows)
    for notice in notices:
        notify(notice)
    if not windows:
        raise _too_short(panel, horizon, n_windows, step)
    measures = {name: pooled(parts) for name, parts in weighted.items()}
    return BacktestResult(horizon, step, tuple(windows), measures, panel.frame_kind)


def _by_name(
    predict: Predict | Mapping[str, Predict], baselines: Sequence[str]
) -> dict[str, Predict]:
    """The forecasters under their names, which differ from those of the baselines."""
    named = dict(predict) if isinstance(predict, Mapping) else {FORECASTER: predict}
    if not named:
        raise ConfigError("No forecaster is given. Pass one function, or several by name.")
    for name, function in named.items():
        if not callable(function):
            raise ConfigError(
                f"backtest calls a function of the history, got a {type(function).__name__}. Pass "
                "forecaster.predict, a baseline such as tcn.evaluation.naive, or several by name: "
                '{"zero": zero.predict, "mine": mine.predict}.'
            )
        if name in baselines:
            raise ConfigError(f"{name!r} is also a baseline. Rename it, or leave out the baseline.")
    return named


def _run_window(
    methods: Mapping[str, Predict],
    n_kept: int,
    panel: Panel,
    horizon: int,
    held_back: int,
    levels: tuple[float, ...],
    weighted: dict[str, list[Weighted]],
) -> Window | None:
    """Forecast one window by every method; None where no series is long enough for it.

    The forecasts of the first `n_kept` methods are kept.
    """
    ends = panel.lengths - held_back
    rows = np.flatnonzero(ends >= MIN_HISTORY)
    actual = windows_ending_at(panel, rows, ends[rows] + horizon, horizon)
    history = _history(panel, rows, ends[rows], horizon)
    n_known = count_known(history.values, history.offsets)
    usable = (n_known >= MIN_HISTORY) & ~np.isnan(actual).all(axis=1)
    rows, actual, history = rows[usable], actual[usable], history.take(usable)
    if not len(rows):
        return None
    scale = seasonal_error(history, seasons_of(history))
    kept: dict[str, Forecast] = {}
    for name, predict in methods.items():
        forecast = predict(history, horizon=horizon, quantile_levels=levels)
        _check_forecast(name, forecast, history, horizon, levels)
        weighted[name].append(measure(forecast, actual, scale))
        if len(kept) < n_kept:
            kept[name] = forecast
    last = history.frequency.shift(history.starts, history.lengths - 1, history.tz)
    return Window(
        forecasts=kept,
        cutoffs=last,
        actual=actual,
        scale=scale,
        measures={name: parts[-1].measures for name, parts in weighted.items()},
        left_out=np.delete(panel.ids, rows),
    )


def _history(panel: Panel, rows: Index, lengths: Index, horizon: int) -> Panel:
    """The first `lengths` points; covariates known in advance go `horizon` further."""
    history = panel.take(rows).until(lengths)
    future = history.future_covariates
    if future is None:
        return history
    known = np.minimum(future.lengths, lengths + horizon)
    return replace(
        history,
        future_covariates=future.rows(np.zeros_like(known), known, np.arange(len(rows))),
    )


def _check_sizes(horizon: int, n_windows: int, step_size: int) -> None:
    if horizon < 1:
        raise DataError(f"horizon must be 1 or more, got {horizon}.")
    if not 1 <= n_windows <= MAX_WINDOWS:
        raise DataError(f"n_windows must be from 1 to {MAX_WINDOWS}, got {n_windows}.")
    if step_size < 1:
        raise DataError(f"step_size must be 1 or more, got {step_size}.")


def _too_short(panel: Panel, horizon: int, n_windows: int, step_size: int) -> DataError:
    longest = int(panel.lengths.max(initial=0))
    return DataError(
        f"No series is long enough for a backtest: the longest of {len(panel)} has {longest} "
        f"points, and a window of horizon {horizon} needs {horizon + MIN_HISTORY} (all {n_windows} "
        f"need {horizon + MIN_HISTORY + (n_windows - 1) * step_size}). "
        "Use a shorter horizon or longer series."
    )


def _check_forecast(
    name: str, forecast: Forecast, history: Panel, horizon: int, levels: tuple[float, ...]
) -> None:
    expected = (len(history), horizon, len(levels))
    if forecast.quantiles.shape != expected or not np.array_equal(forecast.ids, history.ids):
        raise DataError(
            f"The forecast of '{name}' has quantiles of shape {forecast.quantiles.shape}, expected "
            f"{expected} for the same series in the same order."
        )
    finite = np.isfinite(forecast.mean) & np.isfinite(forecast.quantiles).all(axis=2)
    bad = np.flatnonzero(~finite.all(axis=1))
    if bad.size:
        raise DataError(
            f"The forecast of '{name}' for series {str(history.ids[bad[0]])!r} has NaN or infinite "
            f"values ({bad.size} of {len(history)} series)."
        )
