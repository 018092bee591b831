"""Times written as text, or held in a frame's column, as UTC stamps or whole numbers."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.frequency import FIRST_DAY, LAST_DAY, MONTHS, Times
from tcn.series.zones import Stamps

_CLOCK = r"(?:[ T]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?[AaPp]\.?[Mm]\.?)?)?"
_ZONE = r"(?P<zone> ?Z| ?UTC| ?[+-]\d{2}:?\d{2})?"
_ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}" + _CLOCK + _ZONE)
_CLOCK_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_CLOCK_RANGE = np.array(["2000-01-01", "2100-01-01"], "datetime64[D]")
_SHORT_YEARS = {  # how times with a year of two digits are read, for the message
    re.compile(r"\d{1,2}\.\d{1,2}\.\d{2}"): "%d.%m.%y",
    re.compile(r"\d{1,2}/\d{1,2}/\d{2}"): "%m/%d/%y",
    re.compile(r"[A-Za-z]{3}-\d{2}"): "%b-%y",
    re.compile(r"\d{1,2}-[A-Za-z]{3}-\d{2}"): "%d-%b-%y",
}
_MONTH_NAMES = tuple(month.lower() for month in MONTHS)

Reader = Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class ReadTimes:
    """Times of a column; `is_utc` when they carried offsets, `zone` if always the same one."""

    values: Times
    is_utc: bool = False
    zone: str | None = None
    note: str = ""


@dataclass(frozen=True)
class BadCell(Exception):  # noqa: N818  (caught and turned into a DataError with row and column)
    """The cell at `index` is no time; `reason` says what is wrong with it."""

    index: int
    reason: str


def parse_times(cells: Sequence[str | None], time_format: str | None = None) -> ReadTimes:
    """Read text cells, all in one format; raise `BadCell` at the first that is no time.

    Read are ISO 8601 dates with or without clock time and offset; 2024/01/31, 31.01.2024,
    20240131, 31/01/2024 or 01/31/2024 (where one cell tells which), 2024-01, 202401, 2024M01,
    2024Q1, Q1 2024, 2024-W05, 31 Jan 2024, Jan 2024; and whole numbers (`read_whole_numbers`).
    `time_format` is a strptime format for everything else.
    """
    texts = [_cell(cells, i) for i in range(len(cells))]
    if not texts:
        return ReadTimes(np.empty(0, np.int64))
    if time_format is not None:
        return _parse_strptime(texts, time_format)
    if re.fullmatch(r"[+-]?\d+(?:\.0*)?", texts[0]):
        return _parse_whole_numbers(texts)
    if _ISO.fullmatch(texts[0]):
        return _parse_iso(texts)
    return _parse_other(texts)


def check_range(stamps: NDArray[np.datetime64]) -> Stamps:
    """Any unit to nanoseconds; raises `BadCell` at the first stamp these cannot hold."""
    outside = _outside(stamps)
    if outside.size:
        raise BadCell(int(outside[0]), f"{stamps[outside[0]]} is outside the years 1678 to 2261")
    return stamps.astype("datetime64[ns]")


def _outside(stamps: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Where stamps lie that nanoseconds in 64 bits cannot hold."""
    if stamps.size:
        first, last = stamps.min().astype("datetime64[D]"), stamps.max().astype("datetime64[D]")
        if first >= FIRST_DAY and last <= LAST_DAY:
            return np.empty(0, np.int64)
    days = stamps.astype("datetime64[D]")
    return np.flatnonzero((days < FIRST_DAY) | (days > LAST_DAY))


def _cell(cells: Sequence[str | None], index: int) -> str:
    text = cells[index]
    if text is None or not text.strip():
        raise BadCell(index, "the time is missing")
    return text.strip()


def _parse_whole_numbers(texts: list[str]) -> ReadTimes:
    for i, text in enumerate(texts):
        if not re.fullmatch(r"[+-]?\d{1,19}(?:\.0*)?", text):
            raise BadCell(i, f"{text!r} is not a whole number, but the times before it are")
        if not -(2**63) <= int(text.split(".")[0]) < 2**63:
            raise BadCell(i, f"{text!r} is beyond the whole numbers of 64 bits")
    return read_whole_numbers(np.array([int(text.split(".")[0]) for text in texts], np.int64))


def read_whole_numbers(numbers: NDArray[np.int64]) -> ReadTimes:
    """Whole numbers as steps, unless all of them look like YYYYMMDD, YYYYMM or a clock's count.

    A clock's count is of seconds (or milli-, micro-, nanoseconds) since 1970, in 2000 to 2099.
    """
    for unit, name in _CLOCK_UNITS.items() if numbers.size > 1 else ():
        first, stop = _CLOCK_RANGE.astype(f"datetime64[{unit}]").astype(np.int64)
        if first <= numbers.min() and numbers.max() < stop:
            stamps = numbers.astype(f"datetime64[{unit}]").astype("datetime64[ns]")
            note = f"Times such as {numbers[0]} are read as {name} since 1970, in UTC."
            return ReadTimes(stamps, is_utc=True, zone="UTC", note=note)
    if numbers.size and numbers.min() >= 16780101 and numbers.max() <= 22611231:
        texts = [f"{n // 10000:04d}-{n // 100 % 100:02d}-{n % 100:02d}" for n in numbers.tolist()]
        stamps = _isoformat(texts)
        if not np.isnat(stamps).any():
            return ReadTimes(stamps, note="Times such as 20240131 are read as dates.")
    months = numbers % 100
    is_month = (numbers >= 167801) & (numbers <= 226112) & (months >= 1) & (months <= 12)
    if numbers.size > 1 and is_month.all():
        stamps = _isoformat([f"{n // 100:04d}-{n % 100:02d}-01" for n in numbers.tolist()])
        return ReadTimes(stamps, note="Times such as 202401 are read as months.")
    return ReadTimes(numbers)


def _parse_iso(texts: list[str]) -> ReadTimes:
    zones = set()
    for i, text in enumerate(texts):
        match = _ISO.fullmatch(text)
        if match is None:
            raise BadCell(i, f"{text!r} is not a date like {texts[0]!r}")
        zones.add((match["zone"] or "").strip().replace("UTC", "Z"))
    if "" in zones and len(zones) > 1:
        i = next(
            i
            for i, text in enumerate(texts)
            if (_zone_of(text) == "") != (_zone_of(texts[0]) == "")
        )
        raise BadCell(i, f"{texts[i]!r} and {texts[0]!r} differ in having an offset from UTC")
    stamps = _to_datetime(texts, "ISO8601" if _is_strict(texts) else "mixed")
    if zones == {""}:
        return ReadTimes(stamps)
    return ReadTimes(stamps, is_utc=True, zone=_zone_name(zones))


def _zone_of(text: str) -> str:
    match = _ISO.fullmatch(text)
    return (match["zone"] or "") if match else ""


def _zone_name(zones: set[str]) -> str | None:
    if len(zones) > 1:
        return None
    zone = next(iter(zones))
    if zone == "Z" or int(zone.replace(":", "")) == 0:
        return "UTC"
    return zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"


def _is_strict(texts: list[str]) -> bool:
    return all(
        len(text) >= 10 and text[4] == text[7] == "-" and "m" not in text.lower() for text in texts
    )


def _parse_other(texts: list[str]) -> ReadTimes:
    for pattern, reader in _PATTERNS:
        if pattern.fullmatch(texts[0]):
            matches = [pattern.fullmatch(text) for text in texts]
            if None in matches:
                i = matches.index(None)
                raise BadCell(i, f"{texts[i]!r} is not a time like {texts[0]!r}")
            return ReadTimes(
                _to_datetime([reader(match) for match in matches if match], "mixed", texts)
            )
    if re.match(r"\d{1,2}[/-]\d{1,2}[/-]\d{4}", texts[0]):
        return _parse_day_or_month_first(texts)
    for pattern, time_format in _SHORT_YEARS.items():
        if pattern.fullmatch(texts[0]):
            raise BadCell(
                0, f"{texts[0]!r} has a year of two digits (pass time_format={time_format!r})"
            )
    raise BadCell(0, f"{texts[0]!r} is not a time")


def _parse_day_or_month_first(texts: list[str]) -> ReadTimes:
    pattern = re.compile(r"(\d{1,2})([/-])(\d{1,2})[/-](\d{4})(" + _CLOCK + ")")
    matches = []
    for i, text in enumerate(texts):
        match = pattern.fullmatch(text)
        if match is None:
            raise BadCell(i, f"{text!r} is not a time like {texts[0]!r}")
        matches.append(match)
    first = max(int(match[1]) for match in matches)
    second = max(int(match[3]) for match in matches)
    if first > 12 and second > 12:
        i = next(i for i, m in enumerate(matches) if (int(m[1]) > 12) != (int(matches[0][1]) > 12))
        raise BadCell(i, f"{texts[i]!r} mixes day first and month first with the times before it")
    if first <= 12 and second <= 12:
        raise BadCell(0, f"{texts[0]!r} may have the day or the month first (pass time_format=)")
    day, month = (1, 3) if first > 12 else (3, 1)
    iso = [f"{m[4]}-{int(m[month]):02d}-{int(m[day]):02d}{m[5]}" for m in matches]
    return ReadTimes(_to_datetime(iso, "mixed", texts))


def _parse_strptime(texts: list[str], time_format: str) -> ReadTimes:
    stamps = _to_datetime(texts, time_format)
    if "%z" in time_format:
        return ReadTimes(stamps, is_utc=True)
    return ReadTimes(stamps)


def _to_datetime(texts: list[str], how: str, shown: list[str] | None = None) -> Stamps:
    """Stamps of texts by pandas; `BadCell` at the first that is no date or out of range."""
    import pandas as pd

    try:
        index = pd.DatetimeIndex(pd.to_datetime(texts, format=how, errors="coerce", utc=True))
    except (ValueError, re.error) as error:  # of re: a directive that is there twice
        raise DataError(f"time_format={how!r} is not a strptime format: {error}.") from error
    stamps = index.tz_localize(None).to_numpy()  # in the unit pandas chose
    bad = np.flatnonzero(np.isnat(stamps))
    if bad.size == 0:
        bad = _outside(stamps)
    if bad.size:
        text = (shown or texts)[bad[0]]
        year = re.search(r"\d{4,}", text)
        is_outside = year is not None and not 1678 <= int(year[0]) <= 2261
        what = "is outside the years 1678 to 2261" if is_outside else "is not a time"
        raise BadCell(int(bad[0]), f"{text!r} {what}")
    return stamps.astype("datetime64[ns]")


def _isoformat(texts: list[str]) -> Stamps:
    import pandas as pd

    index = pd.to_datetime(texts, format="ISO8601", errors="coerce")
    return index.to_numpy().astype("datetime64[ns]")


def _month_name(text: str) -> int:
    short = text[:3].lower()
    return _MONTH_NAMES.index(short) + 1 if short in _MONTH_NAMES else 0


def _quarter(match: re.Match[str]) -> str:
    return f"{match['y']}-{3 * int(match['q']) - 2:02d}-01"


def _week(match: re.Match[str]) -> str:
    try:
        return date.fromisocalendar(int(match["y"]), int(match["w"]), 1).isoformat()
    except ValueError:  # no such week in that year
        return f"{match['y']}-00-00"


def _named_month(match: re.Match[str]) -> str:
    groups = match.groupdict()
    day = int(groups.get("d") or 1)
    return f"{match['y']}-{_month_name(match['m']):02d}-{day:02d}{groups.get('t') or ''}"


def _numeric_month(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return (
        f"{match['y']}-{int(match['m']):02d}-{int(groups.get('d') or 1):02d}{groups.get('t') or ''}"
    )


_YEAR = r"(?P<y>\d{4})"
_NAME = r"(?P<m>[A-Za-z]{3,9})\.?"
_DAY = r"(?P<d>\d{1,2})"
_TIME = f"(?P<t>{_CLOCK})"
_PATTERNS: tuple[tuple[re.Pattern[str], Reader], ...] = (
    (re.compile(rf"{_YEAR}[ -]?[Qq](?P<q>[1-4])"), _quarter),
    (re.compile(rf"[Qq](?P<q>[1-4])[ -/]?{_YEAR}"), _quarter),
    (re.compile(rf"{_YEAR}[ -]?[Ww](?P<w>\d{{1,2}})"), _week),
    (re.compile(rf"{_YEAR}[ -]?[Mm](?P<m>\d{{1,2}})"), _numeric_month),
    (re.compile(rf"{_YEAR}[/.-](?P<m>\d{{1,2}})"), _numeric_month),
    (re.compile(rf"{_YEAR}[/.](?P<m>\d{{1,2}})[/.]{_DAY}{_TIME}"), _numeric_month),
    (re.compile(rf"{_DAY}\.(?P<m>\d{{1,2}})\.{_YEAR}{_TIME}"), _numeric_month),
    (re.compile(rf"{_DAY}[ -]{_NAME}[ -]{_YEAR}{_TIME}"), _named_month),
    (re.compile(rf"{_NAME}[ -]{_DAY},?[ -]{_YEAR}{_TIME}"), _named_month),
    (re.compile(rf"{_NAME}[ -]{_YEAR}"), _named_month),
    (re.compile(rf"{_YEAR}[ -]{_NAME}"), _named_month),
)
