"""Rows of a table, in any order, onto the regular grids of a panel.

No sort and no loop per series: a row's place follows from its time, and it is written there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.covariates import Covariates
from tcn.series.even import even_rows
from tcn.series.frequency import Frequency, Times, parse_frequency
from tcn.series.inference import check_one_frequency, infer_frequency
from tcn.series.panel import Panel
from tcn.series.ragged import offsets_of
from tcn.series.source import Source, listed
from tcn.series.zones import to_utc, to_wall

CHUNK = 2_000_000
MAX_GRID_PER_ROW = 20
MIN_GRID_LIMIT = 10_000_000


@dataclass(frozen=True)
class Column:
    """Numbers of a covariate, NaN missing; codes into `categories` if there are any."""

    values: NDArray[np.float64]
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Rows:
    """A long table: codes (R,) into ids, times (R,) or None for row order, y (R,), covariates.

    `is_wall` says that the times are on the wall clock of the panel's zone `tz`, not UTC.
    `first_row` is what a user calls row 0 (2 in a file with a header).
    """

    ids: NDArray[np.str_]
    codes: NDArray[np.int32]
    times: Times | None
    y: NDArray[np.float64]
    columns: Mapping[str, Column] = field(default_factory=dict)
    is_wall: bool = False
    tz: str | None = None
    first_row: int = 0
    is_beyond: NDArray[np.bool_] | None = None  # rows of a second, future table
    places: NDArray[np.int64] | None = None  # rows of the user's table, if not in order

    def label(self, row: int) -> str:
        """What a user calls this row."""
        place = row if self.places is None else int(self.places[row])
        if self.is_beyond is not None and self.is_beyond[row]:
            return f"row {place + self.first_row} of the future table"
        return f"row {place + self.first_row}"


@dataclass(frozen=True)
class Roles:
    """Which columns are which covariates."""

    past: Sequence[str] = ()
    future: Sequence[str] = ()
    static: Sequence[str] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.past, *self.future, *self.static)


@dataclass(frozen=True)
class Spacing:
    """What a user says of the times; None where it is to be found."""

    freq: str | None = None
    tz: str | None = None
    season_length: int | None = None


@dataclass(frozen=True)
class _Places:
    """The grid's starts (S,) and offsets (S + 1,), and the place of each row (R,) in it."""

    starts: Times
    offsets: NDArray[np.int64]
    index: NDArray[np.int64] | slice


def assemble(
    rows: Rows, roles: Roles, spacing: Spacing, source: Source, frame_kind: str = "pandas"
) -> Panel:
    """Place rows on grids: gaps become missing, duplicate times are refused by name."""
    if len(rows.codes) == 0:
        raise DataError("The table has no rows. Give at least one observation.")
    frequency, places = _placed(rows, spacing.freq, source.ignored)
    panel = Panel(
        ids=rows.ids,
        values=_scattered(rows.y, places),
        offsets=places.offsets,
        starts=places.starts,
        freq=None if frequency.name == "1" else frequency.name,
        tz=rows.tz,
        season_length=spacing.season_length,
        frame_kind=frame_kind,
        source=source,
    )
    return _with_covariates(panel, rows, roles, places)


def _placed(rows: Rows, freq: str | None, unused: tuple[str, ...]) -> tuple[Frequency, _Places]:
    """The frequency, found where none is given, and the place of each row on its grid."""
    times, tz = utc_times(rows), rows.tz
    if times is None:
        return parse_frequency("1" if freq is None else freq), _by_order(rows)
    even, name = even_rows(rows.codes, times), freq
    if name is None:
        name = (even and even.frequency_name(tz)) or _infer(rows, times) or "1"
    frequency = parse_frequency(name)
    if even is not None and even.is_step_of(frequency, tz):
        return frequency, _Places(even.starts, even.offsets, slice(None))
    places = _by_time(rows, times, frequency)
    _check_each_once(rows, places, times, unused, frequency if freq is None else None)
    return frequency, places


def _check_each_once(
    rows: Rows,
    places: _Places,
    times: Times,
    unused: tuple[str, ...],
    inferred: Frequency | None,
) -> None:
    """Raise where two rows have one place, or whole runs of rows another frequency."""
    is_filled = np.zeros(int(places.offsets[-1]), bool)
    is_filled[places.index] = True
    n_rows = len(rows.codes)
    if np.count_nonzero(is_filled) < n_rows:
        raise _duplicate(rows, np.asarray(places.index), times, unused)
    if inferred is not None and n_rows < len(is_filled):
        check_one_frequency(is_filled, places.offsets, rows.ids, inferred.name)


def _infer(rows: Rows, times: Times) -> str | None:
    try:
        return infer_frequency(rows.codes, times, rows.ids, rows.tz)
    except DataError as error:
        if rows.is_wall or rows.tz is not None or not np.issubdtype(times.dtype, np.datetime64):
            raise
        hint = "Where offsets from UTC change over the year, pass tz=, such as 'Europe/Berlin'."
        raise DataError(f"{error} {hint}") from None


def _with_covariates(panel: Panel, rows: Rows, roles: Roles, places: _Places) -> Panel:
    """Give the panel its covariates, and cut off the target where only they go on."""
    if not (roles.past or roles.future or roles.static):
        return panel
    panel = replace(
        panel,
        past_covariates=_over_time(rows, roles.past, places) if roles.past else None,
        future_covariates=_over_time(rows, roles.future, places) if roles.future else None,
        static_covariates=_static(rows, roles.static) if roles.static else None,
    )
    if not roles.future:
        return panel
    steps = np.arange(places.offsets[-1])[places.index] - places.offsets[rows.codes]
    return panel.until(_history_lengths(rows, steps))


def _history_lengths(rows: Rows, steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Up to the last row of the first table; with one table alone, up to the last value."""
    is_history = ~np.isnan(rows.y) if rows.is_beyond is None else ~rows.is_beyond
    lengths = np.zeros(len(rows.ids), np.int64)
    np.maximum.at(lengths, rows.codes[is_history], steps[is_history] + 1)
    if rows.is_beyond is not None:
        early = np.flatnonzero(rows.is_beyond & (steps < lengths[rows.codes]))
        if early.size:
            name = str(rows.ids[rows.codes[early[0]]])
            raise DataError(
                f"The future frame has a row for {name!r} that lies before the end of its history. "
                f"Put covariates of the past into the first frame, those beyond it into future=."
            )
    return lengths


def utc_times(rows: Rows) -> Times | None:
    """The times (R,) in UTC, whole numbers as they are; None where there are none."""
    times = rows.times
    if times is None or not rows.is_wall or rows.tz is None:
        return times
    first = to_utc(times, rows.tz)
    second = to_utc(times, rows.tz, np.ones(len(times), bool))
    twice = np.flatnonzero(first != second)
    if twice.size:  # the hour a clock change repeats: its second row is the second pass
        order = twice[np.lexsort((twice, times[twice], rows.codes[twice]))]
        is_again = (rows.codes[order[1:]] == rows.codes[order[:-1]]) & (
            times[order[1:]] == times[order[:-1]]
        )
        again = order[1:][is_again]
        first[again] = second[again]
    return first


def _by_order(rows: Rows) -> _Places:
    """Without times a row's step is its place among the rows of its series."""
    lengths = np.bincount(rows.codes, minlength=len(rows.ids))
    order = np.argsort(rows.codes, kind="stable")
    index = np.empty(len(order), np.int64)
    index[order] = np.arange(len(order))
    return _Places(np.zeros(len(lengths), np.int64), offsets_of(lengths), index)


def _by_time(rows: Rows, times: Times, frequency: Frequency) -> _Places:
    tz, whole = rows.tz, times.astype(np.int64)
    starts = np.full(len(rows.ids), np.iinfo(np.int64).max)
    np.minimum.at(starts, rows.codes, whole)
    starts = starts.astype(times.dtype)
    steps = np.empty(len(times), np.int64)
    for begin in range(0, len(times), CHUNK):  # in pieces, to keep temporaries small
        part = slice(begin, begin + CHUNK)
        of_row = starts[rows.codes[part]]
        steps[part] = frequency.steps_between(of_row, times[part], tz)
        off = frequency.shift(of_row, steps[part], tz) != times[part]
        if off.any():
            raise _off_grid(rows, begin + int(np.argmax(off)), times, starts, frequency)
    lengths = np.zeros(len(rows.ids), np.int64)
    np.maximum.at(lengths, rows.codes, steps + 1)
    if lengths.sum() > max(MAX_GRID_PER_ROW * len(times), MIN_GRID_LIMIT):
        longest = int(np.argmax(lengths))
        raise DataError(
            f"Series {str(rows.ids[longest])!r} would span {lengths[longest]:,} steps of "
            f"{frequency.name!r}, nearly all of them missing. Check its first and last time "
            f"({_shown(starts[longest], tz)} ...), or pass a coarser freq=."
        )
    offsets = offsets_of(lengths)
    return _Places(starts, offsets, offsets[rows.codes] + steps)


def _scattered(values: NDArray[np.float64], places: _Places) -> NDArray[np.float64]:
    placed = np.full(int(places.offsets[-1]), np.nan)
    placed[places.index] = values
    return placed


def _over_time(rows: Rows, names: Sequence[str], places: _Places) -> Covariates:
    return Covariates(
        names=tuple(names),
        values=np.stack([_scattered(rows.columns[name].values, places) for name in names]),
        offsets=places.offsets,
        categories=tuple(rows.columns[name].categories for name in names),
    )


def _static(rows: Rows, names: Sequence[str]) -> Covariates:
    values = np.full((len(rows.ids), len(names)), np.nan)
    for k, name in enumerate(names):
        column = rows.columns[name]
        known = np.flatnonzero(~np.isnan(column.values))
        values[rows.codes[known], k] = column.values[known]
        differs = known[values[rows.codes[known], k] != column.values[known]]
        if differs.size:
            row = int(differs[0])
            raise DataError(
                f"Static covariate {name!r} changes within series "
                f"{str(rows.ids[rows.codes[row]])!r} ({rows.label(row)}). It must be one value a "
                f"series; name it in past_covariates or future_covariates instead."
            )
    return Covariates(
        tuple(names), values, categories=tuple(rows.columns[name].categories for name in names)
    )


def _duplicate(
    rows: Rows, index: NDArray[np.int64], times: Times, unused: tuple[str, ...]
) -> DataError:
    order = np.argsort(index, kind="stable")
    again = order[1:][index[order[1:]] == index[order[:-1]]]
    row = int(again.min())
    first = int(np.flatnonzero(index == index[row])[0])
    shown = _shown(times[row], rows.tz)
    if rows.is_beyond is not None and rows.is_beyond[row] and not rows.is_beyond[first]:
        return DataError(
            f"Series {str(rows.ids[rows.codes[row]])!r} has {shown} in its history and again in "
            f"{rows.label(row)}. Leave out what lies before the horizon there."
        )
    several = f"; not used so far: {listed(unused)}" if unused else ""
    hint = ""
    if rows.tz is None and np.issubdtype(times.dtype, np.datetime64):
        hint = " If a clock change repeats the hour, pass tz=."
    return DataError(
        f"Series {str(rows.ids[rows.codes[row]])!r} has {shown} twice "
        f"({rows.label(first)} and {rows.label(row)}). Keep one row a time, or pass id_col= if the "
        f"table holds several series (one or several columns{several}).{hint}"
    )


def _off_grid(rows: Rows, row: int, times: Times, starts: Times, frequency: Frequency) -> DataError:
    code, tz = rows.codes[row], rows.tz
    return DataError(
        f"Series {str(rows.ids[code])!r} has {_shown(times[row], tz)} ({rows.label(row)}), which "
        f"is not on the grid of {frequency.name!r} from {_shown(starts[code], tz)} on. "
        f"Bring its stamps onto that grid, or pass another freq= or none."
    )


def _shown(time: np.datetime64 | np.int64, tz: str | None) -> str:
    if not isinstance(time, np.datetime64):
        return str(time)
    wall = to_wall(np.array([time]), tz)[0]
    return str(wall.astype("datetime64[s]")).removesuffix("T00:00:00")
