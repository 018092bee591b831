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

from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor

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

    table: Tensor  # (N, 10, L + 1) float64, see Row; the first column is 0
    season: Tensor  # (N,) int64, at least 1
    first: Tensor  # (N, 1) int64, index of the first value seen; 0 where there is none
    centre: Tensor  # (N, 1) subtracted from the data
    unit: Tensor  # (N, 1) power of two the data were divided by

    @property
    def values(self) -> Tensor:
        """(N, L) centred and divided; 0 where missing."""
        return self.table[:, Row.VALUE, 1:]

    @property
    def observed(self) -> Tensor:
        """(N, L) 1.0 where a value was seen."""
        return self.table[:, Row.OBSERVED, 1:]


class LocScale(NamedTuple):
    """Location and scale at each position, in the units of `History`. Both (N, L)."""

    loc: Tensor
    scale: Tensor


def read_history(values: Tensor, season: Tensor) -> History:
    """Prepare windows for causal statistics.

    values: (N, L) float64, NaN where missing. season: (N,) int64, steps of a cycle, 1 for none.
    """
    values = values.double()
    seen = torch.isfinite(values)
    observed = seen.double()
    raw = values.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    largest = raw.abs().amax(dim=1, keepdim=True)
    largest = largest.masked_fill(largest == 0, 1.0).clamp_min(torch.finfo(torch.float64).tiny)
    unit = torch.exp2(torch.floor(torch.log2(largest)))
    raw = raw / unit
    number = observed.sum(dim=1, keepdim=True).clamp_min(1.0)
    centre = raw.sum(dim=1, keepdim=True) / number
    centred = (raw - centre) * observed
    table = values.new_zeros(values.shape[0], len(Row), values.shape[1] + 1)
    after = table[:, :, 1:]
    after[:, Row.VALUE], after[:, Row.OBSERVED] = centred, observed
    after[:, Row.LAST_SEEN] = _forward_fill(centred, seen)
    lowest = raw.masked_fill(~seen, torch.inf).cummin(dim=1).values
    after[:, Row.POSITIVE] = (lowest > 0) & torch.isfinite(lowest)
    seen_before = observed.cumsum(1) - observed > 0
    is_change = observed * seen_before
    changes = (centred - table[:, Row.LAST_SEEN, :-1]).abs() * is_change
    is_zero = (centred + centre).abs() < 1e-9 * (centre.abs() + 1.0)
    terms = [centred, observed, centred.square(), changes, is_change, is_zero * observed]
    torch.cumsum(torch.stack(terms, dim=1), dim=2, out=after[:, Row.VALUES : Row.ZEROS + 1])
    first = seen.byte().argmax(dim=1, keepdim=True)
    return History(table, season, first, centre, unit)


def look_up(history: History, rows: slice, end: Tensor) -> Tensor:
    """Rows of the table after the first `end` positions (N, ...), 0 before the start.

    end: (N, ...), or (1, ...) for all alike. Output (N, rows, ...).
    """
    table = history.table[:, rows]
    found = columns_at(table, end.clamp_min(0).flatten(1))
    return found.view(*table.shape[:2], *end.shape[1:])


def columns_at(table: Tensor, index: Tensor) -> Tensor:
    """Columns `index` (N, K), or (1, K) for all alike, of `table` (N, R, L); output (N, R, K)."""
    return table.gather(2, index[:, None].expand(*table.shape[:2], -1))


def shared_season(history: History) -> Tensor:
    """The cycles (N,), or (1,) where all windows have the same."""
    season = history.season
    return season[:1] if bool((season == season[:1]).all()) else season


def age_at(history: History, end: Tensor) -> Tensor:
    """Positions from the first value seen up to `end`, at least 1; padding does not count."""
    return (end - history.first).clamp_min(1)


def level_window(season: Tensor) -> Tensor:
    """Width of the window whose mean is the location, (N,)."""
    return season.masked_fill(season < SHORTEST_OWN_CYCLE, MIN_LEVEL_WINDOW)


def scale_window(season: Tensor) -> Tensor:
    """Width of the window whose spread is the scale, (N,)."""
    return (SCALE_CYCLES * season).clamp(MIN_SCALE_WINDOW, MAX_SCALE_WINDOW)


def level_between(now: Tensor, before: Tensor) -> Tensor:
    """Mean of the values from `before` to `now`; the newest value where all is missing.

    Both are rows LEVEL_ROWS, (N, 3, ...); output (N, ...).
    """
    total, number = (now[:, 1:] - before[:, 1:]).unbind(1)
    return torch.where(number > 0, total / number.clamp_min(1.0), now[:, 0])


class Spread(NamedTuple):
    """What the values of a window are like, each (N, ...)."""

    mean: Tensor  # 0 where there is no value
    change: Tensor  # mean absolute difference of neighbouring observations
    spread: Tensor  # half the standard deviation plus half the mean absolute difference


def spread_of(sums: Tensor) -> Spread:
    """From sums over a window, rows SPREAD_ROWS (N, 5, ...)."""
    values, number, squares, changes, number_of_changes = sums.unbind(1)
    number = number.clamp_min(1.0)
    mean = values / number
    change = changes / number_of_changes.clamp_min(1.0)
    variance = (squares / number - mean.square()).clamp_min_(0.0)
    return Spread(mean, change, 0.5 * variance.sqrt_() + 0.5 * change)


class Recent(NamedTuple):
    """Location, scale, and the spreads that the scale is made of, (N, K) each."""

    loc: Tensor
    scale: Tensor
    window: Spread
    past: Spread


def recent_of(history: History, loc: Tensor, now: Tensor, before: Tensor) -> Recent:
    """Scale for a location: now and before are rows SPREAD_ROWS (N, 5, K) at the scale's window."""
    both = spread_of(torch.stack([now - before, now], dim=2))
    window, past = (Spread(*part) for part in zip(*(each.unbind(1) for each in both), strict=True))
    alone = now[:, 1] < 2
    floor = (loc + history.centre).abs()
    floor = torch.where(alone, SINGLE_VALUE_SHARE * floor, RELATIVE_FLOOR * floor) + SMALLEST_SCALE
    spread = torch.maximum(window.spread, LONG_RUN_SHARE * past.spread)
    return Recent(loc, torch.maximum(spread, floor), window, past)


def loc_scale_at(history: History, end: Tensor) -> LocScale:
    """Location and scale after the first `end` positions, each (N, K)."""
    widths = torch.stack([level_window(history.season), scale_window(history.season)], dim=1)
    now = look_up(history, WINDOW_ROWS, end)
    before = look_up(history, WINDOW_ROWS, end[:, None] - widths[:, :, None])
    loc = level_between(now[:, LEVEL_ROWS], before[:, LEVEL_ROWS, 0])
    return LocScale(*recent_of(history, loc, now[:, SPREAD_ROWS], before[:, SPREAD_ROWS, 1])[:2])


def _forward_fill(values: Tensor, seen: Tensor) -> Tensor:
    if seen.all():
        return values
    index = torch.arange(values.shape[1], device=values.device).expand_as(values)
    newest = torch.where(seen, index, -1).cummax(dim=1).values
    filled = values.gather(1, newest.clamp_min(0))
    return filled.masked_fill(newest < 0, 0.0)
