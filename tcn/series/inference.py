"""Finding the frequency of stamps that lie on a regular grid with gaps."""

import numpy as np
from numpy.typing import NDArray

from tcn.errors import DataError
from tcn.series.frequency import DAY, MONTHS, NANOSECONDS, WEEKDAYS, Times, parse_frequency
from tcn.series.half_months import half_month_name
from tcn.series.zones import Stamps, to_wall

MAX_SERIES_READ = 1000
MIN_RUN = 8  # this many equal gaps on end, and a fifth of a series, are another frequency


def infer_frequency(
    codes: NDArray[np.integer], times: Times, ids: NDArray[np.str_], tz: str | None = None
) -> str | None:
    """The frequency of series given as (series code, time) rows in any order.

    The most common distance between neighbours, or else the smallest, on whose grid all stamps
    lie: by the calendar of `tz` (days, business days, weeks, months, quarters, years), or of fixed
    length. Read from the 1,000 longest series. None for whole numbers that step by one.
    """
    codes, times = _longest_series(codes, times)
    if not _is_sorted(codes, times):
        order = np.lexsort((times, codes))
        codes, times = codes[order], times[order]
    is_inner = (codes[1:] == codes[:-1]) & (times[1:] > times[:-1])
    if not np.issubdtype(times.dtype, np.datetime64):
        return _infer_step((times[1:] - times[:-1])[is_inner])
    if not is_inner.any():
        raise DataError(
            "No series has two different stamps, so that the frequency cannot be seen. "
            "Pass freq=, such as 'D' or 'MS'."
        )
    wall = to_wall(times, tz)
    begins = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    starts = np.repeat(times[begins], np.diff(np.r_[begins, len(times)]))
    candidates = _candidates(times, wall, is_inner)
    bad = -1
    for name in candidates:
        frequency = parse_frequency(name)
        steps = frequency.steps_between(starts, times, tz)
        off = frequency.shift(starts, steps, tz) != times
        if not off.any():
            return name
        bad = int(np.argmax(off)) if bad < 0 else bad
    raise DataError(
        f"Series {str(ids[codes[bad]])!r} has no regular frequency: most stamps step by "
        f"{candidates[0]!r}, but {_shown(wall[bad])} comes after {_shown(wall[bad - 1])}. "
        f"Bring the stamps onto a regular grid, or pass freq= (a finer grid with gaps is allowed)."
    )


def check_one_frequency(
    is_filled: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    ids: NDArray[np.str_],
    freq: str | None,
) -> None:
    """Raise where a good part of a series steps by a steady multiple of the panel's frequency.

    A long run of equal gaps is no chance: those rows were recorded at another frequency.
    """
    filled = np.flatnonzero(is_filled)
    owner = np.searchsorted(offsets, filled, side="right") - 1
    gaps = np.diff(filled)
    is_wide = (gaps > 1) & (owner[1:] == owner[:-1])
    is_like_last = np.zeros(len(gaps), bool)
    is_like_last[1:] = is_wide[1:] & is_wide[:-1] & (owner[2:] == owner[:-2])
    is_like_last[1:] &= np.abs(gaps[1:] - gaps[:-1]) <= 0.15 * gaps[:-1]
    breaks = np.flatnonzero(~is_like_last)
    runs = np.diff(np.r_[breaks, len(gaps)])
    n_rows = np.bincount(owner, minlength=len(offsets) - 1)
    n_steps = n_rows[owner[breaks]] - 1
    is_long = (runs >= MIN_RUN) & (runs >= 0.2 * n_steps)
    if is_long.any():
        first = breaks[int(np.argmax(is_long))]
        series = owner[first]
        raise DataError(
            f"Series {str(ids[series])!r} has two frequencies, or another one than the rest: "
            f"{runs[int(np.argmax(is_long))]} rows on end are about {gaps[first]} steps of "
            f"{freq or '1'!r} apart. Split it, or pass freq= to have the steps between missing."
        )


def _longest_series(codes: NDArray[np.integer], times: Times) -> tuple[NDArray[np.integer], Times]:
    counts = np.bincount(codes)
    if len(counts) <= MAX_SERIES_READ:
        return codes, times
    is_read = np.zeros(len(counts), bool)
    is_read[np.argpartition(counts, -MAX_SERIES_READ)[-MAX_SERIES_READ:]] = True
    rows = is_read[codes]
    return codes[rows], times[rows]


def _infer_step(steps: NDArray[np.int64]) -> str | None:
    if steps.size == 0:
        return None
    step = int(np.gcd.reduce(steps))
    return None if step == 1 else str(step)


def _is_sorted(codes: NDArray[np.integer], times: Times) -> bool:
    """Whether rows are in the order of series, and of time within each."""
    is_later = (codes[1:] == codes[:-1]) & (times[1:] >= times[:-1])
    return bool((is_later | (codes[1:] > codes[:-1])).all())


def _candidates(times: Stamps, wall: Stamps, is_inner: NDArray[np.bool_]) -> list[str]:
    """Names by likelihood; a calendar name before a fixed one."""
    elapsed = (times[1:] - times[:-1])[is_inner].astype(np.int64)
    on_wall = elapsed if wall is times else (wall[1:] - wall[:-1])[is_inner].astype(np.int64)
    candidates: list[str] = []
    for choose in (_most_common, np.min):
        step = int(choose(on_wall))
        if step >= 28 * DAY:
            months = wall.astype("datetime64[M]").astype(np.int64)
            in_months = (months[1:] - months[:-1])[is_inner]
            candidates += _month_names(wall.astype("datetime64[D]"), int(choose(in_months)))
        if step % DAY == 0:
            candidates.append(_day_name(wall.astype("datetime64[D]"), step // DAY))
        candidates.append(fixed_name(int(choose(elapsed))))
    if step >= DAY and (half_month := half_month_name(wall)) is not None:
        candidates.append(half_month)
    return list(dict.fromkeys(candidates))


def _most_common(values: NDArray[np.int64]) -> np.int64:
    if values.min() == values.max():
        return values[0]  # type: ignore[no-any-return]
    unique, counts = np.unique(values, return_counts=True)
    return unique[np.argmax(counts)]  # type: ignore[no-any-return]


def _month_names(days: Stamps, n_months: int) -> list[str]:
    month = int(days.astype("datetime64[M]")[0].astype(np.int64) % 12)
    in_month = days - days.astype("datetime64[M]").astype("datetime64[D]")
    is_end = (days + 1).astype("datetime64[M]") > days.astype("datetime64[M]")
    sides = "ES" if is_end.all() and in_month.astype(np.int64).max() >= 27 else "SE"
    names = [(business, side) for business in ("", "B") for side in sides if n_months > 0]
    return [_month_name(n_months, business, side, month) for business, side in names]


def _month_name(n_months: int, business: str, side: str, month: int) -> str:
    if n_months % 12 == 0:
        return f"{_times(n_months // 12)}{business}Y{side}-{MONTHS[month]}"
    if n_months == 3:
        return f"{business}Q{side}-{MONTHS[month % 3 + (9 if side == 'E' else 0)]}"
    return f"{_times(n_months)}{business}M{side}"


def _times(n: int) -> str:
    return "" if n == 1 else str(n)


def _day_name(days: Stamps, n_days: int) -> str:
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    spans_a_weekend = (days.max() - days.min()).astype(np.int64) > 4
    if n_days == 1 and len(days) > 5 and spans_a_weekend and weekday.max() < 5:
        return "B"
    if n_days % 7 == 0:
        return f"{_times(n_days // 7)}W-{WEEKDAYS[int(weekday[0])]}"
    return f"{_times(n_days)}D"


def fixed_name(size: int) -> str:
    """The frequency of `size` nanoseconds."""
    for unit in ("h", "min", "s", "ms", "us", "ns"):
        if size % NANOSECONDS[unit] == 0:
            return f"{_times(size // NANOSECONDS[unit])}{unit}"
    raise AssertionError(size)


def _shown(stamp: np.datetime64) -> str:
    text = str(stamp.astype("datetime64[s]"))
    return text.removesuffix("T00:00:00")
