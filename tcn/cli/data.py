"""Reading the file a command is given, whole or in pieces of complete series."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tcn.cli.columns import Columns
from tcn.cli.console import say
from tcn.cli.pieces import GroupedParquet
from tcn.errors import DataError
from tcn.forecaster import Forecaster
from tcn.series import Panel, open_parquet, read_csv, read_parquet

PARQUET = (".parquet", ".pq")
STDIN = Path("-")
CSV_ONLY = ("decimal", "delimiter", "encoding")


def read_panel(path: Path, columns: Columns) -> Panel:
    """Read a CSV or parquet file, or the CSV text on stdin, whole."""
    require_file(path)
    options = _given(path, columns)
    if path == STDIN:
        return read_csv(sys.stdin.buffer, **options)
    return read_parquet(path, **options) if is_parquet(path) else read_csv(path, **options)


@contextmanager
def stored_panel(path: Path, columns: Columns, folder: Path) -> Iterator[Panel]:
    """The panel that `read_panel` gives; the numbers of a long parquet file stay in `folder`."""
    require_file(path)
    if not is_parquet(path):
        yield read_panel(path, columns)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open_parquet(path, folder=folder, **_given(path, columns)) as panel:
        yield panel


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


def tell_unread(panel: Panel, forecaster: Forecaster, *, quiet: bool) -> None:
    """Say on stderr which covariates of the data the model does not read."""
    unread = forecaster.unread(panel)
    if unread:
        say(
            f"Not used by {forecaster.name!r}: {', '.join(unread)}. A model reads the covariates "
            "that it was trained with; tcn train makes one that reads these.",
            quiet=quiet,
        )


def _given(path: Path, columns: Columns) -> dict[str, Any]:
    options = columns.given()
    for name in CSV_ONLY:
        if name in options and is_parquet(path):
            raise DataError(f"--{name} is for CSV files; '{path}' is a parquet file. Leave it out.")
    return options


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
