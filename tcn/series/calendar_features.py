"""Calendar features: where in the minute, day, week, month and year a stamp lies."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.frequency import DAY, NANOSECONDS, Times, parse_frequency
from tcn.series.zones import Stamps, to_wall

NAMES = (
    "second_of_minute",
    "minute_of_hour",
    "hour_of_day",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "week_of_year",
    "month_of_year",
    "quarter_of_year",
)


def calendar_names(freq: str | None) -> tuple[str, ...]:
    """The features that vary within a season of `freq`; none for plain steps and years.

    >>> calendar_names("h")
    ('hour_of_day', 'day_of_week', 'day_of_month', 'day_of_year')
    """
    if freq is None:
        return ()
    frequency = parse_frequency(freq)
    if frequency.family == "step":
        return ()
    if frequency.family == "month":
        names = ("month_of_year",) if frequency.size % 3 else ("quarter_of_year",)
        return names if frequency.size < 12 else ()
    if frequency.family == "day" and frequency.size % 7 == 0:
        return ("week_of_year", "month_of_year")
    within_day: tuple[str, ...] = ()
    if frequency.family == "fixed" and frequency.size < DAY:
        within_day = ("hour_of_day",)
        if frequency.size < NANOSECONDS["h"]:
            within_day = ("minute_of_hour", *within_day)
        if frequency.size < NANOSECONDS["min"]:
            within_day = ("second_of_minute", *within_day)
    return (*within_day, "day_of_week", "day_of_month", "day_of_year")


def calendar_features(
    times: Times, names: Sequence[str], tz: str | None = None
) -> NDArray[np.float32]:
    """Features of stamps, each in [-0.5, 0.5] from the first to the last of its cycle.

    Shape: times (...), UTC datetime64 or whole numbers; returns (K, ...) for K names. Read from
    the wall clock of `tz`, so that the hour of day stays right over a clock change. Whole-number
    times have no calendar: their features are zero.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise DataError(f"Unknown calendar feature {unknown[0]!r}. Known: {', '.join(NAMES)}.")
    if not np.issubdtype(times.dtype, np.datetime64):
        return np.zeros((len(names), *times.shape), np.float32)
    wall = to_wall(times.astype("datetime64[ns]"), tz)
    features = np.empty((len(names), *times.shape), np.float32)
    for k, name in enumerate(names):
        features[k] = _feature(wall, name)
    return features


def _feature(wall: Stamps, name: str) -> NDArray[np.float64]:
    day = wall.astype("datetime64[D]")
    in_day = (wall - day).astype(np.int64)
    if name == "second_of_minute":
        return _centred(in_day // NANOSECONDS["s"] % 60, 59)
    if name == "minute_of_hour":
        return _centred(in_day // NANOSECONDS["min"] % 60, 59)
    if name == "hour_of_day":
        return _centred(in_day // NANOSECONDS["h"], 23)
    if name == "day_of_week":
        return _centred((day.astype(np.int64) + 3) % 7, 6)
    month = wall.astype("datetime64[M]")
    if name == "day_of_month":
        return _centred((day - month.astype("datetime64[D]")).astype(np.int64), 30)
    in_year = (day - wall.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    if name == "day_of_year":
        return _centred(in_year, 365)
    if name == "week_of_year":
        return _centred(in_year // 7, 52)
    if name == "month_of_year":
        return _centred(month.astype(np.int64) % 12, 11)
    return _centred(month.astype(np.int64) % 12 // 3, 3)


def _centred(value: NDArray[np.int64], last: int) -> NDArray[np.float64]:
    return value / last - 0.5
