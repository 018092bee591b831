"""Times in requests: the start of a series, its frequency, its zone."""

import datetime
import re
import zoneinfo
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np

from service.errors import Report, pointer
from service.values import NUMBERS
from tcn.errors import DataError
from tcn.series.frequency import parse_frequency
from tcn.series.zones import check_zone, to_utc

MAX_START = 2**53
_MONTH = re.compile(r"\d{4}-\d{2}")
_FREQ = re.compile(r"[A-Za-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True)
class Start:
    """Time of a series' first value: a whole number, or a UTC stamp shown in the zone `tz`."""

    value: int | np.datetime64 = 0
    tz: str | None = None

    @property
    def is_dated(self) -> bool:
        """Whether it is a date; if not it is a step number."""
        return isinstance(self.value, np.datetime64)


FIRST = Start()


def parse_start(
    value: object, freq: str | None, tz: str | None, where: tuple[str | int, ...], report: Report
) -> Start:
    """Return the time of the first value: a whole number, a date or a date and time."""
    if value is None:
        return FIRST
    if type(value) in NUMBERS and abs(cast("float", value)) <= MAX_START:
        whole = int(cast("float", value))
        if whole == value:
            return Start(whole)
    stamp = _stamp_of(value) if isinstance(value, str) and len(value) <= 40 else None
    if stamp is None or not 1678 <= stamp.year <= 2261:
        report.add(
            pointer(*where),
            "must be a whole number, or an ISO 8601 date or date and time in the years 1678 to"
            " 2261, such as 2026-01-31 or 2026-01-31T13:00.",
        )
        return Start()
    if freq is None:
        report.add(pointer(*where), "is a date, so 'freq' is needed too, such as 'D' or 'MS'.")
    if stamp.tzinfo is not None:
        tz = tz or _offset_of(stamp)
        stamp = to_zone(stamp, tz)
    wall = np.array([stamp.replace(tzinfo=None)], "datetime64[ns]")
    return Start(to_utc(wall, tz)[0], tz)


def _stamp_of(text: str) -> datetime.datetime | None:
    """Read ISO 8601; a month alone is its first day."""
    try:
        return datetime.datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
    except ValueError:
        return None


def _offset_of(stamp: datetime.datetime) -> str:
    minutes = round(cast("datetime.timedelta", stamp.utcoffset()).total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return "UTC" if minutes == 0 else f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def to_zone(stamp: datetime.datetime, tz: str) -> datetime.datetime:
    """Return an aware stamp on the wall clock of `tz`, which may be a fixed offset."""
    if tz[0] in "+-":
        return stamp
    return stamp.astimezone(zoneinfo.ZoneInfo(tz))


def parse_freq(value: object, where: tuple[str | int, ...], report: Report) -> str | None:
    """Return the canonical name of a frequency."""
    if value is None:
        return None
    if isinstance(value, str) and _FREQ.fullmatch(value):
        try:
            return parse_frequency(value).name
        except DataError:
            pass
    report.add(pointer(*where), "must be a frequency such as 'h', 'D', '15min', 'W' or 'MS'.")
    return "D"  # so that a date is not refused for want of a frequency too


def parse_tz(value: object, where: tuple[str | int, ...], report: Report) -> str | None:
    """Return the name of a time zone."""
    if value is None:
        return None
    if isinstance(value, str) and value in zone_names() and _is_known(value):
        return value
    report.add(pointer(*where), "must be the name of a time zone such as 'Europe/Berlin'.")
    return None


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the names of all time zones, without those that stand for a machine's own."""
    return frozenset(zoneinfo.available_timezones() - {"Factory", "localtime"})


@lru_cache(maxsize=1024)
def _is_known(zone: str) -> bool:
    """Whether the library reads a zone that the system knows."""
    try:
        check_zone(zone)
    except DataError:
        return False
    return True
