"""What the encoder reads at each position: the value and its neighbourhood in causal units.

Every feature at position `t` depends on values up to `t` alone, and none changes when the series is
multiplied by a positive number. A shift changes none either, but where all values so far are
positive: there the spread is also compared with the level, and exact zeros are counted.
"""

from torch import Tensor

from tcn.series.arrays import Array, space_of
from tcn.series.scaling import (
    LEVEL_ROWS,
    SPREAD_ROWS,
    VALUE_ROWS,
    History,
    Row,
    age_at,
    level_between,
    level_window,
    look_up,
    outer_cycle,
    recent_of,
    scale_window,
)

N_FEATURES = 21
_LOG_CAP = 6.0
_LARGEST = 8.0
_CYCLES = 4
_POINTS = 12


def encoder_features(history: History, first: int = 0, stop: int | None = None) -> Tensor:
    """Features of the positions in [first, stop), (N, N_FEATURES, stop - first) float32.

    They are all 0 before the first value, so that padding on the left is as if it were not there.
    """
    space = space_of(history.table)
    length = history.table.shape[2] - 1
    stop = length if stop is None else stop
    end = space.arange(first + 1, stop + 1, history.table)
    now = history.table[:, :, first + 1 : stop + 1]
    season = history.season[:, None]
    width, scale_width = level_window(season), scale_window(season)
    levels = _levels(history, now, end, width)
    before = look_up(history, SPREAD_ROWS, end - scale_width)
    loc, scale, window, whole = recent_of(history, levels[:, 0], now[:, SPREAD_ROWS], before)
    value, observed, newest = now[:, Row.VALUE], now[:, Row.OBSERVED], now[:, Row.LAST_SEEN]
    positive, seen = now[:, Row.POSITIVE], now[:, Row.NUMBER]
    past, has_past = _past_cycles(history, end, season)
    number = has_past[:, :-1].sum(1)
    phase_mean = past[:, :-1].sum(1) / space.at_least(number, 1.0)
    has_phase = number > 0.0
    age = age_at(history, end)
    many = space.at_least(seen, 1.0)
    seasonal = space.double(season > 1)

    table = space.empty((len(season), N_FEATURES, stop - first), history.table)
    table[:, 0] = value - loc
    table[:, 1] = 0.0
    table[:, 2] = newest - history.table[:, Row.LAST_SEEN, first:stop]
    table[:, 3] = value - past[:, 0]
    table[:, 4] = value - phase_mean
    table[:, 5] = phase_mean - loc
    table[:, 6:8] = levels[:, :-1] - levels[:, 1:]
    table[:, 8] = loc - whole.mean
    table[:, 9] = value - past[:, -1]
    differences = table[:, :10]
    differences /= scale[:, None]
    space.bend(differences)
    table[:, 0] *= observed
    table[:, 1] = observed
    table[:, 2] *= age > 1
    table[:, 3] *= has_past[:, 0] * observed
    table[:, 4] *= has_phase * observed
    table[:, 5] *= has_phase
    table[:, 6] *= age > width
    table[:, 7] *= age > 2 * width
    table[:, 9] *= has_past[:, -1] * observed
    table[:, 10] = _log_ratio(scale, abs(loc + history.centre)) * positive
    table[:, 11] = positive
    table[:, 12] = _log_ratio(*_season_strength(history, first, stop)) * seasonal
    table[:, 13] = window.change / scale
    log_many, log_season = space.log(many), space.log(space.double(season))
    table[:, 14] = log_many / 4.0 - 1.0
    table[:, 15] = (log_many - log_season) / 3.0
    table[:, 16] = log_season / 3.0
    table[:, 17] = seasonal
    table[:, 18] = (seen - before[:, 1]) / space.minimum(age, scale_width)
    table[:, 19] = now[:, Row.ZEROS] / many
    table[:, 20] = has_past[:, -1]
    table *= (seen > 0.0)[:, None]
    return space.tensor(space.single(space.bound(table, -_LARGEST, _LARGEST)))


def _levels(history: History, now: Array, end: Array, width: Array) -> Array:
    """Location, and what it was one and two level windows earlier, (N, 3, L)."""
    space = space_of(end)
    ends = end - width[:, :, None] * space.arange(1, 4, end)[:, None]
    rows = [now[:, LEVEL_ROWS][:, :, None], look_up(history, LEVEL_ROWS, ends)]
    joined = space.concat(rows, 2)
    return level_between(joined[:, :, :-1], joined[:, :, 1:])


def _past_cycles(history: History, end: Array, season: Array) -> tuple[Array, Array]:
    """Values one to four cycles and an outer cycle ago and whether they were seen, (N, 5, L)."""
    space = space_of(end)
    lags = space.concat([season * space.arange(1, _CYCLES + 1, end), outer_cycle(season)], 1)
    found = look_up(history, VALUE_ROWS, end - lags[:, :, None])
    return found[:, 0], found[:, 1]


def _season_strength(history: History, first: int, stop: int) -> tuple[Array, Array]:
    """Squared difference to a cycle ago and to half a cycle ago, summed over recent points."""
    space = space_of(history.table)
    season = history.season[:, None]
    end = space.arange(0, stop + 1, history.table)
    lags = space.concat([season, season - season // 2], 1)
    found = look_up(history, VALUE_ROWS, end - lags[:, :, None])
    now = history.table[:, :, : stop + 1]
    differences = now[:, Row.VALUE][:, None] - found[:, 0]
    differences *= differences
    all_seen = now[:, Row.OBSERVED] * found[:, 1, 0] * found[:, 1, 1]
    differences *= all_seen[:, None]
    apart = space.at_least(season // 6, 1) * space.arange(0, _POINTS, end)
    points = space.at_least(end[first + 1 :] - apart[:, :, None], 0)
    found = space.gather(differences, points.reshape(len(season), -1))
    sums = found.reshape(len(season), 2, _POINTS, -1).sum(2)
    return sums[:, 0], sums[:, 1]


def _log_ratio(top: Array, bottom: Array) -> Array:
    """Bounded log of a ratio of non-negative numbers; 0 where both vanish."""
    small = 1e-12
    space = space_of(top)
    ratio = space.log((top + small) / (bottom + small))
    return space.bound(ratio, -_LOG_CAP, _LOG_CAP) / 3.0
