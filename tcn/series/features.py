"""What the encoder reads at each position: the value and its neighbourhood in causal units.

Every feature at position `t` depends on values up to `t` alone, and none changes when the series is
multiplied by a positive number. A shift changes none either, but where all values so far are
positive: there the spread is also compared with the level, and exact zeros are counted.
"""

import torch
from torch import Tensor
from torch.nn import functional

from tcn.series.bending import bent
from tcn.series.scaling import (
    LEVEL_ROWS,
    SPREAD_ROWS,
    VALUE_ROWS,
    History,
    Row,
    age_at,
    columns_at,
    level_between,
    level_window,
    look_up,
    recent_of,
    scale_window,
    shared_season,
)

N_FEATURES = 19
_LOG_CAP = 6.0
_LARGEST = 8.0
_CYCLES = 4
_POINTS = 12


def encoder_features(history: History, first: int = 0, stop: int | None = None) -> Tensor:
    """Features of the positions in [first, stop), (N, N_FEATURES, stop - first) float32.

    They are all 0 before the first value, so that padding on the left is as if it were not there.
    """
    length = history.table.shape[2] - 1
    stop = length if stop is None else stop
    end = torch.arange(first + 1, stop + 1, device=history.table.device)
    now = history.table[:, :, first + 1 : stop + 1]
    season = shared_season(history)[:, None]
    width, scale_width = level_window(season), scale_window(season)
    levels = _levels(history, now, end, width)
    before = look_up(history, SPREAD_ROWS, end - scale_width)
    recent = recent_of(history, levels[:, 0], now[:, SPREAD_ROWS], before)
    loc, scale = recent.loc, recent.scale
    value, observed, newest = now[:, Row.VALUE], now[:, Row.OBSERVED], now[:, Row.LAST_SEEN]
    positive, seen = now[:, Row.POSITIVE], now[:, Row.NUMBER]
    previous = history.table[:, Row.LAST_SEEN, first:stop]
    past, has_past = _past_cycles(history, end, season)
    number = has_past.sum(dim=1)
    phase_mean = (past * has_past).sum(dim=1) / number.clamp_min(1.0)
    has_phase = number > 0
    age = age_at(history, end)
    seasonal = (season > 1).double()
    many = seen.clamp_min(1.0)
    differences = [
        (value - loc, observed),
        (newest - previous, age > 1),
        (value - past[:, 0], has_past[:, 0] * observed),
        (value - phase_mean, has_phase * observed),
        (phase_mean - loc, has_phase),
        (loc - levels[:, 1], age > width),
        (levels[:, 1] - levels[:, 2], age > 2 * width),
        (loc - recent.past.mean, None),
    ]
    columns = [
        _log_ratio(scale, (loc + history.centre).abs()) * positive,
        positive,
        _log_ratio(*_season_strength(history, first, stop)) * seasonal,
        recent.window.change / scale,
        torch.log(many) / 4.0 - 1.0,
        torch.log(many / season) / 3.0,
        torch.log(season.double()) / 3.0,
        seasonal,
        (seen - before[:, 1]) / torch.minimum(age, scale_width),
        now[:, Row.ZEROS] / many,
    ]
    table = torch.empty(len(value), N_FEATURES, stop - first, device=value.device)
    table[:, 1] = observed
    rate = scale.reciprocal()
    for index, (difference, mask) in enumerate(differences):
        column = bent(difference * rate, _LARGEST)
        table[:, index + (index > 0)] = column if mask is None else column.mul_(mask)
    for index, column in enumerate(columns, start=len(differences) + 1):
        table[:, index] = column
    return table.mul_((seen > 0)[:, None]).clamp_(-_LARGEST, _LARGEST)


def _levels(history: History, now: Tensor, end: Tensor, width: Tensor) -> Tensor:
    """Location, and what it was one and two level windows earlier, (N, 3, L)."""
    ends = end - width[:, :, None] * torch.arange(1, 4, device=end.device)[:, None]
    rows = torch.cat([now[:, LEVEL_ROWS, None], look_up(history, LEVEL_ROWS, ends)], dim=2)
    return level_between(rows[:, :, :-1], rows[:, :, 1:])


def _past_cycles(history: History, end: Tensor, season: Tensor) -> tuple[Tensor, Tensor]:
    """Values one to four cycles ago and whether they were seen, (N, 4, L)."""
    lags = season * torch.arange(1, _CYCLES + 1, device=end.device)
    values, seen = look_up(history, VALUE_ROWS, end - lags[:, :, None]).unbind(1)
    return values, seen


def _season_strength(history: History, first: int, stop: int) -> tuple[Tensor, Tensor]:
    """Squared difference to a cycle ago and to half a cycle ago, summed over recent points."""
    season = shared_season(history)
    lags = torch.stack([season, season - season // 2], dim=1)[:, :, None]
    end = torch.arange(1, stop + 1, device=season.device)
    values, seen = look_up(history, VALUE_ROWS, end - lags).unbind(1)
    now = history.table[:, :, 1 : stop + 1]
    all_seen = now[:, Row.OBSERVED] * seen[:, 0] * seen[:, 1]
    differences = (now[:, Row.VALUE, None] - values).square_() * all_seen[:, None]
    apart = (season // 6).clamp_min(1)[:, None] * torch.arange(_POINTS, device=season.device)
    points = (end[first:] - apart[:, :, None]).clamp_min_(0).flatten(1)[:, None]
    table = functional.pad(differences, (1, 0))
    found = columns_at(table, points[:, 0]).view(len(table), 2, _POINTS, -1)
    same, opposite = found.sum(dim=2).unbind(1)
    return same, opposite


def _log_ratio(top: Tensor, bottom: Tensor) -> Tensor:
    """Bounded log of a ratio of non-negative numbers; 0 where both vanish."""
    small = 1e-12
    ratio = torch.log((top + small) / (bottom + small))
    return ratio.clamp(-_LOG_CAP, _LOG_CAP) / 3.0
