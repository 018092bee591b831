"""A long parquet file, read as panels of complete series, so that memory does not grow with it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.cli.columns import Columns
from tcn.series import Panel
from tcn.series.columns import Table
from tcn.series.grid import Roles, Spacing
from tcn.series.parquet_pieces import ROWS_PER_BATCH, ROWS_PER_PIECE, opened, tables_between
from tcn.series.tables import Asked, panel_of_table


@dataclass(frozen=True)
class GroupedParquet:
    """A parquet file in which the rows of each series stand together.

    `first_rows` (n_series,) is the row where each series begins.
    """

    path: Path
    columns: Columns
    first_rows: NDArray[np.int64]
    n_rows: int

    @property
    def n_series(self) -> int:
        """Series in the file."""
        return len(self.first_rows)

    @classmethod
    def of(cls, path: Path, columns: Columns) -> "GroupedParquet | None":
        """Look at the id column alone; None when the file is short or must be read whole."""
        import pyarrow

        try:
            file = opened(path)
        except pyarrow.ArrowException:
            return None  # not parquet: the reader of whole files says so
        with file:
            n_rows = file.metadata.num_rows
            id_col = columns.id_col or "unique_id"
            is_short = n_rows <= ROWS_PER_PIECE or columns.future is not None
            if is_short or not isinstance(id_col, str) or id_col not in file.schema_arrow.names:
                return None
            first_rows = _first_rows(file, id_col)
        return None if first_rows is None else cls(path, columns, first_rows, n_rows)

    def __iter__(self) -> Iterator[Panel]:
        """Panels of about `ROWS_PER_PIECE` rows; what the first one finds holds for the others."""
        columns = self.columns
        for table in tables_between(self.path, self._cuts(), None):
            panel = _read(table, columns)
            columns = columns.as_in(panel)
            yield panel

    def _cuts(self) -> list[int]:
        """Rows at which pieces end: the first series boundary after each million rows."""
        ends = np.append(self.first_rows[1:], self.n_rows)
        pieces = np.unique(
            np.searchsorted(ends, np.arange(ROWS_PER_PIECE, self.n_rows, ROWS_PER_PIECE))
        )
        cuts = [int(end) for end in ends[pieces] if end < self.n_rows]
        return [*cuts, self.n_rows]


def _read(table: Table, columns: Columns) -> Panel:
    return panel_of_table(
        replace(table, time_format=columns.time_format),
        Asked(columns.id_col, columns.time_col, columns.target_col),
        Roles(columns.past_covariates, columns.future_covariates, columns.static_covariates),
        Spacing(columns.freq, columns.tz, columns.season_length),
    )


def _first_rows(file: Any, id_col: str) -> NDArray[np.int64] | None:
    """Where each series begins, or None when the rows of one are scattered over the file."""
    import pyarrow
    import pyarrow.compute

    firsts: list[NDArray[np.int64]] = []
    names: list[Any] = []
    last: Any = None
    row = 0
    for batch in file.iter_batches(ROWS_PER_BATCH, columns=[id_col]):
        column = batch.column(0)
        if len(column) == 0:
            continue
        if column.null_count:
            return None
        if pyarrow.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        changes = pyarrow.compute.not_equal(column.slice(1), column.slice(0, len(column) - 1))
        starts = np.flatnonzero(
            np.append(column[0] != last, changes.to_numpy(zero_copy_only=False))
        )
        firsts.append(row + starts)
        names.append(column.take(pyarrow.array(starts)))
        last = column[len(column) - 1]
        row += len(column)
    if row == 0:
        return None
    runs = pyarrow.chunked_array(names)
    if pyarrow.compute.count_distinct(runs, mode="all").as_py() < len(runs):
        return None
    return np.concatenate(firsts)
