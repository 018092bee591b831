"""Panels, forecasts and other results as frames of the kind a user works with."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.covariates import Covariates
from tcn.series.forecast import Forecast
from tcn.series.frequency import Times
from tcn.series.grid import Column
from tcn.series.panel import Panel
from tcn.series.ragged import flat_index, offsets_of, positions_within

KINDS = ("pandas", "polars", "pyarrow")


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
    named = {"unique_id": encoded.dictionary_decode(), "ds": stamps(times, tz), **columns}
    if kind == "pandas":
        return _to_pandas(pa.table(named), ids, owner)
    return plain_frame(named, kind)


def plain_frame(columns: Mapping[str, Any], kind: str) -> Any:
    """A frame of the wanted kind from arrays or lists by name."""
    import pyarrow as pa

    if kind not in KINDS:
        raise DataError(f"Unknown kind of frame {kind!r}. Use one of {', '.join(KINDS)}.")
    table = pa.table(dict(columns))
    if kind == "polars":
        import polars as pl

        return pl.from_arrow(table)
    return table.to_pandas() if kind == "pandas" else table


def stamps(times: Times, tz: str | None) -> Any:
    """A column of times for a frame, shown in the zone."""
    import pyarrow as pa

    is_dated = np.issubdtype(times.dtype, np.datetime64)
    return pa.array(times, pa.timestamp("ns", tz) if is_dated else pa.int64())


def _to_pandas(table: Any, ids: NDArray[np.str_], owner: NDArray[np.integer]) -> Any:
    frame = table.drop_columns(["unique_id"]).to_pandas()
    frame.insert(0, "unique_id", ids.astype(object)[owner])
    return frame


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
    return flat_index(offsets_of(lengths)[:-1], n_points)


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
