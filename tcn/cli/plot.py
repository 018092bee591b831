"""`--plot`: history, forecast and intervals of the first series as a picture."""

import importlib.util
from pathlib import Path

from tcn.errors import ConfigError
from tcn.series import Forecast, Panel, plot_forecast

SUFFIXES = (".png", ".svg", ".pdf")


def require_plotting(path: Path) -> None:
    """Raise `ConfigError` unless a picture can be written to `path`."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--plot must end in {', '.join(SUFFIXES)}, got '{path}'.")
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("--plot needs matplotlib. Install it: pip install 'tcn-forecast[plot]'.")


def save_plot(panel: Panel, forecast: Forecast, path: Path) -> None:
    """Draw up to nine series, each with the end of its history, into a file."""
    plot_forecast(panel, forecast).savefig(path)
