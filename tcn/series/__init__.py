"""Series: panels, forecasts, frequencies, seasons, and reading them from files and frames."""

from tcn.series.covariates import Covariates
from tcn.series.files import read_csv, read_parquet
from tcn.series.forecast import Forecast
from tcn.series.frames import read_frame
from tcn.series.frequency import Frequency, canonical_frequency, parse_frequency, season_length_of
from tcn.series.panel import Panel
from tcn.series.source import Source

__all__ = [
    "Covariates",
    "Forecast",
    "Frequency",
    "Panel",
    "Source",
    "canonical_frequency",
    "parse_frequency",
    "read_csv",
    "read_frame",
    "read_parquet",
    "season_length_of",
]
