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
from tcn.series.array_series import (
    read_ids,
    read_lengths,
    read_new_values,
    read_starts,
    read_values,
)
from tcn.series.covariates import Covariates, require_covariates
from tcn.series.frequency import Frequency, Times, parse_frequency
from tcn.series.places import place_of, positions_of
from tcn.series.ragged import Index, flat_index, offsets_of, positions_within
from tcn.series.source import ARRAYS, Source
from tcn.series.zones import check_zone

KINDS_OF_COVARIATES = ("past_covariates", "future_covariates", "static_covariates")


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
        ends = self.offsets[[0, -1]].tolist() if self.offsets.size else []
        if self.offsets.shape != (n_series + 1,) or ends != [0, len(self.values)]:
            raise DataError(
                f"{n_series} ids need {n_series + 1} offsets from 0 to {len(self.values)}, "
                f"got {len(self.offsets)} with the ends {ends}."
            )
        if self.starts.shape != (n_series,):
            raise DataError(f"{n_series} ids need as many starts, got shape {self.starts.shape}.")
        if self.freq is not None:
            frequency = parse_frequency(self.freq)
            frequency.check_starts(self.starts, self.tz)
            object.__setattr__(self, "freq", frequency.name)
        if self.season_length is not None:
            require_season_length(self.season_length)
        if any(each is not None for each in _all(self)):
            require_covariates(self.ids, self.lengths, *_all(self))

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
        names = read_ids(ids, len(arrays))
        pieces = [read_values(*pair) for pair in zip(arrays, names.tolist(), strict=True)]
        lengths = np.fromiter((len(piece) for piece in pieces), np.int64, len(pieces))
        return cls(
            ids=names,
            values=np.concatenate(pieces, dtype=np.float64) if pieces else np.empty(0),
            offsets=offsets_of(lengths),
            starts=read_starts(starts, len(pieces), freq, tz),
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
        from tcn.series.long import read_frame

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

    @staticmethod
    def concat(panels: "Sequence[Panel]") -> "Panel":
        """The series of all panels; parts of one series, by its id, become one in time.

        Between two parts values are missing; where covariates known ahead of one part reach into
        the next, those of the next are taken. All panels need the same frequency, zone and columns
        of covariates. The season length is kept if all have the same. Raises DataError where parts
        of a series overlap or lie on different grids.
        """
        from tcn.series.joining import join

        return join(panels)

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
        wanted = read_lengths(lengths, self.lengths, self.ids)
        return self._rows(np.zeros(len(self), np.int64), wanted, np.arange(len(self)))

    def first(self, length: int) -> "Panel":
        """Each series cut to its oldest `length` points; shorter ones stay as they are."""
        return self.until(np.minimum(self.lengths, length))

    def last(self, length: int) -> "Panel":
        """Each series cut to its newest `length` points; shorter ones stay as they are."""
        if not isinstance(length, int | np.integer) or length < 0:
            raise DataError(f"last takes a whole number of points, 0 or more, got {length!r}.")
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
        """Each series with `new_values` (S, k), or (S,) for one each, after its end.

        Past covariates are not known there (NaN); future-known ones must reach that far.
        """
        values = read_new_values(new_values, self.ids)
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
        elif not self.is_dated or isinstance(horizon, float):
            raise DataError(
                f"split takes a whole number of points, or a date where the times are dates, got "
                f"{horizon!r}."
            )
        else:
            kept = self._points_before(horizon)
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

    def since(self, time: Any) -> "Panel":
        """What lies at this time or later: a date, or a whole number where times are steps.

        Series without a point there are left out.
        """
        begins = self._points_before(time)
        kept = np.flatnonzero(begins < self.lengths)
        return self._rows(begins[kept], (self.lengths - begins)[kept], kept)

    def before(self, time: Any) -> "Panel":
        """What lies before this time: a date, or a whole number where times are steps.

        Series without a point there are left out. Future-known covariates stay whole.
        """
        lengths = self._points_before(time)
        kept = np.flatnonzero(lengths > 0)
        return self.take(kept).until(lengths[kept])

    def _points_before(self, time: Any) -> Index:
        """Points of each series before a time, (S,)."""
        at = None if time is None else read_starts(time, 1, self.freq or "D", self.tz)
        if at is None or at.shape != (1,) or (at.dtype.kind == "M") != self.is_dated:
            wanted = "a date, such as '2026-01-31'" if self.is_dated else "a whole number"
            raise DataError(f"The times of this panel take {wanted}, got {time!r}.")
        counts: Index = np.append(0, np.cumsum(self.times() < at[0]))
        return counts[self.offsets[1:]] - counts[self.offsets[:-1]]

    def equals(self, other: "Panel") -> bool:
        """Whether ids, times, values and covariates are the same (NaN equals NaN)."""
        return (
            (self.freq, self.tz, self.season_length) == (other.freq, other.tz, other.season_length)
            and np.array_equal(self.ids, other.ids)
            and np.array_equal(self.starts, other.starts)
            and np.array_equal(self.offsets, other.offsets)
            and np.array_equal(self.values, other.values, equal_nan=True)
            and all(_same_covariates(*pair) for pair in zip(_all(self), _all(other), strict=True))
        )

    def describe(self, kind: str | None = None) -> Any:
        """One row a series: unique_id, first, last, length, missing, zeros, mean, min, max.

        `kind` is "pandas", "polars" or "pyarrow"; by default the kind the panel came from.
        """
        from tcn.series.description import describe

        return describe(self, kind or self.frame_kind)

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


def _same_covariates(a: Covariates | None, b: Covariates | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.equals(b)
