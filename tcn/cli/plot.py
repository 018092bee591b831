"""`--plot`: history, forecast and intervals of the first series as a picture."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from tcn.errors import ConfigError
from tcn.series import Forecast, Panel

SUFFIXES = (".png", ".svg", ".pdf")
MAX_SERIES = 9
N_COLUMNS = 3


def require_plotting(path: Path) -> None:
    """Raise `ConfigError` unless a picture can be written to `path`."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--plot must end in {', '.join(SUFFIXES)}, got '{path}'.")
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("--plot needs matplotlib. Install it: pip install 'tcn-forecast[plot]'.")


def plot_forecast(panel: Panel, forecast: Forecast, path: Path) -> None:
    """Draw up to nine series, each with the last part of its history."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = min(len(panel), MAX_SERIES)
    n_columns = min(shown, N_COLUMNS)
    n_rows = -(-shown // n_columns)
    figure = Figure(figsize=(2.0 + 6.0 * n_columns, 1.0 + 3.0 * n_rows), layout="constrained")
    FigureCanvasAgg(figure)
    for index in range(shown):
        _draw(figure.add_subplot(n_rows, n_columns, index + 1), panel, forecast, index)
    figure.savefig(path)


def _draw(axes: Any, panel: Panel, forecast: Forecast, index: int) -> None:
    history = panel[index]
    kept = min(len(history), max(4 * forecast.horizon, 48))
    times = panel.frequency.shift(
        panel.starts[index], np.arange(len(history) - kept, len(history)), panel.tz
    )
    axes.plot(times, history[len(history) - kept :], color="0.25", linewidth=1.2)
    ahead = forecast.times[index]
    levels = forecast.quantile_levels
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low
        label = f"{levels[low]:g} to {levels[high]:g}"
        band = forecast.quantiles[index, :, low], forecast.quantiles[index, :, high]
        axes.fill_between(ahead, *band, color="tab:blue", alpha=0.2, linewidth=0, label=label)
    axes.plot(ahead, forecast.mean[index], color="tab:blue", linewidth=1.6, label="mean")
    axes.set_title(str(forecast.ids[index]), loc="left", fontsize="medium")
    axes.legend(frameon=False, fontsize="small")
