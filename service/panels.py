"""Series of requests as panels of the library."""

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.covariates import Covariate
from service.errors import Problem
from service.schemas import SeriesInput
from service.values import FloatArray
from tcn.series import Covariates, Panel


def panel_key(series: SeriesInput) -> Hashable:
    """What must be equal for two series to share a panel."""
    time = (series.freq, series.start.tz, series.start.is_dated)
    if not (series.past_covariates or series.future_covariates or series.static_covariates):
        return time
    return (
        *time,
        _signature(series.past_covariates),
        _signature(series.future_covariates),
        tuple((name, isinstance(v, str)) for name, v in series.static_covariates.items()),
    )


def _signature(columns: Any) -> Hashable:
    return tuple((name, isinstance(values, list)) for name, values in columns.items())


def one_panel(series: Sequence[SeriesInput]) -> Panel:
    """Build a panel of all series of a request. Raises `Problem` 422 if they cannot share one."""
    if len({panel_key(item) for item in series}) > 1:
        raise Problem(
            422, "The series must have the same freq, kind of start, zone and covariates."
        )
    return to_panel(series, [item.id for item in series])


def to_panel(series: Sequence[SeriesInput], ids: Sequence[str] | None = None) -> Panel:
    """Build a panel of series of one group; ids are their positions unless given."""
    lengths = np.fromiter((len(item.y) for item in series), np.int64, len(series))
    first = series[0]
    return Panel(
        ids=_places(len(series)) if ids is None else np.array(ids).astype(np.str_),
        values=np.concatenate([item.y for item in series]),
        offsets=_offsets(lengths),
        starts=_starts(series),
        freq=first.freq,
        tz=first.start.tz,
        past_covariates=_over_time([item.past_covariates for item in series]),
        future_covariates=_over_time([item.future_covariates for item in series]),
        static_covariates=_static([item.static_covariates for item in series]),
    )


@lru_cache(maxsize=512)
def _places(count: int) -> NDArray[np.str_]:
    places = np.arange(count).astype(np.str_)
    places.flags.writeable = False  # all batches of this size share it
    return places


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def _starts(series: Sequence[SeriesInput]) -> NDArray[Any]:
    values = [item.start.value for item in series]
    if not series[0].start.is_dated:
        return np.array(values, np.int64)
    return np.array(values, "datetime64[ns]")


def _over_time(columns: Sequence[Any]) -> Covariates | None:
    """Join the columns of all series (which have the same names) one after the other."""
    names = tuple(columns[0])
    if not names:
        return None
    joined: list[FloatArray] = []
    tables: list[tuple[str, ...] | None] = []
    for name in names:
        codes, table = _encode([item[name] for item in columns])
        joined.append(codes)
        tables.append(table)
    lengths = np.array([len(item[names[0]]) for item in columns], np.int64)
    return Covariates(names, np.stack(joined), _offsets(lengths), tuple(tables))


def _encode(pieces: list[Covariate]) -> tuple[FloatArray, tuple[str, ...] | None]:
    numbers = [piece for piece in pieces if not isinstance(piece, list)]
    if numbers:
        return np.concatenate(numbers), None
    texts = [text for piece in pieces for text in piece]
    table = tuple(sorted({str(text) for text in texts if text is not None}))
    codes: dict[object, float] = {text: float(code) for code, text in enumerate(table)}
    return np.array([codes.get(text, np.nan) for text in texts]), table


def _static(rows: Sequence[Any]) -> Covariates | None:
    names = tuple(rows[0])
    if not names:
        return None
    columns: list[FloatArray] = []
    tables: list[tuple[str, ...] | None] = []
    for name in names:
        values = [row[name] for row in rows]
        is_text = isinstance(values[0], str)
        codes, table = _encode([values if is_text else np.array(values, np.float64)])
        columns.append(codes)
        tables.append(table)
    return Covariates(names, np.stack(columns, axis=1), None, tuple(tables))
