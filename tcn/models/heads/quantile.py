"""Quantiles that cannot cross."""

from functools import lru_cache

import torch
from torch import Tensor, nn

from tcn.config import DEFAULT_QUANTILE_LEVELS, require_quantile_levels
from tcn.errors import ConfigError
from tcn.models.heads.base import FIRST_SCALE, Head


class QuantileHead(Head):
    r"""A median and positive steps away from it: non-crossing by construction.

    With levels $q_1 < \dots < q_Q$ and the median at index $c$, quantile $c + j$ is the median plus
    the sum of $j$ softplus increments, and likewise below. Trained by the pinball loss, the mean
    over levels of $2 \max(\tau e, (\tau - 1) e)$ with $e$ = target - quantile (Koenker and Bassett
    1978).

    Levels that were not trained are interpolated linearly in the normal quantile of the level, and
    extrapolated the same way (Gaussian tails beyond the last trained level).

    Shape: raw (..., Q), quantiles (..., number of levels asked for).

    >>> QuantileHead((0.1, 0.5, 0.9)).quantiles(torch.zeros(3), (0.1, 0.5, 0.9)).shape
    torch.Size([3])
    """

    tau: Tensor
    offset: Tensor

    def __init__(self, levels: tuple[float, ...] = DEFAULT_QUANTILE_LEVELS) -> None:
        super().__init__()
        require_quantile_levels(levels)
        if 0.5 not in levels:
            raise ConfigError(f"quantile_levels of a head must include 0.5, got {levels!r}.")
        self.levels = levels
        self.n_raw = len(levels)
        self.n_below = levels.index(0.5)
        tau = torch.tensor(levels)
        probits = torch.special.ndtri(tau.double())
        gaps = FIRST_SCALE * probits.diff()
        self.register_buffer("tau", tau, persistent=False)
        self.register_buffer("offset", torch.log(torch.expm1(gaps)).float(), persistent=False)

    def trained_quantiles(self, raw: Tensor) -> Tensor:
        """Quantiles at the levels of this head, (..., Q)."""
        median, rest = raw[..., :1], raw[..., 1:]
        gaps = nn.functional.softplus(rest + self.offset)
        below = gaps[..., : self.n_below].flip(-1).cumsum(-1).flip(-1)
        above = gaps[..., self.n_below :].cumsum(-1)
        return torch.cat([median - below, median, median + above], dim=-1)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        error = target[..., None] - self.trained_quantiles(raw)
        return 2.0 * torch.maximum(self.tau * error, (self.tau - 1.0) * error).mean(dim=-1)

    def mean(self, raw: Tensor) -> Tensor:
        """Mean of the distribution, by the trapezoid rule over levels."""
        quantiles = self.trained_quantiles(raw)
        return quantiles @ _level_weights(self.levels).to(quantiles)

    def quantiles(self, raw: Tensor, levels: tuple[float, ...]) -> Tensor:
        quantiles = self.trained_quantiles(raw)
        if levels == self.levels:
            return quantiles
        weights = interpolation_weights(self.levels, levels)
        between: Tensor = (quantiles @ weights.to(quantiles)).cummax(dim=-1).values
        return between  # sums round differently: where two should be equal, one may be below

    def mean_and_quantiles(self, raw: Tensor, levels: tuple[float, ...]) -> tuple[Tensor, Tensor]:
        gaps = nn.functional.softplus(raw[..., 1:] + self.offset).double()
        weights = _gap_weights(self.levels, levels).to(gaps.device)
        both = raw[..., :1] + gaps @ weights
        return both[..., 0], both[..., 1:].cummax(dim=-1).values


@lru_cache(maxsize=64)
def _level_weights(levels: tuple[float, ...]) -> Tensor:
    """Share of the distribution that each level stands for."""
    with torch.inference_mode(False):
        tau = torch.tensor(levels, dtype=torch.float64, device="cpu")
        edges = torch.cat([tau.new_zeros(1), (tau[1:] + tau[:-1]) / 2.0, tau.new_ones(1)])
        return edges.diff()


@lru_cache(maxsize=64)
def _gap_weights(known: tuple[float, ...], wanted: tuple[float, ...]) -> Tensor:
    """What each gap adds to the mean and to the wanted quantiles, (Q - 1, 1 + wanted).

    The weights of known quantiles that make a mean or a quantile sum to 1, so that they pass the
    median on whole.
    """
    with torch.inference_mode(False), torch.device("cpu"):
        gap, level = torch.arange(len(known) - 1)[:, None], torch.arange(len(known))
        middle = known.index(0.5)
        above = (gap >= middle) & (level > gap)
        below = (gap < middle) & (level <= gap)
        steps = above.double() - below.double()  # a known quantile's distance from the median
        weights = [_level_weights(known)[:, None], interpolation_weights(known, wanted)]
        return steps @ torch.cat(weights, dim=1)


@lru_cache(maxsize=64)
def interpolation_weights(known: tuple[float, ...], wanted: tuple[float, ...]) -> Tensor:
    """Matrix (len(known), len(wanted)) that turns known quantiles into wanted ones.

    Piecewise linear in the normal quantile of the level; the outer pieces are continued.
    """
    with torch.inference_mode(False), torch.device("cpu"):  # one value for all later calls
        return _interpolation(known, wanted)


def _interpolation(known: tuple[float, ...], wanted: tuple[float, ...]) -> Tensor:
    if len(known) == 1:
        return torch.ones(1, len(wanted), dtype=torch.float64)
    x = torch.special.ndtri(torch.tensor(known, dtype=torch.float64))
    at = torch.special.ndtri(torch.tensor(wanted, dtype=torch.float64))
    right = torch.searchsorted(x, at).clamp(1, len(known) - 1)
    share = (at - x[right - 1]) / (x[right] - x[right - 1])
    weights = torch.zeros(len(known), len(wanted), dtype=torch.float64)
    columns = torch.arange(len(wanted))
    weights[right - 1, columns] = 1.0 - share
    weights[right, columns] += share
    return weights
