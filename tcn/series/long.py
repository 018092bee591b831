"""Long tables: one row a series and time, in any order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tcn.errors import DataError
from tcn.series.arrow_tables import columns_of, to_arrow, with_index
from tcn.series.columns import Table, id_name
from tcn.series.future_rows import join_rows
from tcn.series.grid import Roles, Rows, Spacing, assemble
from tcn.series.panel import Panel
from tcn.series.roles import Choice
from tcn.series.source import Source
from tcn.series.zones import zone_of


def read_frame(
    frame: Any,
    *,
    id_col: str | Sequence[str] = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
    past_covariates: Sequence[str] = (),
    future_covariates: Sequence[str] = (),
    static_covariates: Sequence[str] = (),
    future: Any = None,
    freq: str | None = None,
    tz: str | None = None,
    season_length: int | None = None,
    time_format: str | None = None,
) -> Panel:
    """Read a long frame (pandas, polars, pyarrow, or any other kind narwhals knows).

    Rows may come in any order; series are sorted by id, stamps by time, gaps are filled with
    missing values, and a duplicate stamp is an error. Without the column "unique_id" the frame is
    one series. Where a pandas frame has no column `time_col`, its index is taken; a pandas series
    is values and their times. Times without a zone are on the wall clock of `tz` if it is given.

    `id_col` may be several columns, whose texts are joined: "north/milk".

    Columns that are not named are not used. Future-known covariates go beyond the history either
    in the same frame, on trailing rows where the target is missing, or in a second frame `future`
    with the same id and time columns (whose other columns are all used if none is named).
    """
    arrow, kind = columns_of(with_index(frame, time_col, target_col), id_col)
    named = (*past_covariates, *future_covariates, *static_covariates)
    table = Table(arrow, time_format=time_format).with_id(id_col, keep=named)
    series = id_name(id_col)
    beyond = None
    if future is not None:
        beyond = Table(to_arrow(with_index(future, time_col))[0], time_format=time_format)
        beyond = beyond.with_id(id_col, keep=named)
        if not future_covariates:
            future_covariates = [n for n in beyond.names if n not in (series, time_col, target_col)]
    roles = Roles(tuple(past_covariates), tuple(future_covariates), tuple(static_covariates))
    if series == "unique_id" and series not in table.names:
        series = None
    return read_long(
        table,
        Choice(series, time_col, (target_col,)),
        roles,
        Spacing(freq, tz, season_length),
        beyond=beyond,
        frame_kind=kind,
    )


def read_long(
    table: Table,
    choice: Choice,
    roles: Roles,
    spacing: Spacing,
    *,
    beyond: Table | None = None,
    frame_kind: str = "pandas",
    notes: tuple[str, ...] = (),
) -> Panel:
    """A long table, whose columns are known, as a panel; of the targets the first is read."""
    target = choice.targets[0]
    used = [name for name in (choice.id_col, choice.time_col, target) if name is not None]
    named = roles.names
    _check_columns(table, [*used, *named])
    for name in named:
        if name in used or named.count(name) > 1:
            raise DataError(f"Column {name!r} has two roles. Name each column once.")
    rows, time_note = _read_rows(table, choice, named, spacing.tz)
    if beyond is not None:
        _check_columns(beyond, [*used[:-1], *roles.future])
        without_values = replace(choice, targets=())
        more, _ = _read_rows(beyond, without_values, roles.future, spacing.tz)
        rows = join_rows(rows, more if choice.id_col else replace(more, ids=rows.ids))
    source = Source(
        "long",
        choice.id_col,
        choice.time_col,
        (target,),
        ignored=tuple(name for name in table.names if name not in {*used, *named}),
        notes=tuple(note for note in (*notes, time_note) if note),
    )
    return assemble(rows, roles, spacing, source, frame_kind)


def _check_columns(table: Table, wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in table.names]
    if missing:
        found = sorted(table.names)
        shown = found if len(found) <= 20 else [*found[:20], f"... {len(found) - 20} more"]
        raise DataError(
            f"Columns missing: {missing}; found: {shown}. "
            f"Rename them or pass id_col=, time_col= and target_col=."
        )


def _read_rows(
    table: Table, choice: Choice, covariates: Sequence[str], tz: str | None
) -> tuple[Rows, str]:
    """The rows, and what to say of how their times were read; without targets all are missing."""
    if table.n_rows == 0:
        raise DataError("The table has no rows. Give at least one observation.")
    targets = choice.targets
    if choice.id_col is None:
        codes, ids = np.zeros(table.n_rows, np.int32), np.array(targets or ["y"])
    else:
        codes, ids = table.codes(choice.id_col)
    times = None if choice.time_col is None else table.times(choice.time_col)
    rows = Rows(
        ids=ids,
        codes=codes,
        times=None if times is None else times.values,
        y=table.numbers(targets[0]) if targets else np.full(table.n_rows, np.nan),
        columns={name: table.covariate(name) for name in covariates},
        is_wall=times is not None and not times.is_utc,
        tz=zone_of(None if times is None else times.zone, tz),
        first_row=table.first_row,
        places=table.places,
    )
    return rows, times.note if times else ""
