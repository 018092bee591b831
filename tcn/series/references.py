"""What a head is told of each future step: the same phase in past cycles, and simple drafts.

For origin `o` and step `h` (1 is the next value) with a cycle of `m` steps, the j-th reference is
the value at `o + h - m * ceil(h / m) - j m`: the same phase, j cycles back from the newest seen. It
is compared with the mean of its own cycle, as a difference in units of scale, and, where all
values so far are positive, as a ratio too, since many seasons grow with the level.

Drafts are whole forecasts in z units (seasonal naive, seasonal means, the level, straight lines)
that the network weighs. Source of the idea: similar-day methods; the weights are learned.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from tcn.series.bending import bent
from tcn.series.scaling import (
    LEVEL_ROWS,
    VALUE_ROWS,
    History,
    LocScale,
    Row,
    age_at,
    level_between,
    level_window,
    loc_scale_at,
    look_up,
)

N_CYCLES = 4
N_LONG_CYCLES = 8
N_REFERENCES = 21
N_DRAFTS = 8
N_STEP_FEATURES = 10
_LONG_LAG = 7
_BENT = (slice(0, 10), slice(14, 19), slice(20, 21))  # not shares, flags and what is bounded
_DAMPING = 0.9


class StepInputs(NamedTuple):
    """Inputs of the head for O origins and H steps each."""

    references: Tensor  # (N, O, H, N_REFERENCES) float32
    drafts: Tensor  # (N, O, H, N_DRAFTS) float32, in z units
    steps: Tensor  # (N, O, H, N_STEP_FEATURES) float32, smooth functions of the step
    scaling: LocScale  # loc and scale at each origin, (N, O) float64, in the units of History


def step_inputs(history: History, end: Tensor, steps: Tensor) -> StepInputs:
    """Gather references for origins after the first `end` positions.

    end: (N, O) int64, at least 1. steps: (N, O, H) int64, at least 1.
    """
    scaling = loc_scale_at(history, end)
    view = _View(history, end, steps, scaling)
    cycles = view.cycles()
    near, near_seen = cycles.differences[..., :N_CYCLES], cycles.seen[..., :N_CYCLES]
    ratios = cycles.ratios[..., :N_CYCLES]
    n_seen = near_seen.sum(dim=-1)
    mean_near = _mean(near, near_seen, n_seen)
    long_mean = _mean(cycles.differences, cycles.seen, cycles.seen.sum(dim=-1))
    spread = _mean((near - mean_near[..., None]).square(), near_seen, n_seen).sqrt()
    newest = [column.expand(steps.shape) for column in view.newest().chunk(3, dim=-1)]
    slopes = view.slopes().chunk(2, dim=-1)
    distance = view.distance()
    lines = [slope * distance for slope in slopes]
    drafts = [
        cycles.naive,
        mean_near,
        _mean(ratios, near_seen, n_seen),
        long_mean,
        newest[0],
        *lines,
        view.damped_line(slopes[0], distance),
    ]
    others = [
        long_mean,
        cycles.weekly,
        cycles.weekly_seen,
        n_seen / N_CYCLES,
        (history.season > 1).double()[:, None, None].expand(steps.shape),
        spread.clamp_max(10.0),
        *newest,
        *lines,
        view.positive.expand(steps.shape),
        cycles.naive,
    ]
    references = torch.cat([near, ratios, torch.stack(others, dim=-1)], dim=-1).float()
    for columns in _BENT:
        references[..., columns] = bent(references[..., columns], 8.0)
    return StepInputs(
        references,
        torch.stack(drafts, dim=-1).float().clamp_(-30.0, 30.0),
        torch.stack(_step_features(history, end, steps), dim=-1).float(),
        scaling,
    )


class _Cycles(NamedTuple):
    """References in past cycles, in z units, 0 where the value was not seen."""

    differences: Tensor  # (N, O, H, N_LONG_CYCLES) to the mean of the reference's own cycle
    ratios: Tensor  # the same in proportion to that mean, where all is positive
    seen: Tensor  # 1.0 where the reference was seen
    naive: Tensor  # (N, O, H) the newest reference as it is
    weekly: Tensor  # (N, O, H) seven cycles back (a week of days), to the mean of those cycles
    weekly_seen: Tensor


class _View:
    """A history seen from origins (N, O) towards steps (N, O, H)."""

    def __init__(self, history: History, end: Tensor, steps: Tensor, scaling: LocScale) -> None:
        self.history = history
        self.end = end
        self.steps = steps
        self.loc = scaling.loc[:, :, None]
        self.scale = scaling.scale[:, :, None]
        self.season = history.season[:, None, None]
        self.width = level_window(self.season)
        self.age = age_at(history, end)[:, :, None]
        self.lags = self._slope_lags()
        self.rows = self._origin_rows()
        self.positive = look_up(history, slice(Row.POSITIVE, Row.POSITIVE + 1), end)[:, 0, :, None]

    def _slope_lags(self) -> Tensor:
        """One and three level windows, but half the age at most, (N, O, 2)."""
        widths = self.width * torch.tensor([1, 3], device=self.end.device)
        return torch.minimum(widths, self.age // 2).clamp_min(1)

    def _origin_rows(self) -> Tensor:
        """LEVEL_ROWS at the three newest values, before slopes, and at the ends of cycles."""
        end = self.end[:, :, None]
        first = torch.minimum(self.history.first + 1, self.end)[:, :, None]
        count = torch.arange(N_LONG_CYCLES + 1, device=end.device)
        newest = torch.maximum(end - count[:3], first)
        earlier = torch.maximum(end - self.lags, first)
        ends = [newest, earlier, earlier - self.width, end - count * self.season]
        return look_up(self.history, LEVEL_ROWS, torch.cat(ends, dim=2))

    def cycles(self) -> _Cycles:
        """The same phase in the last cycles, and seven cycles back."""
        seven = _LONG_LAG * self.season
        now = self.end[:, :, None] + self.steps
        newest = now - self.season * ((self.steps + self.season - 1) // self.season)
        weekly = now - seven * ((self.steps + seven - 1) // seven)
        cycle = torch.arange(N_LONG_CYCLES, device=now.device)
        ends = torch.cat(
            [newest[..., None] - cycle * self.season[..., None], weekly[..., None]], dim=-1
        )
        value, seen = look_up(self.history, VALUE_ROWS, ends).unbind(1)
        means = self._cycle_means()
        differences = (value - means) / self.scale[..., None] * seen
        return _Cycles(
            differences[..., :-1],
            differences[..., :-1] * self._ratios(means[..., :-1]),
            seen[..., :-1],
            (value[..., 0] - self.loc) / self.scale * seen[..., 0],
            differences[..., -1],
            seen[..., -1],
        )

    def _cycle_means(self) -> Tensor:
        """Mean of each of the last cycles, the level where there is no cycle; and of all seven.

        (N, O, 1, N_LONG_CYCLES + 1).
        """
        sums = self.rows[:, 1:, :, 7:]
        weekly = sums[..., :1] - sums[..., _LONG_LAG : _LONG_LAG + 1]
        total, number = torch.cat([sums[..., :-1] - sums[..., 1:], weekly], dim=-1).unbind(1)
        mean = total / number.clamp_min(1.0)
        single = mean.new_tensor([True] * N_LONG_CYCLES + [False], dtype=torch.bool)
        return torch.where((self.season == 1) & single, self.loc, mean)[:, :, None]

    def _ratios(self, means: Tensor) -> Tensor:
        """Level now over the mean of each cycle where all is positive, else 1, (N, O, 1, ...)."""
        centre = self.history.centre[:, :, None, None]
        own_level = means + centre
        usable = (self.positive[..., None] > 0) & (own_level > 0)
        ratio = ((self.loc[..., None] + centre) / own_level).clamp(0.1, 10.0)
        return torch.where(usable, ratio, 1.0)

    def newest(self) -> Tensor:
        """The last three values as z, newest first, (N, O, 3)."""
        return (self.rows[:, Row.LAST_SEEN, :, :3] - self.loc) / self.scale

    def slopes(self) -> Tensor:
        """Change of the level per step over one and over three level windows, in z, (N, O, 2)."""
        before = level_between(self.rows[..., 3:5], self.rows[..., 5:7])
        return (self.loc - before) / self.scale / self.lags

    def distance(self) -> Tensor:
        """Steps from the centre of the level window to the step forecast."""
        return self.steps + 0.5 * (torch.minimum(self.width, self.age) - 1)

    def damped_line(self, slope: Tensor, distance: Tensor) -> Tensor:
        """The near line with each further step a tenth flatter (Gardner and McKenzie 1985)."""
        return slope * (distance - self.steps + (1.0 - _DAMPING**self.steps) / (1.0 - _DAMPING))


def _mean(values: Tensor, weights: Tensor, number: Tensor) -> Tensor:
    """Mean along the last axis of the `number` values that have weight 1; 0 where none has."""
    return (values * weights).sum(dim=-1) / number.clamp_min(1.0)


def _step_features(history: History, end: Tensor, steps: Tensor) -> list[Tensor]:
    season = history.season[:, None, None]
    step = steps.double()
    share = step / age_at(history, end)[:, :, None]
    cycles = step / season
    angle = 2.0 * torch.pi * cycles
    seasonal = (season > 1).double()
    return [
        torch.log(step) / 2.0 - 1.0,
        step.sqrt() / 4.0 - 0.5,
        cycles.clamp_max(8.0) * seasonal / 2.0,
        torch.log1p(cycles) * seasonal,
        torch.sin(angle) * seasonal,
        torch.cos(angle) * seasonal,
        share.clamp_max(4.0),
        torch.log(share) / 2.0,
        1.0 / step,
        (step / 24.0).clamp_max(12.0) / 4.0,
    ]
