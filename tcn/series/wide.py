"""Wide tables: one row a time, one series a column."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tcn.errors import DataError
from tcn.series.columns import Table
from tcn.series.frames import to_arrow, with_index, zone_of
from tcn.series.grid import Roles, Rows, assemble
from tcn.series.panel import Panel
from tcn.series.source import Source, listed


def read_wide_frame(
    frame: Any,
    *,
    time_col: str | None = "ds",
    freq: str | None = None,
    tz: str | None = None,
    season_length: int | None = None,
    time_format: str | None = None,
) -> Panel:
    """Read a wide frame (pandas, polars, pyarrow, or any other kind narwhals knows).

    Every column but `time_col` is a series, named as the column is. Times may also be the index of
    a pandas frame; with `time_col` None they are the numbers of the rows.
    """
    arrow, kind = to_arrow(frame if time_col is None else with_index(frame, time_col))
    table = Table(arrow, time_format=time_format)
    if time_col is not None and time_col not in table.names:
        found = listed(tuple(table.names)) or "none"
        raise DataError(
            f"No column {time_col!r}; found: {found}. Pass time_col=, or None where rows are steps."
        )
    targets = tuple(name for name in table.names if name != time_col)
    if not targets:
        raise DataError("A wide frame has one column for each series; found none.")
    return read_wide(
        table,
        targets,
        time_col,
        freq=freq,
        tz=tz,
        season_length=season_length,
        frame_kind=kind,
    )


def read_wide(
    table: Table,
    targets: Sequence[str],
    time_col: str | None,
    *,
    freq: str | None = None,
    tz: str | None = None,
    season_length: int | None = None,
    frame_kind: str = "pandas",
    notes: tuple[str, ...] = (),
) -> Panel:
    """The columns `targets` as series, each from its first to its last value."""
    read = None if time_col is None else table.times(time_col)
    values = np.stack([table.numbers(name) for name in targets])
    order = np.arange(table.n_rows) if read is None else np.argsort(read.values, kind="stable")
    is_seen = ~np.isnan(values[:, order])
    is_within = np.empty(values.shape, bool)
    is_within[:, order] = np.logical_or.accumulate(is_seen, axis=1)
    is_within[:, order[::-1]] &= np.logical_or.accumulate(is_seen[:, ::-1], axis=1)
    codes, places = np.nonzero(is_within)
    rows = Rows(
        ids=np.array(targets),
        codes=codes.astype(np.int32),
        times=places.astype(np.int64) if read is None else read.values[places],
        y=values[codes, places],
        is_wall=read is not None and not read.is_utc,
        first_row=table.first_row,
        places=places,
    )
    used = {time_col, *targets}
    source = Source(
        "wide",
        None,
        time_col,
        tuple(targets),
        tuple(name for name in table.names if name not in used),
        (*notes, *([read.note] if read and read.note else [])),
    )
    return assemble(
        rows,
        Roles(),
        freq=freq,
        tz=zone_of(read.zone if read else None, tz),
        season_length=season_length,
        frame_kind=frame_kind,
        source=source,
    )
