"""A forecaster that costs nothing, for tests and benchmarks of the service itself.

`python -m service.testing` serves like `python -m service`, with this double behind every name.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service import logs
from service.__main__ import parser
from service.app import create_app
from service.gate import GatedApp
from service.runner import runner_beside
from service.server import serve
from service.settings import Settings
from tcn.errors import DataError
from tcn.series import Forecast, Panel

POISON = 666.0
DEFAULT_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class LastValue:
    """Forecasts the last observed value, with quantiles around it.

    A series that holds `POISON` is refused; `delay_s` is how long every batch takes; `shift` is
    added, so that answers of different versions differ.
    """

    name: str = "zero"
    delay_s: float = 0.0
    shift: float = 0.0

    def predict(
        self,
        panel: Panel,
        horizon: int | None = None,
        quantile_levels: tuple[float, ...] = DEFAULT_LEVELS,
        *,
        season_length: int | None = None,
    ) -> Forecast:
        """Return the last value of each series for all steps; `season_length` shifts it."""
        poisoned = panel.values == POISON
        if poisoned.any():
            row = int(np.searchsorted(panel.offsets, poisoned.argmax(), side="right")) - 1
            raise DataError(f"Series {str(panel.ids[row])!r} has a value that cannot be forecast.")
        if self.delay_s:
            time.sleep(self.delay_s)
        steps = horizon or 1
        last = _last_observed(panel) + (self.shift + (season_length or 0))
        with np.errstate(over="ignore"):
            spread = np.asarray(quantile_levels) - 0.5
            quantiles = last[:, None] + np.abs(last)[:, None] * spread * 4
        return Forecast(
            ids=panel.ids,
            times=_future_times(panel, steps),
            mean=np.repeat(last[:, None], steps, axis=1),
            quantiles=np.repeat(quantiles[:, None], steps, axis=1),
            quantile_levels=quantile_levels,
            freq=panel.freq,
            tz=panel.tz,
        )


def _last_observed(panel: Panel) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    last = panel.values[panel.offsets[1:] - 1]
    if not np.isnan(last).any():
        return last
    where = np.where(np.isnan(panel.values), -1, np.arange(len(panel.values)))
    positions = np.maximum.reduceat(where, panel.offsets[:-1])
    return panel.values[positions]


def _future_times(panel: Panel, steps: int) -> np.ndarray[tuple[int, ...], np.dtype[Any]]:
    """The stamps after each series; plain steps without the arithmetic of calendars."""
    if panel.freq is not None:
        return panel.future_times(steps)
    return (panel.starts + panel.lengths)[:, None] + np.arange(steps)


def load_double(name: str | Path) -> LastValue:
    """Stand for `tcn.load`; version 2 of a model forecasts two more than the last value."""
    version = Path(name).name
    return LastValue(str(name), shift=float(version) if version.isdigit() else 0.0)


def make_double_app(settings: Settings) -> GatedApp:
    """Return the application with the double behind every name."""
    return create_app(settings, load_double, ("zero",))


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the double."""
    options = vars(parser().parse_args(arguments))
    given = {key: value for key, value in options.items() if value is not None}
    settings = Settings.from_environment(given)
    logs.configure(settings.log_format)
    with runner_beside(settings):
        serve(make_double_app, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
