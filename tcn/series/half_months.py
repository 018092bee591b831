"""Two days a month: the 1st and a middle day, or a middle day and the last."""

import numpy as np
from numpy.typing import NDArray

from tcn.series.zones import Stamps

Index = NDArray[np.int64]

LAST_MIDDLE = 27  # a day before the last of every month
HEAD = 64  # stamps that are looked at before all are
MOST_DAYS = 5  # of a month: a middle one, and the 28th to the 31st where they are the last
FEWEST = 0.25  # share of the rows on each of the two days; fewer are mistakes in months


def half_month_of(days: Stamps, middle: int, at_month_end: bool) -> Index:
    """Number of the newest such day up to each of `days` (datetime64[D]), counted from 1970 on."""
    months = days.astype("datetime64[M]")
    day = _day_of_month(days)
    before: Index = 2 * months.astype(np.int64) + (day >= middle)
    if not at_month_end:
        return before
    is_last = (days + np.timedelta64(1, "D")).astype("datetime64[M]") > months
    return before + is_last - 1


def day_of(half_month: Index, middle: int, at_month_end: bool) -> Stamps:
    """Inverse of `half_month_of`, datetime64[D]."""
    months = (half_month // 2).astype("datetime64[M]")
    begins: Stamps = months.astype("datetime64[D]")
    middles: Stamps = begins + np.timedelta64(middle - 1, "D")
    is_second = half_month % 2 == 1
    if not at_month_end:
        return np.where(is_second, middles, begins)
    ends = (months + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    return np.where(is_second, ends, middles)


def half_month_name(stamps: Stamps) -> str | None:
    """`SMS-15` or the like, where all stamps are on two such days, and many each; else None."""
    if len(np.unique(_day_of_month(stamps[:HEAD].astype("datetime64[D]")))) > MOST_DAYS:
        return None
    days = stamps.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    day = _day_of_month(days)
    is_last = (days + np.timedelta64(1, "D")).astype("datetime64[M]") > months
    for name, is_outer in (("SMS", day == 1), ("SME", is_last)):
        middles = np.unique(day[~is_outer])
        is_half = FEWEST <= is_outer.mean() <= 1.0 - FEWEST
        if is_half and len(middles) == 1 and 2 <= middles[0] <= LAST_MIDDLE:
            return f"{name}-{middles[0]}"
    return None


def _day_of_month(days: Stamps) -> Index:
    months = days.astype("datetime64[M]").astype("datetime64[D]")
    counted: Index = (days - months).astype(np.int64) + 1
    return counted
