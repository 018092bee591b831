"""What the encoder reads at each position: the value and its neighbourhood in causal units.

Every feature at position `t` depends on values up to `t` alone, and none changes when the series is
multiplied by a positive number. A shift changes none either, but where all values so far are
positive: there the spread is also compared with the level, and exact zeros are counted.
"""

import torch
from torch import Tensor

from tcn.series.scaling import (
    History,
    age_at,
    level_window,
    loc_at,
    loc_scale_at,
    mean_over,
    scale_window,
    total,
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
    loc, scale = loc_scale_at(history, end)
    value = history.values[:, first:stop]
    observed = history.observed[:, first:stop]
    newest = history.last_seen[:, first:stop]
    positive = history.positive[:, first:stop]
    previous = _seen_before(history, index, 1)
    width = level_window(history.season)[:, None].expand_as(end)
    level_before = loc_at(history, (end - width).clamp_min(1))
    level_earlier = loc_at(history, (end - 2 * width).clamp_min(1))
    cycle_ago, has_cycle = _value_before(history, index, season)
    phase_mean, has_phase = _phase_mean(history, index, season)
    long_mean, _ = mean_over(history, end, end)
    seen = total(history.count, end, end)
    recent = scale_window(history.season)[:, None]
    age = age_at(history, end)
    share = total(history.count, end, recent) / torch.minimum(age, recent)
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
        torch.asinh((loc - long_mean) / scale),
        _log_ratio(scale, (loc + history.centre).abs()) * positive,
        positive,
        _log_ratio(*_season_strength(history, index, season)) * seasonal,
        _jaggedness(history, end, scale),
        torch.log(seen.clamp_min(1.0)) / 4.0 - 1.0,
        torch.log(seen.clamp_min(1.0) / season) / 3.0,
        torch.log(season.double()) / 3.0,
        seasonal.double(),
        share,
        _share_of_zeros(history, end, width),
    ]
    begun = seen > 0
    bounded = [(column * begun).clamp(-_LARGEST, _LARGEST).float() for column in columns]
    return torch.stack(bounded, dim=1)


def _value_before(history: History, index: Tensor, lag: Tensor) -> tuple[Tensor, Tensor]:
    """Value `lag` steps earlier and whether it was seen, (N, K) each."""
    at = index - lag
    inside = (at >= 0).double()
    at = at.clamp_min(0)
    return history.values.gather(1, at), history.observed.gather(1, at) * inside


def _seen_before(history: History, index: Tensor, lag: int) -> Tensor:
    at = (index - lag).clamp_min(0)
    return history.last_seen.gather(1, at)


def _phase_mean(history: History, index: Tensor, season: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the values at the same phase in the last four cycles, this one not included."""
    sums = torch.zeros_like(history.values[:, : index.shape[1]])
    number = torch.zeros_like(sums)
    for cycle in range(1, 5):
        value, seen = _value_before(history, index, cycle * season)
        sums = sums + value * seen
        number = number + seen
    return sums / number.clamp_min(1.0), (number > 0).double()


def _season_strength(history: History, index: Tensor, season: Tensor) -> tuple[Tensor, Tensor]:
    """Squared difference to a cycle ago and to half a cycle ago, summed over recent points."""
    same = torch.zeros_like(history.values[:, : index.shape[1]])
    opposite = torch.zeros_like(same)
    step = (season // 6).clamp_min(1)
    for point in range(12):
        at = index - point * step
        here, seen_here = _value_before(history, at, torch.zeros_like(season))
        there, seen_there = _value_before(history, at, season)
        half, seen_half = _value_before(history, at, season - season // 2)
        whole = seen_here * seen_there * seen_half
        same = same + whole * (here - there).square()
        opposite = opposite + whole * (here - half).square()
    return same, opposite


def _jaggedness(history: History, end: Tensor, scale: Tensor) -> Tensor:
    """Mean absolute change over the recent window in units of scale."""
    width = scale_window(history.season)[:, None]
    changes = total(history.sum_changes, end, width)
    return changes / total(history.count_changes, end, width).clamp_min(1.0) / scale


def _share_of_zeros(history: History, end: Tensor, width: Tensor) -> Tensor:
    """Share of exact zeros among the observed values so far."""
    raw = history.values + history.centre
    tiny = 1e-9 * (history.centre.abs() + 1.0)
    zeros = ((raw.abs() < tiny).double() * history.observed).cumsum(dim=1)
    count = total(history.count, end, end)
    return zeros.gather(1, end - 1) / count.clamp_min(1.0)


def _log_ratio(top: Tensor, bottom: Tensor) -> Tensor:
    """Bounded log of a ratio of non-negative numbers; 0 where both vanish."""
    small = 1e-12
    ratio = torch.log((top + small) / (bottom + small))
    return ratio.clamp(-_LOG_CAP, _LOG_CAP) / 3.0
