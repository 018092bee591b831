"""The rows of a history and those of a table of what is known ahead, as one."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.grid import Column, Rows, utc_times


def join_rows(rows: Rows, more: Rows) -> Rows:
    """The rows of a history, then those of a future table of its series."""
    if rows.times is None or more.times is None or rows.times.dtype != more.times.dtype:
        raise DataError("The times of the future frame are of another kind than the history's.")
    rows, more = _on_one_clock(rows, more)
    n_rows = [len(rows.codes), len(more.codes)]
    place = _places_of(more.ids, rows.ids)
    return replace(
        rows,
        codes=np.concatenate([rows.codes, place[more.codes]]),
        times=np.concatenate([rows.times, more.times]),
        y=np.concatenate([rows.y, more.y]),
        columns={
            name: _joined_columns(name, column, more.columns.get(name), len(more.codes))
            for name, column in rows.columns.items()
        },
        is_beyond=np.repeat([False, True], n_rows),
        places=np.concatenate(
            [np.arange(len(r.codes)) if r.places is None else r.places for r in (rows, more)]
        ),
    )


def _on_one_clock(rows: Rows, more: Rows) -> tuple[Rows, Rows]:
    """Both with times in UTC where one of them says its offsets and the other does not.

    What has none is on the wall clock of the panel's zone.
    """
    if rows.is_wall == more.is_wall or (rows.tz is None and more.tz == "UTC"):
        return rows, more
    if rows.tz is None:
        raise DataError(
            "The times of the history and of the future frame differ in having an offset from "
            "UTC. Write both in one way, or pass tz=."
        )
    return _in_utc(rows), _in_utc(replace(more, tz=rows.tz))


def _in_utc(rows: Rows) -> Rows:
    return replace(rows, times=utc_times(rows), is_wall=False)


def _places_of(ids: NDArray[np.str_], known: NDArray[np.str_]) -> NDArray[np.int32]:
    """Where the series of a future table are among those of the history."""
    lookup = {name: place for place, name in enumerate(known.tolist())}
    unknown = [name for name in ids.tolist() if name not in lookup]
    if unknown:
        raise DataError(
            f"The future frame has series {unknown[0]!r}, which the history has not. "
            f"Leave it out, or give its history."
        )
    return np.array([lookup[name] for name in ids.tolist()], np.int32)


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
    rank = {name: float(place) for place, name in enumerate(new)}
    place = np.array([*(rank[name] for name in old), np.nan])
    return place[np.where(np.isnan(values), -1, values).astype(np.int64)]
