r"""Location and scale of every position of a window, from the past alone.

All statistics at time `t` read values up to `t` and none after, through differences of cumulative
sums, so one pass serves every forecast origin of a series at once. A forecast at origin `t` is made
in units of `z = (y - loc_t) / scale_t`:

    loc_t    mean of the last cycle (the last 6 values where the cycle is shorter than 4)
    scale_t  half the standard deviation plus half the mean absolute difference of the last four
             cycles (24 to 192 values), and at least a tenth of the same over the whole past;
             a tenth of the level where a single value is known

Missing values (NaN) take part in no sum. Each series is first centred on its mean and divided by a
power of two, which changes no result and keeps sums of squares inside float64.
"""

import math
import sys
from enum import IntEnum
from typing import NamedTuple

from tcn.series.arrays import Array, space_of

MIN_LEVEL_WINDOW = 6
SHORTEST_OWN_CYCLE = 4
SCALE_CYCLES = 4
MIN_SCALE_WINDOW = 24
MAX_SCALE_WINDOW = 192
LONG_RUN_SHARE = 0.1
RELATIVE_FLOOR = 1e-9
SMALLEST_SCALE = 1e-12
SINGLE_VALUE_SHARE = 0.1


class Row(IntEnum):
    """Rows of a history's table; in column e what is known after the first e positions."""

    LAST_SEEN = 0  # the newest value seen
    VALUES = 1  # this row and the next five are running sums
    NUMBER = 2
    SQUARES = 3
    CHANGES = 4
    NUMBER_OF_CHANGES = 5
    ZEROS = 6  # exact zeros in the data's own units
    VALUE = 7  # of the last position, 0 where missing
    OBSERVED = 8  # 1.0 where that value was seen
    POSITIVE = 9  # 1.0 where every value so far was above zero, in the data's own units


LEVEL_ROWS = slice(Row.LAST_SEEN, Row.NUMBER + 1)
SPREAD_ROWS = slice(Row.VALUES, Row.NUMBER_OF_CHANGES + 1)
WINDOW_ROWS = slice(Row.LAST_SEEN, Row.NUMBER_OF_CHANGES + 1)
VALUE_ROWS = slice(Row.VALUE, Row.OBSERVED + 1)


class History(NamedTuple):
    """Observed values, centred and filled, with their cumulative sums."""

    table: Array  # (N, 10, L + 1) float64, see Row; the first column is 0
    season: Array  # (N,) int64, at least 1
    first: Array  # (N, 1) int64, index of the first value seen; 0 where there is none
    centre: Array  # (N, 1) subtracted from the data
    unit: Array  # (N, 1) power of two the data were divided by
    cycle: int | None = None  # the season, where all series have the same one

    @property
    def values(self) -> Array:
        """(N, L) centred and divided; 0 where missing."""
        return self.table[:, Row.VALUE, 1:]

    @property
    def observed(self) -> Array:
        """(N, L) 1.0 where a value was seen."""
        return self.table[:, Row.OBSERVED, 1:]


class LocScale(NamedTuple):
    """Location and scale at each position, in the units of `History`. Both (N, L)."""

    loc: Array
    scale: Array


def read_history(values: Array, season: Array) -> History:
    """Prepare windows for causal statistics; the history is of the kind of `values`.

    values: (N, L) float64, NaN where missing. season: (N,) int64, steps of a cycle, 1 for none.
    """
    space = space_of(values)
    values = space.double(values)
    seen = space.isfinite(values)
    raw = space.where(seen, values, 0.0)
    largest = space.largest(abs(raw), 1)[:, None]
    largest = space.at_least(space.where(largest == 0.0, 1.0, largest), sys.float_info.min)
    unit = space.exp2(space.floor(space.log2(largest)))
    raw = raw / unit
    n, length = raw.shape
    table = space.empty((n, len(Row), length + 1), values)
    table[:, :, 0] = 0.0
    after = table[:, :, 1:]
    after[:, Row.OBSERVED] = seen
    observed = after[:, Row.OBSERVED]
    centre = raw.sum(1)[:, None] / space.at_least(observed.sum(1)[:, None], 1.0)
    centred = (raw - centre) * observed
    after[:, Row.VALUE] = centred
    after[:, Row.LAST_SEEN] = _forward_fill(centred, seen)
    lowest = space.running_min(space.where(seen, raw, math.inf), 1)
    after[:, Row.POSITIVE] = (lowest > 0.0) & (lowest < math.inf)
    after[:, Row.VALUES] = centred
    after[:, Row.NUMBER] = observed
    after[:, Row.SQUARES] = centred * centred
    is_change = after[:, Row.NUMBER_OF_CHANGES]
    is_change[:] = observed * (observed.cumsum(1) > observed)
    after[:, Row.CHANGES] = abs(centred - table[:, Row.LAST_SEEN, :-1]) * is_change
    is_zero = abs(centred + centre) < 1e-9 * (abs(centre) + 1.0)
    after[:, Row.ZEROS] = is_zero * observed
    space.sum_up(after[:, Row.VALUES : Row.ZEROS + 1])
    first = space.first_true(seen)[:, None]
    return History(table, season, first, centre, unit, space.shared(season))


def look_up(history: History, rows: slice, end: Array) -> Array:
    """Rows of the table after the first `end` positions (N, ...), 0 before the start.

    Output (N, rows, ...).
    """
    space = space_of(end)
    index = space.at_least(end, 0).reshape(len(end), -1)
    found = space.gather(history.table[:, rows], index)
    return found.reshape(*found.shape[:2], *end.shape[1:])


def behind(
    history: History, rows: slice, lags: Array | tuple[int, ...], first: int, stop: int
) -> Array:
    """Rows of the table `lags` positions before each of the ends first + 1 to stop.

    lags: (N, K), or K numbers for all series, which copies whole pieces. 0 before the start.
    Output (N, rows, K, stop - first).
    """
    space = space_of(history.table)
    if not isinstance(lags, tuple):
        end = space.arange(first + 1, stop + 1, history.table)
        return look_up(history, rows, end - lags[:, :, None])
    table = history.table[:, rows]
    found = space.empty((*table.shape[:2], len(lags), stop - first), table)
    for k, lag in enumerate(lags):
        early = min(max(lag - first, 0), stop - first)
        found[:, :, k, :early] = 0.0
        if early < stop - first:
            found[:, :, k, early:] = table[:, :, first + early + 1 - lag : stop + 1 - lag]
    return found


def age_at(history: History, end: Array) -> Array:
    """Positions from the first value seen up to `end`, at least 1; padding does not count."""
    return space_of(end).at_least(end - history.first, 1)


def level_window(season: Array) -> Array:
    """Width of the window whose mean is the location, (N,)."""
    return space_of(season).where(season < SHORTEST_OWN_CYCLE, MIN_LEVEL_WINDOW, season)


def outer_cycle(season: Array) -> Array:
    """The longer cycle that is looked for: a year of weeks of days, else seven cycles, (N,)."""
    is_week = (season == 7) | (season == 5)
    return season * space_of(season).where(is_week, 52, 7)


def scale_window(season: Array) -> Array:
    """Width of the window whose spread is the scale, (N,)."""
    space = space_of(season)
    wanted = space.at_least(SCALE_CYCLES * season, MIN_SCALE_WINDOW)
    return space.at_most(wanted, MAX_SCALE_WINDOW)


def level_between(now: Array, before: Array) -> Array:
    """Mean of the values from `before` to `now`; the newest value where all is missing.

    Both are rows LEVEL_ROWS, (N, 3, ...); output (N, ...).
    """
    space = space_of(now)
    sums = now[:, 1:] - before[:, 1:]
    number = sums[:, 1]
    return space.where(number > 0.0, sums[:, 0] / space.at_least(number, 1.0), now[:, 0])


class Spread(NamedTuple):
    """What the values of a window are like, each (N, ...)."""

    mean: Array  # 0 where there is no value
    change: Array  # mean absolute difference of neighbouring observations
    spread: Array  # half the standard deviation plus half the mean absolute difference


def spread_of(sums: Array) -> Spread:
    """From sums over a window, rows SPREAD_ROWS (N, 5, ...)."""
    space = space_of(sums)
    number = space.at_least(sums[:, 1], 1.0)
    mean = sums[:, 0] / number
    change = sums[:, 3] / space.at_least(sums[:, 4], 1.0)
    variance = space.at_least(sums[:, 2] / number - mean * mean, 0.0)
    return Spread(mean, change, 0.5 * (space.sqrt(variance) + change))


class Recent(NamedTuple):
    """Location, scale, and what the scale is made of, (N, K) each."""

    loc: Array
    scale: Array
    level: Array  # size of the location in the data's own place, abs(loc + centre)
    change: Array  # mean absolute difference of neighbours in the scale's window
    past_mean: Array  # of all values so far


def recent_of(history: History, loc: Array, now: Array, before: Array) -> Recent:
    """Scale for a location: now and before are rows SPREAD_ROWS (N, 5, K) at the scale's window."""
    space = space_of(loc)
    sums = space.concat([(now - before)[:, :, None], now[:, :, None]], 2)
    both = spread_of(sums)  # of the window, and of the whole past
    level = abs(loc + history.centre)
    alone = space.double(now[:, 1] < 2.0)
    share = RELATIVE_FLOOR + (SINGLE_VALUE_SHARE - RELATIVE_FLOOR) * alone
    floor = share * level + SMALLEST_SCALE
    spread = space.maximum(both.spread[:, 0], LONG_RUN_SHARE * both.spread[:, 1])
    scale = space.maximum(spread, floor)
    return Recent(loc, scale, level, both.change[:, 0], both.mean[:, 1])


def loc_scale_at(history: History, end: Array) -> LocScale:
    """Location and scale after the first `end` positions, each (N, K)."""
    season = history.season[:, None]
    ends = [end, end - level_window(season), end - scale_window(season)]
    rows = [look_up(history, WINDOW_ROWS, each) for each in ends]
    return loc_scale_of(history, *rows)


def loc_scale_of(history: History, now: Array, at_level: Array, at_scale: Array) -> LocScale:
    """Location and scale from WINDOW_ROWS now and before the windows of both, (N, 6, K) each."""
    loc = level_between(now[:, LEVEL_ROWS], at_level[:, LEVEL_ROWS])
    recent = recent_of(history, loc, now[:, SPREAD_ROWS], at_scale[:, SPREAD_ROWS])
    return LocScale(loc, recent.scale)


def _forward_fill(values: Array, seen: Array) -> Array:
    if seen.all():
        return values
    space = space_of(values)
    index = space.arange(0, values.shape[1], values)
    newest = space.running_max(space.where(seen, index, -1), 1)
    filled = space.gather(values[:, None], space.at_least(newest, 0))[:, 0]
    return space.where(newest < 0, 0.0, filled)
