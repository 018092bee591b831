"""Forecast: what a forecaster says about the future of a panel."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.frequency import Times


@dataclass(frozen=True, eq=False)
class Forecast:
    """N series, H steps ahead, Q quantiles.

    ids (N,), times (N, H) as UTC datetime64[ns] or int64, mean (N, H), quantiles (N, H, Q) for
    `quantile_levels` in (0, 1). `tz` is the zone in which `to_frame` shows the times.
    """

    ids: NDArray[np.str_]
    times: Times
    mean: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    quantile_levels: tuple[float, ...]
    freq: str | None = None
    tz: str | None = None
    frame_kind: str = "pandas"

    def __post_init__(self) -> None:
        """Check shapes against each other."""
        n, levels = len(self.ids), len(self.quantile_levels)
        horizon = self.mean.shape[1] if self.mean.ndim == 2 else -1
        found = (self.times.shape, self.mean.shape, self.quantiles.shape)
        if found != ((n, horizon), (n, horizon), (n, horizon, levels)):
            raise DataError(
                f"A forecast of {n} series and {levels} quantile levels needs times (N, H), "
                f"mean (N, H) and quantiles (N, H, Q), got shapes {found}."
            )

    @property
    def horizon(self) -> int:
        """Steps forecast."""
        return int(self.mean.shape[1])

    def __repr__(self) -> str:
        n, horizon, levels = self.quantiles.shape
        return (
            f"Forecast({n} series, {horizon} steps, {levels} quantile levels, freq={self.freq!r})"
        )

    def __len__(self) -> int:
        return len(self.ids)

    def quantile(self, level: float) -> NDArray[np.float64]:
        """The (N, H) values of one quantile level."""
        for index, known in enumerate(self.quantile_levels):
            if abs(known - level) < 1e-9:
                return self.quantiles[:, :, index]
        raise DataError(
            f"Quantile level {level!r} is not in this forecast; it has {self.quantile_levels}. "
            f"Pass it in quantile_levels when forecasting."
        )

    def to_frame(self, kind: str | None = None) -> Any:
        """A long table: unique_id, ds, mean, q0.1, ...; N * H rows.

        `kind` is "pandas", "polars" or "pyarrow"; by default the kind the panel came from.
        """
        from tcn.series.frames import forecast_to_frame

        return forecast_to_frame(self, kind or self.frame_kind)
