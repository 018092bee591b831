"""What a head is told of each future step: the same phase in past cycles, and simple drafts.

For origin `o` and step `h` (1 is the next value) with a cycle of `m` steps, the j-th reference is
the value at `o + h - m * ceil(h / m) - j m`: the same phase, j cycles back from the newest seen. It
is compared with the mean of its own cycle, as a difference in units of scale, and, where all
values so far are positive, as a ratio too, since many seasons grow with the level.

Beside it stand the same phases of an outer cycle of several cycles (the hours of a week, the days
of a year), each compared with the mean of its own outer cycle.

Drafts are whole forecasts in z units (seasonal naive, seasonal means, the level, straight lines)
that the network weighs. Source of the idea: similar-day methods; the weights are learned.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from torch import Tensor

from tcn.series.arrays import Array, space_of
from tcn.series.scaling import (
    LEVEL_ROWS,
    VALUE_ROWS,
    WINDOW_ROWS,
    History,
    LocScale,
    Row,
    level_between,
    level_window,
    loc_scale_of,
    look_up,
    outer_cycle,
    scale_window,
)

N_CYCLES = 4
N_LONG_CYCLES = 8
N_OUTER_CYCLES = 4
N_REFERENCES = 24
N_DRAFTS = 9
N_STEP_FEATURES = 10
_DAMPING = 0.9


class StepInputs(NamedTuple):
    """Inputs of the head for O origins and H steps each."""

    references: Tensor  # (N, O, H, N_REFERENCES) float32
    drafts: Tensor  # (N, O, H, N_DRAFTS) float32, in z units
    steps: Tensor  # (N, O, H, N_STEP_FEATURES) float32, smooth functions of the step
    scaling: LocScale  # loc and scale at each origin, (N, O) float64, in the units of History


def step_inputs(history: History, end: Array, steps: Array) -> StepInputs:
    """Gather references for origins after the first `end` positions.

    end: (N, O) int64, at least 1. steps: (N, O, H) int64, at least 1. Both and the history are of
    one kind; what the network reads are tensors in any case.
    """
    return _inputs(history, _times(history.season, history.first, end, steps))


def inputs_at_end(history: History, horizon: int, scaling: LocScale | None = None) -> StepInputs:
    """The same for one origin, the newest position, and steps 1 to `horizon`; for numpy arrays.

    scaling: location and scale there, (N, 1), where they are at hand. Where all series have one
    season and begin at one position, as one series does, what times alone decide is kept.
    """
    n, length = len(history.table), history.table.shape[2] - 1
    first = space_of(history.first).shared(history.first[:, 0])
    if history.cycle is not None and first is not None:
        return _inputs(history, _shared_times(history.cycle, first, length, horizon), scaling)
    steps = np.broadcast_to(np.arange(1, horizon + 1), (n, 1, horizon))
    return step_inputs(history, np.full((n, 1), length), steps)


@lru_cache(maxsize=64)
def _shared_times(season: int, first: int, end: int, horizon: int) -> "_Times":
    steps = np.arange(1, horizon + 1)[None, None]
    return _times(np.array([season]), np.array([[first]]), np.array([[end]]), steps)


def _inputs(history: History, times: "_Times", scaling: LocScale | None = None) -> StepInputs:
    space = space_of(history.table)
    origins = _origins(history, times, scaling)
    cycles = _cycles(history, times, origins)
    near, far = origins.slopes[:, 0], origins.slopes[:, 1]
    n, _, horizon = cycles.naive.shape
    shape = (n, len(times.steps[0]), horizon)
    newest = origins.newest[..., None]

    references = space.empty_single((n, N_REFERENCES, *shape[1:]), history.table)
    references[:, 10:14] = 0.0
    references[:, 19] = 0.0
    references[:, :4] = cycles.differences[:, :N_CYCLES]
    references[:, 4:8] = cycles.scaled[:, :N_CYCLES]
    references[:, 8] = cycles.long_mean
    references[:, 9] = cycles.differences[:, N_LONG_CYCLES]
    references[:, 14:17] = newest
    references[:, 17] = near[..., None] * times.distance
    references[:, 18] = far[..., None] * times.distance
    references[:, 20] = cycles.naive
    references[:, 21] = cycles.outer_mean
    references[:, 22] = cycles.outer_scaled
    references[:, 23] = origins.outer_level[..., None]
    space.bend(references)
    space.bound(references, -8.0, 8.0)
    references[:, 10] = cycles.number_outer / N_OUTER_CYCLES
    references[:, 11] = cycles.number / N_CYCLES
    references[:, 12] = times.is_seasonal
    references[:, 13] = space.at_most(cycles.spread, 10.0)
    references[:, 19] = origins.positive[..., None]

    drafts = space.empty_single((n, N_DRAFTS, *shape[1:]), history.table)
    drafts[:, 0] = cycles.naive
    drafts[:, 1] = cycles.mean
    drafts[:, 2] = cycles.scaled_mean
    drafts[:, 3] = cycles.long_mean
    drafts[:, 4] = newest[:, 0]
    drafts[:, 5] = near[..., None] * times.distance
    drafts[:, 6] = far[..., None] * times.distance
    drafts[:, 7] = near[..., None] * times.damped
    outer = origins.outer_level[..., None] + cycles.outer_mean
    drafts[:, 8] = outer * space.at_most(cycles.number_outer, 1.0)
    space.bound(drafts, -30.0, 30.0)
    return StepInputs(
        _columns_last(references),
        _columns_last(drafts),
        space.tensor(times.steps).expand(n, -1, -1, -1),
        origins.scaling,
    )


def _columns_last(table: Array) -> Tensor:
    """(N, columns, O, H) as a tensor (N, O, H, columns)."""
    return space_of(table).tensor(table).permute(0, 2, 3, 1)


class _Times(NamedTuple):
    """What depends on times alone; n is N, or 1 where all series have the same."""

    looked_at: Array  # (n, E, O) ends, side by side as the names below say
    phases: Array  # (n, 12, O, H) ends of the same phases in cycles and outer cycles
    lags: Array  # (n, 2, O) steps over which the slopes are taken
    is_part: Array  # (n, 8, O) whether a cycle was seen in part
    is_seasonal: Array  # (n, 1, 1)
    distance: Array  # (n, O, H) steps from the centre of the level's window
    damped: Array  # (n, O, H) the same, each further step a tenth shorter
    steps: Array  # (n, O, H, N_STEP_FEATURES) float32


_AT_CYCLES = slice(0, N_LONG_CYCLES + 1)
_AT_OUTER = slice(_AT_CYCLES.stop, _AT_CYCLES.stop + N_OUTER_CYCLES + 1)
_AT_PARTS = slice(_AT_OUTER.stop, _AT_OUTER.stop + N_LONG_CYCLES)
_AT_NEWEST = slice(_AT_PARTS.stop, _AT_PARTS.stop + 3)
_BEFORE_SLOPES = slice(_AT_NEWEST.stop, _AT_NEWEST.stop + 2)
_WIDTH_BEFORE = slice(_BEFORE_SLOPES.stop, _BEFORE_SLOPES.stop + 2)
_LEVEL_BEGIN, _SCALE_BEGIN = _WIDTH_BEFORE.stop, _WIDTH_BEFORE.stop + 1


def _times(season: Array, first: Array, end: Array, steps: Array) -> _Times:
    """season (n,), first (n, 1), end (n, O), steps (n, O, H)."""
    space = space_of(end)
    cycle, last = season[:, None, None], end[:, None]
    width, outer = level_window(cycle), outer_cycle(cycle)
    age = space.at_least(last - first[:, None], 1)
    begin = space.minimum(first[:, None] + 1, last)
    count = space.arange(0, N_LONG_CYCLES + 1, end)[:, None]
    lags = space.at_least(space.minimum(width * count[1:4:2], age // 2), 1)
    part = space.at_least(age - cycle * count[:-1], 0)
    earlier = space.maximum(last - lags, begin)
    looked_at = [
        last - cycle * count,
        last - outer * count[: N_OUTER_CYCLES + 1],
        last - part,
        space.maximum(last - count[:3], begin),
        earlier,
        earlier - width,
        last - width,
        last - scale_window(cycle),
    ]
    ahead = end[:, :, None] + steps
    phases = [
        _same_phase(ahead, steps, cycle, N_LONG_CYCLES),
        _same_phase(ahead, steps, outer, N_OUTER_CYCLES),
    ]
    step, age = space.double(steps), age[:, 0, :, None]
    centre = 0.5 * space.double(space.minimum(width, age) - 1)
    return _Times(
        space.concat(looked_at, 1),
        space.concat(phases, 1),
        lags,
        (part > 0) & (part < cycle),
        cycle > 1,
        step + centre,
        centre + (1.0 - _DAMPING**step) / (1.0 - _DAMPING),
        _step_features(cycle, steps, age),
    )


def _same_phase(ahead: Array, steps: Array, season: Array, count: int) -> Array:
    """Ends of `count` values at the phase of each step, newest cycle first, (n, K, O, H)."""
    newest = ahead - season * ((steps + season - 1) // season)
    back = space_of(steps).arange(0, count, steps)[:, None, None]
    return newest[:, None] - season[:, None] * back


class _Origins(NamedTuple):
    """What is known at each origin, in the units of History where no other is named."""

    scaling: LocScale  # (N, O)
    positive: Array  # (N, O) whether all values so far were
    newest: Array  # (N, 3, O) z of the newest values, newest first
    slopes: Array  # (N, 2, O) change of the level per step over one and three windows, in z
    means: Array  # (N, 12, O) of each of the last cycles and outer cycles
    ratios: Array  # (N, 12, O) level now over these means where all is positive, else 1
    outer_level: Array  # (N, O) z of the mean of the newest outer cycle


def _origins(history: History, times: _Times, scaling: LocScale | None) -> _Origins:
    """All that does not depend on the step, from one look at the table."""
    space = space_of(history.table)
    rows = look_up(history, slice(None), times.looked_at)
    if scaling is None:
        known = rows[:, WINDOW_ROWS]
        edges = (known[:, :, 0], known[:, :, _LEVEL_BEGIN], known[:, :, _SCALE_BEGIN])
        scaling = loc_scale_of(history, *edges)
    loc, scale = scaling.loc[:, None], scaling.scale[:, None]
    sums = rows[:, Row.VALUES : Row.NUMBER + 1]
    means = _cycle_means(times.is_part, sums[:, :, _AT_CYCLES], sums[:, :, _AT_PARTS])
    outer = sums[:, :, _AT_OUTER]
    parts = outer[:, :, :-1] - outer[:, :, 1:]
    outer_means = parts[:, 0] / space.at_least(parts[:, 1], 1.0)
    outer_means = space.where(parts[:, 1] > 0.0, outer_means, loc)
    means = space.concat([space.where(times.is_seasonal, means, loc), outer_means], 1)
    levels = rows[:, LEVEL_ROWS]
    before = level_between(levels[:, :, _BEFORE_SLOPES], levels[:, :, _WIDTH_BEFORE])
    positive = rows[:, Row.POSITIVE, 0]
    return _Origins(
        scaling,
        positive,
        (rows[:, Row.LAST_SEEN, _AT_NEWEST] - loc) / scale,
        (loc - before) / scale / times.lags,
        means,
        _ratios(history, positive[:, None], loc, means),
        (outer_means[:, 0] - scaling.loc) / scaling.scale,
    )


def _cycle_means(is_part: Array, sums: Array, at_part: Array) -> Array:
    """Mean of each of the last cycles, (N, 8, O).

    Of a cycle seen in part the mean is that of the newest, moved by how the part differs from the
    same part of the newest: a part is not compared with another part of the year. `at_part` are
    the sums as long ago as so much was seen from a cycle's beginning on.
    """
    space = space_of(sums)
    within = sums[:, :, :-1] - sums[:, :, 1:]
    means = within[:, 0] / space.at_least(within[:, 1], 1.0)
    same = sums[:, :, :1] - at_part
    moved = means[:, :1] + means - same[:, 0] / space.at_least(same[:, 1], 1.0)
    return space.where(is_part & (same[:, 1] > 0.0), moved, means)


def _ratios(history: History, positive: Array, loc: Array, means: Array) -> Array:
    space = space_of(means)
    centre = history.centre[:, :, None]
    level = means + centre
    usable = (positive > 0.0) & (level > 0.0)
    ratio = (loc + centre) / space.where(usable, level, 1.0)
    return space.where(usable, space.bound(ratio, 0.1, 10.0), 1.0)


class _Cycles(NamedTuple):
    """The same phase in past cycles, in z units, 0 where it was not seen; (N, O, H) and more."""

    differences: Array  # (N, 12, O, H) to the mean of the reference's own cycle or outer cycle
    scaled: Array  # the same in proportion to that mean, where all is positive
    naive: Array  # the newest reference as it is
    number: Array  # of the N_CYCLES newest references, how many were seen
    mean: Array  # of their differences
    spread: Array  # standard deviation of these
    scaled_mean: Array
    long_mean: Array  # over N_LONG_CYCLES
    number_outer: Array
    outer_mean: Array
    outer_scaled: Array


def _cycles(history: History, times: _Times, origins: _Origins) -> _Cycles:
    space = space_of(history.table)
    loc, scale = (each[:, :, None] for each in origins.scaling)
    found = look_up(history, VALUE_ROWS, times.phases)
    value, seen = found[:, 0], found[:, 1]
    differences = (value - origins.means[..., None]) / scale[:, None] * seen
    scaled = differences * origins.ratios[..., None]
    number = seen[:, :N_CYCLES].sum(1)
    number_outer = seen[:, N_LONG_CYCLES:].sum(1)
    long = space.at_least(seen[:, :N_LONG_CYCLES].sum(1), 1.0)
    near, far = space.at_least(number, 1.0), space.at_least(number_outer, 1.0)
    mean = differences[:, :N_CYCLES].sum(1) / near
    apart = differences[:, :N_CYCLES] - mean[:, None]
    apart *= apart
    apart *= seen[:, :N_CYCLES]
    return _Cycles(
        differences,
        scaled,
        (value[:, 0] - loc) / scale * seen[:, 0],
        number,
        mean,
        space.sqrt(apart.sum(1) / near),
        scaled[:, :N_CYCLES].sum(1) / near,
        differences[:, :N_LONG_CYCLES].sum(1) / long,
        number_outer,
        differences[:, N_LONG_CYCLES:].sum(1) / far,
        scaled[:, N_LONG_CYCLES:].sum(1) / far,
    )


def _step_features(season: Array, steps: Array, age: Array) -> Array:
    """season (n, 1, 1), steps (n, O, H), age (n, O, 1)."""
    space = space_of(steps)
    seasonal = space.double(season > 1)
    step = space.double(steps)
    share = step / age
    cycles = step / season
    angle = 2.0 * math.pi * cycles
    table = space.empty_single((*steps.shape, N_STEP_FEATURES), steps)
    table[..., 0] = space.log(step) / 2.0 - 1.0
    table[..., 1] = space.sqrt(step) / 4.0 - 0.5
    table[..., 2] = space.at_most(cycles, 8.0) * seasonal / 2.0
    table[..., 3] = space.log1p(cycles) * seasonal
    table[..., 4] = space.sin(angle) * seasonal
    table[..., 5] = space.cos(angle) * seasonal
    table[..., 6] = space.at_most(share, 4.0)
    table[..., 7] = space.log(share) / 2.0
    table[..., 8] = 1.0 / step
    table[..., 9] = space.at_most(step / 24.0, 12.0) / 4.0
    return table
