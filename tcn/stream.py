"""ForecastStream: push new values, get a forecast."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcn.errors import DataError
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
        grown = self.panel.extended(_checked(new_values, self.panel))
        self.panel = grown.last(self.forecaster.config.context_length)

    def forecast(self, **options: Any) -> Forecast:
        """Forecast from the values so far."""
        return self.forecaster.predict(self.panel, **options)


def _checked(new_values: ArrayLike, panel: Panel) -> NDArray[np.float64]:
    values = np.asarray(new_values, dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or len(values) != len(panel):
        raise DataError(
            f"New values need the shape ({len(panel)},) or ({len(panel)}, k), one row per series, "
            f"got {np.shape(new_values)}."
        )
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise DataError(
            f"New value {column} of series {str(panel.ids[row])!r} is infinite. "
            "Give finite numbers, or NaN where one is missing."
        )
    return values
