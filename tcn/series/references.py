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
from typing import NamedTuple

from torch import Tensor

from tcn.series.arrays import Array, space_of
from tcn.series.scaling import (
    LEVEL_ROWS,
    VALUE_ROWS,
    WINDOW_ROWS,
    History,
    LocScale,
    Row,
    age_at,
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
_BENT = (slice(0, 10), slice(14, 19), slice(20, 24))  # not shares, flags and what is bounded
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
    space = space_of(steps)
    origins = _origins(history, end)
    cycles = _cycles(history, end, steps, origins)
    lines = _lines(history, steps, origins)
    shape = steps.shape
    newest = origins.newest

    references = space.empty_single((*shape, N_REFERENCES), steps)
    references[..., :4] = cycles.differences[..., :N_CYCLES]
    references[..., 4:8] = cycles.scaled[..., :N_CYCLES]
    references[..., 8] = cycles.long_mean
    references[..., 9] = cycles.differences[..., N_LONG_CYCLES]
    references[..., 14:17] = newest[:, :, None]
    references[..., 17] = lines.near
    references[..., 18] = lines.far
    references[..., 20] = cycles.naive
    references[..., 21] = cycles.outer_mean
    references[..., 22] = cycles.outer_scaled
    references[..., 23] = origins.outer_level
    for columns in _BENT:
        space.bend(references[..., columns])
        space.bound(references[..., columns], -8.0, 8.0)
    references[..., 10] = cycles.number_outer / N_OUTER_CYCLES
    references[..., 11] = cycles.number / N_CYCLES
    references[..., 12] = (history.season > 1)[:, None, None]
    references[..., 13] = space.at_most(cycles.spread, 10.0)
    references[..., 19] = origins.positive

    drafts = space.empty_single((*shape, N_DRAFTS), steps)
    drafts[..., 0] = cycles.naive
    drafts[..., 1] = cycles.mean
    drafts[..., 2] = cycles.scaled_mean
    drafts[..., 3] = cycles.long_mean
    drafts[..., 4] = newest[:, :, :1]
    drafts[..., 5] = lines.near
    drafts[..., 6] = lines.far
    drafts[..., 7] = lines.damped
    outer = origins.outer_level + cycles.outer_mean
    drafts[..., 8] = outer * space.at_most(cycles.number_outer, 1.0)
    return StepInputs(
        space.tensor(references),
        space.tensor(space.bound(drafts, -30.0, 30.0)),
        _step_features(history, steps, origins.age),
        origins.scaling,
    )


# where the ends that `_origins` looks at once stand side by side
_AT_CYCLES = slice(0, N_LONG_CYCLES + 1)
_AT_OUTER = slice(_AT_CYCLES.stop, _AT_CYCLES.stop + N_OUTER_CYCLES + 1)
_AT_PARTS = slice(_AT_OUTER.stop, _AT_OUTER.stop + N_LONG_CYCLES)
_AT_NEWEST = slice(_AT_PARTS.stop, _AT_PARTS.stop + 3)
_BEFORE_SLOPES = slice(_AT_NEWEST.stop, _AT_NEWEST.stop + 2)
_WIDTH_BEFORE = slice(_BEFORE_SLOPES.stop, _BEFORE_SLOPES.stop + 2)
_LEVEL_BEGIN, _SCALE_BEGIN = _WIDTH_BEFORE.stop, _WIDTH_BEFORE.stop + 1


class _Origins(NamedTuple):
    """What is known at each origin, in the units of History where no other is named."""

    scaling: LocScale  # (N, O)
    age: Array  # (N, O, 1) positions
    positive: Array  # (N, O, 1) whether all values so far were
    newest: Array  # (N, O, 3) z of the newest values, newest first
    slopes: Array  # (N, O, 2) change of the level per step over one and three windows, in z
    means: Array  # (N, O, 12) of each of the last cycles and outer cycles
    ratios: Array  # (N, O, 12) level now over these means where all is positive, else 1
    outer_level: Array  # (N, O, 1) z of the mean of the newest outer cycle


def _origins(history: History, end: Array) -> _Origins:
    """All that does not depend on the step, from one look at the table."""
    space = space_of(end)
    season = history.season[:, None, None]
    width, outer = level_window(season), outer_cycle(season)
    last = end[:, :, None]
    age = age_at(history, end)[:, :, None]
    first = space.minimum(history.first + 1, end)[:, :, None]
    count = space.arange(0, N_LONG_CYCLES + 1, end)
    lags = space.at_least(space.minimum(width * count[1:4:2], age // 2), 1)
    part = space.at_least(age - season * count[:-1], 0)
    earlier = space.maximum(last - lags, first)
    ends = [
        last - season * count,
        last - outer * count[: N_OUTER_CYCLES + 1],
        last - part,
        space.maximum(last - count[:3], first),
        earlier,
        earlier - width,
        last - width,
        last - scale_window(season),
    ]
    rows = look_up(history, WINDOW_ROWS, space.concat(ends, 2))
    scaling = loc_scale_of(history, rows[..., 0], rows[..., _LEVEL_BEGIN], rows[..., _SCALE_BEGIN])
    loc, scale = scaling.loc[:, :, None], scaling.scale[:, :, None]
    positive = look_up(history, slice(Row.POSITIVE, Row.POSITIVE + 1), last)[:, 0]
    sums = rows[:, Row.VALUES : Row.NUMBER + 1]
    means = _cycle_means(season, part, sums[..., _AT_CYCLES], sums[..., _AT_PARTS])
    edges = sums[..., _AT_OUTER]
    parts = edges[..., :-1] - edges[..., 1:]
    outer_means = parts[:, 0] / space.at_least(parts[:, 1], 1.0)
    outer_means = space.where(parts[:, 1] > 0.0, outer_means, loc)
    means = space.concat([space.where(season == 1, loc, means), outer_means], 2)
    levels = rows[:, LEVEL_ROWS]
    before = level_between(levels[..., _BEFORE_SLOPES], levels[..., _WIDTH_BEFORE])
    return _Origins(
        scaling,
        age,
        positive,
        (rows[:, Row.LAST_SEEN, :, _AT_NEWEST] - loc) / scale,
        (loc - before) / scale / lags,
        means,
        _ratios(history, positive, loc, means),
        (outer_means[..., :1] - loc) / scale,
    )


def _cycle_means(season: Array, part: Array, sums: Array, at_part: Array) -> Array:
    """Mean of each of the last cycles, (N, O, 8).

    Of a cycle seen in part the mean is that of the newest, moved by how the part differs from the
    same part of the newest: a part is not compared with another part of the year. `part` is how
    much was seen from a cycle's beginning on, `at_part` the sums that long ago.
    """
    space = space_of(part)
    within = sums[..., :-1] - sums[..., 1:]
    means = within[:, 0] / space.at_least(within[:, 1], 1.0)
    same = sums[..., :1] - at_part
    moved = means[..., :1] + means - same[:, 0] / space.at_least(same[:, 1], 1.0)
    return space.where((part > 0) & (part < season) & (same[:, 1] > 0.0), moved, means)


def _ratios(history: History, positive: Array, loc: Array, means: Array) -> Array:
    space = space_of(means)
    centre = history.centre[:, :, None]
    level = means + centre
    usable = (positive > 0.0) & (level > 0.0)
    ratio = (loc + centre) / space.where(usable, level, 1.0)
    return space.where(usable, space.bound(ratio, 0.1, 10.0), 1.0)


class _Cycles(NamedTuple):
    """The same phase in past cycles, in z units, 0 where it was not seen; (N, O, H) and more."""

    differences: Array  # (N, O, H, 12) to the mean of the reference's own cycle or outer cycle
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


def _cycles(history: History, end: Array, steps: Array, origins: _Origins) -> _Cycles:
    space = space_of(steps)
    loc, scale = (each[:, :, None] for each in origins.scaling)
    season = history.season[:, None, None]
    outer = outer_cycle(season)
    ahead = end[:, :, None] + steps
    ends = [
        _same_phase(ahead, steps, season, N_LONG_CYCLES),
        _same_phase(ahead, steps, outer, N_OUTER_CYCLES),
    ]
    found = look_up(history, VALUE_ROWS, space.concat(ends, 3))
    value, seen = found[:, 0], found[:, 1]
    differences = (value - origins.means[:, :, None]) / scale[..., None] * seen
    scaled = differences * origins.ratios[:, :, None]
    number = seen[..., :N_CYCLES].sum(-1)
    number_outer = seen[..., N_LONG_CYCLES:].sum(-1)
    long = space.at_least(seen[..., :N_LONG_CYCLES].sum(-1), 1.0)
    near, far = space.at_least(number, 1.0), space.at_least(number_outer, 1.0)
    mean = differences[..., :N_CYCLES].sum(-1) / near
    apart = differences[..., :N_CYCLES] - mean[..., None]
    apart *= apart
    apart *= seen[..., :N_CYCLES]
    return _Cycles(
        differences,
        scaled,
        (value[..., 0] - loc) / scale * seen[..., 0],
        number,
        mean,
        space.sqrt(apart.sum(-1) / near),
        scaled[..., :N_CYCLES].sum(-1) / near,
        differences[..., :N_LONG_CYCLES].sum(-1) / long,
        number_outer,
        differences[..., N_LONG_CYCLES:].sum(-1) / far,
        scaled[..., N_LONG_CYCLES:].sum(-1) / far,
    )


def _same_phase(ahead: Array, steps: Array, season: Array, count: int) -> Array:
    """Ends of `count` values at the phase of each step, newest cycle first, (N, O, H, K)."""
    newest = ahead - season * ((steps + season - 1) // season)
    return newest[..., None] - season[..., None] * space_of(steps).arange(0, count, steps)


class _Lines(NamedTuple):
    """Straight lines from the level, in z units, (N, O, H)."""

    near: Array  # along the slope over one level window
    far: Array  # over three
    damped: Array  # the near one, each further step a tenth flatter (Gardner and McKenzie 1985)


def _lines(history: History, steps: Array, origins: _Origins) -> _Lines:
    space = space_of(steps)
    step = space.double(steps)
    width = level_window(history.season[:, None, None])
    behind = 0.5 * space.double(space.minimum(width, origins.age) - 1)  # the window's centre
    distance = step + behind
    near, far = origins.slopes[..., :1], origins.slopes[..., 1:]
    damped = behind + (1.0 - _DAMPING**step) / (1.0 - _DAMPING)
    return _Lines(near * distance, far * distance, near * damped)


def _step_features(history: History, steps: Array, age: Array) -> Tensor:
    space = space_of(steps)
    season = history.season[:, None, None]
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
    return space.tensor(table)
