"""Frames of any kind into panels, and panels and forecasts back into frames."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.columns import Table, id_name
from tcn.series.covariates import Covariates
from tcn.series.forecast import Forecast
from tcn.series.frequency import Times
from tcn.series.grid import Column, Roles, Rows, assemble
from tcn.series.pandas_columns import PandasColumns
from tcn.series.panel import Panel
from tcn.series.ragged import flat_index, positions_within
from tcn.series.source import Source
from tcn.series.zones import check_zone

KINDS = ("pandas", "polars", "pyarrow")


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
    arrow, kind = _columns_of(with_index(frame, time_col, target_col), id_col)
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
        roles,
        id_col=series,
        time_col=time_col,
        target_col=target_col,
        beyond=beyond,
        freq=freq,
        tz=tz,
        season_length=season_length,
        frame_kind=kind,
    )


def read_long(
    table: Table,
    roles: Roles,
    *,
    id_col: str | None,
    time_col: str | None,
    target_col: str,
    beyond: Table | None = None,
    freq: str | None = None,
    tz: str | None = None,
    season_length: int | None = None,
    frame_kind: str = "pandas",
    notes: tuple[str, ...] = (),
) -> Panel:
    """A long table, whose columns are known, as a panel."""
    used = [name for name in (id_col, time_col, target_col) if name is not None]
    named = roles.names
    _check_columns(table, [*used, *named])
    for name in named:
        if name in used or named.count(name) > 1:
            raise DataError(f"Column {name!r} has two roles. Name each column once.")
    rows, read_tz, time_note = _read_rows(table, named, id_col, time_col, target_col, tz)
    if beyond is not None:
        _check_columns(beyond, [*used[:-1], *roles.future])
        more, _, _ = _read_rows(beyond, roles.future, id_col, time_col, None, tz)
        rows = join_rows(rows, more)
    ignored = tuple(name for name in table.names if name not in {*used, *named})
    source = Source(
        "long", id_col, time_col, (target_col,), ignored, tuple(n for n in (*notes, time_note) if n)
    )
    return assemble(
        rows,
        roles,
        freq=freq,
        tz=read_tz,
        season_length=season_length,
        frame_kind=frame_kind,
        source=source,
    )


def with_index(frame: Any, time_col: str, target_col: str = "y") -> Any:
    """A pandas frame without the column `time_col` with its index as columns; others as they are.

    Dates in an index are the times whatever their name; a series is a frame of its values.
    """
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(frame, pandas.DataFrame | pandas.Series):
        return frame
    if isinstance(frame, pandas.Series):
        return frame.to_frame(target_col).rename_axis(time_col).reset_index()
    if time_col in frame.columns:
        return frame
    if isinstance(frame.index, pandas.DatetimeIndex | pandas.PeriodIndex):
        return frame.rename_axis(time_col).reset_index()
    return frame.reset_index() if any(name is not None for name in frame.index.names) else frame


def _columns_of(frame: Any, id_col: str | Sequence[str]) -> tuple[Any, str]:
    """A frame as something to take arrow columns from, and its kind by name."""
    pandas = sys.modules.get("pandas")
    is_pandas = pandas is not None and isinstance(frame, pandas.DataFrame)
    if is_pandas and isinstance(id_col, str) and frame.columns.is_unique:
        return PandasColumns(frame), "pandas"
    return to_arrow(frame)


def to_arrow(frame: Any) -> tuple[Any, str]:
    """A frame as an arrow table, and its kind by name."""
    import narwhals as nw
    import pyarrow as pa

    if isinstance(frame, pa.Table):
        return frame, "pyarrow"
    pandas = sys.modules.get("pandas")
    is_pandas = pandas is not None and isinstance(frame, pandas.DataFrame)
    if is_pandas and frame.columns.is_unique:
        columns = PandasColumns(frame)
        arrays = {name: columns.column(i) for i, name in enumerate(columns.column_names)}
        return pa.table(arrays), "pandas"
    try:
        known = nw.from_native(frame)
    except TypeError as error:
        raise DataError(
            f"A {type(frame).__name__} is not a data frame. Give a pandas, polars or pyarrow "
            f"frame, or use Panel.from_arrays for lists of numbers."
        ) from error
    if isinstance(known, nw.LazyFrame):
        known = known.collect()
    kind = known.implementation.value
    table = _table_of(known.columns, known.__getitem__, lambda column: column.to_arrow())
    return table, kind if kind in KINDS else "pandas"


def _table_of(
    names: Iterable[Any], column: Callable[[Any], Any], convert: Callable[[Any], Any]
) -> Any:
    """An arrow table of the columns, each converted on its own."""
    import pyarrow as pa

    arrays = {}
    for name in names:
        try:
            arrays[str(name)] = convert(column(name))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"Column {name!r} mixes kinds of values ({str(error).splitlines()[0]}). "
                f"Convert it to one type first."
            ) from error
    return pa.table(arrays)


def panel_to_frame(panel: Panel, kind: str) -> Any:
    """unique_id, ds, y and covariates, one row a point; see `Panel.to_frame`."""
    future = panel.future_covariates
    lengths = panel.lengths if future is None else future.lengths
    steps = positions_within(lengths)
    owner = np.repeat(np.arange(len(panel)), lengths)
    times = panel.frequency.shift(np.repeat(panel.starts, lengths), steps, panel.tz)
    where = _rows_of(lengths, panel.lengths)
    columns: dict[str, Any] = {"y": _spread(panel.values, where, len(steps))}
    if panel.past_covariates is not None:
        for name, column in _columns(panel.past_covariates):
            columns[name] = _named(column, where, len(steps))
    if future is not None:
        for name, column in _columns(future):
            columns[name] = _named(column, None, len(steps))
    if panel.static_covariates is not None:
        for name, column in _columns(panel.static_covariates):
            columns[name] = _named(
                Column(column.values[owner], column.categories), None, len(owner)
            )
    return build_frame(panel.ids, owner, times, columns, panel.tz, kind)


def forecast_to_frame(forecast: Forecast, kind: str) -> Any:
    """unique_id, ds, mean, q0.1, ..., one row a series and step; see `Forecast.to_frame`."""
    n, horizon = forecast.mean.shape
    columns: dict[str, Any] = {"mean": forecast.mean.ravel()}
    for q, level in enumerate(forecast.quantile_levels):
        columns[f"q{level:g}"] = forecast.quantiles[:, :, q].ravel()
    owner = np.repeat(np.arange(n), horizon)
    return build_frame(forecast.ids, owner, forecast.times.ravel(), columns, forecast.tz, kind)


def build_frame(
    ids: NDArray[np.str_],
    owner: NDArray[np.integer],
    times: Times,
    columns: dict[str, Any],
    tz: str | None,
    kind: str,
) -> Any:
    """A frame of the wanted kind from arrays: ids[owner], times in `tz`, and more columns."""
    import pyarrow as pa

    if kind not in KINDS:
        raise DataError(f"Unknown kind of frame {kind!r}. Use one of {', '.join(KINDS)}.")
    is_numeric = all(isinstance(column, np.ndarray) for column in columns.values())
    if kind == "pandas" and tz is None and is_numeric:
        import pandas as pd

        own = {name: np.array(column) for name, column in {"ds": times, **columns}.items()}
        named = {"unique_id": ids.astype(object)[owner], **own}
        return pd.DataFrame(named, index=pd.RangeIndex(len(owner)), copy=False)
    encoded = pa.DictionaryArray.from_arrays(
        pa.array(owner.astype(np.int32)), pa.array(ids.tolist(), pa.large_string())
    )
    is_dated = np.issubdtype(times.dtype, np.datetime64)
    stamps = pa.array(times, pa.timestamp("ns", tz) if is_dated else pa.int64())
    table = pa.table({"unique_id": encoded.dictionary_decode(), "ds": stamps, **columns})
    if kind == "pyarrow":
        return table
    if kind == "polars":
        import polars as pl

        return pl.from_arrow(table)
    return _to_pandas(table, ids, owner)


def _to_pandas(table: Any, ids: NDArray[np.str_], owner: NDArray[np.integer]) -> Any:
    frame = table.drop_columns(["unique_id"]).to_pandas()
    frame.insert(0, "unique_id", ids.astype(object)[owner])
    return frame


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
    table: Table,
    covariates: Sequence[str],
    id_col: str | None,
    time_col: str | None,
    target_col: str | None,
    tz: str | None,
) -> tuple[Rows, str | None, str]:
    """The rows, the zone they are in, and what to say of how the times were read."""
    if table.n_rows == 0:
        raise DataError("The table has no rows. Give at least one observation.")
    if id_col is None:
        name = target_col if target_col is not None else "y"
        codes, ids = np.zeros(table.n_rows, np.int32), np.array([name])
    else:
        codes, ids = table.codes(id_col)
    times = None if time_col is None else table.times(time_col)
    rows = Rows(
        ids=ids,
        codes=codes,
        times=None if times is None else times.values,
        y=np.full(table.n_rows, np.nan) if target_col is None else table.numbers(target_col),
        columns={name: table.covariate(name) for name in covariates},
        is_wall=times is not None and not times.is_utc,
        first_row=table.first_row,
        places=table.places,
    )
    zone = zone_of(times.zone if times else None, tz)
    return rows, zone, times.note if times else ""


def zone_of(read: str | None, asked: str | None) -> str | None:
    """The zone asked for, or else the one the times were in."""
    zone = asked if asked is not None else read
    return None if zone is None else check_zone(zone)


def join_rows(rows: Rows, more: Rows) -> Rows:
    """The rows of a history, then those of a future table, with the codes of the first."""
    if rows.times is None or more.times is None or rows.times.dtype != more.times.dtype:
        raise DataError("The times of the future frame are of another kind than the history's.")
    if len(rows.ids) == len(more.ids) == 1:
        place = np.zeros(1, np.int32)
    else:
        lookup = {name: i for i, name in enumerate(rows.ids.tolist())}
        unknown = [name for name in more.ids.tolist() if name not in lookup]
        if unknown:
            raise DataError(
                f"The future frame has series {unknown[0]!r}, which the history has not. "
                f"Leave it out, or give its history."
            )
        place = np.array([lookup[name] for name in more.ids.tolist()], np.int32)
    columns = {
        name: _joined_columns(name, column, more.columns.get(name), len(more.codes))
        for name, column in rows.columns.items()
    }
    return Rows(
        ids=rows.ids,
        codes=np.concatenate([rows.codes, place[more.codes]]),
        times=np.concatenate([rows.times, more.times]),
        y=np.concatenate([rows.y, more.y]),
        columns=columns,
        is_wall=rows.is_wall,
        first_row=rows.first_row,
        is_beyond=np.repeat([False, True], [len(rows.codes), len(more.codes)]),
    )


def _joined_columns(name: str, column: Column, more: Column | None, n_more: int) -> Column:
    if more is None:
        return Column(np.concatenate([column.values, np.full(n_more, np.nan)]), column.categories)
    if (column.categories is None) != (more.categories is None):
        raise DataError(
            f"Covariate {name!r} is numeric in one frame and text in the other. Use one kind."
        )
    if column.categories is None or more.categories is None:
        return Column(np.concatenate([column.values, more.values]))
    names = sorted({*column.categories, *more.categories})
    parts = [_recoded(part.values, part.categories or (), names) for part in (column, more)]
    return Column(np.concatenate(parts), tuple(names))


def _recoded(
    values: NDArray[np.float64], old: tuple[str, ...], new: list[str]
) -> NDArray[np.float64]:
    place = np.array([*(float(new.index(name)) for name in old), np.nan])
    return place[np.where(np.isnan(values), -1, values).astype(np.int64)]


def _columns(covariates: Covariates) -> list[tuple[str, Column]]:
    return [
        (
            name,
            Column(
                covariates.values[:, k] if covariates.is_static else covariates.values[k],
                covariates.categories[k],
            ),
        )
        for k, name in enumerate(covariates.names)
    ]


def _rows_of(
    lengths: NDArray[np.int64], n_points: NDArray[np.int64]
) -> NDArray[np.int64] | slice | None:
    """Where the panel's points lie among rows that go beyond them; None if nowhere else."""
    if np.array_equal(lengths, n_points):
        return None
    begins = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    return flat_index(begins, n_points)


def _spread(
    values: NDArray[np.float64], where: NDArray[np.int64] | slice | None, n_rows: int
) -> NDArray[np.float64]:
    if where is None:
        return values
    spread = np.full(n_rows, np.nan)
    spread[where] = values
    return spread


def _named(column: Column, where: NDArray[np.int64] | slice | None, n_rows: int) -> Any:
    """Numbers, or the texts of a categorical column."""
    import pyarrow as pa

    values = _spread(column.values, where, n_rows)
    if column.categories is None:
        return values
    is_missing = np.isnan(values)
    codes = pa.array(np.where(is_missing, 0, values).astype(np.int32), mask=is_missing)
    categories = pa.array(column.categories, pa.large_string())
    return pa.DictionaryArray.from_arrays(codes, categories).dictionary_decode()
