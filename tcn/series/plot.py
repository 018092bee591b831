"""Pictures of series and their forecasts."""

import importlib.util
import io
from typing import Any

import numpy as np

from tcn.errors import ConfigError, DataError
from tcn.series.forecast import Forecast
from tcn.series.panel import Panel

MAX_SHOWN = 9
N_COLUMNS = 3
LINE, BANDS = "#1f6fb4", ("#d3e3f2", "#a3c6e4", "#72a8d6", "#4689c6")
POINTS_BEFORE = 48  # of the history, or four horizons if that is more


def plot_forecast(
    panel: Panel, forecast: Forecast, *, n_series: int = MAX_SHOWN, axes: Any = None
) -> Any:
    """Draw series, each with the end of its history, its forecast and intervals: a Figure.

    Needs matplotlib, and no display: `plot_forecast(panel, forecast).savefig("f.png")`; a notebook
    shows it. At most `MAX_SHOWN` series; `take` of both chooses others. With `axes` of a figure of
    your own the first series is drawn there. Where the panel goes on beyond the start of the
    forecast, what came is drawn over it. Quantile levels are paired from the outside in; the line
    is the mean.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("Plots need matplotlib. Install it: pip install 'tcn-forecast[plot]'.")
    if not np.array_equal(panel.ids, forecast.ids):
        raise DataError(
            "The forecast is not of this panel: their ids differ. Pass the panel of it."
        )
    if axes is not None:
        _draw(axes, panel, forecast, 0)
        return axes.figure
    shown = min(len(panel), n_series, MAX_SHOWN)
    n_columns = max(1, min(shown, N_COLUMNS))
    n_rows = -(-shown // n_columns)
    figure = _new_figure(2.0 + 6.0 * n_columns, 1.0 + 3.0 * n_rows)
    for index in range(shown):
        _draw(figure.add_subplot(n_rows, n_columns, index + 1), panel, forecast, index)
    return figure


def _new_figure(width: float, height: float) -> Any:
    """A figure without a display, which notebooks show as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class Picture(Figure):
        def _repr_png_(self) -> bytes:
            content = io.BytesIO()
            self.savefig(content, format="png")
            return content.getvalue()

    figure = Picture(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw(axes: Any, panel: Panel, forecast: Forecast, index: int) -> None:
    history, start = panel[index], panel.starts[index : index + 1]
    known = int(panel.frequency.steps_between(start, forecast.times[index, :1], panel.tz)[0])
    known = min(max(known, 0), len(history))  # points before the forecast
    kept = min(known, max(4 * forecast.horizon, POINTS_BEFORE))
    steps = np.arange(known - kept, min(len(history), known + forecast.horizon))
    times = panel.frequency.shift(start, steps, panel.tz)
    axes.plot(times, history[steps], color="0.2", linewidth=1.3)
    newest = history[max(known - 1, 0) : known]
    ahead = np.append(times[max(kept - 1, 0) : kept], forecast.times[index])  # from there on
    levels = forecast.quantile_levels
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low
        band = (np.append(newest, forecast.quantiles[index, :, q]) for q in (low, high))
        color = BANDS[min(low, len(BANDS) - 1)]
        label = f"{levels[low]:g} to {levels[high]:g}"
        axes.fill_between(ahead, *band, color=color, linewidth=0, label=label)
    axes.plot(ahead, np.append(newest, forecast.mean[index]), color=LINE, label="mean")
    axes.set_title(str(forecast.ids[index]), loc="left", fontsize="medium")
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    axes.grid(color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
