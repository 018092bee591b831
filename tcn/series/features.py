"""What the encoder reads at each position: the value and its neighbourhood in causal units.

Every feature at position `t` depends on values up to `t` alone, and none changes when the series is
multiplied by a positive number. A shift changes none either, but where all values so far are
positive: there the spread is also compared with the level, and exact zeros are counted.
"""

import torch
from torch import Tensor

from tcn.series.scaling import (
    History,
    Recent,
    age_at,
    level_window,
    loc_at,
    loc_scale_of,
    recent_at,
    scale_window,
)

N_FEATURES = 19
_LOG_CAP = 6.0
_LARGEST = 8.0


def encoder_features(history: History, first: int = 0, stop: int | None = None) -> Tensor:
    """Features of the positions in [first, stop), (N, N_FEATURES, stop - first) float32.

    They are all 0 before the first value, so that padding on the left is as if it were not there.
    """
    n, length = history.values.shape
    stop = length if stop is None else stop
    index = torch.arange(first, stop, device=history.values.device).expand(n, -1)
    end = index + 1
    season = history.season[:, None].expand_as(end)
    recent = recent_at(history, end)
    loc, scale = loc_scale_of(history, end, recent)
    value = history.values[:, first:stop]
    observed = history.observed[:, first:stop]
    newest = history.last_seen[:, first:stop]
    positive = history.positive[:, first:stop]
    previous = history.last_seen.gather(1, (index - 1).clamp_min(0))
    width = level_window(history.season)[:, None].expand_as(end)
    level_before, level_earlier = _levels_before(history, end, width)
    cycle_ago, has_cycle = _values_before(history, index, season)
    phase_mean, has_phase = _phase_mean(history, index, season)
    age = age_at(history, end)
    seen = recent.past.number
    share = recent.scale.number / torch.minimum(age, scale_window(history.season)[:, None])
    seasonal = season > 1
    columns = [
        torch.asinh((value - loc) / scale) * observed,
        observed,
        torch.asinh((newest - previous) / scale) * (age > 1),
        torch.asinh((value - cycle_ago) / scale) * has_cycle * observed,
        torch.asinh((value - phase_mean) / scale) * has_phase * observed,
        torch.asinh((phase_mean - loc) / scale) * has_phase,
        torch.asinh((loc - level_before) / scale) * (age > width),
        torch.asinh((level_before - level_earlier) / scale) * (age > 2 * width),
        torch.asinh((loc - recent.past.mean()) / scale),
        _log_ratio(scale, (loc + history.centre).abs()) * positive,
        positive,
        _log_ratio(*_season_strength(history, index, season)) * seasonal,
        recent.scale.mean_change() / scale,
        torch.log(seen.clamp_min(1.0)) / 4.0 - 1.0,
        torch.log(seen.clamp_min(1.0) / season) / 3.0,
        torch.log(season.double()) / 3.0,
        seasonal.double(),
        share,
        _share_of_zeros(history, index, recent),
    ]
    begun = seen > 0
    bounded = [(column * begun).clamp(-_LARGEST, _LARGEST).float() for column in columns]
    return torch.stack(bounded, dim=1)


def _levels_before(history: History, end: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Location one and two level windows earlier."""
    ends = torch.cat([end - width, end - 2 * width], dim=1).clamp_min(1)
    before, earlier = loc_at(history, ends).chunk(2, dim=1)
    return before, earlier


def _values_before(history: History, index: Tensor, lag: Tensor) -> tuple[Tensor, Tensor]:
    """Values `lag` steps earlier and whether they were seen, in the shape of index - lag."""
    at = index - lag
    flat = at.clamp_min(0).flatten(1)
    value = history.values.gather(1, flat).view_as(at)
    seen = history.observed.gather(1, flat).view_as(at) * (at >= 0)
    return value, seen


def _phase_mean(history: History, index: Tensor, season: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the values at the same phase in the last four cycles, this one not included."""
    lags = season[:, :, None] * torch.arange(1, 5, device=season.device)
    values, seen = _values_before(history, index[:, :, None], lags)
    number = seen.sum(dim=2)
    return (values * seen).sum(dim=2) / number.clamp_min(1.0), (number > 0).double()


def _season_strength(history: History, index: Tensor, season: Tensor) -> tuple[Tensor, Tensor]:
    """Squared difference to a cycle ago and to half a cycle ago, summed over recent points."""
    step = (season[:, :1] // 6).clamp_min(1)
    points = index[:, :, None] - step[:, :, None] * torch.arange(12, device=season.device)
    whole = season[:, :, None]
    lags = torch.stack([torch.zeros_like(whole), whole, whole - whole // 2])
    values, seen = zip(*(_values_before(history, points, lag) for lag in lags), strict=True)
    all_seen = seen[0] * seen[1] * seen[2]
    same = all_seen * (values[0] - values[1]).square()
    opposite = all_seen * (values[0] - values[2]).square()
    return same.sum(dim=2), opposite.sum(dim=2)


def _share_of_zeros(history: History, index: Tensor, recent: Recent) -> Tensor:
    """Share of exact zeros among the observed values so far."""
    raw = history.values + history.centre
    tiny = 1e-9 * (history.centre.abs() + 1.0)
    zeros = ((raw.abs() < tiny).double() * history.observed).cumsum(dim=1)
    return zeros.gather(1, index) / recent.past.number.clamp_min(1.0)


def _log_ratio(top: Tensor, bottom: Tensor) -> Tensor:
    """Bounded log of a ratio of non-negative numbers; 0 where both vanish."""
    small = 1e-12
    ratio = torch.log((top + small) / (bottom + small))
    return ratio.clamp(-_LOG_CAP, _LOG_CAP) / 3.0
