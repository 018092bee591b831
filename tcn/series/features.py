"""What the encoder reads at each position: the value and its neighbourhood in causal units.

Every feature at position `t` depends on values up to `t` alone, and none changes when the series is
multiplied by a positive number. A shift changes none either, but where all values so far are
positive: there the spread is also compared with the level, and exact zeros are counted.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from torch import Tensor

from tcn.series.arrays import Array, space_of
from tcn.series.scaling import (
    LEVEL_ROWS,
    SPREAD_ROWS,
    VALUE_ROWS,
    History,
    LocScale,
    Recent,
    Row,
    age_at,
    behind,
    level_between,
    level_window,
    outer_cycle,
    recent_of,
    scale_window,
)

N_FEATURES = 21
_DIFFERENCES = 10
_LOG_CAP = 6.0
_LARGEST = 8.0
_CYCLES = 4
_POINTS = 12


def encoder_features(history: History, first: int = 0, stop: int | None = None) -> Tensor:
    """Features of the positions in [first, stop), (N, N_FEATURES, stop - first) float32.

    They are all 0 before the first value, so that padding on the left is as if it were not there.
    """
    return features_and_scaling(history, first, stop)[0]


def features_and_scaling(
    history: History, first: int = 0, stop: int | None = None
) -> tuple[Tensor, LocScale]:
    """The same, and the location and scale after the last of these positions, (N, 1)."""
    stop = history.table.shape[2] - 1 if stop is None else stop
    seen = _look(history, first, stop)
    space = space_of(seen.now)
    table = space.empty_single((len(seen.season), N_FEATURES, stop - first), history.table)
    _fill_differences(table[:, :_DIFFERENCES], history.table[:, Row.LAST_SEEN, first:stop], seen)
    _fill_state(table, seen)
    strength = _log_ratio(*_season_strength(history, first, stop))
    table[:, 12] = strength * space.double(seen.season > 1)
    table *= (seen.now[:, Row.NUMBER] > 0.0)[:, None]
    features = space.tensor(space.bound(table, -_LARGEST, _LARGEST))
    return features, LocScale(seen.recent.loc[:, -1:], seen.recent.scale[:, -1:])


class _Seen(NamedTuple):
    """What was known at each position and some time before it."""

    season: Array  # (N, 1)
    now: Array  # (N, 10, L) rows of the table
    before: Array  # (N, 5, L) SPREAD_ROWS a scale's window earlier
    levels: Array  # (N, 3, L) location now, and one and two of its windows earlier
    past: Array  # (N, 5, L) values one to four cycles and an outer cycle earlier
    has_past: Array  # (N, 5, L) whether they were seen
    recent: Recent
    age: Array  # (N, L) or (1, L)
    width: Array | int  # of the level's window
    scale_width: Array | int


def _look(history: History, first: int, stop: int) -> _Seen:
    space = space_of(history.table)
    now = history.table[:, :, first + 1 : stop + 1]
    season = history.season[:, None]
    lags = _lags(season) if history.cycle is None else _shared_lags(history.cycle)
    if isinstance(lags, tuple):
        width, scale_width = lags[0], lags[3]
    else:
        width, scale_width = lags[:, :1], lags[:, 3:4]
    levels = _levels(history, now, _chosen(lags, slice(0, 3)), first, stop)
    before = behind(history, SPREAD_ROWS, _chosen(lags, slice(3, 4)), first, stop)[:, :, 0]
    cycles = behind(history, VALUE_ROWS, _chosen(lags, slice(4, None)), first, stop)
    return _Seen(
        season,
        now,
        before,
        levels,
        cycles[:, 0],
        cycles[:, 1],
        recent_of(history, levels[:, 0], now[:, SPREAD_ROWS], before),
        age_at(history, space.arange(first + 1, stop + 1, history.table)),
        width,
        scale_width,
    )


def _fill_differences(table: Array, newest_before: Array, seen: _Seen) -> None:
    """Differences in units of scale, bent, 0 where one side was not seen."""
    space = space_of(seen.now)
    value, observed = seen.now[:, Row.VALUE], seen.now[:, Row.OBSERVED]
    number = seen.has_past[:, :-1].sum(1)
    phase_mean = seen.past[:, :-1].sum(1) / space.at_least(number, 1.0)
    has_phase = number > 0.0
    loc, scale = seen.recent.loc, seen.recent.scale
    table[:, 0] = value - loc
    table[:, 1] = 0.0
    table[:, 2] = seen.now[:, Row.LAST_SEEN] - newest_before
    table[:, 3] = value - seen.past[:, 0]
    table[:, 4] = value - phase_mean
    table[:, 5] = phase_mean - loc
    table[:, 6:8] = seen.levels[:, :-1] - seen.levels[:, 1:]
    table[:, 8] = loc - seen.recent.past_mean
    table[:, 9] = value - seen.past[:, -1]
    table /= space.single(scale)[:, None]
    space.bend(table)
    table[:, 0] *= observed
    table[:, 2] *= seen.age > 1
    table[:, 3] *= seen.has_past[:, 0] * observed
    table[:, 4] *= has_phase * observed
    table[:, 5] *= has_phase
    table[:, 6] *= seen.age > seen.width
    table[:, 7] *= seen.age > 2 * seen.width
    table[:, 9] *= seen.has_past[:, -1] * observed


def _fill_state(table: Array, seen: _Seen) -> None:
    """What a position is like: level, spread, how much is known."""
    space = space_of(seen.now)
    recent, number = seen.recent, seen.now[:, Row.NUMBER]
    positive, many = seen.now[:, Row.POSITIVE], space.at_least(number, 1.0)
    log_many, log_season = space.log(many), space.log(space.double(seen.season))
    table[:, 1] = seen.now[:, Row.OBSERVED]
    table[:, 10] = _log_ratio(recent.scale, recent.level) * positive
    table[:, 11] = positive
    table[:, 13] = recent.change / recent.scale
    table[:, 14] = log_many / 4.0 - 1.0
    table[:, 15] = (log_many - log_season) / 3.0
    table[:, 16] = log_season / 3.0
    table[:, 17] = space.double(seen.season > 1)
    table[:, 18] = (number - seen.before[:, 1]) / space.at_most(seen.age, seen.scale_width)
    table[:, 19] = seen.now[:, Row.ZEROS] / many
    table[:, 20] = seen.has_past[:, -1]


def _lags(season: Array) -> Array:
    """How far back is looked: three level windows, the scale's, four cycles, an outer cycle."""
    space = space_of(season)
    width, count = level_window(season), space.arange(1, _CYCLES + 1, season)
    parts = [width * count[:3], scale_window(season), season * count, outer_cycle(season)]
    return space.concat(parts, 1)


@lru_cache(maxsize=256)
def _shared_lags(season: int) -> tuple[int, ...]:
    lags: list[int] = _lags(np.array([[season]]))[0].tolist()
    return tuple(lags)


def _chosen(lags: Array | tuple[int, ...], which: slice) -> Array | tuple[int, ...]:
    return lags[which] if isinstance(lags, tuple) else lags[:, which]


def _levels(
    history: History, now: Array, lags: Array | tuple[int, ...], first: int, stop: int
) -> Array:
    """Location, and what it was one and two level windows earlier, (N, 3, L)."""
    space = space_of(now)
    earlier = behind(history, LEVEL_ROWS, lags, first, stop)
    joined = space.concat([now[:, LEVEL_ROWS][:, :, None], earlier], 2)
    return level_between(joined[:, :, :-1], joined[:, :, 1:])


def _season_strength(history: History, first: int, stop: int) -> tuple[Array, Array]:
    """Squared difference to a cycle ago and to half a cycle ago, summed over recent points."""
    space = space_of(history.table)
    if history.cycle is not None:
        sums = _sums_of_points(history, history.cycle, first, stop)
        return sums[:, 0], sums[:, 1]
    season = history.season[:, None]
    differences = _squares(history, space.concat([season, season - season // 2], 1), -1, stop)
    apart = space.at_least(season // 6, 1) * space.arange(0, _POINTS, season)
    end = space.arange(first + 1, stop + 1, season)
    points = space.at_least(end - apart[:, :, None], 0)
    found = space.gather(differences, points.reshape(len(season), -1))
    sums = found.reshape(len(season), 2, _POINTS, -1).sum(2)
    return sums[:, 0], sums[:, 1]


def _sums_of_points(history: History, season: int, first: int, stop: int) -> Array:
    """Sums of the squares of `_POINTS` points, by doubling: of 2, of 4, and of three times 4."""
    apart = max(season // 6, 1)
    reach = (_POINTS - 1) * apart
    early = max(reach - first, 0)
    squares = _squares(history, (season, season - season // 2), first - reach + early, stop)
    space = space_of(squares)
    padded = space.empty((len(squares), 2, reach + stop - first), squares)
    padded[:, :, :early] = 0.0
    padded[:, :, early:] = squares
    two = padded[:, :, apart:] + padded[:, :, :-apart]
    four = two[:, :, 2 * apart :] + two[:, :, : -2 * apart]
    twelve = four[:, :, 8 * apart :] + four[:, :, : -8 * apart]
    twelve += four[:, :, 4 * apart : -4 * apart]
    return twelve


def _squares(history: History, lags: Array | tuple[int, ...], first: int, stop: int) -> Array:
    """Squared differences to the values `lags` (N, 2) earlier, where all are seen, (N, 2, L)."""
    found = behind(history, VALUE_ROWS, lags, first, stop)
    now = history.table[:, VALUE_ROWS, first + 1 : stop + 1]
    differences = now[:, :1] - found[:, 0]
    differences *= differences
    differences *= (now[:, 1] * found[:, 1, 0] * found[:, 1, 1])[:, None]
    return differences


def _log_ratio(top: Array, bottom: Array) -> Array:
    """Bounded log of a ratio of non-negative numbers; 0 where both vanish."""
    small = 1e-12
    space = space_of(top)
    ratio = space.log((top + small) / (bottom + small))
    return space.bound(ratio, -_LOG_CAP, _LOG_CAP) / 3.0
