"""Time zones: between UTC, which a panel stores, and the wall clock, which people read."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError

Stamps = NDArray[np.datetime64]


def check_zone(tz: str) -> str:
    """Return `tz` when it names a time zone ("Europe/Berlin", "UTC", "+02:00"), else raise."""
    to_wall(np.zeros(1, "datetime64[ns]"), tz)
    return tz


def zone_of(read: str | None, asked: str | None) -> str | None:
    """The zone asked for, or else the one the times were in."""
    zone = asked if asked is not None else read
    return None if zone is None else check_zone(zone)


def to_wall(stamps: Stamps, tz: str | None) -> Stamps:
    """UTC stamps of any shape as what a clock in zone `tz` shows; None is UTC itself."""
    if tz is None or tz == "UTC":
        return stamps
    index = _pandas().DatetimeIndex(stamps.ravel()).tz_localize("UTC")
    try:
        wall = index.tz_convert(_pandas_zone(tz)).tz_localize(None)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise _unknown_zone(tz) from error
    return _as_nanoseconds(wall, stamps.shape)


def to_utc(wall: Stamps, tz: str | None, second: NDArray[np.bool_] | None = None) -> Stamps:
    """Wall-clock stamps of any shape as UTC.

    An hour that a clock change skips becomes the first instant after it. An hour that comes twice
    is read as its first pass, or as its second where `second` is True.
    """
    if tz is None or tz == "UTC":
        return wall
    index = _pandas().DatetimeIndex(wall.ravel())
    first = np.ones(index.shape, bool) if second is None else ~second.ravel()
    try:
        local = index.tz_localize(_pandas_zone(tz), ambiguous=first, nonexistent="shift_forward")
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise _unknown_zone(tz) from error
    return _as_nanoseconds(local.tz_convert("UTC").tz_localize(None), wall.shape)


def _as_nanoseconds(index: Any, shape: tuple[int, ...]) -> Stamps:
    return cast("Stamps", index.to_numpy().astype("datetime64[ns]").reshape(shape))


def _pandas_zone(tz: str) -> str:
    return f"UTC{tz}" if tz[:1] in ("+", "-") else tz


def _unknown_zone(tz: str) -> DataError:
    return DataError(
        f"Unknown time zone {tz!r}. Use an IANA name such as 'Europe/Berlin', 'UTC', "
        f"or an offset such as '+02:00'."
    )


def _pandas() -> Any:
    import pandas as pd

    return pd
