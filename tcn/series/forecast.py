"""Forecast: what a forecaster says about the future of a panel."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcn.errors import DataError
from tcn.series.frequency import Times
from tcn.series.places import positions_of


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

    def interval(self, share: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper bound, (N, H) each, of the central interval that holds `share`.

        Its levels must be in the forecast: those of 0.8 (80 %) are 0.1 and 0.9.
        """
        if not 0.0 < share < 1.0:
            raise DataError(f"An interval holds a share between 0 and 1, got {share}; 80 % is 0.8.")
        low = round((1.0 - share) / 2.0, 12)
        return self.quantile(low), self.quantile(round(1.0 - low, 12))

    def take(self, indices: ArrayLike) -> "Forecast":
        """The forecasts of these series (whole numbers, a Boolean mask, or ids), in that order."""
        rows = positions_of(self.ids, indices)
        return replace(
            self,
            ids=self.ids[rows],
            times=self.times[rows],
            mean=self.mean[rows],
            quantiles=self.quantiles[rows],
        )

    def to_frame(self, kind: str | None = None) -> Any:
        """A long table: unique_id, ds, mean, q0.1, ...; N * H rows.

        `kind` is "pandas", "polars" or "pyarrow"; by default the kind the panel came from.
        """
        from tcn.series.frames import forecast_to_frame

        return forecast_to_frame(self, kind or self.frame_kind)
