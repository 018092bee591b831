"""Series: panels, forecasts, frequencies, seasons, and reading them from files and frames."""

from tcn.series.covariates import Covariates
from tcn.series.files import read_csv, read_parquet
from tcn.series.forecast import Forecast
from tcn.series.frequency import Frequency, canonical_frequency, parse_frequency, season_length_of
from tcn.series.long import read_frame
from tcn.series.panel import Panel
from tcn.series.plot import plot_forecast
from tcn.series.season import detect_season, detect_seasons, seasons_of
from tcn.series.source import Source
from tcn.series.stored import open_parquet
from tcn.series.wide import read_wide_frame

__all__ = [
    "Covariates",
    "Forecast",
    "Frequency",
    "Panel",
    "Source",
    "canonical_frequency",
    "detect_season",
    "detect_seasons",
    "open_parquet",
    "parse_frequency",
    "plot_forecast",
    "read_csv",
    "read_frame",
    "read_parquet",
    "read_wide_frame",
    "season_length_of",
    "seasons_of",
]
