"""Frequencies: how far apart the points of a series are, and the arithmetic of their stamps.

A frequency has one canonical spelling, that of pandas 2.2 and later: `15min`, `h`, `D`, `B`,
`W-SUN`, `MS`, `ME`, `QS-JAN`, `QE-DEC`, `YS-JAN`, `YE-DEC`, a multiple of each (`2MS`), and with a
`B` in front the first or last business day of the month, quarter or year (`BME`). `SMS-15` is the
1st and 15th of each month, `SME-15` the 15th and the last day. The old
spellings (`T H M Q A ...`), those of polars (`1mo`, `1q`) and plain words (`monthly`) are read too.

Three families of time arithmetic:

    fixed      s, min, h: a constant number of nanoseconds, counted in UTC
    calendar   D, B, W, MS, ME, SM*, Q*, Y*, BM*, BQ*, BY*: counted on the wall clock of the panel's
               time zone, so that local midnight stays local midnight over a clock change
    step       whole numbers; `"10"` steps by ten
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.half_months import LAST_MIDDLE, day_of, half_month_of
from tcn.series.zones import Stamps, to_utc, to_wall

Family = Literal["step", "fixed", "day", "business", "half-month", "month"]
Times = NDArray[Any]  # datetime64[ns] in UTC, or int64 steps

NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}
DAY = 24 * NANOSECONDS["h"]
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MAX_MULTIPLE = 1_000_000

# The first and last days that nanoseconds since 1970 in 64 bits can hold, with a margin.
FIRST_DAY = np.datetime64("1678-01-01", "D")
LAST_DAY = np.datetime64("2261-12-31", "D")
_DAYS_OF_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # in most years
_FIRST_NANOSECOND, _LAST_NANOSECOND = (
    int(day.astype("int64")) * DAY for day in (FIRST_DAY, LAST_DAY)
)

_ALIASES = {
    "N": "ns", "NS": "ns", "NANOSECOND": "ns",
    "U": "us", "US": "us", "MICROSECOND": "us",
    "L": "ms", "MILLISECOND": "ms", "MILLI": "ms",
    "S": "s", "SEC": "s", "SECOND": "s",
    "T": "min", "MIN": "min", "MINUTE": "min", "MINUTELY": "min",
    "H": "h", "HR": "h", "HOUR": "h", "HOURLY": "h",
    "D": "D", "DAY": "D", "DAILY": "D",
    "B": "B", "C": "B", "BUSINESS": "B",
    "W": "W", "WEEK": "W", "WEEKLY": "W",
    "MO": "MS", "MS": "MS", "MONTH": "MS", "MONTHLY": "MS", "BMS": "BMS",
    "SMS": "SMS", "SEMIMONTH": "SMS", "SEMIMONTHLY": "SMS", "SM": "SME", "SME": "SME",
    "M": "ME", "ME": "ME", "BM": "BME", "BME": "BME",
    "QS": "QS", "QUARTER": "QS", "QUARTERLY": "QS", "BQS": "BQS",
    "Q": "QE", "QE": "QE", "BQ": "BQE", "BQE": "BQE",
    "YS": "YS", "AS": "YS", "YEAR": "YS", "YEARLY": "YS", "ANNUAL": "YS",
    "Y": "YE", "A": "YE", "YE": "YE", "AE": "YE",
    "BYS": "BYS", "BAS": "BYS", "BY": "BYE", "BA": "BYE", "BYE": "BYE",
}  # fmt: skip
_CASED = {"ms": "ms", "us": "us", "q": "QS", "y": "YS"}  # where the letter's case tells them apart
_PATTERN = re.compile(r"(?P<n>\d{1,7})?(?P<unit>[A-Za-z]+)(?:-(?P<anchor>[A-Za-z]{3}|\d{1,2}))?")
_EXAMPLES = "'min', '15min', 'h', 'D', 'B', 'W', 'MS', 'ME', 'QS', 'YS', '10' (whole steps)"


@dataclass(frozen=True)
class Frequency:
    """A parsed frequency.

    size: steps, nanoseconds, days, business days, half months or months. middle: the day of the
    month at which its second half begins, or before whose end it lies.
    """

    name: str
    family: Family
    size: int
    at_month_end: bool = False
    on_business_day: bool = False
    middle: int = 0

    def shift(self, starts: Times, steps: NDArray[np.int64], tz: str | None = None) -> Times:
        """Stamps that lie `steps` after `starts` (both broadcast); UTC in, UTC out.

        Whole-number starts move by one per step whatever the unit (by `size` for whole steps).
        """
        if not np.issubdtype(starts.dtype, np.datetime64):
            size = self.size if self.family == "step" else 1
            return starts.astype(np.int64) + steps * np.int64(size)
        stamps = starts.astype("datetime64[ns]")
        if self.family == "step":
            raise DataError(
                f"freq={self.name!r} is for whole-number times, but these are dates. "
                f"Pass a frequency such as {_EXAMPLES}."
            )
        if self.family == "fixed":
            return self._shift_fixed(stamps, steps)
        wall = to_wall(stamps, tz)
        days = wall.astype("datetime64[D]")
        moved = self._shift_days(days, steps)
        _check_range(moved, self.name)
        return to_utc(moved.astype("datetime64[ns]") + (wall - days), tz)

    def steps_between(
        self, starts: Times, stamps: Times, tz: str | None = None
    ) -> NDArray[np.int64]:
        """Whole steps from `starts` to `stamps`, rounded down where a stamp is off the grid."""
        if not np.issubdtype(starts.dtype, np.datetime64):
            size = self.size if self.family == "step" else 1
            return _whole(stamps, starts, size)
        if self.family == "fixed":
            return _whole(stamps, starts, self.size)
        first = to_wall(starts.astype("datetime64[ns]"), tz).astype("datetime64[D]")
        last = to_wall(stamps.astype("datetime64[ns]"), tz).astype("datetime64[D]")
        if self.family == "month":
            months = last.astype("datetime64[M]") - first.astype("datetime64[M]")
            n_months: NDArray[np.int64] = months.astype(np.int64)
            return n_months // self.size
        if self.family == "half-month":
            return (self._half_month(last) - self._half_month(first)) // self.size
        if self.family == "business":
            days = np.busday_count(first, last).astype(np.int64)
        else:
            days = (last - first).astype(np.int64)
        return days // self.size

    def check_starts(self, starts: Times, tz: str | None = None) -> None:
        """Raise DataError where steps are counted from a day that they cannot come back to.

        No business day follows from a Saturday, and no month in a row from the 31st.
        """
        is_by_day = self.family == "month" and not (self.at_month_end or self.on_business_day)
        if not np.issubdtype(starts.dtype, np.datetime64):
            return
        if self.family == "business":
            days = to_wall(starts, tz).astype("datetime64[D]")
            self._refuse(
                days[~np.is_busday(days)], "it is no business day. Begin on one, or use 'D'"
            )
        elif self.family == "half-month":
            days = to_wall(starts, tz).astype("datetime64[D]")
            on_grid = day_of(self._half_month(days), self.middle, self.at_month_end) == days
            outer = "the last day" if self.at_month_end else "the 1st"
            self._refuse(days[~on_grid], f"begin on {outer} or day {self.middle} of a month")
        elif is_by_day:
            days = to_wall(starts, tz).astype("datetime64[D]")
            in_month = (days - days.astype("datetime64[M]")).astype(np.int64)
            if in_month.max(initial=0) >= min(_DAYS_OF_MONTHS):
                self._refuse(
                    days[in_month >= self._shortest_months()[_month_of_year(days)]],
                    "not every month it leads to has that day. Begin by the 28th, or use 'ME', "
                    "'QE' or 'YE' for the ends of months, quarters or years",
                )

    def _shortest_months(self) -> NDArray[np.int64]:
        """Days of the shortest month that steps from each month lead to, (12,)."""
        apart = math.gcd(self.size, 12)
        lengths = np.array(_DAYS_OF_MONTHS)
        return np.array([lengths[first % apart :: apart].min() for first in range(12)])

    def _refuse(self, days: Stamps, reason: str) -> None:
        if days.size:
            raise DataError(f"Steps of {self.name!r} cannot begin on {days[0]}: {reason}.")

    @property
    def season_length(self) -> int:
        """Steps in the season this frequency suggests; 1 where it suggests none.

        A year for months, their halves, quarters and weeks (12, 24, 4, 52), a week for days (7; 5
        for business days), a day for hours and minutes (24, 1440), an hour for seconds (3600). A
        multiple divides it: `15min` has 96, `2h` 12; one that does not divide it has 1.
        """
        if self.family == "month":
            return _divided(12, self.size)
        if self.family == "half-month":
            return _divided(24, self.size)
        if self.family == "business":
            return _divided(5, self.size)
        if self.family == "day":
            return 52 if self.size == 7 else _divided(7, self.size)
        if self.family == "fixed":
            if self.size >= NANOSECONDS["min"]:
                return _divided(DAY, self.size)
            return _divided(NANOSECONDS["h"], self.size) if self.size >= NANOSECONDS["s"] else 1
        return 1

    def _shift_fixed(self, stamps: Stamps, steps: NDArray[np.int64]) -> Stamps:
        moves = steps * np.int64(self.size)
        if stamps.size and steps.size and not self._is_in_range(stamps, steps):
            reached = stamps.astype(np.float64) + steps * float(self.size)
            if np.abs(reached).max() > np.iinfo(np.int64).max:
                raise _out_of_range(self.name)
            _check_range(
                (stamps + moves.view("timedelta64[ns]")).astype("datetime64[D]"), self.name
            )
        moved: Stamps = stamps + moves.view("timedelta64[ns]")
        return moved

    def _is_in_range(self, stamps: Stamps, steps: NDArray[np.int64]) -> bool:
        """Whether the earliest and latest stamps stay in range by the longest steps either way."""
        whole = stamps.view(np.int64)
        lowest, highest = (int(steps.min()) * self.size, int(steps.max()) * self.size)
        return (
            int(whole.min()) + lowest >= _FIRST_NANOSECOND
            and int(whole.max()) + highest <= _LAST_NANOSECOND
        )

    def _shift_days(self, days: Stamps, steps: NDArray[np.int64]) -> Stamps:
        steps = steps * np.int64(self.size)
        if self.family == "day":
            moved: Stamps = days + steps.astype("timedelta64[D]")
            return moved
        if self.family == "business":
            return np.busday_offset(days, steps, roll="backward")
        if self.family == "half-month":
            return day_of(self._half_month(days) + steps, self.middle, self.at_month_end)
        return self._shift_months(days, steps.astype("timedelta64[M]"))

    def _half_month(self, days: Stamps) -> NDArray[np.int64]:
        return half_month_of(days, self.middle, self.at_month_end)

    def _shift_months(self, days: Stamps, steps: NDArray[np.timedelta64]) -> Stamps:
        """Days so many months later, from a day that every month has."""
        months = days.astype("datetime64[M]")
        begins: Stamps = (months + steps).astype("datetime64[D]")
        after: Stamps = (months + steps + np.timedelta64(1, "M")).astype("datetime64[D]")
        ends: Stamps = after - np.timedelta64(1, "D")
        if self.on_business_day and self.at_month_end:
            return np.busday_offset(ends, 0, roll="backward")
        if self.on_business_day:
            return np.busday_offset(begins, 0, roll="forward")
        if self.at_month_end:
            return ends
        moved: Stamps = begins + (days - months.astype("datetime64[D]"))
        return moved


@lru_cache(maxsize=512)
def parse_frequency(freq: str) -> Frequency:
    """Read a frequency in any spelling this module knows.

    >>> parse_frequency("H").name, parse_frequency("3M").name, parse_frequency("quarterly").name
    ('h', '3ME', 'QS-JAN')
    """
    if not isinstance(freq, str):
        raise DataError(f"freq must be a text such as {_EXAMPLES}, got {freq!r}.")
    text = freq.strip()
    if re.fullmatch(r"\d{1,18}", text) and int(text) > 0:
        return Frequency(str(int(text)), "step", int(text))
    match = _PATTERN.fullmatch(text)
    unit = _unit(match["unit"]) if match else None
    n = int(match["n"] or 1) if match else 0
    if match is None or unit is None or not 1 <= n <= MAX_MULTIPLE:
        hint = " 'm' could be minutes ('min') or months ('MS')." if text.lstrip("1") == "m" else ""
        raise DataError(f"Unknown frequency {freq!r}.{hint} Use one such as {_EXAMPLES}.")
    return _build(freq, unit, n, (match["anchor"] or "").upper())


def canonical_frequency(freq: str | None) -> str | None:
    """Return the canonical spelling; None stays None."""
    return None if freq is None else parse_frequency(freq).name


def season_length_of(freq: str | None) -> int:
    """Steps in a season of `freq` (see `Frequency.season_length`); 1 for None.

    >>> [season_length_of(freq) for freq in ("MS", "QE", "W", "D", "B", "h", "15min", "YS")]
    [12, 4, 52, 7, 5, 24, 96, 1]
    """
    return 1 if freq is None else parse_frequency(freq).season_length


def _unit(text: str) -> str | None:
    if text == "m":
        return None
    if text in _CASED:
        return _CASED[text]
    upper = text.upper()
    return _ALIASES.get(upper) or (_ALIASES.get(upper[:-1]) if len(upper) > 3 else None)


def _build(freq: str, unit: str, n: int, anchor: str) -> Frequency:
    prefix = "" if n == 1 else str(n)
    if unit in NANOSECONDS and not anchor:
        return Frequency(prefix + unit, "fixed", n * NANOSECONDS[unit])
    if unit in ("D", "B") and not anchor:
        return Frequency(prefix + unit, "day" if unit == "D" else "business", n)
    if unit == "W" and anchor in ("", *WEEKDAYS):
        return Frequency(f"{prefix}W-{anchor or 'SUN'}", "day", 7 * n)
    if unit in ("SMS", "SME") and (not anchor or anchor.isdigit()):
        middle = int(anchor or 15)
        if 2 <= middle <= LAST_MIDDLE:
            return Frequency(
                f"{prefix}{unit}-{middle}", "half-month", n, unit == "SME", middle=middle
            )
    is_business, ends = unit[0] == "B", unit.endswith("E")
    period = unit.removeprefix("B")[:1]
    if period == "M" and not anchor:
        return Frequency(prefix + unit, "month", n, ends, is_business)
    if period in ("Q", "Y") and anchor in ("", *MONTHS):
        name = f"{prefix}{unit}-{anchor or ('DEC' if ends else 'JAN')}"
        return Frequency(name, "month", n * (3 if period == "Q" else 12), ends, is_business)
    raise DataError(
        f"Unknown frequency {freq!r}: {unit!r} takes no {anchor!r}. Use one such as {_EXAMPLES}."
    )


def _month_of_year(days: Stamps) -> NDArray[np.int64]:
    return days.astype("datetime64[M]").astype(np.int64) % 12


def _whole(stamps: Times, starts: Times, size: int) -> NDArray[np.int64]:
    between: NDArray[np.int64] = stamps.astype(np.int64) - starts.astype(np.int64)
    return between // np.int64(size)


def _divided(season: int, size: int) -> int:
    return season // size if season % size == 0 else 1


def _check_range(days: Stamps, name: str) -> None:
    if days.size and (days.min() < FIRST_DAY or days.max() > LAST_DAY):
        raise _out_of_range(name)


def _out_of_range(name: str) -> DataError:
    return DataError(
        f"Steps of {name!r} lead out of the years 1678 to 2261 that dates can be in. "
        f"Use fewer steps, or whole numbers as times."
    )
