"""ForecastStream: push new values, get a forecast."""

from typing import Any

from numpy.typing import ArrayLike

from tcn.forecaster import Forecaster
from tcn.series.forecast import Forecast
from tcn.series.panel import Panel, require_panel


class ForecastStream:
    """Series that grow, and a forecaster that follows them.

    A stream keeps the newest `context_length` values of each series and nothing older; a forecast
    from it equals `forecaster.predict` on the whole history. `panel` is its state: a value that can
    be kept, saved, or used to open the same stream elsewhere.

    >>> import tcn
    >>> stream = ForecastStream(tcn.load("zero"), tcn.Panel.from_arrays([[1.0, 2.0, 3.0]]))
    >>> stream.push([4.0], horizon=2).mean.shape
    (1, 2)
    """

    def __init__(self, forecaster: Forecaster, panel: Panel) -> None:
        require_panel(panel)
        self.forecaster = forecaster
        self.panel = panel.last(forecaster.config.context_length)

    def push(self, new_values: ArrayLike, **options: Any) -> Forecast:
        """Append values and forecast; `options` are those of `Forecaster.predict`.

        new_values: (S,) one per series, or (S, k); NaN where one is missing.
        """
        self.append(new_values)
        return self.forecast(**options)

    def append(self, new_values: ArrayLike) -> None:
        """Append values without a forecast; see `push`."""
        grown = self.panel.extended(new_values)
        self.panel = grown.last(self.forecaster.config.context_length)

    def forecast(self, **options: Any) -> Forecast:
        """Forecast from the values so far."""
        return self.forecaster.predict(self.panel, **options)
