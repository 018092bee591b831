"""Fracast-0 (pip install fracast==0.1.0), the nearest offline peer, as a forecaster of panels."""

import numpy as np

from benchmarks.zero_shot import LEVELS, Predict
from tcn.series import Forecast, Panel


def fracast() -> Predict:
    """Its bundled weights; it looks for the season itself and gives the nine levels LEVELS."""
    from fracast import FracastModel

    model = FracastModel.from_pretrained()

    def predict(
        panel: Panel, horizon: int, quantile_levels: tuple[float, ...] = LEVELS, **_: object
    ) -> Forecast:
        if tuple(quantile_levels) != LEVELS:
            raise ValueError(f"fracast gives the levels {LEVELS}, not {quantile_levels}.")
        quantiles = np.stack([model.forecast(_filled(y), horizon=horizon) for y in panel])
        times = panel.future_times(horizon)
        return Forecast(panel.ids, times, quantiles[:, :, 4], quantiles, LEVELS)

    return predict


def _filled(values: np.ndarray) -> np.ndarray:
    """Missing values by lines between their neighbours, since it takes none."""
    seen = np.isfinite(values)
    return np.interp(np.arange(len(values)), np.flatnonzero(seen), values[seen])
