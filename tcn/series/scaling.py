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


class History(NamedTuple):
    """Observed values, centred and filled, with their cumulative sums. Mostly (N, L) float64."""

    values: Tensor  # centred and divided; 0 where missing
    observed: Tensor  # 1.0 where a value was seen
    last_seen: Tensor  # the newest value at or before t; 0 before the first
    positive: Tensor  # 1.0 where every value so far was above zero, in the data's own units
    season: Tensor  # (N,) int64, at least 1
    first: Tensor  # (N, 1) int64, index of the first value seen; 0 where there is none
    centre: Tensor  # (N, 1) subtracted from the data
    unit: Tensor  # (N, 1) power of two the data were divided by
    sums: Tensor  # (N, 5, L + 1) running sums, see Totals; the first column is 0


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
    raw = torch.where(seen, values, 0.0)
    largest = raw.abs().amax(dim=1, keepdim=True)
    largest = torch.where(largest > 0, largest, 1.0).clamp_min(torch.finfo(torch.float64).tiny)
    unit = torch.exp2(torch.floor(torch.log2(largest)))
    raw = raw / unit
    number = observed.sum(dim=1, keepdim=True).clamp_min(1.0)
    centre = raw.sum(dim=1, keepdim=True) / number
    centred = (raw - centre) * observed
    last_seen = _forward_fill(centred, seen)
    lowest = torch.where(seen, raw, torch.inf).cummin(dim=1).values
    before = torch.nn.functional.pad(last_seen[:, :-1], (1, 0))
    seen_before = torch.nn.functional.pad(observed.cumsum(1)[:, :-1], (1, 0)) > 0
    is_change = observed * seen_before
    changes = (centred - before).abs() * is_change
    terms = torch.stack([centred, centred.square(), changes, observed, is_change], dim=1)
    return History(
        values=centred,
        observed=observed,
        last_seen=last_seen,
        positive=((lowest > 0) & torch.isfinite(lowest)).double(),
        season=season,
        first=seen.byte().argmax(dim=1, keepdim=True),
        centre=centre,
        unit=unit,
        sums=torch.nn.functional.pad(terms.cumsum(dim=2), (1, 0)),
    )


class Totals(NamedTuple):
    """Sums over a trailing window, (N, K) each."""

    values: Tensor
    squares: Tensor
    changes: Tensor
    number: Tensor
    number_of_changes: Tensor

    def mean(self) -> Tensor:
        """Mean of the observed values; 0 where there is none."""
        return self.values / self.number.clamp_min(1.0)

    def mean_change(self) -> Tensor:
        """Mean absolute difference of neighbouring observations."""
        return self.changes / self.number_of_changes.clamp_min(1.0)

    def spread(self) -> Tensor:
        """Half the standard deviation plus half the mean absolute difference."""
        variance = self.squares / self.number.clamp_min(1.0) - self.mean().square()
        return 0.5 * variance.clamp_min(0.0).sqrt() + 0.5 * self.mean_change()


def totals(history: History, end: Tensor, width: Tensor) -> Totals:
    """Sums over the `width` positions that end just before index `end`, (N, K) both."""
    stop = end.clamp_min(0)
    start = (end - width).clamp_min(0)
    return Totals(*(_at(history, stop) - _at(history, start)).unbind(1))


def _at(history: History, index: Tensor) -> Tensor:
    return history.sums.gather(2, index[:, None].expand(-1, history.sums.shape[1], -1))


def age_at(history: History, end: Tensor) -> Tensor:
    """Positions from the first value seen up to `end`, at least 1; padding does not count."""
    return (end - history.first).clamp_min(1)


def level_window(season: Tensor) -> Tensor:
    """Width of the window whose mean is the location, (N,)."""
    return torch.where(season >= SHORTEST_OWN_CYCLE, season, MIN_LEVEL_WINDOW)


def scale_window(season: Tensor) -> Tensor:
    """Width of the window whose spread is the scale, (N,)."""
    return (SCALE_CYCLES * season).clamp(MIN_SCALE_WINDOW, MAX_SCALE_WINDOW)


def loc_at(history: History, end: Tensor) -> Tensor:
    """Location after the first `end` positions, (N, K); the newest value where all is missing."""
    width = level_window(history.season)[:, None].expand_as(end)
    return _loc(history, end, totals(history, end, width))


def _loc(history: History, end: Tensor, level: Totals) -> Tensor:
    newest = history.last_seen.gather(1, (end - 1).clamp_min(0))
    return torch.where(level.number > 0, level.mean(), newest)


class Recent(NamedTuple):
    """Windows that end at each position: of the level, of the scale, and the whole past."""

    level: Totals
    scale: Totals
    past: Totals


def recent_at(history: History, end: Tensor) -> Recent:
    """The three windows that location and scale are made of, for `end` (N, K)."""
    width = torch.cat(
        [
            level_window(history.season)[:, None].expand_as(end),
            scale_window(history.season)[:, None].expand_as(end),
            end,
        ],
        dim=1,
    )
    parts = [field.chunk(3, dim=1) for field in totals(history, end.repeat(1, 3), width)]
    return Recent(*(Totals(*columns) for columns in zip(*parts, strict=True)))


def loc_scale_at(history: History, end: Tensor) -> LocScale:
    """Location and scale after the first `end` positions, each (N, K)."""
    return loc_scale_of(history, end, recent_at(history, end))


def loc_scale_of(history: History, end: Tensor, recent: Recent) -> LocScale:
    """Location and scale from sums that are at hand."""
    loc = _loc(history, end, recent.level)
    alone = recent.past.number < 2
    share = torch.where(alone, SINGLE_VALUE_SHARE, RELATIVE_FLOOR)
    floor = share * (loc + history.centre).abs() + SMALLEST_SCALE
    spread = torch.maximum(recent.scale.spread(), LONG_RUN_SHARE * recent.past.spread())
    return LocScale(loc, torch.maximum(spread, floor))


def _forward_fill(values: Tensor, seen: Tensor) -> Tensor:
    index = torch.arange(values.shape[1], device=values.device).expand_as(values)
    newest = torch.where(seen, index, -1).cummax(dim=1).values
    filled = values.gather(1, newest.clamp_min(0))
    return torch.where(newest >= 0, filled, 0.0)
