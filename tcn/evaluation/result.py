"""What a backtest found: forecasts of the past, what came, and the measures of each method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.evaluation.measures import Measures, central_interval, measures_by_series
from tcn.series import Forecast

Array = NDArray[np.float64]

REFERENCE = "seasonal_naive"


@dataclass(frozen=True, eq=False)
class Window:
    """One origin: the forecasts of the series long enough for it, and what came.

    forecasts: by the name of each forecaster. cutoffs (N,): the last stamp each forecast knew.
    actual (N, H), NaN where unknown. scale (N,): seasonal errors, by which MASE divides. measures:
    by method. left_out: ids of series too short for this window, or with nothing known on a side.
    """

    forecasts: Mapping[str, Forecast]
    cutoffs: NDArray[Any]
    actual: Array
    scale: Array
    measures: Mapping[str, Measures]
    left_out: NDArray[np.str_]

    @property
    def forecast(self) -> Forecast:
        """That of the first forecaster."""
        return next(iter(self.forecasts.values()))


@dataclass(frozen=True, eq=False, repr=False)
class BacktestResult:
    """Windows from the oldest to the newest, and the measures of each method over all of them.

    `measures` has those of forecasters and baselines by name; `print(result)` shows their table.
    """

    horizon: int
    step_size: int
    windows: tuple[Window, ...]
    measures: Mapping[str, Measures]
    frame_kind: str = "pandas"

    def __repr__(self) -> str:
        methods = ", ".join(self.measures)
        return f"BacktestResult(horizon={self.horizon}, {self.n_windows} windows: {methods})"

    def __str__(self) -> str:
        return self.to_text()

    @property
    def n_windows(self) -> int:
        """Windows that at least one series was long enough for."""
        return len(self.windows)

    def relative(self, method: str | None = None) -> Measures | None:
        """Measures divided by seasonal naive's (coverage as it is); None without seasonal naive.

        method: a forecaster or baseline; the first forecaster unless given.
        """
        reference = self.measures.get(REFERENCE)
        if reference is None:
            return None
        mine = self.measures[self._known(method, self.measures)]
        ratios = {
            name: _ratio(getattr(mine, name), getattr(reference, name))
            for name in ("mase", "wql", "smape", "mae", "mse", "rmse")
        }
        return Measures(**ratios, coverage=mine.coverage)

    def to_frame(self, kind: str | None = None, *, method: str | None = None) -> Any:
        """The forecasts of one forecaster: unique_id, ds, cutoff, y, mean, q0.1, ...

        `kind` is "pandas", "polars" or "pyarrow"; by default the kind the panel came from.
        method: a forecaster; the first unless given.
        """
        from tcn.series.frames import build_frame, stamps

        forecast, cutoffs, actual = self._rows(method)
        owner = np.repeat(np.arange(len(forecast)), self.horizon)
        columns: dict[str, Any] = {
            "cutoff": stamps(cutoffs[owner], forecast.tz),
            "y": actual.ravel(),
            "mean": forecast.mean.ravel(),
        }
        for q, level in enumerate(forecast.quantile_levels):
            columns[f"q{level:g}"] = forecast.quantiles[:, :, q].ravel()
        kind = kind or self.frame_kind
        return build_frame(forecast.ids, owner, forecast.times.ravel(), columns, forecast.tz, kind)

    def by_series(self, kind: str | None = None, *, method: str | None = None) -> Any:
        """The measures of each series over all windows: unique_id, mase, wql, smape, mae, ...

        One row a series. `kind` and `method` as in `to_frame`; NaN where a measure has nothing to
        go by.
        """
        from tcn.series.frames import plain_frame

        forecast, _, actual = self._rows(method)
        ids = list(dict.fromkeys(forecast.ids.tolist()))
        place = {name: row for row, name in enumerate(ids)}
        owner = np.array([place[name] for name in forecast.ids.tolist()], np.int64)
        scale = np.concatenate([window.scale for window in self.windows])
        found = measures_by_series(forecast, actual, scale, owner, len(ids))
        return plain_frame({"unique_id": ids, **found}, kind or self.frame_kind)

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
        width = max(16, *(len(name) + 2 for name in self.measures))
        header = f"{'method':<{width}}{'MASE':>9}{'relative':>10}{'WQL':>9}{'relative':>10}"
        lines = [f"{header}{'sMAPE':>9}{'MAE':>12}{'RMSE':>12}{share:>10}"]
        ordered = sorted(self.measures, key=lambda name: _last_if_nan(self.measures[name].mase))
        for name in ordered:
            found, relative = self.measures[name], self.relative(name)
            ratios = (relative.mase, relative.wql) if relative else (np.nan, np.nan)
            lines.append(
                f"{name:<{width}}{found.mase:>9.3f}{ratios[0]:>10.3f}"
                f"{found.wql:>9.4f}{ratios[1]:>10.3f}"
                f"{100 * found.smape:>8.2f}%{found.mae:>12.5g}{found.rmse:>12.5g}"
                f"{100 * found.coverage:>9.1f}%"
            )
        return "\n".join([*lines, *_left_out_lines(self.windows)])

    def _rows(self, method: str | None) -> tuple[Forecast, NDArray[Any], Array]:
        """Forecasts, cutoffs and actual values of all windows, one after another."""
        name = self._known(method, self.windows[0].forecasts)
        parts = [window.forecasts[name] for window in self.windows]
        forecast = replace(
            parts[0],
            ids=np.concatenate([part.ids for part in parts]),
            times=np.concatenate([part.times for part in parts]),
            mean=np.concatenate([part.mean for part in parts]),
            quantiles=np.concatenate([part.quantiles for part in parts]),
        )
        cutoffs = np.concatenate([window.cutoffs for window in self.windows])
        return forecast, cutoffs, np.concatenate([window.actual for window in self.windows])

    def _known(self, method: str | None, names: Mapping[str, Any]) -> str:
        """The method asked for, or the first."""
        if method is None:
            return next(iter(names))
        if method not in names:
            raise DataError(f"There is no method {method!r} here; use one of {', '.join(names)}.")
        return method


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


def _ratio(value: float, reference: float) -> float:
    return value / reference if reference > 0 else float("nan")


def _last_if_nan(value: float) -> float:
    return np.inf if np.isnan(value) else value
