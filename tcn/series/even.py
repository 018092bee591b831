"""Rows that already lie on a grid: in the order of series and time, all one gap apart."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tcn.series.frequency import DAY, Frequency, Times
from tcn.series.inference import fixed_name

DAYS_WITH_A_WEEKEND = 7


class EvenRows(NamedTuple):
    """Where each series begins and ends among the rows, (S + 1,), their first times, and the gap.

    The gap is in nanoseconds between dates, and in units between whole numbers.
    """

    offsets: NDArray[np.int64]
    starts: Times
    gap: int

    def is_step_of(self, frequency: Frequency, tz: str | None) -> bool:
        """Whether the gap is one step of `frequency`, so that no row is off its grid or missing."""
        if not np.issubdtype(self.starts.dtype, np.datetime64):
            return self.gap == (frequency.size if frequency.family == "step" else 1)
        if frequency.family == "day" and _is_utc(tz):
            return self.gap == frequency.size * DAY
        return frequency.family == "fixed" and self.gap == frequency.size

    def frequency_name(self, tz: str | None) -> str | None:
        """The frequency where the gap alone tells it: a part of a day, or days of a whole week."""
        if not np.issubdtype(self.starts.dtype, np.datetime64) or not _is_utc(tz):
            return None
        if self.gap == DAY:
            return "D" if self.offsets[1] >= DAYS_WITH_A_WEEKEND else None
        return fixed_name(self.gap) if self.gap < DAY else None


def even_rows(codes: NDArray[np.integer], times: Times) -> EvenRows | None:
    """The rows' order, if they are even; None if not.

    codes: (R,) series of each row, of which none is without rows. times: (R,).
    """
    if len(codes) < 2 or codes[0] != codes[1]:
        return None
    begins = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    if (codes[begins] <= codes[begins - 1]).any():
        return None
    whole = times.view(np.int64)
    gaps = whole[1:] - whole[:-1]
    gap = int(gaps[0])
    gaps[begins - 1] = gap
    if gap <= 0 or (gaps != gap).any():
        return None
    offsets = np.concatenate([[0], begins, [len(codes)]])
    return EvenRows(offsets, times[offsets[:-1]], gap)


def _is_utc(tz: str | None) -> bool:
    return tz is None or tz == "UTC"
