"""Reading the file a command is given, whole or in pieces of complete series."""

import sys
from collections.abc import Iterator
from pathlib import Path

from tcn.cli.columns import Columns
from tcn.cli.pieces import GroupedParquet
from tcn.errors import DataError
from tcn.series import Panel, read_csv, read_parquet

PARQUET = (".parquet", ".pq")
STDIN = Path("-")
CSV_ONLY = ("decimal", "delimiter", "encoding")


def read_panel(path: Path, columns: Columns) -> Panel:
    """Read a CSV or parquet file, or the CSV text on stdin, whole."""
    require_file(path)
    options = columns.given()
    if path == STDIN:
        return read_csv(sys.stdin.buffer, **options)
    if not is_parquet(path):
        return read_csv(path, **options)
    for name in CSV_ONLY:
        if name in options:
            raise DataError(f"--{name} is for CSV files; '{path}' is a parquet file. Leave it out.")
    return read_parquet(path, **options)


def read_pieces(path: Path, columns: Columns) -> tuple[int, Iterator[Panel]]:
    """Return the number of series and panels that together are the file.

    A long parquet file whose rows are grouped by series is never in memory as a whole.
    """
    require_file(path)
    grouped = GroupedParquet.of(path, columns) if is_parquet(path) else None
    if grouped is not None:
        return grouped.n_series, iter(grouped)
    panel = read_panel(path, columns)
    return len(panel), iter([panel])


def is_parquet(path: Path) -> bool:
    """Whether the name says that the file is parquet; all others are read as CSV."""
    return path.suffix.lower() in PARQUET


def require_file(path: Path) -> None:
    """Raise `DataError` unless `path` is a file, or stdin."""
    if path == STDIN:
        return
    if path.is_dir():
        raise DataError(f"'{path}' is a directory. Give a CSV or parquet file.")
    if not path.exists():
        raise DataError(f"There is no file '{path}'. Give the path of a CSV or parquet file.")
