"""A forecaster that repeats the last value: a stand-in where the network does not matter."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from tcn.config import TCNConfig
from tcn.series import Forecast, Panel
from tcn.series.conditions import Conditions


@dataclass
class LastValue:
    """Keeps the panels it was asked about."""

    name: str = "last-value"
    config: TCNConfig = field(default_factory=TCNConfig)
    network: nn.Module = field(default_factory=lambda: nn.Linear(3, 2))
    conditions: Conditions = field(default_factory=Conditions)
    manifest: dict[str, Any] = field(default_factory=lambda: {"info": {"made_by": "hand"}})
    seen: list[Panel] = field(default_factory=list)

    def unread(self, panel):
        return self.conditions.unread(panel, "past", "static")

    def predict(self, panel, horizon=None, quantile_levels=(0.1, 0.5, 0.9), **options):
        self.seen.append(panel)
        last = np.array([series[-1] for series in panel])
        mean = np.repeat(last[:, None], horizon, axis=1)
        spread = np.asarray(quantile_levels) - 0.5
        return Forecast(
            ids=panel.ids,
            times=panel.future_times(horizon),
            mean=mean,
            quantiles=mean[:, :, None] + spread,
            quantile_levels=tuple(quantile_levels),
            freq=panel.freq,
            tz=panel.tz,
            frame_kind=panel.frame_kind,
        )
