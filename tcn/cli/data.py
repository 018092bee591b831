"""Reading the file a command is given, whole or in pieces of complete series."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tcn.errors import DataError
from tcn.series import Panel

PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Columns:
    """What the user said about the columns; None and () leave the choice to the reader."""

    id_col: str | None = None
    time_col: str | None = None
    target_col: str | None = None
    freq: str | None = None
    season_length: int | None = None
    past_covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    static_covariates: tuple[str, ...] = ()

    def given(self) -> dict[str, Any]:
        """Return the options that were given, under the names the readers take."""
        given = {name: value for name, value in vars(self).items() if value not in (None, ())}
        given.pop("season_length", None)
        return given

    def apply_to(self, panel: Panel) -> Panel:
        """Return the panel with the season length that was given."""
        if self.season_length is None:
            return panel
        return replace(panel, season_length=self.season_length)


def read_panel(path: Path, columns: Columns) -> Panel:
    """Read a CSV or parquet file whole."""
    import tcn

    require_file(path)
    read = tcn.read_parquet if path.suffix.lower() in PARQUET else tcn.read_csv
    return columns.apply_to(read(path, **columns.given()))


def require_file(path: Path) -> None:
    """Raise `DataError` unless `path` is a file."""
    if path.is_dir():
        raise DataError(f"'{path}' is a directory. Give a CSV or parquet file.")
    if not path.exists():
        raise DataError(f"There is no file '{path}'. Give the path of a CSV or parquet file.")


def read_pieces(path: Path, columns: Columns) -> tuple[int | None, Iterator[Panel]]:
    """Return the number of series, where it is known, and panels that together are the file.

    A long parquet file whose rows are grouped by series is never in memory as a whole.
    """
    require_file(path)
    if path.suffix.lower() in PARQUET:
        from tcn.cli.pieces import GroupedParquet

        grouped = GroupedParquet.of(path, columns)
        if grouped is not None:
            return grouped.n_series, iter(grouped)
    panel = read_panel(path, columns)
    return len(panel), iter([panel])
