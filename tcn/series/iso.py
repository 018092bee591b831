"""Times as JSON has them: whole numbers, dates, or ISO 8601 with the offset of their zone."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tcn.series.frequency import parse_frequency
from tcn.series.zones import to_wall

Unit = Literal["D", "s", "ms", "us", "ns"]


def iso_stamps(times: NDArray[Any], tz: str | None, freq: str | None) -> list[Any]:
    """Write times (H,): numbers as they are, UTC stamps on the wall clock of `tz`.

    Days and longer steps without a zone are dates; everything else has a time of day.

    >>> iso_stamps(np.array(["2024-01-01", "2024-02-01"], "datetime64[ns]"), None, "MS")
    ['2024-01-01', '2024-02-01']
    """
    if times.dtype.kind != "M":
        return list(times.tolist())
    if tz is None:
        has_clock = freq is not None and parse_frequency(freq).family == "fixed"
        return _texts(times, "s" if has_clock else "D")
    if tz == "UTC":
        return [f"{text}Z" for text in _texts(times, "s")]
    wall = to_wall(times, tz)
    minutes = ((wall - times) // np.timedelta64(1, "m")).astype(int)
    return [text + _offset(minute) for text, minute in zip(_texts(wall, "s"), minutes, strict=True)]


def _texts(times: NDArray[Any], coarsest: Unit) -> list[str]:
    """Write stamps in the coarsest unit that shows all of them whole."""
    units: tuple[Unit, ...] = ("D", "s", "ms", "us", "ns")
    for unit in units[units.index(coarsest) :]:
        if (times.astype(f"datetime64[{unit}]") == times).all():
            return list(np.datetime_as_string(times, unit).tolist())
    return []


def _offset(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
