"""Panel: many series in a few flat arrays, so that a million short ones are cheap."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcn.errors import DataError
from tcn.series.array_covariates import (
    Given,
    GivenStatic,
    covariates_over_time,
    covariates_per_series,
)
from tcn.series.covariates import Covariates
from tcn.series.frequency import Frequency, Times, parse_frequency
from tcn.series.places import place_of, positions_of
from tcn.series.ragged import Index, flat_index, offsets_of, positions_within
from tcn.series.source import ARRAYS, Source
from tcn.series.stamps import BadCell, ReadTimes, check_range, parse_times
from tcn.series.zones import check_zone, to_utc

MAX_ID_LENGTH = 256


@dataclass(frozen=True, eq=False)
class Panel:
    """S series of unequal length on regular grids.

    ids (S,), values (total,) float64 with NaN where missing, offsets (S + 1,): series i is
    `values[offsets[i]:offsets[i + 1]]`, or `panel[i]`. Its first stamp is `starts[i]`: UTC
    datetime64[ns], or int64 for plain steps. `freq` is canonical (see `tcn.series.frequency`), None
    for steps of one; `tz` is the zone whose calendar days and months step by.
    """

    ids: NDArray[np.str_]
    values: NDArray[np.float64]
    offsets: Index
    starts: Times
    freq: str | None = None
    tz: str | None = None
    season_length: int | None = None
    past_covariates: Covariates | None = None
    future_covariates: Covariates | None = None
    static_covariates: Covariates | None = None
    frame_kind: str = "pandas"
    source: Source = ARRAYS

    def __post_init__(self) -> None:
        """Check shapes, the frequency and the season length."""
        n_series = len(self.ids)
        if self.offsets.shape != (n_series + 1,) or self.offsets[-1] != len(self.values):
            raise DataError(
                f"{n_series} ids need {n_series + 1} offsets ending at {len(self.values)}, "
                f"got {len(self.offsets)} ending at {self.offsets[-1:].tolist()}."
            )
        if self.starts.shape != (n_series,):
            raise DataError(f"{n_series} ids need as many starts, got shape {self.starts.shape}.")
        if self.freq is not None:
            object.__setattr__(self, "freq", parse_frequency(self.freq).name)
        if self.season_length is not None:
            require_season_length(self.season_length)
        self._check_covariates()

    @classmethod
    def from_arrays(
        cls,
        arrays: Sequence[ArrayLike] | Mapping[str, ArrayLike],
        freq: str | None = None,
        ids: Sequence[str] | NDArray[np.str_] | None = None,
        starts: Any = None,
        season_length: int | None = None,
        tz: str | None = None,
        *,
        past_covariates: Given | None = None,
        future_covariates: Given | None = None,
        static_covariates: GivenStatic | None = None,
    ) -> Self:
        """Build from 1-D arrays of any length, in a list or by id; NaN (or None) is missing.

        `starts` are first stamps, one for each series or one for all: dates (text, datetime,
        datetime64; where they carry no offset on the wall clock of `tz` if that is given) or whole
        numbers. Without them times count from 0 in steps.

        Covariates come by name, with one array a series in the order of the series or by id:
        `future_covariates={"price": [[9.0, 9.0, 8.0], ...]}`. Past ones are as long as the series,
        future-known ones longer by what is known ahead, static ones are one number or text each.

        >>> panel = Panel.from_arrays({"a": [1.0, 2.0], "b": [3.0]}, freq="MS", starts="2024-01-01")
        >>> panel.future_times(2).astype("datetime64[D]").tolist()[1]
        [datetime.date(2024, 2, 1), datetime.date(2024, 3, 1)]
        """
        if hasattr(arrays, "columns"):
            raise DataError(
                "A data frame is read by Panel.from_frame (columns unique_id, ds, y) or "
                "Panel.from_wide (one series a column)."
            )
        if isinstance(arrays, Mapping):
            if ids is not None:
                raise DataError("The arrays are named by their keys. Leave out ids=.")
            ids, arrays = [str(name) for name in arrays], list(arrays.values())
        names = _read_ids(ids, len(arrays))
        pieces = [_read_values(array, names, i) for i, array in enumerate(arrays)]
        lengths = np.fromiter((len(piece) for piece in pieces), np.int64, len(pieces))
        return cls(
            ids=names,
            values=np.concatenate(pieces, dtype=np.float64) if pieces else np.empty(0),
            offsets=offsets_of(lengths),
            starts=_read_starts(starts, len(pieces), freq, tz),
            freq=freq,
            tz=None if tz is None else check_zone(tz),
            season_length=season_length,
            past_covariates=covariates_over_time(past_covariates, names),
            future_covariates=covariates_over_time(future_covariates, names),
            static_covariates=covariates_per_series(static_covariates, names),
        )

    @classmethod
    def from_frame(
        cls,
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
    ) -> "Panel":
        """Build from a long frame of any kind narwhals knows; see `tcn.series.read_frame`."""
        from tcn.series.frames import read_frame

        return read_frame(
            frame,
            id_col=id_col,
            time_col=time_col,
            target_col=target_col,
            past_covariates=past_covariates,
            future_covariates=future_covariates,
            static_covariates=static_covariates,
            future=future,
            freq=freq,
            tz=tz,
            season_length=season_length,
            time_format=time_format,
        )

    @classmethod
    def from_wide(
        cls,
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
    ) -> "Panel":
        """Build from a frame with one series a column; see `tcn.series.read_wide_frame`."""
        from tcn.series.wide import read_wide_frame

        return read_wide_frame(
            frame,
            time_col=time_col,
            past_covariates=past_covariates,
            future_covariates=future_covariates,
            future=future,
            freq=freq,
            tz=tz,
            season_length=season_length,
            time_format=time_format,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int | str) -> NDArray[np.float64]:
        """The values of one series, by position or id; a view."""
        if not isinstance(index, int | str | np.integer):
            raise DataError(
                f"panel[...] is one series, by position or id, got {index!r}. Use panel.take for "
                "several, panel.last, panel.until or panel.split for a part of each."
            )
        index = place_of(self.ids, index) if isinstance(index, str) else range(len(self))[index]
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[NDArray[np.float64]]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        kinds = zip(("past", "future", "static"), _all(self), strict=True)
        known = [f", {kind}={', '.join(each.names)}" for kind, each in kinds if each is not None]
        size = f"{len(self)} series, {len(self.values)} values"
        return f"Panel({size}, freq={self.freq!r}{''.join(known)})"

    @property
    def lengths(self) -> Index:
        """Points of each series, (S,), missing ones included."""
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def is_dated(self) -> bool:
        """Whether times are dates; if not they are whole numbers."""
        return np.issubdtype(self.starts.dtype, np.datetime64)

    @property
    def frequency(self) -> Frequency:
        """The parsed frequency; steps of one where `freq` is None."""
        return parse_frequency(self.freq or "1")

    def times(self) -> Times:
        """The stamps of all values, (total,): UTC datetime64[ns] or int64."""
        lengths = self.lengths
        return self.frequency.shift(
            np.repeat(self.starts, lengths), positions_within(lengths), self.tz
        )

    def future_times(self, horizon: int) -> Times:
        """The stamps of the next `horizon` steps after each series, (S, horizon)."""
        steps = self.lengths[:, None] + np.arange(horizon, dtype=np.int64)
        return self.frequency.shift(self.starts[:, None], steps, self.tz)

    def take(self, indices: ArrayLike) -> "Panel":
        """The series at these positions (whole numbers, a Boolean mask, or ids), in that order."""
        chosen = positions_of(self.ids, indices)
        return self._rows(np.zeros(len(chosen), np.int64), self.lengths[chosen], chosen)

    def until(self, lengths: ArrayLike) -> "Panel":
        """Each series cut to its first `lengths[i]` points (one number: the same for all).

        Past covariates are cut alike; future-known covariates stay whole: they are known.
        """
        wanted = np.broadcast_to(np.asarray(lengths, np.int64), (len(self),)).copy()
        bad = np.flatnonzero((wanted < 0) | (wanted > self.lengths))
        if bad.size:
            i = int(bad[0])
            raise DataError(
                f"Series {str(self.ids[i])!r} has {self.lengths[i]} points, cannot keep the first "
                f"{wanted[i]}. Give lengths from 0 to the length of each series."
            )
        return self._rows(np.zeros(len(self), np.int64), wanted, np.arange(len(self)))

    def last(self, length: int) -> "Panel":
        """Each series cut to its newest `length` points; shorter ones stay as they are."""
        kept = np.minimum(self.lengths, length)
        if np.array_equal(kept, self.lengths):
            return self
        return self._rows(self.lengths - kept, kept, np.arange(len(self)))

    def without_covariates(self, names: Sequence[str] | None = None) -> "Panel":
        """The same series without the covariates of these names, or without any."""
        known = [name for each in _all(self) if each is not None for name in each.names]
        names = known if names is None else [names] if isinstance(names, str) else names
        for name in names:
            if name not in known:
                raise DataError(f"There is no covariate {name!r}; the panel has {known}.")
        past, future, static = (each and each.without(names) for each in _all(self))
        return replace(
            self, past_covariates=past, future_covariates=future, static_covariates=static
        )

    def extended(self, new_values: ArrayLike) -> "Panel":
        """Each series with `new_values` (S, k) after its end.

        Past covariates are not known there (NaN); future-known ones must reach that far.
        """
        values = np.asarray(new_values, np.float64)
        lengths = self.lengths + values.shape[1]
        joined = np.empty(int(lengths.sum()))
        offsets = offsets_of(lengths)
        joined[flat_index(offsets[:-1], self.lengths)] = self.values
        joined[flat_index(offsets[1:] - values.shape[1], lengths - self.lengths)] = values.ravel()
        past = self.past_covariates
        return replace(
            self,
            values=joined,
            offsets=offsets,
            past_covariates=past and past.padded(values.shape[1]),
        )

    def split(self, horizon: Any) -> tuple["Panel", "Panel"]:
        """(history, future): the last `horizon` points of every series, and all before them.

        A date in place of the number splits every series there: the future begins with that date,
        and may be empty. The history keeps its future-known covariates whole.
        """
        if isinstance(horizon, int | np.integer):
            if horizon < 1:
                raise DataError(f"horizon must be 1 or more to split, got {horizon}.")
            kept = self.lengths - horizon
        else:
            kept = self._lengths_before(horizon)
        short = np.flatnonzero(kept < 1)
        if short.size:
            i = int(short[0])
            name, length = str(self.ids[i]), self.lengths[i]
            if not isinstance(horizon, int | np.integer):
                raise DataError(f"Series {name!r} has no point before {horizon}. Leave it out.")
            raise DataError(
                f"Series {name!r} has {length} points; splitting off "
                f"{horizon} needs {horizon + 1} or more. Use a shorter horizon or leave it out."
            )
        future = self._rows(kept, self.lengths - kept, np.arange(len(self)))
        return self.until(kept), future

    def _lengths_before(self, date: Any) -> Index:
        """Points of each series before a date, (S,)."""
        if not self.is_dated or isinstance(date, float):
            raise DataError(
                f"split takes a whole number of points, or a date where the times are dates, got "
                f"{date!r}."
            )
        at = _read_starts(date, 1, self.freq, self.tz)[0]
        counts: Index = np.append(0, np.cumsum(self.times() < at))
        return counts[self.offsets[1:]] - counts[self.offsets[:-1]]

    def equals(self, other: "Panel") -> bool:
        """Whether ids, times, values and covariates are the same (NaN equals NaN)."""
        return (
            (self.freq, self.tz, self.season_length) == (other.freq, other.tz, other.season_length)
            and np.array_equal(self.ids, other.ids)
            and np.array_equal(self.starts, other.starts)
            and _same_pieces(self, other)
            and all(_same_covariates(*pair) for pair in zip(_all(self), _all(other), strict=True))
        )

    def to_frame(self, kind: str | None = None) -> Any:
        """A long table: unique_id, ds, y and the covariates; rows beyond a series have y missing.

        `kind` is "pandas", "polars" or "pyarrow"; by default the kind the panel came from.
        """
        from tcn.series.frames import panel_to_frame

        return panel_to_frame(self, kind or self.frame_kind)

    def _rows(self, begins: Index, lengths: Index, chosen: Index) -> "Panel":
        """Points [begins, begins + lengths) of the chosen series, covariates alike."""
        past, future, static = _all(self)
        starts = self.starts[chosen]
        if begins.any():
            starts = self.frequency.shift(starts, begins, self.tz)
        return replace(
            self,
            ids=self.ids[chosen],
            values=self.values[flat_index(self.offsets[chosen] + begins, lengths)],
            offsets=offsets_of(lengths),
            starts=starts,
            past_covariates=past and past.rows(begins, lengths, chosen),
            future_covariates=future
            and future.rows(begins, future.lengths[chosen] - begins, chosen),
            static_covariates=static and static.take(chosen),
        )

    def _check_covariates(self) -> None:
        past, future, static = _all(self)
        for name, covariates in (("past", past), ("future", future), ("static", static)):
            if covariates is None:
                continue
            if covariates.is_static != (name == "static"):
                raise DataError(f"{name}_covariates must be {name} in shape; see Covariates.")
            if len(covariates) != len(self):
                raise DataError(
                    f"{name}_covariates have {len(covariates)} series, the panel has {len(self)}."
                )
        if past is not None:
            self._check_rows("Past", past.lengths != self.lengths, past.lengths)
        if future is not None:
            self._check_rows("Future", future.lengths < self.lengths, future.lengths)

    def _check_rows(self, name: str, is_wrong: NDArray[np.bool_], lengths: Index) -> None:
        if is_wrong.any():
            i = int(np.argmax(is_wrong))
            raise DataError(
                f"{name} covariates of {str(self.ids[i])!r} have {lengths[i]} rows, the series has "
                f"{self.lengths[i]} points. Give one row a point"
                f"{', and more for the horizon.' if name == 'Future' else '.'}"
            )


def require_panel(panel: object) -> None:
    """Raise DataError unless this is a panel; the message says how to make one of it."""
    if not isinstance(panel, Panel):
        is_frame = hasattr(panel, "columns") or hasattr(panel, "to_frame")
        is_table = getattr(panel, "ndim", 1) == 2
        arrays = "from_arrays(values)" if is_table else "from_arrays([values])"
        maker = "from_frame(frame)" if is_frame else arrays
        what = type(panel).__name__
        raise DataError(f"A Panel is needed, got a {what}. Make one: tcn.Panel.{maker}.")


def require_season_length(season_length: Any) -> None:
    """Raise DataError unless this is a whole number of 1 or more."""
    if not isinstance(season_length, int | np.integer):
        raise DataError(f"season_length must be one whole number, got {season_length!r}.")
    if season_length < 1:
        raise DataError(f"season_length must be 1 or more, got {season_length}.")


def _all(panel: Panel) -> tuple[Covariates | None, Covariates | None, Covariates | None]:
    return panel.past_covariates, panel.future_covariates, panel.static_covariates


def _same_pieces(a: Panel | Covariates, b: Panel | Covariates) -> bool:
    if (a.offsets is None) != (b.offsets is None):
        return False
    offsets = a.offsets is None or np.array_equal(a.offsets, b.offsets)  # type: ignore[arg-type]
    return offsets and np.array_equal(a.values, b.values, equal_nan=True)


def _same_covariates(a: Covariates | None, b: Covariates | None) -> bool:
    if a is None or b is None:
        return a is b
    return (a.names, a.categories) == (b.names, b.categories) and _same_pieces(a, b)


def _read_ids(ids: Sequence[str] | NDArray[np.str_] | None, n_series: int) -> NDArray[np.str_]:
    if ids is None:
        return np.arange(n_series).astype(np.str_)
    names = np.asarray(ids, np.str_)
    if names.shape != (n_series,):
        raise DataError(f"{n_series} series need as many ids, got {names.size}.")
    if names.dtype.itemsize // 4 > MAX_ID_LENGTH:
        raise DataError(
            f"A series id may have at most {MAX_ID_LENGTH} characters, "
            f"got one of {names.dtype.itemsize // 4}. Shorten it."
        )
    unique, counts = np.unique(names, return_counts=True)
    if len(unique) < n_series:
        raise DataError(f"Series id {str(unique[counts > 1][0])!r} appears twice; ids are unique.")
    return names


def _read_values(array: ArrayLike, names: NDArray[np.str_], index: int) -> NDArray[Any]:
    """One series as an array of finite numbers and NaN; arrays of numbers are not copied."""
    is_numeric = isinstance(array, np.ndarray) and array.dtype.kind in "fiu"
    try:
        values = np.asarray(array) if is_numeric else np.asarray(array, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"Series {str(names[index])!r} is not an array of numbers ({error}). "
            f"Give numbers, with NaN or None where one is missing."
        ) from error
    if values.ndim != 1:
        raise DataError(
            f"Series {str(names[index])!r} has shape {values.shape}; a series is 1-D. "
            f"Give a list with one 1-D array a series, such as [values]."
        )
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise DataError(
            f"Series {str(names[index])!r} has {values[infinite[0]]} at position {infinite[0]}. "
            f"Values are finite; use NaN where one is missing."
        )
    return values


def _read_starts(starts: Any, n_series: int, freq: str | None, tz: str | None) -> Times:
    if starts is None:
        return np.zeros(n_series, np.int64)
    given = np.asarray(starts)
    if given.ndim == 0:
        given = np.repeat(given, n_series)
    if np.issubdtype(given.dtype, np.integer):
        return given.astype(np.int64)
    try:
        read = _parse_starts(given)
    except BadCell as bad:
        raise DataError(
            f"starts[{bad.index}]: {bad.reason}. Give dates, all in one format, or whole numbers."
        ) from None
    if not np.issubdtype(read.values.dtype, np.datetime64):
        return read.values
    if freq is None:
        raise DataError("Series that start at dates need freq=, such as 'D' or 'MS'.")
    return read.values if read.is_utc else to_utc(read.values, tz)


def _parse_starts(given: NDArray[Any]) -> ReadTimes:
    if np.issubdtype(given.dtype, np.datetime64):
        if np.isnat(given).any():
            raise BadCell(int(np.argmax(np.isnat(given))), "the time is missing")
        return ReadTimes(check_range(given))
    texts = [
        start.isoformat() if hasattr(start, "isoformat") else start for start in given.tolist()
    ]
    return parse_times([None if text is None else str(text) for text in texts])
