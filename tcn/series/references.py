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

from tcn.series.scaling import (
    History,
    LocScale,
    age_at,
    level_window,
    loc_at,
    loc_scale_at,
    totals,
)

N_CYCLES = 4
N_LONG_CYCLES = 8
N_REFERENCES = 21
N_DRAFTS = 8
N_STEP_FEATURES = 10
_LONG_LAG = 7
_AS_THEY_ARE = (10, 11, 12, 13, 19)  # shares, flags and what is bounded already
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
    additive, ratios, seen = view.cycles()
    near, near_seen = additive[..., :N_CYCLES], seen[..., :N_CYCLES]
    seasonal = (history.season > 1).double()[:, None, None].expand_as(steps)
    mean_additive = _mean(near, near_seen)
    mean_ratio = _mean(ratios[..., :N_CYCLES], near_seen)
    long_mean = _mean(additive, seen)
    weekly, has_weekly = view.long_lag()
    newest = view.newest()
    naive = view.seasonal_naive()
    near_slope, far_slope = view.slopes()
    distance = view.distance()
    lines = [near_slope * distance, far_slope * distance]
    drafts = [
        naive,
        mean_additive,
        mean_ratio,
        long_mean,
        newest[0],
        *lines,
        view.damped_line(near_slope),
    ]
    references = [
        *near.unbind(-1),
        *ratios[..., :N_CYCLES].unbind(-1),
        long_mean,
        weekly,
        has_weekly,
        near_seen.sum(dim=-1) / N_CYCLES,
        seasonal,
        _disagreement(near, near_seen, mean_additive),
        *newest,
        *lines,
        view.positive(),
        naive,
    ]
    table = _stack(references)
    bent = [index for index in range(N_REFERENCES) if index not in _AS_THEY_ARE]
    table[..., bent] = table[..., bent].asinh().clamp(-8.0, 8.0)
    return StepInputs(
        table,
        _stack(drafts).clamp(-30.0, 30.0),
        _stack(_step_features(history, end, steps)),
        scaling,
    )


class _View:
    """A history seen from origins (N, O) towards steps (N, O, H)."""

    def __init__(self, history: History, end: Tensor, steps: Tensor, scaling: LocScale) -> None:
        self.history = history
        self.end = end
        self.steps = steps
        self.first = torch.minimum(history.first, end - 1)  # of the values up to each origin
        self.loc = scaling.loc[:, :, None]
        self.scale = scaling.scale[:, :, None]
        self.season = history.season[:, None, None]
        self.phase_back = self.season * ((steps + self.season - 1) // self.season)

    def value_at(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Values at `index` (N, O, H, ...) and whether they were seen."""
        n = index.shape[0]
        flat = index.clamp_min(0).reshape(n, -1)
        value = self.history.values.gather(1, flat).view_as(index)
        seen = self.history.observed.gather(1, flat).view_as(index) * (index >= 0)
        return value, seen

    def _at_origin(self, row: Tensor) -> Tensor:
        return row.gather(1, (self.end - 1).clamp_min(0))[:, :, None]

    def positive(self) -> Tensor:
        return self._at_origin(self.history.positive).expand(self.steps.shape).contiguous()

    def cycles(self) -> tuple[Tensor, Tensor, Tensor]:
        """Differences to, and ratios with, the mean of each of the last cycles, in z units.

        Each (N, O, H, N_LONG_CYCLES), 0 where the value was not seen; and whether it was.
        """
        cycle = torch.arange(N_LONG_CYCLES, device=self.steps.device)
        newest = self.end[:, :, None] - 1 + self.steps - self.phase_back
        value, seen = self.value_at(newest[..., None] - cycle * self.season[..., None])
        mean = self._cycle_means(cycle)
        difference = (value - mean) / self.scale[..., None] * seen
        own_level = mean + self.history.centre[:, :, None, None]
        usable = (self._at_origin(self.history.positive)[..., None] > 0) & (own_level > 0)
        level = (self.loc + self.history.centre[:, :, None])[..., None]
        ratio = (level / torch.where(usable, own_level, 1.0)).clamp(0.1, 10.0)
        return difference, torch.where(usable, difference * ratio, difference), seen

    def _cycle_means(self, cycle: Tensor) -> Tensor:
        """Mean of each of the last cycles; the level where there is no cycle. (N, O, 1, cycles)."""
        n, n_origins = self.end.shape
        season = self.history.season[:, None, None].expand(n, n_origins, len(cycle))
        ends = self.end[:, :, None] - cycle * season
        mean = totals(self.history, ends.flatten(1), season.flatten(1)).mean()
        mean = mean.view(n, n_origins, 1, len(cycle))
        return torch.where(self.season[..., None] == 1, self.loc[..., None], mean)

    def seasonal_naive(self) -> Tensor:
        """The value one whole number of cycles ago, as z; 0 where it was not seen."""
        value, known = self.value_at(self.end[:, :, None] - 1 + self.steps - self.phase_back)
        return (value - self.loc) / self.scale * known

    def long_lag(self) -> tuple[Tensor, Tensor]:
        """The value seven cycles back (a week of days) against the mean of those seven cycles."""
        width = _LONG_LAG * self.season
        back = width * ((self.steps + width - 1) // width)
        value, known = self.value_at(self.end[:, :, None] - 1 + self.steps - back)
        cycles = (_LONG_LAG * self.history.season[:, None]).expand_as(self.end)
        mean = totals(self.history, self.end, cycles).mean()
        return (value - mean[:, :, None]) / self.scale * known, known

    def newest(self) -> list[Tensor]:
        """The last values as z, newest first, each (N, O, H)."""
        columns = []
        for back in range(3):
            index = torch.maximum(self.end - 1 - back, self.first)
            value = self.history.last_seen.gather(1, index)[:, :, None]
            columns.append(((value - self.loc) / self.scale).expand(self.steps.shape).contiguous())
        return columns

    def slopes(self) -> tuple[Tensor, Tensor]:
        """Change of the level per step over one and over three level windows, in z, (N, O, 1)."""
        width = level_window(self.history.season)[:, None]
        half = age_at(self.history, self.end) // 2
        lag = torch.cat([torch.minimum(width, half), torch.minimum(3 * width, half)], dim=1)
        lag = lag.clamp_min(1)
        earlier = torch.maximum(self.end.repeat(1, 2) - lag, self.first.repeat(1, 2) + 1)
        before = loc_at(self.history, earlier)
        change = (self.loc.repeat(1, 2, 1) - before[:, :, None]) / self.scale.repeat(1, 2, 1)
        near, far = (change / lag[:, :, None]).chunk(2, dim=1)
        return near, far

    def distance(self) -> Tensor:
        """Steps from the centre of the level window to the step forecast."""
        age = age_at(self.history, self.end)
        width = torch.minimum(level_window(self.history.season)[:, None], age)
        return self.steps + 0.5 * (width[:, :, None] - 1)

    def damped_line(self, slope: Tensor) -> Tensor:
        """The near line with each further step a tenth flatter (Gardner and McKenzie 1985)."""
        to_origin = self.distance() - self.steps
        return slope * (to_origin + (1.0 - _DAMPING**self.steps) / (1.0 - _DAMPING))


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean along the last axis; 0 where all weights are."""
    return (values * weights).sum(dim=-1) / weights.sum(dim=-1).clamp_min(1.0)


def _disagreement(values: Tensor, weights: Tensor, mean: Tensor) -> Tensor:
    """Root mean square distance of the references from their mean."""
    return _mean((values - mean[..., None]).square(), weights).sqrt().clamp_max(10.0)


def _step_features(history: History, end: Tensor, steps: Tensor) -> list[Tensor]:
    season = history.season[:, None, None]
    step = steps.double()
    seen = age_at(history, end)[:, :, None].double()
    angle = 2.0 * torch.pi * step / season
    seasonal = (season > 1).double()
    return [
        torch.log(step) / 2.0 - 1.0,
        step.sqrt() / 4.0 - 0.5,
        (step / season).clamp_max(8.0) * seasonal / 2.0,
        torch.log1p(step / season) * seasonal,
        torch.sin(angle) * seasonal,
        torch.cos(angle) * seasonal,
        (step / seen).clamp_max(4.0),
        torch.log(step / seen) / 2.0,
        1.0 / step,
        (step / 24.0).clamp_max(12.0) / 4.0,
    ]


def _stack(columns: list[Tensor]) -> Tensor:
    return torch.stack([column.float() for column in columns], dim=-1)
