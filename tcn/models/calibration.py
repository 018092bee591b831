"""Split-conformal shifts of quantiles, found on windows that were not trained on."""

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from tcn.models.heads import Head, interpolation_weights

LOW, MEDIAN, HIGH = 0.1, 0.5, 0.9
SMALLEST_SPREAD = 1e-6
FEWEST_STEPS = 50  # of a part of the horizon that has shifts of its own
FEWEST_APART = 8  # windows that do not overlap, for shifts of each level
STEPS_APART = 2  # that one of fewer such windows counts for, its steps being of one time
WEIGHT_BEFORE = 10  # steps that what was known before counts for
MOST_WIDENING = 4.0  # times the usual one
USUAL_WIDENING = 1.25  # what a network needs beyond its training
_NORMAL = 1.2815515655446004  # 90 % quantile of the standard normal distribution


@dataclass(frozen=True)
class Calibration:
    r"""Shifts per quantile level and part of the horizon, in units of the 80 % interval's width.

    For level $\tau$ the score of a validation step is (y - q_tau) / (q_0.9 - q_0.1); a share $\tau$
    of the steps lies below the $\tau$-quantile of the scores. The shift is that quantile less the
    median's: the points held back are of one time, and what all of them had in common the next
    ones need not have, so the median stays. Source: conformalised quantile regression, Romano et
    al. 2019 (arXiv:1905.03222), with asymmetric scores relative to the width.

    bounds: last step of each part but the last. values: the shifts, (parts, levels).
    """

    levels: tuple[float, ...]
    bounds: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]

    def shifts(
        self,
        head: Head,
        raw: Tensor,
        levels: tuple[float, ...],
        first_step: int,
        quantiles: Tensor | None = None,
    ) -> Tensor:
        """What to add to quantiles at `levels`; raw (N, H, n_raw), output (N, H, levels).

        quantiles: those at `levels`, float64, where they are at hand.
        """
        if quantiles is None or not {LOW, HIGH} <= set(levels):
            low, high = head.quantiles(raw, (LOW, HIGH)).double().unbind(-1)
        else:
            low, high = quantiles[..., levels.index(LOW)], quantiles[..., levels.index(HIGH)]
        width = (high - low).clamp_min_(SMALLEST_SPREAD)
        return _shares(self, levels, first_step, raw.shape[-2]) * width[..., None]

    @property
    def widening(self) -> float:
        """By how much the 80 % interval grows, in the mean over the parts of the horizon."""
        low, high = self.levels.index(LOW), self.levels.index(HIGH)
        return 1.0 + sum(row[high] - row[low] for row in self.values) / len(self.values)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "levels": list(self.levels),
            "bounds": list(self.bounds),
            "shifts": [list(row) for row in self.values],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Calibration":
        """Inverse of `to_dict`."""
        return cls(
            tuple(values["levels"]),
            tuple(values["bounds"]),
            tuple(tuple(row) for row in values["shifts"]),
        )


@lru_cache(maxsize=64)
def _shares(calibration: Calibration, levels: tuple[float, ...], first: int, count: int) -> Tensor:
    """Shifts at `levels` for steps from `first` on, in units of the width, (count, levels)."""
    with torch.inference_mode(False):
        steps = torch.arange(first, first + count)
        part = torch.bucketize(steps, torch.tensor(calibration.bounds, dtype=torch.int64))
        table = torch.tensor(calibration.values, dtype=torch.float64)
        return (table @ interpolation_weights(calibration.levels, levels))[part]


def fit_calibration(
    quantiles: Tensor,
    target: Tensor,
    weight: Tensor,
    levels: tuple[float, ...],
    parts: int = 3,
    *,
    n_apart: int | None = None,
    before: Calibration | None = None,
) -> Calibration:
    """Shifts from validation windows.

    quantiles: (N, H, Q) in z units at `levels`, which include 0.1, 0.5 and 0.9. target: (N, H).
    weight: (N, H), 0 where nothing was seen. n_apart: windows that do not overlap; those of one
    series that do tell little more than one of them. before: of the network that training began
    with. Where little was seen, no level and no part of the horizon has a shift of its own: all
    that was seen tells how much wider the intervals must be, beside what was known before.
    """
    horizon = target.shape[1]
    width = quantiles[..., levels.index(HIGH)] - quantiles[..., levels.index(LOW)]
    scores = (target[..., None] - quantiles) / width.clamp_min(SMALLEST_SPREAD)[..., None]
    edges = sorted({round(horizon * part / parts) for part in range(parts + 1)})
    counts = [int((weight[:, a:b] > 0).sum()) for a, b in itertools.pairwise(edges)]
    n_apart = len(target) if n_apart is None else n_apart
    if min(counts) < FEWEST_STEPS or n_apart < FEWEST_APART:
        distances = 2.0 * scores[weight > 0][:, levels.index(MEDIAN)].abs()
        usual = USUAL_WIDENING if before is None else before.widening
        factor = _widening(distances, n_apart * STEPS_APART, usual)
        return Calibration(levels, (), (_widened(levels, factor),))
    rows = []
    for start, stop in itertools.pairwise(edges):
        seen = weight[:, start:stop] > 0
        rows.append(_centred(_part_shifts(scores[:, start:stop][seen], levels), levels))
    return Calibration(levels, tuple(edges[1:-1]), tuple(rows))


def _centred(shifts: tuple[float, ...], levels: tuple[float, ...]) -> tuple[float, ...]:
    """The shifts less that of the median."""
    return tuple(shift - shifts[levels.index(MEDIAN)] for shift in shifts)


def _widening(distances: Tensor, weight: float, usual: float) -> float:
    """By how much the distances of quantiles from the median must grow, at least as `usual`.

    distances: (n,) of what was seen from the median, in halves of the 80 % interval, of which 80 %
    are below 1 where intervals are as wide as they say. They count for `weight` steps beside
    `WEIGHT_BEFORE` normal ones that need the usual widening.
    """
    ordered = distances.double().sort().values
    low, high = usual, max(MOST_WIDENING * usual, usual)
    for _ in range(40):
        middle = (low + high) / 2.0
        normal = math.erf(_NORMAL * middle / usual / math.sqrt(2.0))
        seen = int(torch.searchsorted(ordered, middle, right=True)) / max(len(ordered), 1)
        share = (weight * seen + WEIGHT_BEFORE * normal) / (weight + WEIGHT_BEFORE)
        low, high = (low, middle) if share >= HIGH - LOW else (middle, high)
    return high


def _widened(levels: tuple[float, ...], factor: float) -> tuple[float, ...]:
    """Shifts that multiply the distances of a normal distribution's quantiles from its median."""
    places = torch.special.ndtri(torch.tensor(levels, dtype=torch.float64))
    return tuple(((factor - 1.0) * places / (2.0 * _NORMAL)).tolist())


def _part_shifts(scores: Tensor, levels: tuple[float, ...]) -> tuple[float, ...]:
    """The level's own quantile of its scores."""
    n = len(scores)
    ordered = scores.sort(dim=0).values
    shifts = []
    for column, level in enumerate(levels):
        rank = min(max(round(level * (n + 1)) - 1, 0), n - 1)
        shifts.append(float(ordered[rank, column]))
    return tuple(shifts)
