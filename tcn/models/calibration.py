"""Split-conformal shifts of quantiles, found on windows that were not trained on."""

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from tcn.models.heads import Head, interpolation_weights

LOW, MEDIAN, HIGH = 0.1, 0.5, 0.9
SMALLEST_SPREAD = 1e-6


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
) -> Calibration:
    """Shifts from validation windows.

    quantiles: (N, H, Q) in z units at `levels`, which include 0.1, 0.5 and 0.9. target: (N, H).
    weight: (N, H), 0 where nothing was seen.
    """
    horizon = target.shape[1]
    width = quantiles[..., levels.index(HIGH)] - quantiles[..., levels.index(LOW)]
    scores = (target[..., None] - quantiles) / width.clamp_min(SMALLEST_SPREAD)[..., None]
    edges = sorted({round(horizon * part / parts) for part in range(parts + 1)})
    rows = []
    for start, stop in itertools.pairwise(edges):
        seen = weight[:, start:stop] > 0
        rows.append(_centred(_part_shifts(scores[:, start:stop][seen], levels), levels))
    return Calibration(levels, tuple(edges[1:-1]), tuple(rows))


def _centred(shifts: tuple[float, ...], levels: tuple[float, ...]) -> tuple[float, ...]:
    """The shifts less that of the median."""
    return tuple(shift - shifts[levels.index(MEDIAN)] for shift in shifts)


def _part_shifts(scores: Tensor, levels: tuple[float, ...]) -> tuple[float, ...]:
    """The level's own quantile of its scores; 0 where there is too little to tell."""
    n = len(scores)
    if n < 50:
        return (0.0,) * len(levels)
    ordered = scores.sort(dim=0).values
    shifts = []
    for column, level in enumerate(levels):
        rank = min(max(round(level * (n + 1)) - 1, 0), n - 1)
        shifts.append(float(ordered[rank, column]))
    return tuple(shifts)
