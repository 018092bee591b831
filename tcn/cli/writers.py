"""Where forecasts go: a CSV or parquet file, stdout, JSON, or a table on the terminal.

A writer takes forecasts one after another, so that a million series are never held at once, and a
file appears under its name only when it is complete.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from tcn.cli.console import write_json, write_table
from tcn.errors import ConfigError
from tcn.series import Forecast
from tcn.series.iso import iso_stamps

MAX_SHOWN_ROWS = 48


class ForecastWriter(ABC):
    """Takes forecasts in order."""

    @abstractmethod
    def write(self, forecast: Forecast) -> None: ...

    def close(self) -> None:  # noqa: B027  most writers have nothing left to do
        """Finish; called once, after the last forecast."""


class CsvWriter(ForecastWriter):
    """Rows `unique_id, ds, mean, q...` with one header line."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.has_header = False

    def write(self, forecast: Forecast) -> None:
        frame = forecast.to_frame("pandas")
        frame.to_csv(self.stream, index=False, header=not self.has_header)
        self.has_header = True


class ParquetWriter(ForecastWriter):
    """The same columns as a row group for each forecast."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: Any = None

    def write(self, forecast: Forecast) -> None:
        import pyarrow.parquet

        table = forecast.to_frame("pyarrow")
        if self.writer is None:
            self.writer = pyarrow.parquet.ParquetWriter(self.path, table.schema, compression="zstd")
        self.writer.write_table(table.cast(self.writer.schema))

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


class JsonWriter(ForecastWriter):
    """One document: model, and for each series its id, ds, mean and quantiles."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.forecasts: list[dict[str, Any]] = []

    def write(self, forecast: Forecast) -> None:
        self.forecasts.extend(forecast_records(forecast))

    def close(self) -> None:
        write_json({"model": self.model, "forecasts": self.forecasts})


class TableWriter(ForecastWriter):
    """The first rows as a table for a person."""

    def __init__(self) -> None:
        self.columns: list[str] = []
        self.rows: list[list[str]] = []
        self.n_rows = 0

    def write(self, forecast: Forecast) -> None:
        self.n_rows += forecast.mean.size
        if len(self.rows) < MAX_SHOWN_ROWS:
            frame = forecast.to_frame("pandas").head(MAX_SHOWN_ROWS - len(self.rows))
            self.columns = list(frame.columns)
            self.rows += _cells(frame)

    def close(self) -> None:
        write_table(self.columns, self.rows)
        _tell_of_more(self.n_rows - len(self.rows))


@contextmanager
def forecast_writer(out: Path | None, model: str, *, as_json: bool) -> Iterator[ForecastWriter]:
    """Yield the writer that the options ask for; a file is complete or not there at all."""
    if out is not None:
        with _file_writer(out) as writer:
            yield writer
        return
    if as_json:
        writer = JsonWriter(model)
    else:
        writer = TableWriter() if sys.stdout.isatty() else CsvWriter(sys.stdout)
    yield writer
    writer.close()


def require_known_suffix(out: Path | None) -> None:
    """Raise `ConfigError` unless --out can be written, before any work is done."""
    if out is not None and out.suffix.lower() not in (".csv", ".parquet"):
        raise ConfigError(f"--out must end in .csv or .parquet, got '{out}'.")
    if out is not None and not out.absolute().parent.is_dir():
        raise ConfigError(f"There is no directory '{out.absolute().parent}' for --out. Make it.")


def write_frame(frame: Any, out: Path) -> None:
    """Write a pandas frame to the CSV or parquet file `out`, whole or not at all."""
    with whole_file(out) as temporary:
        if out.suffix.lower() == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            frame.to_csv(temporary, index=False)


def write_rows(frame: Any) -> None:
    """Write a pandas frame to stdout: its first rows as a table on a terminal, CSV elsewhere."""
    if not sys.stdout.isatty():
        frame.to_csv(sys.stdout, index=False)
        return
    write_table(list(frame.columns), _cells(frame.head(MAX_SHOWN_ROWS)))
    _tell_of_more(len(frame) - MAX_SHOWN_ROWS)


def forecast_records(forecast: Forecast) -> Iterator[dict[str, Any]]:
    """One JSON-ready record a series, in the shape the HTTP service answers with."""
    for index, series_id in enumerate(forecast.ids):
        yield {
            "id": str(series_id),
            "ds": iso_stamps(forecast.times[index], forecast.tz, forecast.freq),
            "mean": forecast.mean[index].tolist(),
            "quantiles": {
                f"{level:g}": forecast.quantiles[index, :, position].tolist()
                for position, level in enumerate(forecast.quantile_levels)
            },
        }


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block has succeeded."""
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _file_writer(out: Path) -> Iterator[ForecastWriter]:
    with whole_file(out) as temporary:
        if out.suffix.lower() == ".parquet":
            writer = ParquetWriter(temporary)
            yield writer
            writer.close()
        else:
            with temporary.open("w", encoding="utf-8", newline="") as stream:
                yield CsvWriter(stream)


def _cells(frame: Any) -> list[list[str]]:
    return [[_cell(value) for value in row] for row in frame.itertuples(index=False)]


def _tell_of_more(n_rows: int) -> None:
    if n_rows > 0:
        sys.stdout.write(f"{n_rows:,} more rows: write them with --out.\n")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.5g}"
    return str(value).removesuffix(" 00:00:00")
