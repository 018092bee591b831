"""Rolling-origin backtests: forecast the past from what was known before it, and measure.

The last window ends where the series end; each earlier one ends `step_size` points before. A
forecaster is handed the points before the cutoff and nothing after: only covariates known in
advance reach `horizon` steps further.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import ConfigError, DataError
from tcn.evaluation.baselines import DEFAULT_LEVELS, n_observed, named_baseline
from tcn.evaluation.measures import Measures, Weighted, central_interval, measure, pooled
from tcn.evaluation.metrics import seasonal_error
from tcn.series import Forecast, Panel, seasons_of
from tcn.series.batches import windows_ending_at
from tcn.series.panel import require_panel

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Predict = Callable[..., Forecast]

FORECASTER = "forecaster"
REFERENCE = "seasonal_naive"
MIN_HISTORY = 2
MAX_WINDOWS = 1000


@dataclass(frozen=True, eq=False)
class Window:
    """One origin: the forecast of the series long enough for it, and what came.

    cutoffs (N,): the last stamp each forecast knew. actual (N, H), NaN where unknown. measures: by
    method. left_out: ids of series too short for this window, or with nothing known on a side.
    """

    forecast: Forecast
    cutoffs: NDArray[Any]
    actual: Array
    measures: Mapping[str, Measures]
    left_out: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """Windows from the oldest to the newest, and the measures of each method over all of them."""

    horizon: int
    step_size: int
    windows: tuple[Window, ...]
    measures: Mapping[str, Measures]
    frame_kind: str = "pandas"

    @property
    def n_windows(self) -> int:
        return len(self.windows)

    def relative(self, method: str = FORECASTER) -> Measures | None:
        """Measures divided by seasonal naive's (coverage as it is); None without seasonal naive."""
        reference = self.measures.get(REFERENCE)
        if reference is None:
            return None
        mine = self.measures[method]
        ratios = {
            name: _ratio(getattr(mine, name), getattr(reference, name))
            for name in ("mase", "wql", "smape", "mae", "mse", "rmse")
        }
        return Measures(**ratios, coverage=mine.coverage)

    def to_frame(self, kind: str | None = None) -> Any:
        """The forecaster's forecasts: unique_id, ds, cutoff, y, mean, q0.1, ...

        `kind` is "pandas", "polars" or "pyarrow"; by default the kind the panel came from.
        """
        from tcn.series.frames import build_frame

        forecasts = [window.forecast for window in self.windows]
        first = forecasts[0]
        ids = np.concatenate([forecast.ids for forecast in forecasts])
        owner = np.repeat(np.arange(len(ids)), self.horizon)
        columns: dict[str, Any] = {
            "cutoff": np.concatenate([window.cutoffs for window in self.windows])[owner],
            "y": np.concatenate([window.actual.ravel() for window in self.windows]),
            "mean": np.concatenate([forecast.mean.ravel() for forecast in forecasts]),
        }
        for q, level in enumerate(first.quantile_levels):
            values = [forecast.quantiles[:, :, q].ravel() for forecast in forecasts]
            columns[f"q{level:g}"] = np.concatenate(values)
        times = np.concatenate([forecast.times.ravel() for forecast in forecasts])
        columns["cutoff"] = _stamps(columns["cutoff"], first.tz)
        return build_frame(ids, owner, times, columns, first.tz, kind or self.frame_kind)

    def to_dict(self) -> dict[str, Any]:
        """The measures, JSON-ready: of each method, relative to seasonal naive, of each window."""
        relative = {name: self.relative(name) for name in self.measures}
        return {
            "horizon": self.horizon,
            "n_windows": self.n_windows,
            "step_size": self.step_size,
            "measures": {name: found.to_dict() for name, found in self.measures.items()},
            "relative": {name: r.to_dict() for name, r in relative.items() if r is not None},
            "windows": [_window_summary(window) for window in self.windows],
        }

    def to_text(self) -> str:
        """A table for people: one line a method, best MASE first."""
        interval = central_interval(self.windows[0].forecast.quantile_levels)
        share = f"in {100 * (interval[1] - interval[0]):.0f} %" if interval else "coverage"
        header = f"{'method':<16}{'MASE':>9}{'relative':>10}{'WQL':>9}{'relative':>10}"
        lines = [f"{header}{'sMAPE':>9}{'MAE':>12}{'RMSE':>12}{share:>10}"]
        ordered = sorted(self.measures, key=lambda name: _last_if_nan(self.measures[name].mase))
        for name in ordered:
            found, relative = self.measures[name], self.relative(name)
            ratios = (relative.mase, relative.wql) if relative else (np.nan, np.nan)
            lines.append(
                f"{name:<16}{found.mase:>9.3f}{ratios[0]:>10.3f}{found.wql:>9.4f}{ratios[1]:>10.3f}"
                f"{100 * found.smape:>8.2f}%{found.mae:>12.5g}{found.rmse:>12.5g}"
                f"{100 * found.coverage:>9.1f}%"
            )
        return "\n".join([*lines, *_left_out_lines(self.windows)])


def backtest(
    predict: Predict,
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

    step_size: points between windows, `horizon` unless given. season_length: for seasonal naive and
    MASE; unless given as `tcn.series.seasons_of` says. baselines: names of
    `tcn.evaluation.baselines`; "auto_ets" and "auto_theta" too where statsforecast is installed.
    progress: called with the number of windows done, and of all.

    A series too short for a window (two known points before it, one in it) is left out of that
    window and named in the result. Raises DataError if none is long enough for any window, or if
    a forecast is not finite.
    """
    require_panel(panel)
    if not callable(predict):
        raise ConfigError(
            f"backtest calls a function of the history, got a {type(predict).__name__}. "
            "Pass forecaster.predict, or a baseline such as tcn.evaluation.naive."
        )
    step = horizon if step_size is None else step_size
    _check_sizes(horizon, n_windows, step)
    if season_length is not None:
        panel = replace(panel, season_length=season_length)
    methods = {FORECASTER: predict} | {name: named_baseline(name) for name in baselines}
    levels = tuple(float(level) for level in quantile_levels)
    windows: list[Window] = []
    weighted: dict[str, list[Weighted]] = {name: [] for name in methods}
    for index in range(n_windows):
        held_back = horizon + (n_windows - 1 - index) * step
        window = _run_window(methods, panel, horizon, held_back, levels, weighted)
        if window is not None:
            windows.append(window)
        if progress is not None:
            progress(index + 1, n_windows)
    if not windows:
        raise _too_short(panel, horizon, n_windows, step)
    measures = {name: pooled(parts) for name, parts in weighted.items()}
    return BacktestResult(horizon, step, tuple(windows), measures, panel.frame_kind)


def _run_window(
    methods: Mapping[str, Predict],
    panel: Panel,
    horizon: int,
    held_back: int,
    levels: tuple[float, ...],
    weighted: dict[str, list[Weighted]],
) -> Window | None:
    """Forecast one window by every method; None where no series is long enough for it."""
    ends = panel.lengths - held_back
    rows = np.flatnonzero(ends >= MIN_HISTORY)
    actual = windows_ending_at(panel, rows, ends[rows] + horizon, horizon)
    history = _history(panel, rows, ends[rows], horizon)
    usable = (n_observed(history) >= MIN_HISTORY) & ~np.isnan(actual).all(axis=1)
    rows, actual, history = rows[usable], actual[usable], history.take(usable)
    if not len(rows):
        return None
    scale = seasonal_error(history, seasons_of(history))
    mine: Forecast | None = None
    for name, predict in methods.items():
        forecast = predict(history, horizon=horizon, quantile_levels=levels)
        _check_forecast(name, forecast, history, horizon, levels)
        weighted[name].append(measure(forecast, actual, scale))
        mine = forecast if mine is None else mine
    assert mine is not None
    last = history.frequency.shift(history.starts, history.lengths - 1, history.tz)
    return Window(
        forecast=mine,
        cutoffs=last,
        actual=actual,
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


def _window_summary(window: Window) -> dict[str, Any]:
    return {
        "first_cutoff": str(window.cutoffs.min()),
        "last_cutoff": str(window.cutoffs.max()),
        "n_series": len(window.forecast),
        "n_left_out": len(window.left_out),
        "measures": {name: found.to_dict() for name, found in window.measures.items()},
    }


def _left_out_lines(windows: Sequence[Window]) -> list[str]:
    """Say how many series each window leaves out, with the first names."""
    lines = []
    for index, window in enumerate(windows):
        n = len(window.left_out)
        if n:
            names = ", ".join(window.left_out[:3].tolist()) + (", ..." if n > 3 else "")
            lines.append(f"Window {index + 1} leaves out {n} series that are too short: {names}")
    return lines


def _stamps(times: NDArray[Any], tz: str | None) -> Any:
    import pyarrow as pa

    if np.issubdtype(times.dtype, np.datetime64):
        return pa.array(times.astype("datetime64[ns]"), pa.timestamp("ns", tz))
    return times


def _ratio(value: float, reference: float) -> float:
    return value / reference if reference > 0 else float("nan")


def _last_if_nan(value: float) -> float:
    return np.inf if np.isnan(value) else value
