"""Reading CSV and parquet files, finding out what their columns are."""

import os
from collections.abc import Sequence
from pathlib import Path

from tcn.errors import DataError
from tcn.series.columns import Table
from tcn.series.csv_text import File, read_text_table
from tcn.series.grid import Roles, Spacing
from tcn.series.panel import Panel
from tcn.series.tables import Asked, panel_of_table


def read_csv(
    file: File,
    *,
    id_col: str | Sequence[str] | None = None,
    time_col: str | None = None,
    target_col: str | Sequence[str] | None = None,
    past_covariates: Sequence[str] = (),
    future_covariates: Sequence[str] = (),
    static_covariates: Sequence[str] = (),
    future: File | None = None,
    freq: str | None = None,
    tz: str | None = None,
    season_length: int | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    time_format: str | None = None,
) -> Panel:
    """Read a CSV file (a path, bytes, or an open file) as a panel.

    A long table has one row a series and time: its id, time and value columns are found by their
    names or contents. A wide table has one series a column. A table without times is read in the
    order of its rows. What was chosen is in `panel.source`; what cannot be decided is an error
    that says which argument decides it. Columns nobody named are left out of a long table.
    `id_col` may be several columns, whose texts are joined: "north/milk". Several columns as
    `target_col` are a wide table, whose covariates hold for all its series; "*" is every column of
    numbers that is nothing else.

    Commas, semicolons, tabs and bars separate columns; UTF-8 (or UTF-16 with its mark) unless
    `encoding` says otherwise; decimal commas and thousands separators are read where a column
    leaves no doubt. Nothing is decompressed. Row numbers in errors count the header as row 1.
    The rest is as in `Panel.from_frame`.
    """
    options = (delimiter, decimal, encoding, time_format)
    return panel_of_table(
        read_text_table(file, *options),
        Asked(id_col, time_col, target_col),
        Roles(tuple(past_covariates), tuple(future_covariates), tuple(static_covariates)),
        Spacing(freq, tz, season_length),
        future=None if future is None else read_text_table(future, *options),
    )


def read_parquet(
    file: str | os.PathLike[str],
    *,
    id_col: str | Sequence[str] | None = None,
    time_col: str | None = None,
    target_col: str | Sequence[str] | None = None,
    past_covariates: Sequence[str] = (),
    future_covariates: Sequence[str] = (),
    static_covariates: Sequence[str] = (),
    future: str | os.PathLike[str] | None = None,
    freq: str | None = None,
    tz: str | None = None,
    season_length: int | None = None,
    time_format: str | None = None,
) -> Panel:
    """Read a parquet file as a panel; its columns are found as in `read_csv`."""
    return panel_of_table(
        _read_parquet_table(file, time_format),
        Asked(id_col, time_col, target_col),
        Roles(tuple(past_covariates), tuple(future_covariates), tuple(static_covariates)),
        Spacing(freq, tz, season_length),
        future=None if future is None else _read_parquet_table(future, time_format),
    )


def _read_parquet_table(file: str | os.PathLike[str], time_format: str | None) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return Table(pq.read_table(Path(file), partitioning=None), time_format=time_format)
    except FileNotFoundError as error:
        raise DataError(f"There is no file {str(file)!r}. Check the path.") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{str(file)!r} cannot be read as parquet: {reason}") from error
