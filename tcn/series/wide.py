"""Wide tables: one row a time, one series a column."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.arrow_tables import to_arrow, with_index
from tcn.series.columns import Table
from tcn.series.future_rows import join_rows
from tcn.series.grid import Column, Roles, Rows, Spacing, assemble
from tcn.series.panel import Panel
from tcn.series.ragged import known_lengths
from tcn.series.roles import Choice
from tcn.series.source import Source, listed
from tcn.series.stamps import ReadTimes
from tcn.series.zones import zone_of


def read_wide_frame(
    frame: Any,
    *,
    time_col: str | None = "ds",
    past_covariates: Sequence[str] = (),
    future_covariates: Sequence[str] = (),
    future: Any = None,
    freq: str | None = None,
    tz: str | None = None,
    season_length: int | None = None,
    time_format: str | None = None,
) -> Panel:
    """Read a wide frame (pandas, polars, pyarrow, or any other kind narwhals knows).

    Every column but `time_col` and the covariates is a series, named as the column is. Times may
    also be the index of a pandas frame; with `time_col` None they are the numbers of the rows.

    Covariates hold for all series. Future-known ones go beyond the values on rows without any, or
    in a second frame `future` (whose other columns are all used if none is named).
    """
    arrow, kind = to_arrow(frame if time_col is None else with_index(frame, time_col))
    table = Table(arrow, time_format=time_format)
    if time_col is not None and time_col not in table.names:
        found = listed(tuple(table.names)) or "none"
        raise DataError(
            f"No column {time_col!r}; found: {found}. Pass time_col=, or None where rows are steps."
        )
    beyond = None
    if future is not None:
        indexed = future if time_col is None else with_index(future, time_col)
        beyond = Table(to_arrow(indexed)[0], time_format=time_format)
        if not future_covariates:
            future_covariates = [name for name in beyond.names if name != time_col]
    roles = Roles(tuple(past_covariates), tuple(future_covariates))
    _require(table, roles.names)
    used = {time_col, *roles.names}
    targets = tuple(name for name in table.names if name not in used)
    if not targets:
        raise DataError("A wide frame has one column for each series; found none.")
    return read_wide(
        table,
        Choice(None, time_col, targets),
        roles,
        Spacing(freq, tz, season_length),
        beyond=beyond,
        frame_kind=kind,
    )


def read_wide(
    table: Table,
    choice: Choice,
    roles: Roles,
    spacing: Spacing,
    *,
    beyond: Table | None = None,
    frame_kind: str = "pandas",
    notes: tuple[str, ...] = (),
) -> Panel:
    """The target columns as series, each from its first to its last value; none is length 0.

    Covariates that are known in advance go on to the last row of the table, or of `beyond`.
    """
    _check_roles(choice, roles, beyond)
    times = None if choice.time_col is None else table.times(choice.time_col)
    rows = _rows_of_series(table, choice.targets, roles, times, spacing.tz)
    if beyond is not None and choice.time_col is not None:
        rows = join_rows(rows, _rows_beyond(beyond, rows, choice.time_col, roles.future))
    used = {choice.time_col, *choice.targets, *roles.names}
    source = Source(
        "wide",
        None,
        choice.time_col,
        choice.targets,
        ignored=tuple(name for name in table.names if name not in used),
        notes=(*notes, times.note) if times and times.note else notes,
    )
    panel = assemble(rows, roles, spacing, source, frame_kind)
    return panel.until(known_lengths(panel.values, panel.offsets))


def _rows_of_series(
    table: Table,
    targets: Sequence[str],
    roles: Roles,
    times: ReadTimes | None,
    tz: str | None,
) -> Rows:
    """The cells of one column after another, without those before and after its values."""
    values = np.stack([table.numbers(name) for name in targets])
    order = np.arange(table.n_rows) if times is None else np.argsort(times.values, kind="stable")
    is_within = _from_first_to_last(values, order, to_the_end=bool(roles.future))
    codes, places = np.nonzero(is_within)
    return Rows(
        ids=np.array(targets),
        codes=codes.astype(np.int32),
        times=places.astype(np.int64) if times is None else times.values[places],
        y=values[codes, places],
        columns=_repeated(table, roles.names, places),
        is_wall=times is not None and not times.is_utc,
        tz=zone_of(None if times is None else times.zone, tz),
        first_row=table.first_row,
        places=places,
    )


def _check_roles(choice: Choice, roles: Roles, beyond: Table | None) -> None:
    if roles.static:
        raise DataError(
            f"Static covariates {listed(tuple(roles.static))} differ between series, which a wide "
            "table cannot hold. Use a long table with the columns unique_id, ds and y."
        )
    for name in roles.names:
        if name in (choice.time_col, *choice.targets) or roles.names.count(name) > 1:
            raise DataError(f"Column {name!r} has two roles. Name each column once.")
    if beyond is not None and choice.time_col is None:
        raise DataError("future= needs times, so that its rows have a place. Pass time_col=.")


def _from_first_to_last(
    values: NDArray[np.float64], order: NDArray[np.int64], *, to_the_end: bool
) -> NDArray[np.bool_]:
    """Which cells (series, rows) lie between the first and the last value of their series.

    Of a series without values it is the first cell, which has its start.
    """
    is_seen = ~np.isnan(values[:, order])
    is_seen[~is_seen.any(axis=1), 0] = True
    is_within = np.empty(values.shape, bool)
    is_within[:, order] = np.logical_or.accumulate(is_seen, axis=1)
    if not to_the_end:
        is_within[:, order[::-1]] &= np.logical_or.accumulate(is_seen[:, ::-1], axis=1)
    return is_within


def _repeated(table: Table, names: Sequence[str], places: NDArray[np.int64]) -> dict[str, Column]:
    """The covariates, once for each series."""
    columns = {name: table.covariate(name) for name in names}
    return {
        name: Column(column.values[places], column.categories) for name, column in columns.items()
    }


def _rows_beyond(table: Table, history: Rows, time_col: str, names: Sequence[str]) -> Rows:
    """The rows of a future table, once for each series of the history."""
    _require(table, [time_col, *names])
    n_series, times = len(history.ids), table.times(time_col)
    places = np.tile(np.arange(table.n_rows), n_series)
    return Rows(
        ids=history.ids,
        codes=np.repeat(np.arange(n_series, dtype=np.int32), table.n_rows),
        times=times.values[places],
        y=np.full(len(places), np.nan),
        columns=_repeated(table, names, places),
        is_wall=not times.is_utc,
        tz=times.zone,
        first_row=table.first_row,
        places=places,
    )


def _require(table: Table, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in table.names]
    if missing:
        raise DataError(f"Columns missing: {missing}; found: {table.names[:20]}.")
